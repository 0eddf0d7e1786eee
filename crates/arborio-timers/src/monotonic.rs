//! The machine's monotonic clock as plain nanoseconds, and where the standard
//! library's instants lie on it.
//!
//! `std::time::Instant` keeps its number to itself. To get nanoseconds out of
//! it, one instant must be subtracted from another, and that costs several
//! times what is left of a reading when the system's own part is taken away.
//! So the clock is read here directly, and the standard library's instants only
//! come into play when somebody converts one.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// The reading of the clock in nanoseconds, from wherever the system counts.
#[inline]
pub(crate) fn reading() -> u64 {
    nanos_of(clock_gettime(ClockId::Monotonic))
}

#[inline]
fn nanos_of(time: Timespec) -> u64 {
    let Timespec { tv_sec, tv_nsec } = time;
    // Lossless for five centuries of uptime; the sum of a nonsensical reading
    // wraps rather than panics.
    (tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(tv_nsec as u64)
}

/// A reading that may be some milliseconds old, and costs a fraction: the time of the
/// system's last tick.
#[cfg(target_os = "linux")]
#[inline]
pub(crate) fn coarse_reading() -> u64 {
    nanos_of(clock_gettime(ClockId::MonotonicCoarse))
}

/// Where there is no such thing it is the time.
#[cfg(not(target_os = "linux"))]
#[inline]
pub(crate) fn coarse_reading() -> u64 {
    reading()
}

/// The reading at which this process first asked.
#[inline]
pub(crate) fn start() -> u64 {
    static START: OnceLock<u64> = OnceLock::new();
    *START.get_or_init(reading)
}

/// The standard library's instant at the reading [`start`].
///
/// Exact where its instants are readings of the same clock, as on Linux. Where
/// they are not, or where this cannot be told, one of its instants is paired
/// with the reading that followed: a deadline that is converted then comes out
/// later than it should by at most the time between two readings.
pub(crate) fn std_at_start() -> Instant {
    static STD_AT_START: OnceLock<Instant> = OnceLock::new();
    *STD_AT_START.get_or_init(|| {
        let start = start();
        let before = reading();
        let instant = Instant::now();
        let after = reading();
        let exact = reading_of(instant).filter(|exact| (before..=after).contains(exact));
        let since_start = exact.unwrap_or(after) - start;
        // An instant of now minus the age of the process: it has been before.
        let at_start = instant.checked_sub(Duration::from_nanos(since_start));
        at_start.unwrap_or(instant)
    })
}

/// The reading that is kept in `instant`, if it is one.
///
/// The standard library keeps seconds in an `i64` and refuses to go below its
/// least value. How far an instant can be moved back therefore tells where it
/// is. The caller checks the answer against the clock.
fn reading_of(instant: Instant) -> Option<u64> {
    let seconds = greatest(u64::MAX, |seconds| {
        instant.checked_sub(Duration::from_secs(seconds)).is_some()
    });
    let nanos = greatest(999_999_999, |nanos| {
        let back = Duration::new(seconds, nanos as u32);
        instant.checked_sub(back).is_some()
    });
    let seconds_of_reading = seconds.checked_sub(i64::MIN.unsigned_abs())?;
    let whole = seconds_of_reading.checked_mul(1_000_000_000)?;
    whole.checked_add(nanos)
}

/// The greatest number up to `most` for which `holds`, which must hold for
/// zero, and for every number below one for which it does.
fn greatest(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut good, mut end) = (0, most);
    while good < end {
        let middle = end - (end - good) / 2;
        if holds(middle) {
            good = middle;
        } else {
            end = middle - 1;
        }
    }
    good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_number_is_found_at_the_borders_too() {
        for border in [0, 1, 7, u64::MAX - 1, u64::MAX] {
            assert_eq!(greatest(u64::MAX, |number| number <= border), border);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_reading_in_an_instant_lies_between_the_readings_around_it() {
        for _ in 0..100 {
            let before = reading();
            let instant = Instant::now();
            let after = reading();
            let exact = reading_of(instant).expect("an instant is a reading here");
            assert!(
                before <= exact && exact <= after,
                "{before} {exact} {after}"
            );
        }
    }
}
