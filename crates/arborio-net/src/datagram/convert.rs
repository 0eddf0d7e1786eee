//! To and from the standard library's sockets and descriptors.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use arborio_reactor::Async;

use super::{DatagramSocket, Datagrams, UdpSocket, UnixDatagram};

impl<S: DatagramSocket> Datagrams<S> {
    /// Deregisters the socket and gives it to the standard library, blocking.
    ///
    /// # Errors
    /// Those of making it blocking.
    ///
    /// # Examples
    /// ```
    /// let (one, other) = arborio_net::UnixDatagram::pair()?;
    /// one.into_std()?.send(b"x")?;
    /// assert_eq!(other.into_std()?.recv(&mut [0; 8])?, 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_std(self) -> io::Result<S> {
        let socket = self.io.into_inner();
        rustix::io::ioctl_fionbio(&socket, false)?;
        Ok(socket)
    }
}

impl TryFrom<std::net::UdpSocket> for UdpSocket {
    type Error = io::Error;

    /// Makes a socket of the standard library non-blocking and registers it.
    fn try_from(socket: std::net::UdpSocket) -> io::Result<Self> {
        let io = Async::new(socket)?;
        Ok(Self { io })
    }
}

impl TryFrom<std::os::unix::net::UnixDatagram> for UnixDatagram {
    type Error = io::Error;

    /// Makes a socket of the standard library non-blocking and registers it.
    fn try_from(socket: std::os::unix::net::UnixDatagram) -> io::Result<Self> {
        let io = Async::new(socket)?;
        Ok(Self { io })
    }
}

impl<S: DatagramSocket> TryFrom<OwnedFd> for Datagrams<S> {
    type Error = io::Error;

    /// The descriptor must be that of a datagram socket of this kind.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        let io = Async::new(fd.into())?;
        Ok(Self { io })
    }
}

impl<S: DatagramSocket> From<Datagrams<S>> for OwnedFd {
    /// The descriptor stays non-blocking.
    fn from(socket: Datagrams<S>) -> Self {
        socket.io.into_inner().into()
    }
}

impl<S: DatagramSocket> AsFd for Datagrams<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl<S: DatagramSocket> AsRawFd for Datagrams<S> {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}
