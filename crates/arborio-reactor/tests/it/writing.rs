//! Writers that wait for room.

use std::{
    io::{Read, Write},
    task::{Context, Poll, Waker},
    thread,
};

use arborio_reactor::Async;

use crate::support::{FOREVER, fill, reactor, run, socket_pair, turn};

#[test]
fn a_writer_is_writable_while_there_is_room_and_again_when_there_is() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (one, mut other) = socket_pair();
    let one = Async::new(one).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(one.poll_writable(&mut cx).is_ready());
    let filled = fill(&one);
    assert!(one.poll_writable(&mut cx).is_pending());
    other.read_exact(&mut vec![0; filled]).unwrap();
    reactor.wait(Some(FOREVER)).unwrap();
    assert_eq!(turn(&reactor), 1);
    assert!(matches!(one.poll_writable(&mut cx), Poll::Ready(Ok(()))));
}

#[test]
fn all_is_written_in_as_many_parts_as_it_takes_and_nothing_at_once() {
    let reactor = reactor();
    let here = reactor.enter();
    let (one, mut other) = socket_pair();
    let one = Async::new_stream(one).unwrap();
    drop(here);
    let nothing = one.write_all_stream(b"", |_, _| panic!("there is nothing to write"));
    run(&reactor, nothing).unwrap();
    let sent: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    let reader = thread::spawn(move || {
        let mut received = Vec::new();
        other.read_to_end(&mut received).unwrap();
        received
    });
    let mut parts = 0;
    let all = one.write_all_stream(&sent, |mut socket, left| {
        parts += 1;
        socket.write(&left[..left.len().min(300_000)])
    });
    run(&reactor, all).unwrap();
    drop(one);
    assert!(parts > 3, "{parts}");
    assert!(reader.join().unwrap() == sent);
}
