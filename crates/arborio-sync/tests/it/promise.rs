//! A promise is completed once, and everybody learns of it.

/// The value of a future that must be ready.
macro_rules! ready {
    ($future:expr) => {
        match poll_idle(&mut $future) {
            std::task::Poll::Ready(value) => value,
            std::task::Poll::Pending => panic!("it waits"),
        }
    };
}

mod callbacks;
mod foreign;

use std::{
    cell::{Cell, RefCell},
    error::Error,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use arborio_sync::{
    AlreadyDone, CallbackId, PromiseError,
    flavour::{Flavour, OneThread, Promise, PromiseTake, PromiseWait, Threads},
};

use crate::support::{
    Bomb, Census, Counter, Here, Log, Script, in_a_poll, in_both_flavours, panics, poll, poll_idle,
    without_hanging,
};

in_both_flavours![
    a01_a_pending_promise_has_no_result,
    a01_a_value_is_there_for_everybody,
    a01_an_error_is_there_for_everybody,
    a01_a_cancelled_promise_says_so,
    a02_a_second_completion_gives_back_what_it_brought,
    a02_cancelling_a_done_promise_changes_nothing,
    a03_awaiting_a_done_promise_does_not_suspend,
    a03_awaiting_a_failed_promise_raises_each_time,
    a03_awaiting_a_pending_promise_waits_until_it_is_done,
    completion_wakes_all_in_the_order_in_which_they_came,
    a_promise_and_a_reference_to_it_can_be_awaited,
    a_promise_awaited_itself_outlives_the_other_handles,
    take_moves_the_value_out_once,
    take_of_an_outcome_without_value_gives_it_to_everybody,
    who_is_polled_after_a_take_finds_it_taken,
    a_taker_waits_until_a_clone_has_ended,
    a_taker_that_is_dropped_while_it_waits_for_a_clone_takes_nothing,
    several_takers_that_wait_for_a_clone_get_one_value,
    a_cancelled_waiter_does_not_affect_the_others,
    y13_every_value_is_dropped_once,
    it_shows_what_it_is,
];

fn wait<T: Clone, F: Flavour>(promise: &Promise<T, F>) -> Pin<Box<PromiseWait<'_, T, F>>> {
    Box::pin(promise.wait())
}

fn take<T, F: Flavour>(promise: &Promise<T, F>) -> Pin<Box<PromiseTake<'_, T, F>>> {
    Box::pin(promise.take())
}

fn done<F: Flavour>(value: usize) -> Promise<usize, F> {
    let promise = Promise::new();
    promise.set(value).unwrap();
    promise
}

fn a01_a_pending_promise_has_no_result<F: Flavour>() {
    let promise = Promise::<u32, F>::default();
    assert!(promise.is_pending() && !promise.is_done() && !promise.is_cancelled());
    let error = promise.try_result().unwrap_err();
    assert_eq!(error.to_string(), "the promise is still pending");
    assert!(poll_idle(&mut wait(&promise)).is_pending());
    assert!(poll_idle(&mut take(&promise)).is_pending());
}

fn a01_a_value_is_there_for_everybody<F: Flavour>() {
    let promise = done::<F>(7);
    assert!(promise.is_done() && !promise.is_pending() && !promise.is_cancelled());
    for handle in [promise.clone(), promise] {
        assert_eq!(handle.try_result().unwrap().unwrap(), 7);
        assert_eq!(ready!(wait(&handle)).unwrap(), 7);
    }
}

#[derive(Debug)]
struct Outer(std::io::Error);

impl std::fmt::Display for Outer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("outer")
    }
}

impl Error for Outer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

fn a01_an_error_is_there_for_everybody<F: Flavour>() {
    let promise = Promise::<u32, F>::new();
    promise.fail(Outer(std::io::Error::other("inner"))).unwrap();
    assert!(promise.is_done() && !promise.is_cancelled());
    let error = promise.try_result().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the promise failed: outer");
    assert_eq!(error.source().unwrap().to_string(), "inner");
    let PromiseError::Failed(shared) = error else {
        panic!("it failed");
    };
    let PromiseError::Failed(again) = ready!(wait(&promise)).unwrap_err() else {
        panic!("it failed");
    };
    assert!(Arc::ptr_eq(&shared, &again), "one error for all");
    assert!(shared.downcast_ref::<Outer>().is_some());
}

fn a01_a_cancelled_promise_says_so<F: Flavour>() {
    let promise = Promise::<u32, F>::new();
    assert!(promise.cancel());
    assert!(promise.is_done() && promise.is_cancelled());
    let error = promise.try_result().unwrap().unwrap_err();
    assert!(matches!(error, PromiseError::Cancelled));
    assert_eq!(error.to_string(), "the promise was cancelled");
    assert!(error.source().is_none());
}

fn a02_a_second_completion_gives_back_what_it_brought<F: Flavour>() {
    let promise = Promise::<String, F>::new();
    promise.set("first".to_owned()).unwrap();
    let AlreadyDone(back) = promise.set("second".to_owned()).unwrap_err();
    assert_eq!(back, "second");
    let AlreadyDone(back) = promise.fail("third").unwrap_err();
    assert_eq!(back.to_string(), "third");
    assert_eq!(promise.try_result().unwrap().unwrap(), "first");

    let failed = Promise::<u32, F>::new();
    failed.fail("first").unwrap();
    assert_eq!(failed.set(2).unwrap_err().into_inner(), 2);
    assert!(failed.try_result().unwrap().is_err());
}

fn a02_cancelling_a_done_promise_changes_nothing<F: Flavour>() {
    let promise = done::<F>(7);
    assert!(!promise.cancel());
    assert!(!promise.is_cancelled());
    assert_eq!(promise.try_result().unwrap().unwrap(), 7);
}

#[test]
fn a02_of_eight_threads_that_set_exactly_one_wins() {
    for _ in 0..200 {
        let (promise, start) = (arborio_sync::Promise::new(), Barrier::new(8));
        let wins: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|number| {
                    let (promise, start) = (&promise, &start);
                    scope.spawn(move || {
                        start.wait();
                        let won = promise.set(number).is_ok();
                        assert!(promise.is_done(), "won or lost, it is done");
                        (number, won)
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let winners: Vec<_> = wins.iter().filter(|(_, won)| *won).collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(promise.try_result().unwrap().unwrap(), winners[0].0);
    }
}

fn a03_awaiting_a_done_promise_does_not_suspend<F: Flavour>() {
    let promise = done::<F>(7);
    let script = Script::panics_on_clone();
    for _ in 0..2 {
        assert!(poll(&mut wait(&promise), &script.waker()).is_ready());
    }
    assert!(
        poll(
            &mut Box::pin(promise.clone().into_future()),
            &script.waker()
        )
        .is_ready()
    );
    assert!(poll(&mut take(&promise), &script.waker()).is_ready());
}

fn a03_awaiting_a_failed_promise_raises_each_time<F: Flavour>() {
    let promise = Promise::<u32, F>::new();
    promise.fail("broken").unwrap();
    let script = Script::panics_on_clone();
    for _ in 0..2 {
        assert!(poll(&mut wait(&promise), &script.waker()).is_ready());
        assert!(ready!(wait(&promise)).is_err());
    }
}

fn a03_awaiting_a_pending_promise_waits_until_it_is_done<F: Flavour>() {
    let (promise, (woken, waker)) = (Promise::<u32, F>::new(), Counter::new());
    let mut waiting = wait(&promise);
    assert!(poll(&mut waiting, &waker).is_pending());
    assert!(poll(&mut waiting, &waker).is_pending());
    assert_eq!(woken.count(), 0);
    promise.set(7).unwrap();
    assert_eq!(woken.count(), 1);
    assert_eq!(ready!(waiting).unwrap(), 7);
}

fn completion_wakes_all_in_the_order_in_which_they_came<F: Flavour>() {
    let (promise, log) = (Promise::<u32, F>::new(), Log::default());
    let mut waiting: Vec<_> = (0..4).map(|_| wait(&promise)).collect();
    for (number, wait) in waiting.iter_mut().enumerate() {
        assert!(poll(wait, &log.waker(number)).is_pending());
    }
    assert!(promise.cancel());
    assert_eq!(log.take(), [0, 1, 2, 3]);
    assert!(waiting.iter_mut().all(|wait| poll_idle(wait).is_ready()));
}

fn a_promise_and_a_reference_to_it_can_be_awaited<F: Flavour>() {
    futures_lite::future::block_on(async {
        let promise = done::<F>(7);
        assert_eq!((&promise).await.unwrap(), 7);
        assert_eq!(promise.await.unwrap(), 7);
    });
}

fn a_promise_awaited_itself_outlives_the_other_handles<F: Flavour>() {
    let (promise, log) = (Promise::<u32, F>::new(), Log::default());
    let mut waiting = Box::pin(promise.clone().into_future());
    assert!(poll(&mut waiting, &log.waker(1)).is_pending());
    promise.set(7).unwrap();
    drop(promise);
    assert_eq!(log.take(), [1]);
    assert_eq!(ready!(waiting).unwrap(), 7);
}

fn take_moves_the_value_out_once<F: Flavour>() {
    let (promise, log) = (Promise::<Box<u32>, F>::new(), Log::default());
    let (mut first, mut second) = (take(&promise), take(&promise));
    assert!(poll(&mut first, &log.waker(1)).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    promise.set(Box::new(7)).unwrap();
    assert_eq!(log.take(), [1, 2]);
    assert_eq!(*ready!(second).unwrap(), 7, "the first one who is polled");
    let error = ready!(first).unwrap_err();
    assert!(matches!(error, PromiseError::Taken));
    assert_eq!(
        error.to_string(),
        "the promise's value was taken by somebody else"
    );
    assert!(promise.is_done() && !promise.is_cancelled());
}

fn take_of_an_outcome_without_value_gives_it_to_everybody<F: Flavour>() {
    let failed = Promise::<u32, F>::new();
    failed.fail("broken").unwrap();
    let cancelled = Promise::<u32, F>::new();
    cancelled.cancel();
    for _ in 0..2 {
        let error = ready!(take(&failed)).unwrap_err();
        assert!(matches!(error, PromiseError::Failed(_)));
        let error = ready!(take(&cancelled)).unwrap_err();
        assert!(matches!(error, PromiseError::Cancelled));
    }
}

fn who_is_polled_after_a_take_finds_it_taken<F: Flavour>() {
    let promise = Promise::<u32, F>::new();
    let mut early = wait(&promise);
    assert!(poll_idle(&mut early).is_pending());
    promise.set(7).unwrap();
    assert_eq!(ready!(take(&promise)).unwrap(), 7);
    assert!(matches!(ready!(early), Err(PromiseError::Taken)));
    assert!(matches!(promise.try_result(), Ok(Err(PromiseError::Taken))));
    assert_eq!(promise.set(8).unwrap_err().into_inner(), 8);
}

/// A value that does something as it is cloned.
struct OnClone(Rc<dyn Fn()>);

impl OnClone {
    fn new(act: impl Fn() + 'static) -> Self {
        Self(Rc::new(act))
    }
}

impl Clone for OnClone {
    fn clone(&self) -> Self {
        (self.0)();
        Self(Rc::clone(&self.0))
    }
}

/// A promise whose value runs `during` while it is cloned.
fn cloning<F: Flavour>(during: impl Fn(&Promise<OnClone, F>) + 'static) -> Rc<Promise<OnClone, F>> {
    let promise = Rc::new(Promise::new());
    let weak = Rc::downgrade(&promise);
    let value = OnClone::new(move || during(&weak.upgrade().unwrap()));
    assert!(promise.set(value).is_ok());
    promise
}

fn a_taker_waits_until_a_clone_has_ended<F: Flavour>() {
    let taker = Rc::new(RefCell::new(None));
    let (woken, waker) = Counter::new();
    let promise = {
        let (taker, woken) = (Rc::clone(&taker), Arc::clone(&woken));
        cloning::<F>(move |promise| {
            let handle = promise.clone();
            let mut take = Box::pin(async move { handle.take().await.is_ok() });
            assert!(poll(&mut take, &waker).is_pending(), "it is being cloned");
            taker.replace(Some(take));
            assert_eq!(woken.count(), 0);
        })
    };
    assert!(promise.try_result().unwrap().is_ok());
    assert_eq!(woken.count(), 1, "the end of the clone wakes the taker");
    assert!(ready!(taker.take().unwrap()));
    assert!(matches!(promise.try_result(), Ok(Err(PromiseError::Taken))));
}

fn a_taker_that_is_dropped_while_it_waits_for_a_clone_takes_nothing<F: Flavour>() {
    let promise = cloning::<F>(|promise| {
        let mut take = take(promise);
        assert!(poll_idle(&mut take).is_pending());
    });
    assert!(promise.try_result().unwrap().is_ok());
    assert!(promise.try_result().unwrap().is_ok(), "it is still there");
    assert!(ready!(take(&promise)).is_ok());
}

fn several_takers_that_wait_for_a_clone_get_one_value<F: Flavour>() {
    let takers = Rc::new(RefCell::new(Vec::new()));
    let (woken, waker) = Counter::new();
    let promise = {
        let takers = Rc::clone(&takers);
        cloning::<F>(move |promise| {
            for _ in 0..4 {
                let handle = promise.clone();
                let mut take = Box::pin(async move { handle.take().await.is_ok() });
                assert!(poll(&mut take, &waker).is_pending());
                takers.borrow_mut().push(take);
            }
            drop(takers.borrow_mut().remove(1));
        })
    };
    assert!(promise.try_result().unwrap().is_ok());
    assert_eq!(woken.count(), 3);
    let mut takers = takers.take();
    assert!(ready!(takers[1]));
    assert!(!ready!(takers[0]) && !ready!(takers[2]));
}

fn a_cancelled_waiter_does_not_affect_the_others<F: Flavour>() {
    for gone in 0..3 {
        let (promise, log) = (Promise::<usize, F>::new(), Log::default());
        let mut waiting: Vec<_> = (0..3).map(|number| (number, wait(&promise))).collect();
        for (number, wait) in &mut waiting {
            assert!(poll(wait, &log.waker(*number)).is_pending());
        }
        drop(waiting.remove(gone));
        promise.set(7).unwrap();
        drop(waiting.remove(0));
        let expected: Vec<_> = (0..3).filter(|number| *number != gone).collect();
        assert_eq!(log.take(), expected);
        assert_eq!(ready!(waiting[0].1).unwrap(), 7);
    }
}

fn y13_every_value_is_dropped_once<F: Flavour>() {
    let census = Census::default();
    let promise = Promise::<_, F>::new();
    promise.set(census.value(1)).unwrap();
    let late = promise.set(census.value(2)).unwrap_err();
    assert_eq!((late.0.number, census.alive()), (2, 2));
    drop(late);
    let clone = promise.try_result().unwrap().unwrap();
    assert_eq!(census.alive(), 2);
    let taken = ready!(take(&promise)).unwrap();
    assert_eq!(census.alive(), 2, "it was moved");
    drop(promise);
    assert_eq!((taken.number, clone.number, census.alive()), (1, 1, 2));
    drop((taken, clone));
    assert_eq!(census.alive(), 0);
}

fn it_shows_what_it_is<F: Flavour>() {
    let promise = Promise::<usize, F>::new();
    assert_eq!(format!("{promise:?}"), "Promise(Pending)");
    promise.cancel();
    assert_eq!(format!("{promise:?}"), "Promise(Cancelled)");
}

#[cfg(panic = "unwind")]
#[test]
fn a_blocking_wait_in_a_task_panics_even_if_it_is_done() {
    let promise = arborio_sync::Promise::new();
    promise.set(7).unwrap();
    assert!(in_a_poll(|| panics(|| promise.blocking_wait())));
    assert!(in_a_poll(|| panics(|| promise.blocking_take())));
    assert_eq!(promise.blocking_wait().unwrap(), 7);
    assert_eq!(promise.blocking_take().unwrap(), 7);
}

/// Waiters, takers and a completer meet at once: each value is taken once, and
/// whoever does not get it learns why.
#[test]
fn y13_takers_and_readers_race_for_one_value() {
    const ROUNDS: usize = 400;
    without_hanging(|| {
        for _ in 0..ROUNDS {
            let (census, promise) = (Census::default(), arborio_sync::Promise::new());
            let (start, taken) = (Barrier::new(5), AtomicUsize::new(0));
            std::thread::scope(|scope| {
                let (start, taken, promise) = (&start, &taken, &promise);
                scope.spawn(|| {
                    start.wait();
                    promise.set(census.value(7)).unwrap();
                });
                for _ in 0..2 {
                    scope.spawn(move || {
                        start.wait();
                        match promise.blocking_take() {
                            Ok(value) => {
                                assert_eq!(value.number, 7);
                                taken.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) => assert!(matches!(error, PromiseError::Taken)),
                        }
                    });
                    scope.spawn(move || {
                        start.wait();
                        match promise.blocking_wait() {
                            Ok(value) => assert_eq!(value.number, 7),
                            Err(error) => assert!(matches!(error, PromiseError::Taken)),
                        }
                    });
                }
            });
            assert_eq!((taken.into_inner(), census.alive()), (1, 0));
        }
    });
}
