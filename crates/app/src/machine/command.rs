//! Commands as the use cases propose them, and as the log keeps them.

use bytes::Bytes;
use nacrite_base::{BoxError, ContentDigest, Fault, ServiceKey, Timestamp};
use nacrite_config::Command as ConfigCommand;
use nacrite_naming::DurableCommand;
use prost::Message;

use super::cluster::{cluster_row, put_cluster};
use super::convert::{self, Incomplete};
use super::record::{
    AnswerRecord, CommandRecord, DropHistory, Kind, NamespaceRow, Outcome, PublishConfig, PutCluster, RemoveConfig,
    SwitchRow,
};
use crate::namespaces::Namespace;

/// A change that is to be kept.
#[derive(Clone, Debug)]
pub enum DurableWrite {
    /// A publish with its content, or a removal without one.
    Config(ConfigCommand, Bytes),
    /// Rows of the history that are too old.
    DropHistory(Vec<nacrite_config::RowId>),
    /// A namespace, new or changed.
    PutNamespace(Namespace),
    /// A namespace goes; what is in it stays.
    RemoveNamespace(String),
    /// A change of what naming keeps.
    Naming(DurableCommand),
    /// A switch that an operator moved; both were checked.
    Switch {
        /// The name under which it is kept.
        entry: &'static str,
        /// Its value.
        value: String,
    },
}

/// Why the state machine refused a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The config was changed by someone else.
    ConfigRaced,
    /// As many gray versions as there may be.
    GrayVersionsFull,
    /// No gray version of that name.
    GrayMissing(String),
    /// The service exists.
    ServiceExists,
    /// As many clusters of the service have settings as may have.
    ClustersFull,
}

impl Refused {
    /// The refusal as a fault. `service` is what was to be created, if anything was.
    #[must_use]
    pub fn into_fault(self, service: Option<&ServiceKey>) -> Fault {
        match (self, service) {
            (Self::ConfigRaced, _) => Fault::ConfigRaced,
            (Self::GrayVersionsFull, _) => Fault::GrayVersionsFull { max: nacrite_config::gray::GRAY_VERSIONS_MAX },
            (Self::GrayMissing(name), _) => Fault::GrayMissing { name },
            (Self::ClustersFull, _) => {
                Fault::ParamInvalid { message: nacrite_naming::durable::DurableRefusal::ClustersFull.to_string() }
            }
            (Self::ServiceExists, Some(service)) => Fault::ServiceExists { service: service.clone() },
            (Self::ServiceExists, None) => Fault::internal("a service exists that nobody wanted to create"),
        }
    }
}

impl DurableWrite {
    /// The command as the log keeps it.
    #[must_use]
    pub fn encode(self) -> Bytes {
        let kind = match self {
            Self::Config(command, content) => config_record(command, content),
            Self::DropHistory(ids) => Kind::DropHistory(DropHistory { ids }),
            Self::PutNamespace(namespace) => Kind::PutNamespace(NamespaceRow::from(namespace)),
            Self::RemoveNamespace(id) => Kind::RemoveNamespace(id),
            Self::Naming(command) => naming_record(command),
            Self::Switch { entry, value } => Kind::SetSwitch(SwitchRow { entry: entry.to_owned(), value }),
        };
        CommandRecord { kind: Some(kind) }.encode_to_vec().into()
    }
}

/// Reads the answer to a command.
pub(crate) fn answer(bytes: &[u8]) -> Result<Result<(), Refused>, BoxError> {
    let AnswerRecord { outcome, detail } = AnswerRecord::decode(bytes)?;
    Ok(match Outcome::try_from(outcome)? {
        Outcome::Done => Ok(()),
        Outcome::ConfigRaced => Err(Refused::ConfigRaced),
        Outcome::GrayVersionsFull => Err(Refused::GrayVersionsFull),
        Outcome::GrayMissing => Err(Refused::GrayMissing(detail)),
        Outcome::ServiceExists => Err(Refused::ServiceExists),
        Outcome::ClustersFull => Err(Refused::ClustersFull),
    })
}

fn config_record(command: ConfigCommand, content: Bytes) -> Kind {
    match command {
        ConfigCommand::Publish { key, release, digest, cas, attributes, by, at } => {
            Kind::PublishConfig(PublishConfig {
                key: Some(convert::config_name(&key)),
                content,
                digest: digest.to_string(),
                cas: cas.map(|cas| cas.to_string()),
                attributes: Some(convert::attributes_row(&attributes)),
                by: Some(convert::publisher_row(&by)),
                at_ms: at.as_ms(),
                gray: convert::release_row(&release),
            })
        }
        ConfigCommand::Remove { key, gray, by, at } => Kind::RemoveConfig(RemoveConfig {
            key: Some(convert::config_name(&key)),
            gray: gray.map(|gray| gray.to_string()),
            by: Some(convert::publisher_row(&by)),
            at_ms: at.as_ms(),
        }),
    }
}

pub(super) fn publish(record: PublishConfig) -> Result<ConfigCommand, Incomplete> {
    Ok(ConfigCommand::Publish {
        key: convert::config_key(record.key)?,
        release: convert::release(record.gray)?,
        digest: ContentDigest::from_stored(&record.digest),
        cas: record.cas.map(Into::into),
        attributes: convert::attributes(record.attributes),
        by: convert::publisher(record.by),
        at: Timestamp::from_ms(record.at_ms),
    })
}

pub(super) fn remove(record: RemoveConfig) -> Result<ConfigCommand, Incomplete> {
    Ok(ConfigCommand::Remove {
        key: convert::config_key(record.key)?,
        gray: record.gray.map(Into::into),
        by: convert::publisher(record.by),
        at: Timestamp::from_ms(record.at_ms),
    })
}

fn naming_record(command: DurableCommand) -> Kind {
    match command {
        DurableCommand::CreateService { service, metadata } => {
            Kind::CreateService(convert::service_row(&service, &metadata))
        }
        DurableCommand::UpdateService { service, metadata } => {
            Kind::UpdateService(convert::service_row(&service, &metadata))
        }
        DurableCommand::DeleteService { service } => Kind::DeleteService(convert::service_name(&service)),
        DurableCommand::PutCluster { service, kind, cluster, settings } => Kind::PutCluster(PutCluster {
            service: Some(convert::service_name(&service)),
            persistent: kind == nacrite_base::Kind::Persistent,
            cluster: Some(cluster_row(&cluster, &settings)),
        }),
        DurableCommand::PutInstance { service, instance } => {
            Kind::PutInstance(convert::instance_row(&service, &instance))
        }
        DurableCommand::RemoveInstance { service, instance } => {
            Kind::RemoveInstance(convert::instance_name(&service, &instance))
        }
        DurableCommand::PutOverride { service, instance, values } => {
            Kind::PutOverride(convert::override_row(&service, &instance, &values))
        }
        DurableCommand::RemoveOverride { service, instance } => {
            Kind::RemoveOverride(convert::instance_name(&service, &instance))
        }
    }
}

/// Reads a command about naming. Every other kind was taken before.
pub(super) fn naming(kind: Kind) -> Result<DurableCommand, BoxError> {
    Ok(match kind {
        Kind::CreateService(row) => {
            let (service, metadata) = convert::service_metadata(row)?;
            DurableCommand::CreateService { service, metadata }
        }
        Kind::UpdateService(row) => {
            let (service, metadata) = convert::service_metadata(row)?;
            DurableCommand::UpdateService { service, metadata }
        }
        Kind::DeleteService(name) => DurableCommand::DeleteService { service: convert::service_key(Some(name))? },
        Kind::PutCluster(record) => put_cluster(record)?,
        Kind::PutInstance(row) => {
            let (service, instance) = convert::instance(row)?;
            DurableCommand::PutInstance { service, instance }
        }
        Kind::RemoveInstance(name) => {
            let (service, instance) = convert::instance_key(Some(name))?;
            DurableCommand::RemoveInstance { service, instance }
        }
        Kind::PutOverride(row) => {
            let (service, instance, values) = convert::override_values(row)?;
            DurableCommand::PutOverride { service, instance, values }
        }
        Kind::RemoveOverride(name) => {
            let (service, instance) = convert::instance_key(Some(name))?;
            DurableCommand::RemoveOverride { service, instance }
        }
        Kind::PublishConfig(_)
        | Kind::RemoveConfig(_)
        | Kind::DropHistory(_)
        | Kind::PutNamespace(_)
        | Kind::RemoveNamespace(_)
        | Kind::SetSwitch(_) => return Err("not a command about naming".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::cluster::{Checker, ClusterSettings, HttpCheck, MysqlCheck};
    use nacrite_base::{
        Attributes, ClusterName, ConfigKey, DataId, GroupName, Host, Instance, InstanceKey, Kind as ServiceKind,
        Metadata, NamespaceId, Publisher, Release, ServiceName, Tag,
    };
    use nacrite_naming::{Override, ServiceMetadata};
    use std::sync::Arc;

    fn read_back(write: DurableWrite) -> Kind {
        CommandRecord::decode(write.encode()).expect("our own bytes").kind.expect("a kind")
    }

    #[test]
    fn a_publish_comes_back_as_it_was_proposed() {
        let command = ConfigCommand::Publish {
            key: ConfigKey {
                namespace: NamespaceId::public(),
                group: GroupName::default_group(),
                data_id: DataId::from_stored("d"),
            },
            release: Release::Tag(Tag::from_stored("blue")),
            digest: ContentDigest::from_stored("0a"),
            cas: Some("0b".into()),
            attributes: Attributes {
                app_name: Some("shop".into()),
                tags: Some(vec!["a".into()]),
                encrypted_key: Some("".into()),
                ..Attributes::default()
            },
            by: Publisher { user: Some("somebody".into()), ip: "10.0.0.1".into() },
            at: Timestamp::from_ms(7),
        };
        let kind = read_back(DurableWrite::Config(command.clone(), Bytes::from_static(b"x")));
        let Kind::PublishConfig(record) = kind else { panic!("{kind:?}") };
        assert_eq!((record.content.clone(), publish(record)), (Bytes::from_static(b"x"), Ok(command)));
    }

    fn checkers() -> [Checker; 4] {
        let http = HttpCheck { path: "/h".into(), headers: "a:b".into(), expected_status: 204 };
        let mysql = MysqlCheck { user: Some("u".into()), password: None, command: Some("select 1".into()) };
        [Checker::None, Checker::Tcp, Checker::Http(http), Checker::Mysql(mysql)]
    }

    fn settings((checker, name): (Checker, &str)) -> (ClusterName, Arc<ClusterSettings>) {
        let metadata = Metadata::from_stored([("k".into(), Some("v".into()))].into());
        let settings = ClusterSettings { checker, check_port: 81, use_instance_port: false, metadata };
        (ClusterName::from_stored(name), Arc::new(settings))
    }

    #[test]
    fn every_command_about_naming_comes_back_as_it_was_proposed() {
        let service = ServiceKey {
            namespace: NamespaceId::public(),
            group: GroupName::default_group(),
            name: ServiceName::from_stored("orders"),
        };
        let key = InstanceKey {
            host: Some(Host::from_stored("10.0.0.1")),
            port: 80,
            cluster: ClusterName::default_cluster(),
        };
        let texts = Metadata::from_stored([("k".into(), Some("v".into())), ("null".into(), None)].into());
        let metadata = ServiceMetadata {
            created: true,
            kind: ServiceKind::Persistent,
            protect_threshold: 0.5,
            metadata: texts.clone(),
            selector: Some("{}".into()),
            clusters: checkers().into_iter().zip(["a", "b", "c", "d"]).map(settings).collect(),
        };
        let put_cluster = |(checker, name)| {
            let (cluster, settings) = settings((checker, name));
            let settings = Arc::unwrap_or_clone(settings);
            DurableCommand::PutCluster { service: service.clone(), kind: ServiceKind::Ephemeral, cluster, settings }
        };
        let put_clusters = checkers().into_iter().zip(["a", "b", "c", "d"]).map(put_cluster).collect::<Vec<_>>();
        let instance = Instance {
            key: key.clone(),
            id: "id".into(),
            weight: 2.5,
            healthy: false,
            enabled: true,
            metadata: texts.clone(),
        };
        let values = Override { weight: Some(7.5), enabled: None, metadata: texts };
        for command in [
            DurableCommand::CreateService { service: service.clone(), metadata: metadata.clone() },
            DurableCommand::UpdateService { service: service.clone(), metadata },
            DurableCommand::DeleteService { service: service.clone() },
            DurableCommand::PutInstance { service: service.clone(), instance },
            DurableCommand::RemoveInstance { service: service.clone(), instance: key.clone() },
            DurableCommand::PutOverride { service: service.clone(), instance: key.clone(), values },
            DurableCommand::RemoveOverride { service, instance: key },
        ]
        .into_iter()
        .chain(put_clusters)
        {
            let read = naming(read_back(DurableWrite::Naming(command.clone()))).expect("a command about naming");
            assert_eq!(read, command);
        }
    }
}
