//! What the observer of a scope is told, and as which text.

use std::{
    error::Error,
    future::pending,
    io,
    sync::{Arc, Mutex},
};

use arborio_executor::{spawn_local, yield_now};
use arborio_scope::{
    Scope, ScopeNote, TaskGroup, finally, move_on_after, set_stubborn_hook, shield,
};
use arborio_task::Interrupt;
use arborio_timers::Instant;

use crate::support::{Bad, Words, bad, millis_since, ms, nap, poll_once, run, taken};

/// The kind of each note.
fn kinds(words: &Words) -> impl Fn(&ScopeNote) + Send + Sync + 'static {
    let words = Arc::clone(words);
    move |note| {
        let kind = match note {
            ScopeNote::Opened(_) => "opened".to_owned(),
            ScopeNote::Asked(_) => "asked".to_owned(),
            ScopeNote::Closed(_) => "closed".to_owned(),
            ScopeNote::Spawned(task) => {
                format!("spawned {}", task.name.clone().unwrap_or_default())
            }
            ScopeNote::Ended(task) => format!("ended {}", task.name.clone().unwrap_or_default()),
            ScopeNote::Interrupted(task) => {
                format!("interrupted {}", task.name.clone().unwrap_or_default())
            }
            ScopeNote::Stubborn(task) => {
                format!("stubborn {}", task.name.clone().unwrap_or_default())
            }
            ScopeNote::LaterPanic(_) => "later panic".to_owned(),
            _ => "another".to_owned(),
        };
        words.lock().unwrap().push(kind);
    }
}

#[test]
fn who_wants_to_know_everything_is_told_of_each_beginning_and_end() {
    run(async {
        let words = Words::default();
        let verbose = || {
            Scope::<Bad>::builder()
                .verbose(true)
                .observer(kinds(&words))
        };
        let ended = verbose().run(async |s| {
            s.task().name("a").spawn(async { Ok(()) }).await?;
            let b = s.task().name("b").spawn(pending::<Result<(), Bad>>());
            yield_now().await;
            b.cancel();
            assert_eq!(b.await, bad("Cancel"));
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        let told = [
            "opened",
            "spawned a",
            "ended a",
            "spawned b",
            "interrupted b",
            "closed",
        ];
        assert_eq!(taken(&words), told);

        let ended = verbose().run(async |s| {
            let any = s.erase();
            any.spawn(async {}).await.unwrap();
            any.spawn_local(async {}).await.unwrap();
            s.cancel_with(Bad("enough".into()));
            pending::<Result<(), Bad>>().await
        });
        assert_eq!(ended.await, bad("enough"));
        let told = [
            "opened", "spawned ", "ended ", "spawned ", "ended ", "asked", "closed",
        ];
        assert_eq!(taken(&words), told);

        let quiet = Scope::<Bad>::builder().observer(kinds(&words));
        let ended = quiet.run(async |s| {
            s.erase().spawn(async {}).await.unwrap();
            s.spawn(async { Ok(()) }).await
        });
        assert_eq!(ended.await, Ok(()));
        assert!(taken(&words).is_empty());
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_later_panic_and_whoever_outlives_the_grace_are_told() {
    run(async {
        let words = Words::default();
        let builder = Scope::<Bad>::builder().grace(ms(5)).observer(kinds(&words));
        let start = Instant::now();
        let ended = builder.run(async |s| {
            s.spawn(finally(pending::<Result<(), Bad>>(), pending::<()>));
            s.spawn(finally(pending::<Result<(), Bad>>(), async || {
                panic!("late")
            }));
            yield_now().await;
            bad::<()>("first")
        });
        assert_eq!(ended.await, bad("first"));
        assert_eq!(
            (taken(&words), millis_since(start)),
            (vec!["later panic".into(), "stubborn ".into()], 5)
        );
    });
}

#[test]
fn a_master_of_a_scope_that_tells_everything_ends_it_all_the_same() {
    run(async {
        let words = Words::default();
        let verbose = Scope::<Bad>::builder().verbose(true);
        let ended = verbose.observer(kinds(&words)).run(async |s| {
            s.task().name("m").master(true).spawn(async {});
            pending::<Result<(), Bad>>().await
        });
        assert_eq!(ended.await, bad("ScopeEnded"));
        let told = ["opened", "spawned m", "ended m", "asked", "closed"];
        assert_eq!(taken(&words), told);
    });
}

#[test]
fn that_a_scope_was_asked_is_told_once_however_long_its_tasks_clean_up() {
    run(async {
        let words = Words::default();
        let verbose = Scope::<Bad>::builder().verbose(true);
        let ended = verbose.observer(kinds(&words)).run(async |s| {
            for millis in [5, 10] {
                let steers = s.clone();
                s.spawn(finally(pending::<()>(), async move || {
                    nap(millis).await;
                    steers.set_timeout(None); // has the scope polled
                    nap(millis).await;
                }));
            }
            yield_now().await;
            taken(&words);
            s.cancel();
            pending::<Result<(), Bad>>().await
        });
        assert_eq!(ended.await, bad("Cancel"));
        let told = ["asked", "interrupted ", "interrupted ", "closed"];
        assert_eq!(taken(&words), told);
    });
}

#[test]
fn members_of_a_group_are_told_of_as_tasks_of_their_scope() {
    run(async {
        let words = Words::default();
        let mut kept = None;
        let verbose = Scope::<Bad>::builder().verbose(true);
        let ended = verbose.observer(kinds(&words)).run(async |_| {
            let group = TaskGroup::new();
            taken(&words);
            group.spawn(async {});
            group.wait_all().await;
            assert_eq!(taken(&words), ["spawned ", "ended "]);
            group.spawn_local(async {});
            group.wait_all().await;
            assert_eq!(taken(&words), ["spawned ", "ended "]);
            kept = Some(group);
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(taken(&words), ["closed"]);
        // What the closed scope does not take is no task of it, and whoever spawns has not ended.
        let group = kept.unwrap();
        let spawns = spawn_local(async move {
            for member in [group.spawn(async {}), group.spawn_local(async {})] {
                assert!(matches!(member.outcome(), Some(Err(Interrupt::Closed))));
            }
        });
        spawns.await.unwrap();
        assert!(taken(&words).is_empty());
    });
}

#[test]
fn of_a_dropped_scope_that_is_forced_its_own_tasks_are_told_and_its_end_once() {
    run(async {
        let (outer, inner) = (Words::default(), Words::default());
        let builder = Scope::<Bad>::builder().grace(ms(10));
        let ended = builder.observer(kinds(&outer)).run(async |_| {
            let verbose = Scope::<Bad>::builder()
                .verbose(true)
                .observer(kinds(&inner));
            let mut dropped = Box::pin(verbose.run(async |s| {
                let mule = s.task().name("mule");
                mule.spawn(finally(pending::<()>(), pending::<()>));
                pending::<Result<(), Bad>>().await
            }));
            assert!(poll_once(dropped.as_mut()).await.is_pending());
            yield_now().await;
            drop(dropped);
            nap(1).await;
            bad::<()>("no")
        });
        assert_eq!(ended.await, bad("no"));
        assert_eq!(taken(&outer), ["stubborn mule"]);
        let told = ["opened", "spawned mule", "interrupted mule", "closed"];
        assert_eq!(taken(&inner), told);
    });
}

#[test]
fn of_a_dropped_scope_whose_tasks_end_in_time_the_end_is_told_once() {
    run(async {
        let words = Words::default();
        let verbose = Scope::<Bad>::builder()
            .verbose(true)
            .observer(kinds(&words));
        let mut dropped = Box::pin(verbose.run(async |s| {
            s.task()
                .name("a")
                .spawn(finally(pending::<()>(), || nap(5)));
            pending::<Result<(), Bad>>().await
        }));
        assert!(poll_once(dropped.as_mut()).await.is_pending());
        yield_now().await;
        drop(dropped);
        nap(10).await;
        let told = ["opened", "spawned a", "interrupted a", "closed"];
        assert_eq!(taken(&words), told);
    });
}

/// As text, with the kind of the error that it is about.
fn texts(words: &Words) -> impl Fn(&ScopeNote) + Send + Sync + 'static {
    let words = Arc::clone(words);
    move |note| {
        let kind = note.error::<io::Error>().map(io::Error::kind);
        assert!(note.error::<String>().is_none());
        words.lock().unwrap().push(format!("{note}; {kind:?}"));
    }
}

#[cfg(panic = "unwind")]
#[test]
fn errors_that_nobody_is_given_are_told_with_their_text() {
    run(async {
        let words = Words::default();
        let broken = |what: &'static str| async move { Err::<(), _>(io::Error::other(what)) };
        let builder = || Scope::<io::Error>::builder().observer(texts(&words));
        let ended = builder().run(async |s| {
            let apart = || s.task().name("baker").bubble(false);
            drop(apart().spawn(broken("no bread")));
            drop(apart().spawn(async {
                if true {
                    panic!("no flour");
                }
            }));
            let taken = apart().spawn(broken("taken"));
            assert!(taken.outcome().await.unwrap().is_err());
            s.spawn(broken("first"));
            s.spawn(broken("no butter"));
            Ok(())
        });
        assert_eq!(ended.await.unwrap_err().to_string(), "first");
        drop(builder().open().spawn(broken("no salt")));
        nap(1).await;
        let told = taken(&words);
        let begins = [
            "the error of a task was dropped with its handle: no bread (task `baker`",
            "a task panicked, and nobody awaits it: ",
            "a later error of the scope: no butter",
            "the error of a scope that nobody awaits was dropped: no salt",
        ];
        assert_eq!(told.len(), begins.len(), "{told:#?}");
        for (told, begins) in told.iter().zip(begins) {
            assert!(told.starts_with(begins), "{told}");
            let of_an_error = !begins.contains("panicked");
            assert_eq!(told.ends_with("; Some(Other)"), of_an_error, "{told}");
        }
        assert!(told[1].contains("no flour"), "{told:#?}");
    });
}

/// What is told of the second error of a scope.
async fn later<E>(first: E, later: E) -> Vec<String>
where
    E: From<Interrupt> + Send + 'static,
{
    let words = Words::default();
    let free = Scope::<E>::builder().observer(texts(&words)).open();
    free.spawn(async move { Err::<(), _>(first) });
    free.spawn(async move { Err::<(), _>(later) });
    assert!(free.await.is_err());
    taken(&words)
}

#[test]
fn errors_of_any_type_and_interrupts_have_a_text_and_those_of_other_types_have_none() {
    run(async {
        type Any = Box<dyn Error + Send + Sync>;
        let told = later::<Any>("a".into(), "b".into()).await;
        assert_eq!(told, ["a later error of the scope: b; None"]);
        let told = later(Interrupt::TimedOut, Interrupt::Closed).await;
        let text = format!("a later error of the scope: {}; None", Interrupt::Closed);
        assert_eq!(told, [text]);
        let told = later(Bad("a".into()), Bad("b".into())).await;
        assert_eq!(told, ["a later error of the scope was dropped; None"]);
    });
}

#[test]
fn an_error_of_a_scope_that_was_dropped_before_its_end_is_told() {
    run(async {
        let words = Words::default();
        let builder = Scope::<io::Error>::builder().observer(texts(&words));
        let mut dropped = Box::pin(builder.run(async |s| {
            s.spawn(async { Err::<(), _>(io::Error::other("no bread")) });
            s.spawn(finally(pending::<()>(), || nap(10)));
            pending::<io::Result<()>>().await
        }));
        for _ in 0..3 {
            assert!(poll_once(dropped.as_mut()).await.is_pending());
            yield_now().await;
        }
        drop(dropped);
        assert!(taken(&words).is_empty(), "its tasks clean up");
        nap(20).await;
        let told = ["a later error of the scope: no bread; Some(Other)"];
        assert_eq!(taken(&words), told);
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_panic_whose_cleanup_is_cut_off_is_told() {
    run(async {
        let words = Words::default();
        let ended = Scope::<io::Error>::builder()
            .observer(texts(&words))
            .run(async |_| {
                let broken = async {
                    nap(1).await;
                    if true {
                        panic!("oh");
                    }
                };
                let work = finally(broken, pending::<()>);
                assert_eq!(move_on_after(ms(5), work).grace(ms(10)).await, None);
                Ok(())
            });
        assert!(ended.await.is_ok());
        let mut told = taken(&words);
        told.retain(|told| told.starts_with("a task panicked, and nobody awaits it"));
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("oh"), "{told:?}");
    });
}

#[test]
fn who_has_no_observer_has_the_first_hook_told_of_what_is_forced() {
    static FORCED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    // Other tests of this process have stubborn tasks, too.
    assert!(set_stubborn_hook(|task| {
        let name = task.name.as_deref().unwrap_or_default();
        if name.starts_with("for the hook") {
            FORCED.lock().unwrap().push(name.to_owned());
        }
    }));
    assert!(!set_stubborn_hook(|_| unreachable!("there is one")));
    run(async {
        let scope = Scope::<Bad>::builder().grace(ms(10));
        let ended = scope.run(async |s| {
            let mule = s.task().name("for the hook");
            mule.spawn(shield(pending::<()>()));
            yield_now().await;
            bad::<()>("no")
        });
        assert_eq!(ended.await, bad("no"));
    });
    assert_eq!(*FORCED.lock().unwrap(), ["for the hook"]);
}

#[test]
fn of_a_dropped_scope_whose_loop_ends_the_end_is_told() {
    let words = Words::default();
    let told = kinds(&words);
    run(async {
        let verbose = Scope::<Bad>::builder().verbose(true).observer(told);
        let mut dropped = Box::pin(verbose.run(async |s| {
            s.task().name("mule").spawn(shield(pending::<()>()));
            pending::<Result<(), Bad>>().await
        }));
        assert!(poll_once(dropped.as_mut()).await.is_pending());
        yield_now().await;
        drop(dropped);
        nap(1).await;
        arborio_executor::Handle::current().unwrap().stop_now();
    });
    let told = ["opened", "spawned mule", "interrupted mule", "closed"];
    assert_eq!(taken(&words), told);
}
