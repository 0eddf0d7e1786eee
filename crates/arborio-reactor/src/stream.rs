//! Streams: what a transfer says about the bytes that are left.
//!
//! A read of a *stream socket* that is short has taken all there was, and a
//! short write has filled the buffer. Here callers say how much they wanted, and
//! what follows from it is in `quiet.rs` and `readiness.rs`.

use std::{
    io,
    os::fd::AsFd,
    task::{Context, Poll},
};

use crate::{
    async_fd::Async,
    operation::{Attempt, IfAny, Operation},
    quiet::Moved,
    readiness::Direction,
    waiters::WaitKey,
};

impl<T: AsFd> Async<T> {
    /// As [`new`](Self::new), for a connected *stream socket* that is used
    /// through [`read_stream`](Self::read_stream) and
    /// [`write_stream`](Self::write_stream).
    ///
    /// As long as it is used for requests and responses, a read that fills its
    /// buffer costs no second system call that finds nothing. Once it is not
    /// (bytes in bulk, a full send buffer, bytes that nobody reads), it is
    /// watched like any other source, and nothing is lost.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    ///
    /// # Examples
    /// ```
    /// use arborio_reactor::Async;
    /// use std::{io::{Read, Write}, os::unix::net::UnixStream, task::{Context, Poll, Waker}};
    /// let (one, mut other) = UnixStream::pair()?;
    /// let one = Async::new_stream(one)?;
    /// other.write_all(b"ping")?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let mut buf = [0; 4];
    /// let read = one.poll_read_stream(&mut cx, 4, |mut socket| socket.read(&mut buf));
    /// assert!(matches!(read, Poll::Ready(Ok(4))));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new_stream(io: T) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(io.as_fd(), true)?;
        Self::from_nonblocking_stream(io)
    }

    /// As [`new_stream`](Self::new_stream), for a socket that is non-blocking
    /// already.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    ///
    /// # Examples
    /// ```
    /// use arborio_reactor::Async;
    /// let (one, _other) = std::os::unix::net::UnixStream::pair()?;
    /// one.set_nonblocking(true)?;
    /// assert!(Async::from_nonblocking_stream(one).is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_nonblocking_stream(io: T) -> io::Result<Self> {
        Self::quiet(io)
    }
}

impl<T> Async<T> {
    /// As [`read_with`](Self::read_with), for a *stream socket*: an operation
    /// that moves fewer than `wanted` bytes, but more than none, has drained
    /// the socket, and the system call that would find nothing is saved.
    ///
    /// On other descriptors (pipes, packets, terminals) a short read proves
    /// nothing, and a task could wait for ever.
    ///
    /// # Errors
    /// As [`read_with`](Self::read_with).
    ///
    /// # Cancel safety
    /// As [`read_with`](Self::read_with).
    ///
    /// # Examples
    /// ```
    /// # use std::{future::Future, io::{Read, Write}, pin::pin, task::{Context, Poll, Waker}};
    /// let (one, mut other) = std::os::unix::net::UnixStream::pair()?;
    /// let one = arborio_reactor::Async::new(one)?;
    /// other.write_all(b"short")?;
    /// let mut buf = [0; 64];
    /// let read = pin!(one.read_stream(64, |mut socket| socket.read(&mut buf)));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(matches!(read.poll(&mut cx), Poll::Ready(Ok(5))));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn read_stream<'a>(
        &'a self,
        wanted: usize,
        mut operation: impl FnMut(&T) -> io::Result<usize> + 'a,
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        let attempt = move |io: &T| operation(io).map(|moved| Attempt::stream(moved, wanted));
        Operation::new(self, Direction::Read, attempt)
    }

    /// As [`write_with`](Self::write_with), for a *stream socket*: an
    /// operation that moves fewer than `wanted` bytes, but more than none, has
    /// filled the socket's buffer.
    ///
    /// # Errors
    /// As [`write_with`](Self::write_with).
    ///
    /// # Cancel safety
    /// As [`write_with`](Self::write_with).
    ///
    /// # Examples
    /// ```
    /// # use std::{future::Future, io::Write, pin::pin, task::{Context, Poll, Waker}};
    /// let (one, _other) = std::os::unix::net::UnixStream::pair()?;
    /// let one = arborio_reactor::Async::new(one)?;
    /// let write = pin!(one.write_stream(1, |mut socket| socket.write(b"x")));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(matches!(write.poll(&mut cx), Poll::Ready(Ok(1))));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn write_stream<'a>(
        &'a self,
        wanted: usize,
        mut operation: impl FnMut(&T) -> io::Result<usize> + 'a,
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        let attempt = move |io: &T| operation(io).map(|moved| Attempt::stream(moved, wanted));
        Operation::new(self, Direction::Write, attempt)
    }

    /// Writes all of `buf` to a *stream socket*. `operation` is given what is
    /// left each time, and returns how much of it was taken.
    ///
    /// One small future, whatever number of writes it takes: what a connection
    /// that waits for its peer holds in memory.
    ///
    /// # Errors
    /// As [`write_with`](Self::write_with), and `WriteZero` if `operation` takes
    /// nothing.
    ///
    /// # Cancel safety
    /// Not cancel safe: how much was taken when the future is dropped is not
    /// known.
    ///
    /// # Examples
    /// ```
    /// # use std::{future::Future, io::Write, pin::pin, task::{Context, Poll, Waker}};
    /// let (one, _other) = std::os::unix::net::UnixStream::pair()?;
    /// let one = arborio_reactor::Async::new(one)?;
    /// let write = pin!(one.write_all_stream(b"all", |mut socket, left| socket.write(left)));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(matches!(write.poll(&mut cx), Poll::Ready(Ok(()))));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn write_all_stream<'a>(
        &'a self,
        buf: &'a [u8],
        mut operation: impl FnMut(&T, &[u8]) -> io::Result<usize> + 'a,
    ) -> impl Future<Output = io::Result<()>> + 'a {
        let mut left = buf;
        let attempt = move |io: &T| {
            match operation(io, left)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => left = &left[count..],
            }
            if !left.is_empty() {
                // A short write has filled the socket's buffer: as if asked again.
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let (value, moved) = ((), Moved::Full);
            Ok(Attempt { value, moved })
        };
        let any = !buf.is_empty(); // an empty one is written at once, whatever the socket says
        IfAny(any.then(|| Operation::new(self, Direction::Write, attempt)))
    }

    /// The poll form of [`read_stream`](Self::read_stream), for stream sockets
    /// only.
    ///
    /// # Errors
    /// As [`read_with`](Self::read_with).
    ///
    /// # Examples
    /// ```
    /// # use std::{io::Read, task::{Context, Waker}};
    /// let (one, _other) = std::os::unix::net::UnixStream::pair()?;
    /// let one = arborio_reactor::Async::new(one)?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(one.poll_read_stream(&mut cx, 1, |mut s| s.read(&mut [0])).is_pending());
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn poll_read_stream(
        &self,
        cx: &mut Context<'_>,
        wanted: usize,
        mut operation: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let attempt = |io: &T| operation(io).map(|moved| Attempt::stream(moved, wanted));
        self.poll_attempt(cx, Direction::Read, &mut WaitKey::shared(), attempt)
    }

    /// The poll form of [`write_stream`](Self::write_stream), for stream
    /// sockets only.
    ///
    /// # Errors
    /// As [`write_with`](Self::write_with).
    ///
    /// # Examples
    /// ```
    /// # use std::{io::Write, task::{Context, Waker}};
    /// let (one, _other) = std::os::unix::net::UnixStream::pair()?;
    /// let one = arborio_reactor::Async::new(one)?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(one.poll_write_stream(&mut cx, 1, |mut s| s.write(b"x")).is_ready());
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn poll_write_stream(
        &self,
        cx: &mut Context<'_>,
        wanted: usize,
        mut operation: impl FnMut(&T) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let attempt = |io: &T| operation(io).map(|moved| Attempt::stream(moved, wanted));
        self.poll_attempt(cx, Direction::Write, &mut WaitKey::shared(), attempt)
    }
}
