//! The end of a watched value that changes it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use arborio_base::drop_contained;
use pin_project_lite::pin_project;

use super::{
    SendError,
    ends::{Current, Ends},
    receiver::Receiver,
    snapshot::Snapshot,
};
use crate::{
    flavour::Flavour,
    guarded::Guarded,
    line::{Answer, Line, Place, Reach},
};

/// Changes a watched value. Clones change the same.
///
/// Under the name [`watch::Sender`](crate::watch::Sender) for any threads, and
/// [`local::watch::Sender`](crate::local::watch::Sender) for one.
///
/// # Examples
/// ```
/// use arborio_sync::watch;
/// let (sender, receiver) = watch::channel(1);
/// sender.send(2)?;
/// assert_eq!(*receiver.get(), 2);
/// # Ok::<(), watch::SendError<i32>>(())
/// ```
pub struct Sender<T, F: Flavour> {
    ends: F::Counted<Ends<T, F>>,
}

impl<T, F: Flavour> Sender<T, F> {
    /// A value that nobody watches yet.
    ///
    /// # Examples
    /// ```
    /// use arborio_sync::watch;
    /// let sender = watch::Sender::new(1);
    /// assert_eq!(*sender.subscribe().get(), 1);
    /// ```
    pub fn new(initial: T) -> Self {
        Self {
            ends: F::counted(Ends::new(initial)),
        }
    }

    /// Replaces the value, and tells everybody who watches.
    ///
    /// A panic in the drop of the old value is contained.
    ///
    /// # Errors
    /// [`SendError`] with the value, if nobody watches; the old one stays.
    /// [`send_replace`](Sender::send_replace) does it all the same.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::watch::channel("old");
    /// sender.send("new").unwrap();
    /// assert_eq!(*receiver.get(), "new");
    /// ```
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        let value = F::counted(value);
        match self.ends.replace(value, |current| current.receivers > 0) {
            Ok(old) => {
                drop_contained(old);
                Ok(())
            }
            Err(value) => {
                let value = F::into_inner(value).ok();
                Err(SendError(value.expect("nobody else has seen it")))
            }
        }
    }

    /// Replaces the value, whether somebody watches or not; returns the old one.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::watch::channel(1);
    /// drop(receiver);
    /// assert_eq!(*sender.send_replace(2), 1);
    /// assert_eq!(*sender.get(), 2);
    /// ```
    pub fn send_replace(&self, value: T) -> Snapshot<T, F> {
        let replaced = self.ends.replace(F::counted(value), |_| true);
        replaced.unwrap_or_else(|_| unreachable!("it was allowed"))
    }

    /// Makes a new value of the present one; `None` leaves it. Returns whether it
    /// was replaced.
    ///
    /// No lock is held while `change` runs: it may take its time, use this sender,
    /// or panic. If another sender was faster, it runs again, with the value of that
    /// one; so it may run any number of times, and should do nothing but compute.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::watch::channel(1);
    /// assert!(sender.update(|n| Some(n + 1)));
    /// assert!(!sender.update(|_| None));
    /// assert_eq!(*receiver.get(), 2);
    /// ```
    pub fn update(&self, mut change: impl FnMut(&T) -> Option<T>) -> bool {
        loop {
            let (present, version) = self.ends.look();
            let Some(value) = change(&present) else {
                drop_contained(present); // another sender may have left it to us
                return false;
            };
            let unchanged = |_: &Current<T, F>| self.ends.version() == version;
            let replaced = self.ends.replace(F::counted(value), unchanged);
            let done = replaced.is_ok();
            drop_contained(present);
            drop_contained(replaced);
            if done {
                return true;
            }
        }
    }

    /// The present value.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(*arborio_sync::watch::channel(7).0.get(), 7);
    /// ```
    #[doc(alias = "borrow")]
    pub fn get(&self) -> Snapshot<T, F> {
        self.ends.look().0
    }

    /// A new receiver, which has seen the present value.
    ///
    /// # Examples
    /// ```
    /// let (sender, _first) = arborio_sync::watch::channel(1);
    /// let second = sender.subscribe();
    /// assert!(!second.has_changed());
    /// sender.send(2).unwrap();
    /// assert!(second.has_changed());
    /// ```
    pub fn subscribe(&self) -> Receiver<T, F> {
        Receiver::from_now_on(self.ends.clone())
    }

    /// How many receivers there are.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_sync::watch::Sender::new(1).receiver_count(), 0);
    /// ```
    pub fn receiver_count(&self) -> usize {
        self.ends.receiver_count()
    }

    /// Whether nobody watches at the moment.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::watch::channel(1);
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.receiver_count() == 0
    }

    /// Waits until nobody watches. It is ready if that was so at any time since it
    /// was first polled, even if somebody watches again.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # futures_lite::future::block_on(async {
    /// let (sender, receiver) = arborio_sync::watch::channel(1);
    /// drop(receiver);
    /// sender.closed().await;
    /// # });
    /// ```
    pub fn closed(&self) -> Parting<'_, T, F> {
        Parting {
            place: Place::new(ToParting(&self.ends)),
        }
    }

    /// Whether both change the same value.
    ///
    /// # Examples
    /// ```
    /// let sender = arborio_sync::watch::Sender::new(1);
    /// assert!(sender.same_channel(&sender.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        std::ptr::eq(&raw const *self.ends, &raw const *other.ends)
    }
}

impl<T: Clone, F: Flavour> Sender<T, F> {
    /// Changes a clone of the value, and makes it the present one.
    ///
    /// As for [`update`](Sender::update), no lock is held, and `change` may run
    /// several times, each time on another clone.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::watch::channel(vec![1]);
    /// sender.send_modify(|list| list.push(2));
    /// assert_eq!(*receiver.get(), [1, 2]);
    /// ```
    pub fn send_modify(&self, mut change: impl FnMut(&mut T)) {
        self.send_if_modified(|value| {
            change(value);
            true
        });
    }

    /// Changes a clone of the value, and makes it the present one if `change` says
    /// so; returns what it said last.
    ///
    /// As for [`update`](Sender::update), no lock is held, and `change` may run
    /// several times, each time on another clone.
    ///
    /// # Examples
    /// ```
    /// let (sender, receiver) = arborio_sync::watch::channel(1);
    /// assert!(!sender.send_if_modified(|n| std::mem::replace(n, 1) != 1));
    /// assert!(!receiver.has_changed());
    /// ```
    pub fn send_if_modified(&self, mut change: impl FnMut(&mut T) -> bool) -> bool {
        self.update(|present| {
            let mut value = present.clone();
            change(&mut value).then_some(value)
        })
    }
}

impl<T, F: Flavour> Clone for Sender<T, F> {
    fn clone(&self) -> Self {
        self.ends.add_sender();
        Self {
            ends: self.ends.clone(),
        }
    }
}

impl<T, F: Flavour> Drop for Sender<T, F> {
    fn drop(&mut self) {
        self.ends.remove_sender();
    }
}

impl<T: fmt::Debug, F: Flavour> fmt::Debug for Sender<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.get()).finish()
    }
}

/// The way from a sender to the line of those who wait until nobody watches.
struct ToParting<'a, T, F: Flavour>(&'a Ends<T, F>);

// SAFETY: a shared reference always leads to the same ends, and this line of them.
unsafe impl<T, F: Flavour> Reach for ToParting<'_, T, F> {
    type Flavour = F;
    type State = Current<T, F>;

    fn guarded(&self) -> &Guarded<F, Current<T, F>> {
        self.0.guarded()
    }

    fn line(current: &mut Current<T, F>) -> &mut Line {
        &mut current.partings
    }

    fn left(&self, _answer: Option<Answer>, _want: usize) {
        // Everybody in line is told the same: nothing is to be passed on.
    }
}

pin_project! {
    /// Waits until nobody watches; made by [`Sender::closed`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Parting<'a, T, F: Flavour> {
        #[pin]
        place: Place<ToParting<'a, T, F>>,
    }
}

impl<T, F: Flavour> Future for Parting<'_, T, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut place = self.project().place;
        if let Some(answer) = place.as_mut().poll_answer(cx) {
            return answer.map(drop);
        }
        place.poll_join(cx, |_, current| match current.receivers {
            0 => Ok(()),
            _ => Err(current.parted),
        })
    }
}
