//! Wakers and messages that panic, come back into the broadcast, or go away at a
//! bad moment.

use super::*;

in_both_flavours![
    y12_a_wake_may_drop_the_other_receivers,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_keeps_nobody_from_being_woken,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_cloned_loses_no_message,
    a_waker_may_use_the_broadcast_whenever_it_is_called,
    who_comes_in_a_wake_waits_for_the_next_message,
    a_waker_may_send_as_it_is_cloned_for_the_line,
    #[cfg(panic = "unwind")]
    a_message_that_panics_as_it_is_cloned_is_received_once,
    #[cfg(panic = "unwind")]
    a_message_that_panics_as_it_is_dropped_harms_nobody,
    a_message_may_use_the_broadcast_as_it_is_cloned_and_dropped,
    a_leaked_receive_does_not_disturb_the_others,
];

fn y12_a_wake_may_drop_the_other_receivers<F: Flavour>() {
    let (sender, mut first) = channel::<u8, F>(8);
    let others = Rc::new(RefCell::new(Vec::new()));
    let here = Here::new(Rc::clone(&others));
    let script = Script::default().on_wake(move || drop(here.take())).start();
    let join = || {
        let mut receiver = sender.subscribe();
        let mut other = Box::pin(async move { receiver.recv().await });
        assert!(poll_idle(&mut other).is_pending());
        others.borrow_mut().push(other);
    };
    join();
    let mut waiting = recv(&mut first);
    assert!(poll(&mut waiting, &script.waker()).is_pending());
    join();
    join();
    assert_eq!(sender.send(7), Ok(4));
    assert_eq!(sender.receiver_count(), 1);
    assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(7)));
    assert!(sender.is_empty());
}

fn x09_a_waker_that_panics_keeps_nobody_from_being_woken<F: Flavour>() {
    let (sender, first) = channel::<u8, F>(8);
    let (script, (woken, waker)) = (Script::panics_on_wake(), Counter::new());
    let mut receivers = [first.clone(), first.clone(), first.clone(), first];
    let mut waiting: Vec<_> = receivers.iter_mut().map(recv).collect();
    for (number, wait) in waiting.iter_mut().enumerate() {
        let panicking = script.waker();
        let waker = if number % 2 == 0 { &panicking } else { &waker };
        assert!(poll(wait, waker).is_pending());
    }
    assert_eq!(sender.send(7), Ok(4));
    assert_eq!((script.wakes(), woken.count()), (2, 2));
    for wait in &mut waiting {
        assert_eq!(poll_idle(wait), Poll::Ready(Ok(7)));
    }
}

fn x09_a_waker_that_panics_as_it_is_cloned_loses_no_message<F: Flavour>() {
    let (sender, mut receiver) = channel::<u8, F>(8);
    let script = Script::panics_on_clone();
    let mut waiting = recv(&mut receiver);
    assert!(panics(|| poll(&mut waiting, &script.waker())));
    assert!(poll_idle(&mut waiting).is_pending());
    assert!(panics(|| poll(&mut waiting, &script.waker())));
    sender.send(7).unwrap();
    assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(7)));
}

fn who_comes_in_a_wake_waits_for_the_next_message<F: Flavour>() {
    let (sender, mut first) = channel::<u8, F>(8);
    let (late, (woken, waker)) = (Rc::new(RefCell::new(None)), Counter::new());
    let here = Here::new((sender.clone(), Rc::clone(&late)));
    let script = Script::default().on_wake(move || {
        let (sender, late) = &*here;
        let mut receiver = sender.subscribe();
        let mut waiting = Box::pin(async move { receiver.recv().await });
        assert!(poll(&mut waiting, &waker).is_pending());
        late.replace(Some(waiting));
    });
    let mut waiting = recv(&mut first);
    assert!(poll(&mut waiting, &script.into_waker()).is_pending());
    sender.send(7).unwrap();
    assert_eq!(woken.count(), 0, "that one is not for it");
    sender.send(8).unwrap();
    assert_eq!(woken.count(), 1);
    let mut late = late.take().unwrap();
    assert_eq!(poll_idle(&mut late), Poll::Ready(Ok(8)));
}

/// In the middle of a poll: after the look, before the place is in line.
fn a_waker_may_send_as_it_is_cloned_for_the_line<F: Flavour>() {
    let (sender, mut receiver) = channel::<u8, F>(8);
    let here = Here::new(sender.clone());
    let script = Script::default()
        .on_clone(move || assert!(here.send(7).is_ok()))
        .start();
    let mut waiting = recv(&mut receiver);
    assert_eq!(poll(&mut waiting, &script.waker()), Poll::Ready(Ok(7)));
    let here = Here::new(sender);
    let script = Script::default()
        .on_clone(move || assert!(here.close()))
        .start();
    assert_eq!(
        poll(&mut waiting, &script.waker()),
        Poll::Ready(Err(RecvError::Closed))
    );
}

fn a_waker_may_use_the_broadcast_whenever_it_is_called<F: Flavour>() {
    without_hanging(|| {
        let (sender, mut first) = channel::<u8, F>(2);
        let mut second = sender.subscribe();
        let here = Here::new(sender.clone());
        let script = Script::always(move || {
            let mut receiver = here.subscribe();
            here.send(1).unwrap();
            assert_eq!(now(&mut receiver), Some(Ok(1)));
            assert!(poll_idle(&mut recv(&mut receiver)).is_pending());
        });
        let (mut one, mut two) = (recv(&mut first), recv(&mut second));
        let _ = poll(&mut one, &script.waker()).is_ready();
        let _ = poll(&mut two, &script.waker()).is_ready();
        let _ = poll_idle(&mut one).is_ready();
        drop((one, two));
        script.hush();
        sender.send(9).unwrap();
        for mut receiver in [first, second] {
            let mut last = None;
            while let Some(received) = now(&mut receiver) {
                last = received.ok();
            }
            assert_eq!(last, Some(9));
        }
        assert!(sender.is_empty());
    });
}

/// A message that does something as it is cloned or dropped.
struct Acts {
    on_clone: Rc<dyn Fn()>,
    on_drop: Rc<dyn Fn()>,
}

impl Acts {
    fn new(on_clone: impl Fn() + 'static, on_drop: impl Fn() + 'static) -> Self {
        Self {
            on_clone: Rc::new(on_clone),
            on_drop: Rc::new(on_drop),
        }
    }
}

impl Clone for Acts {
    fn clone(&self) -> Self {
        (self.on_clone)();
        Self::new(|| (), || ())
    }
}

impl Drop for Acts {
    fn drop(&mut self) {
        (self.on_drop)();
    }
}

fn a_message_that_panics_as_it_is_cloned_is_received_once<F: Flavour>() {
    let (sender, mut first) = channel::<_, F>(8);
    let mut second = sender.subscribe();
    let message = Acts::new(|| panic!("a message panics as it is cloned"), || ());
    assert!(sender.send(message).is_ok());
    assert!(panics(|| first.try_recv()));
    assert_eq!(first.try_recv().err(), Some(TryRecvError::Empty));
    assert!(second.try_recv().is_ok(), "the last one gets it uncloned");
    assert!(sender.is_empty());
}

fn a_message_that_panics_as_it_is_dropped_harms_nobody<F: Flavour>() {
    let bomb = || Acts::new(|| (), || panic!("a message panics as it is dropped"));
    let (sender, receiver) = channel::<_, F>(2);
    let (mut second, (woken, waker)) = (sender.subscribe(), Counter::new());
    let mut waiting = recv(&mut second);
    assert!(poll(&mut waiting, &waker).is_pending());
    let before = contained_panics();
    for _ in 0..3 {
        assert!(sender.send(bomb()).is_ok()); // the third one displaces the first
    }
    assert!(contained_panics() > before);
    assert_eq!(woken.count(), 1);
    drop(waiting);
    assert_eq!(second.try_recv().err(), Some(TryRecvError::Lagged(1)));
    assert!(second.try_recv().is_ok());
    drop((receiver, second)); // with both messages
    assert!(sender.is_empty());
    assert_eq!(sender.receiver_count(), 0);
}

fn a_message_may_use_the_broadcast_as_it_is_cloned_and_dropped<F: Flavour>() {
    without_hanging(|| {
        let (sender, first) = channel::<_, F>(1);
        let (mut first, mut second) = (first, sender.subscribe());
        let uses = Rc::new(Cell::new(0));
        let (sends, looks) = (sender.clone(), sender.clone());
        let (clones, drops) = (Rc::clone(&uses), Rc::clone(&uses));
        let message = Acts::new(
            move || {
                clones.set(clones.get() + 1);
                assert!(sends.send(Acts::new(|| (), || ())).is_ok());
            },
            move || {
                drops.set(drops.get() + 10);
                assert_eq!(
                    looks.subscribe().try_recv().err(),
                    Some(TryRecvError::Empty)
                );
            },
        );
        assert!(sender.send(message).is_ok());
        assert!(
            first.try_recv().is_ok(),
            "its clone sends, and displaces it"
        );
        assert_eq!(second.try_recv().err(), Some(TryRecvError::Lagged(1)));
        assert!(first.try_recv().is_ok() && second.try_recv().is_ok());
        assert_eq!(uses.get(), 11);
    });
}

fn a_leaked_receive_does_not_disturb_the_others<F: Flavour>() {
    let (sender, mut first) = channel::<u8, F>(8);
    let (mut second, (woken, waker)) = (sender.subscribe(), Counter::new());
    let mut leaked = recv(&mut first);
    assert!(poll(&mut leaked, &waker).is_pending());
    crate::leak::on_purpose(leaked);
    let mut waiting = recv(&mut second);
    assert!(poll(&mut waiting, &waker).is_pending());
    sender.send(7).unwrap();
    assert_eq!(woken.count(), 2);
    assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(7)));
    assert_eq!(now(&mut first), Some(Ok(7)));
}
