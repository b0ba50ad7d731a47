//! Requests of the protocol that this version does not serve yet. Each is refused by name, in its own answer type, so
//! that a client can tell what is missing; none is unknown in disguise.

use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area, Fault};

use super::typed;
use crate::table::{Row, Senders};

pub(super) fn rows() -> Vec<Row> {
    let clients = [
        ("LockOperationRequest", "LockOperationResponse", Needs::Permission(Action::Write, Area::Operation)),
        ("QueryMcpServerRequest", "QueryMcpServerResponse", Needs::Permission(Action::Read, Area::Operation)),
        ("ReleaseMcpServerRequest", "ReleaseMcpServerResponse", Needs::Permission(Action::Write, Area::Operation)),
        ("McpServerEndpointRequest", "McpServerEndpointResponse", Needs::Permission(Action::Write, Area::Operation)),
    ];
    let nodes = [
        ("DistroDataRequest", "DistroDataResponse"),
        ("MemberReportRequest", "MemberReportResponse"),
        ("ConfigChangeClusterSyncRequest", "ConfigChangeClusterSyncResponse"),
    ];
    let clients = clients.map(|(wire_type, answer_type, needs)| row(wire_type, answer_type, needs, Senders::Anybody));
    let nodes = nodes.map(|(wire_type, answer_type)| row(wire_type, answer_type, Needs::NodeIdentity, Senders::Nodes));
    clients.into_iter().chain(nodes).collect()
}

fn row(wire_type: &'static str, answer_type: &'static str, needs: Needs, senders: Senders) -> Row {
    Row {
        wire_type,
        needs,
        limit: LimitClass::Operation,
        senders,
        failure: typed(answer_type, ""),
        run: Box::new(move |_| Fault::NotServed { what: wire_type.to_owned() }.into()),
    }
}
