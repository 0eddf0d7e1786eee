//! Signals: Ctrl-C, `SIGTERM`, and what else others send to the process.
//!
//! [`ctrl_c`] waits for one Ctrl-C, [`signal`] gives a stream of any signal. They work under any
//! executor. A loop that is to end with Ctrl-C needs neither: see [`CtrlC`](crate::CtrlC).
//!
//! * Every listener hears of every signal, whatever the others do.
//! * Signals are *coalesced*, as Unix does: who has not looked since the first of several hears of one.
//! * **The default action does not come back.** With the first listener the process has a handler for
//!   the signal, and keeps it. When the last listener is gone, the signal is ignored: a program that has once waited
//!   for `SIGTERM` is no longer ended by it. Keep a listener as long as the signal is to mean
//!   something. (After a loop with [`CtrlC::Cancel`](crate::CtrlC::Cancel), Ctrl-C is the exception.)
//! * A handler is installed also where the signal was ignored, as `nohup` does. A handler of somebody
//!   else that was there before is still called.
//! * A listener is a descriptor: on a simulated clock it holds time as
//!   [descriptors do](crate::LoopBuilder::io_holds_clock).
//!
//! # Examples
//! ```
//! use arborio::signal::{Signal, signal};
//! # use rustix::process::{Signal as Raw, getpid, kill_process};
//!
//! let heard = arborio::run(async {
//!     let mut reloads = signal(Signal::HANGUP)?;
//!     // $ kill -HUP ...
//! #   kill_process(getpid(), Raw::HUP)?;
//!     reloads.recv().await
//! });
//! assert_eq!(heard?, Signal::HANGUP);
//! # std::io::Result::Ok(())
//! ```

mod default_action;
mod lookout;
mod number;
mod wire;

use std::{
    fmt,
    future::poll_fn,
    io::{self, Read},
    os::unix::net::UnixStream,
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_reactor::Async;
use futures_core::Stream;

pub(crate) use self::lookout::Lookout;
pub use self::number::Signal;
use self::wire::Wire;

/// Waits for one Ctrl-C (`SIGINT`).
///
/// Listens from its first poll on. In a loop, keep the [`Signals`] of [`signal`] instead: what comes
/// between two calls of this is lost, and does not end the process either (see the [module](self)).
///
/// # Errors
/// Those of [`signal`] and [`Signals::recv`].
///
/// # Cancel safety
/// Dropping it ends the listening: a Ctrl-C that comes later is not this one's.
///
/// # Examples
/// ```
/// use arborio::{select, signal::ctrl_c};
/// # use rustix::process::{Signal, getpid, kill_process};
/// # use std::future::{pending, poll_fn};
/// # async fn serve() {
/// #     arborio::yield_now().await;
/// #     kill_process(getpid(), Signal::INT).unwrap();
/// #     pending().await
/// # }
/// let ended = arborio::run(async {
///     select! {
///         pressed = ctrl_c() => pressed.map(|()| "by Ctrl-C"),
///         () = serve() => Ok("by itself"),
///     }
/// });
/// assert_eq!(ended?, "by Ctrl-C");
/// # std::io::Result::Ok(())
/// ```
pub async fn ctrl_c() -> io::Result<()> {
    signal(Signal::INTERRUPT)?.recv().await.map(drop)
}

/// Listens to `signal` from now on, also before it is first polled.
///
/// # Errors
/// `InvalidInput` for a signal that nobody can listen to (`SIGKILL`, `SIGSTOP`, `SIGSEGV`, `SIGBUS`,
/// `SIGILL`, `SIGFPE`); the system's error for a number that is no signal, or if it refuses
/// descriptors.
///
/// # Examples
/// ```
/// use arborio::signal::{Signal, signal};
/// assert!(signal(Signal::TERMINATE).is_ok());
/// let error = signal(Signal::from_raw(9)).unwrap_err();
/// assert!(error.to_string().starts_with("nobody can listen to SIGKILL"));
/// ```
pub fn signal(signal: Signal) -> io::Result<Signals> {
    let (read, wire) = Wire::open(signal)?;
    Ok(Signals {
        signal,
        wire,
        reader: Reader::Idle(read),
    })
}

/// A stream of one signal; made by [`signal`].
///
/// As a `Stream` it never ends. It may be moved between threads, loops and executors: who polls it is
/// woken where they are.
///
/// # Examples
/// ```
/// use arborio::{io::StreamExt, signal::{Signal, signal}};
/// # use rustix::process::{Signal as Raw, getpid, kill_process};
/// # use std::io;
/// let mut one = signal(Signal::USER1)?;
/// let mut other = signal(Signal::USER1)?;
/// # kill_process(getpid(), Raw::USR1)?;
/// // Both hear of each `kill -USR1`.
/// let heard = arborio::run(async { (one.next().await, other.recv().await) });
/// assert_eq!(heard.0.unwrap()?, heard.1?);
/// # std::io::Result::Ok(())
/// ```
#[must_use = "a listener hears nothing when it is dropped"]
pub struct Signals {
    signal: Signal,
    /// Declared first: see its documentation.
    wire: Wire,
    reader: Reader,
}

/// The end of the socket that is read.
enum Reader {
    /// Nobody has polled yet, so the loop to register with is not known.
    Idle(UnixStream),
    Registered(Async<UnixStream>),
}

impl Reader {
    /// What is polled: registered with the loop of this thread if it was not before.
    fn registered(&mut self) -> io::Result<&Async<UnixStream>> {
        if let Self::Idle(socket) = self {
            // A clone, so that after an error the next call can try again.
            *self = Self::Registered(Async::new(socket.try_clone()?)?);
        }
        match self {
            Self::Registered(socket) => Ok(socket),
            Self::Idle(_) => unreachable!("it was registered just now"),
        }
    }
}

impl Signals {
    /// Waits for the signal; at once if it has come since this was last ready.
    ///
    /// # Errors
    /// Those of an epoll or a background thread that the system refuses; and in the child of a fork,
    /// if a listener of its parent is polled there. The next call tries again.
    ///
    /// # Cancel safety
    /// Nothing is lost: a signal that has come is told to the next call.
    ///
    /// # Examples
    /// See [`signal`](self).
    pub async fn recv(&mut self) -> io::Result<Signal> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The poll form of [`recv`](Self::recv).
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Examples
    /// ```
    /// use arborio::signal::{Signal, signal};
    /// use std::task::{Context, Waker};
    /// let mut sizes = signal(Signal::WINDOW)?;
    /// assert!(sizes.poll_recv(&mut Context::from_waker(Waker::noop())).is_pending());
    /// # std::io::Result::Ok(())
    /// ```
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Signal>> {
        let reader = self.reader.registered()?;
        loop {
            if self.wire.came().take() {
                return Poll::Ready(Ok(self.signal));
            }
            // Bytes say only that it may have come: see `wire`.
            let read = |mut socket: &UnixStream| socket.read(&mut [0; 64]);
            if ready!(reader.poll_read_with(cx, read))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// What it listens to.
    ///
    /// # Examples
    /// ```
    /// use arborio::signal::{Signal, signal};
    /// assert_eq!(signal(Signal::QUIT)?.signal(), Signal::QUIT);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn signal(&self) -> Signal {
        self.signal
    }
}

impl Stream for Signals {
    type Item = io::Result<Signal>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx).map(Some)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signals").field(&self.signal).finish()
    }
}
