//! Drops a future at every poll, between all steps of those around it.
//!
//! A [`Scenario`] is a world (the primitive and what the check looks at), a
//! victim, and others. All of them are futures that are polled by hand. The
//! harness tries every order of polls up to a bound; after each one it ends the
//! victim in each of the ways of [`End`], lets the rest run *by its wakes only*,
//! and asks three questions:
//!
//! * Has everybody else ended? If not, a wake was lost, or a grant was kept by a
//!   future that is gone.
//! * Is the world the last owner of itself? If not, something was leaked.
//! * Does the scenario's own check hold: the permits, the messages?

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use arborio_base::budget;

/// One of those who take part: its output goes into the world.
pub(crate) type Actor = Pin<Box<dyn Future<Output = ()>>>;

/// Makes an actor of a world.
pub(crate) type Make<W> = fn(Rc<W>) -> Actor;

/// How often each actor is polled before the end, at most: enough for the
/// first poll, one for nothing, and the one that finds its answer.
const POLLS: usize = 3;

/// How many polls there are before the end, at most, unless `ARBORIO_DEEP` is set.
const MOVES: usize = 7;

/// Polls in the end, after which the actors are said to spin.
const PATIENCE: usize = 10_000;

/// A future, what it waits in, and who else is there.
pub(crate) struct Scenario<W: 'static> {
    /// Says in a word what is tried.
    pub name: &'static str,
    /// A new world.
    pub world: fn() -> W,
    /// The future that is dropped.
    pub victim: Make<W>,
    /// Those who must come to their end whatever happens to the victim.
    pub others: &'static [Make<W>],
    /// Whether the others come to their end also if the victim is not dropped.
    pub runs_on: bool,
    /// Whether the world is as it should be, when nobody is left.
    pub check: fn(W, Victim),
}

/// What became of the victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    /// It was polled to its end.
    Ended,
    /// It was dropped before.
    Dropped,
}

/// How the victim ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It is dropped before anybody else is polled again.
    Dropped,
    /// It is dropped by the first waker that is woken from then on.
    DroppedInAWake,
    /// It runs on, by its wakes.
    RunsOn,
}

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// The actor of this number is polled; the victim is number 0.
    Poll(usize),
    /// The victim is polled when its task may do nothing any more.
    Starved,
}

/// The end of a step of an actor: others may be polled before it goes on.
pub(crate) fn pause() -> impl Future<Output = ()> {
    let mut paused = false;
    std::future::poll_fn(move |_cx| {
        if std::mem::replace(&mut paused, true) {
            return Poll::Ready(());
        }
        PAUSED.set(true); // instead of a wake: those are the primitive's
        Poll::Pending
    })
}

/// Tries every order and every end; returns how many were tried.
pub(crate) fn drop_at_every_poll<W: 'static>(scenario: &Scenario<W>) -> usize {
    let deep = std::env::var_os("ARBORIO_DEEP").is_some();
    let most = if deep { usize::MAX } else { MOVES };
    let mut tried = 0;
    extend(scenario, &mut Vec::new(), most, &mut tried);
    assert!(tried > 10, "{}: nothing was tried", scenario.name);
    tried
}

/// Tries what has been done so far with every end, then every longer order.
fn extend<W: 'static>(
    scenario: &Scenario<W>,
    moves: &mut Vec<Move>,
    most: usize,
    tried: &mut usize,
) {
    for end in [End::Dropped, End::DroppedInAWake, End::RunsOn] {
        if end == End::RunsOn && !scenario.runs_on {
            continue;
        }
        if !play(scenario, moves, end) {
            return; // somebody had ended already: no order goes on from here
        }
        *tried += 1;
    }
    if moves.len() == most {
        return;
    }
    let actors = 0..=scenario.others.len();
    for next in actors.map(Move::Poll).chain([Move::Starved]) {
        let done = moves.iter().filter(|done| **done == next).count();
        if done < if next == Move::Starved { 1 } else { POLLS } {
            moves.push(next);
            extend(scenario, moves, most, tried);
            moves.pop();
        }
    }
}

/// One run from the beginning. False if the last move finds its actor ended.
fn play<W: 'static>(scenario: &Scenario<W>, moves: &[Move], end: End) -> bool {
    let _context = Described(scenario.name, moves, end);
    let world = Rc::new((scenario.world)());
    let mut stage = Stage::new(&world, scenario);
    for next in moves {
        let polled = match *next {
            Move::Poll(number) => stage.poll(number),
            Move::Starved => starved(|| stage.poll(0)),
        };
        if !polled {
            return false;
        }
    }
    stage.end(end);
    let victim = stage.victim;
    drop(stage);
    let world = Rc::try_unwrap(world).ok().expect("the world was leaked");
    (scenario.check)(world, victim);
    true
}

/// Polls as a task of an Arborio loop that has used up its budget.
fn starved<R>(poll: impl FnOnce() -> R) -> R {
    budget::refill();
    let mut cx = Context::from_waker(Waker::noop());
    while budget::has_budget() {
        assert!(budget::poll_charge(&mut cx).is_ready());
    }
    let polled = poll();
    budget::lift();
    polled
}

/// Those who take part, while they live.
struct Stage {
    /// The victim first; `None` once it has ended.
    actors: Vec<Rc<RefCell<Option<Actor>>>>,
    /// What the waker of each one's last poll calls.
    calls: Vec<Arc<Call>>,
    /// How often each one was polled.
    polls: Vec<usize>,
    victim: Victim,
}

impl Stage {
    fn new<W: 'static>(world: &Rc<W>, scenario: &Scenario<W>) -> Self {
        let makers = [&[scenario.victim], scenario.others].concat();
        let actor = |make: &Make<W>| make(Rc::clone(world));
        let slot = |actor| Rc::new(RefCell::new(Some(actor)));
        Self {
            actors: makers.iter().map(actor).map(slot).collect(),
            calls: makers.iter().map(|_| Call::new()).collect(),
            polls: vec![0; makers.len()],
            victim: Victim::Dropped,
        }
    }

    /// Polls one actor; false if it has ended before.
    fn poll(&mut self, number: usize) -> bool {
        let mut slot = self.actors[number].borrow_mut();
        let Some(actor) = slot.as_mut() else {
            return false;
        };
        // Every second poll comes with another waker, and the one before is dead.
        self.polls[number] += 1;
        if self.polls[number] % 2 == 1 {
            self.calls[number] = Call::new();
        }
        let call = &self.calls[number];
        call.woken.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(call));
        let polled = actor.as_mut().poll(&mut Context::from_waker(&waker));
        if PAUSED.take() {
            call.woken.store(true, Ordering::SeqCst);
        }
        if polled.is_ready() {
            *slot = None;
            if number == 0 {
                self.victim = Victim::Ended;
            }
        }
        true
    }

    /// Ends the victim, then polls whoever is woken until all have ended.
    fn end(&mut self, end: End) {
        let victim = Rc::clone(&self.actors[0]);
        let first = match end {
            End::RunsOn => 0,
            End::Dropped | End::DroppedInAWake => 1,
        };
        match end {
            End::RunsOn => {}
            End::Dropped => drop(victim.take()),
            End::DroppedInAWake => IN_A_WAKE.set(Some(Box::new(move || drop(victim.take())))),
        }
        self.run(first);
        if let Some(drop_victim) = IN_A_WAKE.take() {
            drop_victim(); // nobody was woken
            self.run(first);
        }
        let left =
            (first..self.actors.len()).find(|number| self.actors[*number].borrow().is_some());
        assert_eq!(left, None, "this actor was never woken");
    }

    fn run(&mut self, first: usize) {
        for _ in 0..PATIENCE {
            let woken = |number: &usize| self.calls[*number].woken.load(Ordering::SeqCst);
            let Some(number) = (first..self.actors.len()).find(woken) else {
                return;
            };
            self.calls[number].woken.store(false, Ordering::SeqCst);
            self.poll(number);
        }
        panic!("the actors wake each other for ever");
    }
}

thread_local! {
    /// The running actor has come to a pause.
    static PAUSED: Cell<bool> = const { Cell::new(false) };
    /// What the next wake does.
    static IN_A_WAKE: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

/// Whether an actor is to be polled.
struct Call {
    woken: AtomicBool,
}

impl Call {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            woken: AtomicBool::new(true),
        })
    }
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        if let Some(act) = IN_A_WAKE.take() {
            act();
        }
    }
}

/// Says what was tried if it fails.
struct Described<'a>(&'static str, &'a [Move], End);

impl Drop for Described<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}: after {:?} the victim {:?}", self.0, self.1, self.2);
        }
    }
}
