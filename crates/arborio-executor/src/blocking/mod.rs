//! Jobs that block, on threads of their own.
//!
//! [`spawn_blocking`] has a closure run on a thread of a pool, and gives a future of what it
//! returns. No loop is needed: any executor may await it. Read `job.rs` (one job, and who may do
//! what with it), `roster.rs` (who works), `crew.rs` (threads), in this order. [`enter_executor`]
//! does the same with a future: `enter.rs` is the side of who awaits it, `ride.rs` that of the thread.
//!
//! # Examples
//! ```
//! use arborio_executor::{blocking::spawn_blocking, doc::run};
//! let lines = run(async { spawn_blocking(|| std::fs::read_to_string("Cargo.toml")).await });
//! assert!(lines.unwrap().unwrap().contains("arborio-executor"));
//! ```

mod crew;
mod enter;
mod handle;
mod hold;
mod job;
#[cfg(loom)]
pub mod model;
mod pool;
mod ride;
mod roster;
mod token;

pub use enter::EnterExecutor;
pub use handle::Blocking;
pub use hold::{Hold, set_job_hold};
pub use pool::{BlockingPool, BlockingPoolBuilder};
pub use token::JobToken;

/// Runs `job` on a thread where it may block, and gives a future of what it returns.
///
/// For what has no async form: files, names of hosts, libraries that block, long computations.
/// The threads belong to a pool of the process: at most 512 work at once, jobs beyond that
/// wait in the order in which they came, and a thread that has nothing to do for 10 s ends.
///
/// Dropping the future gives the job up; see [`Blocking`]. The end of the program does not wait
/// for jobs.
///
/// # Errors
/// The future gives [`Interrupt::Panicked`](crate::Interrupt::Panicked) if `job` panics, and
/// [`Interrupt::NoThread`](crate::Interrupt::NoThread) if the system refuses a thread while the pool
/// has none.
///
/// # Examples
/// ```
/// use arborio_executor::{blocking::spawn_blocking, doc::run};
/// let sum = run(async { spawn_blocking(|| (1..=10).sum::<u32>()).await });
/// assert_eq!(sum.unwrap(), 55);
/// ```
#[doc(alias("to_thread", "run_sync", "unblock"))]
pub fn spawn_blocking<T, F>(job: F) -> Blocking<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    pool::of_the_process().spawn(job)
}

/// As [`spawn_blocking`]; `job` gets a token that tells whether anybody still waits for it.
///
/// # Examples
/// ```
/// use arborio_executor::{blocking::spawn_blocking_with, doc::run};
/// let found = run(async {
///     let search = spawn_blocking_with(|token| {
///         (1_u32..).take_while(|_| !token.is_cancelled()).find(|n| n % 777 == 0)
///     });
///     search.await
/// });
/// assert_eq!(found.unwrap(), Some(777));
/// ```
pub fn spawn_blocking_with<T, F>(job: F) -> Blocking<T>
where
    T: Send + 'static,
    F: FnOnce(JobToken) -> T + Send + 'static,
{
    pool::of_the_process().spawn_with(job)
}

/// Another name for [`spawn_blocking`], which asyncio's users look for.
///
/// # Examples
/// ```
/// use arborio_executor::{blocking::run_in_executor, doc::run};
/// assert_eq!(run(async { run_in_executor(|| 6 * 7).await }).unwrap(), 42);
/// ```
pub fn run_in_executor<T, F>(job: F) -> Blocking<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    spawn_blocking(job)
}

/// Runs `future` on a thread where it may block, and back: who awaits goes on where they were,
/// with the value.
///
/// For a stretch of code that both blocks and awaits. It is polled on one thread of the process's
/// pool (see [`spawn_blocking`]) from its first poll to its end, and dropped there. It has to be
/// `Send` and must not borrow: it could be leaked while the thread still runs it. The hop is made
/// when this is polled first.
///
/// What is around `future` there:
/// * Sleeps, sockets and primitives work, as on any thread without a loop. Sleeps run on the real
///   clock. A simulated one, of the loop that awaits, stands still meanwhile.
/// * [`spawn`](crate::spawn) hangs a task on the loop that awaits, if there is one. Blocking waits
///   for tasks are allowed.
/// * There is no scope around, no task-local is set, and deadlines outside are not known. What is
///   needed is taken along: a handle of the loop or the scope, `KEY.scope(KEY.get(), future)`.
/// * While it is suspended its thread does not count among those of the pool. So futures that wait
///   for what needs the pool do not use it up, but any number may wait, each with a thread.
///
/// # Cancellation
/// It is a handler. A request from outside is made again inside, as by a cancel scope around
/// `future`: handlers there answer, on their thread, and what has none is dropped at its next
/// suspension. Code that blocks is not interrupted. Who asked waits for the end, for their grace,
/// and gets it passed on; but a value wins, and that inside somebody has swallowed the request only
/// means that `future` goes on. If `future` had not begun yet, it never begins.
///
/// # Cancel safety
/// Dropping it has `future` dropped: here if it has not begun, else on its thread when the poll
/// returns that is running, or at once if it is suspended. Nobody waits for that, and nobody inside
/// is asked.
///
/// # Errors
/// [`Interrupt::NoThread`](crate::Interrupt::NoThread) if the system refuses a thread and the pool has none, so that `future`
/// could never run. That cannot be kept from who awaits, so it is the error of a result, the same
/// as with [`spawn_blocking`]. With a [pool of one's own](BlockingPool::enter) also
/// [`Closed`](crate::Interrupt::Closed) and [`Stopped`](crate::Interrupt::Stopped), if that is stopped.
///
/// # Panics
/// A panic of `future` goes on in who awaits. Polling this again after it was ready panics.
///
/// # Examples
/// ```
/// use arborio_executor::{blocking::enter_executor, doc::run};
/// use std::thread;
/// let here = thread::current().id();
/// let there = run(async move {
///     let there = enter_executor(async { thread::current().id() }).await.unwrap();
///     assert_eq!(thread::current().id(), here, "and back");
///     there
/// });
/// assert_ne!(there, here);
/// ```
#[doc(alias = "block_in_place")]
pub fn enter_executor<F>(future: F) -> EnterExecutor<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    pool::of_the_process().enter(future)
}

/// How many threads the pool of the process has, and how many of them have nothing to do.
pub(crate) fn threads_of_the_process() -> (usize, usize) {
    let pool = pool::of_the_process();
    (pool.threads(), pool.idle_threads())
}

/// Calls `wait`, and meanwhile does not count the thread of a pool on which that happens:
/// another one may be started beyond the number that is allowed.
///
/// For a job that waits, by means of its own, for something that needs the pool. Awaiting or
/// polling a [`Blocking`] in a job does this by itself. On any other thread it only calls
/// `wait`.
///
/// # Examples
/// ```
/// use arborio_executor::{blocking::{BlockingPool, make_room}, doc::run};
/// use std::sync::{Arc, mpsc::channel};
/// let pool = Arc::new(BlockingPool::builder().max_threads(1).build());
/// let other = Arc::clone(&pool);
/// let job = pool.spawn(move || {
///     let (sender, answer) = channel();
///     other.spawn(move || sender.send(5).unwrap()).detach();
///     make_room(|| answer.recv().unwrap())
/// });
/// assert_eq!(run(job).unwrap(), 5);
/// ```
pub fn make_room<R>(wait: impl FnOnce() -> R) -> R {
    let _aside = crew::Aside::step();
    wait()
}
