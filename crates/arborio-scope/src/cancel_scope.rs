//! An origin that is steered from outside: `CancelScope`.
//!
//! What is wanted of the scope lies behind a lock ([`Orders`]). Whoever changes it
//! wakes the run; the run carries it out in its next poll, so that a request is only
//! ever delivered there.
//!
//! | stage   | meaning                                  | next                       |
//! |---------|------------------------------------------|----------------------------|
//! | New     | nothing runs yet; orders are kept        | Running: `run`             |
//! | Running | orders are carried out at the next poll  | Ended: value, drop, or end |
//! | Ended   | orders change nothing                    |                            |

use std::{
    cell::Cell,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use arborio_base::sync::{Mutex, MutexGuard, lock};
use arborio_task::{Reason, ReasonKind, frames::Frame};
use arborio_timers::Instant;

use crate::{
    limit::{Alarm, Until, deadline},
    origin::{Ended, Moment, Origin},
};

/// A part of a program that can be asked to end, from anywhere.
///
/// A clone is another handle of the same scope. It may be used from any thread, and
/// before the scope [runs](CancelScope::run): what is said then is kept. Handlers
/// inside may swallow a request; a later one is new.
///
/// # Examples
/// ```
/// use arborio_scope::CancelScope;
/// use arborio_task::ReasonKind;
///
/// let scope = CancelScope::new();
/// let outside = scope.clone();
/// std::thread::spawn(move || outside.cancel()).join().unwrap();
/// let ended = futures_lite::future::block_on(scope.run(std::future::pending::<()>()));
/// assert_eq!(ended.unwrap_err().kind(), ReasonKind::Cancel);
/// ```
#[derive(Clone)]
#[must_use = "a request has no effect on what does not `run` in it"]
#[doc(alias("CancellationToken", "AbortHandle"))]
pub struct CancelScope(Arc<Mutex<Orders>>);

/// What is wanted of the scope.
struct Orders {
    stage: Stage,
    request: Option<Reason>,
    /// Counted, so that the run sees that it was set again.
    limit: (u64, Until),
    /// Who set the limit.
    limited_by: Option<Reason>,
    shield: bool,
    /// If none was set, that of the origin or scope around the run.
    grace: Option<Duration>,
    /// Has polled the run.
    waker: Option<Waker>,
    /// Why the run was ended.
    ended_by: Option<Reason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    Running,
    Ended,
}

impl CancelScope {
    /// A scope that does not run yet, and that nobody has asked to end.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_scope::CancelScope::new().reason().is_none());
    /// ```
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Orders {
            stage: Stage::New,
            request: None,
            limit: (0, Until::Forever),
            limited_by: None,
            shield: false,
            grace: None,
            waker: None,
            ended_by: None,
        })))
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        lock(&self.0)
    }

    /// Changes what is wanted, and has the run look at it. False if it has ended.
    fn order(&self, change: impl FnOnce(&mut Orders)) -> bool {
        let waker = {
            let mut orders = self.orders();
            if orders.stage == Stage::Ended {
                return false;
            }
            change(&mut orders);
            orders.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Asks the scope to end. False if it has ended.
    ///
    /// Its innermost handlers are asked; if there are none it is dropped, when its
    /// task is polled next. A scope that is asked before it runs ends at its first
    /// suspension. A value that is ready by then wins. The first reason stays.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::CancelScope;
    /// let scope = CancelScope::new();
    /// assert!(scope.cancel());
    /// let value = futures_lite::future::block_on(scope.run(async { "no suspension" }));
    /// assert_eq!(value.unwrap(), "no suspension");
    /// assert!(!scope.cancel());
    /// ```
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.cancel_with(Reason::new(ReasonKind::Cancel))
    }

    /// The same, for a reason of the caller's.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::CancelScope;
    /// use arborio_task::{Reason, ReasonKind};
    /// let scope = CancelScope::new();
    /// scope.cancel_with(Reason::new(ReasonKind::Stop));
    /// assert_eq!(scope.reason().unwrap().kind(), ReasonKind::Stop);
    /// ```
    pub fn cancel_with(&self, reason: Reason) -> bool {
        self.order(|orders| {
            orders.request.get_or_insert(reason);
        })
    }

    /// When the scope is asked to end; `None` for never. Replaces what was set by
    /// this or by [`set_timeout`](Self::set_timeout). False if the scope has ended.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::{CancelScope, current_effective_deadline};
    /// use arborio_timers::Instant;
    /// let (scope, deadline) = (CancelScope::new(), Instant::FAR_FUTURE);
    /// scope.set_deadline(Some(deadline));
    /// let seen = scope.run(async { current_effective_deadline() });
    /// assert_eq!(futures_lite::future::block_on(seen).unwrap(), Some(deadline));
    /// ```
    #[track_caller]
    pub fn set_deadline(&self, deadline: Option<Instant>) -> bool {
        self.limit(deadline.map_or(Until::Forever, Until::At))
    }

    /// How long the scope may run from now on, or from its first poll if that is
    /// later; `None` for ever. As [`set_deadline`](Self::set_deadline).
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::CancelScope;
    /// use arborio_task::ReasonKind;
    /// use std::{future::pending, time::Duration};
    /// let scope = CancelScope::new();
    /// scope.set_timeout(Some(Duration::from_millis(1)));
    /// let ended = futures_lite::future::block_on(scope.run(pending::<()>()));
    /// assert_eq!(ended.unwrap_err().kind(), ReasonKind::Deadline);
    /// ```
    #[track_caller]
    pub fn set_timeout(&self, timeout: Option<Duration>) -> bool {
        self.limit(timeout.map_or(Until::Forever, Until::After))
    }

    #[track_caller]
    fn limit(&self, until: Until) -> bool {
        let by = Reason::new(ReasonKind::Deadline);
        self.order(|orders| {
            orders.limit = (orders.limit.0 + 1, until);
            orders.limited_by = Some(by);
        })
    }

    /// Whether requests from outside of the scope wait for it to end by itself, as
    /// for a [`shield`](crate::shield). Its own requests reach it all the same. False
    /// if the scope has ended.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::{CancelScope, move_on_after};
    /// use arborio_timers::sleep;
    /// use std::time::Duration;
    /// let scope = CancelScope::new();
    /// scope.set_shield(true);
    /// let work = scope.run(async { sleep(Duration::from_millis(5)).await });
    /// let limited = move_on_after(Duration::from_millis(1), work);
    /// assert!(futures_lite::future::block_on(limited).unwrap().is_ok());
    /// ```
    pub fn set_shield(&self, shield: bool) -> bool {
        self.order(|orders| orders.shield = shield)
    }

    /// How long handlers may take, counted from the request; unless this is called, as
    /// long as the origin or scope around the run says, or one second. `Duration::MAX` is for ever. False if the scope has ended.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::{CancelScope, finally};
    /// use std::{future::pending, time::Duration};
    /// let scope = CancelScope::new();
    /// scope.set_grace(Duration::from_millis(1));
    /// scope.cancel();
    /// let stubborn = finally(pending::<()>(), || pending::<()>());
    /// assert!(futures_lite::future::block_on(scope.run(stubborn)).is_err());
    /// ```
    pub fn set_grace(&self, grace: Duration) -> bool {
        self.order(|orders| orders.grace = Some(grace))
    }

    /// Why the scope was ended, or is asked to end; `None` if nobody has asked, or if
    /// the request was swallowed.
    ///
    /// # Examples
    /// ```
    /// let scope = arborio_scope::CancelScope::new();
    /// scope.cancel();
    /// assert!(scope.reason().unwrap().location().file().ends_with(".rs"));
    /// ```
    pub fn reason(&self) -> Option<Reason> {
        let orders = self.orders();
        let by = orders.ended_by.as_ref().or(orders.request.as_ref());
        by.cloned()
    }

    /// Whether a request has ended the scope. One that ended by itself, or has not
    /// ended, is not cancelled.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::CancelScope;
    /// let scope = CancelScope::new();
    /// scope.cancel();
    /// assert!(!scope.is_cancelled(), "not yet");
    /// let _ = futures_lite::future::block_on(scope.run(std::future::pending::<()>()));
    /// assert!(scope.is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.orders().ended_by.is_some()
    }

    /// Runs `future` in the scope.
    ///
    /// # Errors
    /// The reason, if a request has ended it.
    ///
    /// # Panics
    /// A scope runs once: a second call panics.
    ///
    /// # Cancel safety
    /// As safe as `future`: dropping this drops it, without asking anybody.
    ///
    /// # Examples
    /// ```
    /// use arborio_scope::CancelScope;
    /// let value = futures_lite::future::block_on(CancelScope::new().run(async { 3 }));
    /// assert_eq!(value.unwrap(), 3);
    /// ```
    #[track_caller]
    pub fn run<F: Future>(&self, future: F) -> Run<F> {
        let before = std::mem::replace(&mut self.orders().stage, Stage::Running);
        assert!(before == Stage::New, "a cancel scope runs once");
        Run {
            lid: Frame::origin(),
            attached: Attached {
                scope: self.clone(),
                until: Cell::new(Until::Forever),
                alarm: Alarm::off(),
                limit_number: 0,
                was_polled: false,
            },
            origin: Origin::new(future),
        }
    }
}

impl Default for CancelScope {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for CancelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orders = self.orders();
        f.debug_struct("CancelScope")
            .field("stage", &orders.stage)
            .field("request", &orders.request)
            .field("limit", &orders.limit.1)
            .field("shield", &orders.shield)
            .field("grace", &orders.grace)
            .finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// The future of [`CancelScope::run`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Run<F> {
        // Is a shield while the scope is one.
        lid: Frame,
        attached: Attached,
        #[pin]
        origin: Origin<F>,
    }
}

/// The run's side of the scope. When it is dropped the run has ended.
struct Attached {
    scope: CancelScope,
    until: Cell<Until>,
    alarm: Alarm,
    limit_number: u64,
    was_polled: bool,
}

/// What a poll goes by.
struct Wanted {
    request: bool,
    shield: bool,
    grace: Option<Duration>,
}

impl Attached {
    /// Looks at the orders, and leaves a waker for the next ones.
    fn look(&mut self, cx: &Context<'_>) -> Wanted {
        let fresh = cx.waker().clone(); // foreign code: before the lock
        let mut orders = self.scope.orders();
        let old = orders.waker.replace(fresh);
        let (number, until) = orders.limit;
        let wanted = Wanted {
            request: orders.request.is_some(),
            shield: orders.shield,
            grace: orders.grace,
        };
        drop(orders);
        drop(old); // foreign code: after the lock
        if std::mem::replace(&mut self.limit_number, number) != number {
            self.until.set(until);
            self.alarm = Alarm::off();
        }
        wanted
    }

    fn end(&mut self, cancelled: bool) -> Option<Reason> {
        let mut orders = self.scope.orders();
        if orders.stage == Stage::Ended {
            return None;
        }
        orders.stage = Stage::Ended;
        let waker = orders.waker.take();
        if cancelled {
            let by = orders.request.take().or_else(|| orders.limited_by.take());
            orders.ended_by = by;
        } else {
            orders.request = None;
        }
        let reason = orders.ended_by.clone();
        drop(orders);
        drop(waker);
        reason
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.end(false);
    }
}

/// A request, or the limit.
struct Either<'a> {
    scope: &'a CancelScope,
    request: bool,
    was_polled: bool,
    until: &'a Cell<Until>,
    alarm: &'a mut Alarm,
    rung: bool,
}

impl Either<'_> {
    fn is_wanted(&mut self, moment: Moment, cx: &mut Context<'_>) -> bool {
        match moment {
            Moment::Before => return self.request && self.was_polled,
            Moment::After => {
                // The inside may have asked for its own end.
                self.request = self.request || self.scope.orders().request.is_some();
            }
            Moment::Withdrawn => {
                self.scope.orders().request = None;
                self.request = false;
                if std::mem::take(&mut self.rung) {
                    self.alarm.switch_off(self.until);
                }
            }
        }
        self.rung = self.rung || self.alarm.poll(self.until, cx).is_ready();
        self.request || self.rung
    }
}

impl<F: Future> Future for Run<F> {
    type Output = Result<F::Output, Reason>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut run = self.project();
        let wanted = run.attached.look(cx);
        if let Some(grace) = wanted.grace {
            run.origin.as_mut().change_grace(grace);
        }
        let attached = &mut *run.attached;
        let ended = {
            let until = &attached.until;
            let tell = || deadline(until).map(Instant::as_nanos);
            let mut cause = Either {
                scope: &attached.scope,
                request: wanted.request,
                was_polled: std::mem::replace(&mut attached.was_polled, true),
                until,
                alarm: &mut attached.alarm,
                rung: false,
            };
            run.lid.poll_limited(cx, &tell, |cx, inside| {
                inside.set_shield(wanted.shield);
                let wants = |moment, cx: &mut Context<'_>| cause.is_wanted(moment, cx);
                run.origin.as_mut().poll(cx, wants)
            })
        };
        ended.map(|ended| match ended {
            Ended::Value(value) => {
                attached.end(false);
                Ok(value)
            }
            Ended::Dropped => {
                let reason = attached.end(true);
                Err(reason.unwrap_or_else(|| Reason::new(ReasonKind::Cancel)))
            }
        })
    }
}
