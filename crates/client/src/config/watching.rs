//! Watching which configs there are: the task that asks, the handler of what is pushed, and the end that users hold. What
//! to do is decided in `names`.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Once};
use std::time::Duration;

use futures_util::{Stream, stream};
use nacrite_wire::client::config::fuzzy::{ConfigFuzzyWatchChangeNotifyRequest, ConfigFuzzyWatchSyncRequest, push};
use nacrite_wire::client::fuzzy::SYNC_FINISHED;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tracing::debug;

use super::name::ConfigName;
use super::names::{Matching, NamePattern, Names, Refusal};
use super::remote::Remote;
use crate::error::Error;
use crate::link::{Ack, PushHandler};
use crate::session::Generation;
use crate::tasks::Tasks;

/// Pause after a failure, as in the Java client.
const PAUSE: Duration = Duration::from_secs(1);

/// How often everything is compared with the server, as in the Java client.
const COMPARE_EVERY: Duration = Duration::from_secs(180);

/// Where watchers, pushes and the task meet.
pub(crate) struct Board {
    names: Mutex<Names>,
    bell: Notify,
    /// The task that asks starts with the first watcher: most programs have none.
    asking: Once,
}

impl Default for Board {
    fn default() -> Self {
        Self { names: Mutex::default(), bell: Notify::new(), asking: Once::new() }
    }
}

impl Board {
    /// Starts the task that asks. Servers that do not push cannot be asked, so there is none for them.
    fn start(self: &Arc<Self>, remote: Arc<dyn Remote>, tasks: &Tasks) {
        let Some(mut sessions) = remote.sessions() else { return };
        let (board, stopping) = (Arc::clone(self), tasks.child_signal());
        let ask = async move {
            let mut compare = tokio::time::interval(COMPARE_EVERY);
            compare.tick().await;
            let mut on = None;
            loop {
                let stands = sessions.borrow_and_update().as_ref().map(|session| session.generation);
                if let Some(generation) = stands.filter(|_| stands != on) {
                    board.names.lock().reconnected(generation);
                }
                on = stands;
                let all_done = match on {
                    Some(generation) => board.errands(&*remote, generation).await,
                    None => true,
                };
                tokio::select! {
                    () = tokio::time::sleep(PAUSE), if !all_done => {}
                    () = board.bell.notified() => {}
                    _ = compare.tick() => board.names.lock().verify(),
                    changed = sessions.changed() => if changed.is_err() { return },
                }
            }
        };
        tasks.spawn(async move {
            stopping.run_until_cancelled(ask).await;
        });
    }

    /// Says to the server what there is to say. Returns whether nothing is left.
    async fn errands(&self, remote: &dyn Remote, on: Generation) -> bool {
        let errands = self.names.lock().errands();
        let mut all_done = true;
        for errand in errands {
            let result = remote.watch_names(on, &errand).await;
            if let Err(error) = &result {
                debug!(%error, "watching which configs there are");
            }
            all_done &= self.names.lock().done(&errand, result);
        }
        all_done
    }

    pub(crate) fn open(
        self: &Arc<Self>,
        pattern: NamePattern,
        remote: &Arc<dyn Remote>,
        tasks: &Tasks,
    ) -> Result<NameWatch, Error> {
        let matching = self.names.lock().open(&pattern)?;
        self.asking.call_once(|| self.start(Arc::clone(remote), tasks));
        self.bell.notify_one();
        Ok(NameWatch { board: Arc::clone(self), pattern, matching, tasks: tasks.clone(), told: None, refused: None })
    }
}

impl PushHandler for Board {
    fn push(&self, generation: Generation, wire_type: &str, body: &[u8]) -> Option<Ack> {
        let unreadable = |error: serde_json::Error| format!("the notice cannot be read at column {}", error.column());
        match wire_type {
            push::SYNC => {
                let read = serde_json::from_slice::<ConfigFuzzyWatchSyncRequest>(body).map(|push| {
                    let is_end = push.sync_type.as_deref() == Some(SYNC_FINISHED);
                    let pattern = push.group_key_pattern.unwrap_or_default();
                    self.names.lock().sync(generation, &pattern, &push.contexts, is_end);
                });
                Some(Ack { wire_type: push::SYNC_ACK, result: read.map_err(unreadable) })
            }
            push::CHANGE => {
                let read = serde_json::from_slice::<ConfigFuzzyWatchChangeNotifyRequest>(body).map(|push| {
                    self.names.lock().change(generation, push.group_key.as_deref(), push.change_type.as_deref());
                });
                Some(Ack { wire_type: push::CHANGE_ACK, result: read.map_err(unreadable) })
            }
            _ => None,
        }
    }
}

/// Which configs have come and gone since the watcher was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamesChange {
    /// All configs that match, as far as the server tells.
    pub names: Arc<BTreeSet<ConfigName>>,
    /// Those that were not there before.
    pub appeared: Vec<ConfigName>,
    /// Those that are gone.
    pub vanished: Vec<ConfigName>,
    /// There are more than the server tells; configs that go may then not be told either.
    pub is_limited: bool,
}

/// Hears which configs there are that match a pattern; of their contents nothing is told. The first that is heard is all
/// of them, also if there is none. Dropping it ends this watcher alone.
#[must_use = "dropping it ends watching"]
pub struct NameWatch {
    board: Arc<Board>,
    pattern: NamePattern,
    matching: watch::Receiver<Matching>,
    tasks: Tasks,
    told: Option<Matching>,
    /// What the last error spoke of, so that it is told once.
    refused: Option<Refusal>,
}

impl NameWatch {
    /// Waits for the next change. May be cancelled: nothing is lost.
    ///
    /// # Errors
    /// [`Error::Closed`] once the client is closed; [`Error::Unsupported`] from a server that cannot do this, as those
    /// before 3.0, [`Error::Refused`] or [`Error::Denied`] from one that will not. Each refusal is told once; the next call waits for
    /// what another server says.
    pub async fn changed(&mut self) -> Result<NamesChange, Error> {
        loop {
            let now = self.matching.borrow_and_update().clone();
            if self.tasks.is_stopping() {
                return Err(Error::Closed);
            }
            if now.refusal != self.refused {
                self.refused.clone_from(&now.refusal);
                match now.refusal {
                    None => {}
                    Some(Refusal::Unsupported) => {
                        return Err(Error::Unsupported("watching names of configs".to_owned()));
                    }
                    Some(Refusal::Denied(message)) => return Err(Error::Denied(message)),
                    Some(Refusal::Other { code, message }) => return Err(Error::Refused { code, message }),
                }
            }
            if let Some(change) = self.change_to(&now) {
                return Ok(change);
            }
            tokio::select! {
                changed = self.matching.changed() => changed.map_err(|_| Error::Closed)?,
                () = self.tasks.stopping() => return Err(Error::Closed),
            }
        }
    }

    /// The changes as a stream. It ends when the client is closed; errors are those of [`Self::changed`].
    pub fn into_stream(self) -> impl Stream<Item = Result<NamesChange, Error>> + Send + 'static {
        stream::unfold(self, |mut watch| async move {
            match watch.changed().await {
                Err(Error::Closed) => None,
                other => Some((other, watch)),
            }
        })
    }

    /// What is different. Nothing is told before the first batches are through: a part would look like the whole.
    fn change_to(&mut self, now: &Matching) -> Option<NamesChange> {
        if !now.is_complete {
            return None;
        }
        let before = self.told.replace(now.clone());
        let nothing = Arc::default();
        let known = before.as_ref().map_or(&nothing, |before| &before.names);
        let change = NamesChange {
            appeared: now.names.difference(known).cloned().collect(),
            vanished: known.difference(&now.names).cloned().collect(),
            names: Arc::clone(&now.names),
            is_limited: now.is_limited,
        };
        let is_first = before.as_ref().is_none_or(|before| before.is_limited != now.is_limited);
        (is_first || !change.appeared.is_empty() || !change.vanished.is_empty()).then_some(change)
    }
}

impl Drop for NameWatch {
    fn drop(&mut self) {
        self.board.names.lock().close(&self.pattern);
        self.board.bell.notify_one();
    }
}

impl fmt::Debug for NameWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameWatch").field("pattern", &self.pattern.to_string()).finish_non_exhaustive()
    }
}
