//! TCP, UDP and Unix sockets for any executor, on Arborio's reactor.
//!
//! * [`TcpStream`] and [`UnixStream`] are a [`Connection`]: all its methods take
//!   `&self`, so that tasks can share it, and it splits into halves.
//! * [`TcpListener`] and [`UnixListener`] are a [`Listener`]: it accepts
//!   connections, and survives a system that has run out of descriptors.
//! * [`UdpSocket`] and [`UnixDatagram`] are a [`Datagrams`].
//! * [`ToAddrs`] and [`ToUnixAddr`]: what names an address; [`set_resolver`] is
//!   where DNS comes in.
//! * [`copy_bidirectional`]: what a proxy does.
//!
//! All this is `arborio::net` in the crate `arborio`. Examples have the names of this crate.
//!
//! # Where to start reading
//! `family.rs` (what differs between kinds of sockets), `stream/mod.rs`,
//! `listener/mod.rs`, `accept.rs` (which errors are survived),
//! `datagram/mod.rs`, `unix/file.rs` (a file that is in the way).
#![deny(unsafe_code)]

mod accept;
mod addrs;
mod connect;
mod copy;
mod datagram;
mod family;
mod listener;
mod resolver;
mod stream;
mod unix;

pub use addrs::ToAddrs;
pub use copy::{CopyBidirectional, copy_bidirectional};
pub use datagram::{DatagramSocket, Datagrams, UdpSocket, UnixDatagram};
pub use listener::{
    Incoming, Listener, ListeningSocket, TcpListener, TcpListenerBuilder, UnixListener,
    UnixListenerBuilder,
};
pub use resolver::{ResolverIsSet, Resolving, set_fallback_resolver, set_resolver};
pub use stream::{
    Connection, OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, StreamSocket, TcpStream,
    UnixStream, WriteHalf,
};
pub use unix::{addrs::ToUnixAddr, cred::UCred, file::PathInUse};

/// The program of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
