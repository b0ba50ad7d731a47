//! A service on axum that registers itself: found when it answers, gone before it stops. Prints where it stands; look at it
//! with `curl localhost:PORT/health`, and end it with Ctrl-C, or with two to end it at once.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos. Settings come from `NACOS_DISCOVERY_…`, for instance
//! `NACOS_DISCOVERY_SERVER_ADDR=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use nacrite_axum::register::{RegisterSettings, Registrar};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = RegisterSettings::new("hello").metadata("version", "1.0").environment()?;
    let registrar = Registrar::connect(settings)?
        // A program that has to fill a cache first says so here.
        .ready_when(async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            std::io::Result::Ok(())
        })
        .after_register(|instance| async move { println!("callers find {instance}") })
        .before_leave(|_| async { println!("about to leave") });

    let app = Router::new().route("/", get(|| async { "hello\n" })).route("/health", nacrite_axum::health(&registrar));

    let mut state = registrar.handle().state();
    let watch = async move {
        while state.changed().await.is_ok() {
            println!("{}", *state.borrow_and_update());
        }
    };

    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await?;
    println!("listening on {}", listener.local_addr()?);
    let (farewell, ()) = tokio::join!(nacrite_axum::serve(listener, app, registrar), watch);
    println!("{:?}", farewell?);
    Ok(())
}
