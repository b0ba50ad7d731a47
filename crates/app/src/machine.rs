//! The state machine: takes commands out of the log, asks the rules, gives the store what is to be kept, and shows the
//! rest of the server what came of it.
//!
//! Runs on the state thread alone. Nothing here reads a clock or anything else that could differ between nodes: times,
//! digests and addresses came with the command.

mod cluster;
mod command;
pub(crate) mod convert;
pub(crate) mod record;

pub(crate) use command::answer;
pub use command::{DurableWrite, Refused};
pub(crate) use record::NamespaceRow;

use std::sync::Arc;

use bytes::Bytes;
use nacrite_base::{BoxError, ConfigKey};
use nacrite_cluster::raft::Machine;
use nacrite_config::{Catalog, Entry, HistoryRow, Keep, RowId};
use nacrite_naming::durable::{DurableRefusal, Keep as NamingKeep};
use nacrite_naming::{Command as RegistryCommand, Durable, DurableCommand};
use nacrite_store::{Batch, StateReader, StateView, Table};
use prost::Message;

use crate::health::HealthChecks;
use crate::namespaces::{Namespace, Namespaces};
use crate::owner::configs::Configs;
use crate::owner::registry::Shards;
use crate::push::listeners::ConfigListeners;
use crate::push::long_poll::LongPolls;
use crate::push::settle::Settle;
use crate::switches::SwitchBoard;
use record::{AnswerRecord, CommandRecord, Kind, Outcome, SwitchRow};

/// Who is shown what came of a command.
#[derive(Clone, Debug)]
pub struct Audience {
    /// Readers of configs.
    pub configs: Arc<Configs>,
    /// Readers of namespaces.
    pub namespaces: Arc<Namespaces>,
    /// The registry, which holds persistent instances beside the ephemeral ones.
    pub shards: Arc<Shards>,
    /// Subscribers of services.
    pub settle: Arc<Settle>,
    /// Listeners of configs that hold a connection.
    pub listeners: Arc<ConfigListeners>,
    /// Listeners of configs that wait over HTTP.
    pub long_polls: Arc<LongPolls>,
    /// Who checks the health of persistent instances.
    pub health: Arc<HealthChecks>,
    /// Readers of switches.
    pub switches: Arc<SwitchBoard>,
}

/// What is to be shown once the writes of a command are visible in the store.
#[derive(Debug)]
enum Show {
    Config { key: ConfigKey, entry: Option<Arc<Entry>>, tell: bool },
    Content(RowId, Bytes),
    Registry(RegistryCommand),
    Namespace(String, Option<Namespace>),
    Switch(SwitchRow),
}

/// Commands in, answers out.
#[derive(Debug)]
pub struct AppMachine {
    catalog: Catalog,
    durable: Durable,
    audience: Audience,
    to_show: Vec<Show>,
    /// The newest id that was given away.
    newest_id: RowId,
}

/// Ids that one entry of the log can give away: more than commands fit into it.
const IDS_PER_ENTRY: u64 = 1 << 12;

impl AppMachine {
    /// A machine that shows what happens to `audience`.
    #[must_use]
    pub fn new(audience: Audience) -> Self {
        let (catalog, durable) = (Catalog::new(), Durable::default());
        Self { catalog, durable, audience, to_show: Vec::new(), newest_id: 0 }
    }

    /// An id that no other command gets, made from the command's place in the log alone.
    fn next_id(&mut self, index: u64) -> RowId {
        self.newest_id = (self.newest_id + 1).max(index.saturating_mul(IDS_PER_ENTRY));
        self.newest_id
    }

    fn apply_config(
        &mut self,
        id: RowId,
        command: nacrite_config::Command,
        content: &Bytes,
        batch: &mut Batch,
    ) -> AnswerRecord {
        let effects = match self.catalog.apply(id, command) {
            Ok(effects) => effects,
            Err(refusal) => return refused(&refusal),
        };
        for keep in effects.keep {
            match keep {
                Keep::Content(id) => {
                    batch.put(Table::ConfigBody, &id.to_be_bytes(), content);
                    self.to_show.push(Show::Content(id, content.clone()));
                }
                Keep::Entry(key, entry) => {
                    let at = config_place(&key);
                    match &entry {
                        Some(entry) => {
                            batch.put(Table::Config, &at, &convert::config_row(&key, entry).encode_to_vec());
                        }
                        None => batch.delete(Table::Config, &at),
                    }
                    let tell = effects.changed.is_some();
                    self.to_show.push(Show::Config { key, entry, tell });
                }
                Keep::History(row) => {
                    batch.put(Table::History, &row.id.to_be_bytes(), &convert::history_record(&row).encode_to_vec());
                    batch.put(Table::HistoryByConfig, &history_place(&row.key, row.id), &[]);
                }
            }
        }
        AnswerRecord::default()
    }

    fn apply_naming(&mut self, command: DurableCommand, batch: &mut Batch) -> AnswerRecord {
        let (keep, command) = match self.durable.apply(command) {
            Ok(done) => done,
            Err(refusal) => {
                let outcome = match refusal {
                    DurableRefusal::Exists => Outcome::ServiceExists,
                    DurableRefusal::ClustersFull => Outcome::ClustersFull,
                };
                return AnswerRecord { outcome: outcome.into(), detail: String::new() };
            }
        };
        match keep {
            NamingKeep::Service(key, Some(metadata)) => {
                let row = convert::service_row(&key, &metadata);
                batch.put(Table::Service, &convert::service_name(&key).encode_to_vec(), &row.encode_to_vec());
            }
            NamingKeep::Service(key, None) => {
                batch.delete(Table::Service, &convert::service_name(&key).encode_to_vec());
            }
            NamingKeep::Instance(service, client, instance) => {
                let at = instance_place(&service, &client.to_string());
                match instance {
                    Some(instance) => {
                        let row = convert::instance_row(&service, &instance);
                        batch.put(Table::PersistentInstance, &at, &row.encode_to_vec());
                    }
                    None => batch.delete(Table::PersistentInstance, &at),
                }
            }
            NamingKeep::Override(service, key, values) => {
                let at = convert::instance_name(&service, &key).encode_to_vec();
                match values {
                    Some(values) => {
                        let row = convert::override_row(&service, &key, &values);
                        batch.put(Table::InstanceOverride, &at, &row.encode_to_vec());
                    }
                    None => batch.delete(Table::InstanceOverride, &at),
                }
            }
        }
        self.to_show.extend(command.map(Show::Registry));
        AnswerRecord::default()
    }

    fn show(&self, what: Show) {
        let audience = &self.audience;
        match what {
            Show::Content(id, content) => audience.configs.remember(id, content),
            Show::Config { key, entry, tell } => {
                audience.configs.show(&key, entry);
                if tell {
                    audience.listeners.changed(&key);
                    audience.long_polls.changed(&key);
                }
            }
            Show::Registry(command) => show_registry(audience, command),
            Show::Switch(row) => audience.switches.keep(&row.entry, &row.value),
            Show::Namespace(id, namespace) => audience.namespaces.show(id, namespace),
        }
    }
}

fn show_registry(audience: &Audience, command: RegistryCommand) {
    let service = match &command {
        RegistryCommand::Register { service, .. }
        | RegistryCommand::Deregister { service, .. }
        | RegistryCommand::SetMetadata { service, .. }
        | RegistryCommand::SetOverride { service, .. } => service.clone(),
        _ => return,
    };
    let (came, went) = match &command {
        RegistryCommand::Register { client, .. } => (Some(client.clone()), None),
        RegistryCommand::Deregister { client, .. } => (None, Some(client.clone())),
        _ => (None, None),
    };
    match audience.shards.apply(&service, command) {
        Ok(effects) => {
            effects.changed.iter().for_each(|key| audience.settle.changed(key));
            if let Some(client) = came {
                audience.health.watch(&service, client);
            }
            if let Some(client) = went {
                audience.health.forget(&service, &client);
            }
        }
        // An ephemeral registration was faster than the log: the instance is kept, and shown when the service is free.
        Err(refusal) => tracing::warn!(%service, %refusal, "a persistent instance is not shown"),
    }
}

fn refused(refusal: &nacrite_config::Refusal) -> AnswerRecord {
    use nacrite_config::Refusal;
    let (outcome, detail) = match refusal {
        Refusal::Raced => (Outcome::ConfigRaced, String::new()),
        Refusal::GrayVersionsFull { .. } => (Outcome::GrayVersionsFull, String::new()),
        Refusal::GrayMissing { name } => (Outcome::GrayMissing, name.to_string()),
    };
    AnswerRecord { outcome: outcome.into(), detail }
}

/// Where a config stands in its table: ordered by namespace, group, data id. No part holds a zero byte.
fn config_place(key: &ConfigKey) -> Vec<u8> {
    [key.namespace.as_str(), key.group.as_str(), key.data_id.as_str()].join("\0").into_bytes()
}

/// Where a row of the history stands in the table that orders it by config.
fn history_place(key: &ConfigKey, id: RowId) -> Vec<u8> {
    let mut at = config_place(key);
    at.push(0);
    at.extend_from_slice(&id.to_be_bytes());
    at
}

/// Where a switch stands among the single values.
fn switch_place(entry: &str) -> Vec<u8> {
    [SWITCHES, entry].concat().into_bytes()
}

/// What the places of all switches begin with.
const SWITCHES: &str = "switch/";

fn instance_place(service: &nacrite_base::ServiceKey, client: &str) -> Vec<u8> {
    let service = [service.namespace.as_str(), service.group.as_str(), service.name.as_str()].join("\0");
    [service.as_str(), client].join("\0").into_bytes()
}

impl Machine for AppMachine {
    /// Called before anything is served. A snapshot of another node would call it again, over what is shown already; a node that is
    /// alone in its group never gets one.
    fn load(&mut self, state: &StateReader) -> Result<(), BoxError> {
        self.audience.configs.read_from(state.clone());
        let state = state.view()?;
        for row in state.scan_prefix(Table::Config, &[])? {
            let (key, entry) = convert::config_entry(record::ConfigRow::decode(&*row?.value)?)?;
            let entry = Arc::new(entry);
            self.catalog.restore(key.clone(), Arc::clone(&entry));
            self.audience.configs.show(&key, Some(entry));
        }
        for row in state.scan_prefix(Table::Namespaces, &[])? {
            let namespace = Namespace::from(record::NamespaceRow::decode(&*row?.value)?);
            self.audience.namespaces.show(namespace.id.to_string(), Some(namespace));
        }
        for row in state.scan_prefix(Table::Meta, SWITCHES.as_bytes())? {
            let SwitchRow { entry, value } = SwitchRow::decode(&*row?.value)?;
            self.audience.switches.keep(&entry, &value);
        }
        let mut kept = Vec::new();
        for row in state.scan_prefix(Table::Service, &[])? {
            let (key, of) = convert::service_metadata(record::ServiceRow::decode(&*row?.value)?)?;
            kept.push(NamingKeep::Service(key, Some(Arc::new(of))));
        }
        for row in state.scan_prefix(Table::InstanceOverride, &[])? {
            let (service, key, values) = convert::override_values(record::OverrideRow::decode(&*row?.value)?)?;
            kept.push(NamingKeep::Override(service, key, Some(Arc::new(values))));
        }
        for row in state.scan_prefix(Table::PersistentInstance, &[])? {
            let (service, instance) = convert::instance(record::InstanceRow::decode(&*row?.value)?)?;
            let client = nacrite_naming::durable::persistent_client(&instance.key);
            kept.push(NamingKeep::Instance(service, client, Some(instance)));
        }
        for kept in &kept {
            if let Some(command) = self.durable.restore(kept) {
                show_registry(&self.audience, command);
            }
        }
        Ok(())
    }

    fn apply(&mut self, index: u64, command: &Bytes, batch: &mut Batch) -> Result<Bytes, BoxError> {
        let record = CommandRecord::decode(command.clone())?;
        let kind = record.kind.ok_or("a command of a newer version of Nacrite is in the log; update this node")?;
        let id = self.next_id(index);
        let answer = match kind {
            Kind::PublishConfig(publish) => {
                let content = publish.content.clone();
                self.apply_config(id, command::publish(publish)?, &content, batch)
            }
            Kind::RemoveConfig(remove) => self.apply_config(id, command::remove(remove)?, &Bytes::new(), batch),
            Kind::DropHistory(drop) => {
                self.drop_history(&drop.ids, batch)?;
                AnswerRecord::default()
            }
            Kind::PutNamespace(row) => {
                batch.put(Table::Namespaces, row.id.as_bytes(), &row.encode_to_vec());
                self.to_show.push(Show::Namespace(row.id.clone(), Some(row.into())));
                AnswerRecord::default()
            }
            Kind::RemoveNamespace(id) => {
                batch.delete(Table::Namespaces, id.as_bytes());
                self.to_show.push(Show::Namespace(id, None));
                AnswerRecord::default()
            }
            Kind::SetSwitch(row) => {
                batch.put(Table::Meta, &switch_place(&row.entry), &row.encode_to_vec());
                self.to_show.push(Show::Switch(row));
                AnswerRecord::default()
            }
            naming => self.apply_naming(command::naming(naming)?, batch),
        };
        Ok(answer.encode_to_vec().into())
    }

    fn publish(&mut self) {
        for what in std::mem::take(&mut self.to_show) {
            self.show(what);
        }
    }
}

impl AppMachine {
    /// Removes rows of the history, and the contents that belong to them.
    fn drop_history(&mut self, ids: &[RowId], batch: &mut Batch) -> Result<(), BoxError> {
        let Some(store) = self.audience.configs.store() else {
            return Ok(());
        };
        for id in ids {
            let Some(row) = store.get(Table::History, &id.to_be_bytes())? else {
                continue;
            };
            let row = convert::history_row(record::HistoryRecord::decode(&*row)?)?;
            if row.owns_content() {
                batch.delete(Table::ConfigBody, &row.version.content.to_be_bytes());
            }
            batch.delete(Table::HistoryByConfig, &history_place(&row.key, row.id));
            batch.delete(Table::History, &id.to_be_bytes());
        }
        Ok(())
    }
}

/// Every row of the history, the oldest first.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn history_rows(
    store: &StateReader,
) -> Result<impl Iterator<Item = Result<HistoryRow, BoxError>>, BoxError> {
    let rows = store.view()?.scan_prefix(Table::History, &[])?;
    Ok(rows.map(|row| Ok(convert::history_row(record::HistoryRecord::decode(&*row?.value)?)?)))
}

/// The numbers of the rows of one config, the newest first.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn history_ids(
    view: &StateView,
    key: &ConfigKey,
) -> Result<impl Iterator<Item = Result<RowId, BoxError>>, BoxError> {
    let mut before = config_place(key);
    before.push(0);
    let rows = view.scan_prefix(Table::HistoryByConfig, &before)?.rev();
    Ok(rows.map(move |row| {
        let place = row?.key;
        let id = place.get(before.len()..).and_then(|id| id.try_into().ok());
        Ok(RowId::from_be_bytes(id.ok_or("a row of the history has no number")?))
    }))
}

/// The row of that number.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn history_row(view: &StateView, id: RowId) -> Result<Option<HistoryRow>, BoxError> {
    let row = view.get(Table::History, &id.to_be_bytes())?;
    let row = row.map(|row| Ok::<_, BoxError>(convert::history_row(record::HistoryRecord::decode(&*row)?)?));
    row.transpose()
}
