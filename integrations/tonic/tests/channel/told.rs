//! A resolver of the tests' own: the scheme `told`, whose lists the test tells.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use nacrite_tonic::{
    Channel, ChannelBuilder, ChannelState, Connectivity, Endpoint, ResolverFactory, Target, TargetError, Updates,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::server::{PATIENCE, Server};

/// What is told, and whether anybody listens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    updates: Mutex<Option<Updates>>,
    starts: watch::Sender<usize>,
    ends: watch::Sender<usize>,
}

/// Says when resolving has ended.
struct Following(Arc<Inner>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.ends.send_modify(|ends| *ends += 1);
    }
}

impl ResolverFactory for Told {
    fn scheme(&self) -> &str {
        "told"
    }

    fn authority(&self, target: &Target) -> Result<String, TargetError> {
        Ok(target.segments()?.join("/"))
    }

    fn resolve(&self, _: &Target, updates: Updates) -> Result<BoxFuture<'static, ()>, TargetError> {
        *self.0.updates.lock() = Some(updates);
        let inner = Arc::clone(&self.0);
        Ok(Box::pin(async move {
            inner.starts.send_modify(|starts| *starts += 1);
            let _following = Following(inner);
            std::future::pending::<()>().await;
        }))
    }
}

impl Told {
    /// A channel to the service `echo`, which leads where this tells.
    pub(crate) fn channel(&self) -> ChannelBuilder {
        Channel::builder("told:///echo").resolver(self.clone())
    }

    pub(crate) fn updates(&self) -> Updates {
        self.0.updates.lock().clone().expect("the channel is built")
    }

    /// The service is at these servers.
    pub(crate) fn list<'a>(&self, servers: impl IntoIterator<Item = &'a Server>) {
        self.updates().endpoints(servers.into_iter().map(endpoint));
    }

    /// Waits until resolving has ended.
    pub(crate) async fn until_ended(&self) {
        crate::server::until(&self.0.ends, |ends| *ends > 0).await;
    }

    /// How often resolving has ended.
    pub(crate) fn ends(&self) -> usize {
        *self.0.ends.borrow()
    }

    /// How often resolving was begun.
    pub(crate) fn starts(&self) -> usize {
        *self.0.starts.borrow()
    }
}

pub(crate) fn endpoint(server: &Server) -> Endpoint {
    Endpoint::new(&server.at.ip().to_string(), server.at.port())
}

/// Waits for a state of the channel.
pub(crate) async fn until(channel: &Channel, is_reached: impl FnMut(&ChannelState) -> bool) -> ChannelState {
    let mut state = channel.state();
    let reached = tokio::time::timeout(PATIENCE, state.wait_for(is_reached)).await;
    reached.expect("in time").expect("the channel lives").clone()
}

/// Waits until so many endpoints are ready, and no other is there.
pub(crate) async fn until_ready(channel: &Channel, count: usize) {
    let is_ready = |state: &ChannelState| {
        state.endpoints.len() == count && state.endpoints.iter().all(|one| one.connectivity == Connectivity::Ready)
    };
    until(channel, is_ready).await;
}
