//! Configs on disk, in the places where Java's client has them: files of operators that override servers, and snapshots
//! of what servers said, for when none answers.
//!
//! Below the directory: `data/config-data[-tenant/NAMESPACE]/GROUP/DATA_ID` overrides and is never written here;
//! `snapshot[-tenant/NAMESPACE]/GROUP/DATA_ID` is written after every fetch. The key of an encrypted content lies at the
//! same place below `encrypted-data-key/{failover,snapshot}[-tenant/NAMESPACE]`. Every file holds what the server holds,
//! so that nothing lies in the open that was encrypted.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use md5::{Digest, Md5};
use nacrite_base::ContentDigest;
use tracing::{info, warn};

use super::ears::Ears;
use super::name::ConfigName;
use super::plain;
use super::value::{Config, Known, Origin, type_by_ending};
use crate::error::Error;
use crate::server::ServerAddress;
use crate::tasks::Tasks;

/// How often files that override are looked for, as in the Java client.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Largest file that is read: what a server would take, and as much again for characters of more than one byte.
const FILE_LEN_MAX: u64 = 32 * 1024 * 1024;

/// Characters of a server's name on disk; longer ones are cut and told apart by a digest.
const SERVER_NAME_LEN_MAX: usize = 50;

/// Where the configs of one client lie.
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<Places>);

#[derive(Debug)]
struct Places {
    root: PathBuf,
    /// Empty for the default namespace, whose files lie elsewhere.
    namespace: String,
    /// Tells temporary files of one process apart.
    written: AtomicU64,
}

/// Which kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failover,
    Snapshot,
}

/// By what a change of a file is noticed without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
}

impl Disk {
    /// The files of a client of these servers, below a directory that is its own or shared with others.
    pub(crate) fn new(directory: &Path, servers: &[ServerAddress], namespace: &str) -> Self {
        Self::named(directory, &server_name(servers, plain(namespace)), namespace)
    }

    /// The files of a client whose servers have this name.
    pub(crate) fn named(directory: &Path, server_name: &str, namespace: &str) -> Self {
        let namespace = plain(namespace);
        let root = directory.join(format!("{}_nacos", short(server_name)));
        Self(Arc::new(Places { root, namespace: namespace.to_owned(), written: AtomicU64::new(0) }))
    }

    /// The file that overrides servers, if there is one.
    pub(crate) async fn failover(&self, name: &ConfigName) -> Result<Option<Config>, Error> {
        let places = Arc::clone(&self.0);
        let name = name.clone();
        blocking(move || places.read(Kind::Failover, &name).map_err(|source| failed("reading a failover file", source)))
            .await?
    }

    /// The last version that was kept, if there is one.
    pub(crate) async fn snapshot(&self, name: &ConfigName) -> Result<Option<Config>, Error> {
        let places = Arc::clone(&self.0);
        let name = name.clone();
        blocking(move || places.read(Kind::Snapshot, &name).map_err(|source| failed("reading a snapshot", source)))
            .await?
    }

    /// Keeps what a server said: writes it, or deletes what was kept of a config that is gone. A disk that fails is told
    /// of in the log; it must not keep anybody from a config that is there.
    pub(crate) fn keep(&self, name: &ConfigName, known: Known) -> impl Future<Output = ()> + Send + use<> {
        let places = Arc::clone(&self.0);
        let name = name.clone();
        async move {
            let at = name.clone();
            let kept = blocking(move || match known {
                Known::Nothing => Ok(()),
                Known::Absent => places.delete(&at),
                Known::Present(config) => places.write(&at, &config),
            });
            match kept.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(%name, %error, "snapshot of config not written"),
                Err(error) => warn!(%name, %error, "snapshot of config not written"),
            }
        }
    }

    /// Starts the task that looks for files that override.
    pub(crate) fn watch(&self, ears: Arc<Ears>, tasks: &Tasks) {
        let disk = self.clone();
        let stopping = tasks.child_signal();
        let look = async move {
            let mut seen = HashMap::new();
            loop {
                let names = ears.with(|listens| listens.names());
                let places = Arc::clone(&disk.0);
                let looked = blocking(move || {
                    let changed = places.overrides(&names, &mut seen);
                    (seen, changed)
                });
                let Ok((now_seen, changed)) = looked.await else {
                    return;
                };
                seen = now_seen;
                for (name, config) in changed {
                    info!(%name, overrides = config.is_some(), "failover file of config changed");
                    ears.with(|listens| listens.overridden(&name, config));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tasks.spawn(async move {
            stopping.run_until_cancelled(look).await;
        });
    }
}

/// Runs work that waits for a disk where waiting harms nobody.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the client lives on its caller's runtime and has no threads of its own"
    )]
    let done = tokio::task::spawn_blocking(work).await;
    // A runtime that is going down does not run it.
    done.map_err(|_| Error::Closed)
}

fn failed(what: &str, source: io::Error) -> Error {
    Error::File { what: what.to_owned(), source }
}

impl Places {
    fn content_path(&self, kind: Kind, name: &ConfigName) -> PathBuf {
        let base = match kind {
            Kind::Failover => self.root.join("data"),
            Kind::Snapshot => self.root.clone(),
        };
        let folder = match kind {
            Kind::Failover => "config-data",
            Kind::Snapshot => "snapshot",
        };
        self.below(&base, folder, name)
    }

    fn key_path(&self, kind: Kind, name: &ConfigName) -> PathBuf {
        let folder = match kind {
            Kind::Failover => "failover",
            Kind::Snapshot => "snapshot",
        };
        self.below(&self.root.join("encrypted-data-key"), folder, name)
    }

    fn below(&self, base: &Path, folder: &str, name: &ConfigName) -> PathBuf {
        let base = if self.namespace.is_empty() {
            base.join(folder)
        } else {
            base.join(format!("{folder}-tenant")).join(safe(&self.namespace))
        };
        base.join(safe(name.group())).join(safe(name.data_id()))
    }

    fn read(&self, kind: Kind, name: &ConfigName) -> io::Result<Option<Config>> {
        let Some(content) = read_file(&self.content_path(kind, name))? else {
            return Ok(None);
        };
        // Files are not forced onto the disk, so that one may be left empty when the power fails. Servers keep no blank
        // contents, so that a blank snapshot is none.
        if kind == Kind::Snapshot && content.chars().all(|c| c.is_whitespace() || c == '\0') {
            return Ok(None);
        }
        let origin = match kind {
            Kind::Failover => Origin::Failover,
            Kind::Snapshot => Origin::Snapshot,
        };
        let mut config = Config::from_content(&content, type_by_ending(name.data_id()), origin);
        config.encrypted_data_key =
            read_file(&self.key_path(kind, name))?.filter(|key| !key.is_empty()).map(Into::into);
        Ok(Some(config))
    }

    fn write(&self, name: &ConfigName, config: &Config) -> io::Result<()> {
        let key_path = self.key_path(Kind::Snapshot, name);
        // The key goes first: an old content with a new key fails to decrypt, which is noticed; the other way round a
        // plain reader would take an encrypted content for a plain one.
        if let Some(key) = &config.encrypted_data_key {
            self.replace(&key_path, key)?;
        }
        self.replace(&self.content_path(Kind::Snapshot, name), &config.content)?;
        if config.encrypted_data_key.is_none() {
            remove_file(&key_path)?;
        }
        Ok(())
    }

    fn delete(&self, name: &ConfigName) -> io::Result<()> {
        remove_file(&self.content_path(Kind::Snapshot, name))?;
        remove_file(&self.key_path(Kind::Snapshot, name))
    }

    /// Writes beside and renames, so that a reader sees the old file or the new one and never a part.
    fn replace(&self, path: &Path, text: &str) -> io::Result<()> {
        let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
        fs::create_dir_all(folder)?;
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        // No data id has a tilde, so that no config can be hit.
        let beside = folder.join(format!("~{}-{number}", std::process::id()));
        let written = create_private(&beside).and_then(|mut file| file.write_all(text.as_bytes()));
        let renamed = written.and_then(|()| fs::rename(&beside, path));
        if renamed.is_err() {
            // The first failure is the one to be told; a file that cannot be removed either changes nothing about it.
            fs::remove_file(&beside).ok();
        }
        renamed
    }

    /// The files that came, changed or went since the last look.
    fn overrides(
        &self,
        names: &[ConfigName],
        seen: &mut HashMap<ConfigName, Stamp>,
    ) -> Vec<(ConfigName, Option<Config>)> {
        seen.retain(|name, _| names.binary_search(name).is_ok());
        let mut changed = Vec::new();
        for name in names {
            let stamp = stamp_of(&self.content_path(Kind::Failover, name));
            if stamp == seen.get(name).copied() {
                continue;
            }
            match self.read(Kind::Failover, name) {
                Ok(config) => changed.push((name.clone(), config)),
                Err(error) => {
                    // It counts as seen: what cannot be read does not become readable without changing.
                    warn!(%name, %error, "failover file of config cannot be read, and does not count");
                }
            }
            match stamp {
                Some(stamp) => drop(seen.insert(name.clone(), stamp)),
                None => drop(seen.remove(name)),
            }
        }
        changed
    }
}

/// Snapshots may hold secrets, so only their owner may read them where files have owners.
fn create_private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn stamp_of(path: &Path) -> Option<Stamp> {
    let about = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some(Stamp { modified: about.modified().ok(), len: about.len() })
}

pub(crate) fn read_file(path: &Path) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Ok(about) if about.len() > FILE_LEN_MAX => {
            let what = format!("the file has {} bytes, more than {FILE_LEN_MAX}", about.len());
            return Err(io::Error::new(ErrorKind::InvalidData, what));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A name as one part of a path. Checked names hold no separators, but dots alone would lead elsewhere, and a colon
/// names a drive or a stream on some systems.
fn safe(name: &str) -> String {
    if !name.is_empty() && name.bytes().all(|b| b == b'.') {
        return name.replace('.', "%2E");
    }
    if cfg!(windows) { name.replace(':', "%3A") } else { name.to_owned() }
}

/// The name of a list of servers on disk: `fixed-NAMESPACE-10.0.0.1_8848-10.0.0.2_8848`.
fn server_name(servers: &[ServerAddress], namespace: &str) -> String {
    let mut name = "fixed".to_owned();
    if !namespace.is_empty() {
        name.push('-');
        name.push_str(namespace);
    }
    for server in servers {
        name.push('-');
        name.push_str(&format!("{}_{}", server.host(), server.port()));
    }
    name
}

/// A name as one part of a path, and not too long.
fn short(name: &str) -> String {
    // A colon of an IPv6 address, or whatever an operator may give, must not lead elsewhere.
    let name = name.replace(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)), "_");
    if name.len() <= SERVER_NAME_LEN_MAX {
        return name;
    }
    let digest = ContentDigest::from_md5(Md5::digest(name.as_bytes()).into());
    format!("{}{digest}", &name[..SERVER_NAME_LEN_MAX])
}

#[cfg(test)]
mod tests;
