//! TLS, names, and what is sent over TLS alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use nacrite_tonic::{AttemptContext, CallCredentials, Channel, ChannelBuilder, ChannelTls, CredentialsOver};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::echo::say;
use crate::server::Server;
use crate::told::Told;

/// An authority, and a certificate for `name` that it gave out, as a server uses it.
fn authority(name: &str) -> (String, TlsAcceptor) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new([name.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &authority).expect("a certificate").pem();
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.expect("versions").with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.expect("they belong together");
    config.alpn_protocols = vec![b"h2".to_vec()];
    (authority.pem(), TlsAcceptor::from(Arc::new(config)))
}

async fn encrypted(name: &str) -> (Server, String) {
    let (pem, acceptor) = authority(name);
    (Server::start_at("a", SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Some(acceptor)).await, pem)
}

fn to(server: &Server) -> ChannelBuilder {
    Channel::builder(format!("static:///{}", server.address()))
}

#[tokio::test]
async fn endpoints_prove_the_name_of_the_service_or_the_one_that_is_given() {
    let (server, pem) = encrypted("echo").await;
    let told = Told::default();
    let channel = told.channel().tls(ChannelTls::new().authorities(pem.clone())).build().expect("a channel");
    told.list([&server]);
    assert_eq!(say(&channel).await.as_deref(), Ok("a"));
    let named = to(&server).tls(ChannelTls::new().authorities(pem.clone()).server_name("echo"));
    assert_eq!(say(&named.build().expect("a channel")).await.as_deref(), Ok("a"));
    let other = to(&server).authority("other").tls(ChannelTls::new().authorities(pem));
    let failed = say(&other.build().expect("a channel")).await.expect_err("it is somebody else");
    assert!(failed.code() == Code::Unavailable && failed.message().contains("no TLS with"), "{failed:?}");
}

#[tokio::test]
async fn a_server_that_speaks_no_http2_never_becomes_ready() {
    let (server, _) = encrypted("echo").await;
    let failed = say(&to(&server).build().expect("a channel")).await.expect_err("it speaks TLS");
    assert!(failed.message().contains("no HTTP/2 with"), "{failed:?}");
}

#[test]
fn what_cannot_be_used_for_tls_is_told_when_the_channel_is_built() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let _inside = runtime.enter();
    let (pem, _) = authority("echo");
    for (tls, why) in [
        (ChannelTls::new().authorities("nothing"), "no authorities"),
        (ChannelTls::new().authorities(pem.clone()).server_name("a b"), "no name of a server"),
        (ChannelTls::new().authorities(pem.clone()).identity(pem, "no key"), "the key cannot be read"),
    ] {
        let failed = Channel::builder("static:///a:1").tls(tls).build().expect_err(why).to_string();
        assert!(failed.contains(why), "{failed:?}");
    }
}

struct Token;

impl CallCredentials for Token {
    fn metadata<'a>(&'a self, attempt: AttemptContext<'a>) -> BoxFuture<'a, Result<MetadataMap, Status>> {
        Box::pin(async move {
            let mut metadata = MetadataMap::new();
            let token = format!("{} {}", attempt.authority, attempt.method);
            metadata.insert("authorization", token.parse().map_err(|_| Status::internal("no value"))?);
            Ok(metadata)
        })
    }
}

#[tokio::test]
async fn credentials_go_over_tls_alone_unless_it_is_allowed() {
    let (server, pem) = encrypted("echo").await;
    let tls = ChannelTls::new().authorities(pem);
    let channel = to(&server).authority("echo").tls(tls).credentials(Token, CredentialsOver::TlsAlone);
    assert_eq!(say(&channel.build().expect("a channel")).await.as_deref(), Ok("a"));
    let sent = server.script.metadata.borrow().clone();
    assert_eq!(sent.get("authorization").map(|token| token.as_bytes()), Some(&b"echo /test.Echo/Say"[..]));
    let clear = Server::start("clear").await;
    let channel = to(&clear).credentials(Token, CredentialsOver::TlsAlone).build().expect("a channel");
    let failed = say(&channel).await.expect_err("it would be heard");
    assert_eq!((failed.code(), clear.calls()), (Code::Unauthenticated, 0));
    let channel = to(&clear).credentials(Token, CredentialsOver::Anything).build().expect("a channel");
    assert_eq!(say(&channel).await.as_deref(), Ok("clear"));
}
