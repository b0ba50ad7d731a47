//! How each generation refuses.

use serde_json::json;

use crate::Server;

#[tokio::test]
async fn a_missing_parameter_is_told_in_the_words_of_the_generation() {
    let server = Server::start().await;
    let v1 = server.form("POST", "/nacos/v1/ns/instance", "serviceName=a&ip=1.1.1.1").await;
    assert_eq!((v1.status, v1.body.as_str()), (400, "Param 'port' is required."));
    let told = json!({
        "code": 10000, "message": "parameter missing", "data": "Required parameter 'port' type Integer is not present"
    });
    for target in ["/nacos/v2/ns/instance", "/nacos/v3/admin/ns/instance", "/nacos/v3/client/ns/instance"] {
        let answer = server.form("POST", target, "serviceName=a&ip=1.1.1.1").await;
        assert_eq!((answer.status, answer.json()), (400, told.clone()), "{target}");
    }
    let console = server.ask("DELETE", "/nacos/v1/console/namespaces").await;
    assert_eq!(console.status, 500);
    assert!(console.body.starts_with("caused: Required request parameter &#39;namespaceId&#39;"), "{}", console.body);
}

#[tokio::test]
async fn the_parameter_check_answers_the_same_everywhere() {
    let server = Server::start().await;
    for target in ["/nacos/v1/ns/instance", "/nacos/v2/ns/instance", "/nacos/v3/admin/ns/instance"] {
        let answer = server.form("POST", target, "serviceName=a&ip=1.1.1.1&port=65536").await;
        let text = "Param 'port' is illegal, the value should be between 0 and 65535.\r\n";
        assert_eq!((answer.status, answer.body.as_str()), (400, text), "{target}");
        assert_eq!((answer.header("content-type"), answer.header("pragma")), (None, Some("no-cache")));
    }
}

#[tokio::test]
async fn parameters_that_are_not_percent_encoded_utf_8_are_refused() {
    let server = Server::start().await;
    for bad in ["serviceName=%", "serviceName=%zz", "serviceName=%ff", "%c3%28=1"] {
        let answer = server.ask("GET", &format!("/nacos/v1/ns/instance/list?{bad}")).await;
        let text = "a parameter is not percent-encoded UTF-8";
        assert_eq!((answer.status, answer.body.as_str()), (400, text), "{bad}");
    }
    let many = vec!["a=1"; 1001].join("&");
    assert_eq!(server.ask("GET", &format!("/nacos/v2/ns/instance/list?{many}")).await.json()["code"], 20002);
}

#[tokio::test]
async fn an_endpoint_that_is_not_served_is_named() {
    let server = Server::start().await;
    let text = "this endpoint is not served by Nacrite yet: GET /nacos/v1/cmdb/ops/label";
    let v1 = server.ask("GET", "/nacos/v1/cmdb/ops/label").await;
    assert_eq!((v1.status, v1.body.as_str()), (501, text));
    let v3 = server.ask("GET", "/nacos/v3/admin/ai/mcp/list").await;
    let message = "this endpoint is not served by Nacrite yet: GET /nacos/v3/admin/ai/mcp/list";
    assert_eq!((v3.status, v3.json()), (501, json!({"code": 40001, "message": message, "data": null})));
}

#[tokio::test]
async fn a_path_that_nobody_knows_is_unknown() {
    let server = Server::start().await;
    for (target, status, message) in [
        ("/nacos/v1/ns/nothing", 501, "no such api:GET:/nacos/v1/ns/nothing"),
        ("/nacos/v1/core/loader/reloadClient", 404, "No message available"),
        ("/nacos/v2/nothing", 404, "No message available"),
        ("/nacos/v3/console/health/liveness", 404, "No endpoint GET /nacos/v3/console/health/liveness."),
        ("/v1/ns/instance/list", 404, "No message available"),
        ("/nacos/v3/admin/ns/instance/list/", 404, "No endpoint GET /nacos/v3/admin/ns/instance/list/."),
    ] {
        let answer = server.ask("GET", target).await;
        let told = answer.json();
        assert_eq!((answer.status, &told["message"], &told["path"]), (status, &json!(message), &json!(target)));
        assert_eq!(told["status"], status);
    }
    let slash = server.ask("GET", "/nacos/v2/ns/instance/list/?serviceName=a").await;
    assert_eq!(slash.status, 200);
}

#[tokio::test]
async fn a_method_that_a_path_does_not_have_is_refused_per_generation() {
    let server = Server::start().await;
    let v1 = server.ask("GET", "/nacos/v1/ns/instance/beat").await;
    assert_eq!((v1.status, &v1.json()["message"]), (501, &json!("no such api:GET:/nacos/v1/ns/instance/beat")));
    let console = server.ask("POST", "/nacos/v1/console/health/liveness").await;
    assert_eq!((console.status, console.body.as_str()), (500, "caused: Request method &#39;POST&#39; not supported;"));
    let v2 = server.ask("PATCH", "/nacos/v2/ns/service").await;
    assert_eq!((v2.status, &v2.json()["code"]), (500, &json!(500)));
    let v2 = server.ask("POST", "/nacos/v2/ns/catalog/instances").await;
    assert_eq!((v2.status, &v2.json()["code"]), (500, &json!(500)));
    let v3 = server.ask("PATCH", "/nacos/v3/admin/ns/instance").await;
    let mut allowed: Vec<&str> = v3.header("allow").unwrap_or_default().split(", ").collect();
    allowed.sort_unstable();
    assert_eq!((v3.status, allowed), (405, vec!["DELETE", "GET", "POST", "PUT"]));
    let options = server.ask("OPTIONS", "/nacos/v3/admin/ns/instance/list").await;
    assert_eq!((options.status, options.header("allow")), (200, Some("GET, HEAD, OPTIONS")));
}

#[tokio::test]
async fn nothing_a_caller_sends_shows_up_where_it_could_do_harm() {
    let server = Server::start().await;
    let answer = server.ask("GET", "/nacos/v1/console/namespaces?show=all&namespaceId=%3Cscript%3E").await;
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("&lt;script&gt;"), "{}", answer.body);
}
