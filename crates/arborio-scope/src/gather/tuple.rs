//! Gathering futures whose outputs differ.

use std::{
    future::poll_fn,
    task::{Context, Poll},
};

use arborio_task::{Interrupt, Reason, ReasonKind};

use super::{
    ENDED,
    given::{Given, Giving},
    outcome_of,
};
use crate::{
    group::{Later, Member, Seat, Spawner, spawn_on, spawn_sent_on, tell_local, tell_sent},
    scope::AnyScope,
};

/// As [`gather`](crate::gather()), of at most eight futures whose outputs may differ: gives
/// a tuple of them, or the first interrupt.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::gather;
/// let both = run(async { gather!(async { 1 }, async { "two" }).await });
/// assert_eq!(both.unwrap(), (1, "two"));
/// ```
#[macro_export]
macro_rules! gather {
    ($($future:expr),+ $(,)?) => {
        $crate::GatherTuple::gather(($($future,)+))
    };
}

/// As [`gather!`](crate::gather!), of futures that need not be `Send`: they run on this
/// thread.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::gather_local;
/// use std::rc::Rc;
/// let both = run(async { gather_local!(async { Rc::new(1) }, async { "two" }).await });
/// assert_eq!(both.unwrap(), (Rc::new(1), "two"));
/// ```
#[macro_export]
macro_rules! gather_local {
    ($($future:expr),+ $(,)?) => {
        $crate::GatherLocalTuple::gather_local(($($future,)+))
    };
}

/// A tuple of futures for [`gather!`](crate::gather!).
#[doc(hidden)]
pub trait GatherTuple {
    type Output;
    fn gather(self) -> impl Future<Output = Result<Self::Output, Interrupt>> + Send;
}

/// A tuple of futures for [`gather_local!`](crate::gather_local!).
#[doc(hidden)]
pub trait GatherLocalTuple {
    type Output;
    fn gather_local(self) -> impl Future<Output = Result<Self::Output, Interrupt>>;
}

/// One task of a tuple.
struct One<T> {
    /// `None` when it has given its output, or is let go.
    member: Option<Member<Given<T>>>,
    seat: Seat,
    output: Option<T>,
}

impl<T: 'static> One<T> {
    #[track_caller]
    fn spawn<F>(
        scope: Option<&AnyScope>,
        future: F,
        spawner: impl Spawner<Giving<F>>,
        later: Later<Given<T>>,
    ) -> Self
    where
        F: Future<Output = T> + 'static,
    {
        let member = Member::new(later);
        member.run_on(scope, Giving::new(future, |_| false), spawner);
        Self {
            member: Some(member),
            seat: Seat::default(),
            output: None,
        }
    }
}

impl<T> One<T> {
    /// Whether it has given its output.
    fn poll(&mut self, cx: &mut Context<'_>) -> Result<bool, Interrupt> {
        if let Some(member) = &self.member
            && member.poll_end(&mut self.seat, cx).is_ready()
            && let Some(member) = self.take()
        {
            self.output = Some(outcome_of(&member)?);
        }
        Ok(self.output.is_some())
    }

    fn take(&mut self) -> Option<Member<Given<T>>> {
        let member = self.member.take()?;
        member.rise(&mut self.seat);
        Some(member)
    }

    fn let_go(&mut self) {
        if let Some(member) = self.take() {
            member.let_go();
        }
    }
}

impl<T> Drop for One<T> {
    fn drop(&mut self) {
        if let Some(member) = self.take() {
            member.cancel_with(&Interrupt::Cancelled(Reason::new(ReasonKind::Cancel)));
            member.let_go();
        }
    }
}

/// Spawns each of the tuple, and waits for their outputs.
macro_rules! gathering {
    ($tuple:ident, $spawner:ident, $later:ident, $($future:ident $number:tt)+) => {{
        let scope = AnyScope::current();
        let mut tasks = ($(One::spawn(scope.as_ref(), $tuple.$number, $spawner, $later),)+);
        poll_fn(move |cx| {
            let (mut all, mut failure) = (true, None);
            $(if failure.is_none() {
                match tasks.$number.poll(cx) {
                    Ok(done) => all &= done,
                    Err(interrupt) => failure = Some(interrupt),
                }
            })+
            if let Some(interrupt) = failure {
                $(tasks.$number.let_go();)+
                return Poll::Ready(Err(interrupt));
            }
            if !all {
                return Poll::Pending;
            }
            Poll::Ready(Ok(($(tasks.$number.output.take().expect(ENDED),)+)))
        })
    }};
}

macro_rules! gather_tuple {
    ($($future:ident $number:tt)+) => {
        impl<$($future),+> GatherTuple for ($($future,)+)
        where
            $($future: Future<Output: Send> + Send + 'static,)+
        {
            type Output = ($($future::Output,)+);

            #[track_caller]
            fn gather(self) -> impl Future<Output = Result<Self::Output, Interrupt>> + Send {
                gathering!(self, spawn_sent_on, tell_sent, $($future $number)+)
            }
        }

        impl<$($future),+> GatherLocalTuple for ($($future,)+)
        where
            $($future: Future<Output: 'static> + 'static,)+
        {
            type Output = ($($future::Output,)+);

            #[track_caller]
            fn gather_local(self) -> impl Future<Output = Result<Self::Output, Interrupt>> {
                gathering!(self, spawn_on, tell_local, $($future $number)+)
            }
        }
    };
}

gather_tuple!(A 0);
gather_tuple!(A 0 B 1);
gather_tuple!(A 0 B 1 C 2);
gather_tuple!(A 0 B 1 C 2 D 3);
gather_tuple!(A 0 B 1 C 2 D 3 E 4);
gather_tuple!(A 0 B 1 C 2 D 3 E 4 F 5);
gather_tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6);
gather_tuple!(A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7);
