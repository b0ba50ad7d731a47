//! Where chance comes from: node ids, jitter.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A source of random numbers.
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// Any number.
    fn next_u64(&self) -> u64;

    /// A number from 0 up to, but without, `bound`; 0 if `bound` is 0.
    fn below(&self, bound: u64) -> u64 {
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }
}

/// Randomness as it is handed around.
pub type SharedRandom = Arc<dyn Random>;

/// A generator that repeats itself for the same seed.
#[derive(Debug)]
pub struct SeededRandom(Mutex<StdRng>);

impl SeededRandom {
    /// A generator for tests: the same seed, the same numbers.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// A generator that the operating system seeded.
    #[must_use]
    pub fn from_system() -> Self {
        Self(Mutex::new(rand::make_rng()))
    }
}

impl Random for SeededRandom {
    fn next_u64(&self) -> u64 {
        self.0.lock().next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let (a, b) = (SeededRandom::from_seed(7), SeededRandom::from_seed(7));
        assert_eq!(a.next_u64(), b.next_u64());
        assert!(a.below(10) < 10);
        assert_eq!(a.below(0), 0);
    }
}
