//! Lists on disk, where Java's client has them: those that were pushed last, for a start without servers, and those that
//! operators put there to be shown instead (`reference/client.md`, 2.6).
//!
//! Below the directory: `naming/NAMESPACE/FILE` is written after every change, `naming/NAMESPACE/failover/FILE` is only
//! read, and a switch file there says whether it counts. Everything that touches the disk runs on threads for that; a file
//! that cannot be read is as good as none.

mod format;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nacrite_base::{NamespaceId, ServiceKey};
use tokio::time::MissedTickBehavior;
use tracing::{info, warn};

use super::instances::{Instances, Origin};
use super::shared::Shared;
use crate::clock;
use crate::tasks::Tasks;

/// How often the switch is looked at, as in the Java client.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The file that says whether the failover files count: a line `1` for yes, `0` for no.
const SWITCH: &str = "00-00---000-VIPSRV_FAILOVER_SWITCH-000---00-00";

/// Largest file that is read. A list of 100 000 instances fits.
const FILE_LEN_MAX: u64 = 64 * 1024 * 1024;

/// Files read of one directory. Ten times as many services as one client commonly knows.
const FILES_MAX: usize = 100_000;

/// The directory of one client.
#[derive(Clone, Debug)]
pub(super) struct Files {
    directory: PathBuf,
    namespace: NamespaceId,
}

/// What was seen of the switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Switch {
    modified: Option<SystemTime>,
    is_on: bool,
}

impl Files {
    pub(super) fn new(root: &Path, namespace: &NamespaceId) -> Self {
        Self { directory: root.join("naming").join(namespace.as_str()), namespace: namespace.clone() }
    }

    /// Writes a list: to a temporary file first, so that whoever reads sees the old one or the new one.
    fn save(&self, list: &Instances, written_at_ms: u64) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let name = format::file_name(list.service());
        let temporary = self.directory.join(format!(".{name}.{}.new", std::process::id()));
        let written =
            fs::File::create(&temporary).and_then(|mut file| file.write_all(&format::encode(list, written_at_ms)));
        match written.and_then(|()| fs::rename(&temporary, self.directory.join(name))) {
            Ok(()) => Ok(()),
            Err(error) => {
                // Leaving it would fill the disk that may be full already; if that fails too, nothing more can be done.
                fs::remove_file(&temporary).ok();
                Err(error)
            }
        }
    }

    /// Reads all lists of the directory, or of its failover files.
    fn load(&self, origin: Origin) -> BTreeMap<ServiceKey, Instances> {
        let directory = match origin {
            Origin::Failover => self.directory.join("failover"),
            Origin::Disk | Origin::Server => self.directory.clone(),
        };
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return BTreeMap::new(),
            Err(error) => {
                warn!(directory = %directory.display(), %error, "no lists are read from disk");
                return BTreeMap::new();
            }
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let lists = names.take(FILES_MAX).filter_map(|name| {
            let key = format::service_of(&name, &self.namespace)?;
            let text = read(&directory.join(&name))?;
            let list = format::decode(&text, &key, origin);
            if list.is_none() {
                warn!(file = %name, "the list on disk cannot be read");
            }
            Some((key, list?))
        });
        lists.collect()
    }

    /// Looks at the switch. As in Java it is read only when the file is newer than before; without the file it is off.
    fn switch(&self, before: Switch) -> Switch {
        let path = self.directory.join("failover").join(SWITCH);
        let modified = fs::metadata(&path).and_then(|meta| meta.modified()).ok();
        if modified.is_some() && modified == before.modified {
            return before;
        }
        let text = modified.and_then(|_| read(&path)).unwrap_or_default();
        let is_on = text.lines().map(str::trim).find(|line| matches!(*line, "0" | "1")) == Some("1");
        Switch { modified, is_on }
    }
}

fn read(path: &Path) -> Option<String> {
    let len = fs::metadata(path).ok().filter(fs::Metadata::is_file)?.len();
    if len > FILE_LEN_MAX {
        warn!(file = %path.display(), len, "the file is too large");
        return None;
    }
    fs::read_to_string(path).ok()
}

/// Runs something that touches the disk on a thread for that; `None` if it panicked, which its log tells.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    #[expect(clippy::disallowed_methods, reason = "the caller waits for it, and the caller is a task that is counted")]
    let done = tokio::task::spawn_blocking(work).await;
    done.ok()
}

/// Keeps files and lists in step, until the tasks are to stop.
pub(super) async fn run(shared: Arc<Shared>, files: Files, tasks: Tasks) {
    if shared.settings.load_cache_at_start {
        let files = files.clone();
        if let Some(left) = blocking(move || files.load(Origin::Disk)).await {
            shared.seed(left);
        }
    }
    let mut switch = Switch::default();
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = tasks.stopping() => break,
            () = shared.to_save.notified() => save(&shared, &files).await,
            _ = look.tick() => switch = look_at_switch(&shared, &files, switch).await,
        }
    }
    // What was pushed last is written in any case: the next start may need it.
    save(&shared, &files).await;
}

async fn save(shared: &Shared, files: &Files) {
    let unsaved = shared.take_unsaved();
    if unsaved.is_empty() {
        return;
    }
    let files = files.clone();
    let failed = blocking(move || {
        let now = clock::wall_ms();
        unsaved
            .values()
            .filter_map(|list| Some((list.service().clone(), files.save(list, now).err()?)))
            .collect::<Vec<_>>()
    });
    // One line for all: a full disk fails for each.
    if let Some(failed) = failed.await
        && let Some((service, error)) = failed.first()
    {
        warn!(%service, %error, lists = failed.len(), "lists could not be written to disk");
    }
}

async fn look_at_switch(shared: &Shared, files: &Files, before: Switch) -> Switch {
    let reader = files.clone();
    let looked = blocking(move || {
        let switch = reader.switch(before);
        let lists = (switch != before && switch.is_on).then(|| reader.load(Origin::Failover));
        (switch, lists)
    });
    let Some((switch, lists)) = looked.await else {
        return before;
    };
    if switch != before {
        if switch.is_on != before.is_on {
            info!(is_on = switch.is_on, files = lists.as_ref().map_or(0, BTreeMap::len), "failover was switched");
        }
        shared.fail_over(lists.unwrap_or_default());
    }
    switch
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naming::instances::tests::service;

    const LEFT_BY_JAVA: &str = r#"{"name":"DEFAULT_GROUP@@orders","groupName":"DEFAULT_GROUP","clusters":"",
        "cacheMillis":10000,"hosts":[{"ip":"10.0.0.1","port":80,"weight":1.0,"healthy":true,"enabled":true,
        "ephemeral":true,"clusterName":"DEFAULT","serviceName":"DEFAULT_GROUP@@orders","metadata":{}}],
        "lastRefTime":1,"checksum":"","allIPs":false,"reachProtectionThreshold":false,"valid":true}"#;

    fn files(directory: &tempfile::TempDir) -> Files {
        Files::new(directory.path(), &NamespaceId::public())
    }

    fn list(port: u16) -> Instances {
        let text = LEFT_BY_JAVA.replace(":80,", &format!(":{port},"));
        format::decode(&text, &service("orders"), Origin::Server).expect("it is readable")
    }

    #[test]
    fn what_was_written_is_read_again_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = files(&directory);
        files.save(&list(80), 0).expect("the directory is writable");
        files.save(&list(81), 0).expect("the directory is writable");
        let left = files.load(Origin::Disk);
        let read = left.get(&service("orders")).expect("the list");
        assert_eq!((read.origin(), read.all()[0].port()), (Origin::Disk, 81));
        let there = fs::read_dir(directory.path().join("naming/public")).expect("the directory").count();
        assert_eq!(there, 1, "no temporary file stays");
    }

    #[test]
    fn files_of_java_are_read_and_broken_ones_are_as_good_as_none() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = files(&directory);
        assert!(files.load(Origin::Failover).is_empty(), "there is no directory");
        let failover = directory.path().join("naming/public/failover");
        fs::create_dir_all(&failover).expect("the directory is writable");
        let write = |name: &str, text: &str| fs::write(failover.join(name), text).expect("the directory is writable");
        write("DEFAULT_GROUP%40%40orders", LEFT_BY_JAVA);
        write("DEFAULT_GROUP%40%40broken", "{\"hosts\":");
        write("DEFAULT_GROUP%40%40x%40%40meta", LEFT_BY_JAVA);
        write("no-service", LEFT_BY_JAVA);
        write(SWITCH, "1");
        let read = files.load(Origin::Failover);
        assert_eq!(read.keys().map(ServiceKey::grouped).collect::<Vec<_>>(), ["DEFAULT_GROUP@@orders"]);
    }

    #[test]
    fn the_switch_is_read_anew_when_its_file_changes() {
        let directory = tempfile::tempdir().expect("a directory");
        let files = files(&directory);
        let failover = directory.path().join("naming/public/failover");
        assert!(!files.switch(Switch::default()).is_on);
        fs::create_dir_all(&failover).expect("the directory is writable");
        let path = failover.join(SWITCH);
        let write = |text: &str, at_s: u64| {
            fs::write(&path, text).expect("the directory is writable");
            let file = fs::File::options().write(true).open(&path).expect("the file is there");
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(at_s)).expect("its date can be set");
        };
        write("1\n", 1);
        let on = files.switch(Switch::default());
        assert!(on.is_on);
        write("0", 1);
        assert_eq!(files.switch(on), on, "a file of the same date is not read");
        write("0", 2);
        let off = files.switch(on);
        assert!(!off.is_on);
        fs::remove_file(&path).expect("the file is there");
        assert!(!files.switch(on).is_on, "without the file it is off");
    }
}
