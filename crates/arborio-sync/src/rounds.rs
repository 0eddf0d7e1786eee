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
    // Numbers of rounds wrap: compare distances.
    let due = |came| ended.wrapping_sub(came) <= usize::MAX / 2;
    line.first_want().is_some_and(due)
}
