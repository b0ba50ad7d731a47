//! How clients are spread over servers: how many each has, and what evens them out.
//!
//! A server knows only its own clients. The others are asked over their ports for nodes, and asked to give clients away;
//! each moves its own, at its own pace ([`crate::moving`]). An order says how many may *stay*, so that giving it twice, or
//! by two servers at once, does no harm. After each round everything is counted anew, until it is even.

pub mod hysteresis;
pub mod plan;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
pub use nacrite_cluster::lanes::Load;
use nacrite_cluster::lanes::{LaneError, LaneIdentity, Lanes};
pub use nacrite_cluster::member::Member;
use nacrite_env::SharedRandom;
use parking_lot::RwLock;
use tracing::{info, warn};

use self::hysteresis::Thresholds;
use self::plan::{Move, Tolerance};
use crate::app::AppSettings;
use crate::connections::Connections;
use crate::drain::{Drain, DrainFlag};
use crate::limits::{BALANCE_ROUND_EVERY, BALANCE_ROUNDS_MAX};
use crate::moving::{Mover, Order, Share};
use crate::pipeline::NodeIdentity;
use crate::push::outbox::Redirect;
use crate::tasks::Tasks;

/// Who the servers are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterSettings {
    /// This one, as the others and clients know it; `None` if nobody said.
    pub address: Option<Member>,
    /// The others.
    pub others: Vec<Member>,
}

/// How clients are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BalanceSettings {
    /// Clients that are told to go elsewhere in a second. 1 to 100,000. Each connects, registers and subscribes anew at
    /// once. Nacos tells all of them at once, a tenth per call.
    pub per_second: u64,
    /// Whether this server gives clients away of its own accord. Nacos never does.
    pub auto: bool,
    /// How often it looks, in ms. 1,000 to 3,600,000.
    pub auto_check_ms: u64,
    /// It begins this many hundredths above the mean. 1 to 1,000.
    pub auto_start_percent: usize,
    /// It ends this many hundredths above the mean. 0 to 1,000, and below the start.
    pub auto_stop_percent: usize,
    /// It rests at least this long afterwards, in ms. 0 to 86,400,000.
    pub auto_pause_ms: u64,
}

impl Default for BalanceSettings {
    fn default() -> Self {
        Self {
            per_second: 50,
            auto: false,
            auto_check_ms: 10_000,
            auto_start_percent: 20,
            auto_stop_percent: 5,
            auto_pause_ms: 60_000,
        }
    }
}

impl BalanceSettings {
    /// When this server gives clients away of its own accord.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        Thresholds {
            start_percent: self.auto_start_percent,
            stop_percent: self.auto_stop_percent,
            pause: Duration::from_millis(self.auto_pause_ms),
        }
    }
}

/// How many connections each server has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterLoad {
    /// This server; `None` if nobody said how it is known.
    pub address: Option<Member>,
    /// Its connections.
    pub own: Load,
    /// Those of the others that answered.
    pub others: Vec<(Member, Load)>,
    /// How many servers there are, whether they answered or not.
    pub members: usize,
}

impl ClusterLoad {
    /// Clients of every server that can take some, this one first unless it is draining.
    fn takers(&self) -> Vec<(Option<&Member>, usize)> {
        let own = (!self.own.is_draining).then_some((None, self.own.sdk));
        let others = self.others.iter().filter(|(_, load)| !load.is_draining);
        own.into_iter().chain(others.map(|(member, load)| (Some(member), load.sdk))).collect()
    }

    /// The mean over every server that can take clients.
    #[must_use]
    pub fn mean(&self) -> usize {
        plan::mean(&self.takers().iter().map(|(_, sdk)| *sdk).collect::<Vec<_>>())
    }
}

/// Some servers could not be told what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{failed} servers could not be told to give clients away")]
pub struct NotTold {
    /// How many.
    pub failed: usize,
}

/// What spreads clients over servers, and what takes this one out of service.
#[must_use]
pub fn build(
    settings: &AppSettings,
    connections: &Arc<Connections>,
    random: &SharedRandom,
    tasks: &Tasks,
) -> (Balance, Drain) {
    let identity = settings.identity.clone().map(|NodeIdentity { key, value }| LaneIdentity { key, value });
    let lanes = Lanes::new(identity, concat!("Nacrite-Server:v", env!("CARGO_PKG_VERSION")));
    let mover = Arc::new(Mover::new(settings.balance.per_second, Arc::clone(random)));
    let flag = DrainFlag::default();
    let balance = Balance(Arc::new(Inner {
        cluster: RwLock::new(Arc::new(settings.cluster.clone())),
        lanes,
        connections: Arc::clone(connections),
        mover,
        draining: flag.clone(),
        tasks: tasks.clone(),
        is_evening: AtomicBool::new(false),
    }));
    let (per_second, within) = (settings.balance.per_second, Duration::from_millis(settings.connection.drain_ms));
    let drain = Drain::new(flag, balance.clone(), Arc::clone(connections), per_second, within);
    (balance, drain)
}

#[derive(Debug)]
struct Inner {
    cluster: RwLock<Arc<ClusterSettings>>,
    lanes: Lanes,
    connections: Arc<Connections>,
    mover: Arc<Mover>,
    draining: DrainFlag,
    tasks: Tasks,
    /// Whether a task evens clients out already.
    is_evening: AtomicBool,
}

/// Spreads clients over servers. Clones share everything.
#[derive(Clone, Debug)]
pub struct Balance(Arc<Inner>);

impl Balance {
    /// Who tells the clients of this server to go.
    #[must_use]
    pub fn mover(&self) -> &Mover {
        &self.0.mover
    }

    /// Who the servers are.
    #[must_use]
    pub fn cluster(&self) -> Arc<ClusterSettings> {
        Arc::clone(&self.0.cluster.read())
    }

    /// Whether there is nobody but this server.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.0.cluster.read().others.is_empty()
    }

    /// Replaces who the servers are.
    pub fn set_cluster(&self, cluster: ClusterSettings) {
        *self.0.cluster.write() = Arc::new(cluster);
    }

    /// How many connections this server has.
    #[must_use]
    pub fn own(&self) -> Load {
        let Inner { connections, draining, .. } = &*self.0;
        Load { sdk: connections.sdk_len(), all: connections.len(), is_draining: draining.is_set() }
    }

    /// How many connections every server has. One that does not answer in time is left out.
    pub async fn measure(&self) -> ClusterLoad {
        let cluster = self.cluster();
        let asked = cluster.others.iter().map(async |member| (member, self.0.lanes.load(member).await));
        let answers = join_all(asked).await;
        let known = answers.into_iter().filter_map(|(member, answer)| match answer {
            Ok(load) => Some((member.clone(), load)),
            Err(error) => {
                warn!(%member, %error, "a server does not tell how many clients it has");
                None
            }
        });
        let (address, others) = (cluster.address.clone(), known.collect());
        ClusterLoad { address, own: self.own(), others, members: 1 + cluster.others.len() }
    }

    /// Evens clients out if some server is further from the mean than tolerated. The first orders are given before this
    /// returns; a task watches what comes of them, and gives more until it is even.
    ///
    /// # Errors
    /// [`NotTold`] if a server that has too many could not be told.
    pub async fn smart_reload(&self, tolerance: Tolerance) -> Result<(), NotTold> {
        let load = self.measure().await;
        let sdk: Vec<usize> = load.takers().iter().map(|(_, sdk)| *sdk).collect();
        if !plan::is_uneven(&sdk, tolerance) {
            return Ok(());
        }
        info!(clients = ?sdk, "clients are evened out");
        let told = self.order(&load).await;
        if !self.0.is_evening.swap(true, Ordering::AcqRel) {
            let balance = self.clone();
            self.0.tasks.spawn(async move {
                balance.even_out().await;
                balance.0.is_evening.store(false, Ordering::Release);
            });
        }
        told
    }

    /// Round after round until it is even, or nothing comes of it.
    async fn even_out(&self) {
        for _ in 0..BALANCE_ROUNDS_MAX {
            tokio::select! {
                biased;
                () = self.0.tasks.stopping() => return,
                () = tokio::time::sleep(BALANCE_ROUND_EVERY) => {}
            }
            let load = self.measure().await;
            let sdk: Vec<usize> = load.takers().iter().map(|(_, sdk)| *sdk).collect();
            if plan::is_even(&sdk) {
                info!(clients = ?sdk, "clients are even");
                return;
            }
            // Whoever could not be told now may be told in the next round.
            self.order(&load).await.ok();
        }
        warn!(rounds = BALANCE_ROUNDS_MAX, "clients could not be evened out");
    }

    /// Gives every server that has too many its order.
    async fn order(&self, load: &ClusterLoad) -> Result<(), NotTold> {
        let takers = load.takers();
        let sdk: Vec<usize> = takers.iter().map(|(_, sdk)| *sdk).collect();
        let moves = plan::moves(&sdk);
        let told = join_all(moves.iter().map(|step| self.give(step, &takers, load.address.as_ref()))).await;
        let failed = told.iter().filter(|told| told.is_err()).count();
        if failed == 0 { Ok(()) } else { Err(NotTold { failed }) }
    }

    async fn give(
        &self,
        step: &Move,
        takers: &[(Option<&Member>, usize)],
        address: Option<&Member>,
    ) -> Result<(), LaneError> {
        let named = |at: &usize| takers.get(*at).and_then(|(member, _)| member.or(address));
        let Some((from, sdk)) = takers.get(step.from) else { return Ok(()) };
        let Some(member) = from else {
            let shares = step.to.iter().filter_map(|(at, count)| Some(share(named(at)?, *count)));
            self.0.mover.order(Order { keep: sdk - step.count(), shares: shares.collect(), per_second: None });
            return Ok(());
        };
        // The message names one receiver; the next one has its turn in the next round.
        let Some((at, count)) = step.to.first() else { return Ok(()) };
        let redirect = named(at).map(Member::to_string).unwrap_or_default();
        self.0.lanes.reload(member, sdk - count, &redirect).await.inspect_err(|error| {
            warn!(%member, %error, "a server could not be told to give clients away");
        })
    }

    /// Gives away what this server has above the mean of `load`.
    pub fn give_surplus(&self, load: &ClusterLoad) {
        let takers = load.takers();
        let sdk: Vec<usize> = takers.iter().map(|(_, sdk)| *sdk).collect();
        let own =
            plan::moves(&sdk).into_iter().find(|step| takers.get(step.from).is_some_and(|(who, _)| who.is_none()));
        if let Some(step) = own {
            let to = step.to.iter().filter_map(|(at, count)| Some(share(takers.get(*at)?.0?, *count)));
            let keep = load.own.sdk - step.count();
            self.0.mover.order(Order { keep, shares: to.collect(), per_second: None });
        }
    }

    /// Where the clients of this server could go, so that the others end up even. Equal shares if nobody answers.
    pub async fn shares_of_others(&self) -> Vec<Share> {
        let load = self.measure().await;
        let takers: Vec<_> = load.others.iter().filter(|(_, load)| !load.is_draining).collect();
        if takers.is_empty() {
            return self.cluster().others.iter().map(|member| share(member, 1)).collect();
        }
        let all = load.own.sdk + takers.iter().map(|(_, load)| load.sdk).sum::<usize>();
        let goal = all.div_ceil(takers.len());
        takers.iter().map(|(member, load)| share(member, goal.saturating_sub(load.sdk).max(1))).collect()
    }
}

fn share(member: &Member, count: usize) -> Share {
    Share { to: Redirect { ip: member.host.clone(), port: member.port.to_string() }, count }
}
