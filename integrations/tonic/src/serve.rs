//! gRPC services that register themselves: tonic's server with a life around it.
//!
//! ```no_run
//! # use nacrite_client::register::{RegisterSettings, Registrar};
//! # async fn example<S>(greeter: S) -> Result<(), Box<dyn std::error::Error>>
//! # where
//! #     S: tower_service::Service<http::Request<tonic::body::Body>, Response = http::Response<tonic::body::Body>,
//! #         Error = std::convert::Infallible> + tonic::server::NamedService + Clone + Send + Sync + 'static,
//! #     S::Future: Send + 'static,
//! # {
//! use nacrite_tonic::serve::WithNacos as _;
//! use tonic::transport::Server;
//!
//! let registrar = Registrar::connect(RegisterSettings::new("greeter").environment()?)?;
//! Server::builder()
//!     .with_nacos(registrar)
//!     .add_service(greeter)
//!     .serve("0.0.0.0:9090".parse()?)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! The service is registered when its handlers answer, and taken back before it stops. gRPC's health service comes with it
//! and follows: `SERVING` while the service runs, `NOT_SERVING` before and from the moment on at which it leaves.

mod health;
mod incoming;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;

use http::{Request, Response};
use nacrite_client::register::{Connections, Farewell, Listening, Probe, Registrar, ServeError, Stop};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codegen::{Service, StdError};
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tower_layer::Layer;
use tracing::debug;

use health::{Health, Serving};

/// The generation of tonic that this crate is made for; metadata `framework`.
const TONIC_VERSION: &str = "0.14";

/// Bytes of all names of services in the metadata; servers take 1024 characters of metadata in all, and others want some.
/// Names that do not fit are left out.
const NAMES_LEN_MAX: usize = 400;

/// Gives a server of tonic a registration.
pub trait WithNacos<L> {
    /// The server is registered by `registrar` while it serves. gRPC's health service is added.
    fn with_nacos(self, registrar: Registrar) -> NacosRouter<L>;
}

impl<L: Clone> WithNacos<L> for Server<L> {
    fn with_nacos(mut self, registrar: Registrar) -> NacosRouter<L> {
        let (health, service) = Health::new();
        NacosRouter { router: self.add_service(service), registrar, health, names: Vec::new() }
    }
}

/// For a router whose services are already in it: their names are not in the metadata of the instance.
impl<L> WithNacos<L> for Router<L> {
    fn with_nacos(self, registrar: Registrar) -> NacosRouter<L> {
        let (health, service) = Health::new();
        NacosRouter { router: self.add_service(service), registrar, health, names: Vec::new() }
    }
}

/// A router of tonic that is registered while it serves. Made by [`WithNacos::with_nacos`].
#[must_use = "nothing is served until `serve` is awaited"]
pub struct NacosRouter<L> {
    router: Router<L>,
    registrar: Registrar,
    health: Health,
    names: Vec<&'static str>,
}

impl<L> fmt::Debug for NacosRouter<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NacosRouter").field("names", &self.names).finish_non_exhaustive()
    }
}

impl<L> NacosRouter<L> {
    /// Adds a service. Its name goes into the metadata of the instance (`grpc.services`), and gRPC's health service answers
    /// for it.
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
        S: NamedService + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.router = self.router.add_service(service);
        self
    }

    /// Serves at an address until it has left: by SIGTERM, Ctrl-C or a call. Port 0 is possible; the port that was found is
    /// registered.
    ///
    /// # Errors
    /// [`ServeError`] if the port is not free, if it did not come to be registered and fails fast, or if the server failed.
    pub async fn serve<B>(self, at: SocketAddr) -> Result<Farewell, ServeError>
    where
        L: Layer<tonic::service::Routes>,
        L::Service: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        <L::Service as Service<Request<Body>>>::Future: Send,
        <L::Service as Service<Request<Body>>>::Error: Into<StdError> + Send,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        let failed = |error: std::io::Error| {
            let what = format!("{at} cannot be listened on: {error}");
            ServeError::Server(std::io::Error::new(error.kind(), what).into())
        };
        let listener = TcpListener::bind(at).await.map_err(failed)?;
        self.serve_with_listener(listener).await
    }

    /// The same on a listener that there is already.
    ///
    /// # Errors
    /// [`ServeError`] as for [`Self::serve`].
    pub async fn serve_with_listener<B>(self, listener: TcpListener) -> Result<Farewell, ServeError>
    where
        L: Layer<tonic::service::Routes>,
        L::Service: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        <L::Service as Service<Request<Body>>>::Future: Send,
        <L::Service as Service<Request<Body>>>::Error: Into<StdError> + Send,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        let Self { router, registrar, mut health, names } = self;
        let at = listener.local_addr().map_err(|error| ServeError::Server(error.into()))?;
        let connections = Connections::default();
        let incoming = incoming::of(listener, connections.clone());
        let mut listening = Listening::at(at)
            .framework("tonic", TONIC_VERSION)
            .probe(Probe::Grpc)
            .metadata("gRPC_port", at.port().to_string())
            .connections(connections);
        if let Some(names) = named(&names) {
            listening = listening.metadata("grpc.services", names);
        }
        let state = registrar.handle().state();
        health.tell(&names, Serving::No).await;
        let serving = |stop: Stop| router.serve_with_incoming_shutdown(incoming, stop.stopping());
        tokio::select! {
            biased;
            // Boxed, because all of it is held in the caller's future.
            farewell = Box::pin(registrar.run(listening, serving)) => farewell,
            never = health.follow(&names, state) => match never {},
        }
    }
}

/// The names that go into the metadata, as far as they fit.
fn named(names: &[&str]) -> Option<String> {
    let mut all = String::new();
    for name in names {
        if all.len() + name.len() >= NAMES_LEN_MAX {
            debug!(name, "the name of a service does not fit into the metadata");
            continue;
        }
        if !all.is_empty() {
            all.push(',');
        }
        all.push_str(name);
    }
    (!all.is_empty()).then_some(all)
}
