//! Runs a script against one registry. A line is a time in milliseconds and a sentence; `#` starts a comment.
//!
//! Clients whose name starts with `c` hold a connection, with `b` beat, with `p` publish persistent instances.
//! `breaks` is a connection that its client closed, `falls silent` one of which nobody knows. `shows` names every instance of the service; what a line leaves out has its default: healthy, weight 1, no metadata.

use std::collections::BTreeMap;
use std::sync::Arc;

use nacrite_base::{
    ClientId, ClusterName, ConnectionId, GroupName, Host, Instance, InstanceKey, Kind, Metadata, NamespaceId,
    ServiceKey, ServiceName, Timestamp,
};
use nacrite_naming::{
    ClusterFilter, Command, Doubt, Effects, Lost, Override, Registry, Rules, ServiceMetadata, Subscription, Verdict,
};

pub(crate) fn check(script: &str) {
    let mut run = Run {
        registry: Registry::new(Rules::default()),
        pushed: Vec::new(),
        populated: Vec::new(),
        welcomed: Vec::new(),
        verdict_wanted: false,
    };
    for line in script.lines() {
        let sentence = line.split('#').next().unwrap_or_default().trim();
        if !sentence.is_empty() {
            run.line(sentence);
        }
    }
}

struct Run {
    registry: Registry,
    pushed: Vec<ServiceKey>,
    /// What came or went since the script last asked, as it was then.
    populated: Vec<(ServiceKey, bool)>,
    welcomed: Vec<ClientId>,
    verdict_wanted: bool,
}

impl Run {
    fn line(&mut self, sentence: &str) {
        let (time, rest) = sentence.split_once(' ').expect("a time and a sentence");
        let now = Timestamp::from_ms(time.parse().expect("milliseconds"));
        while self.registry.wake_at().is_some_and(|at| at <= now) && !self.verdict_wanted {
            let at = self.registry.wake_at().expect("a timer is due");
            self.apply(at, Command::Tick, false, sentence);
        }
        let words: Vec<&str> = rest.split_whitespace().collect();
        let refused = words.last() == Some(&"refused");
        let words = &words[..words.len() - usize::from(refused)];
        match *words {
            [service, "shows", ..] => self.shows(now, service, &words[2..], sentence),
            [service, "pushed"] => assert!(self.take_push(service), "a push: {sentence}"),
            [service, "quiet"] => assert!(!self.take_push(service), "no push: {sentence}"),
            [service, "is", state] => {
                assert_eq!(self.registry.is_listed(&key(service)), state == "listed", "{sentence}");
            }
            [service, "comes"] => assert_eq!(std::mem::take(&mut self.populated), [(key(service), true)], "{sentence}"),
            [service, "goes"] => assert_eq!(std::mem::take(&mut self.populated), [(key(service), false)], "{sentence}"),
            ["nothing", "comes", "or", "goes"] => assert_eq!(self.populated, [], "{sentence}"),
            [who, "welcomed"] => assert_eq!(std::mem::take(&mut self.welcomed), [client(who)], "{sentence}"),
            ["verdict", "wanted"] => assert!(self.verdict_wanted, "{sentence}"),
            [_, "unwelcomed"] => assert!(self.welcomed.is_empty(), "{sentence}"),
            [service, "tells", ..] => self.tells(service, &words[2..], sentence),
            _ => self.apply(now, command(words, sentence), refused, sentence),
        }
    }

    fn apply(&mut self, now: Timestamp, command: Command, refused: bool, sentence: &str) {
        self.verdict_wanted &= !matches!(command, Command::Judge(_));
        match self.registry.apply(now, command) {
            Ok(Effects { changed, populated, welcome, verdict_wanted, .. }) => {
                self.verdict_wanted |= verdict_wanted;
                assert!(!refused, "a refusal: {sentence}");
                self.pushed.extend(changed);
                let registry = &self.registry;
                self.populated.extend(populated.into_iter().map(|key| (key.clone(), registry.is_populated(&key))));
                self.welcomed.extend(welcome.map(|(client, _)| client));
            }
            Err(refusal) => assert!(refused, "{refusal}: {sentence}"),
        }
        assert_eq!(self.registry.violations(), Vec::<String>::new(), "{sentence}");
    }

    fn take_push(&mut self, service: &str) -> bool {
        let before = self.pushed.len();
        self.pushed.retain(|pushed| *pushed != key(service));
        self.pushed.len() < before
    }

    fn tells(&self, service: &str, words: &[&str], sentence: &str) {
        let seen: Vec<&ClientId> = self.registry.subscribers(&key(service)).map(|(client, _)| client).collect();
        let expected: Vec<ClientId> = words.iter().filter(|word| **word != "nobody").map(|name| client(name)).collect();
        assert_eq!(seen, expected.iter().collect::<Vec<_>>(), "{sentence}");
    }

    fn shows(&mut self, now: Timestamp, service: &str, words: &[&str], sentence: &str) {
        let view = self.registry.view(now, &key(service));
        let seen: Vec<Instance> = view.map(|v| v.instances.iter().map(|i| (**i).clone()).collect()).unwrap_or_default();
        let expected = if words == ["nothing"] { Vec::new() } else { instances(words) };
        assert_eq!(seen, expected, "{sentence}");
    }
}

fn command(words: &[&str], sentence: &str) -> Command {
    match *words {
        ["operator", "creates", service] => Command::SetMetadata { service: key(service), metadata: Some(created()) },
        ["operator", "deletes", service] => Command::SetMetadata { service: key(service), metadata: None },
        ["operator", "lays", service, ..] => {
            let laid = instances(&words[3..]).remove(0);
            let values = Override { weight: Some(laid.weight), enabled: Some(laid.enabled), metadata: laid.metadata };
            Command::SetOverride { service: key(service), instance: laid.key, values: Some(Arc::new(values)) }
        }
        ["operator", "lifts", service, ..] => {
            let instance = instances(&words[3..]).remove(0).key;
            Command::SetOverride { service: key(service), instance, values: None }
        }
        [who, "registers", service, ..] => {
            Command::Register { client: client(who), service: key(service), instances: instances(&words[3..]) }
        }
        [who, "deregisters", service] => Command::Deregister { client: client(who), service: key(service) },
        ["guard", "believes"] => Command::Judge(Verdict::BELIEVE),
        ["guard", "asks"] => Command::Judge(Verdict { until: Timestamp::default(), doubt: Doubt::Nothing }),
        ["guard", "doubts", "everything"] => Command::Judge(Verdict { doubt: Doubt::Everything, ..Verdict::BELIEVE }),
        ["guard", "doubts", service] => {
            let doubt = Doubt::Services(Arc::new([key(service)].into()));
            Command::Judge(Verdict { doubt, ..Verdict::BELIEVE })
        }
        [who, "was", "known", "in", service, ..] => {
            Command::Remember { client: client(who), service: key(service), instances: instances(&words[5..]) }
        }
        ["somebody", "disowns", service, ..] => {
            Command::Disown { service: key(service), instance: instances(&words[3..]).remove(0).key }
        }
        [who, "falls", "silent"] => Command::ConnectionLost { client: client(who), lost: Lost::Silent },
        [who, "beats", service] => Command::Beat { client: client(who), service: key(service) },
        [who, "in", service, "turns", state] => {
            Command::SetHealth { client: client(who), service: key(service), healthy: state == "healthy" }
        }
        [who, "breaks"] => Command::ConnectionLost { client: client(who), lost: Lost::Closed },
        [who, "subscribes", service] => {
            let none: Arc<str> = "".into();
            let subscription = Subscription {
                clusters: ClusterFilter::ALL,
                app: Arc::clone(&none),
                agent: Arc::clone(&none),
                address: none,
            };
            Command::Subscribe { client: client(who), service: key(service), subscription }
        }
        _ => panic!("not a sentence: {sentence}"),
    }
}

fn created() -> Arc<ServiceMetadata> {
    Arc::new(ServiceMetadata { created: true, ..ServiceMetadata::of_kind(Kind::Persistent) })
}

fn key(service: &str) -> ServiceKey {
    ServiceKey {
        namespace: NamespaceId::public(),
        group: GroupName::default_group(),
        name: ServiceName::parse(service).expect("a service name"),
    }
}

fn client(name: &str) -> ClientId {
    let address = |kind| ClientId::Address { host: Host::from_stored(name), port: 1, kind };
    match name.chars().next() {
        Some('b') => address(Kind::Ephemeral),
        Some('p') => address(Kind::Persistent),
        _ => ClientId::Connection(ConnectionId::new(name)),
    }
}

/// `host:port`, then words until the next comma: `unhealthy`, `disabled`, `weight=N`, `cluster=C`, `key=value`.
fn instances(words: &[&str]) -> Vec<Instance> {
    let text = words.join(" ");
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(instance).collect()
}

fn instance(text: &str) -> Instance {
    let mut words = text.split_whitespace();
    let (host, port) = words.next().and_then(|w| w.split_once(':')).expect("host:port");
    let mut made = Instance {
        key: InstanceKey {
            host: Some(Host::from_stored(host)),
            port: port.parse().expect("a port"),
            cluster: ClusterName::default_cluster(),
        },
        id: text.split_whitespace().next().unwrap_or_default().into(),
        weight: 1.0,
        healthy: true,
        enabled: true,
        metadata: Metadata::default(),
    };
    let mut metadata = BTreeMap::new();
    for word in words {
        match word.split_once('=') {
            None if word == "unhealthy" => made.healthy = false,
            None if word == "disabled" => made.enabled = false,
            Some(("weight", n)) => made.weight = n.parse().expect("a weight"),
            Some(("cluster", name)) => made.key.cluster = ClusterName::from_stored(name),
            Some((k, v)) => {
                metadata.insert(k.into(), Some(v.into()));
            }
            None => panic!("not an instance: {text}"),
        }
    }
    made.metadata = Metadata::from_stored(metadata);
    made
}
