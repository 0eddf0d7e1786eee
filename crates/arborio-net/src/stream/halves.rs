//! The two directions of a connection, apart.

use std::{
    fmt, io,
    io::{IoSlice, IoSliceMut},
    net::Shutdown,
    sync::Arc,
};

use super::{Connection, StreamSocket};

impl<S: StreamSocket> Connection<S> {
    /// Borrows the stream as two halves, one for each direction. They cost
    /// nothing; they live as long as the borrow.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let mut stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// let (_reader, writer) = stream.split();
    /// assert_eq!(futures_lite::future::block_on(writer.write(b"x"))?, 1);
    /// # std::io::Result::Ok(())
    /// ```
    pub const fn split(&mut self) -> (ReadHalf<'_, S>, WriteHalf<'_, S>) {
        let stream: &Self = self;
        (ReadHalf { stream }, WriteHalf { stream })
    }

    /// Cuts the stream into two halves that can move to different tasks.
    ///
    /// Dropping the write half shuts its direction down, so that the peer sees
    /// the end of the stream; the connection is closed when both are gone.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let mut peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// # use std::io::Read;
    /// let (_reader, writer) = stream.into_split();
    /// drop(writer);
    /// assert_eq!(peer.read(&mut [0])?, 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
        let stream = Arc::new(self);
        let reader = OwnedReadHalf {
            stream: Arc::clone(&stream),
        };
        (reader, OwnedWriteHalf { stream, open: true })
    }
}

/// The reading side of a borrowed [`Connection`]; see [`Connection::split`].
#[derive(Debug)]
pub struct ReadHalf<'s, S: StreamSocket = std::net::TcpStream> {
    stream: &'s Connection<S>,
}

/// The writing side of a borrowed [`Connection`]; see [`Connection::split`].
#[derive(Debug)]
pub struct WriteHalf<'s, S: StreamSocket = std::net::TcpStream> {
    stream: &'s Connection<S>,
}

/// The reading side of a [`Connection`]; see [`Connection::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf<S: StreamSocket = std::net::TcpStream> {
    stream: Arc<Connection<S>>,
}

/// The writing side of a [`Connection`]; see [`Connection::into_split`].
#[derive(Debug)]
pub struct OwnedWriteHalf<S: StreamSocket = std::net::TcpStream> {
    stream: Arc<Connection<S>>,
    /// Whether dropping it shuts its direction down.
    open: bool,
}

impl<S: StreamSocket> OwnedReadHalf<S> {
    /// Joins the halves of one stream again.
    ///
    /// # Errors
    /// [`ReuniteError`] gives the halves back if they are not of one stream.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// let (reader, writer) = stream.into_split();
    /// let stream = reader.reunite(writer).unwrap();
    /// assert_eq!(stream.peer_addr()?, peer.local_addr()?);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn reunite(self, writer: OwnedWriteHalf<S>) -> Result<Connection<S>, ReuniteError<S>> {
        if !Arc::ptr_eq(&self.stream, &writer.stream) {
            return Err(ReuniteError(self, writer));
        }
        writer.forget();
        // There are but two halves, and the other one is gone.
        Arc::into_inner(self.stream).map_or_else(|| unreachable!("a third half"), Ok)
    }
}

impl<S: StreamSocket> OwnedWriteHalf<S> {
    /// Joins the halves of one stream again.
    ///
    /// # Errors
    /// [`ReuniteError`] gives the halves back if they are not of one stream.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// let (reader, writer) = stream.into_split();
    /// assert!(writer.reunite(reader).is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn reunite(self, reader: OwnedReadHalf<S>) -> Result<Connection<S>, ReuniteError<S>> {
        reader.reunite(self)
    }

    /// Drops the half without shutting its direction down.
    ///
    /// # Examples
    /// ```
    /// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// # let stream = arborio_net::TcpStream::try_from(listener.accept()?.0)?;
    /// let (reader, writer) = stream.into_split();
    /// writer.forget();
    /// assert!(reader.as_ref().peer_addr().is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn forget(mut self) {
        self.open = false;
    }
}

impl<S: StreamSocket> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        if self.open {
            // A connection that is gone already has no direction to shut.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}

/// The halves that were to be joined are of different streams.
#[derive(Debug)]
pub struct ReuniteError<S: StreamSocket = std::net::TcpStream>(
    /// The reading half, as it was given.
    pub OwnedReadHalf<S>,
    /// The writing half, as it was given.
    pub OwnedWriteHalf<S>,
);

impl<S: StreamSocket> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are of different streams")
    }
}

impl<S: StreamSocket + fmt::Debug> std::error::Error for ReuniteError<S> {}

/// The methods of a reading half: those of the stream.
macro_rules! reading_half {
    ($half:ty) => {
        impl<S: StreamSocket> $half {
            /// As [`Connection::read`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// As there.
            pub fn read<'a>(
                &'a self,
                buf: &'a mut [u8],
            ) -> impl Future<Output = io::Result<usize>> + 'a {
                self.stream.read(buf)
            }

            /// As [`Connection::read_vectored`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// As there.
            pub async fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.stream.read_vectored(bufs).await
            }

            /// As [`Connection::read_exact`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// Not cancel safe, as there.
            pub async fn read_exact(&self, buf: &mut [u8]) -> io::Result<()> {
                self.stream.read_exact(buf).await
            }

            /// As [`Connection::peek`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// As there.
            pub fn peek<'a>(
                &'a self,
                buf: &'a mut [u8],
            ) -> impl Future<Output = io::Result<usize>> + 'a {
                self.stream.peek(buf)
            }
        }

        impl<S: StreamSocket> AsRef<Connection<S>> for $half {
            fn as_ref(&self) -> &Connection<S> {
                &self.stream
            }
        }
    };
}

/// The methods of a writing half: those of the stream.
macro_rules! writing_half {
    ($half:ty) => {
        impl<S: StreamSocket> $half {
            /// As [`Connection::write`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// As there.
            pub fn write<'a>(
                &'a self,
                buf: &'a [u8],
            ) -> impl Future<Output = io::Result<usize>> + 'a {
                self.stream.write(buf)
            }

            /// As [`Connection::write_vectored`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// As there.
            pub async fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.stream.write_vectored(bufs).await
            }

            /// As [`Connection::write_all`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// Not cancel safe, as there.
            pub fn write_all<'b>(
                &'b self,
                buf: &'b [u8],
            ) -> impl Future<Output = io::Result<()>> + 'b {
                self.stream.write_all(buf)
            }

            /// As [`Connection::write_all_vectored`].
            ///
            /// # Errors
            /// As there.
            ///
            /// # Cancel safety
            /// Not cancel safe, as there.
            pub async fn write_all_vectored(&self, bufs: &mut [IoSlice<'_>]) -> io::Result<()> {
                self.stream.write_all_vectored(bufs).await
            }

            /// Shuts this direction down: the peer reads the end of the stream.
            ///
            /// # Errors
            /// As [`Connection::shutdown`].
            pub fn shutdown(&self) -> io::Result<()> {
                self.stream.shutdown(Shutdown::Write)
            }
        }

        impl<S: StreamSocket> AsRef<Connection<S>> for $half {
            fn as_ref(&self) -> &Connection<S> {
                &self.stream
            }
        }
    };
}

reading_half!(ReadHalf<'_, S>);
reading_half!(OwnedReadHalf<S>);
writing_half!(WriteHalf<'_, S>);
writing_half!(OwnedWriteHalf<S>);
