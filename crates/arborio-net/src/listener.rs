//! [`TcpListener`]: accepts connections.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_reactor::Async;
use futures_core::Stream;
use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    accept::{Pause, Remedy, remedy},
    addrs::ToAddrs,
    stream::TcpStream,
};

/// How many connections the kernel keeps until they are accepted, unless the
/// builder says otherwise. The kernel itself cuts it to its own limit.
const BACKLOG: u32 = 1024;

/// A socket that listens for TCP connections.
///
/// When the system runs out of descriptors or memory, accepting pauses for a
/// tenth of a second and goes on by itself. Several tasks may accept from one
/// listener.
///
/// # Examples
/// ```
/// use arborio_net::{TcpListener, TcpStream};
/// use futures_lite::future::{block_on, try_zip};
/// block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let addr = listener.local_addr()?;
///     let (client, (server, peer)) =
///         try_zip(TcpStream::connect(addr), listener.accept()).await?;
///     assert_eq!(client.local_addr()?, peer);
///     assert_eq!(server.local_addr()?, addr);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct TcpListener {
    io: Async<std::net::TcpListener>,
    /// Set while the system is out of descriptors.
    pause: Pause,
}

impl TcpListener {
    /// Listens on the first of the addresses that can be bound, with the
    /// builder's defaults. Port 0 takes any free port.
    ///
    /// # Errors
    /// Those of the last address: `AddrInUse`, `AddrNotAvailable`,
    /// `PermissionDenied` and others; `InvalidInput` for something that names
    /// no address.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// let listener = futures_lite::future::block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn bind(addr: impl ToAddrs) -> io::Result<Self> {
        Self::builder().bind(addr).await
    }

    /// A listener with other settings than the usual.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// let binding = TcpListener::builder().backlog(16).bind("127.0.0.1:0");
    /// assert!(futures_lite::future::block_on(binding).is_ok());
    /// ```
    pub const fn builder() -> TcpListenerBuilder {
        TcpListenerBuilder {
            backlog: BACKLOG,
            reuse_address: true,
            reuse_port: false,
            only_v6: None,
        }
    }

    /// Waits for a connection; gives it, and the address of its peer.
    ///
    /// # Errors
    /// Those of `accept(2)` that neither trying again nor waiting can mend;
    /// `NotConnected` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// use futures_lite::future::block_on;
    /// let listener = block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let (_server, peer) = block_on(listener.accept())?;
    /// assert_eq!(peer, client.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let mut failures = 0;
        loop {
            self.pause.over().await;
            match self.io.read_with(accept_one).await {
                Ok((socket, peer)) => return Ok((TcpStream::from_accepted(socket)?, peer)),
                Err(error) => self.mend(error, &mut failures)?,
            }
        }
    }

    /// The poll form of [`accept`](Self::accept). A task that is not ready
    /// stays registered until the next connection, even if it asks no more.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    ///
    /// # Examples
    /// ```
    /// # use std::task::{Context, Waker};
    /// use arborio_net::TcpListener;
    /// let listener = futures_lite::future::block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(listener.poll_accept(&mut cx).is_pending());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let mut failures = 0;
        loop {
            ready!(self.pause.poll_over(cx));
            match ready!(self.io.poll_read_with(cx, accept_one)) {
                Ok((socket, peer)) => {
                    return Poll::Ready(TcpStream::from_accepted(socket).map(|s| (s, peer)));
                }
                Err(error) => self.mend(error, &mut failures)?,
            }
        }
    }

    /// The connections as a stream. It ends after [`close`](Self::close).
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// use futures_lite::{StreamExt, future::block_on};
    /// let listener = block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// listener.close();
    /// assert!(block_on(listener.incoming().next()).is_none());
    /// # std::io::Result::Ok(())
    /// ```
    pub const fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// Wakes everybody who accepts, with an error of the kind `NotConnected`,
    /// and refuses new connections. The descriptor is closed when the listener
    /// is dropped.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// use futures_lite::future::block_on;
    /// let listener = block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// listener.close();
    /// let error = block_on(listener.accept()).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn close(&self) {
        self.io.close();
        // Ends the kernel's listening; that it did not listen is no error here.
        let _ = rustix::net::shutdown(&self.io, rustix::net::Shutdown::Both);
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// let listener = futures_lite::future::block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// assert!(listener.local_addr()?.ip().is_loopback());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    /// Deregisters the socket and gives it to the standard library, blocking.
    ///
    /// # Errors
    /// Those of making it blocking.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// let listener = futures_lite::future::block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// let addr = listener.local_addr()?;
    /// assert_eq!(listener.into_std()?.local_addr()?, addr);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        let listener = self.io.into_inner();
        listener.set_nonblocking(false)?;
        Ok(listener)
    }

    /// Ok if accepting should go on in spite of `error`.
    fn mend(&self, error: io::Error, failures: &mut u32) -> io::Result<()> {
        match remedy(&error, *failures) {
            Remedy::Retry => *failures += 1,
            Remedy::Pause => self.pause.begin(),
            Remedy::GiveUp => return Err(error),
        }
        Ok(())
    }
}

/// One `accept4`: the new socket is non-blocking and close-on-exec at once.
fn accept_one(listener: &std::net::TcpListener) -> io::Result<(OwnedFd, SocketAddr)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, peer) = acceptfrom_with(listener, flags)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    let peer = peer.ok_or_else(|| io::Error::other("the peer has no internet address"))?;
    Ok((socket, peer))
}

impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    /// Makes a bound socket of the standard library non-blocking and registers
    /// it.
    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self {
            io: Async::new(listener)?,
            pause: Pause::default(),
        })
    }
}

impl TryFrom<OwnedFd> for TcpListener {
    type Error = io::Error;

    /// The descriptor must be that of a listening TCP socket.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        std::net::TcpListener::from(fd).try_into()
    }
}

impl From<TcpListener> for OwnedFd {
    fn from(listener: TcpListener) -> Self {
        listener.io.into_inner().into()
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

/// The connections of a [`TcpListener`], as a stream.
#[derive(Clone, Debug)]
#[must_use = "streams do nothing unless they are polled"]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.listener.io.is_closed() {
            return Poll::Ready(None);
        }
        let accepted = ready!(self.listener.poll_accept(cx));
        if accepted.is_err() && self.listener.io.is_closed() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}

/// Settings of a [`TcpListener`]; see [`TcpListener::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `bind`"]
pub struct TcpListenerBuilder {
    backlog: u32,
    reuse_address: bool,
    reuse_port: bool,
    only_v6: Option<bool>,
}

impl TcpListenerBuilder {
    /// How many connections the kernel keeps until they are accepted; 1024 by
    /// default, and cut to the kernel's limit.
    ///
    /// # Examples
    /// ```
    /// let binding = arborio_net::TcpListener::builder().backlog(1).bind("127.0.0.1:0");
    /// assert!(futures_lite::future::block_on(binding).is_ok());
    /// ```
    pub const fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Whether an address may be bound while old connections to it linger in
    /// the kernel (`SO_REUSEADDR`); true by default.
    ///
    /// # Examples
    /// ```
    /// let binding = arborio_net::TcpListener::builder().reuse_address(false).bind("127.0.0.1:0");
    /// assert!(futures_lite::future::block_on(binding).is_ok());
    /// ```
    pub const fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = reuse;
        self
    }

    /// Whether several sockets may listen on the address, and the kernel
    /// spreads the connections (`SO_REUSEPORT`); false by default.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// use futures_lite::future::block_on;
    /// let shared = TcpListener::builder().reuse_port(true);
    /// let one = block_on(shared.clone().bind("127.0.0.1:0"))?;
    /// assert!(block_on(shared.bind(one.local_addr()?)).is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub const fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Whether an IPv6 socket refuses IPv4 connections; as the system is set
    /// by default.
    ///
    /// # Examples
    /// ```
    /// let binding = arborio_net::TcpListener::builder().only_v6(true).bind("127.0.0.1:0");
    /// assert!(futures_lite::future::block_on(binding).is_ok(), "no matter for IPv4");
    /// ```
    pub const fn only_v6(mut self, only: bool) -> Self {
        self.only_v6 = Some(only);
        self
    }

    /// Listens on the first of the addresses that can be bound.
    ///
    /// # Errors
    /// As [`TcpListener::bind`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    ///
    /// # Examples
    /// ```
    /// let binding = arborio_net::TcpListener::builder().bind("127.0.0.1:0");
    /// assert!(futures_lite::future::block_on(binding).is_ok());
    /// ```
    pub async fn bind(self, addr: impl ToAddrs) -> io::Result<TcpListener> {
        let mut last = None;
        for addr in addr.named().resolve().await? {
            match self.listen(addr) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::InvalidInput.into()))
    }

    fn listen(&self, addr: SocketAddr) -> io::Result<TcpListener> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = Socket::new_raw(Domain::for_address(addr), kind, Some(Protocol::TCP))?;
        if let (SocketAddr::V6(_), Some(only)) = (addr, self.only_v6) {
            socket.set_only_v6(only)?;
        }
        // Before the bind, or they have no effect on it.
        socket.set_reuse_address(self.reuse_address)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&addr.into())?;
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
        Ok(TcpListener {
            io: Async::from_nonblocking(socket.into())?,
            pause: Pause::default(),
        })
    }
}
