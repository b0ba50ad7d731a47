//! Services as operators see them, in the models of v1, v2 and v3.

use nacrite_base::{Instance, Metadata, ServiceKey};

use super::cluster::ShownCluster;
use super::selector;
use crate::http::envelope::write_list;
use crate::json;
use crate::service_info::{Host, write_host};

/// A service with its settings.
#[derive(Clone, Copy, Debug)]
pub struct ServiceDetail<'a> {
    /// Which service.
    pub key: &'a ServiceKey,
    /// Share of healthy instances at or below which all are shown as healthy.
    pub protect_threshold: f32,
    /// Texts attached to it.
    pub metadata: &'a Metadata,
    /// Its selector as it is kept.
    pub selector: Option<&'a str>,
    /// Whether its instances live as long as their client.
    pub ephemeral: bool,
    /// The clusters that have instances, in order.
    pub clusters: &'a [ShownCluster<'a>],
}

impl ServiceDetail<'_> {
    /// The object of v1.
    #[must_use]
    pub fn v1(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(b"{\"namespaceId\":");
        json::write(&mut out, self.key.namespace.as_str());
        out.extend_from_slice(b",\"groupName\":");
        json::write(&mut out, self.key.group.as_str());
        out.extend_from_slice(b",\"name\":");
        json::write(&mut out, self.key.name.as_str());
        out.extend_from_slice(b",\"protectThreshold\":");
        json::write(&mut out, &self.protect_threshold);
        out.extend_from_slice(b",\"metadata\":");
        write_metadata(&mut out, self.metadata);
        out.extend_from_slice(b",\"selector\":");
        selector::write(&mut out, self.selector);
        out.extend_from_slice(b",\"clusters\":");
        write_list(&mut out, self.clusters, |out, cluster| {
            out.extend_from_slice(b"{\"name\":");
            json::write(out, cluster.name);
            out.push(b',');
            cluster.write_checker(out);
            out.push(b',');
            cluster.write_metadata(out);
            out.push(b'}');
        });
        out.push(b'}');
        out
    }

    /// The data of v2.
    #[must_use]
    pub fn v2(&self) -> Vec<u8> {
        self.with_map("namespace", |_, _| ())
    }

    /// The data of v3.
    #[must_use]
    pub fn v3(&self) -> Vec<u8> {
        self.with_map("namespaceId", |out, cluster| {
            out.push(b',');
            cluster.write_port(out);
        })
    }

    fn with_map(&self, namespace_field: &str, write_port: impl Fn(&mut Vec<u8>, &ShownCluster<'_>)) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.push(b'{');
        json::write(&mut out, namespace_field);
        out.push(b':');
        json::write(&mut out, self.key.namespace.as_str());
        out.extend_from_slice(b",\"serviceName\":");
        json::write(&mut out, self.key.name.as_str());
        out.extend_from_slice(b",\"groupName\":");
        json::write(&mut out, self.key.group.as_str());
        out.extend_from_slice(b",\"clusterMap\":{");
        for (at, cluster) in self.clusters.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json::write(&mut out, cluster.name);
            out.extend_from_slice(b":{\"clusterName\":");
            json::write(&mut out, cluster.name);
            out.push(b',');
            cluster.write_checker(&mut out);
            write_port(&mut out, cluster);
            out.push(b',');
            cluster.write_metadata(&mut out);
            out.extend_from_slice(b",\"hosts\":null}");
        }
        out.extend_from_slice(b"},\"metadata\":");
        write_metadata(&mut out, self.metadata);
        out.extend_from_slice(b",\"protectThreshold\":");
        json::write(&mut out, &self.protect_threshold);
        out.extend_from_slice(b",\"selector\":");
        selector::write(&mut out, self.selector);
        out.extend_from_slice(b",\"ephemeral\":");
        json::write(&mut out, &self.ephemeral);
        out.push(b'}');
        out
    }
}

/// A service in a list of v3.
#[derive(Clone, Debug)]
pub struct ServiceLine<'a> {
    /// Which service.
    pub key: &'a ServiceKey,
    /// Its instances, also disabled ones, ordered by key.
    pub instances: Vec<&'a Instance>,
    /// Whether its instances live as long as their client.
    pub ephemeral: bool,
    /// Share of healthy instances at or below which all are shown as healthy.
    pub protect_threshold: f32,
    /// Texts attached to it.
    pub metadata: Metadata,
}

impl ServiceLine<'_> {
    /// The clusters that have instances, in order.
    #[must_use]
    pub fn clusters(&self) -> Vec<&str> {
        clusters_of(&self.instances)
    }

    /// Writes the counts.
    pub fn write_counts(&self, out: &mut Vec<u8>) {
        let healthy = self.instances.iter().filter(|instance| instance.healthy).count();
        #[expect(clippy::cast_precision_loss, reason = "instance counts are far below 2^24")]
        let ratio = healthy as f32 / self.instances.len() as f32;
        out.extend_from_slice(b"{\"name\":");
        json::write(out, self.key.name.as_str());
        out.extend_from_slice(b",\"groupName\":");
        json::write(out, self.key.group.as_str());
        out.extend_from_slice(b",\"clusterCount\":");
        json::write(out, &self.clusters().len());
        out.extend_from_slice(b",\"ipCount\":");
        json::write(out, &self.instances.len());
        out.extend_from_slice(b",\"healthyInstanceCount\":");
        json::write(out, &healthy);
        out.extend_from_slice(b",\"triggerFlag\":");
        // Without instances there is no ratio, and nothing to protect.
        json::write(out, if ratio <= self.protect_threshold { "true" } else { "false" });
        out.push(b'}');
    }

    /// Writes the instances by cluster. What a list does not look up is `null` in it.
    pub fn write_instances(&self, out: &mut Vec<u8>) {
        let grouped = self.key.grouped();
        let host = Host { grouped: &grouped, ephemeral: self.ephemeral, protected: false };
        out.extend_from_slice(b"{\"namespaceId\":null,\"serviceName\":");
        json::write(out, self.key.name.as_str());
        out.extend_from_slice(b",\"groupName\":");
        json::write(out, self.key.group.as_str());
        out.extend_from_slice(b",\"clusterMap\":{");
        for (at, cluster) in self.clusters().into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json::write(out, cluster);
            out.extend_from_slice(
                b":{\"clusterName\":null,\"healthChecker\":null,\"healthyCheckPort\":80,\
                  \"useInstancePortForCheck\":true,\"metadata\":null,\"hosts\":",
            );
            let in_cluster = self.instances.iter().filter(|instance| instance.key.cluster.as_str() == cluster);
            write_list(out, in_cluster, |out, instance| write_host(out, instance, &host));
            out.push(b'}');
        }
        out.extend_from_slice(b"},\"metadata\":");
        write_metadata(out, &self.metadata);
        out.extend_from_slice(b",\"protectThreshold\":");
        json::write(out, &self.protect_threshold);
        out.extend_from_slice(b",\"selector\":null,\"ephemeral\":null}");
    }
}

/// The clusters of instances, each once, in order.
#[must_use]
pub fn clusters_of<'a>(instances: &[&'a Instance]) -> Vec<&'a str> {
    let mut clusters: Vec<&str> = instances.iter().map(|instance| instance.key.cluster.as_str()).collect();
    clusters.sort_unstable();
    clusters.dedup();
    clusters
}

/// Writes texts; a key without a value shows nothing.
pub(super) fn write_metadata(out: &mut Vec<u8>, metadata: &Metadata) {
    out.push(b'{');
    for (at, (key, value)) in metadata.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write(out, key);
        out.push(b':');
        json::write(out, value);
    }
    out.push(b'}');
}

/// Writes names with a count: `doms` in v1, `services` in v2.
#[must_use]
pub fn names(field: &str, count: usize, names: impl Iterator<Item = impl AsRef<str>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"count\":");
    json::write(&mut out, &count);
    out.push(b',');
    json::write(&mut out, field);
    out.push(b':');
    write_list(&mut out, names, |out, name| json::write(out, name.as_ref()));
    out.push(b'}');
    out
}

/// Writes a page of v3. The number of pages is one too many as soon as there is anything, as in Nacos.
#[must_use]
pub fn page<T>(
    total: usize,
    page: super::service::PageAsk,
    items: impl IntoIterator<Item = T>,
    write: impl FnMut(&mut Vec<u8>, T),
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"{\"totalCount\":");
    json::write(&mut out, &total);
    out.extend_from_slice(b",\"pageNumber\":");
    json::write(&mut out, &page.no);
    out.extend_from_slice(b",\"pagesAvailable\":");
    json::write(&mut out, &if total == 0 { 0 } else { total / page.size + 1 });
    out.extend_from_slice(b",\"pageItems\":");
    write_list(&mut out, items, write);
    out.push(b'}');
    out
}

/// Whether a pattern occurs in a text. Nacos takes patterns for regular expressions; of those only what callers use is
/// known here: a `*` repeats the character in front of it (recorded: `v3/ns-service-list`, name with star), and a `.`
/// is any character. An empty pattern occurs everywhere. Cost: the product of both lengths, which are bounded.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    /// Characters of a pattern; a longer one occurs in no name worth listing.
    const PATTERN_LEN_MAX: usize = 512;

    let pattern: Vec<char> = pattern.chars().take(PATTERN_LEN_MAX + 1).collect();
    if pattern.len() > PATTERN_LEN_MAX {
        return false;
    }
    let steps = steps(&pattern);
    // Every place of the pattern that the text read so far may have led to; a match may begin anywhere.
    let mut places = vec![false; steps.len() + 1];
    enter(&steps, &mut places, 0);
    for c in text.chars() {
        if places[steps.len()] {
            return true;
        }
        let mut next = vec![false; steps.len() + 1];
        for (at, (wanted, repeats)) in steps.iter().enumerate() {
            if places[at] && (*wanted == '.' || *wanted == c) {
                enter(&steps, &mut next, if *repeats { at } else { at + 1 });
            }
        }
        enter(&steps, &mut next, 0);
        places = next;
    }
    places[steps.len()]
}

/// The characters of a pattern, each with whether it repeats.
fn steps(pattern: &[char]) -> Vec<(char, bool)> {
    let mut steps: Vec<(char, bool)> = Vec::with_capacity(pattern.len());
    for c in pattern {
        match (c, steps.last_mut()) {
            ('*', Some((_, repeats))) => *repeats = true,
            _ => steps.push((*c, false)),
        }
    }
    steps
}

/// Marks a place, and those that can be reached from it by repeating nothing.
fn enter(steps: &[(char, bool)], places: &mut [bool], from: usize) {
    let mut at = from;
    places[at] = true;
    while let Some((_, true)) = steps.get(at) {
        at += 1;
        places[at] = true;
    }
}

#[cfg(test)]
mod tests {
    use super::super::service::PageAsk;
    use super::*;
    use nacrite_base::{GroupName, NamespaceId, ServiceName};

    fn key() -> ServiceKey {
        let (namespace, group) = (NamespaceId::public(), GroupName::default_group());
        ServiceKey { namespace, group, name: ServiceName::from_stored("pay") }
    }

    #[test]
    fn patterns_are_small_regular_expressions() {
        for (pattern, text, occurs) in [
            ("", "anything", true),
            ("two", "two-1", true),
            ("wo-", "two-1", true),
            ("t*o", "one-1", true),
            ("t*o", "two-1", true),
            ("t*o", "three-1", false),
            (".*", "", true),
            ("a.c", "xabcx", true),
            ("a.c", "ac", false),
            ("*a", "*a", true),
            ("aa*b", "aaab", true),
            ("b*", "", true),
            ("x", "", false),
        ] {
            assert_eq!(matches(pattern, text), occurs, "{pattern} in {text}");
        }
        assert!(!matches(&"a".repeat(513), &"a".repeat(1000)));
    }

    #[test]
    fn a_service_is_shown_in_three_models() {
        let (key, metadata) = (key(), Metadata::default());
        let detail = ServiceDetail {
            key: &key,
            protect_threshold: 0.25,
            metadata: &metadata,
            selector: None,
            ephemeral: false,
            clusters: &[ShownCluster { name: "c1", settings: std::sync::Arc::default() }],
        };
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("JSON");
        assert_eq!(
            text(detail.v1()),
            concat!(
                r#"{"namespaceId":"public","groupName":"DEFAULT_GROUP","name":"pay","protectThreshold":0.25,"#,
                r#""metadata":{},"selector":{"type":"none","contextType":"NONE"},"#,
                r#""clusters":[{"name":"c1","healthChecker":{"type":"TCP"},"metadata":{}}]}"#
            )
        );
        assert_eq!(
            text(detail.v2()),
            concat!(
                r#"{"namespace":"public","serviceName":"pay","groupName":"DEFAULT_GROUP","clusterMap":{"c1":"#,
                r#"{"clusterName":"c1","healthChecker":{"type":"TCP"},"metadata":{},"hosts":null}},"metadata":{},"#,
                r#""protectThreshold":0.25,"selector":{"type":"none","contextType":"NONE"},"ephemeral":false}"#
            )
        );
        assert!(text(detail.v3()).contains(r#""healthyCheckPort":80,"useInstancePortForCheck":true,"metadata":{}"#));
    }

    #[test]
    fn pages_count_as_nacos_counts() {
        let written = |total, size| {
            let page = page(total, PageAsk { no: 1, size }, [1], |out, item| json::write(out, &item));
            String::from_utf8(page).expect("JSON")
        };
        assert!(written(0, 10).contains("\"pagesAvailable\":0,"));
        assert!(written(3, 10).contains("\"pagesAvailable\":1,"));
        assert!(written(3, 1).contains("\"pagesAvailable\":4,"));
    }

    #[test]
    fn too_few_healthy_instances_trigger_the_flag() {
        let key = key();
        let line = ServiceLine {
            key: &key,
            instances: vec![],
            ephemeral: true,
            protect_threshold: 1.0,
            metadata: Metadata::default(),
        };
        let mut out = Vec::new();
        line.write_counts(&mut out);
        let json = concat!(
            r#"{"name":"pay","groupName":"DEFAULT_GROUP","clusterCount":0,"ipCount":0,"#,
            r#""healthyInstanceCount":0,"triggerFlag":"false"}"#
        );
        assert_eq!(std::str::from_utf8(&out), Ok(json));
    }
}
