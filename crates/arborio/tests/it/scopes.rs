//! Scopes on the loop, on a simulated clock.

use std::{
    future::pending,
    io,
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arborio::{
    EventLoop, Interrupt, Scope,
    cancel::{finally, move_on_after},
    scope,
    scope::ScopeNote,
    spawn,
    time::{Clock, clock, sleep},
    yield_now,
};
use futures_lite::FutureExt;

use crate::support::Log;

pub(crate) fn simulated<T: 'static>(main: impl Future<Output = T>) -> T {
    EventLoop::builder().clock(Clock::simulated()).run(main)
}

pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn t01_a_scope_waits_for_all_its_tasks() {
    simulated(async {
        let start = clock();
        let ended = scope(async |s: &Scope<()>| {
            for _ in 0..10 {
                s.spawn(sleep(seconds(3)));
            }
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(clock() - start, seconds(3));
    });
}

#[test]
fn t02_a_scope_that_runs_out_of_time_ends_its_tasks() {
    simulated(async {
        let start = clock();
        let scope = Scope::<io::Error>::builder().timeout(seconds(1));
        let ended = scope.run(async |s| {
            s.spawn(sleep(seconds(10)));
            Ok(())
        });
        assert_eq!(ended.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(clock() - start, seconds(1));
        let scope = Scope::<io::Error>::builder().timeout(seconds(1));
        let ended = scope.run(async |_| {
            sleep(seconds(10)).await;
            Ok(())
        });
        assert_eq!(ended.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    });
}

#[test]
fn t08_the_first_error_ends_the_siblings_and_comes_out() {
    simulated(async {
        let start = clock();
        let cleaned = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&cleaned);
        let ended = scope(async |s: &Scope<Word>| {
            s.spawn(async move {
                let cleanup = async || {
                    sleep(Duration::from_millis(20)).await;
                    seen.store(true, Ordering::Relaxed);
                };
                finally(pending::<()>(), cleanup).await;
            });
            s.spawn(async {
                sleep(seconds(1)).await;
                Err::<(), _>(Word("first"))
            });
            s.spawn(async {
                sleep(seconds(2)).await;
                Err::<(), _>(Word("second"))
            });
            pending().await
        });
        assert_eq!(ended.await, Err::<(), _>(Word("first")));
        assert!(cleaned.load(Ordering::Relaxed));
        assert_eq!(clock() - start, Duration::from_millis(1020));
    });
}

/// What a task of the scope did, by its number.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Did {
    /// It was asked to end, and cleans up.
    CleanUp(usize),
    /// Its future is gone.
    End(usize),
}

/// Says that the task has ended, however it did.
struct AtEnd(usize, Log<Did>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.1.add(Did::End(self.0));
    }
}

/// Half of the others clean up, and one of them panics while it does.
#[cfg(panic = "unwind")]
#[test]
fn c05_a_panic_of_a_task_ends_the_others_and_goes_on_in_the_scope() {
    const OTHERS: usize = 63;
    let (log, notes) = (Log::new(), Log::new());
    let (done, told) = (log.clone(), notes.clone());
    let scope = Scope::<()>::builder().observer(move |note: &ScopeNote| told.add(note.to_string()));
    simulated(async move {
        let running = scope.run(async |s| {
            for number in 0..OTHERS {
                let (end, done) = (AtEnd(number, done.clone()), done.clone());
                let clean_up = async move || {
                    done.add(Did::CleanUp(number));
                    yield_now().await;
                    assert_ne!(number, 7, "the 8th");
                };
                s.spawn(async move {
                    let _end = end;
                    if number % 2 == 0 {
                        return pending().await;
                    }
                    finally(pending::<()>(), clean_up).await;
                });
            }
            s.spawn(fail());
            pending::<Result<(), ()>>().await
        });
        let raised = AssertUnwindSafe(running).catch_unwind().await;
        assert_eq!(*raised.unwrap_err().downcast::<&str>().unwrap(), "the 64th");
        // All were asked in the order of spawning, and each has ended once, before the panic came here.
        let asked = (0..OTHERS).map(|number| match number % 2 {
            0 => Did::End(number),
            _ => Did::CleanUp(number),
        });
        let cleaned = (1..OTHERS).step_by(2).map(Did::End);
        assert_eq!(log.take(), asked.chain(cleaned).collect::<Vec<_>>());
    });
    let notes = notes.take();
    let [note] = &notes[..] else {
        panic!("one panic came later");
    };
    assert!(
        note.starts_with("a later panic of the scope") && note.contains("the 8th"),
        "{note}"
    );
}

#[test]
fn t13_a_master_ends_the_others_and_that_is_no_failure() {
    simulated(async {
        let start = clock();
        let ended = scope(async |s: &Scope<()>| {
            s.spawn(sleep(seconds(10)));
            s.task().master(true).spawn(sleep(seconds(1)));
            Ok("well")
        });
        assert_eq!(ended.await, Ok("well"));
        assert_eq!(clock() - start, seconds(1));
    });
}

async fn fail() {
    panic!("the 64th");
}

async fn tick(ticks: Arc<AtomicUsize>) {
    loop {
        sleep(seconds(1)).await;
        ticks.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_task_that_is_not_awaited_ends_with_the_others() {
    simulated(async {
        let ticks = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&ticks);
        let ended = scope(async |s: &Scope<()>| {
            s.task().awaited(false).spawn(tick(counted));
            s.spawn(sleep(Duration::from_millis(9_500)));
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(ticks.load(Ordering::Relaxed), 9);
    });
}

#[test]
fn an_error_that_is_awaited_does_not_end_the_scope() {
    simulated(async {
        let ended = scope(async |s: &Scope<Code>| {
            let child = s.spawn(async { Err::<(), _>(Code(3)) });
            let error = child.await.unwrap_err();
            sleep(seconds(1)).await;
            Ok(error)
        });
        assert_eq!(ended.await, Ok(Code(3)));
    });
}

impl From<Interrupt> for Code {
    fn from(interrupt: Interrupt) -> Self {
        match interrupt {
            Interrupt::TimedOut => Self(254),
            _ => Self(255),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Code(pub(crate) u8);

#[test]
fn a_scope_nests_and_is_send() {
    fn assert_send<T: Send>(future: T) -> T {
        future
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&log);
    simulated(async move {
        let outer = assert_send(scope(async |outer: &Scope<()>| {
            let noted = &noted;
            let inner = scope(async |inner: &Scope<()>| {
                inner.spawn(sleep(seconds(2)));
                outer.spawn(sleep(seconds(3)));
                Ok(())
            });
            inner.await?;
            noted.lock().unwrap().push(clock());
            Ok(())
        }));
        let ended = spawn(async { sleep(seconds(0)).await });
        outer.await.unwrap();
        ended.await.unwrap();
        assert_eq!(clock() - noted.lock().unwrap()[0], seconds(1));
    });
    assert_eq!(log.lock().unwrap().len(), 1);
}

/// A scope with one task, which notes when it has cleaned up for half a second.
async fn one_that_cleans_up(cleaned: Arc<AtomicBool>) -> Result<(), ()> {
    scope(async |s: &Scope<()>| {
        s.spawn(async move {
            let cleanup = async || {
                sleep(Duration::from_millis(500)).await;
                cleaned.store(true, Ordering::Relaxed);
            };
            finally(pending::<()>(), cleanup).await;
        });
        pending().await
    })
    .await
}

#[test]
fn a_scope_that_is_asked_from_outside_passes_the_request_on_when_all_have_ended() {
    simulated(async move {
        let cleaned = Arc::new(AtomicBool::new(false));
        let start = clock();
        let scope = one_that_cleans_up(Arc::clone(&cleaned));
        assert!(move_on_after(seconds(1), scope).await.is_none());
        assert!(cleaned.load(Ordering::Relaxed));
        assert_eq!(clock() - start, Duration::from_millis(1500));
    });
}

#[test]
fn c04_tasks_of_a_dropped_scope_clean_up_and_are_waited_for() {
    let cleaned = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&cleaned);
    simulated(async move {
        let mut scope = Box::pin(one_that_cleans_up(Arc::clone(&seen)));
        assert!(futures_lite::future::poll_once(&mut scope).await.is_none());
        sleep(seconds(0)).await; // its task begins
        drop(scope);
        assert!(!seen.load(Ordering::Relaxed));
    });
    assert!(cleaned.load(Ordering::Relaxed));
}

#[test]
fn cancelling_the_task_around_a_scope_ends_its_tasks_first() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&order);
    simulated(async move {
        let noted_by_child = Arc::clone(&noted);
        let task = spawn(async move {
            scope(async |s: &Scope<()>| {
                s.spawn(async move {
                    let cleanup = async || {
                        sleep(Duration::from_millis(10)).await;
                        noted_by_child.lock().unwrap().push("child");
                    };
                    finally(pending::<()>(), cleanup).await;
                });
                pending::<Result<(), ()>>().await
            })
            .await
        });
        sleep(seconds(1)).await;
        assert!(task.cancel());
        assert!(matches!(
            task.await,
            Err(Interrupt::Cancelled(_)) | Ok(Err(()))
        ));
        noted.lock().unwrap().push("task");
    });
    assert_eq!(*order.lock().unwrap(), ["child", "task"]);
}

#[test]
fn a_stubborn_task_is_dropped_after_the_grace_and_named() {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&notes);
    simulated(async move {
        let start = clock();
        let scope = Scope::<Code>::builder()
            .grace(Duration::from_millis(300))
            .observer(move |note| heard.lock().unwrap().push(note.to_string()));
        let ended = scope.run(async |s| {
            s.task()
                .name("mule")
                .spawn(finally(pending::<()>(), pending::<()>));
            sleep(seconds(0)).await; // it has begun
            s.cancel();
            pending::<Result<(), Code>>().await
        });
        assert_eq!(ended.await, Err(Code(255)));
        assert_eq!(clock() - start, Duration::from_millis(300));
    });
    let notes = notes.lock().unwrap();
    assert!(notes[0].contains("mule"), "{notes:?}");
}

impl From<Interrupt> for Word {
    fn from(_: Interrupt) -> Self {
        Self("interrupted")
    }
}

#[derive(Debug, PartialEq)]
struct Word(&'static str);
