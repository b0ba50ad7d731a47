//! Blocks of fields, as the standard and clients write them.

use super::*;

/// Bytes that are written as hexadecimal digits.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("digits"), 16).expect("digits");
    digits.chunks(2).map(pair).collect()
}

/// Reads blocks one after the other: what each says, and how large the table is behind it.
fn read(decoder: &mut Decoder, blocks: &[&str]) -> Vec<(Fields, usize)> {
    let read = |block: &&str| (decoder.read(&hex(block)).expect("it can be read"), decoder.len);
    blocks.iter().map(read).collect()
}

const STATIC_FIELDS: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

#[test]
fn the_static_table_is_that_of_the_standard() {
    for (at, ((name, value), lens)) in STATIC_FIELDS.iter().zip(STATIC).enumerate() {
        assert_eq!((name.len(), value.len()), (usize::from(lens.0), usize::from(lens.1)), "{name}");
        assert_eq!(Name::of(name.as_bytes()), Name::of_static(at + 1), "{name}");
    }
}

#[test]
fn c_1_integers() {
    for (bytes, prefix, wanted) in
        [(&b"\x0a"[..], 5, 10), (b"\x1f\x9a\x0a", 5, 1337), (b"\x2a", 8, 42), (b"\xff\x00", 7, 127)]
    {
        let mut rest = bytes;
        assert_eq!((integer(&mut rest, prefix), rest), (Some(wanted), &b""[..]));
    }
    let mut largest = &b"\x7f\xff\xff\xff\x7f"[..];
    assert_eq!(integer(&mut largest, 7), Some(0x7f + 0x0fff_ffff));
    for broken in [&b""[..], b"\x7f", b"\x7f\x80", b"\x7f\xff\xff\xff\xff\x01", b"\x7f\x80\x80\x80\x80\x80\x80\x80\x00"]
    {
        let mut rest = broken;
        assert_eq!(integer(&mut rest, 7), None, "{broken:x?}");
    }
}

#[test]
fn c_2_single_fields() {
    let kept = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    let not_kept = "040c 2f73 616d 706c 652f 7061 7468";
    let never = "1008 7061 7373 776f 7264 0673 6563 7265 74";
    let read = read(&mut Decoder::new(), &[kept, not_kept, never, "82"]);
    let lens: Vec<_> = read.iter().map(|(fields, table_len)| (fields.list_len, *table_len)).collect();
    assert_eq!(lens, [(55, 55), (49, 55), (46, 55), (42, 55)]);
    assert_eq!(read[1].0.path.as_deref(), Some("/sample/path"));
}

#[test]
fn c_3_and_c_4_requests_plain_and_packed() {
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let packed = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    for blocks in [plain, packed] {
        let read = read(&mut Decoder::new(), &blocks);
        let table: Vec<_> = read.iter().map(|(_, table_len)| *table_len).collect();
        assert_eq!(table, [57, 110, 164]);
        let paths: Vec<_> = read.iter().map(|(fields, _)| fields.path.as_deref().expect("a path")).collect();
        assert_eq!(paths, ["/", "/", "/index.html"]);
        assert!(read.iter().all(|(fields, _)| fields.not_a_request().is_none()));
    }
}

#[test]
fn c_5_and_c_6_fields_fall_out_of_a_small_table() {
    let plain = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e
         1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d
         4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572
         7369 6f6e 3d31",
    ];
    let packed = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b
         97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf
         cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ];
    for blocks in [plain, packed] {
        let mut decoder = Decoder::new();
        // A table of 256 bytes, as in the examples.
        assert!(decoder.read(&hex("3fe1 01")).is_some());
        let read = read(&mut decoder, &blocks);
        let lens: Vec<_> = read.iter().map(|(fields, table_len)| (fields.list_len, *table_len)).collect();
        assert_eq!(lens, [(222, 222), (222, 222), (42 + 52 + 65 + 63 + 52 + 98, 215)]);
        assert_eq!(decoder.table.len(), 3);
    }
}

#[test]
fn a_table_is_made_smaller_and_larger_up_to_its_limit() {
    let mut decoder = Decoder::new();
    let field = b"\x40\x01a\x01b";
    for _ in 0..200 {
        assert!(decoder.read(field).is_some());
    }
    assert_eq!((decoder.len, decoder.table.len()), (4080, 120));
    assert!(decoder.read(b"\x3f\x49").is_some(), "104 bytes");
    assert_eq!((decoder.len, decoder.table.len()), (102, 3));
    assert!(decoder.read(b"\x20\x3f\xe1\x1f\x82").is_some(), "nothing, then 4,096 bytes");
    assert_eq!((decoder.len, decoder.table.len(), decoder.len_max), (0, 0, 4096));
    assert!(decoder.read(b"\x3f\xe2\x1f").is_none(), "4,097 bytes");
    assert!(Decoder::new().read(b"\x82\x20").is_none(), "behind a field");
}

#[test]
fn a_field_that_is_larger_than_the_table_empties_it() {
    let mut decoder = Decoder::new();
    let large = [&b"\x40\x01a\x7f\xe1\x1e"[..], &[b'x'; 4064]].concat();
    assert!(decoder.read(b"\x40\x01a\x01b").is_some());
    assert_eq!(decoder.read(&large).map(|fields| fields.list_len), Some(4064 + 33));
    assert_eq!((decoder.len, decoder.table.len()), (0, 0));
    // The name stands in the field that has to go.
    let mut decoder = Decoder::new();
    assert!(decoder.read(b"\x3f\x05\x44\x02/a").is_some(), "a table of 36 bytes holds no path");
    let mut decoder = Decoder::new();
    assert!(decoder.read(b"\x3f\x0a\x44\x02/a\x7e\x02/b").is_some(), "one of 41 bytes holds one");
    assert_eq!(decoder.table.front().and_then(|field| field.value.as_deref()), Some("/b"));
}

/// A path that is remembered for clients that send it in full with each call.
#[test]
fn a_path_that_is_remembered_is_read_as_the_first_time_and_never_if_it_is_none() {
    let mut decoder = Decoder::new();
    // `/sample/path` and `/`, packed; then one with a blank in front of it, and one that ends early.
    let (sample, short) = ("0489 6103 a6ba 0ac5 634c ff", "0481 63");
    let path = |decoder: &mut Decoder, block: &str| {
        let fields = decoder.read(&hex(block))?;
        Some((fields.path?.to_string(), fields.list_len, fields.malformed.is_some()))
    };
    for block in [sample, short, sample, sample] {
        let wanted = if block == sample { "/sample/path" } else { "/" };
        assert_eq!(path(&mut decoder, block), Some((wanted.to_owned(), 5 + wanted.len() + 32, false)));
    }
    for _ in 0..2 {
        assert!(path(&mut decoder, "0481 53").is_some_and(|(_, _, is_malformed)| is_malformed), "a blank");
    }
    assert!(path(&mut decoder, "0482 63ff").is_none());
    // The same bytes, not packed.
    assert!(decoder.read(&hex("0409 6103 a6ba 0ac5 634c ff")).is_some_and(|fields| fields.malformed.is_some()));
}

#[test]
fn what_cannot_be_read_is_refused() {
    for broken in [
        &b"\x80"[..],
        b"\xbe",
        b"\x7e\x01a",
        b"\x0f\x2f\x01a",
        b"\x40",
        b"\x40\x05ab",
        b"\x40\x01a",
        b"\x40\x01a\x7f\xff\xff\xff\x7f",
        b"\x40\x01a\x82\xff\xff",
        b"\x44\x84\xff\xff\xff\xff",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x3f\xff\xff\xff\x7f",
    ] {
        assert!(Decoder::new().read(broken).is_none(), "{broken:x?}");
    }
}

#[test]
fn what_is_sent_can_be_read_and_asks_to_keep_nothing() {
    let long = "y".repeat(300);
    let block = HeaderBlock::response(&[("a", "b"), ("long", &long)]);
    let mut decoder = Decoder::new();
    let fields = decoder.read(block.bytes()).expect("it can be read");
    assert_eq!((fields.list_len, decoder.len), (42 + 34 + 336, 0));
    let endless = "y".repeat(100_000);
    assert!(HeaderBlock::trailers(&[("a", &endless)]).bytes().len() < 16 * 1024 - 100);
}

/// An encoder that keeps its table in plain text, and chooses among all forms by chance.
struct Encoder {
    table: Vec<(String, String)>,
    len_max: usize,
    random: u64,
}

impl Encoder {
    fn chance(&mut self, of: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % of
    }

    fn len(&self) -> usize {
        self.table.iter().map(|(name, value)| name.len() + value.len() + 32).sum()
    }

    fn evict(&mut self) {
        while self.len() > self.len_max {
            self.table.pop();
        }
    }

    fn put_integer(out: &mut Vec<u8>, first: u8, prefix: u32, mut value: usize) {
        let mask = (1 << prefix) - 1;
        if value < mask {
            return out.push(first | value as u8);
        }
        out.push(first | mask as u8);
        value -= mask;
        while value >= 128 {
            out.push((value % 128 + 128) as u8);
            value /= 128;
        }
        out.push(value as u8);
    }

    fn put_text(out: &mut Vec<u8>, text: &str) {
        Self::put_integer(out, 0, 7, text.len());
        out.extend_from_slice(text.as_bytes());
    }

    fn put(&mut self, out: &mut Vec<u8>, name: &str, value: &str) {
        let all = || STATIC_FIELDS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let known: Vec<_> = all().chain(self.table.iter().cloned()).collect();
        let same = known.iter().position(|field| (&*field.0, &*field.1) == (name, value));
        if let Some(at) = same.filter(|_| !self.random.is_multiple_of(8)) {
            return Self::put_integer(out, 0x80, 7, at + 1);
        }
        let named = known.iter().rposition(|field| field.0 == name).filter(|_| !self.random.is_multiple_of(3));
        let (first, prefix) = [(0x40, 6), (0x40, 6), (0, 4), (0x10, 4)][self.chance(4) as usize];
        Self::put_integer(out, first, prefix, named.map_or(0, |at| at + 1));
        if named.is_none() {
            Self::put_text(out, name);
        }
        Self::put_text(out, value);
        if prefix == 6 {
            self.table.insert(0, (name.to_owned(), value.to_owned()));
            self.evict();
        }
    }
}

#[test]
fn whatever_form_an_encoder_chooses_the_same_is_read() {
    for seed in 1..50 {
        let mut encoder = Encoder { table: Vec::new(), len_max: 4096, random: seed * 0x9e37_79b9 };
        let mut decoder = Decoder::new();
        for _ in 0..40 {
            let mut block = Vec::new();
            if encoder.chance(10) == 0 {
                encoder.len_max = encoder.chance(4097) as usize;
                encoder.evict();
                Encoder::put_integer(&mut block, 0x20, 5, encoder.len_max);
            }
            let path = format!("/{}", encoder.chance(30));
            let (mut fields, mut wanted_len) = (vec![(":method", "POST"), (":scheme", "http"), (":path", &path)], 0);
            let values: Vec<_> =
                (0..encoder.chance(6)).map(|at| "v".repeat((encoder.chance(90) * at) as usize)).collect();
            fields.extend(values.iter().map(|value| ("x-value", &**value)));
            let encoding = ["gzip", "identity"][encoder.chance(2) as usize];
            fields.push(("grpc-encoding", encoding));
            for (name, value) in fields {
                encoder.put(&mut block, name, value);
                wanted_len += name.len() + value.len() + 32;
            }
            let read = decoder.read(&block).expect("it can be read");
            assert_eq!(read.not_a_request(), None, "seed {seed}");
            assert_eq!((read.path.as_deref(), read.encoding.as_deref()), (Some(&*path), Some(encoding)), "seed {seed}");
            assert_eq!((read.list_len, decoder.len), (wanted_len, encoder.len()), "seed {seed}");
        }
    }
}
