//! Who is at the other end of a Unix socket.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

/// The process at the other end of a Unix socket, and its user and group, as
/// they were when the connection was made.
///
/// The kernel vouches for them: they cannot be forged. The process may have
/// ended since, and its number may be another's by now; so decide by the user
/// or the group.
///
/// # Examples
/// ```
/// let (one, other) = arborio_net::UnixStream::pair()?;
/// let (mine, theirs) = (one.peer_cred()?, other.peer_cred()?);
/// assert_eq!((mine.uid(), mine.gid()), (theirs.uid(), theirs.gid()));
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UCred {
    /// 0 if it cannot be told.
    pid: u32,
    uid: u32,
    gid: u32,
}

impl UCred {
    /// The number of the process, as this process would call it; `None` if it
    /// cannot see that one, which is then outside of its container.
    ///
    /// # Examples
    /// ```
    /// let (one, _other) = arborio_net::UnixStream::pair()?;
    /// assert_eq!(one.peer_cred()?.pid(), Some(std::process::id()));
    /// # std::io::Result::Ok(())
    /// ```
    pub fn pid(&self) -> Option<u32> {
        (self.pid != 0).then_some(self.pid)
    }

    /// The effective user of the process.
    ///
    /// # Examples
    /// ```
    /// use std::os::unix::fs::MetadataExt;
    /// let (one, _other) = arborio_net::UnixStream::pair()?;
    /// assert_eq!(one.peer_cred()?.uid(), std::fs::metadata("/proc/self")?.uid());
    /// # std::io::Result::Ok(())
    /// ```
    pub const fn uid(&self) -> u32 {
        self.uid
    }

    /// The effective group of the process.
    ///
    /// # Examples
    /// ```
    /// use std::os::unix::fs::MetadataExt;
    /// let (one, _other) = arborio_net::UnixStream::pair()?;
    /// assert_eq!(one.peer_cred()?.gid(), std::fs::metadata("/proc/self")?.gid());
    /// # std::io::Result::Ok(())
    /// ```
    pub const fn gid(&self) -> u32 {
        self.gid
    }

    /// Asks for `SO_PEERCRED`. rustix has a wrapper, but its process number
    /// cannot be 0, which is what the kernel writes for a process that this
    /// one cannot see.
    #[allow(unsafe_code, reason = "no safe wrapper bears a process number of 0")]
    pub(crate) fn of_peer(socket: impl AsFd) -> io::Result<Self> {
        let fd = socket.as_fd().as_raw_fd();
        let mut cred = libc::ucred {
            pid: 0,
            uid: 0,
            gid: 0,
        };
        let mut len = size_of::<libc::ucred>() as libc::socklen_t;
        // SAFETY: the descriptor is borrowed, so it is open; the kernel writes
        // at most `len` bytes to `cred`, which is as large and takes any value.
        let result = unsafe {
            libc::getsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut cred).cast(),
                &raw mut len,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            pid: u32::try_from(cred.pid).unwrap_or(0),
            uid: cred.uid,
            gid: cred.gid,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_told_by_its_name() {
        let (pid, uid, gid) = (7, 8, 9);
        let cred = UCred { pid, uid, gid };
        assert_eq!((cred.pid(), cred.uid(), cred.gid()), (Some(7), 8, 9));
        assert_eq!(UCred { pid: 0, ..cred }.pid(), None);
    }

    #[test]
    fn what_is_no_unix_socket_has_no_peer() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let error = UCred::of_peer(file).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTSOCK));
    }
}
