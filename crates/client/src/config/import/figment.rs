//! Layers as a provider of the crate `figment`, for programs that put their settings together with it.
//!
//! `figment` asks its providers when it needs them, and cannot wait: what servers say is read before, by
//! [`ConfigLayers::read`](super::ConfigLayers::read), and given as it was.

use figment::value::{Dict, Map, Tag, Value};
use figment::{Error, Metadata, Profile, Provider};

use super::LayerValues;
use crate::config::tree::Tree;

impl Provider for LayerValues {
    fn metadata(&self) -> Metadata {
        let there = self.state().iter().filter(|layer| layer.is_there);
        let sources: Vec<&str> = there.map(|layer| layer.source.as_str()).collect();
        Metadata::named("layers").source(sources.join(", "))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(dict(self.tree())))
    }
}

fn dict(tree: &Tree) -> Dict {
    match tree {
        Tree::Group(fields) => fields.iter().map(|(key, value)| (key.clone(), value_of(value))).collect(),
        _ => Dict::new(),
    }
}

fn value_of(tree: &Tree) -> Value {
    match tree {
        Tree::Null => Value::Empty(Tag::Default, figment::value::Empty::None),
        Tree::Bool(value) => Value::from(*value),
        Tree::Unsigned(value) => Value::from(*value),
        Tree::Signed(value) => Value::from(*value),
        Tree::Float(value) => Value::from(*value),
        Tree::Text(text) => typed(text),
        Tree::Group(_) => Value::from(dict(tree)),
        Tree::List(items) => Value::from(items.values().map(value_of).collect::<Vec<_>>()),
    }
}

/// A text as `figment` wants it: it makes no numbers of texts. Only what is written again in the same way becomes one, so
/// that `1.10` and `007` stay what they are.
fn typed(text: &str) -> Value {
    fn same<T: std::str::FromStr + ToString + Into<Value>>(text: &str) -> Option<Value> {
        text.parse().ok().filter(|value: &T| value.to_string() == text).map(Into::into)
    }
    same::<bool>(text)
        .or_else(|| same::<u64>(text))
        .or_else(|| same::<i64>(text))
        .or_else(|| same::<f64>(text).filter(|_| text.contains('.')))
        .unwrap_or_else(|| Value::from(text))
}
