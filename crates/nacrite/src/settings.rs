//! What can be set, and from where: defaults, then a file, then the environment, then flags.
//!
//! A name that is not known is refused, with the nearest one that is: a typing error must not become a default.

pub(crate) mod nacos;
pub(crate) mod page;
pub(crate) mod properties;
pub(crate) mod table;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use nacrite_app::AppSettings;
use nacrite_app::balance::{ClusterSettings, Member};
use nacrite_app::pipeline::NodeIdentity;
use nacrite_http::HttpSettings;

use self::nacos::Foreign;
use self::properties::Property;
use self::table::{ENV_PREFIX, HTTP_PORT_MAX, SETTINGS, Setting};

/// Names this far apart are offered for each other.
const NEAR_ENOUGH: f64 = 0.7;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Directory of everything that must survive.
    pub data_dir: PathBuf,
    /// Address to listen on.
    pub bind: IpAddr,
    /// Port for HTTP, before the offset.
    pub http_port: u16,
    /// Added to every port.
    pub port_offset: u16,
    /// Serve everybody who reaches the address.
    pub insecure: bool,
    /// What is logged.
    pub log: String,
    /// Name of the header by which nodes know each other.
    pub identity_key: String,
    /// Its secret value.
    pub identity_value: String,
    /// This server, as the others and clients know it.
    pub cluster_address: String,
    /// Every server, with commas between.
    pub cluster_members: String,
    /// The HTTP edge.
    pub http: HttpSettings,
    /// Tell clients of the first generation over UDP.
    pub udp_enabled: bool,
    /// Port that packets are sent from, 0 for any; without the offset.
    pub udp_port: u16,
    /// What happens between the edges.
    pub app: AppSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: "nacrite-data".into(),
            bind: Ipv4Addr::LOCALHOST.into(),
            http_port: 8848,
            port_offset: 0,
            insecure: false,
            log: "info".to_owned(),
            identity_key: String::new(),
            identity_value: String::new(),
            cluster_address: String::new(),
            cluster_members: String::new(),
            http: HttpSettings::default(),
            udp_enabled: true,
            udp_port: 0,
            app: AppSettings::default(),
        }
    }
}

/// The ports of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    /// HTTP.
    pub http: u16,
    /// gRPC for clients.
    pub clients: u16,
    /// gRPC for nodes.
    pub nodes: u16,
}

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// A file: `.toml`, or `.properties` as Nacos has it.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// Flags: name of the setting, text.
    pub flags: Vec<(String, String)>,
}

impl Settings {
    /// Reads every source.
    ///
    /// # Errors
    /// One line that names the source, the setting and what is expected.
    pub(crate) fn load(sources: &Sources) -> anyhow::Result<(Self, Vec<String>)> {
        let (mut settings, mut notes) = (Self::default(), Vec::new());
        if let Some(path) = &sources.file {
            settings.read_file(path, &sources.environment, &mut notes)?;
        }
        for (name, text) in &sources.environment {
            if name.starts_with(ENV_PREFIX) && !is_for_others(name) {
                settings.set_from_env(name, text)?;
            }
        }
        for (name, text) in &sources.flags {
            let setting = find(name).ok_or_else(|| unknown(name, "--set"))?;
            settings.set(setting, text, "--set")?;
        }
        settings.check()?;
        Ok((settings, notes))
    }

    fn read_file(
        &mut self,
        path: &Path,
        environment: &[(String, String)],
        notes: &mut Vec<String>,
    ) -> anyhow::Result<()> {
        let source = path.display().to_string();
        let text =
            std::fs::read_to_string(path).with_context(|| format!("the settings file {source} cannot be read"))?;
        if path.extension().is_some_and(|extension| extension == "properties") {
            let lookup = |name: &str| environment.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone());
            let properties = properties::parse(&text, lookup).map_err(|why| anyhow!("{source}: {why}"))?;
            return properties.iter().try_for_each(|property| self.set_from_property(property, &source, notes));
        }
        let file: toml::Table = text.parse().map_err(|error| anyhow!("{source}: {error}"))?;
        for (name, text) in flattened(&file)? {
            let setting = find(&name).ok_or_else(|| unknown(&name, &source))?;
            self.set(setting, &text, &source)?;
        }
        Ok(())
    }

    fn set_from_property(&mut self, property: &Property, source: &str, notes: &mut Vec<String>) -> anyhow::Result<()> {
        let Property { line, name, value } = property;
        let source = format!("{source}:{line}");
        if let Some(setting) = find(name).or_else(|| SETTINGS.iter().find(|s| s.nacos.contains(&name.as_str()))) {
            // Nacos ships names without values; they ask for nothing.
            return if value.is_empty() { Ok(()) } else { self.set(setting, value, &source) };
        }
        match nacos::foreign(name) {
            Some(Foreign::PassedOver) => notes.push(format!("{source}: {name} has no meaning here")),
            Some(Foreign::Refused { unless, .. }) if value.is_empty() || value == unless => {}
            Some(Foreign::Refused { reason, .. }) => bail!("{source}: {name}: {reason}"),
            None => return Err(unknown(name, &source)),
        }
        Ok(())
    }

    fn set_from_env(&mut self, name: &str, text: &str) -> anyhow::Result<()> {
        let setting = SETTINGS.iter().find(|setting| setting.env_name() == name);
        let nearest = || nearest(name, SETTINGS.iter().map(Setting::env_name));
        let setting = setting.ok_or_else(|| anyhow!("the environment: unknown setting {name}{}", nearest()))?;
        self.set(setting, text, &format!("the environment: {name}"))
    }

    fn set(&mut self, setting: &Setting, text: &str, source: &str) -> anyhow::Result<()> {
        setting.set(self, text).map_err(|expected| anyhow!("{source}: {}: {expected}, found {text:?}", setting.name))
    }

    /// What no setting can check alone.
    fn check(&mut self) -> anyhow::Result<()> {
        if self.http_port > HTTP_PORT_MAX - self.port_offset {
            bail!("http_port {} and port_offset {} leave no room for the gRPC ports", self.http_port, self.port_offset);
        }
        if !self.bind.is_loopback() && !self.insecure {
            bail!(
                "bind {}: access control does not exist yet, so everybody who reaches this address could read and \
                 change everything; say --insecure if that is what you want",
                self.bind
            );
        }
        let path = &self.http.context_path;
        if !path.is_empty() && (!path.starts_with('/') || path.ends_with('/')) {
            bail!(
                "http.context_path {path:?}: expected nothing, or a path with a leading and without a trailing slash"
            );
        }
        self.app.identity = match (self.identity_key.is_empty(), self.identity_value.is_empty()) {
            (true, true) => None,
            (false, false) => Some(NodeIdentity { key: self.identity_key.clone(), value: self.identity_value.clone() }),
            _ => bail!("identity.key and identity.value belong together: set both or none"),
        };
        self.app.cluster = self.cluster()?;
        let balance = &self.app.balance;
        if balance.auto_stop_percent >= balance.auto_start_percent {
            bail!("balance.auto_stop_percent must be below balance.auto_start_percent, or clients would never rest");
        }
        Ok(())
    }

    /// Who the servers are. Only the others are kept: this one knows what it has.
    fn cluster(&self) -> anyhow::Result<ClusterSettings> {
        let http = self.ports().http;
        let read = |text: &str| -> anyhow::Result<Member> {
            // Without a port the one of this server is meant: all servers usually have the same.
            let has_port = text.contains("]:") || text.matches(':').count() == 1;
            let text = if has_port { text.to_owned() } else { format!("{text}:{http}") };
            text.parse().map_err(|error| anyhow!("cluster.members and cluster.address: {error}"))
        };
        let texts = self.cluster_members.split(',').map(str::trim).filter(|text| !text.is_empty());
        let members: Vec<Member> = texts.map(read).collect::<anyhow::Result<_>>()?;
        let address = match self.cluster_address.trim() {
            "" if self.bind.is_unspecified() => None,
            "" => Some(Member::new(&self.bind.to_string(), http)),
            given => Some(read(given)?),
        };
        if members.is_empty() {
            return Ok(ClusterSettings { address, others: members });
        }
        let Some(own) = &address else {
            bail!("cluster.members needs cluster.address: {} is no address that others could be told", self.bind);
        };
        if self.app.identity.is_none() {
            bail!("cluster.members needs identity.key and identity.value: servers know each other by them");
        }
        let others = members.into_iter().filter(|member| member != own).collect();
        Ok(ClusterSettings { address, others })
    }

    /// The ports, with the offset.
    #[must_use]
    pub(crate) fn ports(&self) -> Ports {
        let http = self.http_port + self.port_offset;
        Ports { http, clients: http + 1000, nodes: http + 1001 }
    }
}

/// Whether a variable with our prefix is no setting: the settings file, the program itself as scripts name it, what the
/// commands for clients take, and what Kubernetes puts in for a service that is called `nacrite`.
fn is_for_others(name: &str) -> bool {
    let is_of_kubernetes = |rest: &str| {
        let port = rest.strip_prefix("PORT_").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        rest == "PORT" || port || rest.starts_with("SERVICE_")
    };
    let is_of_clients =
        matches!(name, "NACRITE_SERVER" | "NACRITE_NAMESPACE" | "NACRITE_USERNAME" | "NACRITE_PASSWORD");
    matches!(name, "NACRITE_CONFIG" | "NACRITE_BIN")
        || is_of_clients
        || name.strip_prefix(ENV_PREFIX).is_some_and(is_of_kubernetes)
}

fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

fn unknown(name: &str, source: &str) -> anyhow::Error {
    let known = SETTINGS.iter().flat_map(|setting| std::iter::once(setting.name).chain(setting.nacos.iter().copied()));
    anyhow!("{source}: unknown setting {name}{}", nearest(name, known.map(str::to_owned)))
}

/// The nearest of the known names, as the end of a sentence.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> String {
    let similar = known.map(|known| (strsim::jaro_winkler(name, &known), known));
    let nearest = similar.filter(|(likeness, _)| *likeness > NEAR_ENOUGH).max_by(|a, b| a.0.total_cmp(&b.0));
    nearest.map_or_else(|| "; `nacrite settings` lists all".to_owned(), |(_, known)| format!("; did you mean {known}?"))
}

/// `section.key` and text of everything in a TOML file.
fn flattened(file: &toml::Table) -> anyhow::Result<Vec<(String, String)>> {
    let mut flat = Vec::new();
    for (name, value) in file {
        match value {
            toml::Value::Table(section) => {
                for (key, text) in flattened(section)? {
                    flat.push((format!("{name}.{key}"), text));
                }
            }
            toml::Value::String(text) => flat.push((name.clone(), text.clone())),
            toml::Value::Integer(_) | toml::Value::Boolean(_) => flat.push((name.clone(), value.to_string())),
            other => bail!("{name}: expected a text, a whole number, true or false, found {}", other.type_str()),
        }
    }
    Ok(flat)
}

#[cfg(test)]
mod tests;
