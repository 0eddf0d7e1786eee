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
//!
//! # Between forks
//! What a thread has in hand at the moment of a fork nobody has in the child: a lock stays taken, a list is half
//! of what it was. So whoever works on what belongs to the loop of another thread, which may be the one that forks,
//! does it [`between_forks`].
//!
//! | who works             | who forks                                     |
//! |-----------------------|-----------------------------------------------|
//! | 1. counts itself in `WORKING` | 1. counts itself in `FORKING`         |
//! | 2. `FORKING`? then not, and gives up | 2. waits until `WORKING` is nobody |
//!
//! Of the two at least one sees the other. Nobody waits but who forks, and that not for ever: one that forks in a
//! handler of a signal may have interrupted its own work.
#![allow(
    unsafe_code,
    reason = "pthread_atfork is the one call here without a safe wrapper"
)]

use std::{
    error::Error,
    fmt, io,
    sync::{
        Once,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Forks between the first process and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// Threads that are at work [`between_forks`].
static WORKING: AtomicUsize = AtomicUsize::new(0);

/// Threads that are about to fork.
static FORKING: AtomicUsize = AtomicUsize::new(0);

/// Longer than any work between forks takes, unless the thread that does it is stopped.
const LONGEST_WORK: Duration = Duration::from_secs(3);

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
            // threads, where only async-signal-safe work is allowed: it writes
            // atomics. All are plain functions that live as long as the
            // object that holds this code, and the C library drops the
            // handlers of an object that it unloads.
            //
            // An error (no memory) leaves forks unnoticed, as they were.
            let _ =
                unsafe { libc::pthread_atfork(Some(before_fork), Some(in_parent), Some(in_child)) };
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

extern "C" fn before_fork() {
    FORKING.fetch_add(1, Ordering::SeqCst);
    let start = Instant::now();
    while WORKING.load(Ordering::SeqCst) != 0 && start.elapsed() < LONGEST_WORK {
        thread::yield_now();
    }
}

extern "C" fn in_parent() {
    FORKING.fetch_sub(1, Ordering::Release);
}

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    // The others, who are not here.
    WORKING.store(0, Ordering::Relaxed);
    FORKING.store(0, Ordering::Relaxed);
}

/// Runs `work`, for the end of which a fork by another thread waits: so no child comes into being in its middle.
/// `None`, and nothing is done, if some thread is about to fork. For short work that runs no foreign code, since that
/// could wait for the thread that forks.
///
/// Forks are noticed after the first call of [`Process::watched`].
///
/// # Examples
/// ```
/// assert_eq!(arborio_base::between_forks(|| 1), Some(1));
/// ```
pub fn between_forks<R>(work: impl FnOnce() -> R) -> Option<R> {
    struct AtWork;

    impl Drop for AtWork {
        fn drop(&mut self) {
            // Not below zero: a handler of a signal may have forked in the middle of this, and this be the child.
            let less = |working: usize| working.checked_sub(1);
            let _ = WORKING.fetch_update(Ordering::Release, Ordering::Relaxed, less);
        }
    }

    WORKING.fetch_add(1, Ordering::SeqCst);
    let _at_work = AtWork;
    (FORKING.load(Ordering::SeqCst) == 0).then(work)
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
    use std::sync::{atomic::AtomicBool, mpsc::channel};

    use super::*;

    /// Far beyond what anything here takes.
    const TOO_LONG: Duration = Duration::from_secs(30);

    /// What the child ends with if it sees all that it should.
    const ALL_SEEN: i32 = 7;

    #[test]
    fn r22_a_child_knows_that_it_is_none_of_its_parent() {
        let made_in = Process::watched();
        assert!(child_finds(|| {
            let here = Process::watched();
            let refused = made_in.check().is_err_and(|error| {
                let inside = error.get_ref();
                inside.is_some_and(|inside| inside.is::<Forked>())
            });
            refused
                && Process::is_forked()
                && !made_in.is_this()
                && made_in.generation() == 0
                && here.generation() == 1
                && here.is_this()
                && here.check().is_ok()
        }));
        assert!(made_in.is_this() && !Process::is_forked(), "the parent");
    }

    /// Forks, and says whether the child has `found` what it should.
    fn child_finds(found: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child looks at memory, and exits.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let status = if found() { ALL_SEEN } else { 1 };
            // SAFETY: ends this process without running destructors.
            unsafe { libc::_exit(status) };
        }
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(waited, child);
        libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == ALL_SEEN
    }

    #[test]
    fn r22_no_child_comes_into_being_in_the_middle_of_work_between_forks() {
        static IS_DONE: AtomicBool = AtomicBool::new(false);
        Process::watched();
        let (begun, has_begun) = channel();
        let work = move || {
            begun.send(()).unwrap();
            let start = Instant::now();
            while FORKING.load(Ordering::SeqCst) == 0 && start.elapsed() < TOO_LONG {
                thread::yield_now();
            }
            // A fork that waits for nobody is over by then.
            let seen = Instant::now();
            while seen.elapsed() < LONGEST_WORK / 100 {
                thread::yield_now();
            }
            IS_DONE.store(true, Ordering::SeqCst);
        };
        // Not at once, if another test forks.
        let worker = thread::spawn(move || while between_forks(&work).is_none() {});
        has_begun.recv_timeout(TOO_LONG).unwrap();
        assert!(child_finds(|| {
            IS_DONE.load(Ordering::SeqCst) && between_forks(|| ()).is_some()
        }));
        worker.join().unwrap();
    }

    #[test]
    fn r22_who_forks_in_the_middle_of_its_own_work_does_not_wait_for_ever() {
        Process::watched();
        let went_on = between_forks(|| {
            child_finds(|| {
                let _ = between_forks(|| ());
                between_forks(|| ()).is_some()
            })
        });
        assert_ne!(went_on, Some(false));
    }

    #[test]
    fn nothing_is_begun_while_somebody_forks() {
        let mut tries = 0;
        before_fork();
        assert_eq!(between_forks(|| ()), None);
        in_parent();
        // A fork of another test may be under way.
        while between_forks(|| ()).is_none() {
            tries += 1;
            assert!(tries < 1_000_000, "nobody works between forks any more");
            thread::yield_now();
        }
    }

    #[test]
    fn the_error_says_whose_it_is() {
        assert!(Forked.to_string().contains("parent"));
    }

    #[test]
    fn no_fork_waits_for_work_that_is_over() {
        Process::watched();
        // In the child, where no other test works meanwhile.
        assert!(child_finds(|| {
            let begun = between_forks(|| WORKING.load(Ordering::SeqCst));
            begun == Some(1) && WORKING.load(Ordering::SeqCst) == 0
        }));
    }
}
