//! Configs over gRPC: requests are asked on the link, and a config that is not there is told apart from a failure.
//!
//! Of the headers that Java's client sends with config requests (`Client-AppName`, `Client-RequestTS`,
//! `Client-RequestToken`, `exConfigInfo`, `charset`, `notify`) no server evaluates any over gRPC, so none is sent. The tag
//! of gray releases travels in the labels of the connection (see `labels`).

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nacrite_base::{ConfigType, ContentDigest, Timestamp};
use nacrite_wire::client::Module;
use nacrite_wire::client::config::fuzzy::ConfigFuzzyWatchRequest;
use nacrite_wire::client::config::{
    ConfigBatchListenRequest, ConfigContext, ConfigPublishRequest, ConfigQueryRequest, ConfigQueryResponse,
    ConfigRemoveRequest, ListenContext,
};
use nacrite_wire::client::fuzzy::{CANCEL_WATCH, WATCH};
use nacrite_wire::codes::rpc;
use tokio::sync::watch;

use super::{Publication, Remote};
use crate::config::listens::{Mode, Question};
use crate::config::name::ConfigName;
use crate::config::names::Errand;
use crate::config::value::{Config, Known, Origin, digest_of, type_by_ending};
use crate::error::Error;
use crate::link::{Link, Resource};
use crate::session::{Generation, Session};

/// How long a server may take to say which configs differ.
const ASK_WITHIN: Duration = Duration::from_secs(3);

/// How often a config is asked for that is just being written.
const CONFLICTS_MAX: u32 = 3;

/// How long writing a config takes, generously.
const CONFLICT_PAUSE: Duration = Duration::from_millis(50);

/// Configs over gRPC.
pub(crate) struct GrpcRemote {
    link: Link,
    /// The namespace as it goes over the wire; empty for the default one, which every generation of servers understands.
    tenant: String,
}

impl GrpcRemote {
    pub(crate) fn new(link: Link, tenant: String) -> Self {
        Self { link, tenant }
    }

    fn resource<'a>(&'a self, name: Option<&'a ConfigName>) -> Resource<'a> {
        Resource {
            module: Module::Config,
            namespace: &self.tenant,
            group: name.map_or("", ConfigName::group),
            name: name.map_or("", ConfigName::data_id),
        }
    }

    async fn query_once(
        &self,
        on: Option<Generation>,
        name: &ConfigName,
        tag: Option<&str>,
        within: Duration,
    ) -> Result<Known, Error> {
        let ask = ConfigQueryRequest { data_id: name.data_id(), group: name.group(), tenant: &self.tenant, tag };
        let resource = self.resource(Some(name));
        let answer = match on {
            Some(generation) => self.link.ask_in(generation, &ask, resource, within).await,
            None => self.link.ask(&ask, resource, within).await,
        };
        match answer {
            Ok(answer) => Ok(config_of(name, answer)),
            Err(error) if means_absent(&error) => Ok(Known::Absent),
            Err(error) => Err(error),
        }
    }

    async fn listen(
        &self,
        on: Option<Generation>,
        question: &Question,
        listen: bool,
    ) -> Result<Vec<ConfigContext>, Error> {
        let contexts = question.of.iter().map(|(name, digest)| ListenContext {
            data_id: name.data_id(),
            group: name.group(),
            tenant: &self.tenant,
            md5: digest,
        });
        let ask = ConfigBatchListenRequest { listen, config_listen_contexts: contexts.collect() };
        // A listen that lands on another connection than it was meant for would be forgotten with it.
        let on = on.ok_or(Error::NotConnected(None))?;
        let answer = self.link.ask_in(on, &ask, self.resource(None), ASK_WITHIN).await?;
        Ok(answer.changed_configs)
    }
}

impl Remote for GrpcRemote {
    fn mode(&self) -> Mode {
        Mode::Push
    }

    fn sessions(&self) -> Option<watch::Receiver<Option<Session>>> {
        Some(self.link.session())
    }

    fn query<'a>(
        &'a self,
        on: Option<Generation>,
        name: &'a ConfigName,
        tag: Option<&'a str>,
        within: Duration,
    ) -> BoxFuture<'a, Result<Known, Error>> {
        let asked = async move {
            for _ in 1..CONFLICTS_MAX {
                match self.query_once(on, name, tag, within).await {
                    Err(error) if means_conflict(&error) => tokio::time::sleep(CONFLICT_PAUSE).await,
                    other => return other,
                }
            }
            let last = self.query_once(on, name, tag, within).await;
            last.map_err(|error| if means_conflict(&error) { Error::ConfigBeingWritten } else { error })
        };
        // One deadline over all attempts, however often the config is being written.
        async move {
            let late = |_| Err(Error::Deadline { within, last: None });
            tokio::time::timeout(within, asked).await.unwrap_or_else(late)
        }
        .boxed()
    }

    fn ask<'a>(
        &'a self,
        on: Option<Generation>,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Vec<ConfigName>, Error>> {
        async move {
            let changed = self.listen(on, question, true).await?;
            Ok(changed.into_iter().filter_map(name_of).collect())
        }
        .boxed()
    }

    fn withdraw<'a>(&'a self, on: Option<Generation>, question: &'a Question) -> BoxFuture<'a, Result<(), Error>> {
        async move { self.listen(on, question, false).await.map(|_| ()) }.boxed()
    }

    fn watch_names<'a>(&'a self, on: Generation, errand: &'a Errand) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let (pattern, known, watch_type, initializing) = match errand {
                Errand::Watch { pattern, known, is_first, .. } => (pattern, known.clone(), WATCH, *is_first),
                Errand::Cancel { pattern } => (pattern, Vec::new(), CANCEL_WATCH, false),
            };
            let pattern = pattern.to_string();
            let ask = ConfigFuzzyWatchRequest {
                group_key_pattern: &pattern,
                received_group_keys: known,
                watch_type,
                initializing,
            };
            self.link.ask_in(on, &ask, self.resource(None), ASK_WITHIN).await.map(|_| ())
        }
        .boxed()
    }

    fn publish<'a>(&'a self, publication: &'a Publication, within: Duration) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let ask = ConfigPublishRequest {
                data_id: publication.name.data_id(),
                group: publication.name.group(),
                tenant: &self.tenant,
                content: &publication.content,
                cas_md5: publication.only_if.as_deref(),
                addition_map: publication.additions.iter().map(|(key, value)| (*key, value.as_str())).collect(),
            };
            self.link.ask(&ask, self.resource(Some(&publication.name)), within).await.map(|_| ())
        }
        .boxed()
    }

    fn remove<'a>(
        &'a self,
        name: &'a ConfigName,
        gray: Option<&'a str>,
        within: Duration,
    ) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let ask =
                ConfigRemoveRequest { data_id: name.data_id(), group: name.group(), tenant: &self.tenant, tag: gray };
            self.link.ask(&ask, self.resource(Some(name)), within).await.map(|_| ())
        }
        .boxed()
    }
}

/// The config that an answer holds. Success without a content is a config that is not there, as for Java.
fn config_of(name: &ConfigName, answer: ConfigQueryResponse) -> Known {
    let Some(content) = answer.content else {
        return Known::Absent;
    };
    let declared = answer.content_type.as_deref().filter(|declared| !declared.is_empty());
    let digest = answer.md5.filter(|digest| !digest.is_empty());
    Known::Present(Config {
        digest: digest.map_or_else(|| digest_of(&content), |digest| ContentDigest::from_stored(&digest)),
        config_type: declared
            .map_or_else(|| type_by_ending(name.data_id()), |declared| ConfigType::from_declared(Some(declared))),
        encrypted_data_key: answer.encrypted_data_key.filter(|key| !key.is_empty()).map(Into::into),
        last_modified: u64::try_from(answer.last_modified).ok().filter(|ms| *ms > 0).map(Timestamp::from_ms),
        origin: Origin::Server,
        content: content.into(),
    })
}

/// 300 says that there is no such config. The 300 of a server that is starting, before anybody looks for it, has become
/// another error in the link: a config that is gone takes its snapshot with it.
fn means_absent(error: &Error) -> bool {
    let absent = [rpc::NOT_FOUND, rpc::CONFIG_NOT_FOUND];
    matches!(error, Error::Refused { code, .. } if absent.map(i64::from).contains(code))
}

/// 400 in the answer to a query says that the config is being written.
fn means_conflict(error: &Error) -> bool {
    matches!(error, Error::Refused { code, .. } if *code == i64::from(rpc::INVALID_PARAM))
}

/// The name in a list of changes; `None` if the server left out a part of it.
fn name_of(context: ConfigContext) -> Option<ConfigName> {
    Some(ConfigName::new(&*context.data_id?).in_group(&*context.group?))
}

#[cfg(test)]
mod tests;
