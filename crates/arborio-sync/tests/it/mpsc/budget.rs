//! A poll of an Arborio task sends and receives so many messages and no more.

use std::task::{Context, Poll};

use arborio_base::budget;
use arborio_sync::flavour::{Flavour, mpsc};

use super::{receive, receive_unbounded, send};
use crate::support::{Counter, in_a_poll, in_both_flavours, poll, poll_idle};

const MOST: usize = budget::PER_POLL as usize;

in_both_flavours![
    x14_a_poll_receives_as_much_as_its_budget_allows,
    x14_a_poll_sends_as_much_as_its_budget_allows,
    x14_a_batch_is_no_larger_than_the_budget,
    an_operation_that_has_to_wait_is_not_charged,
    what_does_not_wait_is_not_charged,
    a_send_without_budget_keeps_its_message_and_its_grant,
];

/// How many operations the poll may still do.
fn left() -> usize {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let saved = budget::save();
    let count = (0..).take_while(|_| budget::poll_charge(&mut cx).is_ready());
    let count = count.count();
    budget::restore(saved);
    count
}

fn x14_a_poll_receives_as_much_as_its_budget_allows<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(MOST + 1);
    let (unbounded, mut messages) = mpsc::unbounded::<_, F>();
    for number in 0..=MOST {
        sender.try_send(number).unwrap();
        unbounded.send(number).unwrap();
    }
    let (woken, waker) = Counter::new();
    in_a_poll(|| {
        for number in 0..MOST {
            assert_eq!(receive(&mut receiver, &waker), Poll::Ready(Some(number)));
        }
        assert_eq!(receive(&mut receiver, &waker), Poll::Pending);
        assert_eq!(woken.count(), 1, "it goes on in its next turn");
    });
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(Some(MOST)));
    in_a_poll(|| {
        for number in 0..MOST {
            let received = receive_unbounded(&mut messages, &waker);
            assert_eq!(received, Poll::Ready(Some(number)));
        }
        assert_eq!(receive_unbounded(&mut messages, &waker), Poll::Pending);
    });
    assert_eq!((woken.count(), messages.len()), (2, 1));
}

fn x14_a_poll_sends_as_much_as_its_budget_allows<F: Flavour>() {
    let (sender, receiver) = mpsc::channel::<_, F>(MOST + 1);
    let (woken, waker) = Counter::new();
    let mut last = send(&sender, MOST);
    in_a_poll(|| {
        for number in 0..MOST {
            assert!(poll_idle(&mut send(&sender, number)).is_ready());
        }
        assert!(poll(&mut last, &waker).is_pending());
        assert!(poll(&mut Box::pin(sender.reserve()), &waker).is_pending());
        let owned = sender.clone().reserve_owned();
        assert!(poll(&mut Box::pin(owned), &waker).is_pending());
        assert_eq!((woken.count(), sender.capacity()), (3, 1));
    });
    assert!(poll_idle(&mut last).is_ready());
    assert_eq!(receiver.len(), MOST + 1);
}

fn x14_a_batch_is_no_larger_than_the_budget<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(2 * MOST);
    let (unbounded, mut messages) = mpsc::unbounded::<_, F>();
    for number in 0..2 * MOST {
        sender.try_send(number).unwrap();
        unbounded.send(number).unwrap();
    }
    let mut many = Vec::new();
    in_a_poll(|| {
        let received = poll_idle(&mut Box::pin(receiver.recv_many(&mut many, 10)));
        assert_eq!((received, left()), (Poll::Ready(10), MOST - 10));
        let received = poll_idle(&mut Box::pin(receiver.recv_many(&mut many, MOST)));
        assert_eq!((received, left()), (Poll::Ready(MOST - 10), 0));
        assert!(poll_idle(&mut Box::pin(receiver.recv_many(&mut many, MOST))).is_pending());
    });
    assert_eq!(many, (0..MOST).collect::<Vec<_>>());
    many.clear();
    in_a_poll(|| {
        let received = poll_idle(&mut Box::pin(messages.recv_many(&mut many, usize::MAX)));
        assert_eq!((received, left()), (Poll::Ready(MOST), 0));
    });
    assert_eq!(many, (0..MOST).collect::<Vec<_>>());
    assert_eq!((receiver.len(), messages.len()), (MOST, MOST));
}

fn an_operation_that_has_to_wait_is_not_charged<F: Flavour>() {
    let (_waker, waker) = Counter::new();
    let (sender, mut receiver) = mpsc::channel::<u8, F>(1);
    let (unbounded, mut messages) = mpsc::unbounded::<u8, F>();
    in_a_poll(|| {
        for _ in 0..3 {
            assert!(receive(&mut receiver, &waker).is_pending());
            assert!(receive_unbounded(&mut messages, &waker).is_pending());
        }
        sender.try_send(1).unwrap();
        let mut waiting = send(&sender, 2);
        for _ in 0..3 {
            assert!(poll(&mut waiting, &waker).is_pending());
        }
        let mut many = Vec::new();
        unbounded.send(1).unwrap();
        let received = poll_idle(&mut Box::pin(messages.recv_many(&mut many, 5)));
        assert_eq!(received, Poll::Ready(1));
        assert_eq!(left(), MOST - 1, "for the one that was received");
    });
}

fn what_does_not_wait_is_not_charged<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    let (unbounded, mut messages) = mpsc::unbounded::<_, F>();
    in_a_poll(|| {
        for number in 0..2 * MOST {
            sender.try_send(number).unwrap();
            assert_eq!(receiver.try_recv(), Ok(number));
            unbounded.send(number).unwrap();
            assert_eq!(messages.try_recv(), Ok(number));
            drop(sender.try_reserve().unwrap());
        }
        assert_eq!(left(), MOST);
    });
}

fn a_send_without_budget_keeps_its_message_and_its_grant<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    sender.try_send(1).unwrap();
    let mut waiting = send(&sender, 2);
    assert!(poll_idle(&mut waiting).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    let (woken, waker) = Counter::new();
    in_a_poll(|| {
        let mut cx = Context::from_waker(&waker);
        while budget::has_budget() {
            assert!(budget::poll_charge(&mut cx).is_ready());
        }
        assert!(poll(&mut waiting, &waker).is_pending());
        assert_eq!((woken.count(), receiver.len()), (1, 0));
    });
    assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(2));
}
