//! Clusters as operators set them up: parameters in, the models of v1, v2 and v3 out.

use std::borrow::Cow;
use std::sync::Arc;

use nacrite_base::cluster::{CHECKER_TEXT_LEN_MAX, EXPECTED_STATUS, HttpCheck, MysqlCheck};
use nacrite_base::{Checker, ClusterName, ClusterSettings, Fault, Metadata, ServiceKey};
use serde::Deserialize;

use super::instance::{metadata_of, port};
use super::shown::write_metadata;
use super::{form_service, v1_service};
use crate::from_wire::instance;
use crate::http::params::Params;
use crate::http::refusal::Refusal;
use crate::{json, lenient};

/// What an operator sets for a cluster.
#[derive(Debug)]
pub struct ClusterAsk {
    /// The service.
    pub service: ServiceKey,
    /// Which of its clusters.
    pub cluster: ClusterName,
    /// The settings.
    pub settings: ClusterSettings,
}

/// Reads a cluster of v1.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn v1_cluster(params: &Params<'_>) -> Result<ClusterAsk, Refusal> {
    read(params, v1_service(params)?, |params| Ok(params.flag(&["useInstancePort4Check"]).unwrap_or(false)))
}

/// Reads a cluster of v3.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn form_cluster(params: &Params<'_>) -> Result<ClusterAsk, Refusal> {
    let flag = |params: &Params<'_>| Ok(params.form_flag("useInstancePort4Check")?.unwrap_or(false));
    read(params, form_service(params)?, flag)
}

fn read(
    params: &Params<'_>,
    service: ServiceKey,
    flag: impl Fn(&Params<'_>) -> Result<bool, Refusal>,
) -> Result<ClusterAsk, Refusal> {
    let cluster = instance::cluster(Some(params.required("clusterName")?))?;
    let check_port = port(params.required("checkPort")?)?;
    params.required("useInstancePort4Check")?;
    let use_instance_port = flag(params)?;
    let checker = checker(params.required("healthChecker")?)?;
    let metadata = params.get("metadata").map_or_else(|| Ok(Metadata::default()), metadata_of)?;
    Ok(ClusterAsk { service, cluster, settings: ClusterSettings { checker, check_port, use_instance_port, metadata } })
}

/// The JSON of a checker; which fields count follows from its type.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct CheckerBody<'a> {
    #[serde(borrow, rename = "type", deserialize_with = "lenient::text")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    path: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    headers: Option<Cow<'a, str>>,
    #[serde(rename = "expectedResponseCode", deserialize_with = "lenient::whole")]
    expected_status: i64,
    #[serde(borrow, deserialize_with = "lenient::text")]
    user: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    pwd: Option<Cow<'a, str>>,
    #[serde(borrow, deserialize_with = "lenient::text")]
    cmd: Option<Cow<'a, str>>,
}

impl Default for CheckerBody<'_> {
    fn default() -> Self {
        let expected_status = EXPECTED_STATUS.into();
        Self { kind: None, path: None, headers: None, expected_status, user: None, pwd: None, cmd: None }
    }
}

/// A type that nobody knows checks nothing (recorded: `ns-cluster-update`, unknown type).
fn checker(given: &str) -> Result<Checker, Refusal> {
    if !given.starts_with('{') {
        return Err(Refusal::CheckerUnreadable);
    }
    let body: CheckerBody<'_> = json::read(given.as_bytes()).map_err(|_| Refusal::CheckerUnreadable)?;
    Ok(match body.kind.as_deref() {
        Some("TCP") => Checker::Tcp,
        Some("HTTP") => {
            let (path, headers) = (text("path", body.path)?, text("headers", body.headers)?);
            let expected_status = u16::try_from(body.expected_status).map_err(|_| {
                let message = "healthChecker: expectedResponseCode is no status of HTTP".to_owned();
                Fault::ParamInvalid { message }
            })?;
            let (path, headers) = (path.unwrap_or_default(), headers.unwrap_or_default());
            Checker::Http(HttpCheck { path, headers, expected_status })
        }
        Some("MYSQL") => Checker::Mysql(MysqlCheck {
            user: text("user", body.user)?,
            password: text("pwd", body.pwd)?,
            command: text("cmd", body.cmd)?,
        }),
        _ => Checker::None,
    })
}

/// A text of a checker. It is put into requests to others, so it must be one line.
fn text(name: &str, given: Option<Cow<'_, str>>) -> Result<Option<Arc<str>>, Refusal> {
    let Some(given) = given else { return Ok(None) };
    let message = if given.chars().count() > CHECKER_TEXT_LEN_MAX {
        format!("healthChecker: {name} is longer than {CHECKER_TEXT_LEN_MAX} characters")
    } else if given.chars().any(char::is_control) {
        format!("healthChecker: {name} has control characters")
    } else {
        return Ok(Some(given.into()));
    };
    Err(Fault::ParamInvalid { message }.into())
}

/// A cluster as it is shown.
#[derive(Clone, Debug)]
pub struct ShownCluster<'a> {
    /// Its name.
    pub name: &'a str,
    /// What is set for it.
    pub settings: Arc<ClusterSettings>,
}

impl ShownCluster<'_> {
    /// Writes `"healthChecker":{…}`.
    pub fn write_checker(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"healthChecker\":");
        write_checker(out, &self.settings.checker);
    }

    /// Writes `"metadata":{…}`.
    pub fn write_metadata(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"metadata\":");
        write_metadata(out, &self.settings.metadata);
    }

    /// Writes which port is checked, as v3 shows it.
    pub fn write_port(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"healthyCheckPort\":");
        json::write(out, &self.settings.check_port);
        out.extend_from_slice(b",\"useInstancePortForCheck\":");
        json::write(out, &self.settings.use_instance_port);
    }

    /// The object of v1's catalog (recorded: `v1/ns-cluster-update`).
    pub fn write_v1_catalog(&self, out: &mut Vec<u8>, service: &ServiceKey) {
        out.extend_from_slice(b"{\"serviceName\":");
        json::write(out, &service.grouped());
        out.extend_from_slice(b",\"name\":");
        json::write(out, self.name);
        out.push(b',');
        self.write_checker(out);
        out.extend_from_slice(b",\"defaultPort\":80,\"defaultCheckPort\":");
        json::write(out, &self.settings.check_port);
        out.extend_from_slice(b",\"useIPPort4Check\":");
        json::write(out, &self.settings.use_instance_port);
        out.push(b',');
        self.write_metadata(out);
        out.push(b'}');
    }
}

/// Writes a checker with its type.
pub fn write_checker(out: &mut Vec<u8>, checker: &Checker) {
    out.extend_from_slice(b"{\"type\":");
    json::write(out, checker.name());
    let mut fields = Vec::new();
    write_fields(&mut fields, checker);
    if !fields.is_empty() {
        out.push(b',');
        out.append(&mut fields);
    }
    out.push(b'}');
}

fn write_fields(out: &mut Vec<u8>, checker: &Checker) {
    let mut field = |name: &str, write: &dyn Fn(&mut Vec<u8>)| {
        if !out.is_empty() {
            out.push(b',');
        }
        json::write(out, name);
        out.push(b':');
        write(out);
    };
    match checker {
        Checker::None | Checker::Tcp => {}
        Checker::Http(http) => {
            field("path", &|out| json::write(out, &*http.path));
            field("headers", &|out| json::write(out, &*http.headers));
            field("expectedResponseCode", &|out| json::write(out, &http.expected_status));
        }
        Checker::Mysql(mysql) => {
            for (name, value) in [("user", &mysql.user), ("pwd", &mysql.password), ("cmd", &mysql.command)] {
                field(name, &|out| json::write(out, &value.as_deref()));
            }
        }
    }
}

/// Every checker with its defaults, by type.
#[must_use]
pub fn checkers() -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    let all = [Checker::Tcp, Checker::Http(HttpCheck::default()), Checker::Mysql(MysqlCheck::default()), Checker::None];
    for checker in &all {
        out.push(if out.is_empty() { b'{' } else { b',' });
        json::write(&mut out, checker.name());
        out.extend_from_slice(b":{");
        let mut fields = Vec::new();
        write_fields(&mut fields, checker);
        out.append(&mut fields);
        out.push(b'}');
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests {
    use super::super::tests::params;
    use super::*;

    const ASK: [(&str, &str); 5] = [
        ("serviceName", "a"),
        ("clusterName", "c1"),
        ("checkPort", "81"),
        ("useInstancePort4Check", "no"),
        ("healthChecker", r#"{"type":"TCP"}"#),
    ];

    fn asked(checker: &str) -> Result<Checker, String> {
        let mut ask = ASK;
        ask[4].1 = checker;
        v1_cluster(&params(&ask)).map(|ask| ask.settings.checker).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn a_cluster_is_read_in_both_generations() {
        for ask in [v1_cluster(&params(&ASK)), form_cluster(&params(&ASK))] {
            let ask = ask.expect("whole");
            assert_eq!((ask.cluster.as_str(), ask.settings.check_port), ("c1", 81));
            assert!(!ask.settings.use_instance_port && ask.settings.checker == Checker::Tcp);
        }
        for left_out in 0..ASK.len() {
            let mut ask = ASK.to_vec();
            let (name, _) = ask.remove(left_out);
            let refused = v1_cluster(&params(&ask)).map(|_| ()).map_err(|refusal| refusal.to_string());
            assert_eq!(refused, Err(format!("Param '{name}' is required.")));
        }
        assert!(form_cluster(&params(&[&ASK[..3], &[("useInstancePort4Check", "x")]].concat())).is_err());
    }

    #[test]
    fn checkers_come_back_as_they_were_set() {
        for json in [
            r#"{"type":"TCP"}"#,
            r#"{"type":"HTTP","path":"/h","headers":"a:b","expectedResponseCode":204}"#,
            r#"{"type":"MYSQL","user":"u","pwd":"p","cmd":"select 1"}"#,
            r#"{"type":"NONE"}"#,
        ] {
            let mut out = Vec::new();
            write_checker(&mut out, &asked(json).expect("readable"));
            assert_eq!(std::str::from_utf8(&out), Ok(json));
        }
        assert_eq!(asked(r#"{"type":"PING"}"#), Ok(Checker::None));
        assert_eq!(asked(r#"{"path":"/"}"#), Ok(Checker::None));
        assert_eq!(asked(r#"{"type":"HTTP"}"#), Ok(Checker::Http(HttpCheck::default())));
    }

    #[test]
    fn what_cannot_be_a_checker_is_refused() {
        for bad in ["oops", "[]", r#"{"type":"#, r#"{"type":"HTTP","expectedResponseCode":70000}"#] {
            assert!(asked(bad).is_err(), "{bad}");
        }
        let split = asked(r#"{"type":"HTTP","path":"/\r\nX: y"}"#);
        assert_eq!(split, Err("healthChecker: path has control characters".to_owned()));
        let long = asked(&format!(r#"{{"type":"MYSQL","cmd":"{}"}}"#, "x".repeat(1025)));
        assert_eq!(long, Err("healthChecker: cmd is longer than 1024 characters".to_owned()));
    }

    #[test]
    fn checkers_are_listed_with_their_defaults() {
        let json = concat!(
            r#"{"TCP":{},"HTTP":{"path":"","headers":"","expectedResponseCode":200},"#,
            r#""MYSQL":{"user":null,"pwd":null,"cmd":null},"NONE":{}}"#
        );
        assert_eq!(std::str::from_utf8(&checkers()), Ok(json));
    }
}
