//! What the loops of a pool know of each other: who has work, who sleeps, and when all is done.
//!
//! A pool is a *team* of event loops, its workers. Each has its own tasks, timers and I/O, and touches
//! them without atomic operations like a loop that is alone; what a team adds is that ready tasks move from
//! one who has several to one who has none. The latter asks, and the former gives between two of
//! its polls ([`Running::give`]). Nobody takes from one who answers; who is stuck in a long poll is found out by those who
//! sleep, who look again every few milliseconds, and what is ready behind that poll is
//! [rescued](Running::rescue).
//!
//! # Words
//! | word              | says                                                     | who changes it                |
//! |-------------------|----------------------------------------------------------|-------------------------------|
//! | `control`         | a bit for each worker who sleeps, and SEARCH: somebody looks for work, or was woken to | [`Seat::lie_down`], [`Seat::rise`], [`Seat::search`], [`Seat::offer`] |
//! | `timed`           | a bit for each sleeper who looks again after [`WATCH`]    | [`Seat::watch`], [`Seat::rise`] |
//! | `asked_by`, one for each worker | who asks for work: a number plus one, or 0; and URGENT if the poll that it found takes long | the one who asks sets and withdraws, the one who is asked clears |
//! | `busy`            | workers that have awaited tasks, and tasks in transit    | [`Seat::count`], [`Seat::give`] |
//! | `end`             | whether the workers end: when their own tasks have ended, or after asking them to | [`Team::end`], upwards only |
//!
//! # Invariants
//! - T1: at most one worker has SEARCH: the one who set it, or the one whose sleep bit was cleared together with
//!   setting it. It clears it when it has found something or nothing.
//! - T2: who has two ready tasks looks at `control` after each poll. So it does not matter if it misses somebody
//!   who is lying down: it looks again, or it has nothing to give any more.
//! - T3: a request is answered, withdrawn, or both are tried and one wins: `asked_by` is changed back
//!   by exactly one exchange. Who asks withdraws before it goes on with something else, and may sleep until then.
//! - T4: a task is counted in `busy` all the time: by its worker's one, or in transit by its own. Who gives it or
//!   sends it from elsewhere adds it before the task leaves, the receiver takes it off after counting itself; who rescues one that is in transit leaves its count alone. So `busy` is zero only if no
//!   awaited task is left anywhere, and then for ever: only tasks spawn tasks. (What threads outside of the team
//!   send is the exception, and may come too late, as at the end of every loop.)
//! - T5: a worker looks at `end` before each sleep, after it has said how it is reached; whoever changes `end` notifies
//!   everybody that can be reached then. A fence on both sides: one of the two sees the other.
//! - T6: while a worker polls some sleeper is timed, if there are any: the poll may turn out to be long. Who
//!   sleeps untimed has said so before it looks for somebody awake, and who rises has said so before it looks for
//!   somebody timed, with a fence on both sides; it looks before its first poll, and not if it just goes to sleep again. Who finds
//!   nobody makes one sleeper timed, and notifies it.

use std::{
    cell::{Cell, RefCell},
    hint,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use arborio_base::{
    Process,
    sync::{
        Arc, Instant,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering, fence},
    },
};
use arborio_task::{Notify, Payload, Running, Submitter};

use crate::{
    grain::{Grain, LONG, Verdict},
    park::Park,
    random::Random,
};

/// The most workers that a team has: the bits of `control` but one.
pub const MAX_WORKERS: usize = 63;
/// Somebody looks for work.
const SEARCH: u64 = 1 << 63;
/// In `asked_by`: who asks has seen that the poll goes on for a while.
const URGENT: usize = 1 << 8;
/// Stands in `asked_by` of a worker that has left: nobody asks it.
const GONE: usize = usize::MAX;
/// How many tasks are given at a time.
const MOST: usize = 128;
/// Up to so many tasks that another worker has woken follow it.
const FEW: usize = 32;
/// For so long one looks whether another goes on to another poll.
const GLANCE: Duration = Duration::from_micros(2);
/// How long one sleeps while another is awake: two times this, and some, is how long a task waits behind
/// one that blocks its worker.
const WATCH: Duration = Duration::from_millis(3);
/// So many times in a row a sleeper looks again although everybody sleeps: mostly somebody wakes up soon, and
/// need not tell it then (T6).
const LOOKS: u32 = if cfg!(shuttle) { 2 } else { 25 };
/// For so many polls a worker wakes nobody after it had nothing that may move: twice as many each time.
const SHORTEST_PAUSE: u32 = 8;
const LONGEST_PAUSE: u32 = 4096;
/// How long one who asks for work waits awake for the answer. A poll may go on for longer: then the request stands, and the
/// answer ends its sleep.
const PATIENCE: Duration = Duration::from_micros(10);

/// The workers of a pool. See the head of this file.
///
/// # Examples
/// ```
/// assert_eq!(arborio_executor::Team::new(2).len(), 2);
/// ```
#[derive(Debug)]
pub struct Team {
    control: Padded<AtomicU64>,
    timed: Padded<AtomicU64>,
    busy: Arc<AtomicUsize>,
    end: AtomicU8,
    /// The first panic that nobody observed.
    panic: Mutex<Option<Payload>>,
    workers: Box<[Padded<Worker>]>,
}

/// How the workers of a team end.
///
/// # Examples
/// See [`Team::end`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Each when the awaited tasks that it has by then have ended.
    WhenDone,
    /// Each asks its tasks to end.
    Asked,
}

/// On cache lines of its own.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Padded<T>(T);

/// One worker as the others see it.
#[derive(Default)]
struct Worker {
    asked_by: AtomicUsize,
    /// Set when the worker starts.
    reached: OnceLock<Reached>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker")
            .field("asked_by", &self.asked_by)
            .finish_non_exhaustive()
    }
}

/// How a worker is reached.
struct Reached {
    inbox: Submitter,
    notifier: std::sync::Arc<dyn Notify>,
}

impl Team {
    /// A team of `workers`, none of which has started.
    ///
    /// # Panics
    /// If there are none, or more than [`MAX_WORKERS`].
    ///
    /// # Examples
    /// ```
    /// let team = arborio_executor::Team::new(4);
    /// assert!(team.ending().is_none());
    /// ```
    pub fn new(workers: usize) -> Self {
        assert!(
            (1..=MAX_WORKERS).contains(&workers),
            "a team has 1 to {MAX_WORKERS} workers, not {workers}"
        );
        Self {
            control: Padded(AtomicU64::new(0)),
            timed: Padded(AtomicU64::new(0)),
            busy: Arc::new(AtomicUsize::new(0)),
            end: AtomicU8::new(0),
            panic: Mutex::new(None),
            workers: (0..workers).map(|_| Padded::default()).collect(),
        }
    }

    /// How many workers it has.
    ///
    /// # Examples
    /// See [`Team`].
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.workers.len()
    }

    /// How its workers end; `None` while they go on.
    ///
    /// # Examples
    /// See [`end`](Self::end).
    pub fn ending(&self) -> Option<Ending> {
        match self.end.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Ending::WhenDone),
            _ => Some(Ending::Asked),
        }
    }

    /// Its workers end. Once they are asked, they are not only waited for any more.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{Ending, Team};
    /// let team = Team::new(4);
    /// assert_eq!(team.ending(), None);
    /// team.end(Ending::Asked);
    /// team.end(Ending::WhenDone);
    /// assert_eq!(team.ending(), Some(Ending::Asked));
    /// ```
    pub fn end(&self, ending: Ending) {
        let new = match ending {
            Ending::WhenDone => 1,
            Ending::Asked => 2,
        };
        if self.end.fetch_max(new, Ordering::AcqRel) < new {
            fence(Ordering::SeqCst); // T5
            for worker in &self.workers {
                worker.0.notify();
            }
        }
    }

    /// A panic that nobody observed ends everything.
    pub(crate) fn fail(&self, panic: Payload) {
        let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert(panic);
        drop(first);
        self.end(Ending::Asked);
    }

    /// The panic that ends everything, if there was one and nobody took it. For the first worker, and for who has
    /// waited for all of them.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_executor::Team::new(2).take_panic().is_none());
    /// ```
    pub fn take_panic(&self) -> Option<Payload> {
        let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
        first.take()
    }

    /// How tasks are sent to each worker that has started.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_executor::Team::new(2).inboxes().is_empty(), "nobody has");
    /// ```
    pub fn inboxes(&self) -> Vec<Submitter> {
        let reached = self
            .workers
            .iter()
            .filter_map(|worker| worker.0.reached.get());
        reached.map(|reached| reached.inbox.clone()).collect()
    }

    /// Whether no worker has an awaited task (T4).
    fn is_quiet(&self) -> bool {
        // Acquire: what the tasks did comes before.
        self.busy.load(Ordering::Acquire) == 0
    }
}

impl Worker {
    /// The request of worker `asked_by - 1`, if it still stands, does not any more (T3).
    fn clear_request(&self, asked_by: usize, success: Ordering) {
        let mut seen = self.asked_by.load(Ordering::Relaxed);
        while seen & !URGENT == asked_by {
            match self
                .asked_by
                .compare_exchange_weak(seen, 0, success, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    fn notify(&self) {
        if let Some(reached) = self.reached.get() {
            arborio_base::contain(|| reached.notifier.notify());
        }
    }
}

/// A worker's place in its team, for its own thread.
///
/// # Examples
/// ```
/// use arborio_executor::{Seat, Team};
/// use arborio_task::{NoNotify, Tasks};
/// use std::sync::Arc;
/// let team = Arc::new(Team::new(1));
/// let tasks = Tasks::new(Arc::new(NoNotify));
/// let seat = Seat::take(Arc::clone(&team), 0, tasks.submitter(), Arc::new(NoNotify));
/// assert_eq!(seat.number(), 0);
/// ```
#[derive(Debug)]
pub struct Seat {
    team: Arc<Team>,
    number: usize,
    /// Whether `busy` counts this worker.
    counted: Cell<bool>,
    /// Whether this worker has SEARCH.
    searches: Cell<bool>,
    /// Whether a request of this worker may stand somewhere.
    asks: Cell<bool>,
    /// Whether it has lain down and not risen.
    lies: Cell<bool>,
    /// Whether it has risen, and nobody was told to look again (T6): it has had nothing to do so far.
    unwatched: Cell<bool>,
    /// Whether it is known to be timed when it sleeps.
    timed: Cell<bool>,
    /// How often in a row it has looked while everybody slept.
    looks: Cell<u32>,
    /// For how many polls it wakes nobody after it had nothing to give, and how many of them are left.
    pause: Cell<u32>,
    pause_left: Cell<u32>,
    /// Whether polls are long enough for giving to pay.
    grain: Grain,
    /// Which sleeper was sent tasks last, how many polls it had begun then, and when that was.
    told: Cell<Option<((usize, usize), Instant)>>,
    /// In what order others are asked.
    random: RefCell<Random>,
    /// How many polls each worker had begun when it did not answer.
    unanswered: RefCell<Vec<Option<usize>>>,
    /// How many polls each worker had begun when it was asked last, and when that was.
    asked: RefCell<Vec<Option<(usize, Instant)>>>,
    /// The same when this worker, which had enough to do itself, looked last, and when that was.
    seen: RefCell<Vec<Option<usize>>>,
    looked: Cell<Instant>,
    /// A bit for each worker that was in a poll for a while when this one looked for work last.
    held_up: Cell<u64>,
    /// Where the others are: in the child of a fork nothing is given to them.
    process: Process,
}

impl Seat {
    /// Worker `number`, whose tasks come through `inbox` and whose sleep `notifier` ends.
    ///
    /// # Panics
    /// If there is no such worker, or it has started before.
    ///
    /// # Examples
    /// See [`Seat`].
    pub fn take(
        team: Arc<Team>,
        number: usize,
        inbox: Submitter,
        notifier: std::sync::Arc<dyn Notify>,
    ) -> Self {
        let count = team.len();
        inbox.count_sent(Arc::clone(&team.busy)); // T4
        let reached = Reached { inbox, notifier };
        let free = team.workers[number].0.reached.set(reached).is_ok();
        assert!(free, "worker {number} has started before");
        fence(Ordering::SeqCst); // T5
        Self {
            team,
            number,
            counted: Cell::new(false),
            searches: Cell::new(false),
            asks: Cell::new(false),
            lies: Cell::new(false),
            unwatched: Cell::new(false),
            timed: Cell::new(false),
            looks: Cell::new(0),
            pause: Cell::new(0),
            pause_left: Cell::new(0),
            grain: Grain::new(),
            told: Cell::new(None),
            random: RefCell::new(Random::new(number as u64)),
            unanswered: RefCell::new(vec![None; count]),
            asked: RefCell::new(vec![None; count]),
            seen: RefCell::new(vec![None; count]),
            looked: Cell::new(Instant::now()),
            held_up: Cell::new(0),
            process: Process::watched(),
        }
    }

    /// Which worker it is.
    ///
    /// # Examples
    /// See [`Seat`].
    pub fn number(&self) -> usize {
        self.number
    }

    pub(crate) fn team(&self) -> &Team {
        &self.team
    }

    fn worker(&self) -> &Worker {
        &self.team.workers[self.number].0
    }

    fn bit(&self) -> u64 {
        1 << self.number
    }

    /// Whether somebody is to be answered, or woken (T2): not before it is known whether giving pays.
    #[inline(always)]
    pub(crate) fn is_wanted(&self, running: &Running<'_>) -> bool {
        self.lookout().sees(running)
    }

    /// What is looked at after each poll, found once for many of them.
    #[inline(always)]
    pub(crate) fn lookout(&self) -> Lookout<'_> {
        Lookout {
            asked_by: &self.worker().asked_by,
            control: &self.team.control.0,
            pause_left: &self.pause_left,
            seat: self,
        }
    }

    /// The same when somebody has asked.
    #[inline(never)]
    fn is_to_answer(&self, asked_by: usize, running: &Running<'_>) -> bool {
        !running.has_two_ready() || self.has_judged(running) || self.is_urgent(asked_by, running)
    }

    /// The same when `control` is not zero.
    #[inline(never)]
    fn is_to_wake(&self, control: u64, running: &Running<'_>) -> bool {
        control & SEARCH == 0 && running.has_two_ready() && self.has_judged(running)
    }

    /// Whether the one who asks has seen a long poll, and that is enough.
    fn is_urgent(&self, asked_by: usize, running: &Running<'_>) -> bool {
        asked_by & URGENT != 0 && !Grain::has_many(running)
    }

    fn has_judged(&self, running: &Running<'_>) -> bool {
        self.grain.judge(running) != Verdict::Unknown
    }

    /// This worker polls from now on, after it has slept or looked at the outside world.
    pub(crate) fn begin(&self, running: &Running<'_>) {
        if self.team.len() > 1 {
            self.grain.start(running);
            if self.pause_left.get() > 0 && self.grain.is_scattered(running) {
                self.pause.set(0);
                self.pause_left.set(0);
            }
        }
    }

    /// So many tasks were given, and several were ready.
    fn note_given(&self, given: usize) {
        let pause = match given {
            0 => (self.pause.get() * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE),
            _ => 0,
        };
        self.pause.set(pause);
        self.pause_left.set(pause);
    }

    /// Answers who asks, and otherwise wakes one who sleeps if there is work for him that is worth moving.
    /// One who winds down gives nothing.
    pub(crate) fn offer(&self, running: &Running<'_>, winds_down: bool) {
        let coarse = self.grain.judge(running) == Verdict::Coarse;
        self.grain.begin(running);
        let asked_by = self.worker().asked_by.load(Ordering::Acquire);
        if asked_by != 0 {
            let pays = coarse || self.is_urgent(asked_by, running);
            self.give(running, asked_by & !URGENT, pays && !winds_down);
        } else if winds_down || !running.has_two_ready() {
            // Who asked does not any more.
        } else if coarse && self.grain.tends_long() {
            self.share(running); // who is woken to ask would come too late
        } else if coarse && self.grain.is_much(running) {
            self.wake_one();
        } else {
            self.note_given(0);
        }
    }

    /// Gives work to worker `asked_by - 1`, if it `may`, and tells it that this was all.
    fn give(&self, running: &Running<'_>, asked_by: usize, may: bool) {
        let team = &*self.team;
        if may
            && self.process.is_this()
            && let Some(other) = team.workers[asked_by - 1].0.reached.get()
            && running.has_two_ready()
        {
            team.busy.fetch_add(MOST, Ordering::Relaxed); // T4
            let given = running.give(&other.inbox, MOST);
            self.note_given(given);
            self.settle(MOST - given);
        }
        // Release: what was given comes first. T3: it may have been withdrawn.
        self.worker().clear_request(asked_by, Ordering::Release);
    }

    /// This worker slept, and was woken. If another one has woken a few tasks here, and what was polled here last took
    /// less than waking this worker, they go to where they were woken, and find each other there next time.
    pub(crate) fn send_after(&self, running: &Running<'_>) {
        if !self.grain.was_short() || !self.process.is_this() {
            return;
        }
        let ready = running.count_ready(FEW + 1);
        if ready == 0 || ready > FEW {
            return;
        }
        let by = |(_, worker): &(usize, &Padded<Worker>)| {
            let reached = worker.0.reached.get();
            reached.is_some_and(|other| running.was_called_by(&other.inbox))
        };
        if let Some((number, other)) = self.team.workers.iter().enumerate().find(by)
            && let Some(reached) = other.0.reached.get()
            && self.is_at_hand(number, &reached.inbox, running)
        {
            self.team.busy.fetch_add(FEW, Ordering::Relaxed); // T4
            let given = running.give_all(&reached.inbox, FEW);
            self.settle(FEW - given);
        }
    }

    /// Whether worker `number` sleeps, or goes on to another poll while we look: what is sent to it does not wait there for long.
    fn is_at_hand(&self, number: usize, other: &Submitter, running: &Running<'_>) -> bool {
        if self.team.control.0.load(Ordering::Relaxed) & (1 << number) != 0 {
            return true;
        }
        let (polls, start) = (running.polls_of(other), Instant::now());
        while start.elapsed() < GLANCE {
            if running.polls_of(other) != polls {
                return true;
            }
            hint::spin_loop();
        }
        false
    }

    /// This worker is about to poll, probably for long, and answers nobody meanwhile: if several tasks are ready, who asks for work or
    /// sleeps gets some of them now.
    #[inline(always)]
    pub(crate) fn share_before_long_polls(&self, running: &Running<'_>) {
        if self.grain.tends_long() && running.has_two_ready() {
            self.share(running);
        }
    }

    #[inline(never)]
    fn share(&self, running: &Running<'_>) {
        let asked_by = self.worker().asked_by.load(Ordering::Acquire);
        if asked_by != 0 {
            self.give(running, asked_by & !URGENT, true);
        } else {
            self.give_to_a_sleeper(running, |other| running.give(other, MOST));
        }
    }

    /// Whether this worker has nothing ready, and has just made long polls: what has become ready meanwhile has waited for them.
    pub(crate) fn has_polled_long(&self) -> bool {
        self.grain.was_long()
    }

    /// What is ready has waited for a long poll, and would again: if there is just one task, somebody who sleeps gets it.
    pub(crate) fn send_last(&self, running: &Running<'_>) {
        if !running.has_two_ready() {
            self.give_to_a_sleeper(running, |other| running.give_all(other, 1));
        }
    }

    /// Has `give` send up to [`MOST`] tasks to one who sleeps, if there is one that has not just been sent some.
    fn give_to_a_sleeper(&self, running: &Running<'_>, give: impl FnOnce(&Submitter) -> usize) {
        let mut asleep = self.team.control.0.load(Ordering::Relaxed) & !SEARCH;
        while asleep != 0 && self.process.is_this() {
            // The next one in turn: others who send at the same time take another one.
            let after = self.number as u32 + 1;
            let number = (asleep.rotate_right(after).trailing_zeros() + after) % u64::BITS;
            let number = number as usize;
            asleep &= !(1 << number);
            let Some(reached) = self.team.workers[number].0.reached.get() else {
                continue;
            };
            let told = (number, running.polls_of(&reached.inbox));
            if self
                .told
                .get()
                .is_some_and(|(last, when)| last == told && when.elapsed() < WATCH)
            {
                continue; // it has not begun with what it was sent
            }
            self.team.busy.fetch_add(MOST, Ordering::Relaxed); // T4
            let given = give(&reached.inbox);
            self.settle(MOST - given);
            if given > 0 {
                self.told.set(Some((told, Instant::now())));
            }
            return;
        }
    }

    /// Wakes one who sleeps, and hands SEARCH to him (T1).
    fn wake_one(&self) {
        let control = &self.team.control.0;
        let mut seen = control.load(Ordering::Relaxed);
        while seen != 0 && seen & SEARCH == 0 {
            let number = seen.trailing_zeros() as usize;
            let next = (seen & !(1 << number)) | SEARCH;
            match control.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return self.team.workers[number].0.notify(),
                Err(other) => seen = other,
            }
        }
    }

    /// Counts this worker in or out, after its tasks have changed and `arrived` have come. True if it was the last
    /// one that had any.
    pub(crate) fn count(&self, running: &Running<'_>, arrived: usize) -> bool {
        let has = running.pending() > 0;
        let mut less = arrived;
        if has && !self.counted.replace(true) {
            if arrived == 0 {
                self.team.busy.fetch_add(1, Ordering::Relaxed);
            } else {
                less -= 1; // one of them counts for the worker from now on
            }
        } else if !has && self.counted.replace(false) {
            less += 1;
        }
        less > 0 && self.uncount(less)
    }

    /// Takes off what was counted for tasks that did not move. Those that did may have ended meanwhile.
    fn settle(&self, less: usize) {
        if self.uncount(less) {
            self.report_quiet();
        }
    }

    /// True if nothing is left.
    fn uncount(&self, less: usize) -> bool {
        // AcqRel: what the tasks did comes before whoever finds it zero.
        if less == 0 {
            return false;
        }
        let before = self.team.busy.fetch_sub(less, Ordering::AcqRel);
        debug_assert!(before >= less, "T4: {less} of {before} are taken off");
        before == less
    }

    /// Whether no worker has an awaited task, and this is the one that says so.
    pub(crate) fn may_end(&self) -> bool {
        self.team.ending().is_some() || (self.number == 0 && self.team.is_quiet())
    }

    /// This worker was the last one that had awaited tasks: the first one decides.
    pub(crate) fn report_quiet(&self) {
        if self.number != 0 {
            self.team.workers[0].0.notify();
        }
    }

    /// This worker is about to sleep. Nobody who asked it waits for an answer.
    pub(crate) fn lie_down(&self) {
        self.lies.set(true);
        let before = (self.team.control.0).fetch_or(self.bit(), Ordering::AcqRel);
        debug_assert!(before & self.bit() == 0, "somebody else has lain down here");
        fence(Ordering::SeqCst);
        let asked_by = self.worker().asked_by.load(Ordering::Relaxed);
        if asked_by != 0 {
            self.worker()
                .clear_request(asked_by & !URGENT, Ordering::Release);
        }
    }

    /// This worker is awake, whoever woke it. One whose bit is gone was woken to search (T1).
    pub(crate) fn rise(&self) {
        if !self.lies.replace(false) {
            return;
        }
        let before = self.team.control.0.fetch_and(!self.bit(), Ordering::AcqRel);
        if before & self.bit() == 0 {
            debug_assert!(before & SEARCH != 0, "T1: woken, but not to search");
            self.searches.set(true);
        }
        self.withdraw();
        self.unwatched.set(true);
    }

    /// This worker has said that it is awake, and is about to poll: somebody who sleeps shall look again (T6).
    fn be_watched(&self) {
        fence(Ordering::SeqCst);
        let asleep = self.team.control.0.load(Ordering::Relaxed) & !SEARCH;
        if asleep == 0 || asleep & self.team.timed.0.load(Ordering::Relaxed) != 0 {
            return;
        }
        let number = asleep.trailing_zeros() as usize;
        // Others who rise meanwhile need not wake anybody else.
        let before = self.team.timed.0.fetch_or(1 << number, Ordering::AcqRel);
        if before & (1 << number) == 0 {
            self.team.workers[number].0.notify();
        }
    }

    /// This worker asks nobody any more (T3).
    fn withdraw(&self) {
        if !self.asks.replace(false) {
            return;
        }
        let me = self.number + 1;
        for worker in &self.team.workers {
            // Whoever gives at this moment gives all the same.
            worker.0.clear_request(me, Ordering::Relaxed);
        }
    }

    /// This worker has something to do: others may look for work (T1), and one of them looks again later (T6).
    pub(crate) fn leave_search(&self) {
        if self.unwatched.replace(false) {
            self.be_watched();
        }
        if self.searches.replace(false) {
            self.end_search();
        }
    }

    /// This worker has had SEARCH until now.
    fn end_search(&self) {
        let before = self.team.control.0.fetch_and(!SEARCH, Ordering::AcqRel);
        debug_assert!(before & SEARCH != 0, "T1: somebody else has ended it");
    }

    /// Asks the others for work. True if something came.
    pub(crate) fn search(&self, running: &Running<'_>, park: &mut dyn Park) -> bool {
        // In the child of a fork the others are not there, and their tasks are their parent's.
        if self.team.len() == 1 || !self.process.is_this() {
            return false;
        }
        self.grain.end(running);
        self.held_up.set(0);
        if !self.searches.replace(false) {
            let before = self.team.control.0.fetch_or(SEARCH, Ordering::AcqRel);
            if before & SEARCH != 0 {
                return false; // T1
            }
        }
        let count = self.team.len();
        let first = self.random.borrow_mut().below(count);
        let found = (0..count).any(|step| {
            let number = (first + step) % count;
            number != self.number && self.ask(number, running, park)
        });
        self.end_search();
        if found {
            self.withdraw();
        }
        found
    }

    /// This worker is about to sleep: those who were in a poll when it looked for work do not see their I/O, so it does.
    pub(crate) fn attend(&self, park: &mut dyn Park) {
        let mut held_up = self.held_up.replace(0);
        while held_up != 0 {
            park.attend(held_up.trailing_zeros() as usize);
            held_up &= held_up - 1;
        }
    }

    /// How long this worker, which has lain down, may sleep: not for ever if another one is awake, and may turn out to be
    /// stuck (T6).
    pub(crate) fn watch(&self) -> Option<Duration> {
        if self.team.len() == 1 {
            return None;
        }
        if self.is_somebody_awake() {
            self.looks.set(0);
        } else if self.looks.get() < LOOKS {
            self.looks.set(self.looks.get() + 1);
        } else {
            self.timed.set(false);
            let timed = &self.team.timed.0;
            timed.fetch_and(!self.bit(), Ordering::AcqRel);
            fence(Ordering::SeqCst);
            if !self.is_somebody_awake() {
                return None;
            }
            self.looks.set(0);
        }
        if !self.timed.replace(true) {
            self.team.timed.0.fetch_or(self.bit(), Ordering::AcqRel);
        }
        Some(WATCH)
    }

    /// Whether a worker does not sleep that has not left. One that has yet to start counts.
    fn is_somebody_awake(&self) -> bool {
        let asleep = self.team.control.0.load(Ordering::Relaxed);
        let awake = |(number, worker): (usize, &Padded<Worker>)| {
            asleep & (1 << number) == 0 && worker.0.asked_by.load(Ordering::Relaxed) != GONE
        };
        self.team.workers.iter().enumerate().any(awake)
    }

    /// Worker `number` has not answered. If it has not begun another poll since the last time,
    /// takes what is ready behind the one that it is in.
    fn rescue(&self, number: usize, running: &Running<'_>, park: &mut dyn Park) {
        let Some(reached) = self.team.workers[number].0.reached.get() else {
            return;
        };
        let polls = running.polls_of(&reached.inbox);
        let last = self.unanswered.borrow_mut()[number].replace(polls);
        if last == Some(polls) {
            self.take_from(number, reached, running, park);
        }
    }

    /// Worker `number` is in a poll for long: wakes whom its timers and its I/O have made ready, and takes what is ready behind
    /// that poll.
    fn take_from(
        &self,
        number: usize,
        reached: &Reached,
        running: &Running<'_>,
        park: &mut dyn Park,
    ) {
        park.stand_in(number); // first: whom it wakes is ready then
        self.team.busy.fetch_add(MOST, Ordering::Relaxed); // T4
        let rescued = running.rescue(&reached.inbox, MOST);
        self.settle(MOST - rescued);
    }

    /// For a worker that has enough to do itself, and so does not ask: now and then it looks whether another one has been in one
    /// poll since the last time.
    pub(crate) fn look_after_others(&self, running: &Running<'_>, park: &mut dyn Park) {
        if self.team.len() == 1 || self.looked.get().elapsed() < WATCH || !self.process.is_this() {
            return;
        }
        self.looked.set(Instant::now());
        let asleep = self.team.control.0.load(Ordering::Relaxed);
        for (number, worker) in self.team.workers.iter().enumerate() {
            let is_awake = number != self.number
                && asleep & (1 << number) == 0
                && worker.0.asked_by.load(Ordering::Relaxed) != GONE;
            let reached = worker.0.reached.get().filter(|_| is_awake);
            let polls = reached.map(|reached| running.polls_of(&reached.inbox));
            let before = std::mem::replace(&mut self.seen.borrow_mut()[number], polls);
            if let Some(reached) = reached
                && before == polls
            {
                self.take_from(number, reached, running, park);
            }
        }
    }

    /// How long to wait for an answer of worker `number`, which has begun so many `polls` until `now`. If they were [long](LONG) since it
    /// was asked last, so is probably the one that it is in.
    fn patience(&self, number: usize, polls: Option<usize>, now: Instant) -> Duration {
        let Some(polls) = polls.filter(|_| !cfg!(loom)) else {
            return PATIENCE;
        };
        let before = self.asked.borrow_mut()[number].replace((polls, now));
        let polls_long = before.is_some_and(|(before, then)| {
            let begun = u32::try_from(polls.wrapping_sub(before)).unwrap_or(u32::MAX);
            now.duration_since(then) >= LONG.saturating_mul(begun.saturating_add(1))
        });
        if polls_long { GLANCE } else { PATIENCE }
    }

    /// Asks worker `number`, if it is awake. True if something came from it, or from anybody.
    fn ask(&self, number: usize, running: &Running<'_>, park: &mut dyn Park) -> bool {
        let asleep = self.team.control.0.load(Ordering::Relaxed) & (1 << number) != 0;
        let other = &self.team.workers[number].0;
        let me = self.number + 1;
        if asleep || other.reached.get().is_none() {
            return false;
        }
        let word = &other.asked_by;
        let polls = || {
            other
                .reached
                .get()
                .map(|other| running.polls_of(&other.inbox))
        };
        let before = polls();
        // Release: pairs with the acquire of `offer`.
        let asked = word.compare_exchange(0, me, Ordering::AcqRel, Ordering::Relaxed);
        if asked.is_err() {
            return false;
        }
        self.asks.set(true);
        let mut wait = None;
        // Acquire: what was given has come before the answer.
        while word.load(Ordering::Acquire) == me {
            for _ in 0..32 {
                hint::spin_loop();
            }
            let (start, patience) = *wait.get_or_insert_with(|| {
                let now = Instant::now();
                (now, self.patience(number, before, now))
            });
            // A model has no time: it looks once.
            if !cfg!(loom) && start.elapsed() <= patience {
                continue;
            }
            if polls() == before {
                // It is not known how much longer, but longer than moving takes.
                let urgent = me | URGENT;
                let _ = word.compare_exchange(me, urgent, Ordering::AcqRel, Ordering::Relaxed);
            }
            self.held_up.set(self.held_up.get() | 1 << number);
            self.rescue(number, running, park);
            break; // the request stands: what is given later ends our sleep
        }
        running.has_mail()
    }
}

/// Where a worker looks after each of its polls: whether somebody wants something of it.
#[derive(Clone, Copy)]
pub(crate) struct Lookout<'a> {
    asked_by: &'a AtomicUsize,
    control: &'a AtomicU64,
    pause_left: &'a Cell<u32>,
    seat: &'a Seat,
}

impl Lookout<'_> {
    /// See [`Seat::is_wanted`].
    #[inline(always)]
    pub(crate) fn sees(self, running: &Running<'_>) -> bool {
        // Relaxed: a look that is repeated.
        let asked_by = self.asked_by.load(Ordering::Relaxed);
        if asked_by != 0 {
            return self.seat.is_to_answer(asked_by, running);
        }
        if !self.may_wake() {
            return false;
        }
        let control = self.control.load(Ordering::Relaxed);
        control != 0 && self.seat.is_to_wake(control, running)
    }

    /// Whether it may help to wake somebody: not for some polls after there was nothing to give, although
    /// several tasks were ready.
    #[inline(always)]
    fn may_wake(self) -> bool {
        let left = self.pause_left.get();
        if left > 0 {
            self.pause_left.set(left - 1);
        }
        left == 0
    }
}

impl Drop for Seat {
    /// Nobody is to wait for a worker that has left.
    fn drop(&mut self) {
        self.rise();
        self.withdraw();
        self.leave_search();
        self.worker().asked_by.store(GONE, Ordering::Release);
        if self.counted.get() && self.uncount(1) {
            self.report_quiet();
        }
    }
}

/// Workers for the models: what `event_loop` does with its seat, without a world outside and without time.
#[cfg(any(loom, shuttle))]
#[doc(hidden)]
pub mod model {
    use arborio_task::Running;

    use super::{Ending, Ordering, Park, SEARCH, Seat, Team};
    use crate::park::{Passed, Wait};

    /// There is no world outside.
    struct Nowhere;

    impl Park for Nowhere {
        fn pass(&mut self, _wait: Wait) -> Passed {
            Passed::Looked
        }
    }

    /// Drives the loop of `seat` to its end; `sleep` returns when its notifier was called.
    pub fn drive(seat: &Seat, running: &Running<'_>, sleep: &dyn Fn()) {
        loop {
            if poll_ready(seat, running) {
                return;
            }
            let found = seat.search(running, &mut Nowhere);
            if found {
                continue;
            }
            if seat.may_end() && is_over(seat, running) {
                return;
            }
            seat.lie_down();
            if running.try_sleep() {
                sleep();
                running.wake_up();
            }
            seat.rise();
            count(seat, running);
            if running.has_ready() {
                seat.leave_search();
            }
        }
    }

    /// True if that was the end.
    fn poll_ready(seat: &Seat, running: &Running<'_>) -> bool {
        loop {
            running.take_mail();
            count(seat, running);
            if running.has_ready() {
                seat.leave_search();
            }
            let polled = running.run_until(1, |_| true);
            if seat.is_wanted(running) {
                seat.offer(running, false);
            }
            if running.take_attention() && is_over(seat, running) {
                return true;
            }
            if polled == 0 && !running.has_ready() && !running.has_mail() {
                return false;
            }
        }
    }

    fn count(seat: &Seat, running: &Running<'_>) {
        if seat.count(running, running.take_arrivals()) {
            seat.report_quiet();
        }
    }

    fn is_over(seat: &Seat, running: &Running<'_>) -> bool {
        if running.pending() == 0 {
            running.take_mail();
        }
        count(seat, running);
        let over = running.pending() == 0 && seat.may_end();
        if over {
            seat.team().end(Ending::WhenDone);
        }
        over
    }

    /// What holds at every moment: only workers sleep, or are said to look again, and no count is below zero.
    pub fn check(team: &Team) {
        let control = team.control.0.load(Ordering::Acquire);
        let timed = team.timed.0.load(Ordering::Acquire);
        let busy = team.busy.load(Ordering::Acquire);
        assert_eq!((control & !SEARCH | timed) >> team.len(), 0, "{team:?}");
        assert!(busy < usize::MAX / 2, "{team:?}");
    }

    /// Nobody sleeps, searches, asks or is counted. For who has seen all seats go.
    pub fn is_at_rest(team: &Team) -> bool {
        is_left(team) && team.busy.load(Ordering::Acquire) == 0
    }

    /// Nobody sleeps, searches or asks. What was sent too late, or when the workers had been asked to end, may be counted
    /// for ever.
    pub fn is_left(team: &Team) -> bool {
        team.control.0.load(Ordering::Acquire) == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
