//! Lives, told as scripts: when, what happens, and the act that follows (`-` for none, `end` for the end).

use super::*;

/// Bounds that can be told apart by their numbers.
fn bounds() -> Bounds {
    let s = Duration::from_secs;
    Bounds {
        ready_within: s(60),
        register_within: s(10),
        hooks_within: s(5),
        deregister_within: s(3),
        drain_wait: s(4),
        drain_within: s(8),
        close_within: s(1),
        stop_within: s(25),
    }
}

fn event_of(word: &str) -> Event {
    match word {
        "served" => Event::Served,
        "done" => Event::Done,
        "failed" => Event::Failed,
        "leave" => Event::Leave(LeaveReason::Call),
        "signal" => Event::Leave(LeaveReason::Signal),
        "at-once" => Event::AtOnce,
        "serve-ended" => Event::ServeEnded,
        "deadline" => Event::Deadline,
        other => panic!("no such event: {other}"),
    }
}

/// Plays a script. Before each line the deadline must not have been missed: a life says itself when it wants to be woken.
fn check_with(bounds: Bounds, registers: Registers, script: &str) -> Life {
    let mut life = Life::new(bounds, registers);
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut words = line.split_whitespace();
        let mut word = || words.next().unwrap_or_else(|| panic!("a word is missing: {line}"));
        let now = Duration::from_millis(word().parse().expect("a time in ms"));
        let (event, expected) = (word(), word());
        if event == "deadline" {
            assert_eq!(life.deadline(), Some(now), "{line}");
        } else {
            assert!(life.deadline().is_none_or(|deadline| now <= deadline), "a deadline was missed: {line}");
        }
        let follows = match life.on(now, event_of(event)) {
            None => "-".to_owned(),
            Some(Order::End) => "end".to_owned(),
            Some(Order::Do(act)) => format!("{act:?}"),
        };
        assert_eq!(follows, expected, "{line}");
    }
    life
}

fn check(registers: Registers, script: &str) -> Life {
    check_with(bounds(), registers, script)
}

#[test]
fn a_life_goes_from_bound_to_closed_step_by_step() {
    let life = check(
        Registers::OrEnds,
        "
            0 served      Gate
          500 done        Describe
          600 done        BeforeRegister
          700 done        Register
          800 done        AfterRegister
          900 done        Stay
        90000 signal      BeforeLeave
        90100 done        Deregister
        90200 done        AfterLeave
        90300 done        Linger
        94300 deadline    Drain
        95000 serve-ended Close
        95100 done        end
        95200 leave       -
        ",
    );
    assert_eq!((life.reason(), life.is_late()), (Some(LeaveReason::Signal), false));
}

#[test]
fn who_fails_fast_ends_without_having_been_registered() {
    for (script, reason) in [
        ("0 served Gate \n 60000 deadline Drain \n 60001 serve-ended Close", LeaveReason::Failed),
        ("0 served Gate \n 10 failed Drain \n 20 serve-ended Close", LeaveReason::Failed),
        ("0 served Gate \n 0 done Describe \n 10000 deadline Drain", LeaveReason::Failed),
        ("0 served Gate \n 0 done Describe \n 0 done BeforeRegister \n 5000 deadline Drain", LeaveReason::Failed),
        ("0 served Gate \n 0 done Describe \n 0 done BeforeRegister \n 1 leave Drain", LeaveReason::Call),
    ] {
        assert_eq!(check(Registers::OrEnds, script).reason(), Some(reason), "{script}");
    }
}

#[test]
fn a_registration_that_may_have_come_through_is_taken_back_and_nobody_waits_for_callers() {
    let asked = "0 served Gate \n 0 done Describe \n 0 done BeforeRegister \n 0 done Register \n";
    for end in ["10000 deadline Deregister", "9999 failed Deregister", "9998 leave Deregister"] {
        check(Registers::OrEnds, &format!("{asked} {end} \n 10100 done Drain \n 10200 serve-ended Close"));
    }
}

#[test]
fn who_keeps_trying_waits_for_as_long_as_it_takes() {
    let life = check(
        Registers::WhenPossible,
        "
             0 served   Gate
        999000 done     Describe
       1999000 done     BeforeRegister
       1999001 done     Register
       9999000 done     AfterRegister
       9999001 done     Stay
        ",
    );
    assert_eq!(life.deadline(), None);
}

#[test]
fn who_is_not_registered_serves_and_drains() {
    check(Registers::Never, "0 served Gate \n 1 done Stay \n 9 leave Drain \n 10 serve-ended Close \n 11 done end");
}

#[test]
fn hooks_that_hang_or_fail_hold_up_nothing() {
    let life = check(
        Registers::OrEnds,
        "
            0 served      Gate
            0 done        Describe
            0 done        BeforeRegister
            0 done        Register
            0 done        AfterRegister
         5000 deadline    Stay
         9000 leave       BeforeLeave
        14000 deadline    Deregister
        17000 deadline    AfterLeave
        17001 failed      Linger
        21001 deadline    Drain
        29001 deadline    Close
        30001 deadline    end
        ",
    );
    assert!(life.is_late(), "what is under way was cut");
}

#[test]
fn one_bound_holds_over_all_of_leaving() {
    let life = check_with(
        Bounds { stop_within: Duration::from_secs(6), ..bounds() },
        Registers::OrEnds,
        "
            0 served      Gate
            0 done        Describe
            0 done        BeforeRegister
            0 done        Register
            0 done        AfterRegister
            0 done        Stay
         1000 leave       BeforeLeave
         6000 deadline    Deregister
         7000 deadline    end
        ",
    );
    assert!(life.is_late());
}

#[test]
fn a_server_that_ends_by_itself_is_taken_back_and_nobody_waits() {
    let running = "0 served Gate \n 0 done Describe \n 0 done BeforeRegister \n 0 done Register \n 0 done AfterRegister
        0 done Stay \n";
    let life = check(
        Registers::OrEnds,
        &format!("{running} 5 serve-ended BeforeLeave \n 6 done Deregister \n 7 done AfterLeave \n 8 done Close"),
    );
    assert_eq!(life.reason(), Some(LeaveReason::ServerEnded));
    // While it is leaving: the rest of what takes time goes without it.
    check(Registers::OrEnds, &format!("{running} 5 leave BeforeLeave \n 6 serve-ended - \n 7 done Deregister"));
    check(
        Registers::OrEnds,
        &format!(
            "{running} 5 leave BeforeLeave \n 6 done Deregister \n 7 done AfterLeave \n 8 done Linger \n 9 serve-ended Close"
        ),
    );
    check(Registers::OrEnds, "0 served Gate \n 1 serve-ended Close \n 2 done end");
}

#[test]
fn told_twice_it_ends_at_once_wherever_it_is() {
    let steps = ["served", "done", "done", "done", "done", "done", "leave", "done", "done", "done", "deadline"];
    for len in 0..=steps.len() {
        let mut life = Life::new(bounds(), Registers::OrEnds);
        for (at, step) in (0..).zip(&steps[..len]) {
            let now = life.deadline().filter(|_| *step == "deadline").unwrap_or(Duration::from_millis(at));
            life.on(now, event_of(step));
        }
        let now = Duration::from_secs(60);
        assert_eq!(life.on(now, Event::AtOnce), Some(Order::End), "after {len} steps");
        assert_eq!((life.on(now, Event::AtOnce), life.deadline()), (None, None), "after the end nothing comes");
    }
}

#[test]
fn no_waiting_for_callers_if_there_is_none_to_be() {
    let bounds = Bounds { drain_wait: Duration::ZERO, ..bounds() };
    let script = "0 served Gate \n 0 done Describe \n 0 done BeforeRegister \n 0 done Register \n 0 done AfterRegister
        0 done Stay \n 1 leave BeforeLeave \n 2 done Deregister \n 3 done AfterLeave \n 4 done Drain";
    check_with(bounds, Registers::OrEnds, script);
}

/// Whatever happens in whatever order: no act of leaving is begun twice, and once it leaves it is over in time, even if
/// nothing but deadlines happens any more.
#[test]
fn in_any_order_everything_happens_once_and_ends_in_time() {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};
    let events = ["served", "done", "done", "done", "failed", "leave", "signal", "serve-ended", "deadline"];
    for seed in 0..2000 {
        let mut random = StdRng::seed_from_u64(seed);
        let registers = [Registers::OrEnds, Registers::WhenPossible, Registers::Never][random.random_range(0..3)];
        let mut life = Life::new(bounds(), registers);
        let (mut now, mut left_at, mut begun) = (Duration::ZERO, None, Vec::new());
        let mut on = |life: &mut Life, now, event| {
            if let Some(Order::Do(act)) = life.on(now, event) {
                assert!(!begun.contains(&act), "seed {seed}: {act:?} is begun twice");
                begun.push(act);
            }
            if left_at.is_none() && life.reason().is_some() {
                left_at = Some(now);
            }
            left_at
        };
        for _ in 0..random.random_range(0..20) {
            let event = event_of(events[random.random_range(0..events.len())]);
            now = if event == Event::Deadline { life.deadline().unwrap_or(now) } else { now };
            on(&mut life, now, event);
        }
        let left_at = on(&mut life, now, Event::Leave(LeaveReason::Call)).unwrap_or(now);
        while let Some(deadline) = life.deadline() {
            now = now.max(deadline);
            on(&mut life, now, Event::Deadline);
        }
        assert_eq!(life.step, Step::Over, "seed {seed}");
        assert!(now <= left_at + bounds().stop_within, "seed {seed}: {now:?} for one that left at {left_at:?}");
    }
}
