//! All configs that a client listens to, as a step function: what to ask, what to fetch, whom to tell, how long to rest.
//!
//! Pure. A pass is [`Listens::begin`], the work it names with a report for each piece, then [`Listens::end`]. Everything
//! else may happen at any moment in between: listeners that come and go, pushes, another connection, files that override.
//! Nothing is lost by that, because every report names the round that it belongs to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::entry::{Baseline, Delivery, Entry, ListenerId, Outcome};
use super::name::ConfigName;
use super::value::{Config, Known};
use crate::error::Error;

/// Configs in one request, as in the Java client: some 300 kB, a fortieth of what a message may be.
pub(crate) const ASKED_MAX: usize = 3000;

/// Configs of one client; ten requests. More are refused with an error: whoever listens to so many has a bug that makes
/// names.
pub(crate) const ENTRIES_MAX: usize = 30_000;

/// Rest after the first setback in a row. Doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Longest rest after a setback; also between two attempts to tell a listener.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Rest after a setback of a long poll, as in the Java client (`configRetryTime`).
const POLL_PAUSE: Duration = Duration::from_secs(2);

/// How the server tells of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It remembers what was asked, and pushes.
    Push,
    /// It holds the question until something changed. It remembers nothing, so everything is asked each time.
    Poll,
}

/// A request to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    round: u64,
    /// The configs, each with the digest of what is held; empty for none.
    pub(crate) of: Vec<(ConfigName, Box<str>)>,
    /// Some of them wait for a first answer, which must not be held.
    pub(crate) is_urgent: bool,
}

impl Question {
    pub(crate) fn names(&self) -> impl Iterator<Item = &ConfigName> {
        self.of.iter().map(|(name, _)| name)
    }
}

/// What a pass has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// To be withdrawn: nobody listens any more.
    pub(crate) withdraw: Vec<Question>,
    /// To be asked, afterwards.
    pub(crate) ask: Vec<Question>,
}

/// How long to rest after a pass. A bell ends any rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Not at all: there is more to do.
    No,
    /// So long: something did not work.
    For(Duration),
    /// Until something happens.
    UntilCalled,
}

/// All configs that a client listens to.
#[derive(Debug)]
pub(crate) struct Listens {
    mode: Mode,
    entries: BTreeMap<ConfigName, Entry>,
    owners: BTreeMap<ListenerId, ConfigName>,
    next_listener: u64,
    round: u64,
    /// Passes in a row that had a setback.
    setbacks: u32,
    had_setback: bool,
    /// Entries whose listeners may have something to be told.
    touched: BTreeSet<ConfigName>,
}

impl Listens {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            mode,
            entries: BTreeMap::new(),
            owners: BTreeMap::new(),
            next_listener: 0,
            round: 0,
            setbacks: 0,
            had_setback: false,
            touched: BTreeSet::new(),
        }
    }

    /// Adds a listener. `held` is what is known of the config if nobody has listened to it so far.
    ///
    /// # Errors
    /// [`Error::Invalid`] beyond [`ENTRIES_MAX`].
    pub(crate) fn add(&mut self, name: &ConfigName, baseline: Baseline, held: Known) -> Result<ListenerId, Error> {
        if self.entries.len() >= ENTRIES_MAX && !self.entries.contains_key(name) {
            return Err(Error::Invalid(format!("a client listens to at most {ENTRIES_MAX} configs")));
        }
        let id = ListenerId(self.next_listener);
        self.next_listener += 1;
        let entry = self.entries.entry(name.clone()).or_insert_with(|| Entry::new(held));
        entry.add(id, baseline);
        self.owners.insert(id, name.clone());
        self.touched.insert(name.clone());
        Ok(id)
    }

    /// Removes a listener. The others of the config are left alone.
    pub(crate) fn remove(&mut self, id: ListenerId) {
        let Some(name) = self.owners.remove(&id) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(&name) {
            entry.remove(id);
            // A server that remembers nothing need not be told.
            if entry.is_discarded() && self.mode == Mode::Poll {
                self.entries.remove(&name);
            }
        }
    }

    /// The server says that a config changed. Returns whether anybody cares.
    pub(crate) fn push(&mut self, name: &ConfigName) -> bool {
        self.entries.get_mut(name).map(Entry::push).is_some()
    }

    /// Another connection stands: the server of it knows nothing of what was asked on the one before.
    pub(crate) fn reconnected(&mut self) {
        self.entries.retain(|_, entry| !entry.is_discarded());
        self.verify();
        self.setbacks = 0;
    }

    /// Everything is to be asked again.
    pub(crate) fn verify(&mut self) {
        // An answer that is under way belongs to an earlier round now, and confirms nothing.
        self.entries.values_mut().for_each(Entry::doubt);
    }

    /// No server could be reached in a while.
    pub(crate) fn unreachable(&mut self) {
        for (name, entry) in &mut self.entries {
            entry.unanswered();
            self.touched.insert(name.clone());
        }
    }

    /// Begins a pass.
    pub(crate) fn begin(&mut self) -> Work {
        self.round += 1;
        self.had_setback = false;
        let (round, mode) = (self.round, self.mode);
        let gone = self.entries.iter().filter(|(_, entry)| entry.is_discarded());
        let withdraw = chunks(round, gone.map(|(name, _)| (name.clone(), "".into(), false)));
        let due = self.entries.iter_mut().filter(|(_, entry)| !entry.is_discarded());
        let due = due.filter(|(_, entry)| mode == Mode::Poll || entry.is_stale());
        let ask = chunks(
            round,
            due.map(|(name, entry)| {
                entry.ask(round);
                (name.clone(), entry.digest().into(), entry.is_initialising())
            }),
        );
        Work { withdraw, ask }
    }

    /// The server forgot these configs, so this client may. Those that somebody listens to again are asked for anew.
    pub(crate) fn withdrawn(&mut self, question: &Question) {
        for (name, _) in &question.of {
            match self.entries.get_mut(name) {
                Some(entry) if !entry.is_discarded() => entry.doubt(),
                _ => drop(self.entries.remove(name)),
            }
        }
    }

    /// The server said which configs of a question differ. Returns those of them that are to be fetched.
    pub(crate) fn answered(&mut self, question: &Question, changed: &[ConfigName]) -> Vec<ConfigName> {
        let mut fetch = Vec::new();
        let changed: BTreeSet<&ConfigName> = changed.iter().collect();
        for (name, _) in &question.of {
            let Some(entry) = self.entries.get_mut(name).filter(|entry| !entry.is_discarded()) else {
                continue;
            };
            if changed.contains(name) {
                fetch.push(name.clone());
                continue;
            }
            entry.agreed(question.round);
            self.touched.insert(name.clone());
        }
        fetch
    }

    /// The server did not answer a question. What was kept on disk may be shown now.
    pub(crate) fn unanswered(&mut self, question: &Question) {
        for (name, _) in &question.of {
            self.unfetched(name);
        }
    }

    /// A question, or fetching a config, was broken off, or was not allowed. It is tried again, and what was kept on disk
    /// is not shown for it: there may be a connection in a moment, and a file must not get round a refusal.
    pub(crate) fn broken_off<'a>(&mut self, names: impl IntoIterator<Item = &'a ConfigName>) {
        self.had_setback = true;
        for name in names {
            if let Some(entry) = self.entries.get_mut(name) {
                entry.doubt();
            }
        }
    }

    /// The server has this. One that says that a config differs and then sends the same is not asked again at once.
    pub(crate) fn fetched(&mut self, name: &ConfigName, known: Known) {
        if let Some(entry) = self.entries.get_mut(name) {
            self.had_setback |= !entry.fetched(known);
            self.touched.insert(name.clone());
        }
    }

    /// The server did not send a config.
    pub(crate) fn unfetched(&mut self, name: &ConfigName) {
        self.had_setback = true;
        if let Some(entry) = self.entries.get_mut(name) {
            entry.unanswered();
            self.touched.insert(name.clone());
        }
    }

    /// A file that overrides the server came, changed or went.
    pub(crate) fn overridden(&mut self, name: &ConfigName, by: Option<Config>) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.overridden(by);
            self.touched.insert(name.clone());
        }
    }

    /// Something else did not work in this pass.
    pub(crate) fn setback(&mut self) {
        self.had_setback = true;
    }

    /// Ends a pass.
    pub(crate) fn end(&mut self) -> Rest {
        if self.had_setback {
            self.setbacks = self.setbacks.saturating_add(1);
            return Rest::For(match self.mode {
                Mode::Push => pause_after(self.setbacks),
                Mode::Poll => POLL_PAUSE,
            });
        }
        self.setbacks = 0;
        let is_due = |entry: &Entry| entry.is_discarded() || entry.is_stale() || self.mode == Mode::Poll;
        if self.entries.values().any(is_due) { Rest::No } else { Rest::UntilCalled }
    }

    /// Whether a server agrees with everything that is held, and is held to that.
    pub(crate) fn is_in_sync(&self) -> bool {
        self.entries.values().all(|entry| entry.is_consistent() || entry.is_discarded())
    }

    /// The listeners that have something to be told, since the last call.
    pub(crate) fn waiting(&mut self) -> Vec<ListenerId> {
        let touched = std::mem::take(&mut self.touched);
        touched.iter().filter_map(|name| self.entries.get(name)).flat_map(Entry::waiting).collect()
    }

    /// Takes what is to be told to a listener. It must be reported by [`Self::told`].
    pub(crate) fn take(&mut self, id: ListenerId) -> Option<Delivery> {
        self.entry_of(id)?.take(id)
    }

    /// How telling went. Returns how long to wait before the next attempt, if it was refused.
    pub(crate) fn told(&mut self, id: ListenerId, outcome: Outcome) -> Option<Duration> {
        let refusals = self.entry_of(id)?.told(id, outcome);
        (outcome == Outcome::Refused && refusals > 0).then(|| pause_after(refusals))
    }

    /// Whether somebody still listens under this id.
    pub(crate) fn has(&self, id: ListenerId) -> bool {
        self.owners.contains_key(&id)
    }

    /// What is listened to.
    pub(crate) fn names(&self) -> Vec<ConfigName> {
        self.entries.iter().filter(|(_, entry)| !entry.is_discarded()).map(|(name, _)| name.clone()).collect()
    }

    /// What was found out by a query beside the passes.
    pub(crate) fn seed(&mut self, name: &ConfigName, known: Known) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.seed(known);
        }
    }

    fn entry_of(&mut self, id: ListenerId) -> Option<&mut Entry> {
        self.owners.get(&id).and_then(|name| self.entries.get_mut(name))
    }
}

/// Rest after so many setbacks in a row: 50 ms, 100 ms, … 5 s.
fn pause_after(setbacks: u32) -> Duration {
    PAUSE_MIN.saturating_mul(1 << setbacks.saturating_sub(1).min(10)).min(PAUSE_MAX)
}

/// Questions of at most [`ASKED_MAX`] configs each.
fn chunks(round: u64, of: impl Iterator<Item = (ConfigName, Box<str>, bool)>) -> Vec<Question> {
    let mut questions: Vec<Question> = Vec::new();
    for (name, digest, is_urgent) in of {
        match questions.last_mut().filter(|last| last.of.len() < ASKED_MAX) {
            Some(last) => {
                last.of.push((name, digest));
                last.is_urgent |= is_urgent;
            }
            None => questions.push(Question { round, of: vec![(name, digest)], is_urgent }),
        }
    }
    questions
}

#[cfg(test)]
mod tests;
