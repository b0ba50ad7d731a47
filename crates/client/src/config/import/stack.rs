//! Layers of settings, one over the other: which counts, what happens to the whole when one of them changes, and what is
//! kept when a change does not fit. Pure.
//!
//! Every layer has the version that is in use, and perhaps a newer one that waits: it can be read, but the settings as a
//! whole would not fit the program's type with it. Two layers that have to change together so find each other, and one that
//! is broken does not keep the others from changing.

use std::fmt;

use nacrite_base::ContentDigest;
use serde::de::DeserializeOwned;

use super::Optional;
use crate::config::format::Unfit;
use crate::config::tree::Tree;

/// How strong a layer is; those further down hide those above them. Layers of one rank count in the order in which they
/// were added, the last one most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rank {
    /// What the program itself brings.
    Default,
    /// Imported, where local files are preferred.
    ImportBelow,
    /// A local file.
    File,
    /// Imported, and preferred to local files.
    ImportAbove,
    /// Variables of the environment.
    Environment,
    /// What the program sets, whatever others say.
    Set,
}

/// What is the matter with a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerTrouble {
    /// It is not there, though it should be.
    Missing,
    /// It was removed, though it should be there. Its last version stays in use.
    Removed,
    /// Its newest version cannot be read, or the settings would not fit with it. The version before stays in use.
    Unfit {
        /// Digest of that version.
        digest: Option<ContentDigest>,
        /// Where and why not.
        why: Unfit,
    },
    /// It could not be had.
    Unread(String),
}

impl fmt::Display for LayerTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not there"),
            Self::Removed => f.write_str("it was removed"),
            Self::Unfit { digest: Some(digest), why } => write!(f, "version {digest} does not fit: {why}"),
            Self::Unfit { digest: None, why } => write!(f, "it does not fit: {why}"),
            Self::Unread(why) => write!(f, "it could not be read: {why}"),
        }
    }
}

/// How a layer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerState {
    /// Where it comes from.
    pub source: String,
    /// How strong it is.
    pub rank: Rank,
    /// Whether there is anything in it.
    pub is_there: bool,
    /// Digest of the version in use, of an imported config.
    pub digest: Option<ContentDigest>,
    /// Why the newest version is not in use; `None` if it is.
    pub trouble: Option<LayerTrouble>,
}

/// A version of a layer.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// `None` if there is none of the layer.
    pub(super) tree: Option<Tree>,
    pub(super) digest: Option<ContentDigest>,
}

impl Version {
    /// Of a layer that is not there.
    pub(super) const ABSENT: Self = Self { tree: None, digest: None };
}

/// A layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) source: String,
    pub(super) rank: Rank,
    pub(super) optional: Optional,
    /// In use.
    pub(super) used: Version,
    /// Newer than that, and can be read.
    pub(super) waiting: Option<Version>,
    pub(super) trouble: Option<LayerTrouble>,
}

impl Layer {
    /// A layer that does not change.
    pub(super) fn fixed(source: String, rank: Rank, tree: Option<Tree>) -> Self {
        let used = Version { tree, digest: None };
        Self { source, rank, optional: Optional::Optional, used, waiting: None, trouble: None }
    }

    fn state(&self) -> LayerState {
        LayerState {
            source: self.source.clone(),
            rank: self.rank,
            is_there: self.used.tree.is_some(),
            digest: self.used.digest.clone(),
            trouble: self.trouble.clone(),
        }
    }
}

/// What was heard of a layer.
#[derive(Debug)]
pub(super) enum Heard {
    /// A version that may or may not be readable.
    Version(ContentDigest, Result<Tree, Unfit>),
    /// There is none.
    Nothing,
}

/// What became of what was heard.
#[derive(Debug)]
pub(super) enum Taken<T> {
    /// The settings are these now.
    Changed(T),
    /// They are what they were, because other layers hide the change.
    Same,
    /// They are what they were, because of this.
    Kept(LayerTrouble),
}

/// All layers.
#[derive(Debug)]
pub(super) struct Stack {
    layers: Vec<Layer>,
    /// What the settings in use were made of.
    bound: Tree,
}

impl Stack {
    /// Puts the layers in order. Returns them with the place that each has now, in the order in which they were given.
    pub(super) fn new(layers: Vec<Layer>) -> (Self, Vec<usize>) {
        let mut sorted: Vec<(usize, Layer)> = layers.into_iter().enumerate().collect();
        sorted.sort_by_key(|(_, layer)| layer.rank);
        let mut places = vec![0; sorted.len()];
        for (place, (given, _)) in sorted.iter().enumerate() {
            places[*given] = place;
        }
        let layers = sorted.into_iter().map(|(_, layer)| layer).collect();
        let mut stack = Self { layers, bound: Tree::empty() };
        stack.bound = stack.merged(|_| false);
        (stack, places)
    }

    /// The settings in use, as values.
    pub(super) fn values(&self) -> &Tree {
        &self.bound
    }

    /// Reads the settings in use into a type.
    pub(super) fn bind<T: DeserializeOwned>(&self) -> Result<T, Unfit> {
        self.bound.clone().read()
    }

    pub(super) fn state(&self) -> Vec<LayerState> {
        self.layers.iter().map(Layer::state).collect()
    }

    /// Takes what was heard of a layer, as far as the settings fit with it.
    pub(super) fn take<T: DeserializeOwned>(&mut self, at: usize, heard: Heard) -> Taken<T> {
        let Some(layer) = self.layers.get_mut(at) else { return Taken::Same };
        let (version, kept) = match heard {
            Heard::Version(digest, Ok(tree)) => (Version { tree: Some(tree), digest: Some(digest) }, None),
            Heard::Version(digest, Err(why)) => {
                (Version::ABSENT, Some(LayerTrouble::Unfit { digest: Some(digest), why }))
            }
            Heard::Nothing if layer.optional == Optional::Optional => (Version::ABSENT, None),
            Heard::Nothing if layer.used.tree.is_none() => (Version::ABSENT, Some(LayerTrouble::Missing)),
            Heard::Nothing => (Version::ABSENT, Some(LayerTrouble::Removed)),
        };
        if let Some(trouble) = kept {
            layer.waiting = None;
            layer.trouble = Some(trouble.clone());
            return Taken::Kept(trouble);
        }
        let digest = version.digest.clone();
        layer.waiting = Some(version);
        // With whatever else waits, else alone.
        let why = match self.settle(|_| true) {
            Ok(taken) => return taken,
            Err(why) => why,
        };
        if let Ok(taken) = self.settle(|place| place == at) {
            return taken;
        }
        let trouble = LayerTrouble::Unfit { digest, why };
        if let Some(layer) = self.layers.get_mut(at) {
            layer.trouble = Some(trouble.clone());
        }
        Taken::Kept(trouble)
    }

    /// Uses the waiting versions of the layers that `chosen` names, if the settings fit then.
    fn settle<T: DeserializeOwned>(&mut self, chosen: impl Fn(usize) -> bool) -> Result<Taken<T>, Unfit> {
        let merged = self.merged(&chosen);
        let taken = if merged == self.bound { Taken::Same } else { Taken::Changed(merged.clone().read()?) };
        for (_, layer) in self.layers.iter_mut().enumerate().filter(|(place, _)| chosen(*place)) {
            if let Some(version) = layer.waiting.take() {
                (layer.used, layer.trouble) = (version, None);
            }
        }
        self.bound = merged;
        Ok(taken)
    }

    /// One layer over the other; of those that `newest` names the version that waits, if there is one.
    fn merged(&self, newest: impl Fn(usize) -> bool) -> Tree {
        let mut merged = Tree::empty();
        for (place, layer) in self.layers.iter().enumerate() {
            let version = layer.waiting.as_ref().filter(|_| newest(place)).unwrap_or(&layer.used);
            let Some(tree) = version.tree.clone() else { continue };
            merged.overlay(if layer.rank == Rank::Environment { tree.spelled_as(&merged) } else { tree });
        }
        merged
    }
}

#[cfg(test)]
mod tests;
