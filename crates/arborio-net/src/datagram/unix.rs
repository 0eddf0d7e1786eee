//! [`UnixDatagram`]: binding, connecting, and sending to an address.

use std::{
    io,
    net::Shutdown,
    pin::pin,
    task::{Poll, ready},
};

use arborio_base::budget;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sendto, socketpair,
};

use super::Datagrams;
use crate::unix::{
    addrs::{ToUnixAddr, to_system},
    backoff::Backoff,
    file::{new_bound, new_socket},
};

type StdDatagram = std::os::unix::net::UnixDatagram;

/// A Unix datagram socket; see [`Datagrams`] for what can be done with it. The
/// kernel loses and swaps no datagram on its way: who sends to a receiver whose
/// queue is full waits.
///
/// # Examples
/// ```
/// use arborio_net::UnixDatagram;
/// use futures_lite::future::block_on;
/// let (one, other) = UnixDatagram::pair()?;
/// block_on(one.send(b"hello"))?;
/// let mut buf = [0; 64];
/// let count = block_on(other.recv(&mut buf))?;
/// assert_eq!(&buf[..count], b"hello");
/// # std::io::Result::Ok(())
/// ```
pub type UnixDatagram = Datagrams<StdDatagram>;

impl UnixDatagram {
    /// Binds to `addr`: a path, or an address of the standard library, which
    /// may be abstract. The file of a path stays when the socket is dropped.
    ///
    /// # Errors
    /// `AddrInUse` if something is at the path already, with a
    /// [`PathInUse`](crate::PathInUse) inside that says what; `NotFound`,
    /// `PermissionDenied` and others of `bind(2)`; `InvalidInput` for a path
    /// that is empty or too long for a socket.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::UnixDatagram;
    /// use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    /// # let name = format!("arborio-datagram-{}", std::process::id());
    /// let addr = SocketAddr::from_abstract_name(name)?;
    /// let _socket = UnixDatagram::bind(&addr)?;
    /// assert!(UnixDatagram::bind(&addr).is_err());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind(addr: impl ToUnixAddr) -> io::Result<Self> {
        let socket = new_bound(SocketType::DGRAM, &addr.named()?, false)?;
        Self::from_nonblocking(socket)
    }

    /// A socket without an address: it can send, and nobody can answer.
    ///
    /// # Errors
    /// Those of `socket(2)` and of registering the socket.
    ///
    /// # Examples
    /// ```
    /// let socket = arborio_net::UnixDatagram::unbound()?;
    /// assert!(socket.local_addr()?.is_unnamed());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn unbound() -> io::Result<Self> {
        Self::from_nonblocking(new_socket(SocketType::DGRAM)?)
    }

    /// Two sockets that are connected with each other, and have no address.
    ///
    /// # Errors
    /// Those of `socketpair(2)` and of registering the sockets.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let (one, other) = arborio_net::UnixDatagram::pair()?;
    /// block_on(one.send(b""))?;
    /// assert_eq!(block_on(other.recv(&mut [0; 8]))?, 0, "an empty datagram");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pair() -> io::Result<(Self, Self)> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        Ok((Self::from_nonblocking(one)?, Self::from_nonblocking(other)?))
    }

    /// Connects to the socket at `addr`: sends go there, and only what comes
    /// from there is received. A later call replaces the peer.
    ///
    /// # Errors
    /// `NotFound` if there is no such file, `ConnectionRefused` if nobody has
    /// the socket, `PermissionDenied` and others; `InvalidInput` for a path
    /// that is empty or too long.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// use arborio_net::UnixDatagram;
    /// # let path = std::env::temp_dir().join(format!("arborio-peer-{}", std::process::id()));
    /// let server = UnixDatagram::bind(&path)?;
    /// let client = UnixDatagram::unbound()?;
    /// client.connect(&path)?;
    /// block_on(client.send(b"x"))?;
    /// assert_eq!(block_on(server.recv(&mut [0; 8]))?, 1);
    /// # std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn connect(&self, addr: impl ToUnixAddr) -> io::Result<()> {
        let addr = to_system(&addr.named()?)?;
        Ok(rustix::net::connect(&self.io, &addr)?)
    }

    /// Sends a datagram to `addr`, when there is room for it.
    ///
    /// The kernel does not say when a receiver that this socket is not
    /// connected to has room again. So it is asked again after one
    /// millisecond, two, and so on up to 64. [`send`](Self::send) of a
    /// connected socket needs none of that.
    ///
    /// # Errors
    /// `NotFound` if there is no such file, `ConnectionRefused` if nobody has
    /// the socket, the system's `EMSGSIZE` for a datagram that is too long, and
    /// others of `sendto(2)`; `InvalidInput` for a path that is empty or too
    /// long; `NotConnected` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// A future that was dropped before it was ready has sent nothing.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// use arborio_net::UnixDatagram;
    /// # let path = std::env::temp_dir().join(format!("arborio-send-to-{}", std::process::id()));
    /// let server = UnixDatagram::bind(&path)?;
    /// let client = UnixDatagram::unbound()?;
    /// block_on(client.send_to(b"four", &path))?;
    /// let (count, peer) = block_on(server.recv_from(&mut [0; 8]))?;
    /// assert!(count == 4 && peer.is_unnamed());
    /// # std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn send_to(&self, buf: &[u8], addr: impl ToUnixAddr) -> io::Result<usize> {
        let addr = to_system(&addr.named()?)?;
        let mut backoff = Backoff::new();
        loop {
            if let Some(result) = self.try_send_to(buf, &addr).await {
                return result;
            }
            if let Some(result) = self.send_within(&mut backoff, buf, &addr).await {
                return result;
            }
        }
    }

    /// Asks the kernel whatever the readiness says: that of this socket tells
    /// nothing about the receiver's queue. `None` if there is no room.
    async fn try_send_to(&self, buf: &[u8], addr: &SocketAddrUnix) -> Option<io::Result<usize>> {
        std::future::poll_fn(budget::poll_charge).await;
        if self.io.is_closed() {
            return Some(Err(io::ErrorKind::NotConnected.into()));
        }
        match send_datagram(self.io.get_ref(), buf, addr) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                budget::refund(); // what is paid for is done, and not waited for
                None
            }
            result => Some(result),
        }
    }

    /// Sends when this socket has room, of which the kernel tells. `None` when
    /// a pause has passed without that.
    async fn send_within(
        &self,
        backoff: &mut Backoff,
        buf: &[u8],
        addr: &SocketAddrUnix,
    ) -> Option<io::Result<usize>> {
        let mut sending = pin!(
            self.io
                .write_with(|socket| send_datagram(socket, buf, addr))
        );
        let mut pause = pin!(backoff.pause());
        std::future::poll_fn(|cx| {
            if let Poll::Ready(result) = sending.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            ready!(pause.as_mut().poll(cx));
            Poll::Ready(None)
        })
        .await
    }

    /// Shuts one direction, or both, down: sends fail, or receives find the
    /// datagrams that are there and then nothing.
    ///
    /// # Errors
    /// `NotConnected` if the socket is not connected.
    ///
    /// # Examples
    /// ```
    /// # use futures_lite::future::block_on;
    /// let (one, _other) = arborio_net::UnixDatagram::pair()?;
    /// one.shutdown(std::net::Shutdown::Write)?;
    /// let error = block_on(one.send(b"x")).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.io.get_ref().shutdown(how)
    }
}

fn send_datagram(socket: &StdDatagram, buf: &[u8], addr: &SocketAddrUnix) -> io::Result<usize> {
    Ok(sendto(socket, buf, SendFlags::NOSIGNAL, addr)?)
}
