//! A future on a pool thread: how it is polled there, and asked to end.
//!
//! It is inside of a frame, which is an origin and the root of a tree of its own. Who awaits the
//! future says to that origin what they want ([`Wishes`]), and the origin asks as every other does,
//! in its own poll. It has no grace: who awaits has one, and drops the future when it is over.
//!
//! # Wishes
//! | wish  | meaning                        | next                             |
//! |-------|--------------------------------|----------------------------------|
//! | GoOn  | nobody has asked               | End: `ask`; Gone: also `drop_it` |
//! | End   | the inside is asked to end     | Gone: `drop_it`                  |
//! | Gone  | the inside is to be dropped    | -                                |
//!
//! A future that has not begun is asked in vain: it is Gone at once, and never begins.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use arborio_base::sync::{Mutex, lock};
use arborio_task::{
    block_beside,
    frames::{Frame, Inside, Next},
};

use super::crew::Aside;

/// What is wanted of the future. It tells its thread when that changes.
pub(super) struct Wishes(Mutex<Wanted>);

struct Wanted {
    wish: Wish,
    /// Wakes the thread. `None` before the future has begun, and when nothing can change any more.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    GoOn,
    End,
    Gone,
}

impl Wishes {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Wanted {
            wish: Wish::GoOn,
            waker: None,
        }))
    }

    /// The inside is to end. False if it has not begun; then it never does.
    pub(super) fn ask(&self) -> bool {
        let mut wanted = lock(&self.0);
        let Some(waker) = wanted.waker.clone() else {
            wanted.wish = Wish::Gone;
            return false;
        };
        wanted.wish = Wish::End;
        drop(wanted);
        waker.wake();
        true
    }

    /// The inside is to be dropped, whatever it does.
    pub(super) fn drop_it(&self) {
        let mut wanted = lock(&self.0);
        wanted.wish = Wish::Gone;
        let waker = wanted.waker.take();
        drop(wanted);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What is wanted now. From now on `waker` is called when that changes.
    fn look(&self, waker: &Waker) -> Wish {
        let mut wanted = lock(&self.0);
        if wanted.waker.is_none() && wanted.wish != Wish::Gone {
            wanted.waker = Some(waker.clone()); // that of this thread, and no foreign code
        }
        wanted.wish
    }
}

/// Runs `future` on this thread to its end. `None` if it was dropped before that. Another thread
/// of the pool may work while it is suspended.
pub(super) fn ride<F: Future>(future: F, wishes: &Wishes) -> Option<F::Output> {
    let mut frame = Frame::origin();
    let mut request = Request::None;
    let mut future = pin!(Some(future));
    let riding = std::future::poll_fn(|cx| {
        let wish = wishes.look(cx.waker());
        frame.poll(cx, |cx, inside| {
            poll_inside(cx, inside, (wish, &mut request), future.as_mut())
        })
    });
    block_beside(pin!(riding), Aside::step)
}

/// What has become of the wish that the inside ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    None,
    /// Handlers were asked.
    InForce,
    /// All of them have swallowed it. Who awaits asks once.
    Swallowed,
}

/// One poll of the inside, and what the request brings about then.
fn poll_inside<F: Future>(
    cx: &mut Context<'_>,
    inside: &Inside<'_>,
    (wish, request): (Wish, &mut Request),
    mut future: Pin<&mut Option<F>>,
) -> Poll<Option<F::Output>> {
    let begins = wish == Wish::End && *request == Request::None;
    if begins {
        *request = Request::InForce;
    }
    if wish == Wish::Gone || begins && inside.request() == Next::Drop {
        future.set(None);
        return Poll::Ready(None);
    }
    let running = future.as_mut().as_pin_mut();
    let running = running.expect("a ride ends with its future");
    if let Poll::Ready(value) = running.poll(cx) {
        future.set(None);
        return Poll::Ready(Some(value));
    }
    if *request != Request::InForce {
        return Poll::Pending;
    }
    match inside.settle() {
        Next::Wait => {}
        Next::Poll => {} // those who were asked were woken: they answer in the next poll
        Next::Withdraw => *request = Request::Swallowed,
        Next::Drop => {
            future.set(None);
            return Poll::Ready(None);
        }
    }
    Poll::Pending
}
