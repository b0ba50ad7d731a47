//! Address of one server, as users write it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::Error;

/// Main port if none is given.
const PORT: u16 = 8848;

/// Distance of gRPC's port from the main one.
const GRPC_OFFSET: u16 = 1000;

/// Address of one server: `host`, `host:port`, `[v6]:port`, with `http://` or `https://` in front if wanted. The port is the
/// main one, over which HTTP is spoken; gRPC's port follows at +1000 unless it is given.
///
/// ```
/// use nacrite_client::ServerAddress;
///
/// let server: ServerAddress = "nacos-1:8848".parse()?;
/// assert_eq!((server.host(), server.port(), server.grpc_port()), ("nacos-1", 8848, 9848));
/// assert_eq!(server.with_grpc_port(443).grpc_port(), 443);
/// assert!("ftp://nacos-1".parse::<ServerAddress>().is_err());
/// # Ok::<(), nacrite_client::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerAddress {
    host: Arc<str>,
    port: u16,
    grpc_port: u16,
    https: bool,
}

impl ServerAddress {
    /// A server whose gRPC port is not where it is expected: behind a proxy, or mapped.
    #[must_use]
    pub fn with_grpc_port(mut self, port: u16) -> Self {
        self.grpc_port = port;
        self
    }

    /// Name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The main port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// gRPC's port.
    #[must_use]
    pub const fn grpc_port(&self) -> u16 {
        self.grpc_port
    }

    /// Whether HTTP goes through TLS.
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.https
    }
}

impl FromStr for ServerAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let invalid = |what: &str| Error::Invalid(format!("{text:?} is no address of a server: {what}"));
        let (https, rest) = match text.trim().split_once("://") {
            None => (false, text.trim()),
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            Some((scheme, _)) => return Err(invalid(&format!("{scheme} is neither http nor https"))),
        };
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.strip_prefix('[') {
            Some(v6) => {
                let (host, port) = v6.split_once(']').ok_or_else(|| invalid("a bracket is not closed"))?;
                (host, port.strip_prefix(':'))
            }
            // More than one colon and no brackets: an IPv6 address without a port.
            None if rest.matches(':').count() > 1 => (rest, None),
            None => rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port))),
        };
        let is_v6 = host.contains(':');
        if is_v6 && host.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(invalid("with more than one colon it should be an IPv6 address"));
        }
        if host.is_empty() || host.contains(['/', ' ', '@']) {
            return Err(invalid("expected host or host:port"));
        }
        let port =
            port.map_or(Ok(PORT), |port| port.parse().map_err(|_| invalid("the port is no number from 1 to 65535")))?;
        let grpc_port = port.checked_add(GRPC_OFFSET).filter(|_| port > 0);
        let grpc_port = grpc_port.ok_or_else(|| invalid("gRPC's port, 1000 above it, would not exist"))?;
        Ok(Self { host: host.into(), port, grpc_port, https })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_users_write_them() {
        let read = |text: &str| text.parse::<ServerAddress>().map(|a| (a.to_string(), a.grpc_port(), a.is_https()));
        let shown = |text: &str| read(text).ok();
        assert_eq!(shown("nacos"), Some(("nacos:8848".into(), 9848, false)));
        assert_eq!(shown("http://10.0.0.1:80/"), Some(("10.0.0.1:80".into(), 1080, false)));
        assert_eq!(shown("https://nacos:443"), Some(("nacos:443".into(), 1443, true)));
        assert_eq!(shown("[::1]:9000"), Some(("[::1]:9000".into(), 10000, false)));
        assert_eq!(shown("fe80::1"), Some(("[fe80::1]:8848".into(), 9848, false)));
        for bad in [
            "",
            ":80",
            "host:x",
            "host:0",
            "host:65000",
            "ftp://host",
            "[::1",
            "a b",
            "user@host",
            "a:b:c:x",
            "[zone]:1:2",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
