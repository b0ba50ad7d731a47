//! Values that operators lay over instances: one change of a service's at a time, and metadata of many instances at once.
//!
//! Most changes depend on what was laid before, and a write takes as long as the disk does. So whoever changes values
//! holds the service meanwhile: of two changes that were both confirmed, neither is lost.

use std::sync::Arc;

use futures_util::future::try_join_all;
use nacrite_base::instance::Pairs;
use nacrite_base::{Fault, InstanceKey, Kind, Metadata, ServiceKey};
use nacrite_naming::{DurableCommand, Override};
use tokio::sync::{Mutex, MutexGuard};

use super::Naming;
use crate::limits::{BATCH_WRITES_MAX, SHARDS};
use crate::machine::DurableWrite;

/// Who changes values, by shard: services of one shard wait for each other, which costs less than a lock for each.
#[derive(Debug)]
pub(super) struct Edits(Box<[Mutex<()>]>);

impl Default for Edits {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Mutex::new(())).collect())
    }
}

/// How metadata of instances change.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataEdit {
    /// These keys get these values; others stay.
    Put(Metadata),
    /// These keys are taken away again. Only what was laid over an instance goes, not what its client published.
    Remove(Metadata),
}

/// The instances whose metadata were changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Edited {
    /// Which kind they are.
    pub kind: Kind,
    /// Those that are there, ordered.
    pub instances: Vec<InstanceKey>,
}

impl Naming {
    /// Waits until nobody else changes the values of a service.
    pub(crate) async fn edit(&self, service: &ServiceKey) -> MutexGuard<'_, ()> {
        self.edits.0[self.shards.shard_of(service)].lock().await
    }

    /// Changes metadata of instances; `which` empty means all of the service, and those that are not there are passed
    /// over. Everything is checked before anything is written.
    ///
    /// # Errors
    /// [`Fault::Name`] if an instance would have too much metadata; or why it could not be written. Then some may be
    /// changed, and the same request does the rest.
    pub async fn edit_metadata(
        &self,
        service: &ServiceKey,
        which: &[InstanceKey],
        edit: &MetadataEdit,
    ) -> Result<Edited, Fault> {
        let editing = self.edit(service).await;
        let view = self.shards.view(service);
        let wanted = |key: &InstanceKey| which.is_empty() || which.contains(key);
        let there = view.instances.iter().map(|instance| &instance.key).filter(|key| wanted(key));
        let instances: Vec<InstanceKey> = there.cloned().collect();
        let commands = self.edited(service, &instances, edit)?;
        for some in commands.chunks(BATCH_WRITES_MAX) {
            let writes = some.iter().map(|command| self.writes.write(DurableWrite::Naming(command.clone())));
            try_join_all(writes).await?;
        }
        drop(editing);
        Ok(Edited { kind: view.kind.unwrap_or(Kind::Ephemeral), instances })
    }

    /// The commands that make it so; none for an instance that has it so already.
    fn edited(
        &self,
        service: &ServiceKey,
        instances: &[InstanceKey],
        edit: &MetadataEdit,
    ) -> Result<Vec<DurableCommand>, Fault> {
        let mut commands = Vec::new();
        for instance in instances {
            let laid = self.shards.with(service, |shard| shard.override_of(service, instance).cloned());
            let laid: Arc<Override> = laid.unwrap_or_default();
            let metadata = edit.applied(&laid.metadata)?;
            if metadata != laid.metadata {
                let values = Override { metadata, ..(*laid).clone() };
                commands.push(DurableCommand::PutOverride {
                    service: service.clone(),
                    instance: instance.clone(),
                    values,
                });
            }
        }
        Ok(commands)
    }
}

impl MetadataEdit {
    fn applied(&self, laid: &Metadata) -> Result<Metadata, Fault> {
        match self {
            // Many small changes must not add up to more than one large change may hold.
            Self::Put(more) => Ok(Metadata::parse(laid.overlaid(more).pairs().clone())?),
            Self::Remove(keys) => {
                let rest = laid.pairs().iter().filter(|(key, _)| !keys.pairs().contains_key(*key));
                let rest: Pairs = rest.map(|(key, value)| (key.clone(), value.clone())).collect();
                Ok(Metadata::from_stored(rest))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(pairs: &[(&str, &str)]) -> Metadata {
        Metadata::from_stored(pairs.iter().map(|(k, v)| ((*k).into(), Some((*v).into()))).collect())
    }

    #[test]
    fn keys_are_put_and_taken_away_one_by_one() {
        let laid = metadata(&[("a", "1"), ("b", "1")]);
        let put = MetadataEdit::Put(metadata(&[("b", "2"), ("c", "2")])).applied(&laid);
        assert_eq!(put.ok(), Some(metadata(&[("a", "1"), ("b", "2"), ("c", "2")])));
        let removed = MetadataEdit::Remove(metadata(&[("b", ""), ("x", "")])).applied(&laid);
        assert_eq!(removed.ok(), Some(metadata(&[("a", "1")])));
    }

    #[test]
    fn small_changes_do_not_add_up_to_more_than_a_large_one() {
        let laid = metadata(&[("a", &"x".repeat(1000))]);
        let more = MetadataEdit::Put(metadata(&[("b", &"x".repeat(100))]));
        assert!(matches!(more.applied(&laid), Err(Fault::Name(_))));
        assert!(more.applied(&Metadata::default()).is_ok());
    }
}
