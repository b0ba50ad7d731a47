//! Connections are used again, broken ones are not, and packed answers are unpacked.

use std::io::Write as _;
use std::net::Ipv4Addr;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::scripted::{Answer, Script};
use super::*;

const S: Duration = Duration::from_secs(1);

#[tokio::test]
async fn packed_answers_are_asked_for_and_unpacked() {
    let script = Script::start(|seen, _| {
        assert_eq!(seen.header("accept-encoding"), Some("gzip"));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"hello").expect("memory takes it");
        Answer::text(encoder.finish().expect("memory takes it")).header("content-encoding", "gzip")
    })
    .await;
    let reply = script.http().send(&script.server, &Call::get("/x"), S).await.expect("answered");
    assert_eq!(&*reply.body, b"hello");
    assert_eq!(reply.peer, Ipv4Addr::LOCALHOST);
    script.stop().await;
}

/// Answers `per_connection` requests on each connection, then closes it without a word. Returns how many it accepted.
async fn closing_server(per_connection: usize, tasks: &Tasks) -> (ServerAddress, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let server = listener.local_addr().expect("a bound socket has an address").to_string().parse().expect("an address");
    let accepted = Arc::<Mutex<usize>>::default();
    let (count, stop) = (Arc::clone(&accepted), tasks.clone());
    tasks.spawn(async move {
        let serve = async {
            while let Ok((mut stream, _)) = listener.accept().await {
                *count.lock() += 1;
                let mut buffer = [0; 4096];
                for _ in 0..per_connection {
                    if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
                        break;
                    }
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    stream.write_all(answer).await.expect("the client listens");
                }
            }
        };
        tokio::select! {
            () = serve => {}
            () = stop.stopping() => {}
        }
    });
    (server, accepted)
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_is_no_failure() {
    let tasks = Tasks::new().expect("inside a runtime");
    let http = Http::new(TlsSetup::new(None).expect("nothing to load"), tasks.clone());
    let (server, accepted) = closing_server(2, &tasks).await;
    for _ in 0..6 {
        http.send(&server, &Call::get("/x"), S).await.expect("answered");
    }
    assert_eq!(*accepted.lock(), 3, "two requests on each");
    assert!(tasks.stop_all(5 * S).await, "a connection is left");
    assert!(matches!(http.send(&server, &Call::get("/x"), S).await, Err(Error::Closed)));
}

#[tokio::test]
async fn a_thousand_requests_leave_no_task_behind() {
    let script = Script::start(|_, _| Answer::text("ok")).await;
    let own = Tasks::new().expect("inside a runtime");
    let http = Http::new(TlsSetup::new(None).expect("nothing to load"), own.clone());
    for _ in 0..100 {
        let call = Call::get("/x");
        let ten = (0..10).map(|_| http.send(&script.server, &call, 10 * S));
        assert!(futures_util::future::join_all(ten).await.iter().all(Result::is_ok));
    }
    let few = tokio::time::timeout(10 * S, async {
        while own.count() > IDLE_PER_SERVER_MAX {
            tokio::task::yield_now().await;
        }
    });
    few.await.expect("only idle connections are left");
    drop(http);
    let none = tokio::time::timeout(10 * S, async {
        while own.count() > 0 {
            tokio::task::yield_now().await;
        }
    });
    none.await.expect("they end with their owner");
    script.stop().await;
}

/// Every value of every field of `json`, in turn, replaced by values of other kinds, and left out.
fn spoilt(json: &str) -> Vec<String> {
    fn spoil(value: &Value, all: &mut Vec<Value>) {
        all.extend([
            Value::Null,
            json!(true),
            json!(-1),
            json!(1e300),
            json!("text"),
            json!([]),
            json!([[null]]),
            json!({}),
        ]);
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    let mut without = fields.clone();
                    without.remove(name);
                    all.push(Value::Object(without));
                    let mut spoilt = Vec::new();
                    spoil(field, &mut spoilt);
                    for field in spoilt {
                        let mut with = fields.clone();
                        with.insert(name.clone(), field);
                        with.insert("never heard of".to_owned(), json!({"a": [1]}));
                        all.push(Value::Object(with));
                    }
                }
            }
            Value::Array(items) => {
                let mut spoilt = Vec::new();
                items.iter().for_each(|item| spoil(item, &mut spoilt));
                all.extend(spoilt.into_iter().map(|item| json!([item])));
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    spoil(&serde_json::from_str(json).expect("JSON"), &mut all);
    all.iter().map(ToString::to_string).collect()
}

/// A missing, null, extra or mistyped field in any answer over HTTP: an error or a default, never a panic.
#[tokio::test]
async fn no_answer_is_so_wrong_that_anything_breaks() {
    let list = r#"{"name":"G@@a","clusters":"","cacheMillis":10000,"lastRefTime":5,"reachProtectionThreshold":false,
        "hosts":[{"instanceId":"i","ip":"10.0.0.1","port":80,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,
        "clusterName":"c","metadata":{"a":"b"}}]}"#;
    let push = json!({"type": "dom", "data": "{}", "lastRefTime": 5}).to_string();
    let many = [
        list,
        &push,
        r#"{"code":10200,"clientBeatInterval":5000,"lightBeatEnabled":true}"#,
        r#"{"accessToken":"t","tokenTtl":18000,"globalAdmin":true,"data":"Bearer t"}"#,
        r#"{"code":0,"message":"m","data":[{"namespace":"n","namespaceShowName":"N","namespaceDesc":"d","configCount":1}]}"#,
        r#"{"count":1,"doms":["a"]}"#,
        r#"{"protectThreshold":0.5,"metadata":{"a":"b"},"clusters":[{"name":"c"}],"clusterMap":{"c":{}}}"#,
    ];
    let answers = Arc::new(Mutex::new(Vec::new()));
    for json in many {
        for body in spoilt(json) {
            beats::Heard::read(body.as_bytes()).ok();
            udp::read(body.as_bytes()).ok();
            udp::read(json!({"type": "dom", "data": body, "lastRefTime": 5}).to_string().as_bytes()).ok();
            answers.lock().push(body);
        }
    }
    let (answering, total) = (Arc::clone(&answers), answers.lock().len());
    assert!(total > 300, "{total}");
    let script = Script::start(move |_, turn| Answer::text(answering.lock()[turn % total].clone())).await;
    let proxy = script.proxy(Arc::new(super::scripted::Nobody));
    let naming = naming::HttpNaming::new(proxy.clone(), naming::HttpNamingSettings::default(), script.tasks.clone());
    let key = nacrite_base::ServiceKey {
        namespace: nacrite_base::NamespaceId::public(),
        group: nacrite_base::GroupName::parse("G").expect("a group"),
        name: nacrite_base::ServiceName::parse("a").expect("a name"),
    };
    let operator = crate::maintainer::Maintainer::new(proxy, naming.clone(), key.namespace.clone(), S);
    // The answers come in a circle, so that each call meets all of them.
    for _ in 0..total {
        naming.list(&key, "", false).await.ok();
    }
    for _ in 0..total {
        naming.services("public", "G", 1, 10).await.ok();
    }
    for _ in 0..total {
        operator.service("a").await.ok();
    }
    for _ in 0..total {
        operator.namespaces().await.ok();
    }
    for _ in 0..total {
        operator.remove_service("a").await.ok();
    }
    script.stop().await;
}

#[tokio::test]
async fn failures_name_the_port_and_what_is_wrong_there() {
    let tasks = Tasks::new().expect("inside a runtime");
    let http = Http::new(TlsSetup::new(None).expect("nothing to load"), tasks.clone());
    let (silent, _) = closing_server(0, &tasks).await;
    let shown = async |server: &ServerAddress| {
        http.send(server, &Call::get("/x?secret"), S).await.expect_err("it fails").to_string()
    };
    let closed = shown(&"127.0.0.1:1".parse().expect("an address")).await;
    assert!(closed.contains("127.0.0.1:1 ") && closed.contains("refused") && !closed.contains("gRPC"), "{closed}");
    let unknown = shown(&"no-such-host.invalid".parse().expect("an address")).await;
    assert!(unknown.contains("no-such-host.invalid"), "{unknown}");
    let broken = shown(&silent).await;
    assert!(broken.contains("broke") && !broken.contains("secret"), "{broken}");
    assert!(tasks.stop_all(5 * S).await, "a connection is left");
}
