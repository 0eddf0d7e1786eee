//! What an observer is told: [`Report`].
//!
//! The executor has reports of its own, which know neither clocks nor scopes. Here they become those of a loop in which all
//! parts meet. What a scope without an observer has to say comes by a hook (`hooks.rs`) to the observer of this thread's loop.

use std::{cell::RefCell, fmt, io, sync::Arc, time::Duration};

use arborio_executor::{Payload, Report as OfExecutor, SlowPoll, TaskInfo, Tree};

use crate::watches::Observer;

/// Something that nobody asked for and somebody should know.
///
/// # Examples
/// ```
/// use arborio::options::Report;
/// let tree = arborio::tree::Tree::default();
/// let report = Report::Lingering(&tree).to_string();
/// assert!(report.starts_with("main has ended; the loop waits for 0 tasks"));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Report<'a> {
    /// A task panicked, and nobody observed it; or its panic lay in a handle that is gone. It
    /// [names](Payload::task_name) its task.
    Panic(&'a Payload),
    /// `main` has ended, and the loop has been waiting for these tasks since: the
    /// [awaited](Tree::awaited) part of its tree.
    Lingering(&'a Tree),
    /// The loop is ending, and these tasks had not ended when their grace was over: they
    /// are dropped now.
    Forced(&'a Tree),
    /// The task of a scope was dropped because it had not ended when the grace of the scope was over; or a part of a
    /// task was, by a deadline. Told if the scope has no observer, as it is a
    /// [`ScopeNote::Stubborn`](crate::scope::ScopeNote::Stubborn) otherwise.
    Stubborn(&'a TaskInfo),
    /// The system refuses to tell the loop of its I/O. The loop goes on with
    /// its timers and what other threads send, and asks again.
    Io(&'a io::Error),
    /// A poll takes long, says the watchdog, on a thread of its own: nothing else runs on this
    /// thread meanwhile.
    SlowPoll(&'a SlowPoll),
    /// A simulated clock does not move, although everybody waits and a timer is armed: descriptors hold it. Told once.
    HeldClock(&'a HeldClock),
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Panic(panic) => OfExecutor::Panic(panic).fmt(f),
            Self::Lingering(tree) => OfExecutor::Lingering(tree).fmt(f),
            Self::Forced(tree) => OfExecutor::Forced(tree).fmt(f),
            Self::Stubborn(task) => write!(
                f,
                "a task, or a part of it, outlived its grace and was dropped: {task}"
            ),
            Self::Io(error) => OfExecutor::Io(error).fmt(f),
            Self::SlowPoll(poll) => poll.fmt(f),
            Self::HeldClock(held) => held.fmt(f),
        }
    }
}

impl<'a> From<OfExecutor<'a>> for Report<'a> {
    fn from(report: OfExecutor<'a>) -> Self {
        match report {
            OfExecutor::Panic(panic) => Self::Panic(panic),
            OfExecutor::Lingering(tree) => Self::Lingering(tree),
            OfExecutor::Forced(tree) => Self::Forced(tree),
            OfExecutor::Io(error) => Self::Io(error),
            OfExecutor::SlowPoll(poll) => Self::SlowPoll(poll),
        }
    }
}

/// A simulated clock that stands still because descriptors [hold](crate::LoopBuilder::io_holds_clock) it.
///
/// # Examples
/// See [`held_clock`](crate::LoopBuilder::held_clock).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HeldClock {
    /// How many descriptors are registered with the loop: sockets, listeners, and others.
    pub descriptors: usize,
    /// How far ahead the next timer is, on the loop's clock.
    pub next: Duration,
    /// For how long nothing has happened, in real time.
    pub waited: Duration,
}

impl fmt::Display for HeldClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, keep) = match self.descriptors {
            1 => ("1 descriptor (a socket or a listener)".to_owned(), "keeps"),
            count => (format!("{count} descriptors (sockets, listeners)"), "keep"),
        };
        let (waited, next) = (self.waited, self.next);
        write!(
            f,
            "the simulated clock has not moved for {waited:.1?}: {count} {keep} it from jumping to the next timer, \
             which is {next:?} ahead; `io_holds_clock(false)` of the builder lets it jump, \
             `Clock::current().advance(..)` moves it"
        )
    }
}

thread_local! {
    /// Who is told of what happens in the loop that runs on this thread.
    static OBSERVER: RefCell<Option<Observer>> = const { RefCell::new(None) };
}

/// The observer is that of this thread as long as this lives.
pub(crate) struct Observing(());

impl Observing {
    pub(crate) fn begin(observer: &Observer) -> Self {
        let _ = OBSERVER.try_with(|here| here.replace(Some(Arc::clone(observer))));
        Self(())
    }
}

impl Drop for Observing {
    fn drop(&mut self) {
        // The last use of an observer runs foreign destructors: after the cell was left.
        let observer = OBSERVER.try_with(RefCell::take);
        arborio_base::contain(|| drop(observer));
    }
}

/// Tells the observer of this thread's loop, if one runs here.
pub(crate) fn tell_here(report: &Report<'_>) {
    let observer = OBSERVER.try_with(|observer| observer.borrow().clone());
    if let Ok(Some(observer)) = observer {
        arborio_base::contain(|| observer(report)); // foreign code, outside of the cell
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn an_observer_is_told_while_its_loop_runs_and_is_not_kept_behind_it() {
        let told = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&told);
        let observer: Observer = Arc::new(move |_| {
            counts.fetch_add(1, Ordering::Relaxed);
        });
        let tree = Tree::default();
        let observing = Observing::begin(&observer);
        tell_here(&Report::Lingering(&tree));
        drop((observing, observer));
        tell_here(&Report::Lingering(&tree));
        assert_eq!(told.load(Ordering::Relaxed), 1);
        assert_eq!(Arc::strong_count(&told), 1, "somebody has the observer");
    }
}
