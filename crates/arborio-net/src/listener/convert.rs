//! To and from the standard library's sockets and descriptors.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
};

use arborio_reactor::Async;

use super::{Listener, ListeningSocket, TcpListener, UnixListener};

impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    /// Makes a bound socket of the standard library non-blocking and registers
    /// it.
    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self::of(Async::new(listener)?))
    }
}

impl TryFrom<std::os::unix::net::UnixListener> for UnixListener {
    type Error = io::Error;

    /// Makes a bound socket of the standard library non-blocking and registers
    /// it. Its file stays when it is dropped.
    fn try_from(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        Ok(Self::of(Async::new(listener)?))
    }
}

impl<L: ListeningSocket> TryFrom<OwnedFd> for Listener<L> {
    type Error = io::Error;

    /// The descriptor must be that of a listening socket of this kind.
    fn try_from(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self::of(Async::new(fd.into())?))
    }
}

impl<L: ListeningSocket> From<Listener<L>> for OwnedFd {
    fn from(listener: Listener<L>) -> Self {
        listener.into_inner().into()
    }
}

impl<L: ListeningSocket> AsFd for Listener<L> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl<L: ListeningSocket> AsRawFd for Listener<L> {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}
