//! `dns:///host:port`: every address of a name, asked for anew when an endpoint was lost.
//!
//! A name is asked for at most every 30 s, however often connections break: what the system answered is good for that long,
//! and a resolver of a company does not like to be hammered. A failure is tried again with growing pauses.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use nacrite_balance::Endpoint;
use nacrite_balance::backoff::{Backoff, BackoffSettings};
use rand::RngExt as _;

use super::{ResolverFactory, Updates};
use crate::clock;
use crate::target::{Target, TargetError, host_and_port};

/// How long an answer is not asked for again: gRPC for Java takes the same (`networkaddress.cache.ttl`).
const FRESH_FOR: Duration = Duration::from_secs(30);

/// How long one question may take; resolvers of systems give up after 10 s to 30 s themselves.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

type Lookup = Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Resolves `dns:///host:port` through the operating system. Addresses need no question.
#[derive(Clone)]
pub struct DnsResolver {
    lookup: Lookup,
}

impl fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DnsResolver")
    }
}

impl Default for DnsResolver {
    fn default() -> Self {
        Self::asking(|host, port| {
            Box::pin(async move { tokio::net::lookup_host((host.as_str(), port)).await.map(Iterator::collect) })
        })
    }
}

impl DnsResolver {
    /// Asks somebody else for the addresses of a name.
    #[must_use]
    pub fn asking(
        lookup: impl Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync + 'static,
    ) -> Self {
        Self { lookup: Arc::new(lookup) }
    }
}

fn read(target: &Target) -> Result<(String, u16), TargetError> {
    if !target.authority().is_empty() {
        return Err(target.wrong("asks a name server of its own, which is not possible; write dns:///host:port"));
    }
    let segments = target.segments()?;
    let [address] = segments.as_slice() else {
        return Err(target.wrong("names no host; write dns:///host:port"));
    };
    let (host, port) = host_and_port(address).map_err(|why| target.wrong(why))?;
    Ok((host.to_owned(), port))
}

impl ResolverFactory for DnsResolver {
    fn scheme(&self) -> &str {
        "dns"
    }

    fn authority(&self, target: &Target) -> Result<String, TargetError> {
        read(target).map(|(host, port)| super::authority_of(&host, port))
    }

    fn resolve(&self, target: &Target, updates: Updates) -> Result<BoxFuture<'static, ()>, TargetError> {
        let (host, port) = read(target)?;
        let lookup = Arc::clone(&self.lookup);
        Ok(Box::pin(async move {
            if host.parse::<IpAddr>().is_ok() {
                return updates.endpoints([Endpoint::new(&host, port)]);
            }
            follow(&lookup, &host, port, &updates).await;
        }))
    }
}

/// Asks, and asks again when somebody wants to know: not sooner than the answer may have changed.
async fn follow(lookup: &Lookup, host: &str, port: u16, updates: &Updates) {
    let mut backoff = Backoff::new(BackoffSettings::CONNECT);
    loop {
        let asked_at = clock::now();
        let asked = lookup(host.to_owned(), port);
        match tokio::time::timeout(ANSWER_WITHIN, asked).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(addresses) if !addresses.is_empty() => {
                backoff.reset();
                // The system turns the order round and round; that is no news.
                let addresses: BTreeSet<SocketAddr> = addresses.into_iter().collect();
                updates.endpoints(addresses.iter().map(|at| Endpoint::new(&at.ip().to_string(), at.port())));
                updates.refresh_wanted().await;
                tokio::time::sleep_until(asked_at + FRESH_FOR).await;
            }
            answer => {
                let why = answer.err().map_or_else(|| "it has no address".to_owned(), |error| error.to_string());
                updates.failed(format!("{host} cannot be resolved: {why}"));
                let pause = backoff.pause(rand::rng().random());
                tokio::time::sleep(pause).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::resolver::Resolution;
    use tokio::sync::watch;

    /// A name whose answers are told in advance; the last one counts for ever.
    struct Told {
        updates: Updates,
        receiver: watch::Receiver<Resolution>,
        asked: Arc<Mutex<Vec<tokio::time::Instant>>>,
        task: tokio::task::JoinHandle<()>,
    }

    #[expect(clippy::disallowed_methods, reason = "a test's own task")]
    fn tell(answers: Vec<io::Result<Vec<&'static str>>>) -> Told {
        let (updates, receiver) = Updates::new();
        let asked: Arc<Mutex<Vec<_>>> = Arc::default();
        let (count, answers) = (Arc::clone(&asked), Mutex::new(answers.into_iter()));
        let resolver = DnsResolver::asking(move |_, port| {
            count.lock().push(clock::now());
            let answer = answers.lock().next().unwrap_or_else(|| Ok(vec!["10.0.0.9"]));
            let read =
                move |ips: Vec<&str>| ips.iter().map(|ip| SocketAddr::new(ip.parse().expect("an IP"), port)).collect();
            Box::pin(async move { answer.map(read) })
        });
        let target = Target::parse("dns:///orders:80", "dns", |scheme| scheme == "dns").expect("a target");
        let following = resolver.resolve(&target, updates.clone()).expect("a host");
        Told { updates, receiver, asked, task: tokio::spawn(following) }
    }

    fn hosts(resolution: &Resolution) -> Vec<String> {
        let list = resolution.endpoints.iter().flat_map(|list| list.iter());
        list.map(|endpoint| endpoint.host.to_string()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_asked_for_again_when_wanted_and_not_within_thirty_seconds() {
        let mut told = tell(vec![Ok(vec!["10.0.0.2", "10.0.0.1"]), Ok(vec!["10.0.0.3"])]);
        let first = told.receiver.wait_for(|known| known.endpoints.is_some()).await.expect("it runs").clone();
        assert_eq!(hosts(&first), ["10.0.0.1", "10.0.0.2"]);
        for _ in 0..1000 {
            told.updates.want_refresh();
        }
        told.receiver.wait_for(|known| hosts(known) == ["10.0.0.3"]).await.expect("it runs");
        let asked = told.asked.lock().clone();
        assert_eq!(asked.len(), 2);
        assert!(asked[1] - asked[0] >= FRESH_FOR, "{asked:?}");
        told.task.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_told_and_tried_again_with_growing_pauses() {
        let gone = || Err(io::Error::other("no such host"));
        let mut told = tell(vec![gone(), gone(), Ok(Vec::new()), Ok(vec!["10.0.0.1"])]);
        let failed = told.receiver.wait_for(|known| known.trouble.is_some()).await.expect("it runs").clone();
        assert_eq!(failed.trouble.as_deref(), Some("orders cannot be resolved: no such host"));
        told.receiver.wait_for(|known| hosts(known) == ["10.0.0.1"]).await.expect("it runs");
        let asked = told.asked.lock().clone();
        let pauses: Vec<_> = asked.windows(2).map(|two| (two[1] - two[0]).as_secs_f64()).collect();
        for (pause, nominal) in pauses.iter().zip([1.0, 1.6, 2.56]) {
            assert!((nominal * 0.79..nominal * 1.21).contains(pause), "{pauses:?}");
        }
        told.task.abort();
    }
}
