//! The traits of `futures-io`, for a stream, a reference to one, and halves.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};
use rustix::io::readv;

use super::{
    Connection, OwnedReadHalf, OwnedWriteHalf, ReadHalf, StreamSocket, WriteHalf,
    system::{send_vectored, total},
};

impl<S: StreamSocket> Connection<S> {
    fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = S::wanted(total(bufs));
        self.io
            .poll_read_stream(cx, wanted, |socket| Ok(readv(socket, bufs)?))
    }

    pub(super) fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = total(bufs);
        self.io
            .poll_write_stream(cx, wanted, |socket| send_vectored(socket, bufs))
    }

    /// Closing twice, or after the peer, is legal.
    pub(super) fn close_writing(&self) -> io::Result<()> {
        match self.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            other => other,
        }
    }
}

/// Reads from the stream that `$stream` finds in `$this`.
macro_rules! async_read {
    ($reader:ty, $this:ident => $stream:expr) => {
        impl<S: StreamSocket> AsyncRead for $reader {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                Connection::poll_read($stream, cx, buf)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                Connection::poll_read_vectored($stream, cx, bufs)
            }
        }
    };
}

/// Writes to the stream that `$stream` finds in `$this`. There is no buffer,
/// so there is nothing to flush.
macro_rules! async_write {
    ($writer:ty, $this:ident => $stream:expr) => {
        impl<S: StreamSocket> AsyncWrite for $writer {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                Connection::poll_write($stream, cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                Connection::poll_write_vectored($stream, cx, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                let $this = &*self;
                Poll::Ready(Connection::close_writing($stream))
            }
        }
    };
}

async_read!(Connection<S>, this => this);
async_read!(&Connection<S>, this => this);
async_read!(ReadHalf<'_, S>, this => this.as_ref());
async_read!(OwnedReadHalf<S>, this => this.as_ref());
async_write!(Connection<S>, this => this);
async_write!(&Connection<S>, this => this);
async_write!(WriteHalf<'_, S>, this => this.as_ref());
async_write!(OwnedWriteHalf<S>, this => this.as_ref());
