//! Standard input, output and error, without blocking a loop.
//!
//! Each stream that is used has a thread of its own, which makes the calls that block. They cannot be
//! avoided: what makes a descriptor non-blocking lies in the open file, which the process shares with its shell and with
//! others that write to the same terminal or pipe, and those would get errors. No thread holds up the
//! end of the process.
//!
//! The threads use the streams of the standard library: what `println!` has left in its buffer comes out
//! first, and a descriptor that is closed is empty, or swallows everything. Who reads through
//! `std::io::stdin` while a read is pending here waits for that.
//!
//! On a simulated clock, time stands still while somebody waits here, as it does for a
//! [job](crate::blocking). The streams do not work in the child of a fork.
//!
//! # Examples
//! ```
//! # #[cfg(feature = "io")]
//! # fn main() -> std::io::Result<()> {
//! use arborio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, StreamExt};
//!
//! arborio::run(async {
//!     let mut stdout = arborio::stdio::stdout();
//!     let mut lines = BufReader::new(arborio::stdio::stdin()).lines();
//!     let mut count = 0;
//!     while let Some(line) = lines.next().await {
//!         count += 1;
//!         stdout.write_all(format!("{count}: {}\n", line?).as_bytes()).await?;
//!     }
//!     stdout.flush().await?;
//!     assert_eq!(count, 0, "nobody says anything to a test");
//!     Ok(())
//! })
//! # }
//! # #[cfg(not(feature = "io"))]
//! # fn main() {}
//! ```

mod input;
mod output;
mod station;

pub use self::{
    input::{Stdin, stdin},
    output::{Stderr, Stdout, stderr, stdout},
};

use std::{io, os::fd::AsFd};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

/// Calls `system` until it neither was interrupted nor would block: somebody else
/// may have made the descriptor non-blocking.
fn insist<S: AsFd, R>(
    stream: &mut S,
    ready: PollFlags,
    mut system: impl FnMut(&mut S) -> io::Result<R>,
) -> io::Result<R> {
    loop {
        match system(stream) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let wait = poll(&mut [PollFd::new(stream, ready)], None);
                if let Err(error) = wait
                    && error != Errno::INTR
                {
                    return Err(error.into());
                }
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_call_that_is_interrupted_is_made_again() {
        let (mut stream, _other) = UnixStream::pair().unwrap();
        let mut calls = 0;
        let made = insist(&mut stream, PollFlags::IN, |_| {
            calls += 1;
            match calls {
                3 => Ok("made"),
                _ => Err(io::ErrorKind::Interrupted.into()),
            }
        });
        assert_eq!((made.unwrap(), calls), ("made", 3));
    }
}
