//! What callers of one service choose from at one moment: the instances that may be called, and the picker over them.
//!
//! Pure, and made anew whenever the list or an ejection changes; whoever picks looks at it and never waits. Weights are
//! those of the list, as Nacos's own clients count them; an instance that is not healthy, switched off or of weight 0 takes
//! no calls. If so few are healthy that the server shows all as healthy, all are taken at its word.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use nacrite_balance::outlier::{Outliers, Record};
use nacrite_balance::{Call, Connectivity, Endpoint, Member, Pick, Picker, Policy};
use nacrite_base::InstanceKey;

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
    /// Where it is noted how calls ended.
    records: HashMap<InstanceKey, Arc<Record>, RandomState>,
}

impl View {
    /// Nothing is known.
    pub(super) fn unknown() -> Self {
        let (callable, members, records) = (Vec::new(), Vec::new(), HashMap::default());
        Self { list: None, callable, members, picker: None, records }
    }

    /// The instances of a list; `outliers`, which learn of them here, say which of them failed too often.
    pub(super) fn new(list: Instances, policy: &dyn Policy, outliers: &mut Outliers) -> Self {
        let callable: Vec<_> = list.eligible().cloned().collect();
        let ready =
            |instance: &Arc<Instance>| Member { state: Connectivity::Ready, ..Member::idle(endpoint(instance)) };
        let mut members: Vec<_> = callable.iter().map(ready).collect();
        outliers.set_endpoints(members.iter().map(|member| &*member.endpoint));
        for member in &mut members {
            member.ejected = outliers.is_ejected(&member.endpoint);
        }
        let records = callable.iter().zip(&members);
        let records = records.filter_map(|(instance, member)| {
            Some((instance.key().clone(), Arc::clone(outliers.record(&member.endpoint)?)))
        });
        let records = records.collect();
        let picker = policy.picker(&members);
        Self { list: Some(list), callable, members, picker: Some(picker), records }
    }

    /// Where it is noted how calls to an instance ended; `None` if it is not there any more.
    pub(super) fn record(&self, instance: &Instance) -> Option<&Record> {
        self.records.get(instance.key()).map(Arc::as_ref)
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

    use nacrite_balance::outlier::OutlierSettings;
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

    /// Nobody failed.
    fn view(list: Instances, policy: &dyn Policy) -> View {
        View::new(list, policy, &mut Outliers::new(OutlierSettings::none(), crate::clock::now().into_std()))
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
        let view = view(list, &WeightedRandom);
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
        let view = view(list, &policy);
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
        let now = crate::clock::now().into_std();
        let mut settings = OutlierSettings { failures_in_a_row: Some(1), ..OutlierSettings::default() };
        settings.ejected_percent_max = 100;
        let mut outliers = Outliers::new(settings, now);
        let mut after_failures_of = |place: usize| {
            let view = View::new(list.clone(), &WeightedRandom, &mut outliers);
            assert!(view.record(&view.callable()[place]).expect("it is there").failed());
            assert!(outliers.evaluate(now, || 0.0));
            View::new(list.clone(), &WeightedRandom, &mut outliers)
        };
        let view = after_failures_of(0);
        assert!((0..100).all(|_| view.pick() == Some(1)));
        assert_eq!(view.ejected().count(), 1);
        let second = Arc::clone(&view.callable()[1]);
        assert_eq!(view.pick_other(&WeightedRandom, &[second]), Some(0), "better than nobody");
        let all = after_failures_of(1);
        assert!(all.ejected().count() == 2 && all.pick().is_some());
    }

    #[test]
    fn why_nobody_is_there_is_told() {
        let service = list_of(&[]).service().clone();
        let told = |view: View| view.nobody(&service, 0).to_string();
        assert!(told(View::unknown()).contains("no server has answered"));
        assert!(told(view(list_of(&[]), &WeightedRandom)).contains("no instance"));
        let list = list_of(&[(1, 1.0, "A", false, true), (2, 1.0, "A", true, false)]);
        let shown = told(view(list, &WeightedRandom));
        assert!(
            shown.contains("of 2") && shown.contains("1 not healthy") && shown.contains("1 switched off"),
            "{shown}"
        );
    }
}
