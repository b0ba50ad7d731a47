//! Selectors of services: kept and shown (`reference/http.md`, 2.2).
//!
//! None changes a list here. `none` selects everything; `label` compares the labels that a CMDB has for the caller and for
//! each instance, and where nothing is equal, or there is no CMDB, everything is shown (`reference/semantics.md`, 2.10).
//! This server has no CMDB.
//!
//! Kept is Nacos's own JSON with nothing else in it, so that what is shown does not depend on how it was sent.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;

use crate::http::forms;
use crate::http::refusal::Refusal;
use crate::{json, lenient};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SelectorBody<'a> {
    #[serde(borrow, rename = "type", deserialize_with = "lenient::text")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    expression: Option<Cow<'a, str>>,
}

/// Reads a selector; `None` for the one that selects everything. Clients encode it once more than the rest, or not.
///
/// # Errors
/// [`Refusal::SelectorUnknown`] or [`Refusal::SelectorExpression`].
pub fn selector(given: Option<&str>) -> Result<Option<Arc<str>>, Refusal> {
    let Some(given) = given else { return Ok(None) };
    let decoded = if given.starts_with('{') { Some(Cow::Borrowed(given)) } else { forms::decode(given.as_bytes()) };
    let text = decoded.filter(|text| text.starts_with('{')).ok_or(Refusal::SelectorUnknown)?;
    let body: SelectorBody<'_> = json::read(text.as_bytes()).map_err(|_| Refusal::SelectorUnknown)?;
    match body.kind.as_deref() {
        Some("none") => Ok(None),
        Some("label") => {
            labels(body.expression.as_deref())?;
            let mut kept = b"{\"type\":\"label\",\"expression\":".to_vec();
            json::write(&mut kept, &body.expression);
            kept.push(b'}');
            Ok(Some(String::from_utf8_lossy(&kept).into()))
        }
        _ => Err(Refusal::SelectorUnknown),
    }
}

/// The labels of an expression like `CONSUMER.label.A = PROVIDER.label.A & …`.
fn labels(expression: Option<&str>) -> Result<Vec<&str>, Refusal> {
    match expression.filter(|text| !text.trim().is_empty()) {
        None => Ok(Vec::new()),
        Some(text) => text.split('&').map(|term| label(term).ok_or(Refusal::SelectorExpression)).collect(),
    }
}

fn label(term: &str) -> Option<&str> {
    let (consumer, provider) = term.split_once('=')?;
    let consumer = consumer.trim().strip_prefix("CONSUMER.label.")?;
    let provider = provider.trim().strip_prefix("PROVIDER.label.")?;
    (consumer == provider && !consumer.is_empty()).then_some(consumer)
}

/// Writes a kept selector as it is shown.
pub fn write(out: &mut Vec<u8>, kept: Option<&str>) {
    let body = kept.and_then(|kept| json::read::<SelectorBody<'_>>(kept.as_bytes()).ok());
    let Some(body) = body else {
        return out.extend_from_slice(b"{\"type\":\"none\",\"contextType\":\"NONE\"}");
    };
    out.extend_from_slice(b"{\"type\":\"label\",\"expression\":");
    json::write(out, &body.expression);
    out.extend_from_slice(b",\"labels\":");
    json::write(out, &labels(body.expression.as_deref()).unwrap_or_default());
    out.extend_from_slice(b",\"contextType\":\"CMDB\"}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: Option<&str>, written: Result<&str, &str>) {
        let read = selector(given).map_err(|refusal| refusal.to_string());
        let shown = read.map(|kept| {
            let mut out = Vec::new();
            write(&mut out, kept.as_deref());
            String::from_utf8(out).expect("JSON")
        });
        assert_eq!(shown, written.map(str::to_owned).map_err(str::to_owned), "{given:?}");
    }

    #[test]
    fn selectors_are_shown_as_nacos_shows_them() {
        let none = r#"{"type":"none","contextType":"NONE"}"#;
        check(None, Ok(none));
        check(Some(r#"{"type":"none"}"#), Ok(none));
        let two = "CONSUMER.label.A = PROVIDER.label.A &CONSUMER.label.B = PROVIDER.label.B";
        check(
            Some(&format!(r#"{{"type":"label","expression":"{two}"}}"#)),
            Ok(&format!(r#"{{"type":"label","expression":"{two}","labels":["A","B"],"contextType":"CMDB"}}"#)),
        );
        let encoded =
            "%7B%22type%22%3A%22label%22%2C%22expression%22%3A%22CONSUMER.label.A%20%3D%20PROVIDER.label.A%22%7D";
        let one = "CONSUMER.label.A = PROVIDER.label.A";
        let shown = format!(r#"{{"type":"label","expression":"{one}","labels":["A"],"contextType":"CMDB"}}"#);
        check(Some(encoded), Ok(&shown));
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for unknown in [r#"{"type":"magic"}"#, "{}", "oops", r#"{"expression":"x"}"#, "{", "[]"] {
            check(Some(unknown), Err("not match any type of selector!"));
        }
        for bad in ["nonsense", "CONSUMER.label.A = PROVIDER.label.B", "A = A"] {
            let given = format!(r#"{{"type":"label","expression":"{bad}"}}"#);
            check(Some(&given), Err("Selector parses failed: parse expression failed!"));
        }
    }
}
