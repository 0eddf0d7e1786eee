//! Sources under an executor that knows nothing of this crate: the background
//! thread drives them.

use std::{
    io::{Read, Write},
    pin::pin,
    sync::{Arc, Barrier},
    task::{Context, Waker},
    thread,
};

use arborio_reactor::Async;

use crate::support::{alone, block_on, socket_pair};

#[test]
fn a_byte_goes_round_between_two_threads_without_a_loop() {
    let (one, other) = socket_pair();
    let (one, other) = (Async::new(one).unwrap(), Async::new(other).unwrap());
    let echo = thread::spawn(move || {
        block_on(async {
            let mut byte = [0];
            while other.read_with(|mut s| s.read(&mut byte)).await.unwrap() == 1 {
                other.write_with(|mut s| s.write(&byte)).await.unwrap();
            }
        });
    });
    block_on(async {
        for round in 0..200_u8 {
            one.write_with(|mut s| s.write(&[round])).await.unwrap();
            let mut byte = [0];
            one.read_with(|mut s| s.read(&mut byte)).await.unwrap();
            assert_eq!(byte, [round]);
        }
    });
    drop(one);
    echo.join().unwrap();
}

#[test]
fn readers_and_a_writer_share_one_source_across_threads() {
    const BYTES: usize = 4000;
    let (one, mut other) = socket_pair();
    let one = Arc::new(Async::new(one).unwrap());
    let start = Arc::new(Barrier::new(5));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (one, start) = (Arc::clone(&one), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                let mut total = 0;
                while block_on(one.read_stream(1, |mut s| s.read(&mut [0]))).unwrap() == 1 {
                    total += 1;
                }
                total
            })
        })
        .collect();
    start.wait();
    for _ in 0..BYTES {
        other.write_all(b"x").unwrap();
    }
    drop(other);
    let total: usize = readers.into_iter().map(|r| r.join().unwrap()).sum();
    assert_eq!(total, BYTES);
}

#[test]
fn r09_sources_come_and_go_while_the_driver_walks_its_events() {
    let (keep, mut sender) = socket_pair();
    let keep = Async::new(keep).unwrap();
    let churn: Vec<_> = (0..3)
        .map(|_| {
            thread::spawn(|| {
                for _ in 0..500 {
                    let (one, mut other) = socket_pair();
                    let one = Async::new(one).unwrap();
                    let mut cx = Context::from_waker(Waker::noop());
                    let mut read = pin!(one.read_with(|mut s| s.read(&mut [0])));
                    let _ = read.as_mut().poll(&mut cx);
                    other.write_all(b"x").unwrap();
                }
            })
        })
        .collect();
    for _ in 0..500 {
        sender.write_all(b"x").unwrap();
        let count = block_on(keep.read_with(|mut s| s.read(&mut [0]))).unwrap();
        assert_eq!(count, 1);
    }
    for thread in churn {
        thread.join().unwrap();
    }
}

#[cfg(panic = "unwind")]
#[test]
fn r09_a_waker_that_panics_does_not_end_the_background_thread() {
    struct Bomb;
    impl std::task::Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }
    let (one, mut other) = socket_pair();
    let one = Async::new(one).unwrap();
    let waker = Waker::from(Arc::new(Bomb));
    let poll = one.poll_read_with(&mut Context::from_waker(&waker), |mut s| s.read(&mut [0]));
    assert!(poll.is_pending());
    other.write_all(b"x").unwrap();
    assert_eq!(
        block_on(one.read_with(|mut s| s.read(&mut [0]))).unwrap(),
        1
    );
    let (one, mut other) = socket_pair();
    let one = Async::new(one).unwrap();
    let reader = thread::spawn(move || block_on(one.read_with(|mut s| s.read(&mut [0]))));
    other.write_all(b"x").unwrap();
    assert_eq!(reader.join().unwrap().unwrap(), 1);
}

#[test]
fn a_source_is_send_and_sync_when_its_descriptor_is() {
    const fn check<T: Send + Sync>() {}
    check::<Async<std::net::TcpStream>>();
    check::<Async<std::os::fd::OwnedFd>>();
}

#[test]
fn there_is_only_one_background_thread() {
    alone("anywhere::there_is_only_one_background_thread", || {
        let pairs = [(); 3].map(|()| socket_pair());
        let mut sources = pairs.map(|(one, other)| (Async::new(one).unwrap(), other));
        for (one, other) in &mut sources {
            let mut read = pin!(one.read_with(|mut s| s.read(&mut [0])));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(read.as_mut().poll(&mut cx).is_pending());
            other.write_all(b"x").unwrap();
            assert_eq!(block_on(read).unwrap(), 1);
        }
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        let ours = names.filter(|name| name.trim_end() == "arborio-reactor");
        assert_eq!(ours.count(), 1);
    });
}
