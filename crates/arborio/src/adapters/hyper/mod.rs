//! What the HTTP library [hyper](https://docs.rs/hyper) asks of a runtime, with the feature `hyper`.
//!
//! * [`Stream`]: a socket, or any other reader and writer of `futures-io`, as hyper reads and writes.
//! * [`SpawnOn`], [`SpawnLocalOn`]: what hyper spawns becomes a task of a scope.
//! * [`Timer`]: hyper's time limits on the clock of the loop, also on a simulated one.
//! * [`graceful`]: a connection that is asked to end answers the requests that it has begun.
//!
//! hyper itself, `axum`'s `Router` and `hyper-util`'s services need nothing else. The page
//! [ecosystem](https://docs.rs/arborio) shows a whole server, and says what works with what.
//!
//! # Examples
//! hyper's traits on a pair of sockets:
//! ```
//! use arborio::{hyper::Stream, net::UnixStream};
//! use hyper::rt::{Read, ReadBuf, Write};
//! use std::{future::poll_fn, pin::Pin};
//!
//! let read = arborio::run(async {
//!     let (one, other) = UnixStream::pair()?;
//!     let (mut one, mut other) = (Stream::new(one), Stream::new(other));
//!     poll_fn(|cx| Pin::new(&mut one).poll_write(cx, b"GET /")).await?;
//!     let mut bytes = [0; 16];
//!     let mut buffer = ReadBuf::new(&mut bytes);
//!     poll_fn(|cx| Pin::new(&mut other).poll_read(cx, buffer.unfilled())).await?;
//!     std::io::Result::Ok(buffer.filled().to_vec())
//! });
//! assert_eq!(read?, b"GET /");
//! # std::io::Result::Ok(())
//! ```

mod graceful;
mod spawn;
mod stream;
mod timer;

pub use graceful::{Graceful, graceful};
pub use spawn::{SpawnLocalOn, SpawnOn};
pub use stream::Stream;
pub use timer::{Timer, TimerSleep};
