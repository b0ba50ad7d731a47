//! Calls of one service through several channels, in turns so short that the machine is the same for all of them: one call
//! after the other, and many at once.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use nacrite_client::Client;
use nacrite_tonic::{Channel, NacosResolver};
use rustix::time::{ClockId, clock_gettime};
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::StdError;
use tonic::transport::Endpoint;

use crate::Measured;
use crate::proto::QuoteRequest;
use crate::proto::prices_client::PricesClient;

/// The name under which the service stands in the registry.
pub(crate) const SERVICE: &str = "bench-prices";

/// Calls in one turn: some ten milliseconds.
const TURN: usize = 200;

/// Calls under way at one time where there are many.
const AT_ONCE: usize = 64;

/// Calls through each channel before anything is counted.
const WARM_UP: usize = 2_000;

/// A retry policy, which makes the channel keep what it sends until the answer begins; nothing fails here.
const RETRIES: &str = r#"{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.01s",
    "maxBackoff": "0.1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]}"#;

/// The channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// tonic's own, to the address.
    Tonic,
    /// Ours, to the address.
    Static,
    /// Ours, to the name in the registry.
    Nacos,
    /// The same with a retry policy.
    Retries,
}

/// What is measured.
pub(crate) struct Settings<'a> {
    /// Process that is called.
    pub echo: u32,
    /// Its port.
    pub port: u16,
    /// `host:port`.
    pub registry: &'a str,
    /// Calls through each channel.
    pub calls: usize,
    /// Which; all if none is named.
    pub channels: &'a [Kind],
}

/// Everything that is known of one channel.
struct Lane<T> {
    kind: Kind,
    client: PricesClient<T>,
    took_ns: Vec<u32>,
    alone: Cost,
    many: Cost,
}

/// What calls took, in ns.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    calls: usize,
    time: u64,
    client: u64,
    server: u64,
}

/// Calls through every channel in turn.
pub(crate) async fn measure(settings: &Settings<'_>) -> Result<Measured> {
    let registry = Client::builder().servers(settings.registry).build()?;
    let address = format!("127.0.0.1:{}", settings.port);
    let ours = |target: &str, config: &str| -> Result<Channel> {
        let resolver = NacosResolver::new(registry.clone());
        Ok(Channel::builder(target).resolver(resolver).service_config(config).build()?)
    };
    let mut tonic = None;
    let mut lanes = Vec::new();
    let kinds = if settings.channels.is_empty() { Kind::value_variants() } else { settings.channels };
    for kind in kinds {
        let named = format!("nacos:///{SERVICE}");
        match kind {
            Kind::Tonic => {
                let plain = Endpoint::new(format!("http://{address}"))?.tcp_nodelay(true).connect().await?;
                tonic = Some(Lane::new(*kind, plain));
            }
            Kind::Static => lanes.push(Lane::new(*kind, ours(&format!("static:///{address}"), "{}")?)),
            Kind::Nacos => lanes.push(Lane::new(*kind, ours(&named, "{}")?)),
            Kind::Retries => lanes.push(Lane::new(*kind, ours(&named, RETRIES)?)),
        }
    }
    let (echo, calls) = (settings.echo, settings.calls);
    // Calls run on the runtime's own thread, as in a server.
    tokio::spawn(async move {
        for count in [WARM_UP, calls] {
            for at in 0..count.div_ceil(TURN) {
                // Who begins changes with each turn.
                let begin = at % (lanes.len() + 1);
                for turn in 0..=lanes.len() {
                    match (begin + turn) % (lanes.len() + 1) {
                        0 => if let Some(tonic) = &mut tonic { tonic.turn(echo).await? },
                        ours => lanes[ours - 1].turn(echo).await?,
                    }
                }
            }
            if count == WARM_UP {
                tonic.iter_mut().for_each(Lane::forget);
                lanes.iter_mut().for_each(Lane::forget);
            }
        }
        Ok(tonic.iter_mut().flat_map(Lane::numbers).chain(lanes.iter_mut().flat_map(Lane::numbers)).collect())
    })
    .await?
}

impl<T> Lane<T>
where
    T: GrpcService<Body> + Clone + Send + 'static,
    T::Error: Into<StdError>,
    T::Future: Send,
    T::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <T::ResponseBody as tonic::codegen::Body>::Error: Into<StdError> + Send,
{
    fn new(kind: Kind, channel: T) -> Self {
        let (alone, many) = (Cost::default(), Cost::default());
        Self { kind, client: PricesClient::new(channel), took_ns: Vec::new(), alone, many }
    }

    /// One call after the other, then many at once.
    async fn turn(&mut self, echo: u32) -> Result<()> {
        let before = Cost::so_far(echo)?;
        for _ in 0..TURN {
            let began = Instant::now();
            call(&mut self.client).await?;
            self.took_ns.push(u32::try_from(began.elapsed().as_nanos())?);
        }
        let between = Cost::so_far(echo)?;
        self.alone.add(TURN, before, between);
        let each = |_| {
            let mut client = self.client.clone();
            tokio::spawn(async move {
                for _ in 0..TURN / AT_ONCE {
                    call(&mut client).await?;
                }
                Ok::<_, anyhow::Error>(())
            })
        };
        for calls in (0..AT_ONCE).map(each).collect::<Vec<_>>() {
            calls.await??;
        }
        self.many.add(TURN / AT_ONCE * AT_ONCE, between, Cost::so_far(echo)?);
        Ok(())
    }

    fn forget(&mut self) {
        self.took_ns.clear();
        (self.alone, self.many) = (Cost::default(), Cost::default());
    }

    /// What is told of this channel: times in µs, CPU in ms per 1,000 calls.
    fn numbers(&mut self) -> Measured {
        self.took_ns.sort_unstable();
        let kind = self.kind.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        let at = |share: usize| f64::from(self.took_ns[self.took_ns.len() * share / 1000]) / 1e3;
        let per_thousand = |cost: Cost, of: fn(&Cost) -> u64| of(&cost) as f64 / 1e3 / cost.calls as f64;
        [
            ("p50", at(500)),
            ("p99", at(990)),
            ("client", per_thousand(self.alone, |cost| cost.client)),
            ("server", per_thousand(self.alone, |cost| cost.server)),
            ("many_time", per_thousand(self.many, |cost| cost.time)),
            ("many_client", per_thousand(self.many, |cost| cost.client)),
            ("many_server", per_thousand(self.many, |cost| cost.server)),
        ]
        .map(|(what, value)| (format!("{kind}.{what}"), value))
        .into()
    }
}

async fn call<T>(client: &mut PricesClient<T>) -> Result<()>
where
    T: GrpcService<Body>,
    T::Error: Into<StdError>,
    T::ResponseBody: tonic::codegen::Body<Data = tonic::codegen::Bytes> + Send + 'static,
    <T::ResponseBody as tonic::codegen::Body>::Error: Into<StdError> + Send,
{
    let reply = client.quote(QuoteRequest { item: "tea".to_owned() }).await?;
    ensure!(reply.into_inner().price_cents == 450, "another answer");
    Ok(())
}

impl Cost {
    /// What was used until now.
    fn so_far(echo: u32) -> Result<Self> {
        let ns = |time: rustix::time::Timespec| {
            Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default()).as_nanos() as u64
        };
        let time = ns(clock_gettime(ClockId::Monotonic));
        let client = ns(clock_gettime(ClockId::ProcessCPUTime));
        Ok(Self { calls: 0, time, client, server: cpu_ns(echo)? })
    }

    fn add(&mut self, calls: usize, from: Self, to: Self) {
        self.calls += calls;
        self.time += to.time - from.time;
        self.client += to.client - from.client;
        self.server += to.server - from.server;
    }
}

/// CPU time of all threads of another process so far, in ns.
fn cpu_ns(process: u32) -> Result<u64> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let said = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += said.split(' ').next().context("no time")?.parse::<u64>()?;
    }
    Ok(sum)
}
