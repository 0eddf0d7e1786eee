//! What a loop does while it runs, inside another one, and while it ends.

use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    rc::Rc,
    sync::{Arc, mpsc::channel},
    task::Poll,
    thread,
};

use arborio_base::budget;
use arborio_task::{NoNotify, Notify, SpawnOptions, Submitter, Task, TaskState, Tasks, try_spawn};

use crate::support::{OnDrop, Probes, is_stopped, own_waker, run, settle, spawn, tasks, turn};

#[test]
fn s09_tasks_start_in_the_order_of_spawning_after_their_spawner_suspends() {
    let log = Rc::new(RefCell::new(vec![]));
    run(async {
        for name in ["a", "b", "c"] {
            let log = Rc::clone(&log);
            drop(spawn(async move { log.borrow_mut().push(name) }));
        }
        log.borrow_mut().push("spawned");
        turn().await;
        log.borrow_mut().push("back");
    });
    assert_eq!(*log.borrow(), ["spawned", "a", "b", "c", "back"]);
}

#[test]
fn tasks_run_in_the_order_in_which_they_were_woken() {
    run(async {
        let log = Rc::new(RefCell::new(vec![]));
        let wakers = Rc::new(RefCell::new(vec![]));
        for number in 0..5 {
            let (log, wakers) = (Rc::clone(&log), Rc::clone(&wakers));
            drop(spawn(async move {
                let mut first = true;
                poll_fn(|cx| {
                    if std::mem::take(&mut first) {
                        wakers.borrow_mut().push(cx.waker().clone());
                        return Poll::Pending;
                    }
                    Poll::Ready(())
                })
                .await;
                log.borrow_mut().push(number);
            }));
        }
        turn().await;
        for place in [3, 1, 4, 0, 2, 3] {
            wakers.borrow()[place].wake_by_ref();
        }
        turn().await;
        assert_eq!(*log.borrow(), [3, 1, 4, 0, 2]);
    });
}

#[test]
fn x13_two_tasks_that_wake_each_other_do_not_starve_a_third() {
    run(async {
        let rounds = Rc::new(Cell::new(0));
        let over = Rc::new(Cell::new(false));
        let players: Vec<_> = (0..2)
            .map(|_| {
                let (rounds, over) = (Rc::clone(&rounds), Rc::clone(&over));
                spawn(async move {
                    while !over.get() {
                        rounds.set(rounds.get() + 1);
                        turn().await;
                    }
                })
            })
            .collect();
        turn().await;
        let before = rounds.get();
        let seen = Rc::clone(&rounds);
        let bystander = spawn(async move { seen.get() });
        let at = bystander.await.unwrap();
        assert!(at - before <= 64, "{} polls passed", at - before);
        over.set(true);
        for player in players {
            player.await.unwrap();
        }
    });
}

/// Something that is always ready and charges the budget.
async fn charge() {
    poll_fn(budget::poll_charge).await;
}

#[test]
fn x14_a_task_that_is_always_ready_yields_by_its_budget() {
    run(async {
        let done = Rc::new(Cell::new(0_u32));
        let counted = Rc::clone(&done);
        let busy = spawn(async move {
            for _ in 0..3 * budget::PER_POLL {
                charge().await;
                counted.set(counted.get() + 1);
            }
        });
        turn().await;
        assert_eq!(done.get(), budget::PER_POLL, "one poll, one budget");
        turn().await;
        assert_eq!(done.get(), 2 * budget::PER_POLL);
        busy.await.unwrap();
    });
    assert!(budget::has_budget(), "unlimited where no loop runs");
    for _ in 0..2 * budget::PER_POLL {
        assert!(
            budget::poll_charge(&mut std::task::Context::from_waker(std::task::Waker::noop()))
                .is_ready()
        );
    }
}

/// The outer loop's wakers count as foreign while the inner one runs.
#[test]
fn loops_nest_and_the_outer_one_is_foreign_to_the_inner() {
    let probes = Probes::default();
    let log = run(async {
        let outer = Submitter::current().unwrap();
        let waker = own_waker().await;
        let probe = probes.probe();
        let task = spawn(async move {
            turn().await;
            drop(probe);
            "outer"
        });
        let inner = run(async {
            assert!(!outer.is_here() && !outer.is_closed());
            waker.wake_by_ref();
            drop(waker.clone());
            drop(waker);
            let sent = outer.spawn(async { 1 }, SpawnOptions::new());
            assert!(!sent.is_finished());
            (sent, spawn(async { "inner" }).await.unwrap())
        });
        assert!(outer.is_here(), "the outer loop is the current one again");
        let (sent, said) = inner;
        assert_eq!(sent.await.unwrap(), 1);
        [said, task.await.unwrap()]
    });
    assert_eq!(log, ["inner", "outer"]);
    assert_eq!(probes.alive(), 0);
}

/// A handle of the outer loop's task is dropped, and another aborted, inside.
#[test]
fn handles_of_the_outer_loop_work_inside_the_inner() {
    let probes = Probes::default();
    run(async {
        let (kept, output) = (probes.probe(), probes.probe());
        let aborted = spawn(async move {
            pending::<()>().await;
            drop(kept);
        });
        let dropped = spawn(async move { output });
        turn().await;
        let (aborted,) = run(async move {
            aborted.abort();
            drop(dropped);
            (aborted,)
        });
        assert_eq!(probes.alive(), 2, "both wait for their own loop");
        assert!(aborted.await.is_err());
        assert_eq!(probes.alive(), 0);
    });
}

#[test]
fn a_task_that_is_spawned_while_the_loop_ends_is_stopped() {
    let probes = Probes::default();
    let late: Rc<RefCell<Vec<Task<()>>>> = Rc::default();
    let (slot, probe) = (Rc::clone(&late), probes.probe());
    let main = async move {
        let _spawns = OnDrop::new(move || {
            let task = spawn(async move { drop(probe) });
            assert!(task.is_finished());
            slot.borrow_mut().push(task);
        });
        pending::<()>().await;
    };
    let ((), outcome) = tasks().run_main(main, |running| while running.run_next() {});
    assert!(is_stopped(&outcome));
    assert_eq!(probes.alive(), 0);
    let mut task = late.borrow_mut().pop().unwrap();
    assert!(is_stopped(&task.try_take().unwrap()));
}

/// Destructors of futures and outputs spawn while the loop runs.
#[test]
fn destructors_may_spawn() {
    let ran = Rc::new(Cell::new(0));
    run(async {
        let spawning = |ran: &Rc<Cell<u32>>| {
            let ran = Rc::clone(ran);
            OnDrop::new(move || drop(spawn(async move { ran.set(ran.get() + 1) })))
        };
        let (of_future, of_output) = (spawning(&ran), spawning(&ran));
        let aborted = spawn(async move {
            pending::<()>().await;
            drop(of_future);
        });
        drop(spawn(async move { of_output }));
        turn().await;
        aborted.abort();
        drop(aborted);
    });
    assert_eq!(ran.get(), 2);
}

/// Ending one task aborts, wakes and detaches others that end as well.
#[test]
fn destructors_may_end_their_siblings_while_the_loop_ends() {
    let probes = Probes::default();
    let main = async {
        let slots: Rc<RefCell<Vec<Option<Task<()>>>>> = Rc::default();
        for place in 0..6_usize {
            let (slots_of, probe) = (Rc::clone(&slots), probes.probe());
            let waker = own_waker().await;
            let ends = OnDrop::new(move || {
                waker.wake_by_ref();
                let other = slots_of
                    .borrow_mut()
                    .get_mut((place + 1) % 6)
                    .and_then(Option::take);
                if let Some(other) = other {
                    other.abort();
                    if place % 2 == 0 {
                        drop(other);
                    } else {
                        slots_of.borrow_mut()[place] = Some(other);
                    }
                }
                drop(probe);
            });
            let task = spawn(async move {
                pending::<()>().await;
                drop(ends);
            });
            slots.borrow_mut().push(Some(task));
        }
        pending::<()>().await;
    };
    let ((), outcome) = tasks().run_main(main, |running| while running.run_next() {});
    assert!(is_stopped(&outcome));
    assert_eq!(probes.alive(), 0);
}

#[test]
fn a_task_that_is_not_awaited_is_not_pending() {
    let main = async {
        let daemon = try_spawn(pending::<()>(), SpawnOptions::new().awaited(false));
        turn().await;
        (daemon.ok().unwrap(),)
    };
    let ((), outcome) = tasks().run_main(main, settle);
    let (mut daemon,) = outcome.unwrap();
    assert!(is_stopped(&daemon.try_take().unwrap()));
}

#[test]
fn the_tree_names_tasks_and_what_they_do() {
    let main = async {
        let named = |name| SpawnOptions::new().name(name);
        let waits = try_spawn(pending::<()>(), named("waits").awaited(false))
            .ok()
            .unwrap();
        let ready = try_spawn(
            async {
                turn().await;
                turn().await;
            },
            named("ready"),
        );
        turn().await;
        let new = try_spawn(async {}, named("new")).ok().unwrap();
        let all = arborio_task::tree();
        let seen: Vec<_> = all
            .tasks()
            .map(|task| (task.name.as_deref().unwrap(), task.state, task.awaited))
            .collect();
        assert_eq!(
            seen,
            [
                ("main", TaskState::Running, true),
                ("waits", TaskState::Waiting, false),
                ("ready", TaskState::Ready, true),
                ("new", TaskState::New, true),
            ]
        );
        drop((waits, ready, new));
    };
    tasks().run_main(main, settle).1.unwrap();
}

/// The order of wakes is permuted, the order of what was sent is not.
#[test]
fn s10_permuted_mail_keeps_the_order_of_submissions() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let log: std::sync::Arc<std::sync::Mutex<Vec<String>>> = std::sync::Arc::default();
    let main = async {
        for number in 0..8 {
            let log = std::sync::Arc::clone(&log);
            drop(spawn(async move {
                turn().await;
                let waker = own_waker().await;
                std::thread::spawn(move || waker.wake()).join().unwrap();
                let mut woken = false;
                poll_fn(|_| {
                    if std::mem::replace(&mut woken, true) {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
                .await;
                log.lock().unwrap().push(format!("wake {number}"));
            }));
        }
        turn().await;
        turn().await;
        for number in 0..8 {
            let (log, submitter) = (std::sync::Arc::clone(&log), submitter.clone());
            std::thread::spawn(move || {
                let task = async move { log.lock().unwrap().push(format!("new {number}")) };
                drop(submitter.spawn(task, SpawnOptions::new()));
            })
            .join()
            .unwrap();
        }
    };
    tasks
        .run_main(main, |running| {
            while running.run_next() {}
            assert_eq!(running.take_mail_permuted(&mut |bound| bound / 2), 16);
            while running.run_next() {}
        })
        .1
        .unwrap();
    let log = log.lock().unwrap();
    let of = |kind: &str| -> Vec<&str> {
        log.iter()
            .filter(|entry| entry.starts_with(kind))
            .map(|entry| &entry[kind.len()..])
            .collect()
    };
    assert_eq!(of("new "), ["0", "1", "2", "3", "4", "5", "6", "7"]);
    let wakes = of("wake ");
    assert_ne!(wakes, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    let mut sorted = wakes.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["0", "1", "2", "3", "4", "5", "6", "7"]);
}

/// The inbox is closed by then, and the loop has not left its tasks behind yet.
#[test]
fn nothing_is_left_of_a_loop_whose_task_another_thread_wakes_while_it_ends() {
    let notifier = Arc::new(NoNotify);
    let tasks = Tasks::new(Arc::clone(&notifier) as Arc<dyn Notify>);
    let inbox = tasks.submitter();
    let (tell, told) = channel();
    let main = async move { tell.send(own_waker().await).unwrap() };
    let ((), ended) = tasks.run_main(main, |running| {
        assert!(running.run_next());
        let waker = told.recv().unwrap();
        let last = OnDrop::new(move || thread::spawn(move || waker.wake()).join().unwrap());
        let send = move || drop(inbox.spawn(async move { drop(last) }, SpawnOptions::new()));
        thread::spawn(send).join().unwrap(); // it lies in the inbox until that is closed
    });
    ended.unwrap();
    assert_eq!(Arc::strong_count(&notifier), 1);
}
