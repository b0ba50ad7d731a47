//! The naming requests and answers over HTTP.
//!
//! `instance`, `beat`, `polling` and `service` read parameters into checked words, `detail` and `shown` write what clients
//! and operators look at; lists are those of [`crate::service_info`]. This file has what they share: how a service is
//! named.

pub mod batch;
pub mod beat;
pub mod catalog;
pub mod clients;
pub mod cluster;
pub mod detail;
pub mod guard;
pub mod health;
pub mod instance;
pub mod lookups;
pub mod polling;
pub mod pushes;
pub mod selector;
pub mod service;
pub mod shown;
pub mod switches;

use nacrite_base::{Fault, GroupName, NameError, NamespaceId, ServiceKey, ServiceName};

use super::params::Params;
use super::refusal::{NameRule, Refusal};

/// What stands between the group and the name of a service.
const SEPARATOR: &str = "@@";

/// What stands between a namespace and the group in a key that names both.
const SEPARATOR_OF_NAMESPACE: &str = "##";

/// The service of a v1 request: `serviceName`, with its group in front or in `groupName`.
///
/// # Errors
/// [`Refusal::ServiceNameFiltered`] for a name with half a group, [`Fault::Name`] or [`Fault::ParamMissing`].
pub fn v1_service(params: &Params<'_>) -> Result<ServiceKey, Refusal> {
    let Some(named) = params.get("serviceName") else {
        return Err(Fault::ParamMissing { name: "serviceName" }.into());
    };
    let group = params.get("groupName");
    if named.contains(SEPARATOR) {
        let (group, name) = split(named).map_err(|rule| Refusal::ServiceNameFiltered { rule })?;
        return key(params, Some(group), name);
    }
    key(params, group, named)
}

/// The service of a v2 or v3 form.
///
/// # Errors
/// [`Fault::ParamMissing`] or [`Fault::Name`].
pub fn form_service(params: &Params<'_>) -> Result<ServiceKey, Refusal> {
    plain_or_grouped(params, params.required("serviceName")?)
}

/// The service of a v2 request whose name the framework binds.
///
/// # Errors
/// [`Refusal::NotBound`] or [`Fault::Name`].
pub fn bound_service(params: &Params<'_>) -> Result<ServiceKey, Refusal> {
    plain_or_grouped(params, params.bound("serviceName")?)
}

/// The service of a v2 request that takes grouped names only.
///
/// # Errors
/// [`Refusal::NotBound`], [`Refusal::ServiceNameUngrouped`] or [`Fault::Name`].
pub fn grouped_service(params: &Params<'_>) -> Result<ServiceKey, Refusal> {
    let (group, name) =
        split(params.bound("serviceName")?.trim()).map_err(|rule| Refusal::ServiceNameUngrouped { rule })?;
    key(params, Some(group), name)
}

/// A name of v2 or v3; one with a group in front is taken at its word (recorded: `v3/ns-service-errors`, grouped).
fn plain_or_grouped(params: &Params<'_>, named: &str) -> Result<ServiceKey, Refusal> {
    match split(named) {
        Ok((group, name)) => key(params, Some(group), name),
        Err(_) => key(params, params.get("groupName"), named),
    }
}

fn split(named: &str) -> Result<(&str, &str), NameRule> {
    match named.split_once(SEPARATOR) {
        None | Some((_, "")) => Err(NameRule::TwoParts),
        Some(("", _)) => Err(NameRule::Group),
        Some(parts) => Ok(parts),
    }
}

fn key(params: &Params<'_>, group: Option<&str>, name: &str) -> Result<ServiceKey, Refusal> {
    key_in(params.get("namespaceId"), group, name)
}

fn key_in(namespace: Option<&str>, group: Option<&str>, name: &str) -> Result<ServiceKey, Refusal> {
    let namespace = NamespaceId::parse_or_public(namespace).map_err(Fault::Name)?;
    let name = ServiceName::parse(name).map_err(Fault::Name)?;
    Ok(ServiceKey { namespace, group: group_or_default(group)?, name })
}

/// `namespaceId`; absent and blank mean `public`.
///
/// # Errors
/// [`Fault::Name`].
pub fn namespace(params: &Params<'_>) -> Result<NamespaceId, Refusal> {
    Ok(NamespaceId::parse_or_public(params.get("namespaceId")).map_err(Fault::Name)?)
}

/// `groupName`; absent and blank mean the default group.
///
/// # Errors
/// [`Fault::Name`].
pub fn group(params: &Params<'_>) -> Result<GroupName, Refusal> {
    group_or_default(params.get("groupName"))
}

fn group_or_default(raw: Option<&str>) -> Result<GroupName, Refusal> {
    match raw {
        None | Some("DEFAULT_GROUP") => Ok(GroupName::default_group()),
        Some(raw) => Ok(GroupName::parse(raw).map_err(Fault::Name)?),
    }
}

/// Passes over what is blank: others complain about that.
pub(crate) fn unless_blank<T>(parsed: Result<T, NameError>) -> Result<(), Refusal> {
    match parsed {
        Ok(_) | Err(NameError::Blank { .. }) => Ok(()),
        Err(error) => Err(Fault::Name(error).into()),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn params<'a>(pairs: &[(&'a str, &'a str)]) -> Params<'a> {
        let mut params = Params::default();
        for (name, value) in pairs {
            params.push((*name).into(), (*value).into());
        }
        params
    }

    #[track_caller]
    fn check(pairs: &[(&str, &str)], v1: Result<&str, &str>, form: Result<&str, &str>) {
        let params = params(pairs);
        let told = |read: Result<ServiceKey, Refusal>| read.map(|key| key.to_string()).map_err(|r| r.to_string());
        let expected = |text: Result<&str, &str>| text.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(told(v1_service(&params)), expected(v1), "v1 {pairs:?}");
        assert_eq!(told(form_service(&params)), expected(form), "form {pairs:?}");
    }

    #[test]
    fn a_service_is_named_with_its_group_in_front_or_beside_it() {
        let plain = Ok("public#DEFAULT_GROUP@@a");
        check(&[("serviceName", "a")], plain, plain);
        check(&[("serviceName", "a"), ("groupName", " ")], plain, plain);
        let beside = Ok("n#g@@a");
        check(&[("serviceName", "a"), ("groupName", "g"), ("namespaceId", "n")], beside, beside);
        let in_front = Ok("public#g@@a");
        check(&[("serviceName", "g@@a"), ("groupName", "other")], in_front, in_front);
    }

    #[test]
    fn half_a_group_is_refused_before_anything_else_in_v1() {
        let two_parts = "Service name filter error,caused: Param 'serviceName' is illegal, it should be format as \
                         'groupName@@serviceName';";
        let group = "Service name filter error,caused: Param 'serviceName' is illegal, groupName can't be empty;";
        let illegal = "Param 'serviceName' is illegal, illegal characters should not appear in the param.";
        check(&[("serviceName", "@@")], Err(two_parts), Err(illegal));
        check(&[("serviceName", "G@@")], Err(two_parts), Err(illegal));
        check(&[("serviceName", "@@a")], Err(group), Err(illegal));
        check(&[("serviceName", "G@@a@@b")], Err(illegal), Err(illegal));
    }

    #[test]
    fn a_missing_name_is_told_apart_from_a_blank_one_where_the_framework_binds_it() {
        check(&[], Err("Param 'serviceName' is required."), Err("Param 'serviceName' is required."));
        assert!(matches!(bound_service(&params(&[])), Err(Refusal::NotBound { .. })));
        let blank = bound_service(&params(&[("serviceName", "")])).map_err(|r| r.to_string());
        assert_eq!(blank, Err("Param 'serviceName' is illegal, serviceName is blank".to_owned()));
    }

    #[test]
    fn some_endpoints_take_grouped_names_only() {
        let grouped = |name| grouped_service(&params(&[("serviceName", name)]));
        assert!(grouped("g@@a").is_ok());
        assert!(matches!(grouped("a"), Err(Refusal::ServiceNameUngrouped { rule: NameRule::TwoParts })));
    }
}
