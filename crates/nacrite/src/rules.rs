//! Rules in files: how many connections there may be, and how often something may be asked, in Nacos's own format.
//!
//! They stand below the data directory as they stand below `data` in Nacos: `connection/limitRule`, and `tps/<point>`. They
//! are read at the start and whenever they change; a file that cannot be read leaves the rule as it was and is named in
//! the log, once per change. A file that is gone takes its rule with it.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nacrite_app::App;
use nacrite_app::control::Mode;
use nacrite_app::control::limit::LimitRule;
use nacrite_app::control::tps::{KeyKind, KeyRule, Period, PointRule, Threshold};
use nacrite_wire::control::rules::{self, Detail, Model, MonitorType, RuleError};
use tracing::{info, warn};

/// How often files are looked at. Nacos reports every 3 s, and reads anew when it is told to.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// Bytes of a file. A rule for ten thousand addresses is shorter; a longer file is refused.
const FILE_LEN_MAX: u64 = 1 << 20;

/// Files with rules of points that are read, more than there are points. Further ones are passed over.
const FILES_MAX: usize = 100;

/// The text of a file, or why there is none.
type Text = Result<Vec<u8>, String>;

/// What stands in the files now.
#[derive(Debug, Default, PartialEq, Eq)]
struct Files {
    limit: Option<Text>,
    points: BTreeMap<String, Text>,
}

impl Files {
    fn read(dir: &Path) -> Self {
        let mut points = BTreeMap::new();
        if let Ok(entries) = std::fs::read_dir(dir.join("tps")) {
            for entry in entries.filter_map(Result::ok).take(FILES_MAX) {
                if let (Ok(name), Some(text)) = (entry.file_name().into_string(), read(&entry.path())) {
                    points.insert(name, text);
                }
            }
        }
        Self { limit: read(&dir.join("connection").join("limitRule")), points }
    }
}

/// A file; `None` if there is none.
fn read(path: &Path) -> Option<Text> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(error.to_string())),
    };
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return None;
    }
    let mut text = Vec::new();
    match file.take(FILE_LEN_MAX + 1).read_to_end(&mut text) {
        Ok(_) if text.len() as u64 > FILE_LEN_MAX => Some(Err(format!("it is longer than {FILE_LEN_MAX} bytes"))),
        Ok(_) => Some(Ok(text)),
        Err(error) => Some(Err(error.to_string())),
    }
}

/// What is in force.
#[derive(Debug, Default)]
struct InForce {
    files: Files,
    limit: Option<LimitRule>,
    points: BTreeMap<String, PointRule>,
}

impl InForce {
    /// Takes over what the files say now. Returns what is wrong with them; `None` if they did not change.
    fn update(&mut self, files: Files) -> Option<Vec<String>> {
        if self.files == files {
            return None;
        }
        let mut wrong = Vec::new();
        let changed = |old: Option<&Text>, new: &Text| old != Some(new);
        match &files.limit {
            None => self.limit = None,
            Some(text) if changed(self.files.limit.as_ref(), text) => match understood(text, rules::limit_rule) {
                Ok(rule) => self.limit = Some(limit(rule)),
                Err(why) => wrong.push(format!("connection/limitRule: {why}")),
            },
            Some(_) => {}
        }
        self.points.retain(|name, _| files.points.contains_key(name));
        for (name, text) in &files.points {
            if !changed(self.files.points.get(name), text) {
                continue;
            }
            match understood(text, rules::point_rule).and_then(|rule| point(name, &rule)) {
                Ok(rule) => {
                    self.points.insert(name.clone(), rule);
                }
                Err(why) => wrong.push(format!("tps/{name}: {why}")),
            }
        }
        self.files = files;
        Some(wrong)
    }
}

fn understood<T>(text: &Text, read: fn(&[u8]) -> Result<T, RuleError>) -> Result<T, String> {
    text.as_ref().map_err(Clone::clone).and_then(|text| read(text).map_err(|error| error.to_string()))
}

/// Looks at the files until the server stops. `settings` counts where the file about connections says nothing.
pub(crate) async fn watch(app: Arc<App>, dir: PathBuf, settings: LimitRule) {
    let mut in_force = InForce::default();
    loop {
        if let Some(wrong) = in_force.update(Files::read(&dir)) {
            for why in wrong {
                warn!("{why}; the rule is as it was");
            }
            let InForce { limit, points, .. } = &in_force;
            info!(limits_connections = limit.is_some(), points = points.len(), "rules are in force");
            app.connections.set_rule(limit.clone().unwrap_or_default().or(&settings));
            let points = points.iter().map(|(name, rule)| (name.clone(), rule.clone()));
            for name in app.pipeline.points.set_rules(points.collect()) {
                warn!(point = name, "no request passes a control point of this name");
            }
        }
        tokio::select! {
            biased;
            () = app.tasks.stopping() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

fn limit(file: rules::LimitRule) -> LimitRule {
    let number = |given: i64| usize::try_from(given).ok();
    let numbers = |given: BTreeMap<String, i64>| {
        given.into_iter().filter_map(|(key, given)| Some((key, number(given)?))).collect()
    };
    LimitRule {
        total: number(file.count_limit),
        per_ip: number(file.count_limit_per_client_ip_default).filter(|max| *max > 0),
        of_ip: numbers(file.count_limit_per_client_ip),
        of_app: numbers(file.count_limit_per_client_app),
        per_app: None,
        traced: file.monitor_ip_list.into_iter().collect(),
        mode: mode(file.monitor_type),
    }
}

fn point(name: &str, file: &rules::PointRule) -> Result<PointRule, String> {
    if let Some(other) = file.point_name.as_ref().filter(|other| *other != name) {
        return Err(format!("it is about {other}: the file must be named after its point"));
    }
    let whole = threshold(&file.point_rule.clone().unwrap_or_default());
    let keys = file.monitor_key_rule.iter().flatten().map(|(name, detail)| key(name, detail));
    Ok(PointRule { whole, keys: keys.collect::<Result<_, _>>()? })
}

fn key(name: &str, detail: &Detail) -> Result<KeyRule, String> {
    let given = detail.pattern.as_deref().unwrap_or(name);
    let (kind, pattern) = match given.split_once(':') {
        Some(("clientIp", pattern)) => (KeyKind::ClientIp, pattern),
        Some(("connectionId", pattern)) => (KeyKind::Connection, pattern),
        _ => return Err(format!("{given:?} names no keys; expected clientIp:… or connectionId:…")),
    };
    let (pattern, is_each) = (pattern.to_owned(), detail.model == Model::Proto);
    Ok(KeyRule { kind, pattern, is_each, threshold: threshold(detail) })
}

fn threshold(detail: &Detail) -> Threshold {
    let period = match detail.period {
        rules::Period::Seconds => Period::Second,
        rules::Period::Minutes => Period::Minute,
        rules::Period::Hours => Period::Hour,
    };
    Threshold { max: u64::try_from(detail.max_count).ok(), period, mode: mode(detail.monitor_type) }
}

fn mode(given: MonitorType) -> Mode {
    match given {
        MonitorType::Monitor => Mode::Monitor,
        MonitorType::Intercept => Mode::Intercept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, text: &str) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }

    #[test]
    fn files_are_followed_and_broken_ones_change_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut rules = InForce::default();
        assert_eq!(rules.update(Files::read(dir.path())), None, "no files, no rules");
        write(dir.path(), "connection/limitRule", r#"{"countLimit":7,"countLimitPerClientIp":{"a":-1,"b":2}}"#);
        write(dir.path(), "tps/ConfigQuery", r#"{"pointRule":{"maxCount":5,"monitorType":"intercept"}}"#);
        assert_eq!(rules.update(Files::read(dir.path())), Some(Vec::new()));
        let limit = rules.limit.clone().expect("a rule");
        assert_eq!((limit.total, limit.of_ip.len(), limit.mode), (Some(7), 1, Mode::Intercept));
        assert_eq!(rules.points["ConfigQuery"].whole.max, Some(5));
        assert_eq!(rules.update(Files::read(dir.path())), None, "nothing changed");

        write(dir.path(), "connection/limitRule", "{");
        write(dir.path(), "tps/ConfigQuery", r#"{"pointName":"ConfigPublish"}"#);
        let wrong = rules.update(Files::read(dir.path())).expect("something changed");
        assert!(wrong[0].starts_with("connection/limitRule: ") && wrong[1].contains("ConfigPublish"), "{wrong:?}");
        assert_eq!((rules.limit.as_ref(), rules.points.len()), (Some(&limit), 1));
        assert_eq!(rules.update(Files::read(dir.path())), None, "it is said once");

        std::fs::remove_file(dir.path().join("connection/limitRule")).expect("removed");
        std::fs::remove_dir_all(dir.path().join("tps")).expect("removed");
        assert_eq!(rules.update(Files::read(dir.path())), Some(Vec::new()));
        assert!(rules.limit.is_none() && rules.points.is_empty());
    }

    #[test]
    fn a_file_that_is_too_long_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        write(dir.path(), "tps/ConfigQuery", &" ".repeat((1 << 20) + 1));
        let wrong = InForce::default().update(Files::read(dir.path())).expect("it is there");
        assert!(wrong[0].contains("longer"), "{wrong:?}");
    }

    #[test]
    fn rules_for_keys_name_what_they_go_by() {
        let read = |text: &str| point("P", &rules::point_rule(text.as_bytes()).expect("JSON"));
        let rule = read(
            r#"{"monitorKeyRule":{"clientIp:10.*":{"maxCount":1,"model":"PROTO"},
                "x":{"pattern":"connectionId:*","period":"HOURS"}}}"#,
        )
        .expect("a rule");
        let kinds: Vec<_> = rule.keys.iter().map(|key| (key.kind, key.pattern.as_str(), key.is_each)).collect();
        assert_eq!(kinds, [(KeyKind::ClientIp, "10.*", true), (KeyKind::Connection, "*", false)]);
        assert!(read(r#"{"monitorKeyRule":{"user:x":{}}}"#).expect_err("no such key").contains("clientIp"));
    }
}
