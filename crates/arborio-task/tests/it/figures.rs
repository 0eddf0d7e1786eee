//! What a loop tells of itself to whoever counts.

use std::{future::pending, sync::Arc};

use arborio_task::{Branch, Running, SpawnOptions, WorkerMetrics, try_spawn};

use crate::support::{spawn, tasks};

#[test]
fn the_figures_of_two_workers_add_up() {
    let figures = |from: u64| {
        let mut figures = WorkerMetrics::default();
        let fields = [
            &mut figures.tasks,
            &mut figures.polls,
            &mut figures.turns,
            &mut figures.given,
            &mut figures.rescued,
            &mut figures.timers,
            &mut figures.descriptors,
        ];
        for (field, number) in fields.into_iter().zip(from..) {
            *field = number * number;
        }
        figures
    };
    let mut sum = figures(3);
    sum += figures(11);
    let all = [
        sum.tasks,
        sum.polls,
        sum.turns,
        sum.given,
        sum.rescued,
        sum.timers,
        sum.descriptors,
    ];
    assert_eq!(all, [130, 160, 194, 232, 274, 320, 370]);
}

/// Has `main` run up to its first suspension, and returns what the loop tells at its next turn.
fn figures_after<F: Future<Output = ()>>(main: F) -> WorkerMetrics {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let told = |running: &Running<'_>| {
        running.run_some(1);
        running.publish(3, 5);
        submitter.figures()
    };
    tasks.run_main(main, told).0
}

#[test]
fn tasks_are_counted_once_wherever_they_hang() {
    let figures = figures_after(async {
        let daemon = || SpawnOptions::new().awaited(false);
        let waits = spawn(pending::<()>());
        let at_root = try_spawn(pending::<()>(), daemon());
        let branch = Branch::enter(Arc::new(())).expect("a loop runs");
        let on_branch = [0, 1].map(|_| branch.try_spawn(pending::<()>(), SpawnOptions::new()));
        let aside = branch.try_spawn(pending::<()>(), daemon());
        assert_eq!((branch.pending(), branch.daemons()), (2, 1));
        pending::<()>().await;
        drop((waits, at_root.ok(), on_branch.map(Result::ok), aside.ok()));
    });
    assert_eq!(
        figures.tasks, 6,
        "main, two at the root, three on the branch"
    );
    let rest = (figures.polls, figures.turns);
    assert_eq!(rest, (1, 1));
    assert_eq!((figures.timers, figures.descriptors), (3, 5));
}

/// Where many scopes are open it takes a while to count their tasks, so that is done only now and then.
#[test]
fn tasks_of_many_branches_are_counted_after_some_polls_for_each() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let turn = |running: &Running<'_>, polls: u32| {
        running.run_some(polls);
        running.publish(0, 0);
        submitter.figures().tasks
    };
    let main = async {
        let enter = || Branch::enter(Arc::new(())).expect("a loop runs");
        let few: Vec<_> = (0..16).map(|_| enter()).collect();
        let one = spawn(pending::<()>());
        crate::support::turn().await; // counted: there are not more than 16
        let more = enter();
        let other = spawn(pending::<()>());
        for _ in 0..200 {
            crate::support::turn().await;
        }
        drop((few, one, more, other));
    };
    let ((), ended) = tasks.run_main(main, |running| {
        assert_eq!(turn(running, 1), 2);
        assert_eq!(turn(running, 2), 2, "not yet counted again");
        assert_eq!(turn(running, 60), 2);
        assert_eq!(turn(running, 10), 3, "4 polls for each of 17");
    });
    assert!(ended.is_err(), "it was dropped while it went on");
}

#[test]
fn tasks_of_many_branches_are_counted_by_the_polls_since_the_last_count() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let main = async {
        let enter = || Branch::enter(Arc::new(())).expect("a loop runs");
        let many: Vec<_> = (0..17).map(|_| enter()).collect();
        for _ in 0..400 {
            drop(spawn(pending::<()>()));
            crate::support::turn().await;
        }
        drop(many);
    };
    let ((), ended) = tasks.run_main(main, |running| {
        let counts_after = |polls: u32| {
            let before = submitter.figures().tasks;
            assert_eq!(running.run_some(polls), polls);
            running.publish(0, 0);
            submitter.figures().tasks > before
        };
        let counted = [100, 40, 20, 20, 40, 40].map(counts_after);
        assert_eq!(counted, [true, false, false, true, false, true]);
    });
    assert!(ended.is_err(), "it was dropped while it went on");
}
