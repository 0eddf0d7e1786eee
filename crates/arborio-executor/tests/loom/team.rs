//! Models of a team (T1 to T5 of `src/team/mod.rs`): two workers with tasks that move between them.
//!
//! A worker that is not told of the end, or whose work is lost, sleeps for ever, which fails the model; and in the end
//! nobody is counted, searches or sleeps. Time is left out: sleeps have no limit, and who asks looks once for the answer.

use std::sync::{
    Arc as StdArc,
    atomic::{AtomicUsize, Ordering},
};

use arborio_executor::{Seat, Team, team_model as workers};
use arborio_task::{Notify, SpawnOptions, Tasks, try_spawn_sent};
use loom::{
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// What a worker sleeps on.
struct Bell(Mutex<bool>, Condvar);

impl Notify for Bell {
    fn notify(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }
}

impl Bell {
    fn sleep(&self) {
        let mut rung = self.0.lock().unwrap();
        while !*rung {
            rung = self.1.wait(rung).unwrap();
        }
        *rung = false;
    }
}

fn work<F: Future>(team: Arc<Team>, number: usize, main: F) -> F::Output {
    let bell = StdArc::new(Bell(Mutex::new(false), Condvar::new()));
    let tasks = Tasks::new(bell.clone());
    let seat = Seat::take(team, number, tasks.submitter(), bell.clone());
    let ((), ended) = tasks.run_main(main, |running| {
        workers::drive(&seat, running, &|| bell.sleep());
    });
    ended.unwrap()
}

/// What the tasks of one execution tell.
#[derive(Clone)]
struct Tally {
    polled: StdArc<AtomicUsize>,
    /// In all executions: how many tasks ran on another worker than `first`.
    moved: StdArc<AtomicUsize>,
    first: thread::ThreadId,
}

impl Tally {
    fn add(&self) {
        self.polled.fetch_add(1, Ordering::Relaxed);
        if thread::current().id() != self.first {
            self.moved.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Two workers; `main` runs on the first. There are `polls` tasks, and in some execution one moves.
fn team<F: Future + 'static>(name: &str, preemptions: usize, main: fn(Tally) -> F, polls: usize) {
    let moved = StdArc::new(AtomicUsize::new(0));
    let tasks_moved = StdArc::clone(&moved);
    let executions = StdArc::new(AtomicUsize::new(0));
    let count = StdArc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = Some(preemptions);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        let team = Arc::new(Team::new(2));
        let tally = Tally {
            polled: StdArc::default(),
            moved: StdArc::clone(&tasks_moved),
            first: thread::current().id(),
        };
        let other = Arc::clone(&team);
        let helper = thread::spawn(move || work(other, 1, async {}));
        work(Arc::clone(&team), 0, main(tally.clone()));
        helper.join().unwrap();
        assert_eq!(tally.polled.load(Ordering::Relaxed), polls);
        assert!(workers::is_at_rest(&team), "{team:?}");
    });
    let executions = executions.load(Ordering::Relaxed);
    println!("model {name}: {executions} executions");
    let has_moved = moved.load(Ordering::Relaxed) > 0;
    assert_eq!(has_moved, polls > 0, "no task has moved in any of them");
}

fn child(tally: &Tally) {
    let tally = tally.clone();
    let child = async move {
        tally.add();
    };
    drop(try_spawn_sent(child, SpawnOptions::new()).ok().unwrap());
}

/// Nothing is to be shared: both find out that all is over.
#[test]
fn team_without_work_ends() {
    async fn main(_: Tally) {}
    team("team_without_work_ends", 3, main, 0);
}

/// `main` leaves two tasks behind, of which one may move.
#[test]
fn team_shares_two_tasks_and_ends() {
    async fn main(tally: Tally) {
        child(&tally);
        child(&tally);
    }
    team("team_shares_two_tasks_and_ends", 2, main, 2);
}

/// A task that may have moved spawns another one while the first worker finds that it has nothing left.
#[test]
fn team_waits_for_what_is_spawned_by_one_who_has_moved() {
    async fn main(tally: Tally) {
        child(&tally);
        let spawns = async move { child(&tally) };
        drop(try_spawn_sent(spawns, SpawnOptions::new()).ok().unwrap());
    }
    let name = "team_waits_for_what_is_spawned_by_one_who_has_moved";
    team(name, 2, main, 2);
}

/// Of what a task spawns that has moved, a part comes back to the first worker, which has nothing left.
#[test]
fn team_waits_for_what_comes_back() {
    async fn main(tally: Tally) {
        child(&tally);
        let spawns = async move {
            child(&tally);
            child(&tally);
        };
        drop(try_spawn_sent(spawns, SpawnOptions::new()).ok().unwrap());
    }
    team("team_waits_for_what_comes_back", 2, main, 3);
}
