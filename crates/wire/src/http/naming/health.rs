//! Health as operators set it by hand, and as they look at it.

use nacrite_base::{Fault, InstanceKey, ServiceKey};

use super::instance::{InstanceRef, form_ref, v1_ref};
use crate::http::envelope::write_list;
use crate::http::params::Params;
use crate::http::refusal::Refusal;
use crate::json;

/// How an instance is, as somebody says.
#[derive(Debug)]
pub struct HealthAsk {
    /// Where.
    pub service: ServiceKey,
    /// Which instance.
    pub key: InstanceKey,
    /// Whether it is well.
    pub healthy: bool,
}

/// Reads health of v1; it may be called `valid`.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_health(params: &Params<'_>) -> Result<HealthAsk, Refusal> {
    let InstanceRef { service, key } = v1_ref(params)?;
    let healthy = params.flag(&["healthy", "valid"]).ok_or(Fault::ParamMissing { name: "healthy" })?;
    Ok(HealthAsk { service, key, healthy })
}

/// Reads health of v2 and v3.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn form_health(params: &Params<'_>) -> Result<HealthAsk, Refusal> {
    let InstanceRef { service, key } = form_ref(params)?;
    let healthy = params.form_flag("healthy")?.ok_or(Fault::ParamMissing { name: "healthy" })?;
    Ok(HealthAsk { service, key, healthy })
}

/// What naming says of itself in v1.
#[must_use]
pub fn greeting(services: usize, port: u16) -> Vec<u8> {
    let text = format!("Hello! I am Nacos-Naming and healthy! total services: {services}, local port:{port}");
    let mut out = b"{\"msg\":".to_vec();
    json::write(&mut out, &text);
    out.push(b'}');
    out
}

/// How one persistent instance is checked. An answer of Nacrite's own; Nacos keeps no results.
#[derive(Clone, Debug)]
pub struct CheckLine<'a> {
    /// Which instance.
    pub key: &'a InstanceKey,
    /// Whether it counts as healthy.
    pub healthy: bool,
    /// The type of its checker.
    pub checker: &'static str,
    /// The period between checks, in ms; `None` if nothing is checked.
    pub period_ms: Option<u64>,
    /// When the next check is due, in ms since the epoch; `None` if one runs, or nothing is checked.
    pub due_ms: Option<u64>,
    /// What the last check found.
    pub last: Option<LastLine<'a>>,
}

/// What the last check of an instance found.
#[derive(Clone, Copy, Debug)]
pub struct LastLine<'a> {
    /// When it ended, in ms since the epoch.
    pub at_ms: u64,
    /// How long it took, in ms.
    pub took_ms: u64,
    /// Whether the instance is well by it.
    pub passed: bool,
    /// What happened.
    pub detail: &'a str,
}

/// Writes the checks of a service.
#[must_use]
pub fn checks<'a>(lines: impl IntoIterator<Item = CheckLine<'a>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write_list(&mut out, lines, |out, line| {
        out.extend_from_slice(b"{\"ip\":");
        json::write(out, line.key.host.as_ref().map_or("", |host| host.as_str()));
        out.extend_from_slice(b",\"port\":");
        json::write(out, &line.key.port);
        out.extend_from_slice(b",\"clusterName\":");
        json::write(out, line.key.cluster.as_str());
        out.extend_from_slice(b",\"healthy\":");
        json::write(out, &line.healthy);
        out.extend_from_slice(b",\"checker\":");
        json::write(out, line.checker);
        out.extend_from_slice(b",\"periodMs\":");
        json::write(out, &line.period_ms);
        out.extend_from_slice(b",\"nextAt\":");
        json::write(out, &line.due_ms);
        out.extend_from_slice(b",\"lastCheck\":");
        match line.last {
            None => out.extend_from_slice(b"null"),
            Some(last) => write_last(out, last),
        }
        out.push(b'}');
    });
    out
}

fn write_last(out: &mut Vec<u8>, last: LastLine<'_>) {
    out.extend_from_slice(b"{\"at\":");
    json::write(out, &last.at_ms);
    out.extend_from_slice(b",\"tookMs\":");
    json::write(out, &last.took_ms);
    out.extend_from_slice(b",\"passed\":");
    json::write(out, &last.passed);
    out.extend_from_slice(b",\"detail\":");
    json::write(out, last.detail);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::super::tests::params;
    use super::*;
    use nacrite_base::{ClusterName, Host};

    #[test]
    fn health_is_read_in_the_words_of_each_generation() {
        let ask = |flag, said| params(&[("serviceName", "a"), ("ip", "1.1.1.1"), ("port", "8"), (flag, said)]);
        assert!(v1_health(&ask("valid", "on")).is_ok_and(|ask| ask.healthy));
        assert!(v1_health(&ask("healthy", "x")).is_ok_and(|ask| !ask.healthy));
        assert!(form_health(&ask("healthy", "false")).is_ok_and(|ask| !ask.healthy));
        assert!(matches!(form_health(&ask("healthy", "x")), Err(Refusal::Unbindable { .. })));
        for read in [v1_health(&ask("other", "true")), form_health(&ask("valid", "true"))] {
            let told = read.map(|_| ()).map_err(|refusal| refusal.to_string());
            assert_eq!(told, Err("Param 'healthy' is required.".to_owned()));
        }
    }

    #[test]
    fn checks_are_shown_with_their_reason() {
        let key = InstanceKey {
            host: Some(Host::from_stored("10.0.0.1")),
            port: 80,
            cluster: ClusterName::default_cluster(),
        };
        let last = LastLine { at_ms: 7, took_ms: 3, passed: false, detail: "HTTP 503, expected 200" };
        let line = CheckLine {
            key: &key,
            healthy: false,
            checker: "HTTP",
            period_ms: Some(500),
            due_ms: None,
            last: Some(last),
        };
        let json = concat!(
            r#"[{"ip":"10.0.0.1","port":80,"clusterName":"DEFAULT","healthy":false,"checker":"HTTP","periodMs":500,"#,
            r#""nextAt":null,"lastCheck":{"at":7,"tookMs":3,"passed":false,"detail":"HTTP 503, expected 200"}}]"#
        );
        assert_eq!(std::str::from_utf8(&checks([line])), Ok(json));
    }
}
