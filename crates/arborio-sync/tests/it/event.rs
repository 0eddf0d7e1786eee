//! An event wakes all that wait, whatever becomes of it or of them.

use std::{
    pin::Pin,
    rc::Rc,
    sync::{Arc, mpsc},
    task::Waker,
};

use arborio_sync::flavour::{Event, EventWait, Flavour};

use crate::support::{
    Counter, Here, Log, Script, in_a_poll, in_both_flavours, panics, poll, poll_idle,
    without_hanging,
};

in_both_flavours![
    s33_waiting_for_a_set_event_does_not_suspend,
    s33_set_wakes_all_in_the_order_in_which_they_came,
    s33_setting_a_set_event_does_nothing,
    s33_set_and_clear_before_they_are_polled_still_let_them_go_on,
    s33_who_comes_after_the_clear_waits_for_the_next_set,
    s33_a_cancelled_waiter_does_not_affect_the_others,
    s33_a_waiter_may_be_cancelled_after_it_was_told,
    y12_a_wake_may_drop_the_other_waiters,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_keeps_nobody_from_being_woken,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_cloned_has_no_effect,
    a_wake_may_clear_the_event_and_wait_again,
    a_waker_may_use_the_event_whenever_it_is_called,
    an_event_may_move_while_a_leaked_future_waits,
    the_last_poll_counts_for_the_wake,
];

fn wait<F: Flavour>(event: &Event<F>) -> Pin<Box<EventWait<'_, F>>> {
    Box::pin(event.wait())
}

fn s33_waiting_for_a_set_event_does_not_suspend<F: Flavour>() {
    let event = Event::<F>::new();
    event.set();
    let script = Script::panics_on_clone();
    assert!(poll(&mut wait(&event), &script.waker()).is_ready());
    assert!(event.is_set());
}

fn s33_set_wakes_all_in_the_order_in_which_they_came<F: Flavour>() {
    let (event, log) = (Event::<F>::new(), Log::default());
    let mut waiting: Vec<_> = (0..5).map(|_| wait(&event)).collect();
    for (number, wait) in waiting.iter_mut().enumerate() {
        assert!(poll(wait, &log.waker(number)).is_pending());
    }
    event.set();
    assert_eq!(log.take(), [0, 1, 2, 3, 4]);
    assert!(waiting.iter_mut().all(|wait| poll_idle(wait).is_ready()));
}

fn s33_setting_a_set_event_does_nothing<F: Flavour>() {
    let (event, (woken, waker)) = (Event::<F>::new(), Counter::new());
    let mut waiting = wait(&event);
    assert!(poll(&mut waiting, &waker).is_pending());
    event.set();
    event.set();
    assert_eq!((woken.count(), event.is_set()), (1, true));
    event.clear();
    event.clear();
    assert!(!event.is_set());
}

fn s33_set_and_clear_before_they_are_polled_still_let_them_go_on<F: Flavour>() {
    let event = Event::<F>::new();
    let (mut first, mut second) = (wait(&event), wait(&event));
    assert!(poll_idle(&mut first).is_pending());
    assert!(poll_idle(&mut second).is_pending());
    event.set();
    event.clear();
    assert!(!event.is_set());
    assert!(poll_idle(&mut first).is_ready());
    assert!(poll_idle(&mut second).is_ready());
}

fn s33_who_comes_after_the_clear_waits_for_the_next_set<F: Flavour>() {
    let (event, (woken, waker)) = (Event::<F>::new(), Counter::new());
    event.set();
    event.clear();
    let mut waiting = wait(&event);
    assert!(poll(&mut waiting, &waker).is_pending());
    assert_eq!(woken.count(), 0);
    event.set();
    assert_eq!(woken.count(), 1);
    assert!(poll_idle(&mut waiting).is_ready());
}

fn s33_a_cancelled_waiter_does_not_affect_the_others<F: Flavour>() {
    for gone in 0..3 {
        let (event, log) = (Event::<F>::new(), Log::default());
        let mut waiting: Vec<_> = (0..3).map(|number| (number, wait(&event))).collect();
        for (number, wait) in &mut waiting {
            assert!(poll(wait, &log.waker(*number)).is_pending());
        }
        drop(waiting.remove(gone));
        event.set();
        let expected: Vec<_> = (0..3).filter(|number| *number != gone).collect();
        assert_eq!(log.take(), expected);
        assert!(
            waiting
                .iter_mut()
                .all(|(_, wait)| poll_idle(wait).is_ready())
        );
    }
}

fn s33_a_waiter_may_be_cancelled_after_it_was_told<F: Flavour>() {
    let event = Event::<F>::new();
    let (mut told, mut other) = (wait(&event), wait(&event));
    assert!(poll_idle(&mut told).is_pending());
    assert!(poll_idle(&mut other).is_pending());
    event.set();
    drop(told);
    assert!(poll_idle(&mut other).is_ready());
    assert!(event.is_set());
}

#[test]
fn s33_an_event_is_set_from_another_thread() {
    without_hanging(|| {
        let event = Arc::new(arborio_sync::Event::new());
        let (waits, waiting) = mpsc::channel();
        let other = std::thread::spawn({
            let event = Arc::clone(&event);
            move || {
                waiting.recv().unwrap();
                event.set();
            }
        });
        let mut wait = wait(&event);
        assert!(poll_idle(&mut wait).is_pending());
        waits.send(()).unwrap();
        futures_lite::future::block_on(wait);
        other.join().unwrap();
    });
}

#[test]
fn threads_that_wait_for_each_other_lose_no_set() {
    const ROUNDS: usize = 2_000;
    without_hanging(|| {
        let events = [const { arborio_sync::Event::new() }; 2];
        std::thread::scope(|scope| {
            for me in 0..2 {
                let events = &events;
                scope.spawn(move || {
                    for _ in 0..ROUNDS {
                        if me == 0 {
                            events[1].set();
                        }
                        events[me].blocking_wait();
                        events[me].clear();
                        if me == 1 {
                            events[0].set();
                        }
                    }
                });
            }
        });
        assert!(!events[0].is_set() && !events[1].is_set());
    });
}

fn y12_a_wake_may_drop_the_other_waiters<F: Flavour>() {
    let event = Rc::new(Event::<F>::new());
    let others = Rc::new(std::cell::RefCell::new(Vec::new()));
    let here = Here::new(Rc::clone(&others));
    let script = Script::default().on_wake(move || drop(here.take())).start();
    // One before and two behind the one whose wake drops them.
    let join = || {
        let event = Rc::clone(&event);
        let mut other = Box::pin(async move { event.wait().await });
        assert!(poll_idle(&mut other).is_pending());
        others.borrow_mut().push(other);
    };
    join();
    let mut first = wait(&event);
    assert!(poll(&mut first, &script.waker()).is_pending());
    join();
    join();
    event.set();
    assert!(others.borrow().is_empty());
    assert!(poll_idle(&mut first).is_ready());
    event.clear();
    event.set();
}

fn x09_a_waker_that_panics_keeps_nobody_from_being_woken<F: Flavour>() {
    let (event, (woken, waker)) = (Event::<F>::new(), Counter::new());
    let script = Script::panics_on_wake();
    let mut waiting: Vec<_> = (0..4).map(|_| wait(&event)).collect();
    for (number, wait) in waiting.iter_mut().enumerate() {
        let waker = if number % 2 == 0 {
            &script.waker()
        } else {
            &waker
        };
        assert!(poll(wait, waker).is_pending());
    }
    event.set();
    assert_eq!((script.wakes(), woken.count()), (2, 2));
    assert!(waiting.iter_mut().all(|wait| poll_idle(wait).is_ready()));
}

fn x09_a_waker_that_panics_as_it_is_cloned_has_no_effect<F: Flavour>() {
    let event = Event::<F>::new();
    let script = Script::panics_on_clone();
    let mut waiting = wait(&event);
    assert!(panics(|| poll(&mut waiting, &script.waker())));
    assert!(poll_idle(&mut waiting).is_pending());
    assert!(panics(|| poll(&mut waiting, &script.waker())));
    event.set();
    assert!(poll_idle(&mut waiting).is_ready());
}

fn a_wake_may_clear_the_event_and_wait_again<F: Flavour>() {
    let (event, log) = (Rc::new(Event::<F>::new()), Log::default());
    let late = Rc::new(std::cell::RefCell::new(None));
    let here = Here::new((Rc::clone(&event), Rc::clone(&late), log.clone()));
    let script = Script::default()
        .on_wake(move || {
            let (event, late, log) = &*here;
            event.clear();
            let again = Rc::clone(event);
            let mut wait = Box::pin(async move { again.wait().await });
            assert!(poll(&mut wait, &log.waker(9)).is_pending());
            late.replace(Some(wait));
        })
        .start();
    let (mut first, mut second) = (wait(&event), wait(&event));
    assert!(poll(&mut first, &script.waker()).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    event.set();
    assert_eq!(
        log.take(),
        [2],
        "it came before the set, the other one after"
    );
    assert!(poll_idle(&mut first).is_ready() && poll_idle(&mut second).is_ready());
    let mut late = late.take().unwrap();
    assert!(poll(&mut late, &log.waker(9)).is_pending());
    event.set();
    assert_eq!(log.take(), [9]);
    assert!(poll_idle(&mut late).is_ready());
}

fn a_waker_may_use_the_event_whenever_it_is_called<F: Flavour>() {
    let event = Rc::new(Event::<F>::new());
    let here = Here::new(Rc::clone(&event));
    let script = Script::always(move || {
        here.set();
        let _ = poll_idle(&mut wait(&here)).is_ready();
        here.clear();
        let _ = poll_idle(&mut wait(&here)).is_ready();
    });
    let (mut first, mut second) = (wait(&event), wait(&event));
    assert!(poll(&mut first, &script.waker()).is_pending());
    assert!(poll(&mut second, &script.waker()).is_pending());
    let _ = poll(&mut first, Waker::noop()).is_ready();
    event.set();
    assert!(script.wakes() > 0);
    drop((first, second));
    event.set();
    assert!(poll_idle(&mut wait(&event)).is_ready());
}

fn an_event_may_move_while_a_leaked_future_waits<F: Flavour>() {
    let (event, (woken, waker)) = (Event::<F>::new(), Counter::new());
    for _ in 0..2 {
        let mut leaked = wait(&event);
        assert!(poll(&mut leaked, &waker).is_pending());
        crate::leak::on_purpose(leaked);
    }
    let moved = Box::new(event);
    let mut waiting = wait(&moved);
    assert!(poll(&mut waiting, &waker).is_pending());
    moved.set();
    assert_eq!(woken.count(), 3, "the leaked ones are told as well");
    assert!(poll_idle(&mut waiting).is_ready());
}

fn the_last_poll_counts_for_the_wake<F: Flavour>() {
    let (event, log) = (Event::<F>::new(), Log::default());
    let mut waiting = wait(&event);
    for task in [1, 2, 3] {
        assert!(poll(&mut waiting, &log.waker(task)).is_pending());
    }
    event.set();
    assert_eq!(log.take(), [3]);
}

#[cfg(panic = "unwind")]
#[test]
fn a_blocking_wait_in_a_task_panics_even_if_the_event_is_set() {
    let event = arborio_sync::Event::new();
    event.set();
    assert!(in_a_poll(|| panics(|| event.blocking_wait())));
    event.blocking_wait();
}
