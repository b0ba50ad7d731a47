//! The envelope and the body of every gRPC request: whatever comes, the reader answers with a value or an error.

use nacrite_base::fuzzy_watch::WatchPattern;
use nacrite_fuzz::Broken;
use nacrite_wire::from_wire::fuzzy::FuzzyAsk;
use nacrite_wire::from_wire::instance::Strictness;
use nacrite_wire::from_wire::{config, fuzzy, naming};
use nacrite_wire::payload::{Outgoing, Payload};

const BODIES: &[&[u8]] = &[
    br#"{"headers":{"a":"b"},"requestId":"1","namespace":"public","serviceName":"orders","groupName":"DEFAULT_GROUP","type":"registerInstance","instance":{"ip":"10.0.0.1","port":8080,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","metadata":{"preserved.heart.beat.timeout":"15000","k":"v"}}}"#,
    br#"{"namespace":"public","serviceName":"orders","groupName":"g","type":"batchRegisterInstance","instances":[{"ip":"10.0.0.1","port":1,"metadata":null},{"ip":"::1","port":65535,"clusterName":"b"}]}"#,
    br#"{"namespace":"public","serviceName":"orders","groupName":"g","cluster":"a,b","healthyOnly":true,"udpPort":0}"#,
    br#"{"namespace":"public","serviceName":"orders","groupName":"g","subscribe":true,"clusters":"a,b"}"#,
    br#"{"namespace":"public","groupName":"g","pageNo":1,"pageSize":10,"selector":null}"#,
    br#"{"dataId":"d","group":"g","tenant":"","content":"a: 1","casMd5":null,"additionMap":{"type":"yaml","betaIps":"10.0.0.1","tag":"t","desc":"x","config_tags":"a,b","src_user":"u"}}"#,
    br#"{"dataId":"d","group":"g","tenant":"t","tag":"x"}"#,
    br#"{"namespace":"public","groupKeyPattern":"public>>g*>>*orders*","watchType":"WATCH","receivedGroupKeys":["public@@g@@orders","@@g@@pay"],"initializing":true}"#,
    br#"{"groupKeyPattern":"public>>g>>d*","watchType":"CANCEL_WATCH","receivedGroupKeys":["d+g+public","a%2Bb+g"],"initializing":false}"#,
    br#"{"listen":true,"configListenContexts":[{"dataId":"d","group":"g","tenant":"","md5":"87960ed2f2ed3561189d212214602e40"}]}"#,
];

#[test]
fn bodies_are_read_or_refused() {
    bolero::check!().with_type::<Broken>().for_each(|broken| {
        let body = broken.bytes(BODIES);
        drop(naming::instance_request(&body, Strictness::Single));
        drop(naming::instance_request(&body, Strictness::Lax));
        drop(naming::batch_request(&body));
        drop(naming::query_request(&body));
        drop(naming::subscribe_request(&body));
        drop(naming::list_request(&body));
        drop(config::publish_request(&body));
        drop(config::query_request(&body));
        drop(config::remove_request(&body));
        drop(config::listen_request(&body));
        drop(fuzzy::config_fuzzy_watch(&body));
        if let Ok(FuzzyAsk::Watch { pattern, known: Some(known), .. }) = fuzzy::naming_fuzzy_watch(&body) {
            let pattern = WatchPattern::new(&pattern);
            for key in &known {
                // A name that matches is in the one namespace that the pattern names.
                assert!(!pattern.matches(key) || pattern.namespace() == Some(key.namespace.as_str()));
            }
        }
    });
}

#[test]
fn envelopes_are_read_or_refused() {
    let mut envelopes = Vec::new();
    for body in BODIES {
        let mut envelope = bytes::BytesMut::new();
        Outgoing::answer("InstanceRequest", bytes::Bytes::from_static(body)).encode(&mut envelope);
        envelopes.push(envelope);
    }
    let seeds: Vec<&[u8]> = envelopes.iter().map(|envelope| &envelope[..]).collect();
    bolero::check!().with_type::<Broken>().for_each(|broken| {
        let message = broken.bytes(&seeds);
        if let Ok(payload) = Payload::decode(&message) {
            // What was read is a part of the message, and can be read again.
            assert!(payload.body.len() <= message.len());
            drop(naming::instance_request(payload.body, Strictness::Single));
        }
    });
}

#[test]
fn any_bytes_are_an_envelope_or_refused() {
    bolero::check!().for_each(|message| {
        drop(Payload::decode(message));
        drop(naming::instance_request(message, Strictness::Single));
        drop(config::publish_request(message));
    });
}
