//! Header fields, packed (RFC 7541).
//!
//! Of the fields that a client sends, the path and the encoding of messages are kept; the others are looked at for what
//! makes a request malformed (RFC 9113, 8.2 and 8.3), and forgotten. The table of fields that were sent before therefore
//! holds sizes, and hardly any text. What is sent from here is never added to the client's table: it is the same few bytes
//! each time.

mod huffman;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of the table, as every client may assume (RFC 9113, 6.5.2).
const TABLE_LEN_MAX: usize = 4096;

/// What a field counts beside its name and value (RFC 7541, 4.1).
const FIELD_LEN: usize = 32;

/// Bytes of a packed path that is remembered.
const PATH_LEN_MAX: usize = 64;

/// Fields that every table begins with (RFC 7541, appendix A): length of the name, length of the value.
const STATIC: [(u8, u8); 61] = [
    (10, 0),
    (7, 3),
    (7, 4),
    (5, 1),
    (5, 11),
    (7, 4),
    (7, 5),
    (7, 3),
    (7, 3),
    (7, 3),
    (7, 3),
    (7, 3),
    (7, 3),
    (7, 3),
    (14, 0),
    (15, 13),
    (15, 0),
    (13, 0),
    (6, 0),
    (27, 0),
    (3, 0),
    (5, 0),
    (13, 0),
    (13, 0),
    (19, 0),
    (16, 0),
    (16, 0),
    (14, 0),
    (16, 0),
    (13, 0),
    (12, 0),
    (6, 0),
    (4, 0),
    (4, 0),
    (6, 0),
    (7, 0),
    (4, 0),
    (4, 0),
    (8, 0),
    (17, 0),
    (13, 0),
    (8, 0),
    (19, 0),
    (13, 0),
    (4, 0),
    (8, 0),
    (12, 0),
    (18, 0),
    (19, 0),
    (5, 0),
    (7, 0),
    (7, 0),
    (11, 0),
    (6, 0),
    (10, 0),
    (25, 0),
    (17, 0),
    (10, 0),
    (4, 0),
    (3, 0),
    (16, 0),
];

/// Which field it is, as far as that matters here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Name {
    Method,
    Path,
    Scheme,
    Authority,
    /// `grpc-encoding`.
    Encoding,
    /// `te`, which may ask for trailers and nothing else.
    Te,
    /// One that no request may have.
    Forbidden,
    Other,
}

impl Name {
    fn of(name: &[u8]) -> Self {
        match name {
            b":method" => Self::Method,
            b":path" => Self::Path,
            b":scheme" => Self::Scheme,
            b":authority" => Self::Authority,
            b"grpc-encoding" => Self::Encoding,
            b"te" => Self::Te,
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" | b"" => {
                Self::Forbidden
            }
            [b':', ..] => Self::Forbidden,
            name if name.iter().any(u8::is_ascii_uppercase) => Self::Forbidden,
            _ => Self::Other,
        }
    }

    fn of_static(index: usize) -> Self {
        match index {
            1 => Self::Authority,
            2 | 3 => Self::Method,
            4 | 5 => Self::Path,
            6 | 7 => Self::Scheme,
            8..=14 | 57 => Self::Forbidden,
            _ => Self::Other,
        }
    }

    /// Whether what the field says is kept.
    fn is_kept(self) -> bool {
        matches!(self, Self::Path | Self::Encoding | Self::Te)
    }
}

/// A field of the table.
#[derive(Debug)]
struct Field {
    name: Name,
    name_len: usize,
    value_len: usize,
    value: Option<Arc<str>>,
}

impl Field {
    fn len(&self) -> usize {
        self.name_len + self.value_len + FIELD_LEN
    }
}

/// What a block of fields says.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    pub(crate) path: Option<Arc<str>>,
    pub(crate) encoding: Option<Arc<str>>,
    /// Why the request is none.
    pub(crate) malformed: Option<&'static str>,
    /// Bytes of all fields, as the standard counts them.
    pub(crate) list_len: usize,
    /// Bits of the fields with a colon that were there.
    seen: u8,
    has_regular: bool,
}

impl Fields {
    fn add(&mut self, name: Name, name_len: usize, value_len: usize, value: Option<Arc<str>>) {
        self.list_len += name_len + value_len + FIELD_LEN;
        let bit = match name {
            Name::Method => 1,
            Name::Path => 2,
            Name::Scheme => 4,
            Name::Authority => 8,
            Name::Forbidden => return self.malformed = Some("a field that no request may have"),
            Name::Encoding | Name::Te | Name::Other => 0,
        };
        self.has_regular |= bit == 0;
        if bit != 0 && self.has_regular {
            self.malformed = Some("a field with a colon behind others");
        }
        if self.seen & bit != 0 {
            self.malformed = Some("a field with a colon twice");
        }
        self.seen |= bit;
        match name {
            Name::Path => self.path = value,
            Name::Encoding => self.encoding = value,
            Name::Te if value.as_deref() != Some("trailers") => self.malformed = Some("te asks for more than trailers"),
            _ => {}
        }
    }

    /// Why these are not the fields of a request.
    pub(crate) fn not_a_request(&self) -> Option<&'static str> {
        let is_whole = self.seen & 7 == 7 && self.path.as_ref().is_some_and(|path| !path.is_empty());
        self.malformed.or(if is_whole { None } else { Some("method, scheme or path is missing") })
    }

    /// Why these are not the fields behind a request.
    pub(crate) fn not_trailers(&self) -> Option<&'static str> {
        self.malformed.or(if self.seen == 0 { None } else { Some("a field with a colon behind the message") })
    }
}

/// Unpacks blocks of fields, in the order in which they arrive.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// The newest first.
    table: VecDeque<Field>,
    len: usize,
    len_max: usize,
    /// The path that was packed last and what it says: some clients send it in full with each call, and hardly ever another.
    path: Option<(Box<[u8]>, Arc<str>)>,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { table: VecDeque::new(), len: 0, len_max: TABLE_LEN_MAX, path: None }
    }

    /// Reads a block. `None` if it cannot be read; no other can be read after it.
    pub(crate) fn read(&mut self, block: &[u8]) -> Option<Fields> {
        let mut fields = Fields::default();
        let mut rest = block;
        while let Some(&first) = rest.first() {
            match first {
                0x80.. => {
                    let index = integer(&mut rest, 7)?;
                    self.repeated(index, &mut fields)?;
                }
                0x40.. => self.literal(&mut rest, 6, true, &mut fields)?,
                0x20.. => {
                    // Only in front of the fields.
                    let len_max = integer(&mut rest, 5)?;
                    if len_max > TABLE_LEN_MAX || fields.list_len > 0 {
                        return None;
                    }
                    self.len_max = len_max;
                    self.shrink(0);
                }
                _ => self.literal(&mut rest, 4, false, &mut fields)?,
            }
        }
        Some(fields)
    }

    /// A field that stands in a table.
    fn repeated(&self, index: usize, fields: &mut Fields) -> Option<()> {
        if let Some(&(name_len, value_len)) = STATIC.get(index.checked_sub(1)?) {
            let name = Name::of_static(index);
            let value = match index {
                4 => Some(Arc::from("/")),
                5 => Some(Arc::from("/index.html")),
                _ => None,
            };
            fields.add(name, usize::from(name_len), usize::from(value_len), value);
            return Some(());
        }
        let field = self.table.get(index - STATIC.len() - 1)?;
        fields.add(field.name, field.name_len, field.value_len, field.value.clone());
        Some(())
    }

    /// A field whose value, and maybe its name, stands here.
    fn literal(&mut self, rest: &mut &[u8], prefix: u32, is_kept: bool, fields: &mut Fields) -> Option<()> {
        let index = integer(rest, prefix)?;
        let (name, name_len) = if index == 0 {
            Packed::read(rest)?.look(|name| (Name::of(name), name.len()))?
        } else if let Some(&(name_len, _)) = STATIC.get(index - 1) {
            (Name::of_static(index), usize::from(name_len))
        } else {
            let field = self.table.get(index - STATIC.len() - 1)?;
            (field.name, field.name_len)
        };
        let (value_len, value) = self.value(rest, name)?;
        if name.is_kept() && value.is_none() {
            fields.malformed = Some("a field that is no text");
        }
        if is_kept {
            self.keep(Field { name, name_len, value_len, value: value.clone() });
        }
        fields.add(name, name_len, value_len, value);
        Some(())
    }

    /// The length of a value, and what it says if that is kept.
    fn value(&mut self, rest: &mut &[u8], name: Name) -> Option<(usize, Option<Arc<str>>)> {
        let value = Packed::read(rest)?;
        if !name.is_kept() {
            return value.look(|text| (text.len(), None));
        }
        if name == Name::Path
            && let Some((packed, path)) = &self.path
            && value.is_packed
            && **packed == *value.bytes
        {
            return Some((path.len(), Some(Arc::clone(path))));
        }
        let (len, text) = value.look(|text| (text.len(), std::str::from_utf8(text).ok().map(Arc::<str>::from)))?;
        if let Some(path) =
            text.as_ref().filter(|_| name == Name::Path && value.is_packed && value.bytes.len() <= PATH_LEN_MAX)
        {
            self.path = Some((value.bytes.into(), Arc::clone(path)));
        }
        Some((len, text))
    }

    fn keep(&mut self, field: Field) {
        let len = field.len();
        self.shrink(len);
        // One that is larger than the table empties it (RFC 7541, 4.4).
        if len <= self.len_max {
            self.len += len;
            self.table.push_front(field);
        }
    }

    /// Makes room for `len` bytes more.
    fn shrink(&mut self, len: usize) {
        while self.len + len > self.len_max {
            let Some(oldest) = self.table.pop_back() else { return };
            self.len -= oldest.len();
        }
    }
}

/// A number whose first bits share a byte with others (RFC 7541, 5.1). Larger ones than 2^28 stand for nothing here.
fn integer(rest: &mut &[u8], prefix: u32) -> Option<usize> {
    let (&first, mut after) = rest.split_first()?;
    let mask = (1usize << prefix) - 1;
    let mut value = usize::from(first) & mask;
    if value == mask {
        let mut shift = 0;
        loop {
            let (&byte, behind) = after.split_first()?;
            after = behind;
            value += usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 21 {
                return None;
            }
        }
    }
    *rest = after;
    Some(value)
}

/// A string as it stands on the wire (RFC 7541, 5.2).
struct Packed<'a> {
    bytes: &'a [u8],
    is_packed: bool,
}

impl<'a> Packed<'a> {
    fn read(rest: &mut &'a [u8]) -> Option<Self> {
        let is_packed = rest.first()? & 0x80 != 0;
        let len = integer(rest, 7)?;
        let (bytes, after) = rest.split_at_checked(len)?;
        *rest = after;
        Some(Self { bytes, is_packed })
    }

    /// Shows what it says to `look`.
    fn look<T>(&self, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
        if !self.is_packed {
            return Some(look(self.bytes));
        }
        let mut unpacked = Vec::with_capacity(self.bytes.len() * 2);
        huffman::unpack(self.bytes, &mut unpacked)?;
        Some(look(&unpacked))
    }
}

/// A block of fields as it is sent. Made once, sent often.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HeaderBlock(Bytes);

/// Bytes of a value that are sent; no frame is longer than every client takes.
const VALUE_LEN_MAX: usize = 8 * 1024;

impl HeaderBlock {
    /// The head of a response with status 200 and these fields. Names are lower case, values visible ASCII.
    #[must_use]
    pub fn response(fields: &[(&str, &str)]) -> Self {
        // `:status: 200` stands in every table.
        Self::with(&[0x88], fields)
    }

    /// The fields behind a response.
    #[must_use]
    pub fn trailers(fields: &[(&str, &str)]) -> Self {
        Self::with(&[], fields)
    }

    fn with(first: &[u8], fields: &[(&str, &str)]) -> Self {
        let mut out = BytesMut::from(first);
        for (name, value) in fields {
            // Not to be kept by the other end.
            out.put_u8(0);
            put_string(&mut out, name.as_bytes());
            put_string(&mut out, &value.as_bytes()[..value.len().min(VALUE_LEN_MAX)]);
        }
        Self(out.freeze())
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.0
    }
}

fn put_string(out: &mut BytesMut, string: &[u8]) {
    let mut len = string.len();
    if len < 0x7f {
        out.put_u8(len as u8);
    } else {
        out.put_u8(0x7f);
        len -= 0x7f;
        while len >= 0x80 {
            out.put_u8(len as u8 | 0x80);
            len >>= 7;
        }
        out.put_u8(len as u8);
    }
    out.put_slice(string);
}

#[cfg(test)]
mod tests;
