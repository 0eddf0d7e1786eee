//! Pools in the background, that synchronous code starts, uses and stops.

use std::{
    future::pending,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use arborio::{
    EventLoop, Handle, Interrupt, Pool, StopError, WaitError,
    cancel::{finally, shield},
    options::OnUnobservedPanic,
    spawn, task,
    time::sleep,
};

use crate::{limits::TOO_LONG, meeting::Meeting, membarrier::polls_are_named};

const LONG: Duration = Duration::from_secs(10);

pub(crate) fn start(workers: usize) -> Pool {
    Pool::builder().workers(workers).start().unwrap()
}

/// Both block their worker until the other one runs.
fn meet(handle: &Handle) -> [arborio::Task<thread::ThreadId>; 2] {
    let barrier = Arc::new(Meeting::new(2));
    [(); 2].map(|()| {
        let barrier = Arc::clone(&barrier);
        handle.spawn(async move {
            barrier.wait();
            thread::current().id()
        })
    })
}

#[test]
fn s03_x12_what_is_sent_to_a_pool_in_the_background_runs_on_all_workers() {
    let pool = start(2);
    let [mut one, mut other] = meet(pool.handle());
    let (one, other) = (one.wait().unwrap(), other.wait().unwrap());
    assert_ne!(one, other);
    assert!(![one, other].contains(&thread::current().id()));
}

#[test]
fn s03_a_pool_in_the_background_waits_for_more() {
    let pool = start(2);
    for number in 0..100 {
        let ends = async move {
            sleep(Duration::from_micros(100)).await;
            spawn(async move { number }).await.unwrap()
        };
        assert_eq!(pool.handle().run(ends).unwrap(), number);
    }
}

#[test]
fn s02_a_pool_that_cannot_be_is_an_error() {
    for workers in [0, 64] {
        assert!(Pool::builder().workers(workers).start().is_err());
    }
    let named = Pool::builder().workers(2).name("a\0b").start();
    assert_eq!(named.unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn s03_the_workers_are_named_after_the_pool() {
    let pool = Pool::builder().workers(2).name("kitchen").start().unwrap();
    let both = Arc::new(Meeting::new(2));
    let mut names = [(); 2].map(|()| {
        let both = Arc::clone(&both);
        pool.handle().spawn(async move {
            both.wait();
            thread::current().name().map(str::to_owned)
        })
    });
    let mut names = names.each_mut().map(|name| name.wait().unwrap().unwrap());
    names.sort();
    assert_eq!(names, ["kitchen", "kitchen-1"]);
}

#[test]
fn s05_a_pool_in_the_background_is_stopped_and_its_tasks_clean_up_on_every_worker() {
    for _ in 0..10 {
        let pool = start(2);
        let (cleaned, log) = mpsc::channel();
        let (begun, begins) = mpsc::channel();
        let both = Arc::new(Meeting::new(2));
        let mut tasks = [(); 2].map(|()| {
            let (both, begun, cleaned) = (Arc::clone(&both), begun.clone(), cleaned.clone());
            pool.handle().spawn(async move {
                both.wait(); // one on each worker
                begun.send(()).unwrap();
                let close = async || {
                    sleep(Duration::from_millis(1)).await;
                    cleaned.send(()).unwrap();
                };
                finally(pending::<()>(), close).await;
            })
        });
        assert!((0..2).all(|_| begins.recv_timeout(TOO_LONG).is_ok()));
        let handle = pool.handle().clone();
        pool.stop_and_join(LONG).unwrap();
        assert!(handle.is_closed());
        drop(cleaned);
        for task in &mut tasks {
            let ended = task.wait();
            assert!(matches!(
                ended,
                Err(WaitError::Interrupted(Interrupt::Stopped))
            ));
        }
        assert_eq!(log.iter().count(), 2);
    }
}

#[test]
fn s05_a_pool_is_stopped_by_a_task_of_its_own_and_by_anybody_any_number_of_times() {
    let pool = start(2);
    let handle = pool.handle().clone();
    drop(handle.spawn(async { Handle::current().unwrap().stop() }));
    let mut waits = handle.spawn(pending::<()>());
    assert!(waits.wait().is_err());
    handle.stop();
    handle.stop();
    pool.stop_and_join(LONG).unwrap();
    let mut late = handle.spawn(async {});
    assert!(matches!(late.try_take(), Some(Err(Interrupt::Stopped))));
}

#[test]
fn s05_what_outlives_its_grace_on_any_worker_is_dropped_and_named() {
    let pool = Pool::builder().workers(2).observer(|_| ());
    let pool = pool.start().unwrap();
    let both = Arc::new(Meeting::new(2));
    let (begun, begins) = mpsc::channel();
    let stubborn = ["mule", "donkey"].map(|name| {
        let (both, begun) = (Arc::clone(&both), begun.clone());
        task().name(name).spawn_on(pool.handle(), async move {
            both.wait(); // one on each worker
            begun.send(()).unwrap();
            shield(pending::<()>()).await;
        })
    });
    assert!((0..2).all(|_| begins.recv_timeout(TOO_LONG).is_ok()));
    let ended = pool.stop_and_join(Duration::from_millis(10));
    let Err(StopError::Forced(tree)) = ended else {
        panic!("they were forced: {ended:?}");
    };
    let text = tree.to_string();
    assert!(text.contains("mule") && text.contains("donkey"), "{text}");
    for mut stubborn in stubborn {
        assert!(stubborn.wait().is_err());
    }
}

#[test]
fn x21_a_task_that_does_not_return_does_not_hold_up_the_owner_of_its_pool() {
    let pool = start(2);
    let (release, held) = mpsc::channel::<()>();
    let (begun, begins) = mpsc::channel();
    let mut stuck = pool.handle().spawn(async move {
        begun.send(()).unwrap();
        held.recv().unwrap_err();
    });
    begins.recv_timeout(TOO_LONG).unwrap();
    let ended = pool.stop_and_join(Duration::ZERO);
    let Err(StopError::Running(polled)) = ended else {
        panic!("it has ended: {ended:?}");
    };
    // Where the system does not help nobody knows which task it is.
    assert_eq!(polled.len(), usize::from(polls_are_named()), "{polled:?}");
    assert!(
        polled
            .iter()
            .all(|task| task.spawned_at.file().ends_with("background.rs"))
    );
    drop(release);
    stuck.wait().unwrap();
}

/// Takes longer to drop than an owner waits for a poll.
struct Heavy(mpsc::Receiver<()>);

impl Drop for Heavy {
    fn drop(&mut self) {
        self.0
            .recv_timeout(Duration::from_millis(300))
            .expect_err("nobody sends");
    }
}

#[test]
fn x21_an_owner_waits_for_a_pool_that_is_late_though_no_poll_holds_it_up() {
    let pool = Pool::builder().workers(2).observer(|_| ());
    let pool = pool.start().unwrap();
    let (begun, begins) = mpsc::channel();
    let (_silent, heavy) = mpsc::channel();
    let stubborn = pool.handle().spawn(async move {
        let _heavy = Heavy(heavy);
        begun.send(()).unwrap();
        shield(pending::<()>()).await;
    });
    begins.recv_timeout(TOO_LONG).unwrap();
    let ended = pool.stop_and_join(Duration::from_millis(10));
    assert!(matches!(ended, Err(StopError::Forced(_))), "{ended:?}");
    drop(stubborn);
}

/// A pool that whoever owns it waits for longer than this takes: who must not wait fails if it does.
fn patient() -> Pool {
    let pool = Pool::builder().workers(2).grace(LONG * 2);
    pool.start().unwrap()
}

fn is_stopped<T>(outcome: &Result<T, WaitError>) -> bool {
    matches!(outcome, Err(WaitError::Interrupted(Interrupt::Stopped)))
}

#[test]
fn x20_a_pool_is_dropped_in_async_code_without_waiting() {
    let pool = patient();
    let handle = pool.handle().clone();
    let own = handle.spawn(async move {
        let start = Instant::now();
        drop(pool); // its own
        assert!(start.elapsed() < LONG);
    });
    { own }.wait().unwrap();
    assert!(
        is_stopped(&{ handle.spawn(pending::<()>()) }.wait()),
        "it ends"
    );
    let other = start(2);
    let handle = other.handle().clone();
    let event_loop = EventLoop::builder().start().unwrap();
    let ended = event_loop
        .handle()
        .run(async move { other.stop_and_join(LONG) });
    assert!(matches!(ended, Ok(Err(StopError::OnLoop))));
    assert!(handle.is_stopping());
}

#[test]
fn x20_a_pool_that_is_owned_by_a_task_of_its_own_ends_with_it() {
    let pool = patient();
    let handle = pool.handle().clone();
    let (begun, begins) = mpsc::channel();
    let mut task = handle.spawn(async move {
        let _owner = pool;
        begun.send(()).unwrap();
        pending::<()>().await;
    });
    begins.recv_timeout(TOO_LONG).unwrap();
    let start = Instant::now();
    handle.stop();
    assert!(is_stopped(&task.wait()));
    assert!(start.elapsed() < LONG);
}

#[cfg(panic = "unwind")]
#[test]
fn x20_a_pool_is_dropped_on_a_thread_that_unwinds() {
    let pool = patient();
    let mut task = pool.handle().spawn(pending::<()>());
    let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _owner = pool;
        panic!("on the way");
    }));
    assert!(unwound.is_err());
    assert!(is_stopped(&task.wait()));
}

#[test]
fn s05_a_detached_pool_goes_on() {
    let handle = start(2).detach();
    assert_eq!(handle.run(async { 5 }).unwrap(), 5);
    handle.stop();
    assert!(handle.run(pending::<()>()).is_err());
}

#[cfg(panic = "unwind")]
#[test]
fn g13_a_panic_on_a_pool_in_the_background_is_told_and_the_others_go_on() {
    let (told, reports) = mpsc::channel();
    let told = Mutex::new(told);
    let pool = Pool::builder()
        .workers(2)
        .observer(move |report| told.lock().unwrap().send(report.to_string()).unwrap());
    let pool = pool.start().unwrap();
    drop(pool.handle().spawn(async { panic!("no bread") }));
    let report = reports.recv_timeout(TOO_LONG).unwrap();
    assert!(
        report.starts_with("a task panicked: no bread (task "),
        "{report}"
    );
    assert_eq!(pool.handle().run(async { 1 }).unwrap(), 1);
    pool.stop_and_join(LONG).unwrap();
}

#[cfg(panic = "unwind")]
#[test]
fn g13_a_pool_that_is_told_so_ends_with_the_panic() {
    for _ in 0..10 {
        let policy = OnUnobservedPanic::Propagate;
        let pool = Pool::builder().workers(2).on_unobserved_panic(policy);
        let pool = pool.start().unwrap();
        let mut waits = pool.handle().spawn(pending::<()>());
        drop(pool.handle().spawn(async { panic!("no bread") }));
        assert!(waits.wait().is_err());
        let Err(StopError::Panicked(payload)) = pool.stop_and_join(LONG) else {
            panic!("it was the end");
        };
        assert_eq!(payload.message(), "no bread");
    }
}

/// Both workers have a task that refuses to end.
#[test]
fn s05_stop_now_ends_the_grace_of_all_workers() {
    let builder = Pool::builder()
        .workers(2)
        .grace(Duration::MAX)
        .observer(|_| ());
    let pool = builder.start().unwrap();
    let both = Arc::new(Meeting::new(2));
    let (tell, told) = mpsc::channel();
    let hear = || told.recv_timeout(LONG).unwrap();
    let mut mules = [(); 2].map(|()| {
        let (both, tell) = (Arc::clone(&both), tell.clone());
        pool.spawn(async move {
            both.wait(); // one on each worker
            tell.send("has begun").unwrap();
            let stays = || async move {
                tell.send("was asked").unwrap();
                pending::<()>().await;
            };
            finally(pending::<()>(), stays).await;
        })
    });
    let handle = pool.handle().clone();
    assert_eq!([hear(), hear()], ["has begun"; 2]);
    handle.stop();
    assert_eq!([hear(), hear()], ["was asked"; 2]);
    handle.stop_now();
    for mule in &mut mules {
        let ended = mule.wait();
        assert!(
            matches!(ended, Err(WaitError::Interrupted(Interrupt::Stopped))),
            "{ended:?}"
        );
    }
    let ended = pool.stop_and_join(LONG);
    assert!(matches!(ended, Err(StopError::Forced(_))), "{ended:?}");
}
