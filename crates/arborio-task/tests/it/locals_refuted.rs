//! Attempts to break task-locals with safe code.

use std::{cell::RefCell, future::pending, rc::Rc};

use arborio_task::{Interrupt, NoNotify, SpawnOptions, Tasks, task_local, try_spawn};

use crate::support::{OnDrop, counting_panics, run, spawn, turn};

task_local! {
    static NUMBER: u32;
    static GUARD: OnDrop<Box<dyn FnOnce()>>;
}

/// Panics when it is dropped.
fn bomb(message: &'static str) -> OnDrop<Box<dyn FnOnce()>> {
    OnDrop::new(Box::new(move || panic!("{message}")))
}

/// What the panic of an ended task says.
fn message<T>(outcome: Result<T, Interrupt>) -> String {
    match outcome {
        Err(Interrupt::Panicked(payload)) => payload.message().to_string(),
        Err(other) => other.to_string(),
        Ok(_) => "an output".into(),
    }
}

#[cfg(panic = "unwind")]
#[test]
fn h07_a_value_and_a_future_that_both_panic_when_they_are_dropped_end_one_task() {
    let _alone = counting_panics();
    run(async {
        let mut ended = Vec::new();
        for finishes in [false, true] {
            let child = GUARD.sync_scope(bomb("the value"), || {
                let inside = bomb("the future");
                let child = async move {
                    let _inside = inside;
                    if !finishes {
                        pending::<()>().await;
                    }
                };
                try_spawn(child, SpawnOptions::new().observed(true))
                    .ok()
                    .unwrap()
            });
            turn().await;
            child.abort();
            ended.push(message(child.await));
            assert!(NUMBER.try_with(|_| ()).is_err());
        }
        assert_eq!(ended, ["the future", "the future"]);
    });
}

#[cfg(panic = "unwind")]
#[test]
fn h07_a_value_that_panics_when_it_is_dropped_does_not_touch_the_output() {
    let _alone = counting_panics();
    run(async {
        let child = GUARD.sync_scope(bomb("the value"), || spawn(async { Box::new(5) }));
        assert_eq!(*child.await.unwrap(), 5);
    });
}

#[test]
fn h07_the_destructor_of_a_value_sees_what_is_set_outside_and_may_set_and_spawn() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&seen);
    run(NUMBER.scope(1, async move {
        let last = Box::new(move || {
            note.borrow_mut().push(NUMBER.get());
            NUMBER.sync_scope(2, || note.borrow_mut().push(NUMBER.get()));
            let later = async move { note.borrow_mut().push(NUMBER.get()) };
            drop(NUMBER.sync_scope(3, || spawn(later)));
        });
        GUARD.sync_scope(OnDrop::new(last as Box<dyn FnOnce()>), || ());
        turn().await;
    }));
    assert_eq!(seen.take(), [1, 2, 3]);
}

#[test]
fn h07_a_future_with_a_value_that_is_forgotten_leaves_nothing_set() {
    let set = Box::pin(NUMBER.scope(4, async { turn().await }));
    let mut set = crate::leak::on_purpose(set);
    let waker = std::task::Waker::noop();
    let mut cx = std::task::Context::from_waker(waker);
    assert!(Future::poll(std::pin::Pin::new(&mut set), &mut cx).is_pending());
    assert!(NUMBER.try_with(|_| ()).is_err());
}

#[test]
fn h07_a_task_that_never_began_drops_its_future_where_its_values_are() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    for abort in [true, false] {
        let note = Rc::clone(&seen);
        let main = async move {
            let guard = OnDrop::new(move || note.borrow_mut().push(NUMBER.try_with(|n| *n).ok()));
            let child = NUMBER.sync_scope(6, || spawn(async move { drop(guard) }));
            if abort {
                NUMBER.sync_scope(7, || child.abort());
            }
            pending::<()>().await;
        };
        let stops = |running: &arborio_task::Running<'_>| assert!(running.run_next());
        let _ = Tasks::new(std::sync::Arc::new(NoNotify)).run_main(main, stops);
    }
    assert_eq!(seen.take(), [Some(6), Some(6)]);
}

#[cfg(panic = "unwind")]
#[test]
fn h07_a_task_lets_go_of_its_values_when_its_future_goes_and_not_with_its_handle() {
    let _alone = counting_panics();
    let dropped = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&dropped);
    run(async move {
        for panics in [false, true] {
            let own = Rc::clone(&note);
            let value = OnDrop::new(Box::new(move || own.borrow_mut().push(panics)) as Box<_>);
            let child = GUARD.sync_scope(value, || {
                let inside = panics.then(|| bomb("the future"));
                let child = async move { drop(inside) };
                try_spawn(child, SpawnOptions::new().observed(true))
                    .ok()
                    .unwrap()
            });
            // Dropped after it was ready: as a captured value that was not moved out.
            let guard = panics.then(|| {
                let own = Rc::clone(&note);
                let value = OnDrop::new(Box::new(move || own.borrow_mut().push(panics)) as Box<_>);
                GUARD.sync_scope(value, || {
                    let inside = bomb("after the end");
                    let child = std::future::poll_fn(move |_| {
                        let _ = &inside;
                        std::task::Poll::Ready(())
                    });
                    try_spawn(child, SpawnOptions::new().observed(true))
                        .ok()
                        .unwrap()
                })
            });
            turn().await;
            let expected = if panics { 3 } else { 1 };
            assert_eq!(note.borrow().len(), expected, "the handles are kept");
            drop((child, guard));
        }
    });
    assert_eq!(dropped.take(), [false, true, true]);
}
