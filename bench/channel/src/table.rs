//! What was measured: medians over the rounds, what a channel adds to tonic's own, and whether that is what it should be.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result};

use crate::picks::POLICIES;

/// What a call through ours may take longer, in the median.
const ADDED_MAX_US: f64 = 3.0;

/// What a pick may take.
const PICK_MAX_NS: f64 = 150.0;

/// Channels, as the children name and as people read them.
const CHANNELS: [(&str, &str); 4] = [
    ("tonic", "`tonic::transport::Channel`, one address"),
    ("static", "ours, `static:///` the address"),
    ("nacos", "ours, `nacos:///` its name"),
    ("retries", "the same, with a retry policy"),
];

/// Numbers of one channel, as the children name and as people read them.
const COLUMNS: [(&str, &str); 7] = [
    ("p50", "p50, µs"),
    ("p99", "p99, µs"),
    ("client", "client CPU, ms/1,000"),
    ("server", "server CPU, ms/1,000"),
    ("many_time", "64 at once: ms/1,000"),
    ("many_client", "client CPU, ms/1,000"),
    ("many_server", "server CPU, ms/1,000"),
];

/// What the children said, by name; one number of each per round.
#[derive(Default)]
pub(crate) struct Results(BTreeMap<String, Vec<f64>>);

impl Results {
    pub(crate) fn add(&mut self, said: &str) -> Result<()> {
        for line in said.lines() {
            let (name, value) = line.split_once(' ').context("no number")?;
            self.0.entry(name.to_owned()).or_default().push(value.parse()?);
        }
        Ok(())
    }

    /// Tables in Markdown.
    pub(crate) fn tables(&self) -> String {
        let mut text = String::new();
        let titles = COLUMNS.map(|(_, title)| title).join(" | ");
        writeln!(text, "| channel | {titles} |\n|---{}|", "|--:".repeat(COLUMNS.len())).ok();
        for (channel, title) in CHANNELS {
            let cells = COLUMNS.map(|(what, _)| format!("{:.1}", self.median(&format!("{channel}.{what}"))));
            writeln!(text, "| {title} | {} |", cells.join(" | ")).ok();
        }
        writeln!(text, "\n| p50 above tonic's, of the same round | median, µs | of the rounds | target | |").ok();
        writeln!(text, "|---|--:|--:|--:|---|").ok();
        for (channel, title) in &CHANNELS[1..] {
            let (median, least, most) = self.added(channel);
            let verdict = if median <= ADDED_MAX_US { "met" } else { "missed" };
            let target = format!("≤ {ADDED_MAX_US:.0}");
            writeln!(text, "| {title} | {median:+.1} | {least:+.1} to {most:+.1} | {target} | {verdict} |").ok();
        }
        writeln!(text, "\n| pick of 1,000 endpoints | ns | target | |\n|---|--:|--:|---|").ok();
        for policy in POLICIES {
            let ns = self.median(&format!("pick.{policy}"));
            let verdict = if ns <= PICK_MAX_NS { "met" } else { "missed" };
            writeln!(text, "| `{policy}` | {ns:.0} | ≤ {PICK_MAX_NS:.0} | {verdict} |").ok();
        }
        text
    }

    /// How much longer the median call took than tonic's in the same round: median, least and most of the rounds.
    fn added(&self, channel: &str) -> (f64, f64, f64) {
        let of = |channel| self.0.get(&format!("{channel}.p50")).map(Vec::as_slice).unwrap_or_default();
        let mut added: Vec<f64> = of(channel).iter().zip(of("tonic")).map(|(ours, tonic)| ours - tonic).collect();
        let median = median(&mut added);
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        (median, end(added.first()), end(added.last()))
    }

    fn median(&self, name: &str) -> f64 {
        self.0.get(name).map_or(f64::NAN, |values| median(&mut values.clone()))
    }
}

/// The value in the middle; of an even number, the mean of the two in the middle. Sorts.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (Some(value), 1) => *value,
        (Some(value), _) => (value + values[middle - 1]) / 2.0,
        (None, _) => f64::NAN,
    }
}
