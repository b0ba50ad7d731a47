//! Configs over HTTP, for servers without gRPC: the server holds the question about changes until there are some.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nacrite_base::{ConfigType, ContentDigest};
use tokio::sync::watch;

use super::{Publication, Remote};
use crate::config::listens::{Mode, Question};
use crate::config::name::ConfigName;
use crate::config::names::Errand;
use crate::config::value::{Config, Known, Origin, digest_of, type_by_ending};
use crate::error::Error;
use crate::http::config::{Changed, ConfigAt, Fetched, HttpConfig, Listened};
use crate::session::{Generation, Session};

/// Configs over HTTP.
pub(crate) struct PollRemote {
    http: HttpConfig,
    /// Empty for the default namespace.
    tenant: String,
    /// How long the server may hold a question.
    hold: Duration,
}

impl PollRemote {
    pub(crate) fn new(http: HttpConfig, tenant: String, hold: Duration) -> Self {
        Self { http, tenant, hold }
    }

    fn at<'a>(&'a self, name: &'a ConfigName) -> ConfigAt<'a> {
        ConfigAt { data_id: name.data_id(), group: name.group(), tenant: &self.tenant }
    }

    /// Whether a change is in this client's namespace; the default one may be named or not.
    fn is_mine(&self, changed: &Changed) -> bool {
        let plain = |tenant: &str| if tenant == "public" { String::new() } else { tenant.to_owned() };
        plain(&changed.tenant) == self.tenant
    }
}

impl Remote for PollRemote {
    fn mode(&self) -> Mode {
        Mode::Poll
    }

    fn sessions(&self) -> Option<watch::Receiver<Option<Session>>> {
        None
    }

    fn query<'a>(
        &'a self,
        _: Option<Generation>,
        name: &'a ConfigName,
        tag: Option<&'a str>,
        within: Duration,
    ) -> BoxFuture<'a, Result<Known, Error>> {
        async move {
            if tag.is_some() {
                return Err(Error::Unsupported("reading the version of a tag over HTTP".to_owned()));
            }
            let fetched = self.http.get(self.at(name), within).await?;
            Ok(fetched.map_or(Known::Absent, |fetched| Known::Present(config_of(name, fetched))))
        }
        .boxed()
    }

    fn ask<'a>(
        &'a self,
        _: Option<Generation>,
        question: &'a Question,
    ) -> BoxFuture<'a, Result<Vec<ConfigName>, Error>> {
        async move {
            let listened: Vec<Listened<'_>> =
                question.of.iter().map(|(name, digest)| Listened { at: self.at(name), md5: digest }).collect();
            let changed = self.http.long_poll(&listened, self.hold, question.is_urgent).await?;
            let mine = changed.into_iter().filter(|changed| self.is_mine(changed));
            Ok(mine.map(|changed| ConfigName::new(changed.data_id).in_group(changed.group)).collect())
        }
        .boxed()
    }

    /// The server remembers nothing that could be withdrawn.
    fn withdraw<'a>(&'a self, _: Option<Generation>, _: &'a Question) -> BoxFuture<'a, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }

    fn watch_names<'a>(&'a self, _: Generation, _: &'a Errand) -> BoxFuture<'a, Result<(), Error>> {
        async { Err(Error::Unsupported("watching names of configs over HTTP".to_owned())) }.boxed()
    }

    fn publish<'a>(&'a self, publication: &'a Publication, within: Duration) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let more: Vec<(&str, &str)> =
                publication.additions.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let (at, only_if) = (self.at(&publication.name), publication.only_if.as_deref());
            self.http.publish(at, &publication.content, only_if, &more, within).await
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
            if gray.is_some() {
                return Err(Error::Unsupported("removing a gray version over HTTP".to_owned()));
            }
            self.http.remove(self.at(name), within).await
        }
        .boxed()
    }
}

fn config_of(name: &ConfigName, fetched: Fetched) -> Config {
    let declared = fetched.config_type.as_deref();
    Config {
        digest: fetched.md5.map_or_else(|| digest_of(&fetched.content), |md5| ContentDigest::from_stored(&md5)),
        config_type: declared
            .map_or_else(|| type_by_ending(name.data_id()), |declared| ConfigType::from_declared(Some(declared))),
        encrypted_data_key: fetched.encrypted_data_key.map(Into::into),
        last_modified: None,
        origin: Origin::Server,
        content: fetched.content.into(),
    }
}
