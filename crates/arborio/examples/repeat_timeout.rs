//! Each round of a loop has five seconds, and the third one takes six.

use arborio::{
    EventLoop,
    cancel::{Ticker, repeat_timeout},
    time::{Clock, Duration, sleep},
};

fn main() {
    let rounds = EventLoop::builder().clock(Clock::simulated());
    rounds.run(async {
        let ended = repeat_timeout(Duration::from_secs(5), async |t: &Ticker| {
            for seconds in [2, 4, 6] {
                t.tick();
                sleep(Duration::from_secs(seconds)).await;
                println!("hi");
            }
        });
        if ended.await.is_err() {
            println!("TIMEOUT!");
        }
    });
}

// takes: 0.0s..0.5s
// prints:
// hi
// hi
// TIMEOUT!
