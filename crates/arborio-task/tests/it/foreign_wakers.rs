//! Wakers of other executors that panic, or come back into the runtime.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, RawWaker, RawWakerVTable, Waker},
    thread,
};

use arborio_base::contained_panics;
use arborio_task::Task;

use crate::support::{block_on, counting_panics, own_waker, run, spawn, turn};

/// What a foreign waker does besides counting.
type Act = Box<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Script {
    /// Off while the test makes and drops wakers itself.
    armed: AtomicBool,
    wakes: AtomicUsize,
    on_clone: Option<Act>,
    on_wake: Option<Act>,
    on_drop: Option<Act>,
}

impl Script {
    fn act(&self, act: &Option<Act>) {
        if let (true, Some(act)) = (self.armed.load(Ordering::SeqCst), act) {
            act();
        }
    }

    fn arm(&self, armed: bool) {
        self.armed.store(armed, Ordering::SeqCst);
    }

    fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }
}

const VTABLE: &RawWakerVTable = &RawWakerVTable::new(
    |data| {
        // SAFETY: the pointer is an `Arc<Script>`'s, and the waker holds one.
        let script = unsafe { std::mem::ManuallyDrop::new(Arc::from_raw(data.cast::<Script>())) };
        script.act(&script.on_clone);
        raw(Arc::clone(&script))
    },
    |data| {
        // SAFETY: as above; waking by value gives it up.
        let script = unsafe { Arc::from_raw(data.cast::<Script>()) };
        script.wakes.fetch_add(1, Ordering::SeqCst);
        script.act(&script.on_wake);
    },
    |data| {
        // SAFETY: as above; waking by reference keeps it.
        let script = unsafe { std::mem::ManuallyDrop::new(Arc::from_raw(data.cast::<Script>())) };
        script.wakes.fetch_add(1, Ordering::SeqCst);
        script.act(&script.on_wake);
    },
    |data| {
        // SAFETY: as above; dropping gives it up.
        let script = unsafe { Arc::from_raw(data.cast::<Script>()) };
        script.act(&script.on_drop);
    },
);

fn raw(script: Arc<Script>) -> RawWaker {
    RawWaker::new(Arc::into_raw(script).cast(), VTABLE)
}

fn waker(script: &Arc<Script>) -> Waker {
    // SAFETY: the functions of the table count the `Arc` as wakers are counted.
    unsafe { Waker::from_raw(raw(Arc::clone(script))) }
}

/// Polls `task` with a waker of `script`, which acts meanwhile.
fn poll_armed(task: &mut (impl Future + Unpin), script: &Arc<Script>) -> Poll<()> {
    let waker = waker(script);
    script.arm(true);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        Pin::new(task)
            .poll(&mut Context::from_waker(&waker))
            .map(drop)
    }));
    script.arm(false);
    drop(waker);
    polled.unwrap_or_else(|payload| std::panic::resume_unwind(payload))
}

fn panics() -> Option<Act> {
    Some(Box::new(|| panic!("a foreign waker panics")))
}

/// The task wakes a foreign awaiter, a good one, and the task that polls again.
#[cfg(panic = "unwind")]
#[test]
fn x09_a_waker_that_panics_when_it_is_woken_keeps_no_other_from_being_woken() {
    let _turn = counting_panics();
    let before = contained_panics();
    let bad = Arc::new(Script {
        on_wake: panics(),
        ..Script::default()
    });
    let good = Arc::new(Script::default());
    run(async {
        let task = spawn(async {
            turn().await;
            5
        });
        let (mut one, mut other) = (pin!((&task).into_future()), pin!((&task).into_future()));
        assert!(poll_armed(&mut one, &bad).is_pending());
        assert!(poll_armed(&mut other, &good).is_pending());
        bad.arm(true);
        assert_eq!((&task).await.unwrap(), 5, "main is the third awaiter");
        bad.arm(false);
    });
    assert_eq!((bad.wakes(), good.wakes()), (1, 1));
    assert_eq!(contained_panics() - before, 1);
    assert_eq!((Arc::strong_count(&bad), Arc::strong_count(&good)), (1, 1));
}

#[cfg(panic = "unwind")]
#[test]
fn x09_a_waker_that_panics_when_it_is_cloned_leaves_the_awaiters_in_order() {
    let bad = Arc::new(Script {
        on_clone: panics(),
        ..Script::default()
    });
    let good = Arc::new(Script::default());
    run(async {
        let task = spawn(async {
            turn().await;
            5
        });
        let (mut one, mut other) = (pin!((&task).into_future()), pin!((&task).into_future()));
        assert!(poll_armed(&mut one, &good).is_pending());
        let polled = catch_unwind(AssertUnwindSafe(|| poll_armed(&mut other, &bad)));
        assert!(polled.is_err(), "the panic is the awaiter's own");
        assert_eq!((&task).await.unwrap(), 5);
    });
    assert_eq!((bad.wakes(), good.wakes()), (0, 1));
}

#[cfg(panic = "unwind")]
#[test]
fn x09_a_waker_that_panics_when_it_is_dropped_is_contained() {
    let _turn = counting_panics();
    let before = contained_panics();
    let bad = Arc::new(Script {
        on_drop: panics(),
        ..Script::default()
    });
    run(async {
        let mut task = spawn(std::future::pending::<()>());
        assert!(poll_armed(&mut task, &Arc::new(Script::default())).is_pending());
        // The second clone of the same waker is surplus: dropped at once.
        assert!(poll_armed(&mut task, &bad).is_pending());
        assert!(poll_armed(&mut task, &bad).is_pending());
        assert_eq!(contained_panics() - before, 1);
        bad.arm(true);
        task.abort();
        drop(task);
        bad.arm(false);
    });
    assert!(bad.wakes() == 1, "an abort wakes the awaiters");
    assert_eq!(Arc::strong_count(&bad), 1);
}

#[test]
fn x09_a_waker_may_drop_the_handle_that_it_waits_for() {
    let slot: Arc<std::sync::Mutex<Option<Task<u8>>>> = Arc::default();
    let own = Arc::clone(&slot);
    let script = Arc::new(Script {
        on_wake: Some(Box::new(move || drop(own.lock().unwrap().take()))),
        ..Script::default()
    });
    run(async {
        let mut task = spawn(async {
            turn().await;
            5
        });
        assert!(poll_armed(&mut task, &script).is_pending());
        *slot.lock().unwrap() = Some(task);
        script.arm(true);
        turn().await;
        turn().await;
        script.arm(false);
    });
    assert_eq!(script.wakes(), 1);
    assert!(slot.lock().unwrap().is_none(), "the waker dropped it");
}

/// Cloning the waker ends the task that is being polled for its outcome.
#[test]
fn x09_a_waker_may_abort_the_task_while_it_is_cloned() {
    thread_local! {
        static VICTIM: RefCell<Option<Rc<Task<u8>>>> = const { RefCell::new(None) };
    }
    let script = Arc::new(Script {
        on_clone: Some(Box::new(|| {
            VICTIM.with_borrow_mut(Option::take).unwrap().abort();
        })),
        ..Script::default()
    });
    run(async {
        let task = Rc::new(spawn(std::future::pending::<u8>()));
        turn().await;
        VICTIM.set(Some(Rc::clone(&task)));
        let waker = waker(&script);
        script.arm(true);
        let joining = std::pin::pin!((&*task).into_future());
        let polled = joining.poll(&mut Context::from_waker(&waker));
        script.arm(false);
        assert!(matches!(polled, Poll::Ready(Err(_))));
    });
}

#[cfg(panic = "unwind")]
#[test]
fn x09_wakers_abroad_that_panic_or_come_back_are_called_without_a_lock() {
    let _turn = counting_panics();
    let before = contained_panics();
    let slot: Arc<std::sync::Mutex<Option<Arc<Task<u8>>>>> = Arc::default();
    let own = Arc::clone(&slot);
    let back = Arc::new(Script {
        on_wake: Some(Box::new(move || {
            let task = own.lock().unwrap().take().unwrap();
            assert!(task.is_finished());
            assert_eq!(block_on((&*task).into_future()).unwrap(), 5);
        })),
        ..Script::default()
    });
    let bad = Arc::new(Script {
        on_wake: panics(),
        ..Script::default()
    });
    let good = Arc::new(Script::default());
    let (end, abroad) = run(async {
        let waker_of_main = own_waker().await;
        let go = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&go);
        let task = Arc::new(spawn(std::future::poll_fn(move |cx| {
            if gone.load(Ordering::SeqCst) {
                return Poll::Ready(5);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })));
        *slot.lock().unwrap() = Some(Arc::clone(&task));
        let shared = Arc::clone(&task);
        let scripts = [Arc::clone(&back), Arc::clone(&bad), Arc::clone(&good)];
        let (registered, all_registered) = std::sync::mpsc::channel();
        let (end, until_the_end) = std::sync::mpsc::channel::<()>();
        let abroad = thread::spawn(move || {
            // An awaiter takes its waker back when it is dropped: keep them all.
            let mut awaiters = Vec::new();
            for script in &scripts {
                let waker = waker(script);
                let mut joining = Box::pin((&*shared).into_future());
                let polled = joining.as_mut().poll(&mut Context::from_waker(&waker));
                assert!(polled.is_pending());
                script.arm(true);
                awaiters.push(joining);
            }
            go.store(true, Ordering::SeqCst);
            waker_of_main.wake();
            registered.send(()).unwrap();
            until_the_end.recv().unwrap();
        });
        all_registered.recv().unwrap();
        assert_eq!((&*task).await.unwrap(), 5);
        (end, abroad)
    });
    end.send(()).unwrap();
    abroad.join().unwrap();
    assert_eq!((back.wakes(), bad.wakes(), good.wakes()), (1, 1, 1));
    assert_eq!(contained_panics() - before, 1);
}
