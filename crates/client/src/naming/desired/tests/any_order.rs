//! Whatever happens in whatever order, in the end the server holds what is wanted and nothing else.

use std::collections::BTreeMap;

use super::*;
use crate::naming::publication::Set;

/// Scripts that are tried; each is made from its number.
const SCRIPTS: u64 = 3000;

/// Things that happen in one script.
const STEPS: u32 = 40;

/// Instances by port, with their weights.
type Weights = BTreeMap<u16, String>;

/// What a server holds for the connections that stand, by the rules of Nacos: one entry per connection and service.
#[derive(Default)]
struct Server {
    generation: u64,
    held: Weights,
    subscribed: bool,
}

struct Play {
    desired: Desired,
    server: Server,
    connected: bool,
    open: Vec<Job>,
    now: Instant,
    chance: u64,
    wanted: Weights,
    subscribed: bool,
    states: Vec<(u16, watch::Receiver<RegistrationState>)>,
}

fn weights(set: &Set) -> Weights {
    set.values().map(|one| (one.port(), one.weight().to_string())).collect()
}

impl Play {
    fn new(number: u64) -> Self {
        let pauses = Pauses { retry: Duration::from_secs(3), resubscribe: None, rewatch: Duration::from_secs(180) };
        Self {
            desired: Desired::new(pauses),
            server: Server::default(),
            connected: false,
            open: Vec::new(),
            now: clock::now(),
            chance: number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            wanted: Weights::new(),
            subscribed: false,
            states: Vec::new(),
        }
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % end
    }

    fn connect(&mut self) {
        self.server = Server { generation: self.server.generation + 1, ..Server::default() };
        self.connected = true;
        self.desired.session(Some(Generation::new(self.server.generation)));
    }

    /// The server does what it was asked; on a connection that is gone it does nothing.
    fn do_job(&mut self, job: &Job) {
        if !self.connected || job.generation != Generation::new(self.server.generation) {
            return;
        }
        match &job.what {
            What::Publish(_, Publish::Put(replace)) => self.server.held = weights(&replace.set),
            What::Publish(_, Publish::Take(_)) => self.server.held.clear(),
            What::Subscribe(_) => self.server.subscribed = true,
            What::Unsubscribe(_) => self.server.subscribed = false,
            What::Watch(_) | What::CancelWatch(_) => {}
        }
    }

    fn happens(&mut self) {
        let port = u16::try_from(self.below(4)).expect("it is below 4") + 80;
        match self.below(12) {
            0..=2 => {
                let weight = if self.below(2) == 0 { 1.0 } else { 2.0 };
                let state = self.desired.register(&service("orders"), instance(port, weight));
                self.states.push((port, state));
                self.wanted.insert(port, weight.to_string());
            }
            3..=4 => {
                self.desired.deregister(&service("orders"), instance(port, 1.0).key());
                self.wanted.remove(&port);
            }
            5 => {
                self.subscribed = !self.subscribed;
                if self.subscribed {
                    self.desired.subscribe(&service("orders"));
                } else {
                    self.desired.unsubscribe(&service("orders"));
                }
            }
            6 => self.connect(),
            7 => {
                self.connected = false;
                self.desired.session(None);
            }
            8 => self.now += Duration::from_secs(2),
            9 if !self.open.is_empty() => self.answered(true, &Outcome::Done),
            // Done or not, the answer was lost.
            10 if !self.open.is_empty() => {
                let was_done = self.below(2) == 0;
                self.answered(was_done, &Outcome::of::<()>(Err(Error::Broken("cut".to_owned()))));
            }
            _ => {}
        }
        let jobs = self.desired.begin(self.now);
        self.open.extend(jobs);
    }

    /// Any of the open questions is answered.
    fn answered(&mut self, was_done: bool, outcome: &Outcome) {
        let at = usize::try_from(self.below(self.open.len() as u64)).expect("it is below a length");
        let job = self.open.remove(at);
        if was_done {
            self.do_job(&job);
        }
        self.desired.end(self.now, &job, outcome);
    }

    /// From now on everything goes well.
    fn settle(&mut self) {
        if !self.connected {
            self.connect();
        }
        for _ in 0..100 {
            self.now += Duration::from_secs(3);
            let jobs = self.desired.begin(self.now);
            self.open.extend(jobs);
            if self.open.is_empty() {
                return;
            }
            while !self.open.is_empty() {
                self.answered(true, &Outcome::Done);
            }
        }
        panic!("it never comes to rest: {:?}", self.desired);
    }
}

#[test]
fn in_the_end_the_server_holds_what_is_wanted_and_nothing_else() {
    for number in 1..=SCRIPTS {
        let mut play = Play::new(number);
        for _ in 0..STEPS {
            play.happens();
        }
        play.settle();
        assert_eq!(play.server.held, play.wanted, "script {number}");
        assert_eq!(play.server.subscribed, play.subscribed, "script {number}");
        for (port, state) in &play.states {
            let state = state.borrow().clone();
            let is_right = match state {
                RegistrationState::Registered { .. } => play.wanted.contains_key(port),
                // An earlier registration of a port that was registered again later is gone all the same.
                RegistrationState::Gone => true,
                _ => false,
            };
            assert!(is_right, "script {number}: {port} is {state:?}");
        }
        assert_eq!(play.desired.is_over(), play.wanted.is_empty() && !play.subscribed, "script {number}");
    }
}
