//! Mutexes, read-write locks and semaphores.

use arborio_sync::flavour::{Event, Flavour, Mutex, Semaphore};

use super::shared::Owners;
use crate::harness::{Actor, Scenario, Victim, pause};

/// Three who each add to a number, the first after a while.
fn counting<F: Flavour>(
    name: &'static str,
    world: fn() -> Mutex<usize, F>,
) -> Scenario<Mutex<usize, F>> {
    Scenario {
        name,
        world,
        victim: |mutex| Box::pin(async move { *mutex.lock().await += 1 }),
        others: &[
            |mutex| {
                Box::pin(async move {
                    let mut guard = mutex.lock().await;
                    pause().await;
                    *guard += 10;
                })
            },
            |mutex| Box::pin(async move { *mutex.lock().await += 10 }),
        ],
        runs_on: true,
        check: |mutex, victim| {
            assert!(mutex.try_lock().is_some(), "the permit is back");
            let victims = usize::from(victim == Victim::Ended);
            assert_eq!(mutex.into_inner(), 20 + victims);
        },
    }
}

pub(super) fn y01_a_lock_behind_a_holder<F: Flavour>() -> Scenario<Mutex<usize, F>> {
    counting("a lock behind a holder", || Mutex::new(0))
}

pub(super) fn y01_a_lock_of_a_barging_mutex<F: Flavour>() -> Scenario<Mutex<usize, F>> {
    counting("a lock of a barging mutex", || Mutex::barging(0))
}

/// Waits for `count` permits, and has them for a step.
async fn hold<F: Flavour>(semaphore: &Semaphore<F>, count: usize) {
    let permit = semaphore.acquire_many(count).await.unwrap();
    assert_eq!(permit.count(), count);
    pause().await;
}

fn all_back<F: Flavour>(semaphore: Semaphore<F>, permits: usize) {
    assert_eq!(semaphore.waiting(), 0);
    assert_eq!(semaphore.available_permits(), permits);
    assert!(semaphore.try_acquire_many(permits).is_ok());
}

pub(super) fn y01_y02_permits_behind_a_holder<F: Flavour>() -> Scenario<Semaphore<F>> {
    Scenario {
        name: "a permit behind a holder",
        world: || Semaphore::new(1),
        victim: |semaphore| {
            Box::pin(async move {
                semaphore.acquire().await.unwrap();
            })
        },
        others: &[
            |semaphore| Box::pin(async move { hold(&semaphore, 1).await }),
            |semaphore| Box::pin(async move { hold(&semaphore, 1).await }),
        ],
        runs_on: true,
        check: |semaphore, _| all_back(semaphore, 1),
    }
}

/// A holder of one of three; somebody who wants one.
fn one_of_three<F: Flavour>() -> &'static [fn(std::rc::Rc<Semaphore<F>>) -> Actor] {
    &[
        |semaphore| Box::pin(async move { hold(&semaphore, 1).await }),
        |semaphore| Box::pin(async move { hold(&semaphore, 1).await }),
    ]
}

pub(super) fn y01_y03_many_permits_with_few_behind<F: Flavour>() -> Scenario<Semaphore<F>> {
    Scenario {
        name: "three permits, with one behind",
        world: || Semaphore::new(3),
        victim: |semaphore| Box::pin(async move { hold(&semaphore, 3).await }),
        others: one_of_three(),
        runs_on: true,
        check: |semaphore, _| all_back(semaphore, 3),
    }
}

/// Nobody gives a permit back before the last of the line had one: only the
/// victim's leaving lets it go on.
pub(super) fn y01_y03_many_permits_whose_leaving_is_all_that_helps<F: Flavour>()
-> Scenario<(Semaphore<F>, Event<F>)> {
    Scenario {
        name: "three permits, and no release before one behind goes on",
        world: || (Semaphore::new(3), Event::new()),
        victim: |world| Box::pin(async move { hold(&world.0, 3).await }),
        others: &[
            |world| {
                Box::pin(async move {
                    let _permit = world.0.acquire().await.unwrap();
                    world.1.wait().await;
                })
            },
            |world| {
                Box::pin(async move {
                    hold(&world.0, 1).await;
                    world.1.set();
                })
            },
        ],
        runs_on: false,
        check: |(semaphore, _), _| all_back(semaphore, 3),
    }
}

pub(super) fn y01_many_permits_of_a_barging_semaphore<F: Flavour>() -> Scenario<Semaphore<F>> {
    Scenario {
        name: "three permits of a barging semaphore",
        world: || Semaphore::barging(3),
        victim: |semaphore| Box::pin(async move { hold(&semaphore, 3).await }),
        others: one_of_three(),
        runs_on: true,
        check: |semaphore, _| all_back(semaphore, 3),
    }
}

pub(super) fn y01_permits_of_a_semaphore_that_is_closed<F: Flavour>() -> Scenario<Semaphore<F>> {
    Scenario {
        name: "permits of a semaphore that is closed",
        world: || Semaphore::new(2),
        victim: |semaphore| {
            Box::pin(async move {
                drop(semaphore.acquire_many(2).await);
            })
        },
        others: &[
            |semaphore| {
                Box::pin(async move {
                    let held = semaphore.acquire().await;
                    pause().await;
                    semaphore.close();
                    pause().await;
                    drop(held);
                })
            },
            |semaphore| {
                Box::pin(async move {
                    drop(semaphore.acquire().await);
                })
            },
        ],
        runs_on: true,
        check: |semaphore, _| {
            assert_eq!(semaphore.waiting(), 0);
            assert_eq!(semaphore.available_permits(), 2);
        },
    }
}

pub(super) fn y01_y03_many_owned_permits_with_few_behind<F: Owners>()
-> Scenario<F::Shared<Semaphore<F>>> {
    Scenario {
        name: "three owned permits, with one behind",
        world: || F::share(Semaphore::new(3)),
        victim: |semaphore| {
            Box::pin(async move {
                let permits = F::acquire_many_owned((*semaphore).clone(), 3).await;
                assert_eq!(permits.unwrap().count(), 3);
            })
        },
        others: &[
            |semaphore| Box::pin(async move { hold(&semaphore, 1).await }),
            |semaphore| {
                Box::pin(async move {
                    let permit = F::acquire_many_owned((*semaphore).clone(), 1).await;
                    pause().await;
                    drop(permit);
                })
            },
        ],
        runs_on: true,
        check: |semaphore, _| all_back(F::alone(semaphore), 3),
    }
}
