//! Unix streams: what is the same as with TCP, and what is not.

use std::{
    io::{ErrorKind, IoSlice, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        linux::net::SocketAddrExt,
        unix::net::SocketAddr,
    },
    path::PathBuf,
    pin::pin,
    sync::Arc,
    task::Context,
    thread,
};

use arborio_net::{UnixDatagram, UnixListener, UnixStream};
use futures_lite::{
    AsyncReadExt,
    future::{poll_once, zip},
};
use proptest::prelude::*;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketType, sendmsg,
};

use crate::support::{
    Count, Place, alone, hash, limit_descriptors, next_descriptor, pattern, reset_sigpipe, run,
    unix_pair,
};

/// A listener with room for one connection that was not accepted, and the path
/// to it; that one is there.
fn full(place: &Place) -> (UnixListener, PathBuf, std::os::unix::net::UnixStream) {
    let path = place.at("full");
    let listener = UnixListener::builder().backlog(0).bind(&path).unwrap();
    let first = std::os::unix::net::UnixStream::connect(&path).unwrap();
    (listener, path, first)
}

#[test]
fn r16_a_connect_to_a_full_backlog_waits_and_gets_in_when_there_is_room() {
    let place = Place::new();
    let (listener, path, _first) = full(&place);
    let (connected, ()) = run(zip(UnixStream::connect(&path), async {
        // It is refused until the first one is accepted.
        let mut second = pin!(UnixStream::connect(&path));
        assert!(poll_once(second.as_mut()).await.is_none());
        drop(listener.accept().await.unwrap());
        drop(listener.accept().await.unwrap());
        second.await.unwrap();
    }));
    connected.unwrap();
}

#[test]
fn r16_a_connect_that_waits_for_the_backlog_learns_that_the_listener_has_gone() {
    let place = Place::new();
    let (listener, path, _first) = full(&place);
    let mut connecting = pin!(UnixStream::connect(&path));
    assert!(run(poll_once(connecting.as_mut())).is_none());
    drop(listener);
    let error = run(connecting).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn r16_a_connect_waits_for_the_backlog_also_without_a_descriptor_for_a_timer() {
    alone(
        "unix::r16_a_connect_waits_for_the_backlog_also_without_a_descriptor_for_a_timer",
        || {
            let place = Place::new();
            let (listener, path, _first) = full(&place);
            // The background threads need descriptors of their own.
            run(arborio_timers::sleep(std::time::Duration::from_millis(1)));
            let old = limit_descriptors(next_descriptor() + 1);
            let mut connecting = pin!(UnixStream::connect(&path));
            assert!(run(poll_once(connecting.as_mut())).is_none());
            limit_descriptors(old);
            drop(run(listener.accept()).unwrap());
            run(connecting).unwrap();
        },
    );
}

#[test]
fn r16_a_path_where_nobody_listens_is_its_error() {
    let place = Place::new();
    let error = run(UnixStream::connect(place.at("none"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    drop(UnixListener::bind(place.at("stale")).unwrap());
    let error = run(UnixStream::connect(place.at("stale"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let error = run(UnixStream::connect("")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn clients_come_by_path_and_by_abstract_name() {
    let place = Place::new();
    let path = place.at("listener");
    let name = format!("arborio-net-it-{}", std::process::id());
    let name = SocketAddr::from_abstract_name(name).unwrap();
    let by_path = UnixListener::bind(&path).unwrap();
    let by_name = UnixListener::bind(&name).unwrap();
    let text = path.to_str().unwrap();
    run(async {
        for client in [
            UnixStream::connect(&path).await.unwrap(),
            UnixStream::connect(text).await.unwrap(),
        ] {
            let (server, peer) = by_path.accept().await.unwrap();
            assert!(peer.is_unnamed() && server.peer_addr().unwrap().is_unnamed());
            let addrs = [server.local_addr().unwrap(), client.peer_addr().unwrap()];
            assert!(addrs.iter().all(|addr| addr.as_pathname() == Some(&path)));
        }
        let client = UnixStream::connect(&name).await.unwrap();
        by_name.accept().await.unwrap();
        let addr = client.peer_addr().unwrap();
        assert_eq!(addr.as_abstract_name(), name.as_abstract_name());
    });
    assert_eq!(by_path.local_addr().unwrap().as_pathname(), Some(&*path));
}

#[test]
fn a_client_with_the_longest_name_of_all_is_accepted() {
    let place = Place::new();
    let listener = UnixListener::bind(place.at("x")).unwrap();
    // So long that there is no room for the zero at its end.
    let mut path = place.at("").into_os_string();
    path.push("y".repeat(108 - path.len()));
    let client = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    let name = SocketAddrUnix::new(path.as_os_str()).unwrap();
    rustix::net::bind(&client, &name).unwrap();
    let addr = SocketAddrUnix::new(place.at("x")).unwrap();
    rustix::net::connect(&client, &addr).unwrap();
    let (server, peer) = run(listener.accept()).unwrap();
    assert!(peer.is_unnamed() && server.peer_addr().unwrap().is_unnamed());
}

#[test]
fn a_read_that_stops_at_a_descriptor_leaves_no_byte_behind() {
    let (ours, peer) = unix_pair();
    let send_a_descriptor_with = |byte: &[u8]| {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let null = std::fs::File::open("/dev/null").unwrap();
        let fds = [null.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(
            &peer,
            &[IoSlice::new(byte)],
            &mut control,
            SendFlags::empty(),
        )
        .unwrap();
    };
    run(async {
        for _ in 0..3 {
            send_a_descriptor_with(b"a");
            (&peer).write_all(b"b").unwrap();
            let mut buf = [0; 64];
            assert_eq!(
                ours.read(&mut buf).await.unwrap(),
                1,
                "short, with more behind"
            );
            assert_eq!(
                ours.read(&mut buf).await.unwrap(),
                1,
                "and no event to tell of it"
            );
            assert_eq!(buf[0], b'b');
        }
    });
}

#[test]
fn owned_halves_go_to_different_threads_and_the_end_is_passed_on() {
    let (ours, mut peer) = unix_pair();
    let (mut reader, writer) = ours.into_split();
    let sent = pattern(500_000);
    let expected = hash(&sent);
    let writing = thread::spawn(move || run(writer.write_all(&sent)).unwrap());
    let echo = thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        peer.write_all(&all).unwrap();
    });
    let mut got = Vec::new();
    run(AsyncReadExt::read_to_end(&mut reader, &mut got)).unwrap();
    assert_eq!(hash(&got), expected);
    writing.join().unwrap();
    echo.join().unwrap();
}

#[test]
fn halves_are_joined_again_and_borrowed() {
    let (ours, mut peer) = unix_pair();
    let (reader, writer) = ours.into_split();
    let mut joined = reader.reunite(writer).unwrap();
    let (reader, writer) = joined.split();
    let mut byte = [0];
    run(writer.write_all_vectored(&mut [IoSlice::new(b"x"), IoSlice::new(b"y")])).unwrap();
    peer.read_exact(&mut [0; 2]).unwrap();
    peer.write_all(b"z").unwrap();
    assert_eq!(run(reader.peek(&mut byte)).unwrap(), 1);
    run(reader.read_exact(&mut byte)).unwrap();
    assert_eq!(&byte, b"z");
}

#[test]
fn g11_a_task_blocked_in_read_gets_an_error_when_another_closes() {
    let (ours, mut peer) = unix_pair();
    let ours = Arc::new(ours);
    let task = Count::new();
    let waker = task.waker();
    let mut buf = [0];
    let mut read = pin!(ours.read(&mut buf));
    let mut cx = Context::from_waker(&waker);
    assert!(read.as_mut().poll(&mut cx).is_pending());
    let closer = Arc::clone(&ours);
    thread::spawn(move || closer.close()).join().unwrap();
    assert!(task.get() >= 1, "woken");
    assert_eq!(run(read).unwrap_err().kind(), ErrorKind::NotConnected);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0, "the peer sees the end");
}

#[test]
fn g11_a_listener_that_is_closed_refuses() {
    let place = Place::new();
    let path = place.at("listener");
    let listener = UnixListener::bind(&path).unwrap();
    let (accepted, ()) = run(zip(listener.accept(), async { listener.close() }));
    assert_eq!(accepted.unwrap_err().kind(), ErrorKind::NotConnected);
    let error = std::os::unix::net::UnixStream::connect(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn r17_a_write_to_a_unix_peer_that_has_closed_is_an_error_and_no_signal() {
    alone(
        "unix::r17_a_write_to_a_unix_peer_that_has_closed_is_an_error_and_no_signal",
        || {
            reset_sigpipe();
            for vectored in [false, true] {
                let (ours, peer) = unix_pair();
                drop(peer);
                let write = match vectored {
                    true => run(ours.write_vectored(&[IoSlice::new(b"x")])),
                    false => run(ours.write(b"x")),
                };
                assert_eq!(write.unwrap_err().kind(), ErrorKind::BrokenPipe);
            }
            let (ours, _peer) = UnixDatagram::pair().unwrap();
            ours.shutdown(std::net::Shutdown::Write).unwrap();
            let error = run(ours.send(b"x")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        },
    );
}

#[test]
fn the_peer_is_who_connected_and_who_listened() {
    let place = Place::new();
    let path = place.at("listener");
    let listener = UnixListener::bind(&path).unwrap();
    let (client, accepted) = run(zip(UnixStream::connect(&path), listener.accept()));
    let (client, server) = (client.unwrap(), accepted.unwrap().0);
    for stream in [&client, &server] {
        let cred = stream.peer_cred().unwrap();
        assert_eq!(cred.pid(), Some(std::process::id()));
        assert_eq!(cred.uid(), rustix::process::geteuid().as_raw());
        assert_eq!(cred.gid(), rustix::process::getegid().as_raw());
    }
    // What the kernel says of somebody it cannot name.
    let alone = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    let alone = UnixStream::try_from(alone).unwrap();
    assert_eq!(alone.peer_cred().unwrap().pid(), None);
}

#[test]
fn r23_unix_and_datagram_sockets_are_close_on_exec_and_nonblocking() {
    let place = Place::new();
    let path = place.at("listener");
    let listener = UnixListener::bind(&path).unwrap();
    let (client, accepted) = run(zip(UnixStream::connect(&path), listener.accept()));
    let (one, other) = UnixStream::pair().unwrap();
    let (first, second) = UnixDatagram::pair().unwrap();
    let sockets: [OwnedFd; 10] = [
        listener.into(),
        client.unwrap().into(),
        accepted.unwrap().0.into(),
        one.into(),
        other.into(),
        first.into(),
        second.into(),
        UnixDatagram::bind(place.at("datagrams")).unwrap().into(),
        UnixDatagram::unbound().unwrap().into(),
        run(arborio_net::UdpSocket::bind("127.0.0.1:0"))
            .unwrap()
            .into(),
    ];
    for socket in sockets {
        let flags = rustix::io::fcntl_getfd(&socket).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let nothing = rustix::io::read(&socket, &mut [0; 1][..]);
        assert!(
            nothing.is_ok_and(|count| count == 0) || nothing.is_err(),
            "it must not block"
        );
    }
}

#[test]
fn sockets_come_from_and_go_to_the_standard_library() {
    let place = Place::new();
    let path = place.at("listener");
    let listener = UnixListener::bind(&path).unwrap().into_std().unwrap();
    let listener = UnixListener::try_from(OwnedFd::from(listener)).unwrap();
    let listener: OwnedFd = listener.into();
    let listener = UnixListener::try_from(std::os::unix::net::UnixListener::from(listener));
    let listener = listener.unwrap();
    let (client, accepted) = run(zip(UnixStream::connect(&path), listener.accept()));
    let mut client = client.unwrap().into_std().unwrap();
    let server = UnixStream::try_from(OwnedFd::from(accepted.unwrap().0)).unwrap();
    run(server.write_all(b"x")).unwrap();
    client.read_exact(&mut [0]).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn r11_every_byte_and_then_the_end_over_a_unix_socket(
        sizes in prop::collection::vec(1_usize..2000, 1..6),
        buffer in 1_usize..4000,
    ) {
        let (ours, mut peer) = unix_pair();
        let total: usize = sizes.iter().sum();
        let sent = pattern(total);
        let expected = hash(&sent);
        let writer = thread::spawn(move || {
            let mut rest = &sent[..];
            for size in sizes {
                let (now, later) = rest.split_at(size);
                peer.write_all(now).unwrap();
                rest = later;
            }
        });
        let got = run(async {
            let (mut got, mut buf) = (Vec::new(), vec![0; buffer]);
            while let count @ 1.. = ours.read(&mut buf).await.unwrap() {
                got.extend_from_slice(&buf[..count]);
            }
            got
        });
        writer.join().unwrap();
        prop_assert_eq!((got.len(), hash(&got)), (total, expected));
    }
}
