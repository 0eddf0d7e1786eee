//! When a worker looks for work elsewhere, and when it looks outside instead.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
    thread,
};

use arborio_executor::{
    Doorbell, Ending, Handle, Seat, Tasks, Team, skip_poll_cycle, spawn, spawn_local, yield_now,
};

use crate::workers::{Asked, Bell, Script, TOO_LONG};

/// The place of worker 0, which nobody drives: it is awake, has nothing, and answers nobody.
fn silent(team: &Arc<Team>) -> (Tasks, Seat) {
    let bell = Bell::new(Doorbell::new());
    let tasks = Tasks::new(bell.clone());
    let seat = Seat::take(Arc::clone(team), 0, tasks.submitter(), bell);
    (tasks, seat)
}

/// Whether a request stands somewhere.
fn is_asked(team: &Team) -> bool {
    format!("{team:?}").matches("asked_by: 0").count() < team.len()
}

#[test]
fn t1_a_worker_that_has_something_to_do_asks_nobody() {
    let team = Arc::new(Team::new(2));
    let asked = silent(&team);
    let script = Script::default();
    let sleeps = Arc::clone(&team);
    script.at_sleep(move || {
        assert!(is_asked(&sleeps), "it sleeps without having asked");
        sleeps.end(Ending::WhenDone);
    });
    let looks = script.clone();
    script.work(&team, 1, async {
        for passes in 1..10 {
            skip_poll_cycle().await;
            assert_eq!(looks.asked(), vec![Asked::Look; passes]);
            assert!(!is_asked(&team), "others wait for the pass");
        }
        script.end_slices(true); // so that there are passes while tasks are ready
        while looks.asked().len() < 20 {
            yield_now().await;
            assert!(!is_asked(&team), "others are ready");
        }
        script.end_slices(false);
    });
    assert_eq!(script.asked().last(), Some(&Asked::Sleep));
    drop(asked);
}

/// Something comes whenever it asks. It looks outside after so many times, or when its slice is over.
#[test]
fn work_from_others_does_not_keep_a_worker_from_its_timers_and_its_io() {
    let looks = |turns: usize, slice_is_over| {
        let team = Arc::new(Team::new(2));
        let asked = silent(&team);
        let script = Script::default();
        script.end_slices(slice_is_over);
        for _ in 0..turns {
            let inboxes = Arc::clone(&team);
            script.at_turn(move || {
                // Behind its last look at what others sent, so that it is there when it has asked.
                let inbox = inboxes.inboxes().remove(1);
                let send = move || drop(Handle::new(inbox).spawn(async {}));
                thread::spawn(send).join().unwrap();
            });
        }
        let ends = Arc::clone(&team);
        script.at_turn(move || ends.end(Ending::WhenDone));
        script.work(&team, 1, async {});
        drop(asked);
        script.asked()
    };
    assert_eq!(looks(31, false), []);
    assert_eq!(looks(32, false), [Asked::Look]);
    assert_eq!(looks(63, false), [Asked::Look]);
    assert_eq!(looks(64, false), [Asked::Look; 2]);
    assert_eq!(looks(3, true), [Asked::Look; 3]);
}

/// The first task of a worker blocks until the one behind it has run. The other worker has something to do all the time, so it
/// does not look for work.
#[test]
fn x19_a_worker_that_is_busy_does_what_waits_behind_a_poll_that_blocks() {
    let team = Arc::new(Team::new(2));
    let (begun, begins) = channel();
    let (sender, helped) = channel();
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = Arc::clone(&is_over);
    thread::scope(|threads| {
        let team = &team;
        threads.spawn(move || {
            let (done, when_done) = channel();
            Script::default().work(team, 1, async move {
                drop(spawn_local(async move {
                    begun.send(()).unwrap();
                    let helped = when_done.recv_timeout(TOO_LONG);
                    sender.send(helped.is_ok()).unwrap();
                    ends.store(true, Ordering::Relaxed);
                }));
                drop(spawn(async move {
                    let _ = done.send(());
                }));
            });
        });
        Script::default().work(team, 0, async move {
            begins.recv_timeout(TOO_LONG).unwrap();
            while !is_over.load(Ordering::Relaxed) {
                skip_poll_cycle().await;
            }
        });
    });
    let is_helped = helped.recv().unwrap();
    assert!(is_helped, "nobody looked behind the task that blocks");
}
