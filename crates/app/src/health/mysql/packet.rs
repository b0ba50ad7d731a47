//! The parts of MySQL's packets that a check meets. Every read may find less than it wants, and says so.

/// Reads from the front of a packet.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    /// Text up to a zero byte, or up to the end.
    pub(super) fn until_zero(&mut self) -> &'a [u8] {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        let text = &self.0[..len];
        self.0 = self.0.get(len + 1..).unwrap_or_default();
        text
    }

    /// A number that says its own length.
    pub(super) fn length(&mut self) -> Option<u64> {
        let wide = match self.byte()? {
            0xfc => 2,
            0xfd => 3,
            0xfe => 8,
            0xfb | 0xff => return None,
            small => return Some(small.into()),
        };
        let mut number = [0; 8];
        number[..wide].copy_from_slice(self.bytes(wide)?);
        Some(u64::from_le_bytes(number))
    }

    /// A column of a row; the inner `None` is NULL.
    pub(super) fn text(&mut self) -> Option<Option<&'a [u8]>> {
        if self.0.first() == Some(&0xfb) {
            self.0 = &self.0[1..];
            return Some(None);
        }
        let len = usize::try_from(self.length()?).ok()?;
        self.bytes(len).map(Some)
    }
}

/// Whether a packet ends a list.
pub(super) fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 9
}

/// Characters of a server's error that are kept.
const ERROR_LEN_MAX: usize = 256;

/// What an error packet says: `MySQL error 1045: Access denied …`.
pub(super) fn error_text(packet: &[u8]) -> String {
    let mut reader = Reader(packet);
    reader.byte();
    let code = reader.bytes(2).map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]));
    if reader.0.first() == Some(&b'#') {
        // A state of five characters.
        reader.bytes(6);
    }
    let text: String = String::from_utf8_lossy(reader.0).chars().filter(|c| !c.is_control()).collect();
    format!("MySQL error {code}: {}", text.chars().take(ERROR_LEN_MAX).collect::<String>())
}
