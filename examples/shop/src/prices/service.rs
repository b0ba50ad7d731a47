//! What the price service answers: prices from a list, reduced by what the config says at this moment.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{Stream, stream};
use nacrite_client::config::Bound;
use nacrite_client::register::{LeaveStep, RegistrarState};
use serde::Deserialize;
use shop::proto::prices_server::Prices;
use shop::proto::{QuoteReply, QuoteRequest, ReserveReply, ReserveRequest, WatchRequest};
use tokio::sync::watch;
use tokio::time::sleep;
use tonic::{Request, Response, Status};

/// What is sold, in cents.
const CATALOGUE: &[(&str, u64)] = &[("coffee", 620), ("tea", 450), ("cake", 380)];

/// What the config says. A version that does not fit is never used: the last one that fitted stays.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sale {
    /// By how much everything is reduced.
    discount_percent: Percent,
}

/// 0 to 90: nothing is given away.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(try_from = "u32")]
struct Percent(u32);

impl TryFrom<u32> for Percent {
    type Error = String;

    fn try_from(percent: u32) -> Result<Self, String> {
        if percent <= 90 { Ok(Self(percent)) } else { Err(format!("{percent} is more than 90 percent")) }
    }
}

/// One instance of the service.
#[derive(Debug)]
pub(crate) struct PriceService {
    name: Arc<str>,
    answer_takes: Duration,
    sale: Bound<Sale>,
    reservations: AtomicU64,
    life: watch::Receiver<RegistrarState>,
}

impl PriceService {
    /// Answers as `name`, after a while. Streams end when `life` does, and not before callers know that they have to go elsewhere.
    pub(crate) fn new(
        name: &str,
        answer_takes: Duration,
        sale: Bound<Sale>,
        life: watch::Receiver<RegistrarState>,
    ) -> Self {
        Self { name: name.into(), answer_takes, sale, reservations: AtomicU64::new(0), life }
    }

    /// Does what takes a while.
    async fn work(&self) {
        if !self.answer_takes.is_zero() {
            sleep(self.answer_takes).await;
        }
    }
}

#[tonic::async_trait]
impl Prices for PriceService {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<QuoteReply, Status>> + Send>>;

    async fn quote(&self, request: Request<QuoteRequest>) -> Result<Response<QuoteReply>, Status> {
        let item = request.into_inner().item;
        let cents = price(&item)?;
        self.work().await;
        Ok(Response::new(quote(&item, cents, *self.sale.get(), &self.name)))
    }

    async fn reserve(&self, request: Request<ReserveRequest>) -> Result<Response<ReserveReply>, Status> {
        let ReserveRequest { item, count } = request.into_inner();
        price(&item)?;
        if count == 0 {
            return Err(Status::invalid_argument("count: must be at least 1"));
        }
        self.work().await;
        let reservation = self.reservations.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Response::new(ReserveReply { reservation, served_by: self.name.to_string() }))
    }

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let item = request.into_inner().item;
        let cents = price(&item)?;
        let mut sales = self.sale.changes();
        // The first one is the sale as it is.
        sales.mark_changed();
        let (name, life) = (Arc::clone(&self.name), self.life.clone());
        let quotes = stream::unfold((sales, life), move |(mut sales, mut life)| {
            let (item, name) = (item.clone(), Arc::clone(&name));
            async move {
                let sale = tokio::select! {
                    changed = sales.changed() => changed.ok().map(|()| **sales.borrow_and_update()),
                    _ = life.wait_for(is_ending) => None,
                }?;
                Some((Ok(quote(&item, cents, sale, &name)), (sales, life)))
            }
        });
        Ok(Response::new(Box::pin(quotes)))
    }
}

/// Whether callers have had time to notice that this instance is no longer there for them.
fn is_ending(life: &RegistrarState) -> bool {
    matches!(life, RegistrarState::Leaving { step: LeaveStep::Draining | LeaveStep::Closing, .. }) || life.is_closed()
}

fn price(item: &str) -> Result<u64, Status> {
    let found = CATALOGUE.iter().find(|(name, _)| *name == item);
    found.map(|(_, cents)| *cents).ok_or_else(|| Status::not_found(format!("{item} is not sold here")))
}

fn quote(item: &str, cents: u64, sale: Sale, served_by: &str) -> QuoteReply {
    let Percent(percent) = sale.discount_percent;
    QuoteReply {
        item: item.to_owned(),
        price_cents: cents * u64::from(100 - percent) / 100,
        discount_percent: percent,
        served_by: served_by.to_owned(),
    }
}
