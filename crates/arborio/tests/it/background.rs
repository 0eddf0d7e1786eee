//! Loops in threads of their own, used from synchronous code and from elsewhere.

use std::{
    future::pending,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Instant,
};

use arborio::{
    EventLoop, Handle, Interrupt, Pool, StopError, Task, WaitError,
    cancel::finally,
    options::OnUnobservedPanic,
    spawn, spawn_local,
    task::skip_ready_cycle,
    time::{Clock, sleep, timeout},
    tree,
    tree::TaskInfo,
    try_spawn, yield_now,
};
use futures_lite::future::block_on;

use crate::support::{
    FOR_EVER, Gate, KernelThread, Log, connected, in_own_process, ms, open_descriptors, secs,
    threads, threads_become, without_hanging,
};

/// A loop to test on.
pub(crate) fn start() -> EventLoop {
    EventLoop::builder().start().unwrap()
}

#[test]
fn s02_the_default_loop_is_the_same_for_all_threads_until_it_is_stopped() {
    in_own_process(
        "background::s02_the_default_loop_is_the_same_for_all_threads_until_it_is_stopped",
        || {
            let before = threads();
            let first = EventLoop::get_or_create().unwrap();
            threads_become(before + 1);
            let elsewhere = thread::spawn(|| EventLoop::get_or_create().unwrap());
            assert_eq!(elsewhere.join().unwrap(), first);
            let inside = first.run(async { EventLoop::get_or_create().unwrap() });
            assert_eq!(inside.unwrap(), first);
            assert_eq!(first.run(async { 1 }).unwrap(), 1);

            first.stop();
            let second = EventLoop::get_or_create().unwrap();
            assert_ne!(first, second, "also if the first has not ended yet");
            assert_eq!(second.run(async { 2 }).unwrap(), 2);
        },
    );
}

#[test]
fn s02_the_loop_of_a_thread_comes_before_the_default_loop() {
    let (own, found) = arborio::run(async {
        let own = EventLoop::current().unwrap();
        (own, EventLoop::get_or_create().unwrap())
    });
    assert_eq!(own, found);
    assert!(EventLoop::current().is_none());
}

#[test]
fn s02_many_threads_that_ask_at_once_get_one_loop() {
    in_own_process(
        "background::s02_many_threads_that_ask_at_once_get_one_loop",
        || {
            let before = threads();
            let asking: Vec<_> = (0..8)
                .map(|_| thread::spawn(|| EventLoop::get_or_create().unwrap()))
                .collect();
            let found: Vec<Handle> = asking.into_iter().map(|it| it.join().unwrap()).collect();
            assert!(found.iter().all(|handle| *handle == found[0]));
            threads_become(before + 1);
        },
    );
}

#[test]
fn a08_without_a_loop_a_task_goes_to_the_default_loop_if_there_is_one() {
    in_own_process(
        "background::a08_without_a_loop_a_task_goes_to_the_default_loop_if_there_is_one",
        || {
            let refused = try_spawn(async { 5 }).unwrap_err();
            let default = EventLoop::get_or_create().unwrap();
            let here = || async { Handle::current().unwrap() };
            assert_eq!(spawn(here()).wait().unwrap(), default);
            assert_eq!(try_spawn(here()).ok().unwrap().wait().unwrap(), default);
            let named = arborio::task().name("far away").spawn(here());
            assert_eq!({ named }.wait().unwrap(), default);
            assert_eq!(spawn(refused.into_inner()).wait().unwrap(), 5);

            let own = arborio::run(async move {
                let own = Handle::current().unwrap();
                assert_eq!(spawn(here()).await.unwrap(), own);
                own
            });
            assert_ne!(own, default);

            default.stop();
            assert!(try_spawn(async {}).is_err());
        },
    );
}

/// The place of `main`, from the tree as a loop shows it.
fn place_of_main(handle: &Handle) -> (String, u32) {
    let tree = handle.run(async { tree() }).unwrap();
    let is_main = |task: &&TaskInfo| task.name.as_deref() == Some("main");
    let main = tree.tasks().find(is_main).unwrap();
    let place = main.spawned_at;
    let line = format!("task `main` (waiting) {place}");
    assert!(tree.to_string().contains(&line), "no {line} in\n{tree}");
    (place.file().to_owned(), place.line())
}

#[test]
fn s03_the_tree_of_a_loop_in_the_background_says_where_it_was_started() {
    let (event_loop, line) = (EventLoop::builder().start().unwrap(), line!());
    assert_eq!(place_of_main(&event_loop), (file!().to_owned(), line));
    let (pool, line) = (Pool::builder().workers(2).start().unwrap(), line!());
    assert_eq!(place_of_main(&pool), (file!().to_owned(), line));
}

#[test]
fn s02_s03_the_tree_of_the_default_loop_says_who_asked_for_it_first() {
    let name = "background::s02_s03_the_tree_of_the_default_loop_says_who_asked_for_it_first";
    in_own_process(name, || {
        let (first, line) = (EventLoop::get_or_create().unwrap(), line!());
        EventLoop::get_or_create().unwrap();
        assert_eq!(place_of_main(&first), (file!().to_owned(), line));
    });
}

#[test]
fn s03_a_loop_in_the_background_does_not_hold_up_who_started_it() {
    without_hanging(|| {
        let event_loop = start();
        let gate = Gate::default();
        let opens = gate.clone();
        let mut task = event_loop.handle().spawn(async move {
            gate.passed().await;
            7
        });
        assert!(!task.is_finished(), "this thread goes on");
        opens.open();
        assert_eq!(task.wait().unwrap(), 7);
    });
}

#[test]
fn s03_a_loop_in_the_background_sleeps_when_it_is_idle_and_waits_for_more() {
    without_hanging(|| {
        let (idle, busy) = (start(), start());
        let kernel_thread = idle.handle().run(async { KernelThread::current() });
        let kernel_thread = kernel_thread.unwrap();
        kernel_thread.wait_until_asleep();
        let sleeps = kernel_thread.sleeps();
        for _ in 0..100 {
            busy.handle().run(yield_now()).unwrap();
        }
        assert!(kernel_thread.sleeps() <= sleeps + 1, "it woke for nothing");
        assert_eq!(idle.handle().run(async { 1 }).unwrap(), 1);
    });
}

#[test]
fn s03_a_loop_on_a_simulated_clock_waits_for_tasks_instead_of_stalling() {
    without_hanging(|| {
        let event_loop = EventLoop::builder()
            .clock(Clock::simulated())
            .start()
            .unwrap();
        let start = Instant::now();
        for _ in 0..3 {
            let naps = event_loop.handle().run(async { sleep(secs(3600)).await });
            naps.unwrap();
        }
        let mut never = event_loop.handle().spawn(pending::<()>());
        assert!(matches!(
            never.wait_timeout(ms(1)),
            Err(WaitError::TimedOut)
        ));
        assert!(start.elapsed() < secs(60));
        event_loop.stop_and_join(ms(1)).unwrap();
        assert!(matches!(
            never.wait(),
            Err(WaitError::Interrupted(Interrupt::Stopped))
        ));
    });
}

#[test]
fn s03_timers_and_sockets_work_in_the_background() {
    without_hanging(|| {
        without_hanging(|| {
            let event_loop = start();
            let read = event_loop.handle().run(async {
                let (client, server) = connected().await?;
                let writer = spawn(async move {
                    sleep(ms(1)).await;
                    server.write_all(b"x").await
                });
                let read = client.read(&mut [0; 8]).await?;
                writer.await.unwrap()?;
                std::io::Result::Ok(read)
            });
            assert_eq!(read.unwrap().unwrap(), 1);
        });
    });
}

#[cfg(panic = "unwind")]
#[test]
fn s04_a_loop_runs_one_future_after_the_other_and_goes_on_when_one_fails() {
    let event_loop = start();
    let handle = event_loop.handle();
    let left = handle.spawn(pending::<()>());
    assert_eq!(handle.run(async { 1 }).unwrap(), 1);
    let failed = handle.run(async { Err::<(), _>("no disk") });
    assert_eq!(failed.unwrap(), Err("no disk"));
    let panicked = handle.run(async { panic!("oh") });
    let panicked: Result<(), _> = panicked;
    let Err(WaitError::Interrupted(Interrupt::Panicked(payload))) = panicked else {
        panic!("{panicked:?}");
    };
    assert_eq!(payload.message(), "oh");
    assert_eq!(handle.run(async { 2 }).unwrap(), 2);
    assert!(!left.is_finished(), "nobody touches the others");
}

#[test]
fn s04_a_time_limit_goes_around_the_future() {
    let event_loop = EventLoop::builder()
        .clock(Clock::simulated())
        .start()
        .unwrap();
    let cleaned_up = AtomicUsize::new(0);
    let late = event_loop.handle().run(async {
        let slow = finally(sleep(secs(5)), async || {
            cleaned_up.fetch_add(1, Ordering::SeqCst);
        });
        timeout(ms(100), slow).await
    });
    assert!(late.unwrap().is_err());
    assert_eq!(cleaned_up.into_inner(), 1);
}

#[test]
fn s04_what_runs_may_borrow_from_its_caller() {
    let event_loop = start();
    let words = vec![String::from("bread"), String::from("butter")];
    let mut seen = Vec::new();
    let longest = event_loop.handle().run(async {
        for word in &words {
            skip_ready_cycle().await;
            seen.push(word.as_str());
        }
        words.iter().max_by_key(|word| word.len())
    });
    assert_eq!(longest.unwrap().unwrap(), "butter");
    assert_eq!(seen, ["bread", "butter"]);
}

#[test]
fn s04_s11_whoever_would_block_a_loop_is_told() {
    let (one, other) = (start(), start());
    let there = other.handle().clone();
    let told = one.handle().run(async move {
        let here = Handle::current().unwrap();
        let mut own = here.spawn(async {});
        (here.run(async {}), there.run(async {}), own.wait())
    });
    let (here, there, own) = told.unwrap();
    for told in [here, there, own] {
        assert!(matches!(told, Err(WaitError::OnLoop)), "{told:?}");
    }
}

#[test]
fn s10_futures_that_are_not_send_are_made_on_the_loop() {
    let event_loop = start();
    let mut task = event_loop.handle().spawn_with(|| {
        let shared = Rc::new(3);
        async move {
            let copy = Rc::clone(&shared);
            let child = spawn_local(async move { *copy });
            child.await.unwrap() + *shared
        }
    });
    assert_eq!(task.wait().unwrap(), 6);
}

#[test]
fn s10_what_one_thread_sends_starts_in_its_order_in_the_background() {
    without_hanging(|| {
        let event_loop = start();
        let log = Log::new();
        let mut tasks: Vec<Task<()>> = (0..20)
            .map(|number| {
                let log = log.clone();
                event_loop.handle().spawn(async move { log.add(number) })
            })
            .collect();
        tasks.iter_mut().for_each(|task| task.wait().unwrap());
        assert_eq!(log.take(), (0..20).collect::<Vec<_>>());
    });
}

/// A task on the first loop, awaited by `awaiting` when it has begun: gives the
/// threads on which it ran and on which its awaiter went on.
fn across(awaiting: impl FnOnce(Task<thread::ThreadId>) -> thread::ThreadId) {
    let event_loop = start();
    let loop_thread = event_loop.handle().run(async { thread::current().id() });
    let gate = Gate::default();
    let opens = gate.clone();
    let task = event_loop.handle().spawn(async move {
        gate.passed().await;
        thread::current().id()
    });
    let opener = thread::spawn(move || opens.open());
    assert_eq!(awaiting(task), loop_thread.unwrap());
    opener.join().unwrap();
}

#[test]
fn s12_a_task_is_awaited_on_another_loop_and_under_other_executors() {
    without_hanging(|| {
        across(|task| arborio::run(async { task.await.unwrap() }));
        across(|task| block_on(task).unwrap());
        across(|task| futures_executor::block_on(task).unwrap());
        across(|task| smol::block_on(task).unwrap());
        across(|task| {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            runtime.unwrap().block_on(task).unwrap()
        });
        across(|task| {
            let other = start();
            other.handle().run(async { task.await.unwrap() }).unwrap()
        });
    });
}

#[test]
fn s12_who_awaits_from_another_loop_goes_on_there_and_its_cancel_stays_there() {
    without_hanging(|| {
        let (one, other) = (start(), start());
        let gate = Gate::default();
        let waits = gate.clone();
        let task = one.handle().spawn(async move { waits.passed().await });
        let task = Arc::new(task);
        let shared = Arc::clone(&task);
        let mut awaiter = other
            .handle()
            .spawn(async move { (&*shared).await.unwrap() });
        let shared = Arc::clone(&task);
        let mut resumed = other.handle().spawn(async move {
            (&*shared).await.unwrap();
            Handle::current().unwrap()
        });
        awaiter.cancel();
        assert!(awaiter.wait().is_err());
        assert!(!task.is_finished(), "nobody cancelled the task");
        gate.open();
        assert_eq!(resumed.wait().unwrap(), *other.handle());
    });
}

#[cfg(panic = "unwind")]
#[test]
fn g13_a_panic_in_the_background_is_told_and_the_others_go_on() {
    without_hanging(|| {
        let (sink, told) = mpsc::channel();
        let event_loop = EventLoop::builder()
            .observer(move |report| sink.send(report.to_string()).unwrap())
            .start()
            .unwrap();
        drop(event_loop.handle().spawn(async { panic!("nobody looks") }));
        let report = told.recv().unwrap();
        assert!(
            report.starts_with("a task panicked: nobody looks (task "),
            "{report}"
        );
        assert_eq!(event_loop.handle().run(async { 1 }).unwrap(), 1);
        event_loop.stop_and_join(secs(1)).unwrap();
    });
}

#[cfg(panic = "unwind")]
#[test]
fn g13_a_loop_that_is_told_so_ends_with_the_panic() {
    let event_loop = EventLoop::builder()
        .on_unobserved_panic(OnUnobservedPanic::Propagate)
        .start()
        .unwrap();
    let mut other = event_loop.handle().spawn(pending::<()>());
    drop(event_loop.handle().spawn(async { panic!("nobody looks") }));
    assert!(other.wait().is_err());
    let Err(StopError::Panicked(payload)) = event_loop.stop_and_join(secs(10)) else {
        panic!("the panic is told");
    };
    assert_eq!(payload.message(), "nobody looks");
}

#[test]
fn f08_a_loop_in_the_background_gives_everything_back() {
    in_own_process(
        "background::f08_a_loop_in_the_background_gives_everything_back",
        || {
            let (descriptors, running) = (open_descriptors(), threads());
            for _ in 0..10 {
                let event_loop = start();
                let sleeper = event_loop.handle().spawn(sleep(FOR_EVER));
                event_loop.handle().run(sleep(ms(1))).unwrap();
                drop(event_loop);
                assert!(sleeper.is_finished());
            }
            assert_eq!(open_descriptors(), descriptors);
            threads_become(running);
        },
    );
}

#[test]
fn s02_a_name_that_no_thread_can_have_is_an_error() {
    let refused = EventLoop::builder().name("a\0b").start().unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn a12_callbacks_are_registered_from_the_thread_that_has_the_handle() {
    let event_loop = start();
    let there = event_loop
        .handle()
        .spawn(async { thread::current().id() })
        .wait()
        .unwrap();
    let (sender, receiver) = mpsc::channel();
    let note = move |task: &Task<String>| {
        let sender = sender.clone();
        task.on_done(move |outcome| {
            let told = outcome.cloned().map_err(drop);
            sender.send((told, thread::current().id())).unwrap();
        });
    };
    let mut ended = event_loop.handle().spawn(async { String::from("output") });
    note(&ended);
    assert_eq!(ended.wait().unwrap(), "output");
    assert_eq!(
        receiver.try_recv(),
        Ok((Ok("output".into()), there)),
        "before"
    );
    let dropped = event_loop.handle().spawn(async { String::from("dropped") });
    note(&dropped);
    drop(dropped);
    assert_eq!(receiver.recv(), Ok((Ok("dropped".into()), there)));
    let cut_off = event_loop.handle().spawn(pending::<String>());
    assert_eq!(cut_off.info().unwrap().spawned_at.file(), file!());
    note(&cut_off);
    event_loop.stop_and_join(secs(1)).unwrap();
    assert_eq!(receiver.try_recv(), Ok((Err(()), there)));
    assert!(cut_off.info().is_none());
    note(&cut_off);
    assert_eq!(receiver.try_recv(), Ok((Err(()), thread::current().id())));
}
