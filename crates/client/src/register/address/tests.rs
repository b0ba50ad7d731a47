//! Which address is chosen of what a machine has.

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A machine with two networks, and IPv6 of all kinds.
fn machine() -> Vec<InterfaceAddress> {
    let of = |(name, at): (&str, &str)| InterfaceAddress { name: name.to_owned(), ip: ip(at) };
    [
        ("eth0", "10.0.0.7"),
        ("eth0", "fe80::7"),
        ("eth0", "2001:db8::7"),
        ("docker0", "172.17.0.1"),
        ("eth1", "192.168.3.4"),
        ("eth1", "fd00::4"),
        ("lo", "127.0.0.1"),
        ("lo", "::1"),
    ]
    .map(of)
    .to_vec()
}

fn seen(bound: &str, route: Option<&str>) -> Seen {
    Seen { bound: ip(bound), interfaces: machine(), route: route.map(ip) }
}

fn settings() -> RegisterSettings {
    RegisterSettings::new("orders")
}

fn host(settings: &RegisterSettings, seen: &Seen) -> Result<String, String> {
    chosen(settings, seen).map(|chosen| chosen.host)
}

#[test]
fn without_hints_it_is_the_way_to_the_registry() {
    assert_eq!(host(&settings(), &seen("0.0.0.0", Some("192.168.3.4"))).as_deref(), Ok("192.168.3.4"));
    assert_eq!(host(&settings(), &seen("0.0.0.0", None)).as_deref(), Ok("10.0.0.7"), "the first one of the machine");
}

#[test]
fn hints_count_in_their_order() {
    let all = seen("0.0.0.0", Some("10.0.0.7"));
    let mut hinted = settings();
    hinted.networks = vec!["172.16.0.0/12".parse().expect("a network"), "192.168".parse().expect("a network")];
    assert_eq!(host(&hinted, &all).as_deref(), Ok("172.17.0.1"));
    hinted.interface = Some("eth1".to_owned());
    assert_eq!(host(&hinted, &all).as_deref(), Ok("192.168.3.4"));
    // A server that is bound to one address is found there and nowhere else.
    assert_eq!(host(&settings(), &seen("172.17.0.1", Some("10.0.0.7"))).as_deref(), Ok("172.17.0.1"));
    assert!(host(&hinted, &seen("10.0.0.7", None)).is_err(), "the interface that is wanted is not listened on");
}

#[tokio::test]
async fn a_given_address_is_taken_as_it_is() {
    for given in ["shop.example", "127.0.0.1"] {
        let at = "0.0.0.0:80".parse().expect("an address");
        let chosen = choose(&settings().ip(given), &[], at).await.expect("it is given");
        assert_eq!(chosen, Chosen { host: given.to_owned(), also_v6: None });
    }
}

#[tokio::test]
async fn the_machine_itself_is_looked_at() {
    let registry = ["127.0.0.1:8848".parse().expect("a server")];
    let at = "127.0.0.1:80".parse().expect("an address");
    let chosen = choose(&settings(), &registry, at).await.expect("the registry is on this machine");
    assert_eq!(chosen.host, "127.0.0.1");
    #[cfg(unix)]
    assert!(interfaces::list().expect("interfaces").iter().any(|at| at.ip.is_loopback()));
}

#[test]
fn loopback_is_refused_unless_the_registry_is_there_or_it_is_allowed() {
    let why = host(&settings(), &seen("127.0.0.1", Some("10.0.0.7"))).expect_err("nobody else reaches it");
    assert!(why.contains("127.0.0.1") && why.contains("0.0.0.0"), "{why}");
    assert_eq!(host(&settings(), &seen("127.0.0.1", Some("127.0.0.1"))).as_deref(), Ok("127.0.0.1"));
    assert_eq!(host(&settings(), &seen("0.0.0.0", Some("127.0.0.1"))).as_deref(), Ok("127.0.0.1"));
    let mut allowed = settings();
    allowed.loopback = Loopback::Allowed;
    assert_eq!(host(&allowed, &seen("127.0.0.1", None)).as_deref(), Ok("127.0.0.1"));
    // The interface that is named is no exception; Java's starters let this one through.
    let mut named = settings();
    named.interface = Some("lo".to_owned());
    let why = host(&named, &seen("0.0.0.0", Some("10.0.0.7"))).expect_err("nobody else reaches it");
    assert!(why.contains("\"lo\"") && why.contains("10.0.0.7 (eth0)"), "{why}");
    let bare = Seen { interfaces: Vec::new(), ..seen("0.0.0.0", None) };
    assert!(host(&settings(), &bare).expect_err("there is nothing").contains("none at all"));
}

#[test]
fn kinds_of_addresses_are_told_apart() {
    let of_kind = |ip_type| RegisterSettings { ip_type, ..settings() };
    let both = seen("::", Some("10.0.0.7"));
    let any = chosen(&of_kind(IpType::Any), &both).expect("an address");
    assert_eq!(any, Chosen { host: "10.0.0.7".to_owned(), also_v6: "2001:db8::7".parse().ok() });
    let v4 = chosen(&of_kind(IpType::V4), &both).expect("an address");
    assert_eq!(v4, Chosen { host: "10.0.0.7".to_owned(), also_v6: None });
    let v6 = chosen(&of_kind(IpType::V6), &both).expect("an address");
    assert_eq!(v6, Chosen { host: "[2001:db8::7]".to_owned(), also_v6: None });
    // Who does not listen on IPv6 does not say that he does, and falls back to IPv4.
    let v4_alone = chosen(&of_kind(IpType::V6), &seen("0.0.0.0", None)).expect("an address");
    assert_eq!(v4_alone, Chosen { host: "10.0.0.7".to_owned(), also_v6: None });
    let any = chosen(&of_kind(IpType::Any), &seen("0.0.0.0", None)).expect("an address");
    assert_eq!(any.also_v6, None);
    for inner in ["fe80::7", "fec0::7", "fd00::4", "::1", "ff02::1", "::"] {
        assert_eq!(global_v6(ip(inner)), None, "{inner}");
    }
}
