//! Running tasks on several threads: [`Pool`].
//!
//! Each worker is an event loop with its own timers and I/O. What they share is a [`Team`](arborio_executor::Team): ready
//! tasks move from one who has several to one who has none. `builder.rs` has the options, `workers.rs` what each
//! worker sets up.

mod builder;
mod workers;

use std::{ops::Deref, time::Duration};

use arborio_executor::{Handle, Interrupt, LoopOptions, StopError};
use arborio_scope::Scope;

use crate::{
    ctrl_c::CtrlC,
    owner::Background,
    watches::{GRACE, LINGER, SlowPolls},
};

pub use builder::PoolBuilder;

/// Workers that share their tasks: an event loop on each of several threads.
///
/// Tasks that are spawned with [`spawn`](crate::spawn), in a [`Scope`] or a
/// [`TaskGroup`](crate::TaskGroup), or [gathered](crate::gather()), may run on any worker, and
/// move between their polls to one that has nothing to do. Those of [`spawn_local`](crate::spawn_local) and its like
/// stay on the worker where they were spawned.
///
/// [`run`](Self::run) and [`PoolBuilder::run`] drive one on the calling thread, which is its first worker. A value of this
/// type owns one that was [started](PoolBuilder::start) in the background, and is a [`Handle`] as everybody else has one:
/// `Pool::run(main)` is a new pool, on this thread; `pool.run(future)` is a task of one that runs.
/// Such a pool waits for tasks until it is stopped. Dropping the owner stops it, and waits for its end as
/// [`stop_and_join`](Self::stop_and_join) does, with the pool's [grace](PoolBuilder::grace). On the thread of a loop the drop does not
/// wait, and the pool ends in the background.
///
/// # Examples
/// ```
/// use arborio::{Pool, spawn};
/// let sum = Pool::run(async {
///     let tasks: Vec<_> = (0..10_u32).map(|n| spawn(async move { n * n })).collect();
///     let mut sum = 0;
///     for task in tasks {
///         sum += task.await.unwrap();
///     }
///     sum
/// });
/// assert_eq!(sum, 285);
/// ```
/// Synchronous code that lends a pool what is on its stack:
/// ```
/// use arborio::Pool;
/// let numbers: Vec<u64> = (1..=1000).collect();
/// let pool = Pool::builder().workers(2).start()?;
/// let sums = pool.scope(|s| {
///     let parts: Vec<_> = numbers.chunks(250).map(|part| s.spawn(async { part.iter().sum::<u64>() })).collect();
///     parts.into_iter().map(|mut part| part.wait().unwrap()).collect::<Vec<_>>()
/// });
/// assert_eq!(sums.unwrap().iter().sum::<u64>(), 500_500);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "dropping the owner of a pool stops the pool; `detach` lets it run"]
#[doc(alias("Runtime", "ThreadPool", "worker_threads"))]
pub struct Pool {
    background: Background,
}

impl Pool {
    /// The options of a pool, all at their defaults. On a machine with more than [`MAX_WORKERS`](crate::options::MAX_WORKERS) cores it has as many
    /// workers as that.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(arborio::Pool::builder().workers(2).run(async { 1 }), 1);
    /// ```
    pub fn builder() -> PoolBuilder {
        PoolBuilder {
            name: None,
            workers: None,
            options: LoopOptions::default(),
            on_unobserved_panic: None,
            linger: LINGER,
            grace: GRACE,
            ctrl_c: CtrlC::Leave,
            slow_poll: SlowPolls::default(),
            observer: None,
            around: None,
        }
    }

    /// Runs `main` on a new pool with a worker for each core, and returns its output.
    ///
    /// This thread is the first worker, and `main` stays on it; it may borrow, and need not be `Send`. Returns when `main` and every awaited
    /// task of every worker have ended, as [`run`](crate::run) does.
    ///
    /// # Panics
    /// As [`run`](crate::run), also if a task on another worker panics; and if the system refuses the threads:
    /// [`PoolBuilder::try_run`] tells instead.
    ///
    /// # Examples
    /// See [`Pool`].
    #[track_caller]
    #[doc(alias = "block_on")]
    pub fn run<F: Future>(main: F) -> F::Output {
        Self::builder().run(main)
    }

    /// As [`run_scope`](crate::run_scope), on a new pool with a worker for each core: the tasks of the scope run on all
    /// of them.
    ///
    /// # Errors
    /// The first error of the body or of a task.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    ///
    /// # Examples
    /// ```
    /// use arborio::{Pool, Scope};
    /// let sum = Pool::run_scope(async |s: &Scope<std::io::Error>| {
    ///     let parts = [1, 2, 3].map(|n| s.spawn(async move { Ok(n * n) }));
    ///     let mut sum = 0;
    ///     for part in parts {
    ///         sum += part.await?;
    ///     }
    ///     Ok(sum)
    /// });
    /// assert_eq!(sum.unwrap(), 14);
    /// ```
    #[track_caller]
    pub fn run_scope<R, E, B>(body: B) -> Result<R, E>
    where
        B: AsyncFnOnce(&Scope<E>) -> Result<R, E>,
        E: From<Interrupt> + Send + 'static,
    {
        Self::builder().run_scope(body)
    }

    /// How others use the pool. What they [spawn](Handle::spawn) comes to the first worker, and moves from
    /// there to others.
    ///
    /// # Examples
    /// ```
    /// let pool = arborio::Pool::builder().workers(2).start()?;
    /// let handle = pool.handle().clone();
    /// let sent = std::thread::spawn(move || handle.spawn(async { 4 })).join().unwrap();
    /// assert_eq!({ sent }.wait().unwrap(), 4);
    /// # std::io::Result::Ok(())
    /// ```
    pub fn handle(&self) -> &Handle {
        self.background.handle()
    }

    /// Lets the pool run until somebody [stops](Handle::stop) it, or the process ends.
    ///
    /// # Examples
    /// ```
    /// let handle = arborio::Pool::builder().workers(2).start()?.detach();
    /// assert_eq!(handle.run(async { 1 }).unwrap(), 1);
    /// handle.stop();
    /// # std::io::Result::Ok(())
    /// ```
    pub fn detach(self) -> Handle {
        self.background.detach()
    }

    /// [Stops](Handle::stop) the pool and blocks this thread until every worker has ended, at most for
    /// `grace` and a tenth of a second if a task does not return from its poll, and for two seconds more if no
    /// poll holds it up, as on a machine that has no time for it. `grace` is what the tasks have to clean
    /// up, instead of what the [options](PoolBuilder::grace) said.
    ///
    /// # Errors
    /// As [`EventLoop::stop_and_join`](crate::EventLoop::stop_and_join).
    ///
    /// # Examples
    /// ```
    /// use std::time::Duration;
    /// let pool = arborio::Pool::builder().workers(2).start()?;
    /// let mut idle = pool.spawn(std::future::pending::<()>());
    /// pool.stop_and_join(Duration::from_secs(1)).unwrap();
    /// assert!(idle.wait().is_err());
    /// # std::io::Result::Ok(())
    /// ```
    #[doc(alias("shutdown_timeout", "shutdown"))]
    pub fn stop_and_join(self, grace: Duration) -> Result<(), StopError> {
        self.background.stop_and_join(grace)
    }
}

/// The owner has what every [`Handle`] has: `spawn`, `run`, `scope`, `stop`. A clone of it is a handle, and owns nothing.
///
/// # Examples
/// ```
/// let pool = arborio::Pool::builder().start()?;
/// let mut one = pool.spawn(async { 1 });
/// assert_eq!(one.wait()? + pool.run(async { 2 })?, 3);
///
/// let handle: arborio::Handle = pool.clone();
/// drop(pool);
/// assert!(handle.is_closed());
/// # std::io::Result::Ok(())
/// ```
impl Deref for Pool {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        self.handle()
    }
}
