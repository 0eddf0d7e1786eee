//! How a team of workers ends.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc::channel},
    thread,
};

use arborio_executor::{Ending, Leftover, LoopOptions, Payload, RunError, Team, spawn_local};

use crate::workers::{Note, Script, TOO_LONG};

/// The first worker's `main` has ended already: it waits for the task that panics.
#[cfg(panic = "unwind")]
#[test]
fn x06_a_panic_on_another_worker_goes_on_where_the_first_one_is() {
    let team = Arc::new(Team::new(2));
    let note = Note::default();
    let (begun, begins) = channel();
    let raised = thread::scope(|threads| {
        let (team, told) = (&team, note.clone());
        threads.spawn(move || {
            Script::default().work(team, 1, async {
                drop(spawn_local(async move {
                    told.read().await;
                    panic!("no bread");
                }));
                begun.send(()).unwrap();
            });
        });
        let script = Script::default();
        script.when_asleep(move || note.tell(true));
        catch_unwind(AssertUnwindSafe(|| {
            script.work(team, 0, async { begins.recv_timeout(TOO_LONG).unwrap() });
        }))
    });
    let payload = Payload::new(raised.expect_err("it goes on"));
    assert_eq!(payload.message(), "no bread");
}

#[test]
fn s05_a_team_that_is_stopped_ends_the_main_of_the_first_worker() {
    let team = Arc::new(Team::new(1));
    let script = Script::default();
    let ends = Arc::clone(&team);
    script.at_sleep(move || ends.end(Ending::Asked));
    let ended = script.work_with(&team, 0, LoopOptions::default(), pending::<()>());
    assert!(matches!(ended, Err(RunError::Stopped)), "{ended:?}");
}

/// Those of the others end at once.
#[test]
fn a11_the_main_that_a_team_ends_with_is_that_of_the_first_worker() {
    let team = Arc::new(Team::new(2));
    let note = Note::default();
    let options = LoopOptions {
        leftover: Leftover::Cancel,
        ..LoopOptions::default()
    };
    let ended = thread::scope(|threads| {
        let (team, told) = (&team, note.clone());
        threads.spawn(move || {
            let script = Script::default();
            script.when_asleep(move || told.tell(true));
            let main = async { drop(spawn_local(pending::<()>())) };
            script.work_with(team, 1, options, main).unwrap();
        });
        let main = async { note.read().await };
        Script::default().work_with(team, 0, options, main)
    });
    assert!(matches!(ended, Ok(true)), "{ended:?}");
}
