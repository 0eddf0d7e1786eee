//! Who of a borrowing scope has not ended.
//!
//! One lock and one condition. No foreign code runs under the lock, so that nothing unwinds there.
//!
//! # An account
//! | state        | meaning                                             | who changes it         |
//! |--------------|-----------------------------------------------------|------------------------|
//! | open         | the child is being spawned                          | [`Account::open`]      |
//! | introduced   | it has a task, which may be asked to end            | [`Ledger::introduce`]  |
//! | (not there)  | nothing of the child's future is left               | the drop of [`Account`] |
//!
//! A child may have ended before it is introduced.

use std::{
    cell::Cell,
    collections::HashMap,
    mem, ptr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use arborio_base::sync::thread_local;

use crate::{
    endings::Canceller,
    handle::Task,
    interrupt::{Interrupt, Payload},
};

thread_local! {
    /// The ledger of the innermost child that is being polled on this thread; only compared.
    static INSIDE: Cell<*const Ledger> = const { Cell::new(ptr::null()) };
}

/// See the head of this file.
pub(super) struct Ledger {
    accounts: Mutex<Accounts>,
    /// The last account was closed.
    settled: Condvar,
}

#[derive(Default)]
struct Accounts {
    /// By number; the means to ask the child to end.
    open: HashMap<u64, Option<Canceller>>,
    /// The number of the next one.
    next: u64,
    /// What children raised, and nobody has taken from their handles, by number; oldest first.
    panics: Vec<(u64, Payload)>,
    /// Everybody is asked to end, also who comes now.
    ending: Option<Interrupt>,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            accounts: Mutex::default(),
            settled: Condvar::new(),
        }
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many accounts are open.
    pub(super) fn open(&self) -> usize {
        self.accounts().open.len()
    }

    /// Account `number`, if it is still open, belongs to `task`.
    pub(super) fn introduce(&self, number: u64, task: &Task<()>) {
        let Some(canceller) = Canceller::of(task) else {
            return;
        };
        let mut accounts = self.accounts();
        let Some(account) = accounts.open.get_mut(&number) else {
            drop(accounts);
            return;
        };
        *account = Some(canceller.clone());
        let ending = accounts.ending.clone();
        drop(accounts);
        if let Some(end) = ending {
            canceller.cancel_with(end);
        }
    }

    /// Asks every child to end.
    pub(super) fn end_all(&self, end: Interrupt) {
        let mut accounts = self.accounts();
        accounts.ending = Some(end.clone());
        let known: Vec<Canceller> = accounts.open.values().flatten().cloned().collect();
        drop(accounts);
        for canceller in known {
            canceller.cancel_with(end.clone());
        }
    }

    /// Waits with this thread until no account is open.
    pub(super) fn wait(&self) {
        let mut accounts = self.accounts();
        while !accounts.open.is_empty() {
            let woken = self.settled.wait(accounts);
            accounts = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The child of account `number` has raised `panic`, which is the scope's if nobody takes it.
    pub(super) fn note_panic(&self, number: u64, panic: Payload) {
        self.accounts().panics.push((number, panic));
    }

    /// Somebody has taken the panic of this child.
    pub(super) fn forgive(&self, number: u64) {
        let mut accounts = self.accounts();
        let place = accounts.panics.iter().position(|(by, _)| *by == number);
        let panic = place.map(|place| accounts.panics.remove(place));
        drop(accounts);
        drop(panic); // a payload may have any destructor
    }

    /// The first panic that nobody took.
    pub(super) fn first_panic(&self) -> Option<Payload> {
        let panics = mem::take(&mut self.accounts().panics);
        panics.into_iter().next().map(|(_, panic)| panic)
    }
}

/// The account of one child. The drop closes it: then, and not before, may what the child
/// borrows be gone.
pub(super) struct Account {
    ledger: Arc<Ledger>,
    number: u64,
}

impl Account {
    pub(super) fn open(ledger: &Arc<Ledger>) -> Self {
        let ledger = Arc::clone(ledger);
        let mut accounts = ledger.accounts();
        let number = accounts.next;
        accounts.next += 1;
        accounts.open.insert(number, None);
        drop(accounts);
        Self { ledger, number }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether this thread polls a child of the same scope: its loop is one of those on which the
    /// scope's children run.
    pub(super) fn is_inside(&self) -> bool {
        ptr::eq(INSIDE.get(), &raw const *self.ledger)
    }

    /// The child is being polled until the guard is dropped.
    pub(super) fn enter(&self) -> Inside {
        Inside(INSIDE.replace(&raw const *self.ledger))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let mut accounts = self.ledger.accounts();
        let canceller = accounts.open.remove(&self.number);
        if accounts.open.is_empty() {
            self.ledger.settled.notify_all();
        }
        drop(accounts);
        drop(canceller); // of the task, and nothing that it borrows
    }
}

/// Puts back which child is being polled.
pub(super) struct Inside(*const Ledger);

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}
