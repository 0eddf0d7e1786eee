//! The written report, in Markdown.

use std::fmt::Write as _;

use super::{Row, failures, table};
use crate::goals::Verdict;
use crate::machine::Machine;
use crate::rounds::Results;
use crate::scenarios::Figure;

/// The report of one run.
pub(super) fn of(machine: &Machine, rows: &[Row], results: &[Results], quick: bool) -> String {
    let mut page = format!("# Benchmarks\n\n{}.\n\n", machine.line());
    page += METHOD;
    if quick {
        page += "This was a **quick** run: few rounds, short windows. Take it as a smoke test.\n\n";
    }
    page += &format!(
        "{}\n\n![Medians, logarithmic](report.svg)\n\n",
        summary(rows)
    );
    page += "## Arborio against the floor, the best peer and the goal\n\n";
    page += &markdown_table(
        &table::head(),
        rows.iter().map(|row| table::cells(row).to_vec()),
    );
    page += "\n## Everyone\n";
    for one in results {
        page += &everyone(one);
    }
    let absent: Vec<_> = failures(results).collect();
    if !absent.is_empty() {
        page += "\n## Absent\n\n";
        for (scenario, contestant, failure) in absent {
            // Writing to a String cannot fail.
            let _ = writeln!(page, "- {contestant} in {scenario}: {failure}");
        }
    }
    page
}

const METHOD: &str = "Each contestant runs in a process of its own, pinned to one core; the processes of all \
contestants are interleaved, round after round. A figure is the median over the rounds, followed by its spread (half \
the interquartile range). Where nothing waits, nanoseconds are CPU time. A goal is reached at or below its figure, or \
within 10 % of the floor measured in the same run; Arborio is behind a peer on epoll when its figure is more than 15 % worse. The floor is a hand-written minimum for the same work \
(`Rc` tasks, a `VecDeque`, no atomics; a raw epoll loop for sockets; for primitives of any threads (`-send`), one \
standard mutex around the same algorithm). A name such as `tokio@arborio` is a peer's primitive on Arborio's loop; \
`futures`, `futures-concurrency`, `moro`, `kanal` and `flume` have no loop, and run there.\n\n";

fn summary(rows: &[Row]) -> String {
    let verdicts: Vec<Verdict> = rows.iter().filter_map(Row::verdict).collect();
    let count = |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|one| wanted(one)).count();
    format!(
        "Goals: {} reached, {} missed, {} open.",
        count(|one| matches!(one, Verdict::Reached | Verdict::ReachedAtFloor)),
        count(|one| matches!(one, Verdict::Missed(_))),
        count(|one| matches!(one, Verdict::Open)),
    )
}

/// All contestants of one scenario, figure by figure.
fn everyone(results: &Results) -> String {
    let scenario = results.scenario;
    let mut head = vec!["contestant".to_owned()];
    head.extend(scenario.figures.iter().map(Figure::label));
    let lines = results.contestants.iter().map(|contestant| {
        let mut line = vec![contestant.name.to_owned()];
        line.extend(scenario.figures.iter().map(|figure| {
            contestant
                .spread(figure.key)
                .map_or_else(|| "–".to_owned(), table::with_spread)
        }));
        line
    });
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    format!(
        "\n### {}: {} ({} rounds)\n\n{}{}",
        scenario.key,
        scenario.what,
        results.rounds,
        markdown_table(&head, lines),
        remarks(results),
    )
}

/// What a reader must know about these figures: cores that were shared, and timers that cheated.
fn remarks(results: &Results) -> String {
    let mut text = String::new();
    let spreads = |figure: &'static str| {
        results
            .contestants
            .iter()
            .filter_map(move |one| Some((one.name, one.spread(figure)?)))
    };
    let worst = spreads("_wall_over_cpu")
        .map(|(_, ratio)| ratio.median)
        .fold(1.0, f64::max);
    if worst >= 1.1 {
        let _ = writeln!(
            text,
            "\nDisturbed: the wall clock ran up to {worst:.2} times as long as the CPU time."
        );
    }
    for (name, early) in spreads("_early").filter(|(_, early)| early.max > 0.0) {
        let _ = writeln!(
            text,
            "\n{name} ended up to {} sleeps of a round early.",
            early.max
        );
    }
    text
}

fn markdown_table(head: &[&str], lines: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for line in lines {
        let _ = writeln!(text, "| {} |", line.join(" | "));
    }
    text
}
