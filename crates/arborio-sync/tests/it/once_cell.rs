//! A cell is filled once, whatever becomes of those who try.

use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::{Future, pending, ready},
    pin::Pin,
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
    task::Poll,
};

use arborio_sync::{
    SetError,
    flavour::{Event, Flavour, OnceCell},
};
use futures_lite::future::block_on;

use crate::support::{
    Census, Counter, Here, Log, Script, in_a_poll, in_both_flavours, panics, poll, poll_idle,
    without_hanging,
};

in_both_flavours![
    a_full_cell_answers_without_suspending,
    one_initialiser_runs_and_the_others_get_its_value,
    y18_the_next_tries_when_the_initialiser_is_dropped,
    #[cfg(panic = "unwind")]
    y18_the_next_tries_when_the_initialiser_panics,
    y18_the_next_tries_when_the_initialiser_fails,
    y18_a_waiter_that_is_dropped_after_its_grant_lets_the_next_try,
    y18_a_dropped_initialiser_is_gone_before_the_next_begins,
    an_initialiser_that_waits_for_its_own_cell_waits_for_ever,
    a_cell_is_set_unless_it_is_full_or_being_filled,
    waiting_does_not_take_a_turn,
    a_cell_that_was_emptied_is_as_new,
    a_leaked_initialiser_is_forgotten_when_the_cell_is_emptied,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_keeps_nobody_from_the_value,
    a_waker_may_use_the_cell_whenever_it_is_called,
    the_value_is_dropped_once,
    it_shows_its_value,
];

type Init<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A future that gets the value of `cell`, or that of `init`.
fn get_or<'a, T: Copy, F: Flavour>(
    cell: &'a OnceCell<T, F>,
    init: impl Future<Output = T> + 'a,
) -> Init<'a, T> {
    Box::pin(async move { *cell.get_or_init(|| init).await })
}

fn a_full_cell_answers_without_suspending<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    let script = Script::panics_on_clone();
    let waker = script.waker();
    assert_eq!((cell.get(), cell.is_initialized()), (None, false));
    // Neither does the first, if its initialiser does not.
    assert_eq!(poll(&mut get_or(&cell, ready(1)), &waker), Poll::Ready(1));
    assert_eq!(poll(&mut get_or(&cell, ready(2)), &waker), Poll::Ready(1));
    assert_eq!(poll(&mut Box::pin(cell.wait()), &waker), Poll::Ready(&1));
    assert_eq!((cell.get(), cell.is_initialized()), (Some(&1), true));
}

fn one_initialiser_runs_and_the_others_get_its_value<F: Flavour>() {
    let (cell, gate, log) = (OnceCell::<_, F>::new(), Event::<F>::new(), Log::default());
    let begun = Cell::new(0);
    let mut all: Vec<_> = (0..4)
        .map(|number| {
            let (gate, begun) = (&gate, &begun);
            get_or(&cell, async move {
                begun.set(begun.get() + 1);
                gate.wait().await;
                number
            })
        })
        .collect();
    for (number, get) in all.iter_mut().enumerate() {
        assert!(poll(get, &log.waker(number)).is_pending());
    }
    gate.set();
    assert_eq!(log.take(), [0]);
    assert_eq!(poll_idle(&mut all[0]), Poll::Ready(0));
    assert_eq!(log.take(), [1, 2, 3]);
    for get in &mut all[1..] {
        assert_eq!(poll_idle(get), Poll::Ready(0));
    }
    assert_eq!(begun.get(), 1);
}

fn y18_the_next_tries_when_the_initialiser_is_dropped<F: Flavour>() {
    let (cell, log) = (OnceCell::<_, F>::new(), Log::default());
    let mut first = get_or(&cell, pending());
    let (mut second, mut third) = (get_or(&cell, ready(2)), get_or(&cell, ready(3)));
    assert!(poll(&mut first, &log.waker(1)).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    assert!(poll(&mut third, &log.waker(3)).is_pending());
    drop(first);
    assert_eq!(log.take(), [2]);
    assert_eq!(poll_idle(&mut second), Poll::Ready(2));
    assert_eq!(log.take(), [3]);
    assert_eq!(poll_idle(&mut third), Poll::Ready(2));
}

fn y18_the_next_tries_when_the_initialiser_panics<F: Flavour>() {
    let (cell, gate, log) = (OnceCell::<_, F>::new(), Event::<F>::new(), Log::default());
    let mut first = get_or(&cell, async {
        gate.wait().await;
        panic!("an initialiser panics")
    });
    let mut second = get_or(&cell, ready(2));
    assert!(poll(&mut first, &log.waker(1)).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    gate.set();
    assert!(panics(|| poll_idle(&mut first)));
    assert_eq!(log.take(), [1, 2]);
    assert_eq!(poll_idle(&mut second), Poll::Ready(2));
    // One that panics before there is a future.
    let cell = OnceCell::<i32, F>::new();
    let init = || -> std::future::Ready<i32> { panic!("there is no initialiser") };
    assert!(panics(|| poll_idle(&mut Box::pin(cell.get_or_init(init)))));
    assert_eq!(cell.set(1), Ok(()));
}

fn y18_the_next_tries_when_the_initialiser_fails<F: Flavour>() {
    let (cell, gate, log) = (OnceCell::<_, F>::new(), Event::<F>::new(), Log::default());
    let mut first = Box::pin(cell.get_or_try_init(async || {
        gate.wait().await;
        Err("no")
    }));
    let mut second = Box::pin(cell.get_or_try_init(async || Ok::<_, Infallible>(2)));
    assert!(poll(&mut first, &log.waker(1)).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    gate.set();
    assert_eq!(poll_idle(&mut first), Poll::Ready(Err("no")));
    assert_eq!(log.take(), [1, 2]);
    assert_eq!(poll_idle(&mut second), Poll::Ready(Ok(&2)));
    assert_eq!(cell.get(), Some(&2));
}

fn y18_a_waiter_that_is_dropped_after_its_grant_lets_the_next_try<F: Flavour>() {
    let (cell, log) = (OnceCell::<_, F>::new(), Log::default());
    let mut first = get_or(&cell, pending());
    let (mut second, mut third) = (get_or(&cell, ready(2)), get_or(&cell, ready(3)));
    assert!(poll(&mut first, &log.waker(1)).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    assert!(poll(&mut third, &log.waker(3)).is_pending());
    drop(first);
    assert_eq!(log.take(), [2]);
    drop(second);
    assert_eq!(log.take(), [3]);
    assert_eq!(poll_idle(&mut third), Poll::Ready(3));
}

fn y18_a_dropped_initialiser_is_gone_before_the_next_begins<F: Flavour>() {
    struct Note(Log);
    impl Drop for Note {
        fn drop(&mut self) {
            self.0.add(1);
        }
    }
    let (cell, log) = (OnceCell::<i32, F>::new(), Log::default());
    let note = Note(log.clone());
    let mut first = get_or(&cell, async move {
        let _note = note;
        pending().await
    });
    let mut second = get_or(&cell, ready(2));
    assert!(poll_idle(&mut first).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    drop(first);
    assert_eq!(log.take(), [1, 2], "it is dropped, then the next is woken");
}

fn an_initialiser_that_waits_for_its_own_cell_waits_for_ever<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    let inner = get_or(&cell, ready(1));
    let mut outer = get_or(&cell, inner);
    assert!(poll_idle(&mut outer).is_pending(), "as documented");
    assert!(poll_idle(&mut outer).is_pending());
    drop(outer);
    assert_eq!(poll_idle(&mut get_or(&cell, ready(2))), Poll::Ready(2));
}

fn a_cell_is_set_unless_it_is_full_or_being_filled<F: Flavour>() {
    let (cell, gate) = (OnceCell::<_, F>::new(), Event::<F>::new());
    let mut get = get_or(&cell, async {
        gate.wait().await;
        1
    });
    assert!(poll_idle(&mut get).is_pending());
    assert_eq!(cell.set(2), Err(SetError::Initializing(2)));
    gate.set();
    assert_eq!(poll_idle(&mut get), Poll::Ready(1));
    assert_eq!(cell.set(3), Err(SetError::Initialized(3)));
    assert_eq!(cell.set(3).unwrap_err().into_inner(), 3);
    let cell = OnceCell::<_, F>::new();
    assert_eq!(cell.set(4), Ok(()));
    assert_eq!(OnceCell::<_, F>::from(5).get(), Some(&5));
}

fn waiting_does_not_take_a_turn<F: Flavour>() {
    let (cell, log) = (OnceCell::<_, F>::new(), Log::default());
    let mut waits: Vec<_> = (0..3).map(|_| Box::pin(cell.wait())).collect();
    for (number, wait) in waits.iter_mut().enumerate() {
        assert!(poll(wait, &log.waker(number)).is_pending());
    }
    drop(waits.remove(1));
    assert_eq!(poll_idle(&mut get_or(&cell, ready(7))), Poll::Ready(7));
    assert_eq!(log.take(), [0, 2]);
    assert!(
        waits
            .iter_mut()
            .all(|wait| poll_idle(wait) == Poll::Ready(&7))
    );
}

fn a_cell_that_was_emptied_is_as_new<F: Flavour>() {
    let mut cell = OnceCell::<_, F>::from(1);
    *cell.get_mut().unwrap() += 1;
    assert_eq!((cell.take(), cell.take()), (Some(2), None));
    assert_eq!(poll_idle(&mut get_or(&cell, ready(3))), Poll::Ready(3));
    assert_eq!(cell.into_inner(), Some(3));
}

fn a_leaked_initialiser_is_forgotten_when_the_cell_is_emptied<F: Flavour>() {
    let (mut cell, (woken, waker)) = (OnceCell::<i32, F>::new(), Counter::new());
    let (mut leaked, mut behind) = (get_or(&cell, pending()), get_or(&cell, pending()));
    assert!(poll(&mut leaked, &waker).is_pending());
    assert!(poll(&mut behind, &waker).is_pending());
    crate::leak::on_purpose((leaked, behind));
    assert_eq!(cell.set(1), Err(SetError::Initializing(1)));
    assert_eq!(cell.take(), None);
    assert_eq!(cell.set(2), Ok(()));
    assert_eq!((woken.count(), Box::new(cell).into_inner()), (0, Some(2)));
}

fn x09_a_waker_that_panics_keeps_nobody_from_the_value<F: Flavour>() {
    let (cell, (woken, waker)) = (OnceCell::<_, F>::new(), Counter::new());
    let script = Script::panics_on_wake();
    let gate = Event::<F>::new();
    let mut first = get_or(&cell, async {
        gate.wait().await;
        1
    });
    let (mut bad, mut good) = (get_or(&cell, ready(2)), get_or(&cell, ready(3)));
    let (mut bad_wait, mut good_wait) = (Box::pin(cell.wait()), Box::pin(cell.wait()));
    assert!(poll_idle(&mut first).is_pending());
    assert!(poll(&mut bad, &script.waker()).is_pending());
    assert!(poll(&mut good, &waker).is_pending());
    assert!(poll(&mut bad_wait, &script.waker()).is_pending());
    assert!(poll(&mut good_wait, &waker).is_pending());
    gate.set();
    assert_eq!(poll_idle(&mut first), Poll::Ready(1));
    assert_eq!((script.wakes(), woken.count()), (2, 2));
    assert_eq!(poll_idle(&mut bad), Poll::Ready(1));
    assert_eq!(poll_idle(&mut good), Poll::Ready(1));
    assert_eq!(poll_idle(&mut good_wait), Poll::Ready(&1));
}

fn a_waker_may_use_the_cell_whenever_it_is_called<F: Flavour>() {
    let cell = Rc::new(OnceCell::<_, F>::new());
    let here = Here::new(Rc::clone(&cell));
    let script = Script::always(move || {
        // While it is being filled, and when it is full.
        let refused = here.set(9).unwrap_err();
        assert_eq!(refused.into_inner(), 9);
        let _ = poll_idle(&mut get_or(&here, ready(8))).is_ready();
        let _ = poll_idle(&mut Box::pin(here.wait())).is_ready();
    });
    let gate = Event::<F>::new();
    let mut first = get_or(&cell, async {
        gate.wait().await;
        1
    });
    assert!(poll_idle(&mut first).is_pending());
    let (mut second, mut wait) = (get_or(&cell, ready(2)), Box::pin(cell.wait()));
    assert!(poll(&mut second, &script.waker()).is_pending());
    assert!(poll(&mut wait, &script.waker()).is_pending());
    gate.set();
    assert_eq!(poll_idle(&mut first), Poll::Ready(1));
    assert_eq!(script.wakes(), 2);
    assert_eq!(poll_idle(&mut second), Poll::Ready(1));
    assert_eq!(poll_idle(&mut wait), Poll::Ready(&1));
}

fn the_value_is_dropped_once<F: Flavour>() {
    let census = Census::default();
    let cell = OnceCell::<_, F>::new();
    let get = cell.get_or_init(|| ready(census.value(1)));
    assert_eq!(block_on(get).number, 1);
    drop(cell.set(census.value(2)));
    let unused = cell.get_or_init(|| ready(census.value(3)));
    assert_eq!(block_on(unused).number, 1);
    assert_eq!(census.alive(), 1);
    drop(cell);
    assert_eq!(census.alive(), 0);
}

fn it_shows_its_value<F: Flavour>() {
    let cell = OnceCell::<_, F>::new();
    assert_eq!(format!("{cell:?}"), "OnceCell(<empty>)");
    cell.set(7).unwrap();
    assert_eq!(format!("{cell:?}"), "OnceCell(7)");
    assert_eq!(format!("{:?}", cell.set(8).unwrap_err()), "Initialized(..)");
}

#[cfg(panic = "unwind")]
#[test]
fn a_blocking_wait_in_a_task_panics_even_if_the_cell_is_full() {
    let cell = arborio_sync::OnceCell::from(1);
    assert!(in_a_poll(|| panics(|| cell.blocking_wait())));
    assert!(in_a_poll(|| panics(|| cell.blocking_get_or_init(|| 2))));
    assert_eq!(
        (cell.blocking_wait(), cell.blocking_get_or_init(|| 2)),
        (&1, &1)
    );
}

#[cfg(panic = "unwind")]
#[test]
fn y18_a_blocking_initialiser_that_panics_lets_the_next_try() {
    let cell = arborio_sync::OnceCell::new();
    assert!(panics(
        || cell.blocking_get_or_init(|| panic!("an initialiser panics"))
    ));
    assert_eq!(cell.blocking_get_or_init(|| 7), &7);
}

#[test]
fn among_threads_one_initialiser_comes_to_its_end() {
    without_hanging(|| {
        for round in 0..200 {
            let cell = arborio_sync::OnceCell::new();
            let begun = AtomicUsize::new(0);
            let start = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let (cell, begun, start) = (&cell, &begun, &start);
                    scope.spawn(move || {
                        start.wait();
                        let value = match (round + thread) % 4 {
                            0 => cell.blocking_wait(),
                            1 => {
                                // One that gives up, wherever it is.
                                let mut get = get_or(cell, pending());
                                let _ = poll_idle(&mut get).is_ready();
                                return;
                            }
                            2 => cell.blocking_get_or_init(|| {
                                begun.fetch_add(1, Ordering::Relaxed);
                                thread
                            }),
                            _ => block_on(cell.get_or_init(async || {
                                begun.fetch_add(1, Ordering::Relaxed);
                                thread
                            })),
                        };
                        assert_eq!(cell.get(), Some(value));
                    });
                }
            });
            assert_eq!(begun.into_inner(), 1);
        }
    });
}

#[test]
fn a_future_that_initialises_may_be_sent() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    static CELL: arborio_sync::OnceCell<String> = arborio_sync::OnceCell::new();
    let get = is_send(CELL.get_or_init(|| async { RefCell::new(String::from("a")).into_inner() }));
    let value = std::thread::spawn(move || block_on(get)).join().unwrap();
    assert_eq!(
        (value.as_str(), block_on(is_send(CELL.wait())).as_str()),
        ("a", "a")
    );
}
