//! Three servers, many clients, one server restarts: does `smartReload` even them out again, how soon, and does any call
//! fail meanwhile? Clients behave as SDKs do: told to go elsewhere they connect there first, and leave then; a server
//! that is gone or refuses makes them try the next one. Draws the connections of each server over time.

use crate::client::{server_check, Conn, ConnCfg, Push, PushFn};
use crate::http1::{Http1, Req};
use crate::model::*;
use crate::plot;
use crate::scenario::startup::Server;
use crate::stats::*;
use crate::Ctx;
use anyhow::{bail, Context, Result};
use clap::Args;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

#[derive(Args, Clone)]
pub struct Opt {
    /// Shell command that starts one server in the foreground, run as `exec <cmd>`; {port}, {data} and {members} are replaced
    #[arg(long)]
    pub cmd: String,
    /// Directory for the servers' data, one folder each
    #[arg(long)]
    pub data: String,
    #[arg(long, default_value_t = 3)]
    pub servers: usize,
    #[arg(long, default_value_t = 3000)]
    pub conns: usize,
    /// The server is killed in place of being asked to stop
    #[arg(long)]
    pub kill: bool,
    /// How far from the mean a server may be in the end, in hundredths
    #[arg(long, default_value_t = 5)]
    pub within_percent: i64,
    /// How long evening out may take, s
    #[arg(long, default_value_t = 60)]
    pub even_s: u64,
    /// Write the plot here
    #[arg(long)]
    pub svg: Option<String>,
}

const PHASES: [&str; 3] = ["steady", "restart", "smart_reload"];

struct World {
    servers: Vec<SocketAddr>,
    /// Connections by server, as the clients know it.
    counts: Vec<AtomicI64>,
    phase: AtomicUsize,
    calls: [AtomicU64; 3],
    failed: [ErrLog; 3],
    refused: AtomicU64,
    moved: AtomicU64,
    /// Lists, on the server where the client is, went to, or is about to leave, without its instance.
    missing: AtomicU64,
    stop: AtomicBool,
    namespace: String,
    tag: String,
    timeout: Duration,
}

/// One connection of a client, and where it is.
struct Live {
    conn: Conn,
    at: usize,
    resets: mpsc::UnboundedReceiver<Option<u16>>,
}

impl World {
    /// Connects and registers, as a client does on every new connection.
    async fn open(&self, i: usize, at: usize, gen: u32) -> Result<Live> {
        let (tell, resets) = mpsc::unbounded_channel();
        let push: PushFn = Arc::new(move |_, p| {
            if let Push::Reset { port } = p {
                let _ = tell.send(port);
            }
        });
        let cfg = ConnCfg {
            grpc: self.servers[at],
            tenant: self.namespace.clone(),
            module: "naming",
            timeout: self.timeout,
        };
        let conn = Conn::open(&cfg, Some(push)).await?;
        conn.call_ok(instance_req(&self.namespace, &self.service(i), &Inst::new(i, 8080), true, gen)).await?;
        self.counts[at].fetch_add(1, SeqCst);
        Ok(Live { conn, at, resets })
    }

    fn service(&self, i: usize) -> String {
        format!("rb-{}-rebalance-{}", self.tag, i / 10)
    }

    /// Asks the server of a connection for the service of client `i`, which has its instance there.
    async fn look(&self, conn: &Conn, i: usize) -> Result<()> {
        let r = conn.call_ok(query_req(&self.namespace, &self.service(i))).await?;
        let q: ServiceReply = serde_json::from_slice(&r.body)?;
        let own = Inst::new(i, 8080).digest();
        let hosts = q.service_info.and_then(|info| info.hosts).unwrap_or_default();
        if !hosts.iter().any(|h| host_digest(&h.ip, h.port) == own) {
            self.missing.fetch_add(1, Relaxed);
        }
        Ok(())
    }

    fn leave(&self, live: Live) {
        self.counts[live.at].fetch_sub(1, SeqCst);
        live.conn.kill();
    }

    fn sample(&self) -> Vec<i64> {
        self.counts.iter().map(|c| c.load(SeqCst)).collect()
    }
}

/// A client, until it is stopped.
async fn client(w: Arc<World>, i: usize) {
    let n = w.servers.len();
    let (mut next, mut gen) = (i % n, 1);
    let mut live: Option<Live> = None;
    let mut call_at = Instant::now() + Duration::from_millis(fastrand::u64(0..2000));
    while !w.stop.load(Relaxed) {
        let Some(l) = &mut live else {
            match w.open(i, next, gen).await {
                Ok(l) => live = Some(l),
                Err(_) => {
                    w.refused.fetch_add(1, Relaxed);
                    next = (next + 1) % n;
                    tokio::time::sleep(Duration::from_millis(fastrand::u64(50..250))).await;
                }
            }
            continue;
        };
        // `None` comes from a connection that ended, which is seen below
        if let Ok(Some(port)) = tokio::time::timeout(Duration::from_millis(200), l.resets.recv()).await {
            // no redirect, or one to a server that is not on the list: any other
            let known = port.and_then(|p| w.servers.iter().position(|s| s.port() == p + 1000));
            let to = known.unwrap_or_else(|| (l.at + 1 + fastrand::usize(..n - 1)) % n);
            gen += 1;
            match w.open(i, to, gen).await {
                Ok(new) => {
                    w.moved.fetch_add(1, Relaxed);
                    if let Some(old) = live.replace(new) {
                        // what is under way on the old connection may end
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        // a server that is going away need not answer any more
                        let _ = w.look(&old.conn, i).await;
                        if let Some(new) = &live {
                            let _ = w.look(&new.conn, i).await;
                        }
                        w.leave(old);
                    }
                }
                Err(_) => {
                    w.refused.fetch_add(1, Relaxed);
                }
            }
            continue;
        }
        if call_at <= Instant::now() {
            let phase = w.phase.load(SeqCst);
            w.calls[phase].fetch_add(1, Relaxed);
            if let Err(e) = w.look(&l.conn, i).await {
                w.failed[phase].add(format!("{e:#}"));
            }
            call_at = Instant::now() + Duration::from_millis(fastrand::u64(1500..2500));
        }
        if l.conn.is_closed() {
            if let Some(old) = live.take() {
                next = (old.at + 1 + fastrand::usize(..n - 1)) % n;
                gen += 1;
                w.leave(old);
            }
        }
    }
}

fn command(o: &Opt, ports: &[u16], i: usize) -> String {
    let members: Vec<String> = ports.iter().map(|p| format!("127.0.0.1:{p}")).collect();
    let data = format!("{}/n{i}", o.data);
    o.cmd.replace("{port}", &ports[i].to_string()).replace("{data}", &data).replace("{members}", &members.join(","))
}

async fn until_up(at: SocketAddr) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        if server_check(at, Duration::from_secs(2)).await.is_ok_and(|r| r.ty == "ServerCheckResponse") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("no server at {at} after 60 s")
}

fn is_even(counts: &[i64], total: i64, percent: i64) -> bool {
    let mean = total / counts.len() as i64;
    counts.iter().sum::<i64>() == total && counts.iter().all(|c| (c - mean).abs() * 100 <= mean * percent)
}

pub async fn run(ctx: &Ctx, o: &Opt) -> Result<()> {
    if o.servers < 2 {
        bail!("one server has nobody to share with");
    }
    let ports: Vec<u16> = (0..o.servers as u16).map(|i| ctx.g.http_port + 10 * i).collect();
    let mut servers = vec![];
    for i in 0..o.servers {
        servers.push(Server::start(&command(o, &ports, i))?);
    }
    let grpc: Vec<SocketAddr> = ports.iter().map(|p| SocketAddr::new(ctx.ip(), p + 1000)).collect();
    for at in &grpc {
        until_up(*at).await?;
    }
    let w = Arc::new(World {
        servers: grpc.clone(),
        counts: (0..o.servers).map(|_| AtomicI64::new(0)).collect(),
        phase: AtomicUsize::new(0),
        calls: Default::default(),
        failed: Default::default(),
        refused: AtomicU64::new(0),
        moved: AtomicU64::new(0),
        missing: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        namespace: ctx.g.namespace.clone(),
        tag: ctx.tag.clone(),
        timeout: ctx.timeout(),
    });
    let began = Instant::now();
    let samples = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sampler = tokio::spawn({
        let (w, samples) = (w.clone(), samples.clone());
        async move {
            loop {
                samples.lock().unwrap().push((began.elapsed().as_secs_f64(), w.sample()));
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
    });
    let mut clients = tokio::task::JoinSet::new();
    for i in 0..o.conns {
        clients.spawn(client(w.clone(), i));
        if i % 50 == 49 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let total = o.conns as i64;
    let mut marks = vec![];
    let mark = |marks: &mut Vec<(f64, &'static str)>, text| marks.push((began.elapsed().as_secs_f64(), text));
    until(&w, total, Duration::from_secs(60)).await.context("the clients do not connect")?;
    tokio::time::sleep(Duration::from_secs(5)).await;

    // one server goes, and comes back
    let last = o.servers - 1;
    w.phase.store(1, SeqCst);
    mark(&mut marks, "the last server stops");
    let gone = Instant::now();
    let moved_before = w.moved.load(SeqCst);
    if o.kill {
        servers[last].kill9().await;
    } else {
        servers[last].stop_within(Duration::from_secs(60)).await;
    }
    let stopped_s = gone.elapsed().as_secs_f64();
    let handed_over = w.moved.load(SeqCst) - moved_before;
    servers[last] = Server::start(&command(o, &ports, last))?;
    until_up(grpc[last]).await?;
    mark(&mut marks, "is back");
    until(&w, total, Duration::from_secs(60)).await.context("the clients do not come back")?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = w.sample();

    // evened out
    w.phase.store(2, SeqCst);
    mark(&mut marks, "smartReload");
    let at = Instant::now();
    let m = Meter::start(Some(servers[0].pid));
    let path = format!("{}/v3/admin/core/loader/smartReloadCluster", ctx.g.context_path);
    Http1::new(SocketAddr::new(ctx.ip(), ports[0]), ctx.timeout())
        .ok(&Req::form(http::Method::POST, path, &[("loaderFactor", "0.1")]))
        .await?;
    let mut even_s = None;
    while at.elapsed() < Duration::from_secs(o.even_s) && even_s.is_none() {
        if is_even(&w.sample(), total, o.within_percent) {
            even_s = Some(at.elapsed().as_secs_f64());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // it has to stay so
    tokio::time::sleep(Duration::from_secs(10)).await;
    let after = w.sample();
    let usage = m.stop();
    w.stop.store(true, SeqCst);
    while clients.join_next().await.is_some() {}
    sampler.abort();
    for s in &mut servers {
        s.kill9().await;
    }

    let samples = samples.lock().unwrap().clone();
    if let Some(path) = &o.svg {
        let title = format!("{} clients on {} servers", o.conns, o.servers);
        std::fs::write(path, plot::lines(&title, &samples, &marks))?;
        ctx.note(format!("wrote {path}"));
    }
    let errors = ErrLog::default();
    errors.merge(&w.failed[2]);
    let mut row = Row::new("rebalance", usage)
        .paced()
        .count(o.conns)
        .errs(errors)
        .x("before", format!("{before:?}"))
        .x("after", format!("{after:?}"))
        .x("even_s", even_s.map_or(serde_json::Value::Null, |s| ((s * 10.0).round() / 10.0).into()))
        .x("stop_s", (stopped_s * 10.0).round() / 10.0)
        .x("handed_over", handed_over)
        .x("moved", w.moved.load(SeqCst))
        .x("lists_without_own_instance", w.missing.load(SeqCst))
        .x("connects_refused", w.refused.load(SeqCst));
    for (i, phase) in PHASES.iter().enumerate() {
        row = row
            .x(&format!("{phase}_calls"), w.calls[i].load(SeqCst))
            .x(&format!("{phase}_failed"), w.failed[i].total());
    }
    ctx.sink.emit(row);
    if even_s.is_none() || !is_even(&after, total, o.within_percent) {
        bail!("not even within {} %: {before:?} became {after:?}", o.within_percent);
    }
    Ok(())
}

/// Until every client is connected somewhere.
async fn until(w: &World, total: i64, max: Duration) -> Result<()> {
    let began = Instant::now();
    while w.sample().iter().sum::<i64>() < total {
        if began.elapsed() > max {
            bail!("{:?} of {total} are connected", w.sample());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_is_near_the_mean_and_complete() {
        assert!(is_even(&[100, 95, 105], 300, 5));
        assert!(!is_even(&[100, 94, 106], 300, 5));
        assert!(!is_even(&[100, 95, 104], 300, 5), "somebody is missing");
    }
}
