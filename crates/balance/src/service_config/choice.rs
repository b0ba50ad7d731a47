//! Which service config counts, when a name was resolved again (gRFC A21).

use std::sync::Arc;

use super::ServiceConfig;
use crate::json::Invalid;

/// What came with the endpoints.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// No config.
    Nothing,
    /// A config.
    Config(Arc<ServiceConfig>),
    /// A config that is wrong.
    Wrong(Invalid),
}

/// The config that counts from now on: the one that came, else the channel's default, else an empty one. If the one that
/// came is wrong and there is no default, the one that counted before goes on.
///
/// `last` is what this said the last time; `None` the first time.
///
/// # Errors
/// What came is wrong, and there is neither a default nor one that counted before: resolving failed.
pub fn choose(
    resolved: Resolved,
    default: Option<&Arc<ServiceConfig>>,
    last: Option<&Arc<ServiceConfig>>,
) -> Result<Arc<ServiceConfig>, Invalid> {
    match resolved {
        Resolved::Config(config) => Ok(config),
        Resolved::Nothing => Ok(default.cloned().unwrap_or_default()),
        Resolved::Wrong(wrong) => default.or(last).cloned().ok_or(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong() -> Resolved {
        Resolved::Wrong(Invalid { path: "methodConfig".into(), problem: "must be a list".into() })
    }

    #[test]
    fn what_came_counts_before_the_default_and_that_before_the_last() {
        let [came, default, last] = std::array::from_fn(|_| Arc::<ServiceConfig>::default());
        let is = |resolved, default: Option<_>, last: Option<_>, expected: &Arc<ServiceConfig>| {
            Arc::ptr_eq(&choose(resolved, default, last).expect("a config"), expected)
        };
        assert!(is(Resolved::Config(Arc::clone(&came)), Some(&default), Some(&last), &came));
        assert!(is(Resolved::Nothing, Some(&default), Some(&last), &default));
        assert!(is(wrong(), Some(&default), Some(&last), &default));
        assert!(is(wrong(), None, Some(&last), &last));
    }

    #[test]
    fn no_config_is_an_empty_one_even_after_another() {
        let last = Arc::new(ServiceConfig { health_service: Some("".into()), ..ServiceConfig::default() });
        let chosen = choose(Resolved::Nothing, None, Some(&last)).expect("a config");
        assert!(chosen.health_service.is_none());
    }

    #[test]
    fn first_config_that_is_wrong_is_an_error() {
        assert_eq!(choose(wrong(), None, None).expect_err("nothing else").to_string(), "methodConfig: must be a list");
    }
}
