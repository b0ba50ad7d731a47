//! HTTP calls to services by name: a [`reqwest_middleware`] that sends each call to an instance which the registry knows.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use nacrite_client::Client;
//! use nacrite_client::discover::Discovery;
//! use nacrite_reqwest::LoadBalancer;
//!
//! let registry = Client::builder().servers("nacos:8848").build()?;
//! let http = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
//!     .with(LoadBalancer::new(&Discovery::new(&registry)))
//!     .build();
//!
//! let order = http.get("http://orders/api/42").send().await?.text().await?;
//! # Ok(())
//! # }
//! ```
//!
//! | Written | Called |
//! |---|---|
//! | `http://orders/api` | an instance of `orders`, over TLS if its metadata says `secure=true` |
//! | `https://orders/api` | an instance of `orders`, always over TLS |
//! | `lb://Orders/api` | an instance of `Orders`: the only way that keeps capital letters, and that takes names with dots |
//! | `http://example.org`, `http://localhost`, `http://10.0.0.1`, `http://orders:8080` | what stands there |
//!
//! Whom to call is decided by [`Discovery`](nacrite_client::discover::Discovery): weights, one's own cluster first, those
//! that fail left out for a while. This crate decides when a call is repeated on another instance ([`RetrySettings`]), and
//! tells what became of every call.
//!
//! Middleware that is added after this one sees the address of the instance, and every attempt; what is added before sees
//! the name, and one call. Redirects are followed by `reqwest` itself: one that leads to a service's name is not understood.

mod balancer;
mod clock;
mod error;
mod settings;
mod target;

pub use balancer::{Called, LoadBalancer};
pub use error::CallError;
pub use settings::{Deadline, Group, LoadBalancerSettings, Names, RetrySettings};
