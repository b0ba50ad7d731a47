//! Leaving in order: a server that is to stop takes no new clients and hands those that it has to the others.
//!
//! A state of the server, not of a connection: whoever is still here is served to the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nacrite_base::Fault;
use parking_lot::Mutex;
use tracing::info;

use crate::balance::Balance;
use crate::connections::Connections;
use crate::moving::Order;

/// How often it is looked whether all clients have gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Clients are told within this part of the time that there is, in tenths: the rest is for going, and for those who must
/// be told twice.
const TELL_WITHIN_TENTHS: u64 = 5;

/// Whether the server is draining, for whoever must know before a client is let in.
#[derive(Clone, Debug, Default)]
pub struct DrainFlag(Arc<AtomicBool>);

impl DrainFlag {
    /// Whether it is.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Returns whether it was before.
    fn set(&self, is_draining: bool) -> bool {
        self.0.swap(is_draining, Ordering::AcqRel)
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainProgress {
    /// Whether new clients are refused.
    pub is_draining: bool,
    /// Clients when it began.
    pub clients_before: usize,
    /// Clients that are still here.
    pub clients: usize,
    /// Of those, clients that were told several times and stay.
    pub stayed: usize,
}

/// Hands the clients of this server to the others.
#[derive(Debug)]
pub struct Drain {
    flag: DrainFlag,
    balance: Balance,
    connections: Arc<Connections>,
    clients_before: Mutex<usize>,
    per_second: u64,
    within: Duration,
}

impl Drain {
    /// Not draining. `per_second` is the pace at which clients are told if there is time enough; `within` how much there is
    /// if nobody says otherwise.
    #[must_use]
    pub fn new(
        flag: DrainFlag,
        balance: Balance,
        connections: Arc<Connections>,
        per_second: u64,
        within: Duration,
    ) -> Self {
        Self { flag, balance, connections, clients_before: Mutex::default(), per_second, within }
    }

    /// How long a server that is to stop takes to hand its clients over.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.within
    }

    /// Whether new clients are refused.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.flag.is_set()
    }

    /// Refuses new clients from now on, and begins to hand over those that are here, fast enough to be done in `within`.
    /// Begins nothing anew if it is under way.
    ///
    /// # Errors
    /// [`Fault::ParamInvalid`] if no other server is known: clients would have nowhere to go.
    pub async fn begin(&self, within: Duration) -> Result<(), Fault> {
        if self.balance.is_alone() {
            let message = "no other server is known that could take the clients: set cluster.members".to_owned();
            return Err(Fault::ParamInvalid { message });
        }
        if self.flag.set(true) {
            return Ok(());
        }
        let clients = self.connections.sdk_len();
        *self.clients_before.lock() = clients;
        let shares = self.balance.shares_of_others().await;
        let tell_within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX) / 10 * TELL_WITHIN_TENTHS;
        let needed = (clients as u64).saturating_mul(1000).div_ceil(tell_within_ms.max(1));
        info!(clients, others = shares.len(), "clients are handed to other servers");
        // It may have been taken back while the others were asked.
        if self.flag.is_set() {
            self.balance.mover().order(Order { keep: 0, shares, per_second: Some(self.per_second.max(needed)) });
        }
        Ok(())
    }

    /// Takes clients again.
    pub fn cancel(&self) {
        if self.flag.set(false) {
            self.balance.mover().cancel();
            info!("clients are taken again");
        }
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> DrainProgress {
        DrainProgress {
            is_draining: self.flag.is_set(),
            clients_before: *self.clients_before.lock(),
            clients: self.connections.sdk_len(),
            stayed: self.balance.mover().progress().stayed,
        }
    }

    /// Begins, and waits until nobody is here any more who would go, at most `within`. Returns how many are still here.
    ///
    /// # Errors
    /// As [`Self::begin`].
    pub async fn finish(&self, within: Duration) -> Result<usize, Fault> {
        let done = async {
            self.begin(within).await?;
            while self.connections.sdk_len() > 0 && self.balance.mover().progress().is_moving {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        };
        match tokio::time::timeout(within, done).await {
            Ok(Err(fault)) => Err(fault),
            Ok(Ok(())) | Err(_) => Ok(self.connections.sdk_len()),
        }
    }
}
