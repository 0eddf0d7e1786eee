//! Libraries that want tokio, with the feature `tokio`.
//!
//! Some clients (`reqwest`, `sqlx` with its tokio feature, database drivers, ...) open sockets and timers of
//! tokio, and panic where no tokio runtime is in sight. A [`Context`] is one, on a thread of its own: its
//! reactor and its timers run there, and the futures themselves run where they are, as tasks of Arborio, which
//! wakes them as any others. So they have a place in a scope, and are asked to end as everybody is.
//!
//! With the feature `tokio-io` alone, which starts nothing, Arborio's streams and their halves implement
//! tokio's `AsyncRead` and `AsyncWrite`, for libraries that are generic over these (`tokio-rustls`, `tokio-tungstenite`,
//! `tokio-util`'s codecs): no context is needed.
//!
//! # Examples
//! ```
//! use arborio::{spawn, tokio::Context};
//! use std::time::{Duration, Instant};
//! let tokio = Context::new()?;
//! let start = Instant::now();
//! arborio::run(async {
//!     // `tokio::time` anywhere inside, in a task of Arborio's.
//!     let nap = tokio.wrap(async { ::tokio::time::sleep(Duration::from_millis(2)).await });
//!     spawn(nap).await.unwrap();
//! });
//! assert!(start.elapsed() >= Duration::from_millis(2));
//! # std::io::Result::Ok(())
//! ```

mod context;
mod inside;

pub use context::{Context, Entered};
pub use inside::Inside;
