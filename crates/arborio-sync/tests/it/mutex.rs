//! A mutex hands over in order, whatever becomes of those who wait.

mod among_threads;
mod owned;

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Poll, Waker},
};

use arborio_sync::flavour::{Flavour, Lock, Mutex, MutexGuard};
use futures_lite::future::{block_on, yield_now};

use crate::support::{
    Census, Counter, Here, Log, Script, in_a_poll, in_both_flavours, panics, poll, poll_idle,
};

in_both_flavours![
    s31_an_uncontended_lock_does_not_suspend,
    s31_waiters_are_served_in_the_order_in_which_they_came,
    s31_nobody_overtakes_a_waiter,
    s31_a_release_and_a_new_lock_take_turns_with_the_waiter,
    s31_a_waiter_that_is_cancelled_before_its_grant_leaves_the_order_alone,
    s31_y02_a_waiter_that_is_cancelled_after_its_grant_passes_the_lock_on,
    s31_y02_a_lock_passes_through_many_that_were_cancelled_after_their_grant,
    #[cfg(panic = "unwind")]
    s31_a_holder_that_panics_releases,
    s31_a_holder_that_is_cancelled_releases,
    y12_a_wake_may_drop_the_waiters_behind_it,
    y12_a_wake_may_drop_the_waiter_that_it_is_for,
    y15_an_abandoned_waiter_holds_up_a_fair_mutex,
    y15_an_abandoned_waiter_does_not_hold_up_a_barging_mutex,
    y15_a_lock_polled_by_turns_in_a_select_is_handed_over,
    y16_sixty_four_tasks_get_the_same_number_of_locks,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_woken_costs_nobody_the_lock,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_cloned_has_no_effect,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_dropped_is_contained,
    a_waker_may_use_the_mutex_whenever_it_is_called,
    a_barging_mutex_wakes_all_and_goes_to_the_first_polled,
    a_guard_that_is_forgotten_keeps_the_lock,
    a_mutex_may_move_while_a_leaked_future_waits,
    a_lock_that_was_never_polled_costs_nothing,
    the_last_poll_counts_for_the_wake,
    the_value_is_dropped_once,
    it_shows_its_value_unless_it_is_locked,
];

fn lock<T, F: Flavour>(mutex: &Mutex<T, F>) -> Pin<Box<Lock<'_, T, F>>> {
    Box::pin(mutex.lock())
}

/// What a lock that must be ready came to.
fn granted<'a, T, F: Flavour>(lock: &mut Pin<Box<Lock<'a, T, F>>>) -> MutexGuard<'a, T, F> {
    match poll_idle(lock) {
        Poll::Ready(guard) => guard,
        Poll::Pending => panic!("it is not its turn"),
    }
}

fn s31_an_uncontended_lock_does_not_suspend<F: Flavour>() {
    let mutex = Mutex::<_, F>::new(1);
    // Not even the waker is looked at.
    let script = Script::panics_on_clone();
    let waker = script.waker();
    for _ in 0..3 {
        let Poll::Ready(mut guard) = poll(&mut lock(&mutex), &waker) else {
            panic!("it suspended");
        };
        *guard += 1;
    }
    assert_eq!(mutex.into_inner(), 4);
}

fn s31_waiters_are_served_in_the_order_in_which_they_came<F: Flavour>() {
    let (mutex, log) = (Mutex::<_, F>::new(()), Log::default());
    let mut guard = mutex.try_lock();
    let mut waiting: Vec<_> = (0..5).map(|_| lock(&mutex)).collect();
    for (number, lock) in waiting.iter_mut().enumerate() {
        assert!(poll(lock, &log.waker(number)).is_pending());
    }
    for number in 0..5 {
        drop(guard.take());
        assert_eq!(log.take(), [number], "one is woken, in its turn");
        for (later, lock) in waiting.iter_mut().enumerate().skip(number + 1) {
            assert!(poll(lock, &log.waker(later)).is_pending());
        }
        guard = Some(granted(&mut waiting[number]));
    }
}

fn s31_nobody_overtakes_a_waiter<F: Flavour>() {
    let mutex = Mutex::<_, F>::new(());
    let guard = mutex.try_lock().unwrap();
    let mut first = lock(&mutex);
    assert!(poll_idle(&mut first).is_pending());
    drop(guard);
    // Granted, although it was not polled again.
    assert!(mutex.is_locked());
    assert!(mutex.try_lock().is_none());
    let mut second = lock(&mutex);
    assert!(poll_idle(&mut second).is_pending());
    drop(granted(&mut first));
    drop(granted(&mut second));
    assert!(mutex.try_lock().is_some());
}

fn s31_a_release_and_a_new_lock_take_turns_with_the_waiter<F: Flavour>() {
    let (mutex, order) = (Rc::new(Mutex::<_, F>::new(())), Log::default());
    let turns = |number: usize| {
        let (mutex, order) = (Rc::clone(&mutex), order.clone());
        async move {
            for _ in 0..3 {
                let _guard = mutex.lock().await;
                order.add(number);
                yield_now().await;
            }
        }
    };
    block_on(futures_lite::future::zip(turns(1), turns(2)));
    assert_eq!(order.take(), [1, 2, 1, 2, 1, 2]);
}

fn s31_a_waiter_that_is_cancelled_before_its_grant_leaves_the_order_alone<F: Flavour>() {
    // The first, one in the middle, and the last of the line go.
    for gone in 0..3 {
        let (mutex, log) = (Mutex::<_, F>::new(()), Log::default());
        let guard = mutex.try_lock();
        let mut waiting: Vec<_> = (0..3).map(|number| (number, lock(&mutex))).collect();
        for (number, lock) in &mut waiting {
            assert!(poll(lock, &log.waker(*number)).is_pending());
        }
        drop(waiting.remove(gone));
        assert!(log.take().is_empty(), "there is nothing to tell anybody");
        drop(guard);
        for (number, mut lock) in waiting {
            assert_eq!(log.take(), [number]);
            drop(granted(&mut lock));
        }
        assert!(mutex.try_lock().is_some());
    }
}

fn s31_y02_a_waiter_that_is_cancelled_after_its_grant_passes_the_lock_on<F: Flavour>() {
    let (mutex, log) = (Mutex::<_, F>::new(()), Log::default());
    let guard = mutex.try_lock();
    let (mut first, mut second) = (lock(&mutex), lock(&mutex));
    assert!(poll(&mut first, &log.waker(1)).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    drop(guard);
    assert_eq!(log.take(), [1]);
    drop(first);
    assert_eq!(log.take(), [2], "the lock goes to the next");
    drop(granted(&mut second));
    assert!(mutex.try_lock().is_some());
}

fn s31_y02_a_lock_passes_through_many_that_were_cancelled_after_their_grant<F: Flavour>() {
    let (mutex, log) = (Mutex::<_, F>::new(()), Log::default());
    let guard = mutex.try_lock();
    let mut waiting: Vec<_> = (0..10).map(|_| lock(&mutex)).collect();
    for (number, lock) in waiting.iter_mut().enumerate() {
        assert!(poll(lock, &log.waker(number)).is_pending());
    }
    drop(guard);
    drop(waiting); // in order: each drop grants the next
    assert_eq!(log.take(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(mutex.try_lock().is_some(), "and then it is free");
}

fn s31_a_holder_that_panics_releases<F: Flavour>() {
    let (mutex, (woken, waker)) = (Mutex::<_, F>::new(0), Counter::new());
    let mut waiting = lock(&mutex);
    assert!(panics(|| {
        let mut guard = mutex.try_lock().unwrap();
        assert!(poll(&mut waiting, &waker).is_pending());
        *guard = 1;
        panic!("a holder panics");
    }));
    assert_eq!(woken.count(), 1);
    assert_eq!(*granted(&mut waiting), 1, "it is not poisoned");
}

fn s31_a_holder_that_is_cancelled_releases<F: Flavour>() {
    let (mutex, (woken, waker)) = (Mutex::<_, F>::new(()), Counter::new());
    let mut holder = Box::pin(async {
        let _guard = mutex.lock().await;
        std::future::pending::<()>().await;
    });
    assert!(poll_idle(&mut holder).is_pending());
    let mut waiting = lock(&mutex);
    assert!(poll(&mut waiting, &waker).is_pending());
    drop(holder);
    assert_eq!(woken.count(), 1);
    drop(granted(&mut waiting));
}

type Bag = Rc<RefCell<Vec<Pin<Box<dyn Future<Output = ()>>>>>>;

/// Somebody who locks `mutex` once, and has no use for it.
fn visitor<F: Flavour>(mutex: &Rc<Mutex<(), F>>) -> Pin<Box<dyn Future<Output = ()>>> {
    let mutex = Rc::clone(mutex);
    Box::pin(async move { drop(mutex.lock().await) })
}

fn y12_a_wake_may_drop_the_waiters_behind_it<F: Flavour>() {
    let (mutex, bag) = (Rc::new(Mutex::<_, F>::new(())), Bag::default());
    let guard = mutex.try_lock();
    let mut first = visitor(&mutex);
    let here = Here::new(Rc::clone(&bag));
    let script = Script::default().on_wake(move || drop(here.take())).start();
    assert!(poll(&mut first, &script.waker()).is_pending());
    for _ in 0..3 {
        let mut behind = visitor(&mutex);
        assert!(poll_idle(&mut behind).is_pending());
        bag.borrow_mut().push(behind);
    }
    drop(guard);
    assert!(bag.borrow().is_empty(), "the wake dropped them");
    assert!(poll_idle(&mut first).is_ready());
    assert!(mutex.try_lock().is_some());
}

fn y12_a_wake_may_drop_the_waiter_that_it_is_for<F: Flavour>() {
    let (mutex, bag) = (Rc::new(Mutex::<_, F>::new(())), Bag::default());
    let guard = mutex.try_lock();
    let (woken, waker) = Counter::new();
    let here = Here::new(Rc::clone(&bag));
    let script = Script::default().on_wake(move || drop(here.take())).start();
    let (mut first, mut second) = (visitor(&mutex), visitor(&mutex));
    assert!(poll(&mut first, &script.waker()).is_pending());
    assert!(poll(&mut second, &waker).is_pending());
    bag.borrow_mut().push(first);
    drop(guard);
    assert_eq!(
        woken.count(),
        1,
        "what the first was given goes to the second"
    );
    assert!(poll_idle(&mut second).is_ready());
    assert!(mutex.try_lock().is_some());
}

fn y15_an_abandoned_waiter_holds_up_a_fair_mutex<F: Flavour>() {
    let mutex = Mutex::<_, F>::new(());
    let guard = mutex.try_lock();
    let mut abandoned = lock(&mutex);
    assert!(poll_idle(&mut abandoned).is_pending());
    drop(guard);
    let mut other = lock(&mutex);
    assert!(poll_idle(&mut other).is_pending(), "as documented");
    drop(abandoned);
    drop(granted(&mut other));
}

fn y15_an_abandoned_waiter_does_not_hold_up_a_barging_mutex<F: Flavour>() {
    let mutex = Mutex::<_, F>::barging(());
    let guard = mutex.try_lock();
    let mut abandoned = lock(&mutex);
    assert!(poll_idle(&mut abandoned).is_pending());
    drop(guard);
    assert!(mutex.try_lock().is_some());
    drop(granted(&mut lock(&mutex)));
    drop(granted(&mut abandoned));
}

fn y15_a_lock_polled_by_turns_in_a_select_is_handed_over<F: Flavour>() {
    let mutex = Mutex::<_, F>::new(());
    let guard = mutex.try_lock();
    let mut kept = lock(&mutex);
    // The loser of a select is kept by reference, and polled again later.
    let first = futures_lite::future::or(async { drop((&mut kept).await) }, async {});
    block_on(first);
    drop(guard);
    drop(block_on(kept));
    assert!(mutex.try_lock().is_some());
}

fn y16_sixty_four_tasks_get_the_same_number_of_locks<F: Flavour>() {
    const TASKS: usize = 64;
    const LOCKS: usize = 100_000;
    let (mutex, ready) = (Mutex::<_, F>::new([0; TASKS]), Log::default());
    let total = Cell::new(0);
    let task = async |number: usize| {
        loop {
            let mut guard = mutex.lock().await;
            guard[number] += 1;
            total.set(total.get() + 1);
            yield_now().await; // the others come and stand in line
        }
    };
    let mut tasks: Vec<_> = (0..TASKS).map(|number| Box::pin(task(number))).collect();
    let wakers: Vec<_> = (0..TASKS).map(|number| ready.waker(number)).collect();
    (0..TASKS).for_each(|number| ready.add(number));
    while total.get() < LOCKS {
        for number in ready.take() {
            assert!(poll(&mut tasks[number], &wakers[number]).is_pending());
        }
    }
    drop(tasks);
    let counts = mutex.into_inner();
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert_eq!(counts.iter().sum::<usize>(), total.get());
    assert!(most - least <= 1, "between {least} and {most}");
}

fn x09_a_waker_that_panics_as_it_is_woken_costs_nobody_the_lock<F: Flavour>() {
    let (mutex, (woken, waker)) = (Mutex::<_, F>::new(()), Counter::new());
    let guard = mutex.try_lock();
    let (mut first, mut second) = (lock(&mutex), lock(&mutex));
    assert!(poll(&mut first, &Script::panics_on_wake().waker()).is_pending());
    assert!(poll(&mut second, &waker).is_pending());
    drop(guard); // does not panic
    drop(granted(&mut first));
    assert_eq!(woken.count(), 1);
    drop(granted(&mut second));
}

fn x09_a_waker_that_panics_as_it_is_cloned_has_no_effect<F: Flavour>() {
    let (mutex, (woken, waker)) = (Mutex::<_, F>::new(()), Counter::new());
    let guard = mutex.try_lock();
    let (mut first, mut second) = (lock(&mutex), lock(&mutex));
    let script = Script::panics_on_clone();
    let bad = script.waker();
    // Before it joins the line, and when its waker is to be replaced.
    assert!(panics(|| poll(&mut first, &bad)));
    assert!(poll_idle(&mut second).is_pending());
    assert!(panics(|| poll(&mut second, &bad)));
    assert!(poll(&mut second, &waker).is_pending());
    drop(guard);
    assert_eq!(woken.count(), 1, "the first never came");
    drop(granted(&mut second));
    drop(granted(&mut first));
}

fn x09_a_waker_that_panics_as_it_is_dropped_is_contained<F: Flavour>() {
    let (mutex, (woken, waker)) = (Mutex::<_, F>::new(()), Counter::new());
    let guard = mutex.try_lock();
    let script = Script::panics_on_drop();
    let bad = script.waker();
    let (mut replaced, mut gone, mut last) = (lock(&mutex), lock(&mutex), lock(&mutex));
    assert!(poll(&mut replaced, &bad).is_pending());
    assert!(poll(&mut gone, &bad).is_pending());
    assert!(poll(&mut last, &waker).is_pending());
    assert!(poll(&mut replaced, &waker).is_pending());
    drop(gone);
    drop(guard);
    assert_eq!(woken.count(), 1);
    drop(granted(&mut replaced));
    assert_eq!(woken.count(), 2);
    drop(granted(&mut last));
    assert_eq!(script.clones_alive(), 1, "nothing was leaked");
    script.hush();
}

fn a_waker_may_use_the_mutex_whenever_it_is_called<F: Flavour>() {
    let mutex = Rc::new(Mutex::<_, F>::new(()));
    let here = Here::new(Rc::clone(&mutex));
    let script = Script::always(move || {
        // Looks, joins the line, and leaves it again.
        drop(here.try_lock());
        let _ = here.is_locked();
        drop(poll_idle(&mut lock(&here)));
    });
    for _ in 0..3 {
        let guard = mutex.try_lock();
        let (mut first, mut second) = (lock(&mutex), lock(&mutex));
        assert!(poll(&mut first, &script.waker()).is_pending());
        assert!(poll(&mut second, &script.waker()).is_pending());
        assert!(poll(&mut second, Waker::noop()).is_pending());
        assert!(poll(&mut second, &script.waker()).is_pending());
        drop(guard);
        drop(granted(&mut first));
        drop(second);
        assert!(mutex.try_lock().is_some());
    }
    assert_eq!(script.wakes(), 6);
}

fn a_barging_mutex_wakes_all_and_goes_to_the_first_polled<F: Flavour>() {
    let (mutex, log) = (Mutex::<_, F>::barging(()), Log::default());
    let guard = mutex.try_lock();
    let mut waiting: Vec<_> = (0..3).map(|_| lock(&mutex)).collect();
    for (number, lock) in waiting.iter_mut().enumerate() {
        assert!(poll(lock, &log.waker(number)).is_pending());
    }
    drop(guard);
    assert_eq!(log.take(), [0, 1, 2]);
    let winner = granted(&mut waiting[2]);
    assert!(poll(&mut waiting[0], &log.waker(0)).is_pending());
    drop(winner);
    assert_eq!(log.take(), [0], "the one that was not polled knows already");
    drop(granted(&mut waiting[1]));
    drop(granted(&mut waiting[0]));
}

fn a_guard_that_is_forgotten_keeps_the_lock<F: Flavour>() {
    let mutex = Mutex::<_, F>::new(7);
    std::mem::forget(mutex.try_lock());
    assert!(mutex.try_lock().is_none());
    assert!(poll_idle(&mut lock(&mutex)).is_pending());
    let mut moved = Box::new(mutex);
    assert_eq!(*moved.get_mut(), 7, "whoever owns the mutex has its value");
    assert_eq!(moved.into_inner(), 7);
}

fn a_mutex_may_move_while_a_leaked_future_waits<F: Flavour>() {
    let mutex = Mutex::<_, F>::new(7);
    std::mem::forget(mutex.try_lock());
    let (woken, waker) = Counter::new();
    for _ in 0..2 {
        let mut leaked = lock(&mutex);
        assert!(poll(&mut leaked, &waker).is_pending());
        crate::leak::on_purpose(leaked);
    }
    let moved = Box::new(mutex);
    let mut behind = lock(&moved);
    assert!(poll_idle(&mut behind).is_pending());
    drop(behind);
    assert!(poll_idle(&mut lock(&moved)).is_pending());
    assert_eq!((moved.into_inner(), woken.count()), (7, 0));
}

fn a_lock_that_was_never_polled_costs_nothing<F: Flavour>() {
    let mutex = Mutex::<_, F>::new(());
    let idle = lock(&mutex);
    assert!(!mutex.is_locked());
    let guard = mutex.try_lock();
    let mut polled = lock(&mutex);
    assert!(poll_idle(&mut polled).is_pending());
    drop(guard);
    drop(idle);
    drop(granted(&mut polled));
}

fn the_last_poll_counts_for_the_wake<F: Flavour>() {
    let (mutex, log) = (Mutex::<_, F>::new(()), Log::default());
    let guard = mutex.try_lock();
    let mut waiting = lock(&mutex);
    for task in [1, 2, 2, 3] {
        assert!(poll(&mut waiting, &log.waker(task)).is_pending());
    }
    drop(guard);
    assert_eq!(log.take(), [3]);
    drop(granted(&mut waiting));
}

fn the_value_is_dropped_once<F: Flavour>() {
    let census = Census::default();
    let mutex = Mutex::<_, F>::new(census.value(1));
    *mutex.try_lock().unwrap() = census.value(2);
    assert_eq!(census.alive(), 1);
    assert_eq!(mutex.into_inner().number, 2);
    assert_eq!(census.alive(), 0);
    drop(Mutex::<_, F>::new(census.value(3)));
    assert_eq!(census.alive(), 0);
}

fn it_shows_its_value_unless_it_is_locked<F: Flavour>() {
    let mutex = Mutex::<_, F>::new(7);
    assert_eq!(format!("{mutex:?}"), "Mutex(7)");
    let guard = mutex.try_lock().unwrap();
    assert_eq!(
        format!("{mutex:?} {guard:?} {guard}"),
        "Mutex(<locked>) 7 7"
    );
}

#[cfg(panic = "unwind")]
#[test]
fn a_blocking_lock_in_a_task_panics_even_if_the_mutex_is_free() {
    let mutex = arborio_sync::Mutex::new(1);
    assert!(in_a_poll(|| panics(|| mutex.blocking_lock())));
    assert_eq!(*mutex.blocking_lock(), 1);
}
