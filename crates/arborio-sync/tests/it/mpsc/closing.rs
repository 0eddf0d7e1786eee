//! What each end learns when the other goes, or the channel is closed.

use std::task::Poll;

use arborio_sync::{
    flavour::{Flavour, mpsc},
    mpsc::{SendError, TryRecvError, TrySendError},
};

use super::{receive, receive_unbounded, send};
use crate::support::{Census, Counter, in_both_flavours, poll, poll_idle};

in_both_flavours![
    what_was_sent_is_received_after_the_last_sender_is_gone,
    the_last_sender_wakes_the_receiver_as_it_goes,
    what_is_sent_to_nobody_comes_back,
    senders_that_wait_get_their_messages_back,
    a_close_refuses_new_messages_and_keeps_the_old,
    a_close_refuses_those_who_wait_and_keeps_what_was_granted,
    y06_after_a_close_a_permit_may_be_used,
    y06_after_a_close_the_last_permit_that_is_dropped_is_the_end,
    y06_the_end_waits_for_a_send_that_was_granted,
    a_permit_without_a_receiver_drops_its_message,
    a_permit_that_is_leaked_holds_back_the_end_only_while_there_is_a_sender,
    senders_learn_that_the_channel_is_closed,
    a_weak_sender_does_not_keep_the_channel_open,
    a_close_twice_is_a_close,
    what_nobody_received_is_dropped_with_the_receiver,
];

fn what_was_sent_is_received_after_the_last_sender_is_gone<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(2);
    sender.try_send(1).unwrap();
    let other = sender.clone();
    drop(sender);
    assert!(!receiver.is_closed());
    other.try_send(2).unwrap();
    drop(other);
    assert!(receiver.is_closed());
    let (_, waker) = Counter::new();
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(Some(1)));
    assert_eq!(receiver.try_recv(), Ok(2));
    for _ in 0..2 {
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!(receive(&mut receiver, &waker), Poll::Ready(None));
    }
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    (0..3).for_each(|number| sender.send(number).unwrap());
    assert_eq!(receiver.try_recv(), Ok(0));
    sender.send(3).unwrap();
    assert!(!receiver.is_closed());
    drop(sender);
    assert!(receiver.is_closed());
    for number in 1..4 {
        let received = receive_unbounded(&mut receiver, &waker);
        assert_eq!(received, Poll::Ready(Some(number)));
    }
    for _ in 0..2 {
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
        assert_eq!(receive_unbounded(&mut receiver, &waker), Poll::Ready(None));
    }
}

fn the_last_sender_wakes_the_receiver_as_it_goes<F: Flavour>() {
    let (woken, waker) = Counter::new();
    let (sender, mut receiver) = mpsc::channel::<u8, F>(1);
    let other = sender.clone();
    assert!(receive(&mut receiver, &waker).is_pending());
    drop(sender);
    assert_eq!(woken.count(), 0);
    drop(other);
    assert_eq!(woken.count(), 1);
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(None));
    let (sender, mut receiver) = mpsc::unbounded::<u8, F>();
    assert!(receive_unbounded(&mut receiver, &waker).is_pending());
    drop(sender);
    assert_eq!(woken.count(), 2);
    assert_eq!(receive_unbounded(&mut receiver, &waker), Poll::Ready(None));
}

fn what_is_sent_to_nobody_comes_back<F: Flavour>() {
    let (sender, receiver) = mpsc::channel::<_, F>(1);
    drop(receiver);
    assert_eq!(sender.try_send(1), Err(TrySendError::Closed(1)));
    let sent = poll_idle(&mut send(&sender, 2));
    assert_eq!(sent, Poll::Ready(Err(SendError(2))));
    let refused = Poll::Ready(Some(SendError(())));
    let reserved = poll_idle(&mut Box::pin(sender.reserve())).map(Result::err);
    assert_eq!(reserved, refused);
    let reserved = poll_idle(&mut Box::pin(sender.clone().reserve_owned())).map(Result::err);
    assert_eq!(reserved, refused);
    let reserved = sender.try_reserve().err();
    assert_eq!(reserved, Some(TrySendError::Closed(())));
    let reserved = sender.try_reserve_owned();
    assert!(matches!(reserved, Err(TrySendError::Closed(_))));
    let (sender, receiver) = mpsc::unbounded::<_, F>();
    drop(receiver);
    assert_eq!(sender.send(1), Err(SendError(1)));
    assert!(sender.is_closed());
}

fn senders_that_wait_get_their_messages_back<F: Flavour>() {
    let (sender, receiver) = mpsc::channel::<_, F>(1);
    let (woken, waker) = Counter::new();
    sender.try_send(0).unwrap();
    let mut waiting: Vec<_> = (1..=3).map(|number| send(&sender, number)).collect();
    let mut reserving = Box::pin(sender.reserve());
    for send in &mut waiting {
        assert!(poll(send, &waker).is_pending());
    }
    assert!(poll(&mut reserving, &waker).is_pending());
    drop(receiver);
    assert_eq!(woken.count(), 4);
    for (number, send) in (1..).zip(&mut waiting) {
        assert_eq!(poll_idle(send), Poll::Ready(Err(SendError(number))));
    }
    assert!(matches!(poll_idle(&mut reserving), Poll::Ready(Err(_))));
}

fn a_close_refuses_new_messages_and_keeps_the_old<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(2);
    sender.try_send(1).unwrap();
    receiver.close();
    assert!(sender.is_closed() && receiver.is_closed());
    assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
    let sent = poll_idle(&mut send(&sender, 2));
    assert_eq!(sent, Poll::Ready(Err(SendError(2))));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    (1..=2).for_each(|number| sender.send(number).unwrap());
    assert_eq!(receiver.try_recv(), Ok(1));
    receiver.close();
    assert_eq!(sender.send(3), Err(SendError(3)));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

fn a_close_refuses_those_who_wait_and_keeps_what_was_granted<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    sender.try_send(1).unwrap();
    let (mut granted, mut waiting) = (send(&sender, 2), send(&sender, 3));
    assert!(poll_idle(&mut granted).is_pending());
    assert!(poll_idle(&mut waiting).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    receiver.close();
    assert_eq!(poll_idle(&mut waiting), Poll::Ready(Err(SendError(3))));
    assert_eq!(poll_idle(&mut granted), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

fn y06_after_a_close_a_permit_may_be_used<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(2);
    let (woken, waker) = Counter::new();
    let permits = (sender.try_reserve().unwrap(), sender.try_reserve().unwrap());
    receiver.close();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert!(receive(&mut receiver, &waker).is_pending());
    permits.0.send(1);
    assert_eq!(woken.count(), 1);
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(Some(1)));
    assert!(receive(&mut receiver, &waker).is_pending());
    permits.1.send(2);
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(Some(2)));
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(None));
}

fn y06_after_a_close_the_last_permit_that_is_dropped_is_the_end<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<u8, F>(2);
    let (woken, waker) = Counter::new();
    let permits = (sender.try_reserve().unwrap(), sender.try_reserve().unwrap());
    receiver.close();
    assert!(receive(&mut receiver, &waker).is_pending());
    drop(permits.0);
    assert_eq!(woken.count(), 0);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    drop(permits.1);
    assert_eq!(woken.count(), 1);
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(None));
}

fn y06_the_end_waits_for_a_send_that_was_granted<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    let (woken, waker) = Counter::new();
    sender.try_send(1).unwrap();
    let mut granted = send(&sender, 2);
    assert!(poll_idle(&mut granted).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    receiver.close();
    assert!(receive(&mut receiver, &waker).is_pending());
    drop(granted);
    assert_eq!(woken.count(), 1);
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(None));
}

fn a_permit_without_a_receiver_drops_its_message<F: Flavour>() {
    let census = Census::default();
    let (sender, receiver) = mpsc::channel::<_, F>(3);
    let permits = (sender.try_reserve().unwrap(), sender.try_reserve().unwrap());
    let owned = sender.clone().try_reserve_owned().unwrap();
    drop(receiver);
    permits.0.send(census.value(1));
    drop(permits.1);
    drop(owned.send(census.value(2)));
    assert_eq!((census.alive(), sender.len()), (0, 0));
}

fn a_permit_that_is_leaked_holds_back_the_end_only_while_there_is_a_sender<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<u8, F>(2);
    std::mem::forget(sender.try_reserve());
    assert_eq!(sender.capacity(), 1);
    sender.try_send(1).unwrap();
    receiver.close();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

fn senders_learn_that_the_channel_is_closed<F: Flavour>() {
    let (woken, waker) = Counter::new();
    let (sender, mut receiver) = mpsc::channel::<u8, F>(1);
    let other = sender.clone();
    let mut closed = (Box::pin(sender.closed()), Box::pin(other.closed()));
    assert!(poll(&mut closed.0, &waker).is_pending());
    assert!(poll(&mut closed.1, &waker).is_pending());
    drop(sender.try_reserve());
    drop(sender.clone());
    assert_eq!(woken.count(), 0, "nothing is closed yet");
    receiver.close();
    assert_eq!(woken.count(), 2);
    assert!(poll(&mut closed.0, &waker).is_ready());
    assert!(poll(&mut closed.1, &waker).is_ready());
    assert!(poll(&mut Box::pin(other.closed()), &waker).is_ready());
    let (sender, receiver) = mpsc::unbounded::<u8, F>();
    let mut closed = Box::pin(sender.closed());
    assert!(poll(&mut closed, &waker).is_pending());
    assert!(!sender.is_closed());
    drop(receiver);
    assert_eq!((woken.count(), sender.is_closed()), (3, true));
    assert!(poll(&mut closed, &waker).is_ready());
}

fn a_weak_sender_does_not_keep_the_channel_open<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    let weak = sender.downgrade();
    let other = weak.clone().upgrade().expect("there is a sender");
    drop(sender);
    assert!(!receiver.is_closed());
    other.try_send(1).unwrap();
    drop(other);
    assert!(weak.upgrade().is_none());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    let (sender, receiver) = mpsc::unbounded::<u8, F>();
    let weak = sender.downgrade();
    let other = weak.clone().upgrade().expect("there is a sender");
    drop(sender);
    assert!(!receiver.is_closed() && weak.upgrade().is_some());
    drop(receiver);
    drop(other);
    assert!(weak.upgrade().is_none());
}

fn a_close_twice_is_a_close<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<u8, F>(1);
    receiver.close();
    receiver.close();
    drop(receiver);
    assert!(sender.is_closed());
}

fn what_nobody_received_is_dropped_with_the_receiver<F: Flavour>() {
    let census = Census::default();
    let (sender, receiver) = mpsc::channel::<_, F>(3);
    (0..3).for_each(|number| sender.try_send(census.value(number)).unwrap());
    let mut waiting = send(&sender, census.value(3));
    assert!(poll_idle(&mut waiting).is_pending());
    drop(receiver);
    assert_eq!(census.alive(), 1, "at once, not with the last sender");
    drop(waiting);
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    (0..3).for_each(|number| sender.send(census.value(number)).unwrap());
    assert_eq!(receiver.try_recv().unwrap().number, 0);
    (3..5).for_each(|number| sender.send(census.value(number)).unwrap());
    assert_eq!(census.alive(), 4, "two in each queue");
    drop(receiver);
    assert_eq!(census.alive(), 0);
}
