//! The tree of most tasks that have frames: one handler, which nobody asks but the task.
//!
//! It has no slot until another frame comes, or another waker. Until then it does what
//! [`super::asking`] says, for a tree of that shape.

use std::task::Waker;

use super::{
    asking::Next,
    slots::{Answer, Asker, HandlerState, Index, Kind, Request, Role, Slots},
};

/// The index of the only frame (B5 of [`super::table`]).
pub(super) const LONE: Index = 0;

/// A tree as in B5. Of three bytes, so that a table stays small.
#[derive(Clone, Copy, Default)]
pub(super) struct LoneTree {
    /// Its only frame; `None` before that comes, and when it is gone.
    frame: Option<Lone>,
    root: Heard,
}

/// A handler that is the whole tree.
#[derive(Clone, Copy)]
struct Lone {
    kind: LoneKind,
    state: HandlerState,
}

/// What kinds of frames are handlers. Of one byte.
#[derive(Clone, Copy)]
enum LoneKind {
    Handler,
    Shield,
    Gate,
}

/// What the task has heard: a [`Request`] that was made of one frame at most.
#[derive(Clone, Copy, Default)]
struct Heard(u8);

impl Heard {
    const IN_FORCE: u8 = 1;
    const PASSED: u8 = 1 << 1;
    const SWALLOWED: u8 = 1 << 2;
    const UNANSWERED: u8 = 1 << 3;

    fn says(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    fn request(self) -> Request {
        Request {
            firm: false,
            in_force: self.says(Self::IN_FORCE),
            passed: self.says(Self::PASSED),
            swallowed: self.says(Self::SWALLOWED),
            unanswered: self.says(Self::UNANSWERED).into(),
        }
    }
}

impl LoneTree {
    pub(super) fn is_empty(self) -> bool {
        self.frame.is_none()
    }

    /// Adds the frame. False if that is too much for such a tree: there is one, or it is
    /// an origin, which stands alone only until its handlers come.
    pub(super) fn insert(&mut self, kind: Kind) -> bool {
        let kind = match kind {
            Kind::Handler => LoneKind::Handler,
            Kind::Shield => LoneKind::Shield,
            Kind::Gate => LoneKind::Gate,
            Kind::Origin | Kind::Firm => return false,
        };
        if self.frame.is_some() {
            return false;
        }
        let state = HandlerState::Idle;
        self.frame = Some(Lone { kind, state });
        true
    }

    /// What the frame was told, if there is one.
    pub(super) fn state(self) -> Option<HandlerState> {
        self.frame.map(|frame| frame.state)
    }

    /// The frame is at it. `None` if there is none, as below.
    pub(super) fn set_busy(&mut self) -> Option<()> {
        self.frame.as_mut()?.state = HandlerState::Busy;
        Some(())
    }

    pub(super) fn set_opaque(&mut self) -> Option<()> {
        self.frame.as_mut()?.kind = LoneKind::Shield;
        Some(())
    }

    /// The frame answers.
    pub(super) fn answer(&mut self, answer: Answer) -> Option<()> {
        let frame = self.frame.as_mut()?;
        let asked = matches!(frame.state, HandlerState::Asked | HandlerState::Busy);
        frame.state = HandlerState::Done;
        if asked {
            self.root.0 &= !Heard::UNANSWERED;
            self.root.0 |= match answer {
                Answer::Passed => Heard::PASSED,
                Answer::Swallowed => Heard::SWALLOWED,
            };
        }
        Some(())
    }

    /// The frame goes, and that is what it says to whoever has asked.
    pub(super) fn remove(&mut self, answer: Answer) -> Option<()> {
        self.answer(answer)?;
        self.forget();
        Some(())
    }

    /// The frame is gone, and nobody is there to hear what it says.
    pub(super) fn forget(&mut self) {
        self.frame = None;
    }

    /// What the task has heard.
    pub(super) fn heard(self) -> Request {
        self.root.request()
    }

    /// The task puts a request in force: what next?
    pub(super) fn request(&mut self) -> Next {
        self.root = Heard(Heard::IN_FORCE);
        self.settle()
    }

    /// The task is pending, and its request is in force: what next?
    pub(super) fn settle(&mut self) -> Next {
        if self.root.says(Heard::UNANSWERED) {
            return Next::Wait;
        }
        if self.heard().is_taken_back() {
            self.root = Heard::default();
            return Next::Withdraw;
        }
        match &mut self.frame {
            Some(frame) if frame.state == HandlerState::Idle => {
                frame.state = HandlerState::Asked;
                self.root.0 |= Heard::UNANSWERED;
                Next::Poll
            }
            _ => Next::Drop,
        }
    }

    /// Puts all that among `slots`, which are empty; `waker` polls the frame.
    pub(super) fn unfold(self, slots: &mut Slots, waker: impl FnOnce() -> Waker) {
        slots.root = self.heard();
        slots.unanswered = slots.root.unanswered;
        let Some(frame) = self.frame else { return };
        let kind = match frame.kind {
            LoneKind::Handler => Kind::Handler,
            LoneKind::Shield => Kind::Shield,
            LoneKind::Gate => Kind::Gate,
        };
        let index = slots.insert(kind, None, waker());
        debug_assert_eq!(index, LONE, "the first slot");
        let (state, by) = (frame.state, Asker::Root);
        slots.at_mut(index).role = Role::Handler { state, by };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// What may happen to a tree of one handler.
    #[derive(Clone, Copy, Debug)]
    enum Act {
        Request,
        Settle,
        Busy,
        Passed,
        Swallowed,
        Opaque,
    }

    const ACTS: [Act; 6] = [
        Act::Request,
        Act::Settle,
        Act::Busy,
        Act::Passed,
        Act::Swallowed,
        Act::Opaque,
    ];

    /// The same tree, without slots and with them.
    struct Both(LoneTree, Slots);

    impl Both {
        fn new(kind: Kind) -> Self {
            let (mut lone, mut slots) = (LoneTree::default(), Slots::new());
            assert!(lone.is_empty() && lone.insert(kind) && !lone.is_empty());
            assert!(!lone.insert(Kind::Handler), "there is one");
            slots.insert(kind, None, Waker::noop().clone());
            Self(lone, slots)
        }

        /// Does it, unless the task never would.
        fn act(&mut self, act: Act) {
            let Self(lone, slots) = self;
            let in_force = slots.root.in_force;
            let answer = match act {
                Act::Request if !in_force => {
                    return assert_eq!(lone.request(), slots.request(Asker::Root).0);
                }
                Act::Settle if in_force => {
                    return assert_eq!(lone.settle(), slots.settle(Asker::Root).0);
                }
                Act::Request | Act::Settle => return,
                Act::Busy => {
                    slots.set_busy(LONE);
                    return assert_eq!(lone.set_busy(), Some(()));
                }
                Act::Opaque => {
                    slots.set_opaque(LONE);
                    return assert_eq!(lone.set_opaque(), Some(()));
                }
                Act::Passed => Answer::Passed,
                Act::Swallowed => Answer::Swallowed,
            };
            slots.answer(LONE, answer);
            assert_eq!(lone.answer(answer), Some(()));
        }

        fn compare(&self, acts: &[Act]) {
            let Self(lone, slots) = self;
            assert_eq!(lone.state(), Some(slots.handler(LONE)), "{acts:?}");
            same(lone.heard(), slots.root, acts);
            let mut unfolded = Slots::new();
            lone.unfold(&mut unfolded, || Waker::noop().clone());
            same(unfolded.root, slots.root, acts);
            assert_eq!(unfolded.handler(LONE), slots.handler(LONE), "{acts:?}");
            assert_eq!(unfolded.at(LONE).opaque, slots.at(LONE).opaque, "{acts:?}");
        }

        /// The frame goes while the request is in force, or is not: what next?
        fn end(mut self, answer: Answer, acts: &[Act]) {
            let in_force = self.1.root.in_force;
            self.1.answer(LONE, answer);
            drop(self.1.remove(LONE));
            assert_eq!(self.0.remove(answer), Some(()), "{acts:?}");
            assert!(self.0.is_empty() && self.0.state().is_none(), "{acts:?}");
            same(self.0.heard(), self.1.root, acts);
            if in_force {
                assert_eq!(self.0.settle(), self.1.settle(Asker::Root).0, "{acts:?}");
            }
        }
    }

    fn same(one: Request, other: Request, acts: &[Act]) {
        assert_eq!(format!("{one:?}"), format!("{other:?}"), "{acts:?}");
    }

    #[test]
    fn a_tree_without_slots_does_whatever_it_would_do_with_one() {
        for kind in [Kind::Handler, Kind::Shield, Kind::Gate] {
            for number in 0..ACTS.len().pow(5) {
                let acts = [0, 1, 2, 3, 4].map(|place| ACTS[number / ACTS.len().pow(place) % 6]);
                let story = || {
                    let mut both = Both::new(kind);
                    for done in 0..acts.len() {
                        both.act(acts[done]);
                        both.compare(&acts[..=done]);
                    }
                    both
                };
                story().end(Answer::Passed, &acts);
                story().end(Answer::Swallowed, &acts);
            }
        }
    }

    #[test]
    fn an_origin_has_a_slot_and_a_frame_that_is_gone_says_nothing() {
        let mut tree = LoneTree::default();
        assert!(!tree.insert(Kind::Origin) && !tree.insert(Kind::Firm));
        assert_eq!((tree.set_busy(), tree.set_opaque()), (None, None));
        assert!(tree.state().is_none() && tree.remove(Answer::Passed).is_none());
        assert!(tree.insert(Kind::Handler));
        tree.forget();
        assert!(tree.is_empty() && tree.answer(Answer::Swallowed).is_none());
    }
}
