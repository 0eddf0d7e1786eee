//! Copying in both directions: ends, errors, and streams that never wait.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    pin::{Pin, pin},
    task::{Context, Poll},
    thread,
};

use arborio_net::{TcpStream, UnixStream, copy_bidirectional};
use futures_io::{AsyncRead, AsyncWrite};
use futures_lite::future::zip;

use crate::support::{Count, hash, pair, pattern, run, unix_pair};

/// A stream that does as it is told.
struct Puppet {
    /// What each read gives: some bytes, nothing for the end, or an error.
    read: fn() -> Poll<io::Result<usize>>,
    /// What each write takes.
    write: fn(usize) -> Poll<io::Result<usize>>,
    flushes: usize,
    closed: bool,
}

impl Puppet {
    const fn new(
        read: fn() -> Poll<io::Result<usize>>,
        write: fn(usize) -> Poll<io::Result<usize>>,
    ) -> Self {
        let (flushes, closed) = (0, false);
        Self {
            read,
            write,
            flushes,
            closed,
        }
    }
}

impl AsyncRead for Puppet {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        (self.read)()
    }
}

impl AsyncWrite for Puppet {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        (self.write)(buf.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.closed = true;
        Poll::Ready(Ok(()))
    }
}

fn everything(count: usize) -> Poll<io::Result<usize>> {
    Poll::Ready(Ok(count))
}

fn broken() -> Poll<io::Result<usize>> {
    Poll::Ready(Err(ErrorKind::ConnectionReset.into()))
}

/// A proxy from TCP to Unix, and the blocking ends around it.
fn proxy() -> (
    std::net::TcpStream,
    impl Future<Output = io::Result<(u64, u64)>>,
    std::os::unix::net::UnixStream,
) {
    let (mut inside, client): (TcpStream, _) = pair();
    let (mut outside, server): (UnixStream, _) = unix_pair();
    let copying = async move { copy_bidirectional(&mut inside, &mut outside).await };
    (client, copying, server)
}

#[test]
fn a_megabyte_goes_each_way_at_once_and_is_counted() {
    const THERE: usize = 1 << 20;
    const BACK: usize = 700_000;
    fn talk<S: Read + Write + Send + 'static>(
        mut writer: S,
        mut reader: S,
        end: fn(&S),
        (send, expect): (usize, usize),
    ) -> [thread::JoinHandle<()>; 2] {
        let writing = thread::spawn(move || {
            writer.write_all(&pattern(send)).unwrap();
            end(&writer);
        });
        let reading = thread::spawn(move || {
            let mut got = Vec::new();
            reader.read_to_end(&mut got).unwrap();
            assert_eq!((got.len(), hash(&got)), (expect, hash(&pattern(expect))));
        });
        [writing, reading]
    }
    let (client, copying, server) = proxy();
    let (client2, server2) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let end_client = |client: &std::net::TcpStream| client.shutdown(Shutdown::Write).unwrap();
    let end_server =
        |server: &std::os::unix::net::UnixStream| server.shutdown(Shutdown::Write).unwrap();
    let clients = talk(client, client2, end_client, (THERE, BACK));
    let servers = talk(server, server2, end_server, (BACK, THERE));
    assert_eq!(run(copying).unwrap(), (THERE as u64, BACK as u64));
    for thread in clients.into_iter().chain(servers) {
        thread.join().unwrap();
    }
}

#[test]
fn half_a_connection_that_was_shut_down_stays_half_a_connection() {
    let (mut client, copying, mut server) = proxy();
    let talking = thread::spawn(move || {
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut question = Vec::new();
        server.read_to_end(&mut question).unwrap();
        assert_eq!(question, b"question");
        for _ in 0..3 {
            server.write_all(b"answer").unwrap();
            client.read_exact(&mut [0; 6]).unwrap();
        }
        drop(server);
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    });
    assert_eq!(run(copying).unwrap(), (8, 18));
    talking.join().unwrap();
}

#[test]
fn an_error_on_one_side_ends_both() {
    let waits = || Poll::Pending;
    let mut one = Puppet::new(waits, everything);
    let mut other = Puppet::new(broken, everything);
    let error = run(copy_bidirectional(&mut one, &mut other)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let error = run(copy_bidirectional(&mut other, &mut one)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let mut source = Puppet::new(|| Poll::Ready(Ok(5)), everything);
    let mut full = Puppet::new(waits, |_| Poll::Ready(Ok(0)));
    let error = run(copy_bidirectional(&mut source, &mut full)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WriteZero);
}

#[test]
fn a_peer_that_resets_ends_the_proxy() {
    let (client, copying, mut server) = proxy();
    let client = socket2::Socket::from(client);
    client.set_linger(Some(std::time::Duration::ZERO)).unwrap();
    let (copied, ()) = run(zip(copying, async { drop(client) }));
    assert_eq!(copied.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
}

#[test]
fn both_ends_are_closed_when_both_have_ended() {
    let end = || Poll::Ready(Ok(0));
    let (mut one, mut other) = (Puppet::new(end, everything), Puppet::new(end, everything));
    let copied = run(copy_bidirectional(&mut one, &mut other));
    assert_eq!(copied.unwrap(), (0, 0));
    assert!(one.closed && other.closed);
}

#[test]
fn streams_that_never_wait_let_others_go_on_and_neither_starves_the_other() {
    let endless = || Poll::Ready(Ok(10));
    let (mut one, mut other) = (
        Puppet::new(endless, everything),
        Puppet::new(endless, everything),
    );
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    let mut copying = pin!(copy_bidirectional(&mut one, &mut other));
    for round in 1..4 {
        assert!(copying.as_mut().poll(&mut cx).is_pending());
        assert_eq!(task.get(), round, "woken for the next round");
    }
}

#[test]
fn what_was_written_is_flushed_when_nothing_is_left_to_read() {
    use std::cell::Cell;
    thread_local!(static LEFT: Cell<u32> = const { Cell::new(1) });
    let once = || match LEFT.replace(0) {
        0 => Poll::Pending,
        _ => Poll::Ready(Ok(10)),
    };
    let mut one = Puppet::new(once, everything);
    let mut other = Puppet::new(|| Poll::Pending, everything);
    let task = Count::new();
    let waker = task.waker();
    let mut cx = Context::from_waker(&waker);
    {
        let mut copying = pin!(copy_bidirectional(&mut one, &mut other));
        assert!(copying.as_mut().poll(&mut cx).is_pending());
        assert!(copying.as_mut().poll(&mut cx).is_pending());
    }
    assert_eq!((one.flushes, other.flushes), (0, 1));
}

#[test]
fn a_read_may_bring_eight_kibibytes_and_they_are_written_at_once() {
    use std::cell::Cell;
    thread_local!(static LARGEST: Cell<usize> = const { Cell::new(0) });
    let note = |count: usize| {
        LARGEST.set(LARGEST.get().max(count));
        everything(count)
    };
    let mut one = Puppet::new(|| everything(8 * 1024), everything);
    let mut other = Puppet::new(|| Poll::Pending, note);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let mut copying = pin!(copy_bidirectional(&mut one, &mut other));
    assert!(copying.as_mut().poll(&mut cx).is_pending());
    assert_eq!(LARGEST.get(), 8 * 1024);
}
