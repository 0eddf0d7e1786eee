//! [`UnixListener`]: how the address of a Unix socket is listened on.

use std::io;

use arborio_reactor::Async;
use rustix::net::{SocketType, listen};

use super::{BACKLOG, Listener};
use crate::unix::{addrs::ToUnixAddr, file, file::SocketFile};

/// A Unix socket that listens for connections; see [`Listener`] for what can
/// be done with it.
///
/// # Examples
/// ```
/// use arborio_net::{UnixListener, UnixStream};
/// use futures_lite::future::{block_on, try_zip};
/// # let path = std::env::temp_dir().join(format!("arborio-listener-{}", std::process::id()));
/// let listener = UnixListener::builder().remove_on_drop(true).bind(&path)?;
/// let (client, (server, _)) =
///     block_on(try_zip(UnixStream::connect(&path), listener.accept()))?;
/// assert_eq!(client.peer_addr()?.as_pathname(), Some(path.as_path()));
/// assert!(server.peer_addr()?.is_unnamed(), "clients have no name");
/// drop(listener);
/// assert!(!path.exists());
/// # std::io::Result::Ok(())
/// ```
pub type UnixListener = Listener<std::os::unix::net::UnixListener>;

impl UnixListener {
    /// Listens at `addr`, with the builder's defaults: a path, or an address
    /// of the standard library, which may be abstract.
    ///
    /// As with the standard library, the file that this makes stays when the
    /// listener is dropped, and is in the way of the next one; see
    /// [`remove_on_drop`](UnixListenerBuilder::remove_on_drop) and
    /// [`replace_stale`](UnixListenerBuilder::replace_stale).
    ///
    /// # Errors
    /// `AddrInUse` if something is at the path already, with a
    /// [`PathInUse`](crate::PathInUse) inside that says what; `NotFound`,
    /// `PermissionDenied` and others of `bind(2)`; `InvalidInput` for a path
    /// that is empty or too long for a socket.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::UnixListener;
    /// # let path = std::env::temp_dir().join(format!("arborio-bind-{}", std::process::id()));
    /// let listener = UnixListener::bind(&path)?;
    /// let error = UnixListener::bind(&path).unwrap_err();
    /// assert!(error.to_string().contains("somebody"), "{error}");
    /// drop(listener);
    /// let error = UnixListener::bind(&path).unwrap_err();
    /// assert!(error.to_string().contains("stale"), "{error}");
    /// # std::fs::remove_file(path)?;
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind(addr: impl ToUnixAddr) -> io::Result<Self> {
        Self::builder().bind(addr)
    }

    /// A listener with other settings than the usual.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::UnixListener;
    /// # let path = std::env::temp_dir().join(format!("arborio-builder-{}", std::process::id()));
    /// let builder = UnixListener::builder().backlog(16).remove_on_drop(true);
    /// assert!(builder.bind(&path).is_ok());
    /// ```
    pub const fn builder() -> UnixListenerBuilder {
        UnixListenerBuilder {
            backlog: BACKLOG,
            replace_stale: false,
            remove_on_drop: false,
        }
    }
}

/// Settings of a [`UnixListener`]; see [`UnixListener::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `bind`"]
pub struct UnixListenerBuilder {
    backlog: u32,
    replace_stale: bool,
    remove_on_drop: bool,
}

impl UnixListenerBuilder {
    /// How many connections the kernel keeps until they are accepted; 1024 by
    /// default, and cut to the kernel's limit. Who connects beyond that waits.
    ///
    /// # Examples
    /// ```
    /// # let path = std::env::temp_dir().join(format!("arborio-backlog-{}", std::process::id()));
    /// let builder = arborio_net::UnixListener::builder().backlog(1).remove_on_drop(true);
    /// assert!(builder.bind(&path).is_ok());
    /// ```
    pub const fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Whether a file that looks stale is replaced: one of a socket that
    /// nobody has any more; false by default. A file whose socket somebody
    /// has, or that is none of a socket, is an error all the same.
    ///
    /// Looking and removing are two steps. If two programs do this to one path
    /// in the same moment, the slower one may remove the file that the faster
    /// one has just made; that one then listens where nobody finds it. Programs
    /// of which several may start at once need a lock of their own around this,
    /// or an abstract address, which is never stale. Nor can the kernel see
    /// whether *another machine* has the socket: do not use this on file
    /// systems that machines share.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::UnixListener;
    /// # let path = std::env::temp_dir().join(format!("arborio-stale-{}", std::process::id()));
    /// drop(UnixListener::bind(&path)?);
    /// let builder = UnixListener::builder().replace_stale(true).remove_on_drop(true);
    /// let listener = builder.clone().bind(&path)?;
    /// assert!(builder.bind(&path).is_err(), "somebody listens there");
    /// # drop(listener);
    /// # std::io::Result::Ok(())
    /// ```
    pub const fn replace_stale(mut self, replace: bool) -> Self {
        self.replace_stale = replace;
        self
    }

    /// Whether dropping the listener removes the file, unless it is another
    /// one's by then; false by default. An abstract address has no file.
    ///
    /// # Examples
    /// ```
    /// use arborio_net::UnixListener;
    /// # let path = std::env::temp_dir().join(format!("arborio-remove-{}", std::process::id()));
    /// drop(UnixListener::builder().remove_on_drop(true).bind(&path)?);
    /// assert!(!path.exists());
    /// # std::io::Result::Ok(())
    /// ```
    pub const fn remove_on_drop(mut self, remove: bool) -> Self {
        self.remove_on_drop = remove;
        self
    }

    /// Listens at `addr`.
    ///
    /// # Errors
    /// As [`UnixListener::bind`].
    ///
    /// # Examples
    /// ```
    /// # let path = std::env::temp_dir().join(format!("arborio-settings-{}", std::process::id()));
    /// let listener = arborio_net::UnixListener::builder().remove_on_drop(true).bind(&path)?;
    /// assert_eq!(listener.local_addr()?.as_pathname(), Some(path.as_path()));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn bind(self, addr: impl ToUnixAddr) -> io::Result<UnixListener> {
        let addr = addr.named()?;
        let socket = file::new_bound(SocketType::STREAM, &addr, self.replace_stale)?;
        let file = match self.remove_on_drop {
            true => SocketFile::of(&addr)?,
            false => SocketFile::default(),
        };
        listen(&socket, i32::try_from(self.backlog).unwrap_or(i32::MAX))?;
        let mut listener = Listener::of(Async::from_nonblocking(socket.into())?);
        listener.file = file;
        Ok(listener)
    }
}
