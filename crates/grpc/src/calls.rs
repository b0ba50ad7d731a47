//! From a message to its answer: the checks in their order (`reference/grpc.md`, 3.5), then the handler.

use std::sync::Arc;
use std::time::Duration;

use nacrite_app::connections::{Connection, Listener};
use nacrite_app::pipeline::Caller;
use nacrite_base::{Fault, Timestamp};
use nacrite_wire::payload::{Outgoing, Payload, PayloadError};
use nacrite_wire::to_wire::{self, Failure, FailureShape};
use tracing::{debug, info};

use crate::table::{Answered, Call, Known, Reply, Table};

/// How a request fails that no row knows.
const NO_ROW: Failure = Failure { answer_type: to_wire::ERROR_RESPONSE, shape: FailureShape::Thrown, fields: "" };

/// An answer over a limit is held back this long, so that the client slows down (`reference/grpc.md`, 3.5).
const OVER_LIMIT_DELAY: Duration = Duration::from_secs(1);

/// The answer to a message, now or later.
pub(crate) enum Outcome {
    Now(Outgoing),
    Later(futures_util::future::BoxFuture<'static, Outgoing>),
}

/// Answers one message.
///
/// # Errors
/// [`PayloadError`] if the message is no envelope; everything else is told inside one.
pub(crate) fn answer(
    table: &Arc<Table>,
    connection: &Arc<Connection>,
    message: &[u8],
) -> Result<Outcome, PayloadError> {
    connection.traffic.came(message.len());
    let payload = Payload::decode(message)?;
    if payload.wire_type == "ServerCheckRequest" {
        return Ok(Outcome::Now(server_check(table, connection)));
    }
    let Some(known) = table.row(payload.wire_type) else {
        let (wire_type, body) = to_wire::failure(&Fault::UnknownRequest, &NO_ROW);
        return Ok(Outcome::Now(Outgoing::answer(wire_type, body)));
    };
    let began = table.app.clock.now();
    let reply = run(table, known, &Call { connection, payload }, began);
    Ok(match reply {
        Reply::Now(answered) => Outcome::Now(finish(table, known, connection, began, answered)),
        Reply::Later(answer) => {
            let (table, connection, wire_type) = (Arc::clone(table), Arc::clone(connection), known.row.wire_type);
            Outcome::Later(Box::pin(async move {
                let answered = answer.await;
                match table.row(wire_type) {
                    Some(known) => finish(&table, known, &connection, began, answered),
                    None => server_check(&table, &connection),
                }
            }))
        }
    })
}

/// Every check, then the handler.
fn run(table: &Table, Known { row, point, .. }: &Known, call: &Call<'_>, now: Timestamp) -> Reply {
    let app = &table.app;
    if !row.senders.admit(call.connection.listener) {
        let (request, sender) = (row.wire_type.to_owned(), call.connection.listener.name());
        return Fault::ForbiddenSender { request, sender }.into();
    }
    if app.tasks.is_stopping() {
        return Fault::NotReady { reason: "it is stopping" }.into();
    }
    if !call.connection.is_registered() {
        return Fault::Unregistered.into();
    }
    call.connection.touch(now);
    let node_identity = app.pipeline.identity_header().and_then(|name| call.payload.header(name));
    let caller = Caller { remote: call.connection.remote.ip(), node_identity, connection: Some(&**call.connection) };
    let admitted = match app.pipeline.admit(&caller, row.needs, row.limit, point.as_deref()) {
        Ok(admitted) => admitted,
        Err(fault @ Fault::OverLimit { .. }) => {
            return Reply::later(async move {
                tokio::time::sleep(OVER_LIMIT_DELAY).await;
                Err(fault)
            });
        }
        Err(fault) => return fault.into(),
    };
    match (row.run)(call) {
        Reply::Now(answered) => Reply::Now(answered),
        Reply::Later(answer) => Reply::later(async move {
            let answered = answer.await;
            drop(admitted);
            answered
        }),
    }
}

/// Answered on any connection at any time: it is how a client learns the id of its connection.
fn server_check(table: &Table, connection: &Connection) -> Outgoing {
    // Who is refused here has not introduced itself yet, and looks for another server at once; later it would wait.
    let is_new = connection.listener == Listener::Clients && !connection.is_registered();
    let refusal = table.app.takes_clients().filter(|_| is_new || table.app.tasks.is_stopping());
    if let Some(reason) = refusal {
        let (wire_type, body) = to_wire::failure(&Fault::NotReady { reason }, &NO_ROW);
        return Outgoing::answer(wire_type, body);
    }
    Outgoing::answer("ServerCheckResponse", to_wire::connection::server_check_response(&connection.id))
}

/// The answer as it is sent; counts and logs it.
fn finish(
    table: &Table,
    Known { row, metrics, .. }: &Known,
    connection: &Connection,
    began: Timestamp,
    answered: Answered,
) -> Outgoing {
    metrics.seconds.observe(table.app.clock.now().since(began).as_secs_f64());
    let wire_type = row.wire_type;
    if connection.is_traced() {
        trace(connection, wire_type, answered.as_ref().err());
    }
    match answered {
        Ok(body) => {
            metrics.ok.inc();
            debug!(connection = %connection.id, wire_type, "request answered");
            Outgoing::answer(row.failure.answer_type, body)
        }
        Err(fault) => {
            metrics.failed.inc();
            log(&fault, connection, wire_type);
            let (wire_type, body) = to_wire::failure(&fault, &row.failure);
            Outgoing::answer(wire_type, body)
        }
    }
}

/// One line per request of a client that operators want to watch. No content: it may hold secrets.
fn trace(connection: &Connection, wire_type: &'static str, fault: Option<&Fault>) {
    let fault = fault.map(ToString::to_string);
    info!(connection = %connection.id, remote = %connection.remote, wire_type, fault, "traced request");
}

/// What went wrong, once, where it is turned into an answer. What the caller did wrong is of interest to who looks for
/// it; what the server did wrong is of interest to everybody.
fn log(fault: &Fault, connection: &Connection, wire_type: &'static str) {
    match fault {
        Fault::Internal { cause } => {
            tracing::error!(connection = %connection.id, wire_type, cause = %cause, "request failed");
        }
        Fault::NotDurable { .. } => tracing::error!(connection = %connection.id, wire_type, %fault, "request failed"),
        fault => debug!(connection = %connection.id, wire_type, %fault, "request refused"),
    }
}
