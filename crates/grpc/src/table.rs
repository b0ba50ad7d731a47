//! The one table of requests: for each its permission, its limit, who may send it, how it fails, and who handles it.
//!
//! Everything true *about* a request is a field of its row, so that forgetting it does not compile. A test compares the
//! table with `docs/protocol/requests.md`.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use nacrite_app::App;
use nacrite_app::connections::{Connection, Listener};
use nacrite_app::control::tps::Point;
use nacrite_app::metrics::RequestMetrics;
use nacrite_app::pipeline::{LimitClass, Needs};
use nacrite_base::Fault;
use nacrite_wire::control::point_of_request;
use nacrite_wire::payload::Payload;
use nacrite_wire::to_wire::Failure;

use crate::handlers;

/// Who may send a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Senders {
    /// Whoever is connected.
    Anybody,
    /// Only nodes, by the listener for nodes.
    Nodes,
}

impl Senders {
    pub(crate) fn admit(self, listener: Listener) -> bool {
        self == Self::Anybody || listener == Listener::Nodes
    }
}

/// A request that was received on a known connection.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) connection: &'a Arc<Connection>,
    pub(crate) payload: Payload<'a>,
}

/// A body, or why there is none.
pub(crate) type Answered = Result<Bytes, Fault>;

/// The answer to a request: now, or once the disk has it.
pub(crate) enum Reply {
    Now(Answered),
    Later(Pin<Box<dyn Future<Output = Answered> + Send>>),
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

impl From<Fault> for Reply {
    fn from(fault: Fault) -> Self {
        Self::Now(Err(fault))
    }
}

/// Handles requests of one type.
pub(crate) type Run = Box<dyn Fn(&Call<'_>) -> Reply + Send + Sync>;

/// Everything about one type of request.
pub struct Row {
    /// The type name, exact.
    pub wire_type: &'static str,
    /// What the caller must have.
    pub needs: Needs,
    /// What it counts against.
    pub limit: LimitClass,
    /// Who may send it.
    pub senders: Senders,
    /// The type of its answers, and how it fails.
    pub failure: Failure,
    pub(crate) run: Run,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("wire_type", &self.wire_type).finish_non_exhaustive()
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

/// All types of requests.
#[derive(Debug)]
pub struct Table {
    rows: HashMap<&'static str, Known>,
    pub(crate) app: Arc<App>,
    /// The newest id of a push.
    pub(crate) request_ids: AtomicU64,
}

impl Table {
    /// The table over the use cases of `app`.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        let known = |row: Row| Known {
            metrics: app.metrics.request("grpc", row.wire_type),
            point: point_of_request(row.wire_type).map(|name| app.pipeline.points.point(name)),
            row,
        };
        let rows = handlers::rows(&app).into_iter().map(|row| (row.wire_type, known(row))).collect();
        Self { rows, app, request_ids: AtomicU64::new(0) }
    }

    pub(crate) fn row(&self, wire_type: &str) -> Option<&Known> {
        self.rows.get(wire_type)
    }

    /// Every row, ordered by type.
    #[must_use]
    pub fn rows(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.values().map(|known| &known.row).collect();
        rows.sort_by_key(|row| row.wire_type);
        rows
    }
}
