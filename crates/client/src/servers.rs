//! Where the list of servers comes from: written down, or told by an address server.
//!
//! A name with several addresses is one entry: the link asks for its addresses at each attempt to connect, so that a change
//! in DNS needs nothing here. The order of the list carries no meaning; the link starts at a random entry.

mod address_server;
mod variables;

use std::sync::Arc;

use tokio::sync::watch;

pub use address_server::AddressServer;
pub(crate) use address_server::Told;

use crate::error::Error;
use crate::link::ServerSource;
use crate::server::ServerAddress;

/// A list that never changes.
#[derive(Debug)]
pub(crate) struct Fixed {
    list: watch::Sender<Arc<[ServerAddress]>>,
}

impl Fixed {
    /// Reads a list as users write it: separated by commas or semicolons.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an entry that is no address, and if there is none.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let list = parse(text)?;
        if list.is_empty() {
            return Err(Error::Invalid("no server is named".into()));
        }
        Ok(Self::new(list))
    }

    /// Exactly these, each once.
    pub(crate) fn new(list: impl IntoIterator<Item = ServerAddress>) -> Self {
        Self { list: watch::Sender::new(unique(list).into()) }
    }
}

impl ServerSource for Fixed {
    fn current(&self) -> Arc<[ServerAddress]> {
        self.list.borrow().clone()
    }

    fn changes(&self) -> watch::Receiver<Arc<[ServerAddress]>> {
        self.list.subscribe()
    }
}

/// The addresses in `text`, separated by commas, semicolons or line breaks; each once, in the order of their first mention.
fn parse(text: &str) -> Result<Vec<ServerAddress>, Error> {
    let parts = text.split([',', ';', '\n', '\r']).map(str::trim).filter(|part| !part.is_empty());
    Ok(unique(parts.map(str::parse).collect::<Result<Vec<_>, _>>()?))
}

fn unique(list: impl IntoIterator<Item = ServerAddress>) -> Vec<ServerAddress> {
    let mut seen = Vec::new();
    for server in list {
        if !seen.contains(&server) {
            seen.push(server);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_users_write_them() {
        let shown = |text: &str| {
            Fixed::parse(text).map(|list| list.current().iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(shown(" a:1, b ;;https://c:3,a:1 ").ok(), Some(vec!["a:1".into(), "b:8848".into(), "c:3".into()]));
        for bad in ["", " , ;", "a:1,b:x"] {
            assert!(shown(bad).is_err(), "{bad}");
        }
    }
}
