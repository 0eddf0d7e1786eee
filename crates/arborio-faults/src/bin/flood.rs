//! A program that spawns until there is no memory left.
//!
//! `arborio-flood loop|pool|jobs MEBIBYTES` allows itself so much more memory than it has at the start. The tests of this crate look at how it ends:
//! the allocator ends it, or somebody is told. Every task carries a pattern that it looks at whenever it is
//! polled, and when it is dropped: a pattern that has changed ends the program with the code [`CORRUPT`].
#![forbid(unsafe_code)]

use std::{
    env, fs,
    process::{self, ExitCode},
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use arborio::{Pool, blocking::BlockingPool, run, spawn, sync::Event, time::sleep, yield_now};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The exit code if a task finds that its memory is not what it was.
const CORRUPT: i32 = 3;

/// Tasks of one wave.
const WAVE: u64 = 1000;

/// Waves after which all tasks are woken.
const TIDE: u64 = 8;

/// Jobs that want a thread each, with a stack of two mebibytes.
const JOBS: usize = 400;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [kind, mebibytes] = &words[..] else {
        eprintln!("usage: arborio-flood loop|pool|jobs MEBIBYTES");
        return ExitCode::FAILURE;
    };
    let more = mebibytes.parse::<u64>().expect("a number of mebibytes") << 20;
    limit_memory(more);
    match kind.as_str() {
        "loop" => run(flood()),
        "pool" => Pool::builder().workers(2).run(flood()),
        "jobs" => run(jobs()),
        other => panic!("there is no flood of {other}"),
    }
    ExitCode::SUCCESS
}

/// Lets this process have so many bytes more than it has, and leave no image when it is ended.
fn limit_memory(more: u64) {
    let status = fs::read_to_string("/proc/self/status").expect("the kernel tells of this process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kibibytes = line.expect("it has a size").trim().trim_end_matches(" kB");
    let size = kibibytes.parse::<u64>().expect("the size is a number") << 10;
    let mut limit = getrlimit(Resource::As);
    limit.current = Some(size + more);
    setrlimit(Resource::As, limit).expect("a limit may be lowered");
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).expect("a limit may be lowered");
}

/// What a task must find again.
struct Pattern {
    number: u64,
    words: [u64; 24],
}

impl Pattern {
    fn new(number: u64) -> Self {
        let words = std::array::from_fn(|index| Self::word(number, index));
        Self { number, words }
    }

    fn word(number: u64, index: usize) -> u64 {
        (number ^ index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn check(&self) {
        let mut words = self.words.iter().enumerate();
        if words.any(|(index, word)| *word != Self::word(self.number, index)) {
            eprintln!("the memory of task {} has changed", self.number);
            process::exit(CORRUPT);
        }
    }
}

impl Drop for Pattern {
    fn drop(&mut self) {
        self.check();
    }
}

/// Spawns waves of tasks that wait. All are woken now and then, and a quarter of them ends, so that memory is also
/// used again.
async fn flood() {
    let tide = Arc::new(Event::new());
    for wave in 1.. {
        for number in WAVE * (wave - 1)..WAVE * wave {
            let (tide, pattern) = (Arc::clone(&tide), Pattern::new(number));
            drop(spawn(async move {
                pattern.check();
                loop {
                    tide.wait().await;
                    pattern.check();
                    if pattern.number.is_multiple_of(4) {
                        return;
                    }
                }
            }));
        }
        yield_now().await;
        if wave.is_multiple_of(TIDE) {
            tide.set();
            tide.clear();
            yield_now().await;
        }
        println!("{}", WAVE * wave);
    }
}

/// Jobs that all wait until the last one was given away, so that each needs a thread.
async fn jobs() {
    let pool = BlockingPool::builder().max_threads(JOBS).build();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let jobs: Vec<_> = (0..JOBS as u64)
        .map(|number| {
            let (gate, pattern) = (Arc::clone(&gate), Pattern::new(number));
            pool.spawn(move || {
                let (open, opened) = &*gate;
                let open = open.lock().expect("nobody panics with it");
                drop(opened.wait_while(open, |open| !*open));
                pattern.check();
            })
        })
        .collect();
    // All threads that the system gives have come by then; how many that is matters to nobody but the reader.
    sleep(Duration::from_millis(300)).await;
    println!("{} threads", pool.threads());
    *gate.0.lock().expect("nobody panics with it") = true;
    gate.1.notify_all();
    let (mut done, mut refused) = (0, 0);
    for job in jobs {
        match job.await {
            Ok(()) => done += 1,
            Err(_) => refused += 1,
        }
    }
    println!("{done} done, {refused} refused");
}
