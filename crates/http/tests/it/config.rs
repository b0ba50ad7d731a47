//! Configs over HTTP: one catalogue behind three generations, the long poll, and what operators see.

use std::time::Duration;

use nacrite_base::{ConfigKey, DataId, GroupName, NamespaceId};

use crate::server::{Answer, Server, form};

fn key(data_id: &str) -> ConfigKey {
    ConfigKey {
        namespace: NamespaceId::public(),
        group: GroupName::from_stored("g"),
        data_id: DataId::from_stored(data_id),
    }
}

/// Publishes in v1 and expects success.
async fn publish(server: &Server, data_id: &str, content: &str) {
    let fields = [("dataId", data_id), ("group", "g"), ("content", content)];
    let answer = server.send("POST", "/nacos/v1/cs/configs", "", &form(&fields)).await;
    assert_eq!((answer.status, answer.text()), (200, "true"));
}

async fn get(server: &Server, target: &str) -> Answer {
    server.send("GET", target, "", "").await
}

#[tokio::test]
async fn every_generation_reads_what_another_published() {
    let server = Server::start().await;
    publish(&server, "d", "a: 1").await;
    let v1 = get(&server, "/nacos/v1/cs/configs?dataId=d&group=g").await;
    assert_eq!((v1.status, v1.text()), (200, "a: 1"));
    for (name, value) in [
        ("content-md5", "270f9e65a80226eccd82c99cdd0dd2fb"),
        ("config-type", "text"),
        ("encrypted-data-key", ""),
        ("content-type", "text/plain;charset=UTF-8"),
        ("cache-control", "no-cache,no-store"),
    ] {
        assert_eq!(v1.header(name), Some(value), "{name}");
    }
    assert!(v1.header("last-modified").is_some_and(|date| date.ends_with(" GMT")));

    let v2 = get(&server, "/nacos/v2/cs/config?dataId=d&group=g&namespaceId=public").await;
    assert_eq!(v2.text(), r#"{"code":0,"message":"success","data":"a: 1"}"#);
    assert_eq!(v2.header("content-md5"), v1.header("content-md5"));
    let client = get(&server, "/nacos/v3/client/cs/config?dataId=d&groupName=g").await.json();
    assert_eq!((&client["data"]["content"], &client["data"]["contentType"]), (&"a: 1".into(), &"text".into()));
    let admin = get(&server, "/nacos/v3/admin/cs/config?dataId=d&groupName=g").await.json();
    assert_eq!((&admin["data"]["content"], &admin["data"]["createIp"]), (&"a: 1".into(), &"127.0.0.1".into()));

    let gone = server.send("DELETE", "/nacos/v3/admin/cs/config?dataId=d&groupName=g", "", "").await;
    assert_eq!(gone.text(), r#"{"code":0,"message":"success","data":true}"#);
    let v1 = get(&server, "/nacos/v1/cs/configs?dataId=d&group=g").await;
    assert_eq!((v1.status, v1.text()), (404, "config data not exist\n"));
    let v2 = get(&server, "/nacos/v2/cs/config?dataId=d&group=g").await;
    let absent = "{\"code\":20004,\"message\":\"resource not found\",\"data\":\"config data not exist\"}\n";
    assert_eq!((v2.status, v2.text(), v2.header("content-type")), (404, absent, None));
    let client = get(&server, "/nacos/v3/client/cs/config?dataId=d&groupName=g").await;
    assert_eq!(client.text(), r#"{"code":20004,"message":"resource not found","data":null}"#);
    server.stop().await;
}

#[tokio::test]
async fn a_lost_compare_and_set_changes_nothing() {
    let server = Server::start().await;
    publish(&server, "d", "one").await;
    let cas = "casMd5: ffffffffffffffffffffffffffffffff\r\n";
    let fields = [("dataId", "d"), ("group", "g"), ("content", "two")];
    let v1 = server.send("POST", "/nacos/v1/cs/configs", cas, &form(&fields)).await;
    assert_eq!((v1.status, v1.text()), (500, "caused: Cas publish fail, server md5 may have changed.;"));
    let v2 = server.send("POST", "/nacos/v2/cs/config", cas, &form(&fields)).await;
    assert_eq!((v2.status, &v2.json()["code"]), (500, &20005.into()));
    assert_eq!(get(&server, "/nacos/v1/cs/configs?dataId=d&group=g").await.text(), "one");

    let right = "casmd5: f97c5d29941bfb1b2fdab0874906ab82\r\n";
    let v1 = server.send("POST", "/nacos/v1/cs/configs", right, &form(&fields)).await;
    assert_eq!((v1.status, v1.text()), (200, "true"));
    server.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_told_as_each_generation_tells_it() {
    let server = Server::start().await;
    for (target, status, content_type, body) in [
        (
            "/nacos/v1/cs/configs?group=g",
            500,
            Some("text/plain;charset=UTF-8"),
            "caused: Required request parameter &#39;dataId&#39; for method parameter type String is not present;",
        ),
        ("/nacos/v1/cs/configs?dataId=&group=g", 400, Some("text/plain;charset=UTF-8"), "caused: invalid dataId : ;"),
        (
            "/nacos/v1/cs/configs?dataId=a%20b&group=g",
            400,
            Some("application/json;charset=UTF-8"),
            "Param 'dataId' is illegal, illegal characters should not appear in the param.\r\n",
        ),
        (
            "/nacos/v2/cs/config?dataId=a%20b&group=g",
            400,
            None,
            "Param 'dataId' is illegal, illegal characters should not appear in the param.\r\n",
        ),
        (
            "/nacos/v2/cs/config?dataId=d&group=g&tag=a%20b",
            400,
            Some("application/json"),
            r#"{"code":20002,"message":"parameter validate error","data":"invalid tag : a b"}"#,
        ),
        (
            "/nacos/v3/admin/cs/config?dataId=d",
            400,
            Some("application/json"),
            r#"{"code":10000,"message":"parameter missing","data":"Required parameter 'groupName' type String is not present"}"#,
        ),
        (
            "/nacos/v3/client/cs/config?dataId=d",
            400,
            Some("text/plain;charset=UTF-8"),
            "caused: Required parameter 'groupName' type String is not present;",
        ),
        (
            "/nacos/v1/cs/configs?export=true&ids=&group=g",
            501,
            Some("text/plain;charset=UTF-8"),
            "this endpoint is not served by Nacrite yet: GET /v1/cs/configs?export=true",
        ),
    ] {
        let answer = get(&server, target).await;
        assert_eq!(
            (answer.status, answer.header("content-type"), answer.text()),
            (status, content_type, body),
            "{target}"
        );
    }
    server.stop().await;
}

// --- the long poll ---

/// A listening request for one config.
fn listening(data_id: &str, digest: &str) -> String {
    form(&[("Listening-Configs", &format!("{data_id}\u{2}g\u{2}{digest}\u{1}"))])
}

const LISTENER: &str = "/nacos/v1/cs/configs/listener";
const LONG: &str = "Long-Pulling-Timeout: 30000\r\n";
const ONE: &str = "f97c5d29941bfb1b2fdab0874906ab82";

/// Waits until `count` requests wait for a config.
async fn until_waiting(server: &Server, data_id: &str, count: usize) {
    server.until(|app| app.config.listeners_of(&key(data_id)).len() == count).await;
}

#[tokio::test]
async fn a_long_poll_is_woken_by_its_config_alone() {
    let server = Server::start().await;
    publish(&server, "d", "one").await;
    let poll = server.later("POST", LISTENER, LONG, &listening("d", ONE));
    until_waiting(&server, "d", 1).await;
    let who = get(&server, "/nacos/v1/cs/configs/listener?dataId=d&group=g").await;
    assert_eq!(who.text(), format!(r#"{{"collectStatus":200,"lisentersGroupkeyStatus":{{"127.0.0.1":"{ONE}"}}}}"#));
    let what = get(&server, "/nacos/v3/admin/cs/listener?ip=127.0.0.1&all=true").await.json();
    assert_eq!(what["data"]["listenersStatus"]["d+g+public"], ONE);

    publish(&server, "other", "x").await;
    publish(&server, "d", "one").await;
    until_waiting(&server, "d", 1).await;
    publish(&server, "d", "two").await;
    let woken = poll.await.expect("the task ends");
    assert_eq!((woken.status, woken.text()), (200, "d%02g%01\n"));
    assert_eq!(woken.header("cache-control"), Some("no-cache,no-store"));
    until_waiting(&server, "d", 0).await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_want_to_wait_is_answered_at_once() {
    let server = Server::start().await;
    publish(&server, "d", "one").await;
    let at_once = format!("{LONG}Long-Pulling-Timeout-No-Hangup: true\r\n");
    let same = server.send("POST", LISTENER, &at_once, &listening("d", ONE)).await;
    assert_eq!((same.status, same.text()), (200, ""));
    assert_eq!(same.header("content-type"), Some("application/json;charset=UTF-8"));
    let differs = server.send("POST", LISTENER, LONG, &listening("d", "")).await;
    assert_eq!(differs.text(), "d%02g%01\n");

    let short = server.send("POST", LISTENER, "", &listening("d", "")).await;
    assert_eq!((short.text(), short.header("probe-modify-response")), ("", Some("d:g;")));
    assert_eq!(short.header("probe-modify-response-new"), Some("d%02g%01"));
    let silent = server.send("POST", LISTENER, "Client-Version: 2.0.4\r\n", &listening("d", "")).await;
    assert_eq!((silent.text(), silent.header("probe-modify-response")), ("", None));
    server.stop().await;
}

#[tokio::test]
async fn a_long_poll_ends_when_its_client_hangs_up() {
    let server = Server::start().await;
    let poll = server.later("POST", LISTENER, LONG, &listening("d", ""));
    until_waiting(&server, "d", 1).await;
    poll.abort();
    until_waiting(&server, "d", 0).await;
    server.stop().await;
}

#[tokio::test]
async fn a_long_poll_ends_when_the_server_stops() {
    let server = Server::start().await;
    let poll = server.later("POST", LISTENER, LONG, &listening("d", ""));
    until_waiting(&server, "d", 1).await;
    let stopped = tokio::time::timeout(Duration::from_secs(5), server.stop()).await;
    assert!(stopped.is_ok());
    let answer = poll.await.expect("the task ends");
    assert_eq!((answer.status, answer.text()), (200, ""));
}

#[tokio::test]
async fn a_beta_version_is_for_its_addresses_alone() {
    let server = Server::start().await;
    publish(&server, "d", "formal").await;
    let beta = form(&[("dataId", "d"), ("group", "g"), ("content", "beta")]);
    let made = server.send("POST", "/nacos/v1/cs/configs", "betaIps: 203.0.113.1, 203.0.113.2\r\n", &beta).await;
    assert_eq!(made.text(), "true");
    let read = "/nacos/v1/cs/configs?dataId=d&group=g";
    for (headers, content, is_beta) in [
        ("", "formal", None),
        ("X-Forwarded-For: 203.0.113.1, 10.0.0.1\r\n", "beta", Some("true")),
        ("X-Real-IP: 203.0.113.2\r\n", "beta", Some("true")),
        ("X-Forwarded-For: 203.0.113.3\r\n", "formal", None),
    ] {
        let answer = server.send("GET", read, headers, "").await;
        assert_eq!((answer.text(), answer.header("isbeta")), (content, is_beta), "{headers}");
    }
    let gray = get(&server, "/nacos/v3/admin/cs/config/beta?dataId=d&groupName=g").await.json();
    assert_eq!((&gray["data"]["grayName"], &gray["data"]["content"]), (&"beta".into(), &"beta".into()));
    let stop = "/nacos/v1/cs/configs?beta=true&dataId=d&group=g";
    let stopped = server.send("DELETE", stop, "", "").await;
    assert_eq!(stopped.text(), r#"{"code":200,"message":"stop beta ok","data":true}"#);
    let again = server.send("DELETE", stop, "", "").await;
    assert_eq!(again.text(), r#"{"code":500,"message":"remove beta data error","data":false}"#);
    let gray = get(&server, "/nacos/v3/admin/cs/config/beta?dataId=d&groupName=g").await;
    assert_eq!((gray.status, &gray.json()["data"]), (404, &"Config is not in beta.".into()));

    let alone = form(&[("dataId", "alone"), ("group", "g"), ("content", "beta")]);
    server.send("POST", "/nacos/v1/cs/configs", "betaIps: 203.0.113.1\r\n", &alone).await;
    let read = "/nacos/v3/client/cs/config?dataId=alone&groupName=g";
    assert_eq!(get(&server, read).await.json()["code"], 20004);
    let beta = server.send("GET", read, "X-Forwarded-For: 203.0.113.1\r\n", "").await.json();
    assert_eq!((&beta["data"]["beta"], &beta["data"]["contentType"]), (&true.into(), &().into()));
    server.stop().await;
}

#[tokio::test]
async fn the_version_of_a_tag_goes_by_its_tag() {
    let server = Server::start().await;
    publish(&server, "d", "formal").await;
    let tagged = form(&[("dataId", "d"), ("group", "g"), ("content", "blue one"), ("tag", "blue")]);
    server.send("POST", "/nacos/v1/cs/configs", "", &tagged).await;
    let read = "/nacos/v1/cs/configs?dataId=d&group=g";
    let carried = server.send("GET", read, "Vipserver-Tag: blue\r\n", "").await;
    assert_eq!((carried.text(), carried.header("tag")), ("blue one", Some("blue")));
    let other = server.send("GET", read, "Vipserver-Tag: red\r\n", "").await;
    assert_eq!((other.text(), other.header("tag")), ("formal", None));
    let asked = get(&server, &format!("{read}&tag=red")).await;
    assert_eq!(asked.status, 404);
    let gone = server.send("DELETE", &format!("{read}&tag=blue"), "", "").await;
    assert_eq!(gone.text(), "true");
    assert_eq!(get(&server, &format!("{read}&tag=blue")).await.status, 404);
    assert_eq!(get(&server, read).await.text(), "formal");
    server.stop().await;
}

// --- what operators see ---

#[tokio::test]
async fn the_history_shows_every_step_and_only_to_who_names_the_config() {
    let server = Server::start().await;
    for content in ["one", "two", "three"] {
        publish(&server, "d", content).await;
    }
    publish(&server, "other", "x").await;
    let list = get(&server, "/nacos/v2/cs/history/list?dataId=d&group=g&pageNo=1&pageSize=2").await.json();
    let page = &list["data"];
    assert_eq!((&page["totalCount"], &page["pagesAvailable"]), (&3.into(), &2.into()));
    assert_eq!((&page["pageItems"][0]["opType"], &page["pageItems"][0]["content"]), (&"U         ".into(), &().into()));
    let nid = page["pageItems"][1]["id"].as_str().expect("a number").to_owned();

    let row = get(&server, &format!("/nacos/v1/cs/history?dataId=d&group=g&nid={nid}")).await.json();
    assert_eq!((&row["content"], &row["md5"]), (&"one".into(), &ONE.into()));
    let change = get(&server, &format!("/nacos/v2/cs/history/detail?dataId=d&group=g&nid={nid}")).await.json();
    let sides = (&change["data"]["originalContent"], &change["data"]["updatedContent"]);
    assert_eq!(sides, (&"one".into(), &"two".into()));
    let foreign = get(&server, &format!("/nacos/v3/admin/cs/history?dataId=other&groupName=g&nid={nid}")).await;
    assert_eq!((foreign.status, &foreign.json()["code"]), (403, &10001.into()));

    let found = get(&server, "/nacos/v3/admin/cs/config/list?dataId=d&groupName=g").await.json();
    let id = found["data"]["pageItems"][0]["id"].as_str().expect("a number").to_owned();
    let previous = get(&server, &format!("/nacos/v2/cs/history/previous?dataId=d&group=g&id={id}")).await.json();
    assert_eq!(previous["data"]["content"], "two");
    let foreign = get(&server, &format!("/nacos/v2/cs/history/previous?dataId=other&group=g&id={id}")).await;
    assert_eq!(foreign.status, 403);
    let removed = server.send("DELETE", &format!("/nacos/v1/cs/configs?delType=ids&ids={id},1"), "", "").await;
    assert_eq!(removed.text(), r#"{"code":200,"message":null,"data":true}"#);
    assert_eq!(get(&server, "/nacos/v1/cs/configs?dataId=d&group=g").await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn searches_find_by_name_and_by_content() {
    let server = Server::start().await;
    for (data_id, content) in [("app.yaml", "alpha: 1"), ("app.json", "{}"), ("db.yaml", "beta: 1")] {
        publish(&server, data_id, content).await;
    }
    let names = async |query: &str| -> Vec<String> {
        let found = get(&server, &format!("/nacos/v3/admin/cs/config/list?{query}")).await.json();
        let items = found["data"]["pageItems"].as_array().expect("a page").clone();
        items.iter().map(|item| item["dataId"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names("dataId=app*&search=blur").await, ["app.json", "app.yaml"]);
    assert_eq!(names("configDetail=*%3A%201").await, ["app.yaml", "db.yaml"]);
    assert_eq!(names("pageNo=2&pageSize=2").await, ["db.yaml"]);
    let v1 = get(&server, "/nacos/v1/cs/configs?search=blur&dataId=*.yaml&group=&pageNo=1&pageSize=1").await.json();
    assert_eq!((&v1["totalCount"], &v1["pageItems"][0]["content"]), (&2.into(), &"alpha: 1".into()));
    server.stop().await;
}
