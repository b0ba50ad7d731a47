//! The one screen that a server prints when it is up.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::settings::Settings;

/// The screen.
pub(crate) fn text(settings: &Settings) -> String {
    let ports = settings.ports();
    let at = |port| SocketAddr::new(settings.bind, port);
    let (http, clients, nodes) = (at(ports.http), at(ports.clients), at(ports.nodes));
    let data = std::path::absolute(&settings.data_dir).unwrap_or_else(|_| settings.data_dir.clone());
    let nodes = match &settings.app.identity {
        Some(_) => format!("{nodes:<23} nodes, by their shared identity"),
        None => format!("{:<23} for nodes; opens with identity.key and identity.value", "closed"),
    };
    let access = if settings.bind.is_loopback() {
        "open to every program on this machine"
    } else {
        "OPEN TO EVERYBODY who reaches this address (--insecure)"
    };
    let mut out = String::new();
    // Writing to a String does not fail.
    writeln!(
        out,
        "Nacrite {version}

  Data    {data}
  HTTP    {http:<23} APIs v1, v2 and v3 under {path}; metrics at {path}/actuator/prometheus
  gRPC    {clients:<23} clients of Nacos 2.x and 3.x find it by themselves
  gRPC    {nodes}
  Access  {access}

Try:
  curl -X POST 'http://{http}{path}/v1/ns/instance?serviceName=hello&ip=10.0.0.1&port=8080&ephemeral=false'
  curl 'http://{http}{path}/v1/ns/instance/list?serviceName=hello'
  and give {http} as server address to any Nacos SDK. Ctrl-C stops the server.
",
        path = settings.http.context_path,
        version = env!("CARGO_PKG_VERSION"),
        data = data.display(),
    )
    .ok();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_shown_with_its_purpose() {
        let mut settings = Settings { port_offset: 10, ..Settings::default() };
        let screen = text(&settings);
        assert!(screen.contains("HTTP    127.0.0.1:8858") && screen.contains("gRPC    127.0.0.1:9858"), "{screen}");
        assert!(screen.contains("gRPC    closed"), "{screen}");
        assert!(screen.lines().count() <= 24 && screen.lines().all(|line| line.len() <= 120), "{screen}");
        settings.bind = std::net::Ipv4Addr::UNSPECIFIED.into();
        assert!(text(&settings).contains("OPEN TO EVERYBODY"));
    }
}
