//! [`Datagrams`]: what UDP sockets and Unix datagram sockets have in common.

mod convert;
mod multicast;
mod udp;
mod unix;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    task::{Context, Poll},
};

use arborio_reactor::Async;
use rustix::net::{RecvFlags, SendFlags, sockopt::socket_error};

pub use self::{udp::UdpSocket, unix::UnixDatagram};
use crate::family::{Family, local_addr, peer_addr};

/// A datagram socket of the standard library, of which a [`Datagrams`] can be
/// made.
///
/// This trait is sealed: what it asks for may change.
///
/// # Examples
/// ```
/// use arborio_net::{DatagramSocket, Datagrams, UnixDatagram};
///
/// async fn length<S: DatagramSocket>(socket: &Datagrams<S>) -> std::io::Result<usize> {
///     socket.recv(&mut [0; 1024]).await
/// }
/// let (one, other) = UnixDatagram::pair()?;
/// futures_lite::future::block_on(other.send(b"four"))?;
/// assert_eq!(futures_lite::future::block_on(length(&one))?, 4);
/// # std::io::Result::Ok(())
/// ```
pub trait DatagramSocket: Family {}

impl DatagramSocket for std::net::UdpSocket {}
impl DatagramSocket for std::os::unix::net::UnixDatagram {}

/// A socket for datagrams: a [`UdpSocket`] or a [`UnixDatagram`], by the socket
/// of the standard library that it is made of.
///
/// Every method takes `&self`: several tasks may send and receive through one
/// reference. A datagram comes whole, or cut off at the end of a buffer that
/// is too small: the rest is lost, and nobody is told.
///
/// # Examples
/// ```
/// use arborio_net::UdpSocket;
/// use futures_lite::future::block_on;
/// block_on(async {
///     let server = UdpSocket::bind("127.0.0.1:0").await?;
///     let client = UdpSocket::bind("127.0.0.1:0").await?;
///     client.send_to(b"ping", server.local_addr()?).await?;
///     let mut buf = [0; 64];
///     let (count, peer) = server.recv_from(&mut buf).await?;
///     assert_eq!((&buf[..count], peer), (&b"ping"[..], client.local_addr()?));
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Datagrams<S> {
    io: Async<S>,
}

impl<S: DatagramSocket> Datagrams<S> {
    /// A socket that the system made, non-blocking already.
    fn from_nonblocking(socket: OwnedFd) -> io::Result<Self> {
        let io = Async::from_nonblocking(socket.into())?;
        Ok(Self { io })
    }

    /// Receives a datagram, and returns how many bytes of it are in `buf`. A
    /// connected socket receives from its peer alone. 0 is an empty datagram,
    /// and no end.
    ///
    /// # Errors
    /// Those of `recv(2)`. A connected UDP socket learns here, or when it
    /// sends, that an earlier datagram did not arrive: `ConnectionRefused` and
    /// others. It can be used all the same. `NotConnected` after
    /// [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future loses no datagram.
    ///
    /// # Examples
    /// ```
    /// # use arborio_net::UnixDatagram;
    /// # use futures_lite::future::block_on;
    /// let (one, other) = UnixDatagram::pair()?;
    /// block_on(other.send(b"longer than that"))?;
    /// let mut buf = [0; 6];
    /// assert_eq!(block_on(one.recv(&mut buf))?, 6);
    /// assert_eq!(&buf, b"longer");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn recv<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io
            .read_with(move |socket| recv(socket, buf, RecvFlags::empty()))
    }

    /// As [`recv`](Self::recv), with the address of the sender.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Dropping the future loses no datagram.
    ///
    /// # Examples
    /// ```
    /// # use arborio_net::UdpSocket;
    /// # use futures_lite::future::block_on;
    /// let socket = block_on(UdpSocket::bind("127.0.0.1:0"))?;
    /// let addr = socket.local_addr()?;
    /// block_on(socket.send_to(b"to myself", addr))?;
    /// assert_eq!(block_on(socket.recv_from(&mut [0; 64]))?, (9, addr));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn recv_from<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<(usize, S::Addr)>> + 'a {
        self.io
            .read_with(move |socket| recv_from(socket, buf, RecvFlags::empty()))
    }

    /// As [`recv`](Self::recv), and leaves the datagram where it is.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # use arborio_net::UnixDatagram;
    /// # use futures_lite::future::block_on;
    /// let (one, other) = UnixDatagram::pair()?;
    /// block_on(other.send(b"x"))?;
    /// assert_eq!(block_on(one.peek(&mut [0; 8]))?, 1);
    /// assert_eq!(block_on(one.recv(&mut [0; 8]))?, 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io
            .read_with(move |socket| recv(socket, buf, RecvFlags::PEEK))
    }

    /// As [`recv_from`](Self::recv_from), and leaves the datagram where it is.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # use arborio_net::UdpSocket;
    /// # use futures_lite::future::block_on;
    /// let socket = block_on(UdpSocket::bind("127.0.0.1:0"))?;
    /// let addr = socket.local_addr()?;
    /// block_on(socket.send_to(b"x", addr))?;
    /// assert_eq!(block_on(socket.peek_from(&mut [0; 8]))?, (1, addr));
    /// assert_eq!(block_on(socket.recv(&mut [0; 8]))?, 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peek_from<'a>(
        &'a self,
        buf: &'a mut [u8],
    ) -> impl Future<Output = io::Result<(usize, S::Addr)>> + 'a {
        self.io
            .read_with(move |socket| recv_from(socket, buf, RecvFlags::PEEK))
    }

    /// Sends a datagram to the peer of a connected socket, when there is room
    /// for it.
    ///
    /// # Errors
    /// Those of `send(2)`, among them what [`recv`](Self::recv) says of
    /// earlier datagrams: this one was not sent then. `DestinationAddrRequired`
    /// or `NotConnected` for a socket that is not connected; an error with the
    /// system's number `EMSGSIZE` for a datagram that is too long;
    /// `NotConnected` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// A future that was dropped before it was ready has sent nothing.
    ///
    /// # Examples
    /// ```
    /// # use arborio_net::UnixDatagram;
    /// # use futures_lite::future::block_on;
    /// let (one, _other) = UnixDatagram::pair()?;
    /// assert_eq!(block_on(one.send(b"four"))?, 4);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn send<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io.write_with(move |socket| send(socket, buf))
    }

    /// The poll form of [`recv`](Self::recv). A task that is not ready stays
    /// registered until the next event, even if it asks no more.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Examples
    /// ```
    /// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// let (one, _other) = arborio_net::UnixDatagram::pair()?;
    /// assert!(one.poll_recv(&mut cx, &mut [0; 8]).is_pending());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.io
            .poll_read_with(cx, |socket| recv(socket, buf, RecvFlags::empty()))
    }

    /// The poll form of [`recv_from`](Self::recv_from). A task that is not
    /// ready stays registered until the next event, even if it asks no more.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Examples
    /// ```
    /// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// let (one, _other) = arborio_net::UnixDatagram::pair()?;
    /// assert!(one.poll_recv_from(&mut cx, &mut [0; 8]).is_pending());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_recv_from(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<(usize, S::Addr)>> {
        self.io
            .poll_read_with(cx, |socket| recv_from(socket, buf, RecvFlags::empty()))
    }

    /// The poll form of [`send`](Self::send). A task that is not ready stays
    /// registered until the next event, even if it asks no more.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Examples
    /// ```
    /// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// let (one, _other) = arborio_net::UnixDatagram::pair()?;
    /// assert!(one.poll_send(&mut cx, b"x").is_ready());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io.poll_write_with(cx, |socket| send(socket, buf))
    }

    /// Waits until there is a datagram to receive, or an error.
    ///
    /// # Errors
    /// `NotConnected` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # use arborio_net::UnixDatagram;
    /// # use futures_lite::future::block_on;
    /// let (one, other) = UnixDatagram::pair()?;
    /// block_on(other.send(b"x"))?;
    /// assert!(block_on(one.readable()).is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> + '_ {
        self.io.readable()
    }

    /// Waits until there is room to send, as far as this socket goes: that of
    /// a receiver may be full.
    ///
    /// # Errors
    /// `NotConnected` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let (one, _other) = arborio_net::UnixDatagram::pair()?;
    /// assert!(block_on(one.writable()).is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> + '_ {
        self.io.writable()
    }

    /// Wakes everybody who waits for this socket, with an error of the kind
    /// `NotConnected`, as every later operation gets. The descriptor is closed
    /// when the socket is dropped. Closing twice is legal.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let (one, _other) = arborio_net::UnixDatagram::pair()?;
    /// one.close();
    /// let error = block_on(one.recv(&mut [0])).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn close(&self) {
        self.io.close();
    }

    /// The address that the socket is bound to.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let socket = block_on(arborio_net::UdpSocket::bind("127.0.0.1:0"))?;
    /// assert!(socket.local_addr()?.ip().is_loopback());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<S::Addr> {
        local_addr(self.io.get_ref())
    }

    /// The address that the socket is connected to.
    ///
    /// # Errors
    /// `NotConnected` if it is not.
    ///
    /// # Examples
    /// ```
    /// let (one, _other) = arborio_net::UnixDatagram::pair()?;
    /// assert!(one.peer_addr()?.is_unnamed());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<S::Addr> {
        peer_addr(self.io.get_ref())
    }

    /// Fetches and clears the socket's error (`SO_ERROR`).
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    ///
    /// # Examples
    /// ```
    /// let (one, _other) = arborio_net::UnixDatagram::pair()?;
    /// assert!(one.take_error()?.is_none());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(socket_error(&self.io)?.err().map(io::Error::from))
    }
}

fn recv(socket: impl AsFd, buf: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
    let (count, _) = rustix::net::recv(socket, buf, flags)?;
    Ok(count)
}

fn recv_from<S: Family>(
    socket: &S,
    buf: &mut [u8],
    flags: RecvFlags,
) -> io::Result<(usize, S::Addr)> {
    let (count, _, from) = rustix::net::recvfrom(socket, buf, flags)?;
    Ok((count, S::addr(from)?))
}

fn send(socket: impl AsFd, buf: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, buf, SendFlags::NOSIGNAL)?)
}
