//! Gray releases: other contents of a config for some of its clients.
//!
//! A gray version has a name, a rule and a priority. Versions are tried from the highest priority, then by name; the
//! first whose rule matches is what the client gets (`reference/semantics.md`, 4.6).

use std::sync::Arc;

use nacrite_base::Release;

use crate::catalog::{Entry, Version};

/// Distinct gray versions of one config (`nacos.config.gray.version.max.count`).
pub const GRAY_VERSIONS_MAX: usize = 10;

/// Who gets a gray version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrayRule {
    /// Clients at these addresses, comma-separated.
    Beta {
        /// The list as it was published.
        ips: Arc<str>,
    },
    /// Clients that carry, or ask for, this tag.
    Tag {
        /// The tag.
        tag: Arc<str>,
    },
}

impl GrayRule {
    /// The rule and the name of a gray release; `None` for a formal one.
    #[must_use]
    pub fn of(release: &Release) -> Option<(Self, Arc<str>)> {
        match release {
            Release::Formal => None,
            Release::Beta { ips } => Some((Self::Beta { ips: Arc::clone(ips) }, "beta".into())),
            Release::Tag(tag) => Some((Self::Tag { tag: tag.as_str().into() }, format!("tag_{}", tag.as_str()).into())),
        }
    }

    /// Higher is tried first.
    #[must_use]
    pub const fn priority(&self) -> i32 {
        match self {
            Self::Beta { .. } => i32::MAX,
            Self::Tag { .. } => i32::MAX - 1,
        }
    }

    fn matches(&self, labels: &Labels<'_>) -> bool {
        match self {
            Self::Beta { ips } => ips.split(',').any(|ip| ip.trim() == labels.client_ip),
            Self::Tag { tag } => labels.tag() == Some(&**tag),
        }
    }
}

/// A content for some of the clients.
#[derive(Clone, Debug, PartialEq)]
pub struct GrayVersion {
    /// `beta` or `tag_<tag>`.
    pub name: Arc<str>,
    /// Who gets it.
    pub rule: GrayRule,
    /// The content and what is said about it.
    pub version: Version,
}

/// What is known of a client when it reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Labels<'a> {
    /// The address that the client gives for itself.
    pub client_ip: &'a str,
    /// The tag that the request asks for by name: if there is no such version, nothing is found.
    pub asked_tag: Option<&'a str>,
    /// The tag that the client carries; counts only if the request asks for none.
    pub carried_tag: Option<&'a str>,
}

impl<'a> Labels<'a> {
    fn tag(&self) -> Option<&'a str> {
        self.asked_tag.or(self.carried_tag)
    }
}

/// What a client gets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Selected<'a> {
    /// A version for some.
    Gray(&'a GrayVersion),
    /// The version for everybody.
    Formal(&'a Version),
    /// Nothing.
    Nothing,
}

impl<'a> Selected<'a> {
    /// The content, whichever version it is.
    #[must_use]
    pub fn version(&self) -> Option<&'a Version> {
        match self {
            Self::Gray(gray) => Some(&gray.version),
            Self::Formal(version) => Some(version),
            Self::Nothing => None,
        }
    }
}

impl Entry {
    /// What a client with these labels gets.
    #[must_use]
    pub fn select(&self, labels: &Labels<'_>) -> Selected<'_> {
        if let Some(gray) = self.gray.iter().find(|gray| gray.rule.matches(labels)) {
            return Selected::Gray(gray);
        }
        match &self.formal {
            Some(formal) if labels.asked_tag.is_none() => Selected::Formal(formal),
            _ => Selected::Nothing,
        }
    }
}
