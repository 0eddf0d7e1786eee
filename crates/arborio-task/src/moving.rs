//! Tasks that move from one loop to another: what a pool shares its work with.
//!
//! The loop that a task belongs to sends it away, between two polls; or, if the loop is in a long poll, whoever has its hub
//! meanwhile ([`crate::current`]). Only a task goes that nothing binds: it is ROVING, is ready, has not
//! been asked to end, and nobody waits for it here, unless it is rescued. One of a branch goes as a [guest](crate::guests), and comes back
//! to end.
//!
//! # Steps
//! | who               | does                                                            | `hub` of the task |
//! |-------------------|-----------------------------------------------------------------|-------------------|
//! | the loop it leaves | 1. sets PIN with WAKE; if somebody else has it, the task stays (if it lies in the inbox it has it) | that loop |
//! |                   | 2. takes it out of the queue, and out of the root, where it marks it UNLINKED; one of a branch stays in its list, and is AWAY | [`TRANSIT`]   |
//! |                   | 3. pushes it on the other loop's inbox                          | [`TRANSIT`]       |
//! | the loop it comes to | 4. settles it like every task in its inbox: links it, takes count and messages over, queues it | this loop |
//!
//! # Invariants
//! - M1: a task in transit is nobody's: no loop has the address [`TRANSIT`], so every thread is
//!   abroad, and what it says is a message that step 4 reads. Nobody pushes it, since PIN is set.
//! - M2: the address of a loop is written into `hub` by that loop's own thread only, and only that thread takes it
//!   out again, or one that has the hub meanwhile. So a thread that reads the address of its own loop there while it
//!   holds its hub is the owner, however it reads.
//! - M3: who sets PIN has acquired the settling before, and finds the loop that settled.
//! - M4: another task's awaiter word may still point to a task that has moved, and go with a task that has: its loop
//!   looks at `hub` before it touches the awaiting task as an owner ([`crate::awaiter`]).
//! - M5: the task that is being polled may be ready again, but whoever rescues does not touch it: its future is in use,
//!   and so is its local word, for which the poll does not take the hub back.
//!
//! Push and take of the inbox release and acquire everything that the first owner wrote.

use std::{ops::Range, ptr};

use crate::{
    cell::TaskRef,
    guests,
    hub::Hub,
    inbox::Pushed,
    life_cycle,
    local::{Flags, Seen},
    queue::RunQueue,
};

/// The `hub` of a task in transit (M1).
pub(crate) const TRANSIT: *const Hub = ptr::without_provenance(align_of::<Hub>());

/// Whether nothing binds a task of the queue with these flags to its loop.
fn roves(seen: Seen) -> bool {
    let bound = Flags::DONE
        .and(Flags::ABORT)
        .and(Flags::ENDING)
        .and(Flags::CANCELLING)
        .and(Flags::FRAMED)
        .and(Flags::WATCHED)
        .and(Flags::BOUND)
        .and(Flags::MAIN);
    seen.any(Flags::ROVING) && !seen.any(bound)
}

/// Sends the newer half of the ready tasks to the loop of `to`; of more than two times `most`, those between the
/// oldest `most` and the rest. Returns how many went.
///
/// Neighbours stay together: they were often spawned together, and talk to each other.
///
/// # Safety
/// The owner calls, outside of every poll; `to` is alive, and another loop.
pub(crate) unsafe fn give(hub: &Hub, to: *const Hub, most: usize) -> usize {
    let ready = hub.queue.count_up_to(2 * most);
    // SAFETY: passed on to the caller.
    unsafe { give_some(hub, to, ready.div_ceil(2)..ready) }
}

/// Sends up to `most` ready tasks to the loop of `to`, oldest first. Returns how many went.
///
/// # Safety
/// As for [`give`].
pub(crate) unsafe fn give_all(hub: &Hub, to: *const Hub, most: usize) -> usize {
    let ready = hub.queue.count_up_to(most);
    // SAFETY: passed on to the caller.
    unsafe { give_some(hub, to, 0..ready) }
}

/// Sends those of the ready tasks that have these `places` and may leave.
///
/// # Safety
/// As for [`give`].
unsafe fn give_some(hub: &Hub, to: *const Hub, places: Range<usize>) -> usize {
    let kept = RunQueue::new();
    let mut given = 0;
    for place in 0..places.end {
        let Some(task) = hub.queue.pop() else { break };
        // Who is awaited here stays near whoever awaits.
        let goes = places.contains(&place) && task.awaiter.is_empty();
        // SAFETY: passed on to the caller.
        if goes && unsafe { send_away(hub, to, task) } {
            given += 1;
        } else {
            kept.push(task);
        }
    }
    hub.queue.put_before(&kept);
    given
}

/// Sends up to `most` tasks that are ready behind a poll to the loop of `to`, and returns how many went. They are
/// in the queue, or in the inbox: new, or woken from abroad. Those that were in transit already are not counted: who sent
/// them has. So are new ones where [what is sent](crate::Submitter::count_sent) is.
///
/// # Safety
/// The caller has the hub instead of its owner ([`crate::current`]); `to` is alive, and another loop.
pub(crate) unsafe fn rescue(hub: &Hub, to: *const Hub, most: usize) -> usize {
    let (mut rescued, mut sent) = (0, 0);
    let polled = hub.polling.get(); // it may be woken by now, and is its owner's alone: M5
    let mut kept = Vec::new();
    let mail: Vec<_> = hub
        .take_set_aside()
        .into_iter()
        .chain(hub.inbox.take())
        .collect();
    let only_mail = |task: &&TaskRef| !task.local.seen().any(Flags::QUEUED);
    let ready = mail.iter().filter(only_mail).count() + hub.queue.count_up_to(2 * most);
    let most = most.min(ready.div_ceil(2)); // the poll may be over soon, and who rescues comes again
    for task in mail {
        let is_polled = polled == Some(task);
        let is_new = task.local.seen().any(Flags::UNLINKED);
        // It just goes elsewhere.
        let is_under_way = ptr::eq(task.hub(), TRANSIT) || is_new && hub.sent.get().is_some();
        // SAFETY: passed on to the caller.
        if !is_polled && sent < most && unsafe { send_on(hub, to, task) } {
            sent += 1;
            rescued += usize::from(!is_under_way);
        } else if is_polled || !settle_in_queue(task) {
            kept.push(task); // not back into the inbox: what came meanwhile comes after it
        }
    }
    let queue = RunQueue::new();
    while sent < most
        && let Some(task) = hub.queue.pop()
    {
        let homeward = polled != Some(task) && !task.local.seen().any(Flags::BOUND);
        if homeward && guests::send_homeward(hub, task) {
            continue;
        }
        // SAFETY: passed on to the caller.
        let mut gone = polled != Some(task) && unsafe { send_away(hub, to, task) };
        if !gone && polled != Some(task) {
            // SAFETY: the same.
            gone = unsafe { send_with_mail(hub, to, task, &mut kept) };
        }
        if gone {
            sent += 1;
            rescued += 1;
        } else {
            queue.push(task);
        }
    }
    hub.queue.put_before(&queue);
    hub.has_set_aside.set(!kept.is_empty());
    hub.set_aside.replace(kept);
    rescued
}

/// A task of the inbox that stands in the queue, too, is only there if all that was said is that it should
/// wake. False if it stays in the inbox.
fn settle_in_queue(task: TaskRef) -> bool {
    if !task.local.seen().any(Flags::QUEUED) {
        return false;
    }
    let Some(count) = task.shared.settle_wakes() else {
        return false;
    };
    task.local.add_references(count);
    true
}

/// Whether nothing keeps `task` at this loop.
fn may_leave(hub: &Hub, task: TaskRef) -> bool {
    let seen = task.local.seen();
    let counted = !seen.any(Flags::DAEMON) || hangs_on_root(hub, task);
    // A list of awaiters is for those of this loop, who take themselves out of it.
    roves(seen) && counted && (task.awaiter.is_empty() || task.awaiter.is_task())
}

/// Whether it hangs on the root, or was not linked yet.
fn hangs_on_root(hub: &Hub, task: TaskRef) -> bool {
    let seen = task.local.seen();
    seen.any(Flags::UNLINKED) || ptr::eq(task.parent.get(), &raw const hub.root)
}

/// Sends `task`, which was taken out of the inbox and has its PIN, on. False if it stays.
///
/// # Safety
/// As for [`rescue`].
unsafe fn send_on(hub: &Hub, to: *const Hub, task: TaskRef) -> bool {
    if task.local.seen().any(Flags::QUEUED) || !may_leave(hub, task) {
        return false;
    }
    // SAFETY: passed on to the caller.
    unsafe { transfer(hub, to, task) };
    true
}

/// Sends `task`, which was taken out of the queue, away. False if it stays.
///
/// # Safety
/// As for [`give`].
unsafe fn send_away(hub: &Hub, to: *const Hub, task: TaskRef) -> bool {
    if !may_leave(hub, task) || !task.shared.pin_for_transit() {
        return false;
    }
    // SAFETY: passed on to the caller.
    unsafe { transfer(hub, to, task) };
    true
}

/// Sends `task`, which was taken out of the queue, away if it is in `mail`, too: more was said of it than that it should wake,
/// and the loop to which it goes reads that. False if it stays.
///
/// # Safety
/// As for [`rescue`].
unsafe fn send_with_mail(
    hub: &Hub,
    to: *const Hub,
    task: TaskRef,
    mail: &mut Vec<TaskRef>,
) -> bool {
    let Some(place) = mail.iter().position(|other| *other == task) else {
        return false;
    };
    if !may_leave(hub, task) {
        return false;
    }
    mail.remove(place);
    task.shared.wake_in_transit(); // it is ready
    // SAFETY: passed on to the caller; who takes mail out has the PIN.
    unsafe { transfer(hub, to, task) };
    true
}

/// Steps 2 and 3.
///
/// # Safety
/// As for [`give`] and [`rescue`], and the caller has the PIN of `task`, which stands in no queue.
unsafe fn transfer(hub: &Hub, to: *const Hub, task: TaskRef) {
    task.local.clear(Flags::QUEUED);
    if ptr::eq(task.hub(), TRANSIT) {
        // It was on its way here, and has not arrived.
    } else if !hangs_on_root(hub, task) {
        guests::leave(hub, task);
    } else if !task.local.seen().any(Flags::UNLINKED) {
        // SAFETY: the caller is the owner, or is there instead, and the task hangs on the root.
        unsafe { hub.root.let_go(task) };
        task.local.set(Flags::UNLINKED);
    }
    task.set_hub(TRANSIT);
    // SAFETY: alive, says the caller.
    if unsafe { Hub::push(to, task) } == Pushed::Closed {
        life_cycle::settle(hub, task); // it is back, with its place at the end of the queue
    }
}

/// If `task`, which came with the inbox, was in transit, it belongs to this loop from now on. Before it is
/// settled (M3). Whether it was.
pub(crate) fn take_over(hub: &Hub, task: TaskRef) -> bool {
    let moves = ptr::eq(task.hub(), TRANSIT);
    if moves {
        task.set_hub(hub.address()); // M2
        guests::arrive(hub, task);
        if !task.local.seen().any(Flags::HOMEWARD) {
            hub.arrived.set(hub.arrived.get() + 1);
        }
    }
    moves
}

/// The task that is being polled has something that binds it to its loop.
pub(crate) fn bind(task: Option<TaskRef>) {
    if let Some(task) = task {
        task.local.set(Flags::BOUND);
    }
}
