//! A reactor driven step by step on one thread.

use std::{
    cell::Cell,
    io::{ErrorKind, Read, Write},
    os::fd::{AsFd, AsRawFd},
    os::unix::net::UnixStream,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use arborio_base::{WakeBatch, budget};
use arborio_reactor::{Async, LoopReactor};

use crate::support::{
    Count, FOREVER, alone, block_on, descriptor_names, fill, open_descriptors, reactor, run,
    socket_pair, turn, turn_now,
};

/// One byte, if there is one.
fn poll_byte(socket: &Async<UnixStream>, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
    socket.poll_read_with(cx, |mut socket| socket.read(&mut [0]))
}

#[test]
fn a_reactor_that_watches_nothing_holds_nothing() {
    alone(
        "by_hand::a_reactor_that_watches_nothing_holds_nothing",
        || {
            let before = open_descriptors();
            let opened = Rc::new(Cell::new(0));
            let counter = Rc::clone(&opened);
            let reactor = LoopReactor::new(move |_| counter.set(counter.get() + 1));
            let here = reactor.enter();
            reactor.wait(Some(Duration::ZERO)).unwrap();
            assert_eq!(turn(&reactor), 0);
            assert!(!reactor.is_open());
            assert_eq!(open_descriptors(), before);

            let (one, other) = socket_pair();
            let one = Async::new(one).unwrap();
            let other = Async::new(other).unwrap();
            assert!(reactor.is_open());
            assert_eq!(opened.get(), 1, "told once");
            assert_eq!((reactor.interest_count(), reactor.descriptors()), (2, 2));

            drop((one, other, here));
            assert_eq!((reactor.interest_count(), reactor.descriptors()), (0, 0));
            drop(reactor);
            assert_eq!(open_descriptors(), before);
        },
    );
}

#[test]
fn no_timer_descriptor_without_a_precise_wait() {
    alone(
        "by_hand::no_timer_descriptor_without_a_precise_wait",
        || {
            let has_timer = || descriptor_names().iter().any(|n| n.contains("timerfd"));
            let reactor = reactor();
            reactor.open().unwrap();
            reactor.wait(Some(Duration::ZERO)).unwrap();
            assert!(!has_timer());
            reactor.wait(Some(Duration::from_nanos(1))).unwrap();
            assert!(has_timer());
        },
    );
}

#[test]
fn a_dispatch_moves_wakers_and_calls_none() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (one, mut other) = socket_pair();
    let one = Async::new(one).unwrap();
    let task = Count::new();
    let waker = task.waker();
    assert!(poll_byte(&one, &mut Context::from_waker(&waker)).is_pending());
    turn_now(&reactor);
    let before = task.get();
    other.write_all(b"x").unwrap();
    reactor.wait(Some(FOREVER)).unwrap();
    let mut batch = WakeBatch::new();
    assert_eq!(reactor.dispatch(&mut batch), 1);
    assert_eq!(task.get(), before);
    assert_eq!(batch.wake_all(), 1);
    assert_eq!(task.get(), before + 1);
    assert!(poll_byte(&one, &mut Context::from_waker(&waker)).is_ready());
    assert_eq!(reactor.dispatch(&mut batch), 0, "handed out once");
}

#[test]
fn every_task_that_waits_for_one_direction_is_woken() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (one, mut other) = socket_pair();
    let one = Async::new(one).unwrap();
    let tasks: Vec<_> = (0..5).map(|_| Count::new()).collect();
    for task in &tasks {
        let waker = task.waker();
        let mut cx = Context::from_waker(&waker);
        for _ in 0..3 {
            assert!(poll_byte(&one, &mut cx).is_pending());
        }
    }
    turn_now(&reactor);
    other.write_all(b"x").unwrap();
    reactor.wait(Some(FOREVER)).unwrap();
    assert_eq!(turn(&reactor), 5, "each once");
    assert!(tasks.iter().all(|task| task.get() == 1));
}

#[test]
fn a_dropped_future_leaves_no_waker_behind() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (one, mut other) = socket_pair();
    let one = Async::new(one).unwrap();
    let mut tasks = Vec::new();
    for _ in 0..100 {
        let task = Count::new();
        let waker = task.waker();
        let mut cx = Context::from_waker(&waker);
        let mut read = pin!(one.read_with(|mut socket| socket.read(&mut [0])));
        assert!(read.as_mut().poll(&mut cx).is_pending());
        tasks.push(task);
    }
    for task in &tasks {
        assert_eq!(std::sync::Arc::strong_count(task), 1, "waker kept");
    }
    other.write_all(b"x").unwrap();
    reactor.wait(Some(FOREVER)).unwrap();
    assert_eq!(turn(&reactor), 0);
}

#[test]
fn a_future_polled_by_another_task_wakes_that_one() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (one, mut other) = socket_pair();
    let one = Async::new(one).unwrap();
    let (old, new) = (Count::new(), Count::new());
    let mut read = pin!(one.read_with(|mut socket| socket.read(&mut [0])));
    for task in [&old, &new] {
        let waker = task.waker();
        let mut cx = Context::from_waker(&waker);
        assert!(read.as_mut().poll(&mut cx).is_pending());
    }
    other.write_all(b"x").unwrap();
    reactor.wait(Some(FOREVER)).unwrap();
    assert_eq!(turn(&reactor), 1);
    assert_eq!((old.get(), new.get()), (0, 1));
}

#[test]
fn readable_asks_the_kernel_and_so_knows_what_others_have_read() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (one, mut other) = socket_pair();
    let one = Async::new(one).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(one.poll_readable(&mut cx).is_pending());
    other.write_all(b"x").unwrap();
    reactor.wait(Some(FOREVER)).unwrap();
    turn(&reactor);
    for _ in 0..2 {
        assert!(one.poll_readable(&mut cx).is_ready(), "still there");
    }
    assert_eq!(one.get_ref().read(&mut [0]).unwrap(), 1);
    assert!(one.poll_readable(&mut cx).is_pending());
}

#[test]
fn wait_is_precise_and_never_early() {
    let reactor = reactor();
    reactor.open().unwrap();
    for micros in [50, 300, 1500] {
        let wanted = Duration::from_micros(micros);
        let mut best = FOREVER;
        for _ in 0..20 {
            let start = Instant::now();
            // A timer of an earlier wait may end one early, but not twice.
            while let Some(left) = wanted.checked_sub(start.elapsed()) {
                reactor.wait(Some(left)).unwrap();
                turn(&reactor);
            }
            best = best.min(start.elapsed());
        }
        let late = best - wanted;
        assert!(
            late < Duration::from_micros(700),
            "{wanted:?}: {late:?} late"
        );
    }
}

#[test]
fn an_earlier_wait_after_a_later_one_arms_the_timer_anew() {
    let reactor = reactor();
    let notifier = reactor.open().unwrap().clone();
    notifier.wake().unwrap();
    reactor.wait(Some(FOREVER)).unwrap();
    turn(&reactor);
    let start = Instant::now();
    reactor.wait(Some(Duration::from_millis(2))).unwrap();
    assert!(start.elapsed() < Duration::from_secs(5));
    // The timer that has passed is no timer: this arms it once more.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(3) {
        reactor.wait(Some(Duration::from_millis(3))).unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn the_longest_wait_is_not_mistaken_for_a_short_one() {
    let reactor = reactor();
    let notifier = reactor.open().unwrap().clone();
    for timeout in [
        Duration::MAX,
        Duration::from_secs(u64::MAX / 2),
        FOREVER * 1_000_000,
    ] {
        let (begin, begun) = std::sync::mpsc::channel();
        let notifier = notifier.clone();
        let waker = thread::spawn(move || {
            begun.recv().unwrap();
            notifier.wake().unwrap();
        });
        begin.send(()).unwrap();
        reactor.wait(Some(timeout)).unwrap();
        assert!(waker.join().is_ok());
    }
}

#[test]
fn nested_reactors_take_turns_as_the_current_one() {
    let (outer, inner) = (reactor(), reactor());
    let _outside = outer.enter();
    let (one, other) = socket_pair();
    let inside = inner.enter();
    let one = Async::new(one).unwrap();
    drop(inside);
    let other = Async::new(other).unwrap();
    assert_eq!((outer.interest_count(), inner.interest_count()), (1, 1));
    drop((one, other));
    assert_eq!((outer.interest_count(), inner.interest_count()), (0, 0));
}

#[test]
fn the_end_of_the_reactor_wakes_all_and_they_move_to_the_next() {
    let first = reactor();
    let here = first.enter();
    let (one, mut other) = socket_pair();
    let one = Async::new(one).unwrap();
    let tasks = [Count::new(), Count::new()];
    for task in &tasks {
        let waker = task.waker();
        assert!(poll_byte(&one, &mut Context::from_waker(&waker)).is_pending());
    }
    drop(here);
    drop(first);
    assert!(tasks.iter().all(|task| task.get() == 1), "woken at the end");

    let second = reactor();
    let _here = second.enter();
    for task in &tasks {
        let waker = task.waker();
        assert!(poll_byte(&one, &mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(second.interest_count(), 1, "registered once");
    turn_now(&second);
    other.write_all(b"x").unwrap();
    second.wait(Some(FOREVER)).unwrap();
    assert_eq!(turn(&second), 2);
    drop(one);
    assert_eq!(second.interest_count(), 0);
}

#[test]
fn a_source_of_an_ended_reactor_goes_on_in_the_background() {
    let first = reactor();
    let here = first.enter();
    let (one, mut other) = socket_pair();
    let one = Async::new(one).unwrap();
    drop(here);
    drop(first);
    let reader = thread::spawn(move || block_on(one.read_with(|mut socket| socket.read(&mut [0]))));
    other.write_all(b"x").unwrap();
    assert_eq!(reader.join().unwrap().unwrap(), 1);
}

#[test]
fn a_forgotten_guard_of_an_ended_reactor_is_no_reactor() {
    thread::spawn(|| {
        let ended = reactor();
        ended.open().unwrap();
        std::mem::forget(ended.enter());
        drop(ended);
        let (one, mut other) = socket_pair();
        let one = Async::new(one).unwrap();
        let mut read = pin!(one.read_with(|mut s| s.read(&mut [0])));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(read.as_mut().poll(&mut cx).is_pending());
        other.write_all(b"x").unwrap();
        assert_eq!(block_on(read).unwrap(), 1, "somebody waits for it");
    })
    .join()
    .unwrap();
}

#[test]
fn g11_close_wakes_both_directions_with_an_error() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (one, _other) = socket_pair();
    let one = Async::new(one).unwrap();
    fill(&one);
    let (reader, writer) = (Count::new(), Count::new());
    let waker = reader.waker();
    assert!(poll_byte(&one, &mut Context::from_waker(&waker)).is_pending());
    let waker = writer.waker();
    let mut cx = Context::from_waker(&waker);
    let write = one.poll_write_with(&mut cx, |mut socket| socket.write(b"x"));
    assert!(write.is_pending());
    one.close();
    assert_eq!((reader.get(), writer.get()), (1, 1));
    let Poll::Ready(Err(error)) = poll_byte(&one, &mut cx) else {
        panic!("a closed source must fail");
    };
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    one.close();
    assert!(one.is_closed());
}

#[test]
fn r08_a_stale_token_wakes_nobody() {
    alone("by_hand::r08_a_stale_token_wakes_nobody", || {
        let reactor = reactor();
        let _here = reactor.enter();
        let (second, mut sender) = socket_pair();
        let second = Async::new(second).unwrap();
        let number = second.as_raw_fd();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(poll_byte(&second, &mut cx).is_pending());
        turn_now(&reactor);
        // The event of the second is collected; before it is handed out, the
        // second goes and a third takes its number, and so its place.
        sender.write_all(b"x").unwrap();
        reactor.wait(Some(FOREVER)).unwrap();
        drop(second);
        let (third, _peer) = socket_pair();
        assert_eq!(third.as_raw_fd(), number, "the kernel reuses the lowest");
        let third = Async::new(third).unwrap();
        let task = Count::new();
        let waker = task.waker();
        assert!(poll_byte(&third, &mut Context::from_waker(&waker)).is_pending());
        assert_eq!(turn(&reactor), 0);
        assert_eq!(task.get(), 0);
    });
}

#[test]
fn r12_a_half_closed_peer_does_not_make_the_writer_spin() {
    keep_writing_to_a_half_closed_peer(Async::new);
}

#[test]
fn r12_nor_does_it_if_the_connection_is_a_stream() {
    keep_writing_to_a_half_closed_peer(Async::new_stream);
}

fn keep_writing_to_a_half_closed_peer(
    register: fn(std::net::TcpStream) -> std::io::Result<Async<std::net::TcpStream>>,
) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let reactor = reactor();
    let _here = reactor.enter();
    let ours = register(listener.accept().unwrap().0).unwrap();
    peer.shutdown(std::net::Shutdown::Write).unwrap();
    let mut sent = 0;
    let chunk = [1; 65536];
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    // Fill both buffers: the kernel moves bytes for a while after we are full.
    let settle = Instant::now();
    while settle.elapsed() < Duration::from_millis(100) {
        let write = ours.poll_write_stream(&mut cx, chunk.len(), |mut s| s.write(&chunk));
        match write {
            Poll::Ready(count) => sent += count.unwrap(),
            Poll::Pending => reactor.wait(Some(Duration::from_millis(10))).unwrap(),
        }
        turn(&reactor);
    }
    let before = task.get();
    let mut returns = 0;
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(300) {
        reactor.wait(Some(Duration::from_millis(100))).unwrap();
        turn(&reactor);
        returns += 1;
    }
    assert!(returns < 10, "{returns} returns in 300 ms");
    assert!(task.get() - before <= 1);
    let reader = thread::spawn(move || {
        let mut total = 0;
        let mut buf = vec![0; 1 << 20];
        while let count @ 1.. = peer.read(&mut buf).unwrap() {
            total += count;
        }
        total
    });
    sent += run(
        &reactor,
        ours.write_stream(chunk.len(), |mut s| s.write(&chunk)),
    )
    .unwrap();
    drop(ours);
    assert_eq!(reader.join().unwrap(), sent);
}

#[test]
fn r13_the_writer_learns_that_the_reader_of_its_pipe_is_gone() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (reader, writer) = std::io::pipe().unwrap();
    let writer = Async::new(writer).unwrap();
    fill(&writer);
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    let write = |cx: &mut Context<'_>| writer.poll_write_with(cx, |mut pipe| pipe.write(b"x"));
    assert!(write(&mut cx).is_pending());
    turn_now(&reactor);
    drop(reader);
    reactor.wait(Some(FOREVER)).unwrap();
    assert_eq!(turn(&reactor), 1);
    let Poll::Ready(Err(error)) = write(&mut cx) else {
        panic!("a pipe without a reader must fail");
    };
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}

#[test]
fn r13_an_error_wakes_both_directions() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (reader, writer) = std::io::pipe().unwrap();
    let writer = Async::new(writer).unwrap();
    fill(&writer);
    let (for_read, for_write) = (Count::new(), Count::new());
    let never = || std::io::Result::<()>::Err(ErrorKind::WouldBlock.into());
    let waker = for_read.waker();
    let poll = writer.poll_read_with(&mut Context::from_waker(&waker), |_| never());
    assert!(poll.is_pending());
    let waker = for_write.waker();
    let poll = writer.poll_write_with(&mut Context::from_waker(&waker), |_| never());
    assert!(poll.is_pending());
    turn_now(&reactor);
    let before = (for_read.get(), for_write.get());
    // A full pipe without a reader reports an error, and nothing else.
    drop(reader);
    reactor.wait(Some(FOREVER)).unwrap();
    turn(&reactor);
    assert_eq!(
        (for_read.get(), for_write.get()),
        (before.0 + 1, before.1 + 1)
    );
}

#[test]
fn r13_an_error_of_the_network_wakes_the_reader_of_a_datagram_socket() {
    let reactor = reactor();
    let _here = reactor.enter();
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(nobody.local_addr().unwrap()).unwrap();
    drop(nobody);
    let socket = Async::new(socket).unwrap();
    socket.get_ref().send(b"x").unwrap();
    let error = run(&reactor, socket.read_with(|socket| socket.recv(&mut [0]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn an_exhausted_budget_makes_a_ready_source_pending_and_wakes_once() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (_reader, writer) = std::io::pipe().unwrap();
    let writer = Async::new(writer).unwrap();
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    let mut write = || writer.poll_write_with(&mut cx, |mut pipe| pipe.write(b"x"));
    budget::refill();
    for _ in 0..budget::PER_POLL {
        assert!(write().is_ready());
    }
    assert!(write().is_pending());
    assert_eq!(task.get(), 1);
    budget::lift();
    assert!(write().is_ready());
}

#[test]
fn waiting_charges_no_budget() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (one, _other) = socket_pair();
    let one = Async::new(one).unwrap();
    let task = Count::new();
    let waker = task.waker();
    budget::refill();
    for _ in 0..2 * budget::PER_POLL {
        assert!(poll_byte(&one, &mut Context::from_waker(&waker)).is_pending());
    }
    assert!(budget::has_budget());
    budget::lift();
    assert_eq!(task.get(), 0);
}

#[test]
fn replace_moves_the_registration_and_keeps_the_old_one_if_it_fails() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (one, other) = socket_pair();
    let (third, mut fourth) = socket_pair();
    let mut socket = Async::new(one).unwrap();
    drop(socket.replace(third).unwrap());
    drop(other);
    assert_eq!(reactor.interest_count(), 1);
    let again = socket.get_ref().try_clone().unwrap();
    fourth.write_all(b"x").unwrap();
    assert_eq!(
        run(&reactor, socket.read_with(|mut s| s.read(&mut [0]))).unwrap(),
        1
    );
    drop(again);
}

#[test]
fn reactors_and_sources_show_what_they_are() {
    let reactor = reactor();
    let closed = "LoopReactor { is_open: false, interest_count: 0 }";
    assert_eq!(format!("{reactor:?}"), closed);
    let here = reactor.enter();
    assert!(format!("{here:?}").starts_with("EnteredReactor"));
    let (one, _other) = socket_pair();
    let number = one.as_raw_fd();
    let source = Async::new(one).unwrap();
    assert_eq!(source.as_raw_fd(), number);
    assert_eq!(source.as_fd().as_raw_fd(), number);
    let open = "LoopReactor { is_open: true, interest_count: 1 }";
    assert_eq!(format!("{reactor:?}"), open);
    assert_eq!(reactor.descriptors(), 1);
    let shown = format!("{source:?}");
    assert!(shown.starts_with("Async { io: UnixStream") && shown.ends_with("is_closed: false }"));
    source.close();
    assert!(format!("{source:?}").ends_with("is_closed: true }"));
}

#[test]
fn an_operation_that_is_interrupted_is_tried_again_and_one_that_fails_is_not() {
    let reactor = reactor();
    run(&reactor, async {
        let (one, _other) = socket_pair();
        let one = Async::new(one).unwrap();
        let mut answers = [ErrorKind::Interrupted, ErrorKind::Interrupted].into_iter();
        let tried = one.read_with(|_| answers.next().map_or(Ok("done"), |kind| Err(kind.into())));
        assert_eq!(tried.await.unwrap(), "done");
        let mut answers = [ErrorKind::BrokenPipe].into_iter();
        let tried = one.write_with(|_| answers.next().map_or(Ok(()), |kind| Err(kind.into())));
        assert_eq!(tried.await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}
