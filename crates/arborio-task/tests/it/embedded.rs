//! A loop inside of a future that somebody else polls.

use std::{
    future::pending,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
};

use arborio_task::{
    Branch, SpawnOptions, Submitter,
    embedded::{Embedded, Kind, Local, Sent, is_around},
    try_spawn,
};

use crate::{
    guests::leave,
    support::{Bell, Probes, own_waker, run, turn},
};

fn poll<F: Future + Unpin>(future: &mut F, bell: &Arc<Bell>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(bell));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

#[test]
fn a_loop_is_around_for_tasks_that_it_takes() {
    let around = || (is_around::<Sent>(), is_around::<Local>());
    assert_eq!(around(), (false, false));
    assert_eq!(run(async move { around() }), (true, true));
    let bell = Arc::new(Bell::default());
    let mut sent = Embedded::<_, Sent>::new(async move { around() });
    assert_eq!(poll(&mut sent, &bell), Poll::Ready((true, false)));
    let mut local = Embedded::<_, Local>::new(async move { around() });
    assert_eq!(poll(&mut local, &bell), Poll::Ready((true, true)));
    assert_eq!(around(), (false, false));
}

#[test]
fn tasks_of_an_embedded_loop_hang_on_its_branches() {
    let bell = Arc::new(Bell::default());
    let inside = async {
        assert!(try_spawn(async {}, SpawnOptions::new()).is_err());
        assert!(Submitter::current().is_none());
        let branch = Branch::enter(Arc::new(())).expect("a loop is around");
        let task = branch.try_spawn_sent(async { 6 }, SpawnOptions::new());
        let six = task.ok().unwrap().await.unwrap();
        branch.leave();
        six
    };
    let mut future = Embedded::<_, Sent>::new(inside);
    assert_eq!(format!("{future:?}"), "Embedded { .. }");
    assert!(poll(&mut future, &bell).is_pending());
    assert!(bell.rung() > 0, "its task has ended");
    assert_eq!(poll(&mut future, &bell), Poll::Ready(6));
}

#[test]
fn an_embedded_loop_asks_for_another_poll_if_a_task_is_ready_and_only_then() {
    let bell = Arc::new(Bell::default());
    let waker = Arc::new(std::sync::Mutex::new(None));
    let give = Arc::clone(&waker);
    let inside = async move {
        let branch = Branch::enter(Arc::new(())).expect("a loop is around");
        let task = async move {
            *give.lock().unwrap() = Some(own_waker().await);
            pending::<()>().await;
        };
        let waits = branch.try_spawn_sent(task, SpawnOptions::new()).ok();
        let busy = async {
            for _ in 0..300 {
                turn().await; // more than the polls of one turn
            }
        };
        let busy = branch.try_spawn_sent(busy, SpawnOptions::new()).ok();
        pending::<()>().await;
        drop((waits, busy));
    };
    let mut future = Embedded::<_, Sent>::new(inside);
    assert!(poll(&mut future, &bell).is_pending());
    assert!(bell.rung() > 0, "one is ready");
    assert!(poll(&mut future, &bell).is_pending());
    assert_eq!(bell.rung(), 0, "none is");
    let waker: Waker = waker.lock().unwrap().take().unwrap();
    thread::spawn(move || waker.wake()).join().unwrap();
    assert_eq!(bell.rung(), 1, "the mail wakes it");
    assert!(poll(&mut future, &bell).is_pending());
    assert_eq!(bell.rung(), 0);
}

#[test]
fn mail_that_comes_while_an_embedded_loop_runs_is_not_lost() {
    let bell = Arc::new(Bell::default());
    let inside = async {
        let branch = Branch::enter(Arc::new(())).expect("a loop is around");
        let (tell, told) = std::sync::mpsc::channel();
        let woken = async move {
            tell.send(own_waker().await).unwrap();
            turn_of_another().await;
        };
        let woken = branch.try_spawn_sent(woken, SpawnOptions::new()).ok();
        let wakes = async move {
            let waker: Waker = told.recv().unwrap();
            thread::spawn(move || waker.wake()).join().unwrap();
        };
        let wakes = branch.try_spawn_sent(wakes, SpawnOptions::new()).ok();
        woken.unwrap().await.unwrap();
        wakes.unwrap().await.unwrap();
        drop(branch.leave());
    };
    let mut future = Embedded::<_, Sent>::new(inside);
    assert!(poll(&mut future, &bell).is_pending());
    assert_eq!(bell.rung(), 1, "somebody was woken meanwhile");
    let polls = (0..9).take_while(|_| poll(&mut future, &bell).is_pending());
    assert!(polls.count() < 9);
}

/// Ready when it is polled again, whoever has woken it.
async fn turn_of_another() {
    let mut polled = false;
    std::future::poll_fn(|_| match std::mem::replace(&mut polled, true) {
        false => Poll::Pending,
        true => Poll::Ready(()),
    })
    .await;
}

#[test]
fn a_future_that_is_dropped_ends_with_its_loop_around_it() {
    struct Looks(Arc<AtomicUsize>);
    impl Drop for Looks {
        fn drop(&mut self) {
            let around = usize::from(is_around::<Sent>());
            self.0.fetch_add(1 + 10 * around, Ordering::SeqCst);
        }
    }
    let (bell, seen) = (Arc::new(Bell::default()), Arc::new(AtomicUsize::new(0)));
    let probes = Probes::default();
    let (looks, probe) = (Looks(Arc::clone(&seen)), probes.probe());
    let inside = async move {
        let branch = Branch::enter(Arc::new(())).expect("a loop is around");
        let task = async move {
            pending::<()>().await;
            drop(probe);
        };
        let task = branch.try_spawn_sent(task, SpawnOptions::new()).ok();
        pending::<()>().await;
        drop((looks, task));
    };
    let mut future = Embedded::<_, Sent>::new(inside);
    assert!(poll(&mut future, &bell).is_pending());
    drop(future);
    assert_eq!(seen.load(Ordering::SeqCst), 11);
    assert_eq!(probes.alive(), 0);
    assert!(!is_around::<Sent>());
}

/// A callback that is not `Send` would go where the loop goes.
#[cfg(panic = "unwind")]
#[test]
fn a_callback_that_is_not_send_is_refused_where_the_loop_may_move() {
    fn is_refused<K: Kind>() -> bool {
        let inside = async {
            let branch = Branch::enter(Arc::new(())).expect("a loop is around");
            let task = branch.try_spawn_sent(async {}, SpawnOptions::new());
            let task = task.ok().unwrap();
            let register = std::panic::AssertUnwindSafe(|| task.on_done_local(|_| ()));
            let refused = std::panic::catch_unwind(register).is_err();
            task.await.unwrap();
            drop(branch.leave());
            refused
        };
        let mut future = pin!(Embedded::<_, K>::new(inside));
        let bell = Arc::new(Bell::default());
        loop {
            if let Poll::Ready(refused) = poll(&mut future, &bell) {
                return refused;
            }
        }
    }
    assert!(is_refused::<Sent>());
    assert!(!is_refused::<Local>());
}

#[test]
fn a_task_that_is_not_send_is_refused_where_the_loop_may_move() {
    fn is_refused<K: Kind>() -> bool {
        let inside = async {
            let branch = Branch::enter(Arc::new(())).expect("a loop is around");
            let refused = match branch.try_spawn(async {}, SpawnOptions::new()) {
                Ok(task) => {
                    task.await.unwrap();
                    false
                }
                Err(_) => true,
            };
            drop(branch.leave());
            refused
        };
        let mut future = pin!(Embedded::<_, K>::new(inside));
        let bell = Arc::new(Bell::default());
        loop {
            if let Poll::Ready(refused) = poll(&mut future, &bell) {
                return refused;
            }
        }
    }
    assert!(is_refused::<Sent>());
    assert!(!is_refused::<Local>());
}

/// It would hang on the root of the embedded loop, which lasts no longer than its future.
#[test]
fn a_task_of_an_embedded_loop_spawns_nothing_for_a_branch_of_the_loop_around() {
    run(async {
        let outer = Branch::enter(Arc::new(())).expect("a loop runs");
        let known = Arc::clone(&outer);
        let inside = async move {
            let below = known.enter_below(Arc::new(())).expect("it is open");
            let task = async move { known.try_spawn(async {}, SpawnOptions::new()).is_err() };
            let task = below.try_spawn(task, SpawnOptions::new()).ok().unwrap();
            let refused = task.await.unwrap();
            drop(below.leave());
            refused
        };
        assert!(Embedded::<_, Local>::new(inside).await);
        leave(outer).await;
    });
}

#[test]
fn another_thread_spawns_for_a_branch_unless_its_loop_lies_in_a_future() {
    async fn takes() -> bool {
        let branch = Branch::enter(Arc::new(())).expect("a loop is around");
        let known = Arc::clone(&branch);
        let spawns = move || known.try_spawn_sent(async {}, SpawnOptions::new()).ok();
        let task = thread::spawn(spawns).join().unwrap();
        let taken = task.is_some();
        if let Some(task) = task {
            task.await.unwrap();
        }
        leave(branch).await;
        taken
    }
    assert!(run(takes()));
    let mut embedded = Embedded::<_, Local>::new(takes());
    assert_eq!(poll(&mut embedded, &Arc::default()), Poll::Ready(false));
}
