//! What is shown and written after a run: a table, JSON, a page and a plot.

mod json;
mod page;
mod plot;
mod table;

use std::fs;
use std::path::PathBuf;

use crate::contestants::{ARBORIO, FLOOR};
use crate::goals::{self, Goal, Verdict};
use crate::machine::Machine;
use crate::rounds::Results;
use crate::scenarios::{Figure, Scenario};
use crate::stats::Spread;

/// Closer than this to a peer is not behind it: the spread between runs is as large.
const NOT_BEHIND: f64 = 1.15;

/// One figure of one scenario, judged.
pub(crate) struct Row {
    scenario: &'static Scenario,
    figure: &'static Figure,
    arborio: Option<Spread>,
    floor: Option<Spread>,
    /// The best of everyone but the floor and Arborio.
    best_peer: Option<(&'static str, Spread)>,
    /// The best of those that wait by epoll, as Arborio does.
    best_epoll_peer: Option<(&'static str, Spread)>,
    /// tokio on its own loop; without drivers where it was measured only so.
    tokio: Option<Spread>,
    goal: Option<&'static Goal>,
}

impl Row {
    fn of(results: &Results, figure: &'static Figure) -> Row {
        let spread_of = |name: &str| results.contestant(name)?.spread(figure.key);
        let peers: Vec<_> = results
            .contestants
            .iter()
            .filter(|one| one.name != ARBORIO && one.name != FLOOR)
            .filter_map(|one| Some((one.name, one.spread(figure.key)?)))
            .collect();
        let better = |one: &(&str, Spread), other: &(&str, Spread)| {
            let order = one.1.median.total_cmp(&other.1.median);
            if figure.more_is_better() {
                order.reverse()
            } else {
                order
            }
        };
        Row {
            scenario: results.scenario,
            figure,
            arborio: spread_of(ARBORIO),
            floor: spread_of(FLOOR),
            best_peer: peers.iter().copied().min_by(better),
            best_epoll_peer: peers
                .iter()
                .copied()
                .filter(|(name, _)| !name.ends_with("-uring"))
                .min_by(better),
            tokio: spread_of("tokio").or_else(|| spread_of("tokio-bare")),
            goal: goals::of(results.scenario.key, figure),
        }
    }

    fn verdict(&self) -> Option<Verdict> {
        let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
        self.goal
            .map(|goal| goal.judge(median(self.arborio), median(self.floor)))
    }

    /// The epoll peer that Arborio is behind, if it is: by more than [`NOT_BEHIND`].
    fn behind(&self) -> Option<&'static str> {
        let (name, spread) = self.best_epoll_peer?;
        let ratio = self.ratio_to(Some(spread))?;
        let cost = if self.figure.more_is_better() {
            1.0 / ratio
        } else {
            ratio
        };
        (cost > NOT_BEHIND).then_some(name)
    }

    /// How many times `other` Arborio's median is.
    fn ratio_to(&self, other: Option<Spread>) -> Option<f64> {
        let (arborio, other) = (self.arborio?.median, other?.median);
        (other != 0.0).then(|| arborio / other)
    }
}

/// Every figure that anyone has a value for.
fn rows(results: &[Results]) -> Vec<Row> {
    let measured = |row: &Row| row.arborio.or(row.floor).is_some() || row.best_peer.is_some();
    results
        .iter()
        .flat_map(|one| {
            one.scenario
                .figures
                .iter()
                .map(|figure| Row::of(one, figure))
        })
        .filter(measured)
        .collect()
}

/// Three significant digits, which is more than the spread allows.
fn short(value: f64) -> String {
    match value.abs() {
        magnitude if magnitude >= 100.0 => format!("{value:.0}"),
        magnitude if magnitude >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Prints the table and writes the files.
///
/// # Errors
/// A file cannot be written; the message names it.
pub(crate) fn publish(machine: &Machine, results: &[Results], quick: bool) -> Result<(), String> {
    let rows = rows(results);
    println!("{}\n", machine.line());
    print!("{}", table::of(&rows));
    for (scenario, contestant, failure) in failures(results) {
        println!("absent: {contestant} in {scenario}: {failure}");
    }
    let directory = directory();
    fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let write = |name: &str, contents: &str| {
        let path = directory.join(name);
        fs::write(&path, contents).map_err(|error| format!("{}: {error}", path.display()))
    };
    let document = json::document(machine, results, quick);
    let by_commit = format!("{}.json", machine.commit);
    let earlier = fs::read_to_string(directory.join(&by_commit)).unwrap_or_default();
    write(&by_commit, &json::merged(&earlier, &document))?;
    write("latest.json", &json::stamped(document))?;
    write("report.svg", &plot::of(&rows, results))?;
    write("report.md", &page::of(machine, &rows, results, quick))?;
    println!(
        "\nwritten: {}/{{report.md, report.svg, latest.json, {by_commit}}}",
        directory.display()
    );
    Ok(())
}

/// Who could not be measured in what, and why.
fn failures(results: &[Results]) -> impl Iterator<Item = (&str, &str, &str)> {
    results.iter().flat_map(|one| {
        one.contestants.iter().filter_map(|contestant| {
            Some((
                one.scenario.key,
                contestant.name,
                contestant.failure.as_deref()?,
            ))
        })
    })
}

/// `bench/` in cargo's target directory.
fn directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target")),
        PathBuf::from,
    );
    let directory = target.join("bench");
    directory.canonicalize().unwrap_or(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rounds::Contestant;
    use crate::sample::Sample;
    use crate::scenarios::ALL;

    /// A row of the first scenario, in which everyone has one sample.
    fn row(medians: &[(&'static str, f64)]) -> Row {
        let contestant = |&(name, ns): &(&'static str, f64)| Contestant {
            name,
            samples: vec![Sample::of("ns", ns)],
            failure: None,
        };
        let results = Results {
            scenario: &ALL[0],
            rounds: 1,
            contestants: medians.iter().map(contestant).collect(),
        };
        Row::of(&results, &ALL[0].figures[0])
    }

    #[test]
    fn the_best_peer_is_neither_arborio_nor_the_floor() {
        let row = row(&[(ARBORIO, 2.0), (FLOOR, 1.0), ("tokio", 9.0), ("smol", 4.0)]);
        assert_eq!(row.best_peer.map(|(name, _)| name), Some("smol"));
        assert_eq!(row.ratio_to(row.floor), Some(2.0));
        assert_eq!(row.behind(), None);
    }

    #[test]
    fn arborio_is_behind_an_epoll_peer_that_is_more_than_15_percent_better() {
        assert_eq!(row(&[(ARBORIO, 11.4), ("tokio", 10.0)]).behind(), None);
        assert_eq!(
            row(&[(ARBORIO, 11.6), ("tokio", 10.0)]).behind(),
            Some("tokio")
        );
    }

    #[test]
    fn a_peer_on_io_uring_may_be_the_best_and_is_not_held_against_an_epoll_loop() {
        let row = row(&[(ARBORIO, 5.0), ("monoio-uring", 1.0), ("monoio", 5.0)]);
        assert_eq!(row.best_peer.map(|(name, _)| name), Some("monoio-uring"));
        assert_eq!(row.behind(), None);
    }
}
