//! Looks at the machine: which addresses its interfaces have, and from which of them packets to the registry leave.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;

use crate::server::ServerAddress;

/// How long finding the registry's address may take. 2 s: it is a hint, and there are others.
const RESOLVE_WITHIN: Duration = Duration::from_secs(2);

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InterfaceAddress {
    pub(super) name: String,
    pub(super) ip: IpAddr,
}

/// The addresses of all interfaces that are up, in the order of the operating system; loopback ones last.
///
/// # Errors
/// What the operating system says.
#[cfg(unix)]
pub(super) fn list() -> io::Result<Vec<InterfaceAddress>> {
    use nix::net::if_::InterfaceFlags;
    let all = nix::ifaddrs::getifaddrs().map_err(io::Error::from)?;
    let mut found: Vec<_> = all
        .filter(|at| at.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|at| {
            let address = at.address?;
            let v4 = address.as_sockaddr_in().map(|at| at.ip().into());
            let v6 = address.as_sockaddr_in6().map(|at| at.ip().into());
            Some(InterfaceAddress { name: at.interface_name, ip: v4.or(v6)? })
        })
        .collect();
    found.sort_by_key(|at| at.ip.is_loopback());
    Ok(found)
}

/// Elsewhere nothing is known of interfaces: the route to the registry decides, or the address is given.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub(super) fn list() -> io::Result<Vec<InterfaceAddress>> {
    Ok(Vec::new())
}

/// From where packets to the registry leave: what the operating system chooses for the first of its servers to which there
/// is a way. Connecting over UDP sends nothing, it only asks for the route.
pub(super) async fn route_to(registry: &[ServerAddress]) -> Option<IpAddr> {
    for server in registry {
        let found = tokio::net::lookup_host((server.host(), server.port()));
        // A name that leads nowhere now is no reason not to look at the next.
        let Ok(Ok(addresses)) = tokio::time::timeout(RESOLVE_WITHIN, found).await else { continue };
        for address in addresses {
            if let Ok(source) = source_for(address).await {
                return Some(source);
            }
        }
    }
    None
}

async fn source_for(to: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(to).await?;
    Ok(socket.local_addr()?.ip())
}
