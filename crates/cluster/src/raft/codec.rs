//! How entries and marks are written: by hand, little-endian, with a version in front.
//!
//! By hand, because a command is then read without a copy and because a field that an older binary does not know must
//! stop it instead of being skipped: nodes that apply the same entry differently would diverge in silence.
//!
//! ```text
//! entry        version u8  kind u8  term u64  node u64  body
//!   blank      (nothing)
//!   commands   count u32  { len u32  bytes }
//!   membership as below
//! vote         version u8  term u64  node u64  committed u8
//! log id       version u8  term u64  node u64  index u64
//! applied      version u8  present u8 [log id]  present u8 [log id]  membership
//! membership   configs u16 { voters u16 { id u64 } }  nodes u16 { id u64  len u16  address }
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, Bytes};
use openraft::EntryPayload;
use openraft::entry::RaftEntry;

use crate::raft::types::{Commands, Entry, LeaderId, LogId, Membership, Peer, StoredMembership, Vote};

/// The only version so far.
const VERSION: u8 = 1;

const KIND_BLANK: u8 = 0;
const KIND_COMMANDS: u8 = 1;
const KIND_MEMBERSHIP: u8 = 2;

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("a {what} of version {found}, this binary knows up to {VERSION}; it was written by a newer version")]
    Version { what: &'static str, found: u8 },
    #[error("an entry of kind {0}, which this binary does not know; it was written by a newer version")]
    Kind(u8),
    #[error("a {what} that ends too early or too late")]
    Length { what: &'static str },
    #[error("a membership that cannot be: {0}")]
    Membership(String),
}

impl From<CodecError> for std::io::Error {
    fn from(error: CodecError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// About how many bytes an entry takes; exact for commands.
pub(crate) fn entry_len(entry: &Entry) -> usize {
    const HEAD_LEN: usize = 18;
    match &entry.payload {
        EntryPayload::Normal(commands) => HEAD_LEN + 4 + commands.len() * 4 + commands.len_bytes(),
        EntryPayload::Blank | EntryPayload::Membership(_) => HEAD_LEN,
    }
}

/// Appends an entry to `out`; its index is kept beside it.
pub(crate) fn write_entry(entry: &Entry, out: &mut Vec<u8>) {
    let log_id = entry.log_id();
    let kind = match &entry.payload {
        EntryPayload::Blank => KIND_BLANK,
        EntryPayload::Normal(_) => KIND_COMMANDS,
        EntryPayload::Membership(_) => KIND_MEMBERSHIP,
    };
    out.extend_from_slice(&[VERSION, kind]);
    write_leader(log_id.leader_id, out);
    match &entry.payload {
        EntryPayload::Blank => {}
        EntryPayload::Normal(commands) => {
            write_len32(commands.len(), out);
            for command in commands.iter() {
                write_len32(command.len(), out);
                out.extend_from_slice(command);
            }
        }
        EntryPayload::Membership(membership) => write_membership(membership, out),
    }
}

/// Reads an entry. Its commands share `bytes`.
pub(crate) fn read_entry(index: u64, bytes: Bytes) -> Result<Entry, CodecError> {
    let mut from = Reader::new("log entry", bytes)?;
    let kind = from.u8()?;
    let log_id = LogId::new(from.leader()?, index);
    let payload = match kind {
        KIND_BLANK => EntryPayload::Blank,
        KIND_COMMANDS => {
            let count = from.u32()? as usize;
            // A false count must not reserve memory: every command takes at least its length.
            let mut commands = Vec::with_capacity(count.min(from.bytes.len() / 4));
            for _ in 0..count {
                let len = from.u32()? as usize;
                commands.push(from.take(len)?);
            }
            EntryPayload::Normal(Commands::new(commands))
        }
        KIND_MEMBERSHIP => EntryPayload::Membership(from.membership()?),
        unknown => return Err(CodecError::Kind(unknown)),
    };
    from.end()?;
    Ok(Entry::new(log_id, payload))
}

pub(crate) fn write_vote(vote: &Vote) -> Vec<u8> {
    let mut out = vec![VERSION];
    write_leader(vote.leader_id, &mut out);
    out.push(u8::from(vote.committed));
    out
}

pub(crate) fn read_vote(bytes: Vec<u8>) -> Result<Vote, CodecError> {
    let mut from = Reader::new("vote", bytes.into())?;
    let LeaderId { term, node_id } = from.leader()?;
    let is_committed = from.u8()? != 0;
    from.end()?;
    Ok(if is_committed { Vote::new_committed(term, node_id) } else { Vote::new(term, node_id) })
}

pub(crate) fn write_log_id(log_id: &LogId) -> Vec<u8> {
    let mut out = vec![VERSION];
    write_leader(log_id.leader_id, &mut out);
    out.extend_from_slice(&log_id.index.to_le_bytes());
    out
}

pub(crate) fn read_log_id(bytes: Vec<u8>) -> Result<LogId, CodecError> {
    let mut from = Reader::new("log id", bytes.into())?;
    let log_id = LogId::new(from.leader()?, from.u64()?);
    from.end()?;
    Ok(log_id)
}

/// How far the log is applied, and who the members are at that point.
#[derive(Clone, Debug, Default)]
pub(crate) struct Applied {
    pub(crate) log_id: Option<LogId>,
    pub(crate) membership: StoredMembership,
}

impl Applied {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        for log_id in [&self.log_id, self.membership.log_id()] {
            match log_id {
                None => out.push(0),
                Some(log_id) => {
                    out.push(1);
                    write_leader(log_id.leader_id, out);
                    out.extend_from_slice(&log_id.index.to_le_bytes());
                }
            }
        }
        write_membership(self.membership.membership(), out);
    }

    pub(crate) fn read(bytes: Vec<u8>) -> Result<Self, CodecError> {
        let mut from = Reader::new("mark of what is applied", bytes.into())?;
        let log_id = from.optional_log_id()?;
        let membership_log_id = from.optional_log_id()?;
        let membership = from.membership()?;
        from.end()?;
        Ok(Self { log_id, membership: StoredMembership::new(membership_log_id, membership) })
    }
}

fn write_leader(leader: LeaderId, out: &mut Vec<u8>) {
    out.extend_from_slice(&leader.term.to_le_bytes());
    out.extend_from_slice(&leader.node_id.to_le_bytes());
}

fn write_membership(membership: &Membership, out: &mut Vec<u8>) {
    let configs = membership.get_joint_config();
    write_len16(configs.len(), out);
    for voters in configs {
        write_len16(voters.len(), out);
        for id in voters {
            out.extend_from_slice(&id.to_le_bytes());
        }
    }
    write_len16(membership.nodes().count(), out);
    for (id, peer) in membership.nodes() {
        out.extend_from_slice(&id.to_le_bytes());
        write_len16(peer.address.len(), out);
        out.extend_from_slice(peer.address.as_bytes());
    }
}

/// Lengths were checked long before: a command is bounded by the queue, an address by what a host name may be.
fn write_len32(len: usize, out: &mut Vec<u8>) {
    debug_assert!(u32::try_from(len).is_ok(), "{len} does not fit 32 bits");
    out.extend_from_slice(&(len as u32).to_le_bytes());
}

fn write_len16(len: usize, out: &mut Vec<u8>) {
    debug_assert!(u16::try_from(len).is_ok(), "{len} does not fit 16 bits");
    out.extend_from_slice(&(len as u16).to_le_bytes());
}

/// Reads from the front.
struct Reader {
    what: &'static str,
    bytes: Bytes,
}

impl Reader {
    /// Checks the version.
    fn new(what: &'static str, bytes: Bytes) -> Result<Self, CodecError> {
        let mut reader = Self { what, bytes };
        match reader.u8()? {
            VERSION => Ok(reader),
            found => Err(CodecError::Version { what, found }),
        }
    }

    fn take(&mut self, len: usize) -> Result<Bytes, CodecError> {
        if len > self.bytes.len() {
            return Err(CodecError::Length { what: self.what });
        }
        Ok(self.bytes.split_to(len))
    }

    fn u8(&mut self) -> Result<u8, CodecError> {
        self.bytes.try_get_u8().map_err(|_| CodecError::Length { what: self.what })
    }

    fn u16(&mut self) -> Result<u16, CodecError> {
        self.bytes.try_get_u16_le().map_err(|_| CodecError::Length { what: self.what })
    }

    fn u32(&mut self) -> Result<u32, CodecError> {
        self.bytes.try_get_u32_le().map_err(|_| CodecError::Length { what: self.what })
    }

    fn u64(&mut self) -> Result<u64, CodecError> {
        self.bytes.try_get_u64_le().map_err(|_| CodecError::Length { what: self.what })
    }

    fn leader(&mut self) -> Result<LeaderId, CodecError> {
        Ok(LeaderId { term: self.u64()?, node_id: self.u64()? })
    }

    fn optional_log_id(&mut self) -> Result<Option<LogId>, CodecError> {
        match self.u8()? {
            0 => Ok(None),
            _ => Ok(Some(LogId::new(self.leader()?, self.u64()?))),
        }
    }

    fn membership(&mut self) -> Result<Membership, CodecError> {
        let mut configs = Vec::new();
        for _ in 0..self.u16()? {
            let mut voters = BTreeSet::new();
            for _ in 0..self.u16()? {
                voters.insert(self.u64()?);
            }
            configs.push(voters);
        }
        let mut nodes = BTreeMap::new();
        for _ in 0..self.u16()? {
            let id = self.u64()?;
            let len = usize::from(self.u16()?);
            let address = String::from_utf8(self.take(len)?.to_vec())
                .map_err(|_| CodecError::Membership("an address that is no text".to_owned()))?;
            nodes.insert(id, Peer { address });
        }
        if configs.is_empty() && nodes.is_empty() {
            return Ok(Membership::default());
        }
        Membership::new(configs, nodes).map_err(|error| CodecError::Membership(error.to_string()))
    }

    fn end(&self) -> Result<(), CodecError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(CodecError::Length { what: self.what }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leader() -> LeaderId {
        LeaderId { term: 7, node_id: u64::MAX - 3 }
    }

    fn membership() -> Membership {
        let nodes = [(1, "a:9849"), (2, "b:9849"), (3, "")];
        let nodes: BTreeMap<_, _> = nodes.map(|(id, address)| (id, Peer { address: address.to_owned() })).into();
        Membership::new(vec![[1, 2].into(), [1].into()], nodes).expect("a joint membership with a learner")
    }

    fn entries() -> Vec<Entry> {
        let commands = vec![Bytes::from_static(b"one"), Bytes::new(), Bytes::from(vec![5; 5000])];
        let payloads = [
            EntryPayload::Blank,
            EntryPayload::Normal(Commands::new(commands)),
            EntryPayload::Membership(membership()),
        ];
        payloads.map(|payload| Entry::new(LogId::new(leader(), 12), payload)).into()
    }

    fn written(entry: &Entry) -> Vec<u8> {
        let mut out = Vec::new();
        write_entry(entry, &mut out);
        out
    }

    #[test]
    fn what_is_written_is_read_back() {
        for entry in entries() {
            let bytes = written(&entry);
            let read = read_entry(12, bytes.clone().into()).expect("it was just written");
            assert_eq!(read.log_id(), entry.log_id());
            assert_eq!(written(&read), bytes);
        }
        for vote in [Vote::new(3, 9), Vote::new_committed(4, 9)] {
            assert_eq!(read_vote(write_vote(&vote)), Ok(vote));
        }
        let log_id = LogId::new(leader(), 99);
        assert_eq!(read_log_id(write_log_id(&log_id)), Ok(log_id));
        let stored = StoredMembership::new(Some(log_id), membership());
        for applied in [Applied::default(), Applied { log_id: Some(log_id), membership: stored }] {
            let mut bytes = Vec::new();
            applied.write(&mut bytes);
            let read = Applied::read(bytes).expect("it was just written");
            assert_eq!((read.log_id, read.membership), (applied.log_id, applied.membership));
        }
    }

    #[test]
    fn the_length_of_commands_is_known_before_they_are_written() {
        let entry = &entries()[1];
        assert_eq!(entry_len(entry), written(entry).len());
    }

    #[test]
    fn a_newer_version_and_a_newer_kind_are_named() {
        let mut bytes = written(&entries()[0]);
        bytes[1] = 9;
        assert_eq!(read_entry(1, bytes.clone().into()).expect_err("an unknown kind"), CodecError::Kind(9));
        bytes[0] = 2;
        let error = read_entry(1, bytes.into()).expect_err("an unknown version").to_string();
        assert!(error.contains("a log entry of version 2, this binary knows up to 1"), "{error}");
    }

    #[test]
    fn no_bytes_make_the_reader_panic() {
        for entry in entries() {
            let bytes = written(&entry);
            for len in 0..bytes.len() {
                assert!(read_entry(12, bytes[..len].to_vec().into()).is_err(), "{len} of {}", bytes.len());
            }
            for at in 0..bytes.len().min(200) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 0xff;
                drop(read_entry(12, flipped.into()));
            }
        }
    }
}
