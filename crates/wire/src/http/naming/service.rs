//! Services as parameters: what is created and changed, and which ones are to be listed.

use std::sync::Arc;

use nacrite_base::{GroupName, Kind, Metadata, NamespaceId, ServiceKey};

use super::instance::metadata_of;
use super::selector::selector;
use super::{form_service, v1_service};
use crate::http::params::Params;
use crate::http::refusal::{Refusal, shown};

/// What an operator sets for a service.
#[derive(Debug)]
pub struct ServiceAsk {
    /// Which service.
    pub service: ServiceKey,
    /// Which kind of instances it takes, where that is said.
    pub kind: Kind,
    /// Share of healthy instances at or below which all are shown as healthy.
    pub protect_threshold: f32,
    /// Texts attached to it.
    pub metadata: Metadata,
    /// Its selector, in Nacos's JSON; `None` for the one that selects everything.
    pub selector: Option<Arc<str>>,
}

/// Which page of which group is to be listed.
#[derive(Debug)]
pub struct ListAsk {
    /// Where.
    pub namespace: NamespaceId,
    /// In which group.
    pub group: GroupName,
    /// From 1; what is below counts as 1.
    pub page_no: usize,
    /// Names per page.
    pub page_size: usize,
}

/// Reads a service that is to be created in v1; it takes persistent instances.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_create(params: &Params<'_>) -> Result<ServiceAsk, Refusal> {
    let service = v1_service(params)?;
    let threshold = params.get("protectThreshold").map_or(Ok(0.0), threshold)?;
    settings(params, service, Kind::Persistent, threshold)
}

/// Reads a service that is to be changed in v1.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_update(params: &Params<'_>) -> Result<ServiceAsk, Refusal> {
    let service = v1_service(params)?;
    let threshold = threshold(params.required("protectThreshold")?)?;
    settings(params, service, Kind::Persistent, threshold)
}

/// Reads a service of a v2 or v3 form; everything that is not said is reset.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn form(params: &Params<'_>) -> Result<ServiceAsk, Refusal> {
    let service = form_service(params)?;
    let kind = match params.form_flag("ephemeral")? {
        Some(true) => Kind::Ephemeral,
        _ => Kind::Persistent,
    };
    let threshold = params.form_number("protectThreshold")?.unwrap_or(0.0);
    settings(params, service, kind, threshold)
}

fn settings(params: &Params<'_>, service: ServiceKey, kind: Kind, threshold: f32) -> Result<ServiceAsk, Refusal> {
    let metadata = params.get("metadata").map_or_else(|| Ok(Metadata::default()), metadata_of)?;
    let selector = selector(params.get("selector"))?;
    Ok(ServiceAsk { service, kind, protect_threshold: threshold, metadata, selector })
}

fn threshold(given: &str) -> Result<f32, Refusal> {
    given.parse().map_err(|_| Refusal::NumberExpected { given: shown(given) })
}

/// Reads which page to list in v1; a page that is no number is the first (recorded: `ns-service-list`).
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_list(params: &Params<'_>) -> Result<ListAsk, Refusal> {
    let page_no = params.required("pageNo")?.parse().unwrap_or(0);
    let page_size = params.required("pageSize")?.parse().unwrap_or(0);
    list(params, page_no, page_size)
}

/// Reads which page to list in v2.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v2_list(params: &Params<'_>) -> Result<ListAsk, Refusal> {
    let page_no = params.form_number("pageNo")?.unwrap_or(1);
    let page_size = params.form_number("pageSize")?.unwrap_or(V2_PAGE_SIZE).min(V2_PAGE_SIZE_MAX);
    list(params, page_no, page_size)
}

/// Names per page in v2 unless the caller says otherwise, and at most.
const V2_PAGE_SIZE: i64 = 20;
const V2_PAGE_SIZE_MAX: i64 = 500;

fn list(params: &Params<'_>, page_no: i64, page_size: i64) -> Result<ListAsk, Refusal> {
    let page_size = usize::try_from(page_size).map_err(|_| Refusal::PageNegative { size: page_size })?;
    let page_no = usize::try_from(page_no).unwrap_or(1).max(1);
    Ok(ListAsk { namespace: super::namespace(params)?, group: super::group(params)?, page_no, page_size })
}

/// A page of v3: both numbers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageAsk {
    /// Which page.
    pub no: usize,
    /// Items per page.
    pub size: usize,
}

impl PageAsk {
    /// The items of the page.
    pub fn cut<T>(self, items: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
        items.skip((self.no - 1).saturating_mul(self.size)).take(self.size)
    }
}

/// Reads a page of v3.
///
/// # Errors
/// [`Refusal::PageNotPositive`] or [`Refusal::Unbindable`].
pub fn v3_page(params: &Params<'_>) -> Result<PageAsk, Refusal> {
    let positive = |name: &'static str, default: i64| {
        let given: i64 = params.form_number(name)?.unwrap_or(default);
        let size = usize::try_from(given).ok().filter(|size| *size > 0);
        size.ok_or(Refusal::PageNotPositive { name, given })
    };
    Ok(PageAsk { no: positive("pageNo", 1)?, size: positive("pageSize", 100)? })
}

/// Whose subscribers are to be listed.
#[derive(Debug)]
pub struct SubscribersAsk {
    /// The service; group and name also stand for those that contain them.
    pub service: ServiceKey,
    /// Which page.
    pub page: PageAsk,
}

/// Subscribers per page of v1 unless the caller says otherwise.
const V1_SUBSCRIBERS: usize = 1000;

/// Reads whose subscribers to list in v1; pages that are no numbers are the first, of 1,000.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_subscribers(params: &Params<'_>) -> Result<SubscribersAsk, Refusal> {
    let service = v1_service(params)?;
    let number = |name, default: usize| params.get(name).and_then(|text| text.parse().ok()).unwrap_or(default);
    let page = PageAsk { no: number("pageNo", 1).max(1), size: number("pageSize", V1_SUBSCRIBERS) };
    Ok(SubscribersAsk { service, page })
}

/// Reads whose subscribers to list in v3.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v3_subscribers(params: &Params<'_>) -> Result<SubscribersAsk, Refusal> {
    Ok(SubscribersAsk { service: form_service(params)?, page: v3_page(params)? })
}

/// Which services are to be listed in v3, and in the catalog of v1.
#[derive(Debug)]
pub struct CatalogAsk {
    /// Where.
    pub namespace: NamespaceId,
    /// Pattern of the group, see [`super::shown::matches`]; empty for all.
    pub group: String,
    /// Pattern of the name; empty for all.
    pub name: String,
    /// Leave out services without instances.
    pub ignore_empty: bool,
    /// Show instances, too.
    pub with_instances: bool,
    /// Which page.
    pub page: PageAsk,
}

/// Reads which services to list in v3.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v3_catalog(params: &Params<'_>) -> Result<CatalogAsk, Refusal> {
    let namespace = super::namespace(params)?;
    let text = |name: &str| params.get(name).unwrap_or_default().to_owned();
    Ok(CatalogAsk {
        namespace,
        group: text("groupNameParam"),
        name: text("serviceNameParam"),
        ignore_empty: params.form_flag("ignoreEmptyService")?.unwrap_or(false),
        with_instances: params.form_flag("withInstances")?.unwrap_or(false),
        page: v3_page(params)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::params;
    use super::*;

    #[test]
    fn v1_creates_persistent_services_and_must_say_a_threshold_to_change_one() {
        let created = v1_create(&params(&[("serviceName", "a")])).expect("minimal");
        assert_eq!((created.kind, created.protect_threshold), (Kind::Persistent, 0.0));
        let missing = v1_update(&params(&[("serviceName", "a")])).map(|_| ()).map_err(|r| r.to_string());
        assert_eq!(missing, Err("Param 'protectThreshold' is required.".to_owned()));
        assert!(v1_update(&params(&[("serviceName", "a"), ("protectThreshold", "x")])).is_err());
    }

    #[test]
    fn a_form_says_the_kind() {
        let kind = |said| form(&params(&[("serviceName", "a"), ("ephemeral", said)])).map(|ask| ask.kind).ok();
        assert_eq!((kind("true"), kind(""), kind("x")), (Some(Kind::Ephemeral), Some(Kind::Persistent), None));
    }

    #[test]
    fn pages_are_lenient_in_v1_and_strict_later() {
        let v1 = |no, size| v1_list(&params(&[("pageNo", no), ("pageSize", size)]));
        assert!(v1("x", "10").is_ok_and(|ask| (ask.page_no, ask.page_size) == (1, 10)));
        assert!(matches!(v1("1", "-1"), Err(Refusal::PageNegative { size: -1 })));
        assert!(v2_list(&params(&[])).is_ok_and(|ask| ask.page_size == 20));
        assert!(v2_list(&params(&[("pageSize", "501")])).is_ok_and(|ask| ask.page_size == 500));
        assert!(matches!(v2_list(&params(&[("pageNo", "x")])), Err(Refusal::Unbindable { .. })));
        assert!(matches!(v3_page(&params(&[("pageNo", "0")])), Err(Refusal::PageNotPositive { given: 0, .. })));
        assert_eq!(v3_page(&params(&[])).ok(), Some(PageAsk { no: 1, size: 100 }));
    }

    #[test]
    fn a_page_is_cut_out_of_all() {
        let cut = |no, size| PageAsk { no, size }.cut(0..5).collect::<Vec<_>>();
        assert_eq!((cut(1, 2), cut(3, 2), cut(9, 2)), (vec![0, 1], vec![4], vec![]));
        assert!(cut(usize::MAX, usize::MAX).is_empty());
    }
}
