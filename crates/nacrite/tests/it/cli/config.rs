//! `nacrite config`.

use std::io::Write;
use std::process::Stdio;

use nacrite_client::testkit::{Reply, ScriptedServer};
use nacrite_testkit::Node;
use serde_json::{Value, json};

use super::peers::Peer;
use super::{Done, Running, at, binary, nacrite, run};

fn file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::with_suffix(".yaml").expect("a file");
    file.write_all(content.as_bytes()).expect("written");
    file
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_is_published_read_and_removed() {
    let node = Node::start().await;
    let file = file("a: 1\n");
    let said = format!("@{}", file.path().display());
    let digest = nacrite(&node, &["config", "publish", "app.yaml", &said]).ok();
    assert_eq!(nacrite(&node, &["config", "get", "app.yaml"]).ok(), "a: 1\n", "as it is");
    let shown = nacrite(&node, &["config", "get", "app.yaml", "-o", "json"]).json();
    assert_eq!(shown["digest"], digest.trim());
    assert_eq!((&shown["type"], &shown["content"]), (&Value::from("yaml"), &Value::from("a: 1\n")));

    let mut piped = at(&node, &["config", "publish", "piped", "-g", "SHOP"]);
    let mut piped = piped.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it runs");
    piped.stdin.take().expect("its input").write_all("grüße".as_bytes()).expect("written");
    assert!(piped.wait().expect("it ends").success());
    assert_eq!(nacrite(&node, &["config", "get", "piped", "-g", "SHOP"]).ok(), "grüße");

    nacrite(&node, &["config", "rm", "app.yaml"]).ok();
    nacrite(&node, &["config", "get", "app.yaml"]).failed(3, "no config app.yaml in the group DEFAULT_GROUP");
    nacrite(&node, &["config", "rm", "app.yaml"]).failed(3, "no config");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_under_a_condition_loses_no_change() {
    let node = Node::start().await;
    let first = nacrite(&node, &["config", "publish", "a", "one"]).ok();
    let second = nacrite(&node, &["config", "publish", "a", "two", "--cas", first.trim()]).ok();
    nacrite(&node, &["config", "publish", "a", "three", "--cas", first.trim()]).failed(1, "changed by someone else");
    assert_eq!(nacrite(&node, &["config", "get", "a"]).ok(), "two");
    assert_eq!(nacrite(&node, &["config", "get", "a", "-o", "json"]).json()["digest"], second.trim());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configs_are_listed_in_order_over_several_pages() {
    let node = Node::start().await;
    for (group, data_id) in [("B", "z"), ("A", "orders-2"), ("A", "orders-1"), ("A", "cart")] {
        nacrite(&node, &["config", "publish", data_id, "x", "-g", group]).ok();
    }
    let all = nacrite(&node, &["config", "ls"]).ok();
    assert_eq!(all, "GROUP  DATA ID\nA      cart\nA      orders-1\nA      orders-2\nB      z\n");
    let some = nacrite(&node, &["config", "ls", "orders*", "-g", "A", "-o", "json"]).json();
    let some: Vec<_> = some.as_array().expect("a list").iter().map(|item| item["dataId"].clone()).collect();
    assert_eq!(some, ["orders-1", "orders-2"]);
    assert_eq!(nacrite(&node, &["config", "ls", "-n", "other", "-o", "json"]).ok(), "[]\n");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configs_are_compared_by_key_or_by_line() {
    let node = Node::start().await;
    for (data_id, content) in [
        ("a.yaml", "a: 1\nb: {c: x}\n"),
        ("b.yaml", "b:\n  c: z\nd: 2\n"),
        ("a.txt", "one\ntwo\n"),
        ("b.txt", "two\nthree\n"),
        ("a.properties", "k=1"),
        ("b.properties", "k=1\n# nothing\n"),
        ("broken.yaml", "a: [1"),
    ] {
        nacrite(&node, &["config", "publish", data_id, content]).ok();
    }
    let diff = |args: &[&str]| nacrite(&node, &[&["config", "diff"], args].concat());
    assert_eq!(diff(&["a.yaml", "b.yaml"]).ok(), "- a = 1\n~ b.c = x -> z\n+ d = 2\n");
    let changes = diff(&["a.yaml", "b.yaml", "-o", "json"]).json();
    assert_eq!(changes[1]["key"], "b.c");
    assert_eq!((&changes[1]["old"], &changes[1]["new"]), (&Value::from("x"), &Value::from("z")));
    assert_eq!(diff(&["a.txt", "b.txt"]).ok(), "- 1: one\n+ 2: three\n");
    assert_eq!(diff(&["a.properties", "DEFAULT_GROUP@@b.properties", "--exit-code"]).ok(), "");
    assert_eq!(diff(&["a.yaml", "b.yaml", "--exit-code"]).code, Some(1));
    diff(&["a.yaml", "none"]).failed(3, "no config none");
    diff(&["a.yaml", "broken.yaml", "--by", "yaml"]).failed(1, "broken.yaml cannot be read as YAML");
    let lines = diff(&["a.yaml", "broken.yaml"]);
    assert!(
        lines.code == Some(0) && lines.out.contains("+ 1: a: [1") && lines.err.contains("comparing lines: broken.yaml"),
        "{lines:?}"
    );
    let file = file("a: 2\nb: {c: x}\n");
    assert_eq!(diff(&["a.yaml", &format!("@{}", file.path().display())]).ok(), "~ a = 1 -> 2\n");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_tells_every_version_and_the_end() {
    let node = Node::start().await;
    let mut watch = Running::start(&mut at(&node, &["config", "watch", "a"]));
    assert_eq!(watch.line(), "--- a of the group DEFAULT_GROUP: there is none\n");
    let digest = nacrite(&node, &["config", "publish", "a", "one"]).ok();
    assert_eq!(watch.line(), format!("--- a of the group DEFAULT_GROUP: text {digest}"));
    assert_eq!(watch.line(), "one\n");
    nacrite(&node, &["config", "rm", "a"]).ok();
    assert_eq!(watch.line(), "--- a of the group DEFAULT_GROUP: there is none\n");
    let (code, said) = watch.interrupted();
    assert!(code == Some(0) && said.is_empty(), "{code:?} {said}");
    node.stop().await;
}

/// The reader of a pipe has seen enough: no panic, and no word about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_pipe_is_no_reason_to_speak() {
    let node = Node::start().await;
    nacrite(&node, &["config", "publish", "large", &"x".repeat(100_000)]).ok();
    let mut command = at(&node, &["config", "get", "large"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(run(&mut at(&node, &["config", "get", "large"])).ok().len(), 100_000);
    node.stop().await;
}

fn ls(peer: &Peer, more: &[&str]) -> Done {
    let mut command = binary();
    command.args(["config", "ls", "--server", &format!("127.0.0.1:{}", peer.port)]).args(more);
    run(command.env("NACRITE_PASSWORD", "open-sesame"))
}

/// A server of the second generation: it knows nothing of v3, and its pages are full of contents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn older_servers_are_asked_for_the_list_that_they_have() {
    let old = Peer::http(|line| match line {
        line if line.starts_with("POST /nacos/v1/auth/users/login?username=orders ") => {
            (200, r#"{"accessToken":"t","tokenTtl":18000}"#)
        }
        line if !line.starts_with("GET /nacos/v1/cs/configs?search=blur&dataId=&group=&tenant=&pageNo=") => (404, ""),
        line if line.contains("pageNo=1&") => {
            (200, r#"{"totalCount":2,"pageItems":[{"dataId":"b","group":"G","content":"{\"pageItems\":[]}"}]}"#)
        }
        _ => (200, r#"{"totalCount":2,"pageItems":[{"dataId":"a","group":"G","content":null}]}"#),
    });
    let old = old.await;
    assert_eq!(ls(&old, &["--username", "orders"]).ok(), "GROUP  DATA ID\nG      a\nG      b\n");
}

/// r-nacos looks for the star itself, and for parts of names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patterns_mean_the_same_at_every_server() {
    let all = r#"{"totalCount":2,"pageItems":[{"dataId":"orders-1","group":"G"},{"dataId":"my-orders","group":"G"}]}"#;
    let odd = Peer::http(move |line| match line {
        line if !line.contains("/v1/cs/configs") => (404, ""),
        line if line.contains("%2A") => (200, r#"{"totalCount":0,"pageItems":[]}"#),
        _ => (200, all),
    });
    let odd = odd.await;
    assert_eq!(ls(&odd, &["orders*"]).ok(), "GROUP  DATA ID\nG      orders-1\n");
    assert_eq!(ls(&odd, &["orders-1"]).ok(), "GROUP  DATA ID\nG      orders-1\n");
    assert_eq!(ls(&odd, &["orders"]).ok(), "GROUP  DATA ID\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_not_given_is_told_with_the_reason() {
    let denied = Peer::http(|_| (403, "not yours")).await;
    ls(&denied, &[]).failed(4, "not allowed: not yours");
    let login = ls(&denied, &["--username", "orders"]);
    login.failed(4, "the login of \"orders\" was refused: 403");
    let none = Peer::http(|_| (404, "")).await;
    ls(&none, &["--timeout", "1"]).failed(1, "the server has no list of configs over HTTP; and over gRPC: ");
    let nonsense = Peer::http(|_| (200, "<html>")).await;
    ls(&nonsense, &[]).failed(1, "is no list of configs");
    let broken = Peer::http(|_| (500, "out of order")).await;
    ls(&broken, &[]).failed(1, "500: out of order");
}

/// HTTP is encrypted, so the names are watched; what does not belong to the list does not stand on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_watched_where_http_cannot_be_asked() {
    let server = ScriptedServer::start().await;
    server.on("ConfigFuzzyWatchRequest", |_| Reply::Done(json!({})));
    let mut command = binary();
    let port = server.address().grpc_port().to_string();
    command.args(["config", "ls", "a*", "-g", "G", "--server", "https://127.0.0.1:1", "--grpc-port", &port]);
    let mut listing = Running::start(&mut command);
    let asked = server.until_seen("ConfigFuzzyWatchRequest", |_| true).await;
    let told = |stage: &str, contexts: Value| json!({"groupKeyPattern": asked.body["groupKeyPattern"], "syncType": stage, "contexts": contexts});
    let there = json!([{"groupKey": "a2+G+public", "changedType": "ADD_CONFIG"},
                       {"groupKey": "a1+G+public", "changedType": "ADD_CONFIG"}]);
    server.push("ConfigFuzzyWatchSyncRequest", told("FUZZY_WATCH_INIT_NOTIFY", there)).await;
    // Not waited for: whoever knows all there is may be gone before he has answered.
    server.send("ConfigFuzzyWatchSyncRequest", told("FINISH_FUZZY_WATCH_INIT_NOTIFY", Value::Null));
    let lines = [listing.line(), listing.line(), listing.line(), listing.line()];
    assert_eq!(lines, ["GROUP  DATA ID\n", "G      a1\n", "G      a2\n", ""]);
}
