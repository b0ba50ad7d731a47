//! What the server counts. Names and labels of every metric stand here; no label comes from a client's input.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::push::tally::PushTally;

/// Time from a change to the acknowledgement of a subscriber: from half a millisecond to ten seconds.
const PUSH_BUCKETS: [f64; 12] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 6.0, 10.0];

/// Time that a request takes inside the server.
const REQUEST_BUCKETS: [f64; 10] = [0.000_05, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0, 10.0];

/// Which request, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// `grpc` or `http`.
    pub edge: &'static str,
    /// The type of a gRPC request, or method and path of an endpoint: from the table, never from the caller.
    pub request: &'static str,
    /// `ok` or `failed`.
    pub outcome: &'static str,
}

/// Which request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EdgeLabels {
    /// `grpc` or `http`.
    pub edge: &'static str,
    /// As in [`RequestLabels`].
    pub request: &'static str,
}

/// Why a connection was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RefusalLabels {
    /// `total`, `client_ip`, `app`, `draining`, `stopping`, `port`.
    pub reason: &'static str,
    /// `intercept`, or `monitor` if it was let in all the same.
    pub mode: &'static str,
}

/// At which control point something was asked too often.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PointLabels {
    /// Nacos's name of the point: from the table, never from the caller.
    pub point: &'static str,
    /// `intercept`, or `monitor` if it was answered all the same.
    pub mode: &'static str,
}

/// Which health checks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CheckLabels {
    /// `TCP`, `HTTP` or `MYSQL`.
    pub checker: &'static str,
    /// `passed` or `failed`.
    pub outcome: &'static str,
}

/// Where instances turned to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct TurnLabels {
    /// `healthy` or `unhealthy`.
    pub to: &'static str,
}

/// How a health check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The instance is well.
    Passed,
    /// It is not.
    Failed,
}

/// The counters of one row of a request table.
#[derive(Clone, Debug)]
pub struct RequestMetrics {
    /// Requests that succeeded.
    pub ok: Counter,
    /// Requests that were refused or failed.
    pub failed: Counter,
    /// How long they took.
    pub seconds: Histogram,
}

/// What the server counts.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<EdgeLabels, Histogram, fn() -> Histogram>,
    /// Pushes that went out.
    pub pushes_sent: Counter,
    /// Pushes that a client refused.
    pub pushes_refused: Counter,
    /// Pushes that a client did not acknowledge in time.
    pub pushes_unacknowledged: Counter,
    /// Time from a change of a service to the acknowledgement of a subscriber.
    pub push_seconds: Histogram,
    /// How pushes of services fared, for operators who ask as Nacos's do.
    pub push_tally: PushTally,
    /// What went out over UDP.
    pub udp: UdpMetrics,
    /// Connections that were accepted since the start.
    pub connections_opened: Counter,
    /// Connections that the server ended because they fell silent.
    pub connections_ejected: Counter,
    health_checks: Family<CheckLabels, Counter>,
    health_turns: Family<TurnLabels, Counter>,
    /// Times that the server stood still.
    pub guard_stalls: Counter,
    /// Times that so many clients fell silent that it was not believed.
    pub guard_brakes: Counter,
    /// Connections that the server ended because their clients left too much unread.
    pub connections_overfull: Counter,
    connections_refused: Family<RefusalLabels, Counter>,
    tps_exceeded: Family<PointLabels, Counter>,
    /// Clients that were told to go elsewhere.
    pub clients_told: Counter,
    /// Clients that were told again because they were still there.
    pub clients_told_again: Counter,
    /// Clients that were told several times and stayed.
    pub clients_stayed: Counter,
    /// What is only measured when somebody looks.
    pub levels: Levels,
}

/// What went out over UDP.
#[derive(Clone, Debug, Default)]
pub struct UdpMetrics {
    /// Packets that were sent, those sent again among them.
    pub sent: Counter,
    /// Packets that clients acknowledged.
    pub acknowledged: Counter,
    /// Packets that were sent again because nobody acknowledged them.
    pub retried: Counter,
    /// Packets that nobody acknowledged at all.
    pub given_up: Counter,
    /// Packets that the system did not take.
    pub failed: Counter,
    /// Lists that do not fit into a packet.
    pub too_long: Counter,
}

/// What is only measured when somebody looks.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    /// Connections whose clients introduced themselves.
    pub connections: Gauge,
    /// Listed services.
    pub services: Gauge,
    /// Instances.
    pub instances: Gauge,
    /// Persistent instances whose health is watched.
    pub health_watched: Gauge,
    /// Subscriptions to services.
    pub subscriptions: Gauge,
    /// Those among them whose clients have no connection.
    pub udp_subscriptions: Gauge,
    /// Services whose subscribers are to be told soon.
    pub pushes_pending: Gauge,
    /// State of the guard: 0 off, 1 open, 2 warming, 3 braking.
    pub guard_phase: Gauge,
    /// Instances that are held because the silence of their clients is in doubt.
    pub guard_held: Gauge,
    /// Configs.
    pub configs: Gauge,
    /// Configs that connections listen to.
    pub config_listeners: Gauge,
    /// Patterns that connections watch, of services and of configs.
    pub fuzzy_watches: Gauge,
    /// Requests for long polling that wait.
    pub long_polls: Gauge,
    /// Entries of the log that are applied.
    pub log_applied_index: Gauge,
    /// Bytes of the log file.
    pub log_bytes: Gauge,
    /// Times that the log was forced to disk since the start.
    pub log_syncs: Gauge,
    /// Commands that were written since the start.
    pub log_commands: Gauge,
    /// Bytes of config contents kept in memory.
    pub content_cache_bytes: Gauge,
    /// Resident memory.
    pub resident_bytes: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Everything at zero.
    #[must_use]
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("nacrite"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS)),
            pushes_sent: Counter::default(),
            pushes_refused: Counter::default(),
            pushes_unacknowledged: Counter::default(),
            push_seconds: Histogram::new(PUSH_BUCKETS),
            push_tally: PushTally::default(),
            udp: UdpMetrics::default(),
            connections_opened: Counter::default(),
            connections_ejected: Counter::default(),
            health_checks: Family::default(),
            health_turns: Family::default(),
            guard_stalls: Counter::default(),
            guard_brakes: Counter::default(),
            connections_overfull: Counter::default(),
            connections_refused: Family::default(),
            tps_exceeded: Family::default(),
            clients_told: Counter::default(),
            clients_told_again: Counter::default(),
            clients_stayed: Counter::default(),
            levels: Levels::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests by type and outcome", self.requests.clone());
        let help = "Time a request takes inside the server";
        registry.register_with_unit("request_duration", help, Unit::Seconds, self.request_seconds.clone());
        registry.register("pushes_sent", "Pushes sent to clients", self.pushes_sent.clone());
        registry.register("pushes_refused", "Pushes that clients refused", self.pushes_refused.clone());
        let help = "Pushes not acknowledged in time";
        registry.register("pushes_unacknowledged", help, self.pushes_unacknowledged.clone());
        let help = "Time from a change of a service to the acknowledgement of a subscriber";
        registry.register_with_unit("push_latency", help, Unit::Seconds, self.push_seconds.clone());
        registry.register("connections_opened", "Connections accepted", self.connections_opened.clone());
        registry.register("connections_ejected", "Silent connections ended", self.connections_ejected.clone());
        registry.register("health_checks", "Health checks by checker and outcome", self.health_checks.clone());
        let help = "Persistent instances that turned healthy or unhealthy";
        registry.register("health_turns", help, self.health_turns.clone());
        registry.register("guard_stalls", "Times the server stood still", self.guard_stalls.clone());
        let help = "Times that the silence of many clients was not believed";
        registry.register("guard_brakes", help, self.guard_brakes.clone());
        for (name, help, counter) in [
            ("udp_pushes_sent", "Packets sent over UDP", &self.udp.sent),
            ("udp_pushes_acknowledged", "Packets that clients acknowledged", &self.udp.acknowledged),
            ("udp_pushes_retried", "Packets sent again, not acknowledged in time", &self.udp.retried),
            ("udp_pushes_given_up", "Packets never acknowledged", &self.udp.given_up),
            ("udp_pushes_failed", "Packets that the system did not take", &self.udp.failed),
            ("udp_pushes_too_long", "Lists that do not fit into a packet", &self.udp.too_long),
        ] {
            registry.register(name, help, counter.clone());
        }
        let help = "Connections ended because too much was left unread";
        registry.register("connections_overfull", help, self.connections_overfull.clone());
        let help = "Connections refused, or let in above a limit, by reason";
        registry.register("connections_refused", help, self.connections_refused.clone());
        let help = "Requests above the rule of a control point";
        registry.register("tps_exceeded", help, self.tps_exceeded.clone());
        registry.register("clients_told", "Clients told to go elsewhere", self.clients_told.clone());
        registry.register("clients_told_again", "Clients told so again", self.clients_told_again.clone());
        registry.register("clients_stayed", "Clients told in vain", self.clients_stayed.clone());
        let levels = &self.levels;
        for (name, help, gauge) in [
            ("connections", "Connections whose clients introduced themselves", &levels.connections),
            ("services", "Listed services", &levels.services),
            ("instances", "Instances", &levels.instances),
            ("health_watched", "Persistent instances whose health is watched", &levels.health_watched),
            ("subscriptions", "Subscriptions to services", &levels.subscriptions),
            ("udp_subscriptions", "Subscriptions of clients that are told over UDP", &levels.udp_subscriptions),
            ("pushes_pending", "Services whose subscribers are to be told soon", &levels.pushes_pending),
            ("guard_phase", "State of the guard: 0 off, 1 open, 2 warming, 3 braking", &levels.guard_phase),
            ("guard_held_instances", "Instances held because silence is in doubt", &levels.guard_held),
            ("configs", "Configs", &levels.configs),
            ("config_listeners", "Configs that connections listen to", &levels.config_listeners),
            ("fuzzy_watches", "Patterns that connections watch", &levels.fuzzy_watches),
            ("long_polls", "Requests for long polling that wait", &levels.long_polls),
            ("log_applied_index", "Entries of the log that are applied", &levels.log_applied_index),
            ("log_bytes", "Bytes of the log file", &levels.log_bytes),
            ("log_syncs", "Times the log was forced to disk", &levels.log_syncs),
            ("log_commands", "Commands written to the log", &levels.log_commands),
            ("content_cache_bytes", "Bytes of config contents kept in memory", &levels.content_cache_bytes),
            ("resident_bytes", "Resident memory", &levels.resident_bytes),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }

    /// A connection was refused, or let in above a limit.
    pub fn refused(&self, reason: &'static str, mode: &'static str) {
        self.connections_refused.get_or_create(&RefusalLabels { reason, mode }).inc();
    }

    /// A request was above the rule of a control point.
    pub fn over_tps(&self, point: &'static str, mode: &'static str) {
        self.tps_exceeded.get_or_create(&PointLabels { point, mode }).inc();
    }

    /// The counters of one row of a request table.
    #[must_use]
    pub fn request(&self, edge: &'static str, request: &'static str) -> RequestMetrics {
        let count = |outcome| self.requests.get_or_create(&RequestLabels { edge, request, outcome }).clone();
        let seconds = self.request_seconds.get_or_create(&EdgeLabels { edge, request }).clone();
        RequestMetrics { ok: count("ok"), failed: count("failed"), seconds }
    }

    /// A health check ended.
    pub fn checked(&self, checker: &'static str, outcome: CheckOutcome) {
        let outcome = match outcome {
            CheckOutcome::Passed => "passed",
            CheckOutcome::Failed => "failed",
        };
        self.health_checks.get_or_create(&CheckLabels { checker, outcome }).inc();
    }

    /// A persistent instance turned.
    pub fn turned(&self, healthy: bool) {
        self.health_turns.get_or_create(&TurnLabels { to: if healthy { "healthy" } else { "unhealthy" } }).inc();
    }

    /// Everything, in the text format of OpenMetrics.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = String::with_capacity(8192);
        if prometheus_client::encoding::text::encode(&mut out, &self.registry).is_err() {
            // Writing to a String does not fail; if it did, half an answer would be a lie.
            out.clear();
        }
        out
    }
}

/// The metrics as they are handed around.
pub type SharedMetrics = Arc<Metrics>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_shown() {
        let metrics = Metrics::new();
        let row = metrics.request("grpc", "InstanceRequest");
        row.ok.inc();
        row.seconds.observe(0.001);
        metrics.levels.services.set(3);
        let text = metrics.encode();
        let counted = r#"nacrite_requests_total{edge="grpc",request="InstanceRequest",outcome="ok"} 1"#;
        assert!(text.contains(counted), "{text}");
        assert!(text.contains("nacrite_services 3"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
