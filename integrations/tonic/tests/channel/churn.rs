//! Calls on several threads while everything changes. None may fail that need not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nacrite_tonic::Channel;
use tokio::task::JoinHandle;

use crate::echo::say;
use crate::server::{Server, beside};
use crate::told::{Told, until_ready};

/// Callers that call as fast as they can.
struct Callers {
    is_over: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<Vec<String>>>,
}

impl Callers {
    fn start(channel: &Channel) -> Self {
        let (is_over, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let call = |_| {
            let (channel, is_over, calls) = (channel.clone(), Arc::clone(&is_over), Arc::clone(&calls));
            beside(async move {
                let mut failures = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    if let Err(failed) = say(&channel).await {
                        failures.push(failed.to_string());
                    }
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                failures
            })
        };
        let tasks = (0..8).map(call).collect();
        Self { is_over, calls, tasks }
    }

    /// Waits until so many more calls have ended.
    async fn calls(&self, count: usize) {
        let enough = self.calls.load(Ordering::Relaxed) + count;
        while self.calls.load(Ordering::Relaxed) < enough {
            tokio::task::yield_now().await;
        }
    }

    /// What failed.
    async fn end(self) -> Vec<String> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut failures = Vec::new();
        for task in self.tasks {
            failures.extend(task.await.expect("no panic"));
        }
        failures
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_lists_change() {
    let (a, b, c) = (Server::start("a").await, Server::start("b").await, Server::start("c").await);
    let told = Told::default();
    let channel = told.channel().build().expect("a channel");
    told.list([&a]);
    let callers = Callers::start(&channel);
    for _ in 0..25 {
        for list in [vec![&a, &b], vec![&b], vec![&b, &c, &a], vec![&c, &a], vec![&a]] {
            told.list(list);
            callers.calls(3).await;
        }
    }
    assert_eq!(callers.end().await, Vec::<String>::new());
    let metrics = channel.metrics();
    assert_eq!((metrics.calls_in_flight, metrics.calls_failed, metrics.ejections), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_servers_are_restarted_one_by_one() {
    let mut servers = vec![Server::start("a").await, Server::start("b").await, Server::start("c").await];
    let told = Told::default();
    let channel = told.channel().build().expect("a channel");
    told.list(&servers);
    channel.connect();
    until_ready(&channel, 3).await;
    let callers = Callers::start(&channel);
    for server in &mut servers {
        callers.calls(100).await;
        let (at, name) = (server.at, server.script.name.clone());
        server.say_goodbye();
        server.until_open(0).await;
        *server = Server::start_at(&name, at, None).await;
        until_ready(&channel, 3).await;
    }
    assert_eq!(callers.end().await, Vec::<String>::new());
}
