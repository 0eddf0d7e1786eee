//! Scopes that are deep, wide, or long. The times are those that the thread has run, in a
//! release build.

use std::{future::pending, pin::Pin, thread, time::Duration};

use arborio::{Scope, run, scope, time::sleep, yield_now};
use rustix::time::{ClockId, clock_gettime};

use crate::scopes::{Code, millis};

/// A debug build may take longer, and so may a machine whose memory others use, too.
fn within(limit: Duration) -> Duration {
    limit * if cfg!(debug_assertions) { 100 } else { 2 }
}

/// How long this thread has run. While others have the processor, that stands still.
fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).expect("not before the beginning")
}

fn on_a_small_stack(code: impl FnOnce() + Send + 'static) {
    let small = thread::Builder::new().stack_size(1024 * 1024);
    small.spawn(code).unwrap().join().unwrap();
}

/// A debug build takes a tenth, so that the grace is not over meanwhile.
const DEPTH: u32 = if cfg!(debug_assertions) {
    10_000
} else {
    100_000
};

/// A scope in a task of a scope in a task...
fn nest(depth: u32) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        let ended = scope(async |s: &Scope<Code>| {
            if depth > 0 {
                s.spawn(nest(depth - 1));
            }
            pending::<Result<(), Code>>().await
        });
        let _ = ended.await;
    })
}

fn report(what: &str, taken: Duration) {
    eprintln!("{what}: {taken:?}");
}

#[test]
fn c01_deeply_nested_scopes_are_cancelled_on_a_small_stack() {
    on_a_small_stack(|| {
        run(async {
            let mut since = None;
            let ended = scope(async |s: &Scope<Code>| {
                s.spawn(nest(DEPTH));
                for _ in 0..DEPTH + 10 {
                    yield_now().await;
                }
                since = Some(own_time());
                s.cancel();
                pending::<Result<(), Code>>().await
            });
            assert_eq!(ended.await, Err(Code(255)));
            let taken = own_time() - since.unwrap();
            report("cancel of the nested scopes", taken);
            assert!(taken < within(millis(50)), "{taken:?}");
        });
    });
}

#[test]
fn c01_deeply_nested_scopes_are_dropped_on_a_small_stack() {
    on_a_small_stack(|| {
        run(async {
            let ended = scope(async |s: &Scope<Code>| {
                let child = s.spawn(nest(DEPTH));
                for _ in 0..DEPTH + 10 {
                    yield_now().await;
                }
                child.abort();
                Ok(())
            });
            assert_eq!(ended.await, Ok(()));
        });
    });
    on_a_small_stack(|| {
        let main = async {
            drop(arborio::task().awaited(false).spawn_local(nest(DEPTH)));
            for _ in 0..DEPTH + 10 {
                yield_now().await;
            }
        };
        run(main); // the loop ends with all of them open
    });
}

#[test]
fn very_many_tasks_of_one_scope_are_cancelled() {
    run(async {
        let mut since = None;
        let ended = scope(async |s: &Scope<Code>| {
            for _ in 0..DEPTH * 10 {
                s.spawn(pending::<()>());
            }
            yield_now().await;
            since = Some(own_time());
            s.cancel();
            pending::<Result<(), Code>>().await
        });
        assert_eq!(ended.await, Err(Code(255)));
        let taken = own_time() - since.unwrap();
        report("cancel of the wide scope", taken);
        assert!(taken < within(millis(100)), "{taken:?}"); // 200 are wanted
    });
}

fn resident_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[test]
fn short_tasks_of_a_long_scope_leave_nothing_behind() {
    let count = if cfg!(debug_assertions) {
        500_000
    } else {
        10_000_000
    };
    run(async {
        let ended = scope(async |s: &Scope<Code>| {
            s.task()
                .awaited(false)
                .spawn(sleep(Duration::from_secs(3600)));
            let mut before = 0;
            for number in 0..count {
                s.spawn(async {});
                if number % 100 == 0 {
                    yield_now().await;
                }
                if number == count / 10 {
                    before = resident_kilobytes();
                }
            }
            let grown = resident_kilobytes().saturating_sub(before);
            report(
                &format!("{grown} kB more after {count} tasks"),
                Duration::ZERO,
            );
            Ok(grown)
        });
        // Other tests of this process may take memory meanwhile.
        let grown = ended.await.unwrap();
        assert!(grown < 300_000, "{grown} kB");
    });
}
