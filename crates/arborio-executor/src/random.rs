//! Numbers that depend on a seed alone.

/// The generator SplitMix64 (Steele, Lea and Flood, 2014): small, and the same
/// on every platform. For permuting what has no order, not for secrets.
///
/// # Examples
/// ```
/// use arborio_executor::Random;
/// let (mut one, mut other) = (Random::new(7), Random::new(7));
/// let rolls: Vec<_> = (0..100).map(|_| one.below(6)).collect();
/// assert!(rolls.iter().all(|&roll| roll < 6 && roll == other.below(6)));
/// ```
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The generator that `seed` stands for.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio_executor::Random::new(1).below(1), 0);
    /// ```
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number, below `bound`; 0 if `bound` is 0.
    ///
    /// # Examples
    /// ```
    /// assert!(arborio_executor::Random::new(9).below(10) < 10);
    /// ```
    pub fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        (mixed % bound.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    /// The first numbers of the reference implementation with the seed 0, which are the same everywhere.
    #[test]
    fn it_is_splitmix64() {
        let mut random = Random::new(0);
        let rolls = [(); 3].map(|()| random.below(usize::MAX) as u64);
        let known = [
            0xe220_a839_7b1d_cdaf,
            0x6e78_9e6a_a1b9_65f4,
            0x06c4_5d18_8009_454f,
        ];
        assert_eq!(rolls, known.map(|number: u64| number % usize::MAX as u64));
    }

    #[test]
    fn a_bound_of_nothing_or_one_gives_zero() {
        let mut random = Random::new(7);
        assert_eq!([random.below(0), random.below(1)], [0, 0]);
    }
}
