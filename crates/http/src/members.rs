//! The members of the cluster, under the paths of every generation: this node, which is alone.
//!
//! What would change who belongs to the cluster is answered as Nacos answers a node that is alone, or refused by name;
//! nothing of it is kept.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use nacrite_app::App;
use nacrite_app::pipeline::Needs;
use nacrite_wire::http::envelope::{self, rest_failure, rest_result, result, write_list};
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::members::{MemberShown, MemberState, MembersAsk, leaving, lookup, members, report};
use nacrite_wire::http::refusal::Refusal;
use nacrite_wire::json;

use crate::naming::{LOOK, OPERATE, operates};
use crate::reply;
use crate::table::{Answered, Call, Row};
use crate::{v1, v3};

/// Puts JSON into what the generation has around it.
type Wrap = fn(&[u8]) -> Bytes;

/// How a generation answers: how it fails, which version it is, and what it has around its answers.
#[derive(Clone, Copy)]
struct Dialect {
    generation: Generation,
    version: &'static str,
    wrap: Wrap,
}

const V1: Dialect = Dialect { generation: Generation::ConsoleV1, version: v1::API_VERSION, wrap: rest_result };
const V2: Dialect = Dialect { generation: Generation::V2, version: v1::API_VERSION, wrap: result };
const V3: Dialect = Dialect { generation: Generation::V3, version: v3::API_VERSION, wrap: result };

/// The old names of the naming part answer without anything around.
const BARE: Dialect =
    Dialect { generation: Generation::NamingV1, version: v1::API_VERSION, wrap: Bytes::copy_from_slice };

/// Every row of this file.
pub(crate) fn rows(app: &Arc<App>) -> Vec<Row> {
    v1_rows(app).into_iter().chain(later_rows(app)).chain(naming_rows(app)).collect()
}

/// One endpoint: what it needs, how it speaks, what it does.
fn row(
    app: &Arc<App>,
    endpoint: &'static str,
    needs: Needs,
    dialect: Dialect,
    run: fn(&App, &Call<'_>, Dialect) -> Answered,
) -> Row {
    let app = Arc::clone(app);
    operates(endpoint, dialect.generation, needs, move |call| run(&app, call, dialect).into())
}

fn v1_rows(app: &Arc<App>) -> Vec<Row> {
    let row = |endpoint, needs, run| row(app, endpoint, needs, V1, run);
    vec![
        row("GET /v1/core/cluster/self", LOOK, own),
        row("GET /v1/core/cluster/nodes", LOOK, |app, call, dialect| {
            list(app, call, dialect, MembersAsk::v1(&call.params))
        }),
        row("GET /v1/core/cluster/simple/nodes", LOOK, addresses),
        row("GET /v1/core/cluster/health", LOOK, health),
        row("POST /v1/core/cluster/report", OPERATE, reported),
        row("POST /v1/core/cluster/switch/lookup", OPERATE, |_, call, _| match lookup(call.params.bound("type")?) {
            // Wrapped, with success as the status (recorded: `v1/core-cluster`).
            unknown @ Refusal::LookupUnknown { .. } => {
                Ok(reply::json(rest_failure(StatusCode::INTERNAL_SERVER_ERROR.as_u16(), &unknown.to_string())))
            }
            refusal => Err(refusal),
        }),
        row("POST /v1/core/cluster/server/leave", OPERATE, |_, call, _| {
            leaving(call.header("content-type"), call.body)?;
            Ok(closed("/v1/core/cluster/server/leave"))
        }),
    ]
}

fn later_rows(app: &Arc<App>) -> Vec<Row> {
    let row = |endpoint, needs, dialect, run| row(app, endpoint, needs, dialect, run);
    let listed = |app: &App, call: &Call<'_>, dialect| list(app, call, dialect, MembersAsk::form(&call.params)?);
    let told = |_: &App, call: &Call<'_>, _| {
        members(call.header("content-type"), call.body)?;
        Ok(reply::json(envelope::TRUE))
    };
    let looked_up = |_: &App, call: &Call<'_>, _| {
        let given = call.params.get("type").ok_or(Refusal::FieldMissing { name: "type" })?;
        Err(lookup(given))
    };
    vec![
        row("GET /v2/core/cluster/node/self", LOOK, V2, own),
        row("GET /v3/admin/core/cluster/node/self", LOOK, V3, own),
        row("GET /v2/core/cluster/node/self/health", LOOK, V2, health),
        row("GET /v2/core/cluster/node/list", LOOK, V2, listed),
        row("GET /v3/admin/core/cluster/node/list", LOOK, V3, listed),
        row("PUT /v2/core/cluster/node/list", OPERATE, V2, told),
        row("PUT /v3/admin/core/cluster/node/list", OPERATE, V3, told),
        row("PUT /v2/core/cluster/lookup", OPERATE, V2, looked_up),
        row("PUT /v3/admin/core/cluster/lookup", OPERATE, V3, looked_up),
        row("DELETE /v2/core/cluster/nodes", OPERATE, V2, |_, call, _| {
            call.params.bound("addresses")?;
            Ok(closed("DELETE /v2/core/cluster/nodes"))
        }),
    ]
}

/// Paths of the naming part of v1; each has a second name. `servers` and `distro/server` went with Nacos 2.2, and old
/// clients of C++, C# and Go still ask for them, before they have anything to show.
fn naming_rows(app: &Arc<App>) -> Vec<Row> {
    let row = |endpoint, needs, run| row(app, endpoint, needs, BARE, run);
    vec![
        row("GET /v1/ns/operator/servers", Needs::Nothing, servers),
        row("GET /v1/ns/ops/servers", Needs::Nothing, servers),
        row("GET /v1/ns/operator/distro/client", Needs::Nothing, owner_of_client),
        row("GET /v1/ns/ops/distro/client", Needs::Nothing, owner_of_client),
        row("GET /v1/ns/operator/distro/server", Needs::Nothing, owner_of_service),
        row("GET /v1/ns/ops/distro/server", Needs::Nothing, owner_of_service),
    ]
}

/// Every member, as this node knows it at the address at which it was asked.
fn known(app: &App, call: &Call<'_>, dialect: Dialect) -> [MemberShown<'static>; 1] {
    let journal = app.journal();
    let state = if app.is_ready() { MemberState::Up } else { MemberState::Starting };
    [MemberShown {
        address: std::net::SocketAddr::new(call.local.ip().to_canonical(), call.local.port()),
        state,
        version: dialect.version,
        seen_at: app.clock.now(),
        term: journal.metrics().term,
        has_leader: journal.is_leader(),
    }]
}

fn own(app: &App, call: &Call<'_>, dialect: Dialect) -> Answered {
    Ok(reply::json((dialect.wrap)(&own_json(app, call, dialect))))
}

fn own_json(app: &App, call: &Call<'_>, dialect: Dialect) -> Vec<u8> {
    let [own] = known(app, call, dialect);
    let mut out = Vec::with_capacity(768);
    own.write(&mut out);
    out
}

fn list(app: &App, call: &Call<'_>, dialect: Dialect, ask: MembersAsk<'_>) -> Answered {
    let all = known(app, call, dialect);
    let mut out = Vec::with_capacity(768);
    write_list(&mut out, all.iter().filter(|member| ask.admits(member)), |out, member| member.write(out));
    Ok(reply::json((dialect.wrap)(&out)))
}

fn addresses(app: &App, call: &Call<'_>, dialect: Dialect) -> Answered {
    let mut out = Vec::with_capacity(64);
    write_list(&mut out, known(app, call, dialect), |out, member| json::write(out, &member.address()));
    Ok(reply::json((dialect.wrap)(&out)))
}

fn health(app: &App, call: &Call<'_>, dialect: Dialect) -> Answered {
    let [own] = known(app, call, dialect);
    Ok(reply::json((dialect.wrap)(&json::bytes(own.state.word()))))
}

/// A node tells of itself and learns of this one. It is not taken into the cluster by that, in Nacos either.
fn reported(app: &App, call: &Call<'_>, dialect: Dialect) -> Answered {
    if !report(call.header("content-type"), call.body)? {
        return Ok(reply::json(rest_failure(StatusCode::BAD_REQUEST.as_u16(), "Node information is illegal")));
    }
    let own = own_json(app, call, dialect);
    Ok(reply::json((dialect.wrap)(&json::bytes(&*String::from_utf8_lossy(&own)))))
}

/// An endpoint that Nacos closed and never opened again.
fn closed(endpoint: &str) -> reply::Answer {
    let message = format!("{endpoint} API not allow to use temporarily.");
    reply::json(rest_failure(StatusCode::METHOD_NOT_ALLOWED.as_u16(), &message))
}

fn servers(app: &App, call: &Call<'_>, dialect: Dialect) -> Answered {
    let healthy_only = call.params.is_true("healthy");
    let all = known(app, call, dialect);
    let wanted = all.iter().filter(|member| member.state == MemberState::Up || !healthy_only);
    let mut out = b"{\"servers\":".to_vec();
    write_list(&mut out, wanted, |out, member| member.write(out));
    out.push(b'}');
    Ok(reply::json(out))
}

fn owner_of_client(app: &App, call: &Call<'_>, dialect: Dialect) -> Answered {
    for name in ["ip", "port"] {
        call.params.bound(name)?;
    }
    responsible(app, call, dialect)
}

fn owner_of_service(app: &App, call: &Call<'_>, dialect: Dialect) -> Answered {
    call.params.bound("serviceName")?;
    responsible(app, call, dialect)
}

/// Whoever it is about: this node, because it is alone.
fn responsible(app: &App, call: &Call<'_>, dialect: Dialect) -> Answered {
    let [own] = known(app, call, dialect);
    let mut out = b"{\"responsibleServer\":".to_vec();
    json::write(&mut out, &own.address());
    out.push(b'}');
    Ok(reply::json(out))
}
