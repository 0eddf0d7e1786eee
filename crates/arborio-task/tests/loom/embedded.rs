//! A loop inside of a future that moves between threads (M1 to M3 of `src/embedded.rs`).

use std::{
    future::{pending, poll_fn},
    pin::Pin,
    sync::mpsc,
    task::{Context, Poll, Waker},
};

use arborio_task::{
    Branch, Interrupt, SpawnOptions, Task,
    embedded::{Embedded, Sent},
};
use loom::sync::{Arc, Mutex};

use crate::world::{Count, Sign, Value, World, assert_gone, model, turn, waiting_for};

/// A child of `branch` that is ready once `sign` is given, and touches `value` in each of its
/// polls. Its waker is sent by `send`.
fn child(
    branch: &std::sync::Arc<Branch>,
    sign: Sign,
    value: Value,
    send: mpsc::Sender<Waker>,
) -> Task<usize> {
    let mut waiting = Box::pin(waiting_for([sign], move |waker| {
        send.send(waker.clone()).unwrap();
    }));
    let future = poll_fn(move |cx| {
        value.change();
        waiting.as_mut().poll(cx)
    });
    let task = branch.try_spawn_sent(future, SpawnOptions::new());
    task.ok().expect("the branch is open")
}

/// A future with one child that ends after it was woken, and what wakes that.
struct Island {
    future: Box<dyn Future<Output = usize> + Send + Unpin>,
    sign: Sign,
    wakers: mpsc::Receiver<Waker>,
}

impl Island {
    fn new(count: &Count) -> Self {
        let sign = Sign::default();
        let (send, wakers) = mpsc::channel();
        let (awaited, value) = (sign.clone(), count.value());
        let inside = async move {
            let branch = Branch::enter(std::sync::Arc::new(())).expect("a loop is around");
            let polls = child(&branch, awaited, value, send).await.unwrap();
            branch.leave();
            polls
        };
        Self {
            future: Box::new(Embedded::<_, Sent>::new(inside)),
            sign,
            wakers,
        }
    }

    /// Polls it on this thread until its child waits, and gives what wakes the child.
    fn begin(&mut self) -> Waker {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut self.future).poll(&mut cx).is_pending());
        self.wakers.try_recv().expect("the child was polled")
    }
}

/// Gives `sign` and wakes `waker` on another thread.
fn wake_abroad(world: &World, sign: Sign, waker: Waker) {
    world.spawn(move |abroad| {
        sign.give();
        abroad.step();
        waker.wake();
    });
}

/// The future moves to another thread while a third one wakes its child: the wake is not
/// lost, whether the turn there begins before or after it.
#[test]
fn m2_m3_a_wake_while_the_future_moves() {
    model("a_wake_while_the_future_moves", 3, |world| {
        let count = Count::default();
        let mut island = Island::new(&count);
        let waker = island.begin();
        wake_abroad(world, island.sign.clone(), waker);
        let future = island.future;
        world.spawn(move |abroad| {
            let polls = abroad.block_on_within(3, future);
            assert!(polls >= 2);
        });
        world.join_all();
        assert_gone(&count);
    });
}

/// The wake comes while the turn ends: it is either taken in the turn, or wakes the
/// future.
#[test]
fn m3_mail_that_comes_while_the_turn_ends() {
    model("mail_that_comes_while_the_turn_ends", 3, |world| {
        let count = Count::default();
        let (send, wakers) = mpsc::channel();
        let sign = Sign::default();
        let inside = async {
            let branch = Branch::enter(std::sync::Arc::new(())).expect("a loop is around");
            let child = child(&branch, sign.clone(), count.value(), send);
            turn().await; // the child is polled meanwhile
            wake_abroad(world, sign.clone(), wakers.try_recv().unwrap());
            let polls = child.await.unwrap();
            branch.leave();
            polls
        };
        world.block_on(Embedded::<_, Sent>::new(inside));
        assert_gone(&count);
    });
}

/// Two wakes, of two children, of which the second may come while the first is carried out.
#[test]
fn m3_two_wakes_from_two_threads() {
    model("two_wakes_from_two_threads", 2, |world| {
        let count = Count::default();
        let inside = async {
            let branch = Branch::enter(std::sync::Arc::new(())).expect("a loop is around");
            let (send, wakers) = mpsc::channel();
            let signs = [Sign::default(), Sign::default()];
            let children = signs
                .clone()
                .map(|sign| child(&branch, sign, count.value(), send.clone()));
            turn().await;
            for sign in signs {
                wake_abroad(world, sign, wakers.try_recv().unwrap());
            }
            for child in children {
                child.await.unwrap();
            }
            branch.leave();
        };
        world.block_on(Embedded::<_, Sent>::new(inside));
        assert_gone(&count);
    });
}

/// Whoever is woken polls: the wake itself hands the future from one thread to the other.
#[test]
fn m1_m2_the_wake_hands_the_future_over() {
    model("the_wake_hands_the_future_over", 2, |world| {
        let count = Count::default();
        let mut island = Island::new(&count);
        let waker = island.begin();
        wake_abroad(world, island.sign.clone(), waker);
        let slot = Arc::new(Mutex::new(island.future));
        let other = Arc::clone(&slot);
        // One turn there, which may come too early; the rest is here.
        let done = Sign::default();
        let told = done.clone();
        world.spawn(move |abroad| {
            let polled = abroad.poll_once(poll_fn(|cx| {
                let mut future = other.lock().unwrap();
                Pin::new(&mut *future).poll(cx)
            }));
            if polled.is_some() {
                told.give();
            }
        });
        world.join_all();
        if !done.is_given() {
            let polls = world.block_on(poll_fn(|cx| {
                let mut future = slot.lock().unwrap();
                Pin::new(&mut *future).poll(cx)
            }));
            assert!(polls >= 2);
        }
        drop(slot);
        assert_gone(&count);
    });
}

/// The future is dropped on another thread while a third one wakes its child.
#[test]
fn m1_a_wake_while_the_future_is_dropped_abroad() {
    model("a_wake_while_the_future_is_dropped_abroad", 3, |world| {
        let count = Count::default();
        let mut island = Island::new(&count);
        let waker = island.begin();
        wake_abroad(world, island.sign.clone(), waker);
        let future = island.future;
        world.spawn(move |_| drop(future));
        world.join_all();
        assert_gone(&count);
    });
}

/// A handle is awaited on one thread while the future is polled on another.
#[test]
fn m2_a_handle_abroad_while_the_future_moves() {
    model("a_handle_abroad_while_the_future_moves", 2, |world| {
        let count = Count::default();
        let (send, handles) = mpsc::channel();
        let value = count.value();
        let inside = async move {
            let branch = Branch::enter(std::sync::Arc::new(())).expect("a loop is around");
            let future = async move {
                turn().await;
                value
            };
            let task = branch.try_spawn_sent(future, SpawnOptions::new());
            send.send(task.ok().unwrap()).unwrap();
            poll_fn(|cx| {
                branch.wake_on_change(cx.waker());
                if branch.pending() == 0 {
                    return Poll::Ready(());
                }
                Poll::Pending
            })
            .await;
            branch.leave();
        };
        let mut future = Embedded::<_, Sent>::new(inside);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
        let handle = handles.try_recv().unwrap();
        world.spawn(move |abroad| abroad.block_on(handle).unwrap().change());
        world.spawn(move |abroad| abroad.block_on(future));
        world.join_all();
        assert_gone(&count);
    });
}

/// A child is aborted on one thread while the future is polled on another: it is dropped in
/// a turn, and whoever waits for it is told.
#[test]
fn m3_an_abort_abroad_while_the_future_moves() {
    model("an_abort_abroad_while_the_future_moves", 2, |world| {
        let count = Count::default();
        let (send, handles) = mpsc::channel();
        let value = count.value();
        let inside = async move {
            let branch = Branch::enter(std::sync::Arc::new(())).expect("a loop is around");
            let future = async move {
                pending::<()>().await;
                drop(value);
            };
            let task = branch.try_spawn_sent(future, SpawnOptions::new());
            let task = std::sync::Arc::new(task.ok().unwrap());
            send.send(std::sync::Arc::clone(&task)).unwrap();
            let ended = (&*task).await;
            branch.leave();
            ended
        };
        let mut future = Embedded::<_, Sent>::new(inside);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut future).poll(&mut cx).is_pending());
        let handle = handles.try_recv().unwrap();
        world.spawn(move |_| handle.abort());
        world.spawn(move |abroad| {
            let ended = abroad.block_on(future);
            assert!(matches!(ended, Err(Interrupt::Cancelled(_))));
        });
        world.join_all();
        assert_gone(&count);
    });
}
