//! `ConfigQueryRequest`: the content of a config, as this client is to see it.

use bytes::Bytes;
use nacrite_app::config::{ConfigCases, Found};
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::{Action, Area, ConfigType, Fault};
use nacrite_config::{GrayRule, Labels};
use nacrite_wire::from_wire::config::query_request;
use nacrite_wire::to_wire::config::{FoundConfig, not_found_response, query_response};

use super::typed;
use crate::table::{Answered, Call, Row, Senders};

pub(super) fn row(config: ConfigCases) -> Row {
    Row {
        wire_type: "ConfigQueryRequest",
        needs: Needs::Permission(Action::Read, Area::Config),
        limit: LimitClass::ConfigRead,
        senders: Senders::Anybody,
        failure: typed("ConfigQueryResponse", ",\"lastModified\":0,\"beta\":false"),
        run: Box::new(move |call| handle(&config, call).into()),
    }
}

fn handle(config: &ConfigCases, call: &Call<'_>) -> Answered {
    let ask = query_request(call.payload.body)?;
    let labels = call.labels(ask.tag.as_deref());
    let Some(key) = &ask.key else {
        return Ok(not_found_response(ask.tag.as_deref()));
    };
    match config.query(key, &labels) {
        Ok(found) => encode(&found),
        Err(Fault::ConfigMissing) => Ok(not_found_response(ask.tag.as_deref())),
        Err(fault) => Err(fault),
    }
}

/// An answer, and the format that it tells: of a gray version that is the formal one's, which may change under it.
struct Kept {
    config_type: Option<ConfigType>,
    /// `None` if the stored content is not what a client may get.
    body: Option<Bytes>,
}

/// The answer, written once per content.
fn encode(found: &Found) -> Answered {
    let config_type = found.config_type();
    let write = || Kept { config_type, body: write(found, config_type) };
    let kept = found.content.rendered.get_or_make(write);
    let body = if kept.config_type == config_type { kept.body.clone() } else { write().body };
    body.ok_or_else(|| Fault::internal("a stored content is not UTF-8"))
}

fn write(found: &Found, config_type: Option<ConfigType>) -> Option<Bytes> {
    let (version, gray) = (found.version()?, found.gray());
    Some(query_response(&FoundConfig {
        content: std::str::from_utf8(&found.content.text).ok()?,
        // A gray version shows a key only if it has one (recorded: `config-beta`).
        encrypted_key: match (gray, version.attributes.encrypted_key.as_deref()) {
            (None, key) => Some(key.unwrap_or_default()),
            (Some(_), key) => key.filter(|key| !key.is_empty()),
        },
        config_type,
        digest: &version.digest,
        modified_at: version.modified_at,
        beta: matches!(gray.map(|gray| &gray.rule), Some(GrayRule::Beta { .. })),
        tag: match gray.map(|gray| &gray.rule) {
            Some(GrayRule::Tag { tag }) => Some(tag),
            _ => None,
        },
    }))
}

impl Call<'_> {
    /// What gray rules see of the caller (`reference/grpc.md`, 4.3.2).
    pub(super) fn labels<'a>(&'a self, asked_tag: Option<&'a str>) -> Labels<'a> {
        let introduction = self.connection.introduction();
        Labels {
            client_ip: introduction.map_or("", |introduction| &introduction.client_ip),
            asked_tag,
            carried_tag: introduction.and_then(|introduction| introduction.app_label("Vipserver-Tag")),
        }
    }
}
