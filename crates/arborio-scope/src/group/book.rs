//! Who is in a group, who has ended, and who waits for what.
//!
//! # Lists of members
//! | list      | who                                                | order            |
//! |-----------|----------------------------------------------------|------------------|
//! | PENDING   | those that have not ended                          | of being added   |
//! | NEW       | done, as long as nobody has asked who failed       | of their ends    |
//! | FINE      | done, with an output that is no error              | of their ends    |
//! | FAILED    | done, with an error or a panic                     | of their ends    |
//! | CANCELLED | done, and interrupted in another way               | of their ends    |
//!
//! # Lists of waiters
//! One for each [`Kind`] of those who look, one for each kind of those who pop, and
//! ALL, COUNT, ANSWERED. They are in the order in which they came.
//!
//! # Invariants
//! - B1: a waiter is answered once, and lies in ANSWERED then until its future takes the
//!   answer or is dropped.
//! - B2: one end answers everybody who looks for such a member, and the oldest of those
//!   who pop one; that takes it out of the group.
//! - B3: who waits for a kind of member that need not be new waits only while none is in
//!   the group.
//! - B4: when nobody is pending, nobody waits.

use std::{
    collections::BTreeSet,
    error::Error,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use arborio_base::WakeBatch;
use arborio_task::Interrupt;

use super::{
    member::Member,
    shelf::{Key, Shelf},
};

const PENDING: usize = 0;
const NEW: usize = 1;
const FINE: usize = 2;
const FAILED: usize = 3;
const CANCELLED: usize = 4;
const DONE: [usize; 4] = [NEW, FINE, FAILED, CANCELLED];

/// Of each kind, those who look, and behind them those who pop.
const POP: usize = 4;
const ALL: usize = 8;
const COUNT: usize = 9;
const ANSWERED: usize = 10;

/// What a waiter takes for the member that it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One that ends from now on.
    Next,
    /// Anyone who has ended.
    Any,
    /// One with an error or a panic.
    Failed,
    /// One with an error, or without an output.
    FailedOrCancelled,
}

impl Kind {
    /// Where members of this kind lie.
    const fn lists(self) -> &'static [usize] {
        match self {
            Self::Next => &[],
            Self::Any => &DONE,
            Self::Failed => &[FAILED],
            Self::FailedOrCancelled => &[FAILED, CANCELLED],
        }
    }

    /// Whether a member that has just come to `list` is of this kind.
    fn takes(self, list: usize, fresh: bool) -> bool {
        match self {
            Self::Next => fresh,
            _ => self.lists().contains(&list),
        }
    }

    const EACH: [Self; 4] = [Self::Next, Self::Any, Self::Failed, Self::FailedOrCancelled];
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    /// That nobody is pending.
    All,
    /// That so many have ended.
    Count(usize),
    Member {
        kind: Kind,
        pop: bool,
    },
}

/// What a waiter gets.
pub(super) enum Answer<T> {
    All,
    Count(Result<usize, Exhausted>),
    /// `None`: nobody is pending.
    Member(Option<Member<T>>),
    Popped(Popped<T>),
}

/// A member that was taken out, and the number of its end.
pub(super) struct Popped<T> {
    member: Member<T>,
    ended: u64,
}

impl<T> Answer<T> {
    pub(super) fn into_member(self) -> Option<Member<T>> {
        match self {
            Self::Member(member) => member,
            Self::Popped(popped) => Some(popped.member),
            Self::All | Self::Count(_) => None,
        }
    }
}

/// Fewer members have ended than were waited for, and nobody is pending; given by
/// [`TaskGroup::wait_first_n`](super::TaskGroup::wait_first_n).
///
/// # Examples
/// ```
/// # use arborio_executor::doc::run;
/// run(async {
///     let group = arborio_scope::TaskGroup::new();
///     group.spawn(async {});
///     let exhausted = group.wait_first_n(2).await.unwrap_err();
///     assert_eq!(exhausted.to_string(), "1 of 2 members have ended, and no other is left");
/// });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exhausted {
    /// How many have ended.
    pub done: usize,
    /// How many were waited for.
    pub wanted: usize,
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, wanted } = self;
        write!(
            f,
            "{done} of {wanted} members have ended, and no other is left"
        )
    }
}

impl Error for Exhausted {}

/// Tells whether an output is an error.
pub(super) type Judge<T> = fn(&T) -> bool;

/// Everything about a group, for all its handles.
pub(super) struct Roster<T>(Mutex<Book<T>>);

pub(super) struct Book<T> {
    members: Shelf<Listed<T>, 5>,
    waiters: Shelf<Waiter<T>, 11>,
    /// Those in COUNT: at which number of ends each has what it waits for.
    counting: BTreeSet<(u64, Key)>,
    /// How many members have ended so far.
    ends: u64,
    /// How many waiters there were so far.
    arrivals: u64,
    /// `None` until somebody waits for an error.
    judge: Option<Judge<T>>,
}

struct Listed<T> {
    member: Member<T>,
    /// The number of its end.
    ended: u64,
}

struct Waiter<T> {
    arrival: u64,
    waker: Option<Waker>,
    wish: Wish,
    /// For a count: the number of ends that it waits for.
    target: u64,
    answer: Option<Answer<T>>,
}

impl<T> Roster<T> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Book {
            members: Shelf::new(),
            waiters: Shelf::new(),
            counting: BTreeSet::new(),
            ends: 0,
            arrivals: 0,
            judge: None,
        }))
    }

    pub(super) fn book(&self) -> MutexGuard<'_, Book<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A member that was pending has ended.
    pub(super) fn note_end(self: &Arc<Self>, key: Key, batch: &mut WakeBatch) {
        let mut served = Served::default();
        let mut book = self.book();
        book.end(self, key, &mut served);
        drop(book);
        served.tell(batch);
    }
}

/// Those who were answered, with the numbers of their arrivals.
#[derive(Default)]
pub(super) struct Served(Vec<(u64, Waker)>);

impl Served {
    /// First come, first woken.
    pub(super) fn tell(mut self, batch: &mut WakeBatch) {
        self.0.sort_by_key(|(arrival, _)| *arrival);
        for (_, waker) in self.0 {
            batch.push(waker);
        }
    }
}

impl<T> Book<T> {
    pub(super) fn pending(&self) -> usize {
        self.members.len(PENDING)
    }

    pub(super) fn done(&self) -> usize {
        DONE.iter().map(|list| self.members.len(*list)).sum()
    }

    /// A new member, unless it is in the group. It may have ended.
    pub(super) fn add(&mut self, roster: &Arc<Roster<T>>, member: Member<T>, served: &mut Served) {
        if member.is_in(roster) {
            return;
        }
        let listed = Listed {
            member: member.clone(),
            ended: 0,
        };
        let key = self.members.push(PENDING, listed);
        member.enter(roster, key);
        // If it ends abroad just now, whoever ends it sees this place, or we its outcome.
        if member.is_finished() {
            self.end(roster, key, served);
        }
    }

    fn end(&mut self, roster: &Arc<Roster<T>>, key: Key, served: &mut Served) {
        let listed = self.members.find(key);
        let Some(listed) = listed.filter(|one| one.ended == 0 && one.member.is_finished()) else {
            return; // noted already, and maybe popped since, and another one is here
        };
        let list = self.verdict(&listed.member);
        self.ends += 1;
        self.members.move_to(key, list);
        self.members.get_mut(key).ended = self.ends;
        self.serve(roster, key, true, served);
        while let Some(&(target, waiter)) = self.counting.first()
            && target <= self.ends
        {
            let done = self.wanted(waiter);
            self.answer(waiter, Answer::Count(Ok(done)), served);
        }
        if self.pending() == 0 {
            self.dismiss(served);
        }
    }

    /// In which list a member belongs that has ended.
    fn verdict(&self, member: &Member<T>) -> usize {
        match (member.outcome(), self.judge) {
            (None, _) | (_, None) => NEW,
            (Some(Err(Interrupt::Panicked(_))), _) => FAILED,
            (Some(Err(_)), _) => CANCELLED,
            (Some(Ok(output)), Some(is_error)) if is_error(output) => FAILED,
            (Some(Ok(_)), Some(_)) => FINE,
        }
    }

    /// From now on it is known who failed.
    pub(super) fn judge_with(&mut self, judge: Judge<T>) {
        if self.judge.replace(judge).is_some() {
            return;
        }
        while let Some(key) = self.members.first(NEW) {
            let list = self.verdict(&self.members.get(key).member);
            self.members.move_to(key, list);
        }
    }

    /// Answers those who wait for a member like this one (B2).
    fn serve(&mut self, roster: &Arc<Roster<T>>, key: Key, fresh: bool, served: &mut Served) {
        let list = self.members.list_of(key);
        let mut oldest: Option<(u64, Key)> = None;
        for kind in Kind::EACH {
            if !kind.takes(list, fresh) {
                continue;
            }
            while let Some(waiter) = self.waiters.first(kind as usize) {
                let member = self.members.get(key).member.clone();
                self.answer(waiter, Answer::Member(Some(member)), served);
            }
            if let Some(popper) = self.waiters.first(POP + kind as usize) {
                let one = (self.waiters.get(popper).arrival, popper);
                oldest = oldest.into_iter().chain([one]).min();
            }
        }
        if let Some((_, popper)) = oldest {
            let popped = self.take(roster, key);
            self.answer(popper, Answer::Popped(popped), served);
        }
    }

    /// Nobody is pending: answers all who are left (B4).
    fn dismiss(&mut self, served: &mut Served) {
        for list in 0..ANSWERED {
            while let Some(waiter) = self.waiters.first(list) {
                let answer = match self.waiters.get(waiter).wish {
                    Wish::All => Answer::All,
                    Wish::Member { .. } => Answer::Member(None),
                    Wish::Count(wanted) => {
                        let missing = self.waiters.get(waiter).target - self.ends;
                        let done = wanted - usize::try_from(missing).unwrap_or(wanted);
                        Answer::Count(Err(Exhausted { done, wanted }))
                    }
                };
                self.answer(waiter, answer, served);
            }
        }
    }

    fn wanted(&self, waiter: Key) -> usize {
        match self.waiters.get(waiter).wish {
            Wish::Count(wanted) => wanted,
            Wish::All | Wish::Member { .. } => 0,
        }
    }

    fn answer(&mut self, waiter: Key, answer: Answer<T>, served: &mut Served) {
        self.waiters.move_to(waiter, ANSWERED);
        let entry = self.waiters.get_mut(waiter);
        entry.answer = Some(answer);
        let target = entry.target;
        if let Some(waker) = entry.waker.take() {
            served.0.push((entry.arrival, waker));
        }
        self.counting.remove(&(target, waiter));
    }

    /// Takes a member out that has ended.
    fn take(&mut self, roster: &Arc<Roster<T>>, key: Key) -> Popped<T> {
        let Listed { member, ended } = self.members.remove(key);
        member.leave(roster);
        Popped { member, ended }
    }

    /// The first one to have ended of those in `lists`.
    fn oldest(&self, lists: &[usize]) -> Option<Key> {
        let firsts = lists.iter().filter_map(|list| self.members.first(*list));
        firsts.min_by_key(|key| self.members.get(*key).ended)
    }

    /// Takes the first one out that has ended.
    pub(super) fn pop_done(&mut self, roster: &Arc<Roster<T>>) -> Option<Member<T>> {
        let key = self.oldest(&DONE)?;
        Some(self.take(roster, key).member)
    }

    /// What the wish gets without waiting.
    pub(super) fn ask(&mut self, roster: &Arc<Roster<T>>, wish: Wish) -> Option<Answer<T>> {
        let nobody = self.pending() == 0;
        match wish {
            Wish::All => nobody.then_some(Answer::All),
            Wish::Count(wanted) => {
                let done = self.done();
                let enough = done >= wanted;
                let exhausted = Exhausted { done, wanted };
                let count = if enough { Ok(done) } else { Err(exhausted) };
                (enough || nobody).then_some(Answer::Count(count))
            }
            Wish::Member { kind, pop } => match self.oldest(kind.lists()) {
                Some(key) if pop => Some(Answer::Popped(self.take(roster, key))),
                Some(key) => Some(Answer::Member(Some(self.members.get(key).member.clone()))),
                None => nobody.then_some(Answer::Member(None)),
            },
        }
    }

    /// Waits in line; [`ask`](Self::ask) has given nothing.
    pub(super) fn enrol(&mut self, wish: Wish, waker: Option<Waker>) -> Key {
        let (list, target) = match wish {
            Wish::All => (ALL, 0),
            Wish::Count(wanted) => (COUNT, self.ends + (wanted - self.done()) as u64),
            Wish::Member { kind, pop } => (kind as usize + if pop { POP } else { 0 }, 0),
        };
        self.arrivals += 1;
        let waiter = Waiter {
            arrival: self.arrivals,
            waker,
            wish,
            target,
            answer: None,
        };
        let key = self.waiters.push(list, waiter);
        if list == COUNT {
            self.counting.insert((target, key));
        }
        key
    }

    /// Whether the waiter is answered; if not, it waits with another waker. Gives the
    /// waker that is not needed any more.
    pub(super) fn look(&mut self, waiter: Key, waker: Waker) -> (bool, Option<Waker>) {
        let entry = self.waiters.get_mut(waiter);
        if entry.answer.is_some() {
            return (true, Some(waker));
        }
        (false, entry.waker.replace(waker))
    }

    /// The waiter is gone; what it was given, and its waker.
    pub(super) fn leave(&mut self, waiter: Key) -> (Option<Answer<T>>, Option<Waker>) {
        let entry = self.waiters.remove(waiter);
        self.counting.remove(&(entry.target, waiter));
        (entry.answer, entry.waker)
    }

    /// A member that nobody fetched is as it was before it was popped.
    pub(super) fn put_back(
        &mut self,
        roster: &Arc<Roster<T>>,
        popped: Popped<T>,
        served: &mut Served,
    ) {
        let Popped { member, ended } = popped;
        if member.is_in(roster) {
            return; // it was added again
        }
        let list = self.verdict(&member);
        let listed = Listed {
            member: member.clone(),
            ended,
        };
        let is_later = |other: &Listed<T>| other.ended > ended;
        let key = self.members.insert(list, listed, is_later);
        member.enter(roster, key);
        self.serve(roster, key, false, served);
    }

    pub(super) fn pending_members(&self) -> Vec<Member<T>> {
        let pending = self.members.iter(PENDING);
        pending.map(|listed| listed.member.clone()).collect()
    }

    /// The members that have ended, in that order, and then the others.
    pub(super) fn all_members(&self) -> Vec<Member<T>> {
        let mut done: Vec<_> = DONE
            .iter()
            .flat_map(|list| self.members.iter(*list))
            .collect();
        done.sort_by_key(|listed| listed.ended);
        let all = done.into_iter().chain(self.members.iter(PENDING));
        all.map(|listed| listed.member.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing is told later: these members have no task.
    fn alone() -> Member<u8> {
        Member::new(|_, _| unreachable!("it has no task"))
    }

    #[test]
    fn an_end_counts_once_and_not_before_it_has_come() {
        let roster = Arc::new(Roster::new());
        let (member, other) = (alone(), alone());
        let mut served = Served::default();
        for member in [&member, &other] {
            roster.book().add(&roster, member.clone(), &mut served);
        }
        let counts = || {
            let book = roster.book();
            (book.pending(), book.done(), book.ends)
        };
        let key = roster.book().members.first(PENDING).unwrap();
        let mut batch = WakeBatch::new();
        // Meant for one that was in this place before.
        roster.note_end(key, &mut batch);
        assert_eq!(counts(), (2, 0, 0));
        member.clone().end(Ok(1));
        assert_eq!(counts(), (1, 1, 1));
        // Who adds it and who ends it both tell, if they do so at the same time.
        roster.note_end(key, &mut batch);
        assert_eq!(counts(), (1, 1, 1));
        other.end(Ok(2));
        assert_eq!(counts(), (0, 2, 2));
        assert!(roster.book().pop_done(&roster) == Some(member));
    }
}
