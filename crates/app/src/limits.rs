//! Every bound of the server that is not a setting, each with its reason and what happens when it is reached.

use std::time::Duration;

/// Shards of the registry. More shards, shorter waits; 64 lets one word name the shards that a connection touched.
pub const SHARDS: usize = 64;

/// Messages about the connection itself that wait for a client. A client that does not read that many is as good as
/// gone; the next one is refused.
pub const CONTROL_QUEUE_MAX: usize = 32;

/// Pushes that a client may leave unacknowledged. Beyond it the newest state of each service waits, one entry per
/// service, until acknowledgements come in or time out.
pub const IN_FLIGHT_MAX: usize = 1024;

/// Services that one client may subscribe to, and configs that it may listen to. Java puts at most 3,000 configs on one
/// connection; beyond the bound the request is refused.
pub const INTERESTS_PER_CLIENT_MAX: usize = 100_000;

/// Subscriptions of clients without a connection, each of some 500 bytes while its client polls. Anybody who can ask for
/// a list can make one. Beyond the bound a list is answered, but its client is not told of changes: it learns of them by
/// asking again.
pub const UDP_SUBSCRIPTIONS_MAX: usize = 100_000;

/// Configs that may be named in one request for long polling (`reference/http.md`, 2.5.3). More are refused.
pub const LONG_POLL_KEYS_MAX: usize = 10_000;

/// A client that was told to go elsewhere and is still there after this long is told again: clients answer at once, and
/// have connected elsewhere within seconds.
pub const TELL_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How often a client is told to go elsewhere. One that stays then has no other server, or does not know the message.
pub const TELL_TIMES_MAX: u32 = 3;

/// After orders to give clients away, servers are asked again how many they have, this often.
pub const BALANCE_ROUND_EVERY: Duration = Duration::from_secs(2);

/// And so many times. At the pace that is set, six thousand clients of a server can move in it; who is left then does not
/// want to move.
pub const BALANCE_ROUNDS_MAX: usize = 60;

/// Keys that one rule of a control point counts each by itself in one window. What is beyond shares one count.
pub const TPS_KEYS_MAX: usize = 10_000;

/// Requests for long polling that wait at one time. Beyond it a new one is answered at once, as if nothing changed.
pub const LONG_POLLS_MAX: usize = 100_000;

/// How often a config notice is repeated before its connection counts as dead (`nacos.config.push.maxRetryTime`).
pub const CONFIG_NOTICE_TRIES_MAX: u32 = 50;

/// Bytes of config contents that are kept in memory, with what was encoded from them. The oldest leave first; a content
/// that left is read from disk again.
pub const CONTENT_CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Configs that one page of a search shows. As many as Nacos's database gives away at once (`reference/semantics.md`,
/// 4.10); a larger page is cut.
pub const SEARCH_PAGE_MAX: usize = 50_000;

/// Bytes of contents that one page of a search shows. A larger page is refused: a page cut by bytes would look as if
/// there were no more configs.
pub const SEARCH_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Searches through contents that run at one time. Each reads every content that its other conditions let pass; the
/// next one is refused.
pub const CONTENT_SEARCHES_MAX: usize = 2;

/// Characters of a text with wildcards. Longer ones are refused; no name is longer than a quarter of it.
pub const PATTERN_LEN_MAX: usize = 1024;

/// Names that a client may say it knows when it watches a pattern. Twenty times what a server tells of one unless it is set
/// otherwise; more are refused.
pub const KNOWN_NAMES_MAX: usize = 10_000;

/// Rows of the history that one page shows (`reference/http.md`, 2.5). A larger page is cut.
pub const HISTORY_PAGE_MAX: usize = 500;

/// Rows of the history of one config that are counted for a list. A config with more shows this total, and no page
/// behind it.
pub const HISTORY_COUNT_MAX: usize = 50_000;

/// Rows of the history that one command removes, so that no command grows without bound (`reference/semantics.md`, 4.2).
pub const HISTORY_TRIM_ROWS_MAX: usize = 1000;

/// Writes of one request that wait for the disk at one time: enough to share an fsync, few enough that one request leaves
/// room for others in the journal's queue. The rest of the request waits.
pub const BATCH_WRITES_MAX: usize = 64;

/// Names per page of a list. Larger pages are cut.
pub const PAGE_SIZE_MAX: usize = 100_000;

/// Health checks that run at one time; each holds a socket for 2 s at most. The next one waits, and its instance is
/// checked later than its period says.
pub const CHECKS_RUNNING_MAX: usize = 512;

/// Health checks that begin in [`CHECK_BATCH_EVERY`]: 2,000 a second, so that many instances that are due together do not
/// take the processor from requests. The others wait for the next batch.
pub const CHECK_BATCH: usize = 100;

/// The pause after a full batch of health checks.
pub const CHECK_BATCH_EVERY: Duration = Duration::from_millis(50);

/// How long each step of a health check may take: to connect, to answer, to log in. Nacos: 500 ms, fixed.
pub const CHECK_STEP_WITHIN: Duration = Duration::from_millis(500);

/// How long a stopping server waits for what runs before it ends anyway.
pub const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Services that the report of the guard names. Those with the most held instances are named; the counts are of all.
pub const GUARD_SERVICES_SHOWN_MAX: usize = 100;

/// Publications that wait to be noted for the next run. Beyond it, which happens only if the disk hangs, they are no
/// longer told apart, and everything is noted anew.
pub const NOTES_WAITING_MAX: usize = 100_000;

/// Services of whose pushes an account is kept. Beyond it the half of which nothing was heard for longest is forgotten.
pub const LEDGER_SERVICES_MAX: usize = 10_000;

/// Pushes of one service that did not arrive and are remembered. The oldest leaves first.
pub const LEDGER_TROUBLES_MAX: usize = 8;

/// Characters that are kept of a client's reason for refusing a push. The rest is cut.
pub const LEDGER_REASON_LEN_MAX: usize = 100;

/// Subscribers that a report about the pushes of a service names, and services that one about a client names. Those
/// that wait longest are named; the counts are of all.
pub const PUSHES_SHOWN_MAX: usize = 100;
