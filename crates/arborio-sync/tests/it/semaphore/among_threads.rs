//! A semaphore between threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_lite::future::block_on;

use super::acquire;
use crate::support::{poll_idle, without_hanging};

#[test]
fn threads_never_hold_more_permits_than_there_are() {
    const SIZE: usize = 3;
    for semaphore in [
        arborio_sync::Semaphore::new(SIZE),
        arborio_sync::Semaphore::barging(SIZE),
    ] {
        without_hanging(move || {
            let held = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (semaphore, held) = (&semaphore, &held);
                    scope.spawn(move || {
                        for turn in 0..3_000 {
                            let count = 1 + (turn + thread) % SIZE;
                            let permits = match turn % 3 {
                                0 => block_on(semaphore.acquire_many(count)).unwrap(),
                                1 => semaphore.blocking_acquire_many(count).unwrap(),
                                _ => {
                                    let _ = poll_idle(&mut acquire(semaphore, count)).is_ready();
                                    continue;
                                }
                            };
                            let before = held.fetch_add(count, Ordering::Relaxed);
                            assert!(before + count <= SIZE, "{before} and {count}");
                            held.fetch_sub(count, Ordering::Relaxed);
                            drop(permits);
                        }
                    });
                }
            });
            assert_eq!(
                (semaphore.available_permits(), semaphore.waiting()),
                (SIZE, 0)
            );
        });
    }
}
