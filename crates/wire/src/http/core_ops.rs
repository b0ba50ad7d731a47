//! Operations on the core of the server: commands for Raft, and where generated ids stand.

use std::borrow::Cow;

use nacrite_base::Fault;
use serde::Deserialize;

use super::body;
use super::members::RAFT_GROUP;
use crate::http::envelope::write_list;
use crate::http::refusal::{Refusal, shown};
use crate::{json, lenient};

/// What can be done to the journal by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaftCommand {
    /// Makes a snapshot.
    Snapshot,
}

/// Commands that move members or leadership between nodes.
const OF_SEVERAL_NODES: [&str; 6] =
    ["transferLeader", "restRaftCluster", "removePeer", "removePeers", "changePeers", "resetPeers"];

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RaftBody<'a> {
    #[serde(borrow, deserialize_with = "lenient::text")]
    group_id: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    command: Option<Cow<'a, str>>,
}

/// Reads a command for Raft. No group means every group, and there is one.
///
/// # Errors
/// [`Refusal::RaftGroupUnknown`] or [`Refusal::RaftCommandUnknown`]; [`Fault::NotServed`] for what a node that is alone
/// cannot do; [`Refusal::BodyMissing`], [`Refusal::MediaTypeUnread`], or that the JSON cannot be read.
pub fn raft(content_type: Option<&str>, body: &[u8]) -> Result<RaftCommand, Refusal> {
    let asked: RaftBody<'_> = json::read(body::json(content_type, body)?)?;
    if let Some(group) = asked.group_id.as_deref().filter(|group| *group != RAFT_GROUP) {
        return Err(Refusal::RaftGroupUnknown { given: shown(group) });
    }
    match asked.command.as_deref().unwrap_or_default() {
        "doSnapshot" => Ok(RaftCommand::Snapshot),
        known if OF_SEVERAL_NODES.contains(&known) => {
            Err(Fault::NotServed { what: format!("{known} on a node that is alone") }.into())
        }
        unknown => Err(Refusal::RaftCommandUnknown { given: shown(unknown) }),
    }
}

/// A source of ids.
#[derive(Clone, Copy, Debug)]
pub struct IdSource<'a> {
    /// What the ids are for.
    pub resource: &'a str,
    /// The newest one; 0 if there was none.
    pub current: u64,
    /// The part of this node in them.
    pub worker: u64,
}

impl IdSource<'_> {
    fn write_info(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"currentId\":");
        json::write(out, &self.current);
        out.extend_from_slice(b",\"workerId\":");
        json::write(out, &self.worker);
        out.push(b'}');
    }
}

/// Writes sources by their names, as v1 does (recorded: `v1/auth-open-endpoints`).
#[must_use]
pub fn ids_by_resource(sources: &[IdSource<'_>]) -> Vec<u8> {
    let mut out = b"{".to_vec();
    for (at, source) in sources.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write(&mut out, source.resource);
        out.push(b':');
        source.write_info(&mut out);
    }
    out.push(b'}');
    out
}

/// Writes a list of sources, as v2 and v3 do.
#[must_use]
pub fn ids(sources: &[IdSource<'_>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    write_list(&mut out, sources, |out, source| {
        out.extend_from_slice(b"{\"resource\":");
        json::write(out, source.resource);
        out.extend_from_slice(b",\"info\":");
        source.write_info(out);
        out.push(b'}');
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, read: Result<RaftCommand, &str>) {
        let told = raft(Some("application/json"), body.as_bytes()).map_err(|refusal| refusal.to_string());
        assert_eq!(told, read.map_err(str::to_owned), "{body}");
    }

    #[test]
    fn the_group_is_looked_at_before_the_command() {
        check(r#"{"command":"dance"}"#, Err("Not support command : dance"));
        check(r#"{"groupId":"zzz","command":"dance"}"#, Err("not this raft group : zzz"));
        check(r#"{"groupId":"zzz","command":"doSnapshot","value":"x"}"#, Err("not this raft group : zzz"));
        check(r#"{"command":"doSnapshot","value":"127.0.0.1:7848"}"#, Ok(RaftCommand::Snapshot));
        check(r#"{"groupId":"nacrite_journal","command":"doSnapshot"}"#, Ok(RaftCommand::Snapshot));
        check("{}", Err("Not support command : "));
        assert!(matches!(raft(None, br#"{"command":"removePeer"}"#), Err(Refusal::Fault(Fault::NotServed { .. }))));
    }

    #[test]
    fn sources_of_ids_are_a_map_or_a_list() {
        let sources =
            [IdSource { resource: "a", current: 7, worker: 1 }, IdSource { resource: "b", current: 0, worker: 1 }];
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("JSON");
        let map = r#"{"a":{"currentId":7,"workerId":1},"b":{"currentId":0,"workerId":1}}"#;
        assert_eq!(text(ids_by_resource(&sources)), map);
        let list = r#"[{"resource":"a","info":{"currentId":7,"workerId":1}}]"#;
        assert_eq!(text(ids(&sources[..1])), list);
    }
}
