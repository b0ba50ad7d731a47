//! Scripts for the desired state. A line is `<ms> <what happens> => <what is asked because of it>`; answers go to the
//! oldest question. `sees <port> <state>` looks at a registration.

mod any_order;

use super::*;
use crate::clock;
use crate::failure::Layer;
use crate::naming::instances::tests::service;
use crate::naming::publication::Form;

struct Stage {
    desired: Desired,
    began: Instant,
    open: Vec<Job>,
    states: BTreeMap<u16, watch::Receiver<RegistrationState>>,
}

fn instance(port: u16, weight: f64) -> Instance {
    Instance::builder("10.0.0.1", port).weight(weight).build().expect("a good instance")
}

fn shown(job: &Job) -> String {
    let ports = |set: &super::super::publication::Set| {
        set.values().map(|one| one.port().to_string()).collect::<Vec<_>>().join(",")
    };
    match &job.what {
        What::Publish(_, Publish::Put(put)) => {
            let form = if put.form == Form::Single { "single" } else { "batch" };
            let left = if put.left.is_empty() { String::new() } else { format!("left({})+", ports(&put.left)) };
            format!("{left}{form}({})", ports(&put.set))
        }
        What::Publish(_, Publish::Take(_)) => "take".to_owned(),
        What::Subscribe(service) => format!("subscribe({})", service.name),
        What::Unsubscribe(service) => format!("unsubscribe({})", service.name),
        What::Watch(pattern) => format!("watch({pattern})"),
        What::CancelWatch(pattern) => format!("cancel({pattern})"),
    }
}

impl Stage {
    fn answer(&mut self, now: Instant, outcome: &Outcome) {
        let job = self.open.remove(0);
        self.desired.end(now, &job, outcome);
    }

    fn happens(&mut self, now: Instant, words: &[&str]) -> Option<String> {
        let refused = || Outcome::of::<()>(Err(Error::Denied("no right".to_owned())));
        let broken = || Outcome::of::<()>(Err(Error::Broken("cut".to_owned())));
        let busy = || Outcome::of::<()>(Err(Error::Busy("full".to_owned())));
        let orders = service("orders");
        match words {
            ["connected", number] => self.desired.session(Some(Generation::new(number.parse().expect("a number")))),
            ["lost"] => self.desired.session(None),
            ["because", why] => {
                let server = "h:1".parse().expect("an address");
                let failure = ConnectFailure { server, layer: Layer::Rejected, cause: (*why).to_owned() };
                self.desired.explain(Some(&failure));
            }
            ["registers", port] => self.register(port, 1.0),
            ["registers", port, "weight", weight] => self.register(port, weight.parse().expect("a weight")),
            ["deregisters", port] => {
                let key = instance(port.parse().expect("a port"), 1.0).key().clone();
                self.desired.deregister(&orders, &key).expect("it was registered");
            }
            ["abandons", port] => {
                let key = instance(port.parse().expect("a port"), 1.0).key().clone();
                self.desired.abandon(&orders, &key);
            }
            ["subscribes", name] => drop(self.desired.subscribe(&service(name))),
            ["unsubscribes", name] => self.desired.unsubscribe(&service(name)),
            ["withdraws"] => self.desired.withdraw_all(),
            ["done"] => self.answer(now, &Outcome::Done),
            ["breaks"] => self.answer(now, &broken()),
            ["busy"] => self.answer(now, &busy()),
            ["refused"] => self.answer(now, &refused()),
            ["time"] => {}
            ["sees", port] => return Some(self.state(port.parse().expect("a port"))),
            ["over"] => return Some(self.desired.is_over().to_string()),
            other => panic!("no such line: {other:?}"),
        }
        None
    }

    fn register(&mut self, port: &str, weight: f64) {
        let port = port.parse().expect("a port");
        let state = self.desired.register(&service("orders"), instance(port, weight));
        self.states.insert(port, state);
    }

    fn state(&self, port: u16) -> String {
        match &*self.states[&port].borrow() {
            RegistrationState::Pending => "pending".to_owned(),
            RegistrationState::Registered { .. } => "registered".to_owned(),
            RegistrationState::Retrying { reason, attempts } => format!("retrying {attempts}: {reason}"),
            RegistrationState::Refused { reason, kept } => {
                format!("{}: {reason}", if *kept { "change refused" } else { "refused" })
            }
            RegistrationState::Leaving => "leaving".to_owned(),
            RegistrationState::Gone => "gone".to_owned(),
        }
    }
}

#[track_caller]
fn check(script: &str) {
    let pauses = Pauses { retry: Duration::from_secs(3), resubscribe: None, rewatch: Duration::from_secs(180) };
    let desired = Desired::new(pauses);
    let mut stage = Stage { desired, began: clock::now(), open: Vec::new(), states: BTreeMap::new() };
    for line in script.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|l| !l.is_empty()) {
        let (happens, expected) = line.split_once("=>").unwrap_or((line, ""));
        let words: Vec<&str> = happens.split_whitespace().collect();
        let (at, words) = words.split_first().expect("a time");
        let now = stage.began + Duration::from_millis(at.parse().expect("a time in ms"));
        let seen = stage.happens(now, words);
        let jobs = stage.desired.begin(now);
        let asked = jobs.iter().map(shown).collect::<Vec<_>>().join(" ");
        stage.open.extend(jobs);
        assert_eq!(seen.unwrap_or(asked), expected.trim(), "{line}");
    }
}

#[test]
fn a_registration_waits_for_the_connection_and_is_made_again_on_the_next() {
    check(
        "
        0 registers 80
        0 sees 80       => pending
        10 connected 1  => single(80)
        12 done
        12 sees 80      => registered
        20 lost
        20 sees 80      => retrying 0: not connected
        30 connected 2  => single(80)      # at once, not after the pause
        31 sees 80      => pending
        32 done
        32 sees 80      => registered
    ",
    );
}

#[test]
fn checklist_6_what_was_deregistered_without_a_connection_stays_gone() {
    check(
        "
        0 connected 1
        1 registers 80  => single(80)
        2 done
        3 lost
        4 deregisters 80
        4 sees 80       => gone
        4 over          => true            # nothing holds up a client that closes
        5 connected 2   => take            # a server that restarted may remember it
        5 over          => false
        6 done
        6 over          => true
        7 lost
        8 connected 3                      # nothing is asked
        9 over          => true
    ",
    );
    check(
        "
        0 registers 80                     # it was never asked for
        1 deregisters 80
        2 connected 1                      # nothing is asked
        2 over          => true
    ",
    );
    check(
        "
        0 connected 1
        1 registers 80  => single(80)
        2 deregisters 80                   # before the answer: one question at a time
        3 breaks        => take            # it may have been registered
        4 lost
        5 connected 2   => take
        6 done                             # of the connection before: it counts for nothing
        6 over          => false
        7 done
        7 over          => true
    ",
    );
}

#[test]
fn what_was_left_behind_is_taken_back_before_the_rest_is_asked_for_again() {
    check(
        "
        0 connected 1
        1 registers 80  => single(80)
        2 done
        3 registers 81  => batch(80,81)
        4 done
        5 lost
        6 deregisters 80
        7 connected 2   => left(80)+single(81)
        8 breaks
        3008 time       => left(80)+single(81)
        3009 done
        3010 deregisters 81 => take
        3011 done
        3011 over       => true
    ",
    );
}

#[test]
fn checklist_6_a_refusal_is_not_repeated_forever() {
    check(
        "
        0 connected 1
        1 registers 80  => single(80)
        2 refused
        2 sees 80       => refused: not allowed: no right
        9000 time
        9001 lost
        9002 connected 2                   # also not on another connection
        9003 registers 80 => single(80)    # but when the caller asks anew
        9004 done
        9004 sees 80    => registered
    ",
    );
}

#[test]
fn checklist_7_a_second_instance_does_not_replace_the_first() {
    check(
        "
        0 connected 1
        1 registers 80  => single(80)
        2 done
        3 registers 81  => batch(80,81)
        4 done
        4 sees 80       => registered
        4 sees 81       => registered
        5 deregisters 80 => batch(81)      # a batch stays one on its connection
        6 sees 80       => leaving
        7 done
        7 sees 80       => gone
        8 lost
        9 connected 2   => single(81)
        10 done
        11 deregisters 81 => take
        12 done
        12 sees 81      => gone
        12 over         => true
    ",
    );
}

#[test]
fn changes_that_come_while_a_question_is_open_are_asked_together_afterwards() {
    check(
        "
        0 connected 1
        1 registers 80  => single(80)
        2 registers 81
        3 registers 82
        4 done          => batch(80,81,82)
        4 sees 80       => registered
        4 sees 81       => pending
        5 deregisters 81
        6 done          => batch(80,82)
        7 done
        7 sees 81       => gone
    ",
    );
}

#[test]
fn why_there_is_no_connection_stands_in_the_state() {
    check(
        "
        0 registers 80
        1 because full
        1 sees 80       => retrying 0: not connected: h:1001 refused the connection: full
        2 because shy
        2 sees 80       => retrying 0: not connected: h:1001 refused the connection: shy
        3 connected 1   => single(80)
        3 sees 80       => pending
        4 done
        5 because late                     # a connection stands
        5 sees 80       => registered
        6 lost
        6 sees 80       => retrying 0: not connected
        7 because full
        7 sees 80       => retrying 0: not connected: h:1001 refused the connection: full
    ",
    );
}

#[test]
fn what_breaks_is_tried_again_every_three_seconds() {
    check(
        "
        0 connected 1
        1 registers 80  => single(80)
        1000 breaks
        1000 sees 80    => retrying 1: the connection broke: cut
        3999 time
        4000 time       => single(80)
        5000 breaks
        5000 sees 80    => retrying 2: the connection broke: cut
        8000 time       => single(80)
        8001 busy
        20001 time      => single(80)      # a busy server gets more rest: 3 s, doubled twice
        20002 done
        20002 sees 80   => registered
    ",
    );
}

#[test]
fn a_refused_instance_does_not_take_the_others_with_it() {
    check(
        "
        0 connected 1
        1 registers 80  => single(80)
        2 done
        3 registers 81  => batch(80,81)
        4 refused
        4 sees 80       => registered
        4 sees 81       => refused: not allowed: no right
        5 lost
        6 connected 2   => single(80)
        7 done
        7 sees 81       => refused: not allowed: no right
        8 deregisters 81
        8 sees 81       => gone
    ",
    );
}

#[test]
fn a_refused_change_leaves_what_was_registered() {
    check(
        "
        0 connected 1
        1 registers 80             => single(80)
        2 done
        3 registers 80 weight 5    => single(80)
        4 refused
        4 sees 80       => change refused: not allowed: no right
        5 abandons 80
        5 sees 80       => registered
    ",
    );
}

#[test]
fn a_registration_that_came_to_nothing_in_time_is_taken_back() {
    check(
        "
        0 connected 1
        1 registers 80  => single(80)
        3000 breaks
        3000 abandons 80 => take
        3001 done
        3001 over       => true
    ",
    );
    check(
        "
        0 registers 80
        3000 abandons 80
        3000 over       => true
    ",
    );
}

#[test]
fn subscriptions_are_made_again_after_instances_and_unsubscribed_once() {
    check(
        "
        0 subscribes pay
        1 subscribes orders
        2 registers 80
        3 connected 1   => single(80) subscribe(orders) subscribe(pay)
        4 done
        5 done
        6 done
        7 lost
        8 unsubscribes pay
        9 connected 2   => single(80) subscribe(orders)
        10 done
        11 done
        12 unsubscribes orders => unsubscribe(orders)
        13 subscribes orders                       # before the answer
        14 done         => subscribe(orders)
    ",
    );
}

#[test]
fn answers_of_an_old_connection_count_for_nothing() {
    check(
        "
        0 connected 1
        1 registers 80  => single(80)
        2 connected 2   => single(80)
        3 done                                      # of the first connection
        3 sees 80       => pending
        4 done
        4 sees 80       => registered
    ",
    );
}

#[test]
fn withdrawing_takes_everything_back() {
    check(
        "
        0 connected 1
        1 registers 80  => single(80)
        2 done
        3 subscribes orders => subscribe(orders)
        4 done
        5 withdraws     => take unsubscribe(orders)
        6 done
        6 sees 80       => gone
        7 done
        7 over          => true
    ",
    );
}

#[test]
fn no_more_than_a_bounded_number_of_questions_is_open() {
    let pauses = Pauses { retry: Duration::from_secs(3), resubscribe: None, rewatch: Duration::from_secs(180) };
    let (mut desired, now) = (Desired::new(pauses), clock::now());
    for number in 0..100 {
        desired.subscribe(&service(&format!("s{number}")));
    }
    desired.session(Some(Generation::new(1)));
    let jobs = desired.begin(now);
    assert_eq!((jobs.len(), desired.begin(now).len()), (IN_FLIGHT_MAX, 0));
    for job in &jobs {
        desired.end(now, job, &Outcome::Done);
    }
    assert_eq!(desired.begin(now).len(), 100 - IN_FLIGHT_MAX);
}

#[test]
fn what_may_still_be_held_of_earlier_questions_is_named_until_it_is_known() {
    let (mut publication, now, pause) = (Publication::new(), clock::now(), Duration::from_secs(3));
    let generation = Generation::new(1);
    let ask = |publication: &mut Publication, number: u64, outcome: &Outcome| {
        let asked = publication.begin(now + pause * u32::try_from(number).unwrap_or(0), Ticket(number), generation);
        publication.end(now, Ticket(number), outcome, pause);
        let Some(Publish::Put(replace)) = asked else { panic!("there is nothing to put: {asked:?}") };
        let ports = |all: Vec<&Instance>| all.iter().map(|one| one.port()).collect::<Vec<_>>();
        (ports(replace.missing().collect()), ports(replace.dropped().collect()))
    };
    let broken = Outcome::of::<()>(Err(Error::Broken("cut".to_owned())));
    publication.register(instance(80, 1.0));
    publication.register(instance(81, 1.0));
    assert_eq!(ask(&mut publication, 1, &Outcome::Done), (vec![80, 81], vec![]));
    publication.deregister(instance(80, 1.0).key());
    assert_eq!(ask(&mut publication, 2, &broken), (vec![], vec![80]));
    assert_eq!(ask(&mut publication, 3, &Outcome::Done), (vec![81], vec![80]), "whether it was done is not known");
    publication.register(instance(82, 1.0));
    assert_eq!(ask(&mut publication, 4, &Outcome::Done), (vec![82], vec![]));
}
