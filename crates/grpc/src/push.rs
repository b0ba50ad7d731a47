//! What the outbox of a connection holds, in the words of the wire.

mod fuzzy;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use nacrite_app::connections::Connection;
use nacrite_app::push::outbox::{Answer, Control, Due, Sent};
use nacrite_base::ServiceKey;
use nacrite_wire::json;
use nacrite_wire::payload::Outgoing;
use nacrite_wire::rpc::connection::AckBody;
use nacrite_wire::service_info::Dialect;
use nacrite_wire::to_wire::{self, connection::Redirect};
use tokio::sync::oneshot;

use crate::rendered;
use crate::table::Table;

/// The message for something that is due; `None` if it is no longer worth telling.
pub(crate) fn outgoing(table: &Table, connection: &Arc<Connection>, local_ip: &Arc<str>, due: Due) -> Option<Outgoing> {
    let (wire_type, body) = match due {
        Due::Control(message, answer) => control(table, connection, message, answer),
        Due::Service(key) => service(table, connection, key)?,
        Due::Fuzzy(item) => fuzzy::outgoing(table, connection, item)?,
        Due::Config(key, notice) => {
            let id = next_id(table);
            let body = to_wire::config::change_notify(id, &key, notice.with_tenant);
            table.app.acks.sent(connection, id, Sent::Config { key, notice, sent_at: table.app.clock.now() });
            ("ConfigChangeNotifyRequest", body)
        }
    };
    Some(Outgoing::request(wire_type, Arc::clone(local_ip), body))
}

fn next_id(table: &Table) -> u64 {
    table.request_ids.fetch_add(1, Ordering::Relaxed) + 1
}

fn control(
    table: &Table,
    connection: &Arc<Connection>,
    message: Control,
    answer: Option<oneshot::Sender<Answer>>,
) -> (&'static str, Bytes) {
    if message == Control::SetupAck {
        return ("SetupAckRequest", to_wire::connection::SETUP_ACK);
    }
    let id = next_id(table);
    if let Some(answer) = answer {
        table.app.acks.sent(connection, id, Sent::Control(answer));
    }
    match message {
        Control::SetupAck => ("SetupAckRequest", to_wire::connection::SETUP_ACK),
        Control::Detect => ("ClientDetectionRequest", to_wire::connection::client_detection(id)),
        Control::Reset(redirect) => {
            let redirect = redirect.map(|to| Redirect { ip: to.ip, port: to.port });
            ("ConnectResetRequest", to_wire::connection::connect_reset(id, &connection.id, redirect.as_ref()))
        }
        Control::ClientMetrics(key) => {
            // A client keeps its configs under keys of its own generation.
            let version = connection.introduction().map_or("", |introduction| &introduction.version);
            let is_old = rendered::dialect_of(version) == Dialect::Rpc2;
            let key = if is_old { to_wire::config::short_group_key(&key) } else { to_wire::config::group_key(&key) };
            ("ClientConfigMetricRequest", to_wire::config::client_metrics(id, &key))
        }
    }
}

/// The list of a service as it is now, unless the client no longer asks for it or has just been sent it.
fn service(table: &Table, connection: &Arc<Connection>, key: ServiceKey) -> Option<(&'static str, Bytes)> {
    let (view, subscription) = table.app.naming.shards().view_for(&connection.client(), &key)?;
    if connection.outbox.is_under_way(&key, view.revision) {
        return None;
    }
    let version = connection.introduction().map_or("", |introduction| &introduction.version);
    let dialect = rendered::dialect_of(version);
    let (id, body) = rendered::push(&view, dialect, &subscription.clusters, || next_id(table));
    let (revision, changed_at, sent_at) = (view.revision, view.changed_at, table.app.clock.now());
    table.app.acks.sent(connection, id, Sent::Service { key, revision, changed_at, sent_at });
    Some(("NotifySubscriberRequest", body))
}

/// Takes the answer of a client to a push. Nothing happens if it cannot be read, or names no push: Go's clients answer
/// with whatever type they like, and late answers are of no use (`reference/grpc.md`, 3.9).
pub(crate) fn answered(table: &Table, connection: &Connection, body: &[u8]) {
    connection.touch(table.app.clock.now());
    let Ok(ack) = json::read::<AckBody<'_>>(body) else {
        return;
    };
    let Some(id) = ack.request_id.as_deref().and_then(|id| id.parse().ok()) else {
        return;
    };
    let detail = ack.metrics.as_ref().map(|metrics| String::from_utf8_lossy(&json::bytes(metrics)).into_owned());
    let accepted = ack.result_code == i64::from(nacrite_wire::codes::result::SUCCESS);
    let reason = if accepted { None } else { ack.reason() };
    table.app.acks.answered(connection, id, Answer { accepted, detail, reason });
}
