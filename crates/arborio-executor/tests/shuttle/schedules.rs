//! Runs a scenario under many random schedules, and says which one failed.
//!
//! A scheduler that tosses a coin at each step lets all threads advance at the same pace. Bugs often need one of them to
//! stand still for long, or to run for long. So each schedule has a temper, which is chosen first.
//!
//! A schedule is what its number makes of it, so the number replays it:
//!
//! | variable              | meaning                                                        | otherwise |
//! |-----------------------|----------------------------------------------------------------|-----------|
//! | `ARBORIO_SCHEDULES`   | how many schedules there are, over all scenarios               | 10,000    |
//! | `ARBORIO_FIRST`       | the number of the first one; the others of a scenario follow    | 0         |
//! | `ARBORIO_SCHEDULE`    | the number of the only one                                     | -         |

use std::{
    env, panic,
    str::FromStr,
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use arborio_executor::Random;
use shuttle::{
    Config, FailurePersistence, MaxSteps, Runner,
    scheduler::{Schedule, Scheduler, Task, TaskId},
};

/// How many scenarios share the schedules.
const SCENARIOS: usize = 8;
/// No schedule of a scenario needs more: one that does goes round in circles.
const STEPS: usize = 400_000;
/// Of a poll's depth, several times over.
const STACK: usize = 256 * 1024;

/// The scenario that is explored, and the number of its schedule.
static RUNNING: Mutex<Option<(String, Arc<AtomicU64>)>> = Mutex::new(None);

/// Runs `scenario` under its share of the schedules.
pub(crate) fn explore(name: &str, scenario: impl Fn() + Send + Sync + 'static) {
    let only = number("ARBORIO_SCHEDULE");
    let count = match only {
        Some(_) => 1,
        None => (number("ARBORIO_SCHEDULES").unwrap_or(10_000_usize)).div_ceil(SCENARIOS),
    };
    let first = only.or_else(|| number("ARBORIO_FIRST")).unwrap_or(0);
    let scheduler = Moody::new(first, count);
    tell_of_panics(name, Arc::clone(&scheduler.current));
    let start = Instant::now();
    let ran = Runner::new(scheduler, config()).run(scenario);
    *RUNNING.lock().unwrap() = None;
    let rate = ran as f64 / start.elapsed().as_secs_f64();
    println!("{name}: {rate:.0} per second");
    println!("model {name}: {ran} executions");
}

/// From now on a panic says which schedule it is in. That of a bad pointer ends the process, so nobody could say it later.
fn tell_of_panics(name: &str, current: Arc<AtomicU64>) {
    static HOOK: Once = Once::new();
    *RUNNING.lock().unwrap() = Some((name.into(), current));
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if let Some((name, current)) = &*RUNNING.lock().unwrap() {
                let number = current.load(Ordering::Relaxed);
                eprintln!(
                    "to see it again: ARBORIO_SCHEDULE={number} cargo xtask schedules {name}"
                );
            }
            usual(info);
        }));
    });
}

/// Runs `code`, which is in no schedule.
pub(crate) fn once(code: impl Fn() + Send + Sync + 'static) {
    Runner::new(Moody::new(0, 1), config()).run(code);
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK;
    config.failure_persistence = FailurePersistence::None;
    config.max_steps = MaxSteps::FailAfter(STEPS);
    config.silence_warnings = true;
    config
}

/// Whether there are so few schedules that what is seldom may happen in none.
pub(crate) fn are_few() -> bool {
    number("ARBORIO_SCHEDULE").is_some_and(|_: u64| true)
        || number("ARBORIO_SCHEDULES").is_some_and(|count: usize| count < 5_000)
}

fn number<T: FromStr>(variable: &str) -> Option<T> {
    let value = env::var(variable).ok()?;
    Some(
        value
            .parse()
            .ok()
            .unwrap_or_else(|| panic!("{variable} is no number: {value}")),
    )
}

/// Who runs next is random, but not at every step.
struct Moody {
    /// The number of the schedule that is running, for whoever reports.
    current: Arc<AtomicU64>,
    next: u64,
    left: usize,
    random: Random,
    temper: Temper,
}

/// What kind of schedule it is.
#[derive(Default)]
struct Temper {
    /// Of 64 steps, this many on average are made by the thread that made the one before.
    stays: usize,
    /// This thread is passed over, mostly.
    slow: Option<usize>,
}

impl Temper {
    fn any(random: &mut Random) -> Self {
        Self {
            stays: [0, 32, 56, 62][random.below(4)],
            slow: (random.below(3) == 0).then(|| random.below(4)),
        }
    }
}

impl Scheduler for Moody {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.left = self.left.checked_sub(1)?;
        self.current.store(self.next, Ordering::Relaxed);
        // Neighbours have nothing in common: a seed of the generator is not one of its states.
        let seed = (self.next + 1).wrapping_mul(0xD605_BBB5_8C8A_BBC9);
        self.random = Random::new(seed);
        self.temper = Temper::any(&mut self.random);
        self.next += 1;
        Some(Schedule::new(seed))
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        yields: bool,
    ) -> Option<TaskId> {
        let here = runnable.iter().position(|task| Some(task.id()) == current);
        if let Some(here) = here
            && !yields
            && self.random.below(64) < self.temper.stays
        {
            return Some(runnable[here].id());
        }
        let mut chosen = self.random.below(runnable.len());
        if yields && here == Some(chosen) || self.is_passed_over(runnable[chosen].id()) {
            chosen = (chosen + 1) % runnable.len();
        }
        Some(runnable[chosen].id())
    }

    fn next_u64(&mut self) -> u64 {
        let (high, low) = (self.random.below(1 << 32), self.random.below(1 << 32));
        (high as u64) << 32 | low as u64
    }
}

impl Moody {
    fn new(first: u64, count: usize) -> Self {
        Self {
            current: Arc::new(AtomicU64::new(first)),
            next: first,
            left: count,
            random: Random::new(first),
            temper: Temper::default(),
        }
    }

    fn is_passed_over(&mut self, task: TaskId) -> bool {
        self.temper.slow == Some(usize::from(task)) && self.random.below(16) != 0
    }
}
