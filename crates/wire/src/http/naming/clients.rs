//! Clients, publishers and subscribers as operators see them, in the models of v1, v2 and v3.

use nacrite_base::{ClientId, Host, InstanceKey, Kind, ServiceKey, Timestamp};

use crate::json;

/// A client. What is not known of one that is known by its address alone is `None`.
#[derive(Clone, Debug)]
pub struct ClientShown<'a> {
    /// Who.
    pub client: &'a ClientId,
    /// When something about it changed last.
    pub updated_at: Timestamp,
    /// Name of its application.
    pub app: Option<&'a str>,
    /// Program and version.
    pub version: Option<&'a str>,
    /// The address that it gives for itself.
    pub ip: Option<&'a str>,
    /// Port of its end of the connection; 0 without one.
    pub port: u16,
}

/// How a port is written: v2 puts it into a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortAs {
    /// `"54780"`.
    Text,
    /// `54780`.
    Number,
}

impl ClientShown<'_> {
    /// Writes the client.
    #[must_use]
    pub fn encode(&self, port_as: PortAs) -> Vec<u8> {
        let (ephemeral, kind, connect) = match self.client {
            ClientId::Connection(_) => (true, "connection", Some("GRPC")),
            ClientId::Address { kind, .. } => (*kind == Kind::Ephemeral, "ipPort", None),
        };
        let mut out = Vec::with_capacity(256);
        out.extend_from_slice(b"{\"clientId\":");
        json::write(&mut out, &self.client.to_string());
        out.extend_from_slice(b",\"ephemeral\":");
        json::write(&mut out, &ephemeral);
        out.extend_from_slice(b",\"lastUpdatedTime\":");
        json::write(&mut out, &self.updated_at.as_ms());
        out.extend_from_slice(b",\"clientType\":");
        json::write(&mut out, kind);
        out.extend_from_slice(b",\"connectType\":");
        json::write(&mut out, &connect);
        out.extend_from_slice(b",\"appName\":");
        json::write(&mut out, &self.app);
        out.extend_from_slice(b",\"version\":");
        json::write(&mut out, &self.version);
        out.extend_from_slice(b",\"clientIp\":");
        json::write(&mut out, &self.ip);
        out.extend_from_slice(b",\"clientPort\":");
        match port_as {
            PortAs::Text => json::write(&mut out, &self.port.to_string()),
            PortAs::Number => json::write(&mut out, &self.port),
        }
        out.push(b'}');
        out
    }
}

/// An instance that a client publishes: its address, and nothing for an empty batch.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// Where.
    pub service: &'a ServiceKey,
    /// Which.
    pub instance: &'a InstanceKey,
}

fn ip(instance: &InstanceKey) -> Option<&str> {
    instance.host.as_ref().map(Host::as_str)
}

impl Published<'_> {
    /// The line of v2.
    pub fn write_v2(&self, out: &mut Vec<u8>) {
        write_service(out, "namespace", "group", self.service);
        out.extend_from_slice(b",\"registeredInstance\":{\"ip\":");
        json::write(out, &ip(self.instance));
        out.extend_from_slice(b",\"port\":");
        json::write(out, &self.instance.port);
        out.extend_from_slice(b",\"cluster\":");
        json::write(out, self.instance.cluster.as_str());
        out.extend_from_slice(b"}}");
    }

    /// The line of v3.
    pub fn write_v3(&self, out: &mut Vec<u8>) {
        write_service(out, "namespaceId", "groupName", self.service);
        out.extend_from_slice(b",\"publisherInfo\":");
        write_publisher(out, None, self.instance);
        out.extend_from_slice(b",\"subscriberInfo\":null}");
    }
}

/// Starts a line about a service; more fields follow.
fn write_service(out: &mut Vec<u8>, namespace_field: &str, group_field: &str, service: &ServiceKey) {
    out.push(b'{');
    json::write(out, namespace_field);
    out.push(b':');
    json::write(out, service.namespace.as_str());
    out.push(b',');
    json::write(out, group_field);
    out.push(b':');
    json::write(out, service.group.as_str());
    out.extend_from_slice(b",\"serviceName\":");
    json::write(out, service.name.as_str());
}

/// Who publishes an instance, as v3 writes it.
pub fn write_publisher(out: &mut Vec<u8>, client: Option<&ClientId>, instance: &InstanceKey) {
    out.extend_from_slice(b"{\"clientId\":");
    json::write(out, &client.map(ToString::to_string));
    out.extend_from_slice(b",\"ip\":");
    json::write(out, &ip(instance));
    out.extend_from_slice(b",\"port\":");
    json::write(out, &instance.port);
    out.extend_from_slice(b",\"clusterName\":");
    json::write(out, instance.cluster.as_str());
    out.push(b'}');
}

/// Who publishes an instance, as v2 writes it.
pub fn write_publisher_v2(out: &mut Vec<u8>, client: &ClientId, ip: Option<&str>, port: u16) {
    out.extend_from_slice(b"{\"clientId\":");
    json::write(out, &client.to_string());
    out.extend_from_slice(b",\"ip\":");
    json::write(out, &ip);
    out.extend_from_slice(b",\"port\":");
    json::write(out, &port);
    out.push(b'}');
}

/// A subscription as operators see it.
#[derive(Clone, Copy, Debug)]
pub struct Subscriber<'a> {
    /// Who.
    pub client: &'a ClientId,
    /// To what.
    pub service: &'a ServiceKey,
    /// The application behind it.
    pub app: &'a str,
    /// Program and version.
    pub agent: &'a str,
    /// The address that the client gives for itself, with a port where it has one.
    pub address: &'a str,
    /// The clusters that it asked for.
    pub clusters: &'a str,
}

impl Subscriber<'_> {
    /// The address without its port.
    #[must_use]
    pub fn ip(&self) -> &str {
        match self.address.rsplit_once(':') {
            Some((ip, port)) if port.parse::<u16>().is_ok() && !ip.contains(':') => ip,
            _ => self.address,
        }
    }

    /// The port of the address; 0 without one.
    #[must_use]
    pub fn port(&self) -> u16 {
        let rest = self.address.strip_prefix(self.ip()).unwrap_or_default();
        rest.strip_prefix(':').and_then(|port| port.parse().ok()).unwrap_or(0)
    }

    /// The line in the subscribers of a service in v1.
    pub fn write_v1(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"addrStr\":");
        json::write(out, self.address);
        out.extend_from_slice(b",\"agent\":");
        json::write(out, self.agent);
        out.extend_from_slice(b",\"app\":");
        json::write(out, self.app);
        out.extend_from_slice(b",\"ip\":");
        json::write(out, self.ip());
        out.extend_from_slice(b",\"port\":");
        json::write(out, &self.port());
        out.extend_from_slice(b",\"namespaceId\":");
        json::write(out, self.service.namespace.as_str());
        out.extend_from_slice(b",\"serviceName\":");
        json::write(out, &self.service.grouped());
        out.extend_from_slice(b",\"cluster\":");
        json::write(out, self.clusters);
        out.push(b'}');
    }

    /// The line in the subscribers of a service in v3.
    pub fn write_v3(&self, out: &mut Vec<u8>) {
        write_service(out, "namespaceId", "groupName", self.service);
        out.extend_from_slice(b",\"ip\":");
        json::write(out, self.ip());
        out.extend_from_slice(b",\"port\":");
        json::write(out, &self.port());
        out.extend_from_slice(b",\"agent\":");
        json::write(out, self.agent);
        out.extend_from_slice(b",\"appName\":");
        json::write(out, self.app);
        out.extend_from_slice(b",\"address\":");
        json::write(out, self.address);
        out.push(b'}');
    }

    /// The line in the subscriptions of a client in v2.
    pub fn write_of_client_v2(&self, out: &mut Vec<u8>) {
        write_service(out, "namespace", "group", self.service);
        out.extend_from_slice(b",\"subscriberInfo\":{\"app\":");
        json::write(out, self.app);
        out.extend_from_slice(b",\"agent\":");
        json::write(out, self.agent);
        out.extend_from_slice(b",\"addr\":");
        json::write(out, self.address);
        out.extend_from_slice(b"}}");
    }

    /// The line in the subscriptions of a client in v3.
    pub fn write_of_client_v3(&self, out: &mut Vec<u8>) {
        write_service(out, "namespaceId", "groupName", self.service);
        out.extend_from_slice(b",\"publisherInfo\":null,\"subscriberInfo\":");
        self.write_info(out, None);
        out.push(b'}');
    }

    /// The line in the subscribing clients of a service in v3.
    pub fn write_client_v3(&self, out: &mut Vec<u8>) {
        self.write_info(out, Some(self.client));
    }

    fn write_info(&self, out: &mut Vec<u8>, client: Option<&ClientId>) {
        out.extend_from_slice(b"{\"clientId\":");
        json::write(out, &client.map(ToString::to_string));
        out.extend_from_slice(b",\"appName\":");
        json::write(out, self.app);
        out.extend_from_slice(b",\"agent\":");
        json::write(out, self.agent);
        out.extend_from_slice(b",\"address\":");
        json::write(out, self.address);
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nacrite_base::{ClusterName, ConnectionId, GroupName, NamespaceId, ServiceName};

    fn service() -> ServiceKey {
        let (namespace, group) = (NamespaceId::public(), GroupName::default_group());
        ServiceKey { namespace, group, name: ServiceName::from_stored("pay") }
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("JSON")
    }

    #[test]
    fn a_connection_is_shown_with_a_port_of_either_type() {
        let client = ClientId::Connection(ConnectionId::new("1_127.0.0.1_2"));
        let shown = ClientShown {
            client: &client,
            updated_at: Timestamp::from_ms(5),
            app: Some("shown"),
            version: Some("v"),
            ip: Some("10.20.30.40"),
            port: 54780,
        };
        let json = concat!(
            r#"{"clientId":"1_127.0.0.1_2","ephemeral":true,"lastUpdatedTime":5,"clientType":"connection","#,
            r#""connectType":"GRPC","appName":"shown","version":"v","clientIp":"10.20.30.40","clientPort":54780}"#
        );
        assert_eq!(String::from_utf8(shown.encode(PortAs::Number)).as_deref(), Ok(json));
        let text = String::from_utf8(shown.encode(PortAs::Text)).expect("JSON");
        assert!(text.ends_with(r#""clientPort":"54780"}"#));
    }

    #[test]
    fn what_a_client_publishes_is_named_per_generation() {
        let (service, cluster) = (service(), ClusterName::default_cluster());
        let instance = InstanceKey { host: Some(Host::from_stored("10.0.0.1")), port: 1, cluster };
        let published = Published { service: &service, instance: &instance };
        let v3 = concat!(
            r#"{"namespaceId":"public","groupName":"DEFAULT_GROUP","serviceName":"pay","publisherInfo":"#,
            r#"{"clientId":null,"ip":"10.0.0.1","port":1,"clusterName":"DEFAULT"},"subscriberInfo":null}"#
        );
        assert_eq!(written(|out| published.write_v3(out)), v3);
        let v2 = concat!(
            r#"{"namespace":"public","group":"DEFAULT_GROUP","serviceName":"pay","#,
            r#""registeredInstance":{"ip":"10.0.0.1","port":1,"cluster":"DEFAULT"}}"#
        );
        assert_eq!(written(|out| published.write_v2(out)), v2);
    }

    #[test]
    fn an_address_may_have_a_port() {
        let (service, client) = (service(), ClientId::Connection(ConnectionId::new("c")));
        for (address, ip, port) in [
            ("127.0.0.1:39999", "127.0.0.1", 39999),
            ("127.0.0.1", "127.0.0.1", 0),
            ("::1", "::1", 0),
            ("host:x", "host:x", 0),
        ] {
            let client = &client;
            let subscriber = Subscriber { client, service: &service, app: "", agent: "", address, clusters: "" };
            assert_eq!((subscriber.ip(), subscriber.port()), (ip, port), "{address}");
        }
    }
}
