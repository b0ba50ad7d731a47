//! Service configs, right and wrong ones.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::*;
use crate::backoff::BackoffSettings;
use crate::code::Code;

fn parse(config: &Value) -> Result<ServiceConfig, String> {
    ServiceConfig::parse(&config.to_string(), &PolicyRegistry::standard()).map_err(|wrong| wrong.to_string())
}

fn wrong(config: &Value) -> String {
    parse(config).map(drop).expect_err("it is wrong")
}

/// A config of one method.
fn one(fields: &Value) -> Value {
    let mut entry = json!({"name": [{"service": "s"}]});
    let all = entry.as_object_mut().expect("an object");
    all.extend(fields.as_object().expect("an object").clone());
    json!({"methodConfig": [entry]})
}

fn retry_policy() -> Value {
    json!({
        "maxAttempts": 4,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"]
    })
}

/// That policy with a field changed, or without it.
fn retry_with(field: &str, value: &Value) -> Value {
    let mut policy = retry_policy();
    policy[field] = value.clone();
    one(&json!({"retryPolicy": policy}))
}

fn hedging_with(field: &str, value: &Value) -> Value {
    let mut policy = json!({"maxAttempts": 4, "hedgingDelay": "0.5s", "nonFatalStatusCodes": ["INTERNAL"]});
    policy[field] = value.clone();
    one(&json!({"hedgingPolicy": policy}))
}

#[test]
fn everything_together() {
    let config = json!({
        "loadBalancingConfig": [{"grpclb": {}}, {"least_request_experimental": {"choiceCount": 4}}],
        "methodConfig": [{
            "name": [{"service": "shop.Orders", "method": "Place"}],
            "timeout": "1.5s",
            "waitForReady": true,
            "maxRequestMessageBytes": 1024,
            "maxResponseMessageBytes": 0,
            "retryPolicy": retry_policy()
        }],
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
        "healthCheckConfig": {"serviceName": "shop"},
        "connectionScaling": {"maxConnectionsPerSubchannel": 3}
    });
    let config = parse(&config).expect("it is right");
    assert_eq!(config.balancing.as_ref().map(|balancing| balancing.policy.name()), Some("least_request"));
    assert_eq!(config.throttling, Some(ThrottleSettings { tokens_max: 10, per_success_thousandths: 100 }));
    assert_eq!(config.health_service.as_deref(), Some("shop"));
    let expected = MethodConfig {
        timeout: Some(Duration::from_millis(1_500)),
        wait_for_ready: Some(true),
        request_len_max: Some(1_024),
        response_len_max: Some(0),
        recovery: Recovery::Retry(Arc::new(RetryPolicy {
            attempts_max: 4,
            backoff: BackoffSettings {
                initial: Duration::from_millis(100),
                max: Duration::from_secs(1),
                multiplier: 2.0,
            },
            retryable: [Code::Unavailable].into_iter().collect(),
            attempt_within: None,
        })),
    };
    assert_eq!(config.method("/shop.Orders/Place").map(|method| &**method), Some(&expected));
    assert!(config.method("/shop.Orders/Cancel").is_none());
}

#[test]
fn nothing_is_a_config() {
    let config = parse(&json!({})).expect("it is right");
    assert!(config.balancing.is_none() && config.throttling.is_none() && config.health_service.is_none());
    assert!(config.method("/s/m").is_none());
    let nulls = json!({"loadBalancingConfig": null, "methodConfig": null, "retryThrottling": null});
    assert!(parse(&nulls).is_ok());
}

#[test]
fn most_specific_name_wins() {
    let entry = |name: Value, bytes: u32| json!({"name": [name], "maxRequestMessageBytes": bytes});
    let config = parse(&json!({"methodConfig": [
        entry(json!({}), 1),
        entry(json!({"service": "a.S", "method": ""}), 2),
        entry(json!({"service": "a.S", "method": "M"}), 3),
    ]}));
    let config = config.expect("it is right");
    let bytes = |path| config.method(path).and_then(|method| method.request_len_max);
    assert_eq!(bytes("/a.S/M"), Some(3));
    assert_eq!(bytes("/a.S/N"), Some(2));
    for path in ["/a.T/M", "/a.S", "a.S", "/", "", "//", "/a.S/M/"] {
        assert_eq!(bytes(path), Some(1), "{path}");
    }
}

#[test]
fn names_are_there_once() {
    let twice = |first: Value, second: Value| json!({"methodConfig": [{"name": [first]}, {"name": [{"service": "x"}, second]}]});
    let same = [
        (json!({"service": "s", "method": "m"}), json!({"service": "s", "method": "m"})),
        (json!({"service": "s"}), json!({"service": "s", "method": null})),
        (json!({"service": "s", "method": ""}), json!({"service": "s"})),
        (json!({}), json!({"service": ""})),
    ];
    for (first, second) in same {
        assert_eq!(wrong(&twice(first, second)), "methodConfig[1].name[1]: is there twice");
    }
    assert_eq!(
        wrong(&json!({"methodConfig": [{"name": [{"method": "m"}]}]})),
        "methodConfig[0].name[0]: names a method, but no service"
    );
}

#[test]
fn entry_without_names_is_for_nobody_but_read() {
    for entry in [json!({"timeout": "1s"}), json!({"name": [], "timeout": "1s"})] {
        assert!(parse(&json!({"methodConfig": [entry]})).expect("it is right").method("/s/m").is_none());
    }
    assert!(wrong(&json!({"methodConfig": [{"timeout": "soon"}]})).starts_with("methodConfig[0].timeout: "));
}

#[test]
fn errors_name_the_place_of_what_is_wrong() {
    let cases = [
        (json!([]), "must be an object"),
        (json!({"methodConfig": {}}), "methodConfig: must be a list"),
        (json!({"methodConfig": [1]}), "methodConfig[0]: must be an object"),
        (one(&json!({"timeout": 5})), "methodConfig[0].timeout: must be a text"),
        (one(&json!({"timeout": "5"})), r#"methodConfig[0].timeout: must be a duration such as "1.5s""#),
        (one(&json!({"waitForReady": "yes"})), "methodConfig[0].waitForReady: must be true or false"),
        (one(&json!({"maxRequestMessageBytes": -1})), "methodConfig[0].maxRequestMessageBytes: must be at least 0"),
        (
            one(&json!({"maxResponseMessageBytes": 4_294_967_296_u64})),
            "methodConfig[0].maxResponseMessageBytes: must be at most 4294967295",
        ),
        (json!({"healthCheckConfig": {"serviceName": 1}}), "healthCheckConfig.serviceName: must be a text"),
        (json!({"loadBalancingConfig": []}), "loadBalancingConfig: names no balancing policy"),
        (
            json!({"loadBalancingConfig": [{"ring_hash": {"minRingSize": "x"}}]}),
            "loadBalancingConfig[0].ring_hash.minRingSize: must be a whole number",
        ),
    ];
    for (config, expected) in cases {
        assert_eq!(wrong(&config), expected);
    }
}

#[test]
fn retry_policies_follow_the_rules() {
    let at = "methodConfig[0].retryPolicy";
    let code = "must be the name or the number of a status code";
    let cases = [
        ("maxAttempts", json!(null), "maxAttempts: is missing"),
        ("maxAttempts", json!(1), "maxAttempts: must be at least 2"),
        ("maxAttempts", json!("4"), "maxAttempts: must be a whole number"),
        ("maxAttempts", json!(2.5), "maxAttempts: must be a whole number"),
        ("initialBackoff", json!(null), "initialBackoff: is missing"),
        ("initialBackoff", json!("0s"), "initialBackoff: must be more than 0s"),
        ("initialBackoff", json!("-1s"), r#"initialBackoff: must be a duration such as "1.5s""#),
        ("maxBackoff", json!(null), "maxBackoff: is missing"),
        ("maxBackoff", json!("0.000s"), "maxBackoff: must be more than 0s"),
        ("backoffMultiplier", json!(null), "backoffMultiplier: is missing"),
        ("backoffMultiplier", json!(0), "backoffMultiplier: must be more than 0"),
        ("backoffMultiplier", json!("2"), "backoffMultiplier: must be a number"),
        ("retryableStatusCodes", json!(null), "retryableStatusCodes: is missing"),
        ("retryableStatusCodes", json!([]), "retryableStatusCodes: must name at least one status code"),
        ("retryableStatusCodes", json!(["OK"]), "retryableStatusCodes[0]: must not be OK"),
        ("retryableStatusCodes", json!([14, 0]), "retryableStatusCodes[1]: must not be OK"),
        ("retryableStatusCodes", json!(["NOPE"]), &format!("retryableStatusCodes[0]: {code}")),
        ("retryableStatusCodes", json!([17]), &format!("retryableStatusCodes[0]: {code}")),
        ("retryableStatusCodes", json!([-1]), &format!("retryableStatusCodes[0]: {code}")),
        ("retryableStatusCodes", json!("UNAVAILABLE"), "retryableStatusCodes: must be a list"),
    ];
    for (field, value, expected) in cases {
        assert_eq!(wrong(&retry_with(field, &value)), format!("{at}.{expected}"), "{field}: {value}");
    }
}

fn retry_of(config: &Value) -> Arc<RetryPolicy> {
    let config = parse(config).expect("it is right");
    match &config.method("/s/m").expect("a method").recovery {
        Recovery::Retry(policy) => Arc::clone(policy),
        other => panic!("{other:?}"),
    }
}

#[test]
fn attempts_above_the_bound_are_the_bound() {
    for attempts in [5_u64, 6, u64::from(u32::MAX) + 9, u64::MAX] {
        assert_eq!(retry_of(&retry_with("maxAttempts", &json!(attempts))).attempts_max, 5);
    }
    assert_eq!(retry_of(&retry_with("maxAttempts", &json!(2))).attempts_max, 2);
}

#[test]
fn status_codes_have_names_in_any_case_and_numbers() {
    let policy = retry_of(&retry_with("retryableStatusCodes", &json!(["unavailable", 4, "Aborted", 14.0])));
    assert_eq!(policy.retryable, [Code::Unavailable, Code::DeadlineExceeded, Code::Aborted].into_iter().collect());
}

#[test]
fn time_for_an_attempt_makes_status_codes_needless() {
    let mut config = retry_with("retryableStatusCodes", &json!(null));
    config["methodConfig"][0]["retryPolicy"]["perAttemptRecvTimeout"] = json!("2s");
    let policy = retry_of(&config);
    assert!(policy.retryable.is_empty());
    assert_eq!(policy.attempt_within, Some(Duration::from_secs(2)));
}

#[test]
fn hedging_policies_follow_the_rules() {
    let at = "methodConfig[0].hedgingPolicy";
    let cases = [
        ("maxAttempts", json!(null), "maxAttempts: is missing"),
        ("maxAttempts", json!(1), "maxAttempts: must be at least 2"),
        ("hedgingDelay", json!("1"), r#"hedgingDelay: must be a duration such as "1.5s""#),
        ("nonFatalStatusCodes", json!(["OK"]), "nonFatalStatusCodes[0]: must not be OK"),
    ];
    for (field, value, expected) in cases {
        assert_eq!(wrong(&hedging_with(field, &value)), format!("{at}.{expected}"));
    }
    let hedging = |config: &Value| match &parse(config).expect("it is right").method("/s/m").expect("a method").recovery
    {
        Recovery::Hedge(policy) => HedgingPolicy::clone(policy),
        other => panic!("{other:?}"),
    };
    let non_fatal = [Code::Internal].into_iter().collect();
    let expected = HedgingPolicy { attempts_max: 4, delay: Duration::from_millis(500), non_fatal };
    assert_eq!(hedging(&hedging_with("x", &json!(1))), expected);
    assert_eq!(hedging(&hedging_with("maxAttempts", &json!(99))).attempts_max, 5);
    assert_eq!(hedging(&hedging_with("hedgingDelay", &json!(null))).delay, Duration::ZERO);
    assert!(hedging(&hedging_with("nonFatalStatusCodes", &json!([]))).non_fatal.is_empty());
}

#[test]
fn retrying_and_hedging_exclude_each_other() {
    let both = one(&json!({"retryPolicy": retry_policy(), "hedgingPolicy": {"maxAttempts": 2}}));
    assert_eq!(wrong(&both), "methodConfig[0]: has both a retryPolicy and a hedgingPolicy");
}

#[test]
fn throttling_follows_the_rules() {
    let with = |tokens: Value, ratio: Value| json!({"retryThrottling": {"maxTokens": tokens, "tokenRatio": ratio}});
    let read = |tokens, ratio| {
        parse(&with(tokens, ratio)).map(|config| {
            let settings = config.throttling.expect("it is there");
            (settings.tokens_max, settings.per_success_thousandths)
        })
    };
    assert_eq!(read(json!(1_000), json!(1)), Ok((1_000, 1_000)));
    assert_eq!(read(json!(1), json!(0.5466)), Ok((1, 546)), "decimals beyond three are nothing");
    assert_eq!(read(json!(10), json!(0.007)), Ok((10, 7)));
    assert_eq!(read(json!(10), json!(1e300)), Ok((10, 1_000_000)));
    let wrong = |tokens, ratio| read(tokens, ratio).expect_err("it is wrong");
    assert_eq!(wrong(json!(0), json!(1)), "retryThrottling.maxTokens: must be at least 1");
    assert_eq!(wrong(json!(1_001), json!(1)), "retryThrottling.maxTokens: must be at most 1000");
    assert_eq!(wrong(json!(2.5), json!(1)), "retryThrottling.maxTokens: must be a whole number");
    assert_eq!(wrong(json!(null), json!(1)), "retryThrottling.maxTokens: is missing");
    for ratio in [json!(0), json!(-1), json!(0.0009)] {
        assert_eq!(wrong(json!(10), ratio), "retryThrottling.tokenRatio: must be at least 0.001");
    }
    assert_eq!(wrong(json!(10), json!(null)), "retryThrottling.tokenRatio: is missing");
}

#[test]
fn older_field_counts_if_the_newer_is_not_there() {
    let name = |config: &Value| Some(parse(config).expect("it is right").balancing?.policy.name().to_owned());
    assert_eq!(name(&json!({"loadBalancingPolicy": "ROUND_ROBIN"})).as_deref(), Some("round_robin"));
    let both = json!({"loadBalancingPolicy": "nope", "loadBalancingConfig": [{"pick_first": {}}]});
    assert_eq!(name(&both).as_deref(), Some("pick_first"));
    assert!(
        wrong(&json!({"loadBalancingPolicy": "nope"})).starts_with("loadBalancingPolicy: there is no balancing policy")
    );
}

#[test]
fn outlier_detection_stands_around_a_policy() {
    let with = |name: &str, config: Value| json!({"loadBalancingConfig": [{"unknown": {}}, {name: config}]});
    for name in OUTLIER_NAMES {
        let config = json!({"interval": "5s", "failurePercentageEjection": {}, "childPolicy": [{"round_robin": {}}]});
        let balancing = parse(&with(name, config)).expect("it is right").balancing.expect("it is there");
        assert_eq!(balancing.policy.name(), "round_robin");
        assert_eq!(balancing.outlier.map(|outlier| outlier.interval), Some(Duration::from_secs(5)));
        let at = format!("loadBalancingConfig[1].{name}");
        assert_eq!(wrong(&with(name, json!({}))), format!("{at}.childPolicy: is missing"));
    }
}

#[test]
fn texts_that_are_no_config_are_refused_without_being_repeated() {
    let registry = PolicyRegistry::standard();
    let refuse = |text: &str| ServiceConfig::parse(text, &registry).map(drop).expect_err("it is wrong").to_string();
    assert_eq!(refuse("{\"a\":\n secret}"), "a service config is JSON, this is not: line 2, column 2");
    assert!(refuse("").contains("is JSON"));
    assert!(refuse(&"[".repeat(100_000)).contains("is JSON"), "depth has a bound");
    assert!(refuse(&" ".repeat(TEXT_LEN_MAX + 1)).contains("at most 262144 bytes"));
}

/// Takes a right config apart and puts it together wrong, some thousands of times. Reading it must end in a config or an
/// error, whatever it looks like.
#[test]
fn nothing_that_is_read_ends_in_a_panic() {
    let seed = json!({
        "loadBalancingConfig": [
            {"prefer_locality": {"locality": "HZ", "spillBelowPercent": 20, "childPolicy": [{"round_robin": {}}]}},
            {"outlier_detection": {
                "interval": "1s", "baseEjectionTime": "1s", "maxEjectionTime": "2s", "maxEjectionPercent": 50,
                "successRateEjection": {"stdevFactor": 1900, "minimumHosts": 1, "requestVolume": 1},
                "failurePercentageEjection": {"threshold": 50}, "childPolicy": [{"ring_hash": {"minRingSize": 5}}]
            }}
        ],
        "methodConfig": [
            {"name": [{"service": "s", "method": "m"}, {}], "timeout": "1s", "waitForReady": true,
             "maxRequestMessageBytes": 5, "retryPolicy": retry_policy()},
            {"name": [{"service": "t"}], "hedgingPolicy": {"maxAttempts": 3, "nonFatalStatusCodes": [14]}}
        ],
        "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
        "healthCheckConfig": {"serviceName": "s"}
    });
    assert!(parse(&seed).is_ok());
    let registry = PolicyRegistry::standard();
    let mut random = StdRng::seed_from_u64(6);
    let mut refused = 0;
    for _ in 0..4_000 {
        let mut config = seed.clone();
        for _ in 0..random.random_range(1..4) {
            scramble(&mut config, &mut random);
        }
        match ServiceConfig::read(&Node::root(&config), &registry) {
            Ok(config) => drop(config.method("/s/m")),
            Err(wrong) => refused += usize::from(!wrong.problem.is_empty()),
        }
        let mut text = config.to_string().into_bytes();
        let at = random.random_range(0..text.len());
        text[at] = random.random();
        drop(ServiceConfig::parse(&String::from_utf8_lossy(&text), &registry));
    }
    assert!(refused > 500, "{refused}");
}

/// Puts something else in the place of one value.
fn scramble(value: &mut Value, random: &mut StdRng) {
    let odd = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(1e308),
        json!(u64::MAX),
        json!(""),
        json!("0s"),
        json!("999999999999s"),
        json!("é"),
        json!([]),
        json!({}),
        json!([null]),
        json!({"a": 1}),
    ];
    let down: Option<&mut Value> = match value {
        Value::Object(fields) if !fields.is_empty() => {
            let at = random.random_range(0..fields.len());
            fields.values_mut().nth(at)
        }
        Value::Array(items) if !items.is_empty() => {
            let at = random.random_range(0..items.len());
            items.get_mut(at)
        }
        _ => None,
    };
    match down {
        Some(down) if random.random_bool(0.9) => scramble(down, random),
        _ => *value = odd[random.random_range(0..odd.len())].clone(),
    }
}
