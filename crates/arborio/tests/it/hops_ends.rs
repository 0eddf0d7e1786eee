//! S29: what becomes of a future on a pool thread when its awaiter is asked to end, gives it up,
//! or ends itself.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, ThreadId},
};

use arborio::{
    Interrupt, Scope, StopError, Task,
    blocking::{BlockingPool, EnterExecutor, enter_executor},
    cancel::{ReasonKind, catch_cancel, finally, is_cancelling, move_on_after, shield},
    join,
    options::Leftover,
    run, select, spawn,
    time::{sleep, timeout},
    yield_now,
};

use crate::{
    background::start,
    support::{DropProbe, FOR_EVER, Log, ms, poll_once, secs, simulated, without_hanging},
};

/// Looks at the loop's mail until `task` has ended.
async fn ended<T>(task: &Task<T>) {
    while !task.is_finished() {
        yield_now().await;
    }
}

/// Returns when the future with the probe has been dropped, and on which thread that was.
fn end_of(ends: &Mutex<Vec<ThreadId>>) -> ThreadId {
    loop {
        if let [end] = ends.lock().unwrap()[..] {
            return end;
        }
        thread::yield_now();
    }
}

/// What a test has of a future that blocks on its thread, and then waits for ever.
struct Blocked {
    /// When it is dropped the block is over.
    go_on: Sender<()>,
    /// Gets a line at each step.
    log: Log<&'static str>,
    ends: Arc<Mutex<Vec<ThreadId>>>,
    running: Receiver<ThreadId>,
}

/// A future that blocks until it is let go, and then is suspended for ever.
fn blocks() -> (impl Future<Output = ()> + Send + 'static, Blocked) {
    let ((go_on, gate), (started, running)) = (channel::<()>(), channel());
    let (probe, ends) = DropProbe::new();
    let log = Log::new();
    let lines = log.clone();
    let future = async move {
        let _probe = probe;
        started.send(thread::current().id()).unwrap();
        let _ = gate.recv();
        lines.add("the block is over");
        pending::<()>().await;
        lines.add("never");
    };
    let blocked = Blocked {
        go_on,
        log,
        ends,
        running,
    };
    (future, blocked)
}

#[test]
fn s29_a_request_is_answered_inside_and_then_outside_on_the_loop() {
    let log = Log::new();
    let lines = log.clone();
    let here = without_hanging(move || {
        run(async {
            let (inside, cleanup, outside) = (lines.clone(), lines.clone(), lines.clone());
            let (suspended, is_suspended) = channel();
            let hop = enter_executor(async move {
                let work = async move {
                    suspended.send(()).unwrap();
                    let caught = catch_cancel(pending::<()>()).await;
                    assert!(is_cancelling());
                    sleep(ms(1)).await;
                    inside.add(("caught", thread::current().id()));
                    drop(caught);
                    pending::<()>().await;
                };
                finally(work, move || async move {
                    sleep(ms(1)).await;
                    cleanup.add(("cleaned up", thread::current().id()));
                })
                .await;
            });
            let task = spawn(async move {
                let hop = async move {
                    hop.await.unwrap();
                    unreachable!("the request goes on");
                };
                finally(hop, move || async move {
                    outside.add(("outside", thread::current().id()));
                })
                .await;
            });
            yield_now().await;
            is_suspended.recv().unwrap();
            task.cancel();
            assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
            thread::current().id()
        })
    });
    let lines = log.take();
    let steps: Vec<_> = lines.iter().map(|line| line.0).collect();
    assert_eq!(steps, ["caught", "cleaned up", "outside"]);
    assert_eq!(lines[0].1, lines[1].1);
    assert_ne!(lines[0].1, here);
    assert_eq!(lines[2].1, here);
}

#[test]
fn s29_s21_code_that_blocks_ends_before_the_request_is_answered() {
    without_hanging(|| {
        run(async {
            let (future, blocked) = blocks();
            let task = spawn(async move {
                enter_executor(future).await.unwrap();
                unreachable!("the request goes on");
            });
            yield_now().await;
            let there = blocked.running.recv().unwrap();
            task.cancel();
            for _ in 0..20 {
                yield_now().await;
            }
            assert!(!task.is_finished());
            drop(blocked.go_on);
            ended(&task).await;
            // What had no handler was dropped before its awaiter went on.
            assert_eq!(*blocked.ends.lock().unwrap(), [there]);
            assert_eq!(blocked.log.take(), ["the block is over"]);
            let Err(Interrupt::Cancelled(reason)) = task.await else {
                panic!("no reason");
            };
            assert_eq!(reason.kind(), ReasonKind::Cancel);
        });
    });
}

#[test]
fn s29_d8_a_value_wins_over_the_request() {
    without_hanging(|| {
        run(async {
            let ((go_on, gate), (started, running)) = (channel::<()>(), channel());
            let hop = |started: Sender<()>, gate: Receiver<()>| {
                enter_executor(async move {
                    started.send(()).unwrap();
                    let _ = gate.recv();
                    "a value"
                })
            };
            let ends_with_it = hop(started, gate);
            let task = spawn(async move { ends_with_it.await.unwrap() });
            yield_now().await;
            running.recv().unwrap();
            task.cancel();
            yield_now().await;
            drop(go_on);
            assert_eq!(task.await.unwrap(), "a value");

            let ((go_on, gate), (started, running)) = (channel::<()>(), channel());
            let mut goes_on = hop(started, gate);
            let task = spawn(async move {
                assert_eq!((&mut goes_on).await.unwrap(), "a value");
                pending::<()>().await; // the request is still in force, though the hop is kept
                drop(goes_on);
            });
            yield_now().await;
            running.recv().unwrap();
            task.cancel();
            yield_now().await;
            drop(go_on);
            assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
        });
    });
}

#[test]
fn s29_a_swallowed_request_lets_the_inside_go_on_and_takes_effect_behind_it() {
    without_hanging(|| {
        run(async {
            let (suspended, is_suspended) = channel();
            let log = Log::new();
            let lines = log.clone();
            let task = spawn(async move {
                let hop = enter_executor(async move {
                    suspended.send(()).unwrap();
                    catch_cancel(pending::<()>()).await.unwrap_err().swallow();
                    sleep(ms(1)).await;
                    assert!(!is_cancelling());
                    7
                });
                lines.add(hop.await.unwrap());
                yield_now().await;
                lines.add(0);
            });
            yield_now().await;
            is_suspended.recv().unwrap();
            task.cancel();
            assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
            assert_eq!(log.take(), [7]);
        });
    });
}

#[test]
fn s29_handlers_inside_are_asked_from_the_innermost_outwards() {
    without_hanging(|| {
        run(async {
            let log = Log::new();
            let lines = log.clone();
            let (suspended, is_suspended) = channel();
            let hop = enter_executor(async move {
                let (one, two) = (lines.clone(), lines);
                let innermost = async move {
                    suspended.send(()).unwrap();
                    pending::<()>().await;
                };
                let inner = finally(innermost, move || async move { one.add(1) });
                finally(inner, move || async move { two.add(2) }).await;
            });
            let task = spawn(async move { hop.await.unwrap() });
            yield_now().await;
            is_suspended.recv().unwrap();
            task.cancel();
            assert!(task.await.is_err());
            assert_eq!(log.take(), [1, 2]);
        });
    });
}

#[test]
fn s29_all_hops_of_a_task_are_asked_and_waited_for() {
    without_hanging(|| {
        run(async {
            let log = Log::new();
            let (started, running) = channel();
            let mut numbers = 0..;
            let mut hop = || {
                let (log, started, number) =
                    (log.clone(), started.clone(), numbers.next().unwrap());
                enter_executor(async move {
                    started.send(()).unwrap();
                    let request = catch_cancel(pending::<()>()).await;
                    sleep(ms(number)).await;
                    log.add(number);
                    drop(request);
                    pending::<()>().await;
                })
            };
            let both = (hop(), hop(), hop());
            let task = spawn(async move { join(both).await });
            yield_now().await;
            (0..3).for_each(|_| running.recv().unwrap());
            task.cancel();
            assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
            let mut answers = log.take();
            answers.sort_unstable();
            assert_eq!(answers, [0, 1, 2]);
        });
    });
}

#[test]
fn s29_a_time_limit_around_a_hop_waits_for_the_cleanup_inside() {
    let log = Log::new();
    let lines = log.clone();
    let here = without_hanging(move || {
        run(async {
            let in_time = timeout(FOR_EVER, enter_executor(async { 3 })).await;
            assert_eq!(in_time.unwrap().unwrap(), 3);
            let cleanup = move || async move {
                sleep(ms(2)).await;
                lines.add(thread::current().id());
            };
            let (started, running) = channel();
            let mut late = enter_executor(async move {
                started.send(()).unwrap();
                finally(pending::<()>(), cleanup).await;
            });
            assert!(poll_once(&mut late).is_pending());
            running.recv().unwrap();
            assert!(timeout(ms(1), late).await.is_err());
            thread::current().id()
        })
    });
    let cleaned_up = log.take();
    assert!(cleaned_up.len() == 1 && cleaned_up[0] != here);
}

#[test]
fn s29_a_time_limit_inside_ends_what_is_inside() {
    let ended = without_hanging(|| {
        run(async { enter_executor(async { timeout(ms(1), pending::<()>()).await }).await })
    });
    assert!(ended.unwrap().is_err());
}

#[test]
fn t15_s29_who_asked_waits_no_longer_than_their_grace() {
    without_hanging(|| {
        run(async {
            let (future, blocked) = blocks();
            let mut hop = enter_executor(future);
            assert!(poll_once(&mut hop).is_pending());
            let there = blocked.running.recv().unwrap();
            let scope = Scope::<Interrupt>::builder().timeout(ms(5)).grace(ms(5));
            let ended: Result<(), _> = scope
                .run(async |s| {
                    s.spawn(hop);
                    Ok(())
                })
                .await;
            assert!(matches!(ended, Err(Interrupt::TimedOut)));
            assert_eq!(blocked.log.len(), 0, "it still blocks");
            drop(blocked.go_on);
            assert_eq!(end_of(&blocked.ends), there);
            assert_eq!(blocked.log.take(), ["the block is over"]);
        });
    });
}

#[test]
fn s29_what_is_forced_is_dropped_on_its_thread_also_if_it_cleans_up() {
    without_hanging(|| {
        run(async {
            let (probe, ends) = DropProbe::new();
            let (started, running) = channel();
            let mut stubborn = enter_executor(async move {
                let _probe = probe;
                started.send(()).unwrap();
                finally(pending::<()>(), pending::<()>).await;
            });
            assert!(poll_once(&mut stubborn).is_pending());
            running.recv().unwrap();
            let limited = move_on_after(ms(1), stubborn).grace(ms(1));
            assert!(limited.await.is_none());
            assert_ne!(end_of(&ends), thread::current().id());
        });
    });
}

#[test]
fn s29_a_hop_that_is_dropped_is_dropped_on_its_thread_and_nobody_is_asked() {
    without_hanging(|| {
        run(async {
            let (probe, ends) = DropProbe::new();
            let log = Log::new();
            let lines = log.clone();
            let (suspended, is_suspended) = channel();
            let mut hop = enter_executor(async move {
                let _probe = probe;
                let waits = async move {
                    suspended.send(()).unwrap();
                    pending::<()>().await;
                };
                finally(waits, move || async move { lines.add("nobody polls this") }).await;
            });
            select! {
                _ = &mut hop => unreachable!("it waits for ever"),
                _ = yield_now() => {}
            }
            is_suspended.recv().unwrap();
            drop::<EnterExecutor<_>>(hop);
            assert_ne!(end_of(&ends), thread::current().id());
            assert_eq!(log.len(), 0);
        });
    });
}

#[test]
fn s29_a_task_that_is_aborted_while_its_hop_blocks_ends_at_once() {
    without_hanging(|| {
        run(async {
            let (future, blocked) = blocks();
            let task = spawn(async move { enter_executor(future).await });
            yield_now().await;
            let there = blocked.running.recv().unwrap();
            task.abort();
            assert!(task.await.is_err());
            assert_eq!(blocked.log.len(), 0, "it still blocks");
            drop(blocked.go_on);
            assert_eq!(end_of(&blocked.ends), there);
        });
    });
}

#[test]
fn s29_s21_a_hop_that_waits_for_a_thread_never_begins_once_it_is_asked() {
    without_hanging(|| {
        let pool = BlockingPool::builder().max_threads(1).build();
        run(async {
            let (future, blocked) = blocks();
            let first = spawn(pool.enter(future));
            yield_now().await;
            blocked.running.recv().unwrap();
            let (probe, ends) = DropProbe::new();
            let second = pool.enter(async move {
                let _probe = probe;
                unreachable!("it never begins");
            });
            let second: Task<Result<(), _>> = spawn(second);
            yield_now().await;
            second.cancel();
            assert!(matches!(second.await, Err(Interrupt::Cancelled(_))));
            assert_eq!(*ends.lock().unwrap(), [thread::current().id()]);
            first.abort();
            drop(blocked.go_on);
        });
    });
}

#[test]
fn s29_a_shield_keeps_requests_from_a_hop() {
    without_hanging(|| {
        run(async {
            let ((go_on, gate), (started, running)) = (channel::<()>(), channel());
            let hop = enter_executor(async move {
                started.send(()).unwrap();
                let _ = gate.recv();
                sleep(ms(1)).await;
                is_cancelling()
            });
            let task = spawn(async move { shield(hop).await.unwrap() });
            yield_now().await;
            running.recv().unwrap();
            task.cancel();
            yield_now().await;
            drop(go_on);
            assert!(!task.await.unwrap());
        });
    });
}

#[test]
fn s29_s05_a_loop_that_stops_asks_its_hops_and_waits_for_their_cleanup() {
    without_hanging(|| {
        let event_loop = start();
        let log = Log::new();
        let lines = log.clone();
        let (suspended, is_suspended) = channel();
        let hop = enter_executor(async move {
            let waits = async move {
                suspended.send(()).unwrap();
                pending::<()>().await;
            };
            finally(waits, move || async move {
                sleep(ms(1)).await;
                lines.add("cleaned up");
            })
            .await;
        });
        let mut task = event_loop.handle().spawn(hop);
        is_suspended.recv().unwrap();
        event_loop.stop_and_join(secs(10)).unwrap();
        assert_eq!(log.take(), ["cleaned up"]);
        assert!(task.wait().is_err());
    });
}

#[test]
fn s29_s05_a_hop_that_blocks_does_not_hold_up_the_end_of_its_loop() {
    without_hanging(|| {
        let event_loop = start();
        let (future, blocked) = blocks();
        let mut task = event_loop.handle().spawn(enter_executor(future));
        let there = blocked.running.recv().unwrap();
        assert!(event_loop.stop_and_join(ms(5)).is_err(), "it was forced");
        assert!(task.wait().is_err());
        drop(blocked.go_on);
        assert_eq!(end_of(&blocked.ends), there);
    });
}

#[test]
fn s29_g13_leftovers_that_hop_are_asked_when_run_ends() {
    let log = Log::new();
    let lines = log.clone();
    without_hanging(move || {
        let builder = arborio::EventLoop::builder().leftover(Leftover::Cancel);
        builder.run(async {
            let (suspended, is_suspended) = channel();
            drop(spawn(enter_executor(async move {
                let waits = async move {
                    suspended.send(()).unwrap();
                    pending::<()>().await;
                };
                finally(waits, move || async move { lines.add("cleaned up") }).await;
            })));
            yield_now().await;
            is_suspended.recv().unwrap();
        });
    });
    assert_eq!(log.take(), ["cleaned up"]);
}

#[test]
fn s29_a_hop_that_was_given_up_does_not_stop_a_simulated_clock() {
    without_hanging(|| {
        simulated().run(async {
            let (future, blocked) = blocks();
            let task = spawn(enter_executor(future));
            yield_now().await;
            blocked.running.recv().unwrap();
            task.abort();
            sleep(secs(3600)).await;
            assert_eq!(blocked.log.len(), 0, "it still blocks");
            drop(blocked.go_on);
            end_of(&blocked.ends);
        });
    });
}

#[test]
fn s29_x26_a_pool_that_is_shut_down_gives_its_hops_an_outcome() {
    without_hanging(|| {
        let pool = BlockingPool::builder().build();
        run(async {
            let (future, blocked) = blocks();
            let task = spawn(pool.enter(future));
            yield_now().await;
            let there = blocked.running.recv().unwrap();
            let ended = pool.stop_and_join(ms(1));
            assert!(matches!(ended, Err(StopError::Jobs(1))), "{ended:?}");
            assert!(matches!(task.await.unwrap(), Err(Interrupt::Stopped)));
            let late = pool.enter(async {}).await;
            assert!(matches!(late, Err(Interrupt::Closed)));
            drop(blocked.go_on);
            assert_eq!(end_of(&blocked.ends), there);
        });
    });
}

#[cfg(panic = "unwind")]
#[test]
fn s29_a_destructor_that_panics_inside_goes_on_in_who_awaits() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    without_hanging(|| {
        run(async {
            let (suspended, is_suspended) = channel();
            let hop = enter_executor(async move {
                let _bomb = Bomb;
                suspended.send(()).unwrap();
                pending::<()>().await;
            });
            let task = arborio::task().observed(true).spawn(hop);
            yield_now().await;
            is_suspended.recv().unwrap();
            task.cancel();
            let ended = task.await;
            assert!(
                matches!(&ended, Err(Interrupt::Panicked(payload)) if payload.message() == "in a destructor"),
                "{ended:?}"
            );
        });
    });
}
