//! Strings that are packed with the code of RFC 7541, appendix B.
//!
//! The code is canonical: the lengths say everything. Codes of up to eight bits, which nearly all characters of header
//! fields have, are looked up; longer ones are found by their length.

/// Bits of the code of each byte.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28,
    28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12,
    10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6,
    5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22,
    22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20,
    22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28,
    27, 27, 27, 27, 27, 26,
];

/// The longest code. The one of all ones is the end of a string, and stands in none.
const LEN_MAX: usize = 30;

struct Code {
    /// For each eight bits: the byte whose code they begin with, and its length; 0 if that code is longer.
    short: [(u8, u8); 256],
    /// Bytes by code.
    symbols: [u8; 256],
    /// For each length: the first code, where it stands in `symbols`, and how many there are.
    first: [(u32, u16, u16); LEN_MAX + 1],
}

static CODE: Code = build();

const fn build() -> Code {
    let mut code = Code { short: [(0, 0); 256], symbols: [0; 256], first: [(0, 0, 0); LEN_MAX + 1] };
    let (mut next, mut at, mut len) = (0u32, 0usize, 1usize);
    while len <= LEN_MAX {
        code.first[len] = (next, at as u16, 0);
        let mut byte = 0usize;
        while byte < 256 {
            if LENGTHS[byte] as usize == len {
                code.symbols[at] = byte as u8;
                if len <= 8 {
                    let mut tail = 0usize;
                    while tail < 1 << (8 - len) {
                        code.short[((next as usize) << (8 - len)) + tail] = (byte as u8, len as u8);
                        tail += 1;
                    }
                }
                code.first[len].2 += 1;
                at += 1;
                next += 1;
            }
            byte += 1;
        }
        next <<= 1;
        len += 1;
    }
    code
}

/// Unpacks a string onto the end of `out`. `None` if it is no such string.
pub(super) fn unpack(packed: &[u8], out: &mut Vec<u8>) -> Option<()> {
    // The bits that were not used yet, from the highest; below them ones, as behind the end of a string.
    let (mut bits, mut count) = (u64::MAX, 0usize);
    let mut rest = packed.iter();
    loop {
        while count <= 56 {
            let Some(&byte) = rest.next() else { break };
            let at = 56 - count;
            bits = bits & !(0xff << at) | u64::from(byte) << at;
            count += 8;
        }
        if count == 0 {
            return Some(());
        }
        let (byte, len) = next(bits)?;
        if len > count {
            // What is left must be padding: less than a byte, and all ones.
            return (count < 8 && bits >> (64 - count) == (1 << count) - 1).then_some(());
        }
        out.push(byte);
        bits = bits << len | ((1 << len) - 1);
        count -= len;
    }
}

/// The byte whose code stands first, and its length. The end of a string is as long as no byte is.
fn next(bits: u64) -> Option<(u8, usize)> {
    let (byte, len) = CODE.short[(bits >> 56) as usize];
    if len > 0 {
        return Some((byte, usize::from(len)));
    }
    for len in 9..=LEN_MAX {
        let (first, at, count) = CODE.first[len];
        let offset = ((bits >> (64 - len)) as u32).wrapping_sub(first);
        if offset < u32::from(count) {
            return Some((CODE.symbols[usize::from(at) + offset as usize], len));
        }
    }
    // Only padding may begin like this; where it begins, fewer bits are left than this.
    Some((0, usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(packed: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        unpack(packed, &mut out).map(|()| String::from_utf8(out).expect("text"))
    }

    /// The other direction, bit by bit.
    fn packed(text: &[u8]) -> Vec<u8> {
        let code_of = |byte: u8| {
            let len = LENGTHS[usize::from(byte)];
            let (first, at, count) = CODE.first[usize::from(len)];
            let symbols = &CODE.symbols[usize::from(at)..usize::from(at) + usize::from(count)];
            (first + symbols.iter().position(|symbol| *symbol == byte).expect("has a code") as u32, len)
        };
        let mut bits = String::new();
        for (code, len) in text.iter().map(|byte| code_of(*byte)) {
            bits.push_str(&format!("{code:0width$b}", width = usize::from(len)));
        }
        while !bits.len().is_multiple_of(8) {
            bits.push('1');
        }
        bits.as_bytes()
            .chunks(8)
            .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).expect("bits"), 2).expect("bits"))
            .collect()
    }

    #[test]
    fn examples_of_the_standard() {
        // RFC 7541, C.4 and C.6.
        let bytes = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        assert_eq!(unpacked(&bytes).as_deref(), Some("www.example.com"));
        assert_eq!(unpacked(&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]).as_deref(), Some("no-cache"));
        assert_eq!(unpacked(&[0x64, 0x02]).as_deref(), Some("302"));
        assert_eq!(unpacked(&[]).as_deref(), Some(""));
    }

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        let mut out = Vec::new();
        assert_eq!(unpack(&packed(&all), &mut out), Some(()));
        assert_eq!(out, all);
        for byte in 0..=255 {
            let mut out = Vec::new();
            assert_eq!(unpack(&packed(&[byte]), &mut out), Some(()), "{byte}");
            assert_eq!(out, [byte]);
        }
    }

    #[test]
    fn what_is_no_string_is_refused() {
        // The end of a string inside one, padding of eight bits, padding with a zero.
        assert_eq!(unpacked(&[0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(unpacked(&[0x64, 0x02, 0xff]), None);
        assert_eq!(unpacked(&[0b0011_1110]), None);
    }
}
