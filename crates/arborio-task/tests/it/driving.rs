//! What whoever drives a loop asks it, and what code of a task asks about where it is.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    sync::Arc,
};

use arborio_task::{
    Branch, Interrupt, Payload, ReasonKind, Running, SpawnOptions, Submitter, Task, current_info,
    is_dropping, is_observed, is_taken_over, try_spawn, try_spawn_sent,
};

use crate::support::{Named, OnDrop, abroad, is_stopped, run, spawn, tasks, turn};

fn send(to: &Submitter) -> Task<()> {
    abroad(|| to.spawn(async {}, SpawnOptions::new()))
}

/// Has `drive` drive a loop whose `main` has been polled once, and waits for ever.
fn drive_beside<R>(main: impl FnOnce(), drive: impl FnOnce(&Running<'_>, &Submitter) -> R) -> R {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let main = async {
        main();
        pending::<()>().await;
    };
    let (driven, ended) = tasks.run_main(main, |running| {
        assert!(running.run_next());
        drive(running, &submitter)
    });
    assert!(ended.is_err(), "it was dropped while it waited");
    driven
}

#[test]
fn a_loop_may_sleep_when_nothing_has_come() {
    drive_beside(
        || (),
        |running, here| {
            for _ in 0..3 {
                assert!(!running.has_mail() && !running.has_ready());
                assert!(running.try_sleep());
                assert_eq!(running.wake_up(), 0, "for nothing");
                drop(send(here));
                assert!(running.has_mail() && !running.try_sleep());
                assert!(!running.has_ready(), "nobody has looked at the mail");
                assert_eq!(running.take_mail(), 1);
                assert!(!running.has_mail() && running.run_next());
                assert!(running.try_sleep());
                let _two = [send(here), send(here)];
                assert_eq!(running.wake_up_permuted(&mut |_| 0), 2);
                assert_eq!(running.run_some(9), 2);
            }
        },
    );
}

#[test]
fn ready_tasks_are_counted_up_to_a_limit() {
    let spawn_some = |count| (0..count).for_each(|_| drop(spawn(async {})));
    for count in 0..5 {
        drive_beside(
            || spawn_some(count),
            |running, _| {
                assert_eq!(running.has_ready(), count > 0);
                assert_eq!(running.has_two_ready(), count > 1);
                assert_eq!(
                    [2, 9].map(|most| running.count_ready(most)),
                    [count.min(2), count]
                );
                assert_eq!(running.pending(), count + 1);
                assert_eq!(running.run_some(3) as usize, count.min(3));
            },
        );
    }
}

#[test]
fn polls_are_counted_that_others_could_have_helped_out_of() {
    let spawn_some = || (0..5).for_each(|_| drop(spawn(async {})));
    drive_beside(spawn_some, |running, here| {
        let polls = |count| {
            let seen = abroad(|| tasks().run_main(async {}, |other| other.polls_of(here)).0);
            assert_eq!((running.polls(), seen), (count, count));
        };
        polls(0); // main was not polled so
        assert_eq!(running.run_until(2, |_| false), 2);
        polls(2);
        assert_eq!(running.run_until(9, |running| running.polls() == 4), 2);
        polls(4);
        assert_eq!(running.run_until(9, |_| false), 1);
        polls(5);
        assert_eq!(here.figures().polls, 5);
    });
}

/// What it does to its loop makes it hold that again, which is not to be taken for a wake.
#[test]
fn a_worker_polls_a_task_that_spawns_no_more_often_than_it_is_woken() {
    let polled = Rc::new(Cell::new(0));
    let count = Rc::clone(&polled);
    let main = std::future::poll_fn(move |_| {
        count.set(count.get() + 1);
        drop(spawn(async {}));
        std::task::Poll::<()>::Pending
    });
    let (polls, ended) = tasks().run_main(main, |running| running.run_until(9, |_| false));
    assert!(ended.is_err(), "it was dropped while it waited");
    assert_eq!((polls, polled.get()), (2, 1), "it, and its child");
}

#[test]
fn a_loop_knows_which_other_one_called_it_last() {
    drive_beside(
        || (),
        |running, here| {
            let send_from_a_loop = || {
                let tasks = tasks();
                let there = tasks.submitter();
                let main = async { drop(here.spawn(async {}, SpawnOptions::new())) };
                let (_, ended) = tasks.run_main(main, |other| other.run_next());
                ended.unwrap();
                there
            };
            let others = [(); 2].map(|()| abroad(send_from_a_loop));
            let called = || others.each_ref().map(|other| running.was_called_by(other));
            assert_eq!(called(), [false, true]);
            drop(send(here));
            assert_eq!(called(), [false, false], "no loop runs there");
            drop(abroad(send_from_a_loop));
            running.take_mail();
            assert!(running.try_sleep());
            assert_eq!(running.wake_up(), 0);
            assert_eq!(called(), [false, false]);
        },
    );
}

#[test]
fn all_tasks_of_the_root_but_one_are_asked_to_end() {
    let tasks = tasks();
    let main = async {
        let daemon = try_spawn(pending::<()>(), SpawnOptions::new().awaited(false));
        [spawn(pending()), spawn(pending()), daemon.ok().unwrap()]
    };
    let (_, left) = tasks.run_main(main, |running| {
        while running.run_next() {}
        assert!(running.main_ended() && !running.main_interrupted());
        assert_eq!((running.pending(), running.daemons()), (2, 1));
        let spared = spawn(pending());
        running.ask_all(&Interrupt::TimedOut, Some(&spared));
        while running.run_next() {}
        assert_eq!((running.pending(), running.daemons()), (1, 0));
        assert!(!spared.is_finished());
    });
    for mut task in left.unwrap() {
        assert!(matches!(task.try_take(), Some(Err(Interrupt::TimedOut))));
    }
}

#[test]
fn a_loop_knows_whether_somebody_may_still_send_tasks() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let watched = tasks.watched();
    let ((), ended) = tasks.run_main(pending::<()>(), |running| {
        assert!(running.has_submitters());
        drop(submitter);
        assert!(!running.has_submitters(), "who watches sends nothing");
    });
    assert!(ended.is_err(), "it was dropped while it waited");
    drop(watched);
}

#[test]
fn a_task_knows_whether_somebody_looks_after_its_outcome() {
    assert!(!is_observed() && !is_taken_over());
    let asks = || async {
        let first = (is_observed(), is_taken_over());
        turn().await;
        (first, (is_observed(), is_taken_over()))
    };
    run(async {
        let alone = spawn(asks());
        let heard = try_spawn(asks(), SpawnOptions::new().observed(true))
            .ok()
            .unwrap();
        turn().await;
        // The first one is awaited from now on.
        let (no, by_handle) = ((false, false), (true, false));
        assert_eq!(alone.await.unwrap(), (no, by_handle));
        assert_eq!(heard.await.unwrap(), (by_handle, by_handle));
        let told = Rc::new(Cell::new(None));
        let tell = Rc::clone(&told);
        let called_back = spawn(asks());
        called_back.on_done_local(move |outcome| tell.set(outcome.ok().copied()));
        called_back.await.unwrap();
        let ((_, first), (_, second)) = told.get().unwrap();
        assert!(first && second, "a callback has it");
    });
}

#[test]
fn code_knows_whose_it_is_and_whether_that_is_being_dropped() {
    assert!(current_info().is_none() && !is_dropping());
    let seen = Rc::new(RefCell::new(Vec::new()));
    let note = Rc::clone(&seen);
    let look = move || {
        let name = current_info().and_then(|info| info.name);
        note.borrow_mut()
            .push((name.map(String::from), is_dropping()));
    };
    let at_drop = look.clone();
    run(async move {
        let options = SpawnOptions::new().name("baker");
        let task = try_spawn(
            async move {
                look();
                let _dropped = OnDrop::new(at_drop);
                pending::<()>().await;
            },
            options,
        );
        let task = task.ok().unwrap();
        turn().await;
        assert_eq!(task.info().unwrap().name.as_deref(), Some("baker"));
        task.abort();
        assert!(task.info().is_none());
    });
    let baker = || Some(String::from("baker"));
    assert_eq!(*seen.borrow(), [(baker(), false), (baker(), true)]);
}

#[test]
fn panics_that_nobody_here_takes_come_up_in_the_branch_above_or_in_the_loop() {
    let tasks = tasks();
    let main = async {
        let outer = Branch::enter(Arc::new(())).unwrap();
        let inner = outer.enter_below(Arc::new(())).unwrap();
        let panic = |message| Payload::new(Box::new(message));
        inner.bubble_above(panic("inner"));
        assert!(outer.has_panics() && !inner.has_panics());
        let panics = outer.take_panics();
        assert_eq!(panics.len(), 1);
        assert_eq!(panics[0].message(), "inner");
        assert!(!outer.has_panics());
        outer.bubble_above(panic("outer"));
        assert!(!outer.has_panics());
        inner.leave();
        outer.leave();
    };
    let (panics, ended) = tasks.run_main(main, |running| {
        assert!(running.run_next());
        running.take_panics()
    });
    ended.unwrap();
    let told: Vec<_> = panics.iter().map(Payload::message).collect();
    assert_eq!(told, ["outer"]);
}

#[test]
fn whoever_waits_above_does_not_wait_for_the_branch_of_a_daemon() {
    let enters = || async {
        let branch = Branch::enter(Arc::new(())).unwrap();
        let is_silent = branch.is_silent();
        branch.leave();
        assert!(!branch.is_silent() && !branch.is_local(), "it is gone");
        is_silent
    };
    run(async move {
        let daemon = try_spawn(enters(), SpawnOptions::new().awaited(false));
        assert!(daemon.ok().unwrap().await.unwrap());
        assert!(!spawn(enters()).await.unwrap());
        let branch = Branch::enter(Arc::new(())).unwrap();
        let seen = abroad(|| {
            (
                branch.is_here(),
                branch.is_local(),
                branch.pending(),
                branch.daemons(),
            )
        });
        assert_eq!(seen, (false, false, 0, 0));
        assert!(branch.is_here() && branch.is_local());
        branch.leave();
    });
}

/// The places of those that have left are taken by others.
#[test]
fn branches_are_shown_in_the_order_in_which_they_were_entered() {
    run(async {
        let names = ["a", "b", "c", "d", "e"];
        let branches = names.map(|name| Branch::enter(Arc::new(Named(name))).unwrap());
        branches[0].leave();
        branches[2].leave();
        let last = Branch::enter(Arc::new(Named("f"))).unwrap();
        let tree = arborio_task::tree();
        let shown: Vec<_> = tree
            .scopes()
            .map(|scope| scope.name.clone().unwrap())
            .collect();
        assert_eq!(shown, ["b", "d", "e", "f"]);
        let tasks: Vec<_> = tree.tasks().map(|task| task.name.clone()).collect();
        assert_eq!(tasks, [Some("main".into())]);
        for branch in branches.iter().chain([&last]) {
            branch.leave();
        }
    });
}

#[test]
fn a_loop_is_stopping_from_when_that_is_noted_and_after_its_end() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    assert!(!submitter.is_stopping() && !submitter.is_closed());
    submitter.note_stop();
    assert!(submitter.is_stopping() && !submitter.is_closed());
    assert!(is_stopped(&send(&submitter).try_take().unwrap()), "refused");
    drop(tasks);
    let other = crate::support::tasks();
    let submitter = other.submitter();
    drop(other);
    assert!(submitter.is_stopping() && submitter.is_closed());
}

#[test]
fn what_is_given_is_told_and_counted() {
    let (here, other) = (tasks(), tasks());
    let (from, to) = (here.submitter(), other.submitter());
    let main = async {
        for _ in 0..7 {
            drop(try_spawn_sent(async {}, SpawnOptions::new()));
        }
    };
    let ((), ended) = here.run_main(main, |running| {
        running.run_next();
        assert_eq!(
            (running.give(&from, 9), running.give_all(&from, 9)),
            (0, 0),
            "to itself"
        );
        assert_eq!((running.give(&to, 2), running.count_ready(9)), (2, 5));
        assert_eq!((running.give_all(&to, 1), running.count_ready(9)), (1, 4));
        assert_eq!((running.give(&to, 9), running.count_ready(9)), (2, 2));
        assert_eq!(from.figures().given, 5);
        while running.run_next() {}
    });
    ended.unwrap();
    let (came, ended) = other.run_main(async {}, |running| {
        let came = (
            running.take_mail(),
            running.take_arrivals(),
            running.take_arrivals(),
        );
        while running.run_next() {}
        came
    });
    ended.unwrap();
    assert_eq!(came, (5, 5, 0));
}

#[test]
fn a_stop_keeps_its_first_reason() {
    let submitter = tasks().submitter();
    assert!(submitter.stop_reason().is_none());
    for kind in [ReasonKind::CtrlC, ReasonKind::Stop] {
        submitter.give_stop_reason(arborio_task::Reason::new(kind));
        let kept = submitter.stop_reason().map(|reason| reason.kind());
        assert_eq!(kept, Some(ReasonKind::CtrlC));
    }
}
