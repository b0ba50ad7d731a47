//! What is measured: the same operations in the same number, whoever does them. Every answer is checked, so that nobody
//! is fast by failing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nacrite_client::naming::Instance;
use rustix::time::{ClockId, clock_gettime};

use crate::ours::Ours;
use crate::sdk::{GROUP, IP, Sdk};
use crate::table::median;

/// What a child process does. Each gets a process of its own.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Phase {
    /// Registers and deregisters
    Register,
    /// Publishes and gets
    Config,
    /// Looks instances up in memory
    Lookup,
    /// Hears of changes
    Callback,
    /// Holds many clients that do nothing
    Idle,
}

/// Numbers by name.
pub(crate) type Measured = Vec<(&'static str, f64)>;

/// Services by how many instances they have.
const SERVICES: [(&str, u16); 2] = [("ten", 10), ("thousand", 1000)];

/// Services or configs that many requests under way are about.
const NAMES: usize = 50;

/// Requests under way where many are.
const AT_ONCE: usize = 16;

/// Length of a content, in bytes: a usual config.
const CONTENT_LEN: usize = 1024;

/// Looks into memory that are made in a row: one is too short for a loop that can do anything.
const LOOKUPS: u32 = 100;

/// Clients that do nothing. So many that code which is first run meanwhile, once for all of them, does not count.
const CLIENTS: u32 = 250;

/// Of which so many connect at once.
const CONNECTING: u32 = 10;

/// How long clients are left alone before their memory is looked at: what making a connection takes is given back.
const SETTLE: Duration = Duration::from_secs(1);

/// How long a change may take.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// Registers what [`Phase::Lookup`] looks up, until it is dropped.
pub(crate) async fn fixture(at: &str) -> Result<Ours> {
    let owner = Ours::connect(at).await?;
    for (service, count) in SERVICES {
        let instances = (1..=count).map(|port| {
            let builder = Instance::builder(format!("10.2.{}.{}", port / 250, port % 250), port);
            builder.metadata("version", "1.4.2").metadata("zone", "a")
        });
        owner.0.naming().register_all(service, instances).await?;
    }
    Ok(owner)
}

/// Does what a phase is about. `scale`: per cent of the usual number of operations.
pub(crate) async fn run<S: Sdk>(phase: Phase, at: &str, scale: usize) -> Result<Measured> {
    let times = |usual: usize| (usual * scale / 100).max(1);
    match phase {
        Phase::Register => register::<S>(at, times).await,
        Phase::Config => config::<S>(at, times).await,
        Phase::Lookup => lookup::<S>(at, times).await,
        Phase::Callback => callback::<S>(at, times(10)).await,
        Phase::Idle => idle::<S>(at).await,
    }
}

/// What one operation takes, in ns.
struct Cost {
    cpu: f64,
    time: f64,
}

/// Does something often. The work is on the runtime's own threads, as in a server.
async fn each<S: Sdk, W, F>(sdk: &S, count: usize, at_once: usize, work: W) -> Result<Cost>
where
    W: Fn(S, usize) -> F + Copy + Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (cpu, began) = (cpu_ns(), Instant::now());
    let lane = |lane: usize| {
        let sdk = sdk.clone();
        tokio::spawn(async move {
            for number in (lane..count).step_by(at_once) {
                work(sdk.clone(), number).await?;
            }
            Ok::<_, anyhow::Error>(())
        })
    };
    for task in (0..at_once).map(lane).collect::<Vec<_>>() {
        task.await??;
    }
    let one = |all: u128| all as f64 / count as f64;
    Ok(Cost { cpu: one((cpu_ns() - cpu).into()), time: one(began.elapsed().as_nanos()) })
}

/// Does two things in turn, each so often in a row, and returns the medians of their costs. The first turn is to warm
/// up.
async fn turns<S: Sdk, V, W, F, G>(
    sdk: &S,
    (turns, count, at_once): (usize, usize, usize),
    there: V,
    back: W,
) -> Result<(Cost, Cost)>
where
    V: Fn(S, usize) -> F + Copy + Send + 'static,
    W: Fn(S, usize) -> G + Copy + Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
    G: Future<Output = Result<()>> + Send + 'static,
{
    let mut costs = [const { Vec::new() }; 4];
    for turn in 0..=turns {
        let (there, back) = (each(sdk, count, at_once, there).await?, each(sdk, count, at_once, back).await?);
        if turn > 0 {
            costs.iter_mut().zip([there.cpu, there.time, back.cpu, back.time]).for_each(|(all, cost)| all.push(cost));
        }
    }
    let [cpu, time, back_cpu, back_time] = costs.each_mut().map(|costs| median(costs));
    Ok((Cost { cpu, time }, Cost { cpu: back_cpu, time: back_time }))
}

async fn register<S: Sdk>(at: &str, times: impl Fn(usize) -> usize) -> Result<Measured> {
    let sdk = S::connect(at).await?;
    let register = |sdk: S, n: usize| async move { sdk.register(&format!("bench-{n}")).await };
    let deregister = |sdk: S, n: usize| async move { sdk.deregister(&format!("bench-{n}")).await };
    let held = |sdk: S, n: usize| async move { sdk.register(&format!("held-{n}")).await };
    let one = turns(&sdk, (times(5), 15, 1), register, deregister).await?;
    let many = turns(&sdk, (times(10), NAMES, AT_ONCE), register, deregister).await?;
    each(&sdk, times(1000), AT_ONCE, held).await?;
    let with_held = turns(&sdk, (times(3), 15, 1), register, deregister).await?;
    Ok(vec![
        ("register", one.0.cpu),
        ("register_time", one.0.time),
        ("deregister", one.1.cpu),
        ("register_many", many.0.cpu),
        ("deregister_many", many.1.cpu),
        ("register_held", with_held.0.cpu),
    ])
}

async fn config<S: Sdk>(at: &str, times: impl Fn(usize) -> usize) -> Result<Measured> {
    let sdk = S::connect(at).await?;
    let publish = |sdk: S, n: usize| async move {
        // No two contents are the same.
        let content = format!("{:020} {}", cpu_ns(), "x".repeat(CONTENT_LEN - 21));
        sdk.publish(&format!("bench-{n}"), &content).await
    };
    let get = |sdk: S, n: usize| async move {
        let len = sdk.get(&format!("bench-{n}")).await?;
        ensure!(len == CONTENT_LEN, "a content of {len} bytes");
        Ok(())
    };
    let one = turns(&sdk, (times(5), 15, 1), publish, get).await?;
    let many = turns(&sdk, (times(15), NAMES, AT_ONCE), publish, get).await?;
    Ok(vec![("publish", one.0.cpu), ("get", one.1.cpu), ("publish_many", many.0.cpu), ("get_many", many.1.cpu)])
}

async fn lookup<S: Sdk>(at: &str, times: impl Fn(usize) -> usize) -> Result<Measured> {
    let sdk = S::connect(at).await?;
    for (service, count) in SERVICES {
        // The official client subscribes at the first call; the second one finds what was told.
        let found = (sdk.instances(service).await?, sdk.instances(service).await?);
        ensure!(found == (count.into(), count.into()), "{service} has {found:?} instances");
    }
    let query = |service: &'static str| {
        move |sdk: S, _| async move {
            for _ in 0..LOOKUPS {
                ensure!(sdk.instances(service).await? > 0, "nobody is there");
            }
            Ok(())
        }
    };
    let select = |service: &'static str| {
        move |sdk: S, _| async move {
            for _ in 0..LOOKUPS {
                ensure!(sdk.select_one(service).await? > 0, "an instance without a port");
            }
            Ok(())
        }
    };
    each(&sdk, 1, 1, select("thousand")).await?;
    let one = |cost: Cost| cost.cpu / f64::from(LOOKUPS);
    Ok(vec![
        ("query_10", one(each(&sdk, times(400), 1, query("ten")).await?)),
        ("query_1000", one(each(&sdk, times(60), 1, query("thousand")).await?)),
        ("select_10", one(each(&sdk, times(400), 1, select("ten")).await?)),
        ("select_1000", one(each(&sdk, times(60), 1, select("thousand")).await?)),
    ])
}

/// Changes come from neither SDK: a bare HTTP request makes them. Time runs from before it is sent.
async fn callback<S: Sdk>(at: &str, changes: usize) -> Result<Measured> {
    let sdk = S::connect(at).await?;
    let (tell, told) = sync_channel(1024);
    let (service, data_id) = ("bench-change", "bench-change");
    let naming = |n| format!("ns/instance?serviceName={service}&ip={IP}&port=80&weight={n}");
    let config = |n| format!("cs/configs?dataId={data_id}&group={GROUP}&content={n}%20{:x<CONTENT_LEN$}", "");
    post(at, &naming(1))?;
    post(at, &config(1))?;
    let followed = sdk.follow(service, tell.clone()).await?;
    let service = times_told(at, changes, naming, &told)?;
    drop(followed);
    let listened = sdk.listen(data_id, tell).await?;
    let config = times_told(at, changes, config, &told)?;
    drop(listened);
    Ok(vec![("callback_service", service), ("callback_config", config)])
}

/// The median time from a change to its callback, in ns. It does not begin to count before a change was told: the
/// official client says that it listens a moment before it does, and does not hear of what happens in between.
fn times_told(at: &str, changes: usize, change: impl Fn(u32) -> String, told: &Receiver<u32>) -> Result<f64> {
    let mut took = Vec::new();
    for number in 100..1000 {
        let began = Instant::now();
        post(at, &change(number))?;
        let within = if took.is_empty() { TOLD_WITHIN / 20 } else { TOLD_WITHIN };
        let is_told = loop {
            match told.recv_timeout(within) {
                Ok(seen) if seen == number => break true,
                Ok(_) => {}
                Err(_) => break false,
            }
        };
        ensure!(is_told || took.is_empty(), "change {number} was not told");
        if is_told {
            took.push(began.elapsed().as_nanos() as f64);
        }
        if took.len() > changes {
            return Ok(median(&mut took[1..]));
        }
    }
    bail!("no change was told")
}

fn post(at: &str, what: &str) -> Result<()> {
    let mut socket = TcpStream::connect(at)?;
    let head =
        format!("POST /nacos/v1/{what} HTTP/1.1\r\nhost: {at}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    socket.write_all(head.as_bytes())?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

async fn idle<S: Sdk>(at: &str) -> Result<Measured> {
    // What a process needs once, whatever the number of its clients, is not counted.
    let _first = S::connect(at).await?;
    let before = rss_kib()?;
    let connect = |_| {
        let at = at.to_owned();
        tokio::spawn(async move { S::connect(&at).await })
    };
    let mut clients = Vec::new();
    for _ in 0..CLIENTS / CONNECTING {
        for connecting in (0..CONNECTING).map(connect).collect::<Vec<_>>() {
            clients.push(connecting.await??);
        }
    }
    tokio::time::sleep(SETTLE).await;
    let kib = (rss_kib()? - before) as f64 / f64::from(CLIENTS);
    drop(clients);
    Ok(vec![("idle_kib", kib)])
}

/// CPU time of all threads of this process so far, in ns.
fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default()).as_nanos() as u64
}

/// Memory of this process that is in RAM, in KiB.
fn rss_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
