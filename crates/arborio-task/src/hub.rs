//! The hub: what one loop is made of.
//!
//! One block on the heap. The inbox and the count of references are for all
//! threads; everything else is touched by the owner alone, with plain accesses.
//! Its address is the loop's identity ([`crate::current`]).
//!
//! # References
//! The loop (until it has ended), each `Submitter`, and,
//! once the loop has ended, each task that it left behind. Whoever drops the
//! last one frees the hub: memory only, no user's value is left by then.

use std::{
    cell::{OnceCell, RefCell},
    ptr::NonNull,
    sync::{Arc, OnceLock},
};

use arborio_base::{
    List, Plain, Process, contain, drop_contained,
    sync::{
        self,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use crate::{
    around::AroundPolls,
    branch::Branch,
    cache::CellCache,
    cell::TaskRef,
    current::{self, Tenure},
    door::{Door, Visitor},
    force::Force,
    guests::{self, Guests},
    inbox::{Inbox, Notify, Pushed},
    interrupt::Reason,
    meter::Meter,
    node::Node,
    queue::RunQueue,
    spares::Spares,
    tasks::Submitter,
    tree::Describe,
    watched::Polled,
};

/// Says which loops are of one pool.
pub(crate) type Team = dyn Fn() -> Vec<Submitter> + Send + Sync;

/// A branch, and what builds on it.
pub(crate) type Registered = (Arc<Branch>, Arc<dyn Describe>);

/// See the head of this file.
///
/// What every turn and every end of a task touches comes first, together with the counts of
/// the root; what other threads write comes last. A field between the first ones was seen to
/// cost spawning and joining 1.5 ns.
#[repr(C, align(64))]
pub(crate) struct Hub {
    // For the owner.
    pub(crate) queue: RunQueue,
    /// The task that is being polled.
    pub(crate) polling: Polled,
    /// The task whose future is being dropped by request, the innermost one.
    pub(crate) ending: Plain<Option<TaskRef>>,
    /// Memory for the next tasks.
    cache: Plain<NonNull<CellCache>>,
    /// How many futures are being dropped by request inside each other.
    pub(crate) drop_depth: Plain<u32>,
    /// Nothing is spawned any more.
    pub(crate) closing: Plain<bool>,
    /// It lies in a future: nothing hangs on its root but what branches bring there.
    pub(crate) embedded: Plain<bool>,
    /// It moves between threads, so its tasks are `Send`.
    pub(crate) migrates: Plain<bool>,
    /// A task has taken a request to end back.
    pub(crate) withdrawn: Plain<bool>,
    /// The root of the loop's task tree.
    pub(crate) root: Node,
    /// Code of this task (or of no task, around an embedded loop) that is running belongs to
    /// this branch, and not to the one that the task hangs on ([`Branch::within`]).
    pub(crate) inside: Plain<Option<(Option<TaskRef>, *const Branch)>>,
    /// The branches of the tree that are not gone.
    pub(crate) branches: RefCell<Vec<Registered>>,
    /// What other threads send is not started any more.
    pub(crate) refusing: Plain<bool>,
    /// Mail that somebody has taken out of the inbox to [rescue](crate::moving::rescue) the rest, oldest first.
    pub(crate) set_aside: RefCell<Vec<TaskRef>>,
    /// Whether there is some.
    pub(crate) has_set_aside: Plain<bool>,
    /// How many tasks have come from other loops since somebody asked.
    pub(crate) arrived: Plain<usize>,
    /// Tasks of its branches that other loops poll, and the other way round.
    pub(crate) guests: Guests,
    /// Where branches are brought that were dropped abroad; made with the first branch.
    pub(crate) door: RefCell<Option<Arc<Door>>>,
    /// Branches that are gone, for the next ones.
    pub(crate) spares: Spares,
    /// How many branches were entered so far.
    pub(crate) entered: Plain<u64>,
    /// Tasks that had ended when the loop, or their branch, was left, and are still
    /// referred to.
    pub(crate) left_behind: List,
    /// The hub itself, as it was allocated: what is freed in the end.
    address: *const Self,
    // For all threads.
    pub(crate) inbox: Inbox,
    pub(crate) refs: AtomicUsize,
    /// Who has what is for the owner.
    pub(crate) tenure: Tenure,
    /// How many polls a worker has begun.
    pub(crate) polls: AtomicUsize,
    /// Somebody wants the loop to end.
    pub(crate) stopping: AtomicBool,
    /// Who does, and why; set before anything else of it is done.
    pub(crate) stop_reason: OnceLock<Reason>,
    /// Whether those who are asked to end have any time left.
    pub(crate) force: Force,
    /// Counts the tasks that were sent here and have not arrived.
    pub(crate) sent: OnceLock<sync::Arc<AtomicUsize>>,
    /// The address of the loop whose thread was the last to push something on the inbox, or 0: a hint.
    pub(crate) pushed_by: core::sync::atomic::AtomicUsize,
    /// Where the loop's thread is.
    process: Process,
    // For the owner again, and seldom looked at.
    /// What others may know; they read it.
    pub(crate) meter: Meter,
    /// The other loops of its pool, and itself.
    pub(crate) team: OnceLock<Box<Team>>,
    /// Who stands around its polls. Never changes once the loop runs.
    pub(crate) around: OnceCell<Arc<dyn AroundPolls>>,
}

// SAFETY: `inbox`, `refs`, `tenure`, `polls`, `pushed_by`, `stopping`, `stop_reason`, `force`, `sent`, `meter` and `team` are made for all threads. The other fields are
// touched only by the owner: by functions that got the hub from `current()`, or
// from the `Tasks` that is not `Send`.
unsafe impl Sync for Hub {}

impl Hub {
    pub(crate) fn new(notifier: Arc<dyn Notify>) -> NonNull<Self> {
        let cache = Box::into_raw(CellCache::take_from_thread());
        let memory = Box::into_raw(Box::<Self>::new_uninit());
        let address = memory.cast::<Self>().cast_const();
        let hub = Self {
            inbox: Inbox::new(notifier),
            refs: AtomicUsize::new(1),
            tenure: Tenure::new(),
            polls: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            stop_reason: OnceLock::new(),
            force: Force::default(),
            sent: OnceLock::new(),
            pushed_by: core::sync::atomic::AtomicUsize::new(0),
            process: Process::watched(),
            address,
            queue: RunQueue::new(),
            root: Node::new(),
            branches: RefCell::new(Vec::new()),
            door: RefCell::new(None),
            spares: Spares::new(),
            entered: Plain::new(0),
            left_behind: List::new(),
            around: OnceCell::new(),
            meter: Meter::default(),
            team: OnceLock::new(),
            polling: Polled::new(),
            ending: Plain::new(None),
            inside: Plain::new(None),
            cache: Plain::new(NonNull::new(cache).expect("a box is never null")),
            closing: Plain::new(false),
            refusing: Plain::new(false),
            withdrawn: Plain::new(false),
            embedded: Plain::new(false),
            set_aside: RefCell::new(Vec::new()),
            has_set_aside: Plain::new(false),
            arrived: Plain::new(0),
            guests: Guests::new(),
            migrates: Plain::new(false),
            drop_depth: Plain::new(0),
        };
        // SAFETY: just allocated.
        unsafe { memory.cast::<Self>().write(hub) };
        NonNull::new(memory.cast::<Self>()).expect("a box is never null")
    }

    /// The identity of the loop.
    #[inline(always)]
    pub(crate) fn address(&self) -> *const Self {
        self.address
    }

    #[inline(always)]
    pub(crate) fn cache(&self) -> &CellCache {
        // SAFETY: it lives until `end_cache`, which is the owner's last act.
        unsafe { self.cache.get().as_ref() }
    }

    /// Gives the cell cache back to the thread.
    ///
    /// # Safety
    /// Once, by the owner, who does not use the cache afterwards.
    pub(crate) unsafe fn end_cache(&self) {
        // SAFETY: it was made by a `Box` in `new`.
        unsafe { Box::from_raw(self.cache.get().as_ptr()) }.give_back();
    }

    /// Whether other threads have sent something that was not taken yet.
    #[inline(always)]
    pub(crate) fn has_mail(&self) -> bool {
        self.inbox.has_mail() || self.has_set_aside.get()
    }

    /// What was set aside.
    pub(crate) fn take_set_aside(&self) -> Vec<TaskRef> {
        self.has_set_aside.set(false);
        self.set_aside.take()
    }

    /// The door, which is made if there is none.
    pub(crate) fn door(&self) -> Arc<Door> {
        let mut door = self.door.borrow_mut();
        let make = || Arc::new(Door::new(self.inbox.notifier(), !self.embedded.get()));
        Arc::clone(door.get_or_insert_with(make))
    }

    /// Tells those who were brought to the door, and how many they were.
    #[inline]
    pub(crate) fn answer_door(&self) -> usize {
        let visited = self
            .door
            .borrow()
            .as_ref()
            .is_some_and(|door| door.has_visitors());
        if visited { self.tell_visitors() } else { 0 }
    }

    #[cold]
    fn tell_visitors(&self) -> usize {
        let visitors = self.door().take();
        let count = visitors.len();
        visitors.into_iter().for_each(|visitor| self.admit(visitor));
        count
    }

    fn admit(&self, visitor: Visitor) {
        match visitor {
            Visitor::Left(owner) => {
                contain(|| Arc::clone(&owner).left_abroad()); // foreign code
                drop_contained(owner);
            }
            Visitor::New(task, branch) => guests::admit_new(self, task, &branch),
            Visitor::Held(branch, task) => guests::hold(self, &branch, task),
            Visitor::Released(branch, task) => guests::let_go_of(self, &branch, task),
        }
    }

    /// The loop has ended: nobody is brought to the door any more. Drops what was; true if
    /// there was something.
    pub(crate) fn close_door(&self) -> bool {
        let door = self.door.borrow().clone();
        let left = door.map_or_else(Vec::new, |door| door.close());
        let did = !left.is_empty();
        for visitor in left {
            match visitor {
                Visitor::Left(owner) => drop_contained(owner),
                visitor => self.admit(visitor),
            }
        }
        did
    }

    /// Whether the loop is that of the parent of this process, so that nobody drives it here.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        !self.process.is_this()
    }

    /// Leaves at `hub` which loop is running here. A hint, so whoever comes last may win, and no model need know of it.
    ///
    /// # Safety
    /// The hub is alive.
    #[cfg(not(loom))]
    unsafe fn note_pusher(hub: *const Self) {
        use core::sync::atomic::Ordering::Relaxed;

        let here = current::current().addr();
        // SAFETY: alive, says the caller.
        let pushed_by = unsafe { &(*hub).pushed_by };
        pushed_by.store(here, Relaxed);
    }

    #[cfg(loom)]
    unsafe fn note_pusher(_hub: *const Self) {}

    /// Brings `task` to the inbox of `hub`.
    ///
    /// # Safety
    /// The hub is alive until the push has succeeded; it may be freed then.
    pub(crate) unsafe fn push(hub: *const Self, task: TaskRef) -> Pushed {
        // SAFETY: alive, says the caller.
        unsafe { Self::note_pusher(hub) };
        // SAFETY: alive, says the caller.
        let inbox = unsafe { &raw const (*hub).inbox };
        // SAFETY: passed on to the caller.
        unsafe { Inbox::push(inbox, task) }
    }

    /// Gives one reference to `hub` up, and returns how many are left.
    ///
    /// # Safety
    /// The caller had one, and does not touch the hub afterwards.
    pub(crate) unsafe fn release(hub: *const Self) -> usize {
        // SAFETY: the caller's reference keeps it alive until here.
        let refs = unsafe { &(*hub).refs };
        // SAFETY: as above.
        #[cfg(loom)]
        unsafe { &*hub }.check_life();
        // AcqRel: every access comes before the free.
        let left = refs.fetch_sub(1, Ordering::AcqRel) - 1;
        if left == 0 {
            // SAFETY: nobody refers to it any more.
            unsafe { Self::free(hub.cast_mut()) };
        }
        left
    }

    /// # Safety
    /// Nobody refers to the hub.
    #[cfg(not(loom))]
    unsafe fn free(hub: *mut Self) {
        // SAFETY: made by a `Box` in `new`, and nobody refers to it.
        let hub = unsafe { Box::from_raw(hub) };
        drop_contained(hub); // the notifier is foreign
    }

    /// The same, except that the memory stays: a model looks at the life flag
    /// of a freed hub.
    ///
    /// # Safety
    /// Nobody refers to the hub.
    #[cfg(loom)]
    unsafe fn free(hub: *mut Self) {
        // SAFETY: not freed yet, or the flag says so.
        unsafe { &*hub }.inbox.life.end();
        // SAFETY: nobody refers to it.
        drop_contained(unsafe { hub.read() });
    }

    /// Fails the model if the hub was freed.
    #[cfg(loom)]
    pub(crate) fn check_life(&self) {
        self.inbox.life.check();
    }
}
