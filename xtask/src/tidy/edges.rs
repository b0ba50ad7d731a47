//! Which crate may use which (`ARCHITECTURE.md`). Arrows never turn back.

use std::collections::BTreeSet;

use anyhow::Context;

use super::{Finding, Source};
use crate::shell;

/// Whom each crate may use, of ours. Folders of `crates/` and of `integrations/`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("env", &["base"]),
    ("naming", &["base"]),
    ("config", &["base"]),
    ("wire", &["base"]),
    ("store", &["base", "env"]),
    ("cluster", &["base", "env", "store", "wire"]),
    ("app", &["base", "env", "naming", "config", "store", "cluster"]),
    ("http2", &[]),
    ("grpc", &["base", "http2", "wire", "naming", "config", "app"]),
    ("http", &["base", "wire", "naming", "config", "app"]),
    ("udp", &["base", "wire", "naming", "app"]),
    ("balance", &[]),
    ("client", &["base", "balance", "wire"]),
    ("axum", &["client"]),
    ("actix", &["client"]),
    ("tonic", &["balance", "client"]),
    ("reqwest", &["balance", "client"]),
    ("nacrite", &["base", "env", "wire", "app", "client", "cluster", "grpc", "http", "udp"]),
    ("testkit", &["base", "env", "wire", "app", "cluster", "grpc", "http", "udp"]),
];

/// Libraries that may be named in these crates alone.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("redb", &["store"]),
    ("openraft", &["cluster"]),
    ("h2", &["client", "cluster", "testkit", "tonic"]),
    ("axum", &["axum"]),
    ("actix-web", &["actix"]),
    ("tonic", &["tonic"]),
    ("reqwest", &["reqwest"]),
    ("hyper", &["http", "client", "tonic"]),
    ("clap", &["nacrite"]),
    (
        "tokio",
        &[
            "env", "cluster", "app", "grpc", "http", "udp", "client", "nacrite", "testkit", "axum", "actix", "tonic",
            "reqwest",
        ],
    ),
    ("serde", &["wire", "http", "client"]),
    ("serde_json", &["wire", "http", "balance", "client", "tonic", "testkit"]),
];

/// Compares the manifests with the lists.
pub(crate) fn check(_: &[Source]) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    let crates = std::fs::read_dir(shell::root().join("crates"))?;
    for entry in crates.chain(std::fs::read_dir(shell::root().join("integrations"))?) {
        let path = entry?.path().join("Cargo.toml");
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        let manifest: toml::Table = text.parse().with_context(|| format!("{}", path.display()))?;
        let folder = path.parent().and_then(|dir| dir.file_name()).and_then(|name| name.to_str()).unwrap_or_default();
        seen.insert(folder.to_owned());
        let Some((_, may)) = MAY_USE.iter().find(|(name, _)| *name == folder) else {
            findings.push(Finding::at(&path, 1, format!("the crate {folder} is not on the list of who may use whom")));
            continue;
        };
        let used = manifest.get("dependencies").and_then(toml::Value::as_table);
        for name in used.into_iter().flat_map(toml::Table::keys) {
            if let Some(ours) = name.strip_prefix("nacrite-").filter(|ours| !may.contains(ours)) {
                findings.push(Finding::at(&path, 1, format!("{folder} may not use {ours}")));
            }
            if ONLY_IN.iter().any(|(library, crates)| library == name && !crates.contains(&folder)) {
                findings.push(Finding::at(&path, 1, format!("{folder} may not use the library {name}")));
            }
        }
    }
    let unseen = MAY_USE.iter().filter(|(name, _)| !seen.contains(*name));
    findings.extend(unseen.map(|(name, _)| Finding(format!("{name}: on the list, but not there"))));
    Ok(findings)
}
