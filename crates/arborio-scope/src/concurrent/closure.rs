//! The form with a closure: a branch may borrow what spawns it.

use std::{marker::PhantomData, ops::Deref};

use super::{run::Run, spawner::Spawner};
use crate::Local;

/// What the closure of [`concurrent_local`] gets: spawns branches, and may be captured
/// by them.
///
/// # Examples
/// ```
/// use arborio_scope::concurrent_local;
/// let seven = concurrent_local(async |c| {
///     let inner = c.spawn(async { c.spawn(async { 7 }) });
///     inner.await.unwrap().await.unwrap()
/// });
/// assert_eq!(futures_lite::future::block_on(seven), 7);
/// ```
#[derive(Debug)]
pub struct Inside<'c, 'env: 'c> {
    spawner: Spawner<'c, Local>,
    /// What is outside lives longer than the branches, and may be borrowed.
    outside: PhantomData<&'env mut &'env ()>,
}

impl<'c> Deref for Inside<'c, '_> {
    type Target = Spawner<'c, Local>;

    fn deref(&self) -> &Self::Target {
        &self.spawner
    }
}

/// Runs a body and the branches that it spawns, until all have ended, and gives the
/// body's value.
///
/// As [`Concurrent`](super::Concurrent), but branches may capture `c` and spawn, too.
/// The future is not `Send`: no closure of this form can promise that today.
///
/// # Panics
/// A panic of the body or of a branch goes on here, when everything else was dropped.
///
/// # Cancel safety
/// As [`Concurrent::run`](super::Concurrent::run).
///
/// # Examples
/// ```
/// use arborio_scope::concurrent_local;
/// use std::cell::Cell;
///
/// let count = Cell::new(0);
/// let body = concurrent_local(async |c| {
///     for _ in 0..3 {
///         c.spawn(async { count.set(count.get() + 1) });
///     }
///     "body"
/// });
/// assert_eq!(futures_lite::future::block_on(body), "body");
/// assert_eq!(count.get(), 3);
/// ```
pub async fn concurrent_local<'env, F, R>(body: F) -> R
where
    F: for<'c> AsyncFnOnce(&'c Inside<'c, 'env>) -> R,
{
    let inside = Inside {
        spawner: Spawner::new(),
        outside: PhantomData,
    };
    Run::new(&inside.spawner, body(&inside)).await
}
