//! Tasks that follow who wakes them, and when they do not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
    time::Instant,
};

use arborio_executor::{Team, spawn, spawn_local, yield_now};

use crate::workers::{Note, Script, TOO_LONG};

/// How often a task is woken: its first polls are not measured yet, and one of a busy machine may take so long that it does
/// not count as short.
const ROUNDS: usize = 50;

/// A worker has `wake` wake a task of another one, which sleeps, and wait there until that has run. It has to run where it is:
/// what is sent behind `wake` would wait for its end. Where it is sent does not depend on time.
fn stays_while_its_waker_waits(wake: impl AsyncFn(Box<dyn FnOnce()>)) {
    let team = Arc::new(Team::new(2));
    let note = Note::default();
    let (asleep, when_asleep) = channel();
    let polls = Arc::new(AtomicUsize::new(0));
    let is_late = Arc::new(AtomicBool::new(false));
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
                let (note, polls, is_late) =
                    (note.clone(), Arc::clone(&polls), Arc::clone(&is_late));
                let late = Arc::clone(&is_late);
                wake(Box::new(move || {
                    note.tell(true);
                    let start = Instant::now();
                    while polls.load(Ordering::Acquire) < round && !is_late.load(Ordering::Relaxed)
                    {
                        is_late.store(start.elapsed() >= TOO_LONG, Ordering::Relaxed);
                        thread::yield_now();
                    }
                }))
                .await;
                if late.load(Ordering::Relaxed) {
                    break;
                }
            }
            note.tell(false);
            team.inboxes()[1].figures().given
        })
    });
    assert_eq!(given, 0, "it was sent behind who waits for it");
    assert!(!is_late.load(Ordering::Relaxed), "it did not run");
}

#[test]
fn x12_a_task_is_not_sent_into_the_long_poll_that_has_woken_it() {
    stays_while_its_waker_waits(async |wake| wake());
}

/// There its worker has the tasks, so that nobody could rescue what is sent.
#[test]
fn x12_a_task_is_not_sent_behind_the_destructor_that_has_woken_it() {
    struct Last(Option<Box<dyn FnOnce()>>);
    impl Drop for Last {
        fn drop(&mut self) {
            self.0.take().into_iter().for_each(|wake| wake());
        }
    }
    stays_while_its_waker_waits(async |wake| {
        let last = Last(Some(wake));
        let victim = spawn_local(async move {
            let _last = last;
            std::future::pending::<()>().await;
        });
        yield_now().await; // it begins
        victim.abort();
    });
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
