//! How endpoints prove who they are, and how this program does.
//!
//! Endpoints are verified, always: against the authorities that are given, or those of the operating system. The crypto
//! provider is passed explicitly; what is installed for the process is neither used nor changed.

use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What cannot be used for TLS, and why. Holds nothing of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("TLS cannot be used: {0}")]
pub struct TlsError(pub(crate) String);

/// How endpoints prove who they are. Channels that have it speak TLS alone, whatever a registry says of its instances.
///
/// ```
/// use nacrite_tonic::ChannelTls;
///
/// let pem = "-----BEGIN CERTIFICATE-----…";
/// let tls = ChannelTls::new().authorities(pem).server_name("orders.internal");
/// ```
#[derive(Clone, Default)]
pub struct ChannelTls {
    authorities: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    server_name: Option<String>,
    own: Option<Arc<ClientConfig>>,
}

impl std::fmt::Debug for ChannelTls {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChannelTls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl ChannelTls {
    /// The authorities of the operating system, the channel's authority as the name, no certificate of one's own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the authorities in this PEM text, and no others.
    #[must_use]
    pub fn authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// Shows a certificate to endpoints that ask for one: the chain and its key, as PEM.
    #[must_use]
    pub fn identity(mut self, chain_pem: impl Into<Vec<u8>>, key_pem: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((chain_pem.into(), key_pem.into()));
        self
    }

    /// Expects this name in certificates, and sends it, in place of the channel's authority.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Takes a configuration of rustls as it is, but for the protocol, which is always `h2`. Authorities and identity
    /// that were given besides do not count.
    #[must_use]
    pub fn rustls(mut self, config: Arc<ClientConfig>) -> Self {
        self.own = Some(config);
        self
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Reads what was given.
    ///
    /// # Errors
    /// What cannot be used.
    pub(crate) fn ready(&self) -> Result<TlsConnector, TlsError> {
        if let Some(name) = &self.server_name {
            server_name(name).map_err(TlsError)?;
        }
        let mut config = match &self.own {
            Some(own) => ClientConfig::clone(own),
            None => self.config()?,
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(TlsConnector::from(Arc::new(config)))
    }

    fn config(&self) -> Result<ClientConfig, TlsError> {
        let unusable = |error: rustls::Error| TlsError(error.to_string());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(unusable)?.with_root_certificates(roots(self.authorities.as_deref())?);
        let Some((chain, key)) = &self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|error| TlsError(format!("the certificate cannot be read: {error}")))?;
        // The reader's words are not repeated: they could hold a piece of the key.
        let key = PrivateKeyDer::from_pem_slice(key);
        let key = key.map_err(|_| TlsError("the key cannot be read without a password".to_owned()))?;
        builder.with_client_auth_cert(chain, key).map_err(unusable)
    }
}

fn roots(pem: Option<&[u8]>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match pem {
        // Old roots that today's rules refuse lie in many systems; they are left out, as browsers do.
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        Some(pem) => {
            let wrong = |error: &dyn std::fmt::Display| TlsError(format!("the authorities cannot be read: {error}"));
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
            }
        }
    }
    if roots.is_empty() {
        Err(TlsError("there are no authorities to verify endpoints with".to_owned()))
    } else {
        Ok(roots)
    }
}

/// Checks that a name can stand in a certificate.
///
/// # Errors
/// Why it cannot.
pub(crate) fn server_name(name: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(name.to_owned()).map_err(|error| format!("{name:?} is no name of a server: {error}"))
}

/// TLS that was asked for, or that of the defaults, made when an endpoint says that it needs it: who speaks none shall not
/// pay for reading the authorities of the operating system.
#[derive(Clone, Default)]
pub(crate) struct LazyTls(Arc<OnceLock<Result<TlsConnector, TlsError>>>);

impl std::fmt::Debug for LazyTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LazyTls")
    }
}

impl LazyTls {
    pub(crate) fn ready(connector: TlsConnector) -> Self {
        Self(Arc::new(OnceLock::from(Ok(connector))))
    }

    /// Encrypts a connection to who can prove that this is his name.
    ///
    /// # Errors
    /// If he cannot, or speaks no HTTP/2 behind it.
    pub(crate) async fn connect(&self, name: &str, tcp: TcpStream) -> Result<TlsStream<TcpStream>, String> {
        let connector = self.0.get_or_init(|| ChannelTls::new().ready()).as_ref().map_err(ToString::to_string)?;
        let stream = connector.connect(server_name(name)?, tcp).await.map_err(|error| error.to_string())?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(stream),
            _ => Err("the other side did not agree to speak HTTP/2".to_owned()),
        }
    }
}
