//! Who runs when: every contestant once per round, round after round.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::child;
use crate::sample::Sample;
use crate::scenarios::{Entry, Rounds, Scenario};
use crate::stats::Spread;

/// All that was measured of one scenario.
pub(crate) struct Results {
    pub(crate) scenario: &'static Scenario,
    pub(crate) rounds: usize,
    pub(crate) contestants: Vec<Contestant>,
}

/// One contestant's samples, or why there are none.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<Sample>,
    pub(crate) failure: Option<String>,
}

impl Contestant {
    /// One figure over all rounds.
    pub(crate) fn spread(&self, figure: &str) -> Option<Spread> {
        let values: Vec<f64> = self
            .samples
            .iter()
            .flat_map(|sample| &sample.figures)
            .filter(|(name, _)| name == figure)
            .map(|&(_, value)| value)
            .collect();
        (!values.is_empty()).then(|| Spread::of(&values))
    }
}

impl Results {
    pub(crate) fn contestant(&self, name: &str) -> Option<&Contestant> {
        self.contestants
            .iter()
            .find(|contestant| contestant.name == name)
    }
}

fn round_count(rounds: Rounds, quick: bool) -> usize {
    match (rounds, quick) {
        (Rounds::Timed, false) => 11,
        (Rounds::Timed, true) | (Rounds::Counted, false) => 3,
        (Rounds::Counted, true) | (Rounds::OnceInFull, false) => 1,
        (Rounds::OnceInFull, true) => 0,
    }
}

/// Runs the scenarios one after the other; `only`, if not empty, names the contestants.
///
/// # Errors
/// Nothing could be measured at all.
pub(crate) fn run(
    scenarios: &[&'static Scenario],
    quick: bool,
    only: &[String],
) -> Result<Vec<Results>, String> {
    let chosen =
        |entry: &&Entry| only.is_empty() || only.iter().any(|name| name == entry.contestant);
    let children = |scenario: &Scenario| {
        round_count(scenario.rounds, quick) * scenario.entries.iter().filter(chosen).count()
    };
    let total: usize = scenarios.iter().map(|scenario| children(scenario)).sum();
    let progress = progress_bar(total as u64);
    let mut all = Vec::new();
    for &scenario in scenarios.iter().filter(|scenario| children(scenario) > 0) {
        let entries: Vec<&Entry> = scenario.entries.iter().filter(chosen).collect();
        let results = run_scenario(scenario, &entries, quick, &progress);
        all.push(results);
    }
    progress.finish_and_clear();
    if all
        .iter()
        .flat_map(|results| &results.contestants)
        .all(|one| one.samples.is_empty())
    {
        return Err("nothing was measured".to_owned());
    }
    Ok(all)
}

fn run_scenario(
    scenario: &'static Scenario,
    entries: &[&Entry],
    quick: bool,
    progress: &ProgressBar,
) -> Results {
    let rounds = round_count(scenario.rounds, quick);
    let empty = |entry: &&Entry| Contestant {
        name: entry.contestant,
        samples: Vec::with_capacity(rounds),
        failure: None,
    };
    let mut contestants: Vec<Contestant> = entries.iter().map(empty).collect();
    for round in 1..=rounds {
        for (entry, contestant) in entries.iter().zip(&mut contestants) {
            progress.inc(1);
            if contestant.failure.is_some() {
                continue;
            }
            let (key, name) = (scenario.key, entry.contestant);
            progress.set_message(format!("{key}: {name}, round {round} of {rounds}"));
            match child::measure(scenario, entry, quick, round) {
                Ok(sample) => contestant.samples.push(sample),
                Err(failure) => contestant.failure = Some(failure),
            }
        }
    }
    Results {
        scenario,
        rounds,
        contestants,
    }
}

/// A bar on a terminal, nothing elsewhere (indicatif hides itself).
fn progress_bar(total: u64) -> ProgressBar {
    let progress = ProgressBar::new(total);
    let style = ProgressStyle::with_template("[{elapsed_precise}] {bar:30} {pos}/{len} {msg}");
    if let Ok(style) = style {
        progress.set_style(style.progress_chars("=> "));
    }
    progress.enable_steady_tick(Duration::from_millis(500));
    progress
}
