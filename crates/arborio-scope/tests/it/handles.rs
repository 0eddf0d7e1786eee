//! What the handles of scopes and tasks tell, and limits of time for tasks that run.

use std::{future::pending, panic::Location, task::Waker, thread};

use arborio_executor::{Handle, spawn_local, yield_now};
use arborio_scope::{ApplyTimeout, Scope, scope};
use arborio_task::{Interrupt, TaskState, WaitError};
use arborio_timers::{Clock, Instant, Timers};

use crate::support::{Bad, bad, millis_since, ms, nap, run};

#[test]
fn the_handle_of_a_task_tells_who_it_is() {
    run(async {
        let ended = scope(async |s: &Scope<Bad>| {
            let line = Location::caller().line() + 1;
            let scribe = s.task().name("scribe").spawn(pending::<Result<(), Bad>>());
            assert_eq!(scribe.name().as_deref(), Some("scribe"));
            let place = scribe.spawned_at().unwrap();
            assert_eq!((place.file(), place.line()), (file!(), line));
            assert_eq!(scribe.info().unwrap().state, TaskState::New);
            yield_now().await;
            let info = scribe.info().unwrap();
            assert_eq!(info.name.as_deref(), Some("scribe"));
            assert_ne!(info.state, TaskState::New);
            assert!(s.spawn(async { Ok(()) }).name().is_none());
            assert!(scribe.cancel_with(Interrupt::TimedOut));
            assert_eq!(scribe.await, bad("timed out"));
            let over = s.spawn(async { Ok(()) });
            yield_now().await;
            assert!(!over.cancel_with(Interrupt::TimedOut));
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
    });
}

#[test]
fn a_scope_knows_itself_and_what_hangs_on_it() {
    run(async {
        assert!(Scope::<Bad>::current().is_none());
        let builder = Scope::<Bad>::builder().name("kitchen");
        let ended = builder.run(async |s| {
            assert!(Scope::<Bad>::current() == Some(s.erase()));
            s.task().name("cook").spawn(async { Ok(()) });
            let drawn = s.tree().to_string();
            assert!(drawn.starts_with("scope `kitchen` (running"), "{drawn}");
            assert!(drawn.contains("task `cook` (new)"), "{drawn}");
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
    });
}

#[test]
fn a_limit_goes_on_when_the_timers_end_that_it_was_set_with() {
    run(async {
        let start = Instant::now();
        let others = Timers::new(Clock::current(), Waker::noop().clone());
        let task = spawn_local(pending::<()>());
        let entered = others.enter();
        assert!(task.apply_timeout(ms(10)));
        drop(entered);
        assert_eq!(others.armed(), 1);
        drop(others); // everybody who waits is woken
        nap(5).await;
        assert!(!task.is_finished());
        assert!(matches!(task.await, Err(Interrupt::TimedOut)));
        assert_eq!(millis_since(start), 10);
    });
}

#[test]
fn the_limits_of_a_task_that_has_ended_are_disarmed() {
    run(async {
        let others = Timers::new(Clock::current(), Waker::noop().clone());
        let task = spawn_local(pending::<()>());
        let _entered = others.enter();
        assert!(task.apply_timeout(ms(10)) && task.apply_timeout(ms(20)));
        assert_eq!(others.armed(), 2);
        task.abort();
        assert_eq!(others.armed(), 0);
    });
}

#[test]
fn tasks_that_borrow_from_another_thread_may_be_limited() {
    run(async {
        let handle = Handle::current().unwrap();
        let borrows = thread::spawn(move || {
            let word = String::from("borrowed");
            let limited = handle.scope(|s| {
                let limit = |limit| {
                    let mut task = s.spawn(async {
                        assert_eq!(word, "borrowed");
                        pending::<()>().await;
                    });
                    (task.apply_timeout(limit), task.wait())
                };
                let ended = [limit(ms(0)), limit(ms(5))];
                let mut over = s.spawn(async { word.len() });
                assert_eq!(over.wait().unwrap(), 8);
                assert!(!over.apply_timeout(ms(0)) && !over.apply_timeout(ms(5)));
                ended
            });
            limited.unwrap()
        });
        while !borrows.is_finished() {
            nap(1).await;
        }
        for (was_asked, ended) in borrows.join().unwrap() {
            assert!(was_asked);
            assert!(matches!(
                ended,
                Err(WaitError::Interrupted(Interrupt::TimedOut))
            ));
        }
    });
}
