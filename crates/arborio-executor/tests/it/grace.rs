//! Loops that end while some have to clean up, over a world in which time passes only in sleeps.

use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use arborio_executor::{
    Ending, Handle, LoopOptions, Park, Passed, Report, RunError, Seat, Task, Tasks, Team, Wait,
    drive, drive_in_team, spawn_local, task,
};
use arborio_task::{
    NoNotify, Payload,
    frames::{Answer, Frame, Inside},
};

use crate::world::{Log, Noted};

/// How many sleeps there were, and who waits for the next one.
#[derive(Clone, Default)]
struct Clock(Rc<Hands>);

#[derive(Default)]
struct Hands {
    sleeps: Cell<u32>,
    waiting: RefCell<Vec<Waker>>,
}

impl Clock {
    fn sleeps(&self) -> u32 {
        self.0.sleeps.get()
    }

    /// Ready once there were `sleeps`.
    fn poll_until(&self, sleeps: u32, cx: &Context<'_>) -> Poll<()> {
        if self.sleeps() >= sleeps {
            return Poll::Ready(());
        }
        self.0.waiting.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    }
}

/// Gives a grace of so many sleeps.
struct Slow {
    clock: Clock,
    grace: u32,
    graces: u32,
}

impl Park for Slow {
    fn pass(&mut self, wait: Wait) -> Passed {
        if wait != Wait::Never {
            self.clock.0.sleeps.set(self.clock.sleeps() + 1);
            let waiting = self.clock.0.waiting.take();
            assert!(!waiting.is_empty(), "nothing would ever happen");
            waiting.into_iter().for_each(Waker::wake);
        }
        Passed::Looked
    }

    fn start_grace(&mut self) -> Option<Task<()>> {
        self.graces += 1;
        let (clock, end) = (self.clock.clone(), self.clock.sleeps() + self.grace);
        let grace = poll_fn(move |cx| clock.poll_until(end, cx));
        Some(task().awaited(false).name("grace").spawn_local(grace))
    }
}

/// What became of a loop.
struct Ended {
    result: Result<(), RunError>,
    graces: u32,
    /// Who was forced, by name.
    forced: Vec<String>,
}

/// Runs `main` with a grace of so many sleeps.
fn run(clock: &Clock, grace: u32, main: impl Future<Output = ()>) -> Ended {
    run_telling(clock, grace, main, |told| panic!("{told}"))
}

fn run_telling(
    clock: &Clock,
    grace: u32,
    main: impl Future<Output = ()>,
    tell: impl Fn(String),
) -> Ended {
    run_loop(clock, grace, main, &tell, None)
}

/// The same on the only worker of `team`.
fn run_in_team(
    team: &Arc<Team>,
    clock: &Clock,
    grace: u32,
    main: impl Future<Output = ()>,
) -> Ended {
    run_loop(clock, grace, main, &|told| panic!("{told}"), Some(team))
}

fn run_loop(
    clock: &Clock,
    grace: u32,
    main: impl Future<Output = ()>,
    tell: &dyn Fn(String),
    team: Option<&Arc<Team>>,
) -> Ended {
    let mut park = Slow {
        clock: clock.clone(),
        grace,
        graces: 0,
    };
    let forced = RefCell::new(Vec::new());
    let tell = |report: Report<'_>| match report {
        Report::Forced(tree) => {
            let names = tree.tasks().filter_map(|task| task.name.clone());
            forced.borrow_mut().extend(names.map(String::from));
        }
        report => tell(report.to_string()),
    };
    let options = LoopOptions::default();
    let tasks = Tasks::new(Arc::new(NoNotify));
    let result = match team {
        None => drive(tasks, &mut park, options, &tell, main),
        Some(team) => {
            let inbox = tasks.submitter();
            let seat = Seat::take(Arc::clone(team), 0, inbox, Arc::new(NoNotify));
            drive_in_team(tasks, &mut park, options, &tell, &seat, main)
        }
    };
    Ended {
        result,
        graces: park.graces,
        forced: forced.take(),
    }
}

/// Is told when it is asked to end, and then whenever it is polled.
fn handles(
    mut react: impl FnMut(&mut Context<'_>, &Inside<'_>) -> Poll<()>,
) -> impl Future<Output = ()> {
    let mut frame = Frame::handler();
    poll_fn(move |cx| {
        frame.poll(cx, |cx, inside| match inside.is_asked() {
            true => react(cx, inside),
            false => Poll::Pending,
        })
    })
}

/// Takes so many sleeps to clean up.
fn cleans_up(clock: &Clock, sleeps: u32) -> impl Future<Output = ()> + use<> {
    let (clock, mut end) = (clock.clone(), None);
    handles(move |cx, _| {
        let end = *end.get_or_insert(clock.sleeps() + sleeps);
        clock.poll_until(end, cx)
    })
}

/// Has all that was spawned begin, and stops the loop.
async fn stop() {
    arborio_executor::yield_now().await;
    Handle::current().expect("a loop runs").stop();
    pending::<()>().await;
}

fn is_stopped(ended: &Ended) -> bool {
    matches!(ended.result, Err(RunError::Stopped))
}

#[test]
fn s05_a_loop_waits_for_who_cleans_up_and_no_longer() {
    let (clock, log) = (Clock::default(), Log::default());
    let ended = run(&clock, 9, async {
        let note = log.clone();
        let tidies = cleans_up(&clock, 2);
        drop(spawn_local(async move {
            let _dropped = Noted(note.clone(), "dropped");
            tidies.await;
            note.note("cleaned up");
        }));
        stop().await;
    });
    assert!(is_stopped(&ended));
    assert!(ended.forced.is_empty(), "{:?}", ended.forced);
    assert_eq!((ended.graces, clock.sleeps()), (1, 2));
    assert_eq!(log.read(), ["cleaned up", "dropped"]);
}

#[test]
fn s05_who_outlives_the_grace_is_dropped_and_told() {
    let (clock, log) = (Clock::default(), Log::default());
    let ended = run(&clock, 3, async {
        let (note, tidies) = (log.clone(), cleans_up(&clock, 4));
        drop(task().name("slow").spawn_local(async move {
            let _dropped = Noted(note, "dropped");
            tidies.await;
        }));
        drop(task().name("quick").spawn_local(cleans_up(&clock, 2)));
        stop().await;
    });
    assert!(is_stopped(&ended));
    assert_eq!(ended.forced, ["slow"]);
    assert_eq!((ended.graces, clock.sleeps()), (1, 3));
    assert_eq!(log.read(), ["dropped"]);
}

/// A few times at once, and again when the loop has slept: for ever would keep time from passing.
#[test]
fn s05_who_takes_the_request_back_is_asked_again() {
    let clock = Clock::default();
    let asked = Rc::new(RefCell::new(vec![0]));
    let (noted, seen) = (Rc::clone(&asked), clock.clone());
    let ended = run(&clock, 3, async move {
        let stubborn = async move {
            loop {
                // Each handler is asked once.
                let (noted, seen) = (Rc::clone(&noted), seen.clone());
                let refuses = handles(move |_, inside| {
                    let mut noted = noted.borrow_mut();
                    noted.resize(1 + seen.sleeps() as usize, 0);
                    *noted.last_mut().unwrap() += 1;
                    inside.answer(Answer::Swallowed);
                    Poll::Ready(())
                });
                refuses.await;
            }
        };
        drop(task().name("stubborn").spawn_local(stubborn));
        stop().await;
    });
    assert!(is_stopped(&ended));
    assert_eq!(ended.forced, ["stubborn"]);
    assert_eq!(
        *asked.borrow(),
        [17, 16, 16],
        "when the loop stops, and 16 times again"
    );
}

#[test]
fn s05_a_loop_that_is_stopped_while_it_ends_gives_no_second_grace() {
    let clock = Clock::default();
    let ended = run(&clock, 9, async {
        let daemon = || task().awaited(false);
        let stops = handles(|_, _| {
            Handle::current().expect("a loop runs").stop();
            Poll::Ready(())
        });
        drop(daemon().spawn_local(cleans_up(&clock, 2)));
        drop(daemon().spawn_local(stops));
        arborio_executor::yield_now().await;
    });
    assert!(ended.result.is_ok() && ended.forced.is_empty());
    assert_eq!((ended.graces, clock.sleeps()), (1, 2));
}

#[cfg(panic = "unwind")]
#[test]
fn s05_a_panic_of_who_cleans_up_is_told_if_main_was_stopped() {
    let clock = Clock::default();
    let told = RefCell::new(Vec::new());
    let main = async {
        let fails = handles(|_, _| std::panic::panic_any("no bread"));
        drop(spawn_local(fails));
        drop(spawn_local(cleans_up(&clock, 1)));
        stop().await;
    };
    let ended = run_telling(&clock, 9, main, |report| told.borrow_mut().push(report));
    assert!(is_stopped(&ended));
    let told = told.into_inner();
    assert!(
        told.len() == 1 && told[0].starts_with("a task panicked: no bread (task "),
        "{told:?}"
    );
}

/// Has `code` done by a task when that is asked to end, within its grace.
fn when_asked(code: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> {
    let mut code = Box::pin(code);
    handles(move |cx, _| code.as_mut().poll(cx))
}

#[test]
fn s05_who_cleans_up_on_a_worker_has_help_that_nobody_asks_to_end() {
    let (clock, log) = (Clock::default(), Log::default());
    let team = Arc::new(Team::new(1));
    let ended = run_in_team(&team, &clock, 9, async {
        let (time, note) = (clock.clone(), log.clone());
        drop(spawn_local(when_asked(async move {
            let helps = poll_fn(move |cx| time.poll_until(3, cx));
            let helped = spawn_local(helps).await;
            note.note(if helped.is_ok() { "helped" } else { "ended" });
        })));
        stop().await;
    });
    assert!(is_stopped(&ended) && ended.forced.is_empty());
    assert_eq!((ended.graces, clock.sleeps()), (1, 3));
    assert_eq!(log.read(), ["helped"]);
}

#[test]
fn s05_what_comes_to_a_worker_that_ends_is_asked_as_the_others_were() {
    let clock = Clock::default();
    let team = Arc::new(Team::new(1));
    let ended = run_in_team(&team, &clock, 9, async {
        let (time, again) = (clock.clone(), clock.clone());
        let home = Handle::current().expect("a loop runs");
        drop(spawn_local(when_asked(async move {
            poll_fn(|cx| time.poll_until(1, cx)).await;
            let send = move || drop(home.spawn(pending::<()>()));
            std::thread::spawn(send).join().unwrap();
            poll_fn(|cx| again.poll_until(2, cx)).await;
        })));
        arborio_executor::yield_now().await;
        team.end(Ending::Asked);
        pending::<()>().await;
    });
    assert!(is_stopped(&ended));
    assert_eq!((ended.graces, clock.sleeps()), (1, 2), "it was not asked");
}

/// The first one that nobody observes comes out of the loop, and the observer is told of others.
#[cfg(panic = "unwind")]
#[test]
fn x06_a_panic_of_who_cleans_up_goes_on_in_run_when_the_others_have_ended() {
    let (clock, log) = (Clock::default(), Log::default());
    let ended = Cell::new(None);
    let raised = catch_unwind(AssertUnwindSafe(|| {
        let main = async {
            let daemon = |name| task().awaited(false).name(name);
            for message in ["first", "second"] {
                let fails = handles(move |_, _| std::panic::panic_any(message));
                drop(daemon(message).spawn_local(fails));
            }
            let (note, tidies) = (log.clone(), cleans_up(&clock, 2));
            drop(daemon("tidy").spawn_local(async move {
                tidies.await;
                note.note("cleaned up");
            }));
            arborio_executor::yield_now().await;
        };
        run_telling(&clock, 9, main, |told| ended.set(Some(told)))
    }));
    let payload = Payload::new(raised.err().expect("it goes on"));
    assert_eq!(payload.message(), "first");
    assert_eq!(log.read(), ["cleaned up"]);
    let told = ended.take().expect("somebody was told");
    assert!(
        told.starts_with("a task panicked: second (task `second` "),
        "{told}"
    );
}
