//! How long news took, in a few words of memory: fixed buckets whose counts are halved when one is full, so that the shape
//! stays and old times fade.

use std::time::Duration;

/// Upper ends of the buckets, in ms; the last bucket has none.
pub const BOUNDS_MS: [u32; 11] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000];

/// Counts of latencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies([u16; BOUNDS_MS.len() + 1]);

impl Latencies {
    /// Counts one.
    pub fn note(&mut self, took: Duration) {
        let ms = took.as_millis();
        let at = BOUNDS_MS.partition_point(|bound| u128::from(*bound) < ms);
        if self.0[at] == u16::MAX {
            self.0.iter_mut().for_each(|count| *count /= 2);
        }
        self.0[at] += 1;
    }

    /// The counts, one per bucket.
    #[must_use]
    pub fn counts(&self) -> &[u16] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bucket_ends_with_its_bound() {
        let mut latencies = Latencies::default();
        for ms in [0, 1, 2, 3, 5000, 5001, 1_000_000] {
            latencies.note(Duration::from_millis(ms));
        }
        assert_eq!(latencies.counts(), [2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn a_full_bucket_halves_all() {
        let mut latencies = Latencies::default();
        (0..100).for_each(|_| latencies.note(Duration::from_millis(50)));
        (0..=u32::from(u16::MAX)).for_each(|_| latencies.note(Duration::ZERO));
        assert_eq!((latencies.counts()[0], latencies.counts()[5]), (u16::MAX / 2 + 1, 50));
    }
}
