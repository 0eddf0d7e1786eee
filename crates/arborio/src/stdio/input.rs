//! Standard input: [`stdin`].
//!
//! # States
//! | `asked` | `chunk`, `end` | what it means                              | next                          |
//! |---------|----------------|--------------------------------------------|-------------------------------|
//! | no      | empty          | nobody has asked                           | asked, by a poll               |
//! | yes     | empty          | the thread reads                           | something to take, by the thread |
//! | no      | something      | who comes takes it, whoever asked for it   | empty, when all of it was taken |
//!
//! So the thread reads only if somebody asked and nothing was left, and never ahead. What it reads when
//! nobody waits any more stays for the next one.

use std::{
    io::{self, Read},
    pin::Pin,
    task::{Context, Poll},
};

use futures_io::AsyncRead;
use rustix::event::PollFlags;

use super::{
    insist,
    station::{Station, Ticket},
};

/// The most that one read brings.
const CHUNK: usize = 16 * 1024;

static INPUT: Station<Input> = Station::new(
    "arborio-stdin",
    work,
    Input {
        asked: false,
        chunk: Vec::new(),
        taken: 0,
        end: None,
    },
);

/// What is known of the input. See the head of this file.
struct Input {
    /// The thread is to read.
    asked: bool,
    chunk: Vec<u8>,
    /// How much of the chunk was taken.
    taken: usize,
    /// The end of the input, or an error, to be told once.
    end: Option<io::Result<()>>,
}

impl Input {
    fn take(&mut self, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let left = &self.chunk[self.taken..];
        if !left.is_empty() {
            let count = left.len().min(buf.len());
            buf[..count].copy_from_slice(&left[..count]);
            self.taken += count;
            return Poll::Ready(Ok(count));
        }
        if let Some(end) = self.end.take() {
            return Poll::Ready(end.map(|()| 0));
        }
        self.asked = true;
        Poll::Pending
    }

    fn put(&mut self, chunk: &mut Vec<u8>, read: io::Result<usize>) {
        self.asked = false;
        match read {
            Ok(0) => self.end = Some(Ok(())),
            Ok(count) => {
                std::mem::swap(&mut self.chunk, chunk);
                self.chunk.truncate(count);
                self.taken = 0;
            }
            Err(error) => self.end = Some(Err(error)),
        }
    }
}

/// What the thread does.
fn work() {
    let mut chunk = Vec::new();
    loop {
        INPUT.next_order(|input| input.asked.then_some(()));
        chunk.resize(CHUNK, 0);
        let read = insist(&mut io::stdin(), PollFlags::IN, |stdin| {
            stdin.read(&mut chunk)
        });
        INPUT.change(|input| input.put(&mut chunk, read));
    }
}

/// Standard input, as an [`AsyncRead`].
///
/// Any number of handles may be there: each byte goes to one of them. Bytes that were read for one that
/// has gone are kept for the next. There is no buffer to speak of: for lines, wrap it in a
/// `BufReader`, and keep that.
///
/// # Errors
/// Reading gives the errors of the system, and that of a thread that it refuses. At the end of the input, and if it
/// is closed, it gives 0, and asks again when it is read again: a terminal may have more.
///
/// # Cancel safety
/// A read that is dropped loses nothing. A `read_line` of a `BufReader` loses what it has read of the
/// line; `lines` does not.
///
/// # Examples
/// See [`stdio`](crate::stdio).
pub fn stdin() -> Stdin {
    Stdin {
        ticket: Ticket::new(&INPUT),
    }
}

/// Standard input; made by [`stdin`].
///
/// # Examples
/// ```
/// # #[cfg(feature = "io")]
/// # fn main() {
/// use arborio::io::AsyncReadExt;
/// // Who has no input is at its end.
/// let count = arborio::run(async { arborio::stdio::stdin().read(&mut [0; 8]).await });
/// assert_eq!(count.unwrap(), 0);
/// # }
/// # #[cfg(not(feature = "io"))]
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct Stdin {
    ticket: Ticket<Input>,
}

impl AsyncRead for Stdin {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.ticket.poll(cx, |input| input.take(buf))
    }
}
