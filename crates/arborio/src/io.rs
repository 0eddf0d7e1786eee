//! Bytes: traits, buffers, and copying.
//!
//! Sockets implement the [`AsyncRead`] and [`AsyncWrite`] of the crate
//! `futures-io`, so whatever is written for those works with them.
//! [`copy_bidirectional`] is Arborio's own. Everything else here is that of the
//! crate `futures-lite`, and comes with the feature `io`, which is on by default.
//!
//! Sockets have the usual methods of their own, which take `&self`. The traits
//! [`AsyncReadExt`] and [`AsyncWriteExt`] are for other readers and writers, and
//! for the methods that sockets lack: `read_to_end`, `take`, `bytes`, ...
//!
//! # Cancel safety
//! What is lost if the future is dropped before it is ready:
//!
//! | function                                     | what is lost |
//! |----------------------------------------------|--------------|
//! | `read`, `read_vectored`, `fill_buf`          | nothing |
//! | `read_to_end`, `read_until`                  | nothing: what was read is in the vector |
//! | `read_exact`                                 | how much of the buffer was filled; those bytes |
//! | `read_to_string`, `read_line`                | what was read so far |
//! | the next item of `lines`, `split`, `bytes`   | nothing: it is in the stream |
//! | `write`, `write_vectored`, `flush`, `close`  | nothing |
//! | `write_all`                                  | how much was written |
//! | [`copy`], [`copy_bidirectional`]             | what was read and not yet written |
//!
//! A `BufReader` keeps what it has read ahead, and a `BufWriter` what it has not
//! written yet; dropping *them* loses it. A `BufWriter` must be flushed or closed.
//!
//! # Examples
//! Lines from a socket:
//! ```
//! # #[cfg(feature = "io")]
//! # fn main() -> std::io::Result<()> {
//! use arborio::{io::{AsyncBufReadExt, BufReader, StreamExt}, net::UnixStream};
//! let lines = arborio::run(async {
//!     let (one, other) = UnixStream::pair()?;
//!     one.write_all(b"first\nsecond\n").await?;
//!     drop(one);
//!     BufReader::new(other).lines().collect::<Vec<_>>().await.into_iter().collect()
//! });
//! let lines: Vec<String> = std::io::Result::from(lines)?;
//! assert_eq!(lines, ["first", "second"]);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "io"))]
//! # fn main() {}
//! ```
//!
//! A proxy:
//! ```
//! use arborio::{io::copy_bidirectional, net::UnixStream, spawn};
//! # fn main() -> std::io::Result<()> {
//! arborio::run(async {
//!     let (client, mut inside) = UnixStream::pair()?;
//!     let (mut outside, server) = UnixStream::pair()?;
//!     let proxy = spawn(async move { copy_bidirectional(&mut inside, &mut outside).await });
//!     client.write_all(b"hello").await?;
//!     let mut word = [0; 5];
//!     server.read_exact(&mut word).await?;
//!     drop((client, server));
//!     assert_eq!(proxy.await.unwrap()?, (5, 0));
//!     Ok(())
//! })
//! # }
//! ```

pub use arborio_net::{CopyBidirectional, copy_bidirectional};
#[cfg(feature = "io")]
#[doc(no_inline)]
pub use futures_lite::{
    io::{
        AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt,
        BufReader, BufWriter, Bytes, Chain, Cursor, Lines, Split, Take, copy, empty, repeat, sink,
    },
    stream::StreamExt,
};
