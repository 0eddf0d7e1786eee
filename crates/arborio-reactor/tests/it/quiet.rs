//! Quiet mode, its end, and that nothing is lost or spins in either.
//!
//! Which mode a descriptor is in is asked of the kernel, which knows what it
//! watches for.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use arborio_reactor::{Async, LoopReactor};

use crate::support::{Count, FOREVER, block_on, fill, reactor, run, turn, turn_now};

/// A connection over loopback: our end, registered as a stream, and the other,
/// which blocks.
fn connection() -> (Async<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_nodelay(true).unwrap();
    let ours = Async::new_stream(listener.accept().unwrap().0).unwrap();
    (ours, peer)
}

/// Whether some epoll of this process watches `fd` level-triggered.
fn is_quiet(fd: impl AsFd) -> bool {
    const EDGES: u32 = 1 << 31;
    let number = fd.as_fd().as_raw_fd().to_string();
    let watched = |info: &str| {
        info.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let is_it = words.next() == Some("tfd:") && words.next() == Some(&number);
            let events = words.skip_while(|word| *word != "events:").nth(1);
            is_it.then(|| u32::from_str_radix(events.unwrap(), 16).unwrap())
        })
    };
    let events = std::fs::read_dir("/proc/self/fdinfo")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
        .find_map(|info| watched(&info));
    events.expect("it is registered") & EDGES == 0
}

fn poll_read(
    socket: &Async<TcpStream>,
    cx: &mut Context<'_>,
    buf: &mut [u8],
) -> Poll<std::io::Result<usize>> {
    socket.poll_read_stream(cx, buf.len(), |mut socket| socket.read(buf))
}

fn poll_write(
    socket: &Async<TcpStream>,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<std::io::Result<usize>> {
    socket.poll_write_stream(cx, bytes.len(), |mut socket| socket.write(bytes))
}

async fn read(socket: &Async<TcpStream>, buf: &mut [u8]) -> usize {
    let wanted = buf.len();
    let read = socket.read_stream(wanted, |mut socket| socket.read(buf));
    read.await.unwrap()
}

async fn write_all(socket: &Async<TcpStream>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let write = socket.write_stream(bytes.len(), |mut socket| socket.write(bytes));
        bytes = &bytes[write.await.unwrap()..];
    }
}

/// How often the reactor returns from its wait within 200 ms in which nothing
/// new happens. Four times it does because its time is up.
fn returns(reactor: &LoopReactor) -> usize {
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_millis(200) {
        reactor.wait(Some(Duration::from_millis(50))).unwrap();
        turn(reactor);
        count += 1;
    }
    count
}

/// Bytes without a short period.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}

#[test]
fn requests_that_fill_the_buffer_take_one_read_each_and_stay_quiet() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (ours, mut peer) = connection();
    let mut cx = Context::from_waker(Waker::noop());
    let (mut buf, mut calls) = ([0; 64], 0);
    let mut poll = |cx: &mut Context<'_>, buf: &mut [u8; 64]| {
        ours.poll_read_stream(cx, 64, |mut socket| {
            calls += 1;
            socket.read(buf)
        })
    };
    assert!(poll(&mut cx, &mut buf).is_pending());
    for _ in 0..100 {
        peer.write_all(&[1; 64]).unwrap();
        reactor.wait(Some(FOREVER)).unwrap();
        assert_eq!(turn(&reactor), 1, "one wake for each request");
        assert!(matches!(poll(&mut cx, &mut buf), Poll::Ready(Ok(64))));
        assert!(poll_write(&ours, &mut cx, &buf).is_ready());
        assert!(poll(&mut cx, &mut buf).is_pending());
        peer.read_exact(&mut [0; 64]).unwrap();
    }
    assert_eq!(
        calls, 101,
        "the first found nothing, the others their request"
    );
    assert!(is_quiet(&ours));
}

#[test]
fn messages_sent_at_once_are_all_answered() {
    let reactor = reactor();
    let here = reactor.enter();
    let (ours, mut peer) = connection();
    drop(here);
    for _ in 0..10 {
        peer.write_all(&pattern(160)).unwrap();
        run(&reactor, async {
            for _ in 0..10 {
                let mut message = [0; 16];
                assert_eq!(read(&ours, &mut message).await, 16);
                write_all(&ours, &message).await;
            }
        });
        let mut answers = [0; 160];
        peer.read_exact(&mut answers).unwrap();
        assert_eq!(answers[..], pattern(160));
    }
    assert!(is_quiet(&ours), "a write came between any two reads");
}

#[test]
fn bulk_arrives_whole_whatever_the_buffer_and_full_reads_make_it_edges() {
    const SIZE: usize = 8 << 20;
    for (buffer, switches) in [(1000, true), (64 << 10, true), (SIZE + 1, false)] {
        let reactor = reactor();
        let here = reactor.enter();
        let (ours, mut peer) = connection();
        drop(here);
        let sender = thread::spawn(move || {
            peer.write_all(&pattern(SIZE)).unwrap();
            peer
        });
        let got = run(&reactor, async {
            let (mut got, mut buf) = (Vec::new(), vec![0; buffer]);
            while got.len() < SIZE {
                let count = read(&ours, &mut buf).await;
                got.extend_from_slice(&buf[..count]);
            }
            got
        });
        assert!(got == pattern(SIZE), "with a buffer of {buffer}");
        // One that takes all that there is does not ask for more in vain.
        assert_eq!(!is_quiet(&ours), switches, "with a buffer of {buffer}");
        drop(sender.join().unwrap());
        assert_eq!(run(&reactor, read(&ours, &mut [0])), 0);
    }
}

#[test]
fn bytes_that_nobody_reads_are_told_of_a_few_times_only() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (ours, mut peer) = connection();
    peer.write_all(b"for later").unwrap();
    let count = returns(&reactor);
    assert!(count < 10, "{count} returns in 200 ms");
    assert!(!is_quiet(&ours));
    let mut buf = [0; 64];
    assert_eq!(run(&reactor, read(&ours, &mut buf)), 9);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(poll_read(&ours, &mut cx, &mut buf).is_pending());
    peer.write_all(b"more").unwrap();
    assert_eq!(run(&reactor, read(&ours, &mut buf)), 4);
}

#[test]
fn a_first_message_that_comes_before_the_first_read_ends_no_quiet() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (ours, mut peer) = connection();
    peer.write_all(b"early").unwrap();
    reactor.wait(Some(FOREVER)).unwrap();
    turn(&reactor);
    let mut cx = Context::from_waker(Waker::noop());
    let mut buf = [0; 64];
    assert!(matches!(
        poll_read(&ours, &mut cx, &mut buf),
        Poll::Ready(Ok(5))
    ));
    assert!(poll_read(&ours, &mut cx, &mut buf).is_pending());
    turn_now(&reactor);
    assert!(is_quiet(&ours));
}

#[test]
fn r12_an_end_of_file_that_nobody_minds_does_not_spin() {
    let reactor = reactor();
    let _here = reactor.enter();
    // Waited for and read, waited for and not read, and not even waited for.
    for (waits, reads) in [(true, true), (true, false), (false, false)] {
        let (ours, mut peer) = connection();
        let mut cx = Context::from_waker(Waker::noop());
        if waits {
            assert!(poll_read(&ours, &mut cx, &mut [0; 8]).is_pending());
        }
        peer.shutdown(Shutdown::Write).unwrap();
        reactor.wait(Some(FOREVER)).unwrap();
        turn(&reactor);
        if reads {
            let end = poll_read(&ours, &mut cx, &mut [0; 8]);
            assert!(matches!(end, Poll::Ready(Ok(0))));
        }
        let count = returns(&reactor);
        assert!(count < 10, "{count} returns in 200 ms");
        assert!(poll_write(&ours, &mut cx, b"still").is_ready());
        peer.read_exact(&mut [0; 5]).unwrap();
        assert_eq!(run(&reactor, read(&ours, &mut [0])), 0);
    }
}

#[test]
fn r13_a_reset_wakes_the_reader_and_does_not_spin() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (ours, peer) = connection();
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    assert!(poll_read(&ours, &mut cx, &mut [0]).is_pending());
    // Bytes that are never read make the close a reset.
    assert!(poll_write(&ours, &mut cx, b"x").is_ready());
    peer.peek(&mut [0]).unwrap();
    drop(peer);
    reactor.wait(Some(FOREVER)).unwrap();
    assert_eq!(turn(&reactor), 1);
    let Poll::Ready(Err(error)) = poll_read(&ours, &mut cx, &mut [0]) else {
        panic!("a reset is an error");
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let count = returns(&reactor);
    assert!(count < 10, "{count} returns in 200 ms");
}

#[test]
fn a_writer_that_must_wait_goes_on_when_there_is_room() {
    let reactor = reactor();
    let here = reactor.enter();
    let (ours, mut peer) = connection();
    drop(here);
    assert!(is_quiet(&ours));
    const SIZE: usize = 16 << 20;
    let reader = thread::spawn(move || {
        let mut got = Vec::new();
        peer.read_to_end(&mut got).unwrap();
        got
    });
    run(&reactor, write_all(&ours, &pattern(SIZE)));
    drop(ours);
    assert!(reader.join().unwrap() == pattern(SIZE));
}

#[test]
fn two_tasks_wait_in_the_two_directions_and_each_gets_its_own_wake() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (ours, mut peer) = connection();
    let (reader, writer) = (Count::new(), Count::new());
    let waker = reader.waker();
    let mut to_read = Context::from_waker(&waker);
    let mut buf = [0; 4];
    assert!(poll_read(&ours, &mut to_read, &mut buf).is_pending());
    fill(&ours);
    let waker = writer.waker();
    let mut to_write = Context::from_waker(&waker);
    // The kernel moves bytes to the peer for a while after we are full.
    let settle = Instant::now();
    while settle.elapsed() < Duration::from_millis(50) {
        while poll_write(&ours, &mut to_write, &[7; 4096]).is_ready() {}
        turn_now(&reactor);
    }
    assert!(!is_quiet(&ours));
    let (before, write) = (writer.get(), poll_write(&ours, &mut to_write, &[7]));
    assert!(write.is_pending());
    peer.write_all(b"ping").unwrap();
    while reader.get() == 0 {
        reactor.wait(Some(FOREVER)).unwrap();
        turn(&reactor);
    }
    let read = poll_read(&ours, &mut to_read, &mut buf);
    assert!(matches!(read, Poll::Ready(Ok(4))));
    assert_eq!(writer.get(), before, "there is no room yet");
    let drain = thread::spawn(move || {
        std::io::copy(&mut peer, &mut std::io::sink()).unwrap();
    });
    while writer.get() == before {
        reactor.wait(Some(FOREVER)).unwrap();
        turn(&reactor);
    }
    assert!(poll_write(&ours, &mut to_write, &[7]).is_ready());
    drop(ours);
    drain.join().unwrap();
}

#[test]
fn a_read_that_others_make_in_vain_does_not_spin() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (ours, mut peer) = connection();
    peer.write_all(b"x").unwrap();
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    // It wants more than there is, and takes nothing.
    let never = |_: &TcpStream| std::io::Result::<()>::Err(ErrorKind::WouldBlock.into());
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(100) {
        assert!(ours.poll_read_with(&mut cx, never).is_pending());
        reactor.wait(Some(Duration::from_millis(50))).unwrap();
        turn(&reactor);
    }
    assert!(task.get() < 5, "{} wakes by one byte", task.get());
    // Whoever did not take what there was waits for more.
    peer.write_all(b"y").unwrap();
    assert_eq!(run(&reactor, read(&ours, &mut [0; 4])), 2);
}

#[test]
fn readable_and_reads_behind_our_back_lose_nothing() {
    let reactor = reactor();
    let here = reactor.enter();
    let (ours, mut peer) = connection();
    drop(here);
    for _ in 0..20 {
        peer.write_all(b"four").unwrap();
        run(&reactor, ours.readable()).unwrap();
        assert_eq!(ours.get_ref().read(&mut [0; 4]).unwrap(), 4);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(ours.poll_readable(&mut cx).is_pending());
    }
}

#[test]
fn a_stream_of_an_ended_loop_goes_on_in_the_next_in_either_mode() {
    for quiet in [true, false] {
        let first = reactor();
        let here = first.enter();
        let (ours, mut peer) = connection();
        let task = Count::new();
        let waker = task.waker();
        let mut cx = Context::from_waker(&waker);
        assert!(poll_read(&ours, &mut cx, &mut [0; 4]).is_pending());
        if !quiet {
            fill(&ours);
            while poll_write(&ours, &mut cx, &[7; 4096]).is_ready() {}
        }
        assert_eq!(is_quiet(&ours), quiet);
        drop(here);
        drop(first);
        assert!(task.get() >= 1, "woken at the end");
        let second = reactor();
        let drain = thread::spawn(move || {
            peer.write_all(b"pingpong").unwrap();
            std::io::copy(&mut peer, &mut std::io::sink()).unwrap()
        });
        run(&second, async {
            for _ in 0..2 {
                assert_eq!(read(&ours, &mut [0; 4]).await, 4);
            }
            write_all(&ours, &vec![7; 4 << 20]).await;
        });
        assert_eq!(second.interest_count(), 1);
        drop(ours);
        assert!(drain.join().unwrap() >= 4 << 20);
    }
}

#[test]
fn a_stream_that_another_thread_uses_loses_nothing() {
    let reactor = reactor();
    let here = reactor.enter();
    let (ours, mut peer) = connection();
    drop(here);
    const ROUNDS: usize = 2000;
    let server = thread::spawn(move || {
        block_on(async {
            let mut buf = [0; 8];
            for _ in 0..ROUNDS {
                assert_eq!(read(&ours, &mut buf).await, 8);
                write_all(&ours, &buf).await;
            }
        });
    });
    let notifier = reactor.open().unwrap().clone();
    let client = thread::spawn(move || {
        for round in 0..ROUNDS {
            let request = round.to_ne_bytes();
            peer.write_all(&request).unwrap();
            let mut answer = [0; 8];
            peer.read_exact(&mut answer).unwrap();
            assert_eq!(answer, request);
        }
        notifier.wake().unwrap();
    });
    while !client.is_finished() {
        reactor.wait(Some(Duration::from_millis(100))).unwrap();
        turn(&reactor);
    }
    client.join().unwrap();
    server.join().unwrap();
}

#[test]
fn a_closed_stream_with_unread_bytes_does_not_spin() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (ours, mut peer) = connection();
    peer.write_all(b"unread").unwrap();
    ours.close();
    let count = returns(&reactor);
    assert!(count < 10, "{count} returns in 200 ms");
}

#[test]
fn a_stream_of_the_background_thread_has_edges_from_the_start() {
    let (ours, mut peer) = connection();
    assert!(!is_quiet(&ours));
    peer.write_all(b"x").unwrap();
    assert_eq!(block_on(read(&ours, &mut [0])), 1);
}

#[test]
fn a_short_read_on_another_thread_ends_no_quiet_and_a_full_one_does() {
    let reactor = reactor();
    let _here = reactor.enter();
    for (room, stays_quiet) in [(8, true), (1, false)] {
        let (ours, mut peer) = connection();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(poll_read(&ours, &mut cx, &mut [0]).is_pending());
        peer.write_all(b"x").unwrap();
        reactor.wait(Some(FOREVER)).unwrap();
        assert_eq!(turn(&reactor), 1);
        thread::scope(|scope| {
            let elsewhere = scope.spawn(|| block_on(read(&ours, &mut vec![0; room])));
            assert_eq!(elsewhere.join().unwrap(), 1);
        });
        assert_eq!(is_quiet(&ours), stays_quiet, "room for {room}");
    }
}
