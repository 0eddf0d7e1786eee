//! A member of a group: the handle that everybody shares, and where its outcome lies.
//!
//! # States
//! | state   | `outcome` | `task`                  | next                              |
//! |---------|-----------|-------------------------|-----------------------------------|
//! | pending | empty     | the handle of its task  | done: `end`, once                 |
//! | done    | is there  | nobody                  | -                                 |
//!
//! # Invariants
//! - M1: the outcome is written once, with `state` locked, so who finds it empty under
//!   the lock may leave a waker or a place, and `end` will see that.
//! - M2: who holds the lock of a group may take that of a member, never the other way
//!   round; no foreign code runs under either.
//!
//! # Where the handle of its task is
//! On a pool the task may end on another worker before its spawner has brought the handle.
//!
//! | `task`   | meaning                                   | brought: `set_task`             |
//! |----------|-------------------------------------------|---------------------------------|
//! | Nobody   | not brought yet, or it has ended          | lies here                       |
//! | Own      | here                                      | -                               |
//! | Added    | here; a watcher polls it                  | -                               |
//! | Lent     | who aborts has it, and brings it back     | lies here                       |
//! | Untold   | the future is gone, and nobody knows why  | tells when the task has ended   |

use std::{
    fmt, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use arborio_base::{WakeBatch, drop_contained};
use arborio_task::{Interrupt, Reason, ReasonKind, SpawnOptions, Task, try_spawn};

use super::{
    book::Roster,
    ending::{Later, spawn_in_scope},
    shelf::{Key, Shelf},
};
use crate::ApplyTimeout;

/// A member of a [`TaskGroup`](super::TaskGroup).
///
/// A clone is another handle of the same member. Dropping handles neither ends the member
/// nor takes it out of its group.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::TaskGroup;
/// run(async {
///     let group = TaskGroup::new();
///     let member = group.spawn(async { 7 });
///     assert!(member.outcome().is_none(), "not yet");
///     assert_eq!(*member.wait().await.as_ref().unwrap(), 7);
///     assert!(member.is_finished());
/// });
/// ```
pub struct Member<T>(Arc<MemberCell<T>>);

struct MemberCell<T> {
    outcome: OnceLock<Result<T, Interrupt>>,
    later: Later<T>,
    state: Mutex<MemberState<T>>,
}

struct MemberState<T> {
    task: Running<T>,
    /// The group that it was made in. Most members are in one group only.
    home: Option<Place<T>>,
    /// Groups that it was added to.
    others: Vec<Place<T>>,
    /// Those who wait for this member.
    waiters: Shelf<Option<Waker>, 1>,
    /// A panic is none of ours: it goes where that of any other task goes.
    let_go: bool,
}

/// What can end the member.
pub(super) enum Running<T> {
    Nobody,
    /// It was spawned by the group, and tells its outcome itself.
    Own(Task<()>),
    /// It was added; a watcher tells its outcome.
    Added(Task<T>),
    /// Somebody aborts it.
    Lent,
    /// Its future was dropped, and its handle was not here.
    Untold,
}

/// Where in a group a member is.
struct Place<T> {
    group: Weak<Roster<T>>,
    key: Key,
}

impl<T> Place<T> {
    fn is_in(&self, group: &Arc<Roster<T>>) -> bool {
        std::ptr::eq(self.group.as_ptr(), Arc::as_ptr(group))
    }
}

impl<T> Clone for Place<T> {
    fn clone(&self) -> Self {
        Self {
            group: Weak::clone(&self.group),
            key: self.key,
        }
    }
}

impl<T> Member<T> {
    /// Has `later` tell why it has ended, if nothing of its future is left to do so.
    pub(crate) fn new(later: Later<T>) -> Self {
        Self(Arc::new(MemberCell {
            outcome: OnceLock::new(),
            later,
            state: Mutex::new(MemberState {
                task: Running::Nobody,
                home: None,
                others: Vec::new(),
                waiters: Shelf::new(),
                let_go: false,
            }),
        }))
    }

    fn state(&self) -> MutexGuard<'_, MemberState<T>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has ended, in whatever way.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     let member = group.spawn(async {});
    ///     assert!(!member.is_finished());
    ///     group.wait_all().await;
    ///     assert!(member.is_finished());
    /// });
    /// ```
    pub fn is_finished(&self) -> bool {
        self.outcome().is_some()
    }

    /// How it has ended; `None` while it has not.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::TaskGroup;
    /// run(async {
    ///     let group = TaskGroup::new();
    ///     let member = group.spawn(async { panic!("no luck") });
    ///     group.wait_all().await;
    ///     let ended: &Result<(), _> = member.outcome().unwrap();
    ///     assert_eq!(ended.as_ref().unwrap_err().to_string(), "the task panicked: no luck");
    /// });
    /// ```
    pub fn outcome(&self) -> Option<&Result<T, Interrupt>> {
        self.0.outcome.get()
    }

    /// The outcome itself, if this is the last handle of a member that has ended. The
    /// group has one, too, unless the member was popped.
    ///
    /// # Errors
    /// The member. If it [is finished](Self::is_finished), somebody else has a handle.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_scope::TaskGroup;
    /// run(async {
    ///     let group = TaskGroup::new();
    ///     let member = group.spawn(async { String::from("mine") });
    ///     let member = member.into_outcome().unwrap_err();
    ///     assert!(!member.is_finished(), "it has not run yet");
    ///     group.wait_all().await;
    ///     let member = member.into_outcome().unwrap_err();
    ///     assert!(member.is_finished(), "the group has a handle of it");
    ///     drop(group.pop_done());
    ///     assert_eq!(member.into_outcome().unwrap().unwrap(), "mine");
    /// });
    /// ```
    pub fn into_outcome(self) -> Result<Result<T, Interrupt>, Self> {
        if !self.is_finished() {
            return Err(self);
        }
        let cell = Arc::try_unwrap(self.0).map_err(Self)?;
        Ok(cell.outcome.into_inner().expect("it has ended"))
    }

    /// Waits until the member has ended.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing, and does not end the member.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// let group = arborio_scope::TaskGroup::new();
    /// let sum = run(async {
    ///     let one = group.spawn(async { 1 });
    ///     one.wait().await.clone().unwrap() + one.wait().await.clone().unwrap()
    /// });
    /// assert_eq!(sum, 2);
    /// ```
    pub async fn wait(&self) -> &Result<T, Interrupt> {
        let waiting = WaitingFor {
            member: self,
            seat: Seat::default(),
        };
        waiting.await;
        self.outcome().expect("it has ended")
    }

    /// Asks the member to end, as [`Task::cancel`] does. False if it had ended.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     let member = group.spawn(std::future::pending::<()>());
    ///     assert!(member.cancel());
    ///     assert!(member.wait().await.is_err());
    ///     assert!(!member.cancel());
    /// });
    /// ```
    #[track_caller]
    pub fn cancel(&self) -> bool {
        !self.is_finished()
            && self.cancel_with(&Interrupt::Cancelled(Reason::new(ReasonKind::Cancel)))
    }

    /// The same, with what it gives then.
    pub(crate) fn cancel_with(&self, end: &Interrupt) -> bool {
        // A request wakes a task of ours, or is a message to its loop: no foreign code (M2).
        match &self.state().task {
            Running::Own(task) => task.cancel_with(end.clone()),
            Running::Added(task) => task.cancel_with(end.clone()),
            Running::Nobody | Running::Lent | Running::Untold => false,
        }
    }

    /// Nobody looks at its outcome any more: a panic goes where that of any other task goes whose handle was
    /// dropped. One that has come already does so as that of a task which is spawned for it.
    pub(crate) fn let_go(&self) {
        let mut state = self.state();
        state.let_go = true;
        let task = mem::replace(&mut state.task, Running::Nobody);
        drop(state);
        drop(task);
        if let Some(Err(Interrupt::Panicked(payload))) = self.outcome() {
            let payload = payload.clone();
            let panic = async move { payload.resume() };
            let spawned = spawn_in_scope(panic);
            drop(spawned.or_else(|panic| try_spawn::<_>(panic, SpawnOptions::new())));
        }
    }

    pub(super) fn is_let_go(&self) -> bool {
        self.state().let_go
    }

    /// Polls the task that was added.
    pub(super) fn poll_added(&self, cx: &mut Context<'_>) -> Poll<Result<T, Interrupt>> {
        match &mut self.state().task {
            Running::Added(task) => Pin::new(task).poll(cx),
            _ => {
                cx.waker().wake_by_ref(); // it is aborted on another thread, and comes back
                Poll::Pending
            }
        }
    }

    /// The outcome of the task that was added, which nobody watches any more.
    pub(super) fn take_added(&self) -> Result<T, Interrupt> {
        let outcome = match &mut self.state().task {
            Running::Added(task) => task.try_take(),
            _ => None,
        };
        outcome.unwrap_or(Err(Interrupt::Stopped))
    }

    /// It has ended: tells its groups, and then everybody who waits. This handle is gone
    /// before they know.
    pub(super) fn end(self, outcome: Result<T, Interrupt>) {
        let mut batch = WakeBatch::new();
        let mut state = self.state();
        if self.0.outcome.set(outcome).is_err() {
            unreachable!("a member ends once");
        }
        let task = mem::replace(&mut state.task, Running::Nobody);
        let mut next = state.waiters.first(0);
        while let Some(key) = next {
            next = state.waiters.after(key);
            if let Some(waker) = state.waiters.get_mut(key).take() {
                batch.push(waker);
            }
        }
        let (home, others) = (state.home.clone(), state.others.clone());
        drop(state);
        drop_contained((self, task));
        for place in home.into_iter().chain(others) {
            if let Some(group) = place.group.upgrade() {
                group.note_end(place.key, &mut batch);
                drop_contained(group); // it may be the last handle by now
            }
        }
        batch.wake_all();
    }

    /// Notes that it is in `group`. The group is locked (M2).
    pub(super) fn enter(&self, group: &Arc<Roster<T>>, key: Key) {
        let place = Place {
            group: Arc::downgrade(group),
            key,
        };
        let mut state = self.state();
        match &state.home {
            None => state.home = Some(place),
            Some(_) => state.others.push(place),
        }
    }

    /// Whether it is in `group`.
    pub(super) fn is_in(&self, group: &Arc<Roster<T>>) -> bool {
        let state = self.state();
        let mut places = state.home.iter().chain(&state.others);
        places.any(|place| place.is_in(group))
    }

    /// Notes that it is not in `group` any more. The group is locked (M2).
    pub(super) fn leave(&self, group: &Arc<Roster<T>>) {
        let mut state = self.state();
        state.home.take_if(|place| place.is_in(group));
        state.others.retain(|place| !place.is_in(group));
    }
}

/// A place among those who wait for a member.
#[derive(Default)]
pub(crate) struct Seat(Option<Key>);

impl<T> Member<T> {
    /// Waits until it has ended, in this place.
    pub(crate) fn poll_end(&self, seat: &mut Seat, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_finished() {
            return Poll::Ready(());
        }
        let waker = Some(cx.waker().clone()); // foreign code: before the lock
        let mut state = self.state();
        if self.is_finished() {
            drop(state);
            return Poll::Ready(()); // M1
        }
        let old = match seat.0 {
            Some(key) => mem::replace(state.waiters.get_mut(key), waker),
            None => {
                seat.0 = Some(state.waiters.push(0, waker));
                None
            }
        };
        drop(state);
        drop(old); // foreign code: after the lock
        Poll::Pending
    }

    /// Does not wait any more.
    pub(crate) fn rise(&self, seat: &mut Seat) {
        if let Some(key) = seat.0.take() {
            let waker = self.state().waiters.remove(key);
            drop(waker); // the lock is free again
        }
    }
}

/// Waits for one member.
struct WaitingFor<'a, T> {
    member: &'a Member<T>,
    seat: Seat,
}

impl<T> Future for WaitingFor<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let member = self.member;
        member.poll_end(&mut self.seat, cx)
    }
}

impl<T> Drop for WaitingFor<'_, T> {
    fn drop(&mut self) {
        self.member.rise(&mut self.seat);
    }
}

impl<T: 'static> Member<T> {
    /// Ends the member without asking it, as [`Task::abort`] does.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_task::{Interrupt, ReasonKind};
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     let member = group.spawn(std::future::pending::<()>());
    ///     member.abort();
    ///     let Err(Interrupt::Cancelled(reason)) = member.wait().await else { panic!() };
    ///     assert_eq!(reason.kind(), ReasonKind::Abort);
    /// });
    /// ```
    pub fn abort(&self) {
        let mut state = self.state();
        let lent = match &state.task {
            Running::Own(_) | Running::Added(_) => mem::replace(&mut state.task, Running::Lent),
            _ => return,
        };
        drop(state); // destructors run now, and find what they need (M2)
        match &lent {
            Running::Own(task) => task.abort(),
            Running::Added(task) => task.abort(),
            _ => unreachable!("it was here"),
        }
        self.set_task(lent);
    }

    /// What can end it, from now on; dropped if it has ended already.
    pub(super) fn set_task(&self, task: Running<T>) {
        let mut state = self.state();
        let before = mem::replace(&mut state.task, Running::Nobody);
        if self.is_finished() {
            drop(state);
            drop(task);
            return;
        }
        match (before, task) {
            (Running::Untold, Running::Own(task)) => {
                drop(state);
                (self.0.later)(self.clone(), task);
            }
            (_, task) => state.task = task,
        }
    }

    /// Its future was dropped: tells why when its task has ended, or has who brings the
    /// handle do so. Nobody does so for one that was let go, and nobody asks.
    pub(super) fn end_untold(self) {
        let mut state = self.state();
        let Running::Own(task) = mem::replace(&mut state.task, Running::Nobody) else {
            state.task = Running::Untold;
            return;
        };
        drop(state);
        (self.0.later)(self, task);
    }
}

impl<T> ApplyTimeout for Member<T> {
    fn apply_timeout(&self, limit: std::time::Duration) -> bool {
        // A timer is armed, or a message sent: no foreign code (M2).
        match &self.state().task {
            Running::Own(task) => task.apply_timeout(limit),
            Running::Added(task) => task.apply_timeout(limit),
            Running::Nobody | Running::Lent | Running::Untold => false,
        }
    }
}

impl<T> Clone for Member<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> PartialEq for Member<T> {
    /// Whether they are the same member.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Eq for Member<T> {}

impl<T: fmt::Debug> fmt::Debug for Member<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("outcome", &self.outcome())
            .finish_non_exhaustive()
    }
}
