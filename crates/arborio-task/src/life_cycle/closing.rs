//! The loop ends: every task does, and who is still referred to is left to the last reference.

use arborio_base::{drop_contained, sync::atomic::Ordering};

use super::{
    finishing::{drop_outcome_now, turn_of_done},
    release,
    requests::end_by_request,
    settle, settle_all,
    settling::link,
};
use crate::{
    abroad, cell::TaskRef, endings, guests, hub::Hub, local::Flags, node::Node, shared::Orphaned,
};

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
