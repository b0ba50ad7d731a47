//! What a channel counts. Everything belongs to one channel: there is nothing global.
//!
//! [`Channel::metrics`](crate::Channel::metrics) tells the numbers. With the feature `metrics` they go to the recorder of the
//! crate of that name as well, if the program installed one before it built the channel.

use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers of a channel, as they were when it was asked. Counts begin with the channel and only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelMetrics {
    /// Calls that were begun.
    pub calls: u64,
    /// Calls that are under way: not answered, or their answer is still being read.
    pub calls_in_flight: u64,
    /// Calls that the channel could not send or whose connection broke. What servers answer is not counted.
    pub calls_failed: u64,
    /// Calls that had to wait for an endpoint.
    pub picks_waited: u64,
    /// Attempts of calls beyond the first.
    pub retries: u64,
    /// Attempts to connect.
    pub connects: u64,
    /// Those that failed.
    pub connects_failed: u64,
    /// Connections that were lost or closed by the other side.
    pub connections_lost: u64,
    /// Endpoints that were taken out of use because too many calls failed.
    pub ejections: u64,
    /// Lists that came from the resolver and were put to use.
    pub lists: u64,
}

/// In what order counts and the flag of a closing channel are seen: one order for all. Who closes must see a call that did
/// not see the flag, and who ends last must see the flag, or nobody tells that the last call is over.
pub(crate) const IN_ORDER: Ordering = Ordering::SeqCst;

/// One number that only grows.
#[derive(Debug)]
pub(crate) struct Count {
    own: AtomicU64,
    #[cfg(feature = "metrics")]
    told: told::Counter,
}

impl Count {
    #[cfg(not(feature = "metrics"))]
    fn new(_: &'static str) -> Self {
        Self { own: AtomicU64::new(0) }
    }

    #[cfg(feature = "metrics")]
    fn new(name: &'static str) -> Self {
        Self { own: AtomicU64::new(0), told: told::counter(name) }
    }

    /// One more.
    pub(crate) fn add_one(&self) {
        self.own.fetch_add(1, IN_ORDER);
        #[cfg(feature = "metrics")]
        self.told.add_one();
    }

    pub(crate) fn get(&self) -> u64 {
        self.own.load(IN_ORDER)
    }
}

/// Where the parts of a channel count.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) calls: Count,
    ended: AtomicU64,
    pub(crate) calls_failed: Count,
    pub(crate) picks_waited: Count,
    pub(crate) retries: Count,
    pub(crate) connects: Count,
    pub(crate) connects_failed: Count,
    pub(crate) connections_lost: Count,
    pub(crate) ejections: Count,
    pub(crate) lists: Count,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            calls: Count::new("nacrite_channel_calls_total"),
            ended: AtomicU64::new(0),
            calls_failed: Count::new("nacrite_channel_calls_failed_total"),
            picks_waited: Count::new("nacrite_channel_picks_waited_total"),
            retries: Count::new("nacrite_channel_retries_total"),
            connects: Count::new("nacrite_channel_connects_total"),
            connects_failed: Count::new("nacrite_channel_connects_failed_total"),
            connections_lost: Count::new("nacrite_channel_connections_lost_total"),
            ejections: Count::new("nacrite_channel_ejections_total"),
            lists: Count::new("nacrite_channel_lists_total"),
        }
    }
}

impl Meter {
    /// A call is over.
    pub(crate) fn call_ended(&self) {
        self.ended.fetch_add(1, IN_ORDER);
    }

    /// How many calls are under way. Ended ones are read first, so that it is never less than there are.
    pub(crate) fn in_flight(&self) -> u64 {
        let ended = self.ended.load(IN_ORDER);
        self.calls.get().saturating_sub(ended)
    }

    pub(crate) fn counted(&self) -> ChannelMetrics {
        ChannelMetrics {
            calls_in_flight: self.in_flight(),
            calls: self.calls.get(),
            calls_failed: self.calls_failed.get(),
            picks_waited: self.picks_waited.get(),
            retries: self.retries.get(),
            connects: self.connects.get(),
            connects_failed: self.connects_failed.get(),
            connections_lost: self.connections_lost.get(),
            ejections: self.ejections.get(),
            lists: self.lists.get(),
        }
    }
}

/// The way to the recorder.
#[cfg(feature = "metrics")]
mod told {
    use std::fmt;

    /// A counter of the recorder.
    pub(super) struct Counter(metrics::Counter);

    impl Counter {
        pub(super) fn add_one(&self) {
            self.0.increment(1);
        }
    }

    impl fmt::Debug for Counter {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Counter")
        }
    }

    pub(super) fn counter(name: &'static str) -> Counter {
        Counter(metrics::counter!(name))
    }
}
