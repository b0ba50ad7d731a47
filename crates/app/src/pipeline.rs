//! The one order of checks that every request passes, whichever edge it came in by:
//! connection known → decode → authenticate → permission → limits → parameter check → use case → encode.
//!
//! The edges do the first two and the last two, because only they know the wire. What stands between is here. A row of
//! an edge's table states what its request needs; there is no default, so a new request is closed until its row opens
//! it.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nacrite_base::{Action, Area, Fault};
use nacrite_env::SharedClock;

use crate::connections::Connection;
use crate::control::tps::{Point, Points};
use crate::metrics::Metrics;

/// What a request needs before it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: liveness, handshakes.
    Nothing,
    /// A permission.
    Permission(Action, Area),
    /// The credentials that nodes share.
    NodeIdentity,
}

/// Which limit a request counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitClass {
    /// Handshakes and signs of life; never limited.
    Connection,
    /// Registrations and deregistrations.
    NamingWrite,
    /// Queries and subscriptions.
    NamingRead,
    /// Publishes and removals.
    ConfigWrite,
    /// Queries and listens.
    ConfigRead,
    /// What operators do.
    Operation,
}

impl LimitClass {
    const COUNT: usize = 6;

    /// Requests of the class that may be under way at one time. Writes that wait for the disk are fewer than the
    /// journal's queue holds; everything else is answered without waiting, so its bound only guards against a fault.
    const fn in_flight_max(self) -> usize {
        match self {
            Self::Connection => usize::MAX,
            Self::ConfigWrite => 1000,
            Self::Operation => 256,
            Self::NamingWrite | Self::NamingRead | Self::ConfigRead => 100_000,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection requests",
            Self::NamingWrite => "naming writes",
            Self::NamingRead => "naming reads",
            Self::ConfigWrite => "config writes",
            Self::ConfigRead => "config reads",
            Self::Operation => "operations",
        }
    }
}

/// Who asks, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The other end of the socket.
    pub remote: IpAddr,
    /// What the caller shows to prove itself to be a node: the value of the identity header.
    pub node_identity: Option<&'a str>,
    /// The connection, if it lasts.
    pub connection: Option<&'a Connection>,
}

impl Caller<'_> {
    /// What rules for single keys go by: the address that the client gives for itself, and its connection.
    fn keys(&self) -> (String, Option<String>) {
        let told = self.connection.and_then(|connection| connection.introduction());
        let ip = told.map_or_else(|| self.remote.to_canonical().to_string(), |said| said.client_ip.to_string());
        (ip, self.connection.map(|connection| connection.id.as_str().to_owned()))
    }
}

/// Whom the server trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Everybody who can reach it. Right on loopback; elsewhere only with `--insecure`.
    Everybody,
}

/// The name and the value of the header by which nodes know each other (`nacos.core.auth.server.identity`).
#[derive(Clone, PartialEq, Eq)]
pub struct NodeIdentity {
    /// The header.
    pub key: String,
    /// Its secret value.
    pub value: String,
}

impl std::fmt::Debug for NodeIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeIdentity").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The checks between decoding and the use case.
#[derive(Debug)]
pub struct Pipeline {
    trust: Trust,
    identity: Option<NodeIdentity>,
    /// How often what may be asked.
    pub points: Points,
    in_flight: [Arc<AtomicUsize>; LimitClass::COUNT],
}

/// Leave to go on; counts against the limit until it is dropped.
#[must_use = "a request counts against its limit as long as this lives"]
#[derive(Debug)]
pub struct Admitted(Option<Arc<AtomicUsize>>);

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Pipeline {
    /// A pipeline that trusts whom it is told to trust.
    #[must_use]
    pub fn new(trust: Trust, identity: Option<NodeIdentity>, clock: &SharedClock, metrics: &Arc<Metrics>) -> Self {
        let points = Points::new(Arc::clone(clock), Arc::clone(metrics));
        Self { trust, identity, points, in_flight: Default::default() }
    }

    /// The header by which nodes know each other.
    #[must_use]
    pub fn identity_header(&self) -> Option<&str> {
        self.identity.as_ref().map(|identity| identity.key.as_str())
    }

    /// Lets a request pass, or says why not. `point` is the control point that it passes, if it passes one.
    ///
    /// # Errors
    /// [`Fault::Denied`] without the right, [`Fault::OverLimit`] above a limit.
    pub fn admit(
        &self,
        caller: &Caller<'_>,
        needs: Needs,
        limit: LimitClass,
        point: Option<&Point>,
    ) -> Result<Admitted, Fault> {
        self.authorise(caller, needs)?;
        if let Some(point) = point {
            point.pass(|| caller.keys())?;
        }
        self.count(limit)
    }

    fn authorise(&self, caller: &Caller<'_>, needs: Needs) -> Result<(), Fault> {
        match (needs, &self.trust) {
            (Needs::Nothing, _) | (Needs::Permission(..), Trust::Everybody) => Ok(()),
            (Needs::NodeIdentity, _) => {
                let shown = caller.node_identity.unwrap_or_default();
                let proven = self.identity.as_ref().is_some_and(|identity| equal(&identity.value, shown));
                if proven { Ok(()) } else { Err(Fault::Denied { action: Action::Write, area: Area::Operation }) }
            }
        }
    }

    fn count(&self, limit: LimitClass) -> Result<Admitted, Fault> {
        let max = limit.in_flight_max();
        if max == usize::MAX {
            return Ok(Admitted(None));
        }
        let count = &self.in_flight[limit as usize];
        let admitted = Admitted(Some(Arc::clone(count)));
        if count.fetch_add(1, Ordering::Relaxed) >= max {
            return Err(Fault::OverLimit { limit: format!("{max} {} at a time", limit.name()) });
        }
        Ok(admitted)
    }
}

/// Compares a secret without telling by the time it takes how much of it was right.
fn equal(secret: &str, shown: &str) -> bool {
    let differences = secret.bytes().zip(shown.bytes()).fold(0, |found, (a, b)| found | (a ^ b));
    secret.len() == shown.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Mode;
    use crate::control::tps::{Period, PointRule, Threshold};
    use nacrite_env::clock::SystemClock;
    use std::net::Ipv4Addr;

    fn caller(node_identity: Option<&str>) -> Caller<'_> {
        Caller { remote: Ipv4Addr::LOCALHOST.into(), node_identity, connection: None }
    }

    fn with(identity: Option<NodeIdentity>) -> Pipeline {
        let clock: SharedClock = Arc::new(SystemClock::start());
        Pipeline::new(Trust::Everybody, identity, &clock, &Arc::new(Metrics::new()))
    }

    fn pipeline() -> Pipeline {
        let identity = NodeIdentity { key: "ref".to_owned(), value: "secret".to_owned() };
        with(Some(identity))
    }

    #[test]
    fn only_the_right_identity_passes_as_a_node() {
        let pipeline = pipeline();
        let admit =
            |shown| pipeline.admit(&caller(shown), Needs::NodeIdentity, LimitClass::Operation, None).map(|_| ());
        assert!(admit(Some("secret")).is_ok());
        for wrong in [None, Some(""), Some("secre"), Some("secret ")] {
            assert!(matches!(admit(wrong), Err(Fault::Denied { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn without_a_configured_identity_nobody_is_a_node() {
        let pipeline = with(None);
        let admitted = pipeline.admit(&caller(Some("")), Needs::NodeIdentity, LimitClass::Operation, None);
        assert!(matches!(admitted, Err(Fault::Denied { .. })));
    }

    #[test]
    fn a_class_is_full_until_somebody_leaves() {
        let pipeline = pipeline();
        let needs = Needs::Permission(Action::Write, Area::Config);
        let admit = || pipeline.admit(&caller(None), needs, LimitClass::Operation, None);
        let mut inside: Vec<_> = (0..256).map(|_| admit().expect("below the limit")).collect();
        assert!(matches!(admit(), Err(Fault::OverLimit { .. })));
        inside.pop();
        assert!(admit().is_ok());
    }

    #[test]
    fn what_is_refused_at_a_control_point_takes_no_place() {
        let pipeline = pipeline();
        let point = pipeline.points.point("ConfigPublish");
        let whole = Threshold { max: Some(0), period: Period::Hour, mode: Mode::Intercept };
        let rule = ("ConfigPublish".to_owned(), PointRule { whole, keys: Vec::new() });
        pipeline.points.set_rules(std::iter::once(rule).collect());
        let admit = |point| pipeline.admit(&caller(None), Needs::Nothing, LimitClass::Operation, point);
        for _ in 0..300 {
            assert!(matches!(admit(Some(&*point)), Err(Fault::OverLimit { .. })));
        }
        assert!(admit(None).is_ok());
    }

    #[test]
    fn a_secret_does_not_show_in_the_log() {
        let identity = NodeIdentity { key: "ref".to_owned(), value: "secret".to_owned() };
        assert!(!format!("{identity:?}").contains("secret"));
    }
}
