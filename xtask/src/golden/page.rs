//! Reads `docs/compatibility.md`: below a heading, rows of scenario, steps and reason.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};

use crate::shell;

/// A step of a recorded scenario.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    pub(crate) scenario: String,
    pub(crate) number: u32,
}

/// The steps that the page says differ, by heading.
#[derive(Debug, Default)]
pub(crate) struct Page(BTreeMap<String, BTreeSet<Step>>);

impl Page {
    /// The steps below a heading.
    pub(crate) fn steps(&self, heading: &str) -> BTreeSet<Step> {
        self.0.get(heading).cloned().unwrap_or_default()
    }
}

/// Reads the page.
pub(crate) fn read() -> anyhow::Result<Page> {
    let path = shell::root().join("docs/compatibility.md");
    parse(&std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?)
}

fn parse(text: &str) -> anyhow::Result<Page> {
    let mut page = Page::default();
    let mut heading = String::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            title.clone_into(&mut heading);
        }
        let Some(row) = line.strip_prefix("| `") else { continue };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [scenario, steps, reason, ..] = cells[..] else { continue };
        if !steps.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        ensure!(!reason.is_empty(), "{scenario}: no reason is given for its steps");
        let scenario = scenario.trim_end_matches('`');
        let numbers = numbers(steps).with_context(|| format!("the steps of {scenario}: {steps}"))?;
        let known = page.0.entry(heading.clone()).or_default();
        known.extend(numbers.into_iter().map(|number| Step { scenario: scenario.to_owned(), number }));
    }
    Ok(page)
}

/// `1–3, 5`
fn numbers(steps: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for part in steps.split(',') {
        let (from, to) = part.split_once('–').unwrap_or((part, part));
        numbers.extend(from.trim().parse::<u32>().ok()?..=to.trim().parse().ok()?);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_below_their_heading() {
        let text = "### HTTP, v1\n\n| Scenario | Steps | Why |\n|---|---|---|\n| `v1/a` | 1–3, 5 | not served |\n\
                    ### HTTP, v2\n| `v2/b` | 7 | other |\n| `v2/c` | all | left out |\n";
        let page = parse(text).expect("a good page");
        let of_v1: Vec<u32> = page.steps("HTTP, v1").into_iter().map(|step| step.number).collect();
        assert_eq!(of_v1, [1, 2, 3, 5]);
        assert_eq!(page.steps("HTTP, v2").len(), 1);
        assert!(page.steps("gRPC, 3.1").is_empty());
        assert!(parse("| `v1/a` | 1 | |\n").is_err());
    }
}
