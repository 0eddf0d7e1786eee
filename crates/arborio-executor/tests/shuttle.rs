//! The whole scheduler of a team under random schedules: the turns of the event loop, tasks that move, and who sleeps.
//!
//! The models of `loom.rs` are small, and exhaustive in what they explore. Here are whole teams of two to four workers that
//! do what programs do. In each schedule somebody must always be able to go on; each future is polled to its end and
//! dropped exactly once; and in the end nobody is counted, searches or sleeps, and no loop is left.
//!
//! What is not seen: orders of accesses that only weaker memory has. Those are for the models.
#![cfg(shuttle)]

#[path = "shuttle/ledger.rs"]
mod ledger;
#[path = "shuttle/schedules.rs"]
mod schedules;
#[path = "shuttle/world.rs"]
mod world;

use std::{future::pending, panic::resume_unwind, pin::Pin};

use arborio_base::sync::random_below;
use arborio_executor::{Ending, Handle, Leftover, Task, Team, spawn, team_model, yield_now};
use arborio_task::{Branch, NoNotify, SpawnOptions, Submitter, Tasks};
use ledger::{Ledger, Note};
use schedules::explore;
use shuttle::{
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
    thread,
};
use world::{Crew, Gate, Planned, Seen, block_on, event};

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
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut waits, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
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
enum Until {
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

fn send_some(team: &Team, ledger: &Ledger, sent: &Note, done: &Note, count: usize, until: Until) {
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
            let (asked, asks) = channel::<(Submitter, Gate)>();
            let watch = ledger.clone();
            let sender = thread::spawn(move || {
                for (inbox, gate) in asks {
                    let opens = watch.watch(async move { gate.open() });
                    drop(inbox.spawn(opens, SpawnOptions::new()));
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
fn long_poll(
    ledger: &Ledger,
    asked: &Sender<(Submitter, Gate)>,
) -> impl Future<Output = ()> + Send + use<> {
    let (ledger, asked) = (ledger.clone(), asked.clone());
    async move {
        let gate = Gate::default();
        let opens = gate.clone();
        match random_below(3) {
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
            _ => asked.send((Submitter::current().unwrap(), opens)).unwrap(),
        }
        drop(asked);
        gate.pass();
        rest().await;
    }
}

/// A scope, as far as tasks and loops know it: its tasks are guests of other workers, spawn others on it, and have scopes of
/// their own. One of them blocks its worker for a while if it `may_block`.
fn scope(ledger: Ledger, depth: usize, may_block: bool) -> Boxed<()> {
    Box::pin(async move {
        let branch = Branch::enter(std::sync::Arc::new(())).expect("the team goes on");
        let mut tasks = Vec::new();
        for number in 0..1 + random_below(4) {
            let child = match random_below(4) {
                0 if depth > 0 => scope(ledger.clone(), depth - 1, false),
                1 => spawns_beside(ledger.clone(), &branch, may_block && number == 0),
                _ => Box::pin(rest()),
            };
            let task = branch.try_spawn_sent(ledger.watch(child), SpawnOptions::new());
            tasks.push(task.ok().expect("it is open"));
        }
        rest().await;
        for task in tasks {
            if random_below(3) != 0 {
                ledger.output(task.await);
            }
        }
        std::future::poll_fn(|cx| {
            branch.wake_on_change(cx.waker());
            match branch.pending() {
                0 => std::task::Poll::Ready(()),
                _ => std::task::Poll::Pending,
            }
        })
        .await;
        let panics = branch.leave();
        assert!(panics.is_empty());
    })
}

/// Spawns another task on `branch`, which it hangs on, and may block until that has run.
fn spawns_beside(ledger: Ledger, branch: &std::sync::Arc<Branch>, blocks: bool) -> Boxed<()> {
    let branch = std::sync::Arc::clone(branch);
    Box::pin(async move {
        rest().await;
        let gate = Gate::default();
        let opens = gate.clone();
        let beside = ledger.watch(async move {
            rest().await;
            opens.open();
        });
        let task = branch.try_spawn_sent(beside, SpawnOptions::new());
        if blocks {
            gate.pass();
        }
        if random_below(2) == 0 {
            ledger.output(task.ok().expect("it is open").await);
        }
    })
}

/// Tasks of scopes end at home, wherever they are polled, and their scopes after them.
#[test]
fn tasks_of_scopes_are_guests_and_come_home() {
    let given = Seen::default();
    let seen = given.clone();
    explore("tasks_of_scopes_are_guests_and_come_home", move || {
        let ledger = Ledger::default();
        let main = async {
            let other = spawn(ledger.watch(scope(ledger.clone(), 1, false)));
            let several = spawn(ledger.watch(tree(ledger.clone(), 1)));
            scope(ledger.clone(), 1, random_below(2) == 0).await;
            ledger.output(other.await);
            drop(several);
        };
        let outcome = any_crew().run(main);
        seen.add(outcome.given);
        ledger.close_with_all_ended();
        outcome.close();
    });
    given.check("tasks that were given");
}

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
            Ender::Main => matches!(outcome.end, world::End::Output(())),
            Ender::Outsider | Ender::Stop => matches!(outcome.end, world::End::Stopped),
            Ender::Panic => matches!(outcome.end, world::End::Panicked | world::End::Stopped),
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
