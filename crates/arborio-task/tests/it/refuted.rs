//! Sequences that once broke the protocol: each was found by somebody who tried
//! to refute it, and each stays here.

use std::{
    cell::RefCell,
    future::{pending, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker},
    thread,
};

use arborio_base::budget;
use arborio_task::{
    Interrupt, NoNotify, Notify, Running, SpawnOptions, Submitter, Task, Tasks, try_spawn,
};

fn tasks() -> Tasks {
    Tasks::new(Arc::new(NoNotify))
}

fn spawn<F: Future + 'static>(future: F) -> Task<F::Output> {
    try_spawn(future, SpawnOptions::new()).ok().unwrap()
}

fn send<F>(submitter: &Submitter, future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    submitter.spawn(future, SpawnOptions::new())
}

fn drain(running: &Running<'_>) {
    while running.take_mail() > 0 || running.run_next() {}
}

/// Calls its function when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A notifier that can be counted, and that may panic.
struct Bell {
    panics: bool,
}

impl Notify for Bell {
    fn notify(&self) {
        assert!(!self.panics, "the bell is broken");
    }
}

#[test]
fn a_task_is_aborted_by_its_owner_before_the_owner_has_seen_it() {
    let tasks = tasks();
    let mut sent = send(&tasks.submitter(), pending::<()>());
    let _ = tasks.run_main(async {}, |running| {
        sent.abort();
        assert!(
            sent.is_finished(),
            "at once, as it is the loop's own thread"
        );
        drain(running);
    });
    assert!(matches!(
        sent.try_take(),
        Some(Err(Interrupt::Cancelled(_)))
    ));
}

#[test]
fn a_task_that_a_nested_loop_sends_out_is_aborted_by_the_outer_loop() {
    let main = async {
        let outer = Submitter::current().unwrap();
        let (sent, _) = tasks().run_main(async {}, |running| {
            let sent = send(&outer, pending::<()>());
            drain(running);
            sent
        });
        sent.abort();
        assert!(sent.is_finished());
    };
    tasks().run_main(main, drain).1.unwrap();
}

#[test]
fn a_destructor_of_a_closing_loop_aborts_a_task_that_is_still_in_the_mail() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let aborted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&aborted);
    let _ = tasks.run_main(async {}, move |running| {
        let (give, take) = mpsc::channel::<Task<()>>();
        let guard = OnDrop(move || {
            let task = take.recv().unwrap();
            task.abort();
            count.fetch_add(usize::from(task.is_finished()), Ordering::SeqCst);
        });
        drop(spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        }));
        drain(running);
        let sent = thread::spawn(move || give.send(send(&submitter, pending())));
        sent.join().unwrap().unwrap();
    });
    assert_eq!(aborted.load(Ordering::SeqCst), 1);
}

/// A future whose bytes would make a bad `String`.
struct NotAString([u64; 8]);

impl Future for NotAString {
    type Output = String;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<String> {
        assert_eq!(self.0[0], 0x4141_4141_4141_4140);
        Poll::Pending
    }
}

#[test]
fn x05_a_handle_dropped_abroad_while_the_loop_closes_never_drops_a_future_as_an_output() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let (closing, is_closing) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let guard = OnDrop(move || {
        closing.send(()).unwrap();
        may_go_on.recv().unwrap();
    });
    // Both are in the mail when the loop closes; the first one's destructor
    // keeps the loop there while the second one's handle is dropped.
    let first = send(&submitter, async move {
        let _guard = guard;
        pending::<()>().await;
    });
    let second = send(&submitter, NotAString([0x4141_4141_4141_4140; 8]));
    let other = thread::spawn(move || {
        is_closing.recv().unwrap();
        drop(second);
        go_on.send(()).unwrap();
    });
    drop(tasks);
    other.join().unwrap();
    assert!(first.is_finished());
}

#[cfg(panic = "unwind")]
#[test]
fn the_panic_of_a_task_whose_handle_was_polled_and_dropped_abroad_comes_up() {
    let tasks = tasks();
    let submitter = tasks.submitter();
    let (panics, _) = tasks.run_main(async {}, |running| {
        let mut handle = send(&submitter, async { panic!("nobody looks") });
        let abroad = thread::spawn(move || {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut handle).poll(&mut cx).is_pending());
            drop(handle);
        });
        abroad.join().unwrap();
        drain(running);
        running.take_panics()
    });
    assert_eq!(panics.len(), 1);
    assert_eq!(panics[0].message(), "nobody looks");
}

/// A waker that calls a function when it is cloned, once.
struct CloneHook {
    hook: RefCell<Option<Box<dyn FnOnce()>>>,
}

fn hooked(hook: Rc<CloneHook>) -> Waker {
    static VTABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: the pointer came from `Rc::into_raw`; this thread alone uses it.
            let hook = unsafe { &*data.cast::<CloneHook>() };
            // SAFETY: as above.
            unsafe { Rc::increment_strong_count(data.cast::<CloneHook>()) };
            let function = hook.hook.borrow_mut().take();
            if let Some(function) = function {
                function();
            }
            RawWaker::new(data, &VTABLE)
        },
        // SAFETY: as above; waking by value gives the count up.
        |data| unsafe { Rc::decrement_strong_count(data.cast::<CloneHook>()) },
        |_| {},
        // SAFETY: as above.
        |data| unsafe { Rc::decrement_strong_count(data.cast::<CloneHook>()) },
    );
    // SAFETY: the test uses the waker on one thread only.
    unsafe { Waker::from_raw(RawWaker::new(Rc::into_raw(hook).cast(), &VTABLE)) }
}

#[test]
fn x09_a_waker_whose_clone_ends_the_task_is_not_kept() {
    let hook = Rc::new(CloneHook {
        hook: RefCell::new(None),
    });
    let _ = tasks().run_main(async {}, |_| {
        let task = Rc::new(spawn(pending::<()>()));
        let victim = Rc::clone(&task);
        *hook.hook.borrow_mut() = Some(Box::new(move || victim.abort()));
        let waker = hooked(Rc::clone(&hook));
        let joining = pin!((&*task).into_future());
        assert!(joining.poll(&mut Context::from_waker(&waker)).is_ready());
    });
    assert_eq!(Rc::strong_count(&hook), 1, "no waker is left");
}

#[cfg(panic = "unwind")]
#[test]
fn a_random_that_panics_or_exceeds_its_bound_loses_no_task() {
    for random in [|bound: usize| bound, |_| panic!("no luck")] {
        let tasks = tasks();
        let submitter = tasks.submitter();
        let sent = send(&submitter, pending::<()>());
        let _ = tasks.run_main(async {}, |running| {
            let local: Vec<_> = (0..3).map(|_| spawn(pending::<()>())).collect();
            while running.run_next() {}
            let aborting = thread::spawn(move || {
                local.iter().for_each(Task::abort);
                local
            });
            let local = aborting.join().unwrap();
            assert_eq!(running.take_mail_permuted(&mut { random }), 4);
            assert!(local.iter().all(Task::is_finished));
        });
        assert!(sent.is_finished());
    }
}

#[test]
fn a_task_that_came_too_late_is_released_by_the_closing_owner_without_a_leak() {
    let bell = Arc::new(Bell { panics: false });
    let tasks = Tasks::new(Arc::clone(&bell) as Arc<dyn Notify>);
    let submitter = tasks.submitter();
    let (ask, asked) = mpsc::channel();
    let (give, take) = mpsc::channel::<Task<()>>();
    let guard = OnDrop(move || {
        ask.send(()).unwrap();
        drop(take.recv().unwrap());
    });
    let first = send(&submitter, async move {
        let _guard = guard;
        pending::<()>().await;
    });
    let other = thread::spawn(move || {
        asked.recv().unwrap();
        assert!(submitter.is_closed());
        give.send(send(&submitter, async {})).unwrap();
    });
    drop(tasks);
    other.join().unwrap();
    drop(first);
    assert_eq!(
        Arc::strong_count(&bell),
        1,
        "the loop is gone, memory and all"
    );
}

/// Aborts the next task of a row when it is woken.
struct AbortNext {
    row: Mutex<Option<Arc<Row>>>,
    next: usize,
}

type Row = Vec<Mutex<Option<Task<()>>>>;

impl Wake for AbortNext {
    fn wake(self: Arc<Self>) {
        let row = self.row.lock().unwrap().take().unwrap();
        let Some(place) = row.get(self.next) else {
            return;
        };
        let next = place.lock().unwrap().take();
        if let Some(next) = next {
            next.abort();
            *place.lock().unwrap() = Some(next);
        }
    }
}

#[test]
fn awaiters_that_abort_the_next_task_do_not_use_up_the_stack() {
    const LENGTH: usize = 100_000;
    let _ = tasks().run_main(async {}, |running| {
        let row: Row = (0..LENGTH)
            .map(|_| Mutex::new(Some(spawn(pending()))))
            .collect();
        let row = Arc::new(row);
        while running.run_next() {}
        for (index, place) in row.iter().enumerate() {
            let waker = Waker::from(Arc::new(AbortNext {
                row: Mutex::new(Some(Arc::clone(&row))),
                next: index + 1,
            }));
            let mut task = place.lock().unwrap();
            let polled = Pin::new(task.as_mut().unwrap()).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
        }
        let first = row[0].lock().unwrap().take().unwrap();
        first.abort();
        drain(running);
        let last = row[LENGTH - 1].lock().unwrap();
        assert!(last.as_ref().unwrap().is_finished());
    });
}

#[cfg(panic = "unwind")]
#[test]
fn a_notifier_that_panics_disturbs_neither_the_sender_nor_an_unwinding_thread() {
    let bell = Arc::new(Bell { panics: true });
    let tasks = Tasks::new(Arc::clone(&bell) as Arc<dyn Notify>);
    let submitter = tasks.submitter();
    let _ = tasks.run_main(async {}, |running| {
        assert!(running.try_sleep());
        let sender = thread::spawn(move || send(&submitter, async { String::from("sent") }));
        let mut sent = sender.join().unwrap();
        running.wake_up();
        drain(running);
        assert_eq!(sent.try_take().unwrap().unwrap(), "sent");

        let handle = spawn(pending::<()>());
        assert!(running.try_sleep());
        let unwinding = thread::spawn(move || {
            let _handle = handle;
            panic!("of the thread");
        });
        assert!(unwinding.join().is_err());
        running.wake_up();
    });
    assert_eq!(Arc::strong_count(&bell), 1);
}

#[test]
fn a_handle_that_is_polled_by_many_in_turn_keeps_one_waker() {
    struct Counted(Arc<AtomicUsize>);
    impl Wake for Counted {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let alive = Arc::new(AtomicUsize::new(0));
    let new_waker = || {
        alive.fetch_add(1, Ordering::SeqCst);
        Waker::from(Arc::new(Counted(Arc::clone(&alive))))
    };
    let _ = tasks().run_main(async {}, |_| {
        let mut task = spawn(pending::<()>());
        for _ in 0..1000 {
            let waker = new_waker();
            let polled = Pin::new(&mut task).poll(&mut Context::from_waker(&waker));
            assert!(polled.is_pending());
            assert!(alive.load(Ordering::SeqCst) <= 2);
        }
        for _ in 0..1000 {
            let waker = new_waker();
            let joining = pin!((&task).into_future());
            assert!(joining.poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(alive.load(Ordering::SeqCst) <= 2);
        }
        let abroad = thread::scope(|scope| {
            let task = &task;
            let polls = scope.spawn(move || {
                let mut cx = Context::from_waker(Waker::noop());
                (0..10).all(|_| pin!(task.into_future()).poll(&mut cx).is_pending())
            });
            polls.join().unwrap()
        });
        assert!(abroad);
    });
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

/// A payload that tells where it was dropped.
struct Payload(mpsc::Sender<thread::ThreadId>);

impl Drop for Payload {
    fn drop(&mut self) {
        self.0.send(thread::current().id()).unwrap();
    }
}

#[cfg(panic = "unwind")]
#[test]
fn x08_a_panic_that_nobody_took_is_dropped_with_the_loop_and_not_with_the_last_waker() {
    let (tell, told) = mpsc::channel();
    let slot: Arc<Mutex<Option<Waker>>> = Arc::default();
    let keep = Arc::clone(&slot);
    let _ = tasks().run_main(async {}, |running| {
        drop(spawn(async move {
            poll_fn(|cx| {
                *keep.lock().unwrap() = Some(cx.waker().clone());
                Poll::Ready(())
            })
            .await;
            std::panic::panic_any(Payload(tell));
        }));
        drain(running);
    });
    assert_eq!(told.try_recv(), Ok(thread::current().id()));
    let waker = slot.lock().unwrap().take().unwrap();
    thread::spawn(move || drop(waker)).join().unwrap();
}

#[test]
fn a_nested_loop_leaves_the_budget_of_the_outer_poll_as_it_was() {
    let main = poll_fn(|cx| {
        while budget::poll_charge(cx).is_ready() {}
        let ((), inner) = tasks().run_main(async { 1 }, drain);
        assert_eq!(inner.unwrap(), 1);
        assert!(budget::poll_charge(cx).is_pending(), "still used up");
        Poll::Ready(())
    });
    let _ = tasks().run_main(main, |running| while running.run_next() {});
    assert!(budget::has_budget(), "and unlimited outside of every loop");
}
