//! One connection that a server has let in: questions on it, and when it last gave a sign of life.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nacrite_wire::client::connection::HealthCheckRequest;
use nacrite_wire::client::{Answer, Ask, ErrorResponse, Head};
use nacrite_wire::codes::rpc;
use nacrite_wire::payload::{Outgoing, Payload};
use tokio::time::{Instant, timeout};

use crate::clock;
use crate::link::phase::Health;
use crate::server::ServerAddress;
use crate::session::{Abilities, Generation, Session};
use crate::settings::LinkSettings;
use crate::transport::{CallError, Channel};

/// The pause between two tries to check a connection, where the first broke at once.
const HEALTH_PAUSE: Duration = Duration::from_millis(200);

/// When something last came from a server, as the time since the link began.
#[derive(Debug)]
pub(crate) struct Activity {
    epoch: Instant,
    last_ms: AtomicU64,
}

impl Activity {
    /// Something came just now.
    pub(crate) fn new(epoch: Instant) -> Self {
        let activity = Self { epoch, last_ms: AtomicU64::new(0) };
        activity.touch();
        activity
    }

    /// Something came.
    pub(crate) fn touch(&self) {
        let elapsed = clock::now().saturating_duration_since(self.epoch);
        self.last_ms.store(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// When something last came.
    pub(crate) fn last(&self) -> Duration {
        Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }
}

/// What a server said to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said<T> {
    /// It was done.
    Done(T),
    /// The question was refused before anybody looked into it, or failed while somebody did; with code and words.
    Error(i64, String),
    /// It was looked into and refused; with code and words.
    Failed(i64, String),
    /// The answer cannot be read.
    Undecodable(String),
}

/// Reads what came back to a question.
pub(crate) fn read<T: Answer>(message: &[u8]) -> Said<T> {
    let payload = match Payload::decode(message) {
        Ok(payload) => payload,
        Err(error) => return Said::Undecodable(error.to_string()),
    };
    if payload.wire_type == T::TYPE {
        match nacrite_wire::json::read::<T>(payload.body) {
            Ok(answer) if answer.head().is_success() => Said::Done(answer),
            Ok(answer) => {
                let (code, words) = failure(answer.head());
                Said::Failed(code, words)
            }
            Err(error) => Said::Undecodable(format!("{}: {error}", T::TYPE)),
        }
    } else if payload.wire_type == ErrorResponse::TYPE {
        match nacrite_wire::json::read::<ErrorResponse>(payload.body) {
            Ok(answer) => {
                let (code, words) = failure(answer.head());
                Said::Error(code, words)
            }
            Err(error) => Said::Undecodable(format!("{}: {error}", ErrorResponse::TYPE)),
        }
    } else {
        Said::Undecodable(format!("{:?} came in place of {}", payload.wire_type, T::TYPE))
    }
}

/// Code and words of a failure. Some servers tell the code in one place, some in the other.
fn failure(head: Head<'_>) -> (i64, String) {
    let code = if head.error_code == 0 { head.result_code } else { head.error_code };
    (code, head.message.unwrap_or_default().to_owned())
}

/// One connection that a server has let in.
pub(crate) struct Connection {
    /// Which one.
    pub(crate) generation: Generation,
    /// To which server.
    pub(crate) server: ServerAddress,
    /// What the server can do.
    pub(crate) abilities: Abilities,
    /// The connection itself.
    pub(crate) channel: Channel,
    /// When something last came.
    pub(crate) activity: Arc<Activity>,
}

impl Connection {
    /// What others see of it.
    pub(crate) fn session(&self) -> Session {
        Session { generation: self.generation, server: self.server.clone(), abilities: self.abilities.clone() }
    }

    /// Asks something that is written already.
    ///
    /// # Errors
    /// [`CallError`] if nothing was said.
    pub(crate) async fn ask<T: Answer>(&self, outgoing: Outgoing) -> Result<Said<T>, CallError> {
        let message = self.channel.call(outgoing).await?;
        self.activity.touch();
        Ok(read(&message))
    }

    /// Checks whether the server is there and knows the connection. The first answer decides; what broke is tried again.
    pub(crate) async fn check(&self, settings: &LinkSettings) -> Health {
        let mut broke = "the server does not answer".to_owned();
        let tries = async {
            for turn in 0..=settings.health_retries_max {
                if turn > 0 {
                    tokio::time::sleep(HEALTH_PAUSE).await;
                }
                match timeout(settings.health_within, check(&self.channel)).await {
                    Ok(Ok(health)) => {
                        self.activity.touch();
                        return health;
                    }
                    Ok(Err(error)) => broke = format!("a check of the connection failed: {error:?}"),
                    Err(_) => {}
                }
            }
            Health::Bad(std::mem::take(&mut broke))
        };
        match timeout(settings.health_all_within, tries).await {
            Ok(health) => health,
            Err(_) => Health::Bad(broke),
        }
    }
}

/// Asks once whether the server knows the connection.
pub(crate) async fn check(channel: &Channel) -> Result<Health, CallError> {
    let ask = outgoing(&HealthCheckRequest {}, channel);
    let message = channel.call(ask).await?;
    Ok(match read::<<HealthCheckRequest as Ask>::Answer>(&message) {
        Said::Done(_) => Health::Good,
        Said::Error(code, _) | Said::Failed(code, _) if code == i64::from(rpc::UN_REGISTER) => Health::Unregistered,
        Said::Error(code, words) | Said::Failed(code, words) => Health::Bad(format!("it answers {code}: {words}")),
        Said::Undecodable(cause) => Health::Bad(cause),
    })
}

/// A question of the connection itself, which needs no headers.
pub(crate) fn outgoing<A: Ask>(ask: &A, channel: &Channel) -> Outgoing {
    Outgoing::request(A::TYPE, Arc::clone(&channel.local_ip), nacrite_wire::json::bytes(ask).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_wire::client::connection::ServerCheckRequest;
    use nacrite_wire::client::naming::ServiceListResponse;
    use serde_json::{Value, json};

    type ServerCheck = <ServerCheckRequest as Ask>::Answer;

    fn message(wire_type: &'static str, body: &Value) -> Vec<u8> {
        let mut out = bytes::BytesMut::new();
        Outgoing::answer(wire_type, body.to_string().into()).encode(&mut out);
        out.to_vec()
    }

    #[test]
    fn failures_are_told_by_who_refused() {
        let said = |wire_type, body| read::<ServiceListResponse>(&message(wire_type, &body));
        let refusal = json!({"resultCode": 500, "errorCode": 403, "message": "no"});
        assert_eq!(format!("{:?}", said("ServiceListResponse", refusal.clone())), "Failed(403, \"no\")");
        assert_eq!(format!("{:?}", said("ErrorResponse", refusal)), "Error(403, \"no\")");
        assert!(matches!(said("ServiceListResponse", json!({})), Said::Done(_)), "nothing said is success");
        assert!(matches!(said("ServiceListResponse", json!({"resultCode": 500})), Said::Failed(500, _)));
        assert!(matches!(said("InstanceResponse", json!({"resultCode": 200})), Said::Undecodable(_)));
        assert!(matches!(read::<ServiceListResponse>(b"\xff"), Said::Undecodable(_)));
    }

    #[test]
    fn no_field_of_an_answer_makes_it_panic() {
        let fields =
            ["connectionId", "supportAbilityNegotiation", "resultCode", "errorCode", "message", "requestId", "new"];
        let values = [
            json!(null),
            json!(7),
            json!(-1),
            json!(1e300),
            json!("x"),
            json!(""),
            json!(true),
            json!([]),
            json!([{}]),
            json!({}),
            json!({"a": null}),
            json!(u64::MAX),
        ];
        for field in fields {
            for value in &values {
                for wire_type in ["ServerCheckResponse", "ErrorResponse", "HealthCheckResponse", ""] {
                    let mut body = json!({"resultCode": 200, "errorCode": 0, "connectionId": "1"});
                    body[field] = value.clone();
                    let said = read::<ServerCheck>(&message(wire_type, &body));
                    let is_own = wire_type == "ServerCheckResponse";
                    assert!(is_own || !matches!(said, Said::Done(_)), "{wire_type} {body}: {said:?}");
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic() {
        use rand::rngs::StdRng;
        use rand::{RngExt, SeedableRng};
        let body = json!({"resultCode": 200, "connectionId": "1", "supportAbilityNegotiation": true});
        let good = message("ServerCheckResponse", &body);
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..50_000 {
            let mut bytes = good.clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                match rng.random_range(0..3) {
                    0 => bytes[at] = rng.random_range(0..=255),
                    1 => bytes.truncate(at.max(1)),
                    _ => bytes.insert(at, rng.random_range(0..=255)),
                }
            }
            drop(read::<ServerCheck>(&bytes));
            std::hint::black_box(crate::link::pushes::redirect(&bytes));
        }
    }
}
