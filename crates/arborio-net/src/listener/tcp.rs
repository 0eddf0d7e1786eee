//! [`TcpListener`]: how a TCP port is listened on.

use std::{io, net::SocketAddr};

use arborio_reactor::Async;
use socket2::{Domain, Protocol, Socket, Type};

use super::{BACKLOG, Listener};
use crate::addrs::ToAddrs;

/// A socket that listens for TCP connections; see [`Listener`] for what can be
/// done with it.
///
/// # Examples
/// ```
/// use arborio_net::{TcpListener, TcpStream};
/// use futures_lite::future::{block_on, try_zip};
/// block_on(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let addr = listener.local_addr()?;
///     let (client, (server, peer)) =
///         try_zip(TcpStream::connect(addr), listener.accept()).await?;
///     assert_eq!(client.local_addr()?, peer);
///     assert_eq!(server.local_addr()?, addr);
///     std::io::Result::Ok(())
/// })?;
/// # std::io::Result::Ok(())
/// ```
pub type TcpListener = Listener<std::net::TcpListener>;

impl TcpListener {
    /// Listens on the first of the addresses that can be bound, with the
    /// builder's defaults. Port 0 takes any free port.
    ///
    /// # Errors
    /// Those of the last address: `AddrInUse`, `AddrNotAvailable`,
    /// `PermissionDenied` and others; `InvalidInput` for something that names
    /// no address.
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// let listener = futures_lite::future::block_on(TcpListener::bind("127.0.0.1:0"))?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # std::io::Result::Ok(())
    /// ```
    pub async fn bind(addr: impl ToAddrs) -> io::Result<Self> {
        Self::builder().bind(addr).await
    }

    /// A listener with other settings than the usual.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// let binding = TcpListener::builder().backlog(16).bind("127.0.0.1:0");
    /// assert!(futures_lite::future::block_on(binding).is_ok());
    /// ```
    pub const fn builder() -> TcpListenerBuilder {
        TcpListenerBuilder {
            backlog: BACKLOG,
            reuse_address: true,
            reuse_port: false,
            only_v6: None,
        }
    }
}

/// Settings of a [`TcpListener`]; see [`TcpListener::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `bind`"]
pub struct TcpListenerBuilder {
    backlog: u32,
    reuse_address: bool,
    reuse_port: bool,
    only_v6: Option<bool>,
}

impl TcpListenerBuilder {
    /// How many connections the kernel keeps until they are accepted; 1024 by
    /// default, and cut to the kernel's limit.
    ///
    /// # Examples
    /// ```
    /// let binding = arborio_net::TcpListener::builder().backlog(1).bind("127.0.0.1:0");
    /// assert!(futures_lite::future::block_on(binding).is_ok());
    /// ```
    pub const fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Whether an address may be bound while old connections to it linger in
    /// the kernel (`SO_REUSEADDR`); true by default.
    ///
    /// # Examples
    /// ```
    /// let binding = arborio_net::TcpListener::builder().reuse_address(false).bind("127.0.0.1:0");
    /// assert!(futures_lite::future::block_on(binding).is_ok());
    /// ```
    pub const fn reuse_address(mut self, reuse: bool) -> Self {
        self.reuse_address = reuse;
        self
    }

    /// Whether several sockets may listen on the address, and the kernel
    /// spreads the connections (`SO_REUSEPORT`); false by default.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::TcpListener;
    /// use futures_lite::future::block_on;
    /// let shared = TcpListener::builder().reuse_port(true);
    /// let one = block_on(shared.clone().bind("127.0.0.1:0"))?;
    /// assert!(block_on(shared.bind(one.local_addr()?)).is_ok());
    /// # std::io::Result::Ok(())
    /// ```
    pub const fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Whether an IPv6 socket refuses IPv4 connections; as the system is set
    /// by default.
    ///
    /// # Examples
    /// ```
    /// let binding = arborio_net::TcpListener::builder().only_v6(true).bind("127.0.0.1:0");
    /// assert!(futures_lite::future::block_on(binding).is_ok(), "no matter for IPv4");
    /// ```
    pub const fn only_v6(mut self, only: bool) -> Self {
        self.only_v6 = Some(only);
        self
    }

    /// Listens on the first of the addresses that can be bound.
    ///
    /// # Errors
    /// As [`TcpListener::bind`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the socket.
    ///
    /// # Examples
    /// ```
    /// let binding = arborio_net::TcpListener::builder().bind("127.0.0.1:0");
    /// assert!(futures_lite::future::block_on(binding).is_ok());
    /// ```
    pub async fn bind(self, addr: impl ToAddrs) -> io::Result<TcpListener> {
        let mut last = None;
        for addr in addr.named().resolve().await? {
            match self.listen(addr) {
                Ok(listener) => return Ok(listener),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::InvalidInput.into()))
    }

    fn listen(&self, addr: SocketAddr) -> io::Result<TcpListener> {
        let kind = Type::STREAM.nonblocking().cloexec();
        let socket = Socket::new_raw(Domain::for_address(addr), kind, Some(Protocol::TCP))?;
        if let (SocketAddr::V6(_), Some(only)) = (addr, self.only_v6) {
            socket.set_only_v6(only)?;
        }
        // Before the bind, or they have no effect on it.
        socket.set_reuse_address(self.reuse_address)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        socket.bind(&addr.into())?;
        socket.listen(i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
        Ok(Listener::of(Async::from_nonblocking(socket.into())?))
    }
}
