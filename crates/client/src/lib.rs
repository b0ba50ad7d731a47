//! A client of service registries and configuration centres that speak Nacos: Nacos itself, r-nacos, Nacrite.
//!
//! It can be seen what it does: the state of the connection and of every registration is a value to watch, with the reason
//! of each failure in words.

mod auth;
mod client;
mod clock;
pub mod config;
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
pub use session::{Abilities, Generation, LinkState, Phase};
pub use settings::LinkSettings;
pub use tls::TlsSettings;
