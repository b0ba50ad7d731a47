//! The server's end of HTTP/2: whatever a client sends, it is answered or told off, and costs no more than is written here.

use std::io::IoSlice;

use bolero::TypeGenerator;
use bytes::Bytes;
use nacrite_http2::{Event, Fault, HeaderBlock, Limits, Reason, Server, StreamId};

const LIMITS: Limits =
    Limits { streams: 8, stream_window: 65_535, connection_window: 80_000, header_list_len: 2048, wasted: 16 };

/// Bytes of each answer.
const ANSWER_LEN: usize = 5000;

/// Output from which on nothing more is read, what one frame may add to it at most, and what is added to it for the stream
/// that is served when it is nearly full.
const OUTPUT_LEN_MAX: usize = 128 * 1024 + 32 * 1024 + 8 * ANSWER_LEN;

/// One thing that a client does.
#[derive(Clone, Debug, TypeGenerator)]
enum Step {
    /// Any frame: kind, flags, stream, payload.
    Frame {
        kind: u8,
        flags: u8,
        stream: u8,
        payload: Vec<u8>,
    },
    /// A request that is whole, or whose message follows.
    Request {
        ended: bool,
        kept: bool,
    },
    /// A part of the message of one of the last streams.
    Data {
        back: u8,
        len: u16,
        ended: bool,
    },
    /// One of the last streams is given up.
    Reset {
        back: u8,
    },
    /// Room for the connection, or one of the last streams.
    Grow {
        back: u8,
        of_stream: bool,
        len: u32,
    },
    /// A setting.
    Setting {
        id: u8,
        value: u32,
    },
    /// The first window, which changes all others.
    Window {
        len: u16,
    },
    /// Bytes that are no frame.
    Bytes {
        bytes: Vec<u8>,
    },
    /// The client reads so much.
    Read {
        len: u16,
    },
    /// The server answers a stream that is open, gives it up, or leaves.
    Answer {
        which: u8,
    },
    GiveUp {
        which: u8,
    },
    Leave,
}

struct Run {
    server: Server,
    events: Vec<Event>,
    open: Vec<StreamId>,
    last: u32,
    received: usize,
    delivered: usize,
}

impl Run {
    fn new() -> Self {
        let server = Server::new(LIMITS);
        Self { server, events: Vec::new(), open: Vec::new(), last: 0, received: 0, delivered: 0 }
    }

    fn stream(&self, back: u8) -> u32 {
        self.last.saturating_sub(2 * u32::from(back % 12))
    }

    fn step(&mut self, step: &Step) -> Result<(), Fault> {
        match step {
            Step::Frame { kind, flags, stream, payload } => {
                // Mostly kinds that are known, and streams that are near.
                let stream = if *stream < 16 { u32::from(*stream) } else { self.stream(*stream) };
                let frame = frame(kind % 12, *flags, stream, payload);
                self.last = self.last.max(stream | 1);
                return self.receive(&frame);
            }
            Step::Request { ended, kept } => {
                self.last = if self.last == 0 { 1 } else { self.last + 2 };
                let fields = if *kept { &b"\x83\x86\x44\x02/a"[..] } else { b"\x83\x86\xbe" };
                return self.receive(&frame(1, 4 | u8::from(*ended), self.last, fields));
            }
            Step::Data { back, len, ended } => {
                let payload = vec![0; usize::from(*len) % 16_385];
                return self.receive(&frame(0, u8::from(*ended), self.stream(*back), &payload));
            }
            Step::Reset { back } => return self.receive(&frame(3, 0, self.stream(*back), &8u32.to_be_bytes())),
            Step::Grow { back, of_stream, len } => {
                let stream = if *of_stream { self.stream(*back) } else { 0 };
                return self.receive(&frame(8, 0, stream, &(len >> (back % 32)).to_be_bytes()));
            }
            Step::Setting { id, value } => {
                return self.receive(&frame(4, 0, 0, &[&[0, id % 8][..], &value.to_be_bytes()].concat()));
            }
            Step::Window { len } => {
                return self.receive(&frame(4, 0, 0, &[&[0, 4][..], &u32::from(*len).to_be_bytes()].concat()));
            }
            Step::Bytes { bytes } => return self.receive(bytes),
            Step::Read { len } => self.read(usize::from(*len)),
            Step::Answer { which } => {
                if let Some(at) = usize::from(*which).checked_rem(self.open.len()) {
                    let stream = self.open.swap_remove(at);
                    self.server.headers(stream, &HeaderBlock::response(&[("a", "b")]));
                    self.server.send(stream, Bytes::from_static(&[7; ANSWER_LEN]));
                    self.server.finish(stream, HeaderBlock::trailers(&[("c", "d")]));
                }
            }
            Step::GiveUp { which } => {
                if let Some(at) = usize::from(*which).checked_rem(self.open.len()) {
                    self.server.reset(self.open.swap_remove(at), Reason::Cancel);
                }
            }
            Step::Leave => self.server.leave(),
        }
        Ok(())
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if !self.server.wants_input() {
            return Ok(());
        }
        self.received += bytes.len();
        let received = self.server.receive(bytes, &mut self.events);
        for event in self.events.drain(..) {
            match event {
                Event::Request { stream, path, .. } => {
                    assert!(!self.open.contains(&stream), "a stream is begun once");
                    assert!(!path.is_empty() && path.len() <= LIMITS.header_list_len);
                    self.open.push(stream);
                }
                Event::Data { data, .. } => self.delivered += data.len(),
                Event::Reset { stream } => self.open.retain(|open| *open != stream),
            }
        }
        received
    }

    fn read(&mut self, mut len: usize) {
        while len > 0 {
            self.server.flush();
            let mut slices = [IoSlice::new(&[]); 2];
            let count = self.server.output(&mut slices);
            let there: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            let written = there.min(len);
            if written == 0 {
                return;
            }
            self.server.written(written);
            len -= written;
        }
    }

    fn check(&mut self) {
        self.server.flush();
        assert!(self.delivered <= self.received, "more was delivered than arrived");
        assert!(self.open.len() <= LIMITS.streams as usize, "{} streams are open", self.open.len());
        let (waiting_len, waiting) = self.server.waiting();
        assert!(waiting <= LIMITS.streams as usize && waiting_len <= waiting * ANSWER_LEN);
        assert!(waiting > 0 || waiting_len == 0);
        assert!(self.server.output_len() <= OUTPUT_LEN_MAX, "{} bytes of output", self.server.output_len());
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(16_384)];
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The client is told why, in the last frame that it gets.
fn is_told(mut server: Server) {
    let mut all = Vec::new();
    loop {
        server.flush();
        let mut slices = [IoSlice::new(&[]); 4];
        let count = server.output(&mut slices);
        let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
        if bytes.is_empty() {
            break;
        }
        server.written(bytes.len());
        all.extend_from_slice(&bytes);
    }
    // The end may be in the middle of what was read before, but goes to whoever reads on.
    assert!(all.len() >= 17, "a farewell is 17 bytes");
}

#[test]
fn clients_that_do_anything_are_bounded() {
    bolero::check!().with_type::<(bool, Vec<Step>)>().for_each(|(polite, steps)| {
        let mut run = Run::new();
        if *polite {
            run.receive(&frame(4, 0, 0, &[])).expect("settings");
        }
        for step in steps {
            if run.step(step).is_err() {
                run.check();
                return is_told(run.server);
            }
            run.check();
        }
        // What is open can still be answered, and the client told to leave.
        while !run.open.is_empty() {
            run.step(&Step::Answer { which: 0 }).expect("answers break no rule");
            run.check();
        }
        run.server.leave();
        run.read(usize::MAX);
        assert_eq!(run.server.output_len(), 0);
    });
}

#[test]
fn any_bytes_cut_anywhere_mean_the_same() {
    bolero::check!().with_type::<(u16, Vec<u8>)>().for_each(|(cut, bytes)| {
        let bytes = [&frame(4, 0, 0, &[])[..], bytes].concat();
        let (first, second) = bytes.split_at(usize::from(*cut) % (bytes.len() + 1));
        let (mut whole, mut parts) = (Run::new(), Run::new());
        let whole_came = whole.receive(&bytes);
        let parts_came = parts.receive(first).and_then(|()| parts.receive(second));
        assert_eq!(whole_came, parts_came);
        assert_eq!((whole.open, whole.delivered), (parts.open, parts.delivered));
        assert_eq!(whole.server.output_len(), parts.server.output_len());
    });
}
