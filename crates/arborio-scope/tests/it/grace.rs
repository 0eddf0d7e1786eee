//! What ends a handler that does not end.

use arborio_scope::{
    CancelScope, Scope, catch_cancel, finally, is_cancelling, move_on_after, timeout,
};
use arborio_timers::{Clock, Instant, Timers};
use std::{
    future::pending,
    pin::pin,
    task::{Context, Waker},
    time::Duration,
};

use crate::support::{Log, forever, millis_since, ms, nap, run};

#[test]
fn handlers_have_one_second_and_are_dropped_then() {
    run(async {
        let (log, start) = (Log::default(), Instant::now());
        let stubborn = finally(pending::<()>(), async || forever(&log, "forced").await);
        assert_eq!(move_on_after(ms(10), stubborn).await, None);
        assert_eq!(log.take(), ["forced"]);
        assert_eq!(millis_since(start), 1010);
    });
}

#[test]
fn a_guard_that_is_kept_is_waited_for_until_the_grace_is_over() {
    run(async {
        let start = Instant::now();
        let mut kept = None;
        let body = async {
            kept = catch_cancel(pending::<()>()).await.err();
            pending::<()>().await;
        };
        assert_eq!(move_on_after(ms(10), body).await, None);
        assert_eq!(millis_since(start), 1010);
        kept.unwrap().swallow(); // nobody is there any more
    });
}

#[test]
fn a_grace_begins_with_the_request_and_not_with_the_answer() {
    run(async {
        let start = Instant::now();
        let inner = finally(pending::<()>(), async || nap(600).await);
        let outer = finally(inner, async || nap(600).await);
        assert_eq!(move_on_after(ms(10), outer).await, None);
        assert_eq!(millis_since(start), 1010, "not 1210");
    });
}

#[test]
fn a_grace_may_be_chosen() {
    run(async {
        for (grace, end) in [(ms(0), 10), (ms(25), 35)] {
            let start = Instant::now();
            let stubborn = finally(pending::<()>(), pending::<()>);
            assert_eq!(move_on_after(ms(10), stubborn).grace(grace).await, None);
            assert_eq!(millis_since(start), end);
        }
        let patient = finally(pending::<()>(), async || nap(86_400_000).await);
        let start = Instant::now();
        let limited = timeout(ms(10), patient).grace(std::time::Duration::MAX);
        assert!(limited.await.is_err());
        assert_eq!(millis_since(start), 86_400_010);
    });
}

#[test]
fn an_origin_that_has_not_said_its_grace_takes_that_of_the_one_around_it() {
    run(async {
        let start = Instant::now();
        let stubborn = finally(pending::<()>(), pending::<()>);
        let inner = timeout(ms(10), stubborn);
        let middle = timeout(ms(60_000), inner);
        let outer = move_on_after(ms(60_000), middle).grace(ms(25));
        assert_eq!(outer.await, Some(Ok(Err(arborio_timers::TimedOut))));
        assert_eq!(millis_since(start), 35);

        let start = Instant::now();
        let stubborn = finally(pending::<()>(), pending::<()>);
        let inner = timeout(ms(10), stubborn).grace(ms(5));
        let outer = move_on_after(ms(60_000), inner).grace(ms(25));
        assert!(outer.await.unwrap().is_err());
        assert_eq!(millis_since(start), 15, "its own comes first");
    });
}

#[test]
fn an_origin_in_a_scope_takes_the_grace_of_the_scope_in_its_body_and_in_its_tasks() {
    run(async {
        let limited = || timeout(ms(10), finally(pending::<()>(), pending::<()>));
        let scope = Scope::<()>::builder().grace(ms(25));
        let start = Instant::now();
        let ended = scope.run(async |s| {
            assert!(limited().await.is_err());
            assert_eq!(millis_since(start), 35);
            s.spawn(async move {
                assert!(limited().await.is_err());
                Ok(())
            })
            .await
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(millis_since(start), 70);
    });
}

#[test]
fn a_request_that_was_swallowed_is_over_at_once() {
    run(async {
        let scope = CancelScope::new();
        scope.cancel();
        let ended = scope.run(async {
            let guard = catch_cancel(pending::<()>()).await.unwrap_err();
            assert!(is_cancelling());
            guard.swallow();
            assert!(!is_cancelling(), "before the next suspension");
            7
        });
        assert_eq!(ended.await.unwrap(), 7);
    });
}

#[test]
fn a_request_of_the_task_that_was_swallowed_is_over_at_once() {
    run(async {
        let task = arborio_executor::spawn_local(async {
            let guard = catch_cancel(pending::<()>()).await.unwrap_err();
            let before = is_cancelling();
            guard.swallow();
            (before, is_cancelling())
        });
        arborio_executor::yield_now().await;
        assert!(task.cancel());
        assert_eq!(task.await.unwrap(), (true, false));
    });
}

#[test]
fn the_observer_is_told_of_a_handler_that_a_deadline_has_to_force() {
    use arborio_scope::ScopeNote;
    use std::sync::{Arc, Mutex};
    run(async {
        let (start, told) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let heard = Arc::clone(&told);
        let observer = move |note: &ScopeNote| match note {
            ScopeNote::Stubborn(task) => {
                let name = task.name.as_deref().unwrap_or_default().to_owned();
                heard.lock().unwrap().push((name, millis_since(start)));
            }
            note => panic!("{note}"),
        };
        let ended = Scope::<()>::builder().observer(observer).run(async |s| {
            let mannered = finally(pending::<()>(), async || nap(5).await);
            assert!(timeout(ms(10), mannered).await.is_err());
            let child = s.task().name("mule").spawn(async {
                let stubborn = finally(pending::<()>(), pending::<()>);
                assert_eq!(move_on_after(ms(10), stubborn).await, None);
                Ok(())
            });
            child.await
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(*told.lock().unwrap(), [("mule".to_owned(), 15 + 1010)]);
    });
}

/// A task that swallows one request, does `then`, and waits for the next.
async fn swallow_and(then: impl FnOnce()) -> &'static str {
    let guard = catch_cancel(pending::<()>()).await.unwrap_err();
    guard.swallow();
    then();
    let asked_again = is_cancelling();
    let caught = catch_cancel(pending::<()>()).await;
    caught.unwrap_err().swallow();
    match asked_again {
        true => "asked again at once",
        false => "asked again later",
    }
}

#[test]
fn d8_a_request_between_a_swallow_and_the_next_suspension_is_a_new_one() {
    use std::{cell::RefCell, rc::Rc};
    run(async {
        type Handle = Rc<RefCell<Option<arborio_executor::Task<&'static str>>>>;
        let own = Handle::default();
        let again = Rc::clone(&own);
        let then = move || assert!(again.borrow().as_ref().unwrap().cancel());
        *own.borrow_mut() = Some(arborio_executor::spawn_local(swallow_and(then)));
        arborio_executor::yield_now().await;
        assert!(own.borrow().as_ref().unwrap().cancel());
        arborio_executor::yield_now().await;
        let mut task = own.borrow_mut().take().unwrap();
        assert_eq!(task.try_take().unwrap().unwrap(), "asked again at once");
    });
}

#[test]
fn d8_a_request_from_another_thread_after_a_swallow_is_a_new_one() {
    use std::sync::mpsc;
    run(async {
        let (send, receive) = mpsc::channel::<arborio_executor::Task<&'static str>>();
        let (told, tell) = mpsc::channel();
        let then = move || {
            let abroad = std::thread::spawn(move || {
                let task = receive.recv().unwrap();
                assert!(task.cancel());
                told.send(task).unwrap();
            });
            abroad.join().unwrap();
        };
        let task = arborio_executor::spawn_local(swallow_and(then));
        arborio_executor::yield_now().await;
        assert!(task.cancel());
        send.send(task).unwrap();
        let mut turns = 0;
        let task = loop {
            arborio_executor::yield_now().await;
            if let Ok(task) = tell.try_recv() {
                break task;
            }
            turns += 1;
            assert!(turns < 10);
        };
        assert_eq!(task.await.unwrap(), "asked again at once");
    });
}

#[test]
fn a_grace_for_ever_has_no_timer() {
    let timers = Timers::new(Clock::simulated(), Waker::noop().clone());
    let _entered = timers.enter();
    for (grace, armed) in [(ms(1), 1), (Duration::MAX - ms(1), 0), (Duration::MAX, 0)] {
        let stubborn = finally(pending::<()>(), pending::<()>);
        let mut limited = pin!(timeout(ms(0), stubborn).grace(grace));
        let polled = limited
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        assert_eq!(timers.armed(), armed, "{grace:?}");
    }
}
