//! The scope around the code that asks: names, forks, deadlines, and tasks that start.

use std::{cell::RefCell, future::pending, pin::Pin, rc::Rc, time::Duration};

use arborio::{
    AnyScope, Interrupt, Scope,
    cancel::{ReasonKind, current_effective_deadline, fail_after, move_on_after, shield},
    run, scope,
    scope::Ready,
    spawn,
    time::{Instant, clock, sleep},
    yield_now,
};

use crate::scopes::{Code, millis, seconds, simulated};

fn here() -> Option<String> {
    let scope = AnyScope::current()?;
    Some(scope.name().unwrap_or("unnamed").to_owned())
}

#[test]
fn t16_the_current_scope_is_that_of_the_body_or_that_the_task_was_spawned_on() {
    simulated(async {
        assert_eq!(here(), None);
        let outer = Scope::<()>::builder().name("outer");
        let ended = outer.run(async |outer| {
            assert_eq!(here().as_deref(), Some("outer"));
            let inner = Scope::<()>::builder().name("inner");
            inner
                .run(async |_| {
                    sleep(millis(1)).await;
                    assert_eq!(here().as_deref(), Some("inner"));
                    let theirs = outer.spawn(async {
                        assert_eq!(here().as_deref(), Some("outer"));
                        sleep(millis(1)).await;
                        assert_eq!(here().as_deref(), Some("outer"));
                    });
                    assert_eq!(spawn(async { here() }).await.unwrap(), None, "the root");
                    theirs.await
                })
                .await?;
            assert_eq!(here().as_deref(), Some("outer"));
            Ok(())
        });
        ended.await.unwrap();
        assert_eq!(here(), None);
    });
}

#[test]
fn t16_a_handler_forks_the_scope_that_it_runs_in() {
    simulated(async {
        let server = Scope::<()>::builder().name("server");
        let ended = server.run(async |s| {
            s.spawn(async {
                let server = AnyScope::current().unwrap();
                assert_eq!(server.name(), Some("server"));
                let fork = server.fork::<()>().name("fork");
                fork.run(async |fork| {
                    assert_eq!(AnyScope::current(), Some(fork.erase()));
                    let child = fork.spawn(async { Ok::<_, ()>(here()) });
                    assert_eq!(child.await?.as_deref(), Some("fork"));
                    drop(server.spawn(async { assert_eq!(here().as_deref(), Some("server")) }));
                    Ok(())
                })
                .await
            });
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
    });
}

#[test]
fn t14_a_fork_ends_with_the_scope_that_it_was_forked_from_wherever_it_runs() {
    simulated(async {
        let start = clock();
        let fork = Rc::new(RefCell::new(None));
        let outer = Scope::<Code>::builder().timeout(millis(200));
        let theirs = Rc::clone(&fork);
        let ended = outer.run(async |s| {
            let inner = s.fork::<Code>().timeout(millis(500));
            let elsewhere = spawn(inner.run(async |inner| {
                inner.spawn(sleep(seconds(10)));
                pending::<Result<(), Code>>().await
            }));
            *theirs.borrow_mut() = Some(elsewhere);
            pending::<Result<(), Code>>().await
        });
        assert_eq!(ended.await, Err(Code(254)), "out of time");
        let fork = fork.take().unwrap().await.unwrap();
        assert_eq!(fork, Err(Code(255)), "cancelled");
        assert_eq!(clock() - start, millis(200));
    });
}

#[test]
fn t14_an_error_of_a_fork_is_its_own_and_a_closed_scope_has_no_forks() {
    simulated(async {
        let mut kept = None;
        let ended = scope(async |s: &Scope<Code>| {
            kept = Some(s.erase());
            let failed = s.fork::<Code>().run(async |_| Err::<(), _>(Code(1))).await;
            assert_eq!(failed, Err(Code(1)));
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        let closed = kept.unwrap();
        assert!(!closed.is_open());
        let late = closed.fork::<Code>().run(async |_| Ok(())).await;
        assert_eq!(late, Err(Code(255)));
        let late = closed.spawn(async {}).await;
        assert!(matches!(late, Err(Interrupt::Closed)));
    });
}

#[test]
fn t14_a_scope_inside_ends_with_the_one_around_it() {
    simulated(async {
        let start = clock();
        let outer = Scope::<Code>::builder().timeout(millis(200));
        let ended = outer.run(async |_| {
            let inner = Scope::<Code>::builder().timeout(millis(500));
            inner
                .run(async |_| {
                    sleep(seconds(10)).await;
                    Ok(())
                })
                .await
        });
        assert_eq!(ended.await, Err(Code(254)));
        assert_eq!(clock() - start, millis(200));
    });
}

#[test]
fn t02_the_time_of_a_scope_can_be_moved() {
    simulated(async {
        let start = clock();
        let scope = Scope::<Code>::builder().timeout(millis(100));
        let ended = scope.run(async |s| {
            let handle = s.clone();
            s.spawn(async move {
                sleep(millis(50)).await;
                handle.set_timeout(Some(millis(500)));
            });
            s.spawn(sleep(millis(250)));
            Ok(())
        });
        assert_eq!(ended.await, Ok(()));
        assert_eq!(clock() - start, millis(250));
    });
}

#[test]
fn t04_spawning_reads_as_a_shift() {
    simulated(async {
        let ended = scope(async |s: &Scope<Code>| {
            let three = s << async { Ok::<_, Code>(3) };
            three.await
        });
        assert_eq!(ended.await, Ok(3));
    });
}

#[test]
fn a_task_that_starts_is_waited_for_until_it_is_ready() {
    simulated(async {
        let start = clock();
        let ended = scope(async |s: &Scope<Code>| {
            let ready = s.start(async |ready: Ready<u8>| {
                sleep(millis(10)).await;
                ready.tell(7);
                sleep(millis(10)).await;
                Err(Code(1)) // by now it is the scope's
            });
            assert_eq!(ready.await, Ok(7));
            assert_eq!(clock() - start, millis(10));
            pending::<Result<(), Code>>().await
        });
        assert_eq!(ended.await, Err(Code(1)));
        assert_eq!(clock() - start, millis(20));
    });
}

#[test]
fn a_task_that_fails_or_ends_before_it_is_ready_tells_its_spawner() {
    simulated(async {
        let ended = scope(async |s: &Scope<Code>| {
            let failed = s.start(async |_: Ready<u8>| Err(Code(5)));
            assert_eq!(failed.await, Err(Code(5)));
            let silent = s.start(async |_: Ready<u8>| Ok(()));
            assert_eq!(silent.await, Err(Code(255)));
            let at_once = s.start(async |ready: Ready<u8>| {
                ready.tell(1);
                Ok(())
            });
            assert_eq!(at_once.await, Ok(1));
            let dropped = s.start(async |_: Ready<u8>| pending().await);
            assert_eq!(move_on_after(millis(5), dropped).await, None);
            Ok(clock())
        });
        assert_eq!(
            ended.await.unwrap(),
            clock(),
            "the one that was dropped is not waited for"
        );
    });
}

/// One step of the numbers that the cases are made of.
fn next(random: &mut u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random
}

type Local = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Nests `depth` deadlines of random kinds; `least` is the earliest of those that count.
fn nested(depth: u32, mut random: u64, least: Option<Instant>) -> Local {
    Box::pin(async move {
        assert_eq!(current_effective_deadline(), least, "at depth {depth}");
        if depth == 0 {
            return;
        }
        let kind = next(&mut random) % 6;
        let limit = match next(&mut random) % 8 {
            0 => Duration::MAX,
            seconds => Duration::from_secs(100 + seconds * 10 + u64::from(depth)),
        };
        let given = Instant::now().saturating_add(limit);
        let both = Some(least.map_or(given, |least| least.min(given)));
        if next(&mut random).is_multiple_of(2) {
            sleep(millis(1)).await; // from here on the frames outside have their slots
        }
        let given = Instant::now().saturating_add(limit);
        let both = both.map(|_| least.map_or(given, |least| least.min(given)));
        match kind {
            0 => drop(fail_after(limit, nested(depth - 1, random, both)).await),
            1 => drop(move_on_after(limit, nested(depth - 1, random, both)).await),
            2 => shield(nested(depth - 1, random, None)).await,
            3 => {
                let scope = Scope::<()>::builder().deadline(given);
                let inside = nested(depth - 1, random, both);
                let run = scope.run(async |_| {
                    inside.await;
                    Ok(())
                });
                run.await.unwrap();
            }
            4 => {
                let scope = Scope::<()>::builder().deadline(given);
                let inside = nested(depth - 1, random, both);
                let in_a_task = scope.run(async |s| s.spawn(inside).await);
                in_a_task.await.unwrap();
            }
            _ => {
                let in_a_task =
                    scope(async |s: &Scope<()>| s.spawn(nested(depth - 1, random, least)).await);
                in_a_task.await.unwrap();
            }
        }
        assert_eq!(
            current_effective_deadline(),
            least,
            "again at depth {depth}"
        );
    })
}

#[test]
fn c08_the_effective_deadline_is_the_earliest_that_no_shield_hides() {
    for seed in 1..=500_u64 {
        simulated(async move {
            let inside = nested(6, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), None);
            arborio::spawn_local(inside).await.unwrap();
        });
    }
}

#[test]
fn a_request_reaches_the_innermost_task_with_the_reason_of_whoever_asked() {
    let (out, innermost) = std::sync::mpsc::channel();
    let ended = run(scope(async |s: &Scope<Code>| {
        s.spawn(async move {
            scope(async |inner: &Scope<Code>| {
                out.send(inner.spawn(pending::<()>())).unwrap();
                pending::<Result<(), Code>>().await
            })
            .await
        });
        yield_now().await;
        yield_now().await;
        s.cancel_with(Code(7));
        pending::<Result<(), Code>>().await
    }));
    assert_eq!(ended, Err(Code(7)));
    let ended = run(innermost.recv().unwrap().outcome());
    let Err(Interrupt::Cancelled(reason)) = ended else {
        panic!("{ended:?}")
    };
    assert_eq!(reason.kind(), ReasonKind::ScopeFailed);
}

#[test]
fn t15_a_job_on_a_thread_outlives_the_scope_that_waited_for_it() {
    let (let_go, may_end) = std::sync::mpsc::channel();
    let (job, job_ended) = std::sync::mpsc::channel();
    let limited = Scope::<Code>::builder().timeout(millis(20));
    let ended = arborio::run(limited.run(async |_| {
        let (sender, receiver) = arborio::sync::oneshot::channel();
        job.send(std::thread::spawn(move || {
            may_end.recv().unwrap();
            sender.send("done").is_err() // nobody waits any more
        }))
        .unwrap();
        let _ = receiver.await;
        Ok(())
    }));
    assert_eq!(ended, Err(Code(254)), "the scope could not stop it");
    let_go.send(()).unwrap();
    assert!(job_ended.recv().unwrap().join().unwrap());
}
