//! A semaphore counts, and serves in order.

mod among_threads;
mod counts;
mod model;
mod owned;

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Poll, Waker},
};

use arborio_sync::{
    Closed, TryAcquireError,
    flavour::{Acquire, Flavour, Semaphore, SemaphorePermit},
};
use futures_lite::future::yield_now;

use crate::support::{
    Counter, Here, Log, Script, in_a_poll, in_both_flavours, panics, poll, poll_idle,
};

in_both_flavours![
    #[cfg(panic = "unwind")]
    s32_a_semaphore_of_no_permits_cannot_be_made,
    s32_a_permit_that_is_free_is_taken_without_suspending,
    s32_as_many_hold_it_at_once_as_there_are_permits,
    s32_the_nth_release_wakes_the_nth_waiter_whoever_releases,
    s32_never_more_than_its_size_hold_it_among_a_thousand_that_come_and_go,
    y02_permits_of_one_that_was_dropped_after_its_grant_go_to_the_next,
    y02_many_permits_of_one_that_was_dropped_go_to_several,
    y03_the_head_of_the_line_holds_up_those_behind,
    y03_those_behind_go_on_when_the_head_of_the_line_is_dropped,
    y12_a_wake_may_drop_the_waiters_behind_it,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_keeps_nobody_from_being_woken,
    a_try_does_not_overtake,
    a_try_says_whether_to_try_again,
    closing_tells_everybody,
    closing_takes_nothing_from_those_who_were_served,
    no_permits_at_all_are_taken_in_turn,
    a_barging_semaphore_serves_whoever_is_polled_first,
    a_try_on_a_barging_semaphore_takes_what_is_free,
    who_is_woken_in_vain_by_a_barging_semaphore_sleeps_until_more_is_free,
    who_leaves_the_line_of_a_barging_semaphore_wakes_nobody_for_nothing,
    who_comes_while_others_are_served_gets_what_is_left,
    a_waker_may_use_the_semaphore_whenever_it_is_called,
    a_semaphore_may_move_while_a_leaked_future_waits,
    it_shows_what_is_free,
];

fn acquire<F: Flavour>(semaphore: &Semaphore<F>, count: usize) -> Pin<Box<Acquire<'_, F>>> {
    Box::pin(semaphore.acquire_many(count))
}

/// What an acquisition that must be ready came to.
fn granted<'a, F: Flavour>(acquire: &mut Pin<Box<Acquire<'a, F>>>) -> SemaphorePermit<'a, F> {
    match poll_idle(acquire) {
        Poll::Ready(permit) => permit.expect("it is open"),
        Poll::Pending => panic!("it is not its turn"),
    }
}

fn s32_a_semaphore_of_no_permits_cannot_be_made<F: Flavour>() {
    assert!(panics(|| Semaphore::<F>::new(0)));
    assert!(panics(|| Semaphore::<F>::barging(0)));
    assert!(panics(|| Semaphore::<F>::new(
        Semaphore::<F>::MAX_PERMITS + 1
    )));
    let most = Semaphore::<F>::new(Semaphore::<F>::MAX_PERMITS);
    assert_eq!(most.available_permits(), Semaphore::<F>::MAX_PERMITS);
    assert_eq!(Semaphore::<F>::empty().available_permits(), 0);
}

fn s32_a_permit_that_is_free_is_taken_without_suspending<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(3);
    let script = Script::panics_on_clone();
    let permits: Vec<_> = (0..3)
        .map(|_| poll(&mut acquire(&semaphore, 1), &script.waker()))
        .collect();
    assert!(
        permits
            .iter()
            .all(|permit| matches!(permit, Poll::Ready(Ok(_))))
    );
    assert_eq!(semaphore.available_permits(), 0);
    drop(permits);
    assert_eq!(semaphore.available_permits(), 3);
}

fn s32_as_many_hold_it_at_once_as_there_are_permits<F: Flavour>() {
    for size in 1..5 {
        let semaphore = Semaphore::<F>::new(size);
        let mut asked: Vec<_> = (0..7).map(|_| acquire(&semaphore, 1)).collect();
        let got: Vec<_> = asked.iter_mut().map(poll_idle).collect();
        let held = got.iter().filter(|permit| permit.is_ready()).count();
        assert_eq!((held, semaphore.waiting()), (size, 7 - size));
    }
}

fn s32_the_nth_release_wakes_the_nth_waiter_whoever_releases<F: Flavour>() {
    let (semaphore, log) = (Semaphore::<F>::new(3), Log::default());
    let mut held: Vec<_> = (0..3).map(|_| semaphore.try_acquire().ok()).collect();
    let mut waiting: Vec<_> = (0..3).map(|_| acquire(&semaphore, 1)).collect();
    for (number, acquire) in waiting.iter_mut().enumerate() {
        assert!(poll(acquire, &log.waker(number)).is_pending());
    }
    for (turn, releaser) in [1, 2, 0].into_iter().enumerate() {
        held[releaser] = None;
        assert_eq!(log.take(), [turn]);
    }
    let permits: Vec<_> = waiting.iter_mut().map(granted).collect();
    assert_eq!((permits.len(), semaphore.available_permits()), (3, 0));
}

/// Numbers that look random, the same in each run.
fn random(state: &mut u64) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).expect("31 bits")
}

fn s32_never_more_than_its_size_hold_it_among_a_thousand_that_come_and_go<F: Flavour>() {
    const SIZE: usize = 7;
    let (semaphore, ready) = (Semaphore::<F>::new(SIZE), Log::default());
    let (holders, most) = (Cell::new(0), Cell::new(0));
    let task = async |wanted: usize, steps: usize| {
        let permit = semaphore.acquire_many(wanted).await.unwrap();
        holders.set(holders.get() + wanted);
        most.set(most.get().max(holders.get()));
        let _end = OnDrop(|| holders.set(holders.get() - wanted));
        for _ in 0..steps {
            yield_now().await;
        }
        drop(permit);
    };
    let mut state = 7;
    let mut tasks: Vec<_> = (0..1000)
        .map(|number| {
            ready.add(number);
            Some(Box::pin(task(
                1 + random(&mut state) % 3,
                random(&mut state) % 4,
            )))
        })
        .collect();
    let mut ended = 0;
    loop {
        let woken = ready.take();
        if woken.is_empty() {
            break;
        }
        for number in woken {
            let Some(task) = &mut tasks[number] else {
                continue;
            };
            if poll(task, &ready.waker(number)).is_ready() {
                tasks[number] = None;
                ended += 1;
            }
            // Now and then somebody is cancelled, wherever it is.
            if random(&mut state).is_multiple_of(4) {
                tasks[random(&mut state) % 1000] = None;
            }
        }
    }
    assert!(tasks.iter().all(Option::is_none), "nobody waits for ever");
    assert!(ended > 100, "{ended} of 1000 came to their end");
    assert_eq!((most.get(), holders.get()), (SIZE, 0));
    assert_eq!(
        (semaphore.available_permits(), semaphore.waiting()),
        (SIZE, 0)
    );
}

struct OnDrop<A: FnMut()>(A);

impl<A: FnMut()> Drop for OnDrop<A> {
    fn drop(&mut self) {
        self.0();
    }
}

fn y02_permits_of_one_that_was_dropped_after_its_grant_go_to_the_next<F: Flavour>() {
    let (semaphore, log) = (Semaphore::<F>::new(1), Log::default());
    let permit = semaphore.try_acquire();
    let (mut first, mut second) = (acquire(&semaphore, 1), acquire(&semaphore, 1));
    assert!(poll(&mut first, &log.waker(1)).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    drop(permit);
    assert_eq!(log.take(), [1]);
    drop(first);
    assert_eq!(log.take(), [2]);
    drop(granted(&mut second));
    assert_eq!(semaphore.available_permits(), 1);
}

fn y02_many_permits_of_one_that_was_dropped_go_to_several<F: Flavour>() {
    let (semaphore, log) = (Semaphore::<F>::new(3), Log::default());
    let permits = semaphore.try_acquire_many(3);
    let mut head = acquire(&semaphore, 3);
    assert!(poll(&mut head, &log.waker(0)).is_pending());
    let mut behind: Vec<_> = (0..4).map(|_| acquire(&semaphore, 1)).collect();
    for (number, acquire) in behind.iter_mut().enumerate() {
        assert!(poll(acquire, &log.waker(number + 1)).is_pending());
    }
    drop(permits);
    assert_eq!(log.take(), [0]);
    drop(head);
    assert_eq!(log.take(), [1, 2, 3]);
    assert!(poll_idle(&mut behind[3]).is_pending());
}

fn y03_the_head_of_the_line_holds_up_those_behind<F: Flavour>() {
    let (semaphore, log) = (Semaphore::<F>::new(3), Log::default());
    let (one, two) = (semaphore.try_acquire(), semaphore.try_acquire());
    let (mut many, mut few) = (acquire(&semaphore, 3), acquire(&semaphore, 1));
    assert!(poll(&mut many, &log.waker(1)).is_pending());
    assert!(poll(&mut few, &log.waker(2)).is_pending());
    drop(one);
    assert_eq!((log.take(), semaphore.available_permits()), (vec![], 2));
    drop(two);
    assert_eq!(log.take(), [1]);
    drop(granted(&mut many));
    assert_eq!(log.take(), [2]);
    drop(granted(&mut few));
}

fn y03_those_behind_go_on_when_the_head_of_the_line_is_dropped<F: Flavour>() {
    let (semaphore, log) = (Semaphore::<F>::new(3), Log::default());
    let permit = semaphore.try_acquire();
    let mut head = acquire(&semaphore, 3);
    let (mut second, mut third) = (acquire(&semaphore, 1), acquire(&semaphore, 1));
    let mut last = acquire(&semaphore, 1);
    assert!(poll(&mut head, &log.waker(1)).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    assert!(poll(&mut third, &log.waker(3)).is_pending());
    assert!(poll(&mut last, &log.waker(4)).is_pending());
    drop(head);
    assert_eq!(log.take(), [2, 3], "as far as the permits reach");
    drop(granted(&mut second));
    assert_eq!(log.take(), [4]);
    drop((granted(&mut third), granted(&mut last), permit));
    assert_eq!(semaphore.available_permits(), 3);
}

fn y12_a_wake_may_drop_the_waiters_behind_it<F: Flavour>() {
    let semaphore = Rc::new(Semaphore::<F>::new(3));
    let others = Rc::new(RefCell::new(Vec::new()));
    let here = Here::new(Rc::clone(&others));
    let script = Script::default().on_wake(move || drop(here.take())).start();
    let permits = semaphore.try_acquire_many(3);
    let mut first = acquire(&semaphore, 1);
    assert!(poll(&mut first, &script.waker()).is_pending());
    // The second of them has been granted when the wake of the first drops it.
    for count in [1, 1, 3] {
        let semaphore = Rc::clone(&semaphore);
        let mut other = Box::pin(async move { drop(semaphore.acquire_many(count).await) });
        assert!(poll_idle(&mut other).is_pending());
        others.borrow_mut().push(other);
    }
    drop(permits);
    assert!(others.borrow().is_empty());
    drop(granted(&mut first));
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (3, 0));
}

fn x09_a_waker_that_panics_keeps_nobody_from_being_woken<F: Flavour>() {
    let (semaphore, (woken, waker)) = (Semaphore::<F>::empty(), Counter::new());
    let script = Script::panics_on_wake();
    let mut waiting: Vec<_> = (0..4).map(|_| acquire(&semaphore, 1)).collect();
    for (number, acquire) in waiting.iter_mut().enumerate() {
        let waker = if number % 2 == 0 {
            &script.waker()
        } else {
            &waker
        };
        assert!(poll(acquire, waker).is_pending());
    }
    semaphore.add_permits(4).unwrap();
    assert_eq!((script.wakes(), woken.count()), (2, 2));
    waiting
        .iter_mut()
        .for_each(|acquire| drop(granted(acquire)));
    assert_eq!(semaphore.available_permits(), 4);
}

fn a_try_does_not_overtake<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(2);
    let mut many = acquire(&semaphore, 2);
    let permit = semaphore.try_acquire();
    assert!(poll_idle(&mut many).is_pending());
    assert_eq!(semaphore.available_permits(), 1);
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::NoPermits
    );
    drop(many);
    assert!(semaphore.try_acquire().is_ok());
    drop(permit);
}

fn a_try_says_whether_to_try_again<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(1);
    let permit = semaphore.try_acquire();
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::NoPermits
    );
    semaphore.close();
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::Closed
    );
    drop(permit);
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::Closed
    );
}

fn closing_tells_everybody<F: Flavour>() {
    let (semaphore, log) = (Semaphore::<F>::new(1), Log::default());
    let permit = semaphore.try_acquire();
    let mut waiting: Vec<_> = (1..4).map(|count| acquire(&semaphore, count)).collect();
    for (number, acquire) in waiting.iter_mut().enumerate() {
        assert!(poll(acquire, &log.waker(number)).is_pending());
    }
    semaphore.close();
    semaphore.close();
    assert!(semaphore.is_closed());
    assert_eq!(log.take(), [0, 1, 2]);
    for acquire in &mut waiting {
        assert!(matches!(poll_idle(acquire), Poll::Ready(Err(Closed))));
    }
    assert!(matches!(
        poll_idle(&mut acquire(&semaphore, 1)),
        Poll::Ready(Err(_))
    ));
    drop(permit);
    assert_eq!(semaphore.available_permits(), 1);
}

fn closing_takes_nothing_from_those_who_were_served<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(1);
    let permit = semaphore.try_acquire();
    let (mut served, mut late) = (acquire(&semaphore, 1), acquire(&semaphore, 1));
    assert!(poll_idle(&mut served).is_pending());
    assert!(poll_idle(&mut late).is_pending());
    drop(permit);
    semaphore.close();
    assert_eq!(granted(&mut served).count(), 1);
    assert!(matches!(poll_idle(&mut late), Poll::Ready(Err(_))));
    assert_eq!(semaphore.available_permits(), 1);
}

fn no_permits_at_all_are_taken_in_turn<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(1);
    let permit = semaphore.try_acquire();
    drop(granted(&mut acquire(&semaphore, 0)));
    let (mut one, mut none) = (acquire(&semaphore, 1), acquire(&semaphore, 0));
    assert!(poll_idle(&mut one).is_pending());
    assert!(poll_idle(&mut none).is_pending(), "somebody is before it");
    drop(permit);
    let (one, none) = (granted(&mut one), granted(&mut none));
    drop((one, none));
    assert_eq!(semaphore.available_permits(), 1);
}

fn a_barging_semaphore_serves_whoever_is_polled_first<F: Flavour>() {
    let (semaphore, log) = (Semaphore::<F>::barging(2), Log::default());
    let (one, two) = (semaphore.try_acquire(), semaphore.try_acquire());
    let (mut many, mut few) = (acquire(&semaphore, 2), acquire(&semaphore, 1));
    assert!(poll(&mut many, &log.waker(1)).is_pending());
    assert!(poll(&mut few, &log.waker(2)).is_pending());
    drop(one);
    assert_eq!(log.take(), [1, 2]);
    assert!(poll(&mut many, &log.waker(1)).is_pending(), "one is free");
    let few = granted(&mut few);
    drop((few, two));
    assert_eq!(log.take(), [1]);
    drop(granted(&mut many));
    assert_eq!(semaphore.available_permits(), 2);
}

fn a_try_on_a_barging_semaphore_takes_what_is_free<F: Flavour>() {
    let semaphore = Semaphore::<F>::barging(2);
    let mut many = acquire(&semaphore, 3);
    assert!(poll_idle(&mut many).is_pending());
    let permits = (
        semaphore.try_acquire().unwrap(),
        semaphore.try_acquire().unwrap(),
    );
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::NoPermits
    );
    drop(permits);
    semaphore.close();
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::Closed
    );
    assert!(matches!(poll_idle(&mut many), Poll::Ready(Err(_))));
}

fn who_is_woken_in_vain_by_a_barging_semaphore_sleeps_until_more_is_free<F: Flavour>() {
    let semaphore = Rc::new(Semaphore::<F>::barging(2));
    let permits = (semaphore.try_acquire(), semaphore.try_acquire());
    let (again, waker) = Counter::new();
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let acquire = Rc::new(RefCell::new(visitor(&semaphore, 2)));
            let (here, waker) = (Here::new(Rc::clone(&acquire)), waker.clone());
            let polled = move || assert!(poll(&mut here.borrow_mut(), &waker).is_pending());
            let waker = Script::default().on_wake(polled).into_waker();
            assert!(poll(&mut acquire.borrow_mut(), &waker).is_pending());
            acquire
        })
        .collect();
    drop(permits.0);
    assert_eq!((again.count(), semaphore.waiting()), (0, 2));
    drop(permits.1);
    assert_eq!((again.count(), semaphore.waiting()), (2, 0));
    for acquire in waiting {
        assert!(poll_idle(&mut acquire.borrow_mut()).is_ready());
    }
}

fn who_leaves_the_line_of_a_barging_semaphore_wakes_nobody_for_nothing<F: Flavour>() {
    let (semaphore, log) = (Semaphore::<F>::barging(1), Log::default());
    let permit = semaphore.try_acquire();
    let (mut first, mut second) = (acquire(&semaphore, 1), acquire(&semaphore, 1));
    assert!(poll(&mut first, &log.waker(1)).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    drop(first);
    assert_eq!((log.take(), semaphore.waiting()), (vec![], 1));
    drop(permit);
    assert_eq!(log.take(), [2]);
}

/// Acquires `count` permits and gives them back.
fn visitor<F: Flavour>(
    semaphore: &Rc<Semaphore<F>>,
    count: usize,
) -> Pin<Box<dyn Future<Output = ()>>> {
    let semaphore = Rc::clone(semaphore);
    Box::pin(async move { drop(semaphore.acquire_many(count).await) })
}

fn who_comes_while_others_are_served_gets_what_is_left<F: Flavour>() {
    let (semaphore, log) = (Rc::new(Semaphore::<F>::empty()), Log::default());
    let (late, waker) = (Rc::new(RefCell::new(None)), log.waker(3));
    let here = Here::new((Rc::clone(&semaphore), Rc::clone(&late)));
    let script = Script::default().on_wake(move || {
        let mut third = visitor(&here.0, 1);
        assert!(poll(&mut third, &waker).is_pending(), "the second is first");
        here.1.replace(Some(third));
    });
    let (mut first, mut second) = (acquire(&semaphore, 1), acquire(&semaphore, 1));
    assert!(poll(&mut first, &script.into_waker()).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    semaphore.add_permits(3).unwrap();
    assert_eq!(log.take(), [2, 3]);
    assert!(poll_idle(late.borrow_mut().as_mut().unwrap()).is_ready());
}

fn a_waker_may_use_the_semaphore_whenever_it_is_called<F: Flavour>() {
    let semaphore = Rc::new(Semaphore::<F>::new(2));
    let here = Here::new(Rc::clone(&semaphore));
    let script = Script::always(move || {
        drop(here.try_acquire_many(2));
        drop(poll_idle(&mut acquire(&here, 2)));
        here.add_permits(here.forget_permits(1)).unwrap();
        assert!(here.waiting() <= 2);
    });
    let permits = semaphore.try_acquire_many(2);
    let (mut first, mut second) = (acquire(&semaphore, 2), acquire(&semaphore, 1));
    assert!(poll(&mut first, &script.waker()).is_pending());
    assert!(poll(&mut second, &script.waker()).is_pending());
    assert!(poll(&mut first, Waker::noop()).is_pending());
    assert!(poll(&mut first, &script.waker()).is_pending());
    drop(permits);
    drop(granted(&mut first));
    drop(second);
    assert_eq!((semaphore.available_permits(), semaphore.waiting()), (2, 0));
    assert_eq!(script.wakes(), 2);
    // One whose wake closes it.
    let here = Here::new(Rc::clone(&semaphore));
    let closes = Script::always(move || here.close());
    let permits = semaphore.try_acquire_many(2);
    let mut last = acquire(&semaphore, 1);
    assert!(
        poll(&mut last, &closes.waker()).is_ready(),
        "the clone closed it"
    );
    drop(permits);
}

fn a_semaphore_may_move_while_a_leaked_future_waits<F: Flavour>() {
    let (semaphore, (woken, waker)) = (Semaphore::<F>::new(1), Counter::new());
    for _ in 0..2 {
        let mut leaked = acquire(&semaphore, 2);
        assert!(poll(&mut leaked, &waker).is_pending());
        crate::leak::on_purpose(leaked);
    }
    let moved = Box::new(semaphore);
    let mut behind = acquire(&moved, 1);
    assert!(poll(&mut behind, &waker).is_pending());
    moved.add_permits(4).unwrap();
    assert_eq!(
        woken.count(),
        3,
        "the leaked ones were served, and never give back"
    );
    drop(granted(&mut behind));
    assert_eq!(moved.available_permits(), 1);
}

fn it_shows_what_is_free<F: Flavour>() {
    let semaphore = Semaphore::<F>::new(2);
    let permit = semaphore.try_acquire().unwrap();
    assert_eq!(
        format!("{semaphore:?} {permit:?}"),
        "Semaphore { available_permits: 1, closed: false } SemaphorePermit { count: 1 }"
    );
}

#[cfg(panic = "unwind")]
#[test]
fn a_blocking_acquire_in_a_task_panics_even_if_a_permit_is_free() {
    let semaphore = arborio_sync::Semaphore::new(1);
    assert!(in_a_poll(|| panics(|| semaphore.blocking_acquire())));
    assert!(in_a_poll(|| panics(|| semaphore.blocking_acquire_many(1))));
    assert_eq!(semaphore.blocking_acquire().unwrap().count(), 1);
}
