//! Panics: who sees them, what ends, and that the thread stays usable.

use std::{
    any::Any,
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
    thread,
};

use arborio::{
    EventLoop, Handle, Interrupt, is_running,
    options::OnUnobservedPanic,
    run, spawn, spawn_local, task,
    time::{sleep, timeout},
    yield_now,
};

use crate::support::{
    DropProbe, Gate, Log, connected, in_own_process, ms, open_descriptors, panic_message, secs,
    simulated,
};

/// What `body` panicked with.
fn payload_of<R>(body: impl FnOnce() -> R) -> Box<dyn Any + Send> {
    let caught = catch_unwind(AssertUnwindSafe(|| drop(body())));
    caught.expect_err("nobody panicked")
}

#[cfg(panic = "unwind")]
#[test]
fn g13_the_panic_of_main_goes_on_with_its_payload_when_every_task_was_dropped() {
    let probes: Vec<_> = (0..3).map(|_| DropProbe::new()).collect();
    let (held, ends): (Vec<_>, Vec<_>) = probes.into_iter().unzip();
    let payload = payload_of(|| {
        run(async {
            let mut held = held.into_iter();
            let (of_main, started, new) = (held.next(), held.next(), held.next());
            drop(spawn(async move {
                let _held = started;
                pending::<()>().await;
            }));
            yield_now().await;
            drop(spawn(async move { drop(new) }));
            let _of_main = of_main;
            panic_any(42_u64);
        })
    });
    assert_eq!(*payload.downcast::<u64>().unwrap(), 42);
    for end in ends {
        assert_eq!(*end.lock().unwrap(), [thread::current().id()]);
    }
    assert!(!is_running());
}

#[cfg(panic = "unwind")]
#[test]
fn g13_a_panic_that_nobody_observes_ends_the_others_and_goes_on_in_run() {
    let (probe, ends) = DropProbe::new();
    let payload = payload_of(|| {
        simulated().run(async {
            drop(spawn(async move {
                let _held = probe;
                pending::<()>().await;
            }));
            drop(spawn(async {
                sleep(secs(1)).await;
                panic_any(String::from("unseen"));
            }));
            sleep(secs(3600)).await;
            unreachable!("main is dropped");
        })
    });
    assert_eq!(*payload.downcast::<String>().unwrap(), "unseen");
    assert_eq!(*ends.lock().unwrap(), [thread::current().id()]);
}

#[cfg(panic = "unwind")]
#[test]
fn g13_a_panic_after_the_end_of_main_goes_on_in_run() {
    let message = panic_message(|| {
        simulated().run(async {
            drop(spawn(async {
                sleep(secs(1)).await;
                panic!("late");
            }));
        })
    });
    assert_eq!(message, "late");
}

#[cfg(panic = "unwind")]
#[test]
fn x06_a_panic_that_is_awaited_is_seen_by_its_awaiter_alone() {
    let sibling = simulated().run(async {
        let sibling = spawn(async {
            sleep(secs(2)).await;
            "went on"
        });
        let doomed = spawn(async {
            sleep(secs(1)).await;
            panic_any(7_i32);
        });
        let Err(Interrupt::Panicked(payload)) = doomed.await else {
            panic!("it did not panic")
        };
        assert_eq!(*payload.take().unwrap().downcast::<i32>().unwrap(), 7);
        sibling.await.unwrap()
    });
    assert_eq!(sibling, "went on");
}

#[cfg(panic = "unwind")]
#[test]
fn x06_an_observed_task_keeps_its_panic_until_somebody_looks() {
    simulated().run(async {
        let doomed = task().observed(true).spawn(async { panic!("kept") });
        sleep(secs(1)).await;
        let Err(Interrupt::Panicked(payload)) = doomed.await else {
            panic!("it did not panic")
        };
        assert_eq!(payload.message(), "kept");
    });
}

#[cfg(panic = "unwind")]
#[test]
fn g13_a_panic_whose_awaiter_has_gone_away_goes_on_in_run() {
    let message = panic_message(|| {
        simulated().run(async {
            let doomed = spawn(async {
                sleep(secs(2)).await;
                panic!("nobody waits any more");
            });
            let late = timeout(secs(1), doomed).await;
            assert!(late.is_err());
            pending::<()>().await;
        })
    });
    assert_eq!(message, "nobody waits any more");
}

#[cfg(panic = "unwind")]
#[test]
fn g13_a_reported_panic_leaves_main_alone() {
    let output = EventLoop::builder()
        .on_unobserved_panic(OnUnobservedPanic::Report)
        .observer(|_| ())
        .run(async {
            for _ in 0..10 {
                drop(spawn(async { panic!("one of ten") }));
            }
            yield_now().await;
            "main"
        });
    assert_eq!(output, "main");
}

/// Panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[cfg(panic = "unwind")]
#[test]
fn x07_a_future_that_panics_while_it_is_dropped_disturbs_nobody() {
    let output = EventLoop::builder()
        .on_unobserved_panic(OnUnobservedPanic::Report)
        .observer(|_| ())
        .run(async {
            let bad = spawn(async {
                let _grenade = Grenade;
                pending::<()>().await;
            });
            yield_now().await;
            bad.abort();
            yield_now().await;
            assert!(bad.is_finished());
            drop(bad);
            spawn(async { "others run" }).await.unwrap()
        });
    assert_eq!(output, "others run");
}

#[cfg(panic = "unwind")]
#[test]
fn x07_futures_that_panic_while_the_loop_ends_do_not_keep_others_from_being_dropped() {
    let (probe, ends) = DropProbe::new();
    let message = panic_message(|| {
        run(async {
            drop(spawn(async {
                let _grenade = Grenade;
                pending::<()>().await;
            }));
            drop(spawn(async move {
                let _held = probe;
                pending::<()>().await;
            }));
            yield_now().await;
            panic!("main");
        })
    });
    assert_eq!(message, "main");
    assert_eq!(ends.lock().unwrap().len(), 1);
    assert_eq!(run(async { 1 }), 1);
}

#[cfg(panic = "unwind")]
#[test]
fn x08_an_output_that_panics_while_it_is_dropped_disturbs_nobody() {
    let output = EventLoop::builder()
        .on_unobserved_panic(OnUnobservedPanic::Report)
        .observer(|_| ())
        .run(async {
            let finished = spawn(async { Grenade });
            drop(spawn(async { Grenade })); // detached: dropped by the loop
            yield_now().await;
            assert!(finished.is_finished());
            drop(catch_unwind(AssertUnwindSafe(|| drop(finished))));
            spawn(async { "others run" }).await.unwrap()
        });
    assert_eq!(output, "others run");
}

/// Panics when it is woken.
struct Alarm;

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

#[cfg(panic = "unwind")]
#[test]
fn x09_a_waker_that_panics_does_not_keep_others_from_being_woken() {
    let log = Log::new();
    simulated().run(async {
        let gate = Gate::default();
        let (opens, slow) = (gate.clone(), spawn(sleep(secs(1))));
        let bad = Waker::from(Arc::new(Alarm));
        let mut cx = Context::from_waker(&bad);
        // The same timer and the same task wake a bad waker and good ones.
        let mut nap = pin!(sleep(secs(1)));
        let mut join = pin!((&slow).into_future());
        assert!(nap.as_mut().poll(&mut cx).is_pending());
        assert!(join.as_mut().poll(&mut cx).is_pending());
        for name in ["one", "two"] {
            let (log, gate) = (log.clone(), gate.clone());
            drop(spawn_local(async move {
                sleep(secs(1)).await;
                gate.passed().await;
                log.add(name);
            }));
        }
        sleep(secs(1)).await;
        opens.open();
        (&slow).await.unwrap();
    });
    assert_eq!(log.take(), ["one", "two"]);
}

#[cfg(panic = "unwind")]
#[test]
fn x09_a_panicking_waker_of_a_socket_does_not_lose_the_other_reader() {
    run(async {
        let (client, server) = connected().await.unwrap();
        let (server, bad) = (Arc::new(server), Waker::from(Arc::new(Alarm)));
        let mut cx = Context::from_waker(&bad);
        let mut byte = [0];
        assert!(server.poll_read(&mut cx, &mut byte).is_pending());
        let reader = Arc::clone(&server);
        let good = spawn(async move { reader.read(&mut [0; 8]).await.unwrap() });
        yield_now().await;
        client.write_all(b"word").await.unwrap();
        assert_eq!(good.await.unwrap(), 4);
    });
}

#[test]
fn x11_a_task_that_holds_what_is_not_send_is_dropped_on_its_own_thread() {
    let (probe, ends) = DropProbe::new();
    run(async {
        let task = spawn_local(async move {
            let _held = (probe, std::rc::Rc::new(()));
            pending::<()>().await;
        });
        yield_now().await;
        let gate = Gate::default();
        let opens = gate.clone();
        let aborter = thread::spawn(move || {
            task.abort();
            let outcome = futures_lite::future::block_on(task);
            opens.open();
            outcome
        });
        gate.passed().await;
        let outcome = aborter.join().unwrap();
        let Err(Interrupt::Cancelled(reason)) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(reason.location().file(), file!());
    });
    assert_eq!(*ends.lock().unwrap(), [thread::current().id()]);
}

#[cfg(panic = "unwind")]
#[test]
fn x06_a_loop_that_ended_by_a_panic_leaves_nothing_open() {
    let name = "panics::x06_a_loop_that_ended_by_a_panic_leaves_nothing_open";
    in_own_process(name, || {
        let before = open_descriptors();
        for _ in 0..20 {
            let message = panic_message(|| {
                run(async {
                    let (client, server) = connected().await.unwrap();
                    drop(spawn(async move { server.read(&mut [0]).await }));
                    sleep(ms(1)).await;
                    drop(spawn(async move {
                        let _open = client;
                        panic!("with sockets open");
                    }));
                    pending::<()>().await;
                })
            });
            assert_eq!(message, "with sockets open");
            assert_eq!(open_descriptors(), before);
        }
    });
}

#[cfg(panic = "unwind")]
#[test]
fn g13_what_is_spawned_while_the_loop_ends_is_dropped_unpolled() {
    /// Spawns in its destructor.
    struct Spawner(Arc<Mutex<Vec<&'static str>>>);
    impl Drop for Spawner {
        fn drop(&mut self) {
            let log = Arc::clone(&self.0);
            let refused = arborio::try_spawn(async move { log.lock().unwrap().push("ran") });
            drop(refused);
            self.0.lock().unwrap().push("dropped");
        }
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let inside = Arc::clone(&log);
    let message = panic_message(|| {
        EventLoop::builder()
            .grace(std::time::Duration::ZERO)
            .run(async move {
                drop(spawn(async move {
                    let _held = Spawner(inside);
                    pending::<()>().await;
                }));
                yield_now().await;
                let handle = Handle::current().unwrap();
                drop(handle);
                panic!("the end");
            })
    });
    assert_eq!(message, "the end");
    assert_eq!(*log.lock().unwrap(), ["dropped"]);
    assert_eq!(Arc::strong_count(&log), 1);
}

#[cfg(panic = "unwind")]
#[test]
fn x06_a_poll_that_panics_is_never_polled_again() {
    let polls = Log::new();
    let inside = polls.clone();
    EventLoop::builder()
        .on_unobserved_panic(OnUnobservedPanic::Report)
        .observer(|_| ())
        .run(async move {
            drop(spawn_local(poll_fn(move |cx| {
                inside.add(());
                cx.waker().wake_by_ref();
                cx.waker().wake_by_ref();
                if inside.len() == 3 {
                    panic!("at the third poll");
                }
                Poll::<()>::Pending
            })));
            for _ in 0..10 {
                yield_now().await;
            }
        });
    assert_eq!(polls.len(), 3);
}

/// Runs a loop in its destructor.
struct RunsInDrop(Arc<Mutex<Option<i32>>>);

impl Drop for RunsInDrop {
    fn drop(&mut self) {
        assert!(thread::panicking());
        let output = simulated().run(async {
            let doomed = task().observed(true).spawn(async { panic!("inside") });
            let panicked = matches!(doomed.await, Err(Interrupt::Panicked(_)));
            sleep(secs(1)).await;
            let (client, server) = connected().await.unwrap();
            client.write_all(b"x").await.unwrap();
            i32::from(panicked) + server.read(&mut [0]).await.unwrap() as i32
        });
        *self.0.lock().unwrap() = Some(output);
    }
}

#[cfg(panic = "unwind")]
#[test]
fn x10_a_loop_runs_in_a_destructor_while_its_thread_panics() {
    let output = Arc::new(Mutex::new(None));
    let inside = Arc::clone(&output);
    let message = panic_message(move || {
        let _runs = RunsInDrop(inside);
        panic!("outside");
    });
    assert_eq!(message, "outside");
    assert_eq!(*output.lock().unwrap(), Some(2));
}
