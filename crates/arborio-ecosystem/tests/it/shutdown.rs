//! What the end of a loop or of a pool does to the connections of a server.

use std::{
    sync::{Arc, mpsc::channel},
    time::Duration,
};

use arborio::sync::Event;
use axum::{Router, routing::get};

use crate::support::{Client, FOR_EVER, Runtime, router};

/// A route whose answer waits for `gate`, after it has told that it has begun.
fn slow(gate: &Arc<Event>, begun: std::sync::mpsc::Sender<()>) -> Router {
    let gate = Arc::clone(gate);
    let answer = move || async move {
        begun.send(()).unwrap();
        gate.wait().await;
        "at last"
    };
    router().route("/slow", get(answer))
}

#[test]
fn a_server_that_ends_answers_what_was_begun_and_closes_what_is_idle() {
    for runtime in Runtime::both(FOR_EVER) {
        let gate = Arc::new(Event::new());
        let (begun, has_begun) = channel();
        let address = runtime.serve(slow(&gate, begun));
        let (mut idle, mut busy) = (Client::new(address), Client::new(address));
        idle.ask("/");
        assert_eq!(idle.answer().body, "hello");
        busy.ask("/slow");
        has_begun.recv_timeout(FOR_EVER).unwrap();

        runtime.handle().stop();
        assert!(idle.rest().is_empty(), "the idle one is closed first");
        assert!(!runtime.handle().is_closed());
        gate.set();
        let answer = busy.answer();
        assert_eq!(answer.body, "at last");
        // Each worker of a pool asks its own tasks: the answer may come before the busy one is asked.
        if matches!(runtime, Runtime::Loop(_)) {
            assert!(answer.head.contains("connection: close"), "{answer:?}");
        }
        assert!(busy.rest().is_empty());
        runtime.stop_and_join(FOR_EVER).unwrap();
    }
}

#[test]
fn a_request_that_outlives_the_grace_is_dropped() {
    for runtime in Runtime::both(Duration::from_millis(10)) {
        let (begun, has_begun) = channel();
        let address = runtime.serve(slow(&Arc::new(Event::new()), begun));
        let mut busy = Client::new(address);
        busy.ask("/slow");
        has_begun.recv_timeout(FOR_EVER).unwrap();
        runtime.handle().stop();
        assert!(busy.rest().is_empty());
        let _ = runtime.stop_and_join(FOR_EVER); // it had to be forced
    }
}
