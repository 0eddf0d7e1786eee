//! What programs do to scopes that they should not: leaks, drops, moves, panics.

use std::{
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
};

use arborio::{
    EventLoop, Interrupt, Scope,
    cancel::{catch_cancel, finally, move_on_after},
    options::Leftover,
    run, scope,
    scope::ScopeNote,
    spawn,
    time::{clock, sleep},
    yield_now,
};
use futures_lite::future::poll_once;

use crate::{
    scopes::{Code, millis, seconds, simulated},
    support::{KernelThread, Log, without_hanging},
};

/// A scope with a task that never ends, and does not want to.
async fn stubborn() -> Result<(), Code> {
    scope(async |s: &Scope<Code>| {
        s.spawn(finally(pending::<()>(), pending::<()>));
        pending().await
    })
    .await
}

#[test]
fn c04_the_stubborn_tasks_of_a_dropped_scope_are_dropped_after_their_grace() {
    simulated(async {
        let start = clock();
        let ended = scope(async |_: &Scope<Code>| {
            let mut inner = Box::pin(stubborn());
            assert!(poll_once(&mut inner).await.is_none());
            yield_now().await;
            drop(inner);
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(
            clock() - start,
            seconds(1),
            "the scope around it waits for that"
        );
    });
}

#[test]
fn c04_the_tasks_of_a_leaked_scope_are_waited_for_and_forced_with_those_around_it() {
    simulated(async {
        let start = clock();
        let outer = Scope::<Code>::builder().timeout(seconds(5));
        let ended = outer.run(async |_| {
            let mut inner = Box::pin(stubborn());
            assert!(poll_once(&mut inner).await.is_none());
            crate::leak::on_purpose(inner);
            Ok(())
        });
        assert_eq!(ended.await, Err(Code(254)));
        assert_eq!(clock() - start, seconds(6), "five, and the grace");
    });
}

#[test]
fn c04_the_tasks_of_dropped_scopes_inside_each_other_have_one_grace_when_they_are_forced() {
    fn nest(depth: u32) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let ended = scope(async |s: &Scope<Code>| {
                match depth {
                    0 => s.spawn(finally(pending::<()>(), pending::<()>)),
                    _ => s.spawn(nest(depth - 1)),
                };
                pending::<Result<(), Code>>().await
            });
            let _ = ended.await;
        })
    }
    simulated(async {
        let start = clock();
        let outer = Scope::<Code>::builder()
            .timeout(seconds(5))
            .grace(millis(500));
        let ended = outer.run(async |s| {
            s.spawn(nest(100));
            Ok(())
        });
        assert_eq!(ended.await, Err(Code(254)));
        assert_eq!(clock() - start, millis(5500));
    });
}

#[test]
fn an_orphan_is_not_lost_when_the_scope_that_waits_for_it_is_asked_to_end() {
    let cleaned = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&cleaned);
    simulated(async move {
        let start = clock();
        let outer = Scope::<Code>::builder().timeout(millis(10));
        let ended = outer.run(async |_| {
            let mut inner = Box::pin(scope(async |s: &Scope<Code>| {
                s.spawn(finally(pending::<()>(), async move || {
                    sleep(millis(300)).await;
                    seen.store(true, Ordering::Relaxed);
                }));
                pending::<Result<(), Code>>().await
            }));
            assert!(poll_once(&mut inner).await.is_none());
            yield_now().await;
            drop(inner);
            Ok(())
        });
        assert_eq!(ended.await, Err(Code(254)));
        assert_eq!(clock() - start, millis(300));
    });
    assert!(cleaned.load(Ordering::Relaxed));
}

async fn fails() {
    panic!("of the task");
}

#[cfg(panic = "unwind")]
#[test]
fn a_scope_that_is_dropped_with_a_panic_while_another_one_unwinds_does_not_abort() {
    let caught = catch_unwind(|| {
        run(async {
            let mut inner = Box::pin(scope(async |s: &Scope<Code>| {
                s.spawn(fails());
                pending::<Result<(), Code>>().await
            }));
            assert!(poll_once(&mut inner).await.is_none());
            yield_now().await; // the task has panicked, and nobody has polled the scope
            panic!("of main");
        })
    });
    let message = *caught.unwrap_err().downcast::<&str>().unwrap();
    assert!(["of main", "of the task"].contains(&message));
}

#[cfg(panic = "unwind")]
#[test]
fn the_panic_of_a_task_of_a_dropped_scope_comes_up_around_it() {
    let caught = catch_unwind(|| {
        simulated(async {
            let ended = scope(async |_: &Scope<Code>| {
                let mut inner = Box::pin(scope(async |s: &Scope<Code>| {
                    s.spawn(fails());
                    pending::<Result<(), Code>>().await
                }));
                assert!(poll_once(&mut inner).await.is_none());
                yield_now().await;
                drop(inner);
                pending::<Result<(), Code>>().await
            });
            let _ = ended.await;
        })
    });
    assert_eq!(
        *caught.unwrap_err().downcast::<&str>().unwrap(),
        "of the task"
    );
}

#[test]
fn a_scope_that_was_asked_and_then_polled_by_somebody_else_gives_its_end() {
    simulated(async {
        let mut inner = pin!(scope(async |s: &Scope<Code>| {
            s.spawn(finally(pending::<()>(), async || sleep(millis(5)).await));
            pending::<Result<(), Code>>().await
        }));
        assert!(move_on_after(millis(1), inner.as_mut()).await.is_none());
        assert_eq!(inner.await, Err(Code(255)));
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_scope_that_is_polled_on_another_thread_panics_instead_of_ending() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let outcome = thread::scope(|threads| {
        let other = threads.spawn(move || {
            let mut inner: Pin<Box<dyn Future<Output = Result<(), Code>> + Send>> =
                receiver.recv().unwrap();
            let mut cx = Context::from_waker(Waker::noop());
            let polled = catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(&mut cx)));
            let message = *polled.unwrap_err().downcast::<String>().unwrap();
            drop(inner);
            message
        });
        run(async move {
            let mut inner = Box::pin(scope(async |s: &Scope<Code>| {
                s.spawn(sleep(millis(20)));
                yield_now().await;
                Ok(())
            }));
            assert!(poll_once(&mut inner).await.is_none());
            sender.send(inner as _).unwrap();
        });
        other.join().unwrap()
    });
    assert!(outcome.contains("another thread"), "{outcome}");
}

/// A scope with a task that notes on which thread it cleans up.
fn noting(ends: &Log<ThreadId>) -> Pin<Box<dyn Future<Output = Result<(), Code>> + Send>> {
    let ends = ends.clone();
    Box::pin(scope(async move |s: &Scope<Code>| {
        s.spawn(finally(pending::<()>(), || async move {
            yield_now().await;
            ends.add(thread::current().id());
        }));
        pending::<Result<(), Code>>().await
    }))
}

#[test]
fn c04_a_scope_that_is_dropped_on_another_thread_asks_its_tasks_on_their_own() {
    without_hanging(|| {
        let ends = Log::new();
        run(async {
            let mut inner = noting(&ends);
            assert!(poll_once(&mut inner).await.is_none());
            yield_now().await;
            thread::spawn(move || drop(inner)).join().unwrap();
            // `run` waits for the task.
        });
        assert_eq!(ends.take(), [thread::current().id()]);
    });
}

#[test]
fn c04_a_scope_that_is_dropped_on_another_thread_wakes_its_loop() {
    without_hanging(|| {
        let ends = Log::new();
        let home = KernelThread::current();
        let other = run(async {
            let mut inner = noting(&ends);
            assert!(poll_once(&mut inner).await.is_none());
            thread::spawn(move || {
                home.wait_until_asleep();
                drop(inner);
            })
        });
        other.join().unwrap();
        assert_eq!(ends.take(), [thread::current().id()]);
    });
}

#[test]
fn c04_a_scope_that_is_dropped_when_its_loop_has_ended_is_gone() {
    let ends = Log::new();
    let dropped = Arc::new(());
    let mut left = None;
    EventLoop::builder().leftover(Leftover::Cancel).run(async {
        let kept = Arc::clone(&dropped);
        let mut inner: Pin<Box<dyn Future<Output = Result<(), Code>> + Send>> =
            Box::pin(scope(async move |s: &Scope<Code>| {
                let theirs = Arc::clone(&kept);
                s.spawn(async move {
                    let _kept = theirs;
                    pending::<()>().await;
                });
                let _kept = kept;
                pending::<Result<(), Code>>().await
            }));
        assert!(poll_once(&mut inner).await.is_none());
        ends.add(thread::current().id());
        left = Some(inner);
    });
    thread::spawn(move || drop(left)).join().unwrap();
    assert_eq!(
        Arc::strong_count(&dropped),
        1,
        "nothing is kept at the door"
    );
    assert_eq!(ends.len(), 1);
}

#[test]
fn a_scope_dropped_in_the_destructor_of_another_scopes_task_is_waited_for() {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&cleaned);
    simulated(async move {
        let counted = Rc::new(counted);
        let ended = scope(async |s: &Scope<Code>| {
            let counted = Arc::clone(&counted);
            let child = s.spawn(async move {
                let mut held = Box::pin(scope(async |s: &Scope<Code>| {
                    s.spawn(finally(pending::<()>(), async move || {
                        sleep(millis(3)).await;
                        counted.fetch_add(1, Ordering::Relaxed);
                    }));
                    pending::<Result<(), Code>>().await
                }));
                assert!(poll_once(&mut held).await.is_none());
                pending::<()>().await; // nobody polls `held` any more
            });
            sleep(millis(1)).await;
            child.abort();
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(cleaned.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn a_scope_is_open_when_its_loop_ends() {
    let dropped = Arc::new(AtomicUsize::new(0));
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let counted = Arc::clone(&dropped);
    let caught = catch_unwind(move || {
        run(async move {
            let held = Count(Arc::clone(&counted));
            let open = arborio::task().awaited(false).spawn_local(async move {
                let _ = scope(async |s: &Scope<Code>| {
                    s.spawn(async move {
                        pending::<()>().await;
                        drop(held);
                    });
                    let handle = s.clone();
                    let _last_words = OnDrop(move || drop(handle.spawn(async {})));
                    pending::<Result<(), Code>>().await
                })
                .await;
            });
            yield_now().await;
            yield_now().await;
            drop(open);
        })
    });
    assert!(caught.is_ok());
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn c11_what_is_spawned_on_a_scope_that_is_ending_is_told_so() {
    simulated(async {
        let told = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&told);
        let ended = scope(async |s: &Scope<Code>| {
            let handle = s.clone();
            s.spawn(async move {
                catch_cancel(pending::<()>()).await.ok();
                let late = handle.spawn(async { Ok::<_, Code>(1) });
                let refused = late.outcome().await.is_err();
                noted.lock().unwrap().push(refused);
                assert!(handle.try_spawn(async {}).is_err());
            });
            yield_now().await;
            s.cancel();
            s.spawn(fails()); // it never runs
            pending::<Result<(), Code>>().await
        });
        assert_eq!(ended.await, Err(Code(255)));
        assert_eq!(*told.lock().unwrap(), [true]);
    });
}

#[cfg(panic = "unwind")]
#[test]
fn handles_are_harmless_after_the_end() {
    simulated(async {
        let mut kept = None;
        let observed = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&observed);
        let builder = Scope::<Code>::builder().observer(move |_: &ScopeNote| {
            counted.fetch_add(1, Ordering::Relaxed);
            panic!("an observer that panics");
        });
        let ended = builder.run(async |s| {
            let panics = s.task().observed(true).spawn(fails());
            yield_now().await;
            kept = Some((s.clone(), panics));
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        let (handle, panics) = kept.unwrap();
        handle.cancel();
        handle.cancel_with(Code(1));
        handle.set_timeout(Some(millis(1)));
        assert!(matches!(
            handle.spawn(async {}).outcome().await,
            Err(Interrupt::Closed)
        ));
        assert!(matches!(
            panics.outcome().await,
            Err(Interrupt::Panicked(_))
        ));
        assert_eq!(
            observed.load(Ordering::Relaxed),
            1,
            "the error was too late"
        );
        let moved = handle.clone();
        thread::spawn(move || moved.cancel()).join().unwrap();
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_after_the_end_of_its_scope_in_a_handle_that_is_dropped_comes_out_of_run() {
    let caught = catch_unwind(|| {
        simulated(async {
            let mut kept = None;
            let ended = scope(async |s: &Scope<Code>| {
                kept = Some(s.task().observed(true).spawn(fails()));
                yield_now().await;
                Ok(())
            });
            assert_eq!(ended.await, Ok(()));
            drop(kept);
        })
    });
    assert_eq!(
        *caught.unwrap_err().downcast::<&str>().unwrap(),
        "of the task"
    );
}

#[cfg(panic = "unwind")]
#[test]
fn t17_a_free_scope_without_a_loop_says_what_is_missing() {
    let caught = catch_unwind(|| drop(Scope::<Code>::new()));
    let message = caught.unwrap_err();
    let message = message.downcast_ref::<&str>().unwrap();
    assert!(message.contains("no Arborio loop"), "{message}");
}

#[test]
fn a_scope_lives_among_foreign_combinators() {
    simulated(async {
        let ended = futures_lite::future::or(
            async { scope(async |s: &Scope<Code>| s.spawn(async { Ok(1) }).await).await },
            pending(),
        );
        assert_eq!(ended.await, Ok(1));
        let polled = poll_fn(|_| Poll::Ready(spawn(async {}))).await;
        polled.await.unwrap();
    });
}

#[test]
fn c04_a_fork_in_a_task_of_a_dropped_scope_ends_with_its_task_and_not_by_an_error() {
    let notes = Log::new();
    let heard = notes.clone();
    simulated(async move {
        let outer =
            Scope::<Code>::builder().observer(move |note: &ScopeNote| heard.add(note.to_string()));
        let dropped = outer.run(async |s| {
            let handle = s.clone();
            s.spawn(async move {
                let fork = handle.fork::<Code>();
                fork.run(async |_| pending::<Result<(), Code>>().await)
                    .await
            });
            pending::<Result<(), Code>>().await
        });
        let mut dropped = Box::pin(dropped);
        for _ in 0..2 {
            assert!(poll_once(&mut dropped).await.is_none());
            yield_now().await;
        }
        drop(dropped);
    });
    assert_eq!(
        notes.take(),
        [""; 0],
        "its task was asked, and has not failed"
    );
}

/// The body is a closure that gives a future, and has spawned a task before it panics: the scope asks the task to end all the
/// same, and waits for it, before the panic comes to whoever awaits the scope.
#[cfg(panic = "unwind")]
#[test]
fn c05_a_body_that_panics_before_it_has_a_future_ends_its_tasks() {
    without_hanging(|| {
        simulated(async {
            let task = Arc::new(());
            let theirs = Arc::clone(&task);
            let body = |s: &Scope<Code>| -> std::future::Ready<Result<(), Code>> {
                s.spawn(async move {
                    let _theirs = theirs;
                    pending::<()>().await;
                });
                panic!("no future");
            };
            let mut scope = Box::pin(scope(body));
            let poll = |cx: &mut Context<'_>| match catch_unwind(AssertUnwindSafe(|| {
                scope.as_mut().poll(cx)
            })) {
                Ok(polled) => polled.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            };
            let panic = poll_fn(poll).await.unwrap_err();
            assert_eq!(panic.downcast_ref(), Some(&"no future"));
            assert_eq!(Arc::strong_count(&task), 1, "the task is still there");
        });
    });
}
