//! Why an HTTP request was refused: the faults of the domain, and what only this edge can get wrong.
//!
//! Nacos tells one cause in different words depending on the endpoint; where a recording shows that, there are two
//! variants here. Texts are Nacos's. Numbers stand in [`crate::codes`], shapes in [`super::failure`].

use nacrite_base::{ConnectionId, Fault, Kind, ServiceKey};

/// The most that an instance may weigh.
pub const WEIGHT_MAX: f64 = 10_000.0;

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The domain says no.
    #[error(transparent)]
    Fault(#[from] Fault),

    // --- the request as such ---
    /// The body is longer than the endpoint takes.
    #[error("the body is longer than {len_max} bytes")]
    BodyTooLong {
        /// Bytes allowed.
        len_max: usize,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive within {within_ms} ms")]
    BodyLate {
        /// The time that it had.
        within_ms: u64,
    },
    /// The connection broke, or the body is not framed as HTTP asks for.
    #[error("the body cannot be read")]
    BodyBroken,
    /// Too many bytes of bodies are held at one time.
    #[error("the server holds as many request bodies as it can")]
    BodiesFull,
    /// A name or a value is not percent-encoded UTF-8. Nacos ignores such a parameter, or stores something else than
    /// was sent; both hide a mistake.
    #[error("a parameter is not percent-encoded UTF-8")]
    Undecodable,
    /// More parameters than any endpoint knows.
    #[error("more than {max} parameters")]
    TooManyParams {
        /// How many are allowed.
        max: usize,
    },

    /// The body has a type that is not read here.
    #[error("Content-Type '{given}' is not supported")]
    MediaTypeUnread {
        /// The type, cut if it is long.
        given: String,
    },
    /// There is no body where one is needed.
    #[error("Required request body is missing")]
    BodyMissing,

    // --- parameters ---
    /// A parameter that the framework binds is not there.
    #[error("Required request parameter '{name}' for method parameter type {} is not present", java_type(name))]
    NotBound {
        /// The parameter.
        name: &'static str,
    },
    /// A field of a namespace is not there.
    #[error("required parameter '{name}' is missing")]
    FieldMissing {
        /// The field.
        name: &'static str,
    },
    /// A value is not of the type of its form's field.
    #[error("Failed to convert '{given}' to the type of '{name}'")]
    Unbindable {
        /// The field.
        name: &'static str,
        /// The value, cut if it is long.
        given: String,
    },
    /// A value is not a number.
    #[error("For input string: \"{given}\"")]
    NumberExpected {
        /// The value, cut if it is long.
        given: String,
    },
    /// A page of less than nothing.
    #[error("fromIndex(0) > toIndex({size})")]
    PageNegative {
        /// The size that was asked for.
        size: i64,
    },
    /// A page, or a size of one, below 1.
    #[error("Required parameter '{name}' should be positive integer, current is {given}")]
    PageNotPositive {
        /// `pageNo` or `pageSize`.
        name: &'static str,
        /// The value.
        given: i64,
    },

    // --- naming ---
    /// A v1 service name is not `group@@name`; found before anything else looks at the request.
    #[error("Service name filter error,caused: {};", rule.text())]
    ServiceNameFiltered {
        /// What it lacks.
        rule: NameRule,
    },
    /// A service name that must be `group@@name` is not.
    #[error("{}", rule.text())]
    ServiceNameUngrouped {
        /// What it lacks.
        rule: NameRule,
    },
    /// A weight outside 0 to [`WEIGHT_MAX`], or no number at all.
    #[error("instance format invalid: The weights range from 0.0 to {WEIGHT_MAX:?}")]
    WeightOutOfRange,
    /// Metadata that is neither a JSON object of texts nor `k=v,k2=v2`.
    #[error("metadata format incorrect:{given}")]
    MetadataUnreadable {
        /// The value, cut if it is long.
        given: String,
    },
    /// A heart-beat that is no JSON object of the right types.
    #[error("beat is not readable")]
    BeatUnreadable,
    /// The instances whose metadata are to change are no JSON list of them.
    #[error("instances is not a JSON list of instances")]
    InstancesUnreadable,
    /// A health checker that is no JSON object of the right types.
    #[error("healthChecker is not readable")]
    CheckerUnreadable,
    /// The service of the cluster that is to be set up is not there, in v1 (recorded: `v1/ns-cluster-update`).
    #[error("service not found:{}", service.grouped())]
    ServiceOfClusterAbsentV1 {
        /// The service.
        service: ServiceKey,
    },
    /// The same in v3 (recorded: `v3/ns-cluster-health`).
    #[error("service not found groupName: {},serviceName: {}", service.group, service.name)]
    ServiceOfClusterAbsent {
        /// The service.
        service: ServiceKey,
    },
    /// A switch does not take the value.
    #[error("{message}")]
    SwitchRefused {
        /// Why.
        message: String,
    },
    /// A selector of a type that Nacos does not know.
    #[error("not match any type of selector!")]
    SelectorUnknown,
    /// The expression of a label selector is not one.
    #[error("Selector parses failed: parse expression failed!")]
    SelectorExpression,
    /// The service that is to be changed or deleted is not there (recorded: `ns-service-crud`).
    #[error("service {} not found!", service.grouped())]
    ServiceAbsent {
        /// The service.
        service: ServiceKey,
    },
    /// The service of the instance that is to be changed is not there (recorded: `ns-instance-update`).
    #[error(
        "service not found, namespace: {}, service: Service{{namespace='{}', group='{}', name='{}', \
         ephemeral={}, revision=0}}",
        service.namespace, service.namespace, service.group, service.name, *kind == Kind::Ephemeral
    )]
    ServiceOfInstanceAbsent {
        /// The service.
        service: ServiceKey,
        /// The kind that the request speaks of.
        kind: Kind,
    },
    /// The service whose instances are to be listed is not there (recorded: `v3/ns-instance-errors`).
    #[error("service {} is not found!", service.grouped())]
    ListedServiceAbsent {
        /// The service.
        service: ServiceKey,
    },
    /// The cluster whose instances are to be listed is not there (recorded: `ns-catalog-instances`).
    #[error("cluster {cluster} is not found!")]
    ListedClusterAbsent {
        /// The cluster as it was sent.
        cluster: String,
    },
    /// The service has no instances at all (recorded: `ns-instance-patch`).
    #[error("no ips found for cluster {cluster} in service {}", service.grouped())]
    NoInstances {
        /// The cluster that was asked for.
        cluster: String,
        /// The service.
        service: ServiceKey,
    },
    /// Nobody is known by that id.
    #[error("clientId [ {id} ] not exist")]
    ClientAbsent {
        /// The id, cut if it is long.
        id: String,
    },

    // --- the cluster ---
    /// A member cannot be so (recorded: `v2/core-cluster`).
    #[error("Illegal state: {given}")]
    MemberStateUnknown {
        /// The state, cut if it is long.
        given: String,
    },
    /// Members are not found in that way.
    #[error("The addressing mode exists : {given}, just support : [[file, address-server]]")]
    LookupUnknown {
        /// The way, cut if it is long.
        given: String,
    },
    /// There is no such group (recorded: `v2/core-ops-loader`).
    #[error("not this raft group : {given}")]
    RaftGroupUnknown {
        /// The group, cut if it is long.
        given: String,
    },
    /// Raft knows no such command.
    #[error("Not support command : {given}")]
    RaftCommandUnknown {
        /// The command, cut if it is long.
        given: String,
    },

    // --- configs ---
    /// There is nothing for everybody under this key (recorded: `v3/cs-config-errors`).
    #[error("Config not exist, please publish Config first.")]
    ConfigUnpublished,
    /// There is no beta version (recorded: `v3/cs-config-beta`).
    #[error("Config is not in beta.")]
    NotInBeta,
    /// A row of the history belongs to another config (recorded: `v2/cs-history`).
    #[error("Please check dataId, group or namespaceId.")]
    HistoryOfAnother,
    /// A client did not say in time what it knows of a config (recorded: `config-metrics-push`).
    #[error("request timeout after {within_ms} milliseconds, connectionId={connection}")]
    ClientSilent {
        /// The time that it had.
        within_ms: u64,
        /// Its connection.
        connection: ConnectionId,
    },

    // --- namespaces ---
    /// There is no such namespace.
    #[error("namespaceId [ {id} ] not exist")]
    NamespaceAbsent {
        /// The id, cut if it is long.
        id: String,
    },
    /// An id or a title that a namespace must not have; in v2 also an id that is taken.
    #[error("{message}")]
    NamespaceIllegal {
        /// What is wrong with it.
        message: String,
    },
    /// The id is taken, in v3.
    #[error("namespaceId [{id}] already exist.")]
    NamespaceTaken {
        /// The id.
        id: String,
    },
}

/// What a grouped service name lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// Two parts with `@@` between them.
    TwoParts,
    /// Something in front of `@@`.
    Group,
}

impl NameRule {
    /// What Nacos says about it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::TwoParts => "Param 'serviceName' is illegal, it should be format as 'groupName@@serviceName'",
            Self::Group => "Param 'serviceName' is illegal, groupName can't be empty",
        }
    }
}

/// Characters of a value that a message repeats; nobody needs more to find a mistake.
const GIVEN_LEN_MAX: usize = 128;

/// A value as a message repeats it.
#[must_use]
pub fn shown(given: &str) -> String {
    given.chars().take(GIVEN_LEN_MAX).collect()
}

impl Refusal {
    /// A value that is not of the type of its field.
    #[must_use]
    pub fn unbindable(name: &'static str, given: &str) -> Self {
        Self::Unbindable { name, given: shown(given) }
    }
}

/// The type that Nacos declares for a parameter; its messages name it.
#[must_use]
pub fn java_type(name: &str) -> &'static str {
    match name {
        "port" | "checkPort" | "count" => "Integer",
        "pageNo" | "pageSize" => "int",
        "nid" | "id" => "Long",
        "ids" => "List",
        "healthy" | "useInstancePort4Check" => "Boolean",
        _ => "String",
    }
}
