//! One good message of every type that a client reads, with every field that it knows.

use serde_json::{Value, json};

/// An instance, as lists show it.
fn host() -> Value {
    json!({
        "instanceId": "i", "ip": "10.0.0.1", "port": 80, "weight": 1.0, "healthy": true, "enabled": true,
        "ephemeral": true, "clusterName": "DEFAULT", "serviceName": "DEFAULT_GROUP@@orders", "metadata": {"k": "v"},
    })
}

/// The list of a service.
pub(crate) fn service_info() -> Value {
    json!({
        "name": "orders", "groupName": "DEFAULT_GROUP", "clusters": "", "cacheMillis": 10000, "hosts": [host()],
        "lastRefTime": 1_700_000_000_000_i64, "checksum": "", "allIPs": false, "reachProtectionThreshold": false,
        "valid": true,
    })
}

/// An answer with these fields besides those of every answer.
fn answer(more: &Value) -> Value {
    let mut body = json!({"resultCode": 200, "errorCode": 0, "message": "m", "requestId": "1", "success": true});
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more.clone());
    }
    body
}

/// Every answer that a client may get, by the request that it answers.
pub(crate) fn answers() -> Vec<(&'static str, &'static str, Value)> {
    let config = json!({
        "content": "a: 1", "md5": "87960ed2f2ed3561189d212214602e40", "contentType": "yaml", "encryptedDataKey": "k",
        "lastModified": 1, "beta": false, "tag": "t",
    });
    let changed = json!({"changedConfigs": [{"dataId": "x", "group": "DEFAULT_GROUP", "tenant": ""}]});
    let page = json!({"count": 1, "serviceNames": ["orders"]});
    let list = json!({"serviceInfo": service_info()});
    let check = json!({"connectionId": "c", "supportAbilityNegotiation": true});
    vec![
        ("BatchInstanceRequest", "BatchInstanceResponse", answer(&json!({"type": "batchRegisterInstance"}))),
        ("ConfigBatchListenRequest", "ConfigChangeBatchListenResponse", answer(&changed)),
        ("ConfigFuzzyWatchRequest", "ConfigFuzzyWatchResponse", answer(&json!({}))),
        ("ConfigPublishRequest", "ConfigPublishResponse", answer(&json!({}))),
        ("ConfigQueryRequest", "ConfigQueryResponse", answer(&config)),
        ("ConfigRemoveRequest", "ConfigRemoveResponse", answer(&json!({}))),
        ("HealthCheckRequest", "HealthCheckResponse", answer(&json!({}))),
        ("InstanceRequest", "InstanceResponse", answer(&json!({"type": "registerInstance"}))),
        ("LockOperationRequest", "LockOperationResponse", answer(&json!({"result": true}))),
        ("NamingFuzzyWatchRequest", "NamingFuzzyWatchResponse", answer(&json!({}))),
        ("ServerCheckRequest", "ServerCheckResponse", answer(&check)),
        ("ServiceListRequest", "ServiceListResponse", answer(&page)),
        ("ServiceQueryRequest", "QueryServiceResponse", answer(&list)),
        ("SubscribeServiceRequest", "SubscribeServiceResponse", answer(&list)),
        ("", "ErrorResponse", answer(&json!({"resultCode": 500, "errorCode": 500}))),
    ]
}

/// Every push that a client understands.
pub(crate) fn pushes() -> Vec<(&'static str, Value)> {
    let all = vec![
        ("ClientConfigMetricRequest", json!({"metricsKeys": [{"type": "cacheData", "key": "x"}]})),
        ("ClientDetectionRequest", json!({})),
        ("ConfigChangeNotifyRequest", json!({"dataId": "x", "group": "DEFAULT_GROUP", "tenant": ""})),
        (
            "ConfigFuzzyWatchChangeNotifyRequest",
            json!({"groupKey": "x+DEFAULT_GROUP", "changeType": "ADD_CONFIG", "syncType": "s"}),
        ),
        (
            "ConfigFuzzyWatchSyncRequest",
            json!({
                "syncType": "FUZZY_WATCH_INIT_NOTIFY", "groupKeyPattern": ">*>*", "totalBatch": 1, "currentBatch": 1,
                "contexts": [{"groupKey": "x+DEFAULT_GROUP", "changedType": "ADD_CONFIG"}],
            }),
        ),
        ("ConnectResetRequest", json!({"serverIp": "127.0.0.9", "serverPort": "8848", "connectionId": "c"})),
        (
            "NamingFuzzyWatchChangeNotifyRequest",
            json!({"serviceKey": "public@@DEFAULT_GROUP@@orders", "changedType": "ADD_SERVICE", "syncType": "s"}),
        ),
        (
            "NamingFuzzyWatchSyncRequest",
            json!({
                "syncType": "FUZZY_WATCH_INIT_NOTIFY", "groupKeyPattern": "public>>*>>*", "totalBatch": 1,
                "currentBatch": 1,
                "contexts": [{"serviceKey": "public@@DEFAULT_GROUP@@orders", "changedType": "ADD_SERVICE"}],
            }),
        ),
        ("NotifySubscriberRequest", json!({"serviceInfo": service_info()})),
        ("SetupAckRequest", json!({"abilityTable": {"supportPersistentInstanceByGrpc": true, "fuzzyWatch": true}})),
    ];
    let common = |mut body: Value| {
        (body["requestId"], body["module"]) = (json!("1"), json!("internal"));
        body
    };
    all.into_iter().map(|(wire_type, body)| (wire_type, common(body))).collect()
}
