//! Every receiver of a broadcast gets every message, or is told what it missed.

mod foreign;
mod model;
mod polling;

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::Poll,
};

use arborio_base::{budget, contained_panics};
use arborio_sync::flavour::{
    Flavour, Threads,
    broadcast::{
        Lagged, Receiver, Recv, RecvError, SendError, Sender, TryRecvError, channel as make,
    },
};
use futures_core::Stream;

use crate::support::{
    Census, Counted, Counter, Here, Log, Script, in_a_poll, in_both_flavours, panics, poll,
    poll_idle, without_hanging,
};

in_both_flavours![
    every_receiver_gets_every_message_in_order,
    a_send_says_how_many_will_receive,
    a_message_without_receiver_comes_back,
    a_message_to_a_closed_broadcast_comes_back,
    an_empty_broadcast_says_so_and_a_closed_one_too,
    what_was_sent_is_received_after_the_close,
    the_last_sender_closes,
    a_slow_receiver_is_told_once_and_goes_on,
    a_receiver_may_lag_again_and_again,
    a_broadcast_for_one_message_keeps_the_last,
    #[cfg(panic = "unwind")]
    no_capacity_is_a_mistake,
    a_new_receiver_starts_with_the_next_message,
    a_clone_starts_where_its_original_is,
    a_clone_of_one_that_lags_is_told_too,
    a_receiver_that_comes_back_revives_the_broadcast,
    a_message_goes_when_the_last_receiver_has_seen_it,
    a_message_goes_when_there_is_no_room,
    a_receiver_that_goes_takes_along_what_only_it_wanted,
    a_receiver_that_lags_and_goes_is_counted_out,
    the_last_receiver_of_a_message_gets_the_value_itself,
    a_message_wakes_all_in_the_order_in_which_they_came,
    the_close_wakes_all,
    y05_a_receive_that_is_dropped_loses_no_message,
    y05_a_receive_that_was_told_and_is_dropped_loses_no_message,
    the_ends_show_what_they_know,
    the_ends_count_what_was_not_seen,
    ends_of_one_broadcast_know_each_other,
];

fn channel<T, F: Flavour>(capacity: usize) -> (Sender<T, F>, Receiver<T, F>) {
    make(capacity)
}

fn recv<T: Clone, F: Flavour>(receiver: &mut Receiver<T, F>) -> Pin<Box<Recv<'_, T, F>>> {
    Box::pin(receiver.recv())
}

/// What `recv` says without waiting.
fn now<T: Clone, F: Flavour>(receiver: &mut Receiver<T, F>) -> Option<Result<T, RecvError>> {
    match poll_idle(&mut recv(receiver)) {
        Poll::Ready(received) => Some(received),
        Poll::Pending => None,
    }
}

fn every_receiver_gets_every_message_in_order<F: Flavour>() {
    let (sender, first) = channel::<usize, F>(8);
    let mut receivers = vec![first, sender.subscribe(), sender.subscribe()];
    for number in 0..4 {
        sender.send(number).unwrap();
    }
    for receiver in &mut receivers {
        for number in 0..4 {
            assert_eq!(now(receiver), Some(Ok(number)));
        }
        assert_eq!(now(receiver), None);
    }
    assert!(sender.is_empty());
}

fn a_send_says_how_many_will_receive<F: Flavour>() {
    let (sender, first) = channel::<u8, F>(8);
    assert_eq!(sender.send(1), Ok(1));
    let second = first.clone();
    assert_eq!((sender.send(2), sender.receiver_count()), (Ok(2), 2));
    drop(first);
    assert_eq!((sender.send(3), sender.receiver_count()), (Ok(1), 1));
    drop(second);
}

fn a_message_without_receiver_comes_back<F: Flavour>() {
    let census = Census::default();
    let (sender, receiver) = channel::<_, F>(8);
    drop(receiver);
    let SendError(value) = sender.send(census.value(7)).unwrap_err();
    assert_eq!((value.number, census.alive()), (7, 1));
    assert!(!sender.is_closed());
}

fn a_message_to_a_closed_broadcast_comes_back<F: Flavour>() {
    let (sender, mut receiver) = channel::<u8, F>(8);
    assert!(sender.close());
    assert!(!sender.clone().close(), "it is closed");
    assert_eq!(sender.send(1).unwrap_err().into_inner(), 1);
    assert!(sender.is_closed() && receiver.is_closed());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(
        sender.subscribe().try_recv(),
        Err(TryRecvError::Closed),
        "for those who come later too"
    );
}

fn an_empty_broadcast_says_so_and_a_closed_one_too<F: Flavour>() {
    let (sender, mut receiver) = channel::<u8, F>(8);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(now(&mut receiver), None);
    drop(sender);
    for _ in 0..2 {
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        assert_eq!(now(&mut receiver), Some(Err(RecvError::Closed)));
    }
}

fn what_was_sent_is_received_after_the_close<F: Flavour>() {
    let (sender, mut receiver) = channel::<u8, F>(2);
    (1..=3).for_each(|number| assert!(sender.send(number).is_ok()));
    sender.close();
    assert_eq!(now(&mut receiver), Some(Err(RecvError::Lagged(1))));
    assert_eq!(now(&mut receiver), Some(Ok(2)));
    assert_eq!(now(&mut receiver), Some(Ok(3)));
    assert_eq!(now(&mut receiver), Some(Err(RecvError::Closed)));
}

fn the_last_sender_closes<F: Flavour>() {
    let (sender, mut receiver) = channel::<u8, F>(8);
    let other = sender.clone();
    assert!(sender.same_channel(&other));
    drop(sender);
    assert!(!receiver.is_closed());
    other.send(1).unwrap();
    drop(other);
    assert!(receiver.is_closed());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

fn a_slow_receiver_is_told_once_and_goes_on<F: Flavour>() {
    let (sender, mut slow) = channel::<u8, F>(3);
    let mut fast = sender.subscribe();
    for number in 0..5 {
        sender.send(number).unwrap();
        assert_eq!(now(&mut fast), Some(Ok(number)));
    }
    assert_eq!(slow.len(), 3);
    assert_eq!(now(&mut slow), Some(Err(RecvError::Lagged(2))));
    for number in 2..5 {
        assert_eq!(now(&mut slow), Some(Ok(number)));
    }
    assert_eq!(now(&mut slow), None);
}

fn a_receiver_may_lag_again_and_again<F: Flavour>() {
    let (sender, mut receiver) = channel::<u32, F>(2);
    let mut next = 0;
    for lag in [1, 5, 2] {
        (0..2 + lag).for_each(|_| {
            sender.send(next).unwrap();
            next += 1;
        });
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(lag)));
        // It lags further before it has seen one.
        sender.send(next).unwrap();
        next += 1;
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(1)));
        assert_eq!(receiver.try_recv(), Ok(next - 2));
        assert_eq!(receiver.try_recv(), Ok(next - 1));
    }
}

fn a_broadcast_for_one_message_keeps_the_last<F: Flavour>() {
    let (sender, mut first) = channel::<u8, F>(1);
    let mut second = sender.subscribe();
    sender.send(1).unwrap();
    assert_eq!(first.try_recv(), Ok(1));
    sender.send(2).unwrap();
    assert_eq!(second.try_recv(), Err(TryRecvError::Lagged(1)));
    assert_eq!((first.try_recv(), second.try_recv()), (Ok(2), Ok(2)));
    assert_eq!((sender.len(), sender.capacity()), (0, 1));
}

fn no_capacity_is_a_mistake<F: Flavour>() {
    assert!(panics(|| channel::<u8, F>(0)));
}

fn a_new_receiver_starts_with_the_next_message<F: Flavour>() {
    let (sender, first) = channel::<u8, F>(8);
    sender.send(1).unwrap();
    let (mut second, mut third) = (sender.subscribe(), first.resubscribe());
    assert!(second.same_channel(&first) && second.is_empty());
    sender.send(2).unwrap();
    assert_eq!((second.try_recv(), third.try_recv()), (Ok(2), Ok(2)));
    assert_eq!(first.len(), 2);
}

fn a_clone_starts_where_its_original_is<F: Flavour>() {
    let (sender, mut first) = channel::<u8, F>(8);
    (0..3).for_each(|number| assert!(sender.send(number).is_ok()));
    assert_eq!(first.try_recv(), Ok(0));
    let mut clone = first.clone();
    assert_eq!(first.try_recv(), Ok(1));
    drop(first);
    assert_eq!((clone.try_recv(), clone.try_recv()), (Ok(1), Ok(2)));
    let mut ahead = clone.clone();
    sender.send(3).unwrap();
    assert_eq!((clone.try_recv(), ahead.try_recv()), (Ok(3), Ok(3)));
    assert!(sender.is_empty());
}

fn a_clone_of_one_that_lags_is_told_too<F: Flavour>() {
    let (sender, mut first) = channel::<u8, F>(2);
    (0..4).for_each(|number| assert!(sender.send(number).is_ok()));
    let mut clone = first.clone();
    for receiver in [&mut first, &mut clone] {
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Lagged(2)));
        assert_eq!(receiver.try_recv(), Ok(2));
        assert_eq!(receiver.try_recv(), Ok(3));
    }
    assert!(sender.is_empty());
}

fn a_receiver_that_comes_back_revives_the_broadcast<F: Flavour>() {
    let (sender, receiver) = channel::<u8, F>(2);
    sender.send(1).unwrap();
    drop(receiver);
    assert!(sender.send(2).is_err());
    assert!(sender.is_empty(), "nobody can receive what was sent before");
    let mut receiver = sender.subscribe();
    sender.send(3).unwrap();
    assert_eq!(receiver.try_recv(), Ok(3));
}

fn a_message_goes_when_the_last_receiver_has_seen_it<F: Flavour>() {
    let census = Census::default();
    let (sender, mut first) = channel::<_, F>(8);
    let mut second = sender.subscribe();
    for number in 0..3 {
        sender.send(census.value(number)).unwrap();
    }
    assert_eq!(second.try_recv().unwrap().number, 0);
    assert_eq!(second.try_recv().unwrap().number, 1);
    assert_eq!((sender.len(), census.alive()), (3, 3));
    assert_eq!(first.try_recv().unwrap().number, 0);
    assert_eq!((sender.len(), census.alive()), (2, 2));
    assert_eq!(first.try_recv().unwrap().number, 1);
    assert_eq!(first.try_recv().unwrap().number, 2);
    assert_eq!((sender.len(), census.alive()), (1, 1));
    assert_eq!(second.try_recv().unwrap().number, 2);
    assert_eq!((sender.len(), census.alive()), (0, 0));
}

fn a_message_goes_when_there_is_no_room<F: Flavour>() {
    let census = Census::default();
    let (sender, receiver) = channel::<_, F>(3);
    for number in 0..10 {
        sender.send(census.value(number)).unwrap();
        assert_eq!(census.alive(), 3.min(number + 1));
    }
    drop(sender);
    assert_eq!(census.alive(), 3, "the receiver may still want them");
    drop(receiver);
    assert_eq!(census.alive(), 0);
}

fn a_receiver_that_goes_takes_along_what_only_it_wanted<F: Flavour>() {
    let census = Census::default();
    let (sender, slow) = channel::<_, F>(8);
    let mut fast = sender.subscribe();
    for number in 0..4 {
        sender.send(census.value(number)).unwrap();
    }
    drop(fast.try_recv());
    drop(fast.try_recv());
    assert_eq!(census.alive(), 4);
    drop(slow);
    assert_eq!((sender.len(), census.alive()), (2, 2));
    assert_eq!(fast.try_recv().unwrap().number, 2);
}

fn a_receiver_that_lags_and_goes_is_counted_out<F: Flavour>() {
    let census = Census::default();
    let (sender, slow) = channel::<_, F>(2);
    let mut fast = sender.subscribe();
    for number in 0..5 {
        sender.send(census.value(number)).unwrap();
        assert_eq!(fast.try_recv().unwrap().number, number);
    }
    assert_eq!((sender.len(), slow.len()), (2, 2));
    drop(slow);
    assert_eq!((sender.len(), census.alive()), (0, 0));
    sender.send(census.value(5)).unwrap();
    assert_eq!(fast.try_recv().unwrap().number, 5);
}

/// Counts its clones.
struct Cloned(Rc<Cell<usize>>);

impl Clone for Cloned {
    fn clone(&self) -> Self {
        self.0.set(self.0.get() + 1);
        Self(Rc::clone(&self.0))
    }
}

fn the_last_receiver_of_a_message_gets_the_value_itself<F: Flavour>() {
    let clones = Rc::new(Cell::new(0));
    let (sender, mut first) = channel::<_, F>(8);
    let mut others = [first.clone(), first.clone()];
    assert!(sender.send(Cloned(Rc::clone(&clones))).is_ok());
    for receiver in &mut others {
        assert!(receiver.try_recv().is_ok());
    }
    assert_eq!(clones.get(), 2);
    assert!(first.try_recv().is_ok());
    assert_eq!(clones.get(), 2);
}

fn a_message_wakes_all_in_the_order_in_which_they_came<F: Flavour>() {
    let (sender, first) = channel::<u8, F>(8);
    let log = Log::default();
    let mut receivers = [first, sender.subscribe(), sender.subscribe()];
    let mut waiting: Vec<_> = receivers.iter_mut().map(recv).collect();
    for (number, wait) in waiting.iter_mut().enumerate() {
        assert!(poll(wait, &log.waker(number)).is_pending());
    }
    sender.send(7).unwrap();
    sender.send(8).unwrap();
    assert_eq!(log.take(), [0, 1, 2], "once each");
    for wait in &mut waiting {
        assert_eq!(poll_idle(wait), Poll::Ready(Ok(7)));
        assert_eq!(poll_idle(wait), Poll::Ready(Ok(8)), "or one more");
    }
}

fn the_close_wakes_all<F: Flavour>() {
    for by_drop in [false, true] {
        let (sender, mut receiver) = channel::<u8, F>(8);
        let (mut other, log) = (sender.subscribe(), Log::default());
        let (mut first, mut second) = (recv(&mut receiver), recv(&mut other));
        assert!(poll(&mut first, &log.waker(1)).is_pending());
        assert!(poll(&mut second, &log.waker(2)).is_pending());
        if by_drop {
            drop(sender);
        } else {
            sender.close();
        }
        assert_eq!(log.take(), [1, 2]);
        assert_eq!(poll_idle(&mut first), Poll::Ready(Err(RecvError::Closed)));
        assert_eq!(poll_idle(&mut second), Poll::Ready(Err(RecvError::Closed)));
    }
}

fn y05_a_receive_that_is_dropped_loses_no_message<F: Flavour>() {
    let (sender, mut receiver) = channel::<u8, F>(8);
    let (woken, waker) = Counter::new();
    assert!(poll(&mut recv(&mut receiver), &waker).is_pending());
    sender.send(7).unwrap();
    assert_eq!(woken.count(), 0, "it has left the line");
    assert_eq!(now(&mut receiver), Some(Ok(7)));
}

fn y05_a_receive_that_was_told_and_is_dropped_loses_no_message<F: Flavour>() {
    let (sender, mut receiver) = channel::<u8, F>(8);
    let mut told = recv(&mut receiver);
    assert!(poll_idle(&mut told).is_pending());
    sender.send(7).unwrap();
    drop(told);
    assert_eq!(now(&mut receiver), Some(Ok(7)));
    assert_eq!(now(&mut receiver), None);
}

fn the_ends_show_what_they_know<F: Flavour>() {
    let (sender, receiver) = channel::<u8, F>(2);
    sender.send(1).unwrap();
    assert_eq!(format!("{sender:?}"), "Sender { len: 1, receivers: 1 }");
    assert_eq!(format!("{receiver:?}"), "Receiver { len: 1 }");
    assert_eq!(format!("{:?}", SendError(1)), "SendError(..)");
}

fn the_ends_count_what_was_not_seen<F: Flavour>() {
    let (sender, mut first) = channel::<u8, F>(2);
    let second = first.clone();
    assert_eq!(sender.capacity(), 2);
    assert!(sender.is_empty() && first.is_empty());
    sender.send(1).unwrap();
    assert!(!sender.is_empty() && !first.is_empty());
    first.try_recv().unwrap();
    assert!(first.is_empty() && !second.is_empty() && !sender.is_empty());
    assert_eq!((first.len(), second.len(), sender.len()), (0, 1, 1));
}

fn ends_of_one_broadcast_know_each_other<F: Flavour>() {
    let ((sender, receiver), (other_sender, other)) = (channel::<u8, F>(1), channel(1));
    assert!(sender.same_channel(&sender.clone()) && !sender.same_channel(&other_sender));
    assert!(receiver.same_channel(&sender.subscribe()) && !receiver.same_channel(&other));
}

#[cfg(panic = "unwind")]
#[test]
fn a_blocking_receive_in_a_task_panics_even_if_a_message_is_there() {
    let (sender, mut receiver) = arborio_sync::broadcast::channel(1);
    sender.send(1).unwrap();
    assert!(in_a_poll(|| panics(|| receiver.blocking_recv())));
    assert_eq!(receiver.blocking_recv(), Ok(1));
    drop(sender);
    assert_eq!(receiver.blocking_recv(), Err(RecvError::Closed));
}

/// Each receiver sees the messages of each sender in order, and each message
/// or its loss once.
#[test]
fn every_message_is_received_or_missed_once_across_threads() {
    const SENDERS: usize = 2;
    const EACH: usize = 3_000;
    without_hanging(|| {
        let (census, missed) = (Census::default(), AtomicUsize::new(0));
        let (sender, receiver) = arborio_sync::broadcast::channel(64);
        let receivers = [receiver.clone(), receiver.clone(), receiver];
        std::thread::scope(|scope| {
            for mut receiver in receivers {
                let missed = &missed;
                scope.spawn(move || {
                    let (mut total, mut latest) = (0, [None; SENDERS]);
                    loop {
                        match receiver.blocking_recv() {
                            Ok((from, value)) => {
                                let value: Counted = value;
                                let number = Some(value.number);
                                assert!(latest[from] < number, "in order");
                                latest[from] = number;
                                total += 1;
                            }
                            Err(RecvError::Lagged(count)) => {
                                missed.fetch_add(count as usize, Ordering::Relaxed);
                                total += count as usize;
                            }
                            Err(RecvError::Closed) => break,
                        }
                    }
                    assert_eq!(total, SENDERS * EACH);
                });
            }
            for from in 0..SENDERS {
                let (sender, census) = (sender.clone(), &census);
                scope.spawn(move || {
                    for number in 0..EACH {
                        assert!(sender.send((from, census.value(number))).is_ok());
                    }
                });
            }
            drop(sender);
        });
        assert_eq!(census.alive(), 0);
    });
}

/// Receivers come and go, and others are dropped in the middle of a wait, while
/// messages are sent: those that stay get all of them.
#[test]
fn y13_receivers_come_and_go_while_messages_are_sent() {
    const SENT: usize = 4_000;
    without_hanging(|| {
        let (census, over) = (Census::default(), Arc::new(AtomicBool::new(false)));
        let (sender, mut steady) = channel::<Counted, Threads>(SENT);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let (sender, over) = (sender.clone(), Arc::clone(&over));
                scope.spawn(move || {
                    while !over.load(Ordering::Acquire) {
                        let mut guest = sender.subscribe();
                        let mut clone = guest.clone();
                        let _ = poll_idle(&mut recv(&mut guest)).is_ready();
                        drop(guest);
                        let _ = poll_idle(&mut recv(&mut clone)).is_ready();
                    }
                });
            }
            scope.spawn(move || {
                for number in 0..SENT {
                    assert_eq!(steady.blocking_recv().unwrap().number, number);
                }
            });
            for number in 0..SENT {
                assert!(sender.send(census.value(number)).is_ok());
            }
            over.store(true, Ordering::Release);
        });
        assert!(sender.is_empty());
        drop(sender);
        assert_eq!(census.alive(), 0);
    });
}
