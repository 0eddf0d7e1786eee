//! The entrances: a loop from its start to its end, alone or in a team.

use arborio_task::{Interrupt, Tasks};

use super::{
    LoopOptions, Report, RunError, SLICE, ending::End, report::tell_reported, turns::Turns,
};
use crate::{
    awake::Awake,
    here::{self, Here},
    park::Park,
    random::Random,
    team::Seat,
};

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
/// [`OnUnobservedPanic`](crate::OnUnobservedPanic)): the panic goes on here, after every task was ended.
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
