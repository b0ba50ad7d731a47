//! What every manifest says.

use anyhow::Context;

use super::{Finding, Source};
use crate::shell;

/// Every crate takes lints and versions from the workspace.
pub(crate) fn check(_: &[Source]) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut manifests = vec![shell::root().join("xtask/Cargo.toml"), shell::root().join("fuzz/Cargo.toml")];
    for place in ["crates", "integrations", "examples"] {
        let Ok(entries) = std::fs::read_dir(shell::root().join(place)) else {
            continue;
        };
        for entry in entries {
            manifests.push(entry?.path().join("Cargo.toml"));
        }
    }
    for path in manifests.iter().filter(|path| path.exists()) {
        let text = std::fs::read_to_string(path)?;
        let manifest: toml::Table = text.parse().with_context(|| format!("{}", path.display()))?;
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        if lints != Some(true) {
            findings.push(Finding::at(path, 1, "does not take the lints of the workspace"));
        }
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let used = manifest.get(table).and_then(toml::Value::as_table);
            for (name, how) in used.into_iter().flatten() {
                let from_workspace = how.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                if !from_workspace && how.get("path").is_none() {
                    findings.push(Finding::at(path, 1, format!("{name}: its version belongs into the workspace")));
                }
            }
        }
    }
    Ok(findings)
}
