//! Who a client is, as its users see it: a login over HTTP serves gRPC.

use std::time::Duration;

use nacrite_client::testkit::{Reply, ScriptedServer, Seen};
use nacrite_client::{Client, Credentials, Error, ServerAddress};
use serde_json::json;

use crate::http_server::HttpServer;

/// A server whose logins are answered over HTTP.
fn address(server: &ScriptedServer, http: &HttpServer) -> ServerAddress {
    let main: ServerAddress = format!("127.0.0.1:{}", http.port).parse().expect("an address");
    main.with_grpc_port(server.address().grpc_port())
}

fn token(seen: &Seen) -> Option<&str> {
    let named = seen.headers.iter().find(|(name, _)| name == "accessToken");
    named.map(|(_, value)| value.as_str())
}

async fn logins() -> HttpServer {
    HttpServer::start(|line, body, turn| {
        assert!(line.starts_with("POST /nacos/v3/auth/user/login?username=orders "), "{line}");
        assert_eq!(body, "password=open%20sesame");
        format!(r#"{{"accessToken":"token-{turn}","tokenTtl":18000}}"#)
    })
    .await
}

fn client(server: &ScriptedServer, http: &HttpServer) -> Client {
    let who = Credentials::none().user("orders", "open sesame").access_key("key-id", "key-secret");
    Client::builder().server_list([address(server, http)]).credentials(who).build().expect("a good description")
}

/// A server that came back with another signing key takes no token that it gave out before.
#[tokio::test]
async fn a_refused_request_is_replayed_once_with_a_new_token() {
    let (server, http) = (ScriptedServer::start().await, logins().await);
    let client = client(&server, &http);
    server.on("ConfigQueryRequest", |_| Reply::Failed { code: 403, message: "token invalid!".into() });
    let denied = client.config().get("app.yaml").await;
    assert!(matches!(denied, Err(Error::Denied(_))), "{denied:?}");
    let tokens: Vec<_> =
        server.seen(Some("ConfigQueryRequest")).iter().map(|seen| token(seen).map(str::to_owned)).collect();
    assert_eq!(tokens, [Some("token-0".to_owned()), Some("token-1".to_owned())]);
    server.on("ConfigQueryRequest", |_| Reply::Done(json!({"content": "a: 1", "md5": "x"})));
    let config = client.config().get("app.yaml").await.expect("allowed").expect("it is there");
    assert_eq!(&*config.content, "a: 1");
    assert_eq!(http.asked(), 2, "one login, and one because of the refusal");
    client.close().await;
}

/// Tokens and signatures of all kinds go along, and each attempt has its own.
#[tokio::test]
async fn every_request_shows_the_token_and_is_signed() {
    let (server, http) = (ScriptedServer::start().await, logins().await);
    let client = client(&server, &http);
    client.config().get("app.yaml").await.ok();
    client.naming().instances("shop@@orders").await.ok();
    let header =
        |seen: &Seen, name: &str| seen.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    let config = server.until_seen("ConfigQueryRequest", |_| true).await;
    assert_eq!((token(&config), header(&config, "Spas-AccessKey").as_deref()), (Some("token-0"), Some("key-id")));
    assert!(header(&config, "Spas-Signature").is_some_and(|it| it.len() == 28), "20 bytes in Base64");
    let naming = server.until_seen("SubscribeServiceRequest", |_| true).await;
    assert_eq!((token(&naming), header(&naming, "ak").as_deref()), (Some("token-0"), Some("key-id")));
    assert!(header(&naming, "data").is_some_and(|it| it.ends_with("@@shop@@orders")));
    assert_eq!(http.asked(), 1, "both links share one login");
    client.close().await;
}

/// Nothing of it is a reason not to build the client: who a user is, shows when the server is asked.
#[tokio::test]
async fn a_login_that_reaches_nobody_is_named_as_such() {
    let server = ScriptedServer::start().await;
    let closed: ServerAddress = "127.0.0.1:1".parse().expect("an address");
    let builder = Client::builder().server_list([closed.with_grpc_port(server.address().grpc_port())]);
    let builder = builder.credentials(Credentials::none().user("orders", "open sesame"));
    let client = builder.request_within(Duration::from_millis(500)).build().expect("a good description");
    let failed = client.config().get("app.yaml").await.expect_err("nobody logs in").to_string();
    assert!(failed.contains("logging in at 127.0.0.1:1 failed"), "{failed}");
    assert!(!failed.contains("sesame"));
    client.close().await;
}
