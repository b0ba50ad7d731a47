//! Who gives how many clients to whom, so that all servers have equally many. Pure: loads go in, moves come out.
//!
//! A server never gives away more than it has above the mean, and none is given more than it lacks, so that a plan made
//! from numbers that are a second old does not turn the scale.

/// Servers this close to the mean, in hundredths, are as even as it gets: clients come and go by themselves.
const EVEN_WITHIN_PERCENT: usize = 2;

/// What one server is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which server, by its place in the list.
    pub from: usize,
    /// To whom, and how many; the one who lacks most first.
    pub to: Vec<(usize, usize)>,
}

impl Move {
    /// How many clients it gives away.
    #[must_use]
    pub fn count(&self) -> usize {
        self.to.iter().map(|(_, count)| count).sum()
    }
}

/// How far servers may be from the mean before anything is done, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance(usize);

impl Tolerance {
    /// From a share, as operators write it: 0.1 for a tenth. What is no number, or negative, tolerates nothing.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
    pub fn from_share(share: f32) -> Self {
        Self((share * 1000.0).clamp(0.0, 1_000_000.0).round() as usize)
    }

    /// From hundredths.
    #[must_use]
    pub const fn from_percent(percent: usize) -> Self {
        Self(percent.saturating_mul(10))
    }

    fn of(self, mean: usize) -> usize {
        mean.saturating_mul(self.0) / 1000
    }
}

/// The mean, rounded up: a server may keep the odd client.
#[must_use]
pub fn mean(loads: &[usize]) -> usize {
    loads.iter().sum::<usize>().div_ceil(loads.len().max(1))
}

/// Whether some server is too far from the mean.
#[must_use]
pub fn is_uneven(loads: &[usize], tolerance: Tolerance) -> bool {
    let mean = mean(loads);
    // One client more or less is no difference that anybody could even out.
    let slack = tolerance.of(mean).max(1);
    loads.iter().any(|load| load.abs_diff(mean) > slack)
}

/// Whether nothing more can be gained.
#[must_use]
pub fn is_even(loads: &[usize]) -> bool {
    !is_uneven(loads, Tolerance::from_percent(EVEN_WITHIN_PERCENT))
}

/// What evens the loads out: whoever has most gives to whoever lacks most.
#[must_use]
pub fn moves(loads: &[usize]) -> Vec<Move> {
    let mean = mean(loads);
    let lowest = loads.iter().sum::<usize>() / loads.len().max(1);
    let mut lacks: Vec<usize> = loads.iter().map(|load| lowest.saturating_sub(*load)).collect();
    let mut rich: Vec<usize> = (0..loads.len()).filter(|at| loads[*at] > mean).collect();
    rich.sort_by_key(|at| std::cmp::Reverse(loads[*at]));
    let mut moves = Vec::new();
    for from in rich {
        let mut surplus = loads[from] - mean;
        let mut to = Vec::new();
        while surplus > 0 {
            let Some((at, lack)) = lacks.iter().copied().enumerate().max_by_key(|(_, lack)| *lack) else { break };
            let count = lack.min(surplus);
            if count == 0 {
                break;
            }
            to.push((at, count));
            lacks[at] -= count;
            surplus -= count;
        }
        if !to.is_empty() {
            moves.push(Move { from, to });
        }
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(loads: &[usize]) -> Vec<(usize, Vec<(usize, usize)>)> {
        moves(loads).into_iter().map(|step| (step.from, step.to)).collect()
    }

    #[test]
    fn a_server_that_came_back_is_filled_by_all_others() {
        let mut planned = planned(&[1500, 0, 1500]);
        planned.sort_unstable();
        assert_eq!(planned, [(0, vec![(1, 500)]), (2, vec![(1, 500)])]);
    }

    #[test]
    fn one_rich_server_gives_to_all_poor_ones() {
        assert_eq!(planned(&[900, 0, 0]), [(0, vec![(2, 300), (1, 300)])]);
        assert_eq!(planned(&[90, 30, 60]), [(0, vec![(1, 30)])]);
    }

    #[test]
    fn nobody_gives_more_than_it_has_above_the_mean_nor_gets_more_than_it_lacks() {
        let mut state = 7_u64;
        for _ in 0..500 {
            let mut next = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                usize::try_from(state >> 48).unwrap_or(0) % 2000
            };
            let mut loads: Vec<usize> = (0..2 + next() % 6).map(|_| next()).collect();
            let (before, mean) = (loads.clone(), mean(&loads));
            for step in moves(&loads.clone()) {
                assert!(step.count() <= before[step.from] - mean, "{before:?}");
                for (to, count) in step.to {
                    loads[step.from] -= count;
                    loads[to] += count;
                }
            }
            assert!(loads.iter().zip(&before).all(|(now, was)| now.abs_diff(mean) <= was.abs_diff(mean).max(1)));
            assert!(is_even(&loads), "{before:?} became {loads:?}");
        }
    }

    #[test]
    fn a_tolerance_is_a_share_of_the_mean() {
        let tenth = Tolerance::from_share(0.1);
        assert_eq!(tenth, Tolerance::from_percent(10));
        assert!(!is_uneven(&[110, 90, 100], tenth) && is_uneven(&[115, 85, 100], tenth));
        assert!(!is_uneven(&[1, 0, 0], tenth), "an odd client is no unevenness");
        assert!(!is_uneven(&[], tenth) && !is_uneven(&[7], tenth));
        for odd in [f32::NAN, -1.0, f32::NEG_INFINITY] {
            assert_eq!(Tolerance::from_share(odd), Tolerance(0));
        }
    }
}
