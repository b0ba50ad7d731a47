//! Configs: read, published, removed, listened to, and bound to types.
//!
//! A config that is not there is `None`, never an error. What is read comes from a file that an operator put in the way of
//! servers, else from a server, else from the snapshot of what a server said last; [`Config::origin`] says from which.
//! Files are off unless a directory is set.
//!
//! How listening works: `listens` decides (pure), `listen` does it, `ears` is where pushes and listeners meet, `listening`
//! is what users hold. How servers are spoken to: `remote`.

mod bound;
mod diff;
mod disk;
mod ears;
mod entry;
mod filter;
mod format;
#[cfg(any(test, feature = "import"))]
pub mod import;
mod labels;
mod listen;
mod listening;
mod listens;
mod name;
mod names;
mod properties;
mod publish;
pub(crate) mod remote;
mod settings;
mod tree;
mod value;
mod watching;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use futures_util::future::BoxFuture;
pub use nacrite_base::{BoxError, ConfigType, ContentDigest, Timestamp};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tracing::warn;

pub use self::bound::{Bound, BoundState, Trouble};
pub use self::diff::{KeyChange, diff};
pub use self::filter::{ConfigCipher, ConfigFilter, Outgoing, Sealed};
pub use self::format::{Format, Unfit};
pub use self::labels::AppLabels;
pub use self::listen::ListenState;
pub use self::listening::{Listener, Listening};
pub use self::name::ConfigName;
pub use self::publish::Publish;
pub use self::settings::ConfigSettings;
pub use self::value::{Config, Origin, digest_of};
pub use self::watching::{NameWatch, NamesChange};

use self::disk::Disk;
use self::ears::Ears;
use self::entry::Baseline;
use self::filter::Filters;
use self::listen::Driver;
use self::listens::Mode;
use self::names::NamePattern;
use self::remote::Remote;
use self::remote::grpc::GrpcRemote;
use self::remote::poll::PollRemote;
use self::value::Known;
use self::watching::Board;
use crate::error::Error;
use crate::http::config::HttpConfig;
use crate::link::{Link, PushHandler};
use crate::server::ServerAddress;
use crate::tasks::Tasks;

/// How long a server may hold a question: none holds it for less, and none that is Nacos for longer.
const POLL_HOLD: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(1800));

/// The configs of one namespace. Clones share everything.
///
/// ```no_run
/// # async fn example(configs: &nacrite_client::config::Configs) -> Result<(), nacrite_client::Error> {
/// use nacrite_client::config::ConfigName;
///
/// let name = ConfigName::from(("orders.yaml", "SHOP"));
/// configs.publish(&name, "retries: 3").send().await?;
/// if let Some(config) = configs.get(&name).await? {
///     println!("{} ({})", config.content, config.digest);
/// }
/// let mut listening = configs.listen(&name).await?;
/// while let Ok(config) = listening.changed().await {
///     println!("there {}", if config.is_some() { "it is" } else { "is none" });
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Configs {
    inner: Arc<Inner>,
}

struct Inner {
    remote: Arc<dyn Remote>,
    ears: Arc<Ears>,
    board: Arc<Board>,
    namespace: String,
    filters: Arc<Filters>,
    disk: Option<Disk>,
    tasks: Tasks,
    state: watch::Receiver<ListenState>,
    within: Duration,
    starts_from_snapshot: bool,
}

/// What configs are made of besides the way to the servers. Whoever makes that way puts the labels of the settings into
/// its introduction.
pub(crate) struct ConfigSetup {
    /// Namespace id; empty or `public` for the default one.
    pub(crate) namespace: String,
    /// The servers as they were configured: they give the files their name.
    pub(crate) servers: Vec<ServerAddress>,
    pub(crate) settings: ConfigSettings,
    pub(crate) tasks: Tasks,
}

impl Configs {
    /// Configs over gRPC. `connect` starts the link, with the handlers that it is given.
    pub(crate) fn over_grpc(setup: ConfigSetup, connect: impl FnOnce(Vec<Arc<dyn PushHandler>>) -> Link) -> Self {
        let (ears, board) = (Arc::new(Ears::new(&setup.namespace, Mode::Push)), Arc::new(Board::default()));
        let link = connect(vec![Arc::clone(&ears) as Arc<dyn PushHandler>, Arc::clone(&board) as _]);
        let remote = Arc::new(GrpcRemote::new(link, plain(&setup.namespace).to_owned()));
        Self::start(setup, ears, board, remote)
    }

    /// Configs over HTTP, for servers without gRPC.
    pub(crate) fn over_http(setup: ConfigSetup, http: HttpConfig) -> Self {
        let ears = Arc::new(Ears::new(&setup.namespace, Mode::Poll));
        let remote = PollRemote::new(
            http,
            plain(&setup.namespace).to_owned(),
            setup.settings.poll_hold.clamp(POLL_HOLD.0, POLL_HOLD.1),
        );
        Self::start(setup, ears, Arc::default(), Arc::new(remote))
    }

    fn start(setup: ConfigSetup, ears: Arc<Ears>, board: Arc<Board>, remote: Arc<dyn Remote>) -> Self {
        let ConfigSetup { namespace, servers, settings, tasks } = setup;
        let disk = settings.directory.as_deref().map(|directory| match &settings.server_name {
            Some(given) => Disk::named(directory, given, &namespace),
            None => Disk::new(directory, &servers, &namespace),
        });
        let driver = Driver {
            remote: Arc::clone(&remote),
            ears: Arc::clone(&ears),
            disk: disk.clone(),
            verify_every: settings.verify_every,
            state: watch::Sender::default(),
        };
        let state = driver.state.subscribe();
        driver.start(&tasks);
        if let Some(disk) = &disk {
            disk.watch(Arc::clone(&ears), &tasks);
        }
        let inner = Inner {
            remote,
            ears,
            board,
            namespace,
            filters: Arc::new(Filters::new(settings.filters, settings.ciphers)),
            disk,
            tasks,
            state,
            within: settings.within,
            starts_from_snapshot: settings.starts_from_snapshot,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Reads a config.
    ///
    /// # Errors
    /// [`Error::Denied`], [`Error::LoginRefused`], [`Error::Invalid`] and [`Error::ConfigBeingWritten`] are always told. Any other failure of the servers is told only if there is no snapshot to fall back to;
    /// that it was fallen back to stands in the log and in [`Config::origin`].
    pub async fn get(&self, name: impl Into<ConfigName>) -> Result<Option<Config>, Error> {
        let name = name.into().checked()?;
        match self.stored(&name).await? {
            None => Ok(None),
            Some(config) => self.inner.filters.incoming(&name, config).await.map(Some),
        }
    }

    /// Reads the gray version of a tag from a server; `None` if there is none. Neither files nor the version for everybody
    /// stand in for it.
    ///
    /// # Errors
    /// Whatever kept the server from answering.
    pub async fn get_tagged(&self, name: impl Into<ConfigName>, tag: &str) -> Result<Option<Config>, Error> {
        let name = name.into().checked()?;
        match self.inner.remote.query(None, &name, Some(tag), self.inner.within).await? {
            Known::Nothing | Known::Absent => Ok(None),
            Known::Present(config) => self.inner.filters.incoming(&name, config).await.map(Some),
        }
    }

    /// Begins to publish a config, which [`Publish::send`] does.
    pub fn publish(&self, name: impl Into<ConfigName>, content: impl Into<String>) -> Publish<'_> {
        Publish::new(self, name.into(), content.into())
    }

    /// Removes a config. One that is not there is removed already.
    ///
    /// # Errors
    /// Whatever kept the server from doing it.
    pub async fn remove(&self, name: impl Into<ConfigName>) -> Result<(), Error> {
        let name = name.into().checked()?;
        self.inner.remote.remove(&name, None, self.inner.within).await
    }

    /// Removes the gray version of this name: `beta`, or `tag_` and the tag.
    ///
    /// # Errors
    /// As [`Self::remove`].
    pub async fn remove_gray(&self, name: impl Into<ConfigName>, gray: &str) -> Result<(), Error> {
        let name = name.into().checked()?;
        self.inner.remote.remove(&name, Some(gray), self.inner.within).await
    }

    /// Listens to a config: the first that is heard is how things stand, then every change.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that cannot be, or too many configs; [`Error::File`] if a file that overrides the
    /// server cannot be read. Servers that do not answer are no error: it is heard when they do.
    pub async fn listen(&self, name: impl Into<ConfigName>) -> Result<Listening, Error> {
        self.listen_from(name.into().checked()?, Baseline::Unknown, Known::Nothing).await
    }

    /// How listening goes, to be looked at or to be watched: whether a server has confirmed all that is held, and what is
    /// in the way.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ListenState> {
        self.inner.state.clone()
    }

    /// Reads a config and listens to it; what was read is not heard again.
    ///
    /// ```no_run
    /// # async fn example(configs: &nacrite_client::config::Configs) -> Result<(), nacrite_client::Error> {
    /// let (first, mut listening) = configs.get_and_listen("orders.yaml").await?;
    /// let second = listening.changed().await?;
    /// assert_ne!(first.map(|config| config.digest), second.map(|config| config.digest));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::get`] and [`Self::listen`].
    pub async fn get_and_listen(&self, name: impl Into<ConfigName>) -> Result<(Option<Config>, Listening), Error> {
        let name = name.into().checked()?;
        let stored = self.stored(&name).await?;
        let digest = stored.as_ref().map_or("", |config| config.digest.as_str());
        let baseline = Baseline::Version(digest.into());
        let known = match &stored {
            Some(config) if config.origin == Origin::Server => Known::Present(config.clone()),
            Some(_) => Known::Nothing,
            None => Known::Absent,
        };
        let listening = self.listen_from(name.clone(), baseline, known).await?;
        let config = match stored {
            None => None,
            Some(config) => Some(self.inner.filters.incoming(&name, config).await?),
        };
        Ok((config, listening))
    }

    /// Calls back on every change, in a task of its own and one call at a time; versions in between are passed over. What
    /// the client holds when this is called is no change. A call that returns an error, or panics, is made again with
    /// whatever is the newest then, after 50 ms and up to 5 s.
    ///
    /// ```no_run
    /// # async fn example(configs: &nacrite_client::config::Configs) -> Result<(), nacrite_client::Error> {
    /// let listener = configs
    ///     .on_change(("flags.json", "SHOP"), async |config| {
    ///         println!("{:?}", config.map(|config| config.digest));
    ///         Ok::<_, std::io::Error>(())
    ///     })
    ///     .await?;
    /// // Until `listener` is dropped.
    /// # drop(listener);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::listen`].
    pub async fn on_change<F, R, E>(&self, name: impl Into<ConfigName>, callback: F) -> Result<Listener, Error>
    where
        F: Fn(Option<Config>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let listening = self.listen_from(name.into().checked()?, Baseline::Held, Known::Nothing).await?;
        Ok(Listener::start(listening, move |config| {
            let called = callback(config);
            async move { called.await.map_err(Into::into) }
        }))
    }

    /// Reads a config and keeps it up to date in a `watch`, until all its receivers are dropped.
    ///
    /// # Errors
    /// As [`Self::get_and_listen`].
    pub async fn watch(&self, name: impl Into<ConfigName>) -> Result<watch::Receiver<Option<Config>>, Error> {
        let (first, listening) = self.get_and_listen(name).await?;
        Ok(listening::watch(listening, first))
    }

    /// Watches which configs there are, by group and data id: each exact, `*`, `x*`, `*x` or `*x*`. Needs a server of 3.0
    /// or later that can do it, and gRPC.
    ///
    /// ```no_run
    /// # async fn example(configs: &nacrite_client::config::Configs) -> Result<(), nacrite_client::Error> {
    /// let mut names = configs.watch_names("SHOP", "orders*")?;
    /// let first = names.changed().await?;
    /// println!("{} configs of orders", first.names.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] for what is no pattern, or too many of them; [`Error::Unsupported`] over HTTP. What the server
    /// says is told by [`NameWatch::changed`].
    pub fn watch_names(&self, group: &str, data_id: &str) -> Result<NameWatch, Error> {
        let Inner { board, namespace, remote, tasks, .. } = &*self.inner;
        if remote.mode() == Mode::Poll {
            return Err(Error::Unsupported("watching names of configs over HTTP".to_owned()));
        }
        board.open(NamePattern::new(namespace, group, data_id)?, remote, tasks)
    }

    /// Reads a config into a type and keeps it up to date. `format` is that of the config if not given. A newer version
    /// that does not fit is not used, and shows in [`Bound::state`].
    ///
    /// ```no_run
    /// # async fn example(configs: &nacrite_client::config::Configs) -> Result<(), nacrite_client::Error> {
    /// #[derive(serde::Deserialize)]
    /// struct Pool {
    ///     size: u16,
    /// }
    ///
    /// let pool = configs.bind::<Pool>("pool.json", None).await?;
    /// println!("{} connections", pool.get().size);
    /// if let Some(trouble) = &pool.state().borrow().trouble {
    ///     println!("an older version is in use: {trouble}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Self::get_and_listen`], and [`Error::Undecodable`] if there is no such config, or it does not fit.
    pub async fn bind<T>(&self, name: impl Into<ConfigName>, format: Option<Format>) -> Result<Bound<T>, Error>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let (config, listening) = self.get_and_listen(name).await?;
        let name = listening.name();
        let config = config.ok_or_else(|| Error::Undecodable(format!("there is no config {name}")))?;
        let value = bound::read(name, format, &config);
        let value = value.map_err(|unfit| Error::Undecodable(format!("config {name}: {unfit}")))?;
        let state = BoundState { digest: Some(config.digest), trouble: None };
        Ok(Bound::start(listening, format, value, state))
    }

    /// As [`Self::bind`], but starts with `default` if there is no such config, it does not fit, or no server answers.
    ///
    /// # Errors
    /// As [`Self::listen`].
    pub async fn bind_or<T>(
        &self,
        name: impl Into<ConfigName>,
        format: Option<Format>,
        default: T,
    ) -> Result<Bound<T>, Error>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let name = name.into().checked()?;
        let (config, listening) = match self.get_and_listen(&name).await {
            Ok(read) => read,
            Err(error @ (Error::Closed | Error::Invalid(_))) => return Err(error),
            Err(error) => {
                warn!(%name, %error, "config cannot be read yet, the default is used");
                (None, self.listen_from(name.clone(), Baseline::Held, Known::Nothing).await?)
            }
        };
        let Some(config) = config else {
            return Ok(Bound::start(listening, format, default, BoundState::default()));
        };
        let digest = config.digest.clone();
        let (value, state) = match bound::read(&name, format, &config) {
            Ok(value) => (value, BoundState { digest: Some(digest), trouble: None }),
            Err(why) => {
                let trouble = Trouble::Unfit { digest, why };
                warn!(%name, %trouble, "config not taken, the default is used");
                (default, BoundState { digest: None, trouble: Some(trouble) })
            }
        };
        Ok(Bound::start(listening, format, value, state))
    }

    /// A config as it is stored, from wherever it may be had.
    async fn stored(&self, name: &ConfigName) -> Result<Option<Config>, Error> {
        let Inner { remote, disk, within, .. } = &*self.inner;
        if let Some(disk) = disk
            && let Some(config) = disk.failover(name).await?
        {
            return Ok(Some(config));
        }
        let error = match remote.query(None, name, None, *within).await {
            Ok(known) => {
                if let Some(disk) = disk {
                    disk.keep(name, known.clone()).await;
                }
                return Ok(match known {
                    Known::Nothing | Known::Absent => None,
                    Known::Present(config) => Some(config),
                });
            }
            Err(error) => error,
        };
        let (Some(disk), true) = (disk, falls_back(&error)) else {
            return Err(error);
        };
        match disk.snapshot(name).await {
            Ok(Some(config)) => {
                warn!(%name, %error, "no server gave the config, its snapshot is used");
                Ok(Some(config))
            }
            Ok(None) => Err(error),
            Err(unread) => {
                warn!(%name, error = %unread, "snapshot of config not read");
                Err(error)
            }
        }
    }

    async fn listen_from(&self, name: ConfigName, baseline: Baseline, known: Known) -> Result<Listening, Error> {
        let Inner { ears, filters, disk, tasks, starts_from_snapshot, .. } = &*self.inner;
        if tasks.is_stopping() {
            return Err(Error::Closed);
        }
        let (mut held, mut failover) = (known.clone(), None);
        if let Some(disk) = disk {
            failover = disk.failover(&name).await?;
            if known == Known::Nothing && *starts_from_snapshot {
                // A snapshot that cannot be read is none.
                held = disk.snapshot(&name).await.ok().flatten().map_or(Known::Nothing, Known::Present);
            }
        }
        let heard = ears.add(&name, baseline, held, failover)?;
        ears.with(|listens| listens.seed(&name, known));
        Ok(Listening::new(name, heard, Arc::clone(ears), Arc::clone(filters), tasks.clone()))
    }
}

/// A namespace as it goes over the wire. Servers of 2.x take `public` for another one than the default; all take nothing
/// for that.
fn plain(namespace: &str) -> &str {
    if namespace == "public" { "" } else { namespace }
}

/// Whether what was kept may stand in for a server that failed like this. Not if the server knows better: that somebody may
/// not read a config must not be got round by a file, and one that is being written is about to be another.
fn falls_back(error: &Error) -> bool {
    !matches!(
        error,
        Error::Denied(_) | Error::LoginRefused { .. } | Error::Invalid(_) | Error::ConfigBeingWritten | Error::Closed
    )
}

impl fmt::Debug for Configs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configs").field("files", &self.inner.disk).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
