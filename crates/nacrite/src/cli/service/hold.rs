//! `nacrite service register`: an instance that lasts as long as this program, and tells what becomes of it.

use nacrite_client::Client;
use nacrite_client::naming::{Registration, RegistrationState, Service};

use super::{RegisterArgs, described};
use crate::cli::errand::{self, LinkNews};
use crate::cli::failure::Failure;
use crate::server::StopSignals;

pub(super) async fn register(args: RegisterArgs) -> Result<(), Failure> {
    let mut stop = errand::stop_signals()?;
    let mut instance = described(&args.address, args.cluster.as_deref())
        .weight(args.weight)
        .enabled(!args.disabled)
        .healthy(!args.unhealthy);
    for (key, value) in &args.metadata {
        instance = instance.metadata(key.as_str(), value.as_str());
    }
    let service = Service::new(&args.service).in_group(&args.group);
    errand::with_client(args.connection.client()?, async |client| {
        if args.persistent {
            let registered = client.naming().register(service, instance.persistent());
            errand::patiently("registering", client, registered).await?;
            errand::note(&format!("{}:{} is registered for {service}", args.address.host, args.address.port));
            return Ok(());
        }
        let registration = client.naming().register_in_background(service, instance)?;
        let held = hold(client, &registration, &args);
        // The signal is asked for first: whatever goes on, Ctrl-C ends it.
        let ended = tokio::select! {
            biased;
            _ = stop.received() => Ok(()),
            ended = held => ended,
        };
        // What was refused, or never came about, is taken back by closing, without a word.
        if ended.is_ok() {
            give_back(&registration, &mut stop).await;
        }
        ended
    })
    .await
}

/// Tells what becomes of a registration; ends when it is refused for good.
async fn hold(client: &Client, registration: &Registration, args: &RegisterArgs) -> Result<(), Failure> {
    let mut news = LinkNews::of(client.state().naming);
    if !args.keep_trying {
        let first = registration.registered(args.connection.access.within());
        errand::patiently("registering", client, first).await?;
    }
    let mut state = registration.state();
    state.mark_changed();
    loop {
        tokio::select! {
            told = news.next() => errand::note(&told),
            changed = state.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let told = match &*state.borrow_and_update() {
                    RegistrationState::Refused { reason, .. } => return Err(Failure::from(&**reason)),
                    RegistrationState::Registered { .. } => "registered; Ctrl-C deregisters it".to_owned(),
                    RegistrationState::Retrying { reason, attempts } => {
                        format!("not registered after attempt {attempts}: {reason}; trying again")
                    }
                    RegistrationState::Pending => "not registered yet".to_owned(),
                    RegistrationState::Leaving => "deregistering".to_owned(),
                    RegistrationState::Gone => "not registered any more".to_owned(),
                };
                errand::note(&told);
            }
        }
    }
}

/// Takes the instance back. Who presses Ctrl-C again does not want to wait for the server.
async fn give_back(registration: &Registration, stop: &mut StopSignals) {
    tokio::select! {
        done = registration.deregister() => match done {
            Ok(()) => errand::note("deregistered"),
            Err(error) => errand::note(&format!("the server did not confirm that it is deregistered: {error}; it goes with the connection")),
        },
        _ = stop.received() => errand::note("not waiting for the server; the instance goes with the connection"),
    }
}
