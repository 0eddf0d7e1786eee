//! `gather`: outputs in the order of the arguments, the first failure at once.

use std::future::pending;

use arborio::{
    Interrupt,
    cancel::{finally, move_on_after},
    gather, gather_all,
    time::{clock, sleep},
    try_gather, yield_now,
};

use crate::{
    scopes::simulated,
    support::{Log, panic_message, secs},
};

async fn after<T>(seconds: u64, value: T) -> T {
    sleep(secs(seconds)).await;
    value
}

#[derive(Debug, PartialEq)]
enum Failed {
    Here(&'static str),
    Interrupted,
}

impl From<Interrupt> for Failed {
    fn from(_: Interrupt) -> Self {
        Self::Interrupted
    }
}

#[test]
fn a09_outputs_come_in_the_order_of_the_arguments() {
    simulated(async {
        let both = gather([after(2, "a"), after(1, "b")]).await;
        assert_eq!(both.unwrap(), ["a", "b"]);
        assert_eq!(clock(), secs(2));
    });
}

#[test]
fn a09_the_first_error_comes_at_once_and_the_others_go_on() {
    simulated(async {
        let log = Log::new();
        let noted = log.clone();
        let slow = async move {
            sleep(secs(2)).await;
            noted.add("slow has ended");
            Ok(1)
        };
        let bad = after(1, Err(Failed::Here("bad")));
        let futures: [std::pin::Pin<Box<dyn Future<Output = _> + Send>>; 2] =
            [Box::pin(slow), Box::pin(bad)];
        assert_eq!(try_gather(futures).await, Err(Failed::Here("bad")));
        assert_eq!((clock(), log.len()), (secs(1), 0));
        sleep(secs(2)).await;
        assert_eq!(log.take(), ["slow has ended"]);
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a09_all_outcomes_are_collected() {
    simulated(async {
        let outcomes = gather_all((0..4).map(async |number| {
            sleep(secs(4 - number)).await;
            assert_ne!(number, 2, "not two");
            number
        }));
        let outcomes = outcomes.await;
        assert_eq!(clock(), secs(4));
        assert_eq!(*outcomes[3].as_ref().unwrap(), 3);
        assert!(matches!(outcomes[2], Err(Interrupt::Panicked(_))));
    });
}

#[test]
fn a09_dropping_it_cancels_the_tasks() {
    simulated(async {
        for all in [false, true] {
            let log = Log::new();
            let cleans = |log: &Log<&'static str>| {
                let log = log.clone();
                finally(pending::<()>(), async move || log.add("asked"))
            };
            let futures = [cleans(&log), cleans(&log)];
            let limit = secs(1);
            if all {
                assert!(move_on_after(limit, gather_all(futures)).await.is_none());
            } else {
                assert!(move_on_after(limit, gather(futures)).await.is_none());
            }
            yield_now().await;
            assert_eq!(log.take(), ["asked", "asked"]);
        }
        let log = Log::new();
        let noted = log.clone();
        drop(gather([async move { noted.add("never starts") }]));
        yield_now().await;
        assert_eq!(log.len(), 0);
    });
}

#[test]
fn a09_nothing_is_gathered_at_once() {
    simulated(async {
        assert!(
            gather(Vec::<std::future::Ready<()>>::new())
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            gather_all(Vec::<std::future::Ready<()>>::new())
                .await
                .is_empty()
        );
    });
}

#[test]
fn a09_a_task_that_is_cancelled_ends_it_and_the_others_go_on() {
    simulated(async {
        let log = Log::new();
        let noted = log.clone();
        let task = arborio::spawn(pending::<Result<(), Failed>>());
        task.cancel();
        let inner = async move { task.await.map_err(Failed::from).flatten() };
        let slow = async move {
            sleep(secs(1)).await;
            noted.add("slow");
            Ok(())
        };
        let both: [std::pin::Pin<Box<dyn Future<Output = _> + Send>>; 2] =
            [Box::pin(slow), Box::pin(inner)];
        assert_eq!(try_gather(both).await, Err(Failed::Interrupted));
        sleep(secs(2)).await;
        assert_eq!(log.take(), ["slow"]);
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a09_a_panic_goes_on_in_the_awaiter_and_one_that_comes_later_in_the_loop() {
    let message = panic_message(|| {
        simulated(async {
            let futures = [1, 2].map(async |seconds| -> Result<(), Failed> {
                sleep(secs(seconds)).await;
                match seconds {
                    1 => Err(Failed::Here("first")),
                    _ => panic!("later"),
                }
            });
            assert_eq!(try_gather(futures).await, Err(Failed::Here("first")));
            sleep(secs(5)).await;
        });
    });
    assert_eq!(message, "later");
    let message = panic_message(|| {
        simulated(async {
            let ready = async |_| -> Result<(), Failed> { panic!("here") };
            drop(try_gather([0].map(ready)).await);
        });
    });
    assert_eq!(message, "here");
}

#[cfg(panic = "unwind")]
#[test]
fn a09_futures_with_different_outputs_are_gathered() {
    simulated(async {
        let all = gather!(after(2, 1), after(1, "two"), async { 3.0 }).await;
        assert_eq!(all.unwrap(), (1, "two", 3.0));
        assert_eq!(clock(), secs(2));
        let log = Log::new();
        let noted = log.clone();
        let slow = async move {
            sleep(secs(2)).await;
            noted.add("goes on");
        };
        let bad = async {
            sleep(secs(1)).await;
            panic!("no luck");
        };
        let failed: Result<((), ()), _> = gather!(slow, bad).await;
        assert!(matches!(failed, Err(Interrupt::Panicked(_))));
        assert_eq!(clock(), secs(3));
        sleep(secs(2)).await;
        assert_eq!(log.take(), ["goes on"]);
    });
}
