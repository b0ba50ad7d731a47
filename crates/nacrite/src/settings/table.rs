//! The one table of settings: name, meaning, range, and the names under which Nacos knows the same.
//!
//! A row reaches its field by a function, so a row without a field does not compile. Flags, environment, both kinds of
//! file and `docs/operating/configuration.md` follow from this table.

use std::net::IpAddr;
use std::path::PathBuf;

use super::Settings;

/// The prefix of environment variables.
pub(crate) const ENV_PREFIX: &str = "NACRITE_";

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name, as a TOML file has it: `section.key`.
    pub name: &'static str,
    /// What Nacos calls the same.
    pub nacos: &'static [&'static str],
    /// What it does.
    pub help: &'static str,
    /// What it holds.
    pub value: Value,
}

/// What a setting holds, and where.
#[derive(Debug)]
pub(crate) enum Value {
    /// A number in a range.
    Number { min: u64, max: u64, of: fn(&mut Settings) -> &mut u64 },
    /// A count in a range.
    Count { min: usize, max: usize, of: fn(&mut Settings) -> &mut usize },
    /// A port in a range.
    Port { min: u16, max: u16, of: fn(&mut Settings) -> &mut u16 },
    /// `true` or `false`.
    Flag(fn(&mut Settings) -> &mut bool),
    /// Any text.
    Text(fn(&mut Settings) -> &mut String),
    /// A text that is never shown.
    Secret(fn(&mut Settings) -> &mut String),
    /// An IP address.
    Address(fn(&mut Settings) -> &mut IpAddr),
    /// A place in the file system.
    Path(fn(&mut Settings) -> &mut PathBuf),
}

/// HTTP ports end early enough that the gRPC ports, 1000 and 1001 further up, exist.
pub(crate) const HTTP_PORT_MAX: u16 = u16::MAX - 1001;

const DAY_MS: u64 = 86_400_000;

/// Every setting, in the order in which people look for them.
pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        name: "data_dir",
        nacos: &[],
        help: "Directory of everything that must survive. Made if absent; one server at a time.",
        value: Value::Path(|s| &mut s.data_dir),
    },
    Setting {
        name: "bind",
        nacos: &["server.address", "nacos.remote.grpc.listen.ip"],
        help: "Address to listen on. Anything but loopback needs `insecure` until access control exists.",
        value: Value::Address(|s| &mut s.bind),
    },
    Setting {
        name: "http_port",
        nacos: &["nacos.server.main.port", "server.port"],
        help: "Port for HTTP. gRPC for clients follows at +1000, gRPC for nodes at +1001, as SDKs expect.",
        value: Value::Port { min: 1, max: HTTP_PORT_MAX, of: |s| &mut s.http_port },
    },
    Setting {
        name: "port_offset",
        nacos: &[],
        help: "Added to every port, for several servers on one machine.",
        value: Value::Port { min: 0, max: HTTP_PORT_MAX, of: |s| &mut s.port_offset },
    },
    Setting {
        name: "insecure",
        nacos: &[],
        help: "Serve everybody who reaches the address, without access control.",
        value: Value::Flag(|s| &mut s.insecure),
    },
    Setting {
        name: "log",
        nacos: &[],
        help: "What is logged: `error`, `warn`, `info`, `debug`, `trace`, or by part: `info,nacrite_grpc=debug`. \
               Changed at run time by `PUT /nacos/v3/admin/core/ops/log`.",
        value: Value::Text(|s| &mut s.log),
    },
    Setting {
        name: "identity.key",
        nacos: &["nacos.core.auth.server.identity.key"],
        help: "Name of the header by which nodes know each other. The port for nodes opens only with key and value.",
        value: Value::Text(|s| &mut s.identity_key),
    },
    Setting {
        name: "identity.value",
        nacos: &["nacos.core.auth.server.identity.value"],
        help: "Secret value of that header.",
        value: Value::Secret(|s| &mut s.identity_value),
    },
    Setting {
        name: "cluster.members",
        nacos: &["nacos.member.list"],
        help: "Every server as `host:port`, with commas between, this one too or not; the port is the main one, and may be \
               left out if it is that of this server. Clients are spread over them (`/v3/admin/core/loader`, \
               `nacrite node drain`); data is not: each server keeps its own. Needs `identity.key` and `identity.value`.",
        value: Value::Text(|s| &mut s.cluster_members),
    },
    Setting {
        name: "cluster.address",
        nacos: &["nacos.server.ip"],
        help: "This server as `cluster.members` of the others and the lists of clients have it: `host:port` or `host`. \
               Needed with `cluster.members` if `bind` is no single address.",
        value: Value::Text(|s| &mut s.cluster_address),
    },
    Setting {
        name: "balance.per_second",
        nacos: &[],
        help: "Clients that this server tells to go elsewhere in a second. Each connects, registers and subscribes anew at \
               once.",
        value: Value::Number { min: 1, max: 100_000, of: |s| &mut s.app.balance.per_second },
    },
    Setting {
        name: "balance.auto",
        nacos: &[],
        help: "Give clients away without being asked while this server has more than its share.",
        value: Value::Flag(|s| &mut s.app.balance.auto),
    },
    Setting {
        name: "balance.auto_check_ms",
        nacos: &[],
        help: "How often to look whether it has, in ms.",
        value: Value::Number { min: 1000, max: 3_600_000, of: |s| &mut s.app.balance.auto_check_ms },
    },
    Setting {
        name: "balance.auto_start_percent",
        nacos: &[],
        help: "It begins to give away this many hundredths above the mean, and at ten clients above it.",
        value: Value::Count { min: 1, max: 1000, of: |s| &mut s.app.balance.auto_start_percent },
    },
    Setting {
        name: "balance.auto_stop_percent",
        nacos: &[],
        help: "It ends this many hundredths above the mean; below the start, so that clients do not swing.",
        value: Value::Count { min: 0, max: 999, of: |s| &mut s.app.balance.auto_stop_percent },
    },
    Setting {
        name: "balance.auto_pause_ms",
        nacos: &[],
        help: "It rests at least this long afterwards, in ms.",
        value: Value::Number { min: 0, max: DAY_MS, of: |s| &mut s.app.balance.auto_pause_ms },
    },
    Setting {
        name: "naming.hold_ms",
        nacos: &[],
        help: "Instances of a connection that broke stay this long, in ms, so that a client that comes straight back \
               causes no flap.",
        value: Value::Number { min: 0, max: 60_000, of: |s| &mut s.app.naming.hold_ms },
    },
    Setting {
        name: "naming.empty_service_ms",
        nacos: &["nacos.naming.clean.empty-service.expired-time"],
        help: "A service without instances leaves the list after this long, in ms.",
        value: Value::Number { min: 1000, max: DAY_MS, of: |s| &mut s.app.naming.empty_service_ms },
    },
    Setting {
        name: "naming.fuzzy_patterns_max",
        nacos: &["nacos.naming.fuzzy.watch.max.pattern.count"],
        help: "Patterns of services that clients may watch, all together. A further one is refused.",
        value: Value::Count { min: 1, max: 1000, of: |s| &mut s.app.naming.fuzzy_patterns_max },
    },
    Setting {
        name: "naming.fuzzy_matches_max",
        nacos: &["nacos.naming.fuzzy.watch.max.pattern.match.service.count"],
        help: "Services that are told of one pattern. Further ones are not told until others are gone.",
        value: Value::Count { min: 10, max: 10_000, of: |s| &mut s.app.naming.fuzzy_matches_max },
    },
    Setting {
        name: "guard.enabled",
        nacos: &[],
        help: "Doubt silence: instances are not removed only because this server was restarted, stood still or was cut \
               off. Changed at run time by `PUT /nacos/v3/admin/ns/guard`.",
        value: Value::Flag(|s| &mut s.app.guard.enabled),
    },
    Setting {
        name: "guard.warm_up_ms",
        nacos: &[],
        help: "How long a server that was started, or stood still, shows the instances that it knew and waits for their \
               clients, in ms. 0 for not at all. Ends early when they are back.",
        value: Value::Number { min: 0, max: 600_000, of: |s| &mut s.app.guard.warm_up_ms },
    },
    Setting {
        name: "guard.patience_ms",
        nacos: &[],
        help: "How long the silence of many clients is not believed, in ms; five times as long while fewer than a tenth \
               are heard. 0 for not at all.",
        value: Value::Number { min: 0, max: 3_600_000, of: |s| &mut s.app.guard.patience_ms },
    },
    Setting {
        name: "guard.share_percent",
        nacos: &[],
        help: "More silent instances than this share of all, in percent, are many.",
        value: Value::Number { min: 1, max: 100, of: |s| &mut s.app.guard.share_percent },
    },
    Setting {
        name: "config.history_days",
        nacos: &["nacos.config.retention.days"],
        help: "Rows of the config history are removed after this many days.",
        value: Value::Number { min: 1, max: 3650, of: |s| &mut s.app.config.history_days },
    },
    Setting {
        name: "config.fuzzy_patterns_max",
        nacos: &["nacos.config.fuzzy.watch.max.pattern.count"],
        help: "Patterns of configs that clients may watch, all together. A further one is refused.",
        value: Value::Count { min: 1, max: 1000, of: |s| &mut s.app.config.fuzzy_patterns_max },
    },
    Setting {
        name: "config.fuzzy_matches_max",
        nacos: &["nacos.config.fuzzy.watch.max.pattern.match.config.count"],
        help: "Configs that are told of one pattern. Further ones are not told until others are gone.",
        value: Value::Count { min: 10, max: 10_000, of: |s| &mut s.app.config.fuzzy_matches_max },
    },
    Setting {
        name: "push.settle_first_ms",
        nacos: &[],
        help: "After a push that follows a quiet time, further changes of the service wait this long, in ms. Doubles \
               while changes keep coming, up to `push.settle_ms`.",
        value: Value::Number { min: 0, max: 60_000, of: |s| &mut s.app.push.settle_first_ms },
    },
    Setting {
        name: "push.settle_ms",
        nacos: &["nacos.naming.push.pushTaskDelay"],
        help: "Further changes of a service wait this long at most, in ms, so that a storm becomes few pushes.",
        value: Value::Number { min: 0, max: 60_000, of: |s| &mut s.app.push.settle_ms },
    },
    Setting {
        name: "push.welcome_ms",
        nacos: &[],
        help: "A client that has just subscribed is told after this long, in ms, if nothing changed before.",
        value: Value::Number { min: 0, max: 60_000, of: |s| &mut s.app.push.welcome_ms },
    },
    Setting {
        name: "push.ack_timeout_ms",
        nacos: &["nacos.naming.push.pushTaskTimeout"],
        help: "How long a client may take to acknowledge the list of a service, in ms.",
        value: Value::Number { min: 100, max: 60_000, of: |s| &mut s.app.push.ack_timeout_ms },
    },
    Setting {
        name: "push.retry_ms",
        nacos: &["nacos.naming.push.pushTaskRetryDelay"],
        help: "A list that was refused or not acknowledged is sent again after this long, in ms.",
        value: Value::Number { min: 100, max: 60_000, of: |s| &mut s.app.push.retry_ms },
    },
    Setting {
        name: "http.context_path",
        nacos: &["nacos.server.contextPath", "server.servlet.contextPath", "server.servlet.context-path"],
        help: "What stands in front of every path: empty, or with a leading slash. SDKs expect `/nacos`.",
        value: Value::Text(|s| &mut s.http.context_path),
    },
    Setting {
        name: "http.connections_max",
        nacos: &["server.tomcat.max-connections"],
        help: "Connections to the HTTP port that may be open at one time. Further ones are closed at once.",
        value: Value::Count { min: 1, max: 1_000_000, of: |s| &mut s.http.connections_max },
    },
    Setting {
        name: "http.quiet_max_ms",
        nacos: &[],
        help: "A client must send a whole head, or take an answer, within this time, in ms; a connection may also stand \
               idle this long.",
        value: Value::Number { min: 100, max: 3_600_000, of: |s| &mut s.http.quiet_max_ms },
    },
    Setting {
        name: "http.body_within_ms",
        nacos: &[],
        help: "A body must arrive within this time, in ms.",
        value: Value::Number { min: 100, max: 3_600_000, of: |s| &mut s.http.body_within_ms },
    },
    Setting {
        name: "udp.enabled",
        nacos: &[],
        help: "Tell clients of the first generation of changes over UDP, where they say they listen. Without it they learn \
               of changes by asking, within 10 s.",
        value: Value::Flag(|s| &mut s.udp_enabled),
    },
    Setting {
        name: "udp.port",
        nacos: &[],
        help: "Port that the packets are sent from, and that their acknowledgements return to. 0 is any that is free, as \
               in Nacos; a firewall may need one it knows.",
        value: Value::Port { min: 0, max: u16::MAX, of: |s| &mut s.udp_port },
    },
    Setting {
        name: "connection.idle_ms",
        nacos: &[],
        help: "A client that was not heard of for this long, in ms, is asked whether it is there.",
        value: Value::Number { min: 1000, max: 3_600_000, of: |s| &mut s.app.connection.idle_ms },
    },
    Setting {
        name: "connection.detection_ms",
        nacos: &[],
        help: "How long it may take to answer that, in ms.",
        value: Value::Number { min: 100, max: 60_000, of: |s| &mut s.app.connection.detection_ms },
    },
    Setting {
        name: "connection.check_ms",
        nacos: &[],
        help: "How often to look for silent clients, in ms.",
        value: Value::Number { min: 100, max: 60_000, of: |s| &mut s.app.connection.check_ms },
    },
    Setting {
        name: "connection.blocked_ms",
        nacos: &[],
        help: "A client that takes no pushes for this long, in ms, is asked whether it is there, and cannot answer unless \
               it reads. Nacos waits 300,000.",
        value: Value::Number { min: 1000, max: 3_600_000, of: |s| &mut s.app.connection.blocked_ms },
    },
    Setting {
        name: "connection.max",
        nacos: &[],
        help: "Connections to each gRPC port that may be open at one time. Further ones are closed at once.",
        value: Value::Count { min: 1, max: 1_000_000, of: |s| &mut s.app.connection.max },
    },
    Setting {
        name: "connection.max_per_ip",
        nacos: &[],
        help: "gRPC connections that clients of one address may have; 0 is without a limit. A rule file may say more \
               (`docs/design/connections.md`).",
        value: Value::Count { min: 0, max: 1_000_000, of: |s| &mut s.app.connection.max_per_ip },
    },
    Setting {
        name: "connection.max_per_app",
        nacos: &[],
        help: "gRPC connections that clients of one application may have; 0 is without a limit. Clients that name no \
               application have none.",
        value: Value::Count { min: 0, max: 1_000_000, of: |s| &mut s.app.connection.max_per_app },
    },
    Setting {
        name: "connection.drain_ms",
        nacos: &[],
        help: "How long a server that is told to stop takes at most to hand its clients to other servers, in ms. Without \
               other servers it stops at once.",
        value: Value::Number { min: 0, max: 3_600_000, of: |s| &mut s.app.connection.drain_ms },
    },
];

impl Setting {
    /// The environment variable of the setting.
    #[must_use]
    pub(crate) fn env_name(&self) -> String {
        format!("{ENV_PREFIX}{}", self.name.replace('.', "_").to_uppercase())
    }

    /// Sets it from a text.
    ///
    /// # Errors
    /// What is expected instead.
    pub(crate) fn set(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        let text = text.trim();
        match self.value {
            Value::Number { min, max, of } => *of(settings) = in_range(text, min, max)?,
            Value::Count { min, max, of } => *of(settings) = in_range(text, min, max)?,
            Value::Port { min, max, of } => *of(settings) = in_range(text, min, max)?,
            Value::Flag(of) => *of(settings) = text.parse().map_err(|_| "expected true or false".to_owned())?,
            Value::Text(of) | Value::Secret(of) => text.clone_into(of(settings)),
            Value::Address(of) => {
                let text = if text == "localhost" { "127.0.0.1" } else { text };
                *of(settings) = text.parse().map_err(|_| "expected an IP address".to_owned())?;
            }
            Value::Path(_) if text.is_empty() => return Err("expected a directory".to_owned()),
            Value::Path(of) => *of(settings) = text.into(),
        }
        Ok(())
    }

    /// What it holds, fit to be shown.
    #[must_use]
    pub(crate) fn show(&self, settings: &mut Settings) -> String {
        match self.value {
            Value::Number { of, .. } => of(settings).to_string(),
            Value::Count { of, .. } => of(settings).to_string(),
            Value::Port { of, .. } => of(settings).to_string(),
            Value::Flag(of) => of(settings).to_string(),
            Value::Text(of) => of(settings).clone(),
            Value::Secret(of) if of(settings).is_empty() => String::new(),
            Value::Secret(_) => "(set)".to_owned(),
            Value::Address(of) => of(settings).to_string(),
            Value::Path(of) => of(settings).display().to_string(),
        }
    }

    /// What may be put in.
    #[must_use]
    pub(crate) fn expects(&self) -> String {
        match self.value {
            Value::Number { min, max, .. } => format!("{min} to {max}"),
            Value::Count { min, max, .. } => format!("{min} to {max}"),
            Value::Port { min, max, .. } => format!("{min} to {max}"),
            Value::Flag(_) => "true or false".to_owned(),
            Value::Text(_) | Value::Secret(_) => "text".to_owned(),
            Value::Address(_) => "an IP address".to_owned(),
            Value::Path(_) => "a directory".to_owned(),
        }
    }
}

fn in_range<T>(text: &str, min: T, max: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display + Copy,
{
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| format!("expected a number from {min} to {max}"))
}
