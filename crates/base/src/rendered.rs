//! What an edge made of a value, kept beside the value.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A place beside a value that never changes, where an edge keeps what it encoded from it, so that it encodes once. Who
/// owns the value never looks inside.
#[derive(Default)]
pub struct Rendered(OnceLock<Arc<dyn Any + Send + Sync>>);

impl Rendered {
    /// What was kept here, or what `make` makes now. One place keeps one type: the first to come decides it, and a
    /// caller with another type makes its own each time.
    pub fn get_or_make<T: Any + Send + Sync>(&self, make: impl Fn() -> T) -> Arc<T> {
        let kept = self.0.get_or_init(|| Arc::new(make()));
        Arc::clone(kept).downcast().unwrap_or_else(|_| Arc::new(make()))
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rendered({})", if self.0.get().is_some() { "made" } else { "not made" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_rendered_is_kept() {
        let rendered = Rendered::default();
        let first = rendered.get_or_make(|| 1u8);
        let second = rendered.get_or_make(|| 2u8);
        assert_eq!((*first, *second), (1, 1));
        assert_eq!(*rendered.get_or_make(|| "another type"), "another type");
    }
}
