//! Drawing by weight in the same time however many there are: Walker's alias method, as Vose builds it.
//!
//! Every slot has the same chance, and belongs to one or two: to the second with what the first leaves of it.

/// Who is drawn how often. Never empty.
#[derive(Debug)]
pub(super) struct Alias {
    slots: Box<[Slot]>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// Below this, of 2³², the slot belongs to itself.
    own_below: u64,
    other: u32,
}

/// All of a slot.
const WHOLE: u64 = 1 << 32;

impl Alias {
    /// For these shares, all above 0 and finite.
    pub(super) fn new(shares: &[f64]) -> Self {
        let mean = shares.iter().sum::<f64>() / shares.len().max(1) as f64;
        let mut left: Vec<f64> = shares.iter().map(|share| share / mean).collect();
        let slot = |other| Slot { own_below: WHOLE, other };
        let mut slots: Vec<Slot> = (0_u32..).take(shares.len()).map(slot).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..shares.len()).partition(|at| left[*at] < 1.0);
        while let (Some(less), Some(more)) = (small.pop(), large.last().copied()) {
            slots[less] = Slot { own_below: (left[less] * WHOLE as f64) as u64, other: more as u32 };
            left[more] -= 1.0 - left[less];
            if left[more] < 1.0 {
                large.pop();
                small.push(more);
            }
        }
        // What rounding left over fills its slot.
        Self { slots: slots.into() }
    }

    /// Draws one by 64 random bits.
    pub(super) fn at(&self, bits: u64) -> usize {
        let (high, low) = (bits >> 32, bits & (WHOLE - 1));
        let at = ((high * self.slots.len() as u64) >> 32) as usize;
        match self.slots.get(at) {
            Some(slot) if low >= slot.own_below => slot.other as usize,
            _ => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each would be drawn of all, worked out from the slots.
    fn chances(shares: &[f64]) -> Vec<f64> {
        let alias = Alias::new(shares);
        let mut chances = vec![0.0; shares.len()];
        for (at, slot) in alias.slots.iter().enumerate() {
            let own = slot.own_below as f64 / WHOLE as f64;
            chances[at] += own / shares.len() as f64;
            chances[slot.other as usize] += (1.0 - own) / shares.len() as f64;
        }
        chances
    }

    #[test]
    fn chances_are_the_shares() {
        let many: Vec<f64> = (1..=1_000).map(f64::from).collect();
        for shares in [&[1.0][..], &[1.0, 1.0], &[1.0, 2.0, 7.0], &[0.001, 1_000_000.0], &many] {
            let sum: f64 = shares.iter().sum();
            for (chance, share) in chances(shares).iter().zip(shares) {
                assert!((chance - share / sum).abs() < 1e-9, "{chance} for {share} of {sum}");
            }
        }
    }

    #[test]
    fn all_bits_draw_somebody() {
        let alias = Alias::new(&[1.0, 2.0, 7.0]);
        for bits in [0, 1, u64::MAX, u64::MAX >> 32, WHOLE, WHOLE - 1] {
            assert!(alias.at(bits) < 3);
        }
    }
}
