//! Many clients that each register and subscribe: what holding them costs, and what happens when all of them lose their
//! connections at once and come straight back.
//!
//! Client `i` has one instance in service `i % services` and subscribes to the next one, so every service has
//! `conns / services` instances and as many subscribers. Every subscriber checks its own view: it is final when it holds
//! exactly the instances of the newest generation, which the weight tells apart.

use crate::client::{Conn, Push, PushFn};
use crate::model::*;
use crate::scenario::connections::mb;
use crate::stats::*;
use crate::Ctx;
use anyhow::{bail, Result};
use clap::Args;
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Args, Clone)]
pub struct Opt {
    #[arg(long, default_value_t = 10000)]
    pub conns: usize,
    #[arg(long, default_value_t = 200)]
    pub services: usize,
    /// Connections being opened at once, at first
    #[arg(long, default_value_t = 256)]
    pub par: usize,
    /// The steady state is watched for this long, s
    #[arg(long, default_value_t = 30)]
    pub hold_s: u64,
    /// Health check of each connection every so many ms, as SDKs do (0: none)
    #[arg(long, default_value_t = 5000)]
    pub health_ms: u64,
    /// How long all views may take to be whole again, s
    #[arg(long, default_value_t = 60)]
    pub settle_s: u64,
    /// Memory is read again this long after the storm, s
    #[arg(long, default_value_t = 60)]
    pub after_s: u64,
}

/// What one subscriber sees.
#[derive(Default)]
struct View {
    service: String,
    ref_time: i64,
    good: usize,
    bad: usize,
    since: Option<Instant>,
}

struct Board {
    views: Vec<Mutex<View>>,
    want: usize,
    gen: AtomicU64,
    pushes: AtomicU64,
}

impl Board {
    fn take(&self, i: usize, info: &ServiceInfo, at: Instant) {
        let gen = self.gen.load(SeqCst) as f64;
        let mut v = self.views[i].lock().unwrap();
        if info.last_ref_time < v.ref_time {
            return;
        }
        v.ref_time = info.last_ref_time;
        let hosts = info.hosts.as_deref().unwrap_or(&[]);
        let good = hosts.iter().filter(|h| h.healthy && h.weight == gen).count();
        let bad = hosts.len() - good;
        if (good, bad) != (v.good, v.bad) {
            (v.good, v.bad, v.since) = (good, bad, Some(at));
        }
    }
    fn is_final(&self, v: &View) -> bool {
        v.good == self.want && v.bad == 0
    }
    fn wrong(&self) -> usize {
        self.views.iter().filter(|v| !self.is_final(&v.lock().unwrap())).count()
    }
    fn handler(self: &Arc<Self>, i: usize) -> PushFn {
        let board = self.clone();
        Arc::new(move |at, p| {
            let Push::Naming { service, info, .. } = p else { return };
            board.pushes.fetch_add(1, Relaxed);
            if board.views[i].lock().unwrap().service == service {
                board.take(i, info, at);
            }
        })
    }
    async fn all_final(&self, max: Duration) -> usize {
        let t0 = Instant::now();
        loop {
            let wrong = self.wrong();
            if wrong == 0 || t0.elapsed() > max {
                return wrong;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Registers and subscribes as client `i`.
async fn join(ctx: &Ctx, board: &Board, c: &Conn, i: usize, services: usize, gen: u32) -> Result<()> {
    let ns = &ctx.g.namespace;
    let own = name(ctx, i % services);
    c.call_ok(instance_req(ns, &own, &Inst::new(i, 8080), true, gen)).await?;
    let other = name(ctx, (i + 1) % services);
    let r = c.call_ok(subscribe_req(ns, &other, true)).await?;
    let q: ServiceReply = serde_json::from_slice(&r.body)?;
    if let Some(info) = &q.service_info {
        board.take(i, info, Instant::now());
    }
    Ok(())
}

fn name(ctx: &Ctx, s: usize) -> String {
    format!("rb-{}-load-{s}", ctx.tag)
}

pub async fn run(ctx: &Arc<Ctx>, o: &Opt) -> Result<()> {
    if o.services == 0 || o.conns % o.services != 0 {
        bail!("--conns must be a multiple of --services");
    }
    let pid = ctx.g.server_pid;
    let board = Arc::new(Board {
        views: (0..o.conns)
            .map(|i| Mutex::new(View { service: name(ctx, (i + 1) % o.services), ..View::default() }))
            .collect(),
        want: o.conns / o.services,
        gen: AtomicU64::new(1),
        pushes: AtomicU64::new(0),
    });
    let empty = pid.and_then(proc_mem);
    let m = Meter::start(pid);
    let (conns, out) = ctx.connect(&ctx.naming_cfg(), o.conns, o.par, |i| Some(board.handler(i))).await;
    if conns.len() != o.conns {
        bail!("only {} of {} connections opened: {}", conns.len(), o.conns, out.errors.json());
    }
    let conns = Arc::new(conns);
    let (c2, b2, x2, services) = (conns.clone(), board.clone(), ctx.clone(), o.services);
    let out = closed_loop(1, o.par, Duration::from_secs(120), counter(o.conns), move |_, i: usize| {
        let (c, b, x) = (c2[i].clone(), b2.clone(), x2.clone());
        async move { join(&x, &b, &c, i, services, 1).await }
    })
    .await;
    ctx.sink.emit(Row::new("load.join", m.stop()).lat(out.lat).errs(out.errors).x("conns", o.conns));
    let wrong = board.all_final(Duration::from_secs(o.settle_s)).await;
    if wrong > 0 {
        bail!("{wrong} subscribers never saw the first generation whole");
    }

    tokio::time::sleep(Duration::from_secs(5)).await;
    let p0 = board.pushes.load(Relaxed);
    let m = Meter::start(pid);
    let errors = hold(&conns, o).await;
    let u = m.stop();
    let share = u.server.map(|s| s / u.secs);
    let steady = pid.and_then(proc_mem);
    let mut row = Row::new("load.steady", u)
        .paced()
        .errs(errors)
        .x("conns", o.conns)
        .x("health_ms", o.health_ms)
        .x("pushes", board.pushes.load(Relaxed) - p0);
    if let Some(s) = share {
        row = row.x("server_cores", (s * 1e4).round() / 1e4);
    }
    if let (Some(a), Some(b)) = (empty, steady) {
        let per = (b.rss as f64 - a.rss as f64) / o.conns as f64;
        row = row.x("rss_empty_mb", mb(a.rss)).x("rss_mb", mb(b.rss)).x("rss_bytes_per_conn", per.round() as i64);
    }
    ctx.sink.emit(row);
    storm(ctx, o, &board, conns, steady).await
}

/// Holds all connections, with health checks spread over the time. Returns what failed.
async fn hold(conns: &Arc<Vec<Conn>>, o: &Opt) -> ErrLog {
    let (t0, errors) = (Instant::now(), ErrLog::default());
    let hold = Duration::from_secs(o.hold_s);
    if o.health_ms == 0 {
        tokio::time::sleep(hold).await;
    } else {
        let req = simple_req("HealthCheckRequest");
        let step = Duration::from_secs_f64(o.health_ms as f64 / 1000.0 / conns.len() as f64);
        let mut k: u32 = 0;
        while t0.elapsed() < hold {
            let (c, req, errors) = (conns[k as usize % conns.len()].clone(), req.clone(), errors.clone());
            tokio::spawn(async move {
                if let Err(e) = c.call_ok(req).await {
                    errors.add(format!("health check: {e:#}"));
                }
            });
            k += 1;
            tokio::time::sleep_until((t0 + step * k).into()).await;
        }
    }
    let lost = conns.iter().filter(|c| c.is_closed()).count();
    (0..lost).for_each(|_| errors.add("connection closed while it was held"));
    errors
}

/// All connections break at once, and every client comes back as soon as it can.
async fn storm(ctx: &Arc<Ctx>, o: &Opt, board: &Arc<Board>, conns: Arc<Vec<Conn>>, steady: Option<Mem>) -> Result<()> {
    let pid = ctx.g.server_pid;
    for v in &board.views {
        let mut v = v.lock().unwrap();
        (v.bad, v.good, v.since) = (v.good, 0, None);
    }
    board.gen.store(2, SeqCst);
    let p0 = board.pushes.load(Relaxed);
    let slots: Arc<Vec<Mutex<Option<Conn>>>> = Arc::new((0..o.conns).map(|_| Mutex::new(None)).collect());
    let m = Meter::start(pid);
    let t0 = Instant::now();
    conns.iter().for_each(Conn::kill);
    drop(conns);
    let (b2, x2, s2, services) = (board.clone(), ctx.clone(), slots.clone(), o.services);
    let retries = Arc::new(AtomicU64::new(0));
    let r2 = retries.clone();
    let out = closed_loop(1, o.conns, Duration::from_secs(120), counter(o.conns), move |_, i: usize| {
        let (b, x, slots, retries) = (b2.clone(), x2.clone(), s2.clone(), r2.clone());
        async move {
            // As an SDK does: 100 ms, 200 ms, … to 5 s, with some chance in it, and no end.
            let mut pause = 100;
            loop {
                let came = async {
                    let c = Conn::open(&x.naming_cfg(), Some(b.handler(i))).await?;
                    join(&x, &b, &c, i, services, 2).await?;
                    anyhow::Ok(c)
                };
                match came.await {
                    Ok(c) => {
                        *slots[i].lock().unwrap() = Some(c);
                        return Ok(());
                    }
                    Err(e) if t0.elapsed() > Duration::from_secs(60) => return Err(e),
                    Err(_) => {
                        retries.fetch_add(1, Relaxed);
                        tokio::time::sleep(Duration::from_millis(pause / 2 + fastrand::u64(..pause))).await;
                        pause = (pause * 2).min(5000);
                    }
                }
            }
        }
    })
    .await;
    let back = t0.elapsed();
    let left = Duration::from_secs(o.settle_s).saturating_sub(back);
    let wrong = board.all_final(left).await;
    let u = m.stop();
    let lat: Vec<u32> = board
        .views
        .iter()
        .filter_map(|v| {
            let v = v.lock().unwrap();
            v.since.filter(|_| board.is_final(&v)).map(|at| us(at.saturating_duration_since(t0)))
        })
        .collect();
    let complete = lat.iter().max().map(|us| f64::from(*us) / 1e6);
    let peak = pid.and_then(proc_mem);
    let errors = out.errors;
    (0..wrong).for_each(|_| errors.add("subscriber without the whole new generation"));
    // From the drop until this subscriber's view was whole.
    let mut row = Row::new("load.storm", u)
        .paced()
        .lat(lat)
        .errs(errors)
        .x("conns", o.conns)
        .x("all_back_s", (back.as_secs_f64() * 1e3).round() / 1e3)
        .x("retries", retries.load(Relaxed))
        .x("views_wrong", wrong)
        .x("pushes", board.pushes.load(Relaxed) - p0);
    if let Some(s) = complete.filter(|_| wrong == 0) {
        row = row.x("complete_s", s);
    }
    let hold_on = Opt { hold_s: o.after_s, ..o.clone() };
    let conns: Arc<Vec<Conn>> = Arc::new(slots.iter().filter_map(|s| s.lock().unwrap().take()).collect());
    if !conns.is_empty() {
        hold(&conns, &hold_on).await;
    }
    if let (Some(a), Some(p), Some(b)) = (steady, peak, pid.and_then(proc_mem)) {
        let ratio = b.rss as f64 / a.rss.max(1) as f64;
        row = row
            .x("rss_before_mb", mb(a.rss))
            .x("rss_peak_mb", mb(p.hwm))
            .x("rss_after_mb", mb(b.rss))
            .x("rss_after_to_before", (ratio * 1e3).round() / 1e3);
    }
    ctx.sink.emit(row);
    Ok(())
}
