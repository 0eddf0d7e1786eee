//! The event loop: a strict FIFO of tasks, driven to its end on one thread.
//!
//! # One turn
//! 1. Take what other threads sent.
//! 2. Poll every ready task, also those that become ready meanwhile, oldest
//!    first, until none is left: only then is I/O looked at.
//! 3. One pass of the [`Park`]: timers, then I/O. It may block if nothing is
//!    ready and nobody waits for the pass itself.
//! 4. Wake those that waited for the pass.
//!
//! So that nothing starves for ever, 2 ends early after [`DRAIN_BOUND`] polls,
//! or if the park says that its time slice is over: it is asked after [`SLICE`] polls, and then after two times,
//! four times as many and so on, but at least every [`RARELY`] polls: long polls are noticed early, and short ones
//! are not slowed down. A worker whose slice was over after fewer polls is asked earlier the next time; a loop that is alone is not, as
//! the order of what is ready and what a pass wakes is part of its contract. The pass does not block then, and what it wakes goes to the end of the queue.

use std::{error::Error, fmt, io};

use arborio_base::sync::Instant;
use arborio_task::{Interrupt, Payload, Running, Task, Tasks, Tree};

use crate::{
    awake::Awake,
    here::{self, Here},
    park::{Park, Passed, Wait},
    random::Random,
    team::{Ending, Seat},
    watchdog::SlowPoll,
};

/// Polls without an empty queue, after which the loop makes a pass.
pub const DRAIN_BOUND: u32 = 4096;
/// Polls after which the park is asked for the first time whether its time slice is over.
pub const SLICE: u32 = MAIL_EVERY;
/// Polls after which it is asked again at the latest.
const RARELY: u32 = 1024;
/// Polls after which the loop looks at what other threads sent: one plain load.
const MAIL_EVERY: u32 = if cfg!(shuttle) { 4 } else { 64 };
/// How often a worker may have work from others before it makes a pass.
const FOUND_IN_A_ROW: u32 = 32;
/// How often those who take a request back are asked again before the loop sleeps: time
/// must pass for one who refuses for ever, or a virtual clock would stand still.
const ASKED_IN_A_ROW: u32 = 16;

/// Whether ready tasks can keep the loop from its I/O for ever.
///
/// # Examples
/// ```
/// assert_eq!(arborio_executor::Drain::default(), arborio_executor::Drain::Bounded);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drain {
    /// A pass after [`DRAIN_BOUND`] polls at the latest.
    #[default]
    Bounded,
    /// No pass before the queue is empty, however long that takes. What other
    /// threads send is still seen.
    ToEmpty,
}

/// What a loop does when a task panics and nobody has polled its handle.
///
/// # Examples
/// ```
/// use arborio_executor::OnUnobservedPanic;
/// assert_eq!(OnUnobservedPanic::default(), OnUnobservedPanic::Propagate);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnUnobservedPanic {
    /// Every task is ended, and the panic goes on in the caller of `run`.
    #[default]
    Propagate,
    /// The observer is told, and the other tasks go on.
    Report,
}

/// What happens to the tasks that are left when `main` has ended.
///
/// # Examples
/// ```
/// assert_eq!(arborio_executor::Leftover::default(), arborio_executor::Leftover::Wait);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leftover {
    /// `run` waits for every awaited one, and then asks the others to end.
    #[default]
    Wait,
    /// All are asked to end.
    Cancel,
}

/// Something that nobody asked for and somebody should know.
///
/// # Examples
/// ```
/// use arborio_executor::Report;
/// let tree = arborio_executor::Tree::default();
/// let report = Report::Lingering(&tree).to_string();
/// assert!(report.starts_with("main has ended; the loop waits for 0 tasks"));
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Report<'a> {
    /// A task panicked, and nobody observed it; or its panic lay in a handle that is gone. It
    /// [names](Payload::task_name) its task.
    Panic(&'a Payload),
    /// `main` has ended, and the loop has been waiting for these tasks since: the
    /// [awaited](Tree::awaited) part of its tree.
    Lingering(&'a Tree),
    /// The loop is ending, and these tasks had not ended when their grace was over: they
    /// are dropped now.
    Forced(&'a Tree),
    /// The system refuses to tell the loop of its I/O. The loop goes on with
    /// its timers and what other threads send, and asks again.
    Io(&'a io::Error),
    /// A poll takes long, says the [watchdog](crate::watch), on a thread of its own: nothing else runs on this
    /// thread meanwhile.
    SlowPoll(&'a SlowPoll),
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic(payload) => write!(f, "a task panicked: {payload}"),
            Self::Lingering(tree) => {
                let tasks = tree.tasks().count();
                write!(
                    f,
                    "main has ended; the loop waits for {tasks} tasks\n{tree}"
                )
            }
            Self::Forced(tree) => write!(
                f,
                "the loop is ending, and drops what has outlived its grace\n{tree}"
            ),
            Self::Io(error) => write!(f, "the loop cannot wait for its I/O: {error}"),
            Self::SlowPoll(poll) => poll.fmt(f),
        }
    }
}

/// How a loop runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct LoopOptions {
    /// Whether ready tasks can starve the I/O.
    pub drain: Drain,
    /// What an unobserved panic does.
    pub on_unobserved_panic: OnUnobservedPanic,
    /// What happens to what is left when `main` has ended.
    pub leftover: Leftover,
    /// Permutes what has no order by contract: wakes from other threads.
    pub seed: Option<u64>,
}

/// Why a loop did not give `main`'s output.
///
/// # Examples
/// ```
/// use arborio_executor::RunError;
/// assert_eq!(
///     RunError::Nested.to_string(),
///     "a loop already runs on this thread: `run` inside of `run` would never end, await or spawn instead",
/// );
/// assert_eq!(std::io::Error::from(RunError::Nested).kind(), std::io::ErrorKind::Deadlock);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// A loop already runs on this thread.
    Nested,
    /// Somebody [stopped](crate::Handle::stop) the loop before `main` had ended.
    Stopped,
    /// The system refused what the loop needs.
    System(io::Error),
    /// Every task waits, and there is no timer, no I/O and nobody outside that
    /// could wake one. Only a loop with a virtual clock notices.
    Stalled(Tree),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nested => f.write_str(
                "a loop already runs on this thread: `run` inside of `run` would never end, \
                 await or spawn instead",
            ),
            Self::Stopped => f.write_str(
                "the loop was stopped before `main` had ended: `Handle::stop_reason` says why",
            ),
            Self::System(error) => write!(f, "the loop could not start: {error}"),
            Self::Stalled(tree) => write!(
                f,
                "every task waits for something that cannot happen any more: \
                 hold the clock while another thread is to wake one\n{tree}"
            ),
        }
    }
}

impl Error for RunError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::System(error) => Some(error),
            Self::Nested | Self::Stopped | Self::Stalled(_) => None,
        }
    }
}

impl From<RunError> for io::Error {
    /// `Deadlock` if a loop already runs here, or every task waits for ever; `Interrupted` if it was stopped; else
    /// that of the system. The error is inside.
    fn from(error: RunError) -> Self {
        let kind = match &error {
            RunError::Nested | RunError::Stalled(_) => io::ErrorKind::Deadlock,
            RunError::Stopped => io::ErrorKind::Interrupted,
            RunError::System(error) => error.kind(),
        };
        Self::new(kind, error)
    }
}

/// Whether a loop runs on this thread.
///
/// # Examples
/// ```
/// assert!(!arborio_executor::is_running());
/// assert!(arborio_executor::doc::run(async { arborio_executor::is_running() }));
/// ```
pub fn is_running() -> bool {
    here::runs()
}

/// Drives `tasks` on this thread until `main` and every awaited task have
/// ended, and returns what `main` returned. Tasks that are not awaited are asked to
/// end then, and have a grace if [`park`](Park::start_grace) gives one. `park` looks at the outside
/// world; `tell` gets the reports.
///
/// # Errors
/// [`RunError::Nested`] if a loop runs on this thread already;
/// [`RunError::Stopped`] if somebody stopped the loop before `main` had ended;
/// [`RunError::Stalled`] if the park says that nothing can happen any more.
///
/// # Panics
/// If `main` panics, or another task does and nobody observes it (see
/// [`OnUnobservedPanic`]): the panic goes on here, after every task was ended.
///
/// # Examples
/// ```
/// use arborio_executor::{LoopOptions, Park, Passed, Wait, drive};
/// struct Void;
/// impl Park for Void {
///     fn pass(&mut self, wait: Wait) -> Passed {
///         if wait == Wait::Alone { Passed::Stalled } else { Passed::Looked }
///     }
/// }
/// let tasks = arborio_task::Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
/// let out = drive(tasks, &mut Void, LoopOptions::default(), &|_| {}, async { 8 });
/// assert_eq!(out.unwrap(), 8);
/// ```
#[track_caller]
pub fn drive<F: Future>(
    tasks: Tasks,
    park: &mut dyn Park,
    options: LoopOptions,
    tell: &dyn Fn(Report<'_>),
    main: F,
) -> Result<F::Output, RunError> {
    drive_seated(tasks, park, options, tell, None, main)
}

/// As [`drive`], as a worker of a team. The first worker's `main` is that of the team; when it and every awaited task
/// of every worker have ended, all workers end. A worker that is not the first one has none:
/// its `main` ends at once.
///
/// # Errors
/// As [`drive`]; a team never stalls.
///
/// # Panics
/// As [`drive`], on the thread of the first worker, whichever had the task that panicked.
///
/// # Examples
/// ```
/// use arborio_executor::{Doorbell, LoopOptions, Park, Passed, Ring, Seat, Team, Wait, drive_in_team};
/// use std::sync::Arc;
/// struct Nowhere;
/// impl Ring for Nowhere {
///     fn ring(&self) {}
/// }
/// /// Sleeps until it is called.
/// struct Sleeper(Arc<Doorbell<Nowhere>>);
/// impl Park for Sleeper {
///     fn pass(&mut self, wait: Wait) -> Passed {
///         while wait != Wait::Never && !self.0.take_call() {
///             std::thread::park();
///         }
///         Passed::Looked
///     }
/// }
/// fn work<F: Future>(team: &Arc<Team>, number: usize, main: F) -> F::Output {
///     let bell = Arc::new(Doorbell::new());
///     let tasks = arborio_task::Tasks::new(bell.clone());
///     let seat = Seat::take(Arc::clone(team), number, tasks.submitter(), bell.clone());
///     let out = drive_in_team(tasks, &mut Sleeper(bell), LoopOptions::default(), &|_| {}, &seat, main);
///     out.unwrap()
/// }
/// let team = Arc::new(Team::new(2));
/// let sum = std::thread::scope(|threads| {
///     threads.spawn(|| work(&team, 1, async {}));
///     work(&team, 0, async {
///         let tasks: Vec<_> = (0..100).map(|n| arborio_executor::spawn(async move { n })).collect();
///         let mut sum = 0;
///         for task in tasks {
///             sum += task.await.unwrap();
///         }
///         sum
///     })
/// });
/// assert_eq!(sum, 4950);
/// ```
#[track_caller]
pub fn drive_in_team<F: Future>(
    tasks: Tasks,
    park: &mut dyn Park,
    options: LoopOptions,
    tell: &dyn Fn(Report<'_>),
    seat: &Seat,
    main: F,
) -> Result<F::Output, RunError> {
    drive_seated(tasks, park, options, tell, Some(seat), main)
}

#[track_caller]
fn drive_seated<F: Future>(
    tasks: Tasks,
    park: &mut dyn Park,
    options: LoopOptions,
    tell: &dyn Fn(Report<'_>),
    seat: Option<&Seat>,
    main: F,
) -> Result<F::Output, RunError> {
    let Some(here) = Here::enter() else {
        return Err(RunError::Nested);
    };
    let (end, outcome) = tasks.run_main(main, |running| {
        let mut turns = Turns {
            running,
            park,
            options,
            tell,
            seat,
            arrivals: options.seed.map(Random::new),
            main_runs: true,
            found: 0,
            first_look: SLICE,
            awake: Awake::new(),
            winding: None,
        };
        turns.run_to_the_end()
    });
    tell_reported(tell); // also of what was dropped at the very end
    drop(here);
    match (end, outcome) {
        (End::Panicked(payload), _) | (_, Err(Interrupt::Panicked(payload))) => payload.resume(),
        (End::Stalled(tree), _) => Err(RunError::Stalled(tree)),
        (End::Settled | End::Stopped, Ok(output)) => Ok(output),
        (End::Stopped, Err(_)) => Err(RunError::Stopped),
        (End::Settled, Err(interrupt)) => unreachable!("main was ended by nobody: {interrupt}"),
    }
}

/// Tells of panics that nobody will take.
fn tell_reported(tell: &dyn Fn(Report<'_>)) {
    for panic in here::take_reported() {
        tell(Report::Panic(&panic));
    }
}

/// Whether the park is asked after so many polls, if it was asked after `first`.
fn is_time_to_look(polls: u32, first: u32) -> bool {
    (polls / first).is_power_of_two() || polls.is_multiple_of(RARELY)
}

/// Why the loop ends.
enum End {
    /// Everything that it waits for has ended.
    Settled,
    /// Somebody has stopped it.
    Stopped,
    /// A panic that nobody observed.
    Panicked(Payload),
    /// Nothing can happen any more.
    Stalled(Tree),
}

/// The loop while it turns.
struct Turns<'a> {
    running: &'a Running<'a>,
    park: &'a mut dyn Park,
    options: LoopOptions,
    tell: &'a dyn Fn(Report<'_>),
    /// Its place, if this is a worker of a pool.
    seat: Option<&'a Seat>,
    /// State of the generator that permutes arrivals; `None` keeps their order.
    arrivals: Option<Random>,
    /// The park was not told yet that `main` has ended.
    main_runs: bool,
    /// How often this worker had work from others since its last pass.
    found: u32,
    /// After how many polls the park is asked whether its slice is over: a power of two, and [`SLICE`] on a loop that is alone.
    first_look: u32,
    /// How long the last sleeps took that other threads have ended.
    awake: Awake,
    /// The loop is ending: everybody who is left was asked to.
    winding: Option<Winding>,
}

/// The last part of a loop's life.
struct Winding {
    /// How it will have ended.
    end: End,
    /// Ends when the grace is over.
    grace: Task<()>,
    /// How often they were asked again since the loop slept.
    asked: u32,
}

impl Turns<'_> {
    fn run_to_the_end(&mut self) -> End {
        loop {
            self.take_mail();
            let end = self.poll_ready().or_else(|| self.grace_is_over());
            if let Some(end) = end.or_else(|| self.pass()) {
                return end;
            }
        }
    }

    /// Polls ready tasks until none is left, or the bound is reached.
    fn poll_ready(&mut self) -> Option<End> {
        let mut polls = 0_u32;
        let mut left = self.first_look;
        loop {
            let polled = match self.seat {
                None => self.running.run_some(left),
                Some(seat) => self.run_as_worker(seat, left),
            };
            if self.running.take_attention() || here::stop_asked() {
                let end = self.decide();
                if end.is_some() {
                    return end;
                }
            } else if polled < left && !self.running.has_ready() {
                return None;
            }
            polls = polls.saturating_add(polled); // `Drain::ToEmpty` may never return
            left -= polled;
            if left == 0 {
                self.take_mail();
                if self.drained_enough(polls) {
                    return None;
                }
                left = polls.clamp(self.first_look, MAIL_EVERY);
            }
        }
    }

    /// Polls ready tasks, and shares them with those who have none.
    fn run_as_worker(&mut self, seat: &Seat, limit: u32) -> u32 {
        if self.running.has_ready() {
            seat.leave_search(); // T1: a poll may take long, and then somebody else must look
        }
        if self.winding.is_none() {
            seat.share_before_long_polls(self.running);
        }
        let lookout = seat.lookout();
        let stop = move |running: &Running<'_>| running.has_mail() || lookout.sees(running);
        let polled = self.running.run_until(limit, stop);
        if self.running.has_mail() {
            self.take_mail();
        }
        if seat.is_wanted(self.running) {
            seat.offer(self.running, self.winding.is_some());
        }
        polled
    }

    /// Whether there is to be a pass although tasks are ready, after so many polls: a worker asks early if polls took long the last time.
    fn drained_enough(&mut self, polls: u32) -> bool {
        if self.options.drain == Drain::ToEmpty || polls >= DRAIN_BOUND {
            return self.options.drain == Drain::Bounded;
        }
        if !is_time_to_look(polls, self.first_look) {
            return false;
        }
        let over = self.park.slice_is_over();
        if self.seat.is_some() {
            self.first_look = match over {
                true => (polls / 2).clamp(1, SLICE),
                false => polls.clamp(self.first_look, SLICE),
            };
        }
        over
    }

    /// One pass over the outside world; sleeps if there is nothing else to do.
    fn pass(&mut self) -> Option<End> {
        tell_reported(self.tell);
        let (timers, descriptors) = self.park.counts();
        self.running.publish(timers, descriptors);
        if let Some(seat) = self.seat {
            return self.pass_as_worker(seat);
        }
        let busy =
            self.running.has_ready() || here::somebody_waits() || self.has_mail_by_staying_awake();
        let mut passed = Passed::Looked;
        if busy {
            passed = self.park.pass(Wait::Never);
        } else if self.running.try_sleep() {
            passed = if self.running.has_submitters() {
                let start = Instant::now();
                let passed = self.park.pass(Wait::Allowed);
                if self.running.has_mail() {
                    self.awake.note_sleep(start.elapsed());
                }
                passed
            } else {
                self.park.pass(Wait::Alone)
            };
            self.wake_up();
            if let Some(winding) = &mut self.winding {
                winding.asked = 0;
            }
        }
        here::pass_made();
        let stalled = passed == Passed::Stalled && !busy && !self.running.has_ready();
        if !stalled {
            return None;
        }
        // A request from another thread may have ended the last task.
        if self.running.take_attention() {
            return self.decide();
        }
        match self.winding.take() {
            Some(winding) => Some(self.force(winding)),
            None => Some(End::Stalled(self.running.tree())),
        }
    }

    /// Whether something comes from another thread if this one does not sleep yet.
    fn has_mail_by_staying_awake(&mut self) -> bool {
        self.awake.is_worth_it() && self.awake.wait(|| self.running.has_mail())
    }

    /// The same for a worker. One that has nothing to do asks the others before it sleeps.
    fn pass_as_worker(&mut self, seat: &Seat) -> Option<End> {
        let winds_down = self.winding.is_some();
        let busy = self.running.has_ready() || here::somebody_waits();
        let found = !busy && !winds_down && seat.search(self.running, self.park);
        if found && !self.has_found_enough() {
            seat.begin(self.running); // what was found is measured, too
            return None;
        }
        if !winds_down && seat.may_end() {
            let end = self.decide(); // before every sleep: see T5 of `team`
            if end.is_some() {
                return end;
            }
        }
        // Asked again: whoever was told to end just now is ready.
        let busy = found || self.running.has_ready() || here::somebody_waits();
        if busy {
            let _ = self.park.pass(Wait::Never); // a team never stalls
            if !winds_down {
                seat.look_after_others(self.running, self.park);
            }
        } else if winds_down || !self.has_missed_something(seat) {
            self.sleep_as_worker(seat);
        }
        self.found = 0;
        if winds_down || busy || self.running.has_ready() {
            seat.leave_search(); // T1: others may look for work meanwhile
        }
        seat.begin(self.running);
        here::pass_made();
        None
    }

    /// Whether polls were long: then timers and I/O were looked at, and what has become ready meanwhile may have gone to
    /// somebody who sleeps. Everything is looked at again before a sleep: the pass has taken calls (the door, T5), and
    /// what went may have been the last awaited task (T4).
    fn has_missed_something(&mut self, seat: &Seat) -> bool {
        if !seat.has_polled_long() {
            return false;
        }
        let _ = self.park.pass(Wait::Never);
        if self.running.has_ready() {
            seat.send_last(self.running);
        }
        true
    }

    /// Work that others give must not keep this worker from its own timers and I/O.
    fn has_found_enough(&mut self) -> bool {
        self.found += 1;
        self.found >= FOUND_IN_A_ROW || self.park.slice_is_over()
    }

    fn sleep_as_worker(&mut self, seat: &Seat) {
        seat.lie_down();
        if self.running.try_sleep() {
            let _ = match seat.watch() {
                None => self.park.pass(Wait::Allowed),
                Some(limit) => {
                    seat.attend(self.park);
                    self.park.pass_within(limit)
                }
            };
            self.wake_up();
            if let Some(winding) = &mut self.winding {
                winding.asked = 0;
            }
        }
        seat.rise();
        let arrived = self.count(seat);
        if arrived == 0 && self.winding.is_none() {
            seat.send_after(self.running);
        }
    }

    /// Says whether this worker has awaited tasks, and returns how many have arrived. What comes from another one when the others were asked to end
    /// is asked now.
    fn count(&self, seat: &Seat) -> usize {
        let arrived = self.running.take_arrivals();
        if arrived > 0
            && let Some(winding) = &self.winding
        {
            self.running
                .ask_all(&Interrupt::Stopped, Some(&winding.grace));
        }
        if seat.count(self.running, arrived) {
            seat.report_quiet();
        }
        arrived
    }

    /// Something happened that may end the loop.
    #[cold]
    fn decide(&mut self) -> Option<End> {
        tell_reported(self.tell);
        for panic in self.running.take_panics() {
            if let Some(end) = self.meet_panic(panic) {
                return Some(end);
            }
        }
        if here::take_stop() {
            self.running.refuse_arrivals();
            match self.seat {
                Some(seat) => seat.team().end(Ending::Asked), // all workers, as is found below
                None if self.winding.is_none() => return self.wind_down(End::Stopped),
                None => {}
            }
        }
        if self.winding.is_some() {
            return self.all_have_ended();
        }
        if let Some(seat) = self.seat.filter(|seat| seat.number() == 0)
            && let Some(panic) = seat.team().take_panic()
        {
            return self.meet_panic(panic);
        }
        let main_is_over = match self.options.leftover {
            Leftover::Wait => self.running.main_interrupted(),
            Leftover::Cancel => self.running.main_ended(),
        };
        if !main_is_over && self.running.pending() == 0 {
            self.take_mail(); // what was sent before the end is waited for
        }
        let over = match self.seat {
            None => main_is_over || self.running.pending() == 0,
            Some(seat) => self.team_is_over(seat, main_is_over),
        };
        if over && !self.running.main_ended() {
            // Another worker was stopped, or has just had a panic.
            let first = self.seat.filter(|seat| seat.number() == 0);
            let panic = first.and_then(|seat| seat.team().take_panic());
            let end = panic.map_or(End::Stopped, End::Panicked);
            return self.wind_down(end);
        }
        if over {
            return self.wind_down(End::Settled);
        }
        if self.main_runs && self.running.main_ended() {
            self.main_runs = false;
            self.park.main_ended();
        }
        None
    }

    /// Whether this worker ends. The first one says so for all.
    fn team_is_over(&self, seat: &Seat, main_is_over: bool) -> bool {
        self.count(seat);
        let team = seat.team();
        if seat.number() == 0 && main_is_over {
            team.end(Ending::Asked);
        }
        if team.ending() == Some(Ending::Asked) {
            return true;
        }
        let over = self.running.pending() == 0 && seat.may_end();
        if over {
            team.end(Ending::WhenDone);
        }
        over
    }

    /// A panic that nobody observed. The first one that counts ends the loop.
    fn meet_panic(&mut self, panic: Payload) -> Option<End> {
        if self.options.on_unobserved_panic == OnUnobservedPanic::Report {
            (self.tell)(Report::Panic(&panic));
            return None;
        }
        if let Some(seat) = self.seat {
            if seat.number() != 0 {
                seat.team().fail(panic); // it is for the first worker, or for who waits for all
                return match self.winding {
                    None => self.wind_down(End::Settled),
                    Some(_) => None,
                };
            }
            seat.team().end(Ending::Asked);
        }
        match &mut self.winding {
            None => self.wind_down(End::Panicked(panic)),
            Some(winding)
                if matches!(winding.end, End::Settled | End::Stopped)
                    && !self.running.main_interrupted() =>
            {
                winding.end = End::Panicked(panic);
                None
            }
            Some(_) => {
                (self.tell)(Report::Panic(&panic));
                None
            }
        }
    }

    /// The loop ends as `end`, when those who are left have ended: they are asked to, and have
    /// a grace.
    fn wind_down(&mut self, end: End) -> Option<End> {
        if self.running.pending() + self.running.daemons() == 0 {
            return Some(end);
        }
        self.running.ask_all(&Interrupt::Stopped, None);
        let Some(grace) = self.park.start_grace() else {
            return Some(end);
        };
        self.winding = Some(Winding {
            end,
            grace,
            asked: 0,
        });
        None
    }

    /// Whether nobody but the one who watches the grace is left.
    fn all_have_ended(&mut self) -> Option<End> {
        let left = self.running.pending() + self.running.daemons();
        let watching = |winding: &mut Winding| !winding.grace.is_finished();
        let winding = self
            .winding
            .take_if(|winding| left == usize::from(watching(winding)))?;
        Some(winding.end)
    }

    /// Whether those who are left have had their time. Asks those again who have taken
    /// the request back.
    fn grace_is_over(&mut self) -> Option<End> {
        let winding = self.winding.take_if(|winding| winding.grace.is_finished());
        if let Some(winding) = winding {
            return Some(self.force(winding));
        }
        if let Some(winding) = &mut self.winding
            && winding.asked < ASKED_IN_A_ROW
            && self.running.take_withdrawals()
        {
            winding.asked += 1;
            let spared = Some(&winding.grace);
            self.running.ask_all(&Interrupt::Stopped, spared);
        }
        None
    }

    /// Those who are left have no more time, or could not use it.
    fn force(&self, winding: Winding) -> End {
        (self.tell)(Report::Forced(&self.running.tree()));
        winding.end
    }

    fn take_mail(&mut self) {
        match &mut self.arrivals {
            None => self.running.take_mail(),
            Some(random) => self
                .running
                .take_mail_permuted(&mut |bound| random.below(bound)),
        };
        if let Some(seat) = self.seat {
            self.count(seat);
        }
    }

    fn wake_up(&mut self) {
        match &mut self.arrivals {
            None => self.running.wake_up(),
            Some(random) => self
                .running
                .wake_up_permuted(&mut |bound| random.below(bound)),
        };
    }
}
