//! Branches at work: where they hang, who may spawn there and when, and what code of theirs may ask.

use std::{
    future::{pending, poll_fn},
    panic::Location,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

use arborio_task::{
    AroundPolls, Branch, Describe, Interrupt, MetTask, Note, Notify, Reason, ReasonKind, ScopeInfo,
    SpawnOptions, Task, Tasks, TreeNode, tree,
};

use crate::support::{Named, OnDrop, Probes, is_cancelled, run, settle, spawn, tasks, turn};

fn enter(name: &'static str) -> Arc<Branch> {
    Branch::enter(Arc::new(Named(name))).expect("a loop runs")
}

#[track_caller]
fn on<F: Future<Output: 'static> + 'static>(
    branch: &Branch,
    name: &'static str,
    future: F,
) -> Task<F::Output> {
    let spawned = branch.try_spawn(future, SpawnOptions::new().name(name));
    spawned.ok().expect("the branch is open")
}

/// The tree, as depths and names.
fn drawn(tree: &arborio_task::Tree) -> Vec<(usize, String)> {
    let name = |node: &TreeNode| match node {
        TreeNode::Scope(scope) => scope.name.clone(),
        TreeNode::Task(task) => task.name.clone(),
        _ => None,
    };
    let entries = tree.entries().iter();
    entries
        .map(|entry| (entry.depth, name(&entry.node).unwrap_or_default().into()))
        .collect()
}

#[test]
fn each_scope_hangs_on_the_task_that_entered_it_with_what_is_its_own() {
    run(async {
        let bakery = enter("bakery");
        let baker = on(&bakery, "baker", async {
            let oven = enter("oven");
            let bread = on(&oven, "bread", pending::<()>());
            let empty = enter("empty");
            drop((bread, empty.leave()));
            poll_fn(|_| Poll::<()>::Pending).await;
            drop(oven);
        });
        let kiosk = enter("kiosk");
        let clerk = on(&kiosk, "clerk", pending::<()>());
        turn().await;
        let own = |name: &str, depth| (depth, name.to_owned());
        let expected = [
            own("", 0),
            own("main", 1),
            own("bakery", 2),
            own("baker", 3),
            own("oven", 4),
            own("bread", 5),
            own("kiosk", 2),
            own("clerk", 3),
        ];
        assert_eq!(drawn(&tree()), expected);
        let part = [own("kiosk", 0), own("clerk", 1)];
        assert_eq!(drawn(&kiosk.tree()), part);
        let part = [
            own("bakery", 0),
            own("baker", 1),
            own("oven", 2),
            own("bread", 3),
        ];
        assert_eq!(drawn(&bakery.tree()), part);
        for branch in [bakery, kiosk] {
            branch.force(&Interrupt::TimedOut);
        }
        drop((baker, clerk));
    });
}

#[test]
fn a_task_reaches_what_builds_on_its_branch_until_that_leaves() {
    assert_eq!(Branch::current_owner::<Named>(), None);
    run(async {
        assert_eq!(Branch::current_owner::<Named>(), None, "it is the root");
        let branch = enter("bakery");
        let here = async {
            (
                Branch::current_owner::<Named>(),
                Branch::current_owner::<u8>(),
            )
        };
        let seen = on(&branch, "asks", here).await.unwrap();
        assert_eq!(seen, (Some(Named("bakery")), None));
        let within = branch.within(Branch::current_owner::<Named>);
        assert_eq!(within, Some(Named("bakery")));
        branch.leave();
        assert_eq!(branch.within(Branch::current_owner::<Named>), None);
    });
}

/// Writes down on which scopes a task hangs that it meets.
pub(crate) struct Meets(pub(crate) Mutex<Vec<(String, Vec<String>)>>);

impl AroundPolls for Meets {
    fn meet(&self, task: &MetTask) -> Note {
        let name = task.name.clone().unwrap_or_default().into();
        let scopes = task.scopes.iter();
        let scopes = scopes.map(|scope| scope.name.clone().unwrap_or_default().into());
        self.0.lock().unwrap().push((name, scopes.collect()));
        Arc::new(())
    }

    fn around(&self, _: &Note, poll: &mut dyn FnMut()) {
        poll();
    }
}

#[test]
fn a_task_is_met_with_the_scopes_that_it_hangs_on() {
    let meets = Arc::new(Meets(Mutex::default()));
    let tasks = tasks();
    tasks.stand_around(meets.clone());
    let main = async {
        let bakery = enter("bakery");
        let oven = bakery.enter_below(Arc::new(Named("oven"))).unwrap();
        on(&oven, "bread", async {}).await.unwrap();
        on(&bakery, "baker", async {}).await.unwrap();
    };
    tasks.run_main(main, settle).1.unwrap();
    let met = meets.0.lock().unwrap();
    let met: Vec<_> = met
        .iter()
        .map(|(name, on)| (&**name, on.join(" in ")))
        .collect();
    let expected = [
        ("main", ""),
        ("bread", "oven in bakery"),
        ("baker", "bakery"),
    ];
    assert_eq!(met, expected.map(|(name, on)| (name, on.to_owned())));
}

#[test]
fn the_grace_of_a_branch_is_known_right_below_it() {
    run(async {
        let outer = enter("outer");
        let inner = outer.enter_below(Arc::new(())).unwrap();
        assert_eq!((outer.grace_above(), inner.grace_above()), (None, None));
        outer.begin_grace(Duration::from_millis(3));
        let begun = Some(Duration::from_millis(3));
        assert_eq!((outer.grace_above(), inner.grace_above()), (None, begun));
        assert!(!outer.is_forced_elsewhere() && !inner.is_forced_elsewhere());
        outer.leave();
        assert_eq!(inner.grace_above(), None, "it is gone");
    });
}

#[test]
fn a_task_that_has_ended_before_it_began_drops_its_future() {
    let probes = Probes::default();
    let spawn_ended = |probe| {
        let future = async move { drop(probe) };
        Branch::spawn_ended(future, SpawnOptions::new(), Interrupt::Closed)
    };
    assert!(spawn_ended(probes.probe()).is_none(), "no loop runs here");
    run(async {
        let task = spawn_ended(probes.probe()).expect("a loop runs");
        assert!(task.is_finished());
        assert!(matches!(task.await, Err(Interrupt::Closed)));
    });
    assert_eq!(probes.alive(), 0);
}

#[test]
fn what_cleans_up_is_spawned_on_a_closed_branch_and_not_on_one_that_is_forced_or_ends() {
    let late = Arc::new(Mutex::new(None));
    let told = Arc::clone(&late);
    let main = async {
        let branch = enter("bakery");
        branch.close();
        let spawn_late = |branch: &Branch| branch.try_spawn_late(async { 6 }, SpawnOptions::new());
        assert!(branch.try_spawn(async {}, SpawnOptions::new()).is_err());
        let task = spawn_late(&branch).ok().expect("it is in the tree");
        assert_eq!(task.await.unwrap(), 6);
        let abroad =
            thread::scope(|scope| scope.spawn(|| spawn_late(&branch).is_err()).join().unwrap());
        assert!(abroad, "its loop is another one");
        let (forced, end) = (enter("forced"), Interrupt::TimedOut);
        assert!(forced.force(&end).is_empty());
        assert!(spawn_late(&forced).is_err());
        let last = OnDrop::new({
            let branch = Arc::clone(&branch);
            move || *told.lock().unwrap() = Some(spawn_late(&branch).is_err())
        });
        let keeps = async move {
            let _last = last;
            pending::<()>().await;
        };
        drop(
            branch
                .try_spawn_late(keeps, SpawnOptions::new())
                .ok()
                .unwrap(),
        );
        turn().await;
    };
    let ((), ended) = tasks().run_main(main, |running| while running.run_next() {});
    ended.unwrap();
    assert_eq!(*late.lock().unwrap(), Some(true), "the loop ends");
}

#[cfg(panic = "unwind")]
#[test]
fn a_branch_does_not_leave_while_a_task_or_a_daemon_is_there() {
    run(async {
        for (awaited, daemons) in [(1, 1), (1, 0), (0, 1)] {
            let branch = enter("bakery");
            let stays = |awaited| {
                let options = SpawnOptions::new().awaited(awaited);
                branch.try_spawn(pending::<()>(), options).ok().unwrap()
            };
            let some: Vec<_> = (0..awaited)
                .map(|_| stays(true))
                .chain((0..daemons).map(|_| stays(false)))
                .collect();
            assert_eq!((branch.pending(), branch.daemons()), (awaited, daemons));
            let leaves = std::panic::AssertUnwindSafe(|| branch.leave());
            assert!(std::panic::catch_unwind(leaves).is_err());
            assert!(branch.is_here());
            some.iter().for_each(Task::abort);
            branch.leave();
        }
    });
}

#[test]
fn a_task_that_entered_a_branch_is_freed_when_the_branch_has_left() {
    struct Alive;
    impl Notify for Alive {
        fn notify(&self) {}
    }
    let notifier = Arc::new(Alive);
    let main = async {
        let enters = spawn(async { enter("bakery") });
        let branch = enters.await.unwrap();
        branch.leave();
        spawn(async { drop(enter("left open")) }).await.unwrap();
    };
    let tasks = Tasks::new(notifier.clone());
    let ((), ended) = tasks.run_main(main, |running| while running.run_next() {});
    ended.unwrap();
    // The loop's memory lives as long as one of its tasks does.
    assert_eq!(Arc::strong_count(&notifier), 1);
}

/// Counts how often it was told that nobody sees to its branch.
#[derive(Default)]
struct Left(Mutex<Vec<thread::ThreadId>>, Mutex<Option<Arc<Branch>>>);

impl Describe for Left {
    fn describe(&self) -> ScopeInfo {
        ScopeInfo::new(Location::caller())
    }

    fn left_abroad(self: Arc<Self>) {
        self.0.lock().unwrap().push(thread::current().id());
        if let Some(branch) = self.1.lock().unwrap().take() {
            branch.leave();
        }
    }
}

/// Brings `left` to the door of its branch, from another thread.
fn leave_abroad(branch: &Branch, left: &Arc<Left>) {
    let left = Arc::clone(left);
    thread::scope(|scope| scope.spawn(|| branch.leave_abroad(left)).join().unwrap());
}

#[test]
fn what_is_left_abroad_is_told_at_home_and_dropped_where_the_loop_has_ended() {
    let left = Arc::<Left>::default();
    let main = async {
        let branch = Branch::enter(left.clone()).expect("a loop runs");
        *left.1.lock().unwrap() = Some(Arc::clone(&branch));
        leave_abroad(&branch, &left);
        assert!(left.0.lock().unwrap().is_empty(), "at its next look");
        while branch.is_here() {
            turn().await;
        }
        let other = enter("open to the end");
        leave_abroad(&other, &left); // nobody will look
        other
    };
    let ((), branch) = tasks().run_main(main, |running| {
        assert!(running.run_next());
        assert!(running.take_mail() > 0 && running.run_next());
    });
    assert_eq!(*left.0.lock().unwrap(), [thread::current().id()]);
    assert_eq!(Arc::strong_count(&left), 1, "a closed door keeps nothing");
    leave_abroad(&branch.unwrap(), &left);
    assert_eq!(Arc::strong_count(&left), 1);
}

#[test]
fn a_task_that_comes_from_another_thread_is_one_of_the_branch_if_that_is_open_still() {
    let abroad = |branch: &Arc<Branch>, polls: &Arc<AtomicUsize>| {
        let (branch, polls) = (Arc::clone(branch), Arc::clone(polls));
        let send = move || {
            let future = async move { polls.fetch_add(1, Ordering::SeqCst) };
            branch.try_spawn_sent(future, SpawnOptions::new()).ok()
        };
        thread::spawn(send).join().unwrap()
    };
    run(async {
        let (branch, polls) = (enter("bakery"), Arc::<AtomicUsize>::default());
        let task = abroad(&branch, &polls).expect("it is open");
        assert_eq!(branch.pending(), 0, "the loop has not looked");
        assert_eq!(task.await.unwrap(), 0);
        let closes = abroad(&branch, &polls).expect("it is open");
        branch.close();
        assert!(matches!(closes.await, Err(Interrupt::Closed)));
        assert!(abroad(&branch, &polls).is_none(), "it is closed");
        let gone = enter("gone");
        let leaves = abroad(&gone, &polls).expect("it is open");
        gone.leave();
        assert!(matches!(leaves.await, Err(Interrupt::Closed)));
        assert!(abroad(&gone, &polls).is_none(), "it is gone");
        assert_eq!(polls.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn tasks_from_another_thread_are_pending_on_their_branch_until_they_have_ended() {
    run(async {
        let branch = enter("bakery");
        let there = Arc::clone(&branch);
        let send = move || {
            there
                .try_spawn_sent(pending::<()>(), SpawnOptions::new())
                .ok()
        };
        let task = thread::spawn(send).join().unwrap().expect("it is open");
        let inbox = arborio_task::Submitter::current().expect("a loop runs");
        let looks = thread::spawn(move || inbox.spawn(async {}, SpawnOptions::new()));
        looks.join().unwrap().await.unwrap();
        assert_eq!(branch.pending(), 1);
        branch.cancel_all(Interrupt::Cancelled(Reason::new(ReasonKind::Cancel)));
        assert!(is_cancelled(&task.await));
        assert_eq!(branch.pending(), 0);
    });
}

/// Nobody waits for what a daemon does, but for its own tasks it does itself.
#[test]
fn what_is_pending_on_a_branch_of_a_daemon_is_so_for_the_one_around() {
    run(async {
        let daemon = async {
            let outer = enter("bakery");
            let inner = outer.enter_below(Arc::new(Named("oven"))).unwrap();
            let task = inner.try_spawn(async {}, SpawnOptions::new()).ok().unwrap();
            let pending = [outer.pending(), inner.pending()];
            task.await.unwrap();
            assert_eq!([outer.pending(), inner.pending()], [0, 0]);
            drop((inner.leave(), outer.leave()));
            pending
        };
        let daemon = arborio_task::try_spawn(daemon, SpawnOptions::new().awaited(false));
        assert_eq!(daemon.ok().unwrap().await.unwrap(), [1, 1]);
    });
}

/// Who is brought there afterwards would stay for ever, if it knows its branch.
#[test]
fn a_loop_that_has_had_a_branch_ends_with_its_door_closed() {
    let owner = Arc::new(Named("bakery"));
    let gone = run(async {
        let branch = enter("oven");
        drop(branch.leave());
        branch
    });
    gone.leave_abroad(Arc::clone(&owner) as _);
    assert_eq!(Arc::strong_count(&owner), 1);
}
