//! How a client is let in, and what it says when it is not.

use super::*;
use crate::failure::{ConnectFailure, Layer};
use crate::testkit::{Admission, Reply};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// Checklist, 1.
#[tokio::test]
async fn the_server_is_checked_before_the_stream_and_its_acknowledgement_is_awaited_and_not_answered() {
    let server = ScriptedServer::start().await;
    let rig = Rig::new(&[&server]);
    rig.ready().await;
    let session = rig.session(|_| true).await;
    assert_eq!(session.server, server.address());
    assert_eq!(session.abilities.has("supportPersistentInstanceByGrpc"), Some(true));
    assert_eq!(session.abilities.has("fuzzyWatch"), None);
    rig.ask().await.expect("an answer");
    let asked: Vec<_> = server.seen(None).into_iter().map(|seen| seen.wire_type).collect();
    assert_eq!(asked, ["ServerCheckRequest", "ServiceListRequest"]);
    let heard = server.heard(None);
    assert_eq!(heard.len(), 1, "the acknowledgement is not answered: {heard:?}");
    let setup = &heard[0].body;
    assert_eq!(heard[0].wire_type, "ConnectionSetupRequest");
    assert_eq!(setup["clientVersion"], format!("Nacos-Rust-Client:v{}", env!("CARGO_PKG_VERSION")));
    let labels = &setup["labels"];
    assert_eq!((&labels["source"], &labels["module"]), (&"sdk".into(), &"naming".into()));
    assert_eq!((&labels["AppName"], &labels["tls.enable"]), (&"orders".into(), &"false".into()));
    assert!(setup["abilityTable"].is_object());
    rig.close().await;
    server.until(|counts| counts.open == 0).await;
}

/// Checklist, 1 and 2.
#[tokio::test]
async fn a_server_that_does_not_negotiate_is_given_time_and_nothing_is_asked_before_it_knows_the_client() {
    let server = ScriptedServer::start().await;
    server.change(|behaviour| {
        behaviour.negotiates = false;
        behaviour.admission = Admission::Late(Duration::from_millis(350));
    });
    let before = crate::clock::now();
    let rig = Rig::new(&[&server]);
    rig.ask().await.expect("an answer");
    assert!(before.elapsed() >= Duration::from_millis(350));
    assert_eq!(server.counts().accepted, 1, "patience, not another attempt");
    assert_eq!(server.heard(None)[0].body.get("abilityTable"), None);
    assert_eq!(server.seen(Some("ServiceListRequest")).len(), 1);
    assert_eq!(rig.session(|_| true).await.abilities.has("supportPersistentInstanceByGrpc"), None);
    rig.close().await;
}

/// Why a link with one server does not come to stand.
async fn failure_at(address: ServerAddress) -> ConnectFailure {
    let rig = Rig::with([address].into(), |settings| {
        settings.server_check_within = Duration::from_millis(300);
        settings.negotiation_within = Duration::from_millis(300);
        settings.connect_within = Duration::from_millis(300);
    });
    let state = rig.state(|state| state.failure.is_some()).await;
    assert_eq!(state.phase, Phase::Starting);
    let asked = rig.link.ask(&question(), ABOUT, Duration::from_millis(50)).await;
    assert!(matches!(asked, Err(Error::NotConnected(Some(_)))), "{asked:?}");
    rig.close().await;
    state.failure.expect("there was one")
}

fn local(port: u16) -> ServerAddress {
    "127.0.0.1".parse::<ServerAddress>().expect("an address").with_grpc_port(port)
}

/// A server that says these bytes to whoever comes, and then does as it is told.
async fn saying(bytes: &'static [u8], mut hang_up: impl FnMut(TcpStream) + Send + 'static) -> (ServerAddress, Tasks) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    let tasks = Tasks::new().expect("inside a runtime");
    let stop = tasks.child_signal();
    tasks.spawn(async move {
        let serve = async {
            while let Ok((mut socket, _)) = listener.accept().await {
                // What the client says first is read, so that closing does not reset the connection.
                socket.readable().await.ok();
                socket.try_read(&mut [0; 1024]).ok();
                socket.write_all(bytes).await.ok();
                hang_up(socket);
            }
        };
        stop.run_until_cancelled(serve).await;
    });
    (local(port), tasks)
}

#[tokio::test]
async fn each_failure_names_its_layer() {
    let unknown = failure_at("no-such-host.invalid".parse().expect("an address")).await;
    assert_eq!(unknown.layer, Layer::Resolve, "{unknown}");

    let port = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address").port();
    let closed = failure_at(local(port)).await;
    assert_eq!(closed.layer, Layer::Tcp, "{closed}");
    let text = closed.to_string();
    assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("refused") && text.contains("8848"), "{text}");

    let (http1, _guard) = saying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", drop).await;
    let http1 = failure_at(http1).await;
    assert_eq!(http1.layer, Layer::Http2, "{http1}");
    assert!(http1.to_string().contains("HTTP/1"), "{http1}");

    let (tls, _guard) = saying(&[0x15, 3, 3, 0, 2, 2, 22], drop).await;
    let tls = failure_at(tls).await;
    assert_eq!(tls.layer, Layer::Http2, "{tls}");
    assert!(tls.to_string().contains("wants TLS"), "{tls}");

    let mut kept = Vec::new();
    let (silent, _guard) = saying(b"", move |socket| kept.push(socket)).await;
    let silent = failure_at(silent).await;
    assert_eq!(silent.layer, Layer::Http2, "{silent}");
    assert!(silent.to_string().contains("silent"), "{silent}");
}

#[tokio::test]
async fn a_client_that_is_not_let_in_is_told_why() {
    let server = ScriptedServer::start().await;
    for (admission, layer, words) in [
        (Admission::Starting, Layer::Rejected, "300"),
        (Admission::Full, Layer::Rejected, "ended the stream"),
        (Admission::Deaf, Layer::Rejected, "not let in within"),
    ] {
        for negotiates in [true, false] {
            server.change(|behaviour| (behaviour.admission, behaviour.negotiates) = (admission, negotiates));
            let failure = failure_at(server.address()).await;
            assert_eq!(failure.layer, layer, "{failure}");
            assert!(failure.to_string().contains(words), "{failure}");
        }
    }
    server.change(|behaviour| *behaviour = crate::testkit::Behaviour::default());
    server.on("ServerCheckRequest", |_| Reply::Status(12, "unknown service"));
    let failure = failure_at(server.address()).await;
    assert_eq!(failure.layer, Layer::Handshake, "{failure}");
    assert!(failure.to_string().contains("not Nacos's"), "{failure}");
    server.on("ServerCheckRequest", |_| Reply::Raw("Surprise", b"{}".to_vec()));
    let failure = failure_at(server.address()).await;
    assert_eq!(failure.layer, Layer::Handshake, "{failure}");
    server.until(|counts| counts.open == 0).await;
}

#[tokio::test]
async fn a_server_that_is_silent_on_http2_fails_in_the_handshake() {
    let server = ScriptedServer::start().await;
    server.on("ServerCheckRequest", |_| Reply::Silence);
    let failure = failure_at(server.address()).await;
    assert_eq!(failure.layer, Layer::Handshake, "{failure}");
}

#[tokio::test]
async fn a_handshake_survives_answers_that_lack_fields() {
    for field in ["connectionId", "supportAbilityNegotiation", "abilityTable", "resultCode", "errorCode", "success"] {
        for is_null in [false, true] {
            let server = ScriptedServer::start().await;
            server.change(|behaviour| {
                let spoilt = if is_null { &mut behaviour.nulls } else { &mut behaviour.leaves_out };
                spoilt.push(field.to_owned());
            });
            let rig = Rig::new(&[&server]);
            let ready = rig.link.ready(SOON).await;
            // A code of success that is `null` is none; Java reads it as 0.
            assert!(ready.is_ok() || (is_null && field == "resultCode"), "{field}: {ready:?}");
            rig.close().await;
        }
    }
}

/// A server's certificate for 127.0.0.1, by an authority of its own, which is written into a file.
fn certified() -> (Arc<rustls::ServerConfig>, tempfile::NamedTempFile) {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), certified.cert.pem()).expect("it is written");
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().expect("ring has them").with_no_client_auth();
    let mut config = config.with_single_cert(vec![certified.cert.der().clone()], key).expect("they fit");
    config.alpn_protocols = vec![b"h2".to_vec()];
    (Arc::new(config), file)
}

#[tokio::test]
async fn grpc_goes_through_tls_and_a_mismatch_is_named() {
    let (config, authority) = certified();
    let server = ScriptedServer::start_encrypted(config).await;
    let trusting = || crate::TlsSettings::new().authorities(authority.path());
    let tls = |settings| TlsSetup::new(Some(settings)).expect("good files");

    let rig = Rig::encrypted([server.address()].into(), tls(trusting()), |_| {});
    rig.ask().await.expect("an answer");
    assert_eq!(server.heard(None)[0].body["labels"]["tls.enable"], "true");
    rig.close().await;

    let rig = Rig::encrypted([server.address()].into(), tls(trusting().server_name("other.test")), |_| {});
    let failure = rig.state(|state| state.failure.is_some()).await.failure.expect("there was one");
    assert_eq!(failure.layer, Layer::Tls, "{failure}");
    rig.close().await;

    // In the clear to a server that wants TLS, and with TLS to one that speaks in the clear.
    let failure = failure_at(server.address()).await;
    assert_eq!(failure.layer, Layer::Http2, "{failure}");
    let plain = ScriptedServer::start().await;
    let rig = Rig::encrypted([plain.address()].into(), tls(trusting()), |_| {});
    let failure = rig.state(|state| state.failure.is_some()).await.failure.expect("there was one");
    assert_eq!(failure.layer, Layer::Tls, "{failure}");
    assert!(failure.to_string().contains("no TLS"), "{failure}");
    rig.close().await;
}
