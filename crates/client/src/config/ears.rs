//! Where pushes, listeners and the listening task meet: the state of [`Listens`] behind one short lock, and bells.
//!
//! Nothing waits in here, and no code of users runs in here.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use nacrite_wire::client::config::{ConfigChangeNotifyRequest, push};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::entry::{Baseline, Delivery, ListenerId, Outcome};
use super::listens::{Listens, Mode};
use super::name::ConfigName;
use super::value::{Config, Known};
use crate::error::Error;
use crate::link::{Ack, PushHandler};
use crate::session::Generation;

/// The namespace that a blank one stands for.
const PUBLIC: &str = "public";

/// What the parts of listening share.
pub(crate) struct Ears {
    namespace: String,
    state: Mutex<State>,
    /// Wakes the listening task. Holds one ring at most: what there is to do stands in the state.
    pub(crate) bell: Notify,
}

struct State {
    listens: Listens,
    /// Wakes a listener that has something to be told.
    doors: HashMap<ListenerId, Arc<Notify>>,
}

impl Ears {
    pub(crate) fn new(namespace: &str, mode: Mode) -> Self {
        let state = State { listens: Listens::new(mode), doors: HashMap::new() };
        Self { namespace: namespace.to_owned(), state: Mutex::new(state), bell: Notify::new() }
    }

    /// Changes the state, and wakes the listeners that have something to be told by it.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Listens) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state.listens);
        for id in state.listens.waiting() {
            if let Some(door) = state.doors.get(&id) {
                door.notify_one();
            }
        }
        result
    }

    /// Adds a listener of what a server, a snapshot or an overriding file is known to have.
    pub(crate) fn add(
        &self,
        name: &ConfigName,
        baseline: Baseline,
        held: Known,
        failover: Option<Config>,
    ) -> Result<(ListenerId, Arc<Notify>), Error> {
        let mut state = self.state.lock();
        let id = state.listens.add(name, baseline, held)?;
        if failover.is_some() {
            state.listens.overridden(name, failover);
        }
        // The first look is free: something may be known already.
        let door = Arc::new(Notify::new());
        door.notify_one();
        state.doors.insert(id, Arc::clone(&door));
        drop(state);
        self.bell.notify_one();
        Ok((id, door))
    }

    /// Removes a listener.
    pub(crate) fn remove(&self, id: ListenerId) {
        let mut state = self.state.lock();
        state.listens.remove(id);
        if let Some(door) = state.doors.remove(&id) {
            door.notify_one();
        }
        drop(state);
        self.bell.notify_one();
    }

    /// Takes what is to be told to a listener.
    pub(crate) fn take(&self, id: ListenerId) -> Option<Delivery> {
        self.state.lock().listens.take(id)
    }

    /// How telling went. Returns how long to wait before the next attempt, if it was refused.
    pub(crate) fn told(&self, id: ListenerId, outcome: Outcome) -> Option<Duration> {
        self.state.lock().listens.told(id, outcome)
    }

    /// Whether somebody still listens under this id.
    pub(crate) fn has(&self, id: ListenerId) -> bool {
        self.state.lock().listens.has(id)
    }

    /// Whether a push is about this client's namespace. Servers leave the namespace out if one of those that they tell
    /// did, so that nothing can mean any (`reference/grpc.md`, 4.3.6).
    fn is_mine(&self, tenant: Option<&str>) -> bool {
        let plain = |namespace: &str| if namespace == PUBLIC { String::new() } else { namespace.to_owned() };
        tenant.is_none_or(|tenant| tenant.is_empty() || plain(tenant) == plain(&self.namespace))
    }
}

impl PushHandler for Ears {
    fn push(&self, _: Generation, wire_type: &str, body: &[u8]) -> Option<Ack> {
        if wire_type == push::METRICS {
            // Nothing is told, but at once: the operator who asked would wait until the server gives up.
            return Some(Ack { wire_type: push::METRICS_ACK, result: Ok(()) });
        }
        if wire_type != push::NOTIFY {
            return None;
        }
        let read = serde_json::from_slice::<ConfigChangeNotifyRequest>(body);
        let result = match read {
            // The position is said, the text is not: it is the server's, and could be anything.
            Err(error) => Err(format!("the notice cannot be read at column {}", error.column())),
            Ok(ConfigChangeNotifyRequest { key, .. }) => {
                if let (Some(data_id), Some(group)) = (&key.data_id, &key.group)
                    && self.is_mine(key.tenant.as_deref())
                    && self.state.lock().listens.push(&ConfigName::new(&**data_id).in_group(&**group))
                {
                    self.bell.notify_one();
                }
                Ok(())
            }
        };
        Some(Ack { wire_type: push::NOTIFY_ACK, result })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(ears: &Ears, body: &str) -> Option<Ack> {
        ears.push(Generation::new(1), push::NOTIFY, body.as_bytes())
    }

    fn listening(namespace: &str) -> Ears {
        let ears = Ears::new(namespace, Mode::Push);
        ears.add(&"x".into(), Baseline::Unknown, Known::Nothing, None).expect("not too many");
        settle(&ears);
        ears
    }

    /// The server agrees with everything.
    fn settle(ears: &Ears) {
        ears.with(|listens| {
            let work = listens.begin();
            work.ask.iter().for_each(|question| drop(listens.answered(question, &[])));
            listens.end();
        });
    }

    fn asks(ears: &Ears) -> usize {
        ears.with(|listens| listens.begin().ask.len())
    }

    #[test]
    fn a_push_is_acknowledged_and_marks_the_config() {
        let ears = listening("dev");
        let ack = pushed(&ears, r#"{"dataId":"x","group":"DEFAULT_GROUP","tenant":"dev","requestId":"7"}"#);
        assert_eq!(ack, Some(Ack { wire_type: push::NOTIFY_ACK, result: Ok(()) }));
        assert_eq!(asks(&ears), 1);
        assert_eq!(ears.push(Generation::new(1), "NotifySubscriberRequest", b"{}"), None);
    }

    #[test]
    fn a_push_without_a_namespace_is_for_any() {
        for (mine, tenant, counts) in [
            ("dev", r#""dev""#, 1),
            ("dev", "null", 1),
            ("dev", r#""""#, 1),
            ("dev", r#""test""#, 0),
            ("dev", r#""public""#, 0),
            ("", r#""public""#, 1),
            ("public", r#""""#, 1),
        ] {
            let ears = listening(mine);
            pushed(&ears, &format!(r#"{{"dataId":"x","group":"DEFAULT_GROUP","tenant":{tenant}}}"#));
            assert_eq!(asks(&ears), counts, "{mine} {tenant}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_what_is_unknown_is_not() {
        let ears = listening("");
        assert!(pushed(&ears, r#"{"dataId":["x"]}"#).is_some_and(|ack| ack.result.is_err()));
        assert!(pushed(&ears, "no json").is_some_and(|ack| ack.result.is_err()));
        for fine in [r#"{"dataId":"other","group":"g","new":{}}"#, "{}", r#"{"dataId":null}"#, r#"{"dataId":5}"#] {
            assert!(pushed(&ears, fine).is_some_and(|ack| ack.result.is_ok()), "{fine}");
        }
        assert_eq!(asks(&ears), 0);
    }
}
