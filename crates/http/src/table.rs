//! The one table of endpoints: for each its permission, its limit, how it fails, and who handles it.
//!
//! Everything true *about* an endpoint is a field of its row, so that forgetting it does not compile. A test compares the
//! table with `docs/protocol/endpoints.md`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hashbrown::HashMap;
use http::{HeaderMap, Method};
use nacrite_app::App;
use nacrite_app::control::tps::Point;
use nacrite_app::metrics::RequestMetrics;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::Area;
use nacrite_wire::control::point_of_endpoint;
use nacrite_wire::http::failure::Generation;
use nacrite_wire::http::params::Params;
use nacrite_wire::http::refusal::Refusal;

use crate::body::Held;
use crate::reply::Answer;
use crate::settings::{CONFIG_LEN_MAX, FORM_LEN_MAX, HttpSettings};
use crate::{actuator, batch, core_ops, log_levels, members, not_served, prometheus, statuses, v1, v2, v3};

/// A request that was received, with its parameters decoded.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    /// The path as it was sent.
    pub(crate) uri: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) params: Params<'a>,
    /// The body as it was sent.
    pub(crate) body: &'a [u8],
    /// The other end of the socket.
    pub(crate) remote: SocketAddr,
    /// This end of the socket.
    pub(crate) local: SocketAddr,
}

impl Call<'_> {
    /// A header as text; `None` if it is absent or no text. Names are compared without regard to case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The address that the client has, as proxies tell it. It grants nothing.
    pub(crate) fn client_ip(&self) -> IpAddr {
        let forwarded = self.header("x-forwarded-for").and_then(|list| list.split(',').next());
        let told = forwarded.or_else(|| self.header("x-real-ip"));
        let told = told.and_then(|ip| ip.trim().parse().ok());
        told.unwrap_or_else(|| self.remote.ip().to_canonical())
    }
}

/// An answer, or why there is none.
pub(crate) type Answered = Result<Answer, Refusal>;

/// The answer to a request: now, or once the disk has it or something changed.
pub(crate) enum Reply {
    Now(Answered),
    Later(BoxFuture<'static, Answered>),
}

impl Reply {
    pub(crate) fn later(answer: impl Future<Output = Answered> + Send + 'static) -> Self {
        Self::Later(Box::pin(answer))
    }
}

impl From<Answered> for Reply {
    fn from(answered: Answered) -> Self {
        Self::Now(answered)
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::Now(Err(refusal))
    }
}

/// Handles requests to one endpoint.
pub(crate) type Run = Box<dyn Fn(&Call<'_>) -> Reply + Send + Sync>;

/// Everything about one endpoint.
pub struct Row {
    /// Method and path below the context path, `GET /v1/ns/instance/list`. A path may end in `/*`, for one or more
    /// further segments.
    pub endpoint: &'static str,
    /// What the caller must have.
    pub needs: Needs,
    /// What it counts against.
    pub limit: LimitClass,
    /// How it fails.
    pub generation: Generation,
    pub(crate) run: Run,
}

impl Row {
    /// The method.
    #[must_use]
    pub fn method(&self) -> &'static str {
        self.endpoint.split_once(' ').map_or("", |(method, _)| method)
    }

    /// The path below the context path.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.endpoint.split_once(' ').map_or("", |(_, path)| path)
    }

    /// Bytes that a body may have here.
    pub(crate) fn body_len_max(&self) -> usize {
        match self.needs {
            Needs::Permission(_, Area::Config) => CONFIG_LEN_MAX,
            _ => FORM_LEN_MAX,
        }
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A row with what is counted for it.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) row: Row,
    pub(crate) metrics: RequestMetrics,
    /// The control point that its requests pass.
    pub(crate) point: Option<Arc<Point>>,
}

/// What a path has, by method. Few paths have more than four.
#[derive(Debug, Default)]
pub(crate) struct Endpoints(Vec<(Method, Known)>);

impl Endpoints {
    fn get(&self, method: &Method) -> Option<&Known> {
        // HEAD is GET whose body hyper does not send.
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        self.0.iter().find(|(known, _)| known == wanted).map(|(_, known)| known)
    }

    fn generation(&self) -> Generation {
        self.0.first().map_or(Generation::ConsoleV1, |(_, known)| known.row.generation)
    }

    /// The methods as `Allow` lists them.
    fn allowed(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|(method, _)| method.as_str()).collect();
        names.join(", ")
    }
}

/// What is known of a method and a path.
pub(crate) enum Found<'a> {
    /// The endpoint.
    Row(&'a Known),
    /// The path is known, the method is not its.
    OtherMethods { generation: Generation, allowed: String },
    /// Nothing.
    Nothing,
}

/// All endpoints.
#[derive(Debug)]
pub struct Table {
    paths: HashMap<&'static str, Endpoints, foldhash::fast::FixedState>,
    /// Paths that end in `/*`, without the `*`.
    prefixes: Vec<(&'static str, Endpoints)>,
    pub(crate) app: Arc<App>,
    pub(crate) settings: HttpSettings,
    pub(crate) held: Held,
}

impl Table {
    /// The table over the use cases of `app`.
    #[must_use]
    pub fn new(app: Arc<App>, settings: HttpSettings) -> Self {
        let mut table = Self { paths: HashMap::default(), prefixes: Vec::new(), app, settings, held: Held::default() };
        let app = Arc::clone(&table.app);
        let generations = [v1::rows(&app), v2::rows(&app), v3::rows(&app)];
        let shared = [
            batch::rows(&app),
            statuses::rows(&app),
            prometheus::rows(&app),
            members::rows(&app),
            core_ops::rows(&app),
            log_levels::rows(&app.log),
            actuator::rows(&app),
        ];
        for row in generations.into_iter().chain(shared).flatten() {
            table.add(row);
        }
        for row in not_served::rows() {
            if !table.has(&row) {
                table.add(row);
            }
        }
        table
    }

    fn add(&mut self, row: Row) {
        let app = Arc::clone(&self.app);
        let metrics = app.metrics.request("http", row.endpoint);
        let path = row.path();
        let endpoints = match path.strip_suffix('*') {
            None => self.paths.entry(path).or_default(),
            Some(prefix) => {
                let at = self.prefixes.iter().position(|(known, _)| *known == prefix);
                let at = at.unwrap_or_else(|| {
                    self.prefixes.push((prefix, Endpoints::default()));
                    self.prefixes.len() - 1
                });
                &mut self.prefixes[at].1
            }
        };
        debug_assert!(
            endpoints.0.iter().all(|(method, _)| method.as_str() != row.method()),
            "{} stands twice in the table",
            row.endpoint
        );
        if let Ok(method) = Method::from_bytes(row.method().as_bytes()) {
            let point = point_of_endpoint(row.endpoint).map(|name| app.pipeline.points.point(name));
            endpoints.0.push((method, Known { row, metrics, point }));
        }
    }

    /// Whether an endpoint is there already.
    fn has(&self, row: &Row) -> bool {
        let known = self.paths.get(row.path());
        known.is_some_and(|endpoints| endpoints.0.iter().any(|(method, _)| method.as_str() == row.method()))
    }

    /// The endpoint of a method and a path below the context path.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Found<'_> {
        let Some(endpoints) = self.endpoints(path) else {
            return Found::Nothing;
        };
        match endpoints.get(method) {
            Some(row) => Found::Row(row),
            None => Found::OtherMethods { generation: endpoints.generation(), allowed: endpoints.allowed() },
        }
    }

    fn endpoints(&self, path: &str) -> Option<&Endpoints> {
        if let Some(known) = self.paths.get(path) {
            return Some(known);
        }
        // The generations before v3 take one slash more (recorded: `v2/ns-instance-errors`).
        if let Some(without) = path.strip_suffix('/')
            && (path.starts_with("/v1/") || path.starts_with("/v2/"))
            && let Some(known) = self.paths.get(without)
        {
            return Some(known);
        }
        let under = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty());
        self.prefixes.iter().find(|(prefix, _)| under(prefix)).map(|(_, endpoints)| endpoints)
    }

    /// Every row, ordered by path and method.
    #[must_use]
    pub fn rows(&self) -> Vec<&Row> {
        let all = self.paths.values().chain(self.prefixes.iter().map(|(_, endpoints)| endpoints));
        let mut rows: Vec<&Row> = all.flat_map(|endpoints| endpoints.0.iter().map(|(_, known)| &known.row)).collect();
        rows.sort_by_key(|row| (row.path(), row.method()));
        rows
    }
}
