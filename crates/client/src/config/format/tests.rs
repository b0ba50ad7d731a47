//! What fits, what does not, and that no value is told when it does not.

use std::collections::BTreeMap;

use super::*;
use crate::config::value::Origin;

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Settings {
    name: String,
    pool: Pool,
    #[serde(default)]
    hosts: Vec<String>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Pool {
    size: u16,
    #[serde(default)]
    mode: Mode,
}

#[derive(Debug, Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Fast,
    Safe,
}

fn expected() -> Settings {
    Settings { name: "orders".into(), pool: Pool { size: 8, mode: Mode::Safe }, hosts: vec!["a".into(), "b".into()] }
}

#[track_caller]
fn unfit(format: Format, content: &str) -> Unfit {
    let unfit = format.read::<Settings>(content).expect_err("it does not fit");
    assert!(!format!("{unfit:?} {unfit}").contains("hunter2"), "{unfit:?}");
    unfit
}

#[test]
fn every_format_is_read() {
    let json = r#"{"name":"orders","pool":{"size":8,"mode":"safe"},"hosts":["a","b"],"more":null}"#;
    assert_eq!(Format::Json.read::<Settings>(json), Ok(expected()));
    let properties = "name=orders\npool.size = 8\npool.mode: safe\nhosts[0]=a\nhosts[1]=b\n";
    assert_eq!(Format::Properties.read::<Settings>(properties), Ok(expected()));
    assert_eq!(
        Format::Properties.read::<Settings>("name orders\npool.size 8\npool.mode safe\nhosts=a, b"),
        Ok(expected())
    );
    let flat: BTreeMap<String, String> = Format::FlatProperties.read("a.b=1\nc=2").expect("a map");
    assert_eq!(flat, BTreeMap::from([("a.b".into(), "1".into()), ("c".into(), "2".into())]));
    #[cfg(feature = "yaml")]
    assert_eq!(
        Format::Yaml.read::<Settings>("name: orders\npool:\n  size: 8\n  mode: safe\nhosts: [a, b]\n"),
        Ok(expected())
    );
    #[cfg(feature = "toml")]
    assert_eq!(
        Format::Toml.read::<Settings>("name = 'orders'\nhosts = ['a', 'b']\n[pool]\nsize = 8\nmode = 'safe'\n"),
        Ok(expected())
    );
}

#[test]
fn what_does_not_fit_is_told_by_key_and_place_and_never_by_value() {
    let wrong = unfit(Format::Json, "{\"name\":\"x\",\n\"pool\":{\"size\":\"hunter2\"}}");
    assert_eq!((wrong.key.as_deref(), wrong.at.map(|(line, _)| line)), (Some("pool.size"), Some(2)));
    assert_eq!(wrong.why, "invalid type, expected u16");
    assert_eq!(unfit(Format::Json, r#"{"name":"x","pool":{}}"#).why, "missing field `size`");
    assert!(unfit(Format::Json, r#"{"name":"hunter2""#).why.starts_with("it is no JSON"));
    assert!(unfit(Format::Json, r#"{"name":"x","pool":{"size":1}} hunter2"#).why.contains("follows"));
    let mode = unfit(Format::Json, r#"{"name":"x","pool":{"size":1,"mode":"hunter2"}}"#);
    assert_eq!(mode.why, "unknown variant, expected `fast` or `safe`");

    let wrong = unfit(Format::Properties, "name=x\npool.size=hunter2");
    assert_eq!(
        (wrong.key.as_deref(), wrong.why.as_str()),
        (Some("pool.size"), "invalid type, expected a whole number")
    );
    assert_eq!(unfit(Format::Properties, "name=x\nname.y=hunter2\npool.size=1").key.as_deref(), Some("name.y"));
    assert_eq!(unfit(Format::Properties, "name=hunter2\\u12").at, Some((1, 1)));
}

#[cfg(feature = "yaml")]
#[test]
fn yaml_is_told_of_in_the_same_way() {
    let wrong = unfit(Format::Yaml, "name: x\npool:\n  size: hunter2\n");
    assert_eq!((wrong.key.as_deref(), wrong.at.map(|(line, _)| line)), (Some("pool.size"), Some(3)));
    unfit(Format::Yaml, "name: x\npool: [hunter2");
    unfit(Format::Yaml, "name: x\npool:\n  size: 1\n  mode: hunter2\n");
    unfit(Format::Yaml, "a: &a [hunter2]\nb: *c");
}

#[cfg(feature = "toml")]
#[test]
fn toml_is_told_of_in_the_same_way() {
    let wrong = unfit(Format::Toml, "name = 'x'\n[pool]\nsize = 'hunter2'\n");
    assert_eq!((wrong.key.as_deref(), wrong.at), (Some("pool.size"), Some((3, 8))));
    unfit(Format::Toml, "name = hunter2");
    unfit(Format::Toml, "name = 'x'\n[pool]\nsize = 1\nmode = 'hunter2'");
}

#[test]
fn the_declared_format_counts_before_the_end_of_the_name() {
    let of = |data_id: &str, config_type| {
        Format::of(&data_id.into(), &Config::from_content("", config_type, Origin::Server))
    };
    assert_eq!(of("x", ConfigType::Json), Ok(Format::Json));
    assert_eq!(of("x.json", ConfigType::Properties), Ok(Format::Properties));
    assert_eq!(of("x.json", ConfigType::Text), Ok(Format::Json));
    assert!(of("x.txt", ConfigType::Text).is_err());
    assert!(of("x", ConfigType::Xml).is_err());
}
