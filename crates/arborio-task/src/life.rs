//! Flags that turn a use after free, or a leak, into a failed model.
//!
//! One lies in each task, each hub and each side record. A model never gives
//! their memory back, so that the flag can still be read.

use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

/// Tasks that exist now, over all models of the process.
pub static CELLS: Account = Account::new("task");
/// Hubs that exist now.
pub static HUBS: Account = Account::new("hub");
/// Tables of frames that exist now.
pub static TABLES: Account = Account::new("table of frames");
/// Side records that exist now.
pub static SIDES: Account = Account::new("side record");

/// A panic of a model's user code: caught where a user's panic is caught,
/// unlike the panic that says that a model has failed.
#[derive(Debug)]
pub struct UserPanic;

/// How many things of one kind exist.
#[derive(Debug)]
pub struct Account {
    kind: &'static str,
    alive: AtomicIsize,
}

impl Account {
    const fn new(kind: &'static str) -> Self {
        Self {
            kind,
            alive: AtomicIsize::new(0),
        }
    }

    /// How many exist now.
    pub fn alive(&self) -> isize {
        self.alive.load(Ordering::Relaxed)
    }
}

/// Lies in each thing that threads share and one of them frees.
pub(crate) struct Life {
    /// Tracks that its making is ordered before every access, and every access
    /// before the end.
    access: loom::cell::UnsafeCell<()>,
    ended: AtomicBool,
    account: &'static Account,
}

impl Life {
    pub(crate) fn new(account: &'static Account) -> Self {
        account.alive.fetch_add(1, Ordering::Relaxed);
        Self {
            access: loom::cell::UnsafeCell::new(()),
            ended: AtomicBool::new(false),
            account,
        }
    }

    /// To be called on each access.
    pub(crate) fn check(&self) {
        let ended = self.ended.load(Ordering::Relaxed);
        assert!(!ended, "a freed {} is used", self.account.kind);
        self.access.with(|_| ());
    }

    /// To be called when the thing is freed.
    pub(crate) fn end(&self) {
        let ended = self.ended.swap(true, Ordering::Relaxed);
        assert!(!ended, "a {} is freed twice", self.account.kind);
        self.access.with_mut(|_| ());
        self.account.alive.fetch_sub(1, Ordering::Relaxed);
    }
}
