//! Reads contents into types. What does not fit is told by its key and its place, never by its value: contents may hold
//! secrets, and errors end up in logs.

use std::fmt;

use nacrite_base::ConfigType;
use serde::de::DeserializeOwned;

use super::name::ConfigName;
use super::properties;
use super::tree::Tree;
use super::value::{Config, type_by_ending};

/// How a content is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JSON.
    Json,
    /// YAML, one document. Needs the feature `yaml`.
    #[cfg(feature = "yaml")]
    Yaml,
    /// TOML. Needs the feature `toml`.
    #[cfg(feature = "toml")]
    Toml,
    /// Java properties, where `a.b=1` is the field `b` of `a` and `c[0]=1` the first of the list `c`. A text without
    /// commas or with them is read as a list, where a list is wanted; texts become numbers and truth values.
    Properties,
    /// Java properties as one flat map, with the keys as they are written.
    FlatProperties,
}

impl Format {
    /// The format of a config: the one that was declared, else the one that the end of its data id speaks of.
    ///
    /// # Errors
    /// [`Unfit`] names a format that this program cannot read, or was built without.
    ///
    /// ```no_run
    /// # async fn example(configs: &nacrite_client::config::Configs) -> Result<(), Box<dyn std::error::Error>> {
    /// use nacrite_client::config::{ConfigName, Format};
    ///
    /// let name = ConfigName::from("limits.properties");
    /// if let Some(config) = configs.get(&name).await? {
    ///     let limits: std::collections::BTreeMap<String, u32> = Format::of(&name, &config)?.read(&config.content)?;
    ///     println!("{limits:?}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn of(name: &ConfigName, config: &Config) -> Result<Self, Unfit> {
        let declared = match config.config_type {
            ConfigType::Text | ConfigType::Unset => type_by_ending(name.data_id()),
            other => other,
        };
        Self::of_type(declared)
    }

    /// The format of a type that a publisher declares.
    pub(crate) fn of_type(declared: ConfigType) -> Result<Self, Unfit> {
        match declared {
            ConfigType::Json => Ok(Self::Json),
            #[cfg(feature = "yaml")]
            ConfigType::Yaml => Ok(Self::Yaml),
            #[cfg(feature = "toml")]
            ConfigType::Toml => Ok(Self::Toml),
            ConfigType::Properties => Ok(Self::Properties),
            other => Err(Unfit::new(format!("the format {other} is not read by this program"))),
        }
    }

    /// Reads a content.
    ///
    /// # Errors
    /// [`Unfit`] says where and why.
    ///
    /// ```
    /// use nacrite_client::config::Format;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Pool {
    ///     size: u16,
    /// }
    /// #[derive(serde::Deserialize)]
    /// struct Settings {
    ///     pool: Pool,
    /// }
    ///
    /// let settings: Settings = Format::Properties.read("pool.size=8")?;
    /// assert_eq!(settings.pool.size, 8);
    /// let broken = Format::Json.read::<Settings>(r#"{"pool":{"size":"secret"}}"#);
    /// let why = broken.err().map(|unfit| unfit.to_string()).unwrap_or_default();
    /// assert!(why.contains("pool.size") && !why.contains("secret"));
    /// # Ok::<_, nacrite_client::config::Unfit>(())
    /// ```
    pub fn read<T: DeserializeOwned>(self, content: &str) -> Result<T, Unfit> {
        match self {
            Self::Json => json(content),
            #[cfg(feature = "yaml")]
            Self::Yaml => yaml(content),
            #[cfg(feature = "toml")]
            Self::Toml => toml(content),
            Self::Properties => properties::read(content, properties::Shape::Nested),
            Self::FlatProperties => properties::read(content, properties::Shape::Flat),
        }
    }

    /// Reads a content, whatever is in it. Comments alone are no error: they hold nothing.
    pub(crate) fn tree(self, content: &str) -> Result<Tree, Unfit> {
        match self {
            Self::Json => json(content),
            #[cfg(feature = "yaml")]
            Self::Yaml => yaml::<Option<Tree>>(content).map(|tree| tree.unwrap_or(Tree::empty())),
            #[cfg(feature = "toml")]
            Self::Toml => toml(content),
            Self::Properties => properties::tree(content, properties::Shape::Nested),
            Self::FlatProperties => properties::tree(content, properties::Shape::Flat),
        }
    }
}

/// Why a content does not fit the type that it is to be read into. Holds no values of the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The key at which it does not, as `a.b[0]`, if that is known.
    pub key: Option<String>,
    /// Line and column, both from 1, if they are known.
    pub at: Option<(u64, u64)>,
    /// What is wrong.
    pub why: String,
}

impl Unfit {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { key: None, at: None, why: why.into() }
    }

    /// A failure of a type to take a value. `message` is serde's, and holds the value.
    pub(crate) fn of_value(path: &serde_path_to_error::Path, message: &str, at: Option<(u64, u64)>) -> Self {
        let key = Some(path.to_string()).filter(|key| key != ".");
        Self { key, at, why: without_values(message) }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        if let Some(key) = &self.key {
            write!(f, ", at {key}")?;
        }
        if let Some((line, column)) = self.at {
            write!(f, ", in line {line}, column {column}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Unfit {}

/// What serde says, without the value that it says it about.
fn without_values(message: &str) -> String {
    for prefix in ["invalid type", "invalid value", "invalid length", "unknown variant"] {
        if message.starts_with(prefix) {
            let expected = message.rsplit_once(", expected ").map(|(_, expected)| expected);
            return expected.map_or_else(|| prefix.to_owned(), |expected| format!("{prefix}, expected {expected}"));
        }
    }
    // These speak of keys.
    if ["missing field", "unknown field", "duplicate field"].iter().any(|prefix| message.starts_with(prefix)) {
        return message.to_owned();
    }
    // Anything else may come from the program's own types or from a parser, and may repeat what it was given.
    "it cannot be read".to_owned()
}

fn json<T: DeserializeOwned>(content: &str) -> Result<T, Unfit> {
    let mut reader = serde_json::Deserializer::from_str(content);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inner = error.inner();
        let at = Some((inner.line() as u64, inner.column() as u64)).filter(|(line, _)| *line > 0);
        let message = inner.to_string();
        // The place is told in its own field.
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        if inner.is_data() {
            Unfit::of_value(error.path(), message, at)
        } else {
            Unfit { key: None, at, why: format!("it is no JSON: {message}") }
        }
    })?;
    reader.end().map_err(|error| Unfit {
        key: None,
        at: Some((error.line() as u64, error.column() as u64)),
        why: "something follows the end of the JSON".to_owned(),
    })?;
    Ok(read)
}

#[cfg(feature = "yaml")]
fn yaml<T: DeserializeOwned>(content: &str) -> Result<T, Unfit> {
    let mut failed = None;
    let read = serde_saphyr::with_deserializer_from_str(content, |reader| {
        serde_path_to_error::deserialize(reader).map_err(|error| {
            let message = error.inner().without_snippet().to_string();
            failed = Some(Unfit::of_value(error.path(), &message, place(error.inner())));
            error.into_inner()
        })
    });
    read.map_err(|error| failed.take().unwrap_or_else(|| Unfit::of_yaml(&error)))
}

#[cfg(feature = "yaml")]
fn place(error: &serde_saphyr::Error) -> Option<(u64, u64)> {
    error.location().map(|at| (at.line(), at.column())).filter(|(line, _)| *line > 0)
}

#[cfg(feature = "yaml")]
impl Unfit {
    fn of_yaml(error: &serde_saphyr::Error) -> Self {
        Self { key: None, at: place(error), why: "it is no YAML".to_owned() }
    }
}

#[cfg(feature = "toml")]
fn toml<T: DeserializeOwned>(content: &str) -> Result<T, Unfit> {
    let place = |error: &toml::de::Error| error.span().map(|span| line_and_column(content, span.start));
    let reader = toml::Deserializer::parse(content).map_err(|error| Unfit {
        key: None,
        at: place(&error),
        why: "it is no TOML".to_owned(),
    })?;
    serde_path_to_error::deserialize(reader)
        .map_err(|error| Unfit::of_value(error.path(), error.inner().message(), place(error.inner())))
}

#[cfg(feature = "toml")]
fn line_and_column(content: &str, offset: usize) -> (u64, u64) {
    let before = content.get(..offset).unwrap_or(content);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    (line as u64, column as u64)
}

#[cfg(test)]
mod tests;
