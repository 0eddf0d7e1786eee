//! What the tests share: wakers that count, that write a log, that panic or
//! come back into the primitive; polls by hand; values that are counted.

use std::{
    future::Future,
    mem::ManuallyDrop,
    ops::Deref,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker},
    thread::{self, ThreadId},
    time::Duration,
};

use arborio_base::budget;

/// Makes a test of each of these functions, in both flavours.
macro_rules! in_both_flavours {
    ($($(#[$attribute:meta])* $test:ident),* $(,)?) => {
        mod threads {
            $($(#[$attribute])* #[test]
            fn $test() {
                super::$test::<arborio_sync::flavour::Threads>();
            })*
        }
        mod one_thread {
            $($(#[$attribute])* #[test]
            fn $test() {
                super::$test::<arborio_sync::flavour::OneThread>();
            })*
        }
    };
}
pub(crate) use in_both_flavours;

/// Whether `act` panics.
pub(crate) fn panics<R>(act: impl FnOnce() -> R) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).is_err()
}

/// Runs `act` as if a task of an Arborio loop were being polled on this thread.
pub(crate) fn in_a_poll<R>(act: impl FnOnce() -> R) -> R {
    struct End(budget::Saved);
    impl Drop for End {
        fn drop(&mut self) {
            budget::restore(self.0);
        }
    }
    let _end = End(budget::save());
    budget::refill();
    act()
}

/// Polls once, by hand.
pub(crate) fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>, waker: &Waker) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

/// Polls once with a waker that does nothing.
pub(crate) fn poll_idle<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    poll(future, Waker::noop())
}

/// Counts how often it is woken.
#[derive(Default)]
pub(crate) struct Counter(AtomicUsize);

impl Counter {
    /// A counter and the waker that counts.
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::new(Self::default());
        (Arc::clone(&counter), Waker::from(counter))
    }

    /// How often it was woken.
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Who was woken, in order. Clones write to the same log.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<usize>>>);

impl Log {
    /// A waker that notes `number`.
    pub(crate) fn waker(&self, number: usize) -> Waker {
        let log = self.clone();
        Script::default()
            .on_wake(move || log.add(number))
            .into_waker()
    }

    /// Notes `number`.
    pub(crate) fn add(&self, number: usize) {
        self.0.lock().unwrap().push(number);
    }

    /// What was noted since the last call.
    pub(crate) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

type Act = Box<dyn Fn() + Send + Sync>;

/// What a waker does when it is woken, cloned or dropped, besides being counted.
///
/// ```text
/// let again = Arc::clone(&mutex);
/// let script = Script::default().on_wake(move || drop(again.try_lock())).start();
/// poll(&mut lock, &script.waker());
/// assert_eq!(script.wakes(), 1);
/// ```
///
/// An act that makes the waker act again (its wake drops it, say) is not
/// entered a second time on the way.
#[derive(Default)]
pub(crate) struct Script {
    on_wake: Option<Act>,
    on_clone: Option<Act>,
    on_drop: Option<Act>,
    wakes: AtomicUsize,
    clones: AtomicUsize,
    drops: AtomicUsize,
    /// It counts, but does nothing else.
    quiet: AtomicBool,
}

impl Script {
    /// Runs `act` at each wake.
    pub(crate) fn on_wake(mut self, act: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_wake = Some(Box::new(act));
        self
    }

    /// Runs `act` at each clone.
    pub(crate) fn on_clone(mut self, act: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_clone = Some(Box::new(act));
        self
    }

    /// Runs `act` at each drop, that of a waker which a wake has used up included.
    pub(crate) fn on_drop(mut self, act: impl Fn() + Send + Sync + 'static) -> Self {
        self.on_drop = Some(Box::new(act));
        self
    }

    /// Panics at each wake.
    pub(crate) fn panics_on_wake() -> Arc<Self> {
        let panics = || panic!("a waker panics as it is woken");
        Self::default().on_wake(panics).start()
    }

    /// Panics at each clone.
    pub(crate) fn panics_on_clone() -> Arc<Self> {
        let panics = || panic!("a waker panics as it is cloned");
        Self::default().on_clone(panics).start()
    }

    /// Panics at each drop. [`Script::hush`] it before the test's own wakers go.
    pub(crate) fn panics_on_drop() -> Arc<Self> {
        let panics = || panic!("a waker panics as it is dropped");
        Self::default().on_drop(panics).start()
    }

    /// Does the same at each wake, clone and drop.
    pub(crate) fn always(act: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        let act = Arc::new(act);
        let (on_wake, on_clone) = (Arc::clone(&act), Arc::clone(&act));
        Self::default()
            .on_wake(move || on_wake())
            .on_clone(move || on_clone())
            .on_drop(move || act())
            .start()
    }

    /// The script, ready to make wakers.
    pub(crate) fn start(self) -> Arc<Self> {
        Arc::new(self)
    }

    /// A waker, if nobody wants to look at the script again.
    pub(crate) fn into_waker(self) -> Waker {
        self.start().waker()
    }

    /// A waker of the script. It counts as a clone.
    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        self.clones.fetch_add(1, Ordering::SeqCst);
        let data = Arc::into_raw(Arc::clone(self));
        // SAFETY: the functions of the table count the `Arc` as wakers are counted.
        unsafe { Waker::from_raw(RawWaker::new(data.cast(), &VTABLE)) }
    }

    /// From now on its wakers only count.
    pub(crate) fn hush(&self) {
        self.quiet.store(true, Ordering::SeqCst);
    }

    /// How often its wakers were woken.
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }

    /// How many clones of its wakers have not been dropped or woken by value.
    pub(crate) fn clones_alive(&self) -> usize {
        self.clones.load(Ordering::SeqCst) - self.drops.load(Ordering::SeqCst)
    }

    fn act(&self, act: &Option<Act>) {
        let Some(act) = act else { return };
        if self.quiet.load(Ordering::SeqCst) {
            return;
        }
        let entered = ENTERED.replace(true);
        let _leave = Leave(entered);
        if !entered {
            act();
        }
    }
}

thread_local! {
    /// An act is running on this thread.
    static ENTERED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

struct Leave(bool);

impl Drop for Leave {
    fn drop(&mut self) {
        ENTERED.set(self.0);
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        let script = borrowed(data);
        script.act(&script.on_clone);
        script.clones.fetch_add(1, Ordering::SeqCst);
        RawWaker::new(Arc::into_raw(Arc::clone(&script)).cast(), &VTABLE)
    },
    |data| {
        let script = owned(data);
        script.wakes.fetch_add(1, Ordering::SeqCst);
        script.drops.fetch_add(1, Ordering::SeqCst);
        script.act(&script.on_wake);
        script.act(&script.on_drop);
    },
    |data| {
        let script = borrowed(data);
        script.wakes.fetch_add(1, Ordering::SeqCst);
        script.act(&script.on_wake);
    },
    |data| {
        let script = owned(data);
        script.drops.fetch_add(1, Ordering::SeqCst);
        script.act(&script.on_drop);
    },
);

/// The script of a waker that stays.
fn borrowed(data: *const ()) -> ManuallyDrop<Arc<Script>> {
    // SAFETY: each waker owns one count of an `Arc<Script>`; it is not given up here.
    ManuallyDrop::new(unsafe { Arc::from_raw(data.cast()) })
}

/// The script of a waker that is used up.
fn owned(data: *const ()) -> Arc<Script> {
    // SAFETY: each waker owns one count of an `Arc<Script>`, and gives it up here.
    unsafe { Arc::from_raw(data.cast()) }
}

/// Takes what belongs to one thread into the acts of a [`Script`] that stays
/// there: the local primitives, which are not `Send`.
pub(crate) struct Here<T> {
    value: ManuallyDrop<T>,
    thread: ThreadId,
}

// SAFETY: every access, and the drop, make sure that they are on the thread that made it.
unsafe impl<T> Send for Here<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Here<T> {}

impl<T> Here<T> {
    /// Belongs to the calling thread.
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: ManuallyDrop::new(value),
            thread: thread::current().id(),
        }
    }
}

impl<A: Fn()> Here<A> {
    /// Runs the act that stays there.
    pub(crate) fn run(&self) {
        (**self)();
    }
}

impl<T> Deref for Here<T> {
    type Target = T;

    fn deref(&self) -> &T {
        assert_eq!(self.thread, thread::current().id(), "on the wrong thread");
        &self.value
    }
}

impl<T> Drop for Here<T> {
    fn drop(&mut self) {
        // On another thread it is leaked.
        if self.thread == thread::current().id() {
            // SAFETY: this is the drop, so nobody uses the value afterwards.
            unsafe { ManuallyDrop::drop(&mut self.value) };
        }
    }
}

/// How many values of one family live.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census(Arc<AtomicUsize>);

impl Census {
    /// A value that counts while it lives.
    pub(crate) fn value(&self, number: usize) -> Counted {
        self.0.fetch_add(1, Ordering::SeqCst);
        Counted {
            number,
            census: self.clone(),
        }
    }

    /// How many live now.
    pub(crate) fn alive(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A value of a [`Census`]; its clones count too.
#[derive(Debug)]
pub(crate) struct Counted {
    /// Which one it is.
    pub(crate) number: usize,
    census: Census,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.census.value(self.number)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // A value that was dropped twice makes the count wrap, and the test fail.
        self.census.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Panics when it is dropped, unless the thread panics already.
#[derive(Debug)]
pub(crate) struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(thread::panicking(), "a value panics as it is dropped");
    }
}

/// Runs `body` on a thread of its own, and fails if that takes 20 s: a test
/// whose subject may deadlock.
pub(crate) fn without_hanging<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let value = body();
        let _ = sender.send(value);
    });
    match receiver.recv_timeout(Duration::from_secs(20)) {
        Ok(value) => {
            thread.join().unwrap();
            value
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().unwrap_err())
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("nothing happened for 20 s: a deadlock"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_counts_its_wakers_and_runs_its_acts() {
        let log = Log::default();
        let (wake, clone, end) = (log.clone(), log.clone(), log.clone());
        let script = Script::default()
            .on_wake(move || wake.add(1))
            .on_clone(move || clone.add(2))
            .on_drop(move || end.add(3))
            .start();
        let waker = script.waker();
        waker.wake_by_ref();
        let other = waker.clone();
        other.wake();
        assert_eq!((script.wakes(), script.clones_alive()), (2, 1));
        drop(waker);
        assert_eq!(log.take(), [1, 2, 1, 3, 3]);
        assert_eq!((Arc::strong_count(&script), script.clones_alive()), (1, 0));
    }

    #[test]
    fn a_census_sees_clones_and_ends() {
        let census = Census::default();
        let value = census.value(7);
        let other = value.clone();
        assert_eq!((census.alive(), other.number), (2, 7));
        drop((value, other));
        assert_eq!(census.alive(), 0);
    }
}
