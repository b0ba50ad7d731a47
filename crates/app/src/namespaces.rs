//! Namespaces that operators named. A namespace needs no record to be used: configs and services may live in any
//! (recorded: `config-namespaces`); the record gives it a title.

use std::collections::BTreeMap;
use std::sync::Arc;

use nacrite_base::Fault;
use nacrite_env::SharedRandom;
use parking_lot::RwLock;

use crate::machine::{DurableWrite, NamespaceRow};
use crate::writes::Writes;

/// A named namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its id.
    pub id: Arc<str>,
    /// The name people read.
    pub title: Arc<str>,
    /// What it is for.
    pub description: Option<Arc<str>>,
}

impl From<NamespaceRow> for Namespace {
    fn from(row: NamespaceRow) -> Self {
        Self { id: row.id.into(), title: row.title.into(), description: row.description.map(Into::into) }
    }
}

impl From<Namespace> for NamespaceRow {
    fn from(of: Namespace) -> Self {
        let description = of.description.map(|text| text.to_string());
        Self { id: of.id.to_string(), title: of.title.to_string(), description }
    }
}

/// All named namespaces, as readers see them.
#[derive(Debug, Default)]
pub struct Namespaces(RwLock<BTreeMap<String, Namespace>>);

impl Namespaces {
    /// Shows a namespace to readers; `None` takes it away.
    pub fn show(&self, id: String, namespace: Option<Namespace>) {
        let mut all = self.0.write();
        match namespace {
            Some(namespace) => all.insert(id, namespace),
            None => all.remove(&id),
        };
    }

    /// The namespace of that id, if it was named.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Namespace> {
        self.0.read().get(id).cloned()
    }

    /// All named namespaces, ordered by id.
    #[must_use]
    pub fn all(&self) -> Vec<Namespace> {
        self.0.read().values().cloned().collect()
    }
}

/// What came of creating a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there now.
    Now,
    /// There was one of that id.
    Before,
}

/// What can be done with namespaces.
#[derive(Debug)]
pub struct NamespaceCases {
    shown: Arc<Namespaces>,
    writes: Writes,
    random: SharedRandom,
    /// Held while a namespace is created, so that two callers cannot both find its id free.
    creating: tokio::sync::Mutex<()>,
}

impl NamespaceCases {
    /// The use cases over the shown namespaces.
    #[must_use]
    pub fn new(shown: Arc<Namespaces>, writes: Writes, random: SharedRandom) -> Self {
        Self { shown, writes, random, creating: tokio::sync::Mutex::new(()) }
    }

    /// Creates a namespace, under an id of its own unless one is given. The default one is always there.
    ///
    /// # Errors
    /// Why it could not be written.
    pub async fn create(&self, id: Option<&str>, title: &str, description: Option<&str>) -> Result<Created, Fault> {
        let _creating = self.creating.lock().await;
        let id = id.map_or_else(|| self.random_id(), str::to_owned);
        if id == DEFAULT || self.shown.get(&id).is_some() {
            return Ok(Created::Before);
        }
        self.put(&id, title, description).await?;
        Ok(Created::Now)
    }

    /// Gives a namespace another title and description. Nothing happens if it is not there.
    ///
    /// # Errors
    /// Why it could not be written.
    pub async fn update(&self, id: &str, title: &str, description: Option<&str>) -> Result<(), Fault> {
        if self.shown.get(id).is_none() {
            return Ok(());
        }
        self.put(id, title, description).await
    }

    /// Forgets a namespace; what is in it stays. Nothing happens if it is not there.
    ///
    /// # Errors
    /// Why it could not be written.
    pub async fn remove(&self, id: &str) -> Result<(), Fault> {
        if self.shown.get(id).is_none() {
            return Ok(());
        }
        self.writes.write(DurableWrite::RemoveNamespace(id.to_owned())).await
    }

    async fn put(&self, id: &str, title: &str, description: Option<&str>) -> Result<(), Fault> {
        let namespace = Namespace { id: id.into(), title: title.into(), description: description.map(Into::into) };
        self.writes.write(DurableWrite::PutNamespace(namespace)).await
    }

    /// A random id of the form that callers know: a UUID of version 4.
    fn random_id(&self) -> String {
        let (high, low) = (self.random.next_u64(), self.random.next_u64());
        let version = (high & 0xffff_ffff_ffff_0fff) | 0x4000;
        let variant = (low & 0x3fff_ffff_ffff_ffff) | 0x8000_0000_0000_0000;
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            version >> 32,
            version >> 16 & 0xffff,
            version & 0xffff,
            variant >> 48,
            variant & 0xffff_ffff_ffff
        )
    }
}

/// The id of the namespace that needs no record.
const DEFAULT: &str = "public";
