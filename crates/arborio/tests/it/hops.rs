//! S29: a future goes to a pool thread and its awaiter stays where it is. What there is
//! on that thread, and what becomes of a full pool.

use std::{
    future::{Future, pending},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::channel,
    },
    thread,
};

use arborio::{
    AnyScope, Handle, Interrupt, Pool, Scope,
    blocking::{BlockingPool, enter_executor},
    cancel::{catch_cancel, current_effective_deadline, finally, move_on_after},
    net::TcpListener,
    run, scope, spawn, spawn_blocking, task_local,
    time::{Clock, Instant, sleep, timeout},
    yield_now,
};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::support::{
    FOR_EVER, Gate, KernelThread, Log, connected, in_own_process, ms, panic_message, poll_once,
    secs, simulated, without_hanging,
};

/// A pool whose threads stay.
fn pool_of(threads: usize) -> BlockingPool {
    BlockingPool::builder()
        .max_threads(threads)
        .idle_timeout(FOR_EVER)
        .build()
}

#[test]
fn s29_a_future_runs_on_one_thread_and_its_awaiter_goes_on_where_it_was() {
    let ids = without_hanging(|| {
        run(async {
            let before = thread::current().id();
            let (entering, exiting) = enter_executor(async {
                let entering = thread::current().id();
                sleep(ms(1)).await;
                yield_now().await;
                (entering, thread::current().id())
            })
            .await
            .unwrap();
            [before, entering, exiting, thread::current().id()]
        })
    });
    assert_eq!(ids[1], ids[2]);
    assert_eq!(ids[0], ids[3]);
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn s29_x19_the_loop_goes_on_while_a_future_blocks_elsewhere() {
    let turns = without_hanging(|| {
        run(async {
            let (go_on, gate) = channel();
            let hop = spawn(async move { enter_executor(async move { gate.recv() }).await });
            let mut ticks = 0;
            for _ in 0..20 {
                sleep(ms(1)).await;
                ticks += 1;
                assert!(!hop.is_finished());
            }
            go_on.send(ticks).unwrap();
            hop.await.unwrap().unwrap()
        })
    });
    assert_eq!(turns, Ok(20));
}

#[test]
fn s29_s07_nothing_happens_before_a_hop_is_polled() {
    let pool = pool_of(1);
    let hop = pool.enter(async { unreachable!("it is not polled") });
    assert_eq!(pool.threads(), 0);
    drop::<arborio::blocking::EnterExecutor<_>>(hop);
    assert_eq!(pool.threads(), 0);
}

#[test]
fn s29_sockets_sleeps_and_primitives_work_inside() {
    without_hanging(|| {
        run(async {
            let gate = Gate::default();
            let opens = gate.clone();
            let hop = enter_executor(async move {
                let start = Instant::now();
                sleep(ms(3)).await;
                assert!(start.elapsed() >= ms(3));
                let (one, other) = connected().await.unwrap();
                one.write_all(b"inside").await.unwrap();
                let mut word = [0; 6];
                other.read_exact(&mut word).await.unwrap();
                assert!(timeout(ms(1), pending::<()>()).await.is_err());
                gate.passed().await;
                word
            });
            let opener = spawn(async move { opens.open() });
            assert_eq!(&hop.await.unwrap(), b"inside");
            opener.await.unwrap();
        });
    });
}

#[test]
fn s29_a_socket_of_the_loop_is_used_inside_and_afterwards() {
    without_hanging(|| {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (listener, accepted) = enter_executor(async move {
                let client = spawn_blocking(move || std::net::TcpStream::connect(address));
                let (accepted, _peer) = listener.accept().await.unwrap();
                client.await.unwrap().unwrap();
                (listener, accepted)
            })
            .await
            .unwrap();
            assert_eq!(
                accepted.read(&mut [0; 8]).await.unwrap(),
                0,
                "it was closed"
            );
            let client = thread::spawn(move || std::net::TcpStream::connect(address));
            listener.accept().await.unwrap();
            client.join().unwrap().unwrap();
        });
    });
}

#[test]
fn s29_a_simulated_clock_stands_still_while_a_hop_is_out() {
    let log = Log::new();
    let lines = log.clone();
    without_hanging(move || {
        simulated().run(async {
            let awake = lines.clone();
            let sleeper = spawn(async move {
                sleep(secs(3600)).await;
                awake.add("an hour has passed");
            });
            let loop_thread = KernelThread::current();
            let before = Instant::now();
            enter_executor(async move {
                assert!(!Clock::current().is_simulated());
                loop_thread.wait_until_asleep();
                sleep(ms(2)).await; // in real time
                loop_thread.wait_until_asleep();
            })
            .await
            .unwrap();
            assert_eq!(Instant::now(), before);
            lines.add("the hop is over");
            sleeper.await.unwrap();
        });
    });
    assert_eq!(log.take(), ["the hop is over", "an hour has passed"]);
}

#[test]
fn s29_a08_a_task_that_is_spawned_inside_belongs_to_the_loop_that_awaits() {
    let log = Log::new();
    let lines = log.clone();
    without_hanging(move || {
        run(async {
            let here = thread::current().id();
            let there = enter_executor(async move {
                assert!(Handle::current().is_none() && !arborio::is_running());
                let on_the_loop = spawn(async { thread::current().id() }).await.unwrap();
                let named = arborio::task().name("named");
                let waited = named
                    .spawn(async { thread::current().id() })
                    .wait()
                    .unwrap();
                let nested = async { spawn(async { thread::current().id() }).await.unwrap() };
                let nested = enter_executor(nested).await.unwrap();
                drop(spawn(async move {
                    sleep(ms(2)).await;
                    lines.add("run waits for it");
                }));
                [on_the_loop, waited, nested]
            });
            assert_eq!(there.await.unwrap(), [here; 3]);
        });
    });
    assert_eq!(log.take(), ["run waits for it"]);
}

#[test]
fn s29_a08_a_thread_that_has_worked_for_a_hop_has_no_loop_afterwards() {
    let name = "hops::s29_a08_a_thread_that_has_worked_for_a_hop_has_no_loop_afterwards";
    // In a process where nobody makes a default loop.
    in_own_process(name, || {
        let pool = pool_of(1);
        let finds_a_loop = || arborio::try_spawn(async {}).is_ok();
        let inside = run(pool.enter(async move { finds_a_loop() }));
        assert!(inside.unwrap());
        assert!(!pool.spawn(finds_a_loop).wait().unwrap());
        let on_no_loop = pool.enter(async move { finds_a_loop() });
        assert!(!futures_lite::future::block_on(on_no_loop).unwrap());
    });
}

task_local! {
    static USER: &'static str;
}

#[test]
fn s29_h07_a_task_local_goes_along_if_it_is_taken_along() {
    run(USER.scope("ada", async {
        let inside = enter_executor(async { USER.try_with(|user| *user) });
        assert!(inside.await.unwrap().is_err());
        let taken = enter_executor(USER.scope(USER.get(), async {
            yield_now().await;
            USER.get()
        }));
        assert_eq!(taken.await.unwrap(), "ada");
        assert_eq!(USER.get(), "ada");
    }));
}

#[test]
fn t16_s29_the_current_scope_is_the_same_after_a_hop_and_none_inside() {
    let ended = without_hanging(|| {
        run(scope(async |s: &Scope<Interrupt>| {
            let child = s.spawn(async {
                let before = AnyScope::current();
                assert!(before.is_some());
                let inside = enter_executor(async {
                    assert_eq!(AnyScope::current(), None);
                    yield_now().await;
                    AnyScope::current()
                });
                assert_eq!(inside.await?, None);
                assert_eq!(AnyScope::current(), before);
                Ok(())
            });
            child.await?;
            enter_executor(async {}).await?;
            assert_eq!(AnyScope::current(), Some(s.erase()));
            Ok("ended")
        }))
    });
    assert_eq!(ended.unwrap(), "ended");
}

#[test]
fn t16_t17_s29_a_scope_inside_polls_its_tasks_on_that_thread() {
    let ids = without_hanging(|| {
        run(async {
            enter_executor(async {
                let here = thread::current().id();
                let ended = scope(async |s: &Scope<Interrupt>| {
                    let theirs = s.erase();
                    let child = s.spawn(async move {
                        sleep(ms(1)).await;
                        assert_eq!(AnyScope::current(), Some(theirs));
                        Ok(thread::current().id())
                    });
                    child.await
                });
                (here, ended.await.unwrap())
            })
            .await
            .unwrap()
        })
    });
    assert_eq!(ids.0, ids.1);
}

#[test]
fn s29_deadlines_outside_are_not_known_inside() {
    run(async {
        let look = timeout(FOR_EVER, async {
            assert!(current_effective_deadline().is_some());
            enter_executor(async {
                let own = timeout(ms(1), async { current_effective_deadline() });
                (current_effective_deadline(), own.await.unwrap())
            })
            .await
        });
        let (outside, own) = look.await.unwrap().unwrap();
        assert!(outside.is_none() && own.is_some());
    });
}

/// Runs a program under tokio, smol and alone.
fn everywhere<F: Future<Output = ()> + Send + 'static>(program: impl Fn() -> F) {
    let tokio = tokio::runtime::Builder::new_multi_thread();
    let tokio = { tokio }.worker_threads(2).build().unwrap();
    tokio.block_on(tokio.spawn(program())).unwrap();
    smol::block_on(smol::spawn(program()));
    futures_lite::future::block_on(program());
}

#[test]
fn t17_s29_hops_and_requests_to_them_work_under_every_executor() {
    everywhere(|| async {
        assert_eq!(enter_executor(async { 5 }).await.unwrap(), 5);
        let log = Log::new();
        let inside = log.clone();
        let (started, running) = channel();
        let mut asked = enter_executor(async move {
            started.send(()).unwrap();
            assert!(catch_cancel(pending::<()>()).await.is_err());
            inside.add(1);
        });
        assert!(poll_once(&mut asked).is_pending());
        running.recv().unwrap();
        let outside = log.clone();
        let asked = finally(asked, move || async move { outside.add(2) });
        let ended = move_on_after(ms(1), asked).await;
        assert!(ended.is_none_or(|value| value.is_ok()));
        assert_eq!(log.take(), [1, 2]);
    });
}

#[test]
fn s29_tasks_of_a_pool_of_workers_hop_and_come_back() {
    let all = without_hanging(|| {
        Pool::builder().workers(2).run(async {
            let hops = (0..20).map(|number| {
                spawn(async move {
                    let there = enter_executor(async move {
                        let spawned = spawn(async move { number });
                        (spawned.await.unwrap(), thread::current().id())
                    });
                    let (number, id) = there.await.unwrap();
                    assert_ne!(id, thread::current().id());
                    number
                })
            });
            let mut all = Vec::new();
            for hop in hops.collect::<Vec<_>>() {
                all.push(hop.await.unwrap());
            }
            all
        })
    });
    assert_eq!(all, (0..20).collect::<Vec<_>>());
}

#[test]
fn s29_a_hundred_hops_share_the_threads_that_are_allowed() {
    let most = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&most);
    let (sum, threads) = without_hanging(move || {
        let pool = pool_of(4);
        let at_work = Arc::new(AtomicUsize::new(0));
        let sum = run(async {
            let hops = (0..100).map(|number| {
                let (at_work, most) = (Arc::clone(&at_work), Arc::clone(&most));
                let hop = pool.enter(async move {
                    let now = at_work.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    thread::yield_now();
                    at_work.fetch_sub(1, Ordering::SeqCst);
                    number
                });
                spawn(hop)
            });
            let mut sum = 0;
            for hop in hops.collect::<Vec<_>>() {
                sum += hop.await.unwrap().unwrap();
            }
            sum
        });
        (sum, pool.threads())
    });
    assert_eq!(sum, 4950);
    assert!(threads <= 4, "{threads}");
    assert!(seen.load(Ordering::SeqCst) <= 4);
}

#[test]
fn x27_s29_a_hop_inside_of_a_hop_does_not_use_up_a_pool_of_one_thread() {
    without_hanging(|| {
        let pool = Arc::new(pool_of(1));
        let (second, third) = (Arc::clone(&pool), Arc::clone(&pool));
        let nested = pool.enter(async move {
            let inner = second.enter(async move { third.enter(async { 1 }).await.unwrap() + 1 });
            inner.await.unwrap() + 1
        });
        assert_eq!(run(nested).unwrap(), 3);
    });
}

#[test]
fn x27_s29_a_hop_that_waits_for_a_task_that_waits_for_the_pool_makes_room() {
    without_hanging(|| {
        let pool = Arc::new(pool_of(1));
        let theirs = Arc::clone(&pool);
        let value = run(async {
            let here = Handle::current().unwrap();
            let hop = pool.enter(async move {
                let task = here.spawn(async move { theirs.spawn(|| 5).await.unwrap() });
                task.await.unwrap()
            });
            hop.await.unwrap()
        });
        assert_eq!(value, 5);
    });
}

#[test]
fn x27_s29_hops_that_wait_for_each_other_all_have_a_thread() {
    without_hanging(|| {
        let pool = pool_of(1);
        run(async {
            let gate = Gate::default();
            let waiting = (0..10).map(|_| {
                spawn(pool.enter({
                    let gate = gate.clone();
                    async move { gate.passed().await }
                }))
            });
            let waiting: Vec<_> = waiting.collect();
            let opener = spawn(pool.enter(async move { gate.open() }));
            for hop in waiting.into_iter().chain([opener]) {
                hop.await.unwrap().unwrap();
            }
        });
    });
}

#[cfg(panic = "unwind")]
#[test]
fn x25_s29_a_panic_inside_goes_on_in_who_awaits_and_the_thread_lives() {
    without_hanging(|| {
        let pool = pool_of(1);
        run(async {
            let before = pool.enter(async { thread::current().id() }).await.unwrap();
            let hop = pool.enter(async {
                yield_now().await;
                panic!("on a pool thread")
            });
            let task = arborio::task()
                .observed(true)
                .spawn(async { hop.await.unwrap() });
            let ended: Result<(), _> = task.await;
            let Err(Interrupt::Panicked(payload)) = ended else {
                panic!("{ended:?}")
            };
            assert_eq!(payload.message(), "on a pool thread");
            let after = pool.enter(async { thread::current().id() }).await.unwrap();
            assert_eq!((before, pool.threads()), (after, 1));
        });
    });
}

#[cfg(panic = "unwind")]
#[test]
fn s29_a_hop_that_is_polled_after_its_end_panics() {
    let message = panic_message(|| {
        run(async {
            let mut hop = enter_executor(async {});
            (&mut hop).await.unwrap();
            (&mut hop).await.unwrap();
        });
    });
    assert_eq!(message, "a hop was polled after it had ended");
}

#[test]
fn x24_s29_without_a_thread_a_hop_is_an_error_that_says_so() {
    let name = "hops::x24_s29_without_a_thread_a_hop_is_an_error_that_says_so";
    in_own_process(name, || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        let mut limit = getrlimit(Resource::As);
        // Less than the stack of a thread is left.
        limit.current = Some((kilobytes.parse::<u64>().unwrap() << 10) + (1 << 20));
        setrlimit(Resource::As, limit).unwrap();
        let outcome = run(async { enter_executor(async { 1 }).await });
        assert!(
            matches!(outcome, Err(Interrupt::NoThread(_))),
            "{outcome:?}"
        );
    });
}
