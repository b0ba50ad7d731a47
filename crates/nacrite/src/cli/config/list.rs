//! Which configs there are: over HTTP, page by page; else over gRPC, where some servers of 3.0 and later tell the names to
//! who watches them.

use std::collections::BTreeSet;
use std::time::Duration;

use nacrite_client::config::ConfigName;
use nacrite_client::{Client, Error};

use crate::cli::errand;
use crate::cli::failure::{Failure, Kind};

/// The names of all configs that match.
///
/// # Errors
/// Why no server gave the list.
pub(super) async fn all(
    client: &Client,
    within: Duration,
    group: &str,
    data_id: &str,
) -> Result<BTreeSet<ConfigName>, Failure> {
    let failure = match client.maintainer().configs(group, data_id).await {
        Ok(found) => return Ok(found),
        Err(Error::Unsupported(_)) => Failure::new(Kind::Failed, "the server has no list of configs over HTTP"),
        Err(error) => match Failure::from(error) {
            unreachable if unreachable.kind == Kind::Unreachable => unreachable,
            // What was refused over one way is not asked for over another one.
            refused => return Err(refused),
        },
    };
    match over_grpc(client, within, group, data_id).await {
        Ok(found) => Ok(found),
        Err(other) => Err(Failure::new(failure.kind, format!("{failure}; and over gRPC: {other}"))),
    }
}

/// Watches the names just until they are known. Gives up at the first failure to connect: HTTP has failed already.
async fn over_grpc(
    client: &Client,
    within: Duration,
    group: &str,
    data_id: &str,
) -> Result<BTreeSet<ConfigName>, Failure> {
    let mut watch = client.config().watch_names(group, data_id)?;
    let told = tokio::time::timeout(within, async {
        tokio::select! {
            told = watch.changed() => told,
            failure = errand::not_connected(client.state().config) => Err(Error::NotConnected(Some(failure))),
        }
    });
    let told = told.await;
    let told =
        told.map_err(|_| Failure::new(Kind::Unreachable, format!("no list within {} ms", within.as_millis())))??;
    if told.is_limited {
        errand::note("there are more configs than the server tells");
    }
    Ok(told.names.iter().cloned().collect())
}
