//! From a request to its answer: the checks in their order, then the handler.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;
use nacrite_app::control::tps::Point;
use nacrite_app::metrics::RequestMetrics;
use nacrite_app::pipeline::{Admitted, Caller};
use nacrite_base::{Fault, Timestamp};
use nacrite_wire::http::failure::{Generation, Scene, unknown_path, wrong_method};
use nacrite_wire::http::refusal::Refusal;
use tracing::debug;

use crate::body::{self, Received};
use crate::params;
use crate::reply::{self, Answer};
use crate::settings::OVER_LIMIT_DELAY;
use crate::table::{Answered, Call, Found, Known, Reply, Row, Table};

/// The ends of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) remote: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// Answers one request. Every failure is an answer, too.
pub(crate) async fn answer(table: Arc<Table>, ends: Ends, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let (head, incoming) = request.into_parts();
    let now = table.app.clock.now();
    let below = below_context(head.uri.path(), &table.settings.context_path);
    let found = below.map_or(Found::Nothing, |path| table.find(&head.method, path));
    let Known { row, metrics, point } = match found {
        Found::Row(known) => known,
        Found::OtherMethods { generation, allowed } => {
            debug!(remote = %ends.remote, method = %head.method, path = head.uri.path(), "no such method");
            return Ok(other_methods(&head, generation, &allowed, now));
        }
        Found::Nothing => {
            debug!(remote = %ends.remote, method = %head.method, path = head.uri.path(), "no such path");
            let generation = Generation::of_path(below.unwrap_or_default());
            return Ok(reply::told(unknown_path(generation, &scene(&head, now)), generation));
        }
    };
    let within = Duration::from_millis(table.settings.body_within_ms);
    let answered = match body::receive(incoming, row.body_len_max(), within, &table.held).await {
        Ok(received) => match run(&table, (row, point.as_deref()), ends, (&head, &received)) {
            Ok((Reply::Now(answered), _)) => answered,
            Ok((Reply::Later(answer), admitted)) => {
                // What was received is not needed while the answer is waited for.
                drop(received);
                let answered = answer.await;
                drop(admitted);
                answered
            }
            Err(refusal) => {
                drop(received);
                if let Refusal::Fault(Fault::OverLimit { .. }) = refusal {
                    tokio::time::sleep(OVER_LIMIT_DELAY).await;
                }
                Err(refusal)
            }
        },
        Err(refusal) => Err(refusal),
    };
    Ok(finish(&table, (row, metrics), ends, (&head, now), answered))
}

/// The path without the context path; `None` if it is not below it.
fn below_context<'a>(path: &'a str, context: &str) -> Option<&'a str> {
    let below = path.strip_prefix(context)?;
    (below.is_empty() || below.starts_with('/')).then_some(below)
}

fn scene(head: &Parts, now: Timestamp) -> Scene<'_> {
    Scene { method: head.method.as_str(), uri: head.uri.path(), now }
}

/// A known path was asked with a method that it does not have.
fn other_methods(head: &Parts, generation: Generation, allowed: &str, now: Timestamp) -> Answer {
    if head.method == Method::OPTIONS {
        let head_too = if allowed.contains("GET") { ", HEAD" } else { "" };
        let mut answer = Answer::new(http_body_util::Full::new(Bytes::new()));
        answer.headers_mut().insert("accept-patch", HeaderValue::from_static(""));
        return reply::allow(answer, &format!("{allowed}{head_too}, OPTIONS"));
    }
    let answer = reply::told(wrong_method(generation, &scene(head, now)), generation);
    if answer.status() == StatusCode::METHOD_NOT_ALLOWED {
        return reply::allow(answer, allowed);
    }
    answer
}

/// Every check, then the handler. What is admitted counts until the answer is there.
fn run(
    table: &Table,
    (row, point): (&Row, Option<&Point>),
    ends: Ends,
    (head, received): (&Parts, &Received),
) -> Result<(Reply, Admitted), Refusal> {
    let pipeline = &table.app.pipeline;
    let params = params::read(head.uri.query(), &head.headers, &received.bytes)?;
    let (uri, headers) = (head.uri.path(), &head.headers);
    let call = Call { uri, headers, params, body: &received.bytes, remote: ends.remote, local: ends.local };
    let node_identity = pipeline.identity_header().and_then(|name| call.header(name));
    let caller = Caller { remote: ends.remote.ip(), node_identity, connection: None };
    let admitted = pipeline.admit(&caller, row.needs, row.limit, point)?;
    Ok(((row.run)(&call), admitted))
}

/// The answer as it is sent; counts and logs it.
fn finish(
    table: &Table,
    (row, metrics): (&Row, &RequestMetrics),
    ends: Ends,
    (head, began): (&Parts, Timestamp),
    answered: Answered,
) -> Answer {
    let now = table.app.clock.now();
    metrics.seconds.observe(now.since(began).as_secs_f64());
    match answered {
        Ok(answer) => {
            metrics.ok.inc();
            debug!(remote = %ends.remote, endpoint = row.endpoint, status = answer.status().as_u16(), "request answered");
            answer
        }
        Err(refusal) => {
            metrics.failed.inc();
            log(&refusal, ends, row.endpoint);
            let mut answer = reply::refused(&refusal, row.generation, &scene(head, now));
            if is_unread(&refusal) {
                // The rest of the body would be taken for the next request.
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
    }
}

/// Whether part of the body may still be on its way.
fn is_unread(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::BodyTooLong { .. } | Refusal::BodyLate { .. } | Refusal::BodyBroken | Refusal::BodiesFull
    )
}

/// What went wrong, once, where it is turned into an answer. What the caller did wrong is of interest to who looks for
/// it; what the server did wrong is of interest to everybody.
fn log(refusal: &Refusal, ends: Ends, endpoint: &'static str) {
    match refusal {
        Refusal::Fault(Fault::Internal { cause }) => {
            tracing::error!(remote = %ends.remote, endpoint, cause = %cause, "request failed");
        }
        Refusal::Fault(Fault::NotDurable { .. }) => {
            tracing::error!(remote = %ends.remote, endpoint, fault = %refusal, "request failed");
        }
        refusal => debug!(remote = %ends.remote, endpoint, fault = %refusal, "request refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_path_ends_at_a_slash() {
        for (path, below) in [
            ("/nacos/v1/ns", Some("/v1/ns")),
            ("/nacos", Some("")),
            ("/nacos/", Some("/")),
            ("/nacosx/v1", None),
            ("/v1/ns", None),
        ] {
            assert_eq!(below_context(path, "/nacos"), below, "{path}");
        }
        assert_eq!(below_context("/v1/ns", ""), Some("/v1/ns"));
    }
}
