//! A request that is made of all tasks of a branch at once: it lies with the branch, and each
//! task treats it like one of its own.

use std::{
    future::{Future, pending, poll_fn},
    sync::Arc,
    task::Poll,
    thread,
};

use arborio_executor::yield_now;
use arborio_scope::{catch_cancel, finally, is_cancelling, shield};
use arborio_task::{
    Branch, Interrupt, Reason, ReasonKind, SpawnOptions, Task, TaskState, frames::asked_because,
};

use crate::support::{Log, run};

fn enter() -> Arc<Branch> {
    Branch::enter(Arc::new(())).expect("a loop runs")
}

#[track_caller]
fn on<F: Future<Output: 'static> + 'static>(branch: &Branch, future: F) -> Task<F::Output> {
    let spawned = branch.try_spawn(future, SpawnOptions::new());
    spawned.ok().expect("the branch is open")
}

fn asked() -> Interrupt {
    Interrupt::Cancelled(Reason::new(ReasonKind::Cancel))
}

/// Waits in a handler that is busy for ever once it was asked.
async fn stubborn(log: Log) {
    finally(pending::<()>(), || async move {
        log.note("asked");
        pending::<()>().await;
    })
    .await;
}

#[test]
fn d8_the_first_of_two_requests_of_a_branch_stays_and_the_second_reaches_later_tasks() {
    run(async {
        let branch = enter();
        let early = [on(&branch, pending::<()>()), on(&branch, pending())];
        yield_now().await;
        branch.cancel_all(Interrupt::TimedOut);
        let late = on(&branch, pending::<()>());
        branch.cancel_all(Interrupt::Closed);
        branch.cancel_all(Interrupt::TimedOut);
        for task in early {
            assert!(matches!(task.await, Err(Interrupt::TimedOut)));
        }
        assert!(matches!(late.await, Err(Interrupt::Closed)));
        drop(branch.leave());
    });
}

#[test]
fn d8_of_requests_of_a_task_and_of_its_branch_the_first_stays() {
    run(async {
        let branch = enter();
        let before = on(&branch, pending::<()>());
        let after = on(&branch, pending::<()>());
        yield_now().await;
        before.cancel_with(Interrupt::Closed);
        branch.cancel_all(Interrupt::TimedOut);
        after.cancel_with(Interrupt::Closed);
        assert!(matches!(before.await, Err(Interrupt::Closed)));
        assert!(matches!(after.await, Err(Interrupt::TimedOut)));
        drop(branch.leave());
    });
}

#[test]
fn a_request_of_the_branch_becomes_force_when_the_task_is_aborted_and_keeps_its_reason() {
    run(async {
        let (branch, log) = (enter(), Log::default());
        let here = on(&branch, stubborn(log.clone()));
        let abroad = on(&branch, stubborn(log.clone()));
        let at_once = on(&branch, stubborn(log.clone()));
        yield_now().await;
        branch.cancel_all(Interrupt::TimedOut);
        at_once.abort();
        yield_now().await;
        assert_eq!(
            log.take(),
            ["asked"; 2],
            "the third was dropped before its turn"
        );
        here.abort();
        assert!(here.is_finished());
        let abroad = thread::spawn(move || {
            abroad.abort();
            abroad
        });
        for task in [here, abroad.join().unwrap(), at_once] {
            assert!(matches!(task.await, Err(Interrupt::TimedOut)));
        }
        drop(branch.leave());
    });
}

#[test]
fn a_task_that_asks_its_own_branch_ends_when_its_poll_returns() {
    run(async {
        let (branch, log) = (enter(), Log::default());
        let (inner, own) = (Arc::clone(&branch), log.clone());
        let task = on(&branch, async move {
            inner.cancel_all(Interrupt::TimedOut);
            assert!(is_cancelling());
            own.note("goes on");
            pending::<()>().await;
        });
        assert!(matches!(task.await, Err(Interrupt::TimedOut)));
        assert_eq!(log.take(), ["goes on"]);
        drop(branch.leave());
    });
}

#[test]
fn s21_a_swallowed_request_of_the_branch_is_over_and_the_next_one_is_new() {
    run(async {
        let (branch, log) = (enter(), Log::default());
        let inner = log.clone();
        let task = on(&branch, async move {
            for _ in 0..3 {
                let request = catch_cancel(pending::<()>()).await.unwrap_err();
                inner.note("swallowed");
                request.swallow();
                assert!(!is_cancelling());
            }
            pending::<()>().await;
        });
        yield_now().await;
        for end in [Interrupt::TimedOut, Interrupt::Closed, Interrupt::TimedOut] {
            branch.cancel_all(end);
            yield_now().await;
            yield_now().await;
            assert_eq!(task.info().unwrap().state, TaskState::Waiting);
        }
        assert_eq!(log.take(), ["swallowed"; 3]);
        branch.cancel_all(Interrupt::Closed);
        assert!(matches!(task.await, Err(Interrupt::Closed)));
        drop(branch.leave());
    });
}

#[test]
fn d8_a_request_of_the_branch_between_a_swallow_and_the_next_suspension_is_a_new_one() {
    run(async {
        let branch = enter();
        let inner = Arc::clone(&branch);
        let task = on(&branch, async move {
            let request = catch_cancel(pending::<()>()).await.unwrap_err();
            inner.cancel_all(Interrupt::Closed); // changes nothing: it is busy
            request.swallow();
            inner.cancel_all(Interrupt::Stopped);
            pending::<()>().await;
        });
        yield_now().await;
        branch.cancel_all(Interrupt::TimedOut);
        assert!(matches!(task.await, Err(Interrupt::Stopped)));
        drop(branch.leave());
    });
}

#[test]
fn what_is_asked_with_its_branch_knows_why_and_tells_it() {
    run(async {
        let branch = enter();
        let seen = Log::default();
        let note = seen.clone();
        let task = on(&branch, async move {
            let request = catch_cancel(pending::<()>()).await;
            assert!(is_cancelling());
            note.note(match asked_because().expect("it was asked").kind() {
                ReasonKind::ScopeEnded => "scope ended",
                _ => "something else",
            });
            drop(request);
        });
        yield_now().await;
        branch.cancel_all(Interrupt::Cancelled(Reason::new(ReasonKind::ScopeEnded)));
        let info = task.info().expect("it has not ended");
        assert_eq!(info.state, TaskState::Cancelling);
        assert!(matches!(info.asked, Some(Interrupt::Cancelled(_))));
        (&task).await.unwrap();
        assert_eq!(seen.take(), ["scope ended"]);
        drop(branch.leave());
    });
}

#[test]
fn s21_of_a_branch_that_is_asked_no_new_task_begins_and_all_go_in_their_order() {
    struct Dropped(Log, &'static str);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.note(self.1);
        }
    }
    run(async {
        let (branch, log) = (enter(), Log::default());
        let held = |name: &'static str, begins: bool| {
            let guard = Dropped(log.clone(), name);
            async move {
                assert!(begins, "it was asked before");
                let _guard = guard;
                pending::<()>().await;
            }
        };
        drop(on(&branch, held("first", true)));
        let named = SpawnOptions::new().name("has a side record");
        drop(branch.try_spawn(held("second", true), named).ok());
        let third = on(&branch, held("third", true));
        yield_now().await;
        drop(on(&branch, held("fourth", false)));
        let insists = on(&branch, async { shield(yield_now()).await });
        insists.begin_anyway();
        branch.cancel_all(asked());
        assert_eq!(log.take(), [""; 0], "not before their turn");
        insists.await.unwrap();
        // The one that is new had its turn coming already.
        assert_eq!(log.take(), ["fourth", "first", "second", "third"]);
        assert!(matches!(third.await, Err(Interrupt::Cancelled(_))));
        drop(branch.leave());
    });
}

#[test]
fn a_value_in_the_poll_in_which_the_branch_asks_wins() {
    run(async {
        let branch = enter();
        let inner = Arc::clone(&branch);
        let task = on(&branch, async move {
            inner.cancel_all(asked());
            6
        });
        assert_eq!(task.await.unwrap(), 6);
        drop(branch.leave());
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_in_the_destructor_of_a_detached_task_that_is_asked_with_its_branch_comes_up() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose");
        }
    }
    run(async {
        let branch = enter();
        let bomb = Bomb;
        drop(on(&branch, async move {
            let _bomb = bomb;
            pending::<()>().await;
        }));
        drop(on(&branch, pending::<()>()));
        yield_now().await;
        branch.cancel_all(asked());
        while branch.pending() > 0 {
            yield_now().await;
        }
        let panics = branch.take_panics();
        assert_eq!(panics.len(), 1);
        assert_eq!(panics[0].message(), "on purpose");
        drop(branch.leave());
    });
}

#[test]
fn a_callback_of_a_task_without_a_handle_is_told_what_its_branch_was_asked() {
    run(async {
        let (branch, log) = (enter(), Log::default());
        let told = log.clone();
        let task = on(&branch, pending::<()>());
        task.on_done(move |outcome| match outcome {
            Err(Interrupt::TimedOut) => told.note("out of time"),
            _ => told.note("something else"),
        });
        drop(task);
        yield_now().await;
        branch.cancel_all(Interrupt::TimedOut);
        while branch.pending() > 0 {
            yield_now().await;
        }
        assert_eq!(log.take(), ["out of time"]);
        drop(branch.leave());
    });
}

/// A handler that stands alone in its task and gets company while it is busy.
#[test]
fn a_handler_that_was_asked_alone_keeps_its_place_when_others_come() {
    run(async {
        let (branch, log) = (enter(), Log::default());
        let inner = log.clone();
        let task = on(&branch, async move {
            let asked = catch_cancel(pending::<()>()).await.unwrap_err();
            inner.note("asked");
            let mut second = std::pin::pin!(finally(pending::<()>(), async || ()));
            poll_fn(|cx| {
                assert!(second.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await; // a second frame in the tree, which is not asked while the first is busy
            yield_now().await;
            inner.note("passes");
            drop(asked);
            second.await;
        });
        yield_now().await;
        branch.cancel_all(Interrupt::TimedOut);
        assert!(matches!(task.await, Err(Interrupt::TimedOut)));
        assert_eq!(log.take(), ["asked", "passes"]);
        drop(branch.leave());
    });
}
