//! Services on actix-web that register themselves.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use actix_web::{App, HttpServer, web};
//! use nacrite_actix::WithNacos as _;
//! use nacrite_client::register::{RegisterSettings, Registrar};
//!
//! let registrar = Registrar::connect(RegisterSettings::new("orders").environment()?)?;
//! let health = nacrite_actix::health(&registrar);
//! HttpServer::new(move || {
//!     App::new()
//!         .route("/", web::get().to(|| async { "hello" }))
//!         .route("/health", web::get().to(health.clone()))
//! })
//! .bind("0.0.0.0:8080")?
//! .with_nacos(registrar)
//! .await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`WithNacos::with_nacos`] takes the place of `run`: the service is registered when its handlers answer, and taken back before
//! it stops.

mod health;

use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Server, Service, ServiceFactory};
use actix_web::{Error, HttpServer};
use nacrite_client::register::{Farewell, Listening, Probe, Registrar, ServeError, Stop};
use tracing::info;

pub use health::health;
pub use nacrite_client::register;

/// The generation of actix-web that this crate is made for; metadata `framework`.
const ACTIX_VERSION: &str = "4";

/// Gives a server of actix-web a registration.
pub trait WithNacos {
    /// Runs the server, registered by `registrar`, until it has left: by SIGTERM, Ctrl-C or a call. Bind it before; port 0
    /// is possible, the port that was found is registered. Of several addresses the first one is.
    ///
    /// Signals are the registration's business, also where `disable_signals` was not called, and how long the server may
    /// take to finish is said by `drain_within` of its bounds, not by `shutdown_timeout`. Connections that are cut at the
    /// end are not counted: actix-web keeps them to itself.
    ///
    /// # Errors
    /// [`ServeError`] if it did not come to be registered and fails fast, or if the server failed.
    fn with_nacos(self, registrar: Registrar) -> impl Future<Output = Result<Farewell, ServeError>>;
}

impl<F, I, S, B> WithNacos for HttpServer<F, I, S, B>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: actix_service::IntoServiceFactory<S, actix_http::Request>,
    S: ServiceFactory<actix_http::Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<actix_http::Response<B>> + 'static,
    <S::Service as Service<actix_http::Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    async fn with_nacos(self, registrar: Registrar) -> Result<Farewell, ServeError> {
        let bound = self.addrs_with_scheme();
        let Some(&(at, scheme)) = bound.first() else {
            return Err(ServeError::Server("it is bound to no address: call `bind` first".into()));
        };
        for (other, _) in bound.iter().skip(1) {
            info!(registered = %at, %other, "one of several addresses is registered");
        }
        let probe = if scheme == "https" { Probe::Connect } else { Probe::http() };
        let listening = Listening::at(at).framework("actix-web", ACTIX_VERSION).probe(probe);
        let drain_within = registrar.settings().bounds.drain_within;
        let server = self.disable_signals().shutdown_timeout(whole_seconds(drain_within)).run();
        registrar.run(listening, |stop| serve(server, stop)).await
    }
}

/// Serves until it is told to stop, and finishes what is under way. Stops by the handle and not by actix's own signal, which
/// would end the whole system with it, and every other server in it.
async fn serve(mut server: Server, stop: Stop) -> io::Result<()> {
    let handle = server.handle();
    tokio::select! {
        ended = &mut server => return ended,
        () = stop.stopping() => {}
    }
    // The order to stop is given when the future is made; the server's own future tells when it has.
    let stopped = handle.stop(true);
    let ended = server.await;
    drop(stopped);
    ended
}

/// Up to the next second, the unit in which actix counts. The registration's own bound is the exact one.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
