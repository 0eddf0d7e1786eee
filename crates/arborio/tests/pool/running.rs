//! Tasks on several threads: a pool of event loops that share their work.

use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, ThreadId},
};

use arborio::{
    Handle, Interrupt, Pool, RunError, Scope, scope, spawn, spawn_local, task,
    time::{Duration, sleep},
    tree::TaskState,
    yield_now,
};

use crate::{limits::without_hanging, meeting::Meeting};

pub(crate) fn here() -> ThreadId {
    thread::current().id()
}

pub(crate) fn two() -> arborio::PoolBuilder {
    Pool::builder().workers(2)
}

/// Both tasks block their worker until the other one runs: that needs two workers.
#[test]
fn x12_two_tasks_that_block_run_on_two_workers() {
    two().run(async {
        let barrier = Arc::new(Meeting::new(2));
        let meet = |barrier: &Arc<Meeting>| {
            let barrier = Arc::clone(barrier);
            spawn(async move {
                barrier.wait();
                here()
            })
        };
        let (one, other) = (meet(&barrier), meet(&barrier));
        assert_ne!(one.await.unwrap(), other.await.unwrap());
    });
}

#[test]
fn every_task_runs_once_whoever_polls_it() {
    without_hanging(|| {
        for _ in 0..20 {
            let polls = Arc::new(AtomicUsize::new(0));
            let sum = two().run({
                let polls = Arc::clone(&polls);
                async move {
                    let tasks: Vec<_> = (0..2000_usize)
                        .map(|n| {
                            let polls = Arc::clone(&polls);
                            spawn(async move {
                                for _ in 0..n % 7 {
                                    yield_now().await;
                                }
                                polls.fetch_add(1, Ordering::Relaxed);
                                n
                            })
                        })
                        .collect();
                    let mut sum = 0;
                    for task in tasks {
                        sum += task.await.unwrap();
                    }
                    sum
                }
            });
            assert_eq!((sum, polls.load(Ordering::Relaxed)), (1_999_000, 2000));
        }
    });
}

#[test]
fn main_may_borrow_and_stays_on_the_calling_thread() {
    let text = String::from("bread");
    let (length, thread) = two().run(async {
        for _ in 0..10 {
            drop(spawn(async { yield_now().await }));
            yield_now().await;
        }
        (text.len(), here())
    });
    assert_eq!((length, thread), (5, here()));
}

#[test]
fn main_need_not_be_send() {
    let counted = Rc::new(Cell::new(0_u32));
    let given = two().run(async {
        let kept = Rc::clone(&counted);
        for _ in 0..100 {
            let parallel: Vec<_> = (0..8).map(|n| spawn(async move { n })).collect();
            for task in parallel {
                kept.set(kept.get() + task.await.unwrap());
            }
        }
        kept
    });
    assert!(
        Rc::ptr_eq(&given, &counted),
        "an output need not be, either"
    );
    assert_eq!(given.get(), 2800);
    let ended = two().run_scope(async |s: &Scope<()>| {
        let kept = Rc::clone(&counted);
        let child = s.spawn(async { Ok(1) });
        child.await.map(|one| kept.get() + one)
    });
    assert_eq!(ended, Ok(2801));
}

#[test]
fn a_task_that_is_not_send_stays_where_it_was_spawned() {
    two().run(async {
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let shared = Rc::new(Cell::new(n));
                spawn_local(async move {
                    yield_now().await;
                    shared.set(shared.get() + 1);
                    (shared.get(), here())
                })
            })
            .collect();
        LocalOnly(tasks).check().await;
    });
}

/// Handles of tasks whose output is `Send`, although the tasks are not.
struct LocalOnly(Vec<arborio::Task<(i32, ThreadId)>>);

impl LocalOnly {
    async fn check(self) {
        let home = here();
        for (n, task) in (0..).zip(self.0) {
            assert_eq!(task.await.unwrap(), (n + 1, home));
        }
    }
}

/// Why a scope failed.
#[derive(Debug)]
enum Odd {
    Number(u32),
    #[expect(dead_code, reason = "for its message")]
    Ended(Interrupt),
}

impl From<Interrupt> for Odd {
    fn from(interrupt: Interrupt) -> Self {
        Self::Ended(interrupt)
    }
}

#[test]
fn a_scope_on_a_pool_waits_for_its_tasks_and_ends_with_their_error() {
    two().run(async {
        let many: Vec<_> = (0..100_u32)
            .map(|n| {
                spawn(async move {
                    scope(async |s: &Scope<Odd>| {
                        let a = s.spawn(async move { Ok(n) });
                        let b = s.spawn(async move {
                            yield_now().await;
                            if n % 10 == 3 {
                                Err(Odd::Number(n))
                            } else {
                                Ok(n)
                            }
                        });
                        Ok(a.await? + b.await?)
                    })
                    .await
                })
            })
            .collect();
        for (n, task) in (0..).zip(many) {
            let ended = task.await.unwrap();
            let expected = if n % 10 == 3 { None } else { Some(2 * n) };
            assert_eq!(ended.as_ref().ok().copied(), expected);
            let number = |odd: &Odd| matches!(odd, Odd::Number(seen) if *seen == n);
            assert!(ended.as_ref().err().is_none_or(number), "{ended:?}");
        }
    });
}

#[test]
fn a_plain_thread_sends_tasks_to_a_worker() {
    let sum = two().run(async {
        let handle = Handle::current().unwrap();
        let sent = thread::spawn(move || {
            (0..100)
                .map(|n| handle.spawn(async move { n }))
                .collect::<Vec<_>>()
        });
        let mut sum = 0;
        for task in sent.join().unwrap() {
            sum += task.await.unwrap();
        }
        sum
    });
    assert_eq!(sum, 4950);
}

#[test]
fn a_task_is_aborted_and_cancelled_wherever_it_is() {
    without_hanging(|| {
        two().run(async {
            for _ in 0..200 {
                let tasks: Vec<_> = (0..20)
                    .map(|_| {
                        spawn(async {
                            loop {
                                yield_now().await;
                            }
                        })
                    })
                    .collect();
                yield_now().await;
                for (n, task) in tasks.iter().enumerate() {
                    if n % 2 == 0 {
                        task.abort();
                    } else {
                        task.cancel();
                    }
                }
                for task in tasks {
                    assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
                }
            }
        });
    });
}

#[test]
fn a_pool_of_no_workers_or_inside_of_a_loop_is_refused() {
    let none = Pool::builder().workers(0).try_run(async {});
    assert!(matches!(none, Err(RunError::System(_))));
    let none = Pool::builder().workers(0).start().unwrap_err();
    let (kind, text) = (none.kind(), none.to_string());
    assert_eq!(kind, std::io::ErrorKind::InvalidInput);
    assert!(text.starts_with("a pool has 1 to"), "{text}");
    let nested = arborio::run(async { two().try_run(async {}) });
    assert!(matches!(nested, Err(RunError::Nested)));
}

#[test]
fn pools_come_and_go() {
    for workers in [1, 2, 3, 8] {
        for _ in 0..20 {
            assert_eq!(Pool::builder().workers(workers).run(async { 7 }), 7);
        }
    }
}

/// Every worker sleeps when a task wakes up, spawns another one and blocks until it has run.
#[test]
fn x12_what_is_spawned_in_a_long_poll_is_rescued_also_if_everybody_slept() {
    two().run(async {
        sleep(Duration::from_millis(100)).await;
        let (done, when_done) = std::sync::mpsc::channel();
        drop(spawn(async move { done.send(()).unwrap() }));
        assert!(
            when_done.recv_timeout(Duration::from_secs(2)).is_ok(),
            "it waits behind the task that blocks"
        );
    });
}

/// Who is awaited waits behind a task that blocks its worker until it has run.
#[test]
fn x12_a_task_that_is_awaited_is_rescued() {
    two().run(async {
        let (done, when_done) = std::sync::mpsc::channel();
        let hog = spawn(async move {
            when_done.recv_timeout(Duration::from_secs(20)).unwrap();
        });
        let awaited = spawn(async move { done.send(()).unwrap() });
        awaited.await.unwrap();
        hog.await.unwrap();
    });
}

/// A task that runs on another worker than the one who has its handle.
#[test]
fn a12_what_is_to_be_done_when_a_task_ends_is_said_from_any_worker() {
    two().run(async {
        let (tell, hear) = std::sync::mpsc::channel();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let task = task().name("elsewhere").spawn(async move {
            tell.send(()).unwrap();
            gone.recv().unwrap();
            here()
        });
        hear.recv_timeout(Duration::from_secs(5)).unwrap();
        let info = task.info().expect("it has not ended");
        assert_eq!(
            (info.name.as_deref(), info.state),
            (Some("elsewhere"), TaskState::Elsewhere)
        );
        assert_eq!(info.spawned_at.file(), file!());
        let called = Arc::new(Mutex::new(None));
        let note = Arc::clone(&called);
        task.on_done(move |outcome| *note.lock().unwrap() = Some((*outcome.unwrap(), here())));
        go.send(()).unwrap();
        let there = (&task).await.unwrap();
        assert_ne!(there, here());
        assert_eq!(*called.lock().unwrap(), Some((there, there)));
        assert!(task.info().is_none());
    });
}

/// Whoever has the task meanwhile, each callback is called once, before the output is to be had.
#[test]
fn a12_callbacks_of_tasks_that_move_are_called_once() {
    two().run(async {
        for round in 0..20 {
            let called = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..50)
                .map(|number| {
                    spawn(async move {
                        yield_now().await;
                        number
                    })
                })
                .collect();
            yield_now().await;
            for (number, task) in tasks.into_iter().enumerate() {
                let note = Arc::clone(&called);
                task.on_done(move |outcome| {
                    assert_eq!(*outcome.unwrap(), number);
                    note.fetch_add(1, Ordering::Relaxed);
                });
                assert_eq!(task.await.unwrap(), number);
                assert_eq!(
                    called.load(Ordering::Relaxed),
                    number + 1,
                    "in round {round}"
                );
            }
        }
    });
}

/// Where `main` was given to the pool, by each way to run one here.
#[test]
fn main_is_named_by_the_place_of_who_runs_the_pool() {
    let place = || {
        let tree = arborio::tree();
        let main = tree
            .tasks()
            .find(|task| task.name.as_deref() == Some("main"));
        let at = main.unwrap().spawned_at;
        (at.file(), at.line())
    };
    let body = async |_: &Scope<Interrupt>| Ok::<_, Interrupt>(place());
    let places = [
        (line!(), Pool::run(async { place() })),
        (line!(), two().run(async { place() })),
        (line!(), two().try_run(async { place() }).unwrap()),
        (line!(), Pool::run_scope(body).unwrap()),
        (line!(), two().run_scope(body).unwrap()),
    ];
    for (line, at) in places {
        assert_eq!(at, (file!(), line));
    }
}

/// A worker does not take its tasks back for a poll that wakes its own one. The order is that of a loop all the same.
#[test]
fn s24_on_a_worker_a_task_that_wakes_itself_goes_before_what_it_spawns_after_that() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&order);
    let has_run = move |what| {
        let log = Arc::clone(&log);
        async move { log.lock().unwrap().push(what) }
    };
    Pool::builder().workers(1).run(async move {
        let mut woken = None;
        let itself = std::future::poll_fn(move |cx| {
            if let Some(woken) = &mut woken {
                return Future::poll(std::pin::Pin::new(woken), cx);
            }
            woken = Some(Box::pin(has_run("woken")));
            drop(spawn(has_run("spawned before")));
            cx.waker().wake_by_ref();
            drop(spawn(has_run("spawned after")));
            std::task::Poll::Pending
        });
        let task = spawn(itself);
        task.await.unwrap();
    });
    let order = order.lock().unwrap();
    assert_eq!(*order, ["spawned before", "woken", "spawned after"]);
}
