//! What names the address of a Unix socket.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{ffi::OsStrExt, net::SocketAddr},
    },
    path::{Path, PathBuf},
};

use rustix::net::{SocketAddrAny, SocketAddrUnix};

/// Something that names the address of a Unix socket.
///
/// Implemented for paths, for text, which is taken for a path, and for the
/// [`SocketAddr`] of the standard library. Such an address may be *abstract*, which is
/// a name without a file; see
/// [`SocketAddrExt`](std::os::linux::net::SocketAddrExt). This trait is sealed:
/// what it asks for may change.
///
/// # Examples
/// ```
/// use arborio_net::UnixDatagram;
/// use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
/// # let name = format!("arborio-addrs-{}", std::process::id());
/// # let path = std::env::temp_dir().join(&name);
/// let by_path = UnixDatagram::bind(&path)?;
/// assert_eq!(by_path.local_addr()?.as_pathname(), Some(path.as_path()));
/// let by_name = UnixDatagram::bind(SocketAddr::from_abstract_name(&name)?)?;
/// assert_eq!(by_name.local_addr()?.as_abstract_name(), Some(name.as_bytes()));
/// # std::fs::remove_file(path)?;
/// # std::io::Result::Ok(())
/// ```
pub trait ToUnixAddr: Sealed {}

/// Keeps [`ToUnixAddr`] closed.
pub trait Sealed {
    /// What is named.
    fn named(&self) -> io::Result<SocketAddr>;
}

impl<T: Sealed + ?Sized> Sealed for &T {
    fn named(&self) -> io::Result<SocketAddr> {
        (**self).named()
    }
}
impl<T: ToUnixAddr + ?Sized> ToUnixAddr for &T {}

impl Sealed for SocketAddr {
    fn named(&self) -> io::Result<SocketAddr> {
        Ok(self.clone())
    }
}
impl ToUnixAddr for SocketAddr {}

/// Types that are paths to the standard library.
macro_rules! paths {
    ($($path:ty),*) => { $(
        impl Sealed for $path {
            fn named(&self) -> io::Result<SocketAddr> {
                pathname(self.as_ref())
            }
        }
        impl ToUnixAddr for $path {}
    )* };
}

paths!(Path, PathBuf, str, String, OsStr, OsString);

/// The empty path is refused: to the kernel it is no address, or any.
fn pathname(path: &Path) -> io::Result<SocketAddr> {
    if path.as_os_str().is_empty() {
        let text = "an empty path is not the address of a socket";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    SocketAddr::from_pathname(path).map_err(|error| {
        let text = format!("{path:?} is not the address of a socket: {error}");
        io::Error::new(error.kind(), text)
    })
}

/// As the kernel takes it.
pub(crate) fn to_system(addr: &SocketAddr) -> io::Result<SocketAddrUnix> {
    Ok(match (addr.as_pathname(), addr.as_abstract_name()) {
        (Some(path), _) => SocketAddrUnix::new(path)?,
        (_, Some(name)) => SocketAddrUnix::new_abstract_name(name)?,
        (None, None) => SocketAddrUnix::new_unnamed(),
    })
}

/// As the kernel gives it. A path of 108 bytes, which the kernel allows, does
/// not fit the address of the standard library: it is told as no name at all,
/// since a connection must not fail because of how its peer is called.
pub(crate) fn from_system(written: Option<SocketAddrAny>) -> io::Result<SocketAddr> {
    let unnamed = || SocketAddr::from_pathname("");
    let Some(written) = written else {
        return unnamed();
    };
    match bytes(&written).get(size_of::<u16>()..) {
        None | Some([]) => unnamed(),
        Some([0, name @ ..]) => SocketAddr::from_abstract_name(name),
        Some(path) => {
            // The kernel ends it with a zero.
            let end = path.iter().position(|byte| *byte == 0);
            let path = &path[..end.unwrap_or(path.len())];
            SocketAddr::from_pathname(OsStr::from_bytes(path)).or_else(|_| unnamed())
        }
    }
}

/// What the kernel wrote, which begins with the number of the family. rustix
/// would read it, but takes an empty name for an abstract one, and panics at a
/// path of 108 bytes.
#[allow(unsafe_code, reason = "rustix gives a pointer and a length")]
fn bytes(written: &SocketAddrAny) -> &[u8] {
    let len = usize::try_from(written.addr_len()).unwrap_or(0);
    // SAFETY: that many bytes are initialized behind the pointer, by the first
    // invariants of `SocketAddrAny`; they are borrowed with it.
    unsafe { std::slice::from_raw_parts(written.as_ptr().cast(), len) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_to_the_kernel_and_come_back() {
        let there_and_back = |addr: &SocketAddr| {
            let system = to_system(addr).unwrap();
            from_system(Some(system.into())).unwrap()
        };
        let path = there_and_back(&"/run/x".named().unwrap());
        assert_eq!(path.as_pathname(), Some(Path::new("/run/x")));
        let name = SocketAddr::from_abstract_name(b"a\0b").unwrap();
        let back = there_and_back(&name);
        assert_eq!(back.as_abstract_name(), Some(&b"a\0b"[..]));
        assert!(from_system(None).unwrap().is_unnamed());
        let unnamed = there_and_back(&from_system(None).unwrap());
        assert!(unnamed.is_unnamed());
    }

    #[test]
    fn what_cannot_be_the_path_of_a_socket_is_invalid_input() {
        for path in ["", "a\0b", &"x".repeat(200)] {
            let error = path.named().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path:?}");
        }
    }
}
