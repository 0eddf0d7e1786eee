//! Waiting for a task whose handle is shared.

use std::{
    fmt,
    marker::PhantomPinned,
    pin::Pin,
    task::{Context, Poll},
};

use super::{
    SPENT, Task,
    poll_done::{Found, Poller, poll_done},
};
use crate::{interrupt::Interrupt, local::Flags, side, waker::own_hub};

impl<'a, T: Clone> IntoFuture for &'a Task<T> {
    type Output = Result<T, Interrupt>;
    type IntoFuture = Joining<'a, T>;

    fn into_future(self) -> Joining<'a, T> {
        Joining {
            handle: self,
            registered: Registered::Nowhere,
            _pinned: PhantomPinned,
        }
    }
}

/// Waits for a task whose handle is shared; made by awaiting `&task`.
///
/// # Cancel safety
/// Dropping it loses nothing.
///
/// # Panics
/// Polling it panics if the outcome was taken before.
///
/// # Examples
/// ```
/// # use arborio_task::{SpawnOptions, Tasks, try_spawn};
/// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
/// # let main = async {
/// let task = try_spawn(async { 5 }, SpawnOptions::new()).ok().unwrap();
/// assert_eq!((&task).await.unwrap(), 5);
/// assert_eq!((&task).await.unwrap(), 5);
/// # };
/// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Joining<'a, T> {
    handle: &'a Task<T>,
    /// Where it was last polled, and left its waker.
    registered: Registered,
    /// Its address is its number among the awaiters.
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Registered {
    Nowhere,
    /// In the awaiter word, on the owner's thread.
    Here,
    /// In the side record.
    Abroad,
}

impl<T: Clone> Future for Joining<'_, T> {
    type Output = Result<T, Interrupt>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let task = self.handle.task.expect(SPENT);
        let number = self.number();
        let poller = Poller::Sharing(number);
        let polled = poll_done(task, poller, cx);
        if polled == Poll::Ready(Found::Lost) {
            return Poll::Ready(Err(Interrupt::Stopped));
        }
        if polled.is_pending() {
            let here = own_hub(task).is_some();
            let place = if here {
                Registered::Here
            } else {
                Registered::Abroad
            };
            // SAFETY: the field is plain data; nothing is moved out of the pin.
            unsafe { self.get_unchecked_mut() }.registered = place;
            return Poll::Pending;
        }
        let seen = task.local.seen_abroad();
        if seen.any(Flags::BUBBLED) {
            return Poll::Ready(Err(Interrupt::ScopeFailed));
        }
        // SAFETY: L3: DONE was seen and this is the handle; `T` is right.
        Poll::Ready(unsafe { task.clone_outcome::<T>(seen.any(Flags::INTERRUPTED)) })
    }
}

impl<T> Joining<'_, T> {
    /// Different from that of every other one that is alive and was polled.
    fn number(&self) -> usize {
        (&raw const *self).addr()
    }
}

impl<T> Drop for Joining<'_, T> {
    /// Takes the waker back. One that was left on the owner's thread cannot be
    /// reached from another one: it stays until the task ends.
    fn drop(&mut self) {
        let Some(task) = self.handle.task else { return };
        match (self.registered, own_hub(task)) {
            (Registered::Here, Some(hub)) => task.awaiter.leave(&hub, self.number()),
            (Registered::Abroad, _) => side::leave(task, self.number()),
            _ => {}
        }
    }
}

impl<T> fmt::Debug for Joining<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Joining").field(self.handle).finish()
    }
}
