//! Permits and the line of those who wait for them: what was thought of.

use std::{pin::pin, sync::Arc, task::Poll};

use arborio_sync::{Mutex, Semaphore};
use loom::thread;

use crate::world::{World, join_all, model};

/// Runs `code` on a thread of its own.
fn spawn<T: Send + Sync + 'static>(
    world: &Arc<World>,
    shared: &Arc<T>,
    code: fn(&T, &World),
) -> thread::JoinHandle<()> {
    let (world, shared) = (Arc::clone(world), Arc::clone(shared));
    thread::spawn(move || {
        world.step();
        code(&shared, &world);
    })
}

#[test]
fn y02_a_grant_races_the_drop_of_its_future() {
    model("permits: grant, drop, next in line", 3, |world| {
        let semaphore = Arc::new(Semaphore::new(1));
        let permit = semaphore.try_acquire().unwrap();
        let other = {
            let mut first = pin!(semaphore.acquire());
            assert!(world.poll_once(first.as_mut()).is_pending());
            let other = spawn(world, &semaphore, |semaphore, world| {
                drop(world.block_on(semaphore.acquire()).unwrap());
            });
            drop(permit);
            world.step();
            other // and `first` is dropped, with the permit or without
        };
        other.join().unwrap();
        assert!(semaphore.try_acquire().is_ok(), "the permit was lost");
    });
    model("permits: grant on another thread, drop", 3, |world| {
        let semaphore = Arc::new(Semaphore::new(1));
        semaphore.try_acquire().unwrap().forget();
        let other = {
            let mut first = pin!(semaphore.acquire());
            assert!(world.poll_once(first.as_mut()).is_pending());
            let other = spawn(world, &semaphore, |semaphore, _| {
                semaphore.add_permits(1).unwrap();
            });
            world.step();
            other
        };
        drop(world.block_on(semaphore.acquire()).unwrap());
        other.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1);
    });
}

/// Waits for the future at the head of a line of three, and drops it: those
/// behind must not wait for what it wanted.
#[test]
fn y03_the_head_of_the_line_is_dropped_while_a_permit_comes() {
    model("permits: head of acquire_many dropped", 3, |world| {
        let semaphore = Arc::new(Semaphore::new(1));
        semaphore.try_acquire().unwrap().forget();
        let (second, release) = {
            let mut head = pin!(semaphore.acquire_many(2));
            assert!(world.poll_once(head.as_mut()).is_pending());
            let second = spawn(world, &semaphore, |semaphore, world| {
                drop(world.block_on(semaphore.acquire()).unwrap());
            });
            let release = spawn(world, &semaphore, |semaphore, _| {
                semaphore.add_permits(1).unwrap();
            });
            world.step();
            (second, release) // `head` is dropped
        };
        second.join().unwrap();
        release.join().unwrap();
        assert_eq!(semaphore.available_permits(), 1);
        assert_eq!(semaphore.waiting(), 0);
    });
    model("permits: head that others stand behind", 3, |world| {
        let semaphore = Arc::new(Semaphore::new(2));
        semaphore.try_acquire().unwrap().forget();
        let mut behind = pin!(semaphore.acquire());
        let release = {
            let mut head = pin!(semaphore.acquire_many(2));
            assert!(world.poll_once(head.as_mut()).is_pending());
            assert!(world.poll_once(behind.as_mut()).is_pending());
            let release = spawn(world, &semaphore, |semaphore, _| {
                semaphore.add_permits(1).unwrap();
            });
            world.step();
            release
        };
        drop(world.block_on(behind).unwrap());
        release.join().unwrap();
        assert_eq!(semaphore.available_permits(), 2);
    });
}

/// P2: whoever gives back without the lock has nobody to wake.
#[test]
fn a_release_races_somebody_who_joins_the_line() {
    model("permits: give, join", 4, |world| {
        let mutex = Arc::new(Mutex::new(world.value(0)));
        let guard = mutex.try_lock().unwrap();
        let other = spawn(world, &mutex, |mutex, world| {
            world.block_on(mutex.lock()).change();
        });
        drop(guard);
        other.join().unwrap();
        assert_eq!(mutex.try_lock().expect("the lock was lost").look(), 1);
    });
    model("permits: give, join, join", 1, |world| {
        let mutex = Arc::new(Mutex::new(world.value(0)));
        let guard = mutex.try_lock().unwrap();
        let others = [(); 2].map(|()| {
            spawn(world, &mutex, |mutex, world| {
                world.block_on(mutex.lock()).change();
            })
        });
        drop(guard);
        world.block_on(mutex.lock()).change();
        join_all(others);
        assert_eq!(mutex.try_lock().expect("the lock was lost").look(), 3);
    });
}

/// Polled with another waker while it is answered: the new one is woken, or the
/// answer is seen.
#[test]
fn a_refreshed_waker_races_the_answer() {
    model("line: refresh, answer", 4, |world| {
        let mutex = Arc::new(Mutex::new(world.value(0)));
        let guard = Arc::clone(&mutex).try_lock_owned().unwrap();
        let mut lock = pin!(mutex.lock());
        assert!(world.poll_once(lock.as_mut()).is_pending());
        let release = thread::spawn(move || drop(guard));
        if let Poll::Ready(mut guard) = world.poll_once(lock.as_mut()) {
            guard.change();
        } else {
            world.block_on(lock).change();
        }
        release.join().unwrap();
        assert_eq!(mutex.try_lock().expect("the lock was lost").look(), 1);
    });
    model("line: refresh, answer, drop", 4, |world| {
        let semaphore = Arc::new(Semaphore::new(1));
        semaphore.try_acquire().unwrap().forget();
        let release = {
            let mut acquire = pin!(semaphore.acquire());
            assert!(world.poll_once(acquire.as_mut()).is_pending());
            let release = spawn(world, &semaphore, |semaphore, _| {
                semaphore.add_permits(1).unwrap();
            });
            drop(world.poll_once(acquire.as_mut()));
            world.step();
            release
        };
        release.join().unwrap();
        assert!(semaphore.try_acquire().is_ok(), "the permit was lost");
    });
}

/// In a line of three, the first and the last leave while the second is answered.
#[test]
fn y12_neighbours_leave_the_line_at_the_same_time() {
    model("line: neighbours leave", 2, |world| {
        let semaphore = Arc::new(Semaphore::new(1));
        semaphore.try_acquire().unwrap().forget();
        let mut first = Box::pin(Arc::clone(&semaphore).acquire_owned());
        let mut second = Box::pin(Arc::clone(&semaphore).acquire_owned());
        let mut third = Box::pin(Arc::clone(&semaphore).acquire_owned());
        for place in [&mut first, &mut second, &mut third] {
            assert!(world.poll_once(place.as_mut()).is_pending());
        }
        let drops = [first, third].map(|place| {
            let world = Arc::clone(world);
            thread::spawn(move || {
                world.step();
                drop(place);
            })
        });
        world.step();
        semaphore.add_permits(1).unwrap();
        drop(world.block_on(second).unwrap());
        join_all(drops);
        assert_eq!(semaphore.waiting(), 0);
        assert!(semaphore.try_acquire().is_ok(), "the permit was lost");
    });
}
