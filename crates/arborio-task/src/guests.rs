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
//! - G4: what a guest leaves behind at the loop that it was with keeps the branch pending that it hangs on ([`Hold`]): as
//!   at home, the task ends at once, and its branch when that has ended, too. Of a hold the home hears through its
//!   door, before the guest comes home (O4 of [`crate::door`]).

use std::{cell::RefCell, collections::HashMap, ptr, sync::Arc, task::Waker};

use arborio_base::{Plain, sync::thread};

use crate::{
    abroad,
    branch::Branch,
    cell::{Header, TaskRef},
    door::Visitor,
    endings,
    hub::Hub,
    inbox::Pushed,
    interrupt::{Interrupt, Reason, ReasonKind},
    life_cycle,
    local::Flags,
    moving::TRANSIT,
    node::Node,
    side::Manner,
    waker,
};

/// What a loop knows of guests.
pub(crate) struct Guests {
    /// How many tasks of its branches are away.
    away: Plain<usize>,
    /// How many tasks of other loops are with it.
    here: Plain<usize>,
    /// Whether there is anything in the three that follow.
    is_used: Plain<bool>,
    /// The branches of this loop that each guest has entered, and that are not gone. Not those below such a one.
    entered: RefCell<HashMap<*mut Header, Vec<*const Branch>>>,
    /// Branches of this loop that keep one of another loop pending.
    holding: RefCell<Vec<Holding>>,
    /// Branches of this loop that are kept pending, by which task, if it is one.
    held: RefCell<Vec<(*const Branch, Option<Waker>)>>,
}

/// A branch that keeps one of another loop pending, until it is gone.
struct Holding {
    branch: *const Branch,
    /// It does so only as long as it has pending tasks: nobody has polled its scope since.
    if_pending: bool,
    _hold: Hold,
}

/// Something of this loop hangs on a branch of another one, which is pending until this is dropped.
struct Hold {
    branch: Arc<Branch>,
    /// The task that it is.
    task: Option<usize>,
}

impl Hold {
    fn new(branch: Arc<Branch>, task: Option<TaskRef>) -> Self {
        let waker = task.map(|task| {
            task.local.add_reference();
            waker::from_counted(task)
        });
        (branch.door()).bring(Visitor::Held(Arc::clone(&branch), waker));
        Self {
            branch,
            task: task.map(address),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let branch = Arc::clone(&self.branch);
        (self.branch.door()).bring(Visitor::Released(branch, self.task));
    }
}

fn address(task: TaskRef) -> usize {
    task.as_ptr().addr()
}

impl Guests {
    pub(crate) fn new() -> Self {
        Self {
            away: Plain::new(0),
            here: Plain::new(0),
            is_used: Plain::new(false),
            entered: RefCell::new(HashMap::new()),
            holding: RefCell::new(Vec::new()),
            held: RefCell::new(Vec::new()),
        }
    }

    /// How much the nodes of this loop count that is not polled here: tasks that are away, and branches of other loops.
    pub(crate) fn not_here(&self) -> usize {
        self.away.get() + self.held.borrow().len()
    }

    /// `branch`, of this loop, was entered, and hangs on `above`, of another one.
    #[cold]
    pub(crate) fn enter(&self, branch: &Branch, above: Arc<Branch>) {
        self.is_used.set(true);
        match branch.entered_by().filter(|&task| is_away(task)) {
            Some(guest) => {
                let mut entered = self.entered.borrow_mut();
                entered.entry(guest.as_ptr()).or_default().push(branch);
            }
            None => self.hold(branch, above, false), // it is below one that a guest has entered
        }
    }

    fn hold(&self, branch: *const Branch, above: Arc<Branch>, if_pending: bool) {
        let hold = Hold::new(above, None);
        self.holding.borrow_mut().push(Holding {
            branch,
            if_pending,
            _hold: hold,
        });
    }

    /// `guest` goes home: the branches that it has entered keep pending what they hang on (G4).
    fn leave_behind(&self, hub: &Hub, guest: TaskRef) {
        if !self.is_used.get() {
            return;
        }
        let entered = self.entered.borrow_mut().remove(&guest.as_ptr());
        for branch in entered.into_iter().flatten() {
            // SAFETY: one that is gone was taken out.
            let entered = unsafe { &*branch };
            if entered.node().pending() > 0
                && let Some(above) = entered.above_elsewhere(hub)
            {
                self.hold(branch, above, true);
            }
        }
    }

    /// `branch` of this loop is gone.
    #[inline]
    pub(crate) fn left(&self, branch: &Branch, entered_by: Option<TaskRef>) {
        if self.is_used.get() {
            self.left_for_good(branch, entered_by);
        }
    }

    #[cold]
    fn left_for_good(&self, branch: *const Branch, entered_by: Option<TaskRef>) {
        let mut entered = self.entered.borrow_mut();
        if let Some(guest) = entered_by
            && let Some(branches) = entered.get_mut(&guest.as_ptr())
        {
            branches.retain(|&other| !ptr::eq(other, branch));
            if branches.is_empty() {
                entered.remove(&guest.as_ptr());
            }
        }
        drop(entered);
        self.let_go_if(|holding| ptr::eq(holding.branch, branch));
        let is_it = |held: &mut (*const Branch, Option<Waker>)| ptr::eq(held.0, branch);
        let held: Vec<_> = (self.held.borrow_mut()).extract_if(.., is_it).collect();
        drop(held);
    }

    /// A branch of this loop has no pending tasks any more.
    pub(crate) fn let_go_of_empty(&self) {
        if self.is_used.get() {
            // SAFETY: one that is gone was taken out.
            let pending = |holding: &Holding| unsafe { &*holding.branch }.node().pending();
            self.let_go_if(|holding| holding.if_pending && pending(holding) == 0);
        }
    }

    fn let_go_if(&self, over: impl Fn(&Holding) -> bool) {
        let gone: Vec<_> = (self.holding.borrow_mut())
            .extract_if(.., |holding| over(holding))
            .collect();
        drop(gone); // other loops are told
    }

    /// Ends what keeps forced branches of this loop pending.
    pub(crate) fn force_held(&self, end: &Interrupt) {
        if self.is_used.get() {
            // SAFETY: one that is gone was taken out.
            let is_forced = |branch: *const Branch| unsafe { &*branch }.is_forced();
            self.end_held(is_forced, end, Manner::Force);
        }
    }

    /// Asks what keeps `branch` pending to end.
    #[inline]
    pub(crate) fn ask_held(&self, branch: &Branch, end: &Interrupt) {
        if self.is_used.get() {
            self.end_held(|other| ptr::eq(other, branch), end, Manner::Ask);
        }
    }

    #[cold]
    fn end_held(&self, whose: impl Fn(*const Branch) -> bool, end: &Interrupt, manner: Manner) {
        let held = self.held.borrow();
        let wakers = held.iter().filter(|held| whose(held.0));
        let wakers: Vec<Waker> = wakers.filter_map(|held| held.1.clone()).collect();
        drop(held);
        for task in wakers.iter().filter_map(waker::task_of) {
            abroad::end(task, end.clone(), manner);
        }
    }
}

/// Something of another loop hangs on `branch`, of this loop: that is pending until then.
#[cold]
pub(crate) fn hold(hub: &Hub, branch: &Arc<Branch>, task: Option<Waker>) {
    if !branch.is_here() {
        return; // the loop ends
    }
    hub.guests.is_used.set(true);
    let forced = branch.is_forced();
    if forced && let Some(task) = task.as_ref().and_then(waker::task_of) {
        let end = Interrupt::Cancelled(Reason::new(ReasonKind::Abort));
        abroad::end(task, end, Manner::Force);
    }
    (hub.guests.held)
        .borrow_mut()
        .push((Arc::as_ptr(branch), task));
    branch.node().hold();
}

/// It is gone.
#[cold]
pub(crate) fn let_go_of(hub: &Hub, branch: &Arc<Branch>, task: Option<usize>) {
    let mut held = hub.guests.held.borrow_mut();
    let is_it = |held: &(*const Branch, Option<Waker>)| {
        let known = held.1.as_ref().and_then(waker::task_of).map(address);
        ptr::eq(held.0, Arc::as_ptr(branch)) && known == task
    };
    let Some(place) = held.iter().position(is_it) else {
        return; // the loop ends
    };
    let gone = held.swap_remove(place);
    drop(held);
    drop(gone);
    let waiters = branch.node().let_go_of_held();
    hub.guests.let_go_of_empty();
    waiters.wake();
}

/// `branch`, of another loop, is pending until `task`, of this loop, has ended.
pub(crate) fn hold_for(hub: &Hub, task: TaskRef, branch: Arc<Branch>) {
    endings::keep(hub, task, Hold::new(branch, Some(task)));
}

/// Whether another loop than that of its branch polls `task`.
pub(crate) fn is_away(task: TaskRef) -> bool {
    task.local.seen().any(Flags::AWAY)
}

/// `task`, which does not hang on the root, leaves the loop of `hub`: its home, or that whose guest it was.
pub(crate) fn leave(hub: &Hub, task: TaskRef) {
    if is_away(task) {
        hub.guests.here.set(hub.guests.here.get() - 1);
        hub.root.guest_left(branch_of(task).is_awaited());
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
    if ptr::eq(home_of(task), hub) {
        task.local.clear(Flags::AWAY); // G1
        hub.guests.away.set(hub.guests.away.get() - 1);
    } else {
        hub.guests.here.set(hub.guests.here.get() + 1);
        hub.root.guest_came(branch_of(task).is_awaited());
    }
}

/// The branch that `task`, which is away, hangs on.
fn branch_of<'a>(task: TaskRef) -> &'a Branch {
    // SAFETY: G3; which branch the node lies in never changes.
    let branch = unsafe { &*task.parent.get() }.branch();
    // SAFETY: the node is not that of a root, says the caller; G3.
    unsafe { &*branch }
}

/// The loop of that branch.
fn home_of(task: TaskRef) -> *const Hub {
    branch_of(task).home()
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
    hub.guests.leave_behind(hub, task);
    send_homeward(hub, task);
}

/// Sends `task`, which leaves nothing behind, home if it is homeward. For the turn of the task; and for
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

/// `task` was spawned on another thread for `branch`, of this loop, unless that has gone or closed meanwhile.
pub(crate) fn admit_new(hub: &Hub, task: TaskRef, branch: &Branch) {
    task.set_hub(hub.address());
    task.local.clear(Flags::UNLINKED);
    hub.cache().make_way(task.layout());
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
    let comes = ptr::eq(task.hub(), TRANSIT) && is_away(task);
    if !comes || ptr::eq(home_of(task), hub) {
        return false;
    }
    bring_home(task);
    true
}
