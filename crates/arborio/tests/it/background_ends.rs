//! How loops in the background end.

use std::{
    future::pending,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use arborio::{
    EventLoop, Handle, Interrupt, RunError, StopError, WaitError,
    cancel::{finally, shield},
    options::Drain,
    task::skip_ready_cycle,
    time::sleep,
    yield_now,
};

use crate::{
    background::start,
    membarrier::polls_are_named,
    support::{DropProbe, FOR_EVER, Gate, Log, ms, secs, simulated, without_hanging},
};

/// Whether somebody was told that the loop stopped.
fn is_stopped<T>(outcome: &Result<T, WaitError>) -> bool {
    matches!(outcome, Err(WaitError::Interrupted(Interrupt::Stopped)))
}

#[test]
fn s05_a_stop_drops_futures_on_the_loops_thread_and_tells_who_waits() {
    without_hanging(|| {
        let event_loop = start();
        let handle = event_loop.handle();
        let loop_thread = handle.run(async { thread::current().id() }).unwrap();
        let (probe, ends) = DropProbe::new();
        let mut task = handle.spawn(async move {
            pending::<()>().await;
            drop(probe);
        });
        let barrier = Arc::new(Barrier::new(2));
        let waits = Arc::clone(&barrier);
        let waiter = thread::spawn(move || {
            waits.wait();
            task.wait()
        });
        barrier.wait();
        event_loop.stop_and_join(secs(10)).unwrap();
        assert!(is_stopped(&waiter.join().unwrap()));
        assert_eq!(*ends.lock().unwrap(), [loop_thread]);
    });
}

#[test]
fn s05_d7_cleanups_run_within_the_grace() {
    let event_loop = simulated().start().unwrap();
    let log = Log::new();
    let inside = log.clone();
    let mut service = event_loop.handle().spawn(async move {
        let close = async || {
            sleep(secs(3)).await;
            inside.add("closed");
        };
        finally(pending::<()>(), close).await;
    });
    event_loop.handle().run(async {}).unwrap(); // so the service has begun
    event_loop.stop_and_join(secs(5)).unwrap();
    assert_eq!(log.take(), ["closed"]);
    assert!(is_stopped(&service.wait()));
}

#[test]
fn s05_what_outlives_its_grace_is_dropped_and_named() {
    without_hanging(|| {
        let event_loop = EventLoop::builder().observer(|_| ()).start().unwrap();
        let stubborn = arborio::task().name("mule");
        let mut stubborn = stubborn.spawn_on(event_loop.handle(), shield(pending::<()>()));
        event_loop.handle().run(async {}).unwrap();
        let Err(StopError::Forced(tree)) = event_loop.stop_and_join(ms(10)) else {
            panic!("it was forced");
        };
        assert!(
            tree.tasks()
                .any(|task| task.name.as_deref() == Some("mule")),
            "{tree}"
        );
        assert!(is_stopped(&stubborn.wait()));
    });
}

/// A task that refuses to end, and tells when it is asked.
fn mule(handle: &Handle) -> (arborio::Task<()>, std::sync::mpsc::Receiver<()>) {
    let (tell, told) = std::sync::mpsc::channel();
    let stays = finally(pending::<()>(), move || async move {
        tell.send(()).unwrap();
        pending::<()>().await;
    });
    let mule = arborio::task().name("mule").spawn_on(handle, stays);
    handle.run(async {}).unwrap(); // it has begun
    (mule, told)
}

#[test]
fn s05_a_second_stop_changes_nothing_and_stop_now_ends_the_grace() {
    without_hanging(|| {
        let builder = EventLoop::builder().grace(FOR_EVER).observer(|_| ());
        let event_loop = builder.start().unwrap();
        let handle = event_loop.handle().clone();
        let (mut mule, told) = mule(&handle);
        handle.stop();
        told.recv().unwrap();
        handle.stop();
        assert!(!mule.is_finished() && !handle.is_closed());
        handle.stop_now();
        assert!(is_stopped(&mule.wait()));
        let Err(StopError::Forced(tree)) = event_loop.stop_and_join(FOR_EVER) else {
            panic!("it was forced");
        };
        assert!(tree.to_string().contains("mule"), "{tree}");
    });
}

#[test]
fn s05_who_joins_without_a_grace_ends_the_one_that_runs() {
    without_hanging(|| {
        let builder = EventLoop::builder().grace(FOR_EVER).observer(|_| ());
        let event_loop = builder.start().unwrap();
        let (mut mule, told) = mule(event_loop.handle());
        event_loop.stop();
        told.recv().unwrap();
        let ended = event_loop.stop_and_join(ms(0));
        assert!(matches!(ended, Err(StopError::Forced(_))), "{ended:?}");
        assert!(is_stopped(&mule.wait()));
    });
}

#[test]
fn s05_stop_now_from_a_task_ends_run_at_once() {
    let ended = simulated()
        .grace(secs(3600))
        .observer(|_| ())
        .try_run(async {
            drop(arborio::spawn(shield(pending::<()>())));
            yield_now().await;
            Handle::current().unwrap().stop_now();
            finally(pending::<()>(), || async {
                sleep(secs(1)).await;
                unreachable!("there is no time for that");
            })
            .await;
        });
    assert!(matches!(ended, Err(RunError::Stopped)));
}

#[test]
fn s05_a_loop_is_stopped_any_number_of_times_by_anybody() {
    without_hanging(|| {
        let event_loop = start();
        let handle = event_loop.handle().clone();
        let own = handle.clone();
        drop(handle.spawn(async move { own.stop() }));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let handle = handle.clone();
                thread::spawn(move || handle.stop())
            })
            .collect();
        threads.into_iter().for_each(|it| it.join().unwrap());
        assert!(handle.is_stopping());
        event_loop.stop_and_join(secs(10)).unwrap();
        assert!(handle.is_closed());
        handle.stop();
    });
}

#[test]
fn s05_h10_a_task_that_spins_on_ready_cycles_does_not_keep_a_loop_from_stopping() {
    without_hanging(|| {
        for drain in [Drain::Bounded, Drain::ToEmpty] {
            let event_loop = EventLoop::builder().drain(drain).start().unwrap();
            let mut spinning = event_loop.handle().spawn(async {
                loop {
                    skip_ready_cycle().await;
                }
            });
            event_loop.handle().run(yield_now()).unwrap();
            event_loop.stop_and_join(secs(10)).unwrap();
            let ended: Result<(), _> = spinning.wait();
            assert!(is_stopped(&ended));
        }
    });
}

#[test]
fn s05_a_task_that_is_sent_after_the_stop_has_stopped() {
    without_hanging(|| {
        let event_loop = start();
        let handle = event_loop.handle();
        handle.stop();
        let ran = Arc::new(AtomicBool::new(false));
        let notes = Arc::clone(&ran);
        let mut late = handle.spawn(async move { notes.store(true, Ordering::SeqCst) });
        assert!(is_stopped(&late.wait()));
        assert!(is_stopped(&handle.run(async {})));
        assert!(!ran.load(Ordering::SeqCst));
    });
}

#[test]
fn s05_senders_that_never_stop_do_not_hold_up_the_end() {
    without_hanging(|| {
        let event_loop = EventLoop::builder().observer(|_| ()).start().unwrap();
        let handle = event_loop.handle().clone();
        let (begun, has_begun) = std::sync::mpsc::channel();
        let sender = thread::spawn(move || {
            let mut sent = 0_u32;
            while !handle.is_closed() {
                drop(handle.spawn(pending::<()>()));
                sent += 1;
                if sent == 1 {
                    begun.send(()).unwrap();
                }
            }
            sent
        });
        has_begun.recv().unwrap(); // on a busy machine the loop could end before
        event_loop.handle().run(sleep(ms(1))).unwrap();
        event_loop.stop_and_join(secs(15)).unwrap();
        assert!(sender.join().unwrap() > 0);
    });
}

#[test]
fn s05_a_loop_that_runs_on_its_caller_is_stopped_too() {
    let stopped = EventLoop::builder().try_run(async {
        let handle = Handle::current().unwrap();
        thread::spawn(move || handle.stop());
        pending::<()>().await;
    });
    assert!(matches!(stopped, Err(RunError::Stopped)), "{stopped:?}");
}

#[test]
fn s05_a_dropped_owner_stops_its_loop_and_a_detached_one_goes_on() {
    without_hanging(|| {
        let event_loop = start();
        let mut task = event_loop.handle().spawn(sleep(FOR_EVER));
        drop(event_loop);
        assert!(is_stopped(&task.wait()));

        let handle = start().detach();
        assert_eq!(handle.run(async { 1 }).unwrap(), 1);
        handle.stop();
    });
}

/// A loop that whoever owns it waits for longer than any test: who must not wait fails if it does.
fn patient() -> EventLoop {
    EventLoop::builder().grace(FOR_EVER).start().unwrap()
}

#[test]
fn x20_a_loop_is_dropped_by_its_own_task() {
    without_hanging(|| {
        let event_loop = patient();
        let handle = event_loop.handle().clone();
        let mut task = handle.spawn(async move {
            yield_now().await;
            drop(event_loop);
            "dropped"
        });
        assert_eq!(task.wait().unwrap(), "dropped");
        let mut last = handle.spawn(async {});
        assert!(is_stopped(&last.wait()));
    });
}

#[test]
fn x20_a_loop_that_is_owned_by_its_own_future_ends_with_it() {
    without_hanging(|| {
        let event_loop = patient();
        let handle = event_loop.handle().clone();
        let gate = Gate::default();
        let begun = gate.clone();
        let mut task = handle.spawn(async move {
            let _owner = event_loop;
            begun.open();
            pending::<()>().await;
        });
        handle.run(async { gate.passed().await }).unwrap();
        handle.stop();
        assert!(is_stopped(&task.wait()));
    });
}

#[test]
fn x20_a_loop_is_dropped_and_joined_in_async_code_of_another_loop_without_waiting() {
    without_hanging(|| {
        let event_loop = start();
        let other = start();
        let holds_up = Gate::default();
        let gate = holds_up.clone();
        let mut task = event_loop
            .handle()
            .spawn(shield(async move { gate.passed().await }));
        event_loop.handle().run(async {}).unwrap();
        let start = Instant::now();
        arborio::run(async {
            drop(event_loop);
            let refused = other.stop_and_join(FOR_EVER);
            assert!(matches!(refused, Err(StopError::OnLoop)), "{refused:?}");
        });
        assert!(start.elapsed() < ms(900), "it waited for the grace");
        holds_up.open();
        assert!(task.wait().is_ok(), "it ended within the grace");
    });
}

#[cfg(panic = "unwind")]
#[test]
fn x20_a_loop_is_dropped_on_a_thread_that_unwinds() {
    without_hanging(|| {
        let event_loop = patient();
        let mut task = event_loop.handle().spawn(pending::<()>());
        let unwound = std::panic::catch_unwind(AssertUnwindSafe(move || {
            let _owner = event_loop;
            panic!("on the way");
        }));
        assert!(unwound.is_err());
        assert!(is_stopped(&task.wait()));
    });
}

#[test]
fn x21_a_task_that_never_returns_does_not_hold_up_its_owner_for_ever() {
    without_hanging(|| {
        let event_loop = start();
        let release = Arc::new(AtomicBool::new(false));
        let (stuck, begun) = (Arc::clone(&release), Gate::default());
        let opens = begun.clone();
        let mut task = event_loop.handle().spawn(async move {
            opens.open();
            while !stuck.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        });
        futures_lite::future::block_on(begun.passed());
        let start = Instant::now();
        let ended = event_loop.stop_and_join(ms(20));
        let waited = start.elapsed();
        let Err(StopError::Running(stuck)) = ended else {
            panic!("it has ended: {ended:?}");
        };
        // Where the system does not help nobody knows which task it is.
        assert_eq!(stuck.len(), usize::from(polls_are_named()), "{stuck:?}");
        assert!(
            stuck
                .iter()
                .all(|task| task.spawned_at.file().ends_with("background_ends.rs"))
        );
        // It does not have the two seconds of a loop that no poll holds up.
        assert!(waited >= ms(20) && waited < secs(2), "{waited:?}");
        release.store(true, Ordering::SeqCst); // so that the test's thread ends
        assert!(task.wait().is_ok());
    });
}
