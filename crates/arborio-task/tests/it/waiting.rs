//! Threads that wait for tasks of a loop, and lend them what is theirs.

use std::{
    future::{pending, poll_fn},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::{Poll, Waker},
    thread::{self, JoinHandle, ThreadId},
    time::{Duration, Instant},
};

use arborio_task::{Interrupt, SpawnOptions, Submitter, Task, WaitError, try_spawn};

use crate::support::{run, spawn, tasks};

/// A loop on a thread of its own.
pub(crate) struct Background {
    pub(crate) submitter: Submitter,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    pub(crate) fn start() -> Self {
        let (sender, receiver) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let tasks = tasks();
            sender.send(tasks.submitter()).unwrap();
            let ((), _) = tasks.run_main(pending::<()>(), |running| {
                while !stopped.load(Ordering::SeqCst) {
                    running.take_mail();
                    while running.run_next() {}
                    if !stopped.load(Ordering::SeqCst) && running.try_sleep() {
                        thread::park();
                        running.wake_up();
                    }
                }
            });
        });
        Self {
            submitter: receiver.recv().unwrap(),
            stop,
            thread: Some(thread),
        }
    }

    fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        self.submitter.spawn(future, SpawnOptions::new())
    }

    pub(crate) fn thread(&self) -> ThreadId {
        self.thread.as_ref().unwrap().thread().id()
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(self.spawn(async {})); // it may sleep
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop();
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Opened once, by whoever.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Gate {
    pub(crate) fn open(&self) {
        let mut state = self.0.lock().unwrap();
        state.0 = true;
        let waiting = std::mem::take(&mut state.1);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    pub(crate) async fn passed(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// Notes the thread on which it is dropped.
struct Probe<'a>(&'a Mutex<Option<ThreadId>>);

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap() = Some(thread::current().id());
    }
}

const SOON: Duration = Duration::from_millis(5);

#[cfg(panic = "unwind")]
#[test]
fn s11_a_wait_gives_the_output_or_why_there_is_none() {
    let background = Background::start();
    assert_eq!(background.spawn(async { 6 }).wait().unwrap(), 6);
    let mut doomed = background.spawn(pending::<()>());
    doomed.cancel();
    let ended = doomed.wait();
    assert!(
        matches!(ended, Err(WaitError::Interrupted(Interrupt::Cancelled(_)))),
        "{ended:?}"
    );
    let options = SpawnOptions::new().observed(true);
    let panics = async { panic!("no bread") };
    let mut panicking: Task<()> = background.submitter.spawn(panics, options);
    let Err(WaitError::Interrupted(Interrupt::Panicked(payload))) = panicking.wait() else {
        panic!("the panic is the outcome");
    };
    assert_eq!(payload.message(), "no bread");
}

#[test]
fn s11_a_task_goes_on_when_the_time_is_up_and_is_waited_for_again() {
    let background = Background::start();
    let gate = Gate::default();
    let opens = gate.clone();
    let mut task = background.spawn(async move {
        gate.passed().await;
        7
    });
    for limit in [Duration::ZERO, SOON, SOON] {
        let start = Instant::now();
        assert!(matches!(task.wait_timeout(limit), Err(WaitError::TimedOut)));
        assert!(start.elapsed() >= limit);
    }
    opens.open();
    assert_eq!(task.wait_timeout(Duration::MAX).unwrap(), 7);
}

#[test]
fn s11_a_wait_that_sleeps_is_woken_by_the_end_and_by_nothing_else() {
    let background = Background::start();
    for _ in 0..200 {
        let gate = Gate::default();
        let opens = gate.clone();
        let mut task = background.spawn(async move { gate.passed().await });
        let waiter = thread::spawn(move || task.wait());
        waiter.thread().unpark(); // means nothing
        assert!(!waiter.is_finished());
        opens.open();
        waiter.join().unwrap().unwrap();
    }
}

#[test]
fn s11_a_wait_on_the_thread_of_a_loop_is_an_error_and_the_task_can_still_be_awaited() {
    let background = Background::start();
    let elsewhere = background.spawn(async { 1 });
    let sum = run(async move {
        let mut own = spawn(async { 2 });
        assert!(matches!(own.wait(), Err(WaitError::OnLoop)));
        assert!(matches!(own.wait_timeout(SOON), Err(WaitError::OnLoop)));
        let gate = Gate::default();
        let opens = gate.clone();
        let mut foreign = background.spawn(async move { gate.passed().await });
        assert!(matches!(foreign.wait(), Err(WaitError::OnLoop)));
        opens.open();
        foreign.await.unwrap();
        elsewhere.await.unwrap() + own.await.unwrap()
    });
    assert_eq!(sum, 3);
}

#[test]
fn s11_d12_a_task_that_has_ended_is_not_waited_for() {
    run(async {
        let mut task = spawn(async { 5 });
        (&task).await.unwrap();
        assert_eq!(task.wait().unwrap(), 5);
    });
}

#[test]
#[should_panic(expected = "after it had given its outcome")]
fn s11_a_task_gives_its_outcome_once() {
    let background = Background::start();
    let mut task = background.spawn(async {});
    task.wait().unwrap();
    let _ = task.wait();
}

#[test]
fn s05_a_thread_that_waits_is_told_when_the_loop_ends() {
    let background = Background::start();
    let mut task = background.spawn(pending::<()>());
    assert!(matches!(task.wait_timeout(SOON), Err(WaitError::TimedOut)));
    let waiter = thread::spawn(move || task.wait());
    background.stop();
    let ended = waiter.join().unwrap();
    assert!(
        matches!(ended, Err(WaitError::Interrupted(Interrupt::Stopped))),
        "{ended:?}"
    );
}

#[test]
fn s10_a_future_that_is_not_send_is_made_and_dropped_on_the_loop() {
    let background = Background::start();
    let (made_on, dropped_on) = (Mutex::new(None), Mutex::new(None));
    let places = Arc::new((made_on, dropped_on));
    let (inside, gate) = (Arc::clone(&places), Gate::default());
    let opens = gate.clone();
    let make = move || {
        *inside.0.lock().unwrap() = Some(thread::current().id());
        let local = Rc::new(3);
        async move {
            let _probe = Probe(&inside.1);
            gate.passed().await;
            *local
        }
    };
    let submitter = &background.submitter;
    let mut task = submitter.spawn_with(make, SpawnOptions::new());
    assert!(matches!(task.wait_timeout(SOON), Err(WaitError::TimedOut)));
    opens.open();
    assert_eq!(task.wait().unwrap(), 3);
    assert_eq!(*places.0.lock().unwrap(), Some(background.thread()));
    assert_eq!(*places.1.lock().unwrap(), Some(background.thread()));
}

#[cfg(panic = "unwind")]
#[test]
fn s10_what_cannot_be_made_is_the_panic_of_its_task() {
    let background = Background::start();
    let make = || -> std::future::Ready<()> { panic!("no flour") };
    let options = SpawnOptions::new().observed(true);
    let ended = background.submitter.spawn_with(make, options).wait();
    let Err(WaitError::Interrupted(Interrupt::Panicked(payload))) = ended else {
        panic!("{ended:?}");
    };
    assert_eq!(payload.message(), "no flour");
}

#[test]
fn s10_what_a_loop_refuses_ends_as_stopped_without_a_poll() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let early = submitter.spawn(async { 1 }, SpawnOptions::new());
    let (outcomes, _) = tasks.run_main(pending::<()>(), |running| {
        running.take_mail();
        running.refuse_arrivals();
        let sender = thread::spawn(move || {
            let polled = Arc::new(AtomicBool::new(false));
            let notes = Arc::clone(&polled);
            let future = async move { notes.store(true, Ordering::SeqCst) };
            (submitter.spawn(future, SpawnOptions::new()), polled)
        });
        let (mut late, polled) = sender.join().unwrap();
        running.take_mail();
        while running.run_next() {}
        assert!(!polled.load(Ordering::SeqCst));
        assert!(try_spawn(async {}, SpawnOptions::new()).is_ok());
        let (mut early, late) = ({ early }, late.try_take());
        (early.try_take(), late)
    });
    assert!(matches!(
        outcomes,
        (Some(Ok(1)), Some(Err(Interrupt::Stopped)))
    ));
}

#[test]
fn s10_what_is_sent_to_a_loop_that_is_stopping_has_ended_where_it_was_sent() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    submitter.note_stop();
    assert!(submitter.is_stopping() && !submitter.is_closed());
    let sender = thread::spawn(move || {
        let dropped = Arc::new(Mutex::new(None));
        let probe = Arc::clone(&dropped);
        let future = async move { drop(Probe(&probe)) };
        let late = submitter.spawn(future, SpawnOptions::new().name("late"));
        assert!(late.is_finished());
        drop(submitter.spawn(pending::<()>(), SpawnOptions::new()));
        late
    });
    let late = sender.join().unwrap();
    let main = async move {
        // On the thread of the loop that it was for, its handle is what it is elsewhere.
        assert_eq!(late.name().unwrap(), "late");
        assert!(!late.cancel() && late.info().is_none());
        assert!(late.try_on_done(|ended| assert!(ended.is_err())).is_ok());
        assert!(matches!((&late).await, Err(Interrupt::Stopped)));
        let own = spawn(async { 1 }).await.unwrap();
        (late.await, own)
    };
    let ((), outcome) = tasks.run_main(main, crate::support::settle);
    assert!(matches!(outcome, Ok((Err(Interrupt::Stopped), 1))));
}

#[test]
fn s04_a_future_that_is_run_may_borrow_and_so_may_its_output() {
    let background = Background::start();
    let (words, mut lengths) = (["bread", "butter"], Vec::new());
    let submitter = &background.submitter;
    let longest = submitter.run(
        async {
            lengths.extend(words.iter().map(|word| word.len()));
            words.iter().max_by_key(|word| word.len()).unwrap()
        },
        SpawnOptions::new(),
    );
    assert_eq!(*longest.unwrap(), "butter");
    assert_eq!(lengths, [5, 6]);
}

#[cfg(panic = "unwind")]
#[test]
fn s04_what_was_lent_is_given_back_before_run_returns_however_the_future_ends() {
    let background = Background::start();
    let on_the_loop = Some(background.thread());
    let submitter = &background.submitter;
    let dropped = Mutex::new(None);
    let ends = submitter.run(
        async {
            let _probe = Probe(&dropped);
            panic!("burnt");
        },
        SpawnOptions::new(),
    );
    let ended: Result<(), _> = ends;
    assert!(matches!(
        ended,
        Err(WaitError::Interrupted(Interrupt::Panicked(_)))
    ));
    assert_eq!(dropped.lock().unwrap().take(), on_the_loop);

    let ended = submitter.run(
        async {
            let _probe = Probe(&dropped);
            background.stop();
            pending::<()>().await;
        },
        SpawnOptions::new(),
    );
    assert!(matches!(
        ended,
        Err(WaitError::Interrupted(Interrupt::Stopped))
    ));
    assert_eq!(dropped.lock().unwrap().take(), on_the_loop);

    while !submitter.is_closed() {
        thread::yield_now();
    }
    let probe = Probe(&dropped);
    let late = submitter.run(async move { drop(probe) }, SpawnOptions::new());
    assert!(matches!(
        late,
        Err(WaitError::Interrupted(Interrupt::Stopped))
    ));
    let here = Some(thread::current().id());
    assert_eq!(dropped.lock().unwrap().take(), here);
}

#[test]
fn s04_a_run_on_the_thread_of_a_loop_is_an_error() {
    let background = Background::start();
    run(async {
        let ended = background.submitter.run(async {}, SpawnOptions::new());
        assert!(matches!(ended, Err(WaitError::OnLoop)), "{ended:?}");
    });
}

#[test]
fn submitters_are_equal_if_they_send_to_the_same_loop() {
    let (one, other) = (Background::start(), Background::start());
    assert_eq!(one.submitter, one.submitter.clone());
    assert_ne!(one.submitter, other.submitter);
}
