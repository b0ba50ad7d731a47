//! Takes the pushes of naming: lists of services, and which services there are. In memory only, in the order of arrival.

use std::sync::Arc;

use nacrite_wire::client::fuzzy::{
    self, NamingFuzzyWatchChangeNotifyRequest, NamingFuzzyWatchSyncRequest, SYNC_FINISHED,
};
use nacrite_wire::client::naming::{NotifySubscriberRequest, push};
use serde::de::DeserializeOwned;

use super::cache::key_of;
use super::shared::Shared;
use crate::link::{Ack, PushHandler};
use crate::session::Generation;

/// Hands pushes to what the client knows.
pub(super) struct Pushes(pub(super) Arc<Shared>);

impl PushHandler for Pushes {
    fn push(&self, generation: Generation, wire_type: &str, body: &[u8]) -> Option<Ack> {
        let (ack, result) = match wire_type {
            push::NOTIFY => (push::NOTIFY_ACK, read(body).map(|push| self.list(generation, push))),
            fuzzy::push::SYNC => (fuzzy::push::ACK, read(body).map(|push| self.services(generation, &push))),
            fuzzy::push::CHANGE => (fuzzy::push::ACK, read(body).map(|push| self.service(generation, &push))),
            _ => return None,
        };
        // A push that cannot be read is refused: the server may send it again, and its log names what is wrong.
        Some(Ack { wire_type: ack, result })
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| error.to_string())
}

impl Pushes {
    fn list(&self, generation: Generation, push: NotifySubscriberRequest) {
        // A list without a name says nothing that anybody could use; sending it again would not help.
        let Some(info) = push.service_info else { return };
        if let Some(key) = key_of(&self.0.namespace, &info) {
            self.0.learn(generation, &key, info);
        }
    }

    fn services(&self, generation: Generation, push: &NamingFuzzyWatchSyncRequest) {
        let finished = push.sync_type.as_deref() == Some(SYNC_FINISHED);
        let pattern = push.group_key_pattern.as_deref().unwrap_or_default();
        self.0.with_book(|book| book.watched.sync(generation, pattern, &push.contexts, finished));
    }

    fn service(&self, generation: Generation, push: &NamingFuzzyWatchChangeNotifyRequest) {
        let (service, changed) = (push.service_key.as_deref(), push.changed_type.as_deref());
        self.0.with_book(|book| book.watched.change(generation, service, changed));
    }
}
