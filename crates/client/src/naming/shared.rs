//! What the calls, the redo, the pushes and the files of one naming client share: one book behind one short lock, and the
//! cells that readers look into without it.
//!
//! The lock is never held across an await. Whoever changes what is wanted rings the bell; the redo does the rest.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use foldhash::fast::RandomState;
use nacrite_base::{InstanceKey, NamespaceId, ServiceKey};
use nacrite_wire::client::naming::ServiceInfo;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::debug;

use super::cache::{Cache, EmptyProtection, Verdict};
use super::desired::{Desired, Pauses, SubscriptionState};
use super::fuzzy::{Matching, Pattern, Watched};
use super::instance::Instance;
use super::instances::Instances;
use super::publication::RegistrationState;
use super::service::Service;
use super::settings::NamingSettings;
use crate::clock;
use crate::error::Error;
use crate::metrics::Metrics;
use crate::session::Generation;

/// Between two comparisons of which services match a pattern, as in the Java client.
const REWATCH: Duration = Duration::from_secs(180);

/// Shortest pause between attempts, whatever is set: a server that fails is not to be asked without end.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// What readers see of one service.
#[derive(Debug)]
struct Cell {
    current: ArcSwapOption<Instances>,
    changes: watch::Sender<Option<Instances>>,
    state: watch::Receiver<SubscriptionState>,
}

impl Cell {
    /// Looks at what is known; `None` while nothing is.
    fn look<T>(&self, look: impl FnOnce(&Instances) -> T) -> Option<T> {
        self.current.load().as_deref().map(look)
    }

    fn show(&self, list: &Instances) {
        self.current.store(Some(Arc::new(list.clone())));
        self.changes.send_replace(Some(list.clone()));
    }

    /// To be told of changes. Ends when nobody asks for the service any more.
    fn follow(&self) -> Followed {
        Followed { changes: self.changes.subscribe(), state: self.state.clone() }
    }
}

/// One service, to be watched.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    /// The newest list; `None` while nothing is known.
    pub(crate) changes: watch::Receiver<Option<Instances>>,
    /// What has become of the subscription.
    pub(crate) state: watch::Receiver<SubscriptionState>,
}

#[derive(Debug)]
pub(super) struct Book {
    pub(super) desired: Desired,
    pub(super) cache: Cache,
    pub(super) watched: Watched,
    /// How many want to be told of a service.
    followers: BTreeMap<ServiceKey, usize>,
    /// Services of which one follower is the client itself, because they were asked for by name.
    kept: BTreeSet<ServiceKey>,
    /// Services whose lists are to be written to disk; each once, however often it changed.
    unsaved: BTreeMap<ServiceKey, Instances>,
    pub(super) backlog: Backlog,
}

/// What the server does not hold as it is wanted, and since when that is so.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backlog {
    registrations: (usize, Option<Instant>),
    subscriptions: (usize, Option<Instant>),
}

impl Backlog {
    /// So many wait now.
    pub(super) fn update(&mut self, now: Instant, (registrations, subscriptions): (usize, usize)) {
        let since = |before: Option<Instant>, count: usize| (count > 0).then(|| before.unwrap_or(now));
        self.registrations = (registrations, since(self.registrations.1, registrations));
        self.subscriptions = (subscriptions, since(self.subscriptions.1, subscriptions));
    }
}

/// Cells by group and name, so that a look-up needs no key of its own.
type Cells = HashMap<Arc<str>, HashMap<Arc<str>, Arc<Cell>, RandomState>, RandomState>;

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) namespace: NamespaceId,
    pub(super) settings: NamingSettings,
    book: Mutex<Book>,
    cells: RwLock<Cells>,
    /// There may be something to ask.
    pub(super) bell: Notify,
    /// There is something to write to disk.
    pub(super) to_save: Notify,
    /// Rings when something has been taken back.
    pub(super) taken_back: Notify,
    closed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(namespace: NamespaceId, settings: NamingSettings) -> Self {
        let pauses = Pauses {
            retry: settings.redo_pause.max(PAUSE_MIN),
            resubscribe: settings.resubscribe_every.map(|every| every.max(PAUSE_MIN)),
            rewatch: REWATCH,
        };
        let book = Book {
            desired: Desired::new(pauses),
            cache: Cache::default(),
            watched: Watched::default(),
            followers: BTreeMap::new(),
            kept: BTreeSet::new(),
            unsaved: BTreeMap::new(),
            backlog: Backlog::default(),
        };
        Self {
            namespace,
            settings,
            book: Mutex::new(book),
            cells: RwLock::default(),
            bell: Notify::new(),
            to_save: Notify::new(),
            taken_back: Notify::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Adds what follows from the state of things.
    pub(super) fn tell(&self, metrics: &mut Metrics) {
        let now = clock::now();
        let age = |since: Option<Instant>| since.map(|since| now.saturating_duration_since(since));
        let (services, Backlog { registrations, subscriptions }) =
            self.with_book(|book| (book.followers.len(), book.backlog));
        metrics.services = services as u64;
        (metrics.registrations_waiting, metrics.registrations_waiting_for) =
            (registrations.0 as u64, age(registrations.1));
        (metrics.subscriptions_waiting, metrics.subscriptions_waiting_for) =
            (subscriptions.0 as u64, age(subscriptions.1));
    }

    /// Does something with the book, under its lock.
    pub(super) fn with_book<T>(&self, work: impl FnOnce(&mut Book) -> T) -> T {
        work(&mut self.book.lock())
    }

    fn open_book<T>(&self, work: impl FnOnce(&mut Book) -> T) -> Result<T, Error> {
        let mut book = self.book.lock();
        // Looked at under the lock, so that nothing is wanted any more after closing has withdrawn everything.
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::Closed);
        }
        let done = work(&mut book);
        drop(book);
        self.bell.notify_one();
        Ok(done)
    }

    pub(crate) fn register(
        &self,
        service: &ServiceKey,
        instance: Instance,
    ) -> Result<watch::Receiver<RegistrationState>, Error> {
        self.open_book(|book| book.desired.register(service, instance))
    }

    pub(crate) fn deregister(
        &self,
        service: &ServiceKey,
        key: &InstanceKey,
    ) -> Result<Option<watch::Receiver<RegistrationState>>, Error> {
        self.open_book(|book| book.desired.deregister(service, key))
    }

    pub(crate) fn abandon(&self, service: &ServiceKey, key: &InstanceKey) {
        // A closed client has taken everything back already.
        self.open_book(|book| book.desired.abandon(service, key)).unwrap_or_default();
    }

    pub(crate) fn own(&self, service: &ServiceKey, key: &InstanceKey) -> Option<Instance> {
        self.with_book(|book| book.desired.own(service, key).cloned())
    }

    pub(crate) fn own_keys(&self, service: &ServiceKey) -> Vec<InstanceKey> {
        self.with_book(|book| book.desired.own_keys(service))
    }

    /// What readers see of a service that somebody follows.
    fn cell(&self, service: &Service<'_>) -> Option<Arc<Cell>> {
        self.cells.read().get(service.group())?.get(service.name()).cloned()
    }

    /// Looks at what is known of a service, without copying anything.
    pub(crate) fn look<T>(&self, service: &Service<'_>, look: impl FnOnce(&Instances) -> T) -> Option<T> {
        self.cells.read().get(service.group())?.get(service.name())?.look(look)
    }

    /// One more wants to be told of a service.
    pub(crate) fn follow(&self, service: &ServiceKey, protection: EmptyProtection) -> Result<Followed, Error> {
        self.open_book(|book| {
            *book.followers.entry(service.clone()).or_default() += 1;
            self.cell_of(book, service, protection).follow()
        })
    }

    /// Whether the client itself may keep a service up to date, because it was asked for by name.
    pub(crate) fn may_keep(&self, service: &ServiceKey) -> bool {
        self.with_book(|book| book.kept.contains(service) || book.kept.len() < self.settings.kept_max)
    }

    /// The client itself keeps a service up to date. One more than it may, if several ask at one time, is no harm.
    pub(crate) fn keep(&self, service: &ServiceKey) -> Result<(), Error> {
        self.open_book(|book| {
            if book.kept.insert(service.clone()) {
                *book.followers.entry(service.clone()).or_default() += 1;
            }
        })
    }

    /// The client keeps a service up to date no longer.
    pub(crate) fn forget(&self, service: &ServiceKey) {
        if self.with_book(|book| book.kept.remove(service)) {
            self.unfollow(service);
        }
    }

    /// One less wants to be told of a service. The last one ends it.
    pub(crate) fn unfollow(&self, service: &ServiceKey) {
        let mut book = self.book.lock();
        let Some(count) = book.followers.get_mut(service) else {
            return;
        };
        *count -= 1;
        if *count > 0 {
            return;
        }
        book.followers.remove(service);
        book.cache.close(service);
        book.desired.unsubscribe(service);
        let mut cells = self.cells.write();
        if let Some(group) = cells.get_mut(service.group.as_str()) {
            group.remove(service.name.as_str());
            if group.is_empty() {
                cells.remove(service.group.as_str());
            }
        }
        drop(cells);
        drop(book);
        self.bell.notify_one();
    }

    fn cell_of(&self, book: &mut Book, service: &ServiceKey, protection: EmptyProtection) -> Arc<Cell> {
        // Also where there is a cell: what was refused before is tried again.
        let state = book.desired.subscribe(service);
        let seen = book.cache.open(service, protection);
        let mut cells = self.cells.write();
        let group = cells.entry(service.group.as_str().into()).or_default();
        if let Some(cell) = group.get(service.name.as_str()) {
            return Arc::clone(cell);
        }
        let cell =
            Cell { current: ArcSwapOption::new(seen.clone().map(Arc::new)), changes: watch::Sender::new(seen), state };
        let cell = Arc::new(cell);
        group.insert(service.name.as_str().into(), Arc::clone(&cell));
        cell
    }

    pub(crate) fn watch(
        &self,
        pattern: &Pattern,
    ) -> Result<(watch::Receiver<Matching>, watch::Receiver<SubscriptionState>), Error> {
        self.open_book(|book| (book.watched.open(pattern), book.desired.watch(pattern)))
    }

    pub(crate) fn unwatch(&self, pattern: &Pattern) {
        self.with_book(|book| {
            if book.watched.close(pattern) {
                book.desired.unwatch(pattern);
            }
        });
        self.bell.notify_one();
    }

    /// Takes a list of a service from a server, and shows it if it is believed.
    pub(super) fn learn(&self, from: Generation, service: &ServiceKey, info: ServiceInfo) {
        let now = clock::now();
        let mut book = self.book.lock();
        let verdict = book.cache.apply(now, from, service, info);
        match &verdict {
            Verdict::Dropped(why) => debug!(%service, generation = %from, ?why, "a list was dropped"),
            Verdict::Withheld => debug!(%service, generation = %from, "an empty list is withheld"),
            Verdict::Same => {}
            Verdict::New { list, .. } => debug!(%service, generation = %from, instances = list.len(), "a new list"),
        }
        let withheld = matches!(verdict, Verdict::Withheld);
        self.follow_up(&mut book, verdict);
        drop(book);
        if withheld {
            // The redo has the alarm clock.
            self.bell.notify_one();
        }
    }

    /// Believes lists that were withheld long enough. Returns when to look again.
    pub(super) fn release(&self, now: Instant) -> Option<Instant> {
        let mut book = self.book.lock();
        for verdict in book.cache.release(now) {
            self.follow_up(&mut book, verdict);
        }
        book.cache.wake_at()
    }

    fn follow_up(&self, book: &mut Book, verdict: Verdict) {
        let Verdict::New { list, shown } = verdict else {
            return;
        };
        if shown {
            self.show(&list);
        }
        if self.settings.cache_dir.is_some() {
            book.unsaved.insert(list.service().clone(), list);
            self.to_save.notify_one();
        }
    }

    /// Shows a list to everybody who looks. The caller holds the book, so that lists are shown in the order in which they
    /// were believed.
    fn show(&self, list: &Instances) {
        if let Some(cell) = self.cell(&Service::from(list.service())) {
            cell.show(list);
        }
    }

    /// What is to be written to disk; it is not again, unless it changes.
    pub(super) fn take_unsaved(&self) -> BTreeMap<ServiceKey, Instances> {
        self.with_book(|book| std::mem::take(&mut book.unsaved))
    }

    /// Takes what an earlier run left on disk.
    pub(super) fn seed(&self, left: BTreeMap<ServiceKey, Instances>) {
        let mut book = self.book.lock();
        for list in book.cache.seed(left) {
            self.show(&list);
        }
    }

    /// Shows these lists instead of what servers say.
    pub(super) fn fail_over(&self, files: BTreeMap<ServiceKey, Instances>) {
        let mut book = self.book.lock();
        for list in book.cache.fail_over(files) {
            self.show(&list);
        }
    }

    /// Wants nothing any more, and takes nothing on.
    pub(super) fn withdraw(&self) {
        let mut book = self.book.lock();
        self.closed.store(true, Ordering::Relaxed);
        book.desired.withdraw_all();
        drop(book);
        self.bell.notify_one();
    }

    /// Ends everything that is watched. Called last, by the redo.
    pub(super) fn end(&self) {
        let mut book = self.book.lock();
        self.closed.store(true, Ordering::Relaxed);
        book.watched.clear();
        book.followers.clear();
        self.cells.write().clear();
        drop(book);
        self.taken_back.notify_waiters();
    }

    /// Whether everything has been taken back.
    pub(super) fn is_over(&self) -> bool {
        self.with_book(|book| book.desired.is_over())
    }
}
