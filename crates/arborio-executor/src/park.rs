//! What a loop does when it has nothing to poll.
//!
//! The executor knows neither I/O nor time. Whoever composes a runtime gives it
//! a [`Park`]: timers and a reactor, a plain thread park, a simulated world.

use std::time::Duration;

use arborio_task::Task;

/// Looks at the outside world for the loop.
///
/// # Examples
/// ```
/// use arborio_executor::{Park, Passed, Wait};
/// /// A world in which nothing ever happens.
/// struct Void;
/// impl Park for Void {
///     fn pass(&mut self, _wait: Wait) -> Passed {
///         Passed::Stalled
///     }
/// }
/// assert_eq!(Void.pass(Wait::Never), Passed::Stalled);
/// ```
pub trait Park {
    /// One pass: wakes the tasks whose timers are due, then those whose I/O is
    /// ready. Unless told [`Wait::Never`] it may block until there is something,
    /// and must return when the loop's notifier is called.
    fn pass(&mut self, wait: Wait) -> Passed;

    /// As [`pass`](Self::pass) with [`Wait::Allowed`], but blocks for at most `limit`. By default it does not
    /// block at all.
    fn pass_within(&mut self, limit: Duration) -> Passed {
        let _ = limit;
        self.pass(Wait::Never)
    }

    /// Another worker of the team is in a poll for long: wakes the tasks whose timers are due with that worker, and those whose I/O
    /// is ready there. Must not block. By default nobody does that for it.
    fn stand_in(&mut self, worker: usize) {
        let _ = worker;
    }

    /// The next [`pass_within`](Self::pass_within) also ends, if it can, when there is news for the I/O of that worker, which
    /// is in a poll. By default it does not.
    fn attend(&mut self, worker: usize) {
        let _ = worker;
    }

    /// How many timers are armed, and how many descriptors are registered: asked before each pass, for
    /// [metrics](crate::Handle::metrics) only. By default none.
    fn counts(&self) -> (usize, usize) {
        (0, 0)
    }

    /// `main` has ended, and the loop goes on because of other tasks. Called once,
    /// outside of every poll; it may spawn.
    fn main_ended(&mut self) {}

    /// The loop is ending, and every task that is left was asked to. Spawns a task that
    /// is [not awaited](crate::TaskBuilder::awaited), and that ends when they have had their time;
    /// it will not be asked. `None`, which is the default, if they have none: then they are dropped at once.
    fn start_grace(&mut self) -> Option<Task<()>> {
        None
    }

    /// Whether tasks have been polled for so long since the last pass that the
    /// outside world should have a look in, although tasks are still ready.
    /// Asked after [`SLICE`](crate::SLICE) polls, and then less often. By default never.
    fn slice_is_over(&mut self) -> bool {
        false
    }
}

/// Whether a pass may block.
///
/// # Examples
/// ```
/// assert_ne!(arborio_executor::Wait::Never, arborio_executor::Wait::Allowed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Tasks are ready: only look.
    Never,
    /// Nothing is ready: wait for something.
    Allowed,
    /// The same, and no other thread holds a [`Handle`](crate::Handle) of this
    /// loop: if there is no timer and no I/O either, nothing can ever happen.
    Alone,
}

/// What a pass found.
///
/// # Examples
/// ```
/// assert_ne!(arborio_executor::Passed::Looked, arborio_executor::Passed::Stalled);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Passed {
    /// The loop goes on.
    Looked,
    /// The loop is alone, and there is nothing that could ever wake a task: no
    /// timer, no I/O.
    Stalled,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says only what has to be said.
    #[derive(Default)]
    struct Curt(Vec<Wait>);

    impl Park for Curt {
        fn pass(&mut self, wait: Wait) -> Passed {
            self.0.push(wait);
            Passed::Looked
        }
    }

    #[test]
    fn a_park_that_says_nothing_else_does_not_block_and_has_nothing() {
        let mut park = Curt::default();
        assert_eq!(park.pass_within(Duration::from_secs(9)), Passed::Looked);
        park.stand_in(1);
        park.attend(1);
        park.main_ended();
        assert_eq!(park.0, [Wait::Never]);
        assert_eq!(park.counts(), (0, 0));
        assert!(park.start_grace().is_none());
        assert!(!park.slice_is_over());
    }
}
