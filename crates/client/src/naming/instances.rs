//! The instances of a service at one moment: an immutable list, made once and shared by everybody who looks at it.
//!
//! What choosing by weight needs is worked out when the list is made, so that a choice costs one random number and one
//! binary search.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nacrite_base::{InstanceKey, ServiceKey};

use super::instance::Instance;

/// Where a list comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A server said so.
    Server,
    /// The failover files, which an operator has switched on; servers are not listened to meanwhile.
    Failover,
    /// The files that an earlier run left, because no server has answered yet.
    Disk,
}

/// The instances of one service at one moment. Cheap to clone; never changes. Choosing one costs a random number and a
/// binary search.
///
/// ```no_run
/// # async fn example(naming: &nacrite_client::naming::Naming) -> Result<(), nacrite_client::Error> {
/// let orders = naming.instances("orders").await?;
/// println!("{} instances, {} of them may be called", orders.len(), orders.eligible().count());
/// if let Some(instance) = orders.pick() {
///     println!("this time {instance}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Instances(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: ServiceKey,
    list: Arc<[Arc<Instance>]>,
    origin: Origin,
    protected: bool,
    odds: Odds,
}

impl Instances {
    pub(crate) fn new(service: ServiceKey, list: Arc<[Arc<Instance>]>, origin: Origin, protected: bool) -> Self {
        let odds = Odds::of(&list);
        Self(Arc::new(Inner { service, list, origin, protected, odds }))
    }

    /// Which service.
    #[must_use]
    pub fn service(&self) -> &ServiceKey {
        &self.0.service
    }

    /// All of them, in the order that the server has them in.
    #[must_use]
    pub fn all(&self) -> &Arc<[Arc<Instance>]> {
        &self.0.list
    }

    /// One after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<Instance>> {
        self.0.list.iter()
    }

    /// Those that may be chosen: healthy, enabled, and with a weight above 0.
    pub fn eligible(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.0.odds.chosen_from.iter().filter_map(|at| self.0.list.get(*at as usize))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.list.len()
    }

    /// Whether there is none. The service is known to have none: this is an answer, not the lack of one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.list.is_empty()
    }

    /// Where the list comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.origin
    }

    /// Whether so few were healthy that the server shows all as healthy: healthy is then no sign of health.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.0.protected
    }

    /// Chooses one at random, by weight, of those that may be chosen; `None` if there is none.
    #[must_use]
    pub fn pick(&self) -> Option<&Arc<Instance>> {
        self.pick_at(self.0.odds.chance.next())
    }

    /// The same with a number from 0 to less than 1 that somebody else drew.
    #[must_use]
    pub fn pick_at(&self, chance: f64) -> Option<&Arc<Instance>> {
        self.0.list.get(self.0.odds.at(chance)?)
    }

    /// The same service with those that pass alone.
    pub(crate) fn filtered(&self, passes: impl Fn(&Instance) -> bool) -> Self {
        if self.0.list.iter().all(|instance| passes(instance)) {
            return self.clone();
        }
        let list = self.0.list.iter().filter(|instance| passes(instance)).cloned().collect();
        Self::new(self.0.service.clone(), list, self.0.origin, self.0.protected)
    }
}

/// By what chance each instance is chosen.
#[derive(Debug)]
struct Odds {
    /// Sums of the weights, one after the other; each is greater than the one before.
    up_to: Box<[f64]>,
    /// Which instance each sum is of.
    chosen_from: Box<[u32]>,
    chance: Chance,
}

impl Odds {
    fn of(list: &[Arc<Instance>]) -> Self {
        let (mut sum, mut up_to, mut chosen_from) = (0.0, Vec::new(), Vec::new());
        for (at, instance) in (0_u32..).zip(list).filter(|(_, instance)| instance.is_eligible()) {
            sum += instance.effective_weight();
            up_to.push(sum);
            chosen_from.push(at);
        }
        Self { up_to: up_to.into(), chosen_from: chosen_from.into(), chance: Chance::new() }
    }

    fn at(&self, chance: f64) -> Option<usize> {
        let target = chance * self.up_to.last()?;
        // Rounding may carry the target up to the last sum: then the last one is meant.
        let at = self.up_to.partition_point(|up_to| *up_to <= target).min(self.up_to.len() - 1);
        self.chosen_from.get(at).map(|at| *at as usize)
    }
}

/// Random numbers, good enough to spread calls: a sequence of its own for each list, begun anywhere.
#[derive(Debug)]
struct Chance(AtomicU64);

impl Chance {
    fn new() -> Self {
        Self(AtomicU64::new(RandomState::new().hash_one(0_u8)))
    }

    /// From 0 to less than 1. The mixing is SplitMix64's, over a counter that threads share without waiting.
    fn next(&self) -> f64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut mixed = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        // The upper 53 bits are as many as a fraction holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit exactly")]
        let fraction = (mixed >> 11) as f64 / (1_u64 << 53) as f64;
        fraction
    }
}

/// What has become of a service since its subscriber was told last.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which service.
    pub service: ServiceKey,
    /// All instances that the subscriber is interested in, as they are now.
    pub instances: Instances,
    /// Those that were not there before.
    pub added: Vec<Arc<Instance>>,
    /// Those that are gone, as they were last.
    pub removed: Vec<Arc<Instance>>,
    /// Those of which weight, health, being enabled or metadata changed, as they are now.
    pub modified: Vec<Arc<Instance>>,
}

impl Change {
    /// What turns `before` into `now`. Instances are the same if address, port and cluster are.
    pub(crate) fn between(before: Option<&Instances>, now: Instances) -> Self {
        let mut old: BTreeMap<&InstanceKey, &Arc<Instance>> = before.map(by_key).unwrap_or_default();
        let (mut added, mut modified) = (Vec::new(), Vec::new());
        for (key, instance) in by_key(&now) {
            match old.remove(key) {
                None => added.push(Arc::clone(instance)),
                Some(was) if !Arc::ptr_eq(was, instance) && !was.looks_like(instance) => {
                    modified.push(Arc::clone(instance));
                }
                Some(_) => {}
            }
        }
        let removed = old.into_values().cloned().collect();
        Self { service: now.service().clone(), instances: now, added, removed, modified }
    }

    /// Whether nothing is different.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.modified.is_empty()
    }
}

/// Of two that claim one address, port and cluster the later one counts.
fn by_key(instances: &Instances) -> BTreeMap<&InstanceKey, &Arc<Instance>> {
    instances.iter().map(|instance| (instance.key(), instance)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use nacrite_base::NamespaceId;
    use nacrite_wire::client::naming::Host;

    use super::*;
    use crate::naming::service::Service;

    pub(crate) fn service(name: &str) -> ServiceKey {
        Service::from(name).key(&NamespaceId::public()).expect("a good name")
    }

    /// An instance of each weight, on ports from 1.
    fn of_weights(weights: &[f64]) -> Instances {
        let host =
            |(port, weight): (i64, &f64)| Host { ip: Some("h".into()), port, weight: *weight, ..Host::default() };
        let list = (1..).zip(weights).map(host).filter_map(Instance::shown).map(Arc::new).collect();
        Instances::new(service("orders"), list, Origin::Server, false)
    }

    fn ports(instances: &Instances, chances: &[f64]) -> Vec<u16> {
        chances.iter().filter_map(|chance| instances.pick_at(*chance)).map(|instance| instance.port()).collect()
    }

    #[test]
    fn checklist_12_weights_of_any_kind_are_survived() {
        let all = &[0.0, 0.25, 0.5, 0.75, 1.0 - f64::EPSILON];
        assert_eq!(ports(&of_weights(&[1.0, 1.0]), all), [1, 1, 2, 2, 2]);
        assert_eq!(ports(&of_weights(&[0.0, 0.1, 0.3]), all), [2, 3, 3, 3, 3], "0 is never chosen, fractions count");
        assert_eq!(ports(&of_weights(&[f64::INFINITY, 10_000.0]), all), [1, 1, 2, 2, 2], "infinity is the largest");
        assert_eq!(ports(&of_weights(&[1e308, 1e308]), all), [1, 1, 2, 2, 2], "huge ones do not run over");
        assert_eq!(ports(&of_weights(&[f64::NAN, 1.0]), all), [1, 1, 2, 2, 2], "no number counts as 1");
        assert_eq!(ports(&of_weights(&[-5.0, 1.0]), all), [2; 5], "below 0 is 0");
        assert_eq!(ports(&of_weights(&[f64::MIN_POSITIVE]), all), [1; 5]);
        for none in [&[][..], &[0.0, 0.0], &[-1.0, f64::NEG_INFINITY]] {
            assert!(of_weights(none).pick().is_none(), "{none:?}");
        }
        for odd in [-1.0, 1.0, 2.0, f64::NAN, f64::INFINITY] {
            assert!(of_weights(&[1.0, 2.0]).pick_at(odd).is_some(), "a chance that is none: {odd}");
        }
    }

    #[test]
    fn choices_follow_the_weights() {
        let instances = of_weights(&[1.0, 3.0]);
        let second = (0..100_000).filter(|_| instances.pick().is_some_and(|instance| instance.port() == 2)).count();
        assert!((74_000..76_000).contains(&second), "{second} of 100000");
    }

    #[test]
    fn a_change_tells_added_removed_and_modified() {
        let (before, now) = (of_weights(&[1.0, 2.0, f64::NAN]), of_weights(&[1.0, 5.0, f64::NAN, 1.0]));
        let change = Change::between(Some(&before), now.clone());
        let of = |list: &[Arc<Instance>]| list.iter().map(|instance| instance.port()).collect::<Vec<_>>();
        assert_eq!((of(&change.added), of(&change.removed), of(&change.modified)), (vec![4], vec![], vec![2]));
        let back = Change::between(Some(&now), before.clone());
        assert_eq!((of(&back.added), of(&back.removed), of(&back.modified)), (vec![], vec![4], vec![2]));
        assert!(Change::between(Some(&before), before.clone()).is_empty());
        assert_eq!(of(&Change::between(None, before).added), [1, 2, 3]);
    }
}
