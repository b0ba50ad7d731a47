//! Java properties: lines, escapes and continuations as `java.util.Properties` reads them. What their keys mean is told by
//! `tree`.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::format::Unfit;
use super::tree::Tree;

/// What keys mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Paths.
    Nested,
    /// Just names.
    Flat,
}

/// Reads a content into a type.
pub(crate) fn read<T: DeserializeOwned>(content: &str, shape: Shape) -> Result<T, Unfit> {
    tree(content, shape)?.read()
}

/// The values of a content.
pub(crate) fn tree(content: &str, shape: Shape) -> Result<Tree, Unfit> {
    let mut root = Tree::empty();
    for (key, value) in parse(content)? {
        match shape {
            Shape::Nested => root.insert_at(&key, value)?,
            Shape::Flat => root.insert_key(key, value),
        }
    }
    Ok(root)
}

/// Reads keys and values. The last of a repeated key counts.
pub(crate) fn parse(content: &str) -> Result<BTreeMap<String, String>, Unfit> {
    let mut pairs = BTreeMap::new();
    let mut lines = content.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).zip(1_u64..);
    while let Some((line, number)) = lines.next() {
        let line = line.trim_start_matches(BLANK);
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        while continues(&logical) {
            logical.pop();
            // The last line may end in a backslash, which then continues into nothing.
            let Some((next, _)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches(BLANK));
        }
        let broken = || Unfit { key: None, at: Some((number, 1)), why: "an escape \\u needs four digits".to_owned() };
        let (key, value) = split(&logical);
        pairs.insert(unescaped(key).ok_or_else(broken)?, unescaped(value).ok_or_else(broken)?);
    }
    Ok(pairs)
}

const BLANK: [char; 3] = [' ', '\t', '\u{c}'];

/// An odd number of backslashes at the end: the last one is not itself escaped.
fn continues(line: &str) -> bool {
    line.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

/// The key ends at the first blank, `=` or `:` that is not escaped; one such sign and the blanks around it separate.
fn split(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = line.find(|c: char| {
        let ends = !is_escaped && (BLANK.contains(&c) || c == '=' || c == ':');
        is_escaped = !is_escaped && c == '\\';
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(BLANK);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(BLANK))
}

fn unescaped(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    let push = |units: &mut Vec<u16>, c: char| units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    while let Some(c) = chars.next() {
        if c != '\\' {
            push(&mut units, c);
            continue;
        }
        match chars.next() {
            None => {}
            Some('t') => push(&mut units, '\t'),
            Some('n') => push(&mut units, '\n'),
            Some('r') => push(&mut units, '\r'),
            Some('f') => push(&mut units, '\u{c}'),
            Some('u') => {
                let digits = chars.as_str().get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
                units.push(u16::from_str_radix(digits, 16).ok()?);
                chars = chars.as_str()[4..].chars();
            }
            Some(other) => push(&mut units, other),
        }
    }
    // Escapes are halves of characters beyond the first plane; a half without the other becomes a replacement.
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::config::tree::DEPTH_MAX;

    fn parsed(content: &str) -> Vec<(String, String)> {
        parse(content).expect("well written").into_iter().collect()
    }

    #[track_caller]
    fn check(content: &str, key: &str, value: &str) {
        assert_eq!(parsed(content), [(key.to_owned(), value.to_owned())], "{content:?}");
    }

    #[test]
    fn lines_are_read_as_java_reads_them() {
        check("a=b", "a", "b");
        check("  a  =  b  ", "a", "b  ");
        check("a b c", "a", "b c");
        check("a:=b", "a", "=b");
        check("a", "a", "");
        check("a\\=b\\:c\\ d=e", "a=b:c d", "e");
        check("a=b\\\n   c\\\r\n d", "a", "bcd");
        check("a=b\\\\", "a", "b\\");
        check("a=b\\", "a", "b");
        check("# x=1\n! y=2\n\na=\\t\\u4e2d\\ud83d\\ude00\\q", "a", "\t中😀q");
        check("a=1\na=2", "a", "2");
        check("# no comment goes on \\\na=1", "a", "1");
    }

    #[test]
    fn a_broken_escape_is_told_by_its_line() {
        assert_eq!(parse("a=1\nb=\\u12").map_err(|unfit| unfit.at), Err(Some((2, 1))));
        assert!(parse("b=\\uD83D").is_ok_and(|pairs| pairs["b"] == "\u{fffd}"));
        assert!(parse("b=\\u12中文").is_err());
    }

    /// As `java.util.Properties` would write it.
    fn escaped(text: &str, also: &[char]) -> String {
        let one = |c: char| match c {
            '\n' => "\\n".to_owned(),
            '\r' => "\\r".to_owned(),
            '\t' => "\\t".to_owned(),
            '\u{c}' => "\\f".to_owned(),
            '\\' => "\\\\".to_owned(),
            c if also.contains(&c) => format!("\\{c}"),
            c if !c.is_ascii() => c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect(),
            c => c.to_string(),
        };
        text.chars().map(one).collect()
    }

    #[test]
    fn whatever_is_written_is_read_again_and_nothing_panics() {
        const ALPHABET: [char; 16] =
            ['a', 'b', '.', '[', ']', '0', '=', ':', ' ', '\t', '\u{c}', '\\', '\n', '\r', '#', '😀'];
        let mut random = StdRng::seed_from_u64(7);
        let mut word = |len_max: usize| -> String {
            let len = random.random_range(0..=len_max);
            (0..len).map(|_| ALPHABET[random.random_range(0..ALPHABET.len())]).collect()
        };
        for _ in 0..5_000 {
            let (key, value) = (word(6), word(8));
            let written = format!(
                "{} = {}",
                escaped(&key, &['=', ':', ' ', '#', '!']),
                // Blanks at the start of a value would be taken for a part of what separates.
                escaped(&value, &[' '])
            );
            assert_eq!(parsed(&written), [(key.clone(), value)], "{written:?}");
            for any in [format!("{key}{}", word(20)), format!("{}\\u{}", word(3), word(5))] {
                // Whether it can be read does not matter, only that it ends.
                drop(read::<serde_json::Value>(&any, Shape::Nested));
                drop(read::<BTreeMap<String, Vec<u8>>>(&any, Shape::Nested));
                drop(read::<BTreeMap<String, String>>(&any, Shape::Flat));
            }
        }
    }

    #[test]
    fn keys_are_not_nested_without_end() {
        let deep = |depth: usize| read::<serde::de::IgnoredAny>(&format!("{}a=1", "a.".repeat(depth)), Shape::Nested);
        assert!(deep(DEPTH_MAX - 1).is_ok());
        assert!(deep(DEPTH_MAX).is_err());
        assert!(deep(100_000).is_err());
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Wide {
        on: bool,
        ratio: f64,
        port: Option<u16>,
        missing: Option<u16>,
        id: Id,
        list: Vec<Vec<i32>>,
        pair: (u8, String),
        map: BTreeMap<String, BTreeMap<String, String>>,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Id(u64);

    #[test]
    fn texts_become_what_the_type_wants() {
        let content = "on=yes\nratio=0.5\nport= 80\nid=7\nlist[0]=1,2\nlist[1][0]=3\npair=1,x\nmap.a.b=c\n";
        let wide: Wide = read(content, Shape::Nested).expect("it fits");
        assert_eq!(
            wide,
            Wide {
                on: true,
                ratio: 0.5,
                port: Some(80),
                missing: None,
                id: Id(7),
                list: vec![vec![1, 2], vec![3]],
                pair: (1, "x".into()),
                map: BTreeMap::from([("a".into(), BTreeMap::from([("b".into(), "c".into())]))]),
            }
        );
    }
}
