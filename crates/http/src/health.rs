//! What the endpoints of all generations around health and switches have in common.

use nacrite_app::naming::{HealthCases, ShownCheck};
use nacrite_app::switches::{SwitchCases, SwitchError};
use nacrite_base::{Checker, Fault, ServiceKey};
use nacrite_wire::http::naming::cluster::ClusterAsk;
use nacrite_wire::http::naming::health::{CheckLine, HealthAsk, LastLine, checks};
use nacrite_wire::http::naming::switches::SwitchAsk;
use nacrite_wire::http::refusal::Refusal;

use crate::naming::Done;
use crate::table::Reply;

/// Sets up a cluster; `absent` tells that its service is not there.
pub(crate) fn set_cluster(
    health: &HealthCases,
    ask: ClusterAsk,
    done: Done,
    absent: fn(ServiceKey) -> Refusal,
) -> Reply {
    let ClusterAsk { service, cluster, settings } = ask;
    let health = health.clone();
    Reply::later(async move {
        let set = health.set_cluster(&service, cluster, settings).await;
        set.map_err(|fault| match fault {
            Fault::ServiceMissing { service } => absent(service),
            other => other.into(),
        })?;
        Ok(done())
    })
}

/// Sets the health of an instance by hand.
pub(crate) fn set_health(health: &HealthCases, ask: HealthAsk, done: Done) -> Reply {
    let HealthAsk { service, key, healthy } = ask;
    let health = health.clone();
    Reply::later(async move {
        health.set_health(&service, &key, healthy).await?;
        Ok(done())
    })
}

/// Moves a switch.
pub(crate) fn set_switch(switches: &SwitchCases, ask: SwitchAsk, done: Done) -> Reply {
    let SwitchAsk { entry, value, here } = ask;
    let switches = switches.clone();
    Reply::later(async move {
        let moved = switches.set(&entry, &value, here).await;
        moved.map_err(|error| match error {
            SwitchError::Refused(refusal) => Refusal::SwitchRefused { message: refusal.to_string() },
            SwitchError::Fault(fault) => fault.into(),
        })?;
        Ok(done())
    })
}

/// Writes how the persistent instances of a service are checked.
pub(crate) fn show_checks(health: &HealthCases, service: &ServiceKey) -> Result<Vec<u8>, Refusal> {
    Ok(checks(health.checks(service)?.iter().map(line)))
}

fn line(shown: &ShownCheck) -> CheckLine<'_> {
    let ShownCheck { instance, settings, state } = shown;
    let state = state.as_ref().filter(|_| settings.checker != Checker::None);
    CheckLine {
        key: &instance.key,
        healthy: instance.healthy,
        checker: settings.checker.name(),
        period_ms: state.map(|state| state.period_ms),
        due_ms: state.and_then(|state| state.due).map(nacrite_base::Timestamp::as_ms),
        last: state.and_then(|state| state.last.as_ref()).map(|last| LastLine {
            at_ms: last.at.as_ms(),
            took_ms: last.took_ms,
            passed: last.passed,
            detail: &last.detail,
        }),
    }
}
