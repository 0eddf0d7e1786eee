//! A notification reaches one that waits, or all, and none is lost on the way.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

use arborio_sync::flavour::{Flavour, Notified, Notify};

use crate::support::{
    Counter, Here, Log, Script, in_a_poll, in_both_flavours, panics, poll, poll_idle,
    without_hanging,
};

in_both_flavours![
    one_notification_is_kept_and_not_two,
    a_kept_notification_is_taken_without_suspending,
    notify_one_wakes_the_first_in_line,
    notify_one_to_many_wakes_one_each,
    notify_waiters_wakes_all_in_order_and_keeps_nothing,
    notify_waiters_counts_those_that_were_made_but_not_polled,
    notify_waiters_leaves_a_kept_notification_alone,
    a_future_whose_round_has_ended_takes_no_permit,
    notify_waiters_does_not_reach_who_is_made_later,
    enable_stands_in_line_without_a_poll,
    enable_takes_a_kept_notification,
    enable_keeps_the_waker_of_the_last_poll,
    a_future_that_was_ready_stays_ready,
    y04_a_notified_waiter_that_is_dropped_hands_on,
    y04_a_notified_waiter_that_is_dropped_alone_stores_it,
    y04_a_notification_of_all_is_not_handed_on,
    y04_what_was_seen_is_not_handed_on,
    y04_a_hand_on_goes_on_to_the_next_that_is_dropped,
    a_cancelled_waiter_gives_up_its_place,
    y12_a_wake_may_drop_the_other_waiters,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_keeps_nobody_from_being_woken,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_cloned_loses_nothing,
    notify_one_in_a_wake_of_notify_waiters_is_not_lost,
    notify_waiters_in_a_wake_reaches_who_joined_in_it,
    a_waker_may_notify_as_it_is_cloned_for_the_line,
    a_waker_may_use_it_whenever_it_is_called,
    it_may_move_while_a_leaked_future_waits,
    the_last_poll_counts_for_the_wake,
    it_shows_whether_one_is_kept,
];

type Wait<'a, F> = Pin<Box<Notified<'a, F>>>;

fn wait<F: Flavour>(notify: &Notify<F>) -> Wait<'_, F> {
    Box::pin(notify.notified())
}

/// Those who wait, in this order, each with a waker that writes its number.
fn queue<'a, F: Flavour>(notify: &'a Notify<F>, log: &Log, count: usize) -> Vec<Wait<'a, F>> {
    let mut waiting: Vec<_> = (0..count).map(|_| wait(notify)).collect();
    for (number, wait) in waiting.iter_mut().enumerate() {
        assert!(poll(wait, &log.waker(number)).is_pending());
    }
    waiting
}

fn is_kept<F: Flavour>(notify: &Notify<F>) -> bool {
    poll_idle(&mut wait(notify)).is_ready()
}

fn one_notification_is_kept_and_not_two<F: Flavour>() {
    let notify = Notify::<F>::new();
    assert!(!is_kept(&notify));
    notify.notify_one();
    notify.notify_one();
    assert!(is_kept(&notify));
    assert!(!is_kept(&notify));
}

fn a_kept_notification_is_taken_without_suspending<F: Flavour>() {
    let notify = Notify::<F>::new();
    notify.notify_one();
    let script = Script::panics_on_clone();
    assert!(poll(&mut wait(&notify), &script.waker()).is_ready());
}

fn notify_one_wakes_the_first_in_line<F: Flavour>() {
    let (notify, log) = (Notify::<F>::new(), Log::default());
    let mut waiting = queue(&notify, &log, 3);
    notify.notify_one();
    assert_eq!(log.take(), [0]);
    assert!(poll_idle(&mut waiting[1]).is_pending());
    assert!(poll_idle(&mut waiting[0]).is_ready());
    drop(waiting);
    assert!(!is_kept(&notify), "it was for the first");
}

fn notify_one_to_many_wakes_one_each<F: Flavour>() {
    let (notify, log) = (Notify::<F>::new(), Log::default());
    let mut waiting = queue(&notify, &log, 3);
    (0..4).for_each(|_| notify.notify_one());
    assert_eq!(log.take(), [0, 1, 2]);
    assert!(waiting.iter_mut().all(|wait| poll_idle(wait).is_ready()));
    assert!(is_kept(&notify), "the fourth found nobody");
}

fn notify_waiters_wakes_all_in_order_and_keeps_nothing<F: Flavour>() {
    let (notify, log) = (Notify::<F>::new(), Log::default());
    let mut waiting = queue(&notify, &log, 4);
    notify.notify_waiters();
    assert_eq!(log.take(), [0, 1, 2, 3]);
    assert!(!is_kept(&notify));
    assert!(waiting.iter_mut().all(|wait| poll_idle(wait).is_ready()));
}

fn notify_waiters_counts_those_that_were_made_but_not_polled<F: Flavour>() {
    let notify = Notify::<F>::new();
    let mut waiting = wait(&notify);
    notify.notify_waiters();
    let script = Script::panics_on_clone();
    assert!(poll(&mut waiting, &script.waker()).is_ready());
}

fn notify_waiters_leaves_a_kept_notification_alone<F: Flavour>() {
    let notify = Notify::<F>::new();
    notify.notify_one();
    notify.notify_waiters();
    assert!(is_kept(&notify));
    assert!(!is_kept(&notify));
}

fn a_future_whose_round_has_ended_takes_no_permit<F: Flavour>() {
    let notify = Notify::<F>::new();
    let mut waiting = wait(&notify);
    notify.notify_waiters();
    notify.notify_one();
    assert!(poll_idle(&mut waiting).is_ready());
    assert!(is_kept(&notify), "it did not need the permit");
}

fn notify_waiters_does_not_reach_who_is_made_later<F: Flavour>() {
    let notify = Notify::<F>::new();
    notify.notify_waiters();
    assert!(poll_idle(&mut wait(&notify)).is_pending());
}

fn enable_stands_in_line_without_a_poll<F: Flavour>() {
    let (notify, log) = (Notify::<F>::new(), Log::default());
    let mut first = wait(&notify);
    assert!(!first.as_mut().enable());
    let mut second = wait(&notify);
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    notify.notify_one();
    assert!(log.take().is_empty(), "the first one stands before it");
    assert!(first.as_mut().enable(), "it has been notified");
    assert!(poll_idle(&mut first).is_ready());
    assert!(poll_idle(&mut second).is_pending());
}

fn enable_takes_a_kept_notification<F: Flavour>() {
    let notify = Notify::<F>::new();
    notify.notify_one();
    let mut waiting = wait(&notify);
    assert!(waiting.as_mut().enable());
    assert!(!is_kept(&notify));
    assert!(poll_idle(&mut waiting).is_ready());
    drop(waiting);
    assert!(!is_kept(&notify), "it has seen it");
}

fn enable_keeps_the_waker_of_the_last_poll<F: Flavour>() {
    let (notify, log) = (Notify::<F>::new(), Log::default());
    let mut waiting = queue(&notify, &log, 1);
    assert!(!waiting[0].as_mut().enable());
    notify.notify_one();
    assert_eq!(log.take(), [0]);
}

fn a_future_that_was_ready_stays_ready<F: Flavour>() {
    let notify = Notify::<F>::new();
    notify.notify_one();
    let mut waiting = wait(&notify);
    assert!(poll_idle(&mut waiting).is_ready());
    assert!(poll_idle(&mut waiting).is_ready());
    assert!(waiting.as_mut().enable());
}

fn y04_a_notified_waiter_that_is_dropped_hands_on<F: Flavour>() {
    let (notify, log) = (Notify::<F>::new(), Log::default());
    let mut waiting = queue(&notify, &log, 2);
    notify.notify_one();
    assert_eq!(log.take(), [0]);
    drop(waiting.remove(0));
    assert_eq!(log.take(), [1]);
    assert!(poll_idle(&mut waiting[0]).is_ready());
    assert!(!is_kept(&notify));
}

fn y04_a_notified_waiter_that_is_dropped_alone_stores_it<F: Flavour>() {
    let (notify, log) = (Notify::<F>::new(), Log::default());
    let waiting = queue(&notify, &log, 1);
    notify.notify_one();
    drop(waiting);
    assert!(is_kept(&notify));
    assert!(!is_kept(&notify));
}

fn y04_a_notification_of_all_is_not_handed_on<F: Flavour>() {
    let (notify, log) = (Notify::<F>::new(), Log::default());
    let waiting = queue(&notify, &log, 2);
    notify.notify_waiters();
    let mut later = wait(&notify);
    assert!(poll(&mut later, &log.waker(9)).is_pending());
    drop(waiting);
    assert_eq!(log.take(), [0, 1]);
    assert!(poll_idle(&mut later).is_pending());
    drop(later);
    assert!(!is_kept(&notify));
}

fn y04_what_was_seen_is_not_handed_on<F: Flavour>() {
    let (notify, log) = (Notify::<F>::new(), Log::default());
    let mut waiting = queue(&notify, &log, 2);
    notify.notify_one();
    assert!(poll_idle(&mut waiting[0]).is_ready());
    drop(waiting.remove(0));
    assert_eq!(log.take(), [0]);
    assert!(poll_idle(&mut waiting[0]).is_pending());
}

fn y04_a_hand_on_goes_on_to_the_next_that_is_dropped<F: Flavour>() {
    let (notify, log) = (Notify::<F>::new(), Log::default());
    let waiting = queue(&notify, &log, 5);
    notify.notify_one();
    drop(waiting); // each hands on to the next, the last one stores it
    assert_eq!(log.take(), [0, 1, 2, 3, 4]);
    assert!(is_kept(&notify));
    assert!(!is_kept(&notify));
}

fn a_cancelled_waiter_gives_up_its_place<F: Flavour>() {
    for gone in 0..3 {
        let (notify, log) = (Notify::<F>::new(), Log::default());
        let mut waiting = queue(&notify, &log, 3);
        drop(waiting.remove(gone));
        notify.notify_one();
        notify.notify_one();
        let expected: Vec<_> = (0..3).filter(|number| *number != gone).collect();
        assert_eq!(log.take(), expected);
        assert!(waiting.iter_mut().all(|wait| poll_idle(wait).is_ready()));
    }
}

fn y12_a_wake_may_drop_the_other_waiters<F: Flavour>() {
    let notify = Rc::new(Notify::<F>::new());
    let others = Rc::new(RefCell::new(Vec::new()));
    let here = Here::new(Rc::clone(&others));
    let script = Script::default().on_wake(move || drop(here.take())).start();
    let join = || {
        let notify = Rc::clone(&notify);
        let mut other = Box::pin(async move { notify.notified().await });
        assert!(poll_idle(&mut other).is_pending());
        others.borrow_mut().push(other);
    };
    join();
    let mut first = wait(&notify);
    assert!(poll(&mut first, &script.waker()).is_pending());
    join();
    join();
    notify.notify_waiters();
    assert!(others.borrow().is_empty());
    assert!(poll_idle(&mut first).is_ready());
    assert!(!is_kept(&notify), "they were notified with all");
}

fn x09_a_waker_that_panics_keeps_nobody_from_being_woken<F: Flavour>() {
    let (notify, (woken, waker)) = (Notify::<F>::new(), Counter::new());
    let script = Script::panics_on_wake();
    let mut waiting: Vec<_> = (0..6).map(|_| wait(&notify)).collect();
    for (number, wait) in waiting.iter_mut().enumerate() {
        let panicking = script.waker();
        let waker = if number % 2 == 0 { &panicking } else { &waker };
        assert!(poll(wait, waker).is_pending());
    }
    notify.notify_one();
    notify.notify_one();
    notify.notify_waiters();
    assert_eq!((script.wakes(), woken.count()), (3, 3));
    assert!(waiting.iter_mut().all(|wait| poll_idle(wait).is_ready()));
}

fn x09_a_waker_that_panics_as_it_is_cloned_loses_nothing<F: Flavour>() {
    let notify = Notify::<F>::new();
    let script = Script::panics_on_clone();
    let mut waiting = wait(&notify);
    assert!(panics(|| poll(&mut waiting, &script.waker())));
    notify.notify_one();
    assert!(poll_idle(&mut wait(&notify)).is_ready(), "it is in no line");
    assert!(poll_idle(&mut waiting).is_pending());
    assert!(panics(|| poll(&mut waiting, &script.waker())));
    notify.notify_one();
    assert!(poll_idle(&mut waiting).is_ready());
}

/// The line holds some that `notify_waiters` has not told yet: a `notify_one` of
/// that moment must not be spent on them.
fn notify_one_in_a_wake_of_notify_waiters_is_not_lost<F: Flavour>() {
    let (notify, (woken, waker)) = (Rc::new(Notify::<F>::new()), Counter::new());
    let here = Here::new(Rc::clone(&notify));
    let script = Script::default().on_wake(move || here.notify_one()).start();
    let (mut first, mut second, mut third) = (wait(&notify), wait(&notify), wait(&notify));
    assert!(poll(&mut first, &script.waker()).is_pending());
    assert!(poll(&mut second, &waker).is_pending());
    assert!(poll(&mut third, &waker).is_pending());
    notify.notify_waiters();
    assert_eq!((script.wakes(), woken.count()), (1, 2));
    assert!(poll_idle(&mut second).is_ready() && poll_idle(&mut third).is_ready());
    assert!(is_kept(&notify), "all had been notified already");
}

fn notify_waiters_in_a_wake_reaches_who_joined_in_it<F: Flavour>() {
    let (notify, (woken, waker)) = (Rc::new(Notify::<F>::new()), Counter::new());
    let late = Rc::new(RefCell::new(None));
    let here = Here::new((Rc::clone(&notify), Rc::clone(&late), waker.clone()));
    let script = Script::default()
        .on_wake(move || {
            let (notify, late, waker) = &*here;
            let again = Rc::clone(notify);
            let mut wait = Box::pin(async move { again.notified().await });
            assert!(poll(&mut wait, waker).is_pending());
            late.replace(Some(wait));
            notify.notify_waiters();
        })
        .start();
    let (mut first, mut second) = (wait(&notify), wait(&notify));
    assert!(poll(&mut first, &script.waker()).is_pending());
    assert!(poll(&mut second, &waker).is_pending());
    notify.notify_waiters();
    assert_eq!(woken.count(), 2, "the second and the late one, once each");
    assert!(poll_idle(&mut second).is_ready());
    assert!(poll_idle(&mut late.take().unwrap()).is_ready());
}

/// In the middle of a poll: after the look, before the place is in line.
fn a_waker_may_notify_as_it_is_cloned_for_the_line<F: Flavour>() {
    let notify = Rc::new(Notify::<F>::new());
    let here = Here::new(Rc::clone(&notify));
    let script = Script::default()
        .on_clone(move || here.notify_waiters())
        .start();
    assert!(poll(&mut wait(&notify), &script.waker()).is_ready());
    let here = Here::new(Rc::clone(&notify));
    let script = Script::default()
        .on_clone(move || here.notify_one())
        .start();
    assert!(poll(&mut wait(&notify), &script.waker()).is_ready());
    assert!(!is_kept(&notify));
    let here = Here::new(Rc::clone(&notify));
    let both = move || {
        here.notify_waiters();
        here.notify_one();
    };
    let script = Script::default().on_clone(both).start();
    assert!(poll(&mut wait(&notify), &script.waker()).is_ready());
    assert!(is_kept(&notify), "the round had ended before");
}

fn a_waker_may_use_it_whenever_it_is_called<F: Flavour>() {
    without_hanging(|| {
        let notify = Rc::new(Notify::<F>::new());
        let here = Here::new(Rc::clone(&notify));
        let script = Script::always(move || {
            here.notify_one();
            here.notify_waiters();
            let _ = poll_idle(&mut wait(&here)).is_ready();
        });
        let (mut first, mut second) = (wait(&notify), wait(&notify));
        let _ = poll(&mut first, &script.waker()).is_ready();
        let _ = poll(&mut second, &script.waker()).is_ready();
        let _ = poll(&mut first, Waker::noop()).is_ready();
        notify.notify_waiters();
        notify.notify_one();
        drop((first, second));
        while is_kept(&notify) {}
        notify.notify_one();
        assert!(is_kept(&notify));
    });
}

fn it_may_move_while_a_leaked_future_waits<F: Flavour>() {
    let (notify, (woken, waker)) = (Notify::<F>::new(), Counter::new());
    for _ in 0..2 {
        let mut leaked = wait(&notify);
        assert!(poll(&mut leaked, &waker).is_pending());
        crate::leak::on_purpose(leaked);
    }
    let moved = Box::new(notify);
    let mut waiting = wait(&moved);
    assert!(poll(&mut waiting, &waker).is_pending());
    moved.notify_waiters();
    assert_eq!(woken.count(), 3);
    assert!(poll_idle(&mut waiting).is_ready());
}

fn the_last_poll_counts_for_the_wake<F: Flavour>() {
    let (notify, log) = (Notify::<F>::new(), Log::default());
    let mut waiting = wait(&notify);
    for task in [1, 2, 3] {
        assert!(poll(&mut waiting, &log.waker(task)).is_pending());
    }
    notify.notify_one();
    assert_eq!(log.take(), [3]);
}

fn it_shows_whether_one_is_kept<F: Flavour>() {
    let notify = Notify::<F>::default();
    assert_eq!(format!("{notify:?}"), "Notify { permit: false }");
    notify.notify_one();
    assert_eq!(format!("{notify:?}"), "Notify { permit: true }");
}

#[test]
fn an_owned_future_waits_as_the_others_do() {
    let (notify, log) = (Arc::new(arborio_sync::Notify::new()), Log::default());
    let mut waiting: Vec<_> = (0..3)
        .map(|_| Box::pin(Arc::clone(&notify).notified_owned()))
        .collect();
    for (number, wait) in waiting.iter_mut().enumerate() {
        assert!(poll(wait, &log.waker(number)).is_pending());
    }
    notify.notify_one();
    drop(waiting.remove(0)); // Y04
    assert_eq!(log.take(), [0, 1]);
    assert!(poll_idle(&mut waiting[0]).is_ready());
    drop(waiting);
    assert_eq!(Arc::strong_count(&notify), 1);
    let mut late = Box::pin(Arc::clone(&notify).notified_owned());
    assert!(!late.as_mut().enable(), "it stands in line now");
    notify.notify_one();
    assert!(late.as_mut().enable());
    assert!(poll_idle(&mut late).is_ready());
}

#[cfg(panic = "unwind")]
#[test]
fn a_blocking_wait_in_a_task_panics_even_if_one_is_kept() {
    let notify = arborio_sync::Notify::new();
    notify.notify_one();
    assert!(in_a_poll(|| panics(|| notify.blocking_notified())));
    notify.blocking_notified();
}

#[test]
fn threads_that_notify_each_other_lose_nothing() {
    const ROUNDS: usize = 2_000;
    without_hanging(|| {
        let notify = [const { arborio_sync::Notify::new() }; 2];
        let turns = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for me in 0..2 {
                let (notify, turns) = (&notify, &turns);
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        if me == 0 {
                            notify[1].notify_one();
                        }
                        notify[me].blocking_notified();
                        turns.fetch_add(1, Ordering::Relaxed);
                        if me == 1 {
                            notify[0].notify_one();
                        }
                    }
                });
            }
        });
        assert_eq!(turns.load(Ordering::Relaxed), 2 * ROUNDS);
    });
}

/// The condition is set between the making of the future and its first poll.
#[test]
fn a_change_between_the_look_and_the_wait_is_not_lost() {
    const ROUNDS: usize = 500;
    without_hanging(|| {
        let (round, changed) = (AtomicUsize::new(0), arborio_sync::Notify::new());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    futures_lite::future::block_on(async {
                        while {
                            let notified = changed.notified();
                            let seen = round.load(Ordering::Acquire);
                            seen < ROUNDS && {
                                notified.await;
                                true
                            }
                        } {}
                    });
                });
            }
            for _ in 0..ROUNDS {
                round.fetch_add(1, Ordering::Release);
                changed.notify_waiters();
            }
        });
        assert_eq!(round.into_inner(), ROUNDS);
    });
}

/// Waiters come, are notified and are dropped on several threads; every
/// notification is seen once, or kept.
#[test]
fn y04_notifications_are_conserved_while_waiters_are_dropped() {
    const SENT: usize = 3_000;
    without_hanging(|| {
        let (notify, seen) = (arborio_sync::Notify::new(), AtomicUsize::new(0));
        let stop = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for number in 0..3_usize {
                let (notify, seen, stop) = (&notify, &seen, &stop);
                scope.spawn(move || {
                    let tries = Cell::new(number);
                    while stop.load(Ordering::Acquire) == 0 {
                        tries.set(tries.get() + 1);
                        let mut waiting = wait(notify);
                        let mut told = poll_idle(&mut waiting).is_ready();
                        if tries.get() % 3 != 0 {
                            std::thread::yield_now();
                            told |= poll_idle(&mut waiting).is_ready();
                        }
                        seen.fetch_add(usize::from(told), Ordering::AcqRel);
                    }
                });
            }
            for sent in 0..SENT {
                notify.notify_one();
                // One at a time, so that none is merged with another.
                while seen.load(Ordering::Acquire) <= sent {
                    std::thread::yield_now();
                }
            }
            stop.store(1, Ordering::Release);
        });
        assert_eq!(seen.load(Ordering::Acquire), SENT);
        assert!(!is_kept(&notify));
    });
}
