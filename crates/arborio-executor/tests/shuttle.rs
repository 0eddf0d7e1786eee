//! The whole scheduler of a team under random schedules: the turns of the event loop, tasks that move, and who sleeps.
//!
//! The models of `loom.rs` are small, and exhaustive in what they explore. Here are whole teams of two to four workers that
//! do what programs do. In each schedule somebody must always be able to go on; each future is polled to its end and
//! dropped exactly once; and in the end nobody is counted, searches or sleeps, and no loop is left.
//!
//! What is not seen: orders of accesses that only weaker memory has. Those are for the models.
#![cfg(shuttle)]

#[path = "shuttle/behind.rs"]
mod behind;
#[path = "shuttle/ends.rs"]
mod ends;
#[path = "shuttle/ledger.rs"]
mod ledger;
#[path = "shuttle/outside.rs"]
mod outside;
#[path = "shuttle/schedules.rs"]
mod schedules;
#[path = "shuttle/scopes.rs"]
mod scopes;
#[path = "shuttle/world.rs"]
mod world;

use std::{future::poll_fn, pin::Pin, task::Poll};

use arborio_base::sync::random_below;
use arborio_executor::{Team, spawn, team_model, yield_now};
use arborio_task::{SpawnOptions, Submitter};
use ledger::{Ledger, Note};
use schedules::explore;
use shuttle::{sync::Arc, thread};
use world::{Crew, Seen, event};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

fn any_crew() -> Crew {
    Crew::new(2 + random_below(3))
}

/// Lets others have a turn, in one way or another, or does not.
async fn rest() {
    match random_below(5) {
        0 => event().await,
        1 => yield_now().await,
        2 => turn().await,
        _ => {}
    }
}

/// Goes to the end of the queue.
async fn turn() {
    let mut waits = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waits, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Sends to any worker that has started.
fn any_inbox(team: &Team) -> Submitter {
    let mut inboxes = team.inboxes();
    inboxes.swap_remove(random_below(inboxes.len()))
}

/// A task that spawns others, which spawn others, and awaits most of them. Returns how many it knows of.
fn tree(ledger: Ledger, depth: usize) -> Boxed<usize> {
    Box::pin(async move {
        let width = if depth == 0 { 0 } else { random_below(4) };
        let child = |_| spawn(ledger.watch(tree(ledger.clone(), depth - 1)));
        let children: Vec<_> = (0..width).map(child).collect();
        rest().await;
        let mut count = 1;
        for child in children {
            if random_below(4) != 0 {
                count += ledger.output_if_any(child.await).unwrap_or(0);
            }
        }
        count
    })
}

/// Every task ends, wherever it is, and who awaits it is told.
#[test]
fn tasks_spawn_and_await_each_other() {
    let given = Seen::default();
    let seen = given.clone();
    explore("tasks_spawn_and_await_each_other", move || {
        let ledger = Ledger::default();
        let main = async {
            let tasks: Vec<_> = (0..2)
                .map(|_| spawn(ledger.watch(tree(ledger.clone(), 2))))
                .collect();
            for task in tasks {
                ledger.output(task.await);
            }
        };
        let outcome = any_crew().run(main);
        seen.add(outcome.given);
        ledger.close_with_all_ended();
        outcome.close();
    });
    given.check("tasks that were given");
}

/// A wake reaches its task, wherever that is or goes.
#[test]
fn tasks_wake_each_other_across_workers() {
    let given = Seen::default();
    let seen = given.clone();
    explore("tasks_wake_each_other_across_workers", move || {
        let ledger = Ledger::default();
        let (size, rounds) = (2 + random_below(4), 1 + random_below(3));
        let notes: Arc<[Note]> = (0..size).map(|_| Note::default()).collect();
        let (first, last) = (notes[0].clone(), Note::default());
        let starter = thread::spawn(move || first.add(1));
        let ring = Arc::clone(&notes);
        let main = async {
            for place in 0..size {
                let (notes, last) = (Arc::clone(&ring), last.clone());
                let hops = async move {
                    for round in 1..=rounds {
                        notes[place].reaches(round).await;
                        notes[(place + 1) % size].add(1);
                    }
                    last.add(1);
                };
                let hops = spawn(ledger.watch(hops));
                if random_below(3) == 0 {
                    rest().await;
                }
                drop(hops);
            }
            last.reaches(size).await;
        };
        let outcome = any_crew().run(main);
        starter.join().unwrap();
        seen.add(outcome.given);
        ledger.close_with_all_ended();
        drop((ring, notes, last));
        outcome.close();
    });
    given.check("tasks that were given");
}

/// Tasks that do anything. Those of them that wait for `note` wait until it is 1.
fn walker(ledger: Ledger, note: Note, depth: usize) -> Boxed<()> {
    Box::pin(async move {
        let mut children = Vec::new();
        for _ in 0..1 + random_below(5) {
            match random_below(9) {
                0..3 if depth > 0 => {
                    let child = walker(ledger.clone(), note.clone(), depth - 1);
                    children.push(spawn(ledger.watch(child)));
                }
                3 => {
                    if let Some(child) = children.pop() {
                        ledger.output_if_any(child.await);
                    }
                }
                4 => drop(children.pop()),
                5 => {
                    if let Some(child) = children.pop() {
                        child.abort();
                        ledger.output_if_any(child.await);
                    }
                }
                6 => note.reaches(1).await,
                _ => rest().await,
            }
        }
    })
}

/// Everything at once. Meanwhile somebody looks whether what the workers know of each other can be true.
#[test]
fn x18_a_random_walk_leaves_everybody_at_rest() {
    let given = Seen::default();
    let seen = given.clone();
    explore("x18_a_random_walk_leaves_everybody_at_rest", move || {
        let ledger = Ledger::default();
        let note = Note::default();
        let crew = any_crew();
        let team = Arc::clone(&crew.team);
        let mut threads = Vec::new();
        let main = async {
            let (looked, ledger_of_sent) = (Arc::clone(&team), ledger.clone());
            let (told, sent_note, has_sent) = (note.clone(), note.clone(), note.clone());
            threads.push(thread::spawn(move || {
                for _ in 0..random_below(12) {
                    team_model::check(&looked);
                    thread::yield_now();
                }
                told.add(1);
                team_model::check(&looked);
            }));
            let to = Arc::clone(&team);
            threads.push(thread::spawn(move || {
                let walker = walker(ledger_of_sent.clone(), sent_note, 1);
                let sent = any_inbox(&to).spawn(ledger_of_sent.watch(walker), SpawnOptions::new());
                if random_below(2) == 0 {
                    sent.abort();
                }
                has_sent.add(1);
            }));
            let walkers: Vec<_> = (0..2)
                .map(|_| spawn(ledger.watch(walker(ledger.clone(), note.clone(), 2))))
                .collect();
            for walker in walkers {
                ledger.output(walker.await);
            }
            note.reaches(2).await;
        };
        let outcome = crew.run(main);
        for thread in threads {
            thread.join().unwrap();
        }
        team_model::check(&team);
        seen.add(outcome.given);
        ledger.close();
        drop((team, note));
        outcome.close();
    });
    given.check("tasks that were given");
}
