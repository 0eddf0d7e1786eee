//! The traits of tokio's `io` module, for the same types as those of `futures-io`: they need no
//! tokio runtime.
//!
//! tokio lends memory that may not be initialised. It is cleared before it is read into, at most
//! [`MOST`] bytes at a time; who reads into the same `ReadBuf` again does not pay again.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Connection, OwnedReadHalf, OwnedWriteHalf, ReadHalf, StreamSocket, WriteHalf};

/// The most that one read brings.
const MOST: usize = 64 << 10;

impl<S: StreamSocket> Connection<S> {
    fn poll_read_buf(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = buf.initialize_unfilled_to(buf.remaining().min(MOST));
        let count = ready!(self.poll_read(cx, room))?;
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

/// Reads from the stream that `$stream` finds in `$this`.
macro_rules! async_read {
    ($reader:ty, $this:ident => $stream:expr) => {
        impl<S: StreamSocket> AsyncRead for $reader {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let $this = &*self;
                Connection::poll_read_buf($stream, cx, buf)
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

            fn is_write_vectored(&self) -> bool {
                true
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

            fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
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
