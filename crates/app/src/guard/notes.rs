//! What the next run is to know of the ephemeral instances of this one: who published what, noted as it changes.
//!
//! A restarted server shows what its last run showed, until the clients are back or have had their time; without that,
//! the first subscriber to come back would be told that nobody is there. The notes are good to have and promised to
//! nobody: they are written 100 ms behind and never forced to disk, and a file that cannot be written costs a warning.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::{HashMap, HashSet};
use nacrite_base::{ClientId, ConnectionId, Host, Instance, Kind, ServiceKey};
use nacrite_env::threads::spawn_guarded;
use nacrite_store::{NoteBatch, NoteFile};
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::{Notify, oneshot};
use tracing::{error, warn};

use crate::limits::NOTES_WAITING_MAX;
use crate::machine::convert;
use crate::machine::record::{InstanceRow, ServiceName};
use crate::owner::registry::Shards;

/// The file in the data directory.
const NAME: &str = "instances.notes";

type Fixed = foldhash::quality::FixedState;

/// Who publishes where.
type Place = (ClientId, ServiceKey);

/// What one client publishes in one service; nothing if it ended that.
#[derive(Clone, PartialEq, Message)]
struct PublicationRecord {
    #[prost(string, optional, tag = "1")]
    connection: Option<String>,
    /// Of a client that is known by its address.
    #[prost(string, tag = "2")]
    host: String,
    #[prost(uint32, tag = "3")]
    port: u32,
    #[prost(message, optional, tag = "4")]
    service: Option<ServiceName>,
    /// The service is left out of each.
    #[prost(message, repeated, tag = "5")]
    instances: Vec<InstanceRow>,
}

/// What one client published in one service.
pub(crate) type Publication = (ClientId, ServiceKey, Vec<Arc<Instance>>);

/// Publications that are not noted yet.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Whether anybody notes them.
    wanted: AtomicBool,
    waiting: Mutex<Waiting>,
    work: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    changed: HashSet<Place, Fixed>,
    /// So much changed that everything is noted anew.
    all: bool,
}

impl Changes {
    /// These publications changed. At [`NOTES_WAITING_MAX`] they are no longer told apart, and all are noted anew.
    pub(crate) fn note(&self, published: Vec<Place>) {
        if published.is_empty() || !self.wanted.load(Ordering::Relaxed) {
            return;
        }
        let mut waiting = self.waiting.lock();
        let is_first = waiting.changed.is_empty() && !waiting.all;
        let kept_elsewhere = |client: &ClientId| matches!(client, ClientId::Address { kind: Kind::Persistent, .. });
        waiting.changed.extend(published.into_iter().filter(|(client, _)| !kept_elsewhere(client)));
        if waiting.changed.len() > NOTES_WAITING_MAX {
            *waiting = Waiting { all: true, ..Waiting::default() };
        }
        if is_first {
            self.work.notify_one();
        }
    }

    /// From now on changes are noted, beginning with everything that there is.
    fn start(&self) {
        self.wanted.store(true, Ordering::Relaxed);
        self.waiting.lock().all = true;
        self.work.notify_one();
    }

    /// Ends when something is to be noted.
    pub(crate) async fn noted(&self) {
        self.work.notified().await;
    }
}

/// Writes notes.
#[derive(Debug)]
pub struct Notes {
    dir: PathBuf,
    shards: Arc<Shards>,
    /// `None` before the first writing, after one that failed, and while one is under way.
    file: Mutex<Option<NoteFile>>,
}

/// What the thread that writes is given.
enum Job {
    Append(NoteFile, Vec<Publication>),
    Create(Vec<Publication>),
}

impl Notes {
    /// Begins to note what is published, if it is `wanted`; otherwise removes what an earlier run noted, which would be
    /// taken for the present one day.
    #[must_use]
    pub fn start(dir: &Path, shards: Arc<Shards>, wanted: bool) -> Self {
        if wanted {
            shards.changes.start();
        } else if let Err(error) = NoteFile::remove(dir, NAME) {
            warn!(%error, "the notes of an earlier run cannot be removed");
        }
        Self { dir: dir.to_owned(), shards, file: Mutex::default() }
    }

    /// Notes what changed.
    pub async fn write(&self) {
        let Waiting { changed, all } = std::mem::take(&mut *self.shards.changes.waiting.lock());
        let file = self.file.lock().take();
        let job = match file {
            Some(file) if !all && !file.is_worn() => Job::Append(file, self.present_of(changed)),
            _ => Job::Create(self.all()),
        };
        self.run(job).await;
    }

    /// Notes everything. The last act of a server: its clients are gone by then, but not of their own will.
    pub async fn finish(&self) {
        if self.shards.changes.wanted.swap(false, Ordering::Relaxed) {
            self.run(Job::Create(self.all())).await;
        }
    }

    fn present_of(&self, changed: HashSet<Place, Fixed>) -> Vec<Publication> {
        let present = changed.into_iter().map(|(client, service)| {
            let instances = self.shards.with(&service, |shard| shard.publication(&client, &service));
            (client, service, instances)
        });
        present.collect()
    }

    fn all(&self) -> Vec<Publication> {
        let mut all = Vec::new();
        self.shards.with_each(|shard| {
            let publications = shard.publications();
            let ephemeral = publications
                .filter(|(client, _)| !matches!(client, ClientId::Address { kind: Kind::Persistent, .. }))
                .map(|(client, service)| (client.clone(), service.clone(), shard.publication(client, service)));
            all.extend(ephemeral);
        });
        all
    }

    async fn run(&self, job: Job) {
        let (done, result) = oneshot::channel();
        let dir = self.dir.clone();
        // Who stops does not wait for it; the file then ends where it ends.
        let work = move || drop(done.send(perform(&dir, job)));
        let panicked = |said| error!(%said, "the thread that writes notes panicked");
        let file = match spawn_guarded("notes", work, panicked) {
            Ok(_) => result.await.unwrap_or_else(|_| Err(std::io::Error::other("it was not written"))),
            Err(error) => Err(error),
        };
        match file {
            Ok(file) => *self.file.lock() = Some(file),
            // The next change writes everything anew.
            Err(error) => warn!(%error, "what is registered cannot be noted for the next start"),
        }
    }
}

fn perform(dir: &Path, job: Job) -> std::io::Result<NoteFile> {
    let batch_of = |publications: Vec<Publication>| {
        let mut batch = NoteBatch::new(NAME);
        publications.iter().for_each(|publication| batch.push(&record(publication).encode_to_vec()));
        batch
    };
    match job {
        Job::Append(mut file, publications) => {
            file.append(&batch_of(publications))?;
            Ok(file)
        }
        Job::Create(publications) => NoteFile::create(dir, &batch_of(publications)),
    }
}

/// What the last run published, as far as it was noted. A file that cannot be read is as good as none.
#[must_use]
pub(crate) fn read(dir: &Path) -> Vec<Publication> {
    let records = match NoteFile::read(dir, NAME) {
        Ok((records, is_torn)) => {
            if is_torn {
                warn!("the notes of the last run end in the middle; the rest is used");
            }
            records
        }
        Err(error) => {
            warn!(%error, "the notes of the last run cannot be read");
            return Vec::new();
        }
    };
    let mut newest: HashMap<Place, usize, Fixed> = HashMap::default();
    let mut found = Vec::with_capacity(records.len());
    for publication in records.iter().filter_map(|bytes| publication(bytes)) {
        newest.insert((publication.0.clone(), publication.1.clone()), found.len());
        found.push(publication);
    }
    if found.len() < records.len() {
        warn!(count = records.len() - found.len(), "notes of the last run cannot be understood");
    }
    // In the order in which they were registered: of two claims to one address the newest counts.
    let newest: HashSet<usize, Fixed> = newest.into_values().collect();
    let found =
        found.into_iter().enumerate().filter(|(at, (_, _, instances))| newest.contains(at) && !instances.is_empty());
    found.map(|(_, publication)| publication).collect()
}

fn record((client, service, instances): &Publication) -> PublicationRecord {
    let (connection, host, port) = match client {
        ClientId::Connection(id) => (Some(id.as_str().to_owned()), String::new(), 0),
        ClientId::Address { host, port, .. } => (None, host.to_string(), *port),
    };
    let rows = instances.iter().map(|instance| {
        let mut row = convert::instance_row(service, instance);
        if let Some(name) = &mut row.name {
            name.service = None;
        }
        row
    });
    PublicationRecord {
        connection,
        host,
        port: port.into(),
        service: Some(convert::service_name(service)),
        instances: rows.collect(),
    }
}

fn publication(bytes: &[u8]) -> Option<Publication> {
    let record = PublicationRecord::decode(bytes).ok()?;
    let client = match &record.connection {
        Some(id) => ClientId::Connection(ConnectionId::new(id)),
        None => {
            let port = u16::try_from(record.port).ok()?;
            ClientId::Address { host: Host::from_stored(&record.host), port, kind: Kind::Ephemeral }
        }
    };
    let named = |mut row: InstanceRow| {
        row.name.as_mut()?.service.clone_from(&record.service);
        convert::instance(row).ok().map(|(_, instance)| Arc::new(instance))
    };
    let instances: Option<Vec<Arc<Instance>>> = record.instances.iter().cloned().map(named).collect();
    Some((client, convert::service_key(record.service.clone()).ok()?, instances?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{ClusterName, GroupName, InstanceKey, Metadata, NamespaceId, Timestamp};
    use nacrite_env::clock::ManualClock;
    use nacrite_naming::{Command, Rules};

    fn key(name: &str) -> ServiceKey {
        ServiceKey {
            namespace: NamespaceId::public(),
            group: GroupName::default_group(),
            name: nacrite_base::ServiceName::from_stored(name),
        }
    }

    fn instance(port: u16) -> Instance {
        Instance {
            key: InstanceKey {
                host: Some(Host::from_stored("10.0.0.1")),
                port,
                cluster: ClusterName::default_cluster(),
            },
            id: "id".into(),
            weight: 2.5,
            healthy: true,
            enabled: false,
            metadata: Metadata::from_stored([("zone".into(), Some("a".into()))].into()),
        }
    }

    fn shards() -> Arc<Shards> {
        Arc::new(Shards::new(Rules::default(), Arc::new(ManualClock::at(Timestamp::from_ms(1000)))))
    }

    fn connection(name: &str) -> ClientId {
        ClientId::Connection(ConnectionId::new(name))
    }

    fn beating(port: u16) -> ClientId {
        ClientId::Address { host: Host::from_stored("10.0.0.1"), port, kind: Kind::Ephemeral }
    }

    fn register(shards: &Shards, client: ClientId, service: &str, ports: &[u16]) {
        let instances = ports.iter().map(|port| instance(*port)).collect();
        let register = Command::Register { client, service: key(service), instances };
        drop(shards.apply(&key(service), register).expect("registered"));
    }

    /// What is noted: client, service, ports.
    fn noted(dir: &Path) -> Vec<(String, String, Vec<u16>)> {
        let ports = |instances: &[Arc<Instance>]| instances.iter().map(|i| i.key.port).collect();
        let all = read(dir);
        assert!(all.iter().all(|(.., instances)| instances.iter().all(|i| **i == instance(i.key.port))));
        all.iter().map(|(client, service, i)| (client.to_string(), service.name.to_string(), ports(i))).collect()
    }

    #[tokio::test]
    async fn the_next_run_knows_what_was_published_last() {
        let (dir, shards) = (tempfile::tempdir().expect("a directory"), shards());
        let notes = Notes::start(dir.path(), Arc::clone(&shards), true);
        register(&shards, connection("c1"), "orders", &[1, 2]);
        shards.changes.noted().await;
        notes.write().await;
        register(&shards, beating(7), "stock", &[7]);
        register(&shards, connection("c1"), "orders", &[3]);
        register(&shards, connection("c2"), "orders", &[4]);
        drop(shards.apply(&key("orders"), Command::Deregister { client: connection("c2"), service: key("orders") }));
        notes.write().await;
        let mut seen = noted(dir.path());
        seen.sort();
        let expected = [("10.0.0.1:7#true", "stock", vec![7]), ("c1", "orders", vec![3])];
        assert_eq!(seen, expected.map(|(client, service, ports)| (client.to_owned(), service.to_owned(), ports)));
    }

    #[tokio::test]
    async fn persistent_instances_are_kept_elsewhere_and_an_unwanted_file_vanishes() {
        let (dir, shards) = (tempfile::tempdir().expect("a directory"), shards());
        let notes = Notes::start(dir.path(), Arc::clone(&shards), true);
        let persistent = ClientId::Address { host: Host::from_stored("p"), port: 1, kind: Kind::Persistent };
        register(&shards, persistent, "db", &[9]);
        register(&shards, connection("c1"), "orders", &[1]);
        notes.finish().await;
        assert_eq!(noted(dir.path()), [("c1".to_owned(), "orders".to_owned(), vec![1])]);
        drop(Notes::start(dir.path(), shards, false));
        assert_eq!(noted(dir.path()), []);
    }

    #[tokio::test]
    async fn so_many_changes_that_they_are_not_told_apart_are_noted_all() {
        let (dir, shards) = (tempfile::tempdir().expect("a directory"), shards());
        let notes = Notes::start(dir.path(), Arc::clone(&shards), true);
        notes.write().await;
        register(&shards, connection("c1"), "orders", &[1]);
        let many = (0..=NOTES_WAITING_MAX).map(|n| (connection(&n.to_string()), key("none")));
        shards.changes.note(many.collect());
        assert_eq!(shards.changes.waiting.lock().changed.len(), 0);
        notes.write().await;
        assert_eq!(noted(dir.path()).len(), 1);
    }
}
