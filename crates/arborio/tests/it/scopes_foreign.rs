//! T17: scopes under executors that are not Arborio's poll their tasks themselves.

use std::{
    cell::Cell,
    future::{Future, pending, poll_fn},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use arborio::{
    AnyScope, LocalScope, Scope,
    cancel::{CancelScope, catch_cancel, fail_after, finally},
    local_scope, scope,
    scope::ScopeNote,
    time::{Instant, sleep},
    try_spawn, try_spawn_local, yield_now,
};

use crate::{
    scopes::{Code, millis, seconds},
    support::{Log, without_hanging},
};

fn tokio_of(workers: usize) -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(workers).build().unwrap()
}

/// Runs a program under tokio on two threads, as a spawned task, under smol, and alone.
fn everywhere<T, F>(program: impl Fn() -> F)
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let tokio = tokio_of(2);
    tokio.block_on(tokio.spawn(program())).unwrap();
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(program());
    smol::block_on(smol::spawn(program()));
    futures_lite::future::block_on(program());
}

#[test]
fn t17_a_scope_waits_for_its_tasks_under_every_executor() {
    everywhere(|| async {
        let count = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&count);
        let start = Instant::now();
        let ended = scope(async |s: &Scope<Code>| {
            for _ in 0..10 {
                let count = Arc::clone(&theirs);
                s.spawn(async move {
                    sleep(millis(20)).await;
                    count.fetch_add(1, Ordering::Relaxed);
                });
            }
            Ok("body")
        });
        assert_eq!(ended.await, Ok("body"));
        assert_eq!(count.load(Ordering::Relaxed), 10);
        assert!(start.elapsed() < millis(190), "one after the other");
    });
}

#[test]
fn t17_values_and_errors_of_tasks_reach_the_body_under_every_executor() {
    everywhere(|| async {
        let ended = scope(async |s: &Scope<Code>| {
            let handle = s.clone();
            let outer = s.spawn(async move {
                let inner = handle.spawn(async { Ok::<_, Code>(20) });
                yield_now().await;
                Ok(inner.await? + 1)
            });
            let fails = s
                .task()
                .observed(true)
                .spawn(async { Err::<(), _>(Code(3)) });
            assert_eq!(fails.await, Err(Code(3)));
            outer.await
        });
        assert_eq!(ended.await, Ok(21));
        let failed = scope(async |s: &Scope<Code>| {
            s.spawn(async { Err::<(), _>(Code(7)) });
            s.spawn(pending::<()>());
            pending::<Result<(), Code>>().await
        });
        assert_eq!(failed.await, Err(Code(7)));
    });
}

#[test]
fn t17_requests_reach_tasks_and_cleanups_are_waited_for_under_every_executor() {
    everywhere(|| async {
        let log = Log::new();
        let note = log.clone();
        let ended = scope(async |s: &Scope<Code>| {
            let theirs = note.clone();
            s.spawn(finally(begun(&note), || async move {
                sleep(millis(5)).await;
                theirs.add("cleaned up");
            }));
            let theirs = note.clone();
            s.spawn(async move {
                if catch_cancel(begun(&theirs)).await.is_err() {
                    theirs.add("asked");
                }
            });
            while note.len() < 2 {
                yield_now().await; // who has not begun has nothing to clean up
            }
            s.set_timeout(Some(millis(5)));
            Ok(())
        });
        assert_eq!(ended.await, Err(Code(254)));
        let mut seen = log.take();
        seen.sort_unstable();
        assert_eq!(seen, ["asked", "begun", "begun", "cleaned up"]);
        // From outside of the scope, too.
        let (limit, limits) = (CancelScope::new(), log.clone());
        let outside = limit.clone();
        let scope = scope(async |s: &Scope<Code>| {
            let note = limits.clone();
            s.spawn(finally(
                begun(&limits),
                || async move { note.add("cleaned up") },
            ));
            while limits.len() < 1 {
                yield_now().await;
            }
            outside.set_timeout(Some(millis(5)));
            pending::<Result<(), Code>>().await
        });
        assert!(limit.run(scope).await.is_err());
        assert_eq!(log.take(), ["begun", "cleaned up"]);
    });
}

/// Says that it has begun, and does not end.
fn begun(log: &Log<&'static str>) -> impl Future<Output = ()> + Send + use<> {
    let log = log.clone();
    async move {
        log.add("begun");
        pending().await
    }
}

#[test]
fn t17_scopes_inside_each_other_share_one_loop_under_every_executor() {
    everywhere(|| async {
        let outer = Scope::<Code>::builder().name("outer").timeout(millis(20));
        let ended = outer.run(async |outer| {
            assert_eq!(AnyScope::current(), Some(outer.erase()));
            let fork = outer.fork::<Code>().open();
            fork.spawn(pending::<()>());
            let inner = scope(async |inner: &Scope<Code>| {
                let found = inner.spawn(async { Ok(AnyScope::current()) }).await?;
                assert_eq!(found, Some(inner.erase()));
                inner.spawn(async {
                    let deep = scope(async |s: &Scope<Code>| {
                        s.spawn(pending::<()>());
                        Ok(())
                    });
                    let _ = deep.await;
                });
                Ok(())
            });
            inner.await
        });
        assert_eq!(ended.await, Err(Code(254)), "the outer limit ended all");
    });
}

#[cfg(panic = "unwind")]
#[test]
fn t17_a_panic_of_a_task_comes_out_of_the_scope_under_another_executor() {
    async fn panicking() {
        panic!("of a task");
    }
    let raised = catch_unwind(|| {
        futures_lite::future::block_on(async {
            let ended = scope(async |s: &Scope<Code>| {
                s.spawn(panicking());
                pending::<Result<(), Code>>().await
            });
            let _ = ended.await;
        });
    });
    assert_eq!(
        *raised.unwrap_err().downcast::<&str>().unwrap(),
        "of a task"
    );
}

#[test]
fn t17_a_local_scope_runs_tasks_that_are_not_send_under_another_executor() {
    let total = futures_lite::future::block_on(local_scope(async |s: &LocalScope<Code>| {
        let total = Rc::new(Cell::new(0));
        for n in 1..=4 {
            let total = Rc::clone(&total);
            s.spawn(async move {
                yield_now().await;
                total.set(total.get() + n);
            });
        }
        while total.get() < 10 {
            yield_now().await;
        }
        Ok(total.get())
    }));
    assert_eq!(total, Ok(10));
}

#[test]
fn a_scope_that_may_move_takes_no_local_tasks_and_nothing_outside_of_scopes_is_spawned() {
    futures_lite::future::block_on(async {
        let ended = scope(async |s: &Scope<Code>| {
            assert!(s.local().is_none());
            assert!(try_spawn(async {}).is_err());
            assert!(try_spawn_local(async {}).is_err());
            assert!(arborio::Handle::current().is_none());
            let inside = s.spawn(async { Ok(try_spawn_local(async {}).is_err()) });
            assert_eq!(inside.await, Ok(true));
            let current = AnyScope::current().unwrap();
            let closed = current.spawn_local(async {}).await;
            assert!(matches!(closed, Err(arborio::Interrupt::Closed)));
            current.spawn(async {}).await.unwrap();
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
    });
}

#[test]
fn c04_a_scope_that_is_dropped_under_another_executor_drops_its_tasks_at_once() {
    let log = Log::new();
    struct Note(Log<&'static str>);
    impl Drop for Note {
        fn drop(&mut self) {
            self.0.add("dropped");
        }
    }
    let (probe, cleanup) = (Note(log.clone()), log.clone());
    futures_lite::future::block_on(async {
        let mut running = Box::pin(scope(async |s: &Scope<Code>| {
            s.spawn(finally(
                async move {
                    let _probe = probe;
                    pending::<()>().await;
                },
                || async move { cleanup.add("cleaned up") },
            ));
            pending::<Result<(), Code>>().await
        }));
        for _ in 0..3 {
            let polled = poll_fn(|cx| Poll::Ready(running.as_mut().poll(cx)));
            assert!(polled.await.is_pending());
        }
        drop(running);
        assert_eq!(log.take(), ["dropped"]);
    });
}

#[test]
fn c04_a_scope_that_is_leaked_under_another_executor_touches_nothing_any_more() {
    let count = Arc::new(AtomicU32::new(0));
    let (wakers, theirs) = (Arc::new(Mutex::new(Vec::new())), Arc::clone(&count));
    let kept = Arc::clone(&wakers);
    futures_lite::future::block_on(async {
        let mut running = Box::pin(scope(async |s: &Scope<Code>| {
            s.spawn(poll_fn(move |cx| {
                theirs.fetch_add(1, Ordering::Relaxed);
                kept.lock().unwrap().push(cx.waker().clone());
                Poll::<()>::Pending
            }));
            pending::<Result<(), Code>>().await
        }));
        for _ in 0..2 {
            poll_fn(|cx| Poll::Ready(running.as_mut().poll(cx).is_ready())).await;
        }
        crate::leak::on_purpose(running);
    });
    let polls = count.load(Ordering::Relaxed);
    assert_eq!(polls, 1);
    let late = std::mem::take(&mut *wakers.lock().unwrap());
    thread::spawn(move || late.into_iter().for_each(Waker::wake))
        .join()
        .unwrap();
    assert_eq!(count.load(Ordering::Relaxed), polls);
}

/// Polls a future on another thread each time.
fn poll_on_many_threads<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    struct Unpark(thread::Thread, AtomicU32);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.1.store(1, Ordering::SeqCst);
            self.0.unpark();
        }
    }
    let alarm = Arc::new(Unpark(thread::current(), AtomicU32::new(1)));
    let waker = Waker::from(Arc::clone(&alarm));
    let mut future = Box::pin(future);
    loop {
        while alarm.1.swap(0, Ordering::SeqCst) == 0 {
            thread::park();
        }
        let polled = thread::scope(|threads| {
            let poll = || future.as_mut().poll(&mut Context::from_waker(&waker));
            threads.spawn(poll).join().unwrap()
        });
        if let Poll::Ready(output) = polled {
            return output;
        }
    }
}

#[test]
fn a_scope_moves_between_threads_with_its_tasks_and_their_wakers() {
    without_hanging(|| {
        let sum = poll_on_many_threads(async {
            let ended = scope(async |s: &Scope<Code>| {
                let children: Vec<_> = (0..50)
                    .map(|n| {
                        s.spawn(async move {
                            for _ in 0..n % 7 {
                                yield_now().await;
                            }
                            if n % 5 == 0 {
                                sleep(millis(1)).await;
                            }
                            let limited = fail_after(seconds(20), async move { n });
                            Ok::<_, Code>(limited.await.unwrap())
                        })
                    })
                    .collect();
                let mut sum = 0;
                for child in children {
                    sum += child.await?;
                }
                Ok(sum)
            });
            ended.await
        });
        assert_eq!(sum, Ok((0..50).sum::<u32>()));
    });
}

#[test]
fn wakes_from_other_threads_race_the_polls_of_a_scope_that_moves() {
    without_hanging(|| {
        for _ in 0..20 {
            let (sender, receiver) = std::sync::mpsc::channel::<Waker>();
            let alarms = thread::spawn(move || receiver.into_iter().for_each(Waker::wake));
            let ended = poll_on_many_threads(async move {
                let sender = Mutex::new(sender);
                let ended = scope(async |s: &Scope<Code>| {
                    for _ in 0..4 {
                        let sender = sender.lock().unwrap().clone();
                        s.spawn(async move {
                            let mut left = 50;
                            poll_fn(|cx| {
                                left -= 1;
                                if left == 0 {
                                    return Poll::Ready(());
                                }
                                sender.send(cx.waker().clone()).unwrap();
                                Poll::Pending
                            })
                            .await;
                        });
                    }
                    Ok(())
                });
                ended.await
            });
            assert_eq!(ended, Ok(()));
            alarms.join().unwrap();
        }
    });
}

async fn always_ready() {
    loop {
        yield_now().await;
    }
}

#[test]
fn a_task_that_is_always_ready_leaves_the_executor_its_turns() {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    tokio.block_on(async {
        let others = tokio::spawn(async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        });
        let ended = scope(async |s: &Scope<Code>| {
            s.task().awaited(false).spawn(always_ready());
            others.await.unwrap();
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
    });
}

#[test]
fn a_stubborn_task_is_named_under_another_executor() {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&notes);
    let ended = futures_lite::future::block_on(async {
        let scope = Scope::<io::Error>::builder()
            .grace(millis(5))
            .observer(move |note: &ScopeNote| heard.lock().unwrap().push(note.to_string()));
        let run = scope.run(async |s| {
            let stubborn = finally(pending::<()>(), pending::<()>);
            s.task().name("mule").spawn(stubborn);
            yield_now().await;
            Err::<(), _>(io::Error::other("no"))
        });
        run.await
    });
    assert_eq!(ended.unwrap_err().to_string(), "no");
    let notes = notes.lock().unwrap();
    assert!(notes[0].contains("mule"), "{notes:?}");
}

#[test]
fn a_scope_of_a_foreign_executor_is_polled_inside_an_arborio_task_and_keeps_its_own_tasks() {
    let mut running: Pin<Box<dyn Future<Output = Result<u32, Code>> + Send>> =
        Box::pin(scope(async |s: &Scope<Code>| {
            let child = s.spawn(async {
                yield_now().await;
                Ok::<_, Code>(5)
            });
            child.await
        }));
    assert!(
        running
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    let five = arborio::run(async {
        let task = arborio::spawn(running);
        task.await.unwrap()
    });
    assert_eq!(five, Ok(5));
}

#[cfg(panic = "unwind")]
#[test]
fn a_scope_with_a_body_that_panics_under_another_executor_ends_its_tasks_first() {
    let log = Log::new();
    let note = log.clone();
    let raised = catch_unwind(AssertUnwindSafe(|| {
        futures_lite::future::block_on(async {
            let mut run = pin!(scope(async |s: &Scope<Code>| {
                let theirs = note.clone();
                s.spawn(finally(pending::<()>(), || async move {
                    theirs.add("cleaned up")
                }));
                yield_now().await;
                if true {
                    panic!("of the body");
                }
                Ok(())
            }));
            let _ = run.as_mut().await;
        });
    }));
    assert_eq!(
        *raised.unwrap_err().downcast::<&str>().unwrap(),
        "of the body"
    );
    assert_eq!(log.take(), ["cleaned up"]);
}
