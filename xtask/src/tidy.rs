//! House rules that no compiler checks (`CONTRIBUTING.md`). Each rule reads files and says what it found, where.

mod edges;
mod files;
mod manifest;
mod words;

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::report::Report;
use crate::shell;

/// Something that breaks a rule: the place, and what is wrong.
pub(crate) struct Finding(String);

impl Finding {
    fn at(path: &Path, line: usize, what: impl std::fmt::Display) -> Self {
        let path = path.strip_prefix(shell::root()).unwrap_or(path);
        Self(format!("{}:{line}: {what}", path.display()))
    }
}

/// A Rust file of the project.
pub(crate) struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Path below the root of the project.
    fn place(&self) -> &Path {
        self.path.strip_prefix(shell::root()).unwrap_or(&self.path)
    }

    /// Whether the whole file is for tests.
    fn is_test(&self) -> bool {
        let place = self.place();
        place.starts_with("fuzz")
            || place.starts_with("crates/testkit")
            || place
                .components()
                .any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "benches" | "examples")))
            || place.file_name().is_some_and(|name| name == "tests.rs")
    }

    /// Whether a program wrote it (`cargo xtask gen-proto`).
    fn is_made(&self) -> bool {
        self.place().components().any(|part| part.as_os_str() == "generated")
    }

    /// Lines that are not in a test module, with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = if self.is_test() { Some(0) } else { self.text.find("\n#[cfg(test)]\nmod tests {") };
        self.text[..end.unwrap_or(self.text.len())].lines().enumerate().map(|(at, line)| (at + 1, line))
    }
}

type Rule = (&'static str, fn(&[Source]) -> anyhow::Result<Vec<Finding>>);

const RULES: &[Rule] = &[
    ("every file says what it is for", files::headers),
    ("files and functions stay short", files::lengths),
    ("crates use only whom they may use", edges::check),
    ("numbers of Nacos stand in one place", words::numbers),
    ("clocks, tasks and channels go the one way", words::banned),
    ("no test is left out, no work is left undone", words::left_behind),
    ("every crate keeps the lints and the versions of the workspace", manifest::check),
];

/// Checks every rule.
pub(crate) fn run(report: &mut Report) -> anyhow::Result<()> {
    let sources = sources()?;
    report.part("house rules", |report| {
        for (name, rule) in RULES {
            let findings = rule(&sources)?;
            if findings.is_empty() {
                println!("ok      {name}");
                report.passed(1);
                continue;
            }
            for Finding(what) in &findings {
                println!("        {what}");
            }
            report.failed(name, &format!("{} findings", findings.len()));
        }
        Ok(())
    })
}

/// Every Rust file that is kept.
fn sources() -> anyhow::Result<Vec<Source>> {
    let listed = shell::answer(shell::command("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    let is_ours = |path: &&str| {
        let places = ["crates/", "integrations/", "examples/", "xtask/", "fuzz/"];
        path.ends_with(".rs") && places.iter().any(|place| path.starts_with(place))
    };
    let paths = listed.lines().filter(is_ours).map(|path| shell::root().join(path));
    paths
        .filter(|path| path.exists())
        .map(|path| {
            let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            Ok(Source { path, text })
        })
        .collect()
}
