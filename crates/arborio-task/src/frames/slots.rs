//! The tree of frames of one task.
//!
//! Plain data; who may touch it, and when, is said in [`super::table`]. A slot
//! stands for a frame, a future that takes part in cancellation:
//!
//! * an *origin* is where a request is made. The root of the tree, the task
//!   itself, is one without a slot;
//! * a *handler* answers requests of the origins around it.
//!
//! # Invariants
//! - T1: the links of the slots in use form a forest: `parent` leads outward,
//!   and a slot is in the list of children of its parent, or of the root.
//! - T2: a key names a slot only while their generations agree.

use std::task::Waker;

/// Where a slot is. A frame that has a slot knows it so: it is the one who removes it.
pub(crate) type Index = u32;

/// Names a slot for others, until it is removed (T2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    index: Index,
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

/// What a frame is. Of two bytes, so that a new frame is two words of constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Kind {
    Origin,
    /// An origin whose requests may not be swallowed.
    Firm,
    Handler,
    /// A handler that nobody outside sees through.
    Shield,
    /// The same, but those inside see the limits outside.
    Gate,
}

impl Kind {
    #[inline(always)]
    pub(super) fn is_origin(self) -> bool {
        matches!(self, Self::Origin | Self::Firm)
    }
}

/// What a frame that has a slot holds of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Holds {
    Nothing,
    /// The root's count: it is the outermost one of its tree, under a foreign executor.
    Tree,
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
pub(super) struct Request {
    /// It may not be swallowed.
    pub(super) firm: bool,
    pub(super) in_force: bool,
    pub(super) passed: bool,
    pub(super) swallowed: bool,
    /// How many of those that it asked have not answered.
    pub(super) unanswered: u32,
}

impl Request {
    /// Whether all who were asked have swallowed it.
    pub(super) fn is_taken_back(&self) -> bool {
        let all_have = self.in_force && self.swallowed && !self.passed && self.unanswered == 0;
        all_have && !self.firm
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Role {
    Free,
    Origin(Request),
    Handler { state: HandlerState, by: Asker },
}

/// No slot.
pub(super) const NONE: Index = u32::MAX;

pub(super) struct Slot {
    generation: u32,
    pub(super) parent: Index,
    pub(super) first_child: Index,
    /// The next sibling; of a free slot, the next free one.
    pub(super) next: Index,
    previous: Index,
    /// The round of `ask` that saw a handler to be asked inside this one.
    pub(super) covered: u32,
    pub(super) role: Role,
    /// Requests from outside end here: what is inside is not asked.
    pub(super) opaque: bool,
    /// Has polled the frame last.
    pub(super) waker: Option<Waker>,
}

/// The role of a handler that nobody has asked.
pub(super) const fn handler() -> Role {
    Role::Handler {
        state: HandlerState::Idle,
        by: Asker::Root,
    }
}

/// The frames of one task.
pub(crate) struct Slots {
    pub(super) slots: Vec<Slot>,
    first_free: Index,
    pub(super) first_child: Index,
    /// What the task itself has heard.
    pub(super) root: Request,
    /// How many handlers are Asked or Busy, whoever has asked them.
    pub(super) unanswered: u32,
    /// Counts the calls of `ask`.
    pub(super) round: u32,
}

impl Slots {
    pub(crate) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            first_free: NONE,
            first_child: NONE,
            root: Request {
                firm: false,
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

    /// The slot that `key` names, if it is still there (T2).
    pub(super) fn index(&self, key: Key) -> Option<Index> {
        let slot = self.slots.get(key.index as usize)?;
        (slot.generation == key.generation).then_some(key.index)
    }

    /// The name of a slot in use.
    pub(super) fn key(&self, index: Index) -> Key {
        let generation = self.at(index).generation;
        Key { index, generation }
    }

    pub(super) fn at(&self, index: Index) -> &Slot {
        &self.slots[index as usize]
    }

    pub(super) fn at_mut(&mut self, index: Index) -> &mut Slot {
        &mut self.slots[index as usize]
    }

    /// Adds a frame inside `parent`, or inside the root.
    pub(crate) fn insert(&mut self, kind: Kind, parent: Option<Index>, waker: Waker) -> Index {
        let parent = parent.unwrap_or(NONE);
        let role = match kind {
            Kind::Origin | Kind::Firm => Role::Origin(Request {
                firm: kind == Kind::Firm,
                ..Request::default()
            }),
            Kind::Handler | Kind::Shield | Kind::Gate => handler(),
        };
        let index = self.unused();
        let slot = self.at_mut(index);
        slot.role = role;
        slot.opaque = matches!(kind, Kind::Shield | Kind::Gate);
        slot.waker = Some(waker);
        slot.covered = 0;
        slot.first_child = NONE;
        self.link(index, parent);
        index
    }

    fn unused(&mut self) -> Index {
        if self.first_free != NONE {
            let index = self.first_free;
            self.first_free = self.at(index).next;
            return index;
        }
        if self.slots.capacity() == 0 {
            self.slots.reserve_exact(2); // an origin and a handler, mostly
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

    fn children_of(&mut self, parent: Index) -> &mut Index {
        match parent {
            NONE => &mut self.first_child,
            parent => &mut self.slots[parent as usize].first_child,
        }
    }

    fn link(&mut self, index: Index, parent: Index) {
        let first = std::mem::replace(self.children_of(parent), index);
        if first != NONE {
            self.at_mut(first).previous = index;
        }
        let slot = self.at_mut(index);
        (slot.parent, slot.next, slot.previous) = (parent, first, NONE);
    }

    fn unlink(&mut self, index: Index) {
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
    pub(crate) fn remove(&mut self, index: Index) -> Option<Waker> {
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
    pub(crate) fn move_to(&mut self, index: Index, parent: Option<Index>) {
        let parent = parent.unwrap_or(NONE);
        if self.at(index).parent != parent {
            self.unlink(index);
            self.link(index, parent);
        }
    }

    /// Whether polls of the frame's task reach it by `waker` already.
    pub(crate) fn is_woken_by(&self, index: Index, waker: &Waker) -> bool {
        let old = self.at(index).waker.as_ref();
        old.is_some_and(|old| old.will_wake(waker))
    }

    /// Puts another waker in, and gives the old one back.
    pub(crate) fn set_waker(&mut self, index: Index, waker: Waker) -> Option<Waker> {
        self.at_mut(index).waker.replace(waker)
    }

    /// How many frames there are.
    pub(crate) fn len(&self) -> usize {
        let in_use = |slot: &&Slot| !matches!(slot.role, Role::Free);
        self.slots.iter().filter(in_use).count()
    }

    /// The wakers of all frames: nobody will be asked any more.
    pub(crate) fn take_wakers(&mut self) -> Vec<Waker> {
        let wakers = self.slots.iter_mut().map(|slot| slot.waker.take());
        wakers.flatten().collect()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{sync::Arc, task::Wake};

    use super::*;
    use crate::frames::asking::Next;

    struct Bell;

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {}
    }

    fn bell() -> Waker {
        Waker::from(Arc::new(Bell))
    }

    #[test]
    fn origins_ask_and_the_others_are_asked() {
        assert!([Kind::Origin, Kind::Firm].into_iter().all(Kind::is_origin));
        let others = [Kind::Handler, Kind::Shield, Kind::Gate];
        assert!(!others.into_iter().any(Kind::is_origin));
    }

    #[test]
    fn the_first_slots_take_the_memory_of_two() {
        let mut slots = Slots::new();
        slots.insert(Kind::Origin, None, bell());
        assert_eq!(slots.slots.capacity(), 2);
    }

    #[test]
    fn cleared_slots_are_new_ones_in_the_same_memory() {
        let mut slots = Slots::new();
        let handler = slots.insert(Kind::Handler, None, bell());
        slots.insert(Kind::Handler, None, bell());
        drop(slots.remove(handler));
        assert_eq!(slots.request(Asker::Root).0, Next::Poll);
        let memory = slots.slots.as_ptr();
        slots.clear();
        assert_eq!((slots.len(), slots.slots.len()), (0, 0));
        assert_eq!(slots.slots.as_ptr(), memory);
        assert_eq!((slots.first_free, slots.first_child), (NONE, NONE));
        assert_eq!((slots.root.in_force, slots.unanswered), (false, 0));
        assert_eq!(slots.insert(Kind::Handler, None, bell()), 0);
    }

    #[test]
    fn a_frame_that_moves_is_asked_where_it_is_now() {
        let mut slots = Slots::new();
        let from = slots.insert(Kind::Origin, None, bell());
        let to = slots.insert(Kind::Origin, None, bell());
        let moves = slots.insert(Kind::Handler, Some(from), bell());
        let stays = slots.insert(Kind::Handler, Some(from), bell());
        slots.move_to(stays, Some(from));
        slots.move_to(moves, Some(to));
        let ask = |slots: &mut Slots, origin| slots.request(Asker::Slot(slots.key(origin))).0;
        assert_eq!(ask(&mut slots, from), Next::Poll);
        let states = |slots: &Slots| [moves, stays].map(|index| slots.handler(index));
        assert_eq!(states(&slots), [HandlerState::Idle, HandlerState::Asked]);
        assert_eq!(ask(&mut slots, to), Next::Poll);
        assert_eq!(states(&slots), [HandlerState::Asked, HandlerState::Asked]);
        slots.move_to(moves, None);
        assert_eq!(slots.at(moves).parent, NONE);
    }

    #[test]
    fn a_frame_knows_who_has_polled_it_last() {
        let mut slots = Slots::new();
        let [first, second] = [bell(), bell()];
        let frame = slots.insert(Kind::Handler, None, first.clone());
        assert!(slots.is_woken_by(frame, &first) && !slots.is_woken_by(frame, &second));
        let old = slots.set_waker(frame, second.clone()).expect("the first");
        assert!(old.will_wake(&first) && slots.is_woken_by(frame, &second));
        let (_, wakers) = slots.request(Asker::Root);
        assert!(matches!(&wakers[..], [waker] if waker.will_wake(&second)));
        assert!(
            !slots.is_woken_by(frame, &second),
            "its next poll brings one"
        );
    }
}
