//! Scopes of synchronous code: tasks that borrow from a thread which waits for them.
//!
//! ```text
//! the caller   ├─ scope ── body ── spawn ── spawn ──┤┄┄┄┄┄ waits ┄┄┄┄┄├─ goes on
//! its loop,                          ├── child ──────────┤             │
//! or a pool                  ├── child ──── spawn ───┤                 │
//!                                             └── child ───────────────┤
//! ```
//!
//! # Why a child may borrow
//! Its task knows nothing of lifetimes, and lives as long as anybody has its waker. So what borrows is
//! never the task's own: the future that the task gets is a [`Lent`], whose output is `()`.
//!
//! - W1: each child has an *account* in the [`Ledger`] of its scope from before its task is made. It
//!   is closed in one place, as the last act of the destructor of its `Lent`. By then that has dropped the
//!   future, and put the output where the child's [`Borrower`] finds it.
//! - W2: what borrows lies in the `Lent`, or in the *parcel* that it shares with the `Borrower`: the
//!   output. A `Borrower` is on the stack of the body, which has returned when the scope ends, or in another child, whose
//!   account is open; and if there is none any more, the output goes with the `Lent`. Or it was
//!   forgotten: then nobody reaches the output.
//! - W3: [`Submitter::scope`] returns only when the body is over and no account is open. If
//!   anything unwinds in between, the process ends.
//! - W4: only who has the scope opens an account: the body, or a child, whose own one is open. So
//!   none is opened after the last one was closed.
//! - W5: everything else is `'static`: the payload of a panic, wakers, the name and the place of a
//!   task. The ledger is counted, so that who closes the last account may still be in it when the
//!   scope has returned.
//!
//! Of tasks this needs one thing: a future that was dropped is not touched again, whatever happens to
//! the cell. That every account *is* closed, so that the scope ends, needs V1 of [`crate::sending`]: a
//! task becomes DONE when its future was dropped, and every task does; also one that its loop never
//! sees, that is between two loops ([`crate::moving`]), or that a loop drops when it ends.

mod borrower;
mod ledger;
mod lent;

use std::{
    fmt,
    marker::PhantomData,
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use arborio_base::drop_contained;

pub use borrower::Borrower;
use borrower::Parcel;
use ledger::{Account, Ledger};
use lent::Lent;

use crate::{
    interrupt::{Interrupt, Reason, ReasonKind},
    life_cycle::SpawnOptions,
    sending::EndTheProcess,
    tasks::{Submitter, is_running},
    wait::WaitError,
};

/// Where tasks are spawned that borrow from a thread which waits for them; made by
/// [`Submitter::scope`].
///
/// `'scope` is the life of the scope, and `'env` that of what its tasks borrow.
///
/// # Examples
/// See [`Submitter::scope`].
pub struct BorrowScope<'scope, 'env: 'scope> {
    submitter: Submitter,
    ledger: Arc<Ledger>,
    /// Neither is to shrink or grow.
    scope: PhantomData<&'scope mut &'scope ()>,
    env: PhantomData<&'env mut &'env ()>,
}

impl<'scope> BorrowScope<'scope, '_> {
    /// Spawns a task that may borrow whatever outlives the scope, and move between the workers of a
    /// pool. Tasks of the scope may spawn further ones.
    ///
    /// If the loop was stopped meanwhile, `future` is dropped here, and the task has ended as
    /// [`Interrupt::Stopped`]. If the body has panicked, it ends as
    /// [`Interrupt::Cancelled`], unpolled.
    ///
    /// # Examples
    /// See [`Submitter::scope`].
    #[track_caller]
    pub fn spawn<F>(&'scope self, future: F) -> Borrower<'scope, F::Output>
    where
        F: Future + Send + 'scope,
        F::Output: Send + 'scope,
    {
        let options = SpawnOptions::new().roving();
        let account = Account::open(&self.ledger);
        let number = account.number();
        let inside = account.is_inside();
        let parcel = Arc::new(Parcel::new());
        let lent = Lent::new(future, Arc::clone(&parcel), account);
        // SAFETY: see the head of this file. What the `Lent` borrows lives until its account is
        // closed, which its destructor does when it has dropped all of that (W1 to W4); its output is `()`.
        let task = unsafe { self.submitter.lend(lent, options, inside) };
        self.ledger.introduce(number, &task);
        Borrower::new(task, number, parcel, Arc::clone(&self.ledger))
    }
}

impl fmt::Debug for BorrowScope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BorrowScope")
            .field("pending", &self.ledger.open())
            .finish_non_exhaustive()
    }
}

impl Submitter {
    /// Runs `body` on this thread, with a scope whose tasks run on the loop and may borrow from the caller, and
    /// waits with the whole thread until all of them have ended. As [`std::thread::scope`], with tasks.
    ///
    /// When this returns, every future of the scope has been dropped, and every output that nobody took. A `Borrower`
    /// that was forgotten leaks its output. Who stops the loop meanwhile ends the tasks, and so the wait.
    ///
    /// # Errors
    /// [`WaitError::OnLoop`] if an Arborio loop runs on this thread: to block it could be a deadlock.
    /// [`WaitError::Interrupted`] if the loop is stopping or has ended. In both cases
    /// `body` is not called.
    ///
    /// # Panics
    /// If `body` does: its tasks are asked to end, and the panic goes on when they have. If a task panicked and
    /// nobody took that from its handle: the first such panic goes on here when all have ended.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{NoNotify, SpawnOptions, Tasks};
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let thread = std::thread::spawn(move || {
    ///     let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    ///     sender.send(tasks.submitter()).unwrap();
    ///     drop(sender);
    ///     tasks.run_main(async {}, |running| {
    ///         while running.has_submitters() {
    ///             running.take_mail();
    ///             while running.run_next() {}
    ///         }
    ///     });
    /// });
    /// let submitter = receiver.recv().unwrap();
    /// let words = [String::from("lent"), String::from("borrowed")];
    /// let lengths = submitter.scope(|s| {
    ///     let mut lengths = words.each_ref().map(|word| s.spawn(async { word.len() }));
    ///     lengths.each_mut().map(|length| length.wait().unwrap())
    /// });
    /// assert_eq!(lengths.unwrap(), [4, 8]);
    /// # drop(submitter);
    /// # thread.join().unwrap();
    /// ```
    ///
    /// What is declared in the body does not outlive its tasks:
    /// ```compile_fail,E0373
    /// # use arborio_task::Submitter;
    /// fn count(submitter: &Submitter) {
    ///     let _ = submitter.scope(|s| {
    ///         let word = String::from("mine");
    ///         s.spawn(async { word.len() });
    ///     });
    /// }
    /// ```
    /// ```compile_fail,E0597
    /// # use arborio_task::Submitter;
    /// fn count(submitter: &Submitter) {
    ///     let _ = submitter.scope(|s| {
    ///         let word = String::from("mine");
    ///         let word = &word;
    ///         s.spawn(async move { word.len() });
    ///     });
    /// }
    /// ```
    /// Nor does anything of the scope leave it:
    /// ```compile_fail
    /// # use arborio_task::Submitter;
    /// fn late(submitter: &Submitter) {
    ///     let task = submitter.scope(|s| s.spawn(async { 5 }));
    /// }
    /// ```
    #[track_caller]
    pub fn scope<'env, R, B>(&self, body: B) -> Result<R, WaitError>
    where
        B: for<'scope> FnOnce(&'scope BorrowScope<'scope, 'env>) -> R,
    {
        if is_running() {
            return Err(WaitError::OnLoop);
        }
        if self.is_stopping() {
            return Err(WaitError::Interrupted(Interrupt::Stopped));
        }
        let scope = BorrowScope {
            submitter: self.clone(),
            ledger: Arc::new(Ledger::new()),
            scope: PhantomData,
            env: PhantomData,
        };
        let unwound = EndTheProcess; // W3
        let ran = catch_unwind(AssertUnwindSafe(|| body(&scope)));
        if ran.is_err() {
            let failed = Reason::new(ReasonKind::ScopeFailed);
            scope.ledger.end_all(Interrupt::Cancelled(failed));
        }
        scope.ledger.wait();
        mem::forget(unwound);
        match (ran, scope.ledger.first_panic()) {
            (Ok(value), None) => Ok(value),
            (Ok(value), Some(panic)) => {
                drop_contained(value);
                panic.resume()
            }
            (Err(raised), _) => resume_unwind(raised),
        }
    }
}
