//! Floods of tasks under a limit of memory (`src/bin/flood.rs`).
//!
//! Rust ends a process whose allocation fails. So a flood ends by SIGABRT, with the words of the allocator, or somebody
//! is told; it does not hang, and no task finds its memory changed. The limit is that of the address space: a control
//! group would end the process by SIGKILL, of which no program sees anything.

use std::{
    os::unix::process::ExitStatusExt,
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// A flood that has not ended by then hangs.
const LIMIT: Duration = Duration::from_secs(10);

/// Runs a flood that may have so many mebibytes, to its end.
fn flood(kind: &str, mebibytes: u32) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_arborio-flood"));
    command.args([kind, &mebibytes.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let id = Pid::from_child(&child);
    let (sender, ended) = mpsc::channel();
    let waiter = thread::spawn(move || sender.send(child.wait_with_output()));
    let output = ended.recv_timeout(LIMIT).unwrap_or_else(|_| {
        kill_process(id, Signal::KILL).unwrap();
        panic!("a flood of {kind} in {mebibytes} MiB hangs");
    });
    waiter.join().unwrap().unwrap();
    output.unwrap()
}

/// The flood was ended by the allocator, after a number of tasks.
fn assert_ended_by_the_allocator(kind: &str) {
    for mebibytes in [8, 16, 32] {
        let output = flood(kind, mebibytes);
        let (printed, said) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.signal(), Some(6), "{kind}: {output:?}");
        assert!(said.contains("memory allocation of"), "{kind}: {said}");
        let spawned = printed.lines().last().and_then(|last| last.parse().ok());
        assert!(
            spawned.is_some_and(|count: u64| count > 5_000),
            "{kind}: only {spawned:?} tasks in {mebibytes} MiB: {said}"
        );
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn f04_a_flood_of_tasks_on_a_loop_is_ended_by_the_allocator() {
    assert_ended_by_the_allocator("loop");
}

#[test]
fn f04_a_flood_of_tasks_on_a_pool_is_ended_by_the_allocator() {
    assert_ended_by_the_allocator("pool");
}

#[test]
fn f04_jobs_for_whose_threads_there_is_no_memory_are_done_by_others_or_told() {
    let output = flood("jobs", 64);
    let (printed, said) = (text(&output.stdout), text(&output.stderr));
    // A thread that the system gave may be without memory for its own first allocation.
    let ended_by_the_allocator =
        output.status.signal() == Some(6) && said.contains("memory allocation of");
    if ended_by_the_allocator {
        return;
    }
    assert!(output.status.success(), "{output:?}");
    let (threads, rest) = printed.split_once(" threads\n").unwrap();
    assert!(
        (1..400).contains(&threads.parse::<u32>().unwrap()),
        "{printed}"
    );
    let (done, refused) = rest.trim_end().split_once(" done, ").unwrap();
    let refused = refused.trim_end_matches(" refused").parse::<u32>().unwrap();
    assert_eq!(done.parse::<u32>().unwrap() + refused, 400, "{printed}");
}
