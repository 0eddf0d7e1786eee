//! Waiting for a slot: the futures of the senders.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use arborio_base::budget;
use pin_project_lite::pin_project;

use super::{
    Channel, Kind, LeadsToChannel, OwnedPermit, Permit, SendError, Sender, Shared, Slot, State,
    wake,
};
use crate::{
    flavour::Flavour,
    guarded::Guarded,
    line::{Answer, Line, Place, Reach},
};

/// The way from a future to the line of those who wait for a slot.
pub(crate) struct ToSlot<W>(W);

// SAFETY: always the same channel, says `LeadsToChannel`, and this line of it.
unsafe impl<W: LeadsToChannel> Reach for ToSlot<W> {
    type Flavour = W::Flavour;
    type State = State<W::Message, W::Kind>;

    fn guarded(&self) -> &Guarded<W::Flavour, Self::State> {
        self.0.channel().guarded()
    }

    fn line(state: &mut Self::State) -> &mut Line {
        &mut state.sending
    }

    fn left(&self, answer: Option<Answer>, _want: usize) {
        match answer {
            Some(Answer::Granted) => self.0.channel().give_back(),
            // Everybody wants one slot: who stood behind wants no less.
            Some(Answer::Closed | Answer::Retry) | None => {}
        }
    }
}

/// The place of a future that borrows its channel.
type Borrowed<'a, T, F, K> = Place<ToSlot<&'a Channel<T, F, K>>>;

/// How far a future has come that waits for a slot.
enum Progress {
    /// It has stood in line, and a slot is reserved for it.
    Granted,
    /// The channel is closed.
    Closed,
    /// It is in no line yet.
    NotInLine,
}

/// Looks for an answer, without any lock.
#[inline(always)]
fn poll_progress<W: LeadsToChannel>(
    place: Pin<&mut Place<ToSlot<W>>>,
    cx: &mut Context<'_>,
) -> Poll<Progress> {
    match place.poll_answer(cx) {
        None => Poll::Ready(Progress::NotInLine),
        Some(Poll::Pending) => Poll::Pending,
        Some(Poll::Ready(Answer::Granted)) => Poll::Ready(Progress::Granted),
        Some(Poll::Ready(Answer::Closed | Answer::Retry)) => Poll::Ready(Progress::Closed),
    }
}

/// Charges the budget for one operation, which is given back if `poll` has to wait.
#[inline(always)]
pub(crate) fn poll_charged<V>(
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<V>,
) -> Poll<V> {
    ready!(budget::poll_charge(cx));
    refund_unless_ready(poll(cx))
}

/// Gives back what was charged for an operation that has to wait.
#[inline(always)]
pub(crate) fn refund_unless_ready<V>(polled: Poll<V>) -> Poll<V> {
    if polled.is_pending() {
        budget::refund();
    }
    polled
}

pin_project! {
    /// Sends a message; made by [`Sender::send`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Send<'a, T, F: Flavour, K: Kind> {
        // Taken by the poll that ends.
        message: Option<T>,
        #[pin]
        place: Borrowed<'a, T, F, K>,
    }
}

impl<'a, T, F: Flavour, K: Kind> Send<'a, T, F, K> {
    #[inline(always)]
    pub(super) fn new(channel: &'a Channel<T, F, K>, message: T) -> Self {
        Self {
            message: Some(message),
            place: Place::new(ToSlot(channel)),
        }
    }

    #[inline(always)]
    fn poll_send(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let mut send = self.project();
        let channel = send.place.reach().0;
        match ready!(poll_progress(send.place.as_mut(), cx)) {
            Progress::NotInLine => {}
            Progress::Granted => {
                return Poll::Ready(channel.fill(taken(send.message)).map_err(SendError));
            }
            Progress::Closed => return Poll::Ready(Err(SendError(taken(send.message)))),
        }
        let state = channel.lock();
        match state.slot(channel.capacity) {
            Slot::Free => {
                channel.push(state, taken(send.message));
                Poll::Ready(Ok(()))
            }
            Slot::None => {
                drop(state);
                wait_to_send(send.place, cx, send.message)
            }
            Slot::Closed => {
                drop(state);
                Poll::Ready(Err(SendError(taken(send.message))))
            }
        }
    }
}

/// The message of a future that is about to end.
#[inline(always)]
fn taken<T>(message: &mut Option<T>) -> T {
    message.take().expect("polled after it was ready")
}

/// Joins the line, unless a slot became free in between.
#[inline(never)]
fn wait_to_send<T, F: Flavour, K: Kind>(
    place: Pin<&mut Borrowed<'_, T, F, K>>,
    cx: &mut Context<'_>,
    message: &mut Option<T>,
) -> Poll<Result<(), SendError<T>>> {
    // Else it would be granted a slot that nobody fills.
    assert!(message.is_some(), "polled after it was ready");
    let joined = place.poll_join(cx, |way, state| match state.slot(way.0.capacity) {
        Slot::Free => Ok(Some(state.push(taken(message)))),
        Slot::None => Err(1),
        Slot::Closed => Ok(None),
    });
    Poll::Ready(match ready!(joined) {
        Some(receiver) => {
            wake(receiver);
            Ok(())
        }
        None => Err(SendError(taken(message))),
    })
}

impl<T, F: Flavour, K: Kind> Future for Send<'_, T, F, K> {
    type Output = Result<(), SendError<T>>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(budget::poll_charge(cx));
        refund_unless_ready(self.poll_send(cx))
    }
}

/// Waits until a slot is reserved for the caller.
fn poll_reserve<W: LeadsToChannel>(
    mut place: Pin<&mut Place<ToSlot<W>>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), SendError<()>>> {
    let slot = match ready!(poll_progress(place.as_mut(), cx)) {
        Progress::Granted => Slot::Free,
        Progress::Closed => Slot::Closed,
        Progress::NotInLine => match place.reach().0.channel().try_reserve() {
            Slot::None => ready!(wait_to_reserve(place, cx)),
            slot => slot,
        },
    };
    Poll::Ready(match slot {
        Slot::Free => Ok(()),
        _ => Err(SendError(())),
    })
}

/// Joins the line, unless a slot became free in between.
#[inline(never)]
fn wait_to_reserve<W: LeadsToChannel>(
    place: Pin<&mut Place<ToSlot<W>>>,
    cx: &mut Context<'_>,
) -> Poll<Slot> {
    place.poll_join(cx, |way, state| {
        match state.slot(way.0.channel().capacity) {
            Slot::None => Err(1),
            Slot::Closed => Ok(Slot::Closed),
            Slot::Free => {
                state.reserved += 1;
                Ok(Slot::Free)
            }
        }
    })
}

pin_project! {
    /// Reserves a slot; made by [`Sender::reserve`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Reserve<'a, T, F: Flavour, K: Kind> {
        #[pin]
        place: Borrowed<'a, T, F, K>,
    }
}

impl<'a, T, F: Flavour, K: Kind> Reserve<'a, T, F, K> {
    pub(super) fn new(channel: &'a Channel<T, F, K>) -> Self {
        Self {
            place: Place::new(ToSlot(channel)),
        }
    }
}

impl<'a, T, F: Flavour, K: Kind> Future for Reserve<'a, T, F, K> {
    type Output = Result<Permit<'a, T, F, K>, SendError<()>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut place = self.project().place;
        ready!(budget::poll_charge(cx));
        let reserved = ready!(refund_unless_ready(poll_reserve(place.as_mut(), cx)));
        Poll::Ready(reserved.map(|()| Permit::of_reserved(place.reach().0)))
    }
}

pin_project! {
    /// Reserves a slot and takes the sender along; made by
    /// [`Sender::reserve_owned`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct ReserveOwned<T, F: Flavour, K: Kind> {
        // Before the sender: a place leaves the line while there is a sender.
        #[pin]
        place: Place<ToSlot<Shared<T, F, K>>>,
        // Taken by the poll that ends.
        sender: Option<Sender<T, F, K>>,
    }
}

impl<T, F: Flavour, K: Kind> ReserveOwned<T, F, K> {
    pub(super) fn new(sender: Sender<T, F, K>) -> Self {
        Self {
            place: Place::new(ToSlot(sender.shared().clone())),
            sender: Some(sender),
        }
    }
}

impl<T, F: Flavour, K: Kind> Future for ReserveOwned<T, F, K> {
    type Output = Result<OwnedPermit<T, F, K>, SendError<()>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reserve = self.project();
        // Else it would reserve a slot that nobody gives back.
        assert!(reserve.sender.is_some(), "polled after it was ready");
        ready!(budget::poll_charge(cx));
        let reserved = ready!(refund_unless_ready(poll_reserve(reserve.place, cx)));
        let sender = taken(reserve.sender);
        Poll::Ready(reserved.map(|()| OwnedPermit::of_reserved(sender)))
    }
}
