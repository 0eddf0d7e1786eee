//! A channel from one sender to one receiver: a `VecDeque`, and the waker of whoever waits at each end.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::Keep;

pub(crate) struct Ends {
    messages: VecDeque<u64>,
    capacity: usize,
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

impl Ends {
    /// Takes the message in if there is room, and says whom to wake.
    #[inline]
    fn push(&mut self, message: u64) -> Result<Option<Waker>, ()> {
        if self.messages.len() == self.capacity {
            return Err(());
        }
        self.messages.push_back(message);
        Ok(self.receiver.take())
    }
}

pub(crate) struct Sender<K>(Rc<K>);
pub(crate) struct Receiver<K>(Rc<K>);

/// A channel that holds at most `capacity` messages.
pub(crate) fn channel<K: Keep<Ends>>(capacity: usize) -> (Sender<K>, Receiver<K>) {
    let ends = Rc::new(K::keep(Ends {
        messages: VecDeque::new(),
        capacity,
        receiver: None,
        sender: None,
    }));
    (Sender(Rc::clone(&ends)), Receiver(ends))
}

/// A channel without a limit: [`Sender::send_now`] never fails.
pub(crate) fn unbounded<K: Keep<Ends>>() -> (Sender<K>, Receiver<K>) {
    channel(usize::MAX)
}

impl<K: Keep<Ends>> Sender<K> {
    #[inline]
    pub(crate) fn send(&self, message: u64) -> impl Future<Output = Result<(), Infallible>> {
        poll_fn(move |cx| {
            let pushed = self.0.with(|ends| {
                let pushed = ends.push(message);
                if pushed.is_err() {
                    ends.sender = Some(cx.waker().clone());
                }
                pushed
            });
            let Ok(receiver) = pushed else {
                return Poll::Pending;
            };
            wake(receiver);
            Poll::Ready(Ok(()))
        })
    }

    #[inline]
    pub(crate) fn send_now(&self, message: u64) -> Result<(), ()> {
        let receiver = self.0.with(|ends| ends.push(message))?;
        wake(receiver);
        Ok(())
    }
}

impl<K: Keep<Ends>> Receiver<K> {
    #[inline]
    pub(crate) fn receive(&self) -> impl Future<Output = Option<u64>> {
        poll_fn(|cx| {
            let (message, sender) = self.0.with(|ends| {
                let message = ends.messages.pop_front();
                if message.is_none() {
                    ends.receiver = Some(cx.waker().clone());
                }
                (message, ends.sender.take())
            });
            wake(sender);
            match message {
                Some(message) => Poll::Ready(Some(message)),
                None => Poll::Pending,
            }
        })
    }
}

#[inline]
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
