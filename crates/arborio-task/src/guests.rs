//! Tasks of a branch that another loop polls: guests there, and away for the loop of the branch, their home.
//!
//! A branch, its list and its counts are plain memory of one loop. So a task of a branch that
//! [moves](crate::moving) stays in that list, and counts there, while another loop polls it; and when it has
//! been polled to its end it comes home with its outcome, and ends there. Nobody but its home says that it is DONE.
//!
//! # States
//! | flags              | the task                                              | next                        |
//! |--------------------|-------------------------------------------------------|-----------------------------|
//! | (none)             | is at home                                            | away: `leave`               |
//! | AWAY               | is a guest of the loop in `hub`, or in transit        | another loop, home: `leave`, `arrive`; homeward |
//! | AWAY + HOMEWARD    | its future is gone, and the outcome stands in its place | in transit: `go_home`      |
//! | HOMEWARD           | has come home                                         | DONE: `settled`             |
//!
//! HOMEWARD comes together with ENDING, which keeps everybody from the future that is gone, and with ABORT, so that a turn
//! of the task is for that alone.
//!
//! # Invariants
//! - G1: AWAY is set and cleared by the home loop, or by who has its hub meanwhile, and set in everything that the
//!   other loops write. So the home loop knows who is away, without asking the others.
//! - G2: of a task that is away its home touches the links, which hang in the branch's list, and nothing else as
//!   an owner; the loop that it is with touches everything but the links and the parent.
//! - G3: a branch with a task that is away does not leave, for the task is pending; and its loop does not
//!   end, nor does that of a guest, before all have come home ([`call_home`]). So the branch and both hubs are there as long as a
//!   guest may ask for them.
//! - G4: a guest that has entered a branch of the loop that it is with goes home when that one has left: what hangs on it
//!   shall not outlive the task's own branch.

use std::{cell::RefCell, collections::HashMap};

use arborio_base::{Plain, sync::thread};

use crate::{
    abroad,
    branch::Branch,
    cell::{Header, TaskRef},
    hub::Hub,
    inbox::Pushed,
    interrupt::Interrupt,
    life_cycle,
    local::Flags,
    moving::TRANSIT,
    node::Node,
    side::Manner,
};

/// What a loop knows of guests.
pub(crate) struct Guests {
    /// How many tasks of its branches are away.
    away: Plain<usize>,
    /// How many tasks of other loops are with it.
    here: Plain<usize>,
    /// In how many branches of this loop each guest is, which are not gone (G4).
    sheltered: RefCell<HashMap<*mut Header, usize>>,
}

impl Guests {
    pub(crate) fn new() -> Self {
        Self {
            away: Plain::new(0),
            here: Plain::new(0),
            sheltered: RefCell::new(HashMap::new()),
        }
    }

    /// `task`, which this loop polls, has entered a branch.
    pub(crate) fn shelter(&self, task: TaskRef) {
        if is_away(task) {
            *self
                .sheltered
                .borrow_mut()
                .entry(task.as_ptr())
                .or_default() += 1;
        }
    }

    fn is_sheltered(&self, task: TaskRef) -> bool {
        self.sheltered.borrow().contains_key(&task.as_ptr())
    }
}

/// Whether another loop than that of its branch polls `task`.
pub(crate) fn is_away(task: TaskRef) -> bool {
    task.local.seen().any(Flags::AWAY)
}

/// `task`, which does not hang on the root, leaves the loop of `hub`: its home, or that whose guest it was.
pub(crate) fn leave(hub: &Hub, task: TaskRef) {
    if is_away(task) {
        hub.guests.here.set(hub.guests.here.get() - 1);
        hub.root.guest_left();
    } else {
        hub.guests.away.set(hub.guests.away.get() + 1);
        task.local.set(Flags::AWAY); // G1
    }
}

/// `task` was in transit, and belongs to the loop of `hub` from now on.
pub(crate) fn arrive(hub: &Hub, task: TaskRef) {
    if !is_away(task) {
        return;
    }
    if std::ptr::eq(home_of(task), hub) {
        task.local.clear(Flags::AWAY); // G1
        hub.guests.away.set(hub.guests.away.get() - 1);
    } else {
        hub.guests.here.set(hub.guests.here.get() + 1);
        hub.root.guest_came();
    }
}

/// The loop of the branch that `task`, which is away, hangs on.
fn home_of(task: TaskRef) -> *const Hub {
    // SAFETY: G3; which branch the node lies in never changes.
    let branch = unsafe { &*task.parent.get() }.branch();
    // SAFETY: the node is not that of a root, says the caller; G3.
    unsafe { &*branch }.home()
}

/// The future of `task`, a guest, is gone, and the outcome stands in its place: it is interrupted, or `how` is
/// empty. Whoever calls may still count on it, so it goes at its turn.
#[cold]
pub(crate) fn turn_homeward(hub: &Hub, task: TaskRef, how: Flags) {
    let homeward = Flags::HOMEWARD
        .and(Flags::ENDING)
        .and(Flags::ABORT)
        .and(how);
    task.local.set(homeward);
    life_cycle::wake(hub, task);
}

/// `task` is homeward, and has its turn.
#[cold]
pub(crate) fn go_home(hub: &Hub, task: TaskRef) {
    if !hub.guests.is_sheltered(task) {
        send_homeward(hub, task);
    }
}

/// Sends `task`, which is in no branch of this loop any more, home if it is homeward. For the turn of the task; and for
/// who has the hub meanwhile, if the task has never entered a branch. False if it is not homeward, or on its way to
/// the inbox.
pub(crate) fn send_homeward(hub: &Hub, task: TaskRef) -> bool {
    let seen = task.local.seen();
    // Somebody who has the PIN brings it to the inbox: it is settled, and has another turn.
    if !seen.any(Flags::HOMEWARD) || !seen.any(Flags::AWAY) || !task.shared.pin_for_transit() {
        return false;
    }
    task.local.clear(Flags::QUEUED);
    leave(hub, task);
    bring_home(task);
    true
}

/// Brings `task`, which is away and with no loop, and whose PIN the caller has, to its home.
fn bring_home(task: TaskRef) {
    let home = home_of(task);
    task.set_hub(TRANSIT);
    // SAFETY: G3.
    let pushed = unsafe { Hub::push(home, task) };
    debug_assert!(pushed == Pushed::Yes, "a loop waits for who is away");
}

/// `task`, which is homeward, was settled: it ends if this is its home, and tries again otherwise.
#[cold]
pub(crate) fn settled(hub: &Hub, task: TaskRef) {
    if is_away(task) {
        return life_cycle::wake(hub, task);
    }
    let interrupted = task.local.seen().any(Flags::INTERRUPTED);
    let how = if interrupted {
        Flags::INTERRUPTED
    } else {
        Flags::NONE
    };
    task.local.clear(Flags::HOMEWARD);
    life_cycle::finish(hub, task, how);
}

/// A branch that `task` has entered is gone.
pub(crate) fn let_out(hub: &Hub, task: TaskRef) {
    let mut sheltered = hub.guests.sheltered.borrow_mut();
    let Some(count) = sheltered.get_mut(&task.as_ptr()) else {
        return;
    };
    *count -= 1;
    if *count == 0 {
        sheltered.remove(&task.as_ptr());
        drop(sheltered);
        if task.local.seen().any(Flags::HOMEWARD) {
            life_cycle::wake(hub, task);
        }
    }
}

/// `task` was spawned on another thread for `branch`, of this loop, unless that has gone or closed meanwhile.
pub(crate) fn admit_new(hub: &Hub, task: TaskRef, branch: &Branch) {
    task.set_hub(hub.address());
    task.local.clear(Flags::UNLINKED);
    let open = branch.is_here() && !branch.is_closed() && !hub.closing.get();
    let node: &Node = if open { branch.node() } else { &hub.root };
    // SAFETY: the owner calls; the task hangs on no node, and the root and a branch that is not gone outlive its end.
    unsafe { node.adopt(task) };
    if !open {
        life_cycle::abort(hub, task, Interrupt::Closed);
    }
    life_cycle::settle(hub, task);
}

/// The loop ends: its tasks that are away end, and come home; and guests go.
pub(crate) fn call_home(hub: &Hub) {
    if hub.guests.away.get() == 0 && hub.guests.here.get() == 0 {
        return;
    }
    for task in who_is_away(hub) {
        abroad::end(task, Interrupt::Stopped, Manner::Force);
        abroad::release(task);
    }
    while hub.guests.away.get() > 0 || hub.guests.here.get() > 0 {
        let settled = life_cycle::settle_all(hub, hub.inbox.take());
        let moved = send_queued_home(hub);
        if settled + moved == 0 {
            thread::yield_now();
        }
    }
}

/// Those who are away, each counted once more.
fn who_is_away(hub: &Hub) -> Vec<TaskRef> {
    let mut away = Vec::new();
    for (branch, _) in hub.branches.borrow().iter() {
        branch.for_each_away(|task| {
            task.shared.clone_abroad();
            away.push(task);
        });
    }
    away
}

/// Sends those of the queue home who are homeward, whatever they have entered: that ends, too.
fn send_queued_home(hub: &Hub) -> usize {
    let mut sent = 0;
    let kept = crate::queue::RunQueue::new();
    while let Some(task) = hub.queue.pop() {
        if send_homeward(hub, task) {
            sent += 1;
        } else {
            kept.push(task);
        }
    }
    hub.queue.put_before(&kept);
    sent
}

/// The inbox was closed with `task` in it: a guest goes home as it is. False if it is none.
pub(crate) fn send_on_home(hub: &Hub, task: TaskRef) -> bool {
    let comes = std::ptr::eq(task.hub(), TRANSIT) && is_away(task);
    if !comes || std::ptr::eq(home_of(task), hub) {
        return false;
    }
    bring_home(task);
    true
}
