//! Wakers and messages that misbehave.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::Poll,
};

use arborio_base::contained_panics;
use arborio_sync::{
    flavour::{Flavour, mpmc},
    mpmc::RecvError,
};

use super::receive;
use crate::support::{
    Bomb, Census, Counter, Here, Script, in_both_flavours, panics, poll, poll_idle,
};

in_both_flavours![
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_woken_costs_no_message,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_keeps_nobody_else_from_being_told_the_end,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_cloned_has_no_effect,
    a_waker_may_use_the_channel_whenever_it_is_called,
    what_comes_while_a_waker_is_cloned_is_not_missed,
    y12_a_wake_may_drop_the_receivers_behind_it,
    y12_a_wake_may_drop_the_receive_that_it_is_for,
    #[cfg(panic = "unwind")]
    a_message_that_panics_as_it_is_dropped_keeps_none_of_the_others,
    a_message_may_be_an_end_of_its_channel,
];

fn x09_a_waker_that_panics_as_it_is_woken_costs_no_message<F: Flavour>() {
    let (script, before) = (Script::panics_on_wake(), contained_panics());
    let (sender, receiver) = mpmc::channel::<_, F>(1);
    let mut waiting = receive(&receiver);
    assert!(poll(&mut waiting, &script.waker()).is_pending());
    assert_eq!(sender.try_send(1), Ok(()));
    assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(1)));
    assert!(contained_panics() > before);
}

fn x09_a_waker_that_panics_keeps_nobody_else_from_being_told_the_end<F: Flavour>() {
    let script = Script::panics_on_wake();
    let (woken, waker) = Counter::new();
    let (sender, receiver) = mpmc::channel::<u8, F>(1);
    let mut waiting = [receive(&receiver), receive(&receiver), receive(&receiver)];
    assert!(poll(&mut waiting[0], &script.waker()).is_pending());
    assert!(poll(&mut waiting[1], &waker).is_pending());
    assert!(poll(&mut waiting[2], &script.waker()).is_pending());
    drop(sender);
    assert_eq!((script.wakes(), woken.count()), (2, 1));
    for receiving in &mut waiting {
        assert_eq!(poll_idle(receiving), Poll::Ready(Err(RecvError)));
    }
}

fn x09_a_waker_that_panics_as_it_is_cloned_has_no_effect<F: Flavour>() {
    let script = Script::panics_on_clone();
    let (sender, receiver) = mpmc::channel::<_, F>(1);
    let mut waiting = receive(&receiver);
    assert!(panics(|| poll(&mut waiting, &script.waker())));
    sender.try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1), "nobody was promised it");
}

fn a_waker_may_use_the_channel_whenever_it_is_called<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<usize, F>(2);
    let turns = Cell::new(0);
    let act = {
        let ends = (sender.clone(), receiver.clone());
        let act = Here::new(move || {
            let (sender, receiver) = &ends;
            drop((sender.clone(), receiver.clone()));
            match turns.replace(turns.get() + 1) % 3 {
                0 => {
                    let _ = sender.try_send(7);
                    let _ = poll_idle(&mut Box::pin(sender.send(7))).is_ready();
                }
                1 => {
                    let _ = receiver.try_recv();
                    let _ = poll_idle(&mut receive(receiver)).is_ready();
                }
                _ => assert!(sender.len() <= 2),
            }
        });
        Script::always(move || act.run())
    };
    let waker = act.waker();
    for _ in 0..20 {
        let mut sending: Vec<_> = (0..4).map(|number| Box::pin(sender.send(number))).collect();
        let mut receiving: Vec<_> = (0..5).map(|_| receive(&receiver)).collect();
        for send in &mut sending {
            let _ = poll(send, &waker).is_ready();
        }
        for receive in &mut receiving {
            let _ = poll(receive, &waker).is_ready();
        }
        let _ = sender.try_send(9);
    }
    assert!(act.wakes() > 0);
    act.hush();
    assert_eq!(receiver.len() + sender.capacity(), 2, "no slot is lost");
    while receiver.try_recv().is_ok() {}
    assert_eq!(receiver.len(), 0, "no promise is left");
}

fn what_comes_while_a_waker_is_cloned_is_not_missed<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<_, F>(2);
    let sending = Here::new({
        let sender = sender.clone();
        move || sender.try_send(1).unwrap()
    });
    let script = Script::default().on_clone(move || sending.run()).start();
    let received = poll(&mut receive(&receiver), &script.waker());
    assert_eq!((received, script.clones_alive()), (Poll::Ready(Ok(1)), 0));
    let closing = Here::new(move || assert!(sender.close()));
    let script = Script::default().on_clone(move || closing.run()).start();
    let received = poll(&mut receive(&receiver), &script.waker());
    assert_eq!(received, Poll::Ready(Err(RecvError)));
    assert_eq!(script.clones_alive(), 0);
}

fn y12_a_wake_may_drop_the_receivers_behind_it<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<u8, F>(1);
    let behind = Rc::new(RefCell::new(Vec::new()));
    let act = Here::new({
        let behind = Rc::clone(&behind);
        move || drop(behind.take())
    });
    let waker = Script::default().on_wake(move || act.run()).into_waker();
    let mut cx = std::task::Context::from_waker(&waker);
    let mut first = receive(&receiver);
    assert!(poll(&mut first, &waker).is_pending());
    for _ in 0..3 {
        let mut waiting = Box::pin(receiver.clone().into_stream());
        let pending = futures_core::Stream::poll_next(waiting.as_mut(), &mut cx).is_pending();
        assert!(pending);
        behind.borrow_mut().push(waiting);
    }
    drop(sender);
    assert!(behind.borrow().is_empty());
    assert_eq!(poll_idle(&mut first), Poll::Ready(Err(RecvError)));
}

fn y12_a_wake_may_drop_the_receive_that_it_is_for<F: Flavour>() {
    let (sender, receiver) = mpmc::channel::<u8, F>(1);
    let waiting = Rc::new(RefCell::new(None));
    let act = Here::new({
        let waiting = Rc::clone(&waiting);
        move || drop(waiting.take())
    });
    let waker = Script::default().on_wake(move || act.run()).into_waker();
    let mut cx = std::task::Context::from_waker(&waker);
    let mut stream = Box::pin(receiver.clone().into_stream());
    let pending = futures_core::Stream::poll_next(stream.as_mut(), &mut cx).is_pending();
    assert!(pending);
    *waiting.borrow_mut() = Some(stream);
    sender.try_send(1).unwrap();
    assert!(waiting.borrow().is_none());
    assert_eq!(receiver.try_recv(), Ok(1), "its promise was passed on");
}

fn a_message_that_panics_as_it_is_dropped_keeps_none_of_the_others<F: Flavour>() {
    let (census, before) = (Census::default(), contained_panics());
    let (sender, receiver) = mpmc::unbounded::<_, F>();
    for number in 0..8 {
        let message = match number % 2 {
            0 => Ok(Bomb),
            _ => Err(census.value(number)),
        };
        assert!(sender.try_send(message).is_ok());
    }
    drop(receiver);
    assert_eq!(census.alive(), 0);
    assert!(contained_panics() >= before + 4);
}

/// A message that owns both ends of its channel.
struct Ends<F: Flavour>(
    #[allow(dead_code, reason = "only dropped")] mpmc::Sender<Ends<F>, F>,
    #[allow(dead_code, reason = "only dropped")] Option<mpmc::Receiver<Ends<F>, F>>,
);

fn a_message_may_be_an_end_of_its_channel<F: Flavour>() {
    let (sender, receiver) = mpmc::unbounded::<Ends<F>, F>();
    for _ in 0..3 {
        assert!(sender.try_send(Ends(sender.clone(), None)).is_ok());
    }
    // A receiver that lies in its own channel keeps itself alive, as an `Rc` in
    // itself does; it is taken out again here.
    let message = Ends(sender.clone(), Some(receiver.clone()));
    assert!(sender.try_send(message).is_ok());
    while let Ok(Ends(_sender, receiver)) = receiver.try_recv() {
        drop(receiver);
    }
    assert!(sender.try_send(Ends(sender.clone(), None)).is_ok());
    drop(receiver);
    assert!(sender.is_closed() && sender.is_empty());
}
