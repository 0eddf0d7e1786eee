//! On a simulated clock the loop notices that nothing can happen any more.

use std::{cell::RefCell, future::pending, rc::Rc, sync::mpsc, thread};

use arborio::{
    Handle, Interrupt, RunError, Task, run, spawn, spawn_local, task,
    time::{Clock, clock, sleep},
    tree::TaskState,
};

use crate::support::{
    DropProbe, Gate, KernelThread, connected, ms, panic_message, secs, simulated, without_hanging,
};

#[test]
fn g02_a_stalled_loop_names_its_tasks_and_where_they_were_spawned() {
    let mut line = 0;
    let end = simulated().try_run(async {
        line = line!() + 1;
        let courier = task().name("courier").spawn(pending::<()>());
        drop(spawn(pending::<()>()));
        courier.await.unwrap();
    });
    let error = end.unwrap_err();
    let text = error.to_string();
    let RunError::Stalled(tree) = error else {
        panic!("{error}")
    };
    let tasks: Vec<_> = tree.tasks().collect();
    let names: Vec<_> = tasks.iter().map(|task| task.name.as_deref()).collect();
    assert_eq!(names, [Some("main"), Some("courier"), None]);
    assert!(tasks.iter().all(|task| task.state == TaskState::Waiting));
    assert_eq!(tasks[1].spawned_at.line(), line);
    assert!(tasks.iter().all(|task| task.spawned_at.file() == file!()));
    for part in ["courier", file!(), &format!(":{line}:"), "└─"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[cfg(panic = "unwind")]
#[test]
fn g02_run_panics_with_the_tree_of_a_stalled_loop() {
    let message = panic_message(|| {
        simulated().run(async { task().name("forlorn").spawn(pending::<()>()).await.unwrap() })
    });
    assert!(message.contains("cannot happen any more"), "{message}");
    assert!(message.contains("forlorn") && message.contains("stalls.rs"));
}

#[test]
fn g02_a_stalled_loop_drops_its_tasks_here_and_tells_who_holds_their_handles() {
    let (probe, ends) = DropProbe::new();
    let mut kept = None;
    let end = simulated().try_run(async {
        kept = Some(spawn(async move {
            let _held = probe;
            pending::<()>().await;
        }));
        pending::<()>().await;
    });
    assert!(matches!(end, Err(RunError::Stalled(_))));
    assert_eq!(*ends.lock().unwrap(), [thread::current().id()]);
    let outcome = kept.unwrap().try_take();
    assert!(matches!(outcome, Some(Err(Interrupt::Stopped))));
    assert!(!arborio::is_running());
    assert_eq!(simulated().run(async { 1 }), 1, "the thread is usable");
}

#[test]
fn g02_a_loop_is_not_stalled_before_its_last_timer() {
    let clock_of = Clock::simulated();
    let start = clock_of.now();
    let builder = arborio::EventLoop::builder().clock(clock_of.clone());
    let end = builder.try_run(async {
        drop(spawn(sleep(secs(10))));
        pending::<()>().await;
    });
    assert!(matches!(end, Err(RunError::Stalled(_))));
    assert_eq!(clock_of.now() - start, secs(10));
}

#[test]
fn g02_a_loop_that_waits_for_a_socket_is_not_stalled() {
    without_hanging(|| {
        simulated().run(async {
            let (client, server) = connected().await.unwrap();
            let loop_thread = KernelThread::current();
            let closer = thread::spawn(move || {
                loop_thread.wait_until_asleep();
                drop(client);
            });
            assert_eq!(server.read(&mut [0]).await.unwrap(), 0);
            closer.join().unwrap();
        });
    });
}

#[test]
fn g02_a_loop_is_not_stalled_while_another_thread_has_its_handle() {
    without_hanging(|| {
        simulated().run(async {
            let gate = Gate::default();
            let (opens, handle) = (gate.clone(), Handle::current().unwrap());
            let loop_thread = KernelThread::current();
            let thread = thread::spawn(move || {
                loop_thread.wait_until_asleep();
                drop(handle.spawn(async move { opens.open() }));
            });
            gate.passed().await;
            assert_eq!(clock(), ms(0));
            thread.join().unwrap();
        });
    });
}

#[test]
fn g02_a_loop_is_stalled_when_the_last_other_thread_drops_its_handle() {
    without_hanging(|| {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::spawn(move || {
            let (handle, loop_thread): (Handle, KernelThread) = receiver.recv().unwrap();
            loop_thread.wait_until_asleep();
            drop(handle);
        });
        let end = simulated().try_run(async move {
            let handle = Handle::current().unwrap();
            sender.send((handle, KernelThread::current())).unwrap();
            pending::<()>().await;
        });
        assert!(matches!(end, Err(RunError::Stalled(_))), "{end:?}");
        thread.join().unwrap();
    });
}

#[test]
fn g02_an_abort_from_the_last_task_that_runs_is_not_a_stall() {
    let outcome = run(async {
        let stuck = spawn(pending::<()>());
        stuck.abort();
        stuck.await
    });
    assert!(matches!(outcome, Err(Interrupt::Cancelled(_))));
}

#[test]
fn x30_two_tasks_that_await_each_other_are_ended_with_their_loop() {
    let (probe, ends) = DropProbe::new();
    let end = simulated().try_run(async {
        let handles: Rc<RefCell<Vec<Option<Task<()>>>>> = Rc::default();
        let (for_one, for_two) = (Rc::clone(&handles), Rc::clone(&handles));
        let one = spawn_local(async move {
            let two = for_one.borrow_mut()[1].take().unwrap();
            two.await.unwrap();
        });
        let two = spawn_local(async move {
            let _held = probe;
            let one = for_two.borrow_mut()[0].take().unwrap();
            one.await.unwrap();
        });
        // Neither body has started yet.
        handles.borrow_mut().extend([Some(one), Some(two)]);
    });
    assert!(matches!(end, Err(RunError::Stalled(_))), "{end:?}");
    assert_eq!(ends.lock().unwrap().len(), 1);
}
