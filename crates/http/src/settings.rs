//! What can be set about the HTTP listener, and the bounds that cannot.

use std::time::Duration;

/// How the HTTP listener treats its clients.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// What stands in front of every path; empty or with a leading slash. Nacos: `nacos.server.contextPath`,
    /// `server.servlet.context-path`.
    pub context_path: String,
    /// Connections that are open at one time; further ones are closed at once. 1 to 1,000,000. Nacos's container takes
    /// 8,192 (`server.tomcat.max-connections`), one per long-polling client.
    pub connections_max: usize,
    /// A client must send a whole head, or take an answer, within this time, in ms; this is also how long a connection may
    /// stand idle. Looked at once per period, so that a connection ends after one to two of them. 100 to 3,600,000.
    pub quiet_max_ms: u64,
    /// A body must arrive within this time, in ms: 32 MiB over a slow line. 100 to 3,600,000.
    pub body_within_ms: u64,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            context_path: "/nacos".to_owned(),
            connections_max: 10_000,
            quiet_max_ms: 60_000,
            body_within_ms: 60_000,
        }
    }
}

impl HttpSettings {
    pub(crate) fn quiet_max(&self) -> Duration {
        Duration::from_millis(self.quiet_max_ms.max(1))
    }
}

/// Bytes of a request line and its headers. Some clients put everything into the query, a heart-beat or a small config
/// included; nothing that belongs there is longer. Above it hyper answers 431.
pub(crate) const HEAD_LEN_MAX: usize = 64 * 1024;

/// Header lines of a request; browsers send some twenty.
pub(crate) const HEADERS_MAX: usize = 100;

/// Bytes of a form that names instances or services. The longest is a batch of metadata for all instances of a service.
pub(crate) const FORM_LEN_MAX: usize = 1 << 20;

/// Bytes of a form with a config: its content may have 10 MiB, and percent-encoding may triple it; the rest is for
/// everything beside it.
pub(crate) const CONFIG_LEN_MAX: usize = 32 << 20;

/// Bytes of bodies that are held at one time, over all connections; a request that would exceed it is refused with 503.
/// Sixteen of the longest.
pub(crate) const BODIES_LEN_MAX: usize = 16 * CONFIG_LEN_MAX;

/// Parameters of a request; the endpoint with the most knows seventeen. The container of Nacos takes 1,000.
pub(crate) const PARAMS_MAX: usize = 1000;

/// A connection that is to be closed may finish what runs on it for this long.
pub(crate) const CLOSING_MAX: Duration = Duration::from_secs(5);

/// When the operating system gives no more sockets, the next try is made after this long.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An answer over a limit is held back this long, so that the client slows down (`reference/http.md`, 1.4).
pub(crate) const OVER_LIMIT_DELAY: Duration = Duration::from_secs(1);
