//! What the two fuzzy watch requests have in common: everything but the words.

use nacrite_app::push::fuzzy::{FuzzyWatch, Knowing, WatchOutcome, Watchable, Watched};
use nacrite_base::Fault;
use nacrite_wire::from_wire::fuzzy::FuzzyAsk;
use nacrite_wire::to_wire::DONE;
use nacrite_wire::to_wire::fuzzy::{matches_full, patterns_full};

use crate::table::{Answered, Call};

pub(super) fn handle<K: Watchable, S: Watched<K>>(
    watch: &FuzzyWatch<K, S>,
    call: &Call<'_>,
    ask: Result<FuzzyAsk<K>, Fault>,
) -> Answered {
    match ask? {
        FuzzyAsk::Watch { pattern, known, initializing } => {
            let knowing = Knowing { names: known, is_new: initializing };
            Ok(match watch.watch(call.connection, &pattern, knowing)? {
                WatchOutcome::Whole => DONE,
                WatchOutcome::Cut => matches_full(),
                WatchOutcome::PatternsFull => patterns_full(),
            })
        }
        FuzzyAsk::Cancel { pattern } => {
            watch.cancel(call.connection, &pattern);
            Ok(DONE)
        }
        FuzzyAsk::Nothing => Ok(DONE),
    }
}
