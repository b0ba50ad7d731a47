//! The end of a node that can no longer keep its promises.
//!
//! Told once, with the first reason: what follows from it is noise. The owner of the process decides how to stop.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tracing::error;

/// What to do when the disk, the log or the state failed: end the process, usually.
#[derive(Clone)]
pub struct OnFatal(Arc<dyn Fn(String) + Send + Sync>);

impl OnFatal {
    /// Calls `stop` with the reason, from any thread, at most once for each journal. It must not block.
    pub fn new(stop: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Arc::new(stop))
    }
}

impl fmt::Debug for OnFatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnFatal")
    }
}

/// The first reason why this node cannot go on.
#[derive(Debug)]
pub(crate) struct Fatal {
    reason: OnceLock<String>,
    on_fatal: OnFatal,
}

impl Fatal {
    pub(crate) fn new(on_fatal: OnFatal) -> Self {
        Self { reason: OnceLock::new(), on_fatal }
    }

    /// This node cannot go on.
    pub(crate) fn tell(&self, reason: String) {
        let mut is_first = false;
        let reason = self.reason.get_or_init(|| {
            is_first = true;
            reason
        });
        if is_first {
            error!(%reason, "this node cannot go on");
            (self.on_fatal.0)(reason.clone());
        }
    }

    /// Why this node cannot go on, if so.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }

    /// The reason as the error of an operation that failed because of it.
    pub(crate) fn error(&self) -> std::io::Error {
        std::io::Error::other(self.reason().unwrap_or("this node is stopping").to_owned())
    }
}
