//! Panics in polls, in destructors and in outcomes: who gets to know.

use std::{
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::Pin,
    process::Command,
    task::{Context, Poll},
};

use arborio_base::contained_panics;
use arborio_task::{Interrupt, Payload, SpawnOptions, Task, try_spawn};

use crate::support::{
    Probes, counting_panics, is_cancelled, is_stopped, run, settle, spawn, tasks, turn,
};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a destructor panics");
    }
}

/// Runs `main` and returns what came up as well.
fn run_and_collect<F: Future>(main: F) -> (Vec<Payload>, F::Output) {
    let (panics, outcome) = tasks().run_main(main, |running| {
        settle(running);
        running.take_panics()
    });
    (panics, outcome.unwrap())
}

fn messages(panics: &[Payload]) -> Vec<&str> {
    panics.iter().map(Payload::message).collect()
}

fn assert_panicked<T>(outcome: Result<T, Interrupt>, message: &str) {
    match outcome {
        Err(Interrupt::Panicked(payload)) => assert_eq!(payload.message(), message),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it has an output"),
    }
}

#[cfg(panic = "unwind")]
#[test]
fn x06_only_the_handle_of_a_panicking_task_sees_the_panic() {
    let (panics, ()) = run_and_collect(async {
        let good = spawn(async {
            turn().await;
            turn().await;
            1
        });
        let bad: Task<()> = spawn(async {
            turn().await;
            panic!("poor task")
        });
        assert_panicked(bad.await, "poor task");
        assert_eq!(good.await.unwrap(), 1);
    });
    assert!(panics.is_empty());
}

#[cfg(panic = "unwind")]
#[test]
fn an_unobserved_panic_comes_up_and_an_observed_one_waits() {
    let (panics, (mut observed,)) = run_and_collect(async {
        let unobserved: Task<()> = spawn(async { panic!("nobody looks") });
        let options = SpawnOptions::new().observed(true);
        let observed: Task<()> = try_spawn(async { panic!("somebody will") }, options)
            .ok()
            .unwrap();
        turn().await;
        // The panic went to the parent: the handle says so, and not twice.
        assert!(matches!(unobserved.await, Err(Interrupt::ScopeFailed)));
        (observed,)
    });
    assert_eq!(messages(&panics), ["nobody looks"]);
    let outcome = observed.try_take().unwrap();
    assert_panicked(outcome, "somebody will");
}

#[cfg(panic = "unwind")]
#[test]
fn the_panic_of_a_task_that_somebody_polled_waits_in_its_handle() {
    let (panics, ()) = run_and_collect(async {
        let mut task: Task<()> = spawn(async {
            turn().await;
            panic!("polled once")
        });
        let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut task).poll(cx).is_pending()));
        assert!(first.await);
        turn().await;
        turn().await;
        assert_panicked(task.try_take().unwrap(), "polled once");
    });
    assert!(panics.is_empty());
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_comes_up_if_its_handle_is_dropped_untaken() {
    let (panics, ()) = run_and_collect(async {
        let options = SpawnOptions::new().observed(true);
        let task: Task<()> = try_spawn(async { panic!("untaken") }, options)
            .ok()
            .unwrap();
        turn().await;
        drop(task);
    });
    assert_eq!(messages(&panics), ["untaken"]);
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_comes_up_if_its_handle_is_dropped_on_another_thread() {
    let (panics, ()) = run_and_collect(async {
        let options = SpawnOptions::new().observed(true);
        let task: Task<()> = try_spawn(async { panic!("dropped abroad") }, options)
            .ok()
            .unwrap();
        turn().await;
        std::thread::spawn(move || drop(task)).join().unwrap();
        // The message is settled before the loop looks whether it is over.
        turn().await;
    });
    assert!(panics.len() <= 1);
    let (panics, _) = tasks().run_main(async {}, |running| {
        let options = SpawnOptions::new().observed(true);
        let task: Task<()> = try_spawn(async { panic!("dropped abroad") }, options)
            .ok()
            .unwrap();
        while running.run_next() {}
        std::thread::spawn(move || drop(task)).join().unwrap();
        assert_eq!(running.take_mail(), 1);
        running.take_panics()
    });
    assert_eq!(messages(&panics), ["dropped abroad"]);
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_comes_up_once() {
    let (panics, ()) = run_and_collect(async {
        let task: Task<()> = spawn(async { panic!("once") });
        turn().await;
        drop(task);
    });
    assert_eq!(messages(&panics), ["once"]);
}

#[cfg(panic = "unwind")]
#[test]
fn x07_a_panic_in_the_destructor_of_an_aborted_future_is_the_outcome() {
    let (panics, ()) = run_and_collect(async {
        let task = try_spawn(
            async {
                let _bomb = Bomb;
                pending::<()>().await;
            },
            SpawnOptions::new().observed(true),
        );
        let task = task.ok().unwrap();
        turn().await;
        task.abort();
        assert_panicked(task.await, "a destructor panics");
    });
    assert!(panics.is_empty());
}

#[cfg(panic = "unwind")]
#[test]
fn x07_a_panic_in_the_destructor_of_a_future_that_its_loop_ends_is_caught() {
    let main = async {
        let task = spawn(async {
            let _bomb = Bomb;
            pending::<()>().await;
        });
        turn().await;
        (task,)
    };
    let ((), outcome) = tasks().run_main(main, |running| while running.run_next() {});
    let outcome = outcome.unwrap().0.try_take().unwrap();
    assert!(outcome.is_err() && !is_stopped(&outcome) && !is_cancelled(&outcome));
}

/// The output is ready, and the future's destructor panics after it.
#[cfg(panic = "unwind")]
#[test]
fn a_future_whose_destructor_panics_after_its_output_loses_the_output() {
    struct Ends(
        Option<crate::support::Probe>,
        std::rc::Rc<std::cell::Cell<u32>>,
    );
    impl Future for Ends {
        type Output = crate::support::Probe;
        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            Poll::Ready(self.0.take().unwrap())
        }
    }
    impl Drop for Ends {
        fn drop(&mut self) {
            self.1.set(self.1.get() + 1);
            panic!("a destructor panics");
        }
    }
    let (probes, drops) = (Probes::default(), std::rc::Rc::default());
    let future = Ends(Some(probes.probe()), std::rc::Rc::clone(&drops));
    run(async { assert_panicked(spawn(future).await, "a destructor panics") });
    assert_eq!(probes.alive(), 0);
    assert_eq!(drops.get(), 1, "the future is dropped once");
}

#[cfg(panic = "unwind")]
#[test]
fn x08_a_panic_in_the_destructor_of_an_output_is_contained_and_counted() {
    let _turn = counting_panics();
    let before = contained_panics();
    let (panics, late) = run_and_collect(async {
        let finished = spawn(async { Bomb });
        turn().await;
        drop(finished);
        let unfinished = spawn(async {
            turn().await;
            Bomb
        });
        drop(unfinished);
        let late = spawn(async { Bomb });
        turn().await;
        turn().await;
        (late,)
    });
    assert!(panics.is_empty());
    assert_eq!(contained_panics() - before, 2);
    drop(late);
    assert_eq!(contained_panics() - before, 3, "also after the loop's end");
}

/// A poll panics, then the destructor of its future does: two panics, but one
/// after the other.
#[cfg(panic = "unwind")]
#[test]
fn x10_a_destructor_that_panics_after_a_panicking_poll_does_not_abort() {
    struct Twice;
    impl Future for Twice {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            panic!("first")
        }
    }
    impl Drop for Twice {
        fn drop(&mut self) {
            panic!("second")
        }
    }
    let _turn = counting_panics();
    let before = contained_panics();
    run(async { assert_panicked(spawn(Twice).await, "first") });
    assert_eq!(contained_panics() - before, 1);
}

/// Run by the test below, in a process of its own.
#[test]
fn x10_child() {
    if std::env::var_os("ARBORIO_X10").is_none() {
        return;
    }
    run(async {
        let task: Task<()> = spawn(async {
            let _bomb = Bomb;
            panic!("while it unwinds");
        });
        drop(task.await);
    });
}

/// A destructor that panics while the poll's own panic unwinds: the language
/// aborts, and nobody else does.
#[cfg(panic = "unwind")]
#[test]
fn x10_a_double_panic_aborts_by_the_rule_of_the_language_only() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "panics::x10_child", "--nocapture"])
        .env("ARBORIO_X10", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(!child.status.success());
    assert!(said.contains("while it unwinds"), "{said}");
    assert!(said.contains("a destructor panics"), "{said}");
    assert!(
        said.contains("panic in a destructor during cleanup"),
        "{said}"
    );
}

#[cfg(panic = "unwind")]
#[test]
fn a_payload_whose_destructor_panics_is_contained() {
    let _turn = counting_panics();
    let before = contained_panics();
    run(async {
        let task: Task<()> = spawn(async { panic_any(Bomb) });
        let Err(Interrupt::Panicked(payload)) = task.await else {
            panic!("it panicked");
        };
        let clone = payload.clone();
        drop(payload);
        assert_eq!(contained_panics(), before, "a clone keeps the payload");
        drop(clone);
    });
    assert_eq!(contained_panics() - before, 1);
}

#[cfg(panic = "unwind")]
#[test]
fn a_panicking_driver_ends_every_task_first() {
    let probes = Probes::default();
    let probe = probes.probe();
    let ended = catch_unwind(AssertUnwindSafe(|| {
        tasks().run_main(
            async move {
                pending::<()>().await;
                drop(probe);
            },
            |running| -> () {
                while running.run_next() {}
                panic!("the driver")
            },
        )
    }));
    assert!(ended.is_err());
    assert_eq!(probes.alive(), 0);
    let tree = arborio_task::tree();
    assert!(tree.is_empty(), "no loop is current any more");
}

#[cfg(panic = "unwind")]
#[test]
fn a_panicking_main_is_the_outcome_of_the_loop() {
    let ((), outcome) = tasks().run_main(async { panic!("main") }, |running| {
        while running.run_next() {}
        assert!(running.main_ended() && running.main_interrupted());
        assert!(running.take_panics().is_empty(), "main is observed");
    });
    assert_panicked::<()>(outcome, "main");
}
