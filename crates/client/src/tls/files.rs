//! From PEM files to a configuration of rustls. Reads and checks; keeps nothing.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest as _, Sha256};
use tracing::debug;

use super::trust_all::TrustAll;
use super::{Identity, TlsSettings, Trust};
use crate::error::Error;

/// Of everything that was read from files, to notice changes.
pub(super) type Digest = [u8; 32];

/// What the files hold.
pub(super) struct Material {
    pub(super) digest: Digest,
    /// Absent if everybody is trusted.
    roots: Option<Arc<RootCertStore>>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

impl Material {
    /// Reads all files that `settings` names.
    ///
    /// # Errors
    /// [`Error::File`] if one cannot be read, [`Error::Invalid`] if it does not hold what it should.
    pub(super) fn read(settings: &TlsSettings) -> Result<Self, Error> {
        let mut digest = Sha256::new();
        let roots = match settings.trust {
            Trust::All => None,
            Trust::Verified => Some(Arc::new(roots(settings.authorities.as_deref(), &mut digest)?)),
        };
        let identity = settings.identity.as_ref().map(|files| identity(files, &mut digest)).transpose()?;
        Ok(Self { digest: digest.finalize().into(), roots, identity })
    }

    /// A configuration for connections that speak `protocol`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the key does not belong to the certificate.
    pub(super) fn config(&self, protocol: &[u8]) -> Result<ClientConfig, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(|e| unusable(&e))?;
        let builder = match &self.roots {
            Some(roots) => builder.with_root_certificates(Arc::clone(roots)),
            None => builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustAll::new(provider))),
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                builder.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(|e| unusable(&e))?
            }
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(config)
    }
}

fn unusable(error: &rustls::Error) -> Error {
    Error::Invalid(format!("the TLS files do not fit together: {error}"))
}

fn read(path: &Path, digest: &mut Sha256) -> Result<Vec<u8>, Error> {
    let bytes =
        std::fs::read(path).map_err(|source| Error::File { what: format!("reading {}", path.display()), source })?;
    digest.update(&bytes);
    Ok(bytes)
}

fn roots(file: Option<&Path>, digest: &mut Sha256) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            debug!(%error, "a certificate of the operating system cannot be read");
        }
        // Old roots that today's rules refuse lie in many systems; they are left out, as browsers do.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            return Err(Error::Invalid(
                "the operating system has no authorities to verify servers with; name some".into(),
            ));
        }
        return Ok(roots);
    };
    let invalid =
        |why: &dyn std::fmt::Display| Error::Invalid(format!("{} holds no authorities: {why}", file.display()));
    let bytes = read(file, digest)?;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        roots.add(certificate.map_err(|e| invalid(&e))?).map_err(|e| invalid(&e))?;
    }
    if roots.is_empty() { Err(invalid(&"there is no certificate in it")) } else { Ok(roots) }
}

fn identity(
    files: &Identity,
    digest: &mut Sha256,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Error> {
    let invalid = |file: &Path, why: &dyn std::fmt::Display| Error::Invalid(format!("{}: {why}", file.display()));
    let bytes = read(&files.chain, digest)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let chain = chain.map_err(|e| invalid(&files.chain, &e))?;
    if chain.is_empty() {
        return Err(invalid(&files.chain, &"there is no certificate in it"));
    }
    let bytes = read(&files.key, digest)?;
    // The reader's words are not repeated: they could hold a piece of the key.
    let key = PrivateKeyDer::from_pem_slice(&bytes);
    let key = key.map_err(|_| invalid(&files.key, &"there is no key in it that can be read without a password"))?;
    Ok((chain, key))
}
