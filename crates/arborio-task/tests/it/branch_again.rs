//! The memory of a branch that is gone serves the next one, and nothing else of it does.

use std::sync::Arc;

use arborio_task::{Branch, Interrupt, Reason, ReasonKind, SpawnOptions};

use crate::support::{Probes, run, turn};

fn enter() -> Arc<Branch> {
    Branch::enter(Arc::new(())).expect("a loop runs")
}

/// Whether memory is used again at all: a sanitizer wants to see every use after free.
fn is_kept() -> bool {
    cfg!(not(arborio_no_cell_cache))
}

#[test]
fn a_branch_that_follows_another_one_takes_its_memory_and_nothing_of_its_state() {
    run(async {
        let first = enter();
        let place = Arc::as_ptr(&first);
        let task = first.try_spawn(std::future::pending::<()>(), SpawnOptions::new());
        drop(task);
        turn().await;
        let end = Interrupt::Cancelled(Reason::new(ReasonKind::Cancel));
        first.cancel_all(end.clone());
        assert_eq!(first.force(&end).len(), 1);
        assert!(first.is_forced() && first.is_closed());
        drop(first.leave());
        drop(first);
        let second = enter();
        assert_eq!(Arc::as_ptr(&second) == place, is_kept());
        assert!(second.is_here() && !second.is_forced() && !second.is_closed());
        assert_eq!((second.pending(), second.daemons()), (0, 0));
        let task = second.try_spawn(async { 6 }, SpawnOptions::new()).ok();
        assert_eq!(second.pending(), 1);
        assert_eq!(task.expect("the branch is open").await.unwrap(), 6);
        assert_eq!(second.tree().tasks().count(), 0);
        let task = second.try_spawn(std::future::pending::<()>(), SpawnOptions::new());
        second.cancel_all(Interrupt::TimedOut);
        let outcome = task.expect("the branch is open").await;
        assert!(matches!(outcome, Err(Interrupt::TimedOut)));
        drop(second.leave());
    });
}

#[test]
fn a_branch_that_somebody_refers_to_stays_gone() {
    run(async {
        let (strong, weak) = (enter(), enter());
        let observed = Arc::downgrade(&weak);
        drop(weak.leave());
        drop(weak);
        drop(strong.leave());
        let others = [enter(), enter(), enter()];
        assert!(others.iter().all(|other| !Arc::ptr_eq(other, &strong)));
        assert!(!strong.is_here() && strong.is_closed());
        assert!(observed.upgrade().is_none_or(|branch| !branch.is_here()));
        others.iter().for_each(|other| drop(other.leave()));
    });
}

#[test]
fn branches_that_are_kept_do_not_keep_those_above_them() {
    run(async {
        let outer = enter();
        let inner = outer.enter_below(Arc::new(())).unwrap();
        drop(inner.leave());
        drop(inner);
        drop(outer.leave());
        let references = if is_kept() { 2 } else { 1 };
        assert_eq!(
            Arc::strong_count(&outer),
            references,
            "ours, and that it is kept"
        );
    });
}

#[test]
fn a_branch_that_is_used_again_hangs_where_it_is_entered() {
    run(async {
        let (above, beside) = (enter(), enter());
        for parent in [&above, &beside, &above] {
            let branch = parent.enter_below(Arc::new(())).unwrap();
            let task = branch.try_spawn(async {}, SpawnOptions::new()).ok();
            assert_eq!((parent.pending(), branch.pending()), (1, 1));
            task.expect("the branch is open").await.unwrap();
            drop(branch.leave());
        }
        assert_eq!((above.pending(), beside.pending()), (0, 0));
        drop((above.leave(), beside.leave()));
    });
}

#[test]
fn who_waited_for_a_branch_is_not_kept_with_it() {
    struct Bell(#[expect(dead_code, reason = "it is dropped with the bell")] crate::support::Probe);
    impl std::task::Wake for Bell {
        fn wake(self: Arc<Self>) {}
    }
    run(async {
        let probes = Probes::default();
        let branch = enter();
        let bell = Arc::new(Bell(probes.probe()));
        branch.wake_on_change(&bell.into());
        assert_eq!(probes.alive(), 1);
        drop(branch.leave());
        assert_eq!(probes.alive(), 0);
    });
}

/// What builds on a branch, and knows it.
struct Knowing(Option<Arc<Branch>>);

impl arborio_task::Describe for Knowing {
    fn describe(&self) -> arborio_task::ScopeInfo {
        arborio_task::ScopeInfo::new(std::panic::Location::caller())
    }
}

#[test]
fn an_owner_that_knows_its_branch_is_made_before_the_branch_is_in_the_tree() {
    run(async {
        let outer = Branch::enter_with(|branch| {
            let early = branch.as_ref().expect("a loop runs");
            assert!(!early.is_here() && early.is_closed());
            assert!(early.try_spawn(async {}, SpawnOptions::new()).is_err());
            Arc::new(Knowing(branch))
        });
        let outer = outer.0.as_ref().expect("a loop runs");
        let inner = outer.enter_below_with(|branch| Arc::new(Knowing(branch)));
        let inner = inner.0.as_ref().expect("it is open");
        let task = inner.try_spawn(async {}, SpawnOptions::new()).ok();
        assert_eq!(outer.pending(), 1);
        task.expect("the branch is open").await.unwrap();
        drop(inner.leave());
        outer.close();
        let late = outer.enter_below_with(|branch| Arc::new(Knowing(branch)));
        assert!(late.0.is_none());
        drop(outer.leave());
    });
}

#[cfg(panic = "unwind")]
#[test]
fn an_owner_that_panics_as_it_is_made_leaves_no_branch_behind() {
    run(async {
        let made = std::panic::catch_unwind(|| {
            Branch::enter_with(|_| -> Arc<Knowing> { panic!("on purpose") })
        });
        assert!(made.is_err());
        assert_eq!(arborio_task::tree().scopes().count(), 0);
        drop(enter().leave());
    });
}
