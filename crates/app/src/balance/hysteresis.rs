//! When a server gives clients away of its own accord: above a threshold it begins, below a lower one it ends, and then it
//! rests. Between the thresholds it goes on with what it does, so that it does not swing.

use std::time::Duration;

use nacrite_base::Timestamp;

/// Below this many clients too many, nothing is worth a move: some would have to go on a cluster of ten.
const SURPLUS_MIN: usize = 10;

/// When it begins, ends and rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Begins this many hundredths above the mean.
    pub start_percent: usize,
    /// Ends this many hundredths above the mean.
    pub stop_percent: usize,
    /// Rests at least this long after an end.
    pub pause: Duration,
}

/// Whether it gives clients away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hysteresis {
    is_moving: bool,
    rests_until: Timestamp,
}

impl Hysteresis {
    /// Looks at the present: this server has `own` clients, the mean is `mean`. Returns whether to give clients away.
    pub fn look(&mut self, now: Timestamp, own: usize, mean: usize, thresholds: &Thresholds) -> bool {
        let is_above = |percent: usize| own > mean + mean * percent / 100;
        if self.is_moving {
            if !is_above(thresholds.stop_percent) {
                *self = Self { is_moving: false, rests_until: now + thresholds.pause };
            }
        } else if now >= self.rests_until && is_above(thresholds.start_percent) && own - mean >= SURPLUS_MIN {
            self.is_moving = true;
        }
        self.is_moving
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_high_ends_low_and_rests() {
        let thresholds = Thresholds { start_percent: 20, stop_percent: 5, pause: Duration::from_secs(60) };
        let mut hysteresis = Hysteresis::default();
        let mut look = |seconds: u64, own| hysteresis.look(Timestamp::from_ms(seconds * 1000), own, 100, &thresholds);
        assert_eq!([look(0, 119), look(1, 120), look(2, 121)], [false, false, true]);
        assert_eq!([look(3, 110), look(4, 106), look(5, 105)], [true, true, false]);
        assert_eq!([look(6, 150), look(64, 150), look(65, 150)], [false, false, true]);
    }

    #[test]
    fn a_few_clients_are_not_worth_a_move() {
        let thresholds = Thresholds { start_percent: 20, stop_percent: 5, pause: Duration::ZERO };
        assert!(!Hysteresis::default().look(Timestamp::from_ms(1), 9, 3, &thresholds));
        assert!(Hysteresis::default().look(Timestamp::from_ms(1), 13, 3, &thresholds));
    }
}
