//! `nacrite server`: takes the ports, opens the data, serves, and stops in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use nacrite_app::connections::Listener;
use nacrite_app::{App, Outside};
use nacrite_cluster::raft::OnFatal;
use nacrite_env::clock::SystemClock;
use nacrite_env::dial::Network;
use nacrite_env::random::SeededRandom;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{info, warn};

use crate::settings::{Settings, Sources};
use crate::sockets::Sockets;
use crate::{banner, observe, rules};

/// A group of one agrees with itself in milliseconds; one that does not in this time never will.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Runs a server until it is told to stop.
///
/// # Errors
/// Why it could not start, or why it could not go on.
pub(crate) fn run(sources: &Sources) -> anyhow::Result<()> {
    refuse_huge_pages();
    let (settings, notes) = Settings::load(sources)?;
    let log = observe::start(&settings.log)?;
    for note in notes {
        warn!("{note}");
    }
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the threads of the server cannot be started")?;
    runtime.block_on(serve(&settings, log))
}

async fn serve(settings: &Settings, log: nacrite_app::logging::LogControl) -> anyhow::Result<()> {
    // Asked for first, so that a signal during the start is not lost.
    let mut stop = StopSignals::new()?;
    let sockets = Sockets::bind(settings)?;
    let (tell_fatal, mut fatal) = mpsc::channel(1);
    let outside = Outside {
        clock: Arc::new(SystemClock::start()),
        random: Arc::new(SeededRandom::from_system()),
        dial: Arc::new(Network),
        // Only the first reason counts; a full channel has it already.
        on_fatal: OnFatal::new(move |reason| drop(tell_fatal.try_send(reason))),
        log,
    };
    let app = App::start(&settings.data_dir, settings.app.clone(), outside).await?;
    if !app.ready(READY_WITHIN).await {
        bail!("the journal in {} does not become ready; the log says why", settings.data_dir.display());
    }
    app.tasks.spawn(rules::watch(Arc::clone(&app), settings.data_dir.clone(), settings.app.connection.rule()));
    start_edges(&app, sockets, settings)?;
    print!("{}", banner::text(settings));
    let ended = tokio::select! {
        name = stop.received() => {
            info!(signal = name, "stopping");
            hand_over(&app, &mut stop).await;
            Ok(())
        }
        Some(reason) = fatal.recv() => Err(anyhow!("{reason}")),
    };
    if !app.stop().await {
        warn!("some connections did not end in time and were cut");
    }
    ended
}

/// Hands the clients to the other servers, if there are any. A second signal ends the wait.
async fn hand_over(app: &App, stop: &mut StopSignals) {
    if app.balance.is_alone() {
        return;
    }
    tokio::select! {
        biased;
        name = stop.received() => info!(signal = name, "stopping without waiting for clients"),
        left = app.drain.finish(app.drain.within()) => match left {
            Ok(0) => info!("all clients have gone to other servers"),
            Ok(clients) => info!(clients, "stopping with clients that did not go"),
            Err(fault) => warn!(%fault, "clients are not handed over"),
        },
    }
}

fn start_edges(app: &Arc<App>, sockets: Sockets, settings: &Settings) -> anyhow::Result<()> {
    let table = Arc::new(nacrite_grpc::Table::new(Arc::clone(app)));
    let max = settings.app.connection.max;
    app.tasks.spawn(nacrite_grpc::serve(Arc::clone(&table), sockets.clients, Listener::Clients, max));
    if let Some(nodes) = sockets.nodes {
        app.tasks.spawn(nacrite_grpc::serve(table, nodes, Listener::Nodes, max));
    }
    let table = Arc::new(nacrite_http::Table::new(Arc::clone(app), settings.http.clone()));
    app.tasks.spawn(nacrite_http::serve(table, sockets.http));
    if let Some(udp) = sockets.udp {
        nacrite_udp::start(app, udp).context("the UDP socket has no address")?;
    }
    Ok(())
}

/// The signals that end a program that would go on for ever.
pub(crate) struct StopSignals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// From now on they do not end the program by themselves.
    ///
    /// # Errors
    /// The system does not give them.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be received");
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for one, and returns its name.
    pub(crate) async fn received(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Each connection is a file to the system, and its usual limit of 1,024 is far below what a registry holds.
fn raise_file_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < 8192 => warn!(limit, "few files may be open, so few clients can connect: ulimit -n"),
        Ok(_) => {}
        Err(error) => warn!(%error, "the limit of open files cannot be raised"),
    }
}

/// The allocator asks for huge pages, one for every size of object and thread: 2 MB each, cleared by the system when the
/// first byte is used. That is more than everything else that an idle server needs, and half the time of its start.
fn refuse_huge_pages() {
    // A system that does not know them gives none.
    rustix::thread::disable_transparent_huge_pages(true).ok();
}
