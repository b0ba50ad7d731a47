//! The digest by which clients compare contents: lower-case hexadecimal MD5 of the UTF-8 text.
//!
//! It is an identity, not a protection. This type only holds and compares it; `nacrite-app` computes it. Comparison is
//! by exact text, so an upper-case digest matches nothing (recorded: `config-cas`).

use std::fmt;
use std::sync::Arc;

/// The MD5 of a content as 32 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContentDigest(Arc<str>);

impl ContentDigest {
    /// Takes the 16 bytes of an MD5 sum.
    #[must_use]
    pub fn from_md5(sum: [u8; 16]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let text: String =
            sum.iter().flat_map(|b| [HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]).map(char::from).collect();
        Self(text.into())
    }

    /// Takes a digest that was made by [`Self::from_md5`] and stored as text.
    #[must_use]
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The digest as clients see it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_lower_case_and_in_order() {
        let sum = [0x87, 0x96, 0x0e, 0xd2, 0xf2, 0xed, 0x35, 0x61, 0x18, 0x9d, 0x21, 0x22, 0x14, 0x60, 0x2e, 0x40];
        assert_eq!(ContentDigest::from_md5(sum).as_str(), "87960ed2f2ed3561189d212214602e40");
    }
}
