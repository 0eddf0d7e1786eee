//! The child of a fork has one worker of the pool. The others are not there, so it gives nothing to them, and what they
//! have is the parent's.
//!
//! The workers of a whole pool go on while one of them forks, and what they have in hand at that moment nobody has in
//! the child. So these are workers whose sleeps have no limit: at the moment of the fork the other one sleeps, or is in
//! a poll.

use std::{
    fmt::Debug,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
};

use arborio::{spawn, task::skip_poll_cycle, time::Duration, yield_now};
use arborio_executor::Team;

use crate::{
    forks::{is_child_of_fork, leave},
    support::{in_own_process, ms},
    workers::{Note, Script, TOO_LONG, spin},
};

/// Longer than a poll that is worth moving a task for, and than a worker waits before it looks after the others.
const LONG: Duration = ms(4);

/// Ends the child; well, if it has found what was expected.
fn leave_with<T: PartialEq + Debug>(found: T, expected: T) -> ! {
    if found != expected {
        eprintln!("the child has found {found:?}, not {expected:?}");
    }
    leave(found == expected)
}

/// The other worker has asked for work, and sleeps: what the child gave to it would be lost.
#[test]
fn r22_a_child_gives_nothing_to_a_worker_that_has_asked_and_sleeps() {
    let name = "forks_team::r22_a_child_gives_nothing_to_a_worker_that_has_asked_and_sleeps";
    const TASKS: usize = 12;
    in_own_process(name, || {
        let team = &Arc::new(Team::new(2));
        let (asleep, when_asleep) = channel();
        thread::scope(|threads| {
            let script = Script::default();
            let is_child = script.work(team, 0, async {
                script.end_slices(true);
                for _ in 0..3 {
                    spin(LONG); // so its polls are known to be long
                    skip_poll_cycle().await;
                }
                threads.spawn(move || {
                    let script = Script::default();
                    script.when_asleep(move || asleep.send(()).unwrap_or(()));
                    script.work(team, 1, async {});
                });
                when_asleep.recv_timeout(TOO_LONG).unwrap();
                if !is_child_of_fork() {
                    return false;
                }
                let polls = Arc::new(AtomicUsize::new(0));
                for _ in 0..TASKS {
                    let polls = Arc::clone(&polls);
                    drop(spawn(async move {
                        for _ in 0..3 {
                            polls.fetch_add(1, Ordering::Relaxed);
                            spin(LONG);
                            yield_now().await;
                        }
                    }));
                }
                spin(LONG);
                for _ in 0..4 {
                    yield_now().await;
                }
                if polls.load(Ordering::Relaxed) != 3 * TASKS {
                    leave_with(polls.load(Ordering::Relaxed), 3 * TASKS);
                }
                true
            });
            if is_child {
                leave(true); // the copy of the worker has ended, too
            }
        });
    });
}

/// The other worker is in a poll, and has a ready task behind it, which nobody may take over in the child.
fn nothing_is_taken(name: &str, in_child: impl AsyncFnOnce(&Script)) {
    in_own_process(name, || {
        let team = &Arc::new(Team::new(2));
        let (begun, has_begun) = channel();
        let (end, is_to_end) = channel::<()>();
        let has_run = &Arc::new(AtomicBool::new(false));
        let runs = Arc::clone(has_run);
        thread::scope(|threads| {
            let script = Script::default();
            script.work(team, 0, async {
                threads.spawn(move || {
                    Script::default().work(team, 1, async {
                        drop(spawn(async move { runs.store(true, Ordering::Relaxed) }));
                        begun.send(()).unwrap();
                        let _ = is_to_end.recv_timeout(TOO_LONG);
                    });
                });
                has_begun.recv_timeout(TOO_LONG).unwrap();
                if is_child_of_fork() {
                    in_child(&script).await;
                    leave_with(has_run.load(Ordering::Relaxed), false);
                }
                drop(end);
            });
        });
        assert!(has_run.load(Ordering::Relaxed), "in the parent it runs");
    });
}

#[test]
fn r22_a_worker_that_has_no_work_takes_nothing_in_a_child() {
    let name = "forks_team::r22_a_worker_that_has_no_work_takes_nothing_in_a_child";
    nothing_is_taken(name, async |script| {
        let note = Note::default();
        for _ in 0..5 {
            let tells = note.clone();
            script.at_sleep(move || tells.tell(true));
            note.read().await; // before it sleeps it looks for work
        }
    });
}

#[test]
fn r22_a_worker_that_has_work_takes_nothing_in_a_child() {
    let name = "forks_team::r22_a_worker_that_has_work_takes_nothing_in_a_child";
    nothing_is_taken(name, async |_| {
        for _ in 0..5 {
            spin(LONG);
            skip_poll_cycle().await; // it looks around
        }
    });
}
