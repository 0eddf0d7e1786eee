//! The tree of most tasks that have frames: one handler.
//!
//! It has no slot until somebody asks it, or another frame comes, or another waker.

use std::task::Waker;

use super::slots::{Answer, HandlerState, Index, Kind, Slots};

/// A handler that is the whole tree (B5 of [`super::table`]).
#[derive(Clone, Copy)]
pub(super) struct Lone {
    pub(super) kind: LoneKind,
    /// It is not asked any more.
    pub(super) is_done: bool,
}

/// What kinds of frames are handlers. Of one byte.
#[derive(Clone, Copy)]
pub(super) enum LoneKind {
    Handler,
    Shield,
    Gate,
}

impl Lone {
    /// Nothing for an origin, which stands alone only until its handlers come.
    pub(super) fn new(kind: Kind) -> Option<Self> {
        let kind = match kind {
            Kind::Handler => LoneKind::Handler,
            Kind::Shield => LoneKind::Shield,
            Kind::Gate => LoneKind::Gate,
            Kind::Origin | Kind::Firm => return None,
        };
        let is_done = false;
        Some(Self { kind, is_done })
    }

    pub(super) fn state(self) -> HandlerState {
        match self.is_done {
            true => HandlerState::Done,
            false => HandlerState::Idle,
        }
    }

    /// Gives it a slot among `slots`, which are empty.
    pub(super) fn unfold(self, slots: &mut Slots, waker: Waker) {
        let kind = match self.kind {
            LoneKind::Handler => Kind::Handler,
            LoneKind::Shield => Kind::Shield,
            LoneKind::Gate => Kind::Gate,
        };
        let index = slots.insert(kind, None, waker);
        debug_assert_eq!(index, LONE, "the first slot");
        if self.is_done {
            slots.answer(index, Answer::Passed); // nobody had asked
        }
    }
}

/// The index of the only frame (B5).
pub(super) const LONE: Index = 0;
