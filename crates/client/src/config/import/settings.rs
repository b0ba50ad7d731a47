//! Which configs to import, and how to reach them, read from settings: from a file or from the environment, by this
//! project's names (`nacos.config.group`) or by those of Spring (`spring.cloud.nacos.config.group`), however they are spelled.
//!
//! A name that nobody knows is refused in a file: whoever wrote it expects something of it. In the environment it is told in
//! the log alone: a cluster sets variables of its own for a service that happens to be called `nacos-config`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

use tracing::{debug, warn};

use super::load;
use super::{ConfigLayers, Import, Preference};
use crate::auth::Credentials;
use crate::client::{Client, ClientBuilder};
use crate::config::diff::flatten;
use crate::error::Error;
use crate::servers::AddressServer;

/// Below which names settings of configs stand.
const CONFIG: [&str; 2] = ["springcloudnacosconfig", "nacosconfig"];

/// Below which names stand those that services and configs share.
const SHARED: [&str; 2] = ["springcloudnacos", "nacos"];

/// What of that counts for configs.
const SHARED_NAMES: [&str; 4] = ["namespace", "password", "serveraddr", "username"];

/// What is read below [`CONFIG`].
const NAMES: [&str; 21] = [
    "accesskey",
    "clustername",
    "configlongpolltimeout",
    "contextpath",
    "enabled",
    "endpoint",
    "fileextension",
    "group",
    "import",
    "name",
    "namespace",
    "password",
    "preference",
    "prefix",
    "profiles",
    "refreshenabled",
    "secretkey",
    "serveraddr",
    "signatureregionid",
    "timeout",
    "username",
];

/// What Spring has and is of no use here, with the reason.
const NOT_APPLICABLE: [(&str, &str); 7] = [
    ("configretrytime", "attempts follow the state of the connection"),
    ("enableremotesyncconfig", "contents are always read from the server first"),
    ("encode", "contents are UTF-8"),
    ("importcheckenabled", "a program without imports is no error"),
    ("maxretry", "one deadline covers all attempts: timeout"),
    ("ramrolename", "roles of a cloud are not asked for"),
    ("refreshbehavior", "all settings are read again together"),
];

/// One of `shared-configs` or `extension-configs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Listed {
    data_id: String,
    group: Option<String>,
    /// As Spring has it for these alone.
    refresh: bool,
}

/// Which configs to import, and how to reach them.
///
/// ```no_run
/// # async fn example() -> Result<(), nacrite_client::Error> {
/// use nacrite_client::config::import::{ConfigLayers, ImportSettings};
///
/// // [nacos.config]
/// // server-addr = "nacos:8848"
/// // import = ["optional:nacos:orders.yaml"]
/// let settings = ImportSettings::load("app.toml").await?;
/// let client = settings.client()?;
/// let values = ConfigLayers::builder(&client).settings(&settings).file("app.toml").env("APP_").read().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ImportSettings {
    values: BTreeMap<&'static str, String>,
    /// What services and configs share: counts where `values` has nothing.
    common: BTreeMap<&'static str, String>,
    imports: Vec<String>,
    profiles: Vec<String>,
    application: Option<String>,
    shared: BTreeMap<usize, Listed>,
    extensions: BTreeMap<usize, Listed>,
}

/// Shows no password.
impl fmt::Debug for ImportSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportSettings")
            .field("names", &self.values.keys().chain(self.common.keys()).collect::<Vec<_>>())
            .field("imports", &self.imports)
            .field("profiles", &self.profiles)
            .field("application", &self.application)
            .field("shared", &self.shared)
            .field("extensions", &self.extensions)
            .finish()
    }
}

impl ImportSettings {
    /// Reads a file, and what the environment has over it. The file has to be there unless it begins with `optional:`;
    /// what else is in it is not looked at.
    ///
    /// # Errors
    /// [`Error::File`] and [`Error::Undecodable`] for a file that cannot be read, [`Error::Invalid`] for a name that
    /// nobody knows.
    pub async fn load(file: &str) -> Result<Self, Error> {
        let mut settings = Self::default();
        if let Some(tree) = load::file_tree(file).await? {
            let mut pairs = BTreeMap::new();
            flatten(String::new(), tree, &mut pairs);
            for (key, value) in pairs {
                if let Some(unknown) = settings.take(&key, &value.to_string()) {
                    return Err(Error::Invalid(format!("{file}: {unknown}")));
                }
            }
        }
        settings.add_variables(std::env::vars_os());
        Ok(settings)
    }

    /// Reads names and values.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that nobody knows.
    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Error> {
        let mut settings = Self::default();
        for (key, value) in pairs {
            if let Some(unknown) = settings.take(key, value) {
                return Err(Error::Invalid(unknown));
            }
        }
        Ok(settings)
    }

    /// Adds what variables of an environment say, such as `SPRING_CLOUD_NACOS_CONFIG_SERVER_ADDR`; these count more, and
    /// their lists replace those of before.
    pub fn add_variables(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let mut over = Self::default();
        for (name, value) in variables {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string())
                && let Some(unknown) = over.take(&name, &value)
            {
                warn!("{unknown}; the variable is passed over");
            }
        }
        self.values.extend(over.values);
        self.common.extend(over.common);
        self.application = over.application.or(self.application.take());
        for (own, over) in [(&mut self.imports, over.imports), (&mut self.profiles, over.profiles)] {
            if !over.is_empty() {
                *own = over;
            }
        }
        for (own, over) in [(&mut self.shared, over.shared), (&mut self.extensions, over.extensions)] {
            if !over.is_empty() {
                *own = over;
            }
        }
    }

    /// A client for these servers, in the name of this user.
    ///
    /// # Errors
    /// As [`Self::client_builder`] and [`ClientBuilder::build`].
    pub fn client(&self) -> Result<Client, Error> {
        self.client_builder()?.build()
    }

    /// The same, for whoever has more to say about it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a time that is none.
    pub fn client_builder(&self) -> Result<ClientBuilder, Error> {
        let mut builder = Client::builder();
        if let Some(endpoint) = self.value("endpoint") {
            let mut asked = AddressServer::new(endpoint);
            if let Some(cluster) = self.value("clustername") {
                asked = asked.cluster(cluster);
            }
            builder = builder.address_server(asked);
        } else {
            // Where Spring looks if nobody says anything.
            builder = builder.servers(self.value("serveraddr").unwrap_or("127.0.0.1:8848"));
        }
        if let Some(namespace) = self.value("namespace") {
            builder = builder.namespace(namespace);
        }
        if let Some(path) = self.value("contextpath") {
            builder = builder.context_path(path.trim_matches('/'));
        }
        if let Some(name) = &self.application {
            builder = builder.app_name(name);
        }
        let mut who = Credentials::none();
        if let Some(user) = self.value("username") {
            who = who.user(user, self.value("password").unwrap_or_default());
        }
        if let (Some(id), Some(secret)) = (self.value("accesskey"), self.value("secretkey")) {
            who = who.access_key(id, secret);
            if let Some(region) = self.value("signatureregionid") {
                who = who.signature_region(region);
            }
        }
        let (within, hold) = (self.time("timeout")?, self.time("configlongpolltimeout")?);
        Ok(builder.credentials(who).config_settings(|settings| {
            settings.within = within.unwrap_or(settings.within);
            settings.poll_hold = hold.unwrap_or(settings.poll_hold);
        }))
    }

    /// Adds to the layers what was read.
    pub(super) fn apply(&self, mut layers: ConfigLayers) -> ConfigLayers {
        if let Some(group) = self.value("group") {
            layers = layers.group(group);
        }
        if let Some(ending) = self.value("fileextension") {
            layers = layers.file_extension(ending);
        }
        if let Some(preference) = self.value("preference") {
            layers = layers.with(preference.parse::<Preference>(), ConfigLayers::preference);
        }
        layers = layers.refresh(self.value("refreshenabled") != Some("false")).profiles(self.profiles.iter().cloned());
        if self.value("enabled") == Some("false") {
            return layers;
        }
        for listed in self.shared.values().chain(self.extensions.values()) {
            layers = layers.with(listed.import(), ConfigLayers::import_from);
        }
        if self.imports.is_empty() {
            for name in self.of_the_program() {
                layers = layers.with(Import::new(&name).map(Import::optional), ConfigLayers::import_from);
            }
        }
        self.imports.iter().fold(layers, ConfigLayers::import)
    }

    /// The configs that are named like the program, where no import is written down: Spring's order, the later one counts
    /// more, and the profiles of the last one follow it.
    fn of_the_program(&self) -> Vec<String> {
        let name = self.value("prefix").or(self.value("name")).or(self.application.as_deref());
        let ending = self.value("fileextension").unwrap_or("properties");
        name.map(|name| vec![name.to_owned(), format!("{name}.{ending}")]).unwrap_or_default()
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).or_else(|| self.common.get(name)).map(String::as_str)
    }

    fn time(&self, name: &'static str) -> Result<Option<Duration>, Error> {
        let Some(text) = self.value(name) else { return Ok(None) };
        let time = text.parse().map(Duration::from_millis);
        time.map(Some).map_err(|_| Error::Invalid(format!("{name} is a number of milliseconds, not {text:?}")))
    }

    /// Takes one setting. Returns what is wrong if it stands where this module's settings do, and nobody knows it.
    fn take(&mut self, key: &str, value: &str) -> Option<String> {
        let name = plain(key);
        let value = value.trim();
        // A blank value in a template of settings means that there is none.
        if value.is_empty() {
            return None;
        }
        match name.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "springconfigimport" => {
                self.imports.extend(parts(value).filter(|import| import.contains("nacos:")));
                return None;
            }
            "springprofilesactive" => {
                self.profiles.extend(parts(value));
                return None;
            }
            "springapplicationname" => {
                self.application = Some(value.to_owned());
                return None;
            }
            _ => {}
        }
        if let Some(rest) = CONFIG.iter().find_map(|prefix| name.strip_prefix(prefix)) {
            return self.take_config(key, rest, value);
        }
        let shared = SHARED.iter().find_map(|prefix| name.strip_prefix(prefix));
        let shared = shared.and_then(|rest| SHARED_NAMES.iter().find(|known| **known == rest));
        if let Some(known) = shared {
            self.common.insert(known, value.to_owned());
        }
        None
    }

    fn take_config(&mut self, key: &str, rest: &str, value: &str) -> Option<String> {
        for (list, of) in [("sharedconfigs", &mut self.shared), ("extensionconfigs", &mut self.extensions)] {
            if let Some(item) = rest.strip_prefix(list) {
                return take_listed(of, key, item, value);
            }
        }
        match rest.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "import" => {
                self.imports.extend(parts(value));
                return None;
            }
            "profiles" => {
                self.profiles.extend(parts(value));
                return None;
            }
            _ => {}
        }
        if let Some((_, why)) = NOT_APPLICABLE.iter().find(|(name, _)| *name == rest) {
            debug!(setting = key, why, "of no use here");
            return None;
        }
        let Some(known) = NAMES.iter().find(|known| **known == rest) else {
            return Some(format!("there is no setting {key}; there are: {}", NAMES.join(", ")));
        };
        self.values.insert(known, value.to_owned());
        None
    }
}

impl Listed {
    fn import(&self) -> Result<Import, Error> {
        let import = Import::new(&self.data_id)?.optional().refresh(self.refresh);
        match &self.group {
            Some(group) => import.in_group(group),
            None => Ok(import),
        }
    }
}

/// Takes `0dataid` and the like.
fn take_listed(list: &mut BTreeMap<usize, Listed>, key: &str, item: &str, value: &str) -> Option<String> {
    let end = item.find(|c: char| !c.is_ascii_digit()).unwrap_or(item.len());
    let (index, field) = item.split_at(end);
    let unknown = || Some(format!("there is no setting {key}; an item has data-id, group and refresh"));
    let Ok(index) = index.parse() else { return unknown() };
    let listed = list.entry(index).or_default();
    match field {
        "dataid" => value.clone_into(&mut listed.data_id),
        "group" => listed.group = Some(value.to_owned()),
        "refresh" => listed.refresh = value == "true",
        _ => return unknown(),
    }
    None
}

/// A name without whatever it may be spelled with: `spring.cloud.nacos.config.server-addr`, `serverAddr` and
/// `SPRING_CLOUD_NACOS_CONFIG_SERVER_ADDR` are one.
fn plain(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn parts(value: &str) -> impl Iterator<Item = String> + '_ {
    value.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests;
