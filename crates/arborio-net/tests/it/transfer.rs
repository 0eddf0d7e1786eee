//! Bytes: all of them, in order, whatever is cancelled or blocked.

use std::{
    io::{ErrorKind, IoSlice, IoSliceMut, Read, Write},
    net::Shutdown,
    pin::pin,
    task::{Context, Waker},
    thread,
};

use arborio_net::TcpStream;
use futures_lite::{AsyncReadExt, AsyncWriteExt, future::zip};
use proptest::prelude::*;

use crate::support::{Count, alone, hash, listener, pair, pattern, reset_sigpipe, run};

#[test]
fn g09_the_end_of_the_stream_is_a_read_of_nothing() {
    let (ours, peer) = pair();
    drop(peer);
    for _ in 0..3 {
        assert_eq!(run(ours.read(&mut [0; 8])).unwrap(), 0);
    }
}

#[test]
fn g09_a_cancelled_read_loses_no_byte() {
    let (ours, mut peer) = pair();
    let task = Count::new();
    let waker = task.waker();
    let sent = pattern(1000);
    let mut got = Vec::new();
    for chunk in sent.chunks(10) {
        let mut buf = [0; 10];
        {
            let mut read = pin!(ours.read(&mut buf));
            let mut cx = Context::from_waker(&waker);
            assert!(read.as_mut().poll(&mut cx).is_pending());
            peer.write_all(chunk).unwrap();
            // Dropped with the bytes on their way, or there.
        }
        run(ours.read_exact(&mut buf)).unwrap();
        got.extend_from_slice(&buf);
    }
    assert_eq!(got, sent);
}

#[test]
fn g10_two_megabytes_into_a_slow_reader_arrive_complete() {
    let (ours, mut peer) = pair();
    let sent = pattern(2 << 20);
    let expected = hash(&sent);
    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        let mut buf = [0; 1500];
        while let count @ 1.. = peer.read(&mut buf).unwrap() {
            all.extend_from_slice(&buf[..count]);
            thread::yield_now();
        }
        (all.len(), hash(&all))
    });
    run(ours.write_all(&sent)).unwrap();
    drop(ours);
    assert_eq!(reader.join().unwrap(), (2 << 20, expected));
}

#[test]
fn g10_an_empty_slice_is_sent_at_once_even_when_nothing_can_be() {
    let (ours, _peer) = pair();
    let mut cx = Context::from_waker(Waker::noop());
    while ours.poll_write(&mut cx, &[0; 65536]).is_ready() {}
    assert!(pin!(ours.write_all(&[])).poll(&mut cx).is_ready());
}

#[test]
fn both_directions_of_one_stream_go_on_at_once() {
    let (ours, mut peer) = pair();
    let sent = pattern(1 << 20);
    let expected = hash(&sent);
    let echo = thread::spawn(move || {
        let mut buf = [0; 8192];
        while let count @ 1.. = peer.read(&mut buf).unwrap() {
            peer.write_all(&buf[..count]).unwrap();
        }
    });
    let mut got = vec![0; sent.len()];
    let (write, read) = run(zip(ours.write_all(&sent), ours.read_exact(&mut got)));
    write.unwrap();
    read.unwrap();
    assert_eq!(hash(&got), expected);
    drop(ours);
    echo.join().unwrap();
}

#[test]
fn vectored_transfers_take_the_buffers_in_turn() {
    let listener = listener();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = run(zip(connecting, listener.accept()));
    let (client, server) = (client.unwrap(), accepted.unwrap().0);
    let sent = pattern(300_000);
    let (a, b) = sent.split_at(17);
    // More slices than the kernel takes in one call, and empty ones.
    let mut bufs = vec![IoSlice::new(&[]), IoSlice::new(a), IoSlice::new(&[])];
    bufs.extend(b.chunks(100).map(IoSlice::new));
    assert!(bufs.len() > 2048);
    let (mut head, mut tail) = ([0; 5], vec![0; 100_000]);
    let mut got = Vec::new();
    let reading = async {
        while got.len() < sent.len() {
            let mut bufs = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
            let count = server.read_vectored(&mut bufs).await.unwrap();
            assert!(count > 0);
            got.extend_from_slice(&head[..count.min(5)]);
            got.extend_from_slice(&tail[..count.saturating_sub(5)]);
        }
    };
    let (write, ()) = run(zip(client.write_all_vectored(&mut bufs), reading));
    write.unwrap();
    assert_eq!(hash(&got), hash(&sent));
}

#[test]
fn a_short_stream_does_not_fill_the_buffer() {
    let (ours, mut peer) = pair();
    peer.write_all(b"abc").unwrap();
    drop(peer);
    let error = run(ours.read_exact(&mut [0; 4])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_peeked_byte_is_read_again_also_by_somebody_who_waited() {
    let (ours, mut peer) = pair();
    let writer = thread::spawn(move || {
        peer.write_all(b"xy").unwrap();
        peer
    });
    run(async {
        for _ in 0..3 {
            let mut byte = [0; 64];
            assert!(ours.peek(&mut byte).await.unwrap() >= 1);
            assert_eq!(byte[0], b'x');
        }
        let mut both = [0; 2];
        ours.read_exact(&mut both).await.unwrap();
        assert_eq!(&both, b"xy");
    });
    drop(writer.join().unwrap());
}

#[test]
fn the_traits_of_futures_io_work_for_a_stream_and_a_reference_to_one() {
    let listener = listener();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (client, accepted) = run(zip(connecting, listener.accept()));
    let (mut client, server) = (client.unwrap(), accepted.unwrap().0);
    run(async {
        AsyncWriteExt::write_all(&mut client, b"through the traits")
            .await
            .unwrap();
        AsyncWriteExt::close(&mut client).await.unwrap();
        let mut text = String::new();
        (&server).read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "through the traits");
        AsyncWriteExt::write_all(&mut &server, b"back")
            .await
            .unwrap();
        AsyncWriteExt::flush(&mut &server).await.unwrap();
        drop(server);
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "back");
        AsyncWriteExt::close(&mut client).await.unwrap();
    });
}

#[test]
fn the_traits_of_futures_io_take_several_buffers_at_once() {
    let (mut ours, peer) = pair();
    let mut peer = TcpStream::try_from(peer).unwrap();
    let (mut head, mut tail) = ([0; 2], [0; 8]);
    run(async {
        let sent = [IoSlice::new(b"abc"), IoSlice::new(b"de")];
        let count = AsyncWriteExt::write_vectored(&mut peer, &sent).await;
        assert_eq!(count.unwrap(), 5);
        ours.readable().await.unwrap();
        let mut bufs = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut tail)];
        let count = AsyncReadExt::read_vectored(&mut ours, &mut bufs).await;
        assert_eq!(count.unwrap(), 5);
    });
    assert_eq!((&head, &tail[..3]), (b"ab", &b"cde"[..]));
}

#[test]
fn futures_may_be_sent_to_other_threads() {
    const fn check<T: Send>(_: &T) {}
    let (ours, _peer) = pair();
    let listener = listener();
    let (mut buf, mut bufs) = ([0; 1], [IoSlice::new(b"x")]);
    check(&ours.read(&mut buf));
    check(&ours.write_all(b"x"));
    check(&ours.write_all_vectored(&mut bufs));
    check(&listener.accept());
    check(&TcpStream::connect("127.0.0.1:1"));
}

#[test]
fn r17_a_write_to_a_closed_peer_is_an_error_and_no_signal() {
    alone(
        "transfer::r17_a_write_to_a_closed_peer_is_an_error_and_no_signal",
        || {
            // Rust's runtime ignores the signal, and a child inherits what is
            // ignored; a shell cannot take that back, so ask the kernel.
            reset_sigpipe();
            let broken = |vectored: bool| {
                let (ours, peer) = pair();
                drop(peer);
                run(async {
                    loop {
                        let write = match vectored {
                            true => ours.write_vectored(&[IoSlice::new(b"x")]).await,
                            false => ours.write(b"x").await,
                        };
                        if let Err(error) = write {
                            return error.kind();
                        }
                    }
                })
            };
            for vectored in [false, true] {
                let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
                assert!(kinds.contains(&broken(vectored)));
                let (ours, _peer) = pair();
                ours.shutdown(Shutdown::Write).unwrap();
                let write = match vectored {
                    true => run(ours.write_vectored(&[IoSlice::new(b"x")])),
                    false => run(ours.write(b"x")),
                };
                assert_eq!(write.unwrap_err().kind(), ErrorKind::BrokenPipe);
            }
        },
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    #[test]
    fn r11_every_byte_and_then_the_end(
        sizes in prop::collection::vec(1_usize..2000, 1..6),
        buffer in 1_usize..4000,
    ) {
        let (ours, mut peer) = pair();
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
