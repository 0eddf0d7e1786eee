//! A node of the task tree: the list of the tasks that hang on it.
//!
//! This list is the only one that holds a task of its loop. A task that has
//! ended stays in it as long as somebody refers to its cell; it is not counted
//! any more. The root node lies in the hub, every other in a
//! [`Branch`](crate::branch::Branch). Only the owner touches a node.
//!
//! # Invariants
//! - N1: `pending` counts the tasks of the list that are waited for and have
//!   not ended, and the nodes below that have pending tasks of their own, unless
//!   they are silent: a task that is not waited for has entered them. A root counts the
//!   [guests](crate::guests) of its loop, too, and a branch what hangs on it elsewhere.
//! - N2: `attention` is set whenever the one who drives the loop, or waits for the
//!   branch, may have something to decide: nothing is pending any more, `main` has
//!   ended, a task ended without an output, or a panic came up.
//! - N3: `daemons` counts the tasks of the list that are not waited for and have
//!   not ended.

use std::{cell::RefCell, ptr, task::Waker};

use arborio_base::{List, Plain, contain, drop_contained};

use crate::{
    branch::Branch,
    cell::TaskRef,
    interrupt::{Interrupt, Payload},
    local::{Flags, Seen},
};

/// See the head of this file.
pub(crate) struct Node {
    pub(crate) children: List,
    pending: Plain<usize>,
    daemons: Plain<usize>,
    /// What is pending here is not so for the nodes above.
    silent: Plain<bool>,
    attention: Plain<bool>,
    /// What all tasks of the node were asked first; it never changes ([`crate::request`]).
    request: RefCell<Option<Interrupt>>,
    /// Panics that nobody observed, oldest first.
    panics: RefCell<Vec<Payload>>,
    /// The branch that this node lies in; null for the root.
    branch: Plain<*const Branch>,
    /// Who waits for the branch; the root is looked at by the loop.
    waiter: RefCell<Option<Waker>>,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self {
            children: List::new(),
            pending: Plain::new(0),
            daemons: Plain::new(0),
            silent: Plain::new(false),
            attention: Plain::new(false),
            request: RefCell::new(None),
            panics: RefCell::new(Vec::new()),
            branch: Plain::new(ptr::null()),
            waiter: RefCell::new(None),
        }
    }

    /// Notes which branch the node lies in.
    pub(crate) fn set_branch(&self, branch: *const Branch) {
        self.branch.set(branch);
    }

    /// What is pending here is not so for the nodes above. Before the first task.
    pub(crate) fn set_silent(&self) {
        self.silent.set(true);
    }

    /// Whether what is pending here is not so for the nodes above.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent.get()
    }

    /// The branch that the node lies in; null for the root.
    pub(crate) fn branch(&self) -> *const Branch {
        self.branch.get()
    }

    /// Hangs `task` on this node.
    ///
    /// # Safety
    /// The node does not move any more and outlives the task's end; the caller
    /// is the owner; `task` hangs on no node.
    #[inline]
    pub(crate) unsafe fn adopt(&self, task: TaskRef) {
        task.parent.set(self);
        // SAFETY: the list stays where its owner is; the rest is the caller's.
        unsafe { self.children.push_back(task.links()) };
        let seen = task.local.seen();
        if seen.any(Flags::DAEMON.and(Flags::DONE)) {
            return self.adopt_uncounted(seen);
        }
        let before = self.pending.get();
        self.pending.set(before + 1);
        if before == 0 && !self.branch.get().is_null() {
            self.first_pending();
        }
    }

    #[cold]
    fn adopt_uncounted(&self, seen: Seen) {
        if !seen.any(Flags::DONE) {
            self.daemons.set(self.daemons.get() + 1);
        }
    }

    /// `task`, which has not ended, leaves for another loop. The node is a root.
    ///
    /// # Safety
    /// The caller is the owner, and the task hangs on this node.
    pub(crate) unsafe fn let_go(&self, task: TaskRef) {
        // SAFETY: says the caller.
        unsafe { arborio_base::unlink(task.links()) };
        task.parent.set(ptr::null());
        let count = if task.local.seen().any(Flags::DAEMON) {
            &self.daemons
        } else {
            &self.pending
        };
        let left = count.get() - 1;
        count.set(left);
        if left == 0 {
            self.attention.set(true); // N2
        }
    }

    /// A task of another loop's branch is polled here from now on. The node is a root. `awaited`: somebody waits for that
    /// branch.
    pub(crate) fn guest_came(&self, awaited: bool) {
        let count = self.count_of_guests(awaited);
        count.set(count.get() + 1);
    }

    /// It goes on, or home.
    pub(crate) fn guest_left(&self, awaited: bool) {
        let count = self.count_of_guests(awaited);
        let left = count.get() - 1;
        count.set(left);
        if left <= usize::from(!awaited) {
            self.attention.set(true); // N2
        }
    }

    fn count_of_guests(&self, awaited: bool) -> &Plain<usize> {
        if awaited {
            &self.pending
        } else {
            &self.daemons
        }
    }

    /// Something on another loop hangs on this node from now on. It is that of a branch.
    pub(crate) fn hold(&self) {
        let before = self.pending.get();
        self.pending.set(before + 1);
        if before == 0 {
            self.first_pending();
        }
    }

    /// It is gone. Whom to wake then, as [`last_ended`](Self::last_ended) does.
    pub(crate) fn let_go_of_held(&self) -> Waiters {
        let mut waiters = Waiters::default();
        let left = self.pending.get() - 1;
        self.pending.set(left);
        if left == 0 {
            self.last_pending(&mut waiters);
        }
        waiters
    }

    /// Something is pending here that was not before: so it is for the nodes above.
    #[cold]
    fn first_pending(&self) {
        let mut node = self;
        while let Some(above) = above(node) {
            let before = above.pending.get();
            above.pending.set(before + 1);
            if before > 0 {
                return;
            }
            node = above;
        }
    }

    /// A task of this node, whose word was `seen`, has ended. True if it was the last of a branch: the caller
    /// goes on with [`last_ended`](Self::last_ended).
    #[inline(always)]
    #[must_use]
    pub(crate) fn child_ended(&self, seen: Seen) -> bool {
        if seen.any(Flags::DAEMON) {
            return self.daemon_ended();
        }
        let left = self.pending.get() - 1;
        self.pending.set(left);
        if left != 0 && !seen.any(Flags::MAIN) {
            return false;
        }
        self.attention.set(true); // N2
        left == 0 && !self.branch.get().is_null()
    }

    #[cold]
    fn daemon_ended(&self) -> bool {
        let left = self.daemons.get() - 1;
        self.daemons.set(left);
        if left <= 1 {
            self.attention.set(true); // N2: a loop that ends has one that watches
        }
        left == 0 && !self.branch.get().is_null()
    }

    /// `task`, the last of its kind in this branch, has ended. Returns whom to wake once
    /// nothing of the node is used any more: who is woken may take the branch out of
    /// the tree.
    #[cold]
    pub(crate) fn last_ended(&self, task: TaskRef) -> Waiters {
        let mut waiters = Waiters::default();
        if task.local.seen().any(Flags::DAEMON) {
            waiters.add(self.waiter.take());
        } else {
            self.last_pending(&mut waiters);
        }
        waiters
    }

    /// Nothing is pending here any more: the nodes above count one less.
    fn last_pending(&self, waiters: &mut Waiters) {
        let mut node = self;
        loop {
            node.attention.set(true); // N2
            waiters.add(node.waiter.take());
            let Some(above) = above(node) else { return };
            let left = above.pending.get() - 1;
            above.pending.set(left);
            if left > 0 {
                return;
            }
            node = above;
        }
    }

    /// Whoever waits for the branch is woken by `waker` from now on.
    pub(crate) fn set_waiter(&self, waker: &Waker) {
        let known = self
            .waiter
            .borrow()
            .as_ref()
            .is_some_and(|old| old.will_wake(waker));
        if !known {
            let fresh = waker.clone(); // foreign code: nothing is borrowed
            let old = self.waiter.replace(Some(fresh));
            drop_contained(old);
        }
    }

    /// Nobody waits for the branch any more.
    pub(crate) fn take_waiter(&self) -> Option<Waker> {
        self.waiter.take()
    }

    /// A task of this node ends without an output.
    pub(crate) fn child_interrupted(&self) {
        self.attention.set(true); // N2
    }

    /// Leaves a request for tasks of this node. Gives it back if there is another one.
    pub(crate) fn leave_request(&self, end: Interrupt) -> Option<Interrupt> {
        let mut request = self.request.borrow_mut();
        match &*request {
            None => {
                *request = Some(end);
                None
            }
            Some(first) => (!first.is_same(&end)).then_some(end),
        }
    }

    /// Takes what is foreign, as the branch is gone: whoever waited, and the request.
    pub(crate) fn clear_out(&self) -> (Option<Waker>, Option<Interrupt>) {
        (self.waiter.take(), self.request.take())
    }

    /// The request that was left.
    pub(crate) fn request(&self) -> Option<Interrupt> {
        self.request.borrow().clone()
    }

    /// A panic that nobody observes comes up.
    pub(crate) fn bubble(&self, panic: Payload) {
        self.panics.borrow_mut().push(panic);
        self.attention.set(true); // N2
        let waiter = self.waiter.take();
        contain(|| waiter.map(Waker::wake)); // last: see `child_ended`
    }

    /// Whether the node above counts this one as pending.
    pub(crate) fn is_counted_above(&self) -> bool {
        self.pending.get() > 0 && above(self).is_some()
    }

    pub(crate) fn pending(&self) -> usize {
        self.pending.get()
    }

    /// How many tasks live that nobody waits for.
    pub(crate) fn daemons(&self) -> usize {
        self.daemons.get()
    }

    /// Whether there is something to decide.
    #[inline(always)]
    pub(crate) fn wants_attention(&self) -> bool {
        self.attention.get()
    }

    /// Whether there is something to decide; asked again, the answer is no.
    #[inline(always)]
    pub(crate) fn take_attention(&self) -> bool {
        self.attention.get() && self.attention.replace(false)
    }

    #[inline]
    pub(crate) fn has_panics(&self) -> bool {
        !self.panics.borrow().is_empty()
    }

    #[inline]
    pub(crate) fn take_panics(&self) -> Vec<Payload> {
        if !self.has_panics() {
            return Vec::new();
        }
        self.panics.take()
    }
}

/// Whom to wake, the innermost first. Mostly that is one, who needs no allocation.
#[derive(Default)]
pub(crate) struct Waiters {
    first: Option<Waker>,
    others: Vec<Waker>,
}

impl Waiters {
    fn add(&mut self, waiter: Option<Waker>) {
        let Some(waiter) = waiter else { return };
        if self.first.is_none() {
            self.first = Some(waiter);
        } else {
            self.others.push(waiter);
        }
    }

    pub(crate) fn wake(self) {
        contain(|| self.first.map(Waker::wake));
        for waiter in self.others {
            contain(|| waiter.wake());
        }
    }
}

/// The node that counts the pending ones of `node`: the nearest above it that is
/// still in the tree. `None` for the root, and for one that is silent.
fn above(node: &Node) -> Option<&Node> {
    if node.silent.get() {
        return None;
    }
    // SAFETY: null, or the branch that the node lies in.
    let branch = unsafe { node.branch.get().as_ref() }?;
    // One whose scope around is on another loop hangs on the root: nobody waits there for what nobody waits for.
    (branch.node_above()).filter(|above| !above.branch.get().is_null() || branch.is_awaited())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::local::LocalWord;

    fn seen(flags: Flags) -> Seen {
        LocalWord::new(flags, 1).seen()
    }

    /// Lies in a branch that nothing looks into.
    fn of_branch() -> Node {
        let node = Node::new();
        node.set_branch(ptr::NonNull::<Branch>::dangling().as_ptr());
        node
    }

    fn with(pending: usize, daemons: usize) -> Node {
        let node = Node::new();
        node.pending.set(pending);
        node.daemons.set(daemons);
        node
    }

    #[test]
    fn attention_is_given_once_each_time_it_is_called_for() {
        let node = Node::new();
        assert!(!node.wants_attention() && !node.take_attention());
        node.child_interrupted();
        assert!(node.wants_attention() && node.take_attention());
        assert!(!node.wants_attention() && !node.take_attention());
        node.child_interrupted();
        assert!(node.take_attention());
    }

    #[test]
    fn guests_call_for_attention_when_the_last_leaves_and_daemons_one_before() {
        for awaited in [true, false] {
            let node = Node::new();
            (0..3).for_each(|_| node.guest_came(awaited));
            let counts = if awaited { (3, 0) } else { (0, 3) };
            assert_eq!((node.pending(), node.daemons()), counts);
            let told = [0, 1, 2].map(|_| {
                node.guest_left(awaited);
                node.take_attention()
            });
            assert_eq!(told, [false, !awaited, true]);
        }
    }

    #[test]
    fn the_end_of_main_and_of_the_last_task_call_for_attention() {
        let node = with(3, 0);
        assert!(!node.child_ended(seen(Flags::NONE)));
        assert!(!node.take_attention());
        assert!(!node.child_ended(seen(Flags::MAIN)));
        assert!(node.take_attention());
        assert!(!node.child_ended(seen(Flags::NONE)), "it is a root");
        assert!(node.take_attention());
    }

    #[test]
    fn the_last_two_daemons_call_for_attention() {
        let node = with(0, 3);
        let daemon = || seen(Flags::DAEMON);
        let told = [0, 1, 2].map(|_| {
            assert!(!node.child_ended(daemon()), "it is a root");
            node.take_attention()
        });
        assert_eq!(told, [false, true, true]);
    }

    #[test]
    fn a_branch_goes_on_when_the_last_task_of_a_kind_has_ended() {
        for kind in [Flags::NONE, Flags::DAEMON] {
            let node = of_branch();
            node.pending.set(2);
            node.daemons.set(2);
            assert!(!node.child_ended(seen(kind)));
            assert!(node.child_ended(seen(kind)));
        }
        let node = of_branch();
        node.pending.set(2);
        assert!(!node.child_ended(seen(Flags::MAIN)), "one is left");
    }

    #[test]
    fn a_node_keeps_the_first_request_and_gives_others_back() {
        let node = Node::new();
        assert!(node.leave_request(Interrupt::TimedOut).is_none());
        assert!(
            node.leave_request(Interrupt::TimedOut).is_none(),
            "the same"
        );
        let other = node.leave_request(Interrupt::Stopped);
        assert!(matches!(other, Some(Interrupt::Stopped)));
        assert!(matches!(node.request(), Some(Interrupt::TimedOut)));
    }

    #[test]
    fn who_waits_no_longer_gets_the_waker_back() {
        struct Bell;
        impl std::task::Wake for Bell {
            fn wake(self: Arc<Self>) {}
        }
        let bell = Arc::new(Bell);
        let node = Node::new();
        node.set_waiter(&Waker::from(Arc::clone(&bell)));
        assert_eq!(Arc::strong_count(&bell), 2);
        assert!(node.take_waiter().is_some());
        assert_eq!(Arc::strong_count(&bell), 1);
        assert!(node.take_waiter().is_none());
    }
}
