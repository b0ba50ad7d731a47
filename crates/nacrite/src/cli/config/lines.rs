//! Which lines one text has that another one has not, in the order of the texts.

/// Cells of the table by which lines are matched: 4 bytes each, so 64 MB. What lies between the first and the last
/// difference of larger texts is taken for different as a whole.
const CELLS_MAX: usize = 16_000_000;

/// A line that stands on one side alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// On the second side alone; otherwise on the first.
    pub(super) is_added: bool,
    /// Number of the line on its side, from 1.
    pub(super) number: usize,
    pub(super) text: &'a str,
}

impl Line<'_> {
    /// How it is marked.
    pub(super) fn sign(&self) -> char {
        if self.is_added { '+' } else { '-' }
    }
}

/// Compares two texts line by line.
pub(super) fn compare<'a>(first: &'a str, second: &'a str) -> Vec<Line<'a>> {
    let (a, b): (Vec<&str>, Vec<&str>) = (first.lines().collect(), second.lines().collect());
    let same_start = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[same_start..], &b[same_start..]);
    let same_end = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[..a.len() - same_end], &b[..b.len() - same_end]);
    let line = |is_added, index: usize, text| Line { is_added, number: same_start + index + 1, text };
    if (a.len() + 1).saturating_mul(b.len() + 1) > CELLS_MAX {
        let removed = a.iter().enumerate().map(|(index, text)| line(false, index, *text));
        let added = b.iter().enumerate().map(|(index, text)| line(true, index, *text));
        return removed.chain(added).collect();
    }
    let longest = Longest::of(a, b);
    let (mut i, mut j) = (0, 0);
    let mut lines = Vec::new();
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == b.len() || (i < a.len() && longest.at(i + 1, j) >= longest.at(i, j + 1)) {
            lines.push(line(false, i, a[i]));
            i += 1;
        } else {
            lines.push(line(true, j, b[j]));
            j += 1;
        }
    }
    lines
}

/// How many lines the ends of two texts have in common, at most, for all their ends.
struct Longest {
    cells: Vec<u32>,
    width: usize,
}

impl Longest {
    fn of(a: &[&str], b: &[&str]) -> Self {
        let width = b.len() + 1;
        let mut longest = Self { cells: vec![0; (a.len() + 1) * width], width };
        for i in (0..a.len()).rev() {
            for j in (0..b.len()).rev() {
                longest.cells[i * width + j] = if a[i] == b[j] {
                    longest.at(i + 1, j + 1) + 1
                } else {
                    longest.at(i + 1, j).max(longest.at(i, j + 1))
                };
            }
        }
        longest
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells[i * self.width + j]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(first: &str, second: &str) -> Vec<String> {
        let lines = compare(first, second);
        lines.iter().map(|line| format!("{}{} {}", line.sign(), line.number, line.text)).collect()
    }

    #[test]
    fn only_what_differs_is_told() {
        assert_eq!(shown("a\nb\nc\nd\n", "a\nc\nx\nd\n"), ["-2 b", "+3 x"]);
        assert!(shown("a\nb", "a\nb\n").is_empty(), "the last line break does not count");
        assert_eq!(shown("", "a\nb"), ["+1 a", "+2 b"]);
        assert_eq!(shown("a\na\na", "a"), ["-2 a", "-3 a"]);
        assert_eq!(shown("x", "y"), ["-1 x", "+1 y"]);
    }

    #[test]
    fn large_texts_are_not_compared_for_ever() {
        let (a, b): (String, String) =
            ((0..5000).map(|n| format!("a{n}\n")).collect(), (0..5000).map(|n| format!("b{n}\n")).collect());
        assert_eq!(compare(&a, &b).len(), 10_000);
        assert_eq!(compare(&a, &format!("{a}b\n")).len(), 1);
    }
}
