//! Named threads for work that blocks: the log writer and the state machine.
//!
//! A thread that panics has lost the invariant it kept, so the process must end: the guard runs the given action.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

/// Starts a thread named `name` that runs `work`. If `work` panics, `on_panic` is called with what it said.
///
/// # Errors
/// The operating system refused the thread.
#[expect(clippy::disallowed_methods, reason = "the one place that starts threads")]
pub fn spawn_guarded(
    name: &str,
    work: impl FnOnce() + Send + 'static,
    on_panic: impl FnOnce(String) + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(work)) {
            let said = payload
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| payload.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                .unwrap_or_else(|| "panic without a message".to_owned());
            on_panic(said);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn a_panic_of_a_guarded_thread_is_told() {
        let (tell, told) = sync_channel(1);
        let thread =
            spawn_guarded("guarded", || panic!("lost"), move |said| tell.send(said).expect("the test listens"));
        thread.expect("threads can start").join().expect("the guard caught the panic");
        assert_eq!(told.recv().expect("the guard spoke"), "lost");
    }
}
