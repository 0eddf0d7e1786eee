//! Standard output and error: [`stdout`], [`stderr`].
//!
//! Bytes are *accepted* when a write takes them into the buffer, and *done* when the thread has written them, or
//! has failed to. Both are counted from the start of the process, for the stream as a whole, so what all
//! handles write comes out in the order in which it was accepted.

use std::{
    io::{self, Write},
    mem,
    os::fd::AsFd,
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::AsyncWrite;
use rustix::event::PollFlags;

use super::{
    insist,
    station::{Station, Ticket},
};

/// How much is accepted before the thread takes it.
const LIMIT: usize = 64 * 1024;

static STDOUT: Station<Output> = Station::new("arborio-stdout", work_stdout, Output::new());
static STDERR: Station<Output> = Station::new("arborio-stderr", work_stderr, Output::new());

/// What is known of one stream. See the head of this file.
struct Output {
    /// What was accepted and the thread has not taken.
    buffer: Vec<u8>,
    accepted: u64,
    done: u64,
    /// How often writing has failed.
    failures: u64,
    /// The last of the failures.
    failure: Option<io::Error>,
}

impl Output {
    const fn new() -> Self {
        Self {
            buffer: Vec::new(),
            accepted: 0,
            done: 0,
            failures: 0,
            failure: None,
        }
    }

    fn accept(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(LIMIT - self.buffer.len());
        if count == 0 {
            return Poll::Pending;
        }
        self.buffer.extend_from_slice(&bytes[..count]);
        self.accepted += count as u64;
        Poll::Ready(Ok(count))
    }

    fn note_done(&mut self, count: usize, written: io::Result<()>) {
        self.done += count as u64;
        if let Err(error) = written {
            self.failures += 1;
            self.failure = Some(error);
        }
    }

    /// The last failure, for one of several who have to know.
    fn last_failure(&self) -> io::Error {
        match &self.failure {
            Some(error) => match error.raw_os_error() {
                Some(number) => io::Error::from_raw_os_error(number),
                None => io::Error::new(error.kind(), error.to_string()),
            },
            None => io::ErrorKind::Other.into(),
        }
    }
}

fn work_stdout() {
    work(&STDOUT, |bytes| write_out(io::stdout().lock(), bytes));
}

fn work_stderr() {
    work(&STDERR, |bytes| write_out(io::stderr().lock(), bytes));
}

/// What the thread of a stream does.
fn work(station: &Station<Output>, write: impl Fn(&[u8]) -> io::Result<()>) {
    let mut batch = Vec::new();
    loop {
        station.next_order(|output| (!output.buffer.is_empty()).then_some(()));
        batch.clear();
        // Who waits for room has some now.
        station.change(|output| mem::swap(&mut output.buffer, &mut batch));
        let written = write(&batch);
        station.change(|output| output.note_done(batch.len(), written));
    }
}

/// Writes all of `bytes`, past what the standard library has in its buffer.
fn write_out(mut stream: impl Write + AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match insist(&mut stream, PollFlags::OUT, |stream| stream.write(bytes))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => bytes = &bytes[count..],
        }
    }
    insist(&mut stream, PollFlags::OUT, Write::flush)
}

/// One handle of a stream.
#[derive(Debug)]
struct Writer {
    ticket: Ticket<Output>,
    /// What was accepted up to the last byte of this handle.
    mine: u64,
    /// The failures that do not concern it, or that it has told. `None` if all of its bytes are
    /// done, so that it need not know.
    told: Option<u64>,
}

impl Writer {
    fn new(station: &'static Station<Output>) -> Self {
        Self {
            ticket: Ticket::new(station),
            mine: 0,
            told: None,
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let Self { ticket, mine, told } = self;
        ticket.poll(cx, |output| {
            if *told.get_or_insert(output.failures) != output.failures {
                *told = Some(output.failures);
                return Poll::Ready(Err(output.last_failure()));
            }
            let accepted = output.accept(bytes);
            if accepted.is_ready() {
                *mine = output.accepted;
            }
            accepted
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { ticket, mine, told } = self;
        let Some(known) = told else {
            return Poll::Ready(Ok(())); // nothing was written
        };
        let flushed = ticket.poll(cx, |output| {
            if *known != output.failures {
                *known = output.failures;
                return Poll::Ready(Err(output.last_failure()));
            }
            if output.done < *mine {
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        });
        if matches!(flushed, Poll::Ready(Ok(()))) {
            *told = None;
        }
        flushed
    }
}

/// Standard output, as an [`AsyncWrite`].
///
/// Any number of handles may be there; what they write comes out in the order in which their writes were
/// ready. A write is ready when its bytes are in the buffer of the stream (64 KiB).
/// `flush` waits until all of this handle's bytes are written. **Flush before the program ends:** dropping a handle
/// leaves its bytes to the thread, which goes on as long as the process does, and the process does not wait for it.
///
/// # Errors
/// The system's, among them `BrokenPipe` if nobody reads: of bytes that were accepted, from a later write or
/// from `flush`, once. What was accepted with them is lost. Every handle that had bytes under way is told.
///
/// # Cancel safety
/// A write or `flush` that is dropped loses nothing. `write_all` does not tell how much was accepted.
/// `close` is the same as `flush`; the descriptor stays open.
///
/// # Examples
/// ```
/// # #[cfg(feature = "io")]
/// # fn main() {
/// use arborio::io::AsyncWriteExt;
/// let written = arborio::run(async {
///     let mut stdout = arborio::stdio::stdout();
///     stdout.write_all(b"one line\n").await?;
///     stdout.flush().await
/// });
/// assert!(written.is_ok());
/// # }
/// # #[cfg(not(feature = "io"))]
/// # fn main() {}
/// ```
pub fn stdout() -> Stdout {
    Stdout(Writer::new(&STDOUT))
}

/// Standard error, as an [`AsyncWrite`]: everything that is said of [`stdout`] holds. What has to come out
/// even if the process ends in the next moment is better written with `eprintln!`.
///
/// # Examples
/// ```
/// # #[cfg(feature = "io")]
/// # fn main() {
/// use arborio::io::AsyncWriteExt;
/// let written = arborio::run(async {
///     let mut stderr = arborio::stdio::stderr();
///     stderr.write_all(b"a complaint\n").await?;
///     stderr.flush().await
/// });
/// assert!(written.is_ok());
/// # }
/// # #[cfg(not(feature = "io"))]
/// # fn main() {}
/// ```
pub fn stderr() -> Stderr {
    Stderr(Writer::new(&STDERR))
}

/// Standard output; made by [`stdout`].
///
/// # Examples
/// See [`stdout`].
#[derive(Debug)]
pub struct Stdout(Writer);

/// Standard error; made by [`stderr`].
///
/// # Examples
/// See [`stderr`].
#[derive(Debug)]
pub struct Stderr(Writer);

macro_rules! async_write {
    ($stream:ty) => {
        impl AsyncWrite for $stream {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.0.poll_write(cx, bytes)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.0.poll_flush(cx)
            }

            fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_flush(cx)
            }
        }
    };
}

async_write!(Stdout);
async_write!(Stderr);
