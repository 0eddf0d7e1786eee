//! Who is asked in a tree of frames, and what they say.
//!
//! Plain data, as the tree is; who may touch it, and when, is said in [`super::table`].
//!
//! # States of a handler
//! | state  | meaning                                         | next                    |
//! |--------|-------------------------------------------------|-------------------------|
//! | Idle   | nobody asked it                                 | Asked: `ask`            |
//! | Asked  | woken, and has not acted yet                    | Busy, Done: its own poll |
//! | Busy   | cleans up                                       | Done: `answer`          |
//! | Done   | has answered; is not asked again                | removed                 |
//!
//! A slot that is removed while Asked or Busy has passed.

use std::task::Waker;

use super::slots::{Answer, Asker, HandlerState, Index, NONE, Request, Role, Slot, Slots, handler};

/// What an origin whose inside is pending has to do next.
///
/// # Examples
/// See the examples of [`Frame`](super::Frame).
/// ```
/// use arborio_task::frames::Next;
/// assert_ne!(Next::Wait, Next::Poll);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: a handler is still at it.
    Wait,
    /// Poll the inside again: other handlers were asked.
    Poll,
    /// Forget the request: it was swallowed.
    Withdraw,
    /// Drop the inside.
    Drop,
}

impl Slots {
    fn request_of(&mut self, asker: Asker) -> Option<&mut Request> {
        match asker {
            Asker::Root => Some(&mut self.root),
            Asker::Slot(key) => match &mut self.at_mut(self.index(key)?).role {
                Role::Origin(request) => Some(request),
                _ => None,
            },
        }
    }

    /// One that `asker` has asked answers.
    fn tell(&mut self, asker: Asker, answer: Answer) {
        self.unanswered = self.unanswered.saturating_sub(1);
        if let Some(request) = self.request_of(asker) {
            request.unanswered = request.unanswered.saturating_sub(1);
            match answer {
                Answer::Passed => request.passed = true,
                Answer::Swallowed => request.swallowed = true,
            }
        }
    }

    /// A request of `asker` is in force from now on, or is not any more.
    pub(crate) fn set_in_force(&mut self, asker: Asker, in_force: bool) {
        if let Some(request) = self.request_of(asker) {
            *request = Request {
                in_force,
                firm: request.firm,
                ..Request::default()
            };
        }
    }

    /// What a handler was told.
    pub(crate) fn handler(&self, index: Index) -> HandlerState {
        match self.at(index).role {
            Role::Handler { state, .. } => state,
            _ => HandlerState::Idle,
        }
    }

    /// The handler is at it.
    pub(crate) fn set_busy(&mut self, index: Index) {
        if let Role::Handler { state, .. } = &mut self.at_mut(index).role {
            *state = HandlerState::Busy;
        }
    }

    /// Nobody outside sees through the frame any more.
    pub(crate) fn set_opaque(&mut self, index: Index) {
        self.at_mut(index).opaque = true;
    }

    /// Makes an origin into a shield, or a shield into an origin. A shield that was
    /// asked has passed then.
    pub(crate) fn set_shield(&mut self, index: Index, on: bool) {
        let slot = self.at_mut(index);
        if slot.opaque == on {
            return;
        }
        slot.opaque = on;
        let role = if on {
            handler()
        } else {
            Role::Origin(Request::default())
        };
        let before = std::mem::replace(&mut slot.role, role);
        self.pass_if_asked(before);
    }

    /// A frame with this role is not there any more: if it was asked, it has passed.
    pub(super) fn pass_if_asked(&mut self, role: Role) {
        if let Role::Handler {
            state: HandlerState::Asked | HandlerState::Busy,
            by,
        } = role
        {
            self.tell(by, Answer::Passed);
        }
    }

    /// The handler has answered whoever asked it.
    pub(crate) fn answer(&mut self, index: Index, answer: Answer) {
        let slot = self.at_mut(index);
        let Role::Handler { state, by } = &mut slot.role else {
            return;
        };
        let asked = matches!(state, HandlerState::Asked | HandlerState::Busy);
        *state = HandlerState::Done;
        let by = *by;
        if asked {
            self.tell(by, answer);
        }
    }

    /// The slots that a request of `asker` reaches, parents before children.
    fn inside(&self, asker: Asker) -> Inside<'_> {
        let (top, next) = match asker {
            Asker::Root => (NONE, self.first_child),
            Asker::Slot(key) => match self.index(key) {
                Some(index) => (index, self.at(index).first_child),
                None => (NONE, NONE),
            },
        };
        Inside {
            slots: self,
            top,
            next,
        }
    }

    /// Asks the innermost handlers inside `asker` that nobody has asked yet.
    /// Gives back how many these were, and their wakers, to be called by the caller.
    fn ask(&mut self, asker: Asker) -> (u32, Vec<Waker>) {
        self.round = self.round.wrapping_add(1).max(1);
        let idle = |slot: &Slot| {
            matches!(
                slot.role,
                Role::Handler {
                    state: HandlerState::Idle,
                    ..
                }
            )
        };
        let unasked: Vec<Index> = self
            .inside(asker)
            .filter(|&index| idle(self.at(index)))
            .collect();
        for &index in &unasked {
            self.cover_outward(index);
        }
        let (mut asked, mut wakers) = (0, Vec::new());
        // The youngest sibling was found first; they are woken in the order in which they came.
        for index in unasked.into_iter().rev() {
            let round = self.round;
            let slot = self.at_mut(index);
            if slot.covered != round {
                slot.role = Role::Handler {
                    state: HandlerState::Asked,
                    by: asker,
                };
                wakers.extend(slot.waker.take()); // its next poll brings another
                asked += 1;
            }
        }
        self.unanswered += asked;
        if let Some(request) = self.request_of(asker) {
            request.unanswered += asked;
        }
        (asked, wakers)
    }

    /// Marks everything around a slot as having a handler to be asked inside.
    fn cover_outward(&mut self, index: Index) {
        let round = self.round;
        let mut around = self.at(index).parent;
        while around != NONE && self.at(around).covered != round {
            self.at_mut(around).covered = round;
            around = self.at(around).parent;
        }
    }

    /// Whether somebody inside has not answered yet, whoever has asked.
    fn is_busy_inside(&mut self, asker: Asker) -> bool {
        let own = self.request_of(asker).map_or(0, |heard| heard.unanswered);
        if own > 0 || self.unanswered == own {
            return own > 0;
        }
        self.inside(asker).any(|index| {
            matches!(
                self.at(index).role,
                Role::Handler {
                    state: HandlerState::Asked | HandlerState::Busy,
                    ..
                }
            )
        })
    }

    /// Puts a request of `asker` in force and says what it has to do.
    pub(crate) fn request(&mut self, asker: Asker) -> (Next, Vec<Waker>) {
        self.set_in_force(asker, true);
        self.settle(asker)
    }

    /// What `asker`, whose request is in force and whose inside is pending, has to
    /// do. The wakers are those of the handlers that were asked.
    pub(crate) fn settle(&mut self, asker: Asker) -> (Next, Vec<Waker>) {
        if self.is_busy_inside(asker) {
            return (Next::Wait, Vec::new());
        }
        let heard = self.request_of(asker);
        if heard.is_some_and(|heard| heard.is_taken_back()) {
            self.set_in_force(asker, false);
            return (Next::Withdraw, Vec::new());
        }
        let (asked, wakers) = self.ask(asker);
        let next = if asked == 0 { Next::Drop } else { Next::Poll };
        (next, wakers)
    }

    /// Whether the origin in this slot asks those inside to end, and not all of them have
    /// swallowed that.
    pub(crate) fn is_felt(&self, index: Index) -> bool {
        let role = self.at(index).role;
        matches!(role, Role::Origin(request) if request.in_force && !request.is_taken_back())
    }

    /// The wakers of all origins whose request is in force.
    pub(crate) fn waiting_origins(&mut self) -> Vec<Waker> {
        let in_force =
            |slot: &&mut Slot| matches!(slot.role, Role::Origin(Request { in_force: true, .. }));
        self.slots
            .iter_mut()
            .filter(in_force)
            .filter_map(|slot| slot.waker.take())
            .collect()
    }
}

/// Walks a part of the tree without a stack of its own.
struct Inside<'a> {
    slots: &'a Slots,
    /// The walk stays inside of it.
    top: Index,
    next: Index,
}

impl Iterator for Inside<'_> {
    type Item = Index;

    fn next(&mut self) -> Option<Index> {
        let found = self.next;
        if found == NONE {
            return None;
        }
        let slot = self.slots.at(found);
        self.next = if slot.opaque { NONE } else { slot.first_child };
        let mut at = found;
        while self.next == NONE && at != self.top {
            self.next = self.slots.at(at).next;
            at = self.slots.at(at).parent;
            if at == NONE {
                break;
            }
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::slots::Kind;

    fn waker() -> Waker {
        Waker::noop().clone()
    }

    fn request(slots: &mut Slots, origin: Index) -> (Next, Vec<Waker>) {
        slots.request(Asker::Slot(slots.key(origin)))
    }

    fn settle(slots: &mut Slots, origin: Index) -> (Next, Vec<Waker>) {
        slots.settle(Asker::Slot(slots.key(origin)))
    }

    #[test]
    fn the_innermost_handlers_are_asked_first_and_each_once() {
        let mut slots = Slots::new();
        let origin = slots.insert(Kind::Origin, None, waker());
        let outer = slots.insert(Kind::Handler, Some(origin), waker());
        let between = slots.insert(Kind::Origin, Some(outer), waker());
        let inner = slots.insert(Kind::Handler, Some(between), waker());
        let beside = slots.insert(Kind::Handler, Some(origin), waker());
        let elsewhere = slots.insert(Kind::Handler, None, waker());
        let asker = Asker::Slot(slots.key(origin));
        slots.set_in_force(asker, true);
        assert_eq!(slots.ask(asker).0, 2);
        assert_eq!(slots.handler(inner), HandlerState::Asked);
        assert_eq!(slots.handler(beside), HandlerState::Asked);
        assert_eq!(slots.handler(outer), HandlerState::Idle);
        assert_eq!(slots.handler(elsewhere), HandlerState::Idle);
        assert_eq!(slots.settle(asker).0, Next::Wait);
        slots.answer(inner, Answer::Passed);
        slots.answer(beside, Answer::Swallowed);
        assert_eq!(slots.settle(asker).0, Next::Poll);
        assert_eq!(slots.handler(outer), HandlerState::Asked);
        drop(slots.remove(outer));
        assert_eq!(slots.settle(asker).0, Next::Drop);
    }

    #[test]
    fn a_request_that_everybody_swallowed_is_withdrawn_if_it_allows_that() {
        for (kind, next) in [(Kind::Origin, Next::Withdraw), (Kind::Firm, Next::Drop)] {
            let mut slots = Slots::new();
            let origin = slots.insert(kind, None, waker());
            let handler = slots.insert(Kind::Handler, Some(origin), waker());
            assert_eq!(request(&mut slots, origin).0, Next::Poll);
            assert!(slots.is_felt(origin));
            slots.answer(handler, Answer::Swallowed);
            assert_eq!(slots.is_felt(origin), kind == Kind::Firm);
            assert_eq!(settle(&mut slots, origin).0, next);
        }
    }

    #[test]
    fn what_is_inside_of_a_removed_frame_stays_in_the_tree() {
        let mut slots = Slots::new();
        let outer = slots.insert(Kind::Origin, None, waker());
        let middle = slots.insert(Kind::Origin, Some(outer), waker());
        let inner: Vec<Index> = (0..3)
            .map(|_| slots.insert(Kind::Handler, Some(middle), waker()))
            .collect();
        let stale = slots.key(middle);
        assert!(slots.remove(middle).is_some());
        assert_eq!(slots.index(stale), None);
        assert_eq!(slots.len(), 4);
        let asker = Asker::Slot(slots.key(outer));
        assert_eq!(slots.ask(asker).0, 3);
        assert!(
            inner
                .iter()
                .all(|&key| slots.handler(key) == HandlerState::Asked)
        );
        let next = slots.insert(Kind::Origin, None, waker());
        assert_ne!(slots.key(next), stale, "a used slot has another generation");
        assert_eq!(slots.len(), 5);
    }

    #[test]
    fn a_handler_that_another_asker_waits_for_is_waited_for_too() {
        let mut slots = Slots::new();
        let outer = slots.insert(Kind::Origin, None, waker());
        let inner = slots.insert(Kind::Origin, Some(outer), waker());
        let handler = slots.insert(Kind::Handler, Some(inner), waker());
        let beside = slots.insert(Kind::Handler, Some(outer), waker());
        assert_eq!(request(&mut slots, inner).0, Next::Poll);
        assert_eq!(request(&mut slots, outer).0, Next::Wait);
        drop(slots.remove(inner)); // its asker is gone
        assert_eq!(settle(&mut slots, outer).0, Next::Wait);
        slots.answer(handler, Answer::Passed);
        assert_eq!(settle(&mut slots, outer).0, Next::Poll);
        assert_eq!(settle(&mut slots, outer).0, Next::Wait);
        drop(slots.remove(beside));
        assert_eq!(settle(&mut slots, outer).0, Next::Drop);
        assert_eq!(slots.unanswered, 0);
    }

    #[test]
    fn nobody_outside_sees_through_a_shield() {
        let mut slots = Slots::new();
        let outside = slots.insert(Kind::Origin, None, waker());
        let shield = slots.insert(Kind::Shield, Some(outside), waker());
        let origin = slots.insert(Kind::Origin, Some(shield), waker());
        let handler = slots.insert(Kind::Handler, Some(origin), waker());
        assert_eq!(request(&mut slots, outside).0, Next::Poll);
        assert_eq!(slots.handler(shield), HandlerState::Asked);
        assert_eq!(slots.handler(handler), HandlerState::Idle);
        assert_eq!(request(&mut slots, origin).0, Next::Poll);
        assert_eq!(slots.handler(handler), HandlerState::Asked);
    }

    #[test]
    fn a_walk_goes_on_beside_what_it_has_gone_deep_into() {
        let mut slots = Slots::new();
        let origin = slots.insert(Kind::Origin, None, waker());
        let last = slots.insert(Kind::Handler, Some(origin), waker());
        let between = slots.insert(Kind::Origin, Some(origin), waker());
        let deeper = slots.insert(Kind::Origin, Some(between), waker());
        let deep = slots.insert(Kind::Handler, Some(deeper), waker());
        let asker = Asker::Slot(slots.key(origin));
        assert_eq!(slots.ask(asker).0, 2);
        let asked = [deep, last].map(|index| slots.handler(index));
        assert_eq!(asked, [HandlerState::Asked; 2]);
        assert_eq!(slots.unanswered, 2);
        assert_eq!(slots.request_of(asker).unwrap().unanswered, 2);
    }

    #[test]
    fn who_was_asked_is_waited_for_wherever_it_is_now() {
        let mut slots = Slots::new();
        let origin = slots.insert(Kind::Origin, None, waker());
        let elsewhere = slots.insert(Kind::Origin, None, waker());
        let handler = slots.insert(Kind::Handler, Some(origin), waker());
        slots.insert(Kind::Handler, Some(elsewhere), waker());
        assert_eq!(request(&mut slots, origin).0, Next::Poll);
        assert_eq!(request(&mut slots, elsewhere).0, Next::Poll);
        slots.set_busy(handler);
        assert_eq!(slots.handler(handler), HandlerState::Busy);
        slots.move_to(handler, Some(elsewhere));
        assert_eq!(settle(&mut slots, origin).0, Next::Wait);
        slots.answer(handler, Answer::Swallowed);
        assert_eq!(settle(&mut slots, origin).0, Next::Withdraw);
        assert_eq!(settle(&mut slots, elsewhere).0, Next::Wait);
    }

    #[test]
    fn an_origin_that_becomes_a_shield_is_asked_and_passes_when_it_is_one_no_more() {
        let mut slots = Slots::new();
        let outside = slots.insert(Kind::Origin, None, waker());
        let changes = slots.insert(Kind::Origin, Some(outside), waker());
        let inside = slots.insert(Kind::Handler, Some(changes), waker());
        slots.set_shield(changes, true);
        assert_eq!(request(&mut slots, outside).0, Next::Poll);
        slots.set_shield(changes, true); // as it is
        let states = [changes, inside].map(|index| slots.handler(index));
        assert_eq!(states, [HandlerState::Asked, HandlerState::Idle]);
        assert_eq!(settle(&mut slots, outside).0, Next::Wait);
        slots.set_shield(changes, false);
        assert_eq!(settle(&mut slots, outside).0, Next::Poll, "it has passed");
        assert_eq!(slots.handler(inside), HandlerState::Asked);
        slots.set_opaque(changes);
        assert!(slots.at(changes).opaque);
    }
}
