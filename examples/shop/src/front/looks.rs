//! The channel to the price service as it is at this moment, for people and for tests.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use nacrite_tonic::Channel;
use serde_json::{Value, json};

/// Where the channel is looked at.
pub(crate) fn routes(channel: Channel) -> Router {
    Router::new().route("/channel", get(look)).with_state(channel)
}

async fn look(State(channel): State<Channel>) -> Json<Value> {
    let (state, counts) = (channel.state().borrow().clone(), channel.metrics());
    let endpoints: Vec<Value> = state
        .endpoints
        .iter()
        .map(|one| {
            json!({
                "name": one.endpoint.metadata.get("name"),
                "address": format!("{}:{}", one.endpoint.host, one.endpoint.port),
                "weight": one.endpoint.weight,
                "state": format!("{:?}", one.connectivity),
                "reason": one.reason.as_deref(),
                "ejected": one.is_ejected,
            })
        })
        .collect();
    Json(json!({
        "state": format!("{:?}", state.connectivity),
        "policy": &*state.policy,
        "trouble": state.resolver_trouble.as_deref().or(state.config_trouble.as_deref()),
        "endpoints": endpoints,
        "calls": counts.calls,
        "in_flight": counts.calls_in_flight,
        "failed": counts.calls_failed,
        "retries": counts.retries,
        "connects": counts.connects,
        "connections_lost": counts.connections_lost,
        "ejections": counts.ejections,
        "lists": counts.lists,
    }))
}
