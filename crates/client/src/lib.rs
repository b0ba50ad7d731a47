//! A client of service registries and configuration centres that speak Nacos: Nacos itself, r-nacos, Nacrite.
//!
//! It can be seen what it does: the state of the connection and of every registration is a value to watch, with the reason
//! of each failure in words.
//!
//! ```no_run
//! # #[derive(serde::Deserialize)]
//! # struct Settings { pool_size: u16 }
//! # async fn example() -> Result<(), nacrite_client::Error> {
//! use nacrite_client::Client;
//! use nacrite_client::naming::{Instance, Selector};
//!
//! let client = Client::builder().servers("nacos-1:8848,nacos-2:8848").namespace("shop").build()?;
//!
//! // Registered until it is taken back or the client is closed, on whichever server and connection.
//! let registration = client.naming().register("orders", Instance::builder("10.0.0.1", 8080)).await?;
//!
//! // One healthy instance, at random by weight: from memory, except the first time.
//! let instance = client.naming().select_one("stock").await?;
//!
//! // Who came, who went, who changed. The first change is the list as it is.
//! let mut stock = client.naming().subscribe("stock", Selector::default().healthy())?;
//! let change = stock.changed().await;
//!
//! // A config as a value of one's own type. A version that does not fit is told, and never used.
//! let settings = client.config().bind::<Settings>("orders.json", None).await?;
//! println!("{} connections", settings.get().pool_size);
//!
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! | Where | What |
//! |---|---|
//! | [`Client`], [`ClientBuilder`] | how a client is described, watched and closed |
//! | [`naming`] | services and instances: register, find, follow |
//! | [`config`] | configs: read, publish, listen, bind to types |
//! | [`error`], [`failure`] | what went wrong, whose turn it is, how far a connection came |
//! | [`session`] | the state of a connection |
//! | [`settings`], [`server`], [`tls`] | time-outs and limits, addresses, encryption |
//! | `config::import` | settings in layers, with imported configs (feature `import`) |
//! | `discover` | whom to call next (feature `discover`) |
//! | `lock` | locks that a server keeps (feature `lock`) |
//! | `maintainer` | calls of operators (feature `maintainer`) |
//! | `register` | registration bound to the life of a server (feature `register`) |
//! | `testkit` | a server inside a test (feature `testkit`) |
//!
//! The features `yaml` and `toml` add binding and comparing configs of these formats.
//!
//! Everything runs on the Tokio runtime in which [`ClientBuilder::build`] is called. Times are
//! [`Duration`](std::time::Duration)s; whatever ends in `within` bounds a call over all its attempts, waiting for a
//! connection included. A call may be dropped before it ends; what was on its way then may have been done.

mod auth;
mod client;
mod clock;
pub mod config;
#[cfg(any(test, feature = "discover"))]
pub mod discover;
pub mod error;
pub mod failure;
mod http;
mod link;
#[cfg(any(test, feature = "lock"))]
pub mod lock;
#[cfg(any(test, feature = "maintainer"))]
pub mod maintainer;
pub mod metrics;
pub mod naming;
#[cfg(any(test, feature = "register"))]
pub mod register;
pub mod server;
mod servers;
pub mod session;
pub mod settings;
mod tasks;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
pub mod tls;
mod transport;

pub use auth::Credentials;
pub use client::{Client, ClientBuilder, ClientState, Transport};
pub use error::{Error, Whose};
pub use failure::{ConnectFailure, Layer};
pub use metrics::Metrics;
pub use server::ServerAddress;
pub use servers::AddressServer;
pub use session::{Abilities, Generation, LinkState, Phase, StepTaken};
pub use settings::LinkSettings;
pub use tls::TlsSettings;
