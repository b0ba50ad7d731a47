//! Words that may stand in some places only.

use super::{Finding, Source};

/// Words, why they are banned, and the places (prefixes of paths) in which they are not.
const BANNED: &[(&str, &str, &[&str])] = &[
    ("SystemTime::now", "clocks are read in env alone, and in one file of each crate for clients", CLOCKS),
    ("Instant::now", "clocks are read in env alone, and in one file of each crate for clients", CLOCKS),
    ("tokio::spawn(", "tasks start through `Tasks`, so that stopping waits for them", &["crates/cluster"]),
    ("thread::spawn(", "threads start through `env::threads`", &["crates/env", "xtask"]),
    ("unbounded_channel", "every channel is bounded", &[]),
    ("mpsc::unbounded", "every channel is bounded", &[]),
    ("println!(", "a library does not speak; log it", &["crates/nacrite", "examples", "xtask"]),
    ("lazy_static", "use OnceLock", &[]),
];

/// Where clocks are read.
const CLOCKS: &[&str] = &[
    "crates/env",
    "crates/client/src/clock.rs",
    "integrations/tonic/src/clock.rs",
    "integrations/reqwest/src/clock.rs",
    "xtask",
];

/// Numbers of Nacos's own that may stand in the table of codes alone. Those that are also common lengths of time are
/// not on the list.
const NUMBERS: &[&str] = &["20004", "20005", "21000", "21008", "21009", "22000", "50310", "50311"];

/// Words that stand for work that was not done.
const LEFT_BEHIND: &[&str] = &["#[ignore", "todo!(", "unimplemented!(", "FIXME", "XXX", "dbg!("];

/// Clocks, tasks, channels.
pub(crate) fn banned(sources: &[Source]) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !source.place().ends_with("tidy/words.rs")) {
        for (word, why, except) in BANNED {
            if except.iter().any(|place| source.place().starts_with(place)) {
                continue;
            }
            let lines = source.lines().filter(|(_, line)| line.contains(word) && !line.trim_start().starts_with("//"));
            findings.extend(lines.map(|(at, _)| Finding::at(&source.path, at, format!("{word}: {why}"))));
        }
    }
    Ok(findings)
}

/// Nacos's numbers.
pub(crate) fn numbers(sources: &[Source]) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let edges = ["crates/wire", "crates/grpc", "crates/http", "crates/client"];
    for source in sources.iter().filter(|source| edges.iter().any(|edge| source.place().starts_with(edge))) {
        if source.place().ends_with("codes.rs") {
            continue;
        }
        for (at, line) in source.lines().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric());
            let found = words.filter(|word| NUMBERS.contains(word));
            findings
                .extend(found.map(|number| Finding::at(&source.path, at, format!("{number} belongs into codes.rs"))));
        }
    }
    Ok(findings)
}

/// Ignored tests, work that was not done.
pub(crate) fn left_behind(sources: &[Source]) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !source.place().ends_with("tidy/words.rs")) {
        for (at, line) in source.text.lines().enumerate() {
            let found = LEFT_BEHIND.iter().filter(|word| line.contains(**word));
            findings.extend(found.map(|word| Finding::at(&source.path, at + 1, format!("{word} is left behind"))));
            if line.contains("TODO") && !line.contains("TODO(#") {
                findings.push(Finding::at(&source.path, at + 1, "a TODO carries the number of its issue: TODO(#12)"));
            }
        }
    }
    Ok(findings)
}
