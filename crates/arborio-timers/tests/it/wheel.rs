//! The wheel alone: order, exactness, limits.

use arborio_timers::Wheel;
use proptest::{collection::vec, prelude::*};

use crate::wheel_model::{Op, Pair};

/// Starts of the wheel's time that are near a border of some digit.
const STARTS: [u64; 8] = [
    0,
    (1 << 32) - 1,
    (1 << 36) - 1,
    1 << 42,
    1 << 60,
    ((1 << 36) - 1) * 1_000_000,
    u64::MAX / 2,
    u64::MAX - (1 << 20),
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn w07_the_wheel_says_what_a_heap_says(
        start in 0..STARTS.len(),
        ops in vec(any::<(u8, u8, u16)>(), 1..20),
    ) {
        let mut pair = Pair::new(STARTS[start]);
        for (kind, position, bits) in ops {
            pair.step(Op::decode(kind, position, bits), kind & 0x80 != 0);
        }
        pair.finish();
    }
}

/// What a wheel that starts at `start` fires, as offsets from its start, with
/// the offsets of the times at which it was asked.
fn firings_from(start: u64) -> Vec<(u64, Vec<u64>)> {
    let mut wheel = Wheel::new(start);
    for bit in 0..36 {
        for offset in [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1] {
            wheel.insert(start + offset, offset);
        }
    }
    let mut firings = Vec::new();
    while let Some(next) = wheel.next_deadline() {
        let mut fired = Vec::new();
        wheel.advance(next, &mut fired);
        firings.push((next - start, fired));
    }
    firings
}

#[test]
fn w08_a_wheel_that_starts_late_does_what_a_fresh_one_does() {
    let fresh = firings_from(0);
    assert!(fresh.len() > 100);
    for start in [
        (1 << 32) - 1,
        (1 << 36) - 1,
        1 << 42,
        (1 << 36) * 1_000_000,
        1 << 63,
    ] {
        assert_eq!(firings_from(start), fresh, "start {start}");
    }
}

#[test]
fn a_drained_wheel_fires_only_what_came_afterwards() {
    for asked in [false, true] {
        let mut wheel = Wheel::new(0);
        wheel.insert(5, "old");
        wheel.insert(9, "older");
        if asked {
            assert_eq!(wheel.next_deadline(), Some(5));
        }
        assert_eq!(wheel.drain().len(), 2);
        assert_eq!(wheel.next_deadline(), None);
        wheel.insert(7, "new");
        assert_eq!(wheel.next_deadline(), Some(7));
        let mut fired = Vec::new();
        wheel.advance(10, &mut fired);
        assert_eq!(fired, ["new"]);
    }
}

#[test]
fn twelve_equal_deadlines_fire_in_order_of_insertion_across_all_levels() {
    let deadline = (1 << 40) + 12_345;
    let mut wheel = Wheel::new(0);
    let mut fired = Vec::new();
    // Each is inserted at half the distance of the one before, so at a lower level.
    for number in 0..12 {
        wheel.advance(deadline - (1 << (39 - 3 * number)), &mut fired);
        wheel.insert(deadline, number);
    }
    wheel.advance(deadline - 1, &mut fired);
    assert!(fired.is_empty(), "never early");
    wheel.advance(deadline, &mut fired);
    assert_eq!(fired, (0..12).collect::<Vec<_>>());
}

#[test]
fn one_big_jump_fires_everything_in_order() {
    let mut wheel = Wheel::new(7);
    let deadlines: Vec<u64> = (0..64).map(|bit| 1u64 << bit).rev().collect();
    for &deadline in &deadlines {
        wheel.insert(deadline, deadline);
    }
    let mut fired = Vec::new();
    wheel.advance(u64::MAX, &mut fired);
    assert!(fired.is_sorted());
    assert_eq!(fired.len(), 64);
}

#[test]
fn time_that_goes_back_is_ignored() {
    let mut wheel = Wheel::new(1_000);
    wheel.insert(2_000, ());
    let mut fired = Vec::new();
    wheel.advance(1_999, &mut fired);
    wheel.advance(3, &mut fired);
    assert_eq!(wheel.elapsed(), 1_999);
    assert_eq!(wheel.next_deadline(), Some(2_000));
    assert_eq!(wheel.advance(2_000, &mut fired), 1);
}

#[test]
fn w01_an_entry_at_the_end_of_time_never_fires() {
    let mut wheel = Wheel::new(0);
    let never = wheel.insert(u64::MAX, "never");
    wheel.insert(u64::MAX - 1, "late");
    let mut fired = Vec::new();
    wheel.advance(u64::MAX, &mut fired);
    assert_eq!(fired, ["late"]);
    assert_eq!(wheel.next_deadline(), None);
    assert_eq!(wheel.remove(never), Some("never"));
}

#[test]
fn the_next_deadline_is_exact_after_the_earliest_was_removed() {
    let mut wheel = Wheel::new(0);
    // All in one list, 262 µs wide, 10 ns apart.
    let base = 1 << 20;
    let keys: Vec<_> = (0..100).map(|n| wheel.insert(base + 10 * n, n)).collect();
    for (n, key) in keys.into_iter().enumerate() {
        assert_eq!(wheel.next_deadline(), Some(base + 10 * n as u64));
        wheel.remove(key);
    }
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn slots_are_used_again_but_keys_are_not() {
    let mut wheel = Wheel::new(0);
    let mut keys = Vec::new();
    for round in 0..1_000 {
        let key = wheel.insert(round + 1_000_000, round);
        wheel.remove(key);
        keys.push(key);
    }
    for &key in &keys {
        assert_eq!(wheel.get_mut(key), None);
        assert!(!wheel.reset(key, 5));
    }
    let distinct: std::collections::HashSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
}

#[test]
fn w06_a_frozen_time_fires_nothing_twice() {
    let mut wheel = Wheel::new(500);
    wheel.insert(500, "due");
    wheel.insert(501, "not yet");
    let mut fired = Vec::new();
    for _ in 0..1_000 {
        wheel.advance(500, &mut fired);
    }
    assert_eq!(fired, ["due"]);
    assert_eq!(wheel.next_deadline(), Some(501));
}

#[test]
fn w01_an_entry_at_the_end_of_time_does_not_fire_even_then() {
    let mut wheel = Wheel::new(u64::MAX);
    wheel.insert(u64::MAX, ());
    assert_eq!(wheel.next_deadline(), None);
    assert_eq!(wheel.advance(u64::MAX, &mut Vec::new()), 0);
}
