//! The goals, as data, and when one is reached.

use crate::scenarios::Figure;

/// What Arborio's median of one figure has to be.
pub(crate) struct Goal {
    scenario: &'static str,
    figure: &'static str,
    pub(crate) limit: Limit,
}

/// How a goal is stated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Limit {
    /// At most this, or within [`FLOOR_SLACK`] of the floor measured in the same run.
    AtMost(f64),
    /// At most this many times the floor measured in the same run.
    OfFloor(f64),
}

/// A median this close to the floor of the same run counts as reached, whatever the goal says: on a
/// slower machine the floor itself may lie above the goal.
const FLOOR_SLACK: f64 = 1.10;

/// As many system calls as the floor. How many sockets are ready when a loop looks varies by chance; one
/// call more per request would be a half more.
const SAME: f64 = 1.05;

const fn at_most(scenario: &'static str, figure: &'static str, limit: f64) -> Goal {
    Goal {
        scenario,
        figure,
        limit: Limit::AtMost(limit),
    }
}

const fn of_floor(scenario: &'static str, figure: &'static str, ratio: f64) -> Goal {
    Goal {
        scenario,
        figure,
        limit: Limit::OfFloor(ratio),
    }
}

const GOALS: &[Goal] = &[
    at_most("spawn-join", "ns", 20.0),
    at_most("spawn-one", "ns", 30.0),
    at_most("yield-1", "ns", 6.0),
    at_most("yield-1000", "ns", 5.0),
    at_most("ring-1000", "ns", 32.0),
    at_most("scope-10", "ns", 45.0),
    at_most("scope-1000", "ns", 45.0),
    // What joining a vector costs with futures-concurrency on the same machine.
    at_most("concurrent-10", "ns", 28.0),
    at_most("concurrent-1000", "ns", 33.0),
    at_most("pingpong-local", "ns", 40.0),
    at_most("pingpong-send", "ns", 130.0),
    at_most("mpsc-bounded-local", "ns", 12.0),
    at_most("mpsc-bounded-send", "ns", 18.0),
    at_most("mpsc-unbounded-local", "ns", 6.0),
    at_most("mpsc-unbounded-send", "ns", 16.0),
    at_most("mutex-free-local", "ns", 4.0),
    at_most("mutex-free-send", "ns", 13.0),
    at_most("mutex-100-local", "ns", 40.0),
    at_most("mutex-100-send", "ns", 120.0),
    at_most("semaphore-free-local", "ns", 4.0),
    at_most("semaphore-free-send", "ns", 16.0),
    at_most("event-1000-local", "ns", 20.0),
    at_most("event-1000-send", "ns", 60.0),
    at_most("timeout-ready", "ns", 6.0),
    at_most("timeout-yield", "ns", 50.0),
    at_most("sleeps-100k", "cpu_ns", 500.0),
    at_most("sleeps-10k", "p50_us", 30.0),
    at_most("sleeps-10k", "p99_us", 300.0),
    at_most("sleeps-10k", "cpu_ns", 800.0),
    at_most("lone-sleep", "p50_us", 30.0),
    at_most("sleep-size", "bytes", 88.0),
    at_most("idle-task", "bytes", 128.0),
    at_most("idle-10m", "growth", 1.05),
    at_most("idle-10m", "peak", 1.05),
    at_most("start-stop", "time_us", 5.0),
    at_most("pool-spawn-join", "ns", 50.0),
    at_most("pool-spawn-one", "ns", 65.0),
    at_most("pool-yield-1", "ns", 20.0),
    at_most("pool-yield-1000", "ns", 10.0),
    at_most("pool-ring-1000", "ns", 50.0),
    at_most("pool-pingpong", "ns", 120.0),
    at_most("pool-mpsc", "ns", 33.0),
    at_most("pool-mutex-100", "ns", 200.0),
    at_most("pool-fork-join", "ns", 80.0),
    at_most("pool-scope-1000", "ns", 80.0),
    at_most("pool-blocked", "worst_ms", 7.0),
    at_most("pool-start-stop", "time_us", 80.0),
    at_most("spawn-blocking", "p50_us", 16.0),
    at_most("spawn-blocking", "job_ns", 1500.0),
    of_floor("echo-1x64", "cpu_us", 1.05),
    of_floor("echo-1x64", "syscalls", SAME),
    of_floor("echo-50x64", "cpu_us", 1.05),
    of_floor("echo-50x64", "syscalls", SAME),
    of_floor("echo-1000x64", "cpu_us", 1.05),
    of_floor("echo-1000x64", "syscalls", SAME),
    of_floor("echo-1000x64", "p99_us", 1.10),
    of_floor("echo-50x4k", "cpu_us", 1.05),
    of_floor("echo-50x4k", "syscalls", SAME),
    of_floor("echo-1000x4k", "cpu_us", 1.05),
    of_floor("echo-1000x4k", "syscalls", SAME),
    of_floor("echo-1000x4k", "p99_us", 1.10),
    at_most("echo-idle", "bytes", 450.0),
];

/// The goal of a figure, if it has one.
pub(crate) fn of(scenario: &str, figure: &Figure) -> Option<&'static Goal> {
    GOALS
        .iter()
        .find(|goal| goal.scenario == scenario && goal.figure == figure.key)
}

/// Whether a goal is reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The median is at or below the stated figure.
    Reached,
    /// It is above the figure, and within 10 % of the floor.
    ReachedAtFloor,
    /// Above both, by this factor over what would have been enough.
    Missed(f64),
    /// Arborio, or the floor that the goal is relative to, was not measured.
    Open,
}

impl Goal {
    /// Judges medians of one run.
    pub(crate) fn judge(&self, arborio: Option<f64>, floor: Option<f64>) -> Verdict {
        let Some(arborio) = arborio else {
            return Verdict::Open;
        };
        match (self.limit, floor) {
            (Limit::AtMost(limit), _) if arborio <= limit => Verdict::Reached,
            (Limit::AtMost(limit), floor) => {
                let near_floor = floor.unwrap_or(0.0) * FLOOR_SLACK;
                if arborio <= near_floor {
                    Verdict::ReachedAtFloor
                } else {
                    Verdict::Missed(arborio / limit.max(near_floor))
                }
            }
            (Limit::OfFloor(ratio), Some(floor)) if arborio <= floor * ratio => Verdict::Reached,
            (Limit::OfFloor(ratio), Some(floor)) => Verdict::Missed(arborio / (floor * ratio)),
            (Limit::OfFloor(_), None) => Verdict::Open,
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Limit::AtMost(limit) => write!(f, "{limit}"),
            Limit::OfFloor(ratio) => write!(f, "{ratio:.2} floor"),
        }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Verdict::Reached => f.write_str("reached"),
            Verdict::ReachedAtFloor => f.write_str("reached (at the floor)"),
            Verdict::Missed(factor) => write!(f, "MISSED by {:.1} %", (factor - 1.0) * 100.0),
            Verdict::Open => f.write_str("open"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::ALL;

    #[test]
    fn every_goal_names_a_figure_that_is_measured() {
        for goal in GOALS {
            let found = ALL
                .iter()
                .filter(|scenario| scenario.key == goal.scenario)
                .any(|scenario| {
                    scenario
                        .figures
                        .iter()
                        .any(|figure| figure.key == goal.figure)
                });
            assert!(found, "{} {}", goal.scenario, goal.figure);
        }
    }

    #[test]
    fn a_goal_is_reached_at_its_figure_or_within_a_tenth_of_the_floor() {
        let goal = at_most("spawn-join", "ns", 20.0);
        assert_eq!(goal.judge(Some(20.0), Some(10.0)), Verdict::Reached);
        assert_eq!(goal.judge(Some(32.0), Some(30.0)), Verdict::ReachedAtFloor);
        assert_eq!(goal.judge(Some(30.0), Some(10.0)), Verdict::Missed(1.5));
        assert_eq!(goal.judge(Some(30.0), None), Verdict::Missed(1.5));
        assert_eq!(goal.judge(None, Some(10.0)), Verdict::Open);
    }

    #[test]
    fn a_ratio_to_the_floor_needs_the_floor() {
        let goal = of_floor("echo-50x64", "cpu_us", 1.05);
        assert_eq!(goal.judge(Some(4.2), Some(4.0)), Verdict::Reached);
        assert_eq!(goal.judge(Some(4.3), None), Verdict::Open);
        assert!(matches!(
            goal.judge(Some(4.3), Some(4.0)),
            Verdict::Missed(_)
        ));
    }
}
