//! How one record lies on disk: `version u8, crc32 u32, payload`, little-endian.
//!
//! The checksum covers the version, the place the record belongs to (its table and key) and the payload. So a record
//! that is whole but stands in the wrong place is found as well as one that is not whole.

/// Bytes in front of the payload.
pub(crate) const HEADER_LEN: usize = 5;

/// The only version so far.
const VERSION: u8 = 1;

/// Makes room for the header at the end of `out`; the payload follows, then [`seal`] closes the record.
pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
    start
}

/// Writes the checksum of a record that [`begin`] opened.
pub(crate) fn seal(record: &mut [u8], place: &[&[u8]]) {
    let sum = checksum(place, record[0], &record[HEADER_LEN..]);
    record[1..HEADER_LEN].copy_from_slice(&sum.to_le_bytes());
}

/// One framed record.
pub(crate) fn framed(place: &[&[u8]], payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEADER_LEN + payload.len());
    begin(&mut record);
    record.extend_from_slice(payload);
    seal(&mut record, place);
    record
}

/// The payload of a record that was found at `place`, or what is wrong with it.
pub(crate) fn open<'a>(place: &[&[u8]], record: &'a [u8]) -> Result<&'a [u8], String> {
    let Some((header, payload)) = record.split_first_chunk::<HEADER_LEN>() else {
        return Err(format!("only {} bytes where a record should be", record.len()));
    };
    let [version, sum @ ..] = *header;
    if u32::from_le_bytes(sum) != checksum(place, version, payload) {
        return Err("the checksum does not match".to_owned());
    }
    if version != VERSION {
        return Err(format!("a record of version {version}, this binary knows up to {VERSION}"));
    }
    Ok(payload)
}

fn checksum(place: &[&[u8]], version: u8, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    for part in place {
        hasher.update(part);
    }
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_only_whole_and_only_in_its_place() {
        let record = framed(&[b"here"], b"payload");
        assert_eq!(open(&[b"here"], &record), Ok(&b"payload"[..]));
        assert!(open(&[b"there"], &record).is_err());
        for bit in 0..record.len() * 8 {
            let mut flipped = record.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&[b"here"], &flipped).is_err(), "bit {bit}");
        }
        for len in 0..record.len() {
            assert!(open(&[b"here"], &record[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_newer_record_is_named_as_such() {
        let mut record = framed(&[b"here"], b"payload");
        record[0] = 2;
        seal(&mut record, &[b"here"]);
        assert_eq!(open(&[b"here"], &record), Err("a record of version 2, this binary knows up to 1".to_owned()));
    }
}
