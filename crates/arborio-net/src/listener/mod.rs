//! [`Listener`]: accepts connections.

mod convert;
mod tcp;
mod unix;

use std::{
    io,
    os::{fd::OwnedFd, unix::net},
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_reactor::Async;
use futures_core::Stream;
use rustix::net::{SocketFlags, acceptfrom_with};

pub use self::{
    tcp::{TcpListener, TcpListenerBuilder},
    unix::{UnixListener, UnixListenerBuilder},
};
use crate::{
    accept::{Pause, Remedy, remedy},
    family::{Family, local_addr},
    stream::{Connection, StreamSocket},
    unix::file::SocketFile,
};

/// How many connections the kernel keeps until they are accepted, unless the
/// builder says otherwise. The kernel itself cuts it to its own limit.
const BACKLOG: u32 = 1024;

/// A listening socket of the standard library, of which a [`Listener`] can be
/// made.
///
/// This trait is sealed: what it asks for may change.
///
/// # Examples
/// ```
/// use arborio_net::{Listener, ListeningSocket, TcpListener};
///
/// async fn turn_away<L: ListeningSocket>(listener: &Listener<L>) -> std::io::Result<()> {
///     listener.accept().await.map(drop)
/// }
/// let listener = futures_lite::future::block_on(TcpListener::bind("127.0.0.1:0"))?;
/// let _client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// assert!(futures_lite::future::block_on(turn_away(&listener)).is_ok());
/// # std::io::Result::Ok(())
/// ```
pub trait ListeningSocket: Family {
    /// The socket of a connection that is accepted.
    type Stream: StreamSocket<Addr = Self::Addr>;
}

impl ListeningSocket for std::net::TcpListener {
    type Stream = std::net::TcpStream;
}

impl ListeningSocket for net::UnixListener {
    type Stream = net::UnixStream;
}

/// A connection, and the address of its peer.
type Accepted<L> = (
    Connection<<L as ListeningSocket>::Stream>,
    <L as Family>::Addr,
);

/// A socket that listens for connections: a [`TcpListener`] or a
/// [`UnixListener`], by the socket of the standard library that it is made of.
///
/// When the system runs out of descriptors or memory, accepting pauses for a
/// tenth of a second and goes on by itself. Several tasks may accept from one
/// listener.
///
/// # Examples
/// One server for all listeners:
/// ```
/// use arborio_net::{Listener, ListeningSocket, TcpListener};
/// use futures_lite::future::block_on;
///
/// async fn serve<L: ListeningSocket>(listener: Listener<L>) -> std::io::Result<()> {
///     let (client, _peer) = listener.accept().await?;
///     client.write_all(b"x").await
/// }
/// let listener = block_on(TcpListener::bind("127.0.0.1:0"))?;
/// let mut client = std::net::TcpStream::connect(listener.local_addr()?)?;
/// block_on(serve(listener))?;
/// assert_eq!(std::io::Read::read(&mut client, &mut [0; 8])?, 1);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Listener<L> {
    /// What goes with the listener; nothing for TCP. Dropped first, see there.
    file: SocketFile,
    io: Async<L>,
    /// Set while the system is out of descriptors.
    pause: Pause,
}

impl<L: ListeningSocket> Listener<L> {
    /// Waits for a connection; gives it, and the address of its peer.
    ///
    /// # Errors
    /// Those of `accept(2)` that neither trying again nor waiting can mend;
    /// `NotConnected` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// use futures_lite::future::block_on;
    /// let listener = block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let (_server, peer) = block_on(listener.accept())?;
    /// assert_eq!(peer, client.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn accept(&self) -> io::Result<Accepted<L>> {
        let mut failures = 0;
        loop {
            self.pause.over().await;
            match self.io.read_with(accept_one).await {
                Ok((socket, peer)) => return Ok((Connection::from_nonblocking(socket)?, peer)),
                Err(error) => self.mend(error, &mut failures)?,
            }
        }
    }

    /// The poll form of [`accept`](Self::accept). A task that is not ready
    /// stays registered until the next connection, even if it asks no more.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    ///
    /// # Examples
    /// ```
    /// # use std::task::{Context, Waker};
    /// use arborio_net::TcpListener;
    /// let listener = futures_lite::future::block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(listener.poll_accept(&mut cx).is_pending());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted<L>>> {
        let mut failures = 0;
        loop {
            ready!(self.pause.poll_over(cx));
            match ready!(self.io.poll_read_with(cx, accept_one)) {
                Ok((socket, peer)) => {
                    return Poll::Ready(Connection::from_nonblocking(socket).map(|s| (s, peer)));
                }
                Err(error) => self.mend(error, &mut failures)?,
            }
        }
    }

    /// The connections as a stream. It ends after [`close`](Self::close).
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// use futures_lite::{StreamExt, future::block_on};
    /// let listener = block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// listener.close();
    /// assert!(block_on(listener.incoming().next()).is_none());
    /// # std::io::Result::Ok(())
    /// ```
    pub const fn incoming(&self) -> Incoming<'_, L> {
        Incoming { listener: self }
    }

    /// Wakes everybody who accepts, with an error of the kind `NotConnected`,
    /// and refuses new connections. The descriptor is closed when the listener
    /// is dropped.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// use futures_lite::future::block_on;
    /// let listener = block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// listener.close();
    /// let error = block_on(listener.accept()).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn close(&self) {
        self.io.close();
        // Ends the kernel's listening; that it did not listen is no error here.
        let _ = rustix::net::shutdown(&self.io, rustix::net::Shutdown::Both);
    }

    /// The address that is listened on.
    ///
    /// # Errors
    /// Those of `getsockname(2)`.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// let listener = futures_lite::future::block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// assert!(listener.local_addr()?.ip().is_loopback());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn local_addr(&self) -> io::Result<L::Addr> {
        local_addr(self.io.get_ref())
    }

    /// Deregisters the socket and gives it to the standard library, blocking.
    /// The file of a Unix socket stays, even if it was to be removed.
    ///
    /// # Errors
    /// Those of making it blocking.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// let listener = futures_lite::future::block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// let addr = listener.local_addr()?;
    /// assert_eq!(listener.into_std()?.local_addr()?, addr);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_std(self) -> io::Result<L> {
        let listener = self.into_inner();
        rustix::io::ioctl_fionbio(&listener, false)?;
        Ok(listener)
    }

    /// Around a socket that listens.
    fn of(io: Async<L>) -> Self {
        let (file, pause) = (SocketFile::default(), Pause::default());
        Self { file, io, pause }
    }

    fn into_inner(self) -> L {
        self.file.keep();
        self.io.into_inner()
    }

    /// Ok if accepting should go on in spite of `error`.
    fn mend(&self, error: io::Error, failures: &mut u32) -> io::Result<()> {
        match remedy(&error, *failures) {
            Remedy::Retry => *failures += 1,
            Remedy::Pause => self.pause.begin(),
            Remedy::GiveUp => return Err(error),
        }
        Ok(())
    }
}

/// One `accept4`: the new socket is non-blocking and close-on-exec at once.
fn accept_one<L: ListeningSocket>(listener: &L) -> io::Result<(OwnedFd, L::Addr)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, peer) = acceptfrom_with(listener, flags)?;
    Ok((socket, L::addr(peer)?))
}

/// The connections of a [`Listener`], as a stream.
#[derive(Debug)]
#[must_use = "streams do nothing unless they are polled"]
pub struct Incoming<'a, L: ListeningSocket = std::net::TcpListener> {
    listener: &'a Listener<L>,
}

impl<L: ListeningSocket> Clone for Incoming<'_, L> {
    fn clone(&self) -> Self {
        self.listener.incoming()
    }
}

impl<L: ListeningSocket> Stream for Incoming<'_, L> {
    type Item = io::Result<Connection<L::Stream>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.listener.io.is_closed() {
            return Poll::Ready(None);
        }
        let accepted = ready!(self.listener.poll_accept(cx));
        if accepted.is_err() && self.listener.io.is_closed() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn connections_that_fail_one_after_the_other_lead_to_a_pause() {
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let mut failures = 0;
        for count in 1..=16 {
            listener.mend(Errno::PERM.into(), &mut failures).unwrap();
            assert_eq!(failures, count);
            assert!(listener.pause.until().is_none());
        }
        listener.mend(Errno::PERM.into(), &mut failures).unwrap();
        assert!(listener.pause.until().is_some());
    }
}
