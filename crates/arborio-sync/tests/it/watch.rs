//! Whoever watches a value learns that it has changed, and sees the last one.

mod foreign;
mod polling;

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use arborio_base::{budget, contained_panics};
use arborio_sync::flavour::{
    Flavour,
    watch::{Changed, Receiver, RecvError, SendError, Sender, Snapshot, channel as make},
};
use futures_core::Stream;

use crate::support::{
    Census, Counter, Here, Log, Script, in_a_poll, in_both_flavours, panics, poll, poll_idle,
    without_hanging,
};

in_both_flavours![
    the_first_value_counts_as_seen,
    a_change_is_seen_by_everybody_once,
    several_changes_are_one,
    looking_marks_nothing_unless_it_says_so,
    a_value_can_be_marked_either_way,
    the_latest_value_is_kept_until_one_looks_again,
    a_value_that_nobody_watches_comes_back,
    a_value_may_be_replaced_although_nobody_watches,
    a_clone_has_seen_what_its_original_has,
    a_new_receiver_has_seen_the_present_value,
    the_last_value_comes_before_the_end,
    the_last_sender_ends_it,
    an_update_makes_a_value_of_the_present_one,
    an_update_runs_again_if_another_sender_was_faster,
    a_modification_that_changes_nothing_wakes_nobody,
    a_change_wakes_all_in_the_order_in_which_they_came,
    a_change_that_came_before_the_wait_is_found_at_once,
    a_change_is_not_lost_with_the_future_that_was_told,
    wait_for_accepts_the_present_value,
    wait_for_waits_for_a_value_that_is_accepted,
    wait_for_shows_each_value_once,
    wait_for_ends_with_the_senders,
    wait_for_that_is_dropped_has_marked_nothing,
    closed_waits_until_nobody_watches,
    closed_stands_even_if_somebody_watches_again,
    closed_waits_for_the_next_parting,
    a_snapshot_stays_as_it_was,
    a_value_goes_with_its_last_snapshot,
    the_ends_show_what_they_know,
    ends_of_one_value_know_each_other,
];

fn channel<T, F: Flavour>(initial: T) -> (Sender<T, F>, Receiver<T, F>) {
    make(initial)
}

fn changed<T, F: Flavour>(receiver: &mut Receiver<T, F>) -> Pin<Box<Changed<'_, T, F>>> {
    Box::pin(receiver.changed())
}

/// What `changed` says without waiting.
fn now<T, F: Flavour>(receiver: &mut Receiver<T, F>) -> Option<Result<(), RecvError>> {
    match poll_idle(&mut changed(receiver)) {
        Poll::Ready(changed) => Some(changed),
        Poll::Pending => None,
    }
}

fn the_first_value_counts_as_seen<F: Flavour>() {
    let (_sender, mut receiver) = channel::<_, F>(1);
    assert!(!receiver.has_changed());
    assert_eq!(now(&mut receiver), None);
    assert_eq!(*receiver.get(), 1);
}

fn a_change_is_seen_by_everybody_once<F: Flavour>() {
    let (sender, first) = channel::<_, F>(1);
    let mut receivers = [sender.subscribe(), first.clone(), first];
    assert_eq!(sender.receiver_count(), 3);
    sender.send(2).unwrap();
    for receiver in &mut receivers {
        assert!(receiver.has_changed());
        assert_eq!(now(receiver), Some(Ok(())));
        assert_eq!(*receiver.get(), 2);
        assert_eq!(now(receiver), None);
    }
}

fn several_changes_are_one<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(0);
    (1..=5).for_each(|number| sender.send(number).unwrap());
    assert_eq!(now(&mut receiver), Some(Ok(())));
    assert_eq!(*receiver.get(), 5);
    assert_eq!(now(&mut receiver), None);
}

fn looking_marks_nothing_unless_it_says_so<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    sender.send(2).unwrap();
    assert_eq!((*receiver.get(), *sender.get()), (2, 2));
    assert!(receiver.has_changed());
    assert_eq!(*receiver.get_and_update(), 2);
    assert_eq!(now(&mut receiver), None);
}

fn a_value_can_be_marked_either_way<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    receiver.mark_changed();
    assert_eq!(now(&mut receiver), Some(Ok(())));
    assert_eq!(now(&mut receiver), None);
    sender.send(2).unwrap();
    receiver.mark_unchanged();
    assert_eq!(now(&mut receiver), None);
    receiver.mark_changed();
    sender.send(3).unwrap();
    assert!(receiver.has_changed(), "a change does not undo the mark");
    drop(sender);
    assert_eq!(now(&mut receiver), Some(Ok(())));
    assert!(now(&mut receiver).unwrap().is_err());
}

fn the_latest_value_is_kept_until_one_looks_again<F: Flavour>() {
    let census = Census::default();
    let (sender, mut receiver) = channel::<_, F>(census.value(1));
    let first = std::ptr::from_ref(receiver.latest());
    assert_eq!(std::ptr::from_ref(receiver.latest()), first);
    sender.send(census.value(2)).unwrap();
    sender.send(census.value(3)).unwrap();
    assert_eq!(census.alive(), 2, "the first one is kept");
    assert!(receiver.clone().has_changed());
    assert_eq!((receiver.latest().number, census.alive()), (3, 1));
    assert_eq!(now(&mut receiver), Some(Ok(())), "it was not marked");
    drop((sender, receiver));
    assert_eq!(census.alive(), 0);
}

fn a_value_that_nobody_watches_comes_back<F: Flavour>() {
    let (census, (sender, receiver)) = (Census::default(), channel::<_, F>(None));
    assert!(!sender.is_closed());
    drop(receiver);
    assert!(sender.is_closed());
    let SendError(value) = sender.send(Some(census.value(7))).unwrap_err();
    assert_eq!((value.unwrap().number, census.alive()), (7, 1));
    assert!(sender.get().is_none());
}

fn a_value_may_be_replaced_although_nobody_watches<F: Flavour>() {
    let sender = Sender::<_, F>::new(1);
    assert_eq!(*sender.send_replace(2), 1);
    assert!(sender.update(|number| Some(number + 1)));
    sender.send_modify(|number| *number += 1);
    assert_eq!(*sender.subscribe().get(), 4);
}

fn a_clone_has_seen_what_its_original_has<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    sender.send(2).unwrap();
    let unseen = receiver.clone();
    assert_eq!(now(&mut receiver), Some(Ok(())));
    let seen = receiver.clone();
    assert!(unseen.has_changed() && !seen.has_changed());
    assert!(unseen.same_channel(&seen));
    assert_eq!(sender.receiver_count(), 3);
}

fn a_new_receiver_has_seen_the_present_value<F: Flavour>() {
    let (sender, _first) = channel::<_, F>(1);
    sender.send(2).unwrap();
    let mut second = sender.subscribe();
    assert_eq!((*second.get(), now(&mut second)), (2, None));
    sender.send(3).unwrap();
    assert_eq!(now(&mut second), Some(Ok(())));
}

fn the_last_value_comes_before_the_end<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    sender.send(2).unwrap();
    drop(sender);
    assert!(receiver.is_closed() && receiver.has_changed());
    assert_eq!(now(&mut receiver), Some(Ok(())));
    for _ in 0..2 {
        assert!(now(&mut receiver).unwrap().is_err());
    }
    assert_eq!(*receiver.get(), 2);
}

fn the_last_sender_ends_it<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    let (other, log) = (sender.clone(), Log::default());
    assert!(sender.same_channel(&other));
    drop(sender);
    assert!(!receiver.is_closed());
    let mut watcher = receiver.clone();
    let (mut first, mut second) = (changed(&mut receiver), changed(&mut watcher));
    assert!(poll(&mut first, &log.waker(1)).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    drop(other);
    assert_eq!(log.take(), [1, 2]);
    assert!(matches!(poll_idle(&mut first), Poll::Ready(Err(_))));
    assert!(matches!(poll_idle(&mut second), Poll::Ready(Err(_))));
}

fn an_update_makes_a_value_of_the_present_one<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(String::from("a"));
    assert!(sender.update(|text| Some(text.clone() + "b")));
    assert_eq!(now(&mut receiver), Some(Ok(())));
    assert!(!sender.update(|_| None));
    assert_eq!(now(&mut receiver), None);
    sender.send_modify(|text| text.push('c'));
    assert_eq!(now(&mut receiver), Some(Ok(())));
    assert_eq!(*receiver.get(), "abc");
}

fn an_update_runs_again_if_another_sender_was_faster<F: Flavour>() {
    let (sender, receiver) = channel::<_, F>(1);
    let (other, runs) = (sender.clone(), Cell::new(0));
    assert!(sender.update(|number| {
        runs.set(runs.get() + 1);
        if runs.get() < 3 {
            other.send(number * 10).unwrap();
        }
        Some(number + 1)
    }));
    assert_eq!((runs.get(), *receiver.get()), (3, 101));
    // Refused in its second run: the change of the other one stands.
    runs.set(0);
    assert!(!sender.update(|number| {
        runs.set(runs.get() + 1);
        other.send(7).unwrap();
        (runs.get() == 1).then_some(*number)
    }));
    assert_eq!((runs.get(), *receiver.get()), (2, 7));
}

fn a_modification_that_changes_nothing_wakes_nobody<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    let ((woken, waker), mut waiting) = (Counter::new(), changed(&mut receiver));
    assert!(poll(&mut waiting, &waker).is_pending());
    assert!(!sender.send_if_modified(|number| {
        *number = 5;
        false
    }));
    assert_eq!((woken.count(), *sender.get()), (0, 1));
    assert!(sender.send_if_modified(|number| {
        *number = 5;
        true
    }));
    assert_eq!((woken.count(), *sender.get()), (1, 5));
}

fn a_change_wakes_all_in_the_order_in_which_they_came<F: Flavour>() {
    let (sender, first) = channel::<_, F>(1);
    let (log, mut receivers) = (Log::default(), [first.clone(), first.clone(), first]);
    let mut waiting: Vec<_> = receivers.iter_mut().map(changed).collect();
    for (number, wait) in waiting.iter_mut().enumerate() {
        assert!(poll(wait, &log.waker(number)).is_pending());
    }
    sender.send(2).unwrap();
    sender.send(3).unwrap();
    assert_eq!(log.take(), [0, 1, 2], "once each");
    assert!(waiting.iter_mut().all(|wait| poll_idle(wait).is_ready()));
}

fn a_change_that_came_before_the_wait_is_found_at_once<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    sender.send(2).unwrap();
    let script = Script::panics_on_clone();
    assert!(poll(&mut changed(&mut receiver), &script.waker()).is_ready());
}

fn a_change_is_not_lost_with_the_future_that_was_told<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    let (mut told, (woken, waker)) = (changed(&mut receiver), Counter::new());
    assert!(poll(&mut told, &waker).is_pending());
    sender.send(2).unwrap();
    assert_eq!(woken.count(), 1);
    drop(told);
    assert_eq!(now(&mut receiver), Some(Ok(())));
    assert_eq!(now(&mut receiver), None);
}

fn wait_for_accepts_the_present_value<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    let script = Script::panics_on_clone();
    let mut waiting = Box::pin(receiver.wait_for(|number| *number == 1));
    assert!(poll(&mut waiting, &script.waker()).is_ready());
    drop(waiting);
    sender.send(2).unwrap();
    let mut waiting = Box::pin(receiver.wait_for(|_| true));
    let Poll::Ready(Ok(found)) = poll_idle(&mut waiting) else {
        panic!("any value is accepted");
    };
    assert_eq!(*found, 2);
    drop(waiting);
    assert!(!receiver.has_changed(), "it was seen");
}

fn wait_for_waits_for_a_value_that_is_accepted<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    let (woken, waker) = Counter::new();
    let mut waiting = Box::pin(receiver.wait_for(|number| number % 5 == 0));
    for number in 2..5 {
        assert!(poll(&mut waiting, &waker).is_pending());
        sender.send(number).unwrap();
    }
    assert!(poll(&mut waiting, &waker).is_pending());
    assert_eq!(woken.count(), 3);
    sender.send(5).unwrap();
    let Poll::Ready(Ok(found)) = poll(&mut waiting, &waker) else {
        panic!("it is accepted");
    };
    assert_eq!(*found, 5);
}

fn wait_for_shows_each_value_once<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    let shown = RefCell::new(Vec::new());
    let mut waiting = Box::pin(receiver.wait_for(|number| {
        shown.borrow_mut().push(*number);
        false
    }));
    for number in 2..4 {
        (0..3).for_each(|_| assert!(poll_idle(&mut waiting).is_pending()));
        sender.send(number).unwrap();
    }
    (0..3).for_each(|_| assert!(poll_idle(&mut waiting).is_pending()));
    drop(sender);
    assert!(matches!(poll_idle(&mut waiting), Poll::Ready(Err(_))));
    assert_eq!(*shown.borrow(), [1, 2, 3]);
}

fn wait_for_ends_with_the_senders<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    sender.send(2).unwrap();
    drop(sender);
    let mut late = receiver.clone();
    let mut refused = Box::pin(receiver.wait_for(|_| false));
    assert!(matches!(poll_idle(&mut refused), Poll::Ready(Err(_))));
    let mut accepted = Box::pin(late.wait_for(|number| *number == 2));
    assert!(matches!(poll_idle(&mut accepted), Poll::Ready(Ok(_))));
}

fn wait_for_that_is_dropped_has_marked_nothing<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    sender.send(2).unwrap();
    let mut waiting = Box::pin(receiver.wait_for(|_| false));
    assert!(poll_idle(&mut waiting).is_pending());
    drop(waiting);
    assert_eq!(now(&mut receiver), Some(Ok(())));
}

fn closed_waits_until_nobody_watches<F: Flavour>() {
    let (sender, receiver) = channel::<_, F>(1);
    let (other, log) = (receiver.clone(), Log::default());
    let (mut first, mut second) = (Box::pin(sender.closed()), Box::pin(sender.closed()));
    assert!(poll(&mut first, &log.waker(1)).is_pending());
    assert!(poll(&mut second, &log.waker(2)).is_pending());
    drop(receiver);
    assert!(log.take().is_empty());
    drop(other);
    assert_eq!(log.take(), [1, 2]);
    assert!(poll_idle(&mut first).is_ready() && poll_idle(&mut second).is_ready());
    assert!(poll_idle(&mut Box::pin(sender.closed())).is_ready());
}

fn closed_stands_even_if_somebody_watches_again<F: Flavour>() {
    let (sender, receiver) = channel::<_, F>(1);
    let mut closed = Box::pin(sender.closed());
    assert!(poll_idle(&mut closed).is_pending());
    drop(receiver);
    let _again = sender.subscribe();
    assert!(poll_idle(&mut closed).is_ready());
}

fn closed_waits_for_the_next_parting<F: Flavour>() {
    let (sender, receiver) = channel::<_, F>(1);
    drop(receiver);
    let again = sender.subscribe();
    let (mut closed, (woken, waker)) = (Box::pin(sender.closed()), Counter::new());
    assert!(poll(&mut closed, &waker).is_pending());
    drop(again);
    assert_eq!(woken.count(), 1);
    assert!(poll_idle(&mut closed).is_ready());
}

fn a_snapshot_stays_as_it_was<F: Flavour>() {
    let (sender, receiver) = channel::<_, F>(1);
    let (before, again) = (receiver.get(), receiver.get().clone());
    sender.send(2).unwrap();
    assert_eq!((*before, *again, *receiver.get()), (1, 1, 2));
    assert_eq!(format!("{before:?} {before}"), "1 1");
    assert!(
        Snapshot::try_into_inner(before).is_err(),
        "there is another"
    );
    assert_eq!(Snapshot::try_into_inner(again).ok(), Some(1));
    assert!(Snapshot::try_into_inner(receiver.get()).is_err());
}

fn a_value_goes_with_its_last_snapshot<F: Flavour>() {
    let census = Census::default();
    let (sender, receiver) = channel::<_, F>(census.value(1));
    let before = receiver.get();
    sender.send(census.value(2)).unwrap();
    assert_eq!(census.alive(), 2);
    drop(before);
    assert_eq!(census.alive(), 1);
    drop(sender);
    assert_eq!((receiver.get().number, census.alive()), (2, 1));
    drop(receiver);
    assert_eq!(census.alive(), 0);
}

fn the_ends_show_what_they_know<F: Flavour>() {
    let (sender, receiver) = channel::<_, F>(1);
    sender.send(2).unwrap();
    assert_eq!(format!("{sender:?}"), "Sender(2)");
    assert_eq!(
        format!("{receiver:?}"),
        "Receiver { value: 2, changed: true }"
    );
    assert_eq!(format!("{:?}", SendError(1)), "SendError(..)");
}

fn ends_of_one_value_know_each_other<F: Flavour>() {
    let ((sender, receiver), (other_sender, other)) = (channel::<u8, F>(1), channel(1));
    assert!(sender.same_channel(&sender.clone()) && !sender.same_channel(&other_sender));
    assert!(receiver.same_channel(&sender.subscribe()) && !receiver.same_channel(&other));
}

#[cfg(panic = "unwind")]
#[test]
fn a_blocking_wait_in_a_task_panics_even_if_it_has_changed() {
    let (sender, mut receiver) = arborio_sync::watch::channel(1);
    sender.send(2).unwrap();
    assert!(in_a_poll(|| panics(|| receiver.blocking_changed())));
    assert!(in_a_poll(|| panics(|| drop(
        receiver.blocking_wait_for(|_| true)
    ))));
    assert_eq!(receiver.blocking_changed(), Ok(()));
    drop(sender);
    assert!(receiver.blocking_changed().is_err());
}

#[test]
fn receivers_on_other_threads_see_the_values_in_order_and_the_last_one() {
    const LAST: u32 = 5_000;
    without_hanging(|| {
        let (sender, receiver) = arborio_sync::watch::channel(0);
        std::thread::scope(|scope| {
            for mut receiver in [receiver.clone(), receiver.clone(), receiver] {
                scope.spawn(move || {
                    let mut seen = 0;
                    while receiver.blocking_changed().is_ok() {
                        let value = *receiver.get_and_update();
                        assert!(value >= seen, "it went back");
                        seen = value;
                    }
                    assert_eq!(seen, LAST);
                });
            }
            (1..=LAST).for_each(|value| sender.send(value).unwrap());
            drop(sender);
        });
    });
}

#[test]
fn updates_of_several_threads_are_all_made() {
    const EACH: usize = 3_000;
    without_hanging(|| {
        let (sender, mut receiver) = arborio_sync::watch::channel(0);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let sender = sender.clone();
                scope.spawn(move || {
                    (0..EACH).for_each(|_| assert!(sender.update(|count| Some(count + 1))));
                });
            }
            let found = receiver.blocking_wait_for(|count| *count == 3 * EACH);
            assert_eq!(*found.unwrap(), 3 * EACH);
        });
    });
}

#[test]
fn closed_is_told_from_another_thread() {
    without_hanging(|| {
        for _ in 0..200 {
            let (sender, receiver) = arborio_sync::watch::channel(1);
            std::thread::scope(|scope| {
                scope.spawn(|| drop(receiver));
                futures_lite::future::block_on(sender.closed());
            });
            assert_eq!(sender.receiver_count(), 0);
        }
    });
}
