//! Subscribers that stop reading: what they cost the server, and what they cost the others.
//!
//! The sockets of the slow ones are not read any more. They close nothing and go on asking, so that silence does not
//! give them away. The others are measured before and meanwhile, one change at a time.

use crate::client::{Conn, Push, PushFn};
use crate::model::*;
use crate::scenario::connections::mb;
use crate::stats::*;
use crate::Ctx;
use anyhow::{bail, Result};
use clap::Args;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

#[derive(Args, Clone)]
pub struct Opt {
    /// Subscribers that stop reading
    #[arg(long, default_value_t = 500)]
    pub slow: usize,
    /// Subscribers that go on
    #[arg(long, default_value_t = 100)]
    pub others: usize,
    /// Instances that stay in the service throughout
    #[arg(long, default_value_t = 200)]
    pub base: usize,
    /// Changes each second
    #[arg(long, default_value_t = 4)]
    pub rate: u64,
    /// Measured before anybody stops, s
    #[arg(long, default_value_t = 20)]
    pub before_s: u64,
    /// Measured after, s
    #[arg(long, default_value_t = 600)]
    pub during_s: u64,
}

struct Change {
    id: u64,
    host: u64,
    present: bool,
    at: Instant,
}

struct Shared {
    change: RwLock<Option<Change>>,
    seen: Vec<AtomicU64>,
    left: AtomicUsize,
    done: Notify,
    lat: Mutex<Vec<u32>>,
}

fn handler(sh: Arc<Shared>, i: usize) -> PushFn {
    Arc::new(move |at, p| {
        let Push::Naming { info, .. } = p else { return };
        let ch = sh.change.read().unwrap();
        let Some(ch) = ch.as_ref() else { return };
        let has = info.hosts.iter().flatten().any(|h| host_digest(&h.ip, h.port) == ch.host);
        if has == ch.present && sh.seen[i].swap(ch.id, SeqCst) != ch.id {
            sh.lat.lock().unwrap().push(us(at.saturating_duration_since(ch.at)));
            if sh.left.fetch_sub(1, SeqCst) == 1 {
                sh.done.notify_one();
            }
        }
    })
}

/// Changes at the rate for `secs`; every subscriber that reads must see each. Returns (latencies, errors, peak memory).
async fn changes(ctx: &Ctx, o: &Opt, sh: &Shared, by: &Conn, service: &str, secs: u64, id: &mut u64) -> Result<(Vec<u32>, ErrLog, u64)> {
    let (errors, t0) = (ErrLog::default(), Instant::now());
    let step = Duration::from_secs_f64(1.0 / o.rate.max(1) as f64);
    let inst = Inst::new(60000, 9);
    let (mut k, mut peak) = (0u32, 0);
    while t0.elapsed() < Duration::from_secs(secs) {
        *id += 1;
        let present = *id % 2 == 1;
        sh.left.store(o.others, SeqCst);
        let req = instance_req(&ctx.g.namespace, service, &inst, present, 1);
        *sh.change.write().unwrap() = Some(Change { id: *id, host: inst.digest(), present, at: Instant::now() });
        by.call_ok(req).await?;
        let give_up = tokio::time::Instant::now() + Duration::from_secs(5);
        while sh.left.load(SeqCst) > 0 && tokio::time::Instant::now() < give_up {
            let _ = tokio::time::timeout_at(give_up, sh.done.notified()).await;
        }
        (0..sh.left.load(SeqCst)).for_each(|_| errors.add("subscriber that reads was not told in time"));
        if let Some(m) = ctx.g.server_pid.and_then(proc_mem) {
            peak = peak.max(m.rss);
        }
        k += 1;
        tokio::time::sleep_until((t0 + step * k).into()).await;
    }
    Ok((std::mem::take(&mut *sh.lat.lock().unwrap()), errors, peak))
}

pub async fn run(ctx: &Ctx, o: &Opt) -> Result<()> {
    let pid = ctx.g.server_pid;
    let (ns, service) = (&ctx.g.namespace, format!("rb-{}-slow", ctx.tag));
    let sh = Arc::new(Shared {
        change: RwLock::new(None),
        seen: (0..o.others).map(|_| AtomicU64::new(0)).collect(),
        left: AtomicUsize::new(0),
        done: Notify::new(),
        lat: Mutex::new(vec![]),
    });
    let mut base = ctx.connect_all(&ctx.naming_cfg(), o.base + 1, |_| None).await?;
    let by = base.pop().expect("one more than the others");
    for (i, c) in base.iter().enumerate() {
        c.call_ok(instance_req(ns, &service, &Inst::new(i, 8080), true, 1)).await?;
    }
    let others = ctx.connect_all(&ctx.naming_cfg(), o.others, |i| Some(handler(sh.clone(), i))).await?;
    let slow = ctx.connect_all(&ctx.naming_cfg(), o.slow, |_| None).await?;
    for c in others.iter().chain(&slow) {
        c.call_ok(subscribe_req(ns, &service, true)).await?;
    }
    let everybody: Arc<Vec<Conn>> = Arc::new(base.iter().chain(&others).cloned().collect());
    let health = tokio::spawn(keep_alive(everybody));
    let mut id = 0;
    let m = Meter::start(pid);
    let (lat, errors, _) = changes(ctx, o, &sh, &by, &service, o.before_s, &mut id).await?;
    let p99_before = p99(&lat);
    let before = pid.and_then(proc_mem);
    ctx.sink.emit(Row::new("slow.before", m.stop()).paced().lat(lat).errs(errors).x("others", o.others));

    slow.iter().for_each(Conn::freeze);
    let asking = tokio::spawn(ask_on(slow.clone()));
    let m = Meter::start(pid);
    let (lat, errors, peak) = changes(ctx, o, &sh, &by, &service, o.during_s, &mut id).await?;
    let p99_during = p99(&lat);
    let mut row = Row::new("slow.during", m.stop()).paced().lat(lat).errs(errors).x("slow", o.slow);
    if let (Some(b), Some(d)) = (p99_before, p99_during) {
        row = row.x("p99_to_before", (f64::from(d) / f64::from(b.max(1)) * 100.0).round() / 100.0);
    }
    if let (Some(b), Some(a)) = (before, pid.and_then(proc_mem)) {
        row = row
            .x("rss_before_mb", mb(b.rss))
            .x("rss_peak_mb", mb(peak))
            .x("rss_after_mb", mb(a.rss))
            .x("rss_peak_growth_mb", mb(peak.saturating_sub(b.rss)))
            // Each ejected connection is one descriptor less.
            .x("ejected", b.fds as i64 - a.fds as i64);
    }
    ctx.sink.emit(row);
    health.abort();
    asking.abort();
    if others.iter().any(Conn::is_closed) {
        bail!("a subscriber that reads lost its connection");
    }
    Ok(())
}

fn p99(lat: &[u32]) -> Option<u32> {
    let mut sorted = lat.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len().saturating_sub(1) * 99 / 100).copied()
}

/// Health checks every 5 s, as SDKs send them.
async fn keep_alive(conns: Arc<Vec<Conn>>) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        for c in conns.iter() {
            let _ = c.call(simple_req("HealthCheckRequest")).await;
        }
    }
}

/// Health checks every 5 s whose answers nobody reads.
async fn ask_on(conns: Vec<Conn>) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        for c in &conns {
            let c = c.clone();
            tokio::spawn(async move { c.call(simple_req("HealthCheckRequest")).await.map(drop) });
        }
    }
}
