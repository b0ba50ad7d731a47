//! Checks against a server of a few lines that greets, compares the proof, and answers one query.

use std::sync::Arc;

use nacrite_base::Checker;
use nacrite_env::dial::{Behaviour, FakeNetwork};
use tokio::io::DuplexStream;

use super::super::check::check;
use super::super::check::tests::same;
use super::*;

const NONCE: &[u8; 20] = b"abcdefghijklmnopqrst";

async fn send(far: &mut DuplexStream, sequence: u8, payload: &[u8]) {
    let mut packet = vec![payload.len() as u8, 0, 0, sequence];
    packet.extend_from_slice(payload);
    far.write_all(&packet).await.ok();
}

async fn receive(far: &mut DuplexStream) -> Vec<u8> {
    let mut header = [0; 4];
    if far.read_exact(&mut header).await.is_err() {
        return Vec::new();
    }
    let mut payload = vec![0; usize::from(header[0])];
    far.read_exact(&mut payload).await.expect("a whole packet");
    payload
}

fn greeting(way: &str) -> Vec<u8> {
    let mut out = vec![10];
    out.extend_from_slice(b"8.0.36\0\x01\0\0\0");
    out.extend_from_slice(&NONCE[..8]);
    out.extend_from_slice(&[0, 0xff, 0xff, 45, 2, 0, 0xff, 0xdf, 21]);
    out.extend_from_slice(&[0; 10]);
    out.extend_from_slice(&NONCE[8..]);
    out.push(0);
    out.extend_from_slice(way.as_bytes());
    out.push(0);
    out
}

/// What a server says, one packet after the other, each after a packet of the client; two at once where one is empty.
fn server(greeting: Vec<u8>, script: Vec<Vec<Vec<u8>>>) -> Behaviour {
    Behaviour::Serves(Arc::new(move |mut far| {
        let (greeting, script) = (greeting.clone(), script.clone());
        Box::pin(async move {
            send(&mut far, 0, &greeting).await;
            for answers in script {
                if receive(&mut far).await.is_empty() {
                    return;
                }
                for (at, answer) in answers.iter().enumerate() {
                    send(&mut far, at as u8 + 1, answer).await;
                }
            }
            receive(&mut far).await;
        })
    }))
}

async fn found(greeting: Vec<u8>, script: Vec<Vec<Vec<u8>>>, command: Option<&str>) -> Found {
    let network = FakeNetwork::default();
    network.set("db", 3306, server(greeting, script));
    let ask = MysqlCheck { user: Some("u".into()), password: Some("secret".into()), command: command.map(Into::into) };
    check(&network, "db", 3306, &Checker::Mysql(ask)).await.expect("checked")
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const END: &[u8] = &[0xfe, 0, 0, 2, 0];

fn rows(value: &str) -> Vec<Vec<u8>> {
    let row = [&[9][..], b"read_only", &[value.len() as u8], value.as_bytes()].concat();
    vec![vec![2], b"column".to_vec(), b"column".to_vec(), END.to_vec(), row, END.to_vec()]
}

fn error(code: u16, text: &str) -> Vec<u8> {
    [&[0xff][..], &code.to_le_bytes(), b"#28000", text.as_bytes()].concat()
}

#[tokio::test(start_paused = true)]
async fn a_login_and_a_query_are_enough() {
    let native = || greeting("mysql_native_password");
    let script = || vec![vec![OK.to_vec()], rows("1")];
    same(&found(native(), script(), Some("select 1")).await, Verdict::Passed, "logged in, query answered");
    same(&found(native(), vec![vec![OK.to_vec()]], None).await, Verdict::Passed, "logged in");
    let remembered = vec![vec![vec![1, 3], OK.to_vec()], vec![OK.to_vec()]];
    let caching = found(greeting("caching_sha2_password"), remembered, Some("do 1")).await;
    same(&caching, Verdict::Passed, "logged in, query answered");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_only_follows_is_not_well() {
    let script = |value| vec![vec![OK.to_vec()], rows(value)];
    let native = || greeting("mysql_native_password");
    same(&found(native(), script("ON"), Some(READ_ONLY_QUERY)).await, Verdict::Failed, "the server is read-only");
    assert_eq!(found(native(), script("OFF"), Some(READ_ONLY_QUERY)).await.verdict, Verdict::Passed);
    assert_eq!(found(native(), script("ON"), Some("select a, b")).await.verdict, Verdict::Passed);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_is_told() {
    let native = || greeting("mysql_native_password");
    let denied = found(native(), vec![vec![error(1045, "Access denied for user 'u'")]], None).await;
    same(&denied, Verdict::Down, "MySQL error 1045: Access denied for user 'u'");
    let blocked = found(error(1129, "Host is blocked"), vec![], None).await;
    same(&blocked, Verdict::Down, "MySQL error 1129: Host is blocked");
    let no_table = found(native(), vec![vec![OK.to_vec()], vec![error(1146, "no table")]], Some("select x")).await;
    same(&no_table, Verdict::Down, "MySQL error 1146: no table");
    let full = found(greeting("caching_sha2_password"), vec![vec![vec![1, 4]]], None).await;
    assert!(full.verdict == Verdict::Down && full.detail.contains("TLS"), "{full:?}");
    let switch = [&[0xfe][..], b"sha256_password\0", NONCE, &[0]].concat();
    let unknown = found(native(), vec![vec![switch]], None).await;
    same(&unknown, Verdict::Down, "the server wants a login by sha256_password");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_mysql_server_breaks_nothing() {
    for greeting in [vec![], vec![9], vec![10], b"HTTP/1.1 400".to_vec(), vec![10; 30]] {
        let found = found(greeting, vec![], Some("select 1")).await;
        assert_ne!(found.verdict, Verdict::Passed, "{found:?}");
    }
    for answer in [vec![], vec![0xfb], vec![0xfc], vec![0xfe; 9], vec![7]] {
        let script = vec![vec![OK.to_vec()], vec![answer]];
        let found = found(greeting("mysql_native_password"), script, Some("select 1")).await;
        assert_ne!(found.verdict, Verdict::Passed, "{found:?}");
    }
}

/// A server that knows the password compares the proof as MySQL does: it keeps the doubly hashed one.
#[tokio::test(start_paused = true)]
async fn the_proof_is_that_of_the_password() {
    use sha1::{Digest, Sha1};

    let server = Behaviour::Serves(Arc::new(|mut far: DuplexStream| {
        Box::pin(async move {
            send(&mut far, 0, &greeting("mysql_native_password")).await;
            let login = receive(&mut far).await;
            let proof = &login[32 + 2 + 1..32 + 2 + 1 + 20];
            let kept = Sha1::digest(Sha1::digest(b"secret"));
            let mask = Sha1::new().chain_update(NONCE).chain_update(kept).finalize();
            let once: Vec<u8> = proof.iter().zip(mask).map(|(a, b)| a ^ b).collect();
            let knows = Sha1::digest(&once) == kept;
            send(&mut far, 2, &if knows { OK.to_vec() } else { error(1045, "wrong") }).await;
        })
    }));
    let network = FakeNetwork::default();
    network.set("db", 3306, server);
    let check = async |password: &str| {
        let ask = MysqlCheck { user: Some("u".into()), password: Some(password.into()), command: None };
        super::super::check::check(&network, "db", 3306, &Checker::Mysql(ask)).await.expect("checked")
    };
    same(&check("secret").await, Verdict::Passed, "logged in");
    same(&check("guess").await, Verdict::Down, "MySQL error 1045: wrong");
}
