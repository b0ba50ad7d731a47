//! Clients that ask for a list again and again, and are told over UDP in between if they can be.

use std::sync::Arc;

use nacrite_app::App;
use nacrite_app::naming::Poll;
use nacrite_base::ServiceKey;
use nacrite_naming::ServiceView;
use nacrite_wire::http::naming::polling::{PollAsk, is_told};

use crate::table::Call;

/// The service as it looks now. A client that can be told of changes is told of them from now on, and polls on in case a
/// packet is lost; everybody else only polls.
pub(crate) fn view(
    app: &App,
    call: &Call<'_>,
    service: &ServiceKey,
    clusters: &str,
    poll: Option<PollAsk<'_>>,
) -> Arc<ServiceView> {
    let switches = app.naming.switches();
    let told = poll
        .filter(|poll| app.datagrams.reaches(poll.address.ip()))
        .zip(agent(call).filter(|agent| is_told(agent, &switches)));
    match told {
        Some((PollAsk { address, app: name }, agent)) => {
            app.naming.poll(service, &Poll { address, clusters, app: name, agent })
        }
        None => app.naming.query(service),
    }
}

/// What the client calls itself.
fn agent<'a>(call: &'a Call<'_>) -> Option<&'a str> {
    let said = |name| call.header(name).filter(|text| !text.is_empty());
    said("user-agent").or_else(|| said("client-version"))
}
