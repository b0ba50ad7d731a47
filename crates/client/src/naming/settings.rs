//! How services and instances are handled, with the reason of each default. Names in brackets are those of Nacos's Java
//! client.

use std::path::PathBuf;
use std::time::Duration;

use super::cache::EmptyProtection;

/// How services and instances are handled. [`Default`] is right for nearly everybody.
///
/// ```
/// use std::time::Duration;
///
/// let builder = nacrite_client::Client::builder().servers("nacos:8848").cache_dir("/var/lib/shop/nacos");
/// let builder = builder.naming_settings(|settings| {
///     settings.load_cache_at_start = true;
///     settings.resubscribe_every = Some(Duration::from_secs(60));
/// });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamingSettings {
    /// How long a call may take, over all attempts and waiting for a connection included. 3 s (`namingRequestTimeout`).
    pub request_within: Duration,
    /// After what pause a registration or a subscription that failed is tried again. A new connection gets everything at
    /// once, without this pause. 3 s (`redoDelayTime`).
    pub redo_pause: Duration,
    /// What to do with a list that says that nobody is left. Believe it (`namingPushEmptyProtection`). Can be set for one
    /// subscription too.
    pub empty_protection: EmptyProtection,
    /// How often to ask for lists that are pushed anyway; a safety net for servers that lose pushes. Never
    /// (`namingAsyncQuerySubscribeService`).
    pub resubscribe_every: Option<Duration>,
    /// How many services that were only ever asked for by name are kept up to date. Names may come from outside, as in a
    /// gateway: beyond this number each call asks the server instead. 10 000.
    pub kept_max: usize,
    /// Directory of the files: lists that were pushed last below `naming/NAMESPACE`, and in `failover` below it those that
    /// operators want to be shown instead. The files are Java's: its directory is `~/nacos`. None
    /// (`JM.SNAPSHOT.PATH`).
    pub cache_dir: Option<PathBuf>,
    /// Whether to show what the files say until a server answers. No (`namingLoadCacheAtStart`).
    pub load_cache_at_start: bool,
}

impl Default for NamingSettings {
    fn default() -> Self {
        Self {
            request_within: Duration::from_secs(3),
            redo_pause: Duration::from_secs(3),
            empty_protection: EmptyProtection::Off,
            resubscribe_every: None,
            kept_max: 10_000,
            cache_dir: None,
            load_cache_at_start: false,
        }
    }
}
