//! Shape of files: a head that says what they are for, and a length that one can hold in mind.

use super::{Finding, Source};

/// Lines of a file, without its tests.
const FILE_LINES_MAX: usize = 500;

/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 70;

/// Every file opens by saying what it is for.
pub(crate) fn headers(sources: &[Source]) -> anyhow::Result<Vec<Finding>> {
    let bare = sources.iter().filter(|source| !source.text.starts_with("//! "));
    Ok(bare.map(|source| Finding::at(&source.path, 1, "the file does not open with what it is for (`//!`)")).collect())
}

/// No file and no function is longer than one can hold in mind; what programs write nobody has to.
pub(crate) fn lengths(sources: &[Source]) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !source.is_made()) {
        let len = source.lines().count();
        if len > FILE_LINES_MAX {
            findings.push(Finding::at(&source.path, 1, format!("{len} lines, more than {FILE_LINES_MAX}")));
        }
        let mut open: Option<(usize, usize)> = None;
        for (at, line) in source.text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
            let indent = line.len() - line.trim_start().len();
            match open {
                None if begins_function(line.trim_start()) && !line.trim_end().ends_with([';', '}']) => {
                    open = Some((at, indent));
                }
                Some((from, of)) if indent == of && line.trim_start().starts_with('}') => {
                    if at - from > FUNCTION_LINES_MAX {
                        let what = format!("a function of {} lines, more than {FUNCTION_LINES_MAX}", at - from);
                        findings.push(Finding::at(&source.path, from, what));
                    }
                    open = None;
                }
                Some((_, of)) if indent == of && line.trim_end().ends_with(';') => open = None,
                _ => {}
            }
        }
    }
    Ok(findings)
}

/// Whether a line begins a function: words that may stand before `fn`, then `fn`.
fn begins_function(line: &str) -> bool {
    let before = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern"];
    line.split_whitespace().find(|word| !before.contains(word)) == Some("fn")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found() {
        for line in ["fn a() {", "pub async fn a(", "pub(crate) const fn a() -> u8 {"] {
            assert!(begins_function(line), "{line}");
        }
        for line in ["let f = fn_of();", "type F = fn();", "// fn a"] {
            assert!(!begins_function(line), "{line}");
        }
    }
}
