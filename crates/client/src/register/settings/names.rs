//! The one table of settings: name, meaning, the other names under which Nacos's starters and Spring know the same, and the
//! field it sets.
//!
//! A name that the starters have and that means nothing here stands in the table too, with the reason, so that settings of
//! a Java program can be given as they are. This file is one shape repeated, hence its length.

use std::str::FromStr;
use std::time::Duration;

use super::{IpType, Loopback, OnFailure, RegisterSettings};

/// What a setting does with a text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Effect {
    /// Puts it into its field, or says what is wrong with it.
    Sets(fn(&mut RegisterSettings, &str) -> Result<(), String>),
    /// Nothing, for this reason.
    Nothing(&'static str),
}

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name below `nacos.discovery.` and below `spring.cloud.nacos.discovery.`.
    pub name: &'static str,
    /// Whole names elsewhere that mean the same.
    pub also: &'static [&'static str],
    /// What it does; why it does nothing, if it does not.
    pub help: &'static str,
    pub(super) effect: Effect,
}

impl Setting {
    /// Whether it has any effect here.
    #[must_use]
    pub const fn has_effect(&self) -> bool {
        matches!(self.effect, Effect::Sets(_))
    }
}

/// Every setting, in the order in which people look for them. Those whose name begins with `spring.` or `management.` have no
/// name of ours.
#[must_use]
pub fn settings() -> &'static [Setting] {
    SETTINGS
}

type Set = fn(&mut RegisterSettings, &str) -> Result<(), String>;

const fn sets(name: &'static str, also: &'static [&'static str], help: &'static str, set: Set) -> Setting {
    Setting { name, also, help, effect: Effect::Sets(set) }
}

const fn nothing(name: &'static str, why: &'static str) -> Setting {
    Setting { name, also: &[], help: why, effect: Effect::Nothing(why) }
}

fn parsed<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is no {what}"))
}

fn flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// A length of time: `500ms`, `3s`, `2m`; a number alone is ms.
fn time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| format!("{text:?} is no length of time: 500ms, 3s, 2m"))?;
    match unit.trim() {
        "" | "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs).ok_or_else(|| format!("{text:?} is too long")),
        _ => Err(format!("{text:?} is no length of time: 500ms, 3s, 2m")),
    }
}

/// A text that counts as not given if it is blank, as an empty line in a file of properties does.
fn given(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn switch(settings: &mut RegisterSettings, name: &'static str, text: &str) -> Result<(), String> {
    if flag(text)? {
        settings.off.remove(name);
    } else {
        settings.off.insert(name);
    }
    Ok(())
}

/// The networks that are no part of the internet: what Spring calls site-local.
const SITE_LOCAL: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];

const SETTINGS: &[Setting] = &[
    sets(
        "server-addr",
        &[],
        "The registry: `host:port`, with commas between. 127.0.0.1:8848 if nobody says.",
        |s, v| {
            s.access.servers = given(v);
            Ok(())
        },
    ),
    sets("username", &[], "Who asks the registry.", |s, v| {
        s.access.user = given(v);
        Ok(())
    }),
    sets("password", &[], "The password of `username`.", |s, v| {
        s.access.password = given(v);
        Ok(())
    }),
    sets("access-key", &[], "Name of a key by which requests are signed.", |s, v| {
        s.access.access_key = given(v);
        Ok(())
    }),
    sets("secret-key", &[], "The key itself.", |s, v| {
        s.access.secret_key = given(v);
        Ok(())
    }),
    sets(
        "endpoint",
        &[],
        "The server that tells where the registry is, if `server-addr` does not: `host:port`.",
        |s, v| {
            s.access.endpoint = given(v);
            Ok(())
        },
    ),
    sets("namespace", &[], "Id of the namespace; `public` if it is not given.", |s, v| {
        s.access.namespace = given(v);
        Ok(())
    }),
    sets("service", &[], "Name of the service. `spring.application.name` if it is not given.", |s, v| {
        v.trim().clone_into(&mut s.service);
        Ok(())
    }),
    sets("group", &[], "Group of the service; `DEFAULT_GROUP` if it is not given.", |s, v| {
        s.group = given(v);
        Ok(())
    }),
    sets("cluster-name", &["cluster"], "Cluster inside the service; `DEFAULT` if it is not given.", |s, v| {
        s.cluster = given(v);
        Ok(())
    }),
    sets("weight", &[], "Share of the traffic, from 0 (none) to 10 000; 1.", |s, v| {
        s.weight = parsed(v, "number")?;
        Ok(())
    }),
    sets("instance-enabled", &[], "Whether it gets traffic from the start; true.", |s, v| {
        s.is_enabled = flag(v)?;
        Ok(())
    }),
    sets("ephemeral", &[], "Whether it goes when its connection goes; true.", |s, v| {
        s.is_ephemeral = flag(v)?;
        Ok(())
    }),
    sets("register-enabled", &[], "Whether it is registered at all; true.", |s, v| {
        s.is_registered = flag(v)?;
        Ok(())
    }),
    sets("enabled", &[], "The same; both must be on.", |s, v| switch(s, "enabled", v)),
    sets("spring.cloud.discovery.enabled", &[], "The same.", |s, v| switch(s, "discovery", v)),
    sets("spring.cloud.service-registry.auto-registration.enabled", &[], "The same.", |s, v| {
        switch(s, "auto-registration", v)
    }),
    sets(
        "fail-fast",
        &[],
        "Whether the server ends if it cannot be registered in time; true. If not, it goes on trying.",
        |s, v| {
            s.on_failure = if flag(v)? { OnFailure::FailFast } else { OnFailure::KeepTrying };
            Ok(())
        },
    ),
    sets("secure", &[], "Whether callers have to use TLS: metadata `secure`; false.", |s, v| {
        s.is_secure = flag(v)?;
        Ok(())
    }),
    sets("ip", &[], "Address that is registered, whatever the machine has.", |s, v| {
        s.ip = given(v);
        Ok(())
    }),
    sets("ip-type", &[], "`IPv4`, `IPv6`, or nothing: IPv4, with the IPv6 address in the metadata `IPv6`.", |s, v| {
        s.ip_type = match v.trim().to_ascii_lowercase().as_str() {
            "" => IpType::Any,
            "ipv4" => IpType::V4,
            "ipv6" => IpType::V6,
            _ => return Err(format!("{v:?} is neither IPv4 nor IPv6")),
        };
        Ok(())
    }),
    sets("network-interface", &[], "Interface whose address is registered.", |s, v| {
        s.interface = given(v);
        Ok(())
    }),
    sets(
        "preferred-networks",
        &["spring.cloud.inetutils.preferred-networks"],
        "Networks in which the address is looked for, the first one first: `10.0.0.0/8`, `192.168`.",
        |s, v| {
            let each = v.split(',').map(str::trim).filter(|network| !network.is_empty());
            let networks = each.map(|network| network.parse().map_err(|error: crate::Error| error.to_string()));
            s.networks = networks.collect::<Result<_, _>>()?;
            Ok(())
        },
    ),
    sets(
        "spring.cloud.inetutils.use-only-site-local-interfaces",
        &[],
        "As if `preferred-networks` named 10.0.0.0/8, 172.16.0.0/12 and 192.168.0.0/16.",
        |s, v| {
            if flag(v)? && s.networks.is_empty() {
                s.networks = SITE_LOCAL.iter().filter_map(|network| network.parse().ok()).collect();
            }
            Ok(())
        },
    ),
    sets(
        "allow-loopback",
        &[],
        "Whether the address may be a loopback one also if the registry is elsewhere; false.",
        |s, v| {
            s.loopback = if flag(v)? { Loopback::Allowed } else { Loopback::WithLocalRegistry };
            Ok(())
        },
    ),
    sets(
        "port",
        &[],
        "Port that is registered, if others reach it by another one than it listens on; -1 is not given.",
        |s, v| {
            s.port = match v.trim() {
                "-1" | "" => None,
                port => Some(parsed(port, "port")?),
            };
            Ok(())
        },
    ),
    sets("management-port", &["management.server.port"], "Metadata `management.port`.", |s, v| {
        s.management.port = Some(parsed(v, "port")?);
        Ok(())
    }),
    sets("management-address", &["management.server.address"], "Metadata `management.address`.", |s, v| {
        s.management.address = given(v);
        Ok(())
    }),
    sets(
        "management-context-path",
        &["management.server.base-path", "management.server.servlet.context-path"],
        "Metadata `management.context-path`.",
        |s, v| {
            s.management.context_path = given(v);
            Ok(())
        },
    ),
    sets(
        "management-base-path",
        &["management.endpoints.web.base-path"],
        "Metadata `management.endpoints.web.base-path`.",
        |s, v| {
            s.management.base_path = given(v);
            Ok(())
        },
    ),
    sets(
        "heart-beat-interval",
        &[],
        "Metadata `preserved.heart.beat.interval`, in ms: how often clients of 1.x beat.",
        |s, v| {
            s.heart_beat_interval = Some(time(v)?);
            Ok(())
        },
    ),
    sets(
        "heart-beat-timeout",
        &[],
        "Metadata `preserved.heart.beat.timeout`, in ms: silence after which it is unhealthy.",
        |s, v| {
            s.heart_beat_timeout = Some(time(v)?);
            Ok(())
        },
    ),
    sets(
        "ip-delete-timeout",
        &[],
        "Metadata `preserved.ip.delete.timeout`, in ms: silence after which it is removed.",
        |s, v| {
            s.ip_delete_timeout = Some(time(v)?);
            Ok(())
        },
    ),
    sets(
        "naming-load-cache-at-start",
        &[],
        "Whether lists of the last run are shown until the registry answers; false.",
        |s, v| {
            s.loads_cache_at_start = flag(v)?;
            Ok(())
        },
    ),
    sets(
        "drain-wait",
        &["spring.cloud.nacos.discovery.graceful-shutdown-wait-time"],
        "How long to serve on after the registration was taken back, until callers have noticed; 3s, 0 is not at all.",
        |s, v| {
            s.bounds.drain_wait = time(v)?;
            Ok(())
        },
    ),
    sets(
        "drain-within",
        &[],
        "How long what is under way may take to end once nobody new is accepted; 10s.",
        |s, v| {
            s.bounds.drain_within = time(v)?;
            Ok(())
        },
    ),
    sets("stop-within", &[], "How long all of leaving may take; 25s.", |s, v| {
        s.bounds.stop_within = time(v)?;
        Ok(())
    }),
    sets("ready-within", &[], "How long it may take to be ready, if it fails fast; 60s.", |s, v| {
        s.bounds.ready_within = time(v)?;
        Ok(())
    }),
    sets("register-within", &[], "How long it may take to be registered, if it fails fast; 10s.", |s, v| {
        s.bounds.register_within = time(v)?;
        Ok(())
    }),
    sets("deregister-within", &[], "How long taking the registration back may take; 3s.", |s, v| {
        s.bounds.deregister_within = time(v)?;
        Ok(())
    }),
    sets("hooks-within", &[], "How long all hooks of one moment may take; 5s.", |s, v| {
        s.bounds.hooks_within = time(v)?;
        Ok(())
    }),
    sets("spring.application.name", &[], "Name of the service, if `service` does not say it.", |s, v| {
        s.application = given(v);
        Ok(())
    }),
    sets("spring.cloud.nacos.server-addr", &[], "The registry, if `server-addr` does not say it.", |s, v| {
        s.fallback.servers = given(v);
        Ok(())
    }),
    sets("spring.cloud.nacos.username", &[], "Who asks the registry, if `username` does not say it.", |s, v| {
        s.fallback.user = given(v);
        Ok(())
    }),
    sets("spring.cloud.nacos.password", &[], "Its password, if `password` does not say it.", |s, v| {
        s.fallback.password = given(v);
        Ok(())
    }),
    nothing("failure-tolerance-enabled", "always so: callers go on with the last list"),
    nothing("watch.enabled", "what operators change on an instance is laid over it by the registry, and not copied"),
    nothing("watch-delay", "there is no watch that polls: lists are pushed"),
    nothing("heart-beat.enabled", "there is no gateway that re-reads its routes by events"),
    nothing("log-name", "the log goes where the program's `tracing` goes"),
    nothing("spring.cloud.loadbalancer.nacos.enabled", "picking by weight and cluster is what callers do always"),
    nothing("spring.cloud.inetutils.ignored-interfaces", "name the interface, or a network, that is wanted"),
];
