//! How often this process image has come out of a fork.
//!
//! The child of a fork has a copy of the memory of its parent, one thread, and the same
//! open files. So it has loops and pools that nobody drives: who waits for them would wait for
//! ever. And it shares the kernel's epolls with its parent: if it waited there, it
//! would take events that the parent never sees, and if it deregistered, it
//! would do so in the parent's name.
//!
//! Whoever has threads or descriptors notes the [`Process`] that it was made in. Asking for the process id
//! costs a system call each time; a handler that the C library calls in the child costs a
//! plain load. (A raw `clone` system call runs no handlers and is not noticed.)
#![allow(
    unsafe_code,
    reason = "pthread_atfork is the one call here without a safe wrapper"
)]

use std::{
    error::Error,
    fmt, io,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

/// Forks between the first process and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The process that created something.
///
/// # Examples
/// ```
/// let made_in = arborio_base::Process::watched();
/// assert!(made_in.is_this() && made_in.check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(u32);

impl Process {
    /// The process that is running, for the first thing to be remembered: from now on, forks are
    /// noticed.
    ///
    /// # Examples
    /// See [`Process`].
    #[inline]
    pub fn watched() -> Self {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(|| {
            // SAFETY: `in_child` may run in the child of a program with many
            // threads, where only async-signal-safe work is allowed: it adds
            // to one atomic. It is a plain function that lives as long as the
            // object that holds this code, and the C library drops the
            // handlers of an object that it unloads.
            //
            // An error (no memory) leaves forks unnoticed, as they were.
            let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        });
        Self::current()
    }

    #[inline]
    fn current() -> Self {
        // Relaxed: a child is born with the value, it publishes nothing.
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether the process that is running is the child of one that watched for forks.
    ///
    /// # Examples
    /// ```
    /// assert!(!arborio_base::Process::is_forked());
    /// ```
    #[inline]
    pub fn is_forked() -> bool {
        Self::current() != Self(0)
    }

    /// How many forks there were before this process, since forks are watched.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_base::Process::watched().generation(), 0);
    /// ```
    pub fn generation(self) -> usize {
        self.0 as usize
    }

    /// Whether it is the one that is running.
    ///
    /// # Examples
    /// See [`Process`].
    #[inline]
    pub fn is_this(self) -> bool {
        self == Self::current()
    }

    /// Refuses what only the process that made it may do.
    ///
    /// # Errors
    /// One that has [`Forked`] inside, if this is another process.
    ///
    /// # Examples
    /// See [`Process`].
    #[inline]
    pub fn check(self) -> io::Result<()> {
        if self.is_this() {
            Ok(())
        } else {
            Err(io::Error::other(Forked))
        }
    }
}

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// The child of a fork has used something that belongs to its parent: the threads that work for it, and the
/// events of its sockets, are there. It is what errors of the child have inside.
///
/// # Examples
/// ```
/// let error = std::io::Error::other(arborio_base::Forked);
/// assert!(error.get_ref().is_some_and(|inside| inside.is::<arborio_base::Forked>()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forked;

impl fmt::Display for Forked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this belongs to the parent of the forked process")
    }
}

impl Error for Forked {}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the child ends with if it sees all that it should.
    const ALL_SEEN: i32 = 7;

    #[test]
    fn r22_a_child_knows_that_it_is_none_of_its_parent() {
        let made_in = Process::watched();
        // SAFETY: the child reads an atomic, allocates an error, and exits.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let here = Process::watched();
            let refused = made_in.check().is_err_and(|error| {
                let inside = error.get_ref();
                inside.is_some_and(|inside| inside.is::<Forked>())
            });
            let seen = refused
                && Process::is_forked()
                && !made_in.is_this()
                && made_in.generation() == 0
                && here.generation() == 1
                && here.is_this()
                && here.check().is_ok();
            // SAFETY: ends this process without running destructors.
            unsafe { libc::_exit(if seen { ALL_SEEN } else { 1 }) };
        }
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(waited, child);
        assert!(libc::WIFEXITED(status));
        assert_eq!(libc::WEXITSTATUS(status), ALL_SEEN);
        assert!(made_in.is_this() && !Process::is_forked(), "the parent");
    }

    #[test]
    fn the_error_says_whose_it_is() {
        assert!(Forked.to_string().contains("parent"));
    }
}
