//! What the observer of a scope is told.
//!
//! Who has no observer pays one look at a null pointer for it, and a task nothing: a note
//! at its end is a duty that its future was given when it was spawned.

use std::{
    any::Any,
    error::Error,
    fmt, io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use arborio_base::contain;
use arborio_task::{Interrupt, Payload, ScopeInfo, TaskInfo};

use super::{
    current::{Erased, current},
    describe,
    shared::ScopeState,
};

/// What a scope has to say that no result tells. The last six are told to observers
/// that want to know [everything](super::ScopeBuilder::verbose).
///
/// An error in a note is that of the scope, or of a fork without an observer of its own, whose errors may be of
/// another type. So it is an [`Any`], to be looked at by [`error`](Self::error). As text a note has
/// the error in it if that is an [`io::Error`], a `Box<dyn Error + Send + Sync>` or an [`Interrupt`]; of another type
/// it is known only that there was one.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{Scope, ScopeNote};
/// use std::{io, sync::{Arc, Mutex}};
/// let notes = Arc::new(Mutex::new(Vec::new()));
/// let heard = Arc::clone(&notes);
/// let scope = Scope::<io::Error>::builder()
///     .observer(move |note: &ScopeNote| heard.lock().unwrap().push(note.to_string()));
/// let ended = run(scope.run(async |s| {
///     s.spawn(async { Err::<(), _>(io::Error::other("no bread")) });
///     s.spawn(async { Err::<(), _>(io::Error::other("no butter")) });
///     Ok(())
/// }));
/// assert_eq!(ended.unwrap_err().to_string(), "no bread");
/// assert_eq!(*notes.lock().unwrap(), ["a later error of the scope: no butter"]);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ScopeNote<'a> {
    /// An error that came after the first one, or after the future of the scope was dropped.
    LaterError(&'a dyn Any),
    /// A panic that came after the first failure. It [names](Payload::task_name) its task.
    LaterPanic(Payload),
    /// The error of a task that does not [bubble](super::ChildBuilder::bubble), whose handle was
    /// dropped without taking it.
    Untaken(TaskInfo, &'a dyn Any),
    /// The same for a panic, or one whose cleanup ([`finally`](crate::finally)) was cut off. If the scope has no
    /// observer, that of the loop is told.
    UntakenPanic(Payload),
    /// An error of a free scope that nobody waits for.
    Unclaimed(&'a dyn Any),
    /// A task was dropped because it had not ended when the grace was over; or a part of
    /// it was, by a deadline or a [`CancelScope`](crate::CancelScope) inside of it. One note for each task, also for
    /// those of scopes inside. If the scope has no observer, that of the loop is told.
    Stubborn(TaskInfo),
    /// The scope is open from now on.
    Opened(ScopeInfo),
    /// The scope has a reason to end before its time, and so has everything in it.
    Asked(ScopeInfo),
    /// The scope has ended, and all its tasks have.
    Closed(ScopeInfo),
    /// The task was spawned.
    Spawned(TaskInfo),
    /// The task has given its value, or its error.
    Ended(TaskInfo),
    /// The task has ended without either: it was dropped because it was asked to end, or
    /// it has panicked.
    Interrupted(TaskInfo),
}

impl<'a> ScopeNote<'a> {
    /// The error that the note is about, if it is about one of this type.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_executor::Interrupt;
    /// use arborio_scope::Scope;
    /// use std::sync::{Arc, Mutex};
    /// #[derive(Debug)]
    /// struct OutOf(&'static str);
    /// impl From<Interrupt> for OutOf {
    ///     fn from(_: Interrupt) -> Self {
    ///         Self("time")
    ///     }
    /// }
    /// let notes = Arc::new(Mutex::new(Vec::new()));
    /// let heard = Arc::clone(&notes);
    /// let scope = Scope::<OutOf>::builder().observer(move |note| {
    ///     let line = match note.error::<OutOf>() {
    ///         Some(error) => format!("{note}: {error:?}"),
    ///         None => note.to_string(),
    ///     };
    ///     heard.lock().unwrap().push(line);
    /// });
    /// let ended = run(scope.run(async |s| {
    ///     drop(s.task().name("baker").bubble(false).spawn(async { Err::<(), _>(OutOf("bread")) }));
    ///     Ok("went on")
    /// }));
    /// assert_eq!(ended.unwrap(), "went on");
    /// let notes = notes.lock().unwrap();
    /// assert!(notes[0].starts_with("the error of a task was dropped with its handle: task `baker`"));
    /// assert!(notes[0].ends_with(r#": OutOf("bread")"#));
    /// ```
    pub fn error<E: 'static>(&self) -> Option<&'a E> {
        match self {
            Self::LaterError(error) | Self::Untaken(_, error) | Self::Unclaimed(error) => {
                error.downcast_ref()
            }
            _ => None,
        }
    }
}

/// The error as text, if it is of a type that is known here: those of scopes that need no `From<Interrupt>` of the user.
fn readable(error: &dyn Any) -> Option<&dyn fmt::Display> {
    fn as_text<T: fmt::Display + 'static>(error: &dyn Any) -> Option<&dyn fmt::Display> {
        error.downcast_ref::<T>().map(|error| error as _)
    }
    as_text::<io::Error>(error)
        .or_else(|| as_text::<Box<dyn Error + Send + Sync>>(error))
        .or_else(|| as_text::<Interrupt>(error))
}

impl fmt::Display for ScopeNote<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LaterError(error) => match readable(*error) {
                Some(error) => write!(f, "a later error of the scope: {error}"),
                None => f.write_str("a later error of the scope was dropped"),
            },
            Self::LaterPanic(payload) => {
                write!(f, "a later panic of the scope: {payload}")
            }
            Self::Untaken(task, error) => {
                f.write_str("the error of a task was dropped with its handle: ")?;
                match readable(*error) {
                    Some(error) => write!(f, "{error} ({task})"),
                    None => task.fmt(f),
                }
            }
            Self::UntakenPanic(payload) => {
                f.write_str("a task panicked, and nobody awaits it: ")?;
                payload.fmt(f)
            }
            Self::Unclaimed(error) => {
                f.write_str("the error of a scope that nobody awaits was dropped")?;
                readable(*error).map_or(Ok(()), |error| write!(f, ": {error}"))
            }
            Self::Stubborn(task) => write!(
                f,
                "a task, or a part of it, outlived its grace and was dropped: {task}"
            ),
            Self::Opened(scope) => write!(f, "opened: {scope}"),
            Self::Asked(scope) => write!(f, "asked to end: {scope}"),
            Self::Closed(scope) => write!(f, "closed: {scope}"),
            Self::Spawned(task) => write!(f, "spawned: {task}"),
            Self::Ended(task) => write!(f, "ended: {task}"),
            Self::Interrupted(task) => write!(f, "interrupted: {task}"),
        }
    }
}

/// Who is told.
#[derive(Clone)]
pub(crate) struct Observer {
    tell: Arc<dyn Fn(&ScopeNote) + Send + Sync>,
    /// Also what is as it should be.
    pub(super) is_told_everything: bool,
}

impl Observer {
    pub(super) fn new(tell: Arc<dyn Fn(&ScopeNote) + Send + Sync>) -> Self {
        Self {
            tell,
            is_told_everything: false,
        }
    }

    /// Nothing is locked: the observer may do what it likes.
    pub(super) fn tell(&self, note: &ScopeNote) {
        contain(|| (self.tell)(note));
    }
}

/// Shows an error of a scope as what an observer is given. Whoever holds errors has this function, too, as not all that
/// do so know that they are `'static`.
pub(super) type AsAny<E> = fn(&E) -> &dyn Any;

impl<E> ScopeState<E> {
    pub(crate) fn tell(&self, note: &ScopeNote) {
        if let Some(observer) = &self.observer {
            observer.tell(note);
        }
    }

    /// Nobody will be given this error: who observes may look at it.
    #[cold]
    pub(super) fn tell_of_error(&self, error: &E, note: fn(&dyn Any) -> ScopeNote<'_>) {
        self.tell(&note((self.as_any)(error)));
    }

    /// Whether the observer wants to know everything.
    #[inline]
    pub(super) fn tells_all(&self) -> bool {
        let observer = self.observer.as_ref();
        observer.is_some_and(|observer| observer.is_told_everything)
    }

    /// Says something about the scope to who wants to know everything.
    #[inline]
    pub(super) fn tell_all(&self, note: impl FnOnce(ScopeInfo) -> ScopeNote<'static>) {
        if self.tells_all() {
            self.tell(&note(describe::info(self)));
        }
    }
}

/// Nobody will take the panic: the observer of the scope is told, or else that of the loop.
#[cold]
pub(crate) fn tell_of_untaken(observer: Option<&Observer>, panic: Payload) {
    match observer {
        Some(observer) => observer.tell(&ScopeNote::UntakenPanic(panic)),
        None => drop(arborio_executor::report_panic(panic)), // if there is one
    }
}

static STUBBORN_HOOK: OnceLock<fn(&TaskInfo)> = OnceLock::new();

/// Installs who is told, on the thread of the scope, of a task that was forced at the end of its grace, or of which a part
/// was, if the scope has no [observer](super::ScopeBuilder::observer). False if there is a hook already, which stays.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{Scope, set_stubborn_hook, shield};
/// use std::{future::pending, sync::atomic::{AtomicUsize, Ordering}, time::Duration};
/// static FORCED: AtomicUsize = AtomicUsize::new(0);
/// assert!(set_stubborn_hook(|_task| {
///     FORCED.fetch_add(1, Ordering::Relaxed);
/// }));
/// let scope = Scope::<()>::builder().grace(Duration::from_millis(1));
/// let ended = run(scope.run(async |s| {
///     s.spawn(shield(pending::<()>()));
///     arborio_executor::yield_now().await;
///     Err::<(), ()>(())
/// }));
/// assert_eq!((ended, FORCED.load(Ordering::Relaxed)), (Err(()), 1));
/// ```
pub fn set_stubborn_hook(tell: fn(&TaskInfo)) -> bool {
    STUBBORN_HOOK.set(tell).is_ok()
}

/// A task, or a part of it, has outlived its grace: the observer of the scope is told, or else whom the hook tells.
#[cold]
pub(super) fn tell_of_stubborn(observer: Option<&Observer>, task: TaskInfo) {
    match (observer, STUBBORN_HOOK.get()) {
        (Some(observer), _) => observer.tell(&ScopeNote::Stubborn(task)),
        (None, Some(tell)) => drop(contain(|| tell(&task))),
        (None, None) => {}
    }
}

/// The same as [`tell_of_untaken`] for the scope around the code that runs.
#[cold]
pub(crate) fn tell_of_untaken_here(panic: Payload) {
    let scope = current();
    tell_of_untaken(scope.as_ref().and_then(|scope| scope.observer()), panic);
}

/// The task whose future is being dropped has ended.
#[cold]
pub(super) fn end_of_current_task() -> Option<ScopeNote<'static>> {
    let task = arborio_task::current_info()?;
    Some(if arborio_task::is_dropping() {
        ScopeNote::Interrupted(task)
    } else {
        ScopeNote::Ended(task)
    })
}

pin_project_lite::pin_project! {
    /// A future whose end, as a task, the observer of its scope is told of.
    pub(super) struct Noted<F> {
        #[pin]
        future: F,
        // Dropped after the future.
        end: EndNote,
    }
}

impl<F> Noted<F> {
    /// `future`, and what must be set once it is spawned.
    pub(super) fn new(scope: Arc<dyn Erased>, future: F) -> (Self, Spawned) {
        let spawned = Spawned::default();
        let end = EndNote {
            scope,
            spawned: spawned.clone(),
        };
        (Self { future, end }, spawned)
    }

    /// The future, which was not spawned after all.
    pub(super) fn into_inner(self) -> F {
        self.future
    }
}

impl<F: Future> Future for Noted<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

/// Whether the future has become a task. Relaxed: it is set before the task is polled.
#[derive(Clone, Default)]
pub(super) struct Spawned(Arc<AtomicBool>);

impl Spawned {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Tells the observer when the task that it lies in has ended.
struct EndNote {
    scope: Arc<dyn Erased>,
    spawned: Spawned,
}

impl Drop for EndNote {
    fn drop(&mut self) {
        let note = self.spawned.is_set().then(end_of_current_task).flatten();
        if let (Some(note), Some(observer)) = (note, self.scope.observer()) {
            observer.tell(&note);
        }
    }
}
