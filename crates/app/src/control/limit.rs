//! How many connections clients may have: in total, from one address, of one application.
//!
//! The order is that of Nacos before 2.3, which had all of these: first the total; then the number that an address has of
//! its own; if it has none, the number that its application has; if that has none either, the number for every address.
//! All but the total are compared with the connections *of that address*. Later versions of Nacos know only the total and
//! the traced addresses (`reference/semantics.md`, 1.6); their files mean the same here.

use std::fmt;

use hashbrown::{HashMap, HashSet};

use super::Mode;

type Fixed = foldhash::quality::FixedState;

/// How many connections there may be. `None` is without a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitRule {
    /// Of clients, in all.
    pub total: Option<usize>,
    /// From each address that has no number of its own.
    pub per_ip: Option<usize>,
    /// From certain addresses.
    pub of_ip: HashMap<String, usize, Fixed>,
    /// From each address, by programs of certain applications.
    pub of_app: HashMap<String, usize, Fixed>,
    /// Of one application, in all. Clients that name none share no limit.
    pub per_app: Option<usize>,
    /// Addresses whose requests are logged.
    pub traced: HashSet<String, Fixed>,
    /// What happens above a limit.
    pub mode: Mode,
}

/// How many connections there are, as far as a limit asks.
#[derive(Clone, Copy, Debug)]
pub struct Present<'a> {
    /// The address of the client that wants one more.
    pub ip: &'a str,
    /// Its application; `-` if it names none.
    pub app: &'a str,
    /// Connections in all.
    pub total: usize,
    /// Connections of that address.
    pub of_ip: usize,
    /// Connections of that application.
    pub of_app: usize,
}

/// Which limit one more connection would exceed, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// All connections.
    Total(usize),
    /// Those of its address.
    ClientIp(usize),
    /// Those of its application.
    App(usize),
}

impl Over {
    /// The word for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Total(_) => "total",
            Self::ClientIp(_) => "client_ip",
            Self::App(_) => "app",
        }
    }
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total(max) => write!(f, "{max} connections are open, and no more may be"),
            Self::ClientIp(max) => write!(f, "{max} connections of this address are open, and no more may be"),
            Self::App(max) => write!(f, "{max} connections of this application are open, and no more may be"),
        }
    }
}

impl LimitRule {
    /// Which limit one more connection would exceed.
    #[must_use]
    pub fn exceeded(&self, present: &Present<'_>) -> Option<Over> {
        if let Some(max) = self.total.filter(|max| present.total >= *max) {
            return Some(Over::Total(max));
        }
        let of_app = || self.of_app.get(present.app).map(|max| (*max, Over::App(*max)));
        let of_ip = self.of_ip.get(present.ip).map(|max| (*max, Over::ClientIp(*max)));
        let of_address = of_ip.or_else(of_app).or_else(|| self.per_ip.map(|max| (max, Over::ClientIp(max))));
        if let Some((_, over)) = of_address.filter(|(max, _)| present.of_ip >= *max) {
            return Some(over);
        }
        let has_name = present.app != "-";
        self.per_app.filter(|max| has_name && present.of_app >= *max).map(Over::App)
    }

    /// The rule with what is set beside it: a number that the rule has counts.
    #[must_use]
    pub fn or(mut self, settings: &Self) -> Self {
        self.total = self.total.or(settings.total);
        self.per_ip = self.per_ip.or(settings.per_ip);
        self.per_app = self.per_app.or(settings.per_app);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(of_ip: usize) -> Present<'static> {
        Present { ip: "10.0.0.1", app: "shop", total: 5, of_ip, of_app: 4 }
    }

    #[test]
    fn the_most_special_number_of_an_address_counts() {
        let mut rule = LimitRule { per_ip: Some(1), ..LimitRule::default() };
        assert_eq!(rule.exceeded(&present(1)), Some(Over::ClientIp(1)));
        rule.of_app.insert("shop".to_owned(), 3);
        assert_eq!(rule.exceeded(&present(2)), None);
        assert_eq!(rule.exceeded(&present(3)), Some(Over::App(3)));
        rule.of_ip.insert("10.0.0.1".to_owned(), 9);
        assert_eq!(rule.exceeded(&present(8)), None);
        assert_eq!(rule.exceeded(&present(9)), Some(Over::ClientIp(9)));
        rule.total = Some(5);
        assert_eq!(rule.exceeded(&present(0)), Some(Over::Total(5)));
    }

    #[test]
    fn clients_that_name_no_application_do_not_share_a_limit() {
        let rule = LimitRule { per_app: Some(4), ..LimitRule::default() };
        assert_eq!(rule.exceeded(&present(0)), Some(Over::App(4)));
        assert_eq!(rule.exceeded(&Present { app: "-", ..present(0) }), None);
    }

    #[test]
    fn no_rule_limits_nothing_and_zero_limits_everything() {
        assert_eq!(LimitRule::default().exceeded(&present(1_000_000)), None);
        let nobody = LimitRule { total: Some(0), ..LimitRule::default() };
        assert_eq!(nobody.exceeded(&Present { total: 0, ..present(0) }), Some(Over::Total(0)));
    }
}
