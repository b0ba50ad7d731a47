//! Operations on the core of the server, under the paths of every generation: commands for Raft, and where the ids stand
//! that it gives.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use nacrite_app::App;
use nacrite_app::pipeline::Needs;
use nacrite_wire::http::core_ops::{IdSource, RaftCommand, ids, ids_by_resource, raft};
use nacrite_wire::http::envelope::{self, rest_failure, rest_result, result};
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::refusal::Refusal;

use crate::naming::{LOOK, OPERATE, operates};
use crate::reply::{self, Answer};
use crate::table::{Answered, Call, Row};

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    let commands = |endpoint, generation, unknown: fn(&Refusal) -> Answer, done: fn() -> Answer| {
        let app = Arc::clone(app);
        operates(endpoint, generation, OPERATE, move |call| command(&app, call, unknown, done).into())
    };
    let sources = |endpoint, generation, needs, write: fn(&[IdSource<'_>]) -> Bytes| {
        let app = Arc::clone(app);
        operates(endpoint, generation, needs, move |_| Ok(reply::json(write(&[instance_ids(&app)]))).into())
    };
    let rest = || reply::json(rest_result(b"null"));
    vec![
        commands("POST /v1/core/ops/raft", Generation::ConsoleV1, failed, rest),
        commands("POST /v2/core/ops/raft", Generation::LoaderV2, failed, rest),
        commands("POST /v3/admin/core/ops/raft", Generation::V3, |_| nothing(), nothing),
        sources("GET /v1/core/ops/idInfo", Generation::ConsoleV1, Needs::Nothing, |all| {
            rest_result(&ids_by_resource(all))
        }),
        sources("GET /v2/core/ops/ids", Generation::LoaderV2, Needs::Nothing, |all| rest_result(&ids(all))),
        sources("GET /v3/admin/core/ops/ids", Generation::V3, LOOK, |all| result(&ids(all))),
    ]
}

/// A group or a command that Raft does not know is told in different ways: v1 and v2 say so, v3 answers as if it was done
/// (recorded: `v2/core-ops-loader`, `v3/core-ops-state`).
fn command(app: &App, call: &Call<'_>, unknown: fn(&Refusal) -> Answer, done: fn() -> Answer) -> Answered {
    match raft(call.header("content-type"), call.body) {
        Ok(RaftCommand::Snapshot) => {
            app.journal().snapshot_soon();
            Ok(done())
        }
        Err(refusal @ (Refusal::RaftGroupUnknown { .. } | Refusal::RaftCommandUnknown { .. })) => Ok(unknown(&refusal)),
        Err(refusal) => Err(refusal),
    }
}

fn failed(refusal: &Refusal) -> Answer {
    reply::json(rest_failure(StatusCode::INTERNAL_SERVER_ERROR.as_u16(), &refusal.to_string()))
}

fn nothing() -> Answer {
    reply::json(envelope::NULL)
}

/// The one source of ids that has a state of its own: those of instances that ask for one. Nacos has one for each table of
/// its database; ours are places in the log.
fn instance_ids(app: &App) -> IdSource<'static> {
    let (current, worker) = app.naming.instance_ids();
    IdSource { resource: "naming-instance-id", current, worker }
}
