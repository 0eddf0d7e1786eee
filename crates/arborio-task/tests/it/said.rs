//! What values of this crate say of themselves, and small things that anybody may ask.

use std::{
    error::Error,
    future::{pending, poll_fn, ready},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    thread,
};

use arborio_task::{
    Branch, Interrupt, NoNotify, NoValue, Submitter, Tasks, WaitError, block_beside, task_local,
};

use crate::{
    support::{OnDrop, run, settle, tasks},
    waiting::{Background, Gate},
};

task_local! {
    static DEPTH: u32;
    static WIDTH: u32;
}

#[test]
fn values_of_two_keys_are_two() {
    DEPTH.sync_scope(1, || {
        WIDTH.sync_scope(2, || {
            assert_eq!((DEPTH.get(), WIDTH.get()), (1, 2));
            DEPTH.sync_scope(3, || assert_eq!((DEPTH.get(), WIDTH.get()), (3, 2)));
        });
        assert_eq!((DEPTH.get(), WIDTH.try_with(|_| ())), (1, Err(NoValue)));
    });
}

#[test]
fn task_locals_and_their_absence_have_words() {
    assert_eq!(format!("{DEPTH:?}"), "TaskLocal { .. }");
    assert_eq!(NoValue.to_string(), "the task-local has no value here");
    let set = DEPTH.scope(4, ready(()));
    assert_eq!(format!("{set:?}"), "WithLocal { value: 4, .. }");
}

#[test]
fn each_wait_that_gives_no_output_has_its_words_and_its_source() {
    let said = [
        (
            WaitError::OnLoop,
            "a blocking wait on the thread of an Arborio loop",
        ),
        (
            WaitError::TimedOut,
            "the time was up before the task had ended",
        ),
        (
            WaitError::Interrupted(Interrupt::TimedOut),
            "the task ran out of time",
        ),
    ];
    for (error, words) in said {
        assert!(error.to_string().starts_with(words), "{error}");
        let source = error.source().map(ToString::to_string);
        let has_one = matches!(error, WaitError::Interrupted(_));
        assert_eq!(source, has_one.then(|| error.to_string()));
    }
}

#[test]
fn a_branch_says_whether_it_is_here() {
    run(async {
        let branch = Branch::enter(Arc::new(())).expect("a loop runs");
        assert_eq!(format!("{branch:?}"), "Branch { is_here: true, .. }");
        branch.leave();
        assert_eq!(format!("{branch:?}"), "Branch { is_here: false, .. }");
    });
}

/// A thread keeps beside it what it was given each time that it sleeps, and not otherwise.
#[test]
fn a_thread_that_does_not_sleep_asks_for_nothing_beside_it() {
    let kept = Mutex::new(None::<Waker>);
    let (sleeps, kept_beside) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let polls = AtomicUsize::new(0);
    let future = poll_fn(|cx| match polls.fetch_add(1, Ordering::SeqCst) {
        0 => {
            cx.waker().wake_by_ref(); // it need not sleep
            Poll::Pending
        }
        1 => {
            assert_eq!(sleeps.load(Ordering::SeqCst), 0);
            *kept.lock().unwrap() = Some(cx.waker().clone());
            Poll::Pending
        }
        _ => Poll::Ready(7),
    });
    let value = block_beside(pin!(future), || {
        sleeps.fetch_add(1, Ordering::SeqCst);
        let waker = kept.lock().unwrap().take().expect("it was kept");
        let woken = thread::spawn(move || waker.wake());
        OnDrop::new(|| {
            woken.join().unwrap();
            kept_beside.fetch_add(1, Ordering::SeqCst);
        })
    });
    let counts = [&sleeps, &kept_beside, &polls].map(|count| count.load(Ordering::SeqCst));
    assert_eq!((value, counts), (7, [1, 1, 3]));
}

#[test]
fn who_waits_for_force_is_told_once_and_at_once_when_it_has_come() {
    let tasks = Tasks::new(Arc::new(NoNotify));
    let submitter = tasks.submitter();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = |who: &'static str| {
        let told = Arc::clone(&told);
        submitter.when_forced(move || told.lock().unwrap().push(who));
    };
    tell("the first");
    tell("the last");
    assert!(told.lock().unwrap().is_empty());
    tasks.submitter().force();
    assert_eq!(*told.lock().unwrap(), ["the last"]);
    submitter.force();
    tell("late");
    assert_eq!(*told.lock().unwrap(), ["the last", "late"]);
}

#[test]
fn a_task_of_a_scope_is_what_any_task_is_to_who_asks_it() {
    let background = Background::start();
    let (gate, ended) = (Gate::default(), Arc::new(AtomicUsize::new(0)));
    let outcome = background.submitter.scope(|s| {
        let mut waits = s.spawn(gate.passed());
        let line = line!() - 1;
        assert_eq!(waits.spawned_at().expect("it has not ended").line(), line);
        let said = format!("{waits:?}");
        assert!(said.starts_with("Borrower(Task {") && said.contains("is_finished: false"));
        assert!(format!("{s:?}").contains("pending: 1"), "{s:?}");
        let count = Arc::clone(&ended);
        let attached = waits.attach(move |_| {
            OnDrop::new(move || {
                count.fetch_add(1, Ordering::SeqCst);
            })
        });
        assert!(attached && ended.load(Ordering::SeqCst) == 0);
        gate.open();
        waits.wait().unwrap();
        assert!(!waits.cancel_with(Interrupt::TimedOut), "it has ended");
        assert!(!waits.attach(|_| ()));
        let mut asked = s.spawn(pending::<()>());
        assert!(asked.cancel_with(Interrupt::TimedOut));
        asked.wait()
    });
    drop(background);
    assert_eq!(ended.load(Ordering::SeqCst), 1, "what was attached");
    assert!(matches!(
        outcome,
        Ok(Err(WaitError::Interrupted(Interrupt::TimedOut)))
    ));
}

/// A child of the scope's spawns on its own loop, without the inbox; another task does not.
#[test]
fn only_a_task_of_the_scope_spawns_for_it_on_the_loop_that_runs_it() {
    let background = Background::start();
    let sent = Arc::new(AtomicUsize::new(0));
    background.submitter.count_sent(Arc::clone(&sent));
    let count = || sent.load(Ordering::SeqCst);
    let outcome = background.submitter.scope(|s| {
        let before = count();
        let mut outer = s.spawn(async {
            let now = count();
            s.spawn(async {}).await.unwrap();
            count() - now
        });
        let inside = outer.wait().unwrap();
        let now = count();
        s.spawn(async {}).wait().unwrap();
        (now - before, inside, count() - now)
    });
    assert_eq!(outcome.unwrap(), (1, 0, 1));
    let elsewhere = background.submitter.scope(|s| {
        // A task of another loop, which runs on this thread.
        let tasks = tasks();
        let main = async {
            let there = s.spawn(async { thread::current().id() });
            assert!(Submitter::current().is_some());
            there.await.unwrap()
        };
        let ((), thread) = tasks.run_main(main, settle);
        thread.unwrap()
    });
    assert_eq!(elsewhere.unwrap(), background.thread());
}
