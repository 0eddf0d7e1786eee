//! The traits of `futures-io`, for a stream, a reference to one, and halves.

use std::{
    io::{self, IoSlice, IoSliceMut, Read},
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};

use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpStream, WriteHalf, send_vectored, total};

impl TcpStream {
    fn poll_read_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = total(bufs);
        self.io
            .poll_read_stream(cx, wanted, |mut stream| stream.read_vectored(bufs))
    }

    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wanted = total(bufs);
        self.io
            .poll_write_stream(cx, wanted, |stream| send_vectored(stream, bufs))
    }

    /// Closing twice, or after the peer, is legal.
    fn close_writing(&self) -> io::Result<()> {
        match self.shutdown(Shutdown::Write) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            other => other,
        }
    }
}

/// Reads from the stream that `$stream` finds in `$this`.
macro_rules! async_read {
    ($reader:ty, $this:ident => $stream:expr) => {
        impl AsyncRead for $reader {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                TcpStream::poll_read($stream, cx, buf)
            }

            fn poll_read_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                TcpStream::poll_read_vectored($stream, cx, bufs)
            }
        }
    };
}

/// Writes to the stream that `$stream` finds in `$this`. There is no buffer,
/// so there is nothing to flush.
macro_rules! async_write {
    ($writer:ty, $this:ident => $stream:expr) => {
        impl AsyncWrite for $writer {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                TcpStream::poll_write($stream, cx, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let $this = &*self;
                TcpStream::poll_write_vectored($stream, cx, bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                let $this = &*self;
                Poll::Ready(TcpStream::close_writing($stream))
            }
        }
    };
}

async_read!(TcpStream, this => this);
async_read!(&TcpStream, this => this);
async_read!(ReadHalf<'_>, this => this.as_ref());
async_read!(OwnedReadHalf, this => this.as_ref());
async_write!(TcpStream, this => this);
async_write!(&TcpStream, this => this);
async_write!(WriteHalf<'_>, this => this.as_ref());
async_write!(OwnedWriteHalf, this => this.as_ref());
