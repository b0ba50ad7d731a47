//! Tables: columns as wide as their widest cell, two blanks between, no lines.

use super::{Value, harmless};

/// Rows below a heading.
pub(super) fn text(columns: &[&str], rows: &[Vec<Value>]) -> String {
    let heading: Vec<String> = columns.iter().map(|name| heading(name)).collect();
    let cells = rows.iter().map(|row| row.iter().map(cell).collect());
    let lines: Vec<Vec<String>> = std::iter::once(heading).chain(cells).collect();
    joined(aligned(&lines))
}

/// Rows without a heading.
pub(super) fn lines(rows: &[Vec<Value>]) -> Vec<String> {
    aligned(&rows.iter().map(|row| row.iter().map(cell).collect()).collect::<Vec<_>>())
}

/// The fields of one value, one per line.
pub(super) fn fields(value: &Value) -> String {
    match value {
        Value::Map(fields) => {
            let lines: Vec<Vec<String>> = fields.iter().map(|(name, value)| vec![heading(name), cell(value)]).collect();
            joined(aligned(&lines))
        }
        other => format!("{}\n", cell(other)),
    }
}

fn aligned(lines: &[Vec<String>]) -> Vec<String> {
    let mut widths: Vec<usize> = Vec::new();
    for line in lines {
        widths.resize(widths.len().max(line.len()), 0);
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |line: &Vec<String>| {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect()
}

fn joined(lines: Vec<String>) -> String {
    lines.into_iter().map(|line| line + "\n").collect()
}

/// `dataId` becomes `DATA ID`.
fn heading(name: &str) -> String {
    let mut heading = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            heading.push(' ');
        }
        heading.push(c.to_ascii_uppercase());
    }
    heading
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(is) => if *is { "yes" } else { "no" }.to_owned(),
        Value::Whole(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) if text.is_empty() => "-".to_owned(),
        Value::Text(text) => harmless(text),
        Value::List(items) if items.is_empty() => "-".to_owned(),
        Value::List(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        Value::Map(fields) if fields.is_empty() => "-".to_owned(),
        Value::Map(fields) => {
            let pairs: Vec<String> =
                fields.iter().map(|(name, value)| format!("{}={}", harmless(name), cell(value))).collect();
            pairs.join(",")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [
            vec!["10.0.0.1:80".into(), Value::Number(1.0), true.into(), Value::Map(vec![("zone".into(), "a".into())])],
            vec!["h:8080".into(), Value::Number(0.25), false.into(), Value::Map(Vec::new())],
        ];
        let expected = "\
ADDRESS      WEIGHT  IS ON  METADATA
10.0.0.1:80  1       yes    zone=a
h:8080       0.25    no     -
";
        assert_eq!(text(&["address", "weight", "isOn", "metadata"], &rows), expected);
    }

    #[test]
    fn an_empty_table_is_its_heading() {
        assert_eq!(text(&["group", "service"], &[]), "GROUP  SERVICE\n");
    }

    #[test]
    fn one_value_is_shown_field_by_field() {
        let value = Value::map([("dataId", "app.yaml".into()), ("md5", Value::Null)]);
        assert_eq!(fields(&value), "DATA ID  app.yaml\nMD5      -\n");
    }
}
