//! Who is ejected, when, and for how long.

use super::*;

/// Endpoints on ports from 1, and a clock that stands still unless it is moved.
struct Rig {
    outliers: Outliers,
    endpoints: Vec<Endpoint>,
    now: Instant,
    /// What chance draws.
    chance: f64,
}

impl Rig {
    #[expect(clippy::disallowed_methods, reason = "a beginning to count from; nothing is measured")]
    fn new(settings: OutlierSettings, count: u16) -> Self {
        let now = Instant::now();
        let endpoints: Vec<Endpoint> = (1..=count).map(|port| Endpoint::new("10.0.0.1", port)).collect();
        let mut outliers = Outliers::new(settings, now);
        outliers.set_endpoints(&endpoints);
        Self { outliers, endpoints, now, chance: 0.0 }
    }

    /// Calls to the endpoint on a port: so many fail, then so many succeed. Returns whether a look was asked for.
    fn calls(&self, port: u16, failures: u32, successes: u32) -> bool {
        let record = self.outliers.record(&Endpoint::new("10.0.0.1", port)).expect("it is on the list");
        let asked = (0..failures).fold(false, |asked, _| asked | record.failed());
        (0..successes).for_each(|_| record.succeeded());
        asked
    }

    /// Moves the clock, evaluates, and tells which ports are ejected.
    fn after(&mut self, secs: f64) -> Vec<u16> {
        self.now += Duration::from_secs_f64(secs);
        let chance = self.chance;
        let before = self.ejected();
        let has_changed = self.outliers.evaluate(self.now, || chance);
        let after = self.ejected();
        assert!(has_changed || before == after, "a change is told");
        after
    }

    fn ejected(&self) -> Vec<u16> {
        let ejected = self.endpoints.iter().filter(|endpoint| self.outliers.is_ejected(endpoint));
        ejected.map(|endpoint| endpoint.port).collect()
    }

    fn wakes_in(&self) -> Option<f64> {
        self.outliers.wakes_at().map(|at| (at - self.now).as_secs_f64())
    }
}

const NOBODY: [u16; 0] = [];

/// A50's own, with one rule, and room for half.
fn by_failures(rule: FailurePercentage) -> OutlierSettings {
    OutlierSettings { failure_percentage: Some(rule), ejected_percent_max: 50, ..OutlierSettings::none() }
}

fn failures() -> FailurePercentage {
    FailurePercentage { threshold_percent: 85, enforcement_percent: 100, hosts_min: 5, calls_min: 50 }
}

fn by_rate() -> OutlierSettings {
    let rule = SuccessRate { stdev_factor: 1_900, enforcement_percent: 100, hosts_min: 5, calls_min: 100 };
    OutlierSettings { success_rate: Some(rule), ejected_percent_max: 50, ..OutlierSettings::none() }
}

#[test]
fn failures_in_a_row_eject_at_once() {
    let mut rig = Rig::new(OutlierSettings::default(), 4);
    assert!(!rig.calls(1, 4, 0));
    assert_eq!(rig.after(0.0), NOBODY);
    assert!(rig.calls(1, 1, 0), "a look is asked for");
    assert!(!rig.calls(1, 5, 0), "once");
    assert_eq!(rig.after(0.0), [1]);
}

#[test]
fn success_between_failures_ends_the_row() {
    let mut rig = Rig::new(OutlierSettings::default(), 4);
    for _ in 0..10 {
        assert!(!rig.calls(1, 4, 1));
    }
    assert_eq!(rig.after(0.0), NOBODY);
}

#[test]
fn ejected_endpoint_returns_when_its_time_is_over() {
    let mut rig = Rig::new(OutlierSettings::default(), 4);
    rig.calls(1, 5, 0);
    assert_eq!(rig.after(0.0), [1]);
    assert_eq!(rig.wakes_in(), Some(5.0));
    assert_eq!(rig.after(4.9), [1]);
    assert_eq!(rig.after(0.1), NOBODY);
}

#[test]
fn returned_endpoint_is_ejected_by_its_first_failure_and_for_longer() {
    let mut rig = Rig::new(OutlierSettings::default(), 4);
    rig.calls(1, 5, 0);
    for length in [5.0, 10.0, 15.0] {
        assert_eq!(rig.after(0.0), [1]);
        assert_eq!(rig.after(length - 0.1), [1]);
        assert_eq!(rig.after(0.2), NOBODY);
        // Nobody calls it for a while: that it is not called does not speak for it.
        assert_eq!(rig.after(60.0), NOBODY);
        assert!(rig.calls(1, 1, 0), "the first failure");
    }
}

#[test]
fn success_ends_probation_and_time_shortens_the_next_ejection() {
    let mut rig = Rig::new(OutlierSettings::default(), 4);
    rig.calls(1, 5, 0);
    rig.after(0.0);
    assert_eq!(rig.after(5.0), NOBODY);
    assert!(!rig.calls(1, 0, 1));
    assert!(!rig.calls(1, 4, 0), "again five are needed");
    assert_eq!(rig.after(10.0), NOBODY);
    assert!(rig.calls(1, 1, 0));
    assert_eq!(rig.after(0.0), [1]);
    assert_eq!(rig.after(5.0), NOBODY, "as the first time");
}

#[test]
fn no_ejection_is_longer_than_the_longest() {
    let settings = OutlierSettings { ejection_max: Duration::from_secs(12), ..OutlierSettings::default() };
    let mut rig = Rig::new(settings, 4);
    rig.calls(1, 5, 0);
    for length in [5.0, 10.0, 12.0, 12.0, 12.0] {
        rig.after(0.0);
        assert_eq!(rig.after(length - 0.1), [1]);
        assert_eq!(rig.after(0.1), NOBODY);
        rig.calls(1, 1, 0);
    }
    let base_counts = OutlierSettings { ejection_max: Duration::ZERO, ..OutlierSettings::default() };
    let mut rig = Rig::new(base_counts, 4);
    rig.calls(1, 5, 0);
    rig.after(0.0);
    assert_eq!(rig.after(4.9), [1]);
}

#[test]
fn no_more_are_ejected_than_the_bound_allows() {
    let mut rig = Rig::new(OutlierSettings::default(), 4);
    for port in 1..=4 {
        rig.calls(port, 5, 0);
    }
    assert_eq!(rig.after(0.0), [1, 2], "half of four");
    let mut rig = Rig::new(OutlierSettings::default(), 1);
    rig.calls(1, 5, 0);
    assert_eq!(rig.after(0.0), [1], "one at least");
    let mut rig = Rig::new(OutlierSettings { ejected_percent_max: 0, ..OutlierSettings::default() }, 4);
    rig.calls(1, 5, 0);
    assert_eq!(rig.after(0.0), NOBODY);
}

#[test]
fn room_that_becomes_free_is_used() {
    let mut rig = Rig::new(OutlierSettings::default(), 2);
    rig.calls(1, 5, 0);
    assert_eq!(rig.after(0.0), [1]);
    rig.calls(2, 5, 0);
    assert_eq!(rig.after(1.0), [1], "half of two are ejected");
    assert_eq!(rig.after(4.0), NOBODY);
    assert_eq!(rig.after(0.1), [2]);
}

#[test]
fn failure_percentage_ejects_at_the_next_sweep() {
    let mut rig = Rig::new(by_failures(failures()), 5);
    for port in 2..=5 {
        rig.calls(port, 0, 50);
    }
    assert!(!rig.calls(1, 43, 7), "no look is asked for");
    assert_eq!(rig.after(9.9), NOBODY);
    assert_eq!(rig.wakes_in().map(|secs| (secs * 10.0).round()), Some(1.0));
    assert_eq!(rig.after(0.1), [1]);
    assert_eq!(rig.after(29.9), [1]);
    assert_eq!(rig.after(0.1), NOBODY);
}

#[test]
fn failure_percentage_is_more_than_the_threshold() {
    for (failed, succeeded, is_out) in [(85, 15, false), (86, 14, true), (100, 0, true)] {
        let mut rig = Rig::new(by_failures(failures()), 5);
        for port in 2..=5 {
            rig.calls(port, 0, 50);
        }
        rig.calls(1, failed, succeeded);
        assert_eq!(rig.after(10.0) == [1], is_out, "{failed} failures");
    }
}

#[test]
fn failure_percentage_needs_enough_calls_and_endpoints() {
    let mut few_calls = Rig::new(by_failures(failures()), 6);
    for port in 2..=6 {
        few_calls.calls(port, 0, 50);
    }
    few_calls.calls(1, 49, 0);
    assert_eq!(few_calls.after(10.0), NOBODY);
    let mut few_hosts = Rig::new(by_failures(failures()), 6);
    for port in 2..=4 {
        few_hosts.calls(port, 0, 50);
    }
    few_hosts.calls(1, 100, 0);
    assert_eq!(few_hosts.after(10.0), NOBODY, "four of five");
}

#[test]
fn counts_begin_anew_with_each_sweep() {
    let mut rig = Rig::new(by_failures(failures()), 5);
    for _ in 0..3 {
        for port in 1..=5 {
            rig.calls(port, 49, 0);
        }
        assert_eq!(rig.after(10.0), NOBODY);
    }
}

#[test]
fn success_rate_ejects_who_is_far_below_the_others() {
    let mut rig = Rig::new(by_rate(), 6);
    for port in 2..=6 {
        rig.calls(port, 1, 99);
    }
    rig.calls(1, 30, 70);
    assert_eq!(rig.after(10.0), [1]);
    let mut alike = Rig::new(by_rate(), 7);
    for port in 1..=7 {
        alike.calls(port, 70, 33);
    }
    assert_eq!(alike.after(10.0), NOBODY, "all fail alike: nobody is an outlier");
}

#[test]
fn success_rate_needs_enough_calls_and_endpoints() {
    let mut rig = Rig::new(by_rate(), 5);
    for port in 2..=5 {
        rig.calls(port, 0, 100);
    }
    rig.calls(1, 99, 0);
    assert_eq!(rig.after(10.0), NOBODY);
}

#[test]
fn chance_decides_whether_a_rule_is_enforced() {
    for (percent, chance, is_out) in [(0, 0.0, false), (50, 0.49, true), (50, 0.5, false), (100, 0.999, true)] {
        let mut rig = Rig::new(by_failures(FailurePercentage { enforcement_percent: percent, ..failures() }), 5);
        rig.chance = chance;
        for port in 2..=5 {
            rig.calls(port, 0, 50);
        }
        rig.calls(1, 50, 0);
        assert_eq!(rig.after(10.0) == [1], is_out, "{percent} % and {chance}");
    }
}

#[test]
fn without_failures_in_a_row_nobody_is_on_probation() {
    let mut rig = Rig::new(by_failures(failures()), 5);
    for port in 2..=5 {
        rig.calls(port, 0, 50);
    }
    rig.calls(1, 50, 0);
    assert_eq!(rig.after(10.0), [1]);
    assert_eq!(rig.after(30.0), NOBODY);
    assert!(!rig.calls(1, 49, 0));
    assert_eq!(rig.after(1.0), NOBODY);
}

#[test]
fn endpoints_that_stay_on_the_list_stay_ejected() {
    let mut rig = Rig::new(OutlierSettings::default(), 4);
    rig.calls(1, 5, 0);
    assert_eq!(rig.after(0.0), [1]);
    let record = Arc::clone(rig.outliers.record(&rig.endpoints[0]).expect("it is on the list"));
    rig.outliers.set_endpoints(&rig.endpoints[..2]);
    assert_eq!(rig.ejected(), [1]);
    assert!(Arc::ptr_eq(&record, rig.outliers.record(&rig.endpoints[0]).expect("it is on the list")));
    assert!(rig.outliers.record(&rig.endpoints[3]).is_none());
    rig.outliers.set_endpoints(&rig.endpoints[1..]);
    rig.outliers.set_endpoints(&rig.endpoints);
    assert_eq!(rig.ejected(), NOBODY, "who left and came back begins anew");
}

#[test]
fn without_rules_nobody_is_ejected_and_nothing_wakes() {
    let mut rig = Rig::new(OutlierSettings::default(), 4);
    rig.calls(1, 5, 0);
    assert_eq!(rig.after(0.0), [1]);
    rig.outliers.set_settings(OutlierSettings::none());
    assert_eq!(rig.ejected(), NOBODY);
    assert_eq!(rig.wakes_in(), None);
    assert!(!rig.calls(1, 100, 0));
    assert_eq!(rig.after(60.0), NOBODY);
    rig.outliers.set_settings(OutlierSettings::default());
    assert_eq!(rig.after(0.0), [1], "it failed a hundred times in a row");
}

#[test]
fn notes_are_taken_by_many_at_once() {
    let rig = Rig::new(OutlierSettings::default(), 1);
    let record = rig.outliers.record(&rig.endpoints[0]).expect("it is on the list");
    let asked: usize = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(|| (0..1_000).filter(|_| record.failed()).count())).collect();
        all.into_iter().map(|thread| thread.join().expect("it ends")).sum()
    });
    assert_eq!(asked, 1);
    assert_eq!(record.take().failures, 4_000);
}
