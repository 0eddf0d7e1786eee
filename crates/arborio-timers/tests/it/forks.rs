//! A fork while another thread fires the timers of the loop that forks.

use std::{
    pin::pin,
    sync::mpsc::channel,
    task::{Context, Waker},
    thread,
};

use arborio_base::WakeBatch;
use arborio_timers::{Clock, Timers, sleep};

use crate::{
    fork_meanwhile::{child_is_well, stop_at_next_allocation},
    support::{ms, poll},
};

/// More than a batch has room for at first, so that it allocates while the wheel is locked.
const SLEEPS: usize = 1000;

#[test]
fn r22_a_fork_while_another_thread_fires_leaves_the_child_its_timers() {
    let (timers, helper) = Timers::with_helper(Clock::simulated(), Waker::noop().clone());
    let _entered = timers.enter();
    let mut cx = Context::from_waker(Waker::noop());
    let mut sleeps: Vec<_> = (0..SLEEPS).map(|_| Box::pin(sleep(ms(1)))).collect();
    for sleep in &mut sleeps {
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
    }
    timers.jump_to(timers.next_deadline().unwrap());
    let (fired, has_fired) = channel();
    thread::scope(|threads| {
        threads.spawn(|| {
            let mut batch = WakeBatch::new();
            stop_at_next_allocation();
            fired.send(helper.fire(&mut batch)).unwrap();
            batch.wake_all();
        });
        assert!(child_is_well(|| {
            let mut nap = pin!(sleep(ms(1)));
            poll(&mut nap, Waker::noop()).is_pending()
        }));
    });
    assert_eq!(has_fired.recv(), Ok(SLEEPS));
    assert!(
        sleeps
            .iter_mut()
            .all(|sleep| sleep.as_mut().poll(&mut cx).is_ready())
    );
}
