//! Services on axum that register themselves.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::Router;
//! use axum::routing::get;
//! use nacrite_client::register::{RegisterSettings, Registrar};
//!
//! let registrar = Registrar::connect(RegisterSettings::new("orders").environment()?)?;
//! let app = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .route("/health", nacrite_axum::health(&registrar));
//! let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
//! nacrite_axum::serve(listener, app, registrar).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`serve`] is `axum::serve` with a life around it: the service is registered when its handlers answer, and taken back before
//! it stops. It takes what `axum::serve` takes.

mod health;
mod listener;

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::extract::Request;
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use nacrite_client::register::{Connections, Farewell, Listening, Probe, Registrar, ServeError};
use tower_service::Service;

pub use health::health;
pub use listener::{Counted, TrackedListener};
pub use nacrite_client::register;

/// The generation of axum that this crate is made for; metadata `framework`.
const AXUM_VERSION: &str = "0.8";

/// Serves `app` on `listener`, registered by `registrar`, until it has left: by SIGTERM, Ctrl-C or a call. Port 0 is
/// possible; the port that was found is registered.
///
/// `axum::serve` has no bound on how long it waits for connections when it stops, and gives no hold on them; hence the
/// listener goes through this function, which counts and cuts them.
///
/// # Errors
/// [`ServeError`] if it did not come to be registered and fails fast.
pub async fn serve<L, M, S>(listener: L, app: M, registrar: Registrar) -> Result<Farewell, ServeError>
where
    L: Listener<Addr = SocketAddr>,
    M: for<'a> Service<IncomingStream<'a, TrackedListener<L>>, Error = Infallible, Response = S> + Send + 'static,
    for<'a> <M as Service<IncomingStream<'a, TrackedListener<L>>>>::Future: Send,
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let at = listener.local_addr().map_err(|error| ServeError::Server(error.into()))?;
    let connections = Connections::default();
    let listener = listener::tracked(listener, connections.clone());
    let listening = Listening::at(at).framework("axum", AXUM_VERSION).probe(Probe::http()).connections(connections);
    let serving = |stop: nacrite_client::register::Stop| async move {
        axum::serve(listener, app).with_graceful_shutdown(stop.stopping()).await
    };
    registrar.run(listening, serving).await
}
