//! The body of a scope: how it is called, and how its future gets a name.
//!
//! A body takes `&'a Scope<E>` for every `'a`, so the type of its future depends on `'a`, and no parameter of
//! [`scope`](super::scope) can stand for it. Without one the future of a scope is known to the compiler by the types
//! of the body and of `E` alone, and it works the body's future out of these two when it wants to know whether a task
//! with a scope in it is `Send`. By then it has forgotten all lifetimes, also the one in `Box<dyn Error + 'static>`, and finds
//! that a body for `'static` is not one for just any lifetime ("implementation of `AsyncFnOnce` is not general enough").
//!
//! So the future is named for one lifetime, `'static`, where the scope is made and the lifetimes are known. [`lend`] is
//! what makes that sound.
//!
//! # Invariants
//! - L1: a body that is called with a `&'static Scope` could as well be called with a shorter one: it is the same code,
//!   checked for every lifetime ([`Call`]). So it keeps the reference nowhere but in its future. (That is as true as the compiler makes
//!   it: see rust-lang/rust#25860.)
//! - L2: that future does not outlive the scope that was lent ([`Lent`]), and nobody gets a *value* of its type. The type may
//!   be named, as `F`, in the bounds of whoever passes a body on.
//! - L3: only [`lend`] has a [`Lending`], so only it calls a body like this, and nobody else implements [`ScopeBody`], as nobody can
//!   name that type: it is not exported, and stands in no other signature.
//!
//! # What is taken for granted
//! The value of the future is that of a body for a shorter lifetime; only its type says `'static`. What the compiler concludes from that
//! type is whether the scope's future is `Send`. Safe code cannot make this depend on a lifetime: auto traits follow the
//! fields, and two impls that differ in a lifetime alone overlap. An `unsafe impl Send for X<'static>` that holds for no shorter lifetime
//! could, where a plain function gives such a future. Whoever writes one may not conclude from finding an `X` on another thread that what
//! it borrows lives for ever.

use std::{
    any::Any,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    ptr,
    task::{Context, Poll},
};

use super::handle::Scope;

/// What can be the body of a scope: an async closure, or a function, that takes a [`Scope`] by reference.
///
/// It gives the type of the body's future a name, so that the future of a scope is `Send` if all that is in it is,
/// whatever its error. Nobody calls or implements it.
///
/// # Examples
/// A function that takes a body and passes it on says so, too:
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{Scope, ScopeBody};
/// use std::io;
///
/// async fn in_time<R, B, F>(body: B) -> io::Result<R>
/// where
///     B: AsyncFnOnce(&Scope<io::Error>) -> io::Result<R> + ScopeBody<io::Error, Future = F>,
///     F: Future<Output = io::Result<R>>,
/// {
///     let second = std::time::Duration::from_secs(1);
///     Scope::builder().timeout(second).run(body).await
/// }
/// assert_eq!(run(in_time(async |s| s.spawn(async { Ok(5) }).await)).unwrap(), 5);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known to be the body of a scope",
    label = "not known to be an async closure that takes a `&Scope<{E}>`",
    note = "where a body is passed on, a closure around it will do: `scope(async |s: &Scope<_>| body(s).await)`"
)]
pub trait ScopeBody<E> {
    /// What the body gives when it is called.
    type Future;

    #[doc(hidden)]
    fn call(self, scope: &'static Scope<E>, by: Lending) -> Self::Future;
}

/// Can be called with a reference for `'a`.
///
/// A bound for every `'a` on this trait, that all who can be called have by the same `impl`, says that `B` is called in one way for all of
/// them. That `B` is an `AsyncFnOnce` for every lifetime does not say it of the `FnOnce` by which it is called.
trait Call<'a, E> {}

impl<'a, E: 'a, B, F> Call<'a, E> for B where B: FnOnce(&'a Scope<E>) -> F {}

impl<E, B, F> ScopeBody<E> for B
where
    E: 'static,
    B: FnOnce(&'static Scope<E>) -> F,
    B: for<'a> Call<'a, E>,
{
    type Future = F;

    fn call(self, scope: &'static Scope<E>, _: Lending) -> F {
        self(scope)
    }
}

/// Only [`lend`] has one: nobody else can call a body through [`ScopeBody`], or implement it.
#[derive(Debug)]
pub struct Lending(());

pin_project_lite::pin_project! {
    /// What has come of calling a body.
    #[project = CalledView]
    enum Called<F> {
        Future { #[pin] future: F },
        /// Goes on in the first poll, where the tasks that the body has spawned are asked to end.
        Panicked { panic: Option<Box<dyn Any + Send>> },
    }
}

pin_project_lite::pin_project! {
    /// The future of a body that was lent a scope for `'s`.
    #[must_use = "futures do nothing unless awaited"]
    pub(super) struct Lent<'s, F> {
        #[pin]
        body: Called<F>,
        scope: PhantomData<&'s ()>,
    }

    // Without a destructor the compiler would let the scope go before a body that
    // looks at it in its own: `'s` occurs in nothing else that is dropped (L2).
    impl<F> PinnedDrop for Lent<'_, F> {
        fn drop(_this: Pin<&mut Self>) {}
    }
}

impl<F: Future> Future for Lent<'_, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().body.project() {
            CalledView::Future { future } => future.poll(cx),
            CalledView::Panicked { panic } => {
                resume_unwind(panic.take().expect("who panics is polled once"))
            }
        }
    }
}

/// Calls `body` with `scope`. If that panics, so does the first poll.
///
/// That `B` takes a reference of *any* lifetime, and that neither `R` nor `E` depends on it, is what the first bound
/// is for.
pub(super) fn lend<'s, R, E, B, F>(scope: &'s Scope<E>, body: B) -> Lent<'s, F>
where
    E: 'static,
    B: AsyncFnOnce(&Scope<E>) -> Result<R, E> + ScopeBody<E, Future = F>,
    F: Future<Output = Result<R, E>>,
{
    // SAFETY: the reference is valid for `'s`, and is used for no longer. It goes to `body` alone (L3), by a call that
    // is the same for every lifetime, so it is in the future afterwards, or nowhere (L1). The future is in `Lent`, which borrows
    // `scope` (L2). See also what is taken for granted at the head of this file.
    let scope: &'static Scope<E> = unsafe { &*ptr::from_ref(scope) };
    let called = catch_unwind(AssertUnwindSafe(|| body.call(scope, Lending(()))));
    Lent {
        body: match called {
            Ok(future) => Called::Future { future },
            Err(panic) => Called::Panicked { panic: Some(panic) },
        },
        scope: PhantomData,
    }
}
