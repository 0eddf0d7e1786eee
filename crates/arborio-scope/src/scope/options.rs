//! How a scope, and a task of it, is made.

use std::{
    borrow::Cow,
    fmt,
    future::poll_fn,
    marker::PhantomData,
    panic::Location,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use arborio_task::{
    Branch, Interrupt,
    embedded::{Embedded, Kind, Local, Sent, is_around},
};
use arborio_timers::Instant;

use super::{
    body::{ScopeBody, lend},
    current::{self, AnyScope},
    failure::{Failed, Later},
    free::FreeScope,
    handle::Scope,
    local::LocalScope,
    note::{Observer, ScopeNote},
    run::{Identity, ScopeRun},
    shared::{Beginning, ScopeState},
};
use crate::origin::GRACE;

/// A scope that is not open yet; made by [`Scope::builder`].
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::Scope;
/// use std::{future::pending, time::Duration};
/// let scope = Scope::<()>::builder().name("short").timeout(Duration::from_millis(1));
/// assert_eq!(run(scope.run(async |_| pending::<Result<(), ()>>().await)), Err(()));
/// ```
#[must_use = "a scope does nothing unless it is run"]
pub struct ScopeBuilder<E> {
    name: Option<Cow<'static, str>>,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
    grace: Duration,
    observer: Option<Observer>,
    /// The observer is told everything.
    verbose: bool,
    opened_at: &'static Location<'static>,
    /// What it is forked from.
    below: Option<AnyScope>,
    error: PhantomData<fn() -> E>,
}

impl<E> ScopeBuilder<E>
where
    E: From<Interrupt> + Send + 'static,
{
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self {
            name: None,
            timeout: None,
            deadline: None,
            grace: GRACE,
            observer: None,
            verbose: false,
            opened_at: Location::caller(),
            below: None,
            error: PhantomData,
        }
    }

    /// Names the scope.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Ends the scope this long after its first poll; a free one, after it was [opened](Self::open).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// Ends the scope at this instant.
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// How long the body and the tasks may take once they were asked to end; 1 s unless it is
    /// said.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Is told what no result tells, on the thread where it happens. A fork without an
    /// observer of its own has that of the scope which it is forked from.
    pub fn observer(mut self, observer: impl Fn(&ScopeNote) + Send + Sync + 'static) -> Self {
        self.observer = Some(Observer::new(Arc::new(observer)));
        self
    }

    /// Whether the observer is told everything: also when the scope is opened, is asked to end and has
    /// ended, and when a task of it is spawned and has ended.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::{Scope, ScopeNote};
    /// use std::sync::{Arc, Mutex};
    /// let names = Arc::new(Mutex::new(Vec::new()));
    /// let heard = Arc::clone(&names);
    /// let scope = Scope::<()>::builder().verbose(true).observer(move |note: &ScopeNote| {
    ///     if let ScopeNote::Spawned(task) = note {
    ///         heard.lock().unwrap().push(task.name.clone().unwrap());
    ///     }
    /// });
    /// let ended = run(scope.run(async |s| {
    ///     s.task().name("cook").spawn(async {});
    ///     s.task().name("waiter").spawn(async {});
    ///     Ok(())
    /// }));
    /// assert_eq!(ended, Ok(()));
    /// assert_eq!(*names.lock().unwrap(), ["cook", "waiter"]);
    /// ```
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// It is forked from that scope.
    pub(crate) fn below(mut self, above: AnyScope) -> Self {
        self.below = Some(above);
        self
    }

    /// Who is told: its own observer, or that of the scope which it is forked from.
    fn who_is_told(&mut self) -> Option<Observer> {
        let inherited = || {
            self.below
                .as_ref()
                .and_then(|above| above.0.observer().cloned())
        };
        let mut observer = self.observer.take().or_else(inherited)?;
        observer.is_told_everything |= self.verbose;
        Some(observer)
    }

    /// Keeps the errors that come after the first one, and gives them together.
    pub fn report(self) -> Reporting<E> {
        Reporting { scope: self }
    }

    /// Opens the scope, and runs `body` and the tasks to their end. As
    /// [`scope`](super::scope), which see.
    ///
    /// # Errors
    /// As [`scope`](super::scope).
    ///
    /// # Panics
    /// As [`scope`](super::scope).
    ///
    /// # Cancel safety
    /// As [`scope`](super::scope).
    pub async fn run<R, B, F>(self, body: B) -> Result<R, E>
    where
        B: AsyncFnOnce(&Scope<E>) -> Result<R, E> + ScopeBody<E, Future = F>,
        F: Future<Output = Result<R, E>>,
    {
        let ended = self.run_anywhere::<Sent, _, _, _>(None, body).await;
        ended.map_err(|failed| failed.first)
    }

    /// As [`run`](Self::run), with tasks that need not be `Send`; see
    /// [`local_scope`](super::local_scope).
    ///
    /// # Errors
    /// As [`scope`](super::scope).
    ///
    /// # Panics
    /// As [`scope`](super::scope).
    ///
    /// # Cancel safety
    /// As [`scope`](super::scope).
    pub async fn run_local<R, B>(self, body: B) -> Result<R, E>
    where
        B: AsyncFnOnce(&LocalScope<E>) -> Result<R, E>,
    {
        let body = async |scope: &Scope<E>| body(&LocalScope::new(scope.clone())).await;
        let ended = self.run_anywhere::<Local, _, _, _>(None, body).await;
        ended.map_err(|failed| failed.first)
    }

    /// Opens the scope without a body, from now on: its limits count from here.
    ///
    /// A fork of a scope that is closed gives `E::from(Interrupt::Closed)`.
    ///
    /// # Panics
    /// If no loop runs on this thread.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::Scope;
    /// use std::time::Duration;
    /// let ended = run(async {
    ///     let scope = Scope::<()>::builder().timeout(Duration::from_millis(1)).open();
    ///     scope.spawn(std::future::pending::<()>());
    ///     scope.await
    /// });
    /// assert_eq!(ended, Err(()));
    /// ```
    #[track_caller]
    pub fn open(self) -> FreeScope<E> {
        match self.enter(None, None) {
            Ok(scope) => FreeScope::keep(scope),
            Err(closed) => FreeScope::closed(closed),
        }
    }

    /// Makes the scope, and puts it into the tree. Its time begins. `Err` is one that is closed,
    /// since what it is forked from is, or belongs to another thread.
    #[track_caller]
    fn enter(
        mut self,
        later: Option<Later<E>>,
        waker: Option<Waker>,
    ) -> Result<Scope<E>, Scope<E>> {
        let observer = self.who_is_told();
        let after = self
            .timeout
            .map(|limit| Instant::now().saturating_add(limit));
        let around = match &self.below {
            Some(above) => Some(Arc::clone(&above.0)),
            None => current::current(),
        };
        let begin = Beginning {
            name: self.name,
            opened_at: self.opened_at,
            observer,
            above: around.as_ref().map(Arc::downgrade),
            deadline: after.into_iter().chain(self.deadline).min(),
            grace: self.grace,
            later,
            waker,
        };
        let make = |branch| Arc::new(ScopeState::new(begin, branch));
        let scope = Scope(match &self.below {
            None => Branch::enter_with(make),
            Some(above) => match above.0.branch() {
                Some(branch) => branch.enter_below_with(make),
                None => make(None),
            },
        });
        let is_open = scope.0.branch().is_some();
        match self.below {
            None => assert!(
                is_open,
                "no Arborio loop runs on this thread, or it is ending: a free scope needs one"
            ),
            Some(_) if !is_open => return Err(scope),
            Some(above) => above.0.add_fork(Arc::downgrade(&scope.0) as _),
        }
        scope.0.tell_all(ScopeNote::Opened);
        Ok(scope)
    }

    /// Runs the scope on the loop of this thread. If there is none that takes its tasks, it
    /// has a loop of its own, and whoever polls it polls the tasks.
    async fn run_anywhere<K, R, B, F>(
        self,
        later: Option<Later<E>>,
        body: B,
    ) -> Result<R, Failed<E>>
    where
        K: Kind,
        B: AsyncFnOnce(&Scope<E>) -> Result<R, E> + ScopeBody<E, Future = F>,
        F: Future<Output = Result<R, E>>,
    {
        if self.below.is_some() || is_around::<K>() {
            self.run_keeping(later, body).await
        } else {
            Embedded::<_, K>::new(self.run_keeping(later, body)).await
        }
    }

    async fn run_keeping<R, B, F>(self, later: Option<Later<E>>, body: B) -> Result<R, Failed<E>>
    where
        B: AsyncFnOnce(&Scope<E>) -> Result<R, E> + ScopeBody<E, Future = F>,
        F: Future<Output = Result<R, E>>,
    {
        // The scope knows from the start who polls it, and need not be told under its lock.
        let (waker, identity) = poll_fn(|cx| {
            let waker = cx.waker().clone();
            let identity = Identity::of(&waker);
            Poll::Ready((waker, identity))
        })
        .await;
        let Ok(scope) = self.enter(later, Some(waker)) else {
            return Err(Later::new().after(E::from(Interrupt::Closed)));
        };
        let ended = ScopeRun::new(&scope, lend(&scope, body), Some(identity)).await;
        ended.map_err(|first| {
            let later = scope.0.progress().later.take();
            later.unwrap_or_else(Later::new).after(first)
        })
    }
}

/// A scope that is not open yet, and that keeps its later errors; made by
/// [`ScopeBuilder::report`].
///
/// # Examples
/// See [`Failed`].
#[must_use = "a scope does nothing unless it is run"]
#[derive(Debug)]
pub struct Reporting<E> {
    scope: ScopeBuilder<E>,
}

impl<E> Reporting<E>
where
    E: From<Interrupt> + Send + 'static,
{
    /// As [`ScopeBuilder::run`].
    ///
    /// # Errors
    /// [`Failed`], with all the errors.
    ///
    /// # Panics
    /// As [`scope`](super::scope).
    ///
    /// # Cancel safety
    /// As [`scope`](super::scope).
    pub async fn run<R, B, F>(self, body: B) -> Result<R, Failed<E>>
    where
        B: AsyncFnOnce(&Scope<E>) -> Result<R, E> + ScopeBody<E, Future = F>,
        F: Future<Output = Result<R, E>>,
    {
        self.scope
            .run_anywhere::<Sent, _, _, _>(Some(Later::new()), body)
            .await
    }

    /// As [`ScopeBuilder::run_local`].
    ///
    /// # Errors
    /// [`Failed`], with all the errors.
    ///
    /// # Panics
    /// As [`scope`](super::scope).
    ///
    /// # Cancel safety
    /// As [`scope`](super::scope).
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::Scope;
    /// use std::rc::Rc;
    /// let failed = run(Scope::<std::io::Error>::builder().report().run_local(async |s| {
    ///     for word in ["one", "two"].map(Rc::new) {
    ///         s.spawn(async move { Err::<(), _>(std::io::Error::other(*word)) });
    ///     }
    ///     Ok(())
    /// }));
    /// let failed = failed.unwrap_err();
    /// assert_eq!(failed.first.to_string(), "one");
    /// assert_eq!(failed.later[0].to_string(), "two");
    /// ```
    pub async fn run_local<R, B>(self, body: B) -> Result<R, Failed<E>>
    where
        B: AsyncFnOnce(&LocalScope<E>) -> Result<R, E>,
    {
        let body = async |scope: &Scope<E>| body(&LocalScope::new(scope.clone())).await;
        self.scope
            .run_anywhere::<Local, _, _, _>(Some(Later::new()), body)
            .await
    }
}

impl<E> fmt::Debug for ScopeBuilder<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopeBuilder")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
