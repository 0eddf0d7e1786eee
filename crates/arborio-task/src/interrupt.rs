//! Why a task ended without an output.

use std::{
    any::Any,
    borrow::Cow,
    error::Error,
    fmt, io, mem,
    panic::{Location, resume_unwind},
    sync::{Arc, Mutex, PoisonError},
};

use arborio_base::drop_contained;

use crate::{cell::TaskRef, side::Name, tree::write_name};

/// Why a task ended without an output.
///
/// # Examples
/// ```
/// use arborio_task::Interrupt;
/// assert_eq!(Interrupt::TimedOut.to_string(), "the task ran out of time");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[doc(alias("JoinError", "CancelledError"))]
pub enum Interrupt {
    /// Somebody asked the task to end.
    Cancelled(Reason),
    /// The time that the task was given ran out.
    TimedOut,
    /// The task panicked.
    Panicked(Payload),
    /// The task's own error has ended its scope, which reports it.
    ScopeFailed,
    /// The scope was closed before the task could start; of a job, its pool.
    Closed,
    /// The loop stopped before the task had ended; of a job, its pool.
    Stopped,
    /// The system refused the thread that a job needs, and no other thread could run it.
    NoThread(Arc<io::Error>),
}

impl Interrupt {
    /// Whether they are clones of each other, or say the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cancelled(Reason(one)), Self::Cancelled(Reason(other))) => {
                Arc::ptr_eq(one, other)
            }
            (Self::Panicked(Payload(one)), Self::Panicked(Payload(other))) => {
                Arc::ptr_eq(one, other)
            }
            _ => mem::discriminant(self) == mem::discriminant(other),
        }
    }

    /// The nearest of the kinds of the standard library.
    pub(crate) fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::TimedOut => io::ErrorKind::TimedOut,
            Self::Cancelled(_) => io::ErrorKind::Interrupted,
            Self::NoThread(error) => error.kind(),
            _ => io::ErrorKind::Other,
        }
    }
}

impl fmt::Display for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled(reason) => write!(f, "the task was cancelled: {reason}"),
            Self::TimedOut => f.write_str("the task ran out of time"),
            Self::Panicked(payload) => write!(f, "the task panicked: {}", payload.message()),
            Self::ScopeFailed => f.write_str("the task failed, and its scope reports the error"),
            Self::Closed => f.write_str("the task's scope was closed before it could start"),
            Self::Stopped => f.write_str("the task's loop stopped before it had ended"),
            Self::NoThread(error) => write!(f, "there is no thread for the job: {error}"),
        }
    }
}

impl Error for Interrupt {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoThread(error) => Some(&**error),
            _ => None,
        }
    }
}

/// For scopes whose errors say nothing.
impl From<Interrupt> for () {
    fn from(_: Interrupt) {}
}

impl From<Interrupt> for io::Error {
    /// `TimedOut` if the time was up, `Interrupted` if it was cancelled; a refused thread
    /// keeps its kind.
    fn from(interrupt: Interrupt) -> Self {
        Self::new(interrupt.io_kind(), interrupt)
    }
}

/// A panic's payload that can be shared, inspected and resumed.
///
/// # Examples
/// ```
/// use arborio_task::Payload;
/// let payload = Payload::new(std::panic::catch_unwind(|| panic!("no bread")).unwrap_err());
/// assert_eq!(payload.clone().message(), "no bread");
/// assert_eq!(*payload.take().unwrap().downcast::<&str>().unwrap(), "no bread");
/// ```
#[derive(Clone)]
pub struct Payload(Arc<PanicRecord>);

struct PanicRecord {
    /// What the panic was raised with, until somebody takes it.
    raised: Mutex<Option<Box<dyn Any + Send>>>,
    message: Box<str>,
    /// The task that has panicked, if it was one.
    task: Option<Panicked>,
}

/// The task that has panicked.
struct Panicked {
    name: Option<Name>,
    spawned_at: &'static Location<'static>,
}

impl Drop for PanicRecord {
    fn drop(&mut self) {
        let raised = self
            .raised
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop_contained(raised); // a payload may have any destructor
    }
}

impl Payload {
    /// Wraps what [`std::panic::catch_unwind`] caught. In a task it is a panic of that task.
    ///
    /// # Examples
    /// ```
    /// let payload = arborio_task::Payload::new(Box::new("out of cheese"));
    /// assert_eq!(payload.message(), "out of cheese");
    /// ```
    pub fn new(raised: Box<dyn Any + Send>) -> Self {
        Self::of(crate::tasks::current_task(), raised)
    }

    /// The same for a panic of `task`.
    pub(crate) fn of(task: Option<TaskRef>, raised: Box<dyn Any + Send>) -> Self {
        let message = if let Some(text) = raised.downcast_ref::<&str>() {
            (*text).into()
        } else if let Some(text) = raised.downcast_ref::<String>() {
            text.as_str().into()
        } else {
            "(the payload is not a string)".into()
        };
        Self(Arc::new(PanicRecord {
            raised: Mutex::new(Some(raised)),
            message,
            task: task.map(|task| Panicked {
                name: crate::side::name(task),
                spawned_at: task.spawned_at,
            }),
        }))
    }

    /// The panic's message, if its payload is a string.
    ///
    /// # Examples
    /// ```
    /// let payload = arborio_task::Payload::new(Box::new(7));
    /// assert_eq!(payload.message(), "(the payload is not a string)");
    /// ```
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The name of the task that panicked, if it is known and has one.
    ///
    /// # Examples
    /// ```
    /// # use arborio_task::{Interrupt, SpawnOptions, Tasks, try_spawn};
    /// # let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
    /// # let main = async {
    /// let options = SpawnOptions::new().name("baker").observed(true);
    /// let task = try_spawn(async { panic!("no bread") }, options).ok().unwrap();
    /// let ended: Result<(), Interrupt> = task.await;
    /// let Err(Interrupt::Panicked(panic)) = ended else { unreachable!() };
    /// assert_eq!(panic.task_name(), Some("baker"));
    /// assert_eq!(panic.spawned_at().unwrap().file(), file!());
    /// assert!(panic.to_string().starts_with("no bread (task `baker` "));
    /// # };
    /// # tasks.run_main(main, |running| while running.run_next() {}).1.unwrap();
    /// ```
    pub fn task_name(&self) -> Option<&str> {
        self.0.task.as_ref()?.name.as_deref()
    }

    /// Where the task was spawned that panicked, if it is known.
    ///
    /// # Examples
    /// See [`task_name`](Self::task_name).
    pub fn spawned_at(&self) -> Option<&'static Location<'static>> {
        Some(self.0.task.as_ref()?.spawned_at)
    }

    /// Takes the payload itself; `None` if another clone has taken it.
    ///
    /// # Examples
    /// ```
    /// let payload = arborio_task::Payload::new(Box::new(7));
    /// assert_eq!(*payload.take().unwrap().downcast::<i32>().unwrap(), 7);
    /// assert!(payload.take().is_none());
    /// ```
    pub fn take(&self) -> Option<Box<dyn Any + Send>> {
        self.0
            .raised
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Goes on panicking with the payload, or with the message if another
    /// clone has taken the payload. The panic hook is not called again.
    ///
    /// # Panics
    /// Always; that is what it is for.
    ///
    /// # Examples
    /// ```
    /// let payload = arborio_task::Payload::new(Box::new("again"));
    /// let caught = std::panic::catch_unwind(|| payload.resume()).unwrap_err();
    /// assert_eq!(*caught.downcast::<&str>().unwrap(), "again");
    /// ```
    pub fn resume(self) -> ! {
        let raised = self.take();
        resume_unwind(raised.unwrap_or_else(|| Box::new(self.message().to_owned())))
    }
}

/// The message, and the task with its name and place, if it is known.
impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        let Some(task) = &self.0.task else {
            return Ok(());
        };
        f.write_str(" (task ")?;
        write_name(f, task.name.as_deref())?;
        write!(f, "{})", task.spawned_at)
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Payload").field(&self.message()).finish()
    }
}

/// Who asked a task to end, where, and on what ground.
///
/// # Examples
/// ```
/// use arborio_task::{Reason, ReasonKind};
/// let reason = Reason::new(ReasonKind::Abort);
/// assert_eq!(reason.kind(), ReasonKind::Abort);
/// assert!(reason.location().file().ends_with(".rs"));
/// ```
#[derive(Clone)]
pub struct Reason(Arc<ReasonRecord>);

struct ReasonRecord {
    kind: ReasonKind,
    requester: Requester,
    location: &'static Location<'static>,
}

/// The ground on which a task is asked to end.
///
/// # Examples
/// ```
/// assert_eq!(arborio_task::ReasonKind::Abort.to_string(), "aborted");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReasonKind {
    /// A request that the task may answer.
    Cancel,
    /// `abort`: a request that it may not.
    Abort,
    /// A deadline passed.
    Deadline,
    /// A sibling failed, and the scope with it.
    ScopeFailed,
    /// Everything the scope waits for has ended.
    ScopeEnded,
    /// The loop is stopping.
    Stop,
    /// Somebody has pressed Ctrl-C, and the loop was told to end then.
    CtrlC,
}

impl fmt::Display for ReasonKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cancel => "cancelled",
            Self::Abort => "aborted",
            Self::Deadline => "out of time",
            Self::ScopeFailed => "its scope failed",
            Self::ScopeEnded => "its scope has ended",
            Self::Stop => "its loop is stopping",
            Self::CtrlC => "ended with Ctrl-C",
        })
    }
}

/// Who makes a request: a task, or a thread outside of every task.
///
/// # Examples
/// ```
/// use arborio_task::{Reason, ReasonKind, Requester};
/// let reason = Reason::new(ReasonKind::Cancel);
/// assert!(matches!(reason.requester(), Requester::Thread { .. }));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Requester {
    /// The task that was running.
    Task {
        /// Its name, if it has one.
        name: Option<Cow<'static, str>>,
        /// Where it was spawned.
        spawned_at: &'static Location<'static>,
    },
    /// The thread, which ran no task.
    Thread {
        /// Its name, if it has one.
        name: Option<String>,
    },
}

impl fmt::Display for Requester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task {
                name: Some(name), ..
            } => write!(f, "task `{name}`"),
            Self::Task {
                name: None,
                spawned_at,
            } => write!(f, "the task spawned at {spawned_at}"),
            Self::Thread { name: Some(name) } => write!(f, "thread `{name}`"),
            Self::Thread { name: None } => f.write_str("an unnamed thread"),
        }
    }
}

impl Reason {
    /// A request that the caller makes, here and now.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{Reason, ReasonKind};
    /// assert_eq!(Reason::new(ReasonKind::Cancel).kind(), ReasonKind::Cancel);
    /// ```
    #[track_caller]
    pub fn new(kind: ReasonKind) -> Self {
        let requester = crate::tasks::running_task().unwrap_or_else(|| Requester::Thread {
            name: std::thread::current().name().map(str::to_owned),
        });
        Self(Arc::new(ReasonRecord {
            kind,
            requester,
            location: Location::caller(),
        }))
    }

    /// On what ground.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{Reason, ReasonKind};
    /// assert_eq!(Reason::new(ReasonKind::Stop).kind(), ReasonKind::Stop);
    /// ```
    pub fn kind(&self) -> ReasonKind {
        self.0.kind
    }

    /// By whom.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{Reason, ReasonKind};
    /// let thread = std::thread::Builder::new().name("warden".into());
    /// let reason = thread.spawn(|| Reason::new(ReasonKind::Abort)).unwrap().join().unwrap();
    /// assert_eq!(reason.requester().to_string(), "thread `warden`");
    /// ```
    pub fn requester(&self) -> &Requester {
        &self.0.requester
    }

    /// Where in the source the request was made.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{Reason, ReasonKind};
    /// assert!(Reason::new(ReasonKind::Abort).location().line() > 0);
    /// ```
    pub fn location(&self) -> &'static Location<'static> {
        self.0.location
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReasonRecord {
            kind,
            requester,
            location,
        } = &*self.0;
        match kind {
            ReasonKind::CtrlC => write!(f, "{kind}"), // the thread and the place that heard it say nothing
            _ => write!(f, "{kind} by {requester} at {location}"),
        }
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reason({self})")
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_who_and_where_unless_somebody_pressed_ctrl_c() {
        let reason = Reason::new(ReasonKind::Abort);
        let (by, at) = (reason.requester(), reason.location());
        assert_eq!(reason.to_string(), format!("aborted by {by} at {at}"));
        let reason = Reason::new(ReasonKind::CtrlC);
        assert_eq!(reason.to_string(), "ended with Ctrl-C");
    }

    #[test]
    fn interrupts_are_the_same_if_they_are_clones_or_say_the_same() {
        let all = || {
            let panic: Box<dyn Any + Send> = Box::new("no bread");
            [
                Interrupt::Cancelled(Reason::new(ReasonKind::Cancel)),
                Interrupt::Panicked(Payload::new(panic)),
                Interrupt::TimedOut,
                Interrupt::Stopped,
            ]
        };
        let (some, others) = (all(), all());
        for (at, one) in some.iter().enumerate() {
            for (place, other) in some.iter().enumerate() {
                assert_eq!(one.is_same(&other.clone()), at == place, "{one}, {other}");
            }
            for (place, other) in others.iter().enumerate() {
                let said = at == place && at >= 2; // requests and panics are different ones
                assert_eq!(one.is_same(other), said, "{one}, {other}");
            }
        }
    }
}
