//! Guards that own their mutex.

use std::{rc::Rc, sync::Arc, task::Poll};

use futures_lite::future::block_on;

use crate::support::{Census, Counter, panics, poll, poll_idle};

#[test]
fn y02_an_owned_lock_that_is_dropped_after_its_grant_passes_it_on() {
    let mutex = Arc::new(arborio_sync::Mutex::new(()));
    let guard = Arc::clone(&mutex).try_lock_owned();
    let (woken, waker) = Counter::new();
    let mut first = Box::pin(Arc::clone(&mutex).lock_owned());
    let mut second = Box::pin(Arc::clone(&mutex).lock_owned());
    assert!(poll_idle(&mut first).is_pending());
    assert!(poll(&mut second, &waker).is_pending());
    assert_eq!(Arc::strong_count(&mutex), 4);
    drop(guard);
    drop(first);
    assert_eq!((woken.count(), Arc::strong_count(&mutex)), (1, 2));
    let Poll::Ready(guard) = poll_idle(&mut second) else {
        panic!("it is its turn");
    };
    assert_eq!(
        Arc::strong_count(&mutex),
        2,
        "the guard took over the owner"
    );
    drop(second);
    drop(guard);
    assert_eq!(Arc::strong_count(&mutex), 1);
    assert!(mutex.try_lock().is_some());
}

#[test]
fn an_owned_guard_may_be_the_last_owner() {
    let census = Census::default();
    let mutex = Arc::new(arborio_sync::Mutex::new(census.value(1)));
    let guard = Arc::clone(&mutex).try_lock_owned().unwrap();
    let mut waiting = Box::pin(Arc::clone(&mutex).lock_owned());
    assert!(poll_idle(&mut waiting).is_pending());
    drop(mutex);
    drop(guard);
    assert_eq!(census.alive(), 1, "the one that waits owns it");
    drop(waiting);
    assert_eq!(census.alive(), 0);
}

#[cfg(panic = "unwind")]
#[test]
fn an_owned_lock_that_is_polled_after_its_end_panics() {
    let mutex = Arc::new(arborio_sync::Mutex::new(()));
    let mut lock = Box::pin(mutex.lock_owned());
    assert!(poll_idle(&mut lock).is_ready());
    assert!(panics(|| poll_idle(&mut lock)));
}

#[test]
fn an_owned_lock_of_an_unsized_value() {
    let mutex: Arc<arborio_sync::Mutex<[u8]>> = Arc::new(arborio_sync::Mutex::new([1, 2]));
    let mut guard = block_on(Arc::clone(&mutex).lock_owned());
    guard[0] = 3;
    drop(guard);
    assert_eq!(**mutex.try_lock().as_ref().unwrap(), [3, 2]);
}

#[test]
fn a_mutex_of_one_thread_is_locked_by_one_owned_guard_at_a_time() {
    let mutex = Rc::new(arborio_sync::local::Mutex::new(1));
    let mut guard = Rc::clone(&mutex).try_lock_owned().unwrap();
    assert!(Rc::clone(&mutex).try_lock_owned().is_none());
    *guard += 1;
    drop(guard);
    assert_eq!(*Rc::clone(&mutex).try_lock_owned().unwrap(), 2);
    assert_eq!(Rc::strong_count(&mutex), 1);
}
