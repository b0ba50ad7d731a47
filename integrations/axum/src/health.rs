//! A route that says whether requests should be sent here.

use axum::http::StatusCode;
use axum::routing::{MethodRouter, get};
use nacrite_client::register::Registrar;

/// A route for those who ask whether requests should be sent here: 200 while the service runs, 503 before and after, with
/// what it is at in words. What it answers is looked up when it is asked. That the registry is away for a while changes
/// nothing about the status, only the words: callers go on, and so should whoever watches.
///
/// ```no_run
/// # fn example(registrar: &nacrite_client::register::Registrar) -> axum::Router {
/// axum::Router::new().route("/health", nacrite_axum::health(registrar))
/// # }
/// ```
pub fn health<S>(registrar: &Registrar) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let state = registrar.handle().state();
    get(move || {
        let state = state.borrow().clone();
        let status = if state.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        std::future::ready((status, state.to_string()))
    })
}
