//! Every system call that the runtime makes, every error that its manual page names, and what has to come of it.
//!
//! The calls are those that strace sees in the stations of `arborio-faults`; one that is seen there and stands neither
//! in [`CALLS`] nor in [`LEFT_OUT`] fails the run.
//!
//! A call that fails by injection is not made. So two kinds of errors are left out: `EAGAIN` of a call on a descriptor
//! that is ready, since the kernel then owes no further event and the wait for one rightly lasts for ever; and errors
//! by which the C library or the standard library itself ends the process, which are named where they would stand.

/// What has to come of it if a call fails once. If it fails for ever, the station may also give up by its time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// The runtime tries again, takes another way or does without: nobody hears of it, and all work is done.
    Survived,
    /// All work is done, or somebody is told this error.
    SurvivedOrTold,
    /// Somebody is told this error.
    Told,
}

use Expected::{Survived, SurvivedOrTold, Told};

/// One call.
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) errors: &'static [(Expected, &'static [&'static str])],
}

impl Call {
    /// Its errors, one by one.
    pub(super) fn errors(&self) -> impl Iterator<Item = (&'static str, Expected)> {
        let groups = self.errors.iter();
        groups.flat_map(|(expected, names)| names.iter().map(|name| (*name, *expected)))
    }
}

macro_rules! calls {
    ($($name:literal { $($expected:ident: $($error:ident)+;)+ })+) => {
        &[$(Call {
            name: $name,
            errors: &[$(($expected, &[$(stringify!($error)),+])),+],
        }),+]
    };
}

pub(super) const CALLS: &[Call] = calls! {
    // The reactor. Without an epoll a loop has timers and other threads, and no sockets.
    "epoll_create1" { SurvivedOrTold: EMFILE ENFILE ENOMEM EINVAL; }
    "epoll_ctl" { SurvivedOrTold: EBADF EEXIST EINVAL ELOOP ENOENT ENOMEM ENOSPC EPERM; }
    "epoll_wait" { Survived: EINTR; SurvivedOrTold: EBADF EFAULT EINVAL; }
    // A look at the epoll of a worker that is held up: whoever looks does so again.
    "epoll_pwait" { Survived: EINTR EBADF EFAULT EINVAL; }
    "eventfd2" { SurvivedOrTold: EINVAL EMFILE ENFILE ENODEV ENOMEM; }
    "timerfd_create" { Survived: EINVAL EMFILE ENFILE ENODEV ENOMEM EPERM; }
    "timerfd_settime" { Survived: EBADF ECANCELED EFAULT EINVAL; }
    // EBADF: a debug build of the standard library ends the process when it closes a descriptor that is none.
    "fcntl" { SurvivedOrTold: EINVAL EMFILE EPERM EINTR ENOLCK; }
    "ioctl" { SurvivedOrTold: EBADF EFAULT EINVAL ENOTTY; }
    // The descriptor stays open, as the call is not made.
    "close" { Survived: EBADF EINTR EIO ENOSPC EDQUOT; }

    // Bytes.
    "read" { Survived: EINTR; SurvivedOrTold: EBADF EFAULT EINVAL EIO EISDIR; }
    "readv" { Survived: EINTR; SurvivedOrTold: EBADF EFAULT EINVAL EIO EISDIR; }
    "write" { Survived: EINTR; SurvivedOrTold: EBADF EDESTADDRREQ EDQUOT EFAULT EFBIG EINVAL EIO ENOSPC EPERM EPIPE; }
    "recvfrom" {
        Survived: EINTR;
        SurvivedOrTold: EBADF ECONNREFUSED ECONNRESET EFAULT EINVAL ENOMEM ENOTCONN ENOTSOCK ETIMEDOUT;
    }
    "sendto" {
        Survived: EINTR;
        SurvivedOrTold: EACCES EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM
            ENOTCONN ENOTSOCK EOPNOTSUPP EPIPE;
    }
    "sendmsg" {
        Survived: EINTR;
        SurvivedOrTold: EACCES EALREADY EBADF ECONNRESET EDESTADDRREQ EFAULT EINVAL EISCONN EMSGSIZE ENOBUFS ENOMEM
            ENOTCONN ENOTSOCK EOPNOTSUPP EPIPE;
    }

    // Sockets.
    "socket" {
        SurvivedOrTold: EACCES EAFNOSUPPORT EINVAL EMFILE ENFILE ENOBUFS ENOMEM EPROTONOSUPPORT;
    }
    "socketpair" { Told: EAFNOSUPPORT EFAULT EMFILE ENFILE EOPNOTSUPP EPROTONOSUPPORT; }
    "bind" {
        Told: EACCES EADDRINUSE EADDRNOTAVAIL EBADF EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR ENOTSOCK
            EROFS;
    }
    "listen" { Told: EADDRINUSE EBADF ENOTSOCK EOPNOTSUPP; }
    // EINPROGRESS and EINTR would be lies: nothing is on its way.
    "connect" {
        SurvivedOrTold: EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF ECONNREFUSED EFAULT
            EISCONN ENETUNREACH ENOTSOCK EPERM EPROTOTYPE ETIMEDOUT;
    }
    "accept4" {
        Survived: ECONNABORTED EINTR EMFILE ENFILE ENOBUFS ENOMEM EPERM EPROTO ENETDOWN ENOPROTOOPT EHOSTDOWN ENONET
            EHOSTUNREACH ENETUNREACH;
        Told: EBADF EFAULT EINVAL ENOTSOCK EOPNOTSUPP;
    }
    "getsockopt" { SurvivedOrTold: EBADF EFAULT EINVAL ENOPROTOOPT ENOTSOCK; }
    "setsockopt" { SurvivedOrTold: EBADF EDOM EFAULT EINVAL EISCONN ENOBUFS ENOMEM ENOPROTOOPT ENOTSOCK; }
    "getsockname" { SurvivedOrTold: EBADF EFAULT EINVAL ENOBUFS ENOTSOCK; }
    "getpeername" { SurvivedOrTold: EBADF EFAULT EINVAL ENOBUFS ENOTCONN ENOTSOCK; }
    // ENOTCONN would be a lie: whoever is told so need not wait for the other end's answer.
    "shutdown" { SurvivedOrTold: EBADF EINVAL ENOTSOCK; }

    // Files: of Unix sockets, of the tables by which names are looked up, and of what says how many cores there are.
    "unlink" {
        SurvivedOrTold: EACCES EBUSY EFAULT EIO EISDIR ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EPERM EROFS;
    }
    "statx" { SurvivedOrTold: EACCES EBADF EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR; }
    "newfstatat" { SurvivedOrTold: EACCES EBADF EFAULT EINVAL ELOOP ENAMETOOLONG ENOENT ENOMEM ENOTDIR EOVERFLOW; }
    "openat" { SurvivedOrTold: EACCES EINTR EMFILE ENFILE ENOENT ENOMEM EPERM ELOOP ENOTDIR; }
    "lseek" { SurvivedOrTold: EBADF EINVAL ENXIO EOVERFLOW ESPIPE; }
    // Without ERANGE, at which the standard library takes a longer buffer.
    "getcwd" { SurvivedOrTold: EACCES EFAULT EINVAL ENAMETOOLONG ENOENT ENOMEM; }
    "uname" { SurvivedOrTold: EFAULT; }

    // Threads.
    "clone3" { SurvivedOrTold: EAGAIN ENOMEM ENOSPC EPERM EINVAL; Survived: ENOSYS; }
    "membarrier" { Survived: EINVAL ENOSYS EPERM; }
    "rt_sigaction" { Told: EFAULT EINVAL; }
    "sched_getaffinity" { Survived: EFAULT EINVAL ESRCH; }

    // Memory.
    "munmap" { Survived: EINVAL ENOMEM; }
    "madvise" { Survived: EAGAIN EINVAL ENOMEM; }
};

/// What fails once and not for ever: an interruption, after which everybody tries again at once, as the standard
/// library does; and the calls of a loop that sleeps, which nobody could wake any more.
pub(super) fn may_fail_for_ever(call: &str, error: &str) -> bool {
    error != "EINTR" && call != "write"
}

/// What others do where a station makes a call: their failure is none of the runtime's.
const MADE_BY_OTHERS: &[(&str, &str, &str)] = &[
    (
        "signals",
        "sendto",
        "the handler of a signal, in the crate signal-hook, has nobody to tell",
    ),
    (
        "signals",
        "write",
        "the same, where its first send was refused",
    ),
    ("ctrl-c", "sendto", "as signals"),
    ("ctrl-c", "write", "as signals"),
    (
        "names",
        "read",
        "the C library reads its tables, and does not try again",
    ),
];

/// Whether the call is one of others in this station.
pub(super) fn is_made_by_others(call: &str, station: &str) -> bool {
    let mut others = MADE_BY_OTHERS.iter();
    others.any(|(where_, name, _)| *where_ == station && *name == call)
}

/// Whether the text says the error in words of its own.
pub(super) fn is_in_other_words(text: &str, call: &str, error: &str) -> bool {
    match (call, error) {
        // `PathInUse`, where a file is in the way that may be nobody's.
        ("bind", "EADDRINUSE") => text.contains("there is something at"),
        // So the C library calls it.
        ("clone3", "ENOMEM") => text.contains(&format!("(os error {})", number("EAGAIN"))),
        // To the standard library a standard input that is closed is an empty one.
        ("read", "EBADF") => text.contains("0 lines came"),
        _ => text.contains("failed to lookup address information"),
    }
}

/// Whether a panic is what is promised: a sleep outside of a loop has nobody to tell that it never gets its thread.
pub(super) fn may_panic(text: &str, call: &str) -> bool {
    call == "clone3" && text.contains("its background thread cannot start")
}

/// Calls whose failure is none of the runtime's: why.
pub(super) const LEFT_OUT: &[(&str, &str)] = &[
    ("access", "the probe itself looks for files"),
    ("clock_nanosleep", "the probe itself waits"),
    ("restart_syscall", "the probe itself waits"),
    ("kill", "the probe itself sends signals"),
    ("pipe2", "the probe itself opens a pipe"),
    ("pwrite64", "the probe itself says what came of it"),
    ("exit", "cannot fail"),
    ("exit_group", "cannot fail"),
    ("getpid", "cannot fail"),
    ("gettid", "cannot fail"),
    ("sched_yield", "cannot fail"),
    ("rt_sigreturn", "cannot fail"),
    (
        "futex",
        "of most of its errors the C library makes an end of the process, and a wake that is not made is lost",
    ),
    (
        "getrandom",
        "the standard library, for the keys of a map: it has other sources",
    ),
    ("brk", "without memory Rust ends the process"),
    (
        "mmap",
        "a new thread without memory for its signal stack is ended by the standard library",
    ),
    ("mprotect", "as mmap"),
    (
        "prctl",
        "the name of a new thread: the standard library looks at no error",
    ),
    (
        "rseq",
        "the C library, as a thread begins: a refusal ends the process",
    ),
    (
        "rt_sigprocmask",
        "the C library, as a thread begins: it cannot fail",
    ),
    (
        "set_robust_list",
        "the C library, as a thread begins: it looks at no error",
    ),
    (
        "sigaltstack",
        "the standard library, as a thread begins and ends: it looks at no error",
    ),
];

/// The numbers of the errors, on x86-64 and ARM alike.
const NUMBERS: &[(&str, i32)] = &[
    ("EPERM", 1),
    ("ENOENT", 2),
    ("ESRCH", 3),
    ("EINTR", 4),
    ("EIO", 5),
    ("ENXIO", 6),
    ("EBADF", 9),
    ("EAGAIN", 11),
    ("ENOMEM", 12),
    ("EACCES", 13),
    ("EFAULT", 14),
    ("EBUSY", 16),
    ("EEXIST", 17),
    ("ENODEV", 19),
    ("ENOTDIR", 20),
    ("EISDIR", 21),
    ("EINVAL", 22),
    ("ENFILE", 23),
    ("EMFILE", 24),
    ("ENOTTY", 25),
    ("EFBIG", 27),
    ("ENOSPC", 28),
    ("ESPIPE", 29),
    ("EROFS", 30),
    ("EPIPE", 32),
    ("EDOM", 33),
    ("ENAMETOOLONG", 36),
    ("ENOLCK", 37),
    ("ENOSYS", 38),
    ("ELOOP", 40),
    ("ENONET", 64),
    ("EPROTO", 71),
    ("EOVERFLOW", 75),
    ("ENOTSOCK", 88),
    ("EDESTADDRREQ", 89),
    ("EMSGSIZE", 90),
    ("EPROTOTYPE", 91),
    ("ENOPROTOOPT", 92),
    ("EPROTONOSUPPORT", 93),
    ("EOPNOTSUPP", 95),
    ("EAFNOSUPPORT", 97),
    ("EADDRINUSE", 98),
    ("EADDRNOTAVAIL", 99),
    ("ENETDOWN", 100),
    ("ENETUNREACH", 101),
    ("ECONNABORTED", 103),
    ("ECONNRESET", 104),
    ("ENOBUFS", 105),
    ("EISCONN", 106),
    ("ENOTCONN", 107),
    ("ETIMEDOUT", 110),
    ("ECONNREFUSED", 111),
    ("EHOSTDOWN", 112),
    ("EHOSTUNREACH", 113),
    ("EALREADY", 114),
    ("EINPROGRESS", 115),
    ("EDQUOT", 122),
    ("ECANCELED", 125),
];

/// The number of an error of the table.
pub(super) fn number(error: &str) -> i32 {
    let mut numbers = NUMBERS.iter();
    let found = numbers.find(|(name, _)| *name == error);
    found.map_or(0, |(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_stands_once_and_each_of_its_errors_too() {
        let mut names: Vec<&str> = CALLS.iter().map(|call| call.name).collect();
        names.extend(LEFT_OUT.iter().map(|(name, _)| *name));
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        for call in CALLS {
            assert!(call.errors().all(|(error, _)| number(error) != 0));
            let mut errors: Vec<&str> = call.errors().map(|(error, _)| error).collect();
            let count = errors.len();
            errors.sort();
            errors.dedup();
            assert_eq!(errors.len(), count, "{}", call.name);
        }
    }
}
