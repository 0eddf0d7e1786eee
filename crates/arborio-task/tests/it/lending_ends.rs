//! Scopes of synchronous code give back what was lent, however their tasks end.

use std::{
    future::pending,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Barrier, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use arborio_task::{BorrowScope, Interrupt, Payload, WaitError};

use crate::waiting::{Background, Gate};

/// Lends, and knows what has come back.
#[derive(Default)]
struct Purse {
    lent: AtomicUsize,
    returned: AtomicUsize,
}

/// One that is lent. It takes its time to come back, so that who does not wait for it is found out: where others have the
/// processors, one turn of theirs is time enough.
struct Coin<'a>(&'a Purse);

impl Purse {
    fn lend(&self) -> Coin<'_> {
        self.lent.fetch_add(1, Ordering::SeqCst);
        Coin(self)
    }

    #[track_caller]
    fn is_full(&self) {
        let (lent, returned) = (&self.lent, &self.returned);
        assert_eq!(lent.load(Ordering::SeqCst), returned.load(Ordering::SeqCst));
        assert_ne!(lent.load(Ordering::SeqCst), 0);
    }
}

impl Drop for Coin<'_> {
    fn drop(&mut self) {
        let start = Instant::now();
        for _ in 0..200 {
            thread::yield_now();
            if start.elapsed() > Duration::from_millis(1) {
                break;
            }
        }
        self.0.returned.fetch_add(1, Ordering::SeqCst);
    }
}

/// Panics when it is dropped.
struct Bomb<'a>(Coin<'a>);

impl Drop for Bomb<'_> {
    fn drop(&mut self) {
        assert_eq!(self.0.0.returned.load(Ordering::SeqCst), usize::MAX, "boom");
    }
}

/// Runs `body` in a scope of a new loop, several times: what it lends has come back afterwards.
fn comes_back<R>(
    body: impl for<'scope, 'env> Fn(&'scope BorrowScope<'scope, 'env>, &'env Purse) -> R,
) -> R {
    let mut last = None;
    for _ in 0..20 {
        let background = Background::start();
        let purse = Purse::default();
        let ended = background.submitter.scope(|s| body(s, &purse));
        purse.is_full();
        last = Some(ended.unwrap());
    }
    last.unwrap()
}

fn message(raised: Box<dyn std::any::Any + Send>) -> String {
    Payload::new(raised).message().to_owned()
}

#[test]
fn s04_the_output_comes_back_if_nobody_waits_for_it() {
    comes_back(|s, purse| {
        for _ in 0..10 {
            let (future, output) = (purse.lend(), purse.lend());
            s.spawn(async move {
                let _future = future;
                output
            });
        }
    });
}

#[test]
fn s04_the_output_comes_back_if_the_handle_is_dropped_later() {
    comes_back(|s, purse| {
        let coin = purse.lend();
        let task = s.spawn(async move { coin });
        while !task.is_finished() {
            thread::yield_now();
        }
    });
}

#[test]
fn s04_the_output_comes_back_if_another_task_has_the_handle() {
    comes_back(|s, purse| {
        let coin = purse.lend();
        let task = s.spawn(async move { coin });
        s.spawn(async move { task.await.unwrap() });
        let coin = purse.lend();
        let task = s.spawn(async move { coin });
        s.spawn(async move { drop(task) });
        let coin = purse.lend();
        let task = s.spawn(async move { coin });
        s.spawn(async move { Some(task) });
    });
}

#[test]
fn s04_a_task_that_is_cancelled_or_aborted_gives_back() {
    let ends = comes_back(|s, purse| {
        let gate = Gate::default();
        let hold = |begins: Gate| {
            let coin = purse.lend();
            s.spawn(async move {
                begins.open();
                let _coin = coin;
                pending::<()>().await;
            })
        };
        let (mut cancelled, mut aborted) = (hold(gate.clone()), hold(gate.clone()));
        let mut started = s.spawn(async move { gate.passed().await });
        started.wait().unwrap();
        assert!(cancelled.cancel());
        aborted.abort();
        let mut unborn = hold(Gate::default());
        unborn.abort();
        [cancelled.wait(), aborted.wait(), unborn.wait()]
    });
    for end in ends {
        assert!(matches!(
            end,
            Err(WaitError::Interrupted(Interrupt::Cancelled(_)))
        ));
    }
}

#[cfg(panic = "unwind")]
#[test]
fn s04_the_panic_of_a_task_is_for_whoever_waits_for_it() {
    let panics = comes_back(|s, purse| {
        let panicking = || {
            let coin = purse.lend();
            s.spawn(async move {
                let _coin = coin;
                panic!("no bread");
            })
        };
        let (mut one, other): (_, arborio_task::Borrower<'_, ()>) = (panicking(), panicking());
        let mut awaits = s.spawn(other);
        (one.wait(), awaits.wait().unwrap())
    });
    let (Err(WaitError::Interrupted(Interrupt::Panicked(one))), Err(Interrupt::Panicked(other))) =
        panics
    else {
        panic!("{panics:?}");
    };
    assert_eq!((one.message(), other.message()), ("no bread", "no bread"));
}

#[cfg(panic = "unwind")]
#[test]
fn g13_the_first_panic_that_nobody_took_goes_on_when_all_have_ended() {
    let background = Background::start();
    let (purse, gate) = (Purse::default(), Gate::default());
    let scope = || {
        background.submitter.scope(|s| {
            let mut first = s.spawn(async { panic!("first") });
            let _: Result<(), _> = first.wait(); // so it is taken
            let forgotten = s.spawn(async { panic!("second") });
            crate::leak::on_purpose::<arborio_task::Borrower<'_, ()>>(forgotten);
            s.spawn(async { panic!("third") });
            let coin = purse.lend();
            s.spawn(async {
                gate.passed().await;
                coin
            });
            gate.open();
            purse.lend()
        })
    };
    let raised = catch_unwind(AssertUnwindSafe(|| scope().is_ok())).unwrap_err();
    purse.is_full();
    assert_eq!(message(raised), "second");
}

#[cfg(panic = "unwind")]
#[test]
fn s04_when_the_body_panics_its_tasks_are_asked_to_end_and_waited_for() {
    let background = Background::start();
    let purse = Purse::default();
    let scope = || {
        background.submitter.scope(|s| {
            for _ in 0..10 {
                let coin = purse.lend();
                s.spawn(async {
                    let _coin = coin;
                    pending::<()>().await;
                });
            }
            s.spawn(async { panic!("later than the body's") });
            if purse.lent.load(Ordering::SeqCst) == 10 {
                panic!("no bread");
            }
        })
    };
    let raised = catch_unwind(AssertUnwindSafe(|| scope().is_ok())).unwrap_err();
    purse.is_full();
    assert_eq!(message(raised), "no bread");
}

#[cfg(panic = "unwind")]
#[test]
fn s04_who_is_spawned_when_the_body_has_panicked_never_runs() {
    struct Heir<'scope, 'env>(&'scope BorrowScope<'scope, 'env>, &'scope AtomicBool);
    impl Drop for Heir<'_, '_> {
        fn drop(&mut self) {
            let ran = self.1;
            self.0.spawn(async { ran.store(true, Ordering::SeqCst) });
        }
    }
    let background = Background::start();
    let ran = AtomicBool::new(false);
    let scope = || {
        background.submitter.scope(|s| {
            let heir = Heir(s, &ran);
            s.spawn(async {
                let _heir = heir; // is dropped when the body has panicked
                pending::<()>().await;
            });
            if !ran.load(Ordering::SeqCst) {
                panic!("no bread");
            }
        })
    };
    catch_unwind(AssertUnwindSafe(|| scope().is_ok())).unwrap_err();
    assert!(!ran.into_inner());
}

#[cfg(panic = "unwind")]
#[test]
fn s04_a_panic_in_a_destructor_is_the_outcome_and_all_comes_back() {
    let background = Background::start();
    let purse = Purse::default();
    let ended = background.submitter.scope(|s| {
        let bomb = Bomb(purse.lend());
        let output = purse.lend();
        // Its future has given an output, and panics when it is dropped after that.
        let mut ready = s.spawn(futures_ready(bomb, output));
        let bomb = Bomb(purse.lend());
        let mut aborted = s.spawn(async {
            let _bomb = bomb;
            pending::<()>().await;
        });
        aborted.abort();
        let bomb = Bomb(purse.lend());
        let mut twice = s.spawn(std::future::poll_fn(move |_| -> std::task::Poll<()> {
            let _ = &bomb;
            panic!("first");
        }));
        let of = |end| match end {
            Err(WaitError::Interrupted(Interrupt::Panicked(panic))) => panic.message().to_owned(),
            end => panic!("{end:?}"),
        };
        let ready = ready.wait().map(|_| ());
        [of(ready), of(aborted.wait()), of(twice.wait())]
    });
    purse.is_full();
    let [ready, aborted, twice] = ended.unwrap();
    assert!(ready.contains("boom") && aborted.contains("boom"));
    assert_eq!(twice, "first");
}

/// Ready at once, and has `bomb` until it is dropped.
fn futures_ready<'a>(
    bomb: Bomb<'a>,
    output: Coin<'a>,
) -> impl Future<Output = Coin<'a>> + Send + 'a {
    let mut output = Some(output);
    std::future::poll_fn(move |_| {
        let _ = &bomb;
        std::task::Poll::Ready(output.take().unwrap())
    })
}

#[cfg(panic = "unwind")]
#[test]
fn s04_an_output_whose_destructor_panics_is_nobodys() {
    comes_back(|s, purse| {
        let bomb = Bomb(purse.lend());
        let held = Gate::default();
        let passes = held.clone();
        let task = s.spawn(async move {
            passes.passed().await;
            bomb
        });
        drop(task);
        held.open();
    });
}

/// To forget the handle is to forget the output, and nothing else.
#[test]
fn s04_a_handle_that_was_forgotten_does_not_hold_the_scope_up() {
    let background = Background::start();
    let (futures, outputs) = (Purse::default(), Purse::default());
    let ended = background.submitter.scope(|s| {
        let (future, output) = (futures.lend(), outputs.lend());
        crate::leak::on_purpose(s.spawn(async move {
            let _future = future;
            output
        }));
    });
    ended.unwrap();
    futures.is_full();
    assert_eq!(outputs.returned.load(Ordering::SeqCst), 0);
}

#[test]
fn s04_a_destructor_may_spawn() {
    struct Heir<'scope, 'env>(&'scope BorrowScope<'scope, 'env>, &'env Purse);
    impl Drop for Heir<'_, '_> {
        fn drop(&mut self) {
            let coin = self.1.lend();
            self.0.spawn(async move { coin });
        }
    }
    comes_back(|s, purse| {
        let (future, output) = (Heir(s, purse), Heir(s, purse));
        s.spawn(async move {
            let _future = future;
            output
        });
        let heir = Heir(s, purse);
        s.spawn(async move {
            let _heir = heir;
            pending::<()>().await;
        })
        .abort();
    });
}

#[test]
fn s05_a_stop_in_the_middle_ends_the_tasks_and_the_wait() {
    for _ in 0..20 {
        let background = Background::start();
        let (purse, places) = (Purse::default(), Mutex::new(Vec::new()));
        struct Noted<'a>(
            #[expect(dead_code)] Coin<'a>,
            &'a Mutex<Vec<thread::ThreadId>>,
        );
        impl Drop for Noted<'_> {
            fn drop(&mut self) {
                self.1.lock().unwrap().push(thread::current().id());
            }
        }
        let ended = background.submitter.scope(|s| {
            for _ in 0..10 {
                let noted = Noted(purse.lend(), &places);
                s.spawn(async {
                    let _noted = noted;
                    pending::<()>().await;
                });
            }
            background
                .submitter
                .run(async {}, arborio_task::SpawnOptions::new())
                .unwrap();
            background.stop();
            let mut late = s.spawn(async { pending::<()>().await });
            late.wait()
        });
        purse.is_full();
        assert!(matches!(
            ended.unwrap(),
            Err(WaitError::Interrupted(Interrupt::Stopped))
        ));
        let home = background.thread();
        assert_eq!(places.into_inner().unwrap(), [home; 10]);
    }
}

/// Senders and the end of the loop meet anywhere.
#[test]
fn s05_a_loop_that_ends_while_tasks_are_spawned_loses_none() {
    for _ in 0..50 {
        let background = Background::start();
        let (purse, both) = (Purse::default(), Barrier::new(2));
        thread::scope(|threads| {
            threads.spawn(|| {
                both.wait();
                background.stop();
            });
            let ended = background.submitter.scope(|s| {
                both.wait();
                for number in 0..50 {
                    let coin = purse.lend();
                    s.spawn(async move {
                        let _coin = coin;
                        if number % 2 == 0 {
                            pending::<()>().await;
                        }
                    });
                }
            });
            assert!(ended.is_ok());
            purse.is_full();
        });
    }
}
