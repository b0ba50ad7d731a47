//! Changing what is logged while the server runs, under the paths of every generation.
//!
//! Nacos's own names of loggers (`core-auth`, `naming-main`) are parts of another program; they are accepted and change
//! nothing, as an unknown one does there (recorded: `v1/cs-ops`). A module of this server (`nacrite_grpc`) is changed, and
//! `root` changes everything.

use nacrite_app::logging::LogControl;
use nacrite_wire::http::envelope;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::refusal::Refusal;
use nacrite_wire::http::server::LogAsk;

use crate::naming::{OPERATE, operates};
use crate::reply::{self, Answer};
use crate::table::{Call, Row};

/// Every row of this file.
pub(crate) fn rows(log: &LogControl) -> Vec<Row> {
    let by_params = |endpoint, generation, done: fn() -> Answer| {
        let log = log.clone();
        operates(endpoint, generation, OPERATE, move |call| {
            let read = |call: &Call<'_>| {
                Ok::<_, Refusal>((call.params.bound("logName")?.to_owned(), call.params.bound("logLevel")?.to_owned()))
            };
            read(call).and_then(|(name, level)| set(&log, &name, &level)).map(|()| done()).into()
        })
    };
    let by_body = |endpoint, generation, done: fn() -> Answer| {
        let log = log.clone();
        operates(endpoint, generation, OPERATE, move |call| {
            let ask = LogAsk::read(call.header("content-type"), call.body);
            ask.and_then(|ask| set(&log, &ask.name, &ask.level)).map(|()| done()).into()
        })
    };
    vec![
        by_params("PUT /v1/ns/operator/log", Generation::NamingV1, || reply::text("ok")),
        by_params("PUT /v1/ns/ops/log", Generation::NamingV1, || reply::text("ok")),
        by_params("PUT /v1/cs/ops/log", Generation::ConfigV1, || reply::text("200")),
        by_params("PUT /v1/core/ops/log", Generation::ConsoleV1, || reply::text("200")),
        by_body("PUT /v2/core/ops/log", Generation::LoaderV2, || reply::json(envelope::rest_result(b"null"))),
        by_params("PUT /v3/admin/ns/ops/log", Generation::V3, || reply::json(envelope::OK)),
        by_params("PUT /v3/admin/cs/ops/log", Generation::V3, || reply::json(envelope::OK)),
        by_body("PUT /v3/admin/core/ops/log", Generation::V3, || reply::json(envelope::NULL)),
    ]
}

fn set(log: &LogControl, name: &str, level: &str) -> Result<(), Refusal> {
    if name == "root" || name.starts_with("nacrite") {
        log.set(name, level)?;
    }
    Ok(())
}
