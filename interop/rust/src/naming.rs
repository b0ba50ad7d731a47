//! Steps 1 to 14: registering, asking, subscribing. Three clients act: the owner registers, the peer changes things and
//! asks, the watcher only subscribes. A fourth, the stranger, lives in another namespace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nacos_sdk::api::error::{Error, Result as Answer};
use nacos_sdk::api::naming::{NamingChangeEvent, NamingEventListener, NamingService, ServiceInstance};

use crate::clients::{Clients, DEFAULT_GROUP, PUBLIC};
use crate::instances::{a, b, fleet_members, texts};
use crate::steps::{End, Outcome, Steps, eventually, expect, expect_equal};
use crate::told::Told;

const TOLD_WITHIN: Duration = Duration::from_secs(1);

/// Keeps what a subscription was told.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    pub(crate) told: Told<Vec<String>>,
}

impl NamingEventListener for Listener {
    fn event(&self, event: Arc<NamingChangeEvent>) {
        self.told.add(texts(event.instances.iter().flatten()));
    }
}

pub(crate) struct NamingStory {
    clients: Clients,
    pub(crate) orders: String,
    pub(crate) fleet: String,
    pub(crate) owner: NamingService,
    pub(crate) peer: NamingService,
    pub(crate) watcher: NamingService,
    stranger: NamingService,
    pub(crate) listener: Arc<Listener>,
}

impl NamingStory {
    pub(crate) async fn connect(clients: &Clients) -> Result<Self, End> {
        Ok(Self {
            orders: clients.id("orders"),
            fleet: clients.id("fleet"),
            owner: clients.naming(PUBLIC).await?,
            peer: clients.naming(PUBLIC).await?,
            watcher: clients.naming(PUBLIC).await?,
            stranger: clients.naming(&clients.namespace()).await?,
            listener: Arc::default(),
            clients: clients.clone(),
        })
    }

    pub(crate) async fn tell(&self, steps: &Steps) {
        steps.step("register-instance", self.register_first()).await;
        steps.step("query-instance-back", self.query_back()).await;
        steps.step("batch-register", self.batch_register()).await;
        steps.step("query-by-cluster", self.query_by_cluster()).await;
        steps.step("query-healthy-only", self.query_healthy_only()).await;
        steps.step("subscriber-sees-new-instance", self.subscriber_sees_new_instance()).await;
        steps.step("subscriber-sees-metadata", self.change(a("z2", 2.5))).await;
        steps.step("subscriber-sees-weight", self.change(a("z2", 7.0))).await;
        steps.step("subscriber-sees-deregister", self.subscriber_sees_deregister()).await;
        steps.step("other-group-is-apart", self.other_group_is_apart()).await;
        steps.step("other-namespace-is-apart", self.other_namespace_is_apart()).await;
        steps.step("select-one-healthy", self.select_one_healthy()).await;
        steps.step("list-services", self.list_services()).await;
        steps.step("unsubscribe-is-silent", self.unsubscribe_is_silent()).await;
    }

    async fn register_first(&self) -> Outcome {
        self.register(&self.owner, DEFAULT_GROUP, a("z1", 2.5)).await?;
        Ok(String::new())
    }

    async fn query_back(&self) -> Outcome {
        self.expect_asked("instances", &[a("z1", 2.5)], &self.peer, DEFAULT_GROUP).await
    }

    async fn batch_register(&self) -> Outcome {
        self.owner.batch_register_instance(self.fleet.clone(), None, fleet_members()).await?;
        let expected = texts(&fleet_members());
        eventually(self.clients.stale, "instances", expected, || ask(&self.peer, &self.fleet, DEFAULT_GROUP)).await?;
        Ok(String::new())
    }

    async fn query_by_cluster(&self) -> Outcome {
        for asked in [vec!["blue"], vec!["green"], vec!["blue", "green"], vec!["grey"]] {
            let asked: Vec<_> = asked.into_iter().map(String::from).collect();
            let members = fleet_members();
            let expected = members.iter().filter(|i| i.cluster_name.as_ref().is_some_and(|name| asked.contains(name)));
            eventually(self.clients.stale, &format!("instances of {asked:?}"), texts(expected), async || {
                let seen = self.peer.get_all_instances(self.fleet.clone(), None, asked.clone(), false).await?;
                Ok::<_, Error>(texts(&seen))
            })
            .await?;
        }
        Ok(String::new())
    }

    async fn query_healthy_only(&self) -> Outcome {
        for healthy in [true, false] {
            let members = fleet_members();
            let expected = texts(members.iter().filter(|i| i.healthy == healthy));
            eventually(self.clients.stale, &format!("instances with healthy={healthy}"), expected, async || {
                let seen = self.peer.select_instances(self.fleet.clone(), None, vec![], false, healthy).await?;
                Ok::<_, Error>(texts(&seen))
            })
            .await?;
        }
        Ok(String::new())
    }

    async fn subscriber_sees_new_instance(&self) -> Outcome {
        self.subscribe(&self.watcher, &self.listener).await?;
        self.expect_told(&[a("z1", 2.5)], 0).await?;
        let after = self.listener.told.count();
        self.register(&self.peer, DEFAULT_GROUP, b()).await?;
        self.expect_told(&[a("z1", 2.5), b()], after).await
    }

    /// The owner registers its instance anew; the watcher must be told of it, and still of the peer's.
    async fn change(&self, anew: ServiceInstance) -> Outcome {
        let after = self.listener.told.count();
        self.register(&self.owner, DEFAULT_GROUP, anew.clone()).await?;
        self.expect_told(&[anew, b()], after).await
    }

    async fn subscriber_sees_deregister(&self) -> Outcome {
        let after = self.listener.told.count();
        self.peer.deregister_instance(self.orders.clone(), None, b()).await?;
        let note = self.expect_told(&[a("z2", 7.0)], after).await?;
        let after = self.listener.told.count();
        self.owner.deregister_instance(self.orders.clone(), None, a("z2", 7.0)).await?;
        let changed = Instant::now();
        self.expect_asked("instances right after the last left", &[], &self.peer, DEFAULT_GROUP).await?;
        self.listener.told.expect(&vec![], after, changed, TOLD_WITHIN).await?;
        Ok(note)
    }

    async fn other_group_is_apart(&self) -> Outcome {
        let group = self.clients.group();
        self.register(&self.owner, DEFAULT_GROUP, a("z1", 1.0)).await?;
        self.expect_asked("instances of the empty group", &[], &self.peer, &group).await?;
        self.register(&self.peer, &group, b()).await?;
        self.expect_asked("instances of the group", &[b()], &self.owner, &group).await?;
        self.expect_asked("instances of the default group", &[a("z1", 1.0)], &self.peer, DEFAULT_GROUP).await
    }

    async fn other_namespace_is_apart(&self) -> Outcome {
        self.expect_asked("instances of the empty namespace", &[], &self.stranger, DEFAULT_GROUP).await?;
        self.register(&self.stranger, DEFAULT_GROUP, b()).await?;
        self.expect_asked("instances of the namespace", &[b()], &self.stranger, DEFAULT_GROUP).await?;
        self.expect_asked("instances of the public namespace", &[a("z1", 1.0)], &self.peer, DEFAULT_GROUP).await
    }

    async fn select_one_healthy(&self) -> Outcome {
        let members = fleet_members();
        let healthy = texts(members.iter().filter(|i| i.healthy));
        for _ in 0..20 {
            let one = self.peer.select_one_healthy_instance(self.fleet.clone(), None, vec![], false).await?;
            let one = texts([&one]);
            expect(one.iter().all(|i| healthy.contains(i)), || format!("expected one of {healthy:?}, saw {one:?}"))?;
        }
        Ok(String::new())
    }

    async fn list_services(&self) -> Outcome {
        for (client, group) in [(&self.peer, self.clients.group()), (&self.stranger, DEFAULT_GROUP.to_owned())] {
            let expected = (vec![self.orders.clone()], 1);
            eventually(self.clients.stale, &format!("services of {group}"), expected, || {
                client.get_service_list(1, 10, Some(group.clone()))
            })
            .await?;
        }
        Ok(String::new())
    }

    async fn unsubscribe_is_silent(&self) -> Outcome {
        let second = Arc::new(Listener::default());
        self.subscribe(&self.peer, &second).await?;
        second.told.expect(&texts(&[a("z1", 1.0)]), 0, Instant::now(), TOLD_WITHIN).await?;
        self.watcher.unsubscribe(self.orders.clone(), None, vec![], self.listener.clone()).await?;
        let silent = self.listener.told.count();
        // The second subscriber proves that the changes went out.
        for weight in [2.0, 3.0] {
            let after = second.told.count();
            self.register(&self.owner, DEFAULT_GROUP, a("z1", weight)).await?;
            second.told.expect(&texts(&[a("z1", weight)]), after, Instant::now(), TOLD_WITHIN).await?;
        }
        self.peer.unsubscribe(self.orders.clone(), None, vec![], second).await?;
        expect_equal("callbacks after unsubscribing", &silent, &self.listener.told.count())?;
        Ok(String::new())
    }

    pub(crate) async fn register(&self, client: &NamingService, group: &str, i: ServiceInstance) -> Answer<()> {
        client.register_instance(self.orders.clone(), Some(group.to_owned()), i).await
    }

    pub(crate) async fn subscribe(&self, client: &NamingService, listener: &Arc<Listener>) -> Answer<()> {
        client.subscribe(self.orders.clone(), None, vec![], listener.clone()).await
    }

    async fn expect_told(&self, wanted: &[ServiceInstance], after: usize) -> Outcome {
        self.listener.told.expect(&texts(wanted), after, Instant::now(), TOLD_WITHIN).await
    }

    async fn expect_asked(
        &self,
        what: &str,
        wanted: &[ServiceInstance],
        asker: &NamingService,
        group: &str,
    ) -> Outcome {
        eventually(self.clients.stale, what, texts(wanted), || ask(asker, &self.orders, group)).await?;
        Ok(String::new())
    }
}

/// Asks the server itself, not the client's cache.
pub(crate) async fn ask(client: &NamingService, service: &str, group: &str) -> Answer<Vec<String>> {
    let seen = client.get_all_instances(service.to_owned(), Some(group.to_owned()), vec![], false).await?;
    Ok(texts(&seen))
}
