//! Ctrl-C: cancels what runs, and does not end the console.
//!
//! The child process has a process group of its own, so that a `SIGINT` from the terminal comes to the
//! console alone (and to a compiler that runs, which ends).
//!
//! | a cell runs | press        | what happens                                                |
//! |-------------|--------------|-------------------------------------------------------------|
//! | no          | any          | nothing; the prompt is told by the line editor              |
//! | yes         | first, second| the loop asks the cell to end; its tasks are left alone     |
//! | yes         | third        | the child process is ended: the cell does not return        |

use std::{
    io,
    process::Child,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{consts::SIGINT, iterator::Signals};

/// The press that ends the child process.
const LAST: u32 = 3;

/// Listens to Ctrl-C as long as the process lives.
pub(crate) struct Interrupts {
    /// How often it was pressed since the cell began; `None` while none runs.
    presses: Arc<Mutex<Option<u32>>>,
    child: Arc<Mutex<Child>>,
}

impl Interrupts {
    pub(crate) fn listen(child: Arc<Mutex<Child>>) -> io::Result<Self> {
        let presses = Arc::new(Mutex::new(None));
        let mut signals = Signals::new([SIGINT])?;
        let (counted, target) = (Arc::clone(&presses), Arc::clone(&child));
        thread::spawn(move || {
            for _ in signals.forever() {
                let mut presses = lock(&counted);
                let Some(count) = presses.as_mut() else {
                    continue;
                };
                *count += 1;
                match *count {
                    LAST.. => drop(lock(&target).kill()),
                    _ => send(&target, Signal::INT),
                }
            }
        });
        Ok(Self { presses, child })
    }

    /// From now on Ctrl-C means the cell.
    pub(crate) fn arm(&self) -> Armed {
        *lock(&self.presses) = Some(0);
        Armed(Arc::clone(&self.presses))
    }

    /// Asks the child process to end, and waits until it has, or `limit` is over.
    pub(crate) fn end_child(&self, limit: Duration) {
        send(&self.child, Signal::TERM);
        let deadline = Instant::now() + limit;
        while let Ok(None) = lock(&self.child).try_wait() {
            if Instant::now() >= deadline {
                return;
            }
            // There is no wait for a child process that has a limit.
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A cell runs.
#[must_use = "the cell ends with `disarm`"]
pub(crate) struct Armed(Arc<Mutex<Option<u32>>>);

impl Armed {
    /// The cell has ended. Whether Ctrl-C was pressed meanwhile.
    pub(crate) fn disarm(self) -> bool {
        lock(&self.0).take().is_some_and(|presses| presses > 0)
    }
}

fn send(child: &Mutex<Child>, signal: Signal) {
    // A child that has ended needs no signal.
    let _ = kill_process(Pid::from_child(&lock(child)), signal);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
