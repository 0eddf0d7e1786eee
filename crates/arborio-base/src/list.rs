//! A circular doubly linked list whose links lie in its members.
//!
//! # Invariants
//! - D1: a member is in one list at most; `next` and `prev` are both set then,
//!   and both `None` otherwise.
//! - D2: a list does not move once it had a member: its members point to it.
//! - D3: a list and its members belong to one owner, who alone touches them.

use std::ptr::NonNull;

use crate::Plain;

/// The two neighbours of a member, or of the list's own place in the circle.
///
/// # Examples
/// ```
/// use arborio_base::{Links, List};
/// use std::ptr::NonNull;
/// let list = List::new();
/// let member = Links::new();
/// let place = NonNull::from(&member);
/// // SAFETY: neither moves, both are ours, and the member is in no list.
/// unsafe { list.push_back(place) };
/// assert_eq!(list.first(), Some(place));
/// // SAFETY: the member is alive and its list is ours.
/// unsafe { arborio_base::unlink(place) };
/// assert_eq!(list.first(), None);
/// ```
#[derive(Debug)]
#[repr(C)]
pub struct Links {
    next: Plain<Option<NonNull<Links>>>,
    prev: Plain<Option<NonNull<Links>>>,
}

impl Links {
    /// Links of a member that is in no list.
    pub fn new() -> Self {
        Self {
            next: Plain::new(None),
            prev: Plain::new(None),
        }
    }
}

/// Takes the member out of its list, if it is in one.
///
/// # Safety
/// The caller is the owner of the list (D3), and `member` is alive.
pub unsafe fn unlink(member: NonNull<Links>) {
    // SAFETY: alive, says the caller.
    let links = unsafe { member.as_ref() };
    let (Some(next), Some(prev)) = (links.next.replace(None), links.prev.replace(None)) else {
        return;
    };
    // SAFETY: neighbours are alive: a member leaves the list before it dies.
    unsafe { next.as_ref() }.prev.set(Some(prev));
    // SAFETY: as above.
    unsafe { prev.as_ref() }.next.set(Some(next));
}

impl Default for Links {
    fn default() -> Self {
        Self::new()
    }
}

/// A circular list of members that embed [`Links`], which see for an example.
#[derive(Debug)]
pub struct List {
    /// The list's own place in the circle.
    ends: Links,
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    /// A list without members. The first one closes the circle (D2).
    pub fn new() -> Self {
        Self { ends: Links::new() }
    }

    fn own_place(&self) -> NonNull<Links> {
        NonNull::from(&self.ends)
    }

    /// Adds `member` at the end.
    ///
    /// # Safety
    /// The list is where it will stay (D2), the caller owns it, `member` is
    /// alive and in no list.
    #[inline]
    pub unsafe fn push_back(&self, member: NonNull<Links>) {
        let last = self.ends.prev.get().unwrap_or(self.own_place());
        // SAFETY: alive, says the caller.
        let links = unsafe { member.as_ref() };
        links.next.set(Some(self.own_place()));
        links.prev.set(Some(last));
        // SAFETY: the last member, or the list itself: alive either way.
        unsafe { last.as_ref() }.next.set(Some(member));
        self.ends.prev.set(Some(member));
    }

    /// The first member.
    pub fn first(&self) -> Option<NonNull<Links>> {
        self.ends
            .next
            .get()
            .filter(|&first| first != self.own_place())
    }

    /// The member after `member`.
    ///
    /// # Safety
    /// `member` is alive and in this list.
    pub unsafe fn after(&self, member: NonNull<Links>) -> Option<NonNull<Links>> {
        // SAFETY: alive, says the caller.
        let next = unsafe { member.as_ref() }.next.get();
        next.filter(|&next| next != self.own_place())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The members, from the first.
    fn members(list: &List) -> Vec<NonNull<Links>> {
        let mut found: Vec<_> = list.first().into_iter().collect();
        while let Some(&last) = found.last() {
            // SAFETY: the caller's members are alive, and this one is in the list.
            let Some(next) = (unsafe { list.after(last) }) else {
                break;
            };
            found.push(next);
        }
        found
    }

    #[test]
    fn members_leave_from_everywhere_and_come_back_at_the_end() {
        let list = List::new();
        assert_eq!(list.first(), None);
        let links = [(); 4].map(|()| Links::new());
        let [a, b, c, d] = links.each_ref().map(NonNull::from);
        for member in [a, b, c, d] {
            // SAFETY: neither moves, all are ours, and the member is in no list.
            unsafe { list.push_back(member) };
        }
        assert_eq!(members(&list), [a, b, c, d]);
        for (member, left) in [(b, [a, c, d].as_slice()), (a, &[c, d]), (d, &[c])] {
            // SAFETY: the member is alive and the list is ours.
            unsafe { unlink(member) };
            assert_eq!(members(&list), left);
            // SAFETY: as above; a member of no list stays in none.
            unsafe { unlink(member) };
            assert_eq!(members(&list), left);
        }
        // SAFETY: `a` has left, so it is in no list.
        unsafe { list.push_back(a) };
        assert_eq!(members(&list), [c, a]);
    }
}
