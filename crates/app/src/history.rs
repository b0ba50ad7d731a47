//! Questions about the config history.

use std::time::Duration;

use nacrite_base::{ConfigKey, Fault, Timestamp};
use nacrite_config::{HistoryRow, RowId};
use nacrite_store::StateView;

use crate::config::{Page, PageAsk};
use crate::limits::{HISTORY_COUNT_MAX, HISTORY_PAGE_MAX};
use crate::machine;
use crate::owner::configs::Configs;

/// The oldest rows that are older than `keep` at `now`, at most `max`.
///
/// # Errors
/// [`Fault::Internal`] if the disk fails.
pub fn older_than(configs: &Configs, now: Timestamp, keep: Duration, max: usize) -> Result<Vec<RowId>, Fault> {
    let Some(store) = configs.store() else {
        return Ok(Vec::new());
    };
    let mut old = Vec::new();
    for row in machine::history_rows(store).map_err(Fault::internal)? {
        let row = row.map_err(Fault::internal)?;
        if old.len() == max || now.since(row.at) <= keep {
            break;
        }
        old.push(row.id);
    }
    Ok(old)
}

/// One page of the rows of a config, the newest first. Cost: one pass over the keys of its rows, at most
/// [`HISTORY_COUNT_MAX`].
///
/// # Errors
/// [`Fault::Internal`] if the disk fails.
pub fn page(configs: &Configs, key: &ConfigKey, page: PageAsk) -> Result<Page<HistoryRow>, Fault> {
    let size = page.size.min(HISTORY_PAGE_MAX);
    let wanted = PageAsk { size, ..page }.skip()..;
    let mut found = Page { total: 0, items: Vec::new() };
    let Some(view) = view(configs)? else {
        return Ok(found);
    };
    for id in machine::history_ids(&view, key).map_err(Fault::internal)?.take(HISTORY_COUNT_MAX) {
        let id = id.map_err(Fault::internal)?;
        if wanted.contains(&found.total) && found.items.len() < size {
            found.items.extend(row_of(&view, id)?);
        }
        found.total += 1;
    }
    Ok(found)
}

/// The row of that number, whatever config it belongs to.
///
/// # Errors
/// [`Fault::Internal`] if the disk fails.
pub fn row(configs: &Configs, id: RowId) -> Result<Option<HistoryRow>, Fault> {
    view(configs)?.map_or(Ok(None), |view| row_of(&view, id))
}

/// The newest row of a config that an update or a removal left, if the config has the number `entry`. Cost: as
/// [`page`], if there is none.
///
/// # Errors
/// [`Fault::Internal`] if the disk fails.
pub fn previous(configs: &Configs, key: &ConfigKey, entry: RowId) -> Result<Option<HistoryRow>, Fault> {
    let Some(view) = view(configs)? else { return Ok(None) };
    for id in machine::history_ids(&view, key).map_err(Fault::internal)?.take(HISTORY_COUNT_MAX) {
        let row = row_of(&view, id.map_err(Fault::internal)?)?;
        if row.as_ref().is_some_and(|row| row.entry_id == entry) {
            return Ok(row);
        }
    }
    Ok(None)
}

/// The row that follows `row`: the next one of the same version, whose old content is what `row` made. Cost: as
/// [`page`].
///
/// # Errors
/// [`Fault::Internal`] if the disk fails.
pub fn next(configs: &Configs, row: &HistoryRow) -> Result<Option<HistoryRow>, Fault> {
    let Some(view) = view(configs)? else { return Ok(None) };
    let mut next = None;
    for id in machine::history_ids(&view, &row.key).map_err(Fault::internal)?.take(HISTORY_COUNT_MAX) {
        let id = id.map_err(Fault::internal)?;
        if id <= row.id {
            break;
        }
        let later = row_of(&view, id)?;
        next = later.filter(|later| later.gray == row.gray).or(next);
    }
    Ok(next)
}

fn view(configs: &Configs) -> Result<Option<StateView>, Fault> {
    configs.store().map(|store| store.view().map_err(Fault::internal)).transpose()
}

fn row_of(view: &StateView, id: RowId) -> Result<Option<HistoryRow>, Fault> {
    machine::history_row(view, id).map_err(Fault::internal)
}
