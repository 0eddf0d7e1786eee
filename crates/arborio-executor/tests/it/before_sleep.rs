//! What a worker does before it sleeps: it looks at everything once more after long polls, and others are told what they
//! have to know.
//!
//! Nothing here depends on how fast a machine is: polls are long because they last until something has happened, or for a time
//! that may only become longer, and sleeps end by calls only.

use std::{
    sync::{Arc, mpsc::channel},
    thread,
    time::Duration,
};

use arborio_executor::{Doorbell, Ending, Handle, Seat, Tasks, Team, spawn};

use crate::workers::{Asked, Bell, Note, Script, TOO_LONG, spin};

/// Much longer than a poll after which a worker looks at the outside world before it sleeps.
const LONG: Duration = Duration::from_millis(1);

/// The look that follows long polls takes the call with which the worker is told of the end: it has to see to that before it
/// sleeps, for nobody calls again.
#[test]
fn t5_a_call_that_the_look_before_a_sleep_has_taken_is_heeded() {
    let team = Arc::new(Team::new(2));
    let script = Script::default();
    let start = Note::default();
    let starts = start.clone();
    script.at_sleep(move || starts.tell(true));
    let ends = Arc::clone(&team);
    script.at_look(move || ends.end(Ending::WhenDone));
    script.work(&team, 1, async {
        start.read().await;
        spin(LONG);
    });
    assert_eq!(
        script.asked(),
        [Asked::Sleep, Asked::Look],
        "it sleeps although it was told to end"
    );
}

/// After a long poll a worker gives its last awaited task to the one that sleeps, and has none any more. If it did not say so
/// before it sleeps, the first one would wait for it.
#[test]
fn t4_who_gives_its_last_awaited_task_away_says_that_it_has_none() {
    let team = Arc::new(Team::new(2));
    let (begun, when_begun) = channel();
    let (asleep, when_asleep) = channel();
    let (ended, when_ended) = channel();
    let overslept = thread::scope(|threads| {
        let team = &team;
        let helper = threads.spawn(move || {
            let script = Script::default();
            let (start, last) = (Note::default(), Note::default());
            let (starts, wakes) = (start.clone(), last.clone());
            script.at_sleep(move || starts.tell(true));
            script.at_look(move || wakes.tell(true));
            script.work(team, 1, async {
                drop(spawn(async move {
                    last.read().await;
                    ended.send(thread::current().id()).unwrap();
                }));
                start.read().await;
                begun.send(()).unwrap();
                when_asleep.recv_timeout(TOO_LONG).unwrap();
                spin(LONG);
            });
            script.has_overslept()
        });
        let script = Script::default();
        script.when_asleep(move || asleep.send(()).unwrap_or(()));
        script.work(team, 0, async {
            when_begun.recv_timeout(TOO_LONG).unwrap();
        });
        script.has_overslept() | helper.join().unwrap()
    });
    assert_eq!(
        when_ended.try_recv(),
        Ok(thread::current().id()),
        "it stayed"
    );
    assert!(
        !overslept,
        "the first one was not told that nobody has anything left"
    );
}

/// A worker that has got work by asking measures that work, too: its long polls are followed by a look.
#[test]
fn polls_of_what_came_by_asking_are_measured() {
    let team = Arc::new(Team::new(2));
    let bell = Bell::new(Doorbell::new());
    let first = Tasks::new(bell.clone());
    let asked = Seat::take(Arc::clone(&team), 0, first.submitter(), bell); // it does not answer
    let script = Script::default();
    let ends = Arc::clone(&team);
    script.at_look(move || ends.end(Ending::WhenDone));
    let inboxes = Arc::clone(&team);
    script.at_turn(move || {
        // Behind its last look at what others sent, so that it is there when it has asked.
        let inbox = inboxes.inboxes().remove(1);
        let send = move || drop(Handle::new(inbox).spawn(async { spin(LONG) }));
        thread::spawn(send).join().unwrap();
    });
    let safe = Arc::clone(&team);
    script.at_sleep(move || safe.end(Ending::WhenDone));
    script.work(&team, 1, async {});
    assert_eq!(script.asked(), [Asked::Look], "it sleeps without a look");
    drop(asked);
}
