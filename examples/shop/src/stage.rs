//! The shop as a play: a registry, price services, a front, each a process of its own, ended when this is dropped.
//!
//! Knows nothing of how services register or find each other: that is what the processes show. Here is only what whoever
//! runs the shop does: start, wait, stop, kill.

mod process;
mod registry;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

pub use self::process::Process;
pub use self::registry::Registry;

/// The programs of the shop.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `nacrite`, the registry.
    pub registry: PathBuf,
    /// `shop-prices`.
    pub prices: PathBuf,
    /// `shop-front`.
    pub front: PathBuf,
}

impl Programs {
    /// Those that lie beside another program, where cargo puts all of them.
    ///
    /// # Errors
    /// One of them was not built.
    pub fn beside(program: &Path) -> anyhow::Result<Self> {
        let folder = program.parent().context("a program lies in a folder")?;
        let find = |name: &str| {
            let path = folder.join(name);
            if !path.exists() {
                bail!("{} is not there: cargo build --package nacrite, and the same for shop", path.display());
            }
            Ok(path)
        };
        Ok(Self { registry: find("nacrite")?, prices: find("shop-prices")?, front: find("shop-front")? })
    }
}

/// How a shop is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Weights of the price services, one each.
    pub weights: Vec<f64>,
    /// How long each of their answers takes, as if they asked a database.
    pub answer_takes: Duration,
    /// Port of the front; 0 for a free one.
    pub front_port: u16,
}

/// The whole shop. Dropping it kills what still runs.
#[derive(Debug)]
pub struct Shop {
    programs: Programs,
    plan: Plan,
    /// Through which everybody finds everybody.
    pub registry: Registry,
    /// The price services, in the order in which they were started; those that ended stay where they were.
    pub prices: Vec<Process>,
    /// What browsers ask.
    pub front: Process,
    /// Where it listens.
    pub front_at: SocketAddr,
}

impl Shop {
    /// Starts everything, each when what it needs is there.
    ///
    /// # Errors
    /// Something did not start, or did not say in time that it is ready.
    pub async fn open(programs: Programs, plan: Plan) -> anyhow::Result<Self> {
        let registry = Registry::start(&programs.registry).await?;
        let mut prices = Vec::new();
        for (at, weight) in plan.weights.iter().enumerate() {
            prices.push(start_prices(&programs, &plan, &registry, at, *weight)?);
        }
        for service in &mut prices {
            service.ready().await?;
        }
        let port = plan.front_port.to_string();
        let address = registry.address().to_string();
        let mut front = Process::start("front", &programs.front, &["--registry", &address, "--port", &port])?;
        let front_at = front.ready().await?;
        Ok(Self { programs, plan, registry, prices, front, front_at })
    }

    /// Everything, whether it still runs or not.
    pub fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        let first = [&mut self.front, self.registry.process()];
        first.into_iter().chain(&mut self.prices)
    }

    /// Starts one more price service and returns its place when it is registered.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn add(&mut self, weight: f64) -> anyhow::Result<usize> {
        let at = self.prices.len();
        let mut started = start_prices(&self.programs, &self.plan, &self.registry, at, weight)?;
        started.ready().await?;
        self.prices.push(started);
        Ok(at)
    }

    /// Ends everything in order: first who calls, then who is called, last who is asked for addresses.
    ///
    /// # Errors
    /// Something did not end in time and was killed.
    pub async fn close(mut self) -> anyhow::Result<()> {
        let mut ended = vec![self.front.stop().await];
        for service in &self.prices {
            service.ask_to_stop();
        }
        for service in &mut self.prices {
            ended.push(service.stop().await);
        }
        ended.push(self.registry.stop().await);
        ended.into_iter().collect()
    }
}

fn start_prices(
    programs: &Programs,
    plan: &Plan,
    registry: &Registry,
    at: usize,
    weight: f64,
) -> anyhow::Result<Process> {
    let (name, weight) = (format!("prices-{}", at + 1), weight.to_string());
    let (address, takes) = (registry.address().to_string(), plan.answer_takes.as_millis().to_string());
    let args = ["--registry", &address, "--name", &name, "--weight", &weight, "--answer-takes-ms", &takes];
    Process::start(&name, &programs.prices, &args)
}
