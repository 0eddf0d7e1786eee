//! How often this process image has come out of a fork.
//!
//! A child shares the kernel's epoll with its parent: if it waited there, it
//! would take events that the parent never sees, and if it deregistered, it
//! would do so in the parent's name. Asking for the process id costs a system
//! call each time; a handler that the C library calls in the child costs a
//! plain load. (A raw `clone` system call runs no handlers and is not noticed.)
#![allow(
    unsafe_code,
    reason = "pthread_atfork is the one call here without a safe wrapper"
)]

use std::{
    io,
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

/// Forks between the first process and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// The process that created something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// The process that is running.
    #[inline]
    pub(crate) fn current() -> Self {
        // Relaxed: a child is born with the value, it publishes nothing.
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether this process is the child of one that watched for forks.
    #[inline]
    pub(crate) fn is_forked() -> bool {
        Self::current() != Self(0)
    }

    /// As [`Process::current`], for the first thing to be remembered.
    pub(crate) fn watched() -> Self {
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

    /// Refuses what only the process that made it may do.
    #[inline]
    pub(crate) fn check(self) -> io::Result<()> {
        if self == Self::current() {
            Ok(())
        } else {
            Err(io::Error::other(
                "this reactor belongs to the parent of the forked process",
            ))
        }
    }
}

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
