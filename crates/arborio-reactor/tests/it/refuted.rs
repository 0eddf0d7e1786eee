//! Sequences that once broke the reactor: each was found by somebody who tried to
//! refute it, and each stays here.

use std::{
    io::{Read, Write},
    task::{Context, Waker},
};

use arborio_reactor::Async;

use crate::support::{reactor, socket_pair};

#[test]
fn bytes_that_are_there_are_read_abroad_while_the_home_does_something_else() {
    for quiet in [false, true] {
        let reactor = reactor();
        let here = reactor.enter();
        let (ours, mut peer) = socket_pair();
        let ours = if quiet {
            Async::new_stream(ours).unwrap()
        } else {
            Async::new(ours).unwrap()
        };
        drop(here);
        peer.write_all(b"12345678").unwrap();
        // Nobody drives the reactor: its thread may be waiting for this reader.
        let mut cx = Context::from_waker(Waker::noop());
        let mut buf = [0; 4];
        for half in 0..2 {
            let read = ours.poll_read_stream(&mut cx, 4, |mut socket| socket.read(&mut buf));
            assert!(read.is_ready(), "quiet: {quiet}, half: {half}");
        }
    }
}
