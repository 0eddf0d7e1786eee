//! The watchdog: one thread of the process that looks at all loops now and then, and says whose poll takes long.
//!
//! It costs a loop nothing but two registrations. The thread starts with the first loop that is watched, and ends
//! never; while no loop runs it sleeps, and while none polls it looks less often.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak},
    thread,
    time::{Duration, Instant},
};

use arborio_task::{Look, PolledTask, Watched};

/// How often in each threshold it looks.
const LOOKS: u32 = 4;
/// It looks at most so many times less often while no loop polls, if that is not for less than [`LAZY`].
const LAZINESS: u32 = 8;
/// Only who looks not more often than this gets lazy.
const LAZY: Duration = Duration::from_millis(40);
/// It looks not less often than that for long thresholds, but for its laziness.
const LONGEST: Duration = Duration::from_millis(250);
/// How many times in a row it finds no loop before it sleeps until there is one.
const EMPTY_LOOKS: u32 = 20;
/// Enough for who is told.
const STACK: usize = 256 << 10;
/// The shortest threshold that is kept.
const SHORTEST: Duration = Duration::from_millis(1);

/// A poll that takes long.
///
/// # Examples
/// See [`watch`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SlowPoll {
    /// The task; `None` if the system does not let it be known.
    pub task: Option<PolledTask>,
    /// For how long it has been seen, at least.
    pub held: Duration,
}

impl fmt::Display for SlowPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.task {
            Some(task) => write!(f, "{task}")?,
            None => f.write_str("a task")?,
        }
        write!(f, " has not returned from its poll for {:.0?}", self.held)
    }
}

type Tell = dyn Fn(&SlowPoll) + Send + Sync;

/// A loop that is watched.
struct Entry {
    watched: Watched,
    threshold: Duration,
    tell: Box<Tell>,
    seen: Mutex<Seen>,
}

/// What was seen last.
#[derive(Clone, Copy)]
struct Seen {
    look: Option<Look>,
    since: Instant,
    told: bool,
}

#[derive(Default)]
struct Kennel {
    loops: Vec<Weak<Entry>>,
    /// Whether the thread was started.
    runs: bool,
    /// Whether it sleeps until there is a loop.
    sleeps: bool,
}

static KENNEL: Mutex<Kennel> = Mutex::new(Kennel {
    loops: Vec::new(),
    runs: false,
    sleeps: false,
});
static BELL: Condvar = Condvar::new();

fn kennel() -> MutexGuard<'static, Kennel> {
    KENNEL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same for a thread that may be in the child of a fork, where somebody may hold the lock who does not
/// exist: nobody has it for long.
fn kennel_soon() -> Option<MutexGuard<'static, Kennel>> {
    (0..1000).find_map(|_| match KENNEL.try_lock() {
        Ok(kennel) => Some(kennel),
        Err(TryLockError::Poisoned(kennel)) => Some(kennel.into_inner()),
        Err(TryLockError::WouldBlock) => {
            thread::yield_now();
            None
        }
    })
}

/// The loop is watched as long as this lives.
///
/// # Examples
/// See [`watch`].
#[must_use = "the loop is watched as long as this lives"]
pub struct Watching(Arc<Entry>);

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watching")
            .field("threshold", &self.0.threshold)
            .finish_non_exhaustive()
    }
}

/// Has `tell` called, on the watchdog's thread, when the loop of `watched` has been in one poll for longer than
/// `threshold`, once for each such poll. A task whose polls follow each other without any other between them may be taken for one
/// that does not return; it keeps others from running as well.
///
/// If the system refuses the watchdog's thread, nobody watches.
///
/// # Examples
/// ```
/// use arborio_executor::{Tasks, watch};
/// use std::{sync::mpsc::channel, time::Duration};
/// let (told, when_told) = channel();
/// let tasks = Tasks::new(std::sync::Arc::new(arborio_task::NoNotify));
/// let watching = watch(tasks.watched(), Duration::from_millis(10), move |poll| {
///     told.send(poll.to_string()).unwrap();
/// });
/// let main = async move { when_told.recv().unwrap() }; // does not return from its poll until then
/// let (_, said) = tasks.run_main(main, |running| while running.run_some(1) > 0 {});
/// assert!(said.unwrap().contains("has not returned from its poll for"));
/// drop(watching);
/// ```
pub fn watch(
    watched: Watched,
    threshold: Duration,
    tell: impl Fn(&SlowPoll) + Send + Sync + 'static,
) -> Watching {
    let entry = Arc::new(Entry {
        watched,
        threshold: threshold.max(SHORTEST),
        tell: Box::new(tell),
        seen: Mutex::new(Seen {
            look: None,
            since: Instant::now(),
            told: false,
        }),
    });
    let Some(mut kennel) = kennel_soon() else {
        return Watching(entry);
    };
    if kennel.loops.len() == kennel.loops.capacity() {
        kennel.loops.retain(|entry| entry.strong_count() > 0);
    }
    kennel.loops.push(Arc::downgrade(&entry));
    if !kennel.runs {
        let dog = thread::Builder::new()
            .name("arborio-watchdog".into())
            .stack_size(STACK);
        kennel.runs = dog.spawn(go_round).is_ok();
    } else if kennel.sleeps {
        kennel.sleeps = false;
        BELL.notify_one();
    }
    drop(kennel);
    Watching(entry)
}

/// The watchdog's life.
fn go_round() {
    let mut rhythm = Rhythm::new();
    loop {
        let loops: Vec<_> = {
            let mut kennel = kennel();
            kennel.loops.retain(|entry| entry.strong_count() > 0);
            kennel.loops.iter().filter_map(Weak::upgrade).collect()
        };
        let shortest = loops.iter().map(|entry| entry.threshold).min();
        let anybody_polls = look_at_all(&loops);
        drop(loops); // the last use of a loop may be here: memory only
        let pause = rhythm.pause(shortest, anybody_polls);
        if pause.is_none() {
            sleep_until_called();
        }
        thread::sleep(pause.unwrap_or(LAZY));
    }
}

/// Whether anybody polls.
fn look_at_all(loops: &[Arc<Entry>]) -> bool {
    let looks = loops.iter().map(|entry| entry.look());
    looks.fold(false, |a, b| a | b)
}

/// How often the watchdog looks.
struct Rhythm {
    /// How many times less often than while somebody polls.
    lazy: u32,
    /// How many times in a row there was no loop.
    empty: u32,
}

impl Rhythm {
    fn new() -> Self {
        Self { lazy: 1, empty: 0 }
    }

    /// For how long it sleeps when the `shortest` threshold of all loops is this. `None` if there was no loop for a while.
    fn pause(&mut self, shortest: Option<Duration>, anybody_polls: bool) -> Option<Duration> {
        let Some(shortest) = shortest else {
            self.empty += 1;
            if self.empty > EMPTY_LOOKS {
                self.empty = 0;
                return None;
            }
            return Some(LAZY);
        };
        self.empty = 0;
        // A loop that begins meanwhile may have a shorter threshold.
        let pause = (shortest / LOOKS).min(LONGEST);
        self.lazy = if anybody_polls || pause < LAZY {
            1
        } else {
            (self.lazy * 2).min(LAZINESS)
        };
        Some(pause * self.lazy)
    }
}

/// Until there is a loop.
fn sleep_until_called() {
    let mut kennel = kennel();
    kennel.sleeps = kennel.loops.is_empty();
    while kennel.sleeps {
        kennel = BELL.wait(kennel).unwrap_or_else(PoisonError::into_inner);
    }
}

impl Entry {
    /// Looks once, and tells. Whether the loop polls.
    fn look(&self) -> bool {
        let look = self.watched.look();
        let now = Instant::now();
        let held = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if !look.is_polling() || seen.look != Some(look) {
                *seen = Seen {
                    look: Some(look),
                    since: now,
                    told: false,
                };
            }
            let held = now - seen.since;
            if seen.told || held < self.threshold {
                return look.is_polling();
            }
            seen.told = true;
            held
        };
        let task = self.watched.name(look);
        if task.is_some() || self.watched.look() == look {
            arborio_base::contain(|| (self.tell)(&SlowPoll { task, held })); // foreign code
        }
        true
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, channel},
    };

    use arborio_task::{NoNotify, SpawnOptions, Tasks};

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// A loop whose first poll lasts until `poll` has what the watchdog says of it. Nothing of the loop is left then.
    fn told(threshold: Duration, poll: impl FnOnce(&Receiver<SlowPoll>)) {
        let (tell, when_told) = channel();
        let tasks = Tasks::new(Arc::new(NoNotify));
        let watching = watch(tasks.watched(), threshold, move |poll| {
            tell.send(poll.clone()).unwrap();
        });
        let main = async move { poll(&when_told) };
        let (_, ended) = tasks.run_main(main, |running| while running.run_some(1) > 0 {});
        ended.unwrap();
        drop(watching);
    }

    /// There is one dog in this process, so this is one test.
    #[test]
    fn one_poll_is_told_once_and_loops_that_begin_while_the_dog_sleeps_are_watched() {
        let threshold = Duration::from_millis(20);
        for _ in 0..2 {
            let start = Instant::now();
            told(threshold, |when_told| {
                let poll = when_told.recv_timeout(LONG).expect("nobody watches");
                assert!(poll.held >= threshold && poll.held <= start.elapsed());
                assert!(start.elapsed() >= threshold);
                let again = when_told.recv_timeout(threshold * 5);
                assert!(again.is_err(), "once for each poll");
            });
            let until = Instant::now() + LONG;
            while !kennel().sleeps {
                assert!(Instant::now() < until, "the dog looks for ever");
                thread::yield_now();
            }
        }
    }

    #[test]
    fn a_poll_says_who_and_for_how_long() {
        let mut poll = SlowPoll {
            task: None,
            held: Duration::from_millis(1234),
        };
        assert_eq!(
            poll.to_string(),
            "a task has not returned from its poll for 1s"
        );
        poll.held = Duration::from_millis(20);
        assert_eq!(
            poll.to_string(),
            "a task has not returned from its poll for 20ms"
        );
    }

    #[test]
    fn the_dog_looks_four_times_in_a_threshold_and_less_often_while_nobody_polls() {
        let millis = Duration::from_millis;
        let mut rhythm = Rhythm::new();
        let mut pause = |threshold, polls| rhythm.pause(Some(millis(threshold)), polls).unwrap();
        for polls in [false, true, false, false] {
            assert_eq!(pause(20, polls), millis(5), "it is never lazy");
        }
        assert_eq!(pause(10_000, true), LONGEST);
        for threshold in [400, 160] {
            let quarter = millis(threshold / 4);
            assert_eq!(pause(threshold, true), quarter);
            let lazy = [(); 5].map(|()| pause(threshold, false));
            assert_eq!(lazy, [2, 4, 8, 8, 8].map(|times| quarter * times));
            assert_eq!(pause(threshold, true), quarter, "somebody polls again");
        }
    }

    #[test]
    fn the_dog_sleeps_when_there_was_no_loop_for_a_while() {
        let mut rhythm = Rhythm::new();
        rhythm.pause(None, false);
        rhythm.pause(Some(LONG), false);
        for _ in 0..2 {
            let looks = (0..1000).take_while(|_| rhythm.pause(None, false) == Some(LAZY));
            assert_eq!(looks.count(), EMPTY_LOOKS as usize);
        }
    }

    const SPIN: Duration = Duration::from_millis(5);

    /// For longer than the threshold of an [`entry`].
    fn spin() {
        let start = Instant::now();
        while start.elapsed() < SPIN {
            std::hint::spin_loop();
        }
    }

    /// A watched loop, and how often somebody was told of it.
    fn entry(tasks: &Tasks) -> (Arc<Entry>, Arc<AtomicUsize>) {
        let told = Arc::new(AtomicUsize::new(0));
        let tells = Arc::clone(&told);
        let entry = Entry {
            watched: tasks.watched(),
            threshold: SHORTEST,
            tell: Box::new(move |_| {
                tells.fetch_add(1, Ordering::Relaxed);
            }),
            seen: Mutex::new(Seen {
                look: None,
                since: Instant::now(),
                told: false,
            }),
        };
        (Arc::new(entry), told)
    }

    /// The looks are made in the polls.
    #[test]
    fn a_poll_is_told_when_it_was_seen_for_long_itself() {
        let tasks = Tasks::new(Arc::new(NoNotify));
        let (entry, told) = entry(&tasks);
        let told = || told.load(Ordering::Relaxed);
        spin();
        assert!(!entry.look(), "nobody polls");
        spin();
        let next = Arc::clone(&entry);
        let main = async {
            let look = async move { next.look() };
            let next = arborio_task::try_spawn(look, SpawnOptions::new());
            assert!(entry.look());
            assert_eq!(told(), 0, "it has just begun");
            spin();
            assert!(next.ok().unwrap().await.unwrap());
            assert_eq!(told(), 0, "that was another one");
            spin();
            entry.look();
            spin();
            assert!(entry.look());
            assert_eq!(told(), 1);
            spin();
            assert!(entry.look());
            assert_eq!(told(), 1, "once");
        };
        let (_, ended) = tasks.run_main(main, |running| while running.run_some(1) > 0 {});
        ended.unwrap();
        assert!(!entry.look());
    }

    /// One loop polls inside of a poll of the other one.
    #[test]
    fn somebody_polls_if_one_or_more_do() {
        let loops = [(); 2].map(|()| Tasks::new(Arc::new(NoNotify)));
        let entries = loops.each_ref().map(|tasks| entry(tasks).0);
        let [first, second] = loops;
        let drive = |running: &arborio_task::Running<'_>| while running.run_some(1) > 0 {};
        assert!(!look_at_all(&entries));
        let main = async {
            assert!(look_at_all(&entries), "one does");
            let main = async { assert!(look_at_all(&entries), "both do") };
            second.run_main(main, drive).1.unwrap();
        };
        first.run_main(main, drive).1.unwrap();
    }

    /// As many as make room for others.
    #[test]
    fn a_loop_is_watched_however_many_come_after_it() {
        let others = [(); 20].map(|()| Tasks::new(Arc::new(NoNotify)));
        told(Duration::from_millis(20), |when_told| {
            let watch = |tasks: &Tasks| watch(tasks.watched(), LONG, |_| {});
            let watching = others.each_ref().map(watch);
            when_told.recv_timeout(LONG).expect("nobody watches");
            drop(watching);
        });
    }
}
