//! Loops that somebody stops.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, ThreadId},
};

use arborio_executor::{
    Drain, Handle, Interrupt, LoopOptions, RunError, skip_ready_cycle, spawn, spawn_local, task,
    yield_now,
};

use crate::world::{Log, Noted, World};

/// Runs `main` until somebody stops it.
fn run_until_stopped<F: Future>(main: F) {
    let ended = World::default().run_with(LoopOptions::default(), &|_| {}, main);
    assert!(matches!(ended, Err(RunError::Stopped)), "the loop stops");
}

/// Notes the thread on which it is dropped.
struct Probe(Arc<Mutex<Option<ThreadId>>>);

impl Drop for Probe {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = Some(thread::current().id());
    }
}

#[test]
fn s05_a_loop_that_is_stopped_drops_its_tasks_on_its_own_thread() {
    let dropped = Arc::new(Mutex::new(None));
    let probe = Probe(Arc::clone(&dropped));
    let mut waiters = Vec::new();
    run_until_stopped(async {
        let handle = Handle::current().unwrap();
        let mut task = spawn(async move {
            pending::<()>().await;
            drop(probe);
        });
        yield_now().await;
        waiters.push(thread::spawn(move || {
            handle.stop();
            task.wait()
        }));
        pending::<()>().await;
    });
    let told = waiters.pop().unwrap().join().unwrap().unwrap_err();
    assert_eq!(told.to_string(), Interrupt::Stopped.to_string());
    assert_eq!(*dropped.lock().unwrap(), Some(thread::current().id()));
}

#[test]
fn s05_a_stop_stands_behind_what_is_ready() {
    let log = Log::default();
    run_until_stopped(async {
        let handle = Handle::current().unwrap();
        for name in ["before", "too"] {
            let log = log.clone();
            drop(spawn_local(async move {
                log.note(name);
                pending::<()>().await;
            }));
        }
        handle.stop();
        let late = log.clone();
        drop(spawn_local(async move { late.note("behind it") }));
        let _gone = Noted(log.clone(), "main dropped");
        pending::<()>().await;
    });
    assert_eq!(log.read(), ["before", "too", "main dropped"]);
}

#[test]
fn s05_h10_a_task_that_yields_for_ever_does_not_keep_a_loop_from_stopping() {
    for drain in [Drain::Bounded, Drain::ToEmpty] {
        let options = LoopOptions {
            drain,
            ..LoopOptions::default()
        };
        let ended = World::default().run_with(options, &|_| {}, async {
            let handle = Handle::current().unwrap();
            drop(thread::spawn(move || handle.stop()));
            loop {
                skip_ready_cycle().await;
            }
        });
        let ended: Result<(), _> = ended;
        assert!(matches!(ended, Err(RunError::Stopped)));
    }
}

#[test]
fn s05_tasks_that_nobody_awaits_do_not_hide_a_stop() {
    run_until_stopped(async {
        for _ in 0..3 {
            drop(task().awaited(false).spawn(pending::<()>()));
        }
        yield_now().await;
        let handle = Handle::current().unwrap();
        drop(thread::spawn(move || handle.stop()));
        pending::<()>().await;
    });
}

#[test]
fn s05_a_loop_is_stopped_any_number_of_times_also_by_its_tasks_and_after_its_end() {
    let mut handles = Vec::new();
    run_until_stopped(async {
        let handle = Handle::current().unwrap();
        handles.push(handle.clone());
        let again = handle.clone();
        drop(spawn(async move {
            again.stop();
            again.stop();
        }));
        handle.stop();
        assert!(handle.is_stopping() && !handle.is_closed());
        pending::<()>().await;
    });
    let handle = handles.pop().unwrap();
    handle.stop();
    assert!(handle.is_stopping() && handle.is_closed());
}

#[test]
fn s05_main_gives_its_output_if_it_ends_in_the_same_turn() {
    let output = World::default().run(async {
        Handle::current().unwrap().stop();
        drop(spawn(pending::<()>()));
        6
    });
    assert_eq!(output, 6, "and nobody waits for the others");
}

#[test]
fn s05_what_is_sent_after_the_stop_never_runs() {
    let ran = Arc::new(AtomicBool::new(false));
    let notes = Arc::clone(&ran);
    let mut sent = Vec::new();
    run_until_stopped(async {
        let handle = Handle::current().unwrap();
        let sender = thread::spawn(move || {
            handle.stop();
            let mut late = handle.spawn(async move { notes.store(true, Ordering::SeqCst) });
            let with = handle.spawn_with(pending::<()>);
            (late.wait(), { with }.wait(), handle.run(async {}))
        });
        sent.push(sender);
        pending::<()>().await;
    });
    let (late, with, run) = sent.pop().unwrap().join().unwrap();
    for ended in [late, with, run] {
        assert_eq!(
            ended.unwrap_err().to_string(),
            Interrupt::Stopped.to_string()
        );
    }
    assert!(!ran.load(Ordering::SeqCst));
}

#[test]
fn s05_the_next_loop_of_a_thread_is_not_stopped() {
    run_until_stopped(async {
        Handle::current().unwrap().stop();
        pending::<()>().await;
    });
    let two = World::default().run(async {
        yield_now().await;
        2
    });
    assert_eq!(two, 2);
}

#[test]
fn s02_handles_are_equal_if_they_are_of_one_loop() {
    let one = World::default().run(async {
        let handle = Handle::current().unwrap();
        assert_eq!(handle, Handle::current().unwrap());
        handle
    });
    assert_ne!(
        one,
        World::default().run(async { Handle::current() }).unwrap()
    );
}
