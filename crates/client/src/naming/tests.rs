//! A whole naming client: against a server that does what the test says, and against a real one.

mod faults;
mod lists;
mod node;
mod odd_fields;
mod own;
mod recorded;
mod watches;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use nacrite_base::NamespaceId;
use nacrite_wire::client::Module;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Instance, InstanceBuilder, Naming, NamingSettings, NamingSetup, RegistrationState};
use crate::error::Error;
use crate::http::naming::{HttpNaming, HttpNamingSettings};
use crate::http::{Http, Proxy};
use crate::link::{HeaderSource, Link, LinkSetup, Resource};
use crate::server::ServerAddress;
use crate::servers::Fixed;
use crate::settings::LinkSettings;
use crate::tasks::Tasks;
use crate::testkit::{Reply, ScriptedServer};
use crate::tls::TlsSetup;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends no headers.
struct Nobody;

impl HeaderSource for Nobody {
    fn headers<'a>(&'a self, _: Resource<'a>) -> BoxFuture<'a, Result<Vec<(String, String)>, Error>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn refused(&self) -> BoxFuture<'_, bool> {
        async { false }.boxed()
    }
}

/// A naming client of these servers, over gRPC.
fn naming_of(servers: Vec<ServerAddress>, change: impl FnOnce(&mut NamingSettings)) -> (Naming, Tasks) {
    // Silence is noticed sooner and pauses are shorter than users need it, so that tests of them end soon.
    let link = LinkSettings {
        keep_alive: Duration::from_millis(200),
        health_within: Duration::from_millis(200),
        health_all_within: Duration::from_millis(400),
        pause_step: Duration::from_millis(1),
        pause_max: Duration::from_millis(20),
        ..LinkSettings::default()
    };
    let (setup, servers, tls) = setup_of(servers, change);
    let tasks = setup.tasks.clone();
    let naming = Naming::start(setup, |handlers| {
        Link::start(LinkSetup {
            name: "test".to_owned(),
            module: Module::Naming,
            tenant: None,
            servers,
            credentials: Arc::new(Nobody),
            tls,
            labels: BTreeMap::new(),
            settings: link,
            handlers,
            meter: Arc::default(),
            tasks: tasks.clone(),
        })
    });
    (naming, tasks)
}

fn setup_of(
    servers: Vec<ServerAddress>,
    change: impl FnOnce(&mut NamingSettings),
) -> (NamingSetup, Arc<Fixed>, Arc<TlsSetup>) {
    let mut settings = NamingSettings::default();
    change(&mut settings);
    let tasks = Tasks::new().expect("inside a runtime");
    let servers = Arc::new(Fixed::new(servers));
    let tls = Arc::new(TlsSetup::new(None).expect("no files"));
    let http = Http::new(Arc::clone(&tls), tasks.clone());
    let http = Proxy::new(http, servers.clone(), Arc::new(Nobody), "nacos");
    let http = HttpNaming::new(http, HttpNamingSettings::default(), tasks.clone());
    (NamingSetup { namespace: NamespaceId::public(), settings, http, meter: Arc::default(), tasks }, servers, tls)
}

/// A client of a scripted server, and the server. The server answers subscriptions with the list that the test has set.
struct Rig {
    server: ScriptedServer,
    naming: Naming,
    tasks: Tasks,
    lists: watch::Sender<BTreeMap<String, Value>>,
}

impl Rig {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut NamingSettings)) -> Self {
        Self::at(ScriptedServer::start().await, change)
    }

    fn at(server: ScriptedServer, change: impl FnOnce(&mut NamingSettings)) -> Self {
        let lists = watch::Sender::new(BTreeMap::new());
        for wire_type in ["SubscribeServiceRequest", "ServiceQueryRequest"] {
            let lists = lists.subscribe();
            server.on(wire_type, move |ask| {
                let name = ask["serviceName"].as_str().expect("a name");
                let info = lists.borrow().get(name).cloned().unwrap_or_else(|| list(name, 1, &[]));
                Reply::Done(json!({ "serviceInfo": info }))
            });
        }
        let (naming, tasks) = naming_of(vec![server.address()], change);
        Self { server, naming, tasks, lists }
    }

    /// What the server answers about a service from now on.
    fn set(&self, name: &str, at_ms: i64, ports: &[u16]) {
        self.lists.send_modify(|lists| drop(lists.insert(name.to_owned(), list(name, at_ms, ports))));
    }

    /// Pushes a list, and waits for the answer.
    async fn push(&self, name: &str, at_ms: i64, ports: &[u16]) {
        let answer =
            self.server.push("NotifySubscriberRequest", json!({"serviceInfo": list(name, at_ms, ports)})).await;
        assert_eq!((answer.wire_type.as_str(), &answer.body["resultCode"]), ("NotifySubscriberResponse", &json!(200)));
    }

    /// The ports of `InstanceRequest`s and batches, one text per request: `1:registerInstance:80` on connection 1.
    fn asked(&self) -> Vec<String> {
        let seen = self.server.seen(None).into_iter();
        seen.filter(|seen| seen.wire_type.contains("InstanceRequest"))
            .map(|seen| {
                let ports = match seen.body["instances"].as_array() {
                    Some(all) => all.iter().map(|one| one["port"].to_string()).collect::<Vec<_>>().join(","),
                    None => seen.body["instance"]["port"].to_string(),
                };
                let operation = seen.body["type"].as_str().unwrap_or_default();
                format!("{}:{operation}:{ports}", seen.connection)
            })
            .collect()
    }
}

/// A list as servers write it.
fn list(name: &str, at_ms: i64, ports: &[u16]) -> Value {
    let hosts: Vec<_> = ports
        .iter()
        .map(|port| {
            json!({"instanceId": format!("10.0.0.1#{port}"), "ip": "10.0.0.1", "port": port, "weight": 1.0,
                "healthy": true, "enabled": true, "ephemeral": true, "clusterName": "DEFAULT",
                "serviceName": format!("DEFAULT_GROUP@@{name}"), "metadata": {"zone": "a"}})
        })
        .collect();
    json!({"name": name, "groupName": "DEFAULT_GROUP", "clusters": "", "cacheMillis": 10_000, "hosts": hosts,
        "lastRefTime": at_ms, "checksum": "", "allIps": false, "reachProtectionThreshold": false, "valid": true})
}

fn instance(port: u16) -> InstanceBuilder {
    Instance::builder("10.0.0.1", port)
}

fn ports<'a>(instances: impl IntoIterator<Item = &'a Arc<Instance>>) -> Vec<u16> {
    instances.into_iter().map(|instance| instance.port()).collect()
}

/// Waits until a registration is as the test wants it.
async fn until(mut state: watch::Receiver<RegistrationState>, fits: impl Fn(&RegistrationState) -> bool) {
    let fitting = tokio::time::timeout(PATIENCE, state.wait_for(|state| fits(state)));
    let came = fitting.await.is_ok_and(|found| found.is_ok());
    assert!(came, "it never comes; the last was {:?}", state.borrow());
}

fn is_registered(state: &RegistrationState) -> bool {
    matches!(state, RegistrationState::Registered { .. })
}

/// Whatever comes within the time that a test has.
async fn soon<T>(waiting: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes in time")
}
