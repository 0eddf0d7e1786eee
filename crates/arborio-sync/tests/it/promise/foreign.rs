//! Wakers and values that panic, come back into the promise, or go away at a bad
//! moment.

use super::{callbacks::CallsBack, *};

in_both_flavours![
    y12_a_wake_may_drop_the_other_waiters,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_keeps_nobody_from_being_woken,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_cloned_has_no_effect,
    a_waker_may_use_the_promise_whenever_it_is_called,
    a_wake_may_take_the_value,
    #[cfg(panic = "unwind")]
    a_clone_that_panics_harms_only_who_asked_for_it,
    a_clone_may_use_the_promise,
    #[cfg(panic = "unwind")]
    a_value_that_panics_as_it_is_dropped_goes_with_the_last_handle,
    a_promise_may_lose_its_handles_while_a_leaked_future_waits,
];

fn y12_a_wake_may_drop_the_other_waiters<F: Flavour>() {
    let promise = Rc::new(Promise::<usize, F>::new());
    let others = Rc::new(RefCell::new(Vec::new()));
    let here = Here::new(Rc::clone(&others));
    let script = Script::default().on_wake(move || drop(here.take())).start();
    let join = || {
        let promise = Rc::clone(&promise);
        let mut other = Box::pin(async move { promise.wait().await });
        assert!(poll_idle(&mut other).is_pending());
        others.borrow_mut().push(other);
    };
    join();
    let mut first = wait(&promise);
    assert!(poll(&mut first, &script.waker()).is_pending());
    join();
    join();
    promise.set(7).unwrap();
    assert!(others.borrow().is_empty());
    assert_eq!(ready!(first).unwrap(), 7);
}

fn x09_a_waker_that_panics_keeps_nobody_from_being_woken<F: CallsBack>() {
    let (promise, (woken, waker)) = (Promise::<usize, F>::new(), Counter::new());
    let (script, log) = (Script::panics_on_wake(), Log::default());
    let noted = log.clone();
    F::on_done(&promise, move |_| noted.add(1));
    let mut waiting: Vec<_> = (0..4).map(|_| wait(&promise)).collect();
    for (number, wait) in waiting.iter_mut().enumerate() {
        let panicking = script.waker();
        let waker = if number % 2 == 0 { &panicking } else { &waker };
        assert!(poll(wait, waker).is_pending());
    }
    promise.set(7).unwrap();
    assert_eq!((script.wakes(), woken.count()), (2, 2));
    assert_eq!(log.take(), [1]);
    assert!(waiting.iter_mut().all(|wait| poll_idle(wait).is_ready()));
}

fn x09_a_waker_that_panics_as_it_is_cloned_has_no_effect<F: Flavour>() {
    let promise = Promise::<usize, F>::new();
    let script = Script::panics_on_clone();
    let mut waiting = wait(&promise);
    assert!(panics(|| poll(&mut waiting, &script.waker())));
    assert!(poll_idle(&mut waiting).is_pending());
    assert!(panics(|| poll(&mut waiting, &script.waker())));
    promise.set(7).unwrap();
    assert_eq!(ready!(waiting).unwrap(), 7);
}

fn a_waker_may_use_the_promise_whenever_it_is_called<F: CallsBack>() {
    without_hanging(|| {
        let (promise, log) = (Rc::new(Promise::<usize, F>::new()), Log::default());
        let here = Here::new((Rc::clone(&promise), log.clone()));
        let script = Script::always(move || {
            let (promise, log) = &*here;
            let _ = poll_idle(&mut wait(promise)).is_ready();
            let noted = log.clone();
            let id = F::on_done(promise, move |_| noted.add(1));
            promise.remove_callback(id);
            let _ = promise.try_result().is_ok();
        });
        let (mut first, mut second) = (wait(&promise), wait(&promise));
        assert!(poll(&mut first, &script.waker()).is_pending());
        assert!(poll(&mut second, &script.waker()).is_pending());
        assert!(poll_idle(&mut first).is_pending());
        assert!(log.take().is_empty(), "all were taken back");
        promise.set(7).unwrap();
        assert!(script.wakes() > 0);
        assert!(!log.take().is_empty(), "in the wake it is done");
        assert!(poll_idle(&mut first).is_ready() && poll_idle(&mut second).is_ready());
    });
}

fn a_wake_may_take_the_value<F: Flavour>() {
    let (promise, taken) = (Promise::<usize, F>::new(), Rc::new(Cell::new(None)));
    let here = Here::new((promise.clone(), Rc::clone(&taken)));
    let script = Script::default().on_wake(move || {
        let (promise, taken) = &*here;
        taken.set(Some(ready!(take(promise)).unwrap()));
    });
    let mut waiting = wait(&promise);
    assert!(poll(&mut waiting, &script.into_waker()).is_pending());
    promise.set(7).unwrap();
    assert_eq!(taken.get(), Some(7), "nobody reads it");
    assert!(matches!(ready!(waiting), Err(PromiseError::Taken)));
}

/// A completion inside the clone of a waker, that is, in the middle of a poll.
#[test]
fn a_promise_may_be_completed_by_the_waker_that_is_to_wait_for_it() {
    without_hanging(|| {
        let promise = arborio_sync::Promise::new();
        let handle = promise.clone();
        let script = Script::default()
            .on_clone(move || assert!(handle.set(7).is_ok()))
            .start();
        let mut waiting = wait(&promise);
        assert!(poll(&mut waiting, &script.waker()).is_ready());
        drop(waiting);
        assert_eq!(script.clones_alive(), 0, "the clone was not kept");
    });
}

fn a_clone_that_panics_harms_only_who_asked_for_it<F: Flavour>() {
    let fuse = Rc::new(Cell::new(true));
    let promise = {
        let fuse = Rc::clone(&fuse);
        cloning::<F>(move |_| assert!(!fuse.get(), "a clone panics"))
    };
    assert!(panics(|| promise.try_result()));
    assert!(panics(|| poll_idle(&mut wait(&promise))));
    fuse.set(false);
    assert!(promise.try_result().unwrap().is_ok());
    assert!(ready!(take(&promise)).is_ok(), "no reader was left counted");
}

fn a_clone_may_use_the_promise<F: Flavour>() {
    without_hanging(|| {
        let depth = Rc::new(Cell::new(0));
        let promise = {
            let depth = Rc::clone(&depth);
            cloning::<F>(move |promise| {
                depth.set(depth.get() + 1);
                if depth.get() < 4 {
                    assert!(promise.try_result().unwrap().is_ok());
                }
                assert!(!promise.cancel());
            })
        };
        assert!(ready!(wait(&promise)).is_ok());
        assert_eq!(depth.get(), 4);
        assert!(ready!(take(&promise)).is_ok());
    });
}

fn a_value_that_panics_as_it_is_dropped_goes_with_the_last_handle<F: Flavour>() {
    let promise = Promise::<Bomb, F>::new();
    promise.set(Bomb).unwrap();
    drop(promise.clone());
    assert!(panics(|| drop(promise)));
}

fn a_promise_may_lose_its_handles_while_a_leaked_future_waits<F: Flavour>() {
    let (woken, waker) = Counter::new();
    let promise = Promise::<usize, F>::new();
    let mut leaked = Box::pin(promise.clone().into_future());
    assert!(poll(&mut leaked, &waker).is_pending());
    crate::leak::on_purpose(leaked); // and with it a handle
    promise.set(7).unwrap();
    assert_eq!(woken.count(), 1);
}
