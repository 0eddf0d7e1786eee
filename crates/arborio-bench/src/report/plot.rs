//! The plot: one line per scenario, one mark per contestant, on a logarithmic axis of medians
//! relative to the floor.

use std::fmt::Write as _;

use super::{Row, short};
use crate::contestants::{ARBORIO, FLOOR};
use crate::rounds::Results;

const LEFT: f64 = 190.0;
const WIDTH: f64 = 720.0;
const RIGHT: f64 = 40.0;
const TOP: f64 = 100.0;
/// Names of contestants in one line of the legend.
const LEGEND_LINE: usize = 8;
const LINE: f64 = 26.0;
/// The axis ends here at the latest; what lies further right is drawn at its end with its ratio.
const LARGEST_RATIO: f64 = 300.0;
/// And begins here: better than the floor is possible (io_uring, a ratio of noise).
const SMALLEST_RATIO: f64 = 0.3;

/// Names and colours, Arborio and the floor first; told apart by shade as well as by hue.
const COLOURS: &[(&str, &str)] = &[
    (ARBORIO, "#0b7a3b"),
    (FLOOR, "#000000"),
    ("tokio", "#d1495b"),
    ("tokio-bare", "#f0a3ad"),
    ("smol", "#2e6fb7"),
    ("monoio", "#8a5a00"),
    ("monoio-uring", "#d9a520"),
    ("compio", "#6a3fa0"),
    ("compio-uring", "#b79be0"),
    ("tokio@arborio", "#f6c9cf"),
    ("smol@arborio", "#9cc3ea"),
    ("monoio@arborio", "#ecd9a8"),
    ("futures", "#00a3a3"),
    ("kanal", "#ff7f0e"),
    ("flume", "#7f7f7f"),
    ("moro", "#c2185b"),
    ("futures-join", "#a0522d"),
    ("arborio-local", "#5b8c5a"),
    ("futures-concurrency", "#7fd6c2"),
];

/// The SVG.
pub(super) fn of(rows: &[Row], results: &[Results]) -> String {
    let lines: Vec<&Row> = rows.iter().filter(|row| is_drawn(row)).collect();
    let height = TOP + LINE * (lines.len() as f64 + 1.5);
    let total = LEFT + WIDTH + RIGHT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {total} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"10\" y=\"20\" font-size=\"14\">Median relative to the floor, logarithmic; further left is better</text>\n"
    );
    legend(&mut svg);
    axis(&mut svg, TOP + LINE * lines.len() as f64);
    for (index, row) in lines.iter().enumerate() {
        let y = TOP + LINE * (index as f64 + 0.5);
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{} {}</text>",
            LEFT - 10.0,
            y + 4.0,
            row.scenario.key,
            row.figure.label(),
        );
        marks(&mut svg, row, results, y);
    }
    svg += "</svg>\n";
    svg
}

/// Figures that have a goal; a ratio to the floor needs a floor.
fn is_drawn(row: &Row) -> bool {
    row.goal.is_some() && row.floor.is_some_and(|floor| floor.median > 0.0)
}

fn legend(svg: &mut String) {
    for (index, (name, colour)) in COLOURS.iter().enumerate() {
        let x = LEFT + (index % LEGEND_LINE) as f64 * 94.0;
        let y = 40.0 + (index / LEGEND_LINE) as f64 * 20.0;
        let _ = writeln!(
            svg,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"5\" fill=\"{colour}\"/><text x=\"{}\" y=\"{}\" font-size=\"11\">{name}</text>",
            x + 8.0,
            y + 4.0,
        );
    }
}

fn axis(svg: &mut String, bottom: f64) {
    for ratio in [0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0] {
        let x = position(ratio);
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{ratio}×</text>",
            bottom + 16.0,
        );
    }
}

fn marks(svg: &mut String, row: &Row, results: &[Results], y: f64) {
    let (Some(floor), Some(one)) = (
        row.floor,
        results
            .iter()
            .find(|one| one.scenario.key == row.scenario.key),
    ) else {
        return;
    };
    // Arborio comes first in the list of colours and is drawn last, on top.
    for (name, colour) in COLOURS.iter().rev() {
        let Some(spread) = one
            .contestant(name)
            .and_then(|found| found.spread(row.figure.key))
        else {
            continue;
        };
        let radius = if *name == ARBORIO { 7.0 } else { 5.0 };
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{y}\" r=\"{radius}\" fill=\"{colour}\" fill-opacity=\"0.85\"><title>{name}: {} {}</title></circle>",
            position(spread.median / floor.median),
            short(spread.median),
            row.figure.unit,
        );
    }
}

/// Where a ratio stands on the axis.
fn position(ratio: f64) -> f64 {
    let clamped = ratio.clamp(SMALLEST_RATIO, LARGEST_RATIO);
    let span = (LARGEST_RATIO / SMALLEST_RATIO).ln();
    LEFT + WIDTH * (clamped / SMALLEST_RATIO).ln() / span
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenarios::ALL;

    #[test]
    fn every_contestant_has_a_colour() {
        for entry in ALL.iter().flat_map(|scenario| scenario.entries) {
            let found = COLOURS.iter().any(|(name, _)| *name == entry.contestant);
            assert!(found, "{}", entry.contestant);
        }
    }

    #[test]
    fn the_axis_is_logarithmic_and_ends_are_kept() {
        assert_eq!(position(SMALLEST_RATIO), LEFT);
        assert!((position(1e9) - LEFT - WIDTH).abs() < 1e-9);
        let step = position(10.0) - position(1.0);
        assert!((position(100.0) - position(10.0) - step).abs() < 1e-9);
    }
}
