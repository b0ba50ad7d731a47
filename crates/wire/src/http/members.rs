//! The members of a cluster: how one is shown, and what nodes and operators say about members.

use std::borrow::Cow;
use std::net::SocketAddr;

use nacrite_base::{Fault, Timestamp};
use serde::Deserialize;

use super::body;
use crate::http::params::Params;
use crate::http::refusal::{Refusal, shown};
use crate::{json, lenient};

/// What a member may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// It does all that it is there for.
    Up,
    /// It does not yet.
    Starting,
    /// It was not heard of.
    Suspicious,
    /// It is gone.
    Down,
    /// It cannot reach the others.
    Isolation,
}

impl MemberState {
    const ALL: [Self; 5] = [Self::Up, Self::Starting, Self::Suspicious, Self::Down, Self::Isolation];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Starting => "STARTING",
            Self::Suspicious => "SUSPICIOUS",
            Self::Down => "DOWN",
            Self::Isolation => "ISOLATION",
        }
    }
}

/// A member as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct MemberShown<'a> {
    /// Where its HTTP port is.
    pub address: SocketAddr,
    /// How it is.
    pub state: MemberState,
    /// The version of Nacos that it answers as.
    pub version: &'a str,
    /// When this was found out.
    pub seen_at: Timestamp,
    /// The term of the leader of the journal.
    pub term: u64,
    /// Whether there is a leader.
    pub has_leader: bool,
}

/// The name under which the journal stands among the Raft groups of a member. Nacos has a group for each kind of data.
pub const RAFT_GROUP: &str = "nacrite_journal";

impl MemberShown<'_> {
    /// `ip:port`.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Writes the member (`reference/http.md`, 2.8.1). No port is open for Raft yet, which is what 0 says.
    pub fn write(&self, out: &mut Vec<u8>) {
        let address = self.address();
        out.extend_from_slice(b"{\"ip\":");
        json::write(out, &self.address.ip().to_string());
        out.extend_from_slice(b",\"port\":");
        json::write(out, &self.address.port());
        out.extend_from_slice(b",\"state\":");
        json::write(out, self.state.word());
        out.extend_from_slice(b",\"extendInfo\":{\"lastRefreshTime\":");
        json::write(out, &self.seen_at.as_ms());
        out.extend_from_slice(b",\"raftMetaData\":{\"metaDataMap\":{");
        json::write(out, RAFT_GROUP);
        out.extend_from_slice(b":{\"leader\":");
        json::write(out, &self.has_leader.then_some(&address));
        out.extend_from_slice(b",\"raftGroupMember\":[");
        json::write(out, &address);
        out.extend_from_slice(b"],\"term\":");
        json::write(out, &self.term);
        out.extend_from_slice(b"}}},\"raftPort\":\"0\",\"readyToUpgrade\":true,\"supportGrayModel\":true,\"version\":");
        json::write(out, self.version);
        out.extend_from_slice(b"},\"address\":");
        json::write(out, &address);
        out.extend_from_slice(
            b",\"failAccessCnt\":0,\"abilities\":{\"remoteAbility\":{\"supportRemoteConnection\":true,\
              \"grpcReportEnabled\":true},\"configAbility\":{\"supportRemoteMetrics\":false},\
              \"namingAbility\":{\"supportJraft\":false}},\"grpcReportEnabled\":true}",
        );
    }
}

/// Which members are to be listed.
#[derive(Clone, Copy, Debug)]
pub struct MembersAsk<'a> {
    /// What their address begins with.
    pub prefix: &'a str,
    /// How they are; `None` for any.
    pub state: Option<MemberState>,
}

impl<'a> MembersAsk<'a> {
    /// Reads which members to list in v1.
    #[must_use]
    pub fn v1(params: &'a Params<'_>) -> Self {
        Self { prefix: params.get("keyword").unwrap_or_default(), state: None }
    }

    /// Reads which members to list in v2 and v3.
    ///
    /// # Errors
    /// [`Refusal::MemberStateUnknown`].
    pub fn form(params: &'a Params<'_>) -> Result<Self, Refusal> {
        let named = |given: &str| {
            let known = MemberState::ALL.into_iter().find(|state| state.word().eq_ignore_ascii_case(given));
            known.ok_or_else(|| Refusal::MemberStateUnknown { given: shown(given) })
        };
        let state = params.get("state").map(named).transpose()?;
        Ok(Self { prefix: params.get("address").unwrap_or_default(), state })
    }

    /// Whether a member is asked for.
    #[must_use]
    pub fn admits(&self, member: &MemberShown<'_>) -> bool {
        member.address().starts_with(self.prefix) && self.state.is_none_or(|state| state == member.state)
    }
}

/// A member as a node tells of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MemberBody<'a> {
    #[serde(borrow, deserialize_with = "lenient::text")]
    ip: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "lenient::whole")]
    port: i64,
}

impl MemberBody<'_> {
    fn is_legal(&self) -> bool {
        let has_host = self.ip.as_ref().is_some_and(|ip| !ip.trim().is_empty());
        has_host && u16::try_from(self.port).is_ok_and(|port| port > 0)
    }
}

/// Reads what a node reports of itself. Answers whether it can be a member.
///
/// # Errors
/// [`Refusal::BodyMissing`], [`Refusal::MediaTypeUnread`], or that the JSON cannot be read.
pub fn report(content_type: Option<&str>, body: &[u8]) -> Result<bool, Refusal> {
    let member: MemberBody<'_> = json::read(body::json(content_type, body)?)?;
    Ok(member.is_legal())
}

/// Reads a list of members. What they say is checked for being members and not kept: nodes find each other otherwise.
///
/// # Errors
/// [`Refusal::FieldMissing`] for an empty list; otherwise as [`report`].
pub fn members(content_type: Option<&str>, body: &[u8]) -> Result<(), Refusal> {
    let members: Vec<MemberBody<'_>> = json::read_list(body::json(content_type, body)?)?;
    if members.is_empty() { Err(Refusal::FieldMissing { name: "nodes" }) } else { Ok(()) }
}

/// Reads the addresses of nodes that are to leave.
///
/// # Errors
/// As [`report`].
pub fn leaving(content_type: Option<&str>, body: &[u8]) -> Result<(), Refusal> {
    let _: Vec<Cow<'_, str>> = json::read_list(body::json(content_type, body)?)?;
    Ok(())
}

/// Why members are not to be found in this way. This server knows its members from its settings alone, so every way is
/// refused: those of Nacos by name, others as unknown.
#[must_use]
pub fn lookup(given: &str) -> Refusal {
    match given {
        "file" | "address-server" => Fault::NotServed { what: format!("members by {given}") }.into(),
        _ => Refusal::LookupUnknown { given: shown(given) },
    }
}

#[cfg(test)]
mod tests {
    use super::super::naming::tests::params;
    use super::*;

    fn member() -> MemberShown<'static> {
        let address = SocketAddr::from(([127, 0, 0, 1], 8848));
        let (state, seen_at) = (MemberState::Up, Timestamp::from_ms(5));
        MemberShown { address, state, version: "2.5.1", seen_at, term: 3, has_leader: true }
    }

    #[test]
    fn a_member_is_json_with_its_journal_in_it() {
        let mut out = Vec::new();
        member().write(&mut out);
        let shown: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        assert_eq!((&shown["address"], &shown["state"]), (&"127.0.0.1:8848".into(), &"UP".into()));
        let group = &shown["extendInfo"]["raftMetaData"]["metaDataMap"][RAFT_GROUP];
        assert_eq!((&group["leader"], &group["term"]), (&"127.0.0.1:8848".into(), &3.into()));
    }

    #[test]
    fn members_are_chosen_by_the_start_of_their_address_and_by_state() {
        for (name, value, admitted) in [
            ("address", "127.0.0.1", true),
            ("address", "10.", false),
            ("state", "up", true),
            ("state", "Down", false),
            ("state", "", true),
        ] {
            let given = params(&[(name, value)]);
            assert_eq!(MembersAsk::form(&given).map(|ask| ask.admits(&member())).ok(), Some(admitted), "{value}");
        }
        let sleepy = MembersAsk::form(&params(&[("state", "sleepy")])).map(|_| ()).map_err(|r| r.to_string());
        assert_eq!(sleepy, Err("Illegal state: sleepy".to_owned()));
    }

    #[test]
    fn a_report_needs_an_address() {
        for (body, legal) in [
            (r#"{"ip":"10.0.0.1","port":8848,"state":"UP"}"#, true),
            (r#"{"ip":"","port":-1}"#, false),
            (r#"{"ip":"10.0.0.1","port":0}"#, false),
            ("{}", false),
        ] {
            assert_eq!(report(None, body.as_bytes()).ok(), Some(legal), "{body}");
        }
        assert!(matches!(report(None, b""), Err(Refusal::BodyMissing)));
        assert!(report(None, b"[]").is_err() && report(None, b"oops").is_err());
    }

    #[test]
    fn a_list_of_members_must_have_one() {
        assert!(matches!(members(None, b"[]"), Err(Refusal::FieldMissing { name: "nodes" })));
        assert!(members(None, br#"[{"ip":"","port":-1}]"#).is_ok());
        assert!(members(None, b"{}").is_err() && members(None, b"").is_err());
    }

    #[test]
    fn every_other_way_to_find_members_is_refused() {
        let unknown = "The addressing mode exists : magic, just support : [[file, address-server]]";
        assert_eq!(lookup("magic").to_string(), unknown);
        assert!(matches!(lookup("file"), Refusal::Fault(Fault::NotServed { .. })));
    }
}
