//! Tasks that are asked to end: who begins all the same, who swallows it, and which request counts.

use std::{
    cell::{Cell, RefCell},
    future::{pending, poll_fn},
    rc::Rc,
    task::Poll,
};

use arborio_task::{
    Interrupt, SpawnOptions, Task,
    frames::{Answer, Frame},
};

use crate::support::{abroad, is_cancelled, run, spawn, tasks, turn};

async fn turns() {
    for _ in 0..5 {
        turn().await;
    }
}

/// Is pending until it is asked to end, and swallows that.
async fn swallow_one() {
    let mut frame = Frame::handler();
    poll_fn(|cx| {
        frame.poll(cx, |_, inside| {
            if !inside.is_asked() {
                return Poll::Pending;
            }
            inside.set_busy();
            Poll::Ready(())
        })
    })
    .await;
    frame.finish(Answer::Swallowed);
}

#[test]
fn a_task_that_insists_begins_and_is_asked_then() {
    run(async {
        let begun = Rc::new(Cell::new(0));
        let begin = |waits: bool| {
            let begun = Rc::clone(&begun);
            async move {
                begun.set(begun.get() + 1);
                if waits {
                    pending::<()>().await;
                }
                6
            }
        };
        let ready = spawn(begin(false));
        ready.begin_anyway();
        assert!(ready.cancel());
        assert_eq!(ready.await.unwrap(), 6);
        let waits = spawn(begin(true));
        waits.begin_anyway();
        assert!(waits.cancel());
        assert!(is_cancelled(&waits.await));
        assert_eq!(begun.get(), 2);
        let aborted = spawn(begin(false));
        aborted.begin_anyway();
        aborted.abort();
        assert!(is_cancelled(&aborted.await));
        let asked = spawn(begin(false));
        assert!(asked.cancel());
        assert!(is_cancelled(&asked.await), "this one does not insist");
        assert_eq!(begun.get(), 2);
    });
}

#[test]
fn a_request_that_is_swallowed_is_over_and_the_loop_is_told() {
    let swallowed = Rc::new(Cell::new(0));
    let main = async {
        let count = Rc::clone(&swallowed);
        let task = spawn(async move {
            for _ in 0..2 {
                swallow_one().await;
                count.set(count.get() + 1);
            }
            6
        });
        turns().await;
        assert!(task.cancel());
        turns().await;
        assert_eq!(swallowed.get(), 1, "one was asked once");
        assert!(!task.is_finished());
        assert_eq!(task.info().unwrap().asked.map(|_| ()), None);
        pending::<()>().await;
        drop(task);
    };
    let tasks = tasks();
    let (_, ended) = tasks.run_main(main, |running| {
        assert!(!running.take_withdrawals());
        while running.run_next() {}
        assert!(running.take_withdrawals());
        assert!(!running.take_withdrawals(), "only once");
    });
    assert!(ended.is_err(), "it was dropped while it waited");
    assert_eq!(swallowed.get(), 1);
}

#[test]
fn a_task_that_has_swallowed_a_request_can_be_asked_again() {
    run(async {
        let task = spawn(async {
            swallow_one().await;
            swallow_one().await;
            6
        });
        turns().await;
        task.cancel();
        turns().await;
        assert!(!task.is_finished());
        task.cancel();
        turns().await;
        assert!(task.is_finished());
        assert_eq!(task.await.unwrap(), 6);
    });
}

#[test]
fn a_request_that_comes_in_the_poll_that_has_swallowed_the_one_before_is_a_new_one() {
    run(async {
        let handle: Rc<RefCell<Option<Task<u32>>>> = Rc::default();
        let itself = Rc::clone(&handle);
        let task = spawn(async move {
            swallow_one().await;
            itself.borrow().as_ref().expect("it is kept").cancel();
            swallow_one().await;
            6
        });
        *handle.borrow_mut() = Some(task);
        turns().await;
        handle.borrow().as_ref().unwrap().cancel();
        turns().await;
        let task = handle.take().unwrap();
        assert!(task.is_finished());
        assert_eq!(task.await.unwrap(), 6);
    });
}

#[test]
fn a_task_that_asks_itself_has_its_handler_asked_and_no_more_polls() {
    run(async {
        let handle: Rc<RefCell<Option<Task<()>>>> = Rc::default();
        let polls = Rc::new(Cell::new(0));
        let (itself, count) = (Rc::clone(&handle), Rc::clone(&polls));
        let task = spawn(async move {
            let mut frame = Frame::handler();
            poll_fn(|cx| {
                count.set(count.get() + 1);
                if count.get() == 1 {
                    itself.borrow().as_ref().expect("it is kept").cancel();
                }
                frame.poll(cx, |_, inside| {
                    if inside.is_asked() {
                        inside.set_busy();
                    }
                    Poll::<()>::Pending
                })
            })
            .await;
        });
        *handle.borrow_mut() = Some(task);
        turns().await;
        assert_eq!(polls.get(), 2, "one for itself, and one for its handler");
        handle.take().unwrap().abort();
    });
}

fn ending<T>(task: &mut Task<T>) -> Interrupt {
    let outcome = task.try_take().expect("it has ended");
    outcome.err().expect("it was asked to end")
}

#[test]
fn the_first_request_counts_whoever_asks_all() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let send = |name: Option<&'static str>| {
        let options = SpawnOptions::new();
        let options = match name {
            Some(name) => options.name(name),
            None => options,
        };
        submitter.spawn(pending::<()>(), options)
    };
    let [mut asked, mut asked_abroad, mut named, mut plain] =
        [None, None, Some("cook"), None].map(send);
    let main = async {};
    let ((), ended) = tasks.run_main(main, |running| {
        running.take_mail();
        while running.run_next() {}
        asked.cancel_with(Interrupt::Closed);
        abroad(|| asked_abroad.cancel_with(Interrupt::ScopeFailed));
        running.ask_all(&Interrupt::TimedOut, None);
        let mut late = send(None);
        running.ask_all(&Interrupt::Stopped, None);
        running.take_mail();
        while running.run_next() {}
        assert!(matches!(ending(&mut asked), Interrupt::Closed));
        assert!(matches!(ending(&mut asked_abroad), Interrupt::ScopeFailed));
        assert!(matches!(ending(&mut named), Interrupt::TimedOut));
        assert!(matches!(ending(&mut plain), Interrupt::TimedOut));
        assert!(matches!(ending(&mut late), Interrupt::Stopped));
        assert_eq!(running.pending(), 0);
    });
    ended.unwrap();
}
