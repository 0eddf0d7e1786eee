//! The default loop of the process: a binary of its own, as it is there for all tests.
#![cfg(not(any(loom, shuttle)))]

use std::{
    convert::Infallible,
    sync::mpsc::channel,
    thread::{self, JoinHandle},
};

use arborio_executor::{
    Doorbell, Handle, LoopOptions, Park, Passed, Ring, RunError, Tasks, Wait, doc::run, drive,
    get_or_create_default, spawn, try_spawn,
};

struct Nowhere;

impl Ring for Nowhere {
    fn ring(&self) {}
}

/// Sleeps until it is called.
struct Sleeper(std::sync::Arc<Doorbell<Nowhere>>);

impl Park for Sleeper {
    fn pass(&mut self, wait: Wait) -> Passed {
        while wait != Wait::Never && !self.0.take_call() {
            thread::park();
        }
        Passed::Looked
    }
}

/// A loop on a thread of its own, which runs until it is stopped.
fn start() -> (Handle, JoinHandle<()>) {
    let (tell, hear) = channel();
    let thread = thread::spawn(move || {
        let bell = std::sync::Arc::new(Doorbell::new());
        let tasks = Tasks::new(bell.clone());
        let main = async {
            tell.send(Handle::current().unwrap()).unwrap();
            std::future::pending::<()>().await;
        };
        let options = LoopOptions::default();
        let ended = drive(tasks, &mut Sleeper(bell), options, &|_| {}, main);
        assert!(matches!(ended, Err(RunError::Stopped)));
    });
    (hear.recv().unwrap(), thread)
}

#[test]
fn s02_a08_the_default_loop_is_used_until_it_is_stopped_and_replaced_then() {
    assert!(try_spawn(async {}).is_err(), "there is none");
    for _ in 0..2 {
        let (handle, thread) = start();
        let made = get_or_create_default(|| Ok::<_, Infallible>(handle.clone()));
        assert_eq!(made.unwrap(), handle);
        assert_eq!(
            get_or_create_default(|| Err("another one")),
            Ok(handle.clone())
        );
        let around = run(async { get_or_create_default(|| Err("a loop runs here")).unwrap() });
        assert_ne!(around, handle);
        let there = spawn(async { thread::current().id() }).wait();
        assert_eq!(there.unwrap(), thread.thread().id());
        handle.stop();
        assert!(try_spawn(async {}).is_err(), "it was stopped");
        thread.join().unwrap();
    }
}
