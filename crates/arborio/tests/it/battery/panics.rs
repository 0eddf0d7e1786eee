//! Panics: of polls, of destructors, of outputs and of wakers; and where what may not leave its thread is dropped.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread,
};

use arborio::{
    Interrupt, options::contained_panics, spawn, spawn_local, sync::Event, task, yield_now,
};

use super::{Flavour, flavours};
use crate::support::DropProbe;

flavours! {
    #[cfg(panic = "unwind")]
    x06_a_poll_that_panics_is_seen_by_its_handle_alone: polls_that_panic;
    #[cfg(panic = "unwind")]
    x07_a_future_that_panics_as_it_is_dropped_disturbs_nobody: futures_that_panic;
    #[cfg(panic = "unwind")]
    x08_an_output_that_panics_as_it_is_dropped_disturbs_nobody: outputs_that_panic;
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_keeps_nobody_from_being_woken: wakers_that_panic;
    #[cfg(panic = "unwind")]
    x10_a_destructor_that_panics_after_its_poll_did_is_contained: polls_and_destructors_that_panic;
    x11_a_task_that_is_aborted_elsewhere_is_dropped_at_home: tasks_that_stay_at_home;
}

/// Panics when it is dropped.
struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// The runtime is as good as new: many tasks, on every worker.
async fn all_is_well() {
    let tasks: Vec<_> = (0..50_u32)
        .map(|n| {
            spawn(async move {
                yield_now().await;
                n
            })
        })
        .collect();
    let mut sum = 0;
    for task in tasks {
        sum += task.await.unwrap();
    }
    assert_eq!(sum, 1225);
}

/// Whether it ended by a panic with these words.
fn panicked<T>(outcome: Result<T, Interrupt>, words: &str) -> bool {
    matches!(outcome, Err(Interrupt::Panicked(payload)) if payload.message() == words)
}

fn polls_that_panic(flavour: Flavour) {
    flavour.run(async {
        let doomed: Vec<_> = (0..20)
            .map(|n| {
                task().observed(true).spawn(async move {
                    for _ in 0..n % 3 {
                        yield_now().await;
                    }
                    panic!("polled");
                })
            })
            .collect();
        all_is_well().await;
        for task in doomed {
            assert!(panicked::<()>(task.await, "polled"));
        }
        all_is_well().await;
    });
}

fn futures_that_panic(flavour: Flavour) {
    flavour.run(async {
        for _ in 0..20 {
            let started = Arc::new(Event::new());
            let tells = Arc::clone(&started);
            let doomed = task().observed(true).spawn(async move {
                let _grenade = Grenade;
                tells.set();
                pending::<()>().await;
            });
            started.wait().await;
            doomed.abort();
            assert!(panicked(doomed.await, "dropped"));
        }
        all_is_well().await;
    });
}

fn outputs_that_panic(flavour: Flavour) {
    let before = contained_panics();
    flavour.run(async {
        for round in 0..20 {
            let ended = spawn(async { Grenade });
            while !ended.is_finished() {
                yield_now().await;
            }
            // It goes on neither in whoever drops the handle nor where the task was.
            if round % 2 == 0 {
                drop(ended);
            } else {
                thread::spawn(move || drop(ended)).join().unwrap();
            }
            yield_now().await;
        }
        all_is_well().await;
    });
    assert!(contained_panics() - before >= 20, "they are counted");
}

/// A waker of somebody else's, which panics when it is called.
struct Hostile;

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

fn wakers_that_panic(flavour: Flavour) {
    flavour.run(async {
        let event = Arc::new(Event::new());
        let (hostile, mut waiting) = (Waker::from(Arc::new(Hostile)), Vec::new());
        let mut first = pin!(event.wait());
        let polled = first.as_mut().poll(&mut Context::from_waker(&hostile));
        assert!(polled.is_pending());
        for _ in 0..20 {
            let (event, begun) = (Arc::clone(&event), Arc::new(Event::new()));
            let begins = Arc::clone(&begun);
            waiting.push(spawn(async move {
                let mut wait = pin!(event.wait());
                poll_fn(|cx| {
                    let polled = wait.as_mut().poll(cx);
                    begins.set();
                    polled
                })
                .await;
            }));
            begun.wait().await;
        }
        let sets = Arc::clone(&event);
        // It may go on in the caller, once all are woken.
        let _ = thread::spawn(move || sets.set()).join();
        for task in waiting {
            task.await.unwrap();
        }
        all_is_well().await;
    });
}

/// Panics when it is polled, and when it is dropped.
struct Twice(Grenade);

impl Future for Twice {
    type Output = ();

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        panic!("polled");
    }
}

fn polls_and_destructors_that_panic(flavour: Flavour) {
    flavour.run(async {
        for _ in 0..20 {
            let doomed = task().observed(true).spawn(Twice(Grenade));
            assert!(panicked(doomed.await, "polled"), "the first of the two");
        }
        all_is_well().await;
    });
}

fn tasks_that_stay_at_home(flavour: Flavour) {
    let home = thread::current().id();
    flavour.run(async move {
        let mut ends = Vec::new();
        let mut elsewhere = Vec::new();
        for _ in 0..20 {
            let (probe, end) = DropProbe::new();
            let not_send = std::rc::Rc::new(probe);
            let task = spawn_local(async move {
                pending::<()>().await;
                drop(not_send);
            });
            ends.push(end);
            elsewhere.push(thread::spawn(move || {
                task.abort();
                task
            }));
            yield_now().await;
        }
        for thread in elsewhere {
            let aborted = thread.join().unwrap();
            assert!(matches!(aborted.await, Err(Interrupt::Cancelled(_))));
        }
        for end in ends {
            assert_eq!(*end.lock().unwrap(), [home]);
        }
    });
}
