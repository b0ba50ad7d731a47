//! Searches of v1, with their contents.

use nacrite_app::config::ConfigCases;
use nacrite_wire::http::config::ask::{self, SearchAsk};
use nacrite_wire::http::config::shown::{line_v1, page};

use super::json;
use crate::config;
use crate::table::{Answered, Call, Reply};

pub(super) fn run(cases: &ConfigCases, call: &Call<'_>, wildcards: bool) -> Reply {
    let ask = match ask::search_v1(&call.params, wildcards) {
        Ok(ask) => ask,
        Err(refusal) => return refusal.into(),
    };
    let cases = cases.clone();
    Reply::later(async move { answer(&cases, &ask).await })
}

async fn answer(cases: &ConfigCases, ask: &SearchAsk) -> Answered {
    let found = config::search(cases, ask).await?;
    let contents = cases.contents(&found.items)?;
    let mut lines = Vec::with_capacity(contents.len());
    for (hit, content) in found.items.iter().zip(&contents) {
        if let Some((shown, _)) = config::formal(&hit.key, &hit.entry) {
            lines.push((shown, config::text(content)?));
        }
    }
    let searched = config::searched(ask);
    let write = |out: &mut Vec<u8>, (shown, content): (_, &str)| line_v1(out, &shown, content, searched);
    Ok(json(page(found.total, ask.page.number, ask.page.size, lines, write)))
}
