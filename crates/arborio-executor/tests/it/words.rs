//! What errors and handles say, to people and to the standard library.

use std::{error::Error, io, time::Duration};

use arborio_executor::{
    Doorbell, NoLoop, Report, Ring, RunError, Seat, StopError, Tasks, Team, blocking::BlockingPool,
    doc::run, try_spawn, watch,
};
use arborio_task::{NoNotify, Payload, Tree};

fn no_memory() -> io::Error {
    io::Error::new(io::ErrorKind::OutOfMemory, "no memory")
}

/// How it begins, of which kind it is, and whether it has a source.
fn check<E>(error: E, begins: &str, kind: io::ErrorKind, has_source: bool)
where
    E: Error + Into<io::Error>,
{
    let said = error.to_string();
    assert!(said.starts_with(begins), "{said}");
    assert_eq!(error.source().is_some(), has_source, "{said}");
    let error: io::Error = error.into();
    assert_eq!((error.kind(), error.to_string()), (kind, said));
}

#[test]
fn a_loop_that_gave_no_output_says_why() {
    use io::ErrorKind::{Deadlock, Interrupted, OutOfMemory};
    check(
        RunError::Nested,
        "a loop already runs on this thread: ",
        Deadlock,
        false,
    );
    check(
        RunError::Stopped,
        "the loop was stopped before `main` had ended: ",
        Interrupted,
        false,
    );
    let refused = RunError::System(no_memory());
    check(
        refused,
        "the loop could not start: no memory",
        OutOfMemory,
        true,
    );
    let stalled = RunError::Stalled(Tree::default());
    check(
        stalled,
        "every task waits for something that cannot happen any more: ",
        Deadlock,
        false,
    );
}

#[test]
fn what_has_not_ended_as_it_should_says_why() {
    use io::ErrorKind::{Deadlock, Other, TimedOut};
    check(
        StopError::OnLoop,
        "the loop was stopped, but nobody waits ",
        Deadlock,
        false,
    );
    let forced = StopError::Forced(Tree::default());
    check(
        forced,
        "tasks of the loop were dropped when their grace was over: ",
        TimedOut,
        false,
    );
    check(
        StopError::Forked,
        "it belongs to the parent of the forked process: ",
        Other,
        true,
    );
    let panic = StopError::Panicked(Payload::new(Box::new("no bread")));
    check(panic, "a panic had ended the loop: no bread", Other, false);
    let running = StopError::Running(Vec::new());
    check(
        running,
        "the loop has not ended: a task does not return, ",
        TimedOut,
        false,
    );
    check(
        StopError::Jobs(3),
        "jobs that still ran when the grace was over: 3; ",
        TimedOut,
        false,
    );
}

#[test]
fn a_future_that_has_no_loop_says_so() {
    let refused: NoLoop<_> = try_spawn(async {}).unwrap_err();
    assert_eq!(format!("{refused:?}"), "NoLoop { .. }");
    let said = refused.to_string();
    assert!(said.contains("loop"), "{said}");
    let error = io::Error::from(refused);
    assert_eq!(
        (error.kind(), error.to_string()),
        (io::ErrorKind::Other, said)
    );
    assert!(
        error
            .get_ref()
            .is_some_and(|inner| inner.is::<NoLoop<()>>())
    );
}

#[test]
fn each_report_says_what_has_happened() {
    let panic = Payload::new(Box::new("no bread"));
    let told = Report::Panic(&panic).to_string();
    assert_eq!(told, "a task panicked: no bread");
    let told = Report::Lingering(&Tree::default()).to_string();
    assert!(
        told.starts_with("main has ended; the loop waits for 0 tasks\n"),
        "{told}"
    );
    let told = Report::Forced(&Tree::default()).to_string();
    let words = "the loop is ending, and drops what has outlived its grace\n";
    assert!(told.starts_with(words), "{told}");
    let told = Report::Io(&no_memory()).to_string();
    assert_eq!(told, "the loop cannot wait for its I/O: no memory");
}

#[test]
fn a_pool_its_jobs_and_their_tokens_are_shown() {
    let pool = BlockingPool::builder().build();
    let shown =
        |threads, idle| format!("BlockingPool {{ threads: {threads}, idle_threads: {idle}, .. }}");
    assert_eq!(format!("{pool:?}"), shown(0, 0));
    let mut job = pool.spawn_with(|token| format!("{token:?}"));
    while !job.is_finished() {
        std::thread::yield_now();
    }
    assert_eq!(
        format!("{pool:?}").split(',').next(),
        shown(1, 0).split(',').next()
    );
    assert_eq!(format!("{job:?}"), "Blocking { is_finished: true }");
    let token = job.try_take().unwrap().unwrap();
    assert_eq!(token, "JobToken { is_cancelled: false }");
    assert!(job.is_finished() && job.try_take().is_none());
}

struct Nowhere;

impl Ring for Nowhere {
    fn ring(&self) {}
}

#[test]
fn a_team_is_reached_once_its_workers_have_started() {
    let team = std::sync::Arc::new(Team::new(2));
    assert_eq!((team.len(), team.inboxes().len()), (2, 0));
    let seats: Vec<_> = (0..2)
        .map(|number| {
            let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
            let bell = std::sync::Arc::new(Doorbell::new());
            let _: &Doorbell<Nowhere> = &bell;
            let inbox = tasks.submitter();
            let team = std::sync::Arc::clone(&team);
            let seat = Seat::take(team, number, inbox.clone(), bell);
            assert_eq!(seat.number(), number);
            (tasks, seat, inbox)
        })
        .collect();
    let inboxes = team.inboxes();
    assert!(inboxes.iter().eq(seats.iter().map(|(_, _, inbox)| inbox)));
    drop(seats);
}

/// A limit that is over is told, and the job goes on.
#[test]
fn a_job_that_is_not_done_in_time_can_be_waited_for_again() {
    let pool = BlockingPool::builder().max_threads(1).build();
    let (go_on, may_go_on) = std::sync::mpsc::channel();
    let mut job = pool.spawn(move || may_go_on.recv().unwrap());
    let waited = job.wait_timeout(Duration::from_millis(1));
    assert!(
        matches!(waited, Err(arborio_executor::WaitError::TimedOut)),
        "{waited:?}"
    );
    go_on.send(5).unwrap();
    assert_eq!(job.wait_timeout(Duration::MAX).unwrap(), 5);
    assert_eq!(run(pool.spawn(|| 6)).unwrap(), 6);
}

/// Where the system does not let it be known who is polled, nobody is named.
#[test]
fn a_task_that_does_not_return_is_named() {
    let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    let watched = tasks.watched();
    let main = async move { watched.name(watched.look()) };
    let (_, polled) = tasks.run_main(main, |running| while running.run_some(1) > 0 {});
    if let Some(task) = polled.unwrap() {
        let said = StopError::Running(vec![task]).to_string();
        assert!(said.contains("these do not return"), "{said}");
        assert!(said.contains("\ntask `main` "), "{said}");
    }
}

#[test]
fn a_team_and_who_is_watched_are_shown() {
    let shown = format!("{:?}", Team::new(1));
    assert!(shown.contains("Worker { asked_by: 0, .. }"), "{shown}");
    let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    let watching = watch(tasks.watched(), Duration::from_secs(7), |_| {});
    assert_eq!(format!("{watching:?}"), "Watching { threshold: 7s, .. }");
}
