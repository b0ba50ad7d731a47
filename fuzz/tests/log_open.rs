//! The file of the log: cut, flipped and mixed up, it opens with what was written, or says what is wrong with it.

#![expect(clippy::expect_used, reason = "a test that cannot go on stops")]

use nacrite_fuzz::Broken;
use nacrite_store::faulty::FaultyDisk;
use nacrite_store::{Durability, LogBatch, LogFile, OpenError};

const CACHE_BYTES: usize = 1 << 20;

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").repeat(20).into_bytes()
}

/// A closed log with some entries.
fn image() -> Vec<u8> {
    let disk = FaultyDisk::new();
    let mut log = LogFile::open_on(disk.clone(), CACHE_BYTES).expect("an empty disk");
    for index in 0..20u64 {
        let mut batch = LogBatch::new();
        batch.append(index, |out| out.extend_from_slice(&entry(index)));
        log.write(&batch, Durability::Immediate).expect("a good disk");
    }
    log.checkpoint().expect("a good disk");
    drop(log);
    disk.live()
}

#[test]
fn a_broken_log_is_opened_right_or_refused() {
    let good = image();
    // What redb finds broken it may tell by a panic, which the store catches; the noise is not wanted here.
    std::panic::set_hook(Box::new(|_| {}));
    let bytes_of = |broken: &Broken| {
        let mut bytes = good.clone();
        for part in broken.bytes(&[b"some bytes that choose positions and values"]).chunks_exact(4) {
            let at = u32::from_le_bytes([part[0], part[1], part[2], 0]) as usize % bytes.len();
            bytes[at] ^= part[3];
        }
        if broken.seed.is_multiple_of(8) {
            let len = bytes.len() * usize::from(broken.seed) / 256;
            bytes.truncate(len);
        }
        bytes
    };
    bolero::check!().with_type::<Broken>().for_each(|broken| {
        let opened = LogFile::open_on(FaultyDisk::holding(bytes_of(broken)), CACHE_BYTES);
        match opened {
            Err(OpenError::InUse { .. }) => panic!("nobody else has it"),
            Err(_) => {}
            Ok(log) => {
                let view = log.reader().view().expect("an open log is read");
                // What is read is what was written, or damage that is told.
                for record in view.read(log.first()..log.next(), usize::MAX).unwrap_or_default() {
                    assert_eq!(record.payload, entry(record.index));
                }
            }
        }
    });
}
