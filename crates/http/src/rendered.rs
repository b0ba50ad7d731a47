//! What this edge makes of a view, once per view and way of looking at it.

use bytes::Bytes;
use nacrite_base::Kind;
use nacrite_naming::{ClusterFilter, ServiceView};
use nacrite_wire::http::envelope;
use nacrite_wire::service_info::{Dialect, ServiceInfo};
use parking_lot::Mutex;

/// Ways of looking at one view that are kept; further ones are written anew each time. Most services are looked at in
/// one way, few in more than a handful.
const KEPT_MAX: usize = 16;

/// How a generation writes a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The object alone.
    V1,
    /// The object in its envelope.
    V2,
    /// The instances in their envelope.
    V3,
}

/// One way of looking at a view, with what was written for it.
#[derive(Debug)]
struct Kept {
    shape: Shape,
    clusters: ClusterFilter,
    healthy_only: bool,
    body: Bytes,
}

#[derive(Debug, Default)]
struct KeptBodies(Mutex<Vec<Kept>>);

/// The list of a view, as one caller may see it.
pub(crate) fn list(view: &ServiceView, shape: Shape, clusters: &str, healthy_only: bool) -> Bytes {
    let kept = view.rendered.get_or_make(KeptBodies::default);
    let mut kept = kept.0.lock();
    let same = |k: &&Kept| k.shape == shape && k.healthy_only == healthy_only && k.clusters.as_str() == clusters;
    if let Some(known) = kept.iter().find(same) {
        return known.body.clone();
    }
    let clusters = ClusterFilter::new(clusters);
    let body = encode(view, shape, &clusters, healthy_only);
    if kept.len() < KEPT_MAX {
        kept.push(Kept { shape, clusters, healthy_only, body: body.clone() });
    }
    body
}

fn encode(view: &ServiceView, shape: Shape, clusters: &ClusterFilter, healthy_only: bool) -> Bytes {
    let selection = view.select(clusters, healthy_only);
    let list = ServiceInfo {
        key: &view.key,
        clusters: clusters.as_str(),
        instances: &selection.instances,
        ephemeral: view.kind != Some(Kind::Persistent),
        protected: selection.protected,
        ref_time: view.ref_time,
    };
    match shape {
        Shape::V1 => list.encode(Dialect::Http),
        Shape::V2 => envelope::result(&list.encode(Dialect::Http)),
        Shape::V3 => envelope::result(&list.encode_hosts()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{GroupName, NamespaceId, ServiceKey, ServiceName, Timestamp};

    fn view() -> ServiceView {
        let (namespace, group) = (NamespaceId::public(), GroupName::default_group());
        let key = ServiceKey { namespace, group, name: ServiceName::from_stored("orders") };
        ServiceView::unknown(key, Timestamp::from_ms(1))
    }

    #[test]
    fn a_view_is_written_once_for_all_who_look_the_same_way() {
        let view = view();
        let look = |shape, clusters, healthy_only| list(&view, shape, clusters, healthy_only).as_ptr();
        let first = look(Shape::V1, "", false);
        assert_eq!(first, look(Shape::V1, "", false));
        for other in [look(Shape::V1, "", true), look(Shape::V1, "c1", false), look(Shape::V3, "", false)] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn looks_beyond_the_bound_are_answered_too() {
        let view = view();
        for n in 0..2 * KEPT_MAX {
            let list = list(&view, Shape::V2, &format!("c{n}"), false);
            assert!(String::from_utf8_lossy(&list).contains(&format!("\"clusters\":\"c{n}\"")));
        }
    }
}
