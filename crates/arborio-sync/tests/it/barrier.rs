//! A barrier opens when all have come, and not before.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Poll, Waker},
};

use arborio_sync::flavour::{Barrier, BarrierWait, Flavour};

use crate::support::{
    Counter, Here, Log, Script, in_a_poll, in_both_flavours, panics, poll, poll_idle,
    without_hanging,
};

in_both_flavours![
    #[cfg(panic = "unwind")]
    a_barrier_for_nobody_cannot_be_made,
    whoever_is_alone_never_suspends,
    the_last_to_come_leads_and_wakes_the_others_in_order,
    it_starts_anew_after_each_round,
    who_comes_for_the_next_round_waits_though_others_have_not_left_the_last,
    y01_a_waiter_that_is_dropped_takes_its_arrival_back,
    y01_a_waiter_that_is_dropped_after_the_round_takes_nothing_back,
    a_wait_that_was_never_polled_has_not_come,
    y12_a_wake_may_drop_the_others,
    y12_a_wake_may_drop_the_others_after_the_next_round_has_begun,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_keeps_nobody_from_being_woken,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_cloned_has_not_come,
    a_wake_may_come_again,
    a_leaked_waiter_has_come,
    it_shows_how_many_have_come,
];

fn wait<F: Flavour>(barrier: &Barrier<F>) -> Pin<Box<BarrierWait<'_, F>>> {
    Box::pin(barrier.wait())
}

/// Whether a wait is over, and then whether it led.
fn leads<F: Flavour>(wait: &mut Pin<Box<BarrierWait<'_, F>>>) -> Option<bool> {
    match poll_idle(wait) {
        Poll::Ready(result) => Some(result.is_leader()),
        Poll::Pending => None,
    }
}

fn a_barrier_for_nobody_cannot_be_made<F: Flavour>() {
    assert!(panics(|| Barrier::<F>::new(0)));
}

fn whoever_is_alone_never_suspends<F: Flavour>() {
    let barrier = Barrier::<F>::new(1);
    for _ in 0..3 {
        assert_eq!(leads(&mut wait(&barrier)), Some(true));
    }
}

fn the_last_to_come_leads_and_wakes_the_others_in_order<F: Flavour>() {
    let (barrier, log) = (Barrier::<F>::new(4), Log::default());
    let mut waiting: Vec<_> = (0..3).map(|_| wait(&barrier)).collect();
    for (number, wait) in waiting.iter_mut().enumerate() {
        assert!(poll(wait, &log.waker(number)).is_pending());
        assert!(poll(wait, &log.waker(number)).is_pending(), "it comes once");
    }
    assert_eq!(leads(&mut wait(&barrier)), Some(true));
    assert_eq!(log.take(), [0, 1, 2]);
    assert!(waiting.iter_mut().all(|wait| leads(wait) == Some(false)));
}

fn it_starts_anew_after_each_round<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    for _ in 0..3 {
        let mut first = wait(&barrier);
        assert_eq!(leads(&mut first), None);
        assert_eq!(leads(&mut wait(&barrier)), Some(true));
        assert_eq!(leads(&mut first), Some(false));
    }
}

fn who_comes_for_the_next_round_waits_though_others_have_not_left_the_last<F: Flavour>() {
    let (barrier, log) = (Barrier::<F>::new(2), Log::default());
    let mut slow = wait(&barrier);
    assert!(poll(&mut slow, &log.waker(1)).is_pending());
    assert_eq!(leads(&mut wait(&barrier)), Some(true));
    let mut next = wait(&barrier);
    assert!(poll(&mut next, &log.waker(2)).is_pending());
    assert_eq!(log.take(), [1]);
    assert_eq!(leads(&mut slow), Some(false));
    assert_eq!(leads(&mut next), None);
    assert_eq!(leads(&mut wait(&barrier)), Some(true));
    assert_eq!(leads(&mut next), Some(false));
}

fn y01_a_waiter_that_is_dropped_takes_its_arrival_back<F: Flavour>() {
    for gone in 0..2 {
        let barrier = Barrier::<F>::new(3);
        let mut waiting: Vec<_> = (0..2).map(|_| wait(&barrier)).collect();
        assert!(waiting.iter_mut().all(|wait| leads(wait).is_none()));
        drop(waiting.remove(gone));
        let mut late = wait(&barrier);
        assert_eq!(leads(&mut late), None, "one is missing again");
        assert_eq!(leads(&mut wait(&barrier)), Some(true));
        assert_eq!(
            (leads(&mut waiting[0]), leads(&mut late)),
            (Some(false), Some(false))
        );
    }
}

fn y01_a_waiter_that_is_dropped_after_the_round_takes_nothing_back<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    let mut told = wait(&barrier);
    assert_eq!(leads(&mut told), None);
    assert_eq!(leads(&mut wait(&barrier)), Some(true));
    let mut next = wait(&barrier);
    assert_eq!(leads(&mut next), None);
    drop(told);
    assert_eq!(
        leads(&mut wait(&barrier)),
        Some(true),
        "the next one's arrival counts"
    );
    assert_eq!(leads(&mut next), Some(false));
}

fn a_wait_that_was_never_polled_has_not_come<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    let idle = wait(&barrier);
    let mut first = wait(&barrier);
    assert_eq!(leads(&mut first), None);
    drop(idle);
    assert_eq!(leads(&mut first), None);
}

fn y12_a_wake_may_drop_the_others<F: Flavour>() {
    let barrier = Rc::new(Barrier::<F>::new(5));
    let others = Rc::new(RefCell::new(Vec::new()));
    let here = Here::new(Rc::clone(&others));
    let script = Script::default().on_wake(move || drop(here.take())).start();
    // One before and two behind the one whose wake drops them.
    let join = || {
        let barrier = Rc::clone(&barrier);
        let mut other = Box::pin(async move { barrier.wait().await });
        assert!(poll_idle(&mut other).is_pending());
        others.borrow_mut().push(other);
    };
    join();
    let mut first = wait(&barrier);
    assert!(poll(&mut first, &script.waker()).is_pending());
    join();
    join();
    assert_eq!(leads(&mut wait(&barrier)), Some(true));
    assert!(others.borrow().is_empty());
    assert_eq!(leads(&mut first), Some(false));
    // Nothing was taken back from the round that had begun.
    let mut next: Vec<_> = (0..4).map(|_| wait(&barrier)).collect();
    assert!(next.iter_mut().all(|wait| leads(wait).is_none()));
    assert_eq!(leads(&mut wait(&barrier)), Some(true));
}

fn y12_a_wake_may_drop_the_others_after_the_next_round_has_begun<F: Flavour>() {
    type Waits = Vec<Pin<Box<dyn Future<Output = ()>>>>;
    let barrier = Rc::new(Barrier::<F>::new(3));
    let waits = Rc::new(RefCell::new(Waits::new()));
    // A visitor that comes, and stays in `waits`.
    let come = |barrier: &Rc<Barrier<F>>, waits: &RefCell<Waits>| {
        let barrier = Rc::clone(barrier);
        let mut wait: Pin<Box<dyn Future<Output = ()>>> =
            Box::pin(async move { _ = barrier.wait().await });
        assert!(poll_idle(&mut wait).is_pending());
        waits.borrow_mut().push(wait);
    };
    let here = Here::new((Rc::clone(&barrier), Rc::clone(&waits)));
    let script = Script::default()
        .on_wake(move || {
            let (barrier, waits) = &*here;
            come(barrier, waits);
            let told_too_late = waits.borrow_mut().remove(0);
            drop(told_too_late);
        })
        .start();
    let mut first = wait(&barrier);
    assert!(poll(&mut first, &script.waker()).is_pending());
    come(&barrier, &waits);
    assert_eq!(leads(&mut wait(&barrier)), Some(true));
    // One has come for the next round, and it still counts.
    assert_eq!(format!("{barrier:?}"), "Barrier { parties: 3, arrived: 1 }");
    assert_eq!(leads(&mut first), Some(false));
}

fn x09_a_waker_that_panics_keeps_nobody_from_being_woken<F: Flavour>() {
    let (barrier, (woken, waker)) = (Barrier::<F>::new(5), Counter::new());
    let script = Script::panics_on_wake();
    let mut waiting: Vec<_> = (0..4).map(|_| wait(&barrier)).collect();
    for (number, wait) in waiting.iter_mut().enumerate() {
        let waker = if number % 2 == 0 {
            &script.waker()
        } else {
            &waker
        };
        assert!(poll(wait, waker).is_pending());
    }
    assert_eq!(leads(&mut wait(&barrier)), Some(true));
    assert_eq!((script.wakes(), woken.count()), (2, 2));
    assert!(waiting.iter_mut().all(|wait| leads(wait) == Some(false)));
}

fn x09_a_waker_that_panics_as_it_is_cloned_has_not_come<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    let mut first = wait(&barrier);
    assert!(panics(|| poll(
        &mut first,
        &Script::panics_on_clone().waker()
    )));
    assert_eq!(leads(&mut first), None, "it comes now");
    assert_eq!(leads(&mut wait(&barrier)), Some(true));
}

fn a_wake_may_come_again<F: Flavour>() {
    let (barrier, (woken, waker)) = (Rc::new(Barrier::<F>::new(3)), Counter::new());
    let again = Rc::new(RefCell::new(Vec::new()));
    let here = Here::new((Rc::clone(&barrier), Rc::clone(&again)));
    // The wake of the first fills the whole next round while this one ends.
    let script = Script::default()
        .on_wake(move || {
            let (barrier, again) = &*here;
            for _ in 0..3 {
                let barrier = Rc::clone(barrier);
                let mut wait = Box::pin(async move { barrier.wait().await });
                let led = poll_idle(&mut wait).map(|result| result.is_leader());
                again.borrow_mut().push((wait, led));
            }
        })
        .start();
    let (mut first, mut second) = (wait(&barrier), wait(&barrier));
    assert!(poll(&mut first, &script.waker()).is_pending());
    assert!(poll(&mut second, &waker).is_pending());
    assert_eq!(leads(&mut wait(&barrier)), Some(true));
    assert_eq!(woken.count(), 1);
    assert_eq!(
        (leads(&mut first), leads(&mut second)),
        (Some(false), Some(false))
    );
    let mut again = again.take();
    assert_eq!((again[0].1, again[1].1), (Poll::Pending, Poll::Pending));
    assert_eq!(again[2].1, Poll::Ready(true));
    for (wait, _) in &mut again[..2] {
        assert_eq!(
            poll_idle(wait).map(|result| result.is_leader()),
            Poll::Ready(false)
        );
    }
}

fn a_leaked_waiter_has_come<F: Flavour>() {
    let (barrier, (woken, waker)) = (Barrier::<F>::new(3), Counter::new());
    let mut leaked = wait(&barrier);
    assert!(poll(&mut leaked, &waker).is_pending());
    crate::leak::on_purpose(leaked);
    let moved = Box::new(barrier);
    let mut second = wait(&moved);
    assert!(poll(&mut second, Waker::noop()).is_pending());
    assert_eq!(leads(&mut wait(&moved)), Some(true));
    assert_eq!((leads(&mut second), woken.count()), (Some(false), 1));
}

fn it_shows_how_many_have_come<F: Flavour>() {
    let barrier = Barrier::<F>::new(2);
    assert_eq!(barrier.parties(), 2);
    let mut first = wait(&barrier);
    assert_eq!(leads(&mut first), None);
    assert_eq!(format!("{barrier:?}"), "Barrier { parties: 2, arrived: 1 }");
    drop(first);
    assert_eq!(format!("{barrier:?}"), "Barrier { parties: 2, arrived: 0 }");
}

#[cfg(panic = "unwind")]
#[test]
fn a_blocking_wait_in_a_task_panics_even_if_nobody_is_missing() {
    let alone = arborio_sync::Barrier::new(1);
    assert!(in_a_poll(|| panics(|| alone.blocking_wait())));
    assert!(alone.blocking_wait().is_leader());
}

#[test]
fn threads_go_from_round_to_round_together() {
    const ROUNDS: usize = 1_000;
    const THREADS: usize = 4;
    without_hanging(|| {
        let barrier = arborio_sync::Barrier::new(THREADS);
        let (come, led) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for round in 1..=ROUNDS {
                        come.fetch_add(1, Ordering::Relaxed);
                        if barrier.blocking_wait().is_leader() {
                            led.fetch_add(1, Ordering::Relaxed);
                        }
                        // Relaxed: the barrier is what orders them.
                        let come = come.load(Ordering::Relaxed);
                        assert!(come >= round * THREADS, "somebody ran ahead");
                        assert!(come <= (round + 1) * THREADS);
                    }
                });
            }
        });
        assert_eq!(led.into_inner(), ROUNDS);
    });
}
