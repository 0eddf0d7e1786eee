//! A pool of threads for jobs that block, and the one of the process.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arborio_base::Process;

use crate::StopError;

use super::{
    Blocking, EnterExecutor, JobToken,
    crew::{Crew, Ways},
    hold,
    job::{Job, Order, Outcome},
};

/// How many threads work at once if nothing else is said. Jobs that block mostly wait, for a disk
/// or for a name server, so there may be many more of them than processors. What bounds them is
/// what a thread costs: its stack is at most 2 MiB (512 threads: 1 GiB of addresses), and systems
/// allow a process some thousand threads. tokio has the same number, smol has 500.
const MAX_THREADS: usize = 512;

/// How long a thread that has nothing to do stays: a start costs some tens of microseconds, so
/// a burst every few seconds is served by threads that are there.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the scopes give to tasks that are asked to end.
const GRACE: Duration = Duration::from_secs(1);

/// How many processes, each forked from the one before, have a pool of their own; those that come then have none.
const GENERATIONS: usize = 4;

/// The pool of [`spawn_blocking`](super::spawn_blocking). It never ends. The child of a fork has
/// another one: the threads of its parent's are not there.
pub(super) fn of_the_process() -> &'static BlockingPool {
    static POOLS: [OnceLock<BlockingPool>; GENERATIONS] = [const { OnceLock::new() }; GENERATIONS];
    let place = place_of(Process::watched().generation());
    POOLS[place].get_or_init(|| BlockingPool::builder().build())
}

/// Where the pool of a process is that so many forks have led to. Of the last one more than one process may know; it belongs to
/// whichever has made it.
fn place_of(generation: usize) -> usize {
    generation.min(GENERATIONS - 1)
}

/// A pool of threads for jobs that block; most programs use the one of the process, through
/// [`spawn_blocking`](super::spawn_blocking).
///
/// A job goes to a thread that has nothing to do, or else to a new one, or, if there are as many
/// as allowed or the system refuses one, to the first that is done with its own. A thread that has
/// nothing to do for some time ends. A job that waits for another job (it polls the handle)
/// does not count, so jobs that wait for each other's jobs never use the pool up.
///
/// Dropping the pool [stops it](Self::stop_and_join) with the grace of its builder. That may be
/// done anywhere; it blocks the thread for the grace at most. [`detach`](Self::detach) lets the jobs go on.
///
/// # Examples
/// ```
/// use arborio_executor::{blocking::BlockingPool, doc::run};
/// let pool = BlockingPool::builder().name("hashing").max_threads(2).build();
/// let sum = run(async {
///     let one = pool.spawn(|| 1);
///     let two = pool.spawn(|| 2);
///     one.await.unwrap() + two.await.unwrap()
/// });
/// assert_eq!(sum, 3);
/// ```
#[must_use = "dropping the owner of a pool stops the pool; `detach` lets its jobs go on"]
#[doc(alias("ThreadPool", "ThreadPoolExecutor"))]
pub struct BlockingPool {
    crew: Arc<Crew>,
    grace: Duration,
    /// The drop stops it.
    is_owned: bool,
}

impl BlockingPool {
    /// The options of a pool.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::blocking::BlockingPool;
    /// let pool = BlockingPool::builder().build();
    /// assert_eq!(pool.threads(), 0, "a thread is started when there is a job for it");
    /// ```
    pub fn builder() -> BlockingPoolBuilder {
        BlockingPoolBuilder {
            max_threads: MAX_THREADS,
            grace: GRACE,
            ways: Ways {
                name: String::from("arborio-blocking"),
                idle_timeout: IDLE_TIMEOUT,
                stack_size: None,
            },
        }
    }

    /// Runs `job` on a thread of this pool. It ends as [`Closed`](crate::Interrupt::Closed), and
    /// does not run, if the pool was stopped.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{blocking::BlockingPool, doc::run};
    /// let pool = BlockingPool::builder().build();
    /// assert_eq!(run(pool.spawn(|| 5)).unwrap(), 5);
    /// ```
    pub fn spawn<T, F>(&self, job: F) -> Blocking<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        self.spawn_with(|_token| job())
    }

    /// As [`spawn`](Self::spawn); `job` gets a token that tells whether it is still wanted.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{blocking::BlockingPool, doc::run};
    /// let pool = BlockingPool::builder().build();
    /// assert!(!run(pool.spawn_with(|token| token.is_cancelled())).unwrap());
    /// ```
    pub fn spawn_with<T, F>(&self, job: F) -> Blocking<T>
    where
        T: Send + 'static,
        F: FnOnce(JobToken) -> T + Send + 'static,
    {
        spawn(&self.crew, job)
    }

    /// As [`enter_executor`](super::enter_executor), on a thread of this pool.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{blocking::BlockingPool, doc::run};
    /// let pool = BlockingPool::builder().name("disk").build();
    /// let name = run(pool.enter(async { std::thread::current().name().map(String::from) }));
    /// assert_eq!(name.unwrap().unwrap(), "disk");
    /// ```
    pub fn enter<F>(&self, future: F) -> EnterExecutor<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        EnterExecutor::new(Arc::clone(&self.crew), future)
    }

    /// How many threads the pool has, those that are just starting included.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{blocking::BlockingPool, doc::run};
    /// let pool = BlockingPool::builder().build();
    /// run(pool.spawn(|| ())).unwrap();
    /// assert_eq!(pool.threads(), 1, "it stays for the next job");
    /// ```
    pub fn threads(&self) -> usize {
        self.crew.threads()
    }

    /// How many of its threads have nothing to do.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::blocking::BlockingPool;
    /// assert_eq!(BlockingPool::builder().build().idle_threads(), 0);
    /// ```
    pub fn idle_threads(&self) -> usize {
        self.crew.idle_threads()
    }

    /// Stops the pool: jobs that have not begun end as [`Closed`](crate::Interrupt::Closed), those
    /// that run have their tokens set, and are waited for. Those that still run after `grace` are
    /// given up: their handles give [`Stopped`](crate::Interrupt::Stopped), and their threads end
    /// when they do.
    ///
    /// Blocks the calling thread, for `grace` at most; also that of a loop, unlike the owners of loops. A job may
    /// stop its own pool; it is not waited for, then. Only the first call does something.
    ///
    /// # Errors
    /// [`StopError::Jobs`] if jobs were given up; [`StopError::Forked`] if this is the child of a fork and the pool is
    /// its parent's.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{Interrupt, blocking::BlockingPool, doc::run};
    /// use std::time::Duration;
    /// let pool = BlockingPool::builder().build();
    /// let (started, is_running) = std::sync::mpsc::channel();
    /// let job = pool.spawn_with(move |token| {
    ///     started.send(()).unwrap();
    ///     while !token.is_cancelled() {
    ///         std::thread::yield_now();
    ///     }
    ///     "left in time"
    /// });
    /// is_running.recv().unwrap();
    /// assert!(pool.stop_and_join(Duration::from_secs(10)).is_ok());
    /// assert_eq!(run(job).unwrap(), "left in time");
    /// assert!(matches!(run(pool.spawn(|| 1)), Err(Interrupt::Closed)));
    /// ```
    #[doc(alias("shutdown", "shutdown_timeout"))]
    pub fn stop_and_join(&self, grace: Duration) -> Result<(), StopError> {
        if self.crew.is_elsewhere() {
            return Err(StopError::Forked);
        }
        if self.crew.is_closed() {
            return Ok(());
        }
        self.crew.close();
        match self.crew.wait_for_all(grace) {
            0 => Ok(()),
            jobs => Err(StopError::Jobs(jobs)),
        }
    }

    /// Lets the jobs go on without an owner: those that run, and those that wait for a thread. Then its threads end, as
    /// they do when they have nothing to do for some time.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::blocking::BlockingPool;
    /// let pool = BlockingPool::builder().max_threads(1).build();
    /// let jobs: Vec<_> = (0..3).map(|n| pool.spawn(move || n)).collect();
    /// pool.detach();
    /// let ended: Vec<_> = jobs.into_iter().map(|mut job| job.wait().unwrap()).collect();
    /// assert_eq!(ended, [0, 1, 2]);
    /// ```
    pub fn detach(mut self) {
        self.is_owned = false;
    }
}

/// Has `crew` run `job`.
pub(super) fn spawn<T, F>(crew: &Arc<Crew>, job: F) -> Blocking<T>
where
    T: Send + 'static,
    F: FnOnce(JobToken) -> T + Send + 'static,
{
    let job = Arc::new(Job::new(job, hold::take()));
    let handle = Blocking::new(Arc::clone(&job) as Arc<dyn Outcome<T>>);
    crew.take_in(job as Arc<dyn Order>);
    handle
}

impl Drop for BlockingPool {
    fn drop(&mut self) {
        if self.is_owned {
            // Who drops the pool has no use for the number of jobs that went on.
            let _ = self.stop_and_join(self.grace);
        }
    }
}

impl fmt::Debug for BlockingPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingPool")
            .field("threads", &self.threads())
            .field("idle_threads", &self.idle_threads())
            .finish_non_exhaustive()
    }
}

/// The options of a [`BlockingPool`].
///
/// # Examples
/// ```
/// use arborio_executor::blocking::BlockingPool;
/// use std::time::Duration;
/// let pool = BlockingPool::builder()
///     .name("disk")
///     .max_threads(4)
///     .idle_timeout(Duration::from_secs(60))
///     .build();
/// assert_eq!(pool.threads(), 0);
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `build` is called"]
pub struct BlockingPoolBuilder {
    max_threads: usize,
    grace: Duration,
    ways: Ways,
}

impl BlockingPoolBuilder {
    /// How many threads work at once: 512 if nothing is said. Jobs that wait for other jobs do
    /// not count.
    ///
    /// # Panics
    /// If `count` is 0: nothing could ever run.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::blocking::BlockingPool;
    /// let pool = BlockingPool::builder().max_threads(1).build();
    /// let jobs = [pool.spawn(|| ()), pool.spawn(|| ())];
    /// assert_eq!(pool.threads(), 1);
    /// # drop(jobs);
    /// ```
    pub fn max_threads(mut self, count: usize) -> Self {
        assert!(count > 0, "a pool of no threads could run nothing");
        self.max_threads = count;
        self
    }

    /// How long a thread that has nothing to do stays: 10 s if nothing is said.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{blocking::BlockingPool, doc::run};
    /// let pool = BlockingPool::builder().idle_timeout(std::time::Duration::ZERO).build();
    /// run(pool.spawn(|| ())).unwrap();
    /// while pool.threads() > 0 {}
    /// assert_eq!(pool.threads(), 0);
    /// ```
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.ways.idle_timeout = timeout;
        self
    }

    /// How long jobs that run are waited for when the pool is dropped: 1 s if nothing is said.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::blocking::BlockingPool;
    /// let pool = BlockingPool::builder().grace(std::time::Duration::ZERO).build();
    /// let (sender, go_on) = std::sync::mpsc::channel::<()>();
    /// let job = pool.spawn(move || go_on.recv());
    /// drop(pool); // at once
    /// assert!(job.is_finished());
    /// # drop(sender);
    /// ```
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// What the threads are called: `arborio-blocking` if nothing is said. Linux shows the first
    /// 15 bytes.
    ///
    /// # Panics
    /// If there is a NUL in `name`.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{blocking::BlockingPool, doc::run};
    /// let pool = BlockingPool::builder().name("disk").build();
    /// let name = run(pool.spawn(|| std::thread::current().name().map(String::from)));
    /// assert_eq!(name.unwrap().unwrap(), "disk");
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.ways.name = name.into();
        assert!(
            !self.ways.name.contains('\0'),
            "the name of a thread has no NUL in it"
        );
        self
    }

    /// The size of the threads' stacks in bytes: what the standard library takes if nothing is
    /// said, which is 2 MiB.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::{blocking::BlockingPool, doc::run};
    /// let pool = BlockingPool::builder().stack_size(256 << 10).build();
    /// assert_eq!(run(pool.spawn(|| 1)).unwrap(), 1);
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.ways.stack_size = Some(bytes);
        self
    }

    /// Makes the pool. No thread is started yet.
    ///
    /// # Examples
    /// ```
    /// use arborio_executor::blocking::BlockingPool;
    /// assert_eq!(BlockingPool::builder().build().threads(), 0);
    /// ```
    #[must_use = "dropping the owner of a pool stops the pool; `detach` lets its jobs go on"]
    pub fn build(self) -> BlockingPool {
        BlockingPool {
            crew: Arc::new(Crew::new(self.max_threads, self.ways)),
            grace: self.grace,
            is_owned: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_that_come_too_late_share_the_last_place() {
        let places = [0, 1, GENERATIONS - 1, GENERATIONS, usize::MAX].map(place_of);
        assert_eq!(places, [0, 1, 3, 3, 3]);
    }
}
