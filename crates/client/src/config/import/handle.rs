//! What users of layers hold: settings as a type, kept up to date, or the bare values.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use nacrite_base::BoxError;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::{info, warn};

use super::load::{Followed, Loaded};
use super::stack::{Heard, LayerState, Stack, Taken};
use crate::config::listening::Listener;
use crate::config::tree::Tree;
use crate::config::value::Config;
use crate::error::Error;
use crate::tasks::Tasks;

/// Settings as a value of the program's own type: the last versions of all layers that fitted it together. Reading it
/// costs next to nothing and never waits. Dropping it ends following.
#[must_use = "dropping it ends following"]
pub struct Layered<T> {
    shared: Arc<Shared<T>>,
    newest: watch::Receiver<Arc<T>>,
    tasks: Tasks,
    /// One per layer that is followed.
    _listeners: Vec<Listener>,
}

struct Shared<T> {
    /// Behind a lock that is held while a version is read into the type, so that two layers that change at once are taken
    /// one after the other. Readers do not pass here.
    stack: Mutex<Stack>,
    value: ArcSwap<T>,
    newest: watch::Sender<Arc<T>>,
    state: watch::Sender<Vec<LayerState>>,
}

impl<T> Layered<T> {
    /// The settings.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        self.shared.value.load_full()
    }

    /// Waits until the settings are others than when this was called last. May be cancelled: nothing is lost.
    ///
    /// # Errors
    /// [`Error::Closed`] once the client is closed: nothing changes any more.
    pub async fn changed(&mut self) -> Result<Arc<T>, Error> {
        tokio::select! {
            biased;
            changed = self.newest.changed() => changed.map_err(|_| Error::Closed)?,
            () = self.tasks.stopping() => return Err(Error::Closed),
        }
        Ok(Arc::clone(&self.newest.borrow_and_update()))
    }

    /// The settings, to be watched.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<T>> {
        self.shared.newest.subscribe()
    }

    /// How every layer stands, from the weakest to the strongest, and why its newest version is not in use if it is not.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<Vec<LayerState>> {
        self.shared.state.subscribe()
    }
}

impl<T> fmt::Debug for Layered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").field("layers", &*self.shared.state.borrow()).finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Layered<T> {
    /// Begins with what was read, and goes on with what is heard.
    pub(super) fn start(loaded: Loaded) -> Result<Self, Error> {
        let Loaded { stack, followed, tasks } = loaded;
        let value = stack.bind().map_err(|unfit| Error::Undecodable(format!("the settings: {unfit}")))?;
        let value = Arc::new(value);
        let (sender, newest) = watch::channel(Arc::clone(&value));
        let state = watch::Sender::new(stack.state());
        let shared = Shared { stack: Mutex::new(stack), value: ArcSwap::new(value), newest: sender, state };
        let shared = Arc::new(shared);
        let listen = |followed: Followed| {
            let shared = Arc::clone(&shared);
            let Followed { place, format, listening } = followed;
            let name = listening.name().clone();
            Listener::start(listening, move |config: Option<Config>| {
                shared.take(
                    place,
                    &name.to_string(),
                    match &config {
                        Some(config) => Heard::Version(config.digest.clone(), format.read(&name, config)),
                        None => Heard::Nothing,
                    },
                );
                // What does not fit now will not fit when it is told again.
                std::future::ready(Ok::<_, BoxError>(()))
            })
        };
        let listeners = followed.into_iter().map(listen).collect();
        Ok(Self { shared, newest, tasks, _listeners: listeners })
    }
}

impl<T: DeserializeOwned> Shared<T> {
    fn take(&self, place: usize, name: &str, heard: Heard) {
        let mut stack = self.stack.lock();
        match stack.take(place, heard) {
            Taken::Changed(value) => {
                let value = Arc::new(value);
                self.value.store(Arc::clone(&value));
                self.newest.send_replace(value);
                info!(%name, "imported config taken");
            }
            Taken::Same => info!(%name, "imported config taken, nothing in use changed"),
            Taken::Kept(trouble) => {
                warn!(%name, %trouble, "imported config not taken, the last settings that fitted stay in use");
            }
        }
        // Under the lock, so that states are shown in the order in which they came about.
        self.state.send_replace(stack.state());
    }
}

/// The values of all layers as they were when they were read. With the feature `figment` it is a provider.
///
/// ```no_run
/// # async fn example(client: nacrite_client::Client) -> Result<(), nacrite_client::Error> {
/// use nacrite_client::config::import::ConfigLayers;
///
/// let values = ConfigLayers::builder(&client).file("app.toml").import("nacos:orders.yaml").read().await?;
/// let greeting: String = values.get("greeting")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct LayerValues {
    tree: Tree,
    state: Vec<LayerState>,
}

impl LayerValues {
    pub(super) fn new(loaded: &Loaded) -> Self {
        Self { tree: loaded.stack.values().clone(), state: loaded.stack.state() }
    }

    /// Reads all of them into a type.
    ///
    /// # Errors
    /// [`Error::Undecodable`] names the key that does not fit.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let read = self.tree.clone().read();
        read.map_err(|unfit| Error::Undecodable(format!("the settings: {unfit}")))
    }

    /// Reads the value at a path of names such as `pool.max_size` into a type.
    ///
    /// # Errors
    /// [`Error::Undecodable`] if there is none, or it does not fit.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let undecodable = |why: String| Error::Undecodable(format!("the setting {path}: {why}"));
        let found = self.tree.at(path.split('.')).ok_or_else(|| undecodable("there is none".to_owned()))?;
        found.clone().read().map_err(|unfit| undecodable(unfit.to_string()))
    }

    /// How every layer stood, from the weakest to the strongest.
    #[must_use]
    pub fn state(&self) -> &[LayerState] {
        &self.state
    }

    #[cfg(any(test, feature = "figment"))]
    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }
}
