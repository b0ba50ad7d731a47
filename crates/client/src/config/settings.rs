//! Time-outs, files and hooks of configs, with the reason of each. Names in brackets are those of Nacos's Java client.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::filter::{ConfigCipher, ConfigFilter};
use super::labels::AppLabels;

/// Time-outs, files and hooks of configs. [`Default`] is right for nearly everybody.
///
/// ```
/// use std::time::Duration;
///
/// let builder = nacrite_client::Client::builder().servers("nacos:8848").config_settings(|settings| {
///     settings.within = Duration::from_secs(1);
///     settings.directory = Some("/var/lib/shop/configs".into());
/// });
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct ConfigSettings {
    /// How long one call may take, over all attempts. 3 s (`configRequestTimeout`).
    pub within: Duration,
    /// How often the server is asked about everything, in case that a push was lost. 3 min.
    pub verify_every: Duration,
    /// How long a server without gRPC may hold a question about changes. 30 s (`configLongPollTimeout`).
    pub poll_hold: Duration,
    /// Below which directory files lie: those that override servers, and snapshots. None is read or written without it.
    /// Java's client has `~/nacos/config` (`JM.SNAPSHOT.PATH`).
    pub directory: Option<PathBuf>,
    /// Name of the folder below the directory. If it is not given, it is made of the servers' addresses and the namespace,
    /// or of what the address server is asked for (`serverName`).
    pub server_name: Option<String>,
    /// Whether listening begins with the snapshot, if there is one. True (`nacos.cache.data.init.snapshot`).
    pub starts_from_snapshot: bool,
    /// Labels by which servers pick who gets a gray release (`nacos.app.conn.labels`).
    pub labels: AppLabels,
    /// What is done to contents on their way out and in.
    pub filters: Vec<Arc<dyn ConfigFilter>>,
    /// Who encrypts the contents of configs named `cipher-…`. The first that knows the algorithm does.
    pub ciphers: Vec<Arc<dyn ConfigCipher>>,
}

impl Default for ConfigSettings {
    fn default() -> Self {
        Self {
            within: Duration::from_secs(3),
            verify_every: Duration::from_secs(180),
            poll_hold: Duration::from_secs(30),
            directory: None,
            server_name: None,
            starts_from_snapshot: true,
            labels: AppLabels::default(),
            filters: Vec::new(),
            ciphers: Vec::new(),
        }
    }
}

impl fmt::Debug for ConfigSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigSettings")
            .field("within", &self.within)
            .field("verify_every", &self.verify_every)
            .field("poll_hold", &self.poll_hold)
            .field("directory", &self.directory)
            .field("server_name", &self.server_name)
            .field("starts_from_snapshot", &self.starts_from_snapshot)
            .field("labels", &self.labels)
            .field("filters", &self.filters.len())
            .field("ciphers", &self.ciphers.len())
            .finish()
    }
}
