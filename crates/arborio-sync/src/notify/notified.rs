//! The futures that wait to be notified: one that borrows the notification, and one that owns it.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{
    Notify,
    waiting::{Owner, Waiting},
};
use crate::flavour::Flavour;

pin_project_lite::pin_project! {
    /// Waits to be notified; made by [`Notify::notified`].
    ///
    /// Once it was ready it may be polled again, and is ready.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Notified<'a, F: Flavour> {
        #[pin]
        pub(super) waiting: Waiting<&'a Notify<F>>,
    }
}

impl<F: Flavour> Notified<'_, F> {
    /// Takes part in [`Notify::notify_one`] from now on, without being polled.
    ///
    /// Returns whether it has been notified; that counts as having seen it, and
    /// the next poll is ready.
    ///
    /// # Examples
    /// ```
    /// use std::pin::pin;
    /// # futures_lite::future::block_on(async {
    /// let notify = arborio_sync::Notify::new();
    /// let (mut first, mut second) = (pin!(notify.notified()), pin!(notify.notified()));
    /// assert!(!first.as_mut().enable(), "it stands in line now");
    /// assert!(!second.as_mut().enable(), "and this one behind it");
    /// notify.notify_one();
    /// notify.notify_one();
    /// first.await;
    /// second.await;
    /// # });
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        self.project().waiting.enable()
    }
}

impl<F: Flavour> Future for Notified<'_, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().waiting.poll(cx)
    }
}

pin_project_lite::pin_project! {
    /// Waits to be notified, and owns the notification; made by `notified_owned`.
    #[must_use = "futures do nothing unless awaited"]
    pub struct OwnedNotified<F: Flavour> {
        #[pin]
        pub(super) waiting: Waiting<Owner<F>>,
    }
}

impl<F: Flavour> OwnedNotified<F> {
    /// As [`Notified::enable`].
    ///
    /// # Examples
    /// ```
    /// let notify = std::sync::Arc::new(arborio_sync::Notify::new());
    /// let mut notified = Box::pin(notify.notified_owned());
    /// assert!(!notified.as_mut().enable());
    /// ```
    pub fn enable(self: Pin<&mut Self>) -> bool {
        self.project().waiting.enable()
    }
}

impl<F: Flavour> Future for OwnedNotified<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().waiting.poll(cx)
    }
}
