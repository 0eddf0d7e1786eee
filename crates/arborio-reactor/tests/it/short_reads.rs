//! The system call that a short transfer saves, and when it must not be saved.

use std::{
    io::{Read, Write},
    net::Shutdown,
    task::{Context, Poll, Waker},
};

use arborio_reactor::Async;
use proptest::prelude::*;

use crate::support::{FOREVER, reactor, run, socket_pair, turn, turn_now};

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn r11_all_bytes_then_the_end_whatever_the_buffer(
        bytes in 1_usize..3000,
        buffer in 1_usize..3001,
        before_the_wait in any::<bool>(),
        collected_between in any::<bool>(),
        quiet in any::<bool>(),
    ) {
        let reactor = reactor();
        let here = reactor.enter();
        let (one, mut other) = socket_pair();
        let one = if quiet { Async::new_stream(one) } else { Async::new(one) };
        let one = one.unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        if before_the_wait {
            prop_assert!(one.poll_read_stream(&mut cx, 1, |mut s| s.read(&mut [0])).is_pending());
        }
        other.write_all(&vec![3; bytes]).unwrap();
        if collected_between {
            turn_now(&reactor);
        }
        other.shutdown(Shutdown::Write).unwrap();
        drop(here);
        let total = run(&reactor, async {
            let mut buf = vec![0; buffer];
            let mut total = 0;
            loop {
                match one.read_stream(buffer, |mut s| s.read(&mut buf)).await.unwrap() {
                    0 => return total,
                    count => total += count,
                }
            }
        });
        prop_assert_eq!(total, bytes);
    }
}

#[test]
fn a_short_read_saves_the_call_that_would_find_nothing() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (one, mut other) = socket_pair();
    let one = Async::new(one).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    let mut calls = 0;
    let poll = |cx: &mut Context<'_>, calls: &mut u32| {
        one.poll_read_stream(cx, 64, |mut socket| {
            *calls += 1;
            socket.read(&mut [0; 64])
        })
    };
    assert!(poll(&mut cx, &mut calls).is_pending());
    turn_now(&reactor);
    calls = 0;
    for _ in 0..10 {
        other.write_all(b"ping").unwrap();
        reactor.wait(Some(FOREVER)).unwrap();
        turn(&reactor);
        assert!(matches!(poll(&mut cx, &mut calls), Poll::Ready(Ok(4))));
        assert!(poll(&mut cx, &mut calls).is_pending());
    }
    assert_eq!(calls, 10, "one call for each message");
}

#[test]
fn urgent_data_does_not_hide_what_is_behind_it() {
    for quiet in [false, true] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let reactor = reactor();
        let here = reactor.enter();
        let ours = listener.accept().unwrap().0;
        let ours = if quiet {
            Async::new_stream(ours)
        } else {
            Async::new(ours)
        };
        let ours = ours.unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let read =
            |cx: &mut Context<'_>| ours.poll_read_stream(cx, 64, |mut s| s.read(&mut [0; 64]));
        assert!(read(&mut cx).is_pending());
        // A read stops at the urgent mark, short, with "behind" still to come.
        (&peer).write_all(b"front").unwrap();
        rustix::net::send(&peer, b"!", rustix::net::SendFlags::OOB).unwrap();
        (&peer).write_all(b"behind").unwrap();
        drop(here);
        let mut total = 0;
        while total < "frontbehind".len() {
            let read = ours.read_stream(64, |mut s| s.read(&mut [0; 64]));
            total += run(&reactor, read).unwrap();
        }
    }
}
