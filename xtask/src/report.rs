//! What passed and what failed, counted over everything that ran.

use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Checks that ran.
#[derive(Debug, Default)]
pub(crate) struct Report {
    passed: usize,
    failures: Vec<String>,
    times: Vec<(String, Duration)>,
}

/// Passed and failed checks of one program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub passed: usize,
    pub failed: usize,
}

impl Report {
    /// Runs a part of the checks under a heading, and notes how long it took.
    pub(crate) fn part<T>(&mut self, name: &str, run: impl FnOnce(&mut Self) -> T) -> T {
        println!("\n=== {name}");
        let began = Instant::now();
        let done = run(self);
        self.times.push((name.to_owned(), began.elapsed()));
        done
    }

    /// A check passed.
    pub(crate) fn passed(&mut self, count: usize) {
        self.passed += count;
    }

    /// A check failed.
    pub(crate) fn failed(&mut self, name: &str, why: &str) {
        println!("FAILED  {name}: {why}");
        self.failures.push(format!("{name}: {why}"));
    }

    /// What a program counted itself. A program that failed without saying in what failed in one thing.
    pub(crate) fn counted(&mut self, name: &str, counts: Counts, succeeded: bool) {
        self.passed += counts.passed;
        match (counts.failed, succeeded) {
            (0, true) => {}
            (0, false) => self.failed(name, "ended with an error"),
            (failed, _) => {
                self.failed(name, &format!("{failed} of {} failed", failed + counts.passed));
                self.failures.extend(std::iter::repeat_n(format!("{name}: see above"), failed - 1));
            }
        }
    }

    /// The last lines: how long everything took, what failed, how many.
    pub(crate) fn close(self) -> ExitCode {
        println!();
        for (name, took) in &self.times {
            println!("{:>7.1} s  {name}", took.as_secs_f64());
        }
        for failure in &self.failures {
            println!("FAILED  {failure}");
        }
        println!("{} passed, {} failed", self.passed, self.failures.len());
        if self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// The sum of what the lines of a program say: `test result: ok. 3 passed; 0 failed` and `3 passed, 0 failed`.
pub(crate) fn counts_in(output: &str) -> Counts {
    let mut sum = Counts::default();
    for line in output.lines() {
        let line = line.strip_prefix("test result: ").map_or(line, |rest| rest.split_once(". ").map_or("", |(_, c)| c));
        let mut words = line.split([' ', ',', ';']).filter(|word| !word.is_empty());
        let (Some(passed), Some("passed"), Some(failed), Some("failed")) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        if let (Ok(passed), Ok(failed)) = (passed.parse::<usize>(), failed.parse::<usize>()) {
            sum.passed += passed;
            sum.failed += failed;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_every_program_are_understood() {
        let output = "running 3 tests\ntest result: ok. 3 passed; 0 failed; 0 ignored; finished in 0.02s\n\
                      test result: FAILED. 4 passed; 1 failed; 0 ignored\n12 passed, 2 failed, 1 skipped\n\
                      7 passed, 0 failed\nsomething passed, nothing failed\n";
        assert_eq!(counts_in(output), Counts { passed: 26, failed: 3 });
    }
}
