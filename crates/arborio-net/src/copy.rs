//! [`copy_bidirectional`]: what a proxy does.
//!
//! # States of a direction
//! | state     | the next step                                                      |
//! |-----------|--------------------------------------------------------------------|
//! | `Filling` | reads; flushes what was written while there is nothing to read      |
//! | `Emptying`| writes what was read                                               |
//! | `Closing` | the reader has ended: closes the writer, which passes the end on     |
//! | `Done`    | nothing                                                            |

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::{AsyncRead, AsyncWrite};

/// How much a direction reads at once: as `std::io::copy`.
const BUFFER: usize = 8 * 1024;

/// How many steps each direction makes in one poll, in turn with the other
/// one. A step is one operation, so both together leave a quarter of a task's
/// budget, and neither direction can use up what the other one needs.
const STEPS: usize = 96;

/// Copies what `one` reads to `other`, and what `other` reads to `one`, until
/// both have come to their ends. Gives the number of bytes in each direction,
/// that from `one` to `other` first.
///
/// When one of them ends, the other one is closed for writing, as
/// [`AsyncWrite::poll_close`] does, and the other direction goes on: half a
/// connection that was shut down stays half a connection.
///
/// # Errors
/// The first error of reading, writing or closing, in either direction. It
/// ends both, and neither of them is closed by this; a proxy drops them.
///
/// # Cancel safety
/// Not cancel safe: dropping the future loses bytes that were read and not
/// yet written.
///
/// # Examples
/// ```
/// use arborio_net::{UnixStream, copy_bidirectional};
/// use futures_lite::future::{block_on, try_zip};
/// use std::net::Shutdown;
/// let (client, mut inside) = UnixStream::pair()?;
/// let (mut outside, server) = UnixStream::pair()?;
/// let talking = async {
///     client.write_all(b"hello").await?;
///     client.shutdown(Shutdown::Write)?;
///     let mut word = [0; 5];
///     server.read_exact(&mut word).await?;
///     assert_eq!(server.read(&mut [0]).await?, 0, "the end was passed on");
///     server.write_all(b"ok").await?;
///     server.shutdown(Shutdown::Write)
/// };
/// let copying = copy_bidirectional(&mut inside, &mut outside);
/// assert_eq!(block_on(try_zip(copying, talking))?.0, (5, 2));
/// # std::io::Result::Ok(())
/// ```
pub fn copy_bidirectional<'a, A, B>(one: &'a mut A, other: &'a mut B) -> CopyBidirectional<'a, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    CopyBidirectional {
        one,
        other,
        there: Direction::new(),
        back: Direction::new(),
    }
}

/// The future of [`copy_bidirectional`].
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct CopyBidirectional<'a, A: ?Sized, B: ?Sized> {
    one: &'a mut A,
    other: &'a mut B,
    /// From `one` to `other`.
    there: Direction,
    /// From `other` to `one`.
    back: Direction,
}

impl<A, B> Future for CopyBidirectional<'_, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    type Output = io::Result<(u64, u64)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (one, other) = (&mut *this.one, &mut *this.other);
        for _ in 0..STEPS {
            let there = this.there.step(cx, one, other)?;
            let back = this.back.step(cx, other, one)?;
            match (there, back) {
                (Step::Over, Step::Over) => {
                    return Poll::Ready(Ok((this.there.copied, this.back.copied)));
                }
                (Step::Made, _) | (_, Step::Made) => {}
                _ => return Poll::Pending,
            }
        }
        // Streams that never wait must not keep everybody else waiting.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Something was done; there may be more.
    Made,
    /// The task will be woken.
    Waits,
    /// Everything is done.
    Over,
}

/// See the table at the top of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Filling,
    Emptying,
    Closing,
    Done,
}

/// One of the two directions.
#[derive(Debug)]
struct Direction {
    state: State,
    buf: Box<[u8]>,
    /// What of `buf` was read and not yet written.
    left: std::ops::Range<usize>,
    /// Whether something was written since the last flush.
    unflushed: bool,
    /// How many bytes were written in all.
    copied: u64,
}

impl Direction {
    fn new() -> Self {
        Self {
            state: State::Filling,
            buf: vec![0; BUFFER].into(),
            left: 0..0,
            unflushed: false,
            copied: 0,
        }
    }

    fn step<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> io::Result<Step>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        let made = match self.state {
            State::Filling => self.poll_fill(cx, from, to),
            State::Emptying => self.poll_empty(cx, to),
            State::Closing => self.poll_close(cx, to),
            State::Done => return Ok(Step::Over),
        };
        Ok(match made? {
            Poll::Ready(()) => Step::Made,
            Poll::Pending => Step::Waits,
        })
    }

    fn poll_fill<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
    ) -> io::Result<Poll<()>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        match Pin::new(from).poll_read(cx, &mut self.buf) {
            Poll::Ready(Ok(0)) => self.state = State::Closing,
            Poll::Ready(Ok(count)) => {
                self.left = 0..count;
                self.state = State::Emptying;
            }
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => {
                if self.unflushed && Pin::new(to).poll_flush(cx)?.is_ready() {
                    self.unflushed = false;
                }
                return Ok(Poll::Pending);
            }
        }
        Ok(Poll::Ready(()))
    }

    fn poll_empty<W>(&mut self, cx: &mut Context<'_>, to: &mut W) -> io::Result<Poll<()>>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        let left = &self.buf[self.left.clone()];
        let Poll::Ready(count) = Pin::new(to).poll_write(cx, left)? else {
            return Ok(Poll::Pending);
        };
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.left.start += count;
        self.copied += count as u64;
        self.unflushed = true;
        if self.left.is_empty() {
            self.state = State::Filling;
        }
        Ok(Poll::Ready(()))
    }

    fn poll_close<W>(&mut self, cx: &mut Context<'_>, to: &mut W) -> io::Result<Poll<()>>
    where
        W: AsyncWrite + Unpin + ?Sized,
    {
        let closed = Pin::new(to).poll_close(cx)?;
        if closed.is_ready() {
            self.state = State::Done;
        }
        Ok(closed)
    }
}
