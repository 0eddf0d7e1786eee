//! TCP for any executor, on Arborio's reactor.
//!
//! * [`TcpStream`]: a connection; all its methods take `&self`, so that tasks
//!   can share it, and it splits into halves.
//! * [`TcpListener`]: accepts connections, and survives a system that has run
//!   out of descriptors.
//! * [`ToAddrs`]: what names an address; [`set_resolver`] is where DNS comes in.
//!
//! # Where to start reading
//! `stream/mod.rs`, `listener.rs`, `accept.rs` (which errors are survived).
#![forbid(unsafe_code)]

mod accept;
mod addrs;
mod connect;
mod listener;
mod resolver;
mod stream;

pub use addrs::ToAddrs;
pub use listener::{Incoming, TcpListener, TcpListenerBuilder};
pub use resolver::{ResolverIsSet, Resolving, set_resolver};
pub use stream::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, TcpStream, WriteHalf};
