//! Signals: who hears of them, and what is left behind.

use std::{
    future::{pending, poll_fn},
    io::ErrorKind,
    os::unix::process::{CommandExt, ExitStatusExt},
    pin::pin,
    process::Command,
    task::Poll,
    thread,
};

use arborio::{
    EventLoop, Pool, run,
    signal::{Signal, Signals, ctrl_c, signal},
    spawn,
    task::skip_poll_cycle,
    time::timeout,
};
use futures_lite::{StreamExt, future::block_on};
use rustix::process::Signal as Raw;

use crate::{
    children::{Player, play},
    support::{in_own_process, open_descriptors, poll_once, secs, threads, threads_become},
};

/// Sends a signal to this thread: the handler has run when this returns.
fn raise(signal: Raw) {
    signal_hook::low_level::raise(signal.as_raw()).unwrap();
}

/// Whether `signals` has nothing to tell, also when the loop has looked at its sockets.
async fn is_silent(signals: &mut Signals) -> bool {
    skip_poll_cycle().await;
    poll_fn(|cx| Poll::Ready(signals.poll_recv(cx).is_pending())).await
}

#[test]
fn every_listener_hears_of_every_signal() {
    let name = "signals::every_listener_hears_of_every_signal";
    in_own_process(name, || {
        run(async {
            let mut one = signal(Signal::USER1).unwrap();
            let mut other = signal(Signal::USER1).unwrap();
            let mut third = signal(Signal::USER2).unwrap();
            for _ in 0..3 {
                assert!(is_silent(&mut one).await && is_silent(&mut other).await);
                raise(Raw::USR1);
                assert_eq!(one.recv().await.unwrap(), Signal::USER1);
                assert_eq!(other.next().await.unwrap().unwrap(), Signal::USER1);
            }
            assert!(is_silent(&mut third).await);
        });
    });
}

#[test]
fn signals_that_come_before_anybody_looks_are_one() {
    let name = "signals::signals_that_come_before_anybody_looks_are_one";
    in_own_process(name, || {
        let mut hangups = signal(Signal::HANGUP).unwrap();
        // Far more than the socket holds.
        for _ in 0..20_000 {
            raise(Raw::HUP);
        }
        run(async {
            hangups.recv().await.unwrap();
            assert!(is_silent(&mut hangups).await);
            raise(Raw::HUP);
            hangups.recv().await.unwrap();
        });
    });
}

#[test]
fn a_listener_works_under_any_executor_and_moves() {
    let name = "signals::a_listener_works_under_any_executor_and_moves";
    in_own_process(name, || {
        let mut listener = signal(Signal::USER1).unwrap();
        let raise_when_it_waits = |listener: &mut Signals| {
            assert!(poll_once(&mut Box::pin(listener.recv())).is_pending());
            raise(Raw::USR1);
        };
        run(async {
            raise_when_it_waits(&mut listener);
            listener.recv().await.unwrap();
        });
        // The loop where it was registered has ended.
        raise_when_it_waits(&mut listener);
        block_on(listener.recv()).unwrap();
        let background = EventLoop::builder().start().unwrap();
        let task = background.handle().spawn(async move {
            raise_when_it_waits(&mut listener);
            listener.recv().await.unwrap();
            listener
        });
        let mut listener = block_on(task).unwrap();
        Pool::builder().workers(2).run(async move {
            let waiting = spawn(async move { listener.recv().await.unwrap() });
            arborio::yield_now().await;
            raise(Raw::USR1);
            waiting.await.unwrap();
        });
    });
}

#[test]
fn a_signal_wakes_a_loop_that_sleeps() {
    let name = "signals::a_signal_wakes_a_loop_that_sleeps";
    in_own_process(name, || {
        run(async {
            let mut listener = signal(Signal::WINDOW).unwrap();
            let raiser = thread::spawn({
                let here = crate::support::KernelThread::current();
                move || {
                    here.wait_until_asleep();
                    raise(Raw::WINCH);
                }
            });
            timeout(secs(10), listener.recv()).await.unwrap().unwrap();
            raiser.join().unwrap();
        });
    });
}

#[test]
fn ctrl_c_is_heard_once_by_everybody_who_waits() {
    let name = "signals::ctrl_c_is_heard_once_by_everybody_who_waits";
    in_own_process(name, || {
        run(async {
            let mut both = pin!(futures_lite::future::zip(ctrl_c(), ctrl_c()));
            assert!(poll_fn(|cx| Poll::Ready(both.as_mut().poll(cx).is_pending())).await);
            raise(Raw::INT);
            let (one, other) = both.await;
            assert!(one.is_ok() && other.is_ok());
            // Nobody listens now, and the process goes on.
            raise(Raw::INT);
        });
    });
}

#[test]
fn what_nobody_can_listen_to_is_refused_with_the_reason() {
    for number in [9, 19, 11, 7, 4, 8, 0, -3, 4711] {
        let error = signal(Signal::from_raw(number)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{number}: {error}");
    }
    let error = signal(Signal::from_raw(19)).unwrap_err().to_string();
    assert_eq!(
        error,
        "nobody can listen to SIGSTOP: the system gives it to no process"
    );
}

#[test]
fn signals_and_their_listeners_show_which_they_are() {
    let known = format!("{:?}", Signal::TERMINATE);
    assert_eq!(known, "Signal(SIGTERM)");
    let unknown = format!("{:?}", Signal::from_raw(4711));
    assert_eq!(unknown, "Signal(signal 4711)");
    let name = "signals::signals_and_their_listeners_show_which_they_are";
    in_own_process(name, || {
        let listener = signal(Signal::USER1).unwrap();
        assert_eq!(format!("{listener:?}"), "Signals(Signal(SIGUSR1))");
    });
}

#[test]
fn listeners_leave_no_descriptors_and_no_threads() {
    let name = "signals::listeners_leave_no_descriptors_and_no_threads";
    in_own_process(name, || {
        let running = threads();
        run(async {
            let mut first = signal(Signal::CHILD).unwrap();
            assert!(is_silent(&mut first).await);
            drop(first);
            let descriptors = open_descriptors();
            for _ in 0..20 {
                let mut listener = signal(Signal::CHILD).unwrap();
                assert!(is_silent(&mut listener).await);
            }
            assert_eq!(open_descriptors(), descriptors);
            threads_become(running);
        });
    });
}

/// It has the parent's socket, and handlers.
#[test]
fn a_signal_to_a_child_of_a_fork_is_not_heard_by_its_parent() {
    let name = "signals::a_signal_to_a_child_of_a_fork_is_not_heard_by_its_parent";
    in_own_process(name, || {
        run(async {
            let mut listener = signal(Signal::USER1).unwrap();
            assert!(is_silent(&mut listener).await);
            let mut command = Command::new("true");
            // SAFETY: sending a signal is async-signal-safe, and so are the handlers.
            unsafe {
                command.pre_exec(|| {
                    raise(Raw::USR1);
                    Ok(())
                })
            };
            assert!(command.status().unwrap().success());
            assert!(is_silent(&mut listener).await);
            raise(Raw::USR1);
            listener.recv().await.unwrap();
        });
    });
}

/// What the documentation says of the last listener.
#[test]
fn a_signal_is_ignored_when_its_last_listener_has_gone() {
    let name = "signals::a_signal_is_ignored_when_its_last_listener_has_gone";
    play("listener", || {
        drop(signal(Signal::TERMINATE).unwrap());
        raise(Raw::TERM);
        println!("still here");
    });
    play("nobody", || raise(Raw::TERM));
    let played = Player::start(name, "listener").end();
    assert!(played.status.success() && played.stdout.contains("still here"));
    let played = Player::start(name, "nobody").end();
    assert_eq!(played.status.signal(), Some(15));
}

#[test]
fn a_program_serves_until_it_is_told_to_terminate() {
    let name = "signals::a_program_serves_until_it_is_told_to_terminate";
    play("service", || {
        run(async {
            let mut end = signal(Signal::TERMINATE).unwrap();
            println!("serving");
            arborio::select! {
                told = end.recv() => println!("{}", told.unwrap()),
                () = pending::<()>() => {},
            }
        });
    });
    let mut service = Player::start(name, "service");
    service.expect_line("serving");
    service.signal(Raw::TERM);
    let played = service.end();
    assert!(played.status.success(), "{}", played.stderr);
    assert_eq!(played.stdout, "SIGTERM\n");
}
