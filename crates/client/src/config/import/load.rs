//! Reads the layers: files from the disk, configs from the servers, all at once. What is missing or broken ends it, unless
//! the layer is optional.

use futures_util::future::try_join_all;
use tracing::{debug, warn};

use super::location::{with_profile, without_optional};
use super::stack::{Layer, LayerTrouble, Rank, Stack, Version};
use super::{ConfigLayers, Import, LAYERS_MAX, Optional, Preference, Source, format_of};
use crate::config::Configs;
use crate::config::disk;
use crate::config::format::{Format, Unfit};
use crate::config::listening::Listening;
use crate::config::name::ConfigName;
use crate::config::tree::Tree;
use crate::config::value::{Config, type_by_ending};
use crate::error::Error;
use crate::tasks::Tasks;

/// Layers that were read.
pub(super) struct Loaded {
    pub(super) stack: Stack,
    pub(super) followed: Vec<Followed>,
    pub(super) tasks: Tasks,
}

/// A layer that is followed.
pub(super) struct Followed {
    /// In the stack.
    pub(super) place: usize,
    pub(super) format: Reader,
    pub(super) listening: Listening,
}

/// Reads the contents of imported configs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    /// Where nothing tells the format.
    default: Format,
}

impl Reader {
    pub(super) fn read(self, name: &ConfigName, config: &Config) -> Result<Tree, Unfit> {
        group(format_of(name.data_id(), config.config_type, self.default)?.tree(&config.content)?)
    }
}

/// Settings are names and values.
fn group(tree: Tree) -> Result<Tree, Unfit> {
    match tree {
        Tree::Group(_) => Ok(tree),
        Tree::Null => Ok(Tree::empty()),
        _ => Err(Unfit::new("it holds no names and values")),
    }
}

/// What is to be read, with the defaults of the layers filled in and the profiles added.
enum Task {
    Ready(Layer),
    File { path: String, optional: Optional },
    Import { import: Import, rank: Rank, follow: bool },
}

/// Reads all layers.
pub(super) async fn load(layers: &ConfigLayers) -> Result<Loaded, Error> {
    let configs = layers.configs.clone();
    let reader = Reader { default: layers.format };
    let tasks = tasks_of(layers)?;
    let read = try_join_all(tasks.into_iter().map(|task| one(&configs, reader, task))).await?;
    let (layers, listening): (Vec<_>, Vec<_>) = read.into_iter().unzip();
    let (stack, places) = Stack::new(layers);
    let followed = places
        .into_iter()
        .zip(listening)
        .filter_map(|(place, listening)| listening.map(|listening| Followed { place, format: reader, listening }));
    Ok(Loaded { stack, followed: followed.collect(), tasks: configs.inner.tasks.clone() })
}

fn tasks_of(layers: &ConfigLayers) -> Result<Vec<Task>, Error> {
    let ConfigLayers { profiles, group, refresh, preference, .. } = layers;
    let mut tasks = Vec::new();
    for (rank, source) in &layers.layers {
        match source {
            Source::Values(name, tree) => {
                tasks.push(Task::Ready(Layer::fixed((*name).to_owned(), *rank, tree.clone())));
            }
            Source::File(location) => {
                let (optional, path) = without_optional(location);
                tasks.push(Task::File { path: path.to_owned(), optional });
                tasks.extend(
                    profiles
                        .iter()
                        .map(|profile| Task::File { path: with_profile(path, profile), optional: Optional::Optional }),
                );
            }
            Source::Import(import) => {
                let import = import.clone().or_group(group.as_deref())?;
                let rank = match import.preference.unwrap_or(*preference) {
                    Preference::Local => Rank::ImportBelow,
                    Preference::Remote => Rank::ImportAbove,
                };
                let follow = import.refresh.unwrap_or(true) && *refresh;
                for profile in profiles {
                    tasks.push(Task::Import { import: import.of_profile(profile)?, rank, follow });
                }
                let at = tasks.len() - profiles.len();
                tasks.insert(at, Task::Import { import, rank, follow });
            }
        }
    }
    if tasks.len() > LAYERS_MAX {
        return Err(Error::Invalid(format!("{} layers, with profiles, are more than {LAYERS_MAX}", tasks.len())));
    }
    Ok(tasks)
}

async fn one(configs: &Configs, reader: Reader, task: Task) -> Result<(Layer, Option<Listening>), Error> {
    match task {
        Task::Ready(layer) => Ok((layer, None)),
        Task::File { path, optional } => Ok((file(path, optional).await?, None)),
        Task::Import { import, rank, follow } => imported(configs, reader, import, rank, follow).await,
    }
}

async fn file(path: String, optional: Optional) -> Result<Layer, Error> {
    let tree = file_at(&path, optional).await?;
    Ok(Layer::fixed(path, Rank::File, tree))
}

/// The values in a file; `None` if it is optional, and not there.
pub(super) async fn file_tree(location: &str) -> Result<Option<Tree>, Error> {
    let (optional, path) = without_optional(location);
    file_at(path, optional).await
}

async fn file_at(path: &str, optional: Optional) -> Result<Option<Tree>, Error> {
    let format = Format::of_type(type_by_ending(path));
    let format = format.map_err(|unfit| Error::Invalid(format!("the file {path}: {unfit}")))?;
    let at = path.to_owned();
    let what = || format!("reading the settings in {path}");
    let content = disk::blocking(move || disk::read_file(at.as_ref())).await?;
    let content = content.map_err(|source| Error::File { what: what(), source })?;
    let Some(content) = content else {
        return match optional {
            Optional::Optional => Ok(None),
            Optional::Required => Err(Error::File { what: what(), source: std::io::ErrorKind::NotFound.into() }),
        };
    };
    // Broken is not missing: whoever wrote it is told.
    let tree = format.tree(&content).and_then(group);
    tree.map(Some).map_err(|unfit| Error::Undecodable(format!("the file {path}: {unfit}")))
}

async fn imported(
    configs: &Configs,
    reader: Reader,
    import: Import,
    rank: Rank,
    follow: bool,
) -> Result<(Layer, Option<Listening>), Error> {
    let name = import.name();
    let optional = if import.is_optional() { Optional::Optional } else { Optional::Required };
    let mut layer = Layer { optional, ..Layer::fixed(import.to_string(), rank, None) };
    let read = if follow {
        configs.get_and_listen(name).await.map(|(config, listening)| (config, Some(listening)))
    } else {
        configs.get(name).await.map(|config| (config, None))
    };
    let (config, listening) = match read {
        Ok(read) => read,
        Err(error @ (Error::Closed | Error::Invalid(_))) => return Err(error),
        Err(error) if optional == Optional::Optional => {
            warn!(%name, %error, "optional config cannot be read, the program starts without it");
            layer.trouble = Some(LayerTrouble::Unread(error.to_string()));
            // It is heard when a server answers.
            let listening = if follow { Some(configs.listen(name).await?) } else { None };
            return Ok((layer, listening));
        }
        Err(error) => return Err(error),
    };
    match config.map(|config| (reader.read(name, &config), config.digest)) {
        None if optional == Optional::Optional => debug!(%name, "there is no such config; it is optional"),
        None => {
            warn!(%name, "there is no such config; the program starts without it");
            layer.trouble = Some(LayerTrouble::Missing);
        }
        Some((Ok(tree), digest)) => layer.used = Version { tree: Some(tree), digest: Some(digest) },
        Some((Err(why), digest)) if optional == Optional::Optional => {
            warn!(%name, %why, "optional config is broken, the program starts without it");
            layer.trouble = Some(LayerTrouble::Unfit { digest: Some(digest), why });
        }
        Some((Err(why), _)) => return Err(Error::Undecodable(format!("config {name}: {why}"))),
    }
    Ok((layer, listening))
}
