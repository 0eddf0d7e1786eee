//! What is told of the tasks and scopes of a loop, and of its parts.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use arborio_task::{
    Branch, Interrupt, NoNotify, Notify, Running, SpawnOptions, Submitter, Task, TaskInfo,
    TaskState, Tasks, Tree, TreeNode, current_info, try_spawn,
};

use crate::support::{Named, abroad, block_on, run, spawn, tasks, turn};

/// Each entry with its depth, and of a scope how many tasks are on it.
fn drawn(tree: &Tree) -> Vec<String> {
    let entry = |entry: &arborio_task::TreeEntry| {
        let depth = entry.depth;
        match &entry.node {
            TreeNode::Scope(scope) => {
                let name = scope.name.as_deref().unwrap_or("-");
                let awaited = if scope.awaited { "" } else { " aside" };
                format!("{depth} scope {name} {}{awaited}", scope.tasks)
            }
            TreeNode::Task(task) => format!("{depth} {}", task.name.as_deref().unwrap_or("-")),
            _ => format!("{depth} run"),
        }
    };
    tree.entries().iter().map(entry).collect()
}

#[track_caller]
fn named(name: &'static str) -> SpawnOptions {
    SpawnOptions::new().name(name)
}

#[test]
fn a_tree_shows_what_hangs_on_what_and_leaves_out_what_has_ended() {
    run(async {
        let kitchen = Branch::enter(Arc::new(Named("kitchen"))).unwrap();
        let on_kitchen = |name| kitchen.try_spawn(pending::<()>(), named(name)).ok();
        let ended = kitchen.try_spawn(async {}, named("ended")).ok().unwrap();
        let cook = async {
            let oven = Branch::enter(Arc::new(Named("oven"))).unwrap();
            let bread = oven.try_spawn(pending::<()>(), named("bread")).ok();
            pending::<()>().await;
            drop(bread);
        };
        let cook = kitchen.try_spawn(cook, named("cook")).ok();
        let guest = try_spawn(pending::<()>(), named("guest")).ok();
        let dog = async {
            let yard = Branch::enter(Arc::new(Named("yard"))).unwrap();
            pending::<()>().await;
            drop(yard);
        };
        let dog = try_spawn(dog, named("dog").awaited(false)).ok();
        let aid = on_kitchen("aid");
        turn().await;
        assert!(ended.is_finished());
        let of_kitchen = ["cook", "scope oven 1", "bread", "aid"];
        let of_root = [
            "0 run",
            "1 main",
            "2 scope kitchen 2",
            "3 cook",
            "4 scope oven 1",
            "5 bread",
            "3 aid",
            "1 guest",
            "1 dog",
            "2 scope yard 0 aside",
        ];
        assert_eq!(drawn(&arborio_task::tree()), of_root);
        let depths = [1, 2, 3, 1];
        let mut below = vec!["0 scope kitchen 2".to_owned()];
        below
            .extend((depths.iter().zip(of_kitchen)).map(|(depth, name)| format!("{depth} {name}")));
        assert_eq!(drawn(&kitchen.tree()), below);
        let without_the_dog = &of_root[..8];
        assert_eq!(drawn(&arborio_task::tree().awaited()), without_the_dog);
        let around = async { drawn(&arborio_task::tree_around()) };
        let looker = try_spawn(around, named("looker")).ok().unwrap();
        assert_eq!(looker.await.unwrap(), of_root);
        drop(kitchen.force(&Interrupt::TimedOut));
        for task in [aid, guest].into_iter().flatten() {
            task.abort();
        }
        dog.unwrap().abort();
        assert!(cook.unwrap().await.is_err());
        drop(kitchen.leave());
    });
}

#[test]
fn what_hangs_on_nested_branches_is_counted_once_by_each_above() {
    run(async {
        let outer = Branch::enter(Arc::new(())).unwrap();
        let inner = outer.enter_below(Arc::new(())).unwrap();
        let stays = outer
            .try_spawn(pending::<()>(), SpawnOptions::new())
            .ok()
            .unwrap();
        let goes = inner.try_spawn(async {}, SpawnOptions::new()).ok().unwrap();
        let counts = || (arborio_task::pending(), outer.pending(), inner.pending());
        assert_eq!(counts(), (Some(2), 2, 1));
        goes.await.unwrap();
        assert_eq!(counts(), (Some(2), 1, 0));
        stays.abort();
        assert_eq!(counts(), (Some(1), 0, 0));
        drop((inner.leave(), outer.leave()));
    });
    assert_eq!(arborio_task::pending(), None, "no loop runs here");
}

/// The state, whether it is waited for, and whether it was asked.
fn told(info: Option<TaskInfo>) -> Option<(TaskState, bool, bool)> {
    info.map(|info| (info.state, info.awaited, info.asked.is_some()))
}

#[test]
fn another_thread_is_told_of_a_task_what_its_flags_say() {
    use TaskState::{Cancelling, Elsewhere, New, Ready, Waiting};
    let tasks = tasks();
    let submitter = tasks.submitter();
    let waits = || async {
        turn().await;
        pending::<()>().await;
    };
    let task = submitter.spawn(waits(), named("cook"));
    let daemon = submitter.spawn(pending::<()>(), SpawnOptions::new().awaited(false));
    let seen = |task: &Task<()>| abroad(|| told(task.info()));
    assert_eq!(told(task.info()), Some((New, true, false)));
    let main = async {};
    let ((), ended) = tasks.run_main(main, |running| {
        assert_eq!(running.take_mail(), 2);
        assert_eq!(seen(&task), Some((New, true, false)));
        assert_eq!(abroad(|| task.info().unwrap().name), Some("cook".into()));
        while !matches!(told(task.info()), Some((Ready, ..))) {
            assert!(running.run_next());
        }
        assert_eq!(seen(&task), Some((Ready, true, false)));
        while running.run_next() {}
        assert_eq!(told(task.info()), Some((Waiting, true, false)));
        assert_eq!(seen(&task), Some((Elsewhere, true, false)));
        assert_eq!(seen(&daemon), Some((Elsewhere, false, false)));
        running.ask_all(&Interrupt::TimedOut, Some(&task));
        assert_eq!(told(daemon.info()), Some((Cancelling, false, true)));
        assert_eq!(
            seen(&daemon),
            Some((Cancelling, false, false)),
            "the request of a node is the owner's"
        );
        abroad(|| task.cancel());
        assert_eq!(seen(&task), Some((Cancelling, true, true)));
        running.take_mail();
        while running.run_next() {}
        assert_eq!((seen(&task), seen(&daemon)), (None, None));
    });
    ended.unwrap();
}

#[test]
fn the_parts_of_a_loop_can_be_printed() {
    let tasks = Tasks::new(Arc::new(NoNotify));
    assert_eq!(format!("{tasks:?}"), "Tasks { .. }");
    let submitter = tasks.submitter();
    assert_eq!(
        format!("{submitter:?}"),
        "Submitter { is_closed: false, .. }"
    );
    let main = async {
        let task = try_spawn(async {}, named("cook")).ok().unwrap();
        let place = task.spawned_at().unwrap();
        assert_eq!((place.file(), place.line()), (file!(), line!() - 2));
        let handle = format!(
            "Task {{ name: Some(\"cook\"), spawned_at: Some(\"{place}\"), is_finished: false }}"
        );
        assert_eq!(format!("{task:?}"), handle);
        let joining = std::future::IntoFuture::into_future(&task);
        assert_eq!(format!("{joining:?}"), format!("Joining({handle})"));
        drop(joining);
        task.await.unwrap();
    };
    let ((), ended) = tasks.run_main(main, |running| {
        assert_eq!(format!("{running:?}"), "Running { pending: 1, .. }");
        while running.run_next() {}
    });
    ended.unwrap();
    assert_eq!(
        format!("{submitter:?}"),
        "Submitter { is_closed: true, .. }"
    );
}

#[test]
fn whoever_drives_a_loop_sees_its_tasks() {
    let tasks = tasks();
    let main = async {
        let branch = Branch::enter(Arc::new(Named("kitchen"))).unwrap();
        let cook = branch.try_spawn(pending::<()>(), named("cook"));
        pending::<()>().await;
        drop(cook);
    };
    let ((), ended) = tasks.run_main(main, |running| {
        running.run_next();
        let names: Vec<_> = (running.snapshot().into_iter())
            .map(|task| task.name.unwrap())
            .collect();
        assert_eq!(names, ["main", "cook"]);
        let tree = ["0 run", "1 main", "2 scope kitchen 1", "3 cook"];
        assert_eq!(drawn(&running.tree()), tree);
    });
    assert!(ended.is_err(), "it was dropped while it waited");
}

#[test]
fn main_comes_from_where_its_loop_says() {
    let place = std::panic::Location::caller();
    let mut other = tasks();
    other.set_main_place(place);
    let seen = |tasks: Tasks| {
        let place = async { current_info().unwrap().spawned_at };
        tasks.run_main(place, crate::support::settle).1.unwrap()
    };
    assert_eq!(seen(other), place);
    assert_eq!(seen(tasks()).line(), line!() - 3);
}

#[test]
fn tasks_that_are_sent_are_counted_until_the_loop_tells_of_them() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let count = Arc::new(arborio_base::sync::atomic::AtomicUsize::new(0));
    submitter.count_sent(Arc::clone(&count));
    let send = || drop(submitter.spawn(async {}, SpawnOptions::new()));
    (0..3).for_each(|_| send());
    let sent = || count.load(arborio_base::sync::atomic::Ordering::Relaxed);
    assert_eq!(sent(), 3);
    let ((), ended) = tasks.run_main(async {}, |running| {
        assert_eq!((running.take_mail(), running.take_arrivals()), (3, 3));
        assert_eq!(running.take_arrivals(), 0);
        while running.run_next() {}
    });
    ended.unwrap();
    send();
    assert_eq!(sent(), 3, "the loop has ended");
}

#[test]
fn a_wake_is_no_arrival_and_without_a_count_nothing_is() {
    for counts in [true, false] {
        let tasks = tasks();
        let submitter = tasks.submitter();
        if counts {
            submitter.count_sent(Arc::default());
        }
        let main = async {
            let waker = crate::support::own_waker().await;
            abroad(|| waker.wake());
            drop(abroad(|| submitter.spawn(async {}, SpawnOptions::new())));
            turn().await;
        };
        let ((), ended) = tasks.run_main(main, |running| {
            running.run_next();
            assert_eq!(running.take_mail(), 2);
            assert_eq!(running.take_arrivals(), usize::from(counts));
            while running.run_next() {}
        });
        ended.unwrap();
    }
}

#[test]
fn what_comes_from_other_threads_is_told_by_number() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let send = |count: usize| {
        (0..count).for_each(|_| drop(abroad(|| submitter.spawn(async {}, SpawnOptions::new()))));
    };
    let ((), ended) = tasks.run_main(async {}, |running| {
        send(2);
        assert_eq!(running.take_mail(), 2);
        send(3);
        assert_eq!(running.take_mail_permuted(&mut |_| 0), 3);
        while running.run_next() {}
    });
    ended.unwrap();
}

/// Only wakes have no order to keep, so a shuffle draws a number for each but the last.
#[test]
fn a_shuffle_of_wakes_draws_below_how_many_are_left() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let tasks = tasks();
    let main = async {
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let all: Vec<_> = (0..4)
            .map(|number| {
                let (log, wakers) = (Arc::clone(&log), Arc::clone(&wakers));
                spawn(async move {
                    let waker = crate::support::own_waker().await;
                    wakers.lock().unwrap().push(waker);
                    let mut polls = 0;
                    std::future::poll_fn(|_| {
                        polls += 1;
                        match polls {
                            1 => std::task::Poll::Pending,
                            _ => std::task::Poll::Ready(()),
                        }
                    })
                    .await;
                    log.lock().unwrap().push(number);
                })
            })
            .collect();
        turn().await;
        abroad(|| {
            let wakers = std::mem::take(&mut *wakers.lock().unwrap());
            wakers.into_iter().for_each(std::task::Waker::wake);
        });
        for task in all {
            task.await.unwrap();
        }
    };
    let mut drawn = Vec::new();
    let ((), ended) = tasks.run_main(main, |running| {
        while running.pending() > 0 {
            while running.run_next() {}
            let draw = &mut |below: usize| {
                drawn.push(below);
                0
            };
            running.take_mail_permuted(draw);
        }
    });
    ended.unwrap();
    assert_eq!(drawn, [4, 3, 2]);
    assert_eq!(*log.lock().unwrap(), [1, 2, 3, 0]);
}

#[test]
fn a_loop_knows_the_team_that_it_is_of() {
    let (one, other) = (tasks(), tasks());
    let both = [one.submitter(), other.submitter()];
    assert_eq!(both[0].team(), both[..1], "it is alone");
    let team = Arc::new(Mutex::new(Vec::new()));
    let known = Arc::clone(&team);
    both[0].know_team(move || known.lock().unwrap().clone());
    assert_eq!(both[0].team(), both[..1], "nobody runs yet");
    *team.lock().unwrap() = both.to_vec();
    assert_eq!(both[0].team(), both);
    assert_eq!(both[1].team(), both[1..]);
    team.lock().unwrap().clear();
}

#[test]
fn who_waits_for_force_is_told_once_it_comes_or_at_once() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let told = Arc::new(AtomicUsize::new(0));
    let tell = || {
        let told = Arc::clone(&told);
        move || {
            told.fetch_add(1, Ordering::Relaxed);
        }
    };
    submitter.when_forced(tell());
    assert_eq!(told.load(Ordering::Relaxed), 0);
    submitter.force();
    assert_eq!(told.load(Ordering::Relaxed), 1);
    submitter.when_forced(tell());
    assert_eq!(told.load(Ordering::Relaxed), 2);
}

/// Counts its calls.
#[derive(Default)]
struct Calls(AtomicUsize);

impl Notify for Calls {
    fn notify(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn the_last_submitter_to_go_tells_the_loop_and_those_who_only_watch_do_not_count() {
    for watchers in 0..3 {
        let calls = Arc::new(Calls::default());
        let tasks = Tasks::new(calls.clone());
        let watched: Vec<_> = (0..watchers).map(|_| tasks.watched()).collect();
        let all = [0; 5].map(|_| tasks.submitter());
        let told = all.map(|submitter: Submitter| {
            drop(submitter);
            calls.0.load(Ordering::SeqCst)
        });
        assert_eq!(told[3..], [0, 1].map(|told| told), "{watchers} watch");
        assert_eq!(told[..3], [0; 3]);
        drop(watched);
        let ((), ended) = tasks.run_main(async {}, |running: &Running<'_>| {
            assert!(!running.has_submitters());
            while running.run_next() {}
        });
        ended.unwrap();
    }
}

#[test]
fn attention_is_called_for_by_an_end_and_not_by_a_poll() {
    let tasks = tasks();
    let ((), ended) = tasks.run_main(turn(), |running| {
        assert!(!running.take_attention());
        assert!(running.run_next());
        assert!(!running.take_attention());
        assert!(running.run_next());
        assert!(running.take_attention() && !running.take_attention());
    });
    ended.unwrap();
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_tells_which_task_it_was_and_gives_what_it_was_raised_with() {
    run(async {
        let line = line!() + 1;
        let task = try_spawn(async { std::panic::panic_any(7) }, named("cook")).ok();
        let outcome: Result<(), _> = task.unwrap().await;
        let Err(Interrupt::Panicked(payload)) = outcome else {
            panic!("it has panicked");
        };
        assert_eq!(payload.task_name(), Some("cook"));
        assert_eq!(payload.spawned_at().map(|place| place.line()), Some(line));
        let raised = payload.clone().take().expect("nobody has taken it");
        assert_eq!(*raised.downcast::<i32>().unwrap(), 7);
        assert!(payload.take().is_none());
    });
}

#[test]
fn a_callback_that_comes_late_is_called_before_the_outcome_is_given() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let seen = Arc::new(AtomicUsize::new(0));
    let note = |task: &Task<usize>, sum: usize| {
        let seen = Arc::clone(&seen);
        task.on_done(move |outcome| {
            seen.fetch_add(sum + outcome.copied().unwrap_or(100), Ordering::Relaxed);
        });
    };
    let main = async {
        let mut task = spawn(async { 6 });
        turn().await;
        assert!(task.is_finished());
        note(&task, 10);
        assert_eq!(seen.load(Ordering::Relaxed), 0, "never in the call");
        assert_eq!(task.try_take().unwrap().unwrap(), 6);
        assert_eq!(seen.load(Ordering::Relaxed), 16);
        let mut awaited = spawn(async { 8 });
        turn().await;
        note(&awaited, 10);
        let waker = std::task::Waker::noop();
        let polled =
            std::pin::Pin::new(&mut awaited).poll(&mut std::task::Context::from_waker(waker));
        assert!(polled.is_ready(), "the first poll has it called");
        assert_eq!(seen.swap(16, Ordering::Relaxed), 16 + 18);
    };
    tasks.run_main(main, crate::support::settle).1.unwrap();
    let mut late = submitter.spawn(async { 7 }, SpawnOptions::new());
    note(&late, 1000);
    assert_eq!(seen.load(Ordering::Relaxed), 16 + 1100, "its loop is over");
    assert!(late.try_take().unwrap().is_err());
}

/// Counts who holds it.
struct Held;

impl std::task::Wake for Held {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn who_stops_waiting_for_a_shared_handle_takes_the_waker_back() {
    use std::{future::IntoFuture, pin::pin, task::Context};
    let tasks = tasks();
    let submitter = tasks.submitter();
    let held = Arc::new(Held);
    let waker = std::task::Waker::from(Arc::clone(&held));
    let known = || Arc::strong_count(&held) - 2;
    let wait = |task: &Task<()>| {
        let mut joining = pin!(task.into_future());
        assert!(
            joining
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert_eq!(known(), 1);
    };
    let task = submitter.spawn(pending::<()>(), SpawnOptions::new());
    wait(&task);
    assert_eq!(known(), 0, "from abroad");
    let main = async {
        wait(&task);
        assert_eq!(known(), 0, "on its loop");
    };
    tasks
        .run_main(main, |running| while running.run_next() {})
        .1
        .unwrap();
    assert!(block_on(task).is_err());
}
