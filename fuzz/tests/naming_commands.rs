//! Any sequence of commands leaves the registry in a state in which everything holds that must hold.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bolero::TypeGenerator;
use nacrite_base::{
    ClientId, ClusterName, ConnectionId, GroupName, Host, Instance, InstanceKey, Kind, Metadata, NamespaceId,
    ServiceKey, ServiceName, Timestamp,
};
use nacrite_naming::durable::address_client;
use nacrite_naming::{
    ClusterFilter, Command, Doubt, Lost, Override, Registry, Rules, ServiceMetadata, Subscription, Verdict,
};

/// Something that happens. Names are numbers, small on purpose: things must meet.
#[derive(Clone, Copy, Debug, TypeGenerator)]
enum Step {
    Register { client: u8, service: u8, first: u8, count: u8 },
    Deregister { client: u8, service: u8 },
    Beat { client: u8, service: u8 },
    Subscribe { client: u8, service: u8 },
    Unsubscribe { client: u8, service: u8 },
    Check { client: u8, service: u8, healthy: bool },
    Lose { client: u8, silently: bool },
    Remember { client: u8, service: u8, first: u8, count: u8 },
    Disown { service: u8, instance: u8 },
    Judge { within_ms: u16, all: bool },
    SetService { service: u8, there: bool, persistent: bool, threshold: u8 },
    SetInstance { service: u8, instance: u8, there: bool, enabled: bool },
    Wait { ms: u16 },
}

fn service(number: u8) -> ServiceKey {
    ServiceKey {
        namespace: NamespaceId::public(),
        group: GroupName::default_group(),
        name: ServiceName::from_stored(&format!("s{}", number % 3)),
    }
}

fn instance_key(number: u8) -> InstanceKey {
    InstanceKey {
        host: Some(Host::from_stored(&format!("10.0.0.{}", number % 6))),
        port: 80,
        cluster: ClusterName::from_stored(["a", "b"][usize::from(number % 2)]),
    }
}

/// How often each connection was lost: a client that comes back has another id.
type Losses = [u32; 4];

/// Four clients that hold a connection, four that beat, two that are persistent.
fn client(number: u8, losses: &Losses) -> ClientId {
    match number % 10 {
        connection @ 0..4 => {
            let lost = losses[usize::from(connection)];
            ClientId::Connection(ConnectionId::new(&format!("c{connection}-{lost}")))
        }
        beating @ 4..8 => address_client(&instance_key(beating), Kind::Ephemeral),
        persistent => address_client(&instance_key(persistent), Kind::Persistent),
    }
}

fn instance(number: u8) -> Instance {
    Instance {
        key: instance_key(number),
        id: format!("{number}").into(),
        weight: 1.0,
        healthy: !number.is_multiple_of(3),
        enabled: true,
        metadata: Metadata::default(),
    }
}

fn command(step: Step, now: Timestamp, losses: &mut Losses) -> Command {
    match step {
        Step::Register { client: who, service: at, first, count } => {
            let instances = (0..count % 4).map(|more| instance(first.wrapping_add(more))).collect();
            Command::Register { client: client(who, losses), service: service(at), instances }
        }
        Step::Deregister { client: who, service: at } => {
            Command::Deregister { client: client(who, losses), service: service(at) }
        }
        Step::Beat { client: who, service: at } => Command::Beat { client: client(who, losses), service: service(at) },
        Step::Subscribe { client: who, service: at } => {
            let subscription = Subscription {
                clusters: ClusterFilter::ALL,
                app: "".into(),
                agent: "".into(),
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)).to_string().into(),
            };
            Command::Subscribe { client: client(who, losses), service: service(at), subscription }
        }
        Step::Unsubscribe { client: who, service: at } => {
            Command::Unsubscribe { client: client(who, losses), service: service(at) }
        }
        Step::Lose { client: who, silently } => {
            let connection = who % 4;
            let lost = client(connection, losses);
            losses[usize::from(connection)] += 1;
            let ending = if silently { Lost::Silent } else { Lost::Closed };
            Command::ConnectionLost { client: lost, lost: ending }
        }
        Step::Remember { client: who, service: at, first, count } => {
            let instances = (0..count % 4).map(|more| instance(first.wrapping_add(more))).collect();
            // Whom an earlier run knew is not among those who are here: its connection has a name that never comes back.
            let remembered = match who % 10 {
                connection @ 0..4 => ClientId::Connection(ConnectionId::new(&format!("r{connection}"))),
                _ => client(who, losses),
            };
            Command::Remember { client: remembered, service: service(at), instances }
        }
        Step::Disown { service: at, instance } => {
            Command::Disown { service: service(at), instance: instance_key(instance) }
        }
        Step::Judge { within_ms, all } => {
            let doubt = if all { Doubt::Everything } else { Doubt::Nothing };
            Command::Judge(Verdict { until: now + Duration::from_millis(u64::from(within_ms)), doubt })
        }
        Step::Check { client: who, service: at, healthy } => {
            Command::SetHealth { client: client(who, losses), service: service(at), healthy }
        }
        Step::SetService { service: at, there, persistent, threshold } => {
            let metadata = ServiceMetadata {
                created: true,
                protect_threshold: f32::from(threshold) / 255.0,
                ..ServiceMetadata::of_kind(if persistent { Kind::Persistent } else { Kind::Ephemeral })
            };
            Command::SetMetadata { service: service(at), metadata: there.then(|| Arc::new(metadata)) }
        }
        Step::SetInstance { service: at, instance, there, enabled } => {
            let values = Override { enabled: Some(enabled), ..Override::default() };
            let values = there.then(|| Arc::new(values));
            Command::SetOverride { service: service(at), instance: instance_key(instance), values }
        }
        Step::Wait { .. } => Command::Tick,
    }
}

#[test]
fn nothing_that_must_hold_is_ever_broken() {
    bolero::check!().with_type::<Vec<Step>>().for_each(|steps| {
        let rules = Rules { hold: Duration::from_millis(500), empty_service: Duration::from_secs(60) };
        let mut registry = Registry::new(rules);
        let (mut now, mut losses) = (Timestamp::from_ms(1_000_000), Losses::default());
        let mut watched = BTreeSet::new();
        for step in steps {
            if let Step::Wait { ms } = step {
                now = now + Duration::from_millis(u64::from(*ms));
            }
            // A refusal must leave everything as it was, which the check below sees as well.
            let effects = registry.apply(now, command(*step, now, &mut losses)).unwrap_or_default();
            // Whoever counts what came and went knows what is there.
            for key in effects.populated {
                if !watched.remove(&key) {
                    watched.insert(key);
                }
            }
            assert!(watched.iter().eq(registry.populated("public")), "after {step:?}: {watched:?}");
            let violations = registry.violations();
            assert!(violations.is_empty(), "after {step:?}: {violations:?}");
            for number in 0..3 {
                drop(registry.view(now, &service(number)));
            }
        }
    });
}
