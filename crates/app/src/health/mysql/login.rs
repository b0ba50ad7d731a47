//! The login of a check: the greeting of the server, the scrambled password, and what the server says to it.
//!
//! Two ways to prove a password are known: `mysql_native_password`, and `caching_sha2_password` as long as the server
//! remembers the user. Where it does not, it wants the password itself over TLS or RSA, which a check does not have.

use nacrite_base::cluster::MysqlCheck;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::packet::{Reader, error_text};
use super::{Talk, Trouble, refused, strange};

/// What a check can do: long passwords, the protocol of 4.1, its passwords, and named ways to prove them.
const CAPABILITIES: u32 = 0x1 | 0x200 | 0x8000 | 0x8_0000;

/// `utf8mb4_general_ci`.
const CHARSET: u8 = 45;

/// Bytes of the random number that a password is scrambled with.
const NONCE_LEN: usize = 20;

const NATIVE: &[u8] = b"mysql_native_password";
const CACHING: &[u8] = b"caching_sha2_password";

/// Logs in.
pub(super) async fn login(talk: &mut Talk, ask: &MysqlCheck) -> Result<(), Trouble> {
    let greeting = talk.receive().await?;
    if greeting.first() == Some(&0xff) {
        return Err(refused(error_text(&greeting)));
    }
    let (mut way, mut nonce) = read_greeting(&greeting).ok_or_else(|| strange("the greeting"))?;
    let (user, password) = (ask.user.as_deref().unwrap_or_default(), ask.password.as_deref().unwrap_or_default());
    if prove(&way, password, &nonce).is_none() {
        // A way that is not known: the server is asked to switch to one that is.
        way = NATIVE.to_vec();
    }
    let proof = prove(&way, password, &nonce).unwrap_or_default();
    talk.send(&response(user, &proof, &way)).await?;
    loop {
        let answer = talk.receive().await?;
        match answer.first() {
            Some(0) => return Ok(()),
            Some(0xff) => return Err(refused(error_text(&answer))),
            Some(0xfe) => {
                let mut reader = Reader(&answer[1..]);
                way = reader.until_zero().to_vec();
                nonce = reader.until_zero().to_vec();
                let unknown = || refused(format!("the server wants a login by {}", String::from_utf8_lossy(&way)));
                let proof = prove(&way, password, &nonce).ok_or_else(unknown)?;
                talk.send(&proof).await?;
            }
            // The server remembers the password; its consent follows.
            Some(1) if answer.get(1) == Some(&3) => {}
            Some(1) => {
                return Err(refused(
                    "the server wants the password over TLS, which checks do not use: let the user of checks log in by \
                     mysql_native_password, or log it in once from elsewhere",
                ));
            }
            _ => return Err(strange("the answer to the login")),
        }
    }
}

/// How the password is to be proved, and the number to scramble it with.
fn read_greeting(greeting: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut reader = Reader(greeting);
    if reader.byte()? != 10 {
        return None;
    }
    reader.until_zero(); // the version
    reader.bytes(4)?; // the number of the connection
    let mut nonce = reader.bytes(8)?.to_vec();
    reader.bytes(1 + 2 + 1 + 2 + 2)?; // filler, capabilities, character set, state, more capabilities
    let nonce_len = usize::from(reader.byte()?);
    reader.bytes(10)?;
    let rest = reader.bytes(nonce_len.saturating_sub(8).max(13).min(reader.0.len()))?;
    nonce.extend_from_slice(rest);
    nonce.truncate(NONCE_LEN);
    let way = reader.until_zero();
    Some((if way.is_empty() { NATIVE.to_vec() } else { way.to_vec() }, nonce))
}

fn response(user: &str, proof: &[u8], way: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(&CAPABILITIES.to_le_bytes());
    out.extend_from_slice(&(1_u32 << 24).to_le_bytes());
    out.push(CHARSET);
    out.extend_from_slice(&[0; 23]);
    // A zero byte would end the name early.
    out.extend(user.bytes().filter(|byte| *byte != 0));
    out.push(0);
    // A proof has 20 or 32 bytes, or none.
    out.push(u8::try_from(proof.len()).unwrap_or(0));
    out.extend_from_slice(proof);
    out.extend_from_slice(way);
    out.push(0);
    out
}

/// The proof that the password is known; `None` for a way that is not.
fn prove(way: &[u8], password: &str, nonce: &[u8]) -> Option<Vec<u8>> {
    if way != NATIVE && way != CACHING {
        return None;
    }
    if password.is_empty() {
        return Some(Vec::new());
    }
    let password = password.as_bytes();
    Some(if way == NATIVE {
        let once = Sha1::digest(password);
        let twice = Sha1::digest(once);
        xor(&once, &Sha1::new().chain_update(nonce).chain_update(twice).finalize())
    } else {
        let once = Sha256::digest(password);
        let twice = Sha256::digest(once);
        xor(&once, &Sha256::new().chain_update(twice).chain_update(nonce).finalize())
    })
}

fn xor(a: &[u8], b: &[u8]) -> Vec<u8> {
    a.iter().zip(b).map(|(a, b)| a ^ b).collect()
}
