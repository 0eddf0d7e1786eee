//! Latencies of many requests and their percentiles.

use std::time::Duration;

/// Every latency of one round, sorted.
pub(super) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(super) fn new(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest latency that at least `percent` of all requests did not exceed (nearest
    /// rank); zero where there were no requests.
    pub(super) fn percentile(&self, percent: f64) -> Duration {
        let rank = (percent / 100.0 * self.0.len() as f64).ceil() as usize;
        self.0
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let all = (1..=100).rev().map(Duration::from_micros).collect();
        let latencies = Latencies::new(all);
        assert_eq!(latencies.percentile(50.0), Duration::from_micros(50));
        assert_eq!(latencies.percentile(99.0), Duration::from_micros(99));
        assert_eq!(latencies.percentile(100.0), Duration::from_micros(100));
        assert_eq!(latencies.percentile(0.0), Duration::from_micros(1));
        // Half of three is one and a half: two requests are needed to cover it.
        let three = Latencies::new([1, 2, 3].map(Duration::from_micros).to_vec());
        assert_eq!(three.percentile(50.0), Duration::from_micros(2));
    }

    #[test]
    fn one_request_is_every_percentile_and_none_is_zero() {
        let one = Latencies::new(vec![Duration::from_micros(3)]);
        assert_eq!(one.percentile(1.0), Duration::from_micros(3));
        assert_eq!(one.percentile(99.0), Duration::from_micros(3));
        assert_eq!(Latencies::new(Vec::new()).percentile(50.0), Duration::ZERO);
    }
}
