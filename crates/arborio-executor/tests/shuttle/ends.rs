//! The end of a team, in the middle of its work.

use std::{future::pending, panic::resume_unwind};

use arborio_base::sync::random_below;
use arborio_executor::{Ending, Handle, Leftover, Tasks, Team, spawn};
use arborio_task::{NoNotify, SpawnOptions};
use shuttle::{sync::Arc, thread};

use crate::{
    any_crew, any_inbox,
    ledger::{Ledger, Note},
    outside::{Until, send_some},
    rest,
    schedules::{self, explore},
    tree,
    world::{End, Planned, Seen},
};

/// Who ends a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ender {
    Main,
    Outsider,
    Stop,
    Panic,
}

/// The team ends while tasks are spawned, sent, woken and given: each is dropped once, and nobody waits for ever.
#[test]
fn x05_a_team_ends_while_things_are_under_way() {
    let given = Seen::default();
    let seen = given.clone();
    schedules::once(prepare_stop);
    explore("x05_a_team_ends_while_things_are_under_way", move || {
        let ender = [Ender::Main, Ender::Outsider, Ender::Stop, Ender::Panic][random_below(4)];
        let ledger = Ledger::default();
        let note = Note::default();
        let mut crew = any_crew();
        crew.leftover = match ender {
            Ender::Main => Leftover::Cancel,
            _ => Leftover::Wait,
        };
        crew.grace = (random_below(2) == 0).then(|| random_below(4));
        let team = Arc::clone(&crew.team);
        let mut threads = Vec::new();
        let main = async {
            for _ in 0..2 {
                let (team, watch, told) = (Arc::clone(&team), ledger.clone(), note.clone());
                threads.push(thread::spawn(move || {
                    send_some(&team, &watch, &Note::default(), &told, 2, Until::Now)
                }));
            }
            let team = Arc::clone(&team);
            threads.push(thread::spawn(move || end(&team, ender)));
            let mut handles = Vec::new();
            for _ in 0..random_below(4) {
                let (watch, note) = (ledger.clone(), note.clone());
                let works = async move {
                    let inner = spawn(watch.watch(tree(watch.clone(), 1)));
                    note.reaches(random_below(6)).await;
                    watch.output_if_any(inner.await);
                    pending::<()>().await;
                };
                handles.push(spawn(ledger.watch(works)));
            }
            rest().await;
            if ender != Ender::Main {
                pending::<()>().await;
            }
        };
        let outcome = crew.run(main);
        for thread in threads {
            thread.join().unwrap();
        }
        let is_as_planned = match ender {
            Ender::Main => matches!(outcome.end, End::Output(())),
            Ender::Outsider | Ender::Stop => matches!(outcome.end, End::Stopped),
            Ender::Panic => matches!(outcome.end, End::Panicked | End::Stopped),
        };
        assert!(is_as_planned, "{ender:?}: {:?}", outcome.end);
        seen.add(outcome.given);
        ledger.close();
        drop((team, note));
        outcome.close_late();
    });
    given.check("tasks that were given");
}

fn end(team: &Team, ender: Ender) {
    let inbox = any_inbox(team);
    match ender {
        Ender::Main => {}
        Ender::Outsider => team.end(Ending::Asked),
        Ender::Stop => Handle::new(inbox).stop(),
        Ender::Panic => {
            let panics = async {
                rest().await;
                resume_unwind(Box::new(Planned)); // says nothing
            };
            drop(inbox.spawn(panics, SpawnOptions::new()));
        }
    }
}

/// What is made once in a process, before anybody else is there who could wait for it.
fn prepare_stop() {
    let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    let inbox = tasks.submitter();
    inbox.note_stop();
    drop(inbox.spawn(async {}, SpawnOptions::new()));
}
