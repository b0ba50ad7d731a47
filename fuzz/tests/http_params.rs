//! HTTP: parameters that are broken a little, and whole requests against a real server. Whatever comes is answered or
//! refused; no task of the server panics.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nacrite_base::Switches;
use nacrite_fuzz::Broken;
use nacrite_testkit::Node;
use nacrite_wire::from_wire::instance::Strictness;
use nacrite_wire::http::params::Params;
use nacrite_wire::http::{config, core_ops, forms, members, namespaces, naming};
use tokio::runtime::Runtime;

const FORMS: &[&[u8]] = &[
    b"serviceName=g@@orders&groupName=g&ip=10.0.0.1&port=8080&clusterName=c&weight=1.5&healthy=true&enabled=true&ephemeral=true&metadata={\"a\":\"b\"}&namespaceId=public",
    b"serviceName=orders&beat={\"ip\":\"10.0.0.1\",\"port\":8080,\"cluster\":\"c\",\"metadata\":{},\"scheduled\":true,\"weight\":1,\"period\":5000,\"serviceName\":\"g@@orders\"}&ephemeral=true",
    b"serviceName=orders&protectThreshold=0.5&metadata=a=b,c=d&selector={\"type\":\"none\"}&pageNo=1&pageSize=10&clusters=a,b&healthyOnly=true",
    b"dataId=d&group=g&tenant=t&content=%E4%B8%AD+x&type=yaml&tag=t&appName=a&config_tags=a,b&desc=x&use=y&effect=z&schema=s&encryptedDataKey=k&betaIps=10.0.0.1",
    b"Listening-Configs=d%02g%0287960ed2f2ed3561189d212214602e40%02t%01&dataId=d&groupName=g&namespaceId=t&search=blur&pageNo=1&pageSize=10&ids=1,2",
    b"serviceName=g@@orders&clusterName=c&pageNo=1&pageSize=10&withInstances=true&hasIpCount=true&serviceNameParam=o*&key=n##g@@orders&healthyOnly=true&state=up&address=1",
    b"serviceName=orders&metadata={\"a\":\"b\"}&instances=[{\"ip\":\"10.0.0.1\",\"port\":80,\"clusterName\":\"c\"}]&consistencyType=persist",
    b"serviceName=orders&clusterName=c&checkPort=80&useInstancePort4Check=true&healthChecker={\"type\":\"HTTP\",\"path\":\"/h\",\"headers\":\"a:b|c:d\",\"expectedResponseCode\":200}&metadata=a=b",
    b"entry=tcpHealthParams&value={\"max\":5000,\"min\":1000,\"factor\":0.75}&debug=true",
    b"entry=pushVersion&value=java:2.6.0&debug=true",
    b"customNamespaceId=a&namespaceName=b&namespaceDesc=c&namespace=a&namespaceShowName=x&namespaceId=a",
];

const BODIES: &[&[u8]] = &[
    b"{\"groupId\":\"nacrite_journal\",\"command\":\"doSnapshot\",\"value\":\"10.0.0.1:7848\"}",
    b"{\"ip\":\"10.0.0.1\",\"port\":8848,\"state\":\"UP\",\"extendInfo\":{\"version\":\"2.5.1\"}}",
    b"[{\"ip\":\"10.0.0.1\",\"port\":8848},\"10.0.0.1:8848\"]",
];

const REQUESTS: &[&[u8]] = &[
    b"PUT /nacos/v3/admin/ns/instance/metadata/batch?serviceName=orders&metadata=a=b&instances=%5B%5D HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"GET /nacos/v1/ns/catalog/services?pageNo=1&pageSize=5&withInstances=true&serviceNameParam=o*r HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /nacos/v2/ns/instance/statuses/n%23%23g@@orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"GET /nacos/prometheus/namespaceId/public/service/orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"POST /nacos/v1/ns/instance?serviceName=orders&ip=10.0.0.1&port=8080 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"PUT /nacos/v1/ns/instance/beat?serviceName=g@@orders&beat=%7B%22ip%22%3A%2210.0.0.1%22%2C%22port%22%3A1%7D HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"GET /nacos/v1/ns/instance/list?serviceName=orders&clusters=a&healthyOnly=true HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"POST /nacos/v1/cs/configs HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 31\r\n\r\ndataId=d&group=g&content=a%3D1x",
    b"GET /nacos/v3/client/cs/config?dataId=d&groupName=g&namespaceId=public HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"POST /nacos/v2/ns/service?serviceName=orders&protectThreshold=0.5&metadata={} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"GET /nacos/v1/cs/configs?search=blur&dataId=*&group=&pageNo=1&pageSize=5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"PUT /nacos/v1/ns/operator/switches?entry=check&value=true&debug=true HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"PUT /nacos/v3/admin/ns/cluster?serviceName=orders&clusterName=c&checkPort=80&useInstancePort4Check=true&healthChecker=%7B%22type%22%3A%22NONE%22%7D HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    b"POST /nacos/v3/admin/core/namespace HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n5\r\na=b&c\r\n0\r\n\r\n",
    b"PUT /nacos/v3/admin/core/ops/log HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 34\r\n\r\n{\"logName\":\"x\",\"logLevel\":\"INFO\"}\n",
];

fn params(form: &[u8]) -> Option<Params<'_>> {
    let mut params = Params::default();
    for pair in form.split(|byte| *byte == b'&') {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        params.push(forms::decode(&pair[..at])?, forms::decode(pair.get(at + 1..).unwrap_or_default())?);
    }
    Some(params)
}

#[test]
fn parameters_are_read_or_refused() {
    bolero::check!().with_type::<Broken>().for_each(|broken| {
        let form = broken.bytes(FORMS);
        let Some(params) = params(&form) else { return };
        drop(naming::instance::v1_instance(&params, Strictness::Single));
        drop(naming::instance::form_instance(&params, Strictness::Lax));
        drop(naming::instance::v1_patch(&params));
        drop(naming::instance::v2_patch(&params));
        drop(naming::beat::v1_beat(&params));
        drop(naming::beat::v2_beat(&params));
        drop(naming::service::v1_create(&params));
        drop(naming::service::form(&params));
        drop(naming::service::v1_list(&params));
        drop(naming::service::v3_catalog(&params));
        drop(naming::batch::v1_batch(&params));
        drop(naming::batch::form_batch(&params));
        drop(naming::catalog::v1_services(&params));
        drop(naming::catalog::v1_instances(&params).map(|ask| ask.page.cut(0..3).count()));
        drop(naming::catalog::v2_instances(&params).map(|ask| ask.page.cut(0..3).count()));
        drop(naming::catalog::v1_one(&params));
        drop(params.sent("key").map(naming::lookups::service_of_key));
        drop(members::MembersAsk::form(&params).map(|_| ()));
        drop(naming::cluster::v1_cluster(&params));
        drop(naming::cluster::form_cluster(&params));
        drop(naming::health::v1_health(&params));
        drop(naming::health::form_health(&params));
        for asked in
            [naming::switches::v1_switch(&params), naming::switches::form_switch(&params)].into_iter().flatten()
        {
            drop(Switches::default().set(&asked.entry, &asked.value));
        }
        drop(config::ask::search_v1(&params, true));
        drop(config::ask::search_v3(&params));
        drop(config::listening::listening(&params));
        drop(namespaces::v1_create(&params));
        drop(namespaces::v3_form(&params));
    });
}

#[test]
fn json_bodies_are_read_or_refused() {
    bolero::check!().with_type::<Broken>().for_each(|broken| {
        let body = broken.bytes(BODIES);
        drop(core_ops::raft(None, &body));
        drop(members::report(None, &body));
        drop(members::members(None, &body));
        drop(members::leaving(None, &body));
    });
}

/// One server for all requests, and how often something in this process panicked.
struct World {
    node: Node,
    runtime: Runtime,
    panics: &'static AtomicUsize,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    WORLD.get_or_init(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            before(info);
        }));
        let runtime = Runtime::new().expect("a runtime");
        let node = runtime.block_on(Node::start());
        World { node, runtime, panics: &PANICS }
    })
}

/// Sends bytes, reads whatever comes back, and does not mind if nothing does.
fn send(at: SocketAddr, request: &[u8]) {
    let mut socket = TcpStream::connect(at).expect("the server accepts");
    socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
    // The server may have closed already.
    socket.write_all(request).ok();
    socket.shutdown(std::net::Shutdown::Write).ok();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).ok();
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{:?}", String::from_utf8_lossy(&answer));
}

#[test]
fn whole_requests_are_answered_or_refused() {
    let world = world();
    let (at, panics) = (world.node.http, world.panics);
    let before = panics.load(Ordering::SeqCst);
    bolero::check!().with_type::<Broken>().for_each(|broken| {
        send(at, &broken.bytes(REQUESTS));
        assert_eq!(panics.load(Ordering::SeqCst), before, "the server panicked");
    });
    // It lives.
    let alive = b"GET /nacos/v1/console/health/liveness HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    send(world.node.http, alive);
    assert!(world.runtime.block_on(async { world.node.app.is_ready() }));
}
