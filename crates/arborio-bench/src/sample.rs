//! What one child process found: named figures, printed as `name value` lines and read back.

use std::fmt;

/// Named figures of one child process.
///
/// A name that starts with `_` is kept in the JSON and left out of the tables.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    pub(crate) figures: Vec<(String, f64)>,
}

impl Sample {
    pub(crate) fn of(name: &str, value: f64) -> Sample {
        Sample::default().and(name, value)
    }

    pub(crate) fn and(mut self, name: &str, value: f64) -> Sample {
        self.figures.push((name.to_owned(), value));
        self
    }

    /// Reads what [`fmt::Display`] wrote.
    ///
    /// # Errors
    /// A line that is not a name and a number.
    pub(crate) fn parse(text: &str) -> Result<Sample, String> {
        let mut sample = Sample::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let figure = line
                .split_once(' ')
                .and_then(|(name, value)| Some((name, value.trim().parse::<f64>().ok()?)));
            let Some((name, value)) = figure else {
                return Err(format!("not a figure: {line:?}"));
            };
            sample = sample.and(name, value);
        }
        Ok(sample)
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.figures
            .iter()
            .try_for_each(|(name, value)| writeln!(f, "{name} {value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_survives_the_way_through_a_pipe() {
        let sample = Sample::of("p50", 12.25).and("_wall_over_cpu", 1.0);
        assert_eq!(Sample::parse(&sample.to_string()), Ok(sample));
    }

    #[test]
    fn a_line_that_is_no_figure_is_refused() {
        assert!(Sample::parse("p50 12\nthread panicked").is_err());
    }
}
