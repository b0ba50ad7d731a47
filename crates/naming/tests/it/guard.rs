//! What the guard holds back, and what it never does: in the registry as scripts, the guard itself as lines of time, who
//! is heard, and what is in doubt.

use std::time::Duration;

use nacrite_base::{GroupName, NamespaceId, ServiceKey, ServiceName, Timestamp};
use nacrite_naming::guard::{Pause, Phase};
use nacrite_naming::{Census, Doubt, Guard, GuardRules};

use crate::script::check;

#[test]
fn what_an_earlier_run_knew_is_shown_until_its_client_is_back() {
    check(
        "
        0      guard doubts everything
        0      c1 was known in orders 10.0.0.1:80 v=old, 10.0.0.2:80
        0      b1 was known in orders 10.0.0.3:80
        5000   orders shows 10.0.0.1:80 v=old, 10.0.0.2:80, 10.0.0.3:80
        6000   c2 registers orders 10.0.0.1:80 v=new
        6000   orders shows 10.0.0.1:80 v=new, 10.0.0.2:80, 10.0.0.3:80
        20000  orders shows 10.0.0.1:80 v=new, 10.0.0.2:80, 10.0.0.3:80   # nor does silence make anybody unhealthy
        29500  b1 beats orders
        30000  guard believes
        31000  orders pushed
        31000  orders shows 10.0.0.1:80 v=new, 10.0.0.3:80
        ",
    );
}

/// A client with two services lost the first of them when the second was remembered.
#[test]
fn what_an_earlier_run_knew_of_one_client_is_shown_in_every_service() {
    check(
        "
        0  guard doubts everything
        0  c1 was known in orders 10.0.0.1:80
        0  c1 was known in stock 10.0.0.1:80
        0  orders shows 10.0.0.1:80
        0  stock shows 10.0.0.1:80
        ",
    );
}

#[test]
fn who_leaves_leaves_at_once_whatever_is_in_doubt() {
    check(
        "
        0     guard doubts everything
        0     c1 registers orders 10.0.0.1:80
        0     c2 registers orders 10.0.0.2:80
        0     b1 registers orders 10.0.0.3:80
        0     c3 was known in orders 10.0.0.4:80
        1000  c1 deregisters orders
        1000  orders shows 10.0.0.2:80, 10.0.0.3:80, 10.0.0.4:80
        2000  c2 breaks
        2499  orders shows 10.0.0.2:80, 10.0.0.3:80, 10.0.0.4:80
        2500  orders shows 10.0.0.3:80, 10.0.0.4:80
        3000  b1 deregisters orders
        3000  orders shows 10.0.0.4:80
        4000  somebody disowns orders 10.0.0.4:80     # c3, back by another connection
        4000  orders shows nothing
        4000  orders pushed
        ",
    );
}

#[test]
fn nobody_disowns_what_is_alive() {
    check(
        "
        0    c1 registers orders 10.0.0.1:80
        0    orders pushed
        1    somebody disowns orders 10.0.0.1:80
        1    orders quiet
        1    orders shows 10.0.0.1:80
        2    c2 was known in orders 10.0.0.2:80, 10.0.0.3:80
        3    somebody disowns orders 10.0.0.2:80
        3    orders shows 10.0.0.1:80, 10.0.0.3:80
        ",
    );
}

#[test]
fn silence_that_is_in_doubt_changes_nothing_until_it_is_believed() {
    check(
        "
        0      b1 registers orders 10.0.0.1:80
        0      b2 registers stock 10.0.0.2:80
        5000   b1 beats orders
        5000   b2 beats stock
        6000   guard doubts orders
        20001  stock shows 10.0.0.2:80 unhealthy
        35001  stock shows nothing
        60000  orders shows 10.0.0.1:80
        60000  guard believes
        61000  orders shows nothing
        ",
    );
}

/// Who registers by hand and never beats is gone after 30 s, as with Nacos.
#[test]
fn who_never_beat_cannot_fall_silent() {
    check(
        "
        0      guard doubts everything
        0      b1 registers orders 10.0.0.1:80
        15001  orders shows 10.0.0.1:80 unhealthy
        30001  orders shows nothing
        ",
    );
}

#[test]
fn a_connection_that_fell_silent_goes_when_it_is_believed() {
    check(
        "
        0     c1 registers orders 10.0.0.1:80
        0     c1 registers stock 10.0.0.1:80
        0     guard doubts orders
        100   c1 falls silent
        600   stock shows nothing
        9000  orders shows 10.0.0.1:80
        9000  c2 registers orders 10.0.0.1:80 v=back
        9000  orders shows 10.0.0.1:80 v=back
        9500  guard believes
        11000 orders shows 10.0.0.1:80 v=back
        ",
    );
}

#[test]
fn what_silence_says_waits_for_a_verdict() {
    check(
        "
        0     guard asks
        0     c1 registers orders 10.0.0.1:80
        0     orders pushed
        100   c1 falls silent
        599   orders quiet
        600   verdict wanted
        600   orders shows 10.0.0.1:80
        600   guard believes
        601   orders shows nothing
        ",
    );
}

// --- the guard itself ---

fn key(name: &str) -> ServiceKey {
    ServiceKey {
        namespace: NamespaceId::public(),
        group: GroupName::default_group(),
        name: ServiceName::from_stored(name),
    }
}

/// Runs lines of `seconds heard late -> what is in doubt`: `nothing`, `everything`, or a service. What is heard may be
/// that of several services, with commas between: `a=5/0,b=0/6`; a name that is left out is that of many small services.
fn judge(mut guard: Guard, script: &str) -> Guard {
    for line in script.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [second, what, ..] = words[..] else { continue };
        let now = Timestamp::from_ms(second.parse::<u64>().expect("a second") * 1000);
        match what {
            "starts" => guard.paused(now, Pause::Start),
            "stalls" => guard.paused(now, Pause::Stall),
            "operator" => guard.let_go(now),
            "off" => guard.switch(false, now),
            "on" => guard.switch(true, now),
            counts => {
                let mut census = Census::default();
                counts.split(',').for_each(|part| add(&mut census, part));
                let expected = match words[3] {
                    "nothing" => Doubt::Nothing,
                    "everything" => Doubt::Everything,
                    service => {
                        Doubt::Services([key(service)].into_iter().collect::<std::collections::BTreeSet<_>>().into())
                    }
                };
                assert_eq!(guard.judge(now, &census), expected, "{line}");
            }
        }
    }
    guard
}

fn add(census: &mut Census, part: &str) {
    let (name, counts) = part.split_once('=').unwrap_or(("", part));
    let (heard, late) = counts.split_once('/').expect("heard/late");
    let (heard, late): (usize, usize) = (heard.parse().expect("a count"), late.parse().expect("a count"));
    if name.is_empty() {
        // Services of one instance each are never in doubt by themselves.
        (0..heard).for_each(|_| census.add(&key("small"), 1, 0));
        (0..late).for_each(|_| census.add(&key("small"), 0, 1));
    } else {
        census.add(&key(name), heard, late);
    }
}

fn fresh() -> Guard {
    Guard::new(GuardRules::default(), Timestamp::default())
}

#[test]
fn a_start_waits_for_those_who_were_known_and_no_longer_than_it_must() {
    judge(
        fresh(),
        "
        0   starts
        1   0/100    -> everything
        5   60/40    -> everything
        7   100/0    -> nothing            # all are back
        ",
    );
    judge(
        fresh(),
        "
        0   starts
        4   95/5     -> everything
        13  95/5     -> everything
        14  95/5     -> nothing            # nine of ten are back, and no further one for 10 s
        ",
    );
    let guard = judge(
        fresh(),
        "
        0   starts
        29  20/80    -> everything
        30  20/80    -> nothing            # long enough; and no brake takes over
        31  20/80    -> nothing
        32  100/0    -> nothing
        40  20/80    -> everything         # that is another story
        ",
    );
    assert_eq!(guard.phase(), (Phase::Braking, Timestamp::from_ms(40_000)));
}

#[test]
fn a_stall_warms_up_too_but_not_for_ever() {
    judge(
        fresh(),
        "
        0    stalls
        20   stalls
        40   1/99    -> everything         # 30 s after the second
        60   stalls
        80   stalls
        100  stalls
        120  stalls
        140  stalls
        149  1/99    -> everything
        150  1/99    -> nothing            # five warm-ups without a break
        ",
    );
}

#[test]
fn a_few_silent_ones_are_believed() {
    judge(
        fresh(),
        "
        0  1000/1    -> nothing
        1  1000/900  -> nothing
        2  0/4       -> nothing            # a small installation does not wait
        3  a=0/4     -> nothing
        ",
    );
}

#[test]
fn silence_of_most_is_doubted_for_a_minute_and_of_all_for_five() {
    let guard = judge(
        fresh(),
        "
        0    40/60   -> everything
        59   40/60   -> everything
        60   40/60   -> nothing            # those who are heard would have brought the others along
        61   40/60   -> nothing
        62   40/10   -> nothing
        63   40/60   -> everything
        70   90/10   -> nothing            # they are back
        ",
    );
    assert!(!guard.is_at_work());
    judge(
        fresh(),
        "
        0    0/100   -> everything
        299  5/95    -> everything
        300  5/95    -> nothing
        ",
    );
}

#[test]
fn a_service_that_would_be_left_without_anybody_is_doubted_by_itself() {
    let guard = judge(
        fresh(),
        "
        0    500/0,a=0/6          -> a
        30   500/0,a=1/5,b=5/5    -> a
        59   500/0,a=1/5          -> a
        60   500/0,a=1/5          -> nothing
        61   500/0,a=6/0          -> nothing
        62   500/0,a=0/6          -> a
        ",
    );
    assert_eq!(guard.doubted_services().count(), 1);
}

#[test]
fn an_operator_lets_go_of_those_who_are_silent_now() {
    judge(
        fresh(),
        "
        0   starts
        1   10/90    -> everything
        2   operator
        3   10/90    -> nothing
        4   10/0     -> nothing
        50  0/10     -> everything
        ",
    );
    judge(
        fresh(),
        "
        0   500/0,a=0/6  -> a
        1   operator
        2   500/0,a=0/6  -> nothing
        ",
    );
}

#[test]
fn a_guard_that_is_switched_off_believes_everything() {
    let guard = judge(
        fresh(),
        "
        0   starts
        1   off
        2   0/100    -> nothing
        3   starts
        4   0/100    -> nothing
        5   on
        6   0/100    -> everything
        ",
    );
    assert_eq!(guard.phase().0, Phase::Braking);
    let rules = GuardRules { warm_up: Duration::ZERO, ..GuardRules::default() };
    judge(Guard::new(rules, Timestamp::default()), "0 starts\n 1 9/1 -> nothing");
}
