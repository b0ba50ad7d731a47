//! What monitoring asks: whether the server is well, and everything it counts (`reference/http.md`, 6.1).

use std::sync::Arc;

use http::{HeaderValue, StatusCode};
use nacrite_app::App;
use nacrite_wire::http::failure::Generation;

use crate::naming::probed;
use crate::reply::{self, Answer};
use crate::table::Row;

const HEALTH: HeaderValue = HeaderValue::from_static("application/vnd.spring-boot.actuator.v3+json");
const METRICS: HeaderValue = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Every row of this file. Whoever reaches the port may ask, as in Nacos: nothing of what clients store is in it.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let [health, metrics] = std::array::from_fn(|_| Arc::clone(app));
    let other = Generation::ConsoleV1;
    vec![
        probed("GET /actuator/health", other, move |_| show_health(&health)),
        probed("GET /actuator/prometheus", other, move |_| {
            metrics.measure();
            reply::typed(StatusCode::OK, METRICS, metrics.metrics.encode())
        }),
    ]
}

fn show_health(app: &App) -> Answer {
    if app.is_ready() {
        return reply::typed(StatusCode::OK, HEALTH, r#"{"status":"UP"}"#);
    }
    reply::typed(StatusCode::SERVICE_UNAVAILABLE, HEALTH, r#"{"status":"DOWN"}"#)
}
