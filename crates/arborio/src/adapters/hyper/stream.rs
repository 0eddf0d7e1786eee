//! [`Stream`]: readers and writers of `futures-io` for hyper.
//!
//! hyper lends memory that may not be initialised, and `futures-io` wants it to be. Rather than clear
//! it before each read, the bytes come through a buffer of the thread, and are copied: that costs as
//! much as there is to read, and no unsafe code.

use std::{
    cell::Cell,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use ::hyper::rt::{Read, ReadBufCursor, Write};
use futures_io::{AsyncRead, AsyncWrite};

/// The most that one read brings: what a pipe or a Unix socket holds by default, or less.
const MOST: usize = 64 << 10;

thread_local! {
    /// Made by the first read of the thread. Taken out while it is used, since a reader may be made of others.
    static BUFFER: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// A socket of Arborio, or another reader and writer of `futures-io` (a TLS stream, say), as
/// hyper's [`Read`] and [`Write`].
///
/// # Examples
/// ```
/// use arborio::{hyper::Stream, net::UnixStream};
/// let kept = arborio::run(async {
///     let (one, _other) = UnixStream::pair()?;
///     let stream = Stream::new(one);
///     std::io::Result::Ok(stream.get_ref().peer_addr().is_ok())
/// });
/// assert!(kept?);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
pub struct Stream<IO> {
    io: IO,
}

impl<IO> Stream<IO> {
    /// Wraps `io`.
    ///
    /// # Examples
    /// See [`Stream`].
    pub fn new(io: IO) -> Self {
        Self { io }
    }

    /// What is wrapped.
    ///
    /// # Examples
    /// See [`Stream`].
    pub fn get_ref(&self) -> &IO {
        &self.io
    }

    /// What is wrapped, to be changed.
    ///
    /// # Examples
    /// ```
    /// let mut stream = arborio::hyper::Stream::new(1);
    /// *stream.get_mut() += 1;
    /// assert_eq!(stream.into_inner(), 2);
    /// ```
    pub fn get_mut(&mut self) -> &mut IO {
        &mut self.io
    }

    /// Gives back what was wrapped: nothing is kept here.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio::hyper::Stream::new(1).into_inner(), 1);
    /// ```
    pub fn into_inner(self) -> IO {
        self.io
    }
}

impl<IO: AsyncRead + Unpin> Read for Stream<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut room: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut buffer = BUFFER
            .take()
            .unwrap_or_else(|| vec![0; MOST].into_boxed_slice());
        let most = room.remaining().min(MOST);
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut buffer[..most]);
        if let Poll::Ready(Ok(count)) = polled {
            room.put_slice(&buffer[..count]);
        }
        BUFFER.set(Some(buffer));
        ready!(polled)?;
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> Write for Stream<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }

    /// True: where `futures-io` has nothing better the first buffer is written, as hyper would.
    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}
