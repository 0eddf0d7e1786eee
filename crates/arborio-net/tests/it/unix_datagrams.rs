//! Unix datagrams: nothing is lost, and who sends too fast waits.

use std::{
    io::ErrorKind,
    os::{fd::OwnedFd, linux::net::SocketAddrExt, unix::net::SocketAddr},
    pin::pin,
    task::Context,
};

use arborio_base::{WakeBatch, budget};
use arborio_net::UnixDatagram;
use arborio_reactor::LoopReactor;
use futures_lite::future::{poll_once, yield_now, zip};

use crate::support::{Count, FOREVER, Place, run};

/// A receiver with a path, and who sends to it.
fn receiver(place: &Place, name: &str) -> UnixDatagram {
    UnixDatagram::bind(place.at(name)).unwrap()
}

/// Receives `count` datagrams that hold their numbers, unhurriedly.
async fn receive_in_order(receiver: &UnixDatagram, count: u32) {
    for number in 0..count {
        let mut buf = [0; 8];
        assert_eq!(receiver.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(buf[..4], number.to_le_bytes());
        yield_now().await;
    }
}

#[test]
fn datagrams_come_with_the_address_of_their_sender_if_it_has_one() {
    let place = Place::new();
    let receiver = receiver(&place, "receiver");
    let name = format!("arborio-net-it-datagrams-{}", std::process::id());
    let name = SocketAddr::from_abstract_name(name).unwrap();
    let by_name = UnixDatagram::bind(&name).unwrap();
    let by_path = UnixDatagram::bind(place.at("sender")).unwrap();
    let nameless = UnixDatagram::unbound().unwrap();
    run(async {
        let mut buf = [0; 64];
        for sender in [&by_name, &by_path, &nameless] {
            sender.send_to(b"four", place.at("receiver")).await.unwrap();
        }
        let (count, peer) = receiver.peek_from(&mut buf).await.unwrap();
        assert_eq!(
            (count, peer.as_abstract_name()),
            (4, name.as_abstract_name())
        );
        let (count, peer) = receiver.recv_from(&mut buf).await.unwrap();
        assert_eq!(
            (count, peer.as_abstract_name()),
            (4, name.as_abstract_name())
        );
        let (_, peer) = receiver.recv_from(&mut buf).await.unwrap();
        assert_eq!(peer.as_pathname(), Some(&*place.at("sender")));
        by_name
            .send_to(b"to a path", peer.as_pathname().unwrap())
            .await
            .unwrap();
        by_path.send_to(b"to a name", &name).await.unwrap();
        assert!(receiver.recv_from(&mut buf).await.unwrap().1.is_unnamed());
        for sender in [&by_name, &by_path] {
            assert_eq!(sender.recv(&mut buf).await.unwrap(), 9);
        }
    });
}

#[test]
fn a_connected_sender_waits_for_a_slow_receiver_and_loses_nothing() {
    const COUNT: u32 = 500;
    let place = Place::new();
    let receiver = receiver(&place, "receiver");
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect(place.at("receiver")).unwrap();
    run(zip(receive_in_order(&receiver, COUNT), async {
        for number in 0..COUNT {
            sender.send(&number.to_le_bytes()).await.unwrap();
        }
    }));
}

#[test]
fn a_sender_that_is_not_connected_waits_for_a_slow_receiver_too() {
    const COUNT: u32 = 200;
    let place = Place::new();
    let (receiver, path) = (receiver(&place, "receiver"), place.at("receiver"));
    let sender = UnixDatagram::unbound().unwrap();
    run(zip(receive_in_order(&receiver, COUNT), async {
        for number in 0..COUNT {
            sender.send_to(&number.to_le_bytes(), &path).await.unwrap();
        }
    }));
}

#[test]
fn a_pair_waits_for_room_of_its_own() {
    let (one, other) = UnixDatagram::pair().unwrap();
    let mut sent = 0_u32;
    run(async {
        while poll_once(one.send(&[7; 8000])).await.is_some() {
            sent += 1;
        }
        assert!(sent > 0);
        let (last, ()) = zip(one.send(b"last"), async {
            for _ in 0..sent {
                assert_eq!(other.recv(&mut [0; 8192]).await.unwrap(), 8000);
            }
        })
        .await;
        assert_eq!(last.unwrap(), 4);
        assert_eq!(other.recv(&mut [0; 8192]).await.unwrap(), 4);
    });
}

#[test]
fn a_receiver_that_is_full_does_not_hold_up_datagrams_for_others() {
    let place = Place::new();
    let _full = receiver(&place, "full");
    let idle = receiver(&place, "idle");
    let (full_path, idle_path) = (place.at("full"), place.at("idle"));
    let sender = UnixDatagram::unbound().unwrap();
    run(async {
        while poll_once(sender.send_to(b"x", &full_path)).await.is_some() {}
        let mut waiting = pin!(sender.send_to(b"x", &full_path));
        assert!(poll_once(waiting.as_mut()).await.is_none());
        assert!(
            poll_once(sender.send_to(b"at once", &idle_path))
                .await
                .is_some()
        );
        assert_eq!(idle.recv(&mut [0; 8]).await.unwrap(), 7);
    });
}

#[test]
fn a_send_that_was_dropped_has_sent_nothing() {
    let place = Place::new();
    let (receiver, path) = (receiver(&place, "receiver"), place.at("receiver"));
    let sender = UnixDatagram::unbound().unwrap();
    run(async {
        let mut sent = 0;
        while poll_once(sender.send_to(b"x", &path)).await.is_some() {
            sent += 1;
        }
        for _ in 0..sent {
            receiver.recv(&mut [0; 8]).await.unwrap();
        }
        assert!(poll_once(receiver.recv(&mut [0; 8])).await.is_none());
    });
}

#[test]
fn sends_to_an_address_give_way_when_the_budget_is_used_up_and_waiting_is_free() {
    let reactor = LoopReactor::new(|_| ());
    let _here = reactor.enter();
    let place = Place::new();
    let (_full, idle) = (receiver(&place, "full"), receiver(&place, "idle"));
    let (full_path, idle_path) = (place.at("full"), place.at("idle"));
    let sender = UnixDatagram::unbound().unwrap();
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    while pin!(sender.send_to(b"x", &full_path))
        .poll(&mut cx)
        .is_ready()
    {}
    budget::refill();
    let mut waiting = pin!(sender.send_to(b"x", &full_path));
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    let mut operations = 0;
    while pin!(sender.send_to(b"x", &idle_path))
        .poll(&mut cx)
        .is_ready()
    {
        assert!(idle.poll_recv(&mut cx, &mut [0; 8]).is_ready());
        operations += 2;
    }
    budget::lift();
    assert_eq!((operations, task.get()), (budget::PER_POLL, 1));
}

#[test]
fn r13_a_sender_that_waits_is_woken_when_its_receiver_goes() {
    let reactor = LoopReactor::new(|_| ());
    let _here = reactor.enter();
    let place = Place::new();
    let receiver = receiver(&place, "receiver");
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect(place.at("receiver")).unwrap();
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    while sender.poll_send(&mut cx, b"x").is_ready() {}
    drop(receiver);
    let before = task.get();
    while task.get() == before {
        reactor.wait(Some(FOREVER)).unwrap();
        let mut batch = WakeBatch::new();
        reactor.dispatch(&mut batch);
        batch.wake_all();
    }
    let error = run(sender.send(b"x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_sender_that_backs_off_learns_that_its_receiver_has_gone_or_it_was_closed() {
    let place = Place::new();
    let (receiver, path) = (receiver(&place, "receiver"), place.at("receiver"));
    let sender = UnixDatagram::unbound().unwrap();
    run(async {
        while poll_once(sender.send_to(b"x", &path)).await.is_some() {}
        let mut waiting = pin!(sender.send_to(b"x", &path));
        assert!(poll_once(waiting.as_mut()).await.is_none());
        let mut closed = pin!(sender.send_to(b"x", &path));
        assert!(poll_once(closed.as_mut()).await.is_none());
        drop(receiver);
        let error = waiting.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        sender.close();
        assert_eq!(closed.await.unwrap_err().kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn a_receiver_that_is_not_there_is_its_error() {
    let place = Place::new();
    let sender = UnixDatagram::unbound().unwrap();
    let error = run(sender.send_to(b"x", place.at("none"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    drop(receiver(&place, "stale"));
    let error = run(sender.send_to(b"x", place.at("stale"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let error = sender.connect(place.at("stale")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(
        run(sender.send(b"x")).unwrap_err().kind(),
        ErrorKind::NotConnected
    );
}

#[test]
fn sockets_come_from_and_go_to_the_standard_library() {
    let (one, other) = UnixDatagram::pair().unwrap();
    let one = UnixDatagram::try_from(one.into_std().unwrap()).unwrap();
    let other = UnixDatagram::try_from(OwnedFd::from(other)).unwrap();
    run(one.send(b"x")).unwrap();
    assert_eq!(run(other.recv(&mut [0; 8])).unwrap(), 1);
}
