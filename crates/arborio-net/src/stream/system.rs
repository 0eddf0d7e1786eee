//! The system calls of a stream, and what depends on the kind of its socket.

use std::{
    io::{self, IoSlice},
    net,
    os::{fd::AsFd, unix},
};

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, sendmsg};

use crate::family::Family;

/// How many slices the kernel takes in one call (`UIO_MAXIOV`).
const SLICES: usize = 1024;

/// A stream socket of the standard library, of which a
/// [`Connection`](crate::Connection) can be made.
///
/// This trait is sealed: what it asks for may change.
///
/// # Examples
/// ```
/// use arborio_net::{Connection, StreamSocket, UnixStream};
///
/// async fn farewell<S: StreamSocket>(peer: &Connection<S>) -> std::io::Result<()> {
///     peer.write_all(b"bye").await
/// }
/// let (one, _other) = UnixStream::pair()?;
/// assert!(futures_lite::future::block_on(farewell(&one)).is_ok());
/// # std::io::Result::Ok(())
/// ```
pub trait StreamSocket: Family {
    /// How many bytes a read into `len` bytes must bring for the reactor not
    /// to take it for a sign that none are left.
    #[doc(hidden)]
    fn wanted(len: usize) -> usize;
}

impl StreamSocket for net::TcpStream {
    #[inline]
    fn wanted(len: usize) -> usize {
        len
    }
}

impl StreamSocket for unix::net::UnixStream {
    /// A read stops behind bytes that came with descriptors, whatever follows
    /// them. So a short one proves nothing.
    #[inline]
    fn wanted(_: usize) -> usize {
        0
    }
}

/// One `recv`.
#[inline]
pub(super) fn recv(socket: impl AsFd, buf: &mut [u8]) -> io::Result<usize> {
    let (count, _) = rustix::net::recv(socket, buf, RecvFlags::empty())?;
    Ok(count)
}

/// One `recv` that takes nothing out.
pub(super) fn peek(socket: impl AsFd, buf: &mut [u8]) -> io::Result<usize> {
    let (count, _) = rustix::net::recv(socket, buf, RecvFlags::PEEK)?;
    Ok(count)
}

/// One `send`. A plain `write` would raise `SIGPIPE`.
#[inline]
pub(super) fn send<S: AsFd>(socket: &S, buf: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, buf, SendFlags::NOSIGNAL)?)
}

/// One `sendmsg`. A plain `writev` would raise `SIGPIPE`.
pub(super) fn send_vectored(socket: impl AsFd, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
    let bufs = &bufs[..bufs.len().min(SLICES)];
    let mut control = SendAncillaryBuffer::default();
    Ok(sendmsg(socket, bufs, &mut control, SendFlags::NOSIGNAL)?)
}

/// How many bytes one call is offered. More slices than the kernel takes are
/// counted up to there, or a full transfer would look short.
pub(super) fn total<B: std::ops::Deref<Target = [u8]>>(bufs: &[B]) -> usize {
    bufs.iter()
        .take(SLICES)
        .fold(0, |sum, buf| sum.saturating_add(buf.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_read_proves_something_of_tcp_alone() {
        assert_eq!(net::TcpStream::wanted(7), 7);
        assert_eq!(unix::net::UnixStream::wanted(7), 0);
    }

    #[test]
    fn the_total_is_that_of_the_slices_that_one_call_takes() {
        let slices = vec![IoSlice::new(b"abc"); SLICES + 1];
        assert_eq!(total(&slices), 3 * SLICES);
        assert_eq!(total(&slices[..2]), 6);
        assert_eq!(total(&slices[..0]), 0);
    }
}
