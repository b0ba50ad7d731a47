//! Forgets what operators set for things that are gone: values laid over instances, settings of services that nobody
//! created by hand. Nacos keeps both for a minute, so that an instance that restarts finds them again
//! (`reference/semantics.md`, 2.11).

use std::time::Duration;

use nacrite_env::SharedClock;
use nacrite_naming::DurableCommand;
use tracing::debug;

use crate::machine::DurableWrite;
use crate::owner::registry::Shards;
use crate::tasks::Tasks;
use crate::writes::Writes;

/// How long values survive their instance.
const KEEP: Duration = Duration::from_secs(60);

/// How often to look.
const EVERY: Duration = Duration::from_secs(5);

/// Runs until the server stops.
pub async fn run(shards: &Shards, writes: &Writes, clock: &SharedClock, tasks: &Tasks) {
    loop {
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        for command in orphans(shards, clock) {
            // Whatever kept it from being written keeps it for the next round.
            if let Err(fault) = writes.write(DurableWrite::Naming(command)).await {
                debug!(%fault, "an orphan stays for now");
            }
        }
    }
}

fn orphans(shards: &Shards, clock: &SharedClock) -> Vec<DurableCommand> {
    let now = clock.now();
    let mut commands = Vec::new();
    shards.with_each(|shard| {
        let overrides = shard.orphan_overrides(now, KEEP).into_iter();
        commands.extend(overrides.map(|(service, instance)| DurableCommand::RemoveOverride { service, instance }));
        let services = shard.orphan_metadata().into_iter();
        commands.extend(services.map(|service| DurableCommand::DeleteService { service }));
    });
    commands
}
