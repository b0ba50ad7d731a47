//! All configs by key: which versions there are, and what a publish or a removal does to them.

use std::sync::Arc;

use nacrite_base::{Attributes, ConfigKey, ConfigType, ContentDigest, Publisher, Release, Timestamp};

use crate::command::Command;
use crate::effects::{Effects, Keep, Refusal};
use crate::gray::{GRAY_VERSIONS_MAX, GrayRule, GrayVersion};
use crate::history::{HistoryRow, Operation};
use crate::{HashMap, RowId};

/// A content and what is said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Under which id the store keeps the content.
    pub content: RowId,
    /// Digest of the content.
    pub digest: ContentDigest,
    /// When the version was first made.
    pub created_at: Timestamp,
    /// When it got this content.
    pub modified_at: Timestamp,
    /// What its publisher said about it.
    pub attributes: Attributes,
    /// Who published it.
    pub by: Publisher,
}

impl Version {
    /// The format that clients are told.
    #[must_use]
    pub fn config_type(&self) -> ConfigType {
        self.attributes.config_type
    }
}

/// Everything known of one config. Never empty: an entry without versions is forgotten.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its number.
    pub id: RowId,
    /// The version for everybody.
    pub formal: Option<Version>,
    /// Versions for some, in the order in which they are tried.
    pub gray: Vec<GrayVersion>,
}

/// All configs. What is shared with readers is each entry, never the whole.
#[derive(Debug, Default)]
pub struct Catalog {
    pub(crate) entries: HashMap<ConfigKey, Arc<Entry>>,
}

impl Catalog {
    /// An empty catalogue.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts back what the store kept.
    pub fn restore(&mut self, key: ConfigKey, entry: Arc<Entry>) {
        self.entries.insert(key, entry);
    }

    /// The entry of a config.
    #[must_use]
    pub fn get(&self, key: &ConfigKey) -> Option<&Arc<Entry>> {
        self.entries.get(key)
    }

    /// Every config, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&ConfigKey, &Arc<Entry>)> {
        self.entries.iter()
    }

    /// How many configs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Applies one command. `id` is unique to it and names whatever it makes. Cost: O(gray versions of the config).
    ///
    /// # Errors
    /// [`Refusal`] if the state does not allow it; then nothing changed.
    pub fn apply(&mut self, id: RowId, command: Command) -> Result<Effects, Refusal> {
        match command {
            Command::Publish { key, release, digest, cas, attributes, by, at } => {
                let draft = Version { content: id, digest, created_at: at, modified_at: at, attributes, by };
                self.publish(id, key, &release, cas.as_deref(), draft)
            }
            Command::Remove { key, gray, by, at } => self.remove(id, key, gray, by, at),
        }
    }

    fn publish(
        &mut self,
        id: RowId,
        key: ConfigKey,
        release: &Release,
        cas: Option<&str>,
        draft: Version,
    ) -> Result<Effects, Refusal> {
        let known = self.entries.get(&key);
        let gray = GrayRule::of(release);
        let old = known.and_then(|entry| match &gray {
            None => entry.formal.as_ref(),
            Some((_, name)) => entry.gray.iter().find(|g| g.name == *name).map(|g| &g.version),
        });
        if let (Some(cas), Some(old)) = (cas, old)
            && cas != old.digest.as_str()
        {
            return Err(Refusal::Raced);
        }
        if gray.is_some() && old.is_none() && known.is_some_and(|entry| entry.gray.len() >= GRAY_VERSIONS_MAX) {
            return Err(Refusal::GrayVersionsFull { max: GRAY_VERSIONS_MAX });
        }
        let row = history_of_publish(id, known, &key, gray.as_ref().map(|(_, name)| Arc::clone(name)), old, &draft);
        let is_new_content = old.is_none_or(|old| old.digest != draft.digest);
        let version = succeed(old, draft);
        let mut entry = known.map_or(Entry { id, formal: None, gray: Vec::new() }, |entry| (**entry).clone());
        match gray {
            None => entry.formal = Some(version),
            Some((rule, name)) => {
                entry.gray.retain(|g| g.name != name);
                entry.gray.push(GrayVersion { name, rule, version });
                entry.gray.sort_by(|a, b| b.rule.priority().cmp(&a.rule.priority()).then_with(|| a.name.cmp(&b.name)));
            }
        }
        Ok(self.keep(key, entry, vec![Keep::Content(id)], row, is_new_content))
    }

    fn remove(
        &mut self,
        id: RowId,
        key: ConfigKey,
        gray: Option<Arc<str>>,
        by: Publisher,
        at: Timestamp,
    ) -> Result<Effects, Refusal> {
        let missing = |name: &Arc<str>| Refusal::GrayMissing { name: Arc::clone(name) };
        let Some(known) = self.entries.get(&key) else {
            return gray.as_ref().map_or(Ok(Effects::default()), |name| Err(missing(name)));
        };
        let mut entry = (**known).clone();
        let removed = match &gray {
            None => entry.formal.take(),
            Some(name) => {
                let at = entry.gray.iter().position(|g| g.name == *name).ok_or_else(|| missing(name))?;
                Some(entry.gray.remove(at).version)
            }
        };
        let Some(version) = removed else {
            return Ok(Effects::default());
        };
        let row = HistoryRow {
            id,
            entry_id: entry.id,
            key: key.clone(),
            operation: Operation::Delete,
            gray,
            version,
            by,
            at,
        };
        Ok(self.keep(key, entry, Vec::new(), row, true))
    }

    fn keep(&mut self, key: ConfigKey, entry: Entry, mut keep: Vec<Keep>, row: HistoryRow, changed: bool) -> Effects {
        let entry = (entry.formal.is_some() || !entry.gray.is_empty()).then(|| Arc::new(entry));
        match &entry {
            Some(entry) => self.entries.insert(key.clone(), Arc::clone(entry)),
            None => self.entries.remove(&key),
        };
        keep.push(Keep::Entry(key.clone(), entry));
        keep.push(Keep::History(Box::new(row)));
        debug_assert_eq!(self.violations_of(&key), Vec::<String>::new());
        Effects { keep, changed: changed.then_some(key) }
    }
}

/// What a new content inherits from the one before it: when the version was made, and what its publisher left unsaid.
fn succeed(old: Option<&Version>, draft: Version) -> Version {
    let Some(old) = old else { return draft };
    Version {
        created_at: old.created_at,
        attributes: Attributes {
            app_name: draft.attributes.app_name.or_else(|| old.attributes.app_name.clone()),
            tags: draft.attributes.tags.or_else(|| old.attributes.tags.clone()),
            ..draft.attributes
        },
        ..draft
    }
}

fn history_of_publish(
    id: RowId,
    entry: Option<&Arc<Entry>>,
    key: &ConfigKey,
    gray: Option<Arc<str>>,
    old: Option<&Version>,
    draft: &Version,
) -> HistoryRow {
    let (operation, entry_id) = match (old, entry) {
        (Some(_), Some(entry)) => (Operation::Update, entry.id),
        _ => (Operation::Insert, 0),
    };
    HistoryRow {
        id,
        entry_id,
        key: key.clone(),
        operation,
        gray,
        version: old.unwrap_or(draft).clone(),
        by: draft.by.clone(),
        at: draft.modified_at,
    }
}
