//! One running copy of a service: as its owner describes it, and as a server shows it.
//!
//! What is to be registered is checked by the rules of all servers before anything is sent, so that a mistake is the
//! caller's at once and never a refusal that a connection has to carry. What a server shows is taken as it is.

use std::sync::Arc;

use nacrite_base::instance::Pairs;
use nacrite_base::{ClusterName, Host, InstanceKey, Metadata};
use nacrite_wire::client::naming::{Host as ShownHost, InstanceBody};

use crate::error::Error;

/// Largest weight that every way into a server takes.
pub(crate) const WEIGHT_MAX: f64 = 10_000.0;

/// Keys of metadata that servers keep for themselves: an instance with one of them would come back changed.
const RESERVED: &[&str] = &["customInstanceId", "publishInstanceWeight", "publishInstanceEnable"];

/// One running copy of a service. Made by [`Instance::builder`], or shown by a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    key: InstanceKey,
    ip: Host,
    id: Option<Arc<str>>,
    weight: f64,
    healthy: bool,
    enabled: bool,
    ephemeral: bool,
    metadata: Metadata,
}

impl Instance {
    /// Begins the description of an instance: weight 1, healthy, enabled, ephemeral, in the cluster `DEFAULT`.
    ///
    /// ```
    /// use nacrite_client::naming::Instance;
    /// let instance = Instance::builder("10.0.0.1", 8080).weight(2.0).metadata("zone", "a").build()?;
    /// assert_eq!(instance.to_string(), "10.0.0.1:8080");
    /// # Ok::<(), nacrite_client::Error>(())
    /// ```
    #[must_use]
    pub fn builder(ip: impl Into<String>, port: u16) -> InstanceBuilder {
        InstanceBuilder {
            ip: ip.into(),
            port,
            weight: 1.0,
            healthy: true,
            enabled: true,
            ephemeral: true,
            cluster: None,
            metadata: Pairs::new(),
        }
    }

    /// Address: an IP address or a host name.
    #[must_use]
    pub fn ip(&self) -> &str {
        self.ip.as_str()
    }

    /// Port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.key.port
    }

    /// Cluster inside the service.
    #[must_use]
    pub fn cluster(&self) -> &str {
        self.key.cluster.as_str()
    }

    /// The server's id of it; `None` before a server has seen it.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Share of the traffic, normally 1; 0 means none. What a server shows may be any number, also none at all.
    #[must_use]
    pub const fn weight(&self) -> f64 {
        self.weight
    }

    /// Whether it works, as far as the server knows.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        self.healthy
    }

    /// Whether it may get traffic.
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether it goes when its client goes.
    #[must_use]
    pub const fn is_ephemeral(&self) -> bool {
        self.ephemeral
    }

    /// What its owner says about it.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Whether it may be chosen: healthy, enabled, and with a weight above 0.
    #[must_use]
    pub fn is_eligible(&self) -> bool {
        self.healthy && self.enabled && self.effective_weight() > 0.0
    }

    /// The weight that choosing goes by: not a number counts as 1, below 0 as 0, and above 10 000, infinity included, as
    /// 10 000. Odd weights reach a client, because not every way into a server checks them.
    #[must_use]
    pub fn effective_weight(&self) -> f64 {
        if self.weight.is_nan() { 1.0 } else { self.weight.clamp(0.0, WEIGHT_MAX) }
    }

    /// What identifies it inside its service.
    pub(crate) const fn key(&self) -> &InstanceKey {
        &self.key
    }

    /// As a request says it.
    pub(crate) fn body(&self) -> InstanceBody<'_> {
        InstanceBody {
            ip: self.ip(),
            port: self.port(),
            weight: self.weight,
            healthy: self.healthy,
            enabled: self.enabled,
            ephemeral: self.ephemeral,
            cluster_name: self.cluster(),
            service_name: None,
            metadata: self.metadata.pairs(),
        }
    }

    /// What a server shows; `None` if nobody could call it, because it has no address or no possible port.
    pub(crate) fn shown(host: ShownHost) -> Option<Self> {
        let ip = Host::from_stored(host.ip.as_deref().filter(|ip| !ip.trim().is_empty())?);
        let port = u16::try_from(host.port).ok()?;
        let cluster = match host.cluster_name.as_deref() {
            None | Some("" | "DEFAULT") => ClusterName::default_cluster(),
            Some(cluster) => ClusterName::from_stored(cluster),
        };
        Some(Self {
            key: InstanceKey { host: Some(ip.clone()), port, cluster },
            ip,
            id: host.instance_id.map(Into::into),
            weight: host.weight,
            healthy: host.healthy,
            enabled: host.enabled,
            ephemeral: host.ephemeral,
            metadata: Metadata::from_stored(host.metadata.unwrap_or_default()),
        })
    }

    /// Whether a subscriber would see a difference. The key is compared by who asks; two weights that are no numbers are
    /// alike.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
        let same_weight = self.weight.to_bits() == other.weight.to_bits() || self.weight == other.weight;
        same_weight
            && self.healthy == other.healthy
            && self.enabled == other.enabled
            && self.ephemeral == other.ephemeral
            && self.metadata == other.metadata
    }
}

impl std::fmt::Display for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Nacos's starters register IPv6 addresses in brackets.
        if self.ip().contains(':') && !self.ip().starts_with('[') {
            write!(f, "[{}]:{}", self.ip(), self.port())
        } else {
            write!(f, "{}:{}", self.ip(), self.port())
        }
    }
}

/// Description of an instance that is to be registered.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceBuilder {
    ip: String,
    port: u16,
    weight: f64,
    healthy: bool,
    enabled: bool,
    ephemeral: bool,
    cluster: Option<String>,
    metadata: Pairs,
}

impl InstanceBuilder {
    /// Share of the traffic, from 0 (none) to 10 000.
    #[must_use]
    pub fn weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Cluster inside the service: letters, digits and hyphens.
    #[must_use]
    pub fn cluster(mut self, cluster: impl Into<String>) -> Self {
        self.cluster = Some(cluster.into());
        self
    }

    /// Whether it works.
    #[must_use]
    pub fn healthy(mut self, healthy: bool) -> Self {
        self.healthy = healthy;
        self
    }

    /// Whether it may get traffic.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    /// Stays until it is deregistered, whoever goes or comes; the server itself looks after its health.
    #[must_use]
    pub fn persistent(mut self) -> Self {
        self.ephemeral = false;
        self
    }

    /// Adds a text; replaces the one that the key had.
    #[must_use]
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into().into(), Some(value.into().into()));
        self
    }

    /// Checks the description by the rules of all servers.
    ///
    /// # Errors
    /// [`Error::Invalid`] says what is wrong.
    pub fn build(self) -> Result<Instance, Error> {
        let invalid = |error: nacrite_base::NameError| Error::Invalid(error.to_string());
        let ip = Host::parse(&self.ip).map_err(invalid)?;
        if ip.as_str().trim().is_empty() {
            return Err(Error::Invalid("an instance needs an address".to_owned()));
        }
        let cluster = match self.cluster.as_deref() {
            None => ClusterName::default_cluster(),
            Some(cluster) => ClusterName::parse(cluster).map_err(invalid)?,
        };
        if !cluster.is_plain() {
            return Err(Error::Invalid(format!("the cluster {cluster} may hold letters, digits and hyphens only")));
        }
        if !(0.0..=WEIGHT_MAX).contains(&self.weight) {
            return Err(Error::Invalid(format!("the weight {} is not from 0 to {WEIGHT_MAX}", self.weight)));
        }
        if let Some(reserved) = RESERVED.iter().find(|key| self.metadata.contains_key(**key)) {
            return Err(Error::Invalid(format!("servers keep the metadata key {reserved} for themselves")));
        }
        let metadata = Metadata::parse(self.metadata).map_err(invalid)?;
        let interval = metadata.beat_interval();
        if metadata.beat_timeout() < interval || metadata.delete_timeout() < interval {
            let what = "the limits in preserved.* metadata must not be shorter than the heart-beat's interval";
            return Err(Error::Invalid(what.to_owned()));
        }
        Ok(Instance {
            key: InstanceKey { host: Some(ip.clone()), port: self.port, cluster },
            ip,
            id: None,
            weight: self.weight,
            healthy: self.healthy,
            enabled: self.enabled,
            ephemeral: self.ephemeral,
            metadata,
        })
    }
}

impl From<Instance> for InstanceBuilder {
    fn from(instance: Instance) -> Self {
        Self {
            ip: instance.ip().to_owned(),
            port: instance.port(),
            weight: instance.weight,
            healthy: instance.healthy,
            enabled: instance.enabled,
            ephemeral: instance.ephemeral,
            cluster: Some(instance.cluster().to_owned()),
            metadata: instance.metadata.pairs().clone(),
        }
    }
}

impl From<&Instance> for InstanceBuilder {
    fn from(instance: &Instance) -> Self {
        instance.clone().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> InstanceBuilder {
        Instance::builder("10.0.0.1", 80)
    }

    #[test]
    fn what_no_server_takes_is_refused_here() {
        let bad = [
            Instance::builder("", 80),
            Instance::builder(" ", 80),
            Instance::builder("a b", 80),
            builder().cluster(""),
            builder().cluster("a_b"),
            builder().cluster("a/b"),
            builder().weight(-1.0),
            builder().weight(f64::NAN),
            builder().weight(f64::INFINITY),
            builder().weight(10_001.0),
            builder().metadata("k", "v".repeat(1024)),
            builder().metadata("publishInstanceWeight", "5"),
            builder().metadata("preserved.heart.beat.interval", "20000"),
        ];
        for bad in bad {
            assert!(matches!(bad.clone().build(), Err(Error::Invalid(_))), "{bad:?}");
        }
    }

    #[test]
    fn a_description_becomes_what_was_said() {
        let instance = builder().weight(0.5).cluster("c-1").enabled(false).persistent().metadata("zone", "a");
        let instance = instance.build().expect("all is legal");
        assert_eq!((instance.weight(), instance.cluster()), (0.5, "c-1"));
        assert!(!instance.is_enabled() && !instance.is_ephemeral() && instance.is_healthy());
        let again = InstanceBuilder::from(&instance).build().expect("it was legal before");
        assert_eq!(again, instance);
        let body = serde_json::to_string(&instance.body()).expect("a body is JSON");
        assert!(body.contains(r#""clusterName":"c-1""#) && body.contains(r#""metadata":{"zone":"a"}"#), "{body}");
        assert!(!body.contains("serviceName"), "a batch with a grouped name in it is refused: {body}");
    }

    #[test]
    fn what_a_server_shows_is_taken_as_it_is() {
        let host = |json: &str| serde_json::from_str::<ShownHost>(json).ok().and_then(Instance::shown);
        let odd = host(r#"{"ip":"h","port":1,"weight":-3,"clusterName":"a_b"}"#).expect("an address and a port");
        assert_eq!((odd.weight(), odd.effective_weight(), odd.cluster()), (-3.0, 0.0, "a_b"));
        for nobody_could_call in [r#"{"port":1}"#, r#"{"ip":"","port":1}"#, r#"{"ip":"h","port":70000}"#] {
            assert!(host(nobody_could_call).is_none(), "{nobody_could_call}");
        }
    }

    #[test]
    fn an_ipv6_address_is_shown_so_that_it_can_be_dialled() {
        let instance = Instance::builder("fe80::1", 80).build().expect("an address");
        assert_eq!(instance.to_string(), "[fe80::1]:80");
        let instance = Instance::builder("[fe80::1]", 80).build().expect("an address");
        assert_eq!(instance.to_string(), "[fe80::1]:80");
    }
}
