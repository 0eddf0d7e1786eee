//! What a handle of a loop is asked, besides where to send tasks.

use std::{
    cell::RefCell,
    future::pending,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use arborio_executor::{
    Handle, LoopOptions, Payload, Reason, ReasonKind, Report, RunError, blocking::spawn_blocking,
    report_panic, skip_poll_cycle, spawn, spawn_local, task, yield_now,
};
use arborio_task::Submitter;

use crate::{workers::TOO_LONG, world::World};

/// Runs `main` over a world in which nothing else can happen, until it is stopped.
fn run_until_stopped(main: impl Future<Output = ()>) {
    let world = World::default();
    world.stall();
    let ended = world.run_with(LoopOptions::default(), &|_| {}, main);
    assert!(matches!(ended, Err(RunError::Stopped)), "{ended:?}");
}

#[test]
fn s05_stop_now_stops_the_loop_and_tells_who_gives_the_grace() {
    let told = Arc::new(AtomicBool::new(false));
    let tells = Arc::clone(&told);
    run_until_stopped(async {
        let here = Submitter::current().unwrap();
        here.when_forced(move || tells.store(true, Ordering::Relaxed));
        drop(here);
        Handle::current().unwrap().stop_now();
        pending::<()>().await;
    });
    assert!(told.load(Ordering::Relaxed));
}

#[test]
fn s05_the_first_reason_of_a_stop_stays() {
    let kinds = RefCell::new(Vec::new());
    run_until_stopped(async {
        let handle = Handle::current().unwrap();
        assert!(handle.stop_reason().is_none());
        for kind in [ReasonKind::CtrlC, ReasonKind::Stop] {
            handle.stop_with(Reason::new(kind));
            let reason = handle.stop_reason().unwrap();
            kinds.borrow_mut().push(reason.kind());
        }
        pending::<()>().await;
    });
    assert_eq!(kinds.into_inner(), [ReasonKind::CtrlC; 2]);
}

#[test]
fn a_handle_knows_whether_its_loop_runs_here() {
    let handle = World::default().run(async {
        let handle = Handle::current().unwrap();
        assert!(handle.is_here());
        let abroad = handle.clone();
        assert!(!thread::spawn(move || abroad.is_here()).join().unwrap());
        handle
    });
    assert!(!handle.is_here(), "it has ended");
    assert!(!World::default().run(async { handle.is_here() }));
}

#[test]
fn figures_say_what_a_loop_has_and_has_done() {
    World::default().run(async {
        let handle = Handle::current().unwrap();
        let idle = [(); 2].map(|()| spawn(pending::<()>()));
        skip_poll_cycle().await; // they are written down before a pass
        let metrics = handle.metrics();
        assert_eq!(metrics.workers.len(), 1);
        assert_eq!(metrics.total(), metrics.workers[0]);
        assert_eq!((metrics.total().tasks, metrics.total().polls), (3, 3));
        for task in idle {
            task.abort();
        }
    });
}

/// Other tests may have jobs in the same pool.
#[test]
fn figures_say_how_many_threads_there_are_for_jobs() {
    let together = Arc::new(Barrier::new(3));
    World::default().run(async {
        let jobs = [(); 2].map(|()| {
            let together = Arc::clone(&together);
            spawn_blocking(move || {
                together.wait();
                together.wait();
            })
        });
        together.wait();
        let metrics = Handle::current().unwrap().metrics();
        assert!(metrics.blocking_threads >= 2);
        together.wait();
        for job in jobs {
            job.await.unwrap();
        }
    });
}

#[test]
fn a_panic_that_nobody_will_take_is_told_to_the_observer() {
    let payload = |message: &'static str| Payload::new(Box::new(message));
    assert!(!report_panic(payload("no loop runs here")));
    let told = RefCell::new(Vec::new());
    let tell = |report: Report<'_>| told.borrow_mut().push(report.to_string());
    let main = async {
        assert!(report_panic(payload("first")) && report_panic(payload("second")));
        skip_poll_cycle().await;
        assert_eq!(told.borrow().len(), 2, "when the loop has nothing to do");
        assert!(report_panic(payload("last")));
    };
    let ended = World::default().run_with(LoopOptions::default(), &tell, main);
    ended.unwrap();
    let told = told.into_inner();
    assert_eq!(told.len(), 3);
    for (told, message) in told.iter().zip(["first", "second", "last"]) {
        let begins = format!("a task panicked: {message} (task `main` ");
        assert!(told.starts_with(&begins), "{told}");
    }
}

/// Has another thread do `ask` while the loop waits for it in a poll.
fn ask_abroad<T: Send + 'static>(ask: impl FnOnce(Handle) -> T + Send + 'static) -> T {
    let handle = Handle::current().unwrap();
    thread::spawn(move || ask(handle)).join().unwrap()
}

#[test]
fn a_loop_draws_its_tree_for_others() {
    World::default().run(async {
        let cook = task().name("cook").spawn_local(pending::<()>());
        let handle = Handle::current().unwrap();
        let here = handle.trees().take();
        let asks = thread::spawn(move || handle.trees().wait_timeout(TOO_LONG));
        while !asks.is_finished() {
            yield_now().await;
        }
        let there = asks.join().unwrap().unwrap();
        let awaited = ask_abroad(|handle| handle.trees()).await;
        for trees in [here, there, awaited] {
            assert_eq!(trees.len(), 1);
            let drawn = trees[0].as_ref().expect("it answers").to_string();
            assert!(
                drawn.contains("`cook`") && !drawn.contains("`tree`"),
                "{drawn}"
            );
        }
        cook.abort();
    });
}

#[test]
fn a_loop_in_a_long_poll_has_not_drawn_its_tree_in_time() {
    World::default().run(async {
        let taken = ask_abroad(|handle| handle.trees().take());
        assert!(matches!(&taken[..], [None]), "{taken:?}");
        let late = ask_abroad(|handle| handle.trees().wait_timeout(std::time::Duration::ZERO));
        assert!(matches!(&late.unwrap()[..], [None]));
    });
}

#[test]
fn a_loop_draws_no_tree_for_who_has_gone() {
    let polls = |asks: bool| {
        World::default().run(async {
            if asks {
                ask_abroad(|handle| drop(handle.trees()));
            }
            drop(spawn_local(async {}));
            skip_poll_cycle().await;
            skip_poll_cycle().await;
            Handle::current().unwrap().metrics().total().polls
        })
    };
    assert_eq!(polls(true), polls(false));
}
