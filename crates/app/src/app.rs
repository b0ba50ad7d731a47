//! The one place where everything is built, in the order in which it depends on each other.

mod clients;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nacrite_base::fuzzy_watch::WatchLimits;
use nacrite_cluster::raft::{Journal, OnFatal, RaftSettings};
use nacrite_env::{SharedClock, SharedDial, SharedRandom};
use nacrite_naming::Rules;
use nacrite_naming::guard::Phase;
use nacrite_store::OpenError;
use prometheus_client::metrics::gauge::Gauge;

use crate::balance::{self, Balance, BalanceSettings, ClusterSettings};
use crate::config::ConfigCases;
use crate::connections::Connections;
use crate::drain::Drain;
use crate::guard::notes::Notes;
use crate::guard::{GuardSettings, Guarding};
use crate::health::{Alone, HealthChecks};
use crate::limits::STOP_WITHIN;
use crate::logging::LogControl;
use crate::machine::{AppMachine, Audience};
use crate::metrics::Metrics;
use crate::namespaces::{NamespaceCases, Namespaces};
use crate::naming::{HealthCases, Naming};
use crate::owner::configs::Configs;
use crate::owner::registry::Shards;
use crate::pipeline::{NodeIdentity, Pipeline, Trust};
use crate::push::ack::Acks;
use crate::push::datagrams::Datagrams;
use crate::push::fuzzy::{ConfigWatch, ServiceWatch};
use crate::push::listeners::ConfigListeners;
use crate::push::long_poll::LongPolls;
use crate::push::settle::{PushSettings, Settle};
use crate::reconcile;
use crate::reconcile::ejection::ConnectionSettings;
use crate::reconcile::health::Checking;
use crate::switches::{SwitchBoard, SwitchCases};
use crate::tasks::Tasks;
use crate::writes::Writes;

/// How the registry keeps instances, and how services are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamingSettings {
    /// Instances of a connection that broke stay this long, in ms, so that a client that comes straight back causes no
    /// flap. 0 to 60,000. Nacos has no such hold.
    pub hold_ms: u64,
    /// A service without instances leaves the list after this long, in ms. 1,000 to 86,400,000.
    /// Nacos: `nacos.naming.clean.empty-service.expired-time`.
    pub empty_service_ms: u64,
    /// Patterns of services that clients may watch, all together; a further one is refused. 1 to 1,000.
    /// Nacos: `nacos.naming.fuzzy.watch.max.pattern.count`.
    pub fuzzy_patterns_max: usize,
    /// Services that are told of one pattern; further ones are not told until others are gone. 10 to 10,000.
    /// Nacos: `nacos.naming.fuzzy.watch.max.pattern.match.service.count`.
    pub fuzzy_matches_max: usize,
}

impl NamingSettings {
    fn rules(&self) -> Rules {
        Rules { hold: Duration::from_millis(self.hold_ms), empty_service: Duration::from_millis(self.empty_service_ms) }
    }
}

impl Default for NamingSettings {
    fn default() -> Self {
        Self { hold_ms: 500, empty_service_ms: 60_000, fuzzy_patterns_max: 20, fuzzy_matches_max: 500 }
    }
}

/// How configs are kept and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigSettings {
    /// Rows of the history are removed after this many days. 1 to 3,650. Nacos: `nacos.config.retention.days`.
    pub history_days: u64,
    /// Patterns of configs that clients may watch, all together; a further one is refused. 1 to 1,000.
    /// Nacos: `nacos.config.fuzzy.watch.max.pattern.count`.
    pub fuzzy_patterns_max: usize,
    /// Configs that are told of one pattern; further ones are not told until others are gone. 10 to 10,000.
    /// Nacos: `nacos.config.fuzzy.watch.max.pattern.match.config.count`.
    pub fuzzy_matches_max: usize,
}

impl Default for ConfigSettings {
    fn default() -> Self {
        Self { history_days: 30, fuzzy_patterns_max: 20, fuzzy_matches_max: 500 }
    }
}

/// Everything that can be set about what happens between the edges.
#[derive(Clone, Debug, Default)]
pub struct AppSettings {
    /// Instances.
    pub naming: NamingSettings,
    /// When silence of clients is not believed.
    pub guard: GuardSettings,
    /// Configs.
    pub config: ConfigSettings,
    /// Pushes.
    pub push: PushSettings,
    /// Connections.
    pub connection: ConnectionSettings,
    /// The other servers.
    pub cluster: ClusterSettings,
    /// How clients are spread over them.
    pub balance: BalanceSettings,
    /// The journal.
    pub raft: RaftSettings,
    /// How nodes know each other; without it the port for nodes stays closed.
    pub identity: Option<NodeIdentity>,
}

/// The outside, as it is handed in.
#[derive(Clone, Debug)]
pub struct Outside {
    /// What time it is.
    pub clock: SharedClock,
    /// Where chance comes from.
    pub random: SharedRandom,
    /// The way to others, for health checks.
    pub dial: SharedDial,
    /// What to do when the server can no longer keep its promises.
    pub on_fatal: OnFatal,
    /// The way to what is logged.
    pub log: LogControl,
}

/// The server between its edges.
#[derive(Debug)]
pub struct App {
    /// What time it is.
    pub clock: SharedClock,
    /// The checks before a use case.
    pub pipeline: Pipeline,
    /// What the server counts.
    pub metrics: Arc<Metrics>,
    /// The connections of clients.
    pub connections: Arc<Connections>,
    /// Services and instances.
    pub naming: Naming,
    /// The health of persistent instances.
    pub health: HealthCases,
    /// The switches of naming.
    pub switches: SwitchCases,
    /// Configs.
    pub config: ConfigCases,
    /// Named namespaces, as they are.
    pub namespaces: Arc<Namespaces>,
    /// What can be done with them.
    pub namespace_cases: NamespaceCases,
    /// The tasks of the server.
    pub tasks: Tasks,
    /// Sees to it that no list is short through the server's own fault.
    pub guard: Arc<Guarding>,
    /// What was sent, and whether it arrived.
    pub acks: Arc<Acks>,
    /// Clients that watch services by pattern.
    pub service_watch: Arc<ServiceWatch>,
    /// Clients that watch configs by pattern.
    pub config_watch: Arc<ConfigWatch>,
    /// What goes out over UDP.
    pub datagrams: Arc<Datagrams>,
    /// The way to what is logged.
    pub log: LogControl,
    /// How clients are spread over servers.
    pub balance: Balance,
    /// Leaving in order.
    pub drain: Drain,
    shards: Arc<Shards>,
    settle: Arc<Settle>,
    listeners: Arc<ConfigListeners>,
    long_polls: Arc<LongPolls>,
    configs: Arc<Configs>,
    writes: Writes,
    notes: Notes,
    history_days: u64,
}

impl App {
    /// Opens the data directory and starts everything that runs between the edges.
    ///
    /// # Errors
    /// [`OpenError`] if the data directory cannot be used.
    pub async fn start(data_dir: &Path, settings: AppSettings, outside: Outside) -> Result<Arc<Self>, OpenError> {
        let Outside { clock, random, dial, on_fatal, log } = outside;
        let (tasks, metrics) = (Tasks::new(), Arc::new(Metrics::new()));
        let connections = Arc::new(Connections::limited(settings.connection.rule()));
        let datagrams = Arc::new(Datagrams::new(Arc::clone(&clock), Arc::clone(&metrics)));
        let audience = audience(&settings, (&clock, &random), (&connections, &datagrams));
        let machine = AppMachine::new(audience.clone());
        let Audience { configs, namespaces, shards, settle, listeners, long_polls, health, switches } = audience;
        let journal =
            Journal::open(data_dir, settings.raft.clone(), machine, Arc::clone(&clock), Arc::clone(&random), on_fatal)
                .await?;
        let writes = Writes::new(journal);
        let guard = Guarding::new(&settings, &clock, &shards, &connections, &metrics);
        let notes = guard.begin(data_dir);
        let acks = Arc::new(Acks::new(
            settings.push,
            Arc::clone(&clock),
            Arc::clone(&settle),
            Arc::clone(&listeners),
            Arc::clone(&connections),
            Arc::clone(&metrics),
        ));
        let naming = Naming::new(
            Arc::clone(&shards),
            Arc::clone(&settle),
            writes.clone(),
            Arc::clone(&switches),
            Arc::clone(&clock),
            random.next_u64(),
        );
        let (service_watch, config_watch) = watches(&settings, &shards, &configs, &connections, &clock);
        let (balance, drain) = balance::build(&settings, &connections, &random, &tasks);
        let app = Arc::new(Self {
            service_watch,
            config_watch,
            pipeline: Pipeline::new(Trust::Everybody, settings.identity.clone(), &clock, &metrics),
            health: HealthCases::new(naming.clone(), Arc::clone(&health), writes.clone()),
            switches: SwitchCases::new(Arc::clone(&switches), writes.clone()),
            naming,
            config: ConfigCases::new(
                Arc::clone(&configs),
                Arc::clone(&listeners),
                Arc::clone(&long_polls),
                writes.clone(),
                Arc::clone(&clock),
            ),
            tasks,
            balance,
            drain,
            clock,
            metrics,
            connections,
            namespace_cases: NamespaceCases::new(Arc::clone(&namespaces), writes.clone(), random),
            namespaces,
            guard: Arc::new(guard),
            acks,
            datagrams,
            log,
            shards,
            settle,
            listeners,
            long_polls,
            configs,
            writes,
            notes,
            history_days: settings.config.history_days,
        });
        app.start_tasks(&settings);
        app.start_checks(health, switches, dial);
        Ok(app)
    }

    /// Every task of the server that is not an edge's (`docs/design/tasks.md`).
    fn start_tasks(self: &Arc<Self>, settings: &AppSettings) {
        let app = Arc::clone(self);
        self.tasks.spawn(async move { app.settle.run(&app.tasks).await });
        let app = Arc::clone(self);
        self.tasks.spawn(async move { app.acks.run(&app.tasks).await });
        let app = Arc::clone(self);
        self.tasks.spawn(async move { app.service_watch.run(&app.tasks).await });
        let app = Arc::clone(self);
        self.tasks.spawn(async move { app.config_watch.run(&app.tasks).await });
        let app = Arc::clone(self);
        self.tasks.spawn(async move {
            reconcile::expiry::run(&app.shards, &app.guard, &app.settle, &app.clock, &app.tasks).await;
        });
        let app = Arc::clone(self);
        self.tasks.spawn(async move { reconcile::guard::run(&app.guard, &app.tasks).await });
        let app = Arc::clone(self);
        self.tasks.spawn(async move { reconcile::notes::run(&app.shards, &app.notes, &app.tasks).await });
        let (app, connection) = (Arc::clone(self), settings.connection);
        self.tasks.spawn(async move {
            reconcile::ejection::run(&connection, &app.connections, &app.clock, &app.metrics, &app.tasks).await;
        });
        let app = Arc::clone(self);
        self.tasks.spawn(async move {
            app.balance.mover().run(&app.connections, &app.clock, &app.metrics, &app.tasks).await;
        });
        let (app, balance) = (Arc::clone(self), settings.balance);
        self.tasks.spawn(async move {
            reconcile::rebalance::run(&balance, &app.balance, &app.clock, &app.tasks).await;
        });
        let app = Arc::clone(self);
        self.tasks.spawn(async move {
            reconcile::orphans::run(&app.naming, &app.writes, &app.clock, &app.tasks).await;
        });
        let (app, keep) = (Arc::clone(self), Duration::from_secs(86_400 * settings.config.history_days));
        self.tasks.spawn(async move {
            reconcile::history::run(&app.configs, &app.writes, keep, &app.clock, &app.tasks).await;
        });
    }

    /// The tasks that follow the switches.
    fn start_checks(&self, checks: Arc<HealthChecks>, switches: Arc<SwitchBoard>, dial: SharedDial) {
        let (settle, changes, tasks) = (Arc::clone(&self.settle), switches.changes(), self.tasks.clone());
        self.tasks.spawn(async move { reconcile::switches::run(&settle, changes, &tasks).await });
        let checking = Checking {
            checks,
            shards: Arc::clone(&self.shards),
            settle: Arc::clone(&self.settle),
            switches,
            responsible: Arc::new(Alone),
            dial,
            clock: Arc::clone(&self.clock),
            metrics: Arc::clone(&self.metrics),
        };
        let tasks = self.tasks.clone();
        self.tasks.spawn(async move { reconcile::health::run(checking, &tasks).await });
    }

    /// Ends when the journal takes writes, or after `within`. Returns whether it does.
    pub async fn ready(&self, within: Duration) -> bool {
        self.writes.journal().wait_ready(within).await
    }

    /// Whether the server does all that it is there for.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.takes_clients().is_none() && self.writes.journal().is_leader()
    }

    /// Ends every task, then writes down what is in memory. Returns whether everything ended in time.
    pub async fn stop(&self) -> bool {
        let ended = self.tasks.stop(STOP_WITHIN).await;
        self.notes.finish().await;
        self.writes.journal().shutdown().await;
        ended
    }

    // --- what operators look at ---

    /// Measures what is only measured when somebody looks.
    pub fn measure(&self) {
        let levels = &self.metrics.levels;
        let set = |gauge: &Gauge, value: usize| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        let counts = self.shards.counts();
        set(&levels.connections, self.connections.len());
        set(&levels.services, counts.services);
        set(&levels.instances, counts.instances);
        set(&levels.health_watched, self.health.watched());
        set(&levels.subscriptions, counts.subscriptions);
        set(&levels.udp_subscriptions, self.shards.polled());
        set(&levels.pushes_pending, self.settle.pending());
        set(&levels.guard_held, self.guard.held());
        set(&levels.guard_phase, guard_phase(self.guard.phase()));
        set(&levels.configs, self.configs.len());
        set(&levels.config_listeners, self.listeners.count());
        set(&levels.fuzzy_watches, self.service_watch.count() + self.config_watch.count());
        set(&levels.long_polls, usize::try_from(self.long_polls.count()).unwrap_or(usize::MAX));
        set(&levels.content_cache_bytes, self.configs.cached_bytes());
        let journal = self.journal().metrics();
        let set = |gauge: &Gauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&levels.log_applied_index, journal.applied.unwrap_or_default());
        set(&levels.log_bytes, journal.log_bytes);
        set(&levels.log_syncs, journal.log_syncs);
        set(&levels.log_commands, journal.commands);
        set(&levels.resident_bytes, nacrite_env::process::resident_bytes().unwrap_or_default());
    }

    /// How many days the history of configs is kept.
    #[must_use]
    pub fn history_days(&self) -> u64 {
        self.history_days
    }

    /// The journal, for who asks how it is.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        self.writes.journal()
    }
}

/// Those who watch names by pattern.
fn watches(
    settings: &AppSettings,
    shards: &Arc<Shards>,
    configs: &Arc<Configs>,
    connections: &Arc<Connections>,
    clock: &SharedClock,
) -> (Arc<ServiceWatch>, Arc<ConfigWatch>) {
    let limits = |patterns_max, matches_max| WatchLimits { patterns_max, matches_max };
    let naming = limits(settings.naming.fuzzy_patterns_max, settings.naming.fuzzy_matches_max);
    let config = limits(settings.config.fuzzy_patterns_max, settings.config.fuzzy_matches_max);
    let services = ServiceWatch::new(naming, Arc::clone(shards), Arc::clone(connections), Arc::clone(clock));
    let configs = ConfigWatch::new(config, Arc::clone(configs), Arc::clone(connections), Arc::clone(clock));
    (Arc::new(services), Arc::new(configs))
}

/// Everything that shows what comes out of the journal, and nothing that writes to it.
fn audience(
    settings: &AppSettings,
    (clock, random): (&SharedClock, &SharedRandom),
    (connections, datagrams): (&Arc<Connections>, &Arc<Datagrams>),
) -> Audience {
    let shards = Arc::new(Shards::new(settings.naming.rules(), Arc::clone(clock)));
    let subscribers = (Arc::clone(connections), Arc::clone(datagrams));
    let settle = Settle::new(settings.push, Arc::clone(clock), Arc::clone(&shards), subscribers.0, subscribers.1);
    Audience {
        configs: Arc::default(),
        namespaces: Arc::default(),
        shards,
        settle: Arc::new(settle),
        listeners: Arc::new(ConfigListeners::new(Arc::clone(connections))),
        long_polls: Arc::default(),
        health: Arc::new(HealthChecks::new(Arc::clone(clock), Arc::clone(random))),
        switches: Arc::default(),
    }
}

fn guard_phase(phase: Phase) -> usize {
    match phase {
        Phase::Off => 0,
        Phase::Open => 1,
        Phase::Warming { .. } => 2,
        Phase::Braking => 3,
    }
}
