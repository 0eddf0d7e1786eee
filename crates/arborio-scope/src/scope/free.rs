//! A scope without a body: it is open until somebody finalizes it.
//!
//! A task of what is around the scope keeps it: it runs the scope with a body that ends
//! when the scope is finalized. So whoever is around waits for it, ends it, and forces
//! it, as any other task.

use std::{
    fmt,
    future::{IntoFuture, poll_fn},
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use arborio_base::drop_contained;
use arborio_task::{Branch, Interrupt, Joining, SpawnOptions, Task};

use super::{handle::Scope, note::ScopeNote, orphan, run::ScopeRun, shared::ScopeState};

/// A scope without a body, in the hands of its owner; made by [`Scope::new`], and by
/// [`ScopeBuilder::open`](super::ScopeBuilder::open).
///
/// Tasks are spawned on it as on any [`Scope`], to which this dereferences. It ends when it was
/// [finalized](Scope::finalize) and every awaited task has ended; or when it fails, is
/// cancelled, or runs out of time. Awaiting it gives how it has ended, and
/// does not finalize it. Awaited by value it is owned: dropping the await cancels the
/// scope. `(&scope).await` is for any number of awaiters, if `E: Clone`, and leaves the scope alone
/// when it is dropped.
///
/// An owner that is dropped finalizes the scope: it ends in its own time under what
/// is around it, and its error is told to the observer, as nobody waits for it.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::Scope;
/// let ended = run(async {
///     let scope = Scope::<()>::new();
///     let one = scope.spawn(async { Ok(1) });
///     scope.finalize();
///     assert_eq!(one.await, Ok(1));
///     scope.await
/// });
/// assert_eq!(ended, Ok(()));
/// ```
#[must_use = "a free scope that is dropped is finalized"]
pub struct FreeScope<E>
where
    E: From<Interrupt> + Send + 'static,
{
    scope: Scope<E>,
    /// Taken by the await that owns the scope.
    keeper: Option<Task<Result<(), Unclaimed<E>>>>,
}

impl<E> FreeScope<E>
where
    E: From<Interrupt> + Send + 'static,
{
    /// Takes care of `scope`, which is in the tree.
    #[track_caller]
    pub(crate) fn keep(scope: Scope<E>) -> Self {
        let branch = scope.0.branch().expect("it entered");
        let options = SpawnOptions::new()
            .observed(true)
            .awaited(!branch.is_silent());
        let keeper = keeper(Unkept(Some(scope.clone())));
        let keeper = match branch.try_spawn_above(keeper, options.clone()) {
            Ok(task) => Some(task),
            // The loop is ending; dropping the future takes the branch out of the tree.
            Err(future) => Branch::spawn_ended(future, options, Interrupt::Stopped),
        };
        Self { scope, keeper }
    }

    /// One that was never open: what is around it is closed.
    #[track_caller]
    pub(crate) fn closed(scope: Scope<E>) -> Self {
        let options = SpawnOptions::new();
        let never = std::future::pending::<Result<(), Unclaimed<E>>>();
        let keeper = Branch::spawn_ended(never, options, Interrupt::Closed);
        let keeper = keeper.expect("no Arborio loop runs on this thread: a free scope needs one");
        Self {
            scope,
            keeper: Some(keeper),
        }
    }

    /// Whether the scope has ended.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// let over = run(async {
    ///     let scope = arborio_scope::Scope::<()>::new();
    ///     scope.finalize();
    ///     arborio_executor::yield_now().await;
    ///     scope.is_over()
    /// });
    /// assert!(over);
    /// ```
    pub fn is_over(&self) -> bool {
        self.keeper.as_ref().is_none_or(Task::is_finished)
    }
}

/// Runs the scope until it is finalized and its tasks have ended.
async fn keeper<E>(mut unkept: Unkept<E>) -> Result<(), Unclaimed<E>>
where
    E: From<Interrupt> + Send + 'static,
{
    let scope = unkept.0.take().expect("taken once");
    let open = poll_fn(|_| {
        // `finalize` has the scope polled.
        match scope.0.progress().finalized {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    });
    let ended = ScopeRun::new(&scope, open, None).await;
    ended.map_err(|error| Unclaimed {
        error: Some(error),
        state: Arc::clone(&scope.0),
    })
}

/// The error of a free scope, for who awaits that. If nobody can any more, this is dropped with the outcome of the
/// keeper, and tells the observer.
struct Unclaimed<E> {
    /// `None` when it was taken.
    error: Option<E>,
    state: Arc<ScopeState<E>>,
}

impl<E> Unclaimed<E> {
    fn take(mut self) -> E {
        self.error.take().expect("taken once")
    }
}

impl<E: Clone> Clone for Unclaimed<E> {
    fn clone(&self) -> Self {
        Self {
            error: self.error.clone(),
            state: Arc::clone(&self.state),
        }
    }
}

impl<E> Drop for Unclaimed<E> {
    fn drop(&mut self) {
        if let Some(error) = &self.error
            && !self.state.is_claimed()
        {
            self.state
                .tell_of_error(error, |error| ScopeNote::Unclaimed(error));
        }
    }
}

/// A scope in the tree that its keeper has not begun to run: if it never does, the tasks
/// are asked to end all the same.
struct Unkept<E: Send + 'static>(Option<Scope<E>>);

impl<E: Send + 'static> Drop for Unkept<E> {
    fn drop(&mut self) {
        if let Some(scope) = self.0.take() {
            orphan::adopt(&scope.0);
        }
    }
}

impl<E> Deref for FreeScope<E>
where
    E: From<Interrupt> + Send + 'static,
{
    type Target = Scope<E>;

    fn deref(&self) -> &Scope<E> {
        &self.scope
    }
}

impl<E> Drop for FreeScope<E>
where
    E: From<Interrupt> + Send + 'static,
{
    fn drop(&mut self) {
        let Some(mut keeper) = self.keeper.take() else {
            return; // the await that owns the scope has it
        };
        if self.scope.0.is_claimed() {
            drop_contained(keeper.try_take()); // a panic went on where that was awaited
        }
        self.scope.finalize();
    }
}

impl<E> fmt::Debug for FreeScope<E>
where
    E: From<Interrupt> + Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreeScope")
            .field("scope", &self.scope)
            .field("is_over", &self.is_over())
            .finish()
    }
}

/// How the scope has ended, as its owner gets it.
fn ended<E>(outcome: Result<Result<(), Unclaimed<E>>, Interrupt>) -> Result<(), E>
where
    E: From<Interrupt>,
{
    match outcome {
        Ok(result) => result.map_err(Unclaimed::take),
        Err(Interrupt::Panicked(payload)) => payload.resume(),
        Err(interrupt) => Err(E::from(interrupt)),
    }
}

impl<E> IntoFuture for FreeScope<E>
where
    E: From<Interrupt> + Send + 'static,
{
    type Output = Result<(), E>;
    type IntoFuture = ScopeEnd<E>;

    fn into_future(mut self) -> ScopeEnd<E> {
        ScopeEnd {
            keeper: self.keeper.take().expect("only this takes it"),
            scope: self.scope.clone(),
        }
    }
}

/// Waits for the end of a free scope that it owns; made by awaiting a [`FreeScope`].
///
/// # Panics
/// Goes on with a panic of the scope.
///
/// # Cancel safety
/// Dropping it cancels the scope.
#[must_use = "dropping it cancels the scope"]
pub struct ScopeEnd<E>
where
    E: From<Interrupt> + Send + 'static,
{
    scope: Scope<E>,
    keeper: Task<Result<(), Unclaimed<E>>>,
}

impl<E> Future for ScopeEnd<E>
where
    E: From<Interrupt> + Send + 'static,
{
    type Output = Result<(), E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let outcome = ready!(Pin::new(&mut self.keeper).poll(cx));
        self.scope.0.claim();
        Poll::Ready(ended(outcome))
    }
}

impl<E> Drop for ScopeEnd<E>
where
    E: From<Interrupt> + Send + 'static,
{
    /// A scope that is over takes no notice.
    fn drop(&mut self) {
        self.scope.cancel();
    }
}

impl<E> fmt::Debug for ScopeEnd<E>
where
    E: From<Interrupt> + Send + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopeEnd").field(&self.scope).finish()
    }
}

impl<'a, E> IntoFuture for &'a FreeScope<E>
where
    E: From<Interrupt> + Clone + Send + 'static,
{
    type Output = Result<(), E>;
    type IntoFuture = ScopeEnded<'a, E>;

    fn into_future(self) -> ScopeEnded<'a, E> {
        let keeper = self.keeper.as_ref().expect("taken with the owner only");
        ScopeEnded {
            scope: &self.scope,
            keeper: keeper.into_future(),
        }
    }
}

pin_project_lite::pin_project! {
    /// Waits for the end of a free scope; made by awaiting `&scope`.
    ///
    /// # Panics
    /// Goes on with a panic of the scope.
    ///
    /// # Cancel safety
    /// Dropping it changes nothing.
    #[must_use = "futures do nothing unless awaited"]
    pub struct ScopeEnded<'a, E> {
        scope: &'a Scope<E>,
        #[pin]
        keeper: Joining<'a, Result<(), Unclaimed<E>>>,
    }
}

impl<E> Future for ScopeEnded<'_, E>
where
    E: From<Interrupt> + Clone,
{
    type Output = Result<(), E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let this = self.project();
        let outcome = ready!(this.keeper.poll(cx));
        this.scope.0.claim();
        Poll::Ready(ended(outcome))
    }
}

impl<E> fmt::Debug for ScopeEnded<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ScopeEnded").field(&self.keeper).finish()
    }
}
