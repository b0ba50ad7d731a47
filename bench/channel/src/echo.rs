//! The service that is called: the shop's price service, which answers at once. A process of its own, a plain tonic
//! server, the same for everybody who is measured.

use std::io::Write;

use anyhow::Result;
use futures_util::stream::{self, Empty};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::proto::prices_server::{Prices, PricesServer};
use crate::proto::{QuoteReply, QuoteRequest, ReserveReply, ReserveRequest, WatchRequest};

struct Echo;

#[tonic::async_trait]
impl Prices for Echo {
    type WatchStream = Empty<Result<QuoteReply, Status>>;

    async fn quote(&self, request: Request<QuoteRequest>) -> Result<Response<QuoteReply>, Status> {
        let item = request.into_inner().item;
        Ok(Response::new(QuoteReply { item, price_cents: 450, discount_percent: 0, served_by: String::new() }))
    }

    async fn reserve(&self, _: Request<ReserveRequest>) -> Result<Response<ReserveReply>, Status> {
        Ok(Response::new(ReserveReply { reservation: 1, served_by: String::new() }))
    }

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(stream::empty()))
    }
}

/// Prints its port, and serves until whoever started it closes its input.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let closed = async {
        let mut rest = Vec::new();
        tokio::io::stdin().read_to_end(&mut rest).await.ok();
    };
    Server::builder().add_service(PricesServer::new(Echo)).serve_with_incoming_shutdown(incoming, closed).await?;
    Ok(())
}
