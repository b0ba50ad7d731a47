//! Parameters of the config endpoints, read and checked.
//!
//! What is there is checked before what is missing is missed, as in `crate::from_wire`: the two are told in different
//! shapes. The generations agree in everything but spelling ([`Spelling`]) and in what a blank value means.

use nacrite_base::{ConfigKey, DataId, Fault, Host, NameError, NamespaceId, Tag};

use crate::from_wire::config::{self, PublishAsk};
use crate::http::params::Params;
use crate::http::refusal::{Refusal, shown};

/// Tags, or formats, that a search may name; each is compared with those of every config. There are eight formats, and
/// a config has at most five tags.
const LIST_LEN_MAX: usize = 100;

/// How a generation names the parameters.
#[derive(Clone, Copy, Debug)]
pub struct Spelling {
    version: Version,
    namespace: &'static str,
    group: &'static str,
    tags: &'static str,
    user: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
    Three,
}

/// `/v1/cs`.
pub const V1: Spelling =
    Spelling { version: Version::One, namespace: "tenant", group: "group", tags: "config_tags", user: "src_user" };

/// `/v2/cs`.
pub const V2: Spelling =
    Spelling { version: Version::Two, namespace: "namespaceId", group: "group", tags: "configTags", user: "srcUser" };

/// `/v3/client/cs` and `/v3/admin/cs`.
pub const V3: Spelling = Spelling {
    version: Version::Three,
    namespace: "namespaceId",
    group: "groupName",
    tags: "configTags",
    user: "srcUser",
};

/// What a publish says in headers.
#[derive(Clone, Copy, Debug, Default)]
pub struct PublishHeaders<'a> {
    /// `betaIps`: for whom a beta version is.
    pub beta_ips: Option<&'a str>,
    /// `casMd5`: the digest that the stored content must have. A parameter of that name means nothing (recorded:
    /// `v1/cs-cas`).
    pub cas: Option<&'a str>,
}

/// Which part of a list is wanted; both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageAsk {
    /// Which page.
    pub number: usize,
    /// Items per page.
    pub size: usize,
}

/// A search. What is `None` or empty does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchAsk {
    /// Whether names and contents are texts with wildcards.
    pub wildcards: bool,
    /// The namespace.
    pub namespace: String,
    /// The group.
    pub group: Option<String>,
    /// The name.
    pub data_id: Option<String>,
    /// The application that owns the config.
    pub app_name: Option<String>,
    /// Any of these tags.
    pub tags: Vec<String>,
    /// Any of these formats.
    pub types: Vec<String>,
    /// The content.
    pub content: Option<String>,
    /// Which part of what is found.
    pub page: PageAsk,
}

/// A key whose parts the framework binds: they must be there, and must not be blank.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn key(params: &Params<'_>, of: &Spelling) -> Result<ConfigKey, Refusal> {
    bound_key(params, of, &[])
}

/// As [`key`], where more must be there.
fn bound_key(params: &Params<'_>, of: &Spelling, also: &[&'static str]) -> Result<ConfigKey, Refusal> {
    let checked = lax_key(params, of)?;
    for name in ["dataId", of.group].iter().chain(also) {
        params.bound(name)?;
    }
    let blank = || config::key(params.sent("dataId"), params.sent(of.group), None);
    Ok(checked.map_or_else(blank, Ok)?)
}

/// A key of which every part may be blank or missing; `None` if the name or the group is.
fn lax_key(params: &Params<'_>, of: &Spelling) -> Result<Option<ConfigKey>, Fault> {
    config::lax_key(params.sent("dataId"), params.sent(of.group), namespace(params, of))
}

/// A key whose parts stand in a form: a blank one counts as missing.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn form_key(params: &Params<'_>, of: &Spelling) -> Result<ConfigKey, Refusal> {
    if let Some(key) = lax_key(params, of)? {
        return Ok(key);
    }
    // v3 looks at the group first (recorded: `v3/cs-config-errors`).
    let first = if of.version == Version::Three { of.group } else { "dataId" };
    params.required(first)?;
    params.required("dataId")?;
    Err(Fault::ParamMissing { name: of.group }.into())
}

/// A publish of v1, whose parameters the framework binds.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn publish_v1(params: &Params<'_>, headers: &PublishHeaders<'_>) -> Result<PublishAsk, Refusal> {
    let key = bound_key(params, &V1, &["content"])?;
    publish(params, headers, &V1, key)
}

/// A publish of v2 or v3, whose parameters stand in a form.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn publish_form(params: &Params<'_>, headers: &PublishHeaders<'_>, of: &Spelling) -> Result<PublishAsk, Refusal> {
    let key = form_key(params, of)?;
    params.required("content")?;
    publish(params, headers, of, key)
}

fn publish(
    params: &Params<'_>,
    headers: &PublishHeaders<'_>,
    of: &Spelling,
    key: ConfigKey,
) -> Result<PublishAsk, Refusal> {
    let content = config::content(params.sent("content"))?;
    let release = config::release(headers.beta_ips, params.sent("tag"))?;
    let attributes = config::attributes(|name| params.sent(if name == "config_tags" { of.tags } else { name }))?;
    Ok(PublishAsk {
        key,
        content,
        cas: headers.cas.filter(|cas| !cas.trim().is_empty()).map(str::to_owned),
        attributes,
        // Without a login the caller may say who it is.
        user: params.first_of(&[of.user, "username"]).map(Into::into),
        release,
    })
}

/// The tag of a read or of a removal; blank means none.
///
/// # Errors
/// [`Fault::Tag`] for one that breaks a rule.
pub fn tag(params: &Params<'_>) -> Result<Option<Tag>, Refusal> {
    let tag = params.sent("tag").filter(|tag| !tag.trim().is_empty());
    Ok(tag.map(Tag::parse).transpose().map_err(Fault::from)?)
}

/// Who removes something, if the caller says so.
#[must_use]
pub fn remover<'a>(params: &'a Params<'_>) -> Option<&'a str> {
    params.get("username")
}

/// A namespace that must be named, though blank means `public`.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn named_namespace(params: &Params<'_>, of: &Spelling) -> Result<NamespaceId, Refusal> {
    params.bound(of.namespace)?;
    Ok(NamespaceId::parse_or_public(namespace(params, of)).map_err(Fault::from)?)
}

/// 2.x takes the text `null` for no namespace; 3.x takes it literally.
fn namespace<'a>(params: &'a Params<'_>, of: &Spelling) -> Option<&'a str> {
    let sent = params.sent(of.namespace)?;
    let is_none = of.version != Version::Three && sent.eq_ignore_ascii_case("null");
    (!is_none).then_some(sent)
}

// --- pages ---

/// A page of v1 and v2: absent means the first, and a hundred items. v1 searches must name both.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn page(params: &Params<'_>, of: &Spelling) -> Result<PageAsk, Refusal> {
    let first = number(params, "pageNo", of)?.unwrap_or(1);
    let size = number(params, "pageSize", of)?.unwrap_or(100);
    if first < 1 || size < 1 {
        return Err(Refusal::Fault(Fault::ParamInvalid {
            message: "pageNo and pageSize must be greater than zero".to_owned(),
        }));
    }
    Ok(PageAsk { number: in_bounds(first), size: in_bounds(size) })
}

/// A page of v3.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn form_page(params: &Params<'_>) -> Result<PageAsk, Refusal> {
    let number = params.form_number("pageNo")?.unwrap_or(1);
    let size = params.form_number("pageSize")?.unwrap_or(100);
    for (name, given) in [("pageNo", number), ("pageSize", size)] {
        if given < 1 {
            return Err(Refusal::PageNotPositive { name, given });
        }
    }
    Ok(PageAsk { number: in_bounds(number), size: in_bounds(size) })
}

fn in_bounds(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn number(params: &Params<'_>, name: &'static str, of: &Spelling) -> Result<Option<i64>, Refusal> {
    params.get(name).map(|given| parse(name, given, of)).transpose()
}

fn parse(name: &'static str, given: &str, of: &Spelling) -> Result<i64, Refusal> {
    given.parse().map_err(|_| match of.version {
        Version::One => Refusal::NumberExpected { given: shown(given) },
        Version::Two | Version::Three => Refusal::unbindable(name, given),
    })
}

/// A number that must be there: of a row of the history, or of a config. `None` for one that no row can have.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn row_number(params: &Params<'_>, name: &'static str, of: &Spelling) -> Result<Option<u64>, Refusal> {
    let given = parse(name, params.bound(name)?.trim(), of)?;
    Ok(u64::try_from(given).ok())
}

/// The numbers of configs, comma-separated. Those that no config can have are left out.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn row_numbers(params: &Params<'_>, of: &Spelling) -> Result<Vec<u64>, Refusal> {
    let given = params.bound("ids")?.split(',').map(str::trim).filter(|id| !id.is_empty());
    let numbers: Result<Vec<i64>, Refusal> = given.map(|id| parse("ids", id, of)).collect();
    Ok(numbers?.into_iter().filter_map(|id| u64::try_from(id).ok()).collect())
}

// --- searches ---

/// A search of v1: names and page must be there, names may be blank.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn search_v1(params: &Params<'_>, wildcards: bool) -> Result<SearchAsk, Refusal> {
    if !wildcards {
        // Only names without wildcards can break a rule for names.
        lax_key(params, &V1)?;
    }
    for name in ["dataId", V1.group, "pageNo", "pageSize"] {
        params.bound(name)?;
    }
    Ok(SearchAsk {
        wildcards,
        types: if wildcards { list(params, "types")? } else { Vec::new() },
        content: None,
        page: page(params, &V1)?,
        ..search(params, &V1)?
    })
}

/// A search of v3: everything may be absent.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn search_v3(params: &Params<'_>) -> Result<SearchAsk, Refusal> {
    let mode = params.sent("search");
    if mode != Some("blur")
        && let Err(error) = DataId::parse(params.sent("dataId").unwrap_or_default())
        && !matches!(error, NameError::Blank { .. })
    {
        // Wildcards are the default, and yet only who names them may use them (recorded: `v3/console-config-list`).
        return Err(Fault::from(error).into());
    }
    Ok(SearchAsk {
        wildcards: mode.is_none_or(|mode| mode == "blur"),
        types: list(params, "type")?,
        content: filled(params, "configDetail"),
        page: form_page(params)?,
        ..search(params, &V3)?
    })
}

fn search(params: &Params<'_>, of: &Spelling) -> Result<SearchAsk, Fault> {
    let namespace = namespace(params, of).filter(|namespace| !namespace.trim().is_empty());
    Ok(SearchAsk {
        wildcards: false,
        namespace: namespace.unwrap_or("public").to_owned(),
        group: filled(params, of.group),
        data_id: filled(params, "dataId"),
        app_name: filled(params, "appName"),
        tags: list(params, of.tags)?,
        types: Vec::new(),
        content: None,
        page: PageAsk { number: 1, size: 1 },
    })
}

fn filled(params: &Params<'_>, name: &str) -> Option<String> {
    let sent = params.sent(name).filter(|value| !value.trim().is_empty());
    sent.map(str::to_owned)
}

fn list(params: &Params<'_>, name: &'static str) -> Result<Vec<String>, Fault> {
    let items = params.get(name).unwrap_or_default().split(',').filter(|item| !item.is_empty());
    let items: Vec<String> = items.take(LIST_LEN_MAX + 1).map(str::to_owned).collect();
    if items.len() > LIST_LEN_MAX {
        return Err(Fault::AttributeOver { much: "much", field: name, max: LIST_LEN_MAX });
    }
    Ok(items)
}

// --- who listens ---

/// Whose listeners are asked for in v1. A blank group means the default one.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn listeners_v1(params: &Params<'_>) -> Result<Option<ConfigKey>, Refusal> {
    let group = params.sent(V1.group).map(|group| if group.trim().is_empty() { "DEFAULT_GROUP" } else { group });
    let key = config::lax_key(params.sent("dataId"), group, namespace(params, &V1))?;
    params.bound("dataId")?;
    params.bound(V1.group)?;
    number(params, "sampleTime", &V1)?;
    Ok(key)
}

/// What is asked about an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressAsk {
    /// The address.
    pub ip: String,
    /// Configs of every namespace.
    pub all: bool,
    /// A part of the keys that are wanted anyway.
    pub namespace: Option<String>,
}

impl AddressAsk {
    /// Whether the asked namespace is a part of a key.
    #[must_use]
    pub fn names(&self, key: &str) -> bool {
        self.namespace.as_ref().is_some_and(|namespace| key.contains(namespace))
    }
}

/// What an address listens to.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn address(params: &Params<'_>, of: &Spelling) -> Result<AddressAsk, Refusal> {
    checked_host(params)?;
    let ip = params.bound("ip")?.trim().to_owned();
    if of.version == Version::One {
        number(params, "sampleTime", of)?;
    }
    Ok(AddressAsk { ip, all: params.form_flag("all")?.unwrap_or(false), namespace: filled(params, of.namespace) })
}

/// What a client at an address knows of a config: the address and the config.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn metrics(params: &Params<'_>, of: &Spelling) -> Result<(String, ConfigKey), Refusal> {
    let key = lax_key(params, of)?;
    checked_host(params)?;
    let ip = params.bound("ip")?.trim().to_owned();
    let blank = || config::key(params.sent("dataId"), params.sent(of.group), None);
    Ok((ip, key.map_or_else(blank, Ok)?))
}

fn checked_host(params: &Params<'_>) -> Result<(), Refusal> {
    Host::parse(params.sent("ip").unwrap_or_default()).map_err(Fault::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::Release;

    fn params<'a>(pairs: &[(&'a str, &'a str)]) -> Params<'a> {
        let mut params = Params::default();
        for (name, value) in pairs {
            params.push((*name).into(), (*value).into());
        }
        params
    }

    #[track_caller]
    fn refused<T: std::fmt::Debug>(asked: Result<T, Refusal>, text: &str) {
        assert_eq!(asked.expect_err("refused").to_string(), text);
    }

    #[test]
    fn v1_tells_a_missing_part_from_a_blank_one() {
        let missing =
            |name| format!("Required request parameter '{name}' for method parameter type String is not present");
        refused(key(&params(&[("group", "g")]), &V1), &missing("dataId"));
        refused(key(&params(&[("dataId", "d")]), &V1), &missing("group"));
        refused(key(&params(&[("dataId", " "), ("group", "g")]), &V1), "invalid dataId :  ");
        refused(key(&params(&[("dataId", "d"), ("group", "")]), &V1), "invalid group : ");
        let publish = |pairs: &[_]| publish_v1(&params(pairs), &PublishHeaders::default());
        refused(publish(&[("dataId", "d"), ("group", "g")]), &missing("content"));
        refused(publish(&[("dataId", ""), ("group", "g")]), &missing("content"));
        refused(publish(&[("dataId", "d"), ("group", "g"), ("content", " ")]), "content is blank :  ");
    }

    #[test]
    fn forms_take_a_blank_part_for_a_missing_one() {
        let v3 = |pairs: &[_]| publish_form(&params(pairs), &PublishHeaders::default(), &V3);
        refused(v3(&[]), "Param 'groupName' is required.");
        refused(v3(&[("groupName", "g"), ("dataId", "")]), "Param 'dataId' is required.");
        refused(v3(&[("groupName", "g"), ("dataId", "d")]), "Param 'content' is required.");
        let v2 = |pairs: &[_]| publish_form(&params(pairs), &PublishHeaders::default(), &V2);
        refused(v2(&[]), "Param 'dataId' is required.");
    }

    #[test]
    fn what_is_illegal_is_told_before_what_is_missing() {
        let text = "Param 'dataId' is illegal, illegal characters should not appear in the param.";
        refused(key(&params(&[("dataId", "a b")]), &V1), text);
        refused(form_key(&params(&[("dataId", "a b")]), &V3), text);
    }

    #[test]
    fn public_has_many_names_in_the_older_generations() {
        for name in ["", " ", "public", "null"] {
            let sent = [("dataId", "d"), ("group", "g"), ("tenant", name)];
            assert!(key(&params(&sent), &V1).is_ok_and(|key| key.namespace.is_public()), "{name:?}");
        }
        let sent = [("dataId", "d"), ("groupName", "g"), ("namespaceId", "null")];
        assert!(form_key(&params(&sent), &V3).is_ok_and(|key| key.namespace.as_str() == "null"));
    }

    #[test]
    fn a_publish_takes_everything_that_changes_meaning() {
        let sent = [
            ("dataId", "d"),
            ("group", "g"),
            ("content", " x "),
            ("config_tags", "a,b"),
            ("desc", ""),
            ("type", "yaml"),
            ("src_user", "tom"),
            ("tag", "blue"),
        ];
        let headers = PublishHeaders { beta_ips: None, cas: Some(" ") };
        let ask = publish_v1(&params(&sent), &headers).expect("a publish");
        assert_eq!((ask.content.as_str(), ask.cas, ask.user.as_deref()), (" x ", None, Some("tom")));
        assert_eq!(ask.attributes.tags.map(|tags| tags.len()), Some(2));
        assert_eq!(ask.attributes.description.as_deref(), Some(""));
        assert!(matches!(ask.release, Release::Tag(tag) if tag.as_str() == "blue"));
    }

    #[test]
    fn pages_start_at_one() {
        assert_eq!(page(&params(&[]), &V2).ok(), Some(PageAsk { number: 1, size: 100 }));
        refused(page(&params(&[("pageNo", "0")]), &V2), "pageNo and pageSize must be greater than zero");
        refused(
            form_page(&params(&[("pageSize", "-3")])),
            "Required parameter 'pageSize' should be positive integer, current is -3",
        );
        assert!(matches!(page(&params(&[("pageNo", "x")]), &V1), Err(Refusal::NumberExpected { .. })));
        assert!(matches!(page(&params(&[("pageNo", "x")]), &V2), Err(Refusal::Unbindable { .. })));
    }

    #[test]
    fn only_who_names_wildcards_may_use_them_in_v3() {
        assert!(search_v3(&params(&[("dataId", "a*")])).is_err());
        let ask = search_v3(&params(&[("dataId", "a*"), ("search", "blur")])).expect("a search");
        assert!(ask.wildcards && ask.data_id.as_deref() == Some("a*") && ask.namespace == "public");
        assert!(search_v3(&params(&[])).is_ok_and(|ask| ask.wildcards && ask.data_id.is_none()));
        assert!(search_v3(&params(&[("search", "accurate")])).is_ok_and(|ask| !ask.wildcards));
    }

    #[test]
    fn lists_are_bounded() {
        let types = vec!["yaml"; LIST_LEN_MAX + 1].join(",");
        refused(search_v3(&params(&[("type", &types)])), "too much type, over 100");
        assert!(search_v3(&params(&[("type", &types[..types.len() - 5])])).is_ok());
    }

    #[test]
    fn numbers_that_no_row_can_have_are_not_found() {
        assert_eq!(row_number(&params(&[("nid", "-1")]), "nid", &V1).ok(), Some(None));
        assert_eq!(row_numbers(&params(&[("ids", "1,,-2, 3")]), &V1).ok(), Some(vec![1, 3]));
        assert_eq!(row_numbers(&params(&[("ids", "")]), &V1).ok(), Some(vec![]));
        assert!(row_numbers(&params(&[]), &V1).is_err() && row_numbers(&params(&[("ids", "x")]), &V3).is_err());
    }

    #[test]
    fn metrics_need_a_config() {
        refused(metrics(&params(&[("ip", "10.9.9.9")]), &V1), "invalid dataId : null");
        assert!(metrics(&params(&[("ip", "1"), ("dataId", "d"), ("group", "g")]), &V1).is_ok());
    }
}
