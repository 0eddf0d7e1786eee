//! Scopes whose tasks need not be `Send`.

use std::{cell::Cell, future::pending, rc::Rc};

use arborio::{
    AnyScope, Interrupt, LocalScope, Scope,
    cancel::finally,
    local_scope, scope,
    scope::Ready,
    spawn_local,
    time::{clock, sleep},
};

use crate::scopes::{Code, millis, simulated};

#[test]
fn t01_a_local_scope_waits_for_tasks_that_are_not_send() {
    simulated(async {
        let done = Rc::new(Cell::new(0));
        let theirs = Rc::clone(&done);
        let ended = local_scope(async |s: &LocalScope<Code>| {
            for n in 1..=3 {
                let done = Rc::clone(&theirs);
                s.spawn(async move {
                    sleep(millis(n)).await;
                    done.set(done.get() + 1);
                });
            }
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!((done.get(), clock()), (3, millis(3)));
    });
}

#[test]
fn t04_a_task_of_a_local_scope_has_a_handle_that_spawns_more_of_its_kind() {
    simulated(async {
        let ended = local_scope(async |s: &LocalScope<Code>| {
            let handle = s.clone();
            let word = Rc::new("not sent");
            let child = s
                << async move {
                    let inner = Rc::clone(&word);
                    let grandchild = handle.spawn(async move { Ok::<_, Code>(inner.len()) });
                    Ok::<_, Code>(grandchild.await? + word.len())
                };
            child.await
        });
        assert_eq!(ended.await, Ok(16));
    });
}

#[test]
fn t08_an_error_of_a_local_task_ends_its_siblings_with_their_cleanups() {
    simulated(async {
        let cleaned = Rc::new(Cell::new(false));
        let theirs = Rc::clone(&cleaned);
        let ended = local_scope(async |s: &LocalScope<Code>| {
            s.spawn(finally(pending::<()>(), || async move {
                sleep(millis(5)).await;
                theirs.set(true);
            }));
            let options = s.task().name("fails");
            options.spawn(async {
                sleep(millis(1)).await;
                Err::<(), _>(Code(4))
            });
            pending::<Result<(), Code>>().await
        });
        assert_eq!(ended.await, Err(Code(4)));
        assert_eq!((cleaned.get(), clock()), (true, millis(6)));
    });
}

#[test]
fn a_scope_is_local_on_its_own_loop_only_and_while_it_is_open() {
    simulated(async {
        let mut kept = None;
        let ended = scope(async |s: &Scope<Code>| {
            kept = Some(s.clone());
            let word = Rc::new("here");
            let local = s.local().unwrap();
            let length = local.spawn(async move { Ok::<_, Code>(word.len()) });
            let abroad = s.clone();
            let elsewhere = std::thread::spawn(move || abroad.local().is_none());
            assert!(elsewhere.join().unwrap());
            length.await
        });
        assert_eq!(ended.await, Ok(4));
        assert!(kept.unwrap().local().is_none());
    });
}

#[test]
fn a_scope_takes_tasks_that_are_not_send_on_its_own_thread_while_it_is_open() {
    simulated(async {
        let mut kept = None;
        let ended = scope(async |s: &Scope<Code>| {
            kept = Some(s.clone());
            let word = Rc::new("here");
            let length = s.spawn_local(async move { Ok(word.len()) });
            let abroad = s.clone();
            let elsewhere = move || {
                arborio::run(async move {
                    let refused = abroad.spawn_local(async { Ok::<_, Code>(Rc::new(4)) });
                    matches!(refused.outcome().await, Err(Interrupt::Closed))
                })
            };
            assert!(std::thread::spawn(elsewhere).join().unwrap());
            length.await
        });
        assert_eq!(ended.await, Ok(4));
        let late = kept.unwrap().spawn_local(async { Ok::<_, Code>(()) });
        assert!(matches!(late.outcome().await, Err(Interrupt::Closed)));
    });
}

#[test]
fn a_local_scope_that_reports_has_the_later_errors() {
    simulated(async {
        let scope = Scope::<Code>::builder().report();
        let failed = scope.run_local(async |s: &LocalScope<Code>| {
            for number in 1..=3 {
                let number = Rc::new(number);
                s.spawn(async move { Err::<(), _>(Code(*number)) });
            }
            Ok(())
        });
        let failed = failed.await.unwrap_err();
        assert_eq!(
            (failed.first, failed.later),
            (Code(1), vec![Code(2), Code(3)])
        );
    });
}

#[test]
fn a_local_scope_starts_tasks_and_gives_futures_back() {
    simulated(async {
        let mut kept = None;
        let ended = local_scope(async |s: &LocalScope<Code>| {
            kept = Some(s.clone());
            let answer = Rc::new(5);
            let started = s.start(move |ready: Ready<u8>| async move {
                ready.tell(*answer);
                Ok(())
            });
            started.await
        });
        assert_eq!(ended.await, Ok(5));
        let refused = kept.unwrap().try_spawn(async { Ok::<_, Code>(Rc::new(6)) });
        assert_eq!(*refused.unwrap_err().into_inner().await.unwrap(), 6);
    });
}

#[test]
fn t16_the_current_scope_takes_tasks_that_are_not_send() {
    simulated(async {
        let ran = Rc::new(Cell::new(false));
        let theirs = Rc::clone(&ran);
        let ended = scope(async |_: &Scope<Code>| {
            let current = AnyScope::current().unwrap();
            drop(current.spawn_local(async move { theirs.set(true) }));
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert!(ran.get());
    });
}

#[test]
fn the_future_of_a_scope_is_send_and_that_of_a_local_one_need_not_be() {
    fn is_send<T: Send>(_: &T) {}
    let sent = async {
        let ended = scope(async |s: &Scope<Code>| s.spawn(async { Ok(1) }).await);
        ended.await
    };
    is_send(&sent);
    let both = simulated(async {
        let handle = spawn_local(async {
            let word = Rc::new(1);
            local_scope(async |_: &LocalScope<Code>| Ok(*word)).await
        });
        (sent.await, handle.await.unwrap())
    });
    assert_eq!(both, (Ok(1), Ok(1)));
}

#[test]
fn a13_a_scope_is_a_block_whose_end_is_awaited_and_a_stream_is_a_loop() {
    simulated(async {
        let mut ticks = arborio::time::interval(millis(5));
        let (mut seen, mut open) = (0, true);
        let ended = scope(async |_: &Scope<Code>| {
            while seen < 3 {
                ticks.tick().await;
                seen += 1;
            }
            open = false;
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!((seen, open), (3, false));
    });
}
