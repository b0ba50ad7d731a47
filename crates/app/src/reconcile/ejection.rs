//! Ends connections whose clients fell silent, or stopped reading.
//!
//! A client that was not heard of for a while is asked; one that does not answer is ejected: its connection is closed,
//! and the next request on it is told to register anew (`reference/grpc.md`, 3.8; recorded: `conn-detection-no-ack`).

use std::sync::Arc;
use std::time::Duration;

use nacrite_base::Timestamp;
use nacrite_env::SharedClock;
use tokio::sync::oneshot;
use tracing::info;

use crate::connections::{Connection, Connections};
use crate::control::limit::LimitRule;
use crate::guard::STALL;
use crate::metrics::Metrics;
use crate::push::outbox::Control;
use crate::tasks::Tasks;

/// When a connection counts as dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// A client that was not heard of for this long, in ms, is asked whether it is there. 1,000 to 3,600,000.
    /// Nacos: 20,000, fixed. Clients send a health check after 5 s without a request.
    pub idle_ms: u64,
    /// How long it may take to answer, in ms. 100 to 60,000. Nacos: 5,000, fixed.
    pub detection_ms: u64,
    /// How often to look, in ms. 100 to 60,000. Nacos: 3,000, fixed.
    pub check_ms: u64,
    /// A client that takes no pushes for this long, in ms, is asked as well, and cannot answer unless it reads. 1,000 to
    /// 3,600,000. Nacos: 300,000, fixed.
    pub blocked_ms: u64,
    /// Connections that may be open at one time; further ones are closed at once. 1 to 1,000,000.
    pub max: usize,
    /// Connections that clients of one address may have. 0 to 1,000,000; 0 is without a limit.
    pub max_per_ip: usize,
    /// Connections that clients of one application may have. 0 to 1,000,000; 0 is without a limit.
    pub max_per_app: usize,
    /// How long a server that was told to stop takes to hand its clients to others, in ms. 0 to 3,600,000.
    pub drain_ms: u64,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            idle_ms: 20_000,
            detection_ms: 5000,
            check_ms: 3000,
            blocked_ms: 30_000,
            max: 100_000,
            max_per_ip: 0,
            max_per_app: 0,
            drain_ms: 20_000,
        }
    }
}

impl ConnectionSettings {
    /// What is set, as a rule.
    #[must_use]
    pub fn rule(&self) -> LimitRule {
        let limit = |max| Some(max).filter(|max| *max > 0);
        LimitRule { per_ip: limit(self.max_per_ip), per_app: limit(self.max_per_app), ..LimitRule::default() }
    }
}

/// Runs until the server stops.
pub async fn run(
    settings: &ConnectionSettings,
    connections: &Connections,
    clock: &SharedClock,
    metrics: &Metrics,
    tasks: &Tasks,
) {
    loop {
        tokio::select! {
            biased;
            () = tasks.stopping() => return,
            () = tokio::time::sleep(Duration::from_millis(settings.check_ms)) => {}
        }
        let now = clock.now();
        let suspects = connections.all().into_iter().filter(|c| is_suspect(c, now, settings));
        let (asked, asked_at): (Vec<_>, _) = (suspects.map(ask).collect(), now);
        if asked.is_empty() {
            continue;
        }
        let silent = tokio::select! {
            biased;
            () = tasks.stopping() => return,
            silent = silent_among(asked, Duration::from_millis(settings.detection_ms), clock) => silent,
        };
        if clock.now().since(asked_at) >= Duration::from_millis(settings.detection_ms) + STALL {
            // Nobody listened to the answers: the server stood still. Those who are silent are asked again.
            continue;
        }
        for connection in silent {
            let now = clock.now();
            let idle_ms = now.since(connection.active_at()).as_millis();
            let blocked_ms = connection.blocked_since().map(|since| now.since(since).as_millis());
            info!(connection = %connection.id, idle_ms, blocked_ms, "silent connection ejected");
            metrics.connections_ejected.inc();
            connection.fell_silent();
            connections.unregister(&connection.id);
            connection.close.cancel();
        }
    }
}

fn is_suspect(connection: &Connection, now: Timestamp, settings: &ConnectionSettings) -> bool {
    let idle = now.since(connection.active_at()) >= Duration::from_millis(settings.idle_ms);
    let blocked = Duration::from_millis(settings.blocked_ms);
    idle || connection.blocked_since().is_some_and(|since| now.since(since) > blocked)
}

type Asked = (Arc<Connection>, Option<oneshot::Receiver<crate::push::outbox::Answer>>);

/// Asks a client whether it is there. A client that takes no more messages cannot be asked, and counts as silent.
fn ask(connection: Arc<Connection>) -> Asked {
    let (tell, told) = oneshot::channel();
    let asked = connection.outbox.control(Control::Detect, Some(tell)).is_ok();
    (connection, asked.then_some(told))
}

/// Those who did not answer in time. A refusal is as good as no answer.
async fn silent_among(asked: Vec<Asked>, within: Duration, clock: &SharedClock) -> Vec<Arc<Connection>> {
    let end = tokio::time::sleep(within);
    tokio::pin!(end);
    let mut silent = Vec::new();
    for (connection, told) in asked {
        let accepted = match told {
            None => false,
            Some(mut told) => tokio::select! {
                biased;
                answer = &mut told => answer.is_ok_and(|answer| answer.accepted),
                () = &mut end => false,
            },
        };
        if accepted {
            connection.touch(clock.now());
        } else {
            silent.push(connection);
        }
    }
    silent
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connections::{Introduction, Listener};
    use crate::push::outbox::{Answer, Due, Sent};
    use nacrite_base::ConnectionId;
    use nacrite_env::clock::SystemClock;

    struct World {
        connections: Arc<Connections>,
        clock: SharedClock,
        tasks: Tasks,
    }

    fn world() -> World {
        let connections = Arc::new(Connections::default());
        let (clock, tasks): (SharedClock, _) = (Arc::new(SystemClock::start()), Tasks::new());
        let (c, k, t) = (Arc::clone(&connections), Arc::clone(&clock), tasks.clone());
        tasks.spawn(async move {
            run(&ConnectionSettings::default(), &c, &k, &Metrics::new(), &t).await;
        });
        World { connections, clock, tasks }
    }

    fn connect(world: &World, name: &str) -> Arc<Connection> {
        let remote = std::net::SocketAddr::from(([127, 0, 0, 1], 2));
        let id = ConnectionId::new(name);
        let connection = Arc::new(Connection::new(id, remote, 9848, Listener::Clients, world.clock.now()));
        world.connections.register(&connection, Introduction::default());
        connection
    }

    /// Answers every detection of a connection, as a client would.
    async fn answer_detections(connection: Arc<Connection>) {
        loop {
            let due = std::future::poll_fn(|cx| connection.outbox.poll_due(cx)).await;
            let Some(Due::Control(Control::Detect, Some(tell))) = due else {
                return;
            };
            connection.outbox.sent(1, Sent::Control(tell));
            if let Some(Sent::Control(tell)) = connection.outbox.take_sent(1) {
                drop(tell.send(Answer { accepted: true, ..Answer::default() }));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_ejected_and_an_answering_one_stays() {
        let world = world();
        let (silent, answering) = (connect(&world, "silent"), connect(&world, "answering"));
        let answers = tokio::task::LocalSet::new();
        answers.spawn_local(answer_detections(Arc::clone(&answering)));
        answers.run_until(silent.close.cancelled()).await;
        let since = world.clock.now().since(silent.opened_at);
        assert!((Duration::from_secs(25)..Duration::from_secs(29)).contains(&since), "{since:?}");
        assert!(world.connections.get(&silent.id).is_none());
        assert!(world.connections.get(&answering.id).is_some() && !answering.close.is_cancelled());
        assert!(world.tasks.stop(Duration::from_secs(1)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_heard_of_is_not_asked() {
        let world = world();
        let busy = connect(&world, "busy");
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            busy.touch(world.clock.now());
        }
        assert_eq!(busy.outbox.load(), (0, 0));
        assert!(world.tasks.stop(Duration::from_secs(1)).await);
    }
}
