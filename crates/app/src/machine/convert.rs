//! Between records and the words of the domain. Reading fails only if a required part is missing, which a matching
//! checksum rules out for everything but a file that another program made.

use std::sync::Arc;

use nacrite_base::{
    Attributes, ClusterName, ConfigKey, ConfigType, ContentDigest, DataId, GroupName, Host, Instance, InstanceKey,
    Kind, Metadata, NamespaceId, Publisher, Release, ServiceKey, Tag, Timestamp,
};
use nacrite_config::{Entry, GrayRule, GrayVersion, HistoryRow, Operation, Version};
use nacrite_naming::{Override, ServiceMetadata};

use super::cluster::{cluster, cluster_row};
use super::record::{
    AttributesRow, ConfigName, ConfigRow, GrayRow, GrayRuleRow, HistoryRecord, InstanceName, InstanceRow, OverrideRow,
    Pair, PublisherRow, ServiceName, ServiceRow, Tags, VersionRow,
};

/// A record lacks a part that it must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored record lacks its {part}")]
pub(crate) struct Incomplete {
    part: &'static str,
}

impl Incomplete {
    pub(super) fn of(part: &'static str) -> Self {
        Self { part }
    }
}

pub(super) fn needed<T>(part: Option<T>, name: &'static str) -> Result<T, Incomplete> {
    part.ok_or(Incomplete { part: name })
}

pub(super) fn owned(text: Option<&Arc<str>>) -> Option<String> {
    text.map(|text| text.to_string())
}

// --- config ---

pub(crate) fn config_name(key: &ConfigKey) -> ConfigName {
    ConfigName { namespace: key.namespace.to_string(), group: key.group.to_string(), data_id: key.data_id.to_string() }
}

pub(crate) fn config_key(name: Option<ConfigName>) -> Result<ConfigKey, Incomplete> {
    let name = needed(name, "config key")?;
    Ok(ConfigKey {
        namespace: NamespaceId::from_stored(&name.namespace),
        group: GroupName::from_stored(&name.group),
        data_id: DataId::from_stored(&name.data_id),
    })
}

pub(crate) fn attributes_row(attributes: &Attributes) -> AttributesRow {
    let tags = attributes.tags.as_ref().map(|tags| Tags { tags: tags.iter().map(ToString::to_string).collect() });
    AttributesRow {
        config_type: attributes.config_type.to_string(),
        app_name: owned(attributes.app_name.as_ref()),
        description: owned(attributes.description.as_ref()),
        usage: owned(attributes.usage.as_ref()),
        effect: owned(attributes.effect.as_ref()),
        schema: owned(attributes.schema.as_ref()),
        tags,
        encrypted_key: owned(attributes.encrypted_key.as_ref()),
    }
}

pub(crate) fn attributes(row: Option<AttributesRow>) -> Attributes {
    let row = row.unwrap_or_default();
    Attributes {
        config_type: ConfigType::from_declared(Some(&row.config_type)),
        app_name: row.app_name.map(Into::into),
        description: row.description.map(Into::into),
        usage: row.usage.map(Into::into),
        effect: row.effect.map(Into::into),
        schema: row.schema.map(Into::into),
        tags: row.tags.map(|tags| tags.tags.into_iter().map(Into::into).collect()),
        encrypted_key: row.encrypted_key.map(Into::into),
    }
}

pub(crate) fn publisher_row(by: &Publisher) -> PublisherRow {
    PublisherRow { user: owned(by.user.as_ref()), ip: by.ip.to_string() }
}

pub(crate) fn publisher(row: Option<PublisherRow>) -> Publisher {
    let row = row.unwrap_or_default();
    Publisher { user: row.user.map(Into::into), ip: row.ip.into() }
}

pub(crate) fn release_row(release: &Release) -> Option<GrayRuleRow> {
    match release {
        Release::Formal => None,
        Release::Beta { ips } => Some(GrayRuleRow { beta_ips: Some(ips.to_string()), tag: None }),
        Release::Tag(tag) => Some(GrayRuleRow { beta_ips: None, tag: Some(tag.as_str().to_owned()) }),
    }
}

pub(crate) fn release(row: Option<GrayRuleRow>) -> Result<Release, Incomplete> {
    let Some(row) = row else { return Ok(Release::Formal) };
    if let Some(ips) = row.beta_ips {
        return Ok(Release::Beta { ips: ips.into() });
    }
    let tag = needed(row.tag, "gray rule")?;
    Ok(Release::Tag(Tag::from_stored(&tag)))
}

fn rule_row(rule: &GrayRule) -> GrayRuleRow {
    match rule {
        GrayRule::Beta { ips } => GrayRuleRow { beta_ips: Some(ips.to_string()), tag: None },
        GrayRule::Tag { tag } => GrayRuleRow { beta_ips: None, tag: Some(tag.to_string()) },
    }
}

fn rule(row: Option<GrayRuleRow>) -> Result<GrayRule, Incomplete> {
    let row = needed(row, "gray rule")?;
    match (row.beta_ips, row.tag) {
        (Some(ips), _) => Ok(GrayRule::Beta { ips: ips.into() }),
        (None, Some(tag)) => Ok(GrayRule::Tag { tag: tag.into() }),
        (None, None) => Err(Incomplete { part: "gray rule" }),
    }
}

fn version_row(version: &Version) -> VersionRow {
    VersionRow {
        content: version.content,
        digest: version.digest.to_string(),
        created_at_ms: version.created_at.as_ms(),
        modified_at_ms: version.modified_at.as_ms(),
        attributes: Some(attributes_row(&version.attributes)),
        by: Some(publisher_row(&version.by)),
    }
}

fn version(row: VersionRow) -> Version {
    Version {
        content: row.content,
        digest: ContentDigest::from_stored(&row.digest),
        created_at: Timestamp::from_ms(row.created_at_ms),
        modified_at: Timestamp::from_ms(row.modified_at_ms),
        attributes: attributes(row.attributes),
        by: publisher(row.by),
    }
}

pub(crate) fn config_row(key: &ConfigKey, entry: &Entry) -> ConfigRow {
    let gray = entry.gray.iter().map(|gray| GrayRow {
        name: gray.name.to_string(),
        rule: Some(rule_row(&gray.rule)),
        version: Some(version_row(&gray.version)),
    });
    ConfigRow {
        key: Some(config_name(key)),
        id: entry.id,
        formal: entry.formal.as_ref().map(version_row),
        gray: gray.collect(),
    }
}

pub(crate) fn config_entry(row: ConfigRow) -> Result<(ConfigKey, Entry), Incomplete> {
    let gray: Result<Vec<GrayVersion>, Incomplete> = row
        .gray
        .into_iter()
        .map(|gray| {
            let version = version(needed(gray.version, "gray version")?);
            Ok(GrayVersion { name: gray.name.into(), rule: rule(gray.rule)?, version })
        })
        .collect();
    Ok((config_key(row.key)?, Entry { id: row.id, formal: row.formal.map(version), gray: gray? }))
}

pub(crate) fn history_record(row: &HistoryRow) -> HistoryRecord {
    HistoryRecord {
        id: row.id,
        entry_id: row.entry_id,
        key: Some(config_name(&row.key)),
        operation: row.operation.letter().to_string(),
        gray: owned(row.gray.as_ref()),
        version: Some(version_row(&row.version)),
        by: Some(publisher_row(&row.by)),
        at_ms: row.at.as_ms(),
    }
}

pub(crate) fn history_row(record: HistoryRecord) -> Result<HistoryRow, Incomplete> {
    let operation = match record.operation.as_str() {
        "I" => Operation::Insert,
        "U" => Operation::Update,
        "D" => Operation::Delete,
        _ => return Err(Incomplete { part: "operation" }),
    };
    Ok(HistoryRow {
        id: record.id,
        entry_id: record.entry_id,
        key: config_key(record.key)?,
        operation,
        gray: record.gray.map(Into::into),
        version: version(needed(record.version, "version")?),
        by: publisher(record.by),
        at: Timestamp::from_ms(record.at_ms),
    })
}

// --- naming ---

pub(crate) fn service_name(key: &ServiceKey) -> ServiceName {
    ServiceName { namespace: key.namespace.to_string(), group: key.group.to_string(), name: key.name.to_string() }
}

pub(crate) fn service_key(name: Option<ServiceName>) -> Result<ServiceKey, Incomplete> {
    let name = needed(name, "service key")?;
    Ok(ServiceKey {
        namespace: NamespaceId::from_stored(&name.namespace),
        group: GroupName::from_stored(&name.group),
        name: nacrite_base::ServiceName::from_stored(&name.name),
    })
}

pub(super) fn pairs(metadata: &Metadata) -> Vec<Pair> {
    let pairs = metadata.pairs().iter();
    pairs.map(|(key, value)| Pair { key: key.to_string(), value: value.as_ref().map(ToString::to_string) }).collect()
}

pub(super) fn metadata(pairs: Vec<Pair>) -> Metadata {
    Metadata::from_stored(pairs.into_iter().map(|pair| (pair.key.into(), pair.value.map(Into::into))).collect())
}

pub(crate) fn service_row(key: &ServiceKey, of: &ServiceMetadata) -> ServiceRow {
    ServiceRow {
        key: Some(service_name(key)),
        created: of.created,
        persistent: of.kind == Kind::Persistent,
        protect_threshold: of.protect_threshold,
        metadata: pairs(&of.metadata),
        selector: owned(of.selector.as_ref()),
        clusters: of.clusters.iter().map(|(name, of)| cluster_row(name, of)).collect(),
    }
}

pub(crate) fn service_metadata(row: ServiceRow) -> Result<(ServiceKey, ServiceMetadata), Incomplete> {
    let of = ServiceMetadata {
        created: row.created,
        kind: if row.persistent { Kind::Persistent } else { Kind::Ephemeral },
        protect_threshold: row.protect_threshold,
        metadata: metadata(row.metadata),
        selector: row.selector.map(Into::into),
        clusters: row.clusters.into_iter().map(cluster).collect::<Result<_, _>>()?,
    };
    Ok((service_key(row.key)?, of))
}

pub(crate) fn instance_name(service: &ServiceKey, key: &InstanceKey) -> InstanceName {
    InstanceName {
        service: Some(service_name(service)),
        host: key.host.as_ref().map(ToString::to_string),
        port: key.port.into(),
        cluster: key.cluster.to_string(),
    }
}

pub(crate) fn instance_key(name: Option<InstanceName>) -> Result<(ServiceKey, InstanceKey), Incomplete> {
    let name = needed(name, "instance key")?;
    let key = InstanceKey {
        host: name.host.as_deref().map(Host::from_stored),
        port: u16::try_from(name.port).map_err(|_| Incomplete { part: "port" })?,
        cluster: ClusterName::from_stored(&name.cluster),
    };
    Ok((service_key(name.service)?, key))
}

pub(crate) fn instance_row(service: &ServiceKey, instance: &Instance) -> InstanceRow {
    InstanceRow {
        name: Some(instance_name(service, &instance.key)),
        id: instance.id.to_string(),
        weight: instance.weight,
        healthy: instance.healthy,
        enabled: instance.enabled,
        metadata: pairs(&instance.metadata),
    }
}

pub(crate) fn instance(row: InstanceRow) -> Result<(ServiceKey, Instance), Incomplete> {
    let (service, key) = instance_key(row.name)?;
    let instance = Instance {
        key,
        id: row.id.into(),
        weight: row.weight,
        healthy: row.healthy,
        enabled: row.enabled,
        metadata: metadata(row.metadata),
    };
    Ok((service, instance))
}

pub(crate) fn override_row(service: &ServiceKey, key: &InstanceKey, values: &Override) -> OverrideRow {
    OverrideRow {
        name: Some(instance_name(service, key)),
        weight: values.weight,
        enabled: values.enabled,
        metadata: pairs(&values.metadata),
    }
}

pub(crate) fn override_values(row: OverrideRow) -> Result<(ServiceKey, InstanceKey, Override), Incomplete> {
    let (service, key) = instance_key(row.name)?;
    Ok((service, key, Override { weight: row.weight, enabled: row.enabled, metadata: metadata(row.metadata) }))
}
