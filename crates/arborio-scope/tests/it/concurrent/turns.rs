//! Who is polled in one poll of the run, who is not, and when the task is woken.

use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    pin::pin,
    task::{Poll, Waker},
};

use arborio_scope::Concurrent;
use futures_lite::future::yield_now;

use super::{counted, poll};
use crate::support::{everywhere, nap, run};

/// Pending for ever; counts its polls, and leaves its last waker.
async fn watched(polls: &Cell<usize>, waker: &RefCell<Option<Waker>>) {
    poll_fn(|cx| {
        polls.set(polls.get() + 1);
        waker.replace(Some(cx.waker().clone()));
        Poll::<()>::Pending
    })
    .await;
}

#[test]
fn of_a_thousand_branches_exactly_the_one_that_is_woken_is_polled() {
    let polls: Vec<Cell<usize>> = (0..1000).map(|_| Cell::new(0)).collect();
    let wakers: Vec<_> = (0..1000).map(|_| RefCell::new(None)).collect();
    let body_polls = Cell::new(0);
    let c = Concurrent::local();
    for (polls, waker) in polls.iter().zip(&wakers) {
        c.spawn(watched(polls, waker));
    }
    let (task, wakes) = counted();
    let mut whole = pin!(c.run(poll_fn(|_| {
        body_polls.set(body_polls.get() + 1);
        Poll::<()>::Pending
    })));
    assert!(poll(whole.as_mut(), &task).is_pending());
    assert!(polls.iter().all(|polls| polls.get() == 1));
    assert_eq!(wakes.take(), 0, "all wait");
    for woken in [500, 0, 999, 500] {
        polls.iter().for_each(|polls| polls.set(0));
        let waker = wakers[woken].borrow().clone().unwrap();
        for _ in 0..3 {
            waker.wake_by_ref();
        }
        assert_eq!(wakes.take(), 1, "three wakes are one");
        for _ in 0..3 {
            assert!(poll(whole.as_mut(), &task).is_pending());
        }
        let polled: Vec<_> = (0..1000).filter(|&one| polls[one].get() > 0).collect();
        assert_eq!((polled, polls[woken].get()), (vec![woken], 1));
        assert_eq!(wakes.take(), 0, "nobody is woken in vain");
    }
    assert_eq!(body_polls.get(), 1);
}

#[test]
fn a_branch_that_wakes_itself_for_ever_starves_nobody() {
    let (turns, others) = (Cell::new(0), Cell::new(0));
    let c = Concurrent::local();
    c.spawn(async {
        loop {
            turns.set(turns.get() + 1);
            yield_now().await;
        }
    });
    c.spawn(async {
        for _ in 0..10 {
            others.set(others.get() + 1);
            yield_now().await;
        }
    });
    let (task, wakes) = counted();
    let mut whole = pin!(c.run(pending::<()>()));
    for round in 1..=20 {
        assert!(poll(whole.as_mut(), &task).is_pending());
        assert_eq!(wakes.take(), 1, "it wants the next turn");
        assert_eq!((turns.get(), others.get()), (round, round.min(10)));
    }
}

#[test]
fn a_body_that_wakes_itself_is_polled_once_in_a_poll_of_the_run() {
    let rounds = Cell::new(0);
    let c = Concurrent::local();
    let mut whole = pin!(c.run(async {
        loop {
            rounds.set(rounds.get() + 1);
            yield_now().await;
        }
    }));
    let (task, wakes) = counted();
    for round in 1..5 {
        assert!(poll(whole.as_mut(), &task).is_pending());
        assert_eq!((wakes.take(), rounds.get()), (1, round));
    }
}

#[test]
fn branches_that_wake_each_other_for_ever_do_not_keep_the_task() {
    let wakers = [RefCell::new(None::<Waker>), RefCell::new(None)];
    let polls = Cell::new(0);
    let talk = |own: usize| {
        let (wakers, polls) = (&wakers, &polls);
        poll_fn(move |cx| {
            polls.set(polls.get() + 1);
            wakers[own].replace(Some(cx.waker().clone()));
            let other = wakers[1 - own].borrow().clone();
            other.inspect(Waker::wake_by_ref);
            Poll::<()>::Pending
        })
    };
    let c = Concurrent::local();
    c.spawn(talk(0));
    c.spawn(talk(1));
    let mut whole = pin!(c.run(pending::<()>()));
    let (task, wakes) = counted();
    for _ in 0..5 {
        assert!(poll(whole.as_mut(), &task).is_pending());
        assert!((2..=100).contains(&polls.replace(0)));
        assert_eq!(wakes.take(), 1);
    }
}

#[test]
fn branches_that_spawn_for_ever_do_not_keep_the_task() {
    let polls = Cell::new(0);
    let c = Concurrent::local();
    fn again<'a>(
        s: arborio_scope::concurrent::Spawner<'a, arborio_scope::Local>,
        polls: &'a Cell<usize>,
    ) {
        let next = s.clone();
        s.spawn(async move {
            polls.set(polls.get() + 1);
            again(next, polls);
        });
    }
    again(c.spawner(), &polls);
    let mut whole = pin!(c.run(pending::<()>()));
    let (task, wakes) = counted();
    for _ in 0..5 {
        assert!(poll(whole.as_mut(), &task).is_pending());
        assert!((1..=100).contains(&polls.replace(0)));
        assert_eq!(wakes.take(), 1);
    }
}

#[test]
fn other_tasks_go_on_beside_a_branch_that_is_never_idle() {
    run(async {
        let rounds = std::rc::Rc::new(Cell::new(0));
        let counter = std::rc::Rc::clone(&rounds);
        let busy = arborio_executor::spawn_local(async move {
            let c = Concurrent::local();
            c.spawn(async {
                loop {
                    counter.set(counter.get() + 1);
                    arborio_executor::yield_now().await;
                }
            });
            c.run(pending::<()>()).await;
        });
        for _ in 0..100 {
            arborio_executor::yield_now().await;
        }
        assert!((90..=110).contains(&rounds.get()));
        busy.abort();
        busy.await.unwrap_err();
    });
}

#[test]
fn branches_start_in_the_order_in_which_they_were_spawned() {
    everywhere(|| async {
        let order = RefCell::new(Vec::new());
        let c = Concurrent::local();
        for number in 0..200 {
            let order = &order;
            c.spawn(async move {
                order.borrow_mut().push(number);
                yield_now().await;
                order.borrow_mut().push(number);
            });
        }
        c.run(async {}).await;
        let expected: Vec<_> = (0..200).chain(0..200).collect();
        assert_eq!(*order.borrow(), expected);
    });
}

#[test]
fn a_body_whose_branch_is_done_goes_on_in_the_same_poll() {
    let c = Concurrent::new();
    let mut whole = pin!(c.run(async { c.spawn(async { 7 }).await.unwrap() }));
    let (task, wakes) = counted();
    assert_eq!(poll(whole.as_mut(), &task), Poll::Ready(7));
    assert_eq!(wakes.take(), 0);
}

#[test]
fn a_spawn_from_outside_of_the_run_wakes_the_task() {
    let c = Concurrent::new();
    let mut whole = pin!(c.run(pending::<()>()));
    let (task, wakes) = counted();
    assert!(poll(whole.as_mut(), &task).is_pending());
    let branch = c.spawn(async {});
    c.spawn(async {});
    assert_eq!(wakes.take(), 1, "one wake is enough");
    assert!(poll(whole.as_mut(), &task).is_pending());
    assert!(branch.is_finished());
}

#[test]
fn the_waker_of_the_last_poll_counts() {
    let waker = RefCell::new(None);
    let polls = Cell::new(0);
    let c = Concurrent::local();
    c.spawn(watched(&polls, &waker));
    let mut whole = pin!(c.run(pending::<()>()));
    let ((first, first_wakes), (second, second_wakes)) = (counted(), counted());
    assert!(poll(whole.as_mut(), &first).is_pending());
    assert!(poll(whole.as_mut(), &second).is_pending());
    waker.take().unwrap().wake();
    assert_eq!((first_wakes.take(), second_wakes.take()), (0, 1));
}

#[test]
fn a_branch_that_is_woken_by_others_while_it_is_polled_is_polled_again() {
    let (polls, kept) = (Cell::new(0), RefCell::new(None::<Waker>));
    let c = Concurrent::local();
    c.spawn(poll_fn(|cx| {
        polls.set(polls.get() + 1);
        let kept = kept.replace(Some(cx.waker().clone()));
        let woken_before = kept.inspect(Waker::wake_by_ref).is_some();
        if polls.get() == 1 {
            // Another thread, and it is done before this poll is.
            let waker = cx.waker().clone();
            std::thread::spawn(move || waker.wake()).join().unwrap();
        }
        match polls.get() {
            5 => Poll::Ready(()),
            polls => {
                assert_eq!(woken_before, polls > 1);
                Poll::Pending
            }
        }
    }));
    let mut whole = pin!(c.run(async {}));
    let (task, wakes) = counted();
    for round in 1..5 {
        assert!(poll(whole.as_mut(), &task).is_pending());
        assert_eq!((polls.get(), wakes.take()), (round, 1));
    }
    assert!(poll(whole.as_mut(), &task).is_ready());
}

#[test]
fn a_number_that_is_used_again_does_not_hear_the_wakes_of_the_branch_before() {
    let (old, polls, new) = (RefCell::new(None), Cell::new(0), RefCell::new(None));
    let c = Concurrent::local();
    let mut whole = pin!(c.run(pending::<()>()));
    let (task, wakes) = counted();
    c.spawn(poll_fn(|cx| {
        old.replace(Some(cx.waker().clone()));
        Poll::Ready(())
    }));
    assert!(poll(whole.as_mut(), &task).is_pending());
    c.spawn(watched(&polls, &new));
    assert!(poll(whole.as_mut(), &task).is_pending());
    wakes.take();
    old.take().unwrap().wake();
    assert_eq!(wakes.take(), 0);
    assert!(poll(whole.as_mut(), &task).is_pending());
    assert_eq!(polls.get(), 1);
    new.take().unwrap().wake();
    assert_eq!(wakes.take(), 1);
    assert!(poll(whole.as_mut(), &task).is_pending());
    assert_eq!(polls.get(), 2);
}

#[test]
fn a_branch_that_is_used_up_by_the_budget_lets_the_others_wait_for_the_next_poll() {
    use arborio_base::budget;
    let (rounds, started) = (Cell::new(0), Cell::new(false));
    let c = Concurrent::local();
    c.spawn(poll_fn(|cx| {
        while budget::poll_charge(cx).is_ready() {
            rounds.set(rounds.get() + 1);
        }
        Poll::<()>::Pending
    }));
    c.spawn(async { started.set(true) });
    let mut whole = pin!(c.run(async {}));
    let (task, wakes) = counted();
    budget::refill();
    assert!(poll(whole.as_mut(), &task).is_pending());
    assert_eq!((rounds.get(), started.get()), (budget::PER_POLL, false));
    assert_eq!(wakes.take(), 1);
    budget::refill();
    assert!(poll(whole.as_mut(), &task).is_pending());
    budget::lift();
    assert!(started.get());
}

#[test]
fn ten_thousand_branches_sleep_and_end() {
    everywhere(|| async {
        let ended = Cell::new(0);
        let c = Concurrent::local();
        for number in 0..10_000 {
            let ended = &ended;
            c.spawn(async move {
                nap(1 + number % 100).await;
                ended.set(ended.get() + 1);
            });
        }
        c.run(async {}).await;
        assert_eq!(ended.get(), 10_000);
    });
}
