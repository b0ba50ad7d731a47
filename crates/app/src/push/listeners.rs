//! Connections that listen to configs, and how they are told of a change.

use std::fmt;
use std::sync::Arc;

use nacrite_base::{ConfigKey, ConnectionId, ContentDigest};
use nacrite_config::Listeners;
use parking_lot::Mutex;

use super::outbox::Notice;
use crate::connections::{Connection, Connections};

/// What a listener says it has of a config, for operators who ask. Seventeen bytes and not a text, because there is one
/// for every pair of listener and config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Nothing, or something that is no digest.
    Nothing,
    /// The content with this MD5.
    Md5([u8; 16]),
}

impl Held {
    /// Takes the digest as the listener sent it.
    #[must_use]
    pub fn of(digest: Option<&str>) -> Self {
        let Some(digits) = digest.map(str::as_bytes).filter(|digits| digits.len() == 32) else {
            return Self::Nothing;
        };
        let mut sum = [0; 16];
        for (byte, pair) in sum.iter_mut().zip(digits.chunks_exact(2)) {
            let (Some(high), Some(low)) = (nibble(pair[0]), nibble(pair[1])) else {
                return Self::Nothing;
            };
            *byte = high << 4 | low;
        }
        Self::Md5(sum)
    }
}

/// Digests are lower-case; another spelling is another text, and equals no content.
const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Held {
    /// Writes the digest as the listener sent it; nothing for nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::Md5(sum) => ContentDigest::from_md5(*sum).fmt(f),
        }
    }
}

/// What is remembered of a connection that listens to a config.
#[derive(Clone, Copy, Debug)]
struct Listening {
    /// Whether notices to it name the namespace.
    with_tenant: bool,
    /// What it has.
    has: Held,
}

/// The address that a client gives for itself; the other end of its socket if it gives none.
fn address(connection: &Connection) -> Arc<str> {
    let given = connection.introduction().map(|introduction| &introduction.client_ip);
    let given = given.filter(|ip| !ip.is_empty()).map(Arc::clone);
    given.unwrap_or_else(|| connection.remote.ip().to_canonical().to_string().into())
}

/// Connections that listen to configs.
#[derive(Debug)]
pub struct ConfigListeners {
    listeners: Mutex<Listeners<ConnectionId, Listening>>,
    connections: Arc<Connections>,
}

impl ConfigListeners {
    /// Nobody listens.
    #[must_use]
    pub fn new(connections: Arc<Connections>) -> Self {
        Self { listeners: Mutex::default(), connections }
    }

    /// A connection that has `has` of a config listens to it from now on. Returns whether that is new.
    pub fn listen(&self, client: &ConnectionId, key: &ConfigKey, with_tenant: bool, has: Held) -> bool {
        self.listeners.lock().listen(client, key, Listening { with_tenant, has })
    }

    /// It does no longer. Returns whether it did.
    pub fn unlisten(&self, client: &ConnectionId, key: &ConfigKey) -> bool {
        self.listeners.lock().unlisten(client, key)
    }

    /// It is gone.
    pub fn drop_connection(&self, client: &ConnectionId) {
        self.listeners.lock().drop_listener(client);
    }

    /// Whether it listens.
    #[must_use]
    pub fn is_listening(&self, client: &ConnectionId, key: &ConfigKey) -> bool {
        self.listeners.lock().is_listening(client, key)
    }

    /// The config changed: tells every connection that listens, up to date or not.
    pub fn changed(&self, key: &ConfigKey) {
        let listeners = self.listeners.lock().of(key);
        for (client, Listening { with_tenant, .. }) in listeners {
            if let Some(connection) = self.connections.get(&client) {
                connection.outbox.config(key, Notice { with_tenant, tries: 0 });
            }
        }
    }

    /// The addresses of the clients that listen to a config, with what they have.
    #[must_use]
    pub fn of(&self, key: &ConfigKey) -> Vec<(Arc<str>, Held)> {
        let listeners = self.listeners.lock().of(key);
        let held = |(client, listening): (_, Listening)| {
            let connection = self.connections.get(&client)?;
            Some((address(&connection), listening.has))
        };
        listeners.into_iter().filter_map(held).collect()
    }

    /// The configs that clients at an address listen to, with what they have. Cost: one pass over all connections.
    #[must_use]
    pub fn at(&self, ip: &str) -> Vec<(ConfigKey, Held)> {
        let mut here = self.connections.all();
        here.retain(|connection| *address(connection) == *ip);
        let listeners = self.listeners.lock();
        let held = here.iter().flat_map(|connection| listeners.keys_of(&connection.id));
        held.map(|(key, listening)| (key.clone(), listening.has)).collect()
    }

    /// How many pairs of connection and config there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.listeners.lock().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_shown_as_it_was_sent() {
        let digest = "f97c5d29941bfb1b2fdab0874906ab82";
        assert_eq!(Held::of(Some(digest)).to_string(), digest);
        for nothing in [None, Some(""), Some("F97C5D29941BFB1B2FDAB0874906AB82"), Some("f97c"), Some(&*"é".repeat(16))]
        {
            assert_eq!(Held::of(nothing).to_string(), "", "{nothing:?}");
        }
    }
}
