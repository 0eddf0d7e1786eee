//! Attempts to break what is done at a task's end with safe code.

use std::{
    cell::{Cell, RefCell},
    future::pending,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Wake, Waker},
    thread,
};

use arborio_task::{Branch, Interrupt, NoNotify, SpawnOptions, Task, Tasks};

use crate::support::{OnDrop, Probes, block_on, run, settle, spawn, tasks, turn};

/// A waker that calls its function once.
struct Calls<F>(Mutex<Option<F>>);

impl<F: FnOnce() + Send + 'static> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        let code = self.0.lock().unwrap().take();
        if let Some(code) = code {
            code();
        }
    }
}

fn calls(code: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(Calls(Mutex::new(Some(code)))))
}

async fn fails() {
    panic!("on purpose");
}

#[cfg(panic = "unwind")]
#[test]
fn a12_a_callback_that_is_registered_while_a_panic_comes_up_is_called() {
    let (called, probes) = (Arc::new(AtomicUsize::new(0)), Probes::default());
    let (note, kept) = (Arc::clone(&called), probes.probe());
    run(async move {
        let branch = Branch::enter(Arc::new(())).unwrap();
        let task = branch.try_spawn(fails(), SpawnOptions::new());
        let task = Arc::new(task.ok().unwrap());
        let registered = Arc::clone(&task);
        branch.wake_on_change(&calls(move || {
            registered.on_done(move |outcome| {
                assert!(matches!(outcome, Err(Interrupt::ScopeFailed)));
                note.fetch_add(1, Ordering::Relaxed);
            });
            assert!(registered.attach(|canceller| (canceller, kept)));
        }));
        turn().await;
        assert!(task.is_finished());
        assert_eq!(branch.take_panics().len(), 1);
        drop(task);
        branch.leave();
    });
    assert_eq!(called.load(Ordering::Relaxed), 1);
    assert_eq!(probes.alive(), 0, "what was attached is leaked");
}

#[test]
fn a12_a_callback_that_drops_the_handle_keeps_the_outcome_until_it_returns() {
    for late in [false, true] {
        let (probes, seen) = (Probes::default(), Rc::new(Cell::new(None)));
        let (probe, counted, note) = (probes.probe(), probes.clone(), Rc::clone(&seen));
        run(async move {
            let place: Rc<RefCell<Option<Task<_>>>> = Rc::default();
            let task = spawn(async move { probe });
            if late {
                turn().await;
            }
            let handle = Rc::clone(&place);
            task.on_done_local(move |outcome| {
                assert!(outcome.is_ok());
                drop(handle.take());
                note.set(Some(counted.alive()));
            });
            place.replace(Some(task));
            turn().await;
            turn().await;
        });
        assert_eq!(seen.get(), Some(1), "late: {late}");
        assert_eq!(probes.alive(), 0);
    }
}

#[test]
fn a12_a_callback_of_one_thread_is_called_and_dropped_there_if_the_handle_is_not() {
    let (probes, called) = (Probes::default(), Rc::new(Cell::new(0)));
    let kept = Rc::new(probes.probe());
    let mut moved = None;
    let ((), _) = tasks().run_main(
        async {
            let task = spawn(pending::<()>());
            let note = Rc::clone(&called);
            task.on_done_local(move |outcome| {
                assert!(matches!(outcome, Err(Interrupt::Stopped)));
                note.set(note.get() + 1);
                drop(kept);
            });
            moved = Some(task);
        },
        |running| while running.run_next() {},
    );
    assert_eq!((called.get(), probes.alive()), (1, 0));
    let task = moved.unwrap();
    let ended = thread::spawn(move || block_on(task)).join().unwrap();
    assert!(matches!(ended, Err(Interrupt::Stopped)));
    assert_eq!(probes.graves(), [thread::current().id()]);
}

#[test]
fn a12_a_late_callback_whose_turn_does_not_come_is_called_when_the_loop_ends() {
    let called = Rc::new(Cell::new(0));
    let note = Rc::clone(&called);
    let mut kept = None;
    let ((), _) = Tasks::new(Arc::new(NoNotify)).run_main(
        async {
            let task = spawn(async { 7 });
            turn().await;
            task.on_done_local(move |outcome| note.set(*outcome.unwrap()));
            kept = Some(task);
            pending::<()>().await;
        },
        |running| {
            let mut polls = 3;
            while polls > 0 && running.run_next() {
                polls -= 1;
            }
        },
    );
    assert_eq!(called.get(), 7);
    assert_eq!(kept.unwrap().try_take().unwrap().unwrap(), 7);
}

#[test]
fn a12_late_callbacks_that_each_ask_for_the_next_outcome_do_not_use_up_the_stack() {
    let called = Rc::new(Cell::new(0));
    let note = Rc::clone(&called);
    run(async move {
        const MANY: usize = 100_000;
        let mut next: Option<Task<()>> = None;
        let mut tasks: Vec<Task<()>> = (0..MANY).map(|_| spawn(async {})).collect();
        turn().await;
        while let Some(task) = tasks.pop() {
            let (mut asked, note) = (next.take(), Rc::clone(&note));
            task.on_done_local(move |_| {
                note.set(note.get() + 1);
                let _ = asked.as_mut().map(Task::try_take);
            });
            next = Some(task);
        }
        next.unwrap().await.unwrap();
        while note.get() < MANY {
            turn().await;
        }
    });
    assert_eq!(called.get(), 100_000);
}

#[test]
fn s27_what_is_attached_in_the_destructor_of_the_future_is_dropped_with_its_end() {
    let probes = Probes::default();
    let kept = probes.probe();
    run(async move {
        let place: Rc<RefCell<Option<Rc<Task<()>>>>> = Rc::default();
        let own = Rc::clone(&place);
        let guard = OnDrop::new(move || {
            let task = own.take().unwrap();
            assert!(task.attach(|canceller| (canceller, kept)));
        });
        let task = Rc::new(spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        place.replace(Some(Rc::clone(&task)));
        turn().await;
        task.abort();
        assert!(task.is_finished());
    });
    assert_eq!(probes.alive(), 0);
}

#[test]
fn s27_what_is_attached_does_not_come_to_be_after_the_task_or_its_loop() {
    let probes = Probes::default();
    let (first, second) = (probes.probe(), probes.probe());
    let tasks = tasks();
    let submitter = tasks.submitter();
    let sent = submitter.spawn(async {}, SpawnOptions::new());
    assert!(sent.attach(move |_| first), "made when the loop runs");
    let ((), outcome) = tasks.run_main(async {}, settle);
    outcome.unwrap();
    assert_eq!(probes.alive(), 1);
    assert!(!sent.attach(move |_| second));
    assert_eq!(probes.alive(), 0);
}

#[test]
fn a12_an_awaiter_that_comes_while_late_callbacks_run_is_woken_after_them() {
    let woken = Arc::new(AtomicUsize::new(0));
    let note = Arc::clone(&woken);
    run(async move {
        let task = Rc::new(spawn(async { 7 }));
        turn().await;
        let (own, place) = (Rc::clone(&task), Rc::new(RefCell::new(None)));
        let kept = Rc::clone(&place);
        task.on_done_local(move |_| {
            let waker = calls(move || {
                note.fetch_add(1, Ordering::Relaxed);
            });
            let joining = async move { (&*own).await.unwrap() };
            let mut joining = Box::pin(joining);
            let mut cx = std::task::Context::from_waker(&waker);
            assert!(joining.as_mut().poll(&mut cx).is_pending());
            kept.replace(Some(joining));
        });
        turn().await;
        assert_eq!(place.take().unwrap().await, 7);
    });
    assert_eq!(woken.load(Ordering::Relaxed), 1);
}

#[test]
fn s27_what_is_made_while_the_task_ends_is_dropped_at_once() {
    let probes = Probes::default();
    let kept = probes.probe();
    run(async move {
        let task = Arc::new(spawn(pending::<()>()));
        let ended = Arc::clone(&task);
        assert!(task.attach(move |canceller| {
            ended.abort();
            (canceller, kept)
        }));
        assert!(task.is_finished());
        assert_eq!(probes.alive(), 0, "it does not wait for a turn");
    });
}
