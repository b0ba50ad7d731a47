//! The config requests, checked (`reference/grpc.md`, 4.3; limits: `reference/http.md`, 1.5). Shared by gRPC and HTTP.

use std::sync::Arc;

use nacrite_base::{Attributes, ConfigKey, ConfigType, DataId, Fault, GroupName, NameError, NamespaceId, Release, Tag};

use crate::json;
use crate::rpc::config::{ConfigBatchListenRequest, ConfigKeyRequest, ConfigPublishRequest};

/// Characters that a content may have.
pub const CONTENT_LEN_MAX: usize = 10 * 1024 * 1024;

/// A publish.
#[derive(Debug)]
pub struct PublishAsk {
    /// Which config.
    pub key: ConfigKey,
    /// Its new content.
    pub content: String,
    /// The digest that the stored content must have.
    pub cas: Option<String>,
    /// What is said about it.
    pub attributes: Attributes,
    /// The operator's name.
    pub user: Option<Arc<str>>,
    /// For whom it is.
    pub release: Release,
}

/// A query. `key` is `None` for a blank data id or group, under which nothing can be.
#[derive(Debug)]
pub struct QueryAsk {
    /// Which config.
    pub key: Option<ConfigKey>,
    /// The tag version that is wanted, not checked: one that cannot exist is simply not found.
    pub tag: Option<String>,
}

/// A removal.
#[derive(Debug)]
pub struct RemoveAsk {
    /// Which config.
    pub key: ConfigKey,
    /// The whole name of the gray version to remove; `None` for the formal one.
    pub gray: Option<Tag>,
}

/// One config of a batch listen.
#[derive(Debug)]
pub struct ListenAsk {
    /// Which config; `None` for a blank data id or group, under which nothing can be.
    pub key: Option<ConfigKey>,
    /// The name as it was sent, for the echo.
    pub data_id: String,
    /// The group as it was sent.
    pub group: String,
    /// The namespace as it was sent; `None` for absent or null.
    pub tenant: Option<String>,
    /// Digest of what the client has; `None` equals nothing, not even an absent config.
    pub digest: Option<String>,
}

impl ListenAsk {
    /// Whether the client left the namespace blank, so that notices to it leave it out.
    #[must_use]
    pub fn tenant_is_blank(&self) -> bool {
        self.tenant.as_deref().is_none_or(|tenant| tenant.trim().is_empty())
    }
}

/// Reads `ConfigPublishRequest`.
///
/// # Errors
/// A [`Fault`] that names what is wrong.
pub fn publish_request(body: &[u8]) -> Result<PublishAsk, Fault> {
    let body: ConfigPublishRequest<'_> = json::read(body)?;
    let key = key(body.data_id.as_deref(), body.group.as_deref(), body.tenant.as_deref())?;
    let content = content(body.content.as_deref())?;
    let release = release(body.addition("betaIps"), body.addition("tag"))?;
    let attributes = attributes(|name| body.addition(name))?;
    Ok(PublishAsk {
        key,
        content,
        cas: body.cas_md5.as_deref().filter(|cas| !cas.trim().is_empty()).map(str::to_owned),
        attributes,
        user: body.addition("src_user").map(Into::into),
        release,
    })
}

/// Reads `ConfigQueryRequest`.
///
/// # Errors
/// A [`Fault`] that names what is wrong.
pub fn query_request(body: &[u8]) -> Result<QueryAsk, Fault> {
    let body: ConfigKeyRequest<'_> = json::read(body)?;
    let data_id = body.data_id.as_deref().ok_or(Fault::ParamMissing { name: "dataId" })?;
    let group = body.group.as_deref().ok_or(Fault::ParamMissing { name: "group" })?;
    let key = lax_key(Some(data_id), Some(group), body.tenant.as_deref())?;
    Ok(QueryAsk { key, tag: body.tag.as_deref().filter(|tag| !tag.trim().is_empty()).map(str::to_owned) })
}

/// Reads `ConfigRemoveRequest`.
///
/// # Errors
/// A [`Fault`] that names what is wrong.
pub fn remove_request(body: &[u8]) -> Result<RemoveAsk, Fault> {
    let body: ConfigKeyRequest<'_> = json::read(body)?;
    let key = key(body.data_id.as_deref(), body.group.as_deref(), body.tenant.as_deref())?;
    let gray = body.tag.as_deref().filter(|tag| !tag.trim().is_empty()).map(Tag::parse).transpose()?;
    Ok(RemoveAsk { key, gray })
}

/// Reads `ConfigBatchListenRequest`. The truth value says whether to listen or to stop.
///
/// # Errors
/// A [`Fault`] that names what is wrong; one bad entry refuses the whole batch.
pub fn listen_request(body: &[u8]) -> Result<(bool, Vec<ListenAsk>), Fault> {
    let body: ConfigBatchListenRequest<'_> = json::read(body)?;
    let contexts = body.config_listen_contexts.unwrap_or_default();
    let asks: Result<Vec<_>, Fault> = contexts
        .into_iter()
        .map(|context| {
            let (data_id, group, tenant) = (context.data_id, context.group, context.tenant);
            Ok(ListenAsk {
                key: lax_key(data_id.as_deref(), group.as_deref(), tenant.as_deref())?,
                data_id: data_id.unwrap_or_default().into_owned(),
                group: group.unwrap_or_default().into_owned(),
                tenant: tenant.map(Into::into),
                digest: context.md5.map(Into::into),
            })
        })
        .collect();
    Ok((body.listen, asks?))
}

/// Checks a key of which no part may be blank but the namespace, where blank means `public`.
///
/// # Errors
/// [`Fault::Name`] for what the parameter check refuses, [`Fault::ConfigFieldInvalid`] for what is blank.
pub fn key(data_id: Option<&str>, group: Option<&str>, tenant: Option<&str>) -> Result<ConfigKey, Fault> {
    if let Some(key) = lax_key(data_id, group, tenant)? {
        return Ok(key);
    }
    let blank = |raw: Option<&str>| raw.is_none_or(|raw| raw.trim().is_empty());
    let (what, given) = if blank(data_id) { ("invalid dataId", data_id) } else { ("invalid group", group) };
    Err(Fault::ConfigFieldInvalid { what, given: given.unwrap_or("null").to_owned() })
}

/// Checks a key; `None` if the data id or the group is blank.
///
/// # Errors
/// [`Fault::Name`] for what the parameter check refuses.
pub fn lax_key(data_id: Option<&str>, group: Option<&str>, tenant: Option<&str>) -> Result<Option<ConfigKey>, Fault> {
    let namespace = NamespaceId::parse_or_public(tenant)?;
    let data_id = none_if_blank(DataId::parse(data_id.unwrap_or_default()))?;
    let group = none_if_blank(GroupName::parse(group.unwrap_or_default()))?;
    Ok(data_id.zip(group).map(|(data_id, group)| ConfigKey { namespace, group, data_id }))
}

fn none_if_blank<T>(parsed: Result<T, NameError>) -> Result<Option<T>, Fault> {
    match parsed {
        Ok(name) => Ok(Some(name)),
        Err(NameError::Blank { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Checks a content: not blank, at most [`CONTENT_LEN_MAX`] characters as Java counts them.
///
/// # Errors
/// [`Fault::ConfigFieldInvalid`] or [`Fault::ContentTooLong`].
pub fn content(raw: Option<&str>) -> Result<String, Fault> {
    let blank = |given: &str| Fault::ConfigFieldInvalid { what: "content is blank", given: given.to_owned() };
    let raw = raw.ok_or_else(|| blank("null"))?;
    if raw.trim().is_empty() {
        return Err(blank(raw));
    }
    if raw.len() > CONTENT_LEN_MAX && raw.chars().map(char::len_utf16).sum::<usize>() > CONTENT_LEN_MAX {
        return Err(Fault::ContentTooLong { len_max: CONTENT_LEN_MAX });
    }
    Ok(raw.to_owned())
}

/// For whom a publish is: beta before tag before everybody.
///
/// # Errors
/// [`Fault::Tag`] for a tag that breaks a rule.
pub fn release(beta_ips: Option<&str>, tag: Option<&str>) -> Result<Release, Fault> {
    let filled = |raw: Option<&str>| raw.filter(|raw| !raw.trim().is_empty()).map(str::to_owned);
    let tag = filled(tag).map(|raw| Tag::parse(&raw)).transpose()?;
    if let Some(ips) = filled(beta_ips) {
        return Ok(Release::Beta { ips: ips.into() });
    }
    Ok(tag.map_or(Release::Formal, Release::Tag))
}

/// Checks what is said about a config. `field` gives the value under the name that gRPC and v1 use.
///
/// # Errors
/// [`Fault::AttributeOver`] for what is too long or too much (recorded: `config-addition-limits`).
pub fn attributes<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Result<Attributes, Fault> {
    let tags = field("config_tags").filter(|raw| !raw.is_empty()).map(tags).transpose()?;
    Ok(Attributes {
        config_type: ConfigType::from_declared(field("type")),
        app_name: field("appName").filter(|name| !name.trim().is_empty()).map(Into::into),
        description: at_most("desc", field("desc"), 128)?,
        usage: at_most("use", field("use"), 32)?,
        effect: at_most("effect", field("effect"), 32)?,
        schema: at_most("schema", field("schema"), 32_768)?,
        tags,
        encrypted_key: field("encryptedDataKey").map(Into::into),
    })
}

fn at_most(name: &'static str, raw: Option<&str>, max: usize) -> Result<Option<Arc<str>>, Fault> {
    match raw {
        Some(raw) if raw.len() > max && raw.chars().count() > max => {
            Err(Fault::AttributeOver { much: "long", field: name, max })
        }
        other => Ok(other.map(Into::into)),
    }
}

fn tags(raw: &str) -> Result<Vec<Arc<str>>, Fault> {
    const COUNT_MAX: usize = 5;
    const LEN_MAX: usize = 64;
    let tags: Vec<Arc<str>> = raw.split(',').filter(|tag| !tag.is_empty()).map(Into::into).collect();
    if tags.len() > COUNT_MAX {
        return Err(Fault::AttributeOver { much: "much", field: "config_tags", max: COUNT_MAX });
    }
    if tags.iter().any(|tag| tag.chars().count() > LEN_MAX) {
        return Err(Fault::AttributeOver { much: "long", field: "tag", max: LEN_MAX });
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(body: &str, text: &str) {
        let fault = publish_request(body.as_bytes()).expect_err("refused");
        assert_eq!(fault.to_string(), text);
    }

    #[test]
    fn blank_parts_are_named_with_what_was_sent() {
        refused(r#"{"dataId":"","group":"g","content":"x"}"#, "invalid dataId : ");
        refused(r#"{"group":"g","content":"x"}"#, "invalid dataId : null");
        refused(r#"{"dataId":"d","group":null,"content":"x"}"#, "invalid group : null");
        refused(r#"{"dataId":"d","group":"g","content":" "}"#, "content is blank :  ");
        refused(r#"{"dataId":"d","group":"g"}"#, "content is blank : null");
    }

    #[test]
    fn additions_have_limits() {
        let body =
            |additions: &str| format!(r#"{{"dataId":"d","group":"g","content":"x","additionMap":{{{additions}}}}}"#);
        refused(&body(r#""config_tags":"a,b,c,d,e,f""#), "too much config_tags, over 5");
        refused(&body(&format!(r#""config_tags":"{}""#, "x".repeat(65))), "too long tag, over 64");
        refused(&body(&format!(r#""desc":"{}""#, "x".repeat(129))), "too long desc, over 128");
        refused(&body(r#""tag":"a b""#), "invalid tag : a b");
        assert!(publish_request(body(r#""desc":5,"type":null"#).as_bytes()).is_ok());
    }

    #[test]
    fn beta_comes_before_tag() {
        let release = release(Some("10.1.1.1"), Some("blue")).expect("both are legal");
        assert_eq!(release, Release::Beta { ips: "10.1.1.1".into() });
    }

    #[test]
    fn a_listener_keeps_the_namespace_as_it_was_sent() {
        let body = br#"{"configListenContexts":[{"dataId":"d","group":"g","tenant":""},{"dataId":"","group":"g"}]}"#;
        let (listen, asks) = listen_request(body).expect("a batch");
        assert!(listen);
        assert_eq!((asks[0].tenant.as_deref(), asks[0].tenant_is_blank()), (Some(""), true));
        assert!(asks[0].key.as_ref().is_some_and(|key| key.namespace.is_public()));
        assert!(asks[1].key.is_none());
    }
}
