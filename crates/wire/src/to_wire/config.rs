//! Answers and pushes of the config requests.

use bytes::Bytes;
use nacrite_base::{ConfigKey, ConfigType, ContentDigest, Timestamp};

use super::{begin, end};
use crate::json;

/// A config that was found.
#[derive(Clone, Copy, Debug)]
pub struct FoundConfig<'a> {
    /// The content as it is stored.
    pub content: &'a str,
    /// The encrypted key of the content; `None` for gray versions without one.
    pub encrypted_key: Option<&'a str>,
    /// The format that is told, if any.
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

/// `ConfigQueryResponse` with a content.
#[must_use]
pub fn query_response(found: &FoundConfig<'_>) -> Bytes {
    let mut out = begin(found.content.len() + found.content.len() / 8 + 192);
    out.extend_from_slice(b",\"content\":");
    json::write(&mut out, found.content);
    if let Some(key) = found.encrypted_key {
        out.extend_from_slice(b",\"encryptedDataKey\":");
        json::write(&mut out, key);
    }
    if let Some(config_type) = found.config_type {
        out.extend_from_slice(b",\"contentType\":");
        json::write(&mut out, config_type.as_str());
    }
    out.extend_from_slice(b",\"md5\":");
    json::write(&mut out, found.digest.as_str());
    out.extend_from_slice(b",\"lastModified\":");
    json::write(&mut out, &found.modified_at.as_ms());
    if let Some(tag) = found.tag {
        out.extend_from_slice(b",\"tag\":");
        json::write(&mut out, &url_encoded(tag));
    }
    out.extend_from_slice(b",\"beta\":");
    json::write(&mut out, &found.beta);
    end(out)
}

/// A tag as Java's URL encoder writes it.
pub(crate) fn url_encoded(tag: &str) -> String {
    let mut out = String::with_capacity(tag.len());
    for byte in tag.bytes() {
        match byte {
            b' ' => out.push('+'),
            b if b.is_ascii_alphanumeric() || b"-_.*".contains(&b) => out.push(char::from(b)),
            b => {
                out.push('%');
                out.push_str(&format!("{b:02X}"));
            }
        }
    }
    out
}

/// `ConfigQueryResponse` of a config that is not there: 300, with the tag that was asked for.
#[must_use]
pub fn not_found_response(tag: Option<&str>) -> Bytes {
    let mut out = Vec::with_capacity(160);
    out.extend_from_slice(b"{\"resultCode\":500,\"errorCode\":");
    json::write(&mut out, &crate::codes::rpc::CONFIG_NOT_FOUND);
    out.extend_from_slice(b",\"message\":\"config data not exist\",\"lastModified\":0");
    if let Some(tag) = tag {
        out.extend_from_slice(b",\"tag\":");
        json::write(&mut out, tag);
    }
    out.extend_from_slice(b",\"beta\":false,\"success\":false}");
    out.into()
}

/// A config whose digest differs, with its names as the client sent them.
#[derive(Clone, Copy, Debug)]
pub struct ChangedConfig<'a> {
    /// Group.
    pub group: &'a str,
    /// Name inside the group.
    pub data_id: &'a str,
    /// Namespace; left out if the client sent none.
    pub tenant: Option<&'a str>,
}

/// `ConfigChangeBatchListenResponse`.
#[must_use]
pub fn listen_response<'a>(changed: impl IntoIterator<Item = ChangedConfig<'a>>) -> Bytes {
    let mut out = begin(256);
    out.extend_from_slice(b",\"changedConfigs\":[");
    for (at, config) in changed.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"group\":");
        json::write(&mut out, config.group);
        out.extend_from_slice(b",\"dataId\":");
        json::write(&mut out, config.data_id);
        if let Some(tenant) = config.tenant {
            out.extend_from_slice(b",\"tenant\":");
            json::write(&mut out, tenant);
        }
        out.push(b'}');
    }
    out.push(b']');
    end(out)
}

/// `ConfigChangeNotifyRequest`. The namespace is left out for a listener that sent a blank one.
#[must_use]
pub fn change_notify(request_id: u64, key: &ConfigKey, with_tenant: bool) -> Bytes {
    let mut out = super::connection::begin_push(request_id, 128);
    out.extend_from_slice(b",\"dataId\":");
    json::write(&mut out, key.data_id.as_str());
    out.extend_from_slice(b",\"group\":");
    json::write(&mut out, key.group.as_str());
    if with_tenant {
        out.extend_from_slice(b",\"tenant\":");
        json::write(&mut out, key.namespace.as_str());
    }
    super::connection::end_push(out, "config")
}

/// A key as metrics and watches write it: `dataId+group+tenant`, with `+` and `%` escaped inside the parts.
#[must_use]
pub fn group_key(key: &ConfigKey) -> String {
    let escape = |part: &str| part.replace('%', "%25").replace('+', "%2B");
    format!("{}+{}+{}", escape(key.data_id.as_str()), escape(key.group.as_str()), escape(key.namespace.as_str()))
}

/// A key as clients of 2.x and v1 write it: the default namespace is left out (recorded: `config-metrics-push`).
#[must_use]
pub fn short_group_key(key: &ConfigKey) -> String {
    let mut text = group_key(key);
    if key.namespace.is_public()
        && let Some(end) = text.rfind('+')
    {
        text.truncate(end);
    }
    text
}

/// `ClientConfigMetricRequest` about one config, by the key under which the client keeps it.
#[must_use]
pub fn client_metrics(request_id: u64, group_key: &str) -> Bytes {
    let mut out = super::connection::begin_push(request_id, 192);
    out.extend_from_slice(b",\"metricsKeys\":[{\"type\":\"cacheData\",\"key\":");
    json::write(&mut out, group_key);
    out.extend_from_slice(b"},{\"type\":\"snapshotData\",\"key\":");
    json::write(&mut out, group_key);
    out.extend_from_slice(b"}]");
    super::connection::end_push(out, "config")
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{DataId, GroupName, NamespaceId};

    #[test]
    fn a_tag_is_written_as_java_encodes_it() {
        assert_eq!(url_encoded("a.b-c_d:e"), "a.b-c_d%3Ae");
        assert_eq!(url_encoded("标"), "%E6%A0%87");
    }

    #[test]
    fn an_absent_config_echoes_the_tag() {
        let body = not_found_response(Some("green"));
        let json: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(
            (&json["errorCode"], &json["tag"], &json["lastModified"]),
            (&300.into(), &"green".into(), &0.into())
        );
    }

    #[test]
    fn the_default_namespace_is_left_out_of_short_keys() {
        let key = |namespace: &str| ConfigKey {
            namespace: NamespaceId::from_stored(namespace),
            group: GroupName::from_stored("g"),
            data_id: DataId::from_stored("d"),
        };
        assert_eq!((group_key(&key("public")), short_group_key(&key("public"))), ("d+g+public".into(), "d+g".into()));
        assert_eq!(short_group_key(&key("dev")), "d+g+dev");
    }
}
