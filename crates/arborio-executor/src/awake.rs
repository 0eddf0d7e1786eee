//! Waiting awake: whoever has been woken after a few microseconds each time stays awake for the next ones.
//!
//! To sleep and to be woken are two system calls, and some 10 us until a processor that has slept runs again. Two threads
//! that hand small things back and forth, a loop and a thread that runs its blocking jobs, would spend nearly all of their time on
//! that. So who waits remembers how long it took. After [`STREAK`] waits in a row that were [`SHORT`] it looks for up
//! to [`LIMIT`] whether the next thing is there, and sleeps only then.
//!
//! Each time that this was for nothing, twice as many short waits are needed before the next attempt, up to [`LONGEST_STREAK`]: who is
//! mostly wrong spends next to nothing on it. With one processor nobody waits awake, as whoever is waited for needs it.

use std::{hint, sync::OnceLock, thread, time::Duration};

use arborio_base::sync::Instant;

/// A wait that took less is short: two threads wake up in that time, and do a little.
const SHORT: Duration = Duration::from_micros(50);
/// For so long somebody waits awake: as long as it takes to wake the other one, and to be woken.
const LIMIT: Duration = Duration::from_micros(25);
/// So many short waits in a row come first.
const STREAK: u32 = 4;
/// So many at most, after attempts that were for nothing.
const LONGEST_STREAK: u32 = 1024;
/// After so many attempts in a row that were right, half as many short waits are enough.
const TRUSTED: u32 = 64;

/// What a thread knows of its waits.
#[derive(Debug)]
pub(crate) struct Awake {
    /// How many waits in a row were short.
    streak: u32,
    /// How many have to be.
    needed: u32,
    /// How many attempts in a row were right.
    hits: u32,
}

impl Awake {
    pub(crate) fn new() -> Self {
        Self {
            streak: 0,
            needed: STREAK,
            hits: 0,
        }
    }

    /// Whether the next wait is likely to be a short one.
    #[inline]
    pub(crate) fn is_worth_it(&self) -> bool {
        self.streak >= self.needed && !cfg!(any(loom, shuttle)) && has_processors()
    }

    /// Looks whether `is_there`, again and again for a while. False if it did not come.
    pub(crate) fn wait(&mut self, is_there: impl Fn() -> bool) -> bool {
        let start = Instant::now();
        let mut came = false;
        let mut took = Duration::ZERO;
        while !came && took < LIMIT {
            for _ in 0..16 {
                hint::spin_loop();
            }
            came = is_there();
            took = start.elapsed();
        }
        // If it took longer the system has let somebody else run here, who needs the processor more.
        self.note_attempt(took < LIMIT);
        came
    }

    /// Has slept for so long, until the thing was there that is waited for.
    pub(crate) fn note_sleep(&mut self, took: Duration) {
        self.streak = match took < SHORT {
            true => self.streak.saturating_add(1),
            false => 0,
        };
    }

    fn note_attempt(&mut self, right: bool) {
        if !right {
            self.streak = 0;
            self.hits = 0;
            self.needed = (self.needed * 2).min(LONGEST_STREAK);
            return;
        }
        self.hits += 1;
        if self.hits == TRUSTED {
            self.hits = 0;
            self.needed = (self.needed / 2).max(STREAK);
        }
    }
}

/// Whether two threads of this process can run at a time.
fn has_processors() -> bool {
    static SEVERAL: OnceLock<bool> = OnceLock::new();
    *SEVERAL.get_or_init(|| thread::available_parallelism().is_ok_and(|count| count.get() > 1))
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_micros(1);

    fn after(waits: u32, took: Duration) -> Awake {
        let mut awake = Awake::new();
        for _ in 0..waits {
            awake.note_sleep(took);
        }
        awake
    }

    #[test]
    fn some_short_waits_in_a_row_are_needed() {
        assert!(!after(STREAK - 1, NOW).is_worth_it());
        assert_eq!(after(STREAK, NOW).is_worth_it(), has_processors());
        assert!(!after(STREAK * 9, SHORT).is_worth_it());
        let mut awake = after(STREAK, NOW);
        awake.note_sleep(SHORT);
        awake.note_sleep(NOW);
        assert!(
            !awake.is_worth_it(),
            "they are counted from the last long one"
        );
    }

    #[test]
    fn each_attempt_for_nothing_doubles_what_is_needed() {
        let mut awake = after(STREAK, NOW);
        let mut needed = STREAK;
        for _ in 0..20 {
            assert!(!awake.wait(|| false));
            assert!(!awake.is_worth_it());
            needed = (needed * 2).min(LONGEST_STREAK);
            for _ in 0..needed - 1 {
                awake.note_sleep(NOW);
            }
            assert!(!awake.is_worth_it());
            awake.note_sleep(NOW);
            assert_eq!(awake.is_worth_it(), has_processors());
        }
    }

    #[test]
    fn attempts_that_were_right_are_believed_in_again() {
        let mut awake = after(STREAK, NOW);
        for _ in 0..5 {
            awake.note_attempt(false);
        }
        assert_eq!(awake.needed, STREAK * 32);
        for _ in 0..TRUSTED * 5 {
            awake.note_attempt(true);
        }
        assert_eq!(awake.needed, STREAK);
        for _ in 0..TRUSTED * 5 {
            awake.note_attempt(true);
        }
        assert_eq!(awake.needed, STREAK, "and not with fewer");
    }

    #[test]
    fn who_may_wait_awake_has_several_processors() {
        let several = thread::available_parallelism().map_or(1, usize::from) > 1;
        assert_eq!(has_processors(), several);
    }

    /// Who loses the processor meanwhile looks as if it had waited in vain, so it is enough if it holds once.
    #[test]
    fn what_comes_at_once_makes_an_attempt_right() {
        let is_right = || {
            let mut awake = after(STREAK, NOW);
            assert!(awake.wait(|| true));
            (awake.hits, awake.needed) == (1, STREAK)
        };
        assert!((0..100).any(|_| is_right()));
    }

    #[test]
    fn half_as_many_waits_are_enough_after_many_attempts_that_were_right() {
        let mut awake = after(STREAK, NOW);
        (0..5).for_each(|_| awake.note_attempt(false));
        for half in [16, 8] {
            for _ in 1..TRUSTED {
                awake.note_attempt(true);
                assert_eq!(awake.needed, STREAK * half * 2);
            }
            awake.note_attempt(true);
            assert_eq!(awake.needed, STREAK * half);
        }
    }
}
