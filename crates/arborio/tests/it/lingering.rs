//! What the observer is told: after `main`'s end, and when nobody looks at a
//! panic.

use std::future::pending;

use arborio::{
    EventLoop, RunError,
    options::{Leftover, OnUnobservedPanic, Report},
    spawn, task,
    time::{Duration, clock, sleep},
    yield_now,
};

use crate::support::{Log, in_own_process, ms, secs, simulated};

/// An observer that notes the reports and the times at which they came.
fn noting(log: &Log<(Duration, String)>) -> impl Fn(&Report<'_>) + 'static {
    let log = log.clone();
    move |report| log.add((clock(), report.to_string()))
}

#[test]
fn d7_the_observer_is_told_once_what_the_loop_waits_for_after_linger() {
    let log = Log::new();
    simulated().observer(noting(&log)).run(async {
        sleep(secs(1)).await;
        drop(task().name("slow").spawn(sleep(secs(60))));
        drop(task().name("quick").spawn(sleep(secs(2))));
        let ticker = task().name("ticker").awaited(false);
        drop(ticker.spawn(pending::<()>()));
    });
    let reports = log.take();
    let [(at, text)] = &reports[..] else {
        panic!("{reports:?}")
    };
    assert_eq!(*at, secs(6), "5 s after the end of main");
    assert!(text.contains("waits for 1 task"), "{text}");
    assert!(text.contains("slow") && text.contains(file!()), "{text}");
    assert!(
        !text.contains("quick") && !text.contains("ticker"),
        "{text}"
    );
}

#[test]
fn d7_nothing_is_reported_if_everything_ends_in_time() {
    let log = Log::new();
    simulated().observer(noting(&log)).run(async {
        drop(spawn(sleep(secs(4))));
        sleep(secs(100)).await;
        drop(spawn(sleep(secs(4))));
    });
    assert_eq!(log.len(), 0);
}

#[test]
fn d7_a_watch_for_lingering_tasks_does_not_make_the_loop_last_longer() {
    let clock_of = arborio::time::Clock::simulated();
    let start = clock_of.now();
    let builder = EventLoop::builder().clock(clock_of.clone());
    builder.run(async { drop(spawn(sleep(secs(1)))) });
    assert_eq!(clock_of.now() - start, secs(1));
}

#[test]
fn d7_linger_is_an_option_and_may_be_never() {
    for (linger, expected) in [
        (ms(100), 1),
        (secs(59), 1),
        (secs(61), 0),
        (Duration::MAX, 0),
    ] {
        let log = Log::new();
        let builder = simulated().linger(linger).observer(noting(&log));
        builder.run(async { drop(spawn(sleep(secs(60)))) });
        assert_eq!(log.len(), expected, "{linger:?}");
    }
}

#[test]
fn d7_leftovers_that_are_cancelled_do_not_linger() {
    let log = Log::new();
    let builder = simulated().linger(ms(0)).leftover(Leftover::Cancel);
    builder
        .observer(noting(&log))
        .run(async { drop(spawn(sleep(secs(60)))) });
    assert_eq!(log.len(), 0);
}

#[test]
fn d7_a_loop_may_linger_first_and_stall_then() {
    let log = Log::new();
    let end = simulated()
        .observer(noting(&log))
        .try_run(async { drop(task().name("stuck").spawn(pending::<()>())) });
    let Err(RunError::Stalled(tree)) = end else {
        panic!("{end:?}")
    };
    let names: Vec<_> = tree.tasks().map(|task| task.name.as_deref()).collect();
    assert_eq!(names, [Some("stuck")]);
    assert_eq!(log.len(), 1, "the lingering was reported before");
}

#[cfg(panic = "unwind")]
#[test]
fn g13_the_observer_is_told_of_a_panic_and_the_other_tasks_go_on() {
    let log = Log::new();
    let output = simulated()
        .on_unobserved_panic(OnUnobservedPanic::Report)
        .observer(noting(&log))
        .run(async {
            drop(spawn(async {
                sleep(secs(1)).await;
                panic!("nobody looks");
            }));
            let sibling = spawn(async {
                sleep(secs(2)).await;
                "went on"
            });
            sibling.await.unwrap()
        });
    assert_eq!(output, "went on");
    let [(at, line)] = &log.take()[..] else {
        panic!("one report")
    };
    assert_eq!(*at, secs(1));
    assert!(
        line.starts_with("a task panicked: nobody looks (task "),
        "{line}"
    );
}

#[cfg(panic = "unwind")]
#[test]
fn g13_the_panic_of_an_observer_is_contained() {
    let output = simulated()
        .on_unobserved_panic(OnUnobservedPanic::Report)
        .observer(|_| panic!("the observer itself"))
        .linger(ms(1))
        .run(async {
            drop(spawn(async { panic!("a task") }));
            yield_now().await;
            drop(spawn(sleep(secs(1))));
            "main went on"
        });
    assert_eq!(output, "main went on");
}

#[cfg(panic = "unwind")]
#[test]
fn g13_the_default_observer_writes_the_name_of_the_loop_to_standard_error() {
    let name = "lingering::g13_the_default_observer_writes_the_name_of_the_loop_to_standard_error";
    let output = in_own_process(name, || {
        simulated()
            .name("courier")
            .on_unobserved_panic(OnUnobservedPanic::Report)
            .run(async { drop(spawn(async { panic!("lost a letter") })) });
        simulated().run(async { drop(task().name("slow").spawn(sleep(secs(60)))) });
    });
    let Some(output) = output else { return };
    let written = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = written.lines().collect();
    let line = "arborio: loop `courier`: a task panicked: lost a letter (task ";
    assert!(
        lines.iter().any(|found| found.starts_with(line)),
        "{written}"
    );
    let lingering = "arborio: main has ended; the loop waits for 1 task";
    assert!(written.contains(lingering), "{written}");
}
