//! Polls that block their worker.

use arborio_base::sync::random_below;
use arborio_executor::{Task, spawn};
use arborio_task::{SpawnOptions, Submitter};
use shuttle::{
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    thread,
};

use crate::{
    any_crew,
    ledger::{Ledger, Note},
    rest,
    schedules::explore,
    world::{Gate, Seen},
};

/// What a thread that is no worker is asked for.
enum Asked {
    /// To send a task that opens the gate.
    Open(Submitter, Gate),
    /// To drop the handle of a task that does, and that may be ready by then.
    LetGo(Task<()>),
}

/// Polls that wait for something that only another task does: the task was spawned, woken or sent behind them.
#[test]
fn x12_what_is_ready_behind_a_long_poll_is_rescued() {
    let rescued = Seen::default();
    let seen = rescued.clone();
    explore(
        "x12_what_is_ready_behind_a_long_poll_is_rescued",
        move || {
            let ledger = Ledger::default();
            let crew = any_crew();
            let long = 1 + random_below(crew.team.len() - 1); // one worker is left
            let team = Arc::clone(&crew.team);
            let (asked, asks) = channel::<Asked>();
            let watch = ledger.clone();
            let sender = thread::spawn(move || {
                for asked in asks {
                    match asked {
                        Asked::Open(inbox, gate) => {
                            let opens = watch.watch(async move { gate.open() });
                            drop(inbox.spawn(opens, SpawnOptions::new()));
                        }
                        Asked::LetGo(task) => drop(task),
                    }
                }
            });
            let main = async {
                for _ in 0..long {
                    drop(spawn(ledger.watch(long_poll(&ledger, &asked))));
                    rest().await;
                }
                drop(asked);
            };
            let outcome = crew.run(main);
            sender.join().unwrap();
            seen.add(outcome.rescued);
            ledger.close_with_all_ended();
            drop(team);
            outcome.close();
        },
    );
    rescued.check("tasks that were rescued");
}

/// A task that blocks its worker until another one has run that is behind it.
fn long_poll(ledger: &Ledger, asked: &Sender<Asked>) -> impl Future<Output = ()> + Send + use<> {
    let (ledger, asked) = (ledger.clone(), asked.clone());
    async move {
        let gate = Gate::default();
        let opens = gate.clone();
        match random_below(4) {
            0 => drop(spawn(ledger.watch(async move { opens.open() }))),
            1 => {
                let note = Note::default();
                let woken = note.clone();
                let waits = async move {
                    woken.reaches(1).await;
                    opens.open();
                };
                drop(spawn(ledger.watch(waits)));
                rest().await;
                note.add(1);
            }
            2 => {
                let task = spawn(ledger.watch(async move { opens.open() }));
                asked.send(Asked::LetGo(task)).unwrap();
            }
            _ => {
                let here = Submitter::current().unwrap();
                asked.send(Asked::Open(here, opens)).unwrap();
            }
        }
        drop(asked);
        gate.pass();
        rest().await;
    }
}
