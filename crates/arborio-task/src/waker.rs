//! The waker of a task: an ordinary `Send + Sync` one.
//!
//! On the thread that runs the task's loop its four operations are plain loads
//! and stores; elsewhere each is one read-modify-write of the shared word.

use std::{
    mem::ManuallyDrop,
    ptr,
    task::{RawWaker, RawWakerVTable, Waker},
};

use crate::{
    abroad,
    cell::{Header, TaskRef},
    current::{Own, held, let_go_of, own, own_again, own_polling},
    hub::Hub,
    life_cycle,
};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop);

/// A waker for the poll that is running. It is not counted: LIVE covers it.
#[inline(always)]
pub(crate) fn borrowed(task: TaskRef) -> ManuallyDrop<Waker> {
    ManuallyDrop::new(from_counted(task))
}

/// A waker that takes one counted reference over.
#[inline(always)]
pub(crate) fn from_counted(task: TaskRef) -> Waker {
    let raw = RawWaker::new(task.as_ptr().cast_const().cast(), &VTABLE);
    // SAFETY: the functions below keep the contract of `RawWakerVTable`: they
    // may be called on any thread, and each counts what it takes and gives.
    unsafe { Waker::from_raw(raw) }
}

/// The task behind `waker`, if it is one of Arborio's event loops.
#[inline(always)]
pub(crate) fn task_of(waker: &Waker) -> Option<TaskRef> {
    if !ptr::eq(waker.vtable(), &VTABLE) {
        return None;
    }
    TaskRef::from_ptr(waker.data().cast_mut().cast::<Header>())
}

/// The task behind the pointer of a waker.
///
/// # Safety
/// The pointer was made by `from_counted`.
#[inline(always)]
unsafe fn task(data: *const ()) -> TaskRef {
    // SAFETY: a task's pointer is never null.
    unsafe { TaskRef::from_ptr_unchecked(data.cast_mut().cast()) }
}

/// The hub of `task`, if its loop runs on this thread now; the loop holds it as long as this lives.
#[inline(always)]
pub(crate) fn own_hub<'a>(task: TaskRef) -> Option<Own<'a>> {
    let hub = own(task.hub())?;
    (!hub.is_taken() || is_of(task, &hub)).then_some(hub)
}

/// Does `home` with the hub of `task` if its loop runs on this thread, and `abroad` otherwise.
///
/// A worker that has let go of its hub takes it back in a function of its own. So where the loop is
/// alone nothing is saved and put back for that.
#[inline(always)]
pub(crate) fn at_home<R>(
    task: TaskRef,
    home: impl FnOnce(&Hub) -> R,
    abroad: impl FnOnce() -> R,
) -> R {
    match held(task.hub()) {
        Some(hub) => home(hub),
        None => elsewhere(task, home, abroad),
    }
}

#[inline(never)]
fn elsewhere<R>(task: TaskRef, home: impl FnOnce(&Hub) -> R, abroad: impl FnOnce() -> R) -> R {
    // It is known that this thread does not hold it.
    match own_polling(task.hub()).filter(|hub| is_of(task, hub)) {
        Some(hub) => home(&hub),
        None => abroad(),
    }
}

/// Whether `task` is of that hub, which was just taken back: it may have been rescued before.
#[inline(always)]
fn is_of(task: TaskRef, hub: &Hub) -> bool {
    #[cfg(loom)]
    hub.check_life();
    ptr::eq(task.hub(), hub.address())
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: only `from_counted` makes wakers with these functions.
    let task = unsafe { task(data) };
    at_home(
        task,
        |_| task.local.add_reference(),
        || task.shared.clone_abroad(),
    );
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: only `from_counted` makes wakers with these functions.
    let task = unsafe { task(data) };
    let home = |hub: &Hub| {
        life_cycle::wake(hub, task);
        life_cycle::release(hub, task);
    };
    at_home(task, home, || abroad::wake(task));
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: only `from_counted` makes wakers with these functions.
    let task = unsafe { task(data) };
    match held(task.hub()) {
        Some(hub) => life_cycle::wake(hub, task),
        None => wake_elsewhere(task),
    }
}

/// As [`elsewhere`]. If a task that a worker polls wakes itself, the worker need not take its hub back.
#[inline(never)]
fn wake_elsewhere(task: TaskRef) {
    let Some(hub) = let_go_of(task.hub()) else {
        return abroad::wake_by_ref(task);
    };
    if hub.polling.get() == Some(task) {
        return hub.polling.wake_after();
    }
    let hub = own_again(hub);
    if is_of(task, &hub) {
        life_cycle::wake(&hub, task);
    } else {
        std::mem::drop(hub);
        abroad::wake_by_ref(task);
    }
}

unsafe fn drop(data: *const ()) {
    // SAFETY: only `from_counted` makes wakers with these functions.
    let task = unsafe { task(data) };
    let home = |hub: &Hub| life_cycle::release(hub, task);
    at_home(task, home, || abroad::release(task));
}
