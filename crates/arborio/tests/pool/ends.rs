//! How a pool ends: what it waits for, what it asks to end, and where a panic goes.

use std::{
    cell::RefCell,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread::ThreadId,
};

use arborio::{
    Handle, RunError,
    cancel::finally,
    options::{Leftover, OnUnobservedPanic},
    spawn,
    sync::oneshot,
    task,
    time::{Duration, sleep},
    yield_now,
};

use crate::{
    limits::without_hanging,
    meeting::Meeting,
    running::{here, two},
};

/// The first task stops the pool on whichever worker it runs, while others wait or spin.
#[test]
fn s05_a_task_on_any_worker_stops_the_pool() {
    without_hanging(|| {
        for _ in 0..20 {
            let ended = two().try_run(async {
                let barrier = Arc::new(Meeting::new(2));
                let meets = Arc::clone(&barrier);
                drop(spawn(async move {
                    meets.wait(); // so one of the two is on the other worker
                    Handle::current().unwrap().stop();
                    pending::<()>().await;
                }));
                drop(spawn(async move {
                    barrier.wait();
                    loop {
                        yield_now().await;
                    }
                }));
                pending::<()>().await;
            });
            assert!(matches!(ended, Err(RunError::Stopped)), "{ended:?}");
        }
    });
}

/// Says so when its thread ends.
struct Gone(mpsc::Sender<()>);

impl Drop for Gone {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

thread_local! {
    static GONE: RefCell<Option<Gone>> = const { RefCell::new(None) };
}

/// One task marks its worker. The other one, on a third worker, waits for the end of that, and spawns a task then.
#[test]
fn a_worker_that_has_ended_does_not_end_what_another_one_waits_for() {
    without_hanging(|| {
        let ran = Arc::new(AtomicBool::new(false));
        let runs = Arc::clone(&ran);
        let pool = arborio::Pool::builder().workers(3);
        pool.run(async move {
            let (tell_away, away) = mpsc::channel();
            let (tell_other, other) = mpsc::channel();
            let (tell_gone, gone) = mpsc::channel();
            let first = here();
            drop(spawn(async move {
                while here() == first {
                    yield_now().await;
                }
                GONE.set(Some(Gone(tell_gone)));
                other.recv().unwrap(); // so that both are away, and not on the same worker
                tell_away.send(()).unwrap();
            }));
            let late = async move {
                while here() == first {
                    yield_now().await;
                }
                tell_other.send(()).unwrap();
                gone.recv().unwrap();
                drop(spawn(async move {
                    yield_now().await;
                    runs.store(true, Ordering::SeqCst);
                }));
            };
            drop(task().awaited(false).spawn(late));
            yield_now().await;
            away.recv().unwrap();
        });
        assert!(ran.load(Ordering::SeqCst));
    });
}

#[test]
fn run_waits_for_awaited_tasks_of_all_workers() {
    without_hanging(|| {
        for _ in 0..50 {
            let ended = Arc::new(AtomicUsize::new(0));
            two().run({
                let ended = Arc::clone(&ended);
                async move {
                    for n in 0..50 {
                        let ended = Arc::clone(&ended);
                        drop(spawn(async move {
                            for _ in 0..n {
                                yield_now().await;
                            }
                            drop(spawn(async move {
                                yield_now().await;
                                ended.fetch_add(1, Ordering::Relaxed);
                            }));
                        }));
                    }
                }
            });
            assert_eq!(ended.load(Ordering::Relaxed), 50);
        }
    });
}

/// What a task sends to another worker before it ends is waited for.
#[test]
fn run_waits_for_what_one_worker_has_sent_to_another() {
    without_hanging(|| {
        for round in 0..20 {
            let done = Arc::new(AtomicBool::new(false));
            let ended = Arc::clone(&done);
            two().run(async move {
                let barrier = Arc::new(Meeting::new(2));
                let meet = || {
                    let barrier = Arc::clone(&barrier);
                    spawn(async move {
                        barrier.wait();
                        (here(), Handle::current().unwrap())
                    })
                };
                let (one, other) = (meet(), meet());
                let both = [one.await.unwrap(), other.await.unwrap()];
                let me = here();
                let (_, there) = both.into_iter().find(|(thread, _)| *thread != me).unwrap();
                sleep(Duration::from_millis(10)).await;
                drop(there.spawn(async move {
                    sleep(Duration::from_millis(20)).await;
                    ended.store(true, Ordering::SeqCst);
                }));
            });
            assert!(done.load(Ordering::SeqCst), "round {round}");
        }
    });
}

#[test]
fn what_is_left_is_asked_to_end_on_every_worker() {
    without_hanging(|| {
        let cleaned_up = Arc::new(AtomicUsize::new(0));
        two().leftover(Leftover::Cancel).run({
            let cleaned_up = Arc::clone(&cleaned_up);
            async move {
                for _ in 0..2 {
                    let cleaned_up = Arc::clone(&cleaned_up);
                    drop(spawn(async move {
                        let clean_up = || async move { cleaned_up.fetch_add(1, Ordering::Relaxed) };
                        finally(sleep(Duration::from_secs(3600)), clean_up).await;
                    }));
                }
                for _ in 0..10 {
                    yield_now().await;
                }
            }
        });
        assert_eq!(cleaned_up.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn tasks_that_are_not_awaited_do_not_keep_a_pool() {
    let dropped = Arc::new(AtomicBool::new(false));
    struct Probe(Arc<AtomicBool>);
    impl Drop for Probe {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    two().run({
        let probe = Probe(Arc::clone(&dropped));
        async move {
            drop(task().awaited(false).spawn(async move {
                let _probe = probe;
                pending::<()>().await;
            }));
            yield_now().await;
        }
    });
    assert!(dropped.load(Ordering::Relaxed));
}

#[cfg(panic = "unwind")]
#[test]
fn g13_a_panic_that_nobody_observes_ends_every_worker_and_goes_on_in_run() {
    let cleaned_up = Arc::new(AtomicUsize::new(0));
    let ended = std::panic::catch_unwind({
        let cleaned_up = Arc::clone(&cleaned_up);
        || {
            two().run(async move {
                let both = Arc::new(Meeting::new(2));
                for _ in 0..2 {
                    let (both, cleaned_up) = (Arc::clone(&both), Arc::clone(&cleaned_up));
                    drop(spawn(async move {
                        let is_last = both.wait(); // one on each worker
                        if is_last {
                            drop(spawn(async { panic!("oh") }));
                        }
                        let clean_up = || async move {
                            yield_now().await;
                            cleaned_up.fetch_add(1, Ordering::Relaxed);
                        };
                        finally(pending::<()>(), clean_up).await;
                    }));
                }
                pending::<()>().await;
            });
        }
    });
    let payload = ended.unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"oh"));
    assert_eq!(cleaned_up.load(Ordering::Relaxed), 2);
}

#[cfg(panic = "unwind")]
#[test]
fn g13_a_panic_on_another_worker_is_told_to_the_observer_if_wanted() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    two()
        .on_unobserved_panic(OnUnobservedPanic::Report)
        .observer(move |report| log.lock().unwrap().push(report.to_string()))
        .run(async {
            let both = Arc::new(Meeting::new(2));
            for _ in 0..2 {
                let both = Arc::clone(&both);
                drop(spawn(async move {
                    both.wait();
                    panic!("oh");
                }));
            }
        });
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 2);
    assert!(
        told.iter()
            .all(|line| line.starts_with("a task panicked: oh (task ")),
        "{told:?}"
    );
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_of_main_ends_every_worker() {
    let ended = std::panic::catch_unwind(|| {
        two().run(async {
            for _ in 0..10 {
                drop(spawn(pending::<()>()));
            }
            yield_now().await;
            panic!("main");
        })
    });
    assert!(ended.is_err());
}

struct Bomb(ThreadId);

impl Drop for Bomb {
    fn drop(&mut self) {
        if here() != self.0 {
            panic!("in the end");
        }
    }
}

/// A panic that nobody observes while the workers wind down, on another worker than the first.
#[cfg(panic = "unwind")]
#[test]
fn g13_a_panic_on_another_worker_at_the_end_goes_on_in_run() {
    let ended = std::panic::catch_unwind(|| {
        two().leftover(Leftover::Cancel).run(async {
            let barrier = Arc::new(Meeting::new(2)); // so that each worker has one of the two
            let me = here();
            let wait = || {
                let barrier = Arc::clone(&barrier);
                let (tell, told) = oneshot::channel();
                drop(spawn(async move {
                    let bomb = Bomb(me);
                    barrier.wait();
                    tell.send(()).unwrap();
                    pending::<()>().await;
                    drop(bomb);
                }));
                told
            };
            let (one, other) = (wait(), wait());
            one.await.unwrap();
            other.await.unwrap();
        })
    });
    assert!(ended.is_err(), "the panic is lost");
}
