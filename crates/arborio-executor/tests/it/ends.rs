//! How a loop ends, and what becomes of the tasks that are left.

use std::{
    cell::RefCell,
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    thread,
};

use arborio_executor::{
    Handle, Interrupt, Leftover, LoopOptions, OnUnobservedPanic, Report, RunError, TaskState, Wait,
    is_running, skip_ready_cycle, spawn_local, task,
};

use crate::world::{Log, Noted, World, own_waker};

/// The message of the panic with which `code` ends.
fn panic_of(code: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(code)).unwrap_err();
    match payload.downcast::<&str>() {
        Ok(text) => (*text).to_owned(),
        Err(payload) => *payload.downcast::<String>().unwrap(),
    }
}

#[test]
fn d07_run_waits_for_what_is_awaited_and_then_ends_the_rest() {
    let log = Log::default();
    World::default().run(async {
        let (noted, gone) = (log.clone(), Noted(log.clone(), "daemon dropped"));
        drop(task().awaited(false).spawn_local(async move {
            pending::<()>().await;
            drop(gone);
        }));
        drop(spawn_local(async move {
            for _ in 0..10 {
                skip_ready_cycle().await;
            }
            noted.note("child done");
        }));
        log.note("main done");
    });
    assert_eq!(log.read(), ["main done", "child done", "daemon dropped"]);
}

#[test]
fn a11_leftovers_are_ended_if_the_loop_is_told_so() {
    let log = Log::default();
    let options = LoopOptions {
        leftover: Leftover::Cancel,
        ..LoopOptions::default()
    };
    let main = async {
        let gone = Noted(log.clone(), "child dropped");
        let child = spawn_local(async move {
            pending::<()>().await;
            drop(gone);
        });
        skip_ready_cycle().await;
        log.note("main done");
        (child,)
    };
    let outcome = World::default().run_with(options, &|_| {}, main);
    assert_eq!(log.read(), ["main done", "child dropped"]);
    let (mut child,) = outcome.unwrap();
    assert!(matches!(child.try_take(), Some(Err(Interrupt::Stopped))));
}

#[test]
fn the_park_is_told_once_that_main_has_ended_before_others() {
    let world = World::default();
    world.run(async {
        drop(spawn_local(async {
            for _ in 0..500 {
                skip_ready_cycle().await;
            }
        }));
    });
    assert_eq!(world.ends_of_main(), 1);
    let alone = World::default();
    alone.run(async {});
    assert_eq!(alone.ends_of_main(), 0, "nothing goes on");
}

#[cfg(panic = "unwind")]
#[test]
fn a_panicking_main_ends_every_task_and_then_the_panic_goes_on() {
    let log = Log::default();
    let message = panic_of(|| {
        World::default().run(async {
            let gone = Noted(log.clone(), "child dropped");
            let _child = spawn_local(async move {
                pending::<()>().await;
                drop(gone);
            });
            skip_ready_cycle().await;
            panic!("main")
        });
    });
    assert_eq!(message, "main");
    assert_eq!(log.read(), ["child dropped"]);
    assert!(!is_running());
}

#[cfg(panic = "unwind")]
#[test]
fn x06_an_unobserved_panic_goes_on_in_run() {
    let log = Log::default();
    let message = panic_of(|| {
        World::default().run(async {
            let _gone = Noted(log.clone(), "main dropped");
            let bad: arborio_executor::Task<()> = spawn_local(async { panic!("nobody looks") });
            drop(bad);
            pending::<()>().await;
        });
    });
    assert_eq!(message, "nobody looks");
    assert_eq!(log.read(), ["main dropped"]);
    assert_eq!(
        World::default().run(async { 1 }),
        1,
        "the thread can run again"
    );
}

#[cfg(panic = "unwind")]
#[test]
fn x06_an_observed_panic_stays_with_its_handle() {
    World::default().run(async {
        let bad: arborio_executor::Task<()> = spawn_local(async { panic!("seen") });
        let Err(Interrupt::Panicked(payload)) = bad.await else {
            panic!("it panicked");
        };
        assert_eq!(payload.message(), "seen");
    });
}

#[cfg(panic = "unwind")]
#[test]
fn an_unobserved_panic_is_only_reported_if_the_loop_is_told_so() {
    let reports = RefCell::new(Vec::new());
    let options = LoopOptions {
        on_unobserved_panic: OnUnobservedPanic::Report,
        ..LoopOptions::default()
    };
    let tell = |report: Report<'_>| reports.borrow_mut().push(report.to_string());
    let main = async {
        for number in 0..2 {
            let bad: arborio_executor::Task<()> =
                spawn_local(async move { panic!("number {number}") });
            skip_ready_cycle().await;
            drop(bad);
        }
        "on"
    };
    assert_eq!(
        World::default().run_with(options, &tell, main).unwrap(),
        "on"
    );
    let reports = reports.into_inner();
    assert_eq!(reports.len(), 2);
    assert!(
        reports[0].starts_with("a task panicked: number 0 (task "),
        "{reports:?}"
    );
    assert!(
        reports[1].starts_with("a task panicked: number 1 (task "),
        "{reports:?}"
    );
}

/// The panic is in the last task that the loop waits for.
#[cfg(panic = "unwind")]
#[test]
fn an_unobserved_panic_of_the_last_task_goes_on_in_run() {
    let message = panic_of(|| {
        World::default().run(async {
            drop(spawn_local(async {
                skip_ready_cycle().await;
                panic!("last");
            }));
        });
    });
    assert_eq!(message, "last");
}

/// The handle is dropped on another thread while the loop sleeps.
#[cfg(panic = "unwind")]
#[test]
fn an_untaken_panic_that_is_dropped_abroad_goes_on_in_run() {
    let message = panic_of(|| {
        World::default().run(async {
            let bad: arborio_executor::Task<()> = task()
                .observed(true)
                .spawn_local(async { panic!("untaken") });
            skip_ready_cycle().await;
            assert!(bad.is_finished());
            drop(thread::spawn(move || drop(bad)));
            pending::<()>().await;
        });
    });
    assert_eq!(message, "untaken");
}

#[test]
fn run_inside_of_run_is_refused() {
    World::default().run(async {
        let polled = std::cell::Cell::new(false);
        let inner = async { polled.set(true) };
        let refused = World::default().run_with(LoopOptions::default(), &|_| {}, inner);
        assert!(matches!(refused, Err(RunError::Nested)));
        assert!(!polled.get());
        assert!(is_running(), "the outer loop goes on");
        assert_eq!(spawn_local(async { 2 }).await.unwrap(), 2);
    });
    assert!(!is_running());
}

#[test]
fn loops_run_one_after_the_other_and_on_other_threads() {
    for number in 0..3 {
        assert_eq!(World::default().run(async { number }), number);
    }
    World::default().run(async {
        let other = thread::spawn(|| World::default().run(async { is_running() }));
        assert!(other.join().unwrap());
    });
}

#[test]
fn a_loop_in_which_nothing_can_happen_any_more_names_who_waits() {
    let (world, log) = (World::default(), Log::default());
    world.stall();
    let main = async {
        let gone = Noted(log.clone(), "waits dropped");
        let waits = task().name("waits").spawn_local(async move {
            pending::<()>().await;
            drop(gone);
        });
        waits.await.unwrap();
    };
    let outcome = world.run_with(LoopOptions::default(), &|_| {}, main);
    let Err(error @ RunError::Stalled(_)) = outcome else {
        panic!("it stalled");
    };
    let said = error.to_string();
    assert!(
        said.contains("task `main` (waiting)") && said.contains("task `waits` (waiting)"),
        "{said}"
    );
    let RunError::Stalled(tree) = error else {
        unreachable!()
    };
    assert_eq!(tree.tasks().count(), 2);
    assert!(tree.tasks().all(|task| task.state == TaskState::Waiting));
    assert_eq!(log.read(), ["waits dropped"]);
    assert_eq!(world.passes(), [Wait::Alone]);
}

/// The world has nothing more to offer, but another thread has just ended the
/// last task.
#[test]
fn a_loop_whose_last_task_is_ended_in_a_stalled_pass_ends_well() {
    let world = World::default();
    world.stall();
    let main = async {
        let endless = spawn_local(pending::<()>());
        world.at_next_pass(move || {
            thread::spawn(move || endless.abort()).join().unwrap();
        });
    };
    let outcome = world.run_with(LoopOptions::default(), &|_| {}, main);
    assert!(outcome.is_ok());
    assert_eq!(world.passes(), [Wait::Alone]);
}

/// Somebody on another thread may still send something.
#[test]
fn a_loop_whose_handle_is_out_does_not_wait_alone() {
    let world = World::default();
    let handle = world.run(async {
        let handle = Handle::current().unwrap();
        world.io().await;
        handle
    });
    assert_eq!(world.passes(), [Wait::Allowed]);
    assert!(handle.is_closed());
}

#[test]
fn a_sleeping_loop_is_woken_by_a_waker_by_a_task_and_by_an_abort() {
    let world = World::default();
    world.run(async {
        let (waker, handle) = (own_waker().await, Handle::current().unwrap());
        let woken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let told = std::sync::Arc::clone(&woken);
        let teller = thread::spawn(move || {
            told.store(true, std::sync::atomic::Ordering::Relaxed);
            waker.wake();
        });
        std::future::poll_fn(|_| {
            if woken.load(std::sync::atomic::Ordering::Relaxed) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        teller.join().unwrap();
        let (send, receive) = std::sync::mpsc::channel();
        let sender = thread::spawn(move || send.send(handle.spawn(async { 4 })).unwrap());
        sender.join().unwrap();
        assert_eq!(receive.recv().unwrap().await.unwrap(), 4);
        let endless = std::sync::Arc::new(spawn_local(pending::<u8>()));
        let other = std::sync::Arc::clone(&endless);
        let aborter = thread::spawn(move || other.abort());
        assert!(matches!((&*endless).await, Err(Interrupt::Cancelled(_))));
        aborter.join().unwrap();
    });
}

/// The loop waits for one task only, and another thread ends that.
#[test]
fn an_abort_from_another_thread_that_ends_the_last_task_ends_the_loop() {
    World::default().run(async {
        let endless = spawn_local(pending::<()>());
        drop(thread::spawn(move || endless.abort()));
    });
}

#[test]
fn main_may_borrow_and_need_not_be_send() {
    let (text, shared) = (String::from("borrowed"), Rc::new(1));
    let length = World::default().run(async { text.len() + *shared });
    assert_eq!(length, 9);
}

/// Others have something to decide while `main` runs.
#[cfg(panic = "unwind")]
#[test]
fn the_park_is_not_told_that_main_has_ended_while_it_runs() {
    let world = World::default();
    let options = LoopOptions {
        on_unobserved_panic: OnUnobservedPanic::Report,
        ..LoopOptions::default()
    };
    let main = async {
        drop(spawn_local(async {
            if true {
                panic!("of a task");
            }
        }));
        world.io().await;
        world.ends_of_main()
    };
    assert_eq!(world.run_with(options, &|_| {}, main).unwrap(), 0);
}

#[test]
fn d07_what_another_thread_has_sent_before_the_end_of_main_is_waited_for() {
    let (done, when_done) = std::sync::mpsc::channel();
    World::default().run(async {
        let handle = Handle::current().unwrap();
        let task = async move {
            skip_ready_cycle().await;
            done.send(()).unwrap();
        };
        thread::spawn(move || drop(handle.spawn(task)))
            .join()
            .unwrap();
    });
    assert!(when_done.try_recv().is_ok(), "it was dropped");
}
