//! What browsers may ask: each route is one call of the price service, answered as JSON.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::TryStreamExt;
use nacrite_tonic::Channel;
use serde::Serialize;
use shop::proto::prices_client::PricesClient;
use shop::proto::{QuoteReply, QuoteRequest, ReserveRequest, WatchRequest};
use tonic::{Code, Status};

/// The price service, whoever and wherever its instances are.
type Prices = PricesClient<Channel>;

/// The routes of the front.
pub(crate) fn routes(channel: Channel) -> Router {
    Router::new()
        .route("/quote/{item}", get(quote))
        .route("/reserve/{item}/{count}", post(reserve))
        .route("/watch/{item}", get(watch))
        .with_state(PricesClient::new(channel))
}

/// What an item costs, and who said so.
#[derive(Serialize)]
struct Quote {
    item: String,
    price_cents: u64,
    discount_percent: u32,
    served_by: String,
}

impl From<QuoteReply> for Quote {
    fn from(reply: QuoteReply) -> Self {
        let QuoteReply { item, price_cents, discount_percent, served_by } = reply;
        Self { item, price_cents, discount_percent, served_by }
    }
}

/// A reservation, and who made it.
#[derive(Serialize)]
struct Reserved {
    reservation: u64,
    served_by: String,
}

async fn quote(State(mut prices): State<Prices>, Path(item): Path<String>) -> Result<Json<Quote>, Refused> {
    Ok(Json(prices.quote(QuoteRequest { item }).await?.into_inner().into()))
}

async fn reserve(
    State(mut prices): State<Prices>,
    Path((item, count)): Path<(String, u32)>,
) -> Result<Json<Reserved>, Refused> {
    let reply = prices.reserve(ReserveRequest { item, count }).await?.into_inner();
    Ok(Json(Reserved { reservation: reply.reservation, served_by: reply.served_by }))
}

/// One line of JSON now and after each change, until the instance that was asked leaves.
async fn watch(State(mut prices): State<Prices>, Path(item): Path<String>) -> Result<Response, Refused> {
    let replies = prices.watch(WatchRequest { item }).await?.into_inner();
    let lines = replies.map_err(std::io::Error::other).and_then(|reply| async {
        let mut line = serde_json::to_vec(&Quote::from(reply))?;
        line.push(b'\n');
        Ok(line)
    });
    Ok(Body::from_stream(lines).into_response())
}

/// Why there is no answer, in the words of the call.
struct Refused(Status);

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self(status)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self(status) = self;
        let code = match status.code() {
            Code::InvalidArgument => StatusCode::BAD_REQUEST,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        (code, format!("{}: {}\n", status.code(), status.message())).into_response()
    }
}
