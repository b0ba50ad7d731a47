//! What this edge makes of a view, once per view and cluster filter.

use bytes::Bytes;
use nacrite_base::Kind;
use nacrite_naming::{ClusterFilter, ServiceView};
use nacrite_wire::push_packet;
use nacrite_wire::service_info::{Dialect, ServiceInfo};
use parking_lot::Mutex;

/// Filters of one view whose packets are kept; further ones are written anew each time. Most services are looked at in one
/// way, few in more than a handful.
const KEPT_MAX: usize = 16;

/// A packet and the mark by which its acknowledgement names it. All clients that see the same share both: an
/// acknowledgement is known by its sender, too.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) mark: u64,
    pub(crate) bytes: Bytes,
}

#[derive(Debug, Default)]
struct KeptPackets(Mutex<Vec<(ClusterFilter, Packet)>>);

/// The packet of a view for subscribers of these clusters.
pub(crate) fn packet(view: &ServiceView, clusters: &ClusterFilter, next_mark: impl FnOnce() -> u64) -> Packet {
    let kept = view.rendered.get_or_make(KeptPackets::default);
    let mut kept = kept.0.lock();
    if let Some((_, known)) = kept.iter().find(|(filter, _)| filter == clusters) {
        return known.clone();
    }
    let mark = next_mark();
    let packet = Packet { mark, bytes: push_packet::dom(&list(view, clusters), mark) };
    if kept.len() < KEPT_MAX {
        kept.push((clusters.clone(), packet.clone()));
    }
    packet
}

fn list(view: &ServiceView, clusters: &ClusterFilter) -> Bytes {
    let selection = view.select(clusters, false);
    let info = ServiceInfo {
        key: &view.key,
        clusters: clusters.as_str(),
        instances: &selection.instances,
        ephemeral: view.kind != Some(Kind::Persistent),
        protected: selection.protected,
        ref_time: view.ref_time,
    };
    info.encode(Dialect::Http)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{GroupName, NamespaceId, ServiceKey, ServiceName, Timestamp};

    #[test]
    fn a_view_is_packed_once_for_all_who_see_the_same() {
        let (namespace, group) = (NamespaceId::public(), GroupName::default_group());
        let key = ServiceKey { namespace, group, name: ServiceName::from_stored("orders") };
        let view = ServiceView::unknown(key, Timestamp::from_ms(1));
        let mut marks = 1..;
        let mut packed = |clusters| packet(&view, &ClusterFilter::new(clusters), || marks.next().unwrap_or_default());
        let (first, second, other) = (packed(""), packed(""), packed("c1"));
        assert_eq!((first.mark, first.bytes.as_ptr()), (second.mark, second.bytes.as_ptr()));
        assert_eq!((first.mark, other.mark), (1, 2));
        assert!(String::from_utf8_lossy(&other.bytes).contains(r#"\"clusters\":\"c1\""#));
    }
}
