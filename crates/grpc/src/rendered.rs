//! What this edge makes of a view, once per view and way of looking at it.

use bytes::Bytes;
use nacrite_base::Kind;
use nacrite_naming::{ClusterFilter, ServiceView};
use nacrite_wire::service_info::{Dialect, ServiceInfo};
use nacrite_wire::to_wire;
use parking_lot::Mutex;

/// Ways of looking at one view that are kept; further ones are written anew each time. Most services are looked at in
/// one way, few in more than a handful.
const KEPT_MAX: usize = 16;

/// One way of looking at a view, with what was written for it.
#[derive(Debug)]
struct Kept {
    dialect: Dialect,
    clusters: ClusterFilter,
    healthy_only: bool,
    list: Bytes,
    /// The push of the list, with its request id. All subscribers of a view share one id: an answer is matched on its
    /// own connection.
    push: Option<(u64, Bytes)>,
}

#[derive(Debug, Default)]
struct KeptViews(Mutex<Vec<Kept>>);

/// The list of a view, as one caller may see it.
pub(crate) fn list(view: &ServiceView, dialect: Dialect, clusters: &ClusterFilter, healthy_only: bool) -> Bytes {
    let kept = view.rendered.get_or_make(KeptViews::default);
    let mut kept = kept.0.lock();
    if let Some(known) = find(&mut kept, dialect, clusters, healthy_only) {
        return known.list.clone();
    }
    let list = encode(view, dialect, clusters, healthy_only);
    if kept.len() < KEPT_MAX {
        let clusters = clusters.clone();
        kept.push(Kept { dialect, clusters, healthy_only, list: list.clone(), push: None });
    }
    list
}

/// The push of a view to one kind of subscriber: its request id and its body.
pub(crate) fn push(
    view: &ServiceView,
    dialect: Dialect,
    clusters: &ClusterFilter,
    next_id: impl FnOnce() -> u64,
) -> (u64, Bytes) {
    let list = list(view, dialect, clusters, false);
    let kept = view.rendered.get_or_make(KeptViews::default);
    let mut kept = kept.0.lock();
    let known = find(&mut kept, dialect, clusters, false);
    if let Some((id, body)) = known.as_ref().and_then(|known| known.push.as_ref()) {
        return (*id, body.clone());
    }
    let id = next_id();
    let body = to_wire::naming::notify_subscriber(id, &list);
    if let Some(known) = known {
        known.push = Some((id, body.clone()));
    }
    (id, body)
}

fn find<'a>(
    kept: &'a mut [Kept],
    dialect: Dialect,
    clusters: &ClusterFilter,
    healthy_only: bool,
) -> Option<&'a mut Kept> {
    let same = |k: &Kept| k.dialect == dialect && k.healthy_only == healthy_only && k.clusters == *clusters;
    kept.iter_mut().find(|k| same(k))
}

fn encode(view: &ServiceView, dialect: Dialect, clusters: &ClusterFilter, healthy_only: bool) -> Bytes {
    let selection = view.select(clusters, healthy_only);
    let info = ServiceInfo {
        key: &view.key,
        clusters: clusters.as_str(),
        instances: &selection.instances,
        ephemeral: view.kind != Some(Kind::Persistent),
        protected: selection.protected,
        ref_time: view.ref_time,
    };
    info.encode(dialect)
}

/// How a client of this program and version is written to. Only Java's clients of version 2 know the older spelling.
pub(crate) fn dialect_of(version: &str) -> Dialect {
    if version.starts_with("Nacos-Java-Client:v2.") { Dialect::Rpc2 } else { Dialect::Rpc3 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{GroupName, NamespaceId, ServiceKey, ServiceName, Timestamp};

    fn view() -> ServiceView {
        let key = ServiceKey {
            namespace: NamespaceId::public(),
            group: GroupName::default_group(),
            name: ServiceName::from_stored("orders"),
        };
        ServiceView::unknown(key, Timestamp::from_ms(1))
    }

    #[test]
    fn a_view_is_written_once_for_all_who_look_the_same_way() {
        let view = view();
        let look = || list(&view, Dialect::Rpc3, &ClusterFilter::ALL, false);
        assert_eq!(look().as_ptr(), look().as_ptr());
        let mut ids = 0..;
        let mut push = || push(&view, Dialect::Rpc3, &ClusterFilter::ALL, || ids.next().unwrap_or_default());
        let (first, second) = (push(), push());
        assert_eq!((first.0, first.1.as_ptr()), (second.0, second.1.as_ptr()));
    }

    #[test]
    fn looks_beyond_the_bound_are_answered_too() {
        let view = view();
        for n in 0..2 * KEPT_MAX {
            let clusters = ClusterFilter::new(&format!("c{n}"));
            let list = list(&view, Dialect::Rpc3, &clusters, false);
            let said = format!("\"clusters\":\"c{n}\"");
            assert!(String::from_utf8_lossy(&list).contains(&said));
        }
    }

    #[test]
    fn only_java_clients_of_version_2_get_the_older_spelling() {
        for (version, dialect) in [
            ("Nacos-Java-Client:v2.5.1", Dialect::Rpc2),
            ("Nacos-Java-Client:v3.1.0", Dialect::Rpc3),
            ("Nacos-Go-Client:v2.3.5", Dialect::Rpc3),
            ("", Dialect::Rpc3),
        ] {
            assert_eq!(dialect_of(version), dialect, "{version}");
        }
    }
}
