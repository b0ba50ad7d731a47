//! Decides under which address others reach this server, and says why if there is none.
//!
//! In this order: the address that is given; an address of the interface that is named; one in a network that is preferred;
//! the one that the server is bound to, if it is a single one; the one from which packets to the registry leave, because
//! whoever can talk to the registry can most likely talk to that; the first one of the machine. `interfaces` looks at the
//! machine; the choice itself is pure.

mod interfaces;
mod network;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

pub use network::Network;

use super::settings::{IpType, Loopback, RegisterSettings};
use crate::server::ServerAddress;
use interfaces::InterfaceAddress;

/// What there is to choose from.
#[derive(Debug)]
struct Seen {
    /// To what the server is bound.
    bound: IpAddr,
    interfaces: Vec<InterfaceAddress>,
    /// From where packets to the registry leave.
    route: Option<IpAddr>,
}

/// The address that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Address or name; IPv6 in brackets, as Nacos's starters write it.
    pub(super) host: String,
    /// The IPv6 address beside an IPv4 one, for the metadata.
    pub(super) also_v6: Option<Ipv6Addr>,
}

/// Chooses the address under which a server bound to `bound` is registered.
///
/// # Errors
/// Why there is none, and what to do.
pub(super) async fn choose(
    settings: &RegisterSettings,
    registry: &[ServerAddress],
    bound: SocketAddr,
) -> Result<Chosen, String> {
    if let Some(given) = &settings.ip {
        return Ok(Chosen { host: given.clone(), also_v6: None });
    }
    let interfaces = interfaces::list().map_err(|error| format!("the interfaces cannot be listed: {error}"))?;
    let route = interfaces::route_to(registry).await;
    chosen(settings, &Seen { bound: bound.ip(), interfaces, route })
}

fn chosen(settings: &RegisterSettings, seen: &Seen) -> Result<Chosen, String> {
    let is_bound = |ip: &IpAddr| reaches(seen.bound, *ip);
    let is_reachable = |ip: &IpAddr| !ip.is_loopback() || loopback_may_be(settings, seen);
    let usable = || seen.interfaces.iter().filter(|at| is_bound(&at.ip) && is_reachable(&at.ip));
    let ip = if let Some(name) = &settings.interface {
        let of_it = usable().filter(|at| at.name == *name).map(|at| at.ip);
        best(settings.ip_type, of_it).ok_or_else(|| of_interface(name, seen))?
    } else if !settings.networks.is_empty() {
        let mut by_network = settings
            .networks
            .iter()
            .filter_map(|network| best(settings.ip_type, usable().map(|at| at.ip).filter(|ip| network.contains(*ip))));
        by_network.next().ok_or_else(|| of_networks(&settings.networks, seen))?
    } else {
        by_itself(settings.ip_type, seen, &is_reachable)?
    };
    // Beside an IPv4 address only: who looks for the other one finds it there.
    let wants_v6 = settings.ip_type == IpType::Any && ip.is_ipv4();
    let also_v6 = usable().filter_map(|at| global_v6(at.ip)).next().filter(|_| wants_v6);
    Ok(Chosen { host: shown(ip), also_v6 })
}

/// The address without any hint: what the server is bound to, then the way to the registry, then what the machine has.
fn by_itself(wanted: IpType, seen: &Seen, is_reachable: &impl Fn(&IpAddr) -> bool) -> Result<IpAddr, String> {
    if !seen.bound.is_unspecified() {
        return Some(seen.bound).filter(is_reachable).ok_or_else(|| {
            format!("it listens on {}, which nobody else can reach: listen on 0.0.0.0, or allow `loopback`", seen.bound)
        });
    }
    let all = || {
        let of_machine = seen.interfaces.iter().map(|at| at.ip);
        seen.route.into_iter().chain(of_machine).filter(|ip| reaches(seen.bound, *ip)).filter(is_reachable)
    };
    best(wanted, all()).ok_or_else(|| format!("no address that others can reach, only {}: set `ip`", list(seen)))
}

/// The first address of the kind that is wanted; else the first of the other kind.
fn best(wanted: IpType, ips: impl Iterator<Item = IpAddr>) -> Option<IpAddr> {
    let ips: Vec<_> = ips.filter(|ip| ip.is_ipv4() || ip.is_loopback() || global_v6(*ip).is_some()).collect();
    let of_kind = |ip: &&IpAddr| ip.is_ipv6() == (wanted == IpType::V6);
    let other = || ips.first().filter(|ip| wanted != IpType::V4 || ip.is_ipv4());
    ips.iter().find(of_kind).or_else(other).copied()
}

/// Whether a server bound to one address is reached by the other.
fn reaches(bound: IpAddr, ip: IpAddr) -> bool {
    match bound {
        // A socket that is bound to all of IPv6 takes IPv4 as well, unless it was told not to.
        IpAddr::V6(bound) if bound.is_unspecified() => true,
        IpAddr::V4(bound) if bound.is_unspecified() => ip.is_ipv4(),
        bound => bound == ip,
    }
}

/// An IPv6 address that others can be expected to reach: neither loopback nor one of those for a link, a site or inside
/// (`fd00`), as Nacos's starters have it.
fn global_v6(ip: IpAddr) -> Option<Ipv6Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let first = ip.segments()[0];
    let is_site_local = first & 0xffc0 == 0xfec0;
    let is_inner = first & 0xff00 == 0xfd00;
    let is_of_no_use = ip.is_loopback() || ip.is_unspecified() || ip.is_multicast();
    (!is_of_no_use && !ip.is_unicast_link_local() && !is_site_local && !is_inner).then_some(ip)
}

fn loopback_may_be(settings: &RegisterSettings, seen: &Seen) -> bool {
    match settings.loopback {
        Loopback::Allowed => true,
        // Packets to a registry on the same machine never leave it.
        Loopback::WithLocalRegistry => seen.route.is_some_and(|ip| ip.is_loopback()),
    }
}

fn shown(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn list(seen: &Seen) -> String {
    let all: Vec<_> = seen.interfaces.iter().map(|at| format!("{} ({})", at.ip, at.name)).collect();
    if all.is_empty() { "none at all".to_owned() } else { all.join(", ") }
}

fn of_interface(name: &str, seen: &Seen) -> String {
    format!("the interface {name:?} has no address that others can reach; there are {}", list(seen))
}

fn of_networks(networks: &[Network], seen: &Seen) -> String {
    let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
    format!("no address in {}; there are {}", networks.join(", "), list(seen))
}

#[cfg(test)]
mod tests;
