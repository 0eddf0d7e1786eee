//! [`Async`]: a descriptor whose operations wait instead of blocking.

use std::{
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    task::{Context, Poll, ready},
};

use arborio_base::budget;

use crate::{
    home::Manner,
    operation::{Attempt, Operation},
    readiness::Direction,
    source::Registration,
    waiters::WaitKey,
};

/// A descriptor whose operations wait for readiness instead of blocking.
///
/// `T` is anything that owns or borrows a descriptor which epoll can watch: a
/// socket, a pipe, an eventfd, a terminal. It works under any executor: the
/// descriptor is registered with the reactor of the event loop that runs on
/// the current thread ([`LoopReactor`](crate::LoopReactor)), or else with a
/// background thread, which is started at the first need. A source whose event
/// loop has ended moves by itself when it is polled next.
///
/// All waiting functions take `&self`: any number of tasks may wait in either
/// direction, and an event wakes all of them.
///
/// There is no `get_mut`: it would let the descriptor be exchanged behind the
/// reactor's back. See [`replace`](Self::replace).
///
/// # Examples
/// ```
/// use arborio_reactor::Async;
/// use std::{future::Future, io::{Read, Write}, os::unix::net::UnixStream};
///
/// async fn hello() -> std::io::Result<[u8; 5]> {
///     let (one, other) = UnixStream::pair()?;
///     let (one, other) = (Async::new(one)?, Async::new(other)?);
///     one.write_with(|mut socket| socket.write_all(b"hello")).await?;
///     let mut word = [0; 5];
///     other.read_with(|mut socket| socket.read_exact(&mut word)).await?;
///     Ok(word)
/// }
/// # fn block_on<F: Future>(future: F) -> F::Output {
/// #     struct Unpark(std::thread::Thread);
/// #     impl std::task::Wake for Unpark {
/// #         fn wake(self: std::sync::Arc<Self>) { self.0.unpark() }
/// #     }
/// #     let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
/// #     let mut cx = std::task::Context::from_waker(&waker);
/// #     let mut future = std::pin::pin!(future);
/// #     loop {
/// #         match future.as_mut().poll(&mut cx) {
/// #             std::task::Poll::Ready(output) => break output,
/// #             std::task::Poll::Pending => std::thread::park(),
/// #         }
/// #     }
/// # }
/// assert_eq!(&block_on(hello())?, b"hello");
/// # std::io::Result::Ok(())
/// ```
#[doc(alias("AsyncFd", "add_reader", "wait_readable"))]
pub struct Async<T> {
    /// Declared first: it is dropped, and so deregistered, before the
    /// descriptor is closed.
    registration: Registration,
    /// The descriptor.
    io: T,
}

impl<T: AsFd> Async<T> {
    /// Makes the descriptor of `io` non-blocking and registers it.
    ///
    /// # Errors
    /// Those of `ioctl` and `epoll_ctl`: `PermissionDenied` for a regular
    /// file, which is always ready, `AlreadyExists` for a descriptor that is
    /// registered. At the first source of a thread also those of an epoll or a
    /// background thread that the system refuses. `io` is dropped.
    ///
    /// # Examples
    /// ```
    /// use arborio_reactor::Async;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let reader = Async::new(reader)?;
    /// assert!(Async::new(reader.get_ref()).is_err(), "one source per descriptor");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn new(io: T) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(io.as_fd(), true)?;
        Self::from_nonblocking(io)
    }

    /// Registers a descriptor that is non-blocking already.
    ///
    /// With a blocking one, a task that finds nothing to read blocks its
    /// thread.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    ///
    /// # Examples
    /// ```
    /// use arborio_reactor::Async;
    /// use std::net::UdpSocket;
    /// let socket = UdpSocket::bind("127.0.0.1:0")?;
    /// socket.set_nonblocking(true)?;
    /// assert!(Async::from_nonblocking(socket).is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn from_nonblocking(io: T) -> io::Result<Self> {
        let registration = Registration::new(Manner::Edge(io.as_fd().as_raw_fd()))?;
        Ok(Self { registration, io })
    }

    /// As [`from_nonblocking`](Self::from_nonblocking), in quiet mode.
    pub(crate) fn quiet(io: T) -> io::Result<Self> {
        let registration = Registration::new(Manner::Quiet(io.as_fd()))?;
        Ok(Self { registration, io })
    }

    /// Puts `io` in the place of the descriptor, which is deregistered and
    /// returned. Nobody can be waiting: this takes `&mut self`.
    ///
    /// # Errors
    /// As [`new`](Self::new); the old descriptor then stays in its place.
    ///
    /// # Examples
    /// ```
    /// use arborio_reactor::Async;
    /// use std::os::fd::AsRawFd;
    /// let (one, other) = std::os::unix::net::UnixStream::pair()?;
    /// let new = other.as_raw_fd();
    /// let mut socket = Async::new(one)?;
    /// let _old = socket.replace(other)?;
    /// assert_eq!(socket.as_raw_fd(), new);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn replace(&mut self, io: T) -> io::Result<T> {
        let new = Self::new(io)?;
        Ok(std::mem::replace(self, new).into_inner())
    }
}

impl<T> Async<T> {
    /// Calls `operation` until it does not return `WouldBlock`, and waits for
    /// readability in between.
    ///
    /// # Errors
    /// Those of `operation`, except `WouldBlock` and `Interrupted`, which are
    /// tried again; `NotConnected` after [`close`](Self::close); and those of
    /// [`new`](Self::new) if the source has to move to another reactor.
    ///
    /// # Cancel safety
    /// The future waits only when `operation` has done nothing, so dropping it
    /// loses nothing.
    ///
    /// # Examples
    /// ```
    /// # use std::{future::Future, io::{Read, Write}, pin::pin, task::{Context, Poll, Waker}};
    /// let (reader, mut writer) = std::io::pipe()?;
    /// let reader = arborio_reactor::Async::new(reader)?;
    /// writer.write_all(b"x")?;
    /// let mut byte = [0];
    /// let read = pin!(reader.read_with(|mut pipe| pipe.read(&mut byte)));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(matches!(read.poll(&mut cx), Poll::Ready(Ok(1))));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn read_with<'a, R>(
        &'a self,
        mut operation: impl FnMut(&T) -> io::Result<R> + 'a,
    ) -> impl Future<Output = io::Result<R>> + 'a {
        let attempt = move |io: &T| operation(io).map(Attempt::opaque);
        Operation::new(self, Direction::Read, attempt)
    }

    /// Calls `operation` until it does not return `WouldBlock`, and waits for
    /// writability in between.
    ///
    /// # Errors
    /// As [`read_with`](Self::read_with).
    ///
    /// # Cancel safety
    /// The future waits only when `operation` has done nothing, so dropping it
    /// loses nothing.
    ///
    /// # Examples
    /// ```
    /// # use std::{future::Future, io::Write, pin::pin, task::{Context, Poll, Waker}};
    /// let (_reader, writer) = std::io::pipe()?;
    /// let writer = arborio_reactor::Async::new(writer)?;
    /// let write = pin!(writer.write_with(|mut pipe| pipe.write(b"x")));
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(matches!(write.poll(&mut cx), Poll::Ready(Ok(1))));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn write_with<'a, R>(
        &'a self,
        mut operation: impl FnMut(&T) -> io::Result<R> + 'a,
    ) -> impl Future<Output = io::Result<R>> + 'a {
        let attempt = move |io: &T| operation(io).map(Attempt::opaque);
        Operation::new(self, Direction::Write, attempt)
    }

    /// The poll form of [`read_with`](Self::read_with). A task that is not
    /// ready stays registered until the next event, even if it asks no more.
    ///
    /// # Errors
    /// As [`read_with`](Self::read_with).
    ///
    /// # Examples
    /// ```
    /// # use std::{io::Read, task::{Context, Waker}};
    /// let (reader, _writer) = std::io::pipe()?;
    /// let reader = arborio_reactor::Async::new(reader)?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(reader.poll_read_with(&mut cx, |mut pipe| pipe.read(&mut [0])).is_pending());
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn poll_read_with<R>(
        &self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let attempt = |io: &T| operation(io).map(Attempt::opaque);
        self.poll_attempt(cx, Direction::Read, &mut WaitKey::shared(), attempt)
    }

    /// The poll form of [`write_with`](Self::write_with). A task that is not
    /// ready stays registered until the next event, even if it asks no more.
    ///
    /// # Errors
    /// As [`write_with`](Self::write_with).
    ///
    /// # Examples
    /// ```
    /// # use std::{io::Write, task::{Context, Waker}};
    /// let (_reader, writer) = std::io::pipe()?;
    /// let writer = arborio_reactor::Async::new(writer)?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(writer.poll_write_with(&mut cx, |mut pipe| pipe.write(b"x")).is_ready());
    /// # std::io::Result::Ok(())
    /// ```
    #[inline]
    pub fn poll_write_with<R>(
        &self,
        cx: &mut Context<'_>,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let attempt = |io: &T| operation(io).map(Attempt::opaque);
        self.poll_attempt(cx, Direction::Write, &mut WaitKey::shared(), attempt)
    }

    /// Wakes everybody who waits, with an error, and makes every operation
    /// from now on fail with `NotConnected`.
    ///
    /// The descriptor itself is closed when this `Async` is dropped, so that
    /// its number cannot be given away while somebody still uses it.
    ///
    /// # Examples
    /// ```
    /// # use std::{io::{ErrorKind, Read}, task::{Context, Poll, Waker}};
    /// let (reader, _writer) = std::io::pipe()?;
    /// let reader = arborio_reactor::Async::new(reader)?;
    /// reader.close();
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let Poll::Ready(Err(error)) = reader.poll_readable(&mut cx) else { panic!() };
    /// assert_eq!(error.kind(), ErrorKind::NotConnected);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn close(&self) {
        self.registration.close();
    }

    /// Whether [`close`](Self::close) was called.
    ///
    /// # Examples
    /// ```
    /// let (reader, _writer) = std::io::pipe()?;
    /// assert!(!arborio_reactor::Async::new(reader)?.is_closed());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.registration.is_closed()
    }

    /// The owner of the descriptor.
    ///
    /// # Examples
    /// ```
    /// let socket = arborio_reactor::Async::new(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
    /// assert!(socket.get_ref().local_addr()?.port() != 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub const fn get_ref(&self) -> &T {
        &self.io
    }

    /// Deregisters the descriptor and gives its owner back. It stays
    /// non-blocking.
    ///
    /// # Examples
    /// ```
    /// let (reader, _writer) = std::io::pipe()?;
    /// let reader = arborio_reactor::Async::new(reader)?.into_inner();
    /// assert!(arborio_reactor::Async::new(reader).is_ok(), "it can be registered again");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_inner(self) -> T {
        let Self { registration, io } = self;
        drop(registration);
        io
    }

    /// Calls `attempt` while the direction is ready, and waits when it is not.
    /// Charges the budget for what was done, not for waiting.
    #[inline]
    pub(crate) fn poll_attempt<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        key: &mut WaitKey,
        mut attempt: impl FnMut(&T) -> io::Result<Attempt<R>>,
    ) -> Poll<io::Result<R>> {
        ready!(budget::poll_charge(cx));
        loop {
            let Poll::Ready(seen) = self.registration.poll(cx, direction, key)? else {
                budget::refund();
                return Poll::Pending;
            };
            match attempt(&self.io) {
                Ok(Attempt { value, moved }) => {
                    self.registration.moved(direction, seen, moved);
                    return Poll::Ready(Ok(value));
                }
                Err(error) => self.registration.failed(direction, seen, error)?,
            }
        }
    }

    /// Takes back the entry of a future that waited.
    #[inline]
    pub(crate) fn forget(&self, direction: Direction, key: &WaitKey) {
        self.registration.forget(direction, key);
    }
}

impl<T: AsFd> AsFd for Async<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl<T: AsFd> AsRawFd for Async<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_fd().as_raw_fd()
    }
}

impl<T: fmt::Debug> fmt::Debug for Async<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Async")
            .field("io", &self.io)
            .field("is_closed", &self.is_closed())
            .finish()
    }
}
