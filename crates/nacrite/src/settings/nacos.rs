//! Names of `application.properties` that mean nothing here, or must not be passed over.
//!
//! A file that was written for Nacos should work as it stands, but only if what it asks for is what it gets: a name that
//! would change what the server promises is refused with the reason, a name about Nacos's own machinery is passed over
//! and said so in the log (`reference/semantics.md`, 9.1 and 9.2).

/// What becomes of a name that is no setting of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// About machinery that does not exist here.
    PassedOver,
    /// Would promise what is not kept; refused unless it has the given value.
    Refused {
        /// The value under which it asks for nothing.
        unless: &'static str,
        /// Why, and what to do.
        reason: &'static str,
    },
}

const NO_ACCESS_CONTROL: &str = "access control does not exist yet; keep the server on loopback or behind a proxy that \
                                 knows its users, and remove the setting";
const NO_DATABASE: &str = "data is kept in the data directory, not in a database; remove the setting";
const NO_TLS: &str = "TLS does not exist yet; put a proxy in front and remove the setting";

/// Names, and prefixes that end in a dot. The longest that fits counts.
const FOREIGN: &[(&str, Foreign)] = &[
    ("nacos.core.auth.enabled", refused("false", NO_ACCESS_CONTROL)),
    ("nacos.core.auth.", Foreign::PassedOver),
    ("nacos.security.", Foreign::PassedOver),
    ("spring.sql.init.platform", refused("", NO_DATABASE)),
    ("spring.datasource.platform", refused("", NO_DATABASE)),
    ("db.", refused("", NO_DATABASE)),
    ("nacos.remote.server.rpc.tls.", refused("false", NO_TLS)),
    ("nacos.remote.peer.rpc.tls.", refused("false", NO_TLS)),
    ("nacos.standalone", Foreign::PassedOver),
    ("nacos.deployment.type", Foreign::PassedOver),
    ("nacos.functionMode", Foreign::PassedOver),
    ("nacos.console.", Foreign::PassedOver),
    ("nacos.inetutils.", Foreign::PassedOver),
    ("nacos.plugin.", Foreign::PassedOver),
    ("nacos.core.", Foreign::PassedOver),
    ("nacos.prometheus.", Foreign::PassedOver),
    ("nacos.remote.", Foreign::PassedOver),
    ("nacos.config.", Foreign::PassedOver),
    ("nacos.naming.", Foreign::PassedOver),
    ("nacos.extension.", Foreign::PassedOver),
    ("nacos.ai.", Foreign::PassedOver),
    ("nacos.mcp.", Foreign::PassedOver),
    ("nacos.lock.", Foreign::PassedOver),
    ("nacos.cmdb.", Foreign::PassedOver),
    ("nacos.istio.", Foreign::PassedOver),
    ("nacos.k8s.", Foreign::PassedOver),
    ("nacos.metric.", Foreign::PassedOver),
    ("nacos.persistence.", Foreign::PassedOver),
    ("nacos.custom.", Foreign::PassedOver),
    ("nacos.web.", Foreign::PassedOver),
    ("address.server.", Foreign::PassedOver),
    ("management.", Foreign::PassedOver),
    ("spring.", Foreign::PassedOver),
    ("server.tomcat.", Foreign::PassedOver),
    ("server.error.", Foreign::PassedOver),
    ("logging.", Foreign::PassedOver),
];

const fn refused(unless: &'static str, reason: &'static str) -> Foreign {
    Foreign::Refused { unless, reason }
}

/// What becomes of a name; `None` if Nacos does not know it either.
#[must_use]
pub(crate) fn foreign(name: &str) -> Option<Foreign> {
    let fits = |known: &str| name == known || (known.ends_with('.') && name.starts_with(known));
    let fitting = FOREIGN.iter().filter(|(known, _)| fits(known));
    fitting.max_by_key(|(known, _)| known.len()).map(|(_, foreign)| *foreign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_that_fits_counts() {
        assert!(matches!(foreign("nacos.core.auth.enabled"), Some(Foreign::Refused { .. })));
        assert_eq!(foreign("nacos.core.auth.caching.enabled"), Some(Foreign::PassedOver));
        assert!(matches!(foreign("db.url.0"), Some(Foreign::Refused { .. })));
        assert_eq!(foreign("nacos.unheard.of"), None);
    }
}
