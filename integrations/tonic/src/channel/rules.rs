//! By what rules calls are made: the service config that counts, and what follows from it for the whole channel.
//!
//! The text that came last is read once. One that is wrong never takes the place of a good one: the channel's own default
//! counts then, or the last good one; what is wrong stands in the channel's state.

use std::sync::Arc;

use http::HeaderName;
use nacrite_balance::Policy;
use nacrite_balance::outlier::OutlierSettings;
use nacrite_balance::policy::PolicyRegistry;
use nacrite_balance::service_config::{Balancing, Resolved, ServiceConfig, choose};
use nacrite_balance::throttle::Throttle;
use tracing::warn;

/// What calls need to know of the rules.
#[derive(Debug)]
pub(crate) struct Rules {
    /// What is known about methods.
    pub(crate) config: Arc<ServiceConfig>,
    /// Whether calls may be sent again; `None` if always.
    pub(crate) throttle: Option<Arc<Throttle>>,
    /// The header that says what a call is bound to.
    pub(crate) hash_header: Option<HeaderName>,
}

/// What counts where no service config says otherwise.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    pub(super) policies: PolicyRegistry,
    pub(super) policy: Arc<dyn Policy>,
    pub(super) outlier: OutlierSettings,
    pub(super) config: Option<Arc<ServiceConfig>>,
    pub(super) lookup: ConfigLookup,
}

/// Whether the service config that comes with the endpoints counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConfigLookup {
    /// It does, before the channel's own.
    #[default]
    On,
    /// The channel's own counts alone.
    Off,
}

/// Keeps the rules that count.
#[derive(Debug)]
pub(super) struct Keeper {
    defaults: Defaults,
    /// The text that was read last, and whether any was.
    read: Option<Option<Arc<str>>>,
    /// What counts now; `None` before the first.
    current: Option<Current>,
    trouble: Option<Arc<str>>,
}

#[derive(Debug)]
struct Current {
    rules: Arc<Rules>,
    balancing: Balancing,
}

impl Keeper {
    pub(super) fn new(defaults: Defaults) -> Self {
        Self { defaults, read: None, current: None, trouble: None }
    }

    /// The rules; `None` while there are none that could count.
    pub(super) fn rules(&self) -> Option<&Arc<Rules>> {
        self.current.as_ref().map(|current| &current.rules)
    }

    /// Who takes calls.
    pub(super) fn policy(&self) -> &Arc<dyn Policy> {
        self.current.as_ref().map_or(&self.defaults.policy, |current| &current.balancing.policy)
    }

    /// By what endpoints are ejected.
    pub(super) fn outlier(&self) -> &OutlierSettings {
        let own = self.current.as_ref().and_then(|current| current.balancing.outlier.as_ref());
        own.unwrap_or(&self.defaults.outlier)
    }

    /// The name to ask the health service of each endpoint about.
    pub(super) fn health_service(&self) -> Option<&Arc<str>> {
        self.current.as_ref().and_then(|current| current.rules.config.health_service.as_ref())
    }

    /// Why the newest service config does not count.
    pub(super) fn trouble(&self) -> Option<&Arc<str>> {
        self.trouble.as_ref()
    }

    /// Takes the newest text that came with the endpoints.
    pub(super) fn take(&mut self, text: Option<&Arc<str>>) {
        let text = text.filter(|_| self.defaults.lookup == ConfigLookup::On).cloned();
        if self.read.as_ref() == Some(&text) {
            return;
        }
        let resolved = match &text {
            None => Resolved::Nothing,
            Some(text) => match ServiceConfig::parse(text, &self.defaults.policies) {
                Ok(config) => Resolved::Config(Arc::new(config)),
                Err(wrong) => Resolved::Wrong(wrong),
            },
        };
        self.read = Some(text);
        self.trouble = match &resolved {
            Resolved::Wrong(wrong) => Some(format!("the service config is wrong: {wrong}").into()),
            _ => None,
        };
        if let Some(trouble) = &self.trouble {
            warn!(trouble = &**trouble, "a service config is not used");
        }
        let last = self.current.as_ref().map(|current| &current.rules.config);
        if let Ok(config) = choose(resolved, self.defaults.config.as_ref(), last) {
            self.use_config(config);
        }
    }

    fn use_config(&mut self, config: Arc<ServiceConfig>) {
        if self.current.as_ref().is_some_and(|current| Arc::ptr_eq(&current.rules.config, &config)) {
            return;
        }
        let balancing = config.balancing.clone();
        let balancing =
            balancing.unwrap_or_else(|| Balancing { policy: Arc::clone(&self.defaults.policy), outlier: None });
        let before = self.current.as_ref().and_then(|current| current.rules.throttle.as_ref());
        let throttle = config.throttling.map(|settings| match before {
            Some(same) if same.settings() == settings => Arc::clone(same),
            Some(other) => Arc::new(other.resized(settings)),
            None => Arc::new(Throttle::new(settings)),
        });
        let hash_header = balancing.policy.hash_header().and_then(|name| name.parse().ok());
        self.current = Some(Current { rules: Arc::new(Rules { config, throttle, hash_header }), balancing });
    }
}

#[cfg(test)]
mod tests {
    use nacrite_balance::policy::RoundRobin;

    use super::*;

    fn keeper(default: Option<&str>, lookup: ConfigLookup) -> Keeper {
        let policies = PolicyRegistry::standard();
        let read = |text| Arc::new(ServiceConfig::parse(text, &policies).expect("a config"));
        let config = default.map(read);
        let policy = Arc::new(RoundRobin::default());
        Keeper::new(Defaults { policies, policy, outlier: OutlierSettings::none(), config, lookup })
    }

    /// Takes a text; says what counts then.
    fn taken(keeper: &mut Keeper, text: Option<&str>) -> (String, bool, bool) {
        keeper.take(text.map(Arc::from).as_ref());
        (keeper.policy().name().to_owned(), keeper.rules().is_some(), keeper.trouble().is_some())
    }

    const PICK_FIRST: &str = r#"{"loadBalancingConfig": [{"pick_first": {}}]}"#;
    const WRONG: &str = r#"{"methodConfig": 1}"#;

    #[test]
    fn a_wrong_config_leaves_the_last_good_one() {
        let mut keeper = keeper(None, ConfigLookup::On);
        assert_eq!(taken(&mut keeper, Some(WRONG)), ("round_robin".into(), false, true), "there is none to go by");
        assert_eq!(taken(&mut keeper, Some(PICK_FIRST)), ("pick_first".into(), true, false));
        assert_eq!(taken(&mut keeper, Some(WRONG)), ("pick_first".into(), true, true));
        assert_eq!(taken(&mut keeper, None), ("round_robin".into(), true, false), "none is a good one");
    }

    #[test]
    fn the_default_counts_where_nothing_good_came_and_alone_if_nothing_is_looked_up() {
        let mut with_default = keeper(Some(PICK_FIRST), ConfigLookup::On);
        assert_eq!(taken(&mut with_default, Some(WRONG)), ("pick_first".into(), true, true));
        let mut alone = keeper(Some(PICK_FIRST), ConfigLookup::Off);
        assert_eq!(taken(&mut alone, Some("{}")), ("pick_first".into(), true, false));
    }

    #[test]
    fn the_throttle_survives_another_config() {
        let mut keeper = keeper(None, ConfigLookup::On);
        let throttled = |tokens: u32| format!(r#"{{"retryThrottling": {{"maxTokens": {tokens}, "tokenRatio": 1}}}}"#);
        keeper.take(Some(&Arc::from(throttled(10))));
        let throttle = keeper.rules().and_then(|rules| rules.throttle.clone()).expect("it is throttled");
        (0..6).for_each(|_| throttle.failed());
        keeper.take(Some(&Arc::from(throttled(100))));
        let throttle = keeper.rules().and_then(|rules| rules.throttle.clone()).expect("it is throttled");
        assert!(!throttle.allows(), "what was drained stays drained");
    }
}
