//! What foreign code may do at the worst moment: destructors, wakers and values that
//! reach for the branches they belong to.

use std::{
    cell::{Cell, RefCell},
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Poll, Wake, Waker},
    thread,
};

use arborio_scope::{
    Concurrent, Local,
    concurrent::{Branch, Spawner},
};
use arborio_task::{Interrupt, ReasonKind};
use futures_lite::future::{block_on, yield_now};

use super::{counted, poll};
use crate::support::{Log, forever};

/// Calls what it has when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_branch_that_has_its_own_handle_ends_and_its_value_is_dropped() {
    let log = Log::default();
    let own = RefCell::new(None::<Branch<_>>);
    for waits in [false, true] {
        let c = Concurrent::local();
        let handle = c.spawn(async {
            let mut handle = own.take().unwrap();
            if waits {
                assert!(
                    poll_fn(|cx| Poll::Ready(Pin::new(&mut handle).poll(cx)))
                        .await
                        .is_pending()
                );
                yield_now().await;
            }
            let value = log.on_drop("value");
            drop(handle);
            value
        });
        own.replace(Some(handle));
        block_on(c.run(async {}));
        assert_eq!(log.take(), ["value"]);
    }
}

#[test]
fn a_branch_that_drops_its_own_handle_with_its_future_is_freed_once() {
    let log = Log::default();
    let own = RefCell::new(None::<Branch<_>>);
    let c = Concurrent::local();
    let mut kept = None;
    let (taken, noted) = (&own, &log);
    let handle = c.spawn(poll_fn(move |_| {
        kept = kept.take().or_else(|| taken.take());
        Poll::Ready(noted.on_drop("value"))
    }));
    own.replace(Some(handle));
    block_on(c.run(async {}));
    assert_eq!(log.take(), ["value"]);
}

#[test]
fn a_destructor_finds_its_handle_told_when_the_run_is_dropped() {
    type Own = Rc<RefCell<Option<Branch<u32>>>>;
    struct Asks<'a>(Own, &'a Cell<u32>);
    impl Drop for Asks<'_> {
        fn drop(&mut self) {
            let handle = self.0.take().unwrap();
            assert!(handle.is_finished());
            let Err(Interrupt::Cancelled(why)) = block_on(handle) else {
                panic!("it was dropped");
            };
            assert_eq!(why.kind(), ReasonKind::Abort);
            self.1.set(self.1.get() + 1);
        }
    }
    let (told, own) = (Cell::new(0), Own::default());
    for polls in 0..2 {
        let c = Concurrent::local();
        let asks = Asks(Rc::clone(&own), &told);
        let handle = c.spawn(async move {
            let _asks = asks;
            pending().await
        });
        own.replace(Some(handle));
        let mut whole = Box::pin(c.run(pending::<()>()));
        for _ in 0..polls {
            assert!(poll(whole.as_mut(), Waker::noop()).is_pending());
        }
        drop(whole);
    }
    assert_eq!(told.get(), 2);
}

#[test]
fn destructors_of_futures_and_values_spawn_and_cancel() {
    let log = Log::default();
    let c = Concurrent::local();
    let again = |s: Spawner<'static, Local>, what: &'static str| {
        let log = log.clone();
        OnDrop(move || {
            let log = log.clone();
            s.spawn(async move { log.note(what) });
        })
    };
    // Its value has nobody who takes it: it is dropped in the poll of the run.
    let value = again(c.spawner(), "for the value");
    drop(c.spawn(async move { value }));
    let future = again(c.spawner(), "for the future");
    let s = c.spawner();
    c.spawn(poll_fn(move |_| {
        let _ = &future;
        Poll::Ready(())
    }));
    c.spawn(async move {
        let _cancels = OnDrop(|| s.cancel());
        yield_now().await;
    });
    let late = again(c.spawner(), "too late");
    let late = c.spawn(async move { late });
    block_on(c.run(async {}));
    let mut noted = log.take();
    noted.sort_unstable();
    assert_eq!(noted, ["for the future", "for the value"]);
    assert!(c.is_closed());
    drop(late); // its value spawns, and is refused
    drop(c);
    assert!(log.take().is_empty());
}

#[cfg(panic = "unwind")]
#[test]
fn a_value_whose_destructor_panics_is_a_panic_of_its_branch_and_frees_its_cell() {
    let log = Log::default();
    let c = Concurrent::local();
    drop(c.spawn(async { OnDrop(|| panic!("in a value")) }));
    let kept = c.spawn(async { OnDrop(|| panic!("in another value")) });
    let other = c.spawn(forever(&log, "other"));
    let mut whole = Box::pin(c.run(pending::<()>()));
    let polled = catch_unwind(AssertUnwindSafe(|| poll(whole.as_mut(), Waker::noop())));
    assert_eq!(
        *polled.unwrap_err().downcast::<&str>().unwrap(),
        "in a value"
    );
    assert!(log.take().is_empty(), "it was never polled");
    assert!(kept.is_finished() && other.is_finished());
    drop(whole);
    drop(kept); // was not polled: there is no value
    let c = Concurrent::local();
    let kept = c.spawn(async { OnDrop(|| panic!("in a value")) });
    block_on(c.run(async {}));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(kept))).is_err());
}

#[cfg(panic = "unwind")]
#[test]
fn a_future_and_a_value_whose_destructors_both_panic_do_not_abort() {
    let c = Concurrent::local();
    let panics = OnDrop(|| panic!("in the future"));
    let mut value = Some(OnDrop(|| panic!("in the value")));
    drop(c.spawn(poll_fn(move |_| {
        let _ = &panics;
        Poll::Ready(value.take())
    })));
    let mut whole = Box::pin(c.run(pending::<()>()));
    let polled = catch_unwind(AssertUnwindSafe(|| poll(whole.as_mut(), Waker::noop())));
    assert_eq!(
        *polled.unwrap_err().downcast::<&str>().unwrap(),
        "in the future"
    );
    assert!(c.is_closed());
}

#[test]
fn a_waker_of_the_task_that_drops_the_run_ends_the_branches() {
    type Whole = Pin<Box<dyn Future<Output = ()> + Send>>;
    #[derive(Default)]
    struct Drops(Mutex<Option<Whole>>);
    impl Wake for Drops {
        fn wake(self: Arc<Self>) {
            let whole = self.0.lock().unwrap().take();
            drop(whole);
        }
    }
    for cancels in [false, true] {
        let log = Log::default();
        let c: &'static Concurrent<'static> = crate::leak::on_purpose(Concurrent::new());
        let (noted, waker) = (log.clone(), Arc::new(Mutex::new(None::<Waker>)));
        let kept = Arc::clone(&waker);
        let first = c.spawn(async move {
            let _note = noted.on_drop("first");
            poll_fn(|cx| {
                kept.lock().unwrap().replace(cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        });
        let drops = Arc::new(Drops::default());
        let mut whole: Whole = Box::pin(c.run(async {}));
        let task = Waker::from(Arc::clone(&drops));
        assert!(poll(whole.as_mut(), &task).is_pending());
        drops.0.lock().unwrap().replace(whole);
        if cancels {
            c.cancel();
        } else {
            let second = c.spawn(async {});
            assert!(
                second.is_finished(),
                "it came in, and was dropped by the wake"
            );
            assert!(block_on(second).is_err());
        }
        assert_eq!(log.take(), ["first"]);
        assert!(block_on(first).is_err() && c.is_closed());
        waker.lock().unwrap().take().unwrap().wake();
    }
}

#[cfg(panic = "unwind")]
#[test]
fn a_waker_that_takes_the_value_at_once_or_panics_is_no_harm() {
    /// Polls the handle in its wake.
    struct Inline(Mutex<Option<Branch<String>>>, Mutex<Option<String>>);
    impl Wake for Inline {
        fn wake(self: Arc<Self>) {
            let mut handle = self.0.lock().unwrap().take().unwrap();
            let polled = poll(Pin::new(&mut handle), Waker::noop());
            drop(handle);
            let Poll::Ready(outcome) = polled else {
                panic!("it was woken before its time");
            };
            *self.1.lock().unwrap() = outcome.ok();
        }
    }
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }
    for (is_dropped, panics) in [(false, false), (false, true), (true, false), (true, true)] {
        let c = Concurrent::new();
        let mut handle = c.spawn(async {
            yield_now().await;
            String::from("value")
        });
        let inline = Arc::new(Inline(Mutex::default(), Mutex::default()));
        let waker = match panics {
            true => Waker::from(Arc::new(Panics)),
            false => Waker::from(Arc::clone(&inline)),
        };
        assert!(poll(Pin::new(&mut handle), Waker::noop()).is_pending());
        assert!(poll(Pin::new(&mut handle), &waker).is_pending());
        drop(waker);
        inline.0.lock().unwrap().replace(handle);
        let mut whole = Box::pin(c.run(async {}));
        assert!(poll(whole.as_mut(), Waker::noop()).is_pending());
        if is_dropped {
            drop(whole);
        } else {
            assert!(poll(whole.as_mut(), Waker::noop()).is_ready());
        }
        let expected = (!is_dropped && !panics).then(|| String::from("value"));
        assert_eq!(inline.1.lock().unwrap().take(), expected);
        if let Some(handle) = inline.0.lock().unwrap().take() {
            assert_eq!(block_on(handle).is_ok(), !is_dropped);
        }
    }
}

#[test]
fn the_waker_of_a_handle_that_is_dropped_is_dropped_with_it() {
    for ends in [false, true] {
        let (waker, count) = counted();
        let c = Concurrent::new();
        let mut handle = c.spawn(pending::<()>());
        for _ in 0..3 {
            assert!(poll(Pin::new(&mut handle), &waker).is_pending());
            assert_eq!(Arc::strong_count(&count), 3, "the old one is not kept");
        }
        if ends {
            drop(c);
            assert_eq!(count.take(), 1);
            assert!(handle.is_finished());
            assert_eq!(Arc::strong_count(&count), 2);
            continue;
        }
        drop(handle);
        assert_eq!(Arc::strong_count(&count), 2);
        drop(c);
        assert_eq!(count.take(), 0);
    }
}

#[test]
fn branches_that_nobody_can_wake_are_kept_and_dropped_in_their_order() {
    let log = Log::default();
    let waker = RefCell::new(None::<Waker>);
    let c = Concurrent::local();
    let waits = |what: &'static str| {
        let (log, waker) = (&log, &waker);
        async move {
            let _note = log.on_drop(what);
            poll_fn(|cx| {
                waker.replace(Some(cx.waker().clone()));
                Poll::<()>::Pending
            })
            .await;
        }
    };
    let busy = |what: &'static str| {
        let log = &log;
        async move {
            let _note = log.on_drop(what);
            loop {
                yield_now().await;
            }
        }
    };
    c.spawn(busy("one"));
    c.spawn(forever(&log, "two"));
    c.spawn(waits("three"));
    let mut whole = Box::pin(c.run(pending::<()>()));
    assert!(poll(whole.as_mut(), Waker::noop()).is_pending());
    c.spawn(waits("four"));
    c.spawn(busy("five"));
    c.spawn(forever(&log, "six"));
    assert!(poll(whole.as_mut(), Waker::noop()).is_pending());
    let captured = log.on_drop("seven");
    c.spawn(async move { drop(captured) });
    assert!(log.take().is_empty());
    drop(whole);
    let expected = ["one", "two", "three", "four", "five", "six", "seven"];
    assert_eq!(log.take(), expected);
}

#[test]
fn cells_of_all_sizes_and_alignments_hold_what_they_are_given() {
    #[derive(Clone, Copy)]
    #[repr(align(128))]
    struct Aligned(u8);
    fn check<T: Copy + Send>(value: T, same: impl Fn(&T) -> bool) {
        let c = Concurrent::new();
        let handles: Vec<_> = (0..40)
            .map(|_| {
                c.spawn(async move {
                    yield_now().await;
                    let address = (&raw const value).addr();
                    assert!(address.is_multiple_of(align_of::<T>()));
                    value
                })
            })
            .collect();
        block_on(c.run(async {}));
        drop(c);
        for handle in handles {
            assert!(same(&block_on(handle).unwrap()));
        }
    }
    for _ in 0..3 {
        check((), |()| true);
        check(7_u8, |&value| value == 7);
        check([3_u64; 12], |value| value == &[3; 12]);
        check([5_u8; 10_000], |value| value.iter().all(|&byte| byte == 5));
        check(Aligned(9), |value| value.0 == 9);
    }
}

#[test]
fn handles_that_are_dropped_and_awaited_on_other_threads_lose_no_value() {
    struct Counts<'a>(&'a AtomicUsize);
    impl Drop for Counts<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    const ROUNDS: usize = 3000;
    let (dropped, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|threads| {
        let (give, take) = mpsc::channel::<Branch<Counts<'_>>>();
        let taken = &taken;
        threads.spawn(move || {
            for (number, mut handle) in take.iter().enumerate() {
                (0..number % 61).for_each(|_| std::hint::spin_loop());
                match number % 3 {
                    0 => drop(handle),
                    1 => {
                        let polled = poll(Pin::new(&mut handle), Waker::noop());
                        taken.fetch_add(usize::from(polled.is_ready()), Ordering::Relaxed);
                    }
                    _ => {
                        assert!(block_on(handle).is_ok());
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        for round in 0..ROUNDS {
            let c = Concurrent::new();
            let dropped = &dropped;
            give.send(c.spawn(async move { Counts(dropped) })).unwrap();
            give.send(c.spawn(async move {
                yield_now().await;
                Counts(dropped)
            }))
            .unwrap();
            (0..round % 53).for_each(|_| std::hint::spin_loop());
            block_on(c.run(async {}));
        }
        drop(give);
    });
    assert_eq!(dropped.into_inner(), 2 * ROUNDS);
    assert!(taken.into_inner() >= 2 * ROUNDS / 3);
}

#[test]
fn spawners_of_other_threads_race_with_the_end_and_every_handle_is_told() {
    const ROUNDS: usize = 500;
    let (ran, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for round in 0..ROUNDS {
        let c = Concurrent::new();
        thread::scope(|threads| {
            let (ran, refused) = (&ran, &refused);
            for _ in 0..2 {
                let s = c.spawner();
                threads.spawn(move || {
                    for _ in 0..10 {
                        let handle = s.spawn(async move { ran.fetch_add(1, Ordering::Relaxed) });
                        if handle.is_finished() && block_on(handle).is_err() {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
            let mut whole = pin!(c.run(async {}));
            (0..round % 89).for_each(|_| thread::yield_now());
            while poll(whole.as_mut(), Waker::noop()).is_pending() {}
        });
    }
    assert_eq!(ran.into_inner() + refused.into_inner(), 20 * ROUNDS);
}

#[test]
fn a_handle_that_outlives_its_thread_locals_is_freed() {
    thread_local! {
        static KEPT: RefCell<Vec<Branch<String>>> = const { RefCell::new(Vec::new()) };
    }
    let ended = thread::spawn(|| {
        KEPT.with_borrow_mut(Vec::clear); // its destructor runs after those made later
        let c = Concurrent::new();
        let handles = (0..10).map(|number| c.spawn(async move { number.to_string() }));
        KEPT.with_borrow_mut(|kept| kept.extend(handles));
        block_on(c.run(async {}));
        let last = KEPT.with_borrow_mut(|kept| kept.pop().unwrap());
        block_on(last).unwrap()
    });
    assert_eq!(ended.join().unwrap(), "9");
}

#[test]
fn a_leaked_place_leaks_its_branches_and_their_handles_wait_for_ever() {
    let log = Log::default();
    let c = Concurrent::local();
    let captured = log.on_drop("captured");
    let mut handle = c.spawn(async move { drop(captured) });
    crate::leak::on_purpose(c);
    let (waker, count) = counted();
    assert!(poll(Pin::new(&mut handle), &waker).is_pending());
    drop(handle);
    assert_eq!(Arc::strong_count(&count), 2, "its waker is not leaked");
    assert!(log.take().is_empty());
}

/// A waker of a task, and what is done when nobody has it any more.
struct Calls<F: Fn()>(F);

impl<F: Fn() + Send + Sync> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {}
}

impl<F: Fn()> Drop for Calls<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn what_comes_while_the_run_lies_down_is_heard_also_from_a_waker_that_it_drops() {
    for cancels in [false, true] {
        let c: &'static Concurrent<'static> = crate::leak::on_purpose(Concurrent::new());
        let ran = Arc::new(AtomicUsize::new(0));
        let theirs = Arc::clone(&ran);
        let first = Waker::from(Arc::new(Calls(move || {
            let ran = Arc::clone(&theirs);
            match cancels {
                true => c.cancel(),
                false => drop(c.spawn(async move { ran.fetch_add(1, Ordering::SeqCst) })),
            }
        })));
        let waits = c.spawn(pending::<()>());
        let mut whole = pin!(c.run(pending::<()>()));
        assert!(poll(whole.as_mut(), &first).is_pending());
        drop(first); // the run has the last one, and needs another one now
        let (task, wakes) = counted();
        assert!(poll(whole.as_mut(), &task).is_pending());
        assert_eq!(wakes.take(), 1);
        assert!(poll(whole.as_mut(), &task).is_pending());
        assert_eq!(ran.load(Ordering::SeqCst), usize::from(!cancels));
        assert_eq!(waits.is_finished(), cancels);
    }
}
