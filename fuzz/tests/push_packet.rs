//! Whatever comes back over UDP is an acknowledgement or is passed over, and whatever list goes out can be read again.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::read::GzDecoder;
use nacrite_fuzz::Broken;
use nacrite_testkit::Node;
use nacrite_wire::push_packet;
use tokio::runtime::Runtime;

const ACKNOWLEDGEMENTS: &[&[u8]] = &[
    br#"{"type": "push-ack", "lastRefTime":"812345678901234", "data":""}"#,
    br#"{"type":"push-ack","lastRefTime":812345678901234,"data":""}"#,
    br#"{"type":"dump-ack","lastRefTime":"7","data":"{\"g@@a\":{\"name\":\"g@@a\",\"hosts\":[]}}"}"#,
    br#"{"type":"unknown-ack","lastRefTime":"7","data":""}"#,
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff",
];

#[test]
fn any_bytes_are_an_acknowledgement_or_none() {
    bolero::check!().with_type::<Broken>().for_each(|broken| {
        std::hint::black_box(push_packet::acknowledged(&broken.bytes(ACKNOWLEDGEMENTS)));
    });
}

const LISTS: &[&[u8]] = &[
    br#"{"name":"g@@a","groupName":"g","clusters":"","cacheMillis":10000,"hosts":[],"lastRefTime":7}"#,
    br#"{"name":"g@@a","hosts":[{"ip":"10.0.0.1","port":80,"metadata":{"note":"\ud83e\udd80 \" \\ \u0000"}}]}"#,
];

#[test]
fn a_packet_holds_the_list_whatever_is_in_it() {
    bolero::check!().with_type::<(Broken, u64)>().for_each(|(broken, mark)| {
        let list = broken.bytes(LISTS).repeat(1 + broken.breaks.len());
        let packet = push_packet::dom(&list, *mark);
        let mut plain = Vec::new();
        if packet.starts_with(&[0x1f, 0x8b]) {
            GzDecoder::new(&packet[..]).read_to_end(&mut plain).expect("it inflates");
        } else {
            plain.extend_from_slice(&packet);
        }
        assert!(plain.starts_with(br#"{"type":"dom","data":""#));
        assert_eq!(push_packet::acknowledged(&plain), Some(*mark), "the mark stands where acknowledgements have it");
    });
}

/// One server for all packets, and how often something in this process panicked.
struct World {
    node: Node,
    socket: UdpSocket,
    runtime: Runtime,
    panics: &'static AtomicUsize,
}

fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    WORLD.get_or_init(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            before(info);
        }));
        let runtime = Runtime::new().expect("a runtime");
        let node = runtime.block_on(Node::start());
        let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        World { node, socket, runtime, panics: &PANICS }
    })
}

#[test]
fn a_server_passes_over_what_it_did_not_wait_for() {
    let World { node, socket, runtime, panics } = world();
    let (at, before) = (node.udp, panics.load(Ordering::SeqCst));
    bolero::check!().with_type::<Broken>().for_each(|broken| {
        // A packet may be longer than the system takes.
        socket.send_to(&broken.bytes(ACKNOWLEDGEMENTS), at).ok();
        assert_eq!(panics.load(Ordering::SeqCst), before, "the server panicked");
    });
    assert_eq!(node.app.metrics.udp.acknowledged.get(), 0, "nothing was sent, so nothing is acknowledged");
    assert!(runtime.block_on(async { node.app.is_ready() }));
}
