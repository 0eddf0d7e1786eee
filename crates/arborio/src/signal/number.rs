//! Which signals there are.

use std::{fmt, io};

use signal_hook::{
    consts::{FORBIDDEN, signal as number},
    low_level::signal_name,
};

/// A signal, by its number.
///
/// # Examples
/// ```
/// use arborio::signal::Signal;
/// assert_eq!(Signal::from_raw(15), Signal::TERMINATE);
/// assert_eq!(Signal::TERMINATE.to_string(), "SIGTERM");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

impl Signal {
    /// `SIGALRM`: a timer of the process has run out.
    pub const ALARM: Self = Self(number::SIGALRM);
    /// `SIGCHLD`: a child has ended or stopped. Ignored by default.
    pub const CHILD: Self = Self(number::SIGCHLD);
    /// `SIGCONT`: goes on after a stop. Ignored by default: the system itself lets the process go on.
    pub const CONTINUE: Self = Self(number::SIGCONT);
    /// `SIGHUP`: the terminal is gone; for services, often: read your configuration again.
    pub const HANGUP: Self = Self(number::SIGHUP);
    /// `SIGINT`: Ctrl-C.
    pub const INTERRUPT: Self = Self(number::SIGINT);
    /// `SIGPIPE`: a write to a pipe that nobody reads. Rust programs ignore it, and get an error.
    pub const PIPE: Self = Self(number::SIGPIPE);
    /// `SIGQUIT`: Ctrl-\\.
    pub const QUIT: Self = Self(number::SIGQUIT);
    /// `SIGTERM`: the polite request to end, as `kill` and service managers make it.
    pub const TERMINATE: Self = Self(number::SIGTERM);
    /// `SIGTSTP`: Ctrl-Z. With a listener the process does not stop.
    pub const TERMINAL_STOP: Self = Self(number::SIGTSTP);
    /// `SIGUSR1`: of the user's own meaning.
    pub const USER1: Self = Self(number::SIGUSR1);
    /// `SIGUSR2`: of the user's own meaning.
    pub const USER2: Self = Self(number::SIGUSR2);
    /// `SIGWINCH`: the terminal has another size. Ignored by default.
    pub const WINDOW: Self = Self(number::SIGWINCH);

    /// The signal with this number, which need not exist.
    ///
    /// # Examples
    /// ```
    /// use arborio::signal::{Signal, signal};
    /// let error = signal(Signal::from_raw(4711)).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    /// ```
    pub const fn from_raw(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio::signal::Signal::INTERRUPT.as_raw(), 2);
    /// ```
    pub const fn as_raw(self) -> i32 {
        self.0
    }

    /// Refuses signals that nobody can listen to: two that the system hands to nobody, and
    /// those that say that the instruction which runs is broken. The handler of such a signal would return to it.
    pub(super) fn check(self) -> io::Result<()> {
        let why = if [number::SIGKILL, number::SIGSTOP].contains(&self.0) {
            "the system gives it to no process"
        } else if FORBIDDEN.contains(&self.0) || self.0 == number::SIGBUS {
            "it tells of a fault in the instruction that runs, and to go on would repeat it"
        } else if self.0 <= 0 {
            "no signal has such a number"
        } else {
            return Ok(());
        };
        let text = format!("nobody can listen to {self}: {why}");
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match signal_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signal({self})")
    }
}
