//! UDP: datagrams, errors that come later, and groups.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr},
    os::fd::OwnedFd,
    pin::pin,
    task::{Context, Poll},
};

use arborio_base::{WakeBatch, budget};
use arborio_net::UdpSocket;
use arborio_reactor::LoopReactor;
use futures_lite::future::{block_on, zip};

use crate::support::{Count, FOREVER, run};

fn socket() -> UdpSocket {
    block_on(UdpSocket::bind("127.0.0.1:0")).unwrap()
}

/// Two sockets, each connected to the other.
fn connected() -> (UdpSocket, UdpSocket) {
    let (one, other) = (socket(), socket());
    block_on(one.connect(other.local_addr().unwrap())).unwrap();
    block_on(other.connect(one.local_addr().unwrap())).unwrap();
    (one, other)
}

/// A socket connected to a port that nobody has any more.
fn connected_to_nobody() -> UdpSocket {
    let (one, other) = (socket(), socket());
    block_on(one.connect(other.local_addr().unwrap())).unwrap();
    one
}

#[test]
fn a_datagram_comes_whole_with_the_address_of_its_sender() {
    let (one, other) = (socket(), socket());
    let addr = other.local_addr().unwrap();
    run(async {
        for size in [0, 1, 1000, 60_000] {
            let sent = vec![7; size];
            assert_eq!(one.send_to(&sent, addr).await.unwrap(), size);
            let mut buf = vec![0; 65_536];
            let from = one.local_addr().unwrap();
            assert_eq!(other.peek_from(&mut buf).await.unwrap(), (size, from));
            assert_eq!(other.recv_from(&mut buf).await.unwrap(), (size, from));
            assert_eq!(&buf[..size], &sent);
        }
        let error = one.send_to(&[0; 70_000], addr).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
    });
}

#[test]
fn the_rest_of_a_datagram_that_is_too_long_is_lost() {
    let (one, other) = connected();
    run(async {
        one.send(b"too long").await.unwrap();
        one.send(b"next").await.unwrap();
        let mut buf = [0; 4];
        assert_eq!(other.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(&buf, b"too ");
        assert_eq!(other.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(&buf, b"next");
    });
}

#[test]
fn a_connected_socket_hears_its_peer_alone() {
    let (one, other) = connected();
    let stranger = socket();
    run(async {
        let addr = one.local_addr().unwrap();
        stranger.send_to(b"stranger", addr).await.unwrap();
        other.send(b"peer").await.unwrap();
        let mut buf = [0; 64];
        assert_eq!(one.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(one.peer_addr().unwrap(), other.local_addr().unwrap());
        assert_eq!(
            stranger.peer_addr().unwrap_err().kind(),
            ErrorKind::NotConnected
        );
        assert!(stranger.send(b"to whom?").await.is_err());
    });
}

#[test]
fn r13_a_receiver_is_woken_and_told_that_nobody_was_there() {
    let reactor = LoopReactor::new(|_| ());
    let _here = reactor.enter();
    let socket = connected_to_nobody();
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    for _ in 0..3 {
        assert!(socket.poll_recv(&mut cx, &mut [0; 8]).is_pending());
        let before = task.get();
        assert!(socket.poll_send(&mut cx, b"anybody?").is_ready());
        while task.get() == before {
            reactor.wait(Some(FOREVER)).unwrap();
            let mut batch = WakeBatch::new();
            reactor.dispatch(&mut batch);
            batch.wake_all();
        }
        let Poll::Ready(Err(error)) = socket.poll_recv(&mut cx, &mut [0; 8]) else {
            panic!("the error is there");
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn r13_a_sender_is_told_that_nobody_was_there_and_may_go_on() {
    let socket = connected_to_nobody();
    run(async {
        socket.send(b"anybody?").await.unwrap();
        // On loopback the answer is there before the call has returned.
        let error = socket.send(b"anybody?").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        socket.send(b"anybody?").await.unwrap();
        let error = socket.take_error().unwrap().unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_cancelled_receive_loses_no_datagram() {
    let (one, other) = connected();
    let task = Count::new();
    let waker = task.waker();
    for number in 0..100_u8 {
        let mut buf = [0; 8];
        {
            let mut receive = pin!(other.recv(&mut buf));
            let mut cx = Context::from_waker(&waker);
            assert!(receive.as_mut().poll(&mut cx).is_pending());
            run(one.send(&[number])).unwrap();
        }
        assert_eq!(run(other.recv(&mut buf)).unwrap(), 1);
        assert_eq!(buf[0], number);
    }
}

#[test]
fn g11_closing_wakes_who_receives_and_everything_is_an_error_then() {
    let socket = socket();
    let (mut buf, mut other) = ([0; 8], [0; 8]);
    let receiving = zip(socket.recv(&mut buf), socket.recv_from(&mut other));
    let ((one, other), ()) = run(zip(receiving, async { socket.close() }));
    let addr = socket.local_addr().unwrap();
    let kinds = [
        one.unwrap_err().kind(),
        other.unwrap_err().kind(),
        run(socket.send_to(b"x", addr)).unwrap_err().kind(),
        run(socket.readable()).unwrap_err().kind(),
        run(socket.writable()).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::NotConnected; 5]);
}

#[test]
fn a_socket_that_is_always_ready_gives_way_when_the_budget_is_used_up() {
    let reactor = LoopReactor::new(|_| ());
    let _here = reactor.enter();
    let (one, other) = connected();
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    budget::refill();
    let mut sent = 0;
    while one.poll_send(&mut cx, b"").is_ready() {
        sent += 1;
    }
    budget::lift();
    assert_eq!((sent, task.get()), (budget::PER_POLL, 1));
    budget::refill();
    let mut received = 0;
    while received < 200 && other.poll_recv_from(&mut cx, &mut [0]).is_ready() {
        received += 1;
    }
    let left = budget::PER_POLL - received;
    for _ in 0..left {
        assert!(
            one.poll_send_to(&mut cx, b"", other.local_addr().unwrap())
                .is_ready()
        );
    }
    assert!(other.poll_recv(&mut cx, &mut [0]).is_pending());
    budget::lift();
    assert_eq!(task.get(), 2);
}

#[test]
fn a_broadcast_must_be_allowed() {
    let socket = run(UdpSocket::bind("0.0.0.0:0")).unwrap();
    let port = socket.local_addr().unwrap().port();
    let everybody = (Ipv4Addr::new(127, 255, 255, 255), port).into();
    let error = run(socket.send_to(b"x", everybody)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    socket.set_broadcast(true).unwrap();
    assert!(run(socket.send_to(b"x", everybody)).is_ok());
    assert_eq!(run(socket.recv(&mut [0; 8])).unwrap(), 1);
}

#[test]
fn a_member_of_a_group_hears_what_is_sent_to_it_until_it_leaves() {
    let socket = run(UdpSocket::bind("0.0.0.0:0")).unwrap();
    let port = socket.local_addr().unwrap().port();
    let (group, here) = (Ipv4Addr::new(239, 255, 77, 1), Ipv4Addr::LOCALHOST);
    socket2::SockRef::from(&socket)
        .set_multicast_if_v4(&here)
        .unwrap();
    socket.join_multicast_v4(group, here).unwrap();
    let to_group = (group, port).into();
    run(socket.send_to(b"to the group", to_group)).unwrap();
    assert_eq!(run(socket.recv(&mut [0; 64])).unwrap(), 12);
    socket.leave_multicast_v4(group, here).unwrap();
    run(socket.send_to(b"to the group", to_group)).unwrap();
    let to_me = (here, port).into();
    run(socket.send_to(b"to me", to_me)).unwrap();
    assert_eq!(
        run(socket.recv(&mut [0; 64])).unwrap(),
        5,
        "not the other one"
    );
}

#[test]
fn an_ipv6_group_is_joined_and_left_once() {
    let group = Ipv6Addr::new(0xff01, 0, 0, 0, 0, 0, 77, 1);
    let loopback = 1; // the number of the first interface
    let Ok(socket) = run(UdpSocket::bind("[::]:0")) else {
        println!("skipped: there is no IPv6 here");
        return;
    };
    let kind = |result: std::io::Result<()>| result.map_err(|error| error.kind());
    for _ in 0..2 {
        assert_eq!(kind(socket.join_multicast_v6(group, loopback)), Ok(()));
        let again = kind(socket.join_multicast_v6(group, loopback));
        assert_eq!(again, Err(ErrorKind::AddrInUse));
        assert_eq!(kind(socket.leave_multicast_v6(group, loopback)), Ok(()));
        let again = kind(socket.leave_multicast_v6(group, loopback));
        assert_eq!(again, Err(ErrorKind::AddrNotAvailable));
    }
}

#[test]
fn the_addresses_are_tried_in_turn() {
    let taken = socket().into_std().unwrap();
    let taken = taken.local_addr().map(|addr| (taken, addr)).unwrap();
    let free = "127.0.0.1:0".parse().unwrap();
    let socket = run(UdpSocket::bind([taken.1, free])).unwrap();
    assert_ne!(socket.local_addr().unwrap(), taken.1);
    let error = run(UdpSocket::bind(taken.1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let error = run(UdpSocket::bind("nonsense")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn sockets_come_from_and_go_to_the_standard_library() {
    let (one, other) = connected();
    let one = UdpSocket::try_from(one.into_std().unwrap()).unwrap();
    let other = UdpSocket::try_from(OwnedFd::from(other)).unwrap();
    run(one.send(b"x")).unwrap();
    assert_eq!(run(other.recv(&mut [0; 8])).unwrap(), 1);
}
