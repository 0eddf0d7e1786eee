//! Streams on a loop driven by hand: what is woken, and when.

use std::{
    io::{Read, Write},
    task::{Context, Poll},
    time::Duration,
};

use arborio_base::{WakeBatch, budget};
use arborio_net::{TcpListener, TcpStream};
use arborio_reactor::LoopReactor;
use futures_lite::future::block_on;

use crate::support::{Count, FOREVER, unix_pair};

/// Waits, hands out, wakes.
fn turn(reactor: &LoopReactor) -> usize {
    reactor.wait(Some(FOREVER)).unwrap();
    let mut batch = WakeBatch::new();
    reactor.dispatch(&mut batch);
    batch.wake_all()
}

#[test]
fn an_accepted_stream_is_tried_before_it_is_waited_for() {
    let reactor = LoopReactor::new(|_| ());
    let _here = reactor.enter();
    let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.write_all(b"early").unwrap();
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    let Poll::Ready(Ok((stream, _))) = listener.poll_accept(&mut cx) else {
        panic!("the client is there");
    };
    let mut buf = [0; 8];
    assert!(matches!(
        stream.poll_read(&mut cx, &mut buf),
        Poll::Ready(Ok(5))
    ));
    assert!(matches!(
        stream.poll_write(&mut cx, b"x"),
        Poll::Ready(Ok(1))
    ));
    assert_eq!(task.get(), 0, "without a turn of the loop");
}

#[test]
fn an_echo_takes_one_turn_of_the_loop() {
    let reactor = LoopReactor::new(|_| ());
    let _here = reactor.enter();
    let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    let Poll::Ready(Ok((stream, _))) = listener.poll_accept(&mut cx) else {
        panic!("the client is there");
    };
    let mut buf = [0; 64];
    assert!(stream.poll_read(&mut cx, &mut buf).is_pending());
    reactor.wait(Some(Duration::ZERO)).unwrap();
    reactor.dispatch(&mut WakeBatch::new());
    let _ = stream.poll_read(&mut cx, &mut buf);
    for round in 1..=20 {
        client.write_all(b"ping").unwrap();
        assert_eq!(turn(&reactor), 1, "round {round}");
        assert!(matches!(
            stream.poll_read(&mut cx, &mut buf),
            Poll::Ready(Ok(4))
        ));
        assert!(matches!(
            stream.poll_write(&mut cx, &buf[..4]),
            Poll::Ready(Ok(4))
        ));
        assert!(stream.poll_read(&mut cx, &mut buf).is_pending());
        client.read_exact(&mut [0; 4]).unwrap();
    }
}

#[test]
fn an_echo_over_a_unix_socket_takes_one_turn_of_the_loop() {
    let reactor = LoopReactor::new(|_| ());
    let _here = reactor.enter();
    let (stream, mut client) = unix_pair();
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    let mut buf = [0; 64];
    assert!(stream.poll_read(&mut cx, &mut buf).is_pending());
    for round in 1..=20 {
        client.write_all(b"ping").unwrap();
        assert_eq!(turn(&reactor), 1, "round {round}");
        let read = stream.poll_read(&mut cx, &mut buf);
        assert!(matches!(read, Poll::Ready(Ok(4))));
        let written = stream.poll_write(&mut cx, &buf[..4]);
        assert!(matches!(written, Poll::Ready(Ok(4))));
        assert!(stream.poll_read(&mut cx, &mut buf).is_pending());
        client.read_exact(&mut [0; 4]).unwrap();
    }
}

#[test]
fn every_message_over_a_unix_socket_is_told_of_though_nobody_answers() {
    let reactor = LoopReactor::new(|_| ());
    let _here = reactor.enter();
    let (stream, mut client) = unix_pair();
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    let mut buf = [0; 64];
    for round in 1..=20 {
        // It switches to edges on the way, which may wake it once for nothing.
        while stream.poll_read(&mut cx, &mut buf).is_ready() {}
        client.write_all(b"news").unwrap();
        let mut turns = 0;
        while stream.poll_read(&mut cx, &mut buf).is_pending() {
            assert_eq!(turn(&reactor), 1, "round {round}");
            turns += 1;
        }
        assert!(turns <= 2, "round {round}");
    }
}

#[test]
fn a_stream_that_is_always_ready_gives_way_when_the_budget_is_used_up() {
    let reactor = LoopReactor::new(|_| ());
    let _here = reactor.enter();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let stream = TcpStream::try_from(listener.accept().unwrap().0).unwrap();
    client.write_all(&[0; 1000]).unwrap();
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    // After two full reads it is known that bytes come in bulk.
    assert!(stream.poll_read(&mut cx, &mut [0]).is_ready());
    assert!(stream.poll_read(&mut cx, &mut [0]).is_pending());
    turn(&reactor);
    assert!(stream.poll_read(&mut cx, &mut [0]).is_ready());
    let before = task.get();
    budget::refill();
    let mut reads = 0;
    while stream.poll_read(&mut cx, &mut [0]).is_ready() {
        reads += 1;
    }
    budget::lift();
    assert_eq!(reads, budget::PER_POLL);
    assert_eq!(task.get() - before, 1, "woken once, for the next turn");
}

#[test]
fn an_accept_that_is_always_ready_gives_way_when_the_budget_is_used_up() {
    let reactor = LoopReactor::new(|_| ());
    let _here = reactor.enter();
    let listener = block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let addr = listener.local_addr().unwrap();
    let clients: Vec<_> = (0..budget::PER_POLL + 1)
        .map(|_| std::net::TcpStream::connect(addr).unwrap())
        .collect();
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    budget::refill();
    let mut accepted = 0;
    while listener.poll_accept(&mut cx).is_ready() {
        accepted += 1;
    }
    budget::lift();
    assert_eq!(accepted, budget::PER_POLL);
    assert_eq!(task.get(), 1);
    drop(clients);
}
