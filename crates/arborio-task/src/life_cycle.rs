//! A task's life on its owner's thread: spawn, wake, poll, end, free.
//!
//! No function here does an atomic read-modify-write, except where a thread
//! abroad has had a part in the task before.
//!
//! User code runs inside `poll`, inside the drop of a future or an outcome, and
//! inside foreign wakers. It may call anything here again, so every word is in
//! order before it is called, and nothing that was read before is trusted
//! afterwards.

mod cancelling;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    task::{Context, Poll},
};

use arborio_base::{budget, drop_contained, sync::atomic::Ordering};

use crate::{
    abroad,
    around::{self, Subject},
    cell::{Birth, FutureGone, TaskRef, layout_of},
    current, endings, guests,
    hub::Hub,
    inbox::Mail,
    interrupt::{Interrupt, Payload},
    local::{Flags, Seen},
    locals, moving,
    node::Node,
    request,
    shared::{Message, Orphaned, SharedWord},
    side::{self, Manner, Name, Side},
    waker,
};

/// Futures and outcomes that are dropped inside each other, before the rest waits
/// for its turn in the queue: a chain of tasks that abort each other from their
/// destructors, or that hold each other's handles, must not use up the stack.
pub(crate) const MAX_DROP_DEPTH: u32 = 32;

/// How a task is spawned.
#[derive(Clone, Debug)]
pub struct SpawnOptions {
    pub(crate) name: Option<Name>,
    pub(crate) awaited: bool,
    pub(crate) observed: bool,
    pub(crate) roving: bool,
    pub(crate) spawned_at: &'static Location<'static>,
}

impl SpawnOptions {
    /// An unnamed task that its loop waits for, spawned where this is called.
    ///
    /// # Examples
    /// ```
    /// let options = arborio_task::SpawnOptions::new().name("greeter").awaited(false);
    /// assert!(format!("{options:?}").contains("greeter"));
    /// ```
    #[track_caller]
    #[inline(always)]
    pub fn new() -> Self {
        Self {
            name: None,
            awaited: true,
            observed: false,
            roving: false,
            spawned_at: Location::caller(),
        }
    }

    /// Names the task.
    ///
    /// # Examples
    /// ```
    /// let options = arborio_task::SpawnOptions::new().name(format!("worker {}", 7));
    /// assert!(format!("{options:?}").contains("worker 7"));
    /// ```
    pub fn name(mut self, name: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Whether the loop waits for the task before it ends. One that is not
    /// awaited is dropped when every awaited task has ended.
    ///
    /// # Examples
    /// ```
    /// let options = arborio_task::SpawnOptions::new().awaited(false);
    /// assert!(format!("{options:?}").contains("awaited: false"));
    /// ```
    pub fn awaited(mut self, awaited: bool) -> Self {
        self.awaited = awaited;
        self
    }

    /// Whether somebody will look at the outcome for sure: then a panic waits in the handle
    /// from the start, instead of going to the loop if nobody has polled the handle yet.
    ///
    /// # Examples
    /// ```
    /// let options = arborio_task::SpawnOptions::new().observed(true);
    /// assert!(format!("{options:?}").contains("observed: true"));
    /// ```
    pub fn observed(mut self, observed: bool) -> Self {
        self.observed = observed;
        self
    }

    /// The task may move to another loop of its pool, before its first poll and between two polls, until
    /// something binds it to its loop: task-locals, a branch that it enters, a frame, a callback.
    ///
    /// Only where the future and its output are `Send`.
    #[inline(always)]
    pub(crate) fn roving(mut self) -> Self {
        self.roving = true;
        self
    }

    #[inline(always)]
    fn flags(&self) -> Flags {
        let mut flags = Flags::NONE;
        if !self.awaited {
            flags = flags.and(Flags::DAEMON);
        }
        if self.observed {
            flags = flags.and(Flags::OBSERVED);
        }
        if self.roving {
            flags = flags.and(Flags::ROVING);
        }
        flags
    }

    /// What a task on `hub` with these options is made of.
    #[inline(always)]
    fn birth(self, hub: *const Hub, flags: Flags, shared: SharedWord, references: i64) -> Birth {
        Birth {
            hub,
            spawned_at: self.spawned_at,
            shared,
            flags: self.flags().and(flags),
            references,
            side: Side::for_name(self.name),
        }
    }
}

impl Default for SpawnOptions {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

/// Makes a task and queues it. Two references: LIVE and JOIN.
///
/// # Safety
/// The owner calls, and ends the loop before anything that `future` borrows.
#[inline(always)]
pub(crate) unsafe fn spawn<F: Future>(hub: &Hub, future: F, options: SpawnOptions) -> TaskRef {
    // SAFETY: the root lies in the hub, which outlives the task's end.
    unsafe { spawn_on(hub, &hub.root, future, options) }
}

/// The same on any node. The task has the task-locals that are set here.
///
/// # Safety
/// As for `spawn`, and the node outlives the task's end.
#[inline(always)]
pub(crate) unsafe fn spawn_on<F: Future>(
    hub: &Hub,
    node: &Node,
    future: F,
    options: SpawnOptions,
) -> TaskRef {
    let memory = hub.cache().allocate(layout_of::<F>());
    let birth = options.birth(hub.address(), Flags::QUEUED, SharedWord::new(), 2);
    let task = TaskRef::create(memory, birth, future);
    // SAFETY: says the caller.
    unsafe { node.adopt(task) };
    hub.queue.push(task); // L1
    if locals::any() {
        inherit(hub, task);
    }
    task
}

/// `task`, which is new, gets the task-locals that are set here. They stay on this thread,
/// so a task that may leave it gets none.
#[cold]
fn inherit(hub: &Hub, task: TaskRef) {
    if hub.migrates.get() {
        return;
    }
    task.local.set(Flags::BOUND);
    side::set_values(task, locals::snapshot());
    task.become_heir();
}

/// A task that has ended before it began. One reference: JOIN.
pub(crate) fn spawn_ended<F: Future>(hub: &Hub, options: SpawnOptions, end: Interrupt) -> TaskRef {
    let memory = hub.cache().allocate(layout_of::<F>());
    let flags = Flags::DONE.and(Flags::INTERRUPTED);
    let birth = options.birth(hub.address(), flags, SharedWord::new(), 1);
    let task = TaskRef::create_ended::<F>(memory, birth, end);
    // SAFETY: as in `spawn`.
    unsafe { hub.root.adopt(task) };
    task
}

/// A task for a loop that another thread may own; it is brought there by a
/// push, which holds its PIN. Two references: LIVE and JOIN.
pub(crate) fn make_abroad<F: Future>(hub: *const Hub, future: F, options: SpawnOptions) -> TaskRef {
    let memory = crate::cache::allocate(layout_of::<F>());
    let birth = options.birth(hub, Flags::UNLINKED, SharedWord::new_in_transit(), 2);
    TaskRef::create(memory, birth, future)
}

/// Queues `task` if it wants to be polled and is not queued.
#[inline(always)]
pub(crate) fn wake(hub: &Hub, task: TaskRef) {
    if task.local.mark_queued() {
        hub.queue.push(task); // L1
    }
}

/// Gives one reference up.
#[inline(always)]
pub(crate) fn release(hub: &Hub, task: TaskRef) {
    if task.local.drop_reference() {
        last_local_reference(hub, task);
    }
}

/// The owner counts no reference any more. Frees the task, or finds out who
/// abroad still refers to it (S3, L4).
fn last_local_reference(hub: &Hub, task: TaskRef) {
    if task.shared.is_quiet() {
        return free(hub, task);
    }
    let taken = task.shared.take_count();
    task.local.add_references(taken.count());
    if task.local.seen().count() != 0 || taken.is_claimed() {
        return;
    }
    free(hub, task);
    if taken.is_orphan() {
        // It was submitted too late and counted the hub by itself. Relaxed: the
        // loop's own reference keeps the hub alive.
        hub.refs.fetch_sub(1, Ordering::Relaxed);
    }
}

fn free(hub: &Hub, task: TaskRef) {
    // SAFETY: the owner calls, and the cell is still allocated.
    unsafe { arborio_base::unlink(task.links()) };
    // SAFETY: nobody else refers to the task.
    unsafe { side::free(task) };
    let (memory, layout) = task.end_life();
    // SAFETY: every cell comes from the cache's allocation functions.
    unsafe { hub.cache().free(memory, layout) };
}

/// Polls ready tasks, oldest first, until none is left, `limit` were polled, or
/// the root calls for attention. Returns how many were polled.
///
/// A function of its own, never inlined: how its loop is laid out then does not
/// depend on the executor around it.
#[inline(never)]
pub(crate) fn run_some(hub: &Hub, limit: u32) -> u32 {
    run_some_with(hub, limit, run_next_alone)
}

/// The same with somebody around each poll.
#[cold]
#[inline(never)]
pub(crate) fn run_some_around(hub: &Hub, limit: u32) -> u32 {
    run_some_with(hub, limit, run_next_around)
}

#[inline(always)]
fn run_some_with(hub: &Hub, limit: u32, run_next: impl Fn(&Hub) -> bool) -> u32 {
    let mut polls = 0;
    hub.polling.begin_slice();
    while polls < limit && run_next(hub) {
        polls += 1;
        if hub.root.wants_attention() {
            break;
        }
    }
    hub.meter.add_polls(polls);
    polls
}

/// Polls the task that has waited longest. False if none is ready.
#[inline(always)]
pub(crate) fn run_next(hub: &Hub) -> bool {
    match hub.around.get() {
        None => run_next_alone(hub),
        Some(_) => run_next_around(hub),
    }
}

#[inline(always)]
fn run_next_alone(hub: &Hub) -> bool {
    run_next_with(hub, poll)
}

/// The same with somebody around the poll.
#[cold]
fn run_next_around(hub: &Hub) -> bool {
    run_next_with(hub, |task| around::poll_at(hub, task, poll))
}

/// The same for a worker, which lets go of its hub meanwhile.
#[inline(always)]
pub(crate) fn run_next_as_worker(hub: &Hub) -> bool {
    run_next_with(hub, |task| let_go_to(hub, || poll(task)))
}

/// The same with somebody around the poll, who does not have the hub, either.
#[cold]
pub(crate) fn run_next_around_as_worker(hub: &Hub) -> bool {
    run_next_with(hub, |task| {
        let Some(around) = hub.around.get() else {
            return let_go_to(hub, || poll(task));
        };
        let subject = Subject::of(task);
        let_go_to(hub, || subject.poll(&**around, task, poll))
    })
}

/// Lets go of the hub of a worker as long as `poll` takes.
#[inline(always)]
fn let_go_to<R>(hub: &Hub, poll: impl FnOnce() -> R) -> R {
    // Relaxed: only we count.
    let polls = hub.polls.load(Ordering::Relaxed);
    hub.polls.store(polls.wrapping_add(1), Ordering::Relaxed);
    current::let_go(hub);
    let polled = poll();
    current::take_back(hub);
    polled
}

#[inline(always)]
fn run_next_with(
    hub: &Hub,
    poll: impl FnOnce(TaskRef) -> Result<Poll<()>, Box<dyn Any + Send>>,
) -> bool {
    let Some(task) = hub.queue.pop() else {
        return false;
    };
    let seen = task.local.seen();
    if seen.any(Flags::DONE.and(Flags::ABORT)) {
        turn_of_ended(hub, task);
        return true;
    }
    task.local.change_from(seen, Flags::QUEUED, Flags::STARTED);
    budget::refill();
    hub.polling.set(task); // L5
    let polled = poll(task);
    if polled.is_err() {
        task.local.set(Flags::ENDING); // its future has yet to be dropped
    }
    hub.polling.clear();
    match polled {
        Ok(Poll::Pending) if task.local.seen().any(Flags::ABORT) => {
            cancelling::asked_while_polled(hub, task);
        }
        Ok(Poll::Pending) => {}
        Ok(Poll::Ready(())) => finish(hub, task, Flags::NONE),
        Err(raised) => after_panic(hub, task, raised),
    }
    true
}

/// Polls the future of `task` and catches its panic.
#[inline(always)]
fn poll(task: TaskRef) -> Result<Poll<()>, Box<dyn Any + Send>> {
    let waker = waker::borrowed(task);
    let mut cx = Context::from_waker(&waker);
    // SAFETY: the owner calls; the task is not DONE, and everyone else keeps
    // from the future of the task that is being polled (L5).
    caught(|| unsafe { task.poll(&mut cx) })
}

/// Runs user code and catches its panic; a model's failure is let through.
#[inline(always)]
fn caught<R>(code: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    let caught = catch_unwind(AssertUnwindSafe(code));
    #[cfg(loom)]
    let caught = caught.map_err(|raised| {
        if !raised.is::<crate::life::UserPanic>() {
            std::panic::resume_unwind(raised);
        }
        raised
    });
    caught
}

#[cold]
fn after_panic(hub: &Hub, task: TaskRef, raised: Box<dyn Any + Send>) {
    let raised = match raised.downcast::<FutureGone>() {
        Ok(gone) => gone.0,
        Err(raised) => {
            let outer = hub.ending.replace(Some(task));
            // SAFETY: the poll is over, and nobody will touch the future again.
            arborio_base::contain(|| unsafe { task.drop_future() });
            hub.ending.set(outer);
            raised
        }
    };
    // SAFETY: the future is gone.
    unsafe { task.write_interrupt(Interrupt::Panicked(Payload::of(Some(task), raised))) };
    finish(hub, task, Flags::INTERRUPTED);
}

/// A queued task has ended, or shall end.
#[cold]
fn turn_of_ended(hub: &Hub, task: TaskRef) {
    task.local.clear(Flags::QUEUED);
    let seen = task.local.seen();
    if seen.any(Flags::DONE) {
        turn_of_done(hub, task);
    } else if seen.any(Flags::HOMEWARD) {
        guests::go_home(hub, task);
    } else {
        cancelling::turn(hub, task);
    }
}

/// Ends `task` as it was asked to.
#[cold]
fn end_by_request(hub: &Hub, task: TaskRef) {
    let end = if is_forgotten(task) {
        task.local.clear(Flags::BY_NODE); // the reason need not be fetched
        None
    } else {
        request::take(task)
    };
    interrupt(hub, task, end.unwrap_or(Interrupt::Stopped));
}

/// Ends `task` as soon as possible: at once, unless it is being polled (then
/// when the poll returns), or too many ends are under way inside each other
/// (then at its turn).
pub(crate) fn abort(hub: &Hub, task: TaskRef, end: Interrupt) {
    link(hub, task);
    let seen = task.local.seen();
    if seen.any(Flags::DONE) {
        return;
    }
    let busy = seen.any(Flags::ENDING) || hub.polling.get() == Some(task);
    let deep = hub.drop_depth.get() >= MAX_DROP_DEPTH;
    if !busy && !deep {
        let first = seen.any(Flags::ABORT).then(|| request::take(task));
        return interrupt(hub, task, first.flatten().unwrap_or(end));
    }
    request::note(task, end, Manner::Force);
    task.local.set(Flags::ABORT);
    if deep {
        wake(hub, task);
    }
}

/// Asks `task` to end: its handlers at its turn.
pub(crate) fn cancel(hub: &Hub, task: TaskRef, end: Interrupt) {
    link(hub, task);
    let seen = task.local.seen();
    if seen.any(Flags::DONE) {
        return;
    }
    request::note(task, end, Manner::Ask);
    ask(hub, task);
}

/// Asks every task of `node` to end but `spared`, and those that have: their handlers at
/// their turns. Runs no user code.
pub(crate) fn cancel_all(hub: &Hub, node: &Node, end: Interrupt, spared: Option<TaskRef>) {
    let other = node.leave_request(end);
    let mut next = node.children.first();
    while let Some(links) = next {
        // SAFETY: in this list: nothing has run meanwhile.
        next = unsafe { node.children.after(links) };
        let task = TaskRef::from_links(links);
        let seen = task.local.seen();
        if seen.any(Flags::DONE) || spared == Some(task) {
            continue;
        }
        if seen.any(Flags::AWAY) {
            if let Some(end) = other.clone().or_else(|| node.request()) {
                abroad::end(task, end, Manner::Ask);
            }
            continue;
        }
        if other.is_none() && !seen.any(Flags::ABORT) && !side::has_record(task) {
            task.local.set(Flags::BY_NODE); // Q2 of `request`
            ask(hub, task);
        } else if let Some(end) = other.clone().or_else(|| node.request()) {
            cancel(hub, task, end);
        }
    }
}

/// The request to ask `task` has been noted.
fn ask(hub: &Hub, task: TaskRef) {
    task.local.set(Flags::ABORT);
    let busy = task.local.seen().any(Flags::ENDING) || hub.polling.get() == Some(task);
    if !busy {
        wake(hub, task);
    }
}

/// Drops the future of `task`, which is not DONE and not being polled, and
/// puts `end` in its place, unless nobody will look there. If its destructor panics, that is
/// the outcome.
fn interrupt(hub: &Hub, task: TaskRef, end: Interrupt) {
    task.local.set(Flags::ENDING);
    hub.drop_depth.set(hub.drop_depth.get() + 1);
    let outer = hub.ending.replace(Some(task));
    // The code that asks for this may have task-locals, which are not those of `task`.
    // SAFETY: the owner calls; ENDING keeps everyone else from the future (L5).
    let dropped = caught(|| locals::outside(|| unsafe { task.drop_future() }));
    hub.ending.set(outer);
    let end = match dropped {
        Ok(()) if is_forgotten(task) => None,
        Ok(()) => Some(end),
        Err(raised) => Some(Interrupt::Panicked(Payload::of(Some(task), raised))),
    };
    match end {
        // SAFETY: the future is gone.
        Some(end) => unsafe { task.write_interrupt(end) },
        None => task.local.set(Flags::BARE),
    }
    finish(hub, task, Flags::INTERRUPTED);
    hub.drop_depth.set(hub.drop_depth.get() - 1); // awaiters may abort, too
}

/// Whether nobody has a handle of `task`, or was promised its outcome, and nothing is noted
/// of it that would have to be dropped.
fn is_forgotten(task: TaskRef) -> bool {
    let seen = task.local.seen();
    seen.any(Flags::DETACHED) && !seen.any(Flags::WATCHED) && !side::has_record(task)
}

/// The future is gone and the outcome stands in its place: tells everyone, and
/// gives LIVE up.
#[inline]
pub(crate) fn finish(hub: &Hub, task: TaskRef, how: Flags) {
    if how != Flags::NONE {
        if task.local.seen().any(Flags::AWAY) {
            return guests::turn_homeward(hub, task, how);
        }
        parent_of(task).child_interrupted();
        bubble_if_unobserved(task); // before a handle abroad may take it (L3)
    }
    let mut before = task.local.seen();
    if before.any(Flags::WATCHED.and(Flags::AWAY)) {
        if before.any(Flags::AWAY) {
            return guests::turn_homeward(hub, task, how);
        }
        // They see what nobody has taken. Last: who is woken above may add some, and none
        // may be left when DONE is set.
        endings::run(task, how != Flags::NONE);
        before = task.local.seen();
    }
    let asked = Flags::ABORT.and(Flags::CANCELLING).and(Flags::BY_NODE);
    let over = Flags::ENDING.and(Flags::WATCHED).and(asked);
    let seen = (task.local).change_from(before, over, Flags::DONE.and(how));
    if seen.any(Flags::DETACHED) && (how != Flags::NONE || task.drops_output()) {
        drop_outcome(hub, task);
    }
    if parent_of(task).child_ended(seen) {
        last_of_branch_ended(hub, task);
    } else {
        task.awaiter.wake(hub);
    }
    if seen.any(Flags::WAITED.and(Flags::FRAMED)) {
        tell_abroad(task, seen);
    }
    // A task that is DONE is queued only by `drop_outcome`, for a reference of
    // its own: what counts is what was seen above.
    if !seen.any(Flags::QUEUED) {
        release(hub, task); // LIVE; otherwise the place in the queue holds it
    }
}

/// The task has ended: so have its frames, and those who wait abroad are woken.
#[cold]
fn tell_abroad(task: TaskRef, seen: Seen) {
    if seen.any(Flags::WAITED) {
        side::wake_waiters(task);
    }
    side::end_frames(task);
}

/// `task` was the last of its branch: whoever waits for that is woken, too, and after
/// that the branch may be gone.
#[cold]
fn last_of_branch_ended(hub: &Hub, task: TaskRef) {
    let waiters = parent_of(task).last_ended(task);
    task.awaiter.wake(hub);
    hub.guests.let_go_of_empty();
    waiters.wake();
}

/// A panic that nobody observes goes up to the parent.
#[cold]
fn bubble_if_unobserved(task: TaskRef) {
    if task
        .local
        .seen()
        .any(Flags::OBSERVED.and(Flags::BUBBLED).and(Flags::BARE))
        || task.shared.is_subscribed()
    {
        return;
    }
    if side::is_silent(task) {
        return; // a callback has been told
    }
    // SAFETY: an interrupt is there and not taken; the owner calls before DONE
    // is set, or after the handle is gone (L3).
    if let Interrupt::Panicked(payload) = unsafe { task.interrupt() } {
        parent_of(task).bubble(payload.clone());
        task.local.set(Flags::BUBBLED);
    }
}

/// The node that `task` hangs on.
#[inline(always)]
pub(crate) fn parent_of<'a>(task: TaskRef) -> &'a crate::node::Node {
    // SAFETY: a node outlives the ends of its tasks, and the owner calls.
    unsafe { &*task.parent.get() }
}

/// Drops the outcome of a DONE task that has no join handle any more: at once,
/// or at the task's turn if too many are being dropped inside each other.
fn drop_outcome(hub: &Hub, task: TaskRef) {
    if !endings::none_is_left(hub, task) {
        return; // its turn drops it
    }
    if hub.drop_depth.get() < MAX_DROP_DEPTH {
        hub.drop_depth.set(hub.drop_depth.get() + 1);
        drop_outcome_now(task);
        hub.drop_depth.set(hub.drop_depth.get() - 1);
    } else {
        queue_done(hub, task);
    }
}

/// Has a task that is DONE have a turn.
pub(crate) fn queue_done(hub: &Hub, task: TaskRef) {
    if !task.local.seen().any(Flags::QUEUED) {
        task.local.add_reference(); // what a place in the queue holds when DONE
        task.local.set(Flags::QUEUED);
        hub.queue.push(task); // L1
    }
}

/// Drops the outcome of a DONE task that has no join handle any more.
fn drop_outcome_now(task: TaskRef) {
    let seen = task.local.seen();
    if seen.any(Flags::BARE) {
        return;
    }
    task.local.set(Flags::BARE);
    // SAFETY: L3: the task is DONE and DETACHED, and the owner calls.
    unsafe { task.drop_outcome(seen.any(Flags::INTERRUPTED)) };
}

/// A queued task that is DONE has its turn: does what was put off, and gives up
/// the reference that its place in the queue held.
fn turn_of_done(hub: &Hub, task: TaskRef) {
    let seen = task.local.seen();
    if seen.any(Flags::WATCHED) && !seen.any(Flags::ENDING) {
        endings::run_late(hub, task);
    }
    if task.local.seen().any(Flags::DETACHED) {
        drop_outcome(hub, task);
    }
    release(hub, task);
}

/// The join handle is dropped on the owner's thread.
#[inline]
pub(crate) fn detach(hub: &Hub, task: TaskRef) {
    let seen = task.local.seen();
    if !seen.any(Flags::DONE) && task.awaiter.is_empty() {
        let gone = (task.local).change_and_drop(seen, Flags::OBSERVED, Flags::DETACHED);
        if gone {
            last_local_reference(hub, task); // somebody abroad counts LIVE
        }
        return;
    }
    detach_with_care(hub, task);
}

/// The same for a task that has ended, or that somebody waits for.
fn detach_with_care(hub: &Hub, task: TaskRef) {
    task.local.change(Flags::OBSERVED, Flags::DETACHED);
    task.awaiter.forget(hub);
    handle_gone(hub, task);
    release(hub, task); // JOIN
}

/// What follows from DETACHED for a task that has ended.
#[inline]
fn handle_gone(hub: &Hub, task: TaskRef) {
    let seen = task.local.seen();
    if !seen.any(Flags::DONE) || seen.any(Flags::WATCHED) {
        return; // if it is WATCHED, its turn comes
    }
    if seen.any(Flags::INTERRUPTED) {
        bubble_if_unobserved(task);
    }
    drop_outcome(hub, task);
}

/// Does what threads abroad have asked for. Returns how many tasks it was.
pub(crate) fn settle_all(hub: &Hub, mail: impl IntoIterator<Item = TaskRef>) -> usize {
    mail.into_iter().map(|task| settle(hub, task)).count()
}

/// The same with the wakes permuted: `random(n)` gives a number below `n`.
pub(crate) fn settle_permuted(
    hub: &Hub,
    mail: Mail,
    random: &mut dyn FnMut(usize) -> usize,
) -> usize {
    let mut tasks: Vec<TaskRef> = mail.collect();
    let is_new = |task: &TaskRef| task.local.seen().any(Flags::UNLINKED);
    let places: Vec<usize> = (0..tasks.len())
        .filter(|&place| !is_new(&tasks[place]))
        .collect();
    for last in (1..places.len()).rev() {
        // A task that is not settled is lost, so `random` may not end this.
        let other = arborio_base::contain(|| random(last + 1)).unwrap_or(last);
        tasks.swap(places[last], places[other.min(last)]);
    }
    tasks.into_iter().map(|task| settle(hub, task)).count()
}

/// Hangs a task that was made abroad on the tree, if that was not done yet.
fn link(hub: &Hub, task: TaskRef) {
    if task.local.seen().any(Flags::UNLINKED) {
        task.local.clear(Flags::UNLINKED);
        moving::take_over(hub, task);
        // SAFETY: as in `spawn`; the task hangs on no node yet.
        unsafe { hub.root.adopt(task) };
    }
}

/// A thread abroad has asked `task` to end.
fn asked_abroad(hub: &Hub, task: TaskRef) {
    if task.local.seen().any(Flags::DONE) {
        return;
    }
    if crate::frames::root::look(task) {
        wake(hub, task); // what it was told by a dropped frame is for its turn
    }
    match request::manner(task) {
        None => {} // no request, or one that was swallowed meanwhile
        Some(Manner::Ask) => ask(hub, task),
        Some(Manner::Force) => {
            let end = request::take(task).unwrap_or(Interrupt::Stopped);
            abort(hub, task, end);
        }
    }
}

/// Does what threads abroad have asked of one task.
pub(crate) fn settle(hub: &Hub, task: TaskRef) {
    let moved = moving::take_over(hub, task);
    let settled = task.shared.settle();
    // One more for ourselves: user code below must not see the task freed.
    task.local.add_references(settled.count() + 1);
    let new = task.local.seen().any(Flags::UNLINKED);
    link(hub, task);
    if settled.says(Message::ABORT) {
        endings::carry_out(hub, task); // before any user code: it could take the outcome
    }
    if new && !moved && hub.sent.get().is_some() {
        hub.arrived.set(hub.arrived.get() + 1);
    }
    if new && hub.refusing.get() {
        abort(hub, task, Interrupt::Stopped);
    }
    if settled.says(Message::DETACH) {
        task.local.change(Flags::OBSERVED, Flags::DETACHED);
        task.awaiter.forget(hub); // who waited here before the handle went elsewhere
        handle_gone(hub, task);
    }
    if settled.says(Message::SUBSCRIBE) {
        let seen = task.local.seen();
        if seen.any(Flags::DONE) {
            if !seen.any(Flags::WATCHED) {
                side::wake_waiters_unless_ordered(task); // otherwise its turn does
            }
        } else if seen.any(Flags::DETACHED) {
            side::drop_waiters(task); // it waited, and then gave up
        } else {
            task.local.set(Flags::WAITED.and(Flags::OBSERVED));
        }
    }
    if settled.says(Message::ABORT) {
        asked_abroad(hub, task);
    }
    if task.local.seen().any(Flags::HOMEWARD) {
        guests::settled(hub, task);
    } else if settled.says(Message::WAKE) {
        wake(hub, task);
    }
    release(hub, task);
}

/// Ends the loop: every future is dropped, every task settled. The owner calls,
/// outside of every poll, and the loop is still the current one.
pub(crate) fn end_tasks(hub: &Hub) {
    hub.closing.set(true);
    settle_all(hub, hub.take_set_aside());
    guests::call_home(hub);
    while end_known_tasks(hub) {}
    // What was submitted last must have ended before its PIN is given up: a
    // pusher that finds the inbox closed takes the task for ended.
    let last = hub.inbox.close();
    let last: Vec<TaskRef> = last
        .filter(|&task| !guests::send_on_home(hub, task))
        .collect();
    last.iter().for_each(|&task| link(hub, task));
    while end_known_tasks(hub) {}
    last.into_iter().for_each(|task| settle(hub, task));
    while end_known_tasks(hub) || end_branches(hub) || hub.close_door() {}
}

/// Takes the branches, whose tasks have all ended, out of the tree. False if there
/// was none. What builds on them is foreign code, so there may be tasks again.
fn end_branches(hub: &Hub) -> bool {
    let branches = hub.branches.take();
    // All of them are gone before any foreign code runs.
    branches.iter().for_each(|(branch, _)| branch.orphan());
    (branches.iter()).for_each(|(branch, _)| branch.forget_task(hub));
    let did = !branches.is_empty();
    drop_contained(branches);
    hub.spares.clear();
    did
}

/// Ends every task of the tree and empties the queue. False if there was
/// nothing to do. After the last call no user code runs while the hub is the
/// current one: what it spawned would be orphaned by nobody.
fn end_known_tasks(hub: &Hub) -> bool {
    let mut did = end_tasks_of(hub, &hub.root);
    let mut place = 0;
    loop {
        let registered = hub.branches.borrow().get(place).cloned();
        let Some((branch, _)) = registered else { break };
        did |= end_tasks_of(hub, branch.node()) | branch.clear();
        place += 1;
    }
    while let Some(task) = hub.queue.pop() {
        did = true;
        task.local.clear(Flags::QUEUED);
        turn_of_done(hub, task); // every task of the queue is DONE by now
    }
    for panic in hub.root.take_panics() {
        did = true;
        drop_contained(panic); // it came too late for anybody to take it
    }
    did
}

/// Ends every task of one node. False if there was none.
fn end_tasks_of(hub: &Hub, node: &Node) -> bool {
    let mut did = false;
    while let Some(links) = node.children.first() {
        did = true;
        let task = TaskRef::from_links(links);
        task.local.add_reference(); // user code below must not see it freed
        if !task.local.seen().any(Flags::DONE) {
            end_by_request(hub, task);
        }
        leave_behind(hub, task);
        release(hub, task);
    }
    did
}

/// Moves a task that has ended out of its node, which may go before the task does.
pub(crate) fn leave_behind(hub: &Hub, task: TaskRef) {
    task.parent.set(&hub.root); // a panic in its handle goes there from now on
    // SAFETY: the owner calls, and the task is alive.
    unsafe { arborio_base::unlink(task.links()) };
    // SAFETY: as above, and it is in no list now.
    unsafe { hub.left_behind.push_back(task.links()) };
}

/// Leaves the tasks that are still referred to behind, each to its last
/// reference. The owner calls after `end_tasks`; the loop is not the current
/// one any more, so that this thread counts as abroad from here on.
pub(crate) fn orphan_tasks(hub: &Hub) {
    let mut next = hub.left_behind.first();
    while let Some(links) = next {
        // SAFETY: alive until it is orphaned below.
        next = unsafe { hub.left_behind.after(links) };
        let task = TaskRef::from_links(links);
        // Relaxed: the loop's own reference keeps the hub alive meanwhile.
        hub.refs.fetch_add(1, Ordering::Relaxed);
        if orphan(task) {
            abroad::free_memory(task);
            hub.refs.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Leaves one task to its last reference; true if there is none.
fn orphan(task: TaskRef) -> bool {
    loop {
        match task.shared.orphan(task.local.seen().count()) {
            Orphaned::CarryOut => endings::carry_out_alone(task),
            Orphaned::DropOutcome => drop_outcome_now(task),
            Orphaned::Left => return false,
            Orphaned::Free => return true,
        }
    }
}
