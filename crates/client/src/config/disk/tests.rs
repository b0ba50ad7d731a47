//! Where files lie, what is in them, and what must not be.

use nacrite_base::ConfigType;

use super::*;

fn servers(list: &[&str]) -> Vec<ServerAddress> {
    list.iter().map(|server| server.parse().expect("an address")).collect()
}

fn config(content: &str) -> Config {
    Config::from_content(content, ConfigType::Text, Origin::Server)
}

fn files_below(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).expect("a directory").map(|entry| entry.expect("an entry")) {
        if entry.path().is_dir() {
            found.extend(
                files_below(&entry.path())
                    .into_iter()
                    .map(|below| format!("{}/{below}", entry.file_name().to_string_lossy())),
            );
        } else {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn files_lie_where_javas_client_has_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut sealed = config("sealed");
    sealed.encrypted_data_key = Some("key".into());
    let name = ConfigName::from(("x.yaml", "G"));
    Disk::new(dir.path(), &servers(&["10.0.0.1", "[::1]:80"]), "public").keep(&name, Known::Present(sealed)).await;
    Disk::new(dir.path(), &servers(&["h"]), "dev").keep(&name, Known::Present(config("plain"))).await;
    assert_eq!(
        files_below(dir.path()),
        [
            "fixed-10.0.0.1_8848-__1_80_nacos/encrypted-data-key/snapshot/G/x.yaml",
            "fixed-10.0.0.1_8848-__1_80_nacos/snapshot/G/x.yaml",
            "fixed-dev-h_8848_nacos/snapshot-tenant/dev/G/x.yaml",
        ]
    );
}

#[tokio::test]
async fn what_is_kept_is_read_again_and_deleted_with_the_config() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Disk::new(dir.path(), &servers(&["h"]), "dev");
    let name = ConfigName::from("x.json");
    assert!(disk.snapshot(&name).await.expect("no error").is_none());

    let mut sealed = config("sealed");
    sealed.encrypted_data_key = Some("key".into());
    disk.keep(&name, Known::Present(sealed.clone())).await;
    let read = disk.snapshot(&name).await.expect("readable").expect("kept");
    assert_eq!((&*read.content, read.encrypted_data_key.as_deref()), ("sealed", Some("key")));
    assert_eq!((read.origin, read.config_type, read.digest), (Origin::Snapshot, ConfigType::Json, sealed.digest));

    disk.keep(&name, Known::Present(config("plain"))).await;
    let read = disk.snapshot(&name).await.expect("readable").expect("kept");
    assert_eq!((&*read.content, read.encrypted_data_key), ("plain", None), "the key is gone with what it was for");

    disk.keep(&name, Known::Nothing).await;
    assert!(disk.snapshot(&name).await.expect("readable").is_some(), "nothing was found out");
    disk.keep(&name, Known::Absent).await;
    assert!(disk.snapshot(&name).await.expect("no error").is_none());
    assert!(files_below(dir.path()).is_empty(), "nothing is left beside");
}

#[tokio::test]
async fn names_do_not_lead_out_of_the_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Disk::new(dir.path(), &servers(&["h"]), "");
    for name in [("..", ".."), (".", "G"), ("...", "G")] {
        disk.keep(&name.into(), Known::Present(config("x"))).await;
        assert!(disk.snapshot(&name.into()).await.expect("readable").is_some(), "{name:?}");
    }
    let root = "fixed-h_8848_nacos/snapshot";
    let expected = [format!("{root}/%2E%2E/%2E%2E"), format!("{root}/G/%2E"), format!("{root}/G/%2E%2E%2E")];
    assert_eq!(files_below(dir.path()), expected);
}

#[test]
fn long_lists_of_servers_get_a_short_name() {
    let many: Vec<String> = (0..20).map(|n| format!("10.0.0.{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let name = short(&server_name(&servers(&many), ""));
    assert_eq!(name.len(), SERVER_NAME_LEN_MAX + 32);
    assert!(name.starts_with("fixed-10.0.0.0_8848-10.0.0.1_8848-"));
    assert_ne!(name, short(&server_name(&servers(&many[1..]), "")));
    assert_eq!(short("../x:1"), ".._x_1");
}

#[tokio::test]
async fn a_snapshot_that_a_power_failure_left_empty_is_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Disk::new(dir.path(), &servers(&["h"]), "");
    disk.keep(&"x".into(), Known::Present(config("x"))).await;
    for left in ["", "\0\0\0"] {
        fs::write(dir.path().join("fixed-h_8848_nacos/snapshot/DEFAULT_GROUP/x"), left).expect("written");
        assert!(disk.snapshot(&"x".into()).await.expect("readable").is_none(), "{left:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn snapshots_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().expect("a directory");
    let disk = Disk::new(dir.path(), &servers(&["h"]), "");
    disk.keep(&"x".into(), Known::Present(config("secret"))).await;
    let path = dir.path().join("fixed-h_8848_nacos/snapshot/DEFAULT_GROUP/x");
    assert_eq!(fs::metadata(path).expect("written").permissions().mode() & 0o777, 0o600);
}

#[test]
fn files_that_override_are_noticed_when_they_come_change_and_go() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Disk::new(dir.path(), &servers(&["h"]), "");
    let folder = dir.path().join("fixed-h_8848_nacos/data/config-data/DEFAULT_GROUP");
    fs::create_dir_all(&folder).expect("a directory");
    let (names, mut seen) = ([ConfigName::from("x")], HashMap::new());
    let mut look = || {
        let changed = disk.0.overrides(&names, &mut seen);
        changed.into_iter().map(|(_, config)| config.map(|config| config.content.to_string())).collect::<Vec<_>>()
    };
    assert!(look().is_empty());
    fs::write(folder.join("x"), "one").expect("written");
    assert_eq!(look(), [Some("one".into())]);
    assert!(look().is_empty());
    fs::write(folder.join("x"), "other").expect("written");
    assert_eq!(look(), [Some("other".into())]);
    fs::write(folder.join("x"), [0xff, 0xfe, 0xff, 0xfe, 0xff, 0xfe]).expect("written");
    assert!(look().is_empty(), "what cannot be read does not count");
    fs::remove_file(folder.join("x")).expect("removed");
    assert_eq!(look(), [None]);
    assert!(look().is_empty());
}

#[tokio::test]
async fn a_disk_that_fails_is_no_error_when_keeping_and_one_when_reading() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Disk::new(dir.path(), &servers(&["h"]), "");
    fs::write(dir.path().join("fixed-h_8848_nacos"), "in the way").expect("written");
    disk.keep(&"x".into(), Known::Present(config("x"))).await;
    assert!(matches!(disk.snapshot(&"x".into()).await, Err(Error::File { .. })));
}
