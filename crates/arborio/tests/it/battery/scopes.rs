//! Scopes: deep ones, dropped ones, and those that end while somebody spawns or cancels.

use std::{
    future::{pending, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

use arborio::{
    Scope,
    cancel::{catch_cancel, current_effective_deadline, fail_at, finally, move_on_at, shield},
    scope, spawn,
    sync::{Event, Semaphore},
    time::{Instant, sleep},
    yield_now,
};
use futures_lite::future::poll_once;

use super::{Flavour, flavours};
use crate::{
    scopes::{Code, millis, seconds},
    support::{in_own_process_with, without_hanging},
};

flavours! {
    c03_c07_c14_a_cancel_from_another_thread_meets_spawns_and_ends: a_cancel_from_elsewhere;
    c04_the_tasks_of_a_dropped_scope_clean_up_and_are_waited_for: scopes_that_are_dropped;
    c04_the_tasks_of_a_scope_that_is_dropped_on_another_thread_end: scopes_that_are_dropped_elsewhere;
    c04_the_tasks_of_a_leaked_scope_are_gone_when_the_one_around_it_ends: scopes_that_are_leaked;
    #[cfg(panic = "unwind")]
    c05_a_panic_of_one_of_64_ends_the_others_and_goes_on_in_the_scope: one_panics_of_64;
    c08_the_effective_deadline_is_the_earliest_that_no_shield_hides: deadlines_inside_of_each_other;
    c11_what_is_spawned_on_a_scope_that_is_ending_is_told_so: a_spawn_that_is_late;
    c12_an_early_return_does_not_skip_the_end_of_a_scope: early_returns;
    #[cfg(panic = "unwind")]
    c12_a_panic_does_not_skip_the_end_of_a_scope: panics_on_the_way;
}

/// Takes itself off a count when it is dropped.
struct Living(Arc<AtomicUsize>);

impl Living {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Joins its thread when it is dropped.
struct Joined(Option<thread::JoinHandle<()>>);

impl Drop for Joined {
    fn drop(&mut self) {
        self.0.take().unwrap().join().unwrap();
    }
}

fn a_cancel_from_elsewhere(flavour: Flavour) {
    without_hanging(move || {
        for round in 0..200_u32 {
            let living = Arc::new(AtomicUsize::new(0));
            let written = Arc::new(AtomicUsize::new(0));
            flavour.run(async {
                let ended = scope(async |s: &Scope<Code>| {
                    let (handle, note) = (s.clone(), Arc::clone(&written));
                    let _canceller = Joined(Some(thread::spawn(move || {
                        (0..round * 5).for_each(|_| std::hint::spin_loop());
                        note.store(1, Ordering::Relaxed); // before the cancel, so it is seen
                        handle.cancel();
                    })));
                    // Some bodies spawn for ever, and others wait for nothing but the cancel.
                    let spawns = if round % 2 == 0 { u32::MAX } else { round % 7 };
                    for _ in 0..spawns {
                        let here = Living::new(&living);
                        s.spawn(async move {
                            let _here = here;
                            yield_now().await;
                        });
                        yield_now().await;
                    }
                    pending::<Result<(), Code>>().await
                });
                assert_eq!(ended.await, Err(Code(255)));
                assert_eq!(living.load(Ordering::Relaxed), 0, "every task has ended");
                assert_eq!(written.load(Ordering::Relaxed), 1);
            });
        }
    });
}

type Boxed = Pin<Box<dyn Future<Output = Result<(), Code>> + Send>>;

/// How many tasks the scopes have that are dropped.
const TASKS: usize = 8;

/// A scope of tasks that clean up in several steps, and in `begun` when all of them have begun.
fn of_tasks_that_clean_up(cleaned: &Arc<AtomicUsize>, begun: &Arc<Semaphore>) -> Boxed {
    let (cleaned, begun) = (Arc::clone(cleaned), Arc::clone(begun));
    Box::pin(scope(async move |s: &Scope<Code>| {
        for _ in 0..TASKS {
            let (cleaned, begun) = (Arc::clone(&cleaned), Arc::clone(&begun));
            s.spawn(async move {
                let close = async || {
                    sleep(millis(1)).await;
                    yield_now().await;
                    cleaned.fetch_add(1, Ordering::Relaxed);
                };
                let work = async {
                    begun.add_permits(1).unwrap();
                    pending::<()>().await;
                };
                finally(work, close).await;
            });
        }
        pending::<Result<(), Code>>().await
    }))
}

/// Polls the scope until all its tasks have begun.
async fn until_begun(inner: &mut Boxed, begun: &Semaphore) {
    assert!(poll_once(&mut *inner).await.is_none());
    drop(begun.acquire_many(TASKS).await.unwrap());
}

fn scopes_that_are_dropped(flavour: Flavour) {
    without_hanging(move || {
        for _ in 0..20 {
            let cleaned = Arc::new(AtomicUsize::new(0));
            flavour.run(async {
                let outer = scope(async |_: &Scope<Code>| {
                    let begun = Arc::new(Semaphore::empty());
                    let mut inner = of_tasks_that_clean_up(&cleaned, &begun);
                    until_begun(&mut inner, &begun).await;
                    drop(inner);
                    Ok(())
                });
                outer.await.unwrap();
                assert_eq!(cleaned.load(Ordering::Relaxed), TASKS, "it has waited");
            });
        }
    });
}

fn scopes_that_are_dropped_elsewhere(flavour: Flavour) {
    without_hanging(move || {
        for _ in 0..20 {
            let cleaned = Arc::new(AtomicUsize::new(0));
            flavour.run(async {
                let begun = Arc::new(Semaphore::empty());
                let mut inner = of_tasks_that_clean_up(&cleaned, &begun);
                until_begun(&mut inner, &begun).await;
                thread::spawn(move || drop(inner)).join().unwrap();
                // `run` waits for the tasks.
            });
            assert_eq!(cleaned.load(Ordering::Relaxed), TASKS);
        }
    });
}

/// Nobody passes the request on, as the scope is not polled: they are dropped after the grace.
fn scopes_that_are_leaked(flavour: Flavour) {
    without_hanging(move || {
        for _ in 0..5 {
            let living = Arc::new(AtomicUsize::new(0));
            flavour.run(async {
                let outer = Scope::<Code>::builder().grace(millis(10));
                let outer = outer.run(async |s| {
                    let (here, begun) = (Arc::clone(&living), Arc::new(Semaphore::empty()));
                    let begins = Arc::clone(&begun);
                    let mut inner: Boxed = Box::pin(scope(async move |s: &Scope<Code>| {
                        for _ in 0..TASKS {
                            let (here, begins) = (Living::new(&here), Arc::clone(&begins));
                            s.spawn(async move {
                                let _here = here;
                                begins.add_permits(1).unwrap();
                                pending::<()>().await;
                            });
                        }
                        pending::<Result<(), Code>>().await
                    }));
                    until_begun(&mut inner, &begun).await;
                    crate::leak::on_purpose(inner);
                    s.cancel();
                    pending::<Result<(), Code>>().await
                });
                assert_eq!(outer.await, Err(Code(255)));
                assert_eq!(living.load(Ordering::Relaxed), 0, "it has waited");
            });
        }
    });
}

async fn one_of_64() {
    panic!("the 64th");
}

fn one_panics_of_64(flavour: Flavour) {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&cleaned);
    let caught = std::panic::catch_unwind(move || {
        flavour.run(async {
            let begun = Arc::new(Semaphore::empty());
            let _: Result<(), ()> = scope(async |s: &Scope<()>| {
                for _ in 0..63 {
                    let (counted, begun) = (Arc::clone(&counted), Arc::clone(&begun));
                    let work = async move {
                        begun.add_permits(1).unwrap();
                        pending::<()>().await;
                    };
                    // Not if it is dropped after the grace.
                    let close = async move || {
                        yield_now().await;
                        counted.fetch_add(1, Ordering::Relaxed);
                    };
                    s.spawn(finally(work, close));
                }
                drop(begun.acquire_many(63).await.unwrap());
                s.spawn(one_of_64());
                pending().await
            })
            .await;
        });
    });
    assert_eq!(*caught.unwrap_err().downcast::<&str>().unwrap(), "the 64th");
    assert_eq!(cleaned.load(Ordering::Relaxed), 63, "all have been asked");
}

/// One step of the numbers that the cases are made of.
fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random
}

/// Nests `depth` deadlines of random kinds; `least` is the earliest of those that count.
fn nested(
    depth: u32,
    mut random: u64,
    least: Option<Instant>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        assert_eq!(current_effective_deadline(), least, "at depth {depth}");
        if depth == 0 {
            return;
        }
        let kind = next(&mut random) % 6;
        let limit = match next(&mut random) % 8 {
            0 => Duration::MAX,
            tens => seconds(1000 + tens * 10 + u64::from(depth)),
        };
        if next(&mut random).is_multiple_of(2) {
            yield_now().await;
        }
        let given = Instant::now().saturating_add(limit);
        let both = Some(least.map_or(given, |least| least.min(given)));
        match kind {
            0 => drop(fail_at(given, nested(depth - 1, random, both)).await),
            1 => drop(move_on_at(given, nested(depth - 1, random, both)).await),
            2 => shield(nested(depth - 1, random, None)).await,
            3 => {
                let (limited, inside) = (Scope::<()>::builder().deadline(given), both);
                let run = limited.run(async |_| {
                    nested(depth - 1, random, inside).await;
                    Ok(())
                });
                run.await.unwrap();
            }
            4 => {
                let limited = Scope::<()>::builder().deadline(given);
                let inside = nested(depth - 1, random, both);
                let in_a_task = limited.run(async |s| s.spawn(inside).await);
                in_a_task.await.unwrap();
            }
            _ => {
                let inside = nested(depth - 1, random, least);
                let in_a_task = scope(async |s: &Scope<()>| s.spawn(inside).await);
                in_a_task.await.unwrap();
            }
        }
        let now = current_effective_deadline();
        assert_eq!(now, least, "again at depth {depth}");
    })
}

fn deadlines_inside_of_each_other(flavour: Flavour) {
    without_hanging(move || {
        flavour.run(async {
            let tasks: Vec<_> = (1..=200_u64)
                .map(|seed| spawn(nested(6, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), None)))
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    });
}

fn a_spawn_that_is_late(flavour: Flavour) {
    without_hanging(move || {
        for _ in 0..50 {
            flavour.run(async {
                let told = Arc::new(AtomicUsize::new(0));
                let noted = Arc::clone(&told);
                let ran = Arc::new(AtomicBool::new(false));
                let runs = Arc::clone(&ran);
                let ended = scope(async |s: &Scope<Code>| {
                    let (handle, begun) = (s.clone(), Arc::new(Event::new()));
                    let begins = Arc::clone(&begun);
                    s.spawn(async move {
                        let asked = catch_cancel(poll_fn(|_| {
                            begins.set();
                            Poll::<()>::Pending
                        }));
                        asked.await.ok();
                        let late = handle.spawn(async move {
                            runs.store(true, Ordering::Relaxed);
                            Ok::<_, Code>(1)
                        });
                        assert!(late.outcome().await.is_err());
                        assert!(handle.try_spawn(async {}).is_err());
                        noted.fetch_add(1, Ordering::Relaxed);
                    });
                    begun.wait().await;
                    s.cancel();
                    pending::<Result<(), Code>>().await
                });
                assert_eq!(ended.await, Err(Code(255)));
                assert_eq!(told.load(Ordering::Relaxed), 1);
                assert!(!ran.load(Ordering::Relaxed), "it was too late");
            });
        }
    });
}

fn early_returns(flavour: Flavour) {
    without_hanging(move || {
        for _ in 0..20 {
            let cleaned = Arc::new(AtomicUsize::new(0));
            flavour.run(async {
                let begun = Arc::new(Semaphore::empty());
                let ended = scope(async |s: &Scope<Code>| {
                    s.spawn(of_tasks_that_clean_up(&cleaned, &begun));
                    drop(begun.acquire_many(TASKS).await.unwrap());
                    Err::<(), _>(Code(3))?;
                    Ok(())
                });
                assert_eq!(ended.await, Err(Code(3)));
                assert_eq!(cleaned.load(Ordering::Relaxed), TASKS, "it has waited");
            });
        }
    });
}

fn panics_on_the_way(flavour: Flavour) {
    let cleaned = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&cleaned);
    let panicked = std::panic::catch_unwind(move || {
        flavour.run(async {
            let begun = Arc::new(Semaphore::empty());
            let ended = scope(async |s: &Scope<Code>| -> Result<(), Code> {
                s.spawn(of_tasks_that_clean_up(&counted, &begun));
                drop(begun.acquire_many(TASKS).await.unwrap());
                std::panic::panic_any(Code(4))
            });
            let _ = ended.await;
        });
    });
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&Code(4)));
    assert_eq!(cleaned.load(Ordering::Relaxed), TASKS);
}

/// A debug build takes a tenth, so that the grace is not over meanwhile.
const DEPTH: u32 = if cfg!(debug_assertions) {
    10_000
} else {
    100_000
};

/// A scope in a task of a scope in a task... The innermost says that all are there.
fn nest(depth: u32, living: Arc<AtomicUsize>, begun: Arc<Event>) -> Boxed {
    Box::pin(async move {
        let _here = Living::new(&living);
        scope(async |s: &Scope<Code>| {
            match depth {
                0 => begun.set(),
                _ => drop(s.spawn(nest(depth - 1, Arc::clone(&living), Arc::clone(&begun)))),
            }
            pending::<Result<(), Code>>().await
        })
        .await
    })
}

/// On stacks of a mebibyte, that of `main` and those of the workers.
fn deep_scopes(flavour: Flavour) {
    let on_a_small_stack = move || {
        let living = Arc::new(AtomicUsize::new(0));
        for aborts in [false, true] {
            flavour.run(async {
                let begun = Arc::new(Event::new());
                let ended = scope(async |s: &Scope<Code>| {
                    let child = s.spawn(nest(DEPTH, Arc::clone(&living), Arc::clone(&begun)));
                    begun.wait().await;
                    assert_eq!(living.load(Ordering::Relaxed), DEPTH as usize + 1);
                    if aborts {
                        child.abort();
                        return Ok(());
                    }
                    s.cancel();
                    pending().await
                });
                let expected = if aborts { Ok(()) } else { Err(Code(255)) };
                assert_eq!(ended.await, expected);
                assert_eq!(living.load(Ordering::Relaxed), 0);
            });
        }
    };
    let small = thread::Builder::new().stack_size(STACK);
    small.spawn(on_a_small_stack).unwrap().join().unwrap();
}

const STACK: usize = 1 << 20;

#[test]
fn c01_scopes_deep_inside_of_each_other_end_on_small_stacks_on_a_loop() {
    deep_scopes(Flavour::Loop);
}

#[test]
fn c01_scopes_deep_inside_of_each_other_end_on_small_stacks_on_a_pool() {
    let name =
        "battery::scopes::c01_scopes_deep_inside_of_each_other_end_on_small_stacks_on_a_pool";
    in_own_process_with(name, &[("RUST_MIN_STACK", &STACK.to_string())], || {
        deep_scopes(Flavour::Pool(2));
    });
}
