//! [`TcpStream`]: how a TCP connection is made.

use std::io;

use super::Connection;
use crate::{addrs::ToAddrs, connect};

/// A TCP connection; see [`Connection`] for what can be done with it.
///
/// # Examples
/// ```
/// use arborio_net::{TcpListener, TcpStream};
/// use futures_lite::future::{block_on, try_zip};
/// block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let connecting = TcpStream::connect(listener.local_addr()?);
///     let (client, (server, _)) = try_zip(connecting, listener.accept()).await?;
///     client.write_all(b"hello").await?;
///     let mut word = [0; 5];
///     server.read_exact(&mut word).await?;
///     assert_eq!(&word, b"hello");
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub type TcpStream = Connection<std::net::TcpStream>;

impl TcpStream {
    /// Connects to the first of the addresses that accepts.
    ///
    /// # Errors
    /// Those of the last address: `ConnectionRefused`, `TimedOut`,
    /// `NetworkUnreachable` and others; `InvalidInput` for something that names
    /// no address.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpStream;
    /// use futures_lite::future::block_on;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let addr = listener.local_addr()?;
    /// assert_eq!(block_on(TcpStream::connect(addr))?.peer_addr()?, addr);
    /// drop(listener);
    /// assert!(block_on(TcpStream::connect(addr)).is_err());
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn connect(addr: impl ToAddrs) -> io::Result<Self> {
        let addrs = addr.named().resolve().await?;
        let io = connect::connect(addrs).await?;
        Ok(Self { io })
    }
}
