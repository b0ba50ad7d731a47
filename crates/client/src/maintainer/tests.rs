//! Calls of operators against a whole server, and against one of the third generation.

use nacrite_testkit::Node;

use super::*;
use crate::http::Http;
use crate::http::naming::HttpNamingSettings;
use crate::http::recorded::{Recorded, recorded};
use crate::http::scripted::{Answer, Nobody, Script};
use crate::servers::Fixed;
use crate::tasks::Tasks;
use crate::tls::TlsSetup;

const S: Duration = Duration::from_secs(1);

fn maintainer(proxy: Proxy, tasks: &Tasks) -> Maintainer {
    let naming = HttpNaming::new(proxy.clone(), HttpNamingSettings::default(), tasks.clone());
    Maintainer::new(proxy, naming, NamespaceId::public(), 3 * S)
}

#[tokio::test]
async fn services_and_namespaces_come_change_and_go_on_a_server() {
    let (node, tasks) = (Node::start().await, Tasks::new().expect("inside a runtime"));
    let http = Http::new(TlsSetup::new(None).expect("nothing to load"), tasks.clone());
    let server = node.http.to_string().parse().expect("an address");
    let proxy = Proxy::new(http, Arc::new(Fixed::new([server])), Arc::new(Nobody), "nacos");
    let maintainer = maintainer(proxy, &tasks);
    let mut settings = ServiceSettings { protect_threshold: 0.5, ..ServiceSettings::default() };
    settings.metadata.insert("owner".into(), "a & b".into());
    maintainer.create_service("shop@@orders", &settings).await.expect("created");
    let twice = maintainer.create_service("shop@@orders", &settings).await;
    assert!(matches!(twice, Err(Error::Refused { .. })), "{twice:?}");
    let shown = maintainer.service("shop@@orders").await.expect("it exists");
    assert_eq!((shown.protect_threshold, &shown.metadata), (0.5, &settings.metadata));
    settings.protect_threshold = 0.25;
    maintainer.update_service("shop@@orders", &settings).await.expect("changed");
    assert_eq!(maintainer.service("shop@@orders").await.expect("it exists").protect_threshold, 0.25);
    maintainer.remove_service("shop@@orders").await.expect("removed");
    assert!(maintainer.service("shop@@orders").await.is_err());
    let mut dev = NamespaceSettings { name: "Development".into(), description: "for trials".into() };
    maintainer.create_namespace("dev", &dev).await.expect("created");
    assert!(maintainer.create_namespace("dev", &dev).await.is_err(), "it exists");
    dev.name = "Trials".into();
    maintainer.update_namespace("dev", &dev).await.expect("changed");
    let all = maintainer.namespaces().await.expect("a list");
    assert_eq!(all.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["public", "Trials"]);
    assert_eq!(all[1].description.as_deref(), Some("for trials"));
    maintainer.remove_namespace("dev").await.expect("removed");
    assert_eq!(maintainer.namespaces().await.expect("a list").len(), 1);
    assert!(tasks.stop_all(5 * S).await, "a task did not end");
    node.stop().await;
}

#[tokio::test]
async fn a_server_of_the_third_generation_is_spoken_to_in_its_words_from_then_on() {
    let script = Script::start(|seen, _| match (seen.path(), seen.method.as_str()) {
        (path, _) if path.starts_with("/nacos/v1/") => {
            Answer::says(410, r#"{"status":410,"message":"{\"code\":40000,\"message\":\"use v3\"}"}"#)
        }
        ("/nacos/v3/admin/ns/service", "GET") => Answer::text(
            r#"{"code":0,"data":{"protectThreshold":0.5,"metadata":{"a":"b","n":null},"clusterMap":{"c2":{},"c1":{}}}}"#,
        ),
        ("/nacos/v3/admin/ns/service", "DELETE") => {
            Answer::text(r#"{"code":21009,"message":"service delete failure","data":"it is not empty"}"#)
        }
        _ => Answer::text(r#"{"code":0,"data":"ok"}"#),
    })
    .await;
    let maintainer = maintainer(script.proxy(Arc::new(Nobody)), &script.tasks);
    let shown = maintainer.service("orders").await.expect("it exists");
    assert_eq!((shown.protect_threshold, shown.clusters), (0.5, vec!["c1".to_owned(), "c2".to_owned()]));
    assert_eq!(shown.metadata.into_iter().collect::<Vec<_>>(), [("a".to_owned(), "b".to_owned())]);
    let refused = maintainer.remove_service("orders").await.expect_err("it has instances").to_string();
    assert!(refused.contains("21009") && refused.contains("not empty"), "{refused}");
    maintainer.create_namespace("dev", &NamespaceSettings::default()).await.expect("created");
    let paths: Vec<_> = script.seen().iter().map(|seen| seen.path().to_owned()).collect();
    assert_eq!(paths.iter().filter(|path| path.starts_with("/nacos/v1/")).count(), 1, "{paths:?}");
    assert!(script.seen().last().is_some_and(|seen| seen.says("namespaceId=dev")));
    script.stop().await;
}

#[tokio::test]
async fn nonsense_is_refused_before_anything_is_sent() {
    let script = Script::start(|_, _| Answer::text("ok")).await;
    let maintainer = maintainer(script.proxy(Arc::new(Nobody)), &script.tasks);
    let settings = ServiceSettings { protect_threshold: 1.5, ..ServiceSettings::default() };
    assert!(matches!(maintainer.create_service("a", &settings).await, Err(Error::Invalid(_))));
    assert!(matches!(maintainer.remove_service("a b").await, Err(Error::Invalid(_))));
    assert!(script.seen().is_empty());
    script.stop().await;
}

fn answer_of(answer: &Recorded) -> Reply {
    Reply {
        status: http::StatusCode::from_u16(answer.status).expect("a status"),
        headers: http::HeaderMap::new(),
        body: answer.body.clone().into(),
        peer: std::net::Ipv4Addr::LOCALHOST.into(),
        local: None,
    }
}

#[test]
fn recorded_answers_to_operators_are_read() {
    let is_list = |path: &str| NAMESPACES.iter().any(|list| path == format!("/nacos{list}"));
    let lists = recorded("GET", is_list).into_iter().filter(|answer| answer.body.contains("\"data\":["));
    let read = lists.map(|answer| answers::namespaces(&answer_of(&answer)).expect("a list").len());
    assert!(read.min().is_some_and(|least| least > 0), "there is the public one at least");
    let mut clusters = 0;
    for answer in recorded("GET", |path| SERVICE.iter().any(|service| path == format!("/nacos{service}"))) {
        if answer.status == 200 {
            clusters += answers::service(&answer_of(&answer)).expect("a service").clusters.len();
        } else if answer.path.contains("/v3/") && answer.body.starts_with("{\"code\"") {
            assert!(answers::service(&answer_of(&answer)).is_err(), "{}", answer.body);
        }
    }
    assert!(clusters > 0);
    for method in ["POST", "PUT", "DELETE"] {
        for answer in recorded(method, |path| path.ends_with("/v1/console/namespaces")) {
            if answer.status == 200 {
                assert_eq!(answers::done(&answer_of(&answer)).is_ok(), answer.body != "false", "{}", answer.body);
            }
        }
    }
}
