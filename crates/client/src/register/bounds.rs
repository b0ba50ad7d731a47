//! How long each part of a life may take, with the reason of each default.

use std::time::Duration;

/// How long each part of a life may take. [`Default`] fits into the 30 s that container platforms give a program to end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// How long it may take until the handlers answer and the program is ready. Ends the life if it fails fast; otherwise
    /// nothing is registered until they do. 60 s: caches are filled in this time.
    pub ready_within: Duration,
    /// How long finding an address, and then registering, may take if it fails fast. 10 s: three tries of a client that
    /// gives each 3 s.
    pub register_within: Duration,
    /// How long all hooks of one moment may take together. 5 s.
    pub hooks_within: Duration,
    /// How long taking the registration back may take. 3 s, as long as a request; after that the server finds out when the
    /// connection is closed.
    pub deregister_within: Duration,
    /// How long to serve on after that, until callers have noticed: 3 s. A push comes within half a second, callers that
    /// poll need longer. 0 s: not at all. Nacos: `graceful-shutdown-wait-time`, 10 s there.
    pub drain_wait: Duration,
    /// How long what is under way may take to end once nobody new is accepted. 10 s; connections that are still open then
    /// are dropped.
    pub drain_within: Duration,
    /// How long closing a client of its own may take. 1 s: everything was taken back before.
    pub close_within: Duration,
    /// How long all of leaving may take, whatever its parts do. 25 s: less than the 30 s after which container platforms
    /// kill.
    pub stop_within: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            ready_within: Duration::from_secs(60),
            register_within: Duration::from_secs(10),
            hooks_within: Duration::from_secs(5),
            deregister_within: Duration::from_secs(3),
            drain_wait: Duration::from_secs(3),
            drain_within: Duration::from_secs(10),
            close_within: Duration::from_secs(1),
            stop_within: Duration::from_secs(25),
        }
    }
}
