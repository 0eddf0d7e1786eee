//! Waits that end: what hangs becomes a failure that says so.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::mpsc,
    thread,
    time::Duration,
};

/// After so long something that should have happened does not happen any more, however busy the machine is.
pub(crate) const TOO_LONG: Duration = Duration::from_secs(20);

/// Runs `body` on a thread of its own, and fails if that takes 20 s: a test
/// whose subject is a loop that may hang.
pub(crate) fn without_hanging<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        sender
            .send(catch_unwind(AssertUnwindSafe(body)))
            .expect("the test waits for this");
    });
    let result = receiver
        .recv_timeout(TOO_LONG)
        .expect("the loop hangs: nothing happened for 20 s");
    thread.join().unwrap();
    result.unwrap_or_else(|payload| resume_unwind(payload))
}
