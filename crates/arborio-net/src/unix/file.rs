//! The files of Unix sockets: one that is in the way, and one that is to go.
//!
//! The kernel makes a file when a socket is bound to a path, and leaves it there
//! when the socket is closed. A later bind then fails, as it does if somebody
//! listens there; this tells the two apart.

use std::{
    fmt, io,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, MetadataExt},
            net::SocketAddr,
        },
    },
    path::{Path, PathBuf},
};

use arborio_base::Process;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, socket_with},
};

use super::addrs::to_system;

/// Why a Unix socket could not be bound to a path: something is there. It is
/// what an `AddrInUse` error of binding has inside.
///
/// # Examples
/// ```
/// use arborio_net::{PathInUse, UnixListener};
/// # let path = std::env::temp_dir().join(format!("arborio-in-use-{}", std::process::id()));
/// drop(UnixListener::bind(&path)?);
/// let error = UnixListener::bind(&path).unwrap_err();
/// let inside = error.get_ref().and_then(|inside| inside.downcast_ref());
/// assert_eq!(inside, Some(&PathInUse::Stale(path.clone())));
/// # std::fs::remove_file(path)?;
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PathInUse {
    /// A socket's file whose socket is gone, as far as this kernel knows. On a
    /// file system that machines share it may be another machine's.
    Stale(PathBuf),
    /// Somebody has a socket there.
    Alive(PathBuf),
    /// What is there is no socket.
    NoSocket(PathBuf),
    /// What is there cannot be looked at.
    Unknown(PathBuf),
}

impl PathInUse {
    /// Looks at what is at `path`, and disturbs nobody: a *datagram* socket
    /// connects, of which the other end learns nothing. If a socket of another
    /// type is there, the kernel says so.
    fn at(path: &Path, addr: &SocketAddrUnix) -> Self {
        let path_buf = path.to_path_buf();
        match path.symlink_metadata() {
            Ok(file) if file.file_type().is_socket() => {}
            Ok(_) => return Self::NoSocket(path_buf),
            Err(_) => return Self::Unknown(path_buf),
        }
        let Ok(probe) = new_socket(SocketType::DGRAM) else {
            return Self::Unknown(path_buf);
        };
        match connect(&probe, addr) {
            Err(Errno::CONNREFUSED) => Self::Stale(path_buf),
            // The last one: it talks to somebody else.
            Ok(()) | Err(Errno::PROTOTYPE | Errno::PERM) => Self::Alive(path_buf),
            Err(_) => Self::Unknown(path_buf),
        }
    }
}

impl fmt::Display for PathInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale(path) => write!(
                f,
                "{path:?} is the file of a socket that nobody has any more; it looks stale"
            ),
            Self::Alive(path) => write!(f, "somebody has a socket at {path:?}"),
            Self::NoSocket(path) => write!(f, "there is something at {path:?} that is no socket"),
            Self::Unknown(path) => {
                write!(f, "there is something at {path:?} that cannot be looked at")
            }
        }
    }
}

impl std::error::Error for PathInUse {}

/// A socket that nothing inherits and that does not block.
pub(crate) fn new_socket(kind: SocketType) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(socket_with(AddressFamily::UNIX, kind, flags, None)?)
}

/// Makes a socket and binds it to `addr`. A file in the way is explained, or
/// if it looks stale and `replace_stale` is true, removed.
pub(crate) fn new_bound(
    kind: SocketType,
    addr: &SocketAddr,
    replace_stale: bool,
) -> io::Result<OwnedFd> {
    let system = to_system(addr)?;
    let socket = new_socket(kind)?;
    match (bind(&socket, &system), addr.as_pathname()) {
        (Err(Errno::ADDRINUSE), Some(path)) => {
            make_room(path, &system, replace_stale)?;
            // Somebody else may have been quicker.
            bind(&socket, &system).map_err(|error| match error {
                Errno::ADDRINUSE => in_use(PathInUse::at(path, &system)),
                other => other.into(),
            })?;
        }
        (bound, _) => bound?,
    }
    Ok(socket)
}

/// Ok if there is nothing at `path` any more.
fn make_room(path: &Path, addr: &SocketAddrUnix, replace_stale: bool) -> io::Result<()> {
    let before = Identity::of(path);
    let found = PathInUse::at(path, addr);
    let same = before.is_some() && before == Identity::of(path);
    if replace_stale && same && matches!(found, PathInUse::Stale(_)) {
        return std::fs::remove_file(path);
    }
    Err(in_use(found))
}

fn in_use(found: PathInUse) -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, found)
}

/// Which file it is that a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    /// Numbers of inodes are used again, and at once by some file systems.
    changed: (i64, i64),
}

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        let file = path.symlink_metadata().ok()?;
        Some(Self {
            device: file.dev(),
            inode: file.ino(),
            changed: (file.ctime(), file.ctime_nsec()),
        })
    }
}

/// Removes the file of a socket when it is dropped, unless the path leads to
/// another one by then, or this is the child of a fork: the file is its parent's.
/// It goes before the socket does: as long as that is
/// open, no other file can have the inode's number.
#[derive(Debug, Default)]
pub(crate) struct SocketFile(Option<(PathBuf, u64, u64, Process)>);

impl SocketFile {
    /// The file to which the socket was bound just now. Nothing for an address
    /// without a file.
    pub(crate) fn of(addr: &SocketAddr) -> io::Result<Self> {
        let Some(path) = addr.as_pathname() else {
            return Ok(Self(None));
        };
        let file = path.symlink_metadata()?;
        // The process may change its directory before the end.
        let path = std::path::absolute(path)?;
        let process = Process::watched();
        Ok(Self(Some((path, file.dev(), file.ino(), process))))
    }

    /// Leaves the file where it is.
    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let Some((path, device, inode, process)) = self.0.take() else {
            return;
        };
        let ours = |file: std::fs::Metadata| (file.dev(), file.ino()) == (device, inode);
        if process.is_this() && path.symlink_metadata().is_ok_and(ours) {
            // Who may not remove it leaves it, as without the option.
            let _ = std::fs::remove_file(path);
        }
    }
}
