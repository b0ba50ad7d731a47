//! The cases of gRFC A6 for retries, each under its name.

use super::*;
use crate::attempt::{NEVER_LEFT_MAX, Reach};
use crate::throttle::ThrottleSettings;

/// Neither shorter nor longer than the rule says.
const EVEN: f64 = 0.5;

/// The policy of A6's example: four attempts; 0.1 s, doubled, up to 1 s; UNAVAILABLE.
fn retry() -> Retry {
    let backoff = BackoffSettings { initial: Duration::from_millis(100), multiplier: 2.0, max: Duration::from_secs(1) };
    let retryable = [Code::Unavailable].into_iter().collect();
    Retry::new(Some(Arc::new(RetryPolicy { attempts_max: 4, backoff, retryable, attempt_within: None })))
}

/// The bucket of A6's example.
fn throttle() -> Throttle {
    Throttle::new(ThrottleSettings { tokens_max: 10, per_success_thousandths: 100 })
}

fn again(after_ms: u64, previous: u32) -> Next {
    Next::Again { after: Duration::from_millis(after_ms), previous }
}

fn stop(why: Stop) -> Next {
    Next::Stop(why)
}

fn unavailable() -> Ended {
    Ended::with(Code::Unavailable)
}

fn pushed_back(code: Code, pushback: Pushback) -> Ended {
    Ended { pushback, ..Ended::with(code) }
}

fn after(ms: u64) -> Pushback {
    Pushback::After(Duration::from_millis(ms))
}

fn reached(reach: Reach) -> Ended {
    Ended { reach, ..unavailable() }
}

/// Plays ends of attempts, and what must follow each.
fn check(mut retry: Retry, throttle: Option<&Throttle>, steps: &[(Ended, Next)]) {
    for (step, (ended, next)) in steps.iter().enumerate() {
        assert_eq!(retry.ended(ended, throttle, EVEN), *next, "step {step}: {ended:?}");
    }
}

#[test]
fn success_is_returned() {
    check(retry(), None, &[(Ended::with(Code::Ok), stop(Stop::Succeeded))]);
    check(retry(), None, &[(unavailable(), again(100, 1)), (Ended::with(Code::Ok), stop(Stop::Succeeded))]);
}

#[test]
fn fatal_status_is_returned() {
    for number in (1..=16).filter(|number| *number != 14) {
        let code = Code::from_number(number).expect("a code");
        check(retry(), None, &[(Ended::with(code), stop(Stop::NotRetryable))]);
    }
    check(retry(), None, &[(unavailable(), again(100, 1)), (Ended::with(Code::Internal), stop(Stop::NotRetryable))]);
}

#[test]
fn retryable_status_is_retried_up_to_the_attempts() {
    let steps = [
        (unavailable(), again(100, 1)),
        (unavailable(), again(200, 2)),
        (unavailable(), again(400, 3)),
        (unavailable(), stop(Stop::Exhausted)),
    ];
    check(retry(), None, &steps);
}

#[test]
fn delays_grow_up_to_the_longest() {
    let backoff = BackoffSettings { initial: Duration::from_millis(300), multiplier: 3.0, max: Duration::from_secs(1) };
    let retryable = [Code::Aborted].into_iter().collect();
    let retry = Retry::new(Some(Arc::new(RetryPolicy { attempts_max: 5, backoff, retryable, attempt_within: None })));
    let aborted = Ended::with(Code::Aborted);
    let steps = [
        (aborted, again(300, 1)),
        (aborted, again(900, 2)),
        (aborted, again(1_000, 3)),
        (aborted, again(1_000, 4)),
        (aborted, stop(Stop::Exhausted)),
    ];
    check(retry, None, &steps);
}

#[test]
fn delays_are_up_to_a_fifth_shorter_or_longer() {
    assert_eq!(retry().ended(&unavailable(), None, 0.0), again(80, 1));
    let Next::Again { after, .. } = retry().ended(&unavailable(), None, 0.999_999) else { panic!("it is retried") };
    assert!((Duration::from_millis(119)..=Duration::from_millis(120)).contains(&after), "{after:?}");
}

#[test]
fn pushback_not_to_retry_is_obeyed() {
    check(retry(), None, &[(pushed_back(Code::Unavailable, Pushback::Never), stop(Stop::PushedBack))]);
    check(retry(), None, &[(pushed_back(Code::Internal, Pushback::Never), stop(Stop::NotRetryable))]);
}

#[test]
fn pushback_with_a_delay_is_exact_and_begins_the_delays_anew() {
    let steps = [
        (unavailable(), again(100, 1)),
        (pushed_back(Code::Unavailable, after(7)), again(7, 2)),
        (unavailable(), again(100, 3)),
        (unavailable(), stop(Stop::Exhausted)),
    ];
    check(retry(), None, &steps);
    assert_eq!(retry().ended(&pushed_back(Code::Unavailable, after(7)), None, 0.0), again(7, 1), "without jitter");
}

#[test]
fn pushback_of_0_is_at_once() {
    check(retry(), None, &[(pushed_back(Code::Unavailable, after(0)), again(0, 1))]);
}

#[test]
fn pushback_with_a_delay_gives_no_more_attempts() {
    let steps = [
        (unavailable(), again(100, 1)),
        (unavailable(), again(200, 2)),
        (unavailable(), again(400, 3)),
        (pushed_back(Code::Unavailable, after(7)), stop(Stop::Exhausted)),
    ];
    check(retry(), None, &steps);
}

#[test]
fn pushback_with_a_delay_makes_no_status_retryable() {
    check(retry(), None, &[(pushed_back(Code::Internal, after(7)), stop(Stop::NotRetryable))]);
}

#[test]
fn committed_call_is_not_retried() {
    let committed = Ended { is_committed: true, ..unavailable() };
    check(retry(), None, &[(committed, stop(Stop::Committed))]);
    for reach in [Reach::NeverLeft, Reach::Unprocessed] {
        let committed = Ended { is_committed: true, ..reached(reach) };
        check(retry(), None, &[(committed, stop(Stop::Committed))]);
        check(Retry::new(None), None, &[(committed, stop(Stop::NoPolicy))]);
    }
}

#[test]
fn call_without_a_policy_is_not_retried() {
    check(Retry::new(None), None, &[(unavailable(), stop(Stop::NoPolicy))]);
}

#[test]
fn call_that_no_endpoint_was_picked_for_follows_the_policy() {
    // As an attempt that ended with UNAVAILABLE: `Reach::Other`.
    check(retry(), None, &[(reached(Reach::Other), again(100, 1))]);
    check(Retry::new(None), None, &[(reached(Reach::Other), stop(Stop::NoPolicy))]);
}

#[test]
fn attempt_that_never_left_is_repeated_without_counting() {
    for mut retry in [retry(), Retry::new(None)] {
        for _ in 0..NEVER_LEFT_MAX {
            assert_eq!(retry.ended(&reached(Reach::NeverLeft), None, EVEN), again(0, 0));
        }
        let next = retry.ended(&reached(Reach::NeverLeft), None, EVEN);
        assert_ne!(next, again(0, 0), "a call must end");
    }
    let steps = [
        (unavailable(), again(100, 1)),
        (reached(Reach::NeverLeft), again(0, 1)),
        (unavailable(), again(200, 2)),
        (reached(Reach::NeverLeft), again(0, 2)),
        (unavailable(), again(400, 3)),
        (reached(Reach::NeverLeft), again(0, 3)),
        (unavailable(), stop(Stop::Exhausted)),
    ];
    check(retry(), None, &steps);
}

#[test]
fn unprocessed_attempt_is_repeated_once_and_then_follows_the_policy() {
    let unprocessed = reached(Reach::Unprocessed);
    let steps = [
        (unprocessed, again(0, 0)),
        (unprocessed, again(100, 1)),
        (unprocessed, again(200, 2)),
        (unprocessed, again(400, 3)),
        (unprocessed, stop(Stop::Exhausted)),
    ];
    check(retry(), None, &steps);
    check(Retry::new(None), None, &[(unprocessed, again(0, 0)), (unprocessed, stop(Stop::NoPolicy))]);
    check(retry(), None, &[(unavailable(), again(100, 1)), (unprocessed, again(200, 2))]);
}

#[test]
fn attempts_that_the_application_never_saw_take_no_tokens() {
    let throttle = throttle();
    let mut retry = retry();
    for _ in 0..100 {
        assert_eq!(retry.ended(&reached(Reach::NeverLeft), Some(&throttle), EVEN), again(0, 0));
    }
    assert_eq!(retry.ended(&reached(Reach::Unprocessed), Some(&throttle), EVEN), again(0, 0));
    assert!(throttle.allows());
}

#[test]
fn throttled_call_is_not_retried() {
    let throttle = throttle();
    (0..4).for_each(|_| throttle.failed());
    check(retry(), Some(&throttle), &[(unavailable(), stop(Stop::Throttled))]);
    (0..11).for_each(|_| throttle.succeeded());
    check(retry(), Some(&throttle), &[(unavailable(), again(100, 1)), (unavailable(), stop(Stop::Throttled))]);
}

#[test]
fn only_what_speaks_against_the_service_takes_tokens() {
    let throttle = throttle();
    for _ in 0..100 {
        check(retry(), Some(&throttle), &[(Ended::with(Code::InvalidArgument), stop(Stop::NotRetryable))]);
        check(Retry::new(None), Some(&throttle), &[(unavailable(), stop(Stop::NoPolicy))]);
    }
    assert!(throttle.allows());
    for _ in 0..5 {
        let never = pushed_back(Code::InvalidArgument, Pushback::Never);
        check(retry(), Some(&throttle), &[(never, stop(Stop::NotRetryable))]);
    }
    assert!(!throttle.allows(), "a server that asks not to come back is in trouble");
}

#[test]
fn success_puts_tokens_back() {
    let throttle = throttle();
    (0..5).for_each(|_| throttle.failed());
    check(retry(), Some(&throttle), &[(Ended::with(Code::Ok), stop(Stop::Succeeded))]);
    assert!(throttle.allows());
}

#[test]
fn committed_failure_takes_tokens() {
    let throttle = throttle();
    let committed = Ended { is_committed: true, ..unavailable() };
    (0..5).for_each(|_| check(retry(), Some(&throttle), &[(committed, stop(Stop::Committed))]));
    assert!(!throttle.allows());
}

#[test]
fn attempt_that_takes_too_long_is_retried() {
    let timed_out = Ended { has_timed_out: true, ..Ended::with(Code::DeadlineExceeded) };
    check(retry(), None, &[(timed_out, again(100, 1))]);
    check(Retry::new(None), None, &[(timed_out, stop(Stop::NoPolicy))]);
}
