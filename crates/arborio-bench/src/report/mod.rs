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

/// One figure of one scenario, judged.
pub(crate) struct Row {
    scenario: &'static Scenario,
    figure: &'static Figure,
    arborio: Option<Spread>,
    floor: Option<Spread>,
    /// The best of everyone but the floor and Arborio.
    best_peer: Option<(&'static str, Spread)>,
    tokio: Option<Spread>,
    goal: Option<&'static Goal>,
}

impl Row {
    fn of(results: &Results, figure: &'static Figure) -> Row {
        let spread_of = |name: &str| results.contestant(name)?.spread(figure.key);
        let peers = results
            .contestants
            .iter()
            .filter(|one| one.name != ARBORIO && one.name != FLOOR)
            .filter_map(|one| Some((one.name, one.spread(figure.key)?)));
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
            best_peer: peers.min_by(better),
            tokio: spread_of("tokio"),
            goal: goals::of(results.scenario.key, figure),
        }
    }

    fn verdict(&self) -> Option<Verdict> {
        let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
        self.goal
            .map(|goal| goal.judge(median(self.arborio), median(self.floor)))
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
