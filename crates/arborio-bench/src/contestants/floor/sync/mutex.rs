//! Permits that are handed over in order, and a mutex, which has one of them.

use std::cell::UnsafeCell;
use std::collections::VecDeque;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::Keep;

/// Who waits for permits. The first in line has number `served`.
pub(crate) struct Queue {
    free: usize,
    came: u64,
    served: u64,
    waiting: VecDeque<Waker>,
}

/// A number of permits, taken one at a time.
pub(crate) struct Permits<K>(K);

impl<K: Keep<Queue>> Permits<K> {
    pub(crate) fn new(free: usize) -> Self {
        Self(K::keep(Queue {
            free,
            came: 0,
            served: 0,
            waiting: VecDeque::new(),
        }))
    }

    #[inline]
    pub(crate) fn acquire(&self) -> Acquire<'_, K> {
        Acquire {
            permits: self,
            number: None,
        }
    }
}

pub(crate) struct Acquire<'a, K> {
    permits: &'a Permits<K>,
    /// The place in line.
    number: Option<u64>,
}

impl<'a, K: Keep<Queue>> Future for Acquire<'a, K> {
    type Output = Permit<'a, K>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit<'a, K>> {
        let Self { permits, number } = self.get_mut();
        let got_it = permits.0.with(|queue| match *number {
            Some(number) => queue.served > number,
            None if queue.free > 0 => {
                queue.free -= 1;
                true
            }
            None => {
                *number = Some(queue.came);
                queue.came += 1;
                queue.waiting.push_back(cx.waker().clone());
                false
            }
        });
        if got_it {
            Poll::Ready(Permit(permits))
        } else {
            Poll::Pending
        }
    }
}

/// One permit, given back when it is dropped: to the first in line, or to the free ones.
pub(crate) struct Permit<'a, K: Keep<Queue>>(&'a Permits<K>);

impl<K: Keep<Queue>> Drop for Permit<'_, K> {
    #[inline]
    fn drop(&mut self) {
        let next = self.0.0.with(|queue| {
            let next = queue.waiting.pop_front();
            match next {
                Some(_) => queue.served += 1,
                None => queue.free += 1,
            }
            next
        });
        if let Some(waker) = next {
            waker.wake();
        }
    }
}

/// A lock around a number. Invariant: who has a [`Guard`] has the one permit.
pub(crate) struct Mutex<K> {
    permits: Permits<K>,
    value: UnsafeCell<u64>,
}

impl<K: Keep<Queue>> Mutex<K> {
    pub(crate) fn new(value: u64) -> Self {
        Self {
            permits: Permits::new(1),
            value: UnsafeCell::new(value),
        }
    }

    #[inline]
    pub(crate) fn lock(&self) -> Lock<'_, K> {
        Lock {
            acquire: self.permits.acquire(),
            value: &self.value,
        }
    }
}

pub(crate) struct Lock<'a, K> {
    acquire: Acquire<'a, K>,
    value: &'a UnsafeCell<u64>,
}

impl<'a, K: Keep<Queue>> Future for Lock<'a, K> {
    type Output = Guard<'a, K>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Guard<'a, K>> {
        let value = self.value;
        Pin::new(&mut self.acquire).poll(cx).map(|permit| Guard {
            _permit: permit,
            value,
        })
    }
}

pub(crate) struct Guard<'a, K: Keep<Queue>> {
    _permit: Permit<'a, K>,
    value: &'a UnsafeCell<u64>,
}

impl<K: Keep<Queue>> Deref for Guard<'_, K> {
    type Target = u64;

    #[inline]
    fn deref(&self) -> &u64 {
        // SAFETY: the guard has the one permit, and is borrowed shared.
        unsafe { &*self.value.get() }
    }
}

impl<K: Keep<Queue>> DerefMut for Guard<'_, K> {
    #[inline]
    fn deref_mut(&mut self) -> &mut u64 {
        // SAFETY: the guard has the one permit, and is borrowed alone.
        unsafe { &mut *self.value.get() }
    }
}
