//! What was measured, side by side: medians over the rounds, ratios, and whether they are what they should be.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result};

use crate::Which;

/// What is wanted of a number.
enum Target {
    /// Ours ÷ theirs is not above this.
    Ratio(f64),
    /// Ours is not above this, whatever theirs is.
    Ours(f64),
    /// It is shown only.
    None,
}

use Target::{None as Shown, Ours, Ratio};

/// Numbers by name: what they say, what one unit of the table is in their own, the unit, the target.
const ROWS: &[(&str, &str, f64, &str, Target)] = &[
    ("register", "register, CPU", 1e3, "µs", Ratio(0.7)),
    ("register_many", "register, 16 at once, CPU", 1e3, "µs", Ratio(0.7)),
    ("register_held", "register, 1,000 held already, CPU", 1e3, "µs", Ratio(0.7)),
    ("register_time", "register, time", 1e3, "µs", Shown),
    ("deregister", "deregister, CPU", 1e3, "µs", Ratio(0.7)),
    ("deregister_many", "deregister, 16 at once, CPU", 1e3, "µs", Ratio(0.7)),
    ("query_10", "query from cache, 10 instances, CPU", 1.0, "ns", Ratio(0.7)),
    ("query_1000", "query from cache, 1,000 instances, CPU", 1.0, "ns", Ratio(0.7)),
    ("publish", "publish 1 KiB, CPU", 1e3, "µs", Ratio(0.7)),
    ("publish_many", "publish 1 KiB, 16 at once, CPU", 1e3, "µs", Ratio(0.7)),
    ("get", "get 1 KiB, CPU", 1e3, "µs", Ratio(0.7)),
    ("get_many", "get 1 KiB, 16 at once, CPU", 1e3, "µs", Ratio(0.7)),
    ("select_10", "select one of 10, CPU", 1.0, "ns", Ours(200.0)),
    ("select_1000", "select one of 1,000, CPU", 1.0, "ns", Ours(200.0)),
    ("idle_kib", "idle client, memory", 1.0, "KiB", Ratio(0.5)),
    ("callback_service", "change of a service to callback", 1e6, "ms", Shown),
    ("callback_config", "change of a config to callback", 1e6, "ms", Shown),
];

/// What the children said, by name; one number of each per round.
#[derive(Default)]
pub(crate) struct Results {
    ours: BTreeMap<String, Vec<f64>>,
    theirs: BTreeMap<String, Vec<f64>>,
}

impl Results {
    pub(crate) fn add(&mut self, sdk: Which, said: &str) -> Result<()> {
        let results = if sdk == Which::Ours { &mut self.ours } else { &mut self.theirs };
        for line in said.lines() {
            let (name, value) = line.split_once(' ').context("no number")?;
            results.entry(name.to_owned()).or_default().push(value.parse()?);
        }
        Ok(())
    }

    /// A table in Markdown. Rows that nobody measured are left out.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        let header = ["per operation", "nacrite-client", "nacos-sdk", "ratio", "of the rounds", "target", ""];
        let mut row = |[what, ours, theirs, ratio, spread, target, verdict]: [&str; 7]| {
            let line = format!(
                "| {what:<40} | {ours:>14} | {theirs:>12} | {ratio:>5} | {spread:>13} | {target:>8} | {verdict:<6} |"
            );
            writeln!(table, "{line}").ok();
        };
        row(header);
        row(["---", "--:", "--:", "--:", "--:", "--:", "---"]);
        for (name, what, scale, unit, target) in ROWS {
            let (Some(ours), Some(theirs)) = (self.ours.get(*name), self.theirs.get(*name)) else { continue };
            let mut ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
            let (ours, theirs) = (median(&mut ours.clone()), median(&mut theirs.clone()));
            let ratio = ours / theirs;
            median(&mut ratios);
            let spread = match &ratios[..] {
                [least, .., most] => format!("{least:.2} to {most:.2}"),
                _ => String::new(),
            };
            let (limit, is_met) = match target {
                Ratio(limit) => (format!("≤ {limit}"), Some(ratio <= *limit)),
                Ours(limit) => (format!("≤ {limit} {unit}"), Some(ours / scale <= *limit)),
                Shown => (String::new(), None),
            };
            let verdict = is_met.map_or("", |is_met| if is_met { "met" } else { "missed" });
            let in_unit = |value: f64| format!("{} {unit}", digits(value / scale));
            let ratio = if ratio < 0.01 { format!("{ratio:.4}") } else { format!("{ratio:.2}") };
            row([what, &in_unit(ours), &in_unit(theirs), &ratio, &spread, &limit, verdict]);
        }
        table
    }
}

/// The value in the middle; of an even number, the mean of the two in the middle.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (Some(value), 1) => *value,
        (Some(value), _) => (value + values[middle - 1]) / 2.0,
        (None, _) => f64::NAN,
    }
}

/// Three digits are all that such numbers are good for.
fn digits(value: f64) -> String {
    match value {
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
