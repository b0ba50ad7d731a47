//! Instances as rows, in an order that does not depend on the server.

use std::net::IpAddr;

use nacrite_client::naming::Instance;

use crate::cli::output::Value;

/// What is shown of an instance.
pub(super) const COLUMNS: &[&str] = &["address", "cluster", "weight", "healthy", "enabled", "ephemeral", "metadata"];

/// Rows by cluster, address and port.
pub(super) fn rows(mut instances: Vec<&Instance>) -> Vec<Vec<Value>> {
    instances.sort_by_key(|instance| {
        // IP addresses by their numbers, and before names.
        let ip = instance.ip().parse::<IpAddr>();
        (instance.cluster().to_owned(), ip.is_err(), ip.ok(), instance.ip().to_owned(), instance.port())
    });
    instances.into_iter().map(row).collect()
}

/// The fields of one instance.
pub(super) fn fields(instance: &Instance) -> Value {
    Value::Map(COLUMNS.iter().map(|column| (*column).to_owned()).zip(row(instance)).collect())
}

fn row(instance: &Instance) -> Vec<Value> {
    let metadata = instance.metadata().iter().map(|(key, value)| (key.to_owned(), value.into()));
    vec![
        instance.to_string().into(),
        instance.cluster().into(),
        Value::Number(instance.weight()),
        instance.is_healthy().into(),
        instance.is_enabled().into(),
        instance.is_ephemeral().into(),
        Value::Map(metadata.collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_in_the_order_of_their_addresses() {
        let instance = |host: &str, port, cluster: &str| {
            Instance::builder(host, port).cluster(cluster).build().expect("a good description")
        };
        let all = [
            instance("name", 80, "a"),
            instance("10.0.0.10", 80, "a"),
            instance("10.0.0.9", 8080, "a"),
            instance("10.0.0.9", 80, "a"),
            instance("10.0.0.1", 80, "b"),
        ];
        let addresses: Vec<Value> = rows(all.iter().collect()).into_iter().map(|row| row[0].clone()).collect();
        let expected = ["10.0.0.9:80", "10.0.0.9:8080", "10.0.0.10:80", "name:80", "10.0.0.1:80"];
        assert_eq!(addresses, expected.map(Value::from));
    }
}
