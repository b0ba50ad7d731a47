//! The life of a connection, told step by step.

use super::*;

/// Neither shorter nor longer than the rule says.
const EVEN: f64 = 0.5;

/// A subchannel and a clock that stands still unless it is moved.
struct Rig {
    subchannel: Subchannel,
    now: Instant,
}

impl Rig {
    #[expect(clippy::disallowed_methods, reason = "a beginning to count from; nothing is measured")]
    fn new() -> Self {
        Self { subchannel: Subchannel::default(), now: Instant::now() }
    }

    fn at(&mut self, ms: u64) -> &mut Self {
        self.now += Duration::from_millis(ms);
        self
    }

    /// What is to be done, and the state afterwards.
    fn told(&mut self, event: Event) -> (Option<Action>, Connectivity) {
        let action = self.subchannel.apply(self.now, event, EVEN);
        (action, self.subchannel.state())
    }

    fn wakes_in(&self) -> Option<u128> {
        self.subchannel.wakes_at().map(|at| (at - self.now).as_millis())
    }
}

fn connect() -> Option<Action> {
    Some(Action::Connect { within: CONNECT_WITHIN_MIN })
}

fn failed() -> Event {
    Event::Failed("connection refused".into())
}

fn lost() -> Event {
    Event::Lost("connection reset".into())
}

#[test]
fn wanted_connects_and_becomes_ready() {
    let mut rig = Rig::new();
    assert_eq!(rig.subchannel.state(), Connectivity::Idle);
    assert_eq!(rig.told(Event::Wanted), (connect(), Connectivity::Connecting));
    assert_eq!(rig.told(Event::Wanted), (None, Connectivity::Connecting));
    assert_eq!(rig.told(Event::Connected), (None, Connectivity::Ready));
    assert_eq!(rig.subchannel.reason(), None);
}

#[test]
fn failure_pauses_longer_each_time_and_keeps_the_reason() {
    let mut rig = Rig::new();
    assert_eq!(rig.told(Event::Wanted).0, connect());
    for pause_ms in [1_000, 1_600, 2_560, 4_096] {
        assert_eq!(rig.told(failed()), (None, Connectivity::TransientFailure));
        assert_eq!(rig.wakes_in(), Some(pause_ms));
        assert_eq!(rig.told(Event::Tick), (None, Connectivity::TransientFailure), "too early");
        assert_eq!(rig.at(pause_ms as u64).told(Event::Tick), (connect(), Connectivity::Connecting));
        assert_eq!(rig.subchannel.reason().map(|reason| &**reason), Some("connection refused"));
    }
    assert_eq!(rig.told(Event::Connected), (None, Connectivity::Ready));
    assert_eq!(rig.subchannel.reason(), None);
}

#[test]
fn pauses_end_at_two_minutes() {
    let mut rig = Rig::new();
    let _first = rig.told(Event::Wanted);
    for _ in 0..20 {
        let _paused = rig.told(failed());
        let _again = rig.at(120_000).told(Event::Tick);
    }
    let _paused = rig.told(failed());
    assert_eq!(rig.wakes_in(), Some(120_000));
    let (action, _) = rig.at(120_000).told(Event::Tick);
    assert_eq!(action, Some(Action::Connect { within: Duration::from_secs(120) }), "as long as the pause after it");
}

#[test]
fn time_of_the_attempt_counts_for_the_pause() {
    let mut rig = Rig::new();
    let _first = rig.told(Event::Wanted);
    assert_eq!(rig.at(700).told(failed()).1, Connectivity::TransientFailure);
    assert_eq!(rig.wakes_in(), Some(300));
    let _second = rig.at(300).told(Event::Tick);
    assert_eq!(rig.at(20_000).told(failed()).1, Connectivity::TransientFailure);
    assert_eq!(rig.wakes_in(), Some(0));
}

#[test]
fn lost_connection_comes_back_at_once_with_first_pauses() {
    let mut rig = Rig::new();
    let _first = rig.told(Event::Wanted);
    for _ in 0..3 {
        let _paused = rig.told(failed());
        let _again = rig.at(10_000).told(Event::Tick);
    }
    let _ready = rig.told(Event::Connected);
    assert_eq!(rig.at(60_000).told(lost()), (connect(), Connectivity::Connecting));
    assert_eq!(rig.subchannel.reason(), None, "that it broke is no sign that it cannot be made again");
    let _paused = rig.told(failed());
    assert_eq!(rig.wakes_in(), Some(1_000));
}

#[test]
fn lost_connection_that_nobody_wants_is_idle() {
    let mut rig = Rig::new();
    assert_eq!(rig.told(Event::Asked), (connect(), Connectivity::Connecting));
    let _ready = rig.told(Event::Connected);
    assert_eq!(rig.at(60_000).told(lost()), (None, Connectivity::Idle));
    assert_eq!(rig.told(Event::Asked), (connect(), Connectivity::Connecting));
}

/// A server that accepted and closed at once was connected to thousands of times a second.
#[test]
fn server_that_accepts_and_closes_is_not_hammered() {
    let mut rig = Rig::new();
    let _first = rig.told(Event::Wanted);
    for pause_ms in [1_000, 1_600, 2_560] {
        let _ready = rig.told(Event::Connected);
        assert_eq!(rig.told(lost()), (None, Connectivity::TransientFailure));
        assert_eq!(rig.wakes_in(), Some(pause_ms));
        assert_eq!(rig.at(pause_ms as u64).told(Event::Tick), (connect(), Connectivity::Connecting));
    }
}

#[test]
fn released_connection_stands_and_its_pause_ends_idle() {
    let mut rig = Rig::new();
    let _first = rig.told(Event::Wanted);
    let _paused = rig.told(failed());
    assert_eq!(rig.told(Event::Released), (None, Connectivity::TransientFailure));
    assert_eq!(rig.at(1_000).told(Event::Tick), (None, Connectivity::Idle));
    assert_eq!(rig.wakes_in(), None);
    assert!(rig.subchannel.reason().is_some(), "it still failed");
    let _again = rig.told(Event::Asked);
    let _ready = rig.told(Event::Connected);
    assert_eq!(rig.told(Event::Released), (None, Connectivity::Ready));
}

#[test]
fn closing_gives_up_attempts_and_connections_but_no_pauses() {
    let mut rig = Rig::new();
    let _first = rig.told(Event::Wanted);
    assert_eq!(rig.told(Event::Closed), (Some(Action::Close), Connectivity::Idle));
    assert_eq!(rig.told(Event::Connected), (None, Connectivity::Idle), "the attempt ended while it was given up");
    assert_eq!(rig.told(failed()), (None, Connectivity::Idle));
    let _second = rig.told(Event::Wanted);
    let _paused = rig.told(failed());
    assert_eq!(rig.told(Event::Closed), (None, Connectivity::TransientFailure));
    assert_eq!(rig.told(Event::Wanted), (None, Connectivity::TransientFailure), "wanting ends no pause");
    assert_eq!(rig.told(Event::Asked), (None, Connectivity::TransientFailure));
}

#[test]
fn revived_endpoint_waits_for_no_pause() {
    let mut rig = Rig::new();
    let _first = rig.told(Event::Wanted);
    for _ in 0..5 {
        let _paused = rig.told(failed());
        let _again = rig.at(120_000).told(Event::Tick);
    }
    let _paused = rig.told(failed());
    assert_eq!(rig.told(Event::Revived), (connect(), Connectivity::Connecting));
    let _paused = rig.told(failed());
    assert_eq!(rig.wakes_in(), Some(1_000), "pauses began anew");
}

#[test]
fn removed_is_the_end() {
    let mut rig = Rig::new();
    let _first = rig.told(Event::Wanted);
    assert_eq!(rig.told(Event::Removed), (Some(Action::Close), Connectivity::Shutdown));
    for event in [Event::Wanted, Event::Asked, Event::Connected, failed(), lost(), Event::Revived, Event::Tick] {
        assert_eq!(rig.told(event), (None, Connectivity::Shutdown));
    }
    assert_eq!(Rig::new().told(Event::Removed), (None, Connectivity::Shutdown));
}
