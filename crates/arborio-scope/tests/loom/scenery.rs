//! What the models of scopes have in common: a loop with a clock, and what its tasks do.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize as StdAtomicUsize, Ordering::Relaxed},
    },
    task::{Poll, Waker},
};

use arborio_scope::ScopeNote;
use arborio_timers::{Clock, Timers};
use loom::sync::atomic::AtomicUsize;

use crate::world::{Value, World};

/// Runs `main` and everything that it leaves behind, on a loop whose clock stands still.
pub(crate) fn drive<F: Future>(world: &World, main: F) -> F::Output {
    let timers = Timers::new(Clock::simulated(), Waker::noop().clone());
    let entered = timers.enter();
    let ((), outcome) = world
        .tasks()
        .run_main(main, |running| world.settle(running));
    drop(entered);
    outcome.unwrap()
}

/// Holds `kept` until it is dropped: never ready.
pub(crate) async fn hold(kept: Value) {
    kept.touch();
    std::future::pending::<()>().await;
    drop(kept);
}

/// Counts the polls of `future`.
pub(crate) fn counted<F: Future>(future: F) -> (impl Future<Output = F::Output>, Rc<Cell<usize>>) {
    let polls = Rc::new(Cell::new(0));
    let count = Rc::clone(&polls);
    let mut future = Box::pin(future);
    let counting = poll_fn(move |cx| {
        count.set(count.get() + 1);
        future.as_mut().poll(cx)
    });
    (counting, polls)
}

/// Counts the notes that an observer hears and that `wanted` names.
pub(crate) fn hearing(
    wanted: fn(&ScopeNote) -> bool,
) -> (
    impl Fn(&ScopeNote) + Send + Sync + 'static,
    Arc<StdAtomicUsize>,
) {
    let heard = Arc::new(StdAtomicUsize::new(0));
    let count = Arc::clone(&heard);
    let observer = move |note: &ScopeNote| {
        if wanted(note) {
            count.fetch_add(1, Relaxed);
        }
    };
    (observer, heard)
}

/// What one thread writes before it asks, and another reads once it was asked. Relaxed:
/// only the request orders the two.
#[derive(Clone, Default)]
pub(crate) struct Word(Arc<AtomicUsize>);

impl Word {
    pub(crate) fn write(&self) {
        self.0.store(1, Relaxed);
    }

    pub(crate) fn assert_written(&self) {
        assert_eq!(self.0.load(Relaxed), 1, "the request came without its data");
    }
}

/// Ready when it has been polled `turns` times and more; it wakes itself.
pub(crate) async fn turns(turns: usize) {
    let mut left = turns;
    poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
