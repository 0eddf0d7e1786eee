//! The future of a task that borrows: it knows when nothing of what it was lent is left.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arborio_base::drop_contained;
use pin_project_lite::pin_project;

use super::{borrower::Parcel, ledger::Account};
use crate::interrupt::Payload;

pin_project! {
    /// Polls `future`, and puts its output in the parcel. Never panics, neither when it is polled nor
    /// when it is dropped: the panic of the future goes into the parcel.
    pub(super) struct Lent<F: Future> {
        #[pin]
        future: Option<F>,
        parcel: Option<Arc<Parcel<F::Output>>>,
        account: Option<Account>,
    }

    impl<F: Future> PinnedDrop for Lent<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let Some(account) = this.account.take() else { return };
            let dropped = catch_unwind(AssertUnwindSafe(|| this.future.set(None)));
            if let Some(parcel) = this.parcel.take() {
                if let Err(raised) = dropped {
                    put_panic(&parcel, &account, raised);
                }
                drop_contained(parcel); // with the output, if the handle is gone
            }
            drop(account); // W1: the last act
        }
    }
}

impl<F: Future> Lent<F> {
    pub(super) fn new(future: F, parcel: Arc<Parcel<F::Output>>, account: Account) -> Self {
        Self {
            future: Some(future),
            parcel: Some(parcel),
            account: Some(account),
        }
    }
}

impl<F: Future> Future for Lent<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let (Some(account), Some(parcel), Some(future)) = (
            this.account.as_ref(),
            this.parcel.as_ref(),
            this.future.as_pin_mut(),
        ) else {
            return Poll::Ready(()); // it is being dropped, and polled by nobody
        };
        let inside = account.enter();
        let polled = catch_unwind(AssertUnwindSafe(|| future.poll(cx)));
        drop(inside);
        match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => drop_contained(parcel.put(Ok(output))),
            Err(raised) => put_panic(parcel, account, raised),
        }
        Poll::Ready(())
    }
}

/// The future has panicked: that is the outcome, unless it had panicked before.
#[cold]
fn put_panic<T>(parcel: &Parcel<T>, account: &Account, raised: Box<dyn Any + Send>) {
    let panic = Payload::new(raised);
    if parcel.has_panic() {
        return; // a destructor, after its future had panicked
    }
    drop_contained(parcel.put(Err(panic.clone())));
    account.ledger().note_panic(account.number(), panic);
}
