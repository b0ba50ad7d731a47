//! The states of a service's instances by one key, in v1 and v2. Whoever asks is answered (recorded:
//! `v1/auth-open-endpoints`).

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::naming::Naming;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::forms;
use nacrite_wire::http::naming::lookups::{service_of_key, statuses};
use nacrite_wire::http::refusal::Refusal;

use crate::naming::{self, cases};
use crate::reply;
use crate::table::{Answered, Call, Row};

/// What stands in front of the key in a path.
const PREFIX: &str = "/v2/ns/instance/statuses/";

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let row = |endpoint, generation, show: fn(&Naming, &Call<'_>) -> Answered| {
        let naming = cases(app);
        let run = Box::new(move |call: &Call<'_>| show(&naming, call).into());
        Row { endpoint, needs: Needs::Nothing, limit: LimitClass::NamingRead, generation, run }
    };
    vec![
        row("GET /v1/ns/instance/statuses", Generation::NamingV1, |naming, call| {
            of_key(naming, call.params.bound("key")?)
        }),
        row("GET /v2/ns/instance/statuses/*", Generation::V2, |naming, call| {
            let (_, key) = call.uri.split_once(PREFIX).unwrap_or_default();
            of_key(naming, &forms::decode_path(key.as_bytes()).ok_or(Refusal::Undecodable)?)
        }),
    ]
}

/// A service that is not there has no instances; neither generation puts anything around the list.
fn of_key(naming: &Naming, key: &str) -> Answered {
    let view = naming.query(&service_of_key(key)?);
    Ok(reply::json(statuses(naming::shown(&view))))
}
