//! Clients that ask for a list again and again, and are told over UDP in between if they can be.

use std::net::SocketAddr;
use std::sync::Arc;

use nacrite_app::App;
use nacrite_base::ServiceKey;
use nacrite_naming::{ClusterFilter, ServiceView, Subscription};
use nacrite_wire::http::naming::polling::{PollAsk, is_told};

use crate::table::Call;

/// The service as it looks now. A client that can be told of changes is told of them from now on, and polls on in case a
/// packet is lost; everybody else only polls.
pub(crate) fn view(
    app: &App,
    call: &Call<'_>,
    service: &ServiceKey,
    clusters: &str,
    poll: Option<PollAsk>,
) -> Arc<ServiceView> {
    let told = poll.filter(|poll| app.datagrams.reaches(poll.ip)).zip(agent(call).filter(|agent| is_told(agent)));
    let Some((PollAsk { ip, port, app: name }, agent)) = told else {
        return app.naming.query(service);
    };
    let address = SocketAddr::new(ip, port);
    let subscription = Subscription {
        clusters: ClusterFilter::new(clusters),
        app: name,
        agent: agent.into(),
        address: address.to_string().into(),
    };
    app.naming.poll(service, address, subscription)
}

/// What the client calls itself.
fn agent<'a>(call: &'a Call<'_>) -> Option<&'a str> {
    let said = |name| call.header(name).filter(|text| !text.is_empty());
    said("user-agent").or_else(|| said("client-version"))
}
