//! Callbacks that are told how a task has ended.
#![expect(clippy::async_yields_async, reason = "a handle may outlive its loop")]

use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    thread,
};

use arborio::{
    Interrupt, Scope, Task, run, scope, spawn, spawn_local,
    time::{clock, sleep},
    yield_now,
};
use futures_lite::future::block_on;

use crate::{
    scopes::Code,
    support::{Gate, Log, panic_message, poll_once, secs, simulated, without_hanging},
};

#[test]
fn a12_callbacks_are_called_in_the_order_of_their_registration_before_awaiters() {
    let log = Log::new();
    run(async {
        let task = spawn(async { 6 });
        for number in 0..5 {
            let log = log.clone();
            task.on_done_local(move |outcome| log.add((number, *outcome.unwrap())));
        }
        log.add((100, 0));
        log.add((200, task.await.unwrap()));
    });
    let called = (0..5).map(|number| (number, 6));
    let expected = [(100, 0)].into_iter().chain(called).chain([(200, 6)]);
    assert!(log.take().into_iter().eq(expected));
}

#[test]
fn a12_after_the_end_a_callback_is_called_in_a_ready_cycle() {
    let log = Log::new();
    run(async {
        let task = spawn(async { 6 });
        (&task).await.unwrap();
        let note = log.clone();
        task.on_done_local(move |outcome| note.add(*outcome.unwrap()));
        assert_eq!(log.take(), [], "not in the call");
        yield_now().await;
        assert_eq!(log.take(), [6]);
        assert_eq!(task.await.unwrap(), 6);
    });
    assert_eq!(log.take(), []);
}

#[test]
fn a12_after_the_end_a_callback_is_called_before_the_outcome_is_taken_or_dropped() {
    let log = Log::new();
    run(async {
        let ended = async || {
            let task = spawn_local(async { String::from("output") });
            (&task).await.unwrap();
            let note = log.clone();
            task.on_done_local(move |outcome| note.add(outcome.unwrap().clone()));
            task
        };
        let mut taken = ended().await;
        assert_eq!(taken.try_take().unwrap().unwrap(), "output");
        assert_eq!(log.take(), ["output"]);
        assert_eq!(ended().await.await.unwrap(), "output");
        assert_eq!(log.take(), ["output"]);
        drop(ended().await);
        yield_now().await;
        assert_eq!(log.take(), ["output"]);
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a12_the_panic_of_a_callback_is_contained_and_the_others_are_called() {
    let log = Log::new();
    run(async {
        let task = spawn(async {});
        let (before, after) = (log.clone(), log.clone());
        task.on_done_local(move |_| before.add("before"));
        task.on_done_local(|_| panic!("on purpose"));
        task.on_done_local(move |_| after.add("after"));
        task.await.unwrap();
    });
    assert_eq!(log.take(), ["before", "after"]);
}

#[cfg(panic = "unwind")]
#[test]
fn a12_callbacks_are_told_why_there_is_no_output() {
    let log = Log::new();
    let note = |task: &Task<()>| {
        let log = log.clone();
        task.on_done_local(move |outcome| log.add(outcome.unwrap_err().to_string()));
    };
    run(async {
        let aborted = spawn(pending());
        note(&aborted);
        aborted.abort();
        let panicked = spawn(async { panic!("on purpose") });
        note(&panicked);
        let _ = panicked.await;
        let cut_off = arborio::task().awaited(false).spawn(pending());
        note(&cut_off);
        drop(cut_off);
        yield_now().await;
    });
    let [aborted, panicked, cut_off] = &log.take()[..] else {
        panic!("three callbacks")
    };
    assert!(aborted.contains("aborted"), "{aborted}");
    assert!(panicked.contains("on purpose"), "{panicked}");
    assert!(cut_off.contains("end"), "{cut_off}");
}

#[test]
fn a12_a_callback_may_register_another_and_drop_or_poll_the_handle() {
    type Slot = Rc<RefCell<Option<Task<String>>>>;
    let log = Log::new();
    for late in [false, true] {
        run(async {
            let slot = Slot::default();
            let task = spawn_local(async { String::from("output") });
            if late {
                (&task).await.unwrap();
            }
            let (note, mine) = (log.clone(), Rc::clone(&slot));
            task.on_done_local(move |outcome| {
                let outcome = outcome.unwrap();
                let mut task = mine.borrow_mut().take().unwrap();
                assert!(task.try_take().is_none(), "it is being looked at");
                assert!(poll_once(&mut task).is_pending());
                let again = note.clone();
                task.on_done_local(move |outcome| again.add(outcome.unwrap().len()));
                assert_eq!(note.len(), 0);
                task.abort(); // too late
                task.cancel();
                drop(task);
                assert_eq!(outcome, "output", "still there");
            });
            *slot.borrow_mut() = Some(task);
            yield_now().await;
            yield_now().await;
            assert_eq!(log.take(), [6]);
        });
    }
}

#[test]
fn a12_an_awaiter_that_comes_while_callbacks_run_is_woken_after_them() {
    simulated().run(async {
        let task = Rc::new(spawn(async { 6 }));
        (&*task).await.unwrap();
        let awaiter: Rc<RefCell<Option<Task<u8>>>> = Rc::default();
        let (slot, mine) = (Rc::clone(&awaiter), Rc::downgrade(&task));
        task.on_done_local(move |_| {
            let task = mine.upgrade().unwrap();
            *slot.borrow_mut() = Some(spawn_local(async move { (&*task).await.unwrap() }));
        });
        yield_now().await;
        let awaiter = awaiter.borrow_mut().take().unwrap();
        assert_eq!(awaiter.await.unwrap(), 6);
    });
}

#[test]
fn a12_a_callback_of_an_aborted_task_may_abort_the_next_one_for_long() {
    const LENGTH: usize = 50_000;
    let small = thread::Builder::new().stack_size(1 << 20);
    let chain = small.spawn(|| {
        let called = Rc::new(Cell::new(0));
        run(async {
            let mut next: Option<Task<()>> = None;
            for _ in 0..LENGTH {
                let task = spawn_local(pending::<()>());
                let (held, called) = (next.take(), Rc::clone(&called));
                task.on_done_local(move |_| {
                    called.set(called.get() + 1);
                    if let Some(next) = held {
                        next.abort();
                    }
                });
                next = Some(task);
            }
            yield_now().await;
            next.unwrap().abort();
            while called.get() < LENGTH {
                yield_now().await;
            }
        });
    });
    chain.unwrap().join().unwrap();
}

#[cfg(panic = "unwind")]
#[test]
fn a12_callbacks_need_an_outcome_and_those_that_stay_the_thread_of_the_loop() {
    run(async {
        let task = spawn(async { 6 });
        let refused = thread::spawn(move || {
            let refused = panic_message(|| task.on_done_local(|_| ()));
            (task, refused)
        });
        let (mut task, refused) = refused.join().unwrap();
        assert!(refused.contains("a callback needs the thread"));
        (&task).await.unwrap();
        task.try_take().unwrap().unwrap();
        assert!(task.try_on_done(|_| ()).is_err());
        assert!(panic_message(|| task.on_done(|_| ())).contains("a callback needs"));
    });
}

#[test]
fn a12_a_callback_from_another_thread_is_called_on_that_of_the_loop() {
    without_hanging(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        run(async move {
            let task = spawn(async { String::from("output") });
            let task = thread::spawn(move || {
                for number in 0..3 {
                    let sender = sender.clone();
                    task.on_done(move |outcome| {
                        let output = outcome.unwrap().clone();
                        sender
                            .send((number, output, thread::current().id()))
                            .unwrap();
                    });
                }
                task
            });
            // Its orders wait in the inbox.
            let task = task.join().unwrap();
            let me = thread::current().id();
            let expected = |number| (number, String::from("output"), me);
            assert_eq!(task.await.unwrap(), "output");
            assert!(receiver.try_iter().eq((0..3).map(expected)));
        });
    });
}

#[test]
fn a12_a_callback_from_another_thread_is_called_before_the_outcome_is_dropped() {
    without_hanging(|| {
        for ended in [true, false] {
            let (sender, receiver) = std::sync::mpsc::channel();
            run(async move {
                let task = spawn(async { String::from("output") });
                if ended {
                    (&task).await.unwrap();
                }
                let task = thread::spawn(move || {
                    task.on_done(move |outcome| sender.send(outcome.unwrap().clone()).unwrap());
                    task
                });
                drop(task.join().unwrap());
            });
            assert!(receiver.iter().eq(["output"]), "ended before: {ended}");
        }
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a12_a_callback_of_a_task_whose_loop_is_over_is_called_at_once() {
    let orphan = run(async { spawn(async { 6 }) });
    let (sender, receiver) = std::sync::mpsc::channel();
    orphan.on_done(move |outcome| sender.send(*outcome.unwrap()).unwrap());
    assert_eq!(receiver.try_recv(), Ok(6));
    orphan.on_done(|_| panic!("on purpose"));
    assert_eq!(block_on(orphan).unwrap(), 6);
}

#[cfg(panic = "unwind")]
#[test]
fn t10_a_callback_from_another_thread_takes_a_panic_over() {
    without_hanging(|| {
        run(async {
            let (sender, receiver) = std::sync::mpsc::channel();
            let task = spawn(fails());
            let register = thread::spawn(move || {
                task.on_done(move |outcome: Result<&(), _>| {
                    sender
                        .send(matches!(outcome, Err(Interrupt::Panicked(_))))
                        .unwrap();
                });
                drop(task);
            });
            register.join().unwrap();
            yield_now().await; // the panic, which would end the loop
            while receiver.try_recv() != Ok(true) {
                yield_now().await;
            }
        });
    });
}

#[test]
fn a12_a_handle_elsewhere_gets_the_outcome_after_the_callbacks() {
    without_hanging(|| {
        run(async {
            for _ in 0..50 {
                let called = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
                let task = spawn(async { String::from("output") });
                (&task).await.unwrap();
                let note = std::sync::Arc::clone(&called);
                task.on_done(move |outcome| {
                    assert_eq!(outcome.unwrap(), "output");
                    note.store(true, std::sync::atomic::Ordering::Relaxed);
                });
                let gate = Gate::default();
                let opens = gate.clone();
                let abroad = thread::spawn(move || {
                    let output = block_on(task).unwrap();
                    assert!(called.load(std::sync::atomic::Ordering::Relaxed));
                    opens.open();
                    output
                });
                gate.passed().await;
                assert_eq!(abroad.join().unwrap(), "output");
            }
        });
    });
}

#[test]
fn t10_a_callback_takes_the_error_of_a_task_over() {
    let log = Log::new();
    simulated().run(async {
        let ended = scope(async |s: &Scope<Code>| {
            let child = s.spawn(async { Err::<(), _>(Code(7)) });
            let note = log.clone();
            child.on_done_local(move |outcome| note.add(*outcome.unwrap().unwrap_err()));
            drop(child);
            sleep(secs(1)).await;
            Ok("went on")
        });
        assert_eq!(ended.await, Ok("went on"));
        assert_eq!(clock(), secs(1));
    });
    assert_eq!(log.take(), [Code(7)]);
}

#[cfg(panic = "unwind")]
#[test]
fn t10_a_callback_takes_a_panic_over() {
    let log = Log::new();
    run(async {
        let ended = scope(async |s: &Scope<Code>| {
            let child = s.spawn(fails());
            let note = log.clone();
            child.on_done_local(move |outcome: Result<Result<&(), _>, _>| {
                note.add(matches!(outcome, Err(Interrupt::Panicked(_))));
            });
            drop(child);
            yield_now().await;
            Ok("went on")
        });
        assert_eq!(ended.await, Ok("went on"));
        let task = spawn(fails());
        let note = log.clone();
        task.on_done_local(move |outcome: Result<&(), _>| note.add(outcome.is_err()));
        drop(task);
    });
    assert_eq!(log.take(), [true, true]);
}

#[test]
fn t10_a_callback_that_comes_after_the_error_is_too_late() {
    let log = Log::new();
    run(async {
        let ended = scope(async |s: &Scope<Code>| {
            let child = s.spawn(async { Err::<(), _>(Code(7)) });
            let note = log.clone();
            let held = arborio::cancel::shield(async move {
                while !child.is_finished() {
                    yield_now().await;
                }
                child.on_done_local(move |outcome| {
                    note.add(matches!(outcome, Err(Interrupt::ScopeFailed)));
                });
                yield_now().await;
            });
            held.await;
            Ok(())
        });
        assert_eq!(ended.await, Err(Code(7)));
    });
    assert_eq!(log.take(), [true]);
}

#[test]
fn t10_a_late_callback_sees_the_error_that_waits_in_the_handle() {
    let log = Log::new();
    run(async {
        let ended = scope(async |s: &Scope<Code>| {
            let child = s
                .task()
                .observed(true)
                .spawn(async { Err::<(), _>(Code(7)) });
            yield_now().await;
            let note = log.clone();
            child.on_done_local(move |outcome| note.add(*outcome.unwrap().unwrap_err()));
            yield_now().await;
            assert_eq!(child.await, Err(Code(7)), "it stays in the handle");
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
    });
    assert_eq!(log.take(), [Code(7)]);
}

#[cfg(panic = "unwind")]
#[test]
fn a12_a_task_that_may_go_to_another_thread_takes_callbacks_that_may() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let ended = block_on(scope(async |s: &Scope<Code>| {
        let child = s.spawn(async { Ok(6) });
        child.on_done(move |outcome| sender.send(*outcome.unwrap().unwrap()).unwrap());
        child.await
    }));
    assert_eq!((ended, receiver.recv().unwrap()), (Ok(6), 6));
    let refused = || {
        block_on(scope(async |s: &Scope<Code>| {
            let child = s.spawn(async { Ok(6) });
            child.on_done_local(|_| ());
            child.await
        }))
    };
    assert!(panic_message(refused).contains("a callback needs"));
}

async fn fails() {
    panic!("on purpose")
}
