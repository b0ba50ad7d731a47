//! A service on actix-web that registers itself: found when it answers, gone before it stops. Look at it with
//! `curl localhost:PORT/health`, and end it with Ctrl-C, or with two to end it at once.
//!
//! Needs a server: `cargo xtask serve`, or any other that speaks Nacos. Settings come from `NACOS_DISCOVERY_…`, for instance
//! `NACOS_DISCOVERY_SERVER_ADDR=host:port`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use actix_web::{App, HttpServer, web};
use nacrite_actix::WithNacos as _;
use nacrite_actix::register::{RegisterSettings, Registrar};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = RegisterSettings::new("hello").metadata("version", "1.0").environment()?;
    let registrar = Registrar::connect(settings)?
        .after_register(|instance| async move { println!("callers find {instance}") })
        .before_leave(|_| async { println!("about to leave") });

    let health = nacrite_actix::health(&registrar);
    let app = move || {
        App::new().route("/", web::get().to(|| async { "hello\n" })).route("/health", web::get().to(health.clone()))
    };
    let farewell = HttpServer::new(app).bind("0.0.0.0:0")?.with_nacos(registrar).await?;
    println!("{farewell:?}");
    Ok(())
}
