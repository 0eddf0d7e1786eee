//! The table on standard output.

use super::{Row, short};
use crate::stats::Spread;

const HEAD: [&str; 10] = [
    "scenario",
    "figure",
    "arborio",
    "floor",
    "×floor",
    "best peer",
    "×peer",
    "tokio",
    "goal",
    "",
];

/// Rows as aligned text; a figure stands with its spread (half the interquartile range) in percent.
pub(super) fn of(rows: &[Row]) -> String {
    let mut lines = vec![HEAD.map(str::to_owned)];
    lines.extend(rows.iter().map(cells));
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            lines
                .iter()
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in lines {
        for ((column, cell), &width) in line.iter().enumerate().zip(&widths) {
            // Names to the left, figures to the right.
            let padding = " ".repeat(width - cell.chars().count());
            let left = column < 2 || column == HEAD.len() - 1;
            text += &if left {
                format!("{cell}{padding}  ")
            } else {
                format!("{padding}{cell}  ")
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// One row as text, column by column as in [`HEAD`].
pub(super) fn cells(row: &Row) -> [String; 10] {
    let ratio = |ratio: Option<f64>| ratio.map_or_else(absent, |ratio| format!("{ratio:.2}"));
    let peer = row.best_peer.map_or_else(absent, |(name, spread)| {
        format!("{name} {}", with_spread(spread))
    });
    [
        row.scenario.key.to_owned(),
        row.figure.label(),
        row.arborio.map_or_else(absent, with_spread),
        row.floor.map_or_else(absent, with_spread),
        ratio(row.ratio_to(row.floor)),
        peer,
        ratio(row.ratio_to(row.best_peer.map(|(_, spread)| spread))),
        row.tokio.map_or_else(absent, with_spread),
        row.goal.map_or_else(absent, |goal| goal.limit.to_string()),
        remark(row),
    ]
}

/// Whether the goal is reached, and whether an epoll peer is ahead.
fn remark(row: &Row) -> String {
    let verdict = row.verdict().map(|verdict| verdict.to_string());
    let behind = row.behind().map(|name| format!("behind {name}"));
    [verdict, behind]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

/// The columns' names.
pub(super) fn head() -> [&'static str; 10] {
    HEAD
}

pub(super) fn with_spread(spread: Spread) -> String {
    format!("{} ±{:.0}%", short(spread.median), spread.percent())
}

fn absent() -> String {
    "–".to_owned()
}
