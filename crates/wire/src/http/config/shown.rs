//! Configs as operators and clients see them, in the models of v1, v2 and v3 (`reference/http.md`, 2.5.2 and 4.3.1).
//!
//! Which of its fields a model leaves `null` is what the recorded server happened to read from its database; callers got
//! used to it. The default namespace is blank in v1 and v2, as 2.5.1 writes it, and `public` in v3.

use std::collections::BTreeMap;

use nacrite_base::{Attributes, ConfigKey, ConfigType, ContentDigest, Publisher, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::http::envelope::write_list;
use crate::json;
use crate::to_wire::config::url_encoded;

/// A version of a config, with what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct ConfigShown<'a> {
    /// The number of the config; for a gray version a number of its own.
    pub id: u64,
    /// Which config.
    pub key: &'a ConfigKey,
    /// Digest of the content.
    pub digest: &'a ContentDigest,
    /// What its publisher said about it.
    pub attributes: &'a Attributes,
    /// Who published it.
    pub by: &'a Publisher,
    /// When the version was first made.
    pub created_at: Timestamp,
    /// When it got its content.
    pub modified_at: Timestamp,
}

/// Who gets a gray version.
#[derive(Clone, Copy, Debug)]
pub struct GrayShown<'a> {
    /// `beta` or `tag_<tag>`.
    pub name: &'a str,
    /// `beta` or `tag`.
    pub kind: &'static str,
    /// The addresses, comma-separated, or the tag.
    pub expression: &'a str,
    /// Higher is tried first.
    pub priority: i32,
}

/// The version of the rules of gray versions.
pub(super) const RULE_VERSION: &str = "1.0.0";

impl GrayShown<'_> {
    /// The rule as Nacos keeps it: JSON inside a text.
    fn rule(&self) -> String {
        #[derive(Serialize)]
        struct Rule<'a> {
            #[serde(rename = "type")]
            kind: &'a str,
            version: &'a str,
            expr: &'a str,
            priority: i32,
        }
        let rule = Rule { kind: self.kind, version: RULE_VERSION, expr: self.expression, priority: self.priority };
        String::from_utf8(json::bytes(&rule)).unwrap_or_default()
    }
}

impl<'a> ConfigShown<'a> {
    fn app_name(&self) -> &'a str {
        self.attributes.app_name.as_deref().unwrap_or_default()
    }

    fn encrypted_key(&self) -> &'a str {
        self.attributes.encrypted_key.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> Option<String> {
        let tags = self.attributes.tags.as_ref().filter(|tags| !tags.is_empty())?;
        Some(tags.join(","))
    }
}

/// The namespace as 2.5.1 writes it.
pub(super) fn tenant(key: &ConfigKey) -> &str {
    if key.namespace.is_public() { "" } else { key.namespace.as_str() }
}

/// One page of a list: `totalCount`, `pageNumber`, `pagesAvailable` and `pageItems`; `write` writes one item.
#[must_use]
pub fn page<T>(
    total: usize,
    number: usize,
    size: usize,
    items: impl IntoIterator<Item = T>,
    write: impl FnMut(&mut Vec<u8>, T),
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"totalCount\":");
    json::write(&mut out, &total);
    out.extend_from_slice(b",\"pageNumber\":");
    json::write(&mut out, &number);
    out.extend_from_slice(b",\"pagesAvailable\":");
    json::write(&mut out, &total.div_ceil(size.max(1)));
    out.extend_from_slice(b",\"pageItems\":");
    write_list(&mut out, items, write);
    out.push(b'}');
    out
}

// --- v1 ---

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigInfo<'a> {
    id: String,
    data_id: &'a str,
    group: &'a str,
    content: Option<&'a str>,
    md5: Option<&'a str>,
    encrypted_data_key: Option<&'a str>,
    tenant: &'a str,
    app_name: &'a str,
    #[serde(rename = "type")]
    config_type: Option<&'a str>,
}

impl<'a> ConfigInfo<'a> {
    fn of(config: &ConfigShown<'a>, content: Option<&'a str>) -> Self {
        Self {
            id: config.id.to_string(),
            data_id: config.key.data_id.as_str(),
            group: config.key.group.as_str(),
            content,
            md5: None,
            encrypted_data_key: None,
            tenant: tenant(config.key),
            app_name: config.app_name(),
            config_type: Some(config.attributes.config_type.as_str()),
        }
    }
}

/// How a config was searched for, which decides what a line of the answer says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Searched {
    /// With wildcards.
    pub wildcards: bool,
    /// By tags.
    pub by_tags: bool,
}

/// A line of a search in v1.
pub fn line_v1(out: &mut Vec<u8>, config: &ConfigShown<'_>, content: &str, searched: Searched) {
    let info = ConfigInfo::of(config, Some(content));
    json::write(
        out,
        &ConfigInfo {
            // Recorded: `v1/cs-search-blur`, `v1/cs-delete`.
            encrypted_data_key: (searched.wildcards && !searched.by_tags).then(|| config.encrypted_key()),
            config_type: info.config_type.filter(|_| searched.wildcards || !searched.by_tags),
            ..info
        },
    );
}

/// A config among those of its namespace, in v1 and v2. It has no number there (recorded: `v2/cs-history`).
pub fn namesake_v1(out: &mut Vec<u8>, config: &ConfigShown<'_>) {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Wrapper<'a> {
        #[serde(flatten)]
        info: ConfigInfo<'a>,
        last_modified: u64,
    }
    let info = ConfigInfo { id: "0".to_owned(), ..ConfigInfo::of(config, None) };
    let last_modified = config.modified_at.as_ms();
    json::write(out, &Wrapper { info, last_modified });
}

/// Everything known of a config: `ConfigAllInfo`.
#[must_use]
pub fn detail_v1(config: &ConfigShown<'_>, content: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct AllInfo<'a> {
        #[serde(flatten)]
        info: ConfigInfo<'a>,
        #[serde(flatten)]
        advance: AdvanceInfo<'a>,
    }
    let info = ConfigInfo {
        md5: Some(config.digest.as_str()),
        encrypted_data_key: Some(config.encrypted_key()),
        ..ConfigInfo::of(config, Some(content))
    };
    // The format stands among the first fields already.
    let advance = AdvanceInfo { config_type: None, ..AdvanceInfo::of(config) };
    json::bytes(&AllInfo { info, advance })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdvanceInfo<'a> {
    create_time: u64,
    modify_time: u64,
    create_user: Option<&'a str>,
    create_ip: &'a str,
    desc: Option<&'a str>,
    #[serde(rename = "use")]
    usage: Option<&'a str>,
    effect: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    config_type: Option<&'a str>,
    schema: Option<&'a str>,
    config_tags: Option<String>,
}

impl<'a> AdvanceInfo<'a> {
    fn of(config: &ConfigShown<'a>) -> Self {
        let attributes = config.attributes;
        Self {
            create_time: config.created_at.as_ms(),
            modify_time: config.modified_at.as_ms(),
            create_user: config.by.user.as_deref(),
            create_ip: &config.by.ip,
            desc: attributes.description.as_deref(),
            usage: attributes.usage.as_deref(),
            effect: attributes.effect.as_deref(),
            config_type: Some(attributes.config_type.as_str()),
            schema: attributes.schema.as_deref(),
            config_tags: config.tags(),
        }
    }
}

/// What is said about a config beside its content: `ConfigAdvanceInfo`.
#[must_use]
pub fn advance_v1(config: &ConfigShown<'_>) -> Vec<u8> {
    json::bytes(&AdvanceInfo::of(config))
}

/// A beta version: `ConfigInfo4Beta`.
#[must_use]
pub fn beta_v1(config: &ConfigShown<'_>, content: &str, ips: &str) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Beta<'a> {
        #[serde(flatten)]
        info: ConfigInfo<'a>,
        beta_ips: &'a str,
    }
    let key = config.encrypted_key();
    let info = ConfigInfo {
        md5: Some(config.digest.as_str()),
        encrypted_data_key: (!key.is_empty()).then_some(key),
        config_type: None,
        ..ConfigInfo::of(config, Some(content))
    };
    json::bytes(&Beta { info, beta_ips: ips })
}

/// `RestResult` with any code and message.
#[must_use]
pub fn rest_result_of(code: i32, message: &str, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(48 + message.len() + data.len());
    out.extend_from_slice(b"{\"code\":");
    json::write(&mut out, &code);
    out.extend_from_slice(b",\"message\":");
    json::write(&mut out, message);
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(data);
    out.push(b'}');
    out
}

/// Digests by address or by key. Of several listeners at one place one is told, as in Nacos.
pub type Holdings = BTreeMap<String, String>;

/// Who listens to what, in v1. The misspelling is the wire's.
#[must_use]
pub fn listeners_v1(held: &Holdings) -> Vec<u8> {
    let mut out = b"{\"collectStatus\":200,\"lisentersGroupkeyStatus\":".to_vec();
    json::write(&mut out, held);
    out.push(b'}');
    out
}

/// Who listens to what, as nodes before 3.0 tell each other.
#[must_use]
pub fn watchers_v1(held: &Holdings) -> Vec<u8> {
    let mut out = b"{\"lisentersGroupkeyStatus\":".to_vec();
    json::write(&mut out, held);
    out.push(b'}');
    out
}

// --- v3 ---

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BasicInfo<'a> {
    id: String,
    namespace_id: &'a str,
    group_name: &'a str,
    data_id: &'a str,
    md5: Option<&'a str>,
    #[serde(rename = "type")]
    config_type: Option<&'a str>,
    app_name: &'a str,
    create_time: u64,
    modify_time: u64,
}

impl<'a> BasicInfo<'a> {
    fn of(config: &ConfigShown<'a>) -> Self {
        Self {
            id: config.id.to_string(),
            namespace_id: config.key.namespace.as_str(),
            group_name: config.key.group.as_str(),
            data_id: config.key.data_id.as_str(),
            md5: Some(config.digest.as_str()),
            config_type: Some(config.attributes.config_type.as_str()),
            app_name: config.app_name(),
            create_time: config.created_at.as_ms(),
            modify_time: config.modified_at.as_ms(),
        }
    }
}

/// A line of a search in v3. It says no times (recorded: `v3/console-config-list`).
pub fn line_v3(out: &mut Vec<u8>, config: &ConfigShown<'_>, searched: Searched) {
    let info = BasicInfo::of(config);
    json::write(
        out,
        &BasicInfo { md5: info.md5.filter(|_| !searched.by_tags), create_time: 0, modify_time: 0, ..info },
    );
}

/// A config among those of its namespace, in v3.
pub fn namesake_v3(out: &mut Vec<u8>, config: &ConfigShown<'_>) {
    json::write(out, &BasicInfo { id: "0".to_owned(), md5: None, create_time: 0, ..BasicInfo::of(config) });
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DetailInfo<'a> {
    #[serde(flatten)]
    basic: BasicInfo<'a>,
    content: &'a str,
    desc: Option<&'a str>,
    encrypted_data_key: Option<&'a str>,
    create_user: Option<&'a str>,
    create_ip: Option<&'a str>,
    config_tags: Option<String>,
}

/// Everything that v3 says of a config: `ConfigDetailInfo`.
#[must_use]
pub fn detail_v3(config: &ConfigShown<'_>, content: &str) -> Vec<u8> {
    json::bytes(&DetailInfo {
        basic: BasicInfo::of(config),
        content,
        desc: config.attributes.description.as_deref(),
        encrypted_data_key: Some(config.encrypted_key()),
        create_user: config.by.user.as_deref(),
        create_ip: Some(&config.by.ip),
        config_tags: config.tags(),
    })
}

/// A gray version: `ConfigGrayInfo`.
#[must_use]
pub fn gray_v3(config: &ConfigShown<'_>, content: &str, gray: &GrayShown<'_>) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct GrayInfo<'a> {
        #[serde(flatten)]
        detail: DetailInfo<'a>,
        gray_name: &'a str,
        gray_rule: String,
    }
    let key = config.encrypted_key();
    let detail = DetailInfo {
        basic: BasicInfo { config_type: None, create_time: 0, ..BasicInfo::of(config) },
        content,
        desc: None,
        encrypted_data_key: (!key.is_empty()).then_some(key),
        create_user: config.by.user.as_deref(),
        create_ip: None,
        config_tags: None,
    };
    json::bytes(&GrayInfo { detail, gray_name: gray.name, gray_rule: gray.rule() })
}

/// Who listens to what, in v3; `query` says by what was asked, `config` or `ip`.
#[must_use]
pub fn listeners_v3(query: &'static str, held: &Holdings) -> Vec<u8> {
    let mut out = b"{\"queryType\":".to_vec();
    json::write(&mut out, query);
    out.extend_from_slice(b",\"listenersStatus\":");
    json::write(&mut out, held);
    out.push(b'}');
    out
}

/// A config as a client reads it in v3.
#[derive(Clone, Copy, Debug)]
pub struct ConfigRead<'a> {
    /// The content as it is stored.
    pub content: &'a str,
    /// The encrypted key of the content; `None` for gray versions without one.
    pub encrypted_key: Option<&'a str>,
    /// The declared format, if it is known.
    pub config_type: Option<ConfigType>,
    /// Digest of the content.
    pub digest: &'a ContentDigest,
    /// When it was published.
    pub modified_at: Timestamp,
    /// It is the beta version.
    pub beta: bool,
    /// It is the version of this tag.
    pub tag: Option<&'a str>,
}

/// What a client reads in v3: the answer of gRPC inside the envelope of HTTP.
#[must_use]
pub fn read_v3(config: &ConfigRead<'_>) -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Response<'a> {
        result_code: i32,
        error_code: i32,
        message: Option<&'a str>,
        request_id: Option<&'a str>,
        content: &'a str,
        encrypted_data_key: Option<&'a str>,
        content_type: Option<&'a str>,
        md5: &'a str,
        last_modified: u64,
        tag: Option<String>,
        beta: bool,
        success: bool,
    }
    let response = Response {
        result_code: crate::codes::result::SUCCESS,
        error_code: 0,
        message: None,
        request_id: None,
        content: config.content,
        encrypted_data_key: config.encrypted_key,
        content_type: config.config_type.map(ConfigType::as_str),
        md5: config.digest.as_str(),
        last_modified: config.modified_at.as_ms(),
        tag: config.tag.map(url_encoded),
        beta: config.beta,
        success: true,
    };
    let mut out = Vec::with_capacity(config.content.len() + config.content.len() / 8 + 320);
    json::write(&mut out, &response);
    out
}

/// What clients say they know of a config: one object of everything that is in theirs. What is no object says nothing.
#[must_use]
pub fn merged<'a>(said: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut all: BTreeMap<String, &RawValue> = BTreeMap::new();
    for said in said {
        let fields: Option<BTreeMap<String, &RawValue>> = serde_json::from_str(said).ok();
        all.extend(fields.unwrap_or_default());
    }
    json::bytes(&all)
}

/// A tag as headers carry it.
#[must_use]
pub fn tag_header(tag: &str) -> String {
    url_encoded(tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{DataId, GroupName, NamespaceId};
    use serde_json::{Value, json};

    struct Parts {
        key: ConfigKey,
        digest: ContentDigest,
        attributes: Attributes,
        by: Publisher,
    }

    impl Parts {
        fn of(namespace: NamespaceId) -> Self {
            let attributes = Attributes {
                config_type: ConfigType::Yaml,
                app_name: Some("shop".into()),
                description: Some("d".into()),
                tags: Some(vec!["a".into(), "b".into()]),
                ..Attributes::default()
            };
            Self {
                key: ConfigKey { namespace, group: GroupName::from_stored("g"), data_id: DataId::from_stored("d") },
                digest: ContentDigest::from_stored("0a"),
                attributes,
                by: Publisher { user: None, ip: "10.0.0.1".into() },
            }
        }

        fn shown(&self) -> ConfigShown<'_> {
            ConfigShown {
                id: 7,
                key: &self.key,
                digest: &self.digest,
                attributes: &self.attributes,
                by: &self.by,
                created_at: Timestamp::from_ms(1),
                modified_at: Timestamp::from_ms(2),
            }
        }
    }

    fn value(json: &[u8]) -> Value {
        serde_json::from_slice(json).expect("JSON")
    }

    #[test]
    fn v1_says_everything_once() {
        let parts = Parts::of(NamespaceId::public());
        assert_eq!(
            value(&detail_v1(&parts.shown(), "x")),
            json!({"id": "7", "dataId": "d", "group": "g", "content": "x", "md5": "0a", "encryptedDataKey": "",
                "tenant": "", "appName": "shop", "type": "yaml", "createTime": 1, "modifyTime": 2, "createUser": null,
                "createIp": "10.0.0.1", "desc": "d", "use": null, "effect": null, "schema": null, "configTags": "a,b"})
        );
        let advance = value(&advance_v1(&parts.shown()));
        assert_eq!((&advance["type"], &advance["id"]), (&json!("yaml"), &Value::Null));
    }

    #[test]
    fn a_line_says_what_the_recorded_search_said() {
        let parts = Parts::of(NamespaceId::from_stored("dev"));
        for (wildcards, by_tags, key, config_type) in [
            (false, false, Value::Null, json!("yaml")),
            (false, true, Value::Null, Value::Null),
            (true, false, json!(""), json!("yaml")),
            (true, true, Value::Null, json!("yaml")),
        ] {
            let mut out = Vec::new();
            line_v1(&mut out, &parts.shown(), "x", Searched { wildcards, by_tags });
            let line = value(&out);
            assert_eq!((&line["encryptedDataKey"], &line["type"]), (&key, &config_type), "{line}");
            assert_eq!((&line["md5"], &line["tenant"]), (&Value::Null, &json!("dev")));
        }
    }

    #[test]
    fn v3_names_the_default_namespace() {
        let parts = Parts::of(NamespaceId::public());
        assert_eq!(
            value(&detail_v3(&parts.shown(), "x")),
            json!({"id": "7", "namespaceId": "public", "groupName": "g", "dataId": "d", "md5": "0a", "type": "yaml",
                "appName": "shop", "createTime": 1, "modifyTime": 2, "content": "x", "desc": "d",
                "encryptedDataKey": "", "createUser": null, "createIp": "10.0.0.1", "configTags": "a,b"})
        );
    }

    #[test]
    fn a_gray_rule_is_json_inside_a_text() {
        let parts = Parts::of(NamespaceId::public());
        let gray = GrayShown { name: "beta", kind: "beta", expression: "10.1.1.1,10.1.1.2", priority: i32::MAX };
        let info = value(&gray_v3(&parts.shown(), "x", &gray));
        assert_eq!(
            info["grayRule"],
            json!(r#"{"type":"beta","version":"1.0.0","expr":"10.1.1.1,10.1.1.2","priority":2147483647}"#)
        );
        assert_eq!(
            (&info["type"], &info["createIp"], &info["encryptedDataKey"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
    }

    #[test]
    fn pages_are_counted_up() {
        let write = |out: &mut Vec<u8>, item: u8| json::write(out, &item);
        assert_eq!(
            value(&page(5, 2, 2, [1, 2], write)),
            json!({"totalCount": 5, "pageNumber": 2, "pagesAvailable": 3, "pageItems": [1, 2]})
        );
        assert_eq!(value(&page(0, 1, 10, [], write))["pagesAvailable"], json!(0));
    }

    #[test]
    fn listeners_are_told_by_place() {
        let held = Holdings::from([("10.0.0.1".to_owned(), "0a".to_owned())]);
        assert_eq!(
            value(&listeners_v1(&held)),
            json!({"collectStatus": 200, "lisentersGroupkeyStatus": {"10.0.0.1": "0a"}})
        );
        assert_eq!(value(&watchers_v1(&held)), json!({"lisentersGroupkeyStatus": {"10.0.0.1": "0a"}}));
        assert_eq!(
            value(&listeners_v3("config", &held)),
            json!({"queryType": "config", "listenersStatus": {"10.0.0.1": "0a"}})
        );
    }

    #[test]
    fn what_clients_say_is_put_together() {
        let said = [r#"{"a":"1","b":{"c":2}}"#, "no object", r#"{"a":3}"#];
        assert_eq!(value(&merged(said)), json!({"a": 3, "b": {"c": 2}}));
        assert_eq!(merged([]), b"{}");
    }
}
