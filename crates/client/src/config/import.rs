//! Settings of an application in layers: its own defaults, local files, imported configs, variables of the environment;
//! laid over each other, read into one type, and kept up to date.
//!
//! Which layer hides which, from the weakest to the strongest ([`Rank`]):
//!
//! | Layer | From |
//! |---|---|
//! | what the program brings | [`ConfigLayers::defaults`] |
//! | imported configs, `preference=local` (the default) | [`ConfigLayers::import`] |
//! | local files | [`ConfigLayers::file`] |
//! | imported configs, `preference=remote` | [`ConfigLayers::import`] |
//! | variables of the environment | [`ConfigLayers::env`] |
//! | what the program sets | [`ConfigLayers::set`] |
//!
//! Layers of one rank count in the order in which they are added, the last one most; each is followed by its profiles. Groups
//! are merged name by name; a value or a list replaces what is below it as a whole. This module decides that and what is kept
//! when a version does not fit; how contents are read is told by `format`, how they are heard of by `listening`.

mod environment;
#[cfg(any(test, feature = "figment"))]
mod figment;
mod handle;
mod load;
mod location;
mod settings;
mod stack;

use std::ffi::OsString;

use nacrite_base::ConfigType;
use serde::Serialize;
use serde::de::{Deserialize, DeserializeOwned};

pub use self::handle::{LayerValues, Layered};
pub use self::location::{Import, Preference};
pub use self::settings::ImportSettings;
pub use self::stack::{LayerState, LayerTrouble, Rank};

use super::Configs;
use super::format::{Format, Unfit};
use super::tree::Tree;
use super::value::type_by_ending;
use crate::client::Client;
use crate::error::Error;

/// Layers that one program has at most, profiles included: each that is followed costs a place at the server, and nobody
/// can hold more in mind. One more is refused.
const LAYERS_MAX: usize = 100;

/// Whether the program starts without something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Optional {
    Required,
    Optional,
}

/// Where a layer comes from.
#[derive(Clone, Debug)]
enum Source {
    /// Values that are there already; `None` if there are none.
    Values(&'static str, Option<Tree>),
    File(String),
    Import(Import),
}

/// Describes the layers of a program's settings. The imported configs are those of one client.
///
/// ```no_run
/// # async fn example(client: nacrite_client::Client) -> Result<(), nacrite_client::Error> {
/// use nacrite_client::config::import::ConfigLayers;
///
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     greeting: String,
/// }
///
/// let mut settings = ConfigLayers::builder(&client)
///     .file("app.toml")
///     .import("optional:nacos:orders.yaml?refresh=true")
///     .env("APP_")
///     .load::<Settings>()
///     .await?;
/// println!("{}", settings.get().greeting);
/// while let Ok(newer) = settings.changed().await {
///     println!("{} from now on", newer.greeting);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct ConfigLayers {
    configs: Configs,
    layers: Vec<(Rank, Source)>,
    profiles: Vec<String>,
    group: Option<String>,
    /// Of imported configs whose name does not tell it.
    format: Format,
    refresh: bool,
    preference: Preference,
    /// The first thing that cannot be, told by whoever reads the layers.
    wrong: Option<Error>,
}

impl std::fmt::Debug for ConfigLayers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("ConfigLayers");
        shown.field("layers", &self.layers).field("profiles", &self.profiles).finish_non_exhaustive()
    }
}

impl ConfigLayers {
    /// Begins to describe layers.
    pub fn builder(client: &Client) -> Self {
        Self::of(client.config())
    }

    /// The same for whoever has the configs alone.
    pub fn of(configs: &Configs) -> Self {
        Self {
            configs: configs.clone(),
            layers: Vec::new(),
            profiles: Vec::new(),
            group: None,
            format: Format::Properties,
            refresh: true,
            preference: Preference::Local,
            wrong: None,
        }
    }

    /// What counts if nobody says anything else: any value that is written as names and values.
    pub fn defaults(self, values: impl Serialize) -> Self {
        let read = serde_json::to_value(values).and_then(Tree::deserialize);
        let read = read.map_err(|error| Error::Invalid(format!("the defaults cannot be read: {error}")));
        self.with(read, |layers, tree| layers.layer(Rank::Default, Source::Values("defaults", Some(tree))))
    }

    /// A local file, in the format that its ending speaks of; it is read once. It has to be there unless it begins with
    /// `optional:`. Files of the profiles beside it, such as `app-dev.toml`, are read if they are there.
    pub fn file(self, path: impl Into<String>) -> Self {
        self.layer(Rank::File, Source::File(path.into()))
    }

    /// A config, such as `optional:nacos:orders.yaml?group=SHOP&refresh=true&preference=remote`. Of what does not stand
    /// there: the group is [`Self::group`] or `DEFAULT_GROUP`; changes are followed; local files are preferred. Its
    /// format is that of its ending, else the one that it was published with, else [`Self::file_extension`].
    ///
    /// One that is not there is an empty layer, as in Spring, with a warning in the log unless it is optional; one that
    /// cannot be read ends the start unless it is optional.
    pub fn import(self, location: impl AsRef<str>) -> Self {
        let import = location.as_ref().parse();
        self.with(import, Self::import_from)
    }

    /// The same, described by a value.
    pub fn import_from(self, import: Import) -> Self {
        self.layer(Rank::ImportBelow, Source::Import(import))
    }

    /// Variables of the process's environment that begin with `prefix`: `APP_POOL__MAX_SIZE` with the prefix `APP_` is
    /// the field `max_size` of `pool`, also where another layer spells it `maxSize` or `max-size`.
    pub fn env(self, prefix: &str) -> Self {
        self.variables(prefix, std::env::vars_os())
    }

    /// The same with variables from elsewhere.
    pub fn variables(self, prefix: &str, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let read = environment::tree(prefix, variables);
        let read = read.map_err(|unfit| Error::Invalid(format!("variables {prefix}…: {unfit}")));
        self.with(read, |layers, tree| layers.layer(Rank::Environment, Source::Values("environment", tree)))
    }

    /// A value that counts whatever others say, at a path such as `pool.max_size` or `hosts[0]`.
    pub fn set(self, key: &str, value: impl Into<String>) -> Self {
        let mut tree = Tree::empty();
        let put = tree.insert_at(key, value.into());
        let put = put.map_err(|unfit| Error::Invalid(format!("the value of {key}: {unfit}")));
        self.with(put, |layers, ()| layers.layer(Rank::Set, Source::Values("set by the program", Some(tree))))
    }

    /// Profiles: every file and every import is followed by the same with `-PROFILE` before its ending, if that is there;
    /// the last profile counts most. Spring: `spring.profiles.active`.
    pub fn profiles<P: Into<String>>(mut self, profiles: impl IntoIterator<Item = P>) -> Self {
        self.profiles.extend(profiles.into_iter().map(Into::into));
        self
    }

    /// The group of imports that name none. Spring: `spring.cloud.nacos.config.group`.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// The format of imports whose names have no ending that tells it; `properties` if it is not given. Spring:
    /// `spring.cloud.nacos.config.file-extension`.
    pub fn file_extension(self, ending: &str) -> Self {
        let format = Format::of_type(type_by_ending(&format!("x.{ending}")));
        let format = format.map_err(|unfit| Error::Invalid(format!("file extension {ending:?}: {unfit}")));
        self.with(format, |layers, format| Self { format, ..layers })
    }

    /// Whether imports are followed at all; those that do not say otherwise are, if it is not given. Spring:
    /// `spring.cloud.nacos.config.refresh-enabled`.
    pub fn refresh(mut self, follow: bool) -> Self {
        self.refresh = follow;
        self
    }

    /// Whose value counts for imports that do not say it; the local one's if it is not given. Spring:
    /// `spring.cloud.nacos.config.preference`.
    pub fn preference(mut self, preference: Preference) -> Self {
        self.preference = preference;
        self
    }

    /// Everything that was read from settings: imports, profiles, and what counts for all imports.
    pub fn settings(self, settings: &ImportSettings) -> Self {
        settings.apply(self)
    }

    /// Reads all layers into a type, and follows those that are to be followed. A newer version with which the settings do
    /// not fit the type is not used, and shows in [`Layered::state`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for what cannot be, as an import that is none; [`Error::File`] for a file that cannot be read;
    /// [`Error::Undecodable`] for contents that are broken or do not fit the type, with the layer or the key; whatever
    /// kept a server from giving a config that is not optional.
    pub async fn load<T: DeserializeOwned + Send + Sync + 'static>(self) -> Result<Layered<T>, Error> {
        let loaded = self.loaded().await?;
        Layered::start(loaded)
    }

    /// Reads all layers once, and follows none: for those who read the values by other means.
    ///
    /// # Errors
    /// As [`Self::load`], but of the type.
    pub async fn read(self) -> Result<LayerValues, Error> {
        let layers = Self { refresh: false, ..self };
        Ok(LayerValues::new(&layers.loaded().await?))
    }

    async fn loaded(self) -> Result<load::Loaded, Error> {
        match self.wrong {
            Some(wrong) => Err(wrong),
            None => load::load(&self).await,
        }
    }

    fn layer(mut self, rank: Rank, source: Source) -> Self {
        self.layers.push((rank, source));
        self
    }

    /// Goes on with what was read, or remembers why it was not.
    fn with<V>(mut self, read: Result<V, Error>, go_on: impl FnOnce(Self, V) -> Self) -> Self {
        match read {
            Ok(value) => go_on(self, value),
            Err(error) => {
                self.wrong.get_or_insert(error);
                self
            }
        }
    }
}

/// The format of a config that settings are imported from: its name's, else its publisher's, else `default`. Spring goes by
/// the name alone.
fn format_of(data_id: &str, declared: ConfigType, default: Format) -> Result<Format, Unfit> {
    let known = [type_by_ending(data_id), declared];
    let known = known.into_iter().find(|known| !matches!(known, ConfigType::Text | ConfigType::Unset));
    known.map_or(Ok(default), Format::of_type)
}

#[cfg(test)]
mod tests;
