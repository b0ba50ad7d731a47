//! Decides what a link does next: which server to try and when, when to check a connection, when to give it up.
//!
//! Pure: time comes in as the time since the link began, what must be done comes out. No socket, no clock, no task
//! (`driver`). The servers' order, the pauses between attempts and the rules for going elsewhere are all here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::failure::{ConnectFailure, Layer};
use crate::server::ServerAddress;
use crate::session::{Generation, Phase};
use crate::settings::LinkSettings;

/// A pause is made up to this share longer or shorter.
const JITTER: f64 = 0.2;

/// So many connections in a row that did not last are replaced at once; what comes after that is no accident: a proxy
/// that sends calls and streams to different servers, or servers that send their clients to each other.
const SHORT_LIVED_FREE: u32 = 3;

/// The longest pause before replacing a connection that did not last. Shorter than that after failed attempts: the server
/// is there, and who restarts it often in a row shall find its clients back soon each time.
const SHORT_LIVED_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A connection that stood for so long was none of those that do not last.
const LASTING: Duration = Duration::from_secs(5);

/// Why a connection is lost that stands, and that the server no longer has in its books.
const UNKNOWN: &str = "the server does not know it";

/// Where a server wants its client to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    /// Its address.
    pub(crate) ip: IpAddr,
    /// Its main port, as the server knows it.
    pub(crate) port: Option<u16>,
}

/// How a check of a connection went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// The server answered.
    Good,
    /// The server answered that it does not know the connection.
    Unregistered,
    /// It did not answer, or with a failure.
    Bad(String),
}

/// What happened.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// This is the list of servers now.
    Servers(Arc<[ServerAddress]>),
    /// The attempt succeeded.
    Connected { generation: Generation, peer: IpAddr },
    /// The attempt failed.
    Failed(ConnectFailure),
    /// A connection ended by itself.
    Ended { generation: Generation, cause: String },
    /// A server answered on a connection that it does not know it.
    Unregistered { generation: Generation },
    /// A request on a connection was not answered, or broke.
    Doubted { generation: Generation },
    /// A server asks its client to leave.
    Reset { generation: Generation, to: Option<Redirect> },
    /// A check ended.
    Checked { generation: Generation, health: Health },
    /// Time has passed; when the connection last gave a sign of life.
    Tick { last_active: Duration },
    /// It is over.
    ShutDown,
}

/// What must be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Try to connect; the result is an input. Of the addresses that the name resolves to, one is to be tried first and
    /// one last.
    Connect { server: ServerAddress, first: Option<IpAddr>, last: Option<IpAddr> },
    /// Check the connection; the result is an input.
    Check { generation: Generation },
    /// This connection is no longer the one. Close it, once calls on it had time to end if it is still good.
    Leave { generation: Generation, still_good: bool },
    /// The connection that was just made is the one.
    Adopt { generation: Generation },
}

/// A connection that was adopted.
#[derive(Clone, Debug)]
struct Held {
    generation: Generation,
    server: ServerAddress,
    peer: IpAddr,
    /// Whether a check failed: it is kept until another one stands, but nothing is sent on it.
    is_doubtful: bool,
}

/// The search for a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Search {
    Off,
    /// An attempt is under way.
    Attempt(ServerAddress),
    /// The next attempt is due then.
    Pause(Duration),
    /// There are no servers; their list will change.
    NoServers,
}

/// What a link does next.
#[derive(Debug)]
pub(crate) struct Machine {
    settings: LinkSettings,
    rng: StdRng,
    phase: Phase,
    since: Duration,
    servers: Arc<[ServerAddress]>,
    /// Index of the server whose turn it is.
    next: usize,
    held: Option<Held>,
    search: Search,
    /// Failed attempts of this search.
    failures: u32,
    /// Where to try once, out of turn: a server of the list, or else an address that a name in the list may lead to.
    recommended: Option<(Option<ServerAddress>, IpAddr)>,
    /// Where the connection went that is to be replaced.
    avoided: Option<(ServerAddress, IpAddr)>,
    connected_at: Duration,
    /// Connections in a row that were lost or left before they had stood for [`LASTING`].
    short_lived: u32,
    /// A check is under way.
    checking: bool,
    check_at: Duration,
    failure: Option<ConnectFailure>,
}

impl Machine {
    /// A link that knows no server yet. `seed` decides where it starts in the list, and the lengths of its pauses.
    pub(crate) fn new(settings: LinkSettings, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        Self {
            next: rng.random_range(0..usize::from(u16::MAX)),
            settings,
            rng,
            phase: Phase::Initialised,
            since: Duration::ZERO,
            servers: Arc::default(),
            held: None,
            search: Search::NoServers,
            failures: 0,
            recommended: None,
            avoided: None,
            connected_at: Duration::ZERO,
            short_lived: 0,
            checking: false,
            check_at: Duration::ZERO,
            failure: None,
        }
    }

    /// Where the link is in its life, and since when.
    pub(crate) const fn phase(&self) -> (Phase, Duration) {
        (self.phase, self.since)
    }

    /// Why the last attempt failed, or the last connection was given up.
    pub(crate) const fn failure(&self) -> Option<&ConnectFailure> {
        self.failure.as_ref()
    }

    /// The connection that is held, and whether requests may go out on it.
    pub(crate) fn held(&self) -> Option<(Generation, bool)> {
        self.held.as_ref().map(|held| (held.generation, !held.is_doubtful))
    }

    /// When a [`Input::Tick`] is due.
    pub(crate) fn wake_at(&self) -> Option<Duration> {
        let pause = if let Search::Pause(until) = self.search { Some(until) } else { None };
        let is_checkable = self.held.as_ref().is_some_and(|held| !held.is_doubtful) && !self.checking;
        let check = is_checkable.then_some(self.check_at);
        pause.into_iter().chain(check).min()
    }

    /// Takes in what happened and says what must be done. Cost: O(servers).
    #[must_use]
    pub(crate) fn step(&mut self, now: Duration, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        let out = &mut outputs;
        if self.phase == Phase::ShutDown {
            if let Input::Connected { generation, .. } = input {
                out.push(Output::Leave { generation, still_good: false });
            }
            return outputs;
        }
        match input {
            Input::Servers(servers) => self.servers(now, servers, out),
            Input::Connected { generation, peer } => self.connected(now, generation, peer, out),
            Input::Failed(failure) => self.failed(now, failure, out),
            Input::Ended { generation, cause } => self.lost(now, generation, cause, out),
            Input::Unregistered { generation } => self.lost(now, generation, UNKNOWN.to_owned(), out),
            Input::Doubted { generation } => self.doubted(generation, out),
            Input::Reset { generation, to } => self.reset(now, generation, to, out),
            Input::Checked { generation, health } => self.checked(now, generation, health, out),
            Input::Tick { last_active } => self.tick(now, last_active, out),
            Input::ShutDown => {
                if let Some(held) = self.held.take() {
                    out.push(Output::Leave { generation: held.generation, still_good: false });
                }
                self.search = Search::Off;
                self.enter(now, Phase::ShutDown);
            }
        }
        outputs
    }

    fn enter(&mut self, now: Duration, phase: Phase) {
        if self.phase != phase {
            (self.phase, self.since) = (phase, now);
        }
    }

    fn servers(&mut self, now: Duration, servers: Arc<[ServerAddress]>, out: &mut Vec<Output>) {
        if self.servers == servers {
            return;
        }
        self.servers = servers;
        if self.servers.is_empty() {
            // What stands goes on standing: an empty list says that nobody knows, not that nobody serves.
            return;
        }
        if self.phase == Phase::Initialised {
            self.enter(now, Phase::Starting);
        }
        match &self.search {
            Search::NoServers | Search::Pause(_) => {
                self.failures = 0;
                self.attempt(out);
            }
            Search::Attempt(_) => {}
            Search::Off => self.leave_a_server_that_left(now, out),
        }
    }

    /// Goes elsewhere if the server of the connection is no longer in the list.
    fn leave_a_server_that_left(&mut self, now: Duration, out: &mut Vec<Output>) {
        let Some(held) = &self.held else { return };
        if self.servers.is_empty() || self.servers.contains(&held.server) {
            return;
        }
        self.search(now, out);
    }

    fn connected(&mut self, now: Duration, generation: Generation, peer: IpAddr, out: &mut Vec<Output>) {
        let Search::Attempt(server) = std::mem::replace(&mut self.search, Search::Off) else {
            debug_assert!(false, "connected without an attempt");
            return;
        };
        if let Some(old) = self.held.take() {
            out.push(Output::Leave { generation: old.generation, still_good: !old.is_doubtful });
        }
        out.push(Output::Adopt { generation });
        self.held = Some(Held { generation, server, peer, is_doubtful: false });
        (self.failure, self.recommended, self.avoided) = (None, None, None);
        (self.checking, self.check_at, self.connected_at) = (false, now + self.settings.keep_alive, now);
        self.enter(now, Phase::Running);
        self.leave_a_server_that_left(now, out);
    }

    fn failed(&mut self, now: Duration, failure: ConnectFailure, out: &mut Vec<Output>) {
        self.failure = Some(failure);
        self.failures = self.failures.saturating_add(1);
        // The first connection is tried for a few times at once: the server may just be starting beside its client.
        if self.phase == Phase::Starting && self.failures <= self.settings.retries_max {
            return self.attempt(out);
        }
        // The pauses grow with each round over the servers. The longest one is shared by them: it is about how soon the
        // server that comes back is tried, whichever it is.
        let servers = u32::try_from(self.servers.len().max(1)).unwrap_or(u32::MAX);
        let rounds = self.failures.saturating_sub(1) / servers;
        let max = self.settings.pause_max / servers;
        self.search = Search::Pause(now + self.pause(rounds.saturating_add(1), max));
    }

    fn pause(&mut self, steps: u32, max: Duration) -> Duration {
        let pause = self.settings.pause_step.saturating_mul(steps).min(max);
        pause.mul_f64(self.rng.random_range(1.0 - JITTER..=1.0 + JITTER))
    }

    /// Begins to look for another connection than the one that is held, unless that is done already.
    fn search(&mut self, now: Duration, out: &mut Vec<Output>) {
        if self.search == Search::Off {
            self.avoided = self.held.as_ref().map(|held| (held.server.clone(), held.peer));
            self.begin(now, out);
        }
    }

    /// Begins to look for a connection: at once, unless the ones before did not last either.
    fn begin(&mut self, now: Duration, out: &mut Vec<Output>) {
        self.failures = 0;
        let has_lasted = now.saturating_sub(self.connected_at) >= LASTING;
        self.short_lived = if has_lasted { 0 } else { self.short_lived.saturating_add(1) };
        match self.short_lived.checked_sub(SHORT_LIVED_FREE) {
            None | Some(0) => self.attempt(out),
            Some(steps) => {
                let max = self.settings.pause_max.min(SHORT_LIVED_PAUSE_MAX);
                self.search = Search::Pause(now + self.pause(steps, max));
            }
        }
    }

    fn attempt(&mut self, out: &mut Vec<Output>) {
        let (recommended, first) = self.recommended.take().map_or((None, None), |(server, ip)| (server, Some(ip)));
        let Some(server) = recommended.or_else(|| self.next_server()) else {
            self.search = Search::NoServers;
            return;
        };
        let last = self.avoided.as_ref().filter(|(avoided, _)| *avoided == server).map(|(_, ip)| *ip);
        let last = last.filter(|last| first != Some(*last));
        self.search = Search::Attempt(server.clone());
        out.push(Output::Connect { server, first, last });
    }

    /// The server whose turn it is. In the first round the one that was lost is passed over, if there are others.
    fn next_server(&mut self) -> Option<ServerAddress> {
        let len = self.servers.len();
        let mut server = self.servers.get(self.next.checked_rem(len)?)?;
        self.next = (self.next + 1) % len;
        let is_first_round = usize::try_from(self.failures).is_ok_and(|failures| failures + 1 < len);
        if is_first_round && self.avoided.as_ref().is_some_and(|(avoided, _)| avoided == server) {
            server = self.servers.get(self.next)?;
            self.next = (self.next + 1) % len;
        }
        Some(server.clone())
    }

    /// Gives a connection up at once: nothing can be sent on it any more.
    fn lost(&mut self, now: Duration, generation: Generation, cause: String, out: &mut Vec<Output>) {
        let Some(held) = self.held.take_if(|held| held.generation == generation) else { return };
        out.push(Output::Leave { generation, still_good: false });
        self.failure = Some(ConnectFailure { server: held.server.clone(), layer: Layer::Lost, cause });
        self.checking = false;
        self.enter(now, Phase::Unhealthy);
        if self.search == Search::Off {
            self.avoided = Some((held.server, held.peer));
            self.begin(now, out);
        }
    }

    fn doubted(&mut self, generation: Generation, out: &mut Vec<Output>) {
        let is_held = self.held.as_ref().is_some_and(|held| held.generation == generation && !held.is_doubtful);
        if is_held && !self.checking {
            self.checking = true;
            out.push(Output::Check { generation });
        }
    }

    fn reset(&mut self, now: Duration, generation: Generation, to: Option<Redirect>, out: &mut Vec<Output>) {
        let is_held = self.held.as_ref().is_some_and(|held| held.generation == generation);
        if !is_held || self.search != Search::Off || self.servers.is_empty() {
            return;
        }
        self.recommended = to.map(|to| (self.in_list(to), to.ip));
        self.search(now, out);
    }

    /// The server of the list that a server recommends. The port of the list counts: the way there may lead through
    /// another one than the server knows of.
    fn in_list(&self, to: Redirect) -> Option<ServerAddress> {
        let same_ip = || self.servers.iter().filter(|server| server.host().parse() == Ok(to.ip));
        let same_port = same_ip().find(|server| Some(server.port()) == to.port);
        same_port.or_else(|| same_ip().next()).cloned()
    }

    fn checked(&mut self, now: Duration, generation: Generation, health: Health, out: &mut Vec<Output>) {
        let Some(held) = self.held.as_mut().filter(|held| held.generation == generation) else { return };
        self.checking = false;
        self.check_at = now + self.settings.keep_alive;
        match health {
            Health::Good => {}
            Health::Unregistered => self.lost(now, generation, UNKNOWN.to_owned(), out),
            Health::Bad(cause) => {
                held.is_doubtful = true;
                let server = held.server.clone();
                self.failure = Some(ConnectFailure { server, layer: Layer::Lost, cause });
                self.enter(now, Phase::Unhealthy);
                self.search(now, out);
            }
        }
    }

    fn tick(&mut self, now: Duration, last_active: Duration, out: &mut Vec<Output>) {
        if let Search::Pause(until) = self.search
            && until <= now
        {
            self.attempt(out);
        }
        let Some(held) = self.held.as_ref().filter(|held| !held.is_doubtful) else { return };
        if self.checking || now < self.check_at {
            return;
        }
        let quiet_since = last_active + self.settings.keep_alive;
        if now < quiet_since {
            self.check_at = quiet_since;
        } else {
            let generation = held.generation;
            self.doubted(generation, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str) -> ServerAddress {
        name.parse().expect("an address")
    }

    fn generation(word: &str) -> Generation {
        Generation::new(word.trim_start_matches('#').parse().expect("a number"))
    }

    fn input(words: &[&str]) -> Input {
        let failure = |layer| ConnectFailure { server: server("x"), layer, cause: "refused".into() };
        match *words {
            ["servers", ref names @ ..] => Input::Servers(names.iter().map(|name| server(name)).collect()),
            ["connected", number, peer] => {
                Input::Connected { generation: generation(number), peer: peer.parse().expect("an address") }
            }
            ["failed"] => Input::Failed(failure(Layer::Tcp)),
            ["failed", "handshake"] => Input::Failed(failure(Layer::Handshake)),
            ["ended", number] => Input::Ended { generation: generation(number), cause: "reset".into() },
            ["unregistered", number] => Input::Unregistered { generation: generation(number) },
            ["doubted", number] => Input::Doubted { generation: generation(number) },
            ["reset", number] => Input::Reset { generation: generation(number), to: None },
            ["reset", number, ip, port] => {
                let to = Redirect { ip: ip.parse().expect("an address"), port: port.parse().ok() };
                Input::Reset { generation: generation(number), to: Some(to) }
            }
            ["good", number] => Input::Checked { generation: generation(number), health: Health::Good },
            ["unknown", number] => Input::Checked { generation: generation(number), health: Health::Unregistered },
            ["bad", number] => Input::Checked { generation: generation(number), health: Health::Bad("silent".into()) },
            ["tick", last_active] => {
                Input::Tick { last_active: Duration::from_millis(last_active.parse().expect("a number")) }
            }
            ["shutdown"] => Input::ShutDown,
            ref other => panic!("{other:?} is no input"),
        }
    }

    fn shown(output: &Output) -> String {
        match output {
            Output::Connect { server, first, last } => {
                let first = first.map(|ip| format!(" first {ip}")).unwrap_or_default();
                let last = last.map(|ip| format!(" last {ip}")).unwrap_or_default();
                format!("connect {}{first}{last}", server.host())
            }
            Output::Check { generation } => format!("check #{generation}"),
            Output::Leave { generation, still_good: true } => format!("leave #{generation} gently"),
            Output::Leave { generation, still_good: false } => format!("leave #{generation}"),
            Output::Adopt { generation } => format!("adopt #{generation}"),
        }
    }

    /// Plays a script: `time ms  input -> outputs, outputs | phase`, from the first server of the list.
    fn check(script: &str) {
        let mut machine = Machine::new(LinkSettings::default(), 1);
        machine.next = 0;
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let line = line.split(" //").next().unwrap_or_default();
            let (said, wanted) = line.split_once("->").expect("an arrow");
            let (time, said) = said.split_once(" ms").expect("a time");
            let now = Duration::from_millis(time.trim().parse().expect("a number"));
            let words: Vec<&str> = said.split_whitespace().collect();
            let outputs = machine.step(now, input(&words));
            let outputs: Vec<String> = outputs.iter().map(shown).collect();
            let outputs = if outputs.is_empty() { "nothing".to_owned() } else { outputs.join(", ") };
            let got = format!("{outputs} | {:?}", machine.phase().0);
            assert_eq!(got, wanted.trim(), "{line}");
        }
    }

    #[test]
    fn the_first_connection_is_tried_four_times_at_once_and_then_with_growing_pauses() {
        check(
            "
            0 ms    servers a b      -> connect a | Starting
            1 ms    failed           -> connect b | Starting
            2 ms    failed           -> connect a | Starting
            3 ms    failed           -> connect b | Starting
            4 ms    failed           -> nothing | Starting
            163 ms  tick 0           -> nothing | Starting   // one round is over: 200 ms, up to 20 % shorter
            245 ms  tick 0           -> connect a | Starting
            246 ms  failed           -> nothing | Starting
            485 ms  tick 0           -> nothing | Starting
            607 ms  tick 0           -> connect b | Starting
            608 ms  connected #1 10.0.0.2 -> adopt #1 | Running
            ",
        );
    }

    /// The pauses between 200 attempts at these servers that fail in this way.
    fn pauses(servers: &[&str], failed: &[&str]) -> Vec<Duration> {
        let mut machine = Machine::new(LinkSettings::default(), 1);
        let (mut now, mut pauses) = (Duration::ZERO, Vec::new());
        let list: Vec<ServerAddress> = servers.iter().map(|name| server(name)).collect();
        let mut outputs = machine.step(now, Input::Servers(list.into()));
        for _ in 0..200 {
            assert_eq!(outputs.len(), 1, "an attempt");
            outputs = machine.step(now, input(failed));
            if let Some(wake_at) = machine.wake_at() {
                pauses.push(wake_at - now);
                now = wake_at;
                outputs = machine.step(now, Input::Tick { last_active: Duration::ZERO });
            }
        }
        pauses
    }

    /// A server that had stood still for 300 s was tried every 5 s, and had its clients back after as long.
    #[test]
    fn servers_are_all_tried_within_three_seconds_however_they_fail() {
        for failed in [&["failed"][..], &["failed", "handshake"]] {
            let one = pauses(&["a"], failed);
            assert!(one.iter().all(|pause| (80..=2400).contains(&pause.as_millis())), "{one:?}");
            assert!(one[100..].iter().all(|pause| pause.as_millis() >= 1600), "the pauses grow: {one:?}");
            let three = pauses(&["a", "b", "c"], failed);
            for round in three.windows(3) {
                assert!(round.iter().sum::<Duration>() <= Duration::from_millis(2400), "{round:?}");
            }
            assert!(three[190..].iter().all(|pause| pause.as_millis() > 400), "{three:?}");
        }
    }

    #[test]
    fn a_link_without_servers_waits_for_them_and_does_not_stall() {
        check(
            "
            0 ms      servers          -> nothing | Initialised
            90000 ms  servers a        -> connect a | Starting
            90001 ms  servers          -> nothing | Starting
            90002 ms  failed           -> nothing | Starting   // the list has become empty under it
            99000 ms  servers b        -> connect b | Starting
            ",
        );
    }

    #[test]
    fn a_lost_connection_is_replaced_elsewhere_first() {
        check(
            "
            0 ms     servers a b c            -> connect a | Starting
            1 ms     connected #1 10.0.0.1    -> adopt #1 | Running
            9 ms     ended #1                 -> leave #1, connect b | Unhealthy
            10 ms    failed                   -> nothing | Unhealthy
            130 ms   tick 0                   -> connect c | Unhealthy
            131 ms   failed                   -> nothing | Unhealthy
            251 ms   tick 0                   -> connect a last 10.0.0.1 | Unhealthy
            252 ms   connected #2 10.0.0.1    -> adopt #2 | Running
            253 ms   ended #1                 -> nothing | Running
            ",
        );
    }

    #[test]
    fn the_only_server_is_tried_again_at_once() {
        check(
            "
            0 ms     servers a                -> connect a | Starting
            1 ms     connected #1 10.0.0.1    -> adopt #1 | Running
            9 ms     ended #1                 -> leave #1, connect a last 10.0.0.1 | Unhealthy
            ",
        );
    }

    #[test]
    fn a_quiet_connection_is_checked_and_traffic_puts_that_off() {
        check(
            "
            0 ms      servers a b              -> connect a | Starting
            0 ms      connected #1 10.0.0.1    -> adopt #1 | Running
            5000 ms   tick 3000                -> nothing | Running
            8000 ms   tick 3000                -> check #1 | Running
            8001 ms   tick 3000                -> nothing | Running
            8002 ms   good #1                  -> nothing | Running
            13001 ms  tick 8002                -> nothing | Running
            13002 ms  tick 8002                -> check #1 | Running
            17002 ms  bad #1                   -> connect b | Unhealthy   // kept until another one stands
            17003 ms  connected #2 10.0.0.2    -> leave #1, adopt #2 | Running
            ",
        );
    }

    #[test]
    fn an_unregistered_connection_is_given_up_at_once() {
        check(
            "
            0 ms   servers a b              -> connect a | Starting
            0 ms   connected #1 10.0.0.1    -> adopt #1 | Running
            1 ms   unregistered #1          -> leave #1, connect b | Unhealthy
            2 ms   unregistered #1          -> nothing | Unhealthy
            3 ms   connected #2 10.0.0.2    -> adopt #2 | Running
            4 ms   unregistered #1          -> nothing | Running
            9 ms   doubted #2               -> check #2 | Running
            10 ms  unknown #2               -> leave #2, connect a | Unhealthy
            ",
        );
    }

    #[test]
    fn a_request_without_an_answer_is_followed_by_one_check_and_by_nothing_if_that_passes() {
        check(
            "
            0 ms   servers a b              -> connect a | Starting
            0 ms   connected #1 10.0.0.1    -> adopt #1 | Running
            1 ms   doubted #1               -> check #1 | Running
            2 ms   doubted #1               -> nothing | Running
            3 ms   good #1                  -> nothing | Running
            4 ms   doubted #1               -> check #1 | Running
            ",
        );
    }

    #[test]
    fn a_wish_to_leave_is_obeyed_without_a_gap_and_without_a_check() {
        check(
            "
            0 ms   servers 10.0.0.1:1 10.0.0.2:7 10.0.0.3:1 -> connect 10.0.0.1 | Starting
            0 ms   connected #1 10.0.0.1     -> adopt #1 | Running
            1 ms   reset #1 10.0.0.3 9999    -> connect 10.0.0.3 first 10.0.0.3 | Running   // its port is the list's
            2 ms   reset #1 10.0.0.2 7       -> nothing | Running                        // one at a time
            3 ms   failed                    -> nothing | Running
            130 ms tick 0                    -> connect 10.0.0.2 | Running               // once out of turn, then the next
            131 ms connected #2 10.0.0.2     -> leave #1 gently, adopt #2 | Running
            132 ms reset #1 10.0.0.3 1       -> nothing | Running
            133 ms reset #2                  -> connect 10.0.0.3 | Running
            134 ms connected #3 10.0.0.3     -> leave #2 gently, adopt #3 | Running
            135 ms reset #3 10.9.9.9 1       -> connect 10.0.0.1 first 10.9.9.9 | Running  // not in the list: any other
            ",
        );
    }

    #[test]
    fn of_servers_at_one_address_the_port_decides() {
        check(
            "
            0 ms   servers 10.0.0.1:1 10.0.0.1:2 10.0.0.1:3 -> connect 10.0.0.1 | Starting
            0 ms   connected #1 10.0.0.1     -> adopt #1 | Running
            1 ms   reset #1 10.0.0.1 3       -> connect 10.0.0.1 first 10.0.0.1 | Running
            ",
        );
        let mut machine = Machine::new(LinkSettings::default(), 1);
        machine.servers = ["10.0.0.1:1", "10.0.0.1:3"].map(server).into();
        let to = |port| Redirect { ip: IpAddr::from([10, 0, 0, 1]), port };
        assert_eq!(machine.in_list(to(Some(3))), Some(server("10.0.0.1:3")));
        assert_eq!(machine.in_list(to(Some(9))), Some(server("10.0.0.1:1")));
        assert_eq!(machine.in_list(to(None)), Some(server("10.0.0.1:1")));
    }

    #[test]
    fn a_server_that_leaves_the_list_is_left_without_a_gap() {
        check(
            "
            0 ms   servers a b              -> connect a | Starting
            0 ms   connected #1 10.0.0.1    -> adopt #1 | Running
            1 ms   servers b a              -> nothing | Running
            2 ms   servers                  -> nothing | Running   // nobody knows is not nobody serves
            3 ms   servers b c              -> connect c | Running
            4 ms   servers b d              -> nothing | Running
            5 ms   connected #2 10.0.0.3    -> leave #1 gently, adopt #2, connect b | Running
            ",
        );
    }

    #[test]
    fn a_connection_that_breaks_while_it_is_left_is_gone_at_once() {
        check(
            "
            0 ms   servers a b              -> connect a | Starting
            0 ms   connected #1 10.0.0.1    -> adopt #1 | Running
            1 ms   reset #1                 -> connect b | Running
            2 ms   ended #1                 -> leave #1 | Unhealthy
            3 ms   connected #2 10.0.0.2    -> adopt #2 | Running
            ",
        );
    }

    /// A proxy that sent calls to another server than the stream made clients reconnect as fast as they could.
    #[test]
    fn connections_that_do_not_last_are_made_ever_more_slowly() {
        check(
            "
            0 ms     servers a                -> connect a | Starting
            1 ms     connected #1 10.0.0.1    -> adopt #1 | Running
            2 ms     unregistered #1          -> leave #1, connect a last 10.0.0.1 | Unhealthy
            3 ms     connected #2 10.0.0.1    -> adopt #2 | Running
            4 ms     unregistered #2          -> leave #2, connect a last 10.0.0.1 | Unhealthy
            5 ms     connected #3 10.0.0.1    -> adopt #3 | Running
            6 ms     unregistered #3          -> leave #3, connect a last 10.0.0.1 | Unhealthy
            7 ms     connected #4 10.0.0.1    -> adopt #4 | Running
            8 ms     unregistered #4          -> leave #4 | Unhealthy
            87 ms    tick 0                   -> nothing | Unhealthy
            129 ms   tick 0                   -> connect a last 10.0.0.1 | Unhealthy
            130 ms   connected #5 10.0.0.1    -> adopt #5 | Running
            131 ms   reset #5                 -> nothing | Running       // kept meanwhile
            290 ms   tick 130                 -> nothing | Running
            372 ms   tick 130                 -> connect a last 10.0.0.1 | Running
            373 ms   connected #6 10.0.0.1    -> leave #5 gently, adopt #6 | Running
            5373 ms  unregistered #6          -> leave #6, connect a last 10.0.0.1 | Unhealthy   // it has lasted
            ",
        );
    }

    #[test]
    fn shut_down_is_for_good() {
        check(
            "
            0 ms   servers a b              -> connect a | Starting
            0 ms   connected #1 10.0.0.1    -> adopt #1 | Running
            1 ms   reset #1                 -> connect b | Running
            2 ms   shutdown                 -> leave #1 | ShutDown
            3 ms   connected #2 10.0.0.2    -> leave #2 | ShutDown
            4 ms   servers c                -> nothing | ShutDown
            5 ms   ended #1                 -> nothing | ShutDown
            6 ms   tick 0                   -> nothing | ShutDown
            ",
        );
    }
}
