//! Attempts to break the primitives from outside, with safe code only. Each one
//! is worth most under a sanitizer.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex as StdMutex, mpsc as std_mpsc},
    task::Poll,
    thread,
};

use arborio_sync::{
    Mutex, Promise, RwLock, Semaphore,
    flavour::{self, Flavour},
    mpmc, mpsc,
};

use crate::support::{
    Census, Counter, Script, in_both_flavours, panics, poll, poll_idle, without_hanging,
};

in_both_flavours![
    #[cfg(panic = "unwind")]
    a_send_that_is_polled_too_often_keeps_no_slot,
    #[cfg(panic = "unwind")]
    a_reservation_that_is_polled_too_often_keeps_no_slot,
    leaked_neighbours_outlive_the_lock_they_waited_for,
];

/// A mistake of the caller, who hears of it at once; the channel does not pay.
fn a_send_that_is_polled_too_often_keeps_no_slot<F: Flavour>() {
    let (sender, mut receiver) = flavour::mpsc::channel::<_, F>(1);
    let mut sent = Box::pin(sender.send(1));
    assert_eq!(poll_idle(&mut sent), Poll::Ready(Ok(())));
    assert!(panics(|| poll_idle(&mut sent)), "the channel is full");
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(panics(|| poll_idle(&mut sent)), "the channel is empty");
    drop(sent);
    assert_eq!((sender.capacity(), sender.len()), (1, 0));
    assert_eq!(sender.try_send(2), Ok(()));
}

fn a_reservation_that_is_polled_too_often_keeps_no_slot<F: Flavour>() {
    let (sender, _receiver) = flavour::mpsc::channel::<u8, F>(1);
    let mut reserve = Box::pin(sender.clone().reserve_owned());
    let Poll::Ready(Ok(permit)) = poll_idle(&mut reserve) else {
        panic!("a slot is free");
    };
    drop(permit);
    assert!(panics(|| poll_idle(&mut reserve)));
    assert_eq!(sender.capacity(), 1);
}

/// Places on both sides of one that leaves are in memory that nobody owns, and
/// the lock has moved since.
fn leaked_neighbours_outlive_the_lock_they_waited_for<F: Flavour>() {
    fn waits<'a, F: Flavour>(
        mutex: &'a flavour::Mutex<u8, F>,
    ) -> Pin<Box<flavour::Lock<'a, u8, F>>> {
        let mut lock = Box::pin(mutex.lock());
        assert!(poll_idle(&mut lock).is_pending());
        lock
    }
    let mutex = flavour::Mutex::<u8, F>::new(7);
    let (wakes, waker) = Counter::new();
    {
        std::mem::forget(mutex.try_lock());
        let first = waits(&mutex);
        let middle = waits(&mutex);
        let mut last = Box::pin(mutex.lock());
        assert!(poll(&mut last, &waker).is_pending());
        crate::leak::on_purpose((first, last));
        drop(middle);
    }
    let moved = Box::new(mutex);
    drop(waits(&moved));
    let mut behind = waits(&moved);
    assert!(poll_idle(&mut behind).is_pending());
    drop(behind);
    assert_eq!(moved.into_inner(), 7);
    assert_eq!(wakes.count(), 0);
}

#[test]
fn the_wake_of_a_release_may_drop_every_other_owner() {
    let semaphore = Arc::new(Semaphore::new(1));
    let alive = Arc::downgrade(&semaphore);
    let permit = Arc::clone(&semaphore).try_acquire_owned().unwrap();
    let others = Arc::new(StdMutex::new(Vec::new()));
    let script = {
        let others = Arc::clone(&others);
        Script::default()
            .on_wake(move || {
                let gone = std::mem::take(&mut *others.lock().unwrap());
                drop(gone);
            })
            .start()
    };
    for _ in 0..4 {
        let mut waiting = Box::pin(Arc::clone(&semaphore).acquire_owned());
        assert!(poll(&mut waiting, &script.waker()).is_pending());
        others.lock().unwrap().push(waiting);
    }
    drop(semaphore);
    drop(permit); // the one owner that is left when the wakes return
    assert!(alive.upgrade().is_none());
    // Each one that goes hands the permit on to the next.
    assert_eq!((script.wakes(), script.clones_alive()), (4, 0));
}

#[test]
fn a_callback_is_not_taken_back_by_the_number_of_a_promise_that_is_gone() {
    let gone: Vec<_> = (0..64)
        .map(|_| {
            let promise = Promise::<u64>::new();
            promise.on_done(|_| ())
        })
        .collect();
    // Some of these may lie where the others lay.
    for _ in 0..64 {
        let promise = Promise::<u64>::new();
        let id = promise.on_done(|_| ());
        assert!(gone.iter().all(|id| !promise.remove_callback(*id)));
        assert!(promise.remove_callback(id));
    }
}

type Abandoned = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Polls what `make` makes on this thread, and has another thread drop it, while
/// both take and give back.
fn dropped_elsewhere(make: impl Fn(usize) -> Abandoned) {
    let (sender, receiver) = std_mpsc::sync_channel::<Abandoned>(16);
    let dropper = thread::spawn(move || {
        for (number, mut future) in receiver.into_iter().enumerate() {
            if number % 3 == 0 {
                let _ = poll_idle(&mut future);
            }
        }
    });
    for number in 0..20_000 {
        let mut future = make(number);
        if poll_idle(&mut future).is_pending() {
            sender.send(future).unwrap();
        }
    }
    drop(sender);
    dropper.join().unwrap();
}

#[test]
fn permits_survive_futures_that_another_thread_drops() {
    for semaphore in [Semaphore::new(3), Semaphore::barging(3)] {
        without_hanging(move || {
            let semaphore = Arc::new(semaphore);
            dropped_elsewhere(|number| {
                let acquire = Arc::clone(&semaphore).acquire_many_owned(1 + number % 3);
                Box::pin(async move { drop(acquire.await) })
            });
            assert_eq!((semaphore.available_permits(), semaphore.waiting()), (3, 0));
        });
    }
}

#[test]
fn locks_survive_futures_that_another_thread_drops() {
    for lock in [RwLock::new(0), RwLock::barging(0)] {
        without_hanging(move || {
            let (lock, mutex) = (Arc::new(lock), Arc::new(Mutex::new(0)));
            let guards = StdMutex::new(Vec::new());
            dropped_elsewhere(|number| {
                // A reader that stays for a while, so that there is a line.
                let mut guards = guards.lock().unwrap();
                guards.extend(Arc::clone(&lock).try_read_owned());
                if number % 5 == 0 {
                    guards.clear();
                }
                let (lock, mutex) = (Arc::clone(&lock), Arc::clone(&mutex));
                Box::pin(async move {
                    let guard = mutex.lock_owned().await;
                    if number % 2 == 0 {
                        *lock.write_owned().await += 1;
                    } else {
                        let _ = *lock.read_owned().await;
                    }
                    drop(guard);
                })
            });
            guards.lock().unwrap().clear();
            assert!(lock.try_write().is_some() && mutex.try_lock().is_some());
        });
    }
}

#[test]
fn messages_survive_futures_that_another_thread_drops() {
    without_hanging(|| {
        let census = Census::default();
        let (sender, receiver) = mpmc::channel(2);
        dropped_elsewhere(|number| {
            let (sender, receiver) = (sender.clone(), receiver.clone());
            let message = census.value(number);
            Box::pin(async move {
                match number % 4 {
                    0 | 1 => drop(sender.send(message).await),
                    2 => drop(receiver.recv().await),
                    _ => drop(sender.reserve_owned().await),
                }
            })
        });
        assert_eq!(census.alive(), receiver.len());
        assert_eq!(sender.capacity() + receiver.len(), 2);
        while receiver.try_recv().is_ok() {}
        assert_eq!((census.alive(), sender.capacity()), (0, 2));
        sender.try_send(census.value(1)).unwrap();
        let received = receiver.blocking_recv().unwrap();
        assert_eq!(received.number, 1);
    });
}

#[test]
fn slots_survive_reservations_that_another_thread_drops() {
    without_hanging(|| {
        let (sender, mut receiver) = mpsc::channel(2);
        let (taken, take) = std_mpsc::channel();
        let consumer = thread::spawn(move || {
            while receiver.blocking_recv().is_some() {}
            taken.send(receiver.capacity()).unwrap();
        });
        dropped_elsewhere(|number| {
            let sender = sender.clone();
            Box::pin(async move {
                match number % 3 {
                    0 => drop(sender.send(number).await),
                    1 => drop(sender.reserve().await),
                    _ => drop(sender.reserve_owned().await),
                }
            })
        });
        drop(sender);
        consumer.join().unwrap();
        assert_eq!(take.recv(), Ok(2));
    });
}
