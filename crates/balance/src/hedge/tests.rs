//! The cases of gRFC A6 for hedging, each under its name.

use super::*;
use crate::attempt::Reach;
use crate::throttle::ThrottleSettings;

/// A call that is hedged as in A6's example, and a clock that stands still unless it is moved.
struct Rig {
    hedge: Hedge,
    throttle: Option<Throttle>,
    began: Instant,
    now: Instant,
}

impl Rig {
    /// Four attempts, 500 ms apart; UNAVAILABLE, INTERNAL and ABORTED are not fatal.
    fn new() -> Self {
        Self::with_delay(500)
    }

    #[expect(clippy::disallowed_methods, reason = "a beginning to count from; nothing is measured")]
    fn with_delay(delay_ms: u64) -> Self {
        let non_fatal = [Code::Unavailable, Code::Internal, Code::Aborted].into_iter().collect();
        let policy = HedgingPolicy { attempts_max: 4, delay: Duration::from_millis(delay_ms), non_fatal };
        let now = Instant::now();
        Self { hedge: Hedge::new(Arc::new(policy), now), throttle: None, began: now, now }
    }

    /// A bucket from which so many more failures may take before it forbids.
    fn throttled_after(mut self, failures: u32) -> Self {
        let throttle = Throttle::new(ThrottleSettings { tokens_max: 10, per_success_thousandths: 100 });
        (failures..5).for_each(|_| throttle.failed());
        self.throttle = Some(throttle);
        self
    }

    /// Moves the clock to a time since the beginning, and tells which attempts go out.
    fn at(&mut self, ms: u64) -> Vec<u32> {
        self.now = self.began + Duration::from_millis(ms);
        std::iter::from_fn(|| self.hedge.due(self.now, self.throttle.as_ref())).collect()
    }

    fn told(&mut self, ended: Ended) -> Then {
        self.hedge.ended(self.now, &ended, self.throttle.as_ref())
    }

    fn next_ms(&self) -> Option<u128> {
        self.hedge.next_at().map(|at| (at - self.began).as_millis())
    }
}

fn unavailable() -> Ended {
    Ended::with(Code::Unavailable)
}

fn pushed_back(pushback: Pushback) -> Ended {
    Ended { pushback, ..unavailable() }
}

const NONE: Vec<u32> = Vec::new();

#[test]
fn attempts_go_out_one_delay_apart() {
    let mut rig = Rig::new();
    assert_eq!(rig.at(499), NONE);
    assert_eq!(rig.at(500), [1]);
    assert_eq!(rig.at(501), NONE);
    assert_eq!(rig.at(1_000), [2]);
    assert_eq!(rig.at(1_500), [3]);
    assert_eq!(rig.next_ms(), None);
    assert_eq!(rig.at(9_000), NONE);
}

#[test]
fn attempts_go_out_at_once_without_a_delay() {
    let mut rig = Rig::with_delay(0);
    assert_eq!(rig.at(0), [1, 2, 3]);
    assert_eq!(rig.next_ms(), None);
}

#[test]
fn first_success_is_the_answer() {
    let mut rig = Rig::new();
    assert_eq!(rig.at(500), [1]);
    assert_eq!(rig.told(Ended::with(Code::Ok)), Then::Deliver);
}

#[test]
fn fatal_status_is_the_answer() {
    for code in [Code::InvalidArgument, Code::NotFound, Code::Unknown, Code::Unauthenticated] {
        let mut rig = Rig::new();
        assert_eq!(rig.at(500), [1]);
        assert_eq!(rig.told(Ended::with(code)), Then::Deliver, "{code}");
    }
}

#[test]
fn non_fatal_status_sends_the_next_at_once_and_delays_resume() {
    let mut rig = Rig::new();
    assert_eq!(rig.at(100), NONE);
    assert_eq!(rig.told(unavailable()), Then::GoOn);
    assert_eq!(rig.next_ms(), Some(100));
    assert_eq!(rig.at(100), [1]);
    assert_eq!(rig.next_ms(), Some(600));
    assert_eq!(rig.at(600), [2]);
}

#[test]
fn all_failed_attempts_end_the_call_with_the_last() {
    let mut rig = Rig::new();
    for previous in 1..4 {
        assert_eq!(rig.told(unavailable()), Then::GoOn);
        assert_eq!(rig.at(0), [previous]);
    }
    assert_eq!(rig.told(Ended::with(Code::Aborted)), Then::Deliver);
}

#[test]
fn failures_wait_for_what_is_under_way() {
    let mut rig = Rig::with_delay(0);
    assert_eq!(rig.at(0), [1, 2, 3]);
    for _ in 0..3 {
        assert_eq!(rig.told(unavailable()), Then::GoOn);
    }
    assert_eq!(rig.told(Ended::with(Code::Ok)), Then::Deliver);
}

#[test]
fn pushback_not_to_retry_stops_further_attempts() {
    let mut rig = Rig::new();
    assert_eq!(rig.at(500), [1]);
    assert_eq!(rig.told(pushed_back(Pushback::Never)), Then::GoOn);
    assert_eq!(rig.next_ms(), None);
    assert_eq!(rig.at(9_000), NONE);
    assert_eq!(rig.told(unavailable()), Then::Deliver);
}

#[test]
fn pushback_not_to_retry_of_the_only_attempt_ends_the_call() {
    assert_eq!(Rig::new().told(pushed_back(Pushback::Never)), Then::Deliver);
}

#[test]
fn pushback_with_a_delay_moves_the_next_and_delays_resume_after_it() {
    let mut rig = Rig::new();
    assert_eq!(rig.at(500), [1]);
    assert_eq!(rig.told(pushed_back(Pushback::After(Duration::from_millis(800)))), Then::GoOn);
    assert_eq!(rig.next_ms(), Some(1_300));
    assert_eq!(rig.at(1_000), NONE);
    assert_eq!(rig.at(1_300), [2]);
    assert_eq!(rig.next_ms(), Some(1_800), "n + hedgingDelay");
}

#[test]
fn pushback_with_a_delay_waits_even_if_nothing_is_under_way() {
    let mut rig = Rig::new();
    assert_eq!(rig.told(pushed_back(Pushback::After(Duration::from_millis(800)))), Then::GoOn);
    assert_eq!(rig.at(799), NONE);
    assert_eq!(rig.at(800), [1]);
}

#[test]
fn pushback_with_a_delay_gives_no_more_attempts() {
    let mut rig = Rig::with_delay(0);
    assert_eq!(rig.at(0), [1, 2, 3]);
    for _ in 0..3 {
        assert_eq!(rig.told(pushed_back(Pushback::After(Duration::ZERO))), Then::GoOn);
        assert_eq!(rig.next_ms(), None);
    }
    assert_eq!(rig.told(pushed_back(Pushback::After(Duration::ZERO))), Then::Deliver);
}

#[test]
fn fatal_status_is_the_answer_whatever_the_server_says_about_coming_back() {
    let ended = Ended { pushback: Pushback::After(Duration::ZERO), ..Ended::with(Code::NotFound) };
    assert_eq!(Rig::new().told(ended), Then::Deliver);
}

#[test]
fn throttled_attempts_do_not_go_out() {
    let mut rig = Rig::new().throttled_after(0);
    assert_eq!(rig.at(500), NONE);
    assert_eq!(rig.next_ms(), None, "none after it either");
    assert!(!rig.hedge.is_over(), "the first is under way");
    assert_eq!(rig.told(unavailable()), Then::Deliver);
}

#[test]
fn throttle_that_forbids_while_nothing_is_under_way_ends_the_call() {
    let mut rig = Rig::new().throttled_after(2);
    assert_eq!(rig.told(pushed_back(Pushback::After(Duration::from_millis(800)))), Then::GoOn);
    rig.throttle.as_ref().expect("a bucket").failed();
    assert_eq!(rig.at(800), NONE);
    assert!(rig.hedge.is_over());
}

#[test]
fn failure_that_empties_the_bucket_stops_further_attempts() {
    let mut rig = Rig::new().throttled_after(1);
    assert_eq!(rig.told(unavailable()), Then::Deliver);
    let mut rig = Rig::new().throttled_after(1);
    assert_eq!(rig.at(500), [1]);
    assert_eq!(rig.told(unavailable()), Then::GoOn);
    assert_eq!(rig.next_ms(), None);
}

#[test]
fn only_what_speaks_against_the_service_takes_tokens() {
    for (ended, takes) in [
        (unavailable(), true),
        (Ended::with(Code::NotFound), false),
        (Ended { pushback: Pushback::Never, ..Ended::with(Code::NotFound) }, true),
        (Ended { reach: Reach::NeverLeft, ..unavailable() }, false),
    ] {
        let mut rig = Rig::new().throttled_after(1);
        let _then = rig.told(ended);
        assert_eq!(!rig.throttle.expect("a bucket").allows(), takes, "{ended:?}");
    }
}

#[test]
fn attempts_that_the_application_never_saw_are_repeated_without_counting() {
    let mut rig = Rig::new();
    for _ in 0..10 {
        assert_eq!(rig.told(Ended { reach: Reach::NeverLeft, ..unavailable() }), Then::Repeat);
    }
    assert_eq!(rig.told(Ended { reach: Reach::Unprocessed, ..unavailable() }), Then::Repeat);
    assert_eq!(rig.told(Ended { reach: Reach::Unprocessed, ..unavailable() }), Then::GoOn, "once");
    assert_eq!(rig.at(0), [1]);
    assert_eq!(rig.at(1_000), [2]);
    assert_eq!(rig.at(1_500), [3]);
    assert_eq!(rig.next_ms(), None);
}

#[test]
fn answer_that_began_is_the_answer() {
    let mut rig = Rig::new();
    assert_eq!(rig.at(500), [1]);
    assert_eq!(rig.told(Ended { is_committed: true, ..unavailable() }), Then::Deliver);
}

#[test]
fn request_that_cannot_be_kept_is_bound_to_one_attempt() {
    let mut rig = Rig::new();
    assert_eq!(rig.at(500), [1]);
    rig.hedge.committed();
    assert_eq!(rig.at(9_000), NONE);
    assert!(!rig.hedge.is_over());
    assert_eq!(rig.told(unavailable()), Then::Deliver);
}
