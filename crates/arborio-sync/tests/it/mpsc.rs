//! A channel to one receiver loses no message and no slot, and ends as its table
//! says.

mod budget;
mod closing;
mod foreign;
mod races;

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use arborio_sync::{
    flavour::{
        Flavour,
        channel::{Kind, Send, Sender},
        mpsc,
    },
    mpsc::{SendError, TryRecvError, TrySendError},
};
use futures_lite::{StreamExt, future::block_on};

use crate::support::{Counter, Log, Script, in_a_poll, in_both_flavours, panics, poll, poll_idle};

in_both_flavours![
    messages_are_received_in_the_order_in_which_they_were_sent,
    a_receiver_waits_until_a_message_is_sent,
    y05_a_receive_that_is_dropped_takes_no_message_along,
    y05_a_send_that_is_dropped_while_it_waits_has_sent_nothing,
    y02_a_send_that_is_dropped_after_its_grant_passes_the_slot_on,
    y02_a_reservation_that_is_dropped_after_its_grant_passes_the_slot_on,
    y02_an_owned_reservation_that_is_dropped_after_its_grant_passes_the_slot_on,
    senders_are_served_in_the_order_in_which_they_came,
    nobody_overtakes_a_sender_that_waits,
    a_slot_that_is_granted_is_not_free,
    a_sender_that_leaves_the_line_leaves_the_order_alone,
    a_permit_is_a_slot_until_it_is_used_or_dropped,
    an_owned_permit_gives_its_sender_back,
    a_permit_that_is_dropped_goes_to_the_first_in_line,
    receiving_many_takes_what_is_there_up_to_the_limit,
    receiving_many_grants_every_slot_that_it_frees,
    receiving_none_is_ready_at_once,
    receiving_many_appends,
    messages_that_are_there_are_received_without_suspending,
    a_receiver_knows_how_full_its_channel_is,
    an_unbounded_receive_of_many_goes_on_where_the_senders_are,
    the_length_of_an_unbounded_channel_counts_both_queues,
    the_last_poll_counts_for_the_wake,
    a_receiver_that_waits_still_needs_no_other_waker,
    a_receiver_is_a_stream,
    a_message_may_be_large_or_have_no_size,
    #[cfg(panic = "unwind")]
    a_channel_without_room_cannot_be_made,
    senders_of_one_channel_know_each_other,
    its_ends_show_what_they_are,
    #[cfg(panic = "unwind")]
    a_send_that_is_polled_after_its_end_panics,
];

type Sending<'a, T, F, K> = Pin<Box<Send<'a, T, F, K>>>;

fn send<T, F: Flavour, K: Kind>(sender: &Sender<T, F, K>, message: T) -> Sending<'_, T, F, K> {
    Box::pin(sender.send(message))
}

/// What a poll of the receiver finds.
fn receive<T, F: Flavour>(receiver: &mut mpsc::Receiver<T, F>, waker: &Waker) -> Poll<Option<T>> {
    receiver.poll_recv(&mut Context::from_waker(waker))
}

/// The same of an unbounded channel.
fn receive_unbounded<T, F: Flavour>(
    receiver: &mut mpsc::UnboundedReceiver<T, F>,
    waker: &Waker,
) -> Poll<Option<T>> {
    receiver.poll_recv(&mut Context::from_waker(waker))
}

fn messages_are_received_in_the_order_in_which_they_were_sent<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(8);
    let other = sender.clone();
    for number in 0..8 {
        let by = if number % 2 == 0 { &sender } else { &other };
        assert_eq!(poll_idle(&mut send(by, number)), Poll::Ready(Ok(())));
    }
    assert_eq!(sender.try_send(8), Err(TrySendError::Full(8)));
    for number in 0..8 {
        assert_eq!(receiver.try_recv(), Ok(number));
    }
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    for number in 0..1000 {
        sender.send(number).unwrap();
        if number % 3 == 0 {
            assert_eq!(receiver.try_recv(), Ok(number / 3));
        }
    }
    drop(sender);
    let rest: Vec<_> = block_on(receiver.collect());
    assert_eq!(rest, (334..1000).collect::<Vec<_>>());
}

fn a_receiver_waits_until_a_message_is_sent<F: Flavour>() {
    let (woken, waker) = Counter::new();
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    assert_eq!(receive(&mut receiver, &waker), Poll::Pending);
    assert_eq!(woken.count(), 0);
    sender.try_send(1).unwrap();
    assert_eq!(woken.count(), 1);
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(Some(1)));
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    assert_eq!(receive_unbounded(&mut receiver, &waker), Poll::Pending);
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    assert_eq!(woken.count(), 2, "one wake for both");
    for number in [1, 2] {
        let received = receive_unbounded(&mut receiver, &waker);
        assert_eq!(received, Poll::Ready(Some(number)));
    }
    assert_eq!(receive_unbounded(&mut receiver, &waker), Poll::Pending);
}

fn y05_a_receive_that_is_dropped_takes_no_message_along<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    let mut receiving = Box::pin(receiver.recv());
    assert!(poll_idle(&mut receiving).is_pending());
    sender.try_send(1).unwrap();
    drop(receiving);
    assert_eq!(receiver.try_recv(), Ok(1));
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    let mut receiving = Box::pin(receiver.recv());
    assert!(poll_idle(&mut receiving).is_pending());
    sender.send(1).unwrap();
    drop(receiving);
    assert_eq!(receiver.try_recv(), Ok(1));
}

fn y05_a_send_that_is_dropped_while_it_waits_has_sent_nothing<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    sender.try_send(1).unwrap();
    let mut waiting = send(&sender, 2);
    assert!(poll_idle(&mut waiting).is_pending());
    drop(waiting);
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!((sender.len(), sender.capacity()), (0, 1));
}

fn y02_a_send_that_is_dropped_after_its_grant_passes_the_slot_on<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    let (woken, waker) = Counter::new();
    sender.try_send(1).unwrap();
    let (mut first, mut second) = (send(&sender, 2), send(&sender, 3));
    assert!(poll_idle(&mut first).is_pending());
    assert!(poll(&mut second, &waker).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(woken.count(), 0, "the slot is for the first");
    drop(first);
    assert_eq!(woken.count(), 1);
    assert_eq!(poll_idle(&mut second), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(3));
    let mut last = send(&sender, 4);
    assert_eq!(poll_idle(&mut last), Poll::Ready(Ok(())));
    assert_eq!(sender.capacity(), 0);
}

fn y02_a_reservation_that_is_dropped_after_its_grant_passes_the_slot_on<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    sender.try_send(1).unwrap();
    let mut first = Box::pin(sender.reserve());
    let mut second = send(&sender, 2);
    assert!(poll_idle(&mut first).is_pending() && poll_idle(&mut second).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    drop(first);
    assert_eq!(poll_idle(&mut second), Poll::Ready(Ok(())));
}

fn y02_an_owned_reservation_that_is_dropped_after_its_grant_passes_the_slot_on<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    sender.try_send(1).unwrap();
    let mut first = Box::pin(sender.clone().reserve_owned());
    let mut second = send(&sender, 2);
    assert!(poll_idle(&mut first).is_pending() && poll_idle(&mut second).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    drop(first);
    assert_eq!(poll_idle(&mut second), Poll::Ready(Ok(())));
    drop(second);
    drop(sender);
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

fn senders_are_served_in_the_order_in_which_they_came<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(2);
    let log = Log::default();
    let mut waiting: Vec<_> = (0..6).map(|number| send(&sender, number)).collect();
    for (number, send) in waiting.iter_mut().enumerate() {
        assert_eq!(poll(send, &log.waker(number)).is_ready(), number < 2);
    }
    for number in 0..4 {
        assert_eq!(receiver.try_recv(), Ok(number));
        assert_eq!(log.take(), [number + 2], "one is woken, in its turn");
        let behind = number + 3;
        for send in waiting.iter_mut().skip(behind) {
            assert!(poll_idle(send).is_pending());
        }
        for (place, send) in waiting.iter_mut().enumerate().skip(behind) {
            assert!(poll(send, &log.waker(place)).is_pending());
        }
        assert_eq!(poll_idle(&mut waiting[number + 2]), Poll::Ready(Ok(())));
    }
    assert_eq!(receiver.len(), 2);
}

fn nobody_overtakes_a_sender_that_waits<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    sender.try_send(1).unwrap();
    let (mut first, mut second) = (send(&sender, 2), send(&sender, 3));
    assert!(poll_idle(&mut first).is_pending());
    assert!(poll_idle(&mut second).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    // The slot is granted, although the sender has not been polled.
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
    assert!(sender.try_reserve().is_err());
    assert!(poll_idle(&mut send(&sender, 9)).is_pending());
    assert_eq!(poll_idle(&mut first), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(poll_idle(&mut second), Poll::Ready(Ok(())));
}

fn a_slot_that_is_granted_is_not_free<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(2);
    (1..=2).for_each(|number| sender.try_send(number).unwrap());
    let mut waiting = send(&sender, 3);
    assert!(poll_idle(&mut waiting).is_pending());
    assert_eq!((sender.len(), sender.capacity()), (2, 0));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!((sender.len(), sender.capacity()), (1, 0));
    assert_eq!((receiver.len(), receiver.max_capacity()), (1, 2));
    drop(waiting);
    assert_eq!((receiver.len(), receiver.capacity()), (1, 1));
}

fn a_sender_that_leaves_the_line_leaves_the_order_alone<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    sender.try_send(0).unwrap();
    let mut waiting: Vec<_> = (1..=4).map(|number| send(&sender, number)).collect();
    for send in &mut waiting {
        assert!(poll_idle(send).is_pending());
    }
    drop(waiting.remove(1)); // it would have sent 2
    drop(waiting.remove(2)); // and 4
    for (expected, send) in [0, 1].into_iter().zip(&mut waiting) {
        assert_eq!(receiver.try_recv(), Ok(expected));
        assert_eq!(poll_idle(send), Poll::Ready(Ok(())));
    }
    assert_eq!(receiver.try_recv(), Ok(3));
    assert_eq!(sender.capacity(), 1);
}

fn a_permit_is_a_slot_until_it_is_used_or_dropped<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(2);
    let Poll::Ready(Ok(one)) = poll_idle(&mut Box::pin(sender.reserve())) else {
        panic!("there is room");
    };
    let two = sender.try_reserve().unwrap();
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
    assert_eq!((sender.len(), sender.capacity()), (0, 0));
    drop(one);
    assert_eq!(sender.capacity(), 1);
    two.send(2);
    assert_eq!((sender.len(), sender.capacity()), (1, 1));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(sender.capacity(), 2);
}

fn an_owned_permit_gives_its_sender_back<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    let Poll::Ready(Ok(permit)) = poll_idle(&mut Box::pin(sender.reserve_owned())) else {
        panic!("there is room");
    };
    assert!(!receiver.is_closed(), "the permit has the sender");
    let sender = permit.send(1);
    let error = sender.try_reserve_owned().unwrap_err();
    let sender = match error {
        TrySendError::Full(sender) => sender,
        TrySendError::Closed(_) => panic!("it is full"),
    };
    assert_eq!(receiver.try_recv(), Ok(1));
    let sender = sender.try_reserve_owned().unwrap().release();
    assert_eq!(sender.capacity(), 1);
    drop(sender.try_reserve_owned());
    assert_eq!(receiver.capacity(), 1);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

fn a_permit_that_is_dropped_goes_to_the_first_in_line<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    let permit = sender.try_reserve().unwrap();
    let (woken, waker) = Counter::new();
    let mut waiting = send(&sender, 1);
    assert!(poll(&mut waiting, &waker).is_pending());
    drop(permit);
    assert_eq!(woken.count(), 1);
    assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(1));
}

fn receiving_many_takes_what_is_there_up_to_the_limit<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(8);
    let mut many = Vec::new();
    assert!(poll_idle(&mut Box::pin(receiver.recv_many(&mut many, 3))).is_pending());
    (0..5).for_each(|number| sender.try_send(number).unwrap());
    assert_eq!(block_on(receiver.recv_many(&mut many, 3)), 3);
    assert_eq!(block_on(receiver.recv_many(&mut many, 3)), 2);
    assert_eq!(many, [0, 1, 2, 3, 4]);
    assert_eq!(sender.capacity(), 8);
    drop(sender);
    assert_eq!(block_on(receiver.recv_many(&mut many, 3)), 0);
}

fn receiving_many_grants_every_slot_that_it_frees<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(3);
    let log = Log::default();
    let mut waiting: Vec<_> = (0..8).map(|number| send(&sender, number)).collect();
    for (number, send) in waiting.iter_mut().enumerate() {
        assert_eq!(poll(send, &log.waker(number)).is_ready(), number < 3);
    }
    let mut many = Vec::new();
    assert_eq!(block_on(receiver.recv_many(&mut many, usize::MAX)), 3);
    assert_eq!(log.take(), [3, 4, 5]);
    assert_eq!((receiver.len(), receiver.capacity()), (0, 0));
    for (number, send) in waiting.iter_mut().enumerate().skip(3) {
        assert_eq!(poll_idle(send).is_ready(), number < 6);
    }
}

fn receiving_none_is_ready_at_once<F: Flavour>() {
    let (_sender, mut receiver) = mpsc::channel::<u8, F>(1);
    let mut none = Vec::new();
    assert_eq!(block_on(receiver.recv_many(&mut none, 0)), 0);
    let (_sender, mut receiver) = mpsc::unbounded::<u8, F>();
    assert_eq!(block_on(receiver.recv_many(&mut none, 0)), 0);
}

fn receiving_many_appends<F: Flavour>() {
    let mut many = vec![7];
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    sender.try_send(8).unwrap();
    assert_eq!(block_on(receiver.recv_many(&mut many, 9)), 1);
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    sender.send(9).unwrap();
    assert_eq!(block_on(receiver.recv_many(&mut many, 9)), 1);
    assert_eq!(many, [7, 8, 9]);
}

fn messages_that_are_there_are_received_without_suspending<F: Flavour>() {
    let waker = Script::panics_on_clone().waker();
    let mut many = Vec::new();
    let (sender, mut receiver) = mpsc::channel::<_, F>(8);
    (0..3).for_each(|number| sender.try_send(number).unwrap());
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(Some(0)));
    let moved = poll(&mut Box::pin(receiver.recv_many(&mut many, 8)), &waker);
    assert_eq!(moved, Poll::Ready(2));
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    (0..3).for_each(|number| sender.send(number).unwrap());
    assert_eq!(
        receive_unbounded(&mut receiver, &waker),
        Poll::Ready(Some(0))
    );
    let moved = poll(&mut Box::pin(receiver.recv_many(&mut many, 8)), &waker);
    assert_eq!((moved, many), (Poll::Ready(2), vec![1, 2, 1, 2]));
}

fn a_receiver_knows_how_full_its_channel_is<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(3);
    assert!(receiver.is_empty() && sender.is_empty());
    sender.try_send(1).unwrap();
    assert!(!receiver.is_empty() && !sender.is_empty());
    assert_eq!((receiver.len(), receiver.capacity()), (1, 2));
    assert_eq!(receiver.max_capacity(), 3);
    receiver.try_recv().unwrap();
    assert!(receiver.is_empty() && sender.is_empty());
}

fn an_unbounded_receive_of_many_goes_on_where_the_senders_are<F: Flavour>() {
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    (0..5).for_each(|number| sender.send(number).unwrap());
    assert_eq!(receiver.try_recv(), Ok(0)); // 1 to 4 are in the receiver's queue
    (5..9).for_each(|number| sender.send(number).unwrap());
    let mut many = Vec::new();
    assert_eq!(block_on(receiver.recv_many(&mut many, 6)), 6);
    assert_eq!(many, [1, 2, 3, 4, 5, 6]);
    assert_eq!(block_on(receiver.recv_many(&mut many, 6)), 2);
    assert!(poll_idle(&mut Box::pin(receiver.recv_many(&mut many, 6))).is_pending());
    drop(sender);
    assert_eq!(block_on(receiver.recv_many(&mut many, 6)), 0);
}

fn the_length_of_an_unbounded_channel_counts_both_queues<F: Flavour>() {
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    let mut length = 0;
    for round in 0..50_usize {
        for number in 0..round % 7 {
            sender.send(number).unwrap();
            length += 1;
        }
        for _ in 0..round % 5 {
            length -= usize::from(receiver.try_recv().is_ok());
        }
        assert_eq!((sender.len(), receiver.len()), (length, length));
        assert_eq!(
            (sender.is_empty(), receiver.is_empty()),
            (length == 0, length == 0)
        );
    }
    assert!(length > 0, "the rounds leave some");
    drop(receiver);
    assert!(sender.is_empty(), "they are gone with the receiver");
}

fn the_last_poll_counts_for_the_wake<F: Flavour>() {
    let log = Log::default();
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    for task in [1, 2, 2, 3] {
        assert!(receive(&mut receiver, &log.waker(task)).is_pending());
    }
    sender.try_send(1).unwrap();
    assert_eq!(log.take(), [3]);
    let mut waiting = send(&sender, 2);
    for task in [1, 2, 2, 3] {
        assert!(poll(&mut waiting, &log.waker(task)).is_pending());
    }
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(log.take(), [3]);
}

fn a_receiver_that_waits_still_needs_no_other_waker<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    let log = Log::default();
    let clones = log.clone();
    let script = Script::default().on_clone(move || clones.add(1)).start();
    let waker = script.waker();
    for _ in 0..3 {
        assert!(receive(&mut receiver, &waker).is_pending());
    }
    assert_eq!(log.take(), [1], "by the first poll");
    assert_eq!(script.clones_alive(), 2);
    sender.try_send(1).unwrap();
    assert_eq!((script.wakes(), script.clones_alive()), (1, 1));
}

fn a_receiver_is_a_stream<F: Flavour>() {
    let (sender, receiver) = mpsc::channel::<_, F>(3);
    (1..=3).for_each(|number| sender.try_send(number).unwrap());
    drop(sender);
    assert_eq!(block_on(receiver.collect::<Vec<_>>()), [1, 2, 3]);
    let (sender, receiver) = mpsc::unbounded::<_, F>();
    (1..=3).for_each(|number| sender.send(number).unwrap());
    drop(sender);
    assert_eq!(block_on(receiver.collect::<Vec<_>>()), [1, 2, 3]);
}

fn a_message_may_be_large_or_have_no_size<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(3);
    for number in 0..3 {
        assert!(poll_idle(&mut send(&sender, [number; 4096])).is_ready());
    }
    for number in 0..3 {
        assert!(receiver.try_recv() == Ok([number; 4096]));
    }
    let (sender, mut receiver) = mpsc::channel::<_, F>(5000);
    (0..5000).for_each(|_| sender.try_send(()).unwrap());
    assert_eq!(sender.try_send(()), Err(TrySendError::Full(())));
    (0..5000).for_each(|_| receiver.try_recv().unwrap());
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    (0..5000).for_each(|_| sender.send(()).unwrap());
    (0..5000).for_each(|_| receiver.try_recv().unwrap());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

fn a_channel_without_room_cannot_be_made<F: Flavour>() {
    assert!(panics(|| mpsc::channel::<u8, F>(0)));
    let (sender, mut receiver) = mpsc::channel::<_, F>(usize::MAX);
    sender.try_send(1).unwrap();
    assert_eq!(sender.capacity(), usize::MAX - 1);
    assert_eq!(receiver.try_recv(), Ok(1));
}

fn senders_of_one_channel_know_each_other<F: Flavour>() {
    let (one, _receiver) = mpsc::channel::<u8, F>(1);
    let (other, _other_receiver) = mpsc::channel::<u8, F>(1);
    assert!(one.same_channel(&one.clone()) && !one.same_channel(&other));
    let (one, _receiver) = mpsc::unbounded::<u8, F>();
    let (other, _other_receiver) = mpsc::unbounded::<u8, F>();
    assert!(one.same_channel(&one.clone()) && !one.same_channel(&other));
}

fn its_ends_show_what_they_are<F: Flavour>() {
    let (sender, receiver) = mpsc::channel::<_, F>(2);
    sender.try_send(1).unwrap();
    assert_eq!(
        format!("{sender:?} {receiver:?}"),
        "Sender { len: 1, max_capacity: 2 } Receiver { len: 1, max_capacity: 2 }"
    );
    let (sender, receiver) = mpsc::unbounded::<u8, F>();
    assert_eq!(
        format!("{sender:?} {receiver:?}"),
        "UnboundedSender { len: 0 } UnboundedReceiver { len: 0 }"
    );
    // Without asking anything of the message.
    struct Shy;
    assert_eq!(
        format!("{:?} {:?}", SendError(Shy), TrySendError::Full(Shy)),
        "SendError(..) Full(..)"
    );
}

fn a_send_that_is_polled_after_its_end_panics<F: Flavour>() {
    let (sender, _receiver) = mpsc::channel::<_, F>(2);
    let mut sent = send(&sender, 1);
    assert!(poll_idle(&mut sent).is_ready());
    assert!(panics(|| poll_idle(&mut sent)));
    assert_eq!(sender.try_send(2), Ok(()), "the lock is not held for ever");
}

#[cfg(panic = "unwind")]
#[test]
fn a_blocking_operation_in_a_task_panics_even_if_it_need_not_wait() {
    let (sender, mut receiver) = arborio_sync::mpsc::channel(1);
    assert!(in_a_poll(|| panics(|| sender.blocking_send(1))));
    sender.blocking_send(1).unwrap();
    assert!(in_a_poll(|| panics(|| receiver.blocking_recv())));
    assert_eq!(receiver.blocking_recv(), Some(1));
    let (sender, mut receiver) = arborio_sync::mpsc::unbounded();
    sender.send(1).unwrap();
    assert!(in_a_poll(|| panics(|| receiver.blocking_recv())));
    assert_eq!(receiver.blocking_recv(), Some(1));
}
