//! Wakers, values and closures that panic, come back into the watch, or go away at
//! a bad moment.

use super::*;

in_both_flavours![
    #[cfg(panic = "unwind")]
    an_update_that_panics_changes_nothing,
    #[cfg(panic = "unwind")]
    a_predicate_may_use_the_watch_and_panic,
    #[cfg(panic = "unwind")]
    a_value_that_panics_as_it_is_dropped_harms_nobody,
    a_value_may_use_the_watch_as_it_is_dropped,
    y12_a_wake_may_drop_the_other_receivers,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_keeps_nobody_from_being_woken,
    #[cfg(panic = "unwind")]
    x09_a_waker_that_panics_as_it_is_cloned_loses_no_change,
    a_waker_may_use_the_watch_whenever_it_is_called,
    a_waker_may_send_as_it_is_cloned_for_the_line,
    a_leaked_wait_does_not_disturb_the_others,
];

fn an_update_that_panics_changes_nothing<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    assert!(panics(|| sender.update(|_| panic!("a change panics"))));
    assert!(panics(|| sender.send_modify(|number| {
        *number = 5;
        panic!("a change panics")
    })));
    assert_eq!((now(&mut receiver), *receiver.get()), (None, 1));
    sender.send(2).unwrap();
    assert_eq!(*receiver.get(), 2);
}

fn a_predicate_may_use_the_watch_and_panic<F: Flavour>() {
    without_hanging(|| {
        let (sender, mut receiver) = channel::<_, F>(1);
        let mut waiting = Box::pin(receiver.wait_for(|number| {
            assert_eq!(*sender.get(), *number);
            if *number < 5 {
                sender.send(number + 1).unwrap();
            }
            *number == 5
        }));
        assert!(matches!(poll_idle(&mut waiting), Poll::Ready(Ok(_))));
        drop(waiting);
        sender.send(6).unwrap();
        let mut waiting = Box::pin(receiver.wait_for(|_| panic!("a predicate panics")));
        assert!(panics(|| poll_idle(&mut waiting)));
        drop(waiting);
        assert_eq!(now(&mut receiver), Some(Ok(())), "it was not seen");
    });
}

/// A value that does something as it is dropped.
struct OnDrop(Box<dyn Fn()>);

impl OnDrop {
    fn new(act: impl Fn() + 'static) -> Self {
        Self(Box::new(act))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn a_value_that_panics_as_it_is_dropped_harms_nobody<F: Flavour>() {
    let bomb = || OnDrop::new(|| panic!("a value panics as it is dropped"));
    let (sender, mut receiver) = channel::<_, F>(bomb());
    let ((woken, waker), mut waiting) = (Counter::new(), changed(&mut receiver));
    assert!(poll(&mut waiting, &waker).is_pending());
    let before = contained_panics();
    assert!(sender.send(bomb()).is_ok());
    assert!(contained_panics() > before);
    assert_eq!(woken.count(), 1);
    assert!(sender.update(|_| Some(OnDrop::new(|| ()))));
    assert!(poll_idle(&mut waiting).is_ready());
}

fn a_value_may_use_the_watch_as_it_is_dropped<F: Flavour>() {
    without_hanging(|| {
        let (sender, receiver) = channel::<_, F>(OnDrop::new(|| ()));
        let (other, uses) = (sender.clone(), Rc::new(Cell::new(0)));
        let used = Rc::clone(&uses);
        let first = OnDrop::new(move || {
            used.set(used.get() + 1);
            drop(other.subscribe().get());
            assert!(other.send(OnDrop::new(|| ())).is_ok());
        });
        assert!(sender.send(first).is_ok());
        assert!(sender.send(OnDrop::new(|| ())).is_ok());
        assert_eq!(uses.get(), 1);
        assert!(receiver.has_changed());
    });
}

fn y12_a_wake_may_drop_the_other_receivers<F: Flavour>() {
    let (sender, mut first) = channel::<_, F>(1);
    let others = Rc::new(RefCell::new(Vec::new()));
    let here = Here::new(Rc::clone(&others));
    let script = Script::default().on_wake(move || drop(here.take())).start();
    let join = || {
        let mut receiver = sender.subscribe();
        let mut other = Box::pin(async move { receiver.changed().await });
        assert!(poll_idle(&mut other).is_pending());
        others.borrow_mut().push(other);
    };
    join();
    let mut waiting = changed(&mut first);
    assert!(poll(&mut waiting, &script.waker()).is_pending());
    join();
    join();
    sender.send(2).unwrap();
    assert_eq!(sender.receiver_count(), 1);
    assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(())));
}

fn x09_a_waker_that_panics_keeps_nobody_from_being_woken<F: Flavour>() {
    let (sender, first) = channel::<_, F>(1);
    let (script, (woken, waker)) = (Script::panics_on_wake(), Counter::new());
    let mut receivers = [first.clone(), first.clone(), first.clone(), first];
    let mut waiting: Vec<_> = receivers.iter_mut().map(changed).collect();
    for (number, wait) in waiting.iter_mut().enumerate() {
        let panicking = script.waker();
        let waker = if number % 2 == 0 { &panicking } else { &waker };
        assert!(poll(wait, waker).is_pending());
    }
    sender.send(2).unwrap();
    assert_eq!((script.wakes(), woken.count()), (2, 2));
    assert!(waiting.iter_mut().all(|wait| poll_idle(wait).is_ready()));
}

fn x09_a_waker_that_panics_as_it_is_cloned_loses_no_change<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    let (script, mut waiting) = (Script::panics_on_clone(), changed(&mut receiver));
    assert!(panics(|| poll(&mut waiting, &script.waker())));
    assert!(poll_idle(&mut waiting).is_pending());
    assert!(panics(|| poll(&mut waiting, &script.waker())));
    sender.send(2).unwrap();
    assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(())));
}

/// In the middle of a poll: after the look, before the place is in line.
fn a_waker_may_send_as_it_is_cloned_for_the_line<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    let here = Here::new(RefCell::new(Some(sender)));
    let script = Script::default()
        .on_clone(move || {
            let sender = here.take();
            if let Some(sender) = sender {
                sender.send(2).unwrap();
            }
        })
        .start();
    let mut waiting = changed(&mut receiver);
    assert_eq!(poll(&mut waiting, &script.waker()), Poll::Ready(Ok(())));
    assert!(matches!(poll_idle(&mut waiting), Poll::Ready(Err(_))));

    let (sender, receiver) = channel::<_, F>(1);
    let here = Here::new(RefCell::new(Some(receiver)));
    let script = Script::default()
        .on_clone(move || drop(here.take()))
        .start();
    let mut closed = Box::pin(sender.closed());
    assert!(poll(&mut closed, &script.waker()).is_ready());
}

fn a_waker_may_use_the_watch_whenever_it_is_called<F: Flavour>() {
    without_hanging(|| {
        let (sender, mut first) = channel::<_, F>(0);
        let mut second = sender.subscribe();
        let here = Here::new(sender.clone());
        let script = Script::always(move || {
            let mut receiver = here.subscribe();
            here.send_modify(|number| *number += 1);
            assert_eq!(now(&mut receiver), Some(Ok(())));
            assert_eq!(now(&mut receiver), None);
        });
        let (mut one, mut two) = (changed(&mut first), changed(&mut second));
        let _ = poll(&mut one, &script.waker()).is_ready();
        let _ = poll(&mut two, &script.waker()).is_ready();
        let _ = poll_idle(&mut one).is_ready();
        drop((one, two));
        script.hush();
        sender.send(-1).unwrap();
        for mut receiver in [first, second] {
            assert_eq!(now(&mut receiver), Some(Ok(())));
            assert_eq!((*receiver.get(), now(&mut receiver)), (-1, None));
        }
    });
}

fn a_leaked_wait_does_not_disturb_the_others<F: Flavour>() {
    let (sender, mut first) = channel::<_, F>(1);
    let (mut second, (woken, waker)) = (sender.subscribe(), Counter::new());
    let mut leaked = changed(&mut first);
    assert!(poll(&mut leaked, &waker).is_pending());
    crate::leak::on_purpose(leaked);
    let mut closed = Box::pin(sender.closed());
    assert!(poll(&mut closed, &waker).is_pending());
    crate::leak::on_purpose(closed);
    let mut waiting = changed(&mut second);
    assert!(poll(&mut waiting, &waker).is_pending());
    sender.send(2).unwrap();
    assert_eq!(woken.count(), 2);
    drop(waiting);
    assert_eq!(now(&mut first), Some(Ok(())));
    drop((first, second));
    assert_eq!(woken.count(), 3);
}
