//! [`Connection`]: what TCP and Unix streams have in common, which is nearly
//! everything.

mod convert;
mod futures_io;
mod halves;
mod options;
mod system;
mod tcp;
#[cfg(feature = "tokio")]
mod tokio;
mod unix;

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::Shutdown,
    os::fd::OwnedFd,
    task::{Context, Poll},
};

use arborio_reactor::Async;
use rustix::io::readv;

use self::system::{peek, recv, send, send_vectored, total};
pub use self::{
    halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf},
    system::StreamSocket,
    tcp::TcpStream,
    unix::UnixStream,
};

/// A connection that carries bytes in both directions: a [`TcpStream`] or a
/// [`UnixStream`], by the socket of the standard library that it is made of.
///
/// Every method takes `&self`: several tasks may read and write through one
/// reference, and everybody who waits is woken. For halves that can be moved
/// apart, see [`split`](Self::split) and [`into_split`](Self::into_split). It
/// also implements the `AsyncRead` and `AsyncWrite` of `futures-io`, as do
/// references to it and the halves; with the feature `tokio`, those of tokio, too.
///
/// Dropping it closes the connection. A write to a connection that the peer
/// has closed is a `BrokenPipe` error and never the signal `SIGPIPE`.
///
/// # Examples
/// A server for both kinds:
/// ```
/// use arborio_net::{Connection, StreamSocket, UnixStream};
/// use futures_lite::future::{block_on, try_zip};
///
/// async fn greet<S: StreamSocket>(client: Connection<S>) -> std::io::Result<()> {
///     client.write_all(b"hello").await
/// }
///
/// let (server, client) = UnixStream::pair()?;
/// let mut word = [0; 5];
/// block_on(try_zip(greet(server), client.read_exact(&mut word)))?;
/// assert_eq!(&word, b"hello");
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Connection<S> {
    io: Async<S>,
}

impl<S: StreamSocket> Connection<S> {
    /// A connection that the system made, non-blocking already.
    pub(crate) fn from_nonblocking(socket: OwnedFd) -> io::Result<Self> {
        let io = Async::from_nonblocking_stream(socket.into())?;
        Ok(Self { io })
    }

    /// Reads some bytes into `buf` and returns how many; 0 is the end of the
    /// stream (or an empty `buf`).
    ///
    /// # Errors
    /// `ConnectionReset` and others of `recv(2)`; `NotConnected` after
    /// [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future loses no byte.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let mut peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// # use std::io::Write;
    /// peer.write_all(b"three")?;
    /// let mut buf = [0; 64];
    /// let count = futures_lite::future::block_on(stream.read(&mut buf))?;
    /// assert_eq!(&buf[..count], b"three");
    /// # std::io::Result::Ok(())
    /// ```
    pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        let wanted = S::wanted(buf.len());
        self.io.read_stream(wanted, move |socket| recv(socket, buf))
    }

    /// As [`read`](Self::read), into several buffers in turn.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropping the future loses no byte.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let mut peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// # use std::io::{IoSliceMut, Write};
    /// peer.write_all(b"ab")?;
    /// let (mut one, mut two) = ([0; 1], [0; 8]);
    /// let mut bufs = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
    /// let count = futures_lite::future::block_on(stream.read_vectored(&mut bufs))?;
    /// assert_eq!((count, one[0], two[0]), (2, b'a', b'b'));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn read_vectored<'a, 'b>(
        &'a self,
        bufs: &'a mut [IoSliceMut<'b>],
    ) -> impl Future<Output = io::Result<usize>> + use<'a, 'b, S> {
        let wanted = S::wanted(total(bufs));
        self.io
            .read_stream(wanted, move |socket| Ok(readv(socket, bufs)?))
    }

    /// Fills `buf`.
    ///
    /// # Errors
    /// As [`read`](Self::read), and `UnexpectedEof` if the stream ends before;
    /// what `buf` then holds is not known.
    ///
    /// # Cancel safety
    /// Not cancel safe: dropping the future loses the bytes read so far.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let mut peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// # use std::io::Write;
    /// peer.write_all(b"four")?;
    /// let mut word = [0; 4];
    /// futures_lite::future::block_on(stream.read_exact(&mut word))?;
    /// assert_eq!(&word, b"four");
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn read_exact(&self, buf: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.read(&mut buf[filled..]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => filled += count,
            }
        }
        Ok(())
    }

    /// Reads into `buf` what the next read will bring again.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let mut peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// # use {futures_lite::future::block_on, std::io::Write};
    /// peer.write_all(b"x")?;
    /// let mut byte = [0];
    /// assert_eq!(block_on(stream.peek(&mut byte))?, 1);
    /// assert_eq!(block_on(stream.read(&mut byte))?, 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        // Nothing is taken out, so a short peek drains nothing.
        self.io.read_with(move |socket| peek(socket, buf))
    }

    /// Writes some bytes of `buf` and returns how many.
    ///
    /// # Errors
    /// `BrokenPipe`, `ConnectionReset` and others of `send(2)`; `NotConnected`
    /// after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// A future that was dropped before it was ready has written nothing.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// assert_eq!(futures_lite::future::block_on(stream.write(b"four"))?, 4);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn write<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = io::Result<usize>> + 'a {
        self.io
            .write_stream(buf.len(), move |socket| send(socket, buf))
    }

    /// As [`write`](Self::write), from several buffers in turn.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Cancel safety
    /// A future that was dropped before it was ready has written nothing.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// use std::io::IoSlice;
    /// let bufs = [IoSlice::new(b"one"), IoSlice::new(b"two")];
    /// assert_eq!(futures_lite::future::block_on(stream.write_vectored(&bufs))?, 6);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn write_vectored<'a, 'b>(
        &'a self,
        bufs: &'a [IoSlice<'b>],
    ) -> impl Future<Output = io::Result<usize>> + use<'a, 'b, S> {
        let wanted = total(bufs);
        self.io
            .write_stream(wanted, move |socket| send_vectored(socket, bufs))
    }

    /// Writes all of `buf`.
    ///
    /// # Errors
    /// As [`write`](Self::write), and `WriteZero` if the socket takes nothing.
    ///
    /// # Cancel safety
    /// Not cancel safe: how much was sent when the future is dropped is not
    /// known.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// assert!(futures_lite::future::block_on(stream.write_all(b"all of it")).is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = io::Result<()>> + 'a {
        self.io.write_all_stream(buf, send)
    }

    /// As [`write_all`](Self::write_all), for several buffers in turn, which
    /// are moved on as they are sent.
    ///
    /// # Errors
    /// As [`write_all`](Self::write_all).
    ///
    /// # Cancel safety
    /// Not cancel safe: how much was sent when the future is dropped is not
    /// known.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// use std::io::IoSlice;
    /// let mut bufs = [IoSlice::new(b"one"), IoSlice::new(b"two")];
    /// assert!(futures_lite::future::block_on(stream.write_all_vectored(&mut bufs)).is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn write_all_vectored(&self, mut bufs: &mut [IoSlice<'_>]) -> io::Result<()> {
        // Empty buffers in front would make a write of nothing look stuck.
        IoSlice::advance_slices(&mut bufs, 0);
        while !bufs.is_empty() {
            match self.write_vectored(bufs).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => IoSlice::advance_slices(&mut bufs, count),
            }
        }
        Ok(())
    }

    /// The poll form of [`read`](Self::read). A task that is not ready stays
    /// registered until the next event, even if it asks no more.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// assert!(stream.poll_read(&mut cx, &mut [0; 8]).is_pending());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_read(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let wanted = S::wanted(buf.len());
        self.io
            .poll_read_stream(cx, wanted, |socket| recv(socket, buf))
    }

    /// The poll form of [`write`](Self::write). A task that is not ready stays
    /// registered until the next event, even if it asks no more.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// assert!(stream.poll_write(&mut cx, b"x").is_ready());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_write(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io
            .poll_write_stream(cx, buf.len(), |socket| send(socket, buf))
    }

    /// Waits until a read would not block: there are bytes, the end of the
    /// stream, or an error.
    ///
    /// # Errors
    /// `NotConnected` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let mut peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// # use std::io::Write;
    /// peer.write_all(b"x")?;
    /// assert!(futures_lite::future::block_on(stream.readable()).is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> + '_ {
        self.io.readable()
    }

    /// Waits until a write would not block.
    ///
    /// # Errors
    /// `NotConnected` after [`close`](Self::close).
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// assert!(futures_lite::future::block_on(stream.writable()).is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> + '_ {
        self.io.writable()
    }

    /// Shuts one direction, or both, down: the peer reads the end of the
    /// stream, or its writes fail.
    ///
    /// # Errors
    /// `NotConnected` if the connection is gone already.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let mut peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// # use std::io::Read;
    /// stream.shutdown(std::net::Shutdown::Write)?;
    /// assert_eq!(peer.read(&mut [0])?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let how = match how {
            Shutdown::Read => rustix::net::Shutdown::Read,
            Shutdown::Write => rustix::net::Shutdown::Write,
            Shutdown::Both => rustix::net::Shutdown::Both,
        };
        Ok(rustix::net::shutdown(&self.io, how)?)
    }

    /// Ends the connection now: whoever waits for it is woken and gets an
    /// error of the kind `NotConnected`, as does every later operation, and
    /// the peer reads the end of the stream. The descriptor is closed when the
    /// stream is dropped. Closing twice is legal.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let mut peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// # use std::io::Read;
    /// stream.close();
    /// assert_eq!(peer.read(&mut [0])?, 0);
    /// let error = futures_lite::future::block_on(stream.read(&mut [0])).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn close(&self) {
        self.io.close();
        // A connection that is gone already is as closed as can be.
        let _ = self.shutdown(Shutdown::Both);
    }
}
