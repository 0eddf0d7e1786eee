//! Addresses, and the way to and from the standard library's sockets and
//! descriptors.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use arborio_reactor::Async;

use rustix::net::sockopt::socket_error;

use super::{Connection, StreamSocket, TcpStream, UnixStream};
use crate::family::{local_addr, peer_addr};

impl<S: StreamSocket> Connection<S> {
    /// The address of this end.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// assert_eq!(stream.local_addr()?, peer.peer_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<S::Addr> {
        local_addr(self.io.get_ref())
    }

    /// The address of the other end.
    ///
    /// # Errors
    /// `NotConnected` if the connection is gone.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// assert_eq!(stream.peer_addr()?, peer.local_addr()?);
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
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// assert!(stream.take_error()?.is_none());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(socket_error(&self.io)?.err().map(io::Error::from))
    }

    /// Deregisters the socket and gives it to the standard library, blocking.
    ///
    /// # Errors
    /// Those of making it blocking.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// let stream: std::net::TcpStream = stream.into_std()?;
    /// assert_eq!(stream.peer_addr()?, peer.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_std(self) -> io::Result<S> {
        let socket = self.io.into_inner();
        rustix::io::ioctl_fionbio(&socket, false)?;
        Ok(socket)
    }
}

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    /// Makes a connected socket of the standard library non-blocking and
    /// registers it.
    fn try_from(stream: std::net::TcpStream) -> io::Result<Self> {
        let io = Async::new_stream(stream)?;
        Ok(Self { io })
    }
}

impl TryFrom<std::os::unix::net::UnixStream> for UnixStream {
    type Error = io::Error;

    /// Makes a connected socket of the standard library non-blocking and
    /// registers it.
    fn try_from(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        let io = Async::new_stream(stream)?;
        Ok(Self { io })
    }
}

impl<S: StreamSocket> TryFrom<OwnedFd> for Connection<S> {
    type Error = io::Error;

    /// The descriptor must be that of a connected socket of this kind.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        let io = Async::new_stream(fd.into())?;
        Ok(Self { io })
    }
}

impl<S: StreamSocket> From<Connection<S>> for OwnedFd {
    /// The descriptor stays non-blocking.
    fn from(stream: Connection<S>) -> Self {
        stream.io.into_inner().into()
    }
}

impl<S: StreamSocket> AsFd for Connection<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl<S: StreamSocket> AsRawFd for Connection<S> {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}
