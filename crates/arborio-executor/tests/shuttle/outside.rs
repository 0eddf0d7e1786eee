//! Threads that are no workers send tasks, wait for them and end them.

use std::future::pending;

use arborio_base::sync::random_below;
use arborio_executor::{Task, Team, spawn};
use arborio_task::SpawnOptions;
use shuttle::{
    sync::{Arc, mpsc::channel},
    thread,
};

use crate::{
    any_crew, any_inbox,
    ledger::{Ledger, Note},
    rest,
    schedules::explore,
    tree,
    world::{Seen, block_on},
};

/// Tasks that would wait for ever are ended by threads that have their handles.
#[test]
fn tasks_are_ended_from_outside_wherever_they_are() {
    let given = Seen::default();
    let seen = given.clone();
    explore(
        "tasks_are_ended_from_outside_wherever_they_are",
        move || {
            let ledger = Ledger::default();
            let (give, handles) = channel::<Task<()>>();
            let ender = thread::spawn(move || {
                for task in handles {
                    match random_below(3) {
                        0 => task.abort(),
                        1 => drop(task.cancel()),
                        _ => {
                            task.abort();
                            let _ = block_on(task);
                        }
                    }
                }
            });
            let main = async {
                for _ in 0..1 + random_below(4) {
                    let watch = ledger.clone();
                    let waits = async move {
                        rest().await;
                        let inner = spawn(watch.watch(tree(watch.clone(), 1)));
                        if random_below(2) == 0 {
                            watch.output_if_any(inner.await);
                        }
                        pending().await
                    };
                    give.send(spawn(ledger.watch(waits))).unwrap();
                    rest().await;
                }
                drop(give);
            };
            let outcome = any_crew().run(main);
            ender.join().unwrap();
            seen.add(outcome.given);
            ledger.close();
            outcome.close();
        },
    );
    given.check("tasks that were given");
}

/// What `main` waits for before it returns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Nothing: what is sent may come too late.
    Now,
    /// All tasks were sent. They are waited for all the same.
    Sent,
    /// They have run.
    Done,
}

/// What a thread sends is polled, also if everybody is just about to sleep; and who waits for it is told. What comes too
/// late is dropped, and its sender told.
#[test]
fn x17_threads_send_as_the_last_worker_goes_to_sleep() {
    let given = Seen::default();
    let seen = given.clone();
    explore(
        "x17_threads_send_as_the_last_worker_goes_to_sleep",
        move || {
            let ledger = Ledger::default();
            let (sent, done) = (Note::default(), Note::default());
            let (senders, each) = (1 + random_below(2), 1 + random_below(3));
            let until = [Until::Now, Until::Sent, Until::Done][random_below(3)];
            let crew = any_crew();
            let team = Arc::clone(&crew.team);
            let mut threads = Vec::new();
            let main = async {
                for _ in 0..senders {
                    let (team, ledger) = (Arc::clone(&team), ledger.clone());
                    let (sent, done) = (sent.clone(), done.clone());
                    let send = move || send_some(&team, &ledger, &sent, &done, each, until);
                    threads.push(thread::spawn(send));
                }
                rest().await;
                match until {
                    Until::Now => {}
                    Until::Sent => sent.reaches(senders * each).await,
                    Until::Done => done.reaches(senders * each).await,
                }
            };
            let outcome = crew.run(main);
            for thread in threads {
                thread.join().unwrap();
            }
            seen.add(outcome.given);
            drop((team, sent, done));
            match until {
                Until::Now => {
                    ledger.close();
                    outcome.close_late();
                }
                Until::Sent | Until::Done => {
                    ledger.close_with_all_ended();
                    outcome.close();
                }
            }
        },
    );
    given.check("tasks that were given");
}

pub(crate) fn send_some(
    team: &Team,
    ledger: &Ledger,
    sent: &Note,
    done: &Note,
    count: usize,
    until: Until,
) {
    for _ in 0..count {
        let done = done.clone();
        let tells = async move {
            rest().await;
            done.add(1);
        };
        let task = any_inbox(team).spawn(ledger.watch(tells), SpawnOptions::new());
        sent.add(1);
        match random_below(3) {
            0 => {}
            _ if until == Until::Now => drop(ledger.output_if_any(block_on(task))),
            _ => drop(ledger.output(block_on(task))),
        }
    }
}
