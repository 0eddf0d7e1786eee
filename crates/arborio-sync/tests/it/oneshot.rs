//! A message for one: it is received, comes back, or is dropped, once.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Barrier},
    task::{Context, Poll},
};

use arborio_base::contained_panics;
use arborio_sync::{
    flavour::{
        Flavour,
        oneshot::{self, Receiver},
    },
    oneshot::{RecvError, TryRecvError},
};
use futures_lite::future::block_on;

use crate::support::{
    Bomb, Census, Counter, Here, Log, Script, in_a_poll, in_both_flavours, panics, poll,
    without_hanging,
};

in_both_flavours![
    a_message_that_was_sent_is_received_once,
    a_receiver_waits_until_the_message_is_sent,
    a_sender_that_goes_tells_the_receiver,
    a_message_to_nobody_comes_back,
    a_close_refuses_what_was_not_sent,
    a_close_keeps_what_was_sent,
    a_sender_learns_that_the_receiver_is_gone,
    what_was_not_received_is_dropped_with_the_receiver,
    what_was_received_is_not_dropped_twice,
    the_last_poll_counts_for_the_wake,
    wakers_do_not_outlive_what_they_wait_for,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_woken_costs_no_message,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_cloned_has_no_effect,
    a_waker_may_use_the_channel_whenever_it_is_called,
    #[cfg(panic = "unwind")]
    a_message_that_panics_as_it_is_dropped_is_contained,
    a_message_may_be_an_end_of_another_channel,
    nothing_is_charged,
    its_ends_show_what_they_are,
];

fn receive<T, F: Flavour>(
    receiver: &mut Receiver<T, F>,
    waker: &std::task::Waker,
) -> Poll<Result<T, RecvError>> {
    Pin::new(receiver).poll(&mut Context::from_waker(waker))
}

fn a_message_that_was_sent_is_received_once<F: Flavour>() {
    let (sender, receiver) = oneshot::channel::<_, F>();
    assert_eq!(sender.send(1), Ok(()));
    assert_eq!(block_on(receiver), Ok(1));
    let (sender, mut receiver) = oneshot::channel::<_, F>();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(sender.send(1), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(block_on(&mut receiver), Err(RecvError));
}

fn a_receiver_waits_until_the_message_is_sent<F: Flavour>() {
    let (woken, waker) = Counter::new();
    let (sender, mut receiver) = oneshot::channel::<_, F>();
    assert_eq!(receive(&mut receiver, &waker), Poll::Pending);
    sender.send(1).unwrap();
    assert_eq!(woken.count(), 1);
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(Ok(1)));
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(Err(RecvError)));
}

fn a_sender_that_goes_tells_the_receiver<F: Flavour>() {
    let (woken, waker) = Counter::new();
    let (sender, mut receiver) = oneshot::channel::<u8, F>();
    assert_eq!(receive(&mut receiver, &waker), Poll::Pending);
    drop(sender);
    assert_eq!(woken.count(), 1);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(Err(RecvError)));
}

fn a_message_to_nobody_comes_back<F: Flavour>() {
    let (sender, receiver) = oneshot::channel::<_, F>();
    drop(receiver);
    assert!(sender.is_closed());
    assert_eq!(sender.send(1), Err(1));
}

fn a_close_refuses_what_was_not_sent<F: Flavour>() {
    let (woken, waker) = Counter::new();
    let (mut sender, mut receiver) = oneshot::channel::<_, F>();
    assert!(
        sender
            .poll_closed(&mut Context::from_waker(&waker))
            .is_pending()
    );
    receiver.close();
    receiver.close();
    assert_eq!(woken.count(), 1);
    assert!(sender.is_closed());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(receive(&mut receiver, &waker), Poll::Ready(Err(RecvError)));
    assert_eq!(sender.send(1), Err(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

fn a_close_keeps_what_was_sent<F: Flavour>() {
    let (sender, mut receiver) = oneshot::channel::<_, F>();
    sender.send(1).unwrap();
    receiver.close();
    assert_eq!(receiver.try_recv(), Ok(1));
}

fn a_sender_learns_that_the_receiver_is_gone<F: Flavour>() {
    let (woken, waker) = Counter::new();
    let (mut sender, receiver) = oneshot::channel::<u8, F>();
    let mut closed = Box::pin(sender.closed());
    assert!(poll(&mut closed, &waker).is_pending());
    drop(receiver);
    assert_eq!(woken.count(), 1);
    assert!(poll(&mut closed, &waker).is_ready());
    drop(closed);
    block_on(sender.closed());
}

fn what_was_not_received_is_dropped_with_the_receiver<F: Flavour>() {
    let census = Census::default();
    let (sender, receiver) = oneshot::channel::<_, F>();
    sender.send(census.value(1)).unwrap();
    assert_eq!(census.alive(), 1);
    drop(receiver);
    assert_eq!(census.alive(), 0);
}

fn what_was_received_is_not_dropped_twice<F: Flavour>() {
    let census = Census::default();
    for by_poll in [false, true] {
        let (sender, mut receiver) = oneshot::channel::<_, F>();
        sender.send(census.value(1)).unwrap();
        let message = match by_poll {
            true => block_on(&mut receiver).unwrap(),
            false => receiver.try_recv().unwrap(),
        };
        drop(receiver);
        assert_eq!((message.number, census.alive()), (1, 1));
    }
    assert_eq!(census.alive(), 0);
}

fn the_last_poll_counts_for_the_wake<F: Flavour>() {
    let log = Log::default();
    let (mut sender, mut receiver) = oneshot::channel::<_, F>();
    for task in [1, 2, 2, 3] {
        assert!(receive(&mut receiver, &log.waker(task)).is_pending());
        let waker = log.waker(10 + task);
        assert!(
            sender
                .poll_closed(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    sender.send(1).unwrap();
    assert_eq!(log.take(), [3]);
}

fn wakers_do_not_outlive_what_they_wait_for<F: Flavour>() {
    let script = Script::default().start();
    let waker = script.waker();
    let mut cx = Context::from_waker(&waker);
    for end in 0..4 {
        let (mut sender, mut receiver) = oneshot::channel::<u8, F>();
        assert!(receive(&mut receiver, &waker).is_pending());
        assert!(sender.poll_closed(&mut cx).is_pending());
        assert_eq!(script.clones_alive(), 3);
        match end {
            0 => drop(sender.send(1)),
            1 => drop(sender),
            2 => drop(receiver),
            _ => {
                receiver.close();
                assert_eq!(script.clones_alive(), 2, "the receiver's own");
                drop((sender, receiver));
            }
        }
        assert_eq!(script.clones_alive(), 1);
    }
}

fn x09_a_waker_that_panics_as_it_is_woken_costs_no_message<F: Flavour>() {
    let (script, before) = (Script::panics_on_wake(), contained_panics());
    let (sender, mut receiver) = oneshot::channel::<_, F>();
    assert!(receive(&mut receiver, &script.waker()).is_pending());
    assert_eq!(sender.send(1), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(1));
    let (mut sender, receiver) = oneshot::channel::<u8, F>();
    let waker = script.waker();
    assert!(
        sender
            .poll_closed(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(receiver);
    assert_eq!(script.wakes(), 2);
    assert!(contained_panics() >= before + 2);
}

fn x09_a_waker_that_panics_as_it_is_cloned_has_no_effect<F: Flavour>() {
    let script = Script::panics_on_clone();
    let waker = script.waker();
    let (mut sender, mut receiver) = oneshot::channel::<_, F>();
    assert!(panics(|| receive(&mut receiver, &waker)));
    assert!(panics(
        || sender.poll_closed(&mut Context::from_waker(&waker))
    ));
    assert_eq!(sender.send(1), Ok(()));
    assert_eq!(receiver.try_recv(), Ok(1));
}

fn a_waker_may_use_the_channel_whenever_it_is_called<F: Flavour>() {
    let census = Census::default();
    let (sender, mut receiver) = oneshot::channel::<_, F>();
    let sender = Rc::new(RefCell::new(Some(sender)));
    let act = {
        let (sender, census) = (Rc::clone(&sender), census.clone());
        let act = Here::new(move || {
            if let Some(sender) = sender.take() {
                drop(sender.send(census.value(1)));
            }
        });
        Script::default().on_clone(move || act.run()).start()
    };
    // It is sent while the receiver clones the waker that it leaves.
    let received = receive(&mut receiver, &act.waker());
    assert_eq!(
        received.map(|message| message.unwrap().number),
        Poll::Ready(1)
    );
    let (sender, mut receiver) = oneshot::channel::<_, F>();
    let sender = Rc::new(RefCell::new(Some(sender)));
    let act = {
        let sender = Rc::clone(&sender);
        let act = Here::new(move || drop(sender.take()));
        Script::always(move || act.run())
    };
    let received = receive(&mut receiver, &act.waker());
    assert_eq!(
        received.map(|received: Result<u8, _>| received.is_err()),
        Poll::Ready(true)
    );
    assert_eq!(census.alive(), 0);
}

fn a_message_that_panics_as_it_is_dropped_is_contained<F: Flavour>() {
    let before = contained_panics();
    let (sender, receiver) = oneshot::channel::<_, F>();
    assert!(sender.send(Bomb).is_ok());
    drop(receiver);
    assert!(contained_panics() > before);
}

fn a_message_may_be_an_end_of_another_channel<F: Flavour>() {
    let (there, mut answer) = oneshot::channel::<_, F>();
    let (sender, receiver) = oneshot::channel::<_, F>();
    assert!(there.send(sender).is_ok());
    answer.try_recv().unwrap().send(1).unwrap();
    assert_eq!(block_on(receiver), Ok(1));
}

fn nothing_is_charged<F: Flavour>() {
    in_a_poll(|| {
        for number in 0..2 * arborio_base::budget::PER_POLL {
            let (sender, mut receiver) = oneshot::channel::<_, F>();
            sender.send(number).unwrap();
            let received = receive(&mut receiver, std::task::Waker::noop());
            assert_eq!(received, Poll::Ready(Ok(number)));
        }
    });
}

fn its_ends_show_what_they_are<F: Flavour>() {
    struct Shy;
    let (sender, receiver) = oneshot::channel::<Shy, F>();
    assert_eq!(
        format!("{sender:?} {receiver:?}"),
        "Sender { is_closed: false } Receiver"
    );
    assert!(sender.send(Shy).is_ok());
}

#[cfg(panic = "unwind")]
#[test]
fn a_blocking_receive_in_a_task_panics_even_if_the_message_is_there() {
    let (sender, receiver) = arborio_sync::oneshot::channel();
    sender.send(1).unwrap();
    assert!(in_a_poll(|| panics(|| receiver.blocking_recv())));
    let (sender, receiver) = arborio_sync::oneshot::channel::<u8>();
    let thread = std::thread::spawn(move || receiver.blocking_recv());
    drop(sender);
    assert_eq!(thread.join().unwrap(), Err(RecvError));
}

#[test]
fn y13_a_message_that_is_sent_while_its_receiver_goes_is_dropped_once() {
    without_hanging(|| {
        for run in 0..2_000 {
            let census = Census::default();
            let (sender, mut receiver) = arborio_sync::oneshot::channel();
            let start = Arc::new(Barrier::new(2));
            let (there, of_it) = (Arc::clone(&start), census.clone());
            let thread = std::thread::spawn(move || {
                there.wait();
                sender.send(of_it.value(1)).is_ok()
            });
            start.wait();
            match run % 3 {
                0 => drop(receiver),
                1 => {
                    receiver.close();
                    drop(receiver.try_recv());
                }
                _ => assert!(receiver.blocking_recv().is_ok()),
            }
            let _ = thread.join().unwrap();
            assert_eq!(census.alive(), 0);
        }
    });
}
