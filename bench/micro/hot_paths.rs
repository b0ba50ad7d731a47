//! Counts the instructions of what the server does most often, without the kernel's part of it.
//!
//! `cargo xtask bench --micro` runs this under Valgrind; the counts of two runs of one build differ by nothing, so a change
//! of a count is a change of the code.

#![expect(missing_docs, reason = "the macros make public items without any")]
#![expect(clippy::exit, reason = "the macro that runs the counting ends the process")]
#![expect(clippy::expect_used, reason = "a hot path that fails is not measured")]

use std::hint::black_box;
use std::sync::Arc;

use gungraun::{library_benchmark, library_benchmark_group, main};
use nacrite_balance::{Call, Picker};
use nacrite_base::{ClientId, Host, Kind, Switches};
use nacrite_microbench::{
    FILLED_AT, POLLING_AGENT, client, instance, list_params, picker, polled_registry, publish_message, query_message,
    register_message, registry, service,
};
use nacrite_naming::{ClusterFilter, Command, Registry};
use nacrite_wire::from_wire;
use nacrite_wire::from_wire::instance::Strictness;
use nacrite_wire::from_wire::naming::InstanceAsk;
use nacrite_wire::http::naming::polling::{is_told, v1_poll};
use nacrite_wire::http::naming::v1_service;
use nacrite_wire::http::params::Params;
use nacrite_wire::payload::Payload;
use nacrite_wire::service_info::{Dialect, ServiceInfo};
use nacrite_wire::to_wire;

// From the bytes of a request to the changed registry.
#[library_benchmark]
#[bench::ten_instances(setup = registration)]
fn register((mut registry, message): (Registry, Vec<u8>)) -> Registry {
    let payload = Payload::decode(&message).expect("an envelope");
    let ask = from_wire::naming::instance_request(payload.body, Strictness::Single).expect("a good request");
    if let InstanceAsk::Register { service, instance } = ask {
        let register = Command::Register { client: client(9), service, instances: vec![instance.instance] };
        drop(black_box(registry.apply(FILLED_AT, register)).expect("it is taken"));
    }
    registry
}

fn registration() -> (Registry, Vec<u8>) {
    (registry(10), register_message())
}

// From the bytes of a question to the shared view.
#[library_benchmark]
#[bench::ten_instances(setup = question)]
fn query((mut registry, message): (Registry, Vec<u8>)) -> Registry {
    let payload = Payload::decode(&message).expect("an envelope");
    let ask = from_wire::naming::query_request(payload.body).expect("a good request");
    black_box(registry.view(FILLED_AT, &ask.service)).expect("the service is there");
    registry
}

fn question() -> (Registry, Vec<u8>) {
    (registry(10), query_message())
}

// From the parameters of a list over HTTP to the shared view: of a client that only polls, and of one that is told of
// changes in between, which is noted each time it asks.
#[library_benchmark]
#[bench::only_polls(setup = silent_poll)]
#[bench::is_told(setup = told_poll)]
fn list((mut registry, params): (Registry, Params<'static>)) -> Registry {
    let key = v1_service(&params).expect("a good request");
    let ask =
        v1_poll(&params).expect("a good request").filter(|_| is_told(black_box(POLLING_AGENT), &Switches::default()));
    if let Some(ask) = ask {
        let host = Host::from_stored(&ask.address.ip().to_string());
        let client = ClientId::Address { host, port: ask.address.port(), kind: Kind::Ephemeral };
        let subscription = registry.subscription(&client, &key).expect("it asked before").clone();
        let subscribe = Command::Subscribe { client, service: key.clone(), subscription };
        drop(black_box(registry.apply(FILLED_AT, subscribe)).expect("a subscription is never refused"));
    }
    black_box(registry.view(FILLED_AT, &key)).expect("the service is there");
    registry
}

fn silent_poll() -> (Registry, Params<'static>) {
    (polled_registry(), list_params("0"))
}

fn told_poll() -> (Registry, Params<'static>) {
    (polled_registry(), list_params("55123"))
}

// What one change costs when somebody looks: the change, the new view, its bytes.
#[library_benchmark]
#[bench::ten_instances(args = (10), setup = registry)]
#[bench::thousand_instances(args = (1000), setup = registry)]
fn view_after_change(mut registry: Registry) -> Registry {
    let mut changed = instance(1);
    changed.weight = 2.0;
    let register = Command::Register { client: client(1), service: service(7), instances: vec![changed] };
    drop(registry.apply(FILLED_AT, register).expect("it is taken"));
    let view = registry.view(FILLED_AT, &service(7)).expect("the service is there");
    let seen = view.select(&ClusterFilter::ALL, false);
    let info = ServiceInfo {
        key: &view.key,
        clusters: "",
        instances: &seen.instances,
        ephemeral: true,
        protected: seen.protected,
        ref_time: view.ref_time,
    };
    black_box(to_wire::naming::notify_subscriber(1, &info.encode(Dialect::Rpc3)));
    registry
}

// From the bytes of a publication to its checked words and the digest of the content.
#[library_benchmark]
#[bench::one_kibibyte(setup = publish_message)]
fn publish(message: Vec<u8>) {
    let payload = Payload::decode(&message).expect("an envelope");
    black_box(from_wire::config::publish_request(payload.body)).expect("a good request");
}

// Who of a thousand takes the next call.
#[library_benchmark]
#[bench::round_robin(args = ("round_robin"), setup = picker)]
#[bench::weighted_round_robin(args = ("weighted_round_robin"), setup = picker)]
#[bench::weighted_random(args = ("weighted_random"), setup = picker)]
#[bench::least_request(args = ("least_request"), setup = picker)]
#[bench::ring_hash(args = ("ring_hash"), setup = picker)]
fn pick(picker: Arc<dyn Picker>) -> Arc<dyn Picker> {
    black_box(picker.pick(&Call { method: "/shop.Orders/Place", hash: Some(black_box(7 << 57)) }));
    picker
}

library_benchmark_group!(name = hot_paths, benchmarks = [register, query, list, view_after_change, publish, pick]);
main!(library_benchmark_groups = hot_paths);
