//! What a client counts. Everything belongs to one client: there is nothing global, and nobody has to collect it.
//!
//! [`Client::metrics`](crate::Client::metrics) tells the numbers. With the feature `metrics` they go to the recorder of the crate
//! of that name as well, if the program installed one before it built the client.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The numbers of a client, as they were when it was asked. Counts begin with the client and only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Connections that servers let in. Everything above one per part of the client was a reconnect.
    pub connections: u64,
    /// Attempts to connect that failed.
    pub attempts_failed: u64,
    /// Requests that were asked for by the program or by the client itself, health checks excepted.
    pub requests: u64,
    /// Those that ended with an error.
    pub requests_failed: u64,
    /// Time that all requests took, attempts and waiting included.
    pub request_time: Duration,
    /// Pushes that servers sent.
    pub pushes: u64,
    /// Those that nobody took, or that could not be read.
    pub pushes_refused: u64,
    /// Choices of one instance by weight.
    pub picks: u64,
    /// Services whose instances are known and kept up to date.
    pub services: u64,
    /// Services of own instances that the server does not hold as they are wanted.
    pub registrations_waiting: u64,
    /// Since when that is so without a break; `None` if the server holds everything.
    pub registrations_waiting_for: Option<Duration>,
    /// Subscriptions that the server does not hold: lists of theirs may be out of date.
    pub subscriptions_waiting: u64,
    /// Since when that is so without a break; `None` if every list is kept up to date.
    pub subscriptions_waiting_for: Option<Duration>,
}

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
        self.own.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        self.told.add_one();
    }

    fn get(&self) -> u64 {
        self.own.load(Ordering::Relaxed)
    }
}

/// Where the parts of a client count.
#[derive(Debug)]
pub(crate) struct Meter {
    pub(crate) connections: Count,
    pub(crate) attempts_failed: Count,
    pub(crate) requests: Count,
    pub(crate) requests_failed: Count,
    pub(crate) pushes: Count,
    pub(crate) pushes_refused: Count,
    pub(crate) picks: Count,
    request_us: AtomicU64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            connections: Count::new("nacrite_client_connections_total"),
            attempts_failed: Count::new("nacrite_client_attempts_failed_total"),
            requests: Count::new("nacrite_client_requests_total"),
            requests_failed: Count::new("nacrite_client_requests_failed_total"),
            pushes: Count::new("nacrite_client_pushes_total"),
            pushes_refused: Count::new("nacrite_client_pushes_refused_total"),
            picks: Count::new("nacrite_client_picks_total"),
            request_us: AtomicU64::new(0),
        }
    }
}

impl Meter {
    /// A request has ended.
    pub(crate) fn request(&self, took: Duration, failed: bool) {
        self.requests.add_one();
        if failed {
            self.requests_failed.add_one();
        }
        self.request_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        told::request(took);
    }

    /// What was counted so far; what follows from the state of the parts is left at nothing.
    pub(crate) fn counted(&self) -> Metrics {
        Metrics {
            connections: self.connections.get(),
            attempts_failed: self.attempts_failed.get(),
            requests: self.requests.get(),
            requests_failed: self.requests_failed.get(),
            request_time: Duration::from_micros(self.request_us.load(Ordering::Relaxed)),
            pushes: self.pushes.get(),
            pushes_refused: self.pushes_refused.get(),
            picks: self.picks.get(),
            ..Metrics::default()
        }
    }
}

#[cfg(feature = "metrics")]
pub(crate) use told::state;

/// The way to the recorder.
#[cfg(feature = "metrics")]
mod told {
    use std::fmt;
    use std::time::Duration;

    use super::Metrics;

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

    pub(super) fn request(took: Duration) {
        metrics::histogram!("nacrite_client_request_seconds").record(took);
    }

    /// Tells what follows from the state of a client.
    pub(crate) fn state(now: &Metrics) {
        #[expect(clippy::cast_precision_loss, reason = "no client has 2^52 of anything")]
        let count = |count: u64| count as f64;
        let age = |age: Option<Duration>| age.unwrap_or_default();
        metrics::gauge!("nacrite_client_services").set(count(now.services));
        metrics::gauge!("nacrite_client_registrations_waiting").set(count(now.registrations_waiting));
        metrics::gauge!("nacrite_client_redo_age_seconds").set(age(now.registrations_waiting_for));
        metrics::gauge!("nacrite_client_subscriptions_waiting").set(count(now.subscriptions_waiting));
        metrics::gauge!("nacrite_client_cache_age_seconds").set(age(now.subscriptions_waiting_for));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_grow_by_what_happened() {
        let meter = Meter::default();
        meter.request(Duration::from_millis(3), false);
        meter.request(Duration::from_millis(4), true);
        meter.picks.add_one();
        let counted = meter.counted();
        assert_eq!((counted.requests, counted.requests_failed, counted.picks, counted.pushes), (2, 1, 1, 0));
        assert_eq!(counted.request_time, Duration::from_millis(7));
    }

    #[cfg(feature = "metrics")]
    mod recorder {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU64, Ordering};

        use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

        use super::Meter;

        #[derive(Default)]
        struct Heard(AtomicU64);

        impl CounterFn for Heard {
            fn increment(&self, value: u64) {
                self.0.fetch_add(value, Ordering::Relaxed);
            }

            fn absolute(&self, _: u64) {}
        }

        /// Listens to pushes alone.
        #[derive(Default)]
        struct Listening(Arc<Heard>);

        impl Recorder for Listening {
            fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
            fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
            fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

            fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
                match key.name() {
                    "nacrite_client_pushes_total" => Counter::from_arc(Arc::clone(&self.0)),
                    _ => Counter::noop(),
                }
            }

            fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
                Gauge::noop()
            }

            fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
                Histogram::noop()
            }
        }

        #[test]
        fn the_recorder_hears_what_is_counted() {
            let listening = Listening::default();
            let meter = metrics::with_local_recorder(&listening, Meter::default);
            meter.pushes.add_one();
            meter.pushes.add_one();
            meter.picks.add_one();
            assert_eq!(listening.0.0.load(Ordering::Relaxed), 2);
        }
    }
}
