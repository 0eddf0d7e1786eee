//! A task that sleeps for an hour is given a second.

use arborio::{EventLoop, Interrupt, prelude::*, time::Clock};

fn main() {
    let simulated = EventLoop::builder().clock(Clock::simulated());
    simulated.run(async {
        let task = spawn(sleep(Duration::from_secs(3600)));
        task.apply_timeout(Duration::from_secs(1));
        if let Err(Interrupt::TimedOut) = task.await {
            println!("TIMEOUT!");
        }
    });
}

// takes: 0.0s..0.5s
// prints:
// TIMEOUT!
