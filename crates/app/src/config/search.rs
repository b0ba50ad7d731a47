//! Searching configs by name, by what is said about them, and by content.
//!
//! Decides which configs pass and which page of them is shown; how they are shown is the edges' business. Looks at what
//! is in memory; only a search through contents reads from disk, and of those few run at a time.

use std::sync::Arc;

use nacrite_base::{ConfigKey, Fault};
use nacrite_config::{Entry, Version};

use super::{ConfigCases, Page, PageAsk};
use crate::limits::{CONTENT_SEARCHES_MAX, PATTERN_LEN_MAX, SEARCH_BYTES_MAX, SEARCH_PAGE_MAX};
use crate::owner::configs::Content;

/// Contents that are looked through before others get a turn. At a megabyte each that is some milliseconds.
const CONTENTS_PER_TURN: usize = 16;

/// A text that others are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// The text itself.
    Exact(String),
    /// The parts between wildcards for any number of characters.
    Parts { parts: Vec<String>, underscore: Underscore },
}

/// What `_` inside a part stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Underscore {
    AnyOne,
    Itself,
}

impl Pattern {
    /// Only the text itself matches.
    #[must_use]
    pub fn exact(text: &str) -> Self {
        Self(Kind::Exact(text.to_owned()))
    }

    /// `*` and `%` stand for any characters, `_` for any one, as Nacos's database reads names (recorded:
    /// `v1/cs-search-blur`).
    ///
    /// # Errors
    /// [`Fault::ParamInvalid`] beyond [`PATTERN_LEN_MAX`] characters.
    pub fn like(text: &str) -> Result<Self, Fault> {
        Self::with(text, &['*', '%', '_'], Underscore::AnyOne)
    }

    /// `*` and `%` stand for any characters. Unlike in a name `_` is itself: contents are full of it, and long enough
    /// for the difference to cost.
    ///
    /// # Errors
    /// As [`Self::like`].
    pub fn in_content(text: &str) -> Result<Self, Fault> {
        Self::with(text, &['*', '%'], Underscore::Itself)
    }

    fn with(text: &str, wildcards: &[char], underscore: Underscore) -> Result<Self, Fault> {
        if text.len() > PATTERN_LEN_MAX && text.chars().count() > PATTERN_LEN_MAX {
            return Err(Fault::ParamInvalid {
                message: format!("a text to search for may have {PATTERN_LEN_MAX} characters"),
            });
        }
        if !text.contains(wildcards) {
            return Ok(Self::exact(text));
        }
        let parts = text.split(['*', '%']).map(str::to_owned).collect();
        Ok(Self(Kind::Parts { parts, underscore }))
    }

    /// Whether a text matches. Cost: one pass over the text, times the length of a part that has `_` in it.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let (parts, underscore) = match &self.0 {
            Kind::Exact(exact) => return text == exact,
            Kind::Parts { parts, underscore } => (parts, *underscore),
        };
        let Some((first, others)) = parts.split_first() else {
            return text.is_empty();
        };
        let Some(mut rest) = behind(text, first, underscore) else { return false };
        let Some((last, middle)) = others.split_last() else {
            return rest.is_empty();
        };
        // The leftmost place of each part leaves the most room for those behind it.
        for part in middle {
            match find(rest, part, underscore) {
                Some(found) => rest = found,
                None => return false,
            }
        }
        ends_with(rest, last, underscore)
    }
}

/// What is behind `part` at the beginning of `text`.
fn behind<'a>(text: &'a str, part: &str, underscore: Underscore) -> Option<&'a str> {
    let mut chars = text.chars();
    for wanted in part.chars() {
        let found = chars.next()?;
        let is_any = wanted == '_' && underscore == Underscore::AnyOne;
        if !is_any && wanted != found {
            return None;
        }
    }
    Some(chars.as_str())
}

/// What is behind the leftmost `part` in `text`.
fn find<'a>(text: &'a str, part: &str, underscore: Underscore) -> Option<&'a str> {
    if underscore == Underscore::Itself || !part.contains('_') {
        return text.find(part).map(|at| &text[at + part.len()..]);
    }
    text.char_indices().find_map(|(at, _)| behind(&text[at..], part, underscore))
}

fn ends_with(text: &str, part: &str, underscore: Underscore) -> bool {
    let len = part.chars().count();
    let Some(from_end) = len.checked_sub(1) else { return true };
    let tail = text.char_indices().rev().nth(from_end);
    tail.is_some_and(|(at, _)| behind(&text[at..], part, underscore) == Some(""))
}

/// What a config must be to be found. What is `None` or empty does not matter.
#[derive(Clone, Debug)]
pub struct Search {
    /// Its namespace.
    pub namespace: Pattern,
    /// Its group.
    pub group: Option<Pattern>,
    /// Its name.
    pub data_id: Option<Pattern>,
    /// The application that owns it.
    pub app_name: Option<String>,
    /// It has any of these tags.
    pub tags: Vec<String>,
    /// It has any of these formats.
    pub types: Vec<String>,
    /// Its content.
    pub content: Option<Pattern>,
}

impl Search {
    fn passes(&self, key: &ConfigKey, entry: &Entry) -> bool {
        let matches = |pattern: &Option<Pattern>, text| pattern.as_ref().is_none_or(|pattern| pattern.matches(text));
        self.namespace.matches(key.namespace.as_str())
            && matches(&self.group, key.group.as_str())
            && matches(&self.data_id, key.data_id.as_str())
            && entry.formal.as_ref().is_some_and(|version| self.describes(version))
    }

    fn describes(&self, version: &Version) -> bool {
        let attributes = &version.attributes;
        let app_name = attributes.app_name.as_deref().unwrap_or_default();
        let has_tag = |tag: &String| attributes.tags.iter().flatten().any(|has| **has == **tag);
        self.app_name.as_ref().is_none_or(|wanted| wanted == app_name)
            && (self.tags.is_empty() || self.tags.iter().any(has_tag))
            && (self.types.is_empty() || self.types.iter().any(|wanted| wanted == version.config_type().as_str()))
    }
}

/// A config that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Which.
    pub key: ConfigKey,
    /// Everything known of it.
    pub entry: Arc<Entry>,
}

impl ConfigCases {
    /// One page of the configs that pass, ordered by key. Cost: one pass over all configs; with a condition on the
    /// content also a read of each content that the other conditions let pass.
    ///
    /// # Errors
    /// [`Fault::OverLimit`] while [`CONTENT_SEARCHES_MAX`] others look through contents; [`Fault::Internal`] if the disk
    /// fails.
    pub async fn search(&self, wanted: &Search, page: PageAsk) -> Result<Page<Hit>, Fault> {
        let found = self.configs.list(|key, entry| wanted.passes(key, entry)).into_iter();
        let mut hits: Vec<Hit> = found.map(|(key, entry)| Hit { key, entry }).collect();
        if let Some(content) = &wanted.content {
            hits = self.with_content(hits, content).await?;
        }
        let size = page.size.min(SEARCH_PAGE_MAX);
        let page = PageAsk { size, ..page };
        Ok(Page { total: hits.len(), items: hits.into_iter().skip(page.skip()).take(size).collect() })
    }

    async fn with_content(&self, hits: Vec<Hit>, pattern: &Pattern) -> Result<Vec<Hit>, Fault> {
        let _turn = self.content_searches.try_acquire().map_err(|_| Fault::OverLimit {
            limit: format!("{CONTENT_SEARCHES_MAX} searches through contents at a time"),
        })?;
        let mut matching = Vec::new();
        for (at, hit) in hits.into_iter().enumerate() {
            if at % CONTENTS_PER_TURN == CONTENTS_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let Some(version) = &hit.entry.formal else { continue };
            let content = self.peek(version)?;
            if std::str::from_utf8(&content.text).is_ok_and(|text| pattern.matches(text)) {
                matching.push(hit);
            }
        }
        Ok(matching)
    }

    /// The contents of a page of hits, in their order.
    ///
    /// # Errors
    /// [`Fault::ParamInvalid`] if they are more than [`SEARCH_BYTES_MAX`] bytes; [`Fault::Internal`] if the disk fails.
    pub fn contents(&self, hits: &[Hit]) -> Result<Vec<Arc<Content>>, Fault> {
        let mut bytes = 0;
        let mut contents = Vec::with_capacity(hits.len());
        for version in hits.iter().filter_map(|hit| hit.entry.formal.as_ref()) {
            let content = self.peek(version)?;
            bytes += content.text.len();
            if bytes > SEARCH_BYTES_MAX {
                return Err(Fault::ParamInvalid {
                    message: format!("the contents of this page are more than {SEARCH_BYTES_MAX} bytes; ask for fewer"),
                });
            }
            contents.push(content);
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern = Pattern::like(pattern).expect("short enough");
        for text in matching {
            assert!(pattern.matches(text), "{pattern:?} {text:?}");
        }
        for text in others {
            assert!(!pattern.matches(text), "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn wildcards_are_those_of_the_database() {
        check("app", &["app"], &["app.yaml", "App", ""]);
        check("app*", &["app", "app.yaml"], &["my app", "ap"]);
        check("*.yaml", &["a.yaml", ".yaml"], &["a.yaml.bak"]);
        check("*p.y*", &["app.yaml", "p.y"], &["app.xml"]);
        check("app%", &["app.yaml"], &["my app"]);
        check("app_yaml", &["app.yaml", "app配yaml"], &["appyaml", "app..yaml"]);
        check("*a_c*", &["abc", "xxaxcxx", "aabcc"], &["ac", "ab"]);
        check("a*b*c", &["abc", "aXbXbc", "abcbc"], &["ab", "abcb"]);
        check("*", &["", "anything"], &[]);
        check("**_", &["a", "配"], &[""]);
        check("ab*b", &["abb", "abXb"], &["ab"]);
    }

    #[test]
    fn an_underscore_in_a_content_is_itself() {
        let pattern = Pattern::in_content("*max_size*").expect("short enough");
        assert!(pattern.matches("a\nmax_size: 1") && !pattern.matches("max-size: 1"));
        assert!(Pattern::in_content("a_b").expect("short enough").matches("a_b"));
    }

    #[test]
    fn an_exact_text_has_no_wildcards() {
        assert!(Pattern::exact("a*").matches("a*") && !Pattern::exact("a*").matches("ab"));
    }

    #[test]
    fn a_pattern_is_bounded() {
        assert!(Pattern::like(&"*".repeat(PATTERN_LEN_MAX)).is_ok());
        assert!(Pattern::like(&"*".repeat(PATTERN_LEN_MAX + 1)).is_err());
    }
}
