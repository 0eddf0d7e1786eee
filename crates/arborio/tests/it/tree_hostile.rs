//! The tree when it is deep or wide, and when it is taken at an unusual time.

use std::{
    cell::RefCell,
    future::pending,
    pin::Pin,
    rc::Rc,
    sync::{Arc, Mutex},
    thread,
};

use arborio::{
    Scope,
    cancel::finally,
    scope, spawn, spawn_local, task,
    time::sleep,
    tree,
    tree::{TaskState, Tree},
    yield_now,
};

use futures_lite::future::poll_once;

use crate::{
    scopes::{Code, millis, simulated},
    support,
    tree::{drawn, fails, now, place_of, scope_named},
};

/// A scope in a task of a scope in a task...
fn nest(depth: u32) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let ended = scope(async |s: &Scope<Code>| {
            if depth > 0 {
                s.spawn(nest(depth - 1));
            }
            pending::<Result<(), Code>>().await
        });
        let _ = ended.await;
    })
}

const MANY: u32 = 100_000;

#[test]
fn t03_a_tree_of_a_hundred_thousand_levels_is_taken_and_printed_on_a_small_stack() {
    let small = thread::Builder::new().stack_size(512 * 1024);
    let thread = small.spawn(|| {
        let tree = simulated(async {
            drop(task().awaited(false).spawn_local(nest(MANY - 1)));
            while now().scopes().last().is_none_or(|s| s.tasks > 0) {
                for _ in 0..MANY {
                    yield_now().await;
                }
            }
            now()
        });
        assert_eq!(tree.scopes().count(), MANY as usize);
        let deepest = tree.entries().iter().map(|entry| entry.depth).max();
        assert_eq!(deepest, Some(2 * MANY as usize));
        assert!(tree.to_string().len() < 100_000_000);
        assert_eq!(
            tree.lines().to_string().lines().count(),
            tree.entries().len()
        );
        drop(tree.awaited());
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn t03_a_tree_of_a_hundred_thousand_siblings_is_a_line_if_they_are_alike() {
    simulated(async {
        let ended = scope(async |s: &Scope<Code>| {
            for _ in 0..MANY {
                s.spawn(pending::<()>());
            }
            yield_now().await;
            let tree = s.tree();
            assert_eq!(tree.tasks().count(), MANY as usize);
            let drawn = drawn(&tree);
            assert_eq!(drawn[1..], [format!("└─ {MANY} × task (waiting)")]);
            s.cancel();
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
    });
}

/// What destructors have seen.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Option<TaskState>>>>);

impl Seen {
    /// Takes the tree when it is dropped, and notes what that says of the task of this name.
    fn looks(&self, name: &'static str) -> Looks {
        Looks(self.clone(), name)
    }

    /// Never ready; looks when it is dropped.
    fn inside(&self, name: &'static str) -> impl Future<Output = ()> + Send + 'static {
        let looks = self.looks(name);
        async move {
            let _looks = looks;
            pending::<()>().await;
        }
    }
}

struct Looks(Seen, &'static str);

impl Drop for Looks {
    fn drop(&mut self) {
        let tree = tree();
        let mut tasks = tree.tasks();
        let of_this = tasks.find(|task| task.name.as_deref() == Some(self.1));
        let state = of_this.map(|task| task.state);
        self.0.0.lock().unwrap().push(state);
    }
}

#[cfg(panic = "unwind")]
#[test]
fn t03_the_tree_is_taken_in_destructors_however_a_task_ends() {
    let seen = Seen::default();
    let (here, left) = (seen.clone(), seen.clone());
    simulated(async move {
        let ended = scope(async |s: &Scope<Code>| {
            let ready = here.looks("ends");
            s.task().name("ends").spawn(async move { drop(ready) });
            let aborted = s.task().name("aborted").spawn(here.inside("aborted"));
            let cancelled = s.task().name("cancelled").spawn(here.inside("cancelled"));
            let never = s.task().name("never begun");
            never.spawn(here.inside("never begun")).abort();
            let panics = s.task().name("panics").bubble(false);
            panics.spawn(fails(here.looks("panics")));
            yield_now().await;
            aborted.abort();
            cancelled.cancel();
            yield_now().await;
            let forced = here.inside("forced");
            s.task()
                .name("forced")
                .spawn(finally(pending::<()>(), || forced));
            yield_now().await;
            s.cancel();
            pending::<Result<(), Code>>().await
        });
        assert!(ended.await.is_err());
        drop(task().name("left").awaited(false).spawn_local(async move {
            let _ = scope(async |s: &Scope<Code>| {
                let inside = left.inside("left inside");
                s.task().name("left inside").spawn(inside);
                let _looks = left.looks("left");
                pending::<Result<(), Code>>().await
            })
            .await;
        }));
        sleep(millis(1)).await;
    });
    assert_eq!(*seen.0.lock().unwrap(), [Some(TaskState::Running); 8]);
}

/// Leaks a scope with a task, or waits for ever: of one size in any case.
async fn leaks(leaks: bool) {
    if !leaks {
        pending::<()>().await;
    }
    let leaked = Scope::<Code>::builder().name("leaked");
    let mut run = Box::pin(leaked.run(async |s| {
        s.task().name("lost").spawn(pending::<()>());
        pending::<Result<(), Code>>().await
    }));
    assert!(support::poll_once(&mut run).is_pending()); // with nobody's waker
    crate::leak::on_purpose(run);
}

#[test]
fn t03_a_scope_that_was_leaked_by_a_task_that_has_ended_hangs_on_the_scope_around() {
    simulated(async {
        let ended = scope(async |s: &Scope<Code>| {
            s.task().name("leaks").spawn(leaks(true)).await?;
            // The memory of tasks is used again: none of these is taken for the one.
            for _ in 0..100 {
                s.task().name("another").spawn(leaks(false));
            }
            yield_now().await;
            let tree = s.tree();
            assert_eq!(place_of(&tree, "leaked"), (1, String::new()));
            assert_eq!(place_of(&tree, "lost"), (2, "leaked".into()));
            assert_eq!(tree.tasks().count(), 101);
            s.cancel();
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
    });
}

#[test]
fn t03_there_is_no_tree_elsewhere_nor_after_the_end() {
    assert!(tree().is_empty());
    simulated(async {
        let mut kept = None;
        let ended = scope(async |s: &Scope<Code>| {
            s.spawn(async {});
            assert!(!s.tree().is_empty());
            let elsewhere = s.clone();
            let abroad = move || (tree().is_empty(), elsewhere.tree().is_empty());
            assert_eq!(thread::spawn(abroad).join().unwrap(), (true, true));
            kept = Some(s.clone());
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        let over = kept.unwrap().tree();
        assert!(over.is_empty() && over.lines().to_string().is_empty());
        assert!(over.to_string().starts_with("(no tree"));
    });
}

#[test]
fn t03_what_a_daemon_waits_for_is_not_awaited_either() {
    simulated(async {
        let daemon = task().name("daemon").awaited(false);
        drop(daemon.spawn_local(async {
            let below = Scope::<Code>::builder().name("below");
            let mut run = Box::pin(below.run(async |s| {
                s.spawn(pending::<()>());
                pending::<Result<(), Code>>().await
            }));
            assert!(poll_once(&mut run).await.is_none());
            crate::leak::on_purpose(run); // it hangs on the root once the daemon has ended
        }));
        drop(spawn(async {}).await);
        let tree = now();
        assert_eq!(place_of(&tree, "below"), (1, "run".into()));
        assert!(!scope_named(&tree, "below").awaited);
        assert_eq!(tree.awaited().tasks().count(), 1, "main");
    });
}

#[test]
fn t03_the_tree_is_taken_while_a_scope_is_entered_by_a_task_that_is_being_dropped() {
    struct EntersLate(Rc<RefCell<Tree>>);
    impl Drop for EntersLate {
        fn drop(&mut self) {
            let late = Scope::<Code>::builder().name("late");
            let mut run = Box::pin(late.run(async |_| pending::<Result<(), Code>>().await));
            let _ = support::poll_once(&mut run);
            *self.0.borrow_mut() = tree();
        }
    }
    let seen = Rc::new(RefCell::new(Tree::default()));
    let enters = EntersLate(Rc::clone(&seen));
    simulated(async {
        let dying = spawn_local(async move {
            let _enters = enters;
            pending::<()>().await;
        });
        yield_now().await;
        dying.abort();
    });
    let tree = seen.take();
    assert_eq!(place_of(&tree, "late").0, 2, "{tree}");
}

#[test]
fn t03_a_scope_under_another_executor_has_a_tree_of_its_own() {
    let ended = futures_lite::future::block_on(async {
        let foreign = Scope::<Code>::builder().name("foreign");
        let ended = foreign.run(async |s| {
            s.task().name("task").spawn(pending::<()>());
            let tree = s.tree();
            assert_eq!(place_of(&tree, "task"), (1, "foreign".into()));
            assert_eq!(place_of(&now(), "foreign"), (1, "run".into()));
            s.cancel();
            Ok(())
        });
        ended.await
    });
    assert_eq!(ended, Ok(()));
    assert!(tree().is_empty());
}
