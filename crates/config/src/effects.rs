//! What must follow a command, and why a command was refused.

use std::sync::Arc;

use nacrite_base::ConfigKey;

use crate::RowId;
use crate::catalog::Entry;
use crate::history::HistoryRow;

/// What must happen outside: first keep, then tell.
#[must_use = "effects that are dropped are changes that are not kept"]
#[derive(Debug, Default)]
pub struct Effects {
    /// What the store must keep, in this order.
    pub keep: Vec<Keep>,
    /// The config whose listeners are to be told; only if a content changed.
    pub changed: Option<ConfigKey>,
}

/// One thing for the store.
#[derive(Debug)]
pub enum Keep {
    /// The content that the command brought, under this id.
    Content(RowId),
    /// The entry of a config as it is now; `None` if nothing is left of it.
    Entry(ConfigKey, Option<Arc<Entry>>),
    /// A row of the history.
    History(Box<HistoryRow>),
}

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The stored content has another digest than the publisher believed.
    #[error("the config was changed by someone else")]
    Raced,
    /// The config has as many gray versions as it may have.
    #[error("over {max} gray versions")]
    GrayVersionsFull {
        /// How many it may have.
        max: usize,
    },
    /// There is no gray version of that name.
    #[error("no gray version {name}")]
    GrayMissing {
        /// The name.
        name: Arc<str>,
    },
}
