//! Scopes whose tasks run on several workers.

use std::{
    future::pending,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::Duration,
};

use arborio::{
    AnyScope, Interrupt, Pool, Scope,
    cancel::{catch_cancel, finally},
    scope, spawn,
    sync::oneshot,
    time::{sleep, timeout},
    yield_now,
};

use crate::meeting::Meeting;

type Child<T> = arborio::Child<T, io::Error>;

fn two() -> arborio::PoolBuilder {
    Pool::builder().workers(2)
}

fn failed() -> io::Error {
    io::Error::other("failed")
}

/// Counts its drops.
#[derive(Clone)]
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
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

#[test]
fn x12_tasks_of_a_scope_run_on_all_workers() {
    let both = Arc::new(Meeting::new(2));
    let sum = two().run(scope(async |s: &Scope<()>| {
        let task = |number: usize| {
            let both = Arc::clone(&both);
            s.spawn(async move {
                both.wait();
                Ok(number)
            })
        };
        let (a, b) = (task(1), task(2));
        Ok(a.await? + b.await?)
    }));
    assert_eq!(sum, Ok(3));
}

#[test]
fn a_scope_waits_for_a_task_that_is_away() {
    let ended = Arc::new(AtomicUsize::new(0));
    let note = Arc::clone(&ended);
    let result = two().run(scope(async |s: &Scope<io::Error>| {
        drop(spawn_away(s, async move {
            sleep(Duration::from_millis(2)).await;
            yield_now().await;
            note.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }));
        Ok(())
    }));
    result.unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}

#[test]
fn an_error_of_a_task_that_is_away_ends_the_scope_and_its_siblings() {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let note = Arc::clone(&cleaned);
    let result = two().run(scope(async |s: &Scope<io::Error>| {
        let clean_up = async move {
            yield_now().await;
            note.fetch_add(1, Ordering::SeqCst);
        };
        drop(s.spawn(finally(pending::<io::Result<()>>(), || clean_up)));
        yield_now().await;
        drop(spawn_away(s, async { Err::<(), _>(failed()) }));
        pending::<io::Result<()>>().await
    }));
    assert_eq!(result.unwrap_err().to_string(), "failed");
    assert_eq!(cleaned.load(Ordering::SeqCst), 1);
}

#[test]
fn an_error_of_a_task_that_is_away_is_taken_by_who_awaits_it() {
    let result = two().run(scope(async |s: &Scope<io::Error>| {
        let (go, when_to_go) = oneshot::channel();
        let mut child = spawn_away(s, async move {
            when_to_go.await.unwrap();
            yield_now().await; // the loop that polls it has been told by then
            Err::<(), _>(failed())
        });
        assert!(futures_lite::future::poll_once(&mut child).await.is_none()); // it is being awaited now
        go.send(()).unwrap();
        Ok(child.await.unwrap_err().to_string())
    }));
    assert_eq!(result.unwrap(), "failed");
}

#[cfg(panic = "unwind")]
#[test]
fn c05_a_panic_of_a_task_that_is_away_goes_on_in_who_awaits_the_scope() {
    let raised = catch_unwind(AssertUnwindSafe(|| {
        two().run(scope(async |s: &Scope<io::Error>| {
            drop(spawn_away(s, async {
                if true {
                    panic!("away");
                }
                Ok(())
            }));
            pending::<io::Result<()>>().await
        }))
    }));
    assert_eq!(*raised.unwrap_err().downcast::<&str>().unwrap(), "away");
}

#[test]
fn a_scope_that_is_cancelled_lets_a_task_that_is_away_clean_up() {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let note = Arc::clone(&cleaned);
    let result = two().run(scope(async |s: &Scope<io::Error>| {
        let clean_up = async move {
            sleep(Duration::from_millis(2)).await;
            note.fetch_add(1, Ordering::SeqCst);
        };
        drop(spawn_away(s, async {
            finally(pending::<()>(), || clean_up).await;
            Ok(())
        }));
        s.cancel();
        pending::<io::Result<()>>().await
    }));
    assert!(result.is_err());
    assert_eq!(cleaned.load(Ordering::SeqCst), 1);
}

#[test]
fn a_task_that_is_away_and_does_not_end_is_dropped_after_the_grace() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = Counted(Arc::clone(&dropped));
    let scope = Scope::<io::Error>::builder().grace(Duration::from_millis(20));
    let result = two().run(scope.run(async |s: &Scope<io::Error>| {
        drop(spawn_away(s, async move {
            let _counted = counted;
            let _guard = catch_cancel(pending::<()>()).await;
            pending::<io::Result<()>>().await
        }));
        s.cancel();
        pending::<io::Result<()>>().await
    }));
    assert!(result.is_err());
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn a_task_that_is_away_knows_its_scope_and_spawns_in_it() {
    let count = Arc::new(AtomicUsize::new(0));
    let noted = Arc::clone(&count);
    let scope = Scope::<io::Error>::builder().name("around");
    let name = two().run(scope.run(async |s: &Scope<io::Error>| {
        let handle = s.clone();
        let child = spawn_away(s, async move {
            let note = || {
                let noted = Arc::clone(&noted);
                async move {
                    yield_now().await;
                    noted.fetch_add(1, Ordering::SeqCst);
                }
            };
            let first = note();
            let sibling = handle.spawn(async move {
                first.await;
                Ok(7)
            });
            assert_eq!(sibling.await.unwrap(), 7);
            let current = AnyScope::current().unwrap();
            drop(current.spawn(note())); // the scope waits for it, too
            Ok(current.name().map(str::to_owned))
        });
        child.await
    }));
    assert_eq!(name.unwrap().unwrap(), "around");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[test]
fn what_hangs_on_a_task_that_is_away_does_not_outlive_its_scope() {
    let ended = Arc::new(AtomicUsize::new(0));
    let note = Arc::clone(&ended);
    let result = two().run(async move {
        let note2 = Arc::clone(&note);
        let result = scope(async |s: &Scope<io::Error>| {
            drop(spawn_away(s, async move {
                let inner = scope(async |inner: &Scope<io::Error>| {
                    let clean_up = async move {
                        sleep(Duration::from_millis(20)).await;
                        note.fetch_add(1, Ordering::SeqCst);
                    };
                    inner.spawn(finally(pending::<io::Result<()>>(), || clean_up));
                    pending::<io::Result<()>>().await
                });
                // The inner scope is dropped, and its task cleans up for longer than this task lives.
                let raced = futures_lite::future::or(
                    async {
                        inner.await.unwrap();
                    },
                    sleep(Duration::from_millis(2)),
                );
                raced.await;
                Ok(())
            }));
            Ok(())
        })
        .await;
        assert_eq!(
            note2.load(Ordering::SeqCst),
            1,
            "the scope has ended before"
        );
        result
    });
    result.unwrap();
    assert_eq!(ended.load(Ordering::SeqCst), 1);
}

#[test]
fn a_limit_around_a_scope_ends_tasks_that_are_away() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = Counted(Arc::clone(&dropped));
    let limited = two().run(timeout(
        Duration::from_millis(10),
        scope(async |s: &Scope<io::Error>| {
            drop(spawn_away(s, async move {
                let _counted = counted;
                pending::<io::Result<()>>().await
            }));
            pending::<io::Result<()>>().await
        }),
    ));
    assert!(limited.is_err());
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn a_handle_of_a_task_that_is_away_aborts_and_cancels_it() {
    let result = two().run(scope(async |s: &Scope<io::Error>| {
        let aborted = spawn_away(s, pending::<io::Result<()>>());
        aborted.abort();
        assert!(matches!(
            aborted.outcome().await,
            Err(Interrupt::Cancelled(_))
        ));
        let cancelled = spawn_away(s, pending::<io::Result<()>>());
        assert!(cancelled.cancel());
        assert!(matches!(
            cancelled.outcome().await,
            Err(Interrupt::Cancelled(_))
        ));
        Ok(())
    }));
    result.unwrap();
}

#[cfg(panic = "unwind")]
#[test]
fn the_end_of_a_pool_ends_tasks_that_are_away() {
    for _ in 0..20 {
        let dropped = Arc::new(AtomicUsize::new(0));
        let counted = Counted(Arc::clone(&dropped));
        let raised = catch_unwind(AssertUnwindSafe(|| {
            two().run(end_all(counted));
        }));
        assert!(raised.is_err());
        assert_eq!(dropped.load(Ordering::SeqCst), 11);
    }
}

/// A scope of ten tasks in a task of the pool, and one more that panics elsewhere.
async fn end_all(counted: Counted) {
    let around = async move |s: &Scope<io::Error>| {
        for _ in 0..10 {
            let counted = counted.clone();
            s.spawn(async move {
                let _counted = counted;
                pending::<io::Result<()>>().await
            });
        }
        yield_now().await;
        drop(spawn_away(s, async {
            if true {
                panic!("ends all");
            }
            Ok(())
        }));
        pending::<io::Result<()>>().await
    };
    drop(spawn(async move { scope(around).await.unwrap() }));
    pending::<()>().await;
}

/// A tree of scopes, each task with one of its own.
fn fork(depth: u32) -> Forked {
    if depth == 0 {
        return Box::pin(async { Ok(1) });
    }
    Box::pin(scope(async move |s: &Scope<io::Error>| {
        let (left, right) = (s.spawn(fork(depth - 1)), s.spawn(fork(depth - 1)));
        Ok(left.await? + right.await?)
    }))
}

type Forked = std::pin::Pin<Box<dyn Future<Output = io::Result<u64>> + Send>>;

#[test]
fn scopes_inside_of_tasks_that_move_add_up() {
    for workers in [2, 3] {
        let pool = Pool::builder().workers(workers);
        assert_eq!(pool.run(fork(10)).unwrap(), 1024);
    }
}

#[test]
fn tasks_with_scopes_of_boxed_errors_run_on_every_worker() {
    type BoxError = Box<dyn std::error::Error + Send + Sync>;
    async fn number(word: &str) -> Result<u64, BoxError> {
        scope(async |s: &Scope<BoxError>| {
            let child = s.spawn(async { scope(async |_: &Scope<BoxError>| Ok(1)).await });
            yield_now().await;
            Ok(word.parse::<u64>()? + child.await?)
        })
        .await
    }
    let ended = two().run(async {
        let tasks: Vec<_> = (0..100)
            .map(|n: u64| spawn(async move { number(&n.to_string()).await }))
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap()?;
        }
        assert_eq!(sum, 5050);
        spawn(async { number("a word").await }).await.unwrap()
    });
    assert!(ended.unwrap_err().is::<std::num::ParseIntError>());
}

#[test]
fn many_tasks_of_one_scope_give_their_values_wherever_they_run() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = Counted(Arc::clone(&dropped));
    let sum = two().run(scope(async |s: &Scope<io::Error>| {
        let task = |number: u64| {
            let counted = counted.clone();
            s.spawn(async move {
                for _ in 0..number % 4 {
                    yield_now().await;
                }
                Ok((number, counted))
            })
        };
        let children: Vec<_> = (0..10_000).map(task).collect();
        let mut sum = 0;
        for (place, child) in children.into_iter().enumerate() {
            if place % 3 != 0 {
                sum += child.await?.0;
            }
        }
        Ok(sum)
    }));
    assert_eq!(
        sum.unwrap(),
        (0..10_000).filter(|n| n % 3 != 0).sum::<u64>()
    );
    drop(counted);
    assert_eq!(dropped.load(Ordering::SeqCst), 10_001);
}
