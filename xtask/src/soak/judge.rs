//! From which figures on a soak has found a leak.
//!
//! The first fifth of the time is warm-up and does not count. The rest is cut into [`PARTS`] parts of equal length, of each
//! the median is taken, and a straight line is laid through the medians.
//!
//! * The heap, which the program counts itself, decides. Its line, by rounds, may rise over the whole time by
//!   [`TABLE`], and by four standard errors of its slope. So the more rounds there are, the smaller the leak that is
//!   found: of a byte in each of 5,000 rounds nothing is lost.
//! * Resident memory is what the kernel sees: stacks, what the C library allocates, and holes in the heaps of several threads, which come and go
//!   by chance. Its line, by time, may rise by [`GRAIN`], and by four standard errors.

use std::fmt;
use std::time::Duration;

use super::Sample;

/// In how many parts the time after the warm-up is cut.
const PARTS: usize = 8;

/// The fewest samples in a part.
const FEWEST: usize = 3;

/// What the heap may grow by, in bytes: tables keep the size of the most that they ever had to hold, and that may be more late in
/// the day.
const TABLE: f64 = 4096.0;

/// What resident memory may grow by, in KiB: four steps of the C library's allocator (`M_TOP_PAD`), as every thread may have
/// a heap of its own.
const GRAIN: f64 = 512.0;

/// Whether the warm-up of a soak of `time` is over.
pub(super) fn is_warm(elapsed: Duration, time: Duration) -> bool {
    elapsed >= time / 5
}

/// A figure, and how it changes with each step.
#[derive(Debug)]
struct Trend {
    /// At the end of the warm-up.
    first: f64,
    slope: f64,
    /// The standard error of the slope.
    error: f64,
}

impl Trend {
    /// The slope from which on it would be a leak, in `steps` steps that may bring `grain`.
    fn bound(&self, grain: f64, steps: f64) -> f64 {
        grain / steps + 4.0 * self.error
    }
}

/// What came of a soak in which nothing grew.
#[derive(Debug)]
pub(super) struct Verdict {
    /// By rounds.
    bytes: Trend,
    blocks: Trend,
    /// Bytes for each round from which on it would have been a leak.
    bound: f64,
    /// The same for each thing that was done.
    each: f64,
    /// In KiB, by hours.
    resident: Trend,
    resident_bound: f64,
    descriptors: usize,
    threads: usize,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, blocks, resident) = (&self.bytes, &self.blocks, &self.resident);
        writeln!(
            f,
            "heap: {:.0} bytes in {:.0} blocks, and in each round {:+.3} bytes (error {:.3}) and {:+.5} blocks (error {:.5}); \
             {:.3} bytes would be a leak, which is {:.5} for each thing done",
            bytes.first,
            blocks.first,
            bytes.slope,
            bytes.error,
            blocks.slope,
            blocks.error,
            self.bound,
            self.each
        )?;
        write!(
            f,
            "resident: {:.0} KiB, and {:+.0} KiB an hour; {:.0} would be a leak\n\
             descriptors: {}, threads: {}",
            resident.first, resident.slope, self.resident_bound, self.descriptors, self.threads
        )
    }
}

/// Whether something grew: memory by the rules above; descriptors if in the last quarter there are more at any rest than
/// at every one of the first quarter; threads, of which idle ones come and go, if there are always more.
pub(super) fn judge(samples: &[Sample]) -> Result<Verdict, String> {
    let end = samples.last().map_or(0.0, |last| last.at);
    let warm = samples.partition_point(|sample| sample.at < end / 5.0);
    let counted = &samples[warm..];
    if counted.len() < PARTS * FEWEST {
        let count = counted.len();
        return Err(format!("{count} rounds behind the warm-up are too few"));
    }
    let (descriptors, threads) = held(counted)?;
    let rounds = counted.len() as f64;
    let by_rounds = |figure: fn(&Sample) -> f64| trend(counted, |round, _| round as f64, figure);
    let bytes = by_rounds(|sample| sample.bytes as f64);
    let blocks = by_rounds(|sample| sample.blocks as f64);
    let bound = bytes.bound(TABLE, rounds);
    if bytes.slope > bound {
        return Err(format!(
            "the heap grew by {:.3} bytes and {:.5} blocks in each of {rounds} rounds; up to {bound:.3} bytes may be noise",
            bytes.slope, blocks.slope
        ));
    }
    let resident = trend(
        counted,
        |_, sample| sample.at / 3600.0,
        |sample| sample.resident,
    );
    let hours = (end - counted[0].at) / 3600.0;
    let resident_bound = resident.bound(GRAIN, hours);
    if resident.slope > resident_bound {
        return Err(format!(
            "resident memory grew by {:.0} KiB an hour; up to {resident_bound:.0} may be noise",
            resident.slope
        ));
    }
    let done = counted[counted.len() - 1].done - counted[0].done;
    Ok(Verdict {
        each: bound * rounds / done as f64,
        bytes,
        blocks,
        bound,
        resident,
        resident_bound,
        descriptors,
        threads,
    })
}

/// The most descriptors and threads of the end, if there are not more than at the beginning.
fn held(counted: &[Sample]) -> Result<(usize, usize), String> {
    let quarter = counted.len() / 4;
    let (first, last) = (&counted[..quarter], &counted[counted.len() - quarter..]);
    let most = |samples: &[Sample], figure: fn(&Sample) -> usize| samples.iter().map(figure).max();
    let least = |samples: &[Sample], figure: fn(&Sample) -> usize| samples.iter().map(figure).min();
    let descriptors = |sample: &Sample| sample.descriptors;
    let threads = |sample: &Sample| sample.threads;
    if most(last, descriptors) > most(first, descriptors) {
        return Err(grew("descriptors", first, last, descriptors));
    }
    if least(last, threads) > most(first, threads) {
        return Err(grew("threads", first, last, threads));
    }
    let all = |figure| most(last, figure).unwrap_or(0);
    Ok((all(descriptors), all(threads)))
}

fn grew(what: &str, first: &[Sample], last: &[Sample], figure: fn(&Sample) -> usize) -> String {
    let list = |samples: &[Sample]| {
        let mut figures: Vec<usize> = samples.iter().map(figure).collect();
        figures.sort();
        figures.dedup();
        figures
    };
    format!("{what} grew from {:?} to {:?}", list(first), list(last))
}

/// The line through the middle of each part: the medians of the step, and of the figure.
fn trend(
    samples: &[Sample],
    step: impl Fn(usize, &Sample) -> f64,
    figure: impl Fn(&Sample) -> f64,
) -> Trend {
    let median = |mut figures: Vec<f64>| {
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let part = |number| {
        let (from, to) = (
            samples.len() * number / PARTS,
            samples.len() * (number + 1) / PARTS,
        );
        let steps = (from..to).map(|round| step(round, &samples[round]));
        let figures = samples[from..to].iter().map(&figure);
        (median(steps.collect()), median(figures.collect()))
    };
    let points: Vec<(f64, f64)> = (0..PARTS).map(part).collect();
    let (slope, error) = line(&points);
    Trend {
        first: points[0].1,
        slope,
        error,
    }
}

/// The slope of the line of least squares through the points, and its standard error.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let both: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let slope = both / spread;
    let off = |point: &(f64, f64)| (point.1 - y - slope * (point.0 - x)).powi(2);
    let rest: f64 = points.iter().map(off).sum();
    (slope, (rest / (count - 2.0) / spread).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten minutes, a round a second, with a noise of 200 KiB resident and 400 bytes on the heap.
    fn samples(
        bytes: impl Fn(u64) -> u64,
        resident: impl Fn(usize) -> f64,
        held: impl Fn(usize) -> (usize, usize),
    ) -> Vec<Sample> {
        let sample = |second: usize| {
            let noise = (second * 7919 % 200) as u64;
            let (descriptors, threads) = held(second);
            Sample {
                at: second as f64,
                bytes: 120_000 + 2 * noise + bytes(second as u64),
                blocks: 370,
                resident: 8000.0 + noise as f64 + resident(second),
                descriptors,
                threads,
                done: second as u64 * 1000,
                work: String::new(),
            }
        };
        (0..600).map(sample).collect()
    }

    const STEADY: fn(usize) -> (usize, usize) = |_| (9, 7);

    #[test]
    fn what_goes_up_and_down_is_no_leak() {
        let verdict = judge(&samples(|_| 0, |_| 0.0, STEADY)).unwrap();
        // 4096 bytes in 480 rounds, and 512 KiB in eight minutes are 3840 in an hour; the noise adds to it.
        assert!((8.5..12.0).contains(&verdict.bound), "{verdict}");
        assert!(
            (3840.0..5500.0).contains(&verdict.resident_bound),
            "{verdict}"
        );
        // The warm-up, a table that doubles, and a step of the allocator.
        let warm_up = |second: u64| second.min(60) * 500;
        judge(&samples(
            warm_up,
            |second| second.min(60) as f64 * 50.0,
            STEADY,
        ))
        .unwrap();
        let late = |second: usize| second >= 300;
        let table = |second: u64| if late(second as usize) { 2048 } else { 0 };
        judge(&samples(
            table,
            |second| if late(second) { 132.0 } else { 0.0 },
            STEADY,
        ))
        .unwrap();
    }

    #[test]
    fn a_block_of_sixteen_bytes_in_each_round_is_a_leak() {
        for bytes in [16, 100, 10_000] {
            let why = judge(&samples(|second| second * bytes, |_| 0.0, STEADY)).unwrap_err();
            assert!(why.starts_with("the heap grew"), "{why}");
        }
        assert!(judge(&samples(|second| second / 60 * 1024, |_| 0.0, STEADY)).is_err());
    }

    #[test]
    fn resident_memory_that_grows_all_the_time_is_a_leak() {
        for memory in [2.0, 4.0, 100.0] {
            let grown = samples(|_| 0, |second| second as f64 * memory, STEADY);
            let why = judge(&grown).unwrap_err();
            assert!(why.starts_with("resident memory grew"), "{why}");
        }
    }

    #[test]
    fn descriptors_and_threads_that_stay_are_named() {
        let held = |held: fn(usize) -> (usize, usize)| judge(&samples(|_| 0, |_| 0.0, held));
        let why = held(|second| (9 + second / 590, 7)).unwrap_err();
        assert_eq!(why, "descriptors grew from [9] to [9, 10]");
        let why = held(|second| (9, 7 + second / 250)).unwrap_err();
        assert_eq!(why, "threads grew from [7] to [8, 9]");
        held(|second| (9, 7 + second % 3)).unwrap();
    }

    #[test]
    fn a_soak_that_is_too_short_says_so() {
        let few = &samples(|_| 0, |_| 0.0, STEADY)[..25];
        assert!(judge(few).unwrap_err().contains("too few"));
    }
}
