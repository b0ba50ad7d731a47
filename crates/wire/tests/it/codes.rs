//! The table of numbers and the page that describes it say the same.

use nacrite_base::{
    Action, Area, ClientId, ClusterName, ConnectionId, Fault, GroupName, Kind, NamespaceId, ServiceKey, ServiceName,
    Tag,
};
use nacrite_wire::codes::{Codes, codes};

/// One fault of every sort. A sort that is missing here is found by its name in the source of the table.
fn faults() -> Vec<Fault> {
    let service = || ServiceKey {
        namespace: NamespaceId::public(),
        group: GroupName::default_group(),
        name: ServiceName::from_stored("orders"),
    };
    let text = || "text".to_owned();
    vec![
        Fault::NotReady { reason: "starting" },
        Fault::UnknownRequest,
        Fault::Unregistered,
        Fault::ForbiddenSender { request: text(), sender: "sdk" },
        Fault::Undecodable { detail: text() },
        Fault::EmptyRequest,
        Fault::NotServed { what: text() },
        Fault::OverLimit { limit: text() },
        Fault::Denied { action: Action::Read, area: Area::Config },
        Fault::ParamMissing { name: "ip" },
        Fault::ParamInvalid { message: text() },
        Fault::Name(ClusterName::parse("").expect_err("blank")),
        Fault::Name(ClusterName::parse("a b").expect_err("illegal")),
        Fault::PortOutOfRange,
        Fault::InstanceAbsent,
        Fault::BeatSettings,
        Fault::ClusterNotPlain { cluster: text() },
        Fault::UnsupportedOperation { given: text() },
        Fault::WrongKind { service: service(), is: Kind::Ephemeral, wanted: Kind::Persistent },
        Fault::NoNamingClient { client: ClientId::Connection(ConnectionId::new("1")) },
        Fault::IdGeneratorUnknown,
        Fault::ServiceMissing { service: service() },
        Fault::ServiceExists { service: service() },
        Fault::ServiceNotEmpty { service: service() },
        Fault::HealthChecked { service: service(), cluster: ClusterName::default_cluster() },
        Fault::InstanceMissing,
        Fault::ConfigFieldInvalid { what: "invalid dataId", given: text() },
        Fault::ContentTooLong { len_max: 1 },
        Fault::Tag(Tag::parse("a b").expect_err("illegal")),
        Fault::AttributeOver { much: "long", field: "desc", max: 1 },
        Fault::ConfigMissing,
        Fault::ConfigRaced,
        Fault::GrayVersionsFull { max: 1 },
        Fault::GrayMissing { name: text() },
        Fault::NotDurable { reason: text() },
        Fault::internal("cause"),
    ]
}

#[test]
fn the_page_of_codes_is_the_table() {
    let rows = faults().into_iter().map(|fault| {
        let Codes { http, body: (number, words), rpc, refused_by } = codes(&fault);
        let shown = format!("{fault:?}");
        let name = shown.split(['{', '(']).next().unwrap_or_default().trim();
        format!("| `{name}` | {http} | {number} {words} | {rpc} | {refused_by:?} |")
    });
    let rows: Vec<String> = rows.collect();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol/codes.md"));
    let page = page.expect("the page is there");
    let (_, page) = page.split_once("\n|---").expect("a table");
    let described: Vec<&str> = page.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
    let same = described.len() == rows.len() && described.iter().zip(&rows).all(|(line, row)| line.starts_with(row));
    assert!(same, "docs/protocol/codes.md is not what the table says; its lines should begin\n{}", rows.join("\n"));
}

#[test]
fn no_fault_is_forgotten() {
    let source = include_str!("../../src/codes.rs");
    let named = source
        .split("Fault::")
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default());
    let shown: Vec<String> = faults().iter().map(|fault| format!("{fault:?}")).collect();
    for name in named.filter(|name| !name.is_empty()) {
        assert!(shown.iter().any(|shown| shown.starts_with(name)), "{name} has no row");
    }
}
