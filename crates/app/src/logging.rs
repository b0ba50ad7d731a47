//! Changing what is logged while the server runs. How it is done belongs to whoever set the logging up.

use std::fmt;
use std::sync::Arc;

use nacrite_base::Fault;

type Set = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// The way to what is logged.
#[derive(Clone)]
pub struct LogControl(Arc<Set>);

impl LogControl {
    /// Calls `set` with a level (`debug`), or levels by part (`info,nacrite_grpc=debug`).
    pub fn new(set: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(set))
    }

    /// Logs what it logs: for servers inside tests.
    #[must_use]
    pub fn fixed() -> Self {
        Self::new(|_| Err("what is logged cannot be changed here".to_owned()))
    }

    /// Logs this from now on.
    ///
    /// # Errors
    /// [`Fault::ParamInvalid`] if it is not understood.
    pub fn set(&self, levels: &str) -> Result<(), Fault> {
        (self.0)(levels).map_err(|message| Fault::ParamInvalid { message })
    }
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LogControl")
    }
}
