//! Drives tasks by hand: who polls them, and what the thread sleeps on, is a home-made queue
//! of a few lines.
//!
//! Run with `cargo run -p arborio-task --example tasks_by_hand`.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use arborio_task::{Notify, Running, SpawnOptions, Tasks, try_spawn};

/// What the thread of the tasks is told by others.
enum Told {
    /// There is something for a task in the inbox of the loop.
    Wake,
    /// A line of text, which is none of the tasks' business.
    Line(&'static str),
}

/// Puts a wake into the queue when the loop sleeps.
struct Bell(Sender<Told>);

impl Notify for Bell {
    fn notify(&self) {
        let _ = self.0.send(Told::Wake); // the loop may have ended
    }
}

/// Polls what is ready, and sleeps on `queue` when nothing is.
fn drive(running: &Running<'_>, queue: &Receiver<Told>, lines: &mut Vec<&'static str>) {
    while !running.main_ended() {
        running.take_mail();
        if running.run_next() || !running.try_sleep() {
            continue;
        }
        let told = queue.recv().expect("the bell is there");
        running.wake_up();
        if let Told::Line(line) = told {
            lines.push(line);
        }
    }
}

fn main() {
    let (sender, queue) = channel();
    let tasks = Tasks::new(Arc::new(Bell(sender.clone())));
    let submitter = tasks.submitter();
    let other = thread::spawn(move || {
        let mut sent = submitter.spawn(async { 20 }, SpawnOptions::new().name("sent"));
        let _ = sender.send(Told::Line("between two tasks"));
        sent.wait()
    });
    let main = async {
        let children: Vec<_> = (1..=3_u32)
            .map(|number| try_spawn(async move { number }, SpawnOptions::new()).ok())
            .collect();
        let mut sum = 0;
        for child in children {
            sum += child.expect("a loop runs here").await.expect("no panic");
        }
        sum
    };
    let mut lines = Vec::new();
    let (sent, sum) = tasks.run_main(main, |running| {
        drive(running, &queue, &mut lines);
        while !other.is_finished() {
            // `main` has ended, and what the thread has sent may not have begun.
            running.take_mail();
            running.run_next();
            thread::yield_now();
        }
        other.join().expect("no panic")
    });
    lines.extend(queue.try_iter().filter_map(|told| match told {
        Told::Line(line) => Some(line),
        Told::Wake => None,
    }));
    assert_eq!((sum.unwrap(), sent.unwrap()), (6, 20));
    assert_eq!(lines, ["between two tasks"]);
    println!("three children, one task of another thread, and {lines:?}");
}

// prints:
// three children, one task of another thread, and ["between two tasks"]
