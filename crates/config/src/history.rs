//! What was done to configs, row by row.
//!
//! A row of an insert shows the new content, one of an update or a removal the old one (`reference/semantics.md`, 4.2).
//! The old content's bytes belong to that later row from then on, and go with it; the row of the insert came before, so
//! it never outlives them.

use std::sync::Arc;

use nacrite_base::{ConfigKey, Publisher, Timestamp};

use crate::RowId;
use crate::catalog::Version;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The version is new.
    Insert,
    /// It got another content.
    Update,
    /// It was removed.
    Delete,
}

impl Operation {
    /// The letter that Nacos stores.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Insert => 'I',
            Self::Update => 'U',
            Self::Delete => 'D',
        }
    }
}

/// One row of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryRow {
    /// Its number; rows of a config are ordered by it.
    pub id: RowId,
    /// The entry it belongs to; 0 for an insert, as in Nacos.
    pub entry_id: RowId,
    /// Which config.
    pub key: ConfigKey,
    /// What was done.
    pub operation: Operation,
    /// The gray version it was done to; `None` for the formal one.
    pub gray: Option<Arc<str>>,
    /// The content that the row shows, with what was said about it.
    pub version: Version,
    /// Who did it.
    pub by: Publisher,
    /// When.
    pub at: Timestamp,
}

impl HistoryRow {
    /// Whether the content goes when the row goes.
    #[must_use]
    pub fn owns_content(&self) -> bool {
        self.operation != Operation::Insert
    }
}
