//! Lets pushes wait while an operator has switched them off (`pushEnabled`), and go on when they are switched on again.

use std::sync::Arc;

use nacrite_base::Switches;
use tokio::sync::watch;

use crate::push::settle::Settle;
use crate::tasks::Tasks;

/// Runs until the server stops.
pub async fn run(settle: &Settle, mut switches: watch::Receiver<Arc<Switches>>, tasks: &Tasks) {
    loop {
        let push = switches.borrow_and_update().push;
        settle.hold(!push);
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            changed = switches.changed() => if changed.is_err() { return },
        }
    }
}
