//! Workers of a team over worlds that do what the test says.
//!
//! Their sleeps have no limit, whatever the worker asks for: what time would repair after some milliseconds is not repaired here.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::poll_fn,
    hint,
    rc::Rc,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use arborio_executor::{
    Doorbell, LoopOptions, Park, Passed, Ring, RunError, Seat, Tasks, Team, Wait, drive_in_team,
};

/// Workers sleep in their threads' parks.
pub(crate) struct Nowhere;

impl Ring for Nowhere {
    fn ring(&self) {}
}

pub(crate) type Bell = Arc<Doorbell<Nowhere>>;

/// After so long a sleep has failed: nobody has called whom somebody should have called.
pub(crate) const TOO_LONG: Duration = Duration::from_secs(10);

/// What a worker has asked its world for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// To look, and not to block.
    Look,
    /// To sleep.
    Sleep,
    /// A sleep that nobody ended.
    Oversleep,
}

type Event = Box<dyn FnOnce()>;

/// The world of one worker. A look takes the calls so far, as every pass does.
#[derive(Clone, Default)]
pub(crate) struct Script(Rc<Facts>);

#[derive(Default)]
struct Facts {
    asked: RefCell<Vec<Asked>>,
    /// What happens at the first turns, before the worker asks others for work.
    turns: RefCell<VecDeque<Event>>,
    /// What happens at the first looks.
    looks: RefCell<VecDeque<Event>>,
    /// What happens at the first sleeps, which end then.
    sleeps: RefCell<VecDeque<Event>>,
    /// Called whenever the worker has lain down, and waits for a call.
    asleep: RefCell<Option<Box<dyn Fn()>>>,
    /// Whether its slices are over.
    slices_end: Cell<bool>,
}

impl Script {
    /// `event` happens at the end of the next turn that has none yet.
    pub(crate) fn at_turn(&self, event: impl FnOnce() + 'static) {
        self.0.turns.borrow_mut().push_back(Box::new(event));
    }

    /// `event` happens at the next look that has none yet.
    pub(crate) fn at_look(&self, event: impl FnOnce() + 'static) {
        self.0.looks.borrow_mut().push_back(Box::new(event));
    }

    /// `event` happens at the next sleep that has none yet, and ends it.
    pub(crate) fn at_sleep(&self, event: impl FnOnce() + 'static) {
        self.0.sleeps.borrow_mut().push_back(Box::new(event));
    }

    /// `event` happens at each sleep that only a call ends.
    pub(crate) fn when_asleep(&self, event: impl Fn() + 'static) {
        *self.0.asleep.borrow_mut() = Some(Box::new(event));
    }

    /// From now on the worker is told that its slice is over whenever it asks, or that it is not.
    pub(crate) fn end_slices(&self, end: bool) {
        self.0.slices_end.set(end);
    }

    /// What the worker has asked for so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.0.asked.borrow().clone()
    }

    pub(crate) fn has_overslept(&self) -> bool {
        self.0.asked.borrow().contains(&Asked::Oversleep)
    }

    /// Drives worker `number` of `team` over this world.
    pub(crate) fn work<F: Future>(&self, team: &Arc<Team>, number: usize, main: F) -> F::Output {
        let options = LoopOptions::default();
        self.work_with(team, number, options, main).unwrap()
    }

    pub(crate) fn work_with<F: Future>(
        &self,
        team: &Arc<Team>,
        number: usize,
        options: LoopOptions,
        main: F,
    ) -> Result<F::Output, RunError> {
        let bell = Bell::new(Doorbell::new());
        let tasks = Tasks::new(bell.clone());
        tasks.prepare_for_rescue();
        let seat = Seat::take(Arc::clone(team), number, tasks.submitter(), bell.clone());
        let mut world = Scripted {
            script: self.clone(),
            bell,
        };
        drive_in_team(tasks, &mut world, options, &|_| {}, &seat, main)
    }
}

struct Scripted {
    script: Script,
    bell: Bell,
}

impl Scripted {
    fn facts(&self) -> &Facts {
        &self.script.0
    }

    fn note(&self, asked: Asked) {
        self.facts().asked.borrow_mut().push(asked);
    }

    fn look(&self) {
        self.note(Asked::Look);
        happen(&self.facts().looks);
        self.bell.take_call();
    }

    fn sleep(&self) {
        self.note(Asked::Sleep);
        if happen(&self.facts().sleeps) {
            self.bell.take_call();
            return;
        }
        if let Some(asleep) = &*self.facts().asleep.borrow() {
            asleep();
        }
        let start = Instant::now();
        while !self.bell.take_call() {
            thread::park_timeout(TOO_LONG);
            if start.elapsed() >= TOO_LONG {
                return self.note(Asked::Oversleep);
            }
        }
    }
}

/// False if nothing is left to happen.
fn happen(events: &RefCell<VecDeque<Event>>) -> bool {
    let event = events.borrow_mut().pop_front();
    event.map(|event| event()).is_some()
}

impl Park for Scripted {
    fn pass(&mut self, wait: Wait) -> Passed {
        match wait {
            Wait::Never => self.look(),
            Wait::Allowed | Wait::Alone => self.sleep(),
        }
        Passed::Looked
    }

    fn pass_within(&mut self, _limit: Duration) -> Passed {
        self.sleep();
        Passed::Looked
    }

    fn slice_is_over(&mut self) -> bool {
        self.facts().slices_end.get()
    }

    fn counts(&self) -> (usize, usize) {
        happen(&self.facts().turns);
        (0, 0)
    }
}

/// What one task tells another, wherever the two are.
#[derive(Clone, Default)]
pub(crate) struct Note(Arc<Mutex<(Option<bool>, Option<Waker>)>>);

impl Note {
    pub(crate) fn tell(&self, what: bool) {
        let mut note = self.0.lock().unwrap();
        note.0 = Some(what);
        let waker = note.1.take();
        drop(note);
        waker.into_iter().for_each(Waker::wake);
    }

    /// What was told; then it can be told again.
    pub(crate) async fn read(&self) -> bool {
        poll_fn(|cx| {
            let mut note = self.0.lock().unwrap();
            note.1 = Some(cx.waker().clone());
            note.0.take().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Is busy for `time`, or longer.
pub(crate) fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        hint::spin_loop();
    }
}
