//! One call from its beginning to its end: interceptors, deadline, attempts, answer.
//!
//! The deadline counts from here: waiting for a list, an endpoint or a pause is the caller's time too. A call without one
//! has no timer.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use nacrite_balance::Call;
use nacrite_balance::policy::ring_hash::hash_of;
use nacrite_balance::service_config::MethodConfig;
use tokio::time::{Instant, Sleep};
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::body::ResponseBody;
use super::intercept::CallHead;
use super::rules::Rules;
use super::{Channel, Shared, attempts, lengths};
use crate::clock;

/// How long the caller waits, as the wire says it.
const TIMEOUT: &str = "grpc-timeout";

/// Most digits that a timeout has on the wire.
const TIMEOUT_DIGITS_MAX: usize = 8;

/// Attached to a request: the call waits until an endpoint is ready, up to its deadline, where it would fail at once else.
///
/// ```
/// let mut request = tonic::Request::new(());
/// request.extensions_mut().insert(nacrite_tonic::WaitForReady);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WaitForReady;

/// Attached to a request: the call fails at once if no endpoint is ready, whatever the service config says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FailFast;

/// Attached to a request: calls with the same number go to the same endpoint, if the policy is one that does that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallHash(pub u64);

/// What all attempts of a call have in common.
#[derive(Debug)]
pub(crate) struct CallContext {
    pub(crate) path: PathAndQuery,
    pub(crate) deadline: Option<Instant>,
    pub(crate) waits_for_ready: bool,
    pub(crate) hash: Option<u64>,
    /// By what rules calls were made when it began.
    pub(crate) rules: Arc<Rules>,
    /// What they say about its method.
    pub(crate) method: Option<Arc<MethodConfig>>,
    /// An attempt waits for an endpoint: what a deadline that passes has to say.
    pub(super) is_waiting: AtomicBool,
    /// The deadline is not the one that the request tells.
    has_own_deadline: bool,
}

impl CallContext {
    /// A call that had to wait for the rules began before.
    fn new(request: &Request<Body>, rules: Arc<Rules>, deadline: Option<Instant>, began: Option<Instant>) -> Self {
        let path = request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let method = rules.config.method(path.path()).cloned();
        let timeout = method.as_ref().and_then(|method| method.timeout);
        let latest = timeout.and_then(|timeout| began.unwrap_or_else(clock::now).checked_add(timeout));
        let said = method.as_ref().and_then(|method| method.wait_for_ready);
        let hash = hash(request, rules.hash_header.as_ref());
        let earliest = deadline.into_iter().chain(latest).min();
        Self {
            path,
            has_own_deadline: earliest != deadline,
            deadline: earliest,
            waits_for_ready: waits_for_ready(request).or(said).unwrap_or_default(),
            hash,
            rules,
            method,
            is_waiting: AtomicBool::new(false),
        }
    }

    /// Tells the endpoint how much of the time is left, where the request does not say it: in a later attempt, or if the
    /// service config gives less.
    pub(super) fn tell_time_left(&self, number: u32, headers: &mut HeaderMap) {
        if let Some(deadline) = self.deadline.filter(|_| number > 0 || self.has_own_deadline) {
            let left = deadline.saturating_duration_since(clock::now());
            headers.insert(HeaderName::from_static(TIMEOUT), written(left));
        }
    }

    /// As policies see it.
    pub(crate) fn to_pick(&self) -> Call<'_> {
        Call { method: self.path.path(), hash: self.hash }
    }
}

/// What the program says about waiting.
fn waits_for_ready(request: &Request<Body>) -> Option<bool> {
    let extensions = request.extensions();
    let waits = extensions.get::<WaitForReady>().map(|WaitForReady| true);
    waits.or_else(|| extensions.get::<FailFast>().map(|FailFast| false))
}

/// What the call is bound to: what the program says, else what stands in the header that the policy looks at.
fn hash(request: &Request<Body>, header: Option<&HeaderName>) -> Option<u64> {
    if let Some(hash) = request.extensions().get::<CallHash>() {
        return Some(hash.0);
    }
    let values: Vec<&[u8]> = request.headers().get_all(header?).iter().map(http::HeaderValue::as_bytes).collect();
    match values.as_slice() {
        [] => None,
        [one] => Some(hash_of(one)),
        several => Some(hash_of(&several.join(&b','))),
    }
}

/// A call that was begun and is not over. Keeps its channel going.
#[derive(Debug)]
pub(super) struct Counted(Channel);

impl Counted {
    fn begin(channel: Channel) -> Self {
        channel.shared().meter.calls.add_one();
        Self(channel)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.shared().call_ended();
    }
}

/// Carries out a call.
///
/// # Errors
/// What the caller is told if there is no answer.
pub(super) async fn run(channel: Channel, mut request: Request<Body>) -> Result<Response<ResponseBody>, Status> {
    let counted = Counted::begin(channel);
    let shared = counted.0.shared();
    if shared.is_closing() {
        return Err(shut());
    }
    if !shared.interceptors.is_empty() {
        intercept(shared, &mut request)?;
    }
    request.headers_mut().entry(http::header::USER_AGENT).or_insert_with(|| shared.user_agent.clone());
    let mut alarm = None;
    match answer(shared, request, &mut alarm).await {
        Ok(mut response) => {
            response.body_mut().hold(counted, alarm);
            Ok(response)
        }
        Err(status) => {
            shared.meter.calls_failed.add_one();
            Err(status)
        }
    }
}

/// When the caller's patience is over; no timer for those who have no end of it.
pub(super) type Alarm = Option<Pin<Box<Sleep>>>;

async fn answer(shared: &Shared, request: Request<Body>, alarm: &mut Alarm) -> Result<Response<ResponseBody>, Status> {
    let deadline = timeout(request.headers()).and_then(|timeout| clock::now().checked_add(timeout));
    *alarm = deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline)));
    let (rules, began) = match shared.view.load().rules.clone() {
        Some(rules) => (rules, None),
        None => {
            let began = clock::now();
            let rules = within(alarm, shared.rules(waits_for_ready(&request) == Some(true))).await;
            (rules.map_err(while_resolving)?, Some(began))
        }
    };
    let call = CallContext::new(&request, rules, deadline, began);
    if let Some(earlier) = call.deadline.filter(|_| call.has_own_deadline) {
        *alarm = Some(Box::pin(tokio::time::sleep_until(earlier)));
    }
    let method = call.method.as_deref();
    let (request, verdict) = match method.and_then(|method| method.request_len_max) {
        None => (request, None),
        Some(max) => {
            let (head, body) = request.into_parts();
            let (body, verdict) = lengths::watched(body, max);
            (Request::from_parts(head, body), Some(verdict))
        }
    };
    let answered = match within(alarm, attempts::run(shared, &call, request)).await {
        Err(failed) if failed.code() == Code::DeadlineExceeded && call.is_waiting.load(Ordering::Relaxed) => {
            Err(shared.waited_in_vain(&call))
        }
        answered => answered,
    };
    let mut response = answered.map_err(|failed| match verdict {
        Some(verdict) => verdict.of(failed),
        None => failed,
    })?;
    if let Some(max) = method.and_then(|method| method.response_len_max) {
        response.body_mut().limit(max);
    }
    Ok(response)
}

/// Waits as long as the caller does.
async fn within<T>(alarm: &mut Alarm, task: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let mut task = std::pin::pin!(task);
    std::future::poll_fn(|cx| match (task.as_mut().poll(cx), alarm.as_mut()) {
        (Poll::Pending, Some(alarm)) => alarm.as_mut().poll(cx).map(|()| Err(deadline_exceeded())),
        (polled, _) => polled,
    })
    .await
}

fn intercept(shared: &Shared, request: &mut Request<Body>) -> Result<(), Status> {
    let method = request.uri().path_and_query().cloned();
    let mut metadata = MetadataMap::from_headers(std::mem::take(request.headers_mut()));
    let method = method.as_ref().map_or("/", PathAndQuery::path);
    let mut call = CallHead { method, metadata: &mut metadata, extensions: request.extensions_mut() };
    shared.interceptors.iter().try_for_each(|one| one.intercept(&mut call))?;
    *request.headers_mut() = metadata.into_headers();
    Ok(())
}

/// Nobody is called any more.
pub(super) fn shut() -> Status {
    Status::unavailable("the channel was shut down")
}

/// The same, for a call that did not come so far as to be sent to anybody.
fn while_resolving(failed: Status) -> Status {
    match failed.code() {
        Code::DeadlineExceeded => {
            Status::deadline_exceeded("the deadline of the call has passed while the service was being looked for")
        }
        _ => failed,
    }
}

/// The caller's patience is over.
pub(super) fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the deadline of the call has passed")
}

/// How long the caller waits, if he says so in a way that can be read; what cannot be read is the server's to refuse.
fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > TIMEOUT_DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// A timeout as the wire says it: in microseconds, if that are digits few enough.
fn written(timeout: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let (count, unit) = match (timeout.as_micros(), timeout.as_millis()) {
        (micros, _) if micros <= MOST => (micros, 'u'),
        (_, millis) if millis <= MOST => (millis, 'm'),
        _ => (u128::from(timeout.as_secs()).min(MOST), 'S'),
    };
    HeaderValue::try_from(format!("{count}{unit}")).unwrap_or_else(|_| HeaderValue::from_static("0u"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(TIMEOUT, text.parse().expect("a value"));
        timeout(&headers)
    }

    #[test]
    fn timeouts_are_written_as_they_are_read() {
        for (ms, text) in [(0, "0u"), (99_999, "99999000u"), (100_000, "100000m"), (100_000_000, "100000S")] {
            let timeout = Duration::from_millis(ms);
            assert_eq!(written(timeout), text);
            assert_eq!(read(text), Some(timeout));
        }
        assert_eq!(written(Duration::MAX), "99999999S");
    }

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        for (text, ms) in [("1H", 3_600_000), ("2M", 120_000), ("3S", 3_000), ("4m", 4), ("5000u", 5), ("6000000n", 6)]
        {
            assert_eq!(read(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "S", "1", "1s", "-1S", "123456789S", "1.5S", "1é"] {
            let Ok(value) = http::HeaderValue::from_bytes(bad.as_bytes()) else { continue };
            let headers = HeaderMap::from_iter([(http::HeaderName::from_static(TIMEOUT), value)]);
            assert_eq!(timeout(&headers), None, "{bad}");
        }
    }
}
