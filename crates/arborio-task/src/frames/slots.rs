//! The tree of frames of one task: who may be asked, who was, and what they said.
//!
//! Plain data; who may touch it, and when, is said in [`super::table`]. A slot
//! stands for a frame, a future that takes part in cancellation:
//!
//! * an *origin* is where a request is made. The root of the tree, the task
//!   itself, is one without a slot;
//! * a *handler* answers requests of the origins around it.
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
//!
//! # Invariants
//! - T1: the links of the slots in use form a forest: `parent` leads outward,
//!   and a slot is in the list of children of its parent, or of the root.
//! - T2: a key names a slot only while their generations agree.

use std::task::Waker;

/// Names a slot, until it is removed (T2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

/// Who makes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The task itself.
    Root,
    /// An origin inside of it.
    Slot(Key),
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Origin,
    Handler,
    /// A handler that nobody outside sees through.
    Shield,
    /// The same, but those inside see the limits outside.
    Gate,
}

/// What a handler says to a request.
///
/// # Examples
/// ```
/// use arborio_task::frames::Answer;
/// assert_ne!(Answer::Passed, Answer::Swallowed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The request goes on to the handlers further out.
    Passed,
    /// Whoever asked may go on as if nothing had happened, if the request
    /// allows that.
    Swallowed,
}

/// What a handler may be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandlerState {
    Idle,
    Asked,
    Busy,
    Done,
}

/// What an origin has heard since it made its request.
#[derive(Clone, Copy, Debug, Default)]
struct Request {
    in_force: bool,
    passed: bool,
    swallowed: bool,
    /// How many of those that it asked have not answered.
    unanswered: u32,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Free,
    Origin(Request),
    Handler { state: HandlerState, by: Asker },
}

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

/// No slot.
const NONE: u32 = u32::MAX;

struct Slot {
    generation: u32,
    parent: u32,
    first_child: u32,
    /// The next sibling; of a free slot, the next free one.
    next: u32,
    previous: u32,
    /// The round of `ask` that saw a handler to be asked inside this one.
    covered: u32,
    role: Role,
    /// Requests from outside end here: what is inside is not asked.
    opaque: bool,
    waker: Option<Waker>,
}

/// The role of a handler that nobody has asked.
const fn handler() -> Role {
    Role::Handler {
        state: HandlerState::Idle,
        by: Asker::Root,
    }
}

/// The frames of one task.
pub(crate) struct Slots {
    slots: Vec<Slot>,
    first_free: u32,
    first_child: u32,
    root: Request,
    /// How many handlers are Asked or Busy, whoever has asked them.
    unanswered: u32,
    round: u32,
}

impl Slots {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            first_free: NONE,
            first_child: NONE,
            root: Request {
                in_force: false,
                passed: false,
                swallowed: false,
                unanswered: 0,
            },
            unanswered: 0,
            round: 0,
        }
    }

    /// Nothing, in the memory that is there. No key of a slot may be left.
    #[cfg(not(loom))]
    pub(crate) fn clear(&mut self) {
        let slots = std::mem::take(&mut self.slots);
        *self = Self::new();
        self.slots = slots;
        self.slots.clear();
    }

    fn index(&self, key: Key) -> Option<u32> {
        let slot = self.slots.get(key.index as usize)?;
        (slot.generation == key.generation).then_some(key.index)
    }

    fn slot(&self, key: Key) -> Option<&Slot> {
        self.index(key).map(|index| self.at(index))
    }

    fn slot_mut(&mut self, key: Key) -> Option<&mut Slot> {
        self.index(key).map(|index| self.at_mut(index))
    }

    fn at(&self, index: u32) -> &Slot {
        &self.slots[index as usize]
    }

    fn at_mut(&mut self, index: u32) -> &mut Slot {
        &mut self.slots[index as usize]
    }

    /// Adds a frame inside `parent`, or inside the root.
    pub(crate) fn insert(&mut self, kind: Kind, parent: Option<Key>, waker: Waker) -> Key {
        let parent = parent.and_then(|key| self.index(key)).unwrap_or(NONE);
        let role = match kind {
            Kind::Origin => Role::Origin(Request::default()),
            Kind::Handler | Kind::Shield | Kind::Gate => handler(),
        };
        let index = self.unused();
        let slot = self.at_mut(index);
        slot.role = role;
        slot.opaque = matches!(kind, Kind::Shield | Kind::Gate);
        slot.waker = Some(waker);
        slot.covered = 0;
        slot.first_child = NONE;
        let generation = slot.generation;
        self.link(index, parent);
        Key { index, generation }
    }

    fn unused(&mut self) -> u32 {
        if self.first_free != NONE {
            let index = self.first_free;
            self.first_free = self.at(index).next;
            return index;
        }
        self.slots.push(Slot {
            generation: 0,
            parent: NONE,
            first_child: NONE,
            next: NONE,
            previous: NONE,
            covered: 0,
            role: Role::Free,
            opaque: false,
            waker: None,
        });
        u32::try_from(self.slots.len() - 1).expect("fewer frames than 2^32 in one task")
    }

    fn children_of(&mut self, parent: u32) -> &mut u32 {
        match parent {
            NONE => &mut self.first_child,
            parent => &mut self.slots[parent as usize].first_child,
        }
    }

    fn link(&mut self, index: u32, parent: u32) {
        let first = std::mem::replace(self.children_of(parent), index);
        if first != NONE {
            self.at_mut(first).previous = index;
        }
        let slot = self.at_mut(index);
        (slot.parent, slot.next, slot.previous) = (parent, first, NONE);
    }

    fn unlink(&mut self, index: u32) {
        let Slot {
            parent,
            next,
            previous,
            ..
        } = *self.at(index);
        match previous {
            NONE => *self.children_of(parent) = next,
            previous => self.at_mut(previous).next = next,
        }
        if next != NONE {
            self.at_mut(next).previous = previous;
        }
    }

    /// Takes a frame out; what is inside of it hangs on its parent then. Gives
    /// back its waker, to be dropped by the caller.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Waker> {
        let index = self.index(key)?;
        self.pass_if_asked(self.at(index).role);
        let parent = self.at(index).parent;
        self.unlink(index);
        while self.at(index).first_child != NONE {
            let child = self.at(index).first_child;
            self.unlink(child);
            self.link(child, parent);
        }
        let free = std::mem::replace(&mut self.first_free, index);
        let slot = self.at_mut(index);
        slot.role = Role::Free;
        slot.next = free;
        slot.generation = slot.generation.wrapping_add(1);
        slot.waker.take()
    }

    /// Hangs a frame on another parent, if it is not there already.
    pub(crate) fn move_to(&mut self, key: Key, parent: Option<Key>) {
        let Some(index) = self.index(key) else { return };
        let parent = parent.and_then(|key| self.index(key)).unwrap_or(NONE);
        if self.at(index).parent != parent {
            self.unlink(index);
            self.link(index, parent);
        }
    }

    /// Whether polls of the frame's task reach it by `waker` already.
    pub(crate) fn is_woken_by(&self, key: Key, waker: &Waker) -> bool {
        let slot = self.slot(key);
        slot.is_some_and(|slot| slot.waker.as_ref().is_some_and(|old| old.will_wake(waker)))
    }

    /// Puts another waker in, and gives the old one back.
    pub(crate) fn set_waker(&mut self, key: Key, waker: Waker) -> Option<Waker> {
        match self.slot_mut(key) {
            Some(slot) => slot.waker.replace(waker),
            None => Some(waker),
        }
    }

    fn request_of(&mut self, asker: Asker) -> Option<&mut Request> {
        match asker {
            Asker::Root => Some(&mut self.root),
            Asker::Slot(key) => match &mut self.slot_mut(key)?.role {
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
                ..Request::default()
            };
        }
    }

    /// What a handler was told.
    pub(crate) fn handler(&self, key: Key) -> HandlerState {
        match self.slot(key).map(|slot| slot.role) {
            Some(Role::Handler { state, .. }) => state,
            _ => HandlerState::Idle,
        }
    }

    /// The handler is at it.
    pub(crate) fn set_busy(&mut self, key: Key) {
        if let Some(Role::Handler { state, .. }) = self.slot_mut(key).map(|slot| &mut slot.role) {
            *state = HandlerState::Busy;
        }
    }

    /// Nobody outside sees through the frame any more.
    pub(crate) fn set_opaque(&mut self, key: Key) {
        if let Some(slot) = self.slot_mut(key) {
            slot.opaque = true;
        }
    }

    /// Makes an origin into a shield, or a shield into an origin. A shield that was
    /// asked has passed then.
    pub(crate) fn set_shield(&mut self, key: Key, on: bool) {
        let Some(slot) = self.slot_mut(key) else {
            return;
        };
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
    fn pass_if_asked(&mut self, role: Role) {
        if let Role::Handler {
            state: HandlerState::Asked | HandlerState::Busy,
            by,
        } = role
        {
            self.tell(by, Answer::Passed);
        }
    }

    /// The handler has answered whoever asked it.
    pub(crate) fn answer(&mut self, key: Key, answer: Answer) {
        let Some(slot) = self.slot_mut(key) else {
            return;
        };
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
        let unasked: Vec<u32> = self
            .inside(asker)
            .filter(|&index| idle(self.at(index)))
            .collect();
        for &index in &unasked {
            self.cover_outward(index);
        }
        let (mut asked, mut wakers) = (0, Vec::new());
        for index in unasked {
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
    fn cover_outward(&mut self, index: u32) {
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
        self.settle(asker, false)
    }

    /// What `asker`, whose request is in force and whose inside is pending, has to
    /// do. The wakers are those of the handlers that were asked.
    pub(crate) fn settle(&mut self, asker: Asker, may_swallow: bool) -> (Next, Vec<Waker>) {
        if self.is_busy_inside(asker) {
            return (Next::Wait, Vec::new());
        }
        let heard = self.request_of(asker).map(|request| *request);
        let swallowed = heard.is_some_and(|heard| heard.swallowed && !heard.passed);
        if swallowed && may_swallow {
            self.set_in_force(asker, false);
            return (Next::Withdraw, Vec::new());
        }
        let (asked, wakers) = self.ask(asker);
        let next = if asked == 0 { Next::Drop } else { Next::Poll };
        (next, wakers)
    }

    /// Whether a request of `asker` is in force.
    pub(crate) fn is_in_force(&self, asker: Asker) -> bool {
        match asker {
            Asker::Root => self.root.in_force,
            Asker::Slot(key) => {
                let slot = self.slot(key);
                slot.is_some_and(
                    |slot| matches!(slot.role, Role::Origin(request) if request.in_force),
                )
            }
        }
    }

    /// How many frames there are.
    pub(crate) fn len(&self) -> usize {
        let in_use = |slot: &&Slot| !matches!(slot.role, Role::Free);
        self.slots.iter().filter(in_use).count()
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

    /// The wakers of all frames: nobody will be asked any more.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        let wakers = self.slots.iter_mut().map(|slot| slot.waker.take());
        wakers.flatten().collect()
    }
}

/// Walks a part of the tree without a stack of its own.
struct Inside<'a> {
    slots: &'a Slots,
    /// The walk stays inside of it.
    top: u32,
    next: u32,
}

impl Iterator for Inside<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
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

    fn waker() -> Waker {
        Waker::noop().clone()
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
        let asker = Asker::Slot(origin);
        slots.set_in_force(asker, true);
        assert_eq!(slots.ask(asker).0, 2);
        assert_eq!(slots.handler(inner), HandlerState::Asked);
        assert_eq!(slots.handler(beside), HandlerState::Asked);
        assert_eq!(slots.handler(outer), HandlerState::Idle);
        assert_eq!(slots.handler(elsewhere), HandlerState::Idle);
        assert_eq!(slots.settle(asker, true).0, Next::Wait);
        slots.answer(inner, Answer::Passed);
        slots.answer(beside, Answer::Swallowed);
        assert_eq!(slots.settle(asker, true).0, Next::Poll);
        assert_eq!(slots.handler(outer), HandlerState::Asked);
        drop(slots.remove(outer));
        assert_eq!(slots.settle(asker, true).0, Next::Drop);
    }

    #[test]
    fn a_request_that_everybody_swallowed_is_withdrawn_if_it_allows_that() {
        for may_swallow in [true, false] {
            let mut slots = Slots::new();
            let handler = slots.insert(Kind::Handler, None, waker());
            slots.set_in_force(Asker::Root, true);
            assert_eq!(slots.ask(Asker::Root).0, 1);
            slots.answer(handler, Answer::Swallowed);
            let next = if may_swallow {
                Next::Withdraw
            } else {
                Next::Drop
            };
            assert_eq!(slots.settle(Asker::Root, may_swallow).0, next);
        }
    }

    #[test]
    fn what_is_inside_of_a_removed_frame_stays_in_the_tree() {
        let mut slots = Slots::new();
        let outer = slots.insert(Kind::Origin, None, waker());
        let middle = slots.insert(Kind::Origin, Some(outer), waker());
        let inner: Vec<Key> = (0..3)
            .map(|_| slots.insert(Kind::Handler, Some(middle), waker()))
            .collect();
        assert!(slots.remove(middle).is_some());
        assert!(slots.remove(middle).is_none(), "its key is stale");
        assert_eq!(slots.len(), 4);
        assert_eq!(slots.ask(Asker::Slot(outer)).0, 3);
        assert!(
            inner
                .iter()
                .all(|&key| slots.handler(key) == HandlerState::Asked)
        );
        let next = slots.insert(Kind::Origin, None, waker());
        assert_ne!(next, middle, "a used slot has another generation");
        assert_eq!(slots.len(), 5);
    }

    #[test]
    fn a_handler_that_another_asker_waits_for_is_waited_for_too() {
        let mut slots = Slots::new();
        let outer = slots.insert(Kind::Origin, None, waker());
        let inner = slots.insert(Kind::Origin, Some(outer), waker());
        let handler = slots.insert(Kind::Handler, Some(inner), waker());
        let beside = slots.insert(Kind::Handler, Some(outer), waker());
        assert_eq!(slots.request(Asker::Slot(inner)).0, Next::Poll);
        assert_eq!(slots.request(Asker::Slot(outer)).0, Next::Wait);
        drop(slots.remove(inner)); // its asker is gone
        assert_eq!(slots.settle(Asker::Slot(outer), true).0, Next::Wait);
        slots.answer(handler, Answer::Passed);
        assert_eq!(slots.settle(Asker::Slot(outer), true).0, Next::Poll);
        assert_eq!(slots.settle(Asker::Slot(outer), true).0, Next::Wait);
        drop(slots.remove(beside));
        assert_eq!(slots.settle(Asker::Slot(outer), true).0, Next::Drop);
        assert_eq!(slots.unanswered, 0);
    }

    #[test]
    fn nobody_outside_sees_through_a_shield() {
        let mut slots = Slots::new();
        let outside = slots.insert(Kind::Origin, None, waker());
        let shield = slots.insert(Kind::Shield, Some(outside), waker());
        let origin = slots.insert(Kind::Origin, Some(shield), waker());
        let handler = slots.insert(Kind::Handler, Some(origin), waker());
        assert_eq!(slots.request(Asker::Slot(outside)).0, Next::Poll);
        assert_eq!(slots.handler(shield), HandlerState::Asked);
        assert_eq!(slots.handler(handler), HandlerState::Idle);
        assert_eq!(slots.request(Asker::Slot(origin)).0, Next::Poll);
        assert_eq!(slots.handler(handler), HandlerState::Asked);
    }
}
