//! How a channel behaves, with the reason of each default.

use std::time::Duration;

use nacrite_balance::outlier::OutlierSettings;

use crate::transport::TransportSettings;

/// How a channel behaves. [`Default`] is right for nearly everybody.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ChannelSettings {
    /// After how long without calls connections are closed; the list is followed all the same. 30 min, as gRPC for Java. At
    /// least 1 s. `None` keeps them for ever.
    pub idle_after: Option<Duration>,
    /// How long an empty list is not believed if there was one before: a registry that restarts shows lists empty until its
    /// clients are back. After it calls fail at once. 30 s.
    pub empty_kept_for: Duration,
    /// How long the connection to an endpoint that left the list is kept: calls that were on their way to it arrive, and one
    /// that comes back finds it. 5 s, as gRPC for Java.
    pub removed_kept_for: Duration,
    /// When endpoints take no calls for a while because too many fail, where no service config says otherwise.
    pub outliers: OutlierSettings,
    /// Connections.
    pub transport: TransportSettings,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            idle_after: Some(Duration::from_secs(30 * 60)),
            empty_kept_for: Duration::from_secs(30),
            removed_kept_for: Duration::from_secs(5),
            outliers: OutlierSettings::default(),
            transport: TransportSettings::default(),
        }
    }
}
