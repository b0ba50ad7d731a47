//! Broken input for everything that reads input: one test per reader, in `tests/`. `README.md` says how to run them long.
//!
//! Random bytes hardly get past the first check of a reader. Here a good input is broken a little, so that what is deep
//! inside is reached as well.

use bolero::TypeGenerator;

/// Pieces that readers stumble over.
const TOKENS: &[&[u8]] = &[
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b":",
    b",",
    b"null",
    b"true",
    b"-1",
    b"1e309",
    b"99999999999999999999",
    b"\\u0000",
    b"\\ud800",
    b"\xff",
    b"\0",
    b"%",
    b"%zz",
    b"%00",
    b"&",
    b"=",
    b"+",
    b"@@",
    b"\x01",
    b"\x02",
    b"\xf0\x9f\xa6\x80",
    b"\r\n",
    b"../",
    b"NaN",
    b"{}",
    b"[]",
    b"\"\"",
];

/// One way to break an input a little. Positions wrap around.
#[expect(missing_docs, reason = "fields say where and how much")]
#[derive(Clone, Copy, Debug, TypeGenerator)]
pub enum Break {
    /// Changes a byte.
    Flip { at: u16, mask: u8 },
    /// Puts a token in.
    Insert { at: u16, token: u8 },
    /// Takes some bytes out.
    Remove { at: u16, count: u8 },
    /// Says some bytes twice.
    Repeat { at: u16, count: u8 },
    /// Cuts the rest off.
    Cut { at: u16 },
}

/// One of the good inputs, broken.
#[derive(Clone, Debug, TypeGenerator)]
pub struct Broken {
    /// Which one.
    pub seed: u8,
    /// How.
    pub breaks: Vec<Break>,
}

impl Broken {
    /// The broken input.
    ///
    /// # Panics
    /// Without seeds.
    #[must_use]
    pub fn bytes(&self, seeds: &[&[u8]]) -> Vec<u8> {
        let mut bytes = seeds[usize::from(self.seed) % seeds.len()].to_vec();
        for broken in &self.breaks {
            broken.apply(&mut bytes);
        }
        bytes
    }
}

impl Break {
    fn apply(self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        let place = |at: u16| usize::from(at) % (len + 1);
        match self {
            Self::Flip { at, mask } => {
                if let Some(byte) = bytes.get_mut(place(at)) {
                    *byte ^= mask;
                }
            }
            Self::Insert { at, token } => {
                let token = TOKENS[usize::from(token) % TOKENS.len()];
                bytes.splice(place(at)..place(at), token.iter().copied());
            }
            Self::Remove { at, count } => {
                let end = (place(at) + usize::from(count)).min(len);
                bytes.drain(place(at)..end);
            }
            Self::Repeat { at, count } => {
                let end = (place(at) + usize::from(count)).min(len);
                let again = bytes[place(at)..end].to_vec();
                bytes.splice(end..end, again);
            }
            Self::Cut { at } => bytes.truncate(place(at)),
        }
    }
}
