//! Answers to operators: plain words, and the wrappers of two generations around one content.

use std::collections::BTreeMap;

use nacrite_wire::lenient;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;
use crate::http::Reply;

/// What is said about a service.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ServiceShown {
    /// If the healthy share of its instances is this or less, from 0 to 1, all are shown as healthy.
    pub protect_threshold: f64,
    /// Texts.
    pub metadata: BTreeMap<String, String>,
    /// Names of its clusters, in alphabetical order.
    pub clusters: Vec<String>,
}

/// What is said about a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamespaceShown {
    /// Its id; of the public one empty or `public`, by the age of the server.
    pub id: String,
    /// How it is called.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// How many configs it holds.
    pub configs: u64,
}

/// The wrapper of both generations. Success is 0 in one and 200 in the other.
#[derive(Deserialize)]
struct Wrapped {
    #[serde(deserialize_with = "lenient::whole")]
    code: i64,
    #[serde(default, deserialize_with = "lenient::owned_text")]
    message: Option<Box<str>>,
    #[serde(default)]
    data: Value,
}

impl Wrapped {
    fn content(self) -> Result<Value, Error> {
        if matches!(self.code, 0 | 200) {
            return Ok(self.data);
        }
        let message = match (self.message, self.data.as_str()) {
            (Some(message), Some(data)) => format!("{message}: {data}"),
            (message, data) => message.as_deref().or(data).unwrap_or_default().to_owned(),
        };
        Err(Error::Refused { code: self.code, message })
    }
}

/// Whether what was asked for was done.
///
/// # Errors
/// [`Error::Refused`] if not.
pub(super) fn done(reply: &Reply) -> Result<(), Error> {
    let content = match serde_json::from_slice::<Wrapped>(&reply.body) {
        Ok(wrapped) => wrapped.content()?,
        Err(_) => serde_json::from_slice(&reply.body).unwrap_or_default(),
    };
    if content == Value::Bool(false) {
        return Err(Error::Refused { code: reply.status.as_u16().into(), message: "false".to_owned() });
    }
    Ok(())
}

/// Reads a service, wrapped or not.
///
/// # Errors
/// [`Error::Undecodable`] if it is none.
pub(super) fn service(reply: &Reply) -> Result<ServiceShown, Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Body {
        #[serde(deserialize_with = "lenient::number")]
        protect_threshold: f64,
        #[serde(deserialize_with = "lenient::metadata")]
        metadata: Option<nacrite_base::instance::Pairs>,
        /// In the first generation a list of objects with names.
        clusters: Option<Vec<Value>>,
        /// In the third one an object by names.
        cluster_map: Option<BTreeMap<String, Value>>,
    }

    let body: Body = content(reply)?;
    let listed = body.clusters.unwrap_or_default();
    let listed = listed.iter().filter_map(|cluster| cluster.get("name")?.as_str().map(str::to_owned));
    let mut clusters: Vec<_> = listed.chain(body.cluster_map.unwrap_or_default().into_keys()).collect();
    clusters.sort_unstable();
    let pairs = body.metadata.unwrap_or_default().into_iter();
    let metadata = pairs.filter_map(|(key, value)| Some((key.into(), value?.into()))).collect();
    Ok(ServiceShown { protect_threshold: body.protect_threshold, metadata, clusters })
}

/// Reads all namespaces.
///
/// # Errors
/// [`Error::Undecodable`] if it is no list of them.
pub(super) fn namespaces(reply: &Reply) -> Result<Vec<NamespaceShown>, Error> {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "camelCase")]
    struct Body {
        #[serde(deserialize_with = "lenient::owned_text")]
        namespace: Option<Box<str>>,
        #[serde(deserialize_with = "lenient::owned_text")]
        namespace_show_name: Option<Box<str>>,
        #[serde(deserialize_with = "lenient::owned_text")]
        namespace_desc: Option<Box<str>>,
        #[serde(deserialize_with = "lenient::whole")]
        config_count: i64,
    }

    let all: Vec<Body> = content(reply)?;
    let shown = |body: Body| NamespaceShown {
        id: body.namespace.unwrap_or_default().into(),
        name: body.namespace_show_name.unwrap_or_default().into(),
        description: body.namespace_desc.map(Into::into),
        configs: u64::try_from(body.config_count).unwrap_or(0),
    };
    Ok(all.into_iter().map(shown).collect())
}

/// Reads what an answer is about, wrapped or not.
///
/// # Errors
/// [`Error::Undecodable`] if it is something else, [`Error::Refused`] if the wrapper says so.
pub(super) fn content<T: DeserializeOwned>(reply: &Reply) -> Result<T, Error> {
    let undecodable = |e: serde_json::Error| Error::Undecodable(format!("an answer to an operator: {e}"));
    let value = match serde_json::from_slice::<Wrapped>(&reply.body) {
        Ok(wrapped) => wrapped.content()?,
        Err(_) => serde_json::from_slice(&reply.body).map_err(undecodable)?,
    };
    // Through text once more: the lenient readers borrow from it.
    serde_json::from_str(&value.to_string()).map_err(undecodable)
}
