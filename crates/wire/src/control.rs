//! Nacos's names for what can be limited, and the rules about it as operators write them.
//!
//! A control point is named after what a request asks for, not after its type; the names are those of
//! `reference/semantics.md`, 1.6. Requests that no point is named for are not limited by rules.

pub mod rules;

/// The control point that a gRPC request passes.
#[must_use]
pub fn point_of_request(wire_type: &str) -> Option<&'static str> {
    Some(match wire_type {
        "HealthCheckRequest" => "HealthCheck",
        "InstanceRequest" | "PersistentInstanceRequest" => "RemoteNamingInstanceRegisterDeregister",
        "BatchInstanceRequest" => "RemoteNamingInstanceBatchRegister",
        "ServiceQueryRequest" => "RemoteNamingServiceQuery",
        "ServiceListRequest" => "RemoteNamingServiceListQuery",
        "SubscribeServiceRequest" => "RemoteNamingServiceSubscribeUnSubscribe",
        "ConfigQueryRequest" => "ConfigQuery",
        "ConfigPublishRequest" => "ConfigPublish",
        "ConfigRemoveRequest" => "ConfigRemove",
        "ConfigBatchListenRequest" => "ConfigListen",
        "ConfigFuzzyWatchRequest" => "ConfigFuzzyWatch",
        "ConfigChangeClusterSyncRequest" => "ClusterConfigChangeNotify",
        _ => return None,
    })
}

/// The control point that a request over HTTP passes, by method and path below the context path. What only operators ask,
/// in v3, passes none: a rule must not lock out whoever wants to change it.
#[must_use]
pub fn point_of_endpoint(endpoint: &str) -> Option<&'static str> {
    let (method, path) = endpoint.split_once(' ')?;
    let below = |module: &str| {
        let generations = ["/v1/", "/v2/", "/v3/client/"];
        generations.iter().find_map(|generation| path.strip_prefix(generation)?.strip_prefix(module)?.strip_prefix('/'))
    };
    if let Some(resource) = below("ns") {
        return Some(match (method, resource) {
            ("POST", "instance") => "NamingInstanceRegister",
            ("DELETE", "instance") => "NamingInstanceDeregister",
            ("PUT" | "PATCH", "instance") => "NamingInstanceUpdate",
            ("PUT" | "DELETE", "instance/metadata/batch" | "instances/metadata/batch") => {
                "NamingInstanceMetadataUpdate"
            }
            ("GET", "instance" | "instance/list") => "NamingInstanceQuery",
            ("PUT", "instance/beat") => "HttpHealthCheck",
            ("POST", "service") => "NamingServiceRegister",
            ("DELETE", "service") => "NamingServiceDeregister",
            ("PUT", "service") => "NamingServiceUpdate",
            ("GET", "service") => "NamingServiceQuery",
            ("GET", "service/list") => "NamingServiceListQuery",
            ("GET", "service/subscribers") => "NamingServiceSubscribe",
            _ => return None,
        });
    }
    Some(match (method, below("cs")?) {
        ("GET", "configs" | "config") => "ConfigQuery",
        ("POST", "configs" | "config") => "ConfigPublish",
        ("DELETE", "configs" | "config") => "ConfigRemove",
        ("POST", "configs/listener") => "ConfigListen",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_named_after_what_is_asked() {
        for (endpoint, point) in [
            ("POST /v1/ns/instance", Some("NamingInstanceRegister")),
            ("GET /v3/client/ns/instance/list", Some("NamingInstanceQuery")),
            ("PUT /v2/ns/instance/beat", Some("HttpHealthCheck")),
            ("POST /v2/cs/config", Some("ConfigPublish")),
            ("POST /v1/cs/configs/listener", Some("ConfigListen")),
            ("POST /v3/admin/ns/instance", None),
            ("GET /v1/console/health/liveness", None),
            ("GET", None),
        ] {
            assert_eq!(point_of_endpoint(endpoint), point, "{endpoint}");
        }
        assert_eq!(point_of_request("ConfigBatchListenRequest"), Some("ConfigListen"));
        assert_eq!(point_of_request("ServerReloadRequest"), None);
    }
}
