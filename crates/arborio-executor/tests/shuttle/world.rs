//! A team in a world without time: where its workers sleep, and what happens there.
//!
//! A sleep without a limit ends only if somebody ends it, so a wake that is lost is a deadlock of the schedule. One that has a
//! limit ends whenever the schedule likes.

use std::{
    cell::RefCell,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{
        Arc as StdArc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use arborio_base::{
    contained_panics,
    sync::{random_below, thread_local},
};
use arborio_executor::{
    Leftover, LoopOptions, Notify, Park, Passed, RunError, Seat, Task, Tasks, Team, Wait,
    drive_in_team, task, team_model,
};
use arborio_task::Submitter;
use shuttle::{
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// What a worker sleeps on.
#[derive(Default)]
struct Bell {
    rung: Mutex<bool>,
    sleeps: Condvar,
}

impl Notify for Bell {
    fn notify(&self) {
        *self.rung.lock().unwrap() = true;
        self.sleeps.notify_one();
    }
}

impl Bell {
    fn sleep(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.sleeps.wait(rung).unwrap();
        }
        *rung = false;
    }

    /// Sleeps for a while.
    fn doze(&self) {
        for _ in 0..random_below(6) {
            if self.take() {
                return;
            }
            thread::yield_now();
        }
        self.take(); // everything is looked at from here on
    }

    fn take(&self) -> bool {
        std::mem::take(&mut *self.rung.lock().unwrap())
    }
}

impl Wake for Bell {
    fn wake(self: StdArc<Self>) {
        self.notify();
    }
}

/// Polls `future` to its end on a thread that is no worker.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let bell = StdArc::new(Bell::default());
    let waker = Waker::from(StdArc::clone(&bell));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        bell.sleep();
    }
}

thread_local! {
    /// Tasks that wait for something outside, at the worker where they did first.
    static EVENTS: RefCell<Vec<Waker>> = RefCell::new(Vec::new());
}

/// Waits for something outside, as for a timer or a socket: its worker finds it in a pass.
pub(crate) async fn event() {
    let mut waits = false;
    poll_fn(|cx| {
        if waits {
            return Poll::Ready(());
        }
        waits = true;
        let waker = cx.waker().clone();
        EVENTS.with(|events| events.borrow_mut().push(waker));
        Poll::Pending
    })
    .await;
}

/// The world of one worker.
struct Outside {
    bell: StdArc<Bell>,
    /// How long the grace is, in passes, if there is one.
    grace: Option<usize>,
}

impl Outside {
    /// Wakes those whose event has come. A waker that is called later might be called by nobody.
    fn look(&self) -> Passed {
        let events = EVENTS.with(RefCell::take);
        events.into_iter().for_each(Waker::wake);
        Passed::Looked
    }
}

impl Park for Outside {
    fn pass(&mut self, wait: Wait) -> Passed {
        let expects = EVENTS.with(|events| !events.borrow().is_empty());
        match wait {
            Wait::Never => drop(self.bell.take()),
            _ if expects => self.bell.doze(),
            _ => self.bell.sleep(),
        }
        self.look()
    }

    fn pass_within(&mut self, _limit: Duration) -> Passed {
        self.bell.doze();
        self.look()
    }

    fn start_grace(&mut self) -> Option<Task<()>> {
        let passes = self.grace?;
        let grace = async move {
            for _ in 0..passes {
                event().await;
            }
        };
        Some(task().awaited(false).spawn_local(grace))
    }

    fn slice_is_over(&mut self) -> bool {
        random_below(2) == 0
    }
}

/// Opens once, for those who block their threads until it does.
#[derive(Clone, Default)]
pub(crate) struct Gate(StdArc<Bell>);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.notify();
    }

    pub(crate) fn pass(&self) {
        self.0.sleep();
    }
}

/// A team that has not started.
pub(crate) struct Crew {
    pub(crate) team: Arc<Team>,
    pub(crate) leftover: Leftover,
    pub(crate) grace: Option<usize>,
}

/// How a worker has ended.
#[derive(Debug)]
pub(crate) enum End<T> {
    Output(T),
    Stopped,
    /// With the panic of a task, which was [`Planned`].
    Panicked,
}

/// What a task panics with.
pub(crate) struct Planned;

/// What has come of a team.
pub(crate) struct Outcome<T> {
    pub(crate) end: End<T>,
    team: Arc<Team>,
    bells: Vec<StdArc<Bell>>,
    /// How many tasks went from worker to worker, and how many of these were rescued.
    pub(crate) given: u64,
    pub(crate) rescued: u64,
}

impl<T> Outcome<T> {
    /// Fails if `main` was ended by somebody; if somebody is counted, sleeps or searches; or if a loop is left, although
    /// nobody has anything any more that refers to one.
    pub(crate) fn close(self) {
        assert!(matches!(self.end, End::Output(_)), "main has not ended");
        assert!(team_model::is_at_rest(&self.team), "{:?}", self.team);
        self.close_late();
    }

    /// The same where the team was ended, or something may have been sent too late.
    pub(crate) fn close_late(self) {
        assert!(team_model::is_left(&self.team), "{:?}", self.team);
        drop(self.team);
        for bell in &self.bells {
            assert_eq!(StdArc::strong_count(bell), 1, "a loop is left");
        }
    }
}

impl Crew {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            team: Arc::new(Team::new(workers)),
            leftover: Leftover::Wait,
            grace: None,
        }
    }

    /// Runs `main` on the first worker, and tasks on all of them, until all is over; and sees that nothing is left.
    pub(crate) fn run<F: Future>(self, main: F) -> Outcome<F::Output> {
        let contained = contained_panics();
        let helpers: Vec<_> = (1..self.team.len())
            .map(|number| {
                let team = Arc::clone(&self.team);
                let (leftover, grace) = (self.leftover, self.grace);
                thread::spawn(move || work(team, number, leftover, grace, async {}))
            })
            .collect();
        let (end, bell) = work(Arc::clone(&self.team), 0, self.leftover, self.grace, main);
        let mut bells = vec![bell];
        for helper in helpers {
            let (_, bell) = helper.join().unwrap();
            bells.push(bell);
        }
        let figures: Vec<_> = self.team.inboxes().iter().map(Submitter::figures).collect();
        drop(self.team.take_panic()); // the first worker had ended
        assert_eq!(contained_panics(), contained, "something has panicked");
        Outcome {
            end,
            team: self.team,
            bells,
            given: figures.iter().map(|worker| worker.given).sum(),
            rescued: figures.iter().map(|worker| worker.rescued).sum(),
        }
    }
}

fn work<F: Future>(
    team: Arc<Team>,
    number: usize,
    leftover: Leftover,
    grace: Option<usize>,
    main: F,
) -> (End<F::Output>, StdArc<Bell>) {
    let bell = StdArc::new(Bell::default());
    let tasks = Tasks::new(bell.clone());
    if random_below(2) == 0 {
        tasks.prepare_for_rescue();
    }
    let seat = Seat::take(team, number, tasks.submitter(), bell.clone());
    let mut outside = Outside {
        bell: bell.clone(),
        grace,
    };
    let options = LoopOptions {
        leftover,
        ..LoopOptions::default()
    };
    let drive = || drive_in_team(tasks, &mut outside, options, &|_| {}, &seat, main);
    let end = match catch_unwind(AssertUnwindSafe(drive)) {
        Ok(Ok(output)) => End::Output(output),
        Ok(Err(RunError::Stopped)) => End::Stopped,
        Ok(Err(error)) => panic!("{error}"),
        Err(panic) if panic.is::<Planned>() => End::Panicked,
        Err(panic) => resume_unwind(panic),
    };
    EVENTS.with(RefCell::take); // of those who were dropped
    (end, bell)
}

/// Counts over all schedules what must happen in some of them.
#[derive(Clone, Default)]
pub(crate) struct Seen(StdArc<AtomicU64>);

impl Seen {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Fails if it has happened in none of `count` schedules, and these were many.
    pub(crate) fn check(&self, what: &str) {
        let seen = self.0.load(Ordering::Relaxed);
        println!("{what}: {seen}");
        assert!(
            seen > 0 || crate::schedules::are_few(),
            "no {what} in any schedule"
        );
    }
}
