//! One suite of what users do, from the first registration to a restart of the server in the middle of it.
//!
//! It runs against a server of this project inside the test, which must pass every step, and by hand against any other one:
//!
//! ```sh
//! NACOS_SERVER=127.0.0.1:8848 cargo test -p nacrite-client --test suite -- --nocapture
//! ```
//!
//! `NACOS_GRPC_PORT` names gRPC's port if it is not 1000 above, `NACOS_RESTART` a command that restarts the server, without
//! which nobody can see what follows. A step that another server does not support is told as such.

#![expect(clippy::expect_used, clippy::panic, reason = "a step that cannot go on has failed")]

mod config;
mod naming;
mod operators;
#[path = "../faults/proxy.rs"]
mod proxy;
mod restart;
mod target;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use nacrite_client::Error;
use tokio::task::JoinSet;

use target::Target;

/// Nothing that a step waits for takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a step ended, if it did not fail.
#[derive(Debug)]
enum Outcome {
    Passed,
    /// The server has no such thing; in words.
    Unsupported(String),
}

impl Outcome {
    /// What an error says about the server: that it cannot do this, or that the step has failed.
    fn of(error: &Error) -> Self {
        match error {
            Error::Unsupported(what) => Self::Unsupported(format!("the server does not support {what}")),
            error => panic!("{error}"),
        }
    }
}

/// What a user does, and what comes of it.
type Step = (&'static str, fn(Arc<Target>) -> BoxFuture<'static, Outcome>);

/// Makes steps of functions, named as they are.
macro_rules! steps {
    ($($module:ident::$step:ident),* $(,)?) => {
        [$((stringify!($step), (|target| Box::pin($module::$step(target))) as fn(Arc<Target>) -> BoxFuture<'static, Outcome>)),*]
    };
}

/// Every step, in order. The restart is the last one: it disturbs all others.
const STEPS: &[Step] = &steps![
    naming::an_instance_is_registered_and_found_as_it_was_described,
    naming::instances_of_one_client_are_a_set,
    naming::many_instances_are_registered_at_once,
    naming::subscribers_are_told_what_is_different,
    naming::weight_and_metadata_change,
    naming::a_disabled_instance_is_not_chosen,
    naming::groups_are_apart,
    naming::namespaces_are_apart,
    naming::clusters_are_chosen_from,
    naming::subscribers_are_independent,
    naming::metadata_may_be_in_any_script,
    naming::a_dropped_client_takes_its_instances_along,
    naming::services_are_listed_page_by_page,
    naming::services_are_watched_by_pattern,
    naming::a_persistent_instance_outlives_its_client,
    config::a_config_is_published_read_and_removed,
    config::a_config_is_published_under_a_condition,
    config::changes_and_removals_are_heard,
    config::groups_and_namespaces_are_apart,
    config::contents_may_be_in_any_script,
    config::contents_may_be_of_one_mebibyte,
    config::a_config_is_bound_to_a_type,
    config::a_tag_has_a_version_of_its_own,
    config::configs_are_watched_by_pattern,
    operators::a_lock_is_held_by_one,
    operators::a_service_is_created_and_removed,
    operators::a_namespace_is_created_and_removed,
    restart::all_is_right_after_a_restart,
];

/// Steps that servers of this project do not support yet. Whoever adds to the server takes away here.
const NOT_YET: &[&str] = &["a_lock_is_held_by_one"];

#[tokio::test]
async fn users_do_what_they_do() {
    let target = Arc::new(Target::start().await);
    let (mut report, mut failed, mut unsupported) = (String::new(), 0, Vec::new());
    for (name, step) in STEPS {
        // In a task of its own, so that the steps after one that fails are still taken.
        let mut task = JoinSet::new();
        task.spawn(tokio::time::timeout(3 * PATIENCE, step(Arc::clone(&target))));
        let said = match task.join_next().await {
            Some(Ok(Ok(Outcome::Passed))) => "passed".to_owned(),
            Some(Ok(Ok(Outcome::Unsupported(why)))) => {
                unsupported.push(*name);
                format!("NOT SUPPORTED: {why}")
            }
            Some(Ok(Err(_))) => {
                failed += 1;
                "FAILED: it does not end".to_owned()
            }
            Some(Err(error)) => {
                failed += 1;
                format!("FAILED: {}", words(error))
            }
            None => panic!("a step was begun"),
        };
        let name = name.replace('_', " ");
        writeln!(report, "{name:<60} {said}").expect("a text takes it");
    }
    let passed = STEPS.len() - failed - unsupported.len();
    writeln!(report, "{passed} passed, {failed} failed, {} not supported", unsupported.len()).expect("a text takes it");
    eprintln!("{}\n{report}", target.name());
    assert_eq!(failed, 0, "\n{report}");
    assert!(target.is_foreign() || unsupported == NOT_YET, "it supports more or less than it did\n{report}");
    let target = Arc::into_inner(target).expect("every step has ended");
    target.stop().await;
}

/// What a step said when it failed.
fn words(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "it was stopped".to_owned() };
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}
