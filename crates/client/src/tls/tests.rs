//! Who is believed, what is shown, and what happens when files change.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::http::{Call, Http};
use crate::tasks::Tasks;

/// An authority, and a certificate with its key that it gave out.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"))
    }

    /// A certificate and its key, as PEM.
    fn give(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }
}

/// A server of HTTP over TLS that answers "ok", and hello to those who are believed.
async fn serve(authority: &Authority, name: &str, clients: Option<&Authority>, tasks: &Tasks) -> ServerAddress {
    let (chain, key) = authority.give(name);
    let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = builder.expect("versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).expect("a certificate"))
                .expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let config = builder.with_single_cert(chain, key).expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let server = format!("https://{}", listener.local_addr().expect("it is bound"));
    let (spawner, stop) = (tasks.clone(), tasks.clone());
    tasks.spawn(async move {
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => accepted.expect("it listens").0,
                () = stop.stopping() => return,
            };
            spawner.spawn(answer(acceptor.clone(), stream));
        }
    });
    server.parse().expect("an address")
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream) {
    // A client that does not believe us hangs up; that is what is tested.
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut buffer = [0; 4096];
    if stream.read(&mut buffer).await.is_ok_and(|len| len > 0) {
        let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").await;
        let _gone = stream.shutdown().await;
    }
}

fn file(dir: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, text).expect("a temporary file");
    path
}

async fn ask(setup: &Arc<TlsSetup>, server: &ServerAddress, tasks: &Tasks) -> Result<(), Error> {
    let http = Http::new(Arc::clone(setup), tasks.clone());
    http.send(server, &Call::get("/"), Duration::from_secs(5)).await.map(|_| ())
}

fn setup(settings: TlsSettings) -> Arc<TlsSetup> {
    Arc::new(TlsSetup::new(Some(settings)).expect("the files are fine"))
}

#[tokio::test]
async fn servers_are_verified_by_authority_and_name() {
    let (dir, tasks) = (tempfile::tempdir().expect("a directory"), Tasks::new().expect("inside a runtime"));
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let trusted = TlsSettings::new().authorities(file(&dir, "ca.pem", &ours.pem()));
    let by_ip = serve(&ours, "127.0.0.1", None, &tasks).await;
    let by_name = serve(&ours, "registry.internal", None, &tasks).await;
    let foreign = serve(&others, "127.0.0.1", None, &tasks).await;
    ask(&setup(trusted.clone()), &by_ip, &tasks).await.expect("name and authority are right");
    let unknown = ask(&setup(trusted.clone()), &foreign, &tasks).await.expect_err("another authority").to_string();
    assert!(unknown.contains("TLS") && unknown.contains("UnknownIssuer"), "{unknown}");
    let misnamed = ask(&setup(trusted.clone()), &by_name, &tasks).await.expect_err("another name").to_string();
    assert!(misnamed.contains("TLS") && misnamed.contains("not valid for"), "{misnamed}");
    ask(&setup(trusted.server_name("registry.internal")), &by_name, &tasks).await.expect("that is its name");
    ask(&setup(TlsSettings::new().dangerous_trust_all()), &foreign, &tasks).await.expect("everybody is believed");
    assert!(tasks.stop_all(Duration::from_secs(5)).await, "a task is left");
}

/// Without settings, an `https` address is verified all the same.
#[tokio::test]
async fn the_default_believes_no_stranger() {
    let tasks = Tasks::new().expect("inside a runtime");
    let server = serve(&Authority::new("strange"), "127.0.0.1", None, &tasks).await;
    let plain = Arc::new(TlsSetup::new(None).expect("nothing to load"));
    assert!(!plain.is_wanted());
    ask(&plain, &server, &tasks).await.expect_err("nobody vouches for it");
    assert!(tasks.stop_all(Duration::from_secs(5)).await, "a task is left");
}

#[tokio::test]
async fn a_client_shows_its_certificate() {
    let (dir, tasks) = (tempfile::tempdir().expect("a directory"), Tasks::new().expect("inside a runtime"));
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    let server = serve(&ours, "127.0.0.1", Some(&clients), &tasks).await;
    let nameless = TlsSettings::new().authorities(file(&dir, "ca.pem", &ours.pem()));
    ask(&setup(nameless.clone()), &server, &tasks).await.expect_err("it wants to see one");
    let (chain, key) = clients.give("orders");
    let named = nameless.identity(file(&dir, "chain.pem", &chain), file(&dir, "key.pem", &key));
    ask(&setup(named), &server, &tasks).await.expect("it is believed");
    assert!(tasks.stop_all(Duration::from_secs(5)).await, "a task is left");
}

#[tokio::test]
async fn changed_files_are_taken_and_broken_ones_are_not() {
    let (dir, tasks) = (tempfile::tempdir().expect("a directory"), Tasks::new().expect("inside a runtime"));
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let server = serve(&new, "127.0.0.1", None, &tasks).await;
    let path = file(&dir, "ca.pem", &old.pem());
    let setup = setup(TlsSettings::new().authorities(&path));
    ask(&setup, &server, &tasks).await.expect_err("its authority is not known yet");
    assert!(!setup.reload().await.expect("readable"), "nothing has changed");
    fs::write(&path, new.pem()).expect("writable");
    assert!(setup.reload().await.expect("readable"));
    ask(&setup, &server, &tasks).await.expect("now it is");
    fs::write(&path, "half a cert").expect("writable");
    setup.reload().await.expect_err("it is broken");
    ask(&setup, &server, &tasks).await.expect("the good one stays");
    assert!(tasks.stop_all(Duration::from_secs(5)).await, "a task is left");
}

#[test]
fn files_that_cannot_be_used_are_told_when_the_client_is_built() {
    let dir = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("strange");
    let ca = file(&dir, "ca.pem", &authority.pem());
    let ((chain, key), (_, another)) = (authority.give("orders"), authority.give("orders"));
    let (chain, key) = (file(&dir, "chain.pem", &chain), file(&dir, "key.pem", &key));
    let (another, empty) = (file(&dir, "another.pem", &another), file(&dir, "empty.pem", ""));
    let told = |settings: TlsSettings| TlsSetup::new(Some(settings)).map(|_| ()).expect_err("refused").to_string();
    let absent = Path::new("absent.pem");
    assert!(told(TlsSettings::new().authorities(absent)).contains("absent.pem"));
    assert!(told(TlsSettings::new().authorities(&empty)).contains("empty.pem"));
    assert!(told(TlsSettings::new().authorities(&ca).identity(absent, &key)).contains("absent.pem"));
    assert!(told(TlsSettings::new().authorities(&ca).identity(&empty, &key)).contains("empty.pem"));
    assert!(told(TlsSettings::new().authorities(&ca).identity(&chain, &empty)).contains("empty.pem"));
    assert!(told(TlsSettings::new().authorities(&ca).identity(&chain, &another)).contains("fit together"));
    assert!(told(TlsSettings::new().authorities(&ca).server_name("not a name")).contains("not a name"));
}
