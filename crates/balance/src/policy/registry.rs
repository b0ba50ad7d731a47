//! Policies by name: how a service config chooses one. Programs add their own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::json::{Invalid, Node};
use crate::policy::{
    LeastRequest, PickFirst, Policy, PreferLocality, RingHash, RoundRobin, WeightedRandom, WeightedRoundRobin,
};

/// Makes a policy of its settings. Other policies that it wraps come from the registry.
pub type Parser = Arc<dyn Fn(&Node<'_>, &PolicyRegistry) -> Result<Arc<dyn Policy>, Invalid> + Send + Sync>;

/// Policies by name.
///
/// ```
/// use std::sync::Arc;
/// use nacrite_balance::policy::{PolicyRegistry, PreferLocality};
///
/// // `{"home_first": {"childPolicy": [{"least_request": {}}]}}`: a policy of one's own around one that is there.
/// let mut policies = PolicyRegistry::standard();
/// policies.register("home_first", |config, all| {
///     let inner = all.first_known(&config.need("childPolicy")?)?;
///     Ok(Arc::new(PreferLocality::new("home", inner)))
/// });
/// assert!(policies.knows("home_first"));
/// ```
#[derive(Clone)]
pub struct PolicyRegistry {
    parsers: BTreeMap<String, Parser>,
}

impl fmt::Debug for PolicyRegistry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.parsers.keys()).finish()
    }
}

impl Default for PolicyRegistry {
    fn default() -> Self {
        Self::standard()
    }
}

impl PolicyRegistry {
    /// No policy at all.
    #[must_use]
    pub fn empty() -> Self {
        Self { parsers: BTreeMap::new() }
    }

    /// The policies of this crate. Those that gRPC calls experimental have both names.
    #[must_use]
    pub fn standard() -> Self {
        let mut all = Self::empty();
        all.register(PickFirst::NAME, |config, _| Ok(Arc::new(PickFirst::parse(config)?)));
        all.register(RoundRobin::NAME, |_, _| Ok(Arc::new(RoundRobin::default())));
        all.register(WeightedRoundRobin::NAME, |_, _| Ok(Arc::new(WeightedRoundRobin::default())));
        all.register(WeightedRandom::NAME, |_, _| Ok(Arc::new(WeightedRandom)));
        all.register(PreferLocality::NAME, |config, all| Ok(Arc::new(PreferLocality::parse(config, all)?)));
        for name in [LeastRequest::NAME, "least_request_experimental"] {
            all.register(name, |config, _| Ok(Arc::new(LeastRequest::parse(config)?)));
        }
        for name in [RingHash::NAME, "ring_hash_experimental"] {
            all.register(name, |config, _| Ok(Arc::new(RingHash::parse(config)?)));
        }
        all
    }

    /// Adds a policy; one of the same name is replaced.
    pub fn register<F>(&mut self, name: &str, parser: F)
    where
        F: Fn(&Node<'_>, &PolicyRegistry) -> Result<Arc<dyn Policy>, Invalid> + Send + Sync + 'static,
    {
        self.parsers.insert(name.to_owned(), Arc::new(parser));
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.parsers.contains_key(name)
    }

    /// The policy of a name, with its defaults.
    ///
    /// # Errors
    /// There is none, or it has settings that must be made.
    pub fn by_name(&self, name: &str) -> Result<Arc<dyn Policy>, Invalid> {
        let defaults = Value::Object(Map::new());
        self.parse(name, &Node::root(&defaults)).unwrap_or_else(|| {
            let known: Vec<&str> = self.parsers.keys().map(String::as_str).collect();
            let problem = format!("there is no balancing policy `{name}`; known are {}", known.join(", "));
            Err(Invalid { path: String::new(), problem })
        })
    }

    /// The policy of a name, with settings; `None` if there is none of this name.
    #[must_use]
    pub fn parse(&self, name: &str, config: &Node<'_>) -> Option<Result<Arc<dyn Policy>, Invalid>> {
        self.parsers.get(name).map(|parser| parser(config, self))
    }

    /// The first policy of a list that is known: `[{"name": {settings}}, …]`. If its settings are wrong the list is, even if
    /// another that is known follows.
    ///
    /// # Errors
    /// None is known, or one is not as it must be.
    pub fn first_known(&self, list: &Node<'_>) -> Result<Arc<dyn Policy>, Invalid> {
        let mut unknown = Vec::new();
        for item in list.items()? {
            let (name, config) = item.only()?;
            match self.parse(name, &config) {
                Some(policy) => return policy,
                None => unknown.push(name),
            }
        }
        Err(list.wrong(match unknown.as_slice() {
            [] => "names no balancing policy".to_owned(),
            names => format!("names no balancing policy that is known: {}", names.join(", ")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chosen(list: &Value) -> Result<String, String> {
        let found = PolicyRegistry::standard().first_known(&Node::root(list));
        found.map(|policy| policy.name().to_owned()).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn first_known_policy_wins() {
        assert_eq!(chosen(&json!([{"grpclb": {}}, {"round_robin": {}}, {"pick_first": {}}])), Ok("round_robin".into()));
        assert_eq!(chosen(&json!([{"least_request_experimental": {"choiceCount": 3}}])), Ok("least_request".into()));
    }

    #[test]
    fn error_of_the_first_known_policy_is_final() {
        let list = json!([{"x": {}}, {"ring_hash": {"minRingSize": 0}}, {"round_robin": {}}]);
        assert_eq!(chosen(&list), Err("[1].ring_hash.minRingSize: must be at least 1".into()));
    }

    #[test]
    fn lists_without_a_known_policy_are_wrong() {
        assert_eq!(chosen(&json!([])), Err("names no balancing policy".into()));
        let wrong = chosen(&json!([{"a": {}}, {"b": {}}]));
        assert_eq!(wrong, Err("names no balancing policy that is known: a, b".into()));
        assert_eq!(chosen(&json!([{"a": {}, "round_robin": {}}])), Err("[0]: must have exactly one field".into()));
        assert_eq!(chosen(&json!({"round_robin": {}})), Err("must be a list".into()));
    }

    #[test]
    fn programs_add_their_own() {
        let mut registry = PolicyRegistry::standard();
        registry.register("mine", |config, all| all.by_name(config.need("instead")?.text()?));
        let list = json!([{"mine": {"instead": "weighted_random"}}]);
        let found = registry.first_known(&Node::root(&list)).map(|policy| policy.name().to_owned());
        assert_eq!(found, Ok("weighted_random".to_owned()));
        assert!(registry.by_name("none").expect_err("unknown").to_string().contains("known are least_request"));
    }

    #[test]
    fn all_have_the_names_they_are_found_by() {
        let registry = PolicyRegistry::standard();
        for name in registry.parsers.keys().filter(|name| *name != PreferLocality::NAME) {
            let policy = registry.by_name(name).expect("it has defaults");
            assert_eq!(policy.name(), name.trim_end_matches("_experimental"));
        }
    }
}
