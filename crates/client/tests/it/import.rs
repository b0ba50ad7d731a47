//! Settings in layers, against a server of this project.

use std::path::Path;
use std::time::Duration;

use nacrite_client::config::import::{ConfigLayers, ImportSettings, LayerTrouble, Layered, Rank};
use nacrite_client::testkit::{Reply, ScriptedServer};
use nacrite_client::{Client, Error, ServerAddress};
use nacrite_testkit::Node;
use serde::Deserialize;

/// Nothing that a test waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Settings {
    greeting: String,
    pool: Pool,
    tags: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Pool {
    max_size: u16,
    wait_ms: u64,
}

fn client_of(node: &Node) -> Client {
    let main: ServerAddress = node.http.to_string().parse().expect("an address");
    Client::builder().server_list([main.with_grpc_port(node.clients.port())]).build().expect("a good description")
}

async fn publish(client: &Client, data_id: &str, content: &str) {
    client.config().publish(data_id, content).send().await.expect("published");
}

async fn changed(layers: &mut Layered<Settings>) -> Settings {
    let changed = tokio::time::timeout(PATIENCE, layers.changed()).await.expect("it changes");
    Settings::clone(&changed.expect("the client is open"))
}

/// Waits until the layer of a config has a trouble, or has none.
async fn troubled(layers: &Layered<Settings>, data_id: &str, is_troubled: bool) -> Option<LayerTrouble> {
    let mut state = layers.state();
    let found = state.wait_for(|state| {
        state.iter().any(|layer| layer.source.contains(data_id) && layer.trouble.is_some() == is_troubled)
    });
    let found = tokio::time::timeout(PATIENCE, found).await.expect("it comes about").expect("the layers are there");
    found.iter().find(|layer| layer.source.contains(data_id)).and_then(|layer| layer.trouble.clone())
}

fn file(dir: &Path, name: &str, content: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, content).expect("written");
    path.to_str().expect("UTF-8").to_owned()
}

#[tokio::test]
async fn layers_are_laid_over_each_other_in_spring_s_order() {
    let node = Node::start().await;
    let client = client_of(&node);
    let dir = tempfile::tempdir().expect("a directory");
    publish(&client, "below.yaml", "greeting: below\npool: {maxSize: 1, waitMs: 1}\ntags: [a, b]\n").await;
    publish(&client, "above.properties", "pool.waitMs=3\ntags[0]=c\n").await;
    let app = file(dir.path(), "app.toml", "greeting = 'file'\n[pool]\nwaitMs = 2\n");
    let layers = |variables: &[(&str, &str)]| {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        ConfigLayers::builder(&client)
            .variables("APP_", variables)
            .import("nacos:above.properties?preference=remote")
            .file(&app)
            .import("nacos:below.yaml")
            .defaults(serde_json::json!({"greeting": "default", "tags": ["z"]}))
    };
    let settings = layers(&[]).load::<Settings>().await.expect("all can be read");
    let expected = Settings { greeting: "file".into(), pool: Pool { max_size: 1, wait_ms: 3 }, tags: vec!["c".into()] };
    assert_eq!(*settings.get(), expected);
    let ranks: Vec<Rank> = settings.state().borrow().iter().map(|layer| layer.rank).collect();
    let expected = [Rank::Default, Rank::ImportBelow, Rank::File, Rank::ImportAbove, Rank::Environment];
    assert_eq!(ranks, expected);
    let variables = [("APP_POOL__MAX_SIZE", "9"), ("APP_TAGS", "x, y")];
    let values = layers(&variables).set("greeting", "set").read().await.expect("all can be read");
    let settings: Settings = values.to().expect("it fits");
    assert_eq!((settings.greeting.as_str(), settings.pool.max_size), ("set", 9));
    assert_eq!(settings.tags, ["x", "y"]);
    assert_eq!(values.get::<u64>("pool.waitMs").ok(), Some(3));
    assert!(values.get::<u64>("pool.none").is_err());
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn changes_are_followed_and_what_does_not_fit_is_not_used() {
    let node = Node::start().await;
    let client = client_of(&node);
    publish(&client, "shop.yaml", "greeting: hello\npool: {maxSize: 1}\n").await;
    publish(&client, "still.json", r#"{"pool":{"waitMs":1}}"#).await;
    let layers = ConfigLayers::builder(&client).import("nacos:shop.yaml").import("nacos:still.json?refresh=false");
    let mut settings = layers.load::<Settings>().await.expect("all can be read");

    publish(&client, "shop.yaml", "greeting: good morning\npool: {maxSize: 2}\n").await;
    let newer = changed(&mut settings).await;
    assert_eq!((newer.greeting.as_str(), newer.pool.max_size, newer.pool.wait_ms), ("good morning", 2, 1));
    assert_eq!(*settings.get(), newer);

    for (broken, key) in [("greeting: [\n", None), ("pool: {maxSize: hunter2}\n", Some("pool.maxSize"))] {
        publish(&client, "shop.yaml", broken).await;
        let digest = nacrite_client::config::digest_of(broken);
        let mut state = settings.state();
        let seen = state.wait_for(|state| {
            let trouble = state.iter().find_map(|layer| layer.trouble.as_ref());
            let Some(LayerTrouble::Unfit { digest: Some(of), why }) = trouble else { return false };
            *of == digest && key.is_none_or(|key| why.key.as_deref() == Some(key))
        });
        let seen = tokio::time::timeout(PATIENCE, seen).await.expect("it is seen").expect("it is there");
        let shown = format!("{seen:?} {}", seen[0].trouble.as_ref().map(ToString::to_string).unwrap_or_default());
        assert!(!shown.contains("hunter2"), "{shown}");
        assert_eq!(*settings.get(), newer);
    }

    // Not followed, and so not looked at.
    publish(&client, "still.json", r#"{"pool":{"waitMs":2}}"#).await;
    publish(&client, "shop.yaml", "greeting: good night\n").await;
    let newest = changed(&mut settings).await;
    assert_eq!((newest.greeting.as_str(), newest.pool.max_size, newest.pool.wait_ms), ("good night", 0, 1));
    assert_eq!(troubled(&settings, "shop.yaml", false).await, None);

    client.close().await;
    assert!(matches!(settings.changed().await, Err(Error::Closed)));
    node.stop().await;
}

#[tokio::test]
async fn what_is_missing_is_an_empty_layer_until_it_comes() {
    let node = Node::start().await;
    let client = client_of(&node);
    let layers = ConfigLayers::builder(&client)
        .defaults(serde_json::json!({"greeting": "default"}))
        .import("optional:nacos:perhaps.json")
        .import("nacos:missing.json");
    let mut settings = layers.load::<Settings>().await.expect("what is missing ends nothing");
    assert_eq!(settings.get().greeting, "default");
    assert_eq!(troubled(&settings, "missing.json", true).await, Some(LayerTrouble::Missing));
    assert_eq!(troubled(&settings, "perhaps.json", false).await, None);
    publish(&client, "perhaps.json", r#"{"greeting":"here"}"#).await;
    assert_eq!(changed(&mut settings).await.greeting, "here");
    publish(&client, "missing.json", r#"{"greeting":"at last"}"#).await;
    assert_eq!(changed(&mut settings).await.greeting, "at last");
    assert_eq!(troubled(&settings, "missing.json", false).await, None);

    // Removed: an optional one is gone, another one stays as it was last.
    client.config().remove("missing.json").await.expect("removed");
    assert_eq!(troubled(&settings, "missing.json", true).await, Some(LayerTrouble::Removed));
    assert_eq!(settings.get().greeting, "at last");
    client.config().remove("perhaps.json").await.expect("removed");
    let mut state = settings.state();
    let gone = state.wait_for(|state| !state[1].is_there);
    tokio::time::timeout(PATIENCE, gone).await.expect("it goes").expect("it is there");
    assert_eq!(settings.get().greeting, "at last");
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn broken_contents_end_the_start_unless_they_are_optional() {
    let node = Node::start().await;
    let client = client_of(&node);
    publish(&client, "broken.json", r#"{"greeting":"hunter2""#).await;
    let required = ConfigLayers::builder(&client).import("nacos:broken.json").load::<Settings>().await;
    let shown = required.expect_err("it is broken").to_string();
    assert!(shown.contains("broken.json") && shown.contains("line 1") && !shown.contains("hunter2"), "{shown}");
    let optional = ConfigLayers::builder(&client).import("optional:nacos:broken.json").load::<Settings>().await;
    let mut optional = optional.expect("it is optional");
    assert!(matches!(troubled(&optional, "broken.json", true).await, Some(LayerTrouble::Unfit { .. })));
    publish(&client, "broken.json", r#"{"greeting":"mended"}"#).await;
    assert_eq!(changed(&mut optional).await.greeting, "mended");
    // The whole does not fit: no layer is to blame.
    publish(&client, "broken.json", r#"{"pool":{"maxSize":70000}}"#).await;
    let unfit = ConfigLayers::builder(&client).import("optional:nacos:broken.json").load::<Settings>().await;
    assert!(unfit.expect_err("it does not fit").to_string().contains("pool.maxSize"));
    for wrong in ["broken.json", "nacos:a?x=1"] {
        let refused = ConfigLayers::builder(&client).import(wrong).load::<Settings>().await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{wrong}");
    }
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn profiles_follow_what_they_belong_to() {
    let node = Node::start().await;
    let client = client_of(&node);
    let dir = tempfile::tempdir().expect("a directory");
    let app = file(dir.path(), "app.toml", "tags = ['file']\n");
    file(dir.path(), "app-eu.toml", "tags = ['file-eu']\n");
    publish(&client, "shop.yaml", "greeting: all\npool: {maxSize: 1, waitMs: 1}\n").await;
    publish(&client, "shop-dev.yaml", "greeting: dev\npool: {maxSize: 2}\n").await;
    publish(&client, "shop-eu.yaml", "greeting: eu\n").await;
    let layers = ConfigLayers::builder(&client).profiles(["dev", "eu"]).import("nacos:shop.yaml").file(app);
    let mut settings = layers.load::<Settings>().await.expect("all can be read");
    let expected =
        Settings { greeting: "eu".into(), pool: Pool { max_size: 2, wait_ms: 1 }, tags: vec!["file-eu".into()] };
    assert_eq!(*settings.get(), expected);
    client.config().remove("shop-eu.yaml").await.expect("removed");
    assert_eq!(changed(&mut settings).await.greeting, "dev");
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn a_server_that_is_away_ends_the_start_unless_the_import_is_optional() {
    let server = ScriptedServer::start().await;
    server.on("ConfigQueryRequest", |_| Reply::Failed { code: 500, message: "out of order".into() });
    let client = Client::builder().server_list([server.address()]).request_within(Duration::from_millis(500));
    let client = client.build().expect("a good description");
    let required = ConfigLayers::builder(&client).import("nacos:shop.json").load::<Settings>().await;
    assert!(matches!(required, Err(Error::Refused { code: 500, .. })), "{required:?}");
    let optional = ConfigLayers::builder(&client).import("optional:nacos:shop.json").load::<Settings>().await;
    let optional = optional.expect("it is optional");
    assert!(matches!(troubled(&optional, "shop.json", true).await, Some(LayerTrouble::Unread(_))));
    client.close().await;
    server.stop().await;
}

#[tokio::test]
async fn a_local_file_is_there_or_optional() {
    let client = Client::builder().servers("127.0.0.1:1").build().expect("a good description");
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("none.toml").to_str().expect("UTF-8").to_owned();
    let missing = ConfigLayers::builder(&client).file(&path).read().await;
    assert!(matches!(missing, Err(Error::File { .. })), "{missing:?}");
    let optional = ConfigLayers::builder(&client).file(format!("optional:{path}")).read().await;
    assert!(optional.is_ok_and(|values| !values.state()[0].is_there));
    let broken = file(dir.path(), "broken.toml", "greeting = hunter2");
    let shown = ConfigLayers::builder(&client).file(broken).read().await.expect_err("it is broken").to_string();
    assert!(shown.contains("broken.toml") && !shown.contains("hunter2"), "{shown}");
    client.close().await;
}

#[tokio::test]
async fn client_and_imports_come_from_settings_by_spring_s_names() {
    let node = Node::start().await;
    let client = client_of(&node);
    client.config().publish(("orders.yaml", "SHOP"), "greeting: hello").send().await.expect("published");
    client
        .config()
        .publish(("common.yaml", "SHOP"), "tags: [common]\ngreeting: common")
        .send()
        .await
        .expect("published");
    let dir = tempfile::tempdir().expect("a directory");
    let app = "spring:\n  config: {import: 'nacos:orders.yaml'}\n  cloud:\n    nacos:\n      config:\n        group: SHOP\n        shared-configs:\n        - {data-id: common.yaml, group: SHOP, refresh: false}\n";
    let app = file(dir.path(), "app.yaml", app);
    let settings = ImportSettings::load(&app).await.expect("all names are known");
    let layers = ConfigLayers::builder(&client).settings(&settings).file(&app);
    let loaded = layers.load::<Settings>().await.expect("all can be read");
    assert_eq!((loaded.get().greeting.as_str(), loaded.get().tags.as_slice()), ("hello", &["common".to_owned()][..]));
    // Without an import: what is named like the program.
    let mut settings = ImportSettings::from_pairs([
        ("spring.application.name", "orders"),
        ("spring.cloud.nacos.config.file-extension", "yaml"),
        ("spring.cloud.nacos.config.group", "OTHER"),
    ]);
    settings
        .as_mut()
        .expect("all names are known")
        .add_variables([("SPRING_CLOUD_NACOS_CONFIG_GROUP".into(), "SHOP".into())]);
    let settings = settings.expect("all names are known");
    let loaded = ConfigLayers::builder(&client).settings(&settings).load::<Settings>().await.expect("all can be read");
    assert_eq!(loaded.get().greeting, "hello");
    let off = ImportSettings::from_pairs([("nacos.config.enabled", "false"), ("nacos.config.import", "nacos:x")]);
    let off = ConfigLayers::builder(&client).settings(&off.expect("all names are known")).read().await;
    assert!(off.is_ok_and(|values| values.state().is_empty()));
    client.close().await;
    node.stop().await;
}

#[tokio::test]
async fn figment_takes_layers_as_a_provider() {
    let node = Node::start().await;
    let client = client_of(&node);
    publish(&client, "shop.properties", "greeting=1.10\npool.maxSize=8\ntags[0]=a\n").await;
    publish(&client, "more.json", r#"{"pool":{"waitMs":5}}"#).await;
    let layers = ConfigLayers::builder(&client).import("nacos:shop.properties").import("nacos:more.json");
    let values = layers.read().await.expect("all can be read");
    let figment = figment::Figment::from(figment::providers::Serialized::default("greeting", "default")).merge(values);
    let settings: Settings = figment.extract().expect("it fits");
    let expected = Settings { greeting: "1.10".into(), pool: Pool { max_size: 8, wait_ms: 5 }, tags: vec!["a".into()] };
    assert_eq!(settings, expected);
    let wrong = figment.extract_inner::<u8>("greeting").expect_err("it is a text").to_string();
    assert!(wrong.contains("shop.properties"), "{wrong}");
    client.close().await;
    node.stop().await;
}
