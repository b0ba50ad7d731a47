//! Names of settings, however they are spelled.

use super::*;

fn read(pairs: &[(&str, &str)]) -> ImportSettings {
    ImportSettings::from_pairs(pairs.iter().copied()).expect("all names are known")
}

#[test]
fn names_are_one_however_they_are_spelled() {
    let expected = read(&[("nacos.config.server-addr", "h:1"), ("nacos.config.refresh-enabled", "false")]);
    for (address, refresh) in [
        ("spring.cloud.nacos.config.server-addr", "spring.cloud.nacos.config.refreshEnabled"),
        ("spring.cloud.nacos.config.serverAddr", "spring.cloud.nacos.config.refresh_enabled"),
        ("SPRING_CLOUD_NACOS_CONFIG_SERVER_ADDR", "SPRING_CLOUD_NACOS_CONFIG_REFRESHENABLED"),
        ("NACOS_CONFIG_SERVER_ADDR", "NACOS_CONFIG_REFRESH_ENABLED"),
    ] {
        assert_eq!(read(&[(address, "h:1"), (refresh, "false")]), expected, "{address}");
    }
}

#[test]
fn what_stands_for_configs_alone_counts_more() {
    for pairs in [
        [("spring.cloud.nacos.username", "all"), ("spring.cloud.nacos.config.username", "configs")],
        [("spring.cloud.nacos.config.username", "configs"), ("spring.cloud.nacos.username", "all")],
    ] {
        assert_eq!(read(&pairs).value("username"), Some("configs"));
    }
    assert_eq!(read(&[("nacos.server-addr", "h")]).value("serveraddr"), Some("h"));
}

/// What the environment said about all was once lost if a file had said it before.
#[test]
fn the_environment_counts_more_than_a_file_and_replaces_its_lists() {
    let mut settings = read(&[
        ("nacos.server-addr", "file"),
        ("nacos.config.username", "file"),
        ("nacos.config.import", "nacos:a,nacos:b"),
        ("spring.profiles.active", "dev"),
    ]);
    let variables =
        [("NACOS_SERVER_ADDR", "environment"), ("NACOS_USERNAME", "environment"), ("SPRING_CONFIG_IMPORT", "nacos:c")];
    settings.add_variables(variables.map(|(name, value)| (name.into(), value.into())));
    assert_eq!((settings.value("serveraddr"), settings.value("username")), (Some("environment"), Some("file")));
    assert_eq!((settings.imports, settings.profiles), (vec!["nacos:c".to_owned()], vec!["dev".to_owned()]));
}

#[test]
fn lists_come_in_brackets_in_one_text_and_in_the_environment() {
    let expected = vec!["nacos:a".to_owned(), "optional:nacos:b".to_owned()];
    for pairs in [
        &[("spring.config.import[0]", "nacos:a"), ("spring.config.import[1]", "optional:nacos:b")][..],
        &[("spring.config.import", "nacos:a, optional:nacos:b,file:x")],
        &[("SPRING_CONFIG_IMPORT", "nacos:a;optional:nacos:b")],
        &[("nacos.config.import", "nacos:a,optional:nacos:b")],
    ] {
        assert_eq!(read(pairs).imports, expected, "{pairs:?}");
    }
    let listed = read(&[
        ("spring.cloud.nacos.config.shared-configs[0].data-id", "common.yaml"),
        ("spring.cloud.nacos.config.shared-configs[0].refresh", "true"),
        ("SPRING_CLOUD_NACOS_CONFIG_EXTENSION_CONFIGS_1_DATA_ID", "more.yaml"),
        ("SPRING_CLOUD_NACOS_CONFIG_EXTENSION_CONFIGS_1_GROUP", "G"),
    ]);
    let common = Listed { data_id: "common.yaml".into(), group: None, refresh: true };
    let more = Listed { data_id: "more.yaml".into(), group: Some("G".into()), refresh: false };
    assert_eq!((&listed.shared[&0], &listed.extensions[&1]), (&common, &more));
}

#[test]
fn a_name_that_nobody_knows_is_refused_in_settings_and_passed_over_in_the_environment() {
    for unknown in ["spring.cloud.nacos.config.server-adr", "nacos.config.shared-configs[0].dataid2", "nacos.config.x"]
    {
        let refused = ImportSettings::from_pairs([(unknown, "v")]).expect_err(unknown).to_string();
        assert!(refused.contains(unknown), "{refused}");
    }
    let mut settings = ImportSettings::default();
    settings.add_variables([("NACOS_CONFIG_SERVICE_HOST".into(), "10.0.0.1".into()), ("PATH".into(), "/bin".into())]);
    assert_eq!(settings, ImportSettings::default());
    let others = [
        ("server.port", "8080"),
        ("spring.cloud.nacos.discovery.ip", "h"),
        ("spring.cloud.nacos.config.max-retry", "3"),
    ];
    assert_eq!(read(&others), ImportSettings::default());
}

#[test]
fn without_an_import_the_program_s_own_configs_are_read() {
    let named = read(&[("spring.application.name", "orders"), ("spring.cloud.nacos.config.file-extension", "yaml")]);
    assert_eq!(named.of_the_program(), ["orders", "orders.yaml"]);
    let prefixed = read(&[("spring.application.name", "orders"), ("spring.cloud.nacos.config.prefix", "shop")]);
    assert_eq!(prefixed.of_the_program(), ["shop", "shop.properties"]);
    assert!(read(&[]).of_the_program().is_empty());
}

#[test]
fn a_time_that_is_none_and_a_password_are_handled_with_care() {
    assert!(read(&[("nacos.config.timeout", "soon")]).client_builder().is_err());
    let secret = read(&[("nacos.config.password", "hunter2"), ("nacos.config.username", "me")]);
    assert!(!format!("{secret:?}").contains("hunter2"));
    assert!(secret.client_builder().is_ok());
}
