//! Names that came or went since somebody last looked.
//!
//! Whoever changes what there is notes the name here and goes on; the task of the fuzzy watch finds out what it means for
//! whom. While nothing is watched, noting costs one look at a flag.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Names that came or went. Each is noted once, so there are never more than there are, or were a moment ago.
#[derive(Debug)]
pub struct News<K> {
    wanted: AtomicBool,
    names: Mutex<BTreeSet<K>>,
    noted: Notify,
}

impl<K> Default for News<K> {
    fn default() -> Self {
        Self { wanted: AtomicBool::new(false), names: Mutex::default(), noted: Notify::new() }
    }
}

impl<K: Clone + Ord> News<K> {
    /// A name came or went. To be called after the change, which is looked up later.
    pub fn note(&self, name: &K) {
        if self.wanted.load(Ordering::SeqCst) {
            self.names.lock().insert(name.clone());
            self.noted.notify_one();
        }
    }

    /// Whether names are noted from now on. Whoever wants to miss nothing says so before looking at what there is.
    pub fn want(&self, wanted: bool) {
        self.wanted.store(wanted, Ordering::SeqCst);
    }

    /// Ends when something was noted.
    pub async fn noted(&self) {
        self.noted.notified().await;
    }

    /// Takes what was noted.
    pub fn take(&self) -> BTreeSet<K> {
        std::mem::take(&mut *self.names.lock())
    }
}
