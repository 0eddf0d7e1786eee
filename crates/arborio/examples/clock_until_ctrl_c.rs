//! A clock that ticks every four seconds, until Ctrl-C stops it.
//!
//! With the argument `press` it presses Ctrl-C itself, after the first tick.

use std::{convert::Infallible, env};

use arborio::{
    CtrlC, EventLoop, RunError,
    cancel::finally,
    time::{Duration, clock, sleep},
};
use rustix::process::{Signal, getpid, kill_process};

async fn tick() -> Infallible {
    loop {
        println!("tick at {} s", clock().as_secs());
        if env::args()
            .nth(1)
            .is_some_and(|argument| argument == "press")
        {
            kill_process(getpid(), Signal::INT).expect("this process is there");
        }
        sleep(Duration::from_secs(4)).await;
    }
}

pub(crate) fn main() {
    let until_ctrl_c = EventLoop::builder().ctrl_c(CtrlC::Cancel);
    let ended = until_ctrl_c.try_run(finally(tick(), async || println!("the clock stops")));
    match ended {
        Err(RunError::Stopped) => println!("the loop was stopped"),
        other => println!("{other:?}"),
    }
}

// takes: 0s..1s
// args: press
// prints:
// tick at 0 s
// the clock stops
// the loop was stopped
