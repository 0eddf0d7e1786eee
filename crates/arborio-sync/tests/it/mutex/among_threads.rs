//! A mutex between threads.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use futures_lite::future::block_on;

use super::lock;
use crate::support::{poll_idle, without_hanging};

/// Runs `body` on four threads, and waits for them.
fn on_four_threads(body: impl Fn(usize) + Send + Sync + 'static) {
    without_hanging(move || {
        std::thread::scope(|scope| {
            for number in 0..4 {
                let body = &body;
                scope.spawn(move || body(number));
            }
        });
    });
}

#[test]
fn threads_exclude_each_other_however_they_lock() {
    const EACH: usize = 5_000;
    for mutex in [arborio_sync::Mutex::new(0), arborio_sync::Mutex::barging(0)] {
        let mutex = Arc::new(mutex);
        let inside = Arc::new(AtomicBool::new(false));
        let locked = Arc::new(AtomicUsize::new(0));
        let shared = (Arc::clone(&mutex), inside, Arc::clone(&locked));
        on_four_threads(move |number| {
            let (mutex, inside, locked) = &shared;
            for turn in 0..EACH {
                let guard = match (turn + number) % 4 {
                    0 => Some(block_on(mutex.lock())),
                    1 => Some(mutex.blocking_lock()),
                    2 => mutex.try_lock(),
                    _ => {
                        // Given up at once, granted or not.
                        let _ = poll_idle(&mut lock(mutex)).is_ready();
                        None
                    }
                };
                let Some(mut guard) = guard else { continue };
                assert!(!inside.swap(true, Ordering::Relaxed), "two are inside");
                *guard += 1; // not atomic: a second holder would lose counts
                locked.fetch_add(1, Ordering::Relaxed);
                inside.store(false, Ordering::Relaxed);
            }
        });
        assert_eq!(
            mutex.try_lock().map(|guard| *guard),
            Some(locked.load(Ordering::Relaxed))
        );
    }
}
