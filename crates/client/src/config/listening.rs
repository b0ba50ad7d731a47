//! The ends at which users hear of changes: a value to wait on, a stream, a callback in a task of its own, a `watch`.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, Stream, stream};
use nacrite_base::BoxError;
use tokio::sync::{Notify, watch};
use tracing::{error, warn};

use super::ears::Ears;
use super::entry::{ListenerId, Outcome};
use super::filter::Filters;
use super::name::ConfigName;
use super::value::Config;
use crate::error::Error;
use crate::tasks::Tasks;

/// A callback that takes longer is spoken of in the log, because nothing more can be told to it meanwhile.
const SLOW: Duration = Duration::from_secs(60);

/// Hears of the changes of one config, always of the newest and never of the same twice. Dropping it ends listening and
/// leaves other listeners of the config alone.
///
/// The first that is heard is how things stand, also if there is no such config. If no server answers, and a directory
/// for snapshots is set, it is the last version that was kept there.
///
/// ```no_run
/// # async fn example(configs: &nacrite_client::config::Configs) -> Result<(), nacrite_client::Error> {
/// use futures_util::StreamExt;
///
/// let mut versions = std::pin::pin!(configs.listen("orders.yaml").await?.into_stream());
/// while let Some(version) = versions.next().await {
///     match version? {
///         Some(config) => println!("{} bytes", config.content.len()),
///         None => println!("there is none"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it ends listening"]
pub struct Listening {
    name: ConfigName,
    id: ListenerId,
    door: Arc<Notify>,
    ears: Arc<Ears>,
    filters: Arc<Filters>,
    tasks: Tasks,
    /// Wait so long before the next attempt, because the last one failed.
    pause: Option<Duration>,
}

/// A version that is being told. If it is dropped without a word it is told again.
struct Telling<'a> {
    listening: &'a mut Listening,
    is_reported: bool,
}

impl Listening {
    pub(crate) fn new(
        name: ConfigName,
        (id, door): (ListenerId, Arc<Notify>),
        ears: Arc<Ears>,
        filters: Arc<Filters>,
        tasks: Tasks,
    ) -> Self {
        Self { name, id, door, ears, filters, tasks, pause: None }
    }

    /// Which config.
    #[must_use]
    pub fn name(&self) -> &ConfigName {
        &self.name
    }

    /// Waits for the next version; `None` if there is no such config, any more or at all. Versions in between are passed
    /// over. May be cancelled: nothing is lost.
    ///
    /// # Errors
    /// [`Error::Closed`] once the client is closed. Any other error comes from a filter, as when a content cannot be
    /// decrypted; the same version is tried again by the next call, after a pause that grows up to 5 s.
    pub async fn changed(&mut self) -> Result<Option<Config>, Error> {
        let (telling, config) = self.next().await?;
        telling.taken();
        Ok(config)
    }

    /// The versions as a stream. It ends when the client is closed; errors are those of [`Self::changed`].
    pub fn into_stream(self) -> impl Stream<Item = Result<Option<Config>, Error>> + Send + 'static {
        stream::unfold(self, |mut listening| async move {
            match listening.changed().await {
                Err(Error::Closed) => None,
                other => Some((other, listening)),
            }
        })
    }

    async fn next(&mut self) -> Result<(Telling<'_>, Option<Config>), Error> {
        if let Some(pause) = self.pause.take() {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.tasks.stopping() => return Err(Error::Closed),
            }
        }
        let delivery = loop {
            if self.tasks.is_stopping() {
                return Err(Error::Closed);
            }
            if let Some(delivery) = self.ears.take(self.id) {
                break delivery;
            }
            if !self.ears.has(self.id) {
                return Err(Error::Closed);
            }
            tokio::select! {
                () = self.door.notified() => {}
                () = self.tasks.stopping() => return Err(Error::Closed),
            }
        };
        let filters = Arc::clone(&self.filters);
        let name = self.name.clone();
        let telling = Telling { listening: self, is_reported: false };
        match delivery.config {
            None => Ok((telling, None)),
            Some(config) => match filters.incoming(&name, config).await {
                Ok(config) => Ok((telling, Some(config))),
                Err(error) => {
                    telling.refused();
                    Err(error)
                }
            },
        }
    }
}

impl Telling<'_> {
    fn taken(mut self) {
        self.report(Outcome::Taken);
    }

    fn refused(mut self) {
        self.report(Outcome::Refused);
    }

    fn report(&mut self, outcome: Outcome) {
        self.is_reported = true;
        self.listening.pause = self.listening.ears.told(self.listening.id, outcome);
    }
}

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        if !self.is_reported {
            self.report(Outcome::PutBack);
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.ears.remove(self.id);
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A callback that is listening. Dropping it ends that; a call that runs is let finish.
#[must_use = "dropping it ends listening"]
pub struct Listener {
    name: ConfigName,
    id: ListenerId,
    ears: Arc<Ears>,
}

impl Listener {
    /// Which config.
    #[must_use]
    pub fn name(&self) -> &ConfigName {
        &self.name
    }

    /// Starts a task that calls `callback`.
    pub(crate) fn start<F, R>(listening: Listening, callback: F) -> Self
    where
        F: Fn(Option<Config>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        let started = Self { name: listening.name.clone(), id: listening.id, ears: Arc::clone(&listening.ears) };
        let tasks = listening.tasks.clone();
        let stopping = tasks.child_signal();
        tasks.spawn(async move {
            stopping.run_until_cancelled(call(listening, callback)).await;
        });
        started
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ears.remove(self.id);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Calls back with version after version until nobody listens any more.
async fn call<F, R>(mut listening: Listening, callback: F)
where
    F: Fn(Option<Config>) -> R,
    R: Future<Output = Result<(), BoxError>>,
{
    let name = listening.name.clone();
    loop {
        let (telling, config) = match listening.next().await {
            Ok(next) => next,
            Err(Error::Closed) => return,
            Err(error) => {
                warn!(%name, %error, "config cannot be told to its listener");
                continue;
            }
        };
        // A panic of a callback is its own affair: it must not end the telling of later versions.
        let called = AssertUnwindSafe(async { callback(config).await }).catch_unwind();
        let mut called = std::pin::pin!(called);
        let result = match tokio::time::timeout(SLOW, &mut called).await {
            Ok(result) => result,
            Err(_) => {
                warn!(%name, slow_ms = SLOW.as_millis(), "listener of config is slow; newer versions wait");
                called.await
            }
        };
        match result {
            Ok(Ok(())) => telling.taken(),
            // What the callback says may hold parts of the content.
            Ok(Err(_)) => {
                warn!(%name, "listener did not take the config; it is told again");
                telling.refused();
            }
            Err(_) => {
                error!(%name, "listener of config panicked; it is told again");
                telling.refused();
            }
        }
    }
}

/// Starts a task that keeps a `watch` up to date, until nobody looks at it any more.
pub(crate) fn watch(mut listening: Listening, first: Option<Config>) -> watch::Receiver<Option<Config>> {
    let (newest, receiver) = watch::channel(first);
    let tasks = listening.tasks.clone();
    let stopping = tasks.child_signal();
    let follow = async move {
        loop {
            let changed = tokio::select! {
                changed = listening.changed() => changed,
                () = newest.closed() => return,
            };
            match changed {
                Ok(config) => drop(newest.send_replace(config)),
                Err(Error::Closed) => return,
                Err(error) => warn!(name = %listening.name, %error, "config cannot be told to its listener"),
            }
        }
    };
    tasks.spawn(async move {
        stopping.run_until_cancelled(follow).await;
    });
    receiver
}
