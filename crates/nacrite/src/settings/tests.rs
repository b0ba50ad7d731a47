//! Behaviour of settings across their sources.

use super::*;

fn load(file: Option<(&str, &str)>, env: &[(&str, &str)], flags: &[(&str, &str)]) -> anyhow::Result<Settings> {
    let dir = tempfile::tempdir()?;
    let owned = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let mut sources = Sources { file: None, environment: owned(env), flags: owned(flags) };
    if let Some((name, text)) = file {
        let path = dir.path().join(name);
        std::fs::write(&path, text)?;
        sources.file = Some(path);
    }
    Settings::load(&sources).map(|(settings, _)| settings)
}

fn refusal(file: Option<(&str, &str)>, env: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    load(file, env, flags).expect_err("must be refused").to_string()
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = Some(("n.toml", "http_port = 7001\nlog = \"warn\"\n[push]\nsettle_ms = 5\nretry_ms = 700"));
    let env = [("NACRITE_HTTP_PORT", "7002"), ("NACRITE_PUSH_SETTLE_MS", "6"), ("HOME", "/x")];
    let settings = load(file, &env, &[("http_port", "7003")]).expect("all known");
    assert_eq!(settings.ports(), Ports { http: 7003, clients: 8003, nodes: 8004 });
    assert_eq!((settings.app.push.settle_ms, settings.app.push.retry_ms), (6, 700));
    assert_eq!(settings.log, "warn");
}

#[test]
fn the_names_of_nacos_are_understood() {
    let text = "nacos.server.main.port=7001\nnacos.naming.push.pushTaskDelay=250\nmanagement.metrics.export.x=1\n\
                nacos.core.auth.server.identity.key=k\nnacos.core.auth.server.identity.value=${SECRET:v}\n\
                nacos.core.auth.enabled=false\nspring.sql.init.platform=\n";
    let settings = load(Some(("application.properties", text)), &[("SECRET", "s")], &[]).expect("all known");
    assert_eq!((settings.http_port, settings.app.push.settle_ms), (7001, 250));
    assert_eq!(settings.app.identity, Some(NodeIdentity { key: "k".to_owned(), value: "s".to_owned() }));
}

#[test]
fn what_cannot_be_promised_is_refused() {
    let refused = |text| refusal(Some(("a.properties", text)), &[], &[]);
    assert!(refused("\nnacos.core.auth.enabled=true").contains(":2: nacos.core.auth.enabled: access control"));
    assert!(refused("db.url.0=jdbc:mysql://x").contains("not in a database"));
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    let toml = |text| refusal(Some(("n.toml", text)), &[], &[]);
    assert!(toml("http_prot = 1").ends_with("unknown setting http_prot; did you mean http_port?"));
    assert!(toml("[push]\nsettle = 1").ends_with("did you mean push.settle_ms?"));
    assert!(toml("zzz = 1").ends_with("; `nacrite settings` lists all"));
    let env = refusal(None, &[("NACRITE_HTTP_PRT", "1")], &[]);
    assert!(env.ends_with("unknown setting NACRITE_HTTP_PRT; did you mean NACRITE_HTTP_PORT?"), "{env}");
    let properties = refusal(Some(("a.properties", "nacos.server.main.prot=1")), &[], &[]);
    assert!(properties.ends_with("did you mean nacos.server.main.port?"), "{properties}");
    assert!(refusal(None, &[], &[("bindd", "x")]).starts_with("--set: unknown setting bindd"));
}

#[test]
fn variables_that_others_set_are_left_alone() {
    let names = ["NACRITE_BIN", "NACRITE_CONFIG", "NACRITE_SERVICE_HOST", "NACRITE_PORT", "NACRITE_PORT_8848_TCP_ADDR"];
    let settings = load(None, &names.map(|name| (name, "tcp://10.0.0.1:8848")), &[]).expect("none is a setting");
    assert_eq!(settings.http_port, 8848);
    assert_eq!(load(None, &[("NACRITE_PORT_OFFSET", "3")], &[]).expect("a setting").port_offset, 3);
}

#[test]
fn values_out_of_range_are_refused_with_the_range() {
    let refused = refusal(None, &[], &[("push.retry_ms", "99")]);
    assert_eq!(refused, "--set: push.retry_ms: expected a number from 100 to 60000, found \"99\"");
    assert!(refusal(None, &[], &[("http_port", "64535")]).contains("from 1 to 64534"));
    assert!(refusal(None, &[], &[("http_port", "64000"), ("port_offset", "1000")]).contains("no room"));
    assert!(refusal(Some(("n.toml", "http_port = 1.5")), &[], &[]).contains("whole number"));
    assert!(refusal(None, &[], &[("bind", "nowhere")]).contains("an IP address"));
}

#[test]
fn an_open_address_needs_a_word() {
    assert!(refusal(None, &[], &[("bind", "0.0.0.0")]).contains("--insecure"));
    assert!(load(None, &[], &[("bind", "0.0.0.0"), ("insecure", "true")]).is_ok());
    assert!(load(None, &[], &[("bind", "localhost")]).is_ok());
    assert!(load(None, &[], &[("bind", "::1")]).is_ok());
}

#[test]
fn half_an_identity_is_refused() {
    assert!(refusal(None, &[], &[("identity.key", "k")]).contains("belong together"));
}

#[test]
fn the_other_servers_are_read_from_the_list_of_all() {
    let base = [("identity.key", "k"), ("identity.value", "v")];
    let with = |more: &[(&str, &str)]| load(None, &[], &[&base[..], more].concat());
    let settings = with(&[("cluster.members", "127.0.0.1:8848, 127.0.0.1:8850,n3")]).expect("all good");
    let shown = |members: &[Member]| members.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(&settings.app.cluster.others), ["127.0.0.1:8850", "n3:8848"]);
    let everywhere = [("bind", "0.0.0.0"), ("insecure", "true"), ("cluster.members", "n1,n2"), ("http_port", "7000")];
    let refused = with(&everywhere).expect_err("it does not know itself").to_string();
    assert!(refused.contains("cluster.address"), "{refused}");
    let settings = with(&[&everywhere[..], &[("cluster.address", "n2")]].concat()).expect("now it does");
    assert_eq!(shown(&settings.app.cluster.others), ["n1:7000"]);
    let nacos = "nacos.member.list=127.0.0.1:8848,127.0.0.1:8852\n";
    let nacos = load(Some(("a.properties", nacos)), &[], &base).expect("as Nacos has it");
    assert_eq!(shown(&nacos.app.cluster.others), ["127.0.0.1:8852"]);
    assert!(refusal(None, &[], &[("cluster.members", "a:1")]).contains("identity"));
    assert!(with(&[("cluster.members", "a:x")]).expect_err("no port").to_string().contains("a:x"));
    assert!(refusal(None, &[], &[("balance.auto_start_percent", "5")]).contains("never rest"));
}

#[test]
fn a_secret_is_not_shown() {
    let mut settings = load(None, &[], &[("identity.key", "k"), ("identity.value", "hush")]).expect("both are set");
    let secret = find("identity.value").expect("is a setting");
    assert_eq!(secret.show(&mut settings), "(set)");
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = SETTINGS.iter().map(Setting::env_name).collect();
    names.extend(SETTINGS.iter().flat_map(|setting| setting.nacos.iter().map(|name| (*name).to_owned())));
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn every_default_is_in_its_own_range() {
    let mut settings = Settings::default();
    for setting in SETTINGS {
        let text = setting.show(&mut settings);
        assert_eq!(setting.set(&mut settings, &text), Ok(()), "{}", setting.name);
    }
}
