//! The way to the servers that a naming client takes: a connection over gRPC, or single requests over HTTP.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::desired::Job;
use super::over_grpc;
use super::over_http::OverHttp;
use super::shared::Shared;
use super::wish::Outcome;
use crate::failure::ConnectFailure;
use crate::link::Link;
use crate::session::{Generation, LinkState, Session};

/// The way to the servers.
#[derive(Clone)]
pub(super) enum Door {
    /// One connection, which carries everything and takes it along when it goes.
    Grpc(Link),
    /// No connection: what is registered is kept alive by beats, and lists are asked for again and again.
    Http(OverHttp),
}

impl Door {
    /// The connections, to be watched.
    pub(super) fn sessions(&self) -> Sessions {
        match self {
            Self::Grpc(link) => Sessions::OfLink { sessions: link.session(), states: link.state() },
            Self::Http(_) => Sessions::Always,
        }
    }

    /// Asks for one thing.
    pub(super) fn ask<'a>(&'a self, shared: &'a Arc<Shared>, job: Job) -> BoxFuture<'a, (Job, Outcome)> {
        match self {
            Self::Grpc(link) => Box::pin(over_grpc::ask(shared, link, job)),
            Self::Http(http) => Box::pin(http.ask(shared, job)),
        }
    }

    /// Nothing is asked any more.
    pub(super) fn end(&self) {
        if let Self::Http(http) = self {
            http.end();
        }
    }
}

/// The connections of a [`Door`].
pub(super) enum Sessions {
    OfLink {
        sessions: watch::Receiver<Option<Session>>,
        states: watch::Receiver<LinkState>,
    },
    /// As if one connection stood forever.
    Always,
}

impl Sessions {
    /// The connection that stands.
    pub(super) fn current(&mut self) -> Option<Generation> {
        match self {
            Self::OfLink { sessions, .. } => sessions.borrow_and_update().as_ref().map(|session| session.generation),
            Self::Always => Some(Generation::new(1)),
        }
    }

    /// Why none stands, if that is known.
    pub(super) fn failure(&mut self) -> Option<ConnectFailure> {
        match self {
            Self::OfLink { states, .. } => states.borrow_and_update().failure.clone(),
            Self::Always => None,
        }
    }

    /// Waits until another one stands, or none, or until it is known better why.
    pub(super) async fn changed(&mut self) {
        let is_open = match self {
            Self::OfLink { sessions, states } => tokio::select! {
                changed = sessions.changed() => changed.is_ok(),
                changed = states.changed() => changed.is_ok(),
            },
            Self::Always => false,
        };
        // There will be none any more: the tasks are about to stop.
        if !is_open {
            std::future::pending::<()>().await;
        }
    }
}
