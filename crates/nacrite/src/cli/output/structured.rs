//! JSON and YAML. Texts in YAML are plain where that is safe beyond doubt, and otherwise written as JSON writes them, which
//! every reader of YAML understands.

use std::fmt::Write;

use super::Value;

/// Blanks per level.
const INDENT: usize = 2;

/// Over several lines.
pub(super) fn json(value: &Value) -> String {
    let mut out = String::new();
    write_json(&mut out, value, Some(0));
    out
}

/// In one line.
pub(super) fn json_line(value: &Value) -> String {
    let mut out = String::new();
    write_json(&mut out, value, None);
    out
}

/// `level` is `None` if everything is to stand in one line.
fn write_json(out: &mut String, value: &Value, level: Option<usize>) {
    match value {
        Value::List(items) => {
            let items = items.iter().map(|item| (None, item));
            write_group(out, ('[', ']'), items, level);
        }
        Value::Map(fields) => {
            let fields = fields.iter().map(|(name, value)| (Some(name.as_str()), value));
            write_group(out, ('{', '}'), fields, level);
        }
        Value::Text(text) => quote(out, text),
        scalar => out.push_str(&plain(scalar)),
    }
}

fn write_group<'a>(
    out: &mut String,
    (open, close): (char, char),
    items: impl ExactSizeIterator<Item = (Option<&'a str>, &'a Value)>,
    level: Option<usize>,
) {
    let is_empty = items.len() == 0;
    let new_line = |out: &mut String, level: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', level * INDENT));
    };
    out.push(open);
    for (index, (name, value)) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        if let Some(level) = level {
            new_line(out, level + 1);
        }
        if let Some(name) = name {
            quote(out, name);
            out.push_str(if level.is_some() { ": " } else { ":" });
        }
        write_json(out, value, level.map(|level| level + 1));
    }
    if let (Some(level), false) = (level, is_empty) {
        new_line(out, level);
    }
    out.push(close);
}

fn plain(value: &Value) -> String {
    match value {
        Value::Bool(is) => is.to_string(),
        Value::Whole(number) => number.to_string(),
        // JSON has no word for what is no number.
        Value::Number(number) if number.is_finite() => number.to_string(),
        _ => "null".to_owned(),
    }
}

fn quote(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Two line breaks of Unicode, and what YAML takes for one; the latter would also end a line in YAML.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                // Writing to a String does not fail.
                write!(out, "\\u{:04x}", u32::from(c)).ok();
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A document, with a line break at its end.
pub(super) fn yaml(value: &Value) -> String {
    let mut out = String::new();
    write_yaml(&mut out, value, 0);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Writes `value` where the cursor stands, which is the column of this level.
fn write_yaml(out: &mut String, value: &Value, level: usize) {
    let next_line = |out: &mut String, index: usize| {
        if index > 0 {
            out.extend(std::iter::repeat_n(' ', level * INDENT));
        }
    };
    match value {
        Value::List(items) if items.is_empty() => out.push_str("[]"),
        Value::Map(fields) if fields.is_empty() => out.push_str("{}"),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                next_line(out, index);
                out.push_str("- ");
                write_yaml(out, item, level + 1);
                end_line(out);
            }
        }
        Value::Map(fields) => {
            for (index, (name, value)) in fields.iter().enumerate() {
                next_line(out, index);
                yaml_text(out, name);
                out.push(':');
                let is_group = match value {
                    Value::List(items) => !items.is_empty(),
                    Value::Map(fields) => !fields.is_empty(),
                    _ => false,
                };
                if is_group {
                    out.push('\n');
                    out.extend(std::iter::repeat_n(' ', (level + 1) * INDENT));
                } else {
                    out.push(' ');
                }
                write_yaml(out, value, level + 1);
                end_line(out);
            }
        }
        Value::Text(text) => yaml_text(out, text),
        scalar => out.push_str(&plain(scalar)),
    }
}

fn end_line(out: &mut String) {
    if !out.ends_with('\n') {
        out.push('\n');
    }
}

fn yaml_text(out: &mut String, text: &str) {
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/'));
    // Words that some reader takes for something else than a text.
    let has_meaning =
        ["true", "false", "yes", "no", "on", "off", "y", "n", "null"].contains(&text.to_ascii_lowercase().as_str());
    if is_word && !has_meaning { out.push_str(text) } else { quote(out, text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Value {
        Value::List(vec![
            Value::map([
                ("address", "10.0.0.1:80".into()),
                ("weight", Value::Number(0.5)),
                ("metadata", Value::Map(vec![("on".into(), "yes".into()), ("zone".into(), "eu-1".into())])),
            ]),
            Value::map([
                ("address", "a \"b\"\n\u{1b}".into()),
                ("weight", Value::Number(f64::NAN)),
                ("metadata", Value::Map(Vec::new())),
            ]),
        ])
    }

    #[test]
    fn what_is_written_as_json_is_read_as_what_it_was() {
        for text in [json(&sample()), json_line(&sample())] {
            let read: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
            assert_eq!(read[0]["metadata"]["zone"], "eu-1", "{text}");
            assert_eq!(read[0]["weight"], 0.5);
            assert_eq!(read[1]["address"], "a \"b\"\n\u{1b}");
            assert!(read[1]["weight"].is_null());
        }
        assert_eq!(json_line(&sample()).lines().count(), 1);
        assert_eq!(json(&Value::List(Vec::new())), "[]");
    }

    #[test]
    fn what_is_written_as_yaml_is_read_as_what_it_was() {
        let text = yaml(&sample());
        let expected = r#"- address: "10.0.0.1:80"
  weight: 0.5
  metadata:
    "on": "yes"
    zone: eu-1
- address: "a \"b\"\n\u001b"
  weight: null
  metadata: {}
"#;
        assert_eq!(text, expected);
        let read: serde_json::Value = nacrite_client::config::Format::Yaml.read(&text).expect("it is YAML");
        let as_json: serde_json::Value = serde_json::from_str(&json(&sample())).expect("it is JSON");
        assert_eq!(read, as_json);
    }
}
