//! What was dropped at the end of its grace is told to somebody: the observer of its scope, or else that of the loop.

use std::future::pending;

use arborio::{
    Interrupt, Pool, Scope,
    cancel::{finally, move_on_after, shield},
    options::Report,
    scope::ScopeNote,
    select, spawn,
    sync::oneshot,
    time::{clock, sleep},
    yield_now,
};

use crate::support::{FOR_EVER, Log, ms, secs, simulated};

/// The names of the tasks that the observer of a loop was told of.
fn names(log: &Log<String>) -> impl Fn(&Report<'_>) + Send + Sync + 'static {
    let log = log.clone();
    move |report| match report {
        Report::Stubborn(task) => log.add(task.name.clone().unwrap_or_default().into_owned()),
        other => log.add(format!("{other:?}")),
    }
}

/// The same of a scope.
fn noted(log: &Log<String>) -> impl Fn(&ScopeNote) + Send + Sync + 'static {
    let log = log.clone();
    move |note| match note {
        ScopeNote::Stubborn(task) => log.add(task.name.clone().unwrap_or_default().into_owned()),
        other => log.add(format!("{other:?}")),
    }
}

/// A scope without an observer, one of whose tasks outlives its grace of 1 s.
async fn with_a_mule() {
    let scope = Scope::<Interrupt>::builder().grace(secs(1));
    let ended = scope.run(async |s| {
        s.task().name("mule").spawn(shield(pending::<()>()));
        s.task().name("good").spawn(pending::<()>());
        yield_now().await;
        s.cancel();
        pending::<Result<(), Interrupt>>().await
    });
    assert!(matches!(ended.await, Err(Interrupt::Cancelled(_))));
}

#[test]
fn the_observer_of_the_loop_is_told_of_what_a_scope_forces_that_has_none() {
    let log = Log::new();
    simulated().observer(names(&log)).run(async {
        with_a_mule().await;
        assert_eq!(clock(), secs(1));
    });
    assert_eq!(log.take(), ["mule"]);
}

#[test]
fn the_observer_of_an_outer_scope_has_no_part_in_it() {
    let (log, outer) = (Log::new(), Log::new());
    simulated().observer(names(&log)).run(async {
        let around = Scope::<Interrupt>::builder().observer(noted(&outer));
        let inside = around.run(async |_| {
            with_a_mule().await;
            Ok(())
        });
        inside.await.unwrap();
    });
    assert_eq!(
        (log.take(), outer.take().len()),
        (vec!["mule".to_owned()], 0)
    );
}

#[test]
fn the_observer_of_a_pool_is_told_on_any_worker() {
    let log = Log::new();
    Pool::builder().workers(2).observer(names(&log)).run(async {
        let scopes = [(); 4].map(|()| spawn(with_a_short_mule()));
        for scope in scopes {
            scope.await.unwrap();
        }
    });
    assert_eq!(log.take(), ["mule"; 4]);
}

/// The same in real time.
async fn with_a_short_mule() {
    let scope = Scope::<Interrupt>::builder().grace(ms(1));
    let ended = scope.run(async |s| {
        let (tell, told) = oneshot::channel();
        s.task().name("mule").spawn(shield(async {
            tell.send(()).unwrap();
            pending::<()>().await;
        }));
        told.await.unwrap(); // it has begun
        Err::<(), _>(Interrupt::TimedOut)
    });
    assert!(ended.await.is_err());
}

#[test]
fn the_observer_of_the_loop_is_told_of_what_a_deadline_forces_where_there_is_no_scope() {
    let log = Log::new();
    simulated().observer(names(&log)).run(async {
        let late = move_on_after(secs(1), shield(pending::<()>())).grace(secs(1));
        assert_eq!(late.await, None);
        assert_eq!(clock(), secs(2));
    });
    assert_eq!(log.take(), ["main"]);
}

#[test]
fn the_observer_of_a_scope_is_told_alone() {
    let (log, notes) = (Log::new(), Log::new());
    simulated().observer(names(&log)).run(async {
        let scope = Scope::<Interrupt>::builder().observer(noted(&notes));
        let ended = scope.run(async |s| {
            s.task()
                .name("mule")
                .spawn(finally(pending::<()>(), pending::<()>));
            yield_now().await;
            Err::<(), _>(Interrupt::TimedOut)
        });
        assert!(ended.await.is_err());
    });
    assert_eq!((log.len(), notes.take()), (0, vec!["mule".to_owned()]));
}

/// Who waits for the tasks of a dropped scope is a task of the library: those are named, and it is not.
#[test]
fn a_note_names_no_task_of_the_library() {
    let (log, notes) = (Log::new(), Log::new());
    simulated().observer(names(&log)).run(async {
        let scope = Scope::<Interrupt>::builder()
            .grace(secs(1))
            .observer(noted(&notes));
        let ended = scope.run(async |s| {
            let dropped = Scope::<Interrupt>::builder()
                .grace(FOR_EVER)
                .run(async |inside| {
                    for name in ["first mule", "second mule"] {
                        inside.task().name(name).spawn(shield(pending::<()>()));
                    }
                    pending::<Result<(), Interrupt>>().await
                });
            select! {
                _ = dropped => {},
                () = sleep(secs(1)) => {},
            }
            let helpers = s
                .tree()
                .tasks()
                .filter(|task| is_helper(task.name.as_deref()))
                .count();
            assert_eq!(helpers, 1, "{}", s.tree());
            Err::<(), _>(Interrupt::TimedOut)
        });
        assert!(ended.await.is_err());
        assert_eq!(clock(), secs(2));
    });
    assert_eq!(
        (log.len(), notes.take()),
        (0, vec!["first mule".to_owned(), "second mule".to_owned()])
    );
}

fn is_helper(name: Option<&str>) -> bool {
    name == Some("tasks of a dropped scope")
}

#[test]
fn a_report_of_a_forced_task_reads_as_its_note() {
    let (log, note) = (Log::new(), Log::new());
    let (told, heard) = (log.clone(), note.clone());
    let report = move |report: &Report<'_>| told.add(report.to_string());
    simulated().observer(report).run(async {
        with_a_mule().await;
        let scope = Scope::<Interrupt>::builder().observer(move |note| heard.add(note.to_string()));
        let ended = scope.run(async |s| {
            s.task().name("mule").spawn(shield(pending::<()>()));
            sleep(ms(1)).await; // it has begun
            Err::<(), _>(Interrupt::TimedOut)
        });
        assert!(ended.await.is_err());
    });
    let start = "a task, or a part of it, outlived its grace and was dropped: task `mule` ";
    let (log, note) = (log.take(), note.take());
    for lines in [&log, &note] {
        assert!(
            matches!(&lines[..], [line] if line.starts_with(start)),
            "{log:?} {note:?}"
        );
    }
}
