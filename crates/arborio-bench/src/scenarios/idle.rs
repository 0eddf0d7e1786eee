//! What a task takes that waits for ever, with a future of 32 bytes: 100,000 of them, and ten million.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::{Figure, Rounds, Scenario};
use crate::contestants::everyone;
use crate::measure::Effort;
use crate::memory;
use crate::runtime::Runtime;
use crate::sample::Sample;

const LIVE: Figure = Figure {
    key: "bytes",
    unit: "bytes",
};
/// Includes what malloc adds, and the pages that are only partly used.
const RESIDENT: Figure = Figure {
    key: "rss",
    unit: "bytes",
};

pub(super) const HUNDRED_THOUSAND: Scenario = Scenario {
    key: "idle-task",
    what: "bytes per idle task, a future of 32 bytes included",
    figures: &[LIVE, RESIDENT],
    entries: everyone!(hundred_thousand),
    rounds: Rounds::Counted,
};

pub(super) const TEN_MILLION: Scenario = Scenario {
    key: "idle-10m",
    what: "10 million idle tasks: growth against 100,000, and the peak on the way",
    figures: &[
        Figure {
            key: "growth",
            unit: "× the bytes per task of 100,000",
        },
        Figure {
            key: "peak",
            unit: "× the live bytes",
        },
        LIVE,
        RESIDENT,
        Figure {
            key: "peak_rss",
            unit: "bytes",
        },
    ],
    entries: everyone!(ten_million),
    rounds: Rounds::OnceInFull,
};

thread_local! {
    static POLLED: Cell<usize> = const { Cell::new(0) };
}

/// 32 bytes that are never ready, and that keep their waker as whoever waits for something does:
/// without a waker, a runtime that lists no tasks frees the task at once.
struct Idle {
    waker: Option<Waker>,
    _payload: [u64; 2],
}

impl Future for Idle {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.waker = Some(cx.waker().clone());
        POLLED.set(POLLED.get() + 1);
        Poll::Pending
    }
}

/// Spawns until `total` tasks are idle, a thousand at a time: a run queue that had to hold all at once
/// would be counted as memory of the tasks.
async fn fill_up_to<R: Runtime>(total: usize) {
    while POLLED.get() < total {
        let spawned = POLLED.get() + 1000;
        for _ in 0..1000 {
            R::detach(Idle {
                waker: None,
                _payload: [1; 2],
            });
        }
        while POLLED.get() < spawned {
            // Not by a yield: monoio polls a task that wakes itself before all others, for ever.
            R::spawn(async {}).await;
        }
    }
}

fn hundred_thousand<R: Runtime>(_: Effort) -> Sample {
    const FIRST: usize = 5_000;
    const TASKS: usize = 100_000;
    memory::count();
    R::run(async {
        // What the first tasks bring about (queues, free lists) is not theirs.
        fill_up_to::<R>(FIRST).await;
        let (live, resident) = (memory::live(), memory::status_bytes("VmRSS"));
        fill_up_to::<R>(FIRST + TASKS).await;
        let per_task = |bytes: f64| bytes / TASKS as f64;
        Sample::of("bytes", per_task((memory::live() - live) as f64))
            .and("rss", per_task(memory::status_bytes("VmRSS") - resident))
    })
}

fn ten_million<R: Runtime>(_: Effort) -> Sample {
    const FEW: usize = 100_000;
    const MANY: usize = 10_000_000;
    memory::count();
    R::run(async {
        let (live, resident) = (memory::live(), memory::status_bytes("VmRSS"));
        let bytes_since = || (memory::live() - live) as f64;
        fill_up_to::<R>(FEW).await;
        let of_few = bytes_since() / FEW as f64;
        fill_up_to::<R>(MANY).await;
        let of_many = bytes_since() / MANY as f64;
        let peak = (memory::peak() - live) as f64;
        let per_task = |field| (memory::status_bytes(field) - resident) / MANY as f64;
        Sample::of("growth", of_many / of_few)
            .and("peak", peak / bytes_since())
            .and("bytes", of_many)
            .and("rss", per_task("VmRSS"))
            .and("peak_rss", per_task("VmHWM"))
    })
}
