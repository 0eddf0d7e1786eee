//! The memory of one task: header, then the stage (future, or outcome).
//!
//! One allocation. The words that every poll touches lie next to the future;
//! the cold ones (list links, side record) lie before them, so that a small
//! task is polled within one or two cache lines.
//!
//! # Who may touch what
//! | field                      | who                                             |
//! |----------------------------|-------------------------------------------------|
//! | `links`, `parent`, `next`, `awaiter`, stage of a task that is not DONE | the owner |
//! | `local`                    | written by the owner, read by all               |
//! | `shared`, `side`           | all                                             |
//! | `link`                     | who holds the PIN; once settled, the owner      |
//! | stage of a DONE task       | see [`crate::local`], L3                        |
//! | `hub`                      | read by all; written by the loop that takes the task over ([`crate::moving`]) |
//! | `vtable`, `spawned_at`     | all, they never change once others know of the task |
//!
//! An *heir* is a task that was spawned where task-locals were set. It has a vtable that
//! polls and drops the future where they are; it gets that before anybody else knows of
//! the task.
//!
//! A task that is made abroad belongs to its maker until the push that brings
//! it to its loop.

use std::{
    alloc::Layout,
    marker::PhantomData,
    mem::{ManuallyDrop, needs_drop, offset_of},
    ops::Deref,
    panic::Location,
    pin::Pin,
    ptr::{self, NonNull},
    task::{Context, Poll},
};

use arborio_base::{
    Links, Plain, drop_contained,
    sync::atomic::{AtomicPtr, Ordering},
};

use crate::{
    awaiter::Awaiter,
    hub::Hub,
    interrupt::Interrupt,
    local::{Flags, LocalWord},
    locals,
    node::Node,
    shared::SharedWord,
    side::{self, Side},
};

/// What is the same for every task, whatever its future.
#[repr(C)]
pub(crate) struct Header {
    /// Place in the list of its tree node, or of the hub. First, so that a
    /// pointer to the links is a pointer to the header.
    pub(crate) links: Links,
    /// The tree node that counts this task. Read until the task has ended.
    pub(crate) parent: Plain<*const Node>,
    /// The next task in the inbox.
    pub(crate) link: Plain<Option<TaskRef>>,
    /// What few tasks have: a name, a request, waiters abroad, frames. Null until needed;
    /// its states are in [`crate::side`].
    pub(crate) side: AtomicPtr<Side>,
    /// Where in the source the task was spawned.
    pub(crate) spawned_at: &'static Location<'static>,
    /// Count and messages of the threads abroad.
    pub(crate) shared: SharedWord,
    /// Who waits for the outcome on the owner's thread.
    pub(crate) awaiter: Awaiter,
    /// The loop; its address is the owner's identity.
    hub: AtomicPtr<Hub>,
    /// What depends on the future's type.
    pub(crate) vtable: Plain<&'static Vtable>,
    /// The next task in the run queue.
    pub(crate) next: Plain<Option<TaskRef>>,
    /// Flags and count of the owner.
    pub(crate) local: LocalWord,
    /// Turns a use after free into a failed model.
    #[cfg(loom)]
    pub(crate) life: crate::life::Life,
}

/// What depends on the type of the future.
pub(crate) struct Vtable {
    poll: unsafe fn(TaskRef, &mut Context<'_>) -> Poll<()>,
    drop_future: unsafe fn(TaskRef),
    /// `None` if there is nothing to do.
    drop_output: Option<unsafe fn(TaskRef)>,
    /// From the header to the future, and to the outcome that replaces it.
    stage_offset: usize,
    /// Of the whole cell.
    pub(crate) layout: Layout,
    /// The vtable of an heir; `None` if this is it.
    heir: Option<&'static Vtable>,
}

/// Header and stage. `Flags` of the local word say which field is alive.
#[repr(C)]
struct Cell<F: Future> {
    header: Header,
    stage: Stage<F>,
}

/// Never accessed by field, always through a pointer of the right type: it only
/// has the size and alignment for all three.
#[expect(dead_code, reason = "see above")]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<F::Output>,
    interrupt: ManuallyDrop<Interrupt>,
}

/// What a new cell is made of.
pub(crate) struct Birth {
    pub(crate) hub: *const Hub,
    pub(crate) spawned_at: &'static Location<'static>,
    pub(crate) shared: SharedWord,
    pub(crate) flags: Flags,
    /// References that the owner counts from the start.
    pub(crate) references: i64,
    pub(crate) side: *mut Side,
}

/// A pointer to a task's header that is not counted.
///
/// Whoever holds one holds a reference (or a PIN, or is the owner walking a
/// list), so the cell is allocated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TaskRef(NonNull<Header>);

impl Deref for TaskRef {
    type Target = Header;

    #[inline(always)]
    fn deref(&self) -> &Header {
        // SAFETY: see the type: the cell is allocated, and its header is only
        // ever accessed through shared references.
        let header = unsafe { self.0.as_ref() };
        #[cfg(loom)]
        header.life.check();
        header
    }
}

impl TaskRef {
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut Header {
        self.0.as_ptr()
    }

    #[inline(always)]
    pub(crate) fn from_ptr(header: *mut Header) -> Option<Self> {
        NonNull::new(header).map(Self)
    }

    /// # Safety
    /// `header` is not null.
    #[inline(always)]
    pub(crate) unsafe fn from_ptr_unchecked(header: *mut Header) -> Self {
        // SAFETY: passed on to the caller.
        Self(unsafe { NonNull::new_unchecked(header) })
    }

    /// The memory of a cell that nobody refers to any more, to be freed.
    #[inline(always)]
    pub(crate) fn end_life(self) -> (NonNull<u8>, Layout) {
        let layout = self.layout();
        #[cfg(loom)]
        self.life.end();
        (self.0.cast(), layout)
    }

    /// What its memory has for a layout.
    #[inline(always)]
    pub(crate) fn layout(self) -> Layout {
        self.vtable.get().layout
    }

    /// The loop; [`TRANSIT`](crate::moving::TRANSIT) on the way from one to another.
    #[inline(always)]
    pub(crate) fn hub(self) -> *const Hub {
        // Relaxed: see `moving`, M2 and M3.
        self.hub.load(Ordering::Relaxed)
    }

    /// From now on the task is the loop's; see [`crate::moving`] for who may say so.
    #[inline]
    pub(crate) fn set_hub(self, hub: *const Hub) {
        self.hub.store(hub.cast_mut(), Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn links(self) -> NonNull<Links> {
        self.0.cast()
    }

    /// The task whose links these are. They are the links of a task, not a
    /// list's own.
    #[inline(always)]
    pub(crate) fn from_links(links: NonNull<Links>) -> Self {
        Self(links.cast())
    }

    /// Makes a cell around `future` in `memory`, which has the layout that
    /// [`layout_of`] gives for it.
    #[inline]
    pub(crate) fn create<F: Future>(memory: NonNull<u8>, birth: Birth, future: F) -> Self {
        let task = Self::create_bare::<F>(memory, birth);
        // SAFETY: the memory is large enough, and nobody else knows of it yet.
        unsafe { ptr::write(task.stage(), ManuallyDrop::new(future)) };
        task
    }

    /// The same with an interrupt instead of a future: the task has ended
    /// before it began. `birth.flags` has DONE and INTERRUPTED.
    pub(crate) fn create_ended<F: Future>(
        memory: NonNull<u8>,
        birth: Birth,
        interrupt: Interrupt,
    ) -> Self {
        let task = Self::create_bare::<F>(memory, birth);
        // SAFETY: as in `create`; a stage is large enough for an interrupt.
        unsafe { ptr::write(task.stage(), ManuallyDrop::new(interrupt)) };
        task
    }

    #[inline]
    fn create_bare<F: Future>(memory: NonNull<u8>, birth: Birth) -> Self {
        let header = memory.cast::<Header>();
        let value = Header {
            links: Links::new(),
            parent: Plain::new(ptr::null()),
            link: Plain::new(None),
            side: AtomicPtr::new(birth.side),
            spawned_at: birth.spawned_at,
            shared: birth.shared,
            awaiter: Awaiter::new(),
            hub: AtomicPtr::new(birth.hub.cast_mut()),
            vtable: Plain::new(VtableOf::<F>::VTABLE),
            next: Plain::new(None),
            local: LocalWord::new(birth.flags, birth.references),
            #[cfg(loom)]
            life: crate::life::Life::new(&crate::life::CELLS),
        };
        // SAFETY: the memory is large enough and aligned for the cell.
        unsafe { header.as_ptr().write(value) };
        Self(header)
    }

    /// The task has task-locals, which lie in its side record. The maker calls.
    pub(crate) fn become_heir(self) {
        if let Some(heir) = self.vtable.get().heir {
            self.vtable.set(heir);
        }
    }

    /// A pointer to the stage, as a `T`.
    #[inline(always)]
    fn stage<T>(self) -> *mut T {
        let offset = self.vtable.get().stage_offset;
        // SAFETY: the stage lies within the cell's allocation, which the
        // pointer was made from.
        unsafe { self.0.as_ptr().byte_add(offset).cast() }
    }

    /// The same where the type of the future is known: the offset is a
    /// constant, which takes two loads out of the way of each poll.
    ///
    /// # Safety
    /// The cell was made around an `F`.
    #[inline(always)]
    unsafe fn stage_of<F: Future, T>(self) -> *mut T {
        let offset = offset_of!(Cell<F>, stage);
        // SAFETY: as in `stage`.
        unsafe { self.0.as_ptr().byte_add(offset).cast() }
    }

    /// Polls the future. If it is ready it has been dropped, and the output
    /// stands in its place.
    ///
    /// # Safety
    /// On the owner's thread; the task is not DONE and nobody else polls it.
    #[inline(always)]
    pub(crate) unsafe fn poll(self, cx: &mut Context<'_>) -> Poll<()> {
        let poll = self.vtable.get().poll;
        // SAFETY: passed on to the caller.
        unsafe { poll(self, cx) }
    }

    /// Drops the future. May panic, as its destructor may.
    ///
    /// # Safety
    /// On the owner's thread; the future is alive and will not be touched again.
    pub(crate) unsafe fn drop_future(self) {
        let drop_future = self.vtable.get().drop_future;
        // SAFETY: passed on to the caller.
        unsafe { drop_future(self) }
    }

    /// Puts `interrupt` where the future was.
    ///
    /// # Safety
    /// The stage holds nothing, and only the caller touches it.
    pub(crate) unsafe fn write_interrupt(self, interrupt: Interrupt) {
        // SAFETY: every stage is large enough for an interrupt.
        unsafe { self.stage::<Interrupt>().write(interrupt) };
    }

    /// Moves the outcome out. `T` is the output type of the future.
    ///
    /// # Safety
    /// The caller may touch the stage (L3 of [`crate::local`]), an outcome is
    /// there, and nobody will touch it afterwards. `T` is right.
    #[inline]
    pub(crate) unsafe fn read_outcome<T>(self, interrupted: bool) -> Result<T, Interrupt> {
        if interrupted {
            // SAFETY: the flag says that an interrupt is there.
            return Err(unsafe { self.stage::<Interrupt>().read() });
        }
        // SAFETY: otherwise the output is, and its type is `T`.
        Ok(unsafe { self.stage::<T>().read() })
    }

    /// Clones the outcome. `T` is the output type of the future.
    ///
    /// # Safety
    /// As `read_outcome`, except that the outcome stays.
    pub(crate) unsafe fn clone_outcome<T: Clone>(self, interrupted: bool) -> Result<T, Interrupt> {
        if interrupted {
            // SAFETY: the flag says that an interrupt is there.
            return Err(unsafe { self.interrupt() }.clone());
        }
        // SAFETY: otherwise the output is, and its type is `T`.
        let output = unsafe { &*self.stage::<T>() };
        Ok(output.clone())
    }

    /// The outcome in the stage. `T` is the output type of the future.
    ///
    /// # Safety
    /// As `read_outcome`, except that the outcome stays, at least as long as `'a`.
    pub(crate) unsafe fn outcome<'a, T>(self, interrupted: bool) -> Result<&'a T, &'a Interrupt> {
        if interrupted {
            // SAFETY: the flag says that an interrupt is there.
            return Err(unsafe { self.interrupt() });
        }
        // SAFETY: otherwise the output is, and its type is `T`.
        Ok(unsafe { &*self.stage::<T>() })
    }

    /// The interrupt in the stage.
    ///
    /// # Safety
    /// The task is DONE, INTERRUPTED and not BARE, and the caller may touch
    /// the stage.
    pub(crate) unsafe fn interrupt<'a>(self) -> &'a Interrupt {
        // SAFETY: passed on to the caller.
        unsafe { &*self.stage::<Interrupt>() }
    }

    /// Whether the output, if there is one, has a destructor.
    #[inline(always)]
    pub(crate) fn drops_output(self) -> bool {
        self.vtable.get().drop_output.is_some()
    }

    /// Drops the outcome; a panic of its destructor is contained and counted.
    ///
    /// # Safety
    /// As `read_outcome`.
    pub(crate) unsafe fn drop_outcome(self, interrupted: bool) {
        if interrupted {
            // SAFETY: the flag says that an interrupt is there.
            drop_contained(unsafe { self.stage::<Interrupt>().read() });
        } else if let Some(drop_output) = self.vtable.get().drop_output {
            // SAFETY: otherwise the output is.
            arborio_base::contain(|| unsafe { drop_output(self) });
        }
    }
}

/// The layout of a cell around an `F`.
pub(crate) const fn layout_of<F: Future>() -> Layout {
    Layout::new::<Cell<F>>()
}

/// Carries the vtable of the cells around an `F`.
struct VtableOf<F>(PhantomData<F>);

impl<F: Future> VtableOf<F> {
    const DROP_OUTPUT: Option<unsafe fn(TaskRef)> = if needs_drop::<F::Output>() {
        Some(drop_output_stage::<F>)
    } else {
        None
    };

    const VTABLE: &'static Vtable = &Vtable {
        poll: poll_stage::<F>,
        drop_future: drop_future_stage::<F>,
        drop_output: Self::DROP_OUTPUT,
        stage_offset: offset_of!(Cell<F>, stage),
        layout: layout_of::<F>(),
        heir: Some(Self::HEIR),
    };

    const HEIR: &'static Vtable = &Vtable {
        poll: poll_heir::<F>,
        drop_future: drop_future_of_heir::<F>,
        drop_output: Self::DROP_OUTPUT,
        stage_offset: offset_of!(Cell<F>, stage),
        layout: layout_of::<F>(),
        heir: None,
    };
}

/// # Safety
/// As [`TaskRef::poll`]; the cell was made around an `F`.
unsafe fn poll_stage<F: Future>(task: TaskRef, cx: &mut Context<'_>) -> Poll<()> {
    // SAFETY: made around an `F`, says the caller.
    let future = unsafe { task.stage_of::<F, F>() };
    // SAFETY: the future is alive and only the caller touches it.
    let reference = unsafe { &mut *future };
    // SAFETY: it never moves until it is dropped: the cell stays where it is.
    let pinned = unsafe { Pin::new_unchecked(reference) };
    let Poll::Ready(output) = pinned.poll(cx) else {
        return Poll::Pending;
    };
    // SAFETY: nobody polls a future that was ready.
    let end = || unsafe { future.drop_in_place() };
    if let Err(payload) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(end)) {
        drop_contained(output);
        std::panic::resume_unwind(Box::new(FutureGone(payload)));
    }
    // SAFETY: made around an `F`, says the caller.
    let stage = unsafe { task.stage_of::<F, F::Output>() };
    // SAFETY: the stage is empty now, and large enough for the output.
    unsafe { stage.write(output) };
    Poll::Ready(())
}

/// The payload of a poll that panicked while it dropped the finished future:
/// there is no future left to drop.
pub(crate) struct FutureGone(pub(crate) Box<dyn std::any::Any + Send>);

/// # Safety
/// As [`TaskRef::drop_future`]; the cell was made around an `F`.
unsafe fn drop_future_stage<F: Future>(task: TaskRef) {
    // SAFETY: passed on to the caller.
    unsafe { task.stage::<F>().drop_in_place() };
}

/// As `poll_stage`, where the task's values are set. They go when the future does, which
/// is on the owner's thread, as they must.
///
/// # Safety
/// As `poll_stage`.
unsafe fn poll_heir<F: Future>(task: TaskRef, cx: &mut Context<'_>) -> Poll<()> {
    // SAFETY: passed on to the caller.
    let poll = || unsafe { poll_stage::<F>(task, cx) };
    let inside = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll));
    match locals::within(side::values(task), inside) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(())) => {
            drop_contained(side::take_values(task));
            Poll::Ready(())
        }
        Err(raised) => {
            if raised.is::<FutureGone>() {
                drop_contained(side::take_values(task));
            }
            std::panic::resume_unwind(raised)
        }
    }
}

/// As `drop_future_stage`, where the task's values are set.
///
/// # Safety
/// As `drop_future_stage`.
unsafe fn drop_future_of_heir<F: Future>(task: TaskRef) {
    // SAFETY: passed on to the caller.
    locals::within(side::take_values(task), || unsafe {
        drop_future_stage::<F>(task);
    });
}

/// # Safety
/// The output is alive and will not be touched again; made around an `F`.
unsafe fn drop_output_stage<F: Future>(task: TaskRef) {
    // SAFETY: passed on to the caller.
    unsafe { task.stage::<F::Output>().drop_in_place() };
}
