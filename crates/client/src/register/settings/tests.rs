//! Settings by all their names, from wherever they come.

use super::*;

fn of_toml(text: &str) -> RegisterSettings {
    RegisterSettings::default().toml(text).expect("good settings")
}

fn refused(settings: Result<RegisterSettings, Error>) -> String {
    settings.expect_err("a mistake").to_string()
}

#[test]
fn one_meaning_has_one_field_however_it_is_written() {
    let expected = RegisterSettings::new("orders").group("shop").cluster("c1").weight(2.5).disabled().keep_trying();
    let expected = expected.metadata("zone", "a").metadata("a.b", "c").ip("10.0.0.1");
    for prefix in ["nacos.discovery", "spring.cloud.nacos.discovery"] {
        let text = format!(
            "[{prefix}]\nservice = \"orders\"\ngroup = \"shop\"\ncluster-name = \"c1\"\nweight = 2.5\n\
             instance-enabled = false\nfail-fast = false\nip = \"10.0.0.1\"\nmetadata = {{ zone = \"a\", a.b = \"c\" }}"
        );
        assert_eq!(of_toml(&text), expected, "{text}");
        assert_eq!(of_toml(&text.replace("cluster-name", "clusterName").replace("fail-fast", "failFast")), expected);
    }
    let variable = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    for prefix in ["NACOS_DISCOVERY", "SPRING_CLOUD_NACOS_DISCOVERY"] {
        for cluster in ["CLUSTER_NAME", "CLUSTERNAME"] {
            let names = [
                "SERVICE",
                "GROUP",
                cluster,
                "WEIGHT",
                "INSTANCE_ENABLED",
                "FAIL_FAST",
                "IP",
                "METADATA_ZONE",
                "METADATA_A_B",
            ];
            let values = ["orders", "shop", "c1", "2.5", "false", "FALSE", "10.0.0.1", "a", "c"];
            let all = names.map(|name| format!("{prefix}_{name}"));
            let all = all.iter().map(String::as_str).zip(values).map(variable);
            assert_eq!(RegisterSettings::default().variables(all).expect("good settings"), expected);
        }
    }
    let properties = ["service", "nacos.discovery.service", "spring.cloud.nacos.discovery.service"];
    for name in properties {
        assert_eq!(RegisterSettings::default().set(name, "orders").expect("a setting").service, "orders");
    }
}

/// Every name of the starters means something, or is noted with the reason.
#[test]
fn every_name_of_the_starters_is_known() {
    let names = [
        ("server-addr", "nacos:8848"),
        ("username", "u"),
        ("password", "p"),
        ("access-key", "a"),
        ("secret-key", "s"),
        ("endpoint", "e:80"),
        ("namespace", "n"),
        ("group", "g"),
        ("cluster-name", "c"),
        ("service", "s"),
        ("heart-beat-interval", "1000"),
        ("heart-beat-timeout", "3000"),
        ("ip-delete-timeout", "9000"),
        ("watch.enabled", "true"),
        ("heart-beat.enabled", "true"),
        ("enabled", "true"),
        ("ip", "10.0.0.1"),
        ("ip-type", "IPv6"),
        ("network-interface", "eth0"),
        ("port", "-1"),
        ("secure", "true"),
        ("weight", "2"),
        ("ephemeral", "false"),
        ("instance-enabled", "false"),
        ("register-enabled", "true"),
        ("fail-fast", "false"),
        ("failure-tolerance-enabled", "true"),
        ("naming-load-cache-at-start", "true"),
        ("watch-delay", "30000"),
        ("log-name", "x"),
        ("graceful-shutdown-wait-time", "10000"),
        ("metadata.zone", "a"),
    ];
    for (name, value) in names {
        let settings = RegisterSettings::default().set(&format!("spring.cloud.nacos.discovery.{name}"), value);
        let settings = settings.expect("a name of the starters");
        let is_noted = settings.ignored().any(|(noted, why)| noted.ends_with(name) && !why.is_empty());
        let changed = settings != RegisterSettings::default();
        assert!(changed || ["port", "enabled", "register-enabled"].contains(&name), "{name} has no effect");
        let has_no_effect =
            ["watch.enabled", "heart-beat.enabled", "failure-tolerance-enabled", "watch-delay", "log-name"];
        assert_eq!(is_noted, has_no_effect.contains(&name), "{name}");
    }
}

#[test]
fn an_unknown_name_is_refused_under_our_prefix_and_noted_under_that_of_the_starters() {
    let why = refused(RegisterSettings::default().toml("[nacos.discovery]\nclustre-name = \"c\""));
    assert!(why.contains("is cluster-name meant?"), "{why}");
    let variable = ("NACOS_DISCOVERY_WIEGHT".to_owned(), "2".to_owned());
    let why = refused(RegisterSettings::default().variables([variable]));
    assert!(why.contains("NACOS_DISCOVERY_WIEGHT") && why.contains("is weight meant?"), "{why}");
    assert!(!refused(RegisterSettings::default().set("quite-something-else", "2")).contains("meant"));
    let java = of_toml("[spring.cloud.nacos.discovery]\nnaming-poll-thread-count = 2\n[server]\nport = 80");
    assert_eq!(java.ignored().count(), 1);
}

#[test]
fn a_value_that_cannot_be_is_refused_with_its_name() {
    for (name, value) in [
        ("weight", "much"),
        ("ephemeral", "yes"),
        ("port", "70000"),
        ("port", "-2"),
        ("ip-type", "IPv5"),
        ("preferred-networks", "10.0.0.0/40"),
        ("drain-wait", "soon"),
        ("drain-wait", "3h"),
        ("stop-within", "-3s"),
        ("stop-within", "99999999999999999999s"),
        ("ready-within", "999999999999999999m"),
    ] {
        let why = refused(RegisterSettings::default().set(name, value));
        assert!(why.contains(name), "{why}");
    }
    assert!(refused(RegisterSettings::default().toml("[nacos.discovery\n")).contains("no TOML"));
}

#[test]
fn what_is_said_later_wins_and_what_is_said_elsewhere_fills_gaps() {
    let settings = of_toml("[nacos.discovery]\ngroup = \"a\"\nweight = 1");
    let settings = settings.variables([("NACOS_DISCOVERY_GROUP".to_owned(), "b".to_owned())]).expect("good settings");
    assert_eq!((settings.group.as_deref(), settings.weight), (Some("b"), 1.0));
    // In whichever order they are read: those for discovery count more than those for all of Nacos.
    let shared = "[spring]\napplication.name = \"orders\"\ncloud.nacos.server-addr = \"shared\"\ncloud.nacos.username = \"all\"\n";
    let own = "cloud.nacos.discovery.server-addr = \"own\"\ncloud.nacos.discovery.username = \"one\"\n";
    for text in [format!("{shared}{own}"), format!("[spring]\n{own}\n{}", shared.replace("[spring]\n", ""))] {
        let settings = of_toml(&text);
        let access = settings.effective_access();
        assert_eq!((access.servers.as_deref(), access.user.as_deref()), (Some("own"), Some("one")));
        assert_eq!(settings.service_name(), "orders");
    }
    assert_eq!(of_toml(shared).effective_access().servers.as_deref(), Some("shared"));
}

#[test]
fn any_switch_that_is_off_keeps_it_out_of_the_registry() {
    assert!(of_toml("[nacos.discovery]\nenabled = true").is_registered());
    for off in [
        "nacos.discovery.enabled = false",
        "nacos.discovery.register-enabled = false",
        "spring.cloud.discovery.enabled = false",
        "spring.cloud.service-registry.auto-registration.enabled = false",
    ] {
        let settings = of_toml(off);
        assert!(!settings.is_registered(), "{off}");
        let name = off.split(' ').next().expect("a name");
        assert!(settings.set(name, "true").expect("a setting").is_registered(), "{off}");
    }
}

#[test]
fn lengths_of_time_are_read_with_their_units() {
    for (text, ms) in [("0", 0), ("250", 250), ("250ms", 250), ("3s", 3000), (" 2 m ", 120_000)] {
        let settings = RegisterSettings::default().set("drain-wait", text).expect("a time");
        assert_eq!(settings.bounds.drain_wait, Duration::from_millis(ms), "{text}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let settings = of_toml("[nacos.discovery]\nusername = \"orders\"\npassword = \"sesame\"\nsecret-key = \"sesame\"");
    let shown = format!("{settings:?}");
    assert!(!shown.contains("sesame") && shown.contains("orders"), "{shown}");
}

#[test]
fn names_are_told_apart() {
    let mut plain: Vec<_> = names().iter().map(|setting| setting.name.replace(['-', '.'], "")).collect();
    plain.sort_unstable();
    assert!(plain.is_sorted_by(|one, next| one < next), "two settings differ in what does not count");
}

/// The page that users read has every setting, as the table says it.
#[test]
fn the_page_about_registration_has_every_setting() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/how-to/register.md");
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let row = |setting: &Setting| {
        let also: Vec<_> = setting.also.iter().map(|name| format!(", `{name}`")).collect();
        format!("| `{}`{} | {} |", setting.name, also.concat(), setting.help)
    };
    let (effective, others): (Vec<_>, Vec<_>) = names().iter().partition(|setting| setting.has_effect());
    for list in [effective, others] {
        let rows: Vec<_> = list.into_iter().map(row).collect();
        assert!(page.contains(&rows.join("\n")), "these rows belong into {}:\n{}", path.display(), rows.join("\n"));
    }
}
