//! Scopes, whose tasks other workers poll as guests.

use std::{future::poll_fn, sync::Arc, task::Poll};

use arborio_base::sync::random_below;
use arborio_executor::spawn;
use arborio_task::{Branch, SpawnOptions};

use crate::{
    Boxed, any_crew,
    ledger::Ledger,
    rest,
    schedules::explore,
    tree,
    world::{Gate, Seen},
};

/// A scope, as far as tasks and loops know it: its tasks are guests of other workers, spawn others on it, and have scopes of
/// their own. One of them blocks its worker for a while if it `may_block`.
fn scope(ledger: Ledger, depth: usize, may_block: bool) -> Boxed<()> {
    Box::pin(async move {
        let branch = Branch::enter(Arc::new(())).expect("the team goes on");
        let mut tasks = Vec::new();
        for number in 0..1 + random_below(4) {
            let child = match random_below(4) {
                0 if depth > 0 => scope(ledger.clone(), depth - 1, false),
                1 => spawns_beside(ledger.clone(), &branch, may_block && number == 0),
                _ => Box::pin(rest()),
            };
            let task = branch.try_spawn_sent(ledger.watch(child), SpawnOptions::new());
            tasks.push(task.ok().expect("it is open"));
        }
        rest().await;
        for task in tasks {
            if random_below(3) != 0 {
                ledger.output(task.await);
            }
        }
        poll_fn(|cx| {
            branch.wake_on_change(cx.waker());
            match branch.pending() {
                0 => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
        let panics = branch.leave();
        assert!(panics.is_empty());
    })
}

/// Spawns another task on `branch`, which it hangs on, and may block until that has run.
fn spawns_beside(ledger: Ledger, branch: &Arc<Branch>, blocks: bool) -> Boxed<()> {
    let branch = Arc::clone(branch);
    Box::pin(async move {
        rest().await;
        let gate = Gate::default();
        let opens = gate.clone();
        let beside = ledger.watch(async move {
            rest().await;
            opens.open();
        });
        let task = branch.try_spawn_sent(beside, SpawnOptions::new());
        if blocks {
            gate.pass();
        }
        if random_below(2) == 0 {
            ledger.output(task.ok().expect("it is open").await);
        }
    })
}

/// Tasks of scopes end at home, wherever they are polled, and their scopes after them.
#[test]
fn tasks_of_scopes_are_guests_and_come_home() {
    let given = Seen::default();
    let seen = given.clone();
    explore("tasks_of_scopes_are_guests_and_come_home", move || {
        let ledger = Ledger::default();
        let main = async {
            let other = spawn(ledger.watch(scope(ledger.clone(), 1, false)));
            let several = spawn(ledger.watch(tree(ledger.clone(), 1)));
            scope(ledger.clone(), 1, random_below(2) == 0).await;
            ledger.output(other.await);
            drop(several);
        };
        let outcome = any_crew().run(main);
        seen.add(outcome.given);
        ledger.close_with_all_ended();
        outcome.close();
    });
    given.check("tasks that were given");
}
