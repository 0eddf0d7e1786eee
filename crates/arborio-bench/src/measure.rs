//! The meter of scenarios that only compute: CPU time per operation, in calibrated chunks.
//!
//! In these scenarios a contestant never waits, so its CPU time is its wall time on an idle machine.
//! CPU time is reported because it does not count what a neighbour on the same core took; the wall
//! time is kept beside it, and a run in which the two differ by much is marked as disturbed.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::sample::Sample;
use crate::stats;

/// A chunk must last this long for the two clock readings around it (about 0.3 µs) not to matter.
const SHORTEST_CHUNK: Duration = Duration::from_micros(500);

/// Fewer chunks give no median worth the name.
const FEWEST_CHUNKS: usize = 5;

/// How much work one child process does; the parent decides, the child obeys.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// Who is measured.
    pub(crate) contestant: &'static str,
    /// Whether the run was started with `--quick`.
    pub(crate) quick: bool,
    /// Whether this is the contestant's first round: what is counted need not be counted again.
    pub(crate) first_round: bool,
}

impl Effort {
    fn warm_up(self) -> Duration {
        Duration::from_millis(if self.quick { 5 } else { 15 })
    }

    /// How long an echo server is warmed up.
    pub(crate) fn echo_warm_up(self) -> Duration {
        Duration::from_millis(if self.quick { 50 } else { 150 })
    }

    /// How long an echo server is measured.
    pub(crate) fn echo_window(self) -> Duration {
        Duration::from_millis(if self.quick { 200 } else { 600 })
    }

    fn window(self) -> Duration {
        Duration::from_millis(if self.quick { 25 } else { 60 })
    }
}

/// CPU time used by this process so far.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Repeats a unit of work in chunks and remembers what each chunk cost.
///
/// `while let Some(units) = meter.next() { /* do that many units */ }`
pub(crate) struct Meter {
    effort: Effort,
    /// Operations in one unit: results are per operation.
    per_unit: u64,
    /// Units in the chunk at hand; doubled until a chunk is long enough.
    units: u64,
    began: Instant,
    chunk: Option<(Duration, Instant)>,
    /// When warm-up ended, and with it the discarding of chunks.
    warm_since: Option<Instant>,
    cpu_ns: Vec<f64>,
    wall_ns: Vec<f64>,
    cpu_total: Duration,
    wall_total: Duration,
}

impl Meter {
    /// A meter for units of `per_unit` operations each.
    pub(crate) fn new(effort: Effort, per_unit: u64) -> Meter {
        Meter {
            effort,
            per_unit,
            units: 1,
            began: Instant::now(),
            chunk: None,
            warm_since: None,
            cpu_ns: Vec::with_capacity(1024),
            wall_ns: Vec::with_capacity(1024),
            cpu_total: Duration::ZERO,
            wall_total: Duration::ZERO,
        }
    }

    /// Ends the chunk at hand and opens the next: how many units to do, or `None` at the end.
    pub(crate) fn next(&mut self) -> Option<u64> {
        if let Some((cpu_before, wall_before)) = self.chunk.take() {
            let cpu = cpu_time() - cpu_before;
            self.close_chunk(cpu, wall_before.elapsed());
        }
        let over = self
            .warm_since
            .is_some_and(|since| since.elapsed() >= self.effort.window());
        if over && self.cpu_ns.len() >= FEWEST_CHUNKS {
            return None;
        }
        self.chunk = Some((cpu_time(), Instant::now()));
        Some(self.units)
    }

    fn close_chunk(&mut self, cpu: Duration, wall: Duration) {
        if cpu < SHORTEST_CHUNK && self.warm_since.is_none() {
            self.units *= 2;
        } else if self.warm_since.is_none() {
            if self.began.elapsed() >= self.effort.warm_up() {
                self.warm_since = Some(Instant::now());
            }
        } else {
            let operations = (self.units * self.per_unit) as f64;
            self.cpu_ns.push(cpu.as_nanos() as f64 / operations);
            self.wall_ns.push(wall.as_nanos() as f64 / operations);
            self.cpu_total += cpu;
            self.wall_total += wall;
        }
    }

    /// The median nanoseconds of CPU time per operation.
    pub(crate) fn median_ns(&self) -> f64 {
        stats::median(&self.cpu_ns)
    }

    /// The median nanoseconds per operation by the wall clock.
    pub(crate) fn median_wall_ns(&self) -> f64 {
        stats::median(&self.wall_ns)
    }

    /// The sample `ns`, and how much longer than its CPU time the work took by the wall clock.
    pub(crate) fn sample(self) -> Sample {
        let disturbance = self.wall_total.as_secs_f64() / self.cpu_total.as_secs_f64();
        Sample::of("ns", self.median_ns()).and("_wall_over_cpu", disturbance)
    }
}
