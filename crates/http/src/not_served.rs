//! Endpoints that Nacos has and this version has not. Each is refused by name, so that a caller can tell what is missing;
//! none is unknown in disguise. Paths of the console listener, and those that only releases before 2.3 had, are not
//! known at this port in Nacos either (`reference/http.md`, 2 to 4).

use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::Fault;
use nacrite_wire::http::failure::Generation;

use crate::table::{Call, Reply, Row};

/// Every row; one that is served meanwhile is left out by the table.
pub(crate) fn rows() -> Vec<Row> {
    [V1_CONFIG, V1_OTHER, V2, V3].concat().into_iter().map(row).collect()
}

fn row(endpoint: &'static str) -> Row {
    let (method, path) = endpoint.split_once(' ').unwrap_or_default();
    Row {
        endpoint,
        needs: Needs::Nothing,
        limit: LimitClass::Operation,
        generation: Generation::of_path(path),
        run: Box::new(move |call: &Call<'_>| {
            Reply::Now(Err(Fault::NotServed { what: format!("{method} {}", call.uri) }.into()))
        }),
    }
}

const V1_CONFIG: &[&str] = &[
    "GET /v1/cs/configs/listener",
    "GET /v1/cs/listener",
    "GET /v1/cs/capacity",
    "POST /v1/cs/capacity",
    "POST /v1/cs/ops/localCache",
    "GET /v1/cs/ops/derby",
    "POST /v1/cs/ops/data/removal",
    "GET /v1/cs/health",
    "GET /v1/cs/metrics/cluster",
    "GET /v1/cs/communication/configWatchers",
    "GET /v1/cs/communication/watcherConfigs",
];

const V1_OTHER: &[&str] = &[
    "GET /v1/console/server/announcement",
    "GET /v1/console/server/guide",
    "POST /v1/auth/login",
    "POST /v1/auth/users/login",
    "GET /v1/auth/users",
    "POST /v1/auth/users",
    "PUT /v1/auth/users",
    "DELETE /v1/auth/users",
    "POST /v1/auth/users/admin",
    "GET /v1/auth/users/search",
    "GET /v1/auth/roles",
    "POST /v1/auth/roles",
    "DELETE /v1/auth/roles",
    "GET /v1/auth/roles/search",
    "GET /v1/auth/permissions",
    "POST /v1/auth/permissions",
    "DELETE /v1/auth/permissions",
    "GET /v1/cmdb/ops/label",
    "GET /actuator",
    "GET /",
    "GET /index.html",
];

const V2: &[&str] = &["GET /v2/cs/config/searchDetail"];

const V3: &[&str] = &[
    "DELETE /v3/admin/cs/config/batch",
    "GET /v3/admin/cs/config/export",
    "POST /v3/admin/cs/config/import",
    "POST /v3/admin/cs/config/clone",
    "GET /v3/admin/cs/capacity",
    "POST /v3/admin/cs/capacity",
    "POST /v3/admin/cs/ops/localCache",
    "GET /v3/admin/cs/ops/derby",
    "POST /v3/admin/cs/ops/derby/import",
    "GET /v3/admin/cs/metrics/cluster",
    "GET /v3/admin/ai/mcp/list",
    "GET /v3/admin/ai/mcp",
    "POST /v3/admin/ai/mcp",
    "PUT /v3/admin/ai/mcp",
    "DELETE /v3/admin/ai/mcp",
    "POST /v3/auth/user/login",
    "POST /v3/auth/user/admin",
    "POST /v3/auth/user",
    "DELETE /v3/auth/user",
    "PUT /v3/auth/user",
    "GET /v3/auth/user/list",
    "GET /v3/auth/user/search",
    "POST /v3/auth/role",
    "DELETE /v3/auth/role",
    "GET /v3/auth/role/list",
    "GET /v3/auth/role/search",
    "POST /v3/auth/permission",
    "DELETE /v3/auth/permission",
    "GET /v3/auth/permission/list",
    "GET /v3/auth/permission",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_endpoint_stands_once_and_has_a_method() {
        let rows = rows();
        let endpoints: BTreeSet<&str> = rows.iter().map(|row| row.endpoint).collect();
        assert_eq!(endpoints.len(), rows.len());
        for row in &rows {
            assert!(["GET", "POST", "PUT", "DELETE"].contains(&row.method()), "{}", row.endpoint);
            assert!(row.path().starts_with('/'), "{}", row.endpoint);
        }
    }
}
