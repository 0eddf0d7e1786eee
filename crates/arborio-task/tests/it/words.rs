//! What the reasons for an end say, to people and to the standard library.

use std::{error::Error, io, sync::Arc};

use arborio_task::{Interrupt, Payload, Reason, ReasonKind, SpawnOptions, try_spawn};

use crate::support::run;

fn refused() -> Interrupt {
    let error = io::Error::new(io::ErrorKind::WouldBlock, "no thread left");
    Interrupt::NoThread(Arc::new(error))
}

#[test]
fn each_reason_to_ask_a_task_to_end_has_its_words() {
    let words = [
        (ReasonKind::Cancel, "cancelled"),
        (ReasonKind::Abort, "aborted"),
        (ReasonKind::Deadline, "out of time"),
        (ReasonKind::ScopeFailed, "its scope failed"),
        (ReasonKind::ScopeEnded, "its scope has ended"),
        (ReasonKind::Stop, "its loop is stopping"),
        (ReasonKind::CtrlC, "ended with Ctrl-C"),
    ];
    for (kind, said) in words {
        assert_eq!(kind.to_string(), said);
        assert_eq!(Reason::new(kind).kind(), kind);
    }
}

#[test]
fn each_end_without_an_output_has_its_words() {
    let words = [
        (Interrupt::TimedOut, "the task ran out of time"),
        (
            Interrupt::Panicked(Payload::new(Box::new("no bread"))),
            "the task panicked: no bread",
        ),
        (
            Interrupt::ScopeFailed,
            "the task failed, and its scope reports the error",
        ),
        (
            Interrupt::Closed,
            "the task's scope was closed before it could start",
        ),
        (
            Interrupt::Stopped,
            "the task's loop stopped before it had ended",
        ),
        (refused(), "there is no thread for the job: no thread left"),
    ];
    for (interrupt, said) in words {
        assert_eq!(interrupt.to_string(), said);
    }
}

#[test]
fn a_reason_names_who_asked_and_where() {
    let thread = std::thread::Builder::new().name("warden".into());
    let reason = thread.spawn(|| Reason::new(ReasonKind::Cancel)).unwrap();
    let (reason, line) = (reason.join().unwrap(), line!() - 1);
    let said = format!("cancelled by thread `warden` at {}:{line}:", file!());
    assert!(reason.to_string().starts_with(&said), "{reason}");
    assert_eq!(format!("{reason:?}"), format!("Reason({reason})"));
    let cancelled = Interrupt::Cancelled(reason.clone()).to_string();
    assert_eq!(cancelled, format!("the task was cancelled: {reason}"));
}

#[test]
fn a_task_that_asks_is_named_or_its_place_is() {
    let asks = || async { Reason::new(ReasonKind::Abort) };
    run(async move {
        let named = try_spawn(asks(), SpawnOptions::new().name("baker"));
        let reason = named.ok().unwrap().await.unwrap();
        assert_eq!(reason.requester().to_string(), "task `baker`");
        let (unnamed, line) = (try_spawn(asks(), SpawnOptions::new()), line!());
        let reason = unnamed.ok().unwrap().await.unwrap();
        let said = format!("the task spawned at {}:{line}:", file!());
        let requester = reason.requester().to_string();
        assert!(requester.starts_with(&said), "{requester}");
    });
    let unnamed = std::thread::spawn(|| Reason::new(ReasonKind::Abort));
    let requester = unnamed.join().unwrap().requester().to_string();
    assert_eq!(requester, "an unnamed thread");
}

#[test]
fn an_interrupt_is_an_error_of_the_nearest_kind() {
    let kinds = [
        (Interrupt::TimedOut, io::ErrorKind::TimedOut),
        (
            Interrupt::Cancelled(Reason::new(ReasonKind::Cancel)),
            io::ErrorKind::Interrupted,
        ),
        (refused(), io::ErrorKind::WouldBlock),
        (Interrupt::Stopped, io::ErrorKind::Other),
    ];
    for (interrupt, kind) in kinds {
        let said = interrupt.to_string();
        let error = io::Error::from(interrupt);
        assert_eq!((error.kind(), error.to_string()), (kind, said));
    }
    let source = refused().source().map(ToString::to_string);
    assert_eq!(source.as_deref(), Some("no thread left"));
    assert!(Interrupt::Stopped.source().is_none());
}

#[test]
fn what_a_panic_was_raised_with_is_told_if_it_is_text() {
    let told = |raised: Box<dyn std::any::Any + Send>| Payload::new(raised).message().to_owned();
    assert_eq!(told(Box::new("static")), "static");
    assert_eq!(told(Box::new(String::from("owned"))), "owned");
    assert_eq!(told(Box::new(7)), "(the payload is not a string)");
    let payload = Payload::new(Box::new("static"));
    assert_eq!(format!("{payload:?}"), "Payload(\"static\")");
    assert_eq!(
        payload.to_string(),
        "static",
        "nobody knows which task it was"
    );
    assert_eq!((payload.task_name(), payload.spawned_at()), (None, None));
}
