//! How a loop ends: those who are left are asked, clean up, and are dropped in the end.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use arborio::{
    EventLoop, Interrupt, Scope,
    cancel::{catch_cancel, finally, shield},
    options::{Leftover, Report},
    scope, spawn, spawn_local, task,
    time::{clock, sleep},
    yield_now,
};

use crate::{
    scopes::{Code, millis, seconds},
    support::{Log, panic_message, simulated},
};

/// Cleans up for so long, and notes its end.
async fn service(log: Log<&'static str>, cleanup: u64) {
    finally(pending::<()>(), || async move {
        sleep(millis(cleanup)).await;
        log.add("cleaned up");
    })
    .await;
}

#[test]
fn d7_a_task_that_is_not_awaited_cleans_up_before_run_returns() {
    let log = Log::new();
    let inside = log.clone();
    let mut left = None;
    simulated().run(async {
        left = Some(task().awaited(false).spawn(service(inside, 30)));
        yield_now().await;
    });
    assert_eq!(log.take(), ["cleaned up"]);
    let outcome = futures_lite::future::block_on(left.unwrap());
    assert!(matches!(outcome, Err(Interrupt::Stopped)), "{outcome:?}");
}

#[test]
fn a11_leftovers_observe_that_they_are_cancelled_before_run_returns() {
    let log = Log::new();
    let inside = log.clone();
    let main = async move {
        let note = inside.clone();
        drop(spawn_local(async move {
            let caught = catch_cancel(pending::<()>()).await;
            sleep(millis(10)).await; // whoever asked waits while this is held
            note.add(if caught.is_err() { "cancelled" } else { "no" });
        }));
        yield_now().await;
        inside.add("main");
    };
    simulated().leftover(Leftover::Cancel).run(main);
    assert_eq!(log.take(), ["main", "cancelled"]);
}

#[cfg(panic = "unwind")]
#[test]
fn g13_the_others_clean_up_before_a_panic_leaves_run() {
    let log = Log::new();
    let inside = log.clone();
    let message = panic_message(|| {
        simulated().run(async {
            drop(spawn(service(inside.clone(), 20)));
            yield_now().await;
            drop(spawn_local(async {
                yield_now().await;
                if true {
                    panic!("of a task");
                }
            }));
            service(inside.clone(), 10).await;
        });
    });
    assert_eq!(message, "of a task");
    assert_eq!(log.take(), ["cleaned up", "cleaned up"]);
}

#[test]
fn what_outlives_its_grace_is_dropped_and_named() {
    let (told, log) = (Log::new(), Log::new());
    let (heard, inside) = (told.clone(), log.clone());
    let builder = simulated().grace(millis(50)).observer(move |report| {
        if let Report::Forced(tree) = report {
            heard.add((clock(), tree.to_string()));
        }
    });
    builder.run(async move {
        let stubborn = task().name("mule").awaited(false);
        drop(stubborn.spawn(shield(pending::<()>())));
        drop(task().awaited(false).spawn(service(inside, 49)));
        yield_now().await;
    });
    assert_eq!(log.take(), ["cleaned up"]);
    let told = told.take();
    let [(at, tree)] = &told[..] else {
        panic!("told {} times", told.len())
    };
    assert_eq!(*at, millis(50));
    assert!(tree.contains("mule"), "{tree}");
}

#[test]
fn one_who_swallows_the_request_is_asked_again() {
    let log = Log::new();
    let inside = log.clone();
    simulated().run(async move {
        let refuses = async move {
            for _ in 0..3 {
                if let Err(request) = catch_cancel(pending::<()>()).await {
                    inside.add(clock());
                    request.swallow();
                }
                sleep(millis(1)).await;
            }
        };
        drop(task().awaited(false).spawn(refuses));
        yield_now().await;
    });
    let times = log.take();
    assert!(times.len() <= 2 && times[0] == millis(0), "{times:?}");
}

/// Takes every request back.
async fn refuses() {
    loop {
        if let Err(request) = catch_cancel(pending::<()>()).await {
            request.swallow();
        }
    }
}

#[test]
fn one_who_swallows_the_request_does_not_shorten_the_grace_of_the_others() {
    let log = Log::new();
    let inside = log.clone();
    simulated().run(async move {
        drop(task().awaited(false).spawn(async {
            if let Err(request) = catch_cancel(pending::<()>()).await {
                request.swallow();
            }
        }));
        drop(task().awaited(false).spawn(refuses()));
        drop(task().awaited(false).spawn(service(inside, 30)));
        yield_now().await;
    });
    assert_eq!(log.take(), ["cleaned up"]);
}

#[test]
fn one_who_swallows_every_request_is_dropped_when_the_grace_is_over() {
    let told = Log::new();
    let heard = told.clone();
    let builder = simulated().grace(millis(50)).observer(move |report| {
        if let Report::Forced(_) = report {
            heard.add(clock());
        }
    });
    builder.run(async {
        drop(task().awaited(false).spawn(refuses()));
        yield_now().await;
    });
    assert_eq!(told.take(), [millis(50)]);
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_is_not_lost_if_nothing_can_happen_any_more_while_the_loop_ends() {
    let message = panic_message(|| {
        let endless = simulated().grace(std::time::Duration::MAX).observer(|_| {});
        let _ = endless.try_run(async {
            drop(spawn_local(shield(pending::<()>())));
            yield_now().await;
            if true {
                panic!("of main");
            }
        });
    });
    assert_eq!(message, "of main");
    let message = panic_message(|| {
        let endless = simulated().grace(std::time::Duration::MAX).observer(|_| {});
        let _ = endless.try_run(async {
            drop(spawn_local(async {
                if true {
                    panic!("of a task");
                }
            }));
            shield(pending::<()>()).await;
        });
    });
    assert_eq!(message, "of a task");
}

#[test]
fn a_loop_without_a_grace_drops_what_is_left_without_asking() {
    let log = Log::new();
    let inside = log.clone();
    simulated().grace(millis(0)).run(async move {
        drop(task().awaited(false).spawn(service(inside, 0)));
        yield_now().await;
    });
    assert!(log.take().is_empty());
}

#[test]
fn scopes_in_tasks_that_are_left_pass_the_request_on() {
    let log = Log::new();
    let inside = log.clone();
    simulated().run(async move {
        drop(task().awaited(false).spawn(async move {
            let ended = scope(async |s: &Scope<Code>| {
                s.spawn(service(inside.clone(), 5));
                s.spawn(service(inside.clone(), 7));
                Ok(())
            });
            let _ = ended.await;
        }));
        sleep(millis(1)).await;
    });
    assert_eq!(log.take(), ["cleaned up", "cleaned up"]);
}

#[test]
fn a_task_that_is_spawned_while_the_loop_ends_runs_within_the_grace() {
    let log = Log::new();
    let inside = log.clone();
    simulated().run(async move {
        let cleanup = move || async move {
            let note = inside.clone();
            let helper = spawn(async move {
                sleep(millis(3)).await;
                note.add("helper");
            });
            helper.await.unwrap();
            inside.add("cleaned up");
        };
        drop(
            task()
                .awaited(false)
                .spawn(finally(pending::<()>(), cleanup)),
        );
        yield_now().await;
    });
    assert_eq!(log.take(), ["helper", "cleaned up"]);
}

#[test]
fn the_end_takes_no_longer_than_the_cleanups() {
    let ended = Arc::new(Mutex::new(None));
    let noted = Arc::clone(&ended);
    simulated().grace(seconds(3600)).run(async move {
        let cleanup = move || async move {
            sleep(millis(12)).await;
            *noted.lock().unwrap() = Some(clock());
        };
        drop(
            task()
                .awaited(false)
                .spawn(finally(pending::<()>(), cleanup)),
        );
        for _ in 0..100 {
            drop(task().awaited(false).spawn(pending::<()>()));
        }
        yield_now().await;
    });
    assert_eq!(*ended.lock().unwrap(), Some(millis(12)));
    let start = std::time::Instant::now();
    EventLoop::builder().run(async {
        drop(task().awaited(false).spawn(pending::<()>()));
        yield_now().await;
    });
    assert!(start.elapsed() < millis(900), "nobody needed the grace");
}

#[cfg(panic = "unwind")]
#[test]
fn a_second_panic_while_the_loop_ends_is_told() {
    let told = Log::new();
    let heard = told.clone();
    let message = panic_message(|| {
        let builder = simulated().observer(move |report| heard.add(report.to_string()));
        builder.run(async {
            let cleanup = || async {
                if true {
                    panic!("second");
                }
            };
            drop(spawn_local(finally(pending::<()>(), cleanup)));
            yield_now().await;
            drop(spawn_local(async {
                if true {
                    panic!("first");
                }
            }));
            pending::<()>().await;
        });
    });
    assert_eq!(message, "first");
    let [line] = &told.take()[..] else {
        panic!("one report")
    };
    assert!(line.starts_with("a task panicked: second (task "), "{line}");
}
