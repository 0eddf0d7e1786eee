//! `select!`: the first branch that is ready.

use std::{
    cell::Cell,
    future::{pending, ready},
    rc::Rc,
};

use arborio::{
    cancel::finally,
    select,
    time::{clock, sleep},
};

use crate::{
    scopes::simulated,
    support::{Log, ms, secs},
};

async fn after<T>(seconds: u64, value: T) -> T {
    sleep(secs(seconds)).await;
    value
}

#[test]
fn the_branch_that_is_ready_first_is_taken() {
    simulated(async {
        let word = select! {
            number = after(2, 5) => format!("number {number}"),
            word = after(1, "one") => format!("word {word}"),
        };
        assert_eq!((word.as_str(), clock()), ("word one", secs(1)));
    });
}

#[test]
fn branches_are_polled_in_the_order_in_which_they_are_written() {
    simulated(async {
        for _ in 0..10 {
            let first = select! {
                one = ready(1) => one,
                two = ready(2) => two,
                three = ready(3) => three
            };
            assert_eq!(first, 1);
        }
        let second = select! {
            () = pending::<()>() => 1,
            two = ready(2) => { two }
            three = ready(3) => { three }
        };
        assert_eq!(second, 2);
    });
}

#[test]
fn the_losers_are_dropped_before_the_branch_runs_and_not_asked() {
    simulated(async {
        let log = Log::new();
        struct Note(Log<&'static str>);
        impl Drop for Note {
            fn drop(&mut self) {
                self.0.add("dropped");
            }
        }
        let note = Note(log.clone());
        let loser = async move {
            let _note = note;
            pending::<()>().await;
        };
        let cleans = finally(pending::<()>(), async || log.add("asked"));
        select! {
            () = loser => unreachable!(),
            () = cleans => unreachable!(),
            () = sleep(secs(1)) => assert_eq!(log.take(), ["dropped"]),
        }
        assert_eq!(log.len(), 0);
    });
}

#[test]
fn a_borrowed_future_goes_on_and_is_free_in_the_branch() {
    simulated(async {
        let mut slow = Box::pin(after(3, "slow"));
        let mut ticks = 0;
        let word = loop {
            select! {
                word = &mut slow => break word,
                () = sleep(ms(900)) => {
                    ticks += 1;
                    assert!(futures_lite::future::poll_once(&mut slow).await.is_none());
                }
            }
        };
        assert_eq!((word, ticks, clock()), ("slow", 3, secs(3)));
    });
}

#[test]
fn branches_return_and_use_question_marks() {
    async fn parse(text: &str) -> Result<u32, std::num::ParseIntError> {
        let number = select! {
            text = ready(text) => text.parse::<u32>()?,
            () = pending::<()>() => return Ok(0),
        };
        Ok(number + 1)
    }
    simulated(async {
        assert_eq!(parse("6").await.unwrap(), 7);
        assert!(parse("six").await.is_err());
    });
}

#[test]
fn patterns_take_apart_and_names_do_not_collide() {
    simulated(async {
        struct Point {
            x: i32,
            y: i32,
        }
        let (future, winner, output, cx) = (1, 2, 3, 4);
        let sum = select! {
            Point { x, y } = ready(Point { x: 10, y: 20 }) => x + y + future + winner + output + cx,
            (_, mut z) = ready((0, 5)) => {
                z += 1;
                z
            }
        };
        assert_eq!(sum, 40);
    });
}

#[test]
fn a_guard_in_the_expression_of_a_future_is_gone_before_the_branch() {
    simulated(async {
        let shared = Rc::new(5);
        let value = select! {
            value = ready(**Box::new(Rc::clone(&shared))) => value + Rc::strong_count(&shared),
        };
        assert_eq!(value, 6);
    });
}

#[test]
fn twelve_branches_are_not_too_many_and_tasks_are_branches() {
    simulated(async {
        let task = arborio::spawn(after(1, 12));
        let reached = Cell::new(0);
        select! {
            () = pending::<()>() => unreachable!(),
            () = pending::<()>() => unreachable!(),
            () = pending::<()>() => unreachable!(),
            () = pending::<()>() => unreachable!(),
            () = pending::<()>() => unreachable!(),
            () = pending::<()>() => unreachable!(),
            () = pending::<()>() => unreachable!(),
            () = pending::<()>() => unreachable!(),
            () = pending::<()>() => unreachable!(),
            () = pending::<()>() => unreachable!(),
            () = pending::<()>() => unreachable!(),
            value = &task => reached.set(value.unwrap()),
        }
        assert_eq!(reached.get(), 12);
    });
}

#[test]
fn a_task_that_selects_is_send() {
    simulated(async {
        let task = arborio::spawn(async {
            select! {
                one = after(1, "one") => one.len(),
                () = sleep(secs(2)) => 0,
            }
        });
        assert_eq!(task.await.unwrap(), 3);
    });
}
