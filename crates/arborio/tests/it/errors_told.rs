//! An error that no result tells is shown to the observer of its scope, whatever its type: each place where one is dropped.

use std::io;

use arborio::{
    EventLoop, Interrupt, Pool, Scope,
    cancel::{finally, shield},
    scope,
    scope::ScopeNote,
    time::sleep,
};

use crate::{
    scopes::Code,
    support::{FOR_EVER, Log, ms, secs, simulated},
};

/// What the observer was told of, and the error in it.
type Heard = (&'static str, Option<Code>);

fn hearing(log: &Log<Heard>) -> impl Fn(&ScopeNote) + Send + Sync + 'static {
    let log = log.clone();
    move |note| {
        let what = match note {
            ScopeNote::LaterError(_) => "later",
            ScopeNote::Untaken(..) => "untaken",
            ScopeNote::Unclaimed(_) => "unclaimed",
            other => panic!("{other}"),
        };
        log.add((what, note.error().copied()));
    }
}

/// What the observer of a scope `shop` hears of it.
fn told<R>(program: impl AsyncFnOnce(Scope<Code>, Log<Heard>) -> R) -> Vec<Heard> {
    let log = Log::new();
    simulated().run(async {
        let shop = Scope::<Code>::builder().observer(hearing(&log));
        let ended = shop.run(async |s| {
            program(s.clone(), log.clone()).await;
            Ok(())
        });
        ended.await.unwrap();
    });
    log.take()
}

async fn failing(number: u8) -> Result<(), Code> {
    sleep(ms(1)).await;
    Err(Code(number))
}

#[test]
fn an_error_in_a_handle_that_is_dropped_before_or_after_the_end() {
    let told = told(async |s, _| {
        drop(s.task().bubble(false).spawn(failing(1)));
        let child = s.task().bubble(false).spawn(failing(2));
        sleep(secs(1)).await;
        drop(child);
    });
    let expected = [1, 2].map(|number| ("untaken", Some(Code(number))));
    assert_eq!(told, expected);
}

#[test]
#[expect(
    clippy::async_yields_async,
    reason = "the handle outlives its loop on purpose"
)]
fn an_error_in_a_handle_that_outlives_the_loop_and_is_dropped_on_another_thread() {
    let log = Log::new();
    let child = simulated().run(async {
        let shop = Scope::<Code>::builder().observer(hearing(&log));
        let ended = shop.run(async |s| Ok(s.task().bubble(false).spawn(failing(1))));
        ended.await.unwrap()
    });
    assert!(log.take().is_empty());
    std::thread::spawn(|| drop(child)).join().unwrap();
    assert_eq!(log.take(), [("untaken", Some(Code(1)))]);
}

#[test]
fn errors_after_the_first_one_also_in_handles() {
    let log = Log::new();
    let shop = Scope::<Code>::builder().observer(hearing(&log));
    let ended = simulated().run(shop.run(async |s| {
        s.spawn(failing(1));
        s.spawn(failing(2));
        let child = s.task().observed(true).spawn(failing(3));
        sleep(FOR_EVER).await;
        drop(child); // it is dropped with the body, which is asked to end
        Ok(())
    }));
    assert_eq!(ended, Err(Code(1)));
    let told = log.take();
    let expected = [2, 3].map(|number| ("later", Some(Code(number))));
    assert_eq!(told, expected);
}

#[test]
fn the_error_of_a_body_that_ends_after_a_task_has_failed() {
    let log = Log::new();
    let shop = Scope::<Code>::builder().observer(hearing(&log));
    let ended = simulated().run(shop.run(async |s| {
        s.spawn(failing(1));
        shield(sleep(ms(10))).await;
        Err::<(), _>(Code(2))
    }));
    assert_eq!(
        (ended, log.take()),
        (Err(Code(1)), vec![("later", Some(Code(2)))])
    );
}

#[test]
fn errors_that_are_reported_are_told_too_and_those_that_are_too_many() {
    let log = Log::new();
    let shop = Scope::<Code>::builder().observer(hearing(&log)).report();
    let failed = simulated().run(shop.run(async |s| {
        for number in 0..70 {
            s.spawn(failing(number));
        }
        Ok(())
    }));
    let failed = failed.unwrap_err();
    assert_eq!(
        (failed.first, failed.later.len(), failed.dropped),
        (Code(0), 64, 5)
    );
    let told = log.take();
    let expected: Vec<_> = (1..70)
        .map(|number| ("later", Some(Code(number))))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn errors_of_tasks_of_a_scope_that_was_dropped() {
    let mut told = told(async |s, _| {
        let inner = s.fork::<Code>().run(async |inner| {
            for number in [1, 2] {
                inner.spawn(finally(sleep(FOR_EVER), async || {}));
                inner.spawn(async move { shield(failing(number)).await });
            }
            sleep(FOR_EVER).await;
            Ok(())
        });
        let left: Option<Result<(), Code>> = arborio::select! {
            ended = inner => Some(ended),
            () = arborio::yield_now() => None,
        };
        assert!(left.is_none());
    });
    // One was the first, and one came later. Nobody is left to be given either.

    told.sort_by_key(|(_, error)| error.map(|code| code.0));
    let expected = [1, 2].map(|number| ("later", Some(Code(number))));
    assert_eq!(told, expected);
}

#[test]
fn the_error_of_a_free_scope_whose_owner_goes_before_or_after_its_end() {
    let told = told(async |s, _| {
        let before = s.fork::<Code>().open();
        before.spawn(failing(1));
        drop(before);
        sleep(secs(1)).await;
        let after = s.fork::<Code>().open();
        after.spawn(failing(2));
        sleep(secs(1)).await;
        assert!(after.is_over());
        drop(after);
        let awaited = s.fork::<Code>().open();
        awaited.spawn(failing(3));
        let end = awaited.into_future();
        sleep(secs(1)).await;
        drop(end);
    });
    let expected = [1, 2, 3].map(|number| ("unclaimed", Some(Code(number))));
    assert_eq!(told, expected);
}

#[test]
fn the_error_of_a_free_scope_that_somebody_was_given_is_not_told() {
    let told = told(async |s, _| {
        let shared = s.fork::<Code>().open();
        shared.spawn(failing(1));
        assert_eq!((&shared).await, Err(Code(1)));
        assert_eq!((&shared).await, Err(Code(1)));
        drop(shared);
        let owned = s.fork::<Code>().open();
        owned.spawn(failing(2));
        assert_eq!(owned.await, Err(Code(2)));
    });
    assert_eq!(told, []);
}

#[test]
fn the_observer_of_a_scope_hears_of_errors_of_forks_whatever_their_type() {
    let log = Log::new();
    let heard = log.clone();
    let outer = Scope::<Code>::builder().observer(move |note| {
        let number = note.error::<Code>().map(|code| code.0);
        heard.add((number, note.error::<io::Error>().map(ToString::to_string)));
    });
    let ended = simulated().run(outer.run(async |s| {
        drop(s.task().bubble(false).spawn(failing(1)));
        let fork = s.fork::<io::Error>().open();
        drop(
            fork.task()
                .bubble(false)
                .spawn(async { Err::<(), _>(io::Error::other("no bread")) }),
        );
        drop(fork);
        Ok(())
    }));
    ended.unwrap();
    let mut told = log.take();
    told.sort();
    assert_eq!(told, [(None, Some("no bread".to_owned())), (Some(1), None)]);
}

#[test]
fn the_text_of_a_note_has_the_error_if_that_is_of_a_type_which_the_library_knows() {
    fn line<E: From<Interrupt> + Send + 'static>(error: E) -> String {
        let log = Log::new();
        let heard = log.clone();
        let shop = Scope::<E>::builder().observer(move |note| heard.add(note.to_string()));
        let ended = EventLoop::builder().run(shop.run(async |s| {
            drop(
                s.task()
                    .name("baker")
                    .bubble(false)
                    .spawn(async { Err::<(), E>(error) }),
            );
            Ok(())
        }));
        assert!(ended.is_ok());
        let [line] = &log.take()[..] else { panic!() };
        line.clone()
    }
    type Boxed = Box<dyn std::error::Error + Send + Sync>;
    let start = "the error of a task was dropped with its handle: ";
    let place = "task `baker` ";
    for line in [
        line::<io::Error>(io::Error::other("no bread")),
        line::<Boxed>("no bread".into()),
    ] {
        assert!(
            line.starts_with(&format!("{start}no bread ({place}")),
            "{line}"
        );
    }
    let timed_out = format!("{start}{} ({place}", Interrupt::TimedOut);
    assert!(line(Interrupt::TimedOut).starts_with(&timed_out));
    assert!(line(Code(1)).starts_with(&format!("{start}{place}")));
}

#[test]
fn errors_on_all_workers_of_a_pool() {
    let log = Log::new();
    let shop = Scope::<Code>::builder().observer(hearing(&log));
    let ended = Pool::builder().workers(2).run(shop.run(async |s| {
        for number in 0..20 {
            drop(s.task().bubble(false).spawn(failing(number)));
        }
        Ok(())
    }));
    assert_eq!(ended, Ok(()));
    let mut told: Vec<_> = log
        .take()
        .into_iter()
        .map(|(_, error)| error.unwrap().0)
        .collect();
    told.sort_unstable();
    assert_eq!(told, (0..20).collect::<Vec<_>>());
}

#[test]
fn an_error_whose_scope_has_no_observer_is_told_to_nobody() {
    let log = Log::new();
    let heard = log.clone();
    let ended = simulated()
        .observer(move |report| heard.add(report.to_string()))
        .run(scope(async |s: &Scope<Code>| {
            drop(s.task().bubble(false).spawn(failing(1)));
            Ok(())
        }));
    assert_eq!((ended, log.take()), (Ok(()), vec![]));
}
