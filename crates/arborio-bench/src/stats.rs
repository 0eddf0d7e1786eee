//! Medians and percentiles.

/// The median; 0 of nothing.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The `p`-th percentile (0 to 100), interpolated between neighbours; 0 of nothing.
pub(crate) fn percentile(values: &[f64], p: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = last as f64 * p / 100.0;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}

/// Median and the middle half of a set of rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lower_quartile: f64,
    pub(crate) upper_quartile: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(values: &[f64]) -> Spread {
        Spread {
            median: median(values),
            lower_quartile: percentile(values, 25.0),
            upper_quartile: percentile(values, 75.0),
            min: percentile(values, 0.0),
            max: percentile(values, 100.0),
        }
    }

    /// Half the distance between the quartiles, in percent of the median.
    pub(crate) fn percent(&self) -> f64 {
        if self.median == 0.0 {
            return 0.0;
        }
        50.0 * (self.upper_quartile - self.lower_quartile) / self.median
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between_the_middle_two() {
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    }

    #[test]
    fn percentiles_interpolate_and_reach_the_ends() {
        let values: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(percentile(&values, 99.0), 99.0);
        assert_eq!(percentile(&values, 100.0), 100.0);
        assert_eq!(percentile(&[1.0, 2.0], 25.0), 1.25);
    }

    #[test]
    fn nothing_has_median_zero() {
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn the_spread_is_half_the_interquartile_range_in_percent() {
        let spread = Spread::of(&[8.0, 9.0, 10.0, 11.0, 12.0]);
        assert_eq!(spread.percent(), 10.0);
    }
}
