//! Entries that lie in lists: first in, first out, and out of the middle in one step.
//!
//! # Invariants
//! - H1: an entry lies in exactly one of the lists; a free slot lies in none, and is
//!   linked into the list of free slots by `after`.
//! - H2: a key is good until its entry is removed; the next entry may get the same one.

/// Names an entry (H2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u32);

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Shelf<V, const LISTS: usize> {
    slots: Vec<Slot<V>>,
    free: Option<Key>,
    lists: [List; LISTS],
}

#[derive(Debug)]
struct Slot<V> {
    /// `None` if the slot is free.
    value: Option<V>,
    list: usize,
    before: Option<Key>,
    after: Option<Key>,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: Option<Key>,
    last: Option<Key>,
    length: usize,
}

impl<V, const LISTS: usize> Shelf<V, LISTS> {
    pub(crate) const fn new() -> Self {
        let list = List {
            first: None,
            last: None,
            length: 0,
        };
        Self {
            slots: Vec::new(),
            free: None,
            lists: [list; LISTS],
        }
    }

    /// How many entries `list` has.
    pub(crate) fn len(&self, list: usize) -> usize {
        self.lists[list].length
    }

    /// The oldest entry of `list`.
    pub(crate) fn first(&self, list: usize) -> Option<Key> {
        self.lists[list].first
    }

    /// The entry behind `key` in its list.
    pub(crate) fn after(&self, key: Key) -> Option<Key> {
        self.slot(key).after
    }

    /// In which list `key` lies.
    pub(crate) fn list_of(&self, key: Key) -> usize {
        self.slot(key).list
    }

    /// The entry, if there is one with this key (H2).
    pub(crate) fn find(&self, key: Key) -> Option<&V> {
        self.slot(key).value.as_ref()
    }

    pub(crate) fn get(&self, key: Key) -> &V {
        self.find(key).expect(GONE)
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> &mut V {
        self.slot_mut(key).value.as_mut().expect(GONE)
    }

    /// The entries of `list`, oldest first.
    pub(crate) fn iter(&self, list: usize) -> impl Iterator<Item = &V> {
        let next = |key: &Key| self.after(*key);
        std::iter::successors(self.first(list), next).map(|key| self.get(key))
    }

    /// A new entry at the end of `list`.
    pub(crate) fn push(&mut self, list: usize, value: V) -> Key {
        let key = self.occupy(value);
        self.link(key, list, None);
        key
    }

    /// Moves an entry to the end of `list`.
    pub(crate) fn move_to(&mut self, key: Key, list: usize) {
        self.unlink(key);
        self.link(key, list, None);
    }

    /// A new entry of `list`, in front of the first one that `is_later`.
    pub(crate) fn insert(&mut self, list: usize, value: V, is_later: impl Fn(&V) -> bool) -> Key {
        let mut next = self.first(list);
        while let Some(key) = next
            && !is_later(self.get(key))
        {
            next = self.after(key);
        }
        let key = self.occupy(value);
        self.link(key, list, next);
        key
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: Key) -> V {
        self.unlink(key);
        let free = self.free.replace(key);
        let slot = self.slot_mut(key);
        slot.after = free; // H1
        slot.value.take().expect(GONE)
    }

    fn slot(&self, key: Key) -> &Slot<V> {
        &self.slots[key.0 as usize]
    }

    fn slot_mut(&mut self, key: Key) -> &mut Slot<V> {
        &mut self.slots[key.0 as usize]
    }

    /// A slot with `value` that lies in no list yet.
    fn occupy(&mut self, value: V) -> Key {
        if let Some(key) = self.free {
            self.free = self.slot(key).after;
            self.slot_mut(key).value = Some(value);
            return key;
        }
        let number = u32::try_from(self.slots.len()).expect("fewer than 2^32 entries");
        self.slots.push(Slot {
            value: Some(value),
            list: 0,
            before: None,
            after: None,
        });
        Key(number)
    }

    /// Links into `list`, in front of `next`, or at the end.
    fn link(&mut self, key: Key, list: usize, next: Option<Key>) {
        let before = match next {
            Some(next) => self.slot_mut(next).before.replace(key),
            None => self.lists[list].last.replace(key),
        };
        match before {
            Some(before) => self.slot_mut(before).after = Some(key),
            None => self.lists[list].first = Some(key),
        }
        self.lists[list].length += 1;
        let slot = self.slot_mut(key);
        slot.list = list;
        slot.before = before;
        slot.after = next;
    }

    fn unlink(&mut self, key: Key) {
        let slot = self.slot_mut(key);
        let list = slot.list;
        let (before, after) = (slot.before.take(), slot.after.take());
        match before {
            Some(before) => self.slot_mut(before).after = after,
            None => self.lists[list].first = after,
        }
        match after {
            Some(after) => self.slot_mut(after).before = before,
            None => self.lists[list].last = before,
        }
        self.lists[list].length -= 1;
    }
}

const GONE: &str = "the entry is on the shelf";

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn list<const LISTS: usize>(shelf: &Shelf<u32, LISTS>, list: usize) -> Vec<u32> {
        shelf.iter(list).copied().collect()
    }

    #[test]
    fn entries_come_out_of_the_middle_and_the_others_keep_their_order() {
        let mut shelf = Shelf::<u32, 1>::new();
        let keys: Vec<Key> = (0..5).map(|number| shelf.push(0, number)).collect();
        assert_eq!(shelf.remove(keys[2]), 2);
        assert_eq!(shelf.remove(keys[0]), 0);
        assert_eq!(shelf.remove(keys[4]), 4);
        assert_eq!(list(&shelf, 0), [1, 3]);
        assert_eq!(shelf.push(0, 9), keys[4], "its slot is used again");
        assert_eq!(list(&shelf, 0), [1, 3, 9]);
    }

    #[test]
    fn an_entry_is_put_in_front_of_those_that_are_later() {
        let mut shelf = Shelf::<u32, 1>::new();
        for number in [5, 1, 3, 9, 7] {
            shelf.insert(0, number, |other| *other > number);
        }
        assert_eq!(list(&shelf, 0), [1, 3, 5, 7, 9]);
    }

    /// Operations drawn by a fixed generator, against lists of the standard library.
    #[test]
    fn it_does_what_two_queues_do() {
        let mut shelf = Shelf::<u32, 2>::new();
        let mut model = [VecDeque::new(), VecDeque::new()];
        let mut random = 1_u32;
        let mut draw = |bound: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as usize % bound
        };
        for number in 0..10_000 {
            let from = draw(2);
            match draw(3) {
                0 => model[from].push_back((number, shelf.push(from, number))),
                _ if model[from].is_empty() => {}
                1 => {
                    let place = draw(model[from].len());
                    let (value, key) = model[from].remove(place).unwrap();
                    assert_eq!(shelf.remove(key), value);
                }
                _ => {
                    let place = draw(model[from].len());
                    let entry = model[from].remove(place).unwrap();
                    let to = draw(2);
                    shelf.move_to(entry.1, to);
                    model[to].push_back(entry);
                }
            }
            for (index, queue) in model.iter().enumerate() {
                assert_eq!(shelf.len(index), queue.len());
                assert!(shelf.iter(index).eq(queue.iter().map(|(value, _)| value)));
            }
        }
    }
}
