//! What the polls of a receive and of a stream do: whom they wake, and what they
//! charge.

use super::*;

in_both_flavours![
    the_last_poll_counts_for_the_wake,
    a_receive_charges_the_budget_for_each_message,
    a_receive_without_budget_touches_nothing,
    a_receive_that_waits_charges_nothing,
    a_stream_ends_with_the_broadcast,
    an_owned_stream_that_is_dropped_is_a_receiver_less,
];

fn the_last_poll_counts_for_the_wake<F: Flavour>() {
    let (sender, mut receiver) = channel::<u8, F>(8);
    let (mut waiting, log) = (recv(&mut receiver), Log::default());
    for task in [1, 2, 3] {
        assert!(poll(&mut waiting, &log.waker(task)).is_pending());
    }
    sender.send(7).unwrap();
    assert_eq!(log.take(), [3]);
}

fn a_receive_charges_the_budget_for_each_message<F: Flavour>() {
    let many = budget::PER_POLL as usize + 10;
    let (sender, mut receiver) = channel::<usize, F>(many);
    (0..many).for_each(|number| assert!(sender.send(number).is_ok()));
    let (woken, waker) = Counter::new();
    let received = in_a_poll(|| {
        (0..many)
            .take_while(|_| poll(&mut recv(&mut receiver), &waker).is_ready())
            .count()
    });
    assert_eq!((received, woken.count()), (budget::PER_POLL as usize, 1));
    assert_eq!(receiver.len(), 10);
}

fn a_receive_without_budget_touches_nothing<F: Flavour>() {
    let (sender, mut receiver) = channel::<u8, F>(8);
    let (woken, waker) = Counter::new();
    let mut waiting = recv(&mut receiver);
    in_a_poll(|| {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        while budget::has_budget() {
            assert!(budget::poll_charge(&mut cx).is_ready());
        }
        assert!(poll(&mut waiting, &waker).is_pending());
    });
    assert_eq!(woken.count(), 1);
    sender.send(7).unwrap();
    assert_eq!(woken.count(), 1, "it stands in no line");
    assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(7)));
}

fn a_receive_that_waits_charges_nothing<F: Flavour>() {
    let (sender, mut receiver) = channel::<u8, F>(8);
    in_a_poll(|| {
        let mut waiting = recv(&mut receiver);
        for _ in 0..2 * budget::PER_POLL {
            assert!(poll_idle(&mut waiting).is_pending());
        }
        sender.send(7).unwrap();
        assert_eq!(poll_idle(&mut waiting), Poll::Ready(Ok(7)));
    });
}

fn next<S: Stream>(stream: &mut Pin<Box<S>>, waker: &std::task::Waker) -> Poll<Option<S::Item>> {
    let mut cx = std::task::Context::from_waker(waker);
    stream.as_mut().poll_next(&mut cx)
}

fn a_stream_ends_with_the_broadcast<F: Flavour>() {
    let (sender, mut receiver) = channel::<u8, F>(2);
    let ((woken, waker), mut stream) = (Counter::new(), Box::pin(receiver.stream()));
    assert!(next(&mut stream, &waker).is_pending());
    (1..=3).for_each(|number| assert!(sender.send(number).is_ok()));
    assert_eq!(woken.count(), 1);
    assert_eq!(next(&mut stream, &waker), Poll::Ready(Some(Err(Lagged(1)))));
    assert_eq!(next(&mut stream, &waker), Poll::Ready(Some(Ok(2))));
    drop(sender);
    assert_eq!(next(&mut stream, &waker), Poll::Ready(Some(Ok(3))));
    for _ in 0..2 {
        assert_eq!(next(&mut stream, &waker), Poll::Ready(None));
    }
}

fn an_owned_stream_that_is_dropped_is_a_receiver_less<F: Flavour>() {
    let (sender, receiver) = channel::<u8, F>(2);
    let ((woken, waker), mut stream) = (Counter::new(), Box::pin(receiver.into_stream()));
    assert!(next(&mut stream, &waker).is_pending());
    drop(stream);
    assert_eq!(
        (sender.receiver_count(), sender.send(1)),
        (0, Err(SendError(1)))
    );
    assert_eq!(woken.count(), 0);
}
