//! A read-write lock lets many read or one write, in order.

use std::{
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
};

use arborio_sync::{
    OwnedRwLockWriteGuard,
    flavour::{Flavour, RwLock, RwLockRead, RwLockReadGuard, RwLockWrite, RwLockWriteGuard},
};
use futures_lite::future::block_on;

use crate::support::{
    Census, Counter, Here, Log, Script, in_a_poll, in_both_flavours, panics, poll, poll_idle,
    without_hanging,
};

in_both_flavours![
    a_free_lock_is_taken_without_suspending,
    many_read_at_once_and_one_writes_alone,
    those_who_wait_are_served_in_the_order_in_which_they_came,
    y02_a_writer_that_is_dropped_after_its_grant_lets_the_readers_in,
    y02_a_reader_that_is_dropped_after_its_grant_lets_the_writer_in,
    y03_the_readers_behind_a_writer_go_on_when_it_is_dropped,
    y12_a_wake_may_drop_the_readers_behind_it,
    y15_an_abandoned_writer_does_not_hold_up_a_barging_lock,
    y17_a_writer_gets_in_although_readers_keep_coming,
    y17_a_recursive_read_waits_behind_a_writer,
    y17_a_recursive_read_of_a_barging_lock_does_not_wait,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_keeps_nobody_from_being_woken,
    a_downgrade_lets_the_readers_at_the_head_in,
    #[cfg(panic = "unwind")]
    a_holder_that_panics_releases,
    a_waker_may_use_the_lock_whenever_it_is_called,
    a_guard_that_is_forgotten_keeps_the_lock,
    a_lock_may_move_while_a_leaked_future_waits,
    it_shows_its_value_unless_somebody_writes,
];

fn read<T, F: Flavour>(lock: &RwLock<T, F>) -> Pin<Box<RwLockRead<'_, T, F>>> {
    Box::pin(lock.read())
}

fn write<T, F: Flavour>(lock: &RwLock<T, F>) -> Pin<Box<RwLockWrite<'_, T, F>>> {
    Box::pin(lock.write())
}

/// What a read that must be ready came to.
fn reads<'a, T, F: Flavour>(
    read: &mut Pin<Box<RwLockRead<'a, T, F>>>,
) -> RwLockReadGuard<'a, T, F> {
    match poll_idle(read) {
        Poll::Ready(guard) => guard,
        Poll::Pending => panic!("it is not the reader's turn"),
    }
}

/// What a write that must be ready came to.
fn writes<'a, T, F: Flavour>(
    write: &mut Pin<Box<RwLockWrite<'a, T, F>>>,
) -> RwLockWriteGuard<'a, T, F> {
    match poll_idle(write) {
        Poll::Ready(guard) => guard,
        Poll::Pending => panic!("it is not the writer's turn"),
    }
}

/// Whether nobody has the lock, and nobody waits for it.
fn is_free<T, F: Flavour>(lock: &RwLock<T, F>) -> bool {
    lock.try_write().is_some()
}

fn a_free_lock_is_taken_without_suspending<F: Flavour>() {
    let lock = RwLock::<_, F>::new(1);
    let script = Script::panics_on_clone();
    let waker = script.waker();
    {
        let (first, second) = (
            poll(&mut read(&lock), &waker),
            poll(&mut read(&lock), &waker),
        );
        assert!(first.is_ready() && second.is_ready());
    }
    let Poll::Ready(mut guard) = poll(&mut write(&lock), &waker) else {
        panic!("it suspended");
    };
    *guard += 1;
    drop(guard);
    assert_eq!(lock.into_inner(), 2);
}

fn many_read_at_once_and_one_writes_alone<F: Flavour>() {
    let lock = RwLock::<_, F>::new(1);
    let readers: Vec<_> = (0..100).map(|_| lock.try_read().unwrap()).collect();
    assert!(lock.try_write().is_none());
    assert_eq!(readers.iter().map(|guard| **guard).sum::<i32>(), 100);
    drop(readers);
    let writer = lock.try_write().unwrap();
    assert!(lock.try_read().is_none() && lock.try_write().is_none());
    drop(writer);
    assert!(is_free(&lock));
}

fn those_who_wait_are_served_in_the_order_in_which_they_came<F: Flavour>() {
    let (lock, log) = (RwLock::<_, F>::new(()), Log::default());
    let writer = lock.try_write();
    let (mut one, mut two) = (read(&lock), read(&lock));
    let mut three = write(&lock);
    let mut four = read(&lock);
    assert!(poll(&mut one, &log.waker(1)).is_pending());
    assert!(poll(&mut two, &log.waker(2)).is_pending());
    assert!(poll(&mut three, &log.waker(3)).is_pending());
    assert!(poll(&mut four, &log.waker(4)).is_pending());
    drop(writer);
    assert_eq!(log.take(), [1, 2], "the readers before the next writer");
    let (one, two) = (reads(&mut one), reads(&mut two));
    drop(one);
    assert_eq!(log.take(), [0; 0]);
    drop(two);
    assert_eq!(log.take(), [3]);
    assert!(poll(&mut four, &log.waker(4)).is_pending());
    drop(writes(&mut three));
    assert_eq!(log.take(), [4]);
    drop(reads(&mut four));
    assert!(is_free(&lock));
}

fn y02_a_writer_that_is_dropped_after_its_grant_lets_the_readers_in<F: Flavour>() {
    let (lock, log) = (RwLock::<_, F>::new(()), Log::default());
    let reader = lock.try_read();
    let (mut writer, mut one, mut two) = (write(&lock), read(&lock), read(&lock));
    assert!(poll(&mut writer, &log.waker(0)).is_pending());
    assert!(poll(&mut one, &log.waker(1)).is_pending());
    assert!(poll(&mut two, &log.waker(2)).is_pending());
    drop(reader);
    assert_eq!(log.take(), [0]);
    drop(writer);
    assert_eq!(log.take(), [1, 2]);
    drop((reads(&mut one), reads(&mut two)));
    assert!(is_free(&lock));
}

fn y02_a_reader_that_is_dropped_after_its_grant_lets_the_writer_in<F: Flavour>() {
    let (lock, log) = (RwLock::<_, F>::new(()), Log::default());
    let holder = lock.try_write();
    let (mut reader, mut writer) = (read(&lock), write(&lock));
    assert!(poll(&mut reader, &log.waker(1)).is_pending());
    assert!(poll(&mut writer, &log.waker(2)).is_pending());
    drop(holder);
    assert_eq!(log.take(), [1]);
    drop(reader);
    assert_eq!(log.take(), [2]);
    drop(writes(&mut writer));
    assert!(is_free(&lock));
}

fn y03_the_readers_behind_a_writer_go_on_when_it_is_dropped<F: Flavour>() {
    let (lock, log) = (RwLock::<_, F>::new(()), Log::default());
    let reader = lock.try_read();
    let (mut writer, mut one, mut two) = (write(&lock), read(&lock), read(&lock));
    assert!(poll(&mut writer, &log.waker(0)).is_pending());
    assert!(poll(&mut one, &log.waker(1)).is_pending());
    assert!(poll(&mut two, &log.waker(2)).is_pending());
    drop(writer);
    assert_eq!(log.take(), [1, 2], "while the first still reads");
    drop((reads(&mut one), reads(&mut two), reader));
    assert!(is_free(&lock));
}

fn y12_a_wake_may_drop_the_readers_behind_it<F: Flavour>() {
    let lock = Rc::new(RwLock::<_, F>::new(()));
    let others = Rc::new(std::cell::RefCell::new(Vec::new()));
    let here = Here::new(Rc::clone(&others));
    let script = Script::default().on_wake(move || drop(here.take())).start();
    let writer = lock.try_write();
    let mut first = read(&lock);
    assert!(poll(&mut first, &script.waker()).is_pending());
    for _ in 0..3 {
        let lock = Rc::clone(&lock);
        let mut other = Box::pin(async move { drop(lock.read().await) });
        assert!(poll_idle(&mut other).is_pending());
        others.borrow_mut().push(other);
    }
    drop(writer);
    assert!(others.borrow().is_empty());
    drop(reads(&mut first));
    assert!(is_free(&lock));
}

fn y15_an_abandoned_writer_does_not_hold_up_a_barging_lock<F: Flavour>() {
    let lock = RwLock::<_, F>::barging(());
    let reader = lock.try_read();
    let mut abandoned = write(&lock);
    assert!(poll_idle(&mut abandoned).is_pending());
    drop(reader);
    assert!(is_free(&lock));
    drop(writes(&mut write(&lock)));
    drop(reads(&mut read(&lock)));
    drop(writes(&mut abandoned));
}

fn y17_a_writer_gets_in_although_readers_keep_coming<F: Flavour>() {
    let lock = RwLock::<_, F>::new(0);
    // There is always somebody who reads: each comes before the last one goes.
    let mut reader = Some(reads(&mut read(&lock)));
    let mut writer = write(&lock);
    assert!(poll_idle(&mut writer).is_pending());
    let mut queued = Vec::new();
    for _ in 0..10 {
        let mut late = read(&lock);
        assert!(
            poll_idle(&mut late).is_pending(),
            "it comes after the writer"
        );
        queued.push(late);
    }
    drop(reader.take());
    *writes(&mut writer) += 1;
    for late in &mut queued {
        assert_eq!(*reads(late), 1);
    }
    assert!(is_free(&lock));
}

fn y17_a_recursive_read_waits_behind_a_writer<F: Flavour>() {
    let lock = RwLock::<_, F>::new(());
    let first = reads(&mut read(&lock));
    // Without a writer in between it would do no harm.
    drop(reads(&mut read(&lock)));
    let mut writer = write(&lock);
    assert!(poll_idle(&mut writer).is_pending());
    let mut again = read(&lock);
    assert!(
        poll_idle(&mut again).is_pending(),
        "a deadlock, as documented"
    );
    assert!(lock.try_read().is_none());
    drop(first);
    drop(writes(&mut writer));
    drop(reads(&mut again));
}

fn y17_a_recursive_read_of_a_barging_lock_does_not_wait<F: Flavour>() {
    let (lock, log) = (RwLock::<_, F>::barging(()), Log::default());
    let first = reads(&mut read(&lock));
    let mut writer = write(&lock);
    assert!(poll(&mut writer, &log.waker(1)).is_pending());
    let again = reads(&mut read(&lock));
    let third = lock.try_read().expect("nobody writes");
    drop((first, again));
    assert!(poll(&mut writer, &log.waker(1)).is_pending());
    log.take();
    drop(third);
    assert_eq!(log.take(), [1]);
    drop(writes(&mut writer));
}

fn x09_a_waker_that_panics_keeps_nobody_from_being_woken<F: Flavour>() {
    let (lock, (woken, waker)) = (RwLock::<_, F>::new(()), Counter::new());
    let script = Script::panics_on_wake();
    let writer = lock.try_write();
    let mut waiting: Vec<_> = (0..4).map(|_| read(&lock)).collect();
    for (number, read) in waiting.iter_mut().enumerate() {
        let waker = if number % 2 == 0 {
            &script.waker()
        } else {
            &waker
        };
        assert!(poll(read, waker).is_pending());
    }
    drop(writer);
    assert_eq!((script.wakes(), woken.count()), (2, 2));
    waiting.iter_mut().for_each(|read| drop(reads(read)));
    assert!(is_free(&lock));
}

fn a_downgrade_lets_the_readers_at_the_head_in<F: Flavour>() {
    let (lock, log) = (RwLock::<_, F>::new(0), Log::default());
    let mut writer = lock.try_write().unwrap();
    let (mut reader, mut next, mut last) = (read(&lock), write(&lock), read(&lock));
    assert!(poll(&mut reader, &log.waker(1)).is_pending());
    assert!(poll(&mut next, &log.waker(2)).is_pending());
    assert!(poll(&mut last, &log.waker(3)).is_pending());
    *writer += 1;
    let downgraded = RwLockWriteGuard::downgrade(writer);
    assert_eq!(log.take(), [1]);
    assert_eq!(*reads(&mut reader) + *downgraded, 2);
    assert_eq!(
        log.take(),
        [0; 0],
        "the next writer waits for the downgraded one"
    );
    drop(downgraded);
    assert_eq!(log.take(), [2]);
    drop(writes(&mut next));
    drop(reads(&mut last));
    assert!(is_free(&lock));
}

fn a_holder_that_panics_releases<F: Flavour>() {
    let lock = RwLock::<_, F>::new(0);
    assert!(panics(|| {
        let mut guard = lock.try_write().unwrap();
        *guard = 1;
        panic!("a writer panics");
    }));
    assert!(panics(|| {
        let _guard = lock.try_read().unwrap();
        panic!("a reader panics");
    }));
    assert!(is_free(&lock));
    assert_eq!(lock.into_inner(), 1, "it is not poisoned");
}

fn a_waker_may_use_the_lock_whenever_it_is_called<F: Flavour>() {
    let lock = Rc::new(RwLock::<_, F>::new(()));
    let here = Here::new(Rc::clone(&lock));
    let script = Script::always(move || {
        drop((here.try_read(), here.try_write()));
        drop(poll_idle(&mut read(&here)));
        drop(poll_idle(&mut write(&here)));
    });
    let guard = lock.try_write();
    let (mut first, mut second, mut third) = (read(&lock), write(&lock), read(&lock));
    assert!(poll(&mut first, &script.waker()).is_pending());
    assert!(poll(&mut second, &script.waker()).is_pending());
    assert!(poll(&mut third, &script.waker()).is_pending());
    assert!(poll(&mut third, Waker::noop()).is_pending());
    assert!(poll(&mut third, &script.waker()).is_pending());
    drop(guard);
    drop(reads(&mut first));
    drop(second);
    drop(reads(&mut third));
    assert_eq!(script.wakes(), 3);
    assert!(is_free(&lock));
}

fn a_guard_that_is_forgotten_keeps_the_lock<F: Flavour>() {
    let mut lock = RwLock::<_, F>::new(7);
    std::mem::forget(lock.try_read());
    assert!(lock.try_read().is_some() && lock.try_write().is_none());
    crate::leak::on_purpose(write(&lock)); // was never polled: nobody waits
    assert!(lock.try_read().is_some());
    *lock.get_mut() += 1;
    assert_eq!(Box::new(lock).into_inner(), 8);
}

fn a_lock_may_move_while_a_leaked_future_waits<F: Flavour>() {
    let (lock, (woken, waker)) = (RwLock::<_, F>::new(()), Counter::new());
    std::mem::forget(lock.try_read());
    let (mut leaked, mut also) = (write(&lock), read(&lock));
    assert!(poll(&mut leaked, &waker).is_pending());
    assert!(poll(&mut also, &waker).is_pending());
    crate::leak::on_purpose((leaked, also));
    let moved = Box::new(lock);
    let mut behind = read(&moved);
    assert!(poll_idle(&mut behind).is_pending());
    drop(behind);
    assert_eq!(woken.count(), 0);
}

fn it_shows_its_value_unless_somebody_writes<F: Flavour>() {
    let lock = RwLock::<_, F>::new(7);
    let reader = lock.try_read().unwrap();
    assert_eq!(format!("{lock:?} {reader:?} {reader}"), "RwLock(7) 7 7");
    drop(reader);
    let writer = lock.try_write().unwrap();
    assert_eq!(
        format!("{lock:?} {writer:?} {writer}"),
        "RwLock(<locked>) 7 7"
    );
}

#[cfg(panic = "unwind")]
#[test]
fn a_blocking_lock_in_a_task_panics_even_if_the_lock_is_free() {
    let lock = arborio_sync::RwLock::new(1);
    assert!(in_a_poll(|| panics(|| lock.blocking_read())));
    assert!(in_a_poll(|| panics(|| lock.blocking_write())));
    *lock.blocking_write() += 1;
    assert_eq!(*lock.blocking_read(), 2);
}

#[test]
fn y02_owned_locks_that_are_dropped_after_their_grant_pass_it_on() {
    let census = Census::default();
    let lock = Arc::new(arborio_sync::RwLock::new(census.value(1)));
    let holder = Arc::clone(&lock).try_read_owned();
    let mut writer = Box::pin(Arc::clone(&lock).write_owned());
    let mut reader = Box::pin(Arc::clone(&lock).read_owned());
    assert!(poll_idle(&mut writer).is_pending());
    assert!(poll_idle(&mut reader).is_pending());
    drop(holder);
    drop(writer);
    let Poll::Ready(guard) = poll_idle(&mut reader) else {
        panic!("it is the reader's turn");
    };
    drop((lock, reader));
    assert_eq!(
        (guard.number, census.alive()),
        (1, 1),
        "the guard owns the lock"
    );
    drop(guard);
    assert_eq!(census.alive(), 0);
}

#[test]
fn an_owned_writer_that_goes_on_as_a_reader_keeps_one_permit() {
    let lock = Arc::new(arborio_sync::RwLock::new(1));
    let mut writer = Arc::clone(&lock).try_write_owned().unwrap();
    *writer += 1;
    let reader = OwnedRwLockWriteGuard::downgrade(writer);
    assert!(lock.try_write().is_none());
    assert_eq!((*reader, lock.try_read().map(|guard| *guard)), (2, Some(2)));
    assert_eq!(Arc::strong_count(&lock), 2);
    drop(reader);
    assert!(is_free(&lock));
}

#[test]
fn a_lock_of_one_thread_has_owned_guards_that_read_together_and_write_alone() {
    let lock = Rc::new(arborio_sync::local::RwLock::new(1));
    let mut writer = Rc::clone(&lock).try_write_owned().unwrap();
    *writer += 1;
    assert!(Rc::clone(&lock).try_read_owned().is_none());
    drop(writer);
    let readers = [(); 2].map(|()| Rc::clone(&lock).try_read_owned().unwrap());
    assert_eq!(readers.each_ref().map(|reader| **reader), [2, 2]);
    assert!(Rc::clone(&lock).try_write_owned().is_none());
    drop(readers);
    assert_eq!(Rc::strong_count(&lock), 1);
    assert!(is_free(&lock));
}

#[test]
fn threads_see_whole_writes_only() {
    for lock in [
        arborio_sync::RwLock::new([0_usize; 4]),
        arborio_sync::RwLock::barging([0_usize; 4]),
    ] {
        without_hanging(move || {
            let written = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (lock, written) = (&lock, &written);
                    scope.spawn(move || {
                        for turn in 0..2_000 {
                            if (turn + thread) % 4 == 0 {
                                let mut guard = block_on(lock.write());
                                guard.iter_mut().for_each(|part| *part += 1);
                                written.fetch_add(1, Ordering::Relaxed);
                                if turn % 8 == 0 {
                                    let guard = RwLockWriteGuard::downgrade(guard);
                                    assert!(guard.iter().all(|part| *part == guard[0]));
                                }
                                continue;
                            }
                            let _ = poll_idle(&mut write(lock)).is_ready();
                            let guard = lock.blocking_read();
                            assert!(guard.iter().all(|part| *part == guard[0]));
                        }
                    });
                }
            });
            assert_eq!(lock.into_inner(), [written.into_inner(); 4]);
        });
    }
}
