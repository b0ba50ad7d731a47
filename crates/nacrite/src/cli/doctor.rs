//! `nacrite doctor`: goes the way to a server step by step, as a client does, and names the first step that fails.

mod advice;
mod walk;

use std::time::Duration;

use clap::Args;

use super::connect::Access;
use super::errand;
use super::failure::{Failure, Kind};
use super::output::{self, Form, OutputArgs, Paint, Value};

pub(crate) const HELP: &str = "\
Examples:
  nacrite doctor registry:8848
  nacrite doctor registry:8848 --tls --tls-ca ca.pem --username orders
  nacrite doctor registry:8848 -o json

Steps, in their order: the name, the main port, HTTP, whether the server is ready, the port of gRPC, TLS, HTTP/2, the
server check, the introduction, a health check, the login, a query. The first one that fails is named, with what to do
about it. What is behind gRPC's port is gone through by the client that programs use.";

/// Which server.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// The server, as host:port; the port is the main one
    #[arg(env = "NACRITE_SERVER")]
    address: String,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    access: Access,
}

/// A step of the way to a server; a smaller one comes before a greater one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Name,
    MainPort,
    Http,
    Ready,
    GrpcPort,
    Tls,
    Http2,
    ServerCheck,
    Introduction,
    Check,
    Login,
    Query,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::MainPort => "main port",
            Self::Http => "HTTP",
            Self::Ready => "ready",
            Self::GrpcPort => "gRPC port",
            Self::Tls => "TLS",
            Self::Http2 => "HTTP/2",
            Self::ServerCheck => "server check",
            Self::Introduction => "introduction",
            Self::Check => "health check",
            Self::Login => "login",
            Self::Query => "query",
        }
    }
}

/// A step that was gone, and how it went.
#[derive(Debug)]
struct Gone {
    step: Step,
    took: Option<Duration>,
    /// What was found there.
    found: String,
}

/// The step that failed.
#[derive(Debug)]
struct Broken {
    step: Step,
    took: Duration,
    cause: String,
    advice: String,
    kind: Kind,
}

/// What came of it all.
#[derive(Debug)]
struct Report {
    /// The steps that belong to this way, in their order.
    planned: Vec<Step>,
    gone: Vec<Gone>,
    broken: Option<Broken>,
}

/// Does it.
///
/// # Errors
/// The server cannot be used; the report was printed already.
pub(crate) fn run(args: DoctorArgs) -> Result<(), Failure> {
    errand::to_end(args.access.verbosity(), diagnose(args))
}

async fn diagnose(args: DoctorArgs) -> Result<(), Failure> {
    let servers = args.access.servers(&args.address)?;
    let [server] = servers.as_slice() else {
        return Err(Failure::usage("doctor looks at one server at a time"));
    };
    let report = errand::patiently("looking", None, walk::to(server, &args.access)).await?;
    match args.output.output {
        Form::Table => output::print(&text(&report, &server.to_string(), Paint::for_output()))?,
        form => output::value(form, &value(&report, &server.to_string()))?,
    }
    report.broken.map_or(Ok(()), |broken| Err(Failure::new(broken.kind, "")))
}

/// Steps behind the one that failed.
fn untried(report: &Report) -> impl Iterator<Item = Step> {
    let broken = report.broken.as_ref().map(|broken| broken.step);
    report.planned.iter().copied().filter(move |step| broken.is_some_and(|broken| broken < *step))
}

fn text(report: &Report, server: &str, paint: Paint) -> String {
    let row = |sign: &str, step: Step, took: Option<Duration>, found: &str| {
        let took = took.map_or_else(|| "-".to_owned(), |took| format!("{} ms", took.as_millis()));
        vec![sign.into(), step.name().into(), took.into(), found.into()]
    };
    let mut rows: Vec<_> = report.gone.iter().map(|gone| row("ok", gone.step, gone.took, &gone.found)).collect();
    let failed_at = rows.len();
    rows.extend(report.broken.iter().map(|broken| row("FAILED", broken.step, Some(broken.took), &broken.cause)));
    rows.extend(untried(report).map(|step| row("-", step, None, "not tried")));
    let mut out = String::new();
    for (index, line) in output::lines(&rows).into_iter().enumerate() {
        out.push_str(&match (index < failed_at, index == failed_at) {
            (true, _) => paint.green(&line),
            (_, true) => paint.red(&line),
            _ => line,
        });
        out.push('\n');
    }
    match &report.broken {
        None => out.push_str(&format!("\n{server} can be used.\n")),
        Some(Broken { step, advice, .. }) => {
            out.push_str(&format!("\n{server} fails at this step: {}.\n{advice}\n", step.name()));
        }
    }
    out
}

fn value(report: &Report, server: &str) -> Value {
    let ms = |took: Duration| Value::Whole(i64::try_from(took.as_millis()).unwrap_or(i64::MAX));
    let step = |step: Step, verdict: &str, took: Option<Duration>, found: Value| {
        Value::map([
            ("step", step.name().into()),
            ("verdict", verdict.into()),
            ("tookMs", took.map_or(Value::Null, ms)),
            ("found", found),
        ])
    };
    let gone = report.gone.iter().map(|gone| step(gone.step, "ok", gone.took, gone.found.as_str().into()));
    let failed =
        report.broken.iter().map(|broken| step(broken.step, "failed", Some(broken.took), broken.cause.as_str().into()));
    let untried = untried(report).map(|untried| step(untried, "untried", None, Value::Null));
    let broken = report.broken.as_ref();
    Value::map([
        ("server", server.into()),
        ("usable", broken.is_none().into()),
        ("failedAt", Value::text(broken.map(|broken| broken.step.name()))),
        ("cause", Value::text(broken.map(|broken| broken.cause.as_str()))),
        ("advice", Value::text(broken.map(|broken| broken.advice.as_str()))),
        ("steps", Value::List(gone.chain(failed).chain(untried).collect())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_that_failed_stands_between_those_that_went_well_and_those_not_tried() {
        let gone = vec![Gone { step: Step::Name, took: Some(Duration::from_millis(2)), found: "127.0.0.1".into() }];
        let broken = Broken {
            step: Step::MainPort,
            took: Duration::from_millis(1),
            cause: "refused".into(),
            advice: "Start it.".into(),
            kind: Kind::Unreachable,
        };
        let report = Report { planned: vec![Step::Name, Step::MainPort, Step::Http], gone, broken: Some(broken) };
        let text = text(&report, "h:1", Paint::Plain);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..3],
            [
                "ok      name       2 ms  127.0.0.1",
                "FAILED  main port  1 ms  refused",
                "-       HTTP       -     not tried",
            ]
        );
        assert!(text.ends_with("\nh:1 fails at this step: main port.\nStart it.\n"), "{text}");
        let Value::Map(fields) = value(&report, "h:1") else { panic!("fields") };
        assert_eq!(fields[2], ("failedAt".to_owned(), "main port".into()));
    }
}
