//! Clients of the first generation, which ask for a list again and again and can be told over UDP in between: where they
//! say that they listen, and which of them are told there (`reference/http.md`, 5.1).

use std::net::{IpAddr, SocketAddr};

use nacrite_base::Switches;
use nacrite_base::switches::PUSH_LANGUAGES;

use super::instance::port;
use crate::http::params::Params;
use crate::http::refusal::Refusal;

/// A version, as far as it is compared.
type Version = [u32; 3];

/// Programs that are told, and the language whose oldest version counts for each (`pushVersion`, in the order of
/// [`PUSH_LANGUAGES`]). Their names are the beginnings of what they call themselves; other programs of the same generation
/// poll, and so does everybody who only pretends to take packets.
const TOLD: [(&str, &str); 6] = [
    ("Nacos-Java-Client", "java"),
    ("Nacos-DNS", "python"),
    ("Nacos-C-Client", "c"),
    ("vip-client4cpp", "c"),
    ("Nacos-Go-Client", "go"),
    ("Nacos-CSharp-Client", "csharp"),
];

/// Whether a client that calls itself so is told over UDP. Its version is what follows `:v`; text behind the third number
/// does not count.
#[must_use]
pub fn is_told(agent: &str, switches: &Switches) -> bool {
    let oldest = TOLD.iter().find(|(name, _)| agent.starts_with(name)).and_then(|(_, language)| {
        let at = PUSH_LANGUAGES.iter().position(|known| known == language)?;
        version_of(&switches.push_versions[at])
    });
    let version = agent.split_once(":v").and_then(|(_, version)| version_of(version));
    oldest.zip(version).is_some_and(|(oldest, version)| version >= oldest)
}

fn version_of(text: &str) -> Option<Version> {
    let mut numbers = text.split(['.', '-', '_', ' ']).map_while(|part| part.parse().ok());
    Some([numbers.next()?, numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)])
}

/// Where a client that asked for a list is to be told of its changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollAsk<'a> {
    /// Where it listens, as it says.
    pub address: SocketAddr,
    /// Its application.
    pub app: &'a str,
}

/// Reads where a client of v1 listens; `None` for one that only polls. A host name is no address: the server asks nobody
/// where a client is.
///
/// # Errors
/// [`nacrite_base::Fault::PortOutOfRange`].
pub fn v1_poll<'a>(params: &'a Params<'_>) -> Result<Option<PollAsk<'a>>, Refusal> {
    read(params, "clientIP", "udpPort")
}

/// The same in v2.
///
/// # Errors
/// [`nacrite_base::Fault::PortOutOfRange`].
pub fn v2_poll<'a>(params: &'a Params<'_>) -> Result<Option<PollAsk<'a>>, Refusal> {
    read(params, "ip", "port")
}

fn read<'a>(params: &'a Params<'_>, ip: &str, udp_port: &str) -> Result<Option<PollAsk<'a>>, Refusal> {
    let udp_port = params.get(udp_port).map_or(Ok(0), port)?;
    if udp_port == 0 {
        return Ok(None);
    }
    let Some(ip) = params.get(ip).and_then(|text| text.parse::<IpAddr>().ok()) else {
        return Ok(None);
    };
    let address = SocketAddr::new(ip.to_canonical(), udp_port);
    Ok(Some(PollAsk { address, app: params.get("app").unwrap_or_default() }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::params;
    use super::*;

    #[test]
    fn some_programs_are_told_from_some_version_on() {
        for agent in [
            "Nacos-Java-Client:v1.4.7",
            "Nacos-Java-Client:v0.1.0",
            "Nacos-Java-Client:v2.10.0",
            "Nacos-Java-Client:v1.4.2-SNAPSHOT",
            "Nacos-Go-Client:v1.0.1",
            "Nacos-DNS:v1.0.1",
            "Nacos-C-Client:v1.0.21",
            "vip-client4cpp:v1.0.12",
            "Nacos-CSharp-Client:v0.9",
        ] {
            assert!(is_told(agent, &Switches::default()), "{agent}");
        }
        for agent in [
            "Nacos-Java-Client:v0.0.9",
            "Nacos-Java-Client",
            "Nacos-Java-Client:vx.y.z",
            "Nacos-Java-Client:v",
            "Nacos-DNS:v0.4.2",
            "Nacos-C-Client:v1.0.11",
            "Nacos-CSharp-Client:v0.8.99",
            "Nacos-Python-Client:v2.0.0",
            "Nacos-SDK-Java:v1.0.0",
            "unit-nginx:v1.0.0",
            "curl/8",
            "",
        ] {
            assert!(!is_told(agent, &Switches::default()), "{agent}");
        }
    }

    #[test]
    fn operators_say_from_which_version_on() {
        let mut switches = Switches::default();
        assert!(switches.set("pushVersion", "java:1.4.2").is_ok());
        assert!(is_told("Nacos-Java-Client:v1.4.2", &switches));
        assert!(!is_told("Nacos-Java-Client:v1.4.1", &switches));
        assert!(is_told("Nacos-Go-Client:v1.0.1", &switches), "each language for itself");
    }

    #[test]
    fn a_client_says_where_it_listens() {
        let expected = PollAsk { address: ([127, 0, 0, 1], 39999).into(), app: "demo" };
        let given = params(&[("udpPort", "39999"), ("clientIP", "127.0.0.1"), ("app", "demo")]);
        assert_eq!(v1_poll(&given).ok().flatten(), Some(expected));
        let given = params(&[("port", "39999"), ("ip", "::ffff:127.0.0.1"), ("app", "demo")]);
        assert_eq!(v2_poll(&given).ok().flatten(), Some(expected));
    }

    #[test]
    fn who_says_nothing_of_use_only_polls() {
        for only_polls in [
            &[][..],
            &[("udpPort", "0"), ("clientIP", "127.0.0.1")],
            &[("udpPort", "39999")],
            &[("udpPort", "39999"), ("clientIP", "")],
            &[("udpPort", "39999"), ("clientIP", "some.host")],
            &[("port", "39999"), ("ip", "127.0.0.1")],
        ] {
            assert!(v1_poll(&params(only_polls)).is_ok_and(|ask| ask.is_none()), "{only_polls:?}");
        }
        for refused in ["x", "-1", "65536"] {
            assert!(v1_poll(&params(&[("udpPort", refused), ("clientIP", "127.0.0.1")])).is_err(), "{refused}");
        }
    }
}
