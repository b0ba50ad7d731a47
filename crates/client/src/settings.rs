//! Time-outs and limits of a link, with the reason of each. Names in brackets are those of Nacos's Java client.

use std::time::Duration;

/// Time-outs and limits of a link. [`Default`] is right for nearly everybody.
///
/// ```no_run
/// # fn example() -> Result<(), nacrite_client::Error> {
/// use std::time::Duration;
///
/// use nacrite_client::Client;
///
/// let far_away = Client::builder()
///     .servers("nacos.example:8848")
///     .link_settings(|link| link.connect_within = Duration::from_secs(10))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkSettings {
    /// How long a request may take if the caller does not say: over all attempts, waiting for a connection included.
    /// 3 s (`timeout`).
    pub request_within: Duration,
    /// How often a request is tried again within its time, if trying again is safe. 3 (`retry.times`).
    pub retries_max: u32,
    /// After how long without any sign of life the connection is checked. 5 s (`connect.keep.alive`).
    pub keep_alive: Duration,
    /// How long a server may take to answer one check of the connection. 3 s (`health.timeout`).
    pub health_within: Duration,
    /// How often a check that broke is repeated. 3 (`health.retry`).
    pub health_retries_max: u32,
    /// How long all of a check may take. 4 s: together with `keep_alive` a server that is gone without a word is noticed
    /// within 10 s, where 4 times 3 s would take 17 s.
    pub health_all_within: Duration,
    /// How long finding the addresses of a name may take. 3 s.
    pub resolve_within: Duration,
    /// How long reaching one address may take; agreeing on TLS likewise. 3 s.
    pub connect_within: Duration,
    /// How long a server may take to say what it is. 3 s (`server.check.timeout`).
    pub server_check_within: Duration,
    /// How long a server that tells its abilities may take to do so. 5 s (`channel.capability.negotiation.timeout`).
    pub negotiation_within: Duration,
    /// How long is waited for a server that tells no abilities, and hence not when it has taken the client in. 100 ms.
    pub setup_pause: Duration,
    /// The pause between attempts grows by this with each round over the servers; likewise, up to 1 s, the pause before
    /// the next connection where one after the other does not last. 100 ms.
    pub pause_step: Duration,
    /// The longest pauses between attempts, all those of one round over the servers taken together. 2 s, so that a server
    /// that comes back has its clients within 3 s; 1,000 clients without a server try it 500 times a second at most. Each
    /// is made up to 20 % longer or shorter at random, so that clients that lost one server do not come to the next at
    /// one moment.
    pub pause_max: Duration,
    /// How long a connection that is left for another one stays open, so that calls on it end and registrations move
    /// without a gap. 500 ms; an instance that is deregistered in this time may be seen that much longer.
    pub handover: Duration,
    /// Largest message in either direction, in bytes. 10 MiB (`maxinbound.message.size`), which is also the largest that
    /// can be set.
    pub message_len_max: usize,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            request_within: Duration::from_secs(3),
            retries_max: 3,
            keep_alive: Duration::from_secs(5),
            health_within: Duration::from_secs(3),
            health_retries_max: 3,
            health_all_within: Duration::from_secs(4),
            resolve_within: Duration::from_secs(3),
            connect_within: Duration::from_secs(3),
            server_check_within: Duration::from_secs(3),
            negotiation_within: Duration::from_secs(5),
            setup_pause: Duration::from_millis(100),
            pause_step: Duration::from_millis(100),
            pause_max: Duration::from_secs(2),
            handover: Duration::from_millis(500),
            message_len_max: nacrite_wire::frame::MESSAGE_LEN_MAX,
        }
    }
}
