//! Measures the journal alone: commands per second, latency, CPU and fsyncs for a number of proposers that each wait for
//! their answer.
//!
//! ```text
//! cargo run --release -p nacrite-cluster --example journal_load -- <dir> [proposers] [seconds] [bytes] [puts]
//! ```
//! `dir` is made, used and left; `puts` is how many rows each command writes to the state.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nacrite_base::BoxError;
use nacrite_cluster::raft::{Journal, Machine, OnFatal, ProposeError, RaftSettings};
use nacrite_env::clock::SystemClock;
use nacrite_env::random::SeededRandom;
use nacrite_store::{Batch, StateReader, Table};

/// Writes every command to some rows.
struct Rows {
    puts: usize,
    count: u64,
}

impl Machine for Rows {
    fn load(&mut self, _state: &StateReader) -> Result<(), BoxError> {
        Ok(())
    }

    fn apply(&mut self, _index: u64, command: &Bytes, batch: &mut Batch) -> Result<Bytes, BoxError> {
        self.count += 1;
        for table in Table::ALL.into_iter().take(self.puts) {
            // Spread over 100,000 keys, as configs are.
            let key = (self.count.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 100_000).to_be_bytes();
            batch.put(table, &key, command);
        }
        Ok(Bytes::from_static(b"done"))
    }

    fn publish(&mut self) {}
}

#[derive(Debug)]
struct Plan {
    dir: PathBuf,
    proposers: usize,
    seconds: u64,
    len: usize,
    puts: usize,
}

fn plan() -> Result<Plan, Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let dir = words.next().ok_or("journal_load <dir> [proposers] [seconds] [bytes] [puts]")?.into();
    let mut number = |default: u64| words.next().map_or(Ok(default), |word| word.parse());
    Ok(Plan {
        dir,
        proposers: number(64)? as usize,
        seconds: number(5)?,
        len: number(300)? as usize,
        puts: number(1)? as usize,
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let plan = plan()?;
    let clock = Stopwatch::start();
    let journal = open(&plan).await?;
    let opened_ms = clock.ms();
    if !journal.wait_ready(Duration::from_secs(10)).await {
        return Err("the journal does not lead".into());
    }
    let ready_ms = clock.ms();
    journal.propose(Bytes::from_static(b"first")).await?;
    say(&format!("opened {opened_ms:.1} ms, ready {ready_ms:.1} ms, first write {:.1} ms", clock.ms()));

    load(&plan, &journal).await?;
    idle().await?;
    journal.propose(Bytes::from_static(b"after a rest")).await?;
    let clock = Stopwatch::start();
    journal.shutdown().await;
    say(&format!("shutdown {:.1} ms", clock.ms()));

    let clock = Stopwatch::start();
    let journal = open(&plan).await?;
    let opened_ms = clock.ms();
    journal.wait_ready(Duration::from_secs(10)).await;
    journal.propose(Bytes::from_static(b"again")).await?;
    say(&format!("reopened {opened_ms:.1} ms, first write {:.1} ms", clock.ms()));
    journal.shutdown().await;
    Ok(())
}

/// All proposers, each with one command at a time.
async fn load(plan: &Plan, journal: &Journal) -> Result<(), Box<dyn Error>> {
    let (before, cpu_before, clock) = (journal.metrics(), cpu()?, Stopwatch::start());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..plan.proposers {
        tasks.spawn(propose(journal.clone(), Bytes::from(vec![7; plan.len]), 1000.0 * plan.seconds as f64));
    }
    let mut latencies = Vec::new();
    while let Some(done) = tasks.join_next().await {
        latencies.extend(done??);
    }
    let (elapsed_s, cpu_s, after) = (clock.ms() / 1000.0, cpu()? - cpu_before, journal.metrics());
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    let (count, syncs) = (latencies.len() as f64, (after.log_syncs - before.log_syncs) as f64);
    let per_second = count / elapsed_s;
    say(&format!(
        "{per_second:.0} commands/s, p50 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms",
        at(0.5),
        at(0.99),
        at(0.999)
    ));
    let (cpu_us, per_sync) = (cpu_s * 1e6 / count, count / syncs);
    say(&format!(
        "{cpu_us:.1} us CPU per command, {per_sync:.1} commands per fsync, {:.0} fsyncs/s",
        syncs / elapsed_s
    ));
    say(&format!("log {} MiB, {after:?}", after.log_bytes >> 20));
    Ok(())
}

/// The latencies of one proposer, in milliseconds.
async fn propose(journal: Journal, command: Bytes, ends_ms: f64) -> Result<Vec<f64>, ProposeError> {
    let clock = Stopwatch::start();
    let mut latencies = Vec::new();
    let mut at = 0.0;
    while at < ends_ms || latencies.is_empty() {
        journal.propose(command.clone()).await?;
        let now = clock.ms();
        latencies.push(now - at);
        at = now;
    }
    Ok(latencies)
}

/// What a journal costs that nobody uses, after the checkpoint that follows the last write.
async fn idle() -> Result<(), Box<dyn Error>> {
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = cpu()?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    say(&format!("idle: {:.3} % of a core", (cpu()? - before) / 5.0 * 100.0));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "what it is for")]
fn say(line: &str) {
    println!("{line}");
}

async fn open(plan: &Plan) -> Result<Journal, Box<dyn Error>> {
    let machine = Rows { puts: plan.puts, count: 0 };
    let (clock, random) = (Arc::new(SystemClock::start()), Arc::new(SeededRandom::from_system()));
    let on_fatal = OnFatal::new(|_| std::process::abort());
    Ok(Journal::open(&plan.dir, RaftSettings::default(), machine, clock, random, on_fatal).await?)
}

/// Milliseconds, finer than the server's own clock.
struct Stopwatch(std::time::Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a measurement, not a rule")]
    fn start() -> Self {
        Self(std::time::Instant::now())
    }

    fn ms(&self) -> f64 {
        self.0.elapsed().as_secs_f64() * 1000.0
    }
}

/// Seconds of CPU that this process used, as Linux tells.
fn cpu() -> Result<f64, Box<dyn Error>> {
    let mut nanoseconds = 0_u64;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        nanoseconds += text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(nanoseconds as f64 / 1e9)
}
