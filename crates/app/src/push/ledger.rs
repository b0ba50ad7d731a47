//! What became of the pushes of each service: how long news took, and what went wrong of late.
//!
//! What each subscriber has stands with its connection ([`super::told`]); this is what would be lost with it. At most
//! [`LEDGER_SERVICES_MAX`] services are kept, those of which something was heard last: about 100 bytes each, and 1 KiB
//! more for one with troubles.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashMap;
use nacrite_base::{ConnectionId, ServiceKey, Timestamp};
use parking_lot::Mutex;

use super::latencies::Latencies;
use super::told::Fate;
use crate::limits::{LEDGER_REASON_LEN_MAX, LEDGER_SERVICES_MAX, LEDGER_TROUBLES_MAX};

/// What kept a push from arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The client refused it.
    Refused,
    /// The client said nothing in time.
    Unacknowledged,
    /// The client went before it answered.
    Gone,
}

impl Mishap {
    /// What is remembered of it at the subscription.
    pub(crate) fn fate(self) -> Fate {
        match self {
            Self::Refused => Fate::Refused,
            Self::Unacknowledged | Self::Gone => Fate::Unacknowledged,
        }
    }
}

/// A push that did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Who did not get it.
    pub client: ConnectionId,
    /// When that was known.
    pub at: Timestamp,
    /// What kept it.
    pub mishap: Mishap,
    /// What the client said about it.
    pub reason: Option<Box<str>>,
}

/// What is known of the pushes of a service.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// How long news took to its subscribers.
    pub latencies: Latencies,
    /// The last pushes that did not arrive, oldest first.
    pub troubles: VecDeque<Trouble>,
    heard_at: Timestamp,
}

/// The accounts of all services.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<HashMap<ServiceKey, Account, foldhash::quality::FixedState>>);

impl Ledger {
    /// News of a service reached a subscriber.
    pub(crate) fn arrived(&self, key: &ServiceKey, took: Duration, now: Timestamp) {
        self.change(key, now, |account| account.latencies.note(took));
    }

    /// A push did not arrive.
    pub(crate) fn failed(&self, key: &ServiceKey, mut trouble: Trouble) {
        trouble.reason = trouble.reason.map(|reason| reason.chars().take(LEDGER_REASON_LEN_MAX).collect());
        self.change(key, trouble.at, |account| {
            if account.troubles.len() >= LEDGER_TROUBLES_MAX {
                account.troubles.pop_front();
            }
            account.troubles.push_back(trouble);
        });
    }

    fn change(&self, key: &ServiceKey, now: Timestamp, change: impl FnOnce(&mut Account)) {
        let mut accounts = self.0.lock();
        if accounts.len() >= LEDGER_SERVICES_MAX && !accounts.contains_key(key) {
            forget_older_half(&mut accounts);
        }
        let account = accounts.entry_ref(key).or_default();
        account.heard_at = now;
        change(account);
    }

    /// What is known of the pushes of a service.
    #[must_use]
    pub fn account(&self, key: &ServiceKey) -> Account {
        self.0.lock().get(key).cloned().unwrap_or_default()
    }
}

/// Half at once, so that a server with more services than there is room for pays for it rarely.
fn forget_older_half(accounts: &mut HashMap<ServiceKey, Account, foldhash::quality::FixedState>) {
    let mut times: Vec<Timestamp> = accounts.values().map(|account| account.heard_at).collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let (median, mut at_median) = (*median, 0);
    accounts.retain(|_, account| {
        // All may be of the same moment.
        at_median += usize::from(account.heard_at == median);
        account.heard_at > median || (account.heard_at == median && at_median.is_multiple_of(2))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{GroupName, NamespaceId, ServiceName};

    fn key(name: &str) -> ServiceKey {
        ServiceKey {
            namespace: NamespaceId::public(),
            group: GroupName::default_group(),
            name: ServiceName::from_stored(name),
        }
    }

    fn trouble(at: u64) -> Trouble {
        Trouble {
            client: ConnectionId::new("c"),
            at: Timestamp::from_ms(at),
            mishap: Mishap::Refused,
            reason: Some("why ".repeat(1000).into()),
        }
    }

    #[test]
    fn the_last_troubles_are_kept_in_a_few_words() {
        let ledger = Ledger::default();
        (0..100).for_each(|at| ledger.failed(&key("a"), trouble(at)));
        let account = ledger.account(&key("a"));
        assert_eq!(account.troubles.len(), LEDGER_TROUBLES_MAX);
        let last = account.troubles.back().expect("a trouble");
        assert_eq!(last.at, Timestamp::from_ms(99));
        assert_eq!(last.reason.as_ref().map(|reason| reason.chars().count()), Some(LEDGER_REASON_LEN_MAX));
    }

    #[test]
    fn services_of_which_nothing_is_heard_make_room() {
        for spread in [1, 0] {
            let ledger = Ledger::default();
            for n in 0..=LEDGER_SERVICES_MAX as u64 {
                ledger.arrived(&key(&n.to_string()), Duration::ZERO, Timestamp::from_ms(n * spread));
            }
            let kept = ledger.0.lock().len();
            assert!(kept <= LEDGER_SERVICES_MAX / 2 + 1 && kept > LEDGER_SERVICES_MAX / 3, "{kept}");
            let newest = ledger.account(&key(&LEDGER_SERVICES_MAX.to_string()));
            assert_eq!(newest.latencies.counts()[0], 1);
        }
    }
}
