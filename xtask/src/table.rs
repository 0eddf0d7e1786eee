//! Plain text tables: a heading, a rule, rows; columns of figures are aligned to the right.

/// Renders `rows` under `heading`, each line ended by a newline.
pub(crate) fn render(heading: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let rows: Vec<Vec<String>> = rows.into_iter().collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        longest.max(heading[column].chars().count())
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let right: Vec<bool> = (0..heading.len())
        .map(|column| !rows.is_empty() && rows.iter().all(|row| is_figure(row, column)))
        .collect();

    let mut text = String::new();
    let mut line = |cells: &[String]| {
        let mut out = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let pad = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
            let (before, after) = if right[column] {
                (pad, String::new())
            } else {
                (String::new(), pad)
            };
            out.push_str(&format!("{before}{cell}{after}  "));
        }
        text.push_str(out.trim_end());
        text.push('\n');
    };
    line(
        &heading
            .iter()
            .map(|word| String::from(*word))
            .collect::<Vec<_>>(),
    );
    line(
        &widths
            .iter()
            .map(|width| "-".repeat(*width))
            .collect::<Vec<_>>(),
    );
    for row in &rows {
        line(row);
    }
    text
}

/// Whether the cell starts with a digit, or is empty, or a dash that stands for "no figure".
fn is_figure(row: &[String], column: usize) -> bool {
    let cell = row.get(column).map_or("", String::as_str);
    cell == "-"
        || cell
            .chars()
            .next()
            .is_none_or(|first| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_right_and_words_left() {
        let rows = [("wake", "7"), ("submit", "1234")]
            .map(|(name, count)| vec![name.to_string(), count.to_string()]);
        assert_eq!(
            render(&["model", "n"], rows),
            "model      n\n------  ----\nwake       7\nsubmit  1234\n"
        );
    }
}
