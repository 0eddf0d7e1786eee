//! Drives a timer wheel by hand: no clock, no executor, no futures.
//!
//! A wheel is told what time it is. Between two calls it answers how long its
//! owner may rest, which is all that an event loop needs of it.
//!
//! Run with `cargo run -p arborio-timers --example wheel_by_hand`.

use arborio_timers::Wheel;

/// Nanoseconds in a millisecond.
const MS: u64 = 1_000_000;

fn main() {
    let mut wheel = Wheel::new(0);
    wheel.insert(30 * MS, "retry");
    wheel.insert(5 * MS, "flush");
    let idle = wheel.insert(20 * MS, "close the idle connection");
    wheel.insert(30 * MS, "retry again, armed later");

    // The connection is used at 3 ms: its timer moves, and keeps its key.
    let mut fired = Vec::new();
    wheel.advance(3 * MS, &mut fired);
    assert!(wheel.reset(idle, 23 * MS));

    let mut order = Vec::new();
    while let Some(next) = wheel.next_deadline() {
        wheel.advance(next, &mut fired);
        for name in fired.drain(..) {
            println!("{:>3} ms: {name}", next / MS);
            order.push((next / MS, name));
        }
    }
    assert_eq!(
        order,
        [
            (5, "flush"),
            (23, "close the idle connection"),
            (30, "retry"),
            (30, "retry again, armed later"),
        ]
    );
    assert_eq!(
        wheel.remove(idle),
        None,
        "a key finds nothing after its entry fired"
    );
}

// prints:
//   5 ms: flush
//  23 ms: close the idle connection
//  30 ms: retry
//  30 ms: retry again, armed later
