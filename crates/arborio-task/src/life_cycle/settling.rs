//! The owner does what threads abroad have said about its tasks.

use super::{abort, finishing::handle_gone, release, requests::asked_abroad, wake};
use crate::{
    cell::TaskRef, endings, guests, hub::Hub, inbox::Mail, interrupt::Interrupt, local::Flags,
    moving, shared::Message, side,
};

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

/// Hangs a task that comes from elsewhere on the tree, if that was not done yet.
pub(super) fn link(hub: &Hub, task: TaskRef) {
    if task.local.seen().any(Flags::UNLINKED) {
        task.local.clear(Flags::UNLINKED);
        moving::take_over(hub, task);
        hub.cache().make_way(task.layout());
        // SAFETY: as in `spawn`; the task hangs on no node yet.
        unsafe { hub.root.adopt(task) };
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
