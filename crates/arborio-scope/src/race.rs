//! Futures of which the first one wins, and the others are asked to end.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use crate::{
    origin::{Ended, Origin},
    wake_set::WakeSet,
};

/// Polls `futures` together, in this task, until the first one gives an output; asks the
/// others to end, waits for that, and gives the output. A tuple of up to eight, an array,
/// or a `Vec`; all have the same output.
///
/// Losers are asked as by [`move_on_after`](crate::move_on_after): their handlers may
/// clean up, and have one second; what has no handler is dropped at once. They cannot
/// refuse. If several are ready in the same poll, the one that is written first wins, or,
/// in an array or a `Vec`, the one that was woken first. Nothing is spawned, so the futures
/// may borrow. A panic of one drops the others without asking them, and goes on here.
///
/// # Panics
/// If there are no futures.
///
/// # Cancel safety
/// If the future is dropped, so are the others, without being asked.
///
/// # Examples
/// ```
/// use arborio_scope::{finally, race};
/// use std::future::{pending, ready};
/// futures_lite::future::block_on(async {
///     let mut cleaned_up = false;
///     let loser = finally(pending(), async || cleaned_up = true);
///     assert_eq!(race((loser, ready("winner"))).await, "winner");
///     assert!(cleaned_up);
/// });
/// ```
#[track_caller]
pub fn race<R: Race>(futures: R) -> R::Future {
    futures.into_race()
}

/// Futures that can [race](race()).
///
/// # Examples
/// ```
/// use arborio_scope::{Race, race};
/// async fn first(words: impl Race<Output = &'static str>) -> usize {
///     race(words).await.len()
/// }
/// let two = (async { "one" }, async { "three" });
/// assert_eq!(futures_lite::future::block_on(first(two)), 3);
/// ```
pub trait Race {
    /// That of the winner.
    type Output;
    /// Is ready when one has won, and the others have ended.
    type Future: Future<Output = Self::Output>;

    /// See [`race`](race()).
    fn into_race(self) -> Self::Future;
}

pin_project_lite::pin_project! {
    /// One that takes part in a race.
    struct Racer<F> {
        #[pin]
        origin: Origin<F>,
        has_ended: bool,
    }
}

impl<F: Future> Racer<F> {
    fn new(future: F) -> Self {
        let mut origin = Origin::new(future);
        origin.set_firm(); // a loser cannot go on
        Self {
            origin,
            has_ended: false,
        }
    }

    /// Its output, if it ends with one. Not polled again when it has ended.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, has_lost: bool) -> Option<F::Output> {
        let this = self.project();
        if *this.has_ended {
            return None;
        }
        let Poll::Ready(ended) = this.origin.poll(cx, |_, _| has_lost) else {
            return None;
        };
        *this.has_ended = true;
        match ended {
            Ended::Value(output) => Some(output),
            Ended::Dropped => None,
        }
    }
}

macro_rules! race_tuple {
    ($name:ident $first:ident $($future:ident $part:ident $number:tt)+) => {
        pin_project_lite::pin_project! {
            /// The future of [`race`](race()) for a tuple.
            #[must_use = "futures do nothing unless awaited"]
            pub struct $name<$($future,)+ T> {
                $(#[pin] $part: Racer<$future>,)+
                winner: Option<T>,
            }
        }

        impl<$($future: Future<Output = T>,)+ T> Race for ($($future,)+) {
            type Output = T;
            type Future = $name<$($future,)+ T>;

            fn into_race(self) -> Self::Future {
                $name { $($part: Racer::new(self.$number),)+ winner: None }
            }
        }

        impl<$($future: Future<Output = T>,)+ T> $name<$($future,)+ T> {
            /// How long the losers may take, instead of one second. `Duration::MAX` is
            /// for ever.
            pub fn grace(mut self, grace: Duration) -> Self {
                $(self.$part.origin.set_grace(grace);)+
                self
            }
        }

        impl<$($future: Future<Output = T>,)+ T> Future for $name<$($future,)+ T> {
            type Output = T;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
                let mut this = self.project();
                $(if this.winner.is_none() {
                    *this.winner = this.$part.as_mut().poll(cx, false);
                })+
                if this.winner.is_none() {
                    return Poll::Pending;
                }
                $(drop(this.$part.as_mut().poll(cx, true));)+
                if $(this.$part.has_ended)&&+ {
                    return Poll::Ready(this.winner.take().expect("somebody has won"));
                }
                Poll::Pending
            }
        }
    };
}

race_tuple!(Race1 A A a 0);
race_tuple!(Race2 A A a 0 B b 1);
race_tuple!(Race3 A A a 0 B b 1 C c 2);
race_tuple!(Race4 A A a 0 B b 1 C c 2 D d 3);
race_tuple!(Race5 A A a 0 B b 1 C c 2 D d 3 E e 4);
race_tuple!(Race6 A A a 0 B b 1 C c 2 D d 3 E e 4 F f 5);
race_tuple!(Race7 A A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6);
race_tuple!(Race8 A A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6 H h 7);

/// The future of [`race`](race()) for a `Vec` or an array.
#[must_use = "futures do nothing unless awaited"]
pub struct RaceVec<F: Future> {
    racers: Vec<Pin<Box<Racer<F>>>>,
    running: usize,
    woken: WakeSet,
    winner: Option<F::Output>,
}

impl<F: Future> RaceVec<F> {
    #[track_caller]
    fn new(futures: impl IntoIterator<Item = F>) -> Self {
        let mut woken = WakeSet::new();
        let racer = |future| {
            woken.add();
            Box::pin(Racer::new(future))
        };
        let racers: Vec<_> = futures.into_iter().map(racer).collect();
        assert!(!racers.is_empty(), "a race needs at least one future");
        Self {
            running: racers.len(),
            racers,
            woken,
            winner: None,
        }
    }

    /// How long the losers may take, instead of one second. `Duration::MAX` is for ever.
    pub fn grace(mut self, grace: Duration) -> Self {
        for racer in &mut self.racers {
            let origin = racer.as_mut().project().origin;
            origin.change_grace(grace);
        }
        self
    }

    /// Polls those that were woken, until one wins.
    fn poll_winner(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        let racers = &mut self.racers;
        self.woken.poll_woken(cx, |number, cx| {
            match racers[number].as_mut().poll(cx, false) {
                Some(output) => Poll::Ready(output),
                None => Poll::Pending,
            }
        })
    }

    /// Asks the losers, and polls those that were woken.
    fn poll_losers(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (racers, running) = (&mut self.racers, &mut self.running);
        self.woken.poll_woken(cx, |number, cx| {
            let racer = &mut racers[number];
            if racer.has_ended {
                return Poll::Pending;
            }
            drop(racer.as_mut().poll(cx, true));
            *running -= usize::from(racer.has_ended);
            match *running {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
    }
}

impl<F: Future> Unpin for RaceVec<F> {}

impl<F: Future> Future for RaceVec<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.winner.is_none() {
            let Poll::Ready(output) = self.poll_winner(cx) else {
                return Poll::Pending;
            };
            self.winner = Some(output);
            self.running -= 1;
            for number in 0..self.racers.len() {
                self.woken.mark(number);
            }
        }
        if self.running > 0 && self.poll_losers(cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(self.winner.take().expect("somebody has won"))
    }
}

impl<F: Future> Race for Vec<F> {
    type Output = F::Output;
    type Future = RaceVec<F>;

    #[track_caller]
    fn into_race(self) -> RaceVec<F> {
        RaceVec::new(self)
    }
}

impl<F: Future, const N: usize> Race for [F; N] {
    type Output = F::Output;
    type Future = RaceVec<F>;

    #[track_caller]
    fn into_race(self) -> RaceVec<F> {
        RaceVec::new(self)
    }
}
