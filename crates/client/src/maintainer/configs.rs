//! Which configs there are, page by page, in the words that the server understands.
//!
//! Servers of 3.0 have a list without contents; older ones know the search of the first generation alone, which brings the
//! contents along, and therefore comes in small pages. So here the newer words are tried first.

use std::collections::BTreeSet;

use nacrite_wire::client::Module;
use nacrite_wire::lenient;
use serde::Deserialize;

use super::{Maintainer, answers};
use crate::config::ConfigName;
use crate::error::Error;
use crate::http::{Call, Reply};
use crate::link::Resource;

/// Pages that are asked for. With the smaller of the pages 100,000 configs; a server that still has more does not count
/// right.
const PAGES_MAX: u32 = 1000;

/// A way to ask for the list.
struct Way {
    path: &'static str,
    group: &'static str,
    namespace: &'static str,
    page_len: u32,
}

const WAYS: [Way; 2] = [
    Way { path: "/v3/admin/cs/config/list", group: "groupName", namespace: "namespaceId", page_len: 500 },
    Way { path: "/v1/cs/configs", group: "group", namespace: "tenant", page_len: 100 },
];

/// One page of a list.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Page {
    #[serde(deserialize_with = "lenient::whole")]
    total_count: i64,
    #[serde(deserialize_with = "lenient::list")]
    page_items: Option<Vec<Item>>,
}

/// One config. Contents, which some servers send along, are passed over.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Item {
    #[serde(deserialize_with = "lenient::owned_text")]
    data_id: Option<Box<str>>,
    /// In the first generation.
    #[serde(deserialize_with = "lenient::owned_text")]
    group: Option<Box<str>>,
    /// In the third one.
    #[serde(deserialize_with = "lenient::owned_text")]
    group_name: Option<Box<str>>,
}

impl Item {
    fn name(self) -> Option<ConfigName> {
        Some(ConfigName::new(&*self.data_id?).in_group(&*self.group_name.or(self.group)?))
    }
}

impl Maintainer {
    /// The names of all configs of the namespace whose group and data id fit these patterns, in which `*` stands for
    /// anything. Cost: a request for each 500 configs, of servers before 3.0 for each 100, with their contents.
    ///
    /// # Errors
    /// [`Error::Denied`] without the right to read configs (from 3.0 on that of an administrator),
    /// [`Error::Unsupported`] if the server has no list, [`Error::Undecodable`] if what it sends is none.
    ///
    /// ```no_run
    /// # async fn example(client: nacrite_client::Client) -> Result<(), nacrite_client::Error> {
    /// for name in client.maintainer().configs("SHOP", "orders*").await? {
    ///     println!("{} in {}", name.data_id(), name.group());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn configs(&self, group: &str, data_id: &str) -> Result<BTreeSet<ConfigName>, Error> {
        for way in &WAYS {
            let Some(mut found) = self.pages(way, group, data_id).await? else { continue };
            let is_meant = |name: &ConfigName| fits(group, name.group()) && fits(data_id, name.data_id());
            found.retain(is_meant);
            // r-nacos looks for the star itself, so it finds nothing; and without one for parts of names.
            if found.is_empty() && (group.contains('*') || data_id.contains('*')) && (group, data_id) != ("*", "*") {
                found = self.pages(way, "*", "*").await?.unwrap_or_default();
                found.retain(is_meant);
            }
            return Ok(found);
        }
        Err(Error::Unsupported("listing configs over HTTP".to_owned()))
    }

    /// All pages; `None` if the server does not understand the question.
    async fn pages(&self, way: &Way, group: &str, data_id: &str) -> Result<Option<BTreeSet<ConfigName>>, Error> {
        // Of the older servers some take `*` alone for a name.
        let pattern = |text: &str| if text == "*" { String::new() } else { text.to_owned() };
        let namespace = if self.namespace.is_public() { "" } else { self.namespace.as_str() };
        let resource = Resource { module: Module::Config, namespace, group: "", name: "" };
        let (mut found, mut seen) = (BTreeSet::new(), 0);
        for number in 1..=PAGES_MAX {
            let call = Call::get(self.proxy.path(way.path))
                .query("search", "blur")
                .query("dataId", pattern(data_id))
                .query(way.group, pattern(group))
                .query(way.namespace, namespace)
                .query("pageNo", number.to_string())
                .query("pageSize", way.page_len.to_string());
            let reply = match self.proxy.call(&call, resource, self.within).await {
                Ok(reply) => reply,
                Err(Error::Unsupported(_) | Error::Refused { code: 404, .. }) => return Ok(None),
                Err(error) => return Err(error),
            };
            let (count, names) = read(&reply)?;
            let before = seen;
            found.extend(names.inspect(|_| seen += 1));
            if seen == before || seen >= count {
                break;
            }
        }
        Ok(Some(found))
    }
}

/// How many configs there are in all, and the names of some of them.
///
/// # Errors
/// [`Error::Undecodable`] if it is no list of configs.
pub(super) fn read(reply: &Reply) -> Result<(i64, impl Iterator<Item = ConfigName>), Error> {
    let is_none = || Error::Undecodable("what the server answers is no list of configs".to_owned());
    let page: Page = answers::content(reply).map_err(|error| match error {
        Error::Undecodable(_) => is_none(),
        refused => refused,
    })?;
    let items = page.page_items.ok_or_else(is_none)?;
    Ok((page.total_count, items.into_iter().filter_map(Item::name)))
}

/// Whether a name fits a pattern, in which `*` stands for anything.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| name.strip_prefix(start)) else { return false };
    let Some(end) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name) in
            [("*", ""), ("*", "a"), ("a*", "a"), ("*c", "abc"), ("a*c*e", "abcde"), ("abc", "abc"), ("*b*", "abc")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("", "a"), ("a", "ab"), ("a*", "ba"), ("*a", "ab"), ("ab*b", "ab"), ("a*c*c", "abc")] {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }
}
