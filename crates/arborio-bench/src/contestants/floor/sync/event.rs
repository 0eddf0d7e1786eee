//! An event: a list of wakers, and a count of the rounds in which all were woken.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::Keep;

#[derive(Default)]
pub(crate) struct Waiters {
    rounds: u64,
    wakers: Vec<Waker>,
}

pub(crate) struct Event<K>(K);

impl<K: Keep<Waiters>> Event<K> {
    pub(crate) fn new() -> Self {
        Self(K::keep(Waiters::default()))
    }

    pub(crate) fn wait(&self) -> Wait<'_, K> {
        Wait {
            event: self,
            came_in: None,
        }
    }

    pub(crate) fn wake_all(&self) {
        let mut woken = self.0.with(|waiters| {
            waiters.rounds += 1;
            std::mem::take(&mut waiters.wakers)
        });
        woken.drain(..).for_each(Waker::wake);
        // Its memory is for the next round.
        self.0.with(|waiters| {
            if waiters.wakers.is_empty() {
                waiters.wakers = woken;
            }
        });
    }
}

pub(crate) struct Wait<'a, K> {
    event: &'a Event<K>,
    /// The round in which it began to wait.
    came_in: Option<u64>,
}

impl<K: Keep<Waiters>> Future for Wait<'_, K> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { event, came_in } = self.get_mut();
        event.0.with(|waiters| match *came_in {
            Some(round) if waiters.rounds > round => Poll::Ready(()),
            Some(_) => Poll::Pending,
            None => {
                *came_in = Some(waiters.rounds);
                waiters.wakers.push(cx.waker().clone());
                Poll::Pending
            }
        })
    }
}
