//! Tasks of a scope that are away: what only some of them do.

use std::{
    future::{pending, poll_fn},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use arborio::{
    Handle, Pool, Scope,
    cancel::{catch_cancel, finally, finally_detached},
    scope, spawn,
    sync::oneshot,
    time::sleep,
    yield_now,
};

type Child<T> = arborio::Child<T, io::Error>;

fn two() -> arborio::PoolBuilder {
    Pool::builder().workers(2)
}

/// Spawns `task` in the scope, and blocks its worker until the task has begun on another one.
fn spawn_away<T, F>(s: &Scope<io::Error>, task: F) -> Child<T>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let (begun, when_begun) = channel();
    let child = s.spawn(async move {
        begun.send(thread::current().id()).unwrap();
        task.await
    });
    let begun_by = when_begun.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_ne!(begun_by, thread::current().id());
    child
}

/// Runs `code` on a thread of its own, which must end.
fn ends<T: Send + 'static>(code: impl FnOnce() -> T + Send + 'static) -> T {
    let (end, when_ended) = channel();
    thread::spawn(move || end.send(code()));
    when_ended
        .recv_timeout(Duration::from_secs(8))
        .expect("it hangs, or has panicked")
}

#[cfg(panic = "unwind")]
#[test]
fn a_callback_that_is_not_send_is_refused_by_a_task_that_is_away() {
    let refused = ends(|| {
        two().run(scope(async |s: &Scope<io::Error>| {
            let (hand, taken) = channel::<Child<()>>();
            let (go, when_to_go) = oneshot::channel();
            let (tell, told) = channel();
            let child = spawn_away(s, async move {
                // A task beside it on that worker.
                let beside = spawn(async move {
                    let child = taken.recv().unwrap();
                    let not_send = std::rc::Rc::new(thread::current().id());
                    let tell2 = tell.clone();
                    let refused = catch_unwind(AssertUnwindSafe(|| {
                        child.on_done_local(move |_| {
                            tell2.send(thread::current().id() == *not_send).unwrap();
                        });
                    }));
                    tell.send(refused.is_err()).unwrap();
                });
                when_to_go.await.unwrap();
                drop(beside);
                Ok(())
            });
            hand.send(child).unwrap();
            // This worker is stuck until that has happened.
            let first = told.recv_timeout(Duration::from_secs(5)).unwrap();
            go.send(()).unwrap();
            sleep(Duration::from_millis(50)).await;
            Ok((first, told.try_recv().ok()))
        }))
    });
    println!("{refused:?}");
    let (refused, same_thread) = refused.unwrap();
    assert!(
        refused,
        "it was accepted, and called on the same thread: {same_thread:?}"
    );
}

#[test]
fn a_task_that_is_away_and_that_nobody_waits_for_does_not_hold_the_pool() {
    ends(|| {
        two().run(async {
            let (begun, when_begun) = oneshot::channel();
            let around = async move |s: &Scope<io::Error>| {
                drop(spawn_away(s, pending::<io::Result<()>>()));
                begun.send(()).unwrap();
                pending::<io::Result<()>>().await
            };
            let daemon = arborio::task().awaited(false);
            drop(daemon.spawn(async move { scope(around).await.unwrap() }));
            when_begun.await.unwrap();
        });
    });
}

#[test]
fn a_task_that_is_away_forks_the_scope_around_its_own() {
    let forked = ends(|| {
        two().run(scope(async |outer: &Scope<io::Error>| {
            let outer = outer.clone();
            scope(async |s: &Scope<io::Error>| {
                spawn_away(s, async move {
                    let inner = outer.fork::<io::Error>();
                    inner.run(async |_| Ok(())).await
                })
                .await
            })
            .await
        }))
    });
    forked.unwrap();
}

#[test]
fn a_task_below_one_that_is_away_forks_the_scope_around_that() {
    let forked = ends(|| {
        two().run(scope(async |outer: &Scope<io::Error>| {
            let handle = outer.clone();
            spawn_away(outer, async move {
                scope(async |s: &Scope<io::Error>| {
                    let fork = handle.fork::<io::Error>();
                    s.spawn(async move { fork.run(async |_| Ok(())).await })
                        .await
                })
                .await
            })
            .await
        }))
    });
    forked.unwrap();
}

#[test]
fn what_hangs_on_a_task_that_is_away_is_forced_with_it() {
    let (result, elapsed) = ends(|| {
        let start = Instant::now();
        let outer = Scope::<io::Error>::builder().grace(Duration::from_millis(20));
        let result = two().run(outer.run(async |s: &Scope<io::Error>| {
            drop(spawn_away(s, async {
                let inner = Scope::<io::Error>::builder().grace(Duration::from_secs(4));
                inner
                    .run(async |s: &Scope<io::Error>| {
                        s.spawn(async {
                            let _guard = catch_cancel(pending::<()>()).await;
                            pending::<io::Result<()>>().await
                        });
                        pending::<io::Result<()>>().await
                    })
                    .await
            }));
            sleep(Duration::from_millis(5)).await;
            s.cancel();
            pending::<io::Result<()>>().await
        }));
        (result, start.elapsed())
    });
    assert!(result.is_err());
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
}

#[test]
fn a_task_that_is_away_gives_a_free_scope() {
    let ended = ends(|| {
        two().run(scope(async |s: &Scope<io::Error>| {
            let free = spawn_away(s, async { Ok(Scope::<io::Error>::new()) }).await?;
            free.finalize();
            free.await
        }))
    });
    ended.unwrap();
}

#[test]
fn a_scope_that_a_task_leaks_elsewhere_does_not_hold_the_one_around() {
    let ended = ends(|| {
        two().run(scope(async |s: &Scope<io::Error>| {
            spawn_away(s, async {
                let inner = scope(async |inner: &Scope<io::Error>| {
                    inner.spawn(async {
                        sleep(Duration::from_millis(2)).await;
                        Ok(())
                    });
                    pending::<io::Result<()>>().await
                });
                let mut inner: Pin<Box<dyn Future<Output = io::Result<()>> + Send>> =
                    Box::pin(inner);
                poll_fn(|cx| Poll::Ready(inner.as_mut().poll(cx).is_pending())).await;
                crate::leak::on_purpose(inner);
                Ok(())
            })
            .await
        }))
    });
    ended.unwrap();
}

#[test]
fn a_detached_cleanup_of_a_task_that_is_away_runs() {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let note = Arc::clone(&cleaned);
    let result = ends(move || {
        two().run(scope(async |s: &Scope<io::Error>| {
            spawn_away(s, async move {
                let clean_up = move || async move {
                    yield_now().await;
                    note.fetch_add(1, Ordering::SeqCst);
                };
                futures_lite::future::or(
                    finally_detached(pending::<()>(), clean_up),
                    sleep(Duration::from_millis(1)),
                )
                .await;
                Ok(())
            })
            .await
        }))
    });
    result.unwrap();
    assert_eq!(cleaned.load(Ordering::SeqCst), 1);
}

#[test]
fn an_error_of_a_task_in_a_long_poll_is_taken_by_who_began_to_await_it_meanwhile() {
    let result = ends(|| {
        two().run(scope(async |s: &Scope<io::Error>| {
            let (go, when_to_go) = channel();
            let mut child = spawn_away(s, async move {
                when_to_go.recv().unwrap(); // it blocks its worker
                Err::<(), _>(io::Error::other("failed"))
            });
            assert!(futures_lite::future::poll_once(&mut child).await.is_none());
            go.send(()).unwrap();
            Ok(child.await.unwrap_err().to_string())
        }))
    });
    assert_eq!(result.unwrap(), "failed");
}

#[test]
fn what_hangs_on_a_task_that_nobody_waits_for_does_not_hold_the_pool_and_cleans_up() {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let note = Arc::clone(&cleaned);
    ends(move || {
        two().run(async {
            let (begun, when_begun) = oneshot::channel();
            let clean_up = |note: Arc<AtomicUsize>| async move {
                yield_now().await;
                note.fetch_add(1, Ordering::SeqCst);
            };
            let around = async move |s: &Scope<io::Error>| {
                drop(spawn_away(s, async move {
                    let body = async |inner: &Scope<io::Error>| {
                        let note2 = Arc::clone(&note);
                        inner.spawn(finally(pending::<io::Result<()>>(), move || clean_up(note)));
                        finally(pending::<io::Result<()>>(), move || clean_up(note2)).await
                    };
                    let inner = scope(body);
                    begun.send(()).unwrap();
                    inner.await
                }));
                pending::<io::Result<()>>().await
            };
            let daemon = arborio::task().awaited(false);
            drop(daemon.spawn(async move { drop(scope(around).await) }));
            when_begun.await.unwrap();
            sleep(Duration::from_millis(5)).await;
        });
    });
    assert_eq!(cleaned.load(Ordering::SeqCst), 2);
}

/// Runs a scope with a grace of 20 ms that is cancelled when the task that is made by `task` has ended elsewhere.
fn forced_after<F>(task: impl FnOnce() -> F + Send + 'static) -> Duration
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let (result, elapsed) = ends(|| {
        let start = Instant::now();
        let outer = Scope::<io::Error>::builder().grace(Duration::from_millis(20));
        let result = two().run(outer.run(async |s: &Scope<io::Error>| {
            spawn_away(s, task()).await?;
            s.cancel();
            pending::<io::Result<()>>().await
        }));
        (result, start.elapsed())
    });
    assert!(result.is_err());
    elapsed
}

async fn stubborn() {
    let _guard = catch_cancel(pending::<()>()).await;
    pending::<()>().await;
}

#[test]
fn what_a_task_has_left_elsewhere_is_forced_with_its_scope() {
    let elapsed = forced_after(|| async {
        let inner = Scope::<io::Error>::builder().grace(Duration::from_secs(4));
        let inner = inner.run(async |s: &Scope<io::Error>| {
            s.spawn(stubborn());
            pending::<io::Result<()>>().await
        });
        let soon = async {
            sleep(Duration::from_millis(1)).await;
            Ok(())
        };
        futures_lite::future::or(inner, soon).await
    });
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
}

#[test]
fn a_detached_cleanup_that_runs_elsewhere_is_forced_with_its_scope() {
    let elapsed = forced_after(|| async {
        let cleans = finally_detached(pending::<()>(), stubborn);
        futures_lite::future::or(cleans, sleep(Duration::from_millis(1))).await;
        Ok(())
    });
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");
}

#[test]
fn the_end_of_a_pool_forces_what_hangs_on_tasks_that_are_away() {
    for _ in 0..30 {
        let alive = Arc::new(());
        let kept = Arc::clone(&alive);
        let ended = ends(move || {
            let pool = two().grace(Duration::from_millis(2));
            pool.try_run(async move {
                let around = async move |s: &Scope<io::Error>| {
                    for _ in 0..4 {
                        let kept = Arc::clone(&kept);
                        drop(spawn_away(s, async move {
                            let body = async move |inner: &Scope<io::Error>| {
                                for _ in 0..3 {
                                    let kept = Arc::clone(&kept);
                                    inner.spawn(async move {
                                        let _kept = kept;
                                        stubborn().await;
                                    });
                                }
                                yield_now().await;
                                stubborn().await;
                                Ok(())
                            };
                            scope(body).await
                        }));
                        yield_now().await;
                    }
                    Handle::current().unwrap().stop();
                    pending::<io::Result<()>>().await
                };
                scope(around).await.unwrap();
            })
        });
        assert!(ended.is_err());
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}

#[test]
fn a_task_that_is_away_gathers_and_has_groups_and_local_tasks() {
    let sum = ends(|| {
        two().run(scope(async |s: &Scope<io::Error>| {
            spawn_away(s, async {
                let here = || async {
                    yield_now().await;
                    1
                };
                let (a, b) = arborio::gather!(here(), here()).await.unwrap();
                let group = arborio::TaskGroup::new();
                group.spawn(here());
                group.spawn(here());
                group.wait_all().await;
                let (tell, told) = oneshot::channel();
                let local = async move { tell.send(here().await).unwrap() };
                arborio::AnyScope::current()
                    .unwrap()
                    .spawn_local(local)
                    .await
                    .unwrap();
                Ok(a + b + told.await.unwrap())
            })
            .await
        }))
    });
    assert_eq!(sum.unwrap(), 3);
}

#[test]
fn a_free_scope_of_a_task_that_is_away_is_asked_to_end_with_the_scope_around() {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let note = Arc::clone(&cleaned);
    let ended = ends(|| {
        two().run(scope(async |s: &Scope<io::Error>| {
            let free = spawn_away(s, async {
                let free = Scope::<io::Error>::new();
                let clean_up = async move {
                    yield_now().await;
                    note.fetch_add(1, Ordering::SeqCst);
                };
                drop(free.spawn(finally(pending::<io::Result<()>>(), || clean_up)));
                yield_now().await;
                Ok(free)
            })
            .await?;
            s.cancel();
            let _free = free;
            pending::<io::Result<()>>().await
        }))
    });
    assert!(ended.is_err());
    assert_eq!(cleaned.load(Ordering::SeqCst), 1);
}
