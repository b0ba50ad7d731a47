//! What a client reads of a server: envelopes, answers and pushes over gRPC, answers over HTTP, packets over UDP. Whatever comes, the reader answers with a value or an
//! error, and what it returns can be looked at.

use bytes::{Bytes, BytesMut};
use nacrite_client::testkit::read_as_everything;
use nacrite_fuzz::Broken;
use nacrite_wire::client::{self, Answer, config, connection, fuzzy, lock, naming};
use nacrite_wire::frame::{Compression, Reader};
use nacrite_wire::json;
use nacrite_wire::payload::{Outgoing, Payload};

const BODIES: &[&[u8]] = &[
    br#"{"resultCode":200,"errorCode":0,"message":null,"requestId":"1","success":true,"connectionId":"1_127.0.0.1_1","supportAbilityNegotiation":true}"#,
    br#"{"resultCode":500,"errorCode":301,"message":"Connection is unregistered.","success":false}"#,
    br#"{"resultCode":200,"count":2,"serviceNames":["a","b"]}"#,
    br#"{"resultCode":200,"serviceInfo":{"name":"orders","groupName":"g","clusters":"a,b","cacheMillis":10000,"lastRefTime":1700000000000,"checksum":"","allIPs":false,"reachProtectionThreshold":false,"valid":true,"hosts":[{"instanceId":"i","ip":"10.0.0.1","port":8080,"weight":1.0,"healthy":true,"enabled":true,"ephemeral":true,"clusterName":"DEFAULT","serviceName":"g@@orders","metadata":{"k":"v"}},{"ip":"::1","port":"65535","weight":"NaN"}]}}"#,
    br#"{"resultCode":200,"content":"a: 1","md5":"87960ed2f2ed3561189d212214602e40","contentType":"yaml","encryptedDataKey":null,"lastModified":1700000000000,"beta":false,"tag":null}"#,
    br#"{"resultCode":200,"changedConfigs":[{"dataId":"d","group":"g","tenant":"t"},null]}"#,
    br#"{"resultCode":200,"result":true}"#,
    br#"{"requestId":"7","module":"config","dataId":"d","group":"g","tenant":""}"#,
    br#"{"requestId":"7","module":"internal","abilityTable":{"supportPersistentInstanceByGrpc":true,"fuzzyWatch":false}}"#,
    br#"{"requestId":"7","module":"internal","serverIp":"10.0.0.2","serverPort":"8848","connectionId":"c"}"#,
    br#"{"requestId":"7","syncType":"FUZZY_WATCH_INIT_NOTIFY","groupKeyPattern":"public>>g>>*","contexts":[{"serviceKey":"public@@g@@a","groupKey":"d+g+t%2B","changedType":"ADD_SERVICE"}],"totalBatch":1,"currentBatch":1}"#,
    br#"{"requestId":"7","serviceKey":"public@@g@@a","groupKey":"d+g","changedType":"DELETE_SERVICE","changeType":"ADD_CONFIG"}"#,
];

/// Reads an answer, and asks it how it went.
fn answer<T: Answer>(body: &[u8]) {
    if let Ok(answer) = json::read::<T>(body) {
        let head = answer.head();
        assert_eq!(head.is_success(), head.result_code == 200);
    }
}

/// Reads a body as every type that it may be.
fn every_type(body: &[u8]) {
    answer::<client::ErrorResponse>(body);
    answer::<connection::ServerCheckResponse>(body);
    answer::<connection::HealthCheckResponse>(body);
    answer::<naming::InstanceResponse>(body);
    answer::<naming::BatchInstanceResponse>(body);
    answer::<naming::QueryServiceResponse>(body);
    answer::<naming::ServiceListResponse>(body);
    answer::<naming::SubscribeServiceResponse>(body);
    answer::<fuzzy::NamingFuzzyWatchResponse>(body);
    answer::<config::ConfigQueryResponse>(body);
    answer::<config::ConfigPublishResponse>(body);
    answer::<config::ConfigRemoveResponse>(body);
    answer::<config::ConfigChangeBatchListenResponse>(body);
    answer::<config::fuzzy::ConfigFuzzyWatchResponse>(body);
    answer::<lock::LockOperationResponse>(body);
    drop(json::read::<client::PushHead>(body));
    drop(json::read::<connection::SetupAckRequest>(body));
    drop(json::read::<connection::ConnectResetRequest>(body));
    drop(json::read::<naming::NotifySubscriberRequest>(body));
    drop(json::read::<naming::ServiceInfo>(body));
    drop(json::read::<fuzzy::NamingFuzzyWatchSyncRequest>(body));
    drop(json::read::<fuzzy::NamingFuzzyWatchChangeNotifyRequest>(body));
    drop(json::read::<config::ConfigChangeNotifyRequest>(body));
    if let Ok(push) = json::read::<config::fuzzy::ConfigFuzzyWatchSyncRequest>(body) {
        push.contexts.iter().filter_map(|context| context.group_key.as_deref()).for_each(named);
    }
    if let Ok(push) = json::read::<config::fuzzy::ConfigFuzzyWatchChangeNotifyRequest>(body) {
        push.group_key.as_deref().into_iter().for_each(named);
    }
}

/// The name of a config that was read can be written, and read again.
fn named(group_key: &str) {
    if let Some((data_id, group, tenant)) = config::fuzzy::parts_of(group_key) {
        let written = config::fuzzy::group_key(&data_id, &group, &tenant);
        assert_eq!(config::fuzzy::parts_of(&written), Some((data_id, group, tenant)));
    }
}

#[test]
fn bodies_are_read_or_refused() {
    bolero::check!().with_type::<Broken>().for_each(|broken| every_type(&broken.bytes(BODIES)));
}

/// A stream as a client reads it: frames, envelopes inside, bodies inside these; in pieces of any length.
#[test]
fn streams_are_read_or_refused() {
    let mut streams = Vec::new();
    for bodies in BODIES.windows(2) {
        let mut stream = Vec::new();
        for body in bodies {
            let mut envelope = BytesMut::new();
            Outgoing::answer("NotifySubscriberRequest", Bytes::from_static(body)).encode(&mut envelope);
            stream.push(0);
            stream.extend(u32::try_from(envelope.len()).expect("it is short").to_be_bytes());
            stream.extend(envelope);
        }
        streams.push(stream);
    }
    let seeds: Vec<&[u8]> = streams.iter().map(|stream| &stream[..]).collect();
    bolero::check!().with_type::<(Broken, u8, bool)>().for_each(|(broken, piece, is_packed)| {
        let bytes = Bytes::from(broken.bytes(&seeds));
        let compression = if *is_packed { Compression::Gzip } else { Compression::None };
        let mut reader = Reader::new(compression);
        for piece in bytes.chunks(usize::from(*piece) + 1) {
            let mut next = reader.push(&Bytes::copy_from_slice(piece));
            loop {
                if let Some(Ok(payload)) = next.as_deref().map(Payload::decode) {
                    every_type(payload.body);
                }
                // A stream that cannot be read is given up.
                let Ok(Some(message)) = reader.next_message() else { break };
                next = Some(message);
            }
        }
    });
}

/// Answers over HTTP and packets over UDP.
const OVER_HTTP: &[&[u8]] = &[
    br#"{"type":"dom","data":"{\"name\":\"g@@orders\",\"cacheMillis\":10000,\"hosts\":[{\"ip\":\"10.0.0.1\",\"port\":80,\"weight\":1.0,\"metadata\":{}}]}","lastRefTime":1700000000000}"#,
    br#"{"type":"dump","data":"","lastRefTime":"7"}"#,
    br#"{"name":"g@@orders","groupName":"g","clusters":"","cacheMillis":10000,"hosts":[{"ip":"::1","port":"65535","weight":"NaN","valid":true}],"lastRefTime":1,"dom":"orders"}"#,
    br#"{"count":2,"doms":["a","b"]}"#,
    br#"{"code":10200,"clientBeatInterval":5000,"lightBeatEnabled":true}"#,
    br#"{"code":20404,"clientBeatInterval":-1,"lightBeatEnabled":"no"}"#,
    br#"{"accessToken":"t","tokenTtl":18000,"globalAdmin":true,"username":"u"}"#,
    br#"{"code":200,"message":null,"data":"Bearer t"}"#,
    br#"{"timestamp":"now","status":410,"error":"Gone","message":"{\"code\":40000,\"message\":\"use v3\",\"data\":null}","path":"/nacos/v1/x"}"#,
    br#"{"code":0,"message":"success","data":{"totalCount":2,"pageNumber":1,"pagesAvailable":1,"pageItems":[{"dataId":"a","groupName":"G"},{"dataId":"b","group":"G","content":"x"}]}}"#,
    br#"{"code":0,"data":[{"namespace":"dev","namespaceShowName":"Development","namespaceDesc":null,"quota":200,"configCount":1,"type":2}]}"#,
    br#"{"code":0,"data":{"protectThreshold":0.5,"metadata":{"a":"b","n":null},"clusterMap":{"c1":{}}}}"#,
    b"a%02G%02%01b%02G%02tenant%01",
    b"false",
];

#[test]
fn answers_over_http_and_packets_are_read_or_refused() {
    OVER_HTTP.iter().for_each(|seed| read_as_everything(seed));
    bolero::check!().with_type::<Broken>().for_each(|broken| read_as_everything(&broken.bytes(OVER_HTTP)));
}

#[test]
fn any_bytes_are_a_message_or_refused() {
    bolero::check!().for_each(|bytes| {
        every_type(bytes);
        read_as_everything(bytes);
        if let Ok(payload) = Payload::decode(bytes) {
            every_type(payload.body);
        }
    });
}
