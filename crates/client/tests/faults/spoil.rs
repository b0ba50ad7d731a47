//! Spoils JSON: every field missing, `null`, of another kind, with more beside it; one at a time.

use serde_json::{Value, json};

/// What was done to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoilt {
    Missing,
    Null,
    Extra,
    Mistyped,
}

/// Every way to spoil `good`, with its name.
pub(crate) fn ways(good: &Value) -> Vec<(Spoilt, String, Value)> {
    let mut all = Vec::new();
    for path in paths(good, String::new()) {
        let shown = if path.is_empty() { "the whole" } else { &path };
        for wrong in wrong_values() {
            let how = if wrong.is_null() { Spoilt::Null } else { Spoilt::Mistyped };
            all.push((how, format!("{shown} is {wrong}"), with(good, &path, |value| *value = wrong.clone())));
        }
        if let Some((parent, name)) = path.rsplit_once('/') {
            let without = with(good, parent, |value| {
                if let Value::Object(fields) = value {
                    fields.remove(name);
                }
            });
            all.push((Spoilt::Missing, format!("{shown} is missing"), without));
        }
        let more = with(good, &path, |value| match value {
            Value::Object(fields) => drop(fields.insert("never heard of".to_owned(), json!({"a": [1, null]}))),
            Value::Array(items) => items.push(Value::Null),
            _ => {}
        });
        all.push((Spoilt::Extra, format!("more in {shown}"), more));
    }
    all
}

/// Values of every kind, and the ends of their ranges.
fn wrong_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e300),
        json!(0.5),
        json!(""),
        json!("text"),
        json!("99999999999999999999999"),
        json!("\u{0}\u{1f980}"),
        json!([]),
        json!([[null]]),
        json!([{}]),
        json!({}),
        json!({"a": null, "b": {"c": []}}),
    ]
}

/// The way to every value inside, as JSON pointers.
fn paths(value: &Value, at: String) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(nth, value)| (nth.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let mut all: Vec<_> = inner.into_iter().flat_map(|(name, value)| paths(value, format!("{at}/{name}"))).collect();
    all.push(at);
    all
}

fn with(good: &Value, path: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut value = good.clone();
    change(value.pointer_mut(path).expect("a path of this value"));
    value
}
