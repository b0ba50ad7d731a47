//! Where the list of servers comes from, as users see it.

use std::time::Duration;

use nacrite_client::{AddressServer, Client, Error, Transport};
use nacrite_testkit::Node;

use crate::http_server::HttpServer;

#[tokio::test]
async fn an_address_server_names_the_servers_sooner_or_later() {
    let node = Node::start().await;
    let named = node.http.to_string();
    let addresses = HttpServer::start(move |line, _, turn| {
        assert!(line.starts_with("GET /nacos/shops?namespace=dev "), "{line}");
        // It is asked again until it knows one.
        if turn < 2 { String::new() } else { format!("{named}\n") }
    })
    .await;
    let asked =
        AddressServer::new("${NO_SUCH_VARIABLE:127.0.0.1}").port(addresses.port).cluster("shops").namespace("dev");
    let builder = Client::builder().address_server(asked).transport(Transport::Http);
    let client = builder.request_within(Duration::from_millis(500)).build().expect("a good description");
    let early = client.config().get("app.yaml").await;
    assert!(matches!(early, Err(Error::NotConnected(_))), "{early:?}");
    let found = tokio::time::timeout(Duration::from_secs(20), async {
        addresses.until_asked(3).await;
        // What was answered is known to the client as soon as it has read it.
        while client.config().publish("app.yaml", "a: 1").send().await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    found.await.expect("the server is found");
    assert_eq!(addresses.asked(), 3);
    assert!(client.config().get("app.yaml").await.expect("an answer").is_some());
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn what_is_no_list_of_servers_is_refused_when_the_client_is_built() {
    for bad in ["", " , ;", "a:1,b:x", "ftp://a"] {
        let built = Client::builder().servers(bad).build();
        assert!(matches!(built, Err(Error::Invalid(_))), "{bad:?}: {built:?}");
    }
    let nowhere = Client::builder().address_server(AddressServer::new("${NO_SUCH_VARIABLE}")).build();
    assert!(matches!(nowhere, Err(Error::Invalid(_))), "{nowhere:?}");
}
