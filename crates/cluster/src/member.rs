//! Another server, as operators name it: the host and the main port that clients know it by.

use std::fmt;
use std::str::FromStr;

/// The port for nodes is this much above the main one (`reference/grpc.md`, 1.4).
const NODE_PORT_OFFSET: u16 = 1001;

/// The main port if none is named.
const MAIN_PORT: u16 = 8848;

/// A server of the same cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member {
    /// A name or an address. Clients that are sent there must know it by the same.
    pub host: String,
    /// The main port, the one of HTTP.
    pub port: u16,
    /// The port for nodes.
    pub node_port: u16,
}

impl Member {
    /// A server whose port for nodes is where Nacos has it.
    #[must_use]
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_owned(), port, node_port: port.saturating_add(NODE_PORT_OFFSET) }
    }

    /// `host:port` of its port for nodes, as sockets and URIs write it.
    #[must_use]
    pub fn node_authority(&self) -> String {
        authority(&self.host, self.node_port)
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&authority(&self.host, self.port))
    }
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// What is written is no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no server; expected host:port")]
pub struct MemberError(String);

impl FromStr for Member {
    type Err = MemberError;

    /// Reads `host`, `host:port` or `[address]:port`, as the file of Nacos has them, one per line; what follows a `?` there
    /// is about Raft and is passed over.
    fn from_str(text: &str) -> Result<Self, MemberError> {
        let error = || MemberError(text.to_owned());
        let plain = text.split('?').next().unwrap_or_default().trim();
        let (host, port) = match plain.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or_else(error)?;
                (host, port.strip_prefix(':').or(port.is_empty().then_some("8848")).ok_or_else(error)?)
            }
            None => match plain.split_once(':') {
                Some((host, port)) => (host, port),
                None => return if is_host(plain) { Ok(Self::new(plain, MAIN_PORT)) } else { Err(error()) },
            },
        };
        let port: u16 = port.parse().ok().filter(|port| *port <= u16::MAX - NODE_PORT_OFFSET).ok_or_else(error)?;
        if port == 0 || !(is_host(host) || plain.starts_with('[') && host.contains(':')) {
            return Err(error());
        }
        Ok(Self::new(host, port))
    }
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_as_nacos_writes_them() {
        let read = |text: &str| text.parse().map(|member: Member| (member.to_string(), member.node_port)).ok();
        let some = |text: &str, port| Some((text.to_owned(), port));
        assert_eq!(read("10.0.0.1:8850"), some("10.0.0.1:8850", 9851));
        assert_eq!(read(" nacos-1.nacos "), some("nacos-1.nacos:8848", 9849));
        assert_eq!(read("10.0.0.1:8848?raft_port=8807"), some("10.0.0.1:8848", 9849));
        assert_eq!(read("[::1]:8848"), some("[::1]:8848", 9849));
        for bad in ["", ":1", "a:", "a:0", "a:x", "a:65535", "::1", "[::1", "a b:1", "http://a:1"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
