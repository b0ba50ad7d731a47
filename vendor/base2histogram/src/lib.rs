//! Stands in for the crate `base2histogram`, of which openraft uses these names: same shape, nothing kept.
//!
//! openraft fills its histograms always, but shows them only with its feature `runtime-stats`, which Nacrite does not
//! use. The real crate builds tables for sixteen resolutions when the first histogram is made: 27 MB that stay for ever
//! and a third of the time of a start. The reasons and the way back: `docs/adr/0003-histograms-of-openraft.md`.

use std::fmt;
use std::marker::PhantomData;

/// A distribution of which nothing is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram<T = ()>(PhantomData<T>);

impl<T> Histogram<T> {
    /// An empty histogram.
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// Takes note of nothing.
    pub fn record(&mut self, _value: u64) {}

    /// Takes note of nothing, several times.
    pub fn record_n(&mut self, _value: u64, _count: u64) {}

    /// How many values are kept: none.
    pub const fn total(&self) -> u64 {
        0
    }

    /// What is known of the values: nothing.
    pub fn percentile_stats(&self) -> PercentileStats {
        PercentileStats::default()
    }
}

/// Values below which a part of all values lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PercentileStats {
    pub samples: u64,
    pub p0_1: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p99_9: u64,
}

impl fmt::Display for PercentileStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing kept")
    }
}

/// A drawing of histograms, without histograms.
#[derive(Clone, Debug, Default)]
pub struct AsciiChart(());

impl AsciiChart {
    /// An empty drawing.
    pub const fn new() -> Self {
        Self(())
    }

    /// The drawing with one histogram more, of which nothing is seen.
    #[must_use]
    pub fn add(self, _name: &str, _histogram: Histogram) -> Self {
        self
    }
}

impl fmt::Display for AsciiChart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing kept")
    }
}
