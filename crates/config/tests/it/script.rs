//! Runs a script against one catalogue. A line is a sentence, an arrow and what is expected; `#` starts a comment.
//! Contents are words, and a content's digest is the word itself.

use std::sync::Arc;

use nacrite_base::{
    Attributes, ConfigKey, ConfigType, ContentDigest, DataId, GroupName, NamespaceId, Publisher, Release, Tag,
    Timestamp,
};
use nacrite_config::{Catalog, Command, HistoryRow, Keep, Labels, Refusal, Selected};

pub(crate) fn check(script: &str) {
    let mut run = Run { catalog: Catalog::new(), history: Vec::new(), id: 0 };
    for line in script.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        if let Some((sentence, expected)) = line.split_once("->") {
            assert_eq!(run.sentence(sentence.trim()), expected.trim(), "{line}");
            assert_eq!(run.catalog.violations(), Vec::<String>::new(), "{line}");
        }
    }
}

struct Run {
    catalog: Catalog,
    history: Vec<HistoryRow>,
    id: u64,
}

impl Run {
    fn sentence(&mut self, sentence: &str) -> String {
        let words: Vec<&str> = sentence.split_whitespace().collect();
        let option =
            |name: &str| words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned);
        let key = key(words[1]);
        match words[0] {
            "publish" => {
                let cas = words.iter().position(|word| *word == "if").map(|at| words[at + 1].into());
                let release = match (option("beta"), option("tag")) {
                    (Some(ips), _) => Release::Beta { ips: ips.into() },
                    (_, Some(tag)) => Release::Tag(Tag::parse(&tag).expect("a tag")),
                    _ => Release::Formal,
                };
                let attributes = Attributes {
                    config_type: ConfigType::from_declared(option("type").as_deref()),
                    app_name: option("app").map(Into::into),
                    description: option("desc").map(Into::into),
                    tags: option("tags").map(|tags| tags.split(',').map(Into::into).collect()),
                    ..Attributes::default()
                };
                let digest = ContentDigest::from_stored(words[2]);
                let (by, at) = (Publisher::default(), Timestamp::from_ms(self.id));
                self.apply(Command::Publish { key, release, digest, cas, attributes, by, at })
            }
            "remove" => {
                let (by, at) = (Publisher::default(), Timestamp::from_ms(self.id));
                self.apply(Command::Remove { key, gray: option("gray").map(Into::into), by, at })
            }
            "read" => {
                let (ip, asked, carried) = (option("ip").unwrap_or_default(), option("tag"), option("carries"));
                let labels = Labels { client_ip: &ip, asked_tag: asked.as_deref(), carried_tag: carried.as_deref() };
                match self.catalog.get(&key).map_or(Selected::Nothing, |entry| entry.select(&labels)) {
                    Selected::Gray(gray) => format!("{} ({})", gray.version.digest, gray.name),
                    Selected::Formal(version) => version.digest.to_string(),
                    Selected::Nothing => "nothing".to_owned(),
                }
            }
            "shows" => self.shows(&key),
            "history" => {
                let rows = self.history.iter().filter(|row| row.key == key).map(|row| {
                    let gray = row.gray.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
                    format!("{} {}{gray}", row.operation.letter(), row.version.digest)
                });
                rows.collect::<Vec<_>>().join(", ")
            }
            other => panic!("not a sentence: {other}"),
        }
    }

    fn apply(&mut self, command: Command) -> String {
        self.id += 1;
        match self.catalog.apply(self.id, command) {
            Ok(effects) => {
                let kept = if effects.keep.is_empty() { "nothing kept" } else { "kept" };
                for keep in effects.keep {
                    if let Keep::History(row) = keep {
                        self.history.push(*row);
                    }
                }
                format!("{kept}, {}", if effects.changed.is_some() { "told" } else { "not told" })
            }
            Err(Refusal::Raced) => "raced".to_owned(),
            Err(Refusal::GrayVersionsFull { .. }) => "too many gray versions".to_owned(),
            Err(Refusal::GrayMissing { .. }) => "no such gray version".to_owned(),
        }
    }

    fn shows(&self, key: &ConfigKey) -> String {
        let entry = self.catalog.get(key).expect("the config is there");
        let attributes = &entry.formal.as_ref().expect("a formal version").attributes;
        let mut words = vec![attributes.config_type.to_string()];
        let said = |name: &str, value: &Option<Arc<str>>| value.as_ref().map(|value| format!("{name}={value}"));
        words.extend(said("app", &attributes.app_name));
        words.extend(said("desc", &attributes.description));
        words.extend(attributes.tags.as_ref().map(|tags| format!("tags={}", tags.join(","))));
        words.join(" ")
    }
}

fn key(name: &str) -> ConfigKey {
    ConfigKey {
        namespace: NamespaceId::public(),
        group: GroupName::default_group(),
        data_id: DataId::parse(name).expect("a data id"),
    }
}
