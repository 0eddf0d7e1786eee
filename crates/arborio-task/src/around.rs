//! Who stands around the polls of a loop: what is to be set up before each poll of a task, and taken down after it.
//!
//! A loop that nobody stands around pays one look for a slice of polls ([`Running::run_some`](crate::Running::run_some)); its
//! polls know nothing of this file. With somebody, a task is *met* at its first poll, and what comes of that is kept
//! in its side record until it has ended. So it goes with the task, also to another worker.
//!
//! All code here is foreign but for the poll itself: its panics are contained, and the poll takes place whatever it does.

use std::{any::Any, borrow::Cow, panic::Location, sync::Arc, task::Poll};

use arborio_base::{contain, drop_contained};

use crate::{branch::Branch, cell::TaskRef, hub::Hub, side};

/// What [`AroundPolls::meet`] has made of a task.
pub type Note = Arc<dyn Any + Send + Sync>;

/// How a poll ended: what was raised in it, if it panicked.
type Polled = Result<Poll<()>, Box<dyn Any + Send>>;

/// Stands around the polls of a loop; see [`Tasks::stand_around`](crate::Tasks::stand_around).
///
/// # Examples
/// ```
/// use arborio_task::{AroundPolls, MetTask, NoNotify, Note, Tasks};
/// use std::sync::{Arc, Mutex};
/// /// Writes down who is polled.
/// struct Log(Mutex<Vec<String>>);
/// impl AroundPolls for Log {
///     fn meet(&self, task: &MetTask) -> Note {
///         Arc::new(task.name.clone().unwrap_or_default().into_owned())
///     }
///     fn around(&self, note: &Note, poll: &mut dyn FnMut()) {
///         let name = note.downcast_ref::<String>().unwrap();
///         self.0.lock().unwrap().push(format!("{name} begins"));
///         poll();
///         self.0.lock().unwrap().push(format!("{name} ends"));
///     }
/// }
/// let log = Arc::new(Log(Mutex::default()));
/// let tasks = Tasks::new(Arc::new(NoNotify));
/// tasks.stand_around(log.clone());
/// tasks.run_main(async {}, |running| while running.run_next() {}).1.unwrap();
/// assert_eq!(*log.0.lock().unwrap(), ["main begins", "main ends"]);
/// ```
pub trait AroundPolls: Send + Sync {
    /// Called once for each task, before its first poll. What it gives comes back at each of its polls, and is
    /// dropped after the last one; if the task ends otherwise, with its memory.
    fn meet(&self, task: &MetTask) -> Note;

    /// Calls `poll`, once, which does not panic.
    fn around(&self, note: &Note, poll: &mut dyn FnMut());
}

/// A task that is about to be polled for the first time.
///
/// # Examples
/// See [`AroundPolls`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MetTask {
    /// Its name, if it has one.
    pub name: Option<Cow<'static, str>>,
    /// Where in the source it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// The scopes that it hangs on, the innermost first.
    pub scopes: Vec<MetScope>,
}

/// A scope around a task that is met.
///
/// # Examples
/// See [`AroundPolls`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MetScope {
    /// Which one it is.
    pub key: ScopeKey,
    /// Its name, if it has one.
    pub name: Option<Cow<'static, str>>,
    /// Where in the source it was opened.
    pub opened_at: &'static Location<'static>,
}

/// Tells the scopes of a process apart.
///
/// # Examples
/// See [`AroundPolls`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ScopeKey {
    /// Of what builds on the branch: no other one has it at the same time.
    pub(crate) address: usize,
    /// How many branches its loop had before: another one at the same address has another number.
    pub(crate) number: u64,
}

/// A task that is polled, as those around it know it.
pub(crate) enum Subject {
    Known(Note),
    Met(MetTask),
}

impl Subject {
    /// The owner asks, and `task` is noted as the one that is polled.
    pub(crate) fn of(task: TaskRef) -> Self {
        side::note(task).map_or_else(|| Self::Met(meet(task)), Self::Known)
    }

    /// Polls `task` with `poll`, and `around` around it.
    pub(crate) fn poll(
        self,
        around: &dyn AroundPolls,
        task: TaskRef,
        poll: impl Fn(TaskRef) -> Polled,
    ) -> Polled {
        let note = match self {
            Self::Known(note) => Some(note),
            Self::Met(met) => {
                let note = contain(|| around.meet(&met));
                side::set_note(task, note.clone());
                note
            }
        };
        let mut polled = None;
        if let Some(note) = &note {
            let mut once = || {
                polled.get_or_insert_with(|| poll(task));
            };
            contain(|| around.around(note, &mut once));
        }
        let polled = polled.unwrap_or_else(|| poll(task));
        if !matches!(polled, Ok(Poll::Pending)) {
            drop_contained(side::take_note(task)); // nothing is borrowed
        }
        drop_contained(note);
        polled
    }
}

#[cold]
fn meet(task: TaskRef) -> MetTask {
    MetTask {
        name: side::name(task),
        spawned_at: task.spawned_at,
        scopes: Branch::described_around(),
    }
}

/// Polls `task` with `poll`, and whoever stands around the polls of `hub` around it.
#[inline(always)]
pub(crate) fn poll_at(hub: &Hub, task: TaskRef, poll: impl Fn(TaskRef) -> Polled) -> Polled {
    match hub.around.get() {
        None => poll(task),
        Some(around) => Subject::of(task).poll(&**around, task, poll),
    }
}
