//! What the ends of a broadcast share.

use super::ring::Ring;
use crate::{
    flavour::Flavour,
    guarded::{Guarded, Held},
    line::Answer,
    rounds::tell_rounds,
    words::Words,
};

/// The messages under their lock; each lies behind a counted pointer, so that it
/// is cloned and dropped without the lock.
pub(crate) struct Ends<T, F: Flavour> {
    pub(super) ring: Guarded<F, Ring<Counted<T, F>>>,
}

/// Points to a message.
pub(super) type Counted<T, F> = <F as Words>::Counted<T>;

impl<T, F: Flavour> Ends<T, F> {
    /// With one sender, and without receivers.
    #[track_caller]
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a broadcast needs room for one message");
        Self {
            ring: Guarded::new(Ring::new(capacity)),
        }
    }

    /// Wakes all who have waited since `ended` or before, which look again.
    pub(super) fn tell<'a>(&'a self, ring: Held<'a, F, Ring<Counted<T, F>>>, ended: usize) {
        drop(tell_rounds(
            &self.ring,
            ring,
            |ring| &mut ring.line,
            ended,
            Answer::Retry,
        ));
    }
}
