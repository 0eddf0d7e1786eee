//! Taking permits on behalf of a guard that owns what they lie in.
//!
//! The future owns it while it waits, and hands it on to the guard.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use crate::{
    closed::Closed,
    flavour::Flavour,
    permits::{LeadsToPermits, Permits, Take},
    words::Words,
};

/// What permits lie in.
pub(crate) trait HasPermits {
    /// Its flavour.
    type Flavour: Flavour;
    /// The permits. Always the same.
    fn permits(&self) -> &Permits<Self::Flavour>;
}

/// A counted owner of `X`.
pub(crate) type Owner<X> = <<X as HasPermits>::Flavour as Words>::Owner<X>;

/// The way to permits through an owner. Empty once the owner was handed on.
pub(crate) struct Through<X: HasPermits + ?Sized>(Option<Owner<X>>);

// SAFETY: the owner never leads to another thing (`Words::Owner`), and what has
// counted owners does not move. It is taken out of a place in no line only
// (`Take::way_mut`).
unsafe impl<X: HasPermits + ?Sized> LeadsToPermits for Through<X> {
    type Flavour = X::Flavour;

    #[inline(always)]
    fn permits(&self) -> &Permits<X::Flavour> {
        let owner = self.0.as_ref();
        owner.expect("polled after it was ready").permits()
    }
}

/// Takes permits, in turn, and hands on the owner of what they lie in.
pub(crate) type TakeOwned<X> = Take<Through<X>>;

impl<X: HasPermits + ?Sized> TakeOwned<X> {
    /// Takes `count` permits of what `owner` owns, once it is polled.
    #[inline(always)]
    pub(crate) fn of_owner(owner: Owner<X>, count: usize) -> Self {
        Self::new(Through(Some(owner)), count)
    }

    /// Whoever gets `Ok` owns the permits.
    #[inline(always)]
    pub(crate) fn poll_owned(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Owner<X>, Closed>> {
        ready!(self.as_mut().poll(cx))?;
        let owner = self.way_mut().0.take();
        Poll::Ready(Ok(owner.expect("it led to the permits just now")))
    }
}
