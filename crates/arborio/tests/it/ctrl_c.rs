//! What Ctrl-C does to loops and pools that look after it.

use std::{
    future::pending,
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt,
    sync::{Arc, Barrier, Mutex},
    thread,
};

use arborio::{
    CtrlC, EventLoop, Handle, Interrupt, Pool, RunError, Scope,
    cancel::{ReasonKind, finally, shield},
    run, scope, spawn,
    time::{Clock, Duration, clock, sleep},
};
use rustix::process::Signal as Raw;

use crate::{
    children::{Played, Player, play},
    clock_until_ctrl_c,
    forks::leave,
    support::{Log, in_own_process, secs, threads, threads_become},
};

/// Sends the signal to this thread: the handler has run when this returns.
fn press() {
    signal_hook::low_level::raise(Raw::INT.as_raw()).unwrap();
}

/// Ended as a process without a handler does.
fn is_killed(played: &Played) -> bool {
    played.status.signal() == Some(2)
}

#[test]
fn s_7_ctrl_c_stops_the_clock_which_cleans_up() {
    let name = "ctrl_c::s_7_ctrl_c_stops_the_clock_which_cleans_up";
    play("clock", clock_until_ctrl_c::main);
    let mut clock = Player::start(name, "clock");
    clock.expect_line("tick at 0 s");
    clock.signal(Raw::INT);
    let played = clock.end();
    assert!(played.status.success(), "{}", played.stderr);
    assert_eq!(played.stdout, "the clock stops\nthe loop was stopped\n");
}

#[test]
fn the_second_ctrl_c_ends_a_cleanup_that_never_ends() {
    let name = "ctrl_c::the_second_ctrl_c_ends_a_cleanup_that_never_ends";
    play("loop", || {
        let builder = EventLoop::builder().grace(Duration::MAX);
        let ended = builder.ctrl_c(CtrlC::Cancel).try_run(hang_in_the_cleanup());
        println!("{}", ended.unwrap_err());
    });
    play("pool", || {
        let builder = Pool::builder().workers(3).grace(Duration::MAX);
        let ended = builder.ctrl_c(CtrlC::Cancel).try_run(async {
            drop(spawn(shield(pending::<()>())));
            hang_in_the_cleanup().await;
        });
        println!("{}", ended.unwrap_err());
    });
    for part in ["loop", "pool"] {
        let mut player = Player::start(name, part);
        player.expect_line("working");
        player.signal(Raw::INT);
        player.expect_line("cleaning up");
        player.signal(Raw::INT);
        let played = player.end();
        assert!(played.status.success(), "{part}: {}", played.stderr);
        assert_eq!(
            played.stdout,
            "the loop was stopped before `main` had ended: `Handle::stop_reason` says why\n"
        );
        assert!(played.stderr.contains("drops what has outlived its grace"));
    }
}

async fn hang_in_the_cleanup() {
    let work = async {
        println!("working");
        pending::<()>().await;
    };
    let cleanup = || async {
        println!("cleaning up");
        pending::<()>().await;
    };
    finally(work, cleanup).await;
}

#[test]
fn the_third_ctrl_c_ends_a_process_whose_task_does_not_return() {
    let name = "ctrl_c::the_third_ctrl_c_ends_a_process_whose_task_does_not_return";
    play("stuck", || {
        EventLoop::builder().ctrl_c(CtrlC::Cancel).run(async {
            println!("stuck");
            loop {
                thread::park();
            }
        });
    });
    let mut player = Player::start(name, "stuck");
    player.expect_line("stuck");
    // Signals that come too close to each other are one, so it takes three or more.
    player.signal_until_it_ends(Raw::INT);
    let played = player.end();
    assert!(is_killed(&played), "{}", played.status);
}

#[test]
fn without_the_option_ctrl_c_ends_the_process() {
    let name = "ctrl_c::without_the_option_ctrl_c_ends_the_process";
    play("plain", || {
        run(async {
            println!("running");
            pending::<()>().await;
        });
    });
    let mut player = Player::start(name, "plain");
    player.expect_line("running");
    player.signal(Raw::INT);
    assert!(is_killed(&player.end()));
}

#[test]
fn behind_the_last_such_loop_ctrl_c_ends_the_process_unless_somebody_listens() {
    let name = "ctrl_c::behind_the_last_such_loop_ctrl_c_ends_the_process_unless_somebody_listens";
    let run_one = || EventLoop::builder().ctrl_c(CtrlC::Cancel).run(async {});
    play("nobody", || {
        run_one();
        press();
    });
    play("somebody", || {
        let mut presses = arborio::signal::signal(arborio::signal::Signal::INTERRUPT).unwrap();
        run_one();
        press();
        run(presses.recv()).unwrap();
    });
    assert!(is_killed(&Player::start(name, "nobody").end()));
    let played = Player::start(name, "somebody").end();
    assert!(played.status.success(), "{}", played.stderr);
}

#[test]
fn everybody_is_told_that_it_was_ctrl_c() {
    let name = "ctrl_c::everybody_is_told_that_it_was_ctrl_c";
    in_own_process(name, || {
        let log = Log::new();
        let (inside, mut handle) = (log.clone(), None);
        let ended = EventLoop::builder().ctrl_c(CtrlC::Cancel).try_run(async {
            handle = Handle::current();
            let ended: Result<(), Interrupt> = scope(async |s: &Scope<Interrupt>| {
                let child = s.spawn(async {
                    press();
                    pending::<Result<(), Interrupt>>().await
                });
                child.on_done(move |ended| inside.add(format!("{ended:?}")));
                pending().await
            })
            .await;
            unreachable!("whoever asked has dropped it: {ended:?}");
        });
        assert!(matches!(ended, Err(RunError::Stopped)));
        let reason = handle.unwrap().stop_reason().unwrap();
        assert_eq!(reason.kind(), ReasonKind::CtrlC);
        let told = log.take();
        let kind = ReasonKind::CtrlC.to_string();
        assert!(told.len() == 1 && told[0].contains(&kind), "{told:?}");
    });
}

#[test]
fn every_loop_that_looks_after_it_is_stopped() {
    let name = "ctrl_c::every_loop_that_looks_after_it_is_stopped";
    in_own_process(name, || {
        let background = EventLoop::builder().ctrl_c(CtrlC::Cancel).start().unwrap();
        let mut task = background.handle().spawn(pending::<()>());
        let untouched = EventLoop::builder().start().unwrap();
        let ended = EventLoop::builder().ctrl_c(CtrlC::Cancel).try_run(async {
            press();
            pending::<()>().await
        });
        assert!(matches!(ended, Err(RunError::Stopped)));
        assert!(task.wait().is_err());
        assert!(!untouched.handle().is_stopping());
        assert!(background.stop_and_join(secs(1)).is_ok());
    });
}

#[test]
fn all_workers_of_a_pool_are_stopped_and_clean_up() {
    static CLEANED: Mutex<u32> = Mutex::new(0);
    let name = "ctrl_c::all_workers_of_a_pool_are_stopped_and_clean_up";
    in_own_process(name, || {
        let builder = Pool::builder().workers(2).ctrl_c(CtrlC::Cancel);
        let ended = builder.try_run(async {
            let both = Arc::new(Barrier::new(2));
            let tasks = [true, false].map(|presses| {
                let both = Arc::clone(&both);
                spawn(async move {
                    both.wait(); // one on each worker
                    let cleanup = async || *CLEANED.lock().unwrap() += 1;
                    if presses {
                        press();
                    }
                    finally(pending::<()>(), cleanup).await;
                })
            });
            for task in tasks {
                let _ = task.await;
            }
        });
        // `main` may see the ends of the tasks before it is asked itself.
        assert!(matches!(ended, Err(RunError::Stopped) | Ok(())));
        assert_eq!(*CLEANED.lock().unwrap(), 2);
    });
}

#[test]
fn looking_after_ctrl_c_does_not_hold_a_simulated_clock_and_leaves_no_thread() {
    let name = "ctrl_c::looking_after_ctrl_c_does_not_hold_a_simulated_clock_and_leaves_no_thread";
    in_own_process(name, || {
        let before = threads();
        let builder = EventLoop::builder().clock(Clock::simulated());
        let time = builder.ctrl_c(CtrlC::Cancel).run(async {
            sleep(secs(86_400)).await;
            clock()
        });
        assert_eq!(time, secs(86_400));
        threads_become(before);
    });
}

/// Closing this process' end of the socket would not be enough.
#[test]
fn the_thread_ends_with_its_loop_also_if_a_child_of_a_fork_has_the_socket() {
    let name = "ctrl_c::the_thread_ends_with_its_loop_also_if_a_child_of_a_fork_has_the_socket";
    in_own_process(name, || {
        let before = threads();
        let (reader, mut writer) = io::pipe().unwrap();
        let builder = EventLoop::builder().ctrl_c(CtrlC::Cancel);
        let child = builder.run(async { fork_and_wait_for_a_byte(&reader) });
        threads_become(before);
        writer.write_all(b"!").unwrap();
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!((waited, status), (child, 0), "the child has failed");
    });
}

/// The child of a fork has all descriptors of its parent until there is a byte for it, or for 20 s.
fn fork_and_wait_for_a_byte(mut reader: &io::PipeReader) -> libc::pid_t {
    // SAFETY: the child has this one thread. It makes calls of the system, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: asks for a signal that ends the process.
        unsafe { libc::alarm(20) };
        leave(reader.read_exact(&mut [0]).is_ok());
    }
    child
}
