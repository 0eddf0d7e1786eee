//! [`UnixStream`]: how a connection to another process is made.

use std::io;

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
};

use super::Connection;
use crate::unix::{
    addrs::{ToUnixAddr, to_system},
    backoff::Backoff,
    cred::UCred,
    file::new_socket,
};

/// A connection over a Unix socket; see [`Connection`] for what can be done
/// with it.
///
/// # Examples
/// ```
/// use arborio_net::UnixStream;
/// use futures_lite::future::block_on;
/// let (one, other) = UnixStream::pair()?;
/// let mut word = [0; 5];
/// block_on(one.write_all(b"hello"))?;
/// block_on(other.read_exact(&mut word))?;
/// assert_eq!(&word, b"hello");
/// # std::io::Result::Ok(())
/// ```
pub type UnixStream = Connection<std::os::unix::net::UnixStream>;

impl UnixStream {
    /// Connects to the listener at `addr`: a path, or an address of the
    /// standard library, which may be abstract.
    ///
    /// If the listener has more connections waiting than its backlog allows,
    /// this waits until it has accepted some. The kernel does not say when, so
    /// it is asked again after one millisecond, two, and so on up to 64.
    ///
    /// # Errors
    /// `NotFound` if there is no such file, `ConnectionRefused` if nobody
    /// listens, `PermissionDenied` and others; `InvalidInput` for a path that
    /// is empty or too long for a socket.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::{UnixListener, UnixStream};
    /// use futures_lite::future::{block_on, try_zip};
    /// use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    /// # let name = format!("arborio-connect-{}", std::process::id());
    /// let addr = SocketAddr::from_abstract_name(name)?;
    /// let listener = UnixListener::bind(&addr)?;
    /// let (client, _) = block_on(try_zip(UnixStream::connect(&addr), listener.accept()))?;
    /// assert_eq!(client.peer_addr()?.as_abstract_name(), addr.as_abstract_name());
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn connect(addr: impl ToUnixAddr) -> io::Result<Self> {
        let addr = to_system(&addr.named()?)?;
        let socket = new_socket(SocketType::STREAM)?;
        let mut backoff = Backoff::new();
        loop {
            match rustix::net::connect(&socket, &addr) {
                Ok(()) => return Self::from_nonblocking(socket),
                Err(Errno::AGAIN) => backoff.pause().await,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Two sockets that are connected with each other, and have no name.
    ///
    /// # Errors
    /// Those of `socketpair(2)` and of registering the sockets.
    ///
    /// # Examples
    /// ```
    /// let (one, other) = arborio_net::UnixStream::pair()?;
    /// drop(one);
    /// let end = futures_lite::future::block_on(other.read(&mut [0]));
    /// assert_eq!(end?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pair() -> io::Result<(Self, Self)> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let (one, other) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        Ok((Self::from_nonblocking(one)?, Self::from_nonblocking(other)?))
    }

    /// Who was at the other end when the connection was made: of a client,
    /// the process that called `connect`; of a listener, the one that called
    /// `listen`.
    ///
    /// # Errors
    /// Those of `getsockopt(2)`.
    ///
    /// # Examples
    /// ```
    /// let (one, _other) = arborio_net::UnixStream::pair()?;
    /// assert_eq!(one.peer_cred()?.pid(), Some(std::process::id()));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peer_cred(&self) -> io::Result<UCred> {
        UCred::of_peer(&self.io)
    }
}
