//! Reads the text of an `application.properties`: Java's syntax, with Spring's `${NAME:default}`.

/// One line of the file, put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Property {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Every property of the text, in order. `lookup` gives the values of `${NAME}`.
///
/// # Errors
/// The line, and what is wrong with it.
pub(crate) fn parse(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Vec<Property>, String> {
    let mut properties = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, first)) = lines.next() {
        let mut whole = first.trim_start().to_owned();
        if whole.is_empty() || whole.starts_with(['#', '!']) {
            continue;
        }
        while goes_on(&whole) {
            whole.pop();
            match lines.next() {
                Some((_, next)) => whole.push_str(next.trim_start()),
                None => break,
            }
        }
        let (name, value) = split(&whole);
        let unescape = |text| unescape(text).map_err(|why| format!("line {}: {why}", at + 1));
        let value = filled_in(&unescape(value)?, &lookup);
        properties.push(Property { line: at + 1, name: unescape(name)?, value });
    }
    Ok(properties)
}

/// Whether the line ends with an odd number of backslashes.
fn goes_on(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Name and value: the name ends at the first `=`, `:` or blank that is not escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (c == '=' || c == ':' || c.is_whitespace());
        escaped = !escaped && c == '\\';
        ends
    });
    let (name, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (name, value.trim())
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                let decoded = code.and_then(char::from_u32);
                out.push(decoded.ok_or_else(|| format!("\\u{digits} is no character"))?);
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    Ok(out)
}

/// Fills in every `${NAME:default}`; without a value and a default nothing is put there.
fn filled_in(value: &str, lookup: &impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, behind)) = after.split_once('}') else {
            break;
        };
        let (name, default) = inside.split_once(':').unwrap_or((inside, ""));
        out.push_str(before);
        out.push_str(&lookup(name.trim()).unwrap_or_else(|| default.to_owned()));
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let lookup = |name: &str| (name == "PORT").then(|| "9000".to_owned());
        let properties = parse(text, lookup).expect("good properties");
        properties.into_iter().map(|property| (property.name, property.value)).collect()
    }

    fn pair(text: &str) -> (String, String) {
        pairs(text).remove(0)
    }

    #[test]
    fn names_and_values_are_told_apart_as_java_does() {
        for line in ["a=b", "a = b", "a:b", "a b", "  a   =  b  ", "a\t: b"] {
            assert_eq!(pair(line), ("a".to_owned(), "b".to_owned()), "{line}");
        }
        assert_eq!(pair("a\\=b=c"), ("a=b".to_owned(), "c".to_owned()));
        assert_eq!(pair("a"), ("a".to_owned(), String::new()));
        assert_eq!(pair("url=http://x:1/?a=b"), ("url".to_owned(), "http://x:1/?a=b".to_owned()));
    }

    #[test]
    fn comments_empty_lines_and_continuations() {
        let text = "# no\n! no\n\na=1\\\n   2\nb=x\\\\\nc=3";
        let expected = [("a", "12"), ("b", "x\\"), ("c", "3")];
        assert_eq!(pairs(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn escapes_are_read() {
        assert_eq!(pair("a=\\u4e2d\\t!"), ("a".to_owned(), "中\t!".to_owned()));
        assert_eq!(parse("x=1\na=\\u12", |_| None), Err("line 2: \\u12 is no character".to_owned()));
    }

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(pair("a=${PORT:1}").1, "9000");
        assert_eq!(pair("a=x${NONE:1}y${NONE}z").1, "x1yz");
        assert_eq!(pair("a=${PORT").1, "${PORT");
    }
}
