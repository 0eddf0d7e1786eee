//! How many operations the poll that is running may still do.
//!
//! A task that always finds its socket readable, or its channel full, would
//! never return from its poll. Leaves that can be ready for ever (sockets,
//! accept, channels, streams, intervals) therefore charge a budget; when it is
//! used up they wake their task once and are pending, so everybody else gets a
//! turn. Locks, events, promises and join handles charge nothing.
//!
//! The budget is set by the executor before each poll. On a thread where no
//! Arborio executor is polling it is unlimited.

use std::{
    cell::Cell,
    task::{Context, Poll},
};

use crate::sync::thread_local;

/// What one poll of a task may do. Large enough that
/// a full channel is drained in few polls, small enough that a poll stays
/// below some tens of microseconds.
pub const PER_POLL: u32 = 256;

/// No limit: nobody set a budget on this thread.
const UNLIMITED: u32 = u32::MAX;

thread_local! {
    /// Operations left in the poll that is running. No destructor, so it can
    /// be read at any time of a thread's life.
    static LEFT: Cell<u32> = const { Cell::new(UNLIMITED) };
}

/// Charges one operation.
///
/// Ready if the caller may go on. If the budget is used up, wakes the task of
/// `cx` (once for each call) and is pending: the caller returns `Pending` at
/// once, without touching its own state.
///
/// # Examples
/// ```
/// use arborio_base::budget;
/// use std::task::{Context, Waker};
/// let mut cx = Context::from_waker(Waker::noop());
/// budget::refill();
/// for _ in 0..budget::PER_POLL {
///     assert!(budget::poll_charge(&mut cx).is_ready());
/// }
/// assert!(budget::poll_charge(&mut cx).is_pending());
/// budget::lift();
/// assert!(budget::poll_charge(&mut cx).is_ready());
/// ```
#[inline]
pub fn poll_charge(cx: &mut Context<'_>) -> Poll<()> {
    match LEFT.get() {
        UNLIMITED => Poll::Ready(()),
        0 => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        left => {
            LEFT.set(left - 1);
            Poll::Ready(())
        }
    }
}

/// Gives one operation back: it was charged, and then made no progress.
///
/// # Examples
/// ```
/// use arborio_base::budget;
/// budget::refund();
/// assert!(budget::has_budget());
/// ```
#[inline]
pub fn refund() {
    let left = LEFT.get();
    if left < PER_POLL {
        LEFT.set(left + 1);
    }
}

/// Whether the running poll may do another operation.
///
/// Combinators that poll many futures ask this and stop early, instead of
/// polling leaves that can only answer `Pending`.
///
/// # Examples
/// ```
/// assert!(arborio_base::budget::has_budget(), "unlimited outside of a task");
/// ```
#[inline]
pub fn has_budget() -> bool {
    LEFT.get() != 0
}

/// Whether a task of an Arborio executor is being polled on this thread.
///
/// Waits that block their thread ask this: they would keep a loop from running
/// the very tasks they wait for.
///
/// # Examples
/// ```
/// use arborio_base::budget;
/// assert!(!budget::in_a_poll());
/// budget::refill();
/// assert!(budget::in_a_poll());
/// # budget::lift();
/// ```
#[inline]
pub fn in_a_poll() -> bool {
    LEFT.get() != UNLIMITED
}

/// Gives the poll that is about to start its full budget. For executors.
///
/// # Examples
/// ```
/// arborio_base::budget::refill();
/// assert!(arborio_base::budget::has_budget());
/// # arborio_base::budget::lift();
/// ```
#[inline]
pub fn refill() {
    LEFT.set(PER_POLL);
}

/// Removes the limit: the executor stops polling on this thread.
///
/// # Examples
/// ```
/// arborio_base::budget::lift();
/// assert!(arborio_base::budget::has_budget());
/// ```
#[inline]
pub fn lift() {
    LEFT.set(UNLIMITED);
}

/// The budget as it stands, for an executor that starts inside a poll of
/// another one and gives it back with [`restore`].
///
/// # Examples
/// ```
/// use arborio_base::budget;
/// let outer = budget::save();
/// budget::refill();
/// budget::restore(outer);
/// assert!(budget::has_budget());
/// ```
pub fn save() -> Saved {
    Saved(LEFT.get())
}

/// Puts the budget back as it was.
///
/// # Examples
/// ```
/// use arborio_base::budget;
/// budget::restore(budget::save());
/// assert!(budget::has_budget());
/// ```
pub fn restore(saved: Saved) {
    LEFT.set(saved.0);
}

/// A budget as it stood at one moment; see [`save`].
#[derive(Clone, Copy, Debug)]
pub struct Saved(u32);

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    /// Charges until nothing is left, and says how often that went.
    fn charges() -> u32 {
        let mut cx = Context::from_waker(Waker::noop());
        let charged = (0..=PER_POLL).take_while(|_| poll_charge(&mut cx).is_ready());
        charged.count() as u32
    }

    #[test]
    fn what_is_given_back_can_be_charged_again() {
        refill();
        refund();
        assert_eq!(charges(), PER_POLL, "no more than a poll may do");
        assert!(!has_budget());
        refund();
        assert!(has_budget());
        refund();
        refund();
        assert_eq!(charges(), 3);
        lift();
        refund();
        assert!(!in_a_poll(), "what has no limit gets none by a refund");
    }

    #[test]
    fn the_budget_of_the_outer_poll_comes_back() {
        refill();
        charges();
        refund();
        let outer = save();
        lift();
        assert!(!in_a_poll());
        restore(outer);
        assert!(in_a_poll());
        assert_eq!(charges(), 1);
        lift();
    }
}
