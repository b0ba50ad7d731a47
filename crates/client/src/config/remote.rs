//! The config part of a server, whichever way it is spoken to.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::listens::{Mode, Question};
use super::name::ConfigName;
use super::names::Errand;
use super::value::Known;
use crate::error::Error;
use crate::session::{Generation, Session};

pub(crate) mod grpc;
pub(crate) mod poll;

/// What is published, as it goes over the wire.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) name: ConfigName,
    pub(crate) content: String,
    /// Digest that the stored content must have.
    pub(crate) only_if: Option<String>,
    /// Everything else, under the names of gRPC's `additionMap`.
    pub(crate) additions: BTreeMap<&'static str, String>,
}

/// The config part of a server. Not being there is an answer, never an error.
pub(crate) trait Remote: Send + Sync + 'static {
    /// How it tells of changes.
    fn mode(&self) -> Mode;

    /// The connection that stands, if there is such a thing.
    fn sessions(&self) -> Option<watch::Receiver<Option<Session>>>;

    /// Asks for a config, or for its version of a tag; on one connection only, if one is given.
    fn query<'a>(
        &'a self,
        on: Option<Generation>,
        name: &'a ConfigName,
        tag: Option<&'a str>,
        within: Duration,
    ) -> BoxFuture<'a, Result<Known, Error>>;

    /// Asks which configs differ, and has the server remember them.
    fn ask<'a>(
        &'a self,
        on: Option<Generation>,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Vec<ConfigName>, Error>>;

    /// Has the server forget configs.
    fn withdraw<'a>(&'a self, on: Option<Generation>, question: &'a Question) -> BoxFuture<'a, Result<(), Error>>;

    /// Has the server tell which configs there are, or no longer.
    fn watch_names<'a>(&'a self, on: Generation, errand: &'a Errand) -> BoxFuture<'a, Result<(), Error>>;

    /// Publishes a config.
    fn publish<'a>(&'a self, publication: &'a Publication, within: Duration) -> BoxFuture<'a, Result<(), Error>>;

    /// Removes a config, or its gray version of this name.
    fn remove<'a>(
        &'a self,
        name: &'a ConfigName,
        gray: Option<&'a str>,
        within: Duration,
    ) -> BoxFuture<'a, Result<(), Error>>;
}
