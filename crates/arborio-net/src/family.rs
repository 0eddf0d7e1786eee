//! Families of sockets and their addresses.
//!
//! The sockets of this crate are generic over the type of the standard library
//! that owns the descriptor. What differs between those types stands here, and
//! in the traits built on it: [`StreamSocket`](crate::StreamSocket),
//! [`DatagramSocket`](crate::DatagramSocket) and
//! [`ListeningSocket`](crate::ListeningSocket).

use std::{
    io, net,
    os::{
        fd::{AsFd, OwnedFd},
        unix,
    },
};

use rustix::net::{SocketAddrAny, getpeername, getsockname};

use crate::unix::addrs::from_system;

/// A socket of the standard library, and what its family calls an address.
/// Public, so that sealed traits can have it above them, and not to be named.
pub trait Family: AsFd + From<OwnedFd> + Into<OwnedFd> {
    /// The address of a socket.
    type Addr;

    /// An address that the kernel wrote; `None` if it wrote none.
    fn addr(written: Option<SocketAddrAny>) -> io::Result<Self::Addr>;
}

/// The families of the types of the standard library.
macro_rules! families {
    ($($socket:ty => $addr:ty, $from:expr;)*) => { $(
        impl Family for $socket {
            type Addr = $addr;

            fn addr(written: Option<SocketAddrAny>) -> io::Result<$addr> {
                $from(written)
            }
        }
    )* };
}

families! {
    net::TcpStream => net::SocketAddr, internet;
    net::TcpListener => net::SocketAddr, internet;
    net::UdpSocket => net::SocketAddr, internet;
    unix::net::UnixStream => unix::net::SocketAddr, from_system;
    unix::net::UnixListener => unix::net::SocketAddr, from_system;
    unix::net::UnixDatagram => unix::net::SocketAddr, from_system;
}

fn internet(written: Option<SocketAddrAny>) -> io::Result<net::SocketAddr> {
    written
        .and_then(|addr| net::SocketAddr::try_from(addr).ok())
        .ok_or_else(|| io::Error::other("the socket has no internet address"))
}

/// The address of this end of `socket`.
pub(crate) fn local_addr<S: Family>(socket: &S) -> io::Result<S::Addr> {
    S::addr(Some(getsockname(socket)?))
}

/// The address of the other end of `socket`.
pub(crate) fn peer_addr<S: Family>(socket: &S) -> io::Result<S::Addr> {
    S::addr(getpeername(socket)?)
}
