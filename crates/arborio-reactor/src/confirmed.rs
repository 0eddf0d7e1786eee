//! Readiness that the kernel confirms: `readable` and `writable`.
//!
//! The readiness word says "ready" until an operation has met `WouldBlock`.
//! Callers of these functions do their I/O elsewhere, where nobody sees what it
//! meets, so the kernel is asked each time.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    task::{Context, Poll},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::async_fd::Async;

impl<T: AsFd> Async<T> {
    /// Waits until a read would not block: there is data, the end of the
    /// file, or an error to fetch.
    ///
    /// The kernel is asked each time, so it does not matter who has read how
    /// much. [`read_with`](Self::read_with) saves that system call.
    ///
    /// # Errors
    /// `NotConnected` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on the descriptor.
    ///
    /// # Examples
    /// ```
    /// # use std::{future::Future, pin::pin, task::{Context, Waker}};
    /// let (reader, writer) = std::io::pipe()?;
    /// let reader = arborio_reactor::Async::new(reader)?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(pin!(reader.readable()).poll(&mut cx).is_pending());
    /// drop(writer);
    /// while pin!(reader.readable()).poll(&mut cx).is_pending() {}
    /// # std::io::Result::Ok(())
    /// ```
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> + '_ {
        self.read_with(|io| check(io.as_fd(), PollFlags::IN | PollFlags::PRI))
    }

    /// Waits until a write would not block: there is room, or an error to
    /// fetch. The kernel is asked each time.
    ///
    /// # Errors
    /// `NotConnected` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect on the descriptor.
    ///
    /// # Examples
    /// ```
    /// # use std::{future::Future, pin::pin, task::{Context, Waker}};
    /// let (_reader, writer) = std::io::pipe()?;
    /// let writer = arborio_reactor::Async::new(writer)?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(pin!(writer.writable()).poll(&mut cx).is_ready());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> + '_ {
        self.write_with(|io| check(io.as_fd(), PollFlags::OUT))
    }

    /// Ready when a read would not block, as [`readable`](Self::readable).
    /// Otherwise the task of `cx` is woken by the next event, and stays
    /// registered until then, even if it asks no more.
    ///
    /// # Errors
    /// `NotConnected` after [`close`](Self::close).
    ///
    /// # Examples
    /// ```
    /// # use std::task::{Context, Waker};
    /// let (reader, _writer) = std::io::pipe()?;
    /// let reader = arborio_reactor::Async::new(reader)?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(reader.poll_readable(&mut cx).is_pending());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_with(cx, |io| check(io.as_fd(), PollFlags::IN | PollFlags::PRI))
    }

    /// Ready when a write would not block, as [`writable`](Self::writable).
    /// Otherwise the task of `cx` is woken by the next event, and stays
    /// registered until then, even if it asks no more.
    ///
    /// # Errors
    /// `NotConnected` after [`close`](Self::close).
    ///
    /// # Examples
    /// ```
    /// # use std::task::{Context, Waker};
    /// let (_reader, writer) = std::io::pipe()?;
    /// let writer = arborio_reactor::Async::new(writer)?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(writer.poll_writable(&mut cx).is_ready());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_with(cx, |io| check(io.as_fd(), PollFlags::OUT))
    }
}

/// Asks the kernel whether `fd` is ready now; `WouldBlock` if it is not.
/// A hang-up and an error count as ready: an operation will not block on them.
fn check(fd: BorrowedFd<'_>, wanted: PollFlags) -> io::Result<()> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut fds = [PollFd::from_borrowed_fd(fd, wanted)];
    match poll(&mut fds, Some(&now))? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    }
}
