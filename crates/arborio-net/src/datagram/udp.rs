//! [`UdpSocket`]: binding, connecting, and sending to an address.

use std::{
    io,
    net::SocketAddr,
    task::{Context, Poll},
};

use rustix::net::{SendFlags, sendto};
use socket2::{Domain, Protocol, Socket, Type};

use super::Datagrams;
use crate::addrs::ToAddrs;

/// A UDP socket; see [`Datagrams`] for what can be done with it.
///
/// # Examples
/// A connected socket learns that nobody is there:
/// ```
/// use arborio_net::UdpSocket;
/// use futures_lite::future::block_on;
/// block_on(async {
///     let nobody = UdpSocket::bind("127.0.0.1:0").await?.local_addr()?;
///     let socket = UdpSocket::bind("127.0.0.1:0").await?;
///     socket.connect(nobody).await?;
///     socket.send(b"hello?").await?;
///     let error = socket.recv(&mut [0; 8]).await.unwrap_err();
///     assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub type UdpSocket = Datagrams<std::net::UdpSocket>;

impl UdpSocket {
    /// Binds to the first of the addresses that is free. Port 0 takes any free
    /// port.
    ///
    /// For options that must be set before (several receivers of one multicast
    /// group, say), bind a socket of `socket2` and convert it.
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
    /// # use futures_lite::future::block_on;
    /// let socket = block_on(arborio_net::UdpSocket::bind("127.0.0.1:0"))?;
    /// assert_ne!(socket.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn bind(addr: impl ToAddrs) -> io::Result<Self> {
        first(addr, bind_to).await
    }

    /// Connects to the first of the addresses that there is a way to: sends
    /// go there, and only what comes from there is received. Nothing is sent by
    /// this, so it does not tell whether anybody is there. A later call replaces
    /// the peer.
    ///
    /// # Errors
    /// Those of the last address: `NetworkUnreachable` and others;
    /// `InvalidInput` for something that names no address.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the socket as it was, unless it was ready.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// # use arborio_net::UdpSocket;
    /// let (one, other) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
    /// let (one, other) = (block_on(one)?, block_on(other)?);
    /// block_on(one.connect(other.local_addr()?))?;
    /// assert_eq!(one.peer_addr()?, other.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn connect(&self, addr: impl ToAddrs) -> io::Result<()> {
        first(addr, |addr| self.io.get_ref().connect(addr)).await
    }

    /// Sends a datagram to `addr`, when there is room for it.
    ///
    /// It takes an address and no name: a look-up for each datagram is
    /// nothing to do in passing.
    ///
    /// # Errors
    /// Those of `sendto(2)`: `NetworkUnreachable`, `PermissionDenied` for a
    /// broadcast that was not [allowed](Self::set_broadcast), the system's
    /// `EMSGSIZE` and others; `NotConnected` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// A future that was dropped before it was ready has sent nothing.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let socket = block_on(arborio_net::UdpSocket::bind("127.0.0.1:0"))?;
    /// assert_eq!(block_on(socket.send_to(b"four", socket.local_addr()?))?, 4);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn send_to<'a>(
        &'a self,
        buf: &'a [u8],
        addr: SocketAddr,
    ) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io
            .write_with(move |socket| send_datagram(socket, buf, addr))
    }

    /// The poll form of [`send_to`](Self::send_to). A task that is not ready
    /// stays registered until the next event, even if it asks no more.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to).
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// let socket = block_on(arborio_net::UdpSocket::bind("127.0.0.1:0"))?;
    /// assert!(socket.poll_send_to(&mut cx, b"x", socket.local_addr()?).is_ready());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_send_to(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
        addr: SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.io
            .poll_write_with(cx, |socket| send_datagram(socket, buf, addr))
    }

    /// How many routers a datagram may pass (`IP_TTL`).
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let socket = block_on(arborio_net::UdpSocket::bind("127.0.0.1:0"))?;
    /// socket.set_ttl(12)?;
    /// assert_eq!(socket.ttl()?, 12);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        self.io.get_ref().set_ttl(hops)
    }

    /// See [`set_ttl`](Self::set_ttl).
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let socket = block_on(arborio_net::UdpSocket::bind("127.0.0.1:0"))?;
    /// assert!(socket.ttl()? > 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn ttl(&self) -> io::Result<u32> {
        self.io.get_ref().ttl()
    }

    /// Whether datagrams may be sent to broadcast addresses (`SO_BROADCAST`);
    /// the kernel's default is false.
    ///
    /// # Errors
    /// Those of `setsockopt(2)`.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let socket = block_on(arborio_net::UdpSocket::bind("127.0.0.1:0"))?;
    /// socket.set_broadcast(true)?;
    /// assert!(socket.broadcast()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn set_broadcast(&self, allowed: bool) -> io::Result<()> {
        self.io.get_ref().set_broadcast(allowed)
    }

    /// See [`set_broadcast`](Self::set_broadcast).
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let socket = block_on(arborio_net::UdpSocket::bind("127.0.0.1:0"))?;
    /// assert!(!socket.broadcast()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn broadcast(&self) -> io::Result<bool> {
        self.io.get_ref().broadcast()
    }
}

/// What `attempt` gives for the first address with which it succeeds; the
/// error is that of the last one.
async fn first<R>(
    addr: impl ToAddrs,
    attempt: impl Fn(SocketAddr) -> io::Result<R>,
) -> io::Result<R> {
    let mut last = None;
    for addr in addr.named().resolve().await? {
        match attempt(addr) {
            Ok(done) => return Ok(done),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::InvalidInput.into()))
}

fn bind_to(addr: SocketAddr) -> io::Result<UdpSocket> {
    let kind = Type::DGRAM.nonblocking().cloexec();
    let socket = Socket::new_raw(Domain::for_address(addr), kind, Some(Protocol::UDP))?;
    socket.bind(&addr.into())?;
    Datagrams::from_nonblocking(socket.into())
}

fn send_datagram(socket: &std::net::UdpSocket, buf: &[u8], addr: SocketAddr) -> io::Result<usize> {
    Ok(sendto(socket, buf, SendFlags::NOSIGNAL, &addr)?)
}
