//! How calls to services are sent, with the reason of each default.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method, StatusCode};
use tokio::time::Instant;

use crate::clock;

/// Which addresses are those of services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// `lb://` always; `http://` and `https://` if the host has no dot, is not `localhost`, and no port stands there.
    #[default]
    Undotted,
    /// `lb://` alone.
    LbOnly,
}

/// When a call is repeated on another instance.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RetrySettings {
    /// Attempts of one call, the first one included; each goes to an instance that was not tried before. 3: with one
    /// instance in ten being down, one call in a thousand fails.
    pub attempts_max: u32,
    /// Methods that may be repeated though the first attempt may have been done. Those that are idempotent by HTTP's
    /// definition. A call that never reached anybody is repeated whatever its method.
    pub methods: BTreeSet<String>,
    /// Answers after which such a call is repeated. 502, 503 and 504: somebody else may do better.
    pub statuses: BTreeSet<u16>,
}

impl Default for RetrySettings {
    fn default() -> Self {
        let methods = [Method::GET, Method::HEAD, Method::OPTIONS, Method::PUT, Method::DELETE, Method::TRACE];
        Self {
            attempts_max: 3,
            methods: methods.into_iter().map(|method| method.to_string()).collect(),
            statuses: away(),
        }
    }
}

impl RetrySettings {
    /// Every call is sent once.
    #[must_use]
    pub fn none() -> Self {
        Self { attempts_max: 1, ..Self::default() }
    }

    pub(crate) fn may_repeat(&self, method: &Method) -> bool {
        self.methods.contains(method.as_str())
    }

    pub(crate) fn repeats(&self, status: StatusCode) -> bool {
        self.statuses.contains(&status.as_u16())
    }
}

/// How calls to services are sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadBalancerSettings {
    /// Which addresses are those of services.
    pub names: Names,
    /// The group of services, where nobody says otherwise. `DEFAULT_GROUP`.
    pub group: Arc<str>,
    /// A header that names the group of one call; it is not sent on. None: [`Group`] says it too, and a header that a
    /// caller passes through from outside could not be told from one that he means.
    pub group_header: Option<HeaderName>,
    /// When a call is repeated on another instance.
    pub retry: RetrySettings,
    /// Answers that count as a failure of the instance, together with connections that fail or break. 502, 503 and 504;
    /// 500 is more often the fault of a call than that of an instance.
    pub failures: BTreeSet<u16>,
    /// How long a call may take over all its attempts, until the answer has been read. A time-out of the request itself
    /// counts as this, and before it. No limit.
    pub within: Option<Duration>,
    /// How long the first call to a service waits for a server to say who is there. 3 s.
    pub resolve_within: Duration,
}

impl Default for LoadBalancerSettings {
    fn default() -> Self {
        Self {
            names: Names::default(),
            group: "DEFAULT_GROUP".into(),
            group_header: None,
            retry: RetrySettings::default(),
            failures: away(),
            within: None,
            resolve_within: Duration::from_secs(3),
        }
    }
}

/// Answers of a server, or of a gateway before it, that cannot do its work now.
fn away() -> BTreeSet<u16> {
    let all = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    all.into_iter().map(|status| status.as_u16()).collect()
}

/// The group of the service of one call: `client.get("http://orders/").with_extension(Group::from("SHOP"))`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group(pub(crate) Arc<str>);

impl From<&str> for Group {
    fn from(name: &str) -> Self {
        Self(name.into())
    }
}

/// Until when one call has to be over: `client.get("http://orders/").with_extension(Deadline::within(time))`. Useful where a call
/// is a part of something that has a deadline itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(pub(crate) Instant);

impl Deadline {
    /// So long from now on.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self(clock::now() + time)
    }

    /// At this time.
    #[must_use]
    pub fn at(end: impl Into<Instant>) -> Self {
        Self(end.into())
    }
}
