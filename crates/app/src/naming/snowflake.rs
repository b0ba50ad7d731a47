//! Numbers that no other instance gets: time, node and a counter in 63 bits, laid out as Nacos does
//! (`reference/semantics.md`, 2.2).

use nacrite_env::SharedClock;
use parking_lot::Mutex;

/// Where the time in a number begins, ms since the Unix epoch.
const EPOCH_MS: u64 = 1_533_429_240_000;
const WORKER_BITS: u32 = 10;
const SEQUENCE_BITS: u32 = 12;

/// Makes numbers for one node.
#[derive(Debug)]
pub(super) struct Snowflake {
    clock: SharedClock,
    worker: u64,
    /// Milliseconds and counter of the newest number.
    newest: Mutex<(u64, u64)>,
}

impl Snowflake {
    pub(super) fn new(clock: SharedClock, worker: u64) -> Self {
        Self { clock, worker: worker % (1 << WORKER_BITS), newest: Mutex::new((0, 0)) }
    }

    /// A number above every one before. When a millisecond has given all it can, the next one is borrowed from.
    pub(super) fn next(&self) -> u64 {
        let now = self.clock.now().as_ms().saturating_sub(EPOCH_MS);
        let mut newest = self.newest.lock();
        let (ms, sequence) = *newest;
        *newest = if now > ms {
            (now, 0)
        } else if sequence + 1 < 1 << SEQUENCE_BITS {
            (ms, sequence + 1)
        } else {
            (ms + 1, 0)
        };
        let (ms, sequence) = *newest;
        self.number(ms, sequence)
    }

    /// The newest number, 0 if there was none, and the node in it.
    pub(super) fn newest(&self) -> (u64, u64) {
        let (ms, sequence) = *self.newest.lock();
        let number = if ms == 0 { 0 } else { self.number(ms, sequence) };
        (number, self.worker)
    }

    fn number(&self, ms: u64, sequence: u64) -> u64 {
        ms << (WORKER_BITS + SEQUENCE_BITS) | self.worker << SEQUENCE_BITS | sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::Timestamp;
    use nacrite_env::clock::ManualClock;
    use std::sync::Arc;

    #[test]
    fn numbers_grow_even_while_the_clock_stands_still() {
        let now = Timestamp::from_ms(EPOCH_MS + 1000);
        let snowflake = Snowflake::new(Arc::new(ManualClock::at(now)), 5);
        assert_eq!(snowflake.newest(), (0, 5));
        let numbers: Vec<u64> = (0..10_000).map(|_| snowflake.next()).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(numbers[0] >> (WORKER_BITS + SEQUENCE_BITS), 1000, "the time is in the number");
        assert_eq!(snowflake.newest(), (numbers[9_999], 5));
    }
}
