//! A group of tasks that collects: it never raises what its members raise.
//!
//! [`book`] knows who is in it and who waits for what, [`member`] is one of them,
//! [`ending`] how the end of one becomes known.

mod book;
mod ending;
mod exhaust;
mod member;
mod shelf;
mod spawn;
mod wait;

pub use book::Exhausted;
pub(crate) use ending::{Later, tell_local, tell_sent};
pub use exhaust::Exhaust;
pub use member::Member;
pub(crate) use member::Seat;
pub(crate) use spawn::{Spawner, spawn_on, spawn_sent_on};
pub(crate) use wait::FirstFailure;

use std::{fmt, sync::Arc};

use arborio_base::WakeBatch;
use arborio_task::{Interrupt, Reason, ReasonKind, SpawnOptions, Task, try_spawn};

use self::{
    book::{Roster, Served},
    ending::Watch,
    member::Running,
};
use crate::scope::AnyScope;

/// Tasks that somebody collects: all of them, the first, those that fail.
///
/// A group is no scope. It never raises an error or a panic of a member: both wait in
/// the member's handle. Dropping the group neither waits for its members nor ends them.
/// They are tasks of the scope that was current where the group was made, or of the
/// loop: that is who waits for them.
///
/// A clone is another handle of the same group; members may use it. Handles may be sent
/// to other threads if `T` is `Send` and `Sync`.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::TaskGroup;
/// run(async {
///     let group = TaskGroup::new();
///     group.spawn(async { Ok(1) });
///     group.spawn(async { Err("two") });
///     let failed = group.wait_error().await.unwrap();
///     assert_eq!(*failed.outcome().unwrap().as_ref().unwrap(), Err("two"));
///     group.wait_all().await;
///     assert_eq!(group.len(), 2);
/// });
/// ```
pub struct TaskGroup<T> {
    roster: Arc<Roster<T>>,
    /// Where its members hang; `None` is the root of the loop.
    scope: Option<AnyScope>,
}

impl<T> TaskGroup<T> {
    /// A group without members, in the current scope.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_scope::TaskGroup::<()>::new().is_empty());
    /// ```
    pub fn new() -> Self {
        Self {
            roster: Arc::new(Roster::new()),
            scope: AnyScope::current(),
        }
    }

    /// Whether a member has ended and was not popped.
    ///
    /// # Examples
    /// ```
    /// assert!(!arborio_scope::TaskGroup::<()>::new().has_done());
    /// ```
    pub fn has_done(&self) -> bool {
        self.roster.book().done() > 0
    }

    /// Whether a member has not ended.
    ///
    /// # Examples
    /// ```
    /// assert!(!arborio_scope::TaskGroup::<()>::new().has_pending());
    /// ```
    pub fn has_pending(&self) -> bool {
        self.roster.book().pending() > 0
    }

    /// How many members there are, those included that have ended.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_scope::TaskGroup::<()>::new().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        let book = self.roster.book();
        book.done() + book.pending()
    }

    /// Whether there is no member.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_scope::TaskGroup::<()>::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The members there are now: those that have ended, in that order, and then the
    /// others in the order in which they came.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     let (one, two) = (group.spawn(async {}), group.spawn(async {}));
    ///     assert!(group.iter().eq([one, two]));
    /// });
    /// ```
    pub fn iter(&self) -> std::vec::IntoIter<Member<T>> {
        let members = self.roster.book().all_members();
        members.into_iter()
    }

    /// Takes the member out that has ended first; `None` if nobody has.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_scope::TaskGroup::<()>::new().pop_done().is_none());
    /// ```
    pub fn pop_done(&self) -> Option<Member<T>> {
        self.roster.book().pop_done(&self.roster)
    }

    /// Asks every member to end that has not, as [`Task::cancel`] does, and gives their
    /// number. Members that are added later are not asked.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     group.spawn(std::future::pending::<()>());
    ///     assert_eq!(group.cancel_all(), 1);
    ///     group.wait_all().await;
    /// });
    /// ```
    #[track_caller]
    pub fn cancel_all(&self) -> usize {
        let pending = self.roster.book().pending_members();
        if pending.is_empty() {
            return 0;
        }
        let end = Interrupt::Cancelled(Reason::new(ReasonKind::Cancel));
        let asked = pending.iter().filter(|member| member.cancel_with(&end));
        asked.count()
    }

    /// Another name of [`cancel_all`](Self::cancel_all): one that has ended cannot be
    /// asked.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_scope::TaskGroup::<()>::new().cancel_pending(), 0);
    /// ```
    #[track_caller]
    pub fn cancel_pending(&self) -> usize {
        self.cancel_all()
    }

    /// Runs `body`. If that fails, panics or is dropped, every member is asked to end;
    /// nobody waits for that here.
    ///
    /// # Errors
    /// The error of `body`.
    ///
    /// # Cancel safety
    /// If the future is dropped after its first poll, the members are asked to end.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     let member = group.spawn(std::future::pending::<()>());
    ///     let failed = group.cancel_on_error(async |_| Err::<(), _>("no")).await;
    ///     assert_eq!(failed, Err("no"));
    ///     assert!(member.wait().await.is_err());
    /// });
    /// ```
    pub async fn cancel_on_error<'g, R, E, B, F>(&'g self, body: B) -> Result<R, E>
    where
        // Not an `AsyncFnOnce`: the future of one has no name, and this one would not be `Send` if `T` had a
        // lifetime, as `Box<dyn Error>` and `&'static str` have.
        B: FnOnce(&'g Self) -> F,
        F: Future<Output = Result<R, E>>,
    {
        let guard = CancelOnDrop(self);
        let value = body(self).await?;
        std::mem::forget(guard);
        Ok(value)
    }
}

/// Asks the members of a group to end.
struct CancelOnDrop<'a, T>(&'a TaskGroup<T>);

impl<T> Drop for CancelOnDrop<'_, T> {
    fn drop(&mut self) {
        self.0.cancel_all();
    }
}

impl<T: 'static> TaskGroup<T> {
    /// Spawns `future` as a task, and adds it. On a pool it runs on any worker.
    ///
    /// If the scope of the group is closed, the future is dropped, and the member ends with
    /// [`Interrupt::Closed`].
    ///
    /// The output is `Sync`, too, as everybody who has a handle of the member sees it;
    /// [`spawn_local`](Self::spawn_local) takes all others.
    ///
    /// # Panics
    /// If the group is in no scope, and no loop runs on this thread.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     let member = group.spawn(async { 5 });
    ///     assert_eq!(*member.wait().await.as_ref().unwrap(), 5);
    /// });
    /// ```
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> Member<T>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + Sync,
    {
        self.spawn_by(future, spawn_sent_on, tell_sent)
    }

    /// As [`spawn`](Self::spawn), for a future that need not be `Send`: it stays on this
    /// thread. A scope that belongs to another thread is closed for it.
    ///
    /// # Panics
    /// As `spawn`.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use std::rc::Rc;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::new();
    ///     let member = group.spawn_local(async { Rc::new("here") });
    ///     assert_eq!(**member.wait().await.as_ref().unwrap(), "here");
    /// });
    /// ```
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> Member<T>
    where
        F: Future<Output = T> + 'static,
    {
        self.spawn_by(future, spawn_on, tell_local)
    }

    #[track_caller]
    pub(crate) fn spawn_by<F>(
        &self,
        future: F,
        spawner: impl Spawner<F>,
        later: Later<T>,
    ) -> Member<T>
    where
        F: Future<Output = T> + 'static,
    {
        let member = Member::new(later);
        self.enlist(member.clone());
        member.run_on(self.scope.as_ref(), future, spawner);
        member
    }

    /// Adds a future, which is [spawned](Self::spawn); a [`Task`]; or a member of another
    /// group. One that has ended counts at once, one that is a member already counts once.
    ///
    /// # Panics
    /// As [`spawn`](Self::spawn), unless it is a member, or a task that has ended.
    ///
    /// # Examples
    /// ```
    /// # use arborio_executor::doc::run;
    /// use arborio_timers::sleep;
    /// use std::time::Duration;
    /// run(async {
    ///     let group = arborio_scope::TaskGroup::<()>::new();
    ///     let nap = group.add(sleep(Duration::from_millis(1)));
    ///     let task = group.add(arborio_executor::spawn(async {}));
    ///     group.add(nap);
    ///     group.wait_all().await;
    ///     assert_eq!(group.len(), 2);
    /// });
    /// ```
    #[track_caller]
    pub fn add<A: IntoMember<T, How>, How>(&self, what: A) -> Member<T> {
        what.into_member(self)
    }

    fn enlist(&self, member: Member<T>) {
        let (mut served, mut batch) = (Served::default(), WakeBatch::new());
        let mut book = self.roster.book();
        book.add(&self.roster, member, &mut served);
        drop(book);
        served.tell(&mut batch);
        batch.wake_all();
    }
}

/// What can be [added](TaskGroup::add) to a group. `How` is for the compiler, which
/// tells futures from the others by it.
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// use arborio_scope::{IntoMember, TaskGroup};
/// fn add_twice<How>(group: &TaskGroup<u8>, what: impl IntoMember<u8, How>) {
///     let member = group.add(what);
///     group.add(member);
/// }
/// run(async {
///     let group = TaskGroup::new();
///     add_twice(&group, async { 1 });
///     add_twice(&group, arborio_executor::spawn(async { 2 }));
///     assert_eq!(group.len(), 2);
/// });
/// ```
pub trait IntoMember<T, How> {
    /// Adds it to `group`.
    fn into_member(self, group: &TaskGroup<T>) -> Member<T>;
}

/// A future that is `Send`, which becomes a task; see [`IntoMember`].
#[derive(Debug)]
pub enum Spawned {}

/// A task, or a member of a group; see [`IntoMember`].
#[derive(Debug)]
pub enum Added {}

impl<F> IntoMember<F::Output, Spawned> for F
where
    F: Future + Send + 'static,
    F::Output: Send + Sync + 'static,
{
    #[track_caller]
    fn into_member(self, group: &TaskGroup<F::Output>) -> Member<F::Output> {
        group.spawn(self)
    }
}

impl<T: 'static> IntoMember<T, Added> for Task<T> {
    #[track_caller]
    fn into_member(mut self, group: &TaskGroup<T>) -> Member<T> {
        let member = Member::new(tell_local);
        if let Some(outcome) = self.try_take() {
            member.clone().end(outcome);
            group.enlist(member.clone());
            return member;
        }
        member.set_task(Running::Added(self));
        group.enlist(member.clone());
        let watch = Watch::new(member.clone());
        // Nobody waits for a watcher, only for the task.
        let watcher = try_spawn(watch, SpawnOptions::new().awaited(false));
        assert!(
            watcher.is_ok(),
            "no Arborio loop runs on this thread: a group spawns on one"
        );
        member
    }
}

impl<T: 'static> IntoMember<T, Added> for Member<T> {
    fn into_member(self, group: &TaskGroup<T>) -> Self {
        group.enlist(self.clone());
        self
    }
}

impl<T> Clone for TaskGroup<T> {
    fn clone(&self) -> Self {
        Self {
            roster: Arc::clone(&self.roster),
            scope: self.scope.clone(),
        }
    }
}

impl<T> Default for TaskGroup<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> IntoIterator for &TaskGroup<T> {
    type Item = Member<T>;
    type IntoIter = std::vec::IntoIter<Member<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> fmt::Debug for TaskGroup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pending, done) = {
            let book = self.roster.book();
            (book.pending(), book.done())
        };
        f.debug_struct("TaskGroup")
            .field("pending", &pending)
            .field("done", &done)
            .finish_non_exhaustive()
    }
}
