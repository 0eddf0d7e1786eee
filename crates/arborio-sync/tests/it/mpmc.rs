//! A channel to many receivers gives each message to one of them, in order, and
//! passes on what was promised.

mod foreign;
mod model;
mod races;

use std::{pin::Pin, task::Poll};

use arborio_base::budget;
use arborio_sync::{
    flavour::{
        Flavour,
        mpmc::{self, Recv},
    },
    mpmc::{RecvError, SendError, TryRecvError, TrySendError},
};
use futures_core::Stream;
use futures_lite::future::block_on;

use crate::support::{Census, Counter, Log, in_a_poll, in_both_flavours, panics, poll, poll_idle};

in_both_flavours![
    each_message_goes_to_one_receiver_in_order,
    receivers_are_served_in_the_order_in_which_they_came,
    nobody_takes_a_message_that_was_promised,
    y02_a_receiver_that_is_dropped_after_its_promise_passes_it_on,
    y05_a_promise_that_nobody_waits_for_is_a_message_again,
    y05_a_receive_that_is_dropped_while_it_waits_takes_nothing_along,
    whoever_was_promised_a_message_gets_the_oldest,
    a_slot_is_granted_when_the_message_is_received_not_when_it_is_promised,
    an_unbounded_channel_is_never_full,
    what_was_sent_is_received_after_the_last_sender_is_gone,
    the_last_sender_wakes_all_who_wait_in_vain,
    a_close_from_either_side_refuses_new_messages,
    a_close_tells_those_who_wait,
    the_end_waits_for_a_message_that_is_promised,
    the_end_comes_with_the_last_promised_message,
    y06_the_end_waits_for_permits,
    y06_the_last_permit_after_a_close_is_for_one_and_the_end_for_the_others,
    what_is_sent_to_nobody_comes_back,
    what_nobody_received_is_dropped_with_the_last_receiver,
    senders_learn_that_the_receivers_are_gone,
    streams_share_the_messages,
    a_stream_that_is_dropped_passes_its_promise_on,
    an_owned_stream_is_a_receiver,
    a_receive_that_is_leaked_keeps_one_message,
    x14_a_poll_receives_as_much_as_its_budget_allows,
    an_operation_that_has_to_wait_is_not_charged,
    #[cfg(panic = "unwind")]
    a_channel_without_room_cannot_be_made,
    receivers_of_one_channel_know_each_other,
    a_receiver_knows_how_full_its_channel_is,
];

type Receiving<'a, T, F> = Pin<Box<Recv<'a, T, F>>>;

fn receive<T, F: Flavour>(receiver: &mpmc::Receiver<T, F>) -> Receiving<'_, T, F> {
    Box::pin(receiver.recv())
}

/// Receives that wait, in this order.
fn waiting<'a, T, F: Flavour>(
    receiver: &'a mpmc::Receiver<T, F>,
    log: &Log,
    count: usize,
) -> Vec<Receiving<'a, T, F>> {
    let one = |number| {
        let mut receiving = receive(receiver);
        assert!(poll(&mut receiving, &log.waker(number)).is_pending());
        receiving
    };
    (0..count).map(one).collect()
}

fn each_message_goes_to_one_receiver_in_order<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(8);
    let other = receiver.clone();
    (0..8).for_each(|number| sender.try_send(number).unwrap());
    assert_eq!(sender.try_send(8), Err(TrySendError::Full(8)));
    for number in 0..4 {
        assert_eq!(receiver.try_recv(), Ok(2 * number));
        let received = poll_idle(&mut receive(&other));
        assert_eq!(received, Poll::Ready(Ok(2 * number + 1)));
    }
    assert_eq!(other.try_recv(), Err(TryRecvError::Empty));
}

fn receivers_are_served_in_the_order_in_which_they_came<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(8);
    let log = Log::default();
    let mut waiting = waiting(&receiver, &log, 4);
    for number in 0..4 {
        sender.try_send(number).unwrap();
        assert_eq!(log.take(), [number], "one is woken, in its turn");
    }
    for (number, receiving) in waiting.iter_mut().enumerate() {
        assert_eq!(poll_idle(receiving), Poll::Ready(Ok(number)));
    }
}

fn nobody_takes_a_message_that_was_promised<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(8);
    let mut waiting = waiting(&receiver, &Log::default(), 1);
    sender.try_send(1).unwrap();
    assert_eq!((receiver.len(), receiver.is_empty()), (1, false));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert!(poll_idle(&mut receive(&receiver)).is_pending());
    sender.try_send(2).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1), "the second is for anybody");
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(poll_idle(&mut waiting[0]), Poll::Ready(Ok(2)));
}

fn y02_a_receiver_that_is_dropped_after_its_promise_passes_it_on<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(8);
    let log = Log::default();
    let mut waiting = waiting(&receiver, &log, 4);
    sender.try_send(1).unwrap();
    assert_eq!(log.take(), [0]);
    drop(waiting.remove(0));
    assert_eq!(log.take(), [1]);
    drop(waiting.remove(0));
    assert_eq!(log.take(), [2]);
    assert_eq!(poll_idle(&mut waiting[0]), Poll::Ready(Ok(1)));
    assert!(poll_idle(&mut waiting[1]).is_pending());
}

fn y05_a_promise_that_nobody_waits_for_is_a_message_again<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(8);
    let waiting = waiting(&receiver, &Log::default(), 1);
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    drop(waiting);
    assert_eq!(receiver.try_recv(), Ok(1));
}

fn y05_a_receive_that_is_dropped_while_it_waits_takes_nothing_along<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(8);
    let log = Log::default();
    let mut waiting = waiting(&receiver, &log, 3);
    drop(waiting.remove(1));
    (1..=2).for_each(|number| sender.try_send(number).unwrap());
    assert_eq!(log.take(), [0, 2]);
    for (number, receiving) in (1..).zip(&mut waiting) {
        assert_eq!(poll_idle(receiving), Poll::Ready(Ok(number)));
    }
}

fn whoever_was_promised_a_message_gets_the_oldest<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(8);
    let mut waiting = waiting(&receiver, &Log::default(), 2);
    (1..=2).for_each(|number| sender.try_send(number).unwrap());
    assert_eq!(poll_idle(&mut waiting[1]), Poll::Ready(Ok(1)));
    assert_eq!(poll_idle(&mut waiting[0]), Poll::Ready(Ok(2)));
}

fn a_slot_is_granted_when_the_message_is_received_not_when_it_is_promised<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(1);
    let (woken, waker) = Counter::new();
    let mut waiting = waiting(&receiver, &Log::default(), 1);
    sender.try_send(1).unwrap();
    let mut sending = Box::pin(sender.send(2));
    assert!(poll(&mut sending, &waker).is_pending());
    assert_eq!((sender.len(), sender.capacity()), (1, 0));
    assert_eq!(poll_idle(&mut waiting[0]), Poll::Ready(Ok(1)));
    assert_eq!((woken.count(), sender.capacity()), (1, 0));
    assert_eq!(poll_idle(&mut sending), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(2));
}

fn an_unbounded_channel_is_never_full<F: Flavour>() {
    let (sender, receiver) = mpmc::unbounded::<_, F>();
    for number in 0..5_000 {
        sender.try_send(number).unwrap();
        assert!(poll_idle(&mut Box::pin(sender.send(number))).is_ready());
    }
    assert_eq!(sender.max_capacity(), usize::MAX);
    assert_eq!(sender.capacity(), usize::MAX - 10_000);
    for number in 0..5_000 {
        assert_eq!(receiver.try_recv(), Ok(number));
        assert_eq!(block_on(receiver.recv()), Ok(number));
    }
    assert!(receiver.is_empty());
}

fn what_was_sent_is_received_after_the_last_sender_is_gone<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(2);
    let other = receiver.clone();
    (1..=2).for_each(|number| sender.try_send(number).unwrap());
    assert!(!receiver.is_closed());
    drop(sender);
    assert!(receiver.is_closed());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(block_on(other.recv()), Ok(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(block_on(other.recv()), Err(RecvError));
}

fn the_last_sender_wakes_all_who_wait_in_vain<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<u8, F>(2);
    let (log, other) = (Log::default(), sender.clone());
    let mut waiting = waiting(&receiver, &log, 3);
    drop(sender);
    assert_eq!(log.take(), []);
    drop(other);
    assert_eq!(log.take(), [0, 1, 2]);
    for receiving in &mut waiting {
        assert_eq!(poll_idle(receiving), Poll::Ready(Err(RecvError)));
    }
}

fn a_close_from_either_side_refuses_new_messages<F: Flavour>() {
    for by_sender in [false, true] {
        let (sender, receiver) = mpmc::channel::<_, F>(1);
        sender.try_send(1).unwrap();
        let mut sending = Box::pin(sender.send(2));
        assert!(poll_idle(&mut sending).is_pending());
        let close = || match by_sender {
            true => sender.close(),
            false => receiver.close(),
        };
        assert!(close() && !close());
        assert_eq!(poll_idle(&mut sending), Poll::Ready(Err(SendError(2))));
        assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
        assert!(sender.is_closed() && receiver.is_closed());
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }
}

fn a_close_tells_those_who_wait<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<u8, F>(1);
    let log = Log::default();
    let mut waiting = waiting(&receiver, &log, 2);
    sender.close();
    assert_eq!(log.take(), [0, 1]);
    for receiving in &mut waiting {
        assert_eq!(poll_idle(receiving), Poll::Ready(Err(RecvError)));
    }
}

fn the_end_waits_for_a_message_that_is_promised<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(1);
    let log = Log::default();
    let mut waiting = waiting(&receiver, &log, 2);
    sender.try_send(1).unwrap();
    drop(sender);
    assert_eq!(log.take(), [0], "the other may yet get the message");
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    drop(waiting.remove(0));
    assert_eq!(log.take(), [1]);
    assert_eq!(poll_idle(&mut waiting[0]), Poll::Ready(Ok(1)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

fn the_end_comes_with_the_last_promised_message<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(1);
    let log = Log::default();
    let mut waiting = waiting(&receiver, &log, 3);
    sender.try_send(1).unwrap();
    drop(sender);
    assert_eq!(poll_idle(&mut waiting[0]), Poll::Ready(Ok(1)));
    assert_eq!(log.take(), [0, 1, 2]);
    for receiving in &mut waiting[1..] {
        assert_eq!(poll_idle(receiving), Poll::Ready(Err(RecvError)));
    }
}

fn y06_the_end_waits_for_permits<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(2);
    let permits = (sender.try_reserve().unwrap(), sender.try_reserve().unwrap());
    sender.close();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    permits.0.send(1);
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    drop(permits.1);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

fn y06_the_last_permit_after_a_close_is_for_one_and_the_end_for_the_others<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(2);
    let log = Log::default();
    let permit = sender.try_reserve().unwrap();
    let mut waiting = waiting(&receiver, &log, 3);
    receiver.close();
    assert_eq!(log.take(), []);
    permit.send(1);
    assert_eq!(log.take(), [0]);
    assert_eq!(poll_idle(&mut waiting[0]), Poll::Ready(Ok(1)));
    assert_eq!(log.take(), [1, 2]);
}

fn what_is_sent_to_nobody_comes_back<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(1);
    let other = receiver.clone();
    drop(receiver);
    sender.try_send(1).unwrap();
    let mut sending = Box::pin(sender.send(2));
    assert!(poll_idle(&mut sending).is_pending());
    drop(other);
    assert_eq!(poll_idle(&mut sending), Poll::Ready(Err(SendError(2))));
    assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
    assert_eq!((sender.len(), sender.capacity()), (0, 1));
}

fn what_nobody_received_is_dropped_with_the_last_receiver<F: Flavour>() {
    let census = Census::default();
    let (sender, receiver) = mpmc::channel::<_, F>(3);
    let other = receiver.clone();
    (0..3).for_each(|number| sender.try_send(census.value(number)).unwrap());
    drop(receiver);
    assert_eq!(census.alive(), 3);
    drop(other);
    assert_eq!(census.alive(), 0, "at once, not with the last sender");
}

fn senders_learn_that_the_receivers_are_gone<F: Flavour>() {
    let (woken, waker) = Counter::new();
    let (sender, receiver) = mpmc::channel::<u8, F>(1);
    let mut closed = Box::pin(sender.closed());
    assert!(poll(&mut closed, &waker).is_pending());
    let other = receiver.clone();
    drop(receiver);
    assert_eq!(woken.count(), 0);
    drop(other);
    assert_eq!(woken.count(), 1);
    assert!(poll(&mut closed, &waker).is_ready());
}

fn streams_share_the_messages<F: Flavour>() {
    let (sender, receiver) = mpmc::unbounded::<_, F>();
    (0..10).for_each(|number| sender.try_send(number).unwrap());
    drop(sender);
    let mut both = [Box::pin(receiver.stream()), Box::pin(receiver.stream())];
    for pair in 0..5 {
        for (number, stream) in (2 * pair..).zip(&mut both) {
            assert_eq!(poll_next(stream), Poll::Ready(Some(number)));
        }
    }
    for stream in &mut both {
        assert_eq!(poll_next(stream), Poll::Ready(None));
    }
}

/// Polls a stream once with a waker that does nothing.
fn poll_next<S: Stream>(stream: &mut Pin<Box<S>>) -> Poll<Option<S::Item>> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    stream.as_mut().poll_next(&mut cx)
}

fn a_stream_that_is_dropped_passes_its_promise_on<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(1);
    let mut first = Box::pin(receiver.stream());
    let mut second = Box::pin(receiver.clone().into_stream());
    let mut third = receive(&receiver);
    assert!(poll_next(&mut first).is_pending());
    assert!(poll_next(&mut second).is_pending());
    assert!(poll_idle(&mut third).is_pending());
    sender.try_send(1).unwrap();
    drop(first);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    drop(second);
    assert_eq!(poll_idle(&mut third), Poll::Ready(Ok(1)));
}

fn an_owned_stream_is_a_receiver<F: Flavour>() {
    let census = Census::default();
    let (sender, receiver) = mpmc::channel::<_, F>(1);
    let mut stream = Box::pin(receiver.into_stream());
    assert!(poll_next(&mut stream).is_pending());
    assert!(!sender.is_closed());
    sender.try_send(census.value(1)).unwrap();
    drop(stream); // with a promise
    assert!(sender.is_closed());
    assert_eq!(census.alive(), 0);
}

fn a_receive_that_is_leaked_keeps_one_message<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(2);
    let leaked = waiting(&receiver, &Log::default(), 1);
    sender.try_send(1).unwrap();
    crate::leak::on_purpose(leaked);
    for number in 2..5 {
        sender.try_send(number).unwrap();
        assert_eq!(receiver.try_recv(), Ok(number - 1));
    }
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    drop(receiver);
    assert!(sender.is_empty() && sender.is_closed());
}

fn x14_a_poll_receives_as_much_as_its_budget_allows<F: Flavour>() {
    let most = budget::PER_POLL as usize;
    let (sender, receiver) = mpmc::unbounded::<_, F>();
    (0..=most).for_each(|number| sender.try_send(number).unwrap());
    let (woken, waker) = Counter::new();
    in_a_poll(|| {
        for number in 0..most {
            let received = poll(&mut receive(&receiver), &waker);
            assert_eq!(received, Poll::Ready(Ok(number)));
        }
        assert!(poll(&mut receive(&receiver), &waker).is_pending());
        assert!(poll_next(&mut Box::pin(receiver.stream())).is_pending());
        assert_eq!((woken.count(), receiver.len()), (1, 1));
    });
    assert_eq!(receiver.try_recv(), Ok(most));
}

fn an_operation_that_has_to_wait_is_not_charged<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(1);
    in_a_poll(|| {
        let mut waiting = receive(&receiver);
        for _ in 0..2 * budget::PER_POLL {
            assert!(poll_idle(&mut waiting).is_pending());
            assert!(poll_next(&mut Box::pin(receiver.stream())).is_pending());
        }
        sender.try_send(1).unwrap();
        assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(1)));
    });
}

fn a_channel_without_room_cannot_be_made<F: Flavour>() {
    assert!(panics(|| mpmc::channel::<u8, F>(0)));
}

fn a_receiver_knows_how_full_its_channel_is<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(3);
    assert!(receiver.is_empty() && sender.is_empty());
    sender.try_send(1).unwrap();
    assert!(!receiver.is_empty() && !sender.is_empty());
    assert_eq!((receiver.len(), receiver.capacity()), (1, 2));
    assert_eq!(receiver.max_capacity(), 3);
}

fn receivers_of_one_channel_know_each_other<F: Flavour>() {
    let (sender, one) = mpmc::channel::<u8, F>(1);
    let (_other_sender, other) = mpmc::channel::<u8, F>(1);
    assert!(one.same_channel(&one.clone()) && !one.same_channel(&other));
    assert_eq!(
        format!("{sender:?} {one:?}"),
        "Sender { len: 0, max_capacity: 1 } Receiver { len: 0, max_capacity: 1 }"
    );
}

#[cfg(panic = "unwind")]
#[test]
fn a_blocking_operation_in_a_task_panics_even_if_it_need_not_wait() {
    let (sender, receiver) = arborio_sync::mpmc::channel(1);
    assert!(in_a_poll(|| panics(|| sender.blocking_send(1))));
    sender.blocking_send(1).unwrap();
    assert!(in_a_poll(|| panics(|| receiver.blocking_recv())));
    assert_eq!(receiver.blocking_recv(), Ok(1));
}
