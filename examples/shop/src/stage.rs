//! The shop as a play: a registry, price services, a front, each a process of its own, ended when this is dropped.
//!
//! Knows nothing of how services register or find each other: that is what the processes show. Here is only what whoever
//! runs the shop does: start, wait, stop, kill.

mod process;
mod registry;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

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

/// The whole shop. Dropping it kills what still runs.
#[derive(Debug)]
pub struct Shop {
    programs: Programs,
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
    /// Starts everything, each when what it needs is there. `weights` has one for each price service; a `front_port` of 0
    /// is a free one.
    ///
    /// # Errors
    /// Something did not start, or did not say in time that it is ready.
    pub async fn open(programs: Programs, weights: &[f64], front_port: u16) -> anyhow::Result<Self> {
        let registry = Registry::start(&programs.registry).await?;
        let mut prices = Vec::new();
        for (number, weight) in weights.iter().enumerate() {
            prices.push(start_prices(&programs, &registry, number, *weight)?);
        }
        for service in &mut prices {
            service.ready().await?;
        }
        let port = front_port.to_string();
        let address = registry.address().to_string();
        let mut front = Process::start("front", &programs.front, &["--registry", &address, "--port", &port])?;
        let front_at = front.ready().await?;
        Ok(Self { programs, registry, prices, front, front_at })
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
        let mut started = start_prices(&self.programs, &self.registry, at, weight)?;
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

fn start_prices(programs: &Programs, registry: &Registry, number: usize, weight: f64) -> anyhow::Result<Process> {
    let (name, weight) = (format!("prices-{}", number + 1), weight.to_string());
    let address = registry.address().to_string();
    Process::start(&name, &programs.prices, &["--registry", &address, "--name", &name, "--weight", &weight])
}
