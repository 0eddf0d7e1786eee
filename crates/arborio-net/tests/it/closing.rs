//! Who learns of an end, and how.

use std::{
    io::{ErrorKind, Read},
    pin::pin,
    sync::Arc,
    task::Context,
    thread,
};

use futures_lite::future::zip;

use crate::support::{Count, listener, pair, run};

#[test]
fn g11_a_task_blocked_in_read_gets_an_error_when_another_closes() {
    let (ours, mut peer) = pair();
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
    let error = run(read).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0, "the peer sees the end");
    ours.close();
}

#[test]
fn g11_a_task_blocked_in_write_gets_an_error_when_another_closes() {
    let (ours, _peer) = pair();
    let block = vec![0; 64 << 20];
    let (write, ()) = run(zip(ours.write_all(&block), async {
        // The peer reads nothing, so the write is blocked when the socket is.
        let mut full = false;
        while !full {
            full = futures_lite::future::poll_once(ours.writable())
                .await
                .is_none();
            futures_lite::future::yield_now().await;
        }
        ours.close();
    }));
    assert_eq!(write.unwrap_err().kind(), ErrorKind::NotConnected);
}

#[test]
fn g11_a_task_blocked_in_accept_gets_an_error_when_another_closes() {
    let listener = listener();
    let addr = listener.local_addr().unwrap();
    let (accepted, ()) = run(zip(listener.accept(), async { listener.close() }));
    assert_eq!(accepted.unwrap_err().kind(), ErrorKind::NotConnected);
    assert!(
        std::net::TcpStream::connect(addr).is_err(),
        "nobody listens"
    );
}

#[test]
fn g11_after_close_everything_is_an_error() {
    let (ours, _peer) = pair();
    ours.close();
    let kinds = [
        run(ours.read(&mut [0])).unwrap_err().kind(),
        run(ours.write(b"x")).unwrap_err().kind(),
        run(ours.peek(&mut [0])).unwrap_err().kind(),
        run(ours.readable()).unwrap_err().kind(),
        run(ours.writable()).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [ErrorKind::NotConnected; 5]);
}

#[test]
fn g11_dropping_an_accepted_stream_ends_the_connection_also_after_an_error() {
    let listener = listener();
    let addr = listener.local_addr().unwrap();
    for fail in [false, true] {
        let mut client = std::net::TcpStream::connect(addr).unwrap();
        let handler: Result<(), ErrorKind> = run(async {
            let (_stream, _) = listener.accept().await.unwrap();
            match fail {
                true => Err(ErrorKind::Other),
                false => Ok(()),
            }
        });
        assert_eq!(handler.is_err(), fail);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn a_reset_by_the_peer_reaches_the_reader() {
    let (ours, peer) = pair();
    let peer = arborio_net::TcpStream::try_from(peer).unwrap();
    peer.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    let (read, ()) = run(zip(async { ours.read(&mut [0]).await }, async {
        drop(peer)
    }));
    assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn the_error_of_a_reset_is_fetched_once() {
    let (ours, peer) = pair();
    let peer = arborio_net::TcpStream::try_from(peer).unwrap();
    peer.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    run(zip(async { ours.readable().await.unwrap() }, async {
        drop(peer)
    }));
    let error = ours.take_error().unwrap().unwrap();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(ours.take_error().unwrap().is_none());
}
