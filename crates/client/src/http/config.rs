//! Configs over HTTP, in the words of the first generation, which all generations of servers understand.
//!
//! For servers without gRPC: contents, and the long poll that takes the place of a push. What is listened to, and what a
//! change means, is decided elsewhere.

use std::time::Duration;

use http::HeaderMap;
use nacrite_wire::client::Module;
use percent_encoding::percent_decode_str;

use super::{Call, Proxy, Reply};
use crate::error::Error;
use crate::link::Resource;

const CONFIGS: &str = "/v1/cs/configs";
const LISTENER: &str = "/v1/cs/configs/listener";

/// What servers say about a config that is not there; another 404 speaks of the way, not of the config.
const NOT_THERE: &str = "not exist";

/// Between the fields of an entry, and after an entry.
const FIELD: char = '\u{2}';
const ENTRY: char = '\u{1}';

/// Which config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConfigAt<'a> {
    /// Name.
    pub(crate) data_id: &'a str,
    /// Group.
    pub(crate) group: &'a str,
    /// Namespace id; empty for the public one.
    pub(crate) tenant: &'a str,
}

impl<'a> ConfigAt<'a> {
    fn resource(self) -> Resource<'a> {
        Resource { module: Module::Config, namespace: self.tenant, group: self.group, name: self.data_id }
    }

    fn add_to(self, call: Call<'a>) -> Call<'a> {
        let call = call.param("dataId", self.data_id).param("group", self.group);
        if self.tenant.is_empty() { call } else { call.param("tenant", self.tenant) }
    }
}

/// A config as a server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// As it is stored: perhaps encrypted.
    pub(crate) content: String,
    /// Digest that the server has of it; absent from old servers.
    pub(crate) md5: Option<String>,
    /// Its type.
    pub(crate) config_type: Option<String>,
    /// With what it can be decrypted.
    pub(crate) encrypted_data_key: Option<String>,
}

/// A config that is listened to, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listened<'a> {
    /// Which one.
    pub(crate) at: ConfigAt<'a>,
    /// Digest of what is known; empty if nothing is.
    pub(crate) md5: &'a str,
}

/// A config of which a server says that it has changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Changed {
    /// Name.
    pub(crate) data_id: String,
    /// Group.
    pub(crate) group: String,
    /// Namespace id; empty for the public one.
    pub(crate) tenant: String,
}

/// Configs over HTTP. Clones share everything.
#[derive(Clone)]
pub(crate) struct HttpConfig {
    proxy: Proxy,
}

impl HttpConfig {
    pub(crate) const fn new(proxy: Proxy) -> Self {
        Self { proxy }
    }

    /// Fetches a config; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::ConfigBeingWritten`]; else as [`Proxy::call`].
    pub(crate) async fn get(&self, at: ConfigAt<'_>, within: Duration) -> Result<Option<Fetched>, Error> {
        let call = at.add_to(Call::get(self.proxy.path(CONFIGS)));
        match self.proxy.call(&call, at.resource(), within).await {
            Ok(reply) => fetched(&reply).map(Some),
            Err(Error::Refused { code: 404, message }) if message.contains(NOT_THERE) => Ok(None),
            Err(Error::Refused { code: 409, .. }) => Err(Error::ConfigBeingWritten),
            Err(error) => Err(error),
        }
    }

    /// Stores a config; with `cas_md5` only if that is the digest of what is stored. `more` are the fields of a publication
    /// besides (`type`, `tag`, `appName`, `config_tags`, `encryptedDataKey` …).
    ///
    /// # Errors
    /// [`Error::ConfigRaced`] if something else is stored; else as [`Proxy::call`].
    pub(crate) async fn publish(
        &self,
        at: ConfigAt<'_>,
        content: &str,
        cas_md5: Option<&str>,
        more: &[(&str, &str)],
        within: Duration,
    ) -> Result<(), Error> {
        let mut call = at.add_to(Call::post(self.proxy.path(CONFIGS))).form("content", content);
        for (name, value) in more {
            // The addresses of a trial release are read from the headers.
            call = if *name == "betaIps" { call.header(name, value) } else { call.form(name, *value) };
        }
        if let Some(md5) = cas_md5 {
            // A second attempt would find what the first one stored, and take it for somebody else's.
            call = call.header("casMd5", md5).once();
        }
        match self.proxy.call(&call, at.resource(), within).await {
            Ok(reply) => done(&reply, cas_md5),
            Err(Error::Refused { code: 500, message }) if cas_md5.is_some() && is_raced(&message) => {
                Err(Error::ConfigRaced)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a config; one that is not there is removed already.
    ///
    /// # Errors
    /// As [`Proxy::call`].
    pub(crate) async fn remove(&self, at: ConfigAt<'_>, within: Duration) -> Result<(), Error> {
        let call = at.add_to(Call::delete(self.proxy.path(CONFIGS)));
        self.proxy.call(&call, at.resource(), within).await.and_then(|reply| done(&reply, None))
    }

    /// Waits until one of `listened` is another one than `listened` says, at most `hold` (servers wait 10 s at least, and
    /// half a second less than asked for). Empty if none has changed. With `at_once` the server does not wait: for the first
    /// poll of new entries. One server is asked, once; the next call asks another one after a failure.
    ///
    /// # Errors
    /// As [`Proxy::call`].
    pub(crate) async fn long_poll(
        &self,
        listened: &[Listened<'_>],
        hold: Duration,
        at_once: bool,
    ) -> Result<Vec<Changed>, Error> {
        let hold_ms = hold.as_millis().to_string();
        let mut call = Call::post(self.proxy.path(LISTENER))
            .header("Long-Pulling-Timeout", &hold_ms)
            .form("Listening-Configs", entries(listened));
        if at_once {
            call = call.header("Long-Pulling-Timeout-No-Hangup", "true");
        }
        // The request is about many configs, so it is signed as one that is about none.
        let resource = Resource { module: Module::Config, namespace: "", group: "", name: "" };
        let reply = self.proxy.call_one(&call, resource, hold.mul_f64(1.5)).await?;
        changed(&reply.body)
    }
}

/// Reads a config.
///
/// # Errors
/// [`Error::Undecodable`] if it is no text.
pub(crate) fn fetched(reply: &Reply) -> Result<Fetched, Error> {
    let content =
        std::str::from_utf8(&reply.body).map_err(|_| Error::Undecodable("a config that is no UTF-8".into()))?;
    Ok(Fetched {
        content: content.to_owned(),
        md5: header(&reply.headers, "content-md5"),
        config_type: header(&reply.headers, "config-type"),
        encrypted_data_key: header(&reply.headers, "encrypted-data-key"),
    })
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|value| !value.is_empty()).map(str::to_owned)
}

/// Whether it was done. Servers of the first generation answer with a word: a refusal comes with status 200, too.
///
/// # Errors
/// [`Error::ConfigRaced`] or [`Error::Refused`] if not.
pub(crate) fn done(reply: &Reply, cas_md5: Option<&str>) -> Result<(), Error> {
    match reply.body.trim_ascii() {
        b"false" if cas_md5.is_some() => Err(Error::ConfigRaced),
        b"false" => Err(Error::Refused { code: reply.status.as_u16().into(), message: "false".into() }),
        _ => Ok(()),
    }
}

/// Generations differ in how they say that something else is stored.
fn is_raced(message: &str) -> bool {
    message.starts_with("false") || message.contains("md5 may have changed")
}

fn entries(listened: &[Listened<'_>]) -> String {
    let mut out = String::new();
    for Listened { at, md5 } in listened {
        for field in [at.data_id, at.group] {
            out.push_str(field);
            out.push(FIELD);
        }
        out.push_str(md5);
        if !at.tenant.is_empty() {
            out.push(FIELD);
            out.push_str(at.tenant);
        }
        out.push(ENTRY);
    }
    out
}

/// Reads which configs have changed.
///
/// # Errors
/// [`Error::Undecodable`] if it is no such list.
pub(crate) fn changed(body: &[u8]) -> Result<Vec<Changed>, Error> {
    let unreadable = || Error::Undecodable("the answer to a long poll".to_owned());
    let text = std::str::from_utf8(body).map_err(|_| unreadable())?.trim();
    let text = percent_decode_str(text).decode_utf8().map_err(|_| unreadable())?;
    let mut all = Vec::new();
    for entry in text.split(ENTRY).filter(|entry| !entry.trim().is_empty()) {
        let mut fields = entry.split(FIELD).map(str::to_owned);
        let (Some(data_id), Some(group)) = (fields.next(), fields.next()) else {
            return Err(unreadable());
        };
        all.push(Changed { data_id, group, tenant: fields.next().unwrap_or_default() });
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
