//! Some of many, drawn by lot.

/// 2^64 divided by the golden ratio: its multiples lie far apart.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// At most so many of them, as if drawn by lot, but the same ones each time. Another `draw` takes others.
pub(crate) fn draw(mut mutants: Vec<String>, most: usize, draw: u64) -> Vec<String> {
    mutants.sort_by_key(|mutant| lot(mutant, draw));
    mutants.truncate(most);
    mutants.sort();
    mutants
}

/// FNV-1a, mixed once more, since names that differ in the end alone would lie side by side.
/// The draw is spread over the bits that it begins with, so that the first few are as far from each other as any.
fn lot(mutant: &str, draw: u64) -> u64 {
    let step = |lot: u64, byte: u8| (lot ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let start = 0xcbf2_9ce4_8422_2325 ^ draw.wrapping_mul(GOLDEN);
    let lot = mutant.bytes().fold(start, step);
    (lot ^ (lot >> 32)).wrapping_mul(GOLDEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thousand() -> Vec<String> {
        (0..1000).map(|n| format!("file.rs:{n}:1: x")).collect()
    }

    #[test]
    fn a_sample_is_the_same_each_time_and_from_everywhere() {
        let all = thousand();
        for draw in 0..4 {
            let some = super::draw(all.clone(), 100, draw);
            assert_eq!(some, super::draw(all.clone(), 100, draw));
            assert_eq!(some.len(), 100);
            let first_half = some.iter().filter(|name| all[..500].contains(name));
            assert!((35..=65).contains(&first_half.count()));
        }
        assert_eq!(super::draw(all.clone(), usize::MAX, 0).len(), all.len());
    }

    #[test]
    fn another_draw_takes_others() {
        let draws: Vec<_> = (0..4)
            .map(|draw| super::draw(thousand(), 100, draw))
            .collect();
        for (first, second) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            let again = draws[first].iter().filter(|n| draws[second].contains(n));
            let again = again.count();
            // Ten of a hundred by chance.
            assert!((2..=20).contains(&again), "{first}, {second}: {again}");
        }
    }

    #[test]
    fn the_first_draw_is_the_one_before_there_were_others() {
        assert_eq!(lot("a.rs:1:1: x", 0), 0xc716_5617_da0a_9ced);
    }
}
