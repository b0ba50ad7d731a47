//! Locks that a server of the third generation keeps for its clients.
//!
//! They are weaker than they look, and so it stands in the documentation of every call: a lock has no owner, and no
//! connection carries it. It ends with its release, by whomever, or with its lease.

use std::fmt;
use std::time::Duration;

use nacrite_wire::client::Module;
use nacrite_wire::client::lock::{ACQUIRE, KIND, LockInstance, LockOperationRequest, RELEASE};

use crate::error::Error;
use crate::link::{Link, Resource};

/// Servers cut longer leases to this.
const LEASE_MAX: Duration = Duration::from_secs(30 * 60);

/// Locks by name, shared by all clients of a server, whatever their namespace.
///
/// Good for work that should be done once and does no harm if it is done twice. The server does not know who holds a lock:
/// whoever calls [`Self::release`] ends it, and a holder that is slower than its lease is not told that another one holds it
/// now.
///
/// ```no_run
/// # async fn example(client: nacrite_client::Client) -> Result<(), nacrite_client::Error> {
/// use std::time::Duration;
///
/// let locks = client.locks();
/// if locks.acquire("nightly-report", Duration::from_secs(600)).await? {
///     // Here goes the work, which must be done in 10 minutes.
///     locks.release("nightly-report").await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Locks {
    link: Link,
    within: Duration,
}

impl Locks {
    /// Asks over `link`, at most `within` a time.
    pub(crate) const fn new(link: Link, within: Duration) -> Self {
        Self { link, within }
    }

    /// Tries to acquire a lock for as long as `lease`, 1 ms to 30 minutes. Returns at once: whether it is held by the caller
    /// now. If an answer is lost and the request is sent again, the lock may be held and yet false be returned; the lease
    /// ends that.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty name or a lease out of bounds, [`Error::Unsupported`] by servers without locks;
    /// otherwise what may go wrong with any request.
    pub async fn acquire(&self, key: &str, lease: Duration) -> Result<bool, Error> {
        if lease.is_zero() || lease > LEASE_MAX {
            return Err(Error::Invalid(format!("a lock is held for 1 ms to {} min", LEASE_MAX.as_secs() / 60)));
        }
        let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX).max(1);
        self.ask(key, lease_ms, ACQUIRE).await
    }

    /// Releases a lock, whoever holds it. Returns whether it was held.
    ///
    /// # Errors
    /// As [`Self::acquire`].
    pub async fn release(&self, key: &str) -> Result<bool, Error> {
        self.ask(key, 0, RELEASE).await
    }

    async fn ask(&self, key: &str, lease_ms: i64, operation: &str) -> Result<bool, Error> {
        if key.trim().is_empty() {
            return Err(Error::Invalid("a lock needs a name".to_owned()));
        }
        let ask = LockOperationRequest { lock_instance: LockInstance { key, lease_ms, lock_type: KIND }, operation };
        let resource = Resource { module: Module::Lock, namespace: "", group: "", name: key };
        Ok(self.link.ask(&ask, resource, self.within).await?.result)
    }
}

impl fmt::Debug for Locks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locks").field("within", &self.within).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::Client;
    use crate::testkit::{Reply, ScriptedServer};

    const S: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_lock_is_held_once_until_it_is_released() {
        let server = ScriptedServer::start().await;
        let held = Arc::new(AtomicBool::new(false));
        server.on("LockOperationRequest", move |body| {
            let result = match body["lockOperationEnum"].as_str() {
                Some("ACQUIRE") => !held.swap(true, Ordering::SeqCst),
                _ => held.swap(false, Ordering::SeqCst),
            };
            Reply::Done(serde_json::json!({ "result": result }))
        });
        let client = Client::builder().server_list([server.address()]).build().expect("a client");
        let locks = client.locks();
        assert!(locks.acquire("nightly", 60 * S).await.expect("answered"));
        assert!(!locks.acquire("nightly", 60 * S).await.expect("answered"));
        assert!(locks.release("nightly").await.expect("answered"));
        assert!(!locks.release("nightly").await.expect("answered"));
        let seen = server.seen(Some("LockOperationRequest")).remove(0);
        let asked = serde_json::json!({"key": "nightly", "expiredTime": 60_000, "lockType": "NACOS_LOCK"});
        assert_eq!(seen.body["lockInstance"], asked);
        client.close().await;
    }

    #[tokio::test]
    async fn what_cannot_be_held_is_refused_before_anything_is_sent() {
        let server = ScriptedServer::start().await;
        let client = Client::builder().server_list([server.address()]).build().expect("a client");
        let locks = client.locks();
        for (key, lease) in [("", S), (" ", S), ("a", Duration::ZERO), ("a", LEASE_MAX + S)] {
            let refused = locks.acquire(key, lease).await;
            assert!(matches!(refused, Err(Error::Invalid(_))), "{key:?} {lease:?}: {refused:?}");
        }
        client.close().await;
    }
}
