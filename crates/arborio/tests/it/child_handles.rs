//! What the handles of tasks of scopes have in common with those of other tasks; and the owners of loops and pools.

use std::{future::pending, thread, time::Duration};

use arborio::{
    EventLoop, Handle, Interrupt, Pool, Scope, WaitError,
    cancel::{ApplyTimeout, finally},
    run, scope, spawn, task,
    tree::TaskState,
    yield_now,
};

use crate::{
    scopes::Code,
    support::{Log, ms, without_hanging},
};

/// Has `body` called on another thread, and looks at the loop's mail until it returns.
async fn on_a_thread<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> R {
    let thread = thread::spawn(body);
    while !thread.is_finished() {
        yield_now().await;
    }
    thread.join().unwrap()
}

#[test]
fn t10_a_thread_that_waits_for_a_child_takes_its_error_over() {
    without_hanging(|| {
        let ended = run(scope(async |s: &Scope<Code>| {
            let (fail, told) = std::sync::mpsc::channel::<()>();
            let mut child = s.spawn(async move {
                while told.try_recv() != Ok(()) {
                    yield_now().await;
                }
                Err::<(), _>(Code(7))
            });
            let failed = on_a_thread(move || {
                let early = child.wait_timeout(ms(1));
                assert!(matches!(early, Err(WaitError::TimedOut)), "{early:?}");
                fail.send(()).unwrap();
                child.wait().unwrap()
            });
            assert_eq!(failed.await, Err(Code(7)));
            Ok("went on")
        }));
        assert_eq!(ended, Ok("went on"));
    });
}

#[test]
fn t10_an_error_that_nobody_awaited_is_gone_when_it_is_taken() {
    let (ended, taken) = run(async {
        let mut kept = None;
        let ended = scope(async |s: &Scope<Code>| {
            kept = Some(s.spawn(async { Err::<(), _>(Code(7)) }));
            pending::<Result<(), _>>().await
        });
        (ended.await, kept.unwrap().try_take())
    });
    assert_eq!(ended, Err(Code(7)), "it has ended the scope");
    assert!(matches!(taken, Some(Err(Interrupt::ScopeFailed))));
}

async fn fails() -> Result<(), Code> {
    panic!("oh")
}

#[cfg(panic = "unwind")]
#[test]
fn a_child_is_not_waited_for_on_the_thread_of_its_loop_and_its_panic_is_a_value() {
    let ended = run(scope(async |s: &Scope<Code>| {
        let mut child = s.task().bubble(false).spawn(fails());
        let refused = child.wait();
        assert!(matches!(refused, Err(WaitError::OnLoop)));
        yield_now().await;
        let ended = child.wait();
        assert!(matches!(
            ended,
            Err(WaitError::Interrupted(Interrupt::Panicked(_)))
        ));
        Ok(())
    }));
    assert_eq!(ended, Ok(()));
}

#[test]
fn a_child_says_who_it_is_and_ends_for_the_reason_that_was_given() {
    let log = Log::new();
    let ended = run(scope(async |s: &Scope<Code>| {
        let log = log.clone();
        let work = finally(pending::<()>(), async move || log.add("cleaned up"));
        let child = s.task().name("scribe").spawn(work);
        assert_eq!(child.name().unwrap(), "scribe");
        assert!(
            child
                .spawned_at()
                .unwrap()
                .file()
                .ends_with("child_handles.rs")
        );
        assert_eq!(child.info().unwrap().state, TaskState::New);
        yield_now().await;
        assert!(child.cancel_with(Interrupt::TimedOut));
        let ended = child.outcome().await;
        assert!(matches!(ended, Err(Interrupt::TimedOut)), "{ended:?}");
        Ok(())
    }));
    assert_eq!(ended, Ok(()), "that is no failure of the scope");
    assert_eq!(log.take(), ["cleaned up"]);
}

#[test]
fn a_task_that_borrows_has_a_limited_time_and_may_be_asked_for_a_reason() {
    without_hanging(|| {
        let event_loop = EventLoop::builder().start().unwrap();
        let word = String::from("lent");
        let sum = event_loop.scope(|s| {
            let endless = || async {
                pending::<()>().await;
                word.len()
            };
            let (mut late, mut asked) = (s.spawn(endless()), s.spawn(endless()));
            assert!(late.apply_timeout(ms(1)));
            assert!(asked.cancel_with(Interrupt::Closed));
            assert!(
                late.spawned_at()
                    .unwrap()
                    .file()
                    .ends_with("child_handles.rs")
            );
            let ended = (late.wait(), asked.wait());
            assert!(matches!(
                ended.0,
                Err(WaitError::Interrupted(Interrupt::TimedOut))
            ));
            assert!(matches!(
                ended.1,
                Err(WaitError::Interrupted(Interrupt::Closed))
            ));
            let mut in_time = s.spawn(async { word.len() });
            let _ = in_time.apply_timeout(Duration::from_secs(1000));
            assert_eq!(in_time.wait().unwrap(), 4);
            in_time.apply_timeout(Duration::ZERO)
        });
        assert!(!sum.unwrap(), "it has ended");
    });
}

#[test]
fn an_owner_is_a_handle_and_its_clone_owns_nothing() {
    without_hanging(|| {
        let pool = Pool::builder().workers(2).start().unwrap();
        let event_loop = EventLoop::builder().start().unwrap();
        assert!(*pool != *event_loop && !pool.is_closed());
        assert_eq!(pool.run(async { 1 }).unwrap(), 1);
        let word = String::from("lent");
        let lent = pool.scope(|s| s.spawn(async { word.len() }).wait().unwrap());
        assert_eq!(lent.unwrap(), 4);
        let mut there = event_loop.spawn(async { Handle::current() });
        assert_eq!(there.wait().unwrap().as_ref(), Some(&*event_loop));
        let handles: [Handle; 2] = [pool.clone(), event_loop.clone()];
        drop((pool, event_loop));
        assert!(handles.iter().all(Handle::is_closed));
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_task_that_is_detached_is_waited_for_and_its_panic_is_not_observed() {
    let log = Log::new();
    run(async {
        let log = log.clone();
        let slow = async move {
            yield_now().await;
            yield_now().await;
            log.add("done");
        };
        spawn(slow).detach();
    });
    assert_eq!(log.take(), ["done"]);

    let raised = std::panic::catch_unwind(|| {
        run(async {
            task().spawn(async { panic!("nobody looks") }).detach();
            pending::<()>().await;
        });
    });
    assert!(raised.is_err());
}
