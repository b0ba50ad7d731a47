//! The tables of the state: the only place that names them.
//!
//! To add one: a variant, its name and its number. A file that was written before the table existed reads as if the
//! table were empty. Numbers stand in snapshot files and are never given twice.

use redb::TableDefinition;

/// A table of the state. Keys and values are bytes; what they mean is up to whoever writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Table {
    /// Namespaces.
    Namespaces = 1,
    /// Configs: what is known about each, without the content.
    Config = 2,
    /// Contents, each stored once.
    ConfigBody = 3,
    /// How many configs and history entries use a content.
    BodyRefs = 4,
    /// What configs were.
    History = 5,
    /// The history of one config.
    HistoryByConfig = 6,
    /// Persistent services.
    Service = 7,
    /// Persistent instances.
    PersistentInstance = 8,
    /// What an operator changed about an instance.
    InstanceOverride = 9,
    /// Single values: counters, the feature level.
    Meta = 10,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 10] = [
        Self::Namespaces,
        Self::Config,
        Self::ConfigBody,
        Self::BodyRefs,
        Self::History,
        Self::HistoryByConfig,
        Self::Service,
        Self::PersistentInstance,
        Self::InstanceOverride,
        Self::Meta,
    ];

    /// The name in the state file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Config => "config",
            Self::ConfigBody => "config_body",
            Self::BodyRefs => "body_refs",
            Self::History => "history",
            Self::HistoryByConfig => "history_by_config",
            Self::Service => "service",
            Self::PersistentInstance => "persistent_instance",
            Self::InstanceOverride => "instance_override",
            Self::Meta => "meta",
        }
    }

    /// The number in snapshot files.
    pub(crate) const fn number(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.number() == number)
    }

    pub(crate) const fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.name())
    }

    /// Where this table stands in [`Self::ALL`].
    pub(crate) const fn position(self) -> usize {
        self as usize - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_names_and_positions_are_distinct_and_agree() {
        for (position, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table.position(), position);
            assert_eq!(Table::from_number(table.number()), Some(table));
            assert_eq!(Table::ALL.iter().filter(|other| other.name() == table.name()).count(), 1);
        }
        assert_eq!(Table::from_number(0), None);
    }
}
