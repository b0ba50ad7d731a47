//! What the edges made of a value, kept beside the value.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// gRPC, HTTP and UDP.
const EDGES: usize = 3;

/// A place beside a value that never changes, where each edge keeps what it encoded from it, so that it encodes once. Who
/// owns the value never looks inside.
#[derive(Default)]
pub struct Rendered([OnceLock<Arc<dyn Any + Send + Sync>>; EDGES]);

impl Rendered {
    /// What was kept here, or what `make` makes now. An edge keeps one type of its own; beyond `EDGES` types, what is
    /// made is not kept.
    pub fn get_or_make<T: Any + Send + Sync>(&self, make: impl Fn() -> T) -> Arc<T> {
        for slot in &self.0 {
            let kept = slot.get_or_init(|| Arc::new(make()));
            if let Ok(found) = Arc::clone(kept).downcast() {
                return found;
            }
        }
        Arc::new(make())
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rendered({} made)", self.0.iter().filter(|slot| slot.get().is_some()).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_edge_made_is_kept() {
        let rendered = Rendered::default();
        for _ in 0..2 {
            assert_eq!(*rendered.get_or_make(|| 1u8), 1);
            assert_eq!(*rendered.get_or_make(|| "made by another edge"), "made by another edge");
        }
        assert!(Arc::ptr_eq(&rendered.get_or_make(|| 2u8), &rendered.get_or_make(|| 3u8)));
        assert!(Arc::ptr_eq(&rendered.get_or_make(|| 'x'), &rendered.get_or_make(|| 'y')));
        assert_eq!(*rendered.get_or_make(|| 1.5), 1.5);
    }
}
