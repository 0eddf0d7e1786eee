//! A scope: a branch of the task tree that ends when its body and every task on it
//! have ended, whatever happens.
//!
//! # States
//! | state      | body     | tasks                  | next                               |
//! |------------|----------|------------------------|------------------------------------|
//! | Running    | is polled| may be spawned         | Finishing: the body has ended      |
//! | Finishing  | is gone  | may be spawned         | Closing: none is pending           |
//! | Closing    | is gone  | those not awaited are asked to end | the end: none is left  |
//!
//! Beside them *failing*: there is a reason to end (a failure, `cancel`, a request from
//! outside, the deadline, the end of a master). Nothing is spawned any more, the body
//! and every task are asked, and the grace runs; when that is over, what is left is
//! dropped.
//!
//! # Invariants
//! - S1: the branch leaves the tree only when no task of it is left.
//! - S2: an error of a task is in exactly one place: kept for the task's handle,
//!   the scope's failure, or among the later ones.

#[allow(unsafe_code, reason = "the future of a body is named for one lifetime")]
mod body;
mod builder;
mod child;
mod child_handle;
mod current;
mod describe;
mod failure;
mod free;
mod handle;
mod local;
pub(crate) mod note;
mod options;
mod orphan;
mod run;
mod shared;
mod signs;
mod start;

pub use arborio_task::embedded::{Local, Sent};
pub use body::ScopeBody;
pub use builder::ChildBuilder;
pub use child::{Child, ChildOf, ChildOutput, Outcome};
pub use current::AnyScope;
pub(crate) use current::{effective_limit, grace_around, tell_of_stubborn_here};
pub use failure::Failed;
pub use free::{FreeScope, ScopeEnd, ScopeEnded};
pub use handle::{Scope, ScopeClosed};
pub use local::{LocalScope, local_scope};
pub use note::{ScopeNote, set_stubborn_hook};
pub use options::{Reporting, ScopeBuilder};
pub use start::Ready;

use arborio_task::Interrupt;

/// Runs `body` with a scope, and waits until the body and every task that was spawned
/// on the scope have ended.
///
/// The first error or panic, of a task or of the body, asks the others to end. When all
/// have ended, the error is returned, or the panic goes on here.
///
/// This one is for async code, and its tasks own what they use. Synchronous code lends tasks what is on its stack, and
/// blocks its thread meanwhile: [`Handle::scope`](arborio_executor::Handle::scope). Async code that wants to borrow has
/// branches: [`concurrent`](mod@crate::concurrent).
///
/// # Errors
/// The first error of the body or of a task; `E::from(Interrupt)` if the scope was
/// cancelled or ran out of time before its body gave a value.
///
/// # Panics
/// Goes on with the first panic of a task or of the body.
///
/// # Other executors
/// Where no Arborio loop runs the scope polls its tasks itself, one after the other, when it is
/// polled; it may move between threads like any other future. A scope that is dropped
/// drops its tasks at once then: nobody would poll their cleanups.
///
/// # Cancel safety
/// If the future is dropped, its tasks are asked to end, and are dropped when their
/// grace is over; the enclosing scope, or `run`, waits for that.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{Scope, scope};
/// let sum = run(async {
///     scope(async |s: &Scope<()>| {
///         let one = s.spawn(async { Ok(1) });
///         let two = s.spawn(async { Ok(2) });
///         Ok(one.await? + two.await?)
///     })
///     .await
/// });
/// assert_eq!(sum, Ok(3));
/// ```
/// With any error, also from a task that may run on another thread:
/// ```
/// # use arborio_executor::{doc::run, spawn};
/// use arborio_scope::{Scope, scope};
/// use std::error::Error;
///
/// type BoxError = Box<dyn Error + Send + Sync>;
///
/// async fn sum(words: &[&str]) -> Result<u32, BoxError> {
///     scope(async |_: &Scope<BoxError>| {
///         let mut sum = 0;
///         for word in words {
///             sum += word.parse::<u32>()?;
///         }
///         Ok(sum)
///     })
///     .await
/// }
///
/// let ended = run(async { spawn(async { sum(&["1", "two"]).await }).await.unwrap() });
/// assert_eq!(ended.unwrap_err().to_string(), "invalid digit found in string");
/// ```
/// A function that takes a body and passes it on: see [`ScopeBody`].
#[track_caller]
pub fn scope<R, E, B, F>(body: B) -> impl Future<Output = Result<R, E>>
where
    B: AsyncFnOnce(&Scope<E>) -> Result<R, E> + ScopeBody<E, Future = F>,
    F: Future<Output = Result<R, E>>,
    E: From<Interrupt> + Send + 'static,
{
    Scope::builder().run(body)
}
