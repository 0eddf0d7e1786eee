//! Futures that are polled together, in one task, until all are ready.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use crate::wake_set::WakeSet;

/// Polls `futures` together, in this task, and gives their outputs in their order: a
/// tuple of up to eight, an array, or a `Vec`.
///
/// Nothing is spawned, so the futures may borrow. In an array or a `Vec` only those are
/// polled again that were woken. A panic of one drops the others, and goes on here.
///
/// # Cancel safety
/// If the future is dropped, so are the others, with the outputs that were there.
///
/// # Examples
/// ```
/// use arborio_scope::join;
/// futures_lite::future::block_on(async {
///     let word = String::from("two");
///     assert_eq!(join((async { 1 }, async { word.len() })).await, (1, 3));
///     assert_eq!(join([1, 2].map(async |n| n * n)).await, [1, 4]);
///     assert_eq!(join(Vec::<std::future::Ready<u8>>::new()).await, []);
/// });
/// ```
pub fn join<J: Join>(futures: J) -> J::Future {
    futures.into_joined()
}

/// Futures that can be [joined](join()).
///
/// # Examples
/// ```
/// use arborio_scope::{Join, join};
/// async fn both(pair: impl Join<Output = (u8, u8)>) -> u8 {
///     let (one, two) = join(pair).await;
///     one + two
/// }
/// assert_eq!(futures_lite::future::block_on(both((async { 1 }, async { 2 }))), 3);
/// ```
pub trait Join {
    /// All outputs.
    type Output;
    /// Is ready when all are.
    type Future: Future<Output = Self::Output>;

    /// See [`join`](join()).
    fn into_joined(self) -> Self::Future;
}

pin_project_lite::pin_project! {
    #[project = PartNow]
    enum Part<F: Future> {
        Running { #[pin] future: F },
        Ended { output: Option<F::Output> },
    }
}

impl<F: Future> Part<F> {
    /// Whether its output is there.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        if let PartNow::Running { future } = self.as_mut().project() {
            let Poll::Ready(output) = future.poll(cx) else {
                return false;
            };
            let output = Some(output);
            self.set(Self::Ended { output });
        }
        true
    }

    fn take(self: Pin<&mut Self>) -> F::Output {
        match self.project() {
            PartNow::Ended { output } => output.take().expect(SPENT),
            PartNow::Running { .. } => panic!("{SPENT}"),
        }
    }
}

const SPENT: &str = "joined futures were polled after their end";

macro_rules! join_tuple {
    ($name:ident $($future:ident $part:ident $number:tt)+) => {
        pin_project_lite::pin_project! {
            /// The future of [`join`](join()) for a tuple.
            #[must_use = "futures do nothing unless awaited"]
            pub struct $name<$($future: Future),+> {
                $(#[pin] $part: Part<$future>,)+
            }
        }

        impl<$($future: Future),+> Join for ($($future,)+) {
            type Output = ($($future::Output,)+);
            type Future = $name<$($future),+>;

            fn into_joined(self) -> Self::Future {
                $name { $($part: Part::Running { future: self.$number },)+ }
            }
        }

        impl<$($future: Future),+> Future for $name<$($future),+> {
            type Output = ($($future::Output,)+);

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let this = self.project();
                $(let mut $part = this.$part;)+
                let mut all = true;
                $(all &= $part.as_mut().poll(cx);)+
                if !all {
                    return Poll::Pending;
                }
                Poll::Ready(($($part.take(),)+))
            }
        }
    };
}

join_tuple!(Join1 A a 0);
join_tuple!(Join2 A a 0 B b 1);
join_tuple!(Join3 A a 0 B b 1 C c 2);
join_tuple!(Join4 A a 0 B b 1 C c 2 D d 3);
join_tuple!(Join5 A a 0 B b 1 C c 2 D d 3 E e 4);
join_tuple!(Join6 A a 0 B b 1 C c 2 D d 3 E e 4 F f 5);
join_tuple!(Join7 A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6);
join_tuple!(Join8 A a 0 B b 1 C c 2 D d 3 E e 4 F f 5 G g 6 H h 7);

/// The future of [`join`](join()) for a `Vec`.
#[must_use = "futures do nothing unless awaited"]
pub struct JoinVec<F: Future> {
    parts: Vec<Pin<Box<Part<F>>>>,
    running: usize,
    woken: WakeSet,
}

impl<F: Future> JoinVec<F> {
    fn new(futures: impl IntoIterator<Item = F>) -> Self {
        let mut woken = WakeSet::new();
        let part = |future| {
            woken.add();
            Box::pin(Part::Running { future })
        };
        let parts: Vec<_> = futures.into_iter().map(part).collect();
        Self {
            running: parts.len(),
            parts,
            woken,
        }
    }

    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (parts, running) = (&mut self.parts, &mut self.running);
        if *running == 0 {
            return Poll::Ready(());
        }
        self.woken.poll_woken(cx, |number, cx| {
            let part = &mut parts[number];
            let was_running = matches!(**part, Part::Running { .. });
            if part.as_mut().poll(cx) && was_running {
                *running -= 1;
            }
            match *running {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
    }
}

impl<F: Future> Unpin for JoinVec<F> {}

impl<F: Future> Future for JoinVec<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.poll_all(cx));
        Poll::Ready(
            self.parts
                .iter_mut()
                .map(|part| part.as_mut().take())
                .collect(),
        )
    }
}

impl<F: Future> Join for Vec<F> {
    type Output = Vec<F::Output>;
    type Future = JoinVec<F>;

    fn into_joined(self) -> JoinVec<F> {
        JoinVec::new(self)
    }
}

/// The future of [`join`](join()) for an array.
#[must_use = "futures do nothing unless awaited"]
pub struct JoinArray<F: Future, const N: usize>(JoinVec<F>);

impl<F: Future, const N: usize> Future for JoinArray<F, N> {
    type Output = [F::Output; N];

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outputs = ready!(Pin::new(&mut self.0).poll(cx));
        match outputs.try_into() {
            Ok(outputs) => Poll::Ready(outputs),
            Err(_) => unreachable!("as many outputs as futures"),
        }
    }
}

impl<F: Future, const N: usize> Join for [F; N] {
    type Output = [F::Output; N];
    type Future = JoinArray<F, N>;

    fn into_joined(self) -> JoinArray<F, N> {
        JoinArray(JoinVec::new(self))
    }
}
