//! What a client that watches by pattern is told, in the words of the wire.

use std::sync::Arc;

use bytes::Bytes;
use nacrite_app::connections::Connection;
use nacrite_app::push::fuzzy::{FuzzyItem, Presence, Stage, Telling};
use nacrite_app::push::outbox::Sent;
use nacrite_wire::client::config::fuzzy::push as config;
use nacrite_wire::client::fuzzy::push as service;
use nacrite_wire::to_wire::fuzzy::{self, Batch};

use super::next_id;
use crate::table::Table;

/// The message for an item; `None` if the client no longer watches what it is about.
pub(super) fn outgoing(table: &Table, to: &Arc<Connection>, item: FuzzyItem) -> Option<(&'static str, Bytes)> {
    let id = next_id(table);
    let told = match &item {
        FuzzyItem::Service(item) => table.app.service_watch.telling(&to.id, item).map(|telling| match telling {
            Telling::Change(key, is) => (service::CHANGE, fuzzy::service_change(id, &key, is == Presence::There)),
            Telling::Batch { batch, names } => {
                let names = flags(names);
                let batch = words(batch.pattern.as_str(), batch.stage, &names, (batch.number, batch.total));
                (service::SYNC, fuzzy::service_batch(id, &batch))
            }
        }),
        FuzzyItem::Config(item) => table.app.config_watch.telling(&to.id, item).map(|telling| match telling {
            Telling::Change(key, is) => (config::CHANGE, fuzzy::config_change(id, &key, is == Presence::There)),
            Telling::Batch { batch, names } => {
                let names = flags(names);
                let batch = words(batch.pattern.as_str(), batch.stage, &names, (batch.number, batch.total));
                (config::SYNC, fuzzy::config_batch(id, &batch))
            }
        }),
    };
    if told.is_some() {
        table.app.acks.sent(to, id, Sent::Fuzzy { item: Box::new(item), sent_at: table.app.clock.now() });
    } else {
        to.outbox.fuzzy(|queues| queues.taken(&item));
    }
    told
}

fn flags<K>(names: Vec<(K, Presence)>) -> Vec<(K, bool)> {
    names.into_iter().map(|(name, is)| (name, is == Presence::There)).collect()
}

fn words<'a, K>(
    pattern: &'a str,
    stage: Stage,
    names: &'a [(K, bool)],
    (number, total): (usize, usize),
) -> Batch<'a, K> {
    let stage = match stage {
        Stage::Initial => fuzzy::Stage::Initial,
        Stage::Difference => fuzzy::Stage::Difference,
        Stage::End => fuzzy::Stage::End,
    };
    Batch { pattern, stage, names, number, total }
}
