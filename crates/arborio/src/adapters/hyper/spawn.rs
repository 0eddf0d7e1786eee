//! Executors: what hyper spawns becomes a task of a scope.

use std::fmt;

use ::hyper::rt::Executor;

use crate::{Interrupt, LocalScope, Scope};

/// Spawns what hyper asks for on a scope: nothing of a connection outlives it.
///
/// HTTP/2 wants one: each request of a connection is a task of its own. What is to be spawned when the
/// scope is closed is dropped. A panic in a task is one of the scope's.
///
/// # Examples
/// ```
/// use arborio::{Scope, hyper::SpawnOn, scope};
/// use hyper::rt::Executor;
/// use std::sync::mpsc::channel;
/// let (tell, told) = channel();
/// arborio::run(scope(async |s: &Scope<()>| {
///     SpawnOn::new(s).execute(async move { tell.send("done").unwrap() });
///     Ok(())
/// })).unwrap();
/// assert_eq!(told.try_recv(), Ok("done"), "the scope waits for it");
/// ```
pub struct SpawnOn<E> {
    scope: Scope<E>,
}

impl<E> SpawnOn<E> {
    /// Spawns on `scope`.
    ///
    /// # Examples
    /// See [`SpawnOn`].
    pub fn new(scope: &Scope<E>) -> Self {
        Self {
            scope: scope.clone(),
        }
    }
}

impl<E> Clone for SpawnOn<E> {
    fn clone(&self) -> Self {
        Self::new(&self.scope)
    }
}

impl<E> fmt::Debug for SpawnOn<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnOn").finish_non_exhaustive()
    }
}

impl<F, E> Executor<F> for SpawnOn<E>
where
    F: Future<Output: Send> + Send + 'static,
    E: From<Interrupt> + Send + 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        drop(self.scope.spawn(async move { drop(future.await) }));
    }
}

/// As [`SpawnOn`], for what need not be `Send`: services with an `Rc` in them.
///
/// # Examples
/// ```
/// use arborio::{LocalScope, hyper::SpawnLocalOn, local_scope};
/// use hyper::rt::Executor;
/// use std::{cell::Cell, rc::Rc};
/// let done = Rc::new(Cell::new(false));
/// arborio::run(local_scope(async |s: &LocalScope<()>| {
///     let done = Rc::clone(&done);
///     SpawnLocalOn::new(s).execute(async move { done.set(true) });
///     Ok(())
/// })).unwrap();
/// assert!(done.get(), "the scope waits for it");
/// ```
pub struct SpawnLocalOn<E> {
    scope: LocalScope<E>,
}

impl<E> SpawnLocalOn<E> {
    /// Spawns on `scope`.
    ///
    /// # Examples
    /// See [`SpawnLocalOn`].
    pub fn new(scope: &LocalScope<E>) -> Self {
        Self {
            scope: scope.clone(),
        }
    }
}

impl<E> Clone for SpawnLocalOn<E> {
    fn clone(&self) -> Self {
        Self::new(&self.scope)
    }
}

impl<E> fmt::Debug for SpawnLocalOn<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnLocalOn").finish_non_exhaustive()
    }
}

impl<F, E> Executor<F> for SpawnLocalOn<E>
where
    F: Future + 'static,
    E: From<Interrupt> + Send + 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        drop(self.scope.spawn(async move { drop(future.await) }));
    }
}
