//! Mutexes, read-write locks and semaphores.

use arborio_sync::flavour::{Event, Flavour, Mutex, RwLock, Semaphore};

use super::shared::Owners;
use crate::harness::{Make, Scenario, Victim, pause};

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

pub(super) fn y01_an_owned_lock_behind_a_holder<F: Owners>() -> Scenario<F::Shared<Mutex<usize, F>>>
{
    Scenario {
        name: "an owned lock behind a holder",
        world: || F::share(Mutex::new(0)),
        victim: |mutex| Box::pin(async move { *F::lock_owned((*mutex).clone()).await += 1 }),
        others: &[
            |mutex| {
                Box::pin(async move {
                    let mut guard = F::lock_owned((*mutex).clone()).await;
                    pause().await;
                    *guard += 10;
                })
            },
            |mutex| Box::pin(async move { *mutex.lock().await += 10 }),
        ],
        runs_on: true,
        check: |mutex, victim| {
            let victims = usize::from(victim == Victim::Ended);
            assert_eq!(F::alone(mutex).into_inner(), 20 + victims);
        },
    }
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
                drop(semaphore.acquire().await.unwrap());
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
fn one_of_three<F: Flavour>() -> &'static [Make<Semaphore<F>>] {
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

/// The number of times that something was written, seen by all.
type Written<F> = RwLock<usize, F>;

async fn read<F: Flavour>(lock: &Written<F>) {
    let guard = lock.read().await;
    let seen = *guard;
    pause().await;
    assert_eq!(*guard, seen, "nobody writes while one reads");
}

async fn write<F: Flavour>(lock: &Written<F>) {
    let mut guard = lock.write().await;
    let seen = *guard;
    *guard = 0; // for nobody to see
    pause().await;
    *guard = seen + 1;
}

/// A reader and a writer beside the victim.
fn reader_and_writer<F: Flavour>() -> &'static [Make<Written<F>>] {
    &[
        |lock| Box::pin(async move { read(&lock).await }),
        |lock| Box::pin(async move { write(&lock).await }),
    ]
}

/// Nobody has the lock, and it was written `times`.
fn written<F: Flavour>(lock: Written<F>, times: usize) {
    assert!(lock.try_write().is_some(), "all permits are back");
    assert_eq!(lock.into_inner(), times);
}

pub(super) fn y01_a_reader_among_readers_and_writers<F: Flavour>() -> Scenario<Written<F>> {
    Scenario {
        name: "a reader",
        world: || RwLock::new(0),
        victim: |lock| Box::pin(async move { read(&lock).await }),
        others: reader_and_writer(),
        runs_on: true,
        check: |lock, _| written(lock, 1),
    }
}

pub(super) fn y01_a_writer_among_readers_and_writers<F: Flavour>() -> Scenario<Written<F>> {
    Scenario {
        name: "a writer",
        world: || RwLock::new(0),
        // In one step, so that it is not dropped half way.
        victim: |lock| Box::pin(async move { *lock.write().await += 1 }),
        others: reader_and_writer(),
        runs_on: true,
        check: |lock, victim| written(lock, 1 + usize::from(victim == Victim::Ended)),
    }
}

pub(super) fn y01_a_writer_of_a_barging_lock<F: Flavour>() -> Scenario<Written<F>> {
    Scenario {
        name: "a writer of a barging lock",
        world: || RwLock::barging(0),
        victim: |lock| Box::pin(async move { *lock.write().await += 1 }),
        others: reader_and_writer(),
        runs_on: true,
        check: |lock, victim| written(lock, 1 + usize::from(victim == Victim::Ended)),
    }
}

/// The first reader goes when the last one has read: a writer between them must
/// not stay in the way once it is gone.
pub(super) fn y01_y03_a_writer_whose_leaving_is_all_that_helps<F: Flavour>()
-> Scenario<(Written<F>, Event<F>)> {
    Scenario {
        name: "a writer between two readers",
        world: || (RwLock::new(0), Event::new()),
        victim: |world| Box::pin(async move { *world.0.write().await += 1 }),
        others: &[
            |world| {
                Box::pin(async move {
                    let _guard = world.0.read().await;
                    world.1.wait().await;
                })
            },
            |world| {
                Box::pin(async move {
                    drop(world.0.read().await);
                    world.1.set();
                })
            },
        ],
        runs_on: false,
        check: |(lock, _), victim| written(lock, usize::from(victim == Victim::Ended)),
    }
}

pub(super) fn y01_an_owned_reader<F: Owners>() -> Scenario<F::Shared<Written<F>>> {
    Scenario {
        name: "an owned reader",
        world: || F::share(RwLock::new(0)),
        victim: |lock| {
            Box::pin(async move {
                drop(F::read_owned((*lock).clone()).await);
            })
        },
        others: owned_reader_and_writer::<F>(),
        runs_on: true,
        check: |lock, _| written(F::alone(lock), 1),
    }
}

pub(super) fn y01_an_owned_writer<F: Owners>() -> Scenario<F::Shared<Written<F>>> {
    Scenario {
        name: "an owned writer",
        world: || F::share(RwLock::new(0)),
        victim: |lock| Box::pin(async move { *F::write_owned((*lock).clone()).await += 1 }),
        others: owned_reader_and_writer::<F>(),
        runs_on: true,
        check: |lock, victim| written(F::alone(lock), 1 + usize::from(victim == Victim::Ended)),
    }
}

fn owned_reader_and_writer<F: Owners>() -> &'static [Make<F::Shared<Written<F>>>] {
    &[
        |lock| Box::pin(async move { read(&lock).await }),
        |lock| {
            Box::pin(async move {
                let mut guard = F::write_owned((*lock).clone()).await;
                pause().await;
                *guard += 1;
            })
        },
    ]
}
