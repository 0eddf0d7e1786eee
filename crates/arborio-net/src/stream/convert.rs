//! To and from the standard library's sockets and descriptors.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use arborio_reactor::Async;

use super::TcpStream;

impl TcpStream {
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
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        let stream = self.io.into_inner();
        stream.set_nonblocking(false)?;
        Ok(stream)
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

impl TryFrom<OwnedFd> for TcpStream {
    type Error = io::Error;

    /// The descriptor must be that of a connected TCP socket.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        std::net::TcpStream::from(fd).try_into()
    }
}

impl From<TcpStream> for OwnedFd {
    /// The descriptor stays non-blocking.
    fn from(stream: TcpStream) -> Self {
        stream.io.into_inner().into()
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}
