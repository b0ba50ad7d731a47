//! What can be done to the catalogue. Times, digests and addresses were fixed by whoever proposed the command, so that
//! every node that applies it comes to the same state.

use std::sync::Arc;

use nacrite_base::{Attributes, ConfigKey, ContentDigest, Publisher, Release, Timestamp};

/// A change of the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Gives a config, or a gray version of it, a new content.
    Publish {
        /// Which config.
        key: ConfigKey,
        /// For whom.
        release: Release,
        /// Digest of the content.
        digest: ContentDigest,
        /// The digest that the stored content must have. Ignored where there is nothing yet (recorded: `config-cas`).
        cas: Option<Arc<str>>,
        /// What is said about the content.
        attributes: Attributes,
        /// Who publishes.
        by: Publisher,
        /// When.
        at: Timestamp,
    },
    /// Removes a config, or a gray version of it.
    Remove {
        /// Which config.
        key: ConfigKey,
        /// The whole name of a gray version; `None` for the formal one, whose gray versions stay.
        gray: Option<Arc<str>>,
        /// Who removes.
        by: Publisher,
        /// When.
        at: Timestamp,
    },
}
