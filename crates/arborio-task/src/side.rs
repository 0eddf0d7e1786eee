//! The side record: what few tasks have, in an allocation of its own.
//!
//! A name, a request to end, what is to be done when it ends, task-locals, and the wakers of threads abroad that wait
//! for the outcome. It dies with the cell.
//!
//! # States of the pointer in the header
//! | pointer       | meaning                            | next                             |
//! |---------------|------------------------------------|----------------------------------|
//! | null          | the task has nothing of the kind   | a record: anyone; a table: owner |
//! | table, tagged | it has frames and nothing else     | a record that has the table: anyone |
//! | record        | it has all that                    |                                  |
//!
//! Each change is one exchange, by whoever needs the next state first. A table lives as
//! long as the cell, wherever it hangs, so that who has seen the tagged pointer may go on.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::VecDeque,
    ptr,
    rc::Rc,
    // Not the models' own: it is published with the record, or the owner's alone.
    sync::atomic::AtomicPtr,
    task::Waker,
};

use arborio_base::{
    drop_contained,
    sync::{Mutex, atomic::Ordering, lock},
};

use crate::{
    around::Note,
    awaiter::AwaiterList,
    cell::TaskRef,
    endings::{Ending, Order},
    frames::{counted::Counted, table::Table},
    interrupt::Interrupt,
    locals::Values,
};

/// A task's name.
pub(crate) type Name = Cow<'static, str>;

/// See the head of this file.
pub(crate) struct Side {
    /// Given at spawn, or never.
    name: Option<Name>,
    /// The frames of the task's future, with a count; null until the first of them is
    /// pending. Only the owner reads it, or writes it once the record is installed.
    frames: AtomicPtr<Table>,
    requests: Mutex<Requests>,
    /// The task-locals, until the future is gone. For the owner.
    values: RefCell<Option<Rc<Values>>>,
    /// What is to be done when the task ends, oldest first. For the owner.
    endings: RefCell<VecDeque<Ending>>,
    /// What those around its polls have made of it ([`crate::around`]). For the owner.
    note: RefCell<Option<Note>>,
    /// Somebody has taken the outcome over: it bubbles no more. For the owner.
    silent: Cell<bool>,
    /// Turns a use before it is published, or after it is freed, into a failed
    /// model.
    #[cfg(loom)]
    life: crate::life::Life,
}

/// How a task is brought to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Its handlers are asked first.
    Ask,
    /// Its future is dropped.
    Force,
}

/// What other threads may add at any time.
struct Requests {
    /// How the task shall end, if it does not end by itself before.
    end: Option<(Interrupt, Manner)>,
    /// The request before that was swallowed, and the task's turn has yet to see it:
    /// what is noted in `end` since then is a new one.
    swallowed: bool,
    /// Who waits for the outcome on other threads.
    waiters: AwaiterList,
    /// What they want to be done on the owner's thread.
    orders: Vec<Order>,
    /// How many callbacks were ordered, and neither wait in `endings` yet nor were called.
    callbacks: usize,
}

impl Side {
    fn new(name: Option<Name>, frames: *mut Table) -> Self {
        Self {
            name,
            frames: AtomicPtr::new(frames),
            requests: Mutex::new(Requests {
                end: None,
                swallowed: false,
                waiters: AwaiterList::default(),
                orders: Vec::new(),
                callbacks: 0,
            }),
            values: RefCell::new(None),
            endings: RefCell::new(VecDeque::new()),
            note: RefCell::new(None),
            silent: Cell::new(false),
            #[cfg(loom)]
            life: crate::life::Life::new(&crate::life::SIDES),
        }
    }

    /// The record that a new task starts with: none, unless it has a name.
    #[inline]
    pub(crate) fn for_name(name: Option<Name>) -> *mut Self {
        match name {
            None => ptr::null_mut(),
            Some(_) => Box::into_raw(Box::new(Self::new(name, ptr::null_mut()))),
        }
    }
}

/// The tag of a pointer that is to a table. Both are aligned to more.
const TABLE: usize = 1;

fn tagged(table: *mut Table) -> *mut Side {
    table.map_addr(|address| address | TABLE).cast()
}

/// The table, if `pointer` is to one.
fn table_behind(pointer: *mut Side) -> Option<*mut Table> {
    let is_table = pointer.addr() & TABLE != 0;
    is_table.then(|| pointer.map_addr(|address| address & !TABLE).cast())
}

/// The record of `task`, which is made if there is none.
fn side(task: &TaskRef) -> &Side {
    let mut pointer = task.side.load(Ordering::Acquire);
    while pointer.is_null() || table_behind(pointer).is_some() {
        let frames = table_behind(pointer).unwrap_or(ptr::null_mut());
        let new = Box::into_raw(Box::new(Side::new(None, frames)));
        // AcqRel: publishes the new record, or acquires what is there.
        match task
            .side
            .compare_exchange(pointer, new, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => pointer = new,
            Err(installed) => {
                // SAFETY: made above and not installed.
                let unused = unsafe { Box::from_raw(new) };
                #[cfg(loom)]
                unused.life.end();
                drop(unused); // what it says of the table is not its own yet
                pointer = installed;
            }
        }
    }
    // SAFETY: an installed record lives as long as the cell, which the caller
    // keeps alive (see `TaskRef`).
    let record = unsafe { &*pointer };
    #[cfg(loom)]
    record.life.check();
    record
}

/// The record of `task`, if there is one.
fn existing(task: &TaskRef) -> Option<&Side> {
    // Acquire: pairs with the exchange that installed it.
    let pointer = task.side.load(Ordering::Acquire);
    if table_behind(pointer).is_some() {
        return None;
    }
    // SAFETY: as in `side`.
    let record = unsafe { pointer.as_ref() };
    #[cfg(loom)]
    if let Some(record) = record {
        record.life.check();
    }
    record
}

/// The name of `task`.
pub(crate) fn name(task: TaskRef) -> Option<Name> {
    existing(&task)?.name.clone()
}

/// Whether `task` has a record. One that has none was asked nothing by anybody but its node.
#[inline]
pub(crate) fn has_record(task: TaskRef) -> bool {
    // Relaxed: who goes on reads it anew.
    let pointer = task.side.load(Ordering::Relaxed);
    !pointer.is_null() && table_behind(pointer).is_none()
}

/// Notes how `task` shall end. The first reason stays; force wins over asking.
pub(crate) fn request_end(task: TaskRef, end: Interrupt, manner: Manner) {
    let mut requests = lock(&side(&task).requests);
    let second = match &mut requests.end {
        None => {
            requests.end = Some((end, manner));
            return;
        }
        Some((_, noted)) => {
            if manner == Manner::Force {
                *noted = manner;
            }
            end
        }
    };
    drop(requests);
    drop_contained(second); // foreign code, if it is a panic
}

/// Takes the request to end.
pub(crate) fn take_request(task: TaskRef) -> Option<Interrupt> {
    let taken = lock(&existing(&task)?.requests).end.take();
    taken.map(|(end, _)| end)
}

/// All who were asked have swallowed the request, unless it forces. A request that comes
/// from now on is a new one.
pub(crate) fn swallow_request(task: TaskRef) {
    let Some(record) = existing(&task) else {
        return;
    };
    let mut requests = lock(&record.requests);
    let swallowed = requests.end.take_if(|(_, manner)| *manner == Manner::Ask);
    requests.swallowed |= swallowed.is_some();
    drop(requests);
    drop_contained(swallowed);
}

/// The same for a request of the node, which is noted there.
pub(crate) fn swallow_node_request(task: TaskRef) {
    lock(&side(&task).requests).swallowed = true;
    swallow_request(task);
}

/// The request was swallowed, and that has been seen; whether there is a new one, or one
/// that forces.
pub(crate) fn is_asked_anew(task: TaskRef) -> bool {
    let Some(record) = existing(&task) else {
        return false;
    };
    let mut requests = lock(&record.requests);
    if !std::mem::take(&mut requests.swallowed) {
        let swallowed = requests.end.take_if(|(_, manner)| *manner == Manner::Ask); // outside of the tree
        let forced = requests.end.is_some();
        drop(requests);
        drop_contained(swallowed);
        return forced;
    }
    requests.end.is_some()
}

/// How `task` is asked to end.
pub(crate) fn request(task: TaskRef) -> Option<Interrupt> {
    let requests = lock(&existing(&task)?.requests);
    requests.end.as_ref().map(|(end, _)| end.clone())
}

/// How the task that was asked to end is to be treated; `None` if the request was
/// swallowed meanwhile.
pub(crate) fn manner(task: TaskRef) -> Option<Manner> {
    let requests = lock(&existing(&task)?.requests);
    requests.end.as_ref().map(|(_, manner)| *manner)
}

/// `task`, which is new, has these task-locals. The owner calls.
pub(crate) fn set_values(task: TaskRef, values: Option<Rc<Values>>) {
    side(&task).values.replace(values);
}

/// The task-locals of `task`. The owner calls.
pub(crate) fn values(task: TaskRef) -> Option<Rc<Values>> {
    existing(&task)?.values.borrow().clone()
}

/// The same; it has none any more.
pub(crate) fn take_values(task: TaskRef) -> Option<Rc<Values>> {
    existing(&task)?.values.take()
}

/// What those around the polls of `task` have made of it. The owner calls.
pub(crate) fn note(task: TaskRef) -> Option<Note> {
    existing(&task)?.note.borrow().clone()
}

/// They have made this of it. The owner calls.
pub(crate) fn set_note(task: TaskRef, note: Option<Note>) {
    if note.is_some() {
        side(&task).note.replace(note); // there was none
    }
}

/// What they have made of it; it is over now. The owner calls.
pub(crate) fn take_note(task: TaskRef) -> Option<Note> {
    existing(&task)?.note.take()
}

/// Adds something that is to be done when `task` ends. The owner calls.
pub(crate) fn add_ending(task: TaskRef, ending: Ending) {
    side(&task).endings.borrow_mut().push_back(ending);
}

/// Takes the oldest of these out. The owner calls.
pub(crate) fn next_ending(task: TaskRef) -> Option<Ending> {
    existing(&task)?.endings.borrow_mut().pop_front()
}

/// The outcome of `task` bubbles no more. The owner calls.
pub(crate) fn silence(task: TaskRef) {
    side(&task).silent.set(true);
}

/// Whether it does not. The owner calls.
pub(crate) fn is_silent(task: TaskRef) -> bool {
    let silent = |side: &Side| side.silent.get() || lock(&side.requests).callbacks > 0;
    existing(&task).is_some_and(silent)
}

/// Leaves an order for the owner.
pub(crate) fn add_order(task: TaskRef, order: Order) {
    let mut requests = lock(&side(&task).requests);
    requests.callbacks += usize::from(matches!(order, Order::Watch(_)));
    requests.orders.push(order);
}

/// Takes the orders.
pub(crate) fn take_orders(task: TaskRef) -> Vec<Order> {
    existing(&task).map_or_else(Vec::new, |side| {
        std::mem::take(&mut lock(&side.requests).orders)
    })
}

/// Whether a callback was ordered that neither waits in the list yet nor was called.
pub(crate) fn has_callbacks(task: TaskRef) -> bool {
    existing(&task).is_some_and(|side| lock(&side.requests).callbacks > 0)
}

/// A callback that was ordered waits in the list now, and the task is WATCHED.
pub(crate) fn callback_is_listed(task: TaskRef) {
    lock(&side(&task).requests).callbacks -= 1;
}

/// A callback that was ordered was called: who waits for the last one is woken.
pub(crate) fn callback_was_called(task: TaskRef) {
    callback_is_listed(task);
    wake_waiters_unless_ordered(task);
}

/// The frames of `task`, or null. The table lives as long as the cell. The owner calls.
pub(crate) fn frames(task: TaskRef) -> *const Table {
    // Acquire: pairs with the exchange that installed it.
    let pointer = task.side.load(Ordering::Acquire);
    match table_behind(pointer) {
        Some(table) => table,
        // Relaxed: the owner has written it, or it came with the record.
        None => existing(&task).map_or(ptr::null(), |side| side.frames.load(Ordering::Relaxed)),
    }
}

/// The frames of `task`, which had none, are in `table` from now on. The owner calls.
pub(crate) fn set_frames(task: TaskRef, table: Counted) -> *const Table {
    let table = table.into_raw();
    // Release: publishes the table to whoever makes a record for it.
    let installed = task.side.compare_exchange(
        ptr::null_mut(),
        tagged(table),
        Ordering::Release,
        Ordering::Relaxed,
    );
    if installed.is_err() {
        // Relaxed: nobody else reads it.
        side(&task).frames.store(table, Ordering::Relaxed);
    }
    table
}

/// The task has ended, and its future is gone: nobody is asked any more, and the
/// frames that were leaked keep nobody's waker.
pub(crate) fn end_frames(task: TaskRef) {
    // SAFETY: null, or the task's table, which lives as long as the task.
    if let Some(table) = unsafe { frames(task).as_ref() } {
        // SAFETY: the owner calls, once, and the task will not be polled or dropped
        // again: nobody is inside its tree any more.
        unsafe { Table::end(table) };
    }
}

/// Notes that the task behind `waker`, and nobody else, waits abroad.
pub(crate) fn register_only(task: TaskRef, waker: &Waker) {
    let clone = waker.clone(); // foreign code: not under the lock
    let replaced = lock(&side(&task).requests).waiters.replace_all(clone);
    for (_, waker) in replaced {
        drop_contained(waker);
    }
}

/// Notes that the task behind `waker` waits abroad as number `number`.
pub(crate) fn register(task: TaskRef, number: usize, waker: &Waker) {
    let clone = waker.clone(); // foreign code: not under the lock
    let replaced = lock(&side(&task).requests).waiters.put(number, clone);
    drop_contained(replaced);
}

/// Awaiter `number` waits no longer.
pub(crate) fn leave(task: TaskRef, number: usize) {
    let left = existing(&task).and_then(|side| lock(&side.requests).waiters.remove(number));
    drop_contained(left);
}

/// Takes the wakers of the threads abroad.
fn take_waiters(task: TaskRef) -> AwaiterList {
    let taken = existing(&task).map(|side| std::mem::take(&mut lock(&side.requests).waiters));
    taken.unwrap_or_default()
}

/// Wakes all who wait abroad.
pub(crate) fn wake_waiters(task: TaskRef) {
    take_waiters(task).wake_all();
}

/// The same for a task that is DONE, unless a callback comes first: they are woken after that.
pub(crate) fn wake_waiters_unless_ordered(task: TaskRef) {
    let Some(record) = existing(&task) else {
        return;
    };
    let mut requests = lock(&record.requests);
    if requests.callbacks == 0 {
        let waiters = std::mem::take(&mut requests.waiters);
        drop(requests);
        waiters.wake_all();
    }
}

/// Forgets all who wait abroad.
pub(crate) fn drop_waiters(task: TaskRef) {
    take_waiters(task).forget_all();
}

/// Ends the record of a cell that is being freed.
///
/// # Safety
/// Nobody else refers to the task any more.
#[inline]
pub(crate) unsafe fn free(task: TaskRef) {
    // Relaxed: the caller has acquired every access of the others.
    let pointer = task.side.load(Ordering::Relaxed);
    if !pointer.is_null() {
        // SAFETY: passed on to the caller.
        unsafe { free_all(task, pointer) };
    }
}

/// # Safety
/// As `free`; `pointer` is that of `task`, and not null.
#[inline(never)]
unsafe fn free_all(task: TaskRef, pointer: *mut Side) {
    let table = match table_behind(pointer) {
        Some(table) => table,
        None => {
            drop_waiters(task);
            // SAFETY: it was made by a `Box`, and nobody else refers to it.
            let record = unsafe { Box::from_raw(pointer) };
            #[cfg(loom)]
            let record = end_life(record);
            let table = record.frames.load(Ordering::Relaxed);
            drop_contained(record);
            table
        }
    };
    if !table.is_null() {
        // SAFETY: the task has had the root's count.
        let table = unsafe { Counted::from_raw(table) };
        Table::give_up(table); // it serves the next task of this thread
    }
}

/// Ends the life of a record, and leaks its memory with the flag in it.
#[cfg(loom)]
fn end_life(record: Box<Side>) -> Side {
    record.life.end();
    let record = Box::into_raw(record);
    // SAFETY: it was a box just now, and the memory is not used as a record again.
    unsafe { record.read() }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        task::Wake,
    };

    use super::*;
    use crate::{NoNotify, SpawnOptions, Tasks};

    /// Has `look` see a task whose loop has not begun to run.
    fn with_task(look: impl FnOnce(TaskRef)) {
        let tasks = Tasks::new(Arc::new(NoNotify));
        let handle = (tasks.submitter()).spawn(pending::<()>(), SpawnOptions::new());
        look(handle.reference().expect("its outcome was not taken"));
    }

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn the_first_reason_stays_and_force_wins_over_asking() {
        with_task(|task| {
            assert!(!has_record(task) && request(task).is_none());
            request_end(task, Interrupt::TimedOut, Manner::Ask);
            assert!(has_record(task));
            request_end(task, Interrupt::Stopped, Manner::Ask);
            assert_eq!(manner(task), Some(Manner::Ask));
            request_end(task, Interrupt::Stopped, Manner::Force);
            assert_eq!(manner(task), Some(Manner::Force));
            request_end(task, Interrupt::Stopped, Manner::Ask);
            assert_eq!(manner(task), Some(Manner::Force));
            assert!(matches!(request(task), Some(Interrupt::TimedOut)));
            assert!(matches!(take_request(task), Some(Interrupt::TimedOut)));
            assert!(request(task).is_none());
        });
    }

    #[test]
    fn a_request_that_was_swallowed_is_over_and_the_next_is_a_new_one() {
        with_task(|task| {
            assert!(!is_asked_anew(task));
            request_end(task, Interrupt::TimedOut, Manner::Ask);
            swallow_request(task);
            assert!(request(task).is_none());
            assert!(!is_asked_anew(task));
            request_end(task, Interrupt::TimedOut, Manner::Ask);
            swallow_request(task);
            request_end(task, Interrupt::Stopped, Manner::Ask);
            assert!(is_asked_anew(task), "it came afterwards");
            assert!(matches!(request(task), Some(Interrupt::Stopped)));
            assert!(!is_asked_anew(task), "and has been seen");
            assert!(request(task).is_none());
        });
        with_task(|task| {
            swallow_node_request(task);
            request_end(task, Interrupt::Stopped, Manner::Ask);
            assert!(is_asked_anew(task));
        });
    }

    #[test]
    fn a_request_that_forces_is_not_swallowed() {
        with_task(|task| {
            request_end(task, Interrupt::TimedOut, Manner::Force);
            swallow_request(task);
            assert_eq!(manner(task), Some(Manner::Force));
            assert!(is_asked_anew(task) && is_asked_anew(task));
            assert_eq!(manner(task), Some(Manner::Force));
        });
    }

    #[test]
    fn a_callback_that_was_ordered_counts_until_it_is_listed_or_called() {
        with_task(|task| {
            let watch = || Order::Watch(Box::new(|_, _| ()));
            assert!(!has_callbacks(task) && !is_silent(task));
            add_order(task, Order::Attach(Box::new(|_, _| ())));
            assert!(!has_callbacks(task) && !is_silent(task));
            add_order(task, watch());
            assert!(has_callbacks(task) && is_silent(task));
            callback_is_listed(task);
            assert!(!has_callbacks(task) && !is_silent(task));
            (0..2).for_each(|_| add_order(task, watch()));
            let bell = Arc::new(Bell::default());
            register(task, 1, &Waker::from(Arc::clone(&bell)));
            callback_was_called(task);
            assert!(has_callbacks(task) && bell.0.load(Relaxed) == 0);
            callback_was_called(task);
            assert!(!has_callbacks(task) && bell.0.load(Relaxed) == 1);
            assert_eq!(take_orders(task).len(), 4);
            silence(task);
            assert!(is_silent(task));
        });
    }

    #[test]
    fn who_waits_no_longer_is_not_woken_and_his_waker_is_dropped() {
        with_task(|task| {
            let bells = [0, 1, 2].map(|_| Arc::new(Bell::default()));
            for (number, bell) in bells.iter().enumerate() {
                register(task, 1 + number, &Waker::from(Arc::clone(bell)));
            }
            leave(task, 2);
            let known = || bells.each_ref().map(Arc::strong_count);
            assert_eq!(known(), [2, 1, 2]);
            drop_waiters(task);
            assert_eq!(known(), [1, 1, 1]);
            wake_waiters(task);
            assert!(bells.iter().all(|bell| bell.0.load(Relaxed) == 0));
        });
    }

    #[test]
    fn what_was_made_of_a_task_is_noted_until_it_is_taken() {
        with_task(|task| {
            assert!(note(task).is_none());
            set_note(task, Some(Arc::new(7)));
            assert!(note(task).is_some() && note(task).is_some());
            assert!(take_note(task).is_some());
            assert!(note(task).is_none());
        });
    }
}
