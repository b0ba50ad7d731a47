//! A handler that says whether requests should be sent here.

use std::future::{Ready, ready};

use actix_web::{Handler, HttpResponse};
use nacrite_client::register::Registrar;

/// A handler for those who ask whether requests should be sent here: 200 while the service runs, 503 before and after, with
/// what it is at in words. What it answers is looked up when it is asked. That the registry is away for a while changes
/// nothing about the status, only the words: callers go on, and so should whoever watches.
///
/// ```no_run
/// # fn example(registrar: &nacrite_client::register::Registrar) {
/// use actix_web::{App, HttpServer, web};
///
/// let health = nacrite_actix::health(registrar);
/// HttpServer::new(move || App::new().route("/health", web::get().to(health.clone())));
/// # }
/// ```
pub fn health(
    registrar: &Registrar,
) -> impl Handler<(), Output = HttpResponse, Future = Ready<HttpResponse>> + Send + Sync {
    let state = registrar.handle().state();
    move || {
        let state = state.borrow().clone();
        let mut answer = if state.is_ready() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
        ready(answer.content_type("text/plain; charset=utf-8").body(state.to_string()))
    }
}
