//! What the loops of a pool know of each other: who has work, who sleeps, and when all is done.
//!
//! A pool is a *team* of event loops, its workers. Each has its own tasks, timers and I/O, and touches
//! them without atomic operations like a loop that is alone; what a team adds is that ready tasks move from
//! one who has several to one who has none. The latter asks, and the former gives between two of
//! its polls ([`Running::give`]). Nobody takes from one who answers; who is stuck in a long poll is found out by those who
//! sleep, who look again every few milliseconds, and what is ready behind that poll is
//! [rescued](arborio_task::Running::rescue).
//!
//! # Files
//! | file          | what a worker does there                                        |
//! |---------------|-----------------------------------------------------------------|
//! | this one      | [`Team`]: what all of them share                                |
//! | `worker.rs`   | is seen by the others, asked and notified                       |
//! | `seat.rs`     | [`Seat`]: knows of itself, and counts itself and its tasks (T4) |
//! | `sleeping.rs` | lies down, rises, and looks again in time (T6)                  |
//! | `asking.rs`   | looks for work: asks, waits a little, withdraws (T1, T3)        |
//! | `lookout.rs`  | looks after each poll whether somebody wants something (T2)     |
//! | `giving.rs`   | answers who asks, and sends to who sleeps                       |
//! | `rescuing.rs` | does what one who is in a long poll cannot do                   |
//! | `model.rs`    | all of that in a model, without time or a world outside         |
//!
//! # Words
//! | word              | says                                                     | who changes it                |
//! |-------------------|----------------------------------------------------------|-------------------------------|
//! | `control`         | a bit for each worker who sleeps, and SEARCH: somebody looks for work, or was woken to | [`Seat::lie_down`], [`Seat::rise`], [`Seat::search`], [`Seat::offer`] |
//! | `timed`           | a bit for each sleeper who looks again after [`WATCH`]    | [`Seat::watch`], [`Seat::rise`] |
//! | `asked_by`, one for each worker | who asks for work: a number plus one, or 0; and URGENT if the poll that it found takes long | the one who asks sets and withdraws, the one who is asked clears |
//! | `says_long`, one for each worker | its polls tend to be long: who has nothing to do looks at its I/O before it asks, and while it sleeps | that worker |
//! | `attended`        | a bit for each worker whose I/O ends the sleep of another one because its polls are long: one is enough | [`Seat::attend`], [`Seat::rise`] |
//! | `busy`            | workers that have awaited tasks, and tasks in transit    | [`Seat::count`], [`Seat::give`] |
//! | `end`             | whether the workers end: when their own tasks have ended, or after asking them to | [`Team::end`], upwards only |
//!
//! # Invariants
//! - T1: at most one worker has SEARCH: the one who set it, or the one whose sleep bit was cleared together with
//!   setting it. It clears it when it has found something or nothing.
//! - T2: who has two ready tasks looks at `control` after each poll. So it does not matter if it misses somebody
//!   who is lying down: it looks again, or it has nothing to give any more.
//! - T3: a request is answered, withdrawn, or both are tried and one wins: `asked_by` is changed back
//!   by exactly one exchange. Who asks withdraws before it goes on with something else, and may sleep until then.
//! - T4: a task is counted in `busy` all the time: by its worker's one, or in transit by its own. Who gives it or
//!   sends it from elsewhere adds it before the task leaves, the receiver takes it off after counting itself; who rescues one that is in transit leaves its count alone. So `busy` is zero only if no
//!   awaited task is left anywhere, and then for ever: only tasks spawn tasks. (What threads outside of the team
//!   send is the exception, and may come too late, as at the end of every loop.)
//! - T5: a worker looks at `end` before each sleep, after it has said how it is reached; whoever changes `end` notifies
//!   everybody that can be reached then. A fence on both sides: one of the two sees the other.
//! - T6: while a worker polls some sleeper is timed, if there are any: the poll may turn out to be long. Who
//!   sleeps untimed has said so before it looks for somebody awake, and who rises has said so before it looks for
//!   somebody timed, with a fence on both sides; it looks before its first poll, and not if it just goes to sleep again. Who finds
//!   nobody makes one sleeper timed, and notifies it.
//!
//! [`Running::give`]: arborio_task::Running::give
//! [`WATCH`]: sleeping::WATCH

mod asking;
mod giving;
mod lookout;
#[cfg(any(loom, shuttle))]
#[doc(hidden)]
pub mod model;
mod rescuing;
mod seat;
mod sleeping;
#[cfg(all(test, not(loom)))]
mod tests;
mod worker;

use std::sync::{Mutex, PoisonError};

use arborio_base::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence},
};
use arborio_task::{Payload, Submitter};

pub use seat::Seat;
use worker::Worker;

/// The most workers that a team has: the bits of `control` but one.
pub const MAX_WORKERS: usize = 63;
/// Somebody looks for work.
const SEARCH: u64 = 1 << 63;
/// In `asked_by`: who asks has seen that the poll goes on for a while.
const URGENT: usize = 1 << 8;
/// Stands in `asked_by` of a worker that has left: nobody asks it.
const GONE: usize = usize::MAX;

/// The workers of a pool. See the head of this file.
///
/// # Examples
/// ```
/// assert_eq!(arborio_executor::Team::new(2).len(), 2);
/// ```
#[derive(Debug)]
pub struct Team {
    control: Padded<AtomicU64>,
    timed: Padded<AtomicU64>,
    attended: Padded<AtomicU64>,
    busy: Arc<AtomicUsize>,
    end: AtomicU8,
    /// The first panic that nobody observed.
    panic: Mutex<Option<Payload>>,
    workers: Box<[Padded<Worker>]>,
}

/// How the workers of a team end.
///
/// # Examples
/// See [`Team::end`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Each when the awaited tasks that it has by then have ended.
    WhenDone,
    /// Each asks its tasks to end.
    Asked,
}

/// On cache lines of its own.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Padded<T>(T);

impl Team {
    /// A team of `workers`, none of which has started.
    ///
    /// # Panics
    /// If there are none, or more than [`MAX_WORKERS`].
    ///
    /// # Examples
    /// ```
    /// let team = arborio_executor::Team::new(4);
    /// assert!(team.ending().is_none());
    /// ```
    pub fn new(workers: usize) -> Self {
        assert!(
            (1..=MAX_WORKERS).contains(&workers),
            "a team has 1 to {MAX_WORKERS} workers, not {workers}"
        );
        Self {
            control: Padded(AtomicU64::new(0)),
            timed: Padded(AtomicU64::new(0)),
            attended: Padded(AtomicU64::new(0)),
            busy: Arc::new(AtomicUsize::new(0)),
            end: AtomicU8::new(0),
            panic: Mutex::new(None),
            workers: (0..workers).map(|_| Padded::default()).collect(),
        }
    }

    /// How many workers it has.
    ///
    /// # Examples
    /// See [`Team`].
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.workers.len()
    }

    /// How its workers end; `None` while they go on.
    ///
    /// # Examples
    /// See [`end`](Self::end).
    pub fn ending(&self) -> Option<Ending> {
        match self.end.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Ending::WhenDone),
            _ => Some(Ending::Asked),
        }
    }

    /// Its workers end. Once they are asked, they are not only waited for any more.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{Ending, Team};
    /// let team = Team::new(4);
    /// assert_eq!(team.ending(), None);
    /// team.end(Ending::Asked);
    /// team.end(Ending::WhenDone);
    /// assert_eq!(team.ending(), Some(Ending::Asked));
    /// ```
    pub fn end(&self, ending: Ending) {
        let new = match ending {
            Ending::WhenDone => 1,
            Ending::Asked => 2,
        };
        if self.end.fetch_max(new, Ordering::AcqRel) < new {
            fence(Ordering::SeqCst); // T5
            for worker in &self.workers {
                worker.0.notify();
            }
        }
    }

    /// A panic that nobody observed ends everything.
    pub(crate) fn fail(&self, panic: Payload) {
        let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(panic);
        drop(first);
        self.end(Ending::Asked);
    }

    /// The panic that ends everything, if there was one and nobody took it. For the first worker, and for who has
    /// waited for all of them.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_executor::Team::new(2).take_panic().is_none());
    /// ```
    pub fn take_panic(&self) -> Option<Payload> {
        let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        first.take()
    }

    /// How tasks are sent to each worker that has started.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_executor::Team::new(2).inboxes().is_empty(), "nobody has");
    /// ```
    pub fn inboxes(&self) -> Vec<Submitter> {
        let reached = self
            .workers
            .iter()
            .filter_map(|worker| worker.0.reached.get());
        reached.map(|reached| reached.inbox.clone()).collect()
    }

    /// Whether no worker has an awaited task (T4).
    fn is_quiet(&self) -> bool {
        // Acquire: what the tasks did comes before.
        self.busy.load(Ordering::Acquire) == 0
    }
}
