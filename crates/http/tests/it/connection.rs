//! What happens on a connection, whatever is asked on it.

use nacrite_http::HttpSettings;

use crate::Server;

const METRICS: &str = "/nacos/v1/ns/operator/metrics";

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

#[tokio::test]
async fn a_connection_takes_one_request_after_the_other() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    for _ in 0..3 {
        connection.send(get(METRICS).as_bytes()).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":"UP"}"#));
        assert!(answer.header("date").is_some());
    }
}

#[tokio::test]
async fn requests_that_were_sent_together_are_answered_in_order() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    let both = get(METRICS) + &get("/nacos/v1/console/health/liveness") + &get("/nacos/v1/ns/nothing");
    connection.send(both.as_bytes()).await;
    let statuses = [connection.answer().await, connection.answer().await, connection.answer().await];
    assert_eq!(statuses.map(|answer| answer.status), [200, 200, 501]);
}

#[tokio::test]
async fn a_head_and_a_body_may_come_in_pieces() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    let request = "POST /nacos/v1/ns/instance HTTP/1.1\r\nHOST: h\r\ncontent-TYPE: application/x-www-form-urlencoded\r\n\
                   Content-Length: 35\r\n\r\nserviceName=slow&ip=1.1.1.1&port=80";
    for byte in request.as_bytes() {
        connection.send(&[*byte]).await;
    }
    assert_eq!(connection.answer().await.body, "ok");
}

#[tokio::test]
async fn a_body_may_come_in_chunks() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    let head = "POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    connection.send(head.as_bytes()).await;
    connection.send(b"10\r\nserviceName=cut&\r\n13\r\nip=1.1.1.1&port=80&\r\n0\r\n\r\n").await;
    assert_eq!(connection.answer().await.body, "ok");
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    connection.send(b"HEAD /nacos/v1/console/health/liveness HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    let rest = connection.rest().await;
    assert!(rest.starts_with("HTTP/1.1 200 ") && rest.ends_with("\r\n\r\n"), "{rest}");
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_dropped() {
    let server = Server::start_with(HttpSettings { quiet_max_ms: 100, ..HttpSettings::default() }).await;
    let mut connection = server.connect().await;
    connection.send(b"GET /nacos/v1/ns/operator/metrics HTTP/1.1\r\nHost:").await;
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn an_idle_connection_is_dropped_after_its_answer() {
    let server = Server::start_with(HttpSettings { quiet_max_ms: 100, ..HttpSettings::default() }).await;
    let mut connection = server.connect().await;
    connection.send(get(METRICS).as_bytes()).await;
    assert_eq!(connection.answer().await.status, 200);
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_answered() {
    let server = Server::start_with(HttpSettings { body_within_ms: 100, ..HttpSettings::default() }).await;
    let mut connection = server.connect().await;
    connection.send(b"POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nserv").await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_before_it_is_read() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    let head = "POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: h\r\nContent-Length: 1048577\r\n\r\n";
    connection.send(head.as_bytes()).await;
    let answer = connection.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (413, Some("close")));
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn a_body_in_chunks_is_refused_as_soon_as_it_is_too_long() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    let head = "POST /nacos/v1/ns/instance HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    connection.send(head.as_bytes()).await;
    let chunk = format!("80000\r\n{}\r\n", "x".repeat(0x80000));
    for _ in 0..3 {
        connection.send(chunk.as_bytes()).await;
    }
    assert_eq!(connection.answer().await.status, 413);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    let start = "GET /nacos/v1/ns/operator/metrics HTTP/1.1\r\nX: ";
    // As much as is read, and no end: what was not read would reset the connection before the answer is seen.
    connection.send(format!("{start}{}", "x".repeat(64 * 1024 - start.len())).as_bytes()).await;
    assert_eq!(connection.answer().await.status, 431);
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    connection.send(format!("{}GET /nacos/v1", get(METRICS)).as_bytes()).await;
    assert_eq!(connection.answer().await.status, 200);
    connection.send(b"/ns/operator/metrics HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 200);
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let server = Server::start().await;
    let http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for nonsense in ["nonsense\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", http2, "\0\0\0\0\r\n\r\n"] {
        let mut connection = server.connect().await;
        connection.send(nonsense.as_bytes()).await;
        let rest = connection.rest().await;
        let refused = rest.starts_with("HTTP/1.1 400 ") || (nonsense == http2 && rest.is_empty());
        assert!(refused, "{nonsense:?}: {rest}");
    }
    assert_eq!(server.ask("GET", METRICS).await.status, 200);
}

#[tokio::test]
async fn connections_beyond_the_bound_are_closed_at_once() {
    let server = Server::start_with(HttpSettings { connections_max: 1, ..HttpSettings::default() }).await;
    let mut first = server.connect().await;
    first.send(get(METRICS).as_bytes()).await;
    assert_eq!(first.answer().await.status, 200);
    let mut second = server.connect().await;
    second.send(get(METRICS).as_bytes()).await;
    assert_eq!(second.rest().await, "");
}

#[tokio::test]
async fn a_stopping_server_closes_idle_connections() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    connection.send(get(METRICS).as_bytes()).await;
    assert_eq!(connection.answer().await.status, 200);
    let stopped = tokio::join!(server.stop(), connection.rest());
    assert_eq!(stopped.1, "");
}

#[tokio::test]
async fn another_context_path_is_served_instead() {
    let settings = HttpSettings { context_path: "/registry".to_owned(), ..HttpSettings::default() };
    let server = Server::start_with(settings).await;
    assert_eq!(server.ask("GET", "/registry/v1/ns/operator/metrics").await.status, 200);
    assert_eq!(server.ask("GET", METRICS).await.status, 404);
}
