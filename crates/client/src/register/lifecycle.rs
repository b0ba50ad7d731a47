//! When servers of one program leave: together, by a signal or by call, and at once if they are told twice.
//!
//! Only says when. What leaving is, each server's life decides for itself.

use std::future::Future;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::state::LeaveReason;

/// Whether signals of the operating system end a program's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heeds {
    Signals,
    CallsAlone,
}

/// What servers of one program share: the moment at which they leave. Clones are about the same moment.
#[derive(Clone, Debug)]
pub struct Lifecycle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    leave: CancellationToken,
    at_once: CancellationToken,
    by_signal: CancellationToken,
    heeds: Heeds,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    /// Ends with SIGTERM or Ctrl-C (SIGINT), or by call. The second signal, or the second call, ends at once.
    #[must_use]
    pub fn new() -> Self {
        Self::heeding(Heeds::Signals)
    }

    /// Ends by call alone, for programs that treat signals themselves.
    #[must_use]
    pub fn without_signals() -> Self {
        Self::heeding(Heeds::CallsAlone)
    }

    fn heeding(heeds: Heeds) -> Self {
        let token = CancellationToken::new;
        Self(Arc::new(Inner { leave: token(), at_once: token(), by_signal: token(), heeds }))
    }

    /// Begins to leave, in order. A second call changes nothing.
    pub fn leave(&self) {
        self.0.leave.cancel();
    }

    /// Ends at once: nothing is taken back, nothing is waited for.
    pub fn leave_at_once(&self) {
        self.0.at_once.cancel();
    }

    /// Whether it was told to leave.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.0.leave.is_cancelled() || self.0.at_once.is_cancelled()
    }

    /// Waits until it is time to leave. Tells why.
    pub(super) async fn leaving(&self) -> LeaveReason {
        self.0.leave.cancelled().await;
        if self.0.by_signal.is_cancelled() { LeaveReason::Signal } else { LeaveReason::Call }
    }

    /// Waits until there is no time to leave in order.
    pub(super) async fn at_once(&self) {
        self.0.at_once.cancelled().await;
    }

    /// Listens for signals: the first begins to leave, the second ends at once. Every server of a program listens, which
    /// needs no task; that each of them tells the others does not matter, because telling twice changes nothing. Never ends.
    pub(super) fn heed_signals(&self) -> impl Future<Output = ()> + Send + 'static {
        let this = self.clone();
        // Listening begins now: a signal that comes before the first poll is not lost.
        let signals = (self.0.heeds == Heeds::Signals).then(Signals::listen);
        async move {
            if let Some(mut signals) = signals {
                signals.next().await;
                this.0.by_signal.cancel();
                this.leave();
                signals.next().await;
                this.leave_at_once();
            }
            std::future::pending::<()>().await;
        }
    }
}

/// The signals that ask a program to end.
struct Signals {
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    interrupt: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listen =
            |kind, name| signal(kind).inspect_err(|error| warn!(name, %error, "a signal cannot be listened for")).ok();
        Self {
            terminate: listen(SignalKind::terminate(), "SIGTERM"),
            interrupt: listen(SignalKind::interrupt(), "SIGINT"),
        }
    }

    #[cfg(not(unix))]
    fn listen() -> Self {
        Self {}
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        async fn of(signal: Option<&mut tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = of(self.terminate.as_mut()) => {}
            () = of(self.interrupt.as_mut()) => {}
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if let Err(error) = tokio::signal::ctrl_c().await {
            warn!(%error, "Ctrl-C cannot be listened for");
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_shares_a_lifecycle_leaves_with_the_others() {
        let life = Lifecycle::without_signals();
        let other = life.clone();
        assert!(!other.is_leaving());
        life.leave();
        assert_eq!(other.leaving().await, LeaveReason::Call);
        life.leave_at_once();
        other.at_once().await;
    }
}
