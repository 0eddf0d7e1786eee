//! What is done with wakers, and how often.

use std::{
    cell::Cell,
    io::Read,
    ptr,
    task::{Context, RawWaker, RawWakerVTable, Waker},
};

use arborio_reactor::Async;

use crate::support::{reactor, socket_pair};

thread_local! {
    /// How many wakers of [`COUNTS_CLONES`] this thread has cloned.
    static CLONES: Cell<usize> = const { Cell::new(0) };
}

/// Counts each clone, and does nothing else.
static COUNTS_CLONES: RawWakerVTable = RawWakerVTable::new(
    |_| {
        CLONES.set(CLONES.get() + 1);
        RawWaker::new(ptr::null(), &COUNTS_CLONES)
    },
    |_| {},
    |_| {},
    |_| {},
);

#[test]
fn a_waker_is_cloned_once_however_often_its_task_is_polled() {
    let reactor = reactor();
    let _here = reactor.enter();
    let (one, _other) = socket_pair();
    let one = Async::new(one).unwrap();
    // SAFETY: the functions ignore their argument and touch only thread-safe
    // state, so the contract of a waker holds for any data pointer.
    let waker = unsafe { Waker::new(ptr::null(), &COUNTS_CLONES) };
    let mut cx = Context::from_waker(&waker);
    for _ in 0..3 {
        assert!(
            one.poll_read_with(&mut cx, |mut s| s.read(&mut [0]))
                .is_pending()
        );
    }
    assert_eq!(CLONES.get(), 1);
}
