//! Checks the health of persistent instances, and tells the registry and its subscribers what changed.
//!
//! One task decides what is due, and starts a short task for each check. When it is due and what a result means is
//! decided in `nacrite_naming::probe`; how many run at one time, and how many begin together, in `crate::limits`.

use std::sync::Arc;

use nacrite_base::switches::Pace;
use nacrite_base::{Checker, Switches};
use nacrite_base::{ClientId, Instance, ServiceKey};
use nacrite_env::{SharedClock, SharedDial};
use nacrite_naming::Command;
use nacrite_naming::health::Checked;
use nacrite_naming::probe::{ProbeRules, Verdict};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, info};

use crate::health::{CheckKey, Found, HealthChecks, LastCheck, Responsible, check};
use crate::limits::{CHECK_BATCH, CHECK_BATCH_EVERY, CHECKS_RUNNING_MAX};
use crate::metrics::{CheckOutcome, Metrics};
use crate::owner::registry::Shards;
use crate::push::settle::{Settle, sleep_until};
use crate::switches::SwitchBoard;
use crate::tasks::Tasks;

/// What checking needs.
#[derive(Clone, Debug)]
pub struct Checking {
    /// What is to be checked, and when.
    pub checks: Arc<HealthChecks>,
    /// The registry.
    pub shards: Arc<Shards>,
    /// Who tells subscribers.
    pub settle: Arc<Settle>,
    /// Whether to check, how often, and how many results count.
    pub switches: Arc<SwitchBoard>,
    /// Which instances are this node's to check.
    pub responsible: Arc<dyn Responsible>,
    /// The way to the instances.
    pub dial: SharedDial,
    /// What time it is.
    pub clock: SharedClock,
    /// What the server counts.
    pub metrics: Arc<Metrics>,
}

/// Runs until the server stops.
pub async fn run(checking: Checking, tasks: &Tasks) {
    let checking = Arc::new(checking);
    let running = Arc::new(Semaphore::new(CHECKS_RUNNING_MAX));
    loop {
        let due = checking.checks.take_due(CHECK_BATCH);
        let is_full = due.len() == CHECK_BATCH;
        for key in due {
            let Some(target) = checking.target(&key) else { continue };
            let Some(permit) = permit(&running, tasks).await else { return };
            start(&checking, key, target, permit, tasks);
        }
        if is_full {
            tokio::select! {
                biased;
                () = tasks.stopping() => return,
                () = tokio::time::sleep(CHECK_BATCH_EVERY) => {}
            }
            continue;
        }
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = checking.checks.woken() => {}
            () = sleep_until(&checking.clock, checking.checks.next_due()) => {}
        }
    }
}

/// `None` if the server stops meanwhile.
async fn permit(running: &Arc<Semaphore>, tasks: &Tasks) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        () = tasks.stopping() => None,
        permit = Arc::clone(running).acquire_owned() => permit.ok(),
    }
}

/// A check that is to be made.
struct Target {
    checked: Checked,
    host: String,
    port: u16,
}

fn start(checking: &Arc<Checking>, key: CheckKey, target: Target, permit: OwnedSemaphorePermit, tasks: &Tasks) {
    let (checking, ending) = (Arc::clone(checking), tasks.clone());
    tasks.spawn(async move {
        let began = checking.clock.now();
        checking.checks.begin(&key);
        let Target { checked, host, port } = &target;
        let found = tokio::select! {
            biased;
            () = ending.stopping() => return,
            found = check(&*checking.dial, host, *port, &checked.settings.checker) => found,
        };
        let took = checking.clock.now().since(began);
        drop(permit);
        match found {
            Some(found) => checking.conclude(&key, checked, &found, took),
            None => checking.checks.skip(&key),
        }
    });
}

impl Checking {
    /// What is to be checked there now; `None` if nothing is, which is noted.
    fn target(&self, key: &CheckKey) -> Option<Target> {
        let (service, client) = key;
        let Some(checked) = self.look_up(key) else {
            self.checks.forget(service, client);
            return None;
        };
        let host = checked.instance.key.host.as_ref().map(ToString::to_string);
        let is_wanted = self.switches.current().health_check
            && checked.settings.checker != Checker::None
            && self.responsible.is_mine(&format!(
                "{}:{}",
                host.as_deref().unwrap_or_default(),
                checked.instance.key.port
            ));
        let Some(host) = host.filter(|_| is_wanted) else {
            self.checks.skip(key);
            return None;
        };
        let own = checked.instance.key.port;
        let port = if checked.settings.use_instance_port { own } else { checked.settings.check_port };
        Some(Target { checked, host, port })
    }

    fn look_up(&self, (service, client): &CheckKey) -> Option<Checked> {
        self.shards.with(service, |shard| shard.checked(client, service))
    }

    /// Takes the result of a check. It says nothing of an instance that is gone or checked otherwise by now.
    fn conclude(&self, key: &CheckKey, made: &Checked, found: &Found, took: std::time::Duration) {
        let (service, client) = key;
        let Some(now) = self.look_up(key) else { return self.checks.forget(service, client) };
        let switches = self.switches.current();
        if now.settings != made.settings || now.instance.key != made.instance.key || !switches.health_check {
            return self.checks.skip(key);
        }
        let checker = made.settings.checker.name();
        let passed = found.verdict == Verdict::Passed;
        self.metrics.checked(checker, if passed { CheckOutcome::Passed } else { CheckOutcome::Failed });
        let rules = rules(&switches, &made.settings.checker);
        let last = LastCheck {
            at: self.clock.now(),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            checker,
            passed,
            detail: found.detail.as_str().into(),
        };
        let flip = self.checks.end(key, now.instance.healthy, &rules, found.verdict, last);
        if let Some(healthy) = flip {
            self.turn(service, client, &now.instance, healthy, &found.detail);
        }
    }

    fn turn(&self, service: &ServiceKey, client: &ClientId, instance: &Instance, healthy: bool, why: &str) {
        let set = Command::SetHealth { client: client.clone(), service: service.clone(), healthy };
        match self.shards.apply(service, set) {
            Ok(effects) => {
                let cluster = &instance.key.cluster;
                info!(%service, %client, %cluster, healthy, why, "instance turned");
                self.metrics.turned(healthy);
                effects.changed.iter().for_each(|key| self.settle.changed(key));
            }
            // Deregistered this very moment.
            Err(refusal) => debug!(%refusal, "a check came too late"),
        }
    }
}

fn rules(switches: &Switches, checker: &Checker) -> ProbeRules {
    let pace: Pace = match checker {
        Checker::None | Checker::Tcp => switches.tcp_pace,
        Checker::Http(_) => switches.http_pace,
        Checker::Mysql(_) => switches.mysql_pace,
    };
    ProbeRules { pace, times: switches.check_times }
}

#[cfg(test)]
mod tests;
