//! Wakers and messages that misbehave: they use the channel when they are called
//! or dropped, or they panic.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
};

use arborio_base::contained_panics;
use arborio_sync::flavour::{Flavour, mpsc};

use super::{receive, receive_unbounded, send};
use crate::support::{
    Bomb, Census, Counted, Counter, Here, Script, in_both_flavours, panics, poll, poll_idle,
    without_hanging,
};

in_both_flavours![
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_woken_costs_no_message,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_woken_keeps_nobody_else_from_being_woken,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_cloned_has_no_effect,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_dropped_is_contained,
    a_waker_may_use_the_channel_whenever_it_is_called,
    a_message_that_comes_while_a_waker_is_cloned_is_not_missed,
    the_end_that_comes_while_a_waker_is_cloned_is_not_missed,
    a_slot_that_is_freed_while_a_waker_is_cloned_is_not_missed,
    who_frees_a_slot_and_waits_while_a_waker_is_cloned_is_woken_by_that_send,
    a_close_while_a_waker_is_cloned_is_not_missed,
    a_receiver_takes_its_waker_along,
    y12_a_wake_may_drop_the_senders_behind_it,
    y12_a_wake_may_drop_the_receiver,
    #[cfg(panic = "unwind")]
    a_message_that_panics_as_it_is_dropped_keeps_none_of_the_others,
    a_message_may_use_its_channel_as_it_is_dropped,
    a_message_may_be_an_end_of_its_channel,
    a_million_messages_are_dropped_one_after_the_other,
    a_message_that_is_dropped_by_a_permit_may_use_the_channel,
];

fn x09_a_waker_that_panics_as_it_is_woken_costs_no_message<F: Flavour>() {
    let script = Script::panics_on_wake();
    let before = contained_panics();
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    assert!(receive(&mut receiver, &script.waker()).is_pending());
    assert_eq!(sender.try_send(1), Ok(()));
    let mut waiting = send(&sender, 2);
    assert!(poll(&mut waiting, &script.waker()).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(())));
    assert_eq!(receiver.try_recv(), Ok(2));
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    assert!(receive_unbounded(&mut receiver, &script.waker()).is_pending());
    assert_eq!(sender.send(1), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(script.wakes(), 3);
    assert!(contained_panics() >= before + 3);
}

fn x09_a_waker_that_panics_as_it_is_woken_keeps_nobody_else_from_being_woken<F: Flavour>() {
    let script = Script::panics_on_wake();
    let (woken, waker) = Counter::new();
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    sender.try_send(0).unwrap();
    let mut waiting: Vec<_> = (1..=3).map(|number| send(&sender, number)).collect();
    assert!(poll(&mut waiting[0], &script.waker()).is_pending());
    assert!(poll(&mut waiting[1], &waker).is_pending());
    assert!(poll(&mut waiting[2], &script.waker()).is_pending());
    let mut closed = Box::pin(sender.closed());
    assert!(poll(&mut closed, &waker).is_pending());
    receiver.close();
    assert_eq!((script.wakes(), woken.count()), (2, 2));
    assert!(waiting.iter_mut().all(|send| poll_idle(send).is_ready()));
    assert!(poll_idle(&mut closed).is_ready());
}

fn x09_a_waker_that_panics_as_it_is_cloned_has_no_effect<F: Flavour>() {
    let script = Script::panics_on_clone();
    let waker = script.waker();
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    assert!(panics(|| receive(&mut receiver, &waker)));
    assert_eq!(sender.try_send(1), Ok(()));
    let mut waiting = send(&sender, 2);
    assert!(panics(|| poll(&mut waiting, &waker)));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(sender.capacity(), 1, "it did not come to stand in line");
    drop(waiting);
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    assert!(panics(|| receive_unbounded(&mut receiver, &waker)));
    assert_eq!(sender.send(1), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(1));
}

fn x09_a_waker_that_panics_as_it_is_dropped_is_contained<F: Flavour>() {
    let script = Script::panics_on_drop();
    let waker = script.waker();
    let (_, other) = Counter::new();
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    // Replaced by another, then taken by a message that comes in between.
    assert!(receive(&mut receiver, &waker).is_pending());
    assert!(receive(&mut receiver, &other).is_pending());
    sender.try_send(1).unwrap();
    let mut waiting = send(&sender, 2);
    assert!(poll(&mut waiting, &waker).is_pending());
    assert!(poll(&mut waiting, &other).is_pending());
    assert!(poll(&mut waiting, &waker).is_pending());
    drop(waiting);
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(receive(&mut receiver, &waker).is_pending());
    drop(receiver);
    script.hush();
    drop(waker);
    assert_eq!(script.clones_alive(), 0);
}

fn a_waker_may_use_the_channel_whenever_it_is_called<F: Flavour>() {
    let (sender, receiver) = mpsc::channel::<usize, F>(2);
    let (unbounded, messages) = mpsc::unbounded::<usize, F>();
    let (received, turns) = (Rc::new(Cell::new(0)), Cell::new(0));
    let ends = Rc::new((RefCell::new(receiver), RefCell::new(messages)));
    let act = {
        let (sender, unbounded) = (sender.clone(), unbounded.clone());
        let (ends, received) = (Rc::clone(&ends), Rc::clone(&received));
        let act = Here::new(move || {
            drop(sender.clone());
            let turn = turns.replace(turns.get() + 1) % 3;
            if turn == 0 {
                let _ = (sender.try_send(7), unbounded.send(7));
                let _ = poll_idle(&mut send(&sender, 7)).is_ready();
            }
            // The end that is being polled is borrowed just now.
            if let (1, Ok(mut receiver)) = (turn, ends.0.try_borrow_mut()) {
                received.set(received.get() + usize::from(receiver.try_recv().is_ok()));
            }
            if let (1, Ok(mut messages)) = (turn, ends.1.try_borrow_mut()) {
                received.set(received.get() + usize::from(messages.try_recv().is_ok()));
            }
            assert!(sender.len() <= 2);
        });
        Script::always(move || act.run())
    };
    let waker = act.waker();
    for _ in 0..20 {
        let mut waiting = [send(&sender, 1), send(&sender, 2), send(&sender, 3)];
        for send in &mut waiting {
            let _ = poll(send, &waker).is_ready();
        }
        for _ in 0..4 {
            let _ = receive(&mut ends.0.borrow_mut(), &waker).is_ready();
            let _ = receive_unbounded(&mut ends.1.borrow_mut(), &waker).is_ready();
        }
        let _ = (sender.try_send(4), unbounded.send(4));
    }
    assert!(act.wakes() > 0 && received.get() > 0, "the waker is of use");
    act.hush();
    let capacity = sender.capacity();
    assert_eq!(ends.0.borrow().len() + capacity, 2, "no slot is lost");
    // Each end keeps the waker that owns it: what they wait with now owns nothing.
    while receive(&mut ends.0.borrow_mut(), Waker::noop()).is_ready() {}
    while receive_unbounded(&mut ends.1.borrow_mut(), Waker::noop()).is_ready() {}
}

/// A waker that does `act` when it is cloned, which is before its poll comes to
/// wait and after it has found nothing.
fn on_clone(act: impl Fn() + 'static) -> Arc<Script> {
    let act = Here::new(act);
    Script::default().on_clone(move || act.run()).start()
}

fn a_message_that_comes_while_a_waker_is_cloned_is_not_missed<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(2);
    let script = on_clone(move || sender.try_send(1).unwrap());
    let received = receive(&mut receiver, &script.waker());
    assert_eq!(received, Poll::Ready(Some(1)));
    let mut many = Vec::new();
    let received = poll(
        &mut Box::pin(receiver.recv_many(&mut many, 2)),
        &script.waker(),
    );
    assert_eq!((received, many), (Poll::Ready(1), vec![1]));
    let (sender, mut receiver) = mpsc::unbounded::<_, F>();
    let script = on_clone(move || (1..=2).for_each(|number| sender.send(number).unwrap()));
    let received = receive_unbounded(&mut receiver, &script.waker());
    assert_eq!(received, Poll::Ready(Some(1)));
    assert_eq!((script.clones_alive(), receiver.try_recv()), (0, Ok(2)));
}

fn the_end_that_comes_while_a_waker_is_cloned_is_not_missed<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<u8, F>(2);
    let sender = RefCell::new(Some(sender));
    let script = on_clone(move || drop(sender.take()));
    let received = receive(&mut receiver, &script.waker());
    assert_eq!(received, Poll::Ready(None));
    let (sender, mut receiver) = mpsc::unbounded::<u8, F>();
    let sender = RefCell::new(Some(sender));
    let script = on_clone(move || drop(sender.take()));
    let received = receive_unbounded(&mut receiver, &script.waker());
    assert_eq!((received, script.clones_alive()), (Poll::Ready(None), 0));
}

fn a_slot_that_is_freed_while_a_waker_is_cloned_is_not_missed<F: Flavour>() {
    let (sender, receiver) = mpsc::channel::<_, F>(1);
    sender.try_send(1).unwrap();
    let receiver = RefCell::new(receiver);
    let script = on_clone(move || assert!(receiver.borrow_mut().try_recv().is_ok()));
    let waker = script.waker();
    assert_eq!(poll(&mut send(&sender, 2), &waker), Poll::Ready(Ok(())));
    let reserved = poll(&mut Box::pin(sender.reserve()), &waker);
    assert!(matches!(reserved, Poll::Ready(Ok(_))));
    assert_eq!((sender.len(), sender.capacity()), (0, 0));
    drop(reserved);
    sender.try_send(3).unwrap();
    let reserved = poll(&mut Box::pin(sender.clone().reserve_owned()), &waker);
    assert!(matches!(reserved, Poll::Ready(Ok(_))));
    assert_eq!(script.clones_alive(), 1);
}

fn who_frees_a_slot_and_waits_while_a_waker_is_cloned_is_woken_by_that_send<F: Flavour>() {
    let (woken, waiting) = Counter::new();
    let (sender, receiver) = mpsc::channel::<_, F>(1);
    sender.try_send(1).unwrap();
    let receiver = Rc::new(RefCell::new(receiver));
    let script = on_clone({
        let receiver = Rc::clone(&receiver);
        move || {
            let mut receiver = receiver.borrow_mut();
            assert_eq!(receiver.try_recv(), Ok(1));
            assert!(receive(&mut receiver, &waiting).is_pending());
        }
    });
    let sent = poll(&mut send(&sender, 2), &script.waker());
    assert_eq!((sent, woken.count()), (Poll::Ready(Ok(())), 1));
    assert_eq!(receiver.borrow_mut().try_recv(), Ok(2));
}

fn a_close_while_a_waker_is_cloned_is_not_missed<F: Flavour>() {
    for waits in 0..3 {
        let (sender, mut receiver) = mpsc::channel::<_, F>(1);
        sender.try_send(1).unwrap();
        let receiver = RefCell::new(move || receiver.close());
        let script = on_clone(move || receiver.borrow_mut()());
        let waker = script.waker();
        let refused = match waits {
            0 => poll(&mut send(&sender, 2), &waker).map(|sent| sent.is_err()),
            1 => poll(&mut Box::pin(sender.reserve()), &waker).map(|permit| permit.is_err()),
            _ => poll(&mut Box::pin(sender.closed()), &waker).map(|()| true),
        };
        assert_eq!((refused, script.clones_alive()), (Poll::Ready(true), 1));
    }
}

fn a_receiver_takes_its_waker_along<F: Flavour>() {
    let script = Script::default().start();
    let (sender, mut receiver) = mpsc::channel::<u8, F>(1);
    assert!(receive(&mut receiver, &script.waker()).is_pending());
    drop(receiver);
    assert_eq!((script.clones_alive(), sender.is_closed()), (0, true));
    let (sender, mut receiver) = mpsc::unbounded::<u8, F>();
    assert!(receive_unbounded(&mut receiver, &script.waker()).is_pending());
    drop(receiver);
    assert_eq!((script.clones_alive(), sender.is_closed()), (0, true));
    assert_eq!(script.wakes(), 0, "nobody is there to be woken");
}

fn y12_a_wake_may_drop_the_senders_behind_it<F: Flavour>() {
    let (sender, mut receiver) = mpsc::channel::<_, F>(1);
    sender.try_send(0).unwrap();
    let behind = Rc::new(RefCell::new(Vec::new()));
    let act = Here::new({
        let behind = Rc::clone(&behind);
        move || drop(behind.take())
    });
    let waker = Script::default().on_wake(move || act.run()).into_waker();
    let mut first = send(&sender, 1);
    assert!(poll(&mut first, &waker).is_pending());
    for _ in 0..3 {
        let mut waiting = Box::pin(sender.clone().reserve_owned());
        assert!(poll(&mut waiting, &waker).is_pending());
        behind.borrow_mut().push(waiting);
    }
    receiver.close();
    assert!(behind.borrow().is_empty());
    assert!(poll_idle(&mut first).is_ready());
}

fn y12_a_wake_may_drop_the_receiver<F: Flavour>() {
    let census = Census::default();
    let (sender, receiver) = mpsc::channel::<_, F>(2);
    let receiver = Rc::new(RefCell::new(Some(receiver)));
    let act = Here::new({
        let receiver = Rc::clone(&receiver);
        move || drop(receiver.take())
    });
    let waker = Script::default().on_wake(move || act.run()).into_waker();
    let pending = receive(receiver.borrow_mut().as_mut().unwrap(), &waker).is_pending();
    assert!(pending);
    sender.try_send(census.value(1)).unwrap();
    assert_eq!(census.alive(), 0, "it was in the channel before the wake");
    assert!(sender.is_closed());
}

/// What a message does when it is dropped.
struct Acts(Option<Box<dyn FnOnce()>>);

impl Drop for Acts {
    fn drop(&mut self) {
        if let Some(act) = self.0.take() {
            act();
        }
    }
}

fn a_message_that_panics_as_it_is_dropped_keeps_none_of_the_others<F: Flavour>() {
    let (census, before) = (Census::default(), contained_panics());
    let message = |number| match number % 2 {
        0 => Ok(Bomb),
        _ => Err(census.value(number)),
    };
    let (sender, receiver) = mpsc::channel::<Result<Bomb, Counted>, F>(8);
    (0..8).for_each(|number| drop(sender.try_send(message(number))));
    assert_eq!(census.alive(), 4);
    drop(receiver);
    assert_eq!(census.alive(), 0);
    let (sender, mut receiver) = mpsc::unbounded::<Result<Bomb, Counted>, F>();
    drop(sender.send(Err(census.value(1))));
    (0..4).for_each(|number| drop(sender.send(message(number))));
    drop(receiver.try_recv());
    (4..8).for_each(|number| drop(sender.send(message(number))));
    assert_eq!(census.alive(), 4);
    drop(receiver);
    assert_eq!(census.alive(), 0);
    assert!(contained_panics() >= before + 8);
}

fn a_message_may_use_its_channel_as_it_is_dropped<F: Flavour>() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let (sender, receiver) = mpsc::channel::<Acts, F>(4);
    let (unbounded, messages) = mpsc::unbounded::<Acts, F>();
    for number in 0..4 {
        let (sender_of_it, unbounded_of_it) = (sender.clone(), unbounded.clone());
        let log = Rc::clone(&log);
        let act = move || {
            assert!(sender_of_it.try_send(Acts(None)).is_err());
            assert!(poll_idle(&mut send(&sender_of_it, Acts(None))).is_ready());
            assert!(sender_of_it.is_empty() && sender_of_it.is_closed());
            log.borrow_mut().push(number);
            drop((sender_of_it, unbounded_of_it));
        };
        assert!(sender.try_send(Acts(Some(Box::new(act)))).is_ok());
    }
    drop(receiver);
    assert_eq!(*log.borrow(), [0, 1, 2, 3], "oldest first");
    for number in 4..8 {
        let (unbounded_of_it, log) = (unbounded.clone(), Rc::clone(&log));
        let act = move || {
            assert!(unbounded_of_it.send(Acts(None)).is_err());
            log.borrow_mut().push(number);
        };
        assert!(unbounded.send(Acts(Some(Box::new(act)))).is_ok());
    }
    drop(messages);
    assert_eq!(log.borrow()[4..], [4, 5, 6, 7]);
}

/// An end of the channel that it travels through.
enum End<F: Flavour> {
    Sender(#[allow(dead_code, reason = "only dropped")] mpsc::UnboundedSender<End<F>, F>),
    Nothing,
}

fn a_message_may_be_an_end_of_its_channel<F: Flavour>() {
    let (sender, mut receiver) = mpsc::unbounded::<End<F>, F>();
    for _ in 0..3 {
        assert!(sender.send(End::Sender(sender.clone())).is_ok());
    }
    assert!(sender.send(End::Nothing).is_ok());
    drop(sender);
    assert!(matches!(receiver.try_recv(), Ok(End::Sender(_))));
    assert!(!receiver.is_closed(), "two senders are on their way");
    drop(receiver);
}

fn a_million_messages_are_dropped_one_after_the_other<F: Flavour>() {
    let census = Census::default();
    let (sender, receiver) = mpsc::unbounded::<_, F>();
    // Each owns a sender of the channel, so each drop comes back into it.
    for number in 0..1_000_000 {
        let message = (census.value(number), Some(sender.clone()));
        assert!(sender.send(Nested(message)).is_ok());
    }
    drop(sender);
    drop(receiver);
    assert_eq!(census.alive(), 0);
}

/// A message that owns a sender of its channel.
struct Nested<F: Flavour>(
    #[allow(dead_code, reason = "only dropped")]
    (Counted, Option<mpsc::UnboundedSender<Nested<F>, F>>),
);

fn a_message_that_is_dropped_by_a_permit_may_use_the_channel<F: Flavour>() {
    let (sender, receiver) = mpsc::channel::<Acts, F>(1);
    let permit = sender.try_reserve().unwrap();
    drop(receiver);
    let (dropped, other) = (Rc::new(Cell::new(0)), sender.clone());
    let act = {
        let dropped = Rc::clone(&dropped);
        move || {
            assert!(other.is_closed() && other.capacity() == 1);
            dropped.set(dropped.get() + 1);
        }
    };
    permit.send(Acts(Some(Box::new(act))));
    assert_eq!(dropped.get(), 1);
}

#[test]
fn a_wake_may_end_the_channel_from_another_thread() {
    without_hanging(|| {
        let (sender, mut receiver) = arborio_sync::mpsc::channel::<u8>(1);
        let sender = Arc::new(Mutex::new(Some(sender)));
        let ends = Arc::clone(&sender);
        let script = Script::default().on_wake(move || drop(ends.lock().unwrap().take()));
        assert!(receive(&mut receiver, &script.into_waker()).is_pending());
        let other = sender.lock().unwrap().clone().unwrap();
        std::thread::spawn(move || other.try_send(1).unwrap())
            .join()
            .unwrap();
        assert_eq!(receiver.blocking_recv(), Some(1));
        assert_eq!(receiver.blocking_recv(), None);
    });
}
