//! A network, as `10.0.0.0/8`, or as the beginning of an address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use crate::error::Error;

/// Addresses that begin alike: `10.0.0.0/8`, `2001:db8::/32`, a single address, or the first parts of an IPv4 address as
/// Spring's `preferred-networks` has them (`192.168`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    ip: IpAddr,
    prefix_len: u8,
}

impl Network {
    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        // A shift by all bits is none, hence `checked`: a prefix of no bits has every address in it.
        match (self.ip, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                let differs = u32::from(own) ^ u32::from(ip);
                differs.checked_shr(32 - u32::from(self.prefix_len)).unwrap_or_default() == 0
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                let differs = u128::from(own) ^ u128::from(ip);
                differs.checked_shr(128 - u32::from(self.prefix_len)).unwrap_or_default() == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let invalid = || Error::Invalid(format!("{text:?} is no network: write it as 10.0.0.0/8, or as 192.168"));
        if let Some((ip, len)) = text.split_once('/') {
            let ip: IpAddr = ip.parse().map_err(|_| invalid())?;
            let len_max = if ip.is_ipv4() { 32 } else { 128 };
            let prefix_len = len.parse().ok().filter(|len| *len <= len_max).ok_or_else(invalid)?;
            return Ok(Self { ip, prefix_len });
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Ok(Self { ip, prefix_len: if ip.is_ipv4() { 32 } else { 128 } });
        }
        let (mut octets, mut prefix_len) = ([0; 4], 0);
        let mut parts = text.strip_suffix('.').unwrap_or(text).split('.');
        for octet in &mut octets {
            let Some(part) = parts.next() else { break };
            *octet = part.parse().map_err(|_| invalid())?;
            prefix_len += 8;
        }
        if parts.next().is_some() {
            return Err(invalid());
        }
        Ok(Self { ip: Ipv4Addr::from(octets).into(), prefix_len })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_in_their_networks_and_in_no_other() {
        let holds = |network: &str, ip: &str| {
            let network: Network = network.parse().expect("a network");
            network.contains(ip.parse().expect("an address"))
        };
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.1.2.3/31", "10.1.2.2", "10.1.2.4"),
            ("192.168", "192.168.3.4", "192.169.0.1"),
            ("192.168.", "192.168.3.4", "192.169.0.1"),
            ("10.0.0.7", "10.0.0.7", "10.0.0.8"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("2001:db8::/32", "2001:db8:1::1", "2001:db9::1"),
            ("::/0", "fe80::1", "1.2.3.4"),
        ] {
            assert!(holds(network, inside), "{network} {inside}");
            assert!(!holds(network, outside), "{network} {outside}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in ["", "10.0.0.0/33", "::/129", "10.x", "1.2.3.4.5", "10.0.0.0/", "^192.*", "300.1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
