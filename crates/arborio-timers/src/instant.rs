//! Points in time: nanoseconds of one clock, with arithmetic that never fails.

use std::{
    fmt,
    ops::{Add, AddAssign, Sub, SubAssign},
    time::Duration,
};

use crate::{home, monotonic};

/// Where clocks start. Far from zero, so that instants before the start of the
/// process exist (36 years of them), and far from `u64::MAX`.
const ORIGIN: u64 = 1 << 60;

/// A point in time on the clock of a loop, in nanoseconds.
///
/// Unlike [`std::time::Instant`] it can come from a simulated clock, and its
/// arithmetic saturates: [`Instant::FAR_FUTURE`] is the end of time, and a
/// sleep until then never ends. Instants of different clocks can be compared,
/// but the answer means nothing.
///
/// # Examples
/// ```
/// use arborio_timers::Instant;
/// use std::time::Duration;
/// let now = Instant::now();
/// assert_eq!((now + Duration::from_secs(2)) - now, Duration::from_secs(2));
/// assert_eq!(now + Duration::MAX, Instant::FAR_FUTURE);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The end of time. A deadline that is never reached.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Instant;
    /// assert!(Instant::now() < Instant::FAR_FUTURE);
    /// ```
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    /// The first instant of every clock.
    pub(crate) const ORIGIN: Self = Self(ORIGIN);

    /// The present on the clock of the loop that runs on this thread; where no
    /// loop runs, on the real clock.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Instant;
    /// let earlier = Instant::now();
    /// assert!(Instant::now() >= earlier);
    /// ```
    #[inline]
    pub fn now() -> Self {
        home::with_current(|current| current.clock().now()).unwrap_or_else(Self::now_real)
    }

    /// As [`now`](Self::now), but on the real clock it may be up to ten milliseconds
    /// old, and costs a fraction: for what people read.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Instant;
    /// let recent = Instant::recent();
    /// assert!(recent <= Instant::now());
    /// ```
    #[inline]
    pub fn recent() -> Self {
        let recent = home::with_current(|current| {
            let clock = current.clock();
            clock.is_simulated().then(|| clock.now())
        });
        recent.flatten().unwrap_or_else(Self::recent_real)
    }

    /// The same on the real clock.
    #[inline]
    pub(crate) fn recent_real() -> Self {
        Self::of_reading(monotonic::coarse_reading())
    }

    /// The present on the real clock.
    #[inline]
    pub(crate) fn now_real() -> Self {
        let start = monotonic::start(); // before the reading: the first one is the origin
        Self::of_reading_since(monotonic::reading(), start)
    }

    /// The instant of a reading of the real clock.
    #[inline]
    fn of_reading(reading: u64) -> Self {
        Self::of_reading_since(reading, monotonic::start())
    }

    #[inline]
    fn of_reading_since(reading: u64, start: u64) -> Self {
        // Wraps rather than panics: a clock that the system lets go back a
        // little is still far from zero.
        Self(ORIGIN.wrapping_add(reading.wrapping_sub(start)))
    }

    /// An instant by its nanoseconds on the axis that [`Wheel`](crate::Wheel) uses.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Instant;
    /// assert_eq!(Instant::from_nanos(5).as_nanos(), 5);
    /// ```
    #[inline]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The nanoseconds of this instant on the axis that [`Wheel`](crate::Wheel) uses.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Instant;
    /// assert_eq!(Instant::FAR_FUTURE.as_nanos(), u64::MAX);
    /// ```
    #[inline]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Instant;
    /// use std::time::Duration;
    /// let (a, b) = (Instant::from_nanos(3), Instant::from_nanos(10));
    /// assert_eq!(b.duration_since(a), Duration::from_nanos(7));
    /// assert_eq!(a.duration_since(b), Duration::ZERO);
    /// ```
    #[inline]
    pub const fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The same as [`duration_since`](Self::duration_since), under the name
    /// that the standard library uses.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Instant;
    /// let (a, b) = (Instant::from_nanos(3), Instant::from_nanos(10));
    /// assert!(a.saturating_duration_since(b).is_zero());
    /// ```
    #[inline]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }

    /// How long after `earlier` this is, or `None` if it is before it.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Instant;
    /// let (a, b) = (Instant::from_nanos(3), Instant::from_nanos(10));
    /// assert_eq!(a.checked_duration_since(b), None);
    /// ```
    pub fn checked_duration_since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_nanos)
    }

    /// How long ago this was, by [`Instant::now`]; zero if it is to come.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Instant;
    /// assert!(Instant::FAR_FUTURE.elapsed().is_zero());
    /// ```
    pub fn elapsed(self) -> Duration {
        Self::now().duration_since(self)
    }

    /// The instant `duration` later, at most the end of time.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Instant;
    /// use std::time::Duration;
    /// let late = Instant::now().saturating_add(Duration::MAX);
    /// assert_eq!(late, Instant::FAR_FUTURE);
    /// ```
    #[inline]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos_of(duration)))
    }

    /// The instant `duration` earlier, at least nanosecond zero.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Instant;
    /// use std::time::Duration;
    /// let early = Instant::now().saturating_sub(Duration::MAX);
    /// assert_eq!(early.as_nanos(), 0);
    /// ```
    #[inline]
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos_of(duration)))
    }

    /// The instant `duration` later, or `None` if it lies beyond the end of time.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Instant;
    /// use std::time::Duration;
    /// assert_eq!(Instant::now().checked_add(Duration::MAX), None);
    /// ```
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Self)
    }

    /// The instant `duration` earlier, or `None` if it lies before nanosecond zero.
    ///
    /// # Examples
    /// ```
    /// use arborio_timers::Instant;
    /// use std::time::Duration;
    /// assert_eq!(Instant::now().checked_sub(Duration::MAX), None);
    /// ```
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_sub(nanos).map(Self)
    }
}

/// The nanoseconds of `duration`, at most `u64::MAX`.
#[inline]
pub(crate) const fn nanos_of(duration: Duration) -> u64 {
    let nanos = duration.as_secs().saturating_mul(1_000_000_000);
    nanos.saturating_add(duration.subsec_nanos() as u64)
}

/// Exact on the real clock of Linux; elsewhere at most some tens of nanoseconds
/// later. On a simulated clock the result is the instant
/// with the same nanoseconds: differences keep their length, but the instant
/// has nothing to do with what the simulated clock shows.
impl From<std::time::Instant> for Instant {
    #[inline]
    fn from(instant: std::time::Instant) -> Self {
        let anchor = monotonic::std_at_start();
        match instant.checked_duration_since(anchor) {
            Some(after) => Self(ORIGIN).saturating_add(after),
            None => Self(ORIGIN).saturating_sub(anchor.saturating_duration_since(instant)),
        }
    }
}

/// The inverse of the conversion from the standard library's instant, and as
/// meaningless for an instant of a simulated clock. What the standard library
/// cannot represent becomes the present.
impl From<Instant> for std::time::Instant {
    fn from(instant: Instant) -> Self {
        let anchor = monotonic::std_at_start();
        let converted = match instant.checked_duration_since(Instant::ORIGIN) {
            Some(after) => anchor.checked_add(after),
            None => anchor.checked_sub(Instant::ORIGIN.duration_since(instant)),
        };
        converted.unwrap_or_else(Self::now)
    }
}

/// Saturates at the end of time.
impl Add<Duration> for Instant {
    type Output = Self;

    #[inline]
    fn add(self, duration: Duration) -> Self {
        self.saturating_add(duration)
    }
}

/// Saturates at the end of time.
impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

/// Saturates at nanosecond zero.
impl Sub<Duration> for Instant {
    type Output = Self;

    #[inline]
    fn sub(self, duration: Duration) -> Self {
        self.saturating_sub(duration)
    }
}

/// Saturates at nanosecond zero.
impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

/// Zero if the right side is later.
impl Sub for Instant {
    type Output = Duration;

    #[inline]
    fn sub(self, earlier: Self) -> Duration {
        self.duration_since(earlier)
    }
}

/// Seconds since the start of the clock.
impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::FAR_FUTURE {
            return f.write_str("Instant(end of time)");
        }
        let before = if self.0 < ORIGIN { "-" } else { "" };
        let nanos = self.0.abs_diff(ORIGIN);
        let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        write!(f, "Instant({before}{seconds}.{rest:09}s)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_survives_the_way_to_the_standard_library_and_back() {
        let second = Duration::from_secs(1);
        for instant in [
            Instant::now_real(),
            Instant::ORIGIN - second,
            Instant::ORIGIN + second,
        ] {
            assert_eq!(Instant::from(std::time::Instant::from(instant)), instant);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn an_instant_of_the_standard_library_keeps_its_place_among_ours() {
        for _ in 0..1_000 {
            let before = Instant::now_real();
            let between = Instant::from(std::time::Instant::now());
            let after = Instant::now_real();
            assert!(before <= between && between <= after);
        }
    }

    #[test]
    fn durations_beyond_u64_nanoseconds_saturate() {
        assert_eq!(nanos_of(Duration::MAX), u64::MAX);
        assert_eq!(nanos_of(Duration::from_secs(u64::MAX)), u64::MAX);
        assert_eq!(nanos_of(Duration::from_nanos(u64::MAX)), u64::MAX);
        assert_eq!(nanos_of(Duration::from_nanos(u64::MAX - 1)), u64::MAX - 1);
    }

    #[test]
    fn debug_shows_seconds_since_the_start_of_the_clock() {
        let half = Duration::from_millis(500);
        assert_eq!(
            format!("{:?}", Instant::ORIGIN + half),
            "Instant(0.500000000s)"
        );
        assert_eq!(
            format!("{:?}", Instant::ORIGIN - half),
            "Instant(-0.500000000s)"
        );
    }
}
