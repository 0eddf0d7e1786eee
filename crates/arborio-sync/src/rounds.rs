//! Telling everybody who waits, and nobody who comes later.
//!
//! Whoever joins a line wants the round in which it came; a round ends when
//! something happens that everybody in line is told. The lock is released for
//! each wake, and those who join meanwhile belong to a later round.
//!
//! # Invariants
//! - R1: the round only moves on, under the lock that the line lies behind, and a
//!   place joins with the round of that moment. So those who came in round `r`
//!   or before are the first of the line.

use arborio_base::contain;

use crate::{
    flavour::Flavour,
    guarded::{Guarded, Held},
    line::{Answer, Line},
};

/// Gives `answer` to everybody who came in round `ended` or before, in the order
/// in which they came. Returns with the lock held.
pub(crate) fn tell_rounds<'a, F: Flavour, S>(
    guarded: &'a Guarded<F, S>,
    mut state: Held<'a, F, S>,
    line: impl Fn(&mut S) -> &mut Line,
    ended: usize,
    answer: Answer,
) -> Held<'a, F, S> {
    while came_by(line(&mut state), ended) {
        let waker = line(&mut state).answer_first(answer);
        drop(state);
        if let Some(waker) = waker {
            contain(|| waker.wake());
        }
        state = guarded.lock();
    }
    state
}

/// Whether somebody is in line since round `ended` or before.
fn came_by(line: &Line, ended: usize) -> bool {
    line.first_want().is_some_and(|came| is_due(came, ended))
}

/// Whether round `came` is `ended` or before it.
pub(crate) fn is_due(came: usize, ended: usize) -> bool {
    // Numbers of rounds wrap: compare distances.
    ended.wrapping_sub(came) <= usize::MAX / 2
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_compared_across_the_end_of_the_numbers() {
        let old = [7, 6, 0, usize::MAX, usize::MAX / 2 + 9];
        assert!(old.into_iter().all(|came| is_due(came, 7)));
        let new = [8, 9, usize::MAX / 2 + 8];
        assert!(!new.into_iter().any(|came| is_due(came, 7)));
    }
}
