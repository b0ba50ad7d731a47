//! The history of configs, in the models of v1, v2 and v3 (`reference/http.md`, 2.5.2 and 4.3.1).

use nacrite_base::{Attributes, ConfigKey, ContentDigest, Publisher, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

use super::shown::{GrayShown, RULE_VERSION, tenant};
use crate::http::dates::iso_date;
use crate::json;

/// A row of the history.
#[derive(Clone, Copy, Debug)]
pub struct HistoryShown<'a> {
    /// Its number.
    pub id: u64,
    /// Which config.
    pub key: &'a ConfigKey,
    /// What was done: `I`, `U` or `D`.
    pub letter: char,
    /// The name of the gray version it was done to; `None` for the formal one.
    pub gray: Option<&'a str>,
    /// Who gets that version, if it is known.
    pub rule: Option<GrayShown<'a>>,
    /// Digest of the content that the row shows.
    pub digest: &'a ContentDigest,
    /// What was said about that content.
    pub attributes: &'a Attributes,
    /// Who published that content.
    pub published_by: &'a Publisher,
    /// Who did it.
    pub by: &'a Publisher,
    /// When.
    pub at: Timestamp,
}

impl<'a> HistoryShown<'a> {
    /// What was done, as the database fills it up.
    fn operation(&self) -> String {
        format!("{:<10}", self.letter)
    }

    fn publish_type(&self) -> &'static str {
        if self.gray.is_some() { "gray" } else { "formal" }
    }

    fn gray_name(&self) -> &'a str {
        self.gray.unwrap_or_default()
    }

    fn app_name(&self) -> &'a str {
        self.attributes.app_name.as_deref().unwrap_or_default()
    }

    fn encrypted_key(&self) -> &'a str {
        self.attributes.encrypted_key.as_deref().unwrap_or_default()
    }

    /// What else was said about the content, as JSON inside a text. The order of its keys is the recorded one; it differs
    /// between a first publish and everything after it (recorded: `v2/cs-history`).
    #[must_use]
    pub fn extra(&self) -> String {
        let tags = self.attributes.tags.as_ref().map(|tags| tags.join(","));
        let user = ("src_user", self.published_by.user.as_deref());
        let config_type = ("type", Some(self.attributes.config_type.as_str()));
        let tags = ("config_tags", tags.as_deref());
        let effect = ("effect", self.attributes.effect.as_deref());
        let description = ("c_desc", self.attributes.description.as_deref());
        let usage = ("c_use", self.attributes.usage.as_deref());
        let schema = ("c_schema", self.attributes.schema.as_deref());
        let rule = self.rule.as_ref().map(rule);
        let fields = match self.gray {
            Some(_) => vec![("gray_name", self.gray), user, ("gray_rule", rule.as_deref())],
            None if self.letter == 'I' => vec![user, schema, usage, effect, config_type, tags, description],
            None => vec![config_type, tags, effect, user, description, usage, schema],
        };
        object(&fields)
    }
}

/// The rule of a gray version as the history keeps it: in another order, and with its priority as a text.
fn rule(gray: &GrayShown<'_>) -> String {
    let priority = gray.priority.to_string();
    object(&[
        ("type", Some(gray.kind)),
        ("expr", Some(gray.expression)),
        ("version", Some(RULE_VERSION)),
        ("priority", Some(&priority)),
    ])
}

/// A JSON object of the fields that are not blank, in their order.
fn object(fields: &[(&str, Option<&str>)]) -> String {
    let mut out = b"{".to_vec();
    for (name, value) in fields {
        let Some(value) = value.filter(|value| !value.trim().is_empty()) else {
            continue;
        };
        if out.len() > 1 {
            out.push(b',');
        }
        json::write(&mut out, name);
        out.push(b':');
        json::write(&mut out, value);
    }
    out.push(b'}');
    String::from_utf8(out).unwrap_or_default()
}

/// A row of v1 and v2: `ConfigHistoryInfo`. In a list it has no content, and then no digest and no key either.
pub fn row_v1(out: &mut Vec<u8>, row: &HistoryShown<'_>, content: Option<&str>) {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct HistoryInfo<'a> {
        id: String,
        last_id: i64,
        data_id: &'a str,
        group: &'a str,
        tenant: &'a str,
        app_name: &'a str,
        md5: Option<&'a str>,
        content: Option<&'a str>,
        src_ip: &'a str,
        src_user: Option<&'a str>,
        op_type: String,
        publish_type: &'a str,
        gray_name: &'a str,
        ext_info: String,
        created_time: String,
        last_modified_time: String,
        encrypted_data_key: Option<&'a str>,
    }
    let at = iso_date(row.at);
    let info = HistoryInfo {
        id: row.id.to_string(),
        last_id: -1,
        data_id: row.key.data_id.as_str(),
        group: row.key.group.as_str(),
        tenant: tenant(row.key),
        app_name: row.app_name(),
        md5: content.map(|_| row.digest.as_str()),
        content,
        src_ip: &row.by.ip,
        src_user: row.by.user.as_deref(),
        op_type: row.operation(),
        publish_type: row.publish_type(),
        gray_name: row.gray_name(),
        ext_info: row.extra(),
        created_time: at.clone(),
        last_modified_time: at,
        encrypted_data_key: content.map(|_| row.encrypted_key()),
    };
    json::write(out, &info);
}

/// A content before or after what a row tells.
#[derive(Clone, Debug)]
pub struct Side<'a> {
    /// Its digest.
    pub digest: &'a str,
    /// The content.
    pub content: &'a str,
    /// Its encrypted key; blank for plain content.
    pub encrypted_key: &'a str,
    /// What else was said about it ([`HistoryShown::extra`]); `None` if no row of the history shows it.
    pub extra: Option<String>,
}

/// Before a first publish.
static NOTHING: Side<'static> = Side { digest: "", content: "", encrypted_key: "", extra: Some(String::new()) };

/// What a row changed: `ConfigHistoryInfoDetail`. A first publish has nothing before it, a removal nothing after it; the
/// one is written as blank texts and the other as `null`.
#[must_use]
pub fn change_v2(row: &HistoryShown<'_>, before: Option<&Side<'_>>, after: Option<&Side<'_>>) -> Vec<u8> {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    let at = iso_date(row.at);
    // Here the number is one, and no text (recorded: `v2/cs-history`).
    put("id", row.id.into());
    put("lastId", (-1).into());
    put("dataId", row.key.data_id.as_str().into());
    put("group", row.key.group.as_str().into());
    put("tenant", tenant(row.key).into());
    put("opType", row.letter.to_string().into());
    put("publishType", row.publish_type().into());
    put("grayName", row.gray_name().into());
    put("appName", row.app_name().into());
    put("srcIp", (*row.by.ip).into());
    put("srcUser", row.by.user.as_deref().into());
    put("createdTime", at.clone().into());
    put("lastModifiedTime", at.into());
    let sides = [
        (
            ["originalMd5", "originalContent", "originalEncryptedDataKey", "originalExtInfo"],
            Some(before.unwrap_or(&NOTHING)),
        ),
        (["updatedMd5", "updatedContent", "updatedEncryptedDataKey", "updateExtInfo"], after),
    ];
    for ([digest, content, key, extra], side) in sides {
        put(digest, side.map(|side| side.digest).into());
        put(content, side.map(|side| side.content).into());
        put(key, side.map(|side| side.encrypted_key).into());
        put(extra, side.and_then(|side| side.extra.as_deref()).into());
    }
    json::bytes(&Value::Object(out))
}

/// A row of v3: in a list `ConfigHistoryBasicInfo`, with a content `ConfigHistoryDetailInfo`.
pub fn row_v3(out: &mut Vec<u8>, row: &HistoryShown<'_>, content: Option<&str>) {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Basic<'a> {
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
        src_ip: &'a str,
        src_user: Option<&'a str>,
        op_type: String,
        publish_type: &'a str,
        #[serde(flatten)]
        detail: Option<Detail<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Detail<'a> {
        content: &'a str,
        encrypted_data_key: &'a str,
        gray_name: &'a str,
        ext_info: String,
    }
    let detail = content.map(|content| Detail {
        content,
        encrypted_data_key: row.encrypted_key(),
        gray_name: row.gray_name(),
        ext_info: row.extra(),
    });
    let info = Basic {
        id: row.id.to_string(),
        namespace_id: row.key.namespace.as_str(),
        group_name: row.key.group.as_str(),
        data_id: row.key.data_id.as_str(),
        md5: content.map(|_| row.digest.as_str()),
        // Stands in the other texts only.
        config_type: None,
        app_name: row.app_name(),
        create_time: row.at.as_ms(),
        modify_time: row.at.as_ms(),
        src_ip: &row.by.ip,
        src_user: row.by.user.as_deref(),
        op_type: row.operation(),
        publish_type: row.publish_type(),
        detail,
    };
    json::write(out, &info);
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{ConfigType, DataId, GroupName, NamespaceId};
    use serde_json::json;

    struct Parts {
        key: ConfigKey,
        digest: ContentDigest,
        attributes: Attributes,
        old: Publisher,
        by: Publisher,
    }

    impl Parts {
        fn new() -> Self {
            Self {
                key: ConfigKey {
                    namespace: NamespaceId::public(),
                    group: GroupName::from_stored("g"),
                    data_id: DataId::from_stored("d"),
                },
                digest: ContentDigest::from_stored("0a"),
                attributes: Attributes {
                    config_type: ConfigType::Text,
                    usage: Some("u".into()),
                    effect: Some(" ".into()),
                    ..Attributes::default()
                },
                old: Publisher { user: Some("tom".into()), ip: "10.0.0.1".into() },
                by: Publisher { user: None, ip: "10.0.0.2".into() },
            }
        }

        fn row(&self, letter: char) -> HistoryShown<'_> {
            HistoryShown {
                id: 9,
                key: &self.key,
                letter,
                gray: None,
                rule: None,
                digest: &self.digest,
                attributes: &self.attributes,
                published_by: &self.old,
                by: &self.by,
                at: Timestamp::from_ms(1_795_168_527_270),
            }
        }
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Value {
        let mut out = Vec::new();
        write(&mut out);
        serde_json::from_slice(&out).expect("JSON")
    }

    #[test]
    fn what_was_said_has_the_recorded_order() {
        let parts = Parts::new();
        assert_eq!(parts.row('I').extra(), r#"{"src_user":"tom","c_use":"u","type":"text"}"#);
        assert_eq!(parts.row('U').extra(), r#"{"type":"text","src_user":"tom","c_use":"u"}"#);
        let gray = GrayShown { name: "tag_blue", kind: "tag", expression: "blue", priority: 7 };
        let row = HistoryShown { gray: Some(gray.name), rule: Some(gray), ..parts.row('D') };
        let rule = r#"{\"type\":\"tag\",\"expr\":\"blue\",\"version\":\"1.0.0\",\"priority\":\"7\"}"#;
        assert_eq!(row.extra(), format!(r#"{{"gray_name":"tag_blue","src_user":"tom","gray_rule":"{rule}"}}"#));
    }

    #[test]
    fn a_row_in_a_list_has_no_content() {
        let parts = Parts::new();
        let line = written(|out| row_v1(out, &parts.row('U'), None));
        assert_eq!(
            (&line["content"], &line["md5"], &line["encryptedDataKey"]),
            (&Value::Null, &Value::Null, &Value::Null)
        );
        assert_eq!(
            (&line["opType"], &line["tenant"], &line["srcUser"]),
            (&json!("U         "), &json!(""), &Value::Null)
        );
        let full = written(|out| row_v1(out, &parts.row('U'), Some("x")));
        assert_eq!(
            (&full["content"], &full["md5"], &full["encryptedDataKey"]),
            (&json!("x"), &json!("0a"), &json!(""))
        );
        assert_eq!(full["createdTime"], json!("2026-11-20T09:55:27.270+00:00"));

        let line = written(|out| row_v3(out, &parts.row('U'), None));
        assert!(line.get("content").is_none() && line.get("extInfo").is_none(), "{line}");
        let full = written(|out| row_v3(out, &parts.row('U'), Some("x")));
        assert_eq!(
            (&full["content"], &full["grayName"], &full["namespaceId"]),
            (&json!("x"), &json!(""), &json!("public"))
        );
    }

    #[test]
    fn a_change_has_two_sides() {
        let parts = Parts::new();
        let row = parts.row('I');
        let side = Side { digest: "0a", content: "x", encrypted_key: "", extra: Some(row.extra()) };
        let change: Value = serde_json::from_slice(&change_v2(&row, None, Some(&side))).expect("JSON");
        assert_eq!((&change["id"], &change["opType"]), (&json!(9), &json!("I")));
        assert_eq!((&change["originalMd5"], &change["originalExtInfo"]), (&json!(""), &json!("")));
        assert_eq!((&change["updatedContent"], &change["updateExtInfo"]), (&json!("x"), &json!(row.extra())));
        let change: Value = serde_json::from_slice(&change_v2(&row, Some(&side), None)).expect("JSON");
        assert_eq!((&change["originalContent"], &change["updatedContent"]), (&json!("x"), &Value::Null));
    }
}
