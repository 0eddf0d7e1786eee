//! What the polls of a wait and of a stream do: whom they wake, and what they
//! charge.

use super::*;

in_both_flavours![
    the_last_poll_counts_for_the_wake,
    a_change_charges_the_budget,
    a_wait_without_budget_touches_nothing,
    a_wait_that_goes_on_charges_nothing,
    wait_for_lets_others_run,
    a_stream_skips_what_was_replaced_and_ends,
    an_owned_stream_that_is_dropped_is_a_receiver_less,
];

fn the_last_poll_counts_for_the_wake<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    let (mut waiting, log) = (changed(&mut receiver), Log::default());
    for task in [1, 2, 3] {
        assert!(poll(&mut waiting, &log.waker(task)).is_pending());
    }
    sender.send(2).unwrap();
    assert_eq!(log.take(), [3]);
}

fn a_change_charges_the_budget<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(0);
    let (woken, waker) = Counter::new();
    let seen = in_a_poll(|| {
        (1..2 * budget::PER_POLL)
            .take_while(|number| {
                sender.send(*number).unwrap();
                poll(&mut changed(&mut receiver), &waker).is_ready()
            })
            .count()
    });
    assert_eq!((seen, woken.count()), (budget::PER_POLL as usize, 1));
    assert!(receiver.has_changed(), "the last one was not touched");
}

fn a_wait_without_budget_touches_nothing<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    let ((woken, waker), mut waiting) = (Counter::new(), changed(&mut receiver));
    in_a_poll(|| {
        let mut cx = Context::from_waker(Waker::noop());
        while budget::has_budget() {
            assert!(budget::poll_charge(&mut cx).is_ready());
        }
        assert!(poll(&mut waiting, &waker).is_pending());
    });
    sender.send(2).unwrap();
    assert_eq!(woken.count(), 1, "by the budget: it stands in no line");
    assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(())));
}

fn a_wait_that_goes_on_charges_nothing<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    in_a_poll(|| {
        let mut waiting = changed(&mut receiver);
        for _ in 0..2 * budget::PER_POLL {
            assert!(poll_idle(&mut waiting).is_pending());
        }
        sender.send(2).unwrap();
        assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(())));
    });
}

/// The predicate makes the next value itself: without the budget, one poll would
/// never end.
fn wait_for_lets_others_run<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(0_u32);
    let (woken, waker) = Counter::new();
    let mut waiting = Box::pin(receiver.wait_for(|number| {
        sender.send(number + 1).unwrap();
        *number == 2 * budget::PER_POLL
    }));
    in_a_poll(|| assert!(poll(&mut waiting, &waker).is_pending()));
    assert_eq!((woken.count(), *sender.get()), (1, budget::PER_POLL));
    in_a_poll(|| assert!(poll(&mut waiting, &waker).is_pending()));
    in_a_poll(|| assert!(matches!(poll(&mut waiting, &waker), Poll::Ready(Ok(_)))));
}

fn next<S: Stream>(stream: &mut Pin<Box<S>>, waker: &Waker) -> Poll<Option<S::Item>> {
    stream.as_mut().poll_next(&mut Context::from_waker(waker))
}

fn a_stream_skips_what_was_replaced_and_ends<F: Flavour>() {
    let (sender, mut receiver) = channel::<_, F>(1);
    receiver.mark_changed();
    let ((woken, waker), mut stream) = (Counter::new(), Box::pin(receiver.stream()));
    let mut value = || next(&mut stream, &waker).map(|item| item.map(|value| *value));
    assert_eq!(value(), Poll::Ready(Some(1)));
    assert_eq!(value(), Poll::Pending);
    sender.send(2).unwrap();
    sender.send(3).unwrap();
    assert_eq!(woken.count(), 1);
    assert_eq!(value(), Poll::Ready(Some(3)));
    sender.send(4).unwrap();
    drop(sender);
    assert_eq!(value(), Poll::Ready(Some(4)));
    assert_eq!(value(), Poll::Ready(None));
    assert_eq!(value(), Poll::Ready(None));
}

fn an_owned_stream_that_is_dropped_is_a_receiver_less<F: Flavour>() {
    let (sender, receiver) = channel::<_, F>(1);
    let ((woken, waker), mut stream) = (Counter::new(), Box::pin(receiver.into_stream()));
    assert!(next(&mut stream, &waker).is_pending());
    drop(stream);
    assert_eq!(sender.send(2), Err(SendError(2)));
    assert_eq!(woken.count(), 0);
}
