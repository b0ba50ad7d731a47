//! A config as a value of the program's own type, kept up to date. A version that does not fit is seen and never used.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use nacrite_base::{BoxError, ContentDigest};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::{info, warn};

use super::format::{Format, Unfit};
use super::listening::{Listener, Listening};
use super::name::ConfigName;
use super::value::Config;

/// What is the matter with the newest version of a bound config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It does not fit the type.
    Unfit {
        /// Digest of that version.
        digest: ContentDigest,
        /// Where and why not.
        why: Unfit,
    },
    /// The config was removed.
    Removed,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit { digest, why } => write!(f, "version {digest} does not fit: {why}"),
            Self::Removed => f.write_str("the config was removed"),
        }
    }
}

/// Which version of a bound config is in use, and whether it is the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BoundState {
    /// Digest of the version in use; `None` for the program's own default.
    pub digest: Option<ContentDigest>,
    /// Why the newest version is not the one in use; `None` if it is.
    pub trouble: Option<Trouble>,
}

/// A config as a value of the program's own type: the last version that fitted. Reading it costs next to nothing and
/// never waits. Dropping it ends listening.
#[must_use = "dropping it ends listening"]
pub struct Bound<T> {
    shared: Arc<Shared<T>>,
    listener: Listener,
}

struct Shared<T> {
    name: ConfigName,
    format: Option<Format>,
    value: ArcSwap<T>,
    newest: watch::Sender<Arc<T>>,
    state: watch::Sender<BoundState>,
}

impl<T> Bound<T> {
    /// The last version that fitted.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        self.shared.value.load_full()
    }

    /// The same, to be watched.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Arc<T>> {
        self.shared.newest.subscribe()
    }

    /// Which version that is, and what is the matter with a newer one.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<BoundState> {
        self.shared.state.subscribe()
    }

    /// Which config.
    #[must_use]
    pub fn name(&self) -> &ConfigName {
        self.listener.name()
    }
}

impl<T> fmt::Debug for Bound<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.borrow();
        f.debug_struct("Bound").field("name", &self.shared.name).field("state", &*state).finish_non_exhaustive()
    }
}

/// Reads a version in the format that was asked for, else in its own.
pub(crate) fn read<T: DeserializeOwned>(
    name: &ConfigName,
    format: Option<Format>,
    config: &Config,
) -> Result<T, Unfit> {
    format.map_or_else(|| Format::of(name, config), Ok)?.read(&config.content)
}

impl<T: DeserializeOwned + Send + Sync + 'static> Bound<T> {
    /// Starts with a value and goes on with what is heard.
    pub(crate) fn start(listening: Listening, format: Option<Format>, first: T, state: BoundState) -> Self {
        let value = Arc::new(first);
        let shared = Arc::new(Shared {
            name: listening.name().clone(),
            format,
            newest: watch::Sender::new(Arc::clone(&value)),
            value: ArcSwap::new(value),
            state: watch::Sender::new(state),
        });
        let heard = Arc::clone(&shared);
        let listener = Listener::start(listening, move |config| {
            heard.take(config.as_ref());
            // What does not fit now will not fit when it is told again.
            std::future::ready(Ok::<_, BoxError>(()))
        });
        Self { shared, listener }
    }
}

impl<T: DeserializeOwned> Shared<T> {
    fn take(&self, config: Option<&Config>) {
        let name = &self.name;
        let trouble = match config.map(|config| (config, read(name, self.format, config))) {
            Some((config, Ok(value))) => {
                let value = Arc::new(value);
                self.value.store(Arc::clone(&value));
                self.newest.send_replace(value);
                info!(%name, digest = %config.digest, "config taken");
                self.state.send_replace(BoundState { digest: Some(config.digest.clone()), trouble: None });
                return;
            }
            Some((config, Err(why))) => Trouble::Unfit { digest: config.digest.clone(), why },
            None => Trouble::Removed,
        };
        warn!(%name, %trouble, "config not taken, the last one that fitted stays in use");
        self.state.send_modify(|state| state.trouble = Some(trouble));
    }
}
