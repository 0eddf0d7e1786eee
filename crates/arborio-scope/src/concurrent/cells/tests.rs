//! What the ends of cells, chains of them, and places promise to whoever uses them, also where the run does not
//! come to it, or only in a race.

use std::{cell::Cell, rc::Rc, task::Waker};

use super::*;

/// Counts its polls, is ready when it was polled so often, and says when it is gone.
struct Counted {
    polls: Rc<Cell<u32>>,
    ready_at: u32,
    gone: Rc<Cell<u32>>,
}

impl Future for Counted {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.polls.set(self.polls.get() + 1);
        match self.polls.get() < self.ready_at {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gone.set(self.gone.get() + 1);
    }
}

/// How often futures were polled, and how many are gone.
#[derive(Default)]
struct Counts {
    polls: Rc<Cell<u32>>,
    gone: Rc<Cell<u32>>,
}

impl Counts {
    fn branch(&self, ready_at: u32) -> (Owned<'static, Local>, Handle<()>) {
        Owned::local(Counted {
            polls: Rc::clone(&self.polls),
            ready_at,
            gone: Rc::clone(&self.gone),
        })
    }

    fn get(&self) -> (u32, u32) {
        (self.polls.get(), self.gone.get())
    }
}

fn poll(branch: &mut Owned<'_, Local>) -> bool {
    branch
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

#[test]
fn a_future_that_has_ended_or_whose_handle_was_told_is_not_polled_again() {
    let counts = Counts::default();
    let (mut branch, _handle) = counts.branch(1);
    assert!(poll(&mut branch) && poll(&mut branch));
    assert_eq!(counts.get(), (1, 1));
    let (mut told, mut handle) = counts.branch(9);
    told.tell(Interrupt::Closed);
    assert!(poll(&mut told));
    assert_eq!(counts.get(), (1, 1));
    let polled = handle.poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Some(Err(Interrupt::Closed)))));
    drop(told);
    assert_eq!(counts.get(), (1, 2));
}

#[test]
fn an_end_that_is_dropped_drops_the_future_also_if_nobody_was_told() {
    let counts = Counts::default();
    let (branch, handle) = counts.branch(1);
    drop(branch);
    assert!(handle.is_told());
    assert_eq!(counts.get(), (0, 1));
}

#[test]
fn a_chain_drops_all_its_members() {
    let counts = Counts::default();
    let mut chain = Chain::new();
    for _ in 0..3 {
        chain.push_back(counts.branch(1).0);
    }
    drop(chain);
    assert_eq!(counts.get(), (0, 3));
}

#[test]
fn a_place_is_not_shut_as_an_empty_one_while_something_waits_there() {
    let counts = Counts::default();
    let place = Place::<Local, ()>::new(());
    assert_eq!(place.enter(counts.branch(1).0).ok(), Some(Entered::Unheard));
    assert!(!place.shut_if_empty() && !place.is_closed());
    assert_eq!(place.collect(0).len(), 1);
    assert!(place.shut_if_empty() && place.is_closed());
    assert!(place.shut_if_empty(), "it is shut, and empty");
}

#[test]
fn a_run_that_lies_down_twice_is_woken_once() {
    let counts = Counts::default();
    let place = Place::<Local, ()>::new(());
    assert!(place.lie_down() && place.lie_down());
    assert_eq!(place.enter(counts.branch(1).0).ok(), Some(Entered::Wakes));
    assert_eq!(place.enter(counts.branch(1).0).ok(), Some(Entered::Unheard));
    assert!(!place.lie_down(), "something waits");
    drop(place.close(0));
    assert_eq!(counts.get(), (0, 2));
}
