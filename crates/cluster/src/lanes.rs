//! What this server asks of others, over their ports for nodes: how many clients they have, and to give some away.
//!
//! Each question is a connection of its own, introduced as a node and closed after the answer: they are asked when an
//! operator balances, not all the time, and a connection that is not there cannot be stale. The words are Nacos's, so that
//! servers of either kind understand each other; what proves a node is the shared identity, never the address.

mod call;

use std::time::Duration;

use nacrite_wire::client::nodes::{ServerLoaderInfoRequest, ServerReloadRequest};

use crate::member::Member;

pub use call::LaneError;

/// How long another server may take for one question, from the first packet to the answer. Nacos gives it a fifth of a
/// second once it is connected; this has to be enough for a connection, too.
const ASK_WITHIN: Duration = Duration::from_secs(2);

/// What proves this server to be a node: the header and its secret value.
#[derive(Clone)]
pub struct LaneIdentity {
    /// Name of the header.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl std::fmt::Debug for LaneIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LaneIdentity").field("key", &self.key).finish_non_exhaustive()
    }
}

/// How many connections a server has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Of clients that can be told to go elsewhere.
    pub sdk: usize,
    /// All.
    pub all: usize,
    /// It hands its clients to others, and takes none.
    pub is_draining: bool,
}

/// The way to other servers.
#[derive(Clone, Debug)]
pub struct Lanes {
    identity: Option<LaneIdentity>,
    version: &'static str,
}

impl Lanes {
    /// Without an identity nobody is asked: every question fails. `version` is how this server names itself.
    #[must_use]
    pub fn new(identity: Option<LaneIdentity>, version: &'static str) -> Self {
        Self { identity, version }
    }

    /// How many connections a server has.
    ///
    /// # Errors
    /// It cannot be reached, does not answer in time, or refuses.
    pub async fn load(&self, member: &Member) -> Result<Load, LaneError> {
        let answer = self.ask(member, &ServerLoaderInfoRequest {}).await?;
        let number =
            |name: &str| answer.count(name).ok_or_else(|| LaneError::Answer(format!("it does not tell its {name}")));
        // Servers of Nacos do not know the word.
        let is_draining = answer.count("draining").is_some_and(|count| count > 0);
        Ok(Load { sdk: number("sdkConCount")?, all: number("conCount")?, is_draining })
    }

    /// Asks a server to tell clients to go elsewhere until at most `keep` are left. Nacos moves at most a tenth at a time.
    ///
    /// # Errors
    /// It cannot be reached, does not answer in time, or refuses.
    pub async fn reload(&self, member: &Member, keep: usize, redirect: &str) -> Result<(), LaneError> {
        let ask = ServerReloadRequest { reload_count: keep, reload_server: redirect };
        self.ask(member, &ask).await.map(|_| ())
    }

    async fn ask<A: nacrite_wire::client::Ask>(&self, member: &Member, ask: &A) -> Result<A::Answer, LaneError> {
        let identity = self.identity.as_ref().ok_or(LaneError::NoIdentity)?;
        let asked = call::ask(member, identity, self.version, ask);
        tokio::time::timeout(ASK_WITHIN, asked).await.map_err(|_| LaneError::Late(ASK_WITHIN))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_an_identity_nobody_is_asked() {
        let lanes = Lanes::new(None, "test");
        assert_eq!(lanes.load(&Member::new("127.0.0.1", 1)).await, Err(LaneError::NoIdentity));
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_said_so() {
        let identity = LaneIdentity { key: "k".to_owned(), value: "secret".to_owned() };
        assert!(!format!("{identity:?}").contains("secret"));
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut member = Member::new("127.0.0.1", 1);
        member.node_port = closed.local_addr().expect("a bound socket has an address").port();
        drop(closed);
        let failed = Lanes::new(Some(identity), "test").load(&member).await;
        assert!(matches!(failed, Err(LaneError::Unreachable(_))), "{failed:?}");
    }
}
