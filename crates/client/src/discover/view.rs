//! What callers of one service choose from at one moment: the instances that may be called, and the picker over them.
//!
//! Pure, and made anew whenever the list or an ejection changes; whoever picks looks at it and never waits. Weights are
//! those of the list, as Nacos's own clients count them; an instance that is not healthy, switched off or of weight 0 takes
//! no calls. If so few are healthy that the server shows all as healthy, all are taken at its word.

use std::sync::Arc;

use nacrite_balance::{Call, Connectivity, Endpoint, Member, Pick, Picker, Policy};

use super::NoInstance;
use crate::naming::{Instance, Instances, ServiceKey};

/// See the head of this file.
#[derive(Debug)]
pub(super) struct View {
    /// `None` while no server has answered.
    list: Option<Instances>,
    /// Those that may be called; members of the picker have the same places.
    callable: Vec<Arc<Instance>>,
    members: Vec<Member>,
    picker: Option<Arc<dyn Picker>>,
}

impl View {
    /// Nothing is known.
    pub(super) const fn unknown() -> Self {
        Self { list: None, callable: Vec::new(), members: Vec::new(), picker: None }
    }

    /// The instances of a list; `is_ejected` says which of them failed too often.
    pub(super) fn new(list: Instances, policy: &dyn Policy, is_ejected: impl Fn(&Instance) -> bool) -> Self {
        let callable: Vec<_> = list.eligible().cloned().collect();
        let member = |instance: &Arc<Instance>| Member {
            state: Connectivity::Ready,
            ejected: is_ejected(instance),
            ..Member::idle(endpoint(instance))
        };
        let members: Vec<_> = callable.iter().map(member).collect();
        let picker = policy.picker(&members);
        Self { list: Some(list), callable, members, picker: Some(picker) }
    }

    /// The list it was made of.
    pub(super) fn list(&self) -> Option<&Instances> {
        self.list.as_ref()
    }

    /// Those that may be called.
    pub(super) fn callable(&self) -> &[Arc<Instance>] {
        &self.callable
    }

    /// Those that take no calls for a while, because they failed too often.
    pub(super) fn ejected(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.callable.iter().zip(&self.members).filter(|(_, member)| member.ejected).map(|(instance, _)| instance)
    }

    /// The place of the one that takes this call.
    pub(super) fn pick(&self) -> Option<usize> {
        taken(self.picker.as_deref()?).filter(|place| *place < self.callable.len())
    }

    /// The place of one that is not among those that were tried, by the same rules as if those were not there. Costs a pass
    /// over the instances: a second try is rare.
    pub(super) fn pick_other(&self, policy: &dyn Policy, tried: &[Arc<Instance>]) -> Option<usize> {
        let was_tried = |instance: &Instance| tried.iter().any(|tried| tried.key() == instance.key());
        let left = self.callable.iter().enumerate().filter(|(_, instance)| !was_tried(instance));
        let (places, members): (Vec<usize>, Vec<Member>) =
            left.filter_map(|(place, _)| Some((place, self.members.get(place)?.clone()))).unzip();
        if members.is_empty() {
            return None;
        }
        places.get(taken(&*policy.picker(&members))?).copied()
    }

    /// Why there is nobody to call.
    pub(super) fn nobody(&self, service: &ServiceKey, tried: usize) -> NoInstance {
        let Some(list) = &self.list else { return NoInstance::Unknown { service: service.clone() } };
        if list.is_empty() {
            return NoInstance::Empty { service: service.clone() };
        }
        if self.callable.is_empty() {
            let count = |is: fn(&Instance) -> bool| list.iter().filter(|instance| is(instance)).count();
            return NoInstance::NoneCallable {
                service: service.clone(),
                total: list.len(),
                unhealthy: count(|instance| !instance.is_healthy()),
                disabled: count(|instance| !instance.is_enabled()),
            };
        }
        NoInstance::AllTried { service: service.clone(), tried }
    }
}

fn taken(picker: &dyn Picker) -> Option<usize> {
    match picker.pick(&Call::default()) {
        Pick::Take(place) => Some(place),
        // All members are ready: nobody is waited for.
        Pick::Connect(_) | Pick::Wait | Pick::Fail(_) => None,
    }
}

fn endpoint(instance: &Instance) -> Endpoint {
    Endpoint {
        weight: instance.effective_weight(),
        locality: instance.cluster().into(),
        ..Endpoint::new(instance.ip(), instance.port())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use nacrite_balance::policy::{PreferLocality, WeightedRandom};

    use super::*;
    use crate::naming::{Origin, Service};

    /// Instances by the last part of their address, weight, cluster, health, and whether they are enabled.
    fn list_of(instances: &[(u8, f64, &str, bool, bool)]) -> Instances {
        let service = Service::from("orders").key(&nacrite_base::NamespaceId::public()).expect("a good name");
        let one = |(at, weight, cluster, healthy, enabled): &(u8, f64, &str, bool, bool)| {
            let instance = Instance::builder(format!("10.0.0.{at}"), 80).weight(*weight).cluster(*cluster);
            Arc::new(instance.healthy(*healthy).enabled(*enabled).build().expect("all is legal"))
        };
        Instances::new(service, instances.iter().map(one).collect(), Origin::Server, false)
    }

    #[test]
    fn shares_are_those_of_the_weights_and_nobody_else_is_called() {
        let list = list_of(&[
            (1, 1.0, "A", true, true),
            (2, 2.0, "A", true, true),
            (3, 7.0, "B", true, true),
            (4, 5.0, "A", false, true),
            (5, 5.0, "A", true, false),
            (6, 0.0, "A", true, true),
        ]);
        let view = View::new(list, &WeightedRandom, |_| false);
        let mut calls = BTreeMap::<usize, u32>::new();
        for _ in 0..10_000 {
            *calls.entry(view.pick().expect("somebody is there")).or_default() += 1;
        }
        let shares: Vec<u32> = calls.values().map(|calls| (calls + 50) / 100).collect();
        assert_eq!(calls.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
        assert!(shares.iter().zip([10, 20, 70]).all(|(share, wanted)| share.abs_diff(wanted) <= 3), "{shares:?}");
    }

    #[test]
    fn others_are_picked_by_the_same_rules() {
        let list = list_of(&[(1, 1.0, "A", true, true), (2, 1.0, "A", true, true), (3, 9.0, "B", true, true)]);
        let policy = PreferLocality::new("A", Arc::new(WeightedRandom));
        let view = View::new(list, &policy, |_| false);
        let at = |place: usize| Arc::clone(&view.callable()[place]);
        assert!((0..100).all(|_| view.pick() != Some(2)));
        assert!((0..100).all(|_| view.pick_other(&policy, &[at(0)]) == Some(1)));
        assert_eq!(view.pick_other(&policy, &[at(0), at(1)]), Some(2));
        assert_eq!(view.pick_other(&policy, &[at(0), at(1), at(2)]), None);
        assert!(matches!(view.nobody(view.list().expect("known").service(), 3), NoInstance::AllTried { tried: 3, .. }));
    }

    #[test]
    fn the_ejected_are_passed_over_unless_nobody_else_is_left() {
        let list = list_of(&[(1, 1.0, "A", true, true), (2, 1.0, "A", true, true)]);
        let view = View::new(list.clone(), &WeightedRandom, |instance| instance.ip() == "10.0.0.1");
        assert!((0..100).all(|_| view.pick() == Some(1)));
        assert_eq!(view.ejected().count(), 1);
        let second = Arc::clone(&view.callable()[1]);
        assert_eq!(view.pick_other(&WeightedRandom, &[second]), Some(0), "better than nobody");
        let all = View::new(list, &WeightedRandom, |_| true);
        assert!(all.pick().is_some());
    }

    #[test]
    fn why_nobody_is_there_is_told() {
        let service = list_of(&[]).service().clone();
        let told = |view: View| view.nobody(&service, 0).to_string();
        assert!(told(View::unknown()).contains("no server has answered"));
        assert!(told(View::new(list_of(&[]), &WeightedRandom, |_| false)).contains("no instance"));
        let list = list_of(&[(1, 1.0, "A", false, true), (2, 1.0, "A", true, false)]);
        let shown = told(View::new(list, &WeightedRandom, |_| false));
        assert!(
            shown.contains("of 2") && shown.contains("1 not healthy") && shown.contains("1 switched off"),
            "{shown}"
        );
    }
}
