//! What was acknowledged survives `kill -9` under load, and nothing else appears.
//!
//! Every writer has one request under way at a time, on configs of its own, so after a crash each config must be what the
//! last acknowledged request made it, or what the one under way would have made it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nacrite_env::Random;
use nacrite_env::random::SeededRandom;
use nacrite_testkit::GrpcClient;
use nacrite_testkit::grpc::framed;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::process::{Process, free_port};

const WRITERS: usize = 32;

/// Configs of each writer.
const CONFIGS: usize = 4;

/// What a config must look like.
#[derive(Clone, Debug, Default)]
struct Expected {
    /// After the last request that was acknowledged.
    acknowledged: Option<String>,
    /// After the one that was under way, if one was.
    under_way: Option<Option<String>>,
}

struct Writer {
    name: usize,
    random: SeededRandom,
    configs: [Expected; CONFIGS],
    count: u64,
}

fn key(writer: usize, config: usize) -> Value {
    json!({"dataId": format!("w{writer}-{config}"), "group": "crash", "tenant": ""})
}

impl Writer {
    /// Publishes and removes until the server is gone.
    async fn write(&mut self, client: &mut GrpcClient, progress: &Progress) {
        loop {
            self.count += 1;
            let config = usize::try_from(self.random.below(CONFIGS as u64)).expect("small");
            let mut body = key(self.name, config);
            let (wire_type, next) = if self.random.below(10) == 0 {
                ("ConfigRemoveRequest", None)
            } else {
                let padding = "x".repeat(usize::try_from(self.random.below(2000)).expect("small"));
                let content = format!("{} {padding}", self.count);
                body["content"] = json!(content);
                ("ConfigPublishRequest", Some(content))
            };
            self.configs[config].under_way = Some(next.clone());
            match client.call(framed(wire_type, body.to_string().into())).await {
                Ok(answer) if answer.body["resultCode"] == 200 => {
                    self.configs[config] = Expected { acknowledged: next, under_way: None };
                    progress.acknowledged();
                }
                Ok(refused) => panic!("a good request was refused: {refused:?}"),
                Err(_) => return,
            }
        }
    }

    /// Compares every config with what it must be.
    async fn check(&mut self, client: &mut GrpcClient) {
        for (config, expected) in self.configs.iter_mut().enumerate() {
            let answer = client.ask("ConfigQueryRequest", &key(self.name, config)).await;
            let found = answer.body["content"].as_str().map(str::to_owned);
            let is_under_way = expected.under_way.as_ref() == Some(&found);
            assert!(
                found == expected.acknowledged || is_under_way,
                "config {config} of writer {}: acknowledged {:?}, under way {:?}, found {found:?}",
                self.name,
                expected.acknowledged,
                expected.under_way,
            );
            *expected = Expected { acknowledged: found, under_way: None };
        }
    }
}

/// Writes of everybody that were acknowledged, and how many are to be.
#[derive(Default)]
struct Progress {
    count: AtomicU64,
    enough: u64,
    reached: Notify,
}

impl Progress {
    fn acknowledged(&self) {
        if self.count.fetch_add(1, Ordering::Relaxed) + 1 == self.enough {
            self.reached.notify_one();
        }
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// How often to crash: `CRASH_ROUNDS`, else 20.
fn rounds() -> u64 {
    std::env::var("CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "rates and times are told, nothing follows from them")]
async fn crash_under_load_loses_nothing_and_invents_nothing() {
    let data = tempfile::tempdir().expect("a directory");
    let port = free_port();
    let random = SeededRandom::from_seed(5);
    let mut writers: Vec<Writer> = (0..WRITERS)
        .map(|name| Writer {
            name,
            random: SeededRandom::from_seed(name as u64),
            configs: Default::default(),
            count: 0,
        })
        .collect();
    let (mut slowest_start, mut slowest_rate, mut total) = (Duration::ZERO, f64::INFINITY, 0);
    for round in 0..rounds() {
        let began = Instant::now();
        let server = Process::start(data.path(), port);
        slowest_start = slowest_start.max(began.elapsed());
        let mut client = GrpcClient::registered(server.clients(), "config").await;
        for writer in &mut writers {
            writer.check(&mut client).await;
        }
        let mut clients = Vec::new();
        for _ in 0..WRITERS {
            clients.push(GrpcClient::registered(server.clients(), "config").await);
        }
        // The moment of the crash: after that many acknowledged writes, wherever the others are then.
        let progress = Arc::new(Progress { enough: 1 + random.below(1000), ..Progress::default() });
        let began = Instant::now();
        let mut writing = JoinSet::new();
        for (mut writer, mut client) in std::mem::take(&mut writers).into_iter().zip(clients) {
            let progress = Arc::clone(&progress);
            writing.spawn(async move {
                writer.write(&mut client, &progress).await;
                writer
            });
        }
        progress.reached.notified().await;
        let rate = progress.count() as f64 / began.elapsed().as_secs_f64();
        server.kill();
        writers = writing.join_all().await;
        let count = progress.count();
        total += count;
        if count > 300 {
            slowest_rate = slowest_rate.min(rate);
        }
        println!("round {round}: killed after {count} acknowledged writes, {rate:.0} per second");
    }
    let server = Process::start(data.path(), port);
    let mut client = GrpcClient::registered(server.clients(), "config").await;
    for writer in &mut writers {
        writer.check(&mut client).await;
    }
    println!(
        "{} crashes, {total} acknowledged writes, none lost, none invented; slowest start {} ms, at least {slowest_rate:.0} \
         writes per second",
        rounds(),
        slowest_start.as_millis(),
    );
}
