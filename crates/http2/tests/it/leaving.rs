//! The end of a connection that the server wants (RFC 9113, 6.8).

use nacrite_http2::HeaderBlock;

use crate::script::*;

#[test]
fn what_the_client_began_before_it_heard_of_the_end_is_still_taken() {
    let mut peer = Peer::new();
    let first = peer.asks(1);
    peer.server.leave();
    peer.server.leave();
    assert_eq!(peer.hears(), ["GOAWAY 2147483647 NoError", "PING"]);
    let second = peer.asks(3);
    assert_eq!(peer.says(&[frame(PING, ACK, 0, b"leaving\0")]), Ok(Vec::new()));
    assert_eq!(peer.hears(), ["GOAWAY 3 NoError"]);
    // From here on nothing new is looked at, but for what its fields mean to later ones.
    assert_eq!(peer.says(&[upload(5), data(5, 0, b"x"), reset(5), request(7)]), Ok(Vec::new()));
    for stream in [first, second] {
        assert!(!peer.server.is_over());
        peer.server.finish(stream, HeaderBlock::trailers(&[]));
    }
    assert_eq!(peer.hears(), ["HEADERS 1 end", "HEADERS 3 end"]);
    assert!(peer.server.is_over());
}

#[test]
fn a_ping_of_the_client_alone_ends_nothing() {
    let mut peer = Peer::new();
    assert_eq!(peer.says(&[frame(PING, ACK, 0, b"leaving\0")]), Ok(Vec::new()));
    peer.server.leave();
    peer.hears();
    assert_eq!(peer.says(&[frame(PING, ACK, 0, b"leaving!"), frame(PING, 0, 0, b"leaving\0")]), Ok(Vec::new()));
    assert_eq!(peer.hears(), ["PING ack"]);
    assert!(!peer.server.is_over());
}

#[test]
fn a_client_that_leaves_may_have_its_answers() {
    let mut peer = Peer::new();
    let stream = peer.asks(1);
    assert_eq!(peer.says(&[frame(GOAWAY, 0, 0, &[0; 8])]), Ok(Vec::new()));
    peer.server.finish(stream, HeaderBlock::trailers(&[]));
    assert_eq!(peer.hears(), ["HEADERS 1 end"]);
}
