//! How often something may be asked: control points with rules, as Nacos names them (`reference/semantics.md`, 1.6).
//!
//! A point without a rule costs one look at a flag. With one, requests are counted per window of a second, a minute or an
//! hour, aligned to the clock; a request above the number is refused, or only counted and logged. Refused requests count
//! like all others, as in Nacos: whoever asks on without pause stays refused until a window begins in which it asks less.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::HashMap;
use nacrite_base::{Fault, Timestamp};
use nacrite_env::SharedClock;
use parking_lot::Mutex;
use tracing::warn;

use super::Mode;
use crate::limits::TPS_KEYS_MAX;
use crate::metrics::Metrics;

type Fixed = foldhash::quality::FixedState;

/// How long a window is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Period {
    /// A second.
    #[default]
    Second,
    /// A minute.
    Minute,
    /// An hour.
    Hour,
}

impl Period {
    const fn len_ms(self) -> u64 {
        match self {
            Self::Second => 1000,
            Self::Minute => 60_000,
            Self::Hour => 3_600_000,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }
}

/// How many requests may come in one window, and what happens above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Requests per window; `None` is without a limit.
    pub max: Option<u64>,
    /// The window.
    pub period: Period,
    /// What happens above.
    pub mode: Mode,
}

/// What a rule for single keys goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// The address of the client.
    ClientIp,
    /// The connection.
    Connection,
}

/// A rule for the requests of some keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRule {
    /// What it goes by.
    pub kind: KeyKind,
    /// Which keys: a text in which `*` stands for anything.
    pub pattern: String,
    /// Each key is counted by itself; otherwise all that fit are counted together.
    pub is_each: bool,
    /// How many.
    pub threshold: Threshold,
}

/// The rule of one point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointRule {
    /// For all requests together.
    pub whole: Threshold,
    /// For those of some keys.
    pub keys: Vec<KeyRule>,
}

/// Who asks, as far as rules for keys go by it.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The address of the client.
    pub ip: &'a str,
    /// The connection, if it lasts.
    pub connection: Option<&'a str>,
}

/// A count that begins anew with each window.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    begun_at: u64,
    count: u64,
}

impl Window {
    /// Counts one more. Returns whether it is above the threshold, and whether it is the first that is.
    fn add(&mut self, now: Timestamp, threshold: &Threshold) -> (bool, bool) {
        let begun_at = now.as_ms() - now.as_ms() % threshold.period.len_ms();
        if self.begun_at != begun_at {
            *self = Self { begun_at, count: 0 };
        }
        self.count += 1;
        let Some(max) = threshold.max else { return (false, false) };
        (self.count > max, self.count == max.saturating_add(1))
    }
}

#[derive(Debug)]
struct Armed {
    rule: PointRule,
    whole: Window,
    together: Vec<Window>,
    each: Vec<Each>,
}

/// The counts of single keys in one window.
#[derive(Debug, Default)]
struct Each {
    begun_at: u64,
    keys: HashMap<String, Window, Fixed>,
    /// What is beyond the bound of keys shares one count.
    others: Window,
}

impl Each {
    fn add(&mut self, now: Timestamp, key: &str, threshold: &Threshold) -> (bool, bool) {
        let begun_at = now.as_ms() - now.as_ms() % threshold.period.len_ms();
        if self.begun_at != begun_at {
            *self = Self { begun_at, ..Self::default() };
        }
        if let Some(window) = self.keys.get_mut(key) {
            return window.add(now, threshold);
        }
        if self.keys.len() >= TPS_KEYS_MAX {
            return self.others.add(now, threshold);
        }
        self.keys.entry(key.to_owned()).or_default().add(now, threshold)
    }
}

impl Armed {
    fn new(rule: PointRule) -> Self {
        let together = vec![Window::default(); rule.keys.len()];
        let each = rule.keys.iter().map(|_| Each::default()).collect();
        Self { rule, whole: Window::default(), together, each }
    }

    /// Counts a request everywhere, and returns every threshold that it is above, with whether it is the first.
    fn count(&mut self, now: Timestamp, asker: &Asker<'_>) -> Vec<(Threshold, bool)> {
        let mut above = Vec::new();
        let mut note = |threshold: Threshold, (is_above, is_first): (bool, bool)| {
            if is_above {
                above.push((threshold, is_first));
            }
        };
        for ((rule, together), each) in self.rule.keys.iter().zip(&mut self.together).zip(&mut self.each) {
            let key = match rule.kind {
                KeyKind::ClientIp => asker.ip,
                KeyKind::Connection => asker.connection.unwrap_or_default(),
            };
            if !fits(&rule.pattern, key) {
                continue;
            }
            let counted =
                if rule.is_each { each.add(now, key, &rule.threshold) } else { together.add(now, &rule.threshold) };
            note(rule.threshold, counted);
        }
        note(self.rule.whole, self.whole.add(now, &self.rule.whole));
        above
    }
}

/// Whether a text fits a pattern in which `*` stands for anything. Cost: length of the text times the number of stars.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// One control point.
#[derive(Debug)]
pub struct Point {
    name: &'static str,
    has_rule: AtomicBool,
    armed: Mutex<Option<Armed>>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
}

impl Point {
    /// Its name in Nacos.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Counts a request. `asker` is only called if there is a rule.
    ///
    /// # Errors
    /// [`Fault::OverLimit`] above a threshold that refuses.
    pub fn pass<T: AsRef<str>>(&self, asker: impl FnOnce() -> (T, Option<T>)) -> Result<(), Fault> {
        if !self.has_rule.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (ip, connection) = asker();
        let asker = Asker { ip: ip.as_ref(), connection: connection.as_ref().map(AsRef::as_ref) };
        let now = self.clock.now();
        let above = self.armed.lock().as_mut().map_or_else(Vec::new, |armed| armed.count(now, &asker));
        let mut refused = None;
        for (threshold, is_first) in above {
            self.metrics.over_tps(self.name, threshold.mode.name());
            if is_first {
                // One line per window: the rest are in the metrics.
                warn!(point = self.name, ip = asker.ip, mode = threshold.mode.name(), %threshold, "asked too often");
            }
            if threshold.mode == Mode::Intercept {
                refused = Some(threshold);
            }
        }
        match refused {
            Some(threshold) => Err(Fault::OverLimit { limit: format!("{threshold} at {}", self.name) }),
            None => Ok(()),
        }
    }

    fn set(&self, rule: Option<PointRule>) {
        let mut armed = self.armed.lock();
        if armed.as_ref().map(|armed| &armed.rule) == rule.as_ref() {
            // The counts of a rule that did not change go on.
            return;
        }
        self.has_rule.store(rule.is_some(), Ordering::Relaxed);
        *armed = rule.map(Armed::new);
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests per {}", self.max.unwrap_or(u64::MAX), self.period.name())
    }
}

/// Every control point.
#[derive(Debug)]
pub struct Points {
    points: Mutex<HashMap<&'static str, Arc<Point>, Fixed>>,
    clock: SharedClock,
    metrics: Arc<Metrics>,
}

impl Points {
    /// None yet: the edges name those that their requests pass.
    #[must_use]
    pub fn new(clock: SharedClock, metrics: Arc<Metrics>) -> Self {
        Self { points: Mutex::default(), clock, metrics }
    }

    /// The point of that name; requests of several edges may share one.
    #[must_use]
    pub fn point(&self, name: &'static str) -> Arc<Point> {
        let mut points = self.points.lock();
        let point = points.entry(name).or_insert_with(|| {
            Arc::new(Point {
                name,
                has_rule: AtomicBool::new(false),
                armed: Mutex::new(None),
                clock: Arc::clone(&self.clock),
                metrics: Arc::clone(&self.metrics),
            })
        });
        Arc::clone(point)
    }

    /// Replaces all rules: a point that has none in `rules` has none from now on. Returns the names that are no points.
    pub fn set_rules(&self, mut rules: HashMap<String, PointRule, Fixed>) -> Vec<String> {
        for (name, point) in self.points.lock().iter() {
            point.set(rules.remove(*name));
        }
        rules.into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_env::clock::SystemClock;

    fn threshold(max: u64, mode: Mode) -> Threshold {
        Threshold { max: Some(max), period: Period::Hour, mode }
    }

    fn open() -> Threshold {
        Threshold { max: None, period: Period::Second, mode: Mode::Intercept }
    }

    fn points() -> Points {
        Points::new(Arc::new(SystemClock::start()), Arc::new(Metrics::new()))
    }

    fn set(points: &Points, rule: PointRule) {
        let rules = std::iter::once(("ConfigQuery".to_owned(), rule)).collect();
        assert!(points.set_rules(rules).is_empty());
    }

    /// How many of ten requests of each asker pass.
    fn passed(point: &Point, askers: &[&str]) -> Vec<usize> {
        let pass = |ip: &&str| (0..10).filter(|_| point.pass(|| (*ip, Some("c1"))).is_ok()).count();
        askers.iter().map(pass).collect()
    }

    #[test]
    fn what_is_asked_too_often_is_refused_or_only_counted() {
        let points = points();
        let point = points.point("ConfigQuery");
        assert_eq!(passed(&point, &["a"]), [10]);
        set(&points, PointRule { whole: threshold(3, Mode::Intercept), keys: Vec::new() });
        assert_eq!(passed(&point, &["a", "b"]), [3, 0]);
        set(&points, PointRule { whole: threshold(3, Mode::Monitor), keys: Vec::new() });
        assert_eq!(passed(&point, &["a"]), [10]);
        let shown = points.metrics.encode();
        assert!(shown.contains(r#"nacrite_tps_exceeded_total{point="ConfigQuery",mode="intercept"} 17"#), "{shown}");
        assert!(shown.contains(r#"nacrite_tps_exceeded_total{point="ConfigQuery",mode="monitor"} 7"#), "{shown}");
    }

    #[test]
    fn keys_are_counted_each_or_together() {
        let points = points();
        let point = points.point("ConfigQuery");
        let rule = |is_each| {
            let threshold = threshold(4, Mode::Intercept);
            let key = KeyRule { kind: KeyKind::ClientIp, pattern: "10.*".to_owned(), is_each, threshold };
            PointRule { whole: open(), keys: vec![key] }
        };
        set(&points, rule(true));
        assert_eq!(passed(&point, &["10.0.0.1", "10.0.0.2", "11.0.0.1"]), [4, 4, 10]);
        set(&points, rule(false));
        assert_eq!(passed(&point, &["10.0.0.1", "10.0.0.2", "11.0.0.1"]), [4, 0, 10]);
    }

    #[test]
    fn a_rule_that_did_not_change_goes_on_counting_and_one_that_is_gone_ends() {
        let points = points();
        let point = points.point("ConfigQuery");
        let rule = PointRule { whole: threshold(5, Mode::Intercept), keys: Vec::new() };
        set(&points, rule.clone());
        assert_eq!(passed(&point, &["a"]), [5]);
        set(&points, rule);
        assert_eq!(passed(&point, &["a"]), [0]);
        let unknown = std::iter::once(("NoSuchPoint".to_owned(), PointRule { whole: open(), keys: Vec::new() }));
        assert_eq!(points.set_rules(unknown.collect()), ["NoSuchPoint"]);
        assert_eq!(passed(&point, &["a"]), [10]);
    }

    #[test]
    fn a_new_window_begins_with_nothing() {
        let threshold = Threshold { max: Some(1), period: Period::Second, mode: Mode::Intercept };
        let mut window = Window::default();
        let above = |window: &mut Window, ms| window.add(Timestamp::from_ms(ms), &threshold).0;
        assert_eq!([1000, 1999, 2000].map(|ms| above(&mut window, ms)), [false, true, false]);
        let mut each = Each::default();
        let above = |each: &mut Each, ms| each.add(Timestamp::from_ms(ms), "k", &threshold).0;
        assert_eq!([1000, 1999, 2000].map(|ms| above(&mut each, ms)), [false, true, false]);
    }

    #[test]
    fn keys_beyond_the_bound_share_one_count() {
        let threshold = threshold(1, Mode::Intercept);
        let mut each = Each::default();
        let now = Timestamp::from_ms(1);
        let above = (0..=TPS_KEYS_MAX + 1).filter(|at| each.add(now, &at.to_string(), &threshold).0).count();
        assert_eq!((above, each.keys.len()), (1, TPS_KEYS_MAX));
    }

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, is_fit) in [
            ("10.*", "10.0.0.1", true),
            ("*.1", "10.0.0.1", true),
            ("10.*.1", "10.0.0.1", true),
            ("10.*0*.1", "10.0.0.1", true),
            ("*", "", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*a", "a", false),
            ("11.*", "10.0.0.1", false),
        ] {
            assert_eq!(fits(pattern, text), is_fit, "{pattern} {text}");
        }
    }
}
