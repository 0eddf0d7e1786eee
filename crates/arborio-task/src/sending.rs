//! Tasks for a loop from other threads: futures that are made on the loop, and futures that borrow.
//!
//! # Why a future may borrow
//! [`Submitter::run`] lends its future what lives on the caller's stack. That is sound because the
//! caller gets its thread back only when nothing of the future or its output is left on the loop:
//! - V1: a task becomes DONE when its future was dropped, and before that on no path: not when it
//!   is cancelled, panics, is refused, or when its loop ends.
//! - V2: DONE with an output: the join handle takes the output out of the cell, and nobody else
//!   looks at it. DONE without: there is none.
//! - V3: the join handle never leaves `run`, so nobody detaches the task, takes its outcome, or
//!   registers a callback.
//! - V4: `run` ends only after DONE was seen. If something unwinds before that, the process ends.
//!
//! What others still refer to afterwards (wakers, the list of tasks) is the head of the cell, which
//! borrows nothing.

use std::{
    mem,
    pin::Pin,
    process,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use crate::{
    handle::Task,
    life_cycle::SpawnOptions,
    tasks::{Submitter, is_running},
    wait::WaitError,
};

pin_project! {
    /// A future that is made where it is polled first.
    #[project = StageOfMade]
    enum Made<M, F> {
        Not { make: Option<M> },
        Yes { #[pin] future: F },
    }
}

// SAFETY: it crosses threads only before its first poll, and then it is the `M`: it is polled by its
// loop alone, since its task does not rove ([`crate::moving`]), until it is dropped there, and a task that
// its loop never sees is dropped without a poll. (`Submitter` exists for loops of one thread only.)
unsafe impl<M: Send, F> Send for Made<M, F> {}

impl<M: FnOnce() -> F, F: Future> Future for Made<M, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if let StageOfMade::Not { make } = self.as_mut().project() {
            let make = make.take().expect("a panic ends the task");
            self.set(Self::Yes { future: make() });
        }
        match self.project() {
            StageOfMade::Yes { future } => future.poll(cx),
            StageOfMade::Not { .. } => unreachable!("it was made above"),
        }
    }
}

impl Submitter {
    /// Spawns the future that `make` makes. `make` is called on the loop's thread, when the task
    /// has its first turn, and so the future need not be `Send`. Otherwise as
    /// [`spawn`](Self::spawn).
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{NoNotify, SpawnOptions, Tasks};
    /// use std::rc::Rc;
    /// let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    /// let submitter = tasks.submitter();
    /// let make = || {
    ///     let local = Rc::new(3);
    ///     async move { *local }
    /// };
    /// let mut sent = submitter.spawn_with(make, SpawnOptions::new());
    /// tasks.run_main(async {}, |running| while running.take_mail() > 0 || running.run_next() {});
    /// assert_eq!(sent.try_take().unwrap().unwrap(), 3);
    /// ```
    pub fn spawn_with<M, F>(&self, make: M, options: SpawnOptions) -> Task<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        self.spawn_fixed(Made::Not { make: Some(make) }, options)
    }

    /// Runs `future` on the loop, blocks this thread until it has ended, and returns its output.
    /// Both may borrow from the caller.
    ///
    /// # Errors
    /// [`WaitError::OnLoop`] if an Arborio loop runs on this thread: the future is dropped then.
    /// [`WaitError::Interrupted`] if it ended without an output.
    ///
    /// # Examples
    /// ```
    /// use arborio_task::{NoNotify, SpawnOptions, Tasks};
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let thread = std::thread::spawn(move || {
    ///     let tasks = Tasks::new(std::sync::Arc::new(NoNotify));
    ///     sender.send(tasks.submitter()).unwrap();
    ///     tasks.run_main(async {}, |running| {
    ///         while running.take_mail() == 0 {}
    ///         while running.run_next() {}
    ///     });
    /// });
    /// let word = String::from("borrowed");
    /// let length = receiver.recv().unwrap().run(async { word.len() }, SpawnOptions::new());
    /// assert_eq!(length.unwrap(), 8);
    /// # thread.join().unwrap();
    /// ```
    pub fn run<F>(&self, future: F, options: SpawnOptions) -> Result<F::Output, WaitError>
    where
        F: Future + Send,
        F::Output: Send,
    {
        if is_running() {
            return Err(WaitError::OnLoop);
        }
        let unwound = EndTheProcess; // V4
        // SAFETY: V1, V2 and V3; and V4 keeps what is borrowed alive for as long.
        let mut task = unsafe { self.send(future, options.observed(true)) };
        let outcome = task.block_to_the_end();
        mem::forget(unwound);
        outcome
    }
}

/// Nothing that is on the stack below may go before those who borrow it have ended.
pub(crate) struct EndTheProcess;

impl Drop for EndTheProcess {
    fn drop(&mut self) {
        process::abort();
    }
}
