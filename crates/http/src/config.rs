//! What the config endpoints of all generations share: who asks, what is read, and how domain and wire name it.
//!
//! Decides nothing: the use cases are in `nacrite_app::config`, texts in `nacrite_wire::http::config`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::header::{CONTENT_TYPE, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use http_body_util::Full;
use nacrite_app::App;
use nacrite_app::config::search::{Hit, Pattern, Search};
use nacrite_app::config::{ConfigCases, Found, Page, PageAsk, Publish};
use nacrite_app::history;
use nacrite_app::owner::configs::Content;
use nacrite_app::push::outbox::Control;
use nacrite_base::{ConfigKey, Fault, Publisher, Tag};
use nacrite_config::{Entry, GrayRule, GrayVersion, HistoryRow, Labels, Operation, Version};
use nacrite_wire::from_wire::config::PublishAsk;
use nacrite_wire::http::config::ask::{self, PublishHeaders, SearchAsk};
use nacrite_wire::http::config::history::{HistoryShown, Side, change_v2};
use nacrite_wire::http::config::shown::{ConfigShown, GrayShown, Holdings, Searched, merged, tag_header};
use nacrite_wire::http::dates::http_date;
use nacrite_wire::http::refusal::Refusal;

use crate::reply::{self, Answer};
use crate::table::Call;

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const CONFIG_TYPE: HeaderName = HeaderName::from_static("config-type");
const ENCRYPTED_DATA_KEY: HeaderName = HeaderName::from_static("encrypted-data-key");
const IS_BETA: HeaderName = HeaderName::from_static("isbeta");
const TAG: HeaderName = HeaderName::from_static("tag");

/// The name of the beta version of a config.
pub(crate) const BETA: &str = "beta";

/// How long a client may take to say what it knows of a config.
const METRICS_WITHIN: Duration = Duration::from_millis(1000);

// --- who asks ---

impl Call<'_> {
    /// The tag that the client carries.
    pub(crate) fn carried_tag(&self) -> Option<&str> {
        self.header("vipserver-tag").filter(|tag| !tag.trim().is_empty())
    }

    /// What a publish says in headers.
    pub(crate) fn publish_headers(&self) -> PublishHeaders<'_> {
        PublishHeaders { beta_ips: self.header("betaips"), cas: self.header("casmd5") }
    }

    fn publisher(&self, user: Option<Arc<str>>) -> Publisher {
        Publisher { user, ip: self.client_ip().to_string().into() }
    }

    /// Who removes something.
    pub(crate) fn remover(&self) -> Publisher {
        self.publisher(ask::remover(&self.params).map(Into::into))
    }
}

/// A publish as the use case takes it.
pub(crate) fn publish(call: &Call<'_>, ask: PublishAsk) -> Publish {
    let PublishAsk { key, content, cas, attributes, user, release } = ask;
    Publish { key, content, cas, attributes, by: call.publisher(user), release }
}

/// Removes a config, or the version of a tag. Nacos takes the tag for the whole name of the gray version and then fails,
/// because a publish puts `tag_` in front (recorded: `v1/cs-delete`); both names are known here.
pub(crate) async fn remove(
    config: &ConfigCases,
    key: ConfigKey,
    tag: Option<&Tag>,
    by: Publisher,
) -> Result<(), Fault> {
    let gray: Option<Arc<str>> = tag.map(|tag| {
        let entry = config.entry(&key);
        let is_name = entry.is_some_and(|entry| entry.gray.iter().any(|gray| *gray.name == *tag.as_str()));
        if is_name { tag.as_str().into() } else { format!("tag_{}", tag.as_str()).into() }
    });
    config.remove(key, gray, by).await
}

/// Removes the configs with these numbers; those that are not there are passed over.
pub(crate) async fn remove_numbered(config: &ConfigCases, ids: Vec<u64>, by: Publisher) -> Result<(), Fault> {
    for key in config.numbered(&ids.into_iter().collect()) {
        config.remove(key, None, by.clone()).await?;
    }
    Ok(())
}

// --- reading ---

/// What this client gets.
pub(crate) fn find(config: &ConfigCases, call: &Call<'_>, key: &ConfigKey, tag: Option<&Tag>) -> Result<Found, Fault> {
    let client_ip = call.client_ip().to_string();
    let labels = Labels { client_ip: &client_ip, asked_tag: tag.map(Tag::as_str), carried_tag: call.carried_tag() };
    config.query(key, &labels)
}

/// A config that was read in v1 or v2: what is known of it stands in headers.
pub(crate) fn read(found: &Found, content_type: HeaderValue, body: Bytes) -> Result<Answer, Fault> {
    let version = found.version().ok_or(Fault::ConfigMissing)?;
    let gray = found.gray();
    let text = |text: &str| HeaderValue::from_str(text).map_err(Fault::internal);
    // The nine below, and the two that hyper adds.
    let mut headers = HeaderMap::with_capacity(11);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CONFIG_TYPE, HeaderValue::from_static(found.config_type().unwrap_or_default().as_str()));
    headers.insert(CONTENT_MD5, text(version.digest.as_str())?);
    headers.insert(LAST_MODIFIED, text(&http_date(version.modified_at))?);
    reply::no_cache(&mut headers);
    if let Some(key) = told_key(gray, version) {
        headers.insert(ENCRYPTED_DATA_KEY, HeaderValue::from_bytes(key.as_bytes()).map_err(Fault::internal)?);
    }
    match gray.map(|gray| &gray.rule) {
        Some(GrayRule::Beta { .. }) => {
            headers.insert(IS_BETA, HeaderValue::from_static("true"));
        }
        Some(GrayRule::Tag { tag }) => {
            headers.insert(TAG, text(&tag_header(tag))?);
        }
        None => {}
    }
    let mut answer = Response::new(Full::new(body));
    *answer.headers_mut() = headers;
    Ok(answer)
}

/// The encrypted key that a client is told. A gray version shows one only if it has one (recorded: `v1/cs-beta`).
pub(crate) fn told_key<'a>(gray: Option<&GrayVersion>, version: &'a Version) -> Option<&'a str> {
    let key = version.attributes.encrypted_key.as_deref().unwrap_or_default();
    (gray.is_none() || !key.is_empty()).then_some(key)
}

/// A content as text.
pub(crate) fn text(content: &Content) -> Result<&str, Fault> {
    std::str::from_utf8(&content.text).map_err(Fault::internal)
}

// --- what operators look at ---

/// A version in the words of the wire.
pub(crate) fn shown<'a>(id: u64, key: &'a ConfigKey, version: &'a Version) -> ConfigShown<'a> {
    ConfigShown {
        id,
        key,
        digest: &version.digest,
        attributes: &version.attributes,
        by: &version.by,
        created_at: version.created_at,
        modified_at: version.modified_at,
    }
}

/// The formal version of a config, in the words of the wire and as it is.
pub(crate) fn formal<'a>(key: &'a ConfigKey, entry: &'a Entry) -> Option<(ConfigShown<'a>, &'a Version)> {
    let version = entry.formal.as_ref()?;
    Some((shown(entry.id, key, version), version))
}

/// The beta version of a config.
pub(crate) fn beta(entry: &Entry) -> Option<&GrayVersion> {
    entry.gray.iter().find(|gray| &*gray.name == BETA)
}

/// Who gets a gray version, in the words of the wire.
pub(crate) fn gray_shown<'a>(name: &'a str, rule: &'a GrayRule) -> GrayShown<'a> {
    let (kind, expression) = match rule {
        GrayRule::Beta { ips } => ("beta", &**ips),
        GrayRule::Tag { tag } => ("tag", &**tag),
    };
    GrayShown { name, kind, expression, priority: rule.priority() }
}

/// One page of what is found.
pub(crate) async fn search(config: &ConfigCases, ask: &SearchAsk) -> Result<Page<Hit>, Fault> {
    let pattern = |text: &String| if ask.wildcards { Pattern::like(text) } else { Ok(Pattern::exact(text)) };
    let content = ask.content.as_ref();
    let content = content.map(|text| if ask.wildcards { Pattern::in_content(text) } else { Ok(Pattern::exact(text)) });
    let search = Search {
        namespace: pattern(&ask.namespace)?,
        group: ask.group.as_ref().map(pattern).transpose()?,
        data_id: ask.data_id.as_ref().map(pattern).transpose()?,
        app_name: ask.app_name.clone(),
        tags: ask.tags.clone(),
        types: ask.types.clone(),
        content: content.transpose()?,
    };
    config.search(&search, page(ask.page)).await
}

/// A page as the use cases take it.
pub(crate) fn page(page: ask::PageAsk) -> PageAsk {
    PageAsk { number: page.number, size: page.size }
}

/// What a search was made by.
pub(crate) fn searched(ask: &SearchAsk) -> Searched {
    Searched { wildcards: ask.wildcards, by_tags: !ask.tags.is_empty() }
}

/// Every config of a namespace that has a version for everybody.
pub(crate) fn namesakes(config: &ConfigCases, namespace: &nacrite_base::NamespaceId) -> Vec<(ConfigKey, Arc<Entry>)> {
    config.configs().list(|key, entry| key.namespace == *namespace && entry.formal.is_some())
}

/// The addresses that listen to a config, with the digests of what they have.
pub(crate) fn listeners_of(config: &ConfigCases, key: &ConfigKey) -> Holdings {
    config.listeners_of(key).into_iter().map(|(ip, has)| (ip.to_string(), has.to_string())).collect()
}

/// What becomes of a client that does not say what it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silent {
    /// The others are told, as in v1.
    PassedOver,
    /// Nobody is, as in v3.
    Refused,
}

/// What the clients at an address know of a config, as they said it themselves: one JSON object with what all of them
/// said.
///
/// # Errors
/// [`Refusal::ClientSilent`].
pub(crate) async fn metrics(app: &App, ip: &str, key: &ConfigKey, silent: Silent) -> Result<Vec<u8>, Refusal> {
    let connections = app.connections.all().into_iter();
    let here = connections.filter(|connection| connection.introduction().is_some_and(|i| &*i.client_ip == ip));
    let asked = here.map(|connection| async move {
        let answer = app.ask(&connection, Control::ClientMetrics(key.clone()), METRICS_WITHIN).await;
        answer.map_err(|_| connection.id.clone())
    });
    let mut said = Vec::new();
    // All at once, so that many silent clients cost no more time than one.
    for answer in join_all(asked).await {
        match answer {
            Ok(answer) => said.extend(answer.detail),
            Err(_) if silent == Silent::PassedOver => {}
            Err(connection) => {
                let within_ms = u64::try_from(METRICS_WITHIN.as_millis()).unwrap_or(u64::MAX);
                return Err(Refusal::ClientSilent { within_ms, connection });
            }
        }
    }
    Ok(merged(said.iter().map(String::as_str)))
}

// --- history ---

/// A row with the content that it shows.
pub(crate) struct FullRow {
    row: HistoryRow,
    content: Arc<Content>,
    rule: Option<GrayRule>,
}

impl FullRow {
    fn of(config: &ConfigCases, row: HistoryRow) -> Result<Self, Fault> {
        let content = config.peek(&row.version)?;
        let rule = rule_of(&row);
        Ok(Self { row, content, rule })
    }

    /// In the words of the wire.
    pub(crate) fn shown(&self) -> HistoryShown<'_> {
        history_shown(&self.row, self.rule.as_ref())
    }

    /// The content as text.
    pub(crate) fn text(&self) -> Result<&str, Fault> {
        text(&self.content)
    }

    fn side(&self) -> Result<Side<'_>, Fault> {
        let extra = Some(self.shown().extra());
        Ok(Side { extra, ..side(&self.row.version, &self.content)? })
    }
}

/// Who got a gray version that is only known by its name: those of a tag can be told, those of a list cannot.
pub(crate) fn rule_of(row: &HistoryRow) -> Option<GrayRule> {
    let tag = row.gray.as_deref()?.strip_prefix("tag_")?;
    Some(GrayRule::Tag { tag: tag.into() })
}

/// A row in the words of the wire.
pub(crate) fn history_shown<'a>(row: &'a HistoryRow, rule: Option<&'a GrayRule>) -> HistoryShown<'a> {
    let gray = row.gray.as_deref();
    HistoryShown {
        id: row.id,
        key: &row.key,
        letter: row.operation.letter(),
        gray,
        rule: gray.zip(rule).map(|(name, rule)| gray_shown(name, rule)),
        digest: &row.version.digest,
        attributes: &row.version.attributes,
        published_by: &row.version.by,
        by: &row.by,
        at: row.at,
    }
}

/// A row by its number, which must belong to the config.
///
/// # Errors
/// [`Refusal::HistoryOfAnother`].
pub(crate) fn history_row(config: &ConfigCases, key: &ConfigKey, id: Option<u64>) -> Result<Option<FullRow>, Refusal> {
    let Some(row) = id.map(|id| history::row(config.configs(), id)).transpose()?.flatten() else {
        return Ok(None);
    };
    if row.key != *key {
        return Err(Refusal::HistoryOfAnother);
    }
    Ok(Some(FullRow::of(config, row)?))
}

/// The newest row that a config of this number left, if it is the config that is asked for.
///
/// # Errors
/// [`Refusal::HistoryOfAnother`].
pub(crate) fn previous_row(config: &ConfigCases, key: &ConfigKey, id: Option<u64>) -> Result<Option<FullRow>, Refusal> {
    let Some(id) = id else { return Ok(None) };
    if let Some(row) = history::previous(config.configs(), key, id)? {
        return Ok(Some(FullRow::of(config, row)?));
    }
    match config.numbered(&[id].into()).first() {
        Some(other) if other != key && history::previous(config.configs(), other, id)?.is_some() => {
            Err(Refusal::HistoryOfAnother)
        }
        _ => Ok(None),
    }
}

/// What a row changed: the contents before and after it.
///
/// # Errors
/// [`Fault::Internal`] if the disk fails.
pub(crate) fn change(config: &ConfigCases, full: &FullRow) -> Result<Vec<u8>, Fault> {
    let (shown, own) = (full.shown(), full.side()?);
    match full.row.operation {
        Operation::Insert => Ok(change_v2(&shown, None, Some(&own))),
        Operation::Delete => Ok(change_v2(&shown, Some(&own), None)),
        Operation::Update => {
            if let Some(next) = history::next(config.configs(), &full.row)? {
                let next = FullRow::of(config, next)?;
                return Ok(change_v2(&shown, Some(&own), Some(&next.side()?)));
            }
            // After the newest row comes what is there now.
            let entry = config.entry(&full.row.key);
            let Some(version) = entry.as_ref().and_then(|entry| version_of(entry, full.row.gray.as_deref())) else {
                return Ok(change_v2(&shown, Some(&own), None));
            };
            let content = config.peek(version)?;
            Ok(change_v2(&shown, Some(&own), Some(&side(version, &content)?)))
        }
    }
}

fn version_of<'a>(entry: &'a Entry, gray: Option<&str>) -> Option<&'a Version> {
    match gray {
        None => entry.formal.as_ref(),
        Some(name) => entry.gray.iter().find(|gray| &*gray.name == name).map(|gray| &gray.version),
    }
}

fn side<'a>(version: &'a Version, content: &'a Content) -> Result<Side<'a>, Fault> {
    Ok(Side {
        digest: version.digest.as_str(),
        content: text(content)?,
        encrypted_key: version.attributes.encrypted_key.as_deref().unwrap_or_default(),
        extra: None,
    })
}
