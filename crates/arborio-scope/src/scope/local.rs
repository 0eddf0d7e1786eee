//! Scopes whose tasks stay on one thread, and need not be `Send`.

use std::{
    fmt,
    marker::PhantomData,
    ops::{self, Deref},
};

use arborio_task::{Interrupt, embedded::Local};

use super::{
    builder::ChildBuilder,
    child::{ChildOf, ChildOutput},
    handle::{Scope, ScopeClosed},
    start::{Ready, Starting},
};

/// A scope of this thread's loop, as its body and its tasks see it: spawns tasks
/// that need not be `Send`. In all else it is the [`Scope`] to which it dereferences.
///
/// Made by [`local_scope`], [`ScopeBuilder::run_local`](super::ScopeBuilder::run_local), and
/// [`Scope::local`].
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{LocalScope, local_scope};
/// use std::{cell::Cell, rc::Rc};
/// let total = run(local_scope(async |s: &LocalScope<()>| {
///     let total = Rc::new(Cell::new(0));
///     for n in 1..=3 {
///         let total = Rc::clone(&total);
///         s.spawn(async move { total.set(total.get() + n) }).await?;
///     }
///     Ok(total.get())
/// }));
/// assert_eq!(total, Ok(6));
/// ```
pub struct LocalScope<E> {
    scope: Scope<E>,
    /// Its tasks are of this thread.
    not_send: PhantomData<*const ()>,
}

/// Runs `body` with a scope whose tasks need not be `Send`; in all else as
/// [`scope`](super::scope).
///
/// # Errors
/// As [`scope`](super::scope).
///
/// # Panics
/// As [`scope`](super::scope).
///
/// # Cancel safety
/// As [`scope`](super::scope).
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{LocalScope, local_scope};
/// use std::rc::Rc;
/// let word = run(local_scope(async |s: &LocalScope<()>| {
///     let shared = Rc::new("not sent");
///     s.spawn(async move { Ok(*shared) }).await
/// }));
/// assert_eq!(word, Ok("not sent"));
/// ```
#[track_caller]
pub fn local_scope<R, E, B>(body: B) -> impl Future<Output = Result<R, E>>
where
    B: AsyncFnOnce(&LocalScope<E>) -> Result<R, E>,
    E: From<Interrupt> + Send + 'static,
{
    Scope::builder().run_local(body)
}

impl<E> LocalScope<E>
where
    E: From<Interrupt> + Send + 'static,
{
    pub(crate) fn new(scope: Scope<E>) -> Self {
        Self {
            scope,
            not_send: PhantomData,
        }
    }

    /// As [`Scope::spawn`], but the future need not be `Send`.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    ///
    /// # Examples
    /// See [`LocalScope`].
    #[track_caller]
    #[inline]
    pub fn spawn<F>(&self, future: F) -> ChildOf<F, E>
    where
        F: Future + 'static,
        F::Output: ChildOutput<E>,
    {
        self.task().spawn(future)
    }

    /// As [`Scope::try_spawn`], but the future need not be `Send`.
    ///
    /// # Errors
    /// [`ScopeClosed`] with the future.
    #[track_caller]
    pub fn try_spawn<F>(&self, future: F) -> Result<ChildOf<F, E>, ScopeClosed<F>>
    where
        F: Future + 'static,
        F::Output: ChildOutput<E>,
    {
        self.task().try_spawn(future)
    }

    /// As [`Scope::task`], for a future that need not be `Send`.
    #[track_caller]
    pub fn task(&self) -> ChildBuilder<'_, E, Local> {
        ChildBuilder::new(&self.scope)
    }

    /// As [`Scope::start`], but the future need not be `Send`.
    ///
    /// # Errors
    /// As [`Scope::start`].
    ///
    /// # Panics
    /// As [`Scope::start`].
    ///
    /// # Cancel safety
    /// As [`Scope::start`].
    #[track_caller]
    pub fn start<V, B, F>(&self, body: B) -> impl Future<Output = Result<V, E>> + use<V, B, F, E>
    where
        V: 'static,
        B: FnOnce(Ready<V>) -> F,
        F: Future<Output = Result<(), E>> + 'static,
    {
        let child = self.task().observed(true);
        Starting::new(move |ready| child.spawn(body(ready)))
    }
}

impl<E> Deref for LocalScope<E> {
    type Target = Scope<E>;

    fn deref(&self) -> &Scope<E> {
        &self.scope
    }
}

impl<E> Clone for LocalScope<E> {
    fn clone(&self) -> Self {
        Self {
            scope: self.scope.clone(),
            not_send: PhantomData,
        }
    }
}

impl<E> fmt::Debug for LocalScope<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalScope").field(&self.scope).finish()
    }
}

/// `&scope << future` is [`scope.spawn(future)`](LocalScope::spawn).
impl<E, F> ops::Shl<F> for &LocalScope<E>
where
    E: From<Interrupt> + Send + 'static,
    F: Future + 'static,
    F::Output: ChildOutput<E>,
{
    type Output = ChildOf<F, E>;

    #[track_caller]
    fn shl(self, future: F) -> ChildOf<F, E> {
        self.spawn(future)
    }
}
