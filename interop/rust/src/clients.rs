//! Makes clients for one run and knows the run's names. Every name carries the run's own suffix, so that runs do not
//! meet each other's leavings on the server.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use nacos_sdk::api::config::{ConfigService, ConfigServiceBuilder};
use nacos_sdk::api::error::Result;
use nacos_sdk::api::naming::{NamingService, NamingServiceBuilder};
use nacos_sdk::api::props::ClientProps;

pub(crate) const DEFAULT_GROUP: &str = "DEFAULT_GROUP";
/// The namespace every client is in when it names none.
pub(crate) const PUBLIC: &str = "";

#[derive(Clone, Debug)]
pub(crate) struct Clients {
    server: String,
    scratch: String,
    suffix: String,
    /// How old an answer of the server may be. Zero means that every answer includes every finished call.
    pub(crate) stale: Duration,
}

impl Clients {
    pub(crate) fn new(server: String, scratch: String, stale: Duration) -> Self {
        let random = RandomState::new().build_hasher().finish();
        Self { server, scratch, suffix: format!("{:08x}", random >> 32), stale }
    }

    pub(crate) fn id(&self, name: &str) -> String {
        format!("{name}-{}", self.suffix)
    }

    pub(crate) fn group(&self) -> String {
        self.id("GROUP")
    }

    pub(crate) fn namespace(&self) -> String {
        self.id("ns")
    }

    pub(crate) async fn naming(&self, namespace: &str) -> Result<NamingService> {
        NamingServiceBuilder::new(self.props(namespace)).build().await
    }

    pub(crate) async fn config(&self, namespace: &str) -> Result<ConfigService> {
        ConfigServiceBuilder::new(self.props(namespace)).build().await
    }

    fn props(&self, namespace: &str) -> ClientProps {
        ClientProps::new()
            .env_first(false)
            .server_addr(self.server.clone())
            .namespace(namespace)
            .cache_dir(&self.scratch)
            // Else the client never believes that the last instance left.
            .naming_push_empty_protection(false)
    }
}
