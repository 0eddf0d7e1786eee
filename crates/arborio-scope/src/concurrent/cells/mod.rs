//! A branch in one allocation: its future, its value, and what the run and the handle
//! have in common. All unsafe code of this crate is in this folder.
//!
//! | file        | what it is about                                           |
//! |-------------|------------------------------------------------------------|
//! | `mod.rs`    | the cell, and its two ends: [`Owned`] and [`Handle`]       |
//! | `state.rs`  | the word by which the two ends know of each other          |
//! | `place.rs`  | how cells come from spawners to the run; chains of cells   |
//! | `memory.rs` | blocks that a thread keeps for the next cells              |
//!
//! # Invariants
//! - K1: a cell has one `Owned` and one `Handle`, which are made with it. It is freed when
//!   both are gone, by the one that goes last (H3 in `state.rs`). If one is leaked, so is
//!   the cell.
//! - K2: the future, and the plain words of the [`Head`], are touched through the `Owned`
//!   only. So it is polled and dropped where the run is, and never by the handle, which
//!   may outlive what the future borrows.
//! - K3: outcome and waker are touched by whom `state.rs` names, and nobody else.
//! - K4: no reference to a cell is there when the word says that its end has left it.
//! - K5: foreign code (futures, values, wakers) finds the cell whole: what is taken out
//!   was marked as gone before.

mod memory;
mod place;
mod state;
#[cfg(all(test, not(loom)))]
mod tests;

use std::{
    alloc::Layout,
    cell::Cell,
    cmp::Reverse,
    future::Future,
    marker::PhantomData,
    mem::{ManuallyDrop, MaybeUninit},
    pin::Pin,
    ptr::NonNull,
    task::{Context, Poll, Waker, ready},
    thread,
};

use arborio_base::{contain, sync::UnsafeCell};
use arborio_task::Interrupt;

use super::spawner::Kind;
use crate::{Local, Sent};

pub(crate) use place::{Chain, Entered, Place, Shared};
use state::{Left, ShortWay, State};

/// What a handle gives.
pub(crate) type Outcome<T> = Result<T, Interrupt>;

/// What a cell begins with, whatever is in it.
struct Head {
    table: &'static Table,
    /// Of who awaits the handle (K3). Empty when the cell is freed.
    waker: Slot<Waker>,
    /// In a chain; of the run (K2), as all that follows.
    next: Cell<Option<NonNull<Head>>>,
    /// Which of the run's looks has found it, and how many it found behind it.
    batch: Cell<u64>,
    behind: Cell<u32>,
    number: Cell<u32>,
    state: State,
    /// Whether the future is still there; of the run (K2).
    has_future: Cell<bool>,
    /// Whether the handle may know of the outcome; of the run (K2).
    is_told: Cell<bool>,
    /// Whether the outcome is there; belongs to whom the outcome belongs (K3).
    has_outcome: Cell<bool>,
}

/// The number of a branch that has no seat.
const NO_SEAT: u32 = u32::MAX;

/// What the handle knows: its offsets do not depend on the future.
#[repr(C)]
struct Front<T> {
    head: Head,
    outcome: Slot<Outcome<T>>,
}

/// A whole cell.
#[repr(C)]
struct Whole<F: Future> {
    front: Front<F::Output>,
    future: std::cell::UnsafeCell<ManuallyDrop<F>>,
}

/// Something that one end may touch at a time (K3), and that is there or not.
struct Slot<V>(UnsafeCell<MaybeUninit<V>>);

impl<V> Slot<V> {
    fn empty() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// Calls `touch` with what is inside.
    #[inline(always)]
    fn with<R>(&self, touch: impl FnOnce(*mut MaybeUninit<V>) -> R) -> R {
        #[cfg(loom)]
        return self.0.with_mut(touch);
        #[cfg(not(loom))]
        touch(self.0.get())
    }

    /// Puts something in. What was there is not dropped.
    ///
    /// # Safety
    /// The slot is the caller's (K3).
    #[inline(always)]
    unsafe fn put(&self, content: V) {
        // SAFETY: it points into the cell, and the slot is the caller's.
        self.with(|slot| unsafe { slot.write(MaybeUninit::new(content)) });
    }

    /// Takes it out.
    ///
    /// # Safety
    /// The slot is the caller's (K3), and something was put in, and not taken since.
    #[inline(always)]
    unsafe fn take(&self) -> V {
        // SAFETY: it points into the cell, and the slot is the caller's.
        let content = self.with(|slot| unsafe { slot.read() });
        // SAFETY: something was put in, and nobody takes it again.
        unsafe { content.assume_init() }
    }
}

/// What is done with a cell by who does not know what is in it. All are to be called
/// with a cell of the future that the table was made for.
struct Table {
    /// To be called while there is a future. Ready: it has gone, and the outcome is there.
    poll: unsafe fn(NonNull<Head>, &mut Context<'_>) -> Poll<()>,
    /// To be called before the handle may know of an outcome, and once.
    interrupt: unsafe fn(NonNull<Head>, Interrupt),
    /// To be called once, and not after `poll` was ready.
    drop_future: unsafe fn(NonNull<Head>),
    /// To be called by who has the cell alone, once. The future is gone.
    free: unsafe fn(NonNull<Head>),
}

impl Table {
    const fn of<F: Future>() -> &'static Self {
        const {
            &Self {
                poll: Whole::<F>::poll,
                interrupt: Whole::<F>::interrupt,
                drop_future: Whole::<F>::drop_future,
                free: Whole::<F>::free,
            }
        }
    }
}

impl<F: Future> Whole<F> {
    /// The future in the cell.
    ///
    /// # Safety
    /// It is a cell of this type, and of the caller for `'c` (K1, K2).
    #[inline]
    unsafe fn of<'c>(head: NonNull<Head>) -> &'c Self {
        // SAFETY: the head is at the begin of it (`repr(C)`), and the pointer is that of
        // the block. What changes is in cells.
        unsafe { head.cast::<Self>().as_ref() }
    }

    /// See [`Table::poll`].
    unsafe fn poll(head: NonNull<Head>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: as the table says; the `Owned` is borrowed meanwhile.
        let whole = unsafe { Self::of(head) };
        // SAFETY: K2. It is there, and nobody else has a reference to it.
        let future = unsafe { &mut *whole.future.get() };
        // SAFETY: it does not leave the cell, and is dropped before that is freed. If the
        // cell is leaked, so is the block.
        let pinned = unsafe { Pin::new_unchecked(&mut **future) };
        let value = ready!(pinned.poll(cx));
        // SAFETY: the handle was not told, so the outcome is the run's (K3).
        unsafe { whole.front.outcome.put(Ok(value)) };
        whole.front.head.has_outcome.set(true);
        whole.front.head.has_future.set(false); // K5
        // SAFETY: it is there, and nobody reaches it any more.
        unsafe { ManuallyDrop::drop(future) };
        Poll::Ready(())
    }

    /// See [`Table::interrupt`].
    unsafe fn interrupt(head: NonNull<Head>, why: Interrupt) {
        // SAFETY: as the table says.
        let whole = unsafe { Self::of(head) };
        // SAFETY: the handle was not told, so the outcome is the run's (K3).
        unsafe { whole.front.outcome.put(Err(why)) };
        whole.front.head.has_outcome.set(true);
    }

    /// See [`Table::drop_future`].
    unsafe fn drop_future(head: NonNull<Head>) {
        // SAFETY: as the table says.
        let whole = unsafe { Self::of(head) };
        // SAFETY: K2. It is there, and nobody else has a reference to it.
        let future = unsafe { &mut *whole.future.get() };
        // SAFETY: once, as the table says.
        unsafe { ManuallyDrop::drop(future) };
    }

    /// See [`Table::free`].
    unsafe fn free(head: NonNull<Head>) {
        /// Gives the block back, also if the value's destructor panics.
        struct Block<F: Future>(NonNull<Whole<F>>);
        impl<F: Future> Drop for Block<F> {
            #[inline]
            fn drop(&mut self) {
                // SAFETY: it was taken with this layout, by `lay`, and is given once.
                unsafe { memory::give(self.0.cast(), Layout::new::<Whole<F>>()) }
            }
        }
        let block = Block(head.cast::<Self>());
        // SAFETY: it is there until the block is given back.
        let whole = unsafe { Self::of(block.0.cast()) };
        #[cfg(loom)]
        {
            // Freeing is a use like any other: a model checks that no other one races.
            whole.front.head.waker.with(|_| ());
            whole.front.outcome.with(|_| ());
        }
        if whole.front.head.has_outcome.get() {
            // SAFETY: nobody else has the cell (K1), and it is there.
            drop(unsafe { whole.front.outcome.take() });
        }
    }
}

/// The run's end of a cell: a branch that may be polled. Dropping it drops the future,
/// if that is still there; whoever does so should have [told](Self::tell) the handle.
pub(crate) struct Owned<'env, K: Kind> {
    head: NonNull<Head>,
    mark: PhantomData<(&'env (), K)>,
}

// SAFETY: it owns a future, and an outcome that may be dropped here, and K says that both
// may be sent: `sent` asks for that, and `Local` is not `Send`. The handle meets it in
// `state` only.
unsafe impl<K: Kind + Send> Send for Owned<'_, K> {}

impl<K: Kind> Unpin for Owned<'_, K> {}

impl<'env> Owned<'env, Sent> {
    /// A cell with both of its ends.
    #[inline]
    pub(crate) fn sent<F>(future: F) -> (Self, Handle<F::Output>)
    where
        F: Future<Output: Send> + Send + 'env,
    {
        // SAFETY: future and value may be sent, as `Sent` says.
        unsafe { lay(future) }
    }
}

impl<'env> Owned<'env, Local> {
    /// A cell with both of its ends.
    #[inline]
    pub(crate) fn local<F: Future + 'env>(future: F) -> (Self, Handle<F::Output>) {
        // SAFETY: `Local` says nothing.
        unsafe { lay(future) }
    }
}

/// A cell with both of its ends.
///
/// # Safety
/// If K may be sent, the future and its value may.
#[inline]
unsafe fn lay<'env, K: Kind, F: Future + 'env>(future: F) -> (Owned<'env, K>, Handle<F::Output>) {
    let whole = Whole {
        front: Front {
            head: Head {
                table: Table::of::<F>(),
                waker: Slot::empty(),
                next: Cell::new(None),
                batch: Cell::new(0),
                behind: Cell::new(0),
                number: Cell::new(NO_SEAT),
                state: State::new(),
                has_future: Cell::new(true),
                is_told: Cell::new(false),
                has_outcome: Cell::new(false),
            },
            outcome: Slot::empty(),
        },
        future: std::cell::UnsafeCell::new(ManuallyDrop::new(future)),
    };
    let block = memory::take(Layout::new::<Whole<F>>()).cast::<Whole<F>>();
    // SAFETY: the block has the layout of it, and is nobody else's.
    unsafe { block.write(whole) };
    let head = block.cast();
    let (mark, value) = (PhantomData, PhantomData);
    let end = HandleEnd(head);
    (Owned { head, mark }, Handle { end, value })
}

impl<'env, K: Kind> Owned<'env, K> {
    #[inline]
    fn head(&self) -> &Head {
        // SAFETY: the cell is there as long as this is (K1).
        unsafe { self.head.as_ref() }
    }

    /// Polls the future. Ready: when this is dropped, the handle is told.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let head = self.head();
        if !head.has_future.get() || head.is_told.get() {
            return Poll::Ready(());
        }
        // SAFETY: the future is there, and the handle was not told.
        unsafe { (head.table.poll)(self.head, cx) }
    }

    /// Tells the handle why there is no value, unless there is one. The first call counts.
    pub(crate) fn tell(&mut self, why: Interrupt) {
        let head = self.head();
        if head.is_told.get() {
            return;
        }
        if !head.has_outcome.get() {
            // SAFETY: nobody was told of an outcome, there is none, and the table is that
            // of the cell.
            unsafe { (head.table.interrupt)(self.head, why) };
        }
        head.is_told.set(true);
        // SAFETY: the outcome is written, and it is told once.
        unsafe { publish(self.head) };
    }

    /// Of the seat that the branch has.
    #[inline]
    pub(crate) fn number(&self) -> Option<u32> {
        Some(self.head().number.get()).filter(|&number| number != NO_SEAT)
    }

    #[inline]
    pub(crate) fn set_number(&mut self, number: Option<u32>) {
        self.head().number.set(number.unwrap_or(NO_SEAT));
    }

    /// Increases in the order in which branches have come.
    pub(crate) fn order(&self) -> (u64, Reverse<u32>) {
        let head = self.head();
        (head.batch.get(), Reverse(head.behind.get()))
    }

    /// The cell, whose end is the caller's now.
    #[inline]
    fn into_head(self) -> NonNull<Head> {
        ManuallyDrop::new(self).head
    }

    /// # Safety
    /// It came from `into_head` of an `Owned` of the same type, and once.
    #[inline]
    unsafe fn from_head(head: NonNull<Head>) -> Self {
        let mark = PhantomData;
        Self { head, mark }
    }
}

/// Tells the handle that there is an outcome, and wakes who waits for it.
///
/// # Safety
/// The caller has the run's end of the cell, the outcome is written, and it is told once.
#[cold]
unsafe fn publish(cell: NonNull<Head>) {
    // SAFETY: the run has not left it (K1).
    let head = unsafe { cell.as_ref() };
    if head.state.tell() {
        // SAFETY: with TOLD the slot is the run's (K3).
        let waker = unsafe { head.waker.take() };
        contain(|| waker.wake());
    }
}

/// Tells the handle, unless it was told, and leaves the cell to it; frees it if there
/// is no handle any more.
///
/// # Safety
/// The caller has the run's end of the cell, and does not touch it any more. There is no
/// future.
#[cold]
unsafe fn leave(cell: NonNull<Head>) {
    // SAFETY: the run has not left the cell (K1).
    let head = unsafe { cell.as_ref() };
    let mut waker = None;
    if !head.is_told.replace(true) && head.state.tell() {
        // SAFETY: with TOLD the slot is the run's (K3).
        waker = Some(unsafe { head.waker.take() });
    }
    if head.state.leave_as_run() == Left::ToNobody {
        // SAFETY: the handle is gone, and so is the future.
        unsafe { free(cell) };
    }
    contain(|| waker.map(Waker::wake));
}

/// # Safety
/// The caller has the cell alone, and there is no future in it.
#[inline]
unsafe fn free(cell: NonNull<Head>) {
    // SAFETY: it is there.
    let table = unsafe { cell.as_ref() }.table;
    // SAFETY: as the caller says.
    let free = || unsafe { (table.free)(cell) };
    match thread::panicking() {
        false => free(),
        // The value's destructor may not add another panic.
        true => drop(contain(free)),
    }
}

/// Leaves a cell at the end of a destructor of the future, whatever that does.
struct Leaving(NonNull<Head>);

impl Drop for Leaving {
    fn drop(&mut self) {
        // SAFETY: the `Owned` is being dropped, and the future is gone.
        unsafe { leave(self.0) };
    }
}

/// The long way of an [`Owned`] that is dropped.
///
/// # Safety
/// As for [`leave`], but there may be a future.
#[cold]
unsafe fn drop_and_leave(cell: NonNull<Head>) {
    let leaving = Leaving(cell);
    // SAFETY: the run has not left it (K1).
    let head = unsafe { leaving.0.as_ref() };
    if head.has_future.replace(false) {
        // SAFETY: it was there, and is marked as gone.
        unsafe { (head.table.drop_future)(cell) };
    }
}

impl<K: Kind> Drop for Owned<'_, K> {
    #[inline]
    fn drop(&mut self) {
        let head = self.head();
        let way = match head.has_future.get() || head.is_told.get() {
            false => head.state.tell_and_leave(),
            true => ShortWay::IsBarred,
        };
        // K4: `head` is not used any more, for the cell may have been left.
        match way {
            ShortWay::Left(Left::ToTheOther) => {}
            // SAFETY: the handle is gone, and so is the future.
            ShortWay::Left(Left::ToNobody) => unsafe { free(self.head) },
            // SAFETY: the cell was not left.
            ShortWay::IsBarred => unsafe { drop_and_leave(self.head) },
        }
    }
}

/// The end of who awaits the value. It drops the value that nobody has taken.
pub(crate) struct Handle<T> {
    end: HandleEnd,
    /// Not a destructor of its own: whoever only refers to something (`T = &U`) may
    /// outlive it.
    value: PhantomData<T>,
}

// SAFETY: it gives or drops a T; all else in the cell it meets in `state` only, or the
// memory of it. The table of the cell is the same on every thread.
unsafe impl<T: Send> Send for Handle<T> {}
// SAFETY: who has it shared can only ask whether the branch has ended.
unsafe impl<T: Send> Sync for Handle<T> {}
impl<T> Unpin for Handle<T> {}

impl<T> Handle<T> {
    #[inline]
    fn front(&self) -> &Front<T> {
        let front = self.end.0.cast::<Front<T>>();
        // SAFETY: the cell is there as long as this is (K1), and begins with a front of
        // this type (`repr(C)`): a `Handle` is made with its cell.
        unsafe { front.as_ref() }
    }

    /// Whether the outcome is there, or was.
    #[inline]
    pub(crate) fn is_told(&self) -> bool {
        self.front().head.state.is_told()
    }

    /// The outcome; `None` if it was taken before.
    #[inline]
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Outcome<T>>> {
        if !self.is_told() && self.wait(cx) {
            return Poll::Pending;
        }
        let front = self.front();
        // With TOLD the outcome is the handle's (K3), which is borrowed alone.
        Poll::Ready(match front.head.has_outcome.replace(false) {
            // SAFETY: as above; it is there, and is marked as gone.
            true => Some(unsafe { front.outcome.take() }),
            false => None,
        })
    }

    /// Leaves a waker. False: the outcome has come meanwhile.
    #[cold]
    fn wait(&mut self, cx: &Context<'_>) -> bool {
        let fresh = cx.waker().clone(); // foreign code: before all else
        let old = self.end.take_waker();
        let head = &self.front().head;
        if head.state.is_told() {
            return false; // then the slot may be the run's
        }
        // SAFETY: without WAITS, and before the handle has set it, the slot is the
        // handle's: TOLD gives it to the run only with WAITS (H2).
        unsafe { head.waker.put(fresh) };
        let waits = head.state.wait();
        if !waits {
            // SAFETY: the run has not seen WAITS, so it does not touch the slot.
            drop(unsafe { head.waker.take() });
        }
        drop(old);
        waits
    }
}

/// The handle's end, whatever the value is. Its destructor is not that of the
/// [`Handle`], so that the compiler asks whether the value's own one needs what it
/// refers to.
struct HandleEnd(NonNull<Head>);

impl HandleEnd {
    /// Takes the waker that lies in the cell.
    #[inline]
    fn take_waker(&mut self) -> Option<Waker> {
        // SAFETY: the cell is there as long as this is (K1).
        let head = unsafe { self.0.as_ref() };
        match head.state.wait_no_more() {
            // SAFETY: the slot is the handle's again (K3).
            true => Some(unsafe { head.waker.take() }),
            false => None,
        }
    }
}

impl Drop for HandleEnd {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the cell is there as long as this is (K1).
        let head = unsafe { self.0.as_ref() };
        if head.state.has_run_left() {
            // SAFETY: the run has left the cell, and had dropped the future before.
            unsafe { free(self.0) };
        } else {
            self.leave();
        }
    }
}

impl HandleEnd {
    /// The handle is dropped, and the run is still there.
    #[cold]
    fn leave(&mut self) {
        let waker = self.take_waker();
        // SAFETY: the cell is there until the handle has left (K1).
        let left = unsafe { self.0.as_ref() }.state.leave_as_handle();
        if left == Left::ToNobody {
            // SAFETY: the run has left it meanwhile, and had dropped the future before.
            unsafe { free(self.0) };
        }
        drop(waker); // foreign code: last
    }
}
