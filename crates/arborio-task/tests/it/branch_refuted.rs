//! Attempts to break branches of the tree with safe code. Those that once did
//! stay here, and so do those that show what holds.

use std::{
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
};

use arborio_task::{
    Branch, Describe, Interrupt, Reason, ReasonKind, ScopeInfo, SpawnOptions, Task, try_spawn,
};

use crate::support::{OnDrop, Probes, run, settle, spawn, tasks, turn};

fn nobody() -> Arc<()> {
    Arc::new(())
}

fn enter() -> Arc<Branch> {
    Branch::enter(nobody()).expect("a loop runs")
}

#[track_caller]
fn on<F: Future<Output: 'static> + 'static>(branch: &Branch, future: F) -> Task<F::Output> {
    let spawned = branch.try_spawn(future, SpawnOptions::new());
    spawned.ok().expect("the branch is open")
}

fn asked() -> Interrupt {
    Interrupt::Cancelled(Reason::new(ReasonKind::Cancel))
}

/// What builds on a branch and holds what it wants.
struct Holder<T>(Mutex<Option<T>>);

impl<T: Send + 'static> Describe for Holder<T> {
    fn describe(&self) -> ScopeInfo {
        ScopeInfo::new(std::panic::Location::caller())
    }
}

impl<T> Holder<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(None)))
    }

    fn put(&self, value: T) {
        *self.0.lock().unwrap() = Some(value);
    }
}

async fn fails() {
    panic!("on purpose");
}

#[cfg(panic = "unwind")]
#[test]
fn the_owner_of_an_open_branch_holds_a_task_with_a_panic_when_the_loop_ends() {
    // The handle is dropped after the branch was: the panic must not go to its node.
    run(async {
        let holder = Holder::new();
        let branch = Branch::enter(holder.clone()).unwrap();
        let options = SpawnOptions::new().observed(true);
        let task = branch.try_spawn(fails(), options).ok().unwrap();
        turn().await;
        assert!(task.is_finished());
        holder.put(task);
    });
}

#[test]
fn the_owner_of_an_open_branch_spawns_when_the_loop_ends() {
    // The task that comes of it must be settled like every other.
    static LATE: Mutex<Option<Task<()>>> = Mutex::new(None);
    let probes = Probes::default();
    let probe = probes.probe();
    run(async move {
        let last_words = OnDrop::new(move || {
            let task = try_spawn(async move { drop(probe) }, SpawnOptions::new());
            *LATE.lock().unwrap() = task.ok();
        });
        let holder = Holder::new();
        holder.put(last_words);
        drop(Branch::enter(holder).unwrap());
    });
    let late = LATE.lock().unwrap().take().expect("it was spawned");
    assert!(late.is_finished());
    drop(late);
    assert_eq!(probes.alive(), 0);
}

#[cfg(panic = "unwind")]
#[test]
fn a_branch_leaves_while_the_loop_ends_its_tasks() {
    struct Leaver(Mutex<Option<Arc<Branch>>>);
    impl Wake for Leaver {
        fn wake(self: Arc<Self>) {
            let branch = self.0.lock().unwrap().take();
            if let Some(branch) = branch {
                drop(branch.leave());
            }
        }
    }
    static KEPT: Mutex<Vec<Task<()>>> = Mutex::new(Vec::new());
    let ((), _) = tasks().run_main(
        async {
            let branch = enter();
            let options = || SpawnOptions::new().observed(true);
            let panicked = branch.try_spawn(fails(), options()).ok().unwrap();
            let last = branch.try_spawn(pending(), options()).ok().unwrap();
            KEPT.lock().unwrap().extend([panicked, last]);
            turn().await;
            let leaver = Arc::new(Leaver(Mutex::new(Some(Arc::clone(&branch)))));
            branch.wake_on_change(&Waker::from(leaver));
        },
        |running| while running.run_next() {},
    );
    let kept = std::mem::take(&mut *KEPT.lock().unwrap());
    assert!(kept.iter().all(Task::is_finished));
}

#[cfg(panic = "unwind")]
#[test]
fn a_handle_is_dropped_by_the_waker_that_takes_the_branch_out_at_the_end() {
    type Last = (Arc<Branch>, Task<()>);
    struct Leaver(Mutex<Option<Last>>);
    impl Wake for Leaver {
        fn wake(self: Arc<Self>) {
            let last = self.0.lock().unwrap().take();
            if let Some((branch, task)) = last {
                drop(branch.leave());
                drop(branch);
                drop(task);
            }
        }
    }
    let ((), _) = tasks().run_main(
        async {
            let branch = enter();
            let options = SpawnOptions::new().observed(true);
            let panicked = branch.try_spawn(fails(), options).ok().unwrap();
            drop(on(&branch, pending::<()>()));
            turn().await;
            let leaver = Leaver(Mutex::new(Some((Arc::clone(&branch), panicked))));
            branch.wake_on_change(&Waker::from(Arc::new(leaver)));
        },
        |running| while running.run_next() {},
    );
}

#[cfg(panic = "unwind")]
#[test]
fn a_branch_that_leaves_inside_a_destructor_of_its_own_task_is_refused() {
    run(async {
        let branch = enter();
        let caught = Arc::new(AtomicUsize::new(0));
        let (theirs, counted) = (Arc::clone(&branch), Arc::clone(&caught));
        let guard = OnDrop::new(move || {
            let left = catch_unwind(AssertUnwindSafe(|| theirs.leave()));
            counted.fetch_add(usize::from(left.is_err()), Ordering::Relaxed);
        });
        let task = on(&branch, async move {
            let _guard = guard;
            pending::<()>().await;
        });
        turn().await;
        task.abort();
        assert_eq!(caught.load(Ordering::Relaxed), 1);
        assert_eq!(branch.pending(), 0);
        drop(branch.leave());
    });
}

#[cfg(panic = "unwind")]
#[test]
fn an_output_whose_destructor_leaves_the_branch_is_contained() {
    run(async {
        let branch = enter();
        let theirs = Arc::clone(&branch);
        let task = on(
            &branch,
            async move { OnDrop::new(move || drop(theirs.leave())) },
        );
        drop(task); // the output is dropped while the task still counts
        turn().await;
        assert_eq!(branch.pending(), 0);
        assert!(branch.is_here(), "it did not leave");
        drop(branch.leave());
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_waker_that_panics_does_not_upset_the_count() {
    struct Broken;
    impl Wake for Broken {
        fn wake(self: Arc<Self>) {
            panic!("a broken waker");
        }
    }
    run(async {
        let branch = enter();
        branch.wake_on_change(&Waker::from(Arc::new(Broken)));
        drop(on(&branch, async {}));
        turn().await;
        assert_eq!(branch.pending(), 0);
        drop(branch.leave());
    });
}

#[test]
fn a_waker_that_spawns_on_the_branch_again_is_counted() {
    struct Again(Weak<Branch>);
    impl Wake for Again {
        fn wake(self: Arc<Self>) {
            drop(on(&self.0.upgrade().unwrap(), async {}));
        }
    }
    run(async {
        let (outer, branch) = (enter(), enter());
        branch.wake_on_change(&Waker::from(Arc::new(Again(Arc::downgrade(&branch)))));
        drop(on(&branch, async {}));
        turn().await;
        assert_eq!(branch.pending(), 1);
        turn().await;
        assert_eq!(branch.pending(), 0);
        drop(branch.leave());
        drop(outer.leave());
    });
}

#[cfg(panic = "unwind")]
#[test]
fn branches_that_leave_in_any_order_leave_the_counts_right() {
    run(async {
        for order in 0..6 {
            let first = enter();
            let second = first.enter_below(nobody()).unwrap();
            let third = second.enter_below(nobody()).unwrap();
            if order % 2 == 0 {
                drop(second.leave()); // what is below it hangs on the first now
            }
            let task = on(&third, pending::<()>());
            assert_eq!((first.pending(), third.pending()), (1, 1));
            if order % 3 == 0 {
                assert!(catch_unwind(AssertUnwindSafe(|| first.leave())).is_err());
            }
            task.abort();
            assert_eq!((first.pending(), third.pending()), (0, 0));
            for branch in [&first, &third, &second] {
                drop(branch.leave());
            }
            assert!(third.leave().is_empty(), "twice is as good as once");
        }
    });
}

#[test]
fn a_branch_is_of_no_use_abroad() {
    let branch = run(async {
        let branch = enter();
        drop(on(&branch, async {}));
        let theirs = Arc::clone(&branch);
        let elsewhere = thread::spawn(move || {
            assert!(!theirs.is_here());
            assert!(theirs.try_spawn(async {}, SpawnOptions::new()).is_err());
            assert!(theirs.force(&asked()).is_empty());
            theirs.cancel_all(asked());
            assert!(theirs.leave().is_empty());
            theirs.pending()
        });
        assert_eq!(elsewhere.join().unwrap(), 0);
        assert_eq!(branch.pending(), 1, "and nothing has happened to it");
        turn().await;
        branch
    });
    assert!(!branch.is_here(), "its loop is over");
    assert!(branch.try_spawn(async {}, SpawnOptions::new()).is_err());
    thread::spawn(move || drop(branch)).join().unwrap();
}

#[test]
fn a_loop_inside_a_task_takes_no_branch_of_the_loop_around_it_for_its_own() {
    run(async {
        let branch = enter();
        branch.within(|| {
            run(async {
                assert!(Branch::current().is_none());
                let inner = enter();
                drop(on(&inner, async {}));
            });
        });
        assert_eq!(branch.pending(), 0);
        drop(branch.leave());
    });
}

#[cfg(panic = "unwind")]
#[test]
fn what_code_belongs_to_is_put_back_when_it_panics_and_does_not_count_for_others() {
    run(async {
        let branch = enter();
        let same =
            |one: &Option<Arc<Branch>>| one.as_ref().is_some_and(|b| Arc::ptr_eq(b, &branch));
        let dropped_in = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&dropped_in);
        let other = spawn(async move {
            let _guard = OnDrop::new(move || noted.lock().unwrap().push(Branch::current()));
            pending::<()>().await;
        });
        turn().await;
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            branch.within(|| {
                assert!(same(&Branch::current()));
                other.abort(); // its destructor runs here, but belongs to the root
                panic!("on purpose");
            })
        }));
        assert!(panicked.is_err());
        assert!(Branch::current().is_none());
        assert!(dropped_in.lock().unwrap()[0].is_none());
        drop(branch.leave());
    });
}

#[test]
fn forcing_reaches_what_is_below_and_nothing_else() {
    run(async {
        let probes = Probes::default();
        let endless = |branch: &Branch| {
            let probe = probes.probe();
            drop(on(branch, async move {
                pending::<()>().await;
                drop(probe);
            }));
        };
        let (root, beside) = (enter(), enter());
        let gone = root.enter_below(nobody()).unwrap();
        let below = gone.enter_below(nobody()).unwrap();
        drop(gone.leave());
        for branch in [&root, &beside, &below] {
            endless(branch);
        }
        turn().await;
        assert_eq!(root.force(&asked()).len(), 2);
        assert_eq!(probes.alive(), 1);
        assert!(below.is_forced() && !beside.is_forced());
        assert!(below.try_spawn(async {}, SpawnOptions::new()).is_err());
        assert_eq!((root.pending(), beside.pending()), (0, 1));
        drop(beside.force(&asked()));
    });
}

#[test]
fn a_destructor_that_forces_the_branch_again_ends_each_task_once() {
    run(async {
        let branch = enter();
        let probes = Probes::default();
        for _ in 0..100 {
            let (again, probe) = (Arc::clone(&branch), probes.probe());
            drop(on(&branch, async move {
                let _guard = OnDrop::new(move || drop(again.force(&asked())));
                pending::<()>().await;
                drop(probe);
            }));
        }
        turn().await;
        assert_eq!(branch.force(&asked()).len(), 100);
        for _ in 0..100 {
            turn().await; // what was too deep has its turn
        }
        assert_eq!((probes.dropped(), branch.pending()), (100, 0));
        drop(branch.leave());
    });
}

#[test]
fn a_task_that_forces_its_own_branch_ends_when_its_poll_returns() {
    run(async {
        let branch = enter();
        let own = Arc::clone(&branch);
        let task = on(&branch, async move {
            assert_eq!(own.force(&asked()).len(), 1);
            poll_fn(|_: &mut Context<'_>| Poll::<()>::Pending).await;
        });
        assert!(matches!(task.await, Err(Interrupt::Cancelled(_))));
        assert_eq!(branch.pending(), 0);
        drop(branch.leave());
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_in_a_handle_that_outlives_its_branch_goes_to_the_loop() {
    let ((), _) = tasks().run_main(
        async {
            let branch = enter();
            let options = SpawnOptions::new().observed(true);
            let task = branch.try_spawn(fails(), options).ok().unwrap();
            turn().await;
            assert!(branch.leave().is_empty());
            drop(branch);
            drop(task);
        },
        |running| {
            settle(running);
            assert_eq!(running.take_panics().len(), 1);
        },
    );
}

#[test]
fn a_hundred_thousand_branches_below_each_other_are_dropped_without_a_deep_stack() {
    let small = thread::Builder::new().stack_size(256 * 1024);
    let deep = small.spawn(|| {
        run(async {
            let mut branch = enter();
            for _ in 0..100_000 {
                branch = branch.enter_below(nobody()).unwrap();
            }
            assert!(on(&branch, pending::<()>()).cancel());
            turn().await;
        });
    });
    deep.unwrap().join().unwrap();
}

#[test]
fn the_branch_of_a_task_that_nobody_waits_for_holds_nobody_up() {
    run(async {
        let options = SpawnOptions::new().awaited(false);
        let entered = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&entered);
        let daemon = async move {
            let branch = enter();
            drop(on(&branch, pending::<()>()));
            *noted.lock().unwrap() = Some(branch);
            pending::<()>().await;
        };
        drop(try_spawn(daemon, options));
        turn().await;
        let branch = entered.lock().unwrap().take().unwrap();
        assert_eq!(branch.pending(), 1);
    }); // `main` is the only one that the loop waits for
}
