//! The words that every Nacrite crate shares: names, keys, instances, digests, faults and time.
//!
//! Nothing here does anything: no clock, no socket, no file, no protocol number. A value of these types was checked
//! when it was made and cannot be wrong afterwards. Wire forms live in `nacrite-wire`, rules in `nacrite-naming` and
//! `nacrite-config`; but those of [`fuzzy_watch`], which are the same for services and configs, stand here.

pub mod caller;
pub mod cluster;
pub mod config;
pub mod digest;
pub mod fault;
pub mod fuzzy_watch;
pub mod instance;
pub mod key;
pub mod name;
pub mod rendered;
pub mod switches;
pub mod time;

pub use caller::{Action, Area};
pub use cluster::{Checker, ClusterSettings};
pub use config::{Attributes, ConfigType, Publisher, Release};
pub use digest::ContentDigest;
pub use fault::{BoxError, Fault};
pub use instance::{IdRule, Instance, InstanceKey, Metadata, NewInstance};
pub use key::{ClientId, ConfigKey, ConnectionId, Kind, ServiceKey};
pub use name::{ClusterName, DataId, GroupName, Host, NameError, NameKind, NamespaceId, ServiceName, Tag, TagError};
pub use rendered::Rendered;
pub use switches::Switches;
pub use time::Timestamp;
