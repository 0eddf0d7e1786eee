//! Tasks that are ready behind a long poll, and another loop takes.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    task::{Poll, Waker},
    thread,
};

use arborio_task::{
    Interrupt, NoNotify, Running, SpawnOptions, Submitter, Task, Tasks, try_spawn_sent,
};

fn tasks() -> Tasks {
    Tasks::new(Arc::new(NoNotify))
}

fn run(running: &Running<'_>) {
    while running.take_mail() > 0 || running.run_until(1, |_| true) > 0 {}
}

/// Another loop takes up to ten tasks of `stuck`, runs them, and says how many it were.
fn rescue(stuck: Submitter) -> usize {
    rescue_up_to(10, stuck)
}

fn rescue_up_to(most: usize, stuck: Submitter) -> usize {
    let rescuer = thread::spawn(move || {
        let (rescued, main) = tasks().run_main(async {}, |running| {
            let rescued = running.rescue(&stuck, most);
            run(running);
            rescued
        });
        main.unwrap();
        rescued
    });
    rescuer.join().unwrap()
}

fn sent<F>(future: F) -> Task<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    try_spawn_sent(future, SpawnOptions::new()).ok().unwrap()
}

/// Ready when it was woken; sends its waker at the first poll.
async fn woken() -> (impl Future<Output = ()> + Send, Receiver<Waker>) {
    let (waker, wakers) = channel();
    let mut polled = false;
    let future = poll_fn(move |cx| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        waker.send(cx.waker().clone()).unwrap();
        Poll::Pending
    });
    (future, wakers)
}

/// Runs `main` on a loop that can be helped; it gets the submitter of its loop.
fn stuck<F: Future<Output = ()>>(main: impl FnOnce(Submitter) -> F) {
    let tasks = tasks();
    let submitter = tasks.submitter();
    tasks.run_main(main(submitter), run).1.unwrap();
}

#[test]
fn x12_a_task_that_was_spawned_in_a_long_poll_is_rescued() {
    stuck(async |stuck| {
        let child = sent(async { thread::current().id() });
        assert_eq!(rescue(stuck), 1);
        assert!(child.is_finished(), "although this poll goes on");
        assert_ne!(child.await.unwrap(), thread::current().id());
    });
}

#[test]
fn x12_a_task_that_is_woken_in_a_long_poll_is_rescued_with_its_future() {
    stuck(async |stuck| {
        let (future, wakers) = woken().await;
        let child = sent(future);
        skip().await;
        wakers.recv().unwrap().wake();
        assert_eq!(rescue(stuck), 1);
        assert!(child.is_finished());
    });
}

#[test]
fn x12_a_task_that_another_thread_wakes_in_a_long_poll_is_rescued() {
    stuck(async |stuck| {
        let (future, wakers) = woken().await;
        let child = sent(future);
        skip().await;
        thread::spawn(move || wakers.recv().unwrap().wake())
            .join()
            .unwrap();
        assert_eq!(rescue(stuck), 1);
        assert!(child.is_finished());
    });
}

#[test]
fn x12_a_task_that_is_woken_here_and_there_is_rescued_once() {
    stuck(async |stuck| {
        let (future, wakers) = woken().await;
        let child = sent(future);
        skip().await;
        let waker = wakers.recv().unwrap();
        waker.wake_by_ref();
        thread::spawn(move || waker.wake()).join().unwrap();
        assert_eq!(rescue(stuck), 1);
        assert!(child.is_finished());
    });
}

/// Two tasks that have been polled once, and their wakers.
async fn two_waiting() -> ([Task<()>; 2], [Waker; 2]) {
    let (one, its_waker) = woken().await;
    let (two, other_waker) = woken().await;
    let both = [sent(one), sent(two)];
    skip().await;
    (
        both,
        [its_waker, other_waker].map(|waker| waker.recv().unwrap()),
    )
}

fn wake_from_abroad(wakers: Vec<Waker>) {
    let waking = thread::spawn(move || wakers.into_iter().for_each(Waker::wake));
    waking.join().unwrap();
}

/// One goes, the other was taken out of the inbox to look at it: it is woken all the same.
#[test]
fn a_task_that_another_thread_wakes_and_nobody_has_rescued_runs_here() {
    stuck(async |stuck| {
        let ([first, second], wakers) = two_waiting().await;
        wake_from_abroad(wakers.into());
        assert_eq!(rescue_up_to(1, stuck), 1);
        assert!(first.is_finished() && !second.is_finished());
        skip().await;
        skip().await;
        assert!(second.is_finished());
    });
}

/// It stood in the queue and in the inbox. What the inbox said is done, so it may leave at once.
#[test]
fn a_task_that_is_woken_here_and_there_and_that_nobody_has_rescued_can_be_given() {
    let (here, other) = (tasks(), tasks());
    let (stuck, to) = (here.submitter(), other.submitter());
    let main = async move {
        let (both, wakers) = two_waiting().await;
        wakers.iter().for_each(Waker::wake_by_ref);
        let [_, second] = wakers;
        wake_from_abroad(vec![second]);
        assert_eq!(rescue_up_to(1, stuck), 1);
        both
    };
    let (given, both) = here.run_main(main, |running| {
        assert_eq!(
            running.run_until(4, |_| false),
            4,
            "main, both, and main again"
        );
        running.give_all(&to, 10)
    });
    assert_eq!(given, 1);
    let [first, second] = both.unwrap();
    assert!(first.is_finished() && !second.is_finished());
    other.run_main(async {}, run).1.unwrap();
    assert!(second.is_finished());
}

/// That a handle was dropped comes with the mail, while its task stands in the queue.
#[test]
fn x12_a_ready_task_whose_handle_another_thread_has_dropped_is_rescued() {
    stuck(async |stuck| {
        let (tell, told) = channel();
        let children = [1, 2].map(|n| {
            let tell = tell.clone();
            sent(async move { tell.send(n).unwrap() })
        });
        thread::spawn(move || drop(children)).join().unwrap();
        assert_eq!(rescue(stuck.clone()), 1, "half of them");
        assert_eq!(told.try_recv(), Ok(1));
        assert_eq!(rescue(stuck.clone()), 1);
        assert_eq!(told.try_recv(), Ok(2));
        assert_eq!(rescue(stuck), 0);
        skip().await; // nothing is left of them here
        assert!(told.try_recv().is_err(), "each runs once");
    });
}

/// So does a request to end: it goes along, and is answered there.
#[test]
fn x12_a_ready_task_that_another_thread_has_cancelled_is_rescued_with_the_request() {
    stuck(async |stuck| {
        let child = sent(async { panic!("it was cancelled before it began") });
        let cancels = thread::spawn(move || {
            child.cancel();
            child
        });
        let child = cancels.join().unwrap();
        assert_eq!(rescue(stuck), 1);
        assert!(matches!(child.await, Err(Interrupt::Cancelled(_))));
    });
}

#[test]
fn x15_a_task_that_another_thread_sends_in_a_long_poll_is_rescued() {
    stuck(async |stuck| {
        let to = stuck.clone();
        let child = thread::spawn(move || to.spawn(async { 5 }, SpawnOptions::new()));
        let child = child.join().unwrap();
        assert_eq!(rescue(stuck), 1);
        assert!(child.is_finished());
        assert_eq!(child.await.unwrap(), 5);
    });
}

#[test]
fn what_is_bound_stays_and_keeps_its_place() {
    stuck(async |stuck| {
        let bound = |n: usize| {
            let spawned = arborio_task::try_spawn(async move { n }, SpawnOptions::new());
            spawned.ok().unwrap()
        };
        let children = [
            bound(0),
            sent(async { 1 }),
            bound(2),
            sent(async { 3 }),
            bound(4),
        ];
        let asked = sent(std::future::pending::<()>());
        asked.cancel();
        assert_eq!(rescue(stuck), 2);
        let done: Vec<bool> = children.iter().map(Task::is_finished).collect();
        assert_eq!(done, [false, true, false, true, false]);
        for (n, child) in children.into_iter().enumerate() {
            assert_eq!(child.await.unwrap(), n);
        }
        assert!(asked.await.is_err());
    });
}

#[test]
fn what_is_said_of_a_task_on_its_way_reaches_it() {
    stuck(async |stuck| {
        let dropped = Arc::new(());
        let probe = Arc::clone(&dropped);
        let child = sent(async move {
            let _probe = probe;
            std::future::pending::<()>().await;
        });
        let rescuer = thread::spawn(move || {
            tasks()
                .run_main(async {}, |running| {
                    assert_eq!(running.rescue(&stuck, 10), 1);
                    child.abort(); // still on its way
                    run(running);
                    child
                })
                .0
        });
        let child = rescuer.join().unwrap();
        assert!(child.await.is_err());
        assert_eq!(Arc::strong_count(&dropped), 1);
    });
}

#[test]
fn a_loop_that_does_not_poll_is_left_alone() {
    let other = tasks();
    let to = other.submitter();
    let sent = to.spawn(async { 5 }, SpawnOptions::new());
    let ((), main) = tasks().run_main(async {}, |running| {
        assert_eq!(running.rescue(&to, 10), 0);
        run(running);
    });
    main.unwrap();
    assert!(!sent.is_finished());
    other.run_main(async {}, run).1.unwrap();
    assert!(sent.is_finished());
}

/// Others run once.
async fn skip() {
    let mut first = true;
    poll_fn(move |cx| {
        if std::mem::replace(&mut first, false) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

#[test]
fn a_task_on_its_way_to_a_loop_that_is_stuck_goes_on_and_is_not_counted_twice() {
    let giver = tasks();
    let from = giver.submitter();
    let (stuck_is, where_is_stuck) = channel::<Submitter>();
    let (gave, given) = channel();
    let stuck = thread::spawn(move || {
        stuck(async |stuck| {
            stuck_is.send(stuck.clone()).unwrap();
            given.recv().unwrap();
            assert_eq!(rescue(stuck), 0, "it was counted by who gave it");
        });
    });
    let to = where_is_stuck.recv().unwrap();
    let main = async {
        let task = || sent(async { 5 });
        (task(), task())
    };
    let (sent_away, both) = giver.run_main(main, |running| {
        running.run_next();
        let sent_away = running.give(&to, 10);
        run(running);
        sent_away
    });
    assert_eq!(sent_away, 1);
    drop(from);
    let (stayed, mut went) = both.unwrap();
    assert!(stayed.is_finished() && !went.is_finished());
    gave.send(()).unwrap();
    stuck.join().unwrap();
    assert_eq!(went.try_take().unwrap().unwrap(), 5);
}

/// Tasks that stay with their loop keep the order in which one thread has sent them, whoever looks behind the poll.
#[test]
fn what_stays_starts_in_the_order_in_which_it_was_sent() {
    use std::sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    };
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    stuck(async move |stuck| {
        let done = Arc::new(AtomicBool::new(false));
        let (to, over) = (stuck.clone(), Arc::clone(&done));
        let begin = Arc::new(std::sync::Barrier::new(2));
        let both = Arc::clone(&begin);
        let sender = thread::spawn(move || {
            both.wait();
            for number in 0..2000 {
                let order = Arc::clone(&order);
                let make = move || async move { order.lock().unwrap().push(number) };
                drop(to.spawn_with(make, SpawnOptions::new()));
                if number % 16 == 0 {
                    thread::yield_now();
                }
            }
            over.store(true, Ordering::SeqCst);
        });
        let rescuer = thread::spawn(move || {
            let ((), main) = tasks().run_main(async {}, |running| {
                begin.wait();
                while !done.load(Ordering::SeqCst) {
                    running.rescue(&stuck, 10);
                }
                run(running);
            });
            main.unwrap();
        });
        sender.join().unwrap();
        rescuer.join().unwrap();
    });
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2000);
    assert!(seen.is_sorted(), "another order");
}

#[test]
fn what_a_rescue_leaves_comes_with_the_mail_and_is_counted() {
    for permuted in [false, true] {
        let tasks = tasks();
        let submitter = tasks.submitter();
        let main = async {
            let to = submitter.clone();
            let send = move || drop(to.spawn_with(|| async {}, SpawnOptions::new()));
            thread::spawn(send).join().unwrap(); // what is made here stays here
            assert_eq!(rescue(submitter.clone()), 0);
        };
        let ((), ended) = tasks.run_main(main, |running| {
            assert_eq!(running.run_until(1, |_| true), 1);
            let came = if permuted {
                running.take_mail_permuted(&mut |_| 0)
            } else {
                running.take_mail()
            };
            assert_eq!(came, 1);
            run(running);
        });
        ended.unwrap();
    }
}

#[test]
fn a_task_that_has_entered_a_branch_is_not_given() {
    let (here, other) = (tasks(), tasks());
    let to = other.submitter();
    let main = async {
        let enters = async {
            let branch = arborio_task::Branch::enter(Arc::new(())).expect("a loop runs");
            skip().await;
            drop(branch.leave());
        };
        sent(enters).detach(); // who is awaited here would stay anyway
    };
    let ((), ended) = here.run_main(main, |running| {
        assert!(running.run_next() && running.run_next());
        assert_eq!((running.count_ready(9), running.give_all(&to, 9)), (1, 0));
        run(running);
    });
    ended.unwrap();
}
