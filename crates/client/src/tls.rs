//! How a server proves who it is, and how this client does: files, trust, names.
//!
//! A server is verified unless [`TlsSettings::dangerous_trust_all`] says otherwise. Without authorities of one's own, those
//! of the operating system count: registries stand in private networks, where the company's authority is installed on
//! every machine, and no list that was compiled in knows it. Files are read again from time to time, so that a renewed
//! certificate is used from the next connection on; a broken file never replaces a good one.
//!
//! The crypto provider is passed explicitly. What is installed for the process is neither used nor changed.

mod files;
mod trust_all;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::{info, warn};

use crate::error::Error;
use crate::server::ServerAddress;
use files::Material;

/// How often the files are read again: often enough for certificates that live for an hour, and three small files cost
/// nothing. Nacos looks every 10 minutes (`checkIntervalTlsFile`).
const RELOAD_EVERY: Duration = Duration::from_secs(60);

/// How servers prove who they are, and how this client does.
///
/// ```
/// use nacrite_client::TlsSettings;
///
/// let tls = TlsSettings::new().authorities("/etc/registry/ca.pem").server_name("registry.internal");
/// ```
#[derive(Clone, Debug)]
pub struct TlsSettings {
    authorities: Option<PathBuf>,
    identity: Option<Identity>,
    server_name: Option<String>,
    trust: Trust,
    reload_every: Duration,
}

/// The files with which this client proves who it is.
#[derive(Clone, Debug)]
struct Identity {
    chain: PathBuf,
    key: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Verified,
    All,
}

impl Default for TlsSettings {
    fn default() -> Self {
        Self {
            authorities: None,
            identity: None,
            server_name: None,
            trust: Trust::Verified,
            reload_every: RELOAD_EVERY,
        }
    }
}

impl TlsSettings {
    /// Servers are verified against the authorities of the operating system; the client shows no certificate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities in this PEM file, and no others. Nacos: `trustCollectionChainPath`.
    #[must_use]
    pub fn authorities(mut self, pem: impl Into<PathBuf>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// Shows this certificate to servers that ask for one: two PEM files, the chain and its key (not encrypted).
    /// Nacos: `certChainFile` and `certPrivateKey`.
    #[must_use]
    pub fn identity(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some(Identity { chain: chain.into(), key: key.into() });
        self
    }

    /// Expects this name in the certificate, and sends it, in place of the one that the server was addressed by.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Believes every certificate. What is sent is hidden from listeners, but not from who stands in between: passwords
    /// and configs can be read and changed by them.
    #[must_use]
    pub fn dangerous_trust_all(mut self) -> Self {
        self.trust = Trust::All;
        self
    }

    /// How often the files are looked at for changes; 60 s if not set, at least 1 s.
    #[must_use]
    pub fn reload_every(mut self, period: Duration) -> Self {
        self.reload_every = period.max(Duration::from_secs(1));
        self
    }
}

/// What is spoken through the encrypted connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Plain requests.
    Http1,
    /// gRPC.
    Http2,
}

/// What was made of the files, ready to be used.
#[derive(Debug)]
pub(crate) struct Ready {
    /// To tell whether the files have changed.
    digest: files::Digest,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Ready {
    fn of(material: &Material) -> Result<Self, Error> {
        let digest = material.digest;
        let http2 = Arc::new(material.config(b"h2")?);
        let http1 = Arc::new(material.config(b"http/1.1")?);
        Ok(Self { digest, http1, http2 })
    }
}

/// What the connections of a client share.
#[derive(Debug)]
pub(crate) struct TlsSetup {
    settings: TlsSettings,
    is_wanted: bool,
    /// Absent until it is needed for the first time: who speaks no TLS shall not pay for reading the authorities.
    ready: ArcSwapOption<Ready>,
}

impl TlsSetup {
    /// With `None`, gRPC goes in the clear, and HTTP is encrypted where an address says `https`, by the defaults.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Invalid`] if settings are given whose files cannot be used.
    pub(crate) fn new(settings: Option<TlsSettings>) -> Result<Self, Error> {
        let setup = Self {
            is_wanted: settings.is_some(),
            settings: settings.unwrap_or_default(),
            ready: ArcSwapOption::empty(),
        };
        if setup.is_wanted {
            setup.check_name()?;
            setup.ready.store(Some(Arc::new(Ready::of(&Material::read(&setup.settings)?)?)));
        }
        Ok(setup)
    }

    fn check_name(&self) -> Result<(), Error> {
        let Some(name) = &self.settings.server_name else {
            return Ok(());
        };
        let checked = ServerName::try_from(name.as_str());
        checked.map(|_| ()).map_err(|e| Error::Invalid(format!("{name:?} is no name of a server: {e}")))
    }

    /// Whether the caller asked for TLS; decides for gRPC, where an address says nothing about it.
    pub(crate) const fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// Encrypts `stream`, which leads to `server`.
    ///
    /// # Errors
    /// If the files cannot be used, the server is not who it should be, or speaks no TLS.
    pub(crate) async fn connect<S>(
        &self,
        stream: S,
        server: &ServerAddress,
        protocol: Protocol,
    ) -> std::io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let ready = self.ready().await.map_err(std::io::Error::other)?;
        let name = self.settings.server_name.as_deref().unwrap_or(server.host()).to_owned();
        let name = ServerName::try_from(name).map_err(std::io::Error::other)?;
        let config = match protocol {
            Protocol::Http1 => &ready.http1,
            Protocol::Http2 => &ready.http2,
        };
        TlsConnector::from(Arc::clone(config)).connect(name, stream).await
    }

    async fn ready(&self) -> Result<Arc<Ready>, Error> {
        if let Some(ready) = self.ready.load_full() {
            return Ok(ready);
        }
        // Two who come here at once read twice, and that is all.
        let ready = Arc::new(Ready::of(&read_aside(&self.settings).await?)?);
        self.ready.store(Some(Arc::clone(&ready)));
        Ok(ready)
    }

    /// Reads the files again and again until it is dropped. Ends at once if there is nothing that could change.
    pub(crate) async fn keep_fresh(&self) {
        if self.settings.authorities.is_none() && self.settings.identity.is_none() {
            return;
        }
        loop {
            tokio::time::sleep(self.settings.reload_every).await;
            match self.reload().await {
                Ok(true) => info!("the TLS files have changed and are used from the next connection on"),
                Ok(false) => {}
                // Half-written files are ordinary while they are being replaced, so the old ones stay in use.
                Err(error) => warn!(%error, "the TLS files cannot be used; those read before stay in use"),
            }
        }
    }

    /// Whether the files were other ones.
    async fn reload(&self) -> Result<bool, Error> {
        let material = read_aside(&self.settings).await?;
        if self.ready.load().as_ref().is_some_and(|ready| ready.digest == material.digest) {
            return Ok(false);
        }
        self.ready.store(Some(Arc::new(Ready::of(&material)?)));
        Ok(true)
    }
}

/// Reads where it holds nobody up: a mounted secret may lie on a network drive.
#[expect(
    clippy::disallowed_methods,
    reason = "a library has no threads of its own; the caller's runtime keeps some for this"
)]
async fn read_aside(settings: &TlsSettings) -> Result<Material, Error> {
    let settings = settings.clone();
    let read = tokio::task::spawn_blocking(move || Material::read(&settings)).await;
    read.map_err(|_| Error::Closed)?
}

#[cfg(test)]
mod tests;
