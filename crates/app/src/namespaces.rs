//! Namespaces that operators named. A namespace needs no record to be used: configs and services may live in any
//! (recorded: `config-namespaces`); the record gives it a title.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::machine::NamespaceRow;

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
