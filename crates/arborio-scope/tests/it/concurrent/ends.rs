//! Ends of a run: by itself, by a panic, dropped, leaked, or never run.

use std::{
    cell::{Cell, RefCell},
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::{Poll, Waker},
};

use arborio_scope::{Concurrent, Local, concurrent::Branch, concurrent_local};
use arborio_task::{Interrupt, ReasonKind};
use futures_lite::future::{block_on, yield_now};

use super::{counted, poll};
use crate::support::{Log, everywhere, forever, nap};

/// Why a branch was interrupted.
#[track_caller]
fn ground<T: std::fmt::Debug>(branch: Branch<T>) -> ReasonKind {
    match block_on(branch) {
        Err(Interrupt::Cancelled(reason)) => reason.kind(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_waits_for_the_body_and_for_all_branches() {
    everywhere(|| async {
        let log = Log::default();
        let c = Concurrent::local();
        c.spawn(async {
            nap(2).await;
            log.note("branch");
        });
        let value = c.run(async {
            log.note("body");
            7
        });
        assert_eq!(value.await, 7);
        assert_eq!(log.take(), ["body", "branch"]);
        let c = Concurrent::local();
        c.spawn(async { log.note("branch") });
        c.run(async {
            nap(2).await;
            log.note("body");
        })
        .await;
        assert_eq!(log.take(), ["branch", "body"]);
    });
}

#[test]
fn dropped_at_every_suspension_it_drops_the_body_and_then_the_branches_in_their_order() {
    for polls in 0..4 {
        let log = Log::default();
        let c = Concurrent::local();
        let (body, ended) = (log.on_drop("body"), log.on_drop("ended"));
        let early = c.spawn(async move {
            yield_now().await; // its number is free then, for the last one
            drop(ended);
        });
        let handles = ["one", "two", "three"].map(|name| c.spawn(forever(&log, name)));
        let mut late = None;
        {
            let mut whole = Box::pin(c.run(async {
                let _body = body;
                yield_now().await;
                yield_now().await;
                late = Some(c.spawn(forever(&log, "late")));
                pending::<()>().await;
            }));
            for _ in 0..polls {
                assert!(poll(whole.as_mut(), Waker::noop()).is_pending());
            }
        }
        let mut expected = vec!["body", "one", "two", "three"];
        match polls {
            // What was never polled has no local yet, but it has its captures.
            0 => expected = vec!["body", "ended"],
            1 => expected.insert(1, "ended"),
            2 => expected.insert(0, "ended"),
            _ => {
                expected.insert(0, "ended");
                expected.push("late");
            }
        }
        assert_eq!(log.take(), expected, "after {polls} polls");
        assert!(c.is_closed());
        for handle in handles {
            assert_eq!(ground(handle), ReasonKind::Abort);
        }
        assert!(early.is_finished());
        assert!(late.is_none_or(|late| ground(late) == ReasonKind::Abort));
    }
}

#[test]
fn branches_are_gone_before_the_locals_that_they_borrow() {
    struct Local<'l>(&'l Log, Cell<bool>);
    impl Drop for Local<'_> {
        fn drop(&mut self) {
            self.0.note("local");
        }
    }
    let log = Log::default();
    let mut whole = Box::pin(async {
        let local = Local(&log, Cell::new(false));
        let c = Concurrent::local();
        c.spawn(async {
            local.1.set(true);
            forever(&log, "branch").await;
            local.1.set(false);
        });
        c.run(pending::<()>()).await;
    });
    assert!(poll(whole.as_mut(), Waker::noop()).is_pending());
    drop(whole);
    assert_eq!(log.take(), ["branch", "local"]);
}

#[test]
fn what_was_spawned_and_never_run_is_dropped_with_it() {
    let log = Log::default();
    let c = Concurrent::local();
    let captured = ["one", "two"].map(|name| log.on_drop(name));
    let handles = captured.map(|captured| c.spawn(async move { drop(captured) }));
    drop(c);
    assert_eq!(log.take(), ["one", "two"]);
    for handle in handles {
        assert_eq!(ground(handle), ReasonKind::Abort);
    }
    let c = Concurrent::local();
    let captured = log.on_drop("three");
    let s = c.spawner();
    c.spawn(async move { drop((captured, s)) });
    drop(c.run(async {}));
    assert_eq!(log.take(), ["three"], "a run that was never polled");
}

#[test]
fn what_is_spawned_after_the_end_is_dropped_unpolled_and_its_handle_says_so() {
    everywhere(|| async {
        let log = Log::default();
        let c = Concurrent::local();
        c.run(async {}).await;
        let captured = log.on_drop("captured");
        let late = c.spawn(async {
            drop(captured);
            unreachable!("it is never polled");
        });
        assert_eq!(log.take(), ["captured"]);
        assert!(late.is_finished());
        let ended: Result<(), Interrupt> = late.await;
        assert!(matches!(ended, Err(Interrupt::Closed)));
    });
}

#[test]
#[should_panic(expected = "a Concurrent runs once")]
fn it_runs_once() {
    let c = Concurrent::new();
    drop(c.run(async {}));
    drop(c.run(async {}));
}

#[test]
fn a_branch_keeps_the_run_open_for_what_it_spawns_after_the_end_of_the_body() {
    everywhere(|| async {
        let ended = Cell::new(false);
        let c = Concurrent::local();
        let (s, ended_by) = (c.spawner(), &ended);
        c.spawn(async move {
            nap(2).await;
            s.spawn(async {
                nap(2).await;
                ended_by.set(true);
            });
        });
        c.run(async {}).await;
        assert!(ended.get());
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_of_a_branch_goes_on_when_all_others_are_dropped() {
    everywhere(|| async {
        let log = Log::default();
        let c = Concurrent::local();
        let before = c.spawn(forever(&log, "before"));
        let guilty = c.spawn(async {
            let _own = log.on_drop("its own");
            yield_now().await;
            panic!("out of cheese")
        });
        let after = c.spawn(forever(&log, "after"));
        let whole = c.run(forever(&log, "body"));
        let raised = futures_lite::FutureExt::catch_unwind(AssertUnwindSafe(async {
            whole.await;
        }));
        let raised = raised.await.unwrap_err();
        assert_eq!(*raised.downcast::<&str>().unwrap(), "out of cheese");
        assert_eq!(log.take(), ["its own", "body", "before", "after"]);
        for other in [before, after] {
            assert_eq!(ground(other), ReasonKind::ScopeFailed);
        }
        let ended: Result<(), Interrupt> = guilty.await;
        let Err(Interrupt::Panicked(payload)) = ended else {
            panic!("it has panicked")
        };
        assert_eq!(payload.message(), "out of cheese");
        assert!(c.is_closed());
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_has_dropped_all_when_the_poll_of_the_run_unwinds() {
    let log = Log::default();
    let c = Concurrent::local();
    c.spawn(forever(&log, "branch"));
    let mut whole = Box::pin(c.run(async { panic!("the body's") }));
    let polled = AssertUnwindSafe(|| poll::<_>(whole.as_mut(), Waker::noop()));
    assert!(catch_unwind(polled).is_err());
    // Was never polled, as the body comes first: only the captures are gone.
    assert!(c.is_closed());
    let again = AssertUnwindSafe(|| poll::<_>(whole.as_mut(), Waker::noop()));
    let _: Box<dyn std::any::Any + Send> = catch_unwind(again).unwrap_err();
}

#[cfg(panic = "unwind")]
#[test]
fn destructors_that_panic_or_spawn_do_not_keep_the_others() {
    struct Spawns<'a>(&'a Log, arborio_scope::concurrent::Spawner<'a, Local>);
    impl Drop for Spawns<'_> {
        fn drop(&mut self) {
            let captured = self.0.on_drop("never ran");
            self.1.spawn(async move { drop(captured) });
        }
    }
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    let log = Log::default();
    let c = Concurrent::local();
    let spawns = Spawns(&log, c.spawner());
    c.spawn(async move {
        let _spawns = spawns;
        pending::<()>().await;
    });
    c.spawn(async {
        let _panics = Panics;
        pending::<()>().await;
    });
    c.spawn(forever(&log, "last"));
    let mut whole = Box::pin(c.run(async {}));
    assert!(poll(whole.as_mut(), Waker::noop()).is_pending());
    drop(whole);
    assert_eq!(log.take(), ["never ran", "last"]);
}

#[cfg(panic = "unwind")]
#[test]
fn a_destructor_that_panics_at_the_end_of_a_branch_is_a_panic_of_the_branch() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    let log = Log::default();
    let c = Concurrent::local();
    let panics = Panics;
    c.spawn(poll_fn(move |_| {
        let _ = &panics;
        Poll::Ready(())
    }));
    c.spawn(forever(&log, "other"));
    let mut whole = Box::pin(c.run(pending::<()>()));
    let polled = AssertUnwindSafe(|| poll(whole.as_mut(), Waker::noop()));
    assert!(catch_unwind(polled).is_err());
    assert!(c.is_closed());
}

#[test]
fn wakers_that_are_kept_after_the_end_wake_nobody_and_own_nothing() {
    let (kept, owned) = (RefCell::new(Vec::new()), Arc::new(()));
    let keep = |result: Poll<()>| {
        let kept = &kept;
        poll_fn(move |cx| {
            kept.borrow_mut().push(cx.waker().clone());
            result
        })
    };
    let (task, wakes) = counted();
    for dropped in [false, true] {
        let c = Concurrent::local();
        let (pending, ready) = (keep(Poll::Pending), keep(Poll::Ready(())));
        let owned = Arc::clone(&owned);
        c.spawn(async move {
            ready.await;
            if dropped {
                pending.await;
            }
            drop(owned);
        });
        let body = keep(if dropped {
            Poll::Pending
        } else {
            Poll::Ready(())
        });
        let mut whole = Box::pin(c.run(body));
        assert_eq!(poll(whole.as_mut(), &task).is_pending(), dropped);
        if !dropped {
            kept.take().into_iter().for_each(Waker::wake);
        }
        drop(whole);
        drop(c);
        kept.borrow().iter().for_each(Waker::wake_by_ref);
        assert_eq!(wakes.take(), 0);
    }
    assert_eq!(Arc::strong_count(&owned), 1);
    assert_eq!(kept.borrow().len(), 3);
    assert_eq!(
        Arc::strong_count(&wakes),
        2,
        "nobody keeps the task's waker"
    );
}

#[test]
fn h02_c04_a_leaked_run_is_not_polled_any_more_and_touches_nothing() {
    let (waker, polls) = (RefCell::new(None::<Waker>), Cell::new(0));
    {
        let local = Cell::new(1);
        let c = Concurrent::local();
        c.spawn(poll_fn(|cx| {
            polls.set(polls.get() + local.get());
            waker.replace(Some(cx.waker().clone()));
            Poll::<()>::Pending
        }));
        let (task, wakes) = counted();
        let mut whole = Box::pin(c.run(async {}));
        assert!(poll(whole.as_mut(), &task).is_pending());
        crate::leak::on_purpose(whole);
        let late = c.spawn(async { unreachable!("nobody polls it") });
        waker.borrow().as_ref().unwrap().wake_by_ref();
        assert_eq!(wakes.take(), 1, "the task is woken, and finds nothing");
        drop(c);
        let ended: Result<(), _> = block_on(late);
        assert!(ended.is_err(), "it was not in the run yet");
    }
    waker.take().unwrap().wake();
    assert_eq!(polls.get(), 1);
}

#[test]
fn h02_c04_leaked_handles_and_places_are_not_dangling() {
    let log = Log::default();
    {
        let local = Cell::new(1);
        let c = Concurrent::local();
        crate::leak::on_purpose(c.spawn(async {
            local.set(2);
            log.on_drop("a value that nobody takes is leaked with its handle")
        }));
        block_on(c.run(async {}));
        assert_eq!(local.get(), 2);
        crate::leak::on_purpose(c);
        let c = Concurrent::local();
        let captured = log.on_drop("what waits is leaked with its place");
        let handle = c.spawn(async move { drop(captured) });
        crate::leak::on_purpose(c);
        assert!(!handle.is_finished());
    }
    assert!(log.take().is_empty());
}

#[test]
fn a_handle_that_is_dropped_lets_its_branch_go_on_and_its_value_is_dropped() {
    everywhere(|| async {
        let log = Log::default();
        let c = Concurrent::local();
        drop(c.spawn(async {
            nap(1).await;
            log.note("went on");
            log.on_drop("value")
        }));
        c.run(async {}).await;
        assert_eq!(log.take(), ["went on", "value"]);
    });
}

#[test]
#[should_panic(expected = "a branch was awaited after it was ready")]
fn a_handle_gives_its_value_once() {
    let c = Concurrent::new();
    let mut branch = c.spawn(async {});
    block_on(c.run(async {}));
    block_on(&mut branch).unwrap();
    drop(block_on(branch));
}

#[test]
fn a_closure_that_is_dropped_drops_its_branches() {
    let log = Log::default();
    let mut whole = Box::pin(concurrent_local(async |c| {
        c.spawn(async {
            c.spawn(forever(&log, "inner"));
            forever(&log, "outer").await;
        });
        forever(&log, "body").await;
    }));
    assert!(poll(whole.as_mut(), Waker::noop()).is_pending());
    drop(whole);
    assert_eq!(log.take(), ["body", "outer", "inner"]);
}

#[test]
fn a_run_that_moves_to_another_thread_between_two_polls_goes_on_there() {
    let c = Concurrent::new();
    let branch = c.spawn(async {
        yield_now().await;
        std::thread::current().id()
    });
    let here = std::thread::current().id();
    let mut whole = Box::pin(c.run(async {}));
    assert!(poll(whole.as_mut(), Waker::noop()).is_pending());
    std::thread::scope(|threads| threads.spawn(|| block_on(whole)).join().unwrap());
    assert_ne!(block_on(branch).unwrap(), here);
    fn check<F: Future + Send>(_: F) {}
    check(async {
        let c = Concurrent::new();
        c.run(pin!(async {})).await;
    });
}
