//! One config that is listened to: what is known of it, whether the server agrees, and which listeners were told what.
//!
//! Pure: no clock, no server, no listener's code. `listens` puts many of these together.

use std::collections::BTreeMap;

use super::value::{Config, Known, Origin};

/// One who listens. Never repeats within a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ListenerId(pub(crate) u64);

/// What a new listener is held to know already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Baseline {
    /// Not even whether there is a config: the first thing that is found out is told, also that there is none.
    Unknown,
    /// What this client holds at this moment; nothing, if it holds nothing.
    Held,
    /// The version of this digest, which it was given in another way.
    Version(Box<str>),
}

/// A version on its way to a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// The config; `None` if there is none, any more or at all.
    pub(crate) config: Option<Config>,
}

/// How telling a listener went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It took the version.
    Taken,
    /// It failed on it.
    Refused,
    /// Telling was broken off; it is told again as if nothing had been tried.
    PutBack,
}

/// Whether the server agrees with what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It must be asked.
    Stale,
    /// It is being asked, in this round. A push in between says that the answer may be old by now.
    Asking { round: u64, pushed: bool },
    /// It agreed, and will push when something changes.
    Consistent,
}

#[derive(Debug)]
struct Listener {
    /// Digest of what it was told last; `None` before anything.
    told: Option<Box<str>>,
    /// Digest of what it is being told now.
    telling: Option<Box<str>>,
    /// How often in a row it did not take what it was told.
    refusals: u32,
}

/// One config that is listened to.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What a server said last, or the snapshot of that.
    server: Known,
    /// The file that overrides the server, while it is there.
    failover: Option<Config>,
    standing: Standing,
    /// No server has confirmed anything yet.
    is_initialising: bool,
    /// A snapshot may be shown, because servers had their chance.
    shows_snapshot: bool,
    listeners: BTreeMap<ListenerId, Listener>,
}

impl Entry {
    /// A config of which `held` is known from a snapshot, or from a query just before.
    pub(crate) fn new(held: Known) -> Self {
        Self {
            server: held,
            failover: None,
            standing: Standing::Stale,
            is_initialising: true,
            shows_snapshot: false,
            listeners: BTreeMap::new(),
        }
    }

    pub(crate) fn is_initialising(&self) -> bool {
        self.is_initialising
    }

    pub(crate) fn is_stale(&self) -> bool {
        self.standing == Standing::Stale
    }

    pub(crate) fn is_consistent(&self) -> bool {
        self.standing == Standing::Consistent
    }

    /// Nobody listens any more; the server is to be told.
    pub(crate) fn is_discarded(&self) -> bool {
        self.listeners.is_empty()
    }

    /// Digest of what the server is believed to have.
    pub(crate) fn digest(&self) -> &str {
        self.server.digest()
    }

    pub(crate) fn add(&mut self, id: ListenerId, baseline: Baseline) {
        let told = match baseline {
            Baseline::Unknown => None,
            Baseline::Held => Some(self.held().digest().into()),
            Baseline::Version(digest) => Some(digest),
        };
        self.listeners.insert(id, Listener { told, telling: None, refusals: 0 });
    }

    pub(crate) fn remove(&mut self, id: ListenerId) {
        self.listeners.remove(&id);
    }

    /// What was found out by somebody else's query. Taken only while nothing better is known.
    pub(crate) fn seed(&mut self, known: Known) {
        if self.is_initialising && known != Known::Nothing {
            self.server = known;
        }
    }

    /// The server says that something changed.
    pub(crate) fn push(&mut self) {
        self.standing = match self.standing {
            Standing::Asking { round, .. } => Standing::Asking { round, pushed: true },
            Standing::Stale | Standing::Consistent => Standing::Stale,
        };
    }

    /// Whatever the server agreed to counts no longer: it is another connection, or time to make sure.
    pub(crate) fn doubt(&mut self) {
        self.standing = Standing::Stale;
    }

    /// The server is asked, in this round.
    pub(crate) fn ask(&mut self, round: u64) {
        self.standing = Standing::Asking { round, pushed: false };
    }

    /// The server has the same. That counts only if nothing happened since it was asked, in this round.
    pub(crate) fn agreed(&mut self, round: u64) {
        let Standing::Asking { round: asked, pushed } = self.standing else {
            return;
        };
        if asked != round {
            return;
        }
        self.standing = if pushed { Standing::Stale } else { Standing::Consistent };
        self.is_initialising = false;
        match &mut self.server {
            // That there is none is a first answer too.
            Known::Nothing => self.server = Known::Absent,
            Known::Absent => {}
            Known::Present(config) => config.origin = Origin::Server,
        }
    }

    /// The server did not answer. What was kept on disk is better than nothing.
    pub(crate) fn unanswered(&mut self) {
        self.standing = Standing::Stale;
        self.shows_snapshot = true;
    }

    /// The server has this. It is asked once more with the new digest, so that a change between the two is not lost.
    /// Returns whether it is news.
    pub(crate) fn fetched(&mut self, known: Known) -> bool {
        let is_news = self.server.digest() != known.digest() || self.server == Known::Nothing;
        self.server = known;
        self.is_initialising = false;
        self.standing = Standing::Stale;
        is_news
    }

    /// The file that overrides the server came, changed or went.
    pub(crate) fn overridden(&mut self, by: Option<Config>) {
        self.failover = by;
    }

    /// What listeners are to know.
    fn shown(&self) -> Option<Option<&Config>> {
        if let Some(config) = &self.failover {
            return Some(Some(config));
        }
        let visible = !self.is_initialising || self.shows_snapshot;
        match &self.server {
            Known::Nothing => None,
            Known::Absent => visible.then_some(None),
            Known::Present(config) => visible.then_some(Some(config)),
        }
    }

    /// What this client holds, whether listeners were shown it or not.
    fn held(&self) -> Known {
        self.failover.clone().map_or_else(|| self.server.clone(), Known::Present)
    }

    /// The listeners that have something to be told and are not being told something.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = ListenerId> {
        let digest = self.shown().map(digest);
        self.listeners.iter().filter(move |(_, listener)| listener.wants(digest)).map(|(id, _)| *id)
    }

    /// Takes what is to be told to a listener, at once the newest. It must be reported by [`Self::told`].
    pub(crate) fn take(&mut self, id: ListenerId) -> Option<Delivery> {
        let shown = self.shown()?.cloned();
        let digest = digest(shown.as_ref());
        let listener = self.listeners.get_mut(&id).filter(|listener| listener.wants(Some(digest)))?;
        listener.telling = Some(digest.into());
        Some(Delivery { config: shown })
    }

    /// How telling went. Only what was taken counts as known; the rest is told again. Returns how often in a row it was
    /// refused.
    pub(crate) fn told(&mut self, id: ListenerId, outcome: Outcome) -> u32 {
        let Some(listener) = self.listeners.get_mut(&id) else {
            return 0;
        };
        let telling = listener.telling.take();
        match outcome {
            Outcome::Taken => {
                listener.told = telling.or_else(|| listener.told.take());
                listener.refusals = 0;
            }
            Outcome::Refused => listener.refusals = listener.refusals.saturating_add(1),
            Outcome::PutBack => {}
        }
        listener.refusals
    }
}

impl Listener {
    fn wants(&self, shown: Option<&str>) -> bool {
        self.telling.is_none() && shown.is_some() && self.told.as_deref() != shown
    }
}

fn digest(shown: Option<&Config>) -> &str {
    shown.map_or("", |config| config.digest.as_str())
}
