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
//!   checked for every lifetime. So it keeps the reference nowhere but in its future.
//! - L2: that future does not outlive the scope that was lent ([`Lent`]), and nobody sees its type.

use std::{
    marker::PhantomData,
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

impl<E, B, F> ScopeBody<E> for B
where
    E: 'static,
    B: FnOnce(&'static Scope<E>) -> F,
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
    /// The future of a body that was lent a scope for `'s`.
    #[must_use = "futures do nothing unless awaited"]
    pub(super) struct Lent<'s, F> {
        #[pin]
        body: F,
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
        self.project().body.poll(cx)
    }
}

/// Calls `body` with `scope`.
///
/// That `B` takes a reference of *any* lifetime, and that neither `R` nor `E` depends on it, is what the first bound
/// is for.
pub(super) fn lend<'s, R, E, B, F>(scope: &'s Scope<E>, body: B) -> Lent<'s, F>
where
    E: 'static,
    B: AsyncFnOnce(&Scope<E>) -> Result<R, E> + ScopeBody<E, Future = F>,
    F: Future<Output = Result<R, E>>,
{
    // SAFETY: the reference is valid for `'s`, and is used for no longer. It goes to `body` alone. A type has one
    // signature by which it can be called, `ScopeBody` is implemented for what can be called and for nothing else, and that of `B`
    // takes every lifetime, so L1 holds: the reference is in the future, or nowhere. The value of
    // the future has a type that does not know the lifetime. The future is in `Lent`, which borrows `scope` (L2).
    let scope: &'static Scope<E> = unsafe { &*ptr::from_ref(scope) };
    Lent {
        body: body.call(scope, Lending(())),
        scope: PhantomData,
    }
}
