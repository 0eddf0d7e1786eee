//! Tasks that follow who wakes them, and when they do not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::Instant,
};

use arborio_executor::{Team, spawn};

use crate::workers::{Note, Script, TOO_LONG};

/// How often a task is woken: its first polls are not measured yet, and one of a busy machine may take so long that it does
/// not count as short.
const ROUNDS: usize = 50;

/// It would wait there behind the poll in which it was woken, and which does not end before it has run. Where it is sent does
/// not depend on time.
#[test]
fn x12_a_task_is_not_sent_into_the_long_poll_that_has_woken_it() {
    let team = Arc::new(Team::new(2));
    let note = Note::default();
    let (asleep, when_asleep) = channel();
    let polls = Arc::new(AtomicUsize::new(0));
    let given = thread::scope(|threads| {
        let (told, polled) = (note.clone(), Arc::clone(&polls));
        let team = &team;
        threads.spawn(move || {
            let script = Script::default();
            script.when_asleep(move || asleep.send(()).unwrap_or(()));
            script.work(team, 1, async {
                drop(spawn(async move {
                    while told.read().await {
                        // A thread that blocks would have to be woken, and the poll would not be short.
                        polled.fetch_add(1, Ordering::Release);
                    }
                }));
            });
        });
        Script::default().work(team, 0, async {
            for round in 1..=ROUNDS {
                when_asleep.recv_timeout(TOO_LONG).unwrap();
                note.tell(true);
                let start = Instant::now();
                while polls.load(Ordering::Acquire) < round {
                    assert!(start.elapsed() < TOO_LONG, "round {round}");
                    thread::yield_now();
                }
            }
            note.tell(false);
            team.inboxes()[1].figures().given
        })
    });
    assert_eq!(given, 0, "it was sent behind a poll that waits for it");
}

/// A task that is woken by a worker that has nothing else to do goes there. A poll of it may count as long by chance, and the
/// other one may be found awake, so it has many tries: what is shown is that it goes at all, and that nobody has to
/// wait for time to pass then, although it may be the last awaited task of its worker.
#[test]
fn t4_a_task_follows_who_wakes_it_and_both_end() {
    let team = Arc::new(Team::new(2));
    let (note, answer) = (Note::default(), Note::default());
    let (asleep, when_asleep) = channel();
    let (overslept, has_followed) = thread::scope(|threads| {
        let (told, tells) = (note.clone(), answer.clone());
        let helper = threads.spawn(|| {
            let script = Script::default();
            script.when_asleep(move || asleep.send(()).unwrap_or(()));
            script.work(&team, 1, async move {
                drop(spawn(async move {
                    let home = thread::current().id();
                    while told.read().await {
                        tells.tell(thread::current().id() != home);
                    }
                }));
            });
            script.has_overslept()
        });
        let script = Script::default();
        let has_followed = script.work(&team, 0, async {
            let mut has_followed = false;
            for _ in 0..1000 {
                if has_followed {
                    break;
                }
                when_asleep.recv_timeout(TOO_LONG).unwrap();
                note.tell(true);
                has_followed = answer.read().await;
            }
            note.tell(false);
            has_followed
        });
        (
            script.has_overslept() | helper.join().unwrap(),
            has_followed,
        )
    });
    assert!(has_followed, "it stays where it is");
    assert!(!overslept, "somebody was not called");
}

/// The same where it is woken in a destructor, in which the worker has its hub: nobody could rescue what is sent there.
#[test]
fn x12_a_task_is_not_sent_behind_the_destructor_that_has_woken_it() {
    struct Last<F: FnMut()>(F);
    impl<F: FnMut()> Drop for Last<F> {
        fn drop(&mut self) {
            (self.0)();
        }
    }
    let team = Arc::new(Team::new(2));
    let note = Note::default();
    let (asleep, when_asleep) = channel();
    let polls = Arc::new(AtomicUsize::new(0));
    let mut late = None;
    let given = thread::scope(|threads| {
        let (told, polled) = (note.clone(), Arc::clone(&polls));
        let team = &team;
        threads.spawn(move || {
            let script = Script::default();
            script.when_asleep(move || asleep.send(()).unwrap_or(()));
            script.work(team, 1, async {
                drop(spawn(async move {
                    while told.read().await {
                        polled.fetch_add(1, Ordering::Release);
                    }
                }));
            });
        });
        Script::default().work(team, 0, async {
            for round in 1..=ROUNDS {
                when_asleep.recv_timeout(TOO_LONG).unwrap();
                let slow = Arc::new(AtomicUsize::new(0));
                let (note2, polls2, slow2) = (note.clone(), Arc::clone(&polls), Arc::clone(&slow));
                let guard = Last(move || {
                    note2.tell(true);
                    let start = Instant::now();
                    while polls2.load(Ordering::Acquire) < round {
                        if start.elapsed() > std::time::Duration::from_secs(2) {
                            slow2.store(1, Ordering::Release);
                            return;
                        }
                        thread::yield_now();
                    }
                });
                let victim = arborio_executor::spawn_local(async move {
                    let _guard = guard;
                    std::future::pending::<()>().await;
                });
                arborio_executor::yield_now().await; // it begins
                victim.abort();
                if slow.load(Ordering::Acquire) == 1 {
                    late = Some(round);
                    break;
                }
            }
            note.tell(false);
            team.inboxes()[1].figures().given
        })
    });
    assert_eq!(
        (given, late),
        (0, None),
        "it was sent behind a destructor that waits for it"
    );
}
