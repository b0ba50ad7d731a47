//! Which configs there are: over HTTP, page by page, in the words that the server understands; else over gRPC.
//!
//! Servers of 3.0 have a list without contents; older ones know the search of the first generation alone, which brings the
//! contents along, and therefore comes in small pages. Over gRPC some servers of 3.0 and later tell the names to who
//! watches them; that is the way where HTTP is encrypted, or does not get through.

use std::collections::BTreeSet;
use std::time::Duration;

use nacrite_client::{Client, Error, ServerAddress};

use crate::cli::connect::{Access, Connection};
use crate::cli::errand;
use crate::cli::failure::{Failure, Kind};
use crate::cli::http::session::{fields, log_in};
use crate::cli::http::{self, Question};

/// Pages asked for. With the smaller of the pages 100,000 configs; a server that still has more does not count right.
const PAGES_MAX: u32 = 1000;

/// A way to ask for the list.
struct Way {
    path: &'static str,
    group: &'static str,
    namespace: &'static str,
    /// What stands in front of the fields of an answer.
    prefix: &'static str,
    /// What an item calls its group.
    item_group: &'static str,
    page_len: u32,
}

const WAYS: [Way; 2] = [
    Way {
        path: "/v3/admin/cs/config/list",
        group: "groupName",
        namespace: "namespaceId",
        prefix: "data.",
        item_group: "groupName",
        page_len: 500,
    },
    Way { path: "/v1/cs/configs", group: "group", namespace: "tenant", prefix: "", item_group: "group", page_len: 100 },
];

/// Groups and data ids, in alphabetical order.
type Names = BTreeSet<(String, String)>;

/// Groups and data ids of all configs that match.
///
/// # Errors
/// Why no server gave the list.
pub(super) async fn all(
    connection: &Connection,
    client: &Client,
    group: &str,
    data_id: &str,
) -> Result<Names, Failure> {
    let failure = match over_http(connection, group, data_id).await {
        Ok(Some(found)) => return Ok(found),
        Ok(None) => Failure::new(Kind::Failed, "the server has no list of configs over HTTP"),
        // What was refused over one way is not asked for over another one.
        Err(failure) if failure.kind != Kind::Unreachable => return Err(failure),
        Err(failure) => failure,
    };
    match over_grpc(client, connection.access.within(), group, data_id).await {
        Ok(found) => Ok(found),
        Err(other) => Err(Failure::new(failure.kind, format!("{failure}; and over gRPC: {other}"))),
    }
}

/// `None` if no server can be asked so.
async fn over_http(connection: &Connection, group: &str, data_id: &str) -> Result<Option<Names>, Failure> {
    let mut last = Ok(None);
    for server in connection.servers()? {
        if server.is_https() {
            continue;
        }
        match of(&server, &connection.access, group, data_id).await {
            // Another server may be reached; what one has refused, all refuse.
            Err(failure) if failure.kind == Kind::Unreachable => last = Err(failure),
            asked => return asked,
        }
    }
    last
}

/// Watches the names just until they are known. Gives up at the first failure to connect: HTTP has failed already.
async fn over_grpc(client: &Client, within: Duration, group: &str, data_id: &str) -> Result<Names, Failure> {
    let mut watch = client.config().watch_names(group, data_id)?;
    let told = tokio::time::timeout(within, async {
        tokio::select! {
            told = watch.changed() => told,
            failure = errand::not_connected(client.state().config) => Err(Error::NotConnected(Some(failure))),
        }
    });
    let told = told.await;
    let told =
        told.map_err(|_| Failure::new(Kind::Unreachable, format!("no list within {} ms", within.as_millis())))??;
    if told.is_limited {
        errand::note("there are more configs than the server tells");
    }
    Ok(told.names.iter().map(|name| (name.group().to_owned(), name.data_id().to_owned())).collect())
}

/// `None` if the server knows neither of the questions.
async fn of(server: &ServerAddress, access: &Access, group: &str, data_id: &str) -> Result<Option<Names>, Failure> {
    let token = log_in(server, access).await?;
    let token = token.as_deref();
    let is_meant = |name: &(String, String)| matches(group, &name.0) && matches(data_id, &name.1);
    for way in &WAYS {
        let Some(mut found) = pages(server, access, token, way, (group, data_id)).await? else { continue };
        found.retain(is_meant);
        // r-nacos looks for the star itself, so it finds nothing; and without one for parts of names.
        if found.is_empty() && (group.contains('*') || data_id.contains('*')) && (group, data_id) != ("*", "*") {
            found = pages(server, access, token, way, ("*", "*")).await?.unwrap_or_default();
            found.retain(is_meant);
        }
        return Ok(Some(found));
    }
    Ok(None)
}

/// Whether a name fits a pattern, in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| name.strip_prefix(start)) else { return false };
    let Some(end) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(end)
}

/// All pages; `None` if the server does not understand the question.
async fn pages(
    server: &ServerAddress,
    access: &Access,
    token: Option<&str>,
    way: &Way,
    (group, data_id): (&str, &str),
) -> Result<Option<Names>, Failure> {
    // Of the older servers some take `*` alone for a name.
    let pattern = |text: &str| if text == "*" { String::new() } else { text.to_owned() };
    let mut found = BTreeSet::new();
    let mut seen = 0;
    for page in 1..=PAGES_MAX {
        let mut question = Question::get(format!("{}{}", access.path_prefix(), way.path))
            .query("search", "blur")
            .query("dataId", &pattern(data_id))
            .query(way.group, &pattern(group))
            .query(way.namespace, access.namespace().unwrap_or_default())
            .query("pageNo", &page.to_string())
            .query("pageSize", &way.page_len.to_string());
        if let Some(token) = token {
            question = question.header("accessToken", token);
        }
        let answer = http::ask(server, &question, access.within()).await?;
        match answer.status {
            200 => {}
            404 | 405 | 410 | 501 => return Ok(None),
            401 | 403 => {
                return Err(Failure::new(Kind::Denied, format!("listing configs is not allowed: {}", answer.words())));
            }
            _ => return Err(Failure::new(Kind::Failed, format!("{server} answered {}", answer.words()))),
        }
        let fields = fields(&answer.body).ok_or_else(|| unreadable(server))?;
        let field = |name: &str| fields.get(&format!("{}{name}", way.prefix));
        let count: u64 = field("totalCount").and_then(|count| count.parse().ok()).ok_or_else(|| unreadable(server))?;
        let items = (0_u64..).map_while(|index| {
            let item = |name: &str| field(&format!("pageItems[{index}].{name}")).cloned();
            Some((item(way.item_group)?, item("dataId")?))
        });
        let before = seen;
        found.extend(items.inspect(|_| seen += 1));
        if seen == before || seen >= count {
            break;
        }
    }
    Ok(Some(found))
}

fn unreadable(server: &ServerAddress) -> Failure {
    Failure::new(Kind::Failed, format!("what {server} answers is no list of configs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name) in
            [("*", ""), ("*", "a"), ("a*", "a"), ("*c", "abc"), ("a*c*e", "abcde"), ("abc", "abc"), ("*b*", "abc")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("", "a"), ("a", "ab"), ("a*", "ba"), ("*a", "ab"), ("ab*b", "ab"), ("a*c*c", "abc")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
