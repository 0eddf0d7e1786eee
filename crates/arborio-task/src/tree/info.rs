//! What is known of one task, and of one scope.

use std::{borrow::Cow, fmt, panic::Location, time::Duration};

use super::lines::Escaped;
use crate::{
    cell::TaskRef,
    hub::Hub,
    interrupt::{Interrupt, Reason, ReasonKind, Requester},
    local::Flags,
    request, side,
};

/// What is known of a task that has not ended.
///
/// How old it is, is not known: a task has no room for the time of its birth.
///
/// # Examples
/// ```
/// use arborio_task::{NoNotify, TaskState, Tasks};
/// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
/// tasks.run_main(async {}, |running| {
///     let [main] = &running.snapshot()[..] else { panic!("one task") };
///     assert_eq!(main.name.as_deref(), Some("main"));
///     assert_eq!(main.state, TaskState::New);
/// });
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskInfo {
    /// The task's name, if it has one.
    pub name: Option<Cow<'static, str>>,
    /// Where it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// What it is doing.
    pub state: TaskState,
    /// Whether its loop, or its scope, waits for it.
    pub awaited: bool,
    /// How it was asked to end, as long as it has not answered: the [`Reason`] in it says
    /// by whom, where, and on what ground.
    pub asked: Option<Interrupt>,
}

/// What a task that has not ended is doing.
///
/// # Examples
/// ```
/// assert_eq!(arborio_task::TaskState::Waiting.to_string(), "waiting");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// Never polled yet.
    New,
    /// In the queue.
    Ready,
    /// Being polled, or dropped.
    Running,
    /// Waits for a wake.
    Waiting,
    /// Was asked to end, and is not running: it waits for its turn, or cleans up.
    Cancelling,
    /// Has begun, and is with the loop of another thread, or on its way there: whether it runs or
    /// waits cannot be seen from here.
    Elsewhere,
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "new",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Cancelling => "cancelling",
            Self::Elsewhere => "elsewhere",
        })
    }
}

impl TaskInfo {
    /// `None` if the task has ended. The owner asks.
    pub(crate) fn of(hub: &Hub, task: TaskRef) -> Option<Self> {
        let seen = task.local.seen();
        if seen.any(Flags::DONE) {
            return None;
        }
        let asked = request::request(task);
        let state = if seen.any(Flags::ENDING) || hub.polling.get() == Some(task) {
            TaskState::Running
        } else if asked.is_some() {
            TaskState::Cancelling
        } else if !seen.any(Flags::STARTED) {
            TaskState::New
        } else if seen.any(Flags::QUEUED) {
            TaskState::Ready
        } else {
            TaskState::Waiting
        };
        Some(Self {
            name: side::name(task),
            spawned_at: task.spawned_at,
            state,
            awaited: !seen.any(Flags::DAEMON),
            asked,
        })
    }

    /// The same for anybody else: what the flags say at one moment. Whether the task is
    /// being polled only its loop knows, and the request of its node, too.
    pub(crate) fn seen_abroad(task: TaskRef) -> Option<Self> {
        let seen = task.local.seen_abroad();
        if seen.any(Flags::DONE) {
            return None;
        }
        let asked = side::request(task);
        let state = if seen.any(Flags::HOMEWARD) {
            TaskState::Elsewhere
        } else if seen.any(Flags::ENDING) {
            TaskState::Running
        } else if asked.is_some() || seen.any(Flags::ABORT) {
            TaskState::Cancelling
        } else if !seen.any(Flags::STARTED) {
            TaskState::New
        } else if seen.any(Flags::QUEUED) {
            TaskState::Ready
        } else {
            TaskState::Elsewhere
        };
        Some(Self {
            name: side::name(task),
            spawned_at: task.spawned_at,
            state,
            awaited: !seen.any(Flags::DAEMON),
            asked,
        })
    }
}

impl fmt::Display for TaskInfo {
    /// One line, whatever the name is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task ")?;
        write_name(f, self.name.as_deref())?;
        write!(f, "({}", self.state)?;
        if let Some(asked) = &self.asked {
            write!(f, ": {}", Why(asked))?;
        }
        if !self.awaited {
            f.write_str(", not awaited")?;
        }
        write!(f, ") {}", self.spawned_at)
    }
}

/// What is known of a scope that is open.
///
/// # Examples
/// ```
/// use arborio_task::{ScopeInfo, ScopeStage};
/// use std::{panic::Location, time::Duration};
/// let mut info = ScopeInfo::new(Location::caller());
/// info.name = Some("server".into());
/// info.age = Some(Duration::from_millis(3200));
/// assert_eq!(info.stage, ScopeStage::Running);
/// assert!(info.to_string().starts_with("scope `server` (running, 3.2s old) "));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ScopeInfo {
    /// The scope's name, if it has one.
    pub name: Option<Cow<'static, str>>,
    /// Where it was opened.
    pub opened_at: &'static Location<'static>,
    /// How far it is.
    pub stage: ScopeStage,
    /// How long ago it was opened, on the clock of its loop. On the real clock it may be a few
    /// milliseconds too much.
    pub age: Option<Duration>,
    /// How much time is left until its own deadline; zero if that has passed. `None` if
    /// it has none; it may end earlier with what it hangs on.
    pub remaining: Option<Duration>,
    /// Why it is asked to end, if it is: the [`Reason`] in it says by whom and where.
    pub asked: Option<Interrupt>,
    /// How many tasks hang on it that have not ended, without those of scopes below.
    pub tasks: usize,
    /// Whether what it hangs on waits for it.
    pub awaited: bool,
}

impl ScopeInfo {
    /// A running scope without tasks, that was opened at this place.
    pub const fn new(opened_at: &'static Location<'static>) -> Self {
        Self {
            name: None,
            opened_at,
            stage: ScopeStage::Running,
            age: None,
            remaining: None,
            asked: None,
            tasks: 0,
            awaited: true,
        }
    }
}

impl fmt::Display for ScopeInfo {
    /// One line, whatever the name is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scope ")?;
        write_name(f, self.name.as_deref())?;
        write!(f, "({}", self.stage)?;
        if let Some(asked) = &self.asked {
            write!(f, ": {}", Why(asked))?;
        }
        if let Some(age) = self.age {
            write!(f, ", {} old", Short(age))?;
        }
        match self.remaining {
            Some(Duration::ZERO) => f.write_str(", deadline passed")?,
            Some(remaining) => write!(f, ", deadline in {}", Short(remaining))?,
            None => {}
        }
        if !self.awaited {
            f.write_str(", not awaited")?;
        }
        write!(f, ") {}", self.opened_at)
    }
}

/// How far a scope is.
///
/// # Examples
/// ```
/// assert_eq!(arborio_task::ScopeStage::Finishing.to_string(), "finishing");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScopeStage {
    /// Its body has not ended.
    Running,
    /// Its body has ended, and it waits for its tasks.
    Finishing,
    /// What it waits for has ended; the others are asked to end.
    Closing,
    /// It has a reason to end before its time: it has failed, or was asked to. Everything in it is asked to end.
    Ending,
    /// Its future was dropped; its tasks are asked to end.
    Orphaned,
}

impl fmt::Display for ScopeStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Finishing => "finishing",
            Self::Closing => "closing",
            Self::Ending => "ending",
            Self::Orphaned => "orphaned",
        })
    }
}

pub(crate) fn write_name(f: &mut fmt::Formatter<'_>, name: Option<&str>) -> fmt::Result {
    name.map_or(Ok(()), |name| write!(f, "`{}` ", Escaped(name)))
}

/// A time with one decimal.
struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_zero() {
            return f.write_str("0s");
        }
        write!(f, "{:.1?}", self.0)
    }
}

/// Why something is asked to end, in a few words.
struct Why<'a>(&'a Interrupt);

impl fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Interrupt::Cancelled(reason) => write_reason(f, reason),
            Interrupt::TimedOut => f.write_str("out of time"),
            Interrupt::Panicked(payload) => {
                write!(f, "panicked: {}", Escaped(payload.message()))
            }
            Interrupt::ScopeFailed => f.write_str("it has failed"),
            Interrupt::Closed => f.write_str("closed"),
            Interrupt::Stopped => f.write_str("its loop is stopping"),
            Interrupt::NoThread(error) => write!(f, "no thread: {}", Escaped(&error.to_string())),
        }
    }
}

/// As the display of a [`Reason`], whatever the name is.
fn write_reason(f: &mut fmt::Formatter<'_>, reason: &Reason) -> fmt::Result {
    let by = By(reason.requester());
    match reason.kind() {
        kind @ ReasonKind::CtrlC => write!(f, "{kind}"),
        kind => write!(f, "{kind} by {by} at {}", reason.location()),
    }
}

/// As the display of a [`Requester`], whatever the name is.
pub(super) struct By<'a>(pub(super) &'a Requester);

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Requester::Task {
                name: Some(name), ..
            } => write!(f, "task `{}`", Escaped(name)),
            Requester::Thread { name: Some(name) } => write!(f, "thread `{}`", Escaped(name)),
            unnamed => unnamed.fmt(f),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::interrupt::Payload;

    /// What stands between the brackets.
    fn said(info: &impl fmt::Display) -> String {
        let line = info.to_string();
        let (_, rest) = line.split_once('(').expect("a bracket opens");
        let (said, _) = rest.rsplit_once(") ").expect("a bracket closes");
        said.to_owned()
    }

    fn scope() -> ScopeInfo {
        ScopeInfo::new(Location::caller())
    }

    #[test]
    fn times_are_told_with_one_decimal() {
        let mut info = scope();
        info.age = Some(Duration::from_micros(2340));
        info.remaining = Some(Duration::from_millis(1260));
        assert_eq!(said(&info), "running, 2.3ms old, deadline in 1.3s");
        info.age = Some(Duration::ZERO);
        info.remaining = Some(Duration::ZERO);
        assert_eq!(said(&info), "running, 0s old, deadline passed");
    }

    #[test]
    fn each_reason_why_something_is_asked_to_end_has_its_words() {
        let refused = std::io::Error::other("none`left");
        let words = [
            (Interrupt::TimedOut, "out of time"),
            (
                Interrupt::Panicked(Payload::new(Box::new("no\nbread"))),
                r"panicked: no\nbread",
            ),
            (Interrupt::ScopeFailed, "it has failed"),
            (Interrupt::Closed, "closed"),
            (Interrupt::Stopped, "its loop is stopping"),
            (
                Interrupt::NoThread(std::sync::Arc::new(refused)),
                r"no thread: none\`left",
            ),
        ];
        for (asked, words) in words {
            let mut info = scope();
            info.asked = Some(asked.clone());
            assert_eq!(said(&info), format!("running: {words}"));
            let task = TaskInfo {
                name: None,
                spawned_at: Location::caller(),
                state: TaskState::Cancelling,
                awaited: false,
                asked: Some(asked),
            };
            assert_eq!(said(&task), format!("cancelling: {words}, not awaited"));
        }
    }

    #[test]
    fn who_has_asked_is_told_whatever_the_name_is() {
        let spawned_at = Location::caller();
        let names = [
            (
                Requester::Task {
                    name: Some("a`b".into()),
                    spawned_at,
                },
                r"task `a\`b`".to_owned(),
            ),
            (
                Requester::Task {
                    name: None,
                    spawned_at,
                },
                format!("the task spawned at {spawned_at}"),
            ),
            (
                Requester::Thread {
                    name: Some("a\nb".into()),
                },
                r"thread `a\nb`".to_owned(),
            ),
            (
                Requester::Thread { name: None },
                "an unnamed thread".to_owned(),
            ),
        ];
        for (requester, name) in names {
            assert_eq!(By(&requester).to_string(), name);
        }
        let thread = std::thread::Builder::new().name("ward\ten".into());
        let reason = thread.spawn(|| Reason::new(ReasonKind::Cancel)).unwrap();
        let reason = reason.join().unwrap();
        let mut info = scope();
        let place = reason.location();
        info.asked = Some(Interrupt::Cancelled(reason));
        let words = format!(r"running: cancelled by thread `ward\ten` at {place}");
        assert_eq!(said(&info), words);
        info.asked = Some(Interrupt::Cancelled(Reason::new(ReasonKind::CtrlC)));
        assert_eq!(said(&info), "running: ended with Ctrl-C");
    }
}
