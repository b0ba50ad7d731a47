//! Goes the way. Ports and HTTP are looked at by hand; everything behind them by the client itself, so that the verdict
//! is that of a real client.

use std::net::SocketAddr;
use std::time::Duration;

use nacrite_base::Timestamp;
use nacrite_client::{Client, ConnectFailure, Error, Layer, LinkState, Phase, ServerAddress, Transport};
use nacrite_env::Clock;
use nacrite_env::clock::SystemClock;

use super::advice::{self, Circumstances};
use super::{Broken, Gone, Report, Step};
use crate::cli::connect::Access;
use crate::cli::errand;
use crate::cli::failure::{Failure, Kind};
use crate::cli::http::{self, Answer, Question};

/// Where servers tell whether they live, by generation; the newest that is known to the server counts. Servers that do not
/// tell have services all the same.
const LIVENESS: &[&str] = &[
    "/v3/admin/core/state/liveness",
    "/v2/console/health/liveness",
    "/v1/console/health/liveness",
    "/v1/ns/service/list?pageNo=1&pageSize=1",
];

/// Where they tell whether they take writes.
const READINESS: &[&str] =
    &["/v3/admin/core/state/readiness", "/v2/console/health/readiness", "/v1/console/health/readiness"];

/// Group that is asked for in the end; every server has it.
const GROUP: &str = "DEFAULT_GROUP";

/// The way so far.
struct Walk<'a> {
    server: &'a ServerAddress,
    access: &'a Access,
    clock: SystemClock,
    gone: Vec<Gone>,
    is_grpc_open: Option<bool>,
    is_locked: bool,
}

/// Goes the way to `server`.
///
/// # Errors
/// Something that was said on the command line cannot be; what is wrong with the server is in the report.
pub(super) async fn to(server: &ServerAddress, access: &Access) -> Result<Report, Failure> {
    let clock = SystemClock::start();
    let mut walk = Walk { server, access, clock, gone: Vec::new(), is_grpc_open: None, is_locked: false };
    let is_http_alone = access.transport() == Transport::Http;
    let client = access.client(vec![server.clone()], access.transport())?;
    let broken = errand::with_client(client, async |client| {
        Ok(match walk.http(is_http_alone).await {
            Ok(()) if is_http_alone => walk.ask(client).await.err(),
            Ok(()) => walk.over_grpc(client).await.err(),
            Err(broken) => Some(broken),
        })
    });
    let broken = broken.await?;
    Ok(Report { planned: planned(server, access), gone: walk.gone, broken })
}

/// The steps that belong to this way.
fn planned(server: &ServerAddress, access: &Access) -> Vec<Step> {
    let mut steps = vec![Step::Name, Step::MainPort, Step::Http];
    if !server.is_https() {
        steps.push(Step::Ready);
    }
    if access.transport() == Transport::Grpc {
        steps.push(Step::GrpcPort);
        if access.wants_tls() {
            steps.push(Step::Tls);
        }
        steps.extend([Step::Http2, Step::ServerCheck, Step::Introduction, Step::Check]);
    }
    if access.has_user() {
        steps.push(Step::Login);
    }
    steps.push(Step::Query);
    steps
}

impl Walk<'_> {
    fn took(&self, since: Timestamp) -> Duration {
        self.clock.now().since(since)
    }

    fn went(&mut self, step: Step, since: Option<Timestamp>, found: impl Into<String>) {
        let took = since.map(|since| self.took(since));
        self.gone.push(Gone { step, took, found: found.into() });
    }

    fn broken(&self, step: Step, since: Timestamp, cause: String, kind: Kind) -> Broken {
        self.broken_after(step, self.took(since), cause, kind)
    }

    fn broken_after(&self, step: Step, took: Duration, cause: String, kind: Kind) -> Broken {
        let circumstances = Circumstances {
            server: self.server,
            is_grpc_open: self.is_grpc_open,
            wants_tls: self.access.wants_tls(),
            has_user: self.access.has_user(),
            is_locked: self.is_locked,
        };
        let advice = advice::for_step(step, &cause, circumstances);
        Broken { step, took, cause, advice, kind }
    }

    fn unreachable(&self, step: Step, since: Timestamp, cause: String) -> Broken {
        self.broken(step, since, cause, Kind::Unreachable)
    }

    /// Name, main port, HTTP.
    async fn http(&mut self, is_http_alone: bool) -> Result<(), Broken> {
        let within = self.access.within();
        let began = self.clock.now();
        let found = http::resolve(self.server.host(), self.server.port(), within).await;
        let addresses = found.map_err(|(_, cause)| self.unreachable(Step::Name, began, cause))?;
        let ips: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
        self.went(Step::Name, Some(began), ips.join(", "));

        let began = self.clock.now();
        if let Err((_, cause)) = http::connect(&addresses, within).await {
            if !is_http_alone {
                self.is_grpc_open = Some(http::connect(&self.grpc(&addresses), within).await.is_ok());
            }
            return Err(self.unreachable(Step::MainPort, began, cause));
        }
        self.went(Step::MainPort, Some(began), format!("{} is open", self.server.port()));
        if self.server.is_https() { self.https().await } else { self.plain_http(&addresses).await }
    }

    fn grpc(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        addresses.iter().map(|address| SocketAddr::new(address.ip(), self.server.grpc_port())).collect()
    }

    /// Whether the server lives and is ready.
    async fn plain_http(&mut self, addresses: &[SocketAddr]) -> Result<(), Broken> {
        for (step, paths) in [(Step::Http, LIVENESS), (Step::Ready, READINESS)] {
            let began = self.clock.now();
            match self.first_known(addresses, paths).await {
                Ok(answer) if answer.status == 200 => self.went(step, Some(began), "200"),
                // It speaks HTTP; a server that is starting answers so to everything.
                Ok(answer) if answer.status >= 500 && !is_unknown(&answer) => {
                    if step == Step::Http {
                        self.went(step, Some(began), answer.status.to_string());
                    }
                    return Err(self.unreachable(Step::Ready, began, format!("it answers {}", answer.words())));
                }
                // Not every server tells.
                Ok(answer) if step == Step::Ready && is_unknown(&answer) => self.went(step, Some(began), "not told"),
                // Who has to log in lives.
                Ok(answer) if matches!(answer.status, 401 | 403) => {
                    self.went(step, Some(began), answer.status.to_string());
                }
                Ok(answer) => return Err(self.unreachable(step, began, format!("it answers {}", answer.words()))),
                Err(cause) => return Err(self.unreachable(step, began, cause)),
            }
        }
        Ok(())
    }

    /// The answer of the first of the paths that the server knows.
    async fn first_known(&self, addresses: &[SocketAddr], paths: &[&str]) -> Result<Answer, String> {
        let within = self.access.within();
        let mut last = Err("it knows none of the paths".to_owned());
        for path in paths {
            let question = Question::get(format!("{}{path}", self.access.path_prefix()));
            let stream = http::connect(addresses, within).await.map_err(|(_, cause)| cause)?;
            let answer = http::exchange(stream, self.server, &question, within).await.map_err(|(_, cause)| cause)?;
            if !is_unknown(&answer) {
                return Ok(answer);
            }
            last = Ok(answer);
        }
        last
    }

    /// HTTP through TLS, by a client that speaks nothing else. Any answer will do.
    async fn https(&mut self) -> Result<(), Broken> {
        let began = self.clock.now();
        let client = self.access.client(vec![self.server.clone()], Transport::Http);
        let client = client.map_err(|failure| self.unreachable(Step::Http, began, failure.to_string()))?;
        let asked = client.naming().services(GROUP, 1, 1).await;
        client.close().await;
        match asked {
            Err(error @ (Error::NotConnected(_) | Error::Deadline { .. } | Error::Broken(_))) => {
                Err(self.unreachable(Step::Http, began, error.to_string()))
            }
            _ => {
                self.went(Step::Http, Some(began), "it answers");
                Ok(())
            }
        }
    }

    /// gRPC's port, and what is behind it.
    async fn over_grpc(&mut self, client: &Client) -> Result<(), Broken> {
        let within = self.access.within();
        let began = self.clock.now();
        let reached = async {
            let addresses = http::resolve(self.server.host(), self.server.grpc_port(), within).await?;
            http::connect(&addresses, within).await
        };
        if let Err((_, cause)) = reached.await {
            return Err(self.unreachable(Step::GrpcPort, began, cause));
        }
        self.went(Step::GrpcPort, Some(began), format!("{} is open", self.server.grpc_port()));
        self.connection(client).await?;
        self.check(client).await?;
        self.ask(client).await
    }

    /// TLS, HTTP/2, server check, introduction: as the client goes through them.
    async fn connection(&mut self, client: &Client) -> Result<(), Broken> {
        let began = self.clock.now();
        client.naming();
        let Some(mut link) = client.state().naming else {
            return Err(self.unreachable(Step::Http2, began, "the client has no connection".to_owned()));
        };
        let decided = link.wait_for(|state| state.phase == Phase::Running || state.failure.is_some());
        let decided = tokio::time::timeout(self.access.within(), decided).await.map(|state| state.map(|it| it.clone()));
        let within_ms = self.access.within().as_millis();
        let (state, failure) = match decided {
            Ok(Ok(state)) => match (state.phase, state.failure.clone()) {
                (Phase::Running, _) | (_, None) => (state, None),
                (_, Some(failure)) => (state, Some((step_of(&failure), failure.cause))),
            },
            Ok(Err(_)) => return Err(self.unreachable(Step::Http2, began, "the client ended".to_owned())),
            Err(_) => (link.borrow().clone(), Some((Step::ServerCheck, format!("nothing within {within_ms} ms")))),
        };
        for (step, took) in self.gone_over(&state) {
            match &failure {
                Some((broken, _)) if step >= *broken => {}
                _ => {
                    let found = if step == Step::Introduction { "let in" } else { "good" };
                    self.gone.push(Gone { step, took, found: found.into() });
                }
            }
        }
        let Some((step, cause)) = failure else { return Ok(()) };
        let took = state.steps.last().map_or_else(|| self.took(began), |last| last.took);
        Err(self.broken_after(step, took, cause, Kind::Unreachable))
    }

    /// The steps behind the port, and how long the client took for each of them.
    fn gone_over(&self, state: &LinkState) -> Vec<(Step, Option<Duration>)> {
        let all = [
            (Step::Tls, Layer::Tls),
            (Step::Http2, Layer::Http2),
            (Step::ServerCheck, Layer::Handshake),
            (Step::Introduction, Layer::Rejected),
        ];
        let all = all.into_iter().filter(|(step, _)| *step != Step::Tls || self.access.wants_tls());
        let took = |layer| state.steps.iter().find(|step| step.layer == layer).map(|step| step.took);
        all.map(|(step, layer)| (step, took(layer))).collect()
    }

    /// Whether the server knows the connection a moment later: a proxy that sends calls and streams to different servers
    /// shows here.
    async fn check(&mut self, client: &Client) -> Result<(), Broken> {
        let began = self.clock.now();
        match client.check(self.access.within()).await {
            Ok(()) => {
                self.went(Step::Check, Some(began), "the server knows the connection");
                Ok(())
            }
            // A connection that was given up says why.
            Err(Error::NotConnected(Some(failure))) => Err(self.unreachable(Step::Check, began, failure.to_string())),
            Err(error) => Err(self.unreachable(Step::Check, began, error.to_string())),
        }
    }

    /// Login and a query.
    async fn ask(&mut self, client: &Client) -> Result<(), Broken> {
        let began = self.clock.now();
        let asked = client.naming().services(GROUP, 1, 1).await;
        let has_user = self.access.has_user();
        let error = match asked {
            Ok(page) => {
                if has_user {
                    self.went(Step::Login, None, "good");
                }
                self.went(Step::Query, Some(began), format!("services in {GROUP}: {}", page.count));
                return Ok(());
            }
            Err(error) => error,
        };
        let failure = Failure::from(&error);
        let is_login = is_of_login(&error);
        self.is_locked = matches!(error, Error::LoginRefused { is_locked: true, .. });
        let step = if is_login { Step::Login } else { Step::Query };
        if has_user && !is_login {
            self.went(Step::Login, None, "good");
        }
        Err(self.broken(step, began, failure.to_string(), failure.kind))
    }
}

/// Whether the server does not know what it was asked for.
fn is_unknown(answer: &Answer) -> bool {
    matches!(answer.status, 404 | 405 | 410 | 501)
}

fn is_of_login(error: &Error) -> bool {
    match error {
        Error::LoginRefused { .. } => true,
        Error::NotConnected(Some(failure)) => failure.layer == Layer::Login,
        Error::Deadline { last: Some(last), .. } => is_of_login(last),
        _ => false,
    }
}

/// At which step the client failed.
fn step_of(failure: &ConnectFailure) -> Step {
    match failure.layer {
        Layer::Resolve => Step::Name,
        Layer::Tcp => Step::GrpcPort,
        Layer::Tls => Step::Tls,
        // A server that wants TLS says so to who speaks in the clear; it is not HTTP/2 that is missing.
        Layer::Http2 if failure.cause.contains("TLS") => Step::Tls,
        Layer::Http2 => Step::Http2,
        Layer::Handshake => Step::ServerCheck,
        // The server check is the question that has an answer; an introduction is taken in, or it is not.
        Layer::Rejected if failure.cause.starts_with("it answers") => Step::ServerCheck,
        Layer::Rejected | Layer::Lost => Step::Introduction,
        Layer::Login => Step::Login,
    }
}
